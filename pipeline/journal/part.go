package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/warehouse"
)

// Part is one landed Parquet file of a stream, with the rejects of the same piece of input.
type Part struct {
	Run      string             `json:"run"`
	Node     string             `json:"node"`
	Slice    string             `json:"slice"`
	Seq      int                `json:"seq"`
	File     warehouse.File     `json:"file"`
	Columns  []warehouse.Column `json:"columns"`
	Read     int64              `json:"read"`
	Landed   int64              `json:"landed"`
	Rejected int64              `json:"rejected"`
	Rejects  *Rejects           `json:"rejects,omitempty"`
	Resume   string             `json:"resume,omitempty"`
	Detail   map[string]string  `json:"detail,omitempty"`
	LandedAt time.Time          `json:"landed_at"`
}

// Rejects is a file of rejected records and what is in it.
type Rejects struct {
	File    warehouse.File   `json:"file"`
	Reasons map[string]int64 `json:"reasons"`
}

// SaveWindow fixes what the run reads from the node's stream, as it is defined now. A second call for the same run
// replaces the window and forgets the parts of the first: they were of another state of the source.
func (j *Journal) SaveWindow(ctx context.Context, run, node, definition string, w *extract.Window) error {
	return j.tx(ctx, "window", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM part WHERE run = ? AND node = ?`, run, node); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO window (run, node, window, definition) VALUES (?,?,?,?)`, run, node, toJSON(w), definition)
		return err
	})
}

// DropWindow forgets the node's window and what was landed of it: the source has said that it no longer holds.
func (j *Journal) DropWindow(ctx context.Context, run, node string) error {
	return j.tx(ctx, "window", func(tx *sql.Tx) error {
		for _, table := range []string{"part", "window"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE run = ? AND node = ?`, run, node); err != nil {
				return err
			}
		}
		return nil
	})
}

// Window returns the window that the run fixed for the node so defined, or nil.
func (j *Journal) Window(ctx context.Context, run, node, definition string) (*extract.Window, error) {
	var text string
	err := j.db.QueryRowContext(ctx, `SELECT window FROM window WHERE run = ? AND node = ? AND definition = ?`, run, node, definition).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	w := &extract.Window{}
	return w, json.Unmarshal([]byte(text), w)
}

// SavePart records a part whose file is synced under its final name, and the resume point behind it, in one
// transaction: data before cursor.
func (j *Journal) SavePart(ctx context.Context, p Part) error {
	return j.tx(ctx, "part", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO part (run, node, slice, seq, file, columns, read, landed, rejected, rejects, resume, detail, landed_at)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)`,
			p.Run, p.Node, p.Slice, p.Seq, toJSON(p.File), toJSON(p.Columns), p.Read, p.Landed, p.Rejected, toJSON(p.Rejects), p.Resume, toJSON(p.Detail), stamp(p.LandedAt))
		return err
	})
}

// Parts returns the node's landed parts of the run, in slice and sequence order.
func (j *Journal) Parts(ctx context.Context, run, node string) ([]Part, error) {
	return query(ctx, j, `SELECT run, node, slice, seq, file, columns, read, landed, rejected, rejects, resume, detail, landed_at
		FROM part WHERE run = ? AND (node = ? OR ? = '') ORDER BY node, slice, seq`, func(rows *sql.Rows) (Part, error) {
		var p Part
		var file, columns, rejects, detail, at string
		if err := rows.Scan(&p.Run, &p.Node, &p.Slice, &p.Seq, &file, &columns, &p.Read, &p.Landed, &p.Rejected, &rejects, &p.Resume, &detail, &at); err != nil {
			return p, err
		}
		p.LandedAt = parseTime(at)
		return p, errors.Join(json.Unmarshal([]byte(file), &p.File), json.Unmarshal([]byte(columns), &p.Columns),
			json.Unmarshal([]byte(rejects), &p.Rejects), json.Unmarshal([]byte(detail), &p.Detail))
	}, run, node, node)
}
