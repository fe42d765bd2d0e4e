SELECT w."ID", CASE WHEN w."ID" IS NOT DISTINCT FROM e."ID" AND w."ODD ""NAME" IS NOT DISTINCT FROM e."ODD ""NAME" AND w."AT" IS NOT DISTINCT FROM e."AT" THEN 'unchanged' ELSE 'updated' END AS "_MILLRACE_OUTCOME"
FROM (
  SELECT * FROM (
    SELECT * FROM landed
  ) AS r
  WHERE EXISTS (SELECT 1 FROM (
    SELECT * FROM (
      SELECT * FROM decisions
    ) AS d WHERE "_MILLRACE_OUTCOME" IN ('tie')
  ) AS k WHERE k."ID" = r."ID")
) AS w
JOIN (
  SELECT * FROM published
) AS e ON w."ID" = e."ID"
