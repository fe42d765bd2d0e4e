package snowfake

import (
	"strings"
	"testing"
)

func TestSwap(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	for _, sql := range []string{
		`CREATE TABLE T (ID INT)`, `INSERT INTO T VALUES (1)`, `COMMENT ON TABLE T IS 'old'`,
		`CREATE TABLE S LIKE T COPY GRANTS`, `INSERT INTO S VALUES (2), (3)`, `COMMENT ON TABLE S IS 'mr:load'`,
		`CREATE TRANSIENT TABLE TR (ID INT)`,
		`ALTER TABLE T SWAP WITH S`,
	} {
		ask(t, s, sql)
	}
	if got := ask(t, s, `SELECT COUNT(*) FROM T`); got != "2" {
		t.Error(got)
	}
	if got := ask(t, s, `SHOW TABLES LIKE 't'`); !strings.Contains(got, "|T|ANALYTICS|PUBLIC|TABLE|mr:load|") {
		t.Errorf("the comment has not moved with the rows: %s", got)
	}
	if got := refused(t, s, `ALTER TABLE T SWAP WITH TR`); !strings.Contains(got, "SWAP of a permanent with a transient") {
		t.Error(got)
	}
	ask(t, s, `ALTER TABLE S RENAME TO OLD`)
	if got := ask(t, s, `SELECT ID FROM OLD`); got != "1" {
		t.Error(got)
	}
	if got := refused(t, s, `ALTER TABLE OLD RENAME TO T`); !strings.HasPrefix(got, "002002 ") {
		t.Error(got)
	}
}

func TestAlterColumn(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	ask(t, s, `CREATE TABLE T (N NUMBER(5,2), V VARCHAR(5), D DATE)`)
	ask(t, s, `INSERT INTO T VALUES (1.5, 'abc', '2024-01-01')`)
	for _, test := range []struct{ change, want string }{
		{`N SET DATA TYPE NUMBER(10,2)`, ""},
		{`V SET DATA TYPE VARCHAR(50)`, ""},
		{`V SET DATA TYPE VARCHAR(10)`, "040050 SQL compilation error:\ncannot change column V from type VARCHAR(50) to VARCHAR(10) because reducing the byte-length of a varchar is not supported."},
		{`N SET DATA TYPE NUMBER(10,4)`, "002108 SQL compilation error:\ncannot change column N from type NUMBER(10,2) to NUMBER(10,4)"},
		{`N SET DATA TYPE VARCHAR`, "002108 SQL compilation error:\ncannot change column N from type NUMBER(10,2) to VARCHAR(16777216)"},
		{`D SET DATA TYPE TIMESTAMP_NTZ`, "002108 SQL compilation error:\ncannot change column D from type DATE to TIMESTAMP_NTZ(9)"},
		{`"d" SET DATA TYPE DATE`, `000904 SQL compilation error:` + "\n" + `invalid identifier '"d" (spelled in two ways, which snowfake cannot tell apart)'`},
	} {
		sql := `ALTER TABLE T ALTER COLUMN ` + test.change
		if test.want == "" {
			ask(t, s, sql)
		} else if got := refused(t, s, sql); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, test.want)
		}
	}
	ask(t, s, `ALTER TABLE T ADD COLUMN IF NOT EXISTS V VARCHAR(5), X BOOLEAN`)
	if got := ask(t, s, `SELECT N, V, X FROM T`); got != "1.50|abc|∅" {
		t.Error(got)
	}
	if got := refused(t, s, `ALTER TABLE T ADD COLUMN X INT`); !strings.HasPrefix(got, "001430 ") {
		t.Error(got)
	}
}
