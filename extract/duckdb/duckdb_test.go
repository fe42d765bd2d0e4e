package duckdb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/extracttest"
	engine "github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/warehouse"
)

// write runs statements in the file, as another program would.
func write(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := engine.OpenFile(t.Context(), path, false, engine.Config{Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if err := db.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t *testing.T, dir string) extract.Source {
	t.Helper()
	s, err := Spec().Open(extract.Env{Name: "old", Project: dir, Exclude: []string{filepath.Join(dir, ".millrace")}, Stored: warehouse.Stored}, &Options{Path: "shop.duckdb"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	extracttest.Run(t, func(t *testing.T) extracttest.Fixture {
		dir := t.TempDir()
		path := filepath.Join(dir, "shop.duckdb")
		write(t, path, "CREATE TABLE orders(id INTEGER PRIMARY KEY, amount DECIMAL(12,2), day DATE)", "INSERT INTO orders SELECT i, i / 4, DATE '2024-01-01' + i::INTEGER FROM range(50) r(i)")
		n := 50
		stream := func(m extract.Mode) extract.Stream {
			s := extract.Stream{Name: "orders", Mode: m, Key: []string{"id"}, Options: new(StreamOptions)}
			switch m {
			case extract.Append:
				s.Cursor = "id"
			case extract.Incremental:
				s.Cursor = "day"
			}
			return s
		}
		return extracttest.Fixture{Source: open(t, dir), Full: stream(extract.Full), Append: stream(extract.Append), Incremental: stream(extract.Incremental),
			Grow: func() error {
				// A row of the greatest day, and one more of it that the next window must not pass over.
				write(t, path, fmt.Sprintf("INSERT INTO orders VALUES (%d, 1, (SELECT max(day) FROM orders)), (%d, 2, DATE '2025-01-01' + %d)", n, n+1, n))
				n += 2
				return nil
			},
			Change: func() error { write(t, path, "DELETE FROM orders WHERE id = 7"); return nil }}
	})
}

func TestTypes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "shop.duckdb")
	write(t, path, "CREATE SCHEMA \"a.b\"", `CREATE TABLE "a.b"."odd ""one""" AS SELECT 170141183460469231731::HUGEINT h, INTERVAL 3 DAY i, 'x'::ENUM ('x', 'y') e, [1::HUGEINT] l, '10:20:30+02'::TIMETZ z,
{'a': 1.5::DECIMAL(9,2), 'b': MAP {'k': 1}} s, 'abc'::BLOB b, TIMESTAMPTZ '2024-01-31 10:20:30+02' t, '{"a": 1}'::JSON j, '101'::BIT bits`,
		"CREATE VIEW v AS SELECT 1 AS one", "CREATE TABLE u(x UNION(num INTEGER, str VARCHAR))", "CREATE TABLE nothing(x INTEGER)")
	s := open(t, dir)
	st := extract.Stream{Name: `"a.b"."odd ""one"""`, Mode: extract.Full}
	if d, err := s.Describe(t.Context(), st); err != nil || d.Rows != 1 || len(d.Columns) != 10 {
		t.Fatalf("described as %+v: %v", d, err)
	}
	land := func(st extract.Stream) (*extracttest.Landing, error) {
		w, err := s.Window(t.Context(), st, "", nil)
		if err != nil {
			return nil, err
		}
		return extracttest.Land(t, s, st, w)
	}
	l, err := land(st)
	if err != nil {
		t.Fatal(err)
	}
	if want := `170141183460469231731|3 days|x|[1]|10:20:30+02|{'a': 1.50, 'b': {k=1}}|[97 98 99]|2024-01-31 08:20:30+00|{"a": 1}|101`; len(l.Rows) != 1 || l.Rows[0] != want {
		t.Errorf("landed %q, not %q", l.Rows, want)
	}
	if types := fmt.Sprint(l.Columns); !strings.Contains(types, "DECIMAL(38,0)") || !strings.Contains(types, "{l DECIMAL(38,0)[]}") {
		t.Errorf("landed as %s", types)
	}
	if l, err := land(extract.Stream{Name: "main.v", Mode: extract.Full}); err != nil || len(l.Rows) != 1 {
		t.Errorf("a view lands as %v: %v", l, err)
	}
	if l, err := land(extract.Stream{Name: "nothing", Mode: extract.Full}); err != nil || len(l.Rows) != 0 || len(l.Columns) != 1 {
		t.Errorf("an empty table lands as %v: %v", l, err)
	}
	if _, err := land(extract.Stream{Name: "u", Mode: extract.Full}); err == nil || !strings.Contains(err.Error(), `cannot be stored in Parquet`) {
		t.Errorf("a union lands: %v", err)
	}
	d, err := Spec().Discover(t.Context(), s)
	if err != nil || len(d.Streams) != 4 || d.Streams[0].Name != st.Name || d.Streams[3].Kind != "view" {
		t.Fatalf("discovered %+v: %v", d, err)
	}
	if d.Streams[2].Name != "main.u" || len(d.Streams[2].Notes) != 1 {
		t.Errorf("of a union it says %v", d.Streams[2].Notes)
	}
}

func TestKeysOfDeletedRows(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "shop.duckdb"), "CREATE TABLE orders(id INTEGER PRIMARY KEY, day TIMESTAMP)", "INSERT INTO orders VALUES (1, TIMESTAMP '2024-01-01'), (2, TIMESTAMP '2024-01-02')")
	s := open(t, dir)
	st := extract.Stream{Name: "orders", Mode: extract.Incremental, Key: []string{"id"}, Cursor: "day", Deletes: true}
	w, err := s.Window(t.Context(), st, "2024-01-02 00:00:00", nil)
	if err != nil || len(w.Slices) != 2 || !w.Slices[1].Keys {
		t.Fatalf("the window is %+v: %v", w, err)
	}
	if l, err := extracttest.Land(t, s, st, &extract.Window{Slices: w.Slices[:1]}); err != nil || len(l.Rows) != 1 {
		t.Errorf("beyond a cursor that a person has set lie %v: %v", l, err)
	}
	if l, err := extracttest.Land(t, s, st, &extract.Window{Slices: w.Slices[1:]}); err != nil || fmt.Sprint(l.Rows) != "[1 2]" || len(l.Columns) != 1 {
		t.Errorf("the keys are %v: %v", l, err)
	}
	if _, err := s.Window(t.Context(), st, "yesterday", nil); err == nil || !strings.Contains(err.Error(), `the stream's cursor "yesterday" is no TIMESTAMP`) {
		t.Errorf("a cursor that is none: %v", err)
	}
	d, err := Spec().Discover(t.Context(), s)
	if err != nil || fmt.Sprint(d.Streams[0].Key) != "[id]" || len(d.Streams[0].Cursors) != 1 {
		t.Errorf("discovered %+v: %v", d, err)
	}
}

func TestTrouble(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "shop.duckdb")
	says := func(name, want, hint string) {
		t.Helper()
		_, err := open(t, dir).Describe(t.Context(), extract.Stream{Name: name, Mode: extract.Full})
		var h interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), want) || hint != "" && (!errors.As(err, &h) || !strings.Contains(h.Hint(), hint)) {
			t.Errorf("%s: it says %v, not %q with %q", name, err, want, hint)
		}
	}
	says("orders", "there is no file shop.duckdb", "relative to the project")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database at all "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	says("orders", "shop.duckdb is no DuckDB database", "type: files")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.csv")
	if err := os.WriteFile(other, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := engine.OpenFile(t.Context(), path, false, engine.Config{Plain: true, Files: []string{other}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"CREATE TABLE orders(id INTEGER)", "CREATE VIEW elsewhere AS SELECT * FROM read_csv('" + other + "')"} {
		if err := db.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	says("order", "shop.duckdb has no table order", "it has main.elsewhere, main.orders")
	says("elsewhere", "elsewhere in shop.duckdb is a view over other files", "type: files")
	found, err := Spec().Examine(t.Context(), open(t, dir), []extract.Stream{{Name: "orders", Key: []string{"nr"}}})
	if err != nil || len(found) != 2 || found[0].Level != extract.LevelOK || found[1].Level != extract.LevelFail || !strings.Contains(found[1].Message, `no column "nr"`) {
		t.Errorf("the doctor finds %+v: %v", found, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[12] = 200 // the storage version
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	says("orders", "shop.duckdb", "")
}

// TestHeld: a file that another process writes to is not read, and it is told which one.
func TestHeld(t *testing.T) {
	dir := os.Getenv("MILLRACE_TEST_HOLD")
	if dir != "" { // the other process
		db, err := engine.OpenFile(t.Context(), filepath.Join(dir, "shop.duckdb"), false, engine.Config{Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		fmt.Println("held")
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	dir = t.TempDir()
	write(t, filepath.Join(dir, "shop.duckdb"), "CREATE TABLE orders(id INTEGER)")
	cmd := exec.Command(os.Args[0], "-test.run=^TestHeld$")
	cmd.Env = append(os.Environ(), "MILLRACE_TEST_HOLD="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = cmd.Wait() }()
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, dir).Describe(t.Context(), extract.Stream{Name: "orders"})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("shop.duckdb is open for writing in process %d", cmd.Process.Pid)) {
		t.Errorf("a file that is held: %v", err)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{"t": "main|t", "s.t": "s|t", `"a.b"."c""d"`: `a.b|c"d`, "": "", "a.b.c": "", "a.": "", ".a": "", `"a`: ""} {
		schema, table, err := splitName(name)
		if got := schema + "|" + table; err == nil && got != want || err != nil && want != "" {
			t.Errorf("%q is %s: %v", name, got, err)
		}
	}
	if _, err := newSource(extract.Env{Project: "/p", Exclude: []string{"/p/warehouse"}}, &Options{Path: "warehouse/current/catalog.duckdb"}); err == nil {
		t.Error("a source reads what Millrace has published")
	}
}
