package match

import (
	"slices"
	"testing"
)

// TestRivals: a record with a single candidate says what it was given, and nothing of what a wrong candidate weighs.
func TestRivals(t *testing.T) {
	p := peoplePlan(1, 2)
	r := &Records{N: 6, Source: []uint8{0, 0, 1, 1, 1, 1}}
	edges := []Edge{{A: 0, B: 2, Weight: 5}, {A: 1, B: 3, Weight: 9}, {A: 1, B: 4, Weight: 3}, {A: 1, B: 5, Weight: 2}}
	best, other := (&trainer{plan: p, records: r}).rivals(edges)
	slices.Sort(best)
	if !slices.Equal(best, []float64{5, 9}) || !slices.Equal(other, []float64{3}) {
		t.Errorf("best %v, other %v", best, other)
	}
}
