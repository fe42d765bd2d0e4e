package match

import (
	"math"
	"math/bits"

	"github.com/millrace/millrace/transform/match/similar"
)

// byLetters is what steps share that compare letter by letter.
type byLetters struct {
	place   int // of the row's letters in a worker
	letters *letters
	dict    *Dict
}

// machineLetters is how many letters of a text are compared at once, a bit each.
const machineLetters = 64

// positions are where the letters of a text are: bit i of of[b] says that letter i is b.
type positions struct {
	of   [256]uint64
	text []byte
	code uint32
}

// positionsOf gives those of the row's text. Many columns are compared with it before it changes.
func (b *byLetters) positionsOf(w *worker, code uint32) *positions {
	p := &w.positions[b.place]
	if p.code != code {
		p.set(b.letters.at(code))
		p.code = code
	}
	return p
}

func (p *positions) set(text []byte) {
	for _, c := range p.text {
		p.of[c] = 0
	}
	p.text = text
	for i, c := range text {
		p.of[c] |= 1 << i
	}
}

// jaroWinkler decides pairs that are alike enough.
type jaroWinkler struct {
	byLetters
	text, signature int
	least           []float64 // by level
	levels          []Pattern
	loosest         float64
	// matches is how many letters must match at least, by the lengths and the kind of common beginning; 255: they cannot reach any level.
	matches [machineLetters + 1][machineLetters + 1][4]uint8
}

// slack is what bounds give way by, so that rounding never dismisses a pair.
const slack = 1e-9

func (s *jaroWinkler) prepare() {
	s.loosest = math.Inf(1)
	for _, l := range s.least {
		s.loosest = min(s.loosest, l)
	}
	for x := range s.matches {
		for y := range s.matches[x] {
			for kind := range s.matches[x][y] {
				s.matches[x][y][kind] = s.leastMatches(x, y, kind)
			}
		}
	}
}

// leastMatches is how many letters of texts of those lengths must match for the loosest level, when all are in order. Of the kinds, 3 is a
// common beginning of three letters or more, the others of exactly that many.
func (s *jaroWinkler) leastMatches(x, y, kind int) uint8 {
	prefix := kind
	if kind == 3 {
		prefix = 4
	}
	for m := range min(x, y) + 1 {
		if jaroWinklerOf(x, y, m, 0, prefix) >= s.loosest-slack {
			return uint8(m)
		}
	}
	return 255
}

// jaroWinklerOf is the similarity of texts of lengths x and y with so many matches, so many of them moved, and such a common beginning.
func jaroWinklerOf(x, y, matches, moved, prefix int) float64 {
	if matches == 0 {
		if x == 0 && y == 0 {
			return 1
		}
		return 0
	}
	m := float64(matches)
	j := (m/float64(x) + m/float64(y) + (m-float64(moved/2))/m) / 3
	if j <= 0.7 {
		return j
	}
	return j + float64(min(prefix, 4))*0.1*(1-j)
}

func (s *jaroWinkler) run(w *worker, i int, todo []int32) []int32 {
	row, sig := w.rows.lanes[s.text][i], w.rows.lanes[s.signature][i]
	if uint32(row) == 0 {
		return todo
	}
	length := int(row >> 32 & 0xff)
	n, texts, sigs := 0, w.columns.lanes[s.text], w.columns.lanes[s.signature]
	for _, k := range todo {
		text := texts[k]
		if !s.reachable(row, sig, text, sigs[k], length) || !s.decide(w, uint32(row), uint32(text), k) {
			todo[n] = k
			n++
		}
	}
	return todo[:n]
}

// reachable is false for pairs that surely are not alike enough.
func (s *jaroWinkler) reachable(row, sig, text, other uint64, x int) bool {
	y := int(text >> 32 & 0xff)
	if x > machineLetters || y > machineLetters {
		return true
	}
	matches := min(x-bits.OnesCount64(sig&^other), y-bits.OnesCount64(other&^sig))
	kind := min(bits.TrailingZeros64((row^text)>>40)/8, 3)
	return matches >= int(s.matches[x][y][kind])
}

// decide compares a pair in full.
func (s *jaroWinkler) decide(w *worker, a, b uint32, k int32) bool {
	if b == 0 {
		return false
	}
	score := s.similarity(w, a, b)
	for l, least := range s.least {
		if score >= least {
			w.patterns[k] |= s.levels[l]
			return true
		}
	}
	return false
}

func (s *jaroWinkler) similarity(w *worker, a, b uint32) float64 {
	if s.letters.exact {
		x, y := s.letters.at(a), s.letters.at(b)
		if len(x) <= machineLetters && len(y) <= machineLetters {
			return s.positionsOf(w, a).jaroWinkler(y)
		}
	}
	x, y := s.dict.At(a), s.dict.At(b)
	if max(len(x), len(y)) >= longText {
		return longJaroWinkler(x, y)
	}
	return similar.JaroWinkler(x, y)
}

// jaroWinkler compares the text of the positions with another. Which of two texts takes its letters from the other does not matter: each
// letter is matched as it would be by merging the places where the two have it.
func (p *positions) jaroWinkler(y []byte) float64 {
	x := p.text
	window := max(max(len(x), len(y))/2-1, 0)
	taken, found := uint64(0), uint64(0)
	for k, c := range y {
		free := p.of[c] &^ taken & within(k-window, k+window)
		if free != 0 {
			taken |= free & -free
			found |= 1 << k
		}
	}
	matches, moved := bits.OnesCount64(taken), 0
	for rest := taken; found != 0; found, rest = found&(found-1), rest&(rest-1) {
		if p.of[y[bits.TrailingZeros64(found)]]&rest&-rest == 0 {
			moved++
		}
	}
	prefix := 0
	for prefix < min(len(x), len(y), 4) && x[prefix] == y[prefix] {
		prefix++
	}
	return jaroWinklerOf(len(x), len(y), matches, moved, prefix)
}

// within has the bits from lo to hi, as far as there are such.
func within(lo, hi int) uint64 {
	w := ^uint64(0) << max(lo, 0)
	if hi < 63 {
		w &= 1<<(hi+1) - 1
	}
	return w
}

// editDistance decides pairs that few edits apart.
type editDistance struct {
	byLetters
	text, signature, neighbours int
	most                        []float64 // by level
	levels                      []Pattern
	transpose                   bool
	loosest                     int // whole edits
	torn                        int // neighbours that so many edits can part
}

// prepare gives nil when no pair can reach a level.
func (s *editDistance) prepare() step {
	most := -1.0
	for _, m := range s.most {
		most = max(most, m)
	}
	if !(most >= 0) {
		return nil
	}
	s.loosest = int(min(math.Floor(most), 1<<30))
	s.torn = 2 * s.loosest
	if s.transpose {
		s.torn = 3 * s.loosest
	}
	return s
}

func (s *editDistance) run(w *worker, i int, todo []int32) []int32 {
	row, sig, near := w.rows.lanes[s.text][i], w.rows.lanes[s.signature][i], w.rows.lanes[s.neighbours][i]
	if uint32(row) == 0 {
		return todo
	}
	length := int(row >> 32 & 0xff)
	n, texts, sigs, nears := 0, w.columns.lanes[s.text], w.columns.lanes[s.signature], w.columns.lanes[s.neighbours]
	for _, k := range todo {
		text := texts[k]
		far := abs(length-int(text>>32&0xff)) > s.loosest ||
			bits.OnesCount64(near&^nears[k]) > s.torn || bits.OnesCount64(nears[k]&^near) > s.torn ||
			unmatched(sig, sigs[k]) > s.loosest || unmatched(sigs[k], sig) > s.loosest
		if far || !s.decide(w, uint32(row), uint32(text), k) {
			todo[n] = k
			n++
		}
	}
	return todo[:n]
}

func abs(x int) int { return max(x, -x) }

// decide compares a pair in full.
func (s *editDistance) decide(w *worker, a, b uint32, k int32) bool {
	if b == 0 {
		return false
	}
	edits := float64(s.edits(w, a, b))
	for l, most := range s.most {
		if edits <= most {
			w.patterns[k] |= s.levels[l]
			return true
		}
	}
	return false
}

func (s *editDistance) edits(w *worker, a, b uint32) int {
	if s.letters.exact && len(s.letters.at(a)) <= machineLetters {
		return s.positionsOf(w, a).edits(s.letters.at(b), s.transpose)
	}
	x, y := s.dict.At(a), s.dict.At(b)
	switch {
	case max(len(x), len(y)) >= longText:
		return editsUpTo(x, y, s.loosest, s.transpose)
	case s.transpose:
		return similar.OSA(x, y)
	}
	return similar.Levenshtein(x, y)
}

// edits is the distance of the text of the positions to another: the rows of the table of distances, as differences of one bit, a column at
// a time (Myers 1999; Hyyrö 2003 for transpositions).
func (p *positions) edits(y []byte, transpose bool) int {
	m := len(p.text)
	if m == 0 {
		return len(y)
	}
	distance, last := m, uint64(1)<<(m-1)
	up, down, diagonal, before := ^uint64(0), uint64(0), uint64(0), uint64(0)
	for _, c := range y {
		eq := p.of[c]
		swapped := uint64(0)
		if transpose {
			swapped = (^diagonal & eq) << 1 & before
		}
		diagonal = ((eq & up) + up ^ up) | eq | down | swapped
		right, left := down|^(diagonal|up), up&diagonal
		if right&last != 0 {
			distance++
		}
		if left&last != 0 {
			distance--
		}
		right, left = right<<1|1, left<<1
		up, down = left|^(diagonal|right), right&diagonal
		before = eq
	}
	return distance
}
