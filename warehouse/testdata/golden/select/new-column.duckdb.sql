SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS TIMESTAMP) AS "at"
FROM (
  SELECT CAST(NULL AS BIGINT) AS "id", CAST(NULL AS VARCHAR) AS "odd ""name", CAST(NULL AS TIMESTAMP) AS "at"
  WHERE 1 = 0
  UNION ALL BY NAME
  SELECT * FROM read_parquet(['/wh/data/old.parquet'], hive_partitioning = false)
) AS f
