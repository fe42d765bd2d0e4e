SELECT * FROM landed WHERE coalesce("ID" >= 1 AND "ID" < 2.5, false)
