SELECT rec_id AS key, regexp_extract(rec_id, 'rec-([0-9]+)-', 1) AS cluster
FROM read_csv('${data}/febrl1/dataset1.csv', normalize_names = true, all_varchar = true)
