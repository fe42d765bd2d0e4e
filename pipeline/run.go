package pipeline

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// Request says what to run.
type Request struct {
	Nodes         []*models.Node // in dependency order
	FullRefresh   bool           // rebuild incremental nodes from nothing
	AllowEmpty    bool           // let empty snapshots replace tables
	AllowShrunken bool           // let much smaller snapshots replace tables
}

// Report is what became of a run.
type Report struct {
	Run       journal.Run    `json:"run"`
	Steps     []journal.Step `json:"steps"`
	Snapshot  int64          `json:"snapshot"`  // published by this attempt; 0 when none
	Published []load.Table   `json:"published"` // what it published
	Stale     []string       `json:"stale"`     // nodes of this run that still show an older version
	Resumed   bool           `json:"resumed"`   // the run was taken up where an earlier process left it
	// Overhead is the time that went into keeping the promises rather than into moving rows: the journal, the
	// second reader, the publish.
	Overhead map[string]float64 `json:"overhead_seconds"`
	Warnings []string           `json:"warnings,omitempty"` // what went wrong behind the publish
}

// Exit codes of a run, as design and help texts list them.
const (
	ExitOK      = 0
	ExitFailed  = 1
	ExitPartial = 5
)

// Run runs the nodes once: it takes the locks, resumes the pipeline's interrupted run when that asked for the same,
// and otherwise begins a new one. The error is nil whenever the run itself came to an end, even a red one: that
// stands in the Report. ErrLocked, ErrInterrupted and failures of the engine's own files are errors.
func (e *Engine) Run(ctx context.Context, req Request) (*Report, error) {
	if len(req.Nodes) == 0 {
		return nil, errors.New("nothing is selected")
	}
	locks := lockNames(req.Nodes)
	unlock, err := e.lock(locks)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := e.Loader.Prepare(ctx); err != nil {
		return nil, err
	}
	selection := journal.Selection{Nodes: names(req.Nodes), FullRefresh: req.FullRefresh, AllowEmpty: req.AllowEmpty, AllowShrunken: req.AllowShrunken}
	pipelineName := strings.Join(locks, "+")
	old, err := e.settle(ctx, locks)
	if err != nil {
		return nil, err
	}
	r := &run{Engine: e, nodes: req.Nodes, selection: selection}
	if old != nil && old.ProjectHash == e.Project.Hash && reflect.DeepEqual(old.Selection, selection) {
		r.Run = *old
		r.Run.Attempt++
		r.resumed = true
	} else {
		if old != nil {
			if err := e.Journal.SetRunStatus(ctx, old.ID, journal.Abandoned, "overtaken by a run of another project state or selection", e.Clock()); err != nil {
				return nil, err
			}
		}
		now := e.Clock()
		r.Run = journal.Run{ID: newRunID(now), Pipeline: pipelineName, LogicalTime: now, Attempt: 1, Selection: selection, ProjectHash: e.Project.Hash}
	}
	return r.execute(ctx)
}

// Retry runs again what failed in a run, over the same windows, and publishes it. id "" means the latest run of
// the project. ErrNoRetry when that run has nothing to retry, or when a later one has gone past it.
func (e *Engine) Retry(ctx context.Context, id string) (*Report, error) {
	old, err := e.retryable(ctx, id)
	if err != nil {
		return nil, err
	}
	nodes, err := e.unfinished(ctx, old)
	if err != nil {
		return nil, err
	}
	locks := strings.Split(old.Pipeline, "+")
	unlock, err := e.lock(locks)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := e.Loader.Prepare(ctx); err != nil {
		return nil, err
	}
	if _, err := e.settle(ctx, locks); err != nil {
		return nil, err
	}
	if old, err = e.Journal.Run(ctx, old.ID); err != nil {
		return nil, err
	}
	if old.Status == journal.Succeeded {
		return nil, fmt.Errorf("%w: run %s was published after all", ErrNoRetry, old.ID)
	}
	r := &run{Engine: e, nodes: nodes, selection: old.Selection, resumed: true}
	r.Run = old
	r.Run.Attempt++
	return r.execute(ctx)
}

func (e *Engine) retryable(ctx context.Context, id string) (journal.Run, error) {
	if id == "" {
		runs, err := e.Journal.Runs(ctx, journal.Filter{Limit: 1})
		if err != nil {
			return journal.Run{}, err
		}
		if len(runs) == 0 {
			return journal.Run{}, fmt.Errorf("%w: there was no run yet", ErrNoRetry)
		}
		id = runs[0].ID
	}
	old, err := e.Journal.Run(ctx, id)
	if err != nil {
		return old, err
	}
	if old.Status == journal.Succeeded || old.Status == journal.Abandoned {
		return old, fmt.Errorf("%w: run %s has %s", ErrNoRetry, old.ID, old.Status)
	}
	later, err := e.latest(ctx, strings.Split(old.Pipeline, "+"))
	if err != nil {
		return old, err
	}
	if later.ID != old.ID {
		return old, fmt.Errorf("%w: run %s came after %s and read past its windows", ErrNoRetry, later.ID, old.ID)
	}
	return old, nil
}

// latest is the newest run that took any of the locks.
func (e *Engine) latest(ctx context.Context, locks []string) (journal.Run, error) {
	runs, err := e.Journal.Runs(ctx, journal.Filter{})
	if err != nil {
		return journal.Run{}, err
	}
	for _, r := range runs {
		if shares(r, locks) {
			return r, nil
		}
	}
	return journal.Run{}, journal.ErrNotFound
}

// unfinished are the nodes of the run that no attempt of it has published.
func (e *Engine) unfinished(ctx context.Context, old journal.Run) ([]*models.Node, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, name := range old.Selection.Nodes {
		wanted[name] = true
	}
	steps, err := e.Journal.Steps(ctx, old.ID)
	if err != nil {
		return nil, err
	}
	done := map[string]bool{}
	for _, s := range steps {
		done[s.Node] = s.Status == journal.Succeeded
	}
	var nodes []*models.Node
	for _, n := range e.Project.Nodes {
		table := m.Table(nameOf(n))
		published := table != nil && table.Run == old.ID
		if wanted[n.Name()] && !(done[n.Name()] && published) {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("%w: every node of run %s is published, or gone from the project", ErrNoRetry, old.ID)
	}
	return nodes, nil
}

// shares says whether the run took any of the locks.
func shares(r journal.Run, locks []string) bool {
	for _, own := range strings.Split(r.Pipeline, "+") {
		if slices.Contains(locks, own) {
			return true
		}
	}
	return false
}

// settle looks at runs that the journal still calls running although we hold one of their locks: their process is
// gone. One whose publish was done is completed; the newest run of all is returned when it can be resumed.
func (e *Engine) settle(ctx context.Context, locks []string) (*journal.Run, error) {
	var interrupted []journal.Run
	for _, status := range []journal.Status{journal.Running, journal.Interrupted} {
		runs, err := e.Journal.Runs(ctx, journal.Filter{Status: status})
		if err != nil {
			return nil, err
		}
		for _, old := range runs {
			if !shares(old, locks) {
				continue
			}
			completed, err := e.settleOne(ctx, &old)
			if err != nil {
				return nil, err
			}
			if !completed {
				interrupted = append(interrupted, old)
			}
		}
	}
	if len(interrupted) == 0 {
		return nil, nil
	}
	newest, err := e.latest(ctx, locks)
	if err != nil {
		return nil, err
	}
	var resumable *journal.Run
	for _, old := range interrupted {
		if old.ID == newest.ID && old.Pipeline == strings.Join(locks, "+") {
			resumable = &old
			continue
		}
		if err := e.Journal.SetRunStatus(ctx, old.ID, journal.Abandoned, "overtaken by another run", e.Clock()); err != nil {
			return nil, err
		}
	}
	return resumable, nil
}

// settleOne completes a run that is published, and calls any other interrupted.
func (e *Engine) settleOne(ctx context.Context, old *journal.Run) (completed bool, err error) {
	m, err := e.Loader.Published(ctx, old.ID, old.Attempt)
	if err != nil {
		return false, err
	}
	if m != nil {
		return true, e.complete(ctx, *old, m)
	}
	if old.Status == journal.Running {
		old.Status = journal.Interrupted
		return false, e.Journal.SetRunStatus(ctx, old.ID, journal.Interrupted, "its process ended without a word", e.Clock())
	}
	return false, nil
}

// complete brings the journal up to what the manifest says: the process died between the swap and its last commit.
func (e *Engine) complete(ctx context.Context, old journal.Run, m *load.Manifest) error {
	steps, err := e.Journal.Steps(ctx, old.ID)
	if err != nil {
		return err
	}
	now := e.Clock()
	old.Status, old.Finished, old.Snapshot = journal.Succeeded, &now, &m.Snapshot
	code := ExitOK
	for _, s := range steps {
		if s.Status != journal.Succeeded {
			old.Status, code = journal.Partial, ExitPartial
		}
	}
	old.ExitCode = &code
	return e.Journal.FinishRun(ctx, old, cursorsOf(m, old.ID))
}

func cursorsOf(m *load.Manifest, run string) map[string]extract.Cursor {
	cursors := map[string]extract.Cursor{}
	for _, t := range m.Tables {
		if t.Run == run && t.Cursor != "" {
			cursors[t.Name.String()] = extract.Cursor(t.Cursor)
		}
	}
	return cursors
}

// newRunID is sortable by time and short enough to type a prefix of.
func newRunID(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:])
	return now.Format("20060102T150405") + "-" + hex.EncodeToString(b[:])
}

func names(nodes []*models.Node) []string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		all[i] = n.Name()
	}
	return all
}

// run is one attempt of a run in progress.
type run struct {
	*Engine
	journal.Run
	nodes     []*models.Node
	selection journal.Selection
	resumed   bool
	before    *load.Manifest // what was published when the attempt began

	mu      sync.Mutex
	results map[string]*result
	done    int
	spent   map[string]time.Duration // on what Report.Overhead tells

	warnings []string // only touched when nothing runs at once any more
}

// timed adds what f takes to the run's overhead of that name.
func (r *run) timed(name string, f func() error) error {
	begin := time.Now()
	err := f()
	r.mu.Lock()
	r.spent[name] += time.Since(begin)
	r.mu.Unlock()
	return err
}

// result is what became of a node in this attempt.
type result struct {
	status journal.Status
	step   journal.Step // zero for ephemeral models
	table  *load.Table  // what to publish; nil when there is nothing new
}

func (r *run) execute(ctx context.Context) (*Report, error) {
	before, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	r.before, r.results, r.spent = before, map[string]*result{}, map[string]time.Duration{}
	r.Run.Status, r.Run.Started, r.Run.PID, r.Run.Version = journal.Running, r.Clock(), os.Getpid(), r.Engine.Version
	if err := fsx.MkdirAll("run", r.runDir(r.ID)); err != nil {
		return nil, fmt.Errorf("stage run: %w", err)
	}
	if err := r.Journal.BeginRun(ctx, r.Run); err != nil {
		return nil, err
	}
	if err := r.prune(ctx); err != nil {
		return nil, err
	}
	if err := r.work(ctx); err != nil {
		return nil, r.interrupted(ctx, err)
	}
	return r.finish(ctx)
}

// work extracts every stream, then builds every model. Only interruption and failures of the engine itself come
// back as an error; a node's failure is its result.
func (r *run) work(ctx context.Context) error {
	if err := r.extractAll(ctx); err != nil {
		return err
	}
	return r.buildAll(ctx)
}

// interrupted records that the attempt ended at a checkpoint, or broke.
func (r *run) interrupted(ctx context.Context, cause error) error {
	ctx = context.WithoutCancel(ctx)
	status, text := journal.Interrupted, cause.Error()
	if !errors.Is(cause, ErrInterrupted) && !errors.Is(cause, context.Canceled) {
		status = journal.Failed
	}
	now := r.Clock()
	r.Run.Status, r.Run.Finished, r.Run.Error = status, &now, text
	return errors.Join(cause, r.Journal.FinishRun(ctx, r.Run, nil))
}

// finish publishes what may be published and closes the run.
func (r *run) finish(ctx context.Context) (*Report, error) {
	report := &Report{Resumed: r.resumed}
	tables, err := r.publishable(ctx)
	if err != nil {
		return nil, r.interrupted(ctx, err)
	}
	var m *load.Manifest
	if len(tables) > 0 {
		if m, err = r.publish(ctx, tables); err != nil {
			now, code := r.Clock(), ExitFailed
			r.Run.Status, r.Run.Finished, r.Run.Error, r.Run.ExitCode = journal.Failed, &now, err.Error(), &code
			return nil, errors.Join(err, r.Journal.FinishRun(context.WithoutCancel(ctx), r.Run, nil))
		}
		report.Snapshot, r.Run.Snapshot = m.Snapshot, &m.Snapshot
		for _, t := range m.Tables {
			if t.Snapshot == m.Snapshot {
				report.Published = append(report.Published, t)
			}
		}
	}
	r.verdict(m != nil)
	return report, r.close(ctx, report, m)
}

// publish makes the tables visible. An error behind the swap of the pointer comes too late to be a failure: what
// readers see decides, and the run is told as published, with the error as a warning.
func (r *run) publish(ctx context.Context, tables []load.Table) (m *load.Manifest, err error) {
	r.observe(Event{Kind: "start", Phase: "publish", Of: len(r.nodes)})
	err = r.timed("publish", func() (err error) {
		m, err = r.Loader.Publish(ctx, load.Publication{Run: r.ID, Attempt: r.Attempt, Pipeline: r.Pipeline, LogicalTime: r.LogicalTime,
			Project: r.Project.Name, Millrace: r.Engine.Version, Tables: tables})
		return err
	})
	if err != nil {
		seen, seenErr := r.Loader.Published(context.WithoutCancel(ctx), r.ID, r.Attempt)
		if seen == nil || seenErr != nil {
			return nil, errors.Join(err, seenErr)
		}
		r.warn("the tables are published, but the disk did not confirm the last step; after a power failure readers may see the snapshot before: %v", err)
		m = seen
	}
	r.observe(Event{Kind: "done", Phase: "publish", Of: len(r.nodes)})
	return m, nil
}

// warn notes what went wrong without making the run a failure.
func (r *run) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.Log.Warn(text, "run", r.ID)
	r.warnings = append(r.warnings, text)
}

// close brings the journal and the staging up to what is published. When something is, an error of theirs is a
// warning: the manifest is the truth, and the next run completes the journal from it.
func (r *run) close(ctx context.Context, report *Report, m *load.Manifest) error {
	var cursors map[string]extract.Cursor
	if m != nil {
		cursors = cursorsOf(m, r.ID)
	}
	err := r.Journal.FinishRun(ctx, r.Run, cursors)
	report.Steps = r.steps()
	if err == nil && r.Run.Status == journal.Succeeded {
		err = os.RemoveAll(r.runDir(r.ID))
	}
	if m != nil {
		if err != nil {
			r.warn("the tables are published, but the journal does not say so yet; the next run mends it: %v", err)
			err = nil
		}
		// What is past retention goes; that it could not go is no failure of what was published.
		if _, gcErr := r.Loader.Collect(ctx, false); gcErr != nil {
			r.warn("garbage collection: %v", gcErr)
		}
	}
	report.Run, report.Stale, report.Overhead, report.Warnings = r.Run, r.stale(), map[string]float64{}, r.warnings
	for name, took := range r.spent {
		report.Overhead[name] = took.Seconds()
	}
	return err
}

// steps are the run's steps in the order of its nodes.
func (r *run) steps() []journal.Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []journal.Step
	for _, n := range r.nodes {
		if res := r.results[n.Name()]; res != nil && res.step.Node != "" {
			all = append(all, res.step)
		}
	}
	return all
}

// verdict sets the run's status and exit code. A run with nothing new to publish and no failure has succeeded.
func (r *run) verdict(published bool) {
	failed := []string{}
	for _, n := range r.nodes {
		if res := r.results[n.Name()]; res == nil || res.status != journal.Succeeded {
			failed = append(failed, n.Name())
		}
	}
	now, code := r.Clock(), ExitOK
	r.Run.Status = journal.Succeeded
	if len(failed) > 0 {
		r.Run.Error = fmt.Sprintf("%d of %d nodes failed: %s", len(failed), len(r.nodes), strings.Join(failed, ", "))
		r.Run.Status, code = journal.Failed, ExitFailed
		if published {
			r.Run.Status, code = journal.Partial, ExitPartial
		}
	}
	r.Run.Finished, r.Run.ExitCode = &now, &code
}

// stale are the nodes of the run that failed and still show an older version.
func (r *run) stale() []string {
	stale := []string{}
	for _, n := range r.nodes {
		if res := r.results[n.Name()]; (res == nil || res.status != journal.Succeeded) && r.before.Table(nameOf(n)) != nil {
			stale = append(stale, n.Name())
		}
	}
	return stale
}

// publishable verifies the new files of the nodes that succeeded and returns their tables: all that did, or none
// when the pipeline publishes all or nothing and something failed.
func (r *run) publishable(ctx context.Context) ([]load.Table, error) {
	all := true
	for _, n := range r.nodes {
		if res := r.results[n.Name()]; res == nil || res.status != journal.Succeeded {
			all = false
		}
	}
	var tables []load.Table
	for _, n := range r.nodes {
		res := r.results[n.Name()]
		if res == nil || res.status != journal.Succeeded || res.table == nil {
			continue
		}
		if p := r.Project.Pipeline(n.Pipeline); !all && p != nil && p.Publish == "all" {
			continue
		}
		tables = append(tables, *res.table)
	}
	return tables, nil
}

// step runs one node's work between its two journal entries.
func (r *run) step(ctx context.Context, n *models.Node, work func(context.Context, *journal.Step) (*load.Table, error)) error {
	s := journal.Step{Run: r.ID, Node: n.Name(), Kind: string(n.Kind), Attempt: r.Attempt, Status: journal.Running, Started: r.Clock()}
	if err := r.timed("journal", func() error { return r.Journal.SaveStep(ctx, s) }); err != nil {
		return err
	}
	r.observe(Event{Kind: "start", Node: n.Name(), Step: r.count(0), Of: len(r.nodes)})
	r.Log.Info("step starts", "run", r.ID, "step", n.Name())
	table, err := work(ctx, &s)
	if err != nil && (errors.Is(err, ErrInterrupted) || ctx.Err() != nil) {
		return errors.Join(ErrInterrupted, context.Cause(ctx))
	}
	now := r.Clock()
	s.Finished, s.Status = &now, journal.Succeeded
	if err != nil {
		s.Status, s.Error = journal.Failed, err.Error()
		var se *StepError
		if errors.As(err, &se) {
			s.Hint = se.Hint
		}
	}
	equation := ""
	if len(s.Equations) > 0 {
		equation = s.Equations[0].String()
	}
	r.observe(Event{Kind: "done", Node: n.Name(), Status: s.Status, Step: r.count(1), Of: len(r.nodes), Rows: s.Rows, Bytes: s.Bytes, Took: now.Sub(s.Started), Err: err, Equation: equation})
	r.Log.Info("step ends", "run", r.ID, "step", n.Name(), "status", s.Status, "rows", s.Rows, "took", now.Sub(s.Started))
	r.mu.Lock()
	r.results[n.Name()] = &result{status: s.Status, step: s, table: table}
	r.mu.Unlock()
	return r.timed("journal", func() error { return r.Journal.SaveStep(context.WithoutCancel(ctx), s) })
}

// count adds to the number of nodes that are done and returns it.
func (r *run) count(more int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += more
	return r.done
}

// skip records a node that cannot be built because something above it failed.
func (r *run) skip(ctx context.Context, n *models.Node, culprit string) error {
	now := r.Clock()
	s := journal.Step{Run: r.ID, Node: n.Name(), Kind: string(n.Kind), Attempt: r.Attempt, Status: journal.UpstreamFailed, Started: now, Finished: &now,
		Error: culprit + " failed"}
	r.mu.Lock()
	r.results[n.Name()] = &result{status: s.Status, step: s}
	r.mu.Unlock()
	r.observe(Event{Kind: "done", Node: n.Name(), Status: s.Status, Step: r.count(1), Of: len(r.nodes), Err: errors.New(s.Error)})
	return r.Journal.SaveStep(ctx, s)
}

// failedNeed names a node above n that failed in this attempt, or "".
func (r *run) failedNeed(n *models.Node) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, need := range n.Needs {
		if res := r.results[need.Name()]; res != nil && res.status != journal.Succeeded {
			return need.Name()
		}
	}
	return ""
}

// prune removes the staging of runs that can no longer be resumed: those of this pipeline that are not this run,
// and those that the journal does not know.
func (r *run) prune(ctx context.Context) error {
	entries, err := os.ReadDir(r.runsDir())
	if err != nil {
		return fmt.Errorf("prune staging: %w", err)
	}
	for _, entry := range entries {
		old, err := r.Journal.Run(ctx, entry.Name())
		if errors.Is(err, journal.ErrNotFound) || (err == nil && old.ID != r.ID && shares(old, strings.Split(r.Pipeline, "+"))) {
			if err := os.RemoveAll(filepath.Join(r.runsDir(), entry.Name())); err != nil {
				return fmt.Errorf("prune staging: %w", err)
			}
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
