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
		if _, err := tx.ExecContext(ctx, `INSERT INTO once (who, key, hash, status, answer, until) VALUES (?,?,?,0,'',?) ON CONFLICT (who, key) DO NOTHING`,
			o.Who, o.Key, o.Hash, stamp(o.Until)); err != nil {
			return err
		}
		there = Once{Who: o.Who, Key: o.Key}
		var until string
		err := tx.QueryRowContext(ctx, `SELECT hash, status, answer, until FROM once WHERE who = ? AND key = ?`, o.Who, o.Key).Scan(&there.Hash, &there.Status, &there.Answer, &until)
		there.Until = parseTime(until)
		return err
	})
	return there, err
}

func answer(ctx context.Context, tx *sql.Tx, o Once) error {
	n, err := changed(tx.ExecContext(ctx, `UPDATE once SET status = ?, answer = ? WHERE who = ? AND key = ? AND status = 0`, o.Status, string(o.Answer), o.Who, o.Key))
	if err == nil && n == 0 {
		return ErrAnswered
	}
	return err
}

// Forget removes a request that had no effect and has no answer, so that it can be sent again.
func (j *Journal) Forget(ctx context.Context, who, key string) error {
	return j.tx(ctx, "once", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM once WHERE who = ? AND key = ? AND status = 0`, who, key)
		return err
	})
}
