package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// audit checks one node before anything of it can be seen: new rows are divided by the checks that quarantine, and the
// version that is made of the others is judged by the rest.
type audit struct {
	*run
	node *models.Node
	step *journal.Step
	check.Runner
	dir string // of this node's files, emptied

	results []check.Result
	metrics []check.Metric
	bad     []warehouse.File   // quarantined rows, one file for each division
	columns []warehouse.Column // of the rows that were divided first; a later division's may have been converted
	from    map[string]origin  // where the rows of a file came from

	anew      bool               // the new version takes no row of the published one, and its quarantine none of that one's
	published string             // a SELECT of the version before, "" when there is none to compare with
	stillOut  *warehouse.Version // the published quarantine without what the run replaces of it; nil: all of it
	brought   *int64             // rows that the run has brought

	fitting *check.Fitting     // of the node's contract; nil without one
	drift   *check.Drift       // of a stream's columns; nil without one
	want    []warehouse.Column // of the files that pass; nil: as they come

	divisions int
	source    extract.Source // of the stream that is being read; nil for other nodes
	asOf      *extract.AsOf  // that it is read in
	remains   *load.Table    // of a replay: the quarantine that it publishes
	settled   string         // hash of the rules that keep rows out, once all published rows are known to pass them
}

// ChecksError says that a node was built and may not be seen, because of its checks.
type ChecksError struct {
	Node   string
	Failed []check.Result
}

func (e *ChecksError) Error() string {
	parts := make([]string, len(e.Failed))
	for i, r := range e.Failed {
		parts[i] = r.Name + ": " + r.Message
	}
	if len(parts) == 1 {
		return "1 check failed: " + parts[0]
	}
	return fmt.Sprintf("%d checks failed: %s", len(e.Failed), strings.Join(parts, "; "))
}

// unrun says whether none of the checks could be run: then no row is known to be wrong.
func (e *ChecksError) unrun() bool {
	return !slices.ContainsFunc(e.Failed, func(r check.Result) bool { return r.Status != check.StatusError })
}

// checkPlaces are the folders that an engine which checks nodes of this run may touch.
func (r *run) checkPlaces() []string {
	return []string{r.runDir(r.ID), r.rejectsDir(r.ID), r.TargetRoot}
}

// newAudit prepares the checks of a node in the warehouse w, with a folder below dir for its files.
func (r *run) newAudit(n *models.Node, s *journal.Step, w warehouse.Warehouse, dir string) (*audit, error) {
	a := &audit{run: r, node: n, step: s, dir: filepath.Join(dir, fileName(n.Name())+".checks")}
	if err := errors.Join(os.RemoveAll(a.dir), fsx.MkdirAll("check", a.dir, 0o700)); err != nil {
		return nil, fmt.Errorf("stage checks: %w", err)
	}
	x := &exposure{run: r, w: w, seen: map[string]bool{n.Name(): true}}
	if w == r.shared { // which has the new versions of these, or will have them
		maps.Copy(x.seen, r.walked)
	}
	b := r.judging(w)
	a.Runner = check.Runner{Warehouse: w, At: r.LogicalTime, Now: r.Clock(), Dir: a.dir,
		Parent: func(p *models.Node) (string, error) { return r.readable(x, n, p) },
		Query: func(ctx context.Context, c *models.Check) (string, error) {
			for _, read := range behindEphemeral(c.Reads) {
				if _, err := r.readable(x, n, read); err != nil {
					return "", err
				}
			}
			return b.Query(ctx, c)
		},
		Place: b.QueryPlace,
		History: func(ctx context.Context, node, name string, limit int) ([]check.Metric, error) {
			return r.Journal.Metrics(ctx, r.target(), node, name, r.ID, r.LogicalTime, limit)
		}}
	switch { // figures are of deliveries
	case r.replay != nil:
		a.Aside = "a replay"
	case r.selection.Backfill != nil && n.Kind == models.KindStream:
		a.Aside = "a backfill"
	}
	return a, nil
}

// judging renders in an engine what is judged, and builds nothing.
func (r *run) judging(w warehouse.Warehouse) *transform.Builder {
	b := &transform.Builder{Project: r.Project, Warehouse: w, Run: r.forTemplates()}
	if published, ok := w.(transform.Published); ok {
		b.Published = published
	}
	return b
}

// startHooks makes in an engine that only judges tables what the hooks of the run's start make for SELECTs: checks may use it.
func (e *Engine) startHooks(ctx context.Context, w warehouse.Warehouse, published *load.Manifest, as transform.Run) error {
	if len(e.Project.OnRunStart) == 0 {
		return nil
	}
	found := e.onDemand(w, published, "hooks")
	b := &transform.Builder{Project: e.Project, Warehouse: found, Published: found, Run: as}
	if err := b.Start(ctx); err != nil {
		return refusedHook(err)
	}
	return nil
}

// forget removes the quarantined rows of an earlier attempt of the run, which published nothing of the node.
func (a *audit) forget() error {
	old, err := filepath.Glob(a.quarantinePath("*"))
	for _, path := range old {
		err = errors.Join(err, fsx.Remove("quarantine", path))
	}
	if err != nil {
		return fmt.Errorf("stage checks: %w", err)
	}
	return nil
}

// readable exposes the newest version of a table that a check of n compares with.
func (r *run) readable(x *exposure, n, p *models.Node) (string, error) {
	table := x.w.Dialect().Table(nameOf(p))
	if p == n {
		return table, nil
	}
	if p.Model != nil && p.Model.Materialized == models.Ephemeral {
		return "", fmt.Errorf("%s is ephemeral: there is no table to compare with", p.Name())
	}
	if r.version(p) == nil {
		return "", fmt.Errorf("%s was never built: millrace run +%s builds it", p.Name(), p.Table)
	}
	x.name(context.Background(), p.Name())
	r.mu.Lock()
	defer r.mu.Unlock()
	return table, r.unreadable[p.Name()]
}

// split are the node's checks that can run now, by what they do with rows that fail.
func split(n *models.Node) (diverting, judging []*models.Check) {
	for _, c := range n.Checks {
		switch {
		case c.Deferred:
		case c.Diverts():
			diverting = append(diverting, c)
		default:
			judging = append(judging, c)
		}
	}
	return diverting, judging
}

// suspect says whether rows failed a check the last time that the node was checked.
func (a *audit) suspect(ctx context.Context) (func(*models.Check) bool, error) {
	failed, err := a.Journal.LastFailing(ctx, a.node.Name(), a.target())
	return func(c *models.Check) bool { return slices.Contains(failed, c.Name) }, err
}

// Query implements transform.Divider.
func (a *audit) Query(ctx context.Context, sql string, columns []warehouse.Column) ([]warehouse.File, []warehouse.Column, error) {
	rows, err := a.rows(nil, columns)
	if err != nil {
		return nil, nil, err
	}
	suspect, err := a.suspect(ctx)
	if err != nil {
		return nil, nil, err
	}
	diverting, _ := split(a.node)
	d, err := a.DivideQuery(ctx, sql, rows, diverting, suspect)
	if err != nil {
		return nil, nil, err
	}
	if err := a.take(ctx, d, columns); err != nil {
		return nil, nil, err
	}
	return a.convert(ctx, d.Good, columns)
}

// Files implements transform.Divider. What must be unique is looked at in the merged table: before the merge a key's earlier
// rows, which the merge replaces, would count.
func (a *audit) Files(ctx context.Context, files []warehouse.File, columns []warehouse.Column, merged *warehouse.Version) ([]warehouse.File, []warehouse.Column, error) {
	diverting, _ := split(a.node)
	checks := slices.DeleteFunc(diverting, func(c *models.Check) bool { return (c.Kind == "unique") != (merged != nil) })
	rows, err := a.rows(files, columns)
	if err != nil {
		return nil, nil, err
	}
	if merged != nil {
		rows.Among = "SELECT * FROM " + a.Warehouse.Dialect().Table(merged.Name)
	}
	return a.divide(ctx, rows, checks)
}

// rows are new rows of the node, to be divided in a folder of their own.
func (a *audit) rows(files []warehouse.File, columns []warehouse.Column) (check.Rows, error) {
	a.divisions++
	a.Dir = filepath.Join(a.dir, fmt.Sprint(a.divisions))
	if err := fsx.MkdirAll("check", a.Dir, 0o700); err != nil {
		return check.Rows{}, fmt.Errorf("stage checks: %w", err)
	}
	rows := check.Rows{Files: files, Columns: columns, From: a.cameFrom, Run: a.ID, Secret: check.Secrets(a.node)}
	if a.replay != nil {
		rows.Run = "" // they stay those of the runs that kept them out
	}
	return rows, nil
}

// cameFrom tells where a file's rows came from. A file that a division wrote has not all of them.
func (a *audit) cameFrom(path string) (where string, all bool) {
	o := a.from[path]
	return o.where, o.numbered && !strings.HasPrefix(path, a.dir)
}

// divide parts rows by the checks, keeps what failed, and gives the others the columns of the table.
func (a *audit) divide(ctx context.Context, rows check.Rows, checks []*models.Check) ([]warehouse.File, []warehouse.Column, error) {
	if len(checks) == 0 || len(rows.Files) == 0 {
		if a.columns == nil {
			a.columns = rows.Columns
		}
		return a.convert(ctx, rows.Files, rows.Columns)
	}
	d, err := a.Divide(ctx, rows, checks)
	if err != nil {
		return nil, nil, fmt.Errorf("check new rows: %w", err)
	}
	for i, f := range d.Good {
		if a.from != nil {
			a.from[f.Path] = a.from[rows.Files[i].Path]
		}
	}
	if err := a.take(ctx, d, rows.Columns); err != nil {
		return nil, nil, err
	}
	return a.convert(ctx, d.Good, rows.Columns)
}

// take keeps what a division found, and its quarantined rows where they outlive the run's staging.
func (a *audit) take(ctx context.Context, d *check.Division, columns []warehouse.Column) error {
	for _, r := range d.Results {
		a.add(r)
	}
	if d.Broken() {
		return a.verdict()
	}
	for _, f := range d.Written {
		if err := a.run.check(f, columns); err != nil {
			return err
		}
	}
	if a.columns == nil {
		a.columns = columns
	}
	a.step.Equations = append(a.step.Equations, d.Equation)
	if d.Bad == nil {
		return nil
	}
	if err := a.run.check(*d.Bad, check.QuarantineColumns(columns)); err != nil {
		return err
	}
	path := a.quarantinePath(fmt.Sprint(len(a.bad)))
	if err := errors.Join(fsx.MkdirAll("quarantine", filepath.Dir(path), 0o700), fsx.Rename("quarantine", d.Bad.Path, path)); err != nil {
		return fmt.Errorf("keep quarantined rows: %w", err)
	}
	d.Bad.Path = path
	a.bad = append(a.bad, *d.Bad)
	return nil
}

// quarantinePath is where a run's quarantined rows of a node are kept, published or not.
func (a *audit) quarantinePath(i string) string {
	return filepath.Join(a.rejectsDir(a.ID), fileName(a.node.Name()), "quarantined-"+i+".parquet")
}

// save records what was found, in the order of the project.
func (a *audit) save(ctx context.Context) error {
	if len(a.results) == 0 {
		return nil
	}
	a.tellFit()
	place := map[string]int{}
	for i, c := range a.node.Checks {
		place[c.Name] = i
	}
	slices.SortStableFunc(a.results, func(x, y check.Result) int { return place[x.Name] - place[y.Name] })
	for i := range a.results {
		a.results[i].Message = a.redact(a.results[i].Message)
	}
	a.mu.Lock()
	a.checks[a.node.Name()], a.run.metrics[a.node.Name()] = a.results, a.metrics
	a.mu.Unlock()
	if a.dry() {
		return nil
	}
	return a.timed("journal", func() error {
		return a.Journal.SaveChecks(context.WithoutCancel(ctx), a.ID, a.node.Name(), a.LogicalTime, a.results, a.metrics)
	})
}
