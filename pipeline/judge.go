package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/transform/reconcile"
	"github.com/millrace/millrace/warehouse"
)

// Locate gives the Parquet files that a table without a source lies in, or into which it was copied below dir.
type Locate func(ctx context.Context, n *models.Node, dir string) (paths []string, err error)

// Judge judges tables where they are by all their checks: streams as their sources have them now, and the tables of a checks
// file, of which locate finds those that no source reads. What cannot be read is told of its table, and the others are judged.
// Files go below dir. Nothing is journaled or published; e needs neither a Journal nor a Loader.
func (e *Engine) Judge(ctx context.Context, nodes []*models.Node, dir string, locate Locate) (_ *Checked, err error) {
	j := &judging{Engine: e, dir: dir, locate: locate, tables: map[*models.Node]*standing{}}
	if j.before, err = e.publishedState(ctx); err != nil {
		return nil, err
	}
	out := newChecked()
	var judged []*models.Node
	for _, n := range nodes {
		if len(n.Checks) == 0 {
			out.Skipped = append(out.Skipped, n.Name())
			continue
		}
		judged = append(judged, n)
		if err := j.bring(ctx, n); err != nil {
			return nil, err
		}
	}
	engine, err := e.Warehouse(ctx, warehouse.Config{Memory: e.engineMemory(1), Threads: e.Threads, Temp: filepath.Join(dir, "spill"), Dirs: e.withTarget(dir), Files: j.inPlace})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	if err := e.startHooks(ctx, engine, j.before, transform.Run{Started: e.Clock(), Command: "test"}); err != nil {
		return nil, err
	}
	w := e.onDemand(engine, j.before, "judge", dir)
	j.w = w
	j.exposed = &exposure{run: &run{Engine: e, before: j.before, results: map[string]*result{}, unreadable: map[string]error{}}, w: w, seen: map[string]bool{}}
	for _, n := range judged {
		if err := j.judge(ctx, n, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// judging is one call of Judge.
type judging struct {
	*Engine
	dir     string
	locate  Locate
	before  *load.Manifest
	w       *onDemand
	exposed *exposure // what is published, for checks that compare with it
	tables  map[*models.Node]*standing
	inPlace []string // files outside dir that are read
}

// standing is a table as it stands where it is.
type standing struct {
	version warehouse.Version
	// counted says that the files' rows and statistics are known.
	counted bool
	notes   []string
	err     error // why it cannot be read
	exposed bool
}

// publishedState is what is published of the project; nothing without one.
func (e *Engine) publishedState(ctx context.Context) (*load.Manifest, error) {
	if e.Loader == nil {
		return &load.Manifest{}, nil
	}
	return e.current(ctx)
}

// withTarget are the folders that an engine may touch which reads what is published and writes to dir.
func (e *Engine) withTarget(dir string) []string {
	if e.Loader == nil {
		return []string{dir}
	}
	return []string{dir, e.TargetRoot}
}

// bring reads a table and those that its checks compare with. The error is of the judgement as a whole: interrupted.
func (j *judging) bring(ctx context.Context, n *models.Node) error {
	reads := []*models.Node{n}
	for _, c := range n.Checks {
		reads = append(reads, c.Reads...)
		if r, ok := c.Args.(*models.Reconcile); ok && r.Node != nil {
			reads = append(reads, r.Node)
		}
	}
	for _, r := range reads {
		if j.tables[r] != nil || r.Kind.Built() {
			continue
		}
		t := &standing{version: warehouse.Version{Name: nameOf(r)}}
		j.tables[r] = t
		dir := filepath.Join(j.dir, fmt.Sprint(len(j.tables)))
		if r.Stream != nil {
			t.err = j.fetchTable(ctx, r, dir, t)
		} else {
			t.err = j.findTable(ctx, r, dir, t)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// fetchTable reads a stream at its source.
func (j *judging) fetchTable(ctx context.Context, n *models.Node, dir string, t *standing) error {
	got, err := j.fetch(ctx, n, nil, dir)
	if err != nil {
		return withoutRun(err, n)
	}
	for _, f := range got.files {
		t.version.Rows += f.Rows
	}
	t.version.Base, t.version.Columns, t.counted = got.files, got.columns, true
	if len(got.columns) == 0 {
		return errors.New("its source gives neither rows nor columns")
	}
	if read := t.version.Rows + got.rejected; n.Stream.MaxRejects.Exceeded(got.rejected, read) {
		return j.tooManyRejects(ctx, n, got, read)
	}
	if got.rejected > 0 {
		t.notes = append(t.notes, fmt.Sprintf("%d of %d records cannot be read and were not judged", got.rejected, t.version.Rows+got.rejected))
	}
	if n.Stream.Mode == string(extract.Incremental) {
		t.notes = append(t.notes, "all rows of the source were judged, those too that a run would merge by the key")
	}
	return nil
}

// withoutRun turns the advice of an error of a run into that for a judgement.
func withoutRun(err error, n *models.Node) error {
	var step *StepError
	if !errors.As(err, &step) {
		return err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		step.Hint = "tables are copied to the folder for temporary files: free space there, or name another by TMPDIR"
	case strings.Contains(err.Error(), "Out of Memory Error"):
		step.Hint = "give the engine more, such as --memory 2GB; a row of many megabytes takes several times its size"
	case n.Kind == models.KindTable: // which has no source with a name
		step.Hint = strings.ReplaceAll(step.Hint, "connectors discover "+n.Stream.Source.Name+" ", "connectors discover URL ")
	}
	return step
}

// tooManyRejects says which records could not be read, of the first few where they are.
func (j *judging) tooManyRejects(ctx context.Context, n *models.Node, got *fetched, read int64) (err error) {
	w, err := j.Warehouse(ctx, warehouse.Config{Memory: j.engineMemory(1), Threads: j.Threads, Dirs: []string{j.dir}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	rows, err := w.Query(ctx, `SELECT file || CASE WHEN line > 0 THEN ':' || line ELSE '' END || CASE WHEN "column" <> '' THEN ', column ' || "column" ELSE '' END || ': ' || reason
FROM `+w.Dialect().Files(warehouse.Paths(got.rejects))+" ORDER BY file, line LIMIT 3")
	if err != nil {
		return fmt.Errorf("look at records that cannot be read: %w", err)
	}
	var where []string
	for _, row := range rows.Rows {
		where = append(where, fmt.Sprint(row[0]))
	}
	return &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: fmt.Errorf("%d of %d records cannot be read: %s", got.rejected, read, strings.Join(where, "; ")),
		Hint: "mend them; or allow a share with max_rejects: 1%, in the stream, or in from: with type: files"}
}

// findTable finds the files of a table that no source reads.
func (j *judging) findTable(ctx context.Context, n *models.Node, dir string, t *standing) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	paths, err := j.locate(ctx, n, dir)
	for _, p := range paths {
		t.version.Base = append(t.version.Base, warehouse.File{Path: p})
		if !strings.HasPrefix(p, j.dir+string(filepath.Separator)) {
			j.inPlace = append(j.inPlace, p)
		}
	}
	return err
}

// expose makes a table readable for the engine that judges; the error says why it cannot be.
func (j *judging) expose(ctx context.Context, n *models.Node) error {
	t := j.tables[n]
	if t.err != nil || t.exposed {
		return t.err
	}
	t.exposed = true
	if !t.counted {
		t.err = j.measure(ctx, t)
	}
	if t.err == nil {
		t.err = j.w.Expose(ctx, t.version)
	}
	return t.err
}

// measure asks the files of others what is in them.
func (j *judging) measure(ctx context.Context, t *standing) (err error) {
	from := j.w.Dialect().Files(warehouse.Paths(t.version.Base))
	if t.version.Columns, err = j.w.Describe(ctx, "SELECT * FROM "+from); err != nil {
		return err
	}
	counted, err := j.w.Query(ctx, "SELECT count(*) FROM "+from)
	if err != nil {
		return err
	}
	t.version.Rows, _ = counted.Rows[0][0].(int64)
	return nil
}

// judge judges one table.
func (j *judging) judge(ctx context.Context, n *models.Node, out *Checked) error {
	t, begin := j.tables[n], j.Clock()
	told := CheckedTable{Name: n.Name(), Kind: string(n.Kind), From: j.redact(whence(n)), Started: begin}
	err := j.expose(ctx, n)
	if err == nil {
		err = j.count(ctx, n, t, out)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	told.Rows, told.Notes = t.version.Rows, append([]string{}, t.notes...)
	if err != nil {
		told.fail(n, err, j.redact)
	}
	told.Finished = j.Clock()
	out.Tables = append(out.Tables, told)
	return nil
}

func (j *judging) count(ctx context.Context, n *models.Node, t *standing, out *Checked) error {
	table := check.VersionTable(j.w.Dialect(), &t.version, n)
	table.Key, table.AtSource = KeyOf(n), n.Stream != nil && n.Kind != models.KindTable
	if !t.counted {
		table.Files, table.Exact = nil, false
	}
	files := filepath.Join(j.dir, "checks", fileName(n.Name()))
	if err := os.MkdirAll(files, 0o700); err != nil {
		return err
	}
	b := &transform.Builder{Project: j.Project, Warehouse: j.w, Published: j.w}
	r := check.Runner{Warehouse: j.w, At: j.Clock(), Now: j.Clock(), Dir: files,
		Parent: func(p *models.Node) (string, error) { return j.parent(ctx, p) },
		Query: func(ctx context.Context, c *models.Check) (string, error) {
			for _, read := range behindEphemeral(c.Reads) {
				if _, err := j.parent(ctx, read); err != nil {
					return "", err
				}
			}
			return b.Query(ctx, c)
		}, Place: b.QueryPlace}
	if j.Journal != nil {
		r.History = func(ctx context.Context, node, name string, limit int) ([]check.Metric, error) {
			return j.Journal.Metrics(ctx, j.target(), node, name, "", r.At, limit)
		}
	}
	counting, reconciling := apartReconciling(n.Checks)
	results, _, err := r.Count(ctx, table, counting)
	for _, c := range reconciling {
		if err != nil {
			break
		}
		var found check.Result
		begin := time.Now()
		if found, err = j.reconcile(ctx, &r, table, c); err == nil {
			found.Took = time.Since(begin)
			results = append(results, found)
		}
	}
	for i, found := range results {
		results[i].Message = j.redact(found.Message)
		if found.How == check.HowHistory && j.Journal == nil {
			t.notes = append(t.notes, found.Name+" compares with earlier runs: there are none without a project, and it passes")
		}
	}
	out.Checks = append(out.Checks, results...)
	return err
}

// reconcile compares a table with another that is read where it is. What is read at its source is not compared with that.
func (j *judging) reconcile(ctx context.Context, r *check.Runner, t check.Table, c *models.Check) (check.Result, error) {
	args, _ := c.Args.(*models.Reconcile)
	if args.Node == nil || args.Node == c.Node {
		return check.Said(c, check.StatusPass, "not judged: this is what the source has"), nil
	}
	from, err := j.parent(ctx, args.Node)
	if err != nil {
		return check.Unrunnable(c, err), nil
	}
	query := "SELECT * FROM " + from
	columns, err := j.w.Describe(ctx, query)
	if err != nil {
		return check.Result{}, err
	}
	return r.Reconcile(ctx, t.Side(c.Node.Name()), c, check.Other{Side: reconcile.Side{Name: args.Node.Name(), Query: query, Columns: columns}})
}

// parent is the table expression of a table that a check compares with: as it is at its source, a model as it is published.
func (j *judging) parent(ctx context.Context, p *models.Node) (string, error) {
	if j.tables[p] == nil {
		return j.exposed.readable(j.exposed, nil, p)
	}
	if err := j.expose(ctx, p); err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", p.Name(), err)
	}
	return j.w.Dialect().Table(nameOf(p)), nil
}

// whence says where a table's rows are, for people.
func whence(n *models.Node) string {
	if n.From != "" {
		return n.From
	}
	return n.Stream.Source.Type + " " + n.Stream.Name
}
