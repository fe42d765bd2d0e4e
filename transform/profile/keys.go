package profile

import (
	"context"
	"math"
	"slices"
)

// Bounds of the search for keys.
const (
	mostExact  = 10 // columns with too many values to group at first that are counted after all
	pairColumn = 12 // columns that pairs are made of
	mostPairs  = 6  // pairs that are looked at row by row
)

// keys finds the columns, and when there are none the pairs of columns, that are unique and never NULL.
func (p *profiling) keys(ctx context.Context) error {
	counted := 0
	for _, c := range p.columns {
		if c.Estimated && c.mayBeKey() && likelyAll(c.estimate, p.out.Rows) && counted < mostExact {
			counted++
			n, err := p.number(ctx, distinctSQL(p.d, p.rows(c), c.Name))
			if err != nil {
				return err
			}
			c.Distinct, c.Unique, c.Estimated = n, n == p.out.Rows, false
		}
		if c.Unique && c.mayBeKey() && p.out.Rows > 1 {
			p.out.Keys = append(p.out.Keys, []string{c.Name})
		}
	}
	if len(p.out.Keys) > 0 || p.out.Rows < 2 {
		return nil
	}
	return p.pairs(ctx)
}

// mayBeKey leaves out what nobody identifies rows by: measures, long texts, documents.
func (c *column) mayBeKey() bool {
	if c.Nulls > 0 || c.long {
		return false
	}
	switch c.Kind {
	case Number:
		return isInteger(c.Type)
	case Text, Time:
		return true
	case Other:
		return c.Type != "JSON"
	}
	return false
}

// likelyAll says whether an estimate, which may be wrong by a quarter, can mean that all values differ.
func likelyAll(estimate, rows int64) bool { return float64(estimate) >= 0.6*float64(rows) }

func (p *profiling) pairs(ctx context.Context) error {
	var pool []*column
	for _, c := range p.columns {
		if c.mayBeKey() && c.Distinct > 1 {
			pool = append(pool, c)
		}
	}
	slices.SortStableFunc(pool, func(a, b *column) int { return int(min(max(b.Distinct-a.Distinct, -1), 1)) })
	pool = pool[:min(len(pool), pairColumn)]
	var pairs [][2]*column
	for i, a := range pool {
		for _, b := range pool[i+1:] {
			if float64(a.Distinct)*float64(b.Distinct)*1.3 >= float64(p.out.Rows) {
				pairs = append(pairs, [2]*column{a, b})
			}
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	r, err := p.e.Query(ctx, pairsSQL(p.d, p.rows(pool...), pairs))
	if err != nil {
		return err
	}
	looked := 0
	for i, pair := range pairs {
		if !likelyAll(whole(r.Rows[0][i]), p.out.Rows) || looked == mostPairs {
			continue
		}
		looked++
		n, err := p.number(ctx, repeatedSQL(p.d, p.rows(pair[:]...), pair))
		if err != nil {
			return err
		}
		if n == 0 {
			p.out.Keys = append(p.out.Keys, p.inOrder(pair))
		}
	}
	return nil
}

// inOrder names a pair in the order of the table.
func (p *profiling) inOrder(pair [2]*column) []string {
	var names []string
	for _, c := range p.columns {
		if c == pair[0] || c == pair[1] {
			names = append(names, c.Name)
		}
	}
	return names
}

// meant says whether chance alone would have repeated a pair: then that no pair repeats is no chance. Of n rows spread
// over a × b pairs about n²/2ab are equal to another.
func meant(n, a, b int64) bool {
	return float64(n)*float64(n)/2/math.Max(1, float64(a)*float64(b)) >= 10
}
