package match

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
)

// Config says what a Matcher may use. Its zero value is one goroutine for each processor and 256 MB for edges.
type Config struct {
	Threads int
	// Memory is how many bytes of edges are held before they are written to a temporary file.
	Memory int64
	// MostEdges is how many edges there may be; with more comparing ends early, with ErrTooManyEdges. 0: any number.
	MostEdges int64
	Temp      string // folder for that file; "" is that of the system
	// Progress is told from time to time how many pairs have been compared, and of how many (0: not known). It is called from several
	// goroutines at once.
	Progress func(done, of int64)
}

func (c Config) defaults() Config {
	if c.Threads <= 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	if c.Memory <= 0 {
		c.Memory = 256 << 20
	}
	if c.Temp == "" {
		c.Temp = os.TempDir()
	}
	return c
}

// Matcher is the Engine that runs. It gives each pair the levels that Reference gives it. Read NewEngine, then worker.tile.
type Matcher struct {
	config  Config
	plan    *Plan
	records *Records

	ends        []uint32         // see sourceEnds
	blocks      []*blocks        // by rule; nil for a Similar one
	similar     []*neighbourhood // by rule; nil for one with keys
	refused     error
	headers     *headers
	ruleLanes   [][2]RuleSet // of the first lanes: the rules whose keys are in their lower and upper half
	comparisons []comparison

	letterColumns int       // how many columns are compared by letters
	idle          sync.Pool // of workers that compare single pairs
}

// NewEngine finds the blocks of a plan's rules and makes the headers of its records. Rules that would make too many pairs are no error yet:
// Predict says what each makes, and Count and Edges fail with a RefusedError before they compare anything.
func NewEngine(ctx context.Context, c Config, p *Plan, r *Records) (*Matcher, error) {
	if len(p.Rules) > MaxRules {
		return nil, fmt.Errorf("entity %q has %d blocking rules, at most %d are possible", p.Entity, len(p.Rules), MaxRules)
	}
	if r.N > MaxRecords {
		return nil, fmt.Errorf("entity %q has %d records, at most %d can be matched at once", p.Entity, r.N, MaxRecords)
	}
	if err := checkRules(p); err != nil {
		return nil, fmt.Errorf("entity %q: %w", p.Entity, err)
	}
	m := &Matcher{config: c.defaults(), plan: p, records: r}
	var err error
	if m.ends, err = sourceEnds(p, r); err != nil {
		return nil, fmt.Errorf("entity %q: %w", p.Entity, err)
	}
	if err := m.block(ctx); err != nil {
		return nil, err
	}
	if err := m.compile(); err != nil {
		return nil, fmt.Errorf("entity %q: %w", p.Entity, err)
	}
	return m, ctx.Err()
}

// checkRules makes sure that rules look at what they can look at.
func checkRules(p *Plan) error {
	for _, r := range p.Rules {
		if r.Similar == nil && len(r.Keys) == 0 {
			return fmt.Errorf("blocking rule %q has neither keys nor similar columns", r.Name)
		}
		if r.Similar == nil {
			continue
		}
		for _, c := range r.Similar.Columns {
			if p.Columns[c].Kind != Text {
				return fmt.Errorf("blocking rule %q: %s is no text, so nothing is similar to it", r.Name, p.Columns[c].Name)
			}
		}
	}
	return nil
}

// block finds the candidates of all rules. When those with keys make too many, nothing is looked for that is similar.
func (m *Matcher) block(ctx context.Context) error {
	m.blocks = make([]*blocks, len(m.plan.Rules))
	m.similar = make([]*neighbourhood, len(m.plan.Rules))
	g := groupOf(m.config.Threads)
	for i, r := range m.plan.Rules {
		if r.Similar != nil {
			m.similar[i] = &neighbourhood{starts: make([]uint64, m.records.N+1)} // none yet
			continue
		}
		g.Go(func() error { m.blocks[i] = block(m.plan, m.records, i, m.ends); return ctx.Err() })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, r := range m.plan.Rules {
		if r.Similar == nil {
			continue
		}
		if m.refused = m.refuse(); m.refused != nil {
			continue
		}
		if err := m.findNearest(ctx, i); err != nil {
			return fmt.Errorf("blocking rule %q: %w", r.Name, err)
		}
	}
	if m.refused == nil {
		m.refused = m.refuse()
	}
	return nil
}

// visitsPerPair is how many times more records may be looked at for a Similar rule than pairs may be compared: it costs about that much
// less.
const visitsPerPair = 100

// findNearest finds the pairs of a Similar rule, unless that would be more work than comparing all pairs that may be compared.
func (m *Matcher) findNearest(ctx context.Context, rule int) error {
	x := newSimilarIndex(m.records, m.plan.Rules[rule].Similar, m.ends)
	if visits := x.visits(); m.plan.MaxPairs > 0 && visits/visitsPerPair > m.plan.MaxPairs {
		m.refused = fmt.Errorf("blocking rule %q would look at %d pairs to find those that are nearest, max_pairs of %d allows for %d: "+
			"take columns whose words are rarer, words instead of trigrams, or a greater floor",
			m.plan.Rules[rule].Name, visits, m.plan.MaxPairs, m.plan.MaxPairs*visitsPerPair)
		return nil
	}
	var err error
	m.similar[rule], err = x.nearest(ctx, m.config.Threads)
	return err
}

// compile makes steps of the levels, and headers of the records.
func (m *Matcher) compile() error {
	l := &lanes{index: map[lane]int{}}
	keyed := m.addRuleLanes(l)
	c := &levelCompiler{plan: m.plan, records: m.records, lanes: l, columns: map[int]int{}}
	var err error
	if m.comparisons, err = c.compile(); err != nil {
		return err
	}
	f := measure(m.records, l, m.config.Threads)
	for _, bind := range c.bound {
		bind(f)
	}
	m.letterColumns = len(c.columns)
	m.headers = buildHeaders(m.records, f, l, keyed, m.config.Threads)
	return nil
}

// addRuleLanes puts the keys of the rules into the first lanes, two in each.
func (m *Matcher) addRuleLanes(l *lanes) []*blocks {
	var keyed []*blocks
	var rules []RuleSet
	for i, b := range m.blocks {
		if b != nil {
			keyed, rules = append(keyed, b), append(rules, 1<<i)
		}
	}
	for i := 0; i < len(keyed); i += 2 {
		second, high := -1, RuleSet(0)
		if i+1 < len(keyed) {
			second, high = i+1, rules[i+1]
		}
		l.wantOf(lane{ruleLane, i, second})
		m.ruleLanes = append(m.ruleLanes, [2]RuleSet{rules[i], high})
	}
	return keyed
}

// Predict says how many pairs each rule makes.
func (m *Matcher) Predict() []Predicted {
	all := make([]Predicted, len(m.blocks))
	for i, b := range m.blocks {
		if b != nil {
			all[i] = b.found
			continue
		}
		all[i] = Predicted{Rule: i, Pairs: int64(len(m.similar[i].others))}
	}
	return all
}

// Overflows says which rules have blocks that are too large, and are to be skipped or told for review.
func (m *Matcher) Overflows() []Overflowed {
	var all []Overflowed
	for _, b := range m.blocks {
		if b != nil && b.over.Blocks > 0 {
			all = append(all, b.over)
		}
	}
	return all
}

// refuse is the error of a plan that would make too many pairs.
func (m *Matcher) refuse() error {
	e := &RefusedError{Plan: m.plan, Predicted: m.Predict()}
	for _, o := range m.Overflows() {
		if m.plan.Rules[o.Rule].Overflow == Refuse {
			e.Overflowed = append(e.Overflowed, o)
		}
	}
	total := int64(0)
	for _, p := range e.Predicted {
		total += p.Pairs
	}
	if len(e.Overflowed) > 0 || m.plan.MaxPairs > 0 && total > m.plan.MaxPairs {
		return e
	}
	return nil
}

// Count implements Engine.
func (m *Matcher) Count(ctx context.Context, since []bool) ([]Count, error) {
	counters := make([]*counter, m.config.Threads)
	sinks := make([]sink, m.config.Threads)
	for i := range counters {
		counters[i] = newCounter()
		sinks[i] = counters[i]
	}
	if err := m.compare(ctx, since, sinks); err != nil {
		return nil, err
	}
	return mergeCounts(counters), nil
}

// Edges implements Engine.
func (m *Matcher) Edges(ctx context.Context, since []bool, keep Keep) ([]Edge, error) {
	var all []Edge
	err := m.EachEdge(ctx, since, keep, func(e Edge) error {
		all = append(all, e)
		return nil
	})
	return all, err
}

// Refused is the error of a plan that would make too many pairs, nil else: Count and Edges fail with it.
func (m *Matcher) Refused() error { return m.refused }

// Pattern implements Engine.
func (m *Matcher) Pattern(a, b uint32) Pattern {
	w, ok := m.idle.Get().(*worker)
	if !ok {
		w = m.newWorker(nil)
	}
	defer m.idle.Put(w)
	return w.one(a, b)
}

// one compares one pair.
func (w *worker) one(a, b uint32) Pattern {
	w.load([]uint32{min(a, b)}, []uint32{max(a, b)})
	w.patterns[0], w.kept[0] = 0, 0
	w.compare(0, w.kept[:1])
	return w.patterns[0]
}
