package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/millrace/millrace/load"
)

// Load is one try to bring the place that follows a target up to a snapshot. Whether its data got there is the place's own ledger to say:
// what stands here was seen from here.
type Load struct {
	load.Load
	Attempt  int        `json:"attempt,omitempty"` // of the run
	Target   string     `json:"target"`
	Place    string     `json:"place"`  // models.Target.PlaceHash, as it was configured
	By       string     `json:"by"`     // load.Manifest.By of the snapshot
	Status   Status     `json:"status"` // running, succeeded, failed or interrupted
	PID      int        `json:"pid"`
	Started  time.Time  `json:"started"`
	Finished *time.Time `json:"finished,omitempty"`
	Error    string     `json:"error,omitempty"`
	// Sent are its statements, where they were asked for.
	Sent []load.Statement `json:"sent,omitempty"`
}

// BeginLoad records a load before its first statement. Those of the target that are still called running are interrupted: the caller holds
// the lock of the target's loads.
func (j *Journal) BeginLoad(ctx context.Context, l Load) error {
	return j.tx(ctx, "load", func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, `UPDATE load SET status = ?, finished = ?, error = 'its process ended without a word' WHERE target = ? AND status = ?`,
			Interrupted, stamp(l.Started), l.Target, Running))
		if err == nil && n > 0 {
			err = add(ctx, tx, []Tally{{Name: TallyLoads, Target: l.Target, Label: string(Interrupted), Value: float64(n)}})
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO load (id, run, attempt, target, place, snapshot, published_by, status, pid, started) VALUES (?,?,?,?,?,?,?,?,?,?)`,
			l.ID, nullable(l.Run), l.Attempt, l.Target, l.Place, l.Snapshot, l.By, l.Status, l.PID, stamp(l.Started))
		return err
	})
}

// SaveStatement records a statement as it is now. When it returns, the disk has it: whoever sends it afterwards is known to have meant to.
func (j *Journal) SaveStatement(ctx context.Context, s load.Statement) error {
	return j.tx(ctx, "statement", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO statement (load, seq, name, step, sql, request_id, query_id, sent, ended, rows, error) VALUES (?,?,?,?,?,?,?,?,?,?,?)
			ON CONFLICT (load, seq) DO UPDATE SET request_id = excluded.request_id, query_id = excluded.query_id, sent = excluded.sent, ended = excluded.ended,
				rows = excluded.rows, error = excluded.error`,
			s.Load, s.Seq, s.Table, s.Step, s.SQL, s.RequestID, s.QueryID, stamp(s.Sent), stampPtr(s.Ended), s.Rows, s.Error)
		return err
	})
}

// EndLoad records what became of a load, with its tables.
func (j *Journal) EndLoad(ctx context.Context, l Load) error {
	return j.tx(ctx, "loaded", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE load SET status = ?, finished = ?, error = ?, together = ?, files = ?, bytes = ?, statements = ?, seconds = ?, credits = ? WHERE id = ?`,
			l.Status, stampPtr(l.Finished), nullable(l.Error), l.Together, l.Files, l.Bytes, l.Statements, l.Seconds, l.Credits, l.ID); err != nil {
			return err
		}
		for i, t := range l.Tables {
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO load_table (load, name, position, result) VALUES (?,?,?,?)`, l.ID, t.Name.String(), i, toJSON(t)); err != nil {
				return err
			}
		}
		return add(ctx, tx, []Tally{{Name: TallyLoads, Target: l.Target, Label: string(l.Status), Value: 1}, {Name: TallyLoadBytes, Target: l.Target, Value: float64(l.Bytes)},
			{Name: TallyLoadSeconds, Target: l.Target, Value: l.Seconds}, {Name: TallyLoadCredits, Target: l.Target, Value: l.Credits}})
	})
}

// LoadFilter narrows Loads. Its zero value asks for every load.
type LoadFilter struct {
	ID     string
	Run    string
	Target string
	Status Status
	Limit  int
}

func (f LoadFilter) statement() (string, []any) {
	w := &where{}
	w.add(f.ID != "", "id = ?", f.ID)
	w.add(f.Run != "", "run = ?", f.Run)
	w.add(f.Target != "", "target = ?", f.Target)
	w.add(f.Status != "", "status = ?", f.Status)
	return w.statement(selectLoad, newestFirst, f.Limit)
}

// Loads returns the loads that match with their tables, the newest first.
func (j *Journal) Loads(ctx context.Context, f LoadFilter) ([]Load, error) {
	text, args := f.statement()
	loads, err := query(ctx, j, text, scanLoad, args...)
	if err != nil {
		return nil, err
	}
	for i := range loads {
		tables, err := query(ctx, j, `SELECT result FROM load_table WHERE load = ? ORDER BY position`, scanLoaded, loads[i].ID)
		if err != nil {
			return nil, err
		}
		loads[i].Tables = append([]load.LoadedTable{}, tables...) // JSON has an array
	}
	return loads, nil
}

const selectLoad = `SELECT id, coalesce(run, ''), attempt, target, place, snapshot, published_by, status, pid, started, finished, coalesce(error, ''), together, files, bytes, statements, seconds, credits FROM load`

func scanLoad(rows *sql.Rows) (l Load, err error) {
	var started string
	var finished sql.NullString
	err = rows.Scan(&l.ID, &l.Run, &l.Attempt, &l.Target, &l.Place, &l.Snapshot, &l.By, &l.Status, &l.PID, &started, &finished, &l.Error, &l.Together, &l.Files, &l.Bytes, &l.Statements, &l.Seconds, &l.Credits)
	l.Started, l.Finished = parseTime(started), parseTimePtr(finished)
	return l, err
}

func scanLoaded(rows *sql.Rows) (t load.LoadedTable, err error) {
	var text string
	if err = rows.Scan(&text); err == nil {
		err = json.Unmarshal([]byte(text), &t)
	}
	return t, err
}

// Statements returns what a load has sent, in the order of their numbers.
func (j *Journal) Statements(ctx context.Context, id string) ([]load.Statement, error) {
	return query(ctx, j, `SELECT load, seq, name, step, sql, request_id, query_id, sent, ended, rows, error FROM statement WHERE load = ? ORDER BY seq`, func(rows *sql.Rows) (s load.Statement, err error) {
		var sent string
		var ended sql.NullString
		err = rows.Scan(&s.Load, &s.Seq, &s.Table, &s.Step, &s.SQL, &s.RequestID, &s.QueryID, &sent, &ended, &s.Rows, &s.Error)
		s.Sent, s.Ended = parseTime(sent), parseTimePtr(ended)
		return s, err
	}, id)
}

// lastLoaded finds the last load that brought a table to a target.
const lastLoaded = `SELECT t.result FROM load_table t JOIN load l ON l.id = t.load WHERE t.name = ?1 AND l.target = ?2 AND l.status = 'succeeded' ORDER BY l.started DESC LIMIT 1`

// LastLoaded returns what the last load of each table to the target took; tables that none has brought are not in the answer.
func (j *Journal) LastLoaded(ctx context.Context, target string, tables []string) ([]load.LoadedTable, error) {
	all := []load.LoadedTable{}
	for _, name := range tables {
		found, err := query(ctx, j, lastLoaded, scanLoaded, name, target)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// LoadRate is how many bytes of files the place's warehouse took in a second, by the last loads of the target; 0 when there were none.
func (j *Journal) LoadRate(ctx context.Context, target string) (rate float64, err error) {
	err = j.db.QueryRowContext(ctx, `SELECT coalesce(sum(bytes) / nullif(sum(seconds), 0), 0.0) FROM (SELECT bytes, seconds FROM load
		WHERE target = ? AND status = 'succeeded' AND bytes > 0 ORDER BY started DESC LIMIT 20)`, target).Scan(&rate)
	if err != nil {
		return 0, fmt.Errorf("journal: %w", j.explain(err))
	}
	return rate, nil
}

// LoadCredits is what the loads of a target that began then or later are estimated to have cost, those that failed too.
func (j *Journal) LoadCredits(ctx context.Context, target string, since time.Time) (credits float64, err error) {
	err = j.db.QueryRowContext(ctx, `SELECT coalesce(sum(credits), 0.0) FROM load WHERE target = ? AND started >= ?`, target, stamp(since)).Scan(&credits)
	if err != nil {
		return 0, fmt.Errorf("journal: %w", j.explain(err))
	}
	return credits, nil
}
