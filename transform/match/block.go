package match

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// blocks are the records that a rule's keys bring together.
type blocks struct {
	// keys are equal for two records exactly if the rule makes them a pair, their sources apart. A record that is in no block, because it has
	// a NULL, is alone, or its block has overflowed, has a key of its own.
	keys []uint32
	// Block b is members[starts[b]:starts[b+1]], in rising order. Each has at least two.
	members []uint32
	starts  []uint32
	over    Overflowed
	found   Predicted
}

// ownKey is set in the key of a record that is in no block.
const ownKey = 1 << 31

// Predicted is how many pairs a rule makes by itself: what earlier rules make too is counted in both, duplicate-free sources are taken out.
type Predicted struct {
	Rule    int
	Blocks  int   // that records share
	Largest int   // records in the largest of them
	Pairs   int64 // in all blocks but those that overflow; of a Similar rule, the most that it can make
}

// Overflowed are the blocks of a rule that have more records than it allows.
type Overflowed struct {
	Rule    int
	Blocks  int
	Records int               // in those blocks
	Largest int               // records in the largest of them
	Pairs   int64             // that they would make
	Sizes   []OverflowedBlock // the largest of them, by falling size
}

// OverflowedBlock is one block that is too large. Its values are those of record First in the rule's keys: they may be personal, so whoever
// shows them masks them.
type OverflowedBlock struct {
	First   uint32
	Records int
	Pairs   int64
}

// overflowedShown is how many blocks are told one by one.
const overflowedShown = 100

// block finds a rule's blocks.
func block(p *Plan, r *Records, rule int, ends []uint32) *blocks {
	keys, n := keyNumbers(r, p.Rules[rule].Keys)
	b := &blocks{keys: keys, over: Overflowed{Rule: rule}, found: Predicted{Rule: rule}}
	b.gather(r, &p.Rules[rule], ends, n)
	return b
}

// keyNumbers numbers the combinations of values of some columns: 1 to n, 0 where one is NULL.
func keyNumbers(r *Records, columns []int) (keys []uint32, n uint32) {
	for i, c := range columns {
		own, k := r.Columns[c].numbers(r.N)
		if i == 0 {
			keys, n = append([]uint32(nil), own...), k
			continue
		}
		n = combine(keys, own)
	}
	return keys, n
}

// combine numbers the pairs of two numberings into the first of them.
func combine(keys, own []uint32) uint32 {
	pairs := newNumbering()
	for i := range keys {
		if keys[i] == 0 || own[i] == 0 {
			keys[i] = 0
			continue
		}
		keys[i] = pairs.number(uint64(keys[i])<<32 | uint64(own[i]))
	}
	return pairs.n
}

// numbers numbers the values of a column: equal values have equal numbers, from 1 to n, and NULL has 0.
func (v *Values) numbers(records int) (keys []uint32, n uint32) {
	switch v.Kind {
	case Text:
		return v.Codes, uint32(v.Dict.Len() - 1)
	case List:
		return v.listNumbers()
	}
	keys = make([]uint32, records)
	values := newNumbering()
	for i, x := range v.Numbers {
		if x == x {
			keys[i] = values.number(math.Float64bits(x + 0)) // −0 and 0 are one value
		}
	}
	return keys, values.n
}

// listNumbers numbers lists, entry by entry: a list is the pair of the one without its last entry, and that entry.
func (v *Values) listNumbers() ([]uint32, uint32) {
	keys := make([]uint32, len(v.Starts)-1)
	pairs := newNumbering()
	for i := range keys {
		for _, entry := range v.Codes[v.Starts[i]:v.Starts[i+1]] {
			keys[i] = pairs.number(uint64(keys[i])<<32 | uint64(entry))
		}
	}
	return keys, pairs.n
}

// gather sorts records by key, takes out the blocks that overflow, and counts the others.
func (b *blocks) gather(r *Records, rule *Rule, ends []uint32, n uint32) {
	members, starts := sortByKey(b.keys, n)
	b.starts = append(b.starts, 0)
	for k := range n {
		own := members[starts[k]:starts[k+1]]
		if len(own) < 2 {
			b.leave(own)
			continue
		}
		pairs := pairsWithin(r, own, ends)
		if pairs == 0 { // all of one duplicate-free source
			b.leave(own)
			continue
		}
		if rule.MaxBlock > 0 && len(own) > rule.MaxBlock {
			b.overflow(own, pairs)
			continue
		}
		b.members = append(b.members, own...)
		b.starts = append(b.starts, uint32(len(b.members)))
		b.found.Blocks++
		b.found.Largest = max(b.found.Largest, len(own))
		b.found.Pairs += pairs
	}
	for i, k := range b.keys {
		if k == 0 {
			b.keys[i] = ownKey | uint32(i)
		}
	}
	slices.SortStableFunc(b.over.Sizes, func(x, y OverflowedBlock) int { return cmp.Compare(y.Records, x.Records) })
	b.over.Sizes = b.over.Sizes[:min(overflowedShown, len(b.over.Sizes))]
}

// sortByKey gives the records that have a key by key, from 1, in rising order: those of key k+1 are members[starts[k]:starts[k+1]].
func sortByKey(keys []uint32, n uint32) (members, starts []uint32) {
	starts = make([]uint32, n+2)
	for _, k := range keys {
		starts[k]++
	}
	total := uint32(0)
	for k := uint32(1); k <= n; k++ {
		starts[k], total = total, total+starts[k]
	}
	members = make([]uint32, total)
	for i, k := range keys {
		if k != 0 {
			members[starts[k]] = uint32(i)
			starts[k]++
		}
	}
	starts[0] = 0 // starts[k] is now where key k ends
	return members, starts[:n+1]
}

func (b *blocks) leave(own []uint32) {
	for _, i := range own {
		b.keys[i] = ownKey | i
	}
}

func (b *blocks) overflow(own []uint32, pairs int64) {
	b.over.Blocks++
	b.over.Records += len(own)
	b.over.Largest = max(b.over.Largest, len(own))
	b.over.Pairs += pairs
	b.over.Sizes = append(b.over.Sizes, OverflowedBlock{First: own[0], Records: len(own), Pairs: pairs})
	b.leave(own)
}

// pairsWithin is how many pairs a block makes, those within duplicate-free sources not counted. Its records are sorted by source.
func pairsWithin(r *Records, own, ends []uint32) int64 {
	n := int64(len(own))
	pairs := n * (n - 1) / 2
	if len(ends) == 0 {
		return pairs
	}
	for i := 0; i < len(own); {
		end, from := ends[r.Source[own[i]]], i
		for i < len(own) && own[i] < max(end, own[from]+1) {
			i++
		}
		k := int64(i - from)
		pairs -= k * (k - 1) / 2
	}
	return pairs
}

// sourceEnds gives, for each source, the number of the record behind its last one where it is duplicate-free, and 0 where it is not: no
// pair of a record of it has a second record below that. It is empty when no source is duplicate-free.
func sourceEnds(p *Plan, r *Records) ([]uint32, error) {
	ends, some := make([]uint32, len(p.Sources)), false
	for i, s := range r.Source {
		if int(s) >= len(p.Sources) || i > 0 && s < r.Source[i-1] {
			return nil, fmt.Errorf("record %d is of source %d: there are %d sources, and records are sorted by them",
				i, s, len(p.Sources))
		}
		if p.Sources[s].DuplicateFree {
			ends[s], some = uint32(i+1), true
		}
	}
	if !some {
		return nil, nil
	}
	return ends, nil
}

// RefusedError says that the rules of a plan would make more pairs than may be compared.
type RefusedError struct {
	Plan      *Plan
	Predicted []Predicted
	// Overflowed are the blocks that are too large in rules that refuse such; none when it is the sum that is.
	Overflowed []Overflowed
}

func (e *RefusedError) Error() string {
	var s strings.Builder
	if len(e.Overflowed) > 0 {
		for i, o := range e.Overflowed {
			if i > 0 {
				s.WriteString("; ")
			}
			rule := &e.Plan.Rules[o.Rule]
			fmt.Fprintf(&s, "blocking rule %q has %s of more than %d records (the largest has %d), which would make %d pairs",
				rule.Name, countBlocks(o.Blocks), rule.MaxBlock, o.Largest, o.Pairs)
		}
		s.WriteString(": add a key to the rule, or set on_overflow to skip or review")
		return s.String()
	}
	total := int64(0)
	for i, r := range e.Predicted {
		if i > 0 {
			s.WriteString(", ")
		}
		fmt.Fprintf(&s, "%q %d (largest block: %d records)", e.Plan.Rules[r.Rule].Name, r.Pairs, r.Largest)
		total += r.Pairs
	}
	return fmt.Sprintf("blocking rules would make %d pairs, max_pairs is %d: %s: add a key to the rule that makes the most, "+
		"or cap its blocks by max_block", total, e.Plan.MaxPairs, s.String())
}

func countBlocks(n int) string {
	if n == 1 {
		return "one block"
	}
	return fmt.Sprintf("%d blocks", n)
}
