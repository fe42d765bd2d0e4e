package journal

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"syscall"
)

// How long a statement waits for another process that writes, in SQLite's words.
const (
	waitLong  = "busy_timeout(10000)"
	waitShort = "busy_timeout(500)"
)

// Writable says why nothing can be written; nil when it can. What it writes for that it takes back, and it waits for others half a second only,
// for others wait for it.
func (j *Journal) Writable(ctx context.Context) error {
	if diskFull(filepath.Dir(j.path)) {
		return fmt.Errorf("journal: %w", syscall.ENOSPC)
	}
	conn, err := j.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer conn.Close()
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA "+waitLong) }() // it is the connection of all
	if _, err := conn.ExecContext(ctx, "PRAGMA "+waitShort); err != nil {
		return fmt.Errorf("journal: %w", j.explain(err))
	}
	if err := writeAndTakeBack(ctx, conn); err != nil {
		return fmt.Errorf("journal: %w", j.explain(err))
	}
	return nil
}

func writeAndTakeBack(ctx context.Context, conn *sql.Conn) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO event (at, kind, text) VALUES ('', 'probe', '')`)
	back := tx.Rollback()
	return cmp.Or(err, back)
}
