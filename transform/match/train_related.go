package match

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// findPrior is the prior at which the candidates' probabilities add up to it. Matches that no rule makes candidates are not counted.
func (t *trainer) findPrior() {
	x := t.explain()
	x.fit()
	t.prior = min(x.rates[0], 0.5)
	for k := range t.model.related {
		t.model.related[k].rate = x.rates[2+k]
	}
}

func (t *trainer) all() []patternCount {
	if t.patterns != nil {
		return t.patterns
	}
	patterns := map[Pattern]float64{}
	for _, c := range t.counts {
		patterns[c.Pattern] += float64(c.Pairs)
	}
	t.patterns = sorted(patterns)
	return t.patterns
}

// rates of the kinds among all pairs.
func (t *trainer) rates() []float64 {
	rates := []float64{t.prior, 1 - t.prior}
	for _, k := range t.model.related {
		rates = append(rates, max(k.rate, 0.1/t.pairs))
	}
	return rates
}

func (t *trainer) posterior(p Pattern) float64 {
	rates := t.rates()
	post := make([]float64, len(rates))
	t.model.posteriors(p, t.plan.all(), rates, post)
	return 1 - post[1]
}

// relatives looks for a kind of pairs that agree in some comparisons like matches and in the others like any: the set of comparisons that
// explains the counts best, when it explains them much better. It may be one comparison: where that explains them, no other is to blame.
func (t *trainer) relatives() bool {
	n := len(t.plan.Comparisons)
	who := t.persons()
	least, most, kinds := 1, mostTogether, mostRelated
	if who.known() { // a household has all of an address in common
		kinds = mostRelatedPersons
		if n <= mostTried {
			most = n
		}
		if len(t.model.related) == kinds-1 {
			least = leastHousehold
		}
	}
	if n < 3 || len(t.model.related) >= kinds {
		return false
	}
	x := t.explain()
	x.telling()
	base := x.fit()
	var best related
	gain := 0.0
	for set := uint32(1); set < 1<<n; set++ {
		if k := bits.OnesCount32(set); k < least || k > most || k == n || who.oneself(set) {
			continue
		}
		if t.stopped() != nil {
			return false
		}
		y := x.with(t, related{comparisons: set, rate: t.prior})
		if g := y.fit() - base; g > gain {
			gain, best = g, related{comparisons: set, rate: y.rates[len(y.rates)-1]}
		}
	}
	if gain < leastGain || best.rate*t.pairs < leastSession {
		return false
	}
	t.model.related = append(t.model.related, best)
	t.refine(len(t.model.related) - 1)
	return true
}

// persons are the comparisons of records of persons, as bits, by the names of the fields.
type persons struct {
	own   uint32 // what nobody shares: birth date, e-mail address
	given uint32 // given names
	names uint32 // these, other names, and what says little
}

// known is whether that is what records are of.
func (p persons) known() bool { return p.own != 0 && p.given != 0 }

// oneself is whether those who agree in a set of comparisons are one person and not two that are related: they have in common what nobody
// shares, or the given name and more than names. People move, and marry; the counts cannot tell them from a household or from namesakes.
func (p persons) oneself(set uint32) bool {
	return p.known() && (set&p.own != 0 || set&p.given != 0 && set&^p.names != 0)
}

func (t *trainer) persons() persons {
	var p persons
	for i := range t.plan.Comparisons {
		bit := uint32(1) << i
		if t.model.u[i][1] > saysLittle {
			p.names |= bit
		}
		for _, c := range t.plan.Comparisons[i].Columns {
			for _, field := range t.plan.Columns[c].madeOf() {
				switch {
				case named(field, "place", "city", "country"):
				case named(field, "birth", "born", "dob", "mail"):
					p.own |= bit
				case named(field, "first", "given", "fore"):
					p.given, p.names = p.given|bit, p.names|bit
				case named(field, "name", "last", "family"):
					p.names |= bit
				}
			}
		}
	}
	return p
}

// dropRare leaves out kinds of pairs of which, once all is learned, there are too few to know anything of them.
func (t *trainer) dropRare() {
	t.model.related = slices.DeleteFunc(t.model.related, func(k related) bool { return k.rate*t.pairs < leastSession })
}

// refine learns how relatives agree in their comparisons: a street and a city of the same name are no household.
func (t *trainer) refine(k int) {
	own := &t.model.related[k]
	mask := t.plan.all()
	own.r = cloneAll(t.model.m)
	for range refineIterations {
		t.findPrior()
		sums, post, rates := zeros(t.model.m), make([]float64, 2+len(t.model.related)), t.rates()
		for _, x := range t.all() {
			t.model.posteriors(x.p, mask, rates, post)
			for c := range sums {
				sums[c][x.p.Level(c)] += x.n * post[2+k]
			}
		}
		for c := range sums {
			if own.comparisons&(1<<c) == 0 {
				continue
			}
			n := 0.0
			for l := 1; l < len(sums[c]); l++ {
				n += sums[c][l]
			}
			for l := 1; l < len(sums[c]); l++ {
				own.r[c][l] = (sums[c][l] + priorPairs*t.model.u[c][l]) / (n + priorPairs)
			}
		}
	}
}

// explanation is how kinds of pairs explain the counts: by pattern, how likely each kind has it, and by kind, its share of all pairs.
type explanation struct {
	pattern []Pattern
	n       []float64
	p       [][]float64 // by kind and pattern
	rates   []float64
	pairs   float64
}

func (t *trainer) explain() *explanation {
	x := &explanation{rates: t.rates(), pairs: t.pairs, p: make([][]float64, 2+len(t.model.related))}
	mask := t.plan.all()
	for _, k := range t.all() {
		x.pattern, x.n = append(x.pattern, k.p), append(x.n, k.n)
		x.p[0] = append(x.p[0], t.model.match(k.p, mask))
		x.p[1] = append(x.p[1], t.model.random(k.p, mask))
		for i := range t.model.related {
			x.p[2+i] = append(x.p[2+i], t.model.relative(i, k.p, mask))
		}
	}
	return x
}

// telling leaves the most frequent patterns: what explains those explains the others.
func (x *explanation) telling() {
	if len(x.n) <= tellingPatterns {
		return
	}
	order := make([]int, len(x.n))
	for i := range order {
		order[i] = i
	}
	worth := func(i int) float64 { return x.n[i] * math.Log(1+x.n[i]/(x.pairs*x.p[1][i])) }
	slices.SortStableFunc(order, func(i, k int) int { return cmp.Compare(worth(k), worth(i)) })
	y := explanation{rates: x.rates, pairs: x.pairs, p: make([][]float64, len(x.p))}
	for _, i := range order[:tellingPatterns] {
		y.pattern, y.n = append(y.pattern, x.pattern[i]), append(y.n, x.n[i])
		for k := range x.p {
			y.p[k] = append(y.p[k], x.p[k][i])
		}
	}
	*x = y
}

// with is the same with one more kind.
func (x *explanation) with(t *trainer, r related) *explanation {
	d := model{m: t.model.m, u: t.model.u, related: []related{r}}
	own := make([]float64, len(x.pattern))
	for i, p := range x.pattern {
		own[i] = d.relative(0, p, t.plan.all())
	}
	return &explanation{pattern: x.pattern, n: x.n, p: append(slices.Clone(x.p), own), rates: append(slices.Clone(x.rates), r.rate),
		pairs: x.pairs}
}

// fit runs EM for the rates alone, and returns the log of the counts' likelihood.
func (x *explanation) fit() float64 {
	sum, next := 0.0, make([]float64, len(x.rates))
	for range rateIterations {
		clear(next)
		sum = 0
		for i, n := range x.n {
			all := 0.0
			for k := range x.p {
				all += x.rates[k] * x.p[k][i]
			}
			for k := range x.p {
				next[k] += n * x.rates[k] * x.p[k][i] / all
			}
			sum += n * math.Log(all)
		}
		for k := range next {
			x.rates[k] = max(next[k], 0.1) / x.pairs
		}
		x.rates[1] = 1
	}
	return sum
}
