SELECT DISTINCT "odd ""day" FROM (
SELECT "odd ""day" FROM (
SELECT CAST("odd ""day" AS DATE) AS "odd ""day"
FROM read_parquet(['/wh/old.parquet'], hive_partitioning = false)
) AS r
UNION ALL
SELECT CAST("odd ""day" AS DATE) AS "odd ""day"
FROM read_parquet(['/wh/new.parquet'], hive_partitioning = false)
) AS r
