package report

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// trendRuns is how many runs a trend shows.
const trendRuns = 90

// Options are what Gather cannot find in the journal.
type Options struct {
	Project string
	State   string              // of the run, as its lock shows; "" takes the journal's word
	Version string              // of millrace
	Now     time.Time           // when the report is made
	Redact  func(string) string // takes secrets out of every text; may be nil
	// Personal says whether the values of a node's column are personal by now: they are masked in samples that were taken before; may be nil.
	Personal func(node, column string) bool
}

// Gather collects what the journal knows of the run. The texts are free of what Redact finds, and long ones are cut.
func Gather(ctx context.Context, j *journal.Journal, of journal.Run, o Options) (*Run, error) {
	state := o.State
	if state == "" {
		state = string(of.Status)
	}
	r := &Run{Format: FormatVersion, Project: o.Project, MadeAt: o.Now, MadeBy: o.Version, ID: of.ID, Pipeline: of.Pipeline, State: state,
		LogicalTime: of.LogicalTime, Trigger: of.Trigger, Attempt: of.Attempt, Started: of.Begun(), Finished: of.Finished, Snapshot: of.Snapshot, ExitCode: of.ExitCode,
		Selection: of.Selection, ProjectHash: of.ProjectHash, Version: of.Version, Error: of.Error, Warnings: slices.Clone(of.Warnings), Causes: []Cause{}, Nodes: []Node{}, Runs: []RunPoint{}}
	if r.Selection.Nodes == nil {
		r.Selection.Nodes = []string{}
	}
	steps, err := j.Steps(ctx, of.ID)
	if err != nil {
		return nil, err
	}
	results, err := j.Checks(ctx, of.ID)
	if err != nil {
		return nil, err
	}
	if o.Personal != nil {
		results = check.Remasked(results, o.Personal)
	}
	trends, err := j.CheckTrends(ctx, of.ID, trendRuns)
	if err != nil {
		return nil, err
	}
	r.Nodes = nodesOf(steps, results, trends)
	r.Totals = totalsOf(r.Nodes)
	if r.Changes, err = changesSince(ctx, j, of, r.Nodes); err != nil {
		return nil, err
	}
	if err := r.addRuns(ctx, j, of); err != nil {
		return nil, err
	}
	if r.Loads, err = j.Loads(ctx, journal.LoadFilter{Run: of.ID}); err != nil {
		return nil, err
	}
	for i := range r.Loads { // a load ends with its run
		if r.Loads[i].Status == journal.Running && state != string(journal.Running) {
			r.Loads[i].Status = journal.Interrupted
		}
	}
	clean(r, o.Redact)
	r.Causes = causesOf(r)
	r.Verdict = verdictOf(r)
	return r, nil
}

// Causes are what went wrong in a run, the gravest first, without the rest of the report: it reads nothing but the run itself.
func Causes(ctx context.Context, j *journal.Journal, of journal.Run, o Options) ([]Cause, error) {
	steps, err := j.Steps(ctx, of.ID)
	if err != nil {
		return nil, err
	}
	results, err := j.Checks(ctx, of.ID)
	if err != nil {
		return nil, err
	}
	r := &Run{ID: of.ID, State: o.State, Error: of.Error, Nodes: nodesOf(steps, results, nil)}
	clean(r, o.Redact)
	return causesOf(r), nil
}

// nodesOf joins steps and checks: nodes in the order they were built, then those that were only checked.
func nodesOf(steps []journal.Step, results []check.Result, trends map[journal.CheckName][]journal.CheckPoint) []Node {
	nodes, at := []Node{}, map[string]int{}
	for _, s := range steps {
		n := Node{Name: s.Node, Kind: s.Kind, Status: s.Status, Started: s.Started, Finished: s.Finished, Rows: s.Rows, Bytes: s.Bytes,
			Rejected: s.Rejected, Unchanged: s.Unchanged, Equations: []Equation{}, Notes: notesOf(s), Error: s.Error, Hint: s.Hint, Checks: []Check{}}
		for _, e := range s.Equations {
			if s.Status == journal.Succeeded { // else they are in no table
				n.Quarantined = max(n.Quarantined, e.Get("quarantined"))
			}
			n.Equations = append(n.Equations, Equation{Equation: e, Closes: e.Closes(), Text: e.String()})
		}
		at[s.Node] = len(nodes)
		nodes = append(nodes, n)
	}
	for _, result := range results {
		i, known := at[result.Node]
		if !known {
			i = len(nodes)
			at[result.Node] = i
			nodes = append(nodes, Node{Name: result.Node, Equations: []Equation{}, Notes: []string{}, Checks: []Check{}})
		}
		history := trends[journal.CheckName{Node: result.Node, Name: result.Name}]
		if result.Severity == models.SeverityQuarantine {
			nodes[i].Quarantined = max(nodes[i].Quarantined, result.Quarantined) // a row may fail several checks: no sum
		}
		nodes[i].Checks = append(nodes[i].Checks, newCheck(result, history))
	}
	return nodes
}

// newCheck compares a result with its past. Runs in which the check was skipped say nothing of it.
func newCheck(result check.Result, history []journal.CheckPoint) Check {
	c := Check{Result: result, History: history}
	if c.History == nil {
		c.History = []journal.CheckPoint{}
	}
	var before *journal.CheckPoint
	counting := result.Status.Bad()
	for i := len(history) - 1; i >= 0; i-- {
		p := &history[i]
		if p.Status == check.StatusSkipped {
			continue
		}
		if i < len(history)-1 && before == nil {
			before = p
		}
		if counting = counting && p.Status.Bad(); counting {
			c.FailingSince = p.Run
			c.FailingRuns++
		}
	}
	switch {
	case result.Status.Bad() && before != nil && before.Status.Bad():
		c.Change = StillFailing
	case result.Status.Bad():
		c.Change = NewlyFailing
	case result.Status == check.StatusWarn && before != nil && before.Status == check.StatusPass:
		c.Change = NewlyWarning
	case (result.Status == check.StatusPass || result.Status == check.StatusWarn) && before != nil && before.Status.Bad():
		c.Change = NewlyPassing
	}
	return c
}

func totalsOf(nodes []Node) Totals {
	t := Totals{Nodes: len(nodes)}
	for _, n := range nodes {
		switch n.Status {
		case journal.Succeeded:
			t.NodesBuilt++
		case journal.UpstreamFailed, journal.Withheld:
			t.NodesHeld++
		case journal.Failed, journal.ChecksFailed:
			t.NodesFailed++
		}
		t.Rows += n.Rows
		t.Rejected += n.Rejected
		t.Quarantined += n.Quarantined
		t.Notes += len(n.Notes)
		for _, e := range n.Equations {
			if !e.Closes {
				t.Unbalanced++
			}
		}
		for _, c := range n.Checks {
			t.count(c.Status)
		}
	}
	return t
}

func (t *Totals) count(s check.Status) {
	t.Checks++
	switch s {
	case check.StatusPass:
		t.Passed++
	case check.StatusWarn:
		t.Warned++
	case check.StatusFail:
		t.Failed++
	case check.StatusError:
		t.Errors++
	case check.StatusSkipped:
		t.Skipped++
	}
}

// addRuns adds the trend of the runs.
func (r *Run) addRuns(ctx context.Context, j *journal.Journal, of journal.Run) error {
	runs, err := j.RunsUntil(ctx, of, trendRuns)
	if err != nil {
		return err
	}
	for i := len(runs) - 1; i >= 0; i-- {
		p := RunPoint{ID: runs[i].ID, LogicalTime: runs[i].LogicalTime, Status: runs[i].Status}
		if runs[i].ID == of.ID {
			p.Status = journal.Status(r.State)
		}
		if runs[i].Finished != nil {
			p.Seconds = runs[i].Finished.Sub(runs[i].Begun()).Seconds()
		}
		r.Runs = append(r.Runs, p)
	}
	return nil
}

// changesSince compares with the last green run; nil when there was none.
func changesSince(ctx context.Context, j *journal.Journal, of journal.Run, nodes []Node) (*Changes, error) {
	green, err := j.LastGreen(ctx, of)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	steps, err := j.Steps(ctx, green.ID)
	if err != nil {
		return nil, err
	}
	c := &Changes{Since: green.ID, SinceTime: green.LogicalTime, Project: green.ProjectHash != of.ProjectHash, Selection: !sameSet(green.Selection.Nodes, of.Selection.Nodes),
		Rows: []RowChange{}, NodesAdded: []string{}, NodesGone: []string{}, NewlyFailing: []CheckRef{}, StillFailing: []CheckRef{}, NewlyWarning: []CheckRef{}, NewlyPassing: []CheckRef{}}
	if green.Version != of.Version {
		c.Version = green.Version
	}
	c.compareNodes(steps, nodes)
	for _, n := range nodes {
		for _, k := range n.Checks {
			c.add(k)
		}
	}
	return c, nil
}

func (c *Changes) add(k Check) {
	ref := CheckRef{k.Node, k.Name}
	switch k.Change {
	case NewlyFailing:
		c.NewlyFailing = append(c.NewlyFailing, ref)
	case StillFailing:
		c.StillFailing = append(c.StillFailing, ref)
	case NewlyWarning:
		c.NewlyWarning = append(c.NewlyWarning, ref)
	case NewlyPassing:
		c.NewlyPassing = append(c.NewlyPassing, ref)
	}
}

// compareNodes finds nodes that came or went, and tables that grew or shrank. The rows of a node that failed are those
// it got to: they are not compared.
func (c *Changes) compareNodes(was []journal.Step, now []Node) {
	before := map[string]journal.Step{}
	for _, s := range was {
		before[s.Node] = s
	}
	for _, n := range now {
		s, known := before[n.Name]
		delete(before, n.Name)
		built := n.Status == journal.Succeeded || n.Status == journal.Withheld
		switch {
		case !known && n.Status != "":
			c.NodesAdded = append(c.NodesAdded, n.Name)
		case known && built && s.Rows != n.Rows:
			c.Rows = append(c.Rows, RowChange{n.Name, s.Rows, n.Rows})
		}
	}
	for _, s := range was {
		if _, gone := before[s.Node]; gone {
			c.NodesGone = append(c.NodesGone, s.Node)
		}
	}
}

func sameSet(a, b []string) bool {
	have := map[string]int{}
	for _, s := range a {
		have[s]++
	}
	for _, s := range b {
		have[s]--
	}
	for _, n := range have {
		if n != 0 {
			return false
		}
	}
	return true
}

// rank orders checks by how much they matter: what keeps a table back, then warnings, then quarantine, then the rest.
func rank(c Check) int {
	switch c.Status {
	case check.StatusError:
		return 0
	case check.StatusFail:
		return 1
	case check.StatusSkipped:
		return 4
	}
	switch {
	case c.Quarantined > 0:
		return 3
	case c.Status == check.StatusWarn:
		return 2
	}
	return 5
}

// severityRank orders the severities within a status.
func severityRank(s models.Severity) int {
	switch s {
	case models.SeverityError:
		return 0
	case models.SeverityQuarantine:
		return 1
	}
	return 2
}

// notesOf are a step's notes, and that it has built nothing where that is so.
func notesOf(s journal.Step) []string {
	notes := []string{}
	if s.Unchanged {
		notes = append(notes, "unchanged: it was not built, for nothing has changed of which its table is made")
	}
	return append(notes, s.Notes...)
}
