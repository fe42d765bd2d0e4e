SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS TIMESTAMP) AS "at"
FROM read_parquet(['/wh/data/it''s [[]1].parquet', '/wh/data/2.parquet'], hive_partitioning = false, union_by_name = true)
