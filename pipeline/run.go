package pipeline

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// This file decides what an attempt is to do: a new run, one that was interrupted, or what failed in another.
// attempt.go does it, outcome.go publishes it.

// Request says what to run.
type Request struct {
	Nodes         []*models.Node     // in dependency order
	FullRefresh   bool               // rebuild incremental nodes from nothing
	Rebuild       bool               // build models although nothing has changed
	AllowEmpty    bool               // let empty snapshots replace tables
	AllowShrunken bool               // let much smaller snapshots replace tables
	LogicalTime   time.Time          // the time that the run stands for; zero: now
	EventTime     *journal.EventTime // what microbatch models are built for; nil: they choose
	Trigger       journal.Trigger    // what began it; "" a command
	Firing        string             // that it belongs to; "" for none
}

// Report is what became of a run.
type Report struct {
	Run       journal.Run    `json:"run"`
	Steps     []journal.Step `json:"steps"`
	Checks    []check.Result `json:"checks"`
	UnitTests []UnitResult   `json:"unit_tests,omitempty"` // of models of dbt that were built
	Snapshot  int64          `json:"snapshot"`             // published by this attempt; 0 when none
	Load      *journal.Load  `json:"load,omitempty"`       // that brought it to what follows the target; nil when there was nothing to bring
	Published []load.Table   `json:"published"`            // what it published
	// Stale are nodes of this run that still show an older version, or that a replay or a backfill has not rebuilt.
	Stale   []string `json:"stale"`
	Next    string   `json:"next,omitempty"` // the command that brings what a replay has brought in into Stale
	Resumed bool     `json:"resumed"`        // the run was taken up where an earlier process left it
	// Already says that this run had done before what was asked for its logical time; nothing was read.
	Already bool `json:"already,omitempty"`
	// Overhead is the time that went into keeping the promises rather than into moving rows: the journal, the
	// second reader, the publish.
	Overhead map[string]float64 `json:"overhead_seconds"`
	Warnings []string           `json:"warnings,omitempty"` // what went wrong behind the publish
	// Compiled are the SELECTs of the models that were built, by node.
	Compiled map[string]string `json:"-"`
}

// Skipped are nodes that were not built because of others, by the node that is the cause of it all.
type Skipped map[string][]string

// Skipped finds the root of each node that was not built.
func (r *Report) Skipped() Skipped {
	culprit, here := map[string]string{}, map[string]bool{}
	for _, s := range r.Steps {
		here[s.Node] = true
		if s.Status == journal.UpstreamFailed {
			culprit[s.Node] = strings.TrimSuffix(s.Error, " failed")
		}
	}
	skipped := Skipped{}
	for _, s := range r.Steps {
		root, found := culprit[s.Node]
		if !found {
			continue
		}
		for next, more := culprit[root]; more; next, more = culprit[root] {
			root = next
		}
		if here[root] {
			skipped[root] = append(skipped[root], s.Node)
		}
	}
	return skipped
}

// Orphan says that the node stands under no other.
func (s Skipped) Orphan(node string) bool {
	for _, under := range s {
		if slices.Contains(under, node) {
			return false
		}
	}
	return true
}

// Exit codes of the command that runs, as design and help texts list them. A run itself ends with ExitOK, ExitFailed, ExitChecks or
// ExitPartial.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitChecks      = 3
	ExitLocked      = 4
	ExitPartial     = 5
	ExitInterrupted = 130
	ExitTerminated  = 143
)

// Run runs the nodes once: it takes the locks, resumes the pipeline's interrupted run when that asked for the same,
// and otherwise begins a new one. The error is nil whenever the run itself came to an end, even a red one: that
// stands in the Report. ErrLocked, ErrInterrupted and failures of the engine's own files are errors.
func (e *Engine) Run(ctx context.Context, req Request) (*Report, error) {
	if len(req.Nodes) == 0 {
		return nil, errors.New("nothing is selected")
	}
	if !req.LogicalTime.IsZero() {
		return e.runAt(ctx, req)
	}
	locks := lockNames(req.Nodes)
	old, unlock, err := e.begin(ctx, locks, names(req.Nodes))
	if err != nil {
		return nil, e.unstarted(ctx, locks, req.Firing, err)
	}
	defer unlock()
	selection := e.selection(req)
	if old != nil && old.Snapshot == nil && old.ProjectHash == e.Project.Hash && reflect.DeepEqual(old.Selection, selection) {
		r := &run{Engine: e, nodes: req.Nodes, selection: selection, resumed: true, Run: *old}
		r.Run.Attempt++
		if req.Firing != "" {
			r.Run.Firing, r.Run.Trigger = req.Firing, req.Trigger
		}
		return r.execute(ctx)
	}
	r, err := e.fresh(ctx, req, locks, old)
	if err != nil {
		return nil, err
	}
	return r.execute(ctx)
}

// selection is what the journal remembers of a request.
func (e *Engine) selection(req Request) journal.Selection {
	return journal.Selection{Nodes: names(req.Nodes), Target: e.Project.Target.Name, FullRefresh: req.FullRefresh, Rebuild: req.Rebuild,
		AllowEmpty: req.AllowEmpty, AllowShrunken: req.AllowShrunken, Vars: e.givenVars(), EventTime: req.EventTime}
}

// givenVars are the variables of the command line, without secrets; nil when there are none.
func (e *Engine) givenVars() map[string]string {
	if len(e.Project.CommandVars) == 0 {
		return nil
	}
	vars := map[string]string{}
	for name, value := range e.Project.CommandVars {
		vars[name] = e.redact(value)
	}
	return vars
}

// fresh is a new run, which overtakes the interrupted one if there is one. The caller holds the locks.
func (e *Engine) fresh(ctx context.Context, req Request, locks []string, interrupted *journal.Run) (*run, error) {
	if interrupted != nil {
		why := "overtaken by a run of another project state, selection or logical time"
		if err := e.Journal.SetRunStatus(ctx, interrupted.ID, journal.Abandoned, why, e.Clock()); err != nil {
			return nil, err
		}
	}
	now := e.Clock()
	logical := now
	if !req.LogicalTime.IsZero() {
		logical = req.LogicalTime.UTC()
	}
	r := &run{Engine: e, nodes: req.Nodes, selection: e.selection(req)}
	r.Run = journal.Run{ID: newRunID(now), Pipeline: strings.Join(locks, "+"), LogicalTime: logical, Attempt: 1, Selection: r.selection, ProjectHash: e.Project.Hash,
		Trigger: cmp.Or(req.Trigger, journal.TriggerCommand), Firing: req.Firing}
	return r, nil
}

// unstarted notes that a run could not even begin: there is no run in the journal that would tell. A firing tells by itself.
func (e *Engine) unstarted(ctx context.Context, locks []string, firing string, err error) error {
	if errors.Is(err, ErrLocked) || errors.Is(err, ErrInterrupted) || firing != "" || ctx.Err() != nil {
		return err
	}
	text := err.Error()
	if hint := hintOf(err); hint != "" {
		text += ": " + hint
	}
	ev := journal.Event{Kind: journal.EventRunUnstarted, Pipeline: strings.Join(locks, "+"), Target: e.target().Name, Text: e.redact(text), At: e.Clock()}
	return errors.Join(err, e.Journal.AddEvent(ctx, ev))
}

// begin takes the locks of a run of these nodes, proves that the target can be written and settles what earlier processes left; it
// returns the interrupted run that may be resumed, if there is one. No nodes: nothing is going to be published.
func (e *Engine) begin(ctx context.Context, locks, nodes []string) (old *journal.Run, unlock func(), err error) {
	unlock, err = e.lock(locks)
	if err != nil {
		return nil, nil, err
	}
	if err = errors.Join(e.apart(ctx, locks, nodes), e.prepare(ctx, nodes != nil)); err == nil {
		old, err = e.settle(ctx, locks)
	}
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return old, unlock, nil
}

// Retry runs again what failed in a run, over the same windows, and publishes it. id "" means the latest run of
// the project for its target, or of a pipeline whose latest has not succeeded where that one has; a pipeline's name that of the pipeline. ErrNoRetry when that run has nothing to retry, or when a later one has gone past it.
func (e *Engine) Retry(ctx context.Context, id string) (*Report, error) {
	old, locks, err := e.toRetry(ctx, id)
	if err != nil {
		return nil, err
	}
	_, unlock, err := e.begin(ctx, locks, old.Selection.Nodes)
	if err != nil {
		return nil, err
	}
	defer unlock()
	r, err := e.again(ctx, old.ID, locks)
	if err != nil {
		return nil, err
	}
	return r.execute(ctx)
}

// again is the next attempt of a run, at what no attempt of it has published. The caller holds the locks.
func (e *Engine) again(ctx context.Context, id string, locks []string) (*run, error) {
	old, err := e.retryable(ctx, id, locks)
	if err != nil {
		return nil, err
	}
	return e.goOn(ctx, old)
}

// goOn is the next attempt of a run that has not published all of its nodes. Streams that failed their checks are read anew: what was
// landed of them would fail again, and it may be the source that was mended.
func (e *Engine) goOn(ctx context.Context, old journal.Run) (*run, error) {
	last, err := e.lastStatus(ctx, old.ID)
	if err != nil {
		return nil, err
	}
	nodes, err := e.unfinished(ctx, old, last)
	if errors.Is(err, ErrNoRetry) { // but what follows the target may not show it yet
		lacks, unknown := e.lacks(ctx)
		if lacks {
			err = nil
		}
		err = errors.Join(err, unknown)
	}
	if err != nil {
		return nil, err
	}
	for _, n := range streamsOf(nodes) {
		if last[n.Name()] == journal.ChecksFailed {
			if err := e.Journal.DropWindow(ctx, old.ID, n.Name()); err != nil {
				return nil, err
			}
		}
	}
	r := &run{Engine: e, nodes: nodes, selection: old.Selection, resumed: true, Run: old}
	r.Run.Attempt++
	return r, nil
}

// toRetry finds the run that is meant and the locks that retrying it takes: its own, and those of the pipelines that
// own its nodes now.
func (e *Engine) toRetry(ctx context.Context, id string) (*journal.Run, []string, error) {
	pl := e.Project.Pipeline(id)
	if id == "" || pl != nil {
		filter, whose := journal.Filter{Target: e.target()}, ""
		if pl != nil {
			filter.Pipeline, whose = id, " of pipeline "+id
		}
		newest, err := e.newest(ctx, filter)
		if id == "" && err == nil && newest.Status == journal.Succeeded {
			newest, err = e.newestRed(ctx, newest)
		}
		if errors.Is(err, journal.ErrNotFound) {
			return nil, nil, fmt.Errorf("%w: there was no run%s yet", ErrNoRetry, whose)
		}
		if err != nil {
			return nil, nil, err
		}
		id = newest.ID
	}
	old, err := e.Journal.Run(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	var nodes []*models.Node
	for _, name := range old.Selection.Nodes {
		if n := e.Project.Node(name); n != nil {
			nodes = append(nodes, n)
		}
	}
	locks := append(strings.Split(old.Pipeline, "+"), lockNames(nodes)...)
	slices.Sort(locks)
	return &old, slices.Compact(locks), nil
}

// retryable refuses a run that is done, or that a later one has gone past. The caller holds the locks.
func (e *Engine) retryable(ctx context.Context, id string, locks []string) (journal.Run, error) {
	old, err := e.Journal.Run(ctx, id)
	if err != nil {
		return old, err
	}
	if old.Status == journal.Succeeded || old.Status == journal.Abandoned {
		return old, fmt.Errorf("%w: run %s has %s", ErrNoRetry, old.ID, old.Status)
	}
	if old.Selection.Replay != nil {
		return old, fmt.Errorf("%w: run %s was a replay: give its command again", ErrNoRetry, old.ID)
	}
	if old.Selection.Target != e.Project.Target.Name {
		return old, fmt.Errorf("%w: run %s was for target %q: add --target %[3]s", ErrNoRetry, old.ID, old.Selection.Target)
	}
	if !maps.Equal(old.Selection.Vars, e.givenVars()) { // what it has built already was built with its own
		return old, fmt.Errorf("%w: run %s was for other variables: `%s` takes it up, `millrace run` begins anew with yours", ErrNoRetry, old.ID,
			ForTarget(e.Project, retry(old)))
	}
	if old.Selection.Backfill != nil { // no run reads past its range
		return old, nil
	}
	later, err := e.latest(ctx, locks)
	if err != nil {
		return old, err
	}
	if later.ID != old.ID {
		return old, fmt.Errorf("%w: run %s came after %s and read past its windows: %s", ErrNoRetry, later.ID, old.ID, e.instead(later))
	}
	return old, nil
}

// newestRed is the newest of the pipelines' latest runs that has not succeeded: of one, the latest run of all may be that of another. The
// given one when all have.
func (e *Engine) newestRed(ctx context.Context, none journal.Run) (journal.Run, error) {
	red := none
	for _, pl := range e.Project.Pipelines {
		r, err := e.newest(ctx, journal.Filter{Pipeline: pl.Name, Target: e.target()})
		if errors.Is(err, journal.ErrNotFound) || err == nil && (r.Status == journal.Succeeded || r.Status == journal.Abandoned) {
			continue
		}
		if err != nil {
			return r, err
		}
		if red.ID == none.ID || r.Started.After(red.Started) {
			red = r
		}
	}
	return red, nil
}

// instead is what to do where a later run is in the way of a retry.
func (e *Engine) instead(later journal.Run) string {
	if later.Status != journal.Succeeded && later.Status != journal.Abandoned {
		return "`" + ForTarget(e.Project, "millrace retry "+later.ID) + "` goes on with that one"
	}
	return "that one has " + string(later.Status) + "; a plain millrace run reads and builds once more"
}

// newest is the newest run that read what is new or built something; replays and backfills do not count, because no run's
// windows end with them.
func (e *Engine) newest(ctx context.Context, f journal.Filter) (journal.Run, error) {
	f.Working, f.Limit = true, 1
	runs, err := e.Journal.Runs(ctx, f)
	if err != nil {
		return journal.Run{}, err
	}
	if len(runs) == 0 {
		return journal.Run{}, journal.ErrNotFound
	}
	return runs[0], nil
}

// latest is the newest run for our target, but for replays and backfills, that took any of the locks.
func (e *Engine) latest(ctx context.Context, locks []string) (journal.Run, error) {
	return e.Journal.LatestOf(ctx, locks, e.target())
}

// unfinished are the nodes of the run that no attempt of it has published.
func (e *Engine) unfinished(ctx context.Context, old journal.Run, last map[string]journal.Status) ([]*models.Node, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, name := range old.Selection.Nodes {
		wanted[name] = true
	}
	var nodes []*models.Node
	for _, n := range e.Project.Nodes {
		table := m.Table(nameOf(n))
		published := table != nil && (table.Run == old.ID || old.Snapshot != nil && e.isAside(ctx, table.Run))
		if wanted[n.Name()] && !(last[n.Name()] == journal.Succeeded && published) {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("%w: every node of run %s is published, or gone from the project", ErrNoRetry, old.ID)
	}
	return nodes, nil
}

// lastStatus is what became of each node of a run in the last attempt that was at it.
func (e *Engine) lastStatus(ctx context.Context, run string) (map[string]journal.Status, error) {
	steps, err := e.Journal.Steps(ctx, run)
	last := map[string]journal.Status{}
	for _, s := range steps {
		last[s.Node] = s.Status
	}
	return last, err
}

// isAside says whether the run was a replay or a backfill: it stands on what a run before it published.
func (e *Engine) isAside(ctx context.Context, id string) bool {
	r, err := e.Journal.Run(ctx, id)
	return err == nil && r.Selection.Aside()
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
// gone. One whose publish was done is completed; the newest run of all is returned when it can be resumed. A run for another target waits
// for the next one for that.
func (e *Engine) settle(ctx context.Context, locks []string) (*journal.Run, error) {
	var interrupted []journal.Run
	for _, status := range []journal.Status{journal.Running, journal.Interrupted} {
		runs, err := e.Journal.Runs(ctx, journal.Filter{Status: status})
		if err != nil {
			return nil, err
		}
		for _, old := range runs {
			if !shares(old, locks) || !e.target().Is(old.Selection.Target) {
				continue
			}
			completed, err := e.settleOne(ctx, &old)
			if err != nil {
				return nil, err
			}
			if !completed && old.Selection.Replay != nil { // nothing is lost: the rows are still in quarantine
				if err := e.Journal.SetRunStatus(ctx, old.ID, journal.Abandoned, "its process ended; a replay is not resumed, but begun anew", e.Clock()); err != nil {
					return nil, err
				}
			} else if !completed && old.Selection.Backfill == nil { // a backfill waits until it is taken up or given up
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
	if err := e.placeExports(old.ID, m); err != nil {
		e.Log.Warn(err.Error(), "run", old.ID)
	}
	now := e.Clock()
	old.Status, old.Finished, old.Snapshot = journal.Succeeded, &now, &m.Snapshot
	code := ExitOK
	onlyChecks := true
	for _, s := range steps {
		if s.Status != journal.Succeeded {
			old.Status, code = journal.Partial, ExitPartial
			onlyChecks = onlyChecks && s.Status != journal.Failed
		}
	}
	if code == ExitPartial && onlyChecks {
		code = ExitChecks
	}
	following, err := e.Following(ctx)
	if err != nil {
		return err
	}
	if following.Lacks() && len(e.showing(old.Selection.Nodes, following.Behind)) > 0 {
		old.Behind = code == ExitOK
		old.Status, code = journal.Partial, cmp.Or(code, ExitPartial)
		old.Error = (&BehindError{Place: following.Place, Snapshot: following.Published, Tables: following.Behind, Err: errors.New("the run's process ended before it was brought there")}).Error()
	}
	old.ExitCode = &code
	return e.Journal.EndAttempt(ctx, old, e.standsFor(old), cursorsOf(m, old.ID), nil)
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
