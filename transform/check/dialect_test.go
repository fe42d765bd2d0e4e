package check

import (
	"flag"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake/snowfaketest"
	"github.com/millrace/millrace/warehouse/warehousetest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// figures are checks of one figure each over a table of five rows, with the figure.
var figures = []struct {
	check, rows string
	want        float64
}{
	{"row_count: { min: 1 }", "(1), (2), (3), (4), (5)", 5},
	{"row_count: { min: 1, where: a > 3 }", "(1), (2), (3), (4), (NULL)", 1},
	{"volume: { where: a > 3 }", "(1), (2), (3), (4), (NULL)", 1},
	{"freshness: { column: a, error_after: 1d }", "(DATE '1970-01-01'), (DATE '1970-01-02'), (NULL), (NULL), (NULL)", 86400},
	{"freshness: { column: a, error_after: 1d, where: b = 1 }", "(TIMESTAMP '1970-01-01 00:00:01.5', 1), (TIMESTAMP '2025-01-01 12:00:00', 2), (NULL, 1), (NULL, 1), (NULL, 1)", 1.5},
	{"distribution: { column: a, metric: mean, max: 9 }", "(1), (2), (4), (5), (NULL)", 3},
	{"distribution: { column: a, metric: stddev, max: 9 }", "(1), (3), (NULL), (NULL), (NULL)", 1.4142135623730951},
	{"distribution: { column: a, metric: sum, max: 9 }", "(1.5), (2.25), (NULL), (4), (NULL)", 7.75},
	{"distribution: { column: a, metric: min, max: 9 }", "(3), (-2), (NULL), (4), (NULL)", -2},
	{"distribution: { column: a, metric: max, max: 9, where: b = 1 }", "(3, 1), (-2, 1), (NULL, 1), (4, 2), (NULL, 2)", 3},
	{"distribution: { column: a, metric: median, max: 9 }", "(7), (7), (7), (NULL), (NULL)", 7},
	{"distribution: { column: a, metric: null_share, max: 0.9 }", "(1), (2), (NULL), (NULL), (NULL)", 0.6},
	{"distribution: { column: a, metric: distinct, max: 9 }", "('a'), ('b'), ('a'), (NULL), (NULL)", 2},
	{"distribution: { column: a, metric: distinct_share, max: 0.9 }", "('a'), ('b'), ('a'), ('b'), (NULL)", 0.5},
	{"distribution: { column: a, metric: zero_share, max: 0.9 }", "(0), (1), (2), (NULL), (NULL)", 1.0 / 3},
}

// spelling is an engine's place in which another dialect is spoken.
type spelling struct {
	warehouse.Warehouse
	d *warehouse.Dialect
}

func (s spelling) Dialect() *warehouse.Dialect { return s.d }

// scanned is the SELECT that judges a table by its one check: of a key that repeats the query of its own, else the shared scan.
func (l *lab) scanned(t *testing.T, d *warehouse.Dialect, table Table) string {
	t.Helper()
	c := &counting{Runner: &Runner{Warehouse: spelling{l.Warehouse, d}, Parent: l.Parent, At: l.At, Now: l.Now}, table: table, checks: l.node.Checks, results: make([]*Result, 1)}
	check := c.checks[0]
	if !check.ByRow() {
		it, err := c.figure(item{}, check)
		if err != nil {
			t.Fatal(err)
		}
		sql, _ := c.aggregates([]item{it})
		return sql
	}
	r, err := c.compiler(table).rule(check)
	if err != nil {
		t.Fatal(err)
	}
	if r.key != nil {
		return "SELECT 5, coalesce(sum(" + sharing(r) + "), 0), count(*) FROM (" + c.repeatedIn(r, "") + ") AS k"
	}
	sql, _ := c.aggregates([]item{{rule: r}})
	return sql
}

// TestGolden: a human reads the diff.
func TestGolden(t *testing.T) {
	columns := []warehouse.Column{{Name: "id", Type: "BIGINT"}, {Name: "Name", Type: "VARCHAR"}, {Name: "mail", Type: "VARCHAR"}}
	for _, d := range []*warehouse.Dialect{warehouse.DuckDB, snowflake.Dialect} {
		rules, others := "", ""
		for _, k := range kinds {
			l := open(t, k.check)
			table := l.five(t, k.rows)
			rules += "-- " + k.check + "\n" + l.scanned(t, d, Table{From: d.Table(warehouse.Name{Schema: "erp", Table: "t"}), Columns: table.Columns}) + ";\n"
		}
		for _, f := range figures {
			l := open(t, f.check)
			table := l.five(t, f.rows)
			others += "-- " + f.check + "\n" + l.scanned(t, d, Table{From: d.Table(warehouse.Name{Schema: "erp", Table: "t"}), Columns: table.Columns}) + ";\n"
		}
		spelled(t, d, "rules", rules)
		spelled(t, d, "figures", others)
		number, now, before := d.Epoch("v"), "SELECT now", "SELECT before"
		spelled(t, d, "drift", strings.Join([]string{driftEdges(d, number, before), driftCounts(d, driftRanges(d, number, []float64{1, 2.5, 1e100}, now, before)), driftCounts(d, driftValuesSQL(now, before)), ""}, ";\n"))
		spelled(t, d, "sample", sampleSQL(d, "SELECT rows", columns, map[string]bool{"mail": true}, 10)+";\n")
	}
}

// spelled compares SQL with the golden file of its dialect.
func spelled(t *testing.T, d *warehouse.Dialect, name, sql string) {
	t.Helper()
	golden.Check(t, filepath.Join("testdata", "golden", name+"."+d.Name+".sql"), sql, *update)
}

// unproven are the checks whose text the stand-in for Snowflake refuses, and what it does not know of them.
var unproven = map[string]string{
	"regex: { column: a, pattern: '[A-Z]{2}' }":                     "REGEXP_LIKE",
	"regex: { column: a, pattern: '[A-Z]{2}', match: partial }":     "REGEXP_INSTR",
	"regex: { column: a, pattern: '[A-Z]{2}', not: true }":          "REGEXP_LIKE",
	"freshness: { column: a, error_after: 1d }":                     "division",
	"freshness: { column: a, error_after: 1d, where: b = 1 }":       "division",
	"distribution: { column: a, metric: mean, max: 9 }":             "avg",
	"distribution: { column: a, metric: stddev, max: 9 }":           "stddev_samp",
	"distribution: { column: a, metric: median, max: 9 }":           "APPROX_PERCENTILE",
	"distribution: { column: a, metric: null_share, max: 0.9 }":     "division",
	"distribution: { column: a, metric: distinct, max: 9 }":         "approx_count_distinct",
	"distribution: { column: a, metric: distinct_share, max: 0.9 }": "approx_count_distinct",
	"distribution: { column: a, metric: zero_share, max: 0.9 }":     "division",
}

// TestInSnowflake: the same rows give the same figures in Snowflake's dialect, as far as the stand-in can tell.
func TestInSnowflake(t *testing.T) {
	ask := snowfaketest.Ask(t)
	type expected struct {
		check, rows string
		want        []float64
	}
	var all []expected
	for _, k := range kinds {
		all = append(all, expected{k.check, k.rows, []float64{5, float64(k.fail), float64(k.keys)}})
	}
	for _, f := range figures {
		all = append(all, expected{f.check, f.rows, []float64{5, f.want}})
	}
	for _, e := range all {
		why, refused := unproven[e.check]
		name := e.check
		if refused {
			name += " (not proven here: " + why + ")"
		}
		t.Run(name, func(t *testing.T) {
			l := open(t, e.check)
			table := l.five(t, e.rows)
			sql := l.scanned(t, snowflake.Dialect, Table{From: "(\n" + l.known(t, table).Select(snowflake.Dialect) + "\n) AS t", Columns: table.Columns})
			rows, err := ask(t.Context(), sql)
			switch {
			case refused && (err == nil || !strings.Contains(err.Error(), why)):
				t.Errorf("it is listed as unproven, for %s: %v", why, err)
			case !refused && (err != nil || !sameFigures(rows, e.want)):
				t.Errorf("%v %v, want %v, from\n%s", rows, err, e.want, sql)
			}
		})
	}
}

// known reads the rows of a table back.
func (l *lab) known(t *testing.T, table Table) warehousetest.Rows {
	t.Helper()
	answer, err := l.Warehouse.Query(t.Context(), l.Warehouse.Dialect().Texts("SELECT * FROM "+table.From, table.Columns))
	if err != nil {
		t.Fatal(err)
	}
	rows := warehousetest.Rows{Columns: table.Columns}
	for _, row := range answer.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			if cells[i] = "∅"; v != nil {
				cells[i] = fmt.Sprint(v)
			}
		}
		rows.Values = append(rows.Values, strings.Join(cells, "|"))
	}
	return rows
}

// sameFigures compares one row of figures; those that a check does not give are 0.
func sameFigures(rows [][]*string, want []float64) bool {
	if len(rows) != 1 {
		return false
	}
	for i, w := range want {
		got := 0.0
		if i < len(rows[0]) && rows[0][i] != nil {
			var err error
			if got, err = strconv.ParseFloat(*rows[0][i], 64); err != nil {
				return false
			}
		}
		if got != w {
			return false
		}
	}
	return true
}

// TestFiguresInDuckDB: the figures of the table above, where they are made.
func TestFiguresInDuckDB(t *testing.T) {
	for _, f := range figures {
		t.Run(f.check, func(t *testing.T) {
			l := open(t, f.check)
			table := l.five(t, f.rows)
			table.Files = nil // no statistics, which would answer in their place
			values, err := l.row(t.Context(), l.scanned(t, l.Warehouse.Dialect(), table))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(values[1]); got != fmt.Sprint(f.want) {
				t.Errorf("%s, want %v", got, f.want)
			}
		})
	}
}
