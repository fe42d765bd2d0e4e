package match

import (
	"context"
	"errors"
	"math/bits"
	"testing"
)

// TestRulesOf asks of every pair what the plain way says of the candidates.
func TestRulesOf(t *testing.T) {
	r, p := randomRecords(300, 5), randomPlan()
	m, err := NewEngine(t.Context(), Config{Threads: 2}, p, r)
	if err != nil {
		t.Fatal(err)
	}
	since := make([]bool, r.N)
	for i := range since {
		since[i] = i%5 == 1
	}
	keyed := RuleSet(0)
	for i := range p.Rules {
		if p.Rules[i].Similar == nil {
			keyed |= 1 << i
		}
	}
	want, wrong, pairs := plainCandidates(p, r, nil), 0, int64(0)
	for a := range uint32(r.N) {
		for b := a + 1; b < uint32(r.N); b++ {
			set := want[[2]uint32{a, b}]
			if m.RulesOf(a, b) != set || m.RulesOf(b, a) != set {
				wrong++
			}
			if since[a] || since[b] {
				pairs += int64(bits.OnesCount32(uint32(set & keyed)))
			}
		}
	}
	if wrong > 0 || len(want) < 500 {
		t.Errorf("%d pairs have other rules; there are %d candidates", wrong, len(want))
	}
	if got := m.Pairs(since); got != pairs || pairs == 0 {
		t.Errorf("%d pairs with a new record, not %d", got, pairs)
	}
}

// TestEdgesHash: what says which pairs are edges changes it, and what does not leaves it.
func TestEdgesHash(t *testing.T) {
	hash := func(change func(*Plan)) string {
		p := randomPlan()
		change(p)
		text, err := p.EdgesHash()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	same := hash(func(*Plan) {})
	if hash(func(p *Plan) { p.MaxPairs++; p.Cluster.MaxSize++ }) != same {
		t.Error("clusters are made anew in each run, and may change")
	}
	for name, change := range map[string]func(*Plan){"rule": func(p *Plan) { p.Rules[0].MaxBlock++ }, "threshold": func(p *Plan) { p.Review += 0.01 },
		"source": func(p *Plan) { p.Sources[0].DuplicateFree = !p.Sources[0].DuplicateFree }, "level": func(p *Plan) { p.Comparisons[0].Levels[0].Arg++ },
		"condition": func(p *Plan) { p.Always = append(p.Always, Condition{Terms: []Term{{Level: 1}}}) }, "column": func(p *Plan) { p.Columns[0].Name += "x" }} {
		if hash(change) == same {
			t.Errorf("another %s, and the same hash", name)
		}
	}
}

// stopping is an engine that is told to end when it has given the pairs by chance: the last that training asks of it.
type stopping struct {
	Engine
	stop context.CancelFunc
}

func (s *stopping) Sample(ctx context.Context, n int) ([]Count, error) {
	defer s.stop()
	return s.Engine.Sample(ctx, n)
}

func TestStopped(t *testing.T) {
	r, p := randomRecords(300, 5), randomPlan()
	p.Comparisons, p.Groups, p.Never, p.Always = p.Comparisons[:4], nil, nil, nil
	m, err := NewEngine(t.Context(), Config{Threads: 2}, p, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if _, err := Train(ctx, p, r, &stopping{m, stop}); !errors.Is(err, context.Canceled) {
		t.Errorf("training: %v", err)
	}
	w, err := Train(t.Context(), p, r, m)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewScoring(p, w, r)
	if err != nil {
		t.Fatal(err)
	}
	edges := []Edge{{A: 1, B: 2, Weight: 20, Verdict: Match}}
	if _, err := ClusterContext(ctx, p, s, m, r, edges); !errors.Is(err, context.Canceled) {
		t.Errorf("clustering: %v", err)
	}
}
