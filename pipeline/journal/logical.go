package journal

import (
	"context"
	"strings"
	"time"
)

// RunsAt returns the runs of exactly these pipelines, as Run.Pipeline joins them, for one logical time, the newest first. Replays stand for none.
func (j *Journal) RunsAt(ctx context.Context, pipeline string, logicalTime time.Time) ([]Run, error) {
	return query(ctx, j, selectRun+` WHERE pipeline = ? AND logical_time = ? AND `+working+` ORDER BY started DESC, id DESC`, scanRun, pipeline, stamp(logicalTime))
}

// LatestOf returns the newest run for the target, but for replays, of any of the pipelines, also together with others; ErrNotFound when there
// is none.
func (j *Journal) LatestOf(ctx context.Context, pipelines []string, t Target) (Run, error) {
	conditions, args := make([]string, len(pipelines)), make([]any, len(pipelines))
	for i, name := range pipelines {
		conditions[i], args[i] = "instr('+' || pipeline || '+', '+' || ? || '+') > 0", name
	}
	name, unnamed := t.names()
	args = append(args, name, unnamed)
	runs, err := query(ctx, j, selectRun+" WHERE ("+strings.Join(conditions, " OR ")+") AND "+targetOfRun+" IN (?, ?) AND "+working+" ORDER BY started DESC, id DESC LIMIT 1", scanRun, args...)
	if err != nil {
		return Run{}, err
	}
	if len(runs) == 0 {
		return Run{}, ErrNotFound
	}
	return runs[0], nil
}
