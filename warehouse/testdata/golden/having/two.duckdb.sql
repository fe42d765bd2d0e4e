SELECT * FROM (
  SELECT * FROM decisions
) AS d WHERE "_millrace_outcome" IN ('inserted', 'it''s')
