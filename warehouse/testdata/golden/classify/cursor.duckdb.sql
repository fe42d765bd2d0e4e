SELECT w."id", CASE WHEN e."id" IS NULL THEN 'inserted' WHEN row(e."at" IS NOT NULL, e."at") < row(w."at" IS NOT NULL, w."at") THEN 'updated' WHEN row(w."at" IS NOT NULL, w."at") < row(e."at" IS NOT NULL, e."at") THEN 'superseded' ELSE 'tie' END AS "_millrace_outcome"
FROM (
  SELECT id, at FROM landed
) AS w
LEFT JOIN (
  SELECT id, at FROM published
) AS e ON w."id" = e."id"
