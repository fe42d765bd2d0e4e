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
		{`SELECT CURRENT_SCHEMA()`, "MILLRACE_META"}, // CREATE SCHEMA has changed it
		{`USE ANALYTICS.PUBLIC`, "Statement executed successfully."},
		{`CREATE STAGE IF NOT EXISTS "ANALYTICS"."PUBLIC"."MILLRACE_STAGE"`, "Stage area MILLRACE_STAGE successfully created."},
		{`CREATE OR REPLACE TRANSIENT TABLE "ANALYTICS"."PUBLIC"."T" ("ID" NUMBER(38,0) NOT NULL, "NAME" VARCHAR(5), "AT" TIMESTAMP_NTZ(6), "D" DATE) CLUSTER BY ("D") COMMENT = 'mr:1'`,
			"Table T successfully created."},
		{`INSERT INTO "ANALYTICS"."PUBLIC"."T" VALUES (1, 'one', '2024-01-02 03:04:05.678901', '1970-01-11'), (2, NULL, NULL, NULL)`, "2"},
		{`select id, name, at, d from analytics.public.t order by id`, "1|one|1704164645.678901000|10\n2|∅|∅|∅"},
		{`DESCRIBE TABLE "ANALYTICS"."PUBLIC"."T"`, "ID|NUMBER(38,0)|COLUMN|N|∅|N|N|∅|∅|∅\nNAME|VARCHAR(5)|COLUMN|Y|∅|N|N|∅|∅|∅\n" +
			"AT|TIMESTAMP_NTZ(6)|COLUMN|Y|∅|N|N|∅|∅|∅\nD|DATE|COLUMN|Y|∅|N|N|∅|∅|∅"},
		{`INSERT OVERWRITE INTO "ANALYTICS"."PUBLIC"."T" ("ID") SELECT "ID" + 10 FROM "ANALYTICS"."PUBLIC"."T"`, "2"},
		{`SELECT "ID" FROM "ANALYTICS"."PUBLIC"."T" ORDER BY 1 DESC`, "12\n11"},
		{`CREATE TABLE C AS SELECT ID, 'x' AS N FROM T`, "Table C successfully created."},
		{`DESC TABLE C`, "ID|NUMBER(38,0)|COLUMN|Y|∅|N|N|∅|∅|∅\nN|VARCHAR(16777216)|COLUMN|Y|∅|N|N|∅|∅|∅"},
		{`DROP TABLE IF EXISTS NONE`, "Drop statement executed successfully (NONE already dropped)."},
		// Tables whose names differ in case are two.
		{`CREATE TABLE "c" ("ID" INT)`, "Table c successfully created."},
		{`SELECT COUNT(*) FROM "c"`, "0"},
		{`SELECT COUNT(*) FROM C`, "2"},
	} {
		if got := ask(t, s, test.sql); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.sql, got, test.want)
		}
	}
}

// Where DuckDB's answer would be another.
func TestSnowflakesOwnAnswers(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	for _, test := range []struct{ expression, want string }{
		{`GREATEST(1, NULL)`, "∅"},
		{`CONCAT('a', NULL)`, "∅"},
		{`COUNT_IF(FALSE)`, "0"},
		{`IFF(NULL, 1, 2)`, "2"},
		{`TO_VARCHAR(0.25::NUMBER(2,2))`, "0.25"},
		{`TO_VARCHAR(-0.25::NUMBER(2,2))`, "-0.25"},
		{`1.005::NUMBER(5,2)`, "1.01"},
		{`MD5_NUMBER_LOWER64('x')`, "17710500428000290726"},
		{`HEX_ENCODE('ff'::BINARY)`, "FF"},
		{`DATE_PART(EPOCH_MICROSECOND, '1969-12-31 23:59:59.5'::TIMESTAMP_NTZ)`, "-500000"},
		{`TO_CHAR('2024-01-02 03:04:05.5'::TIMESTAMP_NTZ, 'YYYY-MM-DD"T"HH24:MI:SS.FF6')`, "2024-01-02T03:04:05.500000"},
		{`'2024-01-01 00:00:00.9999'::TIMESTAMP_NTZ(3)`, "1704067200.999000000"},
		{`DATEDIFF(MICROSECOND, TIME '00:00:00', TIME '00:00:01')`, "1000000"},
		{`OCTET_LENGTH('ü')`, "2"},
		{`LENGTH('ü')`, "1"},
		{`PARSE_JSON('{"b": 1, "a": [true]}')`, "{\n  \"a\": [\n    true\n  ],\n  \"b\": 1\n}"},
		{`99999999999999999999999999999999999999::NUMBER(38,0)`, "99999999999999999999999999999999999999"},
		{`1 = 1 AND NOT 2 IS NULL`, "1"},
		{`CASE 2 WHEN 1 THEN 'a' ELSE 'b' END`, "b"},
		{`(SELECT SUM(V) FROM (VALUES (1), (2)) AS X (V))`, "3"},
		{`TRY_CAST('x' AS INT)`, "∅"},
	} {
		if got := ask(t, s, `SELECT `+test.expression); got != test.want {
			t.Errorf("%s is %q, want %q", test.expression, got, test.want)
		}
	}
	// NULL is the highest.
	ask(t, s, `CREATE TABLE T (V INT)`)
	ask(t, s, `INSERT INTO T VALUES (1), (NULL), (2)`)
	if got := ask(t, s, `SELECT V FROM T ORDER BY V DESC`); got != "∅\n2\n1" {
		t.Error(got)
	}
	if got := ask(t, s, `SELECT V FROM T QUALIFY ROW_NUMBER() OVER (ORDER BY V DESC) = 1`); got != "∅" {
		t.Error(got)
	}
}

func TestBinds(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	ask(t, s, `CREATE TABLE T (A VARCHAR, B NUMBER(19,0), C TIMESTAMP_NTZ(6), D DATE, E BINARY, F BOOLEAN, G FLOAT, H VARIANT)`)
	bind := func(kind, value string) Bind { return Bind{kind, &value} }
	ask(t, s, `INSERT INTO T SELECT ?, ?, ?, ?, ?, ?, ?, PARSE_JSON(?)`, bind("TEXT", `it's "?" \n`), bind("FIXED", "-7"), bind("TIMESTAMP_NTZ", "1700000000123456000"),
		bind("DATE", "86400000"), bind("BINARY", "00ff"), bind("BOOLEAN", "true"), bind("REAL", "1.5"), bind("TEXT", `{"a":1}`))
	if got := ask(t, s, `SELECT * EXCLUDE (H), TO_JSON(H) FROM T`); got != `it's "?" \n|-7|1700000000.123456000|1|00FF|1|1.5|{"a":1}` {
		t.Error(got)
	}
	if got := ask(t, s, `SELECT COUNT(*) FROM T WHERE A = ?`, Bind{Type: "TEXT"}); got != "0" {
		t.Error(got)
	}
	if got := refused(t, s, `SELECT ?`); !strings.HasPrefix(got, "002049 ") {
		t.Error(got)
	}
}

func TestErrors(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	ask(t, s, `CREATE TABLE T (A INT NOT NULL, B VARCHAR(3), C NUMBER(4,2), D DATE)`)
	for _, test := range []struct{ sql, want string }{
		{``, "000900 "},
		{`SELECT 1; SELECT 2`, "000008 Actual statement count 2"},
		{`SELEC 1`, "999999 snowfake does not know the statement SELEC"},
		{`SELECT 1 +`, "001003 SQL compilation error:\nsyntax error line 1 at position 10 unexpected '<EOF>'."},
		{"SELECT\n  'open", "001003 SQL compilation error:\nsyntax error line 2 at position 2 "},
		{`SELECT X FROM T`, "000904 SQL compilation error:\ninvalid identifier 'X'"},
		{`SELECT "a" FROM T`, `000904 SQL compilation error:` + "\n" + `invalid identifier '"a"`},
		{`SELECT * FROM NONE`, "002003 SQL compilation error:\nObject 'ANALYTICS.PUBLIC.NONE' does not exist or not authorized."},
		{`CREATE TABLE T (A INT)`, "002002 "},
		{`CREATE TABLE U (A INT, "a" INT)`, "000904 "},
		{`ALTER TABLE T ADD COLUMN E INT, E INT`, "002025 "},
		{`CREATE TABLE U (A NUMBER(39,0))`, "002017 "},
		{`INSERT INTO T (A) VALUES (1, 2)`, "002020 "},
		{`INSERT INTO T (A) VALUES (NULL)`, "100072 NULL result in a non-nullable column"},
		{`INSERT INTO T (A, B) VALUES (1, 'long')`, "100078 String 'long' is too long and would be truncated"},
		{`INSERT INTO T (A, C) VALUES (1, 100)`, "100046 "},
		{`INSERT INTO T (A) VALUES ('x')`, "100038 "},
		{`INSERT INTO T (A, D) VALUES (1, 'x')`, "100035 "},
		{`INSERT INTO T (A, D) SELECT 1, 2`, "002023 "},
		{`SELECT 'abc'::BINARY`, "100115 The following string is not a legal hex-encoded value: 'abc'"},
		{`USE SCHEMA NONE`, "002043 "},
		{`ROLLBACK TO X`, "999999 snowfake does not know TO "},
	} {
		if got := refused(t, s, test.sql); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s\n got %s\nwant %s", test.sql, got, test.want)
		}
	}
	if got := ask(t, s, `SELECT COUNT(*) FROM T`); got != "0" {
		t.Errorf("%s rows", got)
	}
}

func TestUnknownIsRefused(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	ask(t, s, `CREATE TABLE T (A INT, B VARCHAR)`)
	ask(t, s, `CREATE STAGE S`)
	for _, sql := range []string{
		`VACUUM`,
		`CALL P()`,
		`EXPLAIN SELECT 1`,
		`SET X = 1`,
		`CREATE TASK X`,
		`CREATE OR REPLACE VIEW V AS SELECT 1`,
		`CREATE OR REPLACE SCHEMA X`,
		`CREATE TABLE U CLONE T`,
		`CREATE TABLE U (A GEOGRAPHY)`,
		`CREATE TABLE U (A TIMESTAMP_TZ)`,
		`CREATE TABLE U (A INT DEFAULT 1)`,
		`CREATE STAGE X URL = 's3://x'`,
		`ALTER TABLE T DROP COLUMN A`,
		`ALTER TABLE T ADD COLUMN C INT NOT NULL`,
		`UNDROP TABLE T`,
		`ALTER SESSION SET WEEK_START = 1`,
		`ALTER SESSION SET TIMEZONE = 'Europe/Berlin'`,
		`SELECT HASH(A) FROM T`,
		`SELECT A / 2 FROM T`,
		`SELECT JAROWINKLER_SIMILARITY(B, B) FROM T`,
		`SELECT B:x FROM T`,
		`SELECT SUM(A) OVER (ORDER BY A ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM T`,
		`SELECT * FROM T AT (OFFSET => -60)`,
		`SELECT * FROM TABLE(FLATTEN(X))`,
		`SELECT * FROM @S`,
		`SELECT A FROM T TABLESAMPLE (10)`,
		`SELECT TO_CHAR(CURRENT_TIMESTAMP(), 'DY')`,
		`SELECT TO_VARCHAR(CURRENT_TIMESTAMP())`,
		`SELECT '\q'`,
		`SHOW PIPES`,
		`PUT 's3://x' @S`,
		`LIST @~/x`,
		`LIST @S/../x`,
		`LIST @"ANALYTICS"."GRÖSSE & CO"."S"/x/`,
		`LIST @"ANALYTICS"."A-B"."S"/x/`,
		`COPY INTO T FROM @S FILE_FORMAT = (TYPE = CSV)`,
		`COPY INTO T FROM @S` + strings.Replace(format, "ABORT_STATEMENT", "CONTINUE", 1),
		`COPY INTO T FROM @S` + strings.Replace(format, "USE_LOGICAL_TYPE = TRUE", "", 1),
		`COPY INTO T FROM @S` + strings.Replace(format, "NULL_IF = ()", "", 1),
		`COPY INTO T FROM @S` + strings.Replace(format, "NULL_IF = ()", "NULL_IF = ('x')", 1),
		`COPY INTO T FROM @S` + format + ` FORCE = TRUE`,
		`COPY INTO T FROM @S` + format + ` PURGE = TRUE`,
		`GRANT IMPORTED PRIVILEGES ON DATABASE ANALYTICS TO ROLE PUBLIC`,
	} {
		if got := refused(t, s, sql); !strings.Contains(got, "snowfake does not know") && !strings.HasPrefix(got, "001003 ") {
			t.Errorf("%s\nsays %s", sql, got)
		}
	}
}

// A statement that is cancelled has done nothing, and the session goes on.
func TestCancelled(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	ask(t, s, `CREATE TABLE T (A INT)`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var e *Error
	if _, err := s.Run(ctx, `INSERT INTO T VALUES (1)`, nil); !errors.As(err, &e) || e.Code != "000604" {
		t.Error(err)
	}
	ask(t, s, `INSERT INTO T VALUES (2)`)
	if got := ask(t, s, `SELECT A FROM T`); got != "2" {
		t.Error(got)
	}
}

// FuzzStatement: no text makes the scanner or the parser panic or loop, and what they give has whole strings.
func FuzzStatement(f *testing.F) {
	for _, seed := range []string{
		`SELECT "A""b", 'it''s', $$x$$, ?, 1.5e3 FROM @s/a WHERE a::INT >= 1 -- x`, `MERGE INTO T AS t USING S ON t.a = s.a WHEN MATCHED THEN UPDATE SET a = 1`,
		`WITH a AS (SELECT 1) SELECT * FROM a /* x */ UNION ALL SELECT 2 ORDER BY 1 DESC LIMIT 1`, `COPY INTO T FROM @"S"/x FILES = ('a')`, `CASE WHEN`, `"`, `$$`,
	} {
		f.Add(seed)
	}
	s := &Session{account: &Account{functions: functions(), databases: map[string]*database{}}, database: "D", schema: "S"}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Split(text); err != nil {
			return
		}
		for _, read := range []func(p *parser){func(p *parser) { p.query() }, func(p *parser) { p.update() }, func(p *parser) { p.merge() },
			func(p *parser) { p.copying() }, func(p *parser) { p.columnDefinitions() }, func(p *parser) { p.expr() }} {
			p, err := newParser(s, text, nil)
			if err != nil {
				t.Fatal(err)
			}
			p.next()
			read(p)
			_ = p.done()
		}
	})
}
