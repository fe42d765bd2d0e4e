package match

import "math"

// numbers decides pairs by two numbers, dates or places.
type numbers struct {
	lane, second int // second: longitude, or what is swapped
	holds        func(x, y, x2, y2 float64) bool
	level        Pattern
}

func (c *compiler) numberStep(l *Level, out Pattern) step {
	s := &numbers{lane: c.lanes.want(numberLane, l.Columns[0]), level: out, holds: numberTest(l.Op, l.Arg)}
	if s.holds == nil {
		return nil
	}
	s.second = s.lane
	if len(l.Columns) > 1 {
		s.second = c.lanes.want(numberLane, l.Columns[1])
	}
	return s
}

// numberTest is what a level asks of two numbers. NaN, a missing value, makes each of them false.
func numberTest(op Op, arg float64) func(x, y, x2, y2 float64) bool {
	switch op {
	case Exact:
		return func(x, y, _, _ float64) bool { return x == y }
	case Within, Days:
		return func(x, y, _, _ float64) bool { return math.Abs(x-y) <= arg }
	case Percent:
		return func(x, y, _, _ float64) bool { return math.Abs(x-y)*100 <= arg*max(math.Abs(x), math.Abs(y)) }
	case Swapped:
		return func(x, y, x2, y2 float64) bool { return x == y2 && y == x2 }
	case Distance:
		// Two places are at least as far apart as their latitudes are.
		const degree = 6371.0088 * math.Pi / 180
		return func(x, y, x2, y2 float64) bool {
			return !(math.Abs(x-y)*degree > arg*(1+slack)+slack) && kilometres(x, y, x2, y2) <= arg
		}
	}
	return nil
}

func (s *numbers) run(w *worker, i int, todo []int32) []int32 {
	x, x2 := math.Float64frombits(w.rows.lanes[s.lane][i]), math.Float64frombits(w.rows.lanes[s.second][i])
	n, first, second := 0, w.columns.lanes[s.lane], w.columns.lanes[s.second]
	for _, k := range todo {
		todo[n] = k
		if s.holds(x, math.Float64frombits(first[k]), x2, math.Float64frombits(second[k])) {
			w.patterns[k] |= s.level
		} else {
			n++
		}
	}
	return todo[:n]
}

// lists decides pairs by how many entries they share.
type lists struct {
	values *Values
	least  float64
	level  Pattern
}

func (c *compiler) listStep(l *Level, out Pattern) step {
	switch l.Op {
	case Exact:
		return equalText{c.lanes.want(listLane, l.Columns[0]), out}
	case Overlap:
		return &lists{&c.records.Columns[l.Columns[0]], l.Arg, out}
	}
	return nil
}

func (s *lists) run(w *worker, i int, todo []int32) []int32 {
	own := s.values.list(w.rows.records[i])
	n := 0
	for _, k := range todo {
		other := s.values.list(w.columns.records[k])
		todo[n] = k
		if len(own) > 0 && len(other) > 0 && float64(overlap(own, other)) >= s.least {
			w.patterns[k] |= s.level
		} else {
			n++
		}
	}
	return todo[:n]
}

// list is what a record has in a column of lists.
func (v *Values) list(rec uint32) []uint32 { return v.Codes[v.Starts[rec]:v.Starts[rec+1]] }
