package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// quarantined are the rows that are replayed, with all columns of the quarantine, as SQL.
func (rp *replay) quarantined() string {
	return "SELECT * FROM (\n" + warehouse.DuckDB.Select(rp.quarantine.Version) + "\n) AS q WHERE " + rp.where
}

// find counts the rows that are asked for and settles in which columns they enter the table.
func (e *Engine) find(ctx context.Context, rp *replay) (err error) {
	if rp.Rule != "" {
		if err := e.knowsRule(ctx, rp); err != nil {
			return err
		}
	}
	w, err := e.Warehouse(ctx, warehouse.Config{Memory: e.engineMemory(1), Threads: e.Threads, Files: warehouse.Paths(rp.quarantine.Files())})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	rows, err := countOf(ctx, w, rp.quarantined())
	if err != nil {
		return err
	}
	if rows == 0 {
		return e.nothingQuarantined(ctx, rp)
	}
	return rp.enter(ctx, w)
}

func countOf(ctx context.Context, w warehouse.Warehouse, rows string) (int64, error) {
	answer, err := w.Query(ctx, w.Dialect().Count(rows))
	if err != nil {
		return 0, fmt.Errorf("count quarantined rows: %w", err)
	}
	n, _ := answer.Rows[0][0].(int64)
	return n, nil
}

// knowsRule refuses a rule that no row in quarantine has failed.
func (e *Engine) knowsRule(ctx context.Context, rp *replay) error {
	set, err := e.InQuarantine(ctx, rp.Node.Name())
	if err != nil || set.Rules[rp.Rule] > 0 { // it has rows: that was looked at
		return err
	}
	known := slices.Sorted(maps.Keys(set.Rules))
	next := "the rules that rows failed are " + strings.Join(known, ", ")
	if s := config.Suggest(rp.Rule, known); s != "" {
		next = fmt.Sprintf("did you mean %q? %s", s, next)
	}
	return refused(next, "no row in the quarantine of %s failed %q", rp.Node.Name(), rp.Rule)
}

// nothingQuarantined says why there is nothing to replay.
func (e *Engine) nothingQuarantined(ctx context.Context, rp *replay) error {
	name := rp.Node.Name()
	if rp.Run != "" {
		return e.nothingOfRun(ctx, rp)
	}
	rejects, err := e.Rejects(ctx, name, "")
	if err != nil {
		return err
	}
	if len(rejects) > 0 {
		return refused(fmt.Sprintf("correct them where they come from and deliver them again: millrace rejects list %s shows where each stands and what is wrong", name),
			"no row of %s is in quarantine; its %d rejected records could not be read at all, so that there are no columns that could be replayed", name, rejects[0].Rows)
	}
	return refused("", "no row of %s is in quarantine", name)
}

// nothingOfRun says why there is nothing to replay of what a run kept out.
func (e *Engine) nothingOfRun(ctx context.Context, rp *replay) error {
	name := rp.Node.Name()
	sets, err := e.Quarantined(ctx, name, rp.Run)
	if err != nil {
		return err
	}
	if len(sets) == 0 {
		return refused("millrace rejects list shows what the latest runs kept out", "run %s quarantined no row of %s", rp.Run, name)
	}
	if !sets[0].Published {
		return refused("once a run of it succeeds they are", "run %s published nothing of %s: the rows that it kept out are not in the quarantine", rp.Run, name)
	}
	if rp.Rule != "" {
		return refused("", "no row of %s that is in quarantine was kept out by run %s and failed %q", name, rp.Run, rp.Rule)
	}
	return refused("", "the rows that run %s quarantined from %s are in the quarantine no more: they have been replayed, or are past retention", rp.Run, name)
}

// column is where the column of that name, in any case, stands; -1 when there is none.
func column(columns []warehouse.Column, name string) int {
	return slices.IndexFunc(columns, func(c warehouse.Column) bool { return strings.EqualFold(c.Name, name) })
}

// joining is a replay in progress.
type joining struct {
	*audit
	dir string // for the files of the new version

	origin  warehouse.File   // the replayed rows with their ids, where they came from, and when and by which run they were kept out
	rows    warehouse.File   // the same without
	passed  []warehouse.File // of rows
	outcome *warehouse.MergeResult
}

// stage writes the rows to files of their own.
func (j *joining) stage(ctx context.Context) error {
	d := j.Warehouse.Dialect()
	items := make([]string, len(j.replay.columns))
	for i, c := range j.replay.columns {
		value, err := j.replay.value(d, c)
		if err != nil {
			return err
		}
		items[i] = value + " AS " + d.QuoteIdent(c.Name)
	}
	var err error
	sql := fmt.Sprintf("SELECT %s, q.%s, q.%s, q.%s, %s AS %s FROM %s", strings.Join(items, ", "),
		check.QuarantinedRun, check.QuarantinedAt, check.QuarantinedFrom, j.replay.id(), check.QuarantinedID, j.replay.from(d))
	if j.origin, err = j.Warehouse.Write(ctx, sql, filepath.Join(j.dir, "origin.parquet")); err != nil {
		return fmt.Errorf("read quarantined rows: %w", err)
	}
	if j.rows, err = j.Warehouse.Write(ctx, d.Scan([]warehouse.File{j.origin}, j.replay.columns), filepath.Join(j.dir, "rows.parquet")); err != nil {
		return fmt.Errorf("read quarantined rows: %w", err)
	}
	return j.run.check(j.rows, j.replay.columns)
}
