package snowflake

import (
	"context"
	"errors"
	"regexp"
	"testing"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// standin starts the stand-in for Snowflake, and gives a Config for it.
func standin(t *testing.T) (*snowfake.Server, Config) {
	t.Helper()
	account, err := snowfake.NewAccount(snowfake.AccountConfig{Dir: t.TempDir(), Name: "ACME", Users: map[string]snowfake.User{
		"MILLRACE": {Roles: []string{snowfake.Admin}, DefaultRole: snowfake.Admin, DefaultWarehouse: "LOAD_WH"}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := snowfake.NewServer(snowfake.ServerConfig{Account: account, Temp: t.TempDir(), Users: map[string]snowfake.Credentials{
		"MILLRACE": {PublicKey: &privateKey(t).PublicKey, Tokens: []string{"a-pat"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), account.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, Config{Account: "acme", User: "millrace", Warehouse: "LOAD_WH", Database: "ANALYTICS", Schema: "PUBLIC", Host: s.Host(), Port: s.Port(), HTTP: true,
		Auth: Auth{PrivateKey: privateKey(t)}, Temp: t.TempDir(), Transport: s.Transport()}
}

func enter(t *testing.T, cfg Config, rec Recorder) *Session {
	t.Helper()
	session, err := open(t, cfg).Session(t.Context(), map[string]string{"run": "r1"}, rec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func must(t *testing.T, session *Session, sql string, args ...any) *Result {
	t.Helper()
	r, err := session.Query(t.Context(), Statement{SQL: sql, Args: args})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return r
}

func TestStatementsOverTheStandIn(t *testing.T) {
	_, cfg := standin(t)
	session := enter(t, cfg, nil)
	must(t, session, `CREATE TABLE "ANALYTICS"."PUBLIC"."T" ("ID" NUMBER(10,0), "NAME" VARCHAR)`)
	if r := must(t, session, `INSERT INTO "ANALYTICS"."PUBLIC"."T" ("ID", "NAME") VALUES (?, ?), (?, ?)`, int64(1), "a", int64(2), nil); r.Affected != 2 || r.Counts["number of rows inserted"] != 2 {
		t.Errorf("the insert gives %+v", r)
	}
	r := must(t, session, `SELECT "ID", "NAME" FROM "ANALYTICS"."PUBLIC"."T" ORDER BY "ID" ASC NULLS LAST`)
	if len(r.Rows) != 2 || *r.Rows[0][0] != "1" || *r.Rows[0][1] != "a" || r.Rows[1][1] != nil || r.Affected != 0 {
		t.Errorf("the select gives %+v", r)
	}
	_, err := session.Query(t.Context(), Statement{SQL: `SELECT * FROM "ANALYTICS"."PUBLIC"."NOTHING"`, Step: "look"})
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindMissing || Unsure(err) {
		t.Errorf("a table that is not there: %v", err)
	}
}

// A COMMIT that has happened and whose answer is lost is unsure; the driver, when it may, asks again under the same request id.
func TestACommitWhoseAnswerIsLost(t *testing.T) {
	for name, c := range map[string]struct{ retries, lost int }{"given up": {-1, 1}, "asked again": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			s, cfg := standin(t)
			cfg.Retries = c.retries
			var id string
			session := enter(t, cfg, func(_ context.Context, sent *Sent) error { id = sent.RequestID; return nil })
			must(t, session, `CREATE TABLE "ANALYTICS"."PUBLIC"."T" ("ID" NUMBER(10,0))`)
			must(t, session, "BEGIN")
			must(t, session, `INSERT INTO "ANALYTICS"."PUBLIC"."T" ("ID") VALUES (1)`)
			s.Fault(snowfake.Fault{Match: regexp.MustCompile("^COMMIT"), Times: c.lost, When: snowfake.After, Do: snowfake.Drop})
			_, err := session.Exec(t.Context(), Statement{SQL: "COMMIT", Step: "commit"})
			if gaveUp := c.retries < 0; (err != nil) != gaveUp || Unsure(err) != gaveUp {
				t.Errorf("the commit says %v, unsure %v", err, Unsure(err))
			}
			var commits int
			for _, st := range s.Statements() {
				if st.SQL == "COMMIT" {
					commits++
					if st.RequestID != id {
						t.Errorf("the request was %s, recorded was %s", st.RequestID, id)
					}
				}
			}
			if commits != 1 {
				t.Errorf("%d commits were made", commits)
			}
			if r := must(t, enter(t, cfg, nil), `SELECT COUNT(*) FROM "ANALYTICS"."PUBLIC"."T"`); *r.Rows[0][0] != "1" {
				t.Errorf("the table has %s rows", *r.Rows[0][0])
			}
		})
	}
}
