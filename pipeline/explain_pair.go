package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/master"
	"github.com/millrace/millrace/transform/match/steward"
)

// This file explains why two records are, or are not, the same thing.

// PairExplanation tells why two records are, or are not, the same thing: with the plan and the weights of the run that published them.
type PairExplanation struct {
	Entity string `json:"entity"`
	Run    string `json:"run"`
	A      string `json:"a"` // source:key
	B      string `json:"b"`
	Bars   []Bar  `json:"bars"` // their bits, added up in their order, are the weight
	// Weight is log2 of the odds that the two are the same thing, and Verdict what that alone says.
	Weight      float64  `json:"weight"`
	Probability float64  `json:"probability"`
	Auto        float64  `json:"auto"`   // probability from which a pair matches by itself
	Review      float64  `json:"review"` // and from which a steward is asked
	Verdict     string   `json:"verdict"`
	Always      []string `json:"always,omitempty"` // conditions that hold
	Never       []string `json:"never,omitempty"`
	Rules       []string `json:"rules"` // that the two have in common
	// PublishedWeight is what the run has written of the pair, nil when it kept no edge of it. It is Weight, or the explanation is wrong.
	PublishedWeight *float64         `json:"published_weight,omitempty"`
	GoldenA         string           `json:"a_golden_id"`
	GoldenB         string           `json:"b_golden_id"`
	Together        bool             `json:"together"`
	Why             string           `json:"why"`       // they are together, or apart
	Decisions       []DecisionStatus `json:"decisions"` // that hold between the two, or will
}

// Bar is one bar of the waterfall, with what the records have.
type Bar struct {
	match.Contribution
	A      string  `json:"-"` // as people read it
	B      string  `json:"-"`
	TypedA any     `json:"a"` // null: the record has none, or the bar is of no value
	TypedB any     `json:"b"`
	Sum    float64 `json:"sum"` // with those above it
}

// ExplainPair tells how two records were compared, and why they are together or apart.
func (e *Engine) ExplainPair(ctx context.Context, entity *models.Entity, a, b steward.Record, plain bool) (found *PairExplanation, err error) {
	if a == b {
		return nil, fmt.Errorf("%s is named twice: two records are compared", a)
	}
	parts := []string{models.PartXref, models.PartEdges, models.PartQuality, models.PartRecords, models.PartGolden}
	err = e.explain(ctx, entity, plain, parts, func(x *explaining) error {
		for _, r := range []steward.Record{a, b} {
			if err := x.known(ctx, r); err != nil {
				return err
			}
		}
		found = &PairExplanation{Entity: entity.Name, Run: x.run, A: x.record(a.Source, a.Key), B: x.record(b.Source, b.Key)}
		return x.pair(ctx, found, a, b)
	})
	return found, err
}

// ran are the plan and the weights of the run that published the entity.
func (x *explaining) ran(ctx context.Context) (*match.Plan, *match.Weights, error) {
	plan, weights := &match.Plan{}, &match.Weights{}
	for metric, into := range map[string]any{master.FigurePlan: plan, master.FigureWeights: weights} {
		rows, err := x.texts(ctx, fmt.Sprintf("SELECT detail FROM %s WHERE run_id = %s AND metric = '%s' ORDER BY %s DESC LIMIT 1", x.table(models.PartQuality),
			x.Dialect().QuoteLiteral(x.run), metric, x.Dialect().QuoteIdent("at")))
		if err != nil {
			return nil, nil, err
		}
		if len(rows) == 0 {
			return nil, nil, fmt.Errorf("run %s has not kept what it compared by: millrace run %s does", x.run, x.entity.Name)
		}
		if err := json.Unmarshal([]byte(rows[0][0]), into); err != nil {
			return nil, nil, fmt.Errorf("%s of run %s: %w", metric, x.run, err)
		}
	}
	return plan, weights, nil
}

// number is a record's in what is published.
func (x *explaining) number(ctx context.Context, p *match.Plan, r steward.Record) (uint32, error) {
	d := x.Dialect()
	source := slices.IndexFunc(p.Sources, func(s match.Source) bool { return s.Name == r.Source })
	rows, err := x.Query(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s = %d AND %s = %s", d.QuoteIdent(match.RecColumn), x.table(models.PartRecords),
		d.QuoteIdent(match.SourceColumn), source, d.QuoteIdent(match.KeyColumn), d.QuoteLiteral(r.Key)))
	if err != nil {
		return 0, err
	}
	if len(rows.Rows) != 1 {
		return 0, &UnknownRecordError{Entity: x.entity.Name, Record: r, Hint: "it is not among the records that were compared"}
	}
	n, _ := rows.Rows[0][0].(int64)
	return uint32(n), nil
}

func (x *explaining) pair(ctx context.Context, out *PairExplanation, a, b steward.Record) error {
	plan, weights, err := x.ran(ctx)
	if err != nil {
		return err
	}
	ra, err := x.number(ctx, plan, a)
	if err != nil {
		return err
	}
	rb, err := x.number(ctx, plan, b)
	if err != nil {
		return err
	}
	files := x.tables[models.PartRecords].Version.Files()
	if len(files) != 1 {
		return fmt.Errorf("%s has %d files, and one was written: millrace run %s makes it anew", x.tables[models.PartRecords].Name, len(files), x.entity.Name)
	}
	published, known, err := x.publishedPattern(ctx, a, b)
	if err != nil {
		return err
	}
	if rows := x.tables[models.PartRecords].Rows; x.engine.browses && (rows > browseRecords || !known && rows > browseReference) {
		return &TooLargeError{fmt.Sprintf("%s has %d records: too many to compare two of them here", x.entity.Name, rows), x.entity.Name}
	}
	named, err := x.recordsOf(ctx, plan, a, b)
	if err != nil {
		return err
	}
	records, err := match.ReadRecords(ctx, files[0].Path, plan)
	if err != nil {
		return err
	}
	scoring, err := match.NewScoring(plan, weights, records)
	if err != nil {
		return err
	}
	p := published
	if !known || !x.engine.browses { // how rare each word is among all records takes long
		p = match.NewReference(plan, records).Pattern(int(min(ra, rb)), int(max(ra, rb)))
	}
	x.bars(out, plan, scoring.Explain(ra, rb, p), named[a], named[b])
	out.Weight = scoring.Weight(ra, rb, p)
	out.Probability, out.Auto, out.Review = match.Probability(out.Weight), plan.Auto, plan.Review
	_, verdict, _ := scoring.Keep(ra, rb, p)
	out.Verdict = verdict.String()
	out.Always, out.Never = scoring.Holding(ra, rb, p)
	out.Rules = match.SplitRules(plan.RuleNames(records.Agreeing(plan, ra, rb)))
	return x.fate(ctx, out, plan, a, b)
}

// The most records with which a server explains pairs: those that a run has kept an edge of, whose levels it has published, and any.
const (
	browseRecords   = 2_000_000
	browseReference = 100_000
)

// TooLargeError says that a server does not compare here what a command does.
type TooLargeError struct{ text, Entity string }

func (e *TooLargeError) Error() string { return e.text }

// publishedPattern are the levels at which the run has compared two records, where it has kept an edge of them.
func (x *explaining) publishedPattern(ctx context.Context, a, b steward.Record) (p match.Pattern, known bool, err error) {
	d := x.Dialect()
	of := func(x, y steward.Record) string {
		return fmt.Sprintf("a_source = %s AND a_key = %s AND b_source = %s AND b_key = %s", d.QuoteLiteral(x.Source), d.QuoteLiteral(x.Key), d.QuoteLiteral(y.Source), d.QuoteLiteral(y.Key))
	}
	rows, err := x.Query(ctx, "SELECT pattern FROM "+x.table(models.PartEdges)+" WHERE "+of(a, b)+" OR "+of(b, a))
	if err != nil || len(rows.Rows) == 0 {
		return 0, false, err
	}
	levels, known := rows.Rows[0][0].(int64)
	return match.Pattern(levels), known, nil
}

// bars are the waterfall with the values that were compared.
func (x *explaining) bars(out *PairExplanation, plan *match.Plan, all []match.Contribution, a, b []told) {
	sum := 0.0
	for _, c := range all {
		sum += c.Bits
		bar := Bar{Contribution: c, Sum: sum}
		at := slices.IndexFunc(plan.Comparisons, func(own match.Comparison) bool { return own.Name == c.Name })
		if c.Kind == "level" && at >= 0 {
			own, other := x.side(plan.Comparisons[at].Columns, plan, a), x.side(plan.Comparisons[at].Columns, plan, b)
			bar.A, bar.TypedA, bar.B, bar.TypedB = own.text, own.typed, other.text, other.typed
		}
		out.Bars = append(out.Bars, bar)
	}
}

// fate finds where the two records are, and why.
func (x *explaining) fate(ctx context.Context, out *PairExplanation, plan *match.Plan, a, b steward.Record) error {
	d := x.Dialect()
	is := func(side string, r steward.Record) string {
		return fmt.Sprintf("%[1]s_source = %[2]s AND %[1]s_key = %[3]s", side, d.QuoteLiteral(r.Source), d.QuoteLiteral(r.Key))
	}
	edges, err := x.Query(ctx, fmt.Sprintf("SELECT verdict, rules, weight FROM %s WHERE %s AND %s OR %s AND %s", x.table(models.PartEdges), is("a", a), is("b", b), is("a", b), is("b", a)))
	if err != nil {
		return err
	}
	published := ""
	if len(edges.Rows) > 0 {
		row := edges.Rows[0]
		published, _ = row[0].(string)
		weight, _ := row[2].(float64)
		out.Verdict, out.PublishedWeight = published, &weight
		if rules, _ := row[1].(string); rules != "" {
			out.Rules = match.SplitRules(rules)
		}
		if math.Abs(weight-out.Weight) > 1e-6 {
			return fmt.Errorf("run %s has published %g bits of %s and %s, and they are explained with %g: the version of Millrace is another; millrace run %s publishes anew",
				x.run, weight, out.A, out.B, out.Weight, x.entity.Name)
		}
	}
	ids, err := x.goldenIDs(ctx, []steward.Record{a, b})
	if err != nil {
		return err
	}
	out.GoldenA, out.GoldenB = ids[a], ids[b]
	out.Together = ids[a] == ids[b]
	decided, err := x.decidedBetween(ctx, out, a, b)
	if err != nil {
		return err
	}
	out.Why = cmp.Or(decided, x.why(out, plan, published, a, b))
	return nil
}

// decidedBetween says that a decision is the reason, and lists those about the two.
func (x *explaining) decidedBetween(ctx context.Context, out *PairExplanation, a, b steward.Record) (why string, err error) {
	now, applied, states, err := x.rulings(ctx)
	if err != nil {
		return "", err
	}
	out.Decisions = []DecisionStatus{}
	var named []steward.Record
	for _, s := range applied.Split {
		named = append(named, s.A, s.B)
	}
	ids, err := x.goldenIDs(ctx, named)
	if err != nil {
		return "", err
	}
	direct := func(d *steward.Decision) bool { return d.A == a && d.B == b || d.A == b && d.B == a }
	for _, s := range slices.Concat(applied.Match, applied.Split) {
		between := s.Kind == steward.Split && !out.Together && (ids[s.A] == out.GoldenA && ids[s.B] == out.GoldenB || ids[s.A] == out.GoldenB && ids[s.B] == out.GoldenA)
		if !direct(&s) && !between {
			continue
		}
		told := x.decision(s)
		out.Decisions = append(out.Decisions, states[s.ID])
		switch {
		case direct(&s) && out.Together == (s.Kind == steward.Match):
			why = "decided: " + told
		case why == "" && between && (out.Verdict == match.Refused.String() || out.Verdict == match.Match.String() || out.Verdict == match.Forced.String()):
			why = "a decision keeps their clusters apart: " + told
		}
	}
	for _, s := range slices.Concat(now.Match, now.Split) {
		if before := applied.Of(&s); direct(&s) && (before == nil || before.ID != s.ID) {
			out.Decisions = append(out.Decisions, states[s.ID])
			why = "decided, and not run yet: " + x.decision(s)
		}
	}
	return why, nil
}

// decision is told with its id, and its records as they are shown.
func (x *explaining) decision(d steward.Decision) string {
	s := x.status(d)
	return s.named()
}

// why are the records together or apart, when no decision says so.
func (x *explaining) why(out *PairExplanation, plan *match.Plan, published string, a, b steward.Record) string {
	free := slices.ContainsFunc(plan.Sources, func(s match.Source) bool { return s.Name == a.Source && s.DuplicateFree }) && a.Source == b.Source
	switch {
	case out.Together && (published == match.Match.String() || published == match.Forced.String()):
		return "they match"
	case out.Together:
		return fmt.Sprintf("other records bring them together: millrace explain %s %s shows which", x.entity.Name, out.GoldenA)
	case published == match.Refused.String():
		return "they would match, and their clusters would not: too much speaks against the two clusters being one"
	case published == match.Vetoed.String() || len(out.Never) > 0:
		return "they never match: " + strings.Join(out.Never, "; ")
	case published == match.Split.String():
		return "a decision has split them"
	case published == match.Unsure.String():
		return fmt.Sprintf("the probability %.4f is below %g, from which they would match: a steward is asked", out.Probability, plan.Auto)
	case free:
		return fmt.Sprintf("%s is free of duplicates, so that no two of its records are compared", a.Source)
	case len(out.Rules) == 0 && out.Weight > 0:
		return "no blocking rule has made them candidates, so that the run has not compared them"
	case len(out.Rules) == 0:
		return "no blocking rule has made them candidates, and they would not match"
	case out.Probability < plan.Review:
		return fmt.Sprintf("the probability %.4g is below %g, from which a steward is asked", out.Probability, plan.Review)
	}
	return "their rule's block was too large to be compared, or one record of a source competes with others for the match"
}
