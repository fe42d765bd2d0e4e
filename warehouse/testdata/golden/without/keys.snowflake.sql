SELECT * FROM (
  SELECT * FROM published
) AS r
WHERE NOT EXISTS (SELECT 1 FROM (
  SELECT id, at FROM landed
) AS k WHERE k."ID" = r."ID" AND k."AT" = r."AT")
UNION ALL
SELECT * FROM landed
