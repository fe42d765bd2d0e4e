package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/load/local"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/transform/reconcile"
	"github.com/millrace/millrace/warehouse"
	engine "github.com/millrace/millrace/warehouse/duckdb"
)

// comparison is two sides on their way to being compared.
type comparison struct {
	*app
	temp    string
	out     string // folder for what is written for people; "" for none
	cfg     reconcile.Config
	notes   []string
	closers []func() error
	sides   int // that were looked for

	project *models.Project // nil until a side needs it
	loader  *local.Loader
}

func (c *comparison) close() {
	for _, f := range c.closers {
		_ = f() // what it was opened for is done
	}
}

// side is one table of a comparison.
type side struct {
	reconcile.Side              // Columns may be nil: the engine tells them
	node           *models.Node // that makes it; nil for what is no table of the project
	manifest       *load.Manifest
	key            []string
	dirs, files    []string // that the engine must be allowed to touch
}

// side finds out what an argument means. other is the side that it is compared with, nil for the first one.
func (c *comparison) side(ctx context.Context, name string, other *side) (*side, error) {
	c.sides++
	stream, atSource := strings.CutPrefix(name, "source:")
	file, table, inDatabase := databaseTable(name)
	var s *side
	var err error
	switch {
	case atSource:
		s, err = c.streamSide(ctx, stream, other)
	case inDatabase && (exists(file) || file != name): // else it is table db of a schema
		s, err = c.databaseSide(ctx, name, file, table)
	case isParquet(name):
		s, err = c.parquetSide(name)
	case textFile(name):
		s, err = c.textSide(ctx, name)
	default:
		s, err = c.publishedSide(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = name
	}
	return s, nil
}

// settings are those of an engine that may touch the comparison's own files.
func (c *comparison) settings() (warehouse.Config, error) {
	p := c.project
	if p == nil {
		p = &models.Project{Memory: 1 << 30}
	}
	memory, err := c.memoryFor(p)
	return warehouse.Config{Memory: memory * 6 / 10, Threads: c.threads, Temp: filepath.Join(c.temp, "spill"), Dirs: []string{c.temp}}, err
}

// staged is where the rows of the side that is looked for are written.
func (c *comparison) staged() string {
	return filepath.Join(c.temp, fmt.Sprintf("side-%d.parquet", c.sides))
}

// stage writes the rows of a query to a file of the comparison's own.
func (c *comparison) stage(ctx context.Context, w interface {
	Write(ctx context.Context, query, path string) (warehouse.File, error)
}, query string) (*side, error) {
	f, err := w.Write(ctx, query, c.staged())
	if err != nil {
		return nil, err
	}
	return &side{Side: reconcile.Side{Query: "SELECT * FROM " + warehouse.DuckDB.Files([]string{f.Path})}}, nil
}

// parquetSide is a Parquet file, read where it lies.
func (c *comparison) parquetSide(name string) (*side, error) {
	path, err := readable(name)
	if err != nil {
		return nil, err
	}
	return &side{Side: reconcile.Side{Query: "SELECT * FROM " + warehouse.DuckDB.Files([]string{path})}, files: []string{path}}, nil
}

// textSide is a CSV or JSON file. A record of it that is no row would be missing without a word.
func (c *comparison) textSide(ctx context.Context, name string) (*side, error) {
	if _, err := readable(name); err != nil {
		return nil, err
	}
	cfg, err := c.settings()
	if err != nil {
		return nil, err
	}
	w, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	got, err := c.textTable(ctx, w, name, filepath.Join(c.temp, fmt.Sprintf("text-%d", c.sides)))
	if err != nil {
		return nil, err
	}
	if got.Rejected > 0 {
		return nil, &advice{fmt.Errorf("%s: %d of %d records cannot be read as rows", name, got.Rejected, got.Rows+got.Rejected), fmt.Sprintf("millrace check %s --check volume tells which", name)}
	}
	return &side{Side: reconcile.Side{Query: got.Query, Columns: got.Columns}}, nil
}

// databaseSide is a table of a DuckDB file.
func (c *comparison) databaseSide(ctx context.Context, name, file string, table warehouse.Name) (*side, error) {
	cfg, err := c.settings()
	if err != nil {
		return nil, err
	}
	db, query, err := openDatabase(ctx, file, table, cfg)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	s, err := c.stage(ctx, db, query)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return s, nil
}

// openProject opens the project and its target once.
func (c *comparison) openProject(ctx context.Context) error {
	if c.project != nil {
		return nil
	}
	var err error
	c.project, c.loader, err = c.published(ctx)
	return err
}

// publishedSide is a published table, or an older version of one: erp.orders, erp.orders@12, erp.orders@previous.
func (c *comparison) publishedSide(ctx context.Context, name string) (*side, error) {
	if err := c.openProject(ctx); err != nil {
		return nil, err
	}
	m, err := c.loader.Current(ctx)
	if err != nil {
		return nil, err
	}
	plain, version, versioned := cutLast(name, "@")
	if n, err := strconv.ParseInt(version, 10, 64); versioned && err == nil {
		if m, err = snapshotManifest(c.loader, n); err != nil {
			return nil, err
		}
	} else if versioned && version != "previous" {
		return nil, usage("%s: after @ stands the number of a snapshot, or previous", name)
	}
	t, err := publishedTable(c.project, m, plain)
	if err != nil {
		return nil, err
	}
	if version == "previous" {
		if t, err = pipeline.Previous(c.loader, m, t); err != nil {
			return nil, err
		}
		if t == nil {
			return nil, usage("%s: no earlier version of %s is kept", name, plain)
		}
	}
	return c.tableSide(ctx, m, t, versioned)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// tableSide is a published table; a view is run once, in an engine that has what it reads.
func (c *comparison) tableSide(ctx context.Context, m *load.Manifest, t *load.Table, older bool) (*side, error) {
	s := &side{Side: reconcile.Side{Query: warehouse.DuckDB.Select(t.Version), Columns: t.Columns}, dirs: []string{c.loader.Root()}}
	if t.View != "" {
		if t.Broken != "" {
			return nil, fmt.Errorf("view %s cannot be read: %s", t.Name, t.Broken)
		}
		cfg, err := c.settings()
		if err != nil {
			return nil, err
		}
		cfg.Dirs = append(cfg.Dirs, c.loader.Root())
		w, err := engine.Open(ctx, cfg)
		if err != nil {
			return nil, err
		}
		defer w.Close()
		if err := exposeAll(ctx, w, m, t, map[string]bool{}); err != nil {
			return nil, err
		}
		if s, err = c.stage(ctx, w, "SELECT * FROM "+warehouse.DuckDB.Table(t.Name)); err != nil {
			return nil, fmt.Errorf("read %s: %w", t.Name, err)
		}
	}
	s.node, s.key = c.project.Node(t.Name.String()), t.Key
	if !older {
		s.manifest = m
	}
	if len(s.key) == 0 && s.node != nil {
		s.key = check.RowKey(s.node, t.Columns)
	}
	return s, nil
}

// streamSide reads a stream at its source. Compared with the stream's own table, what may differ is known.
func (c *comparison) streamSide(ctx context.Context, name string, other *side) (*side, error) {
	if err := c.openProject(ctx); err != nil {
		return nil, err
	}
	nodes, err := c.project.Select([]string{name}, nil)
	if err != nil {
		return nil, usage("%w", err)
	}
	if len(nodes) != 1 || nodes[0].Stream == nil {
		return nil, usage("%s is no stream, and so has no source: name two tables, such as %[1]s@previous %[1]s", name)
	}
	n := nodes[0]
	e, closeEngine, err := c.engineOf(ctx, c.project)
	if err != nil {
		return nil, err
	}
	defer closeEngine()
	cfg, err := c.settings()
	if err != nil {
		return nil, err
	}
	cfg.Dirs = append(cfg.Dirs, c.loader.Root()) // where quarantined rows are
	w, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	own := other != nil && other.node != nil && other.node.Name() == n.Name() && other.manifest != nil
	var known []warehouse.Column
	if own {
		known = other.Columns
	}
	got, err := c.fetch(ctx, e, w, n, known)
	if err != nil {
		return nil, err
	}
	if own {
		if c.cfg.Known, err = pipeline.KnownToDiffer(ctx, w, n, other.manifest, &got.Side, &other.Side); err != nil {
			return nil, err
		}
	}
	return &side{Side: got.Side, node: n, key: n.Stream.Key}, nil
}

// fetch reads the stream, and shows how far it is.
func (c *comparison) fetch(ctx context.Context, e *pipeline.Engine, w warehouse.Warehouse, n *models.Node, known []warehouse.Column) (*pipeline.AtSource, error) {
	show := c.newProgress()
	defer show.close()
	e.Observe = show.observe
	show.observe(pipeline.Event{Node: n.Name(), Kind: "start", Phase: "extract", Of: 1})
	begin := time.Now()
	got, err := e.AtSource(ctx, w, n, known, filepath.Join(c.temp, fmt.Sprintf("source-%d", c.sides)))
	ended := pipeline.Event{Node: n.Name(), Kind: "done", Status: journal.Succeeded, Step: 1, Of: 1, Took: time.Since(begin), Err: err}
	if err != nil {
		ended.Status = journal.Failed
	} else {
		ended.Rows = got.Rows
	}
	show.observe(ended)
	if err != nil {
		return nil, err
	}
	if got.AsOf != nil {
		c.notes = append(c.notes, fmt.Sprintf("%s: as of %s", got.Name, got.AsOf.Time.UTC().Format(time.RFC3339)))
	}
	if got.Rejected > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%s: %s cannot be landed and are on neither side", got.Name, plural(int(got.Rejected), "record")))
	}
	return got, nil
}
