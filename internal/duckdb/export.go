package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	driverdb "github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/fsx"
)

// Export runs one SELECT and writes its rows to a new file at path, in the way that options say: those of COPY. With PARTITION_BY it is a
// folder of files. What is there when it returns nil is complete and synced; when it fails, what it left is nobody's.
func (db *DB) Export(ctx context.Context, query, path, options string) (rows int64, err error) {
	if err := fault.Point("export.write"); err != nil {
		return 0, err
	}
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		if err := checkSelect(ctx, conn, query); err != nil {
			return err
		}
		statement := fmt.Sprintf("COPY (\n%s\n) TO %s (%s)", Trim(query), quote(path), options)
		return execOne(ctx, conn, statement, func(v []driver.Value) error {
			n, ok := number(v[0])
			if !ok {
				return fmt.Errorf("duckdb: COPY answered %v", v[0])
			}
			rows = n
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // of no rows there are no partitions
		return rows, fsx.MkdirAll("export", path, 0o700)
	}
	return rows, filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return fsx.SyncFile("export", file)
	})
}
