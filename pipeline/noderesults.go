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

// NodeResults are a result for each node that was built, and for each test. Streams are no nodes that dbt builds. compiled has what was
// rendered, by node; end is when the last check ended: when each began nobody has noted.
func NodeResults(p *models.Project, steps []journal.Step, checks []check.Result, compiled map[string]string, end time.Time) []NodeResult {
	results := []NodeResult{}
	for _, s := range steps {
		if n := p.Node(s.Node); n != nil && n.Stream == nil && n.Kind.Built() {
			r := stepResult(p, n, s)
			r.SQL = compiled[s.Node]
			results = append(results, r)
		}
	}
	for i := range checks {
		n := p.Node(checks[i].Node)
		if n == nil {
			continue
		}
		if of := n.Check(checks[i].Name); of != nil && p.IsTest(of) {
			results = append(results, checkResult(p, of, &checks[i], end))
		}
	}
	return results
}

func stepResult(p *models.Project, n *models.Node, s journal.Step) NodeResult {
	r := NodeResult{Result: jinja.Result{ID: p.UniqueID(n), Message: s.Error}}
	switch s.Status {
	case journal.Succeeded:
		r.Status, r.Message = "success", "OK"
		if s.Rows > 0 || n.Seed != nil { // nobody counts a view's
			r.Rows = &s.Rows
		}
	case journal.UpstreamFailed, journal.Withheld:
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
	nodes := map[string]*models.Node{}
	for _, n := range r.nodes {
		nodes[r.Project.UniqueID(n)] = n
	}
	var all []jinja.Result
	for _, one := range NodeResults(r.Project, steps, checks, r.compiled, r.Clock()) {
		if n := nodes[one.ID]; n != nil {
			one.Node = r.Project.Facts(n)
		} else if c := tests[one.ID]; c != nil {
			one.Node = r.Project.TestNode(c)
		}
		if one.SQL != "" {
			_ = one.Node.Set("compiled", true) // a text is a key
			_ = one.Node.Set("compiled_code", one.SQL)
		}
		all = append(all, one.Result)
	}
	return all
}
