package snowflake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"
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
		"no such database":         {0, 390201, KindMissing, "the server says no", "GRANT USAGE ON WAREHOUSE LOAD_WH TO ROLE LOADER; GRANT USAGE ON DATABASE ANALYTICS TO ROLE LOADER"},
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

// TestNobodyListens: the driver tells it in a text of its own.
func TestNobodyListens(t *testing.T) {
	s := newServer(t)
	cfg := s.config(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Port, cfg.Retries = free.Addr().(*net.TCPAddr).Port, -1
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var e *Error
	if _, err := db.Session(t.Context(), nil, nil); !errors.As(err, &e) || e.Kind != KindUnavailable || !strings.Contains(e.Hint(), "host:, port: and proxy:") {
		t.Errorf("got %v, %s", err, e.Hint())
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

// TestWholeLines: what a login is refused for, and what is to be done, in the names of the configuration.
func TestWholeLines(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		code                int
		message, says, hint string
	}{
		{390201, "The requested warehouse does not exist or not authorized.", "log in to snowflake: 390201 (08004): The requested warehouse does not exist or not authorized.",
			"check the name; if it is there, the role lacks the right: GRANT USAGE ON WAREHOUSE LOAD_WH TO ROLE LOADER"},
		{390201, "The requested database does not exist or not authorized.", "log in to snowflake: 390201 (08004): The requested database does not exist or not authorized.",
			"check the name; if it is there, the role lacks the right: GRANT USAGE ON DATABASE ANALYTICS TO ROLE LOADER"},
		{390189, "Role 'LOADER' specified in the connect string does not exist or not authorized.",
			"log in to snowflake: 390189 (08004): Role 'LOADER' specified in the connect string does not exist or not authorized.",
			"the role is not there, or not granted to the user: GRANT ROLE LOADER TO USER MILLRACE"},
		{390144, "JWT token is invalid. [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a]", "log in to snowflake: 390144 (08004): JWT token is invalid. [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a]",
			"the user, the key or the clock is wrong: is MILLRACE a user of acme-main; DESCRIBE USER MILLRACE shows in RSA_PUBLIC_KEY_FP the fingerprint of its public key, " +
				"ALTER USER MILLRACE SET RSA_PUBLIC_KEY sets it; the clock of this machine may be wrong by less than a minute. " +
				"SELECT SYSTEM$GET_LOGIN_FAILURE_DETAILS('0ce9eb56-821d-4ca9-a774-04ae89a0cf5a') tells an administrator which"},
	} {
		s.on(loginPath, refusing(c.code, "08004", c.message))
		_, err := open(t, s.config(t)).Session(t.Context(), nil, nil)
		var e *Error
		if !errors.As(err, &e) || err.Error() != c.says || e.Hint() != c.hint {
			t.Errorf("it says\n%v\n%s\nwant\n%s\n%s", err, e.Hint(), c.says, c.hint)
		}
	}
	db := open(t, s.config(t))
	for code, want := range map[int]string{
		606: "the warehouse is not there, or the role may not use it: GRANT USAGE ON WAREHOUSE LOAD_WH TO ROLE LOADER",
		608: "the warehouse cannot be used: ALTER WAREHOUSE LOAD_WH RESUME starts it, AUTO_RESUME = TRUE lets it start by itself",
	} {
		if got := db.explain(&sf.SnowflakeError{Number: code, SQLState: "57P03", Message: "no"}).Advice; got != want {
			t.Errorf("%d: %s\nwant %s", code, got, want)
		}
	}
	e := db.explain(&sf.SnowflakeError{Number: 3001, SQLState: "42501", Message: "SQL access control error:\nInsufficient privileges to operate on table 'T'."})
	if want := "SQL access control error: Insufficient privileges to operate on table 'T'."; e.Message != want {
		t.Errorf("an error of two lines is %q", e.Message)
	}
}

func refusing(code int, state, message string) func(http.ResponseWriter, *request) {
	return func(w http.ResponseWriter, _ *request) { refusal(code, state, message)(w) }
}

// TestCloudsLoginMayPass: a machine's identity changes nothing in that Snowflake may fail for a while.
func TestCloudsLoginMayPass(t *testing.T) {
	db := &DB{cfg: Config{Account: "acme", User: "U", Auth: Auth{WorkloadIdentity: &WorkloadIdentity{Provider: "AWS"}}}}
	for _, err := range []error{errors.New("timeout after 1m0s and 3 retries. HTTP Status: 503. Hanging?"), io.ErrUnexpectedEOF, errors.New("certificate revocation check failed"),
		&url.Error{Op: "Post", URL: "https://acme.snowflakecomputing.com/session", Err: io.EOF}} {
		var e *Error
		if got := db.refused(t.Context(), err); !errors.As(got, &e) || e.Kind != KindUnavailable {
			t.Errorf("%v is %v", err, got)
		}
	}
	var e *Error
	if got := db.refused(t.Context(), &url.Error{Op: "Get", URL: "http://169.254.169.254/latest", Err: io.EOF}); !errors.As(got, &e) || e.Kind != KindLogin {
		t.Errorf("without metadata it is %v", got)
	}
}

// TestLoginsThatNeverReachSnowflake: what is wrong with the configuration is told as that; where a server fails, it may pass.
func TestLoginsThatNeverReachSnowflake(t *testing.T) {
	for name, value := range map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none", "AWS_ACCESS_KEY_ID": "",
		"AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": "eu-west-1"} {
		t.Setenv(name, value)
	}
	s := newServer(t)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	token := func(status int, body string) Auth {
		path := "/token/" + strconv.Itoa(status)
		s.on(path, func(w http.ResponseWriter, _ *request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
		return Auth{OAuth: &OAuth{ClientID: "cid", ClientSecret: "topsecret88", TokenURL: s.URL + path, Scope: "x"}}
	}
	for name, c := range map[string]struct {
		auth       Auth
		kind       Kind
		says, hint string
	}{
		"wrong client secret": {token(401, `{"error":"invalid_client","error_description":"topsecret88 is wrong"}`), KindLogin,
			"log in to snowflake: the identity provider answers HTTP 401: invalid_client: *** is wrong", "check client_id, client_secret, token_url and scope of oauth"},
		"a wrong token_url":           {token(404, "<html>"), KindLogin, "log in to snowflake: the identity provider answers HTTP 404", "check client_id, client_secret, token_url and scope of oauth"},
		"the identity provider fails": {token(503, ""), KindUnavailable, "the identity provider answers HTTP 503", "run it again"},
		"too many":                    {token(429, ""), KindUnavailable, "the identity provider answers HTTP 429", "run it again"},
		"away from the cloud": {Auth{WorkloadIdentity: &WorkloadIdentity{Provider: "AWS"}}, KindLogin, "log in to snowflake: ",
			"workload_identity with provider: aws is for a machine of that cloud that has an identity there: is this one?"},
		"oidc with an empty token": {Auth{WorkloadIdentity: &WorkloadIdentity{Provider: "OIDC"}, TokenFile: empty}, KindLogin,
			"log in to snowflake: token_file: " + empty + " is empty", "check that the token, or the file that token_file names, holds a JWT of the identity provider"},
		"oidc with what is none": {Auth{WorkloadIdentity: &WorkloadIdentity{Provider: "OIDC"}, Token: "none"}, KindLogin, "log in to snowflake: ", "check that the token"},
		"an empty file":          {Auth{TokenFile: empty}, KindLogin, "log in to snowflake: token_file: " + empty + " is empty", "check that the file that token_file names is there, and holds a token"},
		"no file":                {Auth{TokenFile: empty + "not"}, KindLogin, "no such file", "check that the file that token_file names is there, and holds a token"},
	} {
		cfg := s.config(t)
		cfg.Auth = c.auth
		_, err := open(t, cfg).Session(t.Context(), nil, nil)
		var e *Error
		if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(err.Error(), c.says) || !strings.Contains(e.Hint(), c.hint) || strings.Contains(err.Error(), "topsecret88") {
			t.Errorf("%s: %v (%+v)", name, err, e)
		}
	}
	if logins := s.requests(loginPath); len(logins) > 0 {
		t.Errorf("%d logins were sent", len(logins))
	}
	s.on(loginPath, func(w http.ResponseWriter, _ *request) { drop(w) })
	_, err := open(t, s.config(t)).Session(t.Context(), nil, nil)
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindUnavailable {
		t.Errorf("of a connection that breaks it says %v", err)
	}
}

// TestNobodyWaitsForLong: a statement without an answer is given up at twice a short statement_timeout, and a log-out of one that was told
// to stop before long.
func TestNobodyWaitsForLong(t *testing.T) {
	s := newServer(t)
	release := make(chan struct{})
	defer close(release)
	s.onQuery(func(w http.ResponseWriter, r *request) { <-release })
	s.on(abortPath, func(w http.ResponseWriter, r *request) { <-release })
	s.on("/session", func(w http.ResponseWriter, r *request) { <-release })
	cfg := s.config(t)
	cfg.StatementTimeout = 20 * time.Millisecond
	db := open(t, cfg)
	db.grace, db.leave = time.Hour, time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stopped, err := db.Session(ctx, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := stopped.Close(); err == nil || !strings.Contains(err.Error(), "no answer within 1ms") {
		t.Errorf("a log-out of who was told to stop says %v", err)
	}
	db.grace = time.Millisecond
	stuck, err := db.Session(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = stuck.Exec(t.Context(), Statement{SQL: "DELETE FROM t", Step: "publish"})
	if err == nil || !Unsure(err) || !strings.Contains(err.Error(), "no answer within 40ms: statement_timeout and 20ms beyond it") {
		t.Errorf("a statement without an answer says %v", err)
	}
}
