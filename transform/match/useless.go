package match

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
)

// Warnings are about fields that tell nothing: without a value in all records, or with the same one. Each names what is of no use then.
func (p *Profile) Warnings(e *models.Entity) []string {
	var all []string
	for _, field := range e.Fields {
		f, ok := p.Fields[field.Name]
		why := "has the same value in all records that have one"
		switch {
		case !ok || p.Rows < 2:
			continue
		case f.Nulls == f.Rows:
			why = "has no value in any record"
		case f.Distinct > 1 || f.Rows-f.Nulls < 2:
			continue
		}
		if uses := usesOf(e, field.Name); len(uses) > 0 {
			all = append(all, fmt.Sprintf("field %s %s: %s of no use", field.Name, why, joinWords(uses)))
		}
	}
	return all
}

// Settled says that an entity's file leaves nothing open that depends on what the records look like, so that they need not be read for it.
// Where keys or comparisons are made of fields that have no column then, they are read: Warnings tells of such fields.
func Settled(e *models.Entity) bool {
	if len(e.Blocking) == 0 || len(e.Comparisons) == 0 {
		return false
	}
	for _, r := range e.Blocking {
		for _, k := range r.Keys {
			if k.Field == "" {
				return false
			}
		}
	}
	return !slices.ContainsFunc(e.Comparisons, func(c *models.Comparison) bool { return len(c.Levels) == 0 || len(c.Fields) != 1 })
}

// ProfileUse is the little that Warnings asks of the records of a plan: whether a field has no value, one, or more.
func ProfileUse(p *Plan, r *Records) Profile {
	out := Profile{Rows: r.N, Fields: map[string]FieldProfile{}}
	for i, needed := range p.needed() {
		if needed {
			out.Fields[p.Columns[i].Name] = use(r.N, &r.Columns[i])
		}
	}
	return out
}

// use stops at the second value.
func use(n int, v *Values) FieldProfile {
	f, first := FieldProfile{Rows: n}, -1
	for i := range n {
		switch {
		case v.Null(i):
			f.Nulls++
		case first < 0:
			first, f.Distinct = i, 1
		case v.differs(first, i):
			f.Distinct = 2
			return f
		}
	}
	return f
}

// differs says whether two records, which have values, have others.
func (v *Values) differs(a, b int) bool {
	switch v.Kind {
	case Text:
		return v.Codes[a] != v.Codes[b]
	case List:
		return !slices.Equal(v.Codes[v.Starts[a]:v.Starts[a+1]], v.Codes[v.Starts[b]:v.Starts[b+1]])
	}
	return v.Numbers[a] != v.Numbers[b]
}

// usesOf is what looks at a field: comparisons, rules and conditions.
func usesOf(e *models.Entity, field string) []string {
	is := func(name string) bool { return strings.EqualFold(name, field) }
	var uses []string
	for _, c := range e.Comparisons {
		if slices.ContainsFunc(c.Fields, is) {
			uses = append(uses, "comparison "+c.Name)
		}
	}
	for _, r := range e.Blocking {
		if slices.ContainsFunc(r.Keys, func(k models.BlockingKey) bool { return is(k.Field) }) || len(r.Similar) == 1 && is(r.Similar[0]) {
			uses = append(uses, "rule "+r.Name)
		}
	}
	for _, c := range slices.Concat(e.Never, e.Always) {
		if slices.ContainsFunc(c.Terms, func(t models.ConditionTerm) bool { return is(t.Same) || is(t.Differs) }) {
			uses = append(uses, "condition "+c.Text)
		}
	}
	return uses
}

// joinWords puts names into a sentence, with its verb.
func joinWords(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return enumerated(names) + " are"
}

// enumerated puts names into a list: a, b and c.
func enumerated(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
