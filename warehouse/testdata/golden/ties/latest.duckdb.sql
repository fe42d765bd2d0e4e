SELECT w."id", CASE WHEN w."id" IS NOT DISTINCT FROM e."id" AND w."odd ""name" IS NOT DISTINCT FROM e."odd ""name" AND w."at" IS NOT DISTINCT FROM e."at" THEN 'unchanged' ELSE 'updated' END AS "_millrace_outcome"
FROM (
  SELECT * FROM (
    SELECT * FROM landed
  ) AS r
  WHERE EXISTS (SELECT 1 FROM (
    SELECT * FROM (
      SELECT * FROM decisions
    ) AS d WHERE "_millrace_outcome" IN ('tie')
  ) AS k WHERE k."id" = r."id")
) AS w
JOIN (
  SELECT * FROM published
) AS e ON w."id" = e."id"
