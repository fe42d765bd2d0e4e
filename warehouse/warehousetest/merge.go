package warehousetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

var orders = warehouse.Name{Schema: "erp", Table: "orders"}

// runMerge: windows of random rows, merged in several orders and under several thresholds, make the table that a
// full reload of all of them makes, row for row; and the equations close.
func runMerge(t *testing.T, open warehouse.Open) {
	rounds := 6
	if testing.Short() {
		rounds = 3
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			b := start(t, open)
			rng := rand.New(rand.NewPCG(uint64(seed), 7))
			cursor := []string{"upd", "", "upd"}[seed%3]
			var windows []warehouse.File
			var all string
			for n := range 2 + rng.IntN(4) {
				rows := randomRows(rng, n, cursor)
				windows = append(windows, b.write(rows))
			}
			d := b.w.Dialect()
			columns := b.columns("SELECT * FROM " + d.Files([]string{windows[0].Path}))
			for range 3 {
				order := rng.Perm(len(windows))
				if cursor == "" { // the order of arrival decides: no other one is right
					order = nil
					for i := range windows {
						order = append(order, i)
					}
				}
				small, share := []int64{1, 1, 1 << 30}[rng.IntN(3)], []float64{0.01, 0.5, 100}[rng.IntN(3)]
				got := b.mergeAll(windows, order, cursor, small, share)
				want := b.reload(windows, columns, cursor)
				if all == "" {
					all = want
				}
				if got != want {
					t.Fatalf("order %v, small %d, share %v:\n got %.600s\nwant %.600s", order, small, share, got, want)
				}
			}
		})
	}
}

// randomRows is a SELECT of a window: new keys, changed and late rows, ties, duplicates, NULLs.
func randomRows(rng *rand.Rand, window int, cursor string) string {
	var values []string
	for range rng.IntN(60) + 1 {
		id, at := rng.IntN(40)+window*5, fmt.Sprintf("TIMESTAMP '2025-01-01' + INTERVAL (%d) DAY", window+rng.IntN(4)-1)
		if rng.IntN(10) == 0 {
			at = "NULL::TIMESTAMP"
		}
		v := fmt.Sprintf("'v%d'", rng.IntN(3))
		if rng.IntN(6) == 0 {
			v = "NULL"
		}
		amount := []string{"1.5", "'nan'", "NULL", "-0.5", "'inf'"}[rng.IntN(5)]
		l := []string{"[1, NULL]", "NULL", "[]", "[1, 2]"}[rng.IntN(4)]
		st := []string{"{'a': 1, 'b': NULL}", "NULL", "{'a': NULL, 'b': 'x'}"}[rng.IntN(3)]
		row := fmt.Sprintf("(%d, 'k%d', %s, %s, %s::DOUBLE, %s::INTEGER[], %s::STRUCT(a INTEGER, b VARCHAR))", id%30, id%3, at, v, amount, l, st)
		values = append(values, row)
		if rng.IntN(5) == 0 {
			values = append(values, row)
		}
	}
	return "SELECT * FROM (VALUES " + strings.Join(values, ", ") + ") AS t(id, part, upd, v, amount, l, st)"
}

func (b *bench) mergeAll(windows []warehouse.File, order []int, cursor string, small int64, share float64) string {
	b.Helper()
	var prev *warehouse.Version
	for _, i := range order {
		in := warehouse.MergeInput{Name: orders, Prev: prev, Landed: windows[i : i+1], Key: []string{"id", "PART"}, Cursor: cursor, Dir: b.folder(), SmallBytes: small, DeltaShare: share}
		r, err := warehouse.Merge(b.Context(), b.w, in)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range r.Equations {
			if !e.Closes() {
				b.Errorf("%s", e)
			}
		}
		b.checkFolder(in.Dir, r)
		prev = &r.Version
		again, err := warehouse.Merge(b.Context(), b.w, warehouse.MergeInput{Name: orders, Prev: prev, Landed: windows[i : i+1], Key: in.Key, Cursor: cursor, Dir: b.folder(), SmallBytes: small, DeltaShare: share})
		if err != nil {
			b.Fatal(err)
		}
		if n := again.Get("landed", "inserted") + again.Get("landed", "updated"); n > 0 {
			b.Errorf("merging a window again changed %d rows", n)
		}
	}
	if err := b.w.Expose(b.Context(), *prev); err != nil {
		b.Fatal(err)
	}
	if n := b.text("SELECT count(*) FROM erp.orders"); n != fmt.Sprintf("[[%d]]", prev.Rows) {
		b.Errorf("a reader counts %s, the version says %d", n, prev.Rows)
	}
	return b.text("SELECT * FROM erp.orders ORDER BY ALL")
}

// reload is the truth, by other means than Merge: window functions over all rows.
func (b *bench) reload(windows []warehouse.File, columns []warehouse.Column, cursor string) string {
	b.Helper()
	var parts []string
	for i, f := range windows {
		parts = append(parts, fmt.Sprintf("SELECT *, %d AS window_no FROM read_parquet('%s')", i, f.Path))
	}
	by := "window_no"
	if cursor != "" {
		by = cursor + " IS NOT NULL DESC, " + cursor
	}
	var rest []string
	for _, c := range []string{"amount", "id", "l", "part", "st", "upd", "v"} {
		rest = append(rest, c+" IS NOT NULL DESC", c+" DESC NULLS FIRST")
	}
	return b.text(fmt.Sprintf("SELECT * EXCLUDE (window_no, rn) FROM (SELECT *, row_number() OVER (PARTITION BY id, part ORDER BY %s DESC, %s) AS rn FROM (%s)) WHERE rn = 1 ORDER BY ALL",
		by, strings.Join(rest, ", "), strings.Join(parts, " UNION ALL ")))
}

// checkFolder: nothing stays but what the version names, and Written says so.
func (b *bench) checkFolder(dir string, r *warehouse.MergeResult) {
	b.Helper()
	named := map[string]bool{}
	for _, f := range r.Version.Files() {
		named[f.Path] = true
	}
	found, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, p := range found {
		if !named[p] {
			b.Errorf("%s is left behind", p)
		}
	}
	if len(found) != len(r.Written) {
		b.Errorf("%d files are there, %d are said to be written", len(found), len(r.Written))
	}
}

// leaky drops one row of the file whose name has the part.
type leaky struct {
	warehouse.Warehouse
	part string
	hit  bool
}

func (l *leaky) Write(ctx context.Context, query, path string) (warehouse.File, error) {
	if strings.Contains(filepath.Base(path), l.part) {
		l.hit = true
		query = "SELECT * FROM (" + query + ") LIMIT (SELECT count(*) - 1 FROM (" + query + "))"
	}
	return l.Warehouse.Write(ctx, query, path)
}

// runNegativeControl: a row that gets lost at any stage is noticed.
func runNegativeControl(t *testing.T, open warehouse.Open) {
	for _, c := range []struct {
		stage string
		first bool // no previous version
		small int64
		twice bool // repeated keys
	}{
		{"base-winners", true, 1, true}, {"base-winners", false, 1, true}, {"scratch-decisions", false, 1, false},
		{"scratch-ties", false, 1, false}, {"upserts-changes", false, 1, false}, {"upserts-folded", false, 1, false},
		{"base-folded", false, 1 << 30, false},
	} {
		t.Run(c.stage, func(t *testing.T) {
			b := start(t, open)
			rows := "SELECT i AS id, TIMESTAMP '2025-01-01' AS at, %s AS v FROM range(%d, %d) t(i)"
			var prev *warehouse.Version
			merge := func(w warehouse.Warehouse, f warehouse.File) (*warehouse.MergeResult, error) {
				return warehouse.Merge(b.Context(), w, warehouse.MergeInput{Name: orders, Prev: prev, Landed: []warehouse.File{f}, Key: []string{"id"}, Cursor: "at", Dir: b.folder(), SmallBytes: c.small, DeltaShare: 100})
			}
			if !c.first {
				for _, sql := range []string{fmt.Sprintf(rows, "'a'", 0, 100), fmt.Sprintf(strings.Replace(rows, "01-01", "01-02", 1), "'b'", 50, 60)} {
					r, err := merge(b.w, b.write(sql))
					if err != nil {
						t.Fatal(err)
					}
					prev = &r.Version
				}
			}
			// ties (unchanged, superseded, updated), a newer one and a new one
			sql := strings.Join([]string{fmt.Sprintf(rows, "'a'", 0, 5), fmt.Sprintf(rows, "'A'", 5, 10), fmt.Sprintf(rows, "'z'", 10, 15),
				fmt.Sprintf(strings.Replace(rows, "01-01", "01-03", 1), "'z'", 20, 25), fmt.Sprintf(rows, "'n'", 100, 105)}, " UNION ALL ")
			if c.twice {
				sql += " UNION ALL " + sql
			}
			f := b.write(sql)
			w := &leaky{Warehouse: b.w, part: c.stage}
			r, err := merge(w, f)
			if !w.hit {
				t.Fatal("the stage was not visited")
			}
			if !errors.Is(err, warehouse.ErrUnbalanced) {
				t.Errorf("err = %v, %v", err, r)
			}
			if r, err := merge(b.w, f); err != nil {
				t.Errorf("without a leak: %v", err)
			} else if c.stage == "upserts-changes" {
				if got := fmt.Sprint(r.Equations[0]); got != "landed 25 = inserted 5 + updated 15 + unchanged 5 + superseded 0" && got != "landed 25 = inserted 5 + updated 10 + unchanged 5 + superseded 5" {
					t.Error(got)
				}
			}
		})
	}
}

// runSchemas: columns come, go and widen.
func runSchemas(t *testing.T, open warehouse.Open) {
	b := start(t, open)
	parts := []string{
		"SELECT i::INTEGER AS id, 1 AS at, i::DECIMAL(5,1) AS d, {'a': i::INTEGER} AS st, 'old' AS gone FROM range(10) t(i)",
		"SELECT 'fresh' AS fresh, i AS ID, 2::BIGINT AS at, 1234567.25::DECIMAL(9,2) AS d, {'b': 'x', 'a': 5000000000} AS st FROM range(8, 12) t(i)",
	}
	want := `[[0 1 0.00 {'a': 0, 'b': NULL} old <nil>] [9 2 1234567.25 {'a': 5000000000, 'b': x} <nil> fresh] [11 2 1234567.25 {'a': 5000000000, 'b': x} <nil> fresh]]`
	for _, small := range []int64{1, 1 << 30} {
		var prev *warehouse.Version
		for _, sql := range parts {
			r, err := warehouse.Merge(b.Context(), b.w, warehouse.MergeInput{Name: orders, Prev: prev, Landed: []warehouse.File{b.write(sql)}, Key: []string{"id"}, Cursor: "at", Dir: b.folder(), SmallBytes: small, DeltaShare: 10})
			if err != nil {
				t.Fatal(err)
			}
			prev = &r.Version
		}
		if got := fmt.Sprint(prev.Columns); got != `[{id BIGINT} {at BIGINT} {d DECIMAL(9,2)} {st STRUCT("a" BIGINT, "b" VARCHAR)} {gone VARCHAR} {fresh VARCHAR}]` {
			t.Error(got)
		}
		if err := b.w.Expose(b.Context(), *prev); err != nil {
			t.Fatal(err)
		}
		if got := b.text("SELECT * FROM erp.orders WHERE id IN (0, 9, 11) ORDER BY id"); got != want {
			t.Errorf("small %d: %s", small, got)
		}
	}
	_, err := warehouse.Merge(b.Context(), b.w, warehouse.MergeInput{Name: orders, Prev: &warehouse.Version{Columns: []warehouse.Column{{Name: "id", Type: "DATE"}}, Key: []string{"id"}, Rows: 1},
		Landed: []warehouse.File{b.write("SELECT 1 AS id")}, Key: []string{"id"}, Dir: b.folder()})
	if err == nil || !strings.Contains(err.Error(), `column "id": type DATE has become INTEGER`) {
		t.Errorf("err = %v", err)
	}
	hostileNames(b)
	// the same by Append
	first, second := b.write(parts[0]), b.write(parts[1])
	v, _, err := warehouse.Append(nil, orders, []warehouse.File{first}, b.columns(parts[0]))
	if err != nil {
		t.Fatal(err)
	}
	v, eq, err := warehouse.Append(v, orders, []warehouse.File{second}, b.columns(parts[1]))
	if err != nil || !eq.Closes() || v.Rows != 14 {
		t.Fatal(err, eq)
	}
	if err := b.w.Expose(b.Context(), *v); err != nil {
		t.Fatal(err)
	}
	if got := b.text("SELECT count(*), count(fresh), count(gone), max(id), max(st.a) FROM erp.orders"); got != "[[14 4 10 11 5000000000]]" {
		t.Error(got)
	}
}

func runDeleteInsert(t *testing.T, open warehouse.Open) {
	b := start(t, open)
	var prev *warehouse.Version
	for _, c := range []struct{ sql, want string }{
		{"SELECT i % 3 AS id, i AS v FROM range(6) t(i)", "landed 6 = inserted 6 + updated 0 + unchanged 0 + superseded 0 published 6 = before 0 + inserted 6 − deleted 0"},
		{"SELECT 1::BIGINT AS id, 77::BIGINT AS v", "landed 1 = inserted 1 + updated 0 + unchanged 0 + superseded 0 published 5 = before 6 + inserted 1 − deleted 2"},
		{"SELECT 9::BIGINT AS id, 77::BIGINT AS v UNION ALL SELECT 9, 78", "landed 2 = inserted 2 + updated 0 + unchanged 0 + superseded 0 published 7 = before 5 + inserted 2 − deleted 0"},
	} {
		r, err := warehouse.Merge(b.Context(), b.w, warehouse.MergeInput{Name: orders, Prev: prev, Landed: []warehouse.File{b.write(c.sql)}, Key: []string{"id"}, Strategy: warehouse.DeleteInsert, Dir: b.folder()})
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(r.Equations[0], " ", r.Equations[1]); got != c.want {
			t.Error(got)
		}
		prev = &r.Version
	}
	if err := b.w.Expose(b.Context(), *prev); err != nil {
		t.Fatal(err)
	}
	if got := b.text("FROM erp.orders ORDER BY ALL"); got != "[[0 0] [0 3] [1 77] [2 2] [2 5] [9 77] [9 78]]" {
		t.Error(got)
	}
}

func runDeletes(t *testing.T, open warehouse.Open) {
	for _, small := range []int64{1, 1 << 30} {
		b := start(t, open)
		var prev *warehouse.Version
		for _, c := range []struct{ sql, deleted, published, rows string }{
			{"SELECT i AS id, 'a' AS v FROM range(100) t(i)", "", "published 100 = before 0 + inserted 100 − deleted 0", ""},
			{"SELECT 5::BIGINT AS id, 'b' AS v", "SELECT i AS id FROM range(5, 200) t(i)", "published 6 = before 100 + inserted 0 − deleted 94", "[[4 a] [5 b]]"},
			{"SELECT 7::BIGINT AS id, 'c' AS v", "SELECT 5::BIGINT AS id", "published 6 = before 6 + inserted 1 − deleted 1", "[[4 a] [7 c]]"},
			{"", "SELECT 7::BIGINT AS id", "published 5 = before 6 + inserted 0 − deleted 1", "[[4 a]]"},
			{"", "", "published 5 = before 5 + inserted 0 − deleted 0", "[[4 a]]"},
		} {
			in := warehouse.MergeInput{Name: orders, Prev: prev, Key: []string{"id"}, Dir: b.folder(), SmallBytes: small, DeltaShare: 100}
			if c.sql != "" {
				in.Landed = []warehouse.File{b.write(c.sql)}
			}
			if c.deleted != "" {
				in.Deleted = []warehouse.File{b.write(c.deleted)}
			}
			r, err := warehouse.Merge(b.Context(), b.w, in)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(r.Equations[len(r.Equations)-1]); got != c.published {
				t.Errorf("small %d: %s, want %s", small, got, c.published)
			}
			b.checkFolder(in.Dir, r)
			prev = &r.Version
			if c.rows == "" {
				continue
			}
			if err := b.w.Expose(b.Context(), *prev); err != nil {
				t.Fatal(err)
			}
			if got := b.text("FROM erp.orders WHERE id >= 4 ORDER BY id"); got != c.rows {
				t.Errorf("small %d: %s, want %s", small, got, c.rows)
			}
		}
	}
}

func runRejects(t *testing.T, open warehouse.Open) {
	b := start(t, open)
	sql := "SELECT CASE WHEN i % 10 = 0 THEN NULL ELSE i END AS id, CASE WHEN i = 7 THEN NULL ELSE 'p' END AS part, i AS v FROM range(100) t(i)"
	columns, f := b.columns(sql), b.write(sql)
	good, rejects, err := warehouse.RejectNullKeys(b.Context(), b.w, f, columns, []string{"id", "part"}, "in.csv")
	if err != nil || rejects == nil || good.Rows != 89 || rejects.Rows != 11 {
		t.Fatal(good, rejects, err)
	}
	const want = `[[in.csv 0 -1 id null_key the key column id is NULL {"id":null,"part":"p","v":0}]]`
	if got := b.text("SELECT * FROM " + b.w.Dialect().Files([]string{rejects.Path}) + " WHERE raw LIKE '%\"v\":0}'"); got != want {
		t.Error(got)
	}
	if got := fmt.Sprint(b.columns("SELECT * FROM " + b.w.Dialect().Files([]string{rejects.Path}))); got != "[{file VARCHAR} {line BIGINT} {offset BIGINT} {column VARCHAR} {reason VARCHAR} {message VARCHAR} {raw VARCHAR}]" {
		t.Error(got)
	}
	same, none, err := warehouse.RejectNullKeys(b.Context(), b.w, f, columns, []string{"v"}, "in.csv")
	if err != nil || none != nil || same.Path != f.Path {
		t.Error(same, none, err)
	}
	_, err = warehouse.Merge(b.Context(), b.w, warehouse.MergeInput{Name: orders, Landed: []warehouse.File{f}, Key: []string{"id"}, Dir: b.folder()})
	if err == nil || !strings.Contains(err.Error(), "10 landed rows have no key") {
		t.Errorf("err = %v", err)
	}
}

// hostileNames: columns called like what the generated SQL calls its own things.
func hostileNames(b *bench) {
	b.Helper()
	names := []string{"r", "w", "e", "d", "k", "b", "f", "n", "landed", "won", "repeated", "filename", "file_row_number", "select", "a.b", `q"q`, "it's", "ID\n", "é", "row", "_millrace"}
	d := b.w.Dialect()
	row := func(id int, at, v string) string {
		sql := fmt.Sprintf("SELECT %d AS id, %s AS upd", id, at)
		for _, n := range names {
			sql += ", " + d.QuoteLiteral(v+n) + " AS " + d.QuoteIdent(n)
		}
		return sql
	}
	var prev *warehouse.Version
	for i, sql := range []string{
		row(1, "1", "a") + " UNION ALL " + row(1, "2", "b") + " UNION ALL " + row(2, "1", "a") + " UNION ALL " + row(3, "1", "a"),
		row(1, "2", "c") + " UNION ALL " + row(2, "1", "a") + " UNION ALL " + row(3, "0", "z"),
	} {
		r, err := warehouse.Merge(b.Context(), b.w, warehouse.MergeInput{Name: orders, Prev: prev, Landed: []warehouse.File{b.write(sql)}, Key: []string{"id"}, Cursor: "upd", Dir: b.folder(), SmallBytes: 1, DeltaShare: 10})
		if err != nil {
			b.Fatal(err)
		}
		if want := []string{"landed 4 = inserted 3 + updated 0 + unchanged 0 + superseded 1", "landed 3 = inserted 0 + updated 1 + unchanged 1 + superseded 1"}[i]; fmt.Sprint(r.Equations[0]) != want {
			b.Errorf("%s, want %s", r.Equations[0], want)
		}
		prev = &r.Version
	}
	if err := b.w.Expose(b.Context(), *prev); err != nil {
		b.Fatal(err)
	}
	if got := b.text(`SELECT id, r, w, "select", "é" FROM erp.orders ORDER BY id`); got != "[[1 cr cw cselect cé] [2 ar aw aselect aé] [3 ar aw aselect aé]]" {
		b.Error(got)
	}
	f := b.write(row(1, "1", "a") + " UNION ALL " + strings.Replace(row(1, "1", "b"), "SELECT 1 AS id", "SELECT NULL AS id", 1))
	_, rejects, err := warehouse.RejectNullKeys(b.Context(), b.w, f, prev.Columns, []string{"id"}, "in.csv")
	if err != nil || rejects == nil || rejects.Rows != 1 {
		b.Fatal(rejects, err)
	}
	if got := b.text("SELECT raw LIKE '{\"id\":null,\"upd\":1,\"r\":\"br\"%' FROM " + d.Files([]string{rejects.Path})); got != "[[true]]" {
		b.Error(got)
	}
}
