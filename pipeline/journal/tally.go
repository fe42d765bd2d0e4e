package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/transform/check"
)

// This file counts for monitoring. A counter must never go down, and runs change their status when they are retried and go when
// history is cut: so the ends of attempts are counted as they come, in the transaction that records them, and to read the sums costs
// the same however long the history is.

// TallyName is what a sum is of.
type TallyName string

// The sums. All but TallyLastSuccess only grow.
const (
	TallyRuns          TallyName = "runs"          // ended attempts, by status
	TallySeconds       TallyName = "seconds"       // that they took
	TallyBucket        TallyName = "bucket"        // attempts by the upper bound of their duration in seconds
	TallyLastSuccess   TallyName = "last_success"  // Unix time
	TallyRowsRead      TallyName = "rows_read"     // by table, as all rows
	TallyRowsWritten   TallyName = "rows_written"  // landed or built
	TallyRowsRejected  TallyName = "rows_rejected" // records that could not be read
	TallySkippedFiring TallyName = "skipped"       // firings that led to no run, by why; kept by triggers of the schema
	// Those of loads have no pipeline: a load brings what all of them have published.
	TallyLoads       TallyName = "loads"        // that have ended, by status
	TallyLoadBytes   TallyName = "load_bytes"   // of the files that they had to send
	TallyLoadSeconds TallyName = "load_seconds" // that the place's warehouse was busy with them
	TallyLoadCredits TallyName = "load_credits" // that they are estimated to have cost
)

// The labels of TallySkippedFiring.
const (
	SkippedMissed  = "missed"  // nothing ran the schedule at that time
	SkippedOverlap = "overlap" // the run before had not ended
	SkippedOther   = "other"   // what it follows did not succeed, the project has it no more
)

// Tally is one sum.
type Tally struct {
	Name     TallyName
	Pipeline string
	Target   string // that the attempts published to; "" where that was not recorded
	Label    string // status, bound, table or why
	Value    float64
}

// Bounds are the upper bounds of TallyBucket, in seconds; what took longer is counted with the label +Inf.
var Bounds = []float64{1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400}

// TableRows is what an attempt did to a table.
type TableRows struct {
	Pipeline, Table         string
	Read, Written, Rejected int64
}

// EndAttempt is FinishRun for an attempt that counts: replays and work on the state do not. Whole are the pipelines for which the run stands:
// only they have succeeded when it does.
func (j *Journal) EndAttempt(ctx context.Context, r Run, whole []string, cursors map[string]extract.Cursor, rows []TableRows) error {
	return j.tx(ctx, "finish", func(tx *sql.Tx) error {
		if err := finishRun(ctx, tx, r, cursors); err != nil || r.Selection.Replay != nil {
			return err
		}
		sums := endTallies(r, whole)
		to := r.Selection.Target
		for _, t := range rows {
			sums = append(sums, Tally{TallyRowsRead, t.Pipeline, to, t.Table, float64(t.Read)}, Tally{TallyRowsWritten, t.Pipeline, to, t.Table, float64(t.Written)},
				Tally{TallyRowsRejected, t.Pipeline, to, t.Table, float64(t.Rejected)})
		}
		return add(ctx, tx, sums)
	})
}

// endTallies counts the end of an attempt for each of its pipelines.
func endTallies(r Run, whole []string) []Tally {
	var sums []Tally
	to := r.Selection.Target
	for _, pipeline := range strings.Split(r.Pipeline, "+") {
		sums = append(sums, Tally{TallyRuns, pipeline, to, string(r.Status), 1})
		if r.Finished == nil {
			continue
		}
		took := r.Finished.Sub(r.Begun()).Seconds()
		bound := "+Inf"
		if i, _ := slices.BinarySearch(Bounds, took); i < len(Bounds) {
			bound = strconv.FormatFloat(Bounds[i], 'f', -1, 64)
		}
		sums = append(sums, Tally{TallySeconds, pipeline, to, "", took}, Tally{TallyBucket, pipeline, to, bound, 1})
		if r.Status == Succeeded && slices.Contains(whole, pipeline) {
			sums = append(sums, Tally{TallyLastSuccess, pipeline, to, "", float64(r.Finished.UnixMilli()) / 1000})
		}
	}
	return sums
}

// add brings sums into the tallies.
func add(ctx context.Context, tx *sql.Tx, sums []Tally) error {
	for _, s := range sums {
		if _, err := tx.ExecContext(ctx, `INSERT INTO tally (name, pipeline, target, label, value) VALUES (?1,?2,?3,?4,?5)
			ON CONFLICT DO UPDATE SET value = CASE ?1 WHEN 'last_success' THEN max(value, ?5) ELSE value + ?5 END`, s.Name, s.Pipeline, s.Target, s.Label, s.Value); err != nil {
			return err
		}
	}
	return nil
}

// Tallies returns the sums for a target. Firings that led to no run have none: they are of each.
func (j *Journal) Tallies(ctx context.Context, t Target) ([]Tally, error) {
	name, unnamed := t.names()
	return query(ctx, j, `SELECT name, pipeline, label, CASE name WHEN 'last_success' THEN max(value) ELSE sum(value) END FROM tally
		WHERE target IN (?, ?) OR name = 'skipped' GROUP BY name, pipeline, label ORDER BY name, pipeline, label`, func(rows *sql.Rows) (t Tally, err error) {
		return t, rows.Scan(&t.Name, &t.Pipeline, &t.Label, &t.Value)
	}, name, unnamed)
}

// LatestChecks are the results of the run for the target that checked the node last, none when no run has.
func (j *Journal) LatestChecks(ctx context.Context, node string, t Target) ([]check.Result, error) {
	name, unnamed := t.names()
	return query(ctx, j, `SELECT result FROM check_result WHERE node = ?1 AND run = `+lastChecked+` ORDER BY position`, func(rows *sql.Rows) (r check.Result, err error) {
		var text string
		if err = rows.Scan(&text); err == nil {
			err = json.Unmarshal([]byte(text), &r)
		}
		return r, err
	}, node, name, unnamed)
}

// lose counts an attempt whose process ended without a word: nobody knows how long it took.
func lose(ctx context.Context, tx *sql.Tx, id string) error {
	r := Run{Status: Interrupted}
	err := tx.QueryRowContext(ctx, `SELECT pipeline, `+targetOfRun+` FROM run WHERE id = ? AND `+working, id).Scan(&r.Pipeline, &r.Selection.Target)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return add(ctx, tx, endTallies(r, nil))
}
