SELECT CAST("id" AS VARCHAR) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS VARCHAR) AS "at" FROM (
SELECT * FROM landed
) AS q
