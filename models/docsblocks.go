package models

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// readDocs reads the docs blocks of Markdown files, which descriptions refer to as {{ doc('name') }}.
func (l *loader) readDocs() {
	for _, p := range l.packages {
		read := map[string]bool{} // folders may lie in each other
		for _, dir := range p.docsPaths() {
			for _, file := range l.glob(dir, ".md") {
				if read[file] {
					continue
				}
				read[file] = true
				src, err := l.read(file)
				if err != nil {
					l.problem(config.Pos{File: file}, "", "%v", err)
					continue
				}
				blocks, err := jinja.Docs(file, string(src))
				if err != nil {
					l.templateProblem(file, err)
				}
				for _, b := range blocks {
					l.docsBlock(p, b)
				}
			}
		}
	}
}

// docsBlock keeps a block; of two of one name nobody knows which is meant.
func (l *loader) docsBlock(p *dbtPackage, b jinja.Doc) {
	key := p.label() + ":" + b.Name
	if other, twice := l.docs[key]; twice {
		l.problem(at(b.Position), "give one of them another name", "two docs blocks are named %q; the other is at %s", b.Name, at(other.Position))
		return
	}
	l.docs[key] = b
}

// inside takes the package's own folder off paths.
func (p *dbtPackage) inside(paths []string) []string {
	var all []string
	for _, one := range paths {
		all = append(all, strings.TrimPrefix(one, path.Clean(p.dir)+"/"))
	}
	return all
}

// described renders a description, which may refer to docs blocks.
func (l *loader) described(p *dbtPackage, text string, pos config.Pos) string {
	if !strings.Contains(text, "{{") || p == nil || !l.isDBT() && len(l.docs) == 0 {
		return text
	}
	t, err := jinja.Parse(pos.File, text)
	if err != nil {
		return text // braces in prose
	}
	doc := jinja.Func(func(a jinja.Args) (any, error) {
		var names []string
		for _, v := range a.Pos {
			names = append(names, fmt.Sprint(v))
		}
		if len(names) == 0 || len(names) > 2 {
			return nil, &jinja.Error{Msg: "doc() takes the name of a docs block, or its package and name"}
		}
		name := names[len(names)-1]
		labels := []string{p.label(), ""}
		if len(names) == 2 {
			labels = []string{names[0]}
			if names[0] == l.p.root {
				labels = []string{""}
			}
		}
		for _, label := range labels {
			if b, ok := l.docs[label+":"+name]; ok {
				return b.Text, nil
			}
		}
		return nil, &jinja.Error{Msg: fmt.Sprintf("doc(%q): there is no such docs block", name), Hint: "write {% docs " + name + " %} … {% enddocs %} in a .md file beside the models"}
	})
	probe := &trial{node: &Node{Path: pos.File, Pos: pos, Model: &Model{Package: p.label()}}, project: l.p}
	globals := map[string]any{"doc": doc, "var": jinja.Func(func(a jinja.Args) (any, error) {
		if len(a.Pos) == 0 {
			return nil, &jinja.Error{Msg: "var() takes a name"}
		}
		v, ok := probe.Var(fmt.Sprint(a.Pos[0]))
		if !ok && len(a.Pos) > 1 {
			return a.Pos[1], nil
		}
		return v, nil
	}), "target": l.p.TargetFacts()}
	out, err := t.Render(l.Context, globals, jinja.Options{})
	if err != nil {
		l.templateProblem(pos.File, moved(err, pos))
		return text
	}
	return out.Text
}

// moved puts an error of a template that stands in YAML at its place there.
func moved(err error, pos config.Pos) error {
	var je *jinja.Error
	if !errors.As(err, &je) {
		return err
	}
	copied := *je
	copied.File, copied.Line, copied.Col = pos.File, pos.Line, pos.Column
	return &copied
}
