package jinja

import (
	"context"
	"encoding/json"
	"os"
	"testing"
)

// TestConformance compares with Python's Jinja2, byte for byte. testdata/gen_conformance.py writes the expectations.
func TestConformance(t *testing.T) {
	data, err := os.ReadFile("testdata/conformance.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Globals json.RawMessage
		Cases   []struct {
			Src, Want, Error string
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 150 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	for _, c := range file.Cases {
		g, err := loads(string(file.Globals)) // keeps the order of keys, as Python has it
		if err != nil {
			t.Fatal(err)
		}
		globals := map[string]any{}
		for k, v := range g.(*Dict).All() {
			globals[k.(string)] = v
		}
		got := ""
		tpl, err := Parse("case", c.Src)
		if err == nil {
			var out *Output
			if out, err = tpl.Render(context.Background(), globals, Options{}); err == nil {
				got = out.Text
			}
		}
		switch {
		case c.Error != "" && err == nil:
			t.Errorf("%s\n got %q\nwant an error like %s", c.Src, got, c.Error)
		case c.Error == "" && err != nil:
			t.Errorf("%s\n got error %v\nwant %q", c.Src, err, c.Want)
		case c.Error == "" && got != c.Want:
			t.Errorf("%s\n got %q\nwant %q", c.Src, got, c.Want)
		}
	}
}
