package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	engine "github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/warehouse"
)

func open(t *testing.T, dir string) warehouse.Warehouse {
	t.Helper()
	w, err := Open(t.Context(), warehouse.Config{Memory: 1 << 30, Threads: 2, Temp: filepath.Join(dir, "tmp"), Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func write(t *testing.T, w warehouse.Warehouse, query, path string) warehouse.File {
	t.Helper()
	f, err := w.Write(t.Context(), query, path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func rows(t *testing.T, w warehouse.Warehouse, query string) string {
	t.Helper()
	r, err := w.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return fmt.Sprint(r.Rows)
}

func TestExposeResolvesDeltas(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	base := write(t, w, "SELECT i AS id, 'base' AS v FROM range(5) t(i)", at("we[i]rd *.parquet"))
	up := write(t, w, "SELECT 'new' AS v, i AS id, 1.5::DOUBLE AS extra FROM range(4, 6) t(i)", at("up.parquet"))
	del := write(t, w, "SELECT 0::BIGINT AS id", at("del.parquet"))
	v := warehouse.Version{Name: warehouse.Name{Schema: "erp", Table: "or\"ders"}, Key: []string{"id"}, Base: []warehouse.File{base},
		Upserts: []warehouse.File{up}, Deletes: []warehouse.File{del},
		Columns: []warehouse.Column{{Name: "v", Type: "VARCHAR"}, {Name: "id", Type: "BIGINT"}}}
	if err := w.Expose(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if got := rows(t, w, `FROM erp."or""ders" ORDER BY id`); got != "[[base 1] [base 2] [base 3] [new 4] [new 5]]" {
		t.Error(got)
	}
	for _, v := range []warehouse.Version{
		{Name: warehouse.Name{Schema: "main", Table: "plain"}, View: `SELECT v, count(*) AS n FROM "erp"."or""ders" GROUP BY v; -- done`},
		{Name: warehouse.Name{Schema: "erp", Table: "empty"}, Columns: []warehouse.Column{{Name: "a", Type: "DECIMAL(9,2)"}, {Name: "b", Type: "STRUCT(x INTEGER)[]"}}},
	} {
		if err := w.Expose(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if got := rows(t, w, `FROM plain ORDER BY v`); got != "[[base 3] [new 2]]" {
		t.Error(got)
	}
	if c, err := w.Describe(t.Context(), "FROM erp.empty"); err != nil || fmt.Sprint(c) != `[{a DECIMAL(9,2)} {b STRUCT(x INTEGER)[]}]` {
		t.Error(c, err)
	}
	if got := rows(t, w, `FROM erp.empty`); got != "[]" {
		t.Error(got)
	}
	bad := warehouse.Version{Name: warehouse.Name{Schema: "system", Table: "x"}, View: "SELECT 1"}
	if err := w.Expose(t.Context(), bad); err == nil {
		t.Error("schema system is allowed")
	}
	bad = warehouse.Version{Name: warehouse.Name{Schema: "a", Table: "x"}, View: "SELECT 1; DROP VIEW plain"}
	var sqlErr *warehouse.SQLError
	if err := w.Expose(t.Context(), bad); !errors.As(err, &sqlErr) {
		t.Errorf("two statements in a view: %v", err)
	}
}

// TestHold: a table in memory is the same table, for as long as anyone wants it there and no other version takes its place.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	name := warehouse.Name{Schema: "erp", Table: `or"ders`}
	expose := func(file string) {
		t.Helper()
		f := write(t, w, "SELECT '"+file+"' AS v", filepath.Join(dir, file))
		v := warehouse.Version{Name: name, Base: []warehouse.File{f}, Columns: []warehouse.Column{{Name: "v", Type: "ENUM('b', 'a')"}}}
		if err := w.Expose(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	hold := func() func() {
		t.Helper()
		release, err := w.Hold(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	is := func(want, value string) {
		t.Helper()
		kind := rows(t, w, `SELECT table_type FROM information_schema.tables WHERE table_name = 'or"ders'`)
		if got := kind + rows(t, w, `SELECT v, typeof(v) FROM erp."or""ders"`); got != "[["+want+"]][["+value+" ENUM('b', 'a')]]" {
			t.Error(got)
		}
	}
	if _, err := w.Hold(t.Context(), name); err == nil {
		t.Error("what is not exposed was held")
	}
	expose("a")
	one, two := hold(), hold()
	is("BASE TABLE", "a")
	one()
	is("BASE TABLE", "a")
	two()
	is("VIEW", "a")
	old := hold()
	expose("b")
	is("VIEW", "b")
	newer := hold()
	old()
	is("BASE TABLE", "b")
	newer()
	is("VIEW", "b")
}

// TestHoldNoMoreThanFits: what a small file has may be more than memory holds. A table that could not become a view again is replaced.
func TestHoldNoMoreThanFits(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	name := warehouse.Name{Schema: "erp", Table: "orders"}
	expose := func(query, typ string) warehouse.File {
		t.Helper()
		f := write(t, w, query, filepath.Join(dir, fmt.Sprintf("%d.parquet", len(query))))
		v := warehouse.Version{Name: name, Base: []warehouse.File{f}, Columns: []warehouse.Column{{Name: "n", Type: "BIGINT"}, {Name: "v", Type: typ}}}
		if err := w.Expose(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for typ, value := range map[string]string{"VARCHAR": "repeat('x', 100_000)", "VARCHAR[]": "[repeat('x', 100_000)]"} {
		f := expose("SELECT range AS n, "+value+" AS v FROM range(400)", typ)
		if _, err := w.Hold(t.Context(), name); err == nil || !strings.Contains(err.Error(), "bytes of text") || f.Bytes > 1<<20 {
			t.Errorf("40 MB in a file of %d bytes are held as %s: %v", f.Bytes, typ, err)
		}
	}
	f := expose("SELECT 1::BIGINT AS n, NULL::VARCHAR AS v", "VARCHAR")
	release, err := w.Hold(t.Context(), name)
	if err == nil {
		err = os.Remove(f.Path)
	}
	if err != nil {
		t.Fatal(err)
	}
	release()
	if got := rows(t, w, "FROM erp.orders"); got != "[[1 <nil>]]" {
		t.Errorf("what was held is %s", got)
	}
	expose("SELECT 2::BIGINT AS n, 'another' AS v", "VARCHAR")
	if got := rows(t, w, "FROM erp.orders"); got != "[[2 another]]" {
		t.Errorf("its next version is %s", got)
	}
}

// TestExposePushesFilters reads the plan: without deltas a filter must reach the Parquet scan.
func TestExposePushesFilters(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	base := write(t, w, "SELECT i AS id, i % 7 AS v FROM range(500000) t(i)", filepath.Join(dir, "a.parquet"))
	v := warehouse.Version{Name: warehouse.Name{Schema: "erp", Table: "t"}, Base: []warehouse.File{base},
		Columns: []warehouse.Column{{Name: "id", Type: "BIGINT"}, {Name: "v", Type: "BIGINT"}}}
	if err := w.Expose(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	var plan string
	db := w.(*Warehouse).db
	if err := db.ExecRows(t.Context(), "EXPLAIN SELECT v FROM erp.t WHERE id = 77", func(row []any) { plan += fmt.Sprint(row[1]) }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan, "Filters: id=77") || strings.Contains(plan, "FILTER ") {
		t.Error(plan)
	}
}

func TestBuildCatalog(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	path := filepath.Join(dir, "catalog.duckdb")
	var versions []warehouse.Version
	for i := range 200 {
		f := write(t, w, fmt.Sprintf("SELECT %d AS id, 'x' AS name", i), filepath.Join(dir, fmt.Sprintf("t%d.parquet", i)))
		versions = append(versions, warehouse.Version{Name: warehouse.Name{Schema: "erp", Table: fmt.Sprintf("t%d", i)}, Base: []warehouse.File{f},
			Columns: []warehouse.Column{{Name: "id", Type: "INTEGER"}, {Name: "name", Type: "VARCHAR"}}})
	}
	versions = append(versions,
		warehouse.Version{Name: warehouse.Name{Schema: "mart", Table: "v"}, View: "SELECT a.id FROM erp.t7 AS a", Columns: []warehouse.Column{{Name: "id", Type: "INTEGER"}}},
		warehouse.Version{Name: warehouse.Name{Schema: "main", Table: "vv"}, View: "FROM mart.v;"})
	if _, err := BuildCatalog(t.Context(), path, versions, map[string]string{"mart.v": "it's one", "mart.v.id": "the id"}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // read-only ones may be open at once
		db, err := engine.OpenFile(t.Context(), path, true, engine.Config{Dirs: []string{dir}, Memory: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		r, err := db.Query(t.Context(), "SELECT id FROM vv UNION ALL SELECT id FROM erp.t199 ORDER BY 1")
		if err != nil || fmt.Sprint(r.Values) != "[[7] [199]]" {
			t.Errorf("%v %v", r, err)
		}
		r, err = db.Query(t.Context(), "SELECT comment FROM duckdb_views() WHERE view_name = 'v'")
		if err != nil || !reflect.DeepEqual(r.Values, [][]any{{"it's one"}}) {
			t.Errorf("%v %v", r, err)
		}
		if err := db.Exec(t.Context(), "CREATE TABLE erp.x AS SELECT 1"); err == nil {
			t.Error("a read-only catalog is written")
		}
	}
	if _, err := BuildCatalog(t.Context(), filepath.Join(dir, "erp.duckdb"), versions, nil); err == nil {
		t.Error("a schema named like the file is allowed")
	}
	bad := append(versions, warehouse.Version{Name: warehouse.Name{Schema: "x", Table: "y"}, View: "FROM nosuch"})
	name := warehouse.Name{Schema: "x", Table: "y"}
	left, err := BuildCatalog(t.Context(), filepath.Join(dir, "partly.duckdb"), bad, nil)
	if err != nil || len(left) != 1 || left[name] == nil {
		t.Errorf("a view over nothing is not left out: %v, %v", left, err)
	}
	ours := append(versions, warehouse.Version{Name: name, View: "SELECT clean_fold('x') AS y"})
	left, err = BuildCatalog(t.Context(), filepath.Join(dir, "ours.duckdb"), ours, nil)
	if err != nil || left[name] == nil || !strings.Contains(left[name].Error(), "clean_fold") {
		t.Errorf("a view that no reader could run is not left out: %v, %v", left, err)
	}
	gone := append(versions, warehouse.Version{Name: name, Columns: versions[0].Columns, Base: []warehouse.File{{Path: filepath.Join(dir, "gone.parquet")}}})
	if _, err := BuildCatalog(t.Context(), filepath.Join(dir, "bad.duckdb"), gone, nil); err == nil {
		t.Error("a table without its file is allowed")
	}
	if tmp, _ := filepath.Glob(filepath.Join(dir, "*.tmp*")); len(tmp) > 0 {
		t.Errorf("left behind: %v", tmp)
	}
	if _, err := os.Stat(filepath.Join(dir, "bad.duckdb")); err == nil {
		t.Error("a failed catalog is there")
	}
}

func TestTimeout(t *testing.T) {
	w, err := Open(t.Context(), warehouse.Config{Memory: 256 << 20, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_, err = w.Query(t.Context(), "SELECT count(*) FROM range(10000000000) a(i) WHERE hash(i) = 1")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("err = %v", err)
	}
}
