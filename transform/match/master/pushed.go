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
	decided, always := m.forcing()
	told := pushes{first: map[string]golden.Pushed{}, count: map[string]int{}}
	for i := range m.edges {
		e := &m.edges[i]
		if e.Verdict != match.Refused || free[e.A] != free[e.B] {
			continue
		}
		a, b := m.labels[e.A], m.labels[e.B]
		if len(decided[a])+len(decided[b]) > 0 || always[a] || always[b] {
			told.add(golden.Pushed{A: e.A, B: e.B, Clusters: [2]uint32{a, b}, By: forcedBy(decided[a], decided[b])})
		}
	}
	m.pushed = told.pairs
	return m.notePushed(ctx, &told)
}

// forcing is what forces the records of clusters together: the ids of decisions, in their order, and conditions of always.
func (m *matching) forcing() (decided map[uint32][]string, always map[uint32]bool) {
	decided, always = map[uint32][]string{}, map[uint32]bool{}
	ids := m.matchIDs()
	for _, e := range m.edges {
		switch e.Verdict {
		case match.Decided:
			decided[m.labels[e.A]] = append(decided[m.labels[e.A]], ids[[2]uint32{e.A, e.B}])
		case match.Forced:
			always[m.labels[e.A]] = true
		}
	}
	for _, own := range decided {
		slices.Sort(own)
	}
	return decided, always
}

// mostForcing is how many decisions are named that force the records of two clusters together.
const mostForcing = 3

// forcedBy tells what forces the records of two clusters together: decisions, of which some are named, or else a condition.
func forcedBy(a, b []string) string {
	named := slices.Concat(a[:min(len(a), mostForcing)], b[:min(len(b), mostForcing)])
	slices.Sort(named)
	named = named[:min(len(named), mostForcing)]
	if len(named) == 0 {
		return "a condition of always"
	}
	told := "decision " + strings.Join(named, ", ")
	if more := len(a) + len(b) - len(named); more > 0 {
		told += fmt.Sprintf(" and %d more", more)
	}
	return told
}

// pushes are the pairs that the tables tell to be kept apart, and all of them counted by what does it, each with the first.
type pushes struct {
	pairs []golden.Pushed
	first map[string]golden.Pushed
	count map[string]int
}

func (p *pushes) add(x golden.Pushed) {
	if p.count[x.By]++; p.count[x.By] == 1 {
		p.first[x.By] = x
	}
	if len(p.pairs) < mostPushed {
		p.pairs = append(p.pairs, x)
	}
}

// contested are the edges of the records that hang together with a pair that is forced and one that was refused; mostly there are none.
func (m *matching) contested() (own []match.Edge) {
	if !slices.ContainsFunc(m.edges, forced) || !slices.ContainsFunc(m.edges, refused) {
		return nil
	}
	sets := m.hangTogether()
	forces, refuses := map[uint32]bool{}, map[uint32]bool{}
	for _, e := range m.edges {
		switch {
		case forced(e):
			forces[sets.Find(e.A)] = true
		case refused(e):
			refuses[sets.Find(e.A)] = true
		}
	}
	for _, e := range m.edges {
		a, b := sets.Find(e.A), sets.Find(e.B)
		if forces[a] && refuses[a] && forces[b] && refuses[b] {
			own = append(own, e)
		}
	}
	return own
}

func forced(e match.Edge) bool  { return e.Verdict == match.Decided || e.Verdict == match.Forced }
func refused(e match.Edge) bool { return e.Verdict == match.Refused }

// hangTogether are the records by what would make one of them, whether it was refused or not.
func (m *matching) hangTogether() match.Sets {
	sets := match.NewSets(m.Records.N)
	for _, e := range m.edges {
		if forced(e) || refused(e) || e.Verdict == match.Match {
			sets.Union(e.A, e.B)
		}
	}
	return sets
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
func (m *matching) notePushed(ctx context.Context, told *pushes) error {
	for _, by := range slices.Sorted(maps.Keys(told.first)) {
		p := told.first[by]
		pair, err := m.pairNamed(ctx, p.A, p.B)
		if err != nil {
			return err
		}
		more := ""
		switch n := told.count[by] - 1; {
		case n == 1:
			more = ", nor is one pair more"
		case n > 1:
			more = fmt.Sprintf(", nor are %d pairs more", n)
		}
		m.note("%s forces records together, and pushes others out: %s and %s would be one golden record without it and are not%s; they are in %s",
			by, pair.A, pair.B, more, m.entity.Table(models.PartReview))
	}
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
