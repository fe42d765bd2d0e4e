package match

import (
	"math"
	"math/bits"
	"slices"
)

// session is EM in the candidates of one rule.
type session struct {
	Session
	m    [][]float64
	mask uint32
	n    []float64 // matches with a value, by comparison
}

func (t *trainer) sessions() {
	var all, drifted []session
	var apart []int
	t.report.Sessions, t.apart = nil, nil
	for r := range t.plan.Rules {
		s, ok := t.session(r)
		if !ok {
			continue
		}
		t.report.Sessions = append(t.report.Sessions, s.Session)
		if s.Matches*float64(s.Pairs) < leastSession || s.Matches < leastShare {
			continue
		}
		if unlike := t.unlike(&s); len(unlike) > 1 {
			apart, drifted = append(apart, unlike...), append(drifted, s)
		} else if t.clear(&s) {
			all = append(all, s)
		}
	}
	switch {
	case matchesOf(all) >= matchesOf(drifted):
		// Matches are what most sessions have found; how some of them differ is seen in the others.
		all = append(all, slices.DeleteFunc(drifted, func(s session) bool { return !t.clear(&s) })...)
	case len(all) == 0:
		t.apart = apart
	}
	for c := range t.plan.Comparisons {
		t.average(c, all)
	}
}

// matchesOf is how many matches sessions have found.
func matchesOf(sessions []session) float64 {
	n := 0.0
	for _, s := range sessions {
		n += s.Matches * float64(s.Pairs)
	}
	return n
}

// clear says that a session's matches are the matches. Where few candidates match, and what is left open hardly says which, EM has taken
// another likeness for it, such as being in the same city.
func (t *trainer) clear(s *session) bool { return s.Matches >= 0.5 || t.told(s) >= leastTold }

// unlike are the comparisons in which most of a session's matches disagree. Records of one thing may do so in one, which says nothing of
// it; where they do in several, EM has taken for matches what belongs together for another reason, as a household does. Fields in which no
// two records have the same value, such as keys, tell neither.
func (t *trainer) unlike(s *session) []int {
	var all []int
	for c := range s.m {
		if s.mask&(1<<c) != 0 && s.n[c] >= leastSession && s.m[c][len(s.m[c])-1] > 0.5 && !t.distinct(c) {
			all = append(all, c)
		}
	}
	return all
}

// distinct says whether no two records have the same value in what a comparison compares.
func (t *trainer) distinct(c int) bool {
	share, ok := t.records.agreeing(t.plan.Comparisons[c].Columns[0])
	return ok && share == 0
}

// told is by how many bits a session's matches are told from its other candidates, in the mean.
func (t *trainer) told(s *session) float64 {
	bits := log2Odds(s.Matches)
	for c := range s.m {
		if s.mask&(1<<c) == 0 {
			continue
		}
		have := s.n[c] / (s.Matches * float64(s.Pairs)) // matches with a value
		for l := 1; l < len(s.m[c]); l++ {
			bits += have * s.m[c][l] * math.Log2(s.m[c][l]/t.model.u[c][l])
		}
	}
	return bits
}

// average is m of a comparison over the sessions in which it was free, each with the number of its matches and their share: where few
// candidates match, what is learned of the matches is blurred by the others.
func (t *trainer) average(c int, all []session) {
	m, weight := carefulM(&t.plan.Comparisons[c]), 0.0
	sum := make([]float64, len(m))
	for _, s := range all {
		if s.mask&(1<<c) == 0 || s.n[c] < leastSession {
			continue
		}
		w := s.n[c] * s.Matches
		weight += w
		for l := range sum {
			sum[l] += w * s.m[c][l]
		}
	}
	t.trained[c] = weight > 0
	if t.trained[c] {
		for l := range m {
			m[l] = sum[l] / weight
		}
	}
	m[0] = 1
	t.model.m[c] = m
}

// heldOut are the comparisons of a rule's own columns.
func (t *trainer) heldOut(r int) uint32 {
	rule := &t.plan.Rules[r]
	columns := rule.Keys
	if rule.Similar != nil {
		columns = rule.Similar.Columns
	}
	held := uint32(0)
	for i := range t.plan.Comparisons {
		if t.plan.shares(columns, t.plan.Comparisons[i].Columns) {
			held |= 1 << i
		}
	}
	return held
}

// shares says whether two sets of columns are made of a common field.
func (p *Plan) shares(a, b []int) bool {
	for _, x := range a {
		for _, y := range b {
			for _, field := range p.Columns[x].madeOf() {
				if slices.Contains(p.Columns[y].madeOf(), field) {
					return true
				}
			}
		}
	}
	return false
}

func (t *trainer) session(r int) (session, bool) {
	held := t.heldOut(r)
	mask := t.plan.all() &^ held
	if bits.OnesCount32(mask) < 2 || held == 0 {
		return session{}, false
	}
	patterns := map[Pattern]float64{}
	s := session{mask: mask, Session: Session{Rule: t.plan.Rules[r].Name}}
	for _, c := range t.counts {
		if c.Rules&(1<<r) != 0 {
			patterns[c.Pattern.project(mask)] += float64(c.Pairs)
			s.Pairs += c.Pairs
		}
	}
	for c := range t.plan.Comparisons {
		if held&(1<<c) != 0 {
			s.Left = append(s.Left, t.plan.Comparisons[c].Name)
		}
	}
	if s.Pairs == 0 {
		return session{}, false
	}
	t.expect(&s, sorted(patterns))
	return s, true
}

type patternCount struct {
	p Pattern
	n float64
}

func sorted(patterns map[Pattern]float64) []patternCount {
	list := make([]patternCount, 0, len(patterns))
	for p, n := range patterns {
		list = append(list, patternCount{p, n})
	}
	slices.SortFunc(list, func(a, b patternCount) int {
		if a.p < b.p {
			return -1
		}
		return 1
	})
	return list
}

// expect runs EM: shares of the kinds of pairs, and m, are what they must be if each candidate is of its kinds as likely as these say.
func (t *trainer) expect(s *session, patterns []patternCount) {
	d := model{m: cloneAll(t.model.m), u: t.model.u, related: t.model.related}
	kinds := make([]float64, 2+len(d.related)) // match, random, related…
	// Few pairs match: an even start lets EM take whatever kind of likeness is the most frequent for matches.
	for i := range kinds {
		kinds[i] = min(1/float64(len(kinds)), float64(t.records.N)/2/float64(s.Pairs))
	}
	kinds[1] = 1 - kinds[0]*float64(len(kinds)-1)
	s.n = make([]float64, len(d.m))
	post := make([]float64, len(kinds))
	for s.Iterations < emIterations && !s.Converged && t.stopped() == nil {
		s.Iterations++
		sums, total := zeros(d.m), make([]float64, len(kinds))
		for _, k := range patterns {
			d.posteriors(k.p, s.mask, kinds, post)
			for i := range post {
				total[i] += k.n * post[i]
			}
			for c := range d.m {
				sums[c][k.p.Level(c)] += k.n * post[0]
			}
		}
		change := math.Abs(kinds[0] - total[0]/float64(s.Pairs))
		for i := range kinds {
			kinds[i] = max(total[i]/float64(s.Pairs), 1e-12)
		}
		change = max(change, t.maximize(&d, s, sums))
		s.Converged = change < 1e-4
	}
	s.m, s.Matches = d.m, kinds[0]
	s.Prior = kinds[0] * float64(s.Pairs) / t.pairs
}

// posteriors are the probabilities of the kinds for a pattern.
func (d *model) posteriors(p Pattern, mask uint32, kinds, post []float64) {
	post[0], post[1] = kinds[0]*d.match(p, mask), kinds[1]*d.random(p, mask)
	sum := post[0] + post[1]
	for k := range d.related {
		post[2+k] = kinds[2+k] * d.relative(k, p, mask)
		sum += post[2+k]
	}
	for i := range post {
		post[i] /= sum
	}
}

// maximize is m of what was summed, the defaults being priorPairs more.
func (t *trainer) maximize(d *model, s *session, sums [][]float64) float64 {
	change := 0.0
	for c := range d.m {
		if s.mask&(1<<c) == 0 {
			continue
		}
		basis, n := defaultM(&t.plan.Comparisons[c]), 0.0
		for l := 1; l < len(sums[c]); l++ {
			n += sums[c][l]
		}
		s.n[c] = n
		// The more candidates do not match, the more of them are alike for another reason.
		doubt := priorPairs + doubtShare*max(0, float64(s.Pairs)-n)
		for l := 1; l < len(sums[c]); l++ {
			m := (sums[c][l] + doubt*basis[l]) / (n + doubt)
			change, d.m[c][l] = max(change, math.Abs(m-d.m[c][l])), m
		}
	}
	return change
}

func cloneAll(a [][]float64) [][]float64 {
	out := make([][]float64, len(a))
	for i := range a {
		out[i] = slices.Clone(a[i])
	}
	return out
}

func zeros(a [][]float64) [][]float64 {
	out := make([][]float64, len(a))
	for i := range a {
		out[i] = make([]float64, len(a[i]))
	}
	return out
}
