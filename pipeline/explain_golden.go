package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/master"
	"github.com/millrace/millrace/transform/match/steward"
)

// This file explains what a golden record is made of, and what holds it together.

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
