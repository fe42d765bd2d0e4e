package snowflake

import (
	"net/http"
	"strings"
	"testing"
)

func TestASessionLogsInSetsItselfUpAndAnswers(t *testing.T) {
	s := newServer(t)
	s.onQuery(func(w http.ResponseWriter, r *request) {
		answerJSON(w, rowsAnswer("01b-query", []string{"NAME", "NOTHING"}, []*string{ptr("a"), nil}))
	})
	session := s.session(t, s.config(t), nil)
	r, err := session.Query(t.Context(), Statement{SQL: "SELECT 1", Step: "look", Table: "mart.orders"})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 1 || *r.Rows[0][0] != "a" || r.Rows[0][1] != nil || r.Columns[0] != "name" || r.QueryID != "01b-query" {
		t.Fatalf("the answer is %+v", r)
	}
	sent := s.requests("/queries/v1/query-request")
	if !strings.HasPrefix(sent[0].sql(), "ALTER SESSION SET TIMEZONE = 'UTC' ABORT_DETACHED_QUERY = TRUE") {
		t.Errorf("the session begins with %q", sent[0].sql())
	}
	if got := sent[1].tag(); got != `{"load":"l1","run":"r1","step":"look","table":"mart.orders"}` {
		t.Errorf("the tag is %s", got)
	}
}
