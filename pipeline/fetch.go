package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// fetched is a stream as its source had it when it was asked.
type fetched struct {
	files    []warehouse.File
	columns  []warehouse.Column
	rejected int64            // records that could not be landed
	rejects  []warehouse.File // that hold these
	asOf     *extract.AsOf
	latest   bool // see extract.Window
}

// fetch reads all of a stream at its source, whatever its mode, into Parquet files below dir. Nothing is journaled or
// published, and no cursor moves. A stream of changes has rows of a key as often as its source has them. source is the
// stream's, when it is open; nil opens it.
func (e *Engine) fetch(ctx context.Context, n *models.Node, source extract.Source, dir string) (_ *fetched, err error) {
	if source == nil {
		if source, err = e.openSource(n.Stream.Source); err != nil {
			return nil, err
		}
		defer func() {
			if closing := source.Close(); err == nil {
				err = closing
			}
		}()
	}
	r := &run{Engine: e, nodes: []*models.Node{n}, results: map[string]*result{}, spent: map[string]time.Duration{}}
	x := &extraction{run: r, node: n, source: source, step: &journal.Step{}, parallel: 1}
	asked := asked(n)
	asked.Fresh, asked.Deletes = true, false
	if asked.Mode != extract.Append || asked.Cursor != "" { // files that have the same content are read once
		asked.Mode = extract.Full
	}
	for try := 1; ; try++ {
		got, err := x.fetchOnce(ctx, asked, filepath.Join(dir, fmt.Sprint(try)))
		if err == nil || !errors.Is(err, extract.ErrChanged) || try == maxWindows {
			return got, x.explain(err)
		}
	}
}

// fetchOnce reads the slices of one window, one after the other.
func (x *extraction) fetchOnce(ctx context.Context, asked extract.Stream, dir string) (*fetched, error) {
	var w *extract.Window
	err := x.patiently(ctx, func() (err error) {
		w, err = x.source.Window(ctx, asked, "", nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	got := &fetched{asOf: w.AsOf, latest: w.Latest}
	for _, slice := range w.Slices {
		if err := x.fetchSlice(ctx, asked, w, slice, dir, got); err != nil {
			return nil, err
		}
	}
	return got, nil
}

func (x *extraction) fetchSlice(ctx context.Context, asked extract.Stream, w *extract.Window, slice extract.Slice, dir string, got *fetched) error {
	resume := ""
	for seq := 0; ; seq++ {
		if x.stopping() {
			return ErrInterrupted
		}
		var part *journal.Part
		err := x.patiently(ctx, func() (err error) {
			l, err := x.landingIn(dir, filepath.Join(dir, "rejects"), asked, w, slice, resume, seq)
			if err != nil {
				return err
			}
			defer l.cleanUp()
			part, err = l.land(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if part.Read != part.Landed+part.Rejected {
			return fmt.Errorf("%w: %s", ErrEquation, extractEquation(part.Read, part.Landed, part.Rejected))
		}
		if w.AsOf != nil && part.Detail["as_of"] != "" && part.Detail["as_of"] != w.AsOf.ID {
			return fmt.Errorf("the state that was read was lost on the way: %w", extract.ErrChanged)
		}
		if got.columns, err = warehouse.UnionColumns(got.columns, part.Columns); err != nil {
			return fmt.Errorf("join parts: %w", err)
		}
		got.files, got.rejected = append(got.files, part.File), got.rejected+part.Rejected
		if part.Rejects != nil {
			got.rejects = append(got.rejects, part.Rejects.File)
		}
		if part.Resume == "" {
			return nil
		}
		if part.Resume == resume {
			return fmt.Errorf("source gave the resume point %q twice: it would be read for ever", resume)
		}
		resume = part.Resume
	}
}
