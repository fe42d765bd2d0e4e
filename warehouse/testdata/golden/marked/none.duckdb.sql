SELECT * FROM (
  SELECT * FROM published
) AS r WHERE "the ""mark" IS NULL
