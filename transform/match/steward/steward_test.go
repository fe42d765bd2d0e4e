package steward

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func text(s string) *string { return &s }

func file(t *testing.T, content string) File {
	t.Helper()
	f := File{Path: filepath.Join(t.TempDir(), "customer.decisions.csv"), Name: "entities/customer.decisions.csv",
		Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
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
		{Kind: Pin, A: Record{"crm", "2"}, Field: "email", Value: text(`\N`), By: "bob", At: at},
		{Kind: Pin, A: Record{"crm", "3"}, Field: "email", Value: text(`\\x`), By: "bob", At: at},
		{Kind: Pin, A: Record{"crm", "1"}, Field: "phone", By: "bob", At: at},
		{Kind: Pin, A: Record{"crm", "4"}, Field: "phone", Null: true, By: "bob", At: at},
		{Kind: Pin, A: Record{"crm", "5"}, Field: "phone", Value: text(`\NULL`), By: "bob", At: at},
	}
	for i := range made {
		added, err := f.Append(made[i])
		if err != nil {
			t.Fatal(err)
		}
		made[i].ID, made[i].Place = added.ID, added.Place
	}
	got, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(made) {
		t.Fatalf("%d decisions, want %d", len(got), len(made))
	}
	for i, d := range got {
		same := d.ID == made[i].ID && d.Place == made[i].Place && d.Null == made[i].Null && d.A == made[i].A && d.B == made[i].B && d.Why == line(made[i].Why) && d.At.Equal(at) && d.Field == made[i].Field &&
			(d.Value == nil) == (made[i].Value == nil) && (d.Value == nil || *d.Value == *made[i].Value)
		if !same {
			t.Errorf("decision %d: %+v, want %+v", i, d, made[i])
		}
	}
	if got[1].Place != "entities/customer.decisions.csv:3" { // in one line each
		t.Errorf("place %s", got[1].Place)
	}
}

func TestTheFilesMistakesAreNamedWithTheirLine(t *testing.T) {
	const head = "kind,a_source,a_key,b_source,b_key\n"
	for name, c := range map[string]struct{ content, want string }{
		"unknown column": {"kind,a_sourc,a_key,b_source,b_key\n", `customer.decisions.csv:1:1: unknown column "a_sourc": did you mean "a_source"?`},
		"missing column": {"kind,a_source,a_key\n", `:1: column "b_source" is missing`},
		"column twice":   {"kind,kind,a_source,a_key,b_source,b_key\n", "is there twice"},
		"kind":           {head + "merge,crm,1,crm,2\n", `:2:1: kind "merge": write match, split, pin or revoke`},
		"one record":     {head + "match,crm,1,,\n", ":2:13: the other record is missing"},
		"twice the same": {head + "match,crm,1,crm,1\n", ":2:17: one record is named twice"},
		"all at once":    {head + "match,crm,1,,\nmerge,crm,1,crm,2\n", ":3:1: kind"},
		"quotes":         {head + "match,\"crm,1,crm,2\n", ":2"},
		"branches":       {head + "<<<<<<< HEAD\nmatch,crm,1,crm,2\n=======\n", ":2:1: two branches were not merged: keep the rows of both"},
		"UTF-16":         {"\xff\xfek\x00", ":1:1: the file is UTF-16: save it as UTF-8"},
		"Latin-1":        {head + "match,crm,\xe9,crm,2\n", ":2:1: the file is not UTF-8"},
		"semicolons":     {strings.ReplaceAll(head, ",", ";"), "save the file as CSV with commas"},
		"quote in words": {head + "match,crm,1,crm,2\nmatch,crm,\"1\"x,crm,2\n", `:3:13: a quote (") stands where none may`},
		"cells":          {head + "match,crm\n", ":2:1: the row has 2 cells, and the first line names 5 columns: they are kind, a_source"},
		"fewer cells":    {head + "match,crm\n", ":2"},
		"future":         {"kind,at,a_source,a_key,b_source,b_key\nmatch,2031-01-01,crm,1,crm,2\n", ":2:7: at 2031-01-01T00:00:00Z is in the future"},
		"time":           {"at," + head + "soon,match,crm,1,crm,2\n", `:2:1: at "soon" is no time`},
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
	_, err = Rule([]Decision{{Kind: Match, A: a, B: b, Place: "t", Unordered: true}, {Kind: Split, A: b, B: a, Place: "t", Unordered: true}})
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

// TestTheFileOnlyGrows: what was there stays as it is, byte for byte, whoever has written it.
func TestTheFileOnlyGrows(t *testing.T) {
	added := Decision{Kind: Split, A: Record{"crm", "3"}, B: Record{"crm", "4"}, By: "ada", Why: "=no\r\nnever", At: time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)}
	for _, before := range []string{
		"kind,a_source,a_key,b_source,b_key,id,at,by,value,why\r\nmatch,crm,1,crm,2,x,2026-01-01 10:00,eva,kept,\"so\"\r\n",
		"\ufeffwhy,by,at,id,kind,a_source,a_key,b_source,b_key\n,,2026-01-01T00:00:00.120Z,y,match,crm,1,crm,2",
	} {
		f := file(t, before)
		if _, err := f.Append(added); err != nil {
			t.Fatal(err)
		}
		after, _ := os.ReadFile(f.Path)
		if rest, same := strings.CutPrefix(string(after), before); !same || strings.Count(strings.TrimSpace(rest), "\n") != 0 || strings.Contains(before, "\r") != strings.Contains(rest, "\r") {
			t.Errorf("%q became %q", before, after)
		}
	}
	f := file(t, "kind,a_source,a_key,b_source,b_key,field\npin,crm,1,,,city\n") // a column more changes no meaning
	if _, err := f.Append(added); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Append(Decision{Kind: Pin, A: Record{"crm", "1"}, Field: "zip", Value: text("")}); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Read(); err != nil || len(got) != 3 || got[0].Value != nil || *got[2].Value != "" || got[1].Why != "=no never" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestTimesOrder: rows of two branches that were merged hold by their times, and a new one is behind all.
func TestTimesOrder(t *testing.T) {
	f := file(t, `id,at,kind,a_source,a_key,b_source,b_key,of
r,2026-03-01,revoke,,,,,s
s,2026-02-01,split,crm,1,crm,2,
m,2026-01-01,match,crm,1,crm,2,
m,2026-01-01,match,crm,1,crm,2,
k,2026-06-01T00:03:00Z,match,crm,5,crm,6,
`)
	got, err := f.Read()
	if err != nil || len(got) != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	r, err := Rule(got)
	if err != nil || len(r.Match) != 2 || len(r.Split) != 0 || len(r.Known) != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	made, err := f.Append(Decision{Kind: Split, A: Record{"crm", "6"}, B: Record{"crm", "5"}, At: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil || made.Over == nil || made.Over.ID != "k" {
		t.Fatalf("%+v, %v", made, err)
	}
	if got, err = f.Read(); err != nil {
		t.Fatal(err)
	}
	if r, err = Rule(got); err != nil || len(r.Split) != 1 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "split crm:6 and crm:5 (2026-06-01) holds, which came after k match crm:5") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRevokes(t *testing.T) {
	f := file(t, "kind,a_source,a_key,b_source,b_key\nmatch,crm,1,crm,2\nmatch,crm,1,crm,2\nmatch,crm,1,crm,3\nsplit,crm,1,crm,3\nmatch,crm,1,crm,3\n")
	got, err := f.Read()
	if err != nil || len(got) != 4 || got[0].ID == "" || got[1].ID == got[3].ID {
		t.Fatalf("%+v, %v", got, err)
	}
	r, err := Rule(got)
	if err != nil || len(r.Match) != 2 || len(r.Notes) != 3 || r.Notes[0] != f.Name+":3: the row says what "+f.Name+":2 says: it counts once" {
		t.Errorf("%+v, %v", r, err)
	}
	table := []Decision{{ID: "t", Kind: Match, A: Record{"crm", "7"}, B: Record{"crm", "8"}, Place: "main.overrides"}}
	first, err := f.Append(Decision{Kind: Revoke, Of: f.Name + ":2"}, table...)
	if err != nil || first.Of != got[0].ID {
		t.Fatalf("%+v, %v", first, err)
	}
	for of, want := range map[string]string{first.ID: "is a revoke, and stays one: decide anew", got[0].ID: "was revoked already, by " + first.ID, "nosuch": `no decision has the id "nosuch"`,
		"t": "decision t stands in main.overrides"} {
		var refused *RefusedError
		if _, err := f.Append(Decision{Kind: Revoke, Of: of}, table...); !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("revoke %s: %v, want %q", of, err, want)
		}
	}
	var contradiction *ContradictionError
	if _, err := f.Append(Decision{Kind: Split, A: Record{"crm", "8"}, B: Record{"crm", "2"}},
		append(table, Decision{ID: "u", Kind: Match, A: Record{"crm", "2"}, B: Record{"crm", "7"}})...); !errors.As(err, &contradiction) {
		t.Errorf("a split against the table: %v", err)
	}
}

// TestRevokedRepeats: each of the rows that count once can be taken back by the id that it has alone.
func TestRevokedRepeats(t *testing.T) {
	d := Decision{Kind: Match, A: Record{"crm", "1"}, B: Record{"crm", "2"}}
	const row = "match,crm,1,crm,2,\n"
	head := "kind,a_source,a_key,b_source,b_key,of\n"
	for again := range 2 {
		f := file(t, head+row+row+"revoke,,,,,"+d.fingerprint(again)+"\n"+row)
		got, err := f.Read()
		if err != nil || len(got) != 3 || got[1].Of != got[0].ID || got[2].ID != d.fingerprint(2) {
			t.Fatalf("%+v, %v", got, err)
		}
		if r, err := Rule(got[:2]); err != nil || len(r.Match) != 0 {
			t.Errorf("the row %d is revoked: %+v, %v", again, r, err)
		}
		if r, err := Rule(got); err != nil || len(r.Match) != 1 || r.Match[0].ID != got[2].ID {
			t.Errorf("decided anew: %+v, %v", r, err)
		}
		var refused *RefusedError
		_, err = f.Append(Decision{Kind: Revoke, Of: f.Name + ":2"})
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "was revoked already") {
			t.Errorf("revoked twice: %v", err)
		}
	}
}
