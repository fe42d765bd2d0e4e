package snowflake

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// ask gives what a session makes of an answer.
func ask(t *testing.T, answer map[string]any) (*Result, error) {
	t.Helper()
	s := newServer(t)
	s.onQuery(func(w http.ResponseWriter, r *request) { answerJSON(w, answer) })
	return s.session(t, s.config(t), nil).Query(t.Context(), Statement{SQL: "SELECT 1", Step: "look"})
}

// An UPDATE counts the rows that were joined more than once too; they are no rows beyond those that were changed.
func TestCountsAreToldByTheirNames(t *testing.T) {
	r, err := ask(t, rowsAnswer("01b-1", []string{"number of rows updated", "number of multi-joined rows updated"}, []*string{ptr("5"), ptr("2")}))
	if err != nil || r.Affected != 5 || r.Counts["number of multi-joined rows updated"] != 2 {
		t.Errorf("an update gives %+v, %v", r, err)
	}
	r, err = ask(t, rowsAnswer("01b-2", []string{"number of rows inserted", "number of rows updated", "number of rows deleted"}, []*string{ptr("1"), ptr("2"), ptr("4")}))
	if err != nil || r.Affected != 7 {
		t.Errorf("a merge gives %+v, %v", r, err)
	}
	r, err = ask(t, rowsAnswer("01b-3", []string{"file", "status", "rows_parsed", "rows_loaded"}, []*string{ptr("a"), ptr("LOADED"), ptr("3"), ptr("3")}, []*string{ptr("b"), ptr("LOADED"), ptr("4"), ptr("4")}))
	if err != nil || r.Affected != 7 || r.Counts != nil || len(r.Rows) != 2 {
		t.Errorf("a copy gives %+v, %v", r, err)
	}
}

func TestAnAnswerThatIsNotSmallIsRefused(t *testing.T) {
	_, err := ask(t, rowsAnswer("01b-1", []string{"c"}, []*string{ptr(strings.Repeat("x", largest+1))}))
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindSQL || !strings.Contains(err.Error(), "larger than 16 MB") {
		t.Errorf("the error is %v", err)
	}
}

// Texts are as the server sent them, whatever number a driver would make of them.
func TestValuesAreTheServersTexts(t *testing.T) {
	answer := rowsAnswer("01b-1", []string{"N", "R", "B", "D", "T", "X"},
		[]*string{ptr("12345678901234567890123456789012345678"), ptr("1.5e-10"), ptr("1"), ptr("19000"), ptr("1600000000.123456000"), ptr("AB")})
	types := answer["data"].(map[string]any)["rowtype"].([]map[string]any)
	for i, kind := range []string{"fixed", "real", "boolean", "date", "timestamp_ntz", "binary"} {
		types[i]["type"] = kind
	}
	types[0]["precision"] = 38
	r, err := ask(t, answer)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range r.Rows[0] {
		got = append(got, *v)
	}
	if want := "12345678901234567890123456789012345678 1.5e-10 1 2022-01-08T00:00:00Z 2020-09-13T12:26:40.123456Z AB"; strings.Join(got, " ") != want {
		t.Errorf("the values are %q, want %q", strings.Join(got, " "), want)
	}
}
