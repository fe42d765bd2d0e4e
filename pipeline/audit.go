package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

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

	anew      bool   // the new version takes no row of the published one, and its quarantine none of that one's
	published string // a SELECT of the version before, "" when there is none to compare with
	brought   *int64 // rows that the run has brought

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
	return fmt.Sprintf("%d checks failed: %s", len(e.Failed), strings.Join(parts, "; "))
}

// checkPlaces are the folders that an engine which checks nodes of this run may touch.
func (r *run) checkPlaces() []string {
	return []string{r.runDir(r.ID), r.rejectsDir(r.ID), r.TargetRoot}
}

// newAudit prepares the checks of a node in the warehouse w, with a folder below dir for its files.
func (r *run) newAudit(n *models.Node, s *journal.Step, w warehouse.Warehouse, dir string) (*audit, error) {
	a := &audit{run: r, node: n, step: s, dir: filepath.Join(dir, fileName(n.Name())+".checks")}
	if err := errors.Join(os.RemoveAll(a.dir), fsx.MkdirAll("check", a.dir)); err != nil {
		return nil, fmt.Errorf("stage checks: %w", err)
	}
	x := &exposure{run: r, w: w, seen: map[string]bool{n.Name(): true}}
	if n.Kind == models.KindModel { // the shared engine has the new versions of these, or will have them
		maps.Copy(x.seen, r.walked)
	}
	b := &transform.Builder{Project: r.Project, Warehouse: w}
	a.Runner = check.Runner{Warehouse: w, At: r.LogicalTime, Now: r.Clock(), Dir: a.dir,
		Parent: func(p *models.Node) (string, error) { return r.readable(x, n, p) },
		Query: func(ctx context.Context, c *models.Check) (string, error) {
			for _, read := range c.Reads {
				if _, err := r.readable(x, n, read); err != nil {
					return "", err
				}
			}
			return b.Query(ctx, c)
		},
		History: func(ctx context.Context, node, name string, limit int) ([]check.Metric, error) {
			return r.Journal.Metrics(ctx, node, name, r.ID, r.LogicalTime, limit)
		}}
	if r.replay != nil { // figures are of deliveries
		a.Aside = "a replay"
	}
	return a, nil
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
	failed, err := a.Journal.LastFailing(ctx, a.node.Name())
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
	if err := fsx.MkdirAll("check", a.Dir); err != nil {
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
	if err := errors.Join(fsx.MkdirAll("quarantine", filepath.Dir(path)), fsx.Rename("quarantine", d.Bad.Path, path)); err != nil {
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

// judge looks at the new version by the checks that divert nothing.
func (a *audit) judge(ctx context.Context, v *warehouse.Version, checks []*models.Check) error {
	if err := a.Warehouse.Expose(ctx, *v); err != nil {
		return err
	}
	t := check.VersionTable(a.Warehouse.Dialect(), v, a.node)
	if len(t.Key) == 0 {
		t.Key = KeyOf(a.node)
	}
	t.Before, t.Brought = a.published, a.brought
	if v.View != "" && passes(checks) > 4 {
		// Each pass computes the view again; a handful of narrow ones costs less than writing all of it.
		f, err := a.Warehouse.Write(ctx, "SELECT * FROM "+t.From, filepath.Join(a.dir, "view.parquet"))
		if err != nil {
			return err
		}
		t.From, t.Files, t.Exact = a.Warehouse.Dialect().Files([]string{f.Path})+" AS "+a.Warehouse.Dialect().QuoteIdent(t.Name), []warehouse.File{f}, true
	}
	checks, reconciling := apartReconciling(checks)
	results, metrics, err := a.Count(ctx, t, checks)
	if err != nil {
		return fmt.Errorf("check the table: %w", err)
	}
	a.results = append(a.results, results...)
	if a.replay == nil {
		a.metrics = append(a.metrics, metrics...)
	}
	if err := a.reconcile(ctx, v, t, reconciling); err != nil {
		return fmt.Errorf("reconcile the table: %w", err)
	}
	return a.verdict()
}

// judgeAll judges the new version, and rows that were published under other rules.
func (a *audit) judgeAll(ctx context.Context, v *warehouse.Version, checks []*models.Check) error {
	if err := a.exact(v); err != nil {
		return err
	}
	if before := a.before.Table(nameOf(a.node)); before != nil && before.View == "" && before.Rows > 0 { // a view shows what its tables are now
		a.published = a.Warehouse.Dialect().Select(before.Version)
	}
	if a.replay == nil {
		a.brought = broughtBy(a.node, a.step.Equations)
	}
	if err := a.judge(ctx, v, checks); err != nil {
		return err
	}
	if err := a.older(ctx, v); err != nil {
		return err
	}
	return a.verdict()
}

// broughtBy is the number of rows that came in by a step's equations, those included that were diverted: that landed of a stream,
// and that a model's SELECT gave. What a merge calls landed is only what was left of them. Nil when they do not say.
func broughtBy(n *models.Node, equations []warehouse.Equation) *int64 {
	in, names := "", []string{"checked", "built"}
	if n.Stream != nil {
		in, names = "read", []string{"landed"}
	}
	for _, name := range names {
		for _, e := range equations {
			if e.Name == name || e.Name == in {
				rows := e.Get(name)
				return &rows
			}
		}
	}
	return nil
}

// add keeps a result. A check that divides rows several times, because a merge brought new facts, has one result.
func (a *audit) add(r check.Result) {
	for i := range a.results {
		if have := &a.results[i]; have.Name == r.Name {
			r.Failing, r.Quarantined, r.Keys, r.Checked = r.Failing+have.Failing, r.Quarantined+have.Quarantined, r.Keys+have.Keys, max(r.Checked, have.Checked)
			if have.Sample != nil {
				r.Sample, r.SQL = have.Sample, have.SQL
			}
			if r.Status != check.StatusError {
				check.Grade(&r, a.node.Check(r.Name))
			}
			*have = r
			return
		}
	}
	a.results = append(a.results, r)
}

// rules is a hash of the checks that keep rows out of the node's table.
func rules(n *models.Node) string {
	diverting, _ := split(n)
	if len(diverting) == 0 {
		return ""
	}
	var texts []string
	for _, c := range diverting {
		args, err := json.Marshal(c.Args)
		if err != nil {
			panic(fmt.Sprintf("arguments of %s are not JSON: %v", c.Kind, err)) // plain structs of ours: a bug
		}
		texts = append(texts, fmt.Sprintf("%s %q %q %s", c.Kind, c.Columns, c.Where, args))
	}
	sum := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	return hex.EncodeToString(sum[:8])
}

// older looks at rows that were published before the rules that keep rows out were what they are now. They cannot be diverted
// any more: they are told.
func (a *audit) older(ctx context.Context, v *warehouse.Version) error {
	before := a.before.Table(nameOf(a.node))
	diverting, _ := split(a.node)
	a.settled = rules(a.node)
	replaced := a.replay == nil && (!adds(a.node) || a.selection.FullRefresh)
	if before == nil || before.Rows == 0 || len(diverting) == 0 || before.Rules == a.settled || replaced {
		return nil
	}
	refresh := ""
	if adds(a.node) {
		refresh = " --full-refresh"
	}
	results, _, err := a.Count(ctx, check.VersionTable(a.Warehouse.Dialect(), v, a.node), diverting)
	if err != nil {
		return fmt.Errorf("check rows published before: %w", err)
	}
	for _, found := range results {
		if found.Status == check.StatusError {
			a.add(found)
			continue
		}
		if found.Failing == 0 {
			continue
		}
		a.settled = before.Rules // and so they are told again
		a.step.Notes = append(a.step.Notes, fmt.Sprintf("warning: %s is new or has changed, and %d rows that were published before fail it: millrace run %s%s reads them anew", found.Name, found.Failing, a.node.Name(), refresh))
		for i := range a.results {
			if r := &a.results[i]; r.Name == found.Name && r.Status == check.StatusPass {
				r.Status, r.Failing, r.Sample, r.SQL = check.StatusWarn, r.Failing+found.Failing, found.Sample, found.SQL
				r.Message += fmt.Sprintf("; %d rows published before fail", found.Failing)
			}
		}
	}
	return nil
}

// adds says whether runs add to what the node has published, instead of replacing it.
func adds(n *models.Node) bool {
	return n.Stream != nil && n.Stream.Mode != string(extract.Full) || n.Model != nil && n.Model.Materialized == models.Incremental
}

// passes is how often the rows are read for the checks.
func passes(checks []*models.Check) int {
	n := 1
	for _, c := range checks {
		switch c.Kind {
		case "unique":
			n++
		case "reconcile":
			n += 4
		}
	}
	return n
}

// KeyOf are columns that tell a node's rows apart for people.
func KeyOf(n *models.Node) []string {
	if n.Stream != nil && len(n.Stream.Key) > 0 {
		return n.Stream.Key
	}
	if n.Model != nil && len(n.Model.UniqueKey) > 0 {
		return n.Model.UniqueKey
	}
	for _, c := range n.Checks {
		if c.Kind == "unique" && c.Where == "" {
			return c.Columns
		}
	}
	return nil
}

// verdict is a *ChecksError when a check keeps the node from being published.
func (a *audit) verdict() error {
	var failed []check.Result
	for _, r := range a.results {
		if r.Status.Bad() {
			failed = append(failed, r)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &ChecksError{Node: a.node.Name(), Failed: failed}
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

// with is what is published of the node: its table and its quarantine.
func (a *audit) with(ctx context.Context, t load.Table) ([]load.Table, error) {
	q, err := a.quarantine(ctx)
	return together(t, q, err)
}

// together are a table and its quarantine, unless that stays as it is.
func together(t load.Table, q *load.Table, err error) ([]load.Table, error) {
	if err != nil {
		return nil, err
	}
	if q == nil {
		return []load.Table{t}, nil
	}
	if err := closes(q.Equations); err != nil {
		return nil, err
	}
	return []load.Table{t, *q}, nil
}

// quarantine is the table of quarantined rows beside the node's own: this run's and, where the run adds to the table, those of
// earlier runs that are not too old. A run that replaces the table replaces its quarantine too: what was kept out of the version
// before was delivered again, or is gone from the source. Nil when the node has no check that quarantines, or when nothing
// changes.
func (a *audit) quarantine(ctx context.Context) (*load.Table, error) {
	quarantines := slices.ContainsFunc(a.node.Checks, (*models.Check).Quarantines) || a.drift != nil && a.drift.Quarantines()
	if !quarantines || a.columns == nil {
		return a.emptied(a.node, a.anew)
	}
	name := quarantineOf(a.node)
	var prev *warehouse.Version
	before, trimmed := a.before.Table(name), false
	if before != nil && !a.anew {
		prev, trimmed = a.youngOf(before)
	}
	if before != nil && len(a.bad) == 0 && !trimmed && (!a.anew || before.Rows == 0) {
		return nil, nil
	}
	v, equation, err := a.gather(ctx, prev, name, a.bad)
	if err != nil {
		return nil, err
	}
	return &load.Table{Version: *v, Kind: kindQuarantine, Equations: []warehouse.Equation{equation},
		Description: fmt.Sprintf("Rows that checks kept out of %s, with the rules that each failed (%s).", a.node.Name(), check.FailedRules)}, nil
}

// youngOf is a quarantine without the files that are past retention, and whether there were any.
func (a *audit) youngOf(before *load.Table) (kept *warehouse.Version, trimmed bool) {
	v := before.Version
	v.Base = slices.DeleteFunc(slices.Clone(before.Base), func(f warehouse.File) bool { return a.tooOld(f) })
	v.Rows = 0
	for _, f := range v.Base {
		v.Rows += f.Rows
	}
	return &v, len(v.Base) < len(before.Base)
}

// emptied is the published quarantine of a node without its rows, for a version that replaces the whole table and of which
// nothing was kept out. Nil when the version does not, or when there are no rows.
func (r *run) emptied(n *models.Node, anew bool) (*load.Table, error) {
	before := r.before.Table(quarantineOf(n))
	if !anew || before == nil || before.Rows == 0 {
		return nil, nil
	}
	v, equation, err := warehouse.Append(nil, before.Name, nil, before.Columns)
	if err != nil {
		return nil, err
	}
	return &load.Table{Version: *v, Kind: kindQuarantine, Equations: []warehouse.Equation{equation}, Description: before.Description}, nil
}

// unaudited is what is published of a node from which no check keeps rows out.
func (r *run) unaudited(n *models.Node, t load.Table, anew bool) ([]load.Table, error) {
	q, err := r.emptied(n, anew)
	return together(t, q, err)
}

// kindQuarantine is the kind of a table of quarantined rows in the manifest.
const kindQuarantine = "quarantine"

// tooOld says whether all rows of a file were quarantined longer ago than they are kept.
func (a *audit) tooOld(f warehouse.File) bool {
	s, known := f.Stats[check.QuarantinedAt]
	if !known || s.Max == nil {
		return f.Rows == 0
	}
	newest, err := time.Parse("2006-01-02 15:04:05.999999", *s.Max)
	return err == nil && a.LogicalTime.Sub(newest) > a.Project.Target.Retention.Quarantine.Std()
}
