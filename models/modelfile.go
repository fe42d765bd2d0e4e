package models

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file makes nodes of models and snapshots: what configures them, from the outside in, and what they are called.

// findFiles notes the files of models and seeds, by their packages.
func (l *loader) findFiles() {
	for _, p := range l.packages {
		for _, dir := range p.modelPaths() {
			for _, file := range append(l.glob(dir, ".sql"), l.glob(dir, ".py")...) {
				l.fileOf[fileKeyOf("model", p, stem(file))] = true
			}
		}
		for _, dir := range p.seedPaths() {
			for _, file := range l.glob(dir, ".csv") {
				l.fileOf[fileKeyOf("seed", p, stem(file))] = true
			}
		}
	}
}

func fileKeyOf(kind string, p *dbtPackage, name string) string {
	return kind + " " + p.label() + ":" + name
}

// models parses the models and snapshots of all packages into nodes; what they refer to is linked later, when all nodes are known.
func (l *loader) models() {
	for _, p := range l.packages {
		folders := p.modelPaths()
		for _, dir := range folders {
			for _, t := range l.templates(dir) {
				l.model(p, folders, t)
			}
			for _, file := range l.glob(dir, ".py") {
				l.python(p, folders, file)
			}
		}
		l.snapshots(p)
	}
}

// model makes the node of a model's file.
func (l *loader) model(p *dbtPackage, folders []string, t *jinja.Template) {
	file := t.Name()
	name := stem(file)
	if l.nothingIn(t) {
		l.disabled[name] = config.Pos{File: file}
		return
	}
	m := &Model{Name: name, Package: p.label(), Path: file, Template: t}
	patch := l.patchOf(p, "model", name)
	if v := l.versionOf(p, name); v != nil {
		m.Name, m.Version, patch = v.of.Name, v.version, v.of
	}
	n := l.newModel(m, file)
	l.define(p, n, modelTree, nil, patch, p.fqn(folders, file, name))
}

// The trees of dbt_project.yml.
func modelTree(k *dbtKeys) config.Node    { return k.Models }
func sourceTree(k *dbtKeys) config.Node   { return k.Sources }
func seedTree(k *dbtKeys) config.Node     { return k.Seeds }
func snapshotTree(k *dbtKeys) config.Node { return k.Snapshots }

func (l *loader) newModel(m *Model, file string) *Node {
	m.Materialized, m.Config = View, jinja.NewDict()
	if m.OnSchemaChange = SchemaChangeAppend; l.isDBT() {
		m.OnSchemaChange = SchemaChangeIgnore
	}
	return &Node{Schema: l.defaultSchema(), Table: m.Name, Kind: KindModel, Model: m, Path: file, Pos: config.Pos{File: file, Line: 1, Column: 1}}
}

// define configures a model: by its package's dbt_project.yml, by its properties, by what its own config() says, and, of a package's model,
// by the project's dbt_project.yml. What comes later wins.
func (l *loader) define(p *dbtPackage, n *Node, tree func(*dbtKeys) config.Node, said []setting, patch *tableProperties, fqn []string) {
	m := n.Model
	filed, last := l.fromFiles(p, tree, fqn, patch)
	said = append(said, filed...)
	if patch != nil {
		said = append(said, l.versionSettings(n, patch)...)
		for key, value := range map[string]config.Node{"group": patch.Group, "access": patch.Access} {
			if value.Text() != "" {
				said = append(said, saidInCode(key, value.Text(), value.Pos(), value.Pos()))
			}
		}
	}
	if n.fqn = fqn; m.Version != "" {
		n.fqn = append(slices.Clone(fqn[:len(fqn)-1]), m.Name, "v"+m.Version)
	}
	before := slices.Concat(said, last)
	seen, err := l.trial(n, false, before)
	said = slices.Concat(said, seen.config, last)
	var unsupported *jinja.Error
	switch {
	case err != nil && !l.enabled(n, said): // it may well refer to what is not there
		return
	case err != nil && (!l.isDBT() || !errors.As(err, &unsupported) || !unsupported.Unsupported):
		l.templateProblem(n.Path, err)
		return
	case err != nil: // dbt runs it: a run fails it, and builds the rest
		l.unbuildable(n, config.Pos{File: unsupported.File, Line: unsupported.Line, Column: unsupported.Col}, unsupported.Msg, unsupported.Hint)
	case !l.enabled(n, said):
		return
	}
	if again, err := l.trial(n, true, before); err == nil { // what only an incremental run refers to
		seen.refs, seen.asked, seen.suspects = append(seen.refs, again.refs...), append(seen.asked, again.asked...),
			append(seen.suspects, again.suspects...)
	}
	if !l.configure(n, said) {
		return
	}
	l.nameNode(p, n, said)
	if m.Materialized == Snapshot && m.Slowly == nil {
		l.problem(n.Pos, "write it as a {% snapshot %} block, or as YAML below snapshots:", "%s: materialized='snapshot' is said by what it is", n.Name())
		return
	}
	seen.hooks()
	slices.Sort(seen.asked)
	m.Asked = slices.Compact(seen.asked)
	if l.addModel(p, n) {
		l.p.trials = append(l.p.trials, seen)
	}
}

// versionSettings are what the properties configure of the node's version alone.
func (l *loader) versionSettings(n *Node, patch *tableProperties) []setting {
	var said []setting
	for _, v := range patch.Versions {
		if n.Model.Version == "" || v.V.Text() != n.Model.Version {
			continue
		}
		for key, value := range v.Config.All() {
			said = append(said, l.settingOf(v.Config, key, value))
		}
	}
	return said
}

// enabled says whether a model is part of the project. One that is not is remembered, for those that refer to it.
func (l *loader) enabled(n *Node, said []setting) bool {
	on := l.isEnabled(said)
	if !on {
		l.disabled[n.RefName()] = n.Pos
	}
	return on
}

// isEnabled is the last word on enabled, which must be true or false.
func (l *loader) isEnabled(said []setting) bool {
	on := true
	for _, s := range said {
		if s.key != "enabled" || s.value == nil {
			continue
		}
		var isBool bool
		if on, isBool = s.value.(bool); !isBool {
			l.problem(s.pos, "write true or false, without quotes", "enabled must be true or false, not %v", s.value)
			return false
		}
	}
	return on
}

// addModel lets ref() find a node, and adds it to the project.
func (l *loader) addModel(p *dbtPackage, n *Node) bool {
	name, version := "", ""
	if n.Seed != nil {
		name = n.Seed.Name
	} else {
		name, version = n.Model.Name, n.Model.Version
	}
	key := modelKey{p.label(), name, version}
	if other := l.p.byRef[key]; other != nil {
		l.problem(n.Pos, "ref() finds models by file name: rename one of the files", "two models are named %q; the other is %s", name, other.Path)
		return false
	}
	l.p.byRef[key] = n
	if other := l.p.byModel[name]; other == nil || p.isRoot() {
		l.p.byModel[name] = n
	}
	before := len(l.p.Nodes)
	l.addNode(n)
	return len(l.p.Nodes) > before
}

// python makes the node of a Python model: it is part of the graph, and cannot be built.
func (l *loader) python(p *dbtPackage, folders []string, file string) {
	m := &Model{Name: stem(file), Package: p.label(), Path: file}
	n := l.newModel(m, file)
	n.fqn = p.fqn(folders, file, m.Name)
	said, last := l.fromFiles(p, modelTree, n.fqn, l.patchOf(p, "model", m.Name))
	said = append(said, last...)
	if !l.enabled(n, said) {
		return
	}
	t, err := jinja.Parse(file, "")
	if err != nil || !l.configure(n, said) {
		return
	}
	m.Template = t
	m.Materialized = Table
	l.nameNode(p, n, said)
	l.unbuildable(n, n.Pos, "Python models are not run", "write it as SQL, or make its table by a source")
	l.addModel(p, n)
}

// unbuildable says that a model is of a kind that this version cannot build: lint names it, and a run fails it and what reads it.
func (l *loader) unbuildable(n *Node, pos config.Pos, why, hint string) {
	n.Model.Unbuildable, n.Model.UnbuildableHint, n.Model.UnbuildableAt = why, hint, pos
	l.warning(pos, hint, "%s cannot be built: %s", n.Model.Name, why)
}

// snapshots makes nodes of the blocks of snapshot files, and of snapshots that are written as YAML.
func (l *loader) snapshots(p *dbtPackage) {
	folders := p.snapshotPaths()
	for _, dir := range folders {
		for _, t := range l.templates(dir) {
			for _, block := range t.Snapshots() {
				m := &Model{Name: block.Name, Package: p.label(), Path: t.Name(), Template: block.Template}
				l.snapshot(p, m, at(block.Position), l.patchOf(p, "snapshot", block.Name), p.fqn(folders, t.Name(), block.Name))
			}
		}
	}
	for _, patch := range l.patches {
		if patch.kind != "snapshot" || patch.pkg != p || patch.Relation == "" {
			continue
		}
		body, err := jinja.Parse(patch.Pos().File, "select * from {{ "+patch.Relation+" }}")
		if err != nil {
			l.problem(patch.At("relation"), "write relation: ref('model'), or relation: source('source', 'table')", "relation: %v", err)
			continue
		}
		m := &Model{Name: patch.Name, Package: p.label(), Path: patch.Pos().File, Template: body}
		before := len(l.p.trials)
		l.snapshot(p, m, patch.Origin.At("name"), patch, p.fqn(slices.Concat(folders, p.modelPaths()), patch.Pos().File, patch.Name))
		at := patch.At("relation") // the template is no text of the file
		for _, t := range l.p.trials[before:] {
			for i := range t.own {
				t.refs[i].pos = jinja.Position{File: at.File, Line: at.Line, Col: at.Column}
			}
		}
	}
}

func (l *loader) snapshot(p *dbtPackage, m *Model, pos config.Pos, patch *tableProperties, fqn []string) {
	n := l.newModel(m, m.Path)
	n.Pos, m.Slowly = pos, &Slowly{HardDeletes: "ignore"}
	said := []setting{saidInCode("materialized", string(Snapshot), pos, pos)}
	l.define(p, n, snapshotTree, said, patch, fqn)
}

// nameNode gives a node its schema and table, as dbt does or, in a project of Millrace's own, as it is written.
func (l *loader) nameNode(p *dbtPackage, n *Node, said []setting) {
	var schema, alias any
	exact := ""
	for _, s := range said {
		switch s.key {
		case "schema":
			schema = s.value
		case "alias":
			alias = s.value
		case "target_schema":
			exact, _ = s.value.(string)
		}
	}
	n.Schema, n.Table = l.defaultSchema(), n.RefName()
	if n.Model != nil && n.Model.Version != "" {
		n.Table += "_v" + strings.ReplaceAll(n.Model.Version, ".", "_")
	}
	if text, ok := schema.(string); ok && text != "" {
		if n.Schema = text; l.isDBT() {
			n.Schema = l.defaultSchema() + "_" + strings.TrimSpace(text)
		}
	}
	if text, ok := alias.(string); ok && text != "" {
		n.Table = text
	}
	if text, ok := l.naming(p, n, "generate_schema_name", schema); ok {
		n.Schema = text
	}
	if text, ok := l.naming(p, n, "generate_alias_name", alias); ok {
		n.Table = text
	}
	if exact != "" {
		n.Schema = exact
	}
}

// naming asks the project's own macro for a name. dbt's own need not be asked: what they do stands in nameNode.
func (l *loader) naming(p *dbtPackage, n *Node, macro string, given any) (string, bool) {
	if l.p.Target == nil { // which is told, and what the macro reads of it is not there
		return "", false
	}
	ref, known := l.p.Macros.Macro(p.name + "." + macro)
	if p.isRoot() || !known {
		ref, known = l.p.Macros.Macro(macro)
	}
	if !known || ref.Package != l.packages[0].name && ref.Package != p.name { // packages do not name what is not theirs
		return "", false
	}
	probe := &trial{node: n, project: l.p}
	if n.Model == nil {
		probe.node = &Node{Schema: n.Schema, Table: n.Table, Path: n.Path, Pos: n.Pos, Model: &Model{Package: p.label(), Config: jinja.NewDict()}}
	}
	value, err := jinja.FromGo(given)
	if err != nil {
		l.problem(n.Pos, "", "%v", err)
		return "", false
	}
	_, text, err := l.p.Macros.Call(l.Context, probe.globals(false), jinja.Options{Macros: l.p.Macros, Package: p.name}, ref.Package, macro,
		[]any{value, l.p.Facts(n)}, nil)
	if err != nil {
		l.templateProblem(n.Path, err)
		return "", false
	}
	if text = strings.TrimSpace(text); text == "" {
		l.problem(n.Pos, fmt.Sprintf("look at the macro at %s", ref.Position), "%s gives no name for %s", macro, n.RefName())
		return "", false
	}
	return text, true
}

// RefName is the name by which ref() finds the node: a model's file, a seed's, or an entity's table.
func (n *Node) RefName() string {
	switch {
	case n.Model != nil && n.Model.Name != "":
		return n.Model.Name
	case n.Seed != nil:
		return n.Seed.Name
	}
	return n.Table
}
