package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// This file cuts the history: runs and loads with all that hangs on them, firings and events. What goes is old and has ended, and nothing asks for it
// any more; it goes in many short transactions, so that whoever writes meanwhile waits for one of them at the most. One that is killed
// in between leaves a run without some of its rows, and the next goes on with it.

// What stays of each pipeline and target, however old. A run over several pipelines, a+b, is of a pipeline of that name: the latest runs that a took
// part in are among the latest of a and of a+b.
const (
	keptRuns    = 100 // the last runs, the last but for replays and backfills, and the last of these that succeeded
	keptFirings = 100 // whatever their targets
	keptLoads   = 100 // of each target, and the last that succeeded
	keptEvents  = 100 // of all pipelines. The last must stay for another reason: SQLite would give its id again
)

const (
	// erasedAtOnce is how many rows one transaction removes.
	erasedAtOnce = 2000
	// lookedAtOnce is how many runs or firings are found at once.
	lookedAtOnce = 500
	// rest comes before each transaction: another process that waits to write looks again after 25 to 100 ms, and is given no turn otherwise.
	rest = 50 * time.Millisecond
)

// Cut says what of the history goes.
type Cut struct {
	Before  time.Time             // what began, was meant for and ended before that
	Metrics int                   // how many figures of each name stay, whatever their age: as many as later ones are compared with
	Needed  func(run string) bool // runs that stay because files of theirs do
	Erased  func(run string)      // is told of each run that has gone; may be nil
	DryRun  bool                  // only counts
}

// Erased counts what Prune has removed, or would.
type Erased struct {
	Runs    int `json:"runs"`
	Firings int `json:"firings"`
	Events  int `json:"events"`
	Loads   int `json:"loads"`
}

// Prune removes what is older than the cut. What stays nevertheless: the last runs and firings of each pipeline, whatever is open or can be
// taken up, the latest results of checks and the figures that later ones are compared with, the last loads, all of them for each target, runs whose cursors are the latest, and those of
// firings that stay. No schedule fires again for a time whose firing has gone: see forgotten.
func (j *Journal) Prune(ctx context.Context, c Cut) (Erased, error) {
	p := &pruning{Journal: j, cut: c, before: stamp(c.Before), runs: map[string]bool{}, firings: map[string]bool{}, loads: map[string]bool{}}
	err := p.keep(ctx)
	for _, erase := range []func(context.Context) error{p.eraseRuns, p.eraseLoads, p.eraseFirings, p.eraseEvents} {
		if err == nil {
			err = erase(ctx)
		}
	}
	return p.erased, err
}

// pruning is one Prune in progress.
type pruning struct {
	*Journal
	cut    Cut
	before string
	erased Erased

	runs, firings, loads map[string]bool // that stay although they are old
}

// The statements by which it is found what stays; ?1 is the target that it is of, ?2 the pipeline or node. Whoever asks does so for a target, and
// runs for one that work more often must not drive out those for another. Checks and figures go by logical times, by which a run is not known to be old.
const (
	lastRuns     = `SELECT id FROM (SELECT id, started FROM run WHERE pipeline = ?2 AND ` + targetOfRun + ` = ?1 ORDER BY started DESC, id DESC LIMIT ?4) WHERE started < ?3`
	lastWorking  = `SELECT id FROM (SELECT id, started FROM run WHERE pipeline = ?2 AND ` + targetOfRun + ` = ?1 AND ` + working + ` ORDER BY started DESC, id DESC LIMIT ?4) WHERE started < ?3`
	lastGreen    = `SELECT id FROM (SELECT id, started FROM run WHERE pipeline = ?2 AND +status = 'succeeded' AND ` + targetOfRun + ` = ?1 AND ` + working + ` ORDER BY started DESC, id DESC LIMIT ?4) WHERE started < ?3` // +: not by the index of statuses
	runOfCursor  = `SELECT run FROM cursor`
	lastChecking = `SELECT run FROM check_result WHERE ` + targetOfResult + ` = ?1 AND node = ?2 ORDER BY at DESC, run DESC LIMIT 1`
	lastMetrics  = `SELECT run FROM metric WHERE ` + targetOfMetric + ` = ?1 AND node = ?2 AND name = ?3 ORDER BY at DESC, run DESC LIMIT ?4`

	lastFirings  = `SELECT id FROM (SELECT id, created FROM firing WHERE pipeline = ?1 ORDER BY created DESC, id DESC LIMIT ?3) WHERE created < ?2`
	lastEnded    = `SELECT id FROM firing WHERE coalesce(` + targetOfFiring + ` = ?1, 1) AND pipeline = ?2 AND finished IS NOT NULL AND state <> 'skipped' ORDER BY logical_time DESC LIMIT 1`
	lastWhole    = `SELECT id FROM firing WHERE coalesce(` + targetOfFiring + ` = ?1, 1) AND pipeline = ?2 AND state = 'succeeded' AND NOT ` + partOfPipeline + ` ORDER BY logical_time DESC LIMIT 1`
	openFirings  = `SELECT id FROM firing WHERE finished IS NULL`
	runsOfFiring = `SELECT run FROM firing WHERE id = ?1 UNION ALL SELECT id FROM run WHERE firing = ?1
		UNION ALL SELECT json_extract(ask, '$.retry') FROM firing WHERE id = ?1 UNION ALL SELECT json_extract(ask, '$.replay.run') FROM firing WHERE id = ?1`

	lastLoads   = `SELECT id FROM (SELECT id, started FROM load WHERE target = ?1 ORDER BY started DESC, id DESC LIMIT ?3) WHERE started < ?2`
	lastBrought = `SELECT id FROM load WHERE target = ?1 AND status = 'succeeded' ORDER BY started DESC, id DESC LIMIT 1`

	oldTargets = `SELECT DISTINCT ` + targetOfRun + ` FROM run WHERE started < ?1` // the others lose nothing
)

// keep finds what stays although it is old.
func (p *pruning) keep(ctx context.Context) error {
	targets, err := query(ctx, p.Journal, oldTargets, scanText, p.before)
	if err != nil {
		return err
	}
	for _, kept := range []func(context.Context, []string) error{p.keepFirings, p.keepRuns, p.keepResults, p.keepLoads} {
		if err := kept(ctx, targets); err != nil {
			return err
		}
	}
	return nil
}

// keepFirings keeps firings, and the runs that they led to or are about. One that led to none counts for each target, also where there is none.
func (p *pruning) keepFirings(ctx context.Context, targets []string) error {
	if err := p.add(ctx, p.firings, openFirings); err != nil {
		return err
	}
	pipelines, err := p.heads(ctx, "firing", "pipeline")
	if err != nil {
		return err
	}
	for _, name := range pipelines {
		if err := p.add(ctx, p.firings, lastFirings, name, p.before, keptFirings); err != nil {
			return err
		}
		for _, target := range append([]string{""}, targets...) {
			if err := errors.Join(p.add(ctx, p.firings, lastEnded, target, name), p.add(ctx, p.firings, lastWhole, target, name)); err != nil {
				return err
			}
		}
	}
	for firing := range p.firings {
		if err := p.add(ctx, p.runs, runsOfFiring, firing); err != nil {
			return err
		}
	}
	return nil
}

func (p *pruning) keepRuns(ctx context.Context, targets []string) error {
	if err := p.add(ctx, p.runs, runOfCursor); err != nil {
		return err
	}
	pipelines, err := p.heads(ctx, "run", "pipeline")
	if err != nil {
		return err
	}
	for _, name := range pipelines {
		for _, text := range []string{lastRuns, lastWorking, lastGreen} {
			if err := p.addOfEach(ctx, targets, text, name, p.before, keptRuns); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepResults keeps the runs that checked a node last, and those with figures that later runs are compared with.
func (p *pruning) keepResults(ctx context.Context, targets []string) error {
	checked, err := p.heads(ctx, "check_result", "node")
	if err != nil {
		return err
	}
	for _, node := range checked {
		if err := p.addOfEach(ctx, targets, lastChecking, node); err != nil {
			return err
		}
	}
	measured, err := p.heads(ctx, "metric", "node")
	if err != nil {
		return err
	}
	for _, node := range measured {
		names, err := query(ctx, p.Journal, namesOfMetrics, scanText, node)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := p.addOfEach(ctx, targets, lastMetrics, node, name, p.cut.Metrics); err != nil {
				return err
			}
		}
	}
	return nil
}

// addOfEach keeps the runs that a statement finds for each target.
func (p *pruning) addOfEach(ctx context.Context, targets []string, text string, args ...any) error {
	for _, target := range targets {
		if err := p.add(ctx, p.runs, text, append([]any{target}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// add puts the ids that a statement finds into a set.
func (p *pruning) add(ctx context.Context, set map[string]bool, text string, args ...any) error {
	ids, err := query(ctx, p.Journal, text, scanText, args...)
	for _, id := range ids {
		set[id] = true
	}
	return err
}

// scanText reads a text, "" for NULL.
func scanText(rows *sql.Rows) (string, error) {
	var text sql.NullString
	err := rows.Scan(&text)
	return text.String, err
}

// headsOf goes from one value of a column to the next by an index that begins with it, and does not read the rows in between.
func headsOf(table, column string) string {
	return fmt.Sprintf(`WITH RECURSIVE heads (v) AS (SELECT min(%[2]s) FROM %[1]s
		UNION ALL SELECT (SELECT min(%[2]s) FROM %[1]s WHERE %[2]s > heads.v) FROM heads WHERE v IS NOT NULL)
		SELECT v FROM heads WHERE v IS NOT NULL`, table, column)
}

// heads are the different values of a column.
func (p *pruning) heads(ctx context.Context, table, column string) ([]string, error) {
	return query(ctx, p.Journal, headsOf(table, column), scanText)
}

// namesOfMetrics goes through the figures of a node in the same way.
const namesOfMetrics = `WITH RECURSIVE heads (v) AS (SELECT min(name) FROM metric WHERE node = ?1
		UNION ALL SELECT (SELECT min(name) FROM metric WHERE node = ?1 AND name > heads.v) FROM heads WHERE v IS NOT NULL)
		SELECT v FROM heads WHERE v IS NOT NULL`

// What can go. An interrupted run is taken up or given up by the next one, an unfinished backfill by a person.
const (
	erasableRun = `started < ?1 AND finished < ?1 AND status NOT IN ('running', 'interrupted')
		AND (json_extract(selection, '$.backfill') IS NULL OR status IN ('succeeded', 'abandoned'))`
	erasableFiring = `created < ?1 AND finished < ?1 AND logical_time < ?1`
	oldRuns        = `SELECT started, id FROM run WHERE (started, id) > (?2, ?3) AND ` + erasableRun + ` ORDER BY started, id LIMIT ?4`
	erasableLoad   = `started < ?1 AND finished < ?1`
	oldLoads       = `SELECT started, id FROM load WHERE (started, id) > (?2, ?3) AND ` + erasableLoad + ` ORDER BY started, id LIMIT ?4`
	isOldLoad      = `SELECT EXISTS (SELECT 1 FROM load WHERE id = ?2 AND ` + erasableLoad + `)`
	eraseLoad      = `DELETE FROM load WHERE id = ?`
	oldFirings     = `SELECT created, id FROM firing WHERE (created, id) > (?2, ?3) AND ` + erasableFiring + ` ORDER BY created, id LIMIT ?4`
	isOldRun       = `SELECT EXISTS (SELECT 1 FROM run WHERE id = ?2 AND ` + erasableRun + `)`
	eraseRun       = `DELETE FROM run WHERE id = ?`
	eraseFiring    = `DELETE FROM firing WHERE id = ?2 AND ` + erasableFiring + ` RETURNING pipeline, logical_time`
	oldEvents      = ` FROM event WHERE at < ?1 AND id <= (SELECT max(id) FROM event) - ?2`
	eraseEvents    = `DELETE FROM event WHERE id IN (SELECT id` + oldEvents + ` ORDER BY at LIMIT ?3)`
)

// place is where a row stands in an index of times.
type place struct{ at, id string }

func scanPlace(rows *sql.Rows) (p place, err error) { return p, rows.Scan(&p.at, &p.id) }

// each hands over what a statement finds and does not stay, some of it at a time.
func (p *pruning) each(ctx context.Context, text string, stays func(id string) bool, do func([]string) error) error {
	for last := (place{}); ; {
		found, err := query(ctx, p.Journal, text, scanPlace, p.before, last.at, last.id, lookedAtOnce)
		if err != nil || len(found) == 0 {
			return err
		}
		last = found[len(found)-1]
		var ids []string
		for _, f := range found {
			if !stays(f.id) {
				ids = append(ids, f.id)
			}
		}
		if err := do(ids); err != nil {
			return err
		}
	}
}

// turn rests, and runs f in a transaction.
func (p *pruning) turn(ctx context.Context, f func(tx *sql.Tx) error) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(rest):
		return p.tx(ctx, "history", f)
	}
}

func (p *pruning) eraseRuns(ctx context.Context) error {
	stays := func(id string) bool { return p.runs[id] || p.cut.Needed != nil && p.cut.Needed(id) }
	return p.eraseWhole(ctx, wholeRun, stays, func(id string) {
		p.erased.Runs++
		if p.cut.Erased != nil && !p.cut.DryRun {
			p.cut.Erased(id)
		}
	})
}

func (p *pruning) eraseLoads(ctx context.Context) error {
	return p.eraseWhole(ctx, wholeLoad, func(id string) bool { return p.loads[id] }, func(string) { p.erased.Loads++ })
}

// keepLoads keeps loads. They are asked for by their own targets: few, and by an index.
func (p *pruning) keepLoads(ctx context.Context, _ []string) error {
	targets, err := p.heads(ctx, "load", "target")
	if err != nil {
		return err
	}
	for _, target := range targets {
		if err := errors.Join(p.add(ctx, p.loads, lastLoads, target, p.before, keptLoads), p.add(ctx, p.loads, lastBrought, target)); err != nil {
			return err
		}
	}
	return nil
}

// whole is a kind of row that goes with all that hangs on it.
type whole struct {
	old, isOld, erase string // statements
	column            string // by which rows of the tables hang on it
	tables            []string
}

var (
	wholeRun  = whole{oldRuns, isOldRun, eraseRun, "run", []string{"part", "window", "metric", "check_result", "step"}}
	wholeLoad = whole{oldLoads, isOldLoad, eraseLoad, "load", []string{"statement", "load_table"}}
)

func (w whole) eraseOf(table string) string {
	return fmt.Sprintf(`DELETE FROM %[1]s WHERE rowid IN (SELECT rowid FROM %[1]s WHERE %[2]s = ?1 LIMIT ?2)`, table, w.column)
}

// eraseWhole removes what is old and does not stay, and tells of each; a dry run only tells.
func (p *pruning) eraseWhole(ctx context.Context, w whole, stays func(id string) bool, tell func(id string)) error {
	return p.each(ctx, w.old, stays, func(ids []string) error {
		for len(ids) > 0 {
			gone, left := ids, []string(nil)
			if !p.cut.DryRun {
				if err := p.turn(ctx, func(tx *sql.Tx) (err error) {
					gone, left, err = p.eraseSome(ctx, tx, w, ids)
					return err
				}); err != nil {
					return err
				}
			}
			for _, id := range gone {
				tell(id)
			}
			ids = left
		}
		return nil
	})
}

// eraseSome removes some of a kind until there are enough rows for one transaction; the rest is left. One that was begun again meanwhile stays.
func (p *pruning) eraseSome(ctx context.Context, tx *sql.Tx, w whole, ids []string) (gone, left []string, err error) {
	for room := erasedAtOnce; len(ids) > 0; ids = ids[1:] {
		var old bool
		if err := tx.QueryRowContext(ctx, w.isOld, p.before, ids[0]).Scan(&old); err != nil {
			return nil, ids, err
		}
		if !old {
			continue
		}
		for _, table := range w.tables {
			n, err := changed(tx.ExecContext(ctx, w.eraseOf(table), ids[0], room))
			if err != nil {
				return nil, ids, err
			}
			if room -= n; room <= 0 {
				return gone, ids, nil
			}
		}
		if _, err := tx.ExecContext(ctx, w.erase, ids[0]); err != nil {
			return nil, ids, err
		}
		room--
		gone = append(gone, ids[0])
	}
	return gone, nil, nil
}

func (p *pruning) eraseFirings(ctx context.Context) error {
	return p.each(ctx, oldFirings, func(id string) bool { return p.firings[id] }, func(ids []string) error {
		if p.cut.DryRun || len(ids) == 0 {
			p.erased.Firings += len(ids)
			return nil
		}
		gone := 0
		err := p.turn(ctx, func(tx *sql.Tx) (err error) {
			gone, err = p.forgetFirings(ctx, tx, ids)
			return err
		})
		if err == nil {
			p.erased.Firings += gone
		}
		return err
	})
}

// forgetFirings removes firings, and remembers up to which logical time those of each pipeline have gone.
func (p *pruning) forgetFirings(ctx context.Context, tx *sql.Tx, ids []string) (gone int, err error) {
	through := map[string]string{}
	for _, id := range ids {
		var pipeline, logical string
		err := tx.QueryRowContext(ctx, eraseFiring, p.before, id).Scan(&pipeline, &logical)
		if errors.Is(err, sql.ErrNoRows) {
			continue // it was begun again meanwhile
		}
		if err != nil {
			return 0, err
		}
		gone++
		through[pipeline] = max(through[pipeline], logical)
	}
	for _, pipeline := range slices.Sorted(maps.Keys(through)) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO forgotten (pipeline, through) VALUES (?,?) ON CONFLICT DO UPDATE SET through = max(through, excluded.through)`,
			pipeline, through[pipeline]); err != nil {
			return 0, err
		}
	}
	return gone, nil
}

// Forgotten is the last logical time of the pipeline's firings that have gone; zero when none have.
func (j *Journal) Forgotten(ctx context.Context, pipeline string) (time.Time, error) {
	through, err := query(ctx, j, `SELECT through FROM forgotten WHERE pipeline = ?`, scanText, pipeline)
	if err != nil || len(through) == 0 {
		return time.Time{}, err
	}
	return parseTime(through[0]), nil
}

// forgotten says whether the pipeline's firing of that logical time may be one that has gone: then there was one, and no schedule adds it again.
// It matters when a clock was set back by more than the history is long, or a misfire window was made longer than that.
func forgotten(ctx context.Context, tx *sql.Tx, f Firing) (gone bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM forgotten WHERE pipeline = ? AND through >= ?)`, f.Pipeline, stamp(f.LogicalTime)).Scan(&gone)
	return gone, err
}

func (p *pruning) eraseEvents(ctx context.Context) error {
	if p.cut.DryRun {
		if err := p.db.QueryRowContext(ctx, `SELECT count(*)`+oldEvents, p.before, keptEvents).Scan(&p.erased.Events); err != nil {
			return fmt.Errorf("journal: %w", p.explain(err))
		}
		return nil
	}
	for n := erasedAtOnce; n == erasedAtOnce; {
		if err := p.turn(ctx, func(tx *sql.Tx) (err error) {
			n, err = changed(tx.ExecContext(ctx, eraseEvents, p.before, keptEvents, erasedAtOnce))
			return err
		}); err != nil {
			return err
		}
		p.erased.Events += n
	}
	return nil
}
