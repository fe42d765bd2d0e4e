package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/warehouse"
)

// forTemplates is what templates may know of the run.
func (r *run) forTemplates() transform.Run {
	r.templatesOnce.Do(func() {
		r.templates = transform.Run{Started: r.LogicalTime, ID: r.ID, FullRefresh: r.selection.FullRefresh}
		if of := r.selection.EventTime; of != nil {
			r.templates.From, r.templates.To = of.From, of.To
		}
		for _, n := range r.nodes {
			r.templates.Selected = append(r.templates.Selected, r.Project.UniqueID(n))
		}
	})
	return r.templates
}

// buildAll builds every seed, model and entity of the run, each behind what it reads, in one engine that may touch nothing but this
// run's files and the target's.
func (r *run) buildAll(ctx context.Context) (err error) {
	var todo []*models.Node
	for _, n := range r.nodes {
		if n.Kind.Built() {
			todo = append(todo, n)
		}
	}
	if len(todo) == 0 {
		return nil
	}
	engine, err := r.Warehouse(ctx, warehouse.Config{Memory: r.engineMemory(1), Threads: r.Threads,
		Temp: filepath.Join(r.runDir(r.ID), "spill"), Dirs: r.checkPlaces()})
	if err != nil {
		return err
	}
	defer engine.Close()
	w := r.onDemand(engine, r.before, "run", r.ID)
	b := &transform.Builder{
		Project: r.Project, Warehouse: w, Published: w, Run: r.forTemplates(),
		Warn: func(node, message string) { r.Log.Warn(message, "run", r.ID, "step", node) }, Log: r.said,
	}
	r.shared, r.walked, r.unshown = w, map[string]bool{}, map[string]bool{}
	for _, n := range todo {
		r.walked[n.Name()] = true
	}
	defer func() { err = errors.Join(err, r.closeGate()) }()
	r.expose(ctx, w, todo)
	notes, err := b.Begin(ctx, todo)
	if err != nil {
		return refusedHook(err)
	}
	err = transform.Walk(ctx, todo, r.width(), func(ctx context.Context, n *models.Node) error { return r.buildOne(ctx, b, n) })
	if err = errors.Join(err, r.halted()); err != nil {
		return err
	}
	return r.endBuild(ctx, b, notes)
}

// buildOne builds a node, unless another one hinders it.
func (r *run) buildOne(ctx context.Context, b *transform.Builder, n *models.Node) error {
	if r.stopping() {
		return r.halt()
	}
	if culprit := r.failedNeed(n); culprit != "" {
		return r.skip(ctx, n, culprit)
	}
	build := func(ctx context.Context, s *journal.Step) ([]load.Table, error) { return r.modelOrKept(ctx, b, n, s) }
	switch {
	case n.Kind == models.KindEntity:
		build = func(ctx context.Context, s *journal.Step) ([]load.Table, error) {
			return r.entity(ctx, b.Warehouse, n, s)
		}
	case n.Kind == models.KindSeed:
		build = func(ctx context.Context, s *journal.Step) ([]load.Table, error) { return r.seedOrKept(ctx, b, n, s) }
	case n.Model.Materialized == models.Ephemeral:
		_, judging := split(n)
		if len(judging)+len(r.Project.UnitTestsOf(n)) == 0 { // there is nothing to do but for those that read it
			r.count(1)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.results[n.Name()] = &result{status: journal.Succeeded}
			return nil
		}
		build = func(ctx context.Context, s *journal.Step) ([]load.Table, error) {
			return nil, r.ephemeral(ctx, b, n, s, judging)
		}
	}
	return r.step(ctx, n, build)
}

// endBuild runs the hooks of the run's end, and tells what hooks have noted.
func (r *run) endBuild(ctx context.Context, b *transform.Builder, notes []string) error {
	if len(r.Project.OnRunEnd) > 0 {
		if err := r.checkDeferred(ctx); err != nil {
			return err
		}
	}
	more, err := b.End(ctx, r.resultsForHooks())
	switch {
	case err != nil && ctx.Err() != nil:
		return refusedHook(err)
	case err != nil: // what was built and passed is published all the same, as in dbt
		r.hooksEnd = fmt.Errorf("%s%w", hooksEndFailed, refusedHook(err))
	}
	r.hooksEnd = withLeftOut(r.hooksEnd, b.LeftOut())
	for _, note := range slices.Concat(notes, more) {
		r.warn("%s", note) // there is no step that would tell
	}
	return nil
}

// said tells what a template says: it is a line of the run's log, and shown to those who wait.
func (r *run) said(node, message string) {
	r.says(false, message, "step", node)
	r.observe(Event{Kind: "said", Node: node, Text: message})
}

// hooksEndFailed begins the error of a run whose nodes are all published, and whose last hooks failed.
const hooksEndFailed = "hook of the run's end: "

// hooksLeftOut begins the error of a run that did all but statements of hooks.
const hooksLeftOut = "statements of hooks are left out, no model makes their tables: "

// withLeftOut adds the statements that were left out to what is told of hooks.
func withLeftOut(ended error, left []*transform.Error) error {
	if len(left) == 0 {
		return ended
	}
	var all []string
	for _, e := range left {
		all = append(all, e.Pos+": "+e.What)
	}
	out := errors.New(hooksLeftOut + strings.Join(all, ", "))
	if ended != nil {
		return fmt.Errorf("%w; %w", ended, out)
	}
	return out
}

// refusedHook is why a run does not go on, with the hook's place: no step would show it.
func refusedHook(err error) error {
	var te *transform.Error
	if !errors.As(err, &te) {
		return fmt.Errorf("hooks: %w", err)
	}
	text := te.Pos + ": " + te.Err.Error()
	if te.Hint != "" {
		text += ": " + te.Hint
	}
	return errors.New(text)
}

// expose makes readable what the models read and this run does not build: this run's streams, and published tables.
// A model's own previous rows are exposed too, for {{ this }}. What cannot be exposed, such as a published view whose
// table has changed under it, is left out and fails the models that need it, no other.
func (r *run) expose(ctx context.Context, w warehouse.Warehouse, todo []*models.Node) {
	x := &exposure{run: r, w: w, seen: map[string]bool{}, waits: true}
	for _, n := range todo {
		x.seen[n.Name()] = true
	}
	for _, n := range todo {
		if before := r.before.Table(nameOf(n)); before != nil && before.View == "" && (n.Kind == models.KindEntity || adds(n)) {
			x.put(ctx, before.Version)
		}
		for _, need := range reads(n) {
			x.name(ctx, need.Name())
		}
	}
}

// exposure walks from what models read to what published views read in turn.
type exposure struct {
	*run
	w     warehouse.Warehouse
	seen  map[string]bool
	waits bool // before the walk: views that show what it makes are exposed behind that
}

// name exposes the newest version of a table, behind everything that its SELECT reads.
func (x *exposure) name(ctx context.Context, name string) {
	if x.seen[name] {
		return
	}
	x.seen[name] = true
	schema, table, _ := strings.Cut(name, ".")
	published := x.before.Table(warehouse.Name{Schema: schema, Table: table})
	if n := x.Project.Node(name); n != nil {
		if v := x.version(n); v != nil && (published == nil || v != &published.Version) {
			if v.View != "" { // of this run: it is bound when it is exposed
				for _, need := range reads(n) {
					x.name(ctx, need.Name())
				}
			}
			x.put(ctx, *v)
			return
		}
	}
	if published == nil {
		return
	}
	for _, need := range published.Needs {
		x.name(ctx, need)
	}
	if x.waits && x.showsWalked(published) {
		x.mu.Lock()
		x.unshown[name] = true
		x.mu.Unlock()
		return
	}
	x.put(ctx, published.Version)
}

// showsWalked says whether a published view reads a table that the walk makes, or another such view: it can be read behind that only.
func (x *exposure) showsWalked(t *load.Table) bool {
	return t.View != "" && slices.ContainsFunc(t.Needs, func(need string) bool { return x.walked[need] || x.unshown[need] })
}

// exposeBehind exposes a published view that shows what the walk has made by now.
func (r *run) exposeBehind(ctx context.Context, name string) {
	r.mu.Lock()
	waiting := r.unshown[name]
	delete(r.unshown, name)
	r.mu.Unlock()
	schema, table, _ := strings.Cut(name, ".")
	published := r.before.Table(warehouse.Name{Schema: schema, Table: table})
	if !waiting || published == nil {
		return
	}
	for _, need := range published.Needs {
		r.exposeBehind(ctx, need)
	}
	(&exposure{run: r, w: r.shared}).put(ctx, published.Version)
}

func (x *exposure) put(ctx context.Context, v warehouse.Version) {
	if err := x.w.Expose(ctx, v); err != nil {
		x.Log.Warn("published table cannot be read", "run", x.ID, "table", v.Name.String(), "error", err)
		x.mu.Lock()
		x.unreadable[v.Name.String()] = err
		x.mu.Unlock()
	}
}

// version is the node's newest version that a model of this run may read: this run's own, or the published one.
func (r *run) version(n *models.Node) *warehouse.Version {
	r.mu.Lock()
	defer r.mu.Unlock()
	if res := r.results[n.Name()]; res != nil && len(res.tables) > 0 {
		return &res.tables[0].Version
	}
	if before := r.before.Table(nameOf(n)); before != nil {
		return &before.Version
	}
	return nil
}

// model builds one model.
func (r *run) model(ctx context.Context, b *transform.Builder, n *models.Node, s *journal.Step) (_ []load.Table, err error) {
	if err := r.unitTested(ctx, n); err != nil {
		return nil, err
	}
	job := transform.Job{Node: n, Now: r.LogicalTime}
	if job.Dir, err = r.stage(n); err != nil {
		return nil, err
	}
	if before := r.before.Table(nameOf(n)); before != nil && (before.View == "" || n.Model.Materialized == models.Snapshot) && !r.rebuilds(n) {
		job.Before = &before.Version
		if why := mergedOtherwise(n, before); why != "" && keeps(n) {
			return nil, &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: fmt.Errorf("the published table was not merged by %v, and full_refresh: false does not let it be built anew", n.Model.UniqueKey),
				Hint: "give the model the unique_key that it had, or another strategy"}
		} else if why != "" {
			job.Before, s.Notes = nil, append(s.Notes, why)
		}
		if r.rebuildsModels() && adds(n) {
			s.Notes = append(s.Notes, stays(n))
		}
		if r.selection.Backfill != nil && job.Before != nil && n.Model.Materialized == models.Incremental {
			s.Notes = append(s.Notes, fmt.Sprintf("warning: it is incremental, and takes up of the range what its own condition lets through: millrace run %s --full-refresh builds it from all rows", n.Name()))
		}
	}
	return r.make(ctx, b, job, s, func(job transform.Job) (*transform.Built, error) { return b.Build(ctx, job) })
}

// ephemeral runs the checks of a model that has no table, over what its SELECT gives. What reads it is not built when one fails.
func (r *run) ephemeral(ctx context.Context, b *transform.Builder, n *models.Node, s *journal.Step, checks []*models.Check) (err error) {
	if err := r.unitTested(ctx, n); err != nil {
		return err
	}
	a, err := r.newAudit(n, s, b.Warehouse, r.runDir(r.ID))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.save(ctx)) }()
	v, err := r.inPlace(ctx, b, n)
	if err != nil {
		return err
	}
	if err := a.judgeAll(ctx, v, checks); err != nil {
		return explainModel(n, err)
	}
	return nil
}

// inPlace is an ephemeral model as the view that its SELECT is.
func (r *run) inPlace(ctx context.Context, b *transform.Builder, n *models.Node) (*warehouse.Version, error) {
	query, columns, err := b.Describe(ctx, transform.Job{Node: n, Now: r.LogicalTime})
	if err != nil {
		return nil, explainModel(n, err)
	}
	return &warehouse.Version{Name: nameOf(n), Columns: columns, View: query}, nil
}

// stage makes an empty folder for the files of a node that is built.
func (r *run) stage(n *models.Node) (string, error) {
	dir := filepath.Join(r.runDir(r.ID), fileName(n.Name()))
	if err := errors.Join(os.RemoveAll(dir), fsx.MkdirAll(string(n.Kind), dir, 0o700)); err != nil {
		return "", fmt.Errorf("stage %s: %w", n.Kind, err)
	}
	return dir, nil
}

// make builds a node's version, verifies what was written, and checks it.
func (r *run) make(ctx context.Context, b *transform.Builder, job transform.Job, s *journal.Step, build func(transform.Job) (*transform.Built, error)) (_ []load.Table, err error) {
	n := job.Node
	diverting, judging := split(n)
	var a *audit
	if len(n.Checks) > 0 {
		if a, err = r.newAudit(n, s, b.Warehouse, r.runDir(r.ID)); err == nil {
			err = a.forget()
		}
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, a.save(ctx)) }()
	}
	if n.Contract() != nil {
		job.Shape = a.shape(job.Before)
	}
	if len(diverting) > 0 {
		job.Divider = a
	}
	built, err := build(job)
	if err != nil {
		return nil, explainModel(n, err)
	}
	if built.SQL != "" {
		r.mu.Lock()
		r.compiled[n.Name()] = built.SQL
		r.mu.Unlock()
	}
	if err := r.verify(built.Version, built.Written); err != nil {
		return nil, err
	}
	s.Notes = append(s.Notes, built.Notes...)
	s.Rows, s.Equations = built.Version.Rows, slices.Concat(s.Equations, built.Equations)
	t := load.Table{Version: built.Version, Kind: string(n.Kind), Equations: s.Equations, Description: n.Description}
	if n.Model != nil && n.Model.Materialized == models.Incremental {
		t.Mode = string(n.Model.Strategy)
	}
	for _, need := range reads(n) {
		t.Needs = append(t.Needs, need.Name())
	}
	anew := job.Before == nil || !adds(n)
	if a == nil {
		return r.unaudited(n, t, anew)
	}
	a.anew = anew
	if err := a.judgeAll(ctx, &built.Version, judging); err != nil {
		return nil, explainModel(n, err)
	}
	t.Rules = a.settled
	return a.with(ctx, t)
}

// keeps says that the model's table is never built anew, whatever a run is asked.
func keeps(n *models.Node) bool {
	return n.Model != nil && (n.Model.Materialized == models.Snapshot || n.Model.Materialized == models.Incremental && n.Model.FullRefresh != nil && !*n.Model.FullRefresh)
}

// rebuilds says whether the run builds the model from nothing though it would else add to its table.
func (r *run) rebuilds(n *models.Node) bool {
	if n.Model == nil || keeps(n) {
		return false
	}
	return n.Model.FullRefresh != nil && *n.Model.FullRefresh || r.rebuildsModels()
}

// stays says why a model's table is not built anew by a run that was asked to.
func stays(n *models.Node) string {
	if n.Model.Materialized == models.Snapshot {
		return fmt.Sprintf("a snapshot is never built anew, for its history could not be had again: to begin another, take it out of the project for as long as `millrace state drop %s` takes", n.Name())
	}
	return "it is not built anew: full_refresh: false"
}

// mergedOtherwise says why rows of the model cannot be merged into its table as it is published; "" when they can.
func mergedOtherwise(n *models.Node, before *load.Table) string {
	m := n.Model
	if m.Materialized != models.Incremental || m.Strategy != models.StrategyMerge || len(before.Key) == 0 && before.Mode == string(m.Strategy) || slices.EqualFunc(before.Key, m.UniqueKey, strings.EqualFold) {
		return ""
	}
	return fmt.Sprintf("built anew: the published table was not merged by %v", m.UniqueKey)
}

// reads is what a node reads, with what it reads through ephemeral models.
func reads(n *models.Node) []*models.Node { return behindEphemeral(n.Needs) }

// behindEphemeral are tables, those that ephemeral ones among them read in their place.
func behindEphemeral(nodes []*models.Node) []*models.Node {
	var all []*models.Node
	for _, need := range nodes {
		if need.Model != nil && need.Model.Materialized == models.Ephemeral {
			all = append(all, reads(need)...)
		} else {
			all = append(all, need)
		}
	}
	return all
}

// inputs refuses to build on a table that does not exist yet.
func (r *run) inputs(ctx context.Context, n *models.Node) error {
	for _, need := range reads(n) {
		r.unshownMu.Lock() // who comes second finds it exposed
		r.exposeBehind(ctx, need.Name())
		r.unshownMu.Unlock()
		if r.version(need) == nil {
			return &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: fmt.Errorf("it reads %s, which was never built", need.Name()),
				Hint: fmt.Sprintf("millrace run +%s builds it with all it reads", n.Table)}
		}
		r.mu.Lock()
		err := r.unreadable[need.Name()]
		r.mu.Unlock()
		if err != nil {
			return &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: fmt.Errorf("it reads %s, whose published version cannot be read any more: %w", need.Name(), err),
				Hint: fmt.Sprintf("millrace run +%s builds it with all it reads", n.Table)}
		}
	}
	return nil
}

func explainModel(n *models.Node, err error) error {
	var te *transform.Error
	if errors.As(err, &te) {
		return &StepError{Node: n.Name(), Pos: te.Pos, Err: te.Err, Hint: cmp.Or(te.Hint, hintOnDisk(te.Err))}
	}
	var me *match.Error
	if errors.As(err, &me) && !several(err) {
		return &StepError{Node: n.Name(), Pos: me.Pos.String(), Err: me.Err, Hint: me.Hint}
	}
	var ce *ChecksError
	var placed *StepError
	if errors.Is(err, context.Canceled) || errors.As(err, &ce) || errors.As(err, &placed) {
		return err
	}
	return &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: err, Hint: hintOnDisk(err)}
}

// hintOnDisk is what to do when a disk is full.
func hintOnDisk(err error) string {
	if errors.Is(err, syscall.ENOSPC) {
		return "free space on that disk, then `millrace retry`: what was landed is kept"
	}
	return ""
}

// verify opens newly written files of the version with the second reader.
func (r *run) verify(v warehouse.Version, written []warehouse.File) error {
	r.phase(v.Name.String(), "verify")
	deletes := map[string]bool{}
	for _, f := range v.Deletes {
		deletes[f.Path] = true
	}
	for _, f := range written {
		columns := v.Columns
		if deletes[f.Path] {
			columns = v.KeyColumns()
		}
		if err := r.check(f, columns); err != nil {
			return err
		}
	}
	return nil
}

// check opens one new file with the second reader.
func (r *run) check(f warehouse.File, columns []warehouse.Column) error {
	return r.timed("second reader", func() error { return warehouse.Verify(f.Path, f, columns, r.Verify == VerifyFull) })
}
