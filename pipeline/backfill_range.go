package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// base is the published version that the stream's rows are added to.
func (x *extraction) base() *warehouse.Version {
	if x.remains != nil {
		return x.remains
	}
	return &x.before.Version
}

// cutOut takes the rows of the range out of the published version of an append stream: nothing tells them from those that
// were landed of it, which replace them. Files without such rows stay as they are.
func (x *extraction) cutOut(ctx context.Context, covers *extract.Covered, parts []journal.Part) (err error) {
	dir := filepath.Join(x.runDir(x.ID), fileName(x.node.Name()), "cut")
	if err := errors.Join(os.RemoveAll(dir), fsx.MkdirAll("merge", dir, 0o700)); err != nil {
		return fmt.Errorf("stage range: %w", err)
	}
	w, err := x.Warehouse(ctx, warehouse.Config{Memory: x.engineMemory(x.width()), Threads: x.Threads, Temp: filepath.Join(dir, "spill"), Dirs: x.checkPlaces()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	landed, columns, err := filesOf(parts)
	if err != nil {
		return err
	}
	if err := x.allWithin(ctx, w, covers, landed, columns); err != nil {
		return err
	}
	column, err := x.orderedBy(x.before.Columns)
	if err != nil {
		return err
	}
	cut, err := warehouse.CutOut(ctx, w, x.before.Version, warehouse.Between{Column: column, From: covers.From, To: covers.To}, dir)
	if err != nil {
		return err
	}
	if err := x.verify(cut.Version, cut.Written); err != nil {
		return err
	}
	x.remains = &cut.Version
	x.step.Equations = append(x.step.Equations, cut.Equation)
	if err := x.cutQuarantine(ctx, w, covers, filepath.Join(dir, "quarantine")); err != nil {
		return err
	}
	return errors.Join(closes(x.step.Equations), x.guardDeletes(max(0, cut.Equation.Get("replaced")-rowsOf(parts)), x.before.Rows))
}

// cutQuarantine takes the rows of the range out of the quarantine: those that are no better now come into it again. A quarantine
// that has the cursor as a text keeps its rows.
func (x *extraction) cutQuarantine(ctx context.Context, w warehouse.Warehouse, covers *extract.Covered, dir string) error {
	q := x.run.before.Table(quarantineOf(x.node))
	if q == nil || q.Rows == 0 {
		return nil
	}
	column, err := x.orderedBy(q.Columns)
	if err != nil {
		x.note("rows in quarantine stay there: " + err.Error())
		return nil
	}
	if err := fsx.MkdirAll("merge", dir, 0o700); err != nil {
		return fmt.Errorf("stage range: %w", err)
	}
	cut, err := warehouse.CutOut(ctx, w, q.Version, warehouse.Between{Column: column, From: covers.From, To: covers.To}, dir)
	if err != nil || cut.Equation.Get("replaced") == 0 {
		return err
	}
	if err := x.verify(cut.Version, cut.Written); err != nil {
		return err
	}
	x.stillOut = &cut.Version
	return closes([]warehouse.Equation{cut.Equation})
}

// allWithin makes sure that the source and the engine mean the same by the range: a landed row that lies outside of it for the
// engine would stand beside the published one that it is to replace.
func (x *extraction) allWithin(ctx context.Context, w warehouse.Warehouse, covers *extract.Covered, landed []warehouse.File, columns []warehouse.Column) error {
	column, err := x.orderedBy(columns)
	if err != nil || len(landed) == 0 {
		return err
	}
	within := warehouse.Between{Column: column, From: covers.From, To: covers.To}
	outside, err := warehouse.CountOutside(ctx, w, landed, columns, within)
	if err == nil && outside > 0 {
		err = fmt.Errorf("%w: %d rows that the source has from %s up to %s lie elsewhere by their %s as it is landed", ErrEquation, outside, covers.From, covers.To, column.Name)
	}
	return err
}

// orderedBy is the cursor's column, of a type whose order is that of the source.
func (x *extraction) orderedBy(columns []warehouse.Column) (warehouse.Column, error) {
	for _, c := range columns {
		if strings.EqualFold(c.Name, x.node.Stream.Cursor) {
			if !warehouse.Ordered(c.Type) {
				return c, x.refuse(fmt.Sprintf("millrace run %s --full-refresh reads all of it again", x.node.Name()), "the cursor %s is landed as %s: which published rows lie in the range cannot be told", c.Name, c.Type)
			}
			return c, nil
		}
	}
	return warehouse.Column{}, x.refuse(fmt.Sprintf("millrace run %s --full-refresh reads all of it again", x.node.Name()), "the cursor %s is not among the published columns", x.node.Stream.Cursor)
}
