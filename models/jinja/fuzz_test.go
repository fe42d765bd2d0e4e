package jinja

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"unicode/utf8"
)

// seeds are the templates of the conformance table.
func seeds(f *testing.F) {
	data, err := os.ReadFile("testdata/conformance.json")
	if err != nil {
		f.Fatal(err)
	}
	var file struct{ Cases []struct{ Src string } }
	if err := json.Unmarshal(data, &file); err != nil {
		f.Fatal(err)
	}
	for _, c := range file.Cases {
		f.Add(c.Src)
	}
}

// FuzzParse wants a template or an *Error with a place inside the template, and never a panic.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		tpl, err := Parse("f", src)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Col < 1 || e.Msg == "" {
				t.Fatalf("bad error %#v", err)
			}
			return
		}
		tpl.Calls()
	})
}

// FuzzRender wants text that can be mapped back, or an *Error, within the limits.
func FuzzRender(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		tpl, err := Parse("f", src)
		if err != nil {
			return
		}
		d := NewDict()
		if err := d.Set("a", int64(1)); err != nil {
			t.Fatal(err)
		}
		g := ModelGlobals(&fakeEngine{config: NewDict()}, Facts{})
		g["d"], g["cols"], g["nums"], g["name"], g["n"] = d, []any{"id", "Name"}, []any{3, 1, 2}, "orders", 7
		out, err := tpl.Render(context.Background(), g, Options{Steps: 20_000, OutputBytes: 1 << 16, Depth: 50})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Col < 1 {
				t.Fatalf("bad error %#v", err)
			}
			return
		}
		if !utf8.ValidString(out.Text) {
			t.Fatalf("output is not UTF-8: %q", out.Text)
		}
		for i := range out.Text {
			if p := out.Source(i); p.Line < 1 || p.Col < 1 {
				t.Fatalf("offset %d maps to %v", i, p)
			}
		}
	})
}
