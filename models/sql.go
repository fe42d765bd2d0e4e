package models

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// models parses models/**/*.sql into nodes; what they refer to is linked later, when all nodes are known.
func (l *loader) models() {
	for _, t := range l.templates("models") {
		l.model(t.Name(), t)
	}
}

// macros parses macros/**/*.sql, whose macros every model may call.
func (l *loader) macros() {
	macros, err := jinja.NewLibrary(jinja.Package{Name: l.file.Name, Macros: l.templates("macros")})
	l.p.Macros = macros
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			l.templateProblem("macros", e)
		}
	}
}

// templates parses the .sql files below a folder; a template is named by its file.
func (l *loader) templates(dir string) []*jinja.Template {
	var all []*jinja.Template
	for _, file := range l.glob(dir, ".sql") {
		src, err := l.read(file)
		if err != nil {
			l.problem(config.Pos{File: file}, "", "%v", err)
			continue
		}
		t, err := jinja.Parse(file, string(src))
		if err != nil {
			l.templateProblem(file, err)
			continue
		}
		all = append(all, t)
	}
	return all
}

// templateProblem reports a template's error at its place.
func (l *loader) templateProblem(file string, err error) {
	var je *jinja.Error
	if !errors.As(err, &je) {
		l.problem(config.Pos{File: file}, "", "%v", err)
		return
	}
	l.problems = append(l.problems, &config.Problem{File: je.File, Line: je.Line, Column: je.Col, Length: 1, Message: je.Msg, Hint: je.Hint,
		Source: l.sourceLine(je.File, je.Line), Severity: config.SeverityError})
}

// sourceLine is a line of a project file, for showing under a message.
func (l *loader) sourceLine(file string, line int) string {
	data, err := l.read(file)
	if err != nil {
		return ""
	}
	l.hash = l.hash[:len(l.hash)-1] // read once already
	lines := strings.Split(string(data), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	return strings.TrimSuffix(lines[line-1], "\r")
}

// at is a place of a template as a place of the project.
func at(p jinja.Position) config.Pos { return config.Pos{File: p.File, Line: p.Line, Column: p.Col} }

func (l *loader) model(file string, t *jinja.Template) {
	name := strings.TrimSuffix(path.Base(file), ".sql")
	m := &Model{Name: name, Path: file, Template: t, Materialized: View, Config: map[string]any{}, OnSchemaChange: SchemaChangeAppend}
	n := &Node{Schema: l.defaultSchema(), Table: name, Kind: KindModel, Model: m, Path: file, Pos: config.Pos{File: file, Line: 1, Column: 1}}
	if l.p.byModel == nil {
		l.p.byModel = map[string]*Node{}
	}
	if other := l.p.byModel[name]; other != nil {
		l.problem(n.Pos, "ref() finds models by file name: rename one of the files", "two models are named %q; the other is %s", name, other.Path)
		return
	}
	seen, err := l.trial(n, false)
	if err != nil {
		l.templateProblem(file, err)
		return
	}
	if again, err := l.trial(n, true); err == nil { // what only an incremental run refers to
		seen.refs, seen.vars = append(seen.refs, again.refs...), append(seen.vars, again.vars...)
	}
	slices.Sort(seen.vars)
	m.Vars = slices.Compact(seen.vars)
	if !l.configure(n, seen.config) || !boolOf(m.Config["enabled"], true) {
		return
	}
	l.p.byModel[name] = n
	l.p.trials = append(l.p.trials, seen)
	l.addNode(n)
}

func (l *loader) defaultSchema() string {
	if l.p.Target == nil {
		return "main"
	}
	return l.p.Target.Schema
}

func boolOf(v any, absent bool) bool {
	if b, ok := v.(bool); ok {
		return b
	}
	return absent
}

// modelConfig are the keys that config() understands.
var modelConfig = []string{"materialized", "unique_key", "incremental_strategy", "schema", "alias", "tags", "owner", "description", "enabled", "on_schema_change", "meta"}

// configure fills the node from what config() said.
func (l *loader) configure(n *Node, said []setting) bool {
	ok := true
	bad := func(s setting, hint, format string, args ...any) {
		l.problem(s.pos, hint, format, args...)
		ok = false
	}
	m := n.Model
	for _, s := range said {
		m.Config[s.key] = s.value
		text, isText := s.value.(string)
		switch s.key {
		case "materialized":
			m.Materialized = Materialization(text)
			switch m.Materialized {
			case View, Table, Incremental, Ephemeral:
			default:
				bad(s, "use view, table, incremental or ephemeral", "materialized=%q is not known", fmt.Sprint(s.value))
			}
		case "unique_key":
			if m.UniqueKey = texts(s.value); len(m.UniqueKey) == 0 {
				bad(s, "write unique_key='id' or unique_key=['a', 'b']", "unique_key must name columns")
			}
		case "incremental_strategy":
			m.Strategy = Strategy(text)
			switch m.Strategy {
			case StrategyAppend, StrategyMerge, StrategyDeleteInsert:
			default:
				bad(s, "use append, merge or delete+insert", "incremental_strategy=%q is not known", fmt.Sprint(s.value))
			}
		case "schema":
			n.Schema = text
		case "alias":
			n.Table = text
		case "owner":
			n.Owner = text
		case "description":
			n.Description = text
		case "tags":
			n.Tags = texts(s.value)
		case "on_schema_change":
			if text != "append_new_columns" {
				bad(s, "append_new_columns is what this version does", "on_schema_change=%q is not supported", fmt.Sprint(s.value))
			}
		case "enabled", "meta":
		case "contract":
			bad(s, "write contract: { enforced: true } in a properties file, where the columns and their types are", "a contract does not stand in config()")
		default:
			hint := "known keys: " + strings.Join(modelConfig, ", ")
			if guess := config.Suggest(s.key, modelConfig); guess != "" {
				hint = fmt.Sprintf("did you mean %q?", guess)
			}
			bad(s, hint, "config() has no key %q", s.key)
		}
		if needsText := s.key == "schema" || s.key == "alias"; needsText && (!isText || text == "") {
			bad(s, "", "%s must be a text", s.key)
		}
	}
	return ok && l.consistent(n)
}

// consistent checks the settings of an incremental model against each other.
func (l *loader) consistent(n *Node) bool {
	m := n.Model
	if m.Materialized != Incremental {
		if m.Strategy != "" || len(m.UniqueKey) > 0 {
			l.warning(n.Pos, "", "%s: unique_key and incremental_strategy have no effect with materialized=%q", n.Name(), m.Materialized)
		}
		return true
	}
	if m.Strategy == "" {
		m.Strategy = StrategyAppend
		if len(m.UniqueKey) > 0 {
			m.Strategy = StrategyMerge
		}
	}
	if m.Strategy != StrategyAppend && len(m.UniqueKey) == 0 {
		l.problem(n.Pos, "add unique_key to config()", "%s: incremental_strategy=%q needs a unique_key", n.Name(), m.Strategy)
		return false
	}
	return true
}

// texts reads one text or a list of them.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// link resolves every ref() and source() and puts the nodes into dependency order.
func (l *loader) link() {
	for _, t := range l.p.trials {
		for _, r := range t.refs {
			node := l.lookup(r)
			if node == nil {
				continue
			}
			t.node.Model.Refs = append(t.node.Model.Refs, Ref{Node: node, Pos: at(r.pos)})
			if !slices.Contains(t.node.Needs, node) {
				t.node.Needs = append(t.node.Needs, node)
			}
		}
		sort.Slice(t.node.Needs, func(i, k int) bool { return t.node.Needs[i].Name() < t.node.Needs[k].Name() })
	}
	l.p.trials = nil
	l.linkEntities()
	l.order()
}

// lookup finds the node that a reference means, or reports that there is none.
func (l *loader) lookup(r reference) *Node {
	if r.source == "" {
		if n := l.p.byModel[r.name]; n != nil {
			return n
		}
		var known []string
		for name := range l.p.byModel {
			known = append(known, name)
		}
		what := "model"
		if l.path != nil {
			what = "table"
		}
		l.unknown(r, fmt.Sprintf("ref(%q): no %s is named so", r.name, what), r.name, known, l.streamHint(r.name))
		return nil
	}
	s := l.p.Source(r.source)
	if s == nil {
		var known []string
		for _, s := range l.p.Sources {
			known = append(known, s.Name)
		}
		l.unknown(r, fmt.Sprintf("source(%q, …): no source is named so", r.source), r.source, known, "")
		return nil
	}
	if n := l.p.Stream(r.source, r.name); n != nil {
		return n
	}
	var known []string
	for _, n := range l.p.Nodes {
		if n.Stream != nil && n.Stream.Source == s {
			known = append(known, n.Table)
		}
	}
	l.unknown(r, fmt.Sprintf("source(%q, %q): the source has no such stream", r.source, r.name), r.name, known, "")
	return nil
}

// streamHint helps those who ref() a stream.
func (l *loader) streamHint(name string) string {
	for _, n := range l.p.Nodes {
		if n.Stream != nil && n.Table == name {
			return fmt.Sprintf("it is a stream: write source('%s', '%s')", n.Schema, n.Table)
		}
	}
	return ""
}

func (l *loader) unknown(r reference, message, word string, known []string, hint string) {
	sort.Strings(known)
	if guess := config.Suggest(word, known); hint == "" && guess != "" {
		hint = fmt.Sprintf("did you mean %q?", guess)
	}
	if hint == "" && len(known) > 0 {
		hint = "known: " + strings.Join(known, ", ")
	}
	l.problems = append(l.problems, &config.Problem{File: r.pos.File, Line: r.pos.Line, Column: r.pos.Col, Length: 1, Message: message, Hint: hint,
		Source: l.sourceLine(r.pos.File, r.pos.Line), Severity: config.SeverityError})
}

// order sorts the nodes so that each stands behind what it needs, and reports the circles.
func (l *loader) order() {
	sort.Slice(l.p.Nodes, func(i, k int) bool { return l.p.Nodes[i].Name() < l.p.Nodes[k].Name() })
	const unseen, open, closed = 0, 1, 2
	state := map[*Node]int{}
	var sorted, path []*Node
	var visit func(*Node)
	visit = func(n *Node) {
		state[n] = open
		path = append(path, n)
		for _, need := range n.Needs {
			switch state[need] {
			case unseen:
				visit(need)
			case open:
				l.circle(path, need)
			}
		}
		path = path[:len(path)-1]
		state[n] = closed
		sorted = append(sorted, n)
	}
	for _, n := range l.p.Nodes {
		if state[n] == unseen {
			visit(n)
		}
	}
	l.p.Nodes = sorted
}

// circle reports refs that lead back to where they started, at the ref that closes the circle.
func (l *loader) circle(path []*Node, back *Node) {
	last := path[len(path)-1]
	path = path[slices.Index(path, back):]
	var names []string
	for _, n := range path {
		names = append(names, n.Table)
	}
	if e, pos := selfReference(path); e != nil {
		l.problem(pos, "read the tables that its records come from; what is made of golden records is built behind them", "entity %s refers to itself: %s → %s", e.Name, strings.Join(names, " → "), back.Table)
		return
	}
	pos := last.Pos
	for _, r := range last.Model.Refs {
		if r.Node == back {
			pos = r.Pos
		}
	}
	l.problem(pos, "a model cannot read what is built from it; an incremental model reads itself as {{ this }}", "cyclic refs: %s → %s", strings.Join(names, " → "), back.Table)
}
