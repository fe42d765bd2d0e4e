package journal

import (
	"context"
	"database/sql"
	"fmt"
)

// CheckName identifies a check through all runs.
type CheckName struct {
	Node, Name string
}

// checkTrends finds the points of the trends of a run's checks, each check's by the index of trends.
const checkTrends = `
		WITH wanted AS (SELECT node, name, at, run FROM check_result WHERE run = ?)
		SELECT h.node, h.name, h.run, h.at, h.status, h.failing, h.checked
		FROM wanted w JOIN check_result h ON h.rowid IN (SELECT rowid FROM check_result p
			WHERE p.node = w.node AND p.name = w.name AND p.at <= w.at AND (p.at, p.run) <= (w.at, w.run)
				AND (SELECT ` + targetOfRun + ` FROM run WHERE run.id = p.run) IS (SELECT ` + targetOfRun + ` FROM run WHERE run.id = w.run) ORDER BY p.at DESC, p.run DESC LIMIT ?)
		ORDER BY h.node, h.name, h.at, h.run`

// CheckTrends are the histories of all checks of a run up to and with that run, in runs for its target, each at most limit points long and
// oldest first: as it was when the run was.
func (j *Journal) CheckTrends(ctx context.Context, run string, limit int) (map[CheckName][]CheckPoint, error) {
	type point struct {
		check CheckName
		CheckPoint
	}
	points, err := query(ctx, j, checkTrends,
		func(rows *sql.Rows) (point, error) {
			var p point
			var at string
			err := rows.Scan(&p.check.Node, &p.check.Name, &p.Run, &at, &p.Status, &p.Failing, &p.Checked)
			p.At = parseTime(at)
			return p, err
		}, run, limit)
	if err != nil {
		return nil, fmt.Errorf("trends of the checks of run %s: %w", run, err)
	}
	trends := map[CheckName][]CheckPoint{}
	for _, p := range points {
		trends[p.check] = append(trends[p.check], p.CheckPoint)
	}
	return trends, nil
}

// RunsUntil returns the run's pipeline's runs for its target up to and with the run itself, the newest first.
func (j *Journal) RunsUntil(ctx context.Context, r Run, limit int) ([]Run, error) {
	return query(ctx, j, selectRun+` WHERE pipeline = ? AND (started, id) <= (?, ?) AND `+targetOfRun+` = ? ORDER BY started DESC, id DESC LIMIT ?`, scanRun,
		r.Pipeline, stamp(r.Started), r.ID, r.Selection.Target, limit)
}

// LastGreen returns the latest run of the same pipeline for the same target, but for replays, that succeeded before this one; ErrNotFound when there
// is none.
func (j *Journal) LastGreen(ctx context.Context, r Run) (Run, error) {
	runs, err := query(ctx, j, selectRun+` WHERE pipeline = ? AND status = ? AND (started, id) < (?, ?) AND `+targetOfRun+` = ? AND `+working+` ORDER BY started DESC, id DESC LIMIT 1`, scanRun,
		r.Pipeline, Succeeded, stamp(r.Started), r.ID, r.Selection.Target)
	if err != nil {
		return Run{}, err
	}
	if len(runs) == 0 {
		return Run{}, fmt.Errorf("green run before %s: %w", r.ID, ErrNotFound)
	}
	return runs[0], nil
}
