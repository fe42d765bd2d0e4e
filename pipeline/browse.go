package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/transform/profile"
	"github.com/millrace/millrace/warehouse"
)

// Published is a table as its manifest has it, for those who look at it: its cursor is *** when that may be a personal value.
type Published struct {
	load.Table
	Bytes int64
	Files int
	// Stats are what the writers of the files counted, by column; none for views and for tables with open deltas, whose files
	// hold rows that readers do not see. Bounds of columns that are tagged pii are left out, and all bounds when the node is gone.
	Stats map[string]warehouse.Stats
}

// Published returns the published table of that name; nil when there is none.
func (e *Engine) Published(ctx context.Context, name string) (*Published, error) {
	m, err := e.current(ctx)
	if err != nil && !errors.Is(err, load.ErrNothing) {
		return nil, err
	}
	schema, table, _ := strings.Cut(name, ".")
	t := m.Table(warehouse.Name{Schema: schema, Table: table})
	if t == nil {
		return nil, nil
	}
	p := &Published{Table: *t, Stats: map[string]warehouse.Stats{}}
	for _, f := range t.Version.Files() {
		p.Bytes += f.Bytes
		p.Files++
	}
	secret, err := e.secrets(m, strings.TrimSuffix(name, models.QuarantineSuffix))
	if err != nil || hidesCursor(secret, t.OrderedBy) {
		p.Cursor = hidden(p.Cursor)
	}
	if len(t.Upserts)+len(t.Deletes) > 0 {
		return p, nil
	}
	for _, c := range t.Columns {
		if s, known := statsOf(t.Base, c); known {
			if err != nil || secret[strings.ToLower(c.Name)] {
				s.Min, s.Max = nil, nil
			}
			p.Stats[c.Name] = s
		}
	}
	return p, nil
}

// HideBounds takes the bounds of personal columns out of what a part is told with.
func (e *Engine) HideBounds(p journal.Part) {
	files := []warehouse.File{p.File}
	if p.Rejects != nil {
		files = append(files, p.Rejects.File)
	}
	for _, f := range files {
		for name, s := range f.Stats {
			if e.hidesStats(p.Node, p.Columns, name) {
				f.Stats[name] = warehouse.Stats{Nulls: s.Nulls}
			}
		}
	}
}

// hidesStats says whether statistics are of a personal column, or of what is in one: a list's are named "a"."b".
func (e *Engine) hidesStats(node string, columns []warehouse.Column, name string) bool {
	if !slices.ContainsFunc(columns, func(c warehouse.Column) bool { return c.Name == name }) {
		if inner := strings.SplitN(name, `"`, 3); len(inner) == 3 {
			name = inner[1]
		}
	}
	return e.Project.IsPII(node, name)
}

// secrets are the columns of a node and of its quarantine whose values nobody is shown: those that the project tags pii, and
// those that it tagged when they were published. Of a node that the project has no more nobody can tell: an error.
func (e *Engine) secrets(m *load.Manifest, node string) (map[string]bool, error) {
	n := e.Project.Node(node)
	if n == nil {
		return nil, fmt.Errorf("the project has no node %s any more, so that nothing says which of its columns are personal", node)
	}
	secret := check.Secrets(n)
	for _, name := range []warehouse.Name{nameOf(n), quarantineOf(n)} {
		if t := m.Table(name); t != nil {
			for _, c := range t.PII {
				secret[c] = true
			}
		}
	}
	return secret, nil
}

// statsOf joins what the writers counted of a column. Bounds are kept of one file only: which of two texts is the greater number
// the text does not tell.
func statsOf(files []warehouse.File, c warehouse.Column) (all warehouse.Stats, known bool) {
	for _, f := range files {
		s, ok := f.Stats[c.Name]
		if !ok {
			return warehouse.Stats{}, false
		}
		all.Nulls += s.Nulls
		if len(files) == 1 {
			all.Min, all.Max = s.Min, s.Max
		}
	}
	return all, len(files) > 0
}

// What an engine of SQL gets that fetches or counts rows for somebody to look at.
const (
	browseMemory = 256 << 20
	browseTime   = 15 * time.Second
)

// Browse is the same engine for a server, whose people look at rows beside what else goes on: it takes little memory, one
// processor and not long for it.
func (e *Engine) Browse() *Engine {
	browsing := *e
	browsing.browses = true
	return &browsing
}

// looking is what an engine of SQL gets that reads the files.
func (e *Engine) looking(files []string, dirs ...string) warehouse.Config {
	c := warehouse.Config{Memory: e.engineMemory(1), Threads: e.Threads, Files: files, Dirs: dirs}
	if e.browses {
		c.Memory, c.Threads, c.Timeout = min(c.Memory, browseMemory), 1, browseTime
	}
	return c
}

// ShowPublished fetches a few rows of a published table as texts. Values of columns that are tagged pii are masked.
func (e *Engine) ShowPublished(ctx context.Context, name string, limit int) (sample *check.Sample, err error) {
	err = e.lookAt(ctx, name, nil, func(w warehouse.Warehouse, t *load.Table, secret map[string]bool) error {
		sample, err = (&check.Runner{Warehouse: w}).Sample(ctx, "SELECT * FROM "+w.Dialect().Table(t.Name), t.Columns, secret, limit)
		return err
	})
	return sample, err
}

// ProfilePublished tells what is in some columns of a published table, by a sample of so many rows. Values of columns that are tagged
// pii are masked. It takes as little as looking at rows does, and not longer.
func (e *Engine) ProfilePublished(ctx context.Context, name string, columns []string, rows int64) (found *profile.Profile, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, browseTime, fmt.Errorf("it took longer than %v: %w", browseTime, context.DeadlineExceeded))
	defer cancel()
	temp, remove, err := fsx.TempFolder("", "millrace-profile-")
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", name, err)
	}
	defer remove()
	err = e.lookAt(ctx, name, []string{temp}, func(w warehouse.Warehouse, t *load.Table, secret map[string]bool) error {
		found, err = profile.Run(ctx, w, profile.Config{Table: name, Query: "SELECT * FROM " + w.Dialect().Table(t.Name), Columns: columns, ColumnsOnly: true,
			Sample: rows, Stage: filepath.Join(temp, "rows.parquet"), Masked: func(c string) bool { return secret[strings.ToLower(c)] }, Now: e.Clock()})
		return err
	})
	return found, err
}

// lookAt opens a small engine of SQL with a published table in it, and tells which of its columns nobody is shown the values of. The engine may
// write into dirs.
func (e *Engine) lookAt(ctx context.Context, name string, dirs []string, f func(w warehouse.Warehouse, t *load.Table, secret map[string]bool) error) (err error) {
	m, err := e.current(ctx)
	if err != nil {
		return err
	}
	schema, table, _ := strings.Cut(name, ".")
	t := m.Table(warehouse.Name{Schema: schema, Table: table})
	if t == nil {
		return fmt.Errorf("table %s: %w", name, load.ErrNothing)
	}
	secret, err := e.secrets(m, strings.TrimSuffix(name, models.QuarantineSuffix))
	if err != nil {
		return err
	}
	w, err := e.Warehouse(ctx, e.Browse().looking(nil, append(dirs, e.TargetRoot)...))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	r := &run{Engine: e, before: m, results: map[string]*result{}, unreadable: map[string]error{}}
	exposed := &exposure{run: r, w: w, seen: map[string]bool{}}
	exposed.name(ctx, name)
	if why := r.unreadable[name]; why != nil {
		return fmt.Errorf("%s cannot be read: %w", name, why)
	}
	return shown(e.Project.Node(strings.TrimSuffix(name, models.QuarantineSuffix)), f(w, t, secret))
}
