package match

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// Where no source has duplicates a record matches at most one of another source, so that its candidates compete: at most one of them is the
// match, and the others show what records look like that are similar and yet not the same. EM over the candidates with that in its first
// step learns m and u among candidates, which for texts (products, papers) is another u than that of pairs taken by chance: there every
// camera of one maker is like every other.
const competeIterations = 100

type competition struct {
	t        *trainer
	edges    []Edge
	odds     float64
	post     []float64
	strength []float64 // by record: sum of the odds of its candidates
}

// compete learns m, u and the prior from candidates that exclude each other.
func (t *trainer) compete(ctx context.Context, e Engine) error {
	lone := t.plan.lone(t.records)
	edges, err := e.Edges(ctx, nil, func(a, b uint32, _ Pattern) (float64, Verdict, bool) {
		return 0, Unsure, lone == nil || !lone[a] || !lone[b]
	})
	if err != nil || len(edges) == 0 {
		return err
	}
	c := &competition{t: t, edges: edges, post: make([]float64, len(edges)), strength: make([]float64, t.records.N)}
	share := min(0.5, float64(t.records.N)/4/float64(len(edges)))
	c.odds = share / (1 - share)
	for range competeIterations {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.step() < 1e-5 {
			break
		}
	}
	t.prior = c.odds / (1 + c.odds)
	t.candidates = true
	return nil
}

func (c *competition) step() float64 {
	t := c.t
	mask := t.plan.all()
	clear(c.strength)
	for i := range c.edges {
		x := &c.edges[i]
		c.post[i] = c.odds * t.model.match(x.Pattern, mask) / t.model.random(x.Pattern, mask)
		c.strength[x.A] += c.post[i]
		c.strength[x.B] += c.post[i]
	}
	m, u, matches := zeros(t.model.m), zeros(t.model.m), 0.0
	for i := range c.edges {
		x := &c.edges[i]
		c.post[i] /= 1 + c.strength[x.A] + c.strength[x.B] - c.post[i]
		matches += c.post[i]
		for k := range m {
			m[k][x.Pattern.Level(k)] += c.post[i]
			u[k][x.Pattern.Level(k)] += 1 - c.post[i]
		}
	}
	change := 0.0
	for k := range m {
		basis := defaultM(&t.plan.Comparisons[k])
		nm, nu := 0.0, 0.0
		for l := 1; l < len(basis); l++ {
			nm, nu = nm+m[k][l], nu+u[k][l]+0.5
		}
		for l := 1; l < len(basis); l++ {
			next := (m[k][l] + priorPairs*basis[l]) / (nm + priorPairs)
			change = max(change, math.Abs(next-t.model.m[k][l]))
			t.model.m[k][l], t.model.u[k][l] = next, (u[k][l]+0.5)/nu
		}
	}
	share := (matches + 0.5) / float64(len(c.edges)+1) // never all of them, so that the odds stay finite
	c.odds = share / (1 - share)
	return change
}

// calibrate moves the prior so that a weight of nothing is where taking more pairs would cost as much as it gains. Of each record's
// candidates that it was not given, the best is known not to be its match; what their weights are is therefore what a record without a
// match would have as its best. How many of the pairs above a weight are such, and how many matches there are at all, follows as in Storey
// (2002); the weight is that of the greatest F1 to be expected.
func (t *trainer) calibrate(ctx context.Context, e Engine, w *Weights) error {
	s, err := NewScoring(t.plan, w, t.records)
	if err != nil {
		return err
	}
	edges, err := e.Edges(ctx, nil, func(a, b uint32, p Pattern) (float64, Verdict, bool) {
		return s.Weight(a, b, p), Unsure, s.lone == nil || !s.lone[a] || !s.lone[b]
	})
	if err != nil {
		return err
	}
	best, other := t.rivals(edges)
	if len(other) < leastRivals {
		return nil
	}
	at, expected := threshold(best, other)
	odds := math.Exp2(log2Odds(w.Prior) - at)
	w.Prior = odds / (1 + odds)
	if expected < leastExpected {
		t.report.Warnings = append(t.report.Warnings, fmt.Sprintf("what the candidates weigh that records were not given promises an F1 of no "+
			"more than %.2f: many matches cannot be told from what is only alike. Compare more fields, or set labels to measure it", expected))
	}
	return nil
}

// leastExpected is the F1 below which people are told what to expect.
const leastExpected = 0.9

// leastRivals is how many records must have a candidate that they were not given before these say anything.
const leastRivals = 50

// rivals are, of each record of the source with the fewest, the weights of what it is given, the greatest first, and of the best that it
// is not, of those that have one. A record with a single candidate does not show what a wrong one would weigh: that is taken to be as of
// the others, for it may be wrong itself.
func (t *trainer) rivals(edges []Edge) (best, other []float64) {
	order := make([]int, len(edges))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, k int) int {
		x, y := &edges[i], &edges[k]
		return cmp.Or(cmp.Compare(y.Weight, x.Weight), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	source := t.smallest()
	taken, given := make([]bool, t.records.N), make([]bool, t.records.N)
	first, second := make([]float64, t.records.N), make([]float64, t.records.N)
	for i := range second {
		second[i] = math.Inf(-1)
	}
	for _, i := range order {
		x := &edges[i]
		free := !taken[x.A] && !taken[x.B]
		for _, rec := range []uint32{x.A, x.B} {
			if t.records.Source[rec] != source {
				continue
			}
			switch {
			case free:
				given[rec], first[rec] = true, x.Weight
			default:
				second[rec] = max(second[rec], x.Weight)
			}
		}
		if free {
			taken[x.A], taken[x.B] = true, true
		}
	}
	for rec, w := range second {
		if t.records.Source[rec] != source || !given[rec] {
			continue
		}
		best = append(best, first[rec])
		if !math.IsInf(w, -1) {
			other = append(other, w)
		}
	}
	return best, other
}

func (t *trainer) smallest() uint8 {
	n := make([]int, len(t.plan.Sources))
	for _, s := range t.records.Source {
		n[s]++
	}
	least := 0
	for s := range n {
		if n[s] > 0 && (n[least] == 0 || n[s] < n[least]) {
			least = s
		}
	}
	return uint8(least)
}

// threshold is the weight with the greatest F1 to be expected of taking all that are above it, and that F1; of weights that are as good,
// the one in the middle.
func threshold(best, other []float64) (at, expected float64) {
	slices.Sort(best)
	slices.Sort(other)
	n := float64(len(best))
	// None is the share of records without a match: at low weights there is nothing else.
	none := 1.0
	for q := 0.2; q < 0.95; q += 0.05 {
		at := other[int(q*float64(len(other)))]
		none = min(none, share(best, at)/share(other, at))
	}
	matches := n * (1 - none)
	f := func(at float64) float64 {
		found := n * (1 - share(best, at))
		wrong := n * none * (1 - share(other, at))
		return 2 * max(0, found-wrong) / max(1, found+matches)
	}
	top := 0.0
	for _, at := range best {
		top = max(top, f(at-1e-9))
	}
	least, most := math.Inf(1), math.Inf(-1)
	for at := math.Floor(best[0]) - 1; at <= best[len(best)-1]; at += 0.25 {
		if f(at) >= 0.999*top {
			least, most = min(least, at), max(most, at)
		}
	}
	if math.IsInf(least, 0) {
		return 0, top
	}
	return (least + most) / 2, top
}

// share is how many of sorted weights are at most at.
func share(sorted []float64, at float64) float64 {
	n, _ := slices.BinarySearchFunc(sorted, at, func(x, y float64) int {
		if x <= y {
			return -1
		}
		return 1
	})
	return float64(n) / float64(max(1, len(sorted)))
}
