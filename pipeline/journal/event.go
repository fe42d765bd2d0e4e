package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Event is one line of the audit log: who did what, and what the scheduler decided.
type Event struct {
	ID       int64     `json:"id"`
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"` // trigger, cancel, pause, resume, reload, misfire, login, ...
	Pipeline string    `json:"pipeline,omitempty"`
	Run      string    `json:"run,omitempty"`
	Target   string    `json:"target,omitempty"` // of a run that could not begin
	By       string    `json:"by,omitempty"`     // "" for the engine itself
	Text     string    `json:"text"`
}

// Kinds of events that people are told of.
const (
	EventRunUnstarted   = "run_unstarted"  // a run could not even begin
	EventMisfire        = "misfire"        // times of a schedule were missed, and are made up for
	EventMissed         = "missed"         // times of a schedule were missed, and some are not made up for
	EventReload         = "reload"         // the project was loaded anew, or its files are in order again
	EventReloadRefused  = "reload_refused" // a changed project was refused: work goes on with the one before
	EventAlertFailed    = "alert_failed"   // a message was given up
	EventAlertHeartbeat = "heartbeat"      // it is not heard, or is again
)

// AddEvent adds a line to the audit log.
func (j *Journal) AddEvent(ctx context.Context, e Event) error {
	return j.tx(ctx, "event", func(tx *sql.Tx) error { return insertEvent(ctx, tx, e) })
}

func insertEvent(ctx context.Context, tx *sql.Tx, e Event) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO event (at, run, kind, text, by, pipeline, target) VALUES (?,?,?,?,?,?,?)`, stamp(e.At), nullable(e.Run), e.Kind, e.Text, e.By, e.Pipeline, e.Target)
	return err
}

// Events returns the lines before the one of that id (0: from the last), the last first.
func (j *Journal) Events(ctx context.Context, before int64, limit int) ([]Event, error) {
	return query(ctx, j, selectEvent+` WHERE id < ? OR ? = 0 ORDER BY id DESC LIMIT ?`, scanEvent, before, before, limit)
}

const selectEvent = `SELECT id, at, kind, pipeline, coalesce(run, ''), target, by, text FROM event`

func scanEvent(rows *sql.Rows) (e Event, err error) {
	var at string
	err = rows.Scan(&e.ID, &at, &e.Kind, &e.Pipeline, &e.Run, &e.Target, &e.By, &e.Text)
	e.At = parseTime(at)
	return e, err
}

// EventsAfter returns the lines of the audit log after the one of that id, the first first.
func (j *Journal) EventsAfter(ctx context.Context, after int64, limit int) ([]Event, error) {
	return query(ctx, j, selectEvent+` WHERE id > ? ORDER BY id LIMIT ?`, scanEvent, after, limit)
}

// Unstarted are the runs for a target that could not even begin at that time or later, the newest first, 1,000 at most.
func (j *Journal) Unstarted(ctx context.Context, target string, since time.Time) ([]Event, error) {
	return query(ctx, j, selectEvent+` WHERE kind = ? AND target = ? AND at >= ? ORDER BY at DESC LIMIT 1000`, scanEvent, EventRunUnstarted, target, stamp(since))
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
