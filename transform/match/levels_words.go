package match

import (
	"math"
	"math/bits"
	"slices"
)

// tokens decides pairs by their sets of words.
type tokens struct {
	text, mask, count int
	terms             *termLists
	contains          bool // Contains, else TokenSet
	least             float64
	level             Pattern
}

func (s *tokens) run(w *worker, i int, todo []int32) []int32 {
	row, mask, x := uint32(w.rows.lanes[s.text][i]), w.rows.lanes[s.mask][i], int(w.rows.lanes[s.count][i])
	if row == 0 {
		return todo
	}
	n, texts, masks, counts := 0, w.columns.lanes[s.text], w.columns.lanes[s.mask], w.columns.lanes[s.count]
	for _, k := range todo {
		y, text := int(counts[k]), uint32(texts[k])
		most := min(x-bits.OnesCount64(mask&^masks[k]), y-bits.OnesCount64(masks[k]&^mask))
		if text != 0 && s.holds(x, y, most) && s.holds(x, y, overlap(s.terms.at(row), s.terms.at(text))) {
			w.patterns[k] |= s.level
		} else {
			todo[n] = k
			n++
		}
	}
	return todo[:n]
}

// holds is the more true the more words are common, so that it can be asked of a bound.
func (s *tokens) holds(x, y, common int) bool {
	c, least := float64(common), float64(min(x, y))
	if s.contains {
		return c >= least && least >= s.least
	}
	return x+y > 0 && c/(float64(x+y)-c) >= s.least
}

// cosine decides pairs by the cosine of their weighted terms.
type cosine struct {
	text, mask, norm int
	terms            *weighted
	least            []float64 // by level
	levels           []Pattern
}

func (s *cosine) run(w *worker, i int, todo []int32) []int32 {
	row, mask, norm := uint32(w.rows.lanes[s.text][i]), w.rows.lanes[s.mask][i], int64(w.rows.lanes[s.norm][i])
	if row == 0 {
		return todo
	}
	lost := s.lost(w, row)
	loosest := slices.Min(s.least)
	n, texts, masks, norms := 0, w.columns.lanes[s.text], w.columns.lanes[s.mask], w.columns.lanes[s.norm]
	for _, k := range todo {
		other, text := int64(norms[k]), uint32(texts[k])
		most := min(norm-lost[bits.OnesCount64(mask&^masks[k])], other)
		if text == 0 || below(most, norm, other, loosest) || !s.decide(w, row, text, norm, other, k) {
			todo[n] = k
			n++
		}
	}
	return todo[:n]
}

// lost is what a text's terms are worth at least that another lacks, by how many bits of its mask the other lacks: the sum of its lightest.
func (s *cosine) lost(w *worker, code uint32) *[65]int64 {
	if w.lostOf == s && w.lostCode == code {
		return &w.lost
	}
	w.lostOf, w.lostCode = s, code
	w.squares = w.squares[:0]
	for _, n := range s.terms.at(code) {
		w.squares = append(w.squares, s.terms.squares[n])
	}
	slices.Sort(w.squares)
	sum := int64(0)
	for i := range 64 {
		w.lost[i] = sum
		if i < len(w.squares) {
			sum += w.squares[i]
		}
	}
	w.lost[64] = sum
	return &w.lost
}

// below is true only if a cosine with that common weight is surely below the least. It spares the root.
func below(common, x, y int64, least float64) bool {
	c := float64(common)
	return least > 0 && c*c < least*least*float64(x)*float64(y)*(1-slack)
}

func (s *cosine) decide(w *worker, a, b uint32, x, y int64, k int32) bool {
	score := 0.0
	if x > 0 && y > 0 {
		score = float64(s.terms.common(a, b)) / math.Sqrt(float64(x)*float64(y))
	}
	for l, least := range s.least {
		if score >= least {
			w.patterns[k] |= s.levels[l]
			return true
		}
	}
	return false
}

// common is the sum of the squares of the terms that two texts share.
func (t *weighted) common(a, b uint32) int64 {
	x, y, sum := t.at(a), t.at(b), int64(0)
	for i, k := 0, 0; i < len(x) && k < len(y); {
		switch {
		case x[i] < y[k]:
			i++
		case x[i] > y[k]:
			k++
		default:
			sum += t.squares[x[i]]
			i, k = i+1, k+1
		}
	}
	return sum
}
