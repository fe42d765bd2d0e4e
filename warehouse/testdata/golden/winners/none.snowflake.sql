WITH landed AS (
  SELECT * FROM landed
), repeated AS (
  SELECT "ID", "AT" FROM landed GROUP BY "ID", "AT" HAVING count(*) > 1
), won AS (
  SELECT * FROM landed AS _millrace_row
  WHERE EXISTS (SELECT 1 FROM repeated AS d WHERE d."ID" = _millrace_row."ID" AND d."AT" = _millrace_row."AT")
  QUALIFY ROW_NUMBER() OVER (PARTITION BY _millrace_row."ID", _millrace_row."AT" ORDER BY (_millrace_row."AT" IS NOT NULL) DESC NULLS LAST, (_millrace_row."AT") DESC NULLS LAST, (_millrace_row."ID" IS NOT NULL) DESC NULLS LAST, (_millrace_row."ID") DESC NULLS LAST, (_millrace_row."ODD ""NAME" IS NOT NULL) DESC NULLS LAST, (_millrace_row."ODD ""NAME") DESC NULLS LAST) = 1
)
SELECT * FROM landed AS _millrace_row WHERE NOT EXISTS (SELECT 1 FROM repeated AS d WHERE d."ID" = _millrace_row."ID" AND d."AT" = _millrace_row."AT")
UNION ALL
SELECT * FROM won
