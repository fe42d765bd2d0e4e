package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	driverdb "github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/fsx"
)

// class is the column that CopyBy sorts rows by; the files do not hold it.
const class = "_millrace_class"

// CopyBy runs one SELECT once and writes its rows to new Parquet files, one for each path: paths[i] gets the rows for which
// the condition is i, an integer expression over the SELECT's columns as they are written. A class without rows has no file
// and is nil in the answer. The files are complete and synced when CopyBy returns nil; none is there when it fails.
func (db *DB) CopyBy(ctx context.Context, query, condition string, paths []string, cast Cast) (all []*Copied, err error) {
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		columns, err := describe(ctx, conn, query)
		if err != nil {
			return err
		}
		all, err = db.copyBy(ctx, conn, Trim(query), columns, condition, paths, cast)
		return err
	})
	return all, err
}

func (db *DB) copyBy(ctx context.Context, conn *driverdb.Conn, query string, columns []Column, condition string, paths []string, cast Cast) (_ []*Copied, err error) {
	if err := distinct(append([]Column{{Name: class}}, columns...)); err != nil {
		return nil, err
	}
	var written Copied
	star, err := written.columns(columns, cast)
	if err != nil {
		return nil, err
	}
	if err := fault.Point("parquet.write"); err != nil {
		return nil, err
	}
	tmp := paths[0] + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return nil, err
	}
	all := make([]*Copied, len(paths))
	defer func() {
		if err != nil {
			for _, path := range paths {
				err = errors.Join(err, os.RemoveAll(path))
			}
		}
		err = errors.Join(err, os.RemoveAll(tmp))
	}()
	prefix := fmt.Sprintf("COPY (SELECT *, (%s\n) AS %s FROM (SELECT %s FROM (\n", condition, class, star)
	statement := fmt.Sprintf("%s%s\n) AS q) AS q) TO %s (%s, PARTITION_BY (%s))", prefix, query, quote(tmp), db.parquet(), class)
	files := map[string]*Copied{}
	err = execOne(ctx, conn, statement, func(row []driver.Value) error {
		c := &Copied{Columns: written.Columns, Stats: map[string]ColumnStats{}}
		files[fmt.Sprint(row[0])] = c
		return c.read(row)
	})
	if err != nil {
		return nil, shift(problem(ctx, err), len(prefix), len(query))
	}
	for i, path := range paths {
		from := filepath.Join(tmp, fmt.Sprintf("%s=%d", class, i), "data_0.parquet")
		c := files[from]
		if c == nil {
			continue
		}
		delete(files, from)
		if err := errors.Join(os.Chmod(from, 0o600), fsx.SyncFile("parquet", from), fsx.Rename("parquet", from, path)); err != nil {
			return nil, err
		}
		all[i] = c
	}
	if len(files) > 0 {
		return nil, fmt.Errorf("duckdb: the copy has %d files more than it has classes", len(files))
	}
	return all, nil
}
