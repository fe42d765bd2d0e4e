package transform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/models/portable"
	"github.com/millrace/millrace/warehouse"
)

// Hooks of dbt's projects often keep a table of their own: of runs, of audits. No model makes it, so nothing publishes it, and such a statement
// cannot run here. What the project makes is the same without it: so it is left out and told, and the project is built. One that changes a
// table of the project is refused, since rows would be others.

// object is what a statement changes, makes or takes away: a table, or a schema, which has no table.
type object struct {
	database string
	warehouse.Name
}

// objectOf is the target of a statement, by the words that it begins with.
func objectOf(words []string) (name object, ok bool) {
	if len(words) == 0 {
		return name, false
	}
	rest := words[1:]
	skip := func(any ...string) bool {
		if len(rest) > 0 && slices.Contains(any, rest[0]) {
			rest = rest[1:]
			return true
		}
		return false
	}
	schema := false
	switch words[0] {
	case "insert":
		if skip("or") && !skip("replace", "ignore") || !skip("into") {
			return name, false
		}
	case "merge":
		if !skip("into") {
			return name, false
		}
	case "delete":
		if !skip("from") {
			return name, false
		}
	case "truncate":
		skip("table")
	case "update":
	case "create", "drop", "alter":
		if skip("or") && !skip("replace") {
			return name, false
		}
		if schema = words[0] == "drop" && skip("schema"); !schema && !skip("table", "view") {
			return name, false
		}
		if skip("if") {
			skip("not")
			if !skip("exists") {
				return name, false
			}
		}
	default:
		return name, false
	}
	if len(rest) == 0 {
		return name, false
	}
	if schema {
		name.Schema = rest[0]
		return name, true
	}
	parts := []string{rest[0]}
	for len(rest) > 2 && rest[1] == "." {
		rest = rest[2:]
		parts = append(parts, rest[0])
	}
	name.Table = parts[len(parts)-1]
	if len(parts) > 1 {
		name.Schema = parts[len(parts)-2]
	}
	if len(parts) > 2 {
		name.database = parts[0]
	}
	return name, true
}

// foreign says whether a statement of a node's hook, or of a run's, changes nothing but a table that the project neither makes nor reads. What
// hooks make for themselves, the model's SELECT may read.
func (b *Builder) foreign(of *models.Node, words []string) bool {
	name, ok := objectOf(words)
	switch {
	case !ok || !b.Project.DBT || name.database == "temp" || name.Schema == "temp" || b.isTemporary(name.Table):
		return false
	case name.Table == "":
		return !slices.ContainsFunc(b.Project.Nodes, func(n *models.Node) bool { return strings.EqualFold(n.Schema, name.Schema) })
	}
	return !b.Project.HasTable(name.Table) && !strings.EqualFold(of.Table, name.Table)
}

// leaveOut notes that a statement of a hook is not run.
func (b *Builder) leaveOut(h models.Hook, words []string) {
	name, _ := objectOf(words)
	of := strings.Trim(name.Schema+"."+name.Table, ".")
	what := act(words) + " " + of
	e := &Error{Pos: h.Pos.String(), What: what, Err: fmt.Errorf("the hook's %s is left out: no model makes %s, and nothing reads it", what, of),
		Hint: "make the table a model, with materialized='incremental' if rows are to be kept", LeftOut: true}
	b = b.noting()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.ContainsFunc(b.left, func(other *Error) bool { return other.Pos == e.Pos && other.Error() == e.Error() }) {
		b.left = append(b.left, e)
	}
}

// noting is the builder that notes what is seen of hooks: one that looks for another has that one note it.
func (b *Builder) noting() *Builder {
	if b.of != nil {
		return b.of
	}
	return b
}

func (b *Builder) noteTemporary(name string) {
	b = b.noting()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.temp = append(b.temp, strings.ToLower(name))
}

func (b *Builder) isTemporary(name string) bool {
	b = b.noting()
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.temp, strings.ToLower(name))
}

// LeftOut are the statements of hooks that were not run, or will not be, because they change what the project neither makes nor reads.
func (b *Builder) LeftOut() []*Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.left)
}

// leavesOut answers a query of a hook's template that changes such tables, and nothing else, as if it had been done.
func (s *session) leavesOut(sql string) (*jinja.Table, bool, error) {
	if s.in == nil {
		return nil, false, nil
	}
	all := portable.Statements(sql)
	if len(all) == 0 || slices.ContainsFunc(all, func(one portable.Statement) bool { return !s.foreign(s.job.Node, one.Words) }) {
		return nil, false, nil
	}
	for _, one := range all {
		s.leaveOut(*s.in, one.Words)
	}
	t, err := jinja.NewTable(nil, nil)
	return t, true, err
}
