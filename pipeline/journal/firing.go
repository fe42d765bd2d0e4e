package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// This file is about what asks for runs. The journal is the mailbox between those who ask (a schedule, a command, the API, a
// webhook) and the scheduler that starts runs: to ask is to add a firing, to cancel is to note it at the firing.

// Trigger is what began a run.
type Trigger string

// The triggers.
const (
	TriggerCommand  Trigger = "command"  // somebody's millrace run, or another tool's
	TriggerSchedule Trigger = "schedule" // the pipeline's cron expression
	TriggerAfter    Trigger = "after"    // the pipelines that it follows
	TriggerAPI      Trigger = "api"
	TriggerWebhook  Trigger = "webhook"
	TriggerBackfill Trigger = "backfill"
)

func orCommand(t Trigger) Trigger {
	if t == "" {
		return TriggerCommand
	}
	return t
}

// FiringState is where a firing stands.
type FiringState string

// The states of firings. Waiting and Started are open: all others are final.
const (
	FiringWaiting   FiringState = "waiting"   // for its time, its turn, or what it follows; Reason says which
	FiringStarted   FiringState = "started"   // a worker runs
	FiringSucceeded FiringState = "succeeded" // exit code 0, or 5 of a run that is only behind: see Run.Behind
	FiringFailed    FiringState = "failed"    // and is not tried again
	FiringSkipped   FiringState = "skipped"   // on purpose: overlap, pause, misfire policy
	FiringCancelled FiringState = "cancelled" // somebody asked for it
)

// Open says whether something is still to become of it.
func (s FiringState) Open() bool { return s == FiringWaiting || s == FiringStarted }

// Firing is one time at which a pipeline was to run, and what became of it. There is one for each pipeline and logical
// time, whatever the clock does.
type Firing struct {
	ID          string      `json:"id"`
	Pipeline    string      `json:"pipeline"`
	LogicalTime time.Time   `json:"logical_time"`
	Trigger     Trigger     `json:"trigger"`
	State       FiringState `json:"state"`
	Reason      string      `json:"reason,omitempty"`
	Ask         Ask         `json:"ask"`
	By          string      `json:"by,omitempty"`
	Due         time.Time   `json:"due"` // not to be started before
	Tries       int         `json:"tries"`
	Cancel      string      `json:"cancel,omitempty"` // who wants it to end
	Run         string      `json:"run,omitempty"`
	ExitCode    *int        `json:"exit_code,omitempty"`
	Created     time.Time   `json:"created"`
	Started     *time.Time  `json:"started,omitempty"`
	Finished    *time.Time  `json:"finished,omitempty"`
}

// OfCommand says that a command made it, to stand for the run that it was about to do itself.
func (f *Firing) OfCommand() bool { return f.Trigger == TriggerCommand && f.By == "" }

// Ask is what a firing's run is to do; the zero value asks for the whole pipeline.
type Ask struct {
	Select        []string `json:"select,omitempty"` // selectors, instead of the whole pipeline
	Retry         string   `json:"retry,omitempty"`  // id of a run whose failed nodes are run again
	FullRefresh   bool     `json:"full_refresh,omitempty"`
	AllowEmpty    bool     `json:"allow_empty,omitempty"`
	AllowShrunken bool     `json:"allow_shrunken,omitempty"`
	Replay        *Replay  `json:"replay,omitempty"` // of quarantined rows of the node that Select names, instead of a run
}

// ErrFired says that there is a firing of that pipeline and logical time already.
var ErrFired = errors.New("fired already")

// Whole says that the whole pipeline is asked for. Less of it does not stand for the pipeline.
func (a *Ask) Whole() bool { return len(a.Select) == 0 && a.Retry == "" && a.Replay == nil }

// NewFiringID is sortable by time.
func NewFiringID(at time.Time) string {
	return "f" + at.UTC().Format("20060102T150405") + "-" + strings.ToLower(rand.Text()[:10])
}

// AddFiring records a new firing. ErrFired, with the one that is there, when the pipeline has one of that logical time. One that asks for part of
// the pipeline gets the first microsecond after a full second that is free, or that of the same ask: so it never takes the place of the pipeline's own.
func (j *Journal) AddFiring(ctx context.Context, f Firing) (there Firing, err error) {
	err = j.tx(ctx, "firing", func(tx *sql.Tx) (err error) {
		there, err = addFiring(ctx, tx, f)
		return err
	})
	return there, err
}

func addFiring(ctx context.Context, tx *sql.Tx, f Firing) (Firing, error) {
	second := !f.Ask.Whole() && f.LogicalTime.Nanosecond() == 0
	if second {
		f.LogicalTime = f.LogicalTime.Add(time.Microsecond)
	}
	for ; ; f.LogicalTime = f.LogicalTime.Add(time.Microsecond) {
		there, err := addOrFind(ctx, tx, f)
		if !second || !errors.Is(err, ErrFired) || toJSON(there.Ask) == toJSON(f.Ask) {
			return there, err
		}
	}
}

// addOrFind adds a firing; ErrFired, with the one that is there, when there is one of its pipeline and logical time.
func addOrFind(ctx context.Context, tx *sql.Tx, f Firing) (Firing, error) {
	added, err := insertFiring(ctx, tx, f)
	if err != nil || added {
		return f, err
	}
	rows, err := tx.QueryContext(ctx, selectFiring+` WHERE pipeline = ? AND logical_time = ?`, f.Pipeline, stamp(f.LogicalTime))
	if err != nil {
		return f, err
	}
	defer rows.Close()
	if !rows.Next() {
		return f, errors.Join(errors.New("a firing vanished"), rows.Err())
	}
	there, err := scanFiring(rows)
	if err != nil {
		return f, err
	}
	return there, ErrFired
}

// insertFiring adds a firing unless there is one of its pipeline and logical time.
func insertFiring(ctx context.Context, tx *sql.Tx, f Firing) (added bool, err error) {
	n, err := changed(tx.ExecContext(ctx, `INSERT INTO firing (id, pipeline, logical_time, trigger, state, reason, ask, by, due, tries, cancel, run, exit_code, created, started, finished)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (pipeline, logical_time) DO NOTHING`,
		f.ID, f.Pipeline, stamp(f.LogicalTime), f.Trigger, f.State, f.Reason, toJSON(f.Ask), f.By, stamp(f.Due), f.Tries, f.Cancel,
		nullable(f.Run), f.ExitCode, stamp(f.Created), stampPtr(f.Started), stampPtr(f.Finished)))
	if n == 0 || err != nil {
		return false, err
	}
	return true, noteEnd(ctx, tx, EndOfFiring, f.ID, string(f.State), f.Finished)
}

// SaveFiring records what has become of a firing, all but who asked for its end, which CancelFiring notes.
func (j *Journal) SaveFiring(ctx context.Context, f Firing) error {
	return j.tx(ctx, "firing", func(tx *sql.Tx) error { return updateFiring(ctx, tx, f) })
}

func updateFiring(ctx context.Context, tx *sql.Tx, f Firing) error {
	if _, err := tx.ExecContext(ctx, `UPDATE firing SET state = ?, reason = ?, ask = ?, due = ?, tries = ?, run = ?, exit_code = ?, started = ?, finished = ? WHERE id = ?`,
		f.State, f.Reason, toJSON(f.Ask), stamp(f.Due), f.Tries, nullable(f.Run), f.ExitCode, stampPtr(f.Started), stampPtr(f.Finished), f.ID); err != nil {
		return err
	}
	return noteEnd(ctx, tx, EndOfFiring, f.ID, string(f.State), f.Finished)
}

// mendFiring lets a run that has published all stand for its firing when that does not wait for the scheduler to settle it: because it had ended
// otherwise, or waits for a next try. The reason tells of an attempt that began when the firing had ended.
func mendFiring(ctx context.Context, tx *sql.Tx, r Run) error {
	if r.Firing == "" || !r.Published() || r.Selection.Aside() {
		return nil
	}
	n, err := changed(tx.ExecContext(ctx, `UPDATE firing SET state = ?1, reason = iif(run = ?2 AND finished >= ?6, ?8, 'by a later attempt'), run = ?2, exit_code = ?7, finished = ?3
		WHERE id = ?4 AND state NOT IN (?1, ?5)`, FiringSucceeded, r.ID, stampPtr(r.Finished), r.Firing, FiringStarted, stamp(r.Begun()), r.ExitCode, r.Error))
	if n == 0 || err != nil {
		return err
	}
	return noteEnd(ctx, tx, EndOfFiring, r.Firing, string(FiringSucceeded), r.Finished)
}

// CancelFiring notes that somebody wants an open firing to end; the scheduler sees to it. False: it had ended by itself.
func (j *Journal) CancelFiring(ctx context.Context, id, by string) (open bool, err error) {
	err = j.tx(ctx, "firing", func(tx *sql.Tx) (err error) {
		open, err = cancelFiring(ctx, tx, id, by)
		return err
	})
	return open, err
}

func cancelFiring(ctx context.Context, tx *sql.Tx, id, by string) (open bool, err error) {
	n, err := changed(tx.ExecContext(ctx, `UPDATE firing SET cancel = ? WHERE id = ? AND finished IS NULL`, by, id))
	return n > 0, err
}

// FiringFilter narrows Firings. Its zero value asks for all.
type FiringFilter struct {
	Pipeline string
	Trigger  Trigger
	Open     bool      // only those that have not ended
	Since    time.Time // created then or later
	OpenAt   time.Time // created before then, and not ended by then
	Before   string    // only those that sort after the firing of this id: for pages
	Limit    int
}

// selectFiring tells of the run of a firing from its beginning on: the firing itself names it when it has ended.
const selectFiring = `SELECT id, pipeline, logical_time, trigger, state, reason, ask, by, due, tries, cancel,
	coalesce(firing.run, (SELECT max(run.id) FROM run WHERE run.firing = firing.id), ''), exit_code, created, started, finished FROM firing`

// Firings returns the firings that match, those created last first.
func (j *Journal) Firings(ctx context.Context, f FiringFilter) ([]Firing, error) {
	text, args := f.statement()
	return query(ctx, j, text, scanFiring, args...)
}

func (f FiringFilter) statement() (string, []any) {
	w := where{}
	w.add(f.Pipeline != "", "pipeline = ?", f.Pipeline)
	w.add(f.Trigger != "", "trigger = ?", f.Trigger)
	w.add(f.Open, "finished IS NULL")
	w.add(!f.Since.IsZero(), "created >= ?", stamp(f.Since))
	w.add(!f.OpenAt.IsZero(), "created < ? AND (finished IS NULL OR finished >= ?)", stamp(f.OpenAt), stamp(f.OpenAt))
	w.add(f.Before != "", "(created, id) < (SELECT created, id FROM firing WHERE id = ?)", f.Before)
	return w.statement(selectFiring, "created DESC, id DESC", f.Limit)
}

// Firing returns one firing; ErrNotFound when there is none of that id.
func (j *Journal) Firing(ctx context.Context, id string) (Firing, error) {
	all, err := query(ctx, j, selectFiring+" WHERE id = ?", scanFiring, id)
	if err != nil {
		return Firing{}, err
	}
	if len(all) == 0 {
		return Firing{}, fmt.Errorf("firing %q: %w", id, ErrNotFound)
	}
	return all[0], nil
}

func scanFiring(rows *sql.Rows) (Firing, error) {
	var f Firing
	var logical, ask, due, created string
	var started, finished sql.NullString
	if err := rows.Scan(&f.ID, &f.Pipeline, &logical, &f.Trigger, &f.State, &f.Reason, &ask, &f.By, &due, &f.Tries, &f.Cancel, &f.Run, &f.ExitCode, &created, &started, &finished); err != nil {
		return f, err
	}
	f.LogicalTime, f.Due, f.Created, f.Started, f.Finished = parseTime(logical), parseTime(due), parseTime(created), parseTimePtr(started), parseTimePtr(finished)
	return f, json.Unmarshal([]byte(ask), &f.Ask)
}

// Pause is a pipeline whose schedule does not fire until somebody resumes it.
type Pause struct {
	Pipeline string    `json:"pipeline"`
	Since    time.Time `json:"since"`
	By       string    `json:"by"`
	Reason   string    `json:"reason"`
}

// Pause pauses a pipeline; one that is paused already stays as it is.
func (j *Journal) Pause(ctx context.Context, p Pause) error {
	return j.tx(ctx, "pause", func(tx *sql.Tx) error { return insertPause(ctx, tx, p) })
}

func insertPause(ctx context.Context, tx *sql.Tx, p Pause) error {
	_, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO pause (pipeline, since, by, reason) VALUES (?,?,?,?)`, p.Pipeline, stamp(p.Since), p.By, p.Reason)
	return err
}

// Resume ends a pause. False: there was none. Its span is noted for the scheduler, whether one is there or not.
func (j *Journal) Resume(ctx context.Context, pipeline string, at time.Time) (paused bool, err error) {
	err = j.tx(ctx, "pause", func(tx *sql.Tx) (err error) {
		paused, err = deletePause(ctx, tx, pipeline, at)
		return err
	})
	return paused, err
}

func deletePause(ctx context.Context, tx *sql.Tx, pipeline string, at time.Time) (paused bool, err error) {
	if _, err := tx.ExecContext(ctx, `INSERT INTO lifted SELECT pipeline, since, ? FROM pause JOIN schedule_state USING (pipeline)
		WHERE pipeline = ? AND schedule <> ''`, stamp(at), pipeline); err != nil {
		return false, err
	}
	n, err := changed(tx.ExecContext(ctx, `DELETE FROM pause WHERE pipeline = ?`, pipeline))
	return n > 0, err
}

// Lifted is a pause that is over: what was due after Since, until Until, is not made up for.
type Lifted struct {
	Pipeline     string
	Since, Until time.Time
}

// Lifted returns the pauses that are over and that the scheduler has yet to pass, by pipeline, the earliest first.
func (j *Journal) Lifted(ctx context.Context) (map[string][]Lifted, error) {
	all, err := query(ctx, j, `SELECT pipeline, since, until FROM lifted ORDER BY since`, func(rows *sql.Rows) (l Lifted, err error) {
		var since, until string
		err = rows.Scan(&l.Pipeline, &since, &until)
		l.Since, l.Until = parseTime(since), parseTime(until)
		return l, err
	})
	lifted := map[string][]Lifted{}
	for _, l := range all {
		lifted[l.Pipeline] = append(lifted[l.Pipeline], l)
	}
	return lifted, err
}

// Pauses returns the paused pipelines by name.
func (j *Journal) Pauses(ctx context.Context) (map[string]Pause, error) {
	all, err := query(ctx, j, `SELECT pipeline, since, by, reason FROM pause`, func(rows *sql.Rows) (p Pause, err error) {
		var since string
		err = rows.Scan(&p.Pipeline, &since, &p.By, &p.Reason)
		p.Since = parseTime(since)
		return p, err
	})
	pauses := map[string]Pause{}
	for _, p := range all {
		pauses[p.Pipeline] = p
	}
	return pauses, err
}

// Changes is a number that differs whenever another process, or this one, has written to the journal: whoever waits for
// mail looks at it, which costs next to nothing.
func (j *Journal) Changes(ctx context.Context) (int64, error) {
	var others, own int64
	err := j.db.QueryRowContext(ctx, `SELECT data_version, total_changes() FROM pragma_data_version`).Scan(&others, &own)
	return others<<32 + own, err
}
