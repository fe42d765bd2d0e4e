package match

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Profile is what the standardized records look like: what defaults are chosen by.
type Profile struct {
	Records int64
	Sources []int64 // records by source
	Fields  []FieldProfile
}

// FieldProfile are the figures of one field. Shares are of the records that have a value.
type FieldProfile struct {
	Name     string
	Type     string // of the standardized values
	Nulls    int64
	Distinct int64 // about
	Constant bool  // all values are the same
	Length   float64
	Words    float64
	Email    float64
	Date     float64
	Number   float64
	Phone    float64
}

// Field returns the figures of a field, or nil.
func (p *Profile) Field(name string) *FieldProfile {
	for i := range p.Fields {
		if strings.EqualFold(p.Fields[i].Name, name) {
			return &p.Fields[i]
		}
	}
	return nil
}

// Known is how many records have a value.
func (p *Profile) Known(f *FieldProfile) int64 { return p.Records - f.Nulls }

// What values look like, as patterns of the whole text.
const (
	emailForm  = `[^@\s]+@[^@\s]+\.[^@\s]+`
	dateForm   = `[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}`
	numberForm = `[-+]?[0-9]+([.,][0-9]+)?`
	phoneForm  = `\+?[0-9(][0-9 ()./-]{5,18}[0-9]`
)

// figures are how many columns ProfileSQL has for each field.
const figures = 9

// ProfileSQL is a query of one row: the records, those of each source, and the figures of each field, over the rows of Reading.Rows.
func (r *Reading) ProfileSQL(from string) string {
	items := []string{"count(*)"}
	for i := range r.Entity.Sources {
		items = append(items, r.d.CountIf(fmt.Sprintf("%s = %d", r.d.QuoteIdent(SourceColumn), i)))
	}
	for _, f := range r.Fields {
		text := "CAST(" + r.d.QuoteIdent(f.Name) + " AS VARCHAR)"
		share := func(form string) string {
			return "avg(CASE WHEN " + r.d.Matches(text, form, true) + " THEN 1.0 WHEN " + text + " IS NOT NULL THEN 0.0 END)"
		}
		items = append(items, "count(*) - count("+text+")", "approx_count_distinct("+text+")", "coalesce(min("+text+") = max("+text+"), false)", "avg(length("+text+"))",
			"avg(length("+text+") - length(replace("+text+", ' ', '')) + 1)", share(emailForm), share(dateForm), share(numberForm), share(phoneForm))
	}
	for i := range items {
		items[i] += fmt.Sprintf(" AS f%d", i)
	}
	return fmt.Sprintf("SELECT %s\nFROM %s\nWHERE %s", strings.Join(items, ",\n  "), from, r.isRecord())
}

// Profile reads the answer to ProfileSQL.
func (r *Reading) Profile(answer *warehouse.Result) *Profile {
	row := answer.Rows[0]
	p := &Profile{Records: whole(row[0])}
	row = row[1:]
	for range r.Entity.Sources {
		p.Sources, row = append(p.Sources, whole(row[0])), row[1:]
	}
	for _, f := range r.Fields {
		constant, _ := row[2].(bool)
		p.Fields = append(p.Fields, FieldProfile{Name: f.Name, Type: f.Standard, Nulls: whole(row[0]), Distinct: whole(row[1]), Constant: constant,
			Length: fraction(row[3]), Words: fraction(row[4]), Email: fraction(row[5]), Date: fraction(row[6]), Number: fraction(row[7]), Phone: fraction(row[8])})
		row = row[figures:]
	}
	return p
}

// fraction is a number of an answer; that of nothing is 0.
func fraction(v any) float64 {
	f, _ := v.(float64)
	return f
}

// Warnings are about fields that tell nothing: without a value in all records, or with the same one. Each names what is of no use then.
func (p *Profile) Warnings(e *models.Entity) []string {
	var all []string
	for i := range p.Fields {
		f := &p.Fields[i]
		why := "has the same value in all records that have one"
		switch {
		case p.Records < 2:
			continue
		case f.Nulls == p.Records:
			why = "has no value in any record"
		case !f.Constant || p.Known(f) < 2:
			continue
		}
		if uses := usesOf(e, f.Name); len(uses) > 0 {
			all = append(all, fmt.Sprintf("field %s %s: %s of no use", f.Name, why, joinWords(uses)))
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
