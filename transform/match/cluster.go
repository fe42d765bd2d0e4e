package match

import (
	"cmp"
	"context"
	"slices"
)

const (
	crossPairs = 200       // pairs across two clusters that are looked at for their weight before they are merged
	vetoPairs  = 1_000_000 // and for conditions of never; clusters that have more are not merged
)

// clusterer merges clusters by edges in falling weight, as average linkage does, so that no chain of good pairs makes one thing of records
// that have little to do with each other.
type clusterer struct {
	plan    *Plan
	scoring *Scoring
	engine  Engine
	records *Records
	sets    Sets
	members map[uint32][]uint32 // by root; none for a record by itself
	known   map[uint64]float64  // weights of edges
	enemies map[uint32][]uint32 // by root: those that its records may not be with
	grown   map[uint32]bool     // roots of clusters that were merged in this round
	least   float64             // bits that the pairs across two clusters must have in the mean, the prior not counted
}

// Cluster gives each record the least record of its cluster, and sets the verdict of edges that would match but may not to Refused.
// What comes out does not depend on the order of the edges.
func Cluster(p *Plan, s *Scoring, e Engine, r *Records, edges []Edge) []uint32 {
	labels, err := ClusterContext(context.Background(), p, s, e, r, edges)
	if err != nil { // nothing else ends it
		panic(err)
	}
	return labels
}

// ClusterContext is Cluster, but for ending early with an error when it is told to.
func ClusterContext(ctx context.Context, p *Plan, s *Scoring, e Engine, r *Records, edges []Edge) ([]uint32, error) {
	c := &clusterer{plan: p, scoring: s, engine: e, records: r, sets: NewSets(r.N), members: map[uint32][]uint32{},
		known: make(map[uint64]float64, len(edges)), enemies: map[uint32][]uint32{}, least: p.leastMean(s.prior, r)}
	order := make([]int, 0, len(edges))
	for i, x := range edges {
		c.known[pairOf(x.A, x.B)] = x.Weight
		switch x.Verdict {
		case Vetoed, Split:
			c.enemies[x.A] = append(c.enemies[x.A], x.B)
			c.enemies[x.B] = append(c.enemies[x.B], x.A)
		case Decided, Forced, Match:
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, k int) int {
		x, y := &edges[i], &edges[k]
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(y.Weight, x.Weight), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	if p.Cluster.Method == OneToOne {
		order = c.unrivalled(edges, order)
	}
	if err := c.merge(ctx, edges, order); err != nil {
		return nil, err
	}
	labels := make([]uint32, r.N)
	for i := range labels {
		labels[i] = c.sets.Find(uint32(i))
	}
	return labels, nil
}

// rank puts what people have decided before what conditions force, and that before what weighs.
func rank(x *Edge) int { return slices.Index([]Verdict{Decided, Forced, Match}, x.Verdict) }

// leastMean is the plan's least mean, and more where a record has less than one other to be expected: there most clusters are pairs, a
// third record is the exception, and where they are as few as half of that the pairs across must match by themselves. Where there are
// many, that two records have matches in common speaks for them already. A plan that takes less than nothing is left alone.
func (p *Plan) leastMean(prior float64, r *Records) float64 {
	least := p.Cluster.MinMeanWeight
	if least < 0 || r.N == 0 {
		return least
	}
	others := 2 * Probability(prior) * possiblePairs(p, r) / float64(r.N)
	return least + min(1, max(0, 2-2*others))*max(0, -prior-least)
}

// unrivalled leaves the edges whose records have no other that is as good because it says the very same, and refuses those that have: which
// of them is the match nobody can tell.
func (c *clusterer) unrivalled(edges []Edge, order []int) []int {
	best := make([]int, c.records.N) // by record: the number of its first edge, plus 1
	rival := make([]bool, len(edges))
	for _, i := range order {
		x := &edges[i]
		for k, rec := range []uint32{x.A, x.B} {
			if best[rec] == 0 {
				best[rec] = i + 1
				continue
			}
			o := &edges[best[rec]-1]
			if o.Weight == x.Weight && c.plan.identical(c.records, other(o, rec), []uint32{x.B, x.A}[k]) {
				rival[i], rival[best[rec]-1] = true, true
			}
		}
	}
	var out []int
	for _, i := range order {
		if edges[i].Verdict == Match && rival[i] {
			edges[i].Verdict = Refused
			continue
		}
		out = append(out, i)
	}
	return out
}

func other(x *Edge, rec uint32) uint32 {
	if x.A == rec {
		return x.B
	}
	return x.A
}

// identical says whether two records have the same in all that is compared.
func (p *Plan) identical(r *Records, a, b uint32) bool {
	for _, c := range p.Comparisons {
		for _, col := range c.Columns {
			v := &r.Columns[col]
			if v.Null(int(a)) != v.Null(int(b)) || !v.Null(int(a)) && !v.same(int(a), int(b)) {
				return false
			}
		}
	}
	return true
}

// merge goes over the edges until nothing is merged any more: what was refused may be right once one of its clusters has grown.
func (c *clusterer) merge(ctx context.Context, edges []Edge, order []int) error {
	for round := 0; len(order) > 0; round++ {
		var refused []int
		merged, before := 0, c.grown
		c.grown = map[uint32]bool{}
		for n, i := range order {
			if n%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			x := &edges[i]
			a, b := c.sets.Find(x.A), c.sets.Find(x.B)
			if a == b {
				continue
			}
			if round > 0 && !before[a] && !before[b] && !c.grown[a] && !c.grown[b] {
				refused = append(refused, i)
				continue
			}
			if !c.may(a, b, x.Verdict) {
				refused = append(refused, i)
				continue
			}
			c.union(a, b)
			merged++
		}
		if merged == 0 {
			for _, i := range refused {
				edges[i].Verdict = Refused
			}
			return nil
		}
		order = refused
	}
	return nil
}

func (c *clusterer) of(root uint32) []uint32 {
	if own := c.members[root]; own != nil {
		return own
	}
	return []uint32{root}
}

// union makes one cluster of two, under the least of their records. The shorter list of members goes behind the longer, so that a cluster
// that grows by single records is not copied for each.
func (c *clusterer) union(a, b uint32) {
	if b < a {
		a, b = b, a
	}
	c.members[a] = oneList(c.of(a), c.of(b))
	delete(c.members, b)
	if enemies := oneList(c.enemies[a], c.enemies[b]); len(enemies) > 0 {
		c.enemies[a] = enemies
		delete(c.enemies, b)
	}
	c.sets.Union(a, b)
	c.grown[a] = true
}

func oneList(x, y []uint32) []uint32 {
	if len(x) < len(y) {
		x, y = y, x
	}
	return append(x, y...)
}

// may says whether two clusters may be one by an edge. What a person has decided comes before all else; never holds against whatever else
// would put records together.
func (c *clusterer) may(a, b uint32, by Verdict) bool {
	if by == Decided {
		return true
	}
	if c.hostile(a, b) {
		return false
	}
	x, y := c.of(a), c.of(b)
	if by == Forced || c.plan.Cluster.Method == Connected {
		return !c.vetoed(x, y)
	}
	if c.plan.Cluster.MaxSize > 0 && len(x)+len(y) > c.plan.Cluster.MaxSize {
		return false
	}
	if c.plan.Cluster.Method == OneToOne && c.doubled(x, y) {
		return false
	}
	if c.plan.Cluster.Method == OneToOne && len(x)+len(y) == 2 {
		return true // the edge itself
	}
	return c.mean(x, y)-c.scoring.prior >= c.least && !c.vetoed(x, y)
}

// hostile says whether an edge that is vetoed or split lies between two clusters.
func (c *clusterer) hostile(a, b uint32) bool {
	if len(c.enemies[b]) < len(c.enemies[a]) {
		a, b = b, a
	}
	for _, enemy := range c.enemies[a] {
		if c.sets.Find(enemy) == b {
			return true
		}
	}
	return false
}

// vetoed says whether a condition of never holds for any pair across two clusters, edge or not. More pairs than vetoPairs are not looked
// at, and no pair may then be taken to be free of vetoes.
func (c *clusterer) vetoed(x, y []uint32) bool {
	if len(c.plan.Never) == 0 {
		return false
	}
	if len(x)*len(y) > vetoPairs {
		return true
	}
	for _, a := range x {
		for _, b := range y {
			if _, ok := c.known[pairOf(a, b)]; ok {
				continue // an edge: hostile knows
			}
			if p := c.engine.Pattern(min(a, b), max(a, b)); c.scoring.any(c.plan.Never, min(a, b), max(a, b), p) {
				return true
			}
		}
	}
	return false
}

// doubled says whether two clusters have records of the same source that has no duplicates.
func (c *clusterer) doubled(x, y []uint32) bool {
	var has [256]bool
	for _, a := range x {
		has[c.records.Source[a]] = c.plan.Sources[c.records.Source[a]].DuplicateFree
	}
	return slices.ContainsFunc(y, func(b uint32) bool { return has[c.records.Source[b]] })
}

// mean is the mean weight of the pairs across (the prior with it), or of every so many of them where there are more than crossPairs. The
// step has no divisor in common with the length of a row, so that it meets every record of y.
func (c *clusterer) mean(x, y []uint32) float64 {
	n := len(x) * len(y)
	step := (n + crossPairs - 1) / crossPairs
	for step > 1 && gcd(step, len(y)) > 1 {
		step++
	}
	sum, k := 0.0, 0
	for i := 0; i < n; i += step {
		a, b := x[i/len(y)], y[i%len(y)]
		weight, ok := c.known[pairOf(a, b)]
		if !ok {
			weight = c.scoring.Weight(a, b, c.engine.Pattern(min(a, b), max(a, b)))
		}
		sum, k = sum+weight, k+1
	}
	return sum / float64(k)
}

func gcd(a, b int) int {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}
