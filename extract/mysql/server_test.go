package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	driver "github.com/go-sql-driver/mysql"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/arrowx"
)

// What a server does when things go wrong: what the source is built upon.

func TestRejects(t *testing.T) {
	db, cfg := testDatabase(t)
	conn := testConn(t, db)
	mustExec(t, conn,
		"CREATE TABLE b (id INT PRIMARY KEY, d DATE, m DATETIME(3), ts TIMESTAMP NULL, tm TIME, u VARCHAR(9) CHARACTER SET ucs2, n DECIMAL(42,3), k TINYINT, j JSON, x VARBINARY(9), big LONGTEXT)",
		"SET sql_mode = 'ALLOW_INVALID_DATES', check_constraint_checks = OFF",
		`INSERT INTO b (id, d, m, ts, tm, u, n, k, j, x, big) VALUES
(1, '2024-01-01', '2024-01-01', '2024-01-01', '10:00:00', 'ä', 1, 1, '{}', 'x', 'ok'),
(2, '0000-00-00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(3, '2024-02-31', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(4, '2024-00-15', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(5, NULL, '0000-00-00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(6, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(7, NULL, NULL, NULL, '-00:00:01', NULL, NULL, NULL, NULL, NULL, NULL),
(8, NULL, NULL, NULL, NULL, _ucs2 x'D800', NULL, NULL, NULL, NULL, NULL),
(9, NULL, NULL, NULL, NULL, NULL, 1.25, NULL, NULL, NULL, NULL),
(10, NULL, NULL, NULL, NULL, NULL, 1e38, NULL, NULL, NULL, NULL),
(11, NULL, NULL, NULL, NULL, NULL, NULL, 2, NULL, NULL, NULL),
(12, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'no', NULL, NULL),
(13, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, REPEAT('x', 5000)),
(14, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, x'ff', NULL),
(15, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
	mustExec(t, conn, sessionSettings...)
	attrs, err := loadAttributes(context.Background(), conn, cfg.DBName, "b")
	if err != nil {
		t.Fatal(err)
	}
	columns, err := columnsFor(attrs, map[string]string{"tm": "TIME", "n": "DECIMAL(38,1)", "k": "BOOLEAN", "x": "VARCHAR"})
	if err != nil {
		t.Fatal(err)
	}
	var rejects []extract.Reject
	var bytes, rows int64
	in := intake{stream: "b", columns: columns, extra: 2, maxRow: 4000,
		reject:   func(r extract.Reject) error { rejects = append(rejects, r); return nil },
		progress: func(b, n int64) { bytes += b; rows += n }}
	path, got := land(t, conn, "SELECT "+selectList(columns)+", id, NULLIF(d, d) FROM b ORDER BY id", in)
	want := []struct{ id, column, reason string }{
		{"2", "d", reasonZeroDate}, {"3", "d", extract.ReasonCast}, {"4", "d", reasonZeroDate}, {"5", "m", reasonZeroDate}, {"6", "ts", reasonZeroDate},
		{"7", "tm", extract.ReasonCast}, {"8", "u", extract.ReasonEncoding}, {"9", "n", extract.ReasonInexact}, {"10", "n", extract.ReasonCast},
		{"11", "k", extract.ReasonInexact}, {"12", "j", extract.ReasonSyntax}, {"13", "", extract.ReasonTooLong}, {"14", "x", extract.ReasonEncoding}}
	for i, r := range rejects {
		t.Logf("%s %s: %s %.120s", r.Column, r.Reason, r.Message, r.Raw)
		if i >= len(want) || r.Column != want[i].column || r.Reason != want[i].reason || !strings.HasPrefix(r.Raw, `{"id":"`+want[i].id+`"`) || r.File != "b" || r.Line != 0 || r.Offset != -1 {
			t.Errorf("reject %d: %+v", i, r)
		}
	}
	if !strings.Contains(rejects[6].Raw, `"u":"\xed\xa0\x80","n":null`) {
		t.Error(rejects[6].Raw)
	}
	if len(rejects) != len(want) || got.rows != 15 || rows != 15 || bytes < 5000 {
		t.Errorf("%d rejects, %d rows, told of %d rows and %d bytes", len(rejects), got.rows, rows, bytes)
	}
	if string(got.last[0]) != "15" || got.last[1] != nil {
		t.Errorf("last %q", got.last)
	}
	answer, err := openDuck(t, path[:strings.LastIndexByte(path, '/')]).Query(context.Background(), "SELECT id FROM read_parquet('"+path+"') ORDER BY id")
	if err != nil || fmt.Sprint(answer.Values) != "[[1] [15]]" {
		t.Errorf("landed %v, %v", answer, err)
	}

	in.reject = nil
	if _, err := take(conn, "SELECT "+selectList(columns)+", 1, 1 FROM b ORDER BY id", in); err == nil || !strings.Contains(err.Error(), `column "d": 0000-00-00 is no date`) {
		t.Errorf("without rejects: %v", err)
	}
}

// take reads a query, and drops its batches.
func take(on querier, query string, in intake) (taken, error) {
	b := arrowx.NewBatcher(schema(in.columns), func(r arrow.RecordBatch) error { r.Release(); return nil })
	defer b.Release()
	return onSession(on, query, in, b)
}

// onSession reads a query on a session, or on one of a pool.
func onSession(on querier, query string, in intake, b *arrowx.Batcher) (taken, error) {
	conn, ok := on.(*sql.Conn)
	if !ok {
		var err error
		if conn, err = on.(*sql.DB).Conn(context.Background()); err != nil {
			return taken{}, err
		}
		defer conn.Close()
	}
	return readQuery(context.Background(), conn, query, in, b)
}

func TestAttributes(t *testing.T) {
	db, cfg := testDatabase(t)
	conn := testConn(t, db)
	ctx := context.Background()
	mustExec(t, conn, "CREATE TABLE q (i INT UNSIGNED NOT NULL, f FLOAT, d DOUBLE(9,2), n DECIMAL(9,2), nu DECIMAL(9,2) UNSIGNED, b BIT(3), e ENUM('A(','b'), s SET('x'), y YEAR, m MEDIUMINT UNSIGNED, j JSON, l LONGTEXT, tx TEXT, bl BLOB, vb VARBINARY(3), dt DATE, ts TIMESTAMP(6) NULL, tm TIME, n38 DECIMAL(38,3), n39 DECIMAL(39,3), u UUID)",
		"CREATE VIEW w AS SELECT i, f FROM q",
		"CREATE TABLE `a``b` (`c``d` JSON, `E` LONGTEXT CHECK (json_valid(`E`)), k LONGTEXT CHECK (length(k) < 9))")
	types := func(attrs []attribute, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		columns, err := columnsFor(attrs, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, c := range columns {
			out = append(out, c.name+" "+c.duckType)
		}
		return strings.Join(out, ", ")
	}
	for _, c := range []struct{ got, want string }{
		{types(loadAttributes(ctx, conn, cfg.DBName, "w")), "i UINTEGER, f FLOAT"},
		{types(loadAttributes(ctx, conn, cfg.DBName, "a`b")), "c`d JSON, E JSON, k VARCHAR"},
		{types(queryAttributes(ctx, conn, "SELECT * FROM q -- all of it")), "i UINTEGER, f FLOAT, d DOUBLE, n DECIMAL(10,2), nu DECIMAL(9,2), b UBIGINT, e VARCHAR, s VARCHAR, y SMALLINT, m UINTEGER, j VARCHAR, l VARCHAR, tx VARCHAR, bl BLOB, vb BLOB, dt DATE, ts TIMESTAMP WITH TIME ZONE, tm VARCHAR, n38 DECIMAL(38,3), n39 VARCHAR, u VARCHAR"},
		{types(queryAttributes(ctx, conn, "SELECT 1 AS one, 'x' AS x, NULL AS nothing, COUNT(*) AS c, SUM(i) AS s, x'ff' AS b, NOW() AS n FROM q;")), "one INTEGER, x VARCHAR, nothing BLOB, c BIGINT, s DECIMAL(33,0), b BLOB, n TIMESTAMP"},
	} {
		if c.got != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
	attrs, _ := loadAttributes(ctx, conn, cfg.DBName, "q")
	if attrs[6].columnType != "enum('A(','b')" {
		t.Errorf("%q", attrs[6].columnType)
	}
	if _, err := loadAttributes(ctx, conn, cfg.DBName, "none"); !errors.Is(err, extract.ErrEmpty) {
		t.Error(err)
	}
	if _, err := queryAttributes(ctx, conn, "SELECT 1 AS a, 2 AS a"); serverCode(err) != 1060 {
		t.Error(err)
	}
}

// TestCutResult: wherever a result is cut, that is no clean end.
func TestCutResult(t *testing.T) {
	db, cfg := testDatabase(t)
	mustExec(t, db, "CREATE TABLE c (i INT, t VARCHAR(2000))", "INSERT INTO c SELECT seq, REPEAT('x', seq % 300) FROM seq_1_to_600")
	columns, err := columnsFor([]attribute{{name: "i", dataType: "int"}, {name: "t", dataType: "varchar"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cutAfter := func(bytes int, end error) (left, rows int, err error) {
		cut := &cutter{end: end}
		driver.RegisterDialContext("cut", cut.dial)
		proxied := cfg.Clone()
		proxied.Net = "cut"
		pool := testPool(t, proxied)
		defer pool.Close()
		conn := testConn(t, pool)
		cut.left, cut.on = bytes, true
		got, err := take(conn, "SELECT i, t FROM c", intake{columns: columns})
		cut.on = false
		return cut.left, int(got.rows), err
	}
	const plenty = 1 << 30
	left, rows, err := cutAfter(plenty, io.EOF)
	if err != nil || rows != 600 {
		t.Fatalf("%d rows: %v", rows, err)
	}
	length := plenty - left
	for _, end := range []error{io.EOF, errors.New("connection reset by peer")} {
		cuts := 0
		for after := 0; after < length; cuts++ {
			if _, rows, err := cutAfter(after, end); err == nil {
				t.Fatalf("cut after %d of %d bytes: a clean end after %d rows", after, length, rows)
			}
			if after < 250 || after > length-750 { // each byte of what tells the columns, of the last rows and of what ends them
				after++
			} else {
				after = min(after+397, length-749)
			}
		}
		t.Logf("%v: %d cuts", end, cuts)
	}
}

// cutter makes connections that end, when it is on, after some more bytes.
type cutter struct {
	on   bool
	left int
	end  error
}

func (c *cutter) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	return &cutConn{conn, c}, err
}

type cutConn struct {
	net.Conn
	*cutter
}

func (c *cutConn) Read(p []byte) (int, error) {
	if !c.on {
		return c.Conn.Read(p)
	}
	if c.left == 0 {
		return 0, c.end
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// TestKilledResult: what the server says when it ends a result.
func TestKilledResult(t *testing.T) {
	db, _ := testDatabase(t)
	columns, err := columnsFor([]attribute{{name: "i", dataType: "bigint"}, {name: "t", dataType: "varchar"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const query = "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000"
	for _, c := range []struct {
		name, set, during string
		code              uint16 // 0: the connection is gone
	}{
		{name: "kill query", during: "KILL QUERY %d", code: 1317},
		{name: "kill connection", during: "KILL %d"},
		{name: "statement timeout", set: "SET max_statement_time = 0.5", code: 1969},
		{name: "write timeout", set: "SET net_write_timeout = 1"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			conn := testConn(t, db)
			var id int
			if err := conn.QueryRowContext(context.Background(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
				t.Fatal(err)
			}
			if c.set != "" {
				mustExec(t, conn, c.set)
			}
			told := false
			got, err := take(conn, query, intake{columns: columns, progress: func(int64, int64) {
				if told {
					return
				}
				told = true
				if c.during != "" {
					mustExec(t, db, fmt.Sprintf(c.during, id))
				}
				if c.during == "" { // until the server has given the reader up
					(&fixture{t: t, db: db}).await("SELECT COUNT(*) = 0 FROM information_schema.PROCESSLIST WHERE ID = ? AND COMMAND <> 'Killed'", id)
				}
			}})
			if err == nil {
				t.Fatalf("a clean end after %d rows", got.rows)
			}
			t.Logf("%T %v", err, err)
			if serverCode(err) != c.code || c.code == 0 && !errors.Is(err, driver.ErrInvalidConn) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestLimitOfTheServer: a limit that the server sets for all must not cut what is read.
func TestLimitOfTheServer(t *testing.T) {
	db, _ := testDatabase(t)
	mustExec(t, db, "SET GLOBAL sql_select_limit = 3")
	defer mustExec(t, db, "SET GLOBAL sql_select_limit = DEFAULT")
	columns, _ := columnsFor([]attribute{{name: "i", dataType: "bigint"}}, nil)
	fresh := db
	fresh.SetMaxIdleConns(0)
	got, err := take(fresh, "SELECT seq FROM seq_1_to_10", intake{columns: columns})
	if err != nil || got.rows != 3 {
		t.Errorf("unset: %d rows, %v: the limit does not bite, and this test proves nothing", got.rows, err)
	}
	got, err = take(testConn(t, db), "SELECT seq FROM seq_1_to_10", intake{columns: columns})
	if err != nil || got.rows != 10 {
		t.Errorf("%d rows, %v", got.rows, err)
	}
}

// TestSession: what the server sets for all does not reach our sessions.
func TestSession(t *testing.T) {
	db, _ := testDatabase(t)
	mustExec(t, db, "CREATE TABLE s (i INT) ENGINE=InnoDB", "SET GLOBAL max_statement_time = 600, GLOBAL idle_transaction_timeout = 600, GLOBAL net_write_timeout = 600, GLOBAL tx_isolation = 'READ-COMMITTED'")
	defer mustExec(t, db, "SET GLOBAL max_statement_time = DEFAULT, GLOBAL idle_transaction_timeout = DEFAULT, GLOBAL net_write_timeout = DEFAULT, GLOBAL tx_isolation = DEFAULT")
	db.SetMaxIdleConns(0)
	rowsAfter := func(conn *sql.Conn) (n int) {
		mustExec(t, conn, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
		mustExec(t, db, "INSERT INTO s VALUES (1)")
		if err := conn.QueryRowContext(context.Background(), "SELECT COUNT(*) FROM s").Scan(&n); err != nil {
			t.Fatal(err)
		}
		mustExec(t, conn, "COMMIT", "DELETE FROM s")
		return n
	}
	raw, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if n := rowsAfter(raw); n != 1 {
		t.Errorf("%d rows: without REPEATABLE READ there is a snapshot, and this test proves nothing", n)
	}
	conn := testConn(t, db)
	if n := rowsAfter(conn); n != 0 {
		t.Errorf("%d rows: no snapshot", n)
	}
	var got string
	if err := conn.QueryRowContext(context.Background(), "SELECT CONCAT_WS(' ', @@max_statement_time, @@idle_transaction_timeout, @@net_write_timeout)").Scan(&got); err != nil || got != "0.000000 0 3600" {
		t.Errorf("%s, %v", got, err)
	}
}

// TestDefinitionChanged: what a snapshot still shows of a table after DDL.
func TestDefinitionChanged(t *testing.T) {
	db, _ := testDatabase(t)
	for _, c := range []struct {
		ddl  string
		code uint16 // of the error; 0: the rows are those of the snapshot
		rows int64
	}{
		{ddl: "ALTER TABLE d ADD COLUMN n INT, ALGORITHM=COPY", code: 1412},
		{ddl: "ALTER TABLE d ADD COLUMN n INT, ALGORITHM=INPLACE, LOCK=NONE", rows: 2},
		{ddl: "ALTER TABLE d ADD COLUMN n INT, ALGORITHM=INSTANT", rows: 2},
		{ddl: "ALTER TABLE d DROP COLUMN a, ALGORITHM=INSTANT", code: 1054},
		{ddl: "ALTER TABLE d MODIFY a BIGINT", code: 1412},
		{ddl: "ALTER TABLE d FORCE", code: 1412},
		{ddl: "OPTIMIZE TABLE d", code: 1412},
		{ddl: "ALTER TABLE d ADD INDEX (a)", code: 1412}, // which the query would use
		{ddl: "ALTER TABLE d ADD INDEX (a) IGNORED", rows: 2},
		{ddl: "TRUNCATE d", code: 1412},
		{ddl: "DROP TABLE d", code: 1146},
		{ddl: "CREATE TABLE other (i INT PRIMARY KEY, a INT); INSERT INTO other VALUES (7, 7); RENAME TABLE d TO old, other TO d", code: 1412},
	} {
		mustExec(t, db, "DROP TABLE IF EXISTS d, old, other", "CREATE TABLE d (i INT PRIMARY KEY, a INT) ENGINE=InnoDB", "INSERT INTO d VALUES (1, 1), (2, 2)")
		conn := testConn(t, db)
		mustExec(t, conn, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
		mustExec(t, db, "INSERT INTO d VALUES (3, 3)")
		for s := range strings.SplitSeq(c.ddl, "; ") {
			mustExec(t, db, s)
		}
		columns, _ := columnsFor([]attribute{{name: "i", dataType: "int"}, {name: "a", dataType: "int"}}, nil)
		got, err := take(conn, "SELECT i, a FROM d", intake{columns: columns})
		t.Logf("%-60s %d rows, %v", c.ddl, got.rows, err)
		if serverCode(err) != c.code || got.rows != c.rows {
			t.Errorf("%s: %d rows, %v; want %d, %d", c.ddl, got.rows, err, c.rows, c.code)
		}
		mustExec(t, conn, "ROLLBACK")
		_ = conn.Close()
	}
}

// TestRights: what an account that may only SELECT is told, and what is kept from it without a word.
func TestRights(t *testing.T) {
	db, cfg := testDatabase(t)
	mustExec(t, db, "CREATE TABLE r (i INT PRIMARY KEY, secret INT)", "INSERT INTO r VALUES (1, 1)",
		"CREATE OR REPLACE USER edge_low@'%' IDENTIFIED BY 'x'", "GRANT SELECT ON "+quoteName(cfg.DBName)+".* TO edge_low@'%'",
		"CREATE OR REPLACE USER edge_process@'%' IDENTIFIED BY 'x'", "GRANT PROCESS ON *.* TO edge_process@'%'", "GRANT SELECT (i) ON "+quoteName(cfg.DBName)+".r TO edge_process@'%'")
	defer mustExec(t, db, "DROP USER edge_low@'%', edge_process@'%'")
	for _, user := range []string{"edge_low", "edge_process"} {
		as := cfg.Clone()
		as.User, as.Passwd = user, "x"
		conn := testConn(t, testPool(t, as))
		for _, q := range []string{
			"SELECT COUNT(*) FROM information_schema.innodb_trx",
			"SELECT COUNT(*) FROM information_schema.processlist",
			"SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type IN ('PROCESS', 'SUPER')",
			"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
			"SELECT GROUP_CONCAT(variable_name, '=', variable_value) FROM information_schema.session_status WHERE variable_name LIKE 'binlog_snapshot%'",
			"SELECT BINLOG_GTID_POS((SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'binlog_snapshot_file'), (SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'binlog_snapshot_position'))",
			"SELECT @@gtid_binlog_pos",
			"SHOW ALL SLAVES STATUS",
			"SHOW MASTER STATUS",
			"XA RECOVER",
			"SET max_statement_time = 0, net_write_timeout = 600",
			"SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'r' AND table_schema = DATABASE()",
			"SELECT @@read_only, @@global.time_zone, @@system_time_zone",
		} {
			rows, err := conn.QueryContext(context.Background(), q)
			text := ""
			if err == nil {
				names, _ := rows.Columns()
				for rows.Next() {
					cells := make([]sql.NullString, len(names))
					targets := make([]any, len(names))
					for i := range cells {
						targets[i] = &cells[i]
					}
					_ = rows.Scan(targets...)
					for _, c := range cells[:min(3, len(cells))] {
						text += c.String + " "
					}
				}
				err = rows.Err()
				_ = rows.Close()
			}
			t.Logf("%s: %.110s: %s %v", user, q, text, err)
			if user == "edge_low" && strings.Contains(q, "innodb_trx") && serverCode(err) != 1227 {
				t.Errorf("%s: %v: what tells us of PROCESS does not", q, err)
			}
			if user == "edge_low" && strings.Contains(q, "processlist") && text != "1 " {
				t.Errorf("%s: %s", q, text)
			}
		}
	}
}
