package match

import (
	"slices"
	"strings"
	"testing"
)

// alike finds every pair to be of one pattern.
type alike struct {
	Engine
	pattern Pattern
}

func (a alike) Pattern(_, _ uint32) Pattern { return a.pattern }

// TestDoubts: clusters that hang together say nothing, and each reason to doubt them is told by itself.
func TestDoubts(t *testing.T) {
	const n = 400 // pairs of records 2i and 2i+1
	plan := func(free bool) *Plan {
		p := peoplePlan(1, 2)
		p.Cluster.Method = Guarded
		for i := range p.Sources {
			p.Sources[i].DuplicateFree = free
		}
		return p
	}
	r := &Records{N: n, Source: make([]uint8, n)}
	labels, edges := make([]uint32, n), make([]Edge, 0, n)
	for i := range uint32(n) {
		labels[i] = i &^ 1
		if i%2 == 1 {
			edges = append(edges, Edge{A: i - 1, B: i, Weight: 9, Verdict: Match})
		}
	}
	half := func(rec int) uint8 { return uint8(rec * 2 / n) } // pairs within a source
	odd := func(rec int) uint8 { return uint8(rec % 2) }      // pairs across
	all := make([]uint32, n)
	unsure := append(slices.Clone(edges), edges[:n/3]...)
	for i := range unsure[len(edges):] {
		unsure[len(edges)+i].Verdict = Unsure
	}
	for _, x := range []struct {
		name   string
		free   bool
		source func(int) uint8
		bits   float64
		edges  []Edge
		labels []uint32
		want   string
	}{
		{"sure", false, half, 9, edges, labels, ""},
		{"weak", false, half, -1, edges, labels, "probability of only 0.33"},
		{"unsure", false, half, 9, unsure, labels, "133 that may"},
		{"large", false, half, 9, edges, all, "399 others"},
		{"across", false, odd, 9, edges, labels, "of s0 and s1 matches best"},
		{"known to be free", true, odd, 9, edges, labels, ""},
	} {
		for i := range r.Source {
			r.Source[i] = x.source(i)
		}
		p := plan(x.free)
		s := &Scoring{plan: p, r: r, prior: x.bits, bits: make([][16]float64, 1), terms: make([][]float64, 1)}
		got := Doubts(p, s, alike{}, r, x.edges, x.labels)
		if x.want == "" && len(got) > 0 || x.want != "" && (len(got) != 1 || !strings.Contains(got[0], x.want)) {
			t.Errorf("%s: %q", x.name, got)
		}
	}
}
