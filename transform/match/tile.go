package match

import (
	"math/bits"
	"sort"
)

// tileSide is how many records of a block are compared with how many at once: their headers fit into a processor's own cache.
const tileSide = 512

// side are the headers of some records, lane by lane.
type side struct {
	records []uint32
	lanes   [][]uint64
}

func newSide(lanes int) *side {
	// A cache line between the lanes: at the same place in pages of 4 KB they would push each other out of the cache.
	const apart = tileSide + 8
	s, words := &side{lanes: make([][]uint64, lanes)}, make([]uint64, lanes*apart)
	for i := range s.lanes {
		s.lanes[i] = words[i*apart : i*apart+tileSide]
	}
	return s
}

// load takes the headers of records.
func (s *side) load(h *headers, records []uint32) {
	s.records = records
	for k, rec := range records {
		from := h.words[int(rec)*h.stride : (int(rec)+1)*h.stride]
		for i, word := range from {
			s.lanes[i][k] = word
		}
	}
}

// sink takes what became of row i of a tile: the columns in kept are candidates, with their patterns and rules in the worker.
type sink interface {
	row(w *worker, i int, kept []int32) error
}

// worker compares tiles, on one goroutine.
type worker struct {
	m             *Matcher
	sink          sink
	left, right   *side // its own memory
	rows, columns *side // of this tile; the same for a tile on the diagonal
	kept, todo    []int32
	patterns      []Pattern // by column of the tile
	rules         []RuleSet // by column of the tile
	positions     []positions
	lost          [65]int64 // see cosine.lost
	lostOf        *cosine
	lostCode      uint32
	squares       []int64
	pairs         int64 // compared since they were last told
}

func (m *Matcher) newWorker(s sink) *worker {
	return &worker{m: m, sink: s, left: newSide(m.headers.stride), right: newSide(m.headers.stride), kept: make([]int32, tileSide),
		todo: make([]int32, tileSide), patterns: make([]Pattern, tileSide), rules: make([]RuleSet, tileSide),
		positions: make([]positions, m.letterColumns)}
}

// tile compares rows with those columns that stand behind them, as candidates of a rule. Both are in rising order.
func (w *worker) tile(rule int, rows, columns []uint32) error {
	if columns[len(columns)-1] <= rows[0] {
		return nil
	}
	w.left.load(w.m.headers, rows)
	w.rows, w.columns = w.left, w.left
	if &rows[0] != &columns[0] || len(rows) != len(columns) {
		w.right.load(w.m.headers, columns)
		w.columns = w.right
	}
	first := 0
	for i, rec := range rows {
		from := w.m.firstPartner(rec)
		for first < len(columns) && columns[first] < from {
			first++
		}
		if first == len(columns) {
			return nil
		}
		if err := w.row(rule, i, first); err != nil {
			return err
		}
	}
	return nil
}

// firstPartner is the least record that a record can be a candidate with, as the first of the two.
func (m *Matcher) firstPartner(rec uint32) uint32 {
	if len(m.ends) == 0 {
		return rec + 1
	}
	return max(rec+1, m.ends[m.records.Source[rec]])
}

// row compares row i with the columns from first on.
func (w *worker) row(rule, i, first int) error {
	kept := w.candidates(rule, i, first)
	if len(kept) == 0 {
		return nil
	}
	w.pairs += int64(len(kept))
	w.compare(i, kept)
	return w.sink.row(w, i, kept)
}

// candidates gives the columns that no earlier rule has made a pair with row i, and finds out which other rules do.
func (w *worker) candidates(rule, i, first int) []int32 {
	n := 0
	earlier := RuleSet(1)<<rule - 1
	for k := first; k < len(w.columns.records); k++ {
		rules := w.rulesOf(rule, i, k)
		if rules&earlier == 0 {
			w.rules[k], w.patterns[k] = rules, 0
			w.kept[n] = int32(k)
			n++
		}
	}
	return w.kept[:n]
}

// rulesOf are the rules that make row i and column k a pair.
func (w *worker) rulesOf(rule, i, k int) RuleSet {
	rules := RuleSet(1) << rule
	for l, pair := range w.m.ruleLanes {
		differ := w.rows.lanes[l][i] ^ w.columns.lanes[l][k]
		if uint32(differ) == 0 {
			rules |= pair[0]
		}
		if differ>>32 == 0 {
			rules |= pair[1]
		}
	}
	for r, s := range w.m.similar {
		if s.has(w.rows.records[i], w.columns.records[k]) {
			rules |= 1 << r
		}
	}
	return rules
}

// compare finds the patterns of row i and some columns.
func (w *worker) compare(i int, kept []int32) {
	for c := range w.m.comparisons {
		own := &w.m.comparisons[c]
		todo := w.todo[:copy(w.todo, kept)]
		for _, s := range own.nulls {
			todo = s.run(w, i, todo)
		}
		for _, s := range own.steps {
			if len(todo) == 0 {
				break
			}
			todo = s.run(w, i, todo)
		}
		for _, k := range todo {
			w.patterns[k] |= own.other
		}
	}
}

// First is the lowest rule: the one that a candidate counts for.
func (s RuleSet) First() int { return bits.TrailingZeros32(uint32(s)) }

// neighbourhood are the pairs of a Similar rule: of record a those with b > a are others[starts[a]:starts[a+1]], in rising order.
type neighbourhood struct {
	starts []uint64
	others []uint32
}

func (n *neighbourhood) of(a uint32) []uint32 { return n.others[n.starts[a]:n.starts[a+1]] }

func (n *neighbourhood) has(a, b uint32) bool {
	own := n.of(a)
	i := sort.Search(len(own), func(i int) bool { return own[i] >= b })
	return i < len(own) && own[i] == b
}
