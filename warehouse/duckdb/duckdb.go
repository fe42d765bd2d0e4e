// Package duckdb is the local engine: DuckDB in this process, locked down, with Parquet files as its tables. It
// decides nothing about versions or publishing. Read Open first.
package duckdb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	engine "github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/warehouse"
)

// Warehouse is one locked-down DuckDB for SQL and one for Arrow, each opened when it is first needed.
type Warehouse struct {
	cfg    warehouse.Config
	expose sync.Mutex // DuckDB refuses two changes of one schema at once

	mu      sync.Mutex
	db      *engine.DB // for SQL
	ingest  *engine.DB // for Arrow
	exposed map[warehouse.Name]*exposed
}

// exposed is a version that statements can read.
type exposed struct {
	version warehouse.Version
	held    int  // how many want its rows in memory
	table   bool // its rows are there: what has its name is no view
}

// textHeld is how many bytes of text the rows of a table may have that is held in memory: its files do not tell, since the same text over
// and over is next to nothing there.
const textHeld = 32 << 20

var _ warehouse.Open = Open

// Open makes a Warehouse that may touch nothing but what cfg names. A quarter of the memory, at most 512 MB, is
// kept for Ingest, or all but a quarter where Ingest is what the Warehouse is for.
func Open(ctx context.Context, cfg warehouse.Config) (warehouse.Warehouse, error) {
	return &Warehouse{cfg: cfg, exposed: map[warehouse.Name]*exposed{}}, nil
}

func ingestMemory(cfg warehouse.Config) int64 {
	if cfg.ForIngest {
		return cfg.Memory - cfg.Memory/4
	}
	return min(cfg.Memory/4, 512<<20)
}

func config(cfg warehouse.Config, memory int64, temp string) engine.Config {
	c := engine.Config{Memory: memory, Threads: cfg.Threads, Dirs: cfg.Dirs, Files: cfg.Files}
	if cfg.Temp != "" {
		c.Temp = filepath.Join(cfg.Temp, temp)
	}
	return c
}

// Dialect is warehouse.DuckDB.
func (w *Warehouse) Dialect() *warehouse.Dialect { return warehouse.DuckDB }

// Close ends both instances and removes their temp folders.
func (w *Warehouse) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	for _, db := range []*engine.DB{w.db, w.ingest} {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
	}
	return err
}

// Expose makes a view over the version's files.
func (w *Warehouse) Expose(ctx context.Context, v warehouse.Version) error {
	w.expose.Lock()
	defer w.expose.Unlock()
	db, err := w.sql(ctx)
	if err != nil {
		return err
	}
	if e := w.exposed[v.Name]; e != nil && e.table {
		if err := db.Exec(ctx, "DROP TABLE IF EXISTS "+w.Dialect().Table(v.Name)); err != nil {
			return sqlError(err)
		}
		e.table = false
	}
	if err := exposeIn(ctx, db, v); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exposed[v.Name] = &exposed{version: v}
	return nil
}

// Hold makes a table of what is a view.
func (w *Warehouse) Hold(ctx context.Context, name warehouse.Name) (release func(), err error) {
	w.expose.Lock()
	defer w.expose.Unlock()
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return nil, err
	}
	e := w.exposed[name]
	if e == nil {
		return nil, fmt.Errorf("%s is not exposed", name)
	}
	if !e.table {
		if err := fits(ctx, db, e.version); err != nil {
			return nil, err
		}
		table := w.Dialect().Table(name)
		err = db.Transaction(ctx, "DROP VIEW "+table, "CREATE TABLE "+table+" AS\n"+w.Dialect().Select(e.version)+"\n")
		if err != nil {
			return nil, sqlError(err)
		}
		e.table = true
	}
	e.held++
	return func() { w.letGo(db, e) }, nil
}

// fits gives an error where the texts of a version are too much to be held in memory.
func fits(ctx context.Context, db *engine.DB, v warehouse.Version) error {
	var texts []string
	for _, c := range v.Columns {
		if t, err := warehouse.ParseType(c.Type); err != nil || t.Varies() {
			texts = append(texts, "coalesce(sum(strlen(CAST("+warehouse.DuckDB.QuoteIdent(c.Name)+" AS VARCHAR))), 0)")
		}
	}
	if len(texts) == 0 {
		return nil
	}
	bytes, err := db.Numbers(ctx, []string{"SELECT CAST(" + strings.Join(texts, " + ") + " AS BIGINT) FROM " + warehouse.DuckDB.Table(v.Name)})
	if err == nil && bytes[0] > textHeld {
		err = fmt.Errorf("%s has %d bytes of text, %d are held at most", v.Name, bytes[0], textHeld)
	}
	return sqlError(err)
}

// letGo makes the view again. Where that fails, of files that are gone, the table stays until another version takes its place.
func (w *Warehouse) letGo(db *engine.DB, e *exposed) {
	w.expose.Lock()
	defer w.expose.Unlock()
	if e.held--; e.held > 0 || !e.table { // others hold it, or another version has taken its place
		return
	}
	table := w.Dialect().Table(e.version.Name)
	err := db.Transaction(context.Background(), "DROP TABLE "+table, "CREATE VIEW "+table+" AS\n"+w.Dialect().Select(e.version)+"\n")
	e.table = err != nil
}

// Tree asks the parser.
func (w *Warehouse) Tree(ctx context.Context, query string) ([]byte, error) {
	db, err := w.sql(ctx)
	if err != nil {
		return nil, err
	}
	tree, err := db.Tree(ctx, query)
	return tree, sqlError(err)
}

// Trees asks the parser for the trees of queries, in an engine of its own that may touch nothing; see models.Loading.
func Trees(ctx context.Context, queries []string) ([]string, error) {
	db, err := engine.Open(ctx, engine.Config{Memory: 64 << 20, Threads: 1, Plain: true})
	if err != nil {
		return nil, fmt.Errorf("open duckdb: %w", err)
	}
	defer db.Close()
	return db.Trees(ctx, queries)
}

// Moves asks the parser.
func (w *Warehouse) Moves(ctx context.Context, query string) (bool, error) {
	db, err := w.sql(ctx)
	if err != nil {
		return false, err
	}
	moves, err := db.Moves(ctx, query)
	return moves, sqlError(err)
}

// Parse asks the parser.
func (w *Warehouse) Parse(ctx context.Context, query string) (*warehouse.Parsed, error) {
	db, err := w.sql(ctx)
	if err != nil {
		return nil, err
	}
	p, err := db.Parse(ctx, query)
	if err != nil {
		return nil, sqlError(err)
	}
	out := &warehouse.Parsed{Hash: p.Hash, Moves: p.Moves, Outside: p.Outside}
	for _, t := range p.Tables {
		out.Tables = append(out.Tables, warehouse.Name(t))
	}
	return out, nil
}

// Repeatable asks the parser, and looks through views.
func (w *Warehouse) Repeatable(ctx context.Context, query string) (bool, error) {
	db, err := w.sql(ctx)
	if err != nil {
		return false, err
	}
	repeatable, tables, err := db.Repeatable(ctx, query)
	if err != nil || !repeatable {
		return false, sqlError(err)
	}
	for _, t := range tables {
		for name, view := range w.viewsNamed(t) {
			ok, err := w.Repeatable(ctx, view)
			if err != nil {
				return false, fmt.Errorf("view %s: %w", name, err)
			}
			if !ok {
				return false, nil
			}
		}
	}
	return true, nil
}

// viewsNamed are the exposed views that a name may mean.
func (w *Warehouse) viewsNamed(t engine.Relation) map[warehouse.Name]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[warehouse.Name]string{}
	for name, e := range w.exposed {
		if view := e.version.View; view != "" && strings.EqualFold(name.Table, t.Table) && (t.Schema == "" || strings.EqualFold(name.Schema, t.Schema)) {
			found[name] = view
		}
	}
	return found
}

func exposeIn(ctx context.Context, db *engine.DB, v warehouse.Version) error {
	d := warehouse.DuckDB
	if err := d.CheckName(v.Name); err != nil {
		return err
	}
	query := d.Select(v)
	if v.View != "" {
		if err := db.CheckSelect(ctx, query); err != nil {
			return fmt.Errorf("view %s: %w", v.Name, sqlError(err))
		}
		query = engine.Trim(query)
	}
	if err := db.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+d.QuoteIdent(v.Schema)); err != nil {
		return fmt.Errorf("schema %q: %w", v.Schema, sqlError(err))
	}
	if err := db.Exec(ctx, "CREATE OR REPLACE VIEW "+d.Table(v.Name)+" AS\n"+query+"\n"); err != nil {
		return fmt.Errorf("view %s: %w", v.Name, sqlError(err))
	}
	return nil
}

// CheckSelect only parses: the tables need not be there yet.
func (w *Warehouse) CheckSelect(ctx context.Context, query string) error {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return err
	}
	return sqlError(db.CheckSelect(ctx, query))
}

// Settle is engine.DB.Settle.
func (w *Warehouse) Settle(ctx context.Context, query string) (string, func(), error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return "", func() {}, err
	}
	settled, release, err := db.Settle(ctx, query)
	return settled, release, sqlError(err)
}

// CheckSelects only parses.
func (w *Warehouse) CheckSelects(ctx context.Context, queries []string) ([]error, error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return nil, err
	}
	found, err := db.CheckSelects(ctx, queries)
	for i := range found {
		found[i] = sqlError(found[i])
	}
	return found, sqlError(err)
}

// Numbers runs the SELECTs as one.
func (w *Warehouse) Numbers(ctx context.Context, selects []string) ([]int64, error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return nil, err
	}
	numbers, err := db.Numbers(ctx, selects)
	return numbers, sqlError(err)
}

// Describe binds the query: its tables must be there.
func (w *Warehouse) Describe(ctx context.Context, query string) ([]warehouse.Column, error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return nil, err
	}
	columns, err := db.Describe(ctx, query)
	return convert(columns), sqlError(err)
}

// Write runs a SELECT into a file; the types become those of warehouse.Stored.
func (w *Warehouse) Write(ctx context.Context, query, path string) (warehouse.File, error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return warehouse.File{}, err
	}
	copied, err := db.Copy(ctx, query, path, cast)
	return written(copied, path, err)
}

// WriteAnew is Write for files that the next run replaces.
func (w *Warehouse) WriteAnew(ctx context.Context, query, path string) (warehouse.File, error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return warehouse.File{}, err
	}
	copied, err := db.CopyAnew(ctx, query, path, cast)
	return written(copied, path, err)
}

// Scratch is Write for files that are thrown away.
func (w *Warehouse) Scratch(ctx context.Context, query, path string) (warehouse.File, error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return warehouse.File{}, err
	}
	copied, err := db.Scratch(ctx, query, path, cast)
	return scratched(copied, path, err)
}

// Pin is engine.DB.Pin.
func (w *Warehouse) Pin(ctx context.Context) (context.Context, func(), error) {
	db, err := w.sql(ctx)
	if err != nil {
		return nil, nil, err
	}
	return db.Pin(ctx)
}

// Session is engine.DB.Session.
func (w *Warehouse) Session(ctx context.Context, statement string) error {
	w.expose.Lock()
	defer w.expose.Unlock()
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return err
	}
	return sqlError(db.Session(ctx, statement))
}

// Export writes a file for others.
func (w *Warehouse) Export(ctx context.Context, query, path, options string) (int64, error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := db.Export(ctx, query, path, options)
	return rows, sqlError(err)
}

// Split writes the classes of a SELECT's rows into files of their own.
func (w *Warehouse) Split(ctx context.Context, query, class string, paths []string) ([]*warehouse.File, error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return nil, err
	}
	copied, err := db.CopyBy(ctx, query, class, paths, cast)
	if err != nil {
		return nil, sqlError(err)
	}
	files := make([]*warehouse.File, len(paths))
	for i, c := range copied {
		if c == nil {
			continue
		}
		f, err := written(c, paths[i], nil)
		if err != nil {
			return nil, err
		}
		files[i] = &f
	}
	return files, nil
}

// Ingest does the same with Arrow batches.
func (w *Warehouse) Ingest(ctx context.Context, r array.RecordReader, path string) (warehouse.File, error) {
	db, err := w.arrow(ctx)
	if err != nil {
		return warehouse.File{}, err
	}
	copied, err := db.CopyReader(ctx, r, path, cast)
	return written(copied, path, err)
}

// IngestScratch is Ingest for files that are thrown away.
func (w *Warehouse) IngestScratch(ctx context.Context, r array.RecordReader, path string) (warehouse.File, error) {
	db, err := w.arrow(ctx)
	if err != nil {
		return warehouse.File{}, err
	}
	copied, err := db.ScratchReader(ctx, r, path, cast)
	return scratched(copied, path, err)
}

// sql is the instance for SQL.
func (w *Warehouse) sql(ctx context.Context) (*engine.DB, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return opened(ctx, &w.db, config(w.cfg, w.cfg.Memory-ingestMemory(w.cfg), "sql"))
}

// arrow is the instance for Arrow.
func (w *Warehouse) arrow(ctx context.Context) (*engine.DB, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := config(w.cfg, ingestMemory(w.cfg), "ingest")
	c.Arrow = true
	return opened(ctx, &w.ingest, c)
}

func opened(ctx context.Context, db **engine.DB, c engine.Config) (*engine.DB, error) {
	if *db == nil {
		fresh, err := engine.Open(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("open duckdb: %w", err)
		}
		*db = fresh
	}
	return *db, nil
}

// Query holds its answer, engine.MaxRows rows at most.
func (w *Warehouse) Query(ctx context.Context, query string) (*warehouse.Result, error) {
	ctx, cancel := w.timeout(ctx)
	defer cancel()
	db, err := w.sql(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, query)
	if err != nil {
		return nil, sqlError(err)
	}
	return &warehouse.Result{Columns: convert(rows.Columns), Rows: rows.Values}, nil
}

// timeout bounds a statement by Config.Timeout.
func (w *Warehouse) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.cfg.Timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, w.cfg.Timeout, fmt.Errorf("the statement ran longer than %v: %w", w.cfg.Timeout.Round(time.Second), context.DeadlineExceeded))
}

func cast(c engine.Column) (string, error) {
	to, err := warehouse.Stored(c.Type)
	if err != nil {
		return "", &engine.Error{Kind: "Type", Message: fmt.Sprintf("column %q: %v", c.Name, err), Offset: -1}
	}
	return to, nil
}

func written(c *engine.Copied, path string, err error) (warehouse.File, error) {
	if err != nil {
		return warehouse.File{}, sqlError(err)
	}
	sum, size, err := warehouse.Hash(path)
	if err != nil {
		return warehouse.File{}, err
	}
	if size != c.Bytes {
		return warehouse.File{}, fmt.Errorf("%s has %d bytes, duckdb wrote %d", path, size, c.Bytes)
	}
	f := warehouse.File{Path: path, Rows: c.Rows, Bytes: size, SHA256: sum, Stats: map[string]warehouse.Stats{}}
	for name, s := range c.Stats {
		if s.Values > 0 || c.Rows == 0 { // else DuckDB kept no statistics of this type
			f.Stats[name] = warehouse.Stats{Nulls: s.Nulls, Min: s.Min, Max: s.Max}
		}
	}
	return f, nil
}

// scratched is what is told of a file that nobody keeps.
func scratched(c *engine.Copied, path string, err error) (warehouse.File, error) {
	if err != nil {
		return warehouse.File{}, sqlError(err)
	}
	return warehouse.File{Path: path, Rows: c.Rows, Bytes: c.Bytes}, nil
}

func convert(columns []engine.Column) []warehouse.Column {
	out := make([]warehouse.Column, len(columns))
	for i, c := range columns {
		out[i] = warehouse.Column(c)
	}
	return out
}

func sqlError(err error) error {
	var e *engine.Error
	if errors.As(err, &e) {
		return &warehouse.SQLError{Message: e.Error(), Offset: e.Offset, Err: err}
	}
	return err
}
