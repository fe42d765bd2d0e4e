SELECT * FROM (
  SELECT * FROM landed
) AS r
WHERE EXISTS (SELECT 1 FROM (
  SELECT * FROM (
    SELECT * FROM decisions
  ) AS d WHERE "_MILLRACE_OUTCOME" IN ('inserted', 'updated')
) AS k WHERE k."ID" = r."ID")
