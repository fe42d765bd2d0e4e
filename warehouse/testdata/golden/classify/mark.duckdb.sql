SELECT w."id", CASE WHEN e."id" IS NULL THEN 'inserted' WHEN e."gone" IS NOT NULL AND w."gone" IS NULL THEN 'updated' WHEN row(e."at" IS NOT NULL, e."at") < row(w."at" IS NOT NULL, w."at") THEN 'updated' WHEN row(w."at" IS NOT NULL, w."at") < row(e."at" IS NOT NULL, e."at") THEN 'superseded' ELSE 'tie' END AS "_millrace_outcome"
FROM (
  SELECT id, at, gone FROM landed
) AS w
LEFT JOIN (
  SELECT id, at, gone FROM published
) AS e ON w."id" = e."id"
