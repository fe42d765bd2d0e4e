package jinja

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func renderText(t *testing.T, src string, globals map[string]any, opts Options) string {
	t.Helper()
	tpl, err := Parse("m.sql", src)
	if err != nil {
		t.Fatal(err)
	}
	out, err := tpl.Render(context.Background(), globals, opts)
	if err != nil {
		t.Fatal(err)
	}
	return out.Text
}

// TestErrors wants the whole text of each error: place, message and hint.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		// reading
		{"a\n{% if x %}\nb", "m.sql:2:1: 'if' is never closed (add '{% endif %}')"},
		{"{% for x in y %}{% endif %}", "m.sql:1:20: unexpected 'endif'; expected 'endfor' for the 'for' of line 1"},
		{"{% endif %}", "m.sql:1:4: unexpected 'endif'; no tag is open here"},
		{"{% fro x in y %}", "m.sql:1:4: unknown tag 'fro' (did you mean 'for'?)"},
		{"{% include 'x' %}", "m.sql:1:4: tag 'include' is not supported (write a macro and call it)"},
		{"select {{ x", "m.sql:1:8: '{{' is never closed (add '}}')"},
		{"{{ x $ y }}", "m.sql:1:6: unexpected character '$'"},
		{"{{ 'abc }}", "m.sql:1:4: string is never closed (add ')"},
		{"{{ (1 + ] }}", "m.sql:1:9: unexpected ']', expected ')'"},
		{"{{ }}", "m.sql:1:4: expected an expression, got '}}'"},
		{"{{ 1 + }}", "m.sql:1:8: unexpected '}}'"},
		{"{{ a b }}", "m.sql:1:6: expected '}}', got 'b'"},
		{"{% if a = 1 %}{% endif %}", "m.sql:1:9: expected '%}', got '='"},
		{"{{ x | uper }}", "m.sql:1:8: unknown filter 'uper' (did you mean 'upper'?)"},
		{"{{ x is strng }}", "m.sql:1:9: unknown test 'strng' (did you mean 'string'?)"},
		{"{# open", "m.sql:1:1: comment is never closed (add '#}')"},
		{"{% raw %}x", "m.sql:1:1: 'raw' is never closed (add '{% endraw %}')"},
		{"{% set none = 1 %}", "m.sql:1:8: cannot assign to 'none'"},
		{"{% macro m(a=1, b) %}{% endmacro %}", "m.sql:1:17: parameter 'b' without a default follows one with a default"},
		{"{{ f(a=1, 2) }}", "m.sql:1:11: positional argument after a keyword argument"},
		{"{{ f(a=1, a=2) }}", "m.sql:1:11: keyword argument 'a' is given twice"},
		{"{{ 99999999999999999999 }}", "m.sql:1:4: integer 99999999999999999999 does not fit in 64 bits (write it as a string)"},
		{"ä{{ ü ! }}", "m.sql:1:7: unexpected character '!'"},
		{"{{ '\\xZZ' }}", "m.sql:1:5: invalid escape in string (write \\\\ for a backslash)"},
		{"a\xffb", "m.sql:1:2: template is not valid UTF-8 (save the file as UTF-8)"},
		// running
		{"{{ missing.x }}", "m.sql:1:12: 'missing' is undefined"},
		{"{{ missing() }}", "m.sql:1:4: 'missing' is undefined"},
		{"{{ orders + colums }}\n", "m.sql:1:11: 'colums' is undefined"},
		{"{{ renge(3) }}", "m.sql:1:4: 'renge' is undefined (did you mean 'range'?)"},
		{"\n\n  {{ d.a.b.c }}", "m.sql:3:12: 'int object' has no attribute 'b'"},
		{"{{ d.get('a', 1, 2) }}", "m.sql:1:6: dict.get() takes at most 2 arguments, got 3"},
		{"{{ d.nope() }}", "m.sql:1:6: 'dict object' has no attribute 'nope'"},
		{"{{ 'a' | replace('a') }}", "m.sql:1:10: filter 'replace' misses its argument 'new'"},
		{"{{ 'a' | indent(widht=2) }}", "m.sql:1:10: filter 'indent' has no keyword argument 'widht' (did you mean 'width'?)"},
		{"{{ 1 + 'a' }}", "m.sql:1:6: unsupported operand type(s) for +: 'int' and 'str'"},
		{"{{ 'a' + 1 }}", "m.sql:1:8: can only concatenate str (not \"int\") to str (use ~ to join values as text)"},
		{"{{ 1 / 0 }}", "m.sql:1:6: division by zero"},
		{"{{ 1 < 'a' }}", "m.sql:1:6: '<' not supported between instances of 'int' and 'str'"},
		{"{{ 2 ** 64 }}", "m.sql:1:6: integer overflow: the result does not fit in 64 bits (use a float or do it in SQL)"},
		{"{{ 9223372036854775807 + 1 }}", "m.sql:1:24: integer overflow: the result does not fit in 64 bits (use a float or do it in SQL)"},
		{"{{ [] | map('nope') | list }}", "m.sql:1:9: unknown filter 'nope' in map"},
		{"{% for a, b in [1] %}{% endfor %}", "m.sql:1:8: cannot unpack non-iterable int object"},
		{"{% set a, b = [1] %}", "m.sql:1:1: not enough values to unpack (expected 2, got 1)"},
		{"{% for x in 5 %}{% endfor %}", "m.sql:1:13: 'int' object is not iterable"},
		{"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "m.sql:1:34: macro 'm' takes at most 1 argument, got 2"},
		{"{% macro m(alias) %}{% endmacro %}{{ m(alais=1) }}", "m.sql:1:38: macro 'm' takes no keyword argument 'alais' (did you mean 'alias'?)"},
		{"{% macro m(a) %}\n{{ a.b.c }}{% endmacro %}\n{{ m(1) }}", "m.sql:2:8: 'int object' has no attribute 'b'; in macro 'm' called at m.sql:3:4"},
		{"{% macro m(n) %}{{ m(n) }}{% endmacro %}\n{{ m(1) }}", "m.sql:1:20: macros call each other more than 200 levels deep " +
			"(look for a macro that calls itself without end); in macro 'm' called at m.sql:1:20 (199 times); in macro 'm' called at m.sql:2:4"},
		{"{% set x = 1 %}{% set x.y = 2 %}", "m.sql:1:16: cannot assign an attribute of 'x': it is not a namespace ({% set x = namespace() %})"},
		{"{{ d.items }}", "m.sql:1:6: a function cannot be printed (call it: write () after its name)"},
		{"{{ {[1]: 2} }}", "m.sql:1:5: unhashable type: 'list'"},
		{"{{ '%d' % 'a' }}", "m.sql:1:9: %d format: a real number is required, not str"},
		{"{{ range(1000000) }}", "m.sql:1:4: range is too big: more than 100000 elements"},
		{"{{ fails() }}", "m.sql:1:4: no such table"},
		{"{% for k in d %}{% do d.update({'q': 1}) %}{% endfor %}", "m.sql:1:13: dictionary changed size during iteration (loop over .items() | list)"},
	} {
		tpl, err := Parse("m.sql", c.src)
		if err == nil {
			d := NewDict()
			if err := d.Set("a", int64(1)); err != nil {
				t.Fatal(err)
			}
			_, err = tpl.Render(context.Background(), map[string]any{
				"d": d, "orders": 1, "fails": Func(func(Args) (any, error) { return nil, errors.New("no such table") }),
			}, Options{})
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.src, err, c.want)
		}
	}
}

func TestErrorKeepsCause(t *testing.T) {
	cause := errors.New("boom")
	tpl, _ := Parse("m.sql", "{{ f() }}")
	_, err := tpl.Render(context.Background(), map[string]any{"f": Func(func(Args) (any, error) { return nil, fmt.Errorf("read: %w", cause) })}, Options{})
	if !errors.Is(err, cause) {
		t.Fatalf("%v does not wrap its cause", err)
	}
}

// TestSource checks that every ⟦marked⟧ piece of the output maps to the place given.
func TestSource(t *testing.T) {
	src := "{% macro m() %}in macro{% endmacro %}\nselect id, {{ name }},\n  {%- for c in cols %}\n  {{ c }} as x\n  {%- endfor %}\nfrom {{ m() }} where tail\n"
	tpl, err := Parse("m.sql", src)
	if err != nil {
		t.Fatal(err)
	}
	out, err := tpl.Render(context.Background(), map[string]any{"name": "äöü", "cols": []string{"c1", "c2"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ piece, want string }{
		{"select", "m.sql:2:1"}, {"id", "m.sql:2:8"}, {"äöü", "m.sql:2:12"}, {"öü", "m.sql:2:12"},
		{"c1", "m.sql:4:3"}, {"c2", "m.sql:4:3"}, {"as x", "m.sql:4:11"},
		{"from", "m.sql:6:1"}, {"macro", "m.sql:6:6"}, {"where", "m.sql:6:16"}, {"tail", "m.sql:6:22"},
	} {
		i := strings.Index(out.Text, c.piece)
		if i < 0 {
			t.Fatalf("%q is not in %q", c.piece, out.Text)
		}
		if got := out.Source(i).String(); got != c.want {
			t.Errorf("%q comes from %s, want %s", c.piece, got, c.want)
		}
	}
	for _, off := range []int{-5, len(out.Text), len(out.Text) + 100} {
		out.Source(off) // must not panic
	}
	empty, _ := Parse("e.sql", "")
	o, _ := empty.Render(context.Background(), nil, Options{})
	if got := o.Source(0).String(); got != "e.sql:1:1" {
		t.Errorf("empty output maps to %s", got)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"endless loop", "{% set l = [1] %}{% for x in l %}{% do l.append(x) %}{% endfor %}", "too much work"},
		{"nested loops", strings.Repeat("{% for x in range(99999) %}", 5) + strings.Repeat("{% endfor %}", 5), "too much work"},
		{"doubling text", "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}", "larger than"},
		{"doubling list", "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "too much work"},
		{"repeat", "{{ 'x' * 999999999 }}", "larger than"},
		{"repeat list", "{{ [0] * 999999999 }}", "too much work"},
		{"huge repeat", "{{ 'xx' * 9223372036854775807 }}", "too large"},
		{"pad", "{{ 'x'.ljust(999999999) }}", "larger than"},
		{"format width", "{{ '%999999999d' % 1 }}", "larger than 10000"},
		{"replace", "{{ ('x' * 100000).replace('x', 'y' * 100000) }}", "larger than"},
		{"shared structure", "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}", "too much work"},
		{"shared structure compared", "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}", "too much work"},
		{"shared tuple key", "{% set ns = namespace(x=(1,)) %}{% for i in range(40) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}", "too large to be a key"},
		{"compare itself", "{% set a = [] %}{% do a.append(a) %}{% set b = [] %}{% do b.append(b) %}{{ a == b }}", "nested too deeply"},
		{"json of itself", "{% set a = [] %}{% do a.append(a) %}{{ a | tojson }}", "nested too deeply"},
		{"recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deep"},
		{"recursion through caller", "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}", "deep"},
		{"recursive loop", "{% set l = [] %}{% do l.append(l) %}{% for x in l recursive %}{{ loop(x) }}{% endfor %}", "deep"},
		{"characters of a long text", "{% set t = 'é' * 400000 %}{% for i in range(99999) %}{% set x = t[i] %}{% endfor %}", "too much work"},
		{"length of a long text", "{% set t = 'é' * 400000 %}{% for i in range(99999) %}{% set x = t | length %}{% endfor %}", "too much work"},
		{"long keys", "{% set t = 'é' * 400000 %}{% for i in range(99999) %}{% set x = {t: 1}[t] %}{% endfor %}", "too much work"},
		{"long texts compared", "{% set t = 'é' * 400000 %}{% set u = t ~ '' %}{% for i in range(99999) %}{% set x = t == u or t < u %}{% endfor %}", "too much work"},
		{"front of a list", "{% set l = [] %}{% for i in range(99999) %}{% do l.insert(0, i) %}{% endfor %}", "too much work"},
		{"parentheses", "{{ " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000) + " }}", "nested more than"},
		{"minuses", "{{ " + strings.Repeat("- ", 100000) + "1 }}", "nested more than"},
		{"nots", "{{ " + strings.Repeat("not ", 100000) + "1 }}", "nested more than"},
		{"sum", "{{ 1" + strings.Repeat(" + 1", 100000) + " }}", "too long"},
		{"attributes", "{{ a" + strings.Repeat(".b", 100000) + " }}", "too long"},
		{"ifs", strings.Repeat("{% if 1 %}", 5000), "nested more than"},
		{"targets", "{% set " + strings.Repeat("(", 5000) + "a" + strings.Repeat(")", 5000) + " = 1 %}", "nested more than"},
		{"else if", "{{ 1" + strings.Repeat(" if 1 else 1", 100000) + " }}", "nested more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tpl, err := Parse("m.sql", c.src)
			if err == nil {
				_, err = tpl.Render(context.Background(), nil, Options{OutputBytes: 1 << 20, Steps: 500_000})
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tpl, _ := Parse("m.sql", "{% for i in range(99999) %}{{ i }}{% endfor %}")
	if _, err := tpl.Render(ctx, nil, Options{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestCalls(t *testing.T) {
	tpl, err := Parse("m.sql", `{{ config(materialized='table', tags=['a'], n=-1, on=flag) }}
{% macro own(x) %}{{ ref('in_macro') }}{% endmacro %}
select * from {{ ref('a') }} {% if false %}join {{ source('s', 't') }}{% endif %}
{% for m in ['x'] %}{{ ref(m) }}{% endfor %}{{ own(1) }}{{ var('v', none) | default(ref('pkg', 'b')) }}{{ f(*args) }}`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range tpl.Calls() {
		s := fmt.Sprintf("%d:%d %s(", c.Position.Line, c.Position.Col, c.Name)
		for i, a := range c.Args {
			if i > 0 {
				s += ", "
			}
			if a.Name != "" {
				s += a.Name + "="
			}
			if a.Literal {
				s += fmt.Sprint(a.Value)
			} else {
				s += "?"
			}
		}
		if c.Spread {
			s += "…"
		}
		got = append(got, s+")")
	}
	want := `1:4 config(materialized=table, tags=[a], n=-1, on=?)
2:22 ref(in_macro)
3:18 ref(a)
3:52 source(s, t)
4:24 ref(?)
4:60 var(v, <nil>)
4:85 ref(pkg, b)
4:107 f(…)`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

func TestGoValues(t *testing.T) {
	type named string
	got := renderText(t, "{{ i }} {{ u }} {{ f }} {{ s }} {{ l }} {{ m }} {{ n }} {{ fn(1, k=2) }} {{ rel }} {{ rel.schema }}", map[string]any{
		"i": 1, "u": uint8(2), "f": float32(0.5), "s": named("x"), "l": []any{1, "a", nil}, "m": map[string]any{"b": 1, "a": []string{"q"}},
		"n": nil, "fn": func(a Args) (any, error) { return []any{a.Pos[0], a.Kw[0].Name, a.Kw[0].Value}, nil },
		"rel": Relation{Schema: "mart", SQL: `"mart"."x"`},
	}, Options{})
	want := `1 2 0.5 x [1, 'a', None] {'a': ['q'], 'b': 1} None [1, 'k', 2] "mart"."x" mart`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := FromGo(make(chan int)); err == nil {
		t.Error("a channel became a value")
	}
}

// TestPlaces wants what position says, for offsets that grow and for one that does not.
func TestPlaces(t *testing.T) {
	tpl := mustParse(t, "m.sql", "ä{{ a }}\n\n☃ b c\nd")
	at := places{t: tpl}
	for _, off := range []int{0, 2, 2, 9, 10, 11, 14, 15, 18, 19, 3, 20, 100} {
		if got, want := at.at(off), tpl.position(off); got != want {
			t.Errorf("offset %d is at %v, want %v", off, got, want)
		}
	}
}
