SELECT w."id", CASE WHEN e."id" IS NULL THEN 'inserted' WHEN w."at" IS NOT DISTINCT FROM e."at" THEN 'tie' ELSE 'updated' END AS "_millrace_outcome"
FROM (
  SELECT id, at FROM landed
) AS w
LEFT JOIN (
  SELECT id, at FROM published
) AS e ON w."id" = e."id"
