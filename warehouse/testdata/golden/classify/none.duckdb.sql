SELECT w."id", CASE WHEN e."id" IS NULL THEN 'inserted' WHEN w."id" IS NOT DISTINCT FROM e."id" AND w."odd ""name" IS NOT DISTINCT FROM e."odd ""name" AND w."at" IS NOT DISTINCT FROM e."at" THEN 'unchanged' ELSE 'updated' END AS "_millrace_outcome"
FROM (
  SELECT * FROM landed
) AS w
LEFT JOIN (
  SELECT * FROM published
) AS e ON w."id" = e."id"
