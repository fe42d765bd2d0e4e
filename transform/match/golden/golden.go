package golden

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Golden makes an entity's tables, but for the records, of what matching found and of the tables as they were published before. Each of its
// methods that has no other result returns one SELECT, for the engine whose dialect it is given; Build runs them in their order.
//
//	Members ─ Claims ─ Contested, Settled, Won, Open ─ IDs      who is in which cluster, and which golden id that takes
//	Survivors ─ Related ─ Golden                                what golden records are made of
//	Xref, MergeLog, Edges, Review, Quality                      how that came about
//
// A cluster is known by the number of its first record until it has an id. Records are numbered by (source, key), so the least number is
// what decides last wherever two things are equal, and the result depends on no order of rows.
type Golden struct {
	Entity  *models.Entity
	Plan    *match.Plan
	Dialect *warehouse.Dialect
	Run     string
	At      time.Time // logical time of the run: ages and validity are counted from it
	// Fields are the columns of Relations.Raw behind _rec.
	Fields []warehouse.Column
	// Levels are the columns of Relations.Edges behind pattern.
	Levels []string
	From   Relations
	// Pins are values that are decided, whatever the rules say.
	Pins []Pin
	// Cleaned is what standardizing makes of a value of a field (see standardize.Reading); nil, or "", where nothing is known of it.
	Cleaned func(field, value string) string
	// Pushed are pairs that others which are forced together keep apart.
	Pushed []Pushed
	// Together says when the files of the tables that each run adds to become one.
	Together warehouse.Together
	// Columns are those of Golden without first_seen and last_changed, and Before those of the published table: when they are the same,
	// a golden record of the same values keeps the time of its last change.
	Columns, Before []warehouse.Column
}

// Relations are table expressions: files of the run, and published tables. An empty one of the latter was not published yet.
type Relations struct {
	Records string // see Records
	Raw     string // _rec, and the fields of golden records as the source has them, with their own types
	Labels  string // _rec, cluster: the least _rec of its cluster
	Edges   string // a, b, weight, probability, verdict, rules, pattern, and Golden.Levels
	Blocks  string // rule, key, records: blocks that had too many; "" for none

	Xref, Golden, Review string // as published before

	Members, Claims, Settled, IDs string   // made by the methods of these names
	Pins                          string   // Golden.Pins as Build has written them; "" for none
	Open                          string   // claims that are not decided yet
	Won                           []string // claims that were decided, by round
	Related                       []string // of each of Entity.Relations: cluster, id
	Parents, Above                []string // the same, of hierarchies; "" for households
}

// namespace is that of Millrace's ids: of version 5, of its address, in the namespace of URLs.
const namespace = "b0759858-e76b-5bf2-83cd-2b119a052fbf"

// name builds the text that an id is made of. Its last part may hold anything: the others hold no such sign.
func (g *Golden) name(parts ...string) string {
	return strings.Join(append([]string{g.text(g.Entity.Name)}, parts...), " || chr(31) || ")
}

func (g *Golden) q(name string) string    { return g.Dialect.QuoteIdent(name) }
func (g *Golden) text(text string) string { return g.Dialect.QuoteLiteral(text) }

// idType is what ids are between the steps: they are compared far faster than texts. Tables have them as texts.
const idType = "UUID"

func (g *Golden) packed(id string) string {
	return "CAST(" + id + " AS " + g.Dialect.Type(idType) + ")"
}
func (g *Golden) unpacked(id string) string {
	return "CAST(" + id + " AS " + g.Dialect.Type("VARCHAR") + ")"
}

// at is the run's logical time in SQL: UTC, without a zone, as records have theirs.
func (g *Golden) at() string {
	return fmt.Sprintf("CAST(%s AS %s)", g.text(g.At.UTC().Format("2006-01-02 15:04:05.000000")), g.Dialect.Type("TIMESTAMP"))
}

// null is a NULL of a type.
func (g *Golden) null(typ string) string { return "CAST(NULL AS " + g.Dialect.Type(typ) + ")" }

// sourceName is the name of a record's source.
func (g *Golden) sourceName(number string) string {
	sql := "CASE " + number
	for i, s := range g.Plan.Sources {
		sql += fmt.Sprintf(" WHEN %d THEN %s", i, g.text(s.Name))
	}
	return sql + " END"
}

// inForce are the rows of the published xref that hold, "" when it was not published.
func (g *Golden) inForce() string {
	if g.From.Xref == "" {
		return ""
	}
	return fmt.Sprintf("(SELECT source, source_key, golden_id, valid_from, run_id, record_hash FROM %s AS x WHERE valid_to IS NULL)",
		g.From.Xref)
}

// field is the column of the raw records of that name.
func (g *Golden) field(name string) (warehouse.Column, bool) {
	for _, c := range g.Fields {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return warehouse.Column{}, false
}

// union puts SELECTs of the same columns together.
func union(selects ...string) string { return strings.Join(selects, "\nUNION ALL\n") }

// sub is a SELECT as a table expression.
func sub(query string) string { return "(\n" + query + "\n)" }
