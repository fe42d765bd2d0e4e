package snowfake

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func newAccount(t *testing.T, cfg AccountConfig) *Account {
	t.Helper()
	cfg.Dir = t.TempDir()
	a, err := NewAccount(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func login(t *testing.T, a *Account, l Login) *Session {
	t.Helper()
	if l.User == "" {
		l.User = "MILLRACE"
	}
	if l.Database == "" {
		l.Database = "ANALYTICS"
	}
	s, err := a.Login(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask gives the answer in one line a row: the values with | between them, NULL as ∅.
func ask(t *testing.T, s *Session, sql string, binds ...Bind) string {
	t.Helper()
	answer, err := s.Run(t.Context(), sql, binds)
	if err != nil {
		t.Fatalf("%s\n%v", sql, err)
	}
	return lines(answer)
}

func lines(a *Answer) string {
	all := make([]string, len(a.Rows))
	for i, row := range a.Rows {
		values := make([]string, len(row))
		for j, v := range row {
			values[j] = "∅"
			if v != nil {
				values[j] = *v
			}
		}
		all[i] = strings.Join(values, "|")
	}
	return strings.Join(all, "\n")
}

// refused runs a statement that must fail, and gives its error as "code words".
func refused(t *testing.T, s *Session, sql string) string {
	t.Helper()
	answer, err := s.Run(context.WithoutCancel(t.Context()), sql, nil)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s\nanswered %v, %v: want an error", sql, answer, err)
	}
	return e.Code + " " + e.Message
}

func TestStatements(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	for _, test := range []struct{ sql, want string }{
		{`SELECT 1, 'a''b\n', NULL, TRUE, 1.50`, "1|a'b\n|∅|1|1.50"},
		{`SELECT CURRENT_DATABASE(), CURRENT_SCHEMA(), CURRENT_ROLE(), CURRENT_WAREHOUSE()`, "ANALYTICS|PUBLIC|ACCOUNTADMIN|LOAD_WH"},
		{`CREATE SCHEMA IF NOT EXISTS "ANALYTICS"."MILLRACE_META"`, "Schema MILLRACE_META successfully created."},
		{`CREATE SCHEMA IF NOT EXISTS "ANALYTICS"."MILLRACE_META"`, "MILLRACE_META already exists, statement succeeded."},
		{`CREATE STAGE IF NOT EXISTS "ANALYTICS"."PUBLIC"."MILLRACE_STAGE"`, "Stage area MILLRACE_STAGE successfully created."},
		{`CREATE OR REPLACE TRANSIENT TABLE "ANALYTICS"."PUBLIC"."T" ("ID" NUMBER(38,0) NOT NULL, "NAME" VARCHAR(5), "AT" TIMESTAMP_NTZ(6), "D" DATE) CLUSTER BY ("D") COMMENT = 'mr:1'`,
			"Table T successfully created."},
		{`INSERT INTO "ANALYTICS"."PUBLIC"."T" VALUES (1, 'one', '2024-01-02 03:04:05.678901', '1970-01-11'), (2, NULL, NULL, NULL)`, "2"},
		{`select id, name, at, d from analytics.public.t order by id`, "1|one|1704164645.678901000|10\n2|∅|∅|∅"},
		{`DESCRIBE TABLE "ANALYTICS"."PUBLIC"."T"`, "ID|NUMBER(38,0)|COLUMN|N|∅|N|N|∅|∅|∅\nNAME|VARCHAR(5)|COLUMN|Y|∅|N|N|∅|∅|∅\n" +
			"AT|TIMESTAMP_NTZ(6)|COLUMN|Y|∅|N|N|∅|∅|∅\nD|DATE|COLUMN|Y|∅|N|N|∅|∅|∅"},
		{`BEGIN`, "Statement executed successfully."},
		{`INSERT OVERWRITE INTO "ANALYTICS"."PUBLIC"."T" ("ID") SELECT "ID" + 10 FROM "ANALYTICS"."PUBLIC"."T"`, "2"},
		{`SELECT "ID" FROM "ANALYTICS"."PUBLIC"."T" ORDER BY 1 DESC`, "12\n11"},
		{`ROLLBACK`, "Statement executed successfully."},
		{`SELECT "NAME" FROM "ANALYTICS"."PUBLIC"."T" ORDER BY 1 DESC`, "∅\none"},
	} {
		if got := ask(t, s, test.sql); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.sql, got, test.want)
		}
	}
}

func TestUnknownIsRefused(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	ask(t, s, `CREATE TABLE T (A INT, B VARCHAR)`)
	for _, sql := range []string{
		`VACUUM`,
		`SELECT HASH(A) FROM T`,
		`SELECT A / 2 FROM T`,
		`SELECT A FROM T TABLESAMPLE (10)`,
		`SELECT TO_CHAR(CURRENT_TIMESTAMP(), 'DY')`,
		`CREATE TABLE U (A GEOGRAPHY)`,
		`CREATE TASK X`,
		`ALTER SESSION SET WEEK_START = 1`,
		`ALTER SESSION SET TIMEZONE = 'Europe/Berlin'`,
		`SELECT A::VARCHAR FROM T LIMIT 1 FETCH 2`,
	} {
		if got := refused(t, s, sql); !strings.Contains(got, "snowfake does not know") {
			t.Errorf("%s\nsays %s", sql, got)
		}
	}
}
