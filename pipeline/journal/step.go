package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/millrace/millrace/warehouse"
)

// Step is one node's part in one attempt of a run.
type Step struct {
	Run       string               `json:"run"`
	Node      string               `json:"node"`
	Kind      string               `json:"kind"`
	Attempt   int                  `json:"attempt"`
	Status    Status               `json:"status"`
	Started   time.Time            `json:"started"`
	Finished  *time.Time           `json:"finished,omitempty"`
	Unchanged bool                 `json:"unchanged,omitempty"` // a model that was not built: its table is what would come of it
	Rows      int64                `json:"rows"`
	Bytes     int64                `json:"bytes"`
	Rejected  int64                `json:"rejected"`
	Equations []warehouse.Equation `json:"equations,omitempty"`
	Notes     []string             `json:"notes,omitempty"`
	Error     string               `json:"error,omitempty"`
	Hint      string               `json:"hint,omitempty"`
}

// SaveStep records a step as it is now.
func (j *Journal) SaveStep(ctx context.Context, s Step) error {
	return j.tx(ctx, "step", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO step (run, node, kind, attempt, status, started, finished, rows, bytes, rejected, equations, notes, error, hint, unchanged)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
			s.Run, s.Node, s.Kind, s.Attempt, s.Status, stamp(s.Started), stampPtr(s.Finished), s.Rows, s.Bytes, s.Rejected,
			toJSON(s.Equations), toJSON(s.Notes), nullable(s.Error), nullable(s.Hint), s.Unchanged)
		return err
	})
}

// Steps returns the steps of a run in the order they began, each node's last attempt only.
func (j *Journal) Steps(ctx context.Context, run string) ([]Step, error) {
	return j.steps(ctx, run, "")
}

// steps are those of a run, of one node when it is not "".
func (j *Journal) steps(ctx context.Context, run, node string) ([]Step, error) {
	only, args := "", []any{run}
	if node != "" {
		only, args = " AND node = ?", append(args, node)
	}
	return query(ctx, j, `SELECT run, node, kind, attempt, status, started, finished, rows, bytes, rejected, equations, notes, coalesce(error, ''), coalesce(hint, ''), unchanged
		FROM step s WHERE run = ?`+only+` AND attempt = (SELECT max(attempt) FROM step WHERE run = s.run AND node = s.node) ORDER BY started, node`, func(rows *sql.Rows) (Step, error) {
		var s Step
		var started, equations, notes string
		var finished sql.NullString
		if err := rows.Scan(&s.Run, &s.Node, &s.Kind, &s.Attempt, &s.Status, &started, &finished, &s.Rows, &s.Bytes, &s.Rejected, &equations, &notes, &s.Error, &s.Hint, &s.Unchanged); err != nil {
			return s, err
		}
		s.Started, s.Finished = parseTime(started), parseTimePtr(finished)
		return s, errors.Join(json.Unmarshal([]byte(equations), &s.Equations), json.Unmarshal([]byte(notes), &s.Notes))
	}, args...)
}
