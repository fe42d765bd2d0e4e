package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// This file brings quarantined rows together whose columns are of different types: rows are divided as they came and once more
// as the table has them, and what came last month may have been of other types. None of them is ever dropped.

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
