SELECT "id", "odd ""day", CAST(NULL AS TIMESTAMP) AS "since" FROM (
SELECT * FROM (
  SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""day" AS DATE) AS "odd ""day"
  FROM read_parquet(['/wh/both.parquet'], hive_partitioning = false)
) AS b
WHERE NOT EXISTS (
  SELECT 1 FROM (
    SELECT CAST("id" AS BIGINT) AS "id"
    FROM read_parquet(['/wh/old.parquet'], hive_partitioning = false)
  ) AS d WHERE d."id" = b."id")
UNION ALL
SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""day" AS DATE) AS "odd ""day"
FROM read_parquet(['/wh/old.parquet'], hive_partitioning = false)
) AS r
