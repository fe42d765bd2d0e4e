package pipeline

import (
	"context"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/lineage"
	"github.com/millrace/millrace/warehouse"
)

// entity tells what the columns of an entity's tables are made of: its file says from which columns of its sources each field is read. What
// matching makes itself, such as ids, comes from no column.
func (t *tracing) entity(ctx context.Context, n *models.Node, one *LineageNode) {
	fields := map[string][]LineageInput{}
	for _, f := range n.Entity.Fields {
		fields[strings.ToLower(f.Name)] = t.field(ctx, n.Entity, f)
	}
	for _, s := range n.Entity.Survive.Fields {
		if from, ok := fields[strings.ToLower(s.From)]; ok {
			fields[strings.ToLower(s.Name)] = from
		}
	}
	if len(one.Columns) == 0 && n.Part == models.PartGolden {
		for _, name := range n.Entity.GoldenFields() {
			one.Columns = append(one.Columns, LineageColumn{Name: name})
		}
	}
	for i := range one.Columns {
		own, _, _ := strings.Cut(one.Columns[i].Name, "$") // last_name$phonetic is made of last_name
		one.Columns[i].From = append([]LineageInput{}, fields[strings.ToLower(own)]...)
	}
	if names := t.unread(n.Entity); len(names) > 0 {
		one.Unresolved = append(one.Unresolved, "the columns of "+strings.Join(names, ", ")+" are not known: fields that the entity's file reads by their own names may come from there too")
	}
	matched := map[string]bool{}
	for _, c := range n.Entity.Comparisons {
		for _, name := range c.Fields {
			matched[strings.ToLower(name)] = true
		}
	}
	for _, b := range n.Entity.Blocking {
		for _, k := range b.Keys {
			matched[strings.ToLower(k.Field)] = true
		}
		for _, name := range b.Similar {
			matched[strings.ToLower(name)] = true
		}
	}
	for _, f := range n.Entity.Fields {
		for _, in := range fields[strings.ToLower(f.Name)] {
			if matched[strings.ToLower(f.Name)] && !slices.ContainsFunc(one.Influences, func(i LineageInfluence) bool { return i.Table == in.Table && i.Column == in.Column }) {
				one.Influences = append(one.Influences, LineageInfluence{in.Table, in.Column, []string{ByMatch}})
			}
		}
	}
}

// field is what a field is read from, in each source.
func (t *tracing) field(ctx context.Context, e *models.Entity, f *models.Field) []LineageInput {
	for f.Of != nil { // a part of an address is read from what the address is read from
		f = f.Of
	}
	var inputs []LineageInput
	for _, s := range e.Sources {
		if s.Node == nil {
			continue
		}
		expression, written := s.Columns[f.Name]
		if !written { // it is read from the column of its name, where the source has one
			if t.has(s.Node, f.Name) {
				inputs = append(inputs, LineageInput{s.Node.Name(), f.Name, lineage.Computed})
			}
			continue
		}
		for _, in := range t.expression(ctx, s.Node, expression) {
			inputs = append(inputs, LineageInput{s.Node.Name(), in.Column, lineage.Computed})
		}
	}
	return inputs
}

// has says whether a source is known to have a column.
func (t *tracing) has(n *models.Node, column string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.found[n]
	return one != nil && one.Column(column) != nil
}

// unread are the sources whose columns are not known, of which fields may be read all the same.
func (t *tracing) unread(e *models.Entity) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for _, s := range e.Sources {
		if one := t.found[s.Node]; one == nil || one.Incomplete {
			names = append(names, s.Name)
		}
	}
	return names
}

// expression is what an expression over one table is made of.
func (t *tracing) expression(ctx context.Context, n *models.Node, expression string) []lineage.Input {
	d := t.w.Dialect()
	tree, err := t.w.Tree(ctx, "SELECT "+expression+"\nFROM "+d.Table(warehouse.Name{Schema: n.Schema, Table: n.Table}))
	if err != nil {
		return nil // whoever builds the entity says why
	}
	resolve, _ := t.resolver(n)
	q, err := lineage.Of(tree, resolve, nil)
	if err != nil || len(q.Columns) != 1 {
		return nil
	}
	return q.Columns[0].From
}
