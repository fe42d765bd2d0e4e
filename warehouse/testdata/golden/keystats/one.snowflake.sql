SELECT coalesce(sum(n), 0) AS n_rows, count(*) AS n_keys, coalesce(sum(n - 1), 0) AS n_repeated, coalesce(sum(n_null), 0) AS n_null
FROM (
  SELECT count(*) AS n, sum(CASE WHEN "ID" IS NULL THEN 1 ELSE 0 END) AS n_null
  FROM (
    SELECT * FROM landed
  ) AS r
  GROUP BY "ID"
) AS k
