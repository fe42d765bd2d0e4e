package models

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// macros parses the macro files of all packages, and the generic tests that stand beside singular ones. Every template may call them.
func (l *loader) macros() {
	var packages []jinja.Package
	for _, p := range l.packages {
		one := jinja.Package{Name: p.name}
		for _, dir := range p.macroPaths() {
			one.Macros = append(one.Macros, l.templates(dir)...)
		}
		for _, dir := range p.testPaths() {
			one.Macros = append(one.Macros, l.templates(path.Join(dir, "generic"))...)
		}
		packages = append(packages, one)
	}
	library, err := jinja.NewLibrary(append(packages, jinja.BuiltinPackage())...)
	l.p.Macros = library
	for _, e := range each(err) {
		l.templateProblem("macros", e)
	}
}

// each takes a joined error apart.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
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

// nothingIn says whether a file of a dbt project is empty: dbt leaves it out, without a word.
func (l *loader) nothingIn(t *jinja.Template) bool {
	nothing := l.isDBT() && strings.TrimSpace(t.Text()) == ""
	if nothing {
		l.warning(config.Pos{File: t.Name()}, "write its SELECT, or remove it", "the file is empty, and is left out, as dbt does")
	}
	return nothing
}

// templateProblem reports a template's error at its place.
func (l *loader) templateProblem(file string, err error) {
	var je *jinja.Error
	if !errors.As(err, &je) {
		l.problem(config.Pos{File: file}, "", "%v", err)
		return
	}
	line, hint := l.sourceLine(je.File, je.Line), je.Hint
	if m := undefinedName.FindStringSubmatch(je.Msg); hint == "" && m != nil && l.isDBT() && strings.Contains(line, m[1]+".") {
		hint = l.packageHint(m[1])
	}
	l.problems = append(l.problems, &config.Problem{File: je.File, Line: je.Line, Column: je.Col, Length: 1, Message: je.Text(), Hint: hint,
		Source: line, Severity: config.SeverityError})
}

var undefinedName = regexp.MustCompile(`^'(\w+)' is undefined$`)

// packageHint is what to do about a name that is called as a package, and is none.
func (l *loader) packageHint(name string) string {
	install := path.Clean(cmp.Or(l.packages[0].keys.InstallPath, "dbt_packages"))
	for _, file := range packageFiles {
		if !exists(l.Files, file) {
			continue
		}
		text, _ := fs.ReadFile(l.Files, file)
		if strings.Contains(strings.ReplaceAll(string(text), "-", "_"), name) {
			return fmt.Sprintf("%s names it, and it is not in %s/: run dbt deps once, or put the package there", file, install)
		}
	}
	return fmt.Sprintf("if it is a package, it is not installed: name it in packages.yml and run dbt deps once, or put it into %s/%s",
		install, name)
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
			if r.soft {
				continue
			}
			if node := l.lookup(t.node.Model.Package, r); node != nil {
				t.node.reads(node, r)
			} else if r.source != "" {
				t.node.Model.Refs = append(t.node.Model.Refs, Ref{Pos: at(r.pos), Source: r.source, Name: r.name})
			}
		}
	}
	for _, t := range l.p.trials {
		for _, r := range t.refs {
			if r.soft {
				l.maybe(t, r)
			}
		}
		sort.Slice(t.node.Needs, func(i, k int) bool { return t.node.Needs[i].Name() < t.node.Needs[k].Name() })
	}
	l.p.trials = nil
	l.linkEntities()
	l.order()
}

// reads notes that a model's template refers to a node.
func (n *Node) reads(node *Node, r reference) {
	n.Model.Refs = append(n.Model.Refs, Ref{Node: node, Pos: at(r.pos), Source: r.source, Name: r.name})
	if !slices.Contains(n.Needs, node) {
		n.Needs = append(n.Needs, node)
	}
}

// maybe takes a reference in a branch that no rendering has taken: it may be taken when the queries of the template have answers. What it
// refers to is built before, where there is such a thing and it does not read the model itself.
func (l *loader) maybe(t *trial, r reference) {
	node := l.found(t.node.Model.Package, r)
	if node != nil && node != t.node && !slices.Contains(t.node.Needs, node) && !reaches(node, t.node) {
		t.node.reads(node, r)
	}
}

// found is the node that a reference in a package means, or nil.
func (l *loader) found(pkg string, r reference) *Node {
	if r.source != "" {
		return l.p.SourceTable(r.source, r.name)
	}
	return l.p.Lookup(pkg, r.pkg, r.name, r.version)
}

// lookup finds the node that a reference means, or reports that there is none.
func (l *loader) lookup(pkg string, r reference) *Node {
	if n := l.found(pkg, r); n != nil {
		return n
	}
	if r.source == "" {
		l.noModel(r)
	} else {
		l.noSource(r)
	}
	return nil
}

// noModel reports a ref() to nothing.
func (l *loader) noModel(r reference) {
	if pos, off := l.disabled[r.name]; off {
		l.unknown(r, fmt.Sprintf("ref(%q): the model is disabled", r.name), r.name, nil, fmt.Sprintf("it says enabled=false, or a file of the project says so of it, or it is empty: %s", pos.File))
		return
	}
	if l.problems.HasErrors() && l.hasModelFile(r.name) { // it is there, and what is wrong with it is told
		return
	}
	var known []string
	for name := range l.p.byModel {
		known = append(known, name)
	}
	what := "model or seed"
	if l.path != nil {
		what = "table"
	}
	if r.pkg != "" && l.packageOf(r.pkg) == nil && r.pkg != l.p.Name {
		var packages []string
		for _, p := range l.packages {
			packages = append(packages, p.name)
		}
		l.unknown(r, fmt.Sprintf("ref(%q, %q): no package is named %q", r.pkg, r.name, r.pkg), r.pkg, packages, "")
		return
	}
	if r.version != "" && l.p.byModel[r.name] != nil {
		l.unknown(r, fmt.Sprintf("ref(%q, v=%s): the model has no such version", r.name, r.version), r.name, nil, "its versions stand in its properties, below versions:")
		return
	}
	l.unknown(r, fmt.Sprintf("ref(%q): no %s is named so", r.name, what), r.name, known, l.streamHint(r.name))
}

// hasModelFile says whether a package has a file for a model of that name.
func (l *loader) hasModelFile(name string) bool {
	return slices.ContainsFunc(l.packages, func(p *dbtPackage) bool { return l.fileOf[fileKeyOf("model", p, name)] && l.versionOf(p, name) == nil })
}

// noSource reports a source() of nothing.
func (l *loader) noSource(r reference) {
	if l.absentSource(r) {
		return
	}
	s := l.p.Source(r.source)
	if s == nil {
		var known []string
		for _, s := range l.p.Sources {
			known = append(known, s.Name)
		}
		l.unknown(r, fmt.Sprintf("source(%q, …): no source is named so", r.source), r.source, known, "")
		return
	}
	var known []string
	for _, n := range l.p.Nodes {
		if n.Stream != nil && n.Stream.Source.Name == r.source {
			known = append(known, n.Table)
		}
	}
	l.unknown(r, fmt.Sprintf("source(%q, %q): the source has no such stream", r.source, r.name), r.name, known, "")
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
