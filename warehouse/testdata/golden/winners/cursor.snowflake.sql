WITH landed AS (
  SELECT * FROM landed
), repeated AS (
  SELECT "ID" FROM landed GROUP BY "ID" HAVING count(*) > 1
), won AS (
  SELECT * FROM landed AS _millrace_row
  WHERE EXISTS (SELECT 1 FROM repeated AS d WHERE d."ID" = _millrace_row."ID")
  QUALIFY ROW_NUMBER() OVER (PARTITION BY _millrace_row."ID" ORDER BY (_millrace_row."AT" IS NOT NULL) DESC NULLS LAST, (_millrace_row."AT") DESC NULLS LAST, (_millrace_row."AT" IS NOT NULL) DESC NULLS LAST, (_millrace_row."AT") DESC NULLS LAST, (_millrace_row."ID" IS NOT NULL) DESC NULLS LAST, (_millrace_row."ID") DESC NULLS LAST, (_millrace_row."ODD ""NAME" IS NOT NULL) DESC NULLS LAST, (_millrace_row."ODD ""NAME") DESC NULLS LAST) = 1
)
SELECT * FROM landed AS _millrace_row WHERE NOT EXISTS (SELECT 1 FROM repeated AS d WHERE d."ID" = _millrace_row."ID")
UNION ALL
SELECT * FROM won
