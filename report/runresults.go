package report

import (
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
)

// ResultsSchema is the schema of dbt's run_results.json.
const ResultsSchema = "https://schemas.getdbt.com/dbt/run-results/v6.json"

// RunResults tells what became of a run as dbt's run_results.json does; took is how long the run has taken.
func RunResults(p *models.Project, results []pipeline.NodeResult, took time.Duration, in models.Invocation, args map[string]any) map[string]any {
	told := make([]map[string]any, len(results))
	for i, one := range results {
		told[i] = result(one)
	}
	return map[string]any{"metadata": p.Metadata(ResultsSchema, in), "results": told, "elapsed_time": took.Seconds(), "args": args}
}

// result has what every result has.
func result(r pipeline.NodeResult) map[string]any {
	out := map[string]any{"unique_id": r.ID, "status": r.Status, "message": nil, "failures": nil, "execution_time": r.Took.Seconds(),
		"timing": []any{}, "thread_id": "millrace", "adapter_response": r.Response(), "compiled": nil, "compiled_code": nil, "relation_name": nil,
		"batch_results": nil}
	if r.Message != "" {
		out["message"] = r.Message
	}
	if r.Failures != nil {
		out["failures"] = *r.Failures
	}
	if !r.Finished.IsZero() {
		out["timing"] = []any{map[string]any{"name": "compile", "started_at": models.Moment(r.Started), "completed_at": models.Moment(r.Started)},
			map[string]any{"name": "execute", "started_at": models.Moment(r.Started), "completed_at": models.Moment(r.Finished)}}
	}
	if r.SQL != "" {
		out["compiled"], out["compiled_code"] = true, r.SQL
	}
	if r.Relation != "" {
		out["relation_name"] = r.Relation
	}
	return out
}
