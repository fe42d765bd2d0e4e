package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Path is the file of the journal.
func (j *Journal) Path() string { return j.path }

// SchemaVersion is the version of the journal's tables.
func (j *Journal) SchemaVersion(ctx context.Context) (int, error) {
	var v int
	err := j.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v)
	return v, err
}

// Restored counts what Restore added.
type Restored struct {
	Runs    int `json:"runs"`
	Steps   int `json:"steps"`
	Cursors int `json:"cursors"`
}

// Restore adds runs and steps that the journal does not have, and sets the index of cursors to what is given, all
// in one transaction: it can be repeated.
func (j *Journal) Restore(ctx context.Context, runs []Run, steps []Step, cursors []CursorRow) (Restored, error) {
	var done Restored
	err := j.tx(ctx, "restore", func(tx *sql.Tx) error {
		done = Restored{}
		added := map[string]bool{}
		for _, r := range runs {
			n, err := changed(tx.ExecContext(ctx, `INSERT OR IGNORE INTO run (id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started, finished, snapshot, exit_code, error)
				VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
				r.ID, r.Pipeline, stamp(r.LogicalTime), r.Attempt, r.Status, toJSON(r.Selection), r.ProjectHash, r.Version, r.PID,
				stamp(r.Started), stampPtr(r.Finished), r.Snapshot, r.ExitCode, nullable(r.Error)))
			if err != nil {
				return err
			}
			added[r.ID] = n > 0
			done.Runs += n
		}
		for _, s := range steps {
			if !added[s.Run] {
				continue // the journal knows more of that run than a manifest does
			}
			n, err := changed(tx.ExecContext(ctx, `INSERT OR IGNORE INTO step (run, node, kind, attempt, status, started, finished, rows, bytes, rejected, equations, notes, error, hint)
				VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
				s.Run, s.Node, s.Kind, s.Attempt, s.Status, stamp(s.Started), stampPtr(s.Finished), s.Rows, s.Bytes, s.Rejected,
				toJSON(s.Equations), toJSON(s.Notes), nullable(s.Error), nullable(s.Hint)))
			if err != nil {
				return err
			}
			done.Steps += n
		}
		for _, c := range cursors {
			n, err := changed(tx.ExecContext(ctx, `INSERT INTO cursor (node, value, run, snapshot) VALUES (?,?,?,?)
				ON CONFLICT (node) DO UPDATE SET value = excluded.value, run = excluded.run, snapshot = excluded.snapshot
				WHERE value IS NOT excluded.value OR run IS NOT excluded.run OR snapshot IS NOT excluded.snapshot`, c.Node, string(c.Value), c.Run, c.Snapshot))
			if err != nil {
				return err
			}
			done.Cursors += n
		}
		return nil
	})
	return done, err
}

func changed(r sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// SetAside moves a journal that cannot be opened out of the way, with the files beside it that SQLite keeps, and
// returns its new path; "" when there is none.
func SetAside(path string, now time.Time) (string, error) {
	to := path + ".broken-" + now.UTC().Format("20060102T150405")
	if _, err := os.Lstat(to); err == nil {
		return "", fmt.Errorf("set journal aside: %s is there already", to)
	}
	err := os.Rename(path, to)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("set journal aside: %w", err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, to+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("set journal aside: %w", err)
		}
	}
	return to, nil
}

// Check lets SQLite look at every page.
func (j *Journal) Check(ctx context.Context) error {
	var verdict string
	if err := j.db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return j.explain(err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
	}
	return nil
}

// NetworkFS names the network file system that dir is on, or "".
func NetworkFS(dir string) string {
	err := refuseNetwork(dir)
	if err == nil || !errors.Is(err, ErrNetwork) {
		return ""
	}
	_, name, _ := strings.Cut(err.Error(), "(")
	name, _, _ = strings.Cut(name, ")")
	return name
}
