package snowflake

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/load/local"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// truth is a local target of a test: what Snowflake is to follow.
type truth struct {
	*testing.T
	root, work string
	loader     *local.Loader
	w          warehouse.Warehouse
	now        time.Time
	files      int
}

func newTruth(t *testing.T) *truth {
	t.Helper()
	x := &truth{T: t, root: t.TempDir(), work: t.TempDir(), now: time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)}
	x.loader = local.New(local.Config{Root: x.root, Clock: func() time.Time { return x.now }})
	if err := x.loader.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 256 << 20, Threads: 2, Temp: x.work, Dirs: []string{x.root, x.work}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	x.w = w
	return x
}

// file writes a SELECT.
func (x *truth) file(query string) warehouse.File {
	x.Helper()
	x.files++
	f, err := x.w.Write(x.Context(), query, filepath.Join(x.work, fmt.Sprintf("%d.parquet", x.files)))
	if err != nil {
		x.Fatal(err)
	}
	return f
}

// table is a table whose base consists of these SELECTs' rows, which have the columns of the first.
func (x *truth) table(name string, key []string, base ...string) load.Table {
	x.Helper()
	schema, table := "main", name
	columns, err := x.w.Describe(x.Context(), base[0])
	if err != nil {
		x.Fatal(err)
	}
	t := load.Table{Version: warehouse.Version{Name: warehouse.Name{Schema: schema, Table: table}, Columns: columns, Key: key}, Kind: "model"}
	for _, q := range base {
		t.Base = append(t.Base, x.file(q))
	}
	return x.counted(t)
}

// counted is the table with the number of rows that its readers see.
func (x *truth) counted(t load.Table) load.Table {
	x.Helper()
	t.Rows = x.count(warehouse.DuckDB.Select(t.Version))
	return t
}

// delta is the table with upserts and deletes added, "" for none.
func (x *truth) delta(t load.Table, upserts, deletes string) load.Table {
	x.Helper()
	if upserts != "" {
		t.Upserts = []warehouse.File{x.file(upserts)}
	}
	if deletes != "" {
		t.Deletes = []warehouse.File{x.file(deletes)}
	}
	return x.counted(t)
}

// view is a view over other tables.
func (x *truth) view(name, query string, needs ...string) load.Table {
	x.Helper()
	columns, err := x.w.Describe(x.Context(), query)
	if err != nil {
		x.Fatal(err)
	}
	return load.Table{Version: warehouse.Version{Name: warehouse.Name{Schema: "main", Table: name}, Columns: columns, View: query}, Kind: "model", Needs: needs}
}

func (x *truth) expose(t load.Table) load.Table {
	x.Helper()
	if err := x.w.Expose(x.Context(), t.Version); err != nil {
		x.Fatal(err)
	}
	return t
}

func (x *truth) publish(run string, tables ...load.Table) *load.Manifest {
	x.Helper()
	x.now = x.now.Add(24 * time.Hour)
	m, err := x.loader.Publish(context.WithoutCancel(x.Context()), load.Publication{Run: run, Attempt: 1, Pipeline: "p", Project: "shop", LogicalTime: x.now, Tables: tables})
	if err != nil {
		x.Fatal(err)
	}
	return m
}

// runOf is the run that has published a snapshot.
func (x *truth) runOf(snapshot int64) string {
	if m, err := x.loader.Manifest(snapshot); err == nil {
		return m.Run
	}
	return ""
}

func (x *truth) count(query string) int64 {
	x.Helper()
	return x.rows("SELECT count(*) FROM (" + query + ")")[0][0].(int64)
}

func (x *truth) rows(query string) [][]any {
	x.Helper()
	r, err := x.w.Query(x.Context(), query)
	if err != nil {
		x.Fatalf("%v in\n%s", err, query)
	}
	return r.Rows
}
