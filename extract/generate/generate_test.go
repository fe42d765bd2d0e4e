package generate

import (
	"context"
	"testing"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/extracttest"
)

func fixture(o StreamOptions) func(*testing.T) extracttest.Fixture {
	return func(t *testing.T) extracttest.Fixture {
		src, err := Spec().Open(extract.Env{Name: "gen"}, &Options{Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		opts := o
		s := func(m extract.Mode) extract.Stream {
			return extract.Stream{Name: "orders", Mode: m, Key: []string{"id"}, Cursor: "updated_at", Options: &opts}
		}
		return extracttest.Fixture{Source: src, Full: s(extract.Full), Append: s(extract.Append), Incremental: s(extract.Incremental),
			Grow: func() error { opts.Generation++; return nil }}
	}
}

func TestConformance(t *testing.T) {
	for name, o := range map[string]StreamOptions{
		"one part": {Rows: 5000, Changes: 300, Generation: 1},
		"pages":    {Rows: 1000, Changes: 100, Page: 300, Generation: 2},
		"slices":   {Rows: 1000, Changes: 100, Page: 77, Slices: 3, Generation: 1},
		"rejects":  {Rows: 1000, Changes: 100, Page: 300, RejectsEvery: 7, Generation: 1},
	} {
		t.Run(name, func(t *testing.T) { extracttest.Run(t, fixture(o)) })
	}
}

func TestMovesOnByItself(t *testing.T) {
	f := fixture(StreamOptions{Rows: 10, Changes: 4})(t)
	w, err := f.Source.Window(context.Background(), f.Incremental, "", nil)
	if err != nil || w.Hi != "1" || len(w.Slices) != 1 {
		t.Fatalf("%+v %v", w, err)
	}
	w, err = f.Source.Window(context.Background(), f.Incremental, w.Hi, nil)
	if err != nil || w.Hi != "2" || len(w.Slices) != 1 {
		t.Fatalf("%+v %v", w, err)
	}
	l, err := extracttest.Land(t, f.Source, f.Incremental, w)
	if err != nil || len(l.Rows) == 0 || len(l.Rows) > 4 {
		t.Errorf("%+v %v", l, err)
	}
}
