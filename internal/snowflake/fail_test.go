package snowflake

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	queryPath = "/queries/v1/query-request"
	loginPath = "/session/v1/login-request"
	abortPath = "/queries/v1/abort-request"
)

// drop closes the connection instead of answering.
func drop(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func TestALoginThatIsRefusedSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		status, code int
		kind         Kind
		says, hint   string
	}{
		"no account at the host":   {404, 0, KindAccount, "no account acme-main at host 127.0.0.1", "organization-account"},
		"an account that is gone":  {403, 0, KindAccount, "no account acme-main at host 127.0.0.1", "organization-account"},
		"a request that is odd":    {400, 0, KindUnavailable, "HTTP: 400", "run it again"},
		"a server that is down":    {503, 0, KindUnavailable, "the server answers HTTP 503", "run it again"},
		"too many requests":        {429, 0, KindUnavailable, "the server answers HTTP 429", "run it again"},
		"wrong user or password":   {0, 390100, KindLogin, "the server says no", "check the user"},
		"wrong key":                {0, 390144, KindLogin, "the server says no", "RSA_PUBLIC_KEY"},
		"key of another user":      {0, 394304, KindLogin, "the server says no", "RSA_PUBLIC_KEY"},
		"a clock that is slow":     {0, 394302, KindExpired, "the server says no", "clock"},
		"an expired JWT":           {0, 394303, KindExpired, "the server says no", "clock"},
		"an expired OAuth token":   {0, 390318, KindExpired, "the server says no", "renew"},
		"an expired access token":  {0, 394400, KindExpired, "the server says no", "PROGRAMMATIC ACCESS TOKEN"},
		"a role that is not ours":  {0, 390189, KindRole, "the server says no", "GRANT ROLE"},
		"no such database":         {0, 390201, KindMissing, "the server says no", "check database, schema and warehouse"},
		"a code that is not known": {0, 390999, KindLogin, "the server says no", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.on(loginPath, func(w http.ResponseWriter, r *request) {
				if c.status != 0 {
					w.WriteHeader(c.status)
					return
				}
				answerJSON(w, failure(c.code, "08001", "the server says no; token=pat-of-the-test"))
			})
			_, err := open(t, s.config(t)).Session(t.Context(), nil, nil)
			var e *Error
			if !errors.As(err, &e) || e.Kind != c.kind || Unsure(err) {
				t.Fatalf("the error is %v (%T)", err, err)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(e.Hint(), c.hint) {
				t.Errorf("the error is %q with the hint %q", err, e.Hint())
			}
			if strings.Contains(err.Error(), "pat-of-the-test") || strings.Contains(e.Err.Error(), "pat-of-the-test") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

func TestAnAccountWhoseHostIsNotThereIsNamed(t *testing.T) {
	db := open(t, Config{Account: "acme-typo", Auth: Auth{Token: "pat-of-the-test"}})
	err := db.refused(t.Context(), &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "acme-typo.snowflakecomputing.com", IsNotFound: true}})
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindAccount || !strings.Contains(err.Error(), "no account acme-typo: there is no host acme-typo.snowflakecomputing.com") {
		t.Errorf("the error is %v", err)
	}
}

func TestWhatBecameOfAStatementIsSureOnlyWhenTheServerSaysIt(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		kind   Kind
		unsure bool
		hint   string
	}{
		"the answer is lost":    {drop, KindUnavailable, true, "run it again"},
		"the server fails":      {func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, KindUnavailable, true, "run it again"},
		"a proxy answers":       {func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, KindUnavailable, true, ""},
		"the answer is no JSON": {func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }, KindUnavailable, true, ""},
		"the driver panics": {func(w http.ResponseWriter) {
			answerJSON(w, map[string]any{"success": true, "data": map[string]any{"statementTypeId": 0x1000}})
		}, KindUnavailable, true, ""},
		"a privilege is missing":     {refusal(3001, "42501", "SQL access control error:\nInsufficient privileges to operate on table 'ORDERS'."), KindGrant, false, "GRANT USAGE ON TABLE ORDERS TO ROLE LOADER"},
		"an object is missing":       {refusal(2003, "02000", "Object 'X' does not exist or not authorized."), KindMissing, false, "no privilege"},
		"no warehouse":               {refusal(606, "57P03", "No active warehouse selected in the current session."), KindWarehouse, false, "GRANT USAGE ON WAREHOUSE"},
		"a warehouse stays asleep":   {refusal(90073, "22000", "Warehouse 'LOAD_WH' cannot be resumed because resource monitor 'RM' has exceeded its quota."), KindWarehouse, false, "resource monitor"},
		"a name that is taken":       {refusal(2002, "42710", "Object 'X' already exists."), KindExists, false, "may not see it"},
		"a lock":                     {refusal(625, "57014", "Statement 'x' has locked table 'T' in transaction 1 and this lock has not yet been released."), KindLock, false, "SHOW TRANSACTIONS"},
		"too slow":                   {refusal(630, "57014", "Statement reached its statement or warehouse timeout of 3600 second(s) and was canceled."), KindTimeout, false, "statement_timeout"},
		"a statement that is wrong":  {refusal(1003, "42000", "SQL compilation error:\nsyntax error"), KindSQL, false, ""},
		"a session that has expired": {refusal(390114, "08001", "Authentication token has expired."), KindExpired, true, "run it again"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.onQuery(func(w http.ResponseWriter, r *request) { c.answer(w) })
			session := s.session(t, s.config(t), nil)
			_, err := session.Exec(t.Context(), Statement{SQL: "COMMIT", Step: "commit"})
			var e *Error
			if !errors.As(err, &e) || e.Kind != c.kind || Unsure(err) != c.unsure || !strings.Contains(e.Hint(), c.hint) {
				t.Errorf("the error is %v with the hint %q, kind %v, unsure %v", err, e.Hint(), e.Kind, Unsure(err))
			}
			if !strings.HasPrefix(err.Error(), "commit: ") {
				t.Errorf("the error does not say of which step it is: %v", err)
			}
		})
	}
}

func refusal(code int, state, message string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { answerJSON(w, failure(code, state, message)) }
}

// The driver renews a session's token by itself, and sends the statement again under the same request id.
func TestAnExpiredTokenIsRenewedAndTheStatementSentAgain(t *testing.T) {
	s := newServer(t)
	s.onQuery(func(w http.ResponseWriter, r *request) {
		if !strings.Contains(r.header.Get("Authorization"), "renewed-token") {
			answerJSON(w, map[string]any{"success": false, "code": "390112", "message": "Session token expired", "data": map[string]any{}})
			return
		}
		answerJSON(w, rowsAnswer("01b-done", []string{"number of rows deleted"}, []*string{ptr("4")}))
	})
	s.on("/session/token-request", func(w http.ResponseWriter, r *request) {
		answerJSON(w, map[string]any{"success": true, "data": map[string]any{"sessionToken": "renewed-token", "masterToken": "m", "sessionId": 7}})
	})
	session := s.session(t, s.config(t), nil)
	r, err := session.Exec(t.Context(), Statement{SQL: "DELETE FROM t", Step: "publish"})
	if err != nil || r.Affected != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	var ids []string
	for _, sent := range s.requests(queryPath) {
		if verb(sent.sql()) == "DELETE" {
			ids = append(ids, sent.requestID)
		}
	}
	if len(ids) != 2 || ids[0] != ids[1] || ids[0] == "" {
		t.Errorf("the statement was sent under %v", ids)
	}
}

func TestACancelledStatementIsAbortedAtTheServer(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	aborted := make(chan struct{})
	s.onQuery(func(w http.ResponseWriter, r *request) {
		cancel()
		<-aborted
	})
	s.on(abortPath, func(w http.ResponseWriter, r *request) {
		close(aborted)
		answerJSON(w, map[string]any{"success": true})
	})
	var id string
	session := s.session(t, s.config(t), func(_ context.Context, sent *Sent) error { id = sent.RequestID; return nil })
	_, err := session.Exec(ctx, Statement{SQL: "DELETE FROM t", Step: "publish"})
	if !errors.Is(err, context.Canceled) || !Unsure(err) {
		t.Errorf("the error is %v, unsure %v", err, Unsure(err))
	}
	if sent := s.requests(abortPath); len(sent) != 1 || sent[0].body["requestId"] != id {
		t.Errorf("the aborts are %+v, the request was %s", sent, id)
	}
	if _, err := session.Exec(t.Context(), Statement{SQL: "ALTER SESSION UNSET QUERY_TAG"}); err != nil {
		t.Errorf("the session is of no more use: %v", err)
	}
}

// The driver does not abort what it has sent asynchronously.
func TestACancelledBulkStatementIsAbortedByItsQueryID(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.onQuery(func(w http.ResponseWriter, r *request) {
		if r.async() {
			answerJSON(w, inProgress("333334", "01b-bulk"))
			return
		}
		answerJSON(w, rowsAnswer("01b-cancel", []string{"status"}, []*string{ptr("query [01b-bulk] terminated.")}))
	})
	cancelled := make(chan struct{})
	s.on("/queries/01b-bulk/result", func(w http.ResponseWriter, r *request) {
		cancel()
		<-cancelled
	})
	session := s.session(t, s.config(t), nil)
	s.onQueryAlso(t, "SELECT SYSTEM$CANCEL_QUERY(?)", func(r *request) {
		bound, _ := json.Marshal(r.body["bindings"])
		if !strings.Contains(string(bound), "01b-bulk") {
			t.Errorf("cancelled was %s", bound)
		}
		close(cancelled)
	})
	_, err := session.Query(ctx, Statement{SQL: "COPY INTO t", Step: "copy", Bulk: true})
	if !errors.Is(err, context.Canceled) || !Unsure(err) {
		t.Errorf("the error is %v, unsure %v", err, Unsure(err))
	}
	<-cancelled
}

// gosnowflake#1806: neither a cancelled statement nor a Close comes back from a server that does not answer. The calls do.
func TestAServerThatDoesNotAnswerHoldsNobody(t *testing.T) {
	s := newServer(t)
	release := make(chan struct{})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.onQuery(func(w http.ResponseWriter, r *request) { cancel(); <-release })
	s.on(abortPath, func(w http.ResponseWriter, r *request) { <-release })
	s.on("/session", func(w http.ResponseWriter, r *request) { <-release })

	db := open(t, s.config(t))
	db.grace = time.Millisecond
	stuck, err := db.Session(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := db.Session(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stuck.Exec(ctx, Statement{SQL: "DELETE FROM t", Step: "publish"}); !errors.Is(err, context.Canceled) || !Unsure(err) {
		t.Errorf("the error is %v, unsure %v", err, Unsure(err))
	}
	sent := len(s.requests(queryPath))
	if _, err := stuck.Exec(t.Context(), Statement{SQL: "DELETE FROM t"}); err == nil || Unsure(err) || !strings.Contains(err.Error(), "open another session") {
		t.Errorf("a session that was given up says %v", err)
	}
	if now := len(s.requests(queryPath)); now != sent {
		t.Error("a session that was given up sends")
	}
	if err := stuck.Close(); err != nil {
		t.Errorf("closing it: %v", err)
	}
	if err := idle.Close(); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("a log-out that hangs says %v", err)
	}
}

func TestTheMissingGrantIsSpelled(t *testing.T) {
	for sql, c := range map[string]struct{ on, grant string }{
		"CREATE SCHEMA IF NOT EXISTS a.b":                           {"database 'A'", "GRANT CREATE SCHEMA ON DATABASE A"},
		"CREATE OR REPLACE TRANSIENT TABLE t (a NUMBER)":            {"schema 'A.B'", "GRANT CREATE TABLE ON SCHEMA A.B"},
		`CREATE SCHEMA IF NOT EXISTS "A-B"."S"`:                     {"database 'A-B'", `GRANT CREATE SCHEMA ON DATABASE "A-B" TO`},
		`ALTER TABLE "A"."S"."T__MR_1" RENAME TO "A"."S"."T"`:       {"schema 'S'", `GRANT CREATE TABLE ON SCHEMA "A"."S" TO`},
		`INSERT INTO "A"."S"."T" ("X") SELECT "X" FROM "A"."S"."U"`: {"table 'U'", `ON TABLE "A"."S"."U" TO`},
		`PUT 'file:///a' '@"A"."S ""x"""."M"/p/'`:                   {"stage 'M'", `GRANT READ, WRITE ON STAGE "A"."S ""x"""."M" TO`},
		"CREATE STAGE IF NOT EXISTS s":                              {"schema 'B'", "GRANT CREATE STAGE ON SCHEMA B"},
		"INSERT INTO t SELECT 1":                                    {"table 'T'", "GRANT INSERT ON TABLE T"},
		"INSERT OVERWRITE INTO t SELECT 1":                          {"table 'T'", "GRANT INSERT, DELETE ON TABLE T"},
		"COPY INTO t FROM @s":                                       {"table 'T'", "GRANT INSERT ON TABLE T"},
		"MERGE INTO t USING s":                                      {"table 'T'", "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE T"},
		"ALTER TABLE t ADD COLUMN b NUMBER":                         {"table 'T'", "GRANT OWNERSHIP ON TABLE T"},
		"REMOVE @s/p/":                                              {"stage 'S'", "GRANT READ, WRITE ON STAGE S"},
		"ALTER WAREHOUSE w SUSPEND":                                 {"warehouse 'W'", "GRANT OPERATE ON WAREHOUSE W"},
		"SELECT 1":                                                  {"something else", "SHOW GRANTS"},
	} {
		advice := grant("SQL access control error:\nInsufficient privileges to operate on "+c.on, "LOADER", sql)
		if !strings.Contains(advice, c.grant) || !strings.HasSuffix(advice, "TO ROLE LOADER") {
			t.Errorf("%s on %s: %s", sql, c.on, advice)
		}
	}
}
