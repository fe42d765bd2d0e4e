SELECT CAST("id" AS BIGINT) AS "id", CAST("odd ""name" AS VARCHAR) AS "odd ""name", CAST("at" AS TIMESTAMP) AS "at" FROM landed
