package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// This file finds the tables that commands are given by name: published ones, files, and tables in DuckDB files.

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// databaseTable takes file.duckdb:schema.table apart.
func databaseTable(name string) (file string, table warehouse.Name, ok bool) {
	for _, ending := range []string{".duckdb", ".ddb", ".db"} {
		at := strings.LastIndex(name, ending)
		if at < 0 {
			continue
		}
		rest := name[at+len(ending):]
		if rest != "" && rest[0] != ':' {
			continue
		}
		schema, table, dotted := strings.Cut(strings.TrimPrefix(rest, ":"), ".")
		if !dotted {
			schema, table = "main", schema
		}
		return name[:at+len(ending)], warehouse.Name{Schema: schema, Table: table}, true
	}
	return "", warehouse.Name{}, false
}

// fileFormat is the function that reads a file of this name, "" for none.
func fileFormat(name string) string {
	name = strings.ToLower(name)
	for _, packed := range []string{".gz", ".zst"} {
		if base, ok := strings.CutSuffix(name, packed); ok && fileFormat(base) == "read_csv" {
			return "read_csv"
		}
	}
	switch filepath.Ext(name) {
	case ".parquet", ".pq":
		return "read_parquet"
	case ".csv", ".tsv":
		return "read_csv"
	}
	return ""
}

// readable is the file's absolute path.
func readable(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	file, err := os.Open(abs)
	if err != nil {
		return "", usage("%w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		return "", usage("%s is a folder: name one file", path)
	}
	return abs, err
}

// database is a DuckDB file as an engine that reads it.
type database struct{ *duckdb.DB }

func (database) Dialect() *warehouse.Dialect { return warehouse.DuckDB }

func (d database) Describe(ctx context.Context, query string) ([]warehouse.Column, error) {
	columns, err := d.DB.Describe(ctx, query)
	return warehouseColumns(columns), err
}

func (d database) Query(ctx context.Context, query string) (*warehouse.Result, error) {
	rows, err := d.DB.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return &warehouse.Result{Columns: warehouseColumns(rows.Columns), Rows: rows.Values}, nil
}

func (d database) Write(ctx context.Context, query, path string) (warehouse.File, error) {
	copied, err := d.Copy(ctx, query, path, func(c duckdb.Column) (string, error) { return warehouse.Stored(c.Type) })
	if err != nil {
		return warehouse.File{}, err
	}
	return warehouse.File{Path: path, Rows: copied.Rows, Bytes: copied.Bytes}, nil
}

func warehouseColumns(columns []duckdb.Column) []warehouse.Column {
	out := make([]warehouse.Column, len(columns))
	for i, c := range columns {
		out[i] = warehouse.Column(c)
	}
	return out
}

// readCSV is a SELECT of a CSV file's rows. All of it is looked at for the types.
func readCSV(path string) string {
	return "SELECT * FROM read_csv(" + warehouse.DuckDB.QuoteLiteral(warehouse.Globless(path)) + ", sample_size = -1)"
}

// openTable opens a DuckDB file and gives a SELECT of one of its tables.
func openTable(ctx context.Context, path string, table warehouse.Name, cfg warehouse.Config) (_ *duckdb.DB, query string, err error) {
	if path, err = readable(path); err != nil {
		return nil, "", err
	}
	db, err := duckdb.OpenFile(ctx, path, true, duckdb.Config{Memory: cfg.Memory, Threads: cfg.Threads, Temp: cfg.Temp, Dirs: cfg.Dirs})
	if err != nil {
		return nil, "", err
	}
	query = "SELECT * FROM " + warehouse.DuckDB.Table(table)
	_, err = db.Describe(ctx, query)
	if err == nil {
		return db, query, nil
	}
	defer db.Close()
	var e *duckdb.Error
	if errors.As(err, &e) && e.Kind == "Permission" {
		return nil, "", usage("%s in %s is a view over other files: name these, or the published table", table, path)
	}
	if table.Table != "" && (!errors.As(err, &e) || e.Kind != "Catalog") {
		return nil, "", err
	}
	names, listed := tablesIn(ctx, db)
	if listed != nil {
		return nil, "", listed
	}
	return nil, "", usage("%s has no table %q: %s", path, table, meant(table.String(), names))
}

// tablesIn lists the tables and views of a database, as schema.table.
func tablesIn(ctx context.Context, db *duckdb.DB) ([]string, error) {
	rows, err := db.Query(ctx, "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_catalog = current_database() ORDER BY 1")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, row := range rows.Values {
		names = append(names, fmt.Sprint(row[0]))
	}
	return names, nil
}

// meant proposes what a wrong name may have meant.
func meant(name string, known []string) string {
	if len(known) == 0 {
		return "there are none"
	}
	if s := config.Suggest(name, known); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	if len(known) > 10 {
		known = append(slices.Clone(known[:10]), "…")
	}
	return "there are " + strings.Join(known, ", ")
}

// isPII says whether the project tags a node's column as personal.
func isPII(n *models.Node, column string) bool {
	return n != nil && slices.ContainsFunc(n.Columns, func(c models.Column) bool {
		return strings.EqualFold(c.Name, column) && slices.ContainsFunc(c.Tags, func(tag string) bool { return strings.EqualFold(tag, "pii") })
	})
}

// exposeAll makes a table readable, after what its view reads.
func exposeAll(ctx context.Context, w warehouse.Warehouse, m *load.Manifest, t *load.Table, done map[string]bool) error {
	if done[t.Name.String()] {
		return nil
	}
	done[t.Name.String()] = true
	if t.View != "" {
		for i := range m.Tables {
			if slices.Contains(t.Needs, m.Tables[i].Name.String()) {
				if err := exposeAll(ctx, w, m, &m.Tables[i], done); err != nil {
					return err
				}
			}
		}
	}
	return w.Expose(ctx, t.Version)
}

// publishedTable finds the table that a name means: schema.table, a table that is alone in having that name, or a model.
func publishedTable(p *models.Project, m *load.Manifest, name string) (*load.Table, error) {
	var found []*load.Table
	var known, matches []string
	for i := range m.Tables {
		t := &m.Tables[i]
		known = append(known, t.Name.Table, t.Name.String())
		if t.Name.String() == name || t.Name.Table == name {
			found, matches = append(found, t), append(matches, t.Name.String())
		}
	}
	node := p.Node(name)
	if node == nil {
		node = p.Model(name)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, usage("%q means %d tables: name %s", name, len(found), strings.Join(matches, " or "))
	case node != nil && node.Model != nil && node.Model.Materialized == models.Ephemeral:
		return nil, usage("%s is ephemeral: it has no table of its own", node.Name())
	case node != nil:
		if t := m.Table(warehouse.Name{Schema: node.Schema, Table: node.Table}); t != nil {
			return t, nil
		}
		return nil, usage("%s is not published yet: `millrace run %s` publishes it", node.Name(), node.Name())
	}
	hint := "`millrace query \"SHOW ALL TABLES\"` lists the tables"
	if s := config.Suggest(name, known); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	}
	return nil, usage("no table %q is published: %s", name, hint)
}
