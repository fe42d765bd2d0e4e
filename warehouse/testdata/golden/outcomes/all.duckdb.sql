SELECT "_millrace_outcome", count(*) AS n FROM (
  SELECT * FROM decisions
) AS d GROUP BY "_millrace_outcome"
