package journal

import (
	"context"
	"database/sql"
	"time"
)

// Once is a request that has its effect once, however often it is sent: known by who sent it and the key that they gave it.
type Once struct {
	Who, Key string
	Hash     string // of what was asked
	Firing   string // id that the firing has that the request adds: a second try adds no other
	Status   int    // of the answer; 0: none was given yet
	Answer   []byte
	Until    time.Time // when it is forgotten
}

// Begin records a request before it has any effect, or returns the one that is there, and forgets those that are too old.
func (j *Journal) Begin(ctx context.Context, o Once, now time.Time) (there Once, err error) {
	err = j.tx(ctx, "once", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM once WHERE until <= ?`, stamp(now)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO once (who, key, hash, firing, status, answer, until) VALUES (?,?,?,?,0,'',?) ON CONFLICT (who, key) DO NOTHING`,
			o.Who, o.Key, o.Hash, o.Firing, stamp(o.Until)); err != nil {
			return err
		}
		there = Once{Who: o.Who, Key: o.Key}
		var until string
		err := tx.QueryRowContext(ctx, `SELECT hash, firing, status, answer, until FROM once WHERE who = ? AND key = ?`, o.Who, o.Key).Scan(&there.Hash, &there.Firing, &there.Status, &there.Answer, &until)
		there.Until = parseTime(until)
		return err
	})
	return there, err
}

// Answered keeps the answer of a request that Begin recorded.
func (j *Journal) Answered(ctx context.Context, o Once) error {
	return j.tx(ctx, "once", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE once SET status = ?, answer = ? WHERE who = ? AND key = ?`, o.Status, string(o.Answer), o.Who, o.Key)
		return err
	})
}

// Forget removes a request that had no effect, so that it can be sent again.
func (j *Journal) Forget(ctx context.Context, who, key string) error {
	return j.tx(ctx, "once", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM once WHERE who = ? AND key = ?`, who, key)
		return err
	})
}
