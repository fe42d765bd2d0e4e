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

func TestMoves(t *testing.T) {
	db, err := Open(t.Context(), Config{Memory: 64 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for query, want := range map[string]bool{
		"SELECT x, sum(y), any_value(z), row_number() OVER () FROM t GROUP BY x LIMIT 3": false,
		"SELECT * FROM range(3) AS r, t WHERE current_price > 1 AND local > 0":           false,
		"SELECT CASE WHEN x THEN 1 ELSE error('no') END, age(x, y) FROM t":               false,
		"SELECT * FROM t WHERE at > Now() - INTERVAL 1 DAY":                              true,
		"SELECT * FROM t WHERE at = CURRENT_DATE":                                        true,
		"SELECT * FROM t WHERE at < localtimestamp":                                      true,
		"SELECT * FROM t WHERE at < today()":                                             true,
		"SELECT Current_LocalTimestamp() AS at":                                          true,
		"SELECT * FROM t WHERE at < current_localtime()":                                 true,
		"SELECT ago(INTERVAL 1 DAY)":                                                     true,
		"SELECT age(x) FROM t":                                                           true,
		"SELECT x FROM (SELECT x FROM t WHERE random() < 0.1)":                           true,
		"SELECT uuid(), x FROM t":                                                        true,
		"SELECT x FROM t USING SAMPLE 10%":                                               true,
	} {
		if got, err := db.Moves(t.Context(), query); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", query, got, err, want)
		}
	}
}
