package match

import (
	"fmt"
	"math"
	"slices"
)

// Scoring gives pairs their weight: log2 of the odds that they match, the sum of the prior's, of each comparison's log2(m/u), of what a
// value's frequency adds to or takes from exact agreement (Splink's term frequency adjustment), less what groups of comparisons that depend
// on each other have too much. It does not change once made, and may be asked from several goroutines.
type Scoring struct {
	plan   *Plan
	prior  float64
	bits   [][16]float64
	m, u   [][16]float64
	terms  [][]float64 // by comparison and code of its first level's column: bits that exact agreement on it gains
	groups []scoredGroup
	r      *Records
	lone   []bool
	auto   float64 // bits
	review float64
	least  float64 // the lesser of the two
	// most has, by two comparisons and their levels, the bits that they add at most, whatever the values' frequencies.
	most [8][256]float64
}

type scoredGroup struct {
	comparisons []int
	max         float64       // bits; of a group of the file
	rate        float64       // log2 of that of a group that training found
	lift        [][16]float64 // by comparison of the group and level: bits that relatives agree more than any two records
}

// defaultGroupMax is what a group of the file that gives no bits, and of which training found none, may add.
const defaultGroupMax = 20

// NewScoring puts a plan and its weights together. An error says what of the plan the weights do not know.
func NewScoring(p *Plan, w *Weights, r *Records) (*Scoring, error) {
	s := &Scoring{plan: p, r: r, prior: log2Odds(w.Prior), lone: p.lone(r), auto: log2Odds(p.Auto), review: log2Odds(p.Review)}
	s.least = min(s.auto, s.review)
	n := len(p.Comparisons)
	s.bits, s.m, s.u, s.terms = make([][16]float64, n), make([][16]float64, n), make([][16]float64, n), make([][]float64, n)
	for c := range p.Comparisons {
		own := w.comparison(p.Comparisons[c].Name)
		if own == nil || len(own.Levels) != levelsOf(&p.Comparisons[c])-1 {
			return nil, fmt.Errorf("weights of entity %s: comparison %s is not as it was when they were trained: train again",
				p.Entity, p.Comparisons[c].Name)
		}
		for l, lw := range own.Levels {
			s.m[c][l+1], s.u[c][l+1] = lw.M, lw.U
			s.bits[c][l+1] = math.Log2(lw.M / lw.U)
		}
		s.terms[c] = s.termBits(c, own)
	}
	if err := s.group(w); err != nil {
		return nil, err
	}
	s.bound()
	return s, s.finite()
}

// bound fills in the most bits of each two comparisons.
func (s *Scoring) bound() {
	for c := range s.bits {
		rare := 0.0
		for _, bits := range s.terms[c] { // see frequency
			rare = max(rare, bits, -s.bits[c][1])
		}
		for levels := range s.most[c/2] {
			l := levels >> (4 * (c % 2)) & 15
			s.most[c/2][levels] += s.bits[c][l]
			if l == 1 {
				s.most[c/2][levels] += rare
			}
		}
	}
}

// atMost is not less than the sum of a pair with the pattern, whatever its values: a few look-ups. The last bit is for what adding up in
// another order may round otherwise.
func (s *Scoring) atMost(p Pattern) float64 {
	sum := s.prior + 1
	for i := range (len(s.bits) + 1) / 2 {
		sum += s.most[i][uint8(p>>(8*i))]
	}
	return sum
}

// finite refuses weights that are so far apart that their bits are no numbers any more: sums of them would say nothing.
func (s *Scoring) finite() error {
	for c := range s.plan.Comparisons {
		for _, bits := range slices.Concat(s.bits[c][1:levelsOf(&s.plan.Comparisons[c])], s.terms[c]) {
			if math.IsInf(bits, 0) || math.IsNaN(bits) {
				return fmt.Errorf("weights of entity %s: comparison %s has weights that no sum can hold: train again", s.plan.Entity,
					s.plan.Comparisons[c].Name)
			}
		}
	}
	return nil
}

func (w *Weights) comparison(name string) *ComparisonWeights {
	for i := range w.Comparisons {
		if w.Comparisons[i].Name == name {
			return &w.Comparisons[i]
		}
	}
	return nil
}

// termBits are log2(usual share / share of the value).
func (s *Scoring) termBits(c int, w *ComparisonWeights) []float64 {
	cmp := &s.plan.Comparisons[c]
	if !cmp.TF || len(cmp.Levels) == 0 || cmp.Levels[0].Op != Exact || w.Rare == 0 || w.Usual == 0 {
		return nil
	}
	v := &s.r.Columns[cmp.Levels[0].Columns[0]]
	if v.Kind != Text {
		return nil
	}
	terms, shares := make([]float64, v.Dict.Len()), w.shares()
	for code := 1; code < len(terms); code++ {
		share, ok := shares(v.Dict.At(uint32(code)))
		if !ok {
			share = w.Rare
		}
		terms[code] = math.Log2(w.Usual / share)
	}
	return terms
}

func (s *Scoring) group(w *Weights) error {
	for _, g := range s.plan.Groups {
		own := scoredGroup{comparisons: g.Comparisons, max: g.MaxWeight}
		if own.max == 0 {
			own.max = defaultGroupMax
		}
		s.groups = append(s.groups, own)
	}
	for _, g := range w.Groups {
		own := scoredGroup{rate: math.Log2(g.Rate)}
		for i, name := range g.Comparisons {
			c := slices.IndexFunc(s.plan.Comparisons, func(c Comparison) bool { return c.Name == name })
			if c < 0 {
				return fmt.Errorf("weights of entity %s: there is no comparison %s any more: train again", s.plan.Entity, name)
			}
			if i >= len(g.Levels) || len(g.Levels[i]) != levelsOf(&s.plan.Comparisons[c])-1 {
				return fmt.Errorf("weights of entity %s: the group of %s has not the levels of the comparison: train again", s.plan.Entity, name)
			}
			var lift [16]float64
			for l, r := range g.Levels[i] {
				lift[l+1] = math.Log2(r / s.u[c][l+1])
			}
			own.comparisons, own.lift = append(own.comparisons, c), append(own.lift, lift)
		}
		s.groups = append(s.groups, own)
	}
	return nil
}

// Weight is the pair's, in bits, the prior included: log2 of the odds that it matches.
func (s *Scoring) Weight(a, b uint32, p Pattern) float64 {
	return s.bounded(s.sum(a, p), a, p)
}

// sum is the weight without what groups take from it, which is never less than nothing: a bound that costs little.
func (s *Scoring) sum(a uint32, p Pattern) float64 {
	sum := s.prior
	for c := range s.bits {
		sum += s.term(c, a, p)
	}
	return sum
}

// bounded takes from a sum what groups have too much.
func (s *Scoring) bounded(sum float64, a uint32, p Pattern) float64 {
	for i := range s.groups {
		sum -= s.excess(&s.groups[i], a, p)
	}
	return sum
}

// Probability is that of a weight.
func Probability(weight float64) float64 { return 1 / (1 + math.Exp2(-weight)) }

// term is what a comparison adds. At level 1 both have the same value, so that a's is asked.
func (s *Scoring) term(c int, a uint32, p Pattern) float64 {
	l := p.Level(c)
	bits := s.bits[c][l]
	if l == 1 && s.terms[c] != nil {
		bits += s.frequency(c, a)
	}
	return bits
}

// frequency is what the value's frequency adds to exact agreement on it; the agreement on the most frequent does not become a disagreement.
func (s *Scoring) frequency(c int, a uint32) float64 {
	v := &s.r.Columns[s.plan.Comparisons[c].Levels[0].Columns[0]]
	return max(s.terms[c][v.Codes[a]], -s.bits[c][1])
}

// leastLift is that from which on 1 + 2^lift is more than 1.
const leastLift = -54

// excess is what a group's comparisons have more than they may: what is above the file's bound, or, of a group that training found,
// log2(1 + rate · ∏ r/u), u being that of the values that agree.
func (s *Scoring) excess(g *scoredGroup, a uint32, p Pattern) float64 {
	if g.lift != nil {
		lift := g.rate
		for i, c := range g.comparisons {
			l := p.Level(c)
			lift += g.lift[i][l]
			if l == 1 && s.terms[c] != nil {
				lift += s.frequency(c, a)
			}
		}
		if lift < leastLift {
			return 0
		}
		return math.Log2(1 + math.Exp2(min(lift, 900)))
	}
	sum := 0.0
	for _, c := range g.comparisons {
		sum += s.term(c, a, p)
	}
	return max(0, sum-g.max)
}

// Keep is what Engine.Edges is asked with: the weight of a candidate and what is to become of it. Of one that is not kept the weight is only
// more than or as much as its own: most candidates are not even worth what groups take from them.
func (s *Scoring) Keep(a, b uint32, p Pattern) (weight float64, verdict Verdict, ok bool) {
	if weight = s.atMost(p); weight < s.least && s.byWeight(a, b, p) {
		return weight, Unlike, false
	}
	if weight = s.sum(a, p); weight < s.least && s.byWeight(a, b, p) {
		return weight, Unlike, false
	}
	weight = s.bounded(weight, a, p)
	verdict = s.verdict(weight)
	switch {
	case s.any(s.plan.Never, a, b, p):
		return weight, Vetoed, verdict != Unlike
	case s.any(s.plan.Always, a, b, p):
		return weight, Forced, true
	case verdict == Match && s.lone != nil && s.lone[a] && s.lone[b]:
		verdict = Unsure
	}
	return weight, verdict, verdict != Unlike
}

// byWeight says that no condition decides about a pair.
func (s *Scoring) byWeight(a, b uint32, p Pattern) bool {
	return len(s.plan.Always) == 0 && !s.any(s.plan.Never, a, b, p)
}

func (s *Scoring) verdict(weight float64) Verdict {
	switch {
	case weight >= s.auto:
		return Match
	case weight >= s.review:
		return Unsure
	}
	return Unlike
}

func (s *Scoring) any(conditions []Condition, a, b uint32, p Pattern) bool {
	for i := range conditions {
		if s.holds(conditions[i].Terms, a, b, p) {
			return true
		}
	}
	return false
}

func (s *Scoring) holds(terms []Term, a, b uint32, p Pattern) bool {
	for _, t := range terms {
		if t.Comparison >= 0 {
			if p.Level(t.Comparison) != t.Level {
				return false
			}
			continue
		}
		v := &s.r.Columns[t.Column]
		if v.Null(int(a)) || v.Null(int(b)) || v.same(int(a), int(b)) == t.Differs {
			return false
		}
	}
	return len(terms) > 0
}

// same says whether two records that have a value have the same.
func (v *Values) same(a, b int) bool {
	switch v.Kind {
	case Text:
		return v.Codes[a] == v.Codes[b]
	case List:
		return slices.Equal(v.Codes[v.Starts[a]:v.Starts[a+1]], v.Codes[v.Starts[b]:v.Starts[b+1]])
	}
	return v.Numbers[a] == v.Numbers[b]
}

// Contribution is one bar of a pair's waterfall.
type Contribution struct {
	Name  string  `json:"name"`  // prior, a comparison, or the comparisons of a group
	Kind  string  `json:"kind"`  // prior, level, frequency, cap
	Level string  `json:"level"` // of a comparison
	M     float64 `json:"m,omitempty"`
	U     float64 `json:"u,omitempty"`
	Bits  float64 `json:"bits"`
}

// Explain is the waterfall of a pair: its bits, added up in their order, are its weight.
func (s *Scoring) Explain(a, b uint32, p Pattern) []Contribution {
	out := []Contribution{{Name: "prior", Kind: "prior", Bits: s.prior}}
	for c := range s.plan.Comparisons {
		cmp, l := &s.plan.Comparisons[c], p.Level(c)
		out = append(out, Contribution{Name: cmp.Name, Kind: "level", Level: cmp.levelName(l), M: s.m[c][l], U: s.u[c][l], Bits: s.bits[c][l]})
		if l == 1 && s.terms[c] != nil {
			out = append(out, Contribution{Name: cmp.Name, Kind: "frequency", Level: cmp.levelName(l), Bits: s.frequency(c, a)})
		}
	}
	for i := range s.groups {
		g := &s.groups[i]
		if x := s.excess(g, a, p); x > 0 {
			name := ""
			for _, c := range g.comparisons {
				if name != "" {
					name += ", "
				}
				name += s.plan.Comparisons[c].Name
			}
			out = append(out, Contribution{Name: name, Kind: "cap", Bits: -x})
		}
	}
	return out
}
