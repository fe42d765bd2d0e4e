SELECT * FROM landed WHERE coalesce("id" >= 1 AND "id" < 2.5, false)
