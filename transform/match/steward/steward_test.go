package steward

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func text(s string) *string { return &s }

func file(t *testing.T, content string) File {
	t.Helper()
	f := File{Path: filepath.Join(t.TempDir(), "customer.decisions.csv"), Name: "entities/customer.decisions.csv"}
	if content != "" {
		if err := os.WriteFile(f.Path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestDecisionsComeBackAsTheyWereMade(t *testing.T) {
	f := file(t, "")
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	made := []Decision{
		{Kind: Match, A: Record{"crm", "1"}, B: Record{"shop", "a:b"}, By: "ada", At: at, Why: "same person, \"really\"\nphoned"},
		{Kind: Split, A: Record{"crm", "1"}, B: Record{"crm", "2"}, By: "ada", At: at},
		{Kind: Pin, A: Record{"crm", "1"}, Field: "email", Value: text(""), By: "bob", At: at},
		{Kind: Pin, A: Record{"crm", "1"}, Field: "phone", By: "bob", At: at},
	}
	for i := range made {
		added, err := f.Append(made[i])
		if err != nil {
			t.Fatal(err)
		}
		made[i].ID = added.ID
	}
	got, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(made) {
		t.Fatalf("%d decisions, want %d", len(got), len(made))
	}
	for i, d := range got {
		same := d.ID == made[i].ID && d.A == made[i].A && d.B == made[i].B && d.Why == made[i].Why && d.At.Equal(at) && d.Field == made[i].Field &&
			(d.Value == nil) == (made[i].Value == nil) && (d.Value == nil || *d.Value == *made[i].Value)
		if !same {
			t.Errorf("decision %d: %+v, want %+v", i, d, made[i])
		}
	}
	if got[1].Place != "entities/customer.decisions.csv:4" { // behind a cell of two lines
		t.Errorf("place %s", got[1].Place)
	}
}

func TestTheFilesMistakesAreNamedWithTheirLine(t *testing.T) {
	const head = "kind,a_source,a_key,b_source,b_key\n"
	for name, c := range map[string]struct{ content, want string }{
		"unknown column": {"kind,a_sourc,a_key,b_source,b_key\n", `customer.decisions.csv:1: unknown column "a_sourc": did you mean "a_source"?`},
		"missing column": {"kind,a_source,a_key\n", `:1: column "b_source" is missing`},
		"column twice":   {"kind,kind,a_source,a_key,b_source,b_key\n", "is there twice"},
		"kind":           {head + "merge,crm,1,crm,2\n", `:2: kind "merge": write match, split, pin or revoke`},
		"one record":     {head + "match,crm,1,,\n", ":2: the other record is missing"},
		"twice the same": {head + "match,crm,1,crm,1\n", ":2: one record is named twice"},
		"all at once":    {head + "match,crm,1,,\nmerge,crm,1,crm,2\n", ":3: kind"},
		"quotes":         {head + "match,\"crm,1,crm,2\n", ":2"},
		"fewer cells":    {head + "match,crm\n", ":2"},
		"time":           {"at," + head + "soon,match,crm,1,crm,2\n", `:2: at "soon" is no time`},
	} {
		_, err := file(t, c.content).Read()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestWhatPeopleWroteByHandIsKept(t *testing.T) {
	f := file(t, "\ufeffa_source,a_key,b_source,b_key,kind\ncrm,1,crm,2,match\n")
	if _, err := f.Append(Decision{Kind: Split, A: Record{"crm", "3"}, B: Record{"crm", "4"}, By: "ada", Why: "no"}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Read()
	if err != nil || len(got) != 2 || got[0].Kind != Match || got[1].By != "ada" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTheLaterDecisionHolds(t *testing.T) {
	a, b := Record{"crm", "1"}, Record{"crm", "2"}
	r, err := Rule([]Decision{
		{ID: "1", Kind: Match, A: a, B: b}, {ID: "2", Kind: Split, A: b, B: a},
		{ID: "3", Kind: Pin, A: a, Field: "email", Value: text("x")}, {ID: "4", Kind: Pin, A: a, Field: "Email", Value: text("y")},
	})
	if err != nil || len(r.Match) != 0 || len(r.Split) != 1 || len(r.Pins) != 1 || *r.Pins[0].Value != "y" {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = Rule([]Decision{{ID: "1", Kind: Match, A: a, B: b}, {ID: "2", Kind: Revoke, Of: "1"}})
	if err != nil || len(r.Match) != 0 {
		t.Errorf("after a revoke: %+v, %v", r, err)
	}
}

func TestContradictionsAreNamed(t *testing.T) {
	a, b, c, d := Record{"crm", "1"}, Record{"crm", "2"}, Record{"shop", "3"}, Record{"shop", "4"}
	chain := []Decision{
		{ID: "1", Kind: Match, A: a, B: b, By: "ada"}, {ID: "2", Kind: Match, A: b, B: c, By: "bob"}, {ID: "9", Kind: Match, A: c, B: d},
		{ID: "3", Kind: Split, A: c, B: a, By: "cid", Place: "f:7"},
	}
	_, err := Rule(chain)
	want := "f:7: split crm:1 and shop:3 (cid) contradicts what brings the two together: match crm:1 and crm:2 (ada); match crm:2 and shop:3 (bob)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = Rule([]Decision{{Kind: Match, A: a, B: b, Place: "t"}, {Kind: Split, A: b, B: a, Place: "t"}})
	if err == nil || !strings.Contains(err.Error(), "neither has a time") {
		t.Errorf("same pair both ways without times: %v", err)
	}
	_, err = Rule([]Decision{{ID: "2", Kind: Revoke, Of: "1"}})
	if err == nil || !strings.Contains(err.Error(), `no decision before it has the id "1"`) {
		t.Errorf("revoke of nothing: %v", err)
	}
	f := file(t, "")
	for _, d := range chain[:3] {
		if _, err := f.Append(d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Append(chain[3]); err == nil {
		t.Error("a contradiction was appended")
	}
	if got, _ := f.Read(); len(got) != 3 {
		t.Errorf("%d decisions in the file, want 3", len(got))
	}
}
