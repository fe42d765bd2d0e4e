package match

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
)

// This file gives names and values to those who tell people what was found.

// RuleNames are the names of the rules of a set, "" for none. They are set off by semicolons: an expression may have commas.
func (p *Plan) RuleNames(set RuleSet) string {
	var names []string
	for r := range p.Rules {
		if set>>r&1 == 1 {
			names = append(names, p.Rules[r].Name)
		}
	}
	return strings.Join(names, ruleSeparator)
}

const ruleSeparator = "; "

// SplitRules are the names that RuleNames has put in one text.
func SplitRules(text string) []string {
	if text == "" {
		return []string{}
	}
	return strings.Split(text, ruleSeparator)
}

// Show is a record's value as a text; "" for NULL.
func (v *Values) Show(rec int) string {
	switch {
	case v.Null(rec):
		return ""
	case v.Kind == Text:
		return v.Dict.At(v.Codes[rec])
	case v.Kind == List:
		var all []string
		for _, code := range v.Codes[v.Starts[rec]:v.Starts[rec+1]] {
			all = append(all, v.Dict.At(code))
		}
		return "[" + strings.Join(all, ", ") + "]"
	case v.Kind == Date:
		return time.Unix(int64(v.Numbers[rec])*86400, 0).UTC().Format(time.DateOnly)
	}
	return fmt.Sprint(v.Numbers[rec])
}

// LevelName is what a level of the comparison is called, 0 being null and the last else.
func (c *Comparison) LevelName(level int) string { return c.levelName(level) }

// MadeOf are the fields that a column is made of, its own being one.
func (c *Column) MadeOf() []string { return c.madeOf() }

// Bits is what a comparison adds to the weight of a pair with these levels, the frequency of the value included. a is one of the two.
func (s *Scoring) Bits(comparison int, a uint32, p Pattern) float64 { return s.term(comparison, a, p) }

// SortEdges puts edges in the order of (A, B).
func SortEdges(edges []Edge) { slices.SortFunc(edges, compareEdges) }

// FieldsPlan is a plan that has the fields as they are, and compares nothing.
func FieldsPlan(e *models.Entity) *Plan {
	p := &Plan{Entity: e.Name}
	for _, s := range e.Sources {
		p.Sources = append(p.Sources, Source{Name: s.Name, DuplicateFree: s.DuplicateFree})
	}
	all := Rule{Name: "fields"} // so that each column is read
	for i, f := range e.Fields {
		p.Columns = append(p.Columns, Column{Name: f.Name, Kind: kindOf(e, f)})
		all.Keys = append(all.Keys, i)
	}
	p.Rules = []Rule{all}
	return p
}

// WithoutFrequencies is s blind to how frequent values are: its weight of a pair is that of the pattern alone, whichever records have it.
func (s *Scoring) WithoutFrequencies() *Scoring {
	plain := *s
	plain.terms = make([][]float64, len(s.terms))
	return &plain
}

// Holding are the conditions that a pair meets, as the entity's file has them: those to match always, and those never to.
func (s *Scoring) Holding(a, b uint32, p Pattern) (always, never []string) {
	held := func(conditions []Condition) (out []string) {
		for _, c := range conditions {
			if s.holds(c.Terms, a, b, p) {
				out = append(out, c.Text)
			}
		}
		return out
	}
	return held(s.plan.Always), held(s.plan.Never)
}

// Agreeing are the rules whose keys two records have in common, whatever else keeps them from being candidates. Rules of nearest records
// have no keys.
func (r *Records) Agreeing(p *Plan, a, b uint32) RuleSet {
	var set RuleSet
	for i, rule := range p.Rules {
		agree := len(rule.Keys) > 0
		for _, k := range rule.Keys {
			v := &r.Columns[k]
			agree = agree && !v.Null(int(a)) && !v.Null(int(b)) && v.same(int(a), int(b))
		}
		if agree {
			set |= 1 << i
		}
	}
	return set
}
