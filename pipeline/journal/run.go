package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
)

// Status is where a run or a step stands.
type Status string

// The states of runs and steps. A run that was killed stays Running until the next start finds its lock free.
const (
	Running        Status = "running"
	Succeeded      Status = "succeeded"
	Partial        Status = "partial" // a run that published some nodes and failed others, or all, and what follows the target does not show it
	Failed         Status = "failed"
	Interrupted    Status = "interrupted"
	Abandoned      Status = "abandoned" // interrupted, and overtaken by a run with other settings
	UpstreamFailed Status = "upstream_failed"
	ChecksFailed   Status = "checks_failed" // built, and not published because of its own checks
	Withheld       Status = "withheld"      // built, and kept back because something it goes with failed
)

// Run is one run of a pipeline.
type Run struct {
	ID          string     `json:"id"`
	Pipeline    string     `json:"pipeline"`
	LogicalTime time.Time  `json:"logical_time"`
	Attempt     int        `json:"attempt"`
	Status      Status     `json:"status"`
	Selection   Selection  `json:"selection"`
	ProjectHash string     `json:"project_hash"`
	Version     string     `json:"version"`
	PID         int        `json:"pid"`
	Started     time.Time  `json:"started"`           // its first attempt
	Resumed     *time.Time `json:"resumed,omitempty"` // its last attempt, when that is not the first
	Finished    *time.Time `json:"finished,omitempty"`
	Snapshot    *int64     `json:"snapshot,omitempty"`
	ExitCode    *int       `json:"exit_code,omitempty"`
	Error       string     `json:"error,omitempty"`
	Behind      bool       `json:"behind,omitempty"`   // all of it is published, and only what follows the target does not show that
	Warnings    []string   `json:"warnings,omitempty"` // what went wrong behind the publish, and made it no failure
	Trigger     Trigger    `json:"trigger"`            // what began it
	Firing      string     `json:"firing,omitempty"`   // that it belongs to; "" for a command
}

// Published says that all that the run was to make is published: whoever reads the local tables need not wait for what follows the target.
func (r *Run) Published() bool { return r.Status == Succeeded || r.Behind }

// Begun is when the last attempt began, from which it is counted how long the run takes: between attempts it rests.
func (r *Run) Begun() time.Time {
	if r.Resumed != nil {
		return *r.Resumed
	}
	return r.Started
}

// Selection is what a run was asked to do; an interrupted run is resumed only by one that asks the same.
type Selection struct {
	Nodes         []string `json:"nodes"`
	Target        string   `json:"target"`
	FullRefresh   bool     `json:"full_refresh,omitempty"`
	Rebuild       bool     `json:"rebuild,omitempty"` // models were built although nothing had changed
	AllowEmpty    bool     `json:"allow_empty,omitempty"`
	AllowShrunken bool     `json:"allow_shrunken,omitempty"`
	// Vars are those of the command line, without secrets: nothing but the same ones may take the run up.
	Vars map[string]string `json:"vars,omitempty"`
	// EventTime is the range that microbatch models were built for; nil where they chose their own.
	EventTime *EventTime `json:"event_time,omitempty"`
	Replay    *Replay    `json:"replay,omitempty"` // of a run that brings quarantined rows in, and reads nothing
	// Backfill is of a run that reads a range of the past again and moves no cursor.
	Backfill *Backfill `json:"backfill,omitempty"`
	// ByHand is of one that reads and builds nothing: somebody set a cursor, or took a table away.
	ByHand bool `json:"by_hand,omitempty"`
}

// EventTime is a range of the time that rows tell of.
type EventTime struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"` // the first moment behind it
}

// Aside says that the run stands beside those that read what is new: none is overtaken by it, and it by none.
func (s *Selection) Aside() bool { return s.Replay != nil || s.Backfill != nil || s.ByHand }

// Backfill is the range that a run was to read again, as it was asked for.
type Backfill struct {
	From    string `json:"from"`
	To      string `json:"to,omitempty"` // "": up to the cursor
	Slice   string `json:"slice,omitempty"`
	Rebuild bool   `json:"rebuild,omitempty"` // incremental models behind the streams are built from nothing
	// Parallel is how many slices of a stream are read at once; 0: as many as in any run.
	Parallel int `json:"parallel,omitempty"`
}

// String is the range for people.
func (b *Backfill) String() string {
	text := "backfill from " + b.From
	if b.To != "" {
		text += " to " + b.To
	}
	return text
}

// Replay says which quarantined rows a run was to bring into their table: all of them, those of a run, those that failed a
// rule, or those that a file corrects.
type Replay struct {
	Run    string `json:"run,omitempty"`
	Rule   string `json:"rule,omitempty"`
	File   string `json:"file,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"` // to publish nothing
}

// BeginRun records that the run, or its next attempt, starts.
func (j *Journal) BeginRun(ctx context.Context, r Run) error {
	return j.tx(ctx, "run", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO run (id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started, trigger, firing)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET resumed = ?, attempt = excluded.attempt, status = excluded.status, pid = excluded.pid,
				version = excluded.version, finished = NULL, exit_code = NULL, error = NULL, behind = 0, warnings = NULL, trigger = excluded.trigger, firing = excluded.firing`,
			r.ID, r.Pipeline, stamp(r.LogicalTime), r.Attempt, r.Status, toJSON(r.Selection), r.ProjectHash, r.Version, r.PID, stamp(r.Started), orCommand(r.Trigger), nullable(r.Firing), stamp(r.Begun()))
		return err
	})
}

// FinishRun records how the run ended and, when it published, the cursors that went with the snapshot: the
// index of what the manifest already says.
func (j *Journal) FinishRun(ctx context.Context, r Run, cursors map[string]extract.Cursor) error {
	return j.tx(ctx, "finish", func(tx *sql.Tx) error { return finishRun(ctx, tx, r, cursors) })
}

func finishRun(ctx context.Context, tx *sql.Tx, r Run, cursors map[string]extract.Cursor) error {
	if _, err := tx.ExecContext(ctx, `UPDATE run SET status = ?, finished = ?, snapshot = ?, exit_code = ?, error = ?, behind = ?, warnings = ? WHERE id = ?`,
		r.Status, stampPtr(r.Finished), r.Snapshot, r.ExitCode, nullable(r.Error), r.Behind, warningsOf(r), r.ID); err != nil {
		return err
	}
	if err := endOfRun(ctx, tx, r.ID, r.Status, r.Error, r.Finished); err != nil {
		return err
	}
	if err := mendFiring(ctx, tx, r); err != nil {
		return err
	}
	for node, value := range cursors {
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO cursor (node, value, run, snapshot) VALUES (?,?,?,?)`, node, string(value), r.ID, r.Snapshot); err != nil {
			return err
		}
	}
	return nil
}

func warningsOf(r Run) any {
	if len(r.Warnings) == 0 {
		return nil
	}
	return toJSON(r.Warnings)
}

// SaveWarnings records the warnings of a run that has ended: some come when all else is done.
func (j *Journal) SaveWarnings(ctx context.Context, r Run) error {
	return j.tx(ctx, "warnings", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE run SET warnings = ? WHERE id = ?`, warningsOf(r), r.ID)
		return err
	})
}

// SetRunStatus changes nothing but the status and the error's text: for runs found interrupted or overtaken.
func (j *Journal) SetRunStatus(ctx context.Context, id string, s Status, why string, at time.Time) error {
	return j.tx(ctx, "status", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE run SET status = ?, error = ?, finished = coalesce(finished, ?) WHERE id = ?`, s, nullable(why), stamp(at), id)
		if err == nil && s == Interrupted {
			err = lose(ctx, tx, id)
		}
		if err != nil {
			return err
		}
		return endOfRun(ctx, tx, id, s, why, &at)
	})
}

// endOfRun notes that a run has ended, and with it the steps that were still in hand; no time, no end.
func endOfRun(ctx context.Context, tx *sql.Tx, id string, s Status, why string, at *time.Time) error {
	if _, err := tx.ExecContext(ctx, `UPDATE step SET status = ?, finished = ?, error = ? WHERE run = ? AND status = ? AND ? IS NOT NULL`,
		Interrupted, stampPtr(at), strings.TrimSuffix("the run ended: "+why, ": "), id, Running, stampPtr(at)); err != nil {
		return err
	}
	return noteEnd(ctx, tx, EndOfRun, id, string(s), at)
}

// Filter narrows Runs. Its zero value asks for every run.
type Filter struct {
	Pipeline string // also its runs together with others; one that has a + means exactly these pipelines, as Run.Pipeline joins them
	Status   Status
	Working  bool      // only runs that read what is new, or build: no replays and no backfills, which stand beside them
	Since    time.Time // started then or later
	Before   string    // only those that began before the run of this id: for pages
	Trigger  Trigger
	Target   Target // only runs that publish to it; the zero value: to any
	// Published is of runs that have.
	Published bool
	Limit     int
}

// working is the condition of Filter.Working.
const working = "json_extract(selection, '$.replay') IS NULL AND json_extract(selection, '$.backfill') IS NULL AND json_extract(selection, '$.by_hand') IS NULL"

// Runs returns the runs that match, the newest first.
func (j *Journal) Runs(ctx context.Context, f Filter) ([]Run, error) {
	text, args := f.statement()
	return query(ctx, j, text, scanRun, args...)
}

// newestFirst is the order of lists of runs.
const newestFirst = "started DESC, id DESC"

// jointWith is the condition of runs of a pipeline together with others; run_joint has these runs only.
const jointWith = "instr(pipeline, '+') > 0 AND instr('+' || pipeline || '+', '+' || ? || '+') > 0"

// statement has each condition only when it is asked for, so that SQLite finds the index that fits. The runs of a pipeline alone and together
// with others are two lists, each by its index, which are merged as far as they are read.
func (f Filter) statement() (string, []any) {
	w := f.where()
	if f.Pipeline == "" || strings.Contains(f.Pipeline, "+") {
		w.add(f.Pipeline != "", "pipeline = ?", f.Pipeline)
		return w.statement(selectRun, newestFirst, f.Limit)
	}
	joint := f.where()
	w.add(true, "pipeline = ?", f.Pipeline)
	joint.add(true, jointWith, f.Pipeline)
	text, args := joint.statement(selectRun, newestFirst, f.Limit)
	return w.of(selectRun) + " UNION ALL " + text, append(w.args, args...)
}

// where is all conditions but that of the pipeline.
func (f Filter) where() *where {
	w := &where{}
	w.add(f.Status != "", "status = ?", f.Status)
	w.add(f.Trigger != "", "trigger = ?", f.Trigger)
	w.add(f.Working, working)
	w.add(f.Published, "snapshot IS NOT NULL")
	if f.Target.Name != "" {
		name, unnamed := f.Target.names()
		w.add(true, targetOfRun+" IN (?, ?)", name, unnamed)
	}
	w.add(!f.Since.IsZero(), "started >= ?", stamp(f.Since))
	w.add(f.Before != "", "(started, id) < (SELECT started, id FROM run WHERE id = ?)", f.Before)
	return w
}

// Run returns one run by its id or by a prefix that only one id has; ErrNotFound when there is none.
func (j *Journal) Run(ctx context.Context, id string) (Run, error) {
	runs, err := query(ctx, j, selectRun+` WHERE id >= ?1 AND id < ?1 || char(0x10ffff) ORDER BY id = ?1 DESC, id LIMIT 2`, scanRun, id)
	switch {
	case err != nil:
		return Run{}, err
	case len(runs) == 0 || id == "":
		return Run{}, fmt.Errorf("%q: %w", id, ErrNotFound)
	case len(runs) == 2 && runs[0].ID != id:
		return Run{}, fmt.Errorf("%q: %w", id, ErrAmbiguous)
	}
	return runs[0], nil
}

const selectRun = `SELECT id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started, resumed, finished, snapshot, exit_code, coalesce(error, ''), behind, coalesce(warnings, 'null'), trigger, coalesce(firing, '') FROM run`

func scanRun(rows *sql.Rows) (Run, error) {
	var r Run
	var logical, selection, started, warnings string
	var resumed, finished sql.NullString
	if err := rows.Scan(&r.ID, &r.Pipeline, &logical, &r.Attempt, &r.Status, &selection, &r.ProjectHash, &r.Version, &r.PID, &started, &resumed, &finished, &r.Snapshot, &r.ExitCode, &r.Error, &r.Behind, &warnings, &r.Trigger, &r.Firing); err != nil {
		return r, err
	}
	r.LogicalTime, r.Started, r.Resumed, r.Finished = parseTime(logical), parseTime(started), parseTimePtr(resumed), parseTimePtr(finished)
	return r, errors.Join(json.Unmarshal([]byte(selection), &r.Selection), json.Unmarshal([]byte(warnings), &r.Warnings))
}
