SELECT w."ID", CASE WHEN e."ID" IS NULL THEN 'inserted' WHEN w."AT" IS NOT DISTINCT FROM e."AT" THEN 'tie' ELSE 'updated' END AS "_MILLRACE_OUTCOME"
FROM (
  SELECT id, at FROM landed
) AS w
LEFT JOIN (
  SELECT id, at FROM published
) AS e ON w."ID" = e."ID"
