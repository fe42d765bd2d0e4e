package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/transform/check"
)

// SaveChecks records what became of a node's checks in the run, instead of what an earlier attempt found, and the figures
// that later runs are compared with.
func (j *Journal) SaveChecks(ctx context.Context, run, node string, at time.Time, results []check.Result, metrics []check.Metric) error {
	return j.tx(ctx, "checks", func(tx *sql.Tx) error {
		for _, table := range []string{"check_result", "metric"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE run = ? AND node = ?", run, node); err != nil {
				return err
			}
		}
		for i, r := range results {
			if _, err := tx.ExecContext(ctx, `INSERT INTO check_result (run, node, name, position, status, failing, checked, at, result) VALUES (?,?,?,?,?,?,?,?,?)`,
				run, node, r.Name, i, r.Status, r.Failing, r.Checked, stamp(at), toJSON(r)); err != nil {
				return err
			}
		}
		for _, m := range metrics {
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO metric (run, node, name, value, at) VALUES (?,?,?,?,?)`, run, node, m.Name, m.Value, stamp(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Checks are the results of a run, by node and in the order of the project.
func (j *Journal) Checks(ctx context.Context, run string) ([]check.Result, error) {
	return query(ctx, j, "SELECT result FROM check_result WHERE run = ? ORDER BY node, position", func(rows *sql.Rows) (r check.Result, err error) {
		var text string
		if err = rows.Scan(&text); err == nil {
			err = json.Unmarshal([]byte(text), &r)
		}
		return r, err
	}, run)
}

// CheckPoint is one check's outcome in one run: a point of its trend.
type CheckPoint struct {
	Run     string       `json:"run"`
	At      time.Time    `json:"at"` // logical time of the run
	Status  check.Status `json:"status"`
	Failing int64        `json:"failing"`
	Checked int64        `json:"checked"`
}

// Metrics are a table's figures of that name in the latest runs for the target up to a logical time, without those of one run, oldest first.
// Runs that a check failed count too: a table that has changed for good must not fail for ever.
func (j *Journal) Metrics(ctx context.Context, t Target, node, name, without string, until time.Time, limit int) ([]check.Metric, error) {
	own, unnamed := t.names()
	all, err := query(ctx, j, "SELECT run, value, at FROM metric WHERE node = ? AND name = ? AND run <> ? AND at <= ? AND "+targetOfMetric+" IN (?, ?) ORDER BY at DESC, run DESC LIMIT ?",
		func(rows *sql.Rows) (check.Metric, error) {
			m, at := check.Metric{Name: name}, ""
			err := rows.Scan(&m.Run, &m.Value, &at)
			m.At = parseTime(at)
			return m, err
		}, node, name, without, stamp(until), own, unnamed, limit)
	slices.Reverse(all)
	return all, err
}

// lastChecked finds the latest run for a target (?2, ?3) that checked a node (?1).
const lastChecked = `(SELECT run FROM check_result WHERE node = ?1 AND ` + targetOfResult + ` IN (?2, ?3) ORDER BY at DESC, run DESC LIMIT 1)`

// LastFailing are the checks that rows of the node failed in the latest run for the target that checked it.
func (j *Journal) LastFailing(ctx context.Context, node string, t Target) ([]string, error) {
	own, unnamed := t.names()
	return query(ctx, j, `SELECT name FROM check_result WHERE node = ?1 AND failing > 0 AND run = `+lastChecked, func(rows *sql.Rows) (name string, err error) {
		return name, rows.Scan(&name)
	}, node, own, unnamed)
}

// LastChecked is the latest run for the target that checked the node; "" when none has.
func (j *Journal) LastChecked(ctx context.Context, node string, t Target) (string, error) {
	var run sql.NullString
	own, unnamed := t.names()
	err := j.db.QueryRowContext(ctx, "SELECT "+lastChecked, node, own, unnamed).Scan(&run)
	if err != nil {
		return "", fmt.Errorf("journal: %w", j.explain(err))
	}
	return run.String, nil
}
