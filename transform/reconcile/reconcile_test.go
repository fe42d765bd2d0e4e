package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/transform/reconcile"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// lab is a warehouse with a folder.
type lab struct {
	warehouse.Warehouse
	dir string
	n   int
}

func open(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 512 << 20, Threads: 2, Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return &lab{w, dir, 0}
}

// side is a query as a side.
func (l *lab) side(t *testing.T, name, query string) reconcile.Side {
	t.Helper()
	columns, err := l.Describe(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return reconcile.Side{Name: name, Query: query, Columns: columns}
}

// stored writes a query to files of so many rows, for a layout of its own.
func (l *lab) stored(t *testing.T, name, query string, files int) reconcile.Side {
	t.Helper()
	var paths []string
	for i := range files {
		l.n++
		f, err := l.Write(t.Context(), fmt.Sprintf("SELECT * FROM (%s) AS q WHERE hash(q) %% %d = %d", query, files, i), filepath.Join(l.dir, fmt.Sprintf("t%d.parquet", l.n)))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, f.Path)
	}
	return l.side(t, name, "SELECT * FROM "+l.Dialect().Files(paths))
}

func (l *lab) run(t *testing.T, left, right reconcile.Side, cfg reconcile.Config) *reconcile.Result {
	t.Helper()
	l.n++
	cfg.Dir = filepath.Join(l.dir, fmt.Sprint("run", l.n))
	if err := os.Mkdir(cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	found, err := reconcile.Run(t.Context(), l, left, right, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// values is a SELECT of rows written as VALUES.
func values(columns, rows string) string {
	return "SELECT * FROM (VALUES " + rows + ") AS t(" + columns + ")"
}

// counted is the outcome in short: missing, extra, different, keys that repeat on each side.
func counted(r *reconcile.Result) [5]int64 {
	return [5]int64{r.Missing, r.Extra, r.Different, r.Left.RepeatedKeys, r.Right.RepeatedKeys}
}

// TestInjected makes tables by chance, spoils one of them in known ways, and wants exactly these found: with a key and without,
// whatever the order and the files.
func TestInjected(t *testing.T) {
	l := open(t)
	const columns = "a INTEGER, b VARCHAR, price DECIMAL(12,2), rate DOUBLE, ts TIMESTAMP, tags VARCHAR[]"
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		row := func(a int, b string, version int) string {
			null := func(s string) string {
				if (a+len(b))%7 == 0 {
					return "NULL"
				}
				return s
			}
			rate := []string{"0.5", "'NaN'::DOUBLE", "'inf'::DOUBLE", "-0.0"}[a%4]
			return fmt.Sprintf("(%d, '%s', %s, %s, TIMESTAMP '2024-01-01' + INTERVAL %d SECOND, [%s, NULL])", a, b, null(fmt.Sprintf("%d.25", a)), rate, a+1000*version, null("'x'"))
		}
		var left, right []string
		var want [5]int64
		var rows int64
		for a := range 40 + rnd.IntN(200) {
			b := strings.Repeat("k", rnd.IntN(3))
			have := row(a, b, 0)
			rows++
			switch rnd.IntN(12) {
			case 0:
				left, want[0] = append(left, have), want[0]+1
			case 1:
				right, want[1] = append(right, have), want[1]+1
			case 2:
				left, right, want[2] = append(left, have), append(right, row(a, b, 1)), want[2]+1
			case 3: // twice on the left
				left, right, want[0], want[3] = append(left, have, have), append(right, have), want[0]+1, want[3]+1
			case 4: // three times on the right, of which one is another
				left, right, want[1], want[4] = append(left, have), append(right, have, have, row(a, b, 1)), want[1]+2, want[4]+1
			case 5: // twice on both: no difference
				left, right, want[3], want[4] = append(left, have, have), append(right, have, have), want[3]+1, want[4]+1
			default:
				left, right = append(left, have), append(right, have)
			}
		}
		rnd.Shuffle(len(left), func(i, k int) { left[i], left[k] = left[k], left[i] })
		rnd.Shuffle(len(right), func(i, k int) { right[i], right[k] = right[k], right[i] })
		typed := "SELECT a::INTEGER AS a, b, price::DECIMAL(12,2) AS price, rate::DOUBLE AS rate, ts, tags::VARCHAR[] AS tags FROM ("
		names := strings.NewReplacer(" INTEGER", "", " VARCHAR[]", "", " VARCHAR", "", " DECIMAL(12,2)", "", " DOUBLE", "", " TIMESTAMP", "").Replace(columns)
		x := l.stored(t, "left", typed+values(names, strings.Join(left, ", "))+")", 1+rnd.IntN(3))
		y := l.stored(t, "right", typed+values(names, strings.Join(right, ", "))+")", 1+rnd.IntN(3))
		got := l.run(t, x, y, reconcile.Config{Key: []string{"b", "A"}, Limit: 5})
		if counted(got) != want {
			t.Errorf("seed %d: %v, want %v", seed, counted(got), want)
		}
		if listed := l.listed(t, got); listed != [3]int64{want[0], want[1], want[2]} {
			t.Errorf("seed %d: the list has %v, want %v", seed, listed, want)
		}
		// Without a key a row that differs is one that is missing and one that is extra.
		got = l.run(t, x, y, reconcile.Config{Limit: 5})
		if whole := [5]int64{want[0] + want[2], want[1] + want[2]}; counted(got) != whole {
			t.Errorf("seed %d, without a key: %v, want %v", seed, counted(got), whole)
		}
		again := l.run(t, x, l.stored(t, "copy", x.Query+" ORDER BY rate, a DESC", 3), reconcile.Config{Key: []string{"a", "b"}})
		if want := [5]int64{0, 0, 0, want[3], want[3]}; counted(again) != want || !again.Same() {
			t.Errorf("seed %d: a copy in another order: %v, want %v: %s", seed, counted(again), want, again.Summary())
		}
	}
}

// listed counts the rows of the list of differences by their kind, the different ones by key.
func (l *lab) listed(t *testing.T, r *reconcile.Result) (n [3]int64) {
	t.Helper()
	answer, err := l.Query(t.Context(), "SELECT count_if(difference = 'missing'), count_if(difference = 'extra'), count(DISTINCT CASE WHEN difference = 'different' THEN row(a, b) END) FROM "+l.Dialect().Files([]string{r.List.Path}))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range answer.Rows[0] {
		n[i] = v.(int64)
	}
	return n
}

// TestSwapped swaps values between rows, which keeps all figures of the columns.
func TestSwapped(t *testing.T) {
	l := open(t)
	left := l.side(t, "left", "SELECT i AS id, i % 7 AS a, i % 5 AS b FROM range(1000) AS t(i)")
	right := l.side(t, "right", "SELECT id, CASE id WHEN 10 THEN 4 WHEN 11 THEN 3 ELSE a END AS a, b FROM ("+left.Query+")")
	if got := l.run(t, left, right, reconcile.Config{Key: []string{"id"}, Limit: 5}); got.Different != 2 || got.Columns[1].Different != 2 || len(got.Columns[1].Differs) != 0 {
		t.Errorf("%s", got.Summary())
	}
	if got := l.run(t, left, right, reconcile.Config{Limit: 5}); got.Missing != 2 || got.Extra != 2 {
		t.Errorf("without a key: %s", got.Summary())
	}
}

// TestCells is one pair of rows each, and whether they are the same.
func TestCells(t *testing.T) {
	l := open(t)
	amount, share := config.Tolerance{Amount: "0.01"}, config.Tolerance{Percent: 1}
	for _, c := range []struct {
		left, right string
		numeric     config.Tolerance
		same        bool
		says        string
	}{
		{"NULL::INTEGER", "NULL::INTEGER", config.Tolerance{}, true, "the same"},
		{"NULL::INTEGER", "0", config.Tolerance{}, false, "1 different (v 1)"},
		{"NULL::DOUBLE", "0.001::DOUBLE", amount, false, "1 different"},
		{"'NaN'::DOUBLE", "'NaN'::DOUBLE", config.Tolerance{}, true, ""},
		{"'NaN'::DOUBLE", "1::DOUBLE", amount, false, "1 different"},
		{"'inf'::DOUBLE", "1::DOUBLE", share, false, "1 different"},
		{"0.0::DOUBLE", "-0.0::DOUBLE", config.Tolerance{}, true, ""},
		{"7::TINYINT", "7::BIGINT", config.Tolerance{}, true, ""},
		{"1.50::DECIMAL(9,2)", "1.5::DECIMAL(18,4)", config.Tolerance{}, true, ""},
		{"1.5::DECIMAL(9,2)", "1.5::DOUBLE", config.Tolerance{}, false, "a numeric tolerance compares them as DOUBLE"},
		{"1.5::DECIMAL(9,2)", "1.5::DOUBLE", amount, true, ""},
		{"100.30::DECIMAL(9,2)", "100.29::DECIMAL(9,2)", amount, true, ""},
		{"100.30::DECIMAL(9,2)", "100.28::DECIMAL(9,2)", amount, false, "v 1"},
		{"12345678901234567.89::DECIMAL(38,2)", "12345678901234567.00::DECIMAL(38,2)", config.Tolerance{}, false, "v 1"},
		{"9223372036854775807", "-(9223372036854775807::BIGINT)", amount, false, "v 1"},
		{"100.30::DOUBLE", "100.29::DOUBLE", amount, true, ""},
		{"100", "101", share, true, ""},
		{"100", "102", share, false, "v 1"},
		{"'a'", "'A'", config.Tolerance{}, false, "v 1"},
		{"'1'", "1", config.Tolerance{}, false, "VARCHAR and INTEGER are no values of one type"},
		{"TIMESTAMP '2024-01-01'", "TIMESTAMPTZ '2024-01-01 00:00:00+00'", config.Tolerance{}, false, "one has a time zone and the other has none"},
		{"[1, NULL]", "[1, NULL]", config.Tolerance{}, true, ""},
		{"{'a': 1, 'b': NULL}", "{'a': 1, 'b': 2}", config.Tolerance{}, false, "v 1"},
	} {
		left := l.side(t, "left", "SELECT 1 AS id, "+c.left+" AS v")
		right := l.side(t, "right", "SELECT 1 AS ID, "+c.right+" AS V")
		got := l.run(t, left, right, reconcile.Config{Key: []string{"id"}, Numeric: c.numeric, Limit: 5})
		if got.Within() != c.same || !strings.Contains(got.Summary(), c.says) {
			t.Errorf("%s and %s: %v, %s", c.left, c.right, got.Within(), got.Summary())
		}
	}
}

// TestKinds compares and lists values of every type that a table can have.
func TestKinds(t *testing.T) {
	l := open(t)
	one := "SELECT %d AS id, true AS b, '\\xAA'::BLOB AS bin, '00000000-0000-0000-0000-000000000001'::UUID AS u, TIME '10:00:00' AS tm, DATE '2024-01-01' AS d, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS tz, TIMESTAMP_NS '2024-01-01' AS ns, 'inf'::DOUBLE AS f, 'NaN'::FLOAT AS g, " +
		"170141183460469231731687303715884105727::HUGEINT // 10 AS big, 99999999999999999999999999999999999999::DECIMAL(38,0) AS dec, {'a': [1, NULL], 'b': {'c': 'x'}} AS s, MAP {'k': 1} AS m, '{\"j\": 1}'::JSON AS j, 18446744073709551615::UBIGINT AS ub"
	left := l.side(t, "left", fmt.Sprintf(one, 1)+" UNION ALL "+fmt.Sprintf(one, 2))
	right := l.stored(t, "right", "SELECT * REPLACE (MAP {'k': 2} AS m) FROM ("+fmt.Sprintf(one, 2)+") UNION ALL "+fmt.Sprintf(one, 3), 2)
	got := l.run(t, left, right, reconcile.Config{Key: []string{"id"}, Limit: 5})
	if counted(got) != [5]int64{1, 1, 1} || !strings.Contains(got.Summary(), "(m 1)") {
		t.Errorf("%s", got.Summary())
	}
	if got.List.Rows == 0 || got.List.Rows != 3 {
		t.Errorf("the list is %+v", got.List)
	}
	if got = l.run(t, right, l.stored(t, "copy", right.Query, 1), reconcile.Config{Limit: 5}); !got.Same() {
		t.Errorf("a copy: %s", got.Summary())
	}
}

// TestFigures compares figures alone.
func TestFigures(t *testing.T) {
	l := open(t)
	left := l.side(t, "left", values("id, v, f", "(1, 10, 0.1::DOUBLE), (2, 20, 0.2), (3, NULL, 0.3)"))
	for _, c := range []struct {
		rows     string
		measures []reconcile.Measure
		failing  int64
		says     string
	}{
		{"(3, NULL, 0.3::DOUBLE), (2, 20, 0.2), (1, 10, 0.1)", []reconcile.Measure{reconcile.Rows, reconcile.Nulls, reconcile.Sums, reconcile.Bounds}, 0, "all figures of 3 rows are the same"},
		{"(1, 20, 0.1::DOUBLE), (2, 10, 0.2), (3, NULL, 0.3)", []reconcile.Measure{reconcile.Sums}, 0, ""},
		{"(1, 30, 0.6::DOUBLE)", []reconcile.Measure{reconcile.Sums}, 1, "sums of id differ"},
		{"(1, 30, 0.6::DOUBLE), (5, 0, 0)", []reconcile.Measure{reconcile.Sums}, 0, "the same"},
		{"(1, 10, 0.1::DOUBLE)", []reconcile.Measure{reconcile.Rows}, 2, "3 rows in left, 1 in right"},
		{"(1, 10, 0.1::DOUBLE), (2, 21, 0.2), (3, NULL, 0.3)", []reconcile.Measure{reconcile.Sums}, 1, "sums of v differ"},
		{"(1, 15, 0.1::DOUBLE), (2, 15, 0.2), (3, NULL, 0.3)", []reconcile.Measure{reconcile.Sums, reconcile.Bounds}, 1, "bounds of v differ"},
		{"(1, 10, 0.1::DOUBLE), (2, 20, 0.2), (3, 0, 0.3)", []reconcile.Measure{reconcile.Sums, reconcile.Nulls}, 1, "nulls of v differ"},
	} {
		got := l.run(t, left, l.side(t, "right", values("id, v, f", c.rows)), reconcile.Config{Measures: c.measures})
		if got.Failing() != c.failing || !strings.Contains(got.Summary(), c.says) {
			t.Errorf("%s: %d, %s", c.rows, got.Failing(), got.Summary())
		}
	}
	keys := l.run(t, left, l.side(t, "right", values("id, v, f", "(1, 99, 9::DOUBLE), (4, 1, 1)")), reconcile.Config{Key: []string{"id"}, Measures: []reconcile.Measure{reconcile.Keys}})
	if counted(keys) != [5]int64{2, 1, 0} {
		t.Errorf("keys alone: %s", keys.Summary())
	}
	other := l.side(t, "right", values("id, v, f", "(1, 'x', 1), (2, 'x', 1), (3, 'x', 1)"))
	if keys = l.run(t, left, other, reconcile.Config{Key: []string{"id"}, Measures: []reconcile.Measure{reconcile.Rows, reconcile.Keys}}); !keys.Within() {
		t.Errorf("keys alone, of other columns that do not fit: %s", keys.Summary())
	}
	sums := l.side(t, "right", values("id, v, f", "(1, 10, 0.1::DOUBLE), (2, 20, 0.2), (3, 1, 0.3)"))
	if keys = l.run(t, left, sums, reconcile.Config{Key: []string{"id"}, Measures: []reconcile.Measure{reconcile.Sums, reconcile.Keys}}); keys.Failing() != 1 || keys.Within() || keys.Summary() != "sums of v differ" {
		t.Errorf("keys and sums: %s", keys.Summary())
	}
	if rows := l.run(t, left, l.side(t, "right", "SELECT 'x' AS other FROM range(3)"), reconcile.Config{Measures: []reconcile.Measure{reconcile.Rows}}); !rows.Within() {
		t.Errorf("rows alone, of unlike tables: %s", rows.Summary())
	}
}

// TestExcused tells apart what is known to differ on purpose.
func TestExcused(t *testing.T) {
	l := open(t)
	left := l.side(t, "source", values("id, v, ts", "(1, 'a', 1), (2, 'new', 9), (3, 'bad', 2), (4, 'bad', 3), (5, 'late', 8), (6, 'lost', 4)"))
	right := l.side(t, "table", values("id, v, ts", "(1, 'a', 1), (2, 'b', 2), (4, 'good', 2), (7, 'gone', 5)"))
	kept := l.side(t, "quarantine", values("id, v, ts, why", "(3, 'bad', 2, 'x'), (4, 'bad', 3, 'x'), (6, 'another', 1, 'x')"))
	got := l.run(t, left, right, reconcile.Config{Key: []string{"id"}, Limit: 9,
		Known: reconcile.Known{Newer: "ts", Diverted: &kept, KeepsGone: true}})
	if counted(got) != [5]int64{1, 1, 0} || got.Newer != 2 || got.Diverted != 2 || got.Failing() != 1 {
		t.Errorf("%+v: %s", counted(got), got.Summary())
	}
	if len(got.Sample.Rows) != 2 || *got.Sample.Rows[0][1] != "6" || *got.Sample.Rows[1][1] != "7" {
		t.Errorf("the sample is %v", got.Sample.Rows)
	}
}

// TestSecrets shows no value of a column that is secret, in the sample, in the list and in the bounds.
func TestSecrets(t *testing.T) {
	l := open(t)
	left := l.side(t, "left", values("id, name", "(1, 'Ada'), (2, 'Bob'), (3, 'Eve')"))
	right := l.side(t, "right", values("id, name", "(1, 'Adam'), (2, 'Bob'), (4, 'Mallory')"))
	got := l.run(t, left, right, reconcile.Config{Key: []string{"id"}, Limit: 9, Secret: map[string]bool{"name": true}})
	text := fmt.Sprintf("%+v", *got.Columns[1])
	for _, f := range []*string{got.Columns[1].Left.Min, got.Columns[1].Right.Max} {
		if f != nil {
			text += *f
		}
	}
	for _, row := range got.Sample.Rows {
		for _, cell := range row {
			if cell != nil {
				text += *cell
			}
		}
	}
	answer, err := l.Query(t.Context(), "SELECT CAST(list(t) AS VARCHAR) FROM "+l.Dialect().Files([]string{got.List.Path})+" AS t")
	if err != nil {
		t.Fatal(err)
	}
	text += fmt.Sprint(answer.Rows)
	for _, secret := range []string{"Ada", "Bob", "Eve", "Mallory"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is shown: %s", secret, text)
		}
	}
	if !strings.Contains(text, "***") {
		t.Errorf("nothing is masked: %s", text)
	}
}

// TestTolerance lets a share of the rows, or a count, be otherwise.
func TestTolerance(t *testing.T) {
	l := open(t)
	left := l.side(t, "left", "SELECT i AS id FROM range(1000) AS t(i)")
	right := l.side(t, "right", "SELECT i AS id FROM range(5, 1005) AS t(i)")
	for text, within := range map[string]bool{"1%": true, "0.9%": false, "10": true, "9": false} {
		var allowed config.Threshold
		if err := allowed.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := l.run(t, left, right, reconcile.Config{Key: []string{"id"}, Tolerance: allowed}); got.Failing() != 10 || got.Within() != within {
			t.Errorf("%s: %v, %s", text, got.Within(), got.Summary())
		}
	}
}

func TestMistakes(t *testing.T) {
	l := open(t)
	left := l.side(t, "left", values("id, amount, note", "(1, 2, 'x')"))
	for _, c := range []struct {
		right string
		cfg   reconcile.Config
		says  string
	}{
		{values("id, amount", "(1, 2)"), reconcile.Config{Key: []string{"idd"}}, `left has no key column "idd": did you mean "id"?`},
		{values("id, amount", "(1, 2)"), reconcile.Config{Key: []string{"note"}}, `right has no key column "note"`},
		{values("id, amount", "('1', 2)"), reconcile.Config{Key: []string{"id"}}, `key column "id" cannot be compared: INTEGER and VARCHAR`},
		{values("id, amount", "(1, 2)"), reconcile.Config{Columns: []string{"amout"}}, `left has no column "amout": did you mean "amount"?`},
		{values("id, amount", "(1, 2)"), reconcile.Config{Ignore: []string{"amout"}}, `no column to ignore "amout"`},
		{values("a, b", "(1, 2)"), reconcile.Config{}, "no column in common"},
		{values("id", "(1)"), reconcile.Config{Measures: []reconcile.Measure{reconcile.Keys}}, "keys cannot be compared without a key"},
		{values("id, amount", "(1, 2)"), reconcile.Config{Numeric: config.Tolerance{Amount: "1"}}, "give a key"},
	} {
		_, err := reconcile.Run(t.Context(), l, left, l.side(t, "right", c.right), c.cfg)
		var m *reconcile.Mistake
		if !errors.As(err, &m) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %s", err, c.says)
		}
	}
	unlike := l.run(t, l.side(t, "left", "SELECT 1 AS id"), l.side(t, "right", "SELECT '1' AS id UNION ALL SELECT '2'"), reconcile.Config{})
	if unlike.Within() || unlike.Right.Rows != 2 || !strings.Contains(unlike.Summary(), "id cannot be compared") {
		t.Errorf("no column that can be compared: %s", unlike.Summary())
	}
	none := l.side(t, "none", "SELECT 1 AS id WHERE false")
	if got := l.run(t, none, none, reconcile.Config{Key: []string{"id"}}); !got.Same() || got.Summary() != "both sides are empty" {
		t.Errorf("two empty sides: %s", got.Summary())
	}
	if got := l.run(t, left, none, reconcile.Config{Key: []string{"id"}}); got.Missing != 1 {
		t.Errorf("an empty side: %s", got.Summary())
	}
}

// TestNested compares values that differ by what is not there.
func TestNested(t *testing.T) {
	l := open(t)
	for _, c := range [][2]string{
		{"[0, 1]", "[1]"}, {"NULL::INT[]", "[]::INT[]"}, {"[]::INT[]", "[NULL]::INT[]"}, {"[[1], [2]]", "[[1, 2], []]"},
		{"{'a': NULL::INT}", "NULL::STRUCT(a INT)"}, {"MAP {'a': 0, 'b': 1}", "MAP {'b': 1}"},
	} {
		x, y := l.side(t, "left", "SELECT 1 AS id, "+c[0]+" AS v"), l.side(t, "right", "SELECT 1 AS id, "+c[1]+" AS v")
		if got := counted(l.run(t, x, y, reconcile.Config{Key: []string{"id"}})); got != [5]int64{0, 0, 1} {
			t.Errorf("%s and %s: %v, want one that is different", c[0], c[1], got)
		}
		if got := counted(l.run(t, x, y, reconcile.Config{})); got != [5]int64{1, 1, 0} {
			t.Errorf("%s and %s without a key: %v, want one missing and one extra", c[0], c[1], got)
		}
		if got := l.run(t, x, x, reconcile.Config{}); !got.Same() {
			t.Errorf("%s: %s", c[0], got.Summary())
		}
	}
}

// counting notes how many tables the largest statement reads.
type counting struct {
	warehouse.Warehouse
	tables int
}

func (c *counting) Query(ctx context.Context, query string) (*warehouse.Result, error) {
	c.tables = max(c.tables, strings.Count(query, "read_parquet"))
	return c.Warehouse.Query(ctx, query)
}

func (c *counting) Write(ctx context.Context, query, path string) (warehouse.File, error) {
	c.tables = max(c.tables, strings.Count(query, "read_parquet"))
	return c.Warehouse.Write(ctx, query, path)
}

// TestManyColumns compares more columns than one statement takes: what the statements read does not grow with them, and all is
// found and listed.
func TestManyColumns(t *testing.T) {
	l := open(t)
	var left, right []string
	for i := range 120 {
		left, right = append(left, fmt.Sprintf("a + %d AS c%d", i, i)), append(right, fmt.Sprintf("a + %d AS c%d", i+i%2, i))
	}
	x := l.stored(t, "left", "SELECT a, a AS b, "+strings.Join(left, ", ")+" FROM range(3) AS t(a)", 1)
	y := l.stored(t, "right", "SELECT a, a AS b, "+strings.Join(right, ", ")+" FROM range(3) AS t(a)", 1)
	counted := &counting{Warehouse: l.Warehouse}
	l.Warehouse = counted
	got := l.run(t, x, y, reconcile.Config{Key: []string{"a", "b"}, Limit: 1})
	if counted.tables > 5 {
		t.Errorf("a statement reads %d tables", counted.tables)
	}
	if listed := l.listed(t, got); got.Different != 3 || listed != [3]int64{0, 0, 3} || got.List.Rows != 180 {
		t.Errorf("%d different, the list has %v, of %d rows", got.Different, listed, got.List.Rows)
	}
	wrong, err := l.Query(t.Context(), `SELECT count(*) FROM `+l.Dialect().Files([]string{got.List.Path})+
		` WHERE "left"::INT <> a + substr("column", 2)::INT OR "right"::INT <> "left"::INT + 1`)
	if err != nil || wrong.Rows[0][0] != int64(0) {
		t.Errorf("%v of the listed values are others (%v)", wrong, err)
	}
	if f := got.Columns[121]; f.Name != "c119" || *f.Left.Sum != "360" || *f.Right.Sum != "363" {
		t.Errorf("figures of the last column: %+v", f)
	}
	if want := "3 different (c1 3, c3 3, c5 3, c7 3, c9 3, c11 3, c13 3, c15 3, c17 3, c19 3, … and 50 more), of 3 rows"; got.Summary() != want {
		t.Errorf("%s", got.Summary())
	}
}

// TestDiverted: of equal rows as many are excused as were kept out; rows that were kept out for values that the compared types
// do not hold are none of the rows here.
func TestDiverted(t *testing.T) {
	l := open(t)
	left := l.side(t, "left", values("id, v", "(1, 1), (1, 1), (1, 1), (2, 2), (3, NULL), (4, 4)"))
	right := l.side(t, "right", values("id, v", "(1, 1), (4, 5)"))
	out := l.side(t, "out", values("id, v", "(1, '1'), (2, '2'), (3, 'secret'), (4, '4')"))
	got := l.run(t, left, right, reconcile.Config{Key: []string{"id"}, Known: reconcile.Known{Diverted: &out}})
	if counted(got) != [5]int64{2, 0, 0, 1, 0} || got.Diverted != 3 {
		t.Errorf("%d diverted; %s", got.Diverted, got.Summary())
	}
	got = l.run(t, left, right, reconcile.Config{Known: reconcile.Known{Diverted: &out}})
	if got.Missing != 2 || got.Extra != 1 || got.Diverted != 3 {
		t.Errorf("without a key: %d diverted; %s", got.Diverted, got.Summary())
	}
}

// TestLongBounds: bounds are compared whole and shown cut.
func TestLongBounds(t *testing.T) {
	l := open(t)
	got := l.run(t, l.side(t, "left", "SELECT repeat('x', 5000) AS v"), l.side(t, "right", "SELECT repeat('x', 4999) || 'y' AS v"), reconcile.Config{Measures: []reconcile.Measure{reconcile.Bounds}})
	text, err := json.Marshal(got)
	if err != nil || len(text) > 3000 || strings.Contains(string(text), "numeric") || len(got.Columns[0].Differs) != 1 {
		t.Errorf("%d bytes, %v differ (%v)", len(text), got.Columns[0].Differs, err)
	}
}
