package pipeline

import (
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// This file tells what became of a run in dbt's words: for run_results.json, and for the hooks of the run's end.

// NodeResult is what became of a node that was built, or of a test.
type NodeResult struct {
	jinja.Result
	SQL string // as it was run; "" where nothing was rendered
}

// Outcome is what NodeResults tells of.
type Outcome struct {
	Steps     []journal.Step
	Checks    []check.Result
	UnitTests []UnitResult
	Compiled  map[string]string // what was rendered, by node
	End       time.Time         // when the last check ended: when each began nobody has noted
}

// Outcome is what NodeResults tells of; end is when the last check ended.
func (r *Report) Outcome(end time.Time) Outcome {
	return Outcome{r.Steps, r.Checks, r.UnitTests, r.Compiled, end}
}

// NodeResults are a result for each node that was built, and for each test and unit test. Streams are no nodes that dbt builds.
func NodeResults(p *models.Project, o Outcome) []NodeResult {
	results := []NodeResult{}
	refused := map[string]bool{} // by a unit test
	for _, u := range o.UnitTests {
		results = append(results, unitResult(u))
		refused[u.Node] = refused[u.Node] || u.Status != UnitPass
	}
	for _, s := range o.Steps {
		if n := p.Node(s.Node); n != nil && n.Stream == nil && n.Kind.Built() {
			r := stepResult(p, n, s, refused[s.Node])
			r.SQL = o.Compiled[s.Node]
			results = append(results, r)
		}
	}
	told := map[*models.Check]bool{}
	for i := range o.Checks {
		n := p.Node(o.Checks[i].Node)
		if n == nil {
			continue
		}
		if of := n.Check(o.Checks[i].Name); of != nil && p.IsTest(of) {
			told[of] = true
			results = append(results, checkResult(p, of, &o.Checks[i], o.End))
		}
	}
	return append(results, untried(p, o, told)...)
}

// untried are the results of tests and unit tests of nodes that were not built: they have not run.
func untried(p *models.Project, o Outcome, told map[*models.Check]bool) []NodeResult {
	ran := map[string]bool{}
	for _, u := range o.UnitTests {
		ran[u.ID] = true
	}
	var results []NodeResult
	skip := func(id string) {
		results = append(results, NodeResult{Result: jinja.Result{ID: id, Status: "skipped"}})
	}
	for _, s := range o.Steps {
		n := p.Node(s.Node)
		if n == nil || s.Status != journal.Failed && s.Status != journal.UpstreamFailed {
			continue
		}
		for _, c := range n.Checks {
			if p.IsTest(c) && !told[c] {
				skip(p.TestID(c))
			}
		}
		for _, t := range p.UnitTestsOf(n) {
			if id := p.UnitTestID(t); p.DBT && !ran[id] {
				skip(id)
			}
		}
	}
	return results
}

func unitResult(u UnitResult) NodeResult {
	r := NodeResult{Result: jinja.Result{ID: u.ID, Status: string(u.Status), Message: u.Message, Took: u.Took, Started: u.Started, Finished: u.Started.Add(u.Took)}}
	var failures int64
	switch u.Status {
	case UnitPass:
		r.Failures = &failures
	case UnitFail:
		failures = 1
		r.Failures = &failures
	}
	return r
}

// stepResult is that of a node. One that a unit test has refused was not tried, as dbt sees it.
func stepResult(p *models.Project, n *models.Node, s journal.Step, refused bool) NodeResult {
	r := NodeResult{Result: jinja.Result{ID: p.UniqueID(n), Message: s.Error}}
	switch {
	case refused:
		r.Status = "skipped"
	case s.Status == journal.Succeeded:
		r.Status, r.Message = "success", "OK"
		if s.Rows > 0 || n.Seed != nil { // nobody counts a view's
			r.Rows = &s.Rows
		}
	case s.Status == journal.UpstreamFailed || s.Status == journal.Withheld:
		r.Status = "skipped"
	default:
		r.Status = "error"
	}
	if s.Finished != nil {
		r.Took = s.Finished.Sub(s.Started)
		if r.Status != "skipped" {
			r.Started, r.Finished = s.Started, *s.Finished
		}
	}
	if n.Model == nil || n.Model.Materialized != models.Ephemeral {
		r.Relation = p.RelationName(n)
	}
	return r
}

func checkResult(p *models.Project, of *models.Check, c *check.Result, end time.Time) NodeResult {
	r := NodeResult{Result: jinja.Result{ID: p.TestID(of), Status: string(c.Status), Message: c.Message, Took: c.Took}, SQL: c.SQL}
	if c.Status == check.StatusPass {
		r.Message = ""
	}
	failures := int64(0) // of one that passes, whatever there is below what is asked for
	switch c.Status {
	case check.StatusWarn, check.StatusFail:
		failures = c.Failures(of)
		r.Failures = &failures
	case check.StatusPass:
		r.Failures = &failures
	}
	if c.Status != check.StatusSkipped && !end.IsZero() {
		r.Started, r.Finished = end.Add(-c.Took), end
	}
	return r
}

// resultsForHooks are the results so far, with what templates know of each node.
func (r *run) resultsForHooks() []jinja.Result {
	if len(r.Project.OnRunEnd) == 0 {
		return nil
	}
	steps := r.steps()
	r.mu.Lock()
	defer r.mu.Unlock()
	var checks []check.Result
	tests := map[string]*models.Check{}
	for _, n := range r.nodes {
		checks = append(checks, r.checks[n.Name()]...)
		for _, c := range n.Checks {
			tests[r.Project.TestID(c)] = c
		}
	}
	nodes, units := map[string]*models.Node{}, map[string]*models.UnitTest{}
	for _, n := range r.nodes {
		nodes[r.Project.UniqueID(n)] = n
		for _, t := range r.Project.UnitTestsOf(n) {
			units[r.Project.UnitTestID(t)] = t
		}
	}
	var all []jinja.Result
	for _, one := range NodeResults(r.Project, Outcome{steps, checks, r.gate.results, r.compiled, r.Clock()}) {
		if n := nodes[one.ID]; n != nil {
			one.Node = r.Project.Facts(n)
		} else if c := tests[one.ID]; c != nil {
			one.Node = r.Project.TestNode(c)
		} else if t := units[one.ID]; t != nil {
			one.Node = r.Project.UnitTestNode(t)
		}
		if one.SQL != "" {
			_ = one.Node.Set("compiled", true) // a text is a key
			_ = one.Node.Set("compiled_code", one.SQL)
		}
		all = append(all, one.Result)
	}
	return all
}
