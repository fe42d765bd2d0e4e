package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func testDB(t *testing.T, cfg Config) *DB {
	t.Helper()
	if cfg.Memory == 0 {
		cfg.Memory = 512 << 20
	}
	if cfg.Threads == 0 {
		cfg.Threads = 2
	}
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func one(t *testing.T, db *DB, query string) any {
	t.Helper()
	rows, err := db.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if len(rows.Values) != 1 || len(rows.Values[0]) != 1 {
		t.Fatalf("%s: %v", query, rows.Values)
	}
	return rows.Values[0][0]
}

func TestOpenAppliesSettings(t *testing.T) {
	dir := t.TempDir()
	temp := filepath.Join(dir, "spill")
	db := testDB(t, Config{Memory: 300_000_000, Threads: 2, Temp: temp})
	for name, want := range map[string]string{
		"memory_limit": "286.1 MiB", "threads": "2", "TimeZone": "UTC", "preserve_insertion_order": "false",
		"enable_external_access": "false", "lock_configuration": "true", "temp_directory": temp,
		"autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
		"allow_community_extensions": "false", "disabled_optimizers": "",
	} {
		if got := one(t, db, "SELECT value FROM duckdb_settings() WHERE name = '"+name+"'"); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(temp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("temp folder is still there: %v", err)
	}
}

func TestTwoInstancesAtOnce(t *testing.T) {
	a, b := testDB(t, Config{Threads: 1, Memory: 100 << 20}), testDB(t, Config{Threads: 2, Memory: 200 << 20, Arrow: true})
	if err := a.Exec(t.Context(), "CREATE TABLE t AS SELECT 1 AS x"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Query(t.Context(), "FROM t"); err == nil {
		t.Error("b sees a's table")
	}
	if got := one(t, a, "SELECT value FROM duckdb_settings() WHERE name='disabled_optimizers'"); got != "" {
		t.Errorf("a's optimizers: %v", got)
	}
	if got := one(t, b, "SELECT value FROM duckdb_settings() WHERE name='memory_limit'"); got != "200.0 MiB" {
		t.Errorf("b's memory: %v", got)
	}
}

func TestCancelInterruptsStatement(t *testing.T) {
	db := testDB(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := db.Query(ctx, "SELECT count(*) FROM range(10000000000000) a(i) WHERE hash(i) = 1")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
	if got := one(t, db, "SELECT 1"); got != int64(1) {
		t.Errorf("after the interrupt: %v", got)
	}
}

func TestErrorPosition(t *testing.T) {
	db := testDB(t, Config{})
	long := "SELECT 1 AS a,\n" + strings.Repeat("/* é */ ", 100)
	for _, query := range []string{
		"@SELEC 1",
		"SELECT 'é', @foo FROM range(3)",
		long + "@foo FROM range(3)",
		"SELECT *\nFROM\n\t@nosuch;",
		"SELECT @nofunction(1)",
		"SELECT 1 FROM @nofunction(1)",
	} {
		want := strings.Index(query, "@")
		query = strings.Replace(query, "@", "", 1)
		_, err := db.Query(t.Context(), query)
		var e *Error
		if !errors.As(err, &e) || e.Offset != want {
			t.Errorf("%q: offset %+v, want %d", query, err, want)
		}
	}
}

// TestErrorOfFullDisk: what is said of a full disk, which DuckDB writes to itself, is known by the error that system calls give.
func TestErrorOfFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	db := testDB(t, Config{Files: []string{"/dev/full"}})
	if err := db.Exec(t.Context(), "COPY (SELECT 1) TO '/dev/full' (FORMAT csv, USE_TMP_FILE false)"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	if err := db.Exec(t.Context(), "SELECT nosuch"); err == nil || errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
}

func TestErrorHoldsNoStatement(t *testing.T) {
	db := testDB(t, Config{})
	for _, query := range []string{
		"SELECT 'canary' AS secret, nosuch",
		"ATTACH 'host=x password=canary' AS pg (TYPE postgres)",
		"SELECT 'canary' FROM nosuch",
		"SELECT 'canary' SELECT 1",
		"CREATE SECRET s (TYPE s3, SECRET 'canary')",
	} {
		if err := db.Exec(t.Context(), query); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestCheckSelect(t *testing.T) {
	db := testDB(t, Config{})
	for _, query := range []string{
		"SELECT 1", "select * from not_there;", "SELECT 1; -- and a comment", "FROM x", "VALUES (1)", "WITH a AS (SELECT 1) FROM a",
		"SELECT ';' AS a, $$;$$ AS b /* ; /* ; */ ; */ ;", "(SELECT 1) UNION ALL (SELECT 2)", "TABLE x", "SUMMARIZE x",
		"SELECT e'\\';' AS a", "SELECT a FROM read_parquet(['/x/y'])",
	} {
		if err := db.CheckSelect(t.Context(), query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, query := range []string{
		"", ";", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t", "INSERT INTO x SELECT 1", "CREATE TABLE x AS SELECT 1",
		"COPY (SELECT 1) TO 'x'", "SELECT 1) TO 'x'; DROP TABLE y; --", "EXPLAIN SELECT 1", "PRAGMA version", "CALL pragma_version()", "SET threads=1",
		"ATTACH 'x'", "USE x", "VACUUM", "SELEC 1", "DELETE FROM x", "EXPORT DATABASE 'x'", "LOAD httpfs", "BEGIN", "CHECKPOINT",
		"SELECT 1\x00; DROP TABLE t", "EXECUTE p", "PREPARE p AS SELECT 1", "SELECT 1 INTO x",
		"CREATE VIEW v AS SELECT 1", "DROP TABLE x", "ALTER TABLE x ADD COLUMN y INT", "UPDATE x SET a=1", "RESET threads", "INSTALL httpfs",
	} {
		if err := db.CheckSelect(t.Context(), query); err == nil {
			t.Errorf("%q is allowed", query)
		}
	}
}

func TestDescribe(t *testing.T) {
	db := testDB(t, Config{})
	for query, want := range map[string]string{
		"SELECT 1 AS a, 2 AS \"A\";": "[{a INTEGER} {A INTEGER}]", "FROM (VALUES (1)) t(x)": "[{x INTEGER}]", "VALUES (1)": "[{col0 INTEGER}]",
		"WITH q AS (SELECT 1 AS a) SELECT *, a FROM q -- x": "[{a INTEGER} {a INTEGER}]", "SELECT sum(1) AS s, NULL AS n": "[{s HUGEINT} {n INTEGER}]",
		"(SELECT 1 AS a) UNION ALL (SELECT 2) ORDER BY 1": "[{a INTEGER}]",
	} {
		if got, err := db.Describe(t.Context(), query); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v %v, want %s", query, got, err, want)
		}
	}
	if got, err := db.Describe(t.Context(), "SUMMARIZE SELECT 1"); err != nil || len(got) != 12 {
		t.Errorf("%v %v", got, err)
	}
}

func TestTrim(t *testing.T) {
	for in, want := range map[string]string{
		"select 1": "select 1", "select 1; ": "select 1", "select ';';--x": "select ';'", `select ";" ; ;`: `select ";" `,
		"select $$;$$;": "select $$;$$", "select $a$;$b$;$a$;": "select $a$;$b$;$a$", "select /* ; /*;*/;*/ 1;": "select /* ; /*;*/;*/ 1",
		`select e'\';';`: `select e'\';'`, `select 'a''; ';`: `select 'a''; '`, "select 1 --;\n;": "select 1 --;\n",
		"select a$b$;": "select a$b$", `select type'\';`: `select type'\'`, `select e'a''\';' ;`: `select e'a''\';' `,
	} {
		if got := Trim(in); got != want {
			t.Errorf("Trim(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestQueryValues(t *testing.T) {
	db := testDB(t, Config{})
	rows, err := db.Query(t.Context(), `SELECT 1::TINYINT AS a, 2::UBIGINT AS a, 18446744073709551615::UBIGINT, sum(3::BIGINT), 170141183460469231731687303715884105727::HUGEINT,
		1.50::DECIMAL(9,2), 0.5::FLOAT, DATE 'infinity', [1, 2], NULL, 'x', '\xAA'::BLOB, true, TIMESTAMPTZ '2020-01-01 00:00:00+00';`)
	if err != nil {
		t.Fatal(err)
	}
	want := []any{int64(1), int64(2), uint64(18446744073709551615), int64(3), "170141183460469231731687303715884105727",
		"1.50", 0.5, "infinity", "[1, 2]", nil, "x", "\xAA", true, "2020-01-01 00:00:00+00"}
	for i, v := range rows.Values[0] {
		if b, ok := v.([]byte); ok {
			v = string(b)
		}
		if v != want[i] {
			t.Errorf("column %d: %#v, want %#v", i, v, want[i])
		}
	}
	if rows.Columns[0] != (Column{"a", "TINYINT"}) || rows.Columns[1] != (Column{"a", "UBIGINT"}) {
		t.Errorf("columns %v", rows.Columns)
	}
	if _, err := db.Query(t.Context(), "FROM range(1000000)"); err == nil || !strings.Contains(err.Error(), "more than 200000 rows") {
		t.Errorf("err = %v", err)
	}
	if rows, err = db.Query(t.Context(), "FROM range(1000) t(i) ORDER BY i DESC"); err != nil || rows.Values[0][0] != int64(999) || rows.Values[999][0] != int64(0) {
		t.Errorf("order is lost: %v", err)
	}
}
