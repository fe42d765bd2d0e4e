package match

import "math"

// model holds the probabilities of Fellegi and Sunter (1969): by comparison and level, among pairs that match (m) and among those that do
// not (u). Level 0, a missing value, has probability 1 in both: it says nothing.
type model struct {
	m, u [][]float64
	// related are kinds of pairs that agree in some comparisons as matches do, and in the others as any two records.
	related []related
}

// related is one such kind, as the members of a household are.
type related struct {
	comparisons uint32      // as bits
	rate        float64     // of all pairs
	r           [][]float64 // by comparison and level, as m; nil: they agree in those comparisons as matches do
}

// match and random are the probabilities of a pattern in the comparisons of the mask.
func (d *model) match(p Pattern, mask uint32) float64  { return product(d.m, p, mask) }
func (d *model) random(p Pattern, mask uint32) float64 { return product(d.u, p, mask) }

func (d *model) relative(k int, p Pattern, mask uint32) float64 {
	own, r := d.related[k].comparisons, d.related[k].r
	if r == nil {
		r = d.m
	}
	return product(r, p, mask&own) * product(d.u, p, mask&^own)
}

func product(probabilities [][]float64, p Pattern, mask uint32) float64 {
	x := 1.0
	for c := range probabilities {
		if mask&(1<<c) != 0 {
			x *= probabilities[c][p.Level(c)]
		}
	}
	return x
}

// levelsOf is how many levels a comparison has, the missing value and else included.
func levelsOf(c *Comparison) int { return len(c.Levels) + 2 }

// all is the mask of all comparisons.
func (p *Plan) all() uint32 { return 1<<len(p.Comparisons) - 1 }

// project leaves the levels of the mask's comparisons.
func (p Pattern) project(mask uint32) Pattern {
	out := Pattern(0)
	for c := range 16 {
		if mask&(1<<c) != 0 {
			out |= p & (15 << (4 * c))
		}
	}
	return out
}

// defaultM is how the levels of a comparison are shared out among matches when nothing is known: one in twenty disagrees, and of the others
// each level takes three quarters of what the stronger ones left, or an even share where levels are grades of one similarity.
func defaultM(c *Comparison) []float64 {
	m := make([]float64, levelsOf(c))
	m[0] = 1
	last := len(m) - 1
	m[last] = 0.05
	if graded(c) {
		for l := 1; l < last; l++ {
			m[l] = 0.95 / float64(last-1)
		}
		return m
	}
	left := 0.95
	for l := 1; l < last; l++ {
		m[l] = left * 0.75
		if l == last-1 {
			m[l] = left
		}
		left -= m[l]
	}
	return m
}

// carefulM is the same of a comparison of which no session has told anything, where nothing shows that half alike is enough: of the grades
// of a similarity each takes half of what the stronger ones left.
func carefulM(c *Comparison) []float64 {
	m := defaultM(c)
	if !graded(c) {
		return m
	}
	last, left := len(m)-1, 1-m[len(m)-1]
	for l := 1; l < last; l++ {
		if m[l] = left / 2; l == last-1 {
			m[l] = left
		}
		left -= m[l]
	}
	return m
}

// graded says whether most levels of a comparison are grades of one similarity of texts.
func graded(c *Comparison) bool {
	n := 0
	for i := range c.Levels {
		switch c.Levels[i].Op {
		case Cosine, Cosine3, TokenSet, Percent:
			n++
		}
	}
	return n >= 4
}

// isotone makes weights fall from level to level: neighbours that do not are pooled, as in the regression of Ayer and others (1955). Of a
// level at which values are exchanged nothing is known beforehand, so it is left alone.
func isotone(c *Comparison, m, u []float64) {
	type pool struct {
		m, u   float64
		levels []int
	}
	var pools []pool
	for l := 1; l < len(m); l++ {
		if l <= len(c.Levels) && c.Levels[l-1].Op == Swapped {
			continue
		}
		pools = append(pools, pool{m[l], u[l], []int{l}})
		for n := len(pools); n > 1 && pools[n-1].m*pools[n-2].u > pools[n-2].m*pools[n-1].u; n = len(pools) {
			a, b := pools[n-2], pools[n-1]
			pools = append(pools[:n-2], pool{a.m + b.m, a.u + b.u, append(a.levels, b.levels...)})
		}
	}
	for _, p := range pools {
		for _, l := range p.levels {
			// The ratio is the pool's; u stays what was counted.
			if len(p.levels) > 1 {
				m[l] = u[l] * p.m / p.u
			}
		}
	}
}

func log2Odds(p float64) float64 { return math.Log2(p / (1 - p)) }
