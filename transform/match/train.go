package match

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// How weights are learned without labels, after Fellegi and Sunter (1969), Winkler (1988) and the way of Splink (training rationale in its
// docs):
//
//   - u is counted among pairs taken by chance, and exact agreement from how often each value occurs; the matches among them are taken out
//     again once they are known.
//   - m comes from EM within each blocking rule's candidates, the comparisons of the rule's own columns held out: that the candidates agree
//     in these was asked for. What the sessions say is averaged.
//   - The prior is what makes the candidates' probabilities add up to the matches that it promises.
//   - Pairs that agree for another reason (households) are a third kind of pair, found by how much better it explains the counts.
const (
	samplePairs      = 1_000_000
	emIterations     = 100
	trainRounds      = 4
	priorPairs       = 10.0 // matches that the default m counts as, beside what EM finds
	leastSession     = 20.0 // matches; a session with fewer says nothing
	doubtShare       = 0.01 // of the candidates that do not match, that may be taken for matches
	leastShare       = 0.02 // of a session's candidates that match; where it is less, the others blur what is learned
	leastTold        = 5    // bits by which a session's matches are told from its other candidates, in the mean
	tellingPatterns  = 3000 // by how much more often than by chance they occur
	leastGain        = 50   // nats by which one more kind of pairs must explain the counts better
	mostRelated      = 2
	refineIterations = 10
	rateIterations   = 30
)

type trainer struct {
	plan       *Plan
	records    *Records
	counts     []Count
	random     []Count
	patterns   []patternCount // of all candidates, whatever their rules
	pairs      float64        // that could match at all
	prior      float64
	model      model
	trained    []bool // by comparison: m was free in a session
	report     Training
	candidates bool  // m, u and prior are those of candidates
	apart      []int // comparisons in which most of what looked like matches disagrees, where nothing else did
	stopped    func() error
}

// Train learns weights from the records themselves.
func Train(ctx context.Context, p *Plan, r *Records, e Engine) (*Weights, error) {
	t := &trainer{plan: p, records: r, pairs: possiblePairs(p, r), stopped: ctx.Err}
	var err error
	if t.counts, err = e.Count(ctx, nil); err != nil {
		return nil, err
	}
	if t.random, err = e.Sample(ctx, int(min(samplePairs, max(1000, 2*t.pairs)))); err != nil {
		return nil, err
	}
	t.start()
	for range trainRounds {
		t.learn()
	}
	if t.plan.Cluster.Method == OneToOne {
		if err := t.compete(ctx, e); err != nil {
			return nil, err
		}
	} else if t.relatives() {
		for range trainRounds {
			t.learn()
		}
		t.relatives()
		t.dropRare()
	}
	if err := t.stopped(); err != nil {
		return nil, err
	}
	t.warn()
	w := t.weights()
	if t.plan.Cluster.Method == OneToOne {
		return w, t.calibrate(ctx, e, w)
	}
	return w, nil
}

// possiblePairs is how many pairs there are, those within duplicate-free sources left out.
func possiblePairs(p *Plan, r *Records) float64 {
	n := make([]float64, len(p.Sources))
	for _, s := range r.Source {
		n[s]++
	}
	pairs := float64(r.N) * float64(r.N-1) / 2
	for s := range n {
		if p.Sources[s].DuplicateFree {
			pairs -= n[s] * (n[s] - 1) / 2
		}
	}
	return max(pairs, 1)
}

// start is the model before anything is learned.
func (t *trainer) start() {
	t.report = Training{Records: t.records.N}
	for _, c := range t.counts {
		t.report.Pairs += c.Pairs
	}
	for _, c := range t.random {
		t.report.Random += c.Pairs
	}
	for i := range t.plan.Comparisons {
		t.model.m = append(t.model.m, defaultM(&t.plan.Comparisons[i]))
	}
	t.trained = make([]bool, len(t.plan.Comparisons))
	t.prior = min(0.1, max(1, float64(t.records.N))/2/t.pairs)
	t.chance(nil)
}

// chance is u: of the pairs taken by chance, less the matches among them by the model so far.
func (t *trainer) chance(posterior func(Pattern) float64) {
	u, shares := make([][]float64, len(t.plan.Comparisons)), make([]float64, len(t.random))
	for i, k := range t.random {
		shares[i] = float64(k.Pairs)
		if posterior != nil {
			shares[i] *= 1 - posterior(k.Pattern)
		}
	}
	for c := range u {
		u[c] = make([]float64, levelsOf(&t.plan.Comparisons[c]))
		n := 0.0
		for i, k := range t.random {
			if l := k.Pattern.Level(c); l > 0 {
				u[c][l] += shares[i]
				n += shares[i]
			}
		}
		t.exactly(c, u[c], n)
		// Half a pair for each level: what was not seen among n may still be.
		sum := 0.0
		for l := 1; l < len(u[c]); l++ {
			u[c][l] += 0.5
			sum += u[c][l]
		}
		for l := range u[c] {
			u[c][l] /= sum
		}
		u[c][0] = 1
	}
	t.model.u = u
}

// exactly replaces what was counted of exact agreement by what the values' frequencies say of all pairs.
func (t *trainer) exactly(c int, u []float64, n float64) {
	cmp := &t.plan.Comparisons[c]
	if len(cmp.Levels) == 0 || cmp.Levels[0].Op != Exact || n == 0 {
		return
	}
	share, ok := t.records.agreeing(cmp.Levels[0].Columns[0])
	if !ok {
		return
	}
	// The matches among all pairs agree too; they are no chance.
	share -= t.prior * t.model.m[c][1]
	u[1] = n * max(share, 0)
}

// agreeing is the share of pairs of records with a value that have the same one.
func (r *Records) agreeing(column int) (float64, bool) {
	v := &r.Columns[column]
	if v.Kind != Text {
		return 0, false
	}
	n, same := 0.0, 0.0
	for code, k := range v.Dict.counts(v.Codes) {
		if code > 0 {
			n += float64(k)
			same += float64(k) * float64(k-1)
		}
	}
	if n < 2 {
		return 0, false
	}
	return same / (n * (n - 1)), true
}

// counts is how often each text occurs.
func (d *Dict) counts(codes []uint32) []int {
	n := make([]int, d.Len())
	for _, c := range codes {
		n[c]++
	}
	return n
}

// learn is one round: the sessions, the prior, and u without the matches.
func (t *trainer) learn() {
	t.sessions()
	t.findPrior()
	t.chance(t.posterior)
}

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
	if n < 3 || len(t.model.related) >= mostRelated {
		return false
	}
	x := t.explain()
	x.telling()
	base := x.fit()
	var best related
	gain := 0.0
	for set := uint32(1); set < 1<<n; set++ {
		if k := bits.OnesCount32(set); k > 4 || n-k < 1 {
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

// warn tells what people should know of the weights before they trust them.
func (t *trainer) warn() {
	say := func(format string, args ...any) {
		t.report.Warnings = append(t.report.Warnings, fmt.Sprintf(format, args...))
	}
	switch {
	case t.records.N < 2:
		say("there are fewer than two records: all weights are defaults")
		return
	case t.report.Pairs == 0:
		say("no blocking rule makes two records a candidate: all weights are defaults, and nothing will match")
		return
	}
	if agree := t.exactPrior(); agree > 10*t.prior {
		say("about %.0f pairs of records agree exactly in all that both have, but by the weights only about %.0f match: look at the weights "+
			"before you trust them", agree*t.pairs, t.prior*t.pairs)
	}
	var names []string
	for c, trained := range t.trained {
		if !trained {
			names = append(names, t.plan.Comparisons[c].Name)
		}
	}
	if len(names) > 0 && !t.candidates {
		say("%s: default weights, because no blocking rule that leaves them open has at least %.0f matches that can be told apart",
			strings.Join(names, ", "), leastSession)
	}
	if names = t.namesOf(t.apart); len(names) > 0 && !t.candidates {
		say("most pairs that look alike disagree in %s: they are taken to belong together for another reason than being the same, and the "+
			"weights are defaults; if they are the same, leave what disagrees out of compare", enumerated(names))
	}
	if others := 2 * t.prior * t.pairs / float64(t.records.N); others > 1 && !t.candidates && !t.mostlySame() {
		say("by the weights a record has %.1f others that are the same, and yet in no comparison do most of them agree fully: what was "+
			"learned may be what is alike, not what is the same. Look at the clusters; say of which sources it holds that they are "+
			"duplicate_free, compare what tells more, or set labels", others)
	}
	for _, k := range t.model.related {
		names = nil
		free, lift := 0.0, math.Log2(k.rate)
		for c := range t.plan.Comparisons {
			if k.comparisons&(1<<c) != 0 {
				names = append(names, t.plan.Comparisons[c].Name)
				free += math.Log2(t.model.m[c][1] / t.model.u[c][1])
				lift += math.Log2(k.r[c][1] / t.model.u[c][1])
			}
		}
		say("records that agree in %s for another reason than being the same (about %.0f pairs): full agreement there is worth %.0f bits "+
			"instead of %.0f", enumerated(names), k.rate*t.pairs, free-math.Log2(1+math.Exp2(min(lift, 900))), free)
	}
}

// mostlySame says whether there is a comparison in which most matches agree at its first level.
func (t *trainer) mostlySame() bool {
	return slices.ContainsFunc(t.model.m, func(m []float64) bool { return len(m) > 1 && m[1] > 0.5 })
}

// namesOf are the names of comparisons, each once, in their order.
func (t *trainer) namesOf(comparisons []int) []string {
	var names []string
	for c := range t.plan.Comparisons {
		if slices.Contains(comparisons, c) {
			names = append(names, t.plan.Comparisons[c].Name)
		}
	}
	return names
}

// exactPrior is the share of pairs that agree exactly in at least three comparisons, or all, and disagree in none.
func (t *trainer) exactPrior() float64 {
	sum := 0.0
	for _, k := range t.counts {
		agree, ok := 0, true
		for c := range t.plan.Comparisons {
			switch l := k.Pattern.Level(c); l {
			case 0:
			case 1:
				agree++
			default:
				ok = false
			}
		}
		if ok && agree >= min(3, len(t.plan.Comparisons)) {
			sum += float64(k.Pairs)
		}
	}
	return sum / t.pairs
}

// weights is what was learned, as it is written.
func (t *trainer) weights() *Weights {
	w := &Weights{Format: 1, Entity: t.plan.Entity, Prior: t.prior, Training: &t.report}
	for c := range t.plan.Comparisons {
		cmp := &t.plan.Comparisons[c]
		isotone(cmp, t.model.m[c], t.model.u[c])
		own := ComparisonWeights{Name: cmp.Name}
		from := "default"
		if t.trained[c] {
			from = "trained"
		}
		for l := 1; l < levelsOf(cmp); l++ {
			own.Levels = append(own.Levels, LevelWeights{Name: cmp.levelName(l), M: t.model.m[c][l], U: t.model.u[c][l], From: from})
		}
		if cmp.TF && len(cmp.Levels) > 0 {
			column := cmp.Levels[0].Columns[0]
			own.Frequent, own.Rare = frequencies(&t.records.Columns[column])
			// Where nearly all values are rare few pairs agree, and to agree on a rare one is still no less than usual.
			own.Usual, _ = t.records.agreeing(column)
			own.Usual = max(own.Usual, own.Rare)
		}
		w.Comparisons = append(w.Comparisons, own)
	}
	for _, k := range t.model.related {
		g := GroupWeights{Rate: k.rate, From: "found"}
		for c := range t.plan.Comparisons {
			if k.comparisons&(1<<c) != 0 {
				g.Comparisons = append(g.Comparisons, t.plan.Comparisons[c].Name)
				g.Levels = append(g.Levels, k.r[c][1:])
			}
		}
		w.Groups = append(w.Groups, g)
	}
	return w
}

// levelName is what a level is called, 0 being null and the last else.
func (c *Comparison) levelName(l int) string {
	switch {
	case l == 0:
		return "null"
	case l > len(c.Levels):
		return "else"
	}
	return c.Levels[l-1].Name
}

// frequencies are the shares of the values that are frequent, and that of the others: the mean over pairs that agree.
func frequencies(v *Values) (map[string]float64, float64) {
	if v.Kind != Text {
		return nil, 0
	}
	counts, n := v.Dict.counts(v.Codes), 0
	for code, k := range counts {
		if code > 0 {
			n += k
		}
	}
	if n == 0 {
		return nil, 0
	}
	const most = 20_000
	least := leastFrequent(counts[1:], most)
	frequent, sum, square := map[string]float64{}, 0.0, 0.0
	for code, k := range counts {
		switch {
		case code == 0 || k == 0:
		case k >= least:
			frequent[v.Dict.At(uint32(code))] = float64(k) / float64(n)
		case k > 1:
			sum += float64(k)
			square += float64(k) * float64(k)
		}
	}
	rare := 2 / float64(n)
	if sum > 0 {
		rare = square / sum / float64(n)
	}
	return frequent, rare
}

// leastFrequent is how often a value must occur to be one of the most.
func leastFrequent(counts []int, most int) int {
	sorted := slices.Clone(counts)
	slices.Sort(sorted)
	least := 3
	if len(sorted) > most {
		least = max(least, sorted[len(sorted)-most]+1)
	}
	return least
}
