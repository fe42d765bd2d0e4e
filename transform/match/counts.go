package match

import (
	"cmp"
	"slices"
)

// counter counts patterns by the rules that made them.
type counter struct {
	slots []Count // free where Pairs is 0; a power of two, at most half full
	used  int
}

func newCounter() *counter { return &counter{slots: make([]Count, 1<<12)} }

// row implements sink.
func (c *counter) row(w *worker, _ int, kept []int32) error {
	for _, k := range kept {
		c.add(w.patterns[k], w.rules[k], 1)
	}
	return nil
}

func (c *counter) add(p Pattern, r RuleSet, pairs int64) {
	mask := uint64(len(c.slots) - 1)
	for at := mix(uint64(p)^uint64(r)<<40) & mask; ; at = (at + 1) & mask {
		s := &c.slots[at]
		if s.Pairs == 0 {
			*s = Count{p, r, pairs}
			if c.used++; c.used*2 > len(c.slots) {
				c.grow()
			}
			return
		}
		if s.Pattern == p && s.Rules == r {
			s.Pairs += pairs
			return
		}
	}
}

func (c *counter) grow() {
	old := c.slots
	c.slots, c.used = make([]Count, 4*len(old)), 0
	for _, s := range old {
		if s.Pairs > 0 {
			c.add(s.Pattern, s.Rules, s.Pairs)
		}
	}
}

// mergeCounts adds up what goroutines counted, by (Pattern, Rules).
func mergeCounts(counters []*counter) []Count {
	sum := newCounter()
	for _, c := range counters {
		for _, s := range c.slots {
			if s.Pairs > 0 {
				sum.add(s.Pattern, s.Rules, s.Pairs)
			}
		}
	}
	all := slices.DeleteFunc(sum.slots, func(c Count) bool { return c.Pairs == 0 })
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Rules, b.Rules))
	})
	return slices.Clip(all)
}
