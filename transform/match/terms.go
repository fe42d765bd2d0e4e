package match

import (
	"slices"

	"github.com/millrace/millrace/transform/match/similar"
)

// termLists are the words, or trigrams, of the texts of a column, as sorted numbers.
type termLists struct {
	starts []uint32 // of the terms of text c: nums[starts[c]:starts[c+1]]
	nums   []uint32
	names  []string // by number
}

func (t *termLists) at(code uint32) []uint32 { return t.nums[t.starts[code]:t.starts[code+1]] }

func newTermLists(d *Dict, split func(string) []string) *termLists {
	t := &termLists{starts: make([]uint32, 1, len(d.Starts))}
	numbers := map[string]uint32{}
	for code := range uint32(d.Len()) {
		from := len(t.nums)
		for _, term := range split(d.At(code)) {
			n, ok := numbers[term]
			if !ok {
				n = uint32(len(t.names))
				numbers[term] = n
				t.names = append(t.names, term)
			}
			t.nums = append(t.nums, n)
		}
		slices.Sort(t.nums[from:])
		t.starts = append(t.starts, uint32(len(t.nums)))
	}
	return t
}

// weighted are term lists with what each term tells, as Terms weighs it.
type weighted struct {
	*termLists
	squares []int64 // of the weight, by term
	norms   []int64 // sum of the squares, by text
}

// weigh weighs terms over records: a text counts as often as it occurs.
func (t *termLists) weigh(codes []uint32) *weighted {
	records, df := 0, make([]int, len(t.names))
	for _, c := range codes {
		if c == 0 {
			continue
		}
		records++
		for _, n := range t.at(c) {
			df[n]++
		}
	}
	w := &weighted{termLists: t, squares: make([]int64, len(df)), norms: make([]int64, len(t.starts)-1)}
	for n, have := range df {
		one := termWeight(records, max(1, have))
		w.squares[n] = one * one
	}
	for c := range w.norms {
		for _, n := range t.at(uint32(c)) {
			w.norms[c] += w.squares[n]
		}
	}
	return w
}

// mask has a bit for each term. Terms may share one: a bit that b lacks stands for at least one term that it lacks.
func (t *termLists) mask(code uint32) uint64 {
	m := uint64(0)
	for _, n := range t.at(code) {
		m |= 1 << (n * 0x9e3779b1 >> 26)
	}
	return m
}

// termsOf are words or trigrams.
func termsOf(op Op) func(string) []string {
	if op == Cosine3 {
		return similar.Trigrams
	}
	return similar.Words
}
