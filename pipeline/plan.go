package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/warehouse"
)

// Plan says what a run of some nodes would read and change, as far as that can be known without doing it.
type Plan struct {
	Project  string        `json:"project"`
	Target   string        `json:"target"`
	Snapshot int64         `json:"snapshot"` // published now; 0: nothing yet
	Locks    []LockState   `json:"locks"`    // that the run takes
	Pending  *PendingRun   `json:"pending_run,omitempty"`
	Nodes    []PlannedNode `json:"nodes"` // in dependency order
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
	Rows        int64     `json:"rows"`
	PublishedAt time.Time `json:"published_at"`
	AgeSeconds  int64     `json:"age_seconds"`
	Run         string    `json:"run"`
	Snapshot    int64     `json:"snapshot"`
}

// SchemaChange is one column that would change.
type SchemaChange struct {
	Kind   string `json:"kind"` // added, removed, type_changed
	Column string `json:"column"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
}

func (c SchemaChange) String() string {
	switch c.Kind {
	case "added":
		return fmt.Sprintf("+ %s %s", c.Column, c.To)
	case "removed":
		return fmt.Sprintf("- %s %s", c.Column, c.From)
	}
	return fmt.Sprintf("~ %s %s → %s", c.Column, c.From, c.To)
}

// Plan looks at the sources and the published tables and says what a run of the nodes would do. It journals
// nothing and takes no lock.
func (e *Engine) Plan(ctx context.Context, nodes []*models.Node) (*Plan, error) {
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
	pl := &planning{Engine: e, before: m, planned: map[*models.Node]*PlannedNode{}}
	for _, n := range nodes {
		pl.planned[n] = pl.start(n)
	}
	if err := pl.streams(ctx, nodes); err != nil {
		return nil, err
	}
	if err := pl.models(ctx, nodes); err != nil {
		return nil, err
	}
	for _, n := range nodes {
		one := pl.planned[n]
		if one.Error != "" {
			p.Problems++
		}
		p.Problems += len(one.CheckProblems)
		p.Nodes = append(p.Nodes, *one)
	}
	return p, nil
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
	case r.Selection.FullRefresh || r.Selection.AllowEmpty || r.Selection.AllowShrunken || !reflect.DeepEqual(r.Selection.Nodes, names(nodes)):
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
	planned map[*models.Node]*PlannedNode
}

func (pl *planning) start(n *models.Node) *PlannedNode {
	one := &PlannedNode{Name: n.Name(), Kind: string(n.Kind), Pipeline: n.Pipeline, Reads: []string{}, Columns: []warehouse.Column{},
		Changes: []SchemaChange{}, Notes: []string{}, CheckProblems: []CheckProblem{}, Rows: -1, Bytes: -1, Published: pl.published(n)}
	if n.Stream != nil {
		one.Mode = n.Stream.Mode
		return one
	}
	one.Mode, one.Strategy = string(n.Model.Materialized), string(n.Model.Strategy)
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
	return &PublishedState{Rows: t.Rows, PublishedAt: t.PublishedAt, AgeSeconds: int64(now.Sub(t.LoadedAt()).Seconds()), Run: t.Run, Snapshot: t.Snapshot}
}

// fail notes what would stop the node; only a cancelled context is an error of the plan itself.
func (one *PlannedNode) fail(err error) {
	one.Error = err.Error()
	var se *StepError
	if errors.As(err, &se) {
		one.Error, one.At, one.Hint = se.Err.Error(), se.Pos, se.Hint
	}
}

// streams asks the sources, a few at once.
func (pl *planning) streams(ctx context.Context, nodes []*models.Node) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	opened := &sources{engine: pl.Engine, open: map[string]extract.Source{}}
	for _, n := range nodes {
		if n.Kind != models.KindStream {
			continue
		}
		group.Go(func() error {
			one := pl.planned[n]
			source, err := opened.get(n.Stream.Source)
			if err == nil {
				err = pl.stream(ctx, source, n, one)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				one.fail(pl.extraction(n).explain(err))
			}
			return nil
		})
	}
	return errors.Join(group.Wait(), opened.close())
}

// extraction is a stream as a run would read it.
func (pl *planning) extraction(n *models.Node) *extraction {
	return &extraction{run: &run{Engine: pl.Engine, before: pl.before}, node: n, before: pl.before.Table(nameOf(n)), step: &journal.Step{}}
}

func (pl *planning) stream(ctx context.Context, source extract.Source, n *models.Node, one *PlannedNode) error {
	x := pl.extraction(n)
	x.source = source
	why, err := x.begin()
	if err != nil {
		return err
	}
	if why != "" {
		one.Notes = append(one.Notes, why)
	}
	asked := x.asked()
	d, err := source.Describe(ctx, asked)
	if err != nil {
		return err
	}
	one.Rows, one.Bytes, one.Notes = d.Rows, d.Bytes, append(one.Notes, d.Notes...)
	for _, p := range d.Pins {
		one.Pins = append(one.Pins, PlannedPin(p))
	}
	found := make([]warehouse.Column, len(d.Columns))
	for i, c := range d.Columns {
		found[i] = warehouse.Column(c)
	}
	if found, err = warehouse.StoredColumns(found); err != nil {
		return err
	}
	if err := x.landingColumns(found); err != nil {
		return err
	}
	found, note, err := x.fitPlanned(found)
	if err != nil {
		return err
	}
	if note != "" {
		one.Notes = append(one.Notes, note)
	}
	one.Columns = found
	w, err := source.Window(ctx, asked, x.since(), nil)
	if err != nil {
		return err
	}
	if why, err = x.moved(w); err != nil {
		return err
	}
	if why != "" {
		one.Notes = append(one.Notes, why)
		if w, err = source.Window(ctx, x.asked(), "", nil); err != nil {
			return err
		}
	}
	if x.before != nil && n.Stream.Mode != string(extract.Full) {
		one.Notes = append(one.Notes, driftNotes(n, schemaChanges(ofSource(x.before.Columns), found))...)
		if one.Columns, err = warehouse.UnionColumns(x.before.Columns, found); err != nil {
			return err
		}
	}
	if published := pl.before.Table(nameOf(n)); published != nil {
		one.Changes = schemaChanges(ofSource(published.Columns), ofSource(one.Columns))
	}
	for _, note := range w.Notes {
		if !slices.Contains(one.Notes, note) {
			one.Notes = append(one.Notes, note)
		}
	}
	one.Slices = len(w.Slices)
	for _, s := range w.Slices {
		one.SliceBytes += s.Bytes
	}
	one.UpToDate = len(w.Slices) == 0 && x.before != nil
	return nil
}

// ofSource leaves out the column of ours that notes deletes.
func ofSource(columns []warehouse.Column) []warehouse.Column {
	return slices.DeleteFunc(slices.Clone(columns), func(c warehouse.Column) bool { return c.Name == models.DeletedAt })
}

// driftNotes says what a changed column means where only changed rows are read: the others stay as they were landed.
func driftNotes(n *models.Node, changes []SchemaChange) []string {
	if n.Stream.Mode != string(extract.Incremental) {
		return nil
	}
	var notes []string
	for _, c := range changes {
		if c.Kind == "removed" {
			notes = append(notes, fmt.Sprintf("column %q is gone from the source: published rows keep it, and those that change get NULL; millrace run %s --full-refresh drops it", c.Column, n.Name()))
		}
	}
	return notes
}

// landingColumns checks that the stream has the columns that the project names.
func (x *extraction) landingColumns(columns []warehouse.Column) error {
	key := x.node.Stream.Key
	if len(key) == 0 {
		return nil // as a run does: without a key the cursor is the source's own affair
	}
	return x.hasColumns(columns, append(append([]string(nil), key...), x.node.Stream.Cursor))
}

// sameType compares two spellings of a type: DuckDB quotes the names inside a STRUCT or does not.
func sameType(a, b string) bool {
	if a == b {
		return true
	}
	x, err1 := warehouse.ParseType(a)
	y, err2 := warehouse.ParseType(b)
	return err1 == nil && err2 == nil && x.String() == y.String()
}

// schemaChanges compares two lists of columns, names without regard to case, as DuckDB does.
func schemaChanges(before, after []warehouse.Column) []SchemaChange {
	changes := []SchemaChange{}
	old := map[string]warehouse.Column{}
	for _, c := range before {
		old[strings.ToLower(c.Name)] = c
	}
	for _, c := range after {
		was, ok := old[strings.ToLower(c.Name)]
		delete(old, strings.ToLower(c.Name))
		switch {
		case !ok:
			changes = append(changes, SchemaChange{Kind: "added", Column: c.Name, To: c.Type})
		case !sameType(was.Type, c.Type):
			changes = append(changes, SchemaChange{Kind: "type_changed", Column: c.Name, From: was.Type, To: c.Type})
		}
	}
	for _, c := range before {
		if _, gone := old[strings.ToLower(c.Name)]; gone {
			changes = append(changes, SchemaChange{Kind: "removed", Column: c.Name, From: c.Type})
		}
	}
	return changes
}

// models binds each model over empty relations that have the columns of what it reads, and then the checks: nothing is run.
func (pl *planning) models(ctx context.Context, nodes []*models.Node) error {
	any := false
	for _, n := range nodes {
		any = any || n.Model != nil || len(n.Checks) > 0
	}
	if !any {
		return nil
	}
	temp, err := os.MkdirTemp("", "millrace-plan-")
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	defer os.RemoveAll(temp)
	w, err := pl.Warehouse(ctx, warehouse.Config{Memory: pl.engineMemory(1), Threads: 1, Temp: filepath.Join(temp, "spill")})
	if err != nil {
		return err
	}
	defer w.Close()
	b := &transform.Builder{Project: pl.Project, Warehouse: w, Warn: func(node, message string) {
		for n, one := range pl.planned {
			if n.Name() == node {
				one.Notes = append(one.Notes, message)
			}
		}
	}}
	exposed := map[*models.Node]bool{}
	for _, n := range nodes {
		if n.Model == nil {
			continue
		}
		one := pl.planned[n]
		if err := pl.exposeNeeds(ctx, w, n, exposed); err != nil {
			one.Unknown, one.UnknownCause = true, err.Error()
			continue
		}
		if err := pl.model(ctx, b, n, one); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			one.fail(explainModel(n, err))
		}
	}
	return pl.checks(ctx, b, nodes, exposed)
}

// exposeNeeds makes an empty relation of everything that the model reads.
func (pl *planning) exposeNeeds(ctx context.Context, w warehouse.Warehouse, n *models.Node, exposed map[*models.Node]bool) error {
	for _, need := range reads(n) {
		if err := pl.exposeOne(ctx, w, need, exposed); err != nil {
			return err
		}
	}
	return nil
}

// exposeOne makes an empty relation of a table.
func (pl *planning) exposeOne(ctx context.Context, w warehouse.Warehouse, n *models.Node, exposed map[*models.Node]bool) error {
	if exposed[n] {
		return nil
	}
	columns, err := pl.columnsOf(n)
	if err != nil {
		return err
	}
	if err := w.Expose(ctx, warehouse.Version{Name: nameOf(n), Columns: columns}); err != nil {
		return err
	}
	exposed[n] = true
	return nil
}

// columnsOf are those that the node will have after the run, or has now when the run leaves it alone.
func (pl *planning) columnsOf(n *models.Node) ([]warehouse.Column, error) {
	if one := pl.planned[n]; one != nil {
		switch {
		case one.Error != "":
			return nil, fmt.Errorf("%s has a problem", n.Name())
		case one.Unknown:
			return nil, errors.New(one.UnknownCause)
		case len(one.Columns) > 0:
			return one.Columns, nil
		}
	}
	if t := pl.before.Table(nameOf(n)); t != nil {
		return t.Columns, nil
	}
	return nil, fmt.Errorf("it reads %s, which was never built and is not selected: plan +%s", n.Name(), n.Table)
}

func (pl *planning) model(ctx context.Context, b *transform.Builder, n *models.Node, one *PlannedNode) error {
	job := transform.Job{Node: n}
	before := pl.before.Table(nameOf(n))
	if before != nil && before.View == "" && n.Model.Materialized == models.Incremental {
		job.Before = &before.Version
		if err := b.Warehouse.Expose(ctx, warehouse.Version{Name: nameOf(n), Columns: before.Columns}); err != nil {
			return err
		}
		if why := mergedOtherwise(n, before); why != "" {
			job.Before, one.Notes = nil, append(one.Notes, why)
		}
	}
	sql, columns, err := b.Describe(ctx, job)
	one.SQL = sql
	if err != nil {
		return err
	}
	if n.Model.Materialized != models.View && n.Model.Materialized != models.Ephemeral {
		if columns, err = warehouse.StoredColumns(columns); err != nil {
			return err
		}
	}
	if columns, err = pl.contracted(n, one, columns, job.Before); err != nil {
		return err
	}
	for _, key := range n.Model.UniqueKey {
		if n.Model.Materialized == models.Incremental && !hasColumn(columns, key) {
			return &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: fmt.Errorf("unique_key: the SELECT has no column %q", key), Hint: "the columns are: " + columnNames(columns)}
		}
	}
	if job.Before != nil {
		if columns, err = warehouse.UnionColumns(before.Columns, columns); err != nil {
			return err
		}
	}
	one.Columns = columns
	if before != nil {
		one.Changes = schemaChanges(before.Columns, columns)
	}
	return nil
}

// contracted are the columns that a model's contract makes of those of its SELECT.
func (pl *planning) contracted(n *models.Node, one *PlannedNode, columns []warehouse.Column, before *warehouse.Version) ([]warehouse.Column, error) {
	if n.Contract() == nil {
		return columns, nil
	}
	stored, err := warehouse.StoredColumns(columns)
	if err != nil {
		return nil, err
	}
	var published []warehouse.Column
	if before != nil {
		published = before.Columns
	}
	columns, note, err := fitPlanned(n, stored, published)
	if note != "" {
		one.Notes = append(one.Notes, note)
	}
	return columns, err
}

func hasColumn(columns []warehouse.Column, name string) bool {
	for _, c := range columns {
		if strings.EqualFold(c.Name, name) {
			return true
		}
	}
	return false
}

func columnNames(columns []warehouse.Column) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.Name
	}
	return strings.Join(list, ", ")
}
