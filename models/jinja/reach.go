package jinja

import (
	"slices"
	"strings"
)

// reference is a place in a template that may reach a macro of a library: a bare name, package.name, or the literal
// name given to adapter.dispatch.
type reference struct {
	off       int
	pkg, name string
	dispatch  bool
}

// dispatched returns the name in adapter.dispatch('name', …), if it is a literal.
func dispatched(fn *attrExpr, a *callArgs) (string, bool) {
	x, ok := fn.x.(*nameExpr)
	if !ok || x.name != "adapter" || fn.name != "dispatch" {
		return "", false
	}
	args := slices.Clone(a.args)
	for _, k := range a.kwargs {
		if k.name == "macro_name" {
			args = append([]expr{k.val}, args...)
		}
	}
	if len(args) == 0 {
		return "", false
	}
	c, ok := args[0].(*constExpr)
	if !ok {
		return "", false
	}
	name, ok := c.val.(string)
	return name, ok
}

// edge is a macro as seen by the templates of a package, which decides what its bare names mean.
type edge struct {
	m    *macro
	node string
}

// Reached returns the macros that a template of package pkg may call, directly or through others, sorted by package and
// name. They are read from the text: names called in any branch count, and a dispatch by a literal name counts for the
// implementations of all adapters in all packages. A name put together while rendering cannot be seen.
func (l *Library) Reached(t *Template, pkg string) []MacroRef {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[*macro]bool{}
	work := l.direct(t.refs, nil, pkg, "")
	for len(work) > 0 {
		m := work[len(work)-1]
		work = work[:len(work)-1]
		if seen[m] {
			continue
		}
		seen[m] = true
		work = append(work, l.reachedBy(m, pkg)...)
	}
	out := make([]MacroRef, 0, len(seen))
	for m := range seen {
		out = append(out, *m.ref)
	}
	slices.SortFunc(out, func(a, b MacroRef) int {
		if c := strings.Compare(a.Package, b.Package); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// reachedBy returns the macros that the text of m names itself.
func (l *Library) reachedBy(m *macro, node string) []*macro {
	e := edge{m, node}
	out, ok := l.reaches[e]
	if !ok {
		refs := m.t.refs
		lo, _ := slices.BinarySearchFunc(refs, m.node.at(), func(r reference, off int) int { return r.off - off })
		hi, _ := slices.BinarySearchFunc(refs, m.node.end, func(r reference, off int) int { return r.off - off })
		out = l.direct(refs[lo:hi], m.node.params, node, m.pkg)
		if l.reaches == nil {
			l.reaches = map[edge][]*macro{}
		}
		l.reaches[e] = out
	}
	return out
}

// direct resolves references; local are names that mean something else there.
func (l *Library) direct(refs []reference, local []string, node, current string) []*macro {
	var out []*macro
	add := func(m *macro) {
		if m != nil && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	for _, r := range refs {
		switch {
		case r.dispatch:
			for _, p := range l.packages {
				for _, name := range p.order {
					if strings.HasSuffix(name, "__"+r.name) {
						add(p.macros[name])
					}
				}
			}
		case slices.Contains(local, r.name) && r.pkg == "":
		case r.pkg != "":
			add(l.pkg(r.pkg).get(r.name))
		default:
			m, _ := l.resolve(node, current, r.name).(*macro)
			add(m)
		}
	}
	return out
}

// Called returns the macros that a template of package pkg names itself, in the order of the template, without those that a dispatch may
// find.
func (l *Library) Called(t *Template, pkg string) []MacroRef {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.named(t.refs, nil, pkg, "")
}

// CalledBy returns the macros that a macro of the library names itself.
func (l *Library) CalledBy(of MacroRef) []MacroRef {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.pkg(of.Package).get(of.Name)
	if m == nil {
		return nil
	}
	refs := m.t.refs
	lo, _ := slices.BinarySearchFunc(refs, m.node.at(), func(r reference, off int) int { return r.off - off })
	hi, _ := slices.BinarySearchFunc(refs, m.node.end, func(r reference, off int) int { return r.off - off })
	return l.named(refs[lo:hi], m.node.params, of.Package, m.pkg)
}

// TextOf is a macro's source text, with its tags.
func (l *Library) TextOf(of MacroRef) string {
	m := l.pkg(of.Package).get(of.Name)
	if m == nil {
		return ""
	}
	return m.t.src[m.node.at():m.node.end]
}

func (l *Library) named(refs []reference, local []string, node, current string) []MacroRef {
	plain := slices.DeleteFunc(slices.Clone(refs), func(r reference) bool { return r.dispatch })
	var all []MacroRef
	for _, m := range l.direct(plain, local, node, current) {
		all = append(all, *m.ref)
	}
	return all
}
