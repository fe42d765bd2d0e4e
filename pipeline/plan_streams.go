package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// streams asks the sources, a few at once.
func (pl *planning) streams(ctx context.Context, nodes []*models.Node) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	opened := &sources{engine: pl.Engine, open: map[*models.Source]extract.Source{}}
	for _, n := range nodes {
		if n.Kind != models.KindStream {
			continue
		}
		group.Go(func() error {
			one := pl.planned[n]
			source, err := opened.get(n.Stream.Source)
			if err == nil {
				err = pl.stream(ctx, source, n, one)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				one.fail(pl.extraction(n).explain(err))
			}
			return nil
		})
	}
	return errors.Join(group.Wait(), opened.close())
}

// extraction is a stream as a run would read it.
func (pl *planning) extraction(n *models.Node) *extraction {
	return &extraction{run: &run{Engine: pl.Engine, before: pl.before}, node: n, before: pl.before.Table(nameOf(n)), step: &journal.Step{}}
}

func (pl *planning) stream(ctx context.Context, source extract.Source, n *models.Node, one *PlannedNode) error {
	x := pl.extraction(n)
	x.source = source
	why, err := x.begin()
	if err != nil {
		return err
	}
	one.note(why)
	asked := x.asked()
	found, err := x.foundColumns(ctx, asked, one)
	if err != nil {
		return err
	}
	one.Columns = found
	w, err := x.planWindow(ctx, asked, one)
	if err != nil {
		return err
	}
	if x.before != nil && n.Stream.Mode != string(extract.Full) {
		one.Notes = append(one.Notes, driftNotes(n, schemaChanges(ofSource(x.before.Columns), found))...)
		if one.Columns, err = warehouse.UnionColumns(x.before.Columns, found); err != nil {
			return err
		}
	}
	if published := pl.before.Table(nameOf(n)); published != nil {
		one.Changes = schemaChanges(ofSource(published.Columns), ofSource(one.Columns))
	}
	for _, note := range w.Notes {
		if !slices.Contains(one.Notes, note) {
			one.Notes = append(one.Notes, note)
		}
	}
	one.Slices = len(w.Slices)
	for _, s := range w.Slices {
		one.SliceBytes += s.Bytes
	}
	one.UpToDate = len(w.Slices) == 0 && x.before != nil || x.still(w)
	return nil
}

// foundColumns are those that the stream would land, by what its source says of it now; the rest of that goes into the plan.
func (x *extraction) foundColumns(ctx context.Context, asked extract.Stream, one *PlannedNode) ([]warehouse.Column, error) {
	d, err := x.source.Describe(ctx, asked)
	if err != nil {
		return nil, err
	}
	one.Rows, one.Bytes, one.Notes = d.Rows, d.Bytes, append(one.Notes, d.Notes...)
	for _, p := range d.Pins {
		one.Pins = append(one.Pins, PlannedPin(p))
	}
	found := make([]warehouse.Column, len(d.Columns))
	for i, c := range d.Columns {
		found[i] = warehouse.Column(c)
	}
	if found, err = warehouse.StoredColumns(found); err != nil {
		return nil, err
	}
	if err := x.landingColumns(found); err != nil {
		return nil, err
	}
	found, note, err := x.fitPlanned(found)
	if err != nil {
		return nil, err
	}
	one.note(note)
	return found, nil
}

// landingColumns checks that the stream has the columns that the project names.
func (x *extraction) landingColumns(columns []warehouse.Column) error {
	key := x.node.Stream.Key
	if len(key) == 0 {
		return nil // as a run does: without a key the cursor is the source's own affair
	}
	return x.hasColumns(columns, append(append([]string(nil), key...), x.node.Stream.Cursor))
}

// planWindow is the window that a run would read, of the whole stream when its name leads elsewhere now.
func (x *extraction) planWindow(ctx context.Context, asked extract.Stream, one *PlannedNode) (*extract.Window, error) {
	w, err := x.source.Window(ctx, asked, x.since(), nil)
	if err != nil {
		return nil, err
	}
	why, err := x.moved(w)
	if err != nil || why == "" {
		return w, err
	}
	one.note(why)
	return x.source.Window(ctx, x.asked(), "", nil)
}

// driftNotes says what a changed column means where only changed rows are read: the others stay as they were landed.
func driftNotes(n *models.Node, changes []SchemaChange) []string {
	if n.Stream.Mode != string(extract.Incremental) {
		return nil
	}
	var notes []string
	for _, c := range changes {
		if c.Kind == "removed" {
			notes = append(notes, fmt.Sprintf("column %q is gone from the source: published rows keep it, and those that change get NULL; millrace run %s --full-refresh drops it", c.Column, n.Name()))
		}
	}
	return notes
}
