package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

const seedHead = "name: p\ntargets:\n  local: { type: local, path: warehouse, schema: main }\n"

// seeded is a project of one seed and a model that reads it.
func seeded(t *testing.T, csv, properties string) string {
	return project(t, map[string]string{"millrace.yml": seedHead, "seeds/country.csv": csv, "seeds/country.yml": "version: 2\n" + properties,
		"models/m.sql": "{{ config(materialized='table') }}\nselect code, n from {{ ref('country') }}"})
}

func TestSeed(t *testing.T) {
	dir := seeded(t, "code,n,since\nDE,1,1990-10-03\nFR,2,\nXX,,\n", "seeds:\n  - name: country\n    description: Countries.\n    columns:\n"+
		"      - { name: n, checks: [ { not_null: { severity: quarantine, error_if: \"> 80%\" } } ] }\n      - { name: code, checks: [ unique ] }\n")
	e := engine(t, dir)
	r := run(t, e)
	s := step(t, r, "main.country")
	if s.Kind != "seed" || s.Rows != 2 || s.Bytes == 0 || fmt.Sprint(s.Equations) != "[read 3 = landed 3 checked 3 = passed 2 + quarantined 1 built 2 = landed 2 published 2 = before 0 + inserted 2]" {
		t.Errorf("the step is %+v", s)
	}
	if got := columnsOf(t, e, "country"); got != "[[code VARCHAR] [n INTEGER] [since DATE]]" {
		t.Errorf("its columns are %s", got)
	}
	if got := query(t, e, "SELECT code || ' ' || n FROM main.m ORDER BY code"); fmt.Sprint(got) != "[[DE 1] [FR 2]]" {
		t.Errorf("the model reads %v", got)
	}
	if got := query(t, e, "SELECT code FROM main.country__quarantine"); fmt.Sprint(got) != "[[XX]]" {
		t.Errorf("in quarantine is %v", got)
	}
	_, err := e.Replay(t.Context(), pipeline.ReplayRequest{Node: e.Project.Node("main.country")})
	if err == nil || !strings.Contains(err.Error(), "main.country is the file seeds/country.csv") {
		t.Errorf("a replay says %v", err)
	}

	// The file says what is published, whatever its columns are now.
	write(t, dir, map[string]string{"seeds/country.csv": "code,n\n049,1\n033,3000000000\n"})
	s = step(t, run(t, engine(t, dir)), "main.country")
	if got := columnsOf(t, e, "country"); got != "[[code INTEGER] [n BIGINT]]" {
		t.Errorf("its columns become %s", got)
	}
	if len(s.Notes) != 1 || !strings.HasPrefix(s.Notes[0], `warning: seeds/country.csv:2: column "code": "049" becomes a number`) {
		t.Errorf("it is told that %q", s.Notes)
	}
}

func TestSeedContract(t *testing.T) {
	properties := "seeds:\n  - name: country\n    contract: { enforced: true }\n    columns: [ { name: code, data_type: varchar }, { name: n, data_type: bigint } ]\n"
	dir := seeded(t, "code,n\nDE,1\n", properties)
	e := engine(t, dir)
	run(t, e)
	if got := columnsOf(t, e, "country"); got != "[[code VARCHAR] [n BIGINT]]" {
		t.Errorf("its columns are %s", got)
	}
	write(t, dir, map[string]string{"seeds/country.csv": "code,n\n49,x\n"})
	s := step(t, run(t, engine(t, dir)), "main.country")
	if s.Status != journal.ChecksFailed || !strings.Contains(s.Error, "column_types") {
		t.Errorf("another type gives %s: %s", s.Status, s.Error)
	}
}

func TestBadSeed(t *testing.T) {
	typed := "seeds:\n  - name: country\n    config: { column_types: { n: integer } }\n"
	secret := "seeds:\n  - name: country\n    columns: [ { name: n, pii: true } ]\n    config: { column_types: { n: integer } }\n"
	for _, c := range []struct{ name, csv, properties, pos, message, hint string }{
		{"a record too short", "code,n\nDE,1\nFR\n", "", "seeds/country.csv:3:3", "the record cannot be read: 1 columns, expected 2", "as many fields as the first line"},
		{"and others", "code,n\nDE,1\nFR\nIT\nES,1,2\n", "", "seeds/country.csv:3:3", "(and 2 more such records)", ""},
		{"a quote", "code,n\n\"DE,1\nFR,2\n", "", "seeds/country.csv:2", "a quote is not closed", "double quotes"},
		{"another encoding", "code,n\nDE,caf\xe9\n", "", "seeds/country.csv:2", "not valid UTF-8", "iconv"},
		{"a value", "code,n\n\"D\nE\",1\n\"F\nR\",x\n", typed, "seeds/country.csv:5:4", `column "n": "x" is no INTEGER`, "column_types: { n: varchar }"},
		{"a personal value", "code,n\nDE,1\nFR,x\n", secret, "seeds/country.csv:3:4", `column "n": a value, which is personal and not shown, is no INTEGER`, "column_types"},
		{"null", "code,n\nDE,1\nFR,null\n", "", "seeds/country.csv:3:4", `"null" is no INTEGER`, "leave the field empty for NULL"},
		{"columns of one name", "code,Code\nDE,1\n", "", "seeds/country.csv:1:6", `columns 1 and 2 are both named "Code"`, "rename"},
		{"nothing", "", "", "seeds/country.csv", "the file is empty", "first line"},
	} {
		e := engine(t, seeded(t, c.csv, c.properties))
		plan, err := e.Plan(t.Context(), e.Project.Nodes[:1])
		if err != nil {
			t.Fatal(err)
		}
		if n := plan.Nodes[0]; n.At != c.pos || !strings.Contains(n.Error, c.message) || !strings.Contains(n.Hint, c.hint) {
			t.Errorf("%s: the plan says %s: %s → %s", c.name, n.At, n.Error, n.Hint)
		}
		if !strings.HasPrefix(c.name, "a ") { // a run reads it by the same way
			continue
		}
		s := step(t, run(t, e), "main.country")
		if s.Status != journal.Failed || !strings.Contains(s.Error, c.message) || !strings.Contains(s.Error, c.pos) || !strings.Contains(s.Hint, c.hint) {
			t.Errorf("%s: the run says %s: %s → %s", c.name, s.Status, s.Error, s.Hint)
		}
		if strings.Contains(c.name, "personal") && strings.Contains(s.Error+s.Hint, `"x"`) {
			t.Errorf("%s: the value is shown: %s", c.name, s.Error)
		}
	}
}

// TestSeedThatIsGone: a file that goes behind the loader fails its own step.
func TestSeedThatIsGone(t *testing.T) {
	dir := seeded(t, "code,n\nDE,1\n", "")
	e := engine(t, dir)
	if err := os.Remove(filepath.Join(dir, "seeds/country.csv")); err != nil {
		t.Fatal(err)
	}
	if s := step(t, run(t, e), "main.country"); s.Status != journal.Failed || !strings.Contains(s.Error, "seeds/country.csv") {
		t.Errorf("%s: %s", s.Status, s.Error)
	}
}
