package jinja

import (
	"context"
	"maps"
	"slices"
)

// ContextNames are macros of dbt that the context has as functions.
func ContextNames() []string {
	var names []string
	for name := range contextCalls {
		if !slices.Contains(Reserved(), name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Overriding is the library with other values for what some macros give, by name or package.name; node is the package of the template that
// will be rendered. Names that are no macros stay in globals: functions of the context that give the value, or parts of it that are the value.
func (l *Library) Overriding(node string, values map[string]any) (over *Library, globals map[string]any) {
	over, globals = &Library{root: l.root, byName: maps.Clone(l.byName), packages: slices.Clone(l.packages)}, map[string]any{}
	for _, name := range keysOf(values) {
		m := l.lookup(name)
		if own, ok := l.resolve(node, "", name).(*macro); ok {
			m = own
		}
		if m != nil {
			over.replace(m, values[name])
			continue
		}
		value := values[name]
		globals[name] = value
		if !slices.Contains(Reserved(), name) {
			globals[name] = Func(func(Args) (any, error) { return value, nil })
		}
	}
	return over, globals
}

// replace puts a macro that gives a value in the place of one.
func (l *Library) replace(m *macro, value any) {
	old := l.byName[m.pkg]
	p := &packageMacros{name: old.name, order: old.order, macros: maps.Clone(old.macros)}
	fixed := *m
	fixed.fixed = &value
	p.macros[m.node.name] = &fixed
	l.byName[m.pkg] = p
	l.packages[slices.Index(l.packages, old)] = p
}

// Text is a value as Python's str() writes it: what dbt makes names of.
func Text(v any) string {
	v, err := FromGo(v)
	if err != nil {
		return ""
	}
	text, err := newRender(context.Background(), standardEnv(), nil, Options{}).str(v)
	if err != nil {
		return ""
	}
	return text
}

// Quoted is a text as Python's repr() writes it.
func Quoted(text string) string { return quote(text) }
