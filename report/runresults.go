package report

import (
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// ResultsSchema is the schema of dbt's run_results.json.
const ResultsSchema = "https://schemas.getdbt.com/dbt/run-results/v6.json"

// RunResults tells a run as dbt's run_results.json does: a result for each node that was built, and for each test and unit test. Streams are no nodes
// that dbt builds.
func RunResults(p *models.Project, r *pipeline.Report, in models.Invocation, args map[string]any) map[string]any {
	results := []map[string]any{}
	took := 0.0
	refused := map[string]bool{}
	for _, u := range r.UnitTests {
		results = append(results, unitResult(u))
		refused[u.Node] = refused[u.Node] || u.Status != pipeline.UnitPass
	}
	for _, s := range r.Steps {
		if n := p.Node(s.Node); n != nil && n.Stream == nil && n.Kind.Built() {
			results = append(results, stepResult(p, n, s, refused[s.Node]))
		}
	}
	told := map[*models.Check]bool{}
	for _, c := range r.Checks {
		n := p.Node(c.Node)
		if n == nil {
			continue
		}
		if of := n.Check(c.Name); of != nil && p.IsTest(of) {
			told[of] = true
			results = append(results, checkResult(p, of, c, r))
		}
	}
	results = append(results, untried(p, r, told)...)
	if r.Run.Finished != nil {
		took = r.Run.Finished.Sub(r.Run.Begun()).Seconds()
	}
	return map[string]any{"metadata": p.Metadata(ResultsSchema, in), "results": results, "elapsed_time": took, "args": args}
}

// untried are the results of tests and unit tests of nodes that were not built: they have not run.
func untried(p *models.Project, r *pipeline.Report, told map[*models.Check]bool) []map[string]any {
	ran := map[string]bool{}
	for _, u := range r.UnitTests {
		ran[u.ID] = true
	}
	var results []map[string]any
	for _, s := range r.Steps {
		n := p.Node(s.Node)
		if n == nil || s.Status != journal.Failed && s.Status != journal.UpstreamFailed {
			continue
		}
		for _, c := range n.Checks {
			if p.IsTest(c) && !told[c] {
				results = append(results, newResult(p.TestID(c), "skipped", "", 0))
			}
		}
		for _, t := range p.UnitTestsOf(n) {
			if id := p.UnitTestID(t); p.DBT && !ran[id] {
				results = append(results, newResult(id, "skipped", "", 0))
			}
		}
	}
	return results
}

// newResult has what every result has; "" is no message.
func newResult(id, status, message string, seconds float64) map[string]any {
	out := map[string]any{"unique_id": id, "status": status, "message": nil, "failures": nil, "execution_time": seconds, "timing": []any{},
		"thread_id":        "millrace",
		"adapter_response": map[string]any{}, "compiled": nil, "compiled_code": nil, "relation_name": nil, "batch_results": nil}
	if message != "" {
		out["message"] = message
	}
	return out
}

// unitResult is that of a unit test.
func unitResult(u pipeline.UnitResult) map[string]any {
	out := newResult(u.ID, string(u.Status), u.Message, u.Seconds)
	out["timing"] = []any{map[string]any{"name": "execute", "started_at": models.Moment(u.Started), "completed_at": models.Moment(u.Started.Add(u.Took))}}
	switch u.Status {
	case pipeline.UnitPass:
		out["failures"] = 0
	case pipeline.UnitFail:
		out["failures"] = 1
	}
	return out
}

// stepResult is that of a node. One that a unit test has refused was not tried, as dbt sees it.
func stepResult(p *models.Project, n *models.Node, s journal.Step, refused bool) map[string]any {
	status := map[journal.Status]string{journal.Succeeded: "success", journal.UpstreamFailed: "skipped", journal.Withheld: "skipped"}[s.Status]
	if refused {
		status = "skipped"
	} else if status == "" {
		status = "error"
	}
	seconds := 0.0
	if s.Finished != nil {
		seconds = s.Finished.Sub(s.Started).Seconds()
	}
	out := newResult(p.UniqueID(n), status, s.Error, seconds)
	if s.Finished != nil && status != "skipped" {
		out["timing"] = []any{map[string]any{"name": "execute", "started_at": models.Moment(s.Started),
			"completed_at": models.Moment(*s.Finished)}}
	}
	if status == "success" {
		out["message"] = "OK"
		out["adapter_response"] = map[string]any{"_message": "OK", "rows_affected": s.Rows}
	}
	if n.Model == nil || n.Model.Materialized != models.Ephemeral {
		out["relation_name"] = p.RelationName(n)
	}
	return out
}

func checkResult(p *models.Project, of *models.Check, c check.Result, r *pipeline.Report) map[string]any {
	message := c.Message
	if c.Status == check.StatusPass {
		message = ""
	}
	out := newResult(p.TestID(of), string(c.Status), message, c.Took.Seconds())
	switch c.Status {
	case check.StatusWarn, check.StatusFail:
		out["failures"] = c.Failures(of)
	case check.StatusPass: // whatever there is below what is asked for
		out["failures"] = 0
	}
	if r.Run.Finished != nil && c.Status != check.StatusSkipped { // when each check began nobody has noted
		end := *r.Run.Finished
		out["timing"] = []any{map[string]any{"name": "execute", "started_at": models.Moment(end.Add(-c.Took)),
			"completed_at": models.Moment(end)}}
	}
	return out
}
