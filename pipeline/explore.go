package pipeline

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/steward"
	"github.com/millrace/millrace/warehouse"
)

// EntityStatus is an entity with what is published of it.
type EntityStatus struct {
	Name        string           `json:"name"`
	Description string           `json:"description,omitempty"`
	Owner       string           `json:"owner,omitempty"`
	Tags        []string         `json:"tags,omitempty"`
	Sources     []string         `json:"sources"`
	Personal    bool             `json:"personal"`            // it has values, or keys, that not everybody is shown
	Published   *EntityPublished `json:"published,omitempty"` // nil: no run has made it yet
}

// EntityPublished are the figures of what is published of an entity.
type EntityPublished struct {
	Run     string    `json:"run"`
	At      time.Time `json:"at"`
	Records int64     `json:"records"`
	Golden  int64     `json:"golden"`
	Merged  int64     `json:"merged"` // records that another one of their golden record stands for
	Review  int64     `json:"review"` // questions that wait for a steward
}

// Entities tells of all entities, without opening any table.
func (e *Engine) Entities(ctx context.Context) ([]EntityStatus, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	all := []EntityStatus{}
	for _, entity := range e.Project.Entities {
		s := EntityStatus{Name: entity.Name, Description: entity.Description, Owner: entity.Owner, Tags: entity.Tags, Sources: []string{}, Personal: e.personal(m, entity)}
		for _, source := range entity.Sources {
			s.Sources = append(s.Sources, source.Name)
		}
		table := func(part string) *load.Table {
			return m.Table(warehouse.Name{Schema: entity.Schema, Table: entity.Table(part)})
		}
		made, records, review := table(models.PartGolden), table(models.PartRecords), table(models.PartReview)
		if made != nil && records != nil && review != nil {
			s.Published = &EntityPublished{Run: made.Run, At: made.PublishedAt, Records: records.Rows, Golden: made.Rows,
				Merged: records.Rows - made.Rows, Review: review.Rows}
		}
		all = append(all, s)
	}
	return all, nil
}

// IsPersonal says whether an entity has values or keys that not everybody is shown.
func (e *Engine) IsPersonal(ctx context.Context, entity *models.Entity) (bool, error) {
	m, err := e.current(ctx)
	if err != nil {
		return false, err
	}
	return e.personal(m, entity), nil
}

func (e *Engine) personal(m *load.Manifest, entity *models.Entity) bool {
	secret, err := e.secrets(m, entity.Node.Name())
	return err != nil || len(secret) > 0 || slices.ContainsFunc(entity.Sources, (*models.EntitySource).HasPersonalKey) ||
		slices.ContainsFunc(entity.Fields, func(f *models.Field) bool { return f.PII })
}

// GoldenSearch says which golden records are wanted.
type GoldenSearch struct {
	Text    string // the beginning of an id, a record's key or source:key, or words of values; "" is all
	Records int    // that one has at least
	Review  bool   // only those that a question to a steward is about
	After   string // the golden id behind which the answer begins
	Limit   int
	// Plain shows personal values, and finds by them. Without it they are neither shown nor looked at, so that nobody learns by searching
	// what they are not shown.
	Plain bool
}

// GoldenHit is a golden record in a list.
type GoldenHit struct {
	ID          string       `json:"golden_id"`
	Records     int64        `json:"records"`
	Sources     []string     `json:"sources"`
	LastChanged time.Time    `json:"last_changed"`
	Review      int64        `json:"review"`        // questions about it that wait for a steward
	Was         []string     `json:"was,omitempty"` // ids that were searched for and have been merged into it
	Values      []FieldValue `json:"values"`
}

// FieldValue is a value of a golden record as it is shown.
type FieldValue struct {
	Field string `json:"field"`
	Value string `json:"-"` // as people read it
	Typed any    `json:"value"`
}

// goldenOwn are the columns of golden records that say what they are, and not what they are about.
var goldenOwn = []string{"golden_id", "records", "sources", "first_seen", "last_changed"}

// FindGolden searches golden records, in the order of their ids, which no value changes.
func (e *Engine) FindGolden(ctx context.Context, entity *models.Entity, search GoldenSearch) (found []GoldenHit, err error) {
	parts := []string{models.PartXref, models.PartGolden, models.PartReview}
	if text := strings.TrimSpace(search.Text); len(text) >= leastOfGone && GoldenIDForm.MatchString(text) {
		parts = append(parts, models.PartMergeLog)
	}
	err = e.explain(ctx, entity, search.Plain, parts, func(x *explaining) error {
		found, err = x.find(ctx, search)
		return err
	})
	return found, err
}

func (x *explaining) find(ctx context.Context, search GoldenSearch) ([]GoldenHit, error) {
	d := x.Dialect()
	where := []string{"g.golden_id > " + d.QuoteLiteral(search.After)}
	if search.Records > 1 {
		where = append(where, fmt.Sprintf("g.records >= %d", search.Records))
	}
	if search.Review {
		where = append(where, fmt.Sprintf("g.golden_id IN (SELECT a_golden_id FROM %[1]s UNION ALL SELECT b_golden_id FROM %[1]s)", x.table(models.PartReview)))
	}
	heirs, err := x.heirs(ctx, search.Text)
	if err != nil {
		return nil, err
	}
	if words := strings.Fields(search.Text); len(words) > 0 {
		means := x.means(strings.TrimSpace(search.Text), words)
		for heir := range heirs {
			means += " OR g.golden_id = " + d.QuoteLiteral(heir)
		}
		where = append(where, "("+means+")")
	}
	var fields []string
	for _, c := range x.tables[models.PartGolden].Columns {
		if !slices.Contains(goldenOwn, c.Name) {
			fields = append(fields, c.Name)
		}
	}
	columns := "g.golden_id, g.records, array_to_string(g.sources, chr(31)) AS sources, g.last_changed"
	for _, f := range fields {
		columns += ", g." + d.QuoteIdent(f)
	}
	_, rows, err := x.values(ctx, fmt.Sprintf("SELECT %s FROM %s AS g WHERE %s ORDER BY g.golden_id LIMIT %d", columns, x.table(models.PartGolden), strings.Join(where, " AND "), search.Limit))
	if err != nil {
		return nil, err
	}
	hits := make([]GoldenHit, len(rows))
	for i, r := range rows {
		hits[i] = GoldenHit{ID: r[0].text, Sources: strings.Split(r[2].text, "\x1f"), LastChanged: timeOf(r[3].text), Values: []FieldValue{}, Was: heirs[r[0].text]}
		_, _ = fmt.Sscan(r[1].text, &hits[i].Records)
		for k, f := range fields {
			value := x.field(f, r[4+k])
			hits[i].Values = append(hits[i].Values, FieldValue{f, value.text, value.typed})
		}
	}
	return hits, x.questions(ctx, hits)
}

// leastOfGone is how much of a golden id is looked for among those that are no more.
const leastOfGone = 4

// GoldenIDForm is the form of golden ids, and of how one begins.
var GoldenIDForm = regexp.MustCompile(`^[0-9A-Fa-f-]{1,36}$`)

// mostHeirs is how many ids that are no more one search finds.
const mostHeirs = 100

// heirs are the golden records that have the records of ids that were merged, with those ids, where a text is the beginning of such.
func (x *explaining) heirs(ctx context.Context, text string) (map[string][]string, error) {
	if x.tables[models.PartMergeLog] == nil {
		return nil, nil
	}
	d := x.Dialect()
	rows, err := x.texts(ctx, fmt.Sprintf(`WITH RECURSIVE merged AS (SELECT old_id, new_id FROM %s WHERE kind = '%s'), h AS (
SELECT old_id AS was, new_id AS now FROM merged WHERE starts_with(old_id, %s)
UNION SELECT h.was, m.new_id FROM h JOIN merged AS m ON m.old_id = h.now
) SELECT DISTINCT h.now, h.was FROM h JOIN %s AS g ON g.golden_id = h.now WHERE h.was NOT IN (SELECT golden_id FROM %[4]s) ORDER BY 1, 2 LIMIT %d`,
		x.table(models.PartMergeLog), golden.Merged, d.QuoteLiteral(strings.ToLower(strings.TrimSpace(text))), x.table(models.PartGolden), mostHeirs))
	found := map[string][]string{}
	for _, r := range rows {
		found[r[0]] = append(found[r[0]], r[1])
	}
	return found, err
}

// means is the condition that a golden record is one that the text means. Texts are folded as cleaning
// functions fold them: case and accents make no difference, and neither do ø and o, ß and ss.
func (x *explaining) means(text string, words []string) string {
	d := x.Dialect()
	either := []string{"starts_with(g.golden_id, lower(" + d.QuoteLiteral(text) + "))"}
	var open []string
	for _, s := range x.entity.Sources {
		if x.plain || !s.HasPersonalKey() {
			open = append(open, d.QuoteLiteral(s.Name))
		}
	}
	if len(open) > 0 {
		either = append(either, fmt.Sprintf("g.golden_id IN (SELECT golden_id FROM %s WHERE valid_to IS NULL AND source IN (%s) AND (source_key = %s OR source || ':' || source_key = %[3]s))",
			x.table(models.PartXref), strings.Join(open, ", "), d.QuoteLiteral(text)))
	}
	var values []string
	for _, c := range x.tables[models.PartGolden].Columns {
		if !slices.Contains(goldenOwn, c.Name) && !x.hides(c.Name) {
			values = append(values, "CAST(g."+d.QuoteIdent(c.Name)+" AS VARCHAR)")
		}
	}
	if len(values) > 0 {
		all := make([]string, len(words))
		for i, w := range words {
			all[i] = fmt.Sprintf("contains(clean_fold(concat_ws(' ', %s)), coalesce(clean_fold(%s), %[2]s))", strings.Join(values, ", "), d.QuoteLiteral(w))
		}
		either = append(either, "("+strings.Join(all, " AND ")+")")
	}
	return strings.Join(either, " OR ")
}

// questions counts what of the golden records waits for a steward.
func (x *explaining) questions(ctx context.Context, hits []GoldenHit) error {
	if len(hits) == 0 {
		return nil
	}
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = x.Dialect().QuoteLiteral(h.ID)
	}
	rows, err := x.Query(ctx, fmt.Sprintf("SELECT id, count(*) FROM (SELECT a_golden_id AS id FROM %[1]s UNION ALL SELECT b_golden_id FROM %[1]s) WHERE id IN (%[2]s) GROUP BY id",
		x.table(models.PartReview), strings.Join(ids, ", ")))
	if err != nil {
		return err
	}
	for _, r := range rows.Rows {
		for i := range hits {
			if hits[i].ID == r[0] {
				hits[i].Review, _ = r[1].(int64)
			}
		}
	}
	return nil
}

// GoneIDError says that a golden id is no more, and which took its place.
type GoneIDError struct {
	ID, Run string
	Heir    string // "" when its records are gone
}

func (e *GoneIDError) Error() string {
	if e.Heir == "" {
		return fmt.Sprintf("golden id %s is no more: run %s retired it, its records are gone", e.ID, e.Run)
	}
	return fmt.Sprintf("golden id %s is no more: run %s merged it into %s", e.ID, e.Run, e.Heir)
}

// UnknownGoldenError says that no golden record has the name, or that several do.
type UnknownGoldenError struct {
	Several int // that do
	text    string
}

func (e *UnknownGoldenError) Error() string { return e.text }

// DecisionStatus is a decision as it is shown, with what became of it. Values and keys that are personal are masked.
type DecisionStatus struct {
	ID    string       `json:"id"`
	At    *time.Time   `json:"at,omitempty"`
	By    string       `json:"by"`
	Kind  steward.Kind `json:"kind"`
	A     string       `json:"a,omitempty"` // source:key
	B     string       `json:"b,omitempty"`
	Field string       `json:"field,omitempty"`
	Value *string      `json:"value,omitempty"` // of a pin; absent: that of A, unless null
	Null  bool         `json:"null,omitempty"`  // of a pin: no value
	Of    string       `json:"of,omitempty"`    // the decision that a revoke takes back
	Why   string       `json:"why"`
	State string       `json:"state"` // in_force, revoked, overruled by a later one, revoke, or unknown
	// Pending says that the published run did not know: the next one obeys.
	Pending   bool   `json:"pending"`
	RevokedBy string `json:"revoked_by,omitempty"` // id
	// OverruledBy is the id of the later decision about the same that holds.
	OverruledBy string `json:"overruled_by,omitempty"`
	Where       string `json:"where"`               // file:line, or the table of overrides
	Overrules   string `json:"overrules,omitempty"` // of a decision that was just made: what held until then, in words

	Revocable bool `json:"-"` // whether it is one of the file, which can be taken back

	Decision steward.Decision `json:"-"` // unmasked
}

// named is the decision in words, without a value, with who has made it.
func (s *DecisionStatus) named() string {
	text := strings.TrimSpace(strings.Replace(s.Told(), ": ", " ", 1))
	if s.By != "" {
		text += " (" + s.By + ")"
	}
	return text
}

// Said is the decision in words, without a value, with what becomes of it, where the published run has obeyed it or the next one does.
func (s DecisionStatus) Said() string {
	switch {
	case s.State == DecisionRevoked:
		return s.named() + ", until the next run: it was taken back"
	case s.State == DecisionOverruled:
		return s.named() + ", until the next run: a later one holds then"
	case s.Pending:
		return s.named() + ", not run yet"
	}
	return s.named()
}

// Told is the decision in words, without a value.
func (s *DecisionStatus) Told() string {
	switch s.Kind {
	case steward.Pin:
		return fmt.Sprintf("%s: pin %s of %s", s.ID, s.Field, s.A)
	case steward.Revoke:
		return fmt.Sprintf("%s: revoke %s", s.ID, s.Of)
	}
	return fmt.Sprintf("%s: %s %s and %s", s.ID, s.Kind, s.A, s.B)
}

// What became of a decision.
const (
	DecisionInForce   = "in_force"
	DecisionRevoked   = "revoked"
	DecisionOverruled = "overruled"
	DecisionRevoke    = "revoke"
	DecisionUnknown   = "unknown" // decisions contradict each other: what holds cannot be told
)

// DecisionStatuses are what stewards have decided, in their order, each with what became of it. Those that contradict each other are
// given with the error, for one of them is to be taken back.
func (e *Engine) DecisionStatuses(ctx context.Context, entity *models.Entity, plain bool) ([]DecisionStatus, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	secret, err := e.secrets(m, entity.Node.Name())
	if err != nil {
		return nil, err
	}
	all, err := e.AllDecisions(ctx, entity)
	if err != nil {
		return nil, err
	}
	x := &explaining{entityLook: &entityLook{entity: entity, secret: secret}, plain: plain}
	rulings, err := steward.Agreed(all)
	if err == nil {
		return x.statuses(all, rulings, knownTo(m.Table(nameOf(entity.Node)))), nil
	}
	out := make([]DecisionStatus, len(all))
	for i, d := range all {
		out[i] = x.status(d)
		out[i].State = DecisionUnknown
	}
	return out, err
}

// statuses are decisions, each with what became of it. The published run has known those of known.
func (x *explaining) statuses(all []steward.Decision, now *steward.Rulings, known map[string]bool) []DecisionStatus {
	inForce, revokes := map[string]bool{}, map[string]steward.Decision{}
	for _, d := range slices.Concat(now.Match, now.Split, now.Pins) {
		inForce[d.ID] = true
	}
	for _, d := range all {
		if d.Kind == steward.Revoke {
			revokes[d.Of] = d
		}
	}
	out := make([]DecisionStatus, len(all))
	for i, d := range all {
		out[i] = x.status(d)
		out[i].Pending = !known[d.ID]
		revoke, revoked := revokes[d.ID]
		switch {
		case d.Kind == steward.Revoke:
			out[i].State = DecisionRevoke
		case revoked && d.ID != "":
			out[i].State, out[i].RevokedBy, out[i].Pending = DecisionRevoked, revoke.ID, !known[revoke.ID]
		case inForce[d.ID]:
			out[i].State = DecisionInForce
		default:
			out[i].State, out[i].Pending = DecisionOverruled, false
			if over := now.Of(&d); over != nil {
				out[i].OverruledBy = over.ID
			}
		}
	}
	return out
}

// status is a decision as it is shown.
func (x *explaining) status(d steward.Decision) DecisionStatus {
	s := DecisionStatus{Where: d.Place, Revocable: !d.Unordered && d.Kind != steward.Revoke, ID: d.ID, By: d.By, Kind: d.Kind, Field: d.Field, Null: d.Null, Of: d.Of, Why: d.Why, State: DecisionInForce, Decision: d}
	if !d.At.IsZero() {
		s.At = &d.At
	}
	if d.A.Source != "" {
		s.A = x.record(d.A.Source, d.A.Key)
	}
	if d.B.Source != "" {
		s.B = x.record(d.B.Source, d.B.Key)
	}
	if d.Value != nil {
		value := x.value(d.Field, *d.Value)
		s.Value = &value
	}
	return s
}

// MaskDecision is a decision that was just made as everybody may see it.
func (e *Engine) MaskDecision(ctx context.Context, entity *models.Entity, d *steward.Decision) (*DecisionStatus, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	secret, err := e.secrets(m, entity.Node.Name())
	if err != nil {
		return nil, err
	}
	s := (&explaining{entityLook: &entityLook{entity: entity, secret: secret}}).status(*d)
	s.Pending = true
	if d.Over != nil {
		s.Overrules = strings.TrimSpace(d.Over.ID + " " + d.Over.Told())
	}
	if d.Kind == steward.Revoke {
		s.State = DecisionRevoke
	}
	return &s, nil
}

// ReviewAsk says which questions to a steward are wanted.
type ReviewAsk struct {
	Reason   string // "" is all
	Doubtful bool   // those whose odds are nearest to even first; else the likeliest matches
	Skip     int
	Limit    int  // 0 is all
	Compared bool // with what was compared
	Plain    bool
}

// ComparedValue is what one comparison of a published pair came out at, with the standardized values.
type ComparedValue struct {
	Name   string  `json:"name"`
	Level  string  `json:"level"`
	Bits   float64 `json:"bits"`
	A      string  `json:"-"` // as people read it
	B      string  `json:"-"`
	TypedA any     `json:"a"`
	TypedB any     `json:"b"`
}

// order is how questions follow each other. Where keys are masked their order tells nothing of them.
func (x *explaining) reviewOrder(doubtful bool) string {
	weight, keys := "weight DESC NULLS LAST", "a_source, a_key, b_source, b_key"
	if doubtful {
		weight = "abs(weight) NULLS LAST"
	}
	if x.masksKeys() {
		keys = "a_source, b_source, a_golden_id, b_golden_id, md5(a_key), md5(b_key)"
	}
	return "kind DESC, " + weight + ", " + keys
}

// masksKeys says whether keys of any source are not shown.
func (x *explaining) masksKeys() bool {
	return !x.plain && slices.ContainsFunc(x.entity.Sources, (*models.EntitySource).HasPersonalKey)
}

// compareShown adds to pairs what was compared, from what the run has published of them.
func (x *explaining) compareShown(ctx context.Context, shown []ReviewedThing) error {
	var pairs []string
	var records []steward.Record
	d := x.Dialect()
	plan, _, err := x.ran(ctx)
	if err != nil {
		return err
	}
	for _, t := range shown {
		if t.Kind == "pair" {
			pairs = append(pairs, fmt.Sprintf("(%s, %s, %s, %s)", d.QuoteLiteral(t.RecordA.Source), d.QuoteLiteral(t.RecordA.Key), d.QuoteLiteral(t.RecordB.Source), d.QuoteLiteral(t.RecordB.Key)))
			records = append(records, t.RecordA, t.RecordB)
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	levels := ""
	for _, c := range plan.Comparisons {
		levels += fmt.Sprintf(", %s, %s", d.QuoteIdent(c.Name+"_level"), d.QuoteIdent(c.Name+"_bits"))
	}
	edges, err := x.texts(ctx, fmt.Sprintf("SELECT a_source, a_key, b_source, b_key%s FROM %s WHERE (a_source, a_key, b_source, b_key) IN (%s)",
		levels, x.table(models.PartEdges), strings.Join(pairs, ", ")))
	if err != nil {
		return err
	}
	byRecord, err := x.recordsOf(ctx, plan, records...)
	if err != nil {
		return err
	}
	byPair := map[[2]steward.Record][]string{}
	for _, r := range edges {
		byPair[[2]steward.Record{{Source: r[0], Key: r[1]}, {Source: r[2], Key: r[3]}}] = r[4:]
	}
	for i := range shown {
		t := &shown[i]
		if t.Kind != "pair" {
			continue
		}
		edge := byPair[[2]steward.Record{t.RecordA, t.RecordB}]
		for c := range plan.Comparisons {
			own := ComparedValue{Name: plan.Comparisons[c].Name}
			if len(edge) > 2*c+1 {
				own.Level = edge[2*c]
				_, _ = fmt.Sscan(edge[2*c+1], &own.Bits)
			}
			a, b := x.side(plan.Comparisons[c].Columns, plan, byRecord[t.RecordA]), x.side(plan.Comparisons[c].Columns, plan, byRecord[t.RecordB])
			own.A, own.TypedA, own.B, own.TypedB = a.text, a.typed, b.text, b.typed
			t.Compared = append(t.Compared, own)
		}
	}
	return nil
}

// recordsOf are the standardized values of records, in the order of the plan's columns.
func (x *explaining) recordsOf(ctx context.Context, plan *match.Plan, records ...steward.Record) (map[steward.Record][]told, error) {
	d := x.Dialect()
	columns, wanted := "", make([]string, len(records))
	for _, c := range plan.Columns {
		columns += ", " + d.QuoteIdent(c.Name)
	}
	for i, r := range records {
		source := slices.IndexFunc(plan.Sources, func(s match.Source) bool { return s.Name == r.Source })
		wanted[i] = fmt.Sprintf("(%d, %s)", source, d.QuoteLiteral(r.Key))
	}
	_, rows, err := x.values(ctx, fmt.Sprintf("SELECT _source, _key%s FROM %s WHERE (_source, _key) IN (%s)", columns, x.table(models.PartRecords), strings.Join(wanted, ", ")))
	found := map[steward.Record][]told{}
	for _, r := range rows {
		var source int
		_, _ = fmt.Sscan(r[0].text, &source)
		found[steward.Record{Source: plan.Sources[source].Name, Key: r[1].text}] = r[2:]
	}
	return found, err
}

// side is what a record has in a comparison's columns: a list where they are several.
func (x *explaining) side(columns []int, plan *match.Plan, record []told) told {
	var texts []string
	var typed []any
	for _, k := range columns {
		if k >= len(record) {
			continue
		}
		value := record[k]
		if slices.ContainsFunc(plan.Columns[k].MadeOf(), x.hides) {
			value = value.masked()
		}
		texts, typed = append(texts, value.text), append(typed, value.typed)
	}
	if len(typed) == 1 {
		return told{texts[0], typed[0]}
	}
	return told{strings.Join(texts, ", "), typed}
}
