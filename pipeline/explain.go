package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/master"
	"github.com/millrace/millrace/transform/match/steward"
)

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

// GoldenExplanation tells what a golden record is made of, and what holds it together.
type GoldenExplanation struct {
	Entity    string             `json:"entity"`
	Run       string             `json:"run"`
	ID        string             `json:"golden_id"`
	Fields    []FieldExplanation `json:"fields"`
	Members   []MemberRecord     `json:"members"`
	Evidence  []Evidence         `json:"evidence"`  // the strongest pairs that connect all members
	Connected bool               `json:"connected"` // whether they do
	Former    []FormerRecord     `json:"former_records,omitempty"`
	Log       []LoggedID         `json:"merge_log"` // of the id
	Decisions []DecisionStatus   `json:"decisions"` // about members
	Questions []ReviewedThing    `json:"questions"` // about it, that wait for a steward: some of them
	Notes     []string           `json:"notes,omitempty"`
}

// FieldExplanation is one value of a golden record, and the values that it was chosen from, best first.
type FieldExplanation struct {
	Field   string      `json:"field"`
	Value   string      `json:"-"` // as people read it
	Typed   any         `json:"value"`
	Choices []ValueFrom `json:"choices"`
}

// ValueFrom is a record's value, with what put it before the next.
type ValueFrom struct {
	Place    int          `json:"place"`
	Record   string       `json:"record"`
	Value    string       `json:"-"` // as people read it
	Typed    any          `json:"value"`
	Decided  string       `json:"decided"`            // the rule, or "pinned by" and the decision
	Decision string       `json:"decision,omitempty"` // that has pinned it
	Figures  string       `json:"-"`                  // as people read them
	Compared []RuleFigure `json:"figures,omitempty"`

	Of steward.Record `json:"-"` // unmasked
}

// RuleFigure is what a rule of survivorship compared a record's value by.
type RuleFigure struct {
	Rule  string `json:"rule"`
	Value any    `json:"value"` // null: not known
}

// MemberRecord is a record of a golden record.
type MemberRecord struct {
	Record string    `json:"record"`
	Since  time.Time `json:"since"`
	Run    string    `json:"run"`

	Of steward.Record `json:"-"` // unmasked
}

// FormerRecord is a record that was part of the golden record once.
type FormerRecord struct {
	Record string    `json:"record"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Now    string    `json:"now,omitempty"` // the golden record that it is part of now; "" when it is gone
}

// Evidence is a published pair.
type Evidence struct {
	A           string   `json:"a"`
	B           string   `json:"b"`
	Weight      float64  `json:"weight"`
	Probability float64  `json:"probability"`
	Verdict     string   `json:"verdict"`
	Rules       []string `json:"rules"`
	Pair        string   `json:"pair,omitempty"` // of a server: the path that explains it

	RecordA steward.Record `json:"-"` // unmasked
	RecordB steward.Record `json:"-"`
}

// LoggedID is a row of the merge log.
type LoggedID struct {
	Kind  string    `json:"kind"`
	Old   string    `json:"old_id,omitempty"`
	New   string    `json:"new_id,omitempty"`
	Run   string    `json:"run"`
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
}

// explaining is one look at an entity for an explanation.
type explaining struct {
	*entityLook
	engine *Engine
	plain  bool
	run    string
}

// explain opens what is published of an entity. Values of fields that are tagged pii, and keys made of such, are masked unless plain.
func (e *Engine) explain(ctx context.Context, entity *models.Entity, plain bool, parts []string, f func(*explaining) error) error {
	return e.lookAtEntity(ctx, entity, parts, nil, func(l *entityLook) error {
		return f(&explaining{entityLook: l, engine: e, plain: plain, run: l.tables[models.PartXref].Run})
	})
}

// texts runs a query whose values are wanted as texts; a NULL is "".
func (x *explaining) texts(ctx context.Context, query string) ([][]string, error) {
	columns, err := x.Describe(ctx, query)
	if err != nil {
		return nil, err
	}
	answer, err := x.Query(ctx, x.Dialect().Texts(query, columns))
	if err != nil {
		return nil, err
	}
	out := make([][]string, len(answer.Rows))
	for i, row := range answer.Rows {
		for _, v := range row {
			s, _ := v.(string)
			out[i] = append(out[i], s)
		}
	}
	return out, nil
}

// hides says whether a field's values are not to be shown.
func (x *explaining) hides(field string) bool {
	return !x.plain && (x.entity.Node.IsPII(field) || x.secret[strings.ToLower(field)])
}

// value is a field's value as it is shown.
func (x *explaining) value(field, value string) string {
	if x.hides(field) {
		return hidden(value)
	}
	return value
}

// record is a record's name as it is shown.
func (x *explaining) record(source, key string) string {
	if !x.plain {
		key = keyOf(x.entity, source, key)
	}
	return source + ":" + key
}

// keyOf is a record's key as it may be shown.
func keyOf(entity *models.Entity, source, key string) string {
	if slices.ContainsFunc(entity.Sources, func(s *models.EntitySource) bool { return s.Name == source && s.HasPersonalKey() }) {
		return hidden(key)
	}
	return key
}

// goldenIDs are the golden ids of records that are in force.
func (x *explaining) goldenIDs(ctx context.Context, records []steward.Record) (map[steward.Record]string, error) {
	found := map[steward.Record]string{}
	d := x.Dialect()
	for part := range slices.Chunk(records, 10_000) {
		var tuples []string
		for _, r := range part {
			tuples = append(tuples, fmt.Sprintf("(%s, %s)", d.QuoteLiteral(r.Source), d.QuoteLiteral(r.Key)))
		}
		rows, err := x.texts(ctx, fmt.Sprintf("SELECT source, source_key, golden_id FROM %s WHERE valid_to IS NULL AND (source, source_key) IN (%s)",
			x.table(models.PartXref), strings.Join(tuples, ", ")))
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			found[steward.Record{Source: r[0], Key: r[1]}] = r[2]
		}
	}
	return found, nil
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

// rulings are what all decisions say now, what those said that the published run has known, and what became of each, by its id.
func (x *explaining) rulings(ctx context.Context) (now, applied *steward.Rulings, states map[string]DecisionStatus, err error) {
	all, err := x.decided(ctx, x.engine)
	if err != nil {
		return nil, nil, nil, err
	}
	if now, err = steward.Agreed(all); err != nil {
		return nil, nil, nil, err
	}
	known, states := knownTo(x.tables[models.PartGolden]), map[string]DecisionStatus{}
	for _, s := range x.statuses(all, now, known) {
		states[s.ID] = s
	}
	applied, err = steward.Rule(slices.DeleteFunc(slices.Clone(all), func(d steward.Decision) bool { return !known[d.ID] }))
	return now, applied, states, err
}

// knownTo are the ids of the decisions that the run has known that made the golden records.
func knownTo(golden *load.Table) map[string]bool {
	known := map[string]bool{}
	if golden != nil {
		for _, id := range golden.Decisions {
			known[id] = true
		}
	}
	return known
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

// ExplainGolden tells what a golden record is made of. It is named by its id, by the beginning of it, or by one of its records.
func (e *Engine) ExplainGolden(ctx context.Context, entity *models.Entity, name string, plain bool) (found *GoldenExplanation, err error) {
	parts := []string{models.PartGolden, models.PartXref, models.PartEdges, models.PartMergeLog, models.PartReview}
	err = e.explain(ctx, entity, plain, parts, func(x *explaining) error {
		id, err := x.goldenID(ctx, name)
		if err != nil {
			return err
		}
		found = &GoldenExplanation{Entity: entity.Name, Run: x.run, ID: id}
		return x.golden(ctx, found)
	})
	return found, err
}

// GoldenID finds which golden record a name means, and looks at nothing else of it.
func (e *Engine) GoldenID(ctx context.Context, entity *models.Entity, name string) (id string, err error) {
	err = e.explain(ctx, entity, false, []string{models.PartGolden, models.PartXref, models.PartMergeLog}, func(x *explaining) error {
		id, err = x.goldenID(ctx, name)
		return err
	})
	return id, err
}

// goldenID finds which golden record a name means.
func (x *explaining) goldenID(ctx context.Context, name string) (string, error) {
	if r, err := steward.ParseRecord(name); err == nil {
		if err := x.known(ctx, r); err != nil {
			return "", err
		}
		ids, err := x.goldenIDs(ctx, []steward.Record{r})
		return ids[r], err
	}
	d := x.Dialect()
	begins := "starts_with(%s, " + d.QuoteLiteral(strings.ToLower(name)) + ")"
	rows, err := x.texts(ctx, "SELECT golden_id FROM "+x.table(models.PartGolden)+" WHERE "+fmt.Sprintf(begins, "golden_id")+" ORDER BY golden_id LIMIT 4")
	switch {
	case err != nil:
		return "", err
	case len(rows) == 1 && name != "":
		return rows[0][0], nil
	case len(rows) > 1:
		var some []string
		for _, r := range rows[:min(len(rows), 3)] {
			some = append(some, r[0])
		}
		return "", &UnknownGoldenError{len(rows), fmt.Sprintf("%q begins several golden ids of %s, such as %s: write more of it", name, x.entity.Name, strings.Join(some, ", "))}
	}
	gone, err := x.texts(ctx, fmt.Sprintf("SELECT old_id, new_id, kind, run_id FROM %s WHERE kind IN ('%s', '%s') AND %s ORDER BY %s DESC LIMIT 1",
		x.table(models.PartMergeLog), golden.Merged, golden.Retired, fmt.Sprintf(begins, "old_id"), d.QuoteIdent("at")))
	if err != nil {
		return "", err
	}
	if len(gone) > 0 && name != "" {
		if gone[0][2] == golden.Merged {
			return "", &GoneIDError{ID: gone[0][0], Run: gone[0][3], Heir: gone[0][1]}
		}
		return "", &GoneIDError{ID: gone[0][0], Run: gone[0][3]}
	}
	for _, s := range x.entity.Sources {
		named, err := x.goldenIDs(ctx, []steward.Record{{Source: s.Name, Key: name}})
		if err != nil {
			return "", err
		}
		if len(named) > 0 {
			return "", &UnknownGoldenError{0, fmt.Sprintf("%s has no golden id %q: did you mean the record %s:%s?", x.entity.Name, name, s.Name, name)}
		}
	}
	return "", &UnknownGoldenError{0, fmt.Sprintf("%s has no golden id that begins with %q: give an id of %s, or a record as source:key", x.entity.Name, name, x.entity.Table(models.PartGolden))}
}

func (x *explaining) golden(ctx context.Context, out *GoldenExplanation) error {
	order := "source, source_key"
	if x.masksKeys() { // their order would tell of them
		order = "source, valid_from, md5(source_key)"
	}
	members, err := x.texts(ctx, fmt.Sprintf("SELECT source, source_key, valid_from, run_id FROM %s WHERE valid_to IS NULL AND golden_id = %s ORDER BY %s",
		x.table(models.PartXref), x.Dialect().QuoteLiteral(out.ID), order))
	if err != nil {
		return err
	}
	var records []steward.Record
	for _, m := range members {
		records = append(records, steward.Record{Source: m[0], Key: m[1]})
		out.Members = append(out.Members, MemberRecord{Record: x.record(m[0], m[1]), Since: timeOf(m[2]), Run: m[3], Of: records[len(records)-1]})
	}
	pins, err := x.about(ctx, out, records)
	if err != nil {
		return err
	}
	if err := x.evidence(ctx, out); err != nil {
		return err
	}
	if err := errors.Join(x.logged(ctx, out), x.former(ctx, out)); err != nil {
		return err
	}
	id := x.Dialect().QuoteLiteral(out.ID)
	if out.Questions, err = x.asked(ctx, fmt.Sprintf(" WHERE a_golden_id = %s OR b_golden_id = %[1]s", id), false, mostQuestions, 0); err != nil {
		return err
	}
	if err := x.answer(ctx, out.Questions); err != nil {
		return err
	}
	return x.fields(ctx, out, records, pins)
}

// about lists the decisions about members, and gives the pins among them that the published run has obeyed.
func (x *explaining) about(ctx context.Context, out *GoldenExplanation, members []steward.Record) ([]golden.Pin, error) {
	now, applied, states, err := x.rulings(ctx)
	if err != nil {
		return nil, err
	}
	out.Decisions = []DecisionStatus{}
	for i, r := range []*steward.Rulings{applied, now} { // those that were obeyed, and those that will be
		for _, d := range slices.Concat(r.Match, r.Split, r.Pins) {
			if !slices.Contains(members, d.A) && !slices.Contains(members, d.B) {
				continue
			}
			if before := applied.Of(&d); i == 0 || before == nil || before.ID != d.ID {
				out.Decisions = append(out.Decisions, states[d.ID])
			}
		}
	}
	chosen, _ := master.ChoosePins(applied.Pins, func(r steward.Record) (bool, bool) { return true, slices.Contains(members, r) })
	return chosen, ctx.Err()
}

// evidence is a maximum spanning tree of the published pairs of the members that match.
func (x *explaining) evidence(ctx context.Context, out *GoldenExplanation) error {
	is := x.Dialect().QuoteLiteral(out.ID)
	xref := x.table(models.PartXref)
	answer, err := x.Query(ctx, fmt.Sprintf(`WITH own AS (SELECT source, source_key FROM %s WHERE valid_to IS NULL AND golden_id = %s)
SELECT e.a_source, e.a_key, e.b_source, e.b_key, e.weight, e.probability, e.verdict, e.rules
FROM %s AS e
JOIN own AS x ON x.source = e.a_source AND x.source_key = e.a_key
JOIN own AS y ON y.source = e.b_source AND y.source_key = e.b_key
WHERE e.verdict IN ('match', 'forced')
ORDER BY e.verdict = 'forced' DESC, e.weight DESC, 1, 2, 3, 4`, xref, is, x.table(models.PartEdges)))
	if err != nil {
		return err
	}
	tree := map[string]string{}
	root := func(r string) string {
		for tree[r] != "" {
			r = tree[r]
		}
		return r
	}
	out.Evidence = []Evidence{}
	for _, row := range answer.Rows {
		t := make([]string, len(row))
		for i, v := range row {
			t[i], _ = v.(string)
		}
		a, b := root(t[0]+":"+t[1]), root(t[2]+":"+t[3])
		if a == b {
			continue
		}
		tree[b] = a
		weight, _ := row[4].(float64)
		probability, _ := row[5].(float64)
		out.Evidence = append(out.Evidence, Evidence{A: x.record(t[0], t[1]), B: x.record(t[2], t[3]), Weight: weight, Probability: probability, Verdict: t[6], Rules: match.SplitRules(t[7]),
			RecordA: steward.Record{Source: t[0], Key: t[1]}, RecordB: steward.Record{Source: t[2], Key: t[3]}})
	}
	out.Connected = len(out.Evidence) == len(out.Members)-1
	return nil
}

func (x *explaining) logged(ctx context.Context, out *GoldenExplanation) error {
	d := x.Dialect()
	id, at := d.QuoteLiteral(out.ID), d.QuoteIdent("at")
	rows, err := x.texts(ctx, fmt.Sprintf("SELECT kind, old_id, new_id, run_id, %s, cause FROM %s WHERE old_id = %s OR new_id = %[3]s ORDER BY %[1]s, kind, old_id, new_id",
		at, x.table(models.PartMergeLog), id))
	if err != nil {
		return err
	}
	out.Log = []LoggedID{}
	for _, r := range rows {
		out.Log = append(out.Log, LoggedID{Kind: r[0], Old: r[1], New: r[2], Run: r[3], At: timeOf(r[4]), Cause: r[5]})
	}
	return nil
}

// mostQuestions is how many questions are told of one golden record.
const mostQuestions = 20

// mostFormer is how many records are told that have left a golden record, the latest first.
const mostFormer = 100

// former lists the records that were part of the golden record once.
func (x *explaining) former(ctx context.Context, out *GoldenExplanation) error {
	rows, err := x.texts(ctx, fmt.Sprintf(`SELECT f.source, f.source_key, f.valid_from, f.valid_to, n.golden_id
FROM %[1]s AS f LEFT JOIN %[1]s AS n ON n.source = f.source AND n.source_key = f.source_key AND n.valid_to IS NULL
WHERE f.valid_to IS NOT NULL AND f.golden_id = %[2]s AND n.golden_id IS DISTINCT FROM f.golden_id
ORDER BY f.valid_to DESC, f.source, md5(f.source_key) LIMIT %[3]d`, x.table(models.PartXref), x.Dialect().QuoteLiteral(out.ID), mostFormer))
	for _, r := range rows {
		out.Former = append(out.Former, FormerRecord{Record: x.record(r[0], r[1]), Since: timeOf(r[2]), Until: timeOf(r[3]), Now: r[4]})
	}
	return err
}

// fields are the golden record's values, and where they are from.
func (x *explaining) fields(ctx context.Context, out *GoldenExplanation, members []steward.Record, pins []golden.Pin) error {
	table := x.tables[models.PartGolden]
	_, values, err := x.values(ctx, "SELECT * FROM "+x.table(models.PartGolden)+" WHERE golden_id = "+x.Dialect().QuoteLiteral(out.ID))
	if err != nil {
		return err
	}
	if len(values) != 1 {
		return fmt.Errorf("golden id %s has %d rows in %s", out.ID, len(values), table.Name)
	}
	choices, err := x.choices(ctx, out.ID, members, pins)
	if err != nil {
		out.Notes = append(out.Notes, "where the values are from cannot be told: "+shown(x.entity.Node, err).Error())
	}
	for i, c := range table.Columns {
		if slices.Contains([]string{"golden_id", "records", "sources", "first_seen", "last_changed"}, c.Name) {
			continue
		}
		own := x.field(c.Name, values[0][i])
		f := FieldExplanation{Field: c.Name, Value: own.text, Typed: own.typed, Choices: []ValueFrom{}}
		for _, row := range choices[strings.ToLower(c.Name)] {
			if row.Place == 1 && row.Value != values[0][i].text && x.chosen(c.Name) && !strings.HasPrefix(row.Decided, golden.PinnedBy) {
				out.Notes = append(out.Notes, fmt.Sprintf("%s: the sources, or the decisions, say something else now than when run %s read them", c.Name, x.run))
			}
			if x.hides(c.Name) {
				masked := told{row.Value, row.Typed}.masked()
				row.Value, row.Typed, row.Figures, row.Compared = masked.text, masked.typed, "", nil
			}
			f.Choices = append(f.Choices, row)
		}
		out.Fields = append(out.Fields, f)
	}
	return nil
}

// chosen says whether a golden record's value is one that a record has, and not one that is collected or computed.
func (x *explaining) chosen(field string) bool {
	return !slices.ContainsFunc(x.entity.Survive.Fields, func(f models.SurviveField) bool {
		return strings.EqualFold(f.Name, field) && (f.Collect != "" || f.Custom != "")
	})
}

// choices are the values that each field was chosen from, by the field in lower case.
func (x *explaining) choices(ctx context.Context, id string, members []steward.Record, pins []golden.Pin) (map[string][]ValueFrom, error) {
	m, err := x.engine.current(ctx)
	if err != nil {
		return nil, err
	}
	if err := x.engine.exposeSources(ctx, m, x.Warehouse, x.entity); err != nil {
		return nil, err
	}
	trace := &master.Trace{Entity: x.entity, Warehouse: x.Warehouse, Dir: x.dir, Xref: x.table(models.PartXref), ID: id, Members: members, Pins: pins,
		At: x.tables[models.PartGolden].LogicalTime}
	query, err := trace.Winners(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := x.Query(ctx, "SELECT field, CAST(place AS VARCHAR), source, source_key, value, decided, figures, "+x.choiceJSON()+" AS typed FROM (\n"+query+"\n) AS w ORDER BY field, place, source, source_key")
	if err != nil {
		return nil, err
	}
	out := map[string][]ValueFrom{}
	for _, row := range rows.Rows {
		r := make([]string, len(row))
		for i, v := range row {
			r[i], _ = v.(string)
		}
		var place int
		_, _ = fmt.Sscan(r[1], &place)
		field := strings.ToLower(r[0])
		decision, _ := strings.CutPrefix(r[5], golden.PinnedBy)
		if decision == r[5] {
			decision = ""
		}
		figures := strings.ReplaceAll(r[6], golden.FigureSeparator, "; ")
		out[field] = append(out[field], ValueFrom{Place: place, Record: x.record(r[2], r[3]), Of: steward.Record{Source: r[2], Key: r[3]},
			Value: r[4], Typed: typedOf(r[7], x.typeOf(field)), Decided: r[5], Decision: decision,
			Figures: fraction.ReplaceAllString(figures, "$1"), Compared: x.figures(field, r[6])})
	}
	return out, nil
}

// typeOf is the type of a golden record's column.
func (x *explaining) typeOf(field string) string {
	for _, c := range x.tables[models.PartGolden].Columns {
		if strings.EqualFold(c.Name, field) {
			return c.Type
		}
	}
	return "VARCHAR"
}

// choiceJSON is the JSON of a value that a field was chosen from, which comes as a text. What is collected is an entry of its list.
func (x *explaining) choiceJSON() string {
	d := x.Dialect()
	var cases []string
	for _, c := range x.tables[models.PartGolden].Columns {
		kind := c.Type
		if !x.chosen(c.Name) {
			kind = strings.TrimSuffix(kind, "[]")
		}
		if kind != "VARCHAR" {
			cases = append(cases, fmt.Sprintf("WHEN %s THEN CAST(to_json(TRY_CAST(value AS %s)) AS VARCHAR)", d.QuoteLiteral(c.Name), d.Type(kind)))
		}
	}
	return "CASE field " + strings.Join(cases, " ") + " ELSE CAST(to_json(value) AS VARCHAR) END"
}

// fraction is what of a second people need not read.
var fraction = regexp.MustCompile(`(\d\d:\d\d:\d\d)\.\d+`)

// figures are what the rules have compared: of least and greatest values of the field, of most_recent times, of all others numbers.
func (x *explaining) figures(field, text string) []RuleFigure {
	var all []RuleFigure
	for _, one := range strings.Split(text, golden.FigureSeparator) {
		rule, value, ok := strings.Cut(one, " ")
		if !ok {
			continue
		}
		kind := "DOUBLE"
		switch models.SurviveRule(rule) {
		case models.MostRecent:
			kind = "TIMESTAMP"
		case models.Least, models.Greatest:
			kind = x.typeOf(field)
		}
		f := RuleFigure{Rule: rule, Value: value}
		switch at := timeOf(value); {
		case value == golden.FigureUnknown:
			f.Value = nil
		case strings.HasPrefix(kind, "TIMESTAMP") && !at.IsZero():
			f.Value = at.Format(time.RFC3339Nano)
		case kind != "VARCHAR" && json.Valid([]byte(value)):
			f.Value = json.RawMessage(value)
		}
		all = append(all, f)
	}
	return all
}
