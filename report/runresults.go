package report

import (
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// ResultsSchema is the schema of dbt's run_results.json.
const ResultsSchema = "https://schemas.getdbt.com/dbt/run-results/v6.json"

// RunResults tells a run as dbt's run_results.json does: a result for each node that was built, and for each test. Streams are no nodes
// that dbt builds.
func RunResults(p *models.Project, r *pipeline.Report, in models.Invocation, args map[string]any) map[string]any {
	results := []map[string]any{}
	took := 0.0
	for _, s := range r.Steps {
		if n := p.Node(s.Node); n != nil && n.Stream == nil && n.Kind.Built() {
			results = append(results, stepResult(p, n, s))
		}
	}
	for _, c := range r.Checks {
		n := p.Node(c.Node)
		if n == nil {
			continue
		}
		if of := n.Check(c.Name); of != nil && p.IsTest(of) {
			results = append(results, checkResult(p, of, c, r))
		}
	}
	if r.Run.Finished != nil {
		took = r.Run.Finished.Sub(r.Run.Begun()).Seconds()
	}
	return map[string]any{"metadata": p.Metadata(ResultsSchema, in), "results": results, "elapsed_time": took, "args": args}
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

func stepResult(p *models.Project, n *models.Node, s journal.Step) map[string]any {
	status := map[journal.Status]string{journal.Succeeded: "success", journal.UpstreamFailed: "skipped", journal.Withheld: "skipped"}[s.Status]
	if status == "" {
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
