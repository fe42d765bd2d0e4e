package jinja

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// TestConformance compares with Python's Jinja2, byte for byte, and wants an error of the same kind where Python errs.
// testdata/gen_conformance.py writes the expectations.
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
	if len(file.Cases) < 600 {
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
		parsed := err == nil
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
		case c.Error != "":
			if why := otherKind(c.Error, err, parsed); why != "" {
				t.Errorf("%s\n got %v: %s\nwant an error like %s", c.Src, err, why, c.Error)
			}
		case got != c.Want:
			t.Errorf("%s\n got %q\nwant %q", c.Src, got, c.Want)
		}
	}
}

// otherKind says how an error is of another kind than Python's, or "".
func otherKind(python string, err error, parsed bool) string {
	kind, _, _ := strings.Cut(python, ":")
	var e *Error
	if !errors.As(err, &e) || e.Line < 1 || e.Col < 1 {
		return "it has no place"
	}
	syntax := kind == "SyntaxError" || strings.HasPrefix(kind, "Template") && kind != "TemplateRuntimeError"
	switch {
	case syntax && parsed:
		return "it was not found while reading"
	case kind == "UndefinedError" && !e.undefined:
		return "it is not about something undefined"
	case !parsed && !syntax && !strings.Contains(e.Msg, "not supported"):
		return "it was found while reading"
	}
	return ""
}
