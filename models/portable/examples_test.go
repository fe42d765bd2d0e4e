package portable_test

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/models/portable"
)

// examples run in DuckDB: what each trap gives there, and what the spelling that is advised gives; "" where a macro or nothing is advised.
var examples = []struct{ trap, sql, gives, instead string }{
	{"`ORDER BY … DESC` without NULLS", "SELECT a FROM t ORDER BY a DESC", "[[7] [2] [<nil>]]", "SELECT a FROM t ORDER BY a DESC NULLS LAST"},
	{"`greatest` and `least`", "SELECT greatest(a, 5) FROM t", "[[5] [7] [5]]", "SELECT CASE WHEN a >= 5 OR 5 IS NULL THEN a ELSE 5 END FROM t"},
	{"`concat` and `concat_ws`", "SELECT concat('x', NULL), concat_ws('-', 'x', NULL, 'y')", "[[x x-y]]", "SELECT 'x' || coalesce(NULL, ''), 'x' || coalesce('-' || NULL, '') || '-y'"},
	{"`jaro_winkler_similarity`, `jaro_similarity`", "SELECT jaro_winkler_similarity('abc', 'abc'), jaro_similarity('abc', 'ABC')", "[[1 0]]", ""},
	{"`levenshtein`, `editdist3`", "SELECT s.levenshtein('y'), editdist3(s, 'xy') FROM t WHERE s = 'x'", "[[1 1]]", ""},
	{"`jaccard`, `damerau_levenshtein`, `hamming`", "SELECT jaccard('ab', 'ab'), damerau_levenshtein('ab', 'ba'), hamming('ab', 'ac'), mismatches('ab', 'ac')", "[[1 1 1 1]]", ""},
	{"`regexp_matches`", "SELECT regexp_matches('axb', 'x')", "[[true]]", "SELECT 'axb' LIKE '%x%'"},
	{"`regexp_matches`", "SELECT regexp_matches('a%b', '%')", "[[true]]", "SELECT contains('a%b', '%')"},
	{"`regexp_full_match`", "SELECT regexp_full_match('axb', 'a.b'), regexp_full_match('axbc', 'a.b')", "[[true false]]", "SELECT 'axb' LIKE 'a_b', 'axbc' LIKE 'a_b'"},
	{"`regexp_replace`", "SELECT regexp_replace('aXx', 'x', '-', 'i'), regexp_replace('xx', 'x', '-')", "[[a-x -x]]", ""},
	{"`regexp_replace`", "SELECT regexp_replace('xx', 'x', '-', 'g')", "[[--]]", "SELECT replace('xx', 'x', '-')"},
	{"`TRY_CAST` of what is no text", "SELECT TRY_CAST(a * 20 AS TINYINT) FROM t", "[[40] [<nil>] [<nil>]]", "SELECT CASE WHEN a * 20 BETWEEN -128 AND 127 THEN CAST(a * 20 AS TINYINT) END FROM t"},
	{"`TRY_CAST` of what is no text", "SELECT TRY_CAST(s AS DATE) FROM t", "[[2025-01-02] [<nil>] [<nil>]]", "SELECT TRY_CAST(CAST(s AS VARCHAR) AS DATE) FROM t"},
	{"`avg` and `mean`", "SELECT avg(a), typeof(avg(a)) FROM t", "[[4.5 DOUBLE]]", "SELECT avg(CAST(a AS DOUBLE)), typeof(avg(a::DOUBLE)) FROM t"},
	{"`avg` and `mean`", "SELECT mean(a) FROM t", "[[4.5]]", "SELECT avg(CAST(a AS DOUBLE)) FROM t"},
	{"`DECIMAL` without digits", "SELECT typeof('1.25'::DECIMAL), '1.25'::NUMERIC", "[[DECIMAL(18,3) 1.250]]", "SELECT typeof('1.25'::DECIMAL(18, 3)), '1.25'::DECIMAL(18, 3)"},
	{"`TIMESTAMPTZ`", "SELECT ('2025-01-02 00:30:00+02'::TIMESTAMPTZ AT TIME ZONE 'UTC')::DATE::VARCHAR", "[[2025-01-01]]", ""},
	{"`AT TIME ZONE`", "SELECT (TIMESTAMP '2025-01-01 23:30:00' AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin')::VARCHAR", "[[2025-01-02 00:30:00]]", ""},
	{"`dayname` and `monthname`", "SELECT dayname(DATE '2025-01-06'), monthname(DATE '2025-09-01')", "[[Monday September]]", ""},
	{"`dayname` and `monthname`", "SELECT dayname(DATE '2025-01-06')[1:3], monthname(DATE '2025-09-01')[1:3]", "[[Mon Sep]]", "SELECT left(dayname(DATE '2025-01-06'), 3), left(monthname(DATE '2025-09-01'), 3)"},
	{"`extract(epoch …)`", "SELECT extract(epoch FROM TIMESTAMP '1970-01-01 00:00:01.5'), epoch(TIMESTAMP '1970-01-01 00:00:01.5')", "[[1.5 1.5]]", ""},
	{"`extract(epoch …)`", "SELECT extract(epoch FROM TIMESTAMP '1970-01-01 00:00:01')", "[[1]]", "SELECT floor(extract(epoch FROM TIMESTAMP '1970-01-01 00:00:01'))"},
	{"`substr(a, 0, …)`", "SELECT substr('hello', 0, 3)", "[[he]]", "SELECT substr('hello', 1, 2)"},
	{"`array_agg` and `list`", "SELECT array_agg(a ORDER BY a) FROM t", "[[[2, 7, NULL]]]", ""},
	{"`clean_…`", "SELECT clean_fold('Ärger'), clean_osa('ab', 'ba')", "[[arger 1]]", ""},
	{"`hash`", "SELECT hash('a') BETWEEN 0 AND 18446744073709551615, hash('a') = hash('b')", "[[true false]]", ""},
	{"`random`", "SELECT random() BETWEEN 0 AND 1", "[[true]]", ""},
	{"`generate_series`, `range`", "SELECT count(*), range(2) FROM generate_series(1, 3)", "[[3 [0, 1]]]", ""},
	{"`//`", "SELECT a // 2, -7 // a, 9007199254740991 // a, a // 0 FROM t", "[[1 -3 4503599627370495 <nil>] [3 -1 1286742750677284 <nil>] [<nil> <nil> <nil> <nil>]]",
		"SELECT " + whole("a", "2") + ", " + whole("-7", "a") + ", " + whole("9007199254740991", "a") + ", " + whole("a", "0") + " FROM t"},
	{"`/`", "SELECT a / 7, typeof(a / 7) FROM t", "[[0.2857142857142857 DOUBLE] [1 DOUBLE] [<nil> DOUBLE]]", "SELECT CAST(a AS DOUBLE) / 7, typeof(a::DOUBLE / 7) FROM t"},
	{"`~` and `SIMILAR TO`", "SELECT 'axb' ~ 'x', 'axb' ~ 'a.b', 'axb' SIMILAR TO 'a.b'", "[[false true true]]", "SELECT 'axb' LIKE 'x', 'axb' LIKE 'a_b', 'axb' LIKE 'a_b'"},
	{"a backslash in '…'", `SELECT 'a\nb'`, `[[a\nb]]`, `SELECT $$a\nb$$`},
	{"a subscript", "SELECT string_split('a,b', ',')[1]", "[[a]]", ""},
	{"a list `[…]`", "SELECT typeof([1, 2])", "[[INTEGER[]]]", ""},
	{"a struct `{…}`", "SELECT typeof({'b': 1, 'a': 'x'})", "[[STRUCT(b INTEGER, a VARCHAR)]]", ""},
	{"a lambda", "SELECT list_transform(range(2), lambda x: x + 1)", "[[[1, 2]]]", ""},
	{"`ASOF JOIN`", "SELECT t.a, u.b FROM t ASOF JOIN (VALUES (1), (3), (6)) AS u(b) ON t.a >= u.b ORDER BY 1", "[[2 1] [7 6]]",
		"SELECT t.a, u.b FROM t JOIN (VALUES (1), (3), (6)) AS u(b) ON t.a >= u.b QUALIFY row_number() OVER (PARTITION BY t.a ORDER BY u.b DESC NULLS LAST) = 1 ORDER BY 1"},
	{"`USING SAMPLE`", "SELECT count(*) FROM (SELECT * FROM t USING SAMPLE 2)", "[[2]]", ""},
	{"a quoted name with small letters", `SELECT "a" FROM t ORDER BY "A"`, "[[2] [7] [<nil>]]", "SELECT a FROM t ORDER BY A"},
	{"a quoted name with small letters", `SELECT "order" FROM (SELECT 1 AS "ORDER")`, "[[1]]", `SELECT "ORDER" FROM (SELECT 1 AS "ORDER")`},
}

// whole is a // b as it is advised.
func whole(a, b string) string {
	return fmt.Sprintf("CAST(trunc(CAST(%s AS DOUBLE) / nullif(%s, 0)) AS BIGINT)", a, b)
}

func TestExamples(t *testing.T) {
	db, err := duckdb.Open(t.Context(), duckdb.Config{Memory: 256 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	run := func(sql string) string {
		rows, err := db.Query(t.Context(), "WITH t AS (SELECT * FROM (VALUES (2, '2025-01-02'), (7, 'x'), (NULL, NULL)) AS v(a, s)) "+sql)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(rows.Values)
	}
	none := map[string]bool{}
	for _, trap := range portable.Traps() {
		none[trap.Name] = true
	}
	for _, e := range examples {
		delete(none, e.trap)
		hit := false
		for _, f := range portable.Find(e.sql) {
			hit = hit || f.Name == e.trap
		}
		if !hit {
			t.Errorf("%s is not found in %s", e.trap, e.sql)
		}
		if got := run(e.sql); got != e.gives {
			t.Errorf("%s\ngives %s, want %s", e.sql, got, e.gives)
		}
		if e.instead == "" {
			continue
		}
		if got := run(e.instead); got != e.gives {
			t.Errorf("%s\ngives %s, want %s", e.instead, got, e.gives)
		}
		for _, f := range portable.Find(e.instead) {
			t.Errorf("the linter warns of what it advises: %s in %s", f.Name, e.instead)
		}
	}
	for name := range none {
		t.Errorf("%s has no example", name)
	}
}
