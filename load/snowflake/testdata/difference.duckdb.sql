WITH candidates AS MATERIALIZED (
SELECT DISTINCT "id" FROM (
SELECT CAST("id" AS BIGINT) AS "id"
FROM read_parquet(['/wh/old.parquet'], hive_partitioning = false)
UNION ALL
SELECT CAST("id" AS BIGINT) AS "id"
FROM read_parquet(['/wh/new.parquet'], hive_partitioning = false)
UNION ALL
SELECT CAST("id" AS BIGINT) AS "id"
FROM read_parquet(['/wh/gone.parquet'], hive_partitioning = false)
) AS r
), o AS MATERIALIZED (
SELECT "id", "odd ""day", CAST(NULL AS TIMESTAMP) AS "since" FROM (
SELECT * FROM (
  SELECT * FROM (
  SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""day" AS DATE) AS "odd ""day"
  FROM read_parquet(['/wh/both.parquet'], hive_partitioning = false)
  ) AS v WHERE EXISTS (SELECT 1 FROM candidates AS c WHERE c."id" = v."id")
) AS b
WHERE NOT EXISTS (
  SELECT 1 FROM (
    SELECT CAST("id" AS BIGINT) AS "id"
    FROM read_parquet(['/wh/old.parquet'], hive_partitioning = false)
  ) AS d WHERE d."id" = b."id")
UNION ALL
SELECT * FROM (
SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""day" AS DATE) AS "odd ""day"
FROM read_parquet(['/wh/old.parquet'], hive_partitioning = false)
) AS v WHERE EXISTS (SELECT 1 FROM candidates AS c WHERE c."id" = v."id")
) AS r
), n AS MATERIALIZED (
SELECT * FROM (
  SELECT * FROM (
  SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""day" AS DATE) AS "odd ""day", CAST("since" AS TIMESTAMP) AS "since"
  FROM (
    SELECT CAST(NULL AS BIGINT) AS "id", CAST(NULL AS DATE) AS "odd ""day", CAST(NULL AS TIMESTAMP) AS "since"
    WHERE 1 = 0
    UNION ALL BY NAME
    SELECT * FROM read_parquet(['/wh/both.parquet'], hive_partitioning = false)
  ) AS f
  ) AS v WHERE EXISTS (SELECT 1 FROM candidates AS c WHERE c."id" = v."id")
) AS b
WHERE NOT EXISTS (
  SELECT 1 FROM (
    SELECT CAST("id" AS BIGINT) AS "id"
    FROM read_parquet(['/wh/new.parquet'], hive_partitioning = false)
    UNION ALL
    SELECT CAST("id" AS BIGINT) AS "id"
    FROM read_parquet(['/wh/gone.parquet'], hive_partitioning = false)
  ) AS d WHERE d."id" = b."id")
UNION ALL
SELECT * FROM (
SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""day" AS DATE) AS "odd ""day", CAST("since" AS TIMESTAMP) AS "since"
FROM read_parquet(['/wh/new.parquet'], hive_partitioning = false)
) AS v WHERE EXISTS (SELECT 1 FROM candidates AS c WHERE c."id" = v."id")
)
SELECT n.*, 'U' AS "_MR_OP" FROM n LEFT JOIN o ON o."id" = n."id" WHERE o."id" IS NULL OR NOT (n."id" IS NOT DISTINCT FROM o."id") OR NOT (n."odd ""day" IS NOT DISTINCT FROM o."odd ""day") OR NOT (n."since" IS NOT DISTINCT FROM o."since")
UNION ALL
SELECT o."id", NULL, NULL, 'D' FROM o WHERE NOT EXISTS (SELECT 1 FROM n WHERE n."id" = o."id")
