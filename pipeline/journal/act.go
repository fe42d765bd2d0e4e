package journal

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Act is what somebody asks of the journal, with its line in the audit log and the answer to the request: all of it is written, or nothing is.
type Act struct {
	ctx context.Context
	tx  *sql.Tx
}

// ErrAnswered says that the request was answered already, by another process.
var ErrAnswered = errors.New("the request was answered already")

// Act runs f in one transaction. It is undone when f returns an error.
func (j *Journal) Act(ctx context.Context, f func(*Act) error) error {
	return j.tx(ctx, "act", func(tx *sql.Tx) error { return f(&Act{ctx, tx}) })
}

// AddFiring is Journal.AddFiring.
func (a *Act) AddFiring(f Firing) (Firing, error) { return addFiring(a.ctx, a.tx, f) }

// CancelFiring is Journal.CancelFiring.
func (a *Act) CancelFiring(id, by string) (open bool, err error) {
	return cancelFiring(a.ctx, a.tx, id, by)
}

// Pause is Journal.Pause, and returns the pause that there is now.
func (a *Act) Pause(p Pause) (Pause, error) {
	if err := insertPause(a.ctx, a.tx, p); err != nil {
		return Pause{}, err
	}
	var since string
	err := a.tx.QueryRowContext(a.ctx, `SELECT since, by, reason FROM pause WHERE pipeline = ?`, p.Pipeline).Scan(&since, &p.By, &p.Reason)
	p.Since = parseTime(since)
	return p, err
}

// Resume is Journal.Resume.
func (a *Act) Resume(pipeline string, at time.Time) (paused bool, err error) {
	return deletePause(a.ctx, a.tx, pipeline, at)
}

// AddEvent is Journal.AddEvent.
func (a *Act) AddEvent(e Event) error { return insertEvent(a.ctx, a.tx, e) }

// Answer keeps the answer of a request that Begin recorded; ErrAnswered when it has one.
func (a *Act) Answer(o Once) error { return answer(a.ctx, a.tx, o) }
