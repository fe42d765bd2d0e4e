package jinja

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// contextFile is testdata/context.json: what dbt's context answers, by testdata/gen_context.py.
type contextFile struct {
	Queries map[string]contextAnswer
	Tables  map[string][][2]string
	Cases   []struct {
		Src, Want, Error string
		Reading          bool
	}
}

type contextAnswer struct {
	Columns [][2]string
	Rows    [][]json.RawMessage
}

func (a contextAnswer) table(t *testing.T) *Table {
	t.Helper()
	var columns []Column
	for _, c := range a.Columns {
		columns = append(columns, NewColumn(c[0], c[1]))
	}
	rows := make([][]any, len(a.Rows))
	for i, row := range a.Rows {
		for _, raw := range row {
			v, err := loads(string(raw))
			if err != nil {
				t.Fatal(err)
			}
			rows[i] = append(rows[i], v)
		}
	}
	table, err := NewTable(columns, rows)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// shopEngine is the project that the script makes: the tables orders, m and v, and answers that it knows by heart.
type shopEngine struct {
	NoDatabase
	t    *testing.T
	file *contextFile
}

func (e *shopEngine) relation(name string) Relation {
	return Relation{Database: "shop", Schema: "main", Name: name}
}

func (e *shopEngine) Ref(_, name, _ string) (Relation, error)  { return e.relation(name), nil }
func (e *shopEngine) Source(_, table string) (Relation, error) { return e.relation(table), nil }
func (e *shopEngine) SetConfig(*Dict) error                    { return nil }
func (e *shopEngine) Config(name string) (any, bool)           { return "table", name == "materialized" }
func (e *shopEngine) EnvVar(string) (string, bool)             { return "", false }
func (e *shopEngine) Doc(_, _ string) (string, error)          { return "", nil }
func (e *shopEngine) Graph() (any, error)                      { return NewDict(), nil }
func (e *shopEngine) Warn(Position, string)                    {}
func (e *shopEngine) Log(Position, string)                     {}

func (e *shopEngine) Var(name string) (any, bool) {
	v, ok := map[string]any{"answer": 42, "names": []string{"a", "b"}}[name]
	return v, ok
}

func (e *shopEngine) Model() (any, error) {
	return map[string]any{"name": "m", "unique_id": "model.shop.m", "config": map[string]any{"materialized": "table"}}, nil
}

func (e *shopEngine) Query(sql string) (*Table, error) {
	a, ok := e.file.Queries[strings.TrimSpace(sql)]
	if !ok {
		return nil, failf("no answer to %q", sql)
	}
	return a.table(e.t), nil
}

func (e *shopEngine) Columns(r Relation) ([]Column, error) {
	var columns []Column
	for _, c := range e.file.Tables[r.Name] {
		columns = append(columns, NewColumn(c[0], c[1]))
	}
	return columns, nil
}

func (e *shopEngine) Lookup(_, _, name string) (Relation, bool, error) {
	r := e.relation(name)
	r.Kind = map[string]string{"orders": "table", "m": "table", "v": "view"}[name]
	return r, r.Kind != "", nil
}

func (e *shopEngine) Relations(_, schema string) ([]Relation, error) {
	if schema != "main" {
		return nil, nil
	}
	return []Relation{e.relation("orders")}, nil
}

func shopFacts(reading bool) Facts {
	return Facts{
		This: Relation{Database: "shop", Schema: "main", Name: "m"}, Execute: !reading, Project: "shop", Database: "shop",
		Target: map[string]any{"name": "dev", "type": "duckdb", "schema": "main", "database": "shop"}, RunStarted: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
	}
}

func builtinLibrary(t testing.TB) *Library {
	t.Helper()
	lib, err := NewLibrary(Package{Name: "shop"}, BuiltinPackage())
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

// TestContext compares with dbt, byte for byte.
func TestContext(t *testing.T) {
	data, err := os.ReadFile("testdata/context.json")
	if err != nil {
		t.Fatal(err)
	}
	var file contextFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 100 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	lib := builtinLibrary(t)
	for _, c := range file.Cases {
		got := ""
		tpl, err := Parse("models/m.sql", c.Src)
		if err == nil {
			var out *Output
			globals := ModelGlobals(&shopEngine{t: t, file: &file}, shopFacts(c.Reading))
			if out, err = tpl.Render(context.Background(), globals, Options{Macros: lib}); err == nil {
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
		if err != nil && os.Getenv("SHOW_ERRORS") != "" {
			t.Logf("%s\n  %v", c.Src, err)
		}
	}
}

// sharedGraph is an engine whose graph all renderings share.
type sharedGraph struct {
	*shopEngine
	graph *Dict
}

func (e sharedGraph) Graph() (any, error) { return e.graph, nil }

// TestGraphIsARenderingsOwn: a template may change what it gets of the graph, and sees that again; no other does.
func TestGraphIsARenderingsOwn(t *testing.T) {
	graph, err := FromGo(map[string]any{"nodes": map[string]any{
		"a": map[string]any{"name": "a", "meta": map[string]any{"x": int64(1)}, "tags": []any{"t", map[string]any{"k": int64(1)}}},
		"b": map[string]any{"name": "b", "meta": map[string]any{}, "tags": []any{}}}})
	if err != nil {
		t.Fatal(err)
	}
	nodes, _ := graph.(*Dict).Get("nodes")
	node, _ := nodes.(*Dict).Get("a")
	meta, _ := node.(*Dict).Get("meta")
	_ = node.(*Dict).Set("meta", meta) // said twice
	e := sharedGraph{&shopEngine{t: t}, graph.(*Dict)}
	e.graph.Freeze()
	before, _ := reprOf(e.graph)
	src := `{% set n = graph.nodes['a'] %}{% do n.meta.update({'y': 2}) %}{% do n.meta.setdefault('z', 3) %}{% do n.tags.append('u') %}{% do n.tags[1].update({'k': 2}) %}` +
		`{% for m in graph.nodes.values() %}{% do m.update({'seen': true}) %}{% endfor %}{% for k, m in graph.nodes.items() %}{% do m.meta.update({'w': k}) %}{% endfor %}{% do graph.nodes.pop('b') %}{% do graph.update({'mine': 1}) %}{{ graph.nodes.values() | list }} {{ n.meta.popitem() }} {{ graph.nodes.a.meta }} {{ graph.keys() | list }}`
	want := `[{'meta': {'x': 1, 'y': 2, 'z': 3, 'w': 'a'}, 'name': 'a', 'tags': ['t', {'k': 2}, 'u'], 'seen': True}] ('w', 'a') {'x': 1, 'y': 2, 'z': 3} ['nodes', 'mine']`
	for range 2 {
		out, err := mustParse(t, "m.sql", src).Render(context.Background(), ModelGlobals(e, shopFacts(true)), Options{})
		if err != nil || out.Text != want {
			t.Errorf("got %v %v", out, err)
		}
	}
	if after, _ := reprOf(e.graph); after != before {
		t.Errorf("the shared graph has become %s", after)
	}
}

func reprOf(v any) (string, error) {
	return newRender(context.Background(), standardEnv(), nil, Options{}).repr(v)
}
