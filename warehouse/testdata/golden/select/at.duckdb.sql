SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS TIMESTAMP) AS "at", _millrace_file, file_row_number
FROM read_parquet(['/wh/data/it''s [[]1].parquet', '/wh/data/old.parquet'], hive_partitioning = false, filename = '_millrace_file', file_row_number = true, union_by_name = true)
