package master

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
)

// mostLabelled is how many pairs of labelled records are asked for whether they were compared.
const mostLabelled = 20_000_000

// onLabels are the figures that the entity's labels give: what match evaluate counts, and the share of their pairs that were compared at all.
func (m *matching) onLabels(ctx context.Context) ([]golden.Figure, error) {
	if m.Labels == "" {
		return nil, nil
	}
	labels, err := golden.Labels{Path: m.Labels, Name: m.Entity.Labels, Entity: m.Entity, Dir: m.Dir}.Clusters(ctx, m.Warehouse)
	if err != nil {
		return nil, err
	}
	d := m.Warehouse.Dialect()
	f, err := m.Warehouse.Write(ctx, fmt.Sprintf(`WITH l AS MATERIALIZED (SELECT source, key, dense_rank() OVER (ORDER BY cluster) AS cluster FROM (
%s
) AS l)
SELECT coalesce(r.rec, -1) AS rec, l.cluster
FROM l LEFT JOIN (SELECT %s AS rec, %s AS source, %s AS key FROM %s) AS r ON r.key = l.key AND r.source = l.source`, labels,
		d.QuoteIdent(match.RecColumn), m.sourceName(), d.QuoteIdent(match.KeyColumn), m.from(m.recordsFile)), m.path("labelled"))
	if err != nil {
		return nil, fmt.Errorf("labels %s: %w", m.Entity.Labels, err)
	}
	columns, err := match.ReadNumbers(ctx, f.Path)
	if err != nil {
		return nil, err
	}
	known, named := map[uint32]int64{}, map[int64]int64{}
	for i, rec := range columns[0] {
		if named[columns[1][i]]++; rec >= 0 {
			known[uint32(rec)] = columns[1][i]
		}
	}
	return m.agreement(known, named), nil
}

// sourceName is the name of a record's source in SQL.
func (m *matching) sourceName() string {
	d := m.Warehouse.Dialect()
	text := "CASE " + d.QuoteIdent(match.SourceColumn)
	for i, s := range m.Plan.Sources {
		text += fmt.Sprintf(" WHEN %d THEN %s", i, d.QuoteLiteral(s.Name))
	}
	return text + " END"
}

// agreement holds the clusters of this run against those of labels: known by their records, named with how many records the labels give
// them. Pairs with a record that is not there are missed.
func (m *matching) agreement(known map[uint32]int64, named map[int64]int64) []golden.Figure {
	gold, found, both := map[int64][]uint32{}, map[uint32]int64{}, map[[2]int64]int64{}
	for rec, label := range m.labels {
		of, is := known[uint32(rec)]
		if is {
			gold[of] = append(gold[of], uint32(rec))
			both[[2]int64{of, int64(label)}]++
		}
		if is || m.Entity.Complete {
			found[label]++
		}
	}
	right, among, of, lost, unknown := int64(0), int64(0), int64(0), int64(0), int64(0)
	for _, n := range both {
		right += pairs(n)
	}
	for _, n := range found {
		among += pairs(n)
	}
	for cluster, n := range named {
		there := int64(len(gold[cluster]))
		of, lost, unknown = of+pairs(n), lost+pairs(n)-pairs(there), unknown+n-there
	}
	if unknown > 0 {
		m.note("%d of the %d records that %s names are not there; pairs of theirs that count as missed: %d of %d", unknown,
			int64(len(known))+unknown, m.Entity.Labels, lost, of)
	}
	precision, recall := share(right, among), share(right, of)
	f1 := 0.0
	if precision+recall > 0 {
		f1 = 2 * precision * recall / (precision + recall)
	}
	out := []golden.Figure{{Metric: "labelled_records", Value: float64(len(known))}, {Metric: "labelled_pairs", Value: float64(of)},
		{Metric: golden.FigurePrecision, Value: precision}, {Metric: golden.FigureRecall, Value: recall}, {Metric: golden.FigureF1, Value: f1}}
	if of > mostLabelled {
		m.note("%s labels %d pairs: how many of them were compared is not counted beyond %d", m.Entity.Labels, of, mostLabelled)
		return out
	}
	compared := int64(0)
	for _, records := range gold {
		for i, a := range records {
			for _, b := range records[:i] {
				if m.engine.RulesOf(a, b) != 0 {
					compared++
				}
			}
		}
	}
	return append(out, golden.Figure{Metric: golden.FigureBlockingRecall, Value: share(compared, of)})
}

// pairs is how many pairs n records make.
func pairs(n int64) int64 { return n * (n - 1) / 2 }

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
