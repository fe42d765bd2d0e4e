SELECT * FROM (
  SELECT * FROM decisions
) AS d WHERE "_MILLRACE_OUTCOME" IN ('inserted', 'it''s')
