package jinja

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestSnapshots(t *testing.T) {
	tpl := mustParse(t, "snapshots/s.sql", `{% macro cols() %}id{% endmacro %}
{% snapshot first_one %}
  {{ config(unique_key='id') }}
  select {{ cols() }} from {{ ref('a') }}
{% endsnapshot %}
{% snapshot second %}select {{ nope.x }}{% endsnapshot %}
`)
	if s := tpl.Snapshots(); len(s) != 2 || s[0].Name != "first_one" || s[1].Name != "second" || s[1].Position.String() != "snapshots/s.sql:6:1" {
		t.Fatalf("got %+v", s)
	}
	one := tpl.Snapshots()[0].Template
	var called []string
	for _, c := range one.Calls() {
		called = append(called, c.Name+" "+c.Position.String())
	}
	if got := strings.Join(called, ", "); got != "config snapshots/s.sql:3:6, ref snapshots/s.sql:4:31" {
		t.Errorf("calls: %s", got)
	}
	g := ModelGlobals(&fakeEngine{config: NewDict()}, Facts{})
	out, err := one.Render(context.Background(), g, Options{})
	if err != nil || !strings.Contains(out.Text, "select id from") {
		t.Fatalf("got %v %v", out, err)
	}
	if got := out.Source(strings.Index(out.Text, "select")).String(); got != "snapshots/s.sql:4:3" {
		t.Errorf("select is from %s", got)
	}
	_, err = tpl.Snapshots()[1].Template.Render(context.Background(), g, Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "snapshots/s.sql:6:37: 'nope' is undefined") {
		t.Errorf("got %v", err)
	}
	if _, err := tpl.Render(context.Background(), g, Options{}); err == nil || !strings.Contains(err.Error(), "snapshots/s.sql:2:1: the snapshot 'first_one'") {
		t.Errorf("got %v", err)
	}
	for src, want := range map[string]string{
		"{% if 1 %}{% snapshot s %}{% endsnapshot %}{% endif %}": "m.sql:1:11: 'snapshot' stands inside 'if'; it must stand at the top of the file",
		"{% snapshot %}{% endsnapshot %}":                        "m.sql:1:13: expected the name of the snapshot, got '%}'",
		"{% snapshot s %}select":                                 "m.sql:1:1: 'snapshot' is never closed (add '{% endsnapshot %}')",
	} {
		if _, err := Parse("m.sql", src); err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", src, err, want)
		}
	}
}

func TestDocs(t *testing.T) {
	docs, err := Docs("models/docs.md", `# Title with {braces} and {{ not jinja %} {% weird
{# {% docs hidden %} #}
{% docs orders %}
One row per **order**: {json: "{}"} {{ "{{" }} {{ gone }}{# not shown #}
{% raw %}{% enddocs %}{% endraw %}
{% enddocs %}

{%- docs _two2 -%} 100 {% broken {%- enddocs -%} tail`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Doc{
		{"orders", "One row per **order**: {json: \"{}\"} {{ \n{% enddocs %}", Position{"models/docs.md", 3, 1}},
		{"_two2", "100 {% broken", Position{"models/docs.md", 8, 1}},
	}
	if len(docs) != 2 || docs[0] != want[0] || docs[1] != want[1] {
		t.Errorf("got %q\nwant %q", docs, want)
	}
	for src, want := range map[string]string{
		"a\n {% docs x %}":                     "d.md:2:2: the docs block 'x' is never closed (add '{% enddocs %}')",
		"{% docs x %}{% docs y %}":             "d.md:1:13: the docs block 'x' is not closed before the next one (add '{% enddocs %}')",
		"{% docs %}{% enddocs %}":              "d.md:1:1: a docs block has no name (write {% docs a_name %})",
		"{% docs x %}{% enddocs %}{%enddocs%}": "d.md:1:26: unexpected 'enddocs'; no docs block is open here",
	} {
		_, err := Docs("d.md", src)
		var e *Error
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", src, err, want)
		}
	}
}

func TestMacroBlocks(t *testing.T) {
	tpl := mustParse(t, "m.sql", `{% test unique(model, column_name: str) %}{% endtest %}
{% data_test fresh(model) %}{% enddata_test %}
{% materialization table, default %}{% endmaterialization %}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}{{ supported_languages[1] }}{% endmaterialization %}
{% macro typed(a: Optional[Dict[str, int]], b: Relation = none) %}{{ a }}{{ b }}{% endmacro %}`)
	want := "test_unique test_fresh materialization_table_default materialization_table_duckdb typed"
	if got := strings.Join(tpl.Macros(), " "); got != want {
		t.Errorf("got %s", got)
	}
	for src, want := range map[string]string{
		"{% materialization t, adapter=1 %}{% endmaterialization %}": "m.sql:1:31: the adapter of a materialization must be a string",
		"{% materialization t, adaptr='x' %}{% endmaterialization %}": "m.sql:1:23: a materialization has no setting 'adaptr' " +
			"(write adapter='…', default or supported_languages=[…])",
		"{% test t(a) %}{% endmacro %}": "m.sql:1:19: unexpected 'endmacro'; expected 'endtest' for the 'test' of line 1",
		"{% break %}":                   "m.sql:1:4: 'break' stands outside a loop",
		"{% for i in x %}{% macro m() %}{% continue %}{% endmacro %}{% endfor %}": "m.sql:1:35: 'continue' stands outside a loop",
	} {
		if _, err := Parse("m.sql", src); err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", src, err, want)
		}
	}
}
