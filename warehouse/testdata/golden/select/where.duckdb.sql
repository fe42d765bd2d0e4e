SELECT * FROM (
  SELECT * FROM (
    SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS TIMESTAMP) AS "at"
    FROM read_parquet(['/wh/data/it''s [[]1].parquet'], hive_partitioning = false)
  ) AS r
  WHERE EXISTS (SELECT 1 FROM (
    SELECT * FROM keys
  ) AS k WHERE k."id" = r."id")
) AS b
WHERE NOT EXISTS (
  SELECT 1 FROM (
    SELECT CAST("id" AS BIGINT) AS "id"
    FROM read_parquet(['/wh/data/up.parquet'], hive_partitioning = false)
  ) AS d WHERE d."id" = b."id")
UNION ALL
SELECT * FROM (
  SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS TIMESTAMP) AS "at"
  FROM read_parquet(['/wh/data/up.parquet'], hive_partitioning = false)
) AS r
WHERE EXISTS (SELECT 1 FROM (
  SELECT * FROM keys
) AS k WHERE k."id" = r."id")
