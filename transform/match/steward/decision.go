// Package steward holds what people decide about the records of an entity: that two are the same thing, that they are not, which value a
// golden record has. Decisions are rows of a CSV file of the project, which only ever grows: who, when and why stand beside each, and
// what was decided before is revoked, never removed. It knows no records, only their names. Read Decision, then Rule.
package steward

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Record names a record: by its source in the entity, and its key there.
type Record struct {
	Source string `json:"source"`
	Key    string `json:"key"`
}

// String is source:key, as commands take it.
func (r Record) String() string { return r.Source + ":" + r.Key }

// ParseRecord reads source:key. Keys may have colons in them, sources have none.
func ParseRecord(text string) (Record, error) {
	source, key, ok := strings.Cut(text, ":")
	if !ok || source == "" || key == "" {
		return Record{}, fmt.Errorf("%q names no record: write source:key, such as crm:4711", text)
	}
	return Record{Source: source, Key: key}, nil
}

func compare(a, b Record) int {
	return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Key, b.Key))
}

// Kind is what was decided.
type Kind string

// The kinds of decisions.
const (
	Match  Kind = "match"  // A and B are the same thing
	Split  Kind = "split"  // A and B are not
	Pin    Kind = "pin"    // the golden record that A belongs to has this value in Field
	Revoke Kind = "revoke" // the decision named by Of does not hold any more
)

// MostWhy is how long a reason may be that is given for a new decision, in bytes.
const MostWhy = 500

// Decision is one row of the file.
type Decision struct {
	ID    string    `json:"id"`
	At    time.Time `json:"at"`
	By    string    `json:"by"`
	Kind  Kind      `json:"kind"`
	A     Record    `json:"a"`
	B     Record    `json:"b"`              // of match and split
	Field string    `json:"field"`          // of pin
	Value *string   `json:"value"`          // of pin; nil: the value of A, whatever other records have, or none
	Null  bool      `json:"null,omitempty"` // of pin without a value: the golden record has none in Field
	Of    string    `json:"of"`             // of revoke
	Why   string    `json:"why"`
	Place string    `json:"place"` // file:line that it was read from, or the table's name

	// Repeats are the places of rows without ids that say the very same, and count as this one.
	Repeats []string `json:"-"`

	// Over is the decision that held until this one was made, of the same pair, or of the same field of a record. Append says so.
	Over *Decision `json:"overrules,omitempty"`

	Personal  []string `json:"-"` // sources whose keys are shown to nobody
	Unordered bool     `json:"-"` // neither its time nor its place says whether it came before others

	when time.Time // what it is ordered by: At, or that of the row before it
}

// shown is a record's name as words may have it.
func (d *Decision) shown(r Record) Record {
	if r.Key != "" && slices.Contains(d.Personal, r.Source) {
		r.Key = "***"
	}
	return r
}

// Masked is the decision without keys that are personal.
func (d Decision) Masked() Decision {
	d.A, d.B = d.shown(d.A), d.shown(d.B)
	if d.Over != nil {
		over := d.Over.Masked()
		d.Over = &over
	}
	return d
}

// MarshalJSON leaves out a time that nobody has given.
func (d Decision) MarshalJSON() ([]byte, error) {
	type plain Decision
	out := struct {
		ID string     `json:"id"`
		At *time.Time `json:"at"`
		plain
	}{ID: d.ID, plain: plain(d)}
	if !d.At.IsZero() {
		out.At = &d.At
	}
	return json.Marshal(out)
}

// String tells the decision in words, without values and without keys that are personal.
func (d *Decision) String() string {
	switch d.Kind {
	case Pin:
		switch {
		case d.Null:
			return fmt.Sprintf("pin %s of %s to NULL", d.Field, d.shown(d.A))
		case d.Value == nil:
			return fmt.Sprintf("pin %s to what %s has", d.Field, d.shown(d.A))
		}
		return fmt.Sprintf("pin %s of %s", d.Field, d.shown(d.A))
	case Revoke:
		return "revoke " + d.Of
	}
	return fmt.Sprintf("%s %s and %s", d.Kind, d.shown(d.A), d.shown(d.B))
}

// Told is the decision with who has made it and when.
func (d *Decision) Told() string {
	who := d.By
	if !d.At.IsZero() {
		who = strings.TrimPrefix(who+", "+d.At.Format(time.DateOnly), ", ")
	}
	if who == "" {
		return d.String()
	}
	return d.String() + " (" + who + ")"
}

// Placed is the decision with who has made it and where it stands, for errors.
func (d *Decision) Placed() string {
	if d.Place == "" {
		return d.Told()
	}
	return d.Place + ": " + d.Told()
}

// fingerprint is an id for a decision that was written without one: as long as what it says stays, it does. again counts those that say
// the same before it.
func (d *Decision) fingerprint(again int) string {
	value := "null"
	switch {
	case d.Value != nil:
		value = "=" + *d.Value
	case d.Null:
		value = none
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{string(d.Kind), d.A.Source, d.A.Key, d.B.Source, d.B.Key, d.Field, value, d.Of, d.By,
		d.At.UTC().Format(time.RFC3339Nano), d.Why, strconv.Itoa(again)}))
	return hex.EncodeToString(sum[:4])
}

// Identify gives ids to decisions that have none. One that counts for several rows takes those of all, and has the first: what revokes
// another of its rows revokes it.
func Identify(all []Decision) {
	taken, first := map[string]bool{}, map[string]string{}
	for _, d := range all {
		taken[d.ID] = true
	}
	for i := range all {
		d := &all[i]
		if d.ID != "" {
			continue
		}
		for again, rows := 0, 1+len(d.Repeats); rows > 0; again++ {
			id := d.fingerprint(again)
			if taken[id] {
				continue
			}
			taken[id], rows = true, rows-1
			d.ID = cmp.Or(d.ID, id)
			first[id] = d.ID
		}
	}
	for i := range all {
		all[i].Of = cmp.Or(first[all[i].Of], all[i].Of)
	}
}

// problem says what is wrong with a decision by itself, and in which cell; "" when nothing is.
func (d *Decision) problem() (cell, why string) {
	switch {
	case d.Kind != Match && d.Kind != Split && d.Kind != Pin && d.Kind != Revoke:
		return "kind", fmt.Sprintf("kind %q: write match, split, pin or revoke", d.Kind)
	case d.Kind == Revoke && d.Of == "":
		return "of", "a revoke needs the id of what it takes back, in of"
	case d.Kind == Revoke:
		return "", ""
	case d.A.Source == "" || d.A.Key == "":
		return "a_source", "a record is missing: a_source and a_key name it"
	case d.Kind == Pin && d.Field == "":
		return "field", "a pin needs a field"
	case d.Kind == Pin && d.Null && d.Value != nil:
		return "value", "a pin has a value, or NULL"
	case d.Kind == Pin:
		return "", ""
	case d.B.Source == "" || d.B.Key == "":
		return "b_source", "the other record is missing: b_source and b_key name it"
	case d.A == d.B:
		return "b_key", "one record is named twice: two are needed"
	}
	return "", ""
}

// Check says what is wrong with a decision by itself.
func (d *Decision) Check() error {
	if _, why := d.problem(); why != "" {
		return errors.New(why)
	}
	return nil
}
