package duckdb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/clean"
)

// literal is a constant of SQL.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case []string:
		return list(v)
	}
	return "NULL"
}

// wanted is an example's result as the text that DuckDB casts it to.
func wanted(f *clean.Function, v any) string {
	fields, ok := v.(map[string]string)
	if !ok {
		return literal(v)
	}
	var parts []string
	for _, name := range clean.StructFields(f.Returns) {
		part := "NULL"
		if s, ok := fields[name]; ok {
			part = quote(s)
		}
		parts = append(parts, name+" := "+part)
	}
	return "struct_pack(" + strings.Join(parts, ", ") + ")::VARCHAR"
}

// TestCleanExamples: each example as a constant, which DuckDB folds, and as rows of a table with others and NULL between them.
func TestCleanExamples(t *testing.T) {
	db := testDB(t, Config{Threads: 2})
	for i := range clean.Functions {
		f := &clean.Functions[i]
		var rows []string
		for _, e := range f.Examples {
			var args []string
			for _, a := range e.Args {
				args = append(args, literal(a))
			}
			call := f.Name + "(" + strings.Join(args, ", ") + ")::VARCHAR"
			if right := one(t, db, "SELECT "+call+" IS NOT DISTINCT FROM "+wanted(f, e.Want)); right != true {
				t.Errorf("%s is %v, want %v", call, one(t, db, "SELECT "+call), e.Want)
			}
			for len(args) < len(f.Params) {
				args = append(args, "NULL")
			}
			rows = append(rows, "("+strings.Join(args, ", ")+", "+wanted(f, e.Want)+")")
		}
		columns, nulls := []string{}, []string{}
		for _, p := range f.Params {
			columns, nulls = append(columns, p.Name), append(nulls, "NULL::"+p.Type)
		}
		table := fmt.Sprintf("(SELECT t.* FROM (VALUES %s, (%s, NULL)) t(%s, want), range(3000) ORDER BY hash(t.%s, range))",
			strings.Join(rows, ", "), strings.Join(nulls, ", "), strings.Join(columns, ", "), columns[0])
		call := f.Name + "(" + strings.Join(columns, ", ") + ")"
		query := "SELECT count(*) FILTER (" + call + "::VARCHAR IS DISTINCT FROM want) || ' of ' || count(*) FROM " + table
		if got, want := one(t, db, query), fmt.Sprintf("0 of %d", 3000*(len(rows)+1)); got != want {
			t.Errorf("%s over a column: %v are not as in the examples, want %s", f.Name, got, want)
		}
		if typ := one(t, db, "SELECT typeof("+f.Name+"("+strings.Join(nulls, ", ")+"))"); typ != f.Returns {
			t.Errorf("%s gives a %v, want %s", f.Name, typ, f.Returns)
		}
	}
}

// TestCleanEverywhere: on every connection of the pool, in a database file that is the default, written to or not, and after another USE.
func TestCleanEverywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	for _, readOnly := range []bool{false, true} {
		db, err := OpenFile(t.Context(), path, readOnly, Config{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		var held []func()
		for range 4 {
			conn, err := db.pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, func() { _ = conn.Close() })
			for _, s := range []string{"SELECT clean_fold('Ä')", "USE memory", "SELECT clean_fold('Ä')", "USE " + attached} {
				var got string
				if strings.HasPrefix(s, "USE") {
					_, err = conn.ExecContext(t.Context(), s)
				} else if err = conn.QueryRowContext(t.Context(), s).Scan(&got); err == nil && got != "a" {
					t.Errorf("%s: %q", s, got)
				}
				if err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
		}
		for _, release := range held {
			release()
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	plain, err := OpenFile(t.Context(), path, true, Config{Threads: 1, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if n := one(t, plain, "SELECT count(*) FROM duckdb_functions() WHERE function_name LIKE 'clean\\_%' ESCAPE '\\'"); n != int64(0) {
		t.Errorf("the file has kept %v functions", n)
	}
}

// withFunction adds a function to the list for one test.
func withFunction(t *testing.T, f clean.Function) {
	before := clean.Functions
	clean.Functions = append(slices.Clone(before), f)
	t.Cleanup(func() { clean.Functions = before })
}

// TestCleanPanic: a panic is an error of the statement that called, and of no other.
func TestCleanPanic(t *testing.T) {
	withFunction(t, clean.Function{Name: "clean_panics", Params: []clean.Param{{Name: "t", Type: "VARCHAR"}}, Returns: "VARCHAR", Costly: true, Text: func(dst []byte, t, _ string) []byte {
		if t == "7" {
			panic("seven")
		}
		return append(dst, t...)
	}})
	db := testDB(t, Config{Threads: 2})
	for range 3 {
		_, err := db.Query(t.Context(), "SELECT max(clean_panics(CAST(i AS VARCHAR))) FROM range(100000) r(i)")
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, "clean_panics: internal error: seven") {
			t.Fatalf("a panic became %v", err)
		}
		if got := one(t, db, "SELECT max(clean_panics(CAST(i AS VARCHAR))) FROM range(7) r(i)"); got != "6" {
			t.Fatalf("behind it: %v", got)
		}
	}
}

// TestCleanOnce: a constant, and each entry of a dictionary, is evaluated once; a costly function mostly once for values that come again. Two
// of them may have the same place in the memo, so the bound is wide.
func TestCleanOnce(t *testing.T) {
	var calls atomic.Int64
	f := clean.Function{Name: "clean_counts", Params: []clean.Param{{Name: "t", Type: "VARCHAR"}}, Returns: "VARCHAR", Text: func(dst []byte, t, _ string) []byte {
		calls.Add(1)
		return append(dst, t...)
	}}
	withFunction(t, f)
	f.Name, f.Costly = "clean_counts_costly", true
	withFunction(t, f)
	withFunction(t, clean.Function{Name: "clean_counts_parts", Params: f.Params, Returns: "STRUCT(a VARCHAR, b VARCHAR)", Costly: true, Parts: func(t, _ string) []string {
		calls.Add(1)
		return []string{strings.Clone(t), ""}
	}})
	dir := t.TempDir()
	db := testDB(t, Config{Threads: 1, Dirs: []string{dir}})
	file := filepath.Join(dir, "x.parquet")
	if _, err := db.Copy(t.Context(), "SELECT 'some value ' || (i % 10) AS v FROM range(100000) r(i)", file, func(Column) (string, error) { return "VARCHAR", nil }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		query string
		most  int64
	}{
		{"SELECT count(clean_counts('constant')) FROM range(100000)", 1},
		{"SELECT count(clean_counts(v)) FROM " + quote(file), 2000},
		{"SELECT count(clean_counts_costly('some value ' || (i % 10))) FROM range(100000) r(i)", 60_000},
		{"SELECT count(clean_counts_parts('some value ' || (i % 10)).a) FROM range(100000) r(i)", 60_000},
	} {
		calls.Store(0)
		if n := one(t, db, c.query); n != int64(100000) {
			t.Errorf("%s: %v", c.query, n)
		}
		if n := calls.Load(); n > c.most {
			t.Errorf("%s: %d calls, want %d at most", c.query, n, c.most)
		}
	}
}

// TestCleanDates: what is a date already keeps its day, but for placeholders.
func TestCleanDates(t *testing.T) {
	db := testDB(t, Config{Threads: 1})
	for call, want := range map[string]any{
		"clean_date(DATE '1985-05-13')": "1985-05-13", "clean_date(DATE '1900-01-01')": nil, "clean_date(NULL::DATE)": nil, "clean_date(NULL)": nil,
		"clean_date(TIMESTAMP '1955-05-13 23:59:59.999999')": "1955-05-13", "clean_date(TIMESTAMP '1969-12-31 00:00:00', ['%d/%m/%Y'])": "1969-12-31",
		"clean_date(TIMESTAMP '1970-01-01 00:00:00')": nil, "clean_date(DATE 'infinity')": nil, "clean_date(TIMESTAMP '-infinity')": nil, "clean_date(DATE '0044-03-15 (BC)')": nil,
	} {
		if got := one(t, db, "SELECT "+call+"::VARCHAR"); got != want {
			t.Errorf("%s is %v, want %v", call, got, want)
		}
	}
}

// TestCleanLong: texts that DuckDB keeps in itself, and those that it does not, to every length around the border.
func TestCleanLong(t *testing.T) {
	db := testDB(t, Config{Threads: 1})
	got := one(t, db, "SELECT count(*) FILTER (clean_words(repeat('Ab', i::INT)) IS DISTINCT FROM nullif(repeat('ab', i::INT), '')) FROM range(600) r(i)")
	if got != int64(0) {
		t.Errorf("%v of 600 lengths are wrong", got)
	}
}

// TestCleanRepeatable: the engine knows that the functions give the same each time, which lets a model's rows be compared.
func TestCleanRepeatable(t *testing.T) {
	db := testDB(t, Config{Threads: 1})
	for _, f := range clean.Functions {
		args := slices.Repeat([]string{"x"}, len(f.Params))
		ok, _, err := db.Repeatable(context.Background(), "SELECT "+f.Name+"("+strings.Join(args, ", ")+") AS y FROM t")
		if err != nil || !ok {
			t.Errorf("%s: repeatable %v, %v", f.Name, ok, err)
		}
	}
}

// TestOpenCost: what registering adds to the opening of an instance is a small part of it. The best of several of each is compared.
func TestOpenCost(t *testing.T) {
	best := func(plain bool) time.Duration {
		least := time.Hour
		for range 5 {
			began := time.Now()
			db, err := Open(t.Context(), Config{Threads: 1, Plain: plain})
			if err != nil {
				t.Fatal(err)
			}
			least = min(least, time.Since(began))
			_ = db.Close()
		}
		return least
	}
	with, without := best(false), best(true)
	t.Logf("%v with the functions, %v without", with, without)
	if with-without > 15*time.Millisecond {
		t.Errorf("the functions add %v to opening an instance", with-without)
	}
}
