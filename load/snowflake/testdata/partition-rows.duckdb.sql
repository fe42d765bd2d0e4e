WITH parts AS MATERIALIZED (
SELECT DISTINCT "odd ""day" FROM (
SELECT "odd ""day" FROM (
SELECT CAST("odd ""day" AS DATE) AS "odd ""day"
FROM read_parquet(['/wh/old.parquet'], hive_partitioning = false)
) AS r
UNION ALL
SELECT CAST("odd ""day" AS DATE) AS "odd ""day"
FROM read_parquet(['/wh/new.parquet'], hive_partitioning = false)
) AS r
)
SELECT * FROM (
SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""day" AS DATE) AS "odd ""day", CAST("since" AS TIMESTAMP) AS "since"
FROM read_parquet(['/wh/both.parquet', '/wh/new.parquet'], hive_partitioning = false, union_by_name = true)
) AS v WHERE EXISTS (SELECT 1 FROM parts AS p WHERE p."odd ""day" IS NOT DISTINCT FROM v."odd ""day")
