package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	engine "github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/warehouse"
)

// BuildCatalog writes a DuckDB database with one view per version, which any DuckDB since 1.0 opens: a version
// comes after those that its View reads, file paths are absolute. Comments are by schema.table, and by
// schema.table.column. A View that does not bind, because what it reads has changed under it, is left out and
// returned with the reason. The file is complete and synced when the error is nil, else absent.
func BuildCatalog(ctx context.Context, path string, versions []warehouse.Version, comments map[string]string) (left map[warehouse.Name]error, err error) {
	// A reader's database is called like its file: then "catalog.t" cannot be told from a schema named catalog.
	stem, _, _ := strings.Cut(filepath.Base(path), ".")
	var dirs []string
	seen := map[string]bool{}
	for _, v := range versions {
		if strings.EqualFold(v.Schema, stem) {
			return nil, fmt.Errorf("schema %q: %s cannot have a schema of its own name", v.Schema, filepath.Base(path))
		}
		for _, f := range v.Files() {
			if dir := filepath.Dir(f.Path); !seen[dir] {
				seen[dir] = true
				dirs = append(dirs, dir)
			}
		}
	}
	tmp := path + ".tmp"
	clean := func() { _ = errors.Join(os.Remove(tmp), os.Remove(tmp+".wal")) }
	clean()
	defer func() {
		if err != nil {
			clean()
		}
	}()
	left = map[warehouse.Name]error{}
	if err := fillCatalog(ctx, tmp, dirs, versions, comments, left); err != nil {
		return nil, fmt.Errorf("build catalog: %w", err)
	}
	if _, err := os.Stat(tmp + ".wal"); err == nil {
		return nil, fmt.Errorf("build catalog: %s.wal was left behind", tmp)
	}
	if err := errors.Join(os.Chmod(tmp, 0o644), fsx.SyncFile("catalog", tmp)); err != nil {
		return nil, err
	}
	return left, fsx.Rename("catalog", tmp, path)
}

func fillCatalog(ctx context.Context, path string, dirs []string, versions []warehouse.Version, comments map[string]string, left map[warehouse.Name]error) (err error) {
	// Plain, as its readers are: a view that calls a function of ours would bind here, and nowhere else. The memory is what the longest
	// SELECT of a view needs to be read, not what its rows do: a list of 100,000 values needs more than 128 MiB.
	db, err := engine.OpenFile(ctx, path, false, engine.Config{Memory: 2 << 30, Threads: 1, Dirs: dirs, Plain: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	d := warehouse.DuckDB
	for _, v := range versions {
		if err := exposeIn(ctx, db, v); err != nil {
			var sql *warehouse.SQLError
			if v.View == "" || !errors.As(err, &sql) || ctx.Err() != nil {
				return err
			}
			left[v.Name] = err
			continue
		}
		if text := comments[v.Name.String()]; text != "" {
			if err := db.Exec(ctx, "COMMENT ON VIEW "+d.Table(v.Name)+" IS "+d.QuoteLiteral(text)); err != nil {
				return err
			}
		}
		for _, c := range v.Columns {
			text := comments[v.Name.String()+"."+c.Name]
			if text == "" {
				continue
			}
			if err := db.Exec(ctx, "COMMENT ON COLUMN "+d.Table(v.Name)+"."+d.QuoteIdent(c.Name)+" IS "+d.QuoteLiteral(text)); err != nil {
				return err
			}
		}
	}
	return db.Exec(ctx, "CHECKPOINT")
}
