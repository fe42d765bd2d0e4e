package models

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/fileread"
	"github.com/millrace/millrace/models/jinja"
)

// trial renders a model without an engine behind it, to learn what it refers to and how it is configured. It
// implements jinja.Engine.
type trial struct {
	jinja.NoDatabase
	node    *Node
	project *Project
	places  map[string]jinja.Position // of the keys of config(), where they are written plainly
	refs    []reference
	own     int       // how many of refs are the template's own, and no hook's
	before  []setting // what the project's files say
	config  []setting // what config() said
	asked   []string  // variables and environment variables that were read, as parts of a Definition

	suspects []*jinja.Output // renderings that may read files by themselves
}

// reference is a ref() or source() that a template makes; source is "" for a ref.
type reference struct {
	source, name, pkg, version string
	pos                        jinja.Position
	soft                       bool // it stands in a branch that no rendering has taken
}

func (r reference) same(other reference) bool {
	return r.source == other.source && r.name == other.name && r.pkg == other.pkg && r.version == other.version
}

// trial renders the node's template once. What stands in a branch that this rendering does not take is found too,
// when it is written plainly: ref('orders').
func (l *loader) trial(n *Node, incremental bool, before []setting) (*trial, error) {
	t := &trial{node: n, project: l.p, places: map[string]jinja.Position{}, before: before}
	t.written(n.Model.Template)
	out, err := t.render(incremental)
	t.suspect(out)
	return t, err
}

// written takes the references of a template that are written plainly, and where config() has its keys.
func (t *trial) written(template *jinja.Template) {
	for _, call := range template.Calls() {
		args, plain := call.Strings()
		switch {
		case call.Name == "config":
			for _, a := range call.Args {
				t.places[a.Name] = a.Position
			}
		case call.Name == "ref" && plain && len(args) > 0:
			r := reference{name: args[len(args)-1], pos: call.Position, soft: true, version: versionArg(call)}
			if len(args) == 2 {
				r.pkg = args[0]
			}
			t.refs = append(t.refs, r)
		case call.Name == "source" && plain && len(args) == 2:
			t.refs = append(t.refs, reference{source: args[0], name: args[1], pos: call.Position, soft: true})
		}
	}
}

// hooks renders the hooks of a configured model, in a run that makes its table anew and in one that adds to it. What they refer to the
// model refers to, as in dbt. A hook that cannot be rendered is told where hooks are looked at: it may be one that the model never comes
// to.
func (t *trial) hooks() {
	t.own = len(t.refs)
	for _, h := range slices.Concat(t.node.Model.Before, t.node.Model.Behind) {
		one := &trial{node: t.node, project: t.project, places: map[string]jinja.Position{}, before: slices.Concat(t.before, t.config)}
		one.written(h.Template)
		for _, incremental := range []bool{false, true} {
			_, _ = h.Template.Render(context.Background(), one.globals(incremental), one.options())
		}
		for _, r := range one.refs {
			r.pos = jinja.Position{File: h.Pos.File, Line: h.Pos.Line, Col: h.Pos.Column} // a hook's text is no file's
			t.refs = append(t.refs, r)
		}
		t.asked = append(t.asked, one.asked...)
	}
}

// suspect keeps a rendering that may read files by itself.
func (t *trial) suspect(out *jinja.Output) {
	if out != nil && fileread.Suspected(out.Text) {
		t.suspects = append(t.suspects, out)
	}
}

// versionArg is what a ref() says as v= or version=.
func versionArg(call jinja.Call) string {
	for _, a := range call.Args {
		if (a.Name == "v" || a.Name == "version") && a.Literal {
			return fmt.Sprint(a.Value)
		}
	}
	return ""
}

// render renders the template; it may not run, for it reads tables of invented names.
func (t *trial) render(incremental bool) (*jinja.Output, error) {
	return t.node.Model.Template.Render(context.Background(), t.globals(incremental), t.options())
}

func (t *trial) globals(incremental bool) map[string]any {
	this := jinja.Relation{Schema: t.node.Schema, Name: t.node.Table, Kind: "table", SQL: "this"}
	this.Database, this.HideDatabase = t.project.Database, true
	f := t.project.ContextFacts()
	f.This, f.Incremental = this, incremental
	return jinja.ModelGlobals(t, f)
}

func (t *trial) options() jinja.Options {
	return jinja.Options{Macros: t.project.Macros, Package: t.project.PackageName(t.node.Model.Package)}
}

// PackageName is the name of the package of a label: "" is the project's own.
func (p *Project) PackageName(label string) string {
	if label == "" {
		return p.root
	}
	return label
}

// ContextFacts are what the project says of dbt's context; who renders adds what is known of the node and of the run.
func (p *Project) ContextFacts() jinja.Facts {
	return jinja.Facts{Target: p.TargetFacts(), Project: p.root, Packages: p.versions, Database: p.Database, HideDatabase: true,
		Dispatch: p.Dispatch, RunStarted: p.read, Environment: p.env != nil}
}

// TargetFacts are what a template sees as target.
func (p *Project) TargetFacts() map[string]any {
	if p.Target == nil {
		return map[string]any{}
	}
	facts := map[string]any{"name": p.Target.Name, "target_name": p.Target.Name, "type": "duckdb", "schema": p.Target.Schema,
		"profile_name": p.Name, "threads": 1}
	maps.Copy(facts, p.output)
	if p.Database != "" {
		facts["database"] = p.Database
	}
	return facts
}

// seen keeps a reference that the rendering has made: at its place where it is written plainly, else at the model's beginning.
func (t *trial) seen(r reference) {
	for i, other := range t.refs {
		if other.same(r) {
			t.refs[i].soft = false
			return
		}
	}
	r.pos = jinja.Position{File: t.node.Path, Line: 1, Col: 1}
	t.refs = append(t.refs, r)
}

// Ref implements jinja.Engine.
func (t *trial) Ref(pkg, name, version string) (jinja.Relation, error) {
	t.seen(reference{name: name, pkg: pkg, version: version})
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
		t.config = append(t.config, saidInCode(name, jinja.Copy(value), at(p), at(p)))
	}
	return nil
}

// Config implements jinja.Engine. dbt gives an empty text to all who ask while it reads a project.
func (t *trial) Config(name string) (any, bool) {
	if t.project.DBT {
		return "", true
	}
	for _, said := range [][]setting{t.config, t.before} {
		for _, s := range slices.Backward(said) {
			if s.key == name {
				return jinja.Copy(s.said), true
			}
		}
	}
	return nil, false
}

// Var implements jinja.Engine.
func (t *trial) Var(name string) (any, bool) {
	t.asked = append(t.asked, PartVar+name)
	return t.project.Var(t.node.Model.Package, name)
}

// EnvVar implements jinja.Engine.
func (t *trial) EnvVar(name string) (string, bool) {
	t.asked = append(t.asked, PartEnv+name)
	return t.project.EnvVar(name)
}

// Doc implements jinja.Engine: only descriptions have docs blocks put in.
func (t *trial) Doc(_, name string) (string, error) {
	return "", &jinja.Error{Msg: fmt.Sprintf("doc(%q) stands in a description of a properties file, not in a model", name)}
}

// Graph implements jinja.Engine: of a project that is being read it is empty, as in dbt.
func (t *trial) Graph() (any, error) { return (&Project{}).makeGraph(), nil }

// Model implements jinja.Engine.
func (t *trial) Model() (any, error) {
	facts := t.project.ModelFacts(t.node)
	for _, s := range slices.Concat(t.before, t.config) {
		if s.key == "incremental_strategy" && s.value == string(StrategyMicrobatch) { // any batch will do
			start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
			return facts, facts.Set("batch", Batch{start, start.AddDate(0, 0, 1)}.Facts("day"))
		}
	}
	return facts, nil
}

// Warn implements jinja.Engine.
func (t *trial) Warn(jinja.Position, string) {}

// Log implements jinja.Engine.
func (t *trial) Log(jinja.Position, string) {}
