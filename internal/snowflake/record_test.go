package snowflake

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// inProgress is the server's answer while a statement runs, with where its result will be.
func inProgress(code, id string) map[string]any {
	return map[string]any{"success": true, "code": code, "data": map[string]any{"queryId": id, "getResultUrl": "/queries/" + id + "/result"}}
}

func TestAStatementThatCannotBeRecordedIsNotSent(t *testing.T) {
	s := newServer(t)
	full := errors.New("the disk is full")
	session := s.session(t, s.config(t), func(_ context.Context, sent *Sent) error {
		if sent.Step == "publish" && sent.QueryID == "" {
			return full
		}
		return nil
	})
	before := len(s.requests("/queries/v1/query-request"))
	_, err := session.Exec(t.Context(), Statement{SQL: "DELETE FROM t", Step: "publish"})
	if !errors.Is(err, full) || Unsure(err) {
		t.Errorf("the error is %v, unsure %v", err, Unsure(err))
	}
	if after := len(s.requests("/queries/v1/query-request")); after != before {
		t.Errorf("%d statements were sent", after-before)
	}
	if _, err := session.Exec(t.Context(), Statement{SQL: "DELETE FROM t", Step: "other"}); err != nil {
		t.Errorf("the session is of no more use: %v", err)
	}
}

// A Bulk statement is asked for by its query id; a statement inside a transaction waits for the server, which tells the id when it
// has run for a while. Either way the id is recorded while the server still works.
func TestTheQueryIDIsRecordedBeforeTheResultIsThere(t *testing.T) {
	for name, inside := range map[string]bool{"apart": false, "inside a transaction": true} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			release := make(chan struct{})
			s.onQuery(func(w http.ResponseWriter, r *request) {
				switch {
				case verb(r.sql()) == "BEGIN":
					answerJSON(w, rowsAnswer("01b-begin", []string{"status"}, []*string{ptr("ok")}))
				case r.async():
					answerJSON(w, inProgress("333334", "01b-copy"))
				default:
					answerJSON(w, inProgress("333333", "01b-copy"))
				}
			})
			s.on("/queries/01b-copy/result", func(w http.ResponseWriter, r *request) {
				<-release
				answerJSON(w, rowsAnswer("01b-copy", []string{"file", "rows_loaded"}, []*string{ptr("f1"), ptr("3")}))
			})
			var told []Sent
			session := s.session(t, s.config(t), func(_ context.Context, sent *Sent) error {
				if sent.Step != "copy" {
					return nil
				}
				told = append(told, *sent)
				if sent.QueryID != "" && sent.Ended == nil {
					close(release) // only now can the statement end
				}
				return nil
			})
			if inside {
				if _, err := session.Exec(t.Context(), Statement{SQL: "BEGIN", Step: "begin"}); err != nil {
					t.Fatal(err)
				}
			}
			r, err := session.Query(t.Context(), Statement{SQL: "COPY INTO t", Step: "copy", Bulk: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Rows) != 1 || *r.Rows[0][1] != "3" || r.QueryID != "01b-copy" {
				t.Errorf("the result is %+v", r)
			}
			sent := s.requests("/queries/v1/query-request")
			copied := sent[len(sent)-1]
			if copied.async() == inside {
				t.Errorf("the statement was sent asynchronously: %v", copied.async())
			}
			if len(told) != 3 || told[0].QueryID != "" || told[1].QueryID != "01b-copy" || told[1].Ended != nil || told[2].Ended == nil || told[2].Err != nil {
				t.Fatalf("recorded were %+v", told)
			}
			if told[0].RequestID == "" || told[0].RequestID != copied.requestID {
				t.Errorf("recorded was the request %s, sent %s", told[0].RequestID, copied.requestID)
			}
		})
	}
}

func TestAFailureIsRecordedAsTheServerTellsIt(t *testing.T) {
	s := newServer(t)
	s.onQuery(func(w http.ResponseWriter, r *request) {
		answerJSON(w, failure(100090, "42P18", "Duplicate row detected during DML action\nRow Values: [\"jane@example.com\"]"))
	})
	var last Sent
	session := s.session(t, s.config(t), func(_ context.Context, sent *Sent) error { last = *sent; return nil })
	_, err := session.Exec(t.Context(), Statement{SQL: "MERGE INTO t", Step: "merge", Table: "mart.t"})
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindDuplicate || e.QueryID != "01b-failed" || Unsure(err) {
		t.Fatalf("the error is %#v", err)
	}
	if want := "merge mart.t: 100090 (42P18): Duplicate row detected during DML action Row Values: *** (query 01b-failed)"; err.Error() != want {
		t.Errorf("the error reads %q, want %q", err, want)
	}
	if last.Err == nil || last.Ended == nil {
		t.Errorf("recorded was %+v", last)
	}
}

func TestWhatCouldNotBeRecordedSaysWhy(t *testing.T) {
	s := newServer(t)
	session := s.session(t, s.config(t), func(_ context.Context, sent *Sent) error {
		if sent.Step == "merge" && sent.Ended != nil {
			return errors.New("database is locked")
		}
		return nil
	})
	_, err := session.Exec(t.Context(), Statement{SQL: "MERGE INTO t", Step: "merge"})
	if want := "merge: the statement was run, but what became of it could not be recorded: database is locked (query "; err == nil || !strings.HasPrefix(err.Error(), want) || !Unsure(err) {
		t.Errorf("the error is %v", err)
	}
}
