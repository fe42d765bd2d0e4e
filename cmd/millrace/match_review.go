package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/match/golden"
)

// plainKeys is what --plain does where only keys can be personal.
const plainKeys = "show keys that are made of columns tagged pii as they are"

func (a *app) matchReviewCommand() *cobra.Command {
	var reason string
	var limit int
	var plain bool
	c := &cobra.Command{
		Use:   "review ENTITY",
		Short: "list what waits for a decision",
		Long: "Lists pairs of records that may be the same thing and are in two golden records, and blocks that were too large to be\n" +
			"compared, the likeliest first, with the commands to decide. Keys of records that are made of personal columns are masked,\n" +
			"unless --plain.\n",
		Example: "  millrace match review customer\n  millrace match review customer --reason refused --limit 0 --json",
		Args:    named,
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 0 {
				return usage("--limit %d: give a number from 0, which means all", limit)
			}
			if reason != "" && !slices.Contains(golden.Reasons, reason) {
				return usage("--reason %s: %s", reason, meant(reason, golden.Reasons))
			}
			return a.withEntity(c, args[0], func(ctx context.Context, e *pipeline.Engine, entity *models.Entity) error {
				found, err := e.MatchReview(ctx, entity, reason, limit, plain)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(found)
				}
				return a.printReview(found)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "only what waits for this reason, such as unsure or refused")
	c.Flags().BoolVar(&plain, "plain", false, plainKeys)
	c.Flags().IntVarP(&limit, "limit", "n", 20, "how many to show; 0 for all")
	return c
}

func (a *app) printReview(r *pipeline.MatchReview) error {
	if r.Total == 0 {
		a.out("nothing waits")
		if len(r.Reasons) > 0 {
			a.note("what waits has other reasons: %s", strings.Join(r.Reasons, ", "))
		}
		return nil
	}
	g := &grid{header: []string{"KIND", "REASON", "A", "B", "GOLDEN A", "GOLDEN B", "BITS", "PROBABILITY", "SINCE", "DETAIL"},
		right: []bool{false, false, false, false, false, false, true, true}, width: a.terminalWidth()}
	first := -1
	for i, t := range r.Shown {
		bits, probability := "", ""
		if t.Kind == "pair" {
			bits, probability = fmt.Sprintf("%+.2f", t.Weight), fmt.Sprintf("%.4f", t.Probability)
			if first < 0 {
				first = i
			}
		}
		g.add(t.Kind, t.Reason, oneLine(t.A), oneLine(t.B), shortID(t.GoldenA), shortID(t.GoldenB), bits, probability, t.Since.Format("2006-01-02 15:04"), oneLine(t.Detail))
	}
	if err := g.print(a.stdout); err != nil {
		return err
	}
	a.out("%d of %d", len(r.Shown), r.Total)
	if first >= 0 {
		pair := fmt.Sprintf("%s %s %s", r.Entity, quoteArg(r.Shown[first].A), quoteArg(r.Shown[first].B))
		if strings.Contains(pair, "***") {
			a.out("keys are personal: millrace match review %s --plain shows them, and the commands to decide", r.Entity)
			return nil
		}
		a.out("look:    millrace explain %s", pair)
		a.out("decide:  millrace match decide match %s --why \"…\"", pair)
		a.out("         millrace match decide split %s --why \"…\"", pair)
	}
	return nil
}

// shortID is the beginning of an id, enough to be told from others as a rule.
func shortID(id string) string { return id[:min(len(id), 8)] }

// quoteArg is an argument as a shell takes it.
func quoteArg(s string) string {
	if !strings.ContainsAny(s, " \t\n\"'`$\\*?[]{}()<>|&;#!~") {
		return oneLine(s)
	}
	return "'" + strings.ReplaceAll(oneLine(s), "'", `'\''`) + "'"
}

func (a *app) matchQualityCommand() *cobra.Command {
	var run string
	c := &cobra.Command{
		Use:   "quality ENTITY",
		Short: "figures of the last run: what was compared, found and left open",
		Long: "Shows what a run has counted: records and golden records, candidates of each rule, how the weights of pairs are distributed,\n" +
			"what other thresholds would make, records that are too poor to be matched, sizes of clusters, churn of golden ids, and the\n" +
			"entity's expectations.\n",
		Example: "  millrace match quality customer\n  millrace match quality customer --run 20260301 --json",
		Args:    named,
		RunE: func(c *cobra.Command, args []string) error {
			return a.withEntity(c, args[0], func(ctx context.Context, e *pipeline.Engine, entity *models.Entity) error {
				found, err := e.MatchQuality(ctx, entity, run)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(found)
				}
				return a.printQuality(found)
			})
		},
	}
	c.Flags().StringVar(&run, "run", "", "figures of this run, by its id or the beginning of it (default the published one)")
	return c
}

func (a *app) printQuality(q *pipeline.MatchQuality) error {
	a.out("%s, run %s for %s", q.Entity, q.Run, q.At.Format(time.DateTime))
	a.out("%.0f records = %.0f golden + %.0f merged (%.1f %%); the largest cluster has %.0f", q.Figure(golden.FigureRecords, ""), q.Figure(golden.FigureGolden, ""),
		q.Figure(golden.FigureMerged, ""), 100*q.Figure(golden.FigureMergedShare, ""), q.Figure(golden.FigureLargestCluster, ""))
	a.out("to review: %.0f; too poor to match even themselves: %.2f %% of the records", q.Figure(golden.FigureReview, ""), 100*q.Figure(golden.FigureUnlinkable, ""))
	a.out("decisions: %.0f match, %.0f split, %.0f pin", q.Figure("decided_match", ""), q.Figure("decided_split", ""), q.Figure("decided_pin", ""))
	if known := q.Of("labelled_pairs"); len(known) > 0 {
		a.out("on labels: %.0f pairs of %.0f records; precision %.4f   recall %.4f   F1 %.4f; %.2f %% of the pairs were compared", known[0].Value, q.Figure("labelled_records", ""),
			q.Figure(golden.FigurePrecision, ""), q.Figure(golden.FigureRecall, ""), q.Figure(golden.FigureF1, ""), 100*q.Figure(golden.FigureBlockingRecall, ""))
	}
	if churn := q.Of(golden.FigureGoldenChurn); len(churn) > 0 {
		a.out("churn: %.2f %% of the records that were there before have another golden id", 100*churn[0].Value)
	}
	for _, t := range []struct{ title, metric string }{{"records against the run before", "records_before"}, {"golden ids", "ids"}, {"pairs by verdict", "edges"},
		{"clusters by records", "cluster_size"}, {"candidates by rule", "candidates"}, {"left out by rule", "pairs_left_out"}} {
		a.printFigures(t.title, q.Of(t.metric))
	}
	a.printThresholds(q)
	scores := pipeline.ByNumber(q.Of("score_histogram"))
	a.printFigures("candidates by weight, frequencies of values aside", scores)
	if len(scores) == 0 { // the run had its weights from a file, and has counted the edges only
		a.printFigures("pairs from the threshold for review on, by whole bits", pipeline.ByNumber(q.Of("weight_histogram")))
	}
	for _, x := range q.Expected {
		word, value := "ok  ", "not counted"
		if !x.Passed {
			word = "FAIL"
		}
		if x.Value != nil {
			value = fmt.Sprintf("%.6g", *x.Value)
		}
		a.out("%s expect %s %s: %s", word, x.Metric, x.Bound, value)
	}
	return nil
}

// barWidth is how many signs the longest bar has.
const barWidth = 40

// printFigures prints figures of one metric as bars.
func (a *app) printFigures(title string, figures []golden.Figure) {
	most, widest := 0.0, 0
	for _, f := range figures {
		if f.Detail != "" {
			most, widest = max(most, f.Value), max(widest, len([]rune(oneLine(f.Detail))))
		}
	}
	if most == 0 {
		return
	}
	a.out("\n%s", title)
	for _, f := range figures {
		if f.Detail == "" {
			continue
		}
		bar := strings.Repeat("█", int(f.Value/most*barWidth+0.5))
		if bar == "" && f.Value > 0 {
			bar = "▏"
		}
		a.out("%s", strings.TrimRight(fmt.Sprintf("  %-*s %12.0f  %s", widest, oneLine(f.Detail), f.Value, bar), " "))
	}
}

func (a *app) printThresholds(q *pipeline.MatchQuality) {
	pairs := q.Of("threshold_pairs")
	if len(pairs) == 0 {
		return
	}
	slices.Reverse(pairs)
	a.out("\nif pairs matched from a probability on, and nothing guarded clusters")
	g := &grid{header: []string{"  FROM", "PAIRS", "CLUSTERS", "LARGEST"}, right: []bool{false, true, true, true}}
	for _, p := range pairs {
		g.add("  "+strings.TrimPrefix(p.Detail, "probability "), fmt.Sprintf("%.0f", p.Value), fmt.Sprintf("%.0f", q.Figure("threshold_clusters", p.Detail)),
			fmt.Sprintf("%.0f", q.Figure("threshold_largest", p.Detail)))
	}
	_ = g.print(a.stdout)
}
