SELECT count(*) AS n FROM (
  SELECT * FROM landed
) AS r
