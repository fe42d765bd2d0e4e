SELECT * FROM (
  SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS TIMESTAMP) AS "at"
  FROM read_parquet(['/wh/data/it''s [[]1].parquet'], hive_partitioning = false)
) AS b
WHERE NOT EXISTS (
  SELECT 1 FROM (
    SELECT CAST("id" AS BIGINT) AS "id"
    FROM read_parquet(['/wh/data/del.parquet'], hive_partitioning = false)
  ) AS d WHERE d."id" = b."id")
