package match

import (
	"context"
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
	mostRelated      = 2    // kinds of related pairs
	mostTogether     = 4    // comparisons in which related pairs agree
	refineIterations = 10
	rateIterations   = 30
)

// The same of persons, of whom more is known.
const (
	mostRelatedPersons = 3
	leastHousehold     = 3   // comparisons in which the last kind agrees
	mostTried          = 8   // comparisons of which all sets are tried
	saysLittle         = 0.1 // share of pairs at random that agree
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
		for t.relatives() {
		}
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
