package steward

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rulings are what all decisions together say.
type Rulings struct {
	Match, Split []Decision // one for each pair
	Pins         []Decision // one for each record and field, in the order in which they were decided
	Known        []string   // ids of all decisions, whatever became of them
	Notes        []string   // of pairs that were decided both ways

	Standing map[string]string // see Standing; a run keeps them
}

// Ordered are decisions by their times: those of a file and a table, or of two branches that became one file. A row without a time comes
// behind the row before it. Of two of one time the order of the list holds.
func Ordered(all []Decision) []Decision {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(x, y Decision) int { return x.order().Compare(y.order()) })
	return all
}

func (d *Decision) order() time.Time {
	if d.At.IsZero() {
		return d.when
	}
	return d.At
}

// Rule takes decisions together. Of two about the same pair, or about the same field of a record, the later one holds. What
// is revoked does not hold. Records that are to be together by others, and apart by one, are a contradiction, and each is named with
// the decisions that make it; so is a pair that a table without times has both ways.
func Rule(all []Decision) (*Rulings, error) {
	all = Ordered(all)
	kept, err := withoutRevoked(all)
	if err != nil {
		return nil, err
	}
	r := &Rulings{}
	for _, d := range all {
		if d.ID != "" {
			r.Known = append(r.Known, d.ID)
		}
		if len(d.Repeats) > 0 {
			r.Notes = append(r.Notes, d.Place+": "+d.Again())
		}
	}
	pairs, pins := map[subject]Decision{}, map[subject]int{} // pins by their place in kept
	var problems []error
	for i, d := range kept {
		switch d.Kind {
		case Pin:
			pins[d.about()] = i
		case Match, Split:
			if before, ok := pairs[d.about()]; ok && before.Kind != d.Kind {
				if before.At.IsZero() && d.At.IsZero() && before.Unordered && d.Unordered {
					problems = append(problems, &RuleError{d.Place, fmt.Sprintf("%s contradicts %s: neither has a time, so nothing says which came later",
						d.Told(), before.Placed()), "give each a time"})
				}
				r.Notes = append(r.Notes, fmt.Sprintf("a pair was decided both ways: %s holds, which came after %s; revoke the one that is wrong", d.named(), before.named()))
			}
			pairs[d.about()] = d
		}
	}
	for _, d := range pairs {
		if compare(d.A, d.B) > 0 {
			d.A, d.B = d.B, d.A
		}
		if d.Kind == Match {
			r.Match = append(r.Match, d)
		} else {
			r.Split = append(r.Split, d)
		}
	}
	for i, d := range kept {
		if d.Kind == Pin && pins[d.about()] == i {
			r.Pins = append(r.Pins, d)
		}
	}
	for _, list := range [][]Decision{r.Match, r.Split} {
		slices.SortFunc(list, func(x, y Decision) int {
			return cmp.Or(compare(x.A, y.A), compare(x.B, y.B), strings.Compare(x.Field, y.Field))
		})
	}
	return r, errors.Join(append(problems, r.contradictions()...)...)
}

// Again tells of the rows that say the same; "" when there are none.
func (d *Decision) Again() string {
	if len(d.Repeats) == 0 {
		return ""
	}
	return fmt.Sprintf("the row says what %s says: it counts once", strings.Join(d.Repeats, ", "))
}

// Of is the decision in force about what d is about, nil when there is none.
func (r *Rulings) Of(d *Decision) *Decision {
	for _, list := range [][]Decision{r.Match, r.Split, r.Pins} {
		for i := range list {
			if list[i].about() == d.about() {
				return &list[i]
			}
		}
	}
	return nil
}

// named is the decision with its id, who has made it and when.
func (d *Decision) named() string { return strings.TrimSpace(d.ID + " " + d.Told()) }

// RuleError is a decision that cannot hold beside others.
type RuleError struct {
	Place      string // of the decision; "" for one that is not written yet
	Text, Hint string
}

func (e *RuleError) Error() string { return strings.TrimPrefix(e.Place+": "+e.Text, ": ") }

// Agreed is Rule, whose error is a ContradictionError.
func Agreed(all []Decision) (*Rulings, error) {
	r, err := Rule(all)
	if err == nil {
		return r, nil
	}
	plain := slices.Clone(all)
	for i := range plain {
		plain[i].Personal = nil
	}
	_, open := Rule(plain)
	return nil, &ContradictionError{Err: err, Plain: open}
}

// ContradictionError says that decisions, taken together, cannot all hold, and names them.
type ContradictionError struct {
	Err   error
	Plain error // the same with the keys that are personal, for those who may see them
}

func (e *ContradictionError) Error() string { return e.Err.Error() }

// Unmasked tells it with the keys that are personal.
func (e *ContradictionError) Unmasked() string {
	if e.Plain == nil {
		return e.Error()
	}
	return e.Plain.Error()
}

// Unwrap returns what contradicts what.
func (e *ContradictionError) Unwrap() error { return e.Err }

// RefusedError says why a decision cannot be taken back, or is none.
type RefusedError struct{ text string }

func (e *RefusedError) Error() string { return e.text }

// subject is what one decision at a time holds about: a pair, whichever record is named first, or a field of a record.
type subject struct {
	a, b  Record
	field string
}

func (d *Decision) about() subject {
	switch {
	case d.Kind == Revoke:
		return subject{}
	case d.Kind == Pin:
		return subject{a: d.A, field: strings.ToLower(d.Field)}
	case compare(d.A, d.B) > 0:
		return subject{a: d.B, b: d.A}
	}
	return subject{a: d.A, b: d.B}
}

// withoutRevoked leaves out revoked decisions and the revokes.
func withoutRevoked(all []Decision) ([]Decision, error) {
	known, revoked := map[string]bool{}, map[string]bool{}
	var problems []error
	for _, d := range all {
		if d.ID != "" && known[d.ID] {
			problems = append(problems, &RuleError{d.Place, fmt.Sprintf("%s: another decision has the id %s", d.String(), d.ID),
				"give the row an id of its own, or leave the cell empty: then one is made of what the row says"})
		}
		if d.Kind == Revoke && !known[d.Of] {
			problems = append(problems, &RuleError{d.Place, fmt.Sprintf("%s: no decision before it has the id %q", d.String(), d.Of),
				"write the id that match decisions lists, or take the row out"})
		}
		known[d.ID] = true
		if d.Kind == Revoke {
			revoked[d.Of] = true
		}
	}
	var kept []Decision
	for _, d := range all {
		if d.Kind != Revoke && (d.ID == "" || !revoked[d.ID]) {
			kept = append(kept, d)
		}
	}
	return kept, errors.Join(problems...)
}

// contradictions are splits of records that matches bring together.
func (r *Rulings) contradictions() []error {
	near := map[Record][]Decision{}
	for _, d := range r.Match {
		near[d.A] = append(near[d.A], d)
		near[d.B] = append(near[d.B], d)
	}
	var problems []error
	for _, s := range r.Split {
		if way := path(near, s.A, s.B); way != nil {
			told := make([]string, len(way))
			for i := range way {
				told[i] = way[i].Placed()
			}
			problems = append(problems, &RuleError{s.Place, fmt.Sprintf("%s contradicts what brings the two together: %s", s.Told(), strings.Join(told, "; ")),
				"millrace match revoke takes one of them back"})
		}
	}
	return problems
}

// path is the shortest chain of matches from one record to another; nil when there is none.
func path(near map[Record][]Decision, from, to Record) []Decision {
	came := map[Record]*Decision{from: nil}
	for queue := []Record{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == to {
			var way []Decision
			for d := came[at]; d != nil; d = came[at] {
				way = append(way, *d)
				at = other(d, at)
			}
			slices.Reverse(way)
			return way
		}
		for i := range near[at] {
			next := other(&near[at][i], at)
			if _, seen := came[next]; !seen {
				came[next] = &near[at][i]
				queue = append(queue, next)
			}
		}
	}
	return nil
}

func other(d *Decision, r Record) Record {
	if d.A == r {
		return d.B
	}
	return d.A
}
