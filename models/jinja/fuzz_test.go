package jinja

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"
	"unicode/utf8"
)

// seeds are the templates of the conformance table, and some of dbt's.
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
	for _, c := range contextCases(f).Cases {
		f.Add(c.Src)
	}
	for _, src := range []string{
		benchModel, benchMacros,
		"{% test t(model: Relation, c: List[str] = none) %}{% endtest %}{% materialization m, adapter='x', supported_languages=['sql'] %}{% endmaterialization %}",
		"{% snapshot s %}{{ config(a=1) }}{{ ref('x') }}{% endsnapshot %}{% docs d %}{{ a }} {{% raw %}{% endraw %}{% enddocs %}",
		"{% docs a %}{# x #}{% enddocs %}{%- docs b -%}{{ '{{' }}{%enddocs%}{% docs",
		"{{ '[1, (2,), {3: -4.5}]' | as_native }}", "{{ 'True' | as_bool if a else '1' | as_number }}", "{{ utils.m(1) }}{{ dbt.m }}{{ m() }}",
	} {
		f.Add(src)
	}
}

// contextCases are the answers of dbt's context.
func contextCases(f *testing.F) *contextFile {
	data, err := os.ReadFile("testdata/context.json")
	if err != nil {
		f.Fatal(err)
	}
	var file contextFile
	if err := json.Unmarshal(data, &file); err != nil {
		f.Fatal(err)
	}
	return &file
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
		lib, err := NewLibrary(Package{"p", []*Template{tpl}}, Package{Builtin, []*Template{tpl}})
		if err != nil && !errors.As(err, new(*Error)) {
			t.Fatalf("bad error %#v", err)
		}
		lib.Reached(tpl, "")
		for _, s := range tpl.Snapshots() {
			s.Template.Calls()
		}
		if _, err := Docs("f", src); err != nil && !errors.As(err, new(*Error)) {
			t.Fatalf("bad error %#v", err)
		}
	})
}

// FuzzModules wants a value or an error from what templates hand texts to: patterns, formats, dates and YAML.
func FuzzModules(f *testing.F) {
	for _, s := range [][3]string{{`(a)(?:b|[^\W\d])*$`, "a1 é", "%Y-%m-%d %-d %j %U %z"}, {`[]\-a]+(?i)`, "2024-02-29", "%I:%M %p"}, {`(?P<q>["'])(?=\d{,2}(?<!a))(?(q)b|(?>c)*+)\1\b`, `"1"é`, `\g<q>`}, {"a: [1, {b: &x c}]\nd: *x", "- a\n- 'b'", "\\g<1>\\1"}} {
		f.Add(s[0], s[1], s[2])
	}
	tpl, err := Parse("f", `{{ modules.re.sub(a, c, b) }}{{ modules.re.findall(a, b) }}`)
	if err != nil {
		f.Fatal(err)
	}
	rest, err := Parse("f", `{{ modules.datetime.datetime(2024, 2, 29, 13, 5).strftime(c) }}{{ toyaml(fromyaml(a)) }}{{ toyaml([a, b]) }}{{ fromjson(a) }}
{{ api.Column.from_description(a, b) }}{{ api.Column(a, b).flatten() }}{{ modules.datetime.datetime.strptime(b, c) }}`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, tpl := range []*Template{tpl, rest} {
			g := ModelGlobals(&fakeEngine{config: NewDict()}, Facts{})
			g["a"], g["b"], g["c"] = a, b, c
			_, err := tpl.Render(context.Background(), g, Options{Steps: 100_000, OutputBytes: 1 << 18, Matching: 200 * time.Millisecond})
			var e *Error
			if err != nil && (!errors.As(err, &e) || e.Line < 1) {
				t.Fatalf("bad error %#v", err)
			}
		}
	})
}

// FuzzRender wants text that can be mapped back, or an *Error, within the limits.
func FuzzRender(f *testing.F) {
	seeds(f)
	file, builtins := contextCases(f), BuiltinPackage()
	f.Fuzz(func(t *testing.T, src string) {
		tpl, err := Parse("f", src)
		if err != nil {
			return
		}
		d := NewDict()
		if err := d.Set("a", int64(1)); err != nil {
			t.Fatal(err)
		}
		g := ModelGlobals(&shopEngine{t: t, file: file}, shopFacts(len(src)%3 == 0))
		g["d"], g["cols"], g["nums"], g["name"], g["n"] = d, []any{"id", "Name"}, []any{3, 1, 2}, "orders", 7
		lib, _ := NewLibrary(Package{"p", []*Template{tpl}}, Package{"utils", []*Template{tpl}}, builtins) // of which some may be defined twice
		opts := Options{Macros: lib, Steps: 20_000, OutputBytes: 1 << 16, Depth: 50}
		if _, err := tpl.RenderNative(context.Background(), g, opts); err != nil && !errors.As(err, new(*Error)) {
			t.Fatalf("bad error %#v", err)
		}
		opts.Lenient = len(src)%2 == 0
		out, err := tpl.Render(context.Background(), g, opts)
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
