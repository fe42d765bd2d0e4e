SELECT DISTINCT "odd ""day" FROM (
SELECT "odd ""day" FROM (
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
) AS v WHERE EXISTS (SELECT 1 FROM (
SELECT CAST("id" AS BIGINT) AS "id"
FROM read_parquet(['/wh/old.parquet'], hive_partitioning = false)
UNION ALL
SELECT CAST("id" AS BIGINT) AS "id"
FROM read_parquet(['/wh/new.parquet'], hive_partitioning = false)
UNION ALL
SELECT CAST("id" AS BIGINT) AS "id"
FROM read_parquet(['/wh/gone.parquet'], hive_partitioning = false)
) AS c WHERE c."id" = v."id")
UNION ALL
SELECT "odd ""day" FROM (
SELECT * FROM (
  SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""day" AS DATE) AS "odd ""day", CAST("since" AS TIMESTAMP) AS "since"
  FROM (
    SELECT CAST(NULL AS BIGINT) AS "id", CAST(NULL AS DATE) AS "odd ""day", CAST(NULL AS TIMESTAMP) AS "since"
    WHERE 1 = 0
    UNION ALL BY NAME
    SELECT * FROM read_parquet(['/wh/both.parquet'], hive_partitioning = false)
  ) AS f
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
SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""day" AS DATE) AS "odd ""day", CAST("since" AS TIMESTAMP) AS "since"
FROM read_parquet(['/wh/new.parquet'], hive_partitioning = false)
) AS v WHERE EXISTS (SELECT 1 FROM (
SELECT CAST("id" AS BIGINT) AS "id"
FROM read_parquet(['/wh/old.parquet'], hive_partitioning = false)
UNION ALL
SELECT CAST("id" AS BIGINT) AS "id"
FROM read_parquet(['/wh/new.parquet'], hive_partitioning = false)
UNION ALL
SELECT CAST("id" AS BIGINT) AS "id"
FROM read_parquet(['/wh/gone.parquet'], hive_partitioning = false)
) AS c WHERE c."id" = v."id")
) AS r
