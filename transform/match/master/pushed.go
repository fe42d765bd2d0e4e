package master

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/steward"
)

// mostPushed is how many pairs the tables tell to be kept apart by what forces others together.
const mostPushed = 1000

// pushedOut finds the pairs that would be one golden record if nobody had decided, and no condition of always said, that others are: what is
// forced together may leave no room for what matched. The clusters in question are made once more without it.
func (m *matching) pushedOut(ctx context.Context) error {
	edges := m.contested()
	if len(edges) == 0 {
		return nil
	}
	for i := range edges {
		edges[i].Verdict = m.unforced(&edges[i])
	}
	free, err := match.ClusterContext(ctx, m.Plan, m.scoring, m.engine, m.Records, edges)
	if err != nil {
		return err
	}
	decided, always := map[uint32][]string{}, map[uint32]bool{} // by cluster: what forces its records together
	ids := m.matchIDs()
	for i := range m.edges {
		switch e := &m.edges[i]; e.Verdict {
		case match.Decided:
			decided[m.labels[e.A]] = append(decided[m.labels[e.A]], ids[[2]uint32{e.A, e.B}])
		case match.Forced:
			always[m.labels[e.A]] = true
		}
	}
	for i := range m.edges {
		e := &m.edges[i]
		if e.Verdict != match.Refused || free[e.A] != free[e.B] {
			continue
		}
		a, b := m.labels[e.A], m.labels[e.B]
		by := slices.Compact(slices.Sorted(slices.Values(slices.Concat(decided[a], decided[b]))))
		told := "decision " + strings.Join(by, ", ")
		if len(by) == 0 {
			told = "a condition of always"
		}
		if len(by) > 0 || always[a] || always[b] {
			m.pushed = append(m.pushed, golden.Pushed{A: e.A, B: e.B, Clusters: [2]uint32{a, b}, By: told})
		}
	}
	return m.notePushed(ctx)
}

// contested are the edges of the records that hang together with a pair that is forced and one that was refused; mostly there are none.
func (m *matching) contested() (own []match.Edge) {
	forced := func(e match.Edge) bool { return e.Verdict == match.Decided || e.Verdict == match.Forced }
	refused := func(e match.Edge) bool { return e.Verdict == match.Refused }
	if !slices.ContainsFunc(m.edges, forced) || !slices.ContainsFunc(m.edges, refused) {
		return nil
	}
	root := make([]uint32, m.Records.N)
	for i := range root {
		root[i] = uint32(i)
	}
	find := func(x uint32) uint32 {
		for root[x] != x {
			root[x] = root[root[x]]
			x = root[x]
		}
		return x
	}
	for _, e := range m.edges {
		if forced(e) || refused(e) || e.Verdict == match.Match {
			root[find(e.A)] = find(e.B)
		}
	}
	forces, both := map[uint32]bool{}, map[uint32]bool{}
	for _, e := range m.edges {
		if forced(e) {
			forces[find(e.A)] = true
		}
	}
	for _, e := range m.edges {
		if refused(e) && forces[find(e.A)] {
			both[find(e.A)] = true
		}
	}
	for _, e := range m.edges {
		if both[find(e.A)] && both[find(e.B)] {
			own = append(own, e)
		}
	}
	return own
}

// unforced is what an edge's verdict would be by its weight and the conditions of never.
func (m *matching) unforced(e *match.Edge) match.Verdict {
	switch e.Verdict {
	case match.Decided, match.Forced, match.Refused:
	default:
		return e.Verdict
	}
	_, verdict, kept := m.scoring.Keep(e.A, e.B, e.Pattern)
	switch {
	case !kept:
		return match.Unlike
	case verdict == match.Forced && match.Probability(e.Weight) >= m.Plan.Auto:
		return match.Match
	case verdict == match.Forced:
		return match.Unsure
	}
	return verdict
}

// matchIDs are the ids of the decisions to match, by pair.
func (m *matching) matchIDs() map[[2]uint32]string {
	ids := map[[2]uint32]string{}
	for _, d := range m.Rulings.Match {
		a, hasA := m.named[d.A]
		b, hasB := m.named[d.B]
		if hasA && hasB {
			ids[[2]uint32{min(a, b), max(a, b)}] = cmp.Or(d.ID, d.Place)
		}
	}
	return ids
}

// notePushed tells of each decision what it keeps apart, with one pair of it.
func (m *matching) notePushed(ctx context.Context) error {
	first, count := map[string]golden.Pushed{}, map[string]int{}
	for _, p := range m.pushed {
		if count[p.By]++; count[p.By] == 1 {
			first[p.By] = p
		}
	}
	for _, by := range slices.Sorted(maps.Keys(first)) {
		p := first[by]
		pair, err := m.pairNamed(ctx, p.A, p.B)
		if err != nil {
			return err
		}
		more := [...]string{"", ", nor is one pair more"}[min(count[by]-1, 1)]
		if n := count[by] - 1; n > 1 {
			more = fmt.Sprintf(", nor are %d pairs more", n)
		}
		m.note("%s forces records together, and pushes others out: %s and %s would be one golden record without it and are not%s; they are in %s",
			by, pair.A, pair.B, more, m.entity.Table(models.PartReview))
	}
	m.pushed = m.pushed[:min(len(m.pushed), mostPushed)]
	return nil
}

// pairNamed is a pair of records by their names, as everybody may see them.
func (m *matching) pairNamed(ctx context.Context, a, b uint32) (d steward.Decision, err error) {
	q := m.Warehouse.Dialect().QuoteIdent
	rows, err := m.Warehouse.Query(ctx, fmt.Sprintf("SELECT %s, %s, %s FROM %s WHERE %[3]s IN (%[5]d, %[6]d)", q(match.SourceColumn), q(match.KeyColumn), q(match.RecColumn),
		m.from(m.recordsFile), a, b))
	if err != nil {
		return d, err
	}
	for _, row := range rows.Rows {
		r := steward.Record{Source: m.Plan.Sources[row[0].(int64)].Name, Key: fmt.Sprint(row[1])}
		if uint32(row[2].(int64)) == a {
			d.A = r
		} else {
			d.B = r
		}
	}
	for _, s := range m.entity.Sources {
		if s.HasPersonalKey() {
			d.Personal = append(d.Personal, s.Name)
		}
	}
	return d.Masked(), nil
}
