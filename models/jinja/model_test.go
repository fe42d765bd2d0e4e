package jinja

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// fakeEngine knows no relations, only how to print them.
type fakeEngine struct {
	config *Dict
	warned []string
	asked  []string // queries
}

func (e *fakeEngine) Ref(pkg, name, version string) (Relation, error) {
	if name == "nope" {
		return Relation{}, &Error{Msg: "no model 'nope'", Hint: "did you mean 'note'?"}
	}
	if pkg != "" {
		pkg += "."
	}
	if version != "" {
		name += "_v" + version
	}
	return Relation{Schema: "main", Name: name, SQL: fmt.Sprintf("%q", pkg+name)}, nil
}

func (e *fakeEngine) Doc(pkg, name string) (string, error) { return "doc " + pkg + "/" + name, nil }
func (e *fakeEngine) Graph() (any, error) {
	return map[string]any{"nodes": map[string]any{}, "sources": map[string]any{}}, nil
}
func (e *fakeEngine) Model() (any, error) {
	return map[string]any{"name": "m", "unique_id": "model.shop.m", "config": map[string]any{"materialized": "table"}}, nil
}
func (e *fakeEngine) Log(_ Position, msg string) { e.warned = append(e.warned, msg) }

// Query knows no database: it answers with one row, of which the second column is the query.
func (e *fakeEngine) Query(sql string) (*Table, error) {
	e.asked = append(e.asked, strings.TrimSpace(sql))
	if strings.Contains(sql, "drop") {
		return nil, &Error{Msg: "only a SELECT can run here"}
	}
	return NewTable([]Column{{Name: "n", Type: "INTEGER"}, {Name: "sql", Type: "VARCHAR"}}, [][]any{{int64(1), strings.TrimSpace(sql)}})
}

func (e *fakeEngine) QueryColumns(string) ([]Column, error) {
	return []Column{NewColumn("id", "INTEGER"), NewColumn("name", "VARCHAR")}, nil
}

func (e *fakeEngine) Columns(r Relation) ([]Column, error) {
	if r.Name == "empty" {
		return nil, nil
	}
	return []Column{NewColumn("id", "INTEGER"), NewColumn(r.Name, "DECIMAL(10,2)")}, nil
}

func (e *fakeEngine) Lookup(database, schema, name string) (Relation, bool, error) {
	return Relation{Database: database, Schema: schema, Name: name, Kind: "table"}, name == "orders", nil
}

func (e *fakeEngine) Relations(database, schema string) ([]Relation, error) {
	if schema != "main" {
		return nil, nil
	}
	return []Relation{{Database: database, Schema: schema, Name: "orders", Kind: "table"}}, nil
}

func (e *fakeEngine) Source(source, table string) (Relation, error) {
	return Relation{Schema: source, Name: table, SQL: fmt.Sprintf("%q.%q", source, table)}, nil
}

func (e *fakeEngine) SetConfig(d *Dict) error {
	for k, v := range d.All() {
		if err := e.config.Set(k, v); err != nil {
			return err
		}
	}
	return nil
}

func (e *fakeEngine) Config(name string) (any, bool) { return e.config.Get(name) }
func (e *fakeEngine) Var(name string) (any, bool) {
	vars := map[string]any{"answer": 42, "text": "{{ 1 + var('answer') }}", "texts": NewList("{{ 1 }}")}
	return vars[name], vars[name] != nil
}
func (e *fakeEngine) EnvVar(name string) (string, bool) {
	return "/home", name == "HOME"
}
func (e *fakeEngine) Warn(_ Position, msg string) { e.warned = append(e.warned, msg) }

// TestModelGlobals: want is the text, or the error after "error: ".
func TestModelGlobals(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"{{ ref('a') }} {{ ref('p', 'a') }} {{ ref('a').name }}", `"a" "p.a" a`},
		{"{{ source('erp', 'orders') }}", `"erp"."orders"`},
		{"{{ ref() }}", "error: m.sql:1:4: ref() takes 1 or 2 arguments, got 0 arguments (write ref('model'), ref('package', 'model') or ref('model', v=2))"},
		{"{{ ref('a', v=2) }}", `"a_v2"`},
		{"{{ ref('a', x=2) }}", "error: m.sql:1:4: ref() has no keyword argument 'x' (write ref('model'), ref('package', 'model') or ref('model', v=2))"},
		{"{{ ref(1) }}", "error: m.sql:1:4: ref(): 'name' must be a string, not int"},
		{"{{ ref(nam) }}", "error: m.sql:1:4: 'nam' is undefined"},
		{"\n {{ ref('nope') }}", "error: m.sql:2:5: no model 'nope' (did you mean 'note'?)"},
		{"{{ source('a') }}", "error: m.sql:1:4: source() takes exactly 2 positional arguments, got 1 argument (write source('source', 'table'))"},
		{"[{{ config(materialized='table', tags=['a']) }}]{{ config.get('materialized') }}{{ config.get('x', 'dflt') }}{{ config.require('tags') }}", "[]tabledflt['a']"},
		{"{{ config({'k': 1}) }}{{ config.get('k') }}", "1"},
		{"{{ config('table') }}", "error: m.sql:1:4: config() takes keyword arguments or one dict, not str (write config(materialized='table'))"},
		{"{{ config(enabled=nope) }}", "error: m.sql:1:4: config(): enabled: 'nope' is undefined"},
		{"{{ config.require('x') }}", "error: m.sql:1:11: config 'x' is required and not set (add config(x=…) to the model)"},
		{"{{ var('answer') }} {{ var('q', 'd') }} {{ var('q', none) }} {{ var.has_var('q') }}", "42 d None False"},
		{"{{ var('text') ~ 1 }} {{ var('text') | int + 1 }} {{ var('texts')[0] }} {{ var('q', '{{ 2 }}') }}", "431 44 {{ 1 }} {{ 2 }}"},
		{"\n{{ render('{{ 1 / 0 }}') }}", "error: m.sql:2:4: division by zero"},
		{"{{ var('q') }}", "error: m.sql:1:4: variable 'q' is not set (set it under vars, or give a default: var('q', …))"},
		{"{{ env_var('HOME') }} {{ env_var('X', 'y') }}", "/home y"},
		{"{{ env_var('X') }}", "error: m.sql:1:4: there is no environment variable 'X' that a model may see (set it; in a project that is not dbt's put it under vars: as X: ${X}, and write var('X'); or give a default: env_var('X', '…'))"},
		{"{{ this }} {{ this.schema }} {{ this.name }} {{ this.identifier }} {{ this.database }} {{ this.is_table }}", `"main"."m" main m m None True`},
		{"{% if is_incremental() %}inc{% endif %} {{ execute }} {{ target.name }} {{ target.type }}", "inc True dev duckdb"},
		{"{% macro m() %}{{ return([1, 2]) }}{% endmacro %}{{ m()[1] }}{% for x in m() %}{{ x }}{% endfor %}", "212"},
		{"{% macro m() %}{% for x in [1, 2] %}{% if x == 2 %}{% do return(x) %}{% endif %}{% endfor %}{% endmacro %}{{ m() + 1 }}", "3"},
		{"{{ return(1) }}", "error: m.sql:1:4: return() is only allowed in a macro"},
		{"{{ exceptions.raise_compiler_error('bad ' ~ 1) }}", "error: m.sql:1:15: bad 1"},
		{"{{ tojson({'b': 1, 'a': '<'}) }} {{ fromjson('{\"z\": [1, 2.0, null]}') }} {{ zip([1, 2], 'ab') | list }}", `{"b": 1, "a": "<"} {'z': [1, 2.0, None]} [(1, 'a'), (2, 'b')]`},
		{"{{ log('x', info=true) }}{{ builtins.ref('a') }}", `"a"`},
		{"{% do context.update({'mine': [1]}) %}{{ mine }}{{ context.get('mine') }}", "[1][1]"},
		{"{{ is_incremental }}", "error: m.sql:1:4: a function cannot be printed (call it: write () after its name)"},
		{"{{ this.nope.x }}", "error: m.sql:1:14: 'DuckDBRelation object' has no attribute 'nope'"},
	} {
		e := &fakeEngine{config: NewDict()}
		g := ModelGlobals(e, Facts{
			This:        Relation{Schema: "main", Name: "m", Kind: "table", SQL: `"main"."m"`},
			Incremental: true, Execute: true, Target: map[string]any{"name": "dev", "type": "duckdb"},
		})
		got := ""
		tpl, err := Parse("m.sql", c.src)
		if err == nil {
			var out *Output
			if out, err = tpl.Render(context.Background(), g, Options{}); err == nil {
				got = out.Text
			}
		}
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.src, got, c.want)
		}
	}
}

// What packages such as elementary ask of the project: its packages' versions behind ref, and room in the graph.
func TestProjectBehindTheContext(t *testing.T) {
	facts := shopFacts(true)
	facts.Packages = map[string]string{"shop": "1.2.0", "tools": "0.3.1"}
	for src, want := range map[string]string{
		"{% set c = builtins.ref.config %}{{ c.project_name }} {{ c.version }} {{ c.dependencies['tools'].version }}": "shop 1.2.0 0.3.1",
		"{{ builtins.ref.config.args.no_such_flag is false }}":                                                        "False",
		"{% do graph.setdefault('seen', {}).update({'a': 1}) %}{{ graph.seen.a }}":                                    "1",
	} {
		out, err := mustParse(t, "m.sql", src).Render(context.Background(), ModelGlobals(&shopEngine{t: t, file: &contextFile{}}, facts), Options{})
		if err != nil || out.Text != want {
			t.Errorf("%s is %+v, %v, and not %q", src, out, err, want)
		}
	}
}

// Packages print tables in agate's ways, and ask its types for values that JSON can have.
func TestTablesAsJSON(t *testing.T) {
	table, err := NewTable([]Column{NewColumn("n", "DECIMAL(4,2)"), NewColumn("w", "VARCHAR")}, [][]any{{Decimal{"1.50"}, "x"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := mustParse(t, "m.sql", "{% for c in t.columns %}{{ tojson(c.data_type.jsonify(c.values()[0])) }} {% endfor %}{% do t.print_table(max_columns=2, max_precision=3) %}").
		Render(context.Background(), map[string]any{"t": table, "tojson": Func(callToJSON)}, Options{})
	if err != nil || out.Text != `1.5 "x" ` {
		t.Errorf("%v %v", out, err)
	}
}
