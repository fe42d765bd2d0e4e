package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// RunState is a run's status as people mean it: the journal's, but one whose process is gone is not running.
type RunState string

// The states beyond those of the journal.
const (
	StateRunning     = RunState(journal.Running)
	StateInterrupted = RunState(journal.Interrupted)
)

// stateOf asks the locks whether a run that the journal calls running still does.
func (e *Engine) stateOf(r journal.Run) RunState {
	if r.Status != journal.Running {
		return RunState(r.Status)
	}
	for _, name := range strings.Split(r.Pipeline, "+") {
		if e.idle(name) {
			return StateInterrupted
		}
	}
	return StateRunning
}

// lockState looks at a pipeline's lock.
func (e *Engine) lockState(name string) LockState {
	s := LockState{Pipeline: name, Held: !e.idle(name)}
	if !s.Held {
		return s
	}
	s.Owner = &Owner{}
	if data, err := os.ReadFile(filepath.Join(e.Project.StateDir(), "locks", name+".lock")); err == nil {
		_ = json.Unmarshal(data, s.Owner)
	}
	return s
}

// Status is the project as the readers of its target and its runs for that see it now.
type Status struct {
	Project     string           `json:"project"`
	Target      string           `json:"target"`
	TargetPath  string           `json:"target_path"`
	Snapshot    int64            `json:"snapshot"` // 0: nothing is published
	PublishedAt *time.Time       `json:"published_at,omitempty"`
	MovedFrom   string           `json:"moved_from,omitempty"`
	Tables      []TableStatus    `json:"tables"`
	NeverBuilt  []string         `json:"never_built"`
	Pipelines   []PipelineStatus `json:"pipelines"`
	Unfinished  []RunSummary     `json:"unfinished_runs"`     // running, or interrupted and the latest of its pipeline; no replays
	Following   *Following       `json:"following,omitempty"` // how far the place that follows the target has come; nil when none does
	Served      bool             `json:"served"`              // a millrace serve is there to start what is due
	Note        string           `json:"note,omitempty"`
}

// TableStatus is one published table.
type TableStatus struct {
	Name        string    `json:"name"`
	Kind        string    `json:"kind"`
	View        bool      `json:"view"`
	Pipeline    string    `json:"pipeline"`
	Rows        int64     `json:"rows" doc:"0 of a view: its rows are not counted."`
	PublishedAt time.Time `json:"published_at"`
	AgeSeconds  int64     `json:"age_seconds"` // since a run last made it: a replay makes no table younger
	Run         string    `json:"run"`
	Snapshot    int64     `json:"snapshot"`
	Stale       bool      `json:"stale"`
	Why         []string  `json:"why"`
	InProject   bool      `json:"in_project"`
}

// PipelineStatus is one pipeline and its last run, but for replays.
type PipelineStatus struct {
	Name      string      `json:"name"`
	Schedule  string      `json:"schedule,omitempty"`
	Freshness string      `json:"freshness,omitempty"`
	Nodes     int         `json:"nodes"`
	Lock      LockState   `json:"lock"`
	LastRun   *RunSummary `json:"last_run,omitempty"`
	LastEnded *RunSummary `json:"last_ended,omitempty"` // the same, unless that still goes on
	Unstarted *Unstarted  `json:"unstarted,omitempty"`  // after the last run one could not even begin
	// NextRun is when its schedule fires next; nil when it has none or is paused. It takes a millrace serve to start it.
	NextRun *time.Time     `json:"next_run,omitempty"`
	Paused  *journal.Pause `json:"paused,omitempty"`
}

// Unstarted is a run that could not begin: the journal has none.
type Unstarted struct {
	At    time.Time `json:"at"`
	Error string    `json:"error"`
}

// RunSummary is a run in one line.
type RunSummary struct {
	journal.Run
	State RunState `json:"state"`
	// OtherTarget is what it publishes to when that is not the engine's target; "" when it is.
	OtherTarget string `json:"-"`
}

// Summary adds what the locks say to a run, and whether it is for another target.
func (e *Engine) Summary(r journal.Run) RunSummary {
	s := RunSummary{Run: r, State: e.stateOf(r)}
	if !e.target().Is(r.Selection.Target) {
		s.OtherTarget = r.Selection.Target
	}
	return s
}

// Summaries lists runs, the newest first.
func (e *Engine) Summaries(ctx context.Context, f journal.Filter) ([]RunSummary, error) {
	runs, err := e.Journal.Runs(ctx, f)
	if err != nil {
		return nil, err
	}
	all := make([]RunSummary, len(runs))
	for i, r := range runs {
		all[i] = e.Summary(r)
	}
	return all, nil
}

// mover is a target that can be moved as a whole; load/local is one.
type mover interface {
	Moved(ctx context.Context) (from string, moved bool)
}

// lastSteps is how many runs back Status looks for a node's last step.
const lastSteps = 50

// Status looks at the manifest, the journal and the locks. It changes nothing.
func (e *Engine) Status(ctx context.Context) (*Status, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	s := &Status{Project: e.Project.Name, Target: e.Project.Target.Name, TargetPath: e.TargetRoot, Snapshot: m.Snapshot,
		Tables: []TableStatus{}, NeverBuilt: []string{}, Pipelines: []PipelineStatus{}, Unfinished: []RunSummary{}, Served: e.Served()}
	if m.Snapshot != 0 {
		s.PublishedAt = &m.PublishedAt
	}
	if mv, ok := e.Loader.(mover); ok {
		s.MovedFrom, _ = mv.Moved(ctx)
	}
	if s.Following, err = e.Following(ctx); err != nil {
		return nil, err
	}
	runs, err := e.Summaries(ctx, journal.Filter{Working: true, Target: e.target(), Limit: lastSteps})
	if err != nil {
		return nil, err
	}
	left, err := e.leftBehind(ctx, runs)
	if err != nil {
		return nil, err
	}
	confirmed, err := e.confirmed(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range m.Tables {
		p := publishedState(t, e.Clock())
		one := TableStatus{Name: t.Name.String(), Kind: t.Kind, View: t.View != "", Pipeline: t.Pipeline, Rows: t.Rows, PublishedAt: t.PublishedAt,
			AgeSeconds: p.AgeSeconds, Run: t.Run, Snapshot: t.Snapshot, Why: []string{}}
		n := e.Project.Node(strings.TrimSuffix(t.Name.String(), models.QuarantineSuffix))
		one.InProject = n != nil && (n.Name() == one.Name || t.Kind == kindQuarantine)
		if n != nil {
			one.Pipeline = n.Pipeline
			if why := e.tooOld(n, min(e.Clock().Sub(t.LoadedAt()), e.Clock().Sub(confirmed[n.Pipeline]))); why != "" && t.Kind != kindQuarantine {
				one.Why = append(one.Why, why)
			}
		}
		if failed := left[one.Name]; failed.run != "" && failed.run != t.Run && failed.began.After(t.LoadedAt()) {
			one.Why = append(one.Why, fmt.Sprintf("run %s failed: %s", failed.run, failed.why))
		}
		one.Stale = len(one.Why) > 0
		s.Tables = append(s.Tables, one)
	}
	for _, n := range e.Project.Nodes {
		if m.Table(nameOf(n)) == nil && !(n.Model != nil && n.Model.Materialized == models.Ephemeral) {
			s.NeverBuilt = append(s.NeverBuilt, n.Name())
		}
	}
	return s, e.pipelinesStatus(ctx, s, runs)
}

func (e *Engine) pipelinesStatus(ctx context.Context, s *Status, runs []RunSummary) error {
	latest := map[string]bool{}
	for _, r := range runs {
		if !latest[r.Pipeline] && (r.State == StateRunning || r.State == StateInterrupted) {
			s.Unfinished = append(s.Unfinished, r)
		}
		latest[r.Pipeline] = true
	}
	pauses, err := e.Journal.Pauses(ctx)
	if err != nil {
		return err
	}
	for _, pl := range e.Project.Pipelines {
		one := PipelineStatus{Name: pl.Name, Schedule: pl.Schedule, Lock: e.lockState(pl.Name)}
		if pl.Freshness > 0 {
			one.Freshness = pl.Freshness.String()
		}
		if pause, paused := pauses[pl.Name]; paused {
			one.Paused = &pause
		} else if cron := pl.Cron(); cron != nil {
			if next := cron.Next(e.Clock()); !next.IsZero() {
				one.NextRun = &next
			}
		}
		for _, n := range e.Project.Nodes {
			if n.Pipeline == pl.Name {
				one.Nodes++
			}
		}
		one.last(runs)
		if one.LastEnded == nil { // older than the runs above
			older, err := e.Summaries(ctx, journal.Filter{Pipeline: pl.Name, Working: true, Target: e.target(), Limit: 2})
			if err != nil {
				return err
			}
			one.last(older)
		}
		s.Pipelines = append(s.Pipelines, one)
	}
	return e.notBegun(ctx, s.Pipelines)
}

// notBegun finds for each pipeline the last run that could not begin, if that is newer than the last one that did.
func (e *Engine) notBegun(ctx context.Context, pipelines []PipelineStatus) error {
	since := e.Clock() // when the pipeline last ran that has not for longest
	for _, p := range pipelines {
		if p.LastRun == nil {
			since = time.Time{}
		} else if p.LastRun.Started.Before(since) {
			since = p.LastRun.Started
		}
	}
	events, err := e.Journal.Unstarted(ctx, e.target().Name, since)
	for i := range pipelines {
		p := &pipelines[i]
		at := slices.IndexFunc(events, func(ev journal.Event) bool { return slices.Contains(strings.Split(ev.Pipeline, "+"), p.Name) })
		if at >= 0 && (p.LastRun == nil || !events[at].At.Before(p.LastRun.Started)) {
			p.Unstarted = &Unstarted{At: events[at].At, Error: events[at].Text}
		}
	}
	return err
}

// last finds the pipeline's last runs among some, the newest first.
func (p *PipelineStatus) last(runs []RunSummary) {
	for _, r := range runs {
		if !slices.Contains(strings.Split(r.Pipeline, "+"), p.Name) {
			continue
		}
		if p.LastRun == nil {
			p.LastRun = &r
		}
		if r.State != StateRunning {
			p.LastEnded = &r
			return
		}
	}
}

// Loaded tells when a run last made each published table of the project; views are as old as what they show.
func (e *Engine) Loaded(ctx context.Context) (map[string]time.Time, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	loaded := map[string]time.Time{}
	for _, t := range m.Tables {
		if t.View == "" && e.Project.Node(t.Name.String()) != nil {
			loaded[t.Name.String()] = t.LoadedAt()
		}
	}
	return loaded, nil
}

// tooOld compares a table's age with the freshness that its pipeline promises.
func (e *Engine) tooOld(n *models.Node, age time.Duration) string {
	pl := e.Project.Pipeline(n.Pipeline)
	if pl == nil || pl.Freshness == 0 || age <= pl.Freshness.Std() {
		return ""
	}
	return fmt.Sprintf("%s old, and freshness is %s", config.Duration(age.Round(time.Minute)), pl.Freshness)
}

// failure is why a node's last run left its table as it was.
type failure struct {
	run, why string
	began    time.Time
}

// leftBehind finds the nodes whose latest step did not succeed, or whose latest run published nothing.
func (e *Engine) leftBehind(ctx context.Context, runs []RunSummary) (map[string]failure, error) {
	left := map[string]failure{}
	for _, r := range runs {
		if r.State == StateRunning || r.State == StateInterrupted || r.Status == journal.Abandoned {
			continue
		}
		steps, err := e.Journal.Steps(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range steps {
			if _, seen := left[s.Node]; seen {
				continue
			}
			switch {
			case s.Status == journal.Succeeded && s.Unchanged: // whatever became of the others
				left[s.Node] = failure{}
			case s.Status != journal.Succeeded && s.Error != "":
				line, _, _ := strings.Cut(s.Error, "\n")
				left[s.Node] = failure{r.ID, line, r.Started}
			case s.Status != journal.Succeeded || r.Status == journal.Failed:
				left[s.Node] = failure{r.ID, "nothing of it was published", r.Started}
			default:
				left[s.Node] = failure{}
			}
		}
	}
	return left, nil
}
