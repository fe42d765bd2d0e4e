package check

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// lab is a warehouse with a folder, and checks as a project defines them.
type lab struct {
	*Runner
	dir  string
	node *models.Node
}

// open makes a lab whose table t has the checks, written as YAML list items.
func open(t *testing.T, checks ...string) *lab {
	t.Helper()
	yml := "version: 2\nmodels:\n  - name: t\n    columns: [ { name: secret, tags: [pii] } ]\n    checks:\n"
	for _, c := range checks {
		yml += "      - " + c + "\n"
	}
	p, problems := models.Load(models.Loading{Dir: "/nowhere", Files: fstest.MapFS{
		"millrace.yml":      {Data: []byte("name: p\n")},
		"models/t.sql":      {Data: []byte("{{ config(materialized='table') }} select 1")},
		"models/parent.sql": {Data: []byte("select 1")},
		"models/t.yml":      {Data: []byte(yml)},
	}})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 512 << 20, Threads: 2, Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	l := &lab{dir: dir, node: p.Node("main.t")}
	l.Runner = &Runner{Warehouse: w, Dir: dir, At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Parent: func(*models.Node) (string, error) { return "(VALUES (1), (2), (2), (NULL)) AS p(id)", nil }}
	return l
}

// table writes the SELECT's rows to a file and gives them as a table.
func (l *lab) table(t *testing.T, query string) Table {
	t.Helper()
	path := filepath.Join(l.dir, fmt.Sprintf("t%d.parquet", rand.Int64()))
	f, err := l.Warehouse.Write(t.Context(), query, path)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := l.Warehouse.Describe(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return Table{From: l.Warehouse.Dialect().Files([]string{path}), Columns: columns, Files: []warehouse.File{f}, Exact: true, Secret: Secrets(l.node)}
}

func (l *lab) count(t *testing.T, table Table) []Result {
	t.Helper()
	results, _, err := l.Count(t.Context(), table, l.node.Checks)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// kinds is one row rule each over a table of five rows, with the rows that fail it.
var kinds = []struct {
	check, rows string
	fail, keys  int64
}{
	{"not_null: a", "(1), (NULL), (3), (NULL), (5)", 2, 0},
	{"not_null: [a, b]", "(1, 1), (NULL, NULL), (3, NULL), (4, 4), (5, 5)", 2, 0},
	{"unique: a", "(1), (1), (NULL), (NULL), (5)", 2, 1},
	{"unique: n", "(1), (1), (2), (3), (NULL)", 2, 1},
	{"unique: [a, b]", "(1, 1), (1, 1), (1, 2), (NULL, 2), (NULL, 2)", 2, 1},
	{"unique: { column_name: \"a || b\" }", "('x', 'yz'), ('xy', 'z'), ('q', 'r'), (NULL, 'r'), (NULL, 'r')", 2, 1},
	{"accepted_values: { column: a, values: [x, y] }", "('x'), ('y'), (NULL), ('z'), ('z')", 2, 1},
	{"accepted_values: { column: a, values: [1, 2], quote: false }", "(1), (2), (3), (4), (NULL)", 2, 2},
	{"accepted_values: { column: a, values: [\"it's\", null] }", "('it''s'), (NULL), ('x'), ('y'), ('y')", 3, 2},
	{"rejected_values: { column: a, values: [x] }", "('x'), ('y'), (NULL), ('x'), ('z')", 2, 1},
	{"relationships: { column: a, to: ref('parent'), field: id }", "(1), (2), (3), (3), (NULL)", 2, 1},
	{"range: { column: a, min: 2, max: 4 }", "(1), (2), (4), (5), (NULL)", 2, 0},
	{"range: { column: a, min: 2, max: 4, strictly: true }", "(1), (2), (3), (4), (NULL)", 3, 0},
	{"range: { column: a, min: 0.005 }", "(0.00), (0.01), (0.02), (1.00), (NULL)", 1, 0},
	{"range: { column: a, min: 0, max: 10 }", "(1e0), ('NaN'::DOUBLE), ('inf'::DOUBLE), ('-inf'::DOUBLE), (NULL)", 3, 0},
	{"range: { column: a, min: 0 }", "(1e0), ('NaN'::DOUBLE), ('inf'::DOUBLE), ('-inf'::DOUBLE), (NULL)", 2, 0},
	{"range: { column: a, min: '2024-01-02' }", "(DATE '2024-01-01'), (DATE '2024-01-02'), (DATE '2025-01-01'), (NULL), (NULL)", 1, 0},
	{"length: { column: a, min: 2, max: 3 }", "('a'), ('äö'), ('abc'), ('abcd'), (NULL)", 2, 0},
	{"regex: { column: a, pattern: '[A-Z]{2}' }", "('AB'), ('ABC'), ('ab'), (''), (NULL)", 3, 0},
	{"regex: { column: a, pattern: '[A-Z]{2}', match: partial }", "('AB'), ('ABC'), ('ab'), (''), (NULL)", 2, 0},
	{"regex: { column: a, pattern: '[A-Z]{2}', not: true }", "('AB'), ('ABC'), ('ab'), (''), (NULL)", 1, 0},
	{"expression: a > 1 -- said so", "(1), (2), (3), (NULL), (0)", 2, 0},
	{"expression: { expression: a > 1, 'null': fail }", "(1), (2), (3), (NULL), (0)", 3, 0},
	{"expression: { expression: a || '', 'null': fail }", "('true'), ('no'), ('f'), (NULL), ('1')", 3, 0},
	{"expression: { expression: a * 1, 'null': fail }", "(1.5e0), (0e0), (-1e0), (NULL), ('inf'::DOUBLE)", 2, 0},
	{"not_null: { column: a, where: b = 1 }", "(1, 1), (NULL, 1), (NULL, 2), (NULL, NULL), (5, 1)", 1, 0},
	{"unique: { column: a, where: b = 1 }", "(1, 1), (1, 1), (1, 2), (2, 1), (2, 2)", 2, 1},
}

func (l *lab) five(t *testing.T, rows string) Table {
	names := map[bool]string{true: "n", false: "a"}[l.node.Checks[0].Columns != nil && l.node.Checks[0].Columns[0] == "n"]
	if strings.Contains(strings.Split(rows, ")")[0], ",") {
		names = "a, b"
	}
	return l.table(t, fmt.Sprintf("SELECT * FROM (VALUES %s) AS v(%s)", rows, names))
}

func TestCountKinds(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.check, func(t *testing.T) {
			l := open(t, k.check)
			res := l.count(t, l.five(t, k.rows))[0]
			if res.Status != StatusFail || res.Failing != k.fail || res.Keys != k.keys || res.Checked != 5 {
				t.Errorf("%+v", res)
			}
			want := int(k.fail)
			if res.Kind == "unique" {
				want = int(k.keys)
			}
			if res.Sample == nil || len(res.Sample.Rows) != want {
				t.Errorf("sample %+v", res.Sample)
			}
		})
	}
}

// TestDivideKinds: the rows that a rule counts are those that it diverts, whether they come from files or from a query.
func TestDivideKinds(t *testing.T) {
	for _, k := range kinds {
		for _, fused := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", k.check, fused), func(t *testing.T) {
				l := open(t, k.check)
				l.node.Checks[0].Severity = models.SeverityQuarantine
				l.node.Checks[0].ErrorIf = models.Condition{}
				table := l.five(t, k.rows)
				rows := Rows{Files: table.Files, Columns: table.Columns, Run: "r1", From: func(string) (string, bool) { return "the file", true }}
				var d *Division
				var err error
				if fused {
					d, err = l.DivideQuery(t.Context(), "SELECT * FROM "+table.From, Rows{Columns: table.Columns, Run: "r1"}, l.node.Checks, nil)
				} else {
					d, err = l.Divide(t.Context(), rows, l.node.Checks)
				}
				if err != nil {
					t.Fatal(err)
				}
				res := d.Results[0]
				if res.Failing != k.fail || res.Keys != k.keys || res.Quarantined != k.fail || res.Checked != 5 || d.Equation.Get("passed") != 5-k.fail || d.Bad.Rows != k.fail {
					t.Fatalf("%+v %s", res, d.Equation)
				}
				got, err := l.Warehouse.Query(t.Context(), "SELECT DISTINCT _failed_rules, _quarantined_run, _quarantined_at, left(_quarantined_from, 12) FROM "+l.Warehouse.Dialect().Files([]string{d.Bad.Path}))
				if err != nil || len(got.Rows) != 1 || !strings.Contains(fmt.Sprint(got.Rows[0][0]), l.node.Checks[0].Name) || got.Rows[0][1] != "r1" || got.Rows[0][2] != "2026-03-01 00:00:00" {
					t.Errorf("%v %v", got, err)
				}
				if !fused && got.Rows[0][3] != "the file row" {
					t.Errorf("from %v", got.Rows[0][3])
				}
			})
		}
	}
}

func TestGrades(t *testing.T) {
	for check, want := range map[string]Status{
		"not_null: { column: a, severity: warn }":                                   StatusWarn,
		"not_null: { column: a, error_if: '> 2', warn_if: '> 1' }":                  StatusWarn,
		"not_null: { column: a, error_if: '> 2', warn_if: '> 2' }":                  StatusPass,
		"not_null: { column: a, error_if: '>= 40%' }":                               StatusFail,
		"not_null: { column: a, error_if: '> 40%' }":                                StatusWarn,
		"not_null: { column: a, severity: warn, warn_if: '> 50%' }":                 StatusPass,
		"not_null: { column: nosuch, severity: warn }":                              StatusError,
		"expression: { expression: 'nosuch > 1', severity: warn }":                  StatusError,
		"expression: { expression: 'error(''x'') > 1', severity: warn }":            StatusError,
		"regex: { column: a, pattern: x, severity: warn }":                          StatusError,
		"accepted_values: { column: a, values: [x], severity: warn }":               StatusError,
		"row_count: { min: 5 }":                                                     StatusPass,
		"row_count: { equals: 4 }":                                                  StatusFail,
		"row_count: { max: 4, severity: warn }":                                     StatusWarn,
		"row_count: { equals: 3, where: a IS NOT NULL }":                            StatusPass,
		"distribution: { column: a, metric: mean, min: 2, max: 4 }":                 StatusPass,
		"distribution: { column: a, metric: null_share, max: 0.3 }":                 StatusFail,
		"distribution: { column: a, metric: mean, min: 2, max: 4, where: a > 100 }": StatusFail,
		"freshness: { column: a, error_after: 1d }":                                 StatusError,
		"volume: {}": StatusPass,
	} {
		t.Run(check, func(t *testing.T) {
			l := open(t, check, "not_null: a")
			results := l.count(t, l.five(t, "(1), (3), (NULL), (NULL), (5)"))
			if results[0].Status != want || results[0].Message == "" {
				t.Errorf("%+v", results[0])
			}
			if results[1].Failing != 2 { // the others get their answer
				t.Errorf("%+v", results[1])
			}
		})
	}
}

// TestNoNumber: a figure that is no number fails, and can be written down.
func TestNoNumber(t *testing.T) {
	l := open(t, "distribution: { column: a, metric: mean }")
	results := l.count(t, l.table(t, "SELECT 'NaN'::DOUBLE AS a"))
	if _, err := json.Marshal(results); err != nil || results[0].Status != StatusFail {
		t.Errorf("%v %+v", err, results[0])
	}
}

// TestSecretsInSamples: what the project tags pii is not shown through an expression or by the engine's error either.
func TestSecretsInSamples(t *testing.T) {
	l := open(t, "unique: { column: lower(secret) }", "expression: CAST(secret AS INTEGER) > 1", "sql: \"select secret as x from (values ('bob@x.de')) v(secret)\"")
	l.Query = func(_ context.Context, c *models.Check) (string, error) { return c.Args.(*models.SQL).Query, nil }
	for _, r := range l.count(t, l.table(t, "SELECT 'bob@x.de' AS secret FROM range(2)")) {
		if text, err := json.Marshal(r); err != nil || !r.Status.Bad() || r.Kind != "sql" && strings.Contains(string(text), "bob") || r.Sample != nil && *r.Sample.Rows[0][0] != "***" {
			t.Errorf("%v %s", err, text)
		}
	}
}

func TestFreshness(t *testing.T) {
	for rows, want := range map[string]Status{
		"(TIMESTAMP '2026-03-01 11:00:00')":      StatusPass,
		"(TIMESTAMP '2026-02-28 20:00:00')":      StatusWarn,
		"(TIMESTAMPTZ '2026-02-27 20:00:00+00')": StatusFail,
		"(DATE '2026-03-01')":                    StatusPass,
		"(DATE 'infinity')":                      StatusFail,
		"(NULL::DATE)":                           StatusFail,
	} {
		l := open(t, "freshness: { column: a, warn_after: 12h30m, error_after: { count: 1, period: day } }")
		if res := l.count(t, l.table(t, "SELECT * FROM (VALUES "+rows+") AS v(a)"))[0]; res.Status != want {
			t.Errorf("%s: %+v", rows, res)
		}
	}
}

// TestStatisticsProve: what the files' statistics decide is not read, and is the same as what a scan finds.
func TestStatisticsProve(t *testing.T) {
	l := open(t, "not_null: a", "range: { column: a, min: 0, max: 99 }", "range: { column: d, max: '2031-01-01' }", "range: { column: a, min: 1 }", "not_null: n")
	table := l.table(t, "SELECT i AS a, DATE '2030-01-01' + i::INT AS d, CASE WHEN i > 3 THEN i END AS n FROM range(100) t(i)")
	want := []How{HowStatistics, HowStatistics, HowStatistics, HowScan, HowStatistics}
	fails := []int64{0, 0, 0, 1, 4}
	for i, res := range l.count(t, table) {
		if res.How != want[i] || res.Failing != fails[i] || res.Checked != 100 {
			t.Errorf("%+v", res)
		}
	}
	table.Exact = false // files that hold other rows too: NULLs may be among those
	if res := l.count(t, table)[4]; res.How != HowScan || res.Failing != 4 {
		t.Errorf("%+v", res)
	}
}

// TestSamplesOfFiles: rows are shown that fail, as many as there are or as are wanted, where files have them in the same places.
func TestSamplesOfFiles(t *testing.T) {
	l := open(t, "expression: a % 10 <> 3", "accepted_values: { column: s, values: [x], limit: 2 }", "range: { column: a, max: 94, limit: 200 }")
	parts := []Table{l.table(t, "SELECT i AS a, 'x' AS s FROM range(50) t(i)"), l.table(t, "SELECT i AS a, CASE WHEN i = 98 THEN 'y' ELSE 'x' END AS s FROM range(50, 100) t(i)")}
	table := Table{Columns: parts[0].Columns, Files: slices.Concat(parts[0].Files, parts[1].Files), Exact: true}
	table.From = l.Warehouse.Dialect().Files(warehouse.Paths(table.Files))
	for i, res := range l.count(t, table) {
		var got []string
		for _, row := range res.Sample.Rows {
			got = append(got, *row[0])
		}
		slices.Sort(got)
		want := []string{"13 23 3 33 43 53 63 73 83 93", "y", "95 96 97 98 99"}[i]
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, not %s", res.Name, got, want)
		}
	}
	for _, column := range []string{"file_row_number", "FILE_ROW_NUMBER"} {
		named := l.table(t, "SELECT i AS a, 'y' AS s, -i AS "+column+" FROM range(100) t(i)")
		for _, res := range l.count(t, named) {
			if res.Status == StatusError || len(res.Sample.Rows) == 0 {
				t.Errorf("%s: %+v", column, res)
			}
		}
	}
}

// TestDrift: what has moved since the version before is found, of numbers, times and texts; what has not is not.
func TestDrift(t *testing.T) {
	before := "SELECT i % 100 AS n, TIMESTAMP '2026-01-01' + INTERVAL (i % 50) HOUR AS ts, CASE WHEN i % 7 = 0 THEN DATE 'infinity' ELSE DATE '2026-01-01' + i::INT % 9 END AS d, 'v' || (i % 3) AS s, CASE WHEN i % 10 > 0 THEN i END AS m, i / 0.0 AS x FROM range(10000) t(i)"
	for column, moved := range map[string]string{"n": "n * 2", "ts": "ts + INTERVAL 1 DAY", "d": "DATE 'infinity'", "s": "CASE WHEN s = 'v1' THEN 'new' ELSE s END", "m": "CASE WHEN m % 3 = 0 THEN m END", "x": "1.5"} {
		l := open(t, "distribution: { column: "+column+", metric: drift }", "distribution: { column: "+column+", metric: drift, max: 100 }")
		judge := func(now, before string) []Result {
			table := l.table(t, now)
			table.Before = before
			return l.count(t, table)
		}
		if res := judge(before, before); res[0].Status != StatusPass || *res[0].Value != 0 {
			t.Errorf("%s: the same values: %+v", column, res[0])
		}
		shuffled := "SELECT * FROM (" + before + ") WHERE random() < 0.8"
		if res := judge(shuffled, before); res[0].Status != StatusPass {
			t.Errorf("%s: a random part of them: %s", column, res[0].Message)
		}
		res := judge("SELECT * REPLACE ("+moved+" AS "+column+") FROM ("+before+")", before)
		if res[0].Status != StatusFail || res[1].Status != StatusPass {
			t.Errorf("%s: %s; %s", column, res[0].Message, res[1].Message)
		}
		if res := l.count(t, Table{From: "(" + before + ") AS t", Columns: l.table(t, before).Columns, Before: "SELECT 'text' AS " + column + ", 1 AS other"}); column != "s" && !strings.Contains(res[0].Message, "in the version before and is") {
			t.Errorf("%s was a text: %+v", column, res[0])
		}
		for _, none := range []string{"", "SELECT 1 AS other", "SELECT * FROM (" + before + ") WHERE false"} {
			if res := judge(before, none); res[0].Status != StatusPass || !strings.HasPrefix(res[0].Message, "not judged: ") {
				t.Errorf("%s against %q: %+v", column, none, res[0])
			}
		}
	}
}

// TestDriftIn: only the rows that where: leaves are compared, a condition that cannot be asked is an error, and in few rows
// chance is no drift.
func TestDriftIn(t *testing.T) {
	l := open(t, "distribution: { column: n, metric: drift, where: \"land = 'NO'\" }", "distribution: { column: n, metric: drift, where: nosuch > 1 }", "distribution: { column: n, metric: drift, where: n > 1e9 }")
	before := "SELECT i AS n, CASE WHEN i % 20 = 0 THEN 'NO' ELSE 'SE' END AS land FROM range(20000) t(i)"
	table := l.table(t, "SELECT n + CASE WHEN land = 'NO' THEN 100000 ELSE 0 END AS n, land FROM ("+before+")")
	table.Before = before
	res := l.count(t, table)
	if res[0].Status != StatusFail || res[1].Status != StatusError || !strings.HasPrefix(res[2].Message, "not judged") {
		t.Errorf("%+v", res)
	}
	l = open(t, "distribution: { column: n, metric: drift }", "distribution: { column: s, metric: drift }")
	for seed := range 20 {
		few := func(seed int) string {
			return fmt.Sprintf("SELECT hash(i + %d) %% 1000 AS n, 'v' || hash(i + %[1]d) %% 50 AS s FROM range(%d) t(i)", seed*1000, 30+seed*20)
		}
		table := l.table(t, few(seed))
		table.Before = few(seed + 100)
		for _, res := range l.count(t, table) {
			if res.Status != StatusPass {
				t.Errorf("%s", res.Message)
			}
		}
	}
}

// TestInexactValues: a listed value that the column's type would round to another is refused.
func TestInexactValues(t *testing.T) {
	l := open(t, "accepted_values: { column: n, values: [1, 1.5] }", "rejected_values: { column: n, values: [2.5] }", "accepted_values: { column: d, values: ['1.104', 2] }", "accepted_values: { column: n, values: [1.0, 2, 3] }", "accepted_values: { column: d, values: [1.100, 2, 3.5] }", "accepted_values: { column: x, values: [1.5, 2.25, 3] }")
	for i, res := range l.count(t, l.table(t, "SELECT n::INTEGER AS n, d::DECIMAL(5,2) AS d, x::DOUBLE AS x FROM (VALUES (1, 1.10, 1.5), (2, 2, 2.25), (3, 3.5, 3)) v(n, d, x)")) {
		if want := map[bool]Status{true: StatusError, false: StatusPass}[i < 3]; res.Status != want {
			t.Errorf("%+v", res)
		}
	}
}

// TestRepeatedNumbers: keys that are whole numbers are counted by bits first, and that finds what grouping by them finds.
func TestRepeatedNumbers(t *testing.T) {
	rows := "SELECT CASE WHEN i % 997 = 5 THEN i + 1 ELSE i END - 3000 AS b, (b * 1000003)::BIGINT AS wide, (b % 30000)::SMALLINT AS small, nullif(b, 7)::INTEGER AS n, i::HUGEINT AS h, (i + 1e15)::BIGINT AS far FROM range(20000) t(i)"
	var checks []string
	for _, column := range []string{"b", "wide", "small", "n", "h", "far"} {
		checks = append(checks, "unique: { column: "+column+", severity: quarantine, error_if: '> 50%' }")
	}
	l := open(t, checks...)
	table := l.table(t, rows)
	mkdir(t, l.Dir)
	d, err := l.Divide(t.Context(), Rows{Files: table.Files, Columns: table.Columns, Run: "r"}, l.node.Checks)
	if err != nil {
		t.Fatal(err)
	}
	for i, res := range l.count(t, table) {
		column := res.Columns[0]
		answer, err := l.Warehouse.Query(t.Context(), "SELECT CAST(coalesce(sum(n), 0) AS BIGINT), count(*) FROM (SELECT count(*) AS n FROM "+table.From+" WHERE "+column+" IS NOT NULL GROUP BY "+column+" HAVING count(*) > 1) AS g")
		if err != nil {
			t.Fatal(err)
		}
		if want := answer.Rows[0]; res.Failing != want[0] || res.Keys != want[1] || d.Results[i].Failing != want[0] || d.Results[i].Keys != want[1] {
			t.Errorf("%s: counted %d rows of %d keys, divided %d of %d, not %v", column, res.Failing, res.Keys, d.Results[i].Failing, d.Results[i].Keys, want)
		}
	}
}

// TestDenseParents: to be between the bounds of a parent that leaves out no number is to be in it; one that leaves out some is
// looked up.
func TestDenseParents(t *testing.T) {
	l := open(t, "relationships: { column: a, to: ref('parent'), field: id }")
	l.node.Checks[0].Reads[0].Model.Materialized = models.Table
	for parent, want := range map[string]struct {
		failing int64
		how     How
	}{"range(10)": {0, HowStatistics}, "range(9)": {1, HowScan}, "(SELECT range / 2.0 FROM range(20))": {0, HowScan}, "(SELECT range::UTINYINT FROM range(10))": {0, HowStatistics}, "(SELECT * FROM range(20) WHERE range <> 5)": {1, HowScan}, "(VALUES (NULL::BIGINT))": {10, HowScan}, "(SELECT * FROM range(-5, 10) UNION ALL SELECT NULL UNION ALL SELECT 3)": {0, HowStatistics}} {
		l.Parent = func(*models.Node) (string, error) { return parent + " AS p(id)", nil }
		if res := l.count(t, l.table(t, "SELECT i AS a FROM range(10) t(i) UNION ALL SELECT NULL"))[0]; res.Failing != want.failing || res.How != want.how {
			t.Errorf("%s: %+v", parent, res)
		}
	}
}

// TestOwnNames: conditions may call the table by its name, and its columns may be called as the columns that are made beside them.
func TestOwnNames(t *testing.T) {
	l := open(t, "expression: t.a > 2", "accepted_values: { column: a, values: [3, 4, 9] }", "expression: row_number() over () > 2", "expression: \"NOT EXISTS (SELECT 1 FROM range(3) r(x) WHERE x = t.a)\"")
	for _, own := range []string{"_millrace_fails_1", "_Millrace_fails_2", "_millrace_file"} {
		table := l.table(t, "SELECT i AS a, false AS "+own+" FROM range(5) t(i)")
		table.Name, table.From = "t", table.From+" AS t"
		res := l.count(t, table)
		for i, want := range []int64{3, 3, 0, 3} {
			if i == 2 && res[i].Status != StatusError || i != 2 && (res[i].Failing != want || res[i].Sample == nil || len(res[i].Sample.Rows) != int(want)) {
				t.Errorf("%s: %+v", own, res[i])
			}
		}
	}
}

// TestDivideMatchesBruteForce divides random rows by 130 rules, more than bits of any word, and compares with one query each.
func TestDivideMatchesBruteForce(t *testing.T) {
	var checks []string
	for i := range 120 {
		checks = append(checks, fmt.Sprintf("expression: { name: e%d, expression: \"a %% 997 <> %d\", severity: quarantine, error_if: '> 50%%' }", i, i))
	}
	checks = append(checks, "not_null: { column: b, severity: quarantine }", "unique: { column: u, severity: quarantine }", "range: { column: a, max: 19990, severity: quarantine }",
		"unique: { columns: [b, u], severity: quarantine }", "accepted_values: { column: c, values: [x, y, z], severity: quarantine }", "not_null: { column: a, severity: quarantine }",
		"relationships: { column: r, to: ref('parent'), field: id, severity: quarantine }", "length: { column: c, max: 2, severity: quarantine }",
		"regex: { column: c, pattern: '[a-z]+', severity: quarantine }", "range: { column: a, min: 0, severity: quarantine }")
	l := open(t, checks...)
	query := "SELECT i AS a, CASE WHEN i % 5000 <> 3 THEN i % 7 END AS b, CASE WHEN i % 4000 = 11 THEN 'Zz9' ELSE ['x','y','z'][1 + i % 3] END AS c, CASE WHEN i BETWEEN 500 AND 510 THEN 1 ELSE i END AS u, 1 + i % 2 + (i = 77)::INT AS r, " +
		"'s' || i AS secret FROM range(20000) t(i)"
	var tables []Table
	for _, part := range []string{"a < 9100", "a BETWEEN 9100 AND 9104", "a > 9104"} {
		tables = append(tables, l.table(t, "SELECT * FROM ("+query+") WHERE "+part))
	}
	all := l.table(t, query)
	rows := Rows{Columns: all.Columns, Run: "r", Secret: all.Secret}
	for _, tb := range tables {
		rows.Files = append(rows.Files, tb.Files...)
	}
	want, _, err := l.Count(t.Context(), all, l.node.Checks)
	if err != nil {
		t.Fatal(err)
	}
	for _, fused := range []string{"files", "query", "query that repeats itself"} {
		var d *Division
		sub := *l.Runner
		sub.Dir = t.TempDir()
		sub.Dir = filepath.Join(l.dir, strings.ReplaceAll(fused, " ", ""))
		mkdir(t, sub.Dir)
		switch fused {
		case "files":
			d, err = sub.Divide(t.Context(), rows, l.node.Checks)
		case "query":
			d, err = sub.DivideQuery(t.Context(), "SELECT * FROM "+all.From, rows, l.node.Checks, nil)
		default:
			err = sub.Warehouse.Expose(t.Context(), warehouse.Version{Name: warehouse.Name{Schema: "s", Table: "t"}, Columns: all.Columns, Base: all.Files})
			if err == nil {
				d, err = sub.DivideQuery(t.Context(), "SELECT * FROM s.t", rows, l.node.Checks, func(c *models.Check) bool { return c.Kind == "range" })
			}
		}
		if err != nil {
			t.Fatal(fused, err)
		}
		for i, res := range d.Results {
			if res.Failing != want[i].Failing || res.Keys != want[i].Keys || res.Name != want[i].Name {
				t.Errorf("%s: %s: %d rows %d keys, a query finds %d, %d", fused, res.Name, res.Failing, res.Keys, want[i].Failing, want[i].Keys)
			}
			if res.Sample != nil && strings.Contains(fmt.Sprint(res.Sample.Columns), "secret") {
				at := slices.Index(res.Sample.Columns, "secret")
				if *res.Sample.Rows[0][at] != "***" {
					t.Errorf("a secret is shown: %v", *res.Sample.Rows[0][at])
				}
			}
		}
		// Nothing that fails is left, and nothing that passes is missing.
		var good []string
		for _, f := range d.Good {
			good = append(good, f.Path)
		}
		left, _, err := sub.Count(t.Context(), Table{From: sub.Warehouse.Dialect().Files(good), Columns: all.Columns}, l.node.Checks)
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range left {
			if res.Failing != 0 {
				t.Errorf("%s: %s still fails: %+v", fused, res.Name, res)
			}
		}
		if n := d.Equation.Get("passed") + d.Equation.Get("quarantined"); n != 20000 || d.Equation.Rows != 20000 {
			t.Errorf("%s: %s", fused, d.Equation)
		}
		if fused == "files" && (len(d.Good) != 3 || d.Good[1].Path != rows.Files[1].Path) {
			t.Errorf("a clean file was written again: %v", d.Good)
		}
	}
}

func TestDivideNamesTheGuilty(t *testing.T) {
	for _, fused := range []bool{false, true} {
		l := open(t, "not_null: { column: a, severity: quarantine }", "expression: { name: bad, expression: 'error(''no'') = 1', severity: quarantine }", "unique: { column: nosuch, severity: quarantine }")
		table := l.five(t, "(1), (2), (NULL), (4), (5)")
		checks := l.node.Checks
		rows := Rows{Files: table.Files, Columns: table.Columns, Run: "r"}
		divide := func(checks []*models.Check) (*Division, error) {
			if fused {
				return l.DivideQuery(t.Context(), "SELECT * FROM "+table.From, rows, checks, nil)
			}
			return l.Divide(t.Context(), rows, checks)
		}
		d, err := divide(checks[2:])
		if err != nil || !d.Broken() || !strings.Contains(d.Results[0].Message, "nosuch") {
			t.Errorf("%v %+v", err, d)
		}
		d, err = divide(checks[:2])
		if err != nil || !d.Broken() || len(d.Results) != 1 || d.Results[0].Name != "bad" {
			t.Errorf("%v %+v", err, d)
		}
	}
}

func TestDivideNothing(t *testing.T) {
	l := open(t, "not_null: { column: a, severity: quarantine }", "unique: { column: a, severity: quarantine }")
	for _, query := range []string{"SELECT 1 AS a WHERE false", "SELECT NULL::INT AS a FROM range(3)"} {
		table := l.table(t, query)
		d, err := l.DivideQuery(t.Context(), query, Rows{Columns: table.Columns, Run: "r"}, l.node.Checks, nil)
		if err != nil || len(d.Good) != 1 {
			t.Fatalf("%v %+v", err, d)
		}
		if again, err := l.Divide(t.Context(), Rows{Files: table.Files, Columns: table.Columns, Run: "r"}, l.node.Checks); err != nil || again.Equation.String() != d.Equation.String() {
			t.Errorf("%v %v %v", err, again, d)
		}
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}
