package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/transform/match/master"
	"github.com/millrace/millrace/warehouse"
)

// run is one attempt of a run in progress.
type run struct {
	*Engine
	journal.Run
	nodes     []*models.Node
	selection journal.Selection
	resumed   bool
	replay    *replay        // what a replay does instead of reading and building
	before    *load.Manifest // what was published when the attempt began
	told      *slog.Logger   // the engine's own log; Log writes into the run's as well
	outcomes  *slog.Logger   // the run's log alone, also when that has reached its limit
	closeLog  func()
	deadline  deadline
	ranges    map[*models.Node]*extract.Range // what a backfill reads of its streams

	mu      sync.Mutex
	results map[string]*result
	begun   map[string]journal.Step // steps that are under way
	done    int
	windows int                      // that sources have given
	spent   map[string]time.Duration // on what Report.Overhead tells
	stopped bool                     // a step was not begun, or given up, because the run is to end

	metrics       map[string][]check.Metric
	checks        map[string][]check.Result      // by node
	late          bool                           // deferred checks have run
	compiled      map[string]string              // SELECTs of models that were built, by node
	ended         map[*models.Node]chan struct{} // of streams: closed when one is done
	matches       map[*models.Entity]*master.Matched
	shared        warehouse.Warehouse // in which models are built
	walked        map[string]bool     // models that are built in the shared engine, which exposes them itself
	unshown       map[string]bool     // published views that show what the walk makes, until they are exposed
	unshownMu     sync.Mutex          // held while they are
	unreadable    map[string]error    // published tables that could not be exposed to models
	templatesOnce sync.Once
	templates     transform.Run // what they may know of the run: see forTemplates
	gate          unitGate
	hooksEnd      error // of the hooks of the run's end; nil when they did what they say
	behind        error // why what follows the target does not show what is published; nil when it does
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
	tables []load.Table // what to publish: the node's own, then its quarantine; none when there is nothing new
}

func (r *run) execute(ctx context.Context) (report *Report, err error) {
	before, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	if r.ranges, err = r.rangesOf(r.selection.Backfill, r.nodes, r.LogicalTime); err != nil {
		return nil, err
	}
	r.before, r.results, r.spent, r.unreadable = before, map[string]*result{}, map[string]time.Duration{}, map[string]error{}
	r.begun, r.matches = map[string]journal.Step{}, map[*models.Entity]*master.Matched{}
	r.checks, r.metrics, r.compiled = map[string][]check.Result{}, map[string][]check.Metric{}, map[string]string{}
	now := r.Clock()
	if r.resumed {
		r.Run.Resumed = &now
	} else {
		r.Run.Started = now
	}
	r.Run.Status, r.Run.PID, r.Run.Version = journal.Running, os.Getpid(), r.Engine.Version
	// The journal first: another pipeline's prune takes a folder that the journal does not know for rubbish.
	if err := r.Journal.BeginRun(ctx, r.Run); err != nil {
		return nil, err
	}
	// Again, now that others see us: of two runs that begin at once, one at least goes no further.
	if err := r.apart(ctx, strings.Split(r.Pipeline, "+"), names(r.nodes)); err != nil {
		return nil, r.interrupted(ctx, err)
	}
	r.closeLog = sync.OnceFunc(r.openLog())
	r.saysStart()
	defer func() {
		r.saysEnd(err)
		r.closeLog()
	}()
	if err := fsx.MkdirAll("run", r.runDir(r.ID), 0o700); err != nil {
		return nil, fmt.Errorf("stage run: %w", err)
	}
	if err := r.prune(ctx); err != nil {
		return nil, err
	}
	r.observe(Event{Kind: "building"})
	limited, within := r.limit(ctx)
	err = r.work(limited)
	within()
	r.observe(Event{Kind: "built"})
	switch {
	case err != nil && r.deadline.expired.Load() && ctx.Err() == nil:
		return r.tooLong(ctx)
	case err != nil:
		err = r.interrupted(ctx, err)
		return r.unfinished(), err
	}
	return r.finish(ctx)
}

// unfinished tells of an attempt that has published nothing what it came to: what was made is withheld, what was in hand has not come to its end.
func (r *run) unfinished() *Report {
	report := &Report{Run: r.Run, Resumed: r.resumed, Steps: r.steps(), UnitTests: r.gate.results, Compiled: r.compiled}
	for i, s := range report.Steps {
		if s.Status == journal.Succeeded {
			report.Steps[i].Status, report.Steps[i].Error = journal.Withheld, "not published: the run has not come to its end"
		}
	}
	for _, n := range r.nodes {
		if s, begun := r.begun[n.Name()]; begun {
			s.Status, s.Finished, s.Error = journal.Interrupted, r.Run.Finished, "the run ended: "+r.Run.Error
			report.Steps = append(report.Steps, s)
		}
		report.Checks = append(report.Checks, r.checks[n.Name()]...)
	}
	return report
}

// work extracts every stream, then builds every model, and decides what may be published of them. Only interruption and
// failures of the engine itself come back as an error; a node's failure is its result.
func (r *run) work(ctx context.Context) error {
	if r.replay != nil {
		if err := r.replayRows(ctx); err != nil {
			return err
		}
	} else if err := r.extractAll(ctx); err != nil {
		return err
	}
	return r.stoppable(ctx, func(ctx context.Context) error {
		if r.replay == nil {
			if err := r.buildAll(ctx); err != nil {
				return err
			}
		}
		return errors.Join(r.checkDeferred(ctx), r.withhold(ctx))
	})
}

// stoppable does work of which nothing is kept when the run ends before all is published: it is given up as soon as the run is asked to end. A
// replay has nothing that could be taken up, and has the grace to come to its end.
func (r *run) stoppable(ctx context.Context, work func(context.Context) error) error {
	if r.replay != nil {
		return work(ctx)
	}
	until, cancel := r.untilStopped(ctx)
	defer cancel()
	err := work(until)
	if err != nil && ctx.Err() == nil && until.Err() != nil && !errors.Is(err, ErrInterrupted) {
		err = fmt.Errorf("%w: %w", ErrInterrupted, err)
	}
	return err
}

// halt notes that a step was not begun because the run is to end. It is no error: what is under way goes on to its
// checkpoint.
func (r *run) halt() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	return nil
}

// halted is ErrInterrupted when a step was left out.
func (r *run) halted() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return ErrInterrupted
	}
	return nil
}

// interrupted records that the attempt ended at a checkpoint, or broke.
func (r *run) interrupted(ctx context.Context, cause error) error {
	ctx = context.WithoutCancel(ctx)
	status, text := journal.Interrupted, r.redact(cause.Error())
	if !errors.Is(cause, ErrInterrupted) && !errors.Is(cause, ErrLocked) && !errors.Is(cause, context.Canceled) {
		status = journal.Failed
	}
	now := r.Clock()
	r.Run.Status, r.Run.Finished, r.Run.Error = status, &now, text
	return errors.Join(cause, r.Journal.EndAttempt(ctx, r.Run, nil, nil, r.tableRows()))
}

// step runs one node's work between its two journal entries.
func (r *run) step(ctx context.Context, n *models.Node, work func(context.Context, *journal.Step) ([]load.Table, error)) error {
	s := journal.Step{Run: r.ID, Node: n.Name(), Kind: string(n.Kind), Attempt: r.Attempt, Status: journal.Running, Started: r.Clock()}
	if err := r.timed("journal", func() error { return r.Journal.SaveStep(ctx, s) }); err != nil {
		return err
	}
	phase := "build"
	if n.Kind == models.KindStream {
		phase = "extract"
	}
	r.observe(Event{Kind: "start", Node: n.Name(), Step: r.count(0), Of: len(r.nodes), Phase: phase})
	r.says(false, "step starts", "step", n.Name(), "kind", n.Kind)
	r.mu.Lock()
	r.begun[n.Name()] = s
	r.mu.Unlock()
	var tables []load.Table
	err := r.within(ctx, n, func(ctx context.Context) (err error) {
		tables, err = work(ctx, &s)
		return err
	})
	if ctx.Err() != nil {
		return errors.Join(ErrInterrupted, context.Cause(ctx))
	}
	if errors.Is(err, ErrInterrupted) {
		return r.halt()
	}
	now, told := r.Clock(), shown(n, err)
	s.Finished, s.Status = &now, journal.Succeeded
	if err != nil {
		tables = nil
		r.blame(&s, n, err, told)
	}
	for i, note := range s.Notes {
		s.Notes[i] = r.redact(note)
	}
	equation := ""
	if len(s.Equations) > 0 {
		equation = s.Equations[0].String()
	}
	r.observe(Event{Kind: "done", Node: n.Name(), Status: s.Status, Step: r.count(1), Of: len(r.nodes), Rows: s.Rows, Bytes: s.Bytes,
		Took: now.Sub(s.Started), Err: told, Equation: equation, Unchanged: s.Unchanged})
	r.saysStep(s, now.Sub(s.Started), equation)
	r.mu.Lock()
	r.results[n.Name()] = &result{status: s.Status, step: s, tables: tables}
	delete(r.begun, n.Name())
	r.mu.Unlock()
	return r.timed("journal", func() error { return r.Journal.SaveStep(context.WithoutCancel(ctx), s) })
}

// blame says in a step what it failed by, as people are told of it, and what to do next.
func (r *run) blame(s *journal.Step, n *models.Node, err, told error) {
	s.Status, s.Error = journal.Failed, r.redact(told.Error())
	var se *StepError
	var ce *ChecksError
	var ue *upstreamError
	switch {
	case errors.As(err, &ce) && !several(err):
		s.Status, s.Hint = journal.ChecksFailed, fmt.Sprintf("millrace report %s shows the rows and the SQL", r.ID)
		if ce.unrun() {
			s.Hint = "no row was found wrong: mend the check, or what it says of the table's columns"
		} else if by := readers(n); len(by) > 0 { // a retry builds from what was read
			s.Hint += fmt.Sprintf("; rows that are mended in their source are read by `%s`",
				ForTarget(r.Project, "millrace run "+strings.Join(by, " ")))
		}
		if r.before.Table(nameOf(n)) != nil {
			s.Hint += "; the table keeps its previous version"
		}
	case errors.As(err, &ue):
		s.Status = journal.UpstreamFailed
	case errors.As(err, &se):
		s.Hint = r.redact(se.Hint)
	}
}

// count adds to the number of nodes that are done and returns it.
func (r *run) count(more int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += more
	return r.done
}

// several says whether the error is more than one: then it is not the checks' alone.
func several(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	return ok && len(joined.Unwrap()) > 1
}

// readers are the pipelines that read the streams behind a model, and its own, in this order: what they read is to be built with it.
func readers(model *models.Node) []string {
	if model.Model == nil || model.Pipeline == "" {
		return nil
	}
	var by []string
	for _, n := range model.Upstream() {
		if n.Stream != nil && n.Pipeline != "" && n.Pipeline != model.Pipeline && !slices.Contains(by, n.Pipeline) {
			by = append(by, n.Pipeline)
		}
	}
	return append(by, model.Pipeline)
}

// upstreamError says that a node cannot be made because another failed.
type upstreamError struct{ culprit string }

func (e *upstreamError) Error() string { return e.culprit + " failed" }

// skip records a node that cannot be built because something above it failed.
func (r *run) skip(ctx context.Context, n *models.Node, culprit string) error {
	now := r.Clock()
	s := journal.Step{Run: r.ID, Node: n.Name(), Kind: string(n.Kind), Attempt: r.Attempt, Status: journal.UpstreamFailed, Started: now, Finished: &now,
		Error: culprit + " failed"}
	r.mu.Lock()
	r.results[n.Name()] = &result{status: s.Status, step: s}
	r.mu.Unlock()
	r.observe(Event{Kind: "done", Node: n.Name(), Status: s.Status, Step: r.count(1), Of: len(r.nodes), Err: errors.New(s.Error)})
	r.saysStep(s, 0, "")
	return r.Journal.SaveStep(ctx, s)
}

// failedNeed names a node above n that failed in this attempt, or "".
func (r *run) failedNeed(n *models.Node) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, need := range transform.Walked(n, func(m *models.Node) bool { return r.results[m.Name()] != nil }) {
		if r.results[need.Name()].status != journal.Succeeded {
			return need.Name()
		}
	}
	return ""
}

// prune removes the staging of runs that can no longer be resumed: those of this pipeline that are not this run,
// unless one of the two stands aside: a replay or a backfill overtakes none, and a backfill's waits to be taken up. And those
// that the journal does not know.
func (r *run) prune(ctx context.Context) error {
	entries, err := os.ReadDir(r.runsDir())
	if err != nil {
		return fmt.Errorf("prune staging: %w", err)
	}
	for _, entry := range entries {
		old, err := r.Journal.Run(ctx, entry.Name())
		overtaken := err == nil && old.ID != r.ID && !r.selection.Aside() && !unfinishedBackfill(old) && shares(old, strings.Split(r.Pipeline, "+"))
		if errors.Is(err, journal.ErrNotFound) || overtaken {
			if err := os.RemoveAll(filepath.Join(r.runsDir(), entry.Name())); err != nil {
				return fmt.Errorf("prune staging: %w", err)
			}
		}
	}
	return nil
}
