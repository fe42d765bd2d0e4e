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
	"github.com/millrace/millrace/warehouse"
)

// This file tells files and tables of DuckDB databases on command lines and in checks files, and opens them.

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

// isParquet says whether a file of this name is one.
func isParquet(name string) bool {
	return slices.Contains([]string{".parquet", ".pq"}, filepath.Ext(strings.ToLower(name)))
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

// database is a DuckDB file as an engine that reads its tables.
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

// textFile says whether the files source reads a file of this name.
func textFile(name string) bool {
	switch filepath.Ext(strings.ToLower(name)) {
	case ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".arrow":
		return true
	case ".gz", ".zst":
		return textFile(strings.TrimSuffix(name, filepath.Ext(name)))
	}
	return false
}

// isTableArg says whether an argument looks like a file, or a table of one.
func isTableArg(arg string) bool {
	file, _, ok := databaseTable(arg)
	return isParquet(arg) || textFile(arg) || ok && (exists(file) || file != arg)
}

// openDatabase opens the DuckDB file of a table, for reading, and gives the SELECT of the table's rows. The caller closes it.
func openDatabase(ctx context.Context, path string, table warehouse.Name, cfg warehouse.Config) (_ database, query string, err error) {
	path, err = readable(path)
	if err != nil {
		return database{}, "", err
	}
	db, err := duckdb.OpenFile(ctx, path, true, duckdb.Config{Memory: cfg.Memory, Threads: cfg.Threads, Temp: cfg.Temp, Dirs: cfg.Dirs})
	if err != nil {
		return database{}, "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	query = "SELECT * FROM " + warehouse.DuckDB.Table(table)
	_, err = db.Describe(ctx, query)
	var e *duckdb.Error
	if errors.As(err, &e) && e.Kind == "Permission" {
		return database{}, "", usage("%s in %s is a view over other files: name these, or the published table by its name", table, path)
	}
	if err == nil || table.Table != "" && (!errors.As(err, &e) || e.Kind != "Catalog") {
		return database{db}, query, err
	}
	names, err := tablesIn(ctx, db)
	if err != nil {
		return database{}, "", err
	}
	return database{}, "", usage("%s has no table %q: %s", path, table, meant(table.String(), names))
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
