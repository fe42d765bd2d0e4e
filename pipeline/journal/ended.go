package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// What comes to an end.
const (
	EndOfRun    = "run"
	EndOfFiring = "firing"
)

// Kinds of events that people are told of.
const (
	EventRunUnstarted   = "run_unstarted"  // a run could not even begin
	EventReload         = "reload"         // the project was loaded anew, or its files are in order again
	EventReloadRefused  = "reload_refused" // a changed project was refused: work goes on with the one before
	EventAlertFailed    = "alert_failed"   // a message was given up
	EventAlertHeartbeat = "heartbeat"      // it is not heard, or is again
)

// End notes that a run, or a firing, came to an end. A run that is resumed or retried ends again.
type End struct {
	Seq    int64     `json:"seq"` // they are numbered as they are recorded: whoever has seen one has seen all before it
	Kind   string    `json:"kind"`
	ID     string    `json:"id"`
	Status string    `json:"status"` // as it was then
	At     time.Time `json:"at"`
}

// mostEnds is how many ends are kept, whether somebody looks at them or not: whoever tells people of them does so within seconds, and
// whoever begins to asks for those of the last hour. trimmed is how many one more takes with it at most.
const (
	mostEnds = 10_000
	trimmed  = 100
)

// noteEnd records an end in the transaction that brings it; no time, no end.
func noteEnd(ctx context.Context, tx *sql.Tx, kind, id, status string, at *time.Time) error {
	if at == nil {
		return nil
	}
	added, err := tx.ExecContext(ctx, `INSERT INTO ended (kind, id, status, at) VALUES (?,?,?,?)`, kind, id, status, stamp(*at))
	if err != nil {
		return err
	}
	seq, err := added.LastInsertId()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM ended WHERE seq IN (SELECT seq FROM ended WHERE seq <= ? ORDER BY seq LIMIT ?)`, seq-mostEnds, trimmed)
	return err
}

// Ended returns what came to an end after the one of that number, in the order in which it was recorded.
func (j *Journal) Ended(ctx context.Context, after int64, limit int) ([]End, error) {
	return query(ctx, j, `SELECT seq, kind, id, status, at FROM ended WHERE seq > ? ORDER BY seq LIMIT ?`, func(rows *sql.Rows) (e End, err error) {
		var at string
		err = rows.Scan(&e.Seq, &e.Kind, &e.ID, &e.Status, &at)
		e.At = parseTime(at)
		return e, err
	}, after, limit)
}

// EndedBefore returns the number of the last end that was recorded before the first one at or after that time; 0 when there is none.
func (j *Journal) EndedBefore(ctx context.Context, at time.Time) (int64, error) {
	var seq int64
	err := j.db.QueryRowContext(ctx, `SELECT coalesce((SELECT min(seq) - 1 FROM ended WHERE at >= ?), (SELECT max(seq) FROM ended), 0)`, stamp(at)).Scan(&seq)
	if err != nil {
		return 0, fmt.Errorf("journal: %w", j.explain(err))
	}
	return seq, nil
}

// RunTimes returns how long the pipeline's latest successful runs for the target took, but for replays.
func (j *Journal) RunTimes(ctx context.Context, pipeline string, t Target, limit int) ([]time.Duration, error) {
	name, unnamed := t.names()
	return query(ctx, j, `SELECT started, finished FROM run WHERE pipeline = ? AND status = 'succeeded' AND finished IS NOT NULL AND attempt = 1
			AND `+targetOfRun+` IN (?, ?) AND `+working+` ORDER BY started DESC LIMIT ?`,
		func(rows *sql.Rows) (time.Duration, error) {
			var started, finished string
			err := rows.Scan(&started, &finished)
			return parseTime(finished).Sub(parseTime(started)), err
		}, pipeline, name, unnamed, limit)
}

// EventsAfter returns the lines of the audit log after the one of that id, the first first.
func (j *Journal) EventsAfter(ctx context.Context, after int64, limit int) ([]Event, error) {
	return query(ctx, j, selectEvent+` WHERE id > ? ORDER BY id LIMIT ?`, scanEvent, after, limit)
}

// FilesRefused says whether the last word about the project's files is that they were refused.
func (j *Journal) FilesRefused(ctx context.Context) (refused bool, err error) {
	last, err := query(ctx, j, selectEvent+` WHERE kind IN (?, ?) ORDER BY id DESC LIMIT 1`, scanEvent, EventReload, EventReloadRefused)
	return len(last) > 0 && last[0].Kind == EventReloadRefused, err
}

// LastEvent returns the id of the last line of the audit log; 0 when there is none.
func (j *Journal) LastEvent(ctx context.Context) (int64, error) {
	var id int64
	err := j.db.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM event`).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("journal: %w", j.explain(err))
	}
	return id, nil
}

// ExactRun returns the run of that id, not of a prefix of it; ErrNotFound when there is none.
func (j *Journal) ExactRun(ctx context.Context, id string) (Run, error) {
	runs, err := query(ctx, j, selectRun+` WHERE id = ?`, scanRun, id)
	if err == nil && len(runs) == 0 {
		err = fmt.Errorf("%q: %w", id, ErrNotFound)
	}
	if err != nil {
		return Run{}, err
	}
	return runs[0], nil
}

// Unended returns the runs that the journal calls running and the firings that are open. Both are few, whatever the history.
func (j *Journal) Unended(ctx context.Context) ([]Run, []Firing, error) {
	runs, err := query(ctx, j, selectRun+` WHERE status = 'running' ORDER BY started`, scanRun)
	if err != nil {
		return nil, nil, err
	}
	firings, err := query(ctx, j, selectFiring+` WHERE finished IS NULL ORDER BY created, id`, scanFiring)
	return runs, firings, err
}
