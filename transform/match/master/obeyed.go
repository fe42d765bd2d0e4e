package master

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/steward"
)

// obeyed makes sure that what people have decided is what came out. Pairs that are forced together are always together, so that only a split
// can be disobeyed: by a chain of such pairs, of always conditions or of decisions, which the error names.
func (m *matching) obeyed(ctx context.Context) error {
	var errs []error
	for _, d := range m.Rulings.Split {
		a, hasA := m.named[d.A]
		b, hasB := m.named[d.B]
		if !hasA || !hasB || m.labels[a] != m.labels[b] {
			continue
		}
		chain, err := m.tellChain(ctx, m.forced(a, b))
		if err != nil {
			return err
		}
		errs = append(errs, fmt.Errorf("%s: %s contradicts what brings the two together: %s", cmpPlace(d), d.String(), chain))
	}
	for _, d := range m.Rulings.Match {
		a, hasA := m.named[d.A]
		b, hasB := m.named[d.B]
		if hasA && hasB && m.labels[a] != m.labels[b] {
			errs = append(errs, fmt.Errorf("%s: %s was not obeyed", cmpPlace(d), d.String()))
		}
	}
	return errors.Join(errs...)
}

// forced is a shortest chain of pairs that are forced together, from one record to another.
func (m *matching) forced(from, to uint32) []match.Edge {
	near := map[uint32][]match.Edge{}
	for _, e := range m.edges {
		if e.Verdict == match.Forced {
			near[e.A] = append(near[e.A], e)
			near[e.B] = append(near[e.B], e)
		}
	}
	came := map[uint32]match.Edge{from: {}}
	for queue := []uint32{from}; len(queue) > 0; queue = queue[1:] {
		for _, e := range near[queue[0]] {
			next := e.A ^ e.B ^ queue[0]
			if _, seen := came[next]; !seen {
				came[next] = e
				queue = append(queue, next)
			}
		}
	}
	var way []match.Edge
	for at := to; at != from; {
		e, found := came[at]
		if !found {
			return nil
		}
		way = append(way, e)
		at ^= e.A ^ e.B
	}
	slices.Reverse(way)
	return way
}

// tellChain names the pairs of a chain with the decision or the condition that forces each.
func (m *matching) tellChain(ctx context.Context, chain []match.Edge) (string, error) {
	records := map[uint32]bool{}
	for _, e := range chain {
		records[e.A], records[e.B] = true, true
	}
	names, err := m.recordNames(ctx, records)
	if err != nil {
		return "", err
	}
	told := make([]string, len(chain))
	for i, e := range chain {
		at := slices.IndexFunc(m.Rulings.Match, func(d steward.Decision) bool {
			a, hasA := m.named[d.A]
			b, hasB := m.named[d.B]
			return hasA && hasB && min(a, b) == e.A && max(a, b) == e.B
		})
		if at >= 0 {
			d := &m.Rulings.Match[at]
			told[i] = fmt.Sprintf("%s: %s", cmpPlace(*d), d.String())
			continue
		}
		always, _ := m.scoring.Holding(e.A, e.B, e.Pattern)
		told[i] = fmt.Sprintf("%s and %s always match: %s", names[e.A], names[e.B], strings.Join(always, "; "))
	}
	return strings.Join(told, "; "), nil
}

// recordNames are the sources and keys of records; a key that is personal is shown to nobody.
func (m *matching) recordNames(ctx context.Context, records map[uint32]bool) (map[uint32]string, error) {
	var numbers []string
	for rec := range records {
		numbers = append(numbers, fmt.Sprint(rec))
	}
	slices.Sort(numbers)
	names := map[uint32]string{}
	if len(numbers) == 0 {
		return names, nil
	}
	d := m.Warehouse.Dialect()
	rows, err := m.Warehouse.Query(ctx, fmt.Sprintf("SELECT %s, %s, %s FROM %s WHERE %[1]s IN (%[5]s)", d.QuoteIdent(match.RecColumn), d.QuoteIdent(match.SourceColumn),
		d.QuoteIdent(match.KeyColumn), m.from(m.recordsFile), strings.Join(numbers, ", ")))
	if err != nil {
		return nil, err
	}
	for _, row := range rows.Rows {
		source := m.Entity.Sources[row[1].(int64)]
		key := fmt.Sprint(row[2])
		if source.HasPersonalKey() {
			key = "***"
		}
		names[uint32(row[0].(int64))] = source.Name + ":" + key
	}
	return names, nil
}
