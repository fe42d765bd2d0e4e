SELECT * FROM (
  SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS TIMESTAMP) AS "at"
  FROM read_parquet(['/wh/data/it''s [[]1].parquet'], hive_partitioning = false)
) AS b
WHERE NOT EXISTS (
  SELECT 1 FROM (
    SELECT CAST("id" AS BIGINT) AS "id", CAST("at" AS TIMESTAMP) AS "at"
    FROM read_parquet(['/wh/data/up.parquet'], hive_partitioning = false)
    UNION ALL
    SELECT CAST("id" AS BIGINT) AS "id", CAST("at" AS TIMESTAMP) AS "at"
    FROM (
      SELECT CAST(NULL AS BIGINT) AS "id", CAST(NULL AS TIMESTAMP) AS "at"
      WHERE 1 = 0
      UNION ALL BY NAME
      SELECT * FROM read_parquet(['/wh/data/del.parquet'], hive_partitioning = false)
    ) AS f
  ) AS d WHERE d."id" = b."id" AND d."at" = b."at")
UNION ALL
SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS TIMESTAMP) AS "at"
FROM read_parquet(['/wh/data/up.parquet'], hive_partitioning = false)
