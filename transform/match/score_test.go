package match

import (
	"math/rand/v2"
	"testing"
)

// TestAtMost: the bound that spares candidates their sum is never below it, whatever the levels and however rare the values, also where
// exact agreement speaks against a match.
func TestAtMost(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, comparisons := range []int{1, 2, 5, 16} {
		p, r := &Plan{}, &Records{N: 50, Columns: make([]Values, comparisons)}
		s := &Scoring{plan: p, r: r, prior: -20, bits: make([][16]float64, comparisons), terms: make([][]float64, comparisons)}
		for c := range comparisons {
			p.Comparisons = append(p.Comparisons, Comparison{Levels: []Level{{Op: Exact, Columns: []int{c}}}})
			for l := 1; l < 16; l++ {
				s.bits[c][l] = 20 * (rnd.Float64() - 0.5)
			}
			for range r.N {
				r.Columns[c].Codes = append(r.Columns[c].Codes, uint32(rnd.IntN(4)))
			}
			if c%3 > 0 {
				s.terms[c] = []float64{0, 8 * (rnd.Float64() - 0.5), 8 * (rnd.Float64() - 0.5), 8 * (rnd.Float64() - 0.5)}
			}
		}
		s.bound()
		for range 2000 {
			pattern, a := Pattern(0), uint32(rnd.IntN(r.N))
			for c := range comparisons {
				pattern |= Pattern(1+rnd.IntN(3)) << (4 * c)
			}
			if most, sum := s.atMost(pattern), s.sum(a, pattern); most < sum {
				t.Fatalf("%d comparisons, pattern %x: at most %g, and it is %g", comparisons, pattern, most, sum)
			}
		}
	}
}
