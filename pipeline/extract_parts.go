package pipeline

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// parts reads all slices of the window, each from where the last landed part left it.
func (x *extraction) parts(ctx context.Context, asked extract.Stream, w *extract.Window) ([]journal.Part, error) {
	earlier, err := x.Journal.Parts(ctx, x.ID, x.node.Name())
	if err != nil {
		return nil, err
	}
	bySlice := map[string][]journal.Part{}
	for _, p := range earlier {
		if err := x.stillThere(p); err != nil {
			return nil, err
		}
		bySlice[p.Slice] = append(bySlice[p.Slice], p)
	}
	x.notes(w.Notes)
	x.total = 0
	for _, s := range w.Slices {
		x.total += s.Bytes
	}
	// Half of the processors read, the other half compress: more readers would only wait for each other.
	x.parallel = max(1, min(w.Parallel, x.Threads/2, len(w.Slices)))
	if b := x.selection.Backfill; b != nil && b.Parallel > 0 {
		x.parallel = max(1, min(w.Parallel, b.Parallel, len(w.Slices)))
	}
	var landed atomic.Int64 // slices
	all := make([][]journal.Part, len(w.Slices))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(x.parallel)
	for i, slice := range w.Slices {
		group.Go(func() (err error) {
			if ctx.Err() != nil { // the group keeps the first error, which says why
				return ctx.Err()
			}
			if all[i], err = x.slice(ctx, asked, w, slice, bySlice[slice.ID]); err == nil && w.Covers != nil {
				x.observe(Event{Kind: "slice", Phase: "extract", Node: x.node.Name(), Slice: slice.ID, Step: int(landed.Add(1)), Of: len(w.Slices), Rows: rowsOf(all[i])})
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(all...), nil
}

// rowsOf counts what was landed in parts.
func rowsOf(parts []journal.Part) (n int64) {
	for _, p := range parts {
		n += p.Landed
	}
	return n
}

// stillThere refuses to build on a part of an earlier attempt whose file is not what was journaled: its content was
// synced before, so the disk or someone has meddled with it.
func (x *extraction) stillThere(p journal.Part) error {
	files := []warehouse.File{p.File}
	if p.Rejects != nil {
		files = append(files, p.Rejects.File)
	}
	for _, f := range files {
		if sum, _, err := warehouse.Hash(f.Path); err != nil || sum != f.SHA256 {
			return fmt.Errorf("landed file %s is not what the journal says any more: %w", f.Path, extract.ErrChanged)
		}
	}
	return nil
}

func (x *extraction) slice(ctx context.Context, asked extract.Stream, w *extract.Window, slice extract.Slice, done []journal.Part) ([]journal.Part, error) {
	resume, seq := "", 0
	if n := len(done); n > 0 {
		resume, seq = done[n-1].Resume, done[n-1].Seq+1
		x.progress(slice.Bytes, 0)
		if resume == "" {
			return done, nil
		}
	}
	for {
		if x.stopping() {
			return nil, ErrInterrupted
		}
		var part *journal.Part
		err := x.patiently(ctx, func() (err error) {
			part, err = x.part(ctx, asked, w, slice, resume, seq)
			return err
		})
		if err != nil {
			return nil, err
		}
		done = append(done, *part)
		if part.Resume == "" {
			return done, nil
		}
		if part.Resume == resume {
			return nil, fmt.Errorf("source gave the resume point %q twice: it would be read for ever", resume)
		}
		resume, seq = part.Resume, seq+1
	}
}

// part lands one snapshot: file first, then the journal's transaction.
func (x *extraction) part(ctx context.Context, asked extract.Stream, w *extract.Window, slice extract.Slice, resume string, seq int) (_ *journal.Part, err error) {
	l, err := x.landing(asked, w, slice, resume, seq)
	if err != nil {
		return nil, err
	}
	defer l.cleanUp()
	part, err := l.land(ctx)
	if err != nil {
		return nil, err
	}
	if part.Read != part.Landed+part.Rejected {
		return nil, fmt.Errorf("%w: %s", ErrEquation, extractEquation(part.Read, part.Landed, part.Rejected))
	}
	if err := fault.Point("part.journal"); err != nil {
		return nil, err
	}
	if err := x.timed("journal", func() error { return x.Journal.SavePart(ctx, *part) }); err != nil {
		return nil, err
	}
	x.Log.Info("part landed", "run", x.ID, "stream", x.node.Name(), "rows", part.Landed, "rejected", part.Rejected)
	if slice.Keys {
		return part, nil
	}
	return part, x.misfit(part.Columns)
}

func extractEquation(read, landed, rejected int64) warehouse.Equation {
	return warehouse.Equation{Name: "read", Rows: read, Terms: []warehouse.Term{{Name: "landed", Rows: landed}, {Name: "rejected", Rows: rejected}}}
}
