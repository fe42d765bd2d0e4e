package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

// Verification is what became of a look at everything that is published.
type Verification struct {
	Snapshot int64             `json:"snapshot"`
	Full     bool              `json:"full"`
	Tables   int               `json:"tables"`
	Files    int               `json:"files"`
	Rows     int64             `json:"rows"`
	Bytes    int64             `json:"bytes"`
	Problems []PublishedDefect `json:"problems"`
	Place    string            `json:"place,omitempty"` // that follows the target, and was compared
	There    []load.Compared   `json:"there,omitempty"` // the tables that both have
}

// PublishedDefect is one thing wrong with what is published.
type PublishedDefect struct {
	Table   string `json:"table,omitempty"`
	File    string `json:"file,omitempty"`
	Run     string `json:"run,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (d PublishedDefect) String() string {
	var b strings.Builder
	if d.Table != "" {
		b.WriteString(d.Table + ": ")
	}
	if d.File != "" {
		b.WriteString(d.File + ": ")
	}
	b.WriteString(d.Message)
	if d.Run != "" {
		b.WriteString(" (run " + d.Run + ")")
	}
	return b.String()
}

// snapshots is a target that keeps its snapshots in folders; load/local is one.
type snapshots interface {
	Snapshots() ([]int64, error)
	Manifest(n int64) (*load.Manifest, error)
}

// Catalog counts the rows of published tables as readers see them.
type Catalog interface {
	Count(ctx context.Context, name warehouse.Name) (int64, error)
	Close() error
}

// VerifyRequest says what to verify.
type VerifyRequest struct {
	Snapshot int64    // 0: the current one
	Tables   []string // schema.table or table; none: all
	Full     bool     // decode every value
	Local    bool     // leave out the place that follows the target; so does a Snapshot
	// OpenCatalog opens a snapshot's catalog file; nil leaves it out.
	OpenCatalog func(ctx context.Context, path string) (Catalog, error)
	Progress    func(table string, file int, of int) // may be nil
}

// VerifyPublished checks the manifest's seal, that every file is there with its bytes, hash, schema and counts, that the
// equations close, that the links for plain readers lead to the same files, and that the catalog counts what the
// manifest says. What is wrong is in the answer; the error is for what kept it from looking.
func (e *Engine) VerifyPublished(ctx context.Context, req VerifyRequest) (*Verification, error) {
	m, err := e.manifest(ctx, req.Snapshot)
	if err != nil {
		return nil, err
	}
	tables, err := chosen(m, req.Tables)
	if err != nil {
		return nil, err
	}
	temp, remove, err := fsx.TempFolder("", "millrace-verify-")
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer remove()
	w, err := e.Warehouse(ctx, warehouse.Config{Memory: e.engineMemory(1), Threads: e.Threads, Temp: filepath.Join(temp, "spill"), Dirs: []string{e.TargetRoot}})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	v := &verifying{Engine: e, req: req, m: m, w: w, folder: filepath.Join(e.TargetRoot, "snapshots", strconv.FormatInt(m.Snapshot, 10)),
		out: &Verification{Snapshot: m.Snapshot, Full: req.Full, Problems: []PublishedDefect{}}}
	for _, t := range tables {
		v.table(ctx, t)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	v.catalog(ctx, tables)
	if e.Follower != nil && !req.Local && req.Snapshot == 0 {
		v.there(ctx, tables)
	}
	return v.out, ctx.Err()
}

// there compares the tables with the place that follows the target. Each is compared with the version that the place says to show: that
// this is an earlier one is no difference.
func (v *verifying) there(ctx context.Context, tables []load.Table) {
	v.out.Place = v.place()
	names := make([]warehouse.Name, len(tables))
	for i, t := range tables {
		names[i] = t.Name
	}
	var err error
	if v.out.There, err = v.Follower.Verify(ctx, v.m, names); err != nil && ctx.Err() == nil {
		v.out.Problems = append(v.out.Problems, PublishedDefect{Message: v.out.Place + " cannot be compared: " + v.redact(err.Error()), Hint: hintOf(err)})
	}
	following, err := v.Following(ctx)
	if err != nil {
		v.out.Problems = append(v.out.Problems, PublishedDefect{Message: "what was brought cannot be told: " + v.redact(err.Error())})
	}
	for _, c := range v.out.There {
		at := PublishedDefect{Table: c.Name.String(), Hint: c.Hint}
		if err == nil && c.Behind && !following.Lacks() && len(c.Problems) == 0 {
			v.out.Problems = append(v.out.Problems, PublishedDefect{Table: at.Table, Hint: following.WayOut(),
				Message: fmt.Sprintf("%s says that it holds another version than that of snapshot %d, which load %s has brought", v.out.Place, v.m.Snapshot, following.Brought.ID)})
		}
		for i, differs := range c.Problems {
			one := PublishedDefect{Table: at.Table, Message: v.out.Place + " differs: " + v.redact(differs)}
			if i == len(c.Problems)-1 { // once for the table
				one.Hint = at.Hint
			}
			v.out.Problems = append(v.out.Problems, one)
		}
		if c.Error != "" {
			at.Message = v.out.Place + " cannot be compared: " + v.redact(c.Error)
			v.out.Problems = append(v.out.Problems, at)
		} else if !c.Equal && len(c.Problems) == 0 && c.Note == "" {
			at.Message = fmt.Sprintf("%s differs: it has %d rows there, and %d here", v.out.Place, c.There, c.Rows)
			v.out.Problems = append(v.out.Problems, at)
		}
	}
}

// manifest is a snapshot's manifest; 0 means the current one.
func (e *Engine) manifest(ctx context.Context, n int64) (*load.Manifest, error) {
	if n == 0 {
		return e.Loader.Current(ctx)
	}
	s, ok := e.Loader.(snapshots)
	if !ok {
		return nil, errors.New("this target keeps no snapshots to choose from")
	}
	all, err := s.Snapshots()
	if err != nil {
		return nil, err
	}
	for _, have := range all {
		if have == n {
			return s.Manifest(n)
		}
	}
	return nil, fmt.Errorf("snapshot %d: %w: there are %v", n, ErrNoSnapshot, all)
}

// ErrNoSnapshot says that a snapshot was asked for that is not there (any more).
var ErrNoSnapshot = errors.New("no such snapshot")

// ErrNoTable says that a table was asked for that is not published.
var ErrNoTable = errors.New("no such table is published")

// chosen are the manifest's tables of these names.
func chosen(m *load.Manifest, names []string) ([]load.Table, error) {
	if len(names) == 0 {
		return m.Tables, nil
	}
	var tables []load.Table
	for _, want := range names {
		found := false
		for _, t := range m.Tables {
			if t.Name.String() == want || t.Name.Table == want {
				tables, found = append(tables, t), true
			}
		}
		if !found {
			return nil, fmt.Errorf("%q: %w", want, ErrNoTable)
		}
	}
	return tables, nil
}

// verifying is one VerifyPublished under way.
type verifying struct {
	*Engine
	req    VerifyRequest
	m      *load.Manifest
	w      warehouse.Warehouse
	folder string
	out    *Verification
}

func (v *verifying) problem(t load.Table, file, hint, format string, args ...any) {
	if rel, err := filepath.Rel(v.TargetRoot, file); err == nil && file != "" {
		file = rel
	}
	v.out.Problems = append(v.out.Problems, PublishedDefect{Table: t.Name.String(), File: file, Run: t.Run, Message: fmt.Sprintf(format, args...), Hint: hint})
}

const rebuildHint = "an older snapshot may be whole (millrace verify --snapshot N); a run with --full-refresh of this table writes new files"

func (v *verifying) table(ctx context.Context, t load.Table) {
	v.out.Tables++
	v.out.Rows += t.Rows
	for _, q := range t.Equations {
		if !q.Closes() {
			v.problem(t, "", "", "rows are not accounted for: %s", q)
		}
	}
	deletes := map[string]bool{}
	for _, f := range t.Deletes {
		deletes[f.Path] = true
	}
	files := t.Files()
	for i, f := range files {
		if v.req.Progress != nil {
			v.req.Progress(t.Name.String(), i+1, len(files))
		}
		columns := t.Columns
		if deletes[f.Path] {
			columns = t.KeyColumns()
		}
		v.file(ctx, t, f, columns)
		if ctx.Err() != nil {
			return
		}
	}
	for _, r := range t.Rejects {
		sum := int64(0)
		for _, n := range r.Reasons {
			sum += n
		}
		if sum != r.File.Rows {
			v.problem(t, r.File.Path, "", "the reasons count %d rejects, the file has %d", sum, r.File.Rows)
		}
		v.file(ctx, t, r.File, nil)
	}
	if len(t.Upserts)+len(t.Deletes) == 0 && t.View == "" {
		sum := int64(0)
		for _, f := range t.Base {
			sum += f.Rows
		}
		if sum != t.Rows {
			v.problem(t, "", rebuildHint, "the files have %d rows, the manifest says %d", sum, t.Rows)
		}
	}
	v.links(t)
}

// file checks one file. columns are the table's: a file that was written before the table got a column, or a wider
// type, has less. nil: any.
func (v *verifying) file(ctx context.Context, t load.Table, f warehouse.File, columns []warehouse.Column) {
	v.out.Files++
	sum, size, err := warehouse.Hash(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.problem(t, f.Path, rebuildHint, "the file is missing")
		return
	case err != nil:
		v.problem(t, f.Path, "", "the file cannot be read: %v", err)
		return
	case size != f.Bytes:
		v.problem(t, f.Path, rebuildHint, "the file has %d bytes, the manifest says %d", size, f.Bytes)
		return
	case sum != f.SHA256:
		v.problem(t, f.Path, rebuildHint, "the file's sha256 is not the one in the manifest: its bytes have changed")
		return
	}
	v.out.Bytes += size
	var have []warehouse.Column
	if columns != nil {
		if have, err = v.w.Describe(ctx, readAll(v.w, f.Path)); err != nil {
			v.problem(t, f.Path, rebuildHint, "the file cannot be read: %v", err)
			return
		}
		for _, c := range have {
			if !hasColumn(columns, c.Name) {
				v.problem(t, f.Path, "", "the file has a column %q that the table has not", c.Name)
			}
		}
		v.types(t, f, columns, have)
	}
	if err := warehouse.Verify(f.Path, f, have, v.req.Full); err != nil {
		v.problem(t, f.Path, rebuildHint, "%v", err)
	}
}

// types holds the types of a file's columns against those of its table, as files have them.
func (v *verifying) types(t load.Table, f warehouse.File, columns, have []warehouse.Column) {
	stored, err := warehouse.StoredColumns(columns)
	if err != nil {
		v.problem(t, f.Path, "", "%v", err)
		return
	}
	if union, err := warehouse.UnionColumns(stored, have); err != nil {
		v.problem(t, f.Path, "", "%v", err)
	} else if changes := schemaChanges(stored, union); len(changes) > 0 && len(union) == len(stored) {
		v.problem(t, f.Path, "", "a column has another type than the table: %s", changes[0])
	}
}

// links checks the hard links that readers of plain Parquet open.
func (v *verifying) links(t load.Table) {
	if t.View != "" {
		return
	}
	wanted := map[string]string{} // base name → data file
	for _, f := range t.Files() {
		wanted[filepath.Base(f.Path)] = f.Path
	}
	found := map[string]bool{}
	dir := filepath.Join(v.folder, load.Folder(t.Name))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, ok := wanted[d.Name()]
		if !ok {
			v.problem(t, path, "", "the manifest does not name this file, but readers of plain Parquet see it")
			return nil
		}
		found[d.Name()] = true
		if !sameFile(path, data) {
			v.problem(t, path, "", "what readers of plain Parquet see is not the file that the manifest names")
		}
		return nil
	})
	if err != nil {
		v.problem(t, dir, "", "the links for readers of plain Parquet cannot be read: %v", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if !found[name] {
			v.problem(t, filepath.Join(dir, name), "the next publish of the table links it again", "the link for readers of plain Parquet is missing")
		}
	}
}

// sameFile accepts a copy where the file system knows no hard links.
func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	if err1 != nil || err2 != nil {
		return err2 != nil // the data file's own check has said so
	}
	if os.SameFile(x, y) {
		return true
	}
	if x.Size() != y.Size() {
		return false
	}
	p, _, err1 := warehouse.Hash(a)
	q, _, err2 := warehouse.Hash(b)
	return err1 == nil && err2 == nil && p == q
}

// catalog counts each table as a reader with DuckDB does.
func (v *verifying) catalog(ctx context.Context, tables []load.Table) {
	if v.req.OpenCatalog == nil {
		return
	}
	general := func(hint, format string, args ...any) {
		v.out.Problems = append(v.out.Problems, PublishedDefect{File: "snapshots/" + strconv.FormatInt(v.m.Snapshot, 10) + "/catalog.duckdb",
			Run: v.m.Run, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	if mv, ok := v.Loader.(mover); ok && v.req.Snapshot == 0 {
		if from, moved := mv.Moved(ctx); moved {
			general("millrace query relinks it", "the target was moved here from %s, and the catalog still names that place", from)
			return
		}
	}
	c, err := v.req.OpenCatalog(ctx, filepath.Join(v.folder, "catalog.duckdb"))
	if err != nil {
		general("", "the catalog cannot be opened: %v", err)
		return
	}
	defer c.Close()
	for _, t := range tables {
		n, err := c.Count(ctx, t.Name)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			v.problem(t, "", "", "the catalog's view cannot be read: %v", err)
		case t.View == "" && n != t.Rows:
			v.problem(t, "", "", "the catalog's view counts %d rows, the manifest says %d", n, t.Rows)
		}
	}
}
