SELECT column0 AS a_key, column1 AS b_key FROM read_csv('${data}/cora/cora_gt.csv', delim = '|', header = false, all_varchar = true)
