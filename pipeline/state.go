package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// State is what the state folder holds, and the cursors.
type State struct {
	Journal  string          `json:"journal"`
	Version  int             `json:"journal_version"`
	Bytes    int64           `json:"journal_bytes"`
	Runs     int             `json:"runs"`
	Cursors  []CursorState   `json:"cursors"` // from the manifest: the truth
	Staging  []GarbageFolder `json:"staging"`
	Rejects  int64           `json:"rejects_bytes"`
	Snapshot int64           `json:"snapshot"`
}

// CursorState is how far a stream has been read.
type CursorState struct {
	Node     string `json:"node"`
	Cursor   string `json:"cursor"`
	Run      string `json:"run"`
	Snapshot int64  `json:"snapshot"`
	Indexed  bool   `json:"indexed"` // the journal says the same
}

// State shows the state folder.
func (e *Engine) State(ctx context.Context) (*State, error) {
	s := &State{Journal: e.Journal.Path(), Staging: []GarbageFolder{}}
	var err error
	if s.Version, err = e.Journal.SchemaVersion(ctx); err != nil {
		return nil, err
	}
	if info, err := os.Stat(s.Journal); err == nil {
		s.Bytes = info.Size()
	}
	runs, err := e.Journal.Runs(ctx, journal.Filter{})
	if err != nil {
		return nil, err
	}
	s.Runs = len(runs)
	if s.Cursors, s.Snapshot, err = e.Cursors(ctx); err != nil {
		return nil, err
	}
	for _, id := range entries(e.runsDir()) {
		one := GarbageFolder{Run: id, Path: e.runDir(id), Bytes: treeSize(e.runDir(id))}
		if r, err := e.Journal.Run(ctx, id); err == nil {
			one.Why = string(e.stateOf(r))
		}
		s.Staging = append(s.Staging, one)
	}
	s.Rejects = treeSize(e.rejectsDir(""))
	return s, nil
}

// Cursors lists the published cursors as the manifest has them, and the snapshot.
func (e *Engine) Cursors(ctx context.Context) ([]CursorState, int64, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, 0, err
	}
	index, err := e.Journal.Cursors(ctx)
	if err != nil {
		return nil, 0, err
	}
	indexed := map[string]string{}
	for _, c := range index {
		indexed[c.Node] = string(c.Value)
	}
	all := []CursorState{}
	for _, t := range m.Tables {
		n := e.Project.Node(t.Name.String())
		if t.Cursor == "" && (n == nil || n.Stream == nil || n.Stream.Mode == string(extract.Full)) {
			continue
		}
		name := t.Name.String()
		all = append(all, CursorState{Node: name, Cursor: t.Cursor, Run: t.Run, Snapshot: t.Snapshot, Indexed: indexed[name] == t.Cursor})
	}
	return all, m.Snapshot, nil
}

// CursorChange is a cursor to be set by hand.
type CursorChange struct {
	Node     string `json:"node"`
	From     string `json:"from"`
	To       string `json:"to"`
	Mode     string `json:"mode"`
	Effect   string `json:"effect"` // what the next run will do
	Run      string `json:"run,omitempty"`
	Snapshot int64  `json:"snapshot,omitempty"` // that it was published by
	node     *models.Node
}

// Errors of PlanCursor.
var (
	// ErrNoCursor says that the node is nothing that has a cursor.
	ErrNoCursor = errors.New("there is no cursor to set")
)

// PlanCursor says what setting the node's cursor to value would do; "" makes the next run read from the start.
func (e *Engine) PlanCursor(ctx context.Context, n *models.Node, value string) (*CursorChange, error) {
	if n.Stream == nil || n.Stream.Mode == string(extract.Full) {
		return nil, fmt.Errorf("%s: %w: only incremental and append streams have one", n.Name(), ErrNoCursor)
	}
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	t := m.Table(nameOf(n))
	if t == nil {
		return nil, fmt.Errorf("%s: %w: it was never published, so the next run reads from the start anyway", n.Name(), ErrNoCursor)
	}
	c := &CursorChange{Node: n.Name(), From: t.Cursor, To: value, Mode: n.Stream.Mode, node: n}
	source, err := e.openSource(n.Stream.Source)
	if err != nil && value != "" { // to read from the start needs no look at the source
		return nil, err
	}
	var anew string
	var refused error
	if err == nil {
		defer source.Close()
		x := &extraction{run: &run{Engine: e, before: m}, node: n, source: source, before: t}
		if value == "" {
			anew, refused = x.begin()
		} else if _, err := x.accept(ctx, extract.Cursor(value)); err != nil {
			return nil, err
		} else if why := x.otherwise(); why != "" {
			anew = "it reads everything anew, since " + why
		}
	}
	what := "what comes after the new cursor"
	if value == "" {
		what = "everything from the start"
	}
	switch {
	case refused != nil:
		c.Effect = "the next run is refused: " + refused.Error()
	case anew != "":
		c.Effect = "the next run does not go by the cursor: " + anew
	case n.Stream.Mode == string(extract.Append):
		c.Effect = fmt.Sprintf("the next run reads %s and ADDS it to the %d rows that are there: what they hold already comes twice. "+
			"To read all again without that: millrace run %s --full-refresh", what, t.Rows, n.Name())
	default:
		c.Effect = fmt.Sprintf("the next run reads %s and merges it by key into the %d rows that are there", what, t.Rows)
	}
	return c, nil
}

// SetCursor publishes the table as it is with the new cursor, under the pipeline's lock. Interrupted runs of that
// pipeline are given up: their windows began elsewhere.
func (e *Engine) SetCursor(ctx context.Context, c *CursorChange) error {
	n := c.node
	unlock, err := e.lock(lockNames([]*models.Node{n}))
	if err != nil {
		return err
	}
	defer unlock()
	m, err := e.Loader.Current(ctx)
	if err != nil {
		return err
	}
	t := m.Table(nameOf(n))
	if t == nil || t.Cursor != c.From {
		return fmt.Errorf("%s: the cursor was changed meanwhile: look again", n.Name())
	}
	changed, made := *t, t.LoadedAt()
	changed.Cursor, changed.Made = c.To, &made
	if c.To != "" { // whoever sets a cursor says that the table goes on with what the stream reads now
		source, err := e.openSource(n.Stream.Source)
		if err != nil {
			return err
		}
		defer source.Close()
		x := &extraction{run: &run{}, node: n, source: source, before: t}
		w, err := x.accept(ctx, extract.Cursor(c.To))
		if err != nil {
			return err
		}
		changed.ReadFrom, changed.Of, changed.OrderedBy = x.readFrom(), w.Of, n.Stream.Cursor
	}
	now := e.Clock()
	pipelineName := lockNames([]*models.Node{n})[0]
	// settle completes what was published and calls the rest interrupted; those must not be resumed.
	if old, err := e.settle(ctx, []string{pipelineName}); err != nil {
		return err
	} else if old != nil {
		if err := e.Journal.SetRunStatus(ctx, old.ID, journal.Abandoned, "the cursor of "+n.Name()+" was set by hand", now); err != nil {
			return err
		}
	}
	// A retry of a run that failed reads from the new cursor: its window began elsewhere.
	if last, err := e.latest(ctx, []string{pipelineName}); err == nil && last.Status != journal.Succeeded {
		err = e.Journal.DropWindow(ctx, last.ID, n.Name())
		if err != nil {
			return err
		}
	} else if err != nil && !errors.Is(err, journal.ErrNotFound) {
		return err
	}
	step := &journal.Step{Node: n.Name(), Kind: string(n.Kind), Attempt: 1, Status: journal.Succeeded, Started: now, Finished: &now, Rows: t.Rows,
		Notes: []string{fmt.Sprintf("cursor set by hand, was %q", cursorOf(n, c.From))}}
	c.Run, c.Snapshot, err = e.publishByHand(ctx, n.Name(), step,
		load.Publication{Pipeline: pipelineName, LogicalTime: t.LogicalTime, Tables: []load.Table{changed}, Before: m},
		map[string]extract.Cursor{n.Name(): extract.Cursor(c.To)})
	if c.Run == "" {
		return err
	}
	return errors.Join(err, e.Journal.AddEvent(ctx, journal.Event{Run: c.Run, Kind: "cursor", Text: fmt.Sprintf("%s: %q → %q", n.Name(), cursorOf(n, c.From), cursorOf(n, c.To)), At: e.Clock()}))
}

// handPrefix begins the ids of the runs of publishByHand.
const handPrefix = "state-"

// publishByHand publishes what a person asked for about one node, under a run of its own whose id says so. The step
// may be nil. The caller holds the locks. With a *BehindError it is published, and what follows the target does not show it.
func (e *Engine) publishByHand(ctx context.Context, node string, step *journal.Step, p load.Publication, cursors map[string]extract.Cursor) (id string, snapshot int64, err error) {
	now := e.Clock()
	r := journal.Run{ID: handPrefix + newRunID(now), Pipeline: p.Pipeline, LogicalTime: p.LogicalTime, Attempt: 1, Status: journal.Running,
		Selection: journal.Selection{Nodes: []string{node}, Target: e.Project.Target.Name, ByHand: true}, ProjectHash: e.Project.Hash, Version: e.Version, PID: os.Getpid(), Started: now}
	if err := e.Journal.BeginRun(ctx, r); err != nil {
		return "", 0, err
	}
	if step != nil {
		step.Run = r.ID
		if err := e.Journal.SaveStep(ctx, *step); err != nil {
			return "", 0, err
		}
	}
	p.Run, p.Attempt, p.Project, p.Millrace = r.ID, 1, e.Project.Name, e.Version
	published, err := e.Loader.Publish(ctx, p)
	done, code := e.Clock(), ExitOK
	r.Finished, r.ExitCode, r.Status = &done, &code, journal.Succeeded
	if err != nil {
		code = ExitFailed
		r.Status, r.Error = journal.Failed, e.redact(err.Error())
		return "", 0, errors.Join(err, e.Journal.FinishRun(context.WithoutCancel(ctx), r, nil))
	}
	r.Snapshot = &published.Snapshot
	var behind error
	if e.Follower != nil {
		_, behind = e.catchUp(ctx, load.Bringing{Run: r.ID, Attempt: r.Attempt})
	}
	if behind != nil {
		code = ExitPartial
		r.Status, r.Error = journal.Partial, e.redact(behind.Error())
	}
	return r.ID, published.Snapshot, errors.Join(behind, e.Journal.FinishRun(context.WithoutCancel(ctx), r, cursors))
}

// accept lets the source look at a cursor that a person sets: it alone can read it.
func (x *extraction) accept(ctx context.Context, to extract.Cursor) (*extract.Window, error) {
	w, err := x.source.Window(ctx, x.asked(), to, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: the source cannot go on from %q: %w", x.node.Name(), to, err)
	}
	return w, nil
}

// Rebuilt is what Rebuild restored.
type Rebuilt struct {
	journal.Restored
	Snapshots int      `json:"snapshots"` // whose manifests were read
	Lost      []string `json:"lost"`      // what no manifest knows
}

// lost is what a journal holds and manifests do not.
var lost = []string{
	"runs that published nothing, or whose snapshots were collected",
	"notes, windows and landed parts: a run that was interrupted cannot be resumed, the next one reads its window anew",
	"when each step began and how long it took",
	"loads of what follows the target, and their statements: the next run, or millrace push, asks the place what it holds",
}

// Rebuild fills the journal from the manifests of the target. What the journal knows already it leaves alone.
func (e *Engine) Rebuild(ctx context.Context) (*Rebuilt, error) {
	m, err := e.Loader.Current(ctx)
	if err != nil {
		return nil, err
	}
	out := &Rebuilt{Lost: lost}
	var cursors []journal.CursorRow
	for _, t := range m.Tables {
		if t.Cursor != "" {
			cursors = append(cursors, journal.CursorRow{Node: t.Name.String(), Value: extract.Cursor(t.Cursor), Run: t.Run, Snapshot: t.Snapshot})
		}
	}
	history, err := e.ancestors(ctx, m)
	if err != nil {
		return nil, err
	}
	out.Snapshots = len(history)
	runs, steps := e.remembered(history)
	out.Restored, err = e.Journal.Restore(ctx, runs, steps, cursors)
	if err != nil {
		return nil, err
	}
	return out, e.Journal.AddEvent(ctx, journal.Event{Kind: "rebuild", Text: fmt.Sprintf("%d runs and %d cursors restored from %d manifests", out.Runs, out.Restored.Cursors, out.Snapshots), At: e.Clock()})
}

// ancestors are the manifest and those that it came from, as far as they are still there, the newest first.
func (e *Engine) ancestors(ctx context.Context, m *load.Manifest) ([]*load.Manifest, error) {
	all := []*load.Manifest{m}
	s, ok := e.Loader.(snapshots)
	if !ok {
		return all, nil
	}
	numbers, err := s.Snapshots()
	if err != nil {
		return nil, err
	}
	there := map[int64]bool{}
	for _, n := range numbers {
		there[n] = true
	}
	for m.Parent != 0 && there[m.Parent] && m.Parent < m.Snapshot {
		if m, err = s.Manifest(m.Parent); err != nil {
			e.Log.Warn("manifest left out", "error", err)
			return all, nil
		}
		all = append(all, m)
	}
	return all, ctx.Err()
}

// remembered are the runs that the manifests name, with a step for each table that they built.
func (e *Engine) remembered(history []*load.Manifest) ([]journal.Run, []journal.Step) {
	runs := map[string]*journal.Run{}
	steps := map[string]journal.Step{}
	for i := len(history) - 1; i >= 0; i-- { // the oldest first: later attempts of a run overwrite earlier ones
		m := history[i]
		for _, t := range m.Tables {
			own := t.Run == m.Run
			r := runs[t.Run]
			if r == nil {
				r = &journal.Run{ID: t.Run, Pipeline: t.Pipeline, LogicalTime: t.LogicalTime, Attempt: 1, Status: journal.Succeeded,
					Version: m.Millrace, Started: startOf(t.Run, t.PublishedAt), Selection: journal.Selection{Nodes: []string{}, Target: e.Project.Target.Name}}
				code := ExitOK
				r.ExitCode = &code
				runs[t.Run] = r
			}
			if r.Selection.ByHand = strings.HasPrefix(t.Run, handPrefix); t.Made != nil && !r.Selection.ByHand { // otherwise only replays leave it behind
				r.Selection.Replay = &journal.Replay{}
			}
			if own && t.Snapshot == m.Snapshot {
				r.Attempt = m.Attempt
			}
			at, snapshot := t.PublishedAt, t.Snapshot
			if r.Finished == nil || !at.Before(*r.Finished) {
				r.Finished, r.Snapshot = &at, &snapshot
			}
			if t.Kind == kindQuarantine { // of a node, and no step of its own
				continue
			}
			key := t.Run + "\x00" + t.Name.String()
			if _, seen := steps[key]; !seen {
				r.Selection.Nodes = append(r.Selection.Nodes, t.Name.String())
			}
			steps[key] = stepOf(t, r.Attempt, r.Started)
		}
	}
	var allRuns []journal.Run
	for _, id := range slices.Sorted(maps.Keys(runs)) {
		allRuns = append(allRuns, *runs[id])
	}
	var allSteps []journal.Step
	for _, key := range slices.Sorted(maps.Keys(steps)) {
		allSteps = append(allSteps, steps[key])
	}
	return allRuns, allSteps
}

func stepOf(t load.Table, attempt int, started time.Time) journal.Step {
	at := t.PublishedAt
	s := journal.Step{Run: t.Run, Node: t.Name.String(), Kind: t.Kind, Attempt: attempt, Status: journal.Succeeded, Started: started, Finished: &at,
		Rows: t.Rows, Equations: t.Equations, Notes: []string{"restored from the manifest"}}
	for _, r := range t.Rejects {
		s.Rejected += r.File.Rows
	}
	if len(s.Equations) == 0 {
		s.Equations = []warehouse.Equation{}
	}
	return s
}

// startOf reads the time out of a run's id.
func startOf(run string, otherwise time.Time) time.Time {
	text := strings.TrimPrefix(run, handPrefix)
	if len(text) >= 15 {
		if t, err := time.Parse("20060102T150405", text[:15]); err == nil {
			return t
		}
	}
	return otherwise
}

// EnsureJournal fills a journal that has no runs although the target has snapshots of this project: state.db was
// lost or is new on this machine. The note says what was done; "" when nothing was.
func (e *Engine) EnsureJournal(ctx context.Context) (note string, err error) {
	runs, err := e.Journal.Runs(ctx, journal.Filter{Limit: 1})
	if err != nil || len(runs) > 0 {
		return "", err
	}
	m, err := e.Loader.Current(ctx)
	if errors.Is(err, load.ErrNothing) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if m.Project != e.Project.Name {
		return "", nil
	}
	done, err := e.Rebuild(ctx)
	if err != nil {
		return "", fmt.Errorf("rebuild journal: %w", err)
	}
	return fmt.Sprintf("the journal was empty: %d runs and %d cursors were restored from the manifests in %s; the history of failed runs is lost",
		done.Runs, done.Restored.Cursors, e.TargetRoot), nil
}
