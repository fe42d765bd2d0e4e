package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/master"
	"github.com/millrace/millrace/transform/match/steward"
)

// MatchReview is what of an entity waits for a decision.
type MatchReview struct {
	Entity string          `json:"entity"`
	Run    string          `json:"run"`
	Total  int64           `json:"total"`
	Shown  []ReviewedThing `json:"shown"`

	Reasons []string `json:"-"` // that there are, where nothing waits for the one that was asked for
}

// ReviewedThing is one question to a steward.
type ReviewedThing struct {
	Kind        string    `json:"kind"`   // pair, block, …
	Reason      string    `json:"reason"` // unsure, refused, …
	A           string    `json:"a"`      // "" of what is no pair
	B           string    `json:"b"`
	GoldenA     string    `json:"a_golden_id,omitempty"`
	GoldenB     string    `json:"b_golden_id,omitempty"`
	Weight      float64   `json:"weight"`
	Probability float64   `json:"probability"`
	Detail      string    `json:"detail,omitempty"`
	Since       time.Time `json:"since"` // of the run that first asked
	Run         string    `json:"first_run"`
	Rules       []string  `json:"rules,omitempty"`         // that have had a pair compared
	KeptApartBy string    `json:"kept_apart_by,omitempty"` // what is forced together and would not go with a pair
	Pair        string    `json:"pair,omitempty"`          // of a server: the path that explains it
	// AnsweredBy is the id of a decision that the next run obeys first: about the pair, or about two other records of its golden records.
	AnsweredBy string `json:"answered_by,omitempty"`
	// Compared is what was compared of a pair, where that was asked for.
	Compared []ComparedValue `json:"compared,omitempty"`

	RecordA steward.Record `json:"-"` // unmasked
	RecordB steward.Record `json:"-"`
}

// MatchReview lists what waits, the likeliest matches first. An empty reason is all; limit 0 is all. Keys made of personal columns are
// masked unless plain.
func (e *Engine) MatchReview(ctx context.Context, entity *models.Entity, reason string, limit int, plain bool) (found *MatchReview, err error) {
	return e.Questions(ctx, entity, ReviewAsk{Reason: reason, Limit: limit, Plain: plain})
}

// Questions lists what waits for a steward.
func (e *Engine) Questions(ctx context.Context, entity *models.Entity, ask ReviewAsk) (found *MatchReview, err error) {
	parts := []string{models.PartXref, models.PartReview, models.PartGolden}
	if ask.Compared {
		parts = append(parts, models.PartEdges, models.PartRecords, models.PartQuality)
	}
	err = e.explain(ctx, entity, ask.Plain, parts, func(x *explaining) error {
		found = &MatchReview{Entity: entity.Name, Run: x.run, Shown: []ReviewedThing{}}
		where := ""
		if ask.Reason != "" {
			where = " WHERE reason = " + x.Dialect().QuoteLiteral(ask.Reason)
		}
		count, err := x.Query(ctx, "SELECT count(*) FROM "+x.table(models.PartReview)+where)
		if err != nil {
			return err
		}
		found.Total, _ = count.Rows[0][0].(int64)
		if found.Total == 0 && ask.Reason != "" {
			reasons, err := x.texts(ctx, "SELECT DISTINCT reason FROM "+x.table(models.PartReview)+" ORDER BY 1")
			if err != nil {
				return err
			}
			for _, row := range reasons {
				found.Reasons = append(found.Reasons, row[0])
			}
		}
		if found.Shown, err = x.asked(ctx, where, ask.Doubtful, ask.Limit, ask.Skip); err != nil {
			return err
		}
		if err := x.answer(ctx, found.Shown); err != nil {
			return err
		}
		if ask.Compared {
			return x.compareShown(ctx, found.Shown)
		}
		return nil
	})
	return found, err
}

// asked are questions in their order; limit 0 is all.
func (x *explaining) asked(ctx context.Context, where string, doubtful bool, limit, skip int) ([]ReviewedThing, error) {
	query := "SELECT kind, reason, a_source, a_key, b_source, b_key, a_golden_id, b_golden_id, detail, CAST(first_at AS VARCHAR), first_run, weight, probability FROM " +
		x.table(models.PartReview) + where + " ORDER BY " + x.reviewOrder(doubtful)
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d OFFSET %d", limit, skip)
	}
	rows, err := x.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	all := []ReviewedThing{}
	for _, row := range rows.Rows {
		all = append(all, x.reviewed(row))
	}
	return all, nil
}

// answer says of questions which decision answers them that no run has obeyed yet. Where decisions contradict each other, nothing is answered.
func (x *explaining) answer(ctx context.Context, shown []ReviewedThing) error {
	_, _, states, err := x.rulings(ctx)
	var contradiction *steward.ContradictionError
	if errors.As(err, &contradiction) {
		return nil
	}
	var records []steward.Record
	var pending []steward.Decision
	for _, s := range states {
		if d := s.Decision; s.Pending && s.State == DecisionInForce && (d.Kind == steward.Match || d.Kind == steward.Split) {
			pending, records = append(pending, d), append(records, d.A, d.B)
		}
	}
	if err != nil || len(pending) == 0 {
		return err
	}
	ids, err := x.goldenIDs(ctx, records)
	if err != nil {
		return err
	}
	slices.SortFunc(pending, func(a, b steward.Decision) int { return cmp.Compare(a.ID, b.ID) })
	for i := range shown {
		t := &shown[i]
		for _, d := range pending {
			a, b := ids[d.A], ids[d.B]
			own := d.A == t.RecordA && d.B == t.RecordB || d.A == t.RecordB && d.B == t.RecordA
			same := a != "" && b != "" && (a == t.GoldenA && b == t.GoldenB || a == t.GoldenB && b == t.GoldenA)
			if t.Kind == "pair" && (own || same && t.AnsweredBy == "") {
				t.AnsweredBy = d.ID
			}
		}
	}
	return nil
}

func (x *explaining) reviewed(row []any) ReviewedThing {
	text := func(i int) string { s, _ := row[i].(string); return s }
	out := ReviewedThing{Kind: text(0), Reason: text(1), GoldenA: text(6), GoldenB: text(7), Detail: text(8), Since: timeOf(text(9)), Run: text(10)}
	if out.Kind == "pair" {
		rules, apart, _ := strings.Cut(out.Detail, golden.KeptApart)
		out.Rules, out.KeptApartBy = match.SplitRules(rules), apart
	}
	out.Weight, _ = row[11].(float64)
	out.Probability, _ = row[12].(float64)
	name := func(source, key string) string {
		if source == "" { // of a block: its values, masked where they are personal
			return key
		}
		return x.record(source, key)
	}
	out.RecordA, out.RecordB = steward.Record{Source: text(2), Key: text(3)}, steward.Record{Source: text(4), Key: text(5)}
	out.A, out.B = name(text(2), text(3)), name(text(4), text(5))
	return out
}

// MatchQuality are the figures of one run of an entity.
type MatchQuality struct {
	Entity   string          `json:"entity"`
	Run      string          `json:"run"`
	At       time.Time       `json:"at"` // logical time
	Figures  []golden.Figure `json:"figures"`
	Expected []Expectation   `json:"expected"`
}

// Expectation is what became of one of the entity's expectations, as its file has them now.
type Expectation struct {
	Metric string   `json:"metric"`
	Bound  string   `json:"bound"`
	Value  *float64 `json:"value"` // nil: not counted
	Passed bool     `json:"passed"`
}

// MatchQuality reads the figures of a run, by its id or the beginning of it; "" is the last one that was published.
func (e *Engine) MatchQuality(ctx context.Context, entity *models.Entity, run string) (found *MatchQuality, err error) {
	err = e.explain(ctx, entity, false, []string{models.PartXref, models.PartQuality}, func(x *explaining) error {
		if run == "" {
			run = x.run
		}
		d := x.Dialect()
		at := d.QuoteIdent("at")
		runs, err := x.texts(ctx, fmt.Sprintf("SELECT DISTINCT run_id FROM %s WHERE starts_with(run_id, %s) ORDER BY run_id DESC", x.table(models.PartQuality), d.QuoteLiteral(run)))
		if err != nil {
			return err
		}
		if len(runs) != 1 {
			return &UnknownRunError{fmt.Sprintf("%d runs of %s begin with %q: millrace runs lists them", len(runs), entity.Name, run)}
		}
		rows, err := x.Query(ctx, fmt.Sprintf(`SELECT metric, %s, detail, CAST(%s AS VARCHAR) FROM %s
WHERE run_id = %s AND metric NOT IN ('%s', '%s', '%s') AND %[2]s = (SELECT max(%[2]s) FROM %[3]s WHERE run_id = %[4]s) ORDER BY metric, detail`,
			d.QuoteIdent("value"), at, x.table(models.PartQuality), d.QuoteLiteral(runs[0][0]), master.FigureWeights, master.FigurePlan, master.FigureBasis))
		if err != nil {
			return err
		}
		found = &MatchQuality{Entity: entity.Name, Run: runs[0][0], Expected: []Expectation{}}
		for _, row := range rows.Rows {
			f := golden.Figure{}
			f.Metric, _ = row[0].(string)
			f.Value, _ = row[1].(float64)
			f.Detail, _ = row[2].(string)
			at, _ := row[3].(string)
			found.At = timeOf(at)
			found.Figures = append(found.Figures, f)
		}
		for _, o := range golden.Expect(entity.Expect, found.Figures) {
			own := Expectation{Metric: o.Expectation.Metric, Bound: o.Bound, Passed: o.Passed}
			if value := o.Value; value == value { // not NaN
				own.Value = &value
			}
			found.Expected = append(found.Expected, own)
		}
		return nil
	})
	return found, err
}

// UnknownRunError says that no run, or more than one, of an entity is meant.
type UnknownRunError struct{ text string }

func (e *UnknownRunError) Error() string { return e.text }

// Figure is a figure's value; 0 when it was not counted.
func (q *MatchQuality) Figure(metric, detail string) float64 {
	for _, f := range q.Figures {
		if f.Metric == metric && strings.EqualFold(f.Detail, detail) {
			return f.Value
		}
	}
	return 0
}

// Of are the figures of one metric.
func (q *MatchQuality) Of(metric string) []golden.Figure {
	var out []golden.Figure
	for _, f := range q.Figures {
		if f.Metric == metric {
			out = append(out, f)
		}
	}
	return out
}

// ByNumber are figures in the order of the numbers that their details begin with.
func ByNumber(figures []golden.Figure) []golden.Figure {
	sorted := slices.Clone(figures)
	leading := func(f golden.Figure) int {
		n, _ := strconv.Atoi(strings.SplitN(strings.TrimPrefix(f.Detail, "over "), " ", 2)[0])
		return n
	}
	slices.SortStableFunc(sorted, func(a, b golden.Figure) int { return cmp.Compare(leading(a), leading(b)) })
	return sorted
}
