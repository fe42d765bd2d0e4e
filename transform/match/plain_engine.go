package match

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/millrace/millrace/transform/match/similar"
)

// PlainEngine is an Engine of maps and loops over Reference: what the fast one is held against, and enough for some ten thousand records.
type PlainEngine struct {
	reference *Reference
	keys      [][]uint32            // by rule: the number of each record's key; 0 for none, or one whose block is too large
	near      []map[uint64]struct{} // by rule: the pairs of a Similar rule
}

// NewPlainEngine finds each rule's blocks. A block that is too large is an error when its rule refuses such.
func NewPlainEngine(p *Plan, r *Records) (*PlainEngine, error) {
	e := &PlainEngine{reference: NewReference(p, r), keys: make([][]uint32, len(p.Rules)), near: make([]map[uint64]struct{}, len(p.Rules))}
	for i := range p.Rules {
		rule := &p.Rules[i]
		if rule.Similar != nil {
			e.near[i] = e.nearest(rule.Similar)
			continue
		}
		if err := e.block(i, rule); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *PlainEngine) block(i int, rule *Rule) error {
	r := e.reference.Records
	keys, sizes, numbers := make([]uint32, r.N), []int{0}, map[string]uint32{}
	for rec := range r.N {
		key, ok := r.key(rule.Keys, rec)
		if !ok {
			continue
		}
		n, known := numbers[key]
		if !known {
			n = uint32(len(sizes))
			numbers[key], sizes = n, append(sizes, 0)
		}
		keys[rec] = n
		sizes[n]++
	}
	for rec, n := range keys {
		if rule.MaxBlock == 0 || sizes[n] <= rule.MaxBlock {
			continue
		}
		if rule.Overflow == Refuse {
			return fmt.Errorf("block by %s: %d records share one key, more than %d: add a key to the rule, or let it skip such blocks",
				rule.Name, sizes[n], rule.MaxBlock)
		}
		keys[rec] = 0
	}
	e.keys[i] = keys
	return nil
}

// key is what a record must have in common with another; false when a part is missing.
func (r *Records) key(columns []int, rec int) (string, bool) {
	var key []byte
	for _, c := range columns {
		v := &r.Columns[c]
		if v.Null(rec) {
			return "", false
		}
		switch v.Kind {
		case Text:
			key = binary.LittleEndian.AppendUint32(key, v.Codes[rec])
		case List:
			for _, code := range v.Codes[v.Starts[rec]:v.Starts[rec+1]] {
				key = binary.LittleEndian.AppendUint32(key, code)
			}
		default:
			key = fmt.Appendf(key, "%g|", v.Numbers[rec])
		}
	}
	return string(key), true
}

// nearest are the pairs of each record and the records that are most like it.
func (e *PlainEngine) nearest(s *Similar) map[uint64]struct{} {
	texts := e.reference.Records.termsOf(s)
	terms := NewTerms(texts)
	having := map[string][]uint32{}
	norms := make([]float64, len(texts))
	for rec, own := range texts {
		for _, term := range own {
			having[term] = append(having[term], uint32(rec))
		}
		norms[rec] = float64(terms.square(own))
	}
	pairs := map[uint64]struct{}{}
	var mutex sync.Mutex
	e.parallel(len(texts), func(from, to int) {
		common, touched := make([]int64, len(texts)), []uint32{}
		for rec := from; rec < to; rec++ {
			touched = touched[:0]
			for _, term := range texts[rec] {
				w := terms.weight(term)
				for _, other := range having[term] {
					if common[other] == 0 {
						touched = append(touched, other)
					}
					common[other] += w * w
				}
			}
			best := e.best(s, uint32(rec), touched, common, norms)
			mutex.Lock()
			for _, other := range best {
				pairs[pairOf(uint32(rec), other)] = struct{}{}
			}
			mutex.Unlock()
			for _, other := range touched {
				common[other] = 0
			}
		}
	})
	return pairs
}

// termsOf are the words or trigrams of each record.
func (r *Records) termsOf(s *Similar) [][]string {
	split := similar.Words
	if s.Grams == 3 {
		split = similar.Trigrams
	}
	texts := make([][]string, r.N)
	for rec := range r.N {
		for _, c := range s.Columns {
			if v := &r.Columns[c]; !v.Null(rec) {
				texts[rec] = append(texts[rec], split(v.Dict.At(v.Codes[rec]))...)
			}
		}
		slices.Sort(texts[rec])
		texts[rec] = slices.Compact(texts[rec])
	}
	return texts
}

func (e *PlainEngine) best(s *Similar, rec uint32, touched []uint32, common []int64, norms []float64) []uint32 {
	type scored struct {
		rec    uint32
		square float64 // of the cosine
	}
	var all []scored
	for _, other := range touched {
		if !e.allowed(rec, other) {
			continue
		}
		c := float64(common[other])
		if square := c * c / (norms[rec] * norms[other]); square >= s.Floor*s.Floor {
			all = append(all, scored{other, square})
		}
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(b.square, a.square), cmp.Compare(a.rec, b.rec)) })
	var best []uint32
	for _, o := range all[:min(len(all), s.Top)] {
		best = append(best, o.rec)
	}
	return best
}

// allowed says whether two records may be a candidate at all.
func (e *PlainEngine) allowed(a, b uint32) bool {
	r := e.reference.Records
	return a != b && (r.Source[a] != r.Source[b] || !e.reference.Plan.Sources[r.Source[a]].DuplicateFree)
}

func pairOf(a, b uint32) uint64 { return uint64(min(a, b))<<32 | uint64(max(a, b)) }

// rules are those that make a pair a candidate.
func (e *PlainEngine) rules(a, b uint32) RuleSet {
	set := RuleSet(0)
	for i := range e.keys {
		if e.near[i] != nil {
			if _, ok := e.near[i][pairOf(a, b)]; ok {
				set |= 1 << i
			}
		} else if n := e.keys[i][a]; n != 0 && n == e.keys[i][b] {
			set |= 1 << i
		}
	}
	return set
}

// each calls visit with every candidate once, a < b; from several goroutines, which worker tells apart.
func (e *PlainEngine) each(since []bool, visit func(worker int, a, b uint32, rules RuleSet)) {
	for i := range e.keys {
		if e.near[i] != nil {
			e.eachNear(i, since, visit)
			continue
		}
		blocks := map[uint32][]uint32{}
		for rec, n := range e.keys[i] {
			if n != 0 {
				blocks[n] = append(blocks[n], uint32(rec))
			}
		}
		list := make([][]uint32, 0, len(blocks))
		for _, b := range blocks {
			list = append(list, b)
		}
		e.eachOf(list, i, since, visit)
	}
}

func (e *PlainEngine) eachOf(blocks [][]uint32, rule int, since []bool, visit func(worker int, a, b uint32, rules RuleSet)) {
	e.workers(func(worker, workers int) {
		for k := worker; k < len(blocks); k += workers {
			for i, a := range blocks[k] {
				for _, b := range blocks[k][i+1:] {
					e.offer(worker, rule, a, b, since, visit)
				}
			}
		}
	})
}

func (e *PlainEngine) eachNear(rule int, since []bool, visit func(worker int, a, b uint32, rules RuleSet)) {
	pairs := make([]uint64, 0, len(e.near[rule]))
	for p := range e.near[rule] {
		pairs = append(pairs, p)
	}
	e.workers(func(worker, workers int) {
		for k := worker; k < len(pairs); k += workers {
			e.offer(worker, rule, uint32(pairs[k]>>32), uint32(pairs[k]), since, visit)
		}
	})
}

// offer visits a pair that a rule makes, unless an earlier one did.
func (e *PlainEngine) offer(worker, rule int, a, b uint32, since []bool, visit func(worker int, a, b uint32, rules RuleSet)) {
	if since != nil && !since[a] && !since[b] || !e.allowed(a, b) {
		return
	}
	rules := e.rules(a, b)
	if rules&(1<<rule-1) == 0 {
		visit(worker, a, b, rules)
	}
}

func (e *PlainEngine) workers(work func(worker, workers int)) {
	var wait sync.WaitGroup
	n := runtime.GOMAXPROCS(0)
	for worker := range n {
		wait.Go(func() { work(worker, n) })
	}
	wait.Wait()
}

func (e *PlainEngine) parallel(n int, work func(from, to int)) {
	e.workers(func(worker, workers int) { work(n*worker/workers, n*(worker+1)/workers) })
}

type countKey struct {
	pattern Pattern
	rules   RuleSet
}

// Count is Engine.Count.
func (e *PlainEngine) Count(_ context.Context, since []bool) ([]Count, error) {
	counts := make([]map[countKey]int64, runtime.GOMAXPROCS(0))
	for i := range counts {
		counts[i] = map[countKey]int64{}
	}
	e.each(since, func(worker int, a, b uint32, rules RuleSet) {
		counts[worker][countKey{e.Pattern(a, b), rules}]++
	})
	return sortedCounts(counts), nil
}

func sortedCounts(counts []map[countKey]int64) []Count {
	sum := map[countKey]int64{}
	for _, c := range counts {
		for k, n := range c {
			sum[k] += n
		}
	}
	list := make([]Count, 0, len(sum))
	for k, n := range sum {
		list = append(list, Count{k.pattern, k.rules, n})
	}
	slices.SortFunc(list, func(a, b Count) int { return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Rules, b.Rules)) })
	return list
}

// Sample is Engine.Sample.
func (e *PlainEngine) Sample(_ context.Context, n int) ([]Count, error) {
	random, counts := rand.New(rand.NewPCG(1, 2)), map[countKey]int64{}
	records := uint32(e.reference.Records.N)
	if records < 2 {
		return nil, nil
	}
	for tries := 0; n > 0 && tries < 20*n+1000; tries++ {
		a, b := random.Uint32N(records), random.Uint32N(records)
		if e.allowed(a, b) {
			counts[countKey{e.Pattern(a, b), 0}]++
			n--
		}
	}
	return sortedCounts([]map[countKey]int64{counts}), nil
}

// Edges is Engine.Edges.
func (e *PlainEngine) Edges(_ context.Context, since []bool, keep Keep) ([]Edge, error) {
	found := make([][]Edge, runtime.GOMAXPROCS(0))
	e.each(since, func(worker int, a, b uint32, rules RuleSet) {
		p := e.Pattern(a, b)
		if weight, verdict, ok := keep(a, b, p); ok {
			found[worker] = append(found[worker], Edge{A: a, B: b, Pattern: p, Rules: rules, Weight: weight, Verdict: verdict})
		}
	})
	edges := slices.Concat(found...)
	slices.SortFunc(edges, func(a, b Edge) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	return edges, nil
}

// Pattern is Engine.Pattern.
func (e *PlainEngine) Pattern(a, b uint32) Pattern { return e.reference.Pattern(int(a), int(b)) }
