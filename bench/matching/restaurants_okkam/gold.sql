SELECT 'one' AS a_source, D1 AS a_key, 'two' AS b_source, D2 AS b_key FROM read_csv('${data}/restaurants_okkam/gt.csv', delim = '|', all_varchar = true)
