package pipeline_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/match/steward"
)

// TestDecisionsAndTheTableOfOverrides: what is decided in the table counts for decide, explain and lists, and what no run has known is told so,
// even when it was decided right after one.
func TestDecisionsAndTheTableOfOverrides(t *testing.T) {
	const dated = "select * replace (cast(born as date) as born) from ("
	dir := project(t, withPersons("entities/person.yml", person+"overrides: ov\nsurvive: {letters: {custom: max(length(last))}}\n", "models/ov.sql", overrides("('a', '1', 'b', 'x2', 'match')"),
		"models/a.sql", dated+personsA+")", "models/b.sql", dated+personsB+")"))
	e := engine(t, dir)
	run(t, e)
	entity := e.Project.Entities[0]
	a, b := steward.Record{Source: "a", Key: "1"}, steward.Record{Source: "b", Key: "x2"}
	told, err := e.ExplainPair(t.Context(), entity, a, b, false)
	if err != nil || !told.Together || !strings.HasPrefix(told.Why, "decided: ") || len(told.Decisions) != 1 {
		t.Fatalf("%+v, %v", told, err)
	}
	all, err := e.AllDecisions(t.Context(), entity)
	if err != nil || len(all) != 1 || all[0].Place != "main.ov" {
		t.Fatalf("%+v, %v", all, err)
	}
	var refused *steward.RefusedError
	if _, err := e.Decide(t.Context(), entity, steward.Decision{Kind: steward.Revoke, Of: all[0].ID}); !errors.As(err, &refused) {
		t.Errorf("a row of the table was revoked: %v", err)
	}
	var field *pipeline.FieldError
	value := "yesterday"
	if _, err := e.Decide(t.Context(), entity, steward.Decision{Kind: steward.Pin, A: a, Field: "born", Value: &value}); !errors.As(err, &field) || strings.Contains(err.Error(), value) {
		t.Errorf("a pin that is no date: %v", err)
	}
	if _, err := e.Decide(t.Context(), entity, steward.Decision{Kind: steward.Pin, A: a, Field: "letters"}); !errors.As(err, &field) || !strings.Contains(err.Error(), "letters of person is computed") {
		t.Errorf("a pin of what is computed: %v", err)
	}
	third := steward.Record{Source: "a", Key: "2"}
	if _, err := e.Decide(t.Context(), entity, steward.Decision{Kind: steward.Match, A: third, B: b}); err != nil {
		t.Fatal(err)
	}
	var contradiction *steward.ContradictionError
	if _, err := e.Decide(t.Context(), entity, steward.Decision{Kind: steward.Split, A: a, B: third}); !errors.As(err, &contradiction) || !strings.Contains(err.Error(), "main.ov: match") {
		t.Errorf("a split against the table: %v", err)
	}
	made, err := e.Decide(t.Context(), entity, steward.Decision{Kind: steward.Split, A: b, B: a})
	if err != nil || made.Over == nil || made.Over.Place != "main.ov" {
		t.Fatalf("%+v, %v", made, err)
	}
	if told, err = e.ExplainPair(t.Context(), entity, a, b, false); err != nil || !strings.HasPrefix(told.Why, "decided, and not run yet: "+made.ID) {
		t.Errorf("%+v, %v", told, err)
	}
	// The same without a time, by hand: nothing but what the run has known tells that it has not.
	by := "kind,a_source,a_key,b_source,b_key,field,value\npin,a,1,,,first,Zoe\n"
	if err := os.WriteFile(filepath.Join(dir, entity.Decisions), []byte(by), 0o600); err != nil {
		t.Fatal(err)
	}
	golden, err := e.ExplainGolden(t.Context(), entity, "a:1", false)
	if err != nil || !strings.HasSuffix(golden.Decisions[len(golden.Decisions)-1].Said(), ", not run yet") {
		t.Fatalf("%+v, %v", golden, err)
	}
	for _, f := range golden.Fields {
		if len(f.Choices) > 0 && strings.HasPrefix(f.Choices[0].Decided, "pinned by ") {
			t.Errorf("%s is told as pinned", f.Field)
		}
	}
}

func TestDecisionProblems(t *testing.T) {
	dir := project(t, withPersons("entities/person.decisions.csv", "kind,a_source,a_key,b_source,b_key,field\nmatch,gone,1,b,x1,\npin,a,1,,,frist\n"))
	e := engine(t, dir)
	problems, err := pipeline.DecisionProblems(e.Project)
	if err != nil || len(problems) != 2 || problems.Error() == "" {
		t.Fatalf("%v, %v", problems, err)
	}
	said := problems.Error()
	for _, want := range []string{`person.decisions.csv:2:1: warning: entity person has no source "gone"`, `person.decisions.csv:3:1: the golden records of person have no field "frist": did you mean "first"?`} {
		if !strings.Contains(said, want) {
			t.Errorf("%s, want %s", said, want)
		}
	}
}
