package match

import (
	"context"
	"math"
	"os"
	"strconv"
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
	edges, err := e.Edges(ctx, nil, func(_, _ uint32, _ Pattern) (float64, Verdict, bool) { return 0, Unsure, true })
	if err != nil || len(edges) == 0 {
		return err
	}
	c := &competition{t: t, edges: edges, post: make([]float64, len(edges)), strength: make([]float64, t.records.N)}
	share := min(0.5, float64(t.records.N)/4/float64(len(edges)))
	if x := os.Getenv("SHARE"); x != "" {
		f, _ := strconv.ParseFloat(x, 64)
		share = f
	}
	c.odds = share / (1 - share)
	for range competeIterations {
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
	share := matches / float64(len(c.edges))
	c.odds = share / (1 - share)
	return change
}
