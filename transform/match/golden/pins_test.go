package golden

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// TestPins: a pinned value is what the golden record has, with its type, and who asks is told so.
func TestPins(t *testing.T) {
	e, p := people()
	l := open(t, e, p, personFields...)
	value := func(s string) *string { return &s }
	l.g.Pins = []Pin{{Source: "shop", Key: "7", Field: "Name", Decision: "d1", Place: "f:2"},
		{Source: "crm", Key: "1", Field: "score", Value: value("950"), Decision: "d2", Place: "f:3"},
		{Source: "crm", Key: "1", Field: "mails", Decision: "d3", Place: "f:4"},
		{Source: "shop", Key: "8", Field: "born", Value: value("1990-05-04"), Decision: "d4", Place: "f:5"},
		{Source: "shop", Key: "8", Field: "city", Value: value("it's"), Decision: "d5", Place: "f:6"},
		{Source: "shop", Key: "8", Field: "email", Value: value("none"), Decision: "d6", Place: "f:7"},
		{Source: "crm", Key: "1", Field: "email", Null: true, Decision: "d7", Place: "f:8"}}
	l.g.Cleaned = func(_, value string) string { return "nullif(" + value + ", 'none')" }
	b := l.build(ann())
	same(t, "golden", l.rows(b.Tables[models.PartGolden], "SELECT name, email, street, city, born, score, mails FROM {t}"), []string{
		`A. Smith|∅|2 Low Rd|Ely|1980-01-02|950|[!ann@]`, "Bob|none|∅|it's|1990-05-04|∅|[!]"})
	same(t, "notes", b.Notes, []string{"f:7: the value that is pinned to email is none that require: valid lets count; it holds all the same: revoke decision d6, or pin another, if that is wrong",
		"f:3: the value that is pinned to score is none that require: score < 900 lets count; it holds all the same: revoke decision d2, or pin another, if that is wrong"})
	xref := sub(warehouse.DuckDB.Select(*b.Tables[models.PartXref]))
	for _, id := range l.rows(nil, "SELECT DISTINCT golden_id FROM "+xref+" AS x WHERE source_key = '7'") {
		traced := l.g.Traced(l.g.From.Records, l.g.From.Raw, xref, id)
		winners, err := traced.Winners()
		if err != nil {
			t.Fatal(err)
		}
		same(t, "winners", l.rows(nil, "SELECT field, place, source, source_key, value, decided FROM ("+winners+") AS w WHERE field = 'name' AND place < 3 OR field IN ('email', 'score') AND place = 1"),
			[]string{"email|1|crm|1|∅|pinned by d7", "name|1|shop|7|A. Smith|pinned by d1", "name|2|crm|1|Ann Smith|the first of its source and key", "score|1|crm|1|950|pinned by d2"})
	}
	again := l.build(ann())
	if got := l.rows(again.Tables[models.PartGolden], "SELECT DISTINCT last_changed FROM {t}"); len(got) != 1 || got[0] != "2026-01-01 00:00:00" {
		t.Errorf("a pin that stays changes nothing: %v", got)
	}
}

// TestWrongPins: what cannot be obeyed is an error that names the decision, and never the value.
func TestWrongPins(t *testing.T) {
	e, p := people()
	bad := "secret words"
	for _, c := range []struct {
		pin  Pin
		want string
	}{
		{Pin{Source: "crm", Key: "1", Field: "born", Value: &bad, Decision: "d1", Place: "f:2"}, "f:2: the value that is pinned to born is no DATE: revoke decision d1"},
		{Pin{Source: "crm", Key: "1", Field: "nosuch", Value: &bad, Decision: "d1", Place: "f:2"}, `f:2: golden records have no field "nosuch" any more: revoke decision d1`},
	} {
		l := open(t, e, p, personFields...)
		l.g.Pins = []Pin{c.pin}
		l.input(ann())
		_, err := l.run(l.w)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", c.pin.Field, err)
		}
	}
}
