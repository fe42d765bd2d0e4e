package master

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
)

// This file is about runs that compare only records that are new or have changed, with all: edges between two others are taken from the
// published table. That is done only where it surely gives what comparing everything gives. What people have decided, conditions and
// thresholds are applied to those edges anew, so that what does not hold any more has no effect.

// basis says by what the edges of a run were found. It is a figure of the quality table: the last one has the greatest value.
type basis struct {
	Plan    string `json:"plan"`    // Plan.EdgesHash
	Weights string `json:"weights"` // Weights.Hash
	// Records and Edges are the rows that were published, so that tables of two runs are never taken together.
	Records int64 `json:"records"`
	Edges   int64 `json:"edges"`
	// Fields are those that each source had, by its name: it is told when one is gone.
	Fields map[string][]string `json:"fields,omitempty"`
}

// FigureBasis is the figure that says by what a run was matched, as JSON in its detail.
const FigureBasis = "basis"

// WeightsOf is the hash of the weights in the detail of FigureBasis; "" when it cannot be read.
func WeightsOf(detail string) string {
	b := basis{}
	if json.Unmarshal([]byte(detail), &b) != nil {
		return ""
	}
	return b.Weights
}

// FieldsOf are the fields of each source in the detail of FigureBasis; nil when they cannot be read.
func FieldsOf(detail string) map[string][]string {
	b := basis{}
	if json.Unmarshal([]byte(detail), &b) != nil {
		return nil
	}
	return b.Fields
}

// FieldsGone tells of fields that a source of the entity had before and has no more.
func FieldsGone(e *models.Entity, before, now map[string][]string) []string {
	var told []string
	for _, s := range e.Sources {
		for _, f := range before[s.Name] {
			if e.Field(f) != nil && !slices.Contains(now[s.Name], f) {
				told = append(told, fmt.Sprintf("source %s has no %s any more, as it had when the tables were published: it is NULL in its records; "+
					"columns: of the source says what it is read from", s.Name, f))
			}
		}
	}
	return told
}

const (
	// mostChanged is the share of the records above which everything is compared: little would be saved.
	mostChanged = 0.5
)

// unchanged finds the records that need not be compared with each other again.
func (m *matching) unchanged(ctx context.Context) error {
	before, number, err := m.basisBefore(ctx)
	if err != nil {
		return err
	}
	m.number = number + 1
	if before != nil {
		m.out.Notes = append(m.out.Notes, FieldsGone(m.Entity, before.Fields, m.reading.Has)...)
	}
	if m.now, err = m.basisNow(); err != nil {
		return err
	}
	why := m.mayNot(before)
	if why == "" {
		why, err = m.mark(ctx)
	}
	m.compared = m.Records.N
	switch {
	case err != nil:
		return err
	case m.since != nil:
		m.compared = count(m.since)
		m.note("compared %d changed records against %d", m.compared, m.Records.N)
	case m.Before[models.PartEdges] != nil:
		m.note("compared all %d records: %s", m.Records.N, why)
	}
	return nil
}

func (m *matching) note(format string, args ...any) {
	m.out.Notes = append(m.out.Notes, fmt.Sprintf(format, args...))
}

// basisNow is the basis of this run, its rows not counted yet.
func (m *matching) basisNow() (b basis, err error) {
	if b.Plan, err = m.Plan.EdgesHash(); err != nil {
		return b, err
	}
	b.Fields = m.reading.Has
	b.Weights, err = m.out.Weights.Hash()
	return b, err
}

// basisBefore is the basis of what is published, nil when there is none, and its number.
func (m *matching) basisBefore(ctx context.Context) (*basis, float64, error) {
	quality := m.Before[models.PartQuality]
	if quality == nil {
		return nil, 0, nil
	}
	d := m.Warehouse.Dialect()
	rows, err := m.Warehouse.Query(ctx, fmt.Sprintf("SELECT q.%[1]s, q.detail FROM (\n%s\n) AS q WHERE q.metric = %s ORDER BY q.%[1]s DESC LIMIT 1", d.QuoteIdent("value"),
		d.Select(*quality), d.QuoteLiteral(FigureBasis)))
	if err != nil {
		return nil, 0, fmt.Errorf("what the run before compared by: %w", err)
	}
	if len(rows.Rows) == 0 {
		return nil, 0, nil
	}
	number, _ := rows.Rows[0][0].(float64)
	b := &basis{}
	if err := json.Unmarshal([]byte(fmt.Sprint(rows.Rows[0][1])), b); err != nil {
		return nil, number, nil // of a version that notes something else
	}
	return b, number, nil
}

// mayNot is why everything is compared; "" when it need not be.
func (m *matching) mayNot(before *basis) string {
	records, edges := m.Before[models.PartRecords], m.Before[models.PartEdges]
	moving := m.Plan.Moving()
	switch {
	case m.Full:
		return "a full refresh was asked for"
	case m.Job.Weights == nil:
		return fmt.Sprintf("their weights are learned anew in each run; millrace match train %s writes them to a file, for weights:", m.Entity.Name)
	case moving != "":
		return moving
	case before == nil || records == nil || edges == nil:
		return "the run before has not noted what it compared by"
	case before.Weights != m.now.Weights:
		return "the run before had other weights"
	case before.Plan != m.now.Plan:
		return "the run before had other rules, comparisons, conditions, thresholds or sources" + m.chosen()
	case before.Records != records.Rows || before.Edges != edges.Rows:
		return "the published records and edges are not those of one run"
	}
	return ""
}

// chosen reminds of rules that are chosen anew in each run.
func (m *matching) chosen() string {
	if len(m.Entity.Blocking) > 0 {
		return ""
	}
	var rules []string
	for _, r := range m.entity.Blocking {
		var keys []string
		for _, k := range r.Keys {
			keys = append(keys, cmp.Or(k.Field, strconv.Quote(k.SQL)))
		}
		rules = append(rules, "["+strings.Join(keys, ", ")+"]")
	}
	return "; its file has no block:, so that rules are chosen by what the records look like. block: [" + strings.Join(rules, ", ") + "] keeps these"
}

// mark sets since: records that are new, or have changed, or may have partners that a block which was too large has kept from them. It
// gives the reason when these are too many.
func (m *matching) mark(ctx context.Context) (why string, err error) {
	since, err := m.changed(ctx)
	if err != nil {
		return "", err
	}
	stayed := m.Records.N - count(since)
	since = m.engine.Reopened(since, int(m.Before[models.PartRecords].Rows)-stayed)
	if n := count(since); tooMany(n, m.Records.N) {
		return fmt.Sprintf("%d of them are to be compared anew", n), nil
	}
	m.since = since
	return "", nil
}

// tooMany says that so many of the records are to be compared that little would be saved.
func tooMany(n, of int) bool { return float64(n) > mostChanged*float64(of) }

// changed marks the records that are new, or whose standardized values are others than those that are published.
func (m *matching) changed(ctx context.Context) ([]bool, error) {
	d := m.Warehouse.Dialect()
	q := d.QuoteIdent
	f, err := m.Warehouse.Scratch(ctx, fmt.Sprintf(`SELECT r.%[1]s
FROM (SELECT %[1]s, %[2]s, %[3]s, %[4]s FROM %[5]s) AS r
LEFT JOIN (SELECT %[2]s, %[3]s, %[4]s FROM (
%[6]s
) AS t) AS p ON p.%[3]s = r.%[3]s AND p.%[2]s = r.%[2]s
WHERE p.%[3]s IS NULL OR p.%[4]s <> r.%[4]s`, q(match.RecColumn), q(match.SourceColumn), q(match.KeyColumn), q(match.HashColumn),
		m.from(m.recordsFile), d.Select(*m.Before[models.PartRecords])), m.path("changed"))
	if err != nil {
		return nil, fmt.Errorf("find the records that have changed: %w", err)
	}
	changed, err := match.ReadNumbers(ctx, f.Path)
	if err != nil {
		return nil, err
	}
	since := make([]bool, m.Records.N)
	for _, rec := range changed[0] {
		if rec < 0 || rec >= int64(m.Records.N) {
			return nil, fmt.Errorf("find the records that have changed: there is no record %d", rec)
		}
		since[rec] = true
	}
	return since, nil
}

// expect is how much a run would compare, and why all where it is all; "" when nothing is published yet.
func (m *matching) expect(ctx context.Context) (string, error) {
	if m.Before[models.PartEdges] == nil {
		return "", nil
	}
	before, _, err := m.basisBefore(ctx)
	if err != nil {
		return "", err
	}
	if m.out.Weights = m.Job.Weights; m.out.Weights != nil {
		if m.now, err = m.basisNow(); err != nil {
			return "", err
		}
	}
	why := m.mayNot(before)
	if why == "" {
		changed, err := m.changed(ctx)
		if err != nil {
			return "", err
		}
		n := count(changed)
		if !tooMany(n, m.Records.N) {
			return fmt.Sprintf("compares the %d records that are new or have changed with all %d", n, m.Records.N), nil
		}
		why = fmt.Sprintf("%d of them are new or have changed", n)
	}
	return fmt.Sprintf("compares all %d records: %s", m.Records.N, why), nil
}

func count(marked []bool) int {
	n := 0
	for _, is := range marked {
		if is {
			n++
		}
	}
	return n
}

// kept are the edges of before whose records are both unchanged, judged as they are now.
func (m *matching) kept(ctx context.Context) ([]match.Edge, error) {
	d := m.Warehouse.Dialect()
	q := d.QuoteIdent
	source := func(name string) string {
		var s strings.Builder
		s.WriteString("CASE " + name)
		for i, own := range m.Plan.Sources {
			fmt.Fprintf(&s, " WHEN %s THEN %d", d.QuoteLiteral(own.Name), i)
		}
		return s.String() + " END"
	}
	records := fmt.Sprintf("(SELECT %s, %s, %s FROM %s)", q(match.RecColumn), q(match.SourceColumn), q(match.KeyColumn), m.from(m.recordsFile))
	f, err := m.Warehouse.Scratch(ctx, fmt.Sprintf(`SELECT x.%[1]s AS a, y.%[1]s AS b, e.pattern
FROM (SELECT a_key, %[4]s AS a_source, b_key, %[5]s AS b_source, pattern FROM (
%[6]s
) AS t) AS e
JOIN %[7]s AS x ON x.%[3]s = e.a_key AND x.%[2]s = e.a_source
JOIN %[7]s AS y ON y.%[3]s = e.b_key AND y.%[2]s = e.b_source`, q(match.RecColumn), q(match.SourceColumn), q(match.KeyColumn),
		source("a_source"), source("b_source"), d.Select(*m.Before[models.PartEdges]), records), m.path("kept"))
	if err != nil {
		return nil, fmt.Errorf("edges of before: %w", err)
	}
	columns, err := match.ReadNumbers(ctx, f.Path)
	if err != nil {
		return nil, err
	}
	var edges []match.Edge
	for i := range columns[0] {
		a, b, p := uint32(columns[0][i]), uint32(columns[1][i]), match.Pattern(columns[2][i])
		if a >= b || int(b) >= m.Records.N {
			return nil, fmt.Errorf("edges of before: records %d and %d of %d", a, b, m.Records.N)
		}
		if m.since[a] || m.since[b] {
			continue
		}
		if e, ok := m.judged(a, b, p); ok {
			edges = append(edges, e)
		}
	}
	return edges, nil
}

// judged is an edge of two unchanged records; ok is false when it is one no more: its block is too large by now, or it was there because
// somebody had decided so, and does not any more.
func (m *matching) judged(a, b uint32, p match.Pattern) (e match.Edge, ok bool) {
	e = match.Edge{A: a, B: b, Pattern: p, Rules: m.engine.RulesOf(a, b)}
	if e.Rules == 0 {
		return e, false // withDecided adds it where it is decided
	}
	e.Weight, e.Verdict, ok = m.keep(a, b, p)
	return e, ok
}

// basisFigures tell the next run what this one compared by, and people how much.
func (m *matching) basisFigures() ([]golden.Figure, error) {
	m.now.Records, m.now.Edges = int64(m.Records.N), int64(len(m.edges))
	text, err := json.Marshal(m.now)
	if err != nil {
		return nil, err
	}
	return []golden.Figure{{Metric: FigureBasis, Value: m.number, Detail: string(text)}, {Metric: "compared_records", Value: float64(m.compared)},
		{Metric: "compared_pairs", Value: float64(m.engine.Pairs(m.since))}}, nil
}

// refused says what to do about rules that would make too many pairs, before anything is compared.
func (m *matching) refused() error {
	return m.placedRefusal(m.engine.Refused())
}

// placedRefusal is a refusal of the engine, or of a prediction, at the rule that it is about.
func (m *matching) placedRefusal(err error) error {
	var refused *match.RefusedError
	if err == nil {
		return nil
	}
	pos, hint := m.Entity.Pos, "max_pairs: says how many pairs may be compared"
	at := func(rule int) string {
		if own := m.entity.Blocking[rule]; own.Pos.Line > 0 {
			pos = own.Pos
		}
		return m.Plan.Rules[rule].Name
	}
	if errors.As(err, &refused) {
		hint = m.advice(refused, at)
	}
	return &match.Error{Pos: pos, Err: err, Hint: hint}
}

// advice names the numbers that would let the plan pass.
func (m *matching) advice(refused *match.RefusedError, at func(rule int) string) string {
	if len(refused.Overflowed) > 0 {
		o := refused.Overflowed[0]
		return fmt.Sprintf("in rule %q: another key makes blocks smaller, on_overflow: skip or review leaves those out that are too large, max_block: %d allows them", at(o.Rule), o.Largest)
	}
	total, most := int64(0), refused.Predicted[0]
	for _, p := range refused.Predicted {
		if total += p.Pairs; p.Pairs > most.Pairs {
			most = p
		}
	}
	return fmt.Sprintf("rule %q makes %d of them, its largest block has %d records: give it another key, or max_block: with on_overflow: skip; max_pairs: %d allows them all", at(most.Rule), most.Pairs, most.Largest, total)
}

// overflowed tells what is not compared because too many records share a key.
func (m *matching) overflowed() {
	for _, o := range m.engine.Overflows() {
		rule := &m.Plan.Rules[o.Rule]
		if o.Blocks > 0 && rule.Overflow != match.Refuse {
			keys, pairs := fmt.Sprintf("%d keys are", o.Blocks), fmt.Sprintf("%d pairs were", o.Pairs)
			if o.Blocks == 1 {
				keys = "1 key is"
			}
			if o.Pairs == 1 {
				pairs = "1 pair was"
			}
			m.note("rule %q: %s shared by more than %d records (the most by %d): by this rule %s not compared", rule.Name, keys, rule.MaxBlock,
				o.Largest, pairs)
		}
	}
}
