package master

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/steward"
)

// pins are the decided values of the golden records that there are: of two for one golden record's field the later decision holds.
func (m *matching) pins() []golden.Pin {
	kept, over := ChoosePins(m.Rulings.Pins, func(r steward.Record) (uint32, bool) {
		rec, has := m.named[r]
		if !has {
			return 0, false
		}
		return m.labels[rec], true
	})
	m.out.Notes = append(m.out.Notes, over...)
	return kept
}

// ChoosePins are the pins of golden records, which of says by their records; those of records that it does not know are left out. Of two
// for one golden record's field the later one of the list holds, and notes tell of the other.
func ChoosePins[C comparable](decisions []steward.Decision, of func(steward.Record) (C, bool)) (pins []golden.Pin, notes []string) {
	type place struct {
		cluster C
		field   string
	}
	last := map[place]int{}
	for i, d := range decisions {
		if cluster, has := of(d.A); has {
			at := place{cluster, strings.ToLower(d.Field)}
			if before, taken := last[at]; taken {
				old := decisions[before]
				notes = append(notes, fmt.Sprintf("two decisions about %s of one golden record: %s (%s) holds, which came after %s (%s)", d.Field,
					d.String(), cmp.Or(d.ID, d.Place), old.String(), cmp.Or(old.ID, old.Place)))
			}
			last[at] = i
		}
	}
	for i, d := range decisions {
		if cluster, has := of(d.A); has && last[place{cluster, strings.ToLower(d.Field)}] == i {
			pins = append(pins, golden.Pin{Source: d.A.Source, Key: d.A.Key, Field: d.Field, Value: d.Value, Null: d.Null, Decision: cmp.Or(d.ID, d.Place),
				Place: cmp.Or(d.Place, d.String())})
		}
	}
	return pins, notes
}
