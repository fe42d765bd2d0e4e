package match

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestClusterKeepsApart gives edges of all verdicts by chance, and holds the clusters to what must never be.
func TestClusterKeepsApart(t *testing.T) {
	const n = 60
	for _, method := range []Method{Guarded, OneToOne, Connected} {
		for seed := range uint64(40) {
			random := rand.New(rand.NewPCG(seed, 1))
			p, r := peoplePlan(3, 2), people(40, 0, 2)
			p.Cluster.Method, p.Cluster.MaxSize, p.Cluster.MinMeanWeight = method, 5, -50
			if method != OneToOne {
				p.Sources = []Source{{Name: "a"}, {Name: "b"}}
			}
			s := &Scoring{plan: p, prior: -8, r: r, bits: make([][16]float64, 3), terms: make([][]float64, 3)}
			e := mustEngine(t, Config{Threads: 1}, p, r)
			var edges []Edge
			for a := range uint32(n) {
				for b := a + 1; b < n; b++ {
					if random.IntN(6) > 0 || method == OneToOne && r.Source[a] == r.Source[b] {
						continue
					}
					v := []Verdict{Match, Match, Match, Unsure, Vetoed, Split, Forced}[random.IntN(6+int(seed%2))]
					edges = append(edges, Edge{A: a, B: b, Weight: float64(random.IntN(30)), Verdict: v})
				}
			}
			again := slices.Clone(edges)
			random.Shuffle(len(again), func(i, k int) { again[i], again[k] = again[k], again[i] })
			labels := Cluster(p, s, e, r, edges)
			if !slices.Equal(labels, Cluster(p, s, e, r, again)) {
				t.Fatal("clusters depend on the order of the edges")
			}
			heldApart(t, p, r, edges, labels, seed%2 == 0 && method != Connected)
		}
	}
}

// heldApart holds clusters to their edges; those that nothing was forced into also to their size and sources.
func heldApart(t *testing.T, p *Plan, r *Records, edges []Edge, labels []uint32, bounded bool) {
	t.Helper()
	for _, x := range edges {
		if (x.Verdict == Vetoed || x.Verdict == Split) && labels[x.A] == labels[x.B] {
			t.Errorf("%d and %d are one, though %v", x.A, x.B, x.Verdict)
		}
		if (x.Verdict == Match || x.Verdict == Forced) && labels[x.A] != labels[x.B] {
			t.Errorf("%d and %d match and are not one: their edge must be refused", x.A, x.B)
		}
	}
	size, joined := map[uint32]int{}, 0
	for a, l := range labels {
		if int(l) > a {
			t.Errorf("%d is in the cluster of %d, which comes later", a, l)
		}
		if size[l]++; size[l] > p.Cluster.MaxSize && bounded {
			t.Errorf("the cluster of %d has more than %d records", l, p.Cluster.MaxSize)
		}
		for b := range a {
			if labels[b] == l {
				joined++
				if bounded && r.Source[a] == r.Source[b] && p.Sources[r.Source[a]].DuplicateFree {
					t.Errorf("%d and %d are of one source without duplicates", a, b)
				}
			}
		}
	}
	if joined == 0 {
		t.Error("nothing was joined")
	}
}

// TestLeastMean: where most clusters are pairs, the pairs across two must match by themselves.
func TestLeastMean(t *testing.T) {
	p, r := peoplePlan(3, 1), &Records{N: 1001, Source: make([]uint8, 1001)}
	for _, x := range []struct{ others, floor, want float64 }{
		{0.1, 3, 13.287}, {0.5, 3, 10.964}, {0.75, 3, 6.69}, {1, 3, 3}, {8, 3, 3}, {0.1, -1, -1},
	} {
		p.Cluster.MinMeanWeight = x.floor
		if got := p.leastMean(log2Odds(x.others/1000), r); got < x.want-0.01 || got > x.want+0.01 {
			t.Errorf("%g others: %g bits, not %g", x.others, got, x.want)
		}
	}
}

// vetoing finds one pair to be vetoed, which is no edge, and all others alike.
type vetoing struct {
	Engine
	a, b uint32
}

func (v vetoing) Pattern(a, b uint32) Pattern {
	if a == v.a && b == v.b {
		return 5
	}
	return 0
}

// TestNeverHoldsAcrossClusters: two clusters of twenty, and a condition of never for one of their 400 pairs, wherever it is and whatever
// would join them.
func TestNeverHoldsAcrossClusters(t *testing.T) {
	p, r := peoplePlan(3, 1), &Records{N: 40, Source: make([]uint8, 40)}
	p.Cluster.MinMeanWeight = -50
	p.Never = []Condition{{Text: "never", Terms: []Term{{Comparison: 0, Level: 5}}}}
	s := &Scoring{plan: p, prior: -8, r: r, bits: make([][16]float64, 3), terms: make([][]float64, 3)}
	for _, by := range []struct {
		method  Method
		verdict Verdict
	}{{Guarded, Match}, {Guarded, Forced}, {Guarded, Decided}, {Connected, Match}, {Connected, Forced}} {
		p.Cluster.Method = by.method
		for at := range uint32(399) {
			v := vetoing{a: (at + 1) / 20, b: 20 + (at+1)%20}
			var edges []Edge
			for i := uint32(1); i < 20; i++ {
				edges = append(edges, Edge{A: 0, B: i, Weight: 30, Verdict: Match}, Edge{A: 20, B: 20 + i, Weight: 30, Verdict: Match})
			}
			edges = append(edges, Edge{A: 0, B: 20, Weight: 20, Verdict: by.verdict})
			labels := Cluster(p, s, v, r, edges)
			if by.verdict == Match && (labels[0] != labels[19] || labels[20] != labels[39]) {
				t.Fatal("the clusters themselves were not made")
			}
			if by.verdict == Decided && labels[0] != labels[20] {
				t.Fatalf("%v: what a person decided does not hold, with a veto between %d and %d", by.method, v.a, v.b)
			}
			if labels[v.a] == labels[v.b] {
				t.Fatalf("%v by %v: %d and %d are one, with a veto between them", by.method, by.verdict, v.a, v.b)
			}
		}
	}
}
