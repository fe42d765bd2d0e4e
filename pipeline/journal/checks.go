package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
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
	rows, err := j.db.QueryContext(ctx, "SELECT result FROM check_result WHERE run = ? ORDER BY node, position", run)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", j.explain(err))
	}
	defer rows.Close()
	all := []check.Result{}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		var r check.Result
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return nil, fmt.Errorf("journal: check result of run %s: %w", run, err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// CheckPoint is one check's outcome in one run: a point of its trend.
type CheckPoint struct {
	Run     string       `json:"run"`
	At      time.Time    `json:"at"` // logical time of the run
	Status  check.Status `json:"status"`
	Failing int64        `json:"failing"`
	Checked int64        `json:"checked"`
}

// CheckHistory is what became of a check in the latest runs, oldest first.
func (j *Journal) CheckHistory(ctx context.Context, node, name string, limit int) ([]CheckPoint, error) {
	rows, err := j.db.QueryContext(ctx, "SELECT run, at, status, failing, checked FROM check_result WHERE node = ? AND name = ? ORDER BY at DESC, run DESC LIMIT ?", node, name, limit)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", j.explain(err))
	}
	defer rows.Close()
	var all []CheckPoint
	for rows.Next() {
		var p CheckPoint
		var at string
		if err := rows.Scan(&p.Run, &at, &p.Status, &p.Failing, &p.Checked); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		p.At = parseTime(at)
		all = append([]CheckPoint{p}, all...)
	}
	return all, rows.Err()
}

// Metrics are a table's figures of that name in the latest runs before this one that came to their end, oldest first.
func (j *Journal) Metrics(ctx context.Context, node, name, before string, limit int) ([]check.Metric, error) {
	rows, err := j.db.QueryContext(ctx, `SELECT m.run, m.value, m.at FROM metric m JOIN run r ON r.id = m.run
		WHERE m.node = ? AND m.name = ? AND m.run <> ? AND r.snapshot IS NOT NULL ORDER BY m.at DESC, m.run DESC LIMIT ?`, node, name, before, limit)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", j.explain(err))
	}
	defer rows.Close()
	var all []check.Metric
	for rows.Next() {
		m := check.Metric{Name: name}
		var at string
		if err := rows.Scan(&m.Run, &m.Value, &at); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		m.At = parseTime(at)
		all = append([]check.Metric{m}, all...)
	}
	return all, rows.Err()
}

// LastChecked is the latest run that checked the node; "" when none has.
func (j *Journal) LastChecked(ctx context.Context, node string) (string, error) {
	var run string
	err := j.db.QueryRowContext(ctx, "SELECT run FROM check_result WHERE node = ? ORDER BY at DESC, run DESC LIMIT 1", node).Scan(&run)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("journal: %w", j.explain(err))
	}
	return run, nil
}
