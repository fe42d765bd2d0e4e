package match

import (
	"math"

	"golang.org/x/sync/errgroup"
)

// headers hold what comparing looks at first, record by record: a few words that stand together in memory, because the records of a block
// lie anywhere. The texts themselves are only read of the few pairs that the words cannot decide.
type headers struct {
	lanes  int
	stride int
	words  []uint64 // of record i: words[i*stride:][:lanes]
}

// laneKind is what a word of a header holds.
type laneKind uint8

const (
	// textLane: code | min(length, 255) << 32 | the first three letters << 40.
	textLane laneKind = iota
	signatureLane
	neighboursLane
	wordMaskLane
	wordCountLane
	wordNormLane
	gramMaskLane
	gramNormLane
	numberLane // bits of the float64
	listLane   // number of the whole list
	crossLane  // the code that the value of column other has in column; 0: none
	ruleLane   // keys of two rules: column and other are their places among the rules with keys; other may be −1
)

// lane is one word of each header.
type lane struct {
	kind          laneKind
	column, other int
}

// lanes collects the lanes that a plan's comparisons ask for.
type lanes struct {
	all   []lane
	index map[lane]int
}

func (l *lanes) want(kind laneKind, column int) int {
	return l.wantOf(lane{kind: kind, column: column})
}

func (l *lanes) wantOf(k lane) int {
	i, ok := l.index[k]
	if !ok {
		i = len(l.all)
		l.index[k] = i
		l.all = append(l.all, k)
	}
	return i
}

// buildHeaders fills the headers, lane by lane, on several goroutines.
func buildHeaders(r *Records, f *features, l *lanes, rules []*blocks, threads int) *headers {
	h := &headers{lanes: len(l.all), stride: (len(l.all) + 7) &^ 7} // whole cache lines
	h.words = make([]uint64, h.stride*r.N)
	var g errgroup.Group
	g.SetLimit(threads)
	const chunk = 1 << 14
	fills := make([]func(rec int) uint64, len(l.all))
	for i, k := range l.all {
		fills[i] = f.filler(r, k, rules)
	}
	for from := 0; from < r.N; from += chunk {
		g.Go(func() error {
			for i, fill := range fills {
				at := from*h.stride + i
				for rec := from; rec < min(from+chunk, r.N); rec++ {
					h.words[at] = fill(rec)
					at += h.stride
				}
			}
			return nil
		})
	}
	_ = g.Wait() // nothing in it fails
	return h
}

// filler gives the word of a record in a lane.
func (f *features) filler(r *Records, k lane, rules []*blocks) func(rec int) uint64 {
	if k.kind == ruleLane {
		return ruleWord(rules, k)
	}
	v := &r.Columns[k.column]
	switch k.kind {
	case textLane:
		words := f.texts[k.column]
		return func(rec int) uint64 { return words[v.Codes[rec]] }
	case numberLane:
		return func(rec int) uint64 { return math.Float64bits(v.Numbers[rec]) }
	case listLane:
		numbers, _ := v.listNumbers()
		return func(rec int) uint64 { return uint64(numbers[rec]) }
	case crossLane:
		own, other := f.cross[[2]int{k.column, k.other}], r.Columns[k.other].Codes
		return func(rec int) uint64 { return uint64(own[other[rec]]) }
	}
	words := f.values[k]
	return func(rec int) uint64 { return words[v.Codes[rec]] }
}

func ruleWord(rules []*blocks, k lane) func(rec int) uint64 {
	low := rules[k.column].keys
	if k.other < 0 {
		return func(rec int) uint64 { return uint64(low[rec]) }
	}
	high := rules[k.other].keys
	return func(rec int) uint64 { return uint64(low[rec]) | uint64(high[rec])<<32 }
}
