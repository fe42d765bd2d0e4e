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
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " are"
}
