package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/seed"
	"github.com/millrace/millrace/warehouse"
)

// This file makes tables of the project's CSV files. A seed is read anew by each attempt: what it is read from is at hand.

// seed reads a seed and builds its table.
func (r *run) seed(ctx context.Context, b *transform.Builder, n *models.Node, s *journal.Step) ([]load.Table, error) {
	dir, err := r.stage(n)
	if err != nil {
		return nil, err
	}
	r.phase(n.Name(), "read")
	read, err := seed.Read(ctx, seed.Of(r.Project, n), filepath.Join(dir, "records.parquet"))
	if err != nil {
		return nil, explainSeed(n, err)
	}
	s.Bytes = read.Bytes
	formats, err := read.Settle(ctx, b.Warehouse)
	if err != nil {
		return nil, err
	}
	notes, err := read.Notes(ctx, b.Warehouse)
	if err != nil {
		return nil, err
	}
	s.Notes = append(append(s.Notes, formats...), notes...)
	return r.make(ctx, b, transform.Job{Node: n, Dir: dir}, s, func(job transform.Job) (*transform.Built, error) {
		r.phase(n.Name(), "build")
		built, err := b.Table(ctx, job, read.SQL(b.Warehouse.Dialect()))
		if err != nil {
			return nil, explainSeed(n, blamed(ctx, read, b.Warehouse, err))
		}
		equation := warehouse.Equation{Name: "read", Rows: read.Records, Terms: []warehouse.Term{{Name: "landed", Rows: landed(s, built)}}}
		if s.Equations = append([]warehouse.Equation{equation}, s.Equations...); !equation.Closes() {
			return nil, fmt.Errorf("%w: %s", ErrEquation, equation)
		}
		return built, nil
	})
}

// landed counts what was written of a seed, where it lies: those of its rows too that checks have kept out.
func landed(s *journal.Step, built *transform.Built) int64 {
	for _, e := range s.Equations {
		if e.Name == "checked" {
			return e.Get("passed") + e.Get("quarantined")
		}
	}
	return built.Equations[0].Get("landed")
}

// blamed is the value of the seed that the engine could not convert; the engine's error when no value is to blame.
func blamed(ctx context.Context, read *seed.Table, w warehouse.Warehouse, err error) error {
	var sqlErr *warehouse.SQLError
	if !errors.As(err, &sqlErr) || ctx.Err() != nil {
		return err
	}
	if p, berr := read.Blame(ctx, w); berr == nil && p != nil {
		return p
	}
	return err
}

// explainSeed puts what is wrong with a seed at its place.
func explainSeed(n *models.Node, err error) error {
	var p *seed.Problem
	if errors.As(err, &p) {
		return &StepError{Node: n.Name(), Pos: p.Pos(), Err: p, Hint: p.Hint}
	}
	return err
}

// seed reads a seed as a run would, and says what that would make of it.
func (pl *planning) seed(ctx context.Context, w warehouse.Warehouse, n *models.Node, temp string) error {
	one := pl.planned[n]
	err := func() error {
		read, err := seed.Read(ctx, seed.Of(pl.Project, n), filepath.Join(temp, fileName(n.Name())+".parquet"))
		if err != nil {
			return err
		}
		one.Rows, one.Bytes = read.Records, read.Bytes
		formats, err := read.Settle(ctx, w)
		if err != nil {
			return err
		}
		p, err := read.Blame(ctx, w)
		if err != nil {
			return err
		}
		if p != nil {
			return p
		}
		notes, err := read.Notes(ctx, w)
		if err != nil {
			return err
		}
		one.Notes = append(append(one.Notes, formats...), notes...)
		columns, err := w.Describe(ctx, read.SQL(w.Dialect()))
		if err != nil {
			return err
		}
		if columns, err = warehouse.StoredColumns(columns); err != nil {
			return err
		}
		if one.Columns, err = pl.contracted(n, one, columns, nil); err != nil {
			return err
		}
		if before := pl.before.Table(nameOf(n)); before != nil {
			one.Changes = schemaChanges(before.Columns, one.Columns)
			one.Build.Breaking, one.Build.Rows = breakingColumns(one.Changes), true
		}
		return nil
	}()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		one.fail(explainModel(n, explainSeed(n, err)))
	}
	return nil
}
