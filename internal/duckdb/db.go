// Package duckdb is the one owner of the DuckDB driver: it opens locked-down instances, runs statements, writes
// Parquet files and feeds Arrow batches in. It knows nothing of tables, versions or models, and it holds every
// workaround for the engine's and the driver's quirks, each with a test of its name. Read DB first.
package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	driverdb "github.com/duckdb/duckdb-go/v2"
)

// Config says what an instance may use. The zero value may touch no file and takes DuckDB's own memory limit.
type Config struct {
	Memory  int64    // bytes for DuckDB's buffers; 0: DuckDB's default, 80 % of the machine
	Threads int      // 0: one per processor
	Temp    string   // folder to spill to, made when missing and removed on Close; "": no spilling
	Dirs    []string // folders that SQL may read and write, with everything below them
	Files   []string // single files that SQL may read and write
	// Arrow prepares the instance for CopyReader, which refuses to work on any other. It switches two optimizers
	// off, for the whole instance (DuckDB cannot do it for one connection), which slows ordinary queries down.
	Arrow bool
	// Plain leaves the cleaning functions out: what such an instance can read, every DuckDB can.
	Plain bool
}

// DB is one DuckDB instance. Its methods may be called from several goroutines; several instances may live in one
// process.
type DB struct {
	pool   *sql.DB
	temp   string
	memory int64
	arrow  bool
	plain  bool
	views  atomic.Int64
}

// attached is what the database of OpenFile is called inside the instance: a name that no schema will have, since
// DuckDB calls "x.t" ambiguous when both a database and a schema are named x.
const attached = "_millrace"

// Open makes an instance in memory. Everything cfg does not allow is refused from here on, and cannot be allowed
// again.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	return open(ctx, cfg, "", false)
}

// OpenFile makes an instance whose default database is the file at path, which is made when it is missing and
// readOnly is false. The file stays locked until Close; read-only ones may be open many times.
func OpenFile(ctx context.Context, path string, readOnly bool, cfg Config) (*DB, error) {
	if readOnly {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("open database: %w", err)
		}
	}
	db, err := open(ctx, cfg, path, readOnly)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return db, nil
}

func open(ctx context.Context, cfg Config, file string, readOnly bool) (_ *DB, err error) {
	var use bool // set once the file is attached: connections start in it
	connector, err := driverdb.NewConnector("", func(conn driver.ExecerContext) error {
		if !use {
			return nil
		}
		_, err := conn.ExecContext(context.Background(), "USE "+attached, nil)
		return err
	})
	if err != nil {
		return nil, problem(ctx, err)
	}
	db := &DB{pool: sql.OpenDB(connector), memory: cfg.Memory, arrow: cfg.Arrow, plain: cfg.Plain}
	defer func() {
		if err != nil {
			_ = db.Close()
		}
	}()
	if cfg.Temp != "" {
		if cfg.Temp, err = filepath.Abs(cfg.Temp); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(cfg.Temp, 0o700); err != nil {
			return nil, err
		}
		db.temp = cfg.Temp
	}
	statements, err := settings(cfg)
	if err != nil {
		return nil, err
	}
	// One connection until the lock is on: no other can see a half-open instance.
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, problem(ctx, err)
	}
	defer conn.Close()
	if !cfg.Plain {
		if err := conn.Raw(func(c any) error { return registerClean(c.(*driverdb.Conn)) }); err != nil {
			return nil, err
		}
	}
	if file != "" {
		options := "(STORAGE_VERSION 'v1.0.0')" // what DuckDB 1.0 can open, years older than ours
		if readOnly {
			options = "(READ_ONLY)"
		}
		attach := fmt.Sprintf("ATTACH %s AS %s %s", quote(file), attached, options)
		statements = append([]string{attach, "USE " + attached}, statements...)
	}
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return nil, problem(ctx, err)
		}
	}
	use = file != ""
	return db, nil
}

// settings is the lock-down, in the order that DuckDB needs: each line would be refused after the last two.
func settings(cfg Config) ([]string, error) {
	dirs, err := places(cfg.Dirs, string(filepath.Separator))
	if err != nil {
		return nil, err
	}
	files, err := places(cfg.Files, "")
	if err != nil {
		return nil, err
	}
	threads := cfg.Threads
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	s := []string{
		"SET GLOBAL errors_as_json=true",
		// CheckSelect has DuckDB serialize statements, which fails for new syntax in an old format.
		"SET GLOBAL storage_compatibility_version='latest'",
		"SET GLOBAL allowed_directories=" + list(dirs),
		"SET GLOBAL allowed_paths=" + list(files),
		"SET GLOBAL autoinstall_known_extensions=false",
		"SET GLOBAL autoload_known_extensions=false",
		"SET GLOBAL allow_community_extensions=false",
		"SET GLOBAL allow_persistent_secrets=false",
		fmt.Sprintf("SET GLOBAL threads=%d", threads),
		"SET GLOBAL TimeZone='UTC'",
		"SET GLOBAL preserve_insertion_order=false",
		// Rows that CopyBy holds of each class and thread: a row group, where DuckDB would hold four.
		"SET GLOBAL partitioned_write_flush_threshold=122880",
		"SET GLOBAL temp_directory=" + quote(cfg.Temp),
	}
	if cfg.Memory > 0 {
		s = append(s, fmt.Sprintf("SET GLOBAL memory_limit='%dB'", cfg.Memory))
	}
	if cfg.Temp != "" {
		if free := freeBytes(cfg.Temp); free > 0 {
			// Nine tenths: the staged files of the same run often live on the same disk.
			s = append(s, fmt.Sprintf("SET GLOBAL max_temp_directory_size='%dB'", free/10*9))
		}
	}
	if cfg.Arrow {
		s = append(s, "SET GLOBAL disabled_optimizers='unused_columns,filter_pushdown'")
	}
	return append(s, "SET GLOBAL enable_external_access=false", "SET GLOBAL lock_configuration=true"), nil
}

// places are the paths as DuckDB compares them: absolute, and also with their symlinks resolved.
func places(paths []string, suffix string) ([]string, error) {
	var all []string
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, err
		}
		all = append(all, strings.TrimSuffix(abs, suffix)+suffix)
		if real, err := filepath.EvalSymlinks(abs); err == nil && real != abs {
			all = append(all, strings.TrimSuffix(real, suffix)+suffix)
		}
	}
	for _, p := range all { // what is read is looked at as it is written too: a pattern that means this path alone
		if strings.ContainsAny(p, "*?[") {
			all = append(all, strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(p))
		}
	}
	return all, nil
}

// Close ends the instance and removes its temp folder. Statements that still run are waited for.
func (db *DB) Close() error {
	err := db.pool.Close()
	if db.temp != "" {
		err = errors.Join(err, os.RemoveAll(db.temp))
	}
	return err
}

// Exec runs exactly one statement of ours. Nothing that users wrote belongs here.
func (db *DB) Exec(ctx context.Context, statement string) error {
	return db.with(ctx, func(conn *driverdb.Conn) error { return execOne(ctx, conn, statement, nil) })
}

// Transaction runs statements that are ours, one after the other: all of them, or none.
func (db *DB) Transaction(ctx context.Context, statements ...string) error {
	return db.with(ctx, func(conn *driverdb.Conn) error {
		if err := execOne(ctx, conn, "BEGIN", nil); err != nil {
			return err
		}
		for _, s := range append(statements, "COMMIT") {
			if err := execOne(ctx, conn, s, nil); err != nil {
				_ = execOne(context.WithoutCancel(ctx), conn, "ROLLBACK", nil) // a COMMIT that failed has done so
				return err
			}
		}
		return nil
	})
}

// with borrows a connection, or takes the one that the context is pinned to.
func (db *DB) with(ctx context.Context, f func(*driverdb.Conn) error) error {
	conn, pinned := ctx.Value(pinOf{db}).(*sql.Conn)
	if !pinned {
		var err error
		if conn, err = db.pool.Conn(ctx); err != nil {
			return problem(ctx, err)
		}
		defer conn.Close()
	}
	return conn.Raw(func(c any) error {
		return problem(ctx, f(c.(*driverdb.Conn)))
	})
}

// execOne runs one statement and hands its rows to each. duckdb-go would run "a; b; c" as three statements.
func execOne(ctx context.Context, conn *driverdb.Conn, statement string, each func([]driver.Value) error) error {
	stmt, err := conn.Prepare(statement)
	if err != nil {
		return err
	}
	defer stmt.Close()
	rows, err := stmt.(*driverdb.Stmt).QueryContext(ctx, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	return drain(ctx, rows, each)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func list(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// ExecRows runs one statement of ours that answers with a few rows, such as EXPLAIN. The values are the driver's.
func (db *DB) ExecRows(ctx context.Context, statement string, each func(row []any)) error {
	return db.with(ctx, func(conn *driverdb.Conn) error {
		return execOne(ctx, conn, statement, func(v []driver.Value) error {
			row := make([]any, len(v))
			for i := range v {
				row[i] = v[i]
			}
			each(row)
			return nil
		})
	})
}
