package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file checks what dbt's configuration says of groups and of who may refer to a model. Neither changes a table, and both select.

// accesses are what access: may say.
var accesses = []string{"private", "protected", "public"}

// keepGroups notes the groups that a properties file defines.
func (l *loader) keepGroups(p *dbtPackage, groups []groupProperties) {
	for _, g := range groups {
		l.groups[p] = append(l.groups[p], g.Name)
	}
}

// validAccess checks what was said last of a node's group and, of a model, of its access.
func (l *loader) validAccess(p *dbtPackage, said []setting, isModel bool) {
	if !l.isDBT() || p == nil {
		return
	}
	for _, s := range slices.Backward(said) {
		if s.key == "group" {
			l.validGroup(p, s)
			break
		}
	}
	for _, s := range slices.Backward(said) {
		if s.key != "access" {
			continue
		}
		if text := fmt.Sprint(s.value); isModel && s.value != nil && !slices.Contains(accesses, text) {
			l.problem(s.pos, suggested(text, accesses, "known"), "access: %s: use %s", text, strings.Join(accesses, ", "))
		}
		break
	}
}

func (l *loader) validGroup(p *dbtPackage, s setting) {
	known := l.groups[p]
	if s.value == nil || slices.ContainsFunc(known, isTemplate) {
		return
	}
	name := fmt.Sprint(s.value)
	switch {
	case slices.Contains(known, name):
	case len(known) == 0:
		l.problem(s.pos, "define it in a properties file: groups: [{name: "+name+", owner: {…}}]", "no group is named %q: there is none", name)
	default:
		l.problem(s.pos, suggested(name, known, "known"), "no group is named %q", name)
	}
}

// privateRefs refuses the refs of nodes to private models of another group than their own.
func (l *loader) privateRefs() {
	for _, n := range l.p.Nodes {
		if !l.isDBT() || n.Model == nil {
			continue
		}
		for _, r := range n.Model.Refs {
			if r.Source == "" {
				l.privateRef(r.Node, settingOf(n, "group"), n.RefName(), r.Pos)
			}
		}
	}
}

// privateRef refuses the ref of what is in a group, or in none, to a private model of another.
func (l *loader) privateRef(of *Node, groups []string, by string, pos config.Pos) {
	if of.Model == nil || of.Model.Materialized == Snapshot || !slices.Contains(accessOf(of), "private") {
		return
	}
	if group := settingOf(of, "group"); len(group) > 0 && !slices.Equal(group, groups) {
		l.problem(pos, fmt.Sprintf("set group: %s for %s as well, or access: protected for %s", group[0], by, of.RefName()),
			"%s is private to the group %s, and %s is not in it", of.RefName(), group[0], by)
	}
}

// privateTestRef refuses the ref of a test: one of a properties file is in the group of its model, a file in what it says itself.
func (l *loader) privateTestRef(w *written, of *Node, said []setting, pos config.Pos) {
	if !l.isDBT() || of == w.Node {
		return
	}
	var groups []string
	if w.Node != nil {
		groups = settingOf(w.Node, "group")
	}
	for _, s := range said {
		if s.key == "group" {
			groups = nil
			if s.value != nil {
				groups = []string{fmt.Sprint(s.value)}
			}
		}
	}
	l.privateRef(of, groups, "test "+w.Name, pos)
}
