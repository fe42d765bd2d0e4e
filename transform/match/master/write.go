package master

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/millrace/millrace/transform/match"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/arrowx"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/standardize"
	"github.com/millrace/millrace/warehouse"
)

// This file writes what matching has found to files, from which SQL goes on.

// write makes a file of rows that fill appends to the batcher. It is read in this run, and thrown away.
func (m *matching) write(ctx context.Context, name string, fields []arrow.Field, fill func(*arrowx.Batcher) error) (warehouse.File, error) {
	schema := arrow.NewSchema(fields, nil)
	reader := arrowx.NewReader(ctx, schema, func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
		b := arrowx.NewBatcher(schema, emit)
		defer b.Release()
		if err := fill(b); err != nil {
			return err
		}
		return b.Flush()
	})
	defer reader.Release()
	f, err := m.Warehouse.IngestScratch(ctx, reader, m.path(name))
	if err != nil {
		return f, fmt.Errorf("write %s: %w", name, err)
	}
	return f, nil
}

// found is what matching has found, where SQL finds it.
type found struct {
	edges, labels warehouse.File
	levels        []string // columns of edges
	figures       []golden.Figure
}

// found writes the edges while it counts, each of which is the work of one processor.
func (m *matching) found(ctx context.Context) (f found, err error) {
	g, ctx := errgroup.WithContext(ctx)
	if m.Threads == 1 {
		g.SetLimit(1)
	}
	g.Go(func() (err error) {
		f.edges, f.levels, err = m.writeEdges(ctx)
		return err
	})
	g.Go(func() (err error) {
		if f.labels, err = m.writeLabels(ctx); err == nil {
			f.figures, err = m.countFigures()
		}
		return err
	})
	err = g.Wait()
	return f, err
}

// writeLabels writes each record's cluster.
func (m *matching) writeLabels(ctx context.Context) (warehouse.File, error) {
	whole := arrow.PrimitiveTypes.Int64
	return m.write(ctx, "labels", []arrow.Field{{Name: match.RecColumn, Type: whole}, {Name: "cluster", Type: whole}}, func(b *arrowx.Batcher) error {
		rec, cluster := b.Field(0).(*array.Int64Builder), b.Field(1).(*array.Int64Builder)
		for i, label := range m.labels {
			rec.Append(int64(i))
			cluster.Append(int64(label))
			if err := b.Row(ctx, 16); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeEdges writes the edges with the level and the bits of each comparison. It gives the names of these columns too.
func (m *matching) writeEdges(ctx context.Context) (warehouse.File, []string, error) {
	fields := []arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.PrimitiveTypes.Int64}, {Name: "weight", Type: arrow.PrimitiveTypes.Float64},
		{Name: "probability", Type: arrow.PrimitiveTypes.Float64}, {Name: "verdict", Type: arrow.BinaryTypes.String}, {Name: "rules", Type: arrow.BinaryTypes.String},
		{Name: "pattern", Type: arrow.PrimitiveTypes.Int64}}
	fixed := len(fields)
	var levels []string
	for i := range m.Plan.Comparisons {
		name := m.Plan.Comparisons[i].Name
		fields = append(fields, arrow.Field{Name: name + "_level", Type: arrow.BinaryTypes.String}, arrow.Field{Name: name + "_bits", Type: arrow.PrimitiveTypes.Float64})
		levels = append(levels, name+"_level", name+"_bits")
	}
	f, err := m.write(ctx, "edges", fields, func(b *arrowx.Batcher) error {
		for i := range m.edges {
			e := &m.edges[i]
			b.Field(0).(*array.Int64Builder).Append(int64(e.A))
			b.Field(1).(*array.Int64Builder).Append(int64(e.B))
			b.Field(2).(*array.Float64Builder).Append(e.Weight)
			b.Field(3).(*array.Float64Builder).Append(match.Probability(e.Weight))
			b.Field(4).(*array.StringBuilder).Append(e.Verdict.String())
			b.Field(5).(*array.StringBuilder).Append(m.Plan.RuleNames(e.Rules))
			b.Field(6).(*array.Int64Builder).Append(int64(e.Pattern))
			for c := range m.Plan.Comparisons {
				b.Field(fixed + 2*c).(*array.StringBuilder).Append(m.Plan.Comparisons[c].LevelName(e.Pattern.Level(c)))
				b.Field(fixed + 2*c + 1).(*array.Float64Builder).Append(m.scoring.Bits(c, e.A, e.Pattern))
			}
			if err := b.Row(ctx, 64+24*len(m.Plan.Comparisons)); err != nil {
				return err
			}
		}
		return nil
	})
	return f, levels, err
}

// blocks writes the blocks that a steward is told of, and gives the file as a table expression; "" when there are none.
func (m *matching) blocks(ctx context.Context) (string, error) {
	var over []match.Overflowed
	for _, o := range m.engine.Overflows() {
		if m.Plan.Rules[o.Rule].Overflow == match.ToReview && o.Blocks > 0 {
			over = append(over, o)
		}
	}
	if len(over) == 0 {
		return "", nil
	}
	text := arrow.BinaryTypes.String
	f, err := m.write(ctx, "blocks", []arrow.Field{{Name: "rule", Type: text}, {Name: "key", Type: text}, {Name: "records", Type: arrow.PrimitiveTypes.Int64}}, func(b *arrowx.Batcher) error {
		for _, o := range over {
			for _, block := range o.Sizes {
				b.Field(0).(*array.StringBuilder).Append(m.Plan.Rules[o.Rule].Name)
				b.Field(1).(*array.StringBuilder).Append(m.keyText(o.Rule, block.First))
				b.Field(2).(*array.Int64Builder).Append(int64(block.Records))
				if err := b.Row(ctx, 64); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return m.from(f), nil
}

// keyText is what a record has in a rule's keys; *** where that is personal.
func (m *matching) keyText(rule int, rec uint32) string {
	var parts []string
	for _, k := range m.Plan.Rules[rule].Keys {
		for _, field := range m.Plan.Columns[k].MadeOf() {
			if m.entity.Node.IsPII(field) {
				return "***"
			}
		}
		parts = append(parts, m.Records.Columns[k].Show(int(rec)))
	}
	return strings.Join(parts, ", ")
}

// countFigures are the figures that only matching knows: candidates by rule, the weights, and how edges are distributed.
func (m *matching) countFigures() ([]golden.Figure, error) {
	weights, err := json.Marshal(m.out.Weights)
	if err != nil {
		return nil, err
	}
	plan, err := json.Marshal(m.Plan)
	if err != nil {
		return nil, err
	}
	out := []golden.Figure{{Metric: FigureWeights, Value: float64(m.out.Weights.Format), Detail: string(weights)},
		{Metric: "plan", Detail: m.Plan.Hash}, {Metric: FigurePlan, Detail: string(plan)}}
	own, err := m.basisFigures()
	if err != nil {
		return nil, err
	}
	out = append(out, own...)
	sum := int64(0)
	for _, p := range m.engine.Predict() {
		out = append(out, golden.Figure{Metric: "candidates", Value: float64(p.Pairs), Detail: m.Plan.Rules[p.Rule].Name})
		sum += p.Pairs
	}
	out = append(out, golden.Figure{Metric: "candidates", Value: float64(sum)})
	for _, o := range m.engine.Overflows() {
		if o.Blocks > 0 {
			out = append(out, golden.Figure{Metric: "pairs_left_out", Value: float64(o.Pairs), Detail: m.Plan.Rules[o.Rule].Name})
		}
	}
	for metric, n := range map[string]int{"decided_match": len(m.Rulings.Match), "decided_split": len(m.Rulings.Split), "decided_pin": len(m.Rulings.Pins)} {
		out = append(out, golden.Figure{Metric: metric, Value: float64(n)})
	}
	for _, doubt := range m.out.Doubts {
		out = append(out, golden.Figure{Metric: "doubt", Value: 1, Detail: doubt})
	}
	return slices.Concat(out, m.bounded(sum), m.histogram(), m.curves()), nil
}

// The figures that hold the plan that was run and the weights that it was run with, as JSON in their details.
const (
	FigurePlan    = "plan_json"
	FigureWeights = "weights"
)

// counting is an engine that keeps what training has it count.
type counting struct {
	match.Engine
	of *matching
}

// Count implements match.Engine.
func (c *counting) Count(ctx context.Context, since []bool) ([]match.Count, error) {
	counts, err := c.Engine.Count(ctx, since)
	if err == nil && since == nil {
		c.of.counts = counts
	}
	return counts, err
}

// curves are the figures that thresholds are chosen by: of all candidates where they have been counted, and of the edges.
func (m *matching) curves() []golden.Figure {
	var out []golden.Figure
	if m.counts != nil {
		plain := m.scoring.WithoutFrequencies()
		out = golden.ScoreFigures(m.counts, func(p match.Pattern) float64 { return plain.Weight(0, 0, p) })
	}
	open := slices.DeleteFunc(slices.Clone(m.edges), func(e match.Edge) bool { return e.Verdict == match.Vetoed || e.Verdict == match.Split })
	out = append(out, golden.ThresholdFigures(open, m.Records.N, match.Probability, m.Plan.Review)...)
	return append(out, golden.UnlinkableFigures(m.Records.N, func(rec uint32) float64 {
		return match.Probability(m.scoring.Weight(rec, rec, m.engine.Pattern(rec, rec)))
	}, m.Plan.Auto)...)
}

// bounded are figures that expectations may bound and matching knows: pairs by what became of them, and rows that are no records.
func (m *matching) bounded(pairs int64) []golden.Figure {
	var auto, review, refused int
	for i := range m.edges {
		switch m.edges[i].Verdict {
		case match.Match:
			auto++
		case match.Unsure:
			review++
		case match.Refused:
			refused++
		}
	}
	quarantined, read := int64(0), m.out.Read.Rows-m.out.Read.Get(standardize.FilteredTerm)
	if m.out.Quarantined != nil {
		quarantined = m.out.Quarantined.Rows
	}
	return []golden.Figure{{Metric: "pairs", Value: float64(pairs)}, {Metric: "auto_edges", Value: float64(auto)},
		{Metric: "review_edges", Value: float64(review)}, {Metric: "refused_edges", Value: float64(refused)},
		{Metric: "quarantined_share", Value: float64(quarantined) / float64(max(read, 1))}}
}

// histogram counts edges by whole bits, from the review threshold up to the greatest.
func (m *matching) histogram() []golden.Figure {
	counts := map[int]int{}
	for i := range m.edges {
		counts[int(math.Floor(m.edges[i].Weight))]++
	}
	var out []golden.Figure
	for bits, n := range counts {
		out = append(out, golden.Figure{Metric: "weight_histogram", Value: float64(n), Detail: fmt.Sprint(bits)})
	}
	return out
}
