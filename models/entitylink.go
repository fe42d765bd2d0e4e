package models

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file makes the nodes of entities and resolves what they refer to.

// partDocs are what the tables of an entity hold.
var partDocs = map[string]string{
	PartGolden:   "Golden records: one for each %s.",
	PartXref:     "Which record of which source belongs to which golden record of %s, now and before.",
	PartEdges:    "Pairs of records of %s that match, may match, or were kept apart, with what speaks for each.",
	PartReview:   "What a steward of %s is asked to decide.",
	PartMergeLog: "Golden ids of %s that were minted, merged, split and retired.",
	PartQuality:  "Figures of the quality of %s, by run.",
	PartRecords:  "The records of %s as they are compared: standardized, with their source and key.",
}

// Entity returns the entity of that name, or nil.
func (p *Project) Entity(name string) *Entity {
	for _, e := range p.Entities {
		if strings.EqualFold(e.Name, name) {
			return e
		}
	}
	return nil
}

// entityNodes makes the nodes of an entity's tables, which ref() finds by their names.
func (l *loader) entityNodes(d *entityDraft) {
	e := d.e
	if l.p.byModel == nil {
		l.p.byModel = map[string]*Node{}
	}
	for _, part := range EntityParts {
		n := &Node{Schema: e.Schema, Table: e.Table(part), Kind: KindEntity, Entity: e, Part: part, Owner: e.Owner, Tags: slices.Clone(e.Tags),
			Description: fmt.Sprintf(partDocs[part], e.Name), Path: e.Path, Pos: e.Pos}
		if part == PartGolden {
			if e.Description != "" {
				n.Description = e.Description
			}
			e.Node = n
		} else {
			n.Needs = []*Node{e.Node}
		}
		if other := l.p.byModel[n.Table]; other != nil {
			l.problem(e.Pos, "rename the model, or the entity", "ref('%s') means the model %s too", n.Table, other.Path)
			continue
		}
		l.addNode(n)
		l.p.byModel[n.Table] = n
	}
	l.describe(e.Node, tableProperties{Checks: d.file.Checks, Columns: d.file.Columns})
}

// linkEntities finds the tables that entities read, and which of their columns are personal. It is called when all nodes are known and
// models know what they read.
func (l *loader) linkEntities() {
	for _, d := range l.drafts {
		for _, t := range d.tables {
			if n := l.entityTable(t); n != nil {
				t.set(n)
				d.need(n)
			}
		}
		if o := d.file.Overrides; o.Table != "" {
			if n := l.entityTable(pendingTable{text: o.Table, what: "overrides", pos: o.pos}); n != nil {
				d.e.Overrides, d.e.OverridesAt = n, o.pos
				d.need(n)
			}
		}
		sort.Slice(d.e.Node.Needs, func(i, k int) bool { return d.e.Node.Needs[i].Name() < d.e.Node.Needs[k].Name() })
	}
	done := map[*Entity]bool{}
	for _, d := range l.drafts {
		l.personal(d, done)
	}
	for _, n := range l.p.Nodes {
		l.settle(n, done)
	}
}

func (d *entityDraft) need(n *Node) {
	if !slices.Contains(d.e.Node.Needs, n) {
		d.e.Node.Needs = append(d.e.Node.Needs, n)
	}
}

// entityTable is the node that a name means: of a model, of a table, or source.table.
func (l *loader) entityTable(t pendingTable) *Node {
	if l.resolve == nil && strings.Contains(t.text, "${") {
		return nil // lint does not know what it stands for
	}
	source, name, _ := relation(t.text)
	found := l.tablesNamed(source, name)
	switch {
	case len(found) == 0:
		l.unknownTable(t.pos, t.what, t.text, name)
		return nil
	case len(found) > 1:
		l.problem(t.pos, "write "+found[0].Name(), "%s: %s may be %s or %s", t.what, t.text, found[0].Name(), found[1].Name())
		return nil
	case found[0].Model != nil && found[0].Model.Materialized == Ephemeral:
		l.problem(t.pos, "materialize it as a view or a table", "%s: %s is ephemeral: it has no table to read", t.what, found[0].Name())
		return nil
	}
	return found[0]
}

// personal gives the nodes of an entity the columns that the project says something of, and tags those with personal values. It
// comes behind the models, and the other entities, that the entity reads.
func (l *loader) personal(d *entityDraft, done map[*Entity]bool) {
	if done[d.e] {
		return
	}
	done[d.e] = true
	for _, s := range d.e.Sources {
		if s.Node != nil {
			l.settle(s.Node, done)
		}
	}
	golden := d.e.Node
	for _, f := range d.e.Fields {
		said := d.said(f.Name)
		f.PII = said != nil && *said || said == nil && d.readsPersonal(f) || golden.IsPII(f.Name)
	}
	for _, f := range d.e.Fields { // parts are personal when the whole is
		if f.Of != nil && d.said(f.Name) == nil {
			f.PII = f.PII || f.Of.PII
		}
		d.column(golden, f.Name, f.Doc, f.PII)
	}
	for _, s := range d.e.Survive.Fields {
		pii := false
		for _, name := range append(wordsOf(s.Custom), s.From) {
			f := d.e.Field(name)
			pii = pii || f != nil && f.PII
		}
		if said := d.said(s.Name); said != nil {
			pii = *said
		}
		d.column(golden, s.Name, "", pii)
	}
	for name, in := range d.file.Describe.All() {
		d.column(golden, name, in.Meaning, in.PII != nil && *in.PII)
		d.tagged(golden, name, in)
	}
	d.personalKeys()
	d.personalParts()
}

// said is what describe: says of whether a field is personal, nil for nothing.
func (d *entityDraft) said(name string) *bool {
	for key, in := range d.file.Describe.All() {
		if strings.EqualFold(key, name) {
			return in.PII
		}
	}
	return nil
}

// readsPersonal says whether any source reads the field from a column with personal values.
func (d *entityDraft) readsPersonal(f *Field) bool {
	return slices.ContainsFunc(d.e.Sources, func(s *EntitySource) bool {
		return s.isPII(cmp.Or(s.Columns[strings.ToLower(f.Name)], f.Name))
	})
}

// isPII says whether a column of the source's table, or one that an expression names in any way, has personal values.
func (s *EntitySource) isPII(expression string) bool {
	return s.Node != nil && (s.Node.IsPII(expression) || slices.ContainsFunc(wordSyntax.FindAllStringSubmatch(expression, -1), func(m []string) bool { return s.Node.IsPII(m[1] + m[2]) }))
}

// HasPersonalKey says whether a record's key is itself personal, such as an e-mail address: its columns are, or a personal field is read
// from one of them, too.
func (s *EntitySource) HasPersonalKey() bool {
	return s.keyIsField || slices.ContainsFunc(s.Key, s.isPII)
}

// readsKey says whether the source reads the field from a column that its key is read from.
func (s *EntitySource) readsKey(f *Field) bool {
	if f.Of != nil && s.Columns[strings.ToLower(f.Name)] == "" {
		f = f.Of // a part is read with the whole
	}
	from := namedIn(cmp.Or(s.Columns[strings.ToLower(f.Name)], f.Name))
	return slices.ContainsFunc(s.Key, func(key string) bool {
		return slices.ContainsFunc(namedIn(key), func(name string) bool { return isAmong(name, from) })
	})
}

// namedIn are the columns that an expression names, of which it may be one whose name is no plain word.
func namedIn(expression string) []string { return append(wordsOf(expression), expression) }

// keyColumns are the columns of the parts that show keys of records.
var keyColumns = map[string][]string{
	PartGolden:  {"source_key"}, // of its quarantine
	PartXref:    {"source_key"},
	PartEdges:   {"a_key", "b_key"},
	PartReview:  {"a_key", "b_key"},
	PartRecords: {"_key"},
}

// personalKeys tags the keys of records where a source's are personal.
func (d *entityDraft) personalKeys() {
	for _, s := range d.e.Sources {
		s.keyIsField = slices.ContainsFunc(d.e.Fields, func(f *Field) bool { return f.PII && s.readsKey(f) })
	}
	if !slices.ContainsFunc(d.e.Sources, (*EntitySource).HasPersonalKey) {
		return
	}
	for _, part := range EntityParts {
		for _, name := range keyColumns[part] {
			if n := d.l.p.byModel[d.e.Table(part)]; n != nil {
				d.column(n, name, "Key of the record in its source.", true)
			}
		}
	}
}

// personalParts tags what the other tables have of personal fields: the standardized values, and the frequent ones that weights name.
func (d *entityDraft) personalParts() {
	for _, f := range d.e.Fields {
		if !f.PII {
			continue
		}
		if n := d.l.p.byModel[d.e.Table(PartRecords)]; n != nil {
			d.column(n, f.Name, f.Doc, true)
		}
		if n := d.l.p.byModel[d.e.Table(PartQuality)]; n != nil && d.compares(f) {
			d.column(n, "detail", "What of it: a rule, a size, the weights.", true)
		}
	}
}

// compares says whether a field is compared: all are when the file names none.
func (d *entityDraft) compares(f *Field) bool {
	return len(d.e.Comparisons) == 0 || slices.ContainsFunc(d.e.Comparisons, func(c *Comparison) bool {
		return slices.ContainsFunc(append([]string{c.SwapWith}, c.Fields...), func(name string) bool { return strings.EqualFold(name, f.Name) })
	})
}

// column adds to what is said of a node's column.
func (d *entityDraft) column(n *Node, name, doc string, pii bool) {
	i := slices.IndexFunc(n.Columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		if doc == "" && !pii {
			return
		}
		i = len(n.Columns)
		n.Columns = append(n.Columns, Column{Name: name, Pos: d.e.Pos})
		if f := d.e.Field(name); f != nil {
			n.Columns[i].Pos = f.Pos
		}
	}
	c := &n.Columns[i]
	c.Description = cmp.Or(c.Description, doc)
	if pii && !n.IsPII(name) {
		c.Tags = append(c.Tags, "pii")
	}
}

// tagged adds the tags of describe:.
func (d *entityDraft) tagged(n *Node, name string, in describeEntry) {
	if len(in.Tags) == 0 {
		return
	}
	i := slices.IndexFunc(n.Columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		n.Columns, i = append(n.Columns, Column{Name: name, Pos: d.file.Describe.Key(name)}), len(n.Columns)
	}
	n.Columns[i].Tags = append(n.Columns[i].Tags, in.Tags...)
}

// selfReference finds the entity in a circle of nodes, and the place where it reads what is made from it.
func selfReference(circle []*Node) (*Entity, config.Pos) {
	for i, n := range circle {
		if n.Entity == nil || n.Part != PartGolden {
			continue
		}
		next := circle[(i+1)%len(circle)]
		for _, s := range n.Entity.Sources {
			if s.Node == next {
				return n.Entity, s.Pos
			}
		}
		for _, f := range n.Entity.Fields {
			for _, step := range f.Steps {
				if step.Map != nil && step.Map.Node == next {
					return n.Entity, step.Pos
				}
			}
		}
		return n.Entity, n.Pos
	}
	return nil, config.Pos{}
}
