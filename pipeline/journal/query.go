package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/fault"
)

// tx runs f in one transaction; the fault points stand around its commit.
func (j *Journal) tx(ctx context.Context, at string, f func(*sql.Tx) error) error {
	if err := j.transact(ctx, at, f); err != nil {
		return fmt.Errorf("journal: %w", j.explain(err))
	}
	return nil
}

func (j *Journal) transact(ctx context.Context, at string, f func(*sql.Tx) error) error {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := f(tx); err != nil {
		return err
	}
	if err := fault.Point("journal." + at + ".commit"); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return fault.Point("journal." + at + ".committed")
}

func query[T any](ctx context.Context, j *Journal, text string, scan func(*sql.Rows) (T, error), args ...any) ([]T, error) {
	rows, err := j.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", j.explain(err))
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// where collects the conditions of a statement.
type where struct {
	conditions []string
	args       []any
}

func (w *where) add(on bool, condition string, values ...any) {
	if on {
		w.conditions, w.args = append(w.conditions, condition), append(w.args, values...)
	}
}

// of is what is selected under the conditions.
func (w *where) of(what string) string {
	if len(w.conditions) == 0 {
		return what
	}
	return what + " WHERE " + strings.Join(w.conditions, " AND ")
}

// statement is what is selected under the conditions, in that order; limit 0 is none.
func (w *where) statement(what, order string, limit int) (string, []any) {
	if limit == 0 {
		limit = -1
	}
	return w.of(what) + " ORDER BY " + order + " LIMIT ?", append(w.args, limit)
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

const timeFormat = "2006-01-02T15:04:05.000000Z"

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }

func stampPtr(t *time.Time) any {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

func parseTime(s string) time.Time {
	t, _ := time.Parse(timeFormat, s)
	return t
}

func parseTimePtr(s sql.NullString) *time.Time {
	if !s.Valid {
		return nil
	}
	t := parseTime(s.String)
	return &t
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("journal: %T is not JSON: %v", v, err)) // our own plain structs: a bug
	}
	return string(b)
}
