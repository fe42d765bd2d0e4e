SELECT CAST('in/a.parquet' AS VARCHAR) AS file, CAST(0 AS BIGINT) AS line, CAST(-1 AS BIGINT) AS "OFFSET",
  CASE WHEN _millrace_row."ID" IS NULL THEN 'id' WHEN _millrace_row."AT" IS NULL THEN 'at' END AS "COLUMN", 'null_key' AS reason, 'the key column ' || CASE WHEN _millrace_row."ID" IS NULL THEN 'id' WHEN _millrace_row."AT" IS NULL THEN 'at' END || ' is NULL' AS message, CAST(TO_JSON(OBJECT_CONSTRUCT_KEEP_NULL(*)) AS VARCHAR) AS raw
FROM (
  SELECT * FROM landed
) AS _millrace_row WHERE _millrace_row."ID" IS NULL OR _millrace_row."AT" IS NULL
