package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// This file makes the table of quarantined rows that is published beside a node's own. Their columns may be of different types: rows
// are divided as they came and once more as the table has them, and what came last month may have been of other types. None of
// them is ever dropped for that.

// with is what is published of the node: its table and its quarantine.
func (a *audit) with(ctx context.Context, t load.Table) ([]load.Table, error) {
	q, err := a.quarantine(ctx)
	return together(t, q, err)
}

// together are a table and its quarantine, unless that stays as it is.
func together(t load.Table, q *load.Table, err error) ([]load.Table, error) {
	if err != nil {
		return nil, err
	}
	if q == nil {
		return []load.Table{t}, nil
	}
	if err := closes(q.Equations); err != nil {
		return nil, err
	}
	return []load.Table{t, *q}, nil
}

// quarantine is the table of quarantined rows beside the node's own: this run's and, where the run adds to the table, those of
// earlier runs that are not too old. A run that replaces the table replaces its quarantine too: what was kept out of the version
// before was delivered again, or is gone from the source. Nil when the node has no check that quarantines, or when nothing
// changes.
func (a *audit) quarantine(ctx context.Context) (*load.Table, error) {
	quarantines := slices.ContainsFunc(a.node.Checks, (*models.Check).Quarantines) || a.drift != nil && a.drift.Quarantines() || len(a.bad) > 0
	if !quarantines || a.columns == nil {
		return a.emptied(a.node, a.anew)
	}
	name := quarantineOf(a.node)
	var prev *warehouse.Version
	before, trimmed := a.before.Table(name), false
	if before != nil && !a.anew {
		prev, trimmed = a.youngOf(&before.Version)
		if a.stillOut != nil {
			prev, _ = a.youngOf(a.stillOut)
			trimmed = true
		}
	}
	if before != nil && len(a.bad) == 0 && !trimmed && (!a.anew || before.Rows == 0) {
		return nil, nil
	}
	v, equation, err := a.gather(ctx, prev, name, a.bad)
	if err != nil {
		return nil, err
	}
	return &load.Table{Version: *v, Kind: kindQuarantine, Equations: []warehouse.Equation{equation},
		Description: fmt.Sprintf("Rows that checks kept out of %s, with the rules that each failed (%s).", a.node.Name(), check.FailedRules)}, nil
}

// youngOf is a quarantine without the files that are past retention, and whether there were any.
func (a *audit) youngOf(before *warehouse.Version) (kept *warehouse.Version, trimmed bool) {
	v := *before
	v.Base = slices.DeleteFunc(slices.Clone(before.Base), func(f warehouse.File) bool { return a.tooOld(f) })
	v.Rows = 0
	for _, f := range v.Base {
		v.Rows += f.Rows
	}
	return &v, len(v.Base) < len(before.Base)
}

// emptied is the published quarantine of a node without its rows, for a version that replaces the whole table and of which
// nothing was kept out. Nil when the version does not, or when there are no rows.
func (r *run) emptied(n *models.Node, anew bool) (*load.Table, error) {
	before := r.before.Table(quarantineOf(n))
	if !anew || before == nil || before.Rows == 0 {
		return nil, nil
	}
	v, equation, err := warehouse.Append(nil, before.Name, nil, before.Columns)
	if err != nil {
		return nil, err
	}
	return &load.Table{Version: *v, Kind: kindQuarantine, Equations: []warehouse.Equation{equation}, Description: before.Description}, nil
}

// unaudited is what is published of a node from which no check keeps rows out.
func (r *run) unaudited(n *models.Node, t load.Table, anew bool) ([]load.Table, error) {
	q, err := r.emptied(n, anew)
	return together(t, q, err)
}

// kindQuarantine is the kind of a table of quarantined rows in the manifest.
const kindQuarantine = "quarantine"

// tooOld says whether all rows of a file were quarantined longer ago than they are kept.
func (a *audit) tooOld(f warehouse.File) bool {
	s, known := f.Stats[check.QuarantinedAt]
	if !known || s.Max == nil {
		return f.Rows == 0
	}
	newest, err := time.Parse("2006-01-02 15:04:05.999999", *s.Max)
	return err == nil && a.LogicalTime.Sub(newest) > a.Project.Target.Retention.Quarantine.Std()
}

// gather is the quarantine prev, nil for none, with the files of more rows. Where no type holds all values of a column it has
// their texts.
func (a *audit) gather(ctx context.Context, prev *warehouse.Version, name warehouse.Name, more []warehouse.File) (*warehouse.Version, warehouse.Equation, error) {
	columns := check.QuarantineColumns(a.columns)
	if prev != nil {
		columns = prev.Columns
	}
	for _, f := range more {
		have, err := a.columnsIn(ctx, f)
		if err != nil {
			return nil, warehouse.Equation{}, err
		}
		if columns, err = a.holding(name, columns, have); err != nil {
			return nil, warehouse.Equation{}, err
		}
	}
	more, err := a.recast(ctx, more, columns, "quarantined")
	if err != nil {
		return nil, warehouse.Equation{}, err
	}
	if prev != nil {
		before := *prev
		if before.Base, err = a.recast(ctx, prev.Base, columns, "kept"); err != nil {
			return nil, warehouse.Equation{}, err
		}
		before.Columns = columns
		prev = &before
	}
	return warehouse.Append(prev, name, more, columns)
}

func (a *audit) columnsIn(ctx context.Context, f warehouse.File) ([]warehouse.Column, error) {
	return a.Warehouse.Describe(ctx, "SELECT * FROM "+a.Warehouse.Dialect().Files([]string{f.Path}))
}

// holding are columns that hold the values of both: texts where no other type does.
func (a *audit) holding(name warehouse.Name, before, after []warehouse.Column) ([]warehouse.Column, error) {
	before, after = slices.Clone(before), slices.Clone(after)
	for i, c := range after {
		at := column(before, c.Name)
		if at < 0 {
			continue
		}
		if _, err := warehouse.Widen(before[at].Type, c.Type); err == nil {
			continue
		}
		if before[at].Type != "VARCHAR" {
			a.step.Notes = append(a.step.Notes, fmt.Sprintf("%s keeps the texts of %s from now on: its rows have %s and %s in it, and no type holds both", name, c.Name, before[at].Type, c.Type))
		}
		before[at].Type, after[i].Type = "VARCHAR", "VARCHAR"
	}
	return warehouse.UnionColumns(before, after)
}

// recast writes those of the files anew that have columns of other types than a table with these may have.
func (a *audit) recast(ctx context.Context, files []warehouse.File, columns []warehouse.Column, as string) ([]warehouse.File, error) {
	d := a.Warehouse.Dialect()
	out := slices.Clone(files)
	for i, f := range files {
		have, err := a.columnsIn(ctx, f)
		if err != nil {
			return nil, err
		}
		want := slices.DeleteFunc(slices.Clone(columns), func(c warehouse.Column) bool { return column(have, c.Name) < 0 })
		if !slices.ContainsFunc(want, func(c warehouse.Column) bool { return !holds(c, have) }) {
			continue
		}
		out[i], err = a.Warehouse.Write(ctx, d.Scan(files[i:i+1], want), filepath.Join(a.dir, fmt.Sprintf("%s-%05d.parquet", as, i)))
		if err != nil {
			return nil, fmt.Errorf("convert quarantined rows: %w", err)
		}
		if out[i].Rows != f.Rows {
			return nil, fmt.Errorf("%w: of %d quarantined rows in %s %d were converted", warehouse.ErrUnbalanced, f.Rows, f.Path, out[i].Rows)
		}
		if err := a.run.check(out[i], want); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// holds says whether the column of a table may be read from a file that has it as one of have.
func holds(c warehouse.Column, have []warehouse.Column) bool {
	wider, err := warehouse.Widen(c.Type, have[column(have, c.Name)].Type)
	return err == nil && strings.EqualFold(wider, c.Type)
}
