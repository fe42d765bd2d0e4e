SELECT * FROM (
  SELECT * FROM published
) AS r
WHERE NOT EXISTS (SELECT 1 FROM (
  SELECT id, at FROM landed
) AS k WHERE k."id" = r."id" AND k."at" = r."at")
UNION ALL
SELECT * FROM landed
