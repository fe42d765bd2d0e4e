package models

import (
	"fmt"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// variables are those of one dbt_project.yml: of everybody, and of packages by name.
type variables struct {
	all    map[string]any
	scoped map[string]map[string]any
}

// Var gives a variable as a template of a package sees it: --var wins, then what the project says for that package, what it says for all,
// and what the package says itself. A list or dict is the caller's own.
func (p *Project) Var(pkg, name string) (any, bool) {
	if v, ok := p.given[name]; ok {
		return jinja.Copy(v), true
	}
	label := pkg
	if label == "" {
		label = p.root
	}
	if v, ok := p.rootVars.scoped[label][name]; ok {
		return jinja.Copy(v), true
	}
	if v, ok := p.Vars[name]; ok {
		return jinja.Copy(v), true
	}
	own := p.packageVars[pkg]
	if v, ok := own.scoped[pkg][name]; ok {
		return jinja.Copy(v), true
	}
	v, ok := own.all[name]
	return jinja.Copy(v), ok
}

// GivenVars are those of --var, as templates see them.
func (p *Project) GivenVars() map[string]any {
	if p.given == nil {
		return map[string]any{}
	}
	return p.given
}

// packageVars reads vars: of a dbt_project.yml. They are no templates.
func (l *loader) packageVars(p *dbtPackage, vars config.Node) {
	v := variables{all: map[string]any{}, scoped: map[string]map[string]any{}}
	for name, value := range vars.All() {
		v.all[name] = templateValue(value)
		if value.IsMapping() {
			v.scoped[name] = map[string]any{}
			for inner, value := range value.All() {
				v.scoped[name][inner] = templateValue(value)
			}
		}
	}
	if !p.isRoot() {
		l.p.packageVars[p.name] = v
		return
	}
	l.p.root, l.p.rootVars = p.name, v
	for name, value := range v.all {
		if _, own := l.p.Vars[name]; !own { // those of millrace.yml win
			l.p.Vars[name] = value
		}
	}
}

// templateValue gives a YAML value as templates have it: dicts keep their order.
func templateValue(n config.Node) any {
	switch {
	case n.IsMapping():
		d := jinja.NewDict()
		for key, value := range n.All() {
			_ = d.Set(key, templateValue(value)) // a text is a key
		}
		return d
	case n.IsList():
		list := jinja.NewList()
		for _, item := range n.Items() {
			list.Items = append(list.Items, templateValue(item))
		}
		return list
	}
	var v any
	if n.Decode(&v).HasErrors() {
		return n.Text()
	}
	return v
}

// givenVars reads --var. In a project of dbt a value is YAML, as in dbt's --vars, and variables need not be declared.
func (l *loader) givenVars() {
	l.p.given, l.p.CommandVars = map[string]any{}, l.Vars
	for name, value := range l.Vars {
		l.p.given[name] = value
		if !l.isDBT() {
			continue
		}
		if f, problems := config.Parse("--var", []byte("v: "+value)); !problems.HasErrors() {
			f.Read11()
			l.p.given[name] = templateValue(f.Root(nil).Get("v"))
		}
	}
}

// unknownVars refuses --var of what nobody has declared.
func (l *loader) unknownVars(file string) {
	for name := range l.Vars {
		if _, known := l.p.Vars[name]; !known && !l.isDBT() {
			l.problems = append(l.problems, &config.Problem{File: "--var", Message: fmt.Sprintf("unknown variable %q", name),
				Hint: "declare it under vars: in " + file, Severity: config.SeverityError})
		}
	}
}
