SELECT 'dblp' AS a_source, D1 AS a_key, 'acm' AS b_source, D2 AS b_key FROM read_csv('${data}/dblp_acm/gt.csv', delim = '%', all_varchar = true)
