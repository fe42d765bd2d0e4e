package snowflake

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// standin starts the stand-in for Snowflake, and gives a Config for it.
func standin(t *testing.T, stage snowfake.Transport) (*snowfake.Server, Config) {
	t.Helper()
	account, err := snowfake.NewAccount(snowfake.AccountConfig{Dir: t.TempDir(), Name: "ACME", Users: map[string]snowfake.User{
		"MILLRACE": {Roles: []string{snowfake.Admin}, DefaultRole: snowfake.Admin, DefaultWarehouse: "LOAD_WH"}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := snowfake.NewServer(snowfake.ServerConfig{Account: account, Stage: stage, Temp: t.TempDir(), Users: map[string]snowfake.Credentials{
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
	_, cfg := standin(t, snowfake.LocalFS)
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
			s, cfg := standin(t, snowfake.LocalFS)
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

// The whole way of a file: uploaded, copied asynchronously with an answer that takes its time, merged, counted.
func TestAFileIsUploadedAndCopied(t *testing.T) {
	for name, stage := range map[string]snowfake.Transport{"to a folder": snowfake.LocalFS, "to S3": snowfake.S3} {
		t.Run(name, func(t *testing.T) {
			s, cfg := standin(t, stage)
			var copied []Sent
			session := enter(t, cfg, func(_ context.Context, sent *Sent) error {
				if sent.Step == "copy" {
					copied = append(copied, *sent)
				}
				return nil
			})
			file := filepath.Join(t.TempDir(), "a.parquet")
			type row struct {
				ID int64 `parquet:"ID"`
			}
			if err := parquet.WriteFile(file, []row{{1}, {2}, {3}}); err != nil {
				t.Fatal(err)
			}
			must(t, session, `CREATE TABLE "ANALYTICS"."PUBLIC"."T" ("ID" NUMBER(19,0))`)
			must(t, session, `CREATE STAGE "ANALYTICS"."PUBLIC"."S"`)
			r := must(t, session, `PUT 'file://`+file+`' @"ANALYTICS"."PUBLIC"."S"/t/l1/ OVERWRITE = TRUE AUTO_COMPRESS = FALSE PARALLEL = 1`)
			if len(r.Rows) != 1 || *r.Rows[0][6] != "UPLOADED" {
				t.Fatalf("the upload gives %+v", r)
			}
			s.Fault(snowfake.Fault{Match: regexp.MustCompile("^COPY"), Do: snowfake.Slow, Code: 1})
			r, err := session.Query(t.Context(), Statement{Step: "copy", Bulk: true, SQL: `COPY INTO "ANALYTICS"."PUBLIC"."T" FROM @"ANALYTICS"."PUBLIC"."S"/t/l1/ FILES = ('a.parquet')` +
				` FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE USE_VECTORIZED_SCANNER = TRUE NULL_IF = ()) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE ON_ERROR = ABORT_STATEMENT`})
			if err != nil {
				t.Fatal(err)
			}
			if r.Columns[1] != "status" || *r.Rows[0][1] != "LOADED" || r.Affected != 3 {
				t.Errorf("the copy gives %+v", r)
			}
			if len(copied) != 3 || copied[1].QueryID == "" || copied[1].Ended != nil || copied[2].Rows != 3 {
				t.Errorf("recorded was %+v", copied)
			}
			if refused := s.Refused(); len(refused) > 0 || s.Telemetry() > 0 {
				t.Errorf("the stand-in has refused %v, and was sent telemetry %d times", refused, s.Telemetry())
			}
		})
	}
}
