SELECT e."id", e."odd ""name", CAST('2025-03-30 01:04:05.678901+00:00' AS TIMESTAMP WITH TIME ZONE) AS "gone"
FROM (
  SELECT id FROM gone
) AS g
JOIN (
  SELECT * FROM published
) AS e ON g."id" = e."id"
