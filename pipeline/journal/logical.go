package journal

import (
	"context"
	"time"
)

// RunsAt returns the runs of exactly these pipelines, as Run.Pipeline joins them, for one logical time, the newest first. Replays stand for none.
func (j *Journal) RunsAt(ctx context.Context, pipeline string, logicalTime time.Time) ([]Run, error) {
	return query(ctx, j, selectRun+` WHERE pipeline = ? AND logical_time = ? AND `+working+` ORDER BY started DESC, id DESC`, scanRun, pipeline, stamp(logicalTime))
}
