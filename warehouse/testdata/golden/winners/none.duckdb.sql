WITH landed AS (
  SELECT * FROM landed
), repeated AS (
  SELECT "id", "at" FROM landed GROUP BY "id", "at" HAVING count(*) > 1
), won AS (
  SELECT arg_max(_millrace_row, row(_millrace_row."at" IS NOT NULL, _millrace_row."at", _millrace_row."id" IS NOT NULL, _millrace_row."id", _millrace_row."odd ""name" IS NOT NULL, _millrace_row."odd ""name")) AS w
  FROM landed AS _millrace_row
  WHERE EXISTS (SELECT 1 FROM repeated AS d WHERE d."id" = _millrace_row."id" AND d."at" = _millrace_row."at")
  GROUP BY _millrace_row."id", _millrace_row."at"
)
SELECT * FROM landed AS _millrace_row WHERE NOT EXISTS (SELECT 1 FROM repeated AS d WHERE d."id" = _millrace_row."id" AND d."at" = _millrace_row."at")
UNION ALL
SELECT w.* FROM won
