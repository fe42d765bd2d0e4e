package models

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// trial renders a model without an engine behind it, to learn what it refers to and how it is configured. It
// implements jinja.Engine.
type trial struct {
	node    *Node
	project *Project
	places  map[string]jinja.Position // of the keys of config(), where they are written plainly
	refs    []reference
	config  []setting
	vars    []string // that were read
}

// reference is a ref() or source() that a template makes; source is "" for a ref.
type reference struct {
	source, name string
	pos          jinja.Position
}

// setting is one key of config().
type setting struct {
	key   string
	value any
	pos   config.Pos
}

// trial renders the node's template once. What stands in a branch that this rendering does not take is found too,
// when it is written plainly: ref('orders').
func (l *loader) trial(n *Node, incremental bool) (*trial, error) {
	t := &trial{node: n, project: l.p, places: map[string]jinja.Position{}}
	for _, call := range n.Model.Template.Calls() {
		args, plain := call.Strings()
		switch {
		case call.Name == "config":
			for _, a := range call.Args {
				t.places[a.Name] = a.Position
			}
		case call.Name == "ref" && plain && len(args) > 0:
			t.refs = append(t.refs, reference{name: args[len(args)-1], pos: call.Position})
		case call.Name == "source" && plain && len(args) == 2:
			t.refs = append(t.refs, reference{source: args[0], name: args[1], pos: call.Position})
		}
	}
	_, err := t.render(incremental)
	return t, err
}

// render renders the template; it may not run, for it reads tables of invented names.
func (t *trial) render(incremental bool) (*jinja.Output, error) {
	this := jinja.Relation{Schema: t.node.Schema, Name: t.node.Table, Kind: "table", SQL: "this"}
	globals := jinja.ModelGlobals(t, jinja.Facts{This: this, Incremental: incremental, Target: t.project.TargetFacts()})
	return t.node.Model.Template.Render(context.Background(), globals, jinja.Options{Macros: t.project.Macros})
}

// TargetFacts are what a template sees as target.
func (p *Project) TargetFacts() map[string]any {
	if p.Target == nil {
		return map[string]any{}
	}
	return map[string]any{"name": p.Target.Name, "type": "duckdb", "schema": p.Target.Schema, "profile_name": p.Name}
}

// seen keeps a reference that is not written plainly, at the model's beginning.
func (t *trial) seen(r reference) {
	for _, other := range t.refs {
		if other.source == r.source && other.name == r.name {
			return
		}
	}
	r.pos = jinja.Position{File: t.node.Path, Line: 1, Col: 1}
	t.refs = append(t.refs, r)
}

// Ref implements jinja.Engine.
func (t *trial) Ref(pkg, name string) (jinja.Relation, error) {
	if pkg != "" && pkg != t.project.Name {
		return jinja.Relation{}, &jinja.Error{Msg: fmt.Sprintf("ref(%q, %q): packages are not supported", pkg, name), Hint: "write ref('" + name + "')"}
	}
	t.seen(reference{name: name})
	return jinja.Relation{Schema: t.node.Schema, Name: name, Kind: "table", SQL: "ref"}, nil
}

// Source implements jinja.Engine.
func (t *trial) Source(source, table string) (jinja.Relation, error) {
	t.seen(reference{source: source, name: table})
	return jinja.Relation{Schema: source, Name: table, Kind: "table", SQL: "source"}, nil
}

// SetConfig implements jinja.Engine.
func (t *trial) SetConfig(values *jinja.Dict) error {
	for key, value := range values.All() {
		name := fmt.Sprint(key)
		p, known := t.places[name]
		if !known {
			p = jinja.Position{File: t.node.Path, Line: 1, Col: 1}
		}
		t.config = append(t.config, setting{name, jinja.ToGo(value), at(p)})
	}
	return nil
}

// Config implements jinja.Engine.
func (t *trial) Config(name string) (any, bool) {
	for _, s := range t.config {
		if s.key == name {
			return s.value, true
		}
	}
	return nil, false
}

// Var implements jinja.Engine.
func (t *trial) Var(name string) (any, bool) {
	t.vars = append(t.vars, name)
	v, ok := t.project.Vars[name]
	return v, ok
}

// EnvVar implements jinja.Engine: the environment of a machine is not part of the project, a model may not see it.
func (t *trial) EnvVar(string) (string, bool) { return "", false }

// Warn implements jinja.Engine.
func (t *trial) Warn(jinja.Position, string) {}
