package jinja

import (
	"context"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// portableCalls are calls of the macros whose SQL differs by database; transform's TestMacros runs those of DuckDB.
const portableCalls = `dbt.type_string()
dbt.type_int()
dbt.type_bigint()
dbt.type_float()
dbt.type_numeric()
dbt.type_timestamp()
dbt.type_boolean()
dbt.cast('x', dbt.type_string())
dbt.cast('x', 'GEOGRAPHY')
dbt.safe_cast('x', 'date')
dbt.safe_cast(1, 'date')
dbt.safe_cast('x', 'variant')
dbt.safe_cast('x', 'geometry')
dbt.cast_bool_to_text('b')
dbt.current_timestamp()
dbt.current_timestamp_backcompat()
dbt.current_timestamp_in_utc_backcompat()
dbt.snapshot_get_time()
dbt.snapshot_string_as_time('2024-01-01')
dbt.date(2024, 2, 29)
dbt.date_trunc('month', 'd')
dbt.dateadd('week', 2, 'd')
dbt.dateadd('quarter', 'n + 1', 'd')
dbt.datediff('a', 'b', 'week')
dbt.datediff('a', 'b', 'day')
dbt.last_day('d', 'quarter')
dbt.date_spine('day', "'2024-01-01'", "'2024-01-10'")
dbt.generate_series(5)
dbt.concat(['a', 'b'])
dbt.string_literal('x')
dbt.escape_single_quotes("it's")
dbt.length('x')
dbt.position("'a'", 'x')
dbt.replace('x', "'a'", "'b'")
dbt.right('x', 2)
dbt.split_part('x', "'|'", 2)
dbt._split_part_negative('x', "'|'", -1)
dbt.hash('x')
dbt.any_value('x')
dbt.bool_or('x')
dbt.listagg('x', "', '", 'order by y')
dbt.listagg('x', "', '", 'order by y', 3)
dbt.array_construct(['1', '2'])
dbt.array_construct()
dbt.array_append('a', '1')
dbt.array_concat('a', 'b')
dbt.except()
dbt.intersect()
dbt.equals('a', 'b')
api.Relation.create(database='d', schema='s', identifier='t')
api.Column('a', 'varchar').data_type
api.Column('a', 'integer').is_numeric()
adapter.quote_as_configured('x', 'schema')`

// TestPortableMacros: the text of each call, for both databases.
func TestPortableMacros(t *testing.T) {
	lib := builtinLibrary(t)
	for _, database := range []string{"duckdb", "snowflake"} {
		var all strings.Builder
		for _, call := range strings.Split(portableCalls, "\n") {
			f := shopFacts(true)
			f.Adapter = database
			out, err := mustParse(t, "m.sql", "{{ "+call+" }}").Render(context.Background(), ModelGlobals(&shopEngine{t: t}, f), Options{Macros: lib})
			if err != nil {
				t.Fatalf("%s: %v", call, err)
			}
			all.WriteString("-- " + call + "\n" + out.Text + "\n\n")
		}
		golden.Check(t, "testdata/macros_"+database+".sql", all.String(), *update)
	}
}

// TestOverrides: a project changes a built-in macro by one of the same name, or by what adapter.dispatch looks for.
func TestOverrides(t *testing.T) {
	lib, err := NewLibrary(Package{"shop", []*Template{mustParse(t, "macros/own.sql", `
{% macro default__hash(field) %}own_hash({{ field }}){% endmacro %}
{% macro duckdb__any_value(expression) %}own_any({{ expression }}){% endmacro %}
{% macro type_string() %}{{ return('own_text') }}{% endmacro %}
{% macro is_incremental() %}{{ return('own') }}{% endmacro %}
{% macro generate_schema_name(custom_schema_name, node) %}own_{{ default__generate_schema_name(custom_schema_name, node) }}{% endmacro %}`)}}, BuiltinPackage())
	if err != nil {
		t.Fatal(err)
	}
	for src, want := range map[string]string{
		"{{ dbt.hash('x') }}":                   "own_hash(x)",
		"{{ dbt.any_value('x') }}":              "own_any(x)",
		"{{ dbt.cast_bool_to_text('x') }}":      "cast(x as own_text)",
		"{{ is_incremental() }}":                "own",
		"{{ dbt.is_incremental() }}":            "False",
		"{{ generate_schema_name('a') }}":       "own_main_a",
		"{{ context['type_string']() }}":        "own_text",
		"{{ dbt.dateadd('day', 1, 'x') }}":      "(x + (cast(1 as bigint)) * interval 1 day)",
		"{{ builtins.is_incremental() }}":       "False",
		"{{ shop.generate_schema_name(none) }}": "own_main",
		"{{ adapter.dispatch('hash')('y') }}":   "own_hash(y)",
	} {
		out, err := mustParse(t, "m.sql", src).Render(context.Background(), ModelGlobals(&shopEngine{t: t}, shopFacts(true)), Options{Macros: lib})
		if err != nil {
			t.Errorf("%s: %v", src, err)
		} else if out.Text != want {
			t.Errorf("%s\n got %q\nwant %q", src, out.Text, want)
		}
	}
}

// TestRefusals: what dbt has and Millrace has not is said, with what to do instead.
func TestRefusals(t *testing.T) {
	lib := builtinLibrary(t)
	for _, c := range []struct{ src, want string }{
		{"{{ modules.re.search('(a+)+(?!a)', 'a' * 60 ~ 'b') }}{{ modules.re.match('(?=(a*)*b)((a|a)*)*c', 'a' * 60 ~ 'b') }}", "modules.re: patterns with look-around or references have taken"},
		{"{{ modules.re.search('[a', 'a') }}", "modules.re: a bracket without its end"},
		{`{{ modules.re.sub('a', '\\q', 'a') }}`, `modules.re: bad escape \q in the replacement`},
		{"{{ modules.itertools.count() }}", "modules.itertools.count() never ends"},
		{"{{ run_query('select 1').aggregate() }}", "a table's aggregate() is not supported (do it in the SQL of the query)"},
		{"{{ write('x') }}", "write() is not supported (Millrace writes the compiled SQL of models itself)"},
		{"{{ metric('x') }}", "metric() is not supported (the semantic layer is not supported"},
		{"{{ adapter.rename_relation(this, this) }}", "adapter.rename_relation() is not supported (set alias in the model's config)"},
		{"{{ adapter.get_relation(schema='a') }}", "adapter.get_relation() misses its argument 'database'"},
		{"{{ adapter.get_columns_in_relation(relatoin=this) }}", "has no keyword argument 'relatoin' (did you mean 'relation'?)"},
		{"{{ api.Relation.create(identfier='x') }}", "a relation has no field 'identfier' (did you mean 'identifier'?)"},
		{"{{ create_table_as(true, this, 'select 1') }}", "create_table_as() is part of a materialization of dbt. Tables and views are made, changed and removed by Millrace itself"},
		{"{% call statement('x', language='python') %}{% endcall %}", "a statement is written in SQL, not in 'python'"},
		{"{{ render('{{ nope.x }}') }}", "'nope' is undefined"},
		{"{{ render('{{ render(1) }}') }}", "'string' must be a string"},
		{"{% set x = '{{ render(x) }}' %}{{ render('{% set x = 1 %}{{ x.y.z }}') }}", "has no attribute 'y'"},
		{"{% do model.update({'a': 1}) %}{% do graph.update({'a': 1}) %}", "this dict belongs to the project"},
		{"{% do graph.nodes.pop('a') %}", "this dict belongs to the project"},
	} {
		e := &shopEngine{t: t, file: &contextFile{Queries: map[string]contextAnswer{"select 1": {Columns: [][2]string{{"a", "INTEGER"}}}}}}
		g := ModelGlobals(e, shopFacts(false))
		graph := NewDict()
		_ = graph.Set("nodes", NewDict())
		graph.Freeze()
		g["graph"] = graph
		_, err := mustParse(t, "m.sql", c.src).Render(context.Background(), g, Options{Macros: lib, Matching: 100 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.src, err, c.want)
		}
	}
}

// BenchmarkContext is a small model with the whole of dbt's context.
func BenchmarkContext(b *testing.B) {
	tpl, err := Parse("m.sql", "{{ config(materialized='table') }} select {{ dbt.dateadd('day', 1, 'x') }} from {{ ref('orders') }}")
	if err != nil {
		b.Fatal(err)
	}
	lib, e, f := builtinLibrary(b), &shopEngine{}, shopFacts(true)
	for b.Loop() {
		if _, err := tpl.Render(context.Background(), ModelGlobals(e, f), Options{Macros: lib}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestIncorporateOthers: what a path or policy has besides its parts dbt does not look at; replace_path does.
func TestIncorporateOthers(t *testing.T) {
	src := "{% set r = api.Relation.create(database='d', schema='s', identifier='i') %}{{ r.incorporate(path={'table': 'x', 'schema': 'q'}, quote_policy={'x': 1}) }}"
	out, err := mustParse(t, "m.sql", src).Render(context.Background(), ModelGlobals(&shopEngine{t: t}, shopFacts(true)), Options{Macros: builtinLibrary(t)})
	if err != nil || strings.ReplaceAll(out.Text, `"d".`, "") != `"q"."i"` {
		t.Errorf("%v %v", out, err)
	}
}
