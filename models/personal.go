package models

import (
	"slices"
	"strings"
)

// This file says which columns of models are personal though nobody tags them. Nothing here reads SQL: a column that a model has under
// the name of a personal one of a table that it reads is taken for that one, unless its properties say pii: false. That masks too much
// at times, and never what keeps its name too little.

// PersonalColumns are the columns that the project tags pii, and those that a model has of such, by lower-case name.
func (n *Node) PersonalColumns() map[string]bool {
	names := map[string]bool{}
	for name := range n.inherited {
		names[name] = true
	}
	for _, c := range n.Columns {
		if n.IsPII(c.Name) {
			names[strings.ToLower(c.Name)] = true
		}
	}
	return names
}

// inherits says whether a model's column has the name of a personal one that it reads, or of what an entity makes of such.
func (n *Node) inherits(column string) bool {
	if len(n.inherited) == 0 || n.Open(column) {
		return false
	}
	own, _, derived := strings.Cut(column, "$")
	return n.inherited[strings.ToLower(column)] || derived && (own == "" || n.inherited[strings.ToLower(own)])
}

// Open says whether the project says that a column is not personal, whatever it is made of.
func (n *Node) Open(column string) bool {
	return slices.ContainsFunc(n.Columns, func(c Column) bool { return c.Open && strings.EqualFold(c.Name, column) })
}

// settle finds the personal columns of a node that is made of others, and of those before.
func (l *loader) settle(n *Node, done map[*Entity]bool) {
	switch {
	case n.Entity != nil:
		l.personal(l.drafts[slices.IndexFunc(l.drafts, func(d *entityDraft) bool { return d.e == n.Entity })], done)
	case n.Model != nil && n.inherited == nil:
		n.inherited = map[string]bool{}
		for _, need := range n.Needs {
			l.settle(need, done)
			n.inherit(need)
		}
	}
}

func (n *Node) inherit(need *Node) {
	names := need.PersonalColumns()
	for _, hash := range []string{"_hash", "record_hash"} {
		names[hash] = names[hash] || need.IsPII(hash)
	}
	for name, personal := range names {
		if personal && !n.Open(name) {
			n.inherited[name] = true
		}
	}
}
