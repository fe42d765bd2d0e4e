package extracttest

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/extract"
)

// ranged reads a range of the past: each of its rows once, whatever the slices, and with no word about the live cursor.
func ranged(k *kit, f *Fixture) error {
	if f.Range == nil {
		k.skip("the source reads no ranges")
		return nil
	}
	for _, s := range []extract.Stream{f.Append, f.Incremental} {
		live, err := f.Source.Window(k.ctx, s, "", nil)
		if err != nil {
			return err
		}
		s.Range = f.Range
		if w, err := f.Source.Window(k.ctx, s, "", nil); err != nil || len(w.Slices) > 0 || w.Covers != nil {
			return fmt.Errorf("%s: before any run a range has slices: %+v, %v", s.Mode, w, err)
		}
		w, err := f.Source.Window(k.ctx, s, live.Hi, nil)
		if err != nil {
			return err
		}
		if w.Hi != "" || w.Covers == nil || len(w.Slices) < 2 {
			return fmt.Errorf("%s: a window of a range moves the cursor, or covers nothing: %+v", s.Mode, w)
		}
		l, err := k.land(f.Source, s, w)
		if err != nil {
			return err
		}
		if int64(len(l.Rows)) != f.InRange || len(slices.Compact(slices.Clone(l.Rows))) != len(l.Rows) {
			return fmt.Errorf("%s: the range has %d different rows, %d were read", s.Mode, f.InRange, len(l.Rows))
		}
		if err := goesOn(k, f, s, w, live.Hi, l); err != nil {
			return fmt.Errorf("%s: %w", s.Mode, err)
		}
	}
	return nil
}

// goesOn reads the window in a later session, after the live cursor has moved: it means the same rows.
func goesOn(k *kit, f *Fixture, s extract.Stream, w *extract.Window, since extract.Cursor, before *Landing) error {
	if err := f.grow(); err != nil {
		return err
	}
	ids := func(w *extract.Window) (out []string) {
		for _, slice := range w.Slices {
			out = append(out, slice.ID)
		}
		return out
	}
	had := ids(w)
	again, err := f.Source.Window(k.ctx, s, since, w)
	if err != nil {
		return err
	}
	if again != w || !slices.Equal(ids(again), had) {
		return fmt.Errorf("slices %v became %v", had, ids(again))
	}
	l, err := k.land(f.Source, s, again)
	if err == nil && !slices.Equal(l.Rows, before.Rows) {
		err = fmt.Errorf("the range had %d rows and has %d, or others", len(before.Rows), len(l.Rows))
	}
	return err
}
