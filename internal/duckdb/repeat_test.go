package duckdb

import "testing"

func TestRepeatable(t *testing.T) {
	db, err := Open(t.Context(), Config{Memory: 64 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for query, want := range map[string]bool{
		"SELECT * FROM a.b": true,
		"SELECT *, upper(x) || 'y' AS z, CASE WHEN x > 1 THEN 2 END, x::INT, x IS NULL, [x][1] FROM t JOIN u USING (id) WHERE x IN (1, 2) AND NOT y": true,
		"WITH c AS (SELECT DISTINCT x FROM t) SELECT x FROM c UNION ALL SELECT 1 ORDER BY x":                                                         true,
		"SELECT x, count(*), max(y) FROM t GROUP BY ALL":                                                                                             true,
		"SELECT x, (SELECT max(z) FROM u) FROM t":                                                                                                    true,
		"SELECT x, DATE '2020-01-01' + 1, x::DECIMAL(9,2) FROM t":                                                                                    true,
		"SELECT random()":                                 false,
		"SELECT now()":                                    false,
		"SELECT current_date":                             false,
		"SELECT x FROM t LIMIT 3":                         false,
		"SELECT x FROM t USING SAMPLE 10%":                false,
		"SELECT row_number() OVER () FROM t":              false,
		"SELECT DISTINCT ON (x) * FROM t":                 false,
		"SELECT sum(x) FROM t":                            false,
		"SELECT any_value(x) FROM t":                      false,
		"SELECT * FROM range(3)":                          false,
		"SELECT list(x) FROM t":                           false,
		"SELECT * FROM (SELECT x FROM t) TABLESAMPLE 50%": false,
		"SELECT * FROM t POSITIONAL JOIN u":               false,
		"SELECT * FROM t ASOF JOIN u USING (x)":           false,
		"SELECT age(x) FROM t":                            false,
		"SELECT getvariable('a')":                         false,
		"FROM (PIVOT t ON x IN (1) USING first(y))":       false,
		"SELECT * FROM t CROSS JOIN u":                    true,
		"SELECT * FROM t NATURAL JOIN u, v":               true,
		"SELECT nextval('s')":                             false,
	} {
		got, tables, err := db.Repeatable(t.Context(), query)
		if err != nil || got != want {
			t.Errorf("%s: %v %v, want %v (%v)", query, got, err, want, tables)
		}
	}
}
