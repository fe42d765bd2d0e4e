SELECT 'abt' AS a_source, D1 AS a_key, 'buy' AS b_source, D2 AS b_key FROM read_csv('${data}/abt_buy/gt.csv', delim = '|', all_varchar = true)
