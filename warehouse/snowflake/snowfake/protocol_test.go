package snowfake_test

import (
	"database/sql"
	"errors"
	"regexp"
	"testing"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// open gives the one session of a client.
func open(t *testing.T, cfg *sf.Config) *sql.Conn {
	t.Helper()
	db := sql.OpenDB(sf.NewConnector(sf.SnowflakeDriver{}, *cfg))
	t.Cleanup(func() { _ = db.Close() }) // some tests break the connection first
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// work opens a session in a database with a table of numbers and a stage.
func work(t *testing.T, s *world, changes ...func(*sf.Config)) *sql.Conn {
	t.Helper()
	cfg := config(s)
	for _, change := range changes {
		change(cfg)
	}
	cfg.Database, cfg.Schema = "ANALYTICS", "PUBLIC"
	conn := open(t, cfg)
	exec(t, conn, "CREATE TABLE IF NOT EXISTS N (V NUMBER(10,0))")
	exec(t, conn, "CREATE STAGE IF NOT EXISTS S")
	return conn
}

func exec(t *testing.T, conn *sql.Conn, text string, args ...any) sql.Result {
	t.Helper()
	result, err := conn.ExecContext(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return result
}

func count(t *testing.T, conn *sql.Conn) int {
	t.Helper()
	var n int
	if err := conn.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM N").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// code is the number of an error of Snowflake's.
func code(err error) int {
	var e *sf.SnowflakeError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// sent lists the executions of the statements that match.
func sent(s *world, pattern string) []snowfake.Statement {
	var found []snowfake.Statement
	for _, st := range s.Statements() {
		if regexp.MustCompile(pattern).MatchString(st.SQL) {
			found = append(found, st)
		}
	}
	return found
}

// once checks that statements were executed once, after so many requests.
func once(t *testing.T, s *world, pattern string, requests int) {
	t.Helper()
	list := sent(s, pattern)
	if len(list) != 1 {
		t.Fatalf("%q was executed %d times", pattern, len(list))
	}
	if list[0].Requests != requests {
		t.Errorf("%q came in %d requests, want %d", pattern, list[0].Requests, requests)
	}
}

func TestStatementsAndTheirResults(t *testing.T) {
	s := start(t)
	conn := work(t, s)
	result, err := conn.ExecContext(sf.WithQueryTag(t.Context(), `{"run":"r1"}`), "INSERT INTO N VALUES (1), (2), (?)", 3)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); n != 3 || err != nil {
		t.Errorf("rows affected: %d, %v", n, err)
	}
	if n, err := exec(t, conn, "DELETE FROM N WHERE V = ?", 3).RowsAffected(); n != 1 || err != nil {
		t.Errorf("rows affected: %d, %v", n, err)
	}
	if n := count(t, conn); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	_, err = conn.ExecContext(t.Context(), "SELECT * FROM NOWHERE")
	var refused *sf.SnowflakeError
	if !errors.As(err, &refused) || refused.Number != 2003 || refused.SQLState != "42S02" || refused.QueryID == "" {
		t.Errorf("a missing table: %#v", err)
	}
	array, err := sf.Array(&[]int{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "INSERT INTO N SELECT ?", array); err == nil {
		t.Error("an array was bound")
	}
	inserted := sent(s, "^INSERT INTO N VALUES")[0]
	if inserted.Tag != `{"run":"r1"}` || inserted.Err != nil || inserted.Running || !regexp.MustCompile(`^01[0-9a-f]{6}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(inserted.QueryID) {
		t.Errorf("the statement is kept as %+v", inserted)
	}
	if failed := sent(s, "NOWHERE")[0]; failed.Err == nil || failed.QueryID != refused.QueryID {
		t.Errorf("the failed statement is kept as %+v, the driver was told the query id %s", failed, refused.QueryID)
	}
}

func TestWithoutWaiting(t *testing.T) {
	s := start(t)
	conn := work(t, s)
	slow := s.Fault(snowfake.Fault{Match: regexp.MustCompile("^INSERT"), Do: snowfake.Slow, Code: 1})
	ids := make(chan string, 1)
	result, err := conn.ExecContext(sf.WithQueryIDChan(sf.WithAsyncMode(t.Context()), ids), "INSERT INTO N VALUES (1), (2)")
	if err != nil {
		t.Fatal(err)
	}
	id := <-ids
	if n, err := result.RowsAffected(); n != 2 || err != nil {
		t.Errorf("rows affected: %d, %v", n, err)
	}
	if slow.Hits() != 1 {
		t.Error("the statement was not slow")
	}
	err = conn.Raw(func(driver any) error {
		status, err := driver.(sf.SnowflakeConnection).GetQueryStatus(t.Context(), id)
		if err == nil && status.ErrorCode != "" {
			t.Errorf("its status is %+v", status)
		}
		return err
	})
	if err != nil {
		t.Errorf("status of a statement that has succeeded: %v", err)
	}
	var inserted int
	if err := conn.QueryRowContext(sf.WithFetchResultByID(t.Context(), id), "").Scan(&inserted); err != nil || inserted != 2 {
		t.Errorf("its result by query id: %d, %v", inserted, err)
	}
	once(t, s, "^INSERT", 1)
}

func TestASlowAnswerIsAskedForAgain(t *testing.T) {
	s := start(t)
	conn := work(t, s)
	slow := s.Fault(snowfake.Fault{Match: regexp.MustCompile("^INSERT"), Do: snowfake.Slow, Code: 3})
	if n, err := exec(t, conn, "INSERT INTO N VALUES (1)").RowsAffected(); n != 1 || err != nil {
		t.Errorf("rows affected: %d, %v", n, err)
	}
	if slow.Hits() != 1 {
		t.Error("the statement was not slow")
	}
	once(t, s, "^INSERT", 1)
}
