package snowfake

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// staged writes a file of Parquet into the stage ANALYTICS.PUBLIC.S.
func staged(t *testing.T, a *Account, name, query string) {
	t.Helper()
	dir, err := a.StageDir("ANALYTICS.PUBLIC.S")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.exec(t.Context(), fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet)", query, quoteText(path))); err != nil {
		t.Fatal(err)
	}
}

const format = ` FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE USE_VECTORIZED_SCANNER = TRUE TRIM_SPACE = FALSE NULL_IF = ()) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE ON_ERROR = ABORT_STATEMENT`

func TestCopy(t *testing.T) {
	a := newAccount(t, AccountConfig{})
	s := login(t, a, Login{})
	ask(t, s, `CREATE STAGE S`)
	ask(t, s, `CREATE TABLE T (ID NUMBER(19,0), NAME VARCHAR(3), PRICE NUMBER(5,2), AT TIMESTAMP_NTZ(6), LATE TIMESTAMP_LTZ(6), RAW BINARY, EXTRA DATE)`)
	staged(t, a, "t/1/a.parquet", `SELECT 1::BIGINT AS id, 'one' AS name, 1.50::DECIMAL(5,2) AS price, TIMESTAMP '1969-12-31 23:59:59.5' AS at, TIMESTAMPTZ '2024-01-01 00:00:00+01' AS late, '\xab'::BLOB AS raw, 7 AS unknown`)
	staged(t, a, "t/1/b.parquet", `SELECT 2::BIGINT AS id`)
	staged(t, a, "t/1/wide.parquet", `SELECT 4::BIGINT AS "ID", repeat('x', 9 << 20) AS n, repeat('x', 9 << 20) AS m`)
	staged(t, a, "t/1/broken.parquet", `SELECT 3::BIGINT AS id, 'long' AS name`)
	copied := `COPY INTO T FROM @"ANALYTICS"."PUBLIC"."S"/t/1/ FILES = ('a.parquet', 'b.parquet')` + format
	if got := ask(t, s, copied); got != "t/1/a.parquet|LOADED|1|1|1|0|∅|∅|∅|∅\nt/1/b.parquet|LOADED|1|1|1|0|∅|∅|∅|∅" {
		t.Error(got)
	}
	if got := ask(t, s, `SELECT * FROM T ORDER BY ID`); got != "1|one|1.50|-1.500000000|1704063600.000000000|AB|∅\n2|∅|∅|∅|∅|∅|∅" {
		t.Error(got)
	}
	if got := ask(t, s, copied); got != "Copy executed with 0 files processed." {
		t.Error(got)
	}
	// A file of the same name and another content is another file.
	staged(t, a, "t/1/b.parquet", `SELECT 22::BIGINT AS id`)
	if got := ask(t, s, copied); got != "t/1/b.parquet|LOADED|1|1|1|0|∅|∅|∅|∅" {
		t.Error(got)
	}
	dir, err := a.StageDir("ANALYTICS.PUBLIC.S")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "t/1/cut.parquet"), []byte("PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	staged(t, a, "t/1/unsigned.parquet", `SELECT 1::UBIGINT AS id`)
	staged(t, a, "t/1/other.parquet", `SELECT 'x' AS id`)
	for _, test := range []struct{ files, want string }{
		{`FILES = ('cut.parquet')`, "100069 Error parsing the parquet file"},
		{`FILES = ('unsigned.parquet')`, "999999 snowfake does not know how a UBIGINT of Parquet comes into a column of type NUMBER(19,0)"},
		{`FILES = ('other.parquet')`, "999999 snowfake does not know how a VARCHAR of Parquet comes into"},
		// All files or none.
		{`FILES = ('unsigned.parquet', 'a.parquet')`, "999999 "},
		{`FILES = ('none.parquet')`, "091016 Remote file 't/1/none.parquet' was not found"},
		{`FILES = ('broken.parquet')`, "100078 String 'long' is too long and would be truncated\n  File 't/1/broken.parquet'"},
	} {
		if got := refused(t, s, `COPY INTO T FROM @S/t/1/ `+test.files+format); !strings.HasPrefix(got, test.want) {
			t.Error(got)
		}
	}
	if got := ask(t, s, `SELECT COUNT(*) FROM T`); got != "3" {
		t.Errorf("%s rows after statements that failed", got)
	}
	// By the very name, each value has its own limit; without regard to case, the row has it.
	wide := `COPY INTO T FROM @S/t/1/ FILES = ('wide.parquet')` + format
	if got := refused(t, s, wide); !strings.HasPrefix(got, "100082 Max LOB size") {
		t.Error(got)
	}
	if got := ask(t, s, strings.Replace(wide, "CASE_INSENSITIVE", "CASE_SENSITIVE", 1)); !strings.HasPrefix(got, "t/1/wide.parquet|LOADED|1|1|") {
		t.Error(got)
	}
}

func TestLoadMetadata(t *testing.T) {
	a := newAccount(t, AccountConfig{})
	s := login(t, a, Login{})
	ask(t, s, `CREATE STAGE S`)
	staged(t, a, "f/a.parquet", `SELECT 1 AS id`)
	load := func(table, want string) {
		t.Helper()
		if got := ask(t, s, `COPY INTO `+table+` FROM @S/f/`+format); !strings.HasPrefix(got, want) {
			t.Errorf("COPY INTO %s: %s", table, got)
		}
	}
	const loads, skips = "f/a.parquet|LOADED", "Copy executed with 0"
	ask(t, s, `CREATE TABLE T (ID INT)`)
	ask(t, s, `CREATE TABLE U (ID INT)`)
	load("T", loads)
	load("T", skips)
	load("U", loads) // it is the table's

	ask(t, s, `CREATE TABLE V (ID INT)`)
	ask(t, s, `ALTER TABLE T SWAP WITH V`) // and moves with it
	load("V", skips)
	load("T", loads)

	ask(t, s, `CREATE OR REPLACE TABLE T (ID INT)`)
	load("T", loads)
	ask(t, s, `TRUNCATE TABLE T`)
	load("T", loads)
	ask(t, s, `DELETE FROM T`)
	load("T", skips)

	// A transaction that is rolled back has loaded nothing.
	ask(t, s, `CREATE OR REPLACE TABLE T (ID INT)`)
	ask(t, s, `BEGIN`)
	load("T", loads)
	load("T", skips)
	ask(t, s, `ROLLBACK`)
	load("T", loads)
}

func TestStageFiles(t *testing.T) {
	a := newAccount(t, AccountConfig{})
	s := login(t, a, Login{})
	ask(t, s, `CREATE STAGE S`)
	staged(t, a, "t/a.parquet", `SELECT 1 AS id`)
	staged(t, a, "t_archive/a.parquet", `SELECT 1 AS id`)
	names := func(prefix string) string {
		var all []string
		for line := range strings.Lines(ask(t, s, `LIST @S`+prefix)) {
			name, _, _ := strings.Cut(line, "|")
			all = append(all, name)
		}
		return strings.Join(all, " ")
	}
	// A path is a prefix of names.
	if got := names("/t"); got != "s/t/a.parquet s/t_archive/a.parquet" {
		t.Error(got)
	}
	if got := names("/t/"); got != "s/t/a.parquet" {
		t.Error(got)
	}
	if got := ask(t, s, `REMOVE @ANALYTICS.PUBLIC.S/t/`); got != "s/t/a.parquet|removed" {
		t.Error(got)
	}
	if got := names(""); got != "s/t_archive/a.parquet" {
		t.Error(got)
	}
	answer, err := s.Run(t.Context(), `PUT 'file:///tmp/it''s.parquet' @"ANALYTICS"."PUBLIC"."S"/t/1 OVERWRITE = TRUE AUTO_COMPRESS = FALSE`, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Upload{Sources: []string{"/tmp/it's.parquet"}, Stage: "ANALYTICS.PUBLIC.S", Prefix: "t/1/", Overwrite: true, Parallel: 4, Compression: "AUTO_DETECT"}
	if got := fmt.Sprintf("%+v", *answer.Upload); got != fmt.Sprintf("%+v", want) {
		t.Error(got)
	}
}

// DuckDB 1.5.5 loses the rows of a large INSERT that follows one of no rows in the same transaction, while it preserves the order of rows:
// so here it does not.
func TestManyRowsAfterNone(t *testing.T) {
	a := newAccount(t, AccountConfig{})
	s := login(t, a, Login{})
	ask(t, s, `CREATE STAGE S`)
	staged(t, a, "none.parquet", `SELECT 1 AS id WHERE false`)
	staged(t, a, "some.parquet", `SELECT i AS id FROM range(1000000) AS r(i)`)
	ask(t, s, `CREATE TABLE T (ID INT)`)
	ask(t, s, `CREATE TABLE U LIKE T`)
	ask(t, s, `COPY INTO T FROM @S FILES = ('none.parquet', 'some.parquet')`+format)
	ask(t, s, `BEGIN`)
	ask(t, s, `INSERT OVERWRITE INTO U SELECT * FROM T`)
	ask(t, s, `COMMIT`)
	if got := ask(t, s, `SELECT (SELECT COUNT(*) FROM T), (SELECT COUNT(*) FROM U)`); got != "1000000|1000000" {
		t.Error(got)
	}
}

// With encryption, LIST tells the size of what is stored: padded, always by at least one byte.
func TestListTellsPaddedSizes(t *testing.T) {
	a := newAccount(t, AccountConfig{Encrypted: true})
	s := login(t, a, Login{})
	ask(t, s, `CREATE STAGE S`)
	dir, err := a.StageDir("ANALYTICS.PUBLIC.S")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, `LIST @S`); !strings.HasPrefix(got, "s/x|48|") {
		t.Error(got)
	}
}
