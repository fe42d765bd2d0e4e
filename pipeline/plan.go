package pipeline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// Plan says what a run of some nodes would read and change, as far as that can be known without doing it.
type Plan struct {
	Project  string        `json:"project"`
	Target   string        `json:"target"`
	Snapshot int64         `json:"snapshot"` // published now; 0: nothing yet
	Locks    []LockState   `json:"locks"`    // that the run takes
	Pending  *PendingRun   `json:"pending_run,omitempty"`
	Nodes    []PlannedNode `json:"nodes"`          // in dependency order
	Load     *PlannedLoad  `json:"load,omitempty"` // nil when nothing follows the target
	Problems int           `json:"problems"`
}

// LockState is a pipeline's lock as it is now.
type LockState struct {
	Pipeline string `json:"pipeline"`
	Held     bool   `json:"held"`
	Owner    *Owner `json:"owner,omitempty"`
}

// PendingRun is an unfinished run of the same pipelines.
type PendingRun struct {
	Run     string        `json:"run"`
	Attempt int           `json:"attempt"`
	Status  RunState      `json:"status"`
	Started time.Time     `json:"started"`
	Parts   int           `json:"parts"` // landed already
	Resumed bool          `json:"resumed"`
	Why     string        `json:"why,omitempty"` // it is not resumed
	stored  journal.Run   // as the journal has it
	age     time.Duration // since it began
}

// PlannedNode is one node of a plan.
type PlannedNode struct {
	Name         string             `json:"name"`
	Kind         string             `json:"kind"`
	Mode         string             `json:"mode"` // of a stream; the materialization of a model
	Strategy     string             `json:"strategy,omitempty"`
	Pipeline     string             `json:"pipeline"`
	Reads        []string           `json:"reads"`
	Published    *PublishedState    `json:"published,omitempty"` // nil: never built
	Columns      []warehouse.Column `json:"columns"`
	Changes      []SchemaChange     `json:"schema_changes"`
	Rows         int64              `json:"estimated_rows"`  // -1: unknown
	Bytes        int64              `json:"estimated_bytes"` // -1: unknown
	Slices       int                `json:"slices"`          // pieces to read, since the cursor
	SliceBytes   int64              `json:"slice_bytes"`
	UpToDate     bool               `json:"up_to_date"` // a stream with nothing new
	Notes        []string           `json:"notes"`
	Pins         []PlannedPin       `json:"pins,omitempty"`
	SQL          string             `json:"sql,omitempty"`
	Build        *PlannedBuild      `json:"build,omitempty"` // of a model that becomes a table: whether a run builds it, and why
	Error        string             `json:"error,omitempty"`
	At           string             `json:"at,omitempty"` // file:line:column of the error
	Hint         string             `json:"hint,omitempty"`
	Unknown      bool               `json:"unknown"` // it could not be looked at because of a node above it
	UnknownCause string             `json:"unknown_because,omitempty"`
	// CheckProblems are checks that a run could not run.
	CheckProblems []CheckProblem `json:"check_problems"`
}

// PlannedPin is a key that --pin would write under the stream.
type PlannedPin struct {
	Key  string `json:"key"`
	YAML string `json:"yaml"`
}

// PublishedState is what readers see of a table.
type PublishedState struct {
	Rows        int64     `json:"rows"` // 0 of a view: nobody has counted them
	View        bool      `json:"view"`
	PublishedAt time.Time `json:"published_at"`
	AgeSeconds  int64     `json:"age_seconds"`
	Run         string    `json:"run"`
	Snapshot    int64     `json:"snapshot"`
}

// Plan looks at the sources and the published tables and says what a run of the nodes would do. It journals
// nothing and takes no lock.
func (e *Engine) Plan(ctx context.Context, nodes []*models.Node) (*Plan, error) {
	return e.plan(ctx, nodes, false)
}

// PlanMatching is Plan, and matches the records of each entity as they are published now, to say what would become of its golden ids.
func (e *Engine) PlanMatching(ctx context.Context, nodes []*models.Node) (*Plan, error) {
	return e.plan(ctx, nodes, true)
}

func (e *Engine) plan(ctx context.Context, nodes []*models.Node, match bool) (*Plan, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	locks := lockNames(nodes)
	p := &Plan{Project: e.Project.Name, Target: e.Project.Target.Name, Snapshot: m.Snapshot, Nodes: []PlannedNode{}}
	for _, name := range locks {
		p.Locks = append(p.Locks, e.lockState(name))
	}
	if p.Pending, err = e.pending(ctx, strings.Join(locks, "+"), nodes); err != nil {
		return nil, err
	}
	pl := &planning{Engine: e, before: m, match: match, planned: map[*models.Node]*PlannedNode{}}
	for _, n := range nodes {
		pl.planned[n] = pl.start(n)
	}
	if err := pl.streams(ctx, nodes); err != nil {
		return nil, err
	}
	if err := pl.models(ctx, nodes); err != nil {
		return nil, err
	}
	if err := pl.notePersonal(ctx, nodes); err != nil {
		return nil, err
	}
	for _, n := range nodes {
		one := pl.planned[n]
		one.noteTerms(pl.Project, n)
		if one.Error != "" {
			p.Problems++
		}
		p.Problems += len(one.CheckProblems)
		p.Nodes = append(p.Nodes, *one)
	}
	p.Load, err = e.planLoad(ctx, nodes)
	return p, err
}

// pending finds the run that the next one would take up or give up.
func (e *Engine) pending(ctx context.Context, pipelineName string, nodes []*models.Node) (*PendingRun, error) {
	latest, err := e.Journal.Runs(ctx, journal.Filter{Pipeline: pipelineName, Working: true, Target: e.target(), Limit: 1})
	if err != nil || len(latest) == 0 {
		return nil, err
	}
	r := latest[0]
	state := e.stateOf(r)
	if state != StateRunning && state != StateInterrupted {
		return nil, nil
	}
	parts, err := e.Journal.Parts(ctx, r.ID, "")
	if err != nil {
		return nil, err
	}
	out := &PendingRun{Run: r.ID, Attempt: r.Attempt, Status: state, Started: r.Started, Parts: len(parts), stored: r, age: e.Clock().Sub(r.Started)}
	switch {
	case state == StateRunning:
		out.Why = "it is running now"
	case r.ProjectHash != e.Project.Hash:
		out.Why = "the project has changed since"
	case r.Selection.FullRefresh || r.Selection.Rebuild || r.Selection.AllowEmpty || r.Selection.AllowShrunken ||
		r.Selection.EventTime != nil || !reflect.DeepEqual(r.Selection.Nodes, names(nodes)):
		out.Why = "it had another selection or other flags"
	default:
		out.Resumed = true
	}
	return out, nil
}

// planning is one Plan being made.
type planning struct {
	*Engine
	before  *load.Manifest
	match   bool // entities too
	planned map[*models.Node]*PlannedNode
}

func (pl *planning) start(n *models.Node) *PlannedNode {
	one := &PlannedNode{Name: n.Name(), Kind: string(n.Kind), Pipeline: n.Pipeline, Reads: []string{}, Columns: []warehouse.Column{},
		Changes: []SchemaChange{}, Notes: []string{}, CheckProblems: []CheckProblem{}, Rows: -1, Bytes: -1, Published: pl.published(n)}
	if n.Stream != nil {
		one.Mode = n.Stream.Mode
		return one
	}
	if n.Model != nil {
		one.Mode, one.Strategy = string(n.Model.Materialized), string(n.Model.Strategy)
	}
	for _, need := range n.Needs {
		one.Reads = append(one.Reads, need.Name())
	}
	return one
}

func (pl *planning) published(n *models.Node) *PublishedState {
	t := pl.before.Table(nameOf(n))
	if t == nil {
		return nil
	}
	return publishedState(*t, pl.Clock())
}

func publishedState(t load.Table, now time.Time) *PublishedState {
	return &PublishedState{Rows: t.Rows, View: t.View != "", PublishedAt: t.PublishedAt, AgeSeconds: int64(now.Sub(t.LoadedAt()).Seconds()), Run: t.Run, Snapshot: t.Snapshot}
}

// noteTerms notes columns that have another type than their business terms. What the files say of types, lint compares.
func (one *PlannedNode) noteTerms(p *models.Project, n *models.Node) {
	for _, said := range n.Columns {
		t := p.Term(said.Term)
		if said.Term == "" || t == nil || t.Type == "" {
			continue
		}
		for _, c := range one.Columns {
			if strings.EqualFold(c.Name, said.Name) && !sameType(c.Type, t.Type) {
				one.note(fmt.Sprintf("column %q is a %s; as the term %q it should be a %s", c.Name, c.Type, t.Name, t.Type))
			}
		}
	}
}

// note adds to what the plan says of the node; "" is nothing to say.
func (one *PlannedNode) note(text string) {
	if text != "" {
		one.Notes = append(one.Notes, text)
	}
}

// fail notes what would stop the node; only a cancelled context is an error of the plan itself.
func (one *PlannedNode) fail(err error) {
	one.Error = err.Error()
	var se *StepError
	if errors.As(err, &se) {
		one.Error, one.At, one.Hint = se.Err.Error(), se.Pos, se.Hint
	}
}
