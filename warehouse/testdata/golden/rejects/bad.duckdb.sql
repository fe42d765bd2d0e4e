SELECT CAST('in/a.parquet' AS VARCHAR) AS file, CAST(0 AS BIGINT) AS line, CAST(-1 AS BIGINT) AS "offset",
  CASE WHEN _millrace_row."id" IS NULL THEN 'id' WHEN _millrace_row."at" IS NULL THEN 'at' END AS "column", 'null_key' AS reason, 'the key column ' || CASE WHEN _millrace_row."id" IS NULL THEN 'id' WHEN _millrace_row."at" IS NULL THEN 'at' END || ' is NULL' AS message, CAST(to_json(_millrace_row) AS VARCHAR) AS raw
FROM (
  SELECT * FROM landed
) AS _millrace_row WHERE _millrace_row."id" IS NULL OR _millrace_row."at" IS NULL
