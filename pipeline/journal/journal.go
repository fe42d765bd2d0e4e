// Package journal keeps the history of runs in one SQLite file: runs, steps, windows, landed parts, and an index
// of the published cursors. It is written after the data it speaks of is safe on disk, never before, and it is an
// index: what is published stands in the manifests, from which `millrace state rebuild` restores it. It never
// opens a Parquet file. Read Open, then Run and Part.
package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite": pure Go, so that the journal works where DuckDB does not load

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/warehouse"
)

// Errors of Open that callers tell apart.
var (
	ErrNewer   = errors.New("the journal was written by a newer millrace")
	ErrCorrupt = errors.New("the journal is damaged")
	ErrNetwork = errors.New("the state folder is on a network file system")
	// ErrNotFound says that there is no such run.
	ErrNotFound = errors.New("no such run")
	// ErrAmbiguous says that the beginning of an id is that of several runs.
	ErrAmbiguous = errors.New("several runs begin so: give more of the id")
)

// Journal is an open state.db. Its methods may be called from several goroutines.
type Journal struct {
	db   *sql.DB
	path string
}

// Open opens the journal at path, makes it when it is missing and migrates it when it is old. It refuses a journal
// from a newer millrace, a damaged one, and a folder on a network file system, where locks and fsync cannot be
// trusted.
func Open(ctx context.Context, path string) (*Journal, error) {
	if err := refuseNetwork(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := refuseForeign(path); err != nil {
		return nil, err
	}
	if f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	} else if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	dsn := "file:" + (&pathEscaper).Replace(path) + "?_txlock=immediate" +
		"&_pragma=" + waitLong + "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	db.SetMaxOpenConns(1) // one writer; every statement of ours is short
	j := &Journal{db: db, path: path}
	if err := j.migrateInTurn(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open journal %s: %w", path, j.explain(err))
	}
	return j, nil
}

// migrateInTurn migrates while no other process does: two that open a new journal at once would each switch it to
// WAL, which SQLite answers with BUSY at once, whatever the timeout.
func (j *Journal) migrateInTurn(ctx context.Context) error {
	lock, err := os.OpenFile(j.path+".opening", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	return j.migrate(ctx)
}

var pathEscaper = *strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23")

// refuseForeign finds a file that is no SQLite database before SQLite does, and says so in our words.
func refuseForeign(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // missing, or unreadable: the open that follows says which
	}
	defer f.Close()
	head := make([]byte, 16)
	if n, _ := f.Read(head); n > 0 && string(head[:n]) != "SQLite format 3\x00"[:n] {
		return fmt.Errorf("open journal %s: %w: it is not a SQLite file", path, ErrCorrupt)
	}
	return nil
}

// refuseNetwork refuses NFS, SMB, FUSE mounts of object stores and the like by their file system's magic number
// (statfs(2)).
func refuseNetwork(dir string) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	names := map[int64]string{0x6969: "NFS", 0x517B: "SMB", 0xFF534D42: "CIFS", 0xFE534D42: "SMB2", 0x5346414F: "AFS", 0x65735546: "FUSE", 0x01021997: "9P"}
	if name, ok := names[int64(st.Type)&0xFFFFFFFF]; ok {
		return fmt.Errorf("%s: %w (%s): put the project on a local disk; the target may be elsewhere", dir, ErrNetwork, name)
	}
	return nil
}

func (j *Journal) migrate(ctx context.Context) error {
	var have int
	if err := j.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	if have > len(migrations) {
		return fmt.Errorf("%w (its version is %d, this one knows %d): use the newer millrace, or restore a backup", ErrNewer, have, len(migrations))
	}
	var verdict string
	if err := j.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
	}
	if have == len(migrations) {
		return nil
	}
	return j.tx(ctx, "migrate", func(tx *sql.Tx) error {
		// Again inside the transaction: another process may have migrated since.
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
			return err
		}
		for v := have; v < len(migrations); v++ {
			if _, err := tx.ExecContext(ctx, migrations[v]); err != nil {
				return fmt.Errorf("migrate to version %d: %w", v+1, err)
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", max(have, len(migrations))))
		return err
	})
}

// explain turns SQLite's words for a damaged file into ErrCorrupt, and those for a full disk into ENOSPC, which
// SQLite mostly calls an I/O error.
func (j *Journal) explain(err error) error {
	var code interface{ Code() int }
	if errors.As(err, &code) {
		const full, ioErr = 13, 10
		primary := code.Code() & 0xff
		if primary == full || primary == ioErr && diskFull(filepath.Dir(j.path)) {
			return fmt.Errorf("%w (%w)", syscall.ENOSPC, err)
		}
	}
	text := err.Error()
	if strings.Contains(text, "malformed") || strings.Contains(text, "not a database") || strings.Contains(text, "file is encrypted") {
		return fmt.Errorf("%w: %s", ErrCorrupt, text)
	}
	return err
}

// IsBusy says whether the error is that another process held the journal for longer than anybody waits: to try again later helps.
func IsBusy(err error) bool {
	var code interface{ Code() int }
	const busy, locked = 5, 6
	return errors.As(err, &code) && (code.Code()&0xff == busy || code.Code()&0xff == locked)
}

// diskFull says whether the disk has no room for even a page of the journal and its log.
func diskFull(dir string) bool {
	var st syscall.Statfs_t
	return syscall.Statfs(dir, &st) == nil && int64(st.Bavail)*st.Bsize < 128<<10
}

// Close closes the file.
func (j *Journal) Close() error { return j.db.Close() }

// Backup writes a consistent copy to path, which must not exist.
func (j *Journal) Backup(ctx context.Context, path string) error {
	_, err := j.db.ExecContext(ctx, "VACUUM INTO ?", path)
	if err != nil {
		return fmt.Errorf("back up journal: %w", err)
	}
	return os.Chmod(path, 0o600)
}

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

// Status is where a run or a step stands.
type Status string

// The states of runs and steps. A run that was killed stays Running until the next start finds its lock free.
const (
	Running        Status = "running"
	Succeeded      Status = "succeeded"
	Partial        Status = "partial" // a run that published some nodes and failed others
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
	Started     time.Time  `json:"started"`
	Finished    *time.Time `json:"finished,omitempty"`
	Snapshot    *int64     `json:"snapshot,omitempty"`
	ExitCode    *int       `json:"exit_code,omitempty"`
	Error       string     `json:"error,omitempty"`
	Trigger     Trigger    `json:"trigger"`          // what began it
	Firing      string     `json:"firing,omitempty"` // that it belongs to; "" for a command
}

// Selection is what a run was asked to do; an interrupted run is resumed only by one that asks the same.
type Selection struct {
	Nodes         []string `json:"nodes"`
	Target        string   `json:"target"`
	FullRefresh   bool     `json:"full_refresh,omitempty"`
	AllowEmpty    bool     `json:"allow_empty,omitempty"`
	AllowShrunken bool     `json:"allow_shrunken,omitempty"`
	Replay        *Replay  `json:"replay,omitempty"` // of a run that brings quarantined rows in, and reads nothing
	// Backfill is of a run that reads a range of the past again and moves no cursor.
	Backfill *Backfill `json:"backfill,omitempty"`
}

// Aside says that the run stands beside those that read what is new: none is overtaken by it, and it by none.
func (s *Selection) Aside() bool { return s.Replay != nil || s.Backfill != nil }

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

// Step is one node's part in one attempt of a run.
type Step struct {
	Run       string               `json:"run"`
	Node      string               `json:"node"`
	Kind      string               `json:"kind"`
	Attempt   int                  `json:"attempt"`
	Status    Status               `json:"status"`
	Started   time.Time            `json:"started"`
	Finished  *time.Time           `json:"finished,omitempty"`
	Rows      int64                `json:"rows"`
	Bytes     int64                `json:"bytes"`
	Rejected  int64                `json:"rejected"`
	Equations []warehouse.Equation `json:"equations,omitempty"`
	Notes     []string             `json:"notes,omitempty"`
	Error     string               `json:"error,omitempty"`
	Hint      string               `json:"hint,omitempty"`
}

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

// BeginRun records that the run, or its next attempt, starts.
func (j *Journal) BeginRun(ctx context.Context, r Run) error {
	return j.tx(ctx, "run", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO run (id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started, trigger, firing)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET attempt = excluded.attempt, status = excluded.status, pid = excluded.pid,
				version = excluded.version, finished = NULL, exit_code = NULL, error = NULL, trigger = excluded.trigger, firing = excluded.firing`,
			r.ID, r.Pipeline, stamp(r.LogicalTime), r.Attempt, r.Status, toJSON(r.Selection), r.ProjectHash, r.Version, r.PID, stamp(r.Started), orCommand(r.Trigger), nullable(r.Firing))
		return err
	})
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// FinishRun records how the run ended and, when it published, the cursors that went with the snapshot: the
// index of what the manifest already says.
func (j *Journal) FinishRun(ctx context.Context, r Run, cursors map[string]extract.Cursor) error {
	return j.tx(ctx, "finish", func(tx *sql.Tx) error { return finishRun(ctx, tx, r, cursors) })
}

func finishRun(ctx context.Context, tx *sql.Tx, r Run, cursors map[string]extract.Cursor) error {
	if _, err := tx.ExecContext(ctx, `UPDATE run SET status = ?, finished = ?, snapshot = ?, exit_code = ?, error = ? WHERE id = ?`,
		r.Status, stampPtr(r.Finished), r.Snapshot, r.ExitCode, nullable(r.Error), r.ID); err != nil {
		return err
	}
	if err := noteEnd(ctx, tx, EndOfRun, r.ID, string(r.Status), r.Finished); err != nil {
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
		return noteEnd(ctx, tx, EndOfRun, id, string(s), &at)
	})
}

// SaveStep records a step as it is now.
func (j *Journal) SaveStep(ctx context.Context, s Step) error {
	return j.tx(ctx, "step", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO step (run, node, kind, attempt, status, started, finished, rows, bytes, rejected, equations, notes, error, hint)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
			s.Run, s.Node, s.Kind, s.Attempt, s.Status, stamp(s.Started), stampPtr(s.Finished), s.Rows, s.Bytes, s.Rejected,
			toJSON(s.Equations), toJSON(s.Notes), nullable(s.Error), nullable(s.Hint))
		return err
	})
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
const working = "json_extract(selection, '$.replay') IS NULL AND json_extract(selection, '$.backfill') IS NULL"

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

const selectRun = `SELECT id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started, finished, snapshot, exit_code, coalesce(error, ''), trigger, coalesce(firing, '') FROM run`

func scanRun(rows *sql.Rows) (Run, error) {
	var r Run
	var logical, selection, started string
	var finished sql.NullString
	if err := rows.Scan(&r.ID, &r.Pipeline, &logical, &r.Attempt, &r.Status, &selection, &r.ProjectHash, &r.Version, &r.PID, &started, &finished, &r.Snapshot, &r.ExitCode, &r.Error, &r.Trigger, &r.Firing); err != nil {
		return r, err
	}
	r.LogicalTime, r.Started, r.Finished = parseTime(logical), parseTime(started), parseTimePtr(finished)
	return r, json.Unmarshal([]byte(selection), &r.Selection)
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
	return query(ctx, j, `SELECT run, node, kind, attempt, status, started, finished, rows, bytes, rejected, equations, notes, coalesce(error, ''), coalesce(hint, '')
		FROM step s WHERE run = ?`+only+` AND attempt = (SELECT max(attempt) FROM step WHERE run = s.run AND node = s.node) ORDER BY started, node`, func(rows *sql.Rows) (Step, error) {
		var s Step
		var started, equations, notes string
		var finished sql.NullString
		if err := rows.Scan(&s.Run, &s.Node, &s.Kind, &s.Attempt, &s.Status, &started, &finished, &s.Rows, &s.Bytes, &s.Rejected, &equations, &notes, &s.Error, &s.Hint); err != nil {
			return s, err
		}
		s.Started, s.Finished = parseTime(started), parseTimePtr(finished)
		return s, errors.Join(json.Unmarshal([]byte(equations), &s.Equations), json.Unmarshal([]byte(notes), &s.Notes))
	}, args...)
}

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
