package journal

import (
	"context"
	"database/sql"

	"github.com/millrace/millrace/extract"
)

// CursorRow is a stream's published cursor.
type CursorRow struct {
	Node     string         `json:"node"`
	Value    extract.Cursor `json:"value"`
	Run      string         `json:"run"`
	Snapshot int64          `json:"snapshot"`
}

// Cursors lists the index of published cursors, by node.
func (j *Journal) Cursors(ctx context.Context) ([]CursorRow, error) {
	return query(ctx, j, `SELECT node, value, run, snapshot FROM cursor ORDER BY node`, func(rows *sql.Rows) (CursorRow, error) {
		var c CursorRow
		return c, rows.Scan(&c.Node, &c.Value, &c.Run, &c.Snapshot)
	})
}
