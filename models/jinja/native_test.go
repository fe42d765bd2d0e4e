package jinja

import (
	"context"
	"strings"
	"testing"
)

// TestRenderNative wants what get_template(…, native=True) of dbt-common 1.33 gives, but for a lone undefined name,
// which is an error here.
func TestRenderNative(t *testing.T) {
	globals := map[string]any{"n": 5, "s": "5", "xs": []any{1, "a"}, "no": false, "nothing": nil, "yes": true}
	for _, c := range []struct{ src, want string }{
		{"plain", "'plain'"}, {"", "''"}, {"5", "'5'"},
		{"{{ 5 }}", "'5'"}, {"{{ [1, 'a'] }}", `"[1, 'a']"`}, {"{{ true }}", "'True'"}, {"{{ 1.0 }}", "'1.0'"}, {"{{ {'a': 1}.a }}", "'1'"}, // literals only
		{"{{ n }}", "5"}, {"{{ s }}", "'5'"}, {"{{ xs }}", "[1, 'a']"}, {"{{ nothing }}", "None"}, {"{{ yes }}", "True"}, {"{{ n + 1 }}", "6"},
		{"{{ s | as_number }}", "5"}, {"{{ '5' | as_native }}", "5"}, {"{{ n | as_text }}", "'5'"}, {"{{ '1.5' | as_number }}", "1.5"},
		{"{{ '-5' | as_number }}", "-5"}, {"{{ 'True' | as_bool }}", "True"}, {"{{ 'None' | as_native }}", "None"},
		{`{{ "[1, 'a', {'k': (1,)}]" | as_native }}`, "[1, 'a', {'k': (1,)}]"},
		{"{{ 'abc def' | as_native }}", "'abc def'"}, {"{{ 'true' | as_native }}", "'true'"}, {"{{ '1 + 1' | as_native }}", "'1 + 1'"},
		{"{{ 'print' | as_native }}", "'print'"}, {`{{ '"q"' | as_native }}`, "'q'"}, {"{{ '' | as_native }}", "''"}, {"{{ '1 }}{{ 2' | as_native }}", "'1 }}{{ 2'"},
		{"{{ '1' | as_text | as_number }}", "1"}, {"{{ 1 if no else '2' | as_number }}", "2"}, {"{{ '2' | as_number if yes }}", "2"},
		{"a {{ n }}", "'a 5'"}, {"{{ n }} ", "'5 '"}, {"{{ n }}{{ n }}", "'55'"}, {"x{{ missing }}", "'x'"},
		{"{% if yes %}{{ xs }}{% endif %}", "[1, 'a']"}, {"{% set x = xs %}{{ x }}", "[1, 'a']"}, {"{# c #}{{ n }}", "5"},
		{"{% for i in xs %}{{ i }}{% endfor %}", "'1a'"}, {"{% for i in [n] %}{{ i }}{% endfor %}", "5"},
		{"{{ 'true' | as_bool }}", "m.yml:1:13: could not convert 'true' into a bool (Python's True and False are booleans, in just this case)"},
		{"{{ 'x' | as_number }}", "m.yml:1:10: could not convert 'x' into a number"},
		{"{{ 'True' | as_number }}", "m.yml:1:13: could not convert 'True' into a number"},
		{"{{ missing }}", "m.yml:1:4: 'missing' is undefined"},
		{"{{ missing.x }}", "m.yml:1:12: 'missing' is undefined"},
	} {
		got := ""
		v, err := mustParse(t, "m.yml", c.src).RenderNative(context.Background(), globals, Options{})
		if err != nil {
			got = err.Error()
		} else if got, err = newRender(context.Background(), standardEnv(), nil, Options{}).repr(v); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.src, got, c.want)
		}
	}
}

// TestLenient reads templates as dbt does while it only reads a project: undefined values are called and asked for
// attributes, in the template itself but not in macros.
func TestLenient(t *testing.T) {
	lib, err := NewLibrary(Package{"p", []*Template{mustParse(t, "macros.sql", "{% macro strict() %}{{ missing.x }}{% endmacro %}")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ src, want string }{
		{"[{{ missing.a.b[0]() }}]", "[]"},
		{"[{{ missing('x', y=1).columns[0].values() | list }}]", "[[]]"},
		{"{% set q = nothing['data'] %}{{ q[0].x is defined }}{% for r in q %}x{% endfor %}{{ d.a.b.c }}|{{ d.zz() }}", "False|"},
		{"{{ missing[1:2] }}", ""},
		{"{{ missing + 1 }}", "m.sql:1:12: 'missing' is undefined"},
		{"{{ strict() }}", "macros.sql:1:32: 'missing' is undefined; in macro 'p.strict' called at m.sql:1:4"},
		{"{{ 'x'() }}", "m.sql:1:4: 'str' object is not callable"},
	} {
		got := ""
		out, err := mustParse(t, "m.sql", c.src).Render(context.Background(), map[string]any{"nothing": nil, "d": map[string]any{}}, Options{Macros: lib, Lenient: true})
		if err != nil {
			got = err.Error()
		} else {
			got = out.Text
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.src, got, c.want)
		}
	}
	if _, err := mustParse(t, "m.sql", "{{ missing.a }}").Render(context.Background(), nil, Options{}); err == nil || !strings.Contains(err.Error(), "'missing' is undefined") {
		t.Errorf("a strict rendering gave %v", err)
	}
}

func TestNearNames(t *testing.T) {
	lib, err := NewLibrary(Package{"shop", []*Template{mustParse(t, "macros.sql", "{% macro generate_key(fields) %}{{ feilds.x }}{% endmacro %}")}})
	if err != nil {
		t.Fatal(err)
	}
	for src, want := range map[string]string{
		"{{ gnerate_key(1) }}":                            "m.sql:1:4: 'gnerate_key' is undefined (did you mean 'generate_key'?)",
		"{{ shop.generate_keys(1) }}":                     "m.sql:1:9: package 'shop' has no macro 'generate_keys' (did you mean 'generate_key'?)",
		"{% set columns = [] %}{{ colums[0] }}":           "m.sql:1:32: 'colums' is undefined (did you mean 'columns'?)",
		"{{ 1 + payment_methds }}":                        "m.sql:1:6: 'payment_methds' is undefined (did you mean 'payment_methods'?)",
		"{{ generate_key(1) }}":                           "macros.sql:1:43: 'feilds' is undefined (did you mean 'fields'?); in macro 'shop.generate_key' called at m.sql:1:4",
		"{{ rows.lenght() }}":                             "m.sql:1:9: 'dict object' has no attribute 'lenght' (did you mean 'length'?)",
		"{{ 'a'.uper() }}":                                "m.sql:1:8: 'str object' has no attribute 'uper' (did you mean 'upper'?)",
		"{% for i in [1] %}{{ loop.indx() }}{% endfor %}": "m.sql:1:27: 'LoopContext object' has no attribute 'indx' (did you mean 'index'?)",
	} {
		_, err := mustParse(t, "m.sql", src).Render(context.Background(), map[string]any{"payment_methods": 1, "rows": map[string]any{"length": 1}}, Options{Macros: lib})
		if err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", src, err, want)
		}
	}
}
