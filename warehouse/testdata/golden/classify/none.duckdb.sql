SELECT w."id", CASE WHEN e."id" IS NULL THEN 'inserted' ELSE 'tie' END AS "_millrace_outcome"
FROM (
  SELECT id FROM landed
) AS w
LEFT JOIN (
  SELECT id FROM published
) AS e ON w."id" = e."id"
