package journal

import (
	"context"
	"database/sql"
)

// StepTotals are what the steps of a run add up to.
type StepTotals struct {
	Steps    int   `json:"steps"`
	Built    int   `json:"built"`
	Rows     int64 `json:"rows"`
	Rejected int64 `json:"rejected"`
}

// TotalsOf adds up the steps of each of the runs, each node's last attempt only. A run without steps is not in the answer.
func (j *Journal) TotalsOf(ctx context.Context, runs []string) (map[string]StepTotals, error) {
	type total struct {
		run string
		StepTotals
	}
	all, err := query(ctx, j, `SELECT run, count(*), count(*) FILTER (WHERE status = 'succeeded'), sum(rows), sum(rejected) FROM step s
		WHERE run IN (SELECT value FROM json_each(?)) AND attempt = (SELECT max(attempt) FROM step WHERE run = s.run AND node = s.node) GROUP BY run`,
		func(rows *sql.Rows) (t total, err error) {
			return t, rows.Scan(&t.run, &t.Steps, &t.Built, &t.Rows, &t.Rejected)
		}, toJSON(runs))
	totals := map[string]StepTotals{}
	for _, t := range all {
		totals[t.run] = t.StepTotals
	}
	return totals, err
}

// NodeSteps are the node's steps in the latest runs of the pipeline for the target, the newest first. It looks at no more than limit runs.
func (j *Journal) NodeSteps(ctx context.Context, node, pipeline string, t Target, limit int) ([]Step, error) {
	runs, err := j.Runs(ctx, Filter{Pipeline: pipeline, Target: t, Limit: limit})
	if err != nil {
		return nil, err
	}
	var all []Step
	for _, r := range runs {
		steps, err := j.steps(ctx, r.ID, node)
		if err != nil {
			return nil, err
		}
		all = append(all, steps...)
	}
	return all, nil
}
