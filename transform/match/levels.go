package match

import (
	"fmt"
	"math"
)

// comparison is one of a plan's, compiled: what finds out its level for one record against many.
type comparison struct {
	steps []step // first those that take out pairs with a missing value, which stay at level 0; then by falling strength
	other Pattern
}

// step decides some of the pairs of row i and the columns in todo, and gives back the others, in todo's own memory. Pairs that it decides
// get their level in w.patterns.
type step interface {
	run(w *worker, i int, todo []int32) []int32
}

// levelCompiler turns comparisons into steps, and collects the lanes that they need.
type levelCompiler struct {
	plan    *Plan
	records *Records
	lanes   *lanes
	bound   []func(*features) // run when the features are there
	columns map[int]int       // place of a column's letters in a worker
}

func (c *levelCompiler) compile() ([]comparison, error) {
	if len(c.plan.Comparisons) > 15 {
		return nil, fmt.Errorf("%d comparisons, at most 15 fit into a pattern", len(c.plan.Comparisons))
	}
	all := make([]comparison, len(c.plan.Comparisons))
	for i := range c.plan.Comparisons {
		from := &c.plan.Comparisons[i]
		if len(from.Levels) > 14 {
			return nil, fmt.Errorf("comparison %q has %d levels, at most 14 fit into a pattern", from.Name, len(from.Levels))
		}
		for _, col := range from.Columns {
			all[i].steps = append(all[i].steps, c.null(col))
		}
		for l := 0; l < len(from.Levels); {
			n := c.alike(from.Levels[l:])
			s, err := c.step(from.Levels[l:l+n], levels(i, l+1, n))
			if err != nil {
				return nil, fmt.Errorf("comparison %q, level %q: %w", from.Name, from.Levels[l].Name, err)
			}
			if s != nil {
				all[i].steps = append(all[i].steps, s)
			}
			l += n
		}
		all[i].steps = fused(all[i].steps)
		all[i].other = Pattern(len(from.Levels)+1) << (4 * i)
	}
	return all, nil
}

// fused puts the first two steps into one where they look at the same word: most comparisons begin so.
func fused(steps []step) []step {
	if len(steps) < 2 {
		return steps
	}
	null, first := steps[0].(nullText)
	equal, second := steps[1].(equalText)
	if first && second && null.lane == equal.lane {
		return append([]step{presentText(equal)}, steps[2:]...)
	}
	return steps
}

// levels are n levels of a comparison from the first on, as they stand in a pattern.
func levels(comparison, first, n int) []Pattern {
	p := make([]Pattern, n)
	for i := range p {
		p[i] = Pattern(first+i) << (4 * comparison)
	}
	return p
}

// alike is how many levels at the beginning ask for the same measure, so that it is taken once.
func (c *levelCompiler) alike(l []Level) int {
	n := 1
	for n < len(l) && l[n].Op == l[0].Op && l[n].Columns[0] == l[0].Columns[0] && measured(l[0].Op) {
		n++
	}
	return n
}

func measured(op Op) bool {
	return op == JaroWinkler || op == Levenshtein || op == OSA || op == Cosine || op == Cosine3
}

// null makes the step that takes out pairs with a missing value.
func (c *levelCompiler) null(column int) step {
	switch c.plan.Columns[column].Kind {
	case Text:
		return nullText{c.lanes.want(textLane, column)}
	case List:
		return nullText{c.lanes.want(listLane, column)}
	default:
		return nullNumber{c.lanes.want(numberLane, column)}
	}
}

// step compiles levels that are alike. nil: no pair can reach them.
func (c *levelCompiler) step(l []Level, out []Pattern) (step, error) {
	column, op := l[0].Columns[0], l[0].Op
	if op == Swapped || op == Distance {
		if len(l[0].Columns) != 2 || c.plan.Columns[column].Kind != c.plan.Columns[l[0].Columns[1]].Kind {
			return nil, fmt.Errorf("it needs two columns of one kind")
		}
	}
	switch c.plan.Columns[column].Kind {
	case Text:
		return c.textStep(l, out), nil
	case List:
		return c.listStep(&l[0], out[0]), nil
	default:
		return c.numberStep(&l[0], out[0]), nil
	}
}

func (c *levelCompiler) textStep(l []Level, out []Pattern) step {
	column := l[0].Columns[0]
	text := c.lanes.want(textLane, column)
	switch l[0].Op {
	case Exact:
		return equalText{text, out[0]}
	case Swapped:
		return swappedText{own: text, other: c.lanes.wantOf(lane{crossLane, column, l[0].Columns[1]}), level: out[0]}
	case JaroWinkler:
		s := &jaroWinkler{text: text, signature: c.lanes.want(signatureLane, column), least: arguments(l), levels: out}
		s.prepare()
		c.byLetters(column, &s.byLetters)
		return s
	case Levenshtein, OSA:
		s := &editDistance{text: text, signature: c.lanes.want(signatureLane, column), neighbours: c.lanes.want(neighboursLane, column),
			most: arguments(l), levels: out, transpose: l[0].Op == OSA}
		c.byLetters(column, &s.byLetters)
		return s.prepare()
	case TokenSet, Contains:
		s := &tokens{text: text, mask: c.lanes.want(wordMaskLane, column), count: c.lanes.want(wordCountLane, column),
			contains: l[0].Op == Contains, least: l[0].Arg, level: out[0]}
		c.bound = append(c.bound, func(f *features) { s.terms = f.words[column].termLists })
		return s
	case Cosine:
		s := &cosine{text: text, mask: c.lanes.want(wordMaskLane, column), norm: c.lanes.want(wordNormLane, column),
			least: arguments(l), levels: out}
		c.bound = append(c.bound, func(f *features) { s.terms = f.words[column] })
		return s
	case Cosine3:
		s := &cosine{text: text, mask: c.lanes.want(gramMaskLane, column), norm: c.lanes.want(gramNormLane, column),
			least: arguments(l), levels: out}
		c.bound = append(c.bound, func(f *features) { s.terms = f.grams[column] })
		return s
	}
	return nil
}

// byLetters is set when the letters of the column are known.
func (c *levelCompiler) byLetters(column int, b *byLetters) {
	place, ok := c.columns[column]
	if !ok {
		place = len(c.columns)
		c.columns[column] = place
	}
	b.place, b.dict = place, c.records.Columns[column].Dict
	c.bound = append(c.bound, func(f *features) { b.letters = f.letters[column] })
}

func arguments(l []Level) []float64 {
	args := make([]float64, len(l))
	for i := range l {
		args[i] = l[i].Arg
	}
	return args
}

// nullText takes out pairs with a missing text or list.
type nullText struct{ lane int }

func (s nullText) run(w *worker, i int, todo []int32) []int32 {
	if uint32(w.rows.lanes[s.lane][i]) == 0 {
		return todo[:0]
	}
	n, column := 0, w.columns.lanes[s.lane]
	for _, k := range todo {
		todo[n] = k
		if uint32(column[k]) != 0 {
			n++
		}
	}
	return todo[:n]
}

// nullNumber takes out pairs with a missing number.
type nullNumber struct{ lane int }

func (s nullNumber) run(w *worker, i int, todo []int32) []int32 {
	if x := math.Float64frombits(w.rows.lanes[s.lane][i]); x != x {
		return todo[:0]
	}
	n, column := 0, w.columns.lanes[s.lane]
	for _, k := range todo {
		todo[n] = k
		if x := math.Float64frombits(column[k]); x == x {
			n++
		}
	}
	return todo[:n]
}

// equalText decides pairs with the same value.
type equalText struct {
	lane  int
	level Pattern
}

func (s equalText) run(w *worker, i int, todo []int32) []int32 {
	own := uint32(w.rows.lanes[s.lane][i])
	if own == 0 {
		return todo
	}
	n, column := 0, w.columns.lanes[s.lane]
	for _, k := range todo {
		todo[n] = k
		if uint32(column[k]) == own {
			w.patterns[k] |= s.level
		} else {
			n++
		}
	}
	return todo[:n]
}

// presentText is nullText and equalText in one.
type presentText equalText

func (s presentText) run(w *worker, i int, todo []int32) []int32 {
	own := uint32(w.rows.lanes[s.lane][i])
	if own == 0 {
		return todo[:0]
	}
	n, column := 0, w.columns.lanes[s.lane]
	for _, k := range todo {
		todo[n] = k
		other := uint32(column[k])
		if other == own {
			w.patterns[k] |= s.level
		} else if other != 0 {
			n++
		}
	}
	return todo[:n]
}

// swappedText decides pairs in which each one's own is the other's other.
type swappedText struct {
	own, other int
	level      Pattern
}

func (s swappedText) run(w *worker, i int, todo []int32) []int32 {
	own, other := uint32(w.rows.lanes[s.own][i]), uint32(w.rows.lanes[s.other][i])
	if own == 0 || other == 0 {
		return todo
	}
	n, owns, others := 0, w.columns.lanes[s.own], w.columns.lanes[s.other]
	for _, k := range todo {
		todo[n] = k
		if uint32(others[k]) == own && uint32(owns[k]) == other {
			w.patterns[k] |= s.level
		} else {
			n++
		}
	}
	return todo[:n]
}
