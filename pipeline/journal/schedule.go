package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// This file is what the scheduler keeps beside the firings, and how it writes all of a decision at once.

// ScheduleState is how far the scheduler has dealt with a pipeline's schedule. Without it, a schedule that is paused, or
// was missed for a year, would need a firing for each of its times.
type ScheduleState struct {
	Pipeline string    `json:"pipeline"`
	Schedule string    `json:"schedule"` // expression and zone: another one counts from when it is first seen
	Through  time.Time `json:"through"`  // its times up to this one are decided
	Paused   bool      `json:"paused"`   // it was when last looked at: what was due meanwhile is not made up for
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

// Decide writes a decision in one transaction. Firings whose pipeline and logical time are there already are not added;
// their ids are returned.
func (j *Journal) Decide(ctx context.Context, d Decision) (there []string, err error) {
	err = j.tx(ctx, "decide", func(tx *sql.Tx) error {
		there = nil
		for _, f := range d.Add {
			added, err := insertFiring(ctx, tx, f)
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
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO schedule_state (pipeline, schedule, through, paused) VALUES (?,?,?,?)`,
				s.Pipeline, s.Schedule, stamp(s.Through), s.Paused); err != nil {
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
	all, err := query(ctx, j, `SELECT pipeline, schedule, through, paused FROM schedule_state`, func(rows *sql.Rows) (s ScheduleState, err error) {
		var through string
		err = rows.Scan(&s.Pipeline, &s.Schedule, &through, &s.Paused)
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
	Part        bool // of a firing that did not ask for the whole pipeline: see Ask.Whole
	Nodes       int  // of a run without a firing: how many were selected
	Elsewhere   bool // of a firing whose run was for another target
}

// What has an outcome, of a pipeline (?1), of logical times in [?2, ?3) and a target (?4, ?5): its firings, and its runs that succeeded without one.
const (
	firingsBetween = ` FROM firing WHERE pipeline = ?1 AND logical_time >= ?2 AND logical_time < ?3`
	runsBetween    = ` FROM run WHERE pipeline = ?1 AND started >= ?2 AND logical_time >= ?2 AND logical_time < ?3 AND firing IS NULL AND status = 'succeeded' AND ` +
		targetOfRun + ` IN (?4, ?5) AND ` + working
	elsewhere = `coalesce(` + targetOfFiring + ` NOT IN (?4, ?5), 0)`

	partOfPipeline = `(coalesce(json_array_length(ask, '$.select'), 0) > 0 OR json_extract(ask, '$.retry') IS NOT NULL OR json_extract(ask, '$.replay') IS NOT NULL)`
	nodesOfRun     = `json_array_length(selection, '$.nodes')`
)

// Outcomes returns a pipeline's firings, and its runs for the target that succeeded without one, whose logical time is in [from, to), by
// that time.
func (j *Journal) Outcomes(ctx context.Context, pipeline string, t Target, from, to time.Time) ([]Outcome, error) {
	name, unnamed := t.names()
	return query(ctx, j, `SELECT logical_time, state, reason, `+partOfPipeline+`, 0, `+elsewhere+firingsBetween+`
		UNION ALL SELECT logical_time, 'succeeded', '', 0, `+nodesOfRun+`, 0`+runsBetween+` ORDER BY 1`, func(rows *sql.Rows) (o Outcome, err error) {
		var logical string
		err = rows.Scan(&logical, &o.State, &o.Reason, &o.Part, &o.Nodes, &o.Elsewhere)
		o.LogicalTime = parseTime(logical)
		return o, err
	}, pipeline, stamp(from), stamp(to), name, unnamed)
}

// LastSuccess is the latest logical time in [from, to) for which the whole of a pipeline, of so many nodes, has succeeded for the target; zero
// when there is none. It reads the indexes from their ends.
func (j *Journal) LastSuccess(ctx context.Context, pipeline string, t Target, nodes int, from, to time.Time) (at time.Time, err error) {
	var logical string
	name, unnamed := t.names()
	err = j.db.QueryRowContext(ctx, lastSuccess, pipeline, stamp(from), stamp(to), name, unnamed, nodes).Scan(&logical)
	if err == nil && logical != "" {
		at = parseTime(logical)
	}
	return at, err
}

const lastSuccess = `SELECT max(
	coalesce((SELECT logical_time` + firingsBetween + ` AND state = 'succeeded' AND NOT ` + partOfPipeline + ` AND NOT ` + elsewhere + ` ORDER BY logical_time DESC LIMIT 1), ''),
	coalesce((SELECT logical_time` + runsBetween + ` AND ` + nodesOfRun + ` >= ?6 ORDER BY logical_time DESC LIMIT 1), ''))`

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

// RunOfFiring is the run that a firing led to, ErrNotFound when there is none yet.
func (j *Journal) RunOfFiring(ctx context.Context, firing string) (Run, error) {
	runs, err := query(ctx, j, selectRun+` WHERE firing = ? ORDER BY started DESC LIMIT 1`, scanRun, firing)
	if err == nil && len(runs) == 0 {
		err = fmt.Errorf("run of firing %q: %w", firing, ErrNotFound)
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
