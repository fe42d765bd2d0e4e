// Package pipeline runs a project: it plans, takes locks, extracts parts, builds models, checks that every row is
// accounted for, and publishes. It is the only package that knows the order of these acts. It knows no source, no
// engine and no target by name: cmd hands them in as an Engine. Read Engine, then run.go.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// Engine is a project with everything that running it needs. Its exported fields are set once, before use.
type Engine struct {
	Project    *models.Project
	Journal    *journal.Journal
	Loader     load.Loader
	OpenLoader func(*models.Project) (load.Loader, error) // of the project's target; only pruning asks for it, to look at the other targets
	Follower   load.Follower                              // brings what is published to the place that follows the target; nil: none does, or it is not needed
	TargetRoot string                                     // folder of the target that the warehouse may read
	Warehouse  warehouse.Open
	OpenSource func(*models.Source) (extract.Source, error)
	// Examiner gives what a source's type has for Doctor, nil for types that have nothing. Only Doctor needs it.
	Examiner func(*models.Source) Examine
	Log      *slog.Logger
	Clock    clock.Clock
	Version  string              // of the binary
	Memory   int64               // bytes for the whole process
	Threads  int                 // processors to use
	Verify   VerifyLevel         // how new files are checked before publish
	Observe  func(Event)         // told of progress; may be nil
	Redact   func(string) string // takes secrets out of what is kept and shown; may be nil
	Stop     chan struct{}       // closed to ask a run to finish the part in hand, checkpoint and return ErrInterrupted
	Grace    time.Duration       // that what is in hand gets when a run's timeout is over
	// GiveUp ends the process, for the reason given: a statement has not heeded for the time of Heed that its context was cancelled. The journal
	// knows by then, unless it could not be written soon. Nil: the statement is waited for.
	GiveUp func(why error)
	Heed   time.Duration

	Patience time.Duration // that what follows the target gets to be prepared before a run; a minute when 0

	browses bool // it serves people who look: see Browse
}

// VerifyLevel says how thoroughly the second reader checks a new file.
type VerifyLevel string

// VerifyFooter checks counts, types, nulls and bounds; VerifyFull decodes every value as well.
const (
	VerifyFooter VerifyLevel = "footer"
	VerifyFull   VerifyLevel = "full"
)

// Event is a step's progress, for people who wait.
type Event struct {
	Run  string
	Node string
	// Kind is "begin" or "end" of an attempt; "building" or "built": its timeout counts in between; "start", "phase", "progress" or "done" of
	// a step; "slice": one of a backfill's is landed; "said": a template says Text.
	Kind     string
	Status   journal.Status
	Step, Of int   // this node is number Step of Of
	Rows     int64 // so far
	Bytes    int64 // of input, so far
	Total    int64 // bytes of input expected, or, in the phase match, pairs, which are its Rows; 0 when unknown
	Took     time.Duration
	Err      error
	Equation string
	// Unchanged says of a step that is done that it has built nothing: its table is what would come of it.
	Unchanged bool
	Phase     string       // extract, build, match, verify, check, publish, load
	Whole     *journal.Run // the attempt, where it begins and ends
	Text      string       // of a "said"
	Slice     string       // of a "slice", which is Step of Of of its node's
}

func (e *Engine) observe(ev Event) {
	if e.Observe != nil {
		e.Observe(ev)
	}
}

// observe tells of progress in this run.
func (r *run) observe(ev Event) {
	ev.Run = r.ID
	r.Engine.observe(ev)
}

// phase tells that a node's step goes on with another kind of work.
func (r *run) phase(node, phase string) { r.observe(Event{Kind: "phase", Node: node, Phase: phase}) }

func (e *Engine) redact(text string) string {
	if e.Redact == nil {
		return text
	}
	return e.Redact(text)
}

// Stopping says whether a run was asked to end.
func (e *Engine) Stopping() bool { return e.stopping() }

// stopping says whether the run was asked to end at the next checkpoint.
func (e *Engine) stopping() bool {
	select {
	case <-e.Stop:
		return true
	default:
		return false
	}
}

func (e *Engine) runsDir() string          { return filepath.Join(e.Project.StateDir(), "runs") }
func (e *Engine) runDir(run string) string { return filepath.Join(e.runsDir(), run) }
func (e *Engine) rejectsDir(run string) string {
	return filepath.Join(e.Project.StateDir(), "rejects", run)
}

// Errors that decide exit codes.
var (
	// ErrInterrupted says that a run ended at a checkpoint because it was asked to.
	ErrInterrupted = errors.New("interrupted after a checkpoint")
	// ErrLocked says that another process runs the pipeline.
	ErrLocked = errors.New("locked by another run")
	// ErrNoRetry says that there is nothing to retry.
	ErrNoRetry = errors.New("nothing to retry")
	// ErrEquation says that rows are not accounted for.
	ErrEquation = warehouse.ErrUnbalanced
)

// StepError is a node's failure, with what to do about it.
type StepError struct {
	Node string
	Pos  string // file:line:column, "" when the failure has no place in a file
	Err  error
	Hint string
}

func (e *StepError) Error() string {
	if e.Pos != "" {
		return fmt.Sprintf("%s: %s: %v", e.Pos, e.Node, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Node, e.Err)
}

func (e *StepError) Unwrap() error { return e.Err }

// current is the published manifest, an empty one when nothing is published. A target whose pointer is lost looks
// like one whose very first publish was cut off; the journal can tell them apart.
func (e *Engine) current(ctx context.Context) (*load.Manifest, error) {
	m, err := e.Loader.Current(ctx)
	if !errors.Is(err, load.ErrNothing) {
		return m, err
	}
	if e.Journal == nil { // doctor looks without one
		return &load.Manifest{}, nil
	}
	cursors, err := e.Journal.Cursors(ctx)
	if err != nil || len(cursors) == 0 {
		return &load.Manifest{}, err
	}
	published, err := e.Journal.Runs(ctx, journal.Filter{Target: e.target(), Published: true, Limit: 1})
	if err == nil && len(published) > 0 {
		return nil, fmt.Errorf("%w: the journal knows what was published to %s, but the pointer %s is not there: restore the folder or point it at the newest of its snapshots (ln -s snapshots/N current); to start over on purpose, remove %s as well",
			load.ErrDamaged, e.TargetRoot, filepath.Join(e.TargetRoot, "current"), e.Project.StateDir())
	}
	return &load.Manifest{}, err
}

func nameOf(n *models.Node) warehouse.Name {
	return warehouse.Name{Schema: n.Schema, Table: n.Table}
}
