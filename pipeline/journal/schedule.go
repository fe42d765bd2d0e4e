package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// This file is what the scheduler keeps beside the firings, and how it writes all of a decision at once.

// ScheduleState is how far the scheduler has dealt with a pipeline's schedule. Without it, a schedule that is paused, or
// was missed for a year, would need a firing for each of its times.
type ScheduleState struct {
	Pipeline string    `json:"pipeline"`
	Schedule string    `json:"schedule"` // expression and zone: another one counts from when it is first seen
	Through  time.Time `json:"through"`  // its times up to this one are decided
}

// Decision is what the scheduler writes at once, or not at all.
type Decision struct {
	Add    []Firing
	Save   []Firing
	States []ScheduleState
	Pauses []Pause
	Events []Event
}

// Empty says that there is nothing to write.
func (d *Decision) Empty() bool {
	return len(d.Add)+len(d.Save)+len(d.States)+len(d.Pauses)+len(d.Events) == 0
}

// Decide writes a decision in one transaction. Firings whose pipeline and logical time are there already, or were and have gone from the
// history, are not added; their ids are returned.
func (j *Journal) Decide(ctx context.Context, d Decision) (there []string, err error) {
	err = j.tx(ctx, "decide", func(tx *sql.Tx) error {
		there = nil
		for _, f := range d.Add {
			was, err := forgotten(ctx, tx, f)
			if err != nil {
				return err
			}
			added := false
			if !was {
				added, err = insertFiring(ctx, tx, f)
			}
			if err != nil {
				return err
			}
			if !added {
				there = append(there, f.ID)
			}
		}
		for _, f := range d.Save {
			if err := updateFiring(ctx, tx, f); err != nil {
				return err
			}
		}
		for _, s := range d.States {
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO schedule_state (pipeline, schedule, through) VALUES (?,?,?)`,
				s.Pipeline, s.Schedule, stamp(s.Through)); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM lifted WHERE pipeline = ? AND until <= ?`, s.Pipeline, stamp(s.Through)); err != nil {
				return err
			}
		}
		for _, p := range d.Pauses {
			if err := insertPause(ctx, tx, p); err != nil {
				return err
			}
		}
		for _, e := range d.Events {
			if err := insertEvent(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	return there, err
}

// ScheduleStates returns how far each schedule has been dealt with, by pipeline.
func (j *Journal) ScheduleStates(ctx context.Context) (map[string]ScheduleState, error) {
	all, err := query(ctx, j, `SELECT pipeline, schedule, through FROM schedule_state`, func(rows *sql.Rows) (s ScheduleState, err error) {
		var through string
		err = rows.Scan(&s.Pipeline, &s.Schedule, &through)
		s.Through = parseTime(through)
		return s, err
	})
	states := map[string]ScheduleState{}
	for _, s := range all {
		states[s.Pipeline] = s
	}
	return states, err
}

// Outcome is what became of a pipeline at a logical time, by a firing or by a run of which no firing knows.
type Outcome struct {
	LogicalTime time.Time
	State       FiringState
	Reason      string
	Part        bool      // of less than the whole pipeline: a firing that asked for less, see Ask.Whole, or a run without one of its nodes
	Elsewhere   bool      // of a firing whose run was for another target
	Began       time.Time // when its run did last, or when somebody decided that there is none; zero: it has not, and one that another before it held back never will
}

// What has an outcome, of a pipeline (?1), of logical times in [?2, ?3) and a target (?4, ?5): its firings, and its runs that published all without one,
// alone and together with other pipelines.
const (
	firingsBetween = ` FROM firing WHERE pipeline = ?1 AND logical_time >= ?2 AND logical_time < ?3`
	aloneBetween   = ` FROM run WHERE pipeline = ?1` + succeededBetween
	jointBetween   = ` FROM run WHERE instr(pipeline, '+') > 0 AND instr('+' || pipeline || '+', '+' || ?1 || '+') > 0` + succeededBetween

	succeededBetween = ` AND started >= ?2 AND logical_time >= ?2 AND logical_time < ?3 AND firing IS NULL AND (status = 'succeeded' OR behind) AND ` +
		targetOfRun + ` IN (?4, ?5) AND ` + working
	elsewhere = `coalesce(` + targetOfFiring + ` NOT IN (?4, ?5), 0)`

	heldBack = `state = 'skipped' AND (reason LIKE '%(overlap: skip)' OR reason LIKE '%(overlap: queue)')` // by one before it, see scheduler/fire.go

	partOfPipeline = `(coalesce(json_array_length(ask, '$.select'), 0) > 0 OR json_extract(ask, '$.retry') IS NOT NULL OR json_extract(ask, '$.replay') IS NOT NULL)`
	partOfNodes    = `EXISTS (SELECT 1 FROM json_each(?6) WHERE value NOT IN (SELECT value FROM json_each(selection, '$.nodes')))` // of ?6, the pipeline's
)

// Outcomes returns the firings of a pipeline of these nodes, and its runs for the target that succeeded without one, whose logical time is in [from, to), by
// that time.
func (j *Journal) Outcomes(ctx context.Context, pipeline string, t Target, nodes []string, from, to time.Time) ([]Outcome, error) {
	name, unnamed := t.names()
	return query(ctx, j, `SELECT logical_time, state, reason, `+partOfPipeline+`, `+elsewhere+`, coalesce(started, iif(`+heldBack+`, NULL, finished))`+firingsBetween+`
		UNION ALL SELECT logical_time, 'succeeded', '', `+partOfNodes+`, 0, started`+aloneBetween+`
		UNION ALL SELECT logical_time, 'succeeded', '', `+partOfNodes+`, 0, started`+jointBetween+` ORDER BY 1`, func(rows *sql.Rows) (o Outcome, err error) {
		var logical string
		var began sql.NullString
		err = rows.Scan(&logical, &o.State, &o.Reason, &o.Part, &o.Elsewhere, &began)
		o.LogicalTime = parseTime(logical)
		if at := parseTimePtr(began); at != nil {
			o.Began = *at
		}
		return o, err
	}, pipeline, stamp(from), stamp(to), name, unnamed, toJSON(nodes))
}

// LastSuccess is the latest logical time in [from, to) for which the whole of a pipeline, of these nodes, has succeeded for the target, and when
// that was; zero when there is none. It reads the indexes from their ends.
func (j *Journal) LastSuccess(ctx context.Context, pipeline string, t Target, nodes []string, from, to time.Time) (at, ended time.Time, err error) {
	var last string
	name, unnamed := t.names()
	err = j.db.QueryRowContext(ctx, lastSuccess, pipeline, stamp(from), stamp(to), name, unnamed, toJSON(nodes)).Scan(&last)
	if logical, finished, ok := strings.Cut(last, " "); ok {
		at, ended = parseTime(logical), parseTime(finished)
	}
	return at, ended, err
}

const (
	timesOfSuccess = `logical_time || ' ' || coalesce(finished, logical_time)`
	lastSuccess    = `SELECT max(
	coalesce((SELECT ` + timesOfSuccess + firingsBetween + ` AND state = 'succeeded' AND NOT ` + partOfPipeline + ` AND NOT ` + elsewhere + ` ORDER BY logical_time DESC LIMIT 1), ''),
	coalesce((SELECT ` + timesOfSuccess + aloneBetween + ` AND NOT ` + partOfNodes + ` ORDER BY logical_time DESC LIMIT 1), ''),
	coalesce((SELECT max(` + timesOfSuccess + `)` + jointBetween + ` AND NOT ` + partOfNodes + `), ''))`
)

// LastMended is when the last of the successes was recorded whose logical times are in [from, to), as LastSuccess finds them; zero when that was not after
// a moment.
func (j *Journal) LastMended(ctx context.Context, pipeline string, t Target, nodes []string, from, to, after time.Time) (ended time.Time, err error) {
	var last string
	name, unnamed := t.names()
	err = j.db.QueryRowContext(ctx, lastMended, pipeline, stamp(from), stamp(to), name, unnamed, toJSON(nodes), stamp(after)).Scan(&last)
	if last != "" {
		ended = parseTime(last)
	}
	return ended, err
}

const lastMended = `SELECT max(
	coalesce((SELECT max(finished)` + firingsBetween + ` AND state = 'succeeded' AND finished > ?7 AND NOT ` + partOfPipeline + ` AND NOT ` + elsewhere + `), ''),
	coalesce((SELECT max(finished)` + aloneBetween + ` AND finished > ?7 AND NOT ` + partOfNodes + `), ''),
	coalesce((SELECT max(finished)` + jointBetween + ` AND finished > ?7 AND NOT ` + partOfNodes + `), ''))`

// EndedSince names the pipelines of which a run or a firing has ended after the end of that number, and gives the number of the last.
func (j *Journal) EndedSince(ctx context.Context, after int64) (pipelines []string, last int64, err error) {
	last = after
	pipelines, err = query(ctx, j, `SELECT coalesce(firing.pipeline, run.pipeline, ''), max(seq) FROM ended
		LEFT JOIN firing ON ended.kind = 'firing' AND firing.id = ended.id LEFT JOIN run ON ended.kind = 'run' AND run.id = ended.id
		WHERE seq > ? GROUP BY 1`, func(rows *sql.Rows) (name string, err error) {
		var seq int64
		err = rows.Scan(&name, &seq)
		last = max(last, seq)
		return name, err
	}, after)
	return pipelines, last, err
}

// LastEnd is the number of the last end that was recorded, 0 when there is none.
func (j *Journal) LastEnd(ctx context.Context) (seq int64, err error) {
	err = j.db.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM ended`).Scan(&seq)
	return seq, err
}

// RunOfFiring is the run that a firing led to, that of a retry the one that is run again; ErrNotFound when there is none yet.
func (j *Journal) RunOfFiring(ctx context.Context, f Firing) (Run, error) {
	text, arg := ` WHERE firing = ? ORDER BY started DESC LIMIT 1`, f.ID
	if f.Ask.Retry != "" {
		text, arg = ` WHERE id = ?`, f.Ask.Retry
	}
	runs, err := query(ctx, j, selectRun+text, scanRun, arg)
	if err == nil && len(runs) == 0 {
		err = fmt.Errorf("run of firing %q: %w", f.ID, ErrNotFound)
	}
	if err != nil {
		return Run{}, err
	}
	return runs[0], nil
}

// LastFirings returns, for each of the pipelines, the last of its firings by logical time that has ended and was neither skipped nor for
// another target.
func (j *Journal) LastFirings(ctx context.Context, pipelines []string, t Target) (map[string]Firing, error) {
	last := map[string]Firing{}
	own, unnamed := t.names()
	for _, name := range pipelines {
		found, err := query(ctx, j, selectFiring+` WHERE pipeline = ?1 AND finished IS NOT NULL AND state <> 'skipped'
			AND coalesce(`+targetOfFiring+` IN (?2, ?3), 1) ORDER BY logical_time DESC LIMIT 1`, scanFiring, name, own, unnamed)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			last[name] = f
		}
	}
	return last, nil
}
