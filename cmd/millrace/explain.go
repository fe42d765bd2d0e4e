package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/report"
	"github.com/millrace/millrace/transform/match/steward"
)

func (a *app) explainCommand() *cobra.Command {
	var plain bool
	var html string
	c := &cobra.Command{
		Use:   "explain ENTITY RECORD RECORD | ENTITY GOLDEN-ID|RECORD",
		Short: "why records are one golden record or not, and what it is made of",
		Long: "Of two records, named source:key, it shows how each comparison came out and what that is worth in bits: their sum is the log2 of\n" +
			"the odds that the two are the same thing. Then: which rules make them candidates, and why they are together or apart.\n" +
			"Of a golden record, named by its id, the beginning of it, or one of its records, it shows where each value is from and what it\n" +
			"was chosen from, the records, the pairs that hold them together, what became of the id, and decisions.\n" +
			"Pairs are explained with what the published run has compared and weighed by, whatever the files of the project say now.\n" +
			"Values of fields that are tagged pii are shown as ***, unless --plain.\n",
		Example: "  millrace explain customer crm:17 shop:4711\n  millrace explain customer 5f0c --html why.html",
		Args:    explainable,
		RunE: func(c *cobra.Command, args []string) error {
			return a.withEntity(c, args[0], func(ctx context.Context, e *pipeline.Engine, entity *models.Entity) error {
				if len(args) == 3 {
					return a.explainPair(ctx, e, entity, args[1], args[2], plain, html)
				}
				found, err := e.ExplainGolden(ctx, entity, args[1], plain)
				if err != nil {
					return err
				}
				return a.explained(found, html, func(w io.Writer) error { return report.GoldenHTML(w, found) }, func() error { return a.printGolden(found) })
			})
		},
	}
	c.Flags().BoolVar(&plain, "plain", false, "show values of fields that are tagged pii as they are")
	c.Flags().StringVar(&html, "html", "", "write a page of its own to this file, too")
	return c
}

// explainable wants an entity, and one or two things of it.
func explainable(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usage("explain ENTITY RECORD RECORD | ENTITY GOLDEN-ID|RECORD: ENTITY, and what to explain, are missing")
	case len(args) == 1:
		return usage("explain %s: what to explain is missing: two records, such as crm:17 shop:4711, one, or a golden id", args[0])
	case len(args) > 3:
		return usage("explain ENTITY RECORD RECORD: %q is one argument too many", args[3])
	}
	return nil
}

func (a *app) explainPair(ctx context.Context, e *pipeline.Engine, entity *models.Entity, first, second string, plain bool, html string) error {
	x, err := steward.ParseRecord(first)
	if err != nil {
		return usage("%w", err)
	}
	y, err := steward.ParseRecord(second)
	if err != nil {
		return usage("%w", err)
	}
	found, err := e.ExplainPair(ctx, entity, x, y, plain)
	if err != nil {
		return err
	}
	return a.explained(found, html, func(w io.Writer) error { return report.PairHTML(w, found) }, func() error { return a.printPair(found) })
}

// explained writes an explanation where it is wanted.
func (a *app) explained(found any, html string, page func(io.Writer) error, text func() error) error {
	if html != "" {
		path, err := filepath.Abs(html)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := page(&b); err != nil {
			return err
		}
		if err := fsx.Write("explanation", path, b.Bytes(), 0o600); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(found)
	}
	if html != "" {
		a.out("written to %s", html)
		return nil
	}
	return text()
}

func (a *app) printPair(p *pipeline.PairExplanation) error {
	a.out("%s: %s and %s, as run %s compared them\n", p.Entity, oneLine(p.A), oneLine(p.B), p.Run)
	g := &grid{header: []string{"COMPARISON", "LEVEL", "A", "B", "M", "U", "BITS", "SUM"}, right: []bool{false, false, false, false, true, true, true, true}, width: a.terminalWidth()}
	for _, b := range p.Bars {
		level, m, u := b.Level, "", ""
		if b.Kind != "level" {
			level = b.Kind
		} else if b.M > 0 {
			m, u = fmt.Sprintf("%.4f", b.M), fmt.Sprintf("%.6f", b.U)
		}
		g.add(oneLine(b.Name), level, oneLine(b.A), oneLine(b.B), m, u, fmt.Sprintf("%+.2f", b.Bits), fmt.Sprintf("%+.2f", b.Sum))
	}
	if err := g.print(a.stdout); err != nil {
		return err
	}
	a.out("\nweight %+.2f bits, probability %.6g (match from %g, review from %g): %s", p.Weight, p.Probability, p.Auto, p.Review, p.Verdict)
	for _, c := range p.Always {
		a.out("always: %s", c)
	}
	for _, c := range p.Never {
		a.out("never:  %s", c)
	}
	rules := strings.Join(p.Rules, "; ")
	if rules == "" {
		rules = "none"
	}
	a.out("rules:  %s", oneLine(rules))
	if p.Together {
		a.out("together in golden record %s: %s", p.GoldenA, oneLine(p.Why))
	} else {
		a.out("apart, in golden records %s and %s: %s", p.GoldenA, p.GoldenB, oneLine(p.Why))
	}
	for _, d := range p.Decisions {
		a.out("decision: %s", oneLine(d.Said()))
	}
	return nil
}

func (a *app) printGolden(x *pipeline.GoldenExplanation) error {
	a.out("%s %s, as run %s published it: %d records\n", x.Entity, x.ID, x.Run, len(x.Members))
	g := &grid{header: []string{"FIELD", "VALUE", "FROM", "BECAUSE", "BEFORE"}, width: a.terminalWidth()}
	for _, f := range x.Fields {
		from, because := "", ""
		var others []string
		for _, c := range f.Choices {
			if c.Place == 1 {
				from, because = strings.TrimPrefix(from+", "+oneLine(c.Record), ", "), c.Decided
			} else {
				others = append(others, fmt.Sprintf("%s (%s)", oneLine(c.Value), oneLine(c.Record)))
			}
		}
		if len(others) > 3 {
			others = append(others[:3], fmt.Sprintf("%d more", len(others)-3))
		}
		if because == "the last" {
			because = "the only one"
		}
		g.add(f.Field, oneLine(f.Value), from, because, strings.Join(others, ", "))
	}
	if err := g.print(a.stdout); err != nil {
		return err
	}
	a.out("\nrecords")
	for _, m := range x.Members {
		a.out("  %s  since %s (run %s)", oneLine(m.Record), m.Since.Format(time.DateTime), m.Run)
	}
	if len(x.Members) > 1 {
		a.out("\nheld together by")
		for _, e := range x.Evidence {
			a.out("  %s  %s  %+.2f bits, probability %.6g, %s by %s", oneLine(e.A), oneLine(e.B), e.Weight, e.Probability, e.Verdict, firstOf(oneLine(strings.Join(e.Rules, "; ")), 60))
		}
		if !x.Connected {
			a.out("  the other records are there by comparisons with the whole cluster")
		}
	}
	a.out("\nthe id")
	for _, l := range x.Log {
		a.out("  %s %s %s → %s: %s (run %s)", l.At.Format(time.DateTime), l.Kind, orNone(l.Old), orNone(l.New), oneLine(l.Cause), l.Run)
	}
	for _, d := range x.Decisions {
		a.out("decision: %s", oneLine(d.Said()))
	}
	for _, n := range x.Notes {
		a.note("note: %s", n)
	}
	return nil
}

func orNone(id string) string {
	if id == "" {
		return "none"
	}
	return id
}

// firstOf is the beginning of a text that may be long.
func firstOf(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n]) + "…"
	}
	return text
}
