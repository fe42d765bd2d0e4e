SELECT min(CASE WHEN "id" > 2 THEN file_row_number END, 5) AS first FROM read_parquet(['/wh/data/it''s [[]1].parquet'], hive_partitioning = false, filename = '_millrace_file', file_row_number = true)
