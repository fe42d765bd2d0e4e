SELECT * FROM (
  SELECT * FROM landed
) AS r WHERE r."id" IS NULL OR r."at" IS NULL
