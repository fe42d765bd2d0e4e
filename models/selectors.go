package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// SelectorsFile is where a project of dbt gives names to selections.
const SelectorsFile = "selectors.yml"

// Selector is a selection with a name: selector:name means what it means.
type Selector struct {
	Name    string
	Default bool // it is what is selected where nothing else is said
	Pos     config.Pos
	means   *selection
}

// selection is a definition in selectors.yml: exactly one of text, union, intersection and named is set.
type selection struct {
	text                string // a selector, as a command takes it
	named               *Selector
	union, intersection []*selection
	exclude             []*selection
	pos                 config.Pos
}

// Selector returns the selector of that name, or nil.
func (p *Project) Selector(name string) *Selector {
	for _, s := range p.Selectors {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// DefaultSelector is the selector that holds where nothing is selected, or nil.
func (p *Project) DefaultSelector() *Selector {
	for _, s := range p.Selectors {
		if s.Default {
			return s
		}
	}
	return nil
}

// selectors reads selectors.yml. A selector may name those above it.
func (l *loader) selectors() {
	if !l.isDBT() || !exists(l.Files, SelectorsFile) {
		return
	}
	f := l.parse11(SelectorsFile)
	if f == nil {
		return
	}
	l.renderYAML(f, "", func(at []string) bool { return slices.Contains(at, "definition") })
	list := f.Root(nil).Get("selectors")
	if !list.IsList() {
		l.problem(f.Root(nil).Pos(), "write selectors: with a list below it", "%s has no list of selectors", SelectorsFile)
		return
	}
	for _, item := range list.Items() {
		s := &Selector{Name: item.Get("name").Text(), Default: strings.EqualFold(item.Get("default").Text(), "true"), Pos: item.Pos()}
		switch other := l.p.Selector(s.Name); {
		case s.Name == "":
			l.problem(item.Pos(), "write name: and definition:", "a selector has no name")
			continue
		case other != nil:
			l.problem(item.Pos(), "rename one of them", "two selectors are named %q; the other is at %s", s.Name, other.Pos)
			continue
		case s.Default && l.p.DefaultSelector() != nil:
			l.problem(item.Get("default").Pos(), "let one of them be it", "two selectors are the default; the other is %q",
				l.p.DefaultSelector().Name)
		}
		if s.means = l.selection(item.Get("definition"), item.Pos()); s.means != nil {
			l.p.Selectors = append(l.p.Selectors, s)
		}
	}
}

// selection reads a definition: a text, a union or an intersection of others, or a method with its value. It is nil after a problem.
func (l *loader) selection(def config.Node, at config.Pos) *selection {
	s := &selection{pos: at}
	if !def.IsZero() {
		s.pos = def.Pos()
	}
	switch {
	case def.IsScalar() && def.Text() != "":
		s.text = def.Text()
		return s
	case !def.Get("union").IsZero():
		return l.sets(s, &s.union, def, "union")
	case !def.Get("intersection").IsZero():
		return l.sets(s, &s.intersection, def, "intersection")
	case def.IsMapping():
		return l.criterion(s, def)
	}
	l.problem(s.pos, "write a selector, as tag:nightly, or union:, intersection:, or method: and value:", "a selector means nothing")
	return nil
}

// sets reads a union or an intersection, of whose members one may say what is left out.
func (l *loader) sets(s *selection, into *[]*selection, def config.Node, key string) *selection {
	for other := range def.All() {
		if other != key {
			l.problem(def.Get(other).Pos(), "write it as a member of "+key+":", "%s: stands beside %s:", other, key)
			return nil
		}
	}
	for _, item := range def.Get(key).Items() {
		left, only := item.Get("exclude"), true
		for other := range item.All() {
			only = only && other == "exclude"
		}
		if !left.IsZero() && only {
			if s.exclude != nil {
				l.problem(left.Pos(), "put all of it into one", "exclude: stands twice in one %s", key)
				return nil
			}
			if s.exclude = l.selections(left); s.exclude == nil {
				return nil
			}
			continue
		}
		one := l.selection(item, item.Pos())
		if one == nil {
			return nil
		}
		*into = append(*into, one)
	}
	if len(*into) == 0 {
		l.problem(s.pos, "write a list below it", "%s: has no members", key)
		return nil
	}
	return s
}

func (l *loader) selections(list config.Node) (all []*selection) {
	if !list.IsList() || len(list.Items()) == 0 {
		l.problem(list.Pos(), "write a list below it", "exclude: is a list of selectors")
		return nil
	}
	for _, item := range list.Items() {
		one := l.selection(item, item.Pos())
		if one == nil {
			return nil
		}
		all = append(all, one)
	}
	return all
}

// criterionKeys are those beside method: and value:.
var criterionKeys = []string{"method", "value", "children", "children_depth", "parents", "parents_depth", "childrens_parents", "exclude",
	"indirect_selection", "greedy"}

// criterion reads a method with its value, in the short form or in the long one, as the text of a selector.
func (l *loader) criterion(s *selection, def config.Node) *selection {
	method, value := def.Get("method").Text(), def.Get("value")
	count := 0
	for key, only := range def.All() {
		if count++; !slices.Contains(criterionKeys, key) {
			method, value = key, only
		}
	}
	if method == "" || !value.IsScalar() || def.Get("method").IsZero() && count > 1 {
		l.problem(s.pos, "write tag: nightly, or method: and value: with "+strings.Join(criterionKeys[2:8], ", "),
			"a selector has one method and one value")
		return nil
	}
	if method == "selector" {
		if s.named = l.p.Selector(value.Text()); s.named == nil {
			l.problem(value.Pos(), "define it above", "there is no selector %q above this one", value.Text())
			return nil
		}
		return s
	}
	s.text = method + ":" + value.Text()
	on := func(key string) bool { return strings.EqualFold(def.Get(key).Text(), "true") }
	switch {
	case on("childrens_parents"):
		s.text = "@" + s.text
	case on("parents"):
		s.text = def.Get("parents_depth").Text() + "+" + s.text
	}
	if on("children") {
		s.text += "+" + def.Get("children_depth").Text()
	}
	if left := def.Get("exclude"); !left.IsZero() {
		if s.exclude = l.selections(left); s.exclude == nil {
			return nil
		}
	}
	return s
}

// checkSelectors warns of selectors that mean nothing, or what is not there. Those that go by what is published show it in a command.
func (l *loader) checkSelectors() {
	for _, s := range l.p.Selectors {
		if l.p.NeedsStanding("selector:" + s.Name) {
			continue
		}
		if _, err := l.p.meaning(s.means); err != nil {
			l.warning(s.Pos, "", "selector %q of %s: %v", s.Name, SelectorsFile, err)
		}
	}
}

// meaning are the nodes of a definition.
func (p *Project) meaning(s *selection) (map[*Node]bool, error) {
	set, err := p.included(s)
	if err != nil {
		return nil, err
	}
	for _, left := range s.exclude {
		out, err := p.meaning(left)
		if err != nil {
			return nil, err
		}
		for n := range out {
			delete(set, n)
		}
	}
	return set, nil
}

func (p *Project) included(s *selection) (map[*Node]bool, error) {
	switch {
	case s.named != nil:
		return p.meaning(s.named.means)
	case s.text != "":
		return p.selectOne(s.text)
	}
	var set map[*Node]bool
	for _, part := range append(slices.Clone(s.union), s.intersection...) {
		more, err := p.meaning(part)
		switch {
		case err != nil:
			return nil, err
		case set == nil:
			set = more
		case len(s.union) > 0:
			for n := range more {
				set[n] = true
			}
		default:
			for n := range set {
				if !more[n] {
					delete(set, n)
				}
			}
		}
	}
	return set, nil
}

// texts are the selectors that a definition is made of.
func (s *selection) texts() []string {
	all := []string{s.text}
	if s.named != nil {
		all = append(all, s.named.means.texts()...)
	}
	for _, part := range slices.Concat(s.union, s.intersection, s.exclude) {
		all = append(all, part.texts()...)
	}
	return all
}

// bySelector are the nodes of selector:name.
func (p *Project) bySelector(term, name string) (map[*Node]bool, error) {
	s := p.Selector(name)
	if s != nil {
		return p.meaning(s.means)
	}
	var names []string
	for _, s := range p.Selectors {
		names = append(names, s.Name)
	}
	hint := "there are " + strings.Join(names, ", ")
	if len(names) == 0 {
		hint = "selectors have names in " + SelectorsFile + ", and there are none"
	} else if guess := config.Suggest(name, names); guess != "" {
		hint = fmt.Sprintf("did you mean %q?", guess)
	}
	return nil, fmt.Errorf("selector %q: there is no selector %q: %s", term, name, hint)
}
