package jinja

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func mustParse(t *testing.T, name, src string) *Template {
	t.Helper()
	tpl, err := Parse(name, src)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// shopLibrary is a project with two packages and some built-in macros.
func shopLibrary(t *testing.T) *Library {
	t.Helper()
	lib, err := NewLibrary(
		Package{"shop", []*Template{mustParse(t, "macros/shop.sql", `{% macro helper() %}shop{% endmacro %}
{% macro overridden() %}root{% endmacro %}
{% macro duckdb__piece(x) %}root piece {{ x }}{% endmacro %}
{% macro ref(name) %}my {{ builtins_ref(name) }}{% endmacro %}`)}},
		Package{"dbt", []*Template{mustParse(t, "dbt/core.sql", `{% macro overridden() %}built in{% endmacro %}
{% macro uses() %}{{ overridden() }}{% endmacro %}
{% macro default__stamp(x=1) %}stamp {{ x }}{% endmacro %}
{% macro stamp() %}{{ return(dispatch('stamp', 'dbt')(*varargs)) }}{% endmacro %}
{% macro only_builtin() %}{{ return([1, 2]) }}{% endmacro %}
{% materialization view, adapter='duckdb' %}{{ helper() }}{% endmaterialization %}
{% test not_null(model) %}{{ model }}{% endtest %}`)}},
		Package{"utils", []*Template{mustParse(t, "utils/u.sql", `{% macro star() %}{{ own() }} {{ helper() }} {{ utils.own() }}{% endmacro %}
{% macro own() %}own{% endmacro %}
{% macro piece(x) %}{{ return(adapter.dispatch('piece', 'utils')(x)) }}{% endmacro %}
{% macro default__piece(x) %}default piece {{ x }}{% endmacro %}
{% macro helper() %}utils{% endmacro %}
{% macro stamp() %}{{ return(stamp()) }}{% endmacro %}`)}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

func libraryGlobals(order map[string][]string) map[string]any {
	dispatch := func(a Args) (any, error) {
		n, err := names(a, req("macro_name"), opt("macro_namespace", ""))
		if err != nil {
			return nil, err
		}
		return a.Dispatch("duckdb", n[0], n[1], order)
	}
	g := ModelGlobals(&fakeEngine{config: NewDict()}, Facts{})
	g["dispatch"] = Func(dispatch)
	g["adapter"] = members("adapter", map[string]any{"dispatch": Func(dispatch)})
	g["builtins_ref"] = Func(func(a Args) (any, error) { return "ref:" + a.Pos[0].(string), nil })
	return g
}

func TestLookup(t *testing.T) {
	lib := shopLibrary(t)
	for _, c := range []struct{ pkg, src, want string }{
		{"", "{{ helper() }}", "shop"},
		{"utils", "{{ helper() }}", "utils"},             // the package of the template first
		{"", "{{ utils.star() }}", "own shop own"},       // a package's own macro without its name, more than dbt does
		{"utils", "{{ utils.star() }}", "own utils own"}, //
		{"", "{{ uses() }}", "root"},                     // the root overrides what is built in, for everybody
		{"utils", "{{ dbt.uses() }}", "root"},
		{"", "{{ dbt.overridden() }} {{ dbt_duckdb.overridden() }}", "built in built in"},
		{"", "{{ shop.helper() }}", "shop"},
		{"", "{{ own is defined }} {{ utils.nope is defined }}", "False False"},
		{"", "{{ only_builtin()[1] }}", "2"},
		{"", "{{ utils.piece(1) }}", "root piece 1"}, // the root first, in a dispatch
		{"", "{{ stamp() }}|{{ stamp(5) }}", "stamp 1|stamp 5"},
		{"", "{{ ref('a') }}", "my ref:a"},
		{"", "{{ utils.stamp() }}", "stamp 1"}, // a package's wrapper of a built-in macro of its own name
		{"", "{{ utils.piece.get_macro().arguments }}", "('x',)"},
		{"", "{% macro helper() %}mine{% endmacro %}{{ helper() }} {{ utils.star() }}", "mine own shop own"},
		{"", "{{ test_not_null('m') }} {{ materialization_view_duckdb() }}", "m shop"},
	} {
		tpl := mustParse(t, "m.sql", c.src)
		out, err := tpl.Render(context.Background(), libraryGlobals(nil), Options{Macros: lib, Package: c.pkg})
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
		} else if out.Text != c.want {
			t.Errorf("%s in %q\n got %q\nwant %q", c.src, c.pkg, out.Text, c.want)
		}
	}
	tpl := mustParse(t, "m.sql", "{{ utils.piece(1) }}")
	out, err := tpl.Render(context.Background(), libraryGlobals(map[string][]string{"utils": {"none_such", "utils", "shop"}}), Options{Macros: lib})
	if err != nil || out.Text != "default piece 1" {
		t.Errorf("with a search order: %v %v", out, err)
	}
}

func TestLibraryFromGo(t *testing.T) {
	lib := shopLibrary(t)
	for name, want := range map[string]string{"helper": "shop", "utils.helper": "utils", "overridden": "shop", "own": "utils", "stamp": "dbt",
		"dbt.overridden": "dbt", "test_not_null": "dbt", "materialization_view_duckdb": "dbt", "nope": "", "utils.nope": "", "no.x": ""} {
		m, ok := lib.Macro(name)
		if pkg := m.Package; name != "helper" && pkg != want || ok != lib.Has(name) || ok != (want != "") {
			t.Errorf("%s is in %q, want %q", name, pkg, want)
		}
	}
	m, _ := lib.Macro("utils.piece")
	if m.Position.String() != "utils/u.sql:3:1" || len(m.Params) != 1 || m.Params[0] != "x" {
		t.Errorf("got %+v", m)
	}
	v, text, err := lib.Call(context.Background(), libraryGlobals(nil), Options{}, "", "only_builtin", nil, nil)
	if l, ok := v.(*List); err != nil || !ok || len(l.Items) != 2 || text != "[1, 2]" {
		t.Errorf("got %v %q %v", v, text, err)
	}
	v, text, err = lib.Call(context.Background(), libraryGlobals(nil), Options{}, "dbt", "default__stamp", nil, map[string]any{"x": 7})
	if err != nil || v != "stamp 7" || text != "stamp 7" {
		t.Errorf("got %v %q %v", v, text, err)
	}
	for _, c := range []struct{ pkg, name, want string }{
		{"", "helpr", "there is no macro 'helpr' (did you mean 'helper'?)"},
		{"dbt", "default__stamp", "dbt/core.sql:3:1: macro 'default__stamp' takes no keyword argument 'y'"},
	} {
		_, _, err = lib.Call(context.Background(), nil, Options{}, c.pkg, c.name, nil, map[string]any{"y": 7})
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestAtOnce renders one template with one library from several goroutines; the race detector watches.
func TestAtOnce(t *testing.T) {
	lib := shopLibrary(t)
	tpl := mustParse(t, "m.sql", "{{ utils.star() }}{{ uses() }}{% set l = [] %}{% for i in range(50) %}{% do l.append(i) %}{% endfor %}{{ nope is defined }}")
	done := make(chan string)
	for range 4 {
		go func() {
			out, err := tpl.Render(context.Background(), libraryGlobals(nil), Options{Macros: lib})
			if err != nil {
				done <- err.Error()
				return
			}
			done <- fmt.Sprint(out.Text, len(lib.Reached(tpl, "")), len(tpl.Calls()))
		}()
	}
	for range 4 {
		if got := <-done; got != "own shop ownrootFalse5 2" {
			t.Errorf("got %s", got)
		}
	}
}

func TestDispatchErrors(t *testing.T) {
	lib := shopLibrary(t)
	for _, c := range []struct{ name, namespace, want string }{
		{"nope", "", "dispatch: no macro implements 'nope'; searched for 'duckdb__nope', 'default__nope'"},
		{"nope", "utils", "dispatch: no macro implements 'nope' in 'utils'; searched for 'shop.duckdb__nope', 'shop.default__nope', " +
			"'utils.duckdb__nope', 'utils.default__nope'"},
		{"utils.star", "", "dispatch: 'utils.star' is not the name of a macro (write adapter.dispatch('star', macro_namespace='utils'))"},
	} {
		if _, err := lib.Dispatch("duckdb", c.name, c.namespace, nil, ""); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// A package's macro of the name of a part of the context, which the project says is meant by one of its own, is called by its full name;
// what the name means alone elsewhere, the project says.
func TestPackageHasRef(t *testing.T) {
	lib, err := NewLibrary(Package{"shop", []*Template{mustParse(t, "s.sql", "{% macro ref(x) %}{{ builtin_ref(x) }}{% endmacro %}")}}, Package{"mock", []*Template{mustParse(t, "r.sql",
		"{% macro ref(x) %}mocked {{ x }}{% endmacro %}{% macro both(x) %}{{ ref(x) }}, {{ mock.ref(x) }}{% endmacro %}")}})
	if err != nil {
		t.Fatal(err)
	}
	globals := map[string]any{"builtin_ref": Func(func(a Args) (any, error) { return "plain " + a.Pos[0].(string), nil })}
	for in, want := range map[string]string{"shop": "plain a; plain a, mocked a", "mock": "mocked a; mocked a, mocked a"} {
		out, err := mustParse(t, "m.sql", "{{ ref('a') }}; {{ mock.both('a') }}").Render(context.Background(), globals, Options{Macros: lib, Package: in})
		if err != nil || out.Text != want {
			t.Errorf("in %s it is %q, not %q: %v", in, out.Text, want, err)
		}
	}
}

func TestLibraryErrors(t *testing.T) {
	lib, err := NewLibrary(
		Package{"shop", []*Template{mustParse(t, "a.sql", "{% macro m() %}{% endmacro %}"), mustParse(t, "b.sql", "\n{% macro m() %}{% endmacro %}")}},
		Package{"evil", []*Template{mustParse(t, "e.sql", "{% macro ref(x) %}{% endmacro %}{% macro ok() %}{% endmacro %}{% macro run_query() %}{% endmacro %}{% macro model() %}{% endmacro %}")}},
		Package{"adapter", []*Template{mustParse(t, "ad.sql", "")}},
	)
	want := `b.sql:2:1: macro 'm' is defined twice in package 'shop'; the other is at a.sql:1:1 (rename or remove one of them)
ad.sql:1:1: package 'adapter' has the name of a part of dbt's context (rename the package)
e.sql:1:1: macro 'ref' of package 'evil' has the name of a function of dbt's context, and takes its place in the package's own models (rename it; or, when that is meant, define a macro ref in the project's own macros/, which calls evil.ref)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if !lib.Has("evil.ok") || !lib.Has("evil.ref") || !lib.Has("evil.run_query") {
		t.Error("the library does not hold what is right")
	}
	// The stack names each macro and where it was called.
	lib = shopLibrary(t)
	_, err = mustParse(t, "m.sql", "{% macro own() %}\n{{ dispatch('x', 'utils') }}{% endmacro %}{% macro outer() %}{{ own() }}{% endmacro %}{{ outer() }}").
		Render(context.Background(), libraryGlobals(nil), Options{Macros: lib})
	var e *Error
	if !errors.As(err, &e) || fmt.Sprint(e.Stack) != "[{own m.sql:2:65 1 0} {outer m.sql:2:90 1 0}]" || e.Line != 2 || e.Col != 4 {
		t.Errorf("got %v", err)
	}
}

func TestReached(t *testing.T) {
	lib := shopLibrary(t)
	for _, c := range []struct{ pkg, src, want string }{
		{"", "select 1", ""},
		{"", "{% if false %}{{ uses() }}{% endif %}", "dbt.uses shop.overridden"},
		{"utils", "{{ utils.star() }}", "utils.helper utils.own utils.star"},
		{"", "{{ utils.star() }}", "shop.helper utils.own utils.star"},
		{"", "{{ utils.piece(1) }}", "shop.duckdb__piece utils.default__piece utils.piece"},
		{"", "{{ adapter.dispatch('stamp')() }}", "dbt.default__stamp"},
		{"", "{{ adapter.dispatch(macro_namespace='x', macro_name='stamp')() }}", "dbt.default__stamp"},
		{"", "{% set f = helper %}{{ ref('x') }}", "shop.helper shop.ref"},
	} {
		var got []string
		for _, m := range lib.Reached(mustParse(t, "m.sql", c.src), c.pkg) {
			got = append(got, m.Package+"."+m.Name)
			if len(m.Hash) != 32 {
				t.Errorf("%s has the hash %q", m.Name, m.Hash)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.src, s, c.want)
		}
	}
	hash := func(src string) string {
		lib, err := NewLibrary(Package{"p", []*Template{mustParse(t, "m.sql", src)}})
		if err != nil {
			t.Fatal(err)
		}
		m, _ := lib.Macro("m")
		return m.Hash
	}
	a := hash("{% macro m() %}a{% endmacro %}")
	if a != hash("moved {% macro m() %}a{% endmacro %} and more") || a == hash("{% macro m() %}b{% endmacro %}") {
		t.Error("the hash is not that of the text of the macro")
	}
}
