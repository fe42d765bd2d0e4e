package match

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// This file is about runs that compare only what has changed since another: when that gives the same edges, and what there is to compare.

// comparing is the version of how this code compares: it rises whenever some pair gets another level, or a rule other candidates.
const comparing = 1

// EdgesHash is of all that says which pairs are edges, and with what levels: two runs with the same one, and the same weights, find the
// same edges between the same records.
func (p *Plan) EdgesHash() (string, error) {
	own := *p
	own.Cluster, own.MaxPairs = Clustering{}, 0
	text, err := json.Marshal([]any{comparing, own})
	if err != nil {
		return "", fmt.Errorf("the plan of %s: %w", p.Entity, err)
	}
	return short(text), nil
}

// Hash is of the whole weights.
func (w *Weights) Hash() (string, error) {
	text, err := json.Marshal(w)
	if err != nil {
		return "", fmt.Errorf("the weights of %s: %w", w.Entity, err)
	}
	return short(text), nil
}

func short(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// Moving says what of the plan depends on all records at once, so that one more may change what is said of two others; "" when nothing does.
func (p *Plan) Moving() string {
	for i := range p.Rules {
		if p.Rules[i].Similar != nil {
			return "rule " + p.Rules[i].Name + " looks for the nearest among all records"
		}
	}
	for i := range p.Comparisons {
		for _, l := range p.Comparisons[i].Levels {
			if l.Op == Cosine || l.Op == Cosine3 {
				return "comparison " + p.Comparisons[i].Name + " weighs words by how rare they are among all records"
			}
		}
	}
	return ""
}

// RulesOf are the rules that make a pair a candidate.
func (m *Matcher) RulesOf(a, b uint32) RuleSet {
	a, b = min(a, b), max(a, b)
	set := RuleSet(0)
	if b < m.firstPartner(a) {
		return set
	}
	for r, own := range m.blocks {
		if own != nil && own.keys[a] == own.keys[b] || own == nil && m.similar[r].has(a, b) {
			set |= 1 << r
		}
	}
	return set
}

// Pairs is how many candidates there are, those of several rules counted in each; with since, those with a new record.
func (m *Matcher) Pairs(since []bool) int64 {
	sum := int64(0)
	if since == nil {
		for _, p := range m.Predict() {
			sum += p.Pairs
		}
		return sum
	}
	var old []uint32
	for _, b := range m.blocks {
		for own := range b.each {
			old = old[:0]
			for _, rec := range own {
				if !since[rec] {
					old = append(old, rec)
				}
			}
			if len(old) < len(own) {
				sum += pairsWithin(m.records, own, m.ends) - pairsWithin(m.records, old, m.ends)
			}
		}
	}
	return sum
}

// each gives the blocks one by one; none of a Similar rule.
func (b *blocks) each(yield func([]uint32) bool) {
	if b == nil {
		return
	}
	for i := range len(b.starts) - 1 {
		if !yield(b.members[b.starts[i]:b.starts[i+1]]) {
			return
		}
	}
}

// Reopened is since with the records of all blocks that may have been too large before: gone is how many records were there that have
// changed, or are not there any more. The pairs of such a block were left out then, and are candidates now.
func (m *Matcher) Reopened(since []bool, gone int) []bool {
	all := slices.Clone(since)
	for r, b := range m.blocks {
		rule := &m.plan.Rules[r]
		if rule.MaxBlock == 0 || rule.Overflow == Refuse || gone == 0 {
			continue
		}
		for own := range b.each {
			stayed := 0
			for _, rec := range own {
				if !since[rec] {
					stayed++
				}
			}
			if stayed+gone <= rule.MaxBlock {
				continue
			}
			for _, rec := range own {
				all[rec] = true
			}
		}
	}
	return all
}

// ReadNumbers reads a file whose columns are all BIGINT and never NULL.
func ReadNumbers(ctx context.Context, path string) (columns [][]int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	pf, err := file.NewParquetReader(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer pf.Close()
	columns = make([][]int64, pf.MetaData().Schema.NumColumns())
	for i := range columns {
		if t := pf.MetaData().Schema.Column(i).PhysicalType(); t != parquet.Types.Int64 {
			return nil, fmt.Errorf("read %s: column %d is %v, not %v", path, i+1, t, parquet.Types.Int64)
		}
		columns[i] = make([]int64, 0, pf.NumRows())
		err := eachInt64(ctx, pf, i, func(v int64, null bool) error {
			if null {
				return errors.New("a NULL")
			}
			columns[i] = append(columns[i], v)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: column %d: %w", path, i+1, err)
		}
	}
	return columns, nil
}
