package jinja

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Builtin is the name of the package that holds the macros that come with dbt.
const Builtin = "dbt"

// Package is the macro files of a project or of a package that it uses.
type Package struct {
	Name   string
	Macros []*Template
}

// Library is the macros of a project and its packages: parsed once, shared by many renderings, never changed. The zero value
// has none.
//
// A bare name in a template is looked up as dbt does: among the macros of the package of the template, of the root
// project, of the package Builtin, and then, more than dbt does, of the package of the macro that is running. So a macro
// of the root project takes the place of a built-in one for everybody. The name of a package is an object with its macros
// as attributes.
type Library struct {
	root     string
	packages []*packageMacros
	byName   map[string]*packageMacros

	mu      sync.Mutex
	reaches map[edge][]*macro // what a macro calls itself, filled as asked for
}

// packageMacros is a package of a library; as a value in a template it has its macros as attributes.
type packageMacros struct {
	name   string
	order  []string
	macros map[string]*macro
}

func (p *packageMacros) String() string { return "<package " + p.name + ">" }

func (p *packageMacros) Attr(name string) (any, bool) {
	if m := p.get(name); m != nil {
		return m, true
	}
	return nil, false
}

// get returns a macro; p may be nil.
func (p *packageMacros) get(name string) *macro {
	if p == nil {
		return nil
	}
	return p.macros[name]
}

// Reserved are the names of dbt's context. A macro so named of the root project changes what they mean; one of a package
// does so in the package's own models only, and is called package.name by others. What dbt itself writes as macros, such
// as run_query or is_incremental, is not among them.
func Reserved() []string {
	return []string{"adapter", "api", "builtins", "config", "context", "database", "dbt_metadata_envs", "dbt_version",
		"diff_of_two_dicts", "doc", "env_var", "exceptions", "execute", "flags", "fromjson", "fromyaml", "graph", "invocation_args_dict",
		"invocation_id", "load_agate_table", "load_result", "local_md5", "log", "metric", "model", "modules", "post_hooks", "pre_hooks",
		"print", "project_name", "ref", "render", "return", "run_started_at", "schema", "selected_resources", "set", "set_strict",
		"source", "store_raw_result", "store_result", "submit_python_job", "target", "this", "thread_id", "tojson", "toyaml",
		"try_or_compiler_error", "validation", "var", "write", "zip", "zip_strict"}
}

// values are the parts of dbt's context that no template calls: a macro so named takes nothing's place.
var values = []string{"adapter", "api", "builtins", "context", "database", "dbt_metadata_envs", "dbt_version", "exceptions", "execute",
	"flags", "graph", "invocation_args_dict", "invocation_id", "model", "modules", "post_hooks", "pre_hooks", "project_name",
	"run_started_at", "schema", "selected_resources", "target", "this", "thread_id", "validation"}

// shadowing are the macros of packages that are named as a function of dbt's context, where the root project does not say by a macro of its
// own of that name that it wants them.
func (l *Library) shadowing() (problems []error) {
	for _, p := range l.packages {
		for _, name := range p.order {
			if builtin(p.name) || p.name == l.root || l.byName[l.root].get(name) != nil || slices.Contains(values, name) ||
				!slices.Contains(Reserved(), name) {
				continue
			}
			problems = append(problems, p.macros[name].ref.Position.problem("macro '"+name+"' of package '"+p.name+
				"' has the name of a function of dbt's context, and takes its place in the package's own models",
				"rename it; or, when that is meant, define a macro "+name+" in the project's own macros/, which calls "+p.name+"."+name))
		}
	}
	return problems
}

// NewLibrary indexes the macros at the top level of the templates; other text in a macro file is not run. The first
// package is the root project, one named Builtin holds what comes with dbt, the others are installed packages. Its
// error joins one *Error for each macro that is defined twice in a package, for each macro of a package that has the name of a function of
// dbt's context while the root project has none of that name, and for each package that has the name of a part of that context.
func NewLibrary(packages ...Package) (*Library, error) {
	l := &Library{byName: map[string]*packageMacros{}}
	reserved := map[string]bool{}
	for _, name := range Reserved() {
		reserved[name] = true
	}
	var problems []error
	for i, in := range packages {
		isRoot := i == 0 && in.Name != Builtin
		p := l.byName[in.Name]
		if p == nil {
			p = &packageMacros{name: in.Name, macros: map[string]*macro{}}
			l.byName[in.Name], l.packages = p, append(l.packages, p)
		}
		if isRoot {
			l.root = in.Name
		}
		if !isRoot && reserved[in.Name] {
			e := &Error{Msg: "package '" + in.Name + "' has the name of a part of dbt's context", Hint: "rename the package"}
			if len(in.Macros) > 0 {
				e = in.Macros[0].errorAt(0, e.Msg, e.Hint)
			}
			problems = append(problems, e)
			continue
		}
		for _, t := range in.Macros {
			at := places{t: t}
			for _, m := range t.macros() {
				pos := at.at(m.at())
				if len(problems) >= maxProblems {
					return l, errors.Join(problems...)
				}
				if other := p.macros[m.name]; other != nil {
					problems = append(problems, pos.problem("macro '"+m.name+"' is defined twice in "+in.title()+
						"; the other is at "+other.ref.Position.String(), "rename or remove one of them"))
					continue
				}
				sum := sha256.Sum256([]byte(t.src[m.at():m.end]))
				ref := MacroRef{m.name, in.Name, pos, m.params, fmt.Sprintf("%x", sum[:16])}
				p.macros[m.name] = &macro{node: m, ref: &ref, t: t, pkg: in.Name}
				p.order = append(p.order, m.name)
			}
		}
	}
	problems = append(problems, l.shadowing()...)
	return l, errors.Join(problems[:min(len(problems), maxProblems)]...)
}

// maxProblems bounds how many problems of macros are reported at once.
const maxProblems = 100

// problem makes an error of a place.
func (p Position) problem(msg, hint string) *Error {
	return &Error{File: p.File, Line: p.Line, Col: p.Col, Msg: msg, Hint: hint}
}

func (p Package) title() string {
	if p.Name == "" {
		return "the project"
	}
	return "package '" + p.Name + "'"
}

// builtin tells whether a package is the one of dbt's own macros; dbt keeps those of its adapters in one namespace.
func builtin(name string) bool {
	return name == Builtin || name == "dbt_duckdb" || name == "dbt_snowflake"
}

// pkg returns a package; the packages of adapters are the built-in one.
func (l *Library) pkg(name string) *packageMacros {
	if p := l.byName[name]; p != nil || !builtin(name) {
		return p
	}
	return l.byName[Builtin]
}

// resolve finds a bare name: node is the package of the template that is rendered ("" is the root project), current
// that of the macro that is running. The answer is a *macro, a *packageMacros or nil.
func (l *Library) resolve(node, current, name string) any {
	if node == "" {
		node = l.root
	}
	if !builtin(node) {
		if m := l.byName[node].get(name); m != nil {
			return m
		}
	}
	if node != l.root {
		if m := l.byName[l.root].get(name); m != nil {
			return m
		}
	}
	if p := l.pkg(name); p != nil && name != "" && !(p.name == l.root && slices.Contains(Reserved(), name)) {
		return p
	}
	if m := l.byName[Builtin].get(name); m != nil {
		return m
	}
	if !builtin(current) && current != node && !slices.Contains(Reserved(), name) {
		// not before the built-in ones: public packages have wrappers of the same names
		if m := l.byName[current].get(name); m != nil {
			return m
		}
	}
	return nil
}

// names lists what resolve finds.
func (l *Library) names(node, current string) []string {
	var out []string
	for _, p := range l.packages {
		if p.name == l.root || p.name == node || p.name == current || p.name == Builtin {
			out = append(out, p.order...)
		}
		if p.name != "" {
			out = append(out, p.name)
		}
	}
	return out
}

// MacroRef names a macro of a library.
type MacroRef struct {
	Name, Package string
	Position      Position // of its tag
	Params        []string
	Hash          string // of its source text
}

// Has tells whether Macro finds one.
func (l *Library) Has(name string) bool { return l.lookup(name) != nil }

// Macro finds a macro from outside a template: "package.name", or a bare name among the macros of the root project,
// then the built-in ones, then those of the packages in their order.
func (l *Library) Macro(name string) (MacroRef, bool) {
	if m := l.lookup(name); m != nil {
		return *m.ref, true
	}
	return MacroRef{}, false
}

func (l *Library) lookup(name string) *macro {
	if pkg, bare, ok := strings.Cut(name, "."); ok {
		return l.pkg(pkg).get(bare)
	}
	if m, ok := l.resolve("", "", name).(*macro); ok {
		return m
	}
	for _, p := range l.packages {
		if m := p.get(name); m != nil {
			return m
		}
	}
	return nil
}

// Macros lists the macros of a package in the order of its files.
func (l *Library) Macros(pkg string) []MacroRef {
	p := l.pkg(pkg)
	if p == nil {
		return nil
	}
	out := make([]MacroRef, len(p.order))
	for i, name := range p.order {
		out[i] = *p.macros[name].ref
	}
	return out
}

// Dispatch is dbt's adapter.dispatch: it finds the macro that implements macroName for an adapter, "duckdb__name" before
// "default__name", in each package of the search order of namespace. searchOrder is what the project configures; a
// package without an entry there is searched behind the root project. Without a namespace, or with one that is no
// package, the macro is looked up as a bare name in a template of fromPackage is.
func (l *Library) Dispatch(adapterType, macroName, namespace string, searchOrder map[string][]string, fromPackage string) (any, error) {
	m, err := l.dispatch(adapterType, macroName, namespace, searchOrder, fromPackage, "")
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (l *Library) dispatch(adapterType, macroName, namespace string, searchOrder map[string][]string, node, current string) (*macro, error) {
	if pkg, bare, ok := strings.Cut(macroName, "."); ok {
		return nil, &Error{Msg: "dispatch: '" + macroName + "' is not the name of a macro",
			Hint: "write adapter.dispatch('" + bare + "', macro_namespace='" + pkg + "')"}
	}
	search := searchOrder[namespace]
	if len(search) == 0 && namespace != "" && l.pkg(namespace) != nil {
		search = []string{l.root, namespace}
	}
	var tried []string
	try := func(title string, m *macro) *macro {
		tried = append(tried, "'"+title+"'")
		return m
	}
	prefixes := []string{adapterType, "default"}
	for _, pkg := range search {
		for _, prefix := range prefixes {
			name := prefix + "__" + macroName
			if m := try(pkg+"."+name, l.pkg(pkg).get(name)); m != nil {
				return m, nil
			}
		}
	}
	if len(search) == 0 {
		for _, prefix := range prefixes {
			name := prefix + "__" + macroName
			found, _ := l.resolve(node, current, name).(*macro)
			if m := try(name, found); m != nil {
				return m, nil
			}
		}
	}
	in := ""
	if namespace != "" {
		in = " in '" + namespace + "'"
	}
	return nil, &Error{Msg: "dispatch: no macro implements '" + macroName + "'" + in + "; searched for " + strings.Join(tried, ", ")}
}

// Call calls a macro from Go. pkg is the package it is in; with "" its name is looked up as a template of opts.Package
// does. The value is what the macro gave to return(), else its text; text is what a template that calls it would show.
// Globals are those a template sees; opts.Macros is set to l.
func (l *Library) Call(ctx context.Context, globals map[string]any, opts Options, pkg, name string, args []any, kwargs map[string]any) (
	value any, text string, err error,
) {
	opts.Macros = l
	var m *macro
	if pkg != "" {
		m = l.pkg(pkg).get(name)
	} else {
		m, _ = l.resolve(opts.Package, "", name).(*macro)
	}
	if m == nil {
		return nil, "", &Error{Msg: "there is no macro '" + strings.TrimPrefix(pkg+"."+name, ".") + "'",
			Hint: suggest(name, l.names(opts.Package, pkg))}
	}
	r := newRender(ctx, standardEnv(), globals, opts)
	a := Args{r: r, name: name + "()"}
	for _, v := range args {
		x, err := FromGo(v)
		if err != nil {
			return nil, "", err
		}
		a.Pos = append(a.Pos, x)
	}
	for _, k := range keysOf(kwargs) {
		x, err := FromGo(kwargs[k])
		if err != nil {
			return nil, "", err
		}
		a.Kw = append(a.Kw, KwArg{k, x})
	}
	if value, err = r.callMacro(m, a); err != nil {
		return nil, "", asError(err)
	}
	if _, isGen := value.(*generator); isGen || callable(value) {
		return value, "", nil
	}
	text, err = r.str(value)
	return value, text, err
}

// asError makes an error of a rendering an *Error.
func asError(err error) error {
	if e, ok := err.(*Error); ok {
		return e
	}
	return &Error{Msg: err.Error(), Err: err}
}

// Macros returns the library of the rendering; nil without one.
func (a Args) Macros() *Library { return a.r.opts.Macros }

// Package returns the package of the template that is rendered.
func (a Args) Package() string {
	if a.r.opts.Package == "" && a.r.opts.Macros != nil {
		return a.r.opts.Macros.root
	}
	return a.r.opts.Package
}

// Dispatch is Library.Dispatch as the macro that calls sees it.
func (a Args) Dispatch(adapterType, macroName, namespace string, searchOrder map[string][]string) (any, error) {
	if a.r.opts.Macros == nil {
		return nil, failf("dispatch: there are no macros here")
	}
	current := ""
	if a.f != nil {
		current = a.f.pkg
	}
	m, err := a.r.opts.Macros.dispatch(adapterType, macroName, namespace, searchOrder, a.r.opts.Package, current)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Lookup returns what a bare name means where the call is written; false if it is undefined.
func (a Args) Lookup(name string) (any, bool) {
	f := a.f
	if f == nil {
		f = &frame{}
	}
	v, err := a.r.lookup(f, name)
	if err != nil || IsUndefined(v) {
		return nil, false
	}
	return v, true
}
