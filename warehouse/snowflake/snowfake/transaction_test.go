package snowfake

import (
	"strings"
	"testing"
	"time"
)

// held is an account whose statements tell when they wait, and whose time limits end when the test says so.
type held struct {
	*Account
	waits  chan string
	expire chan time.Time
}

func newHeld(t *testing.T) *held {
	h := &held{waits: make(chan string), expire: make(chan time.Time)}
	h.Account = newAccount(t, AccountConfig{
		Waits: func(query string) { h.waits <- query },
		After: func(time.Duration) <-chan time.Time { return h.expire },
	})
	return h
}

// later runs a statement in the background.
func later(t *testing.T, s *Session, sql string) <-chan string {
	done := make(chan string, 1)
	go func() {
		answer, err := s.Run(t.Context(), sql, nil)
		if err != nil {
			done <- err.Error()
			return
		}
		done <- lines(answer)
	}()
	return done
}

func TestReadCommitted(t *testing.T) {
	a := newAccount(t, AccountConfig{})
	one, two := login(t, a, Login{}), login(t, a, Login{})
	ask(t, one, `CREATE TABLE T (ID INT)`)
	ask(t, one, `INSERT INTO T VALUES (1)`)
	sum := func(s *Session, want string) {
		t.Helper()
		if got := ask(t, s, `SELECT SUM(ID), COUNT(*) FROM T`); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	ask(t, one, `BEGIN`)
	ask(t, one, `INSERT INTO T VALUES (10)`)
	sum(one, "11|2")
	sum(two, "1|1")
	// An INSERT elsewhere is seen by the next statement of the open transaction, before and after it has locked the table.
	ask(t, two, `INSERT INTO T VALUES (100)`)
	sum(one, "111|3")
	ask(t, one, `UPDATE T SET ID = ID + 1000 WHERE ID = 1`)
	ask(t, two, `INSERT INTO T VALUES (10000)`)
	sum(one, "11111|4")
	sum(two, "10101|3")
	ask(t, one, `DELETE FROM T WHERE ID = 10000`)
	ask(t, one, `COMMIT`)
	sum(two, "1111|3")

	ask(t, one, `BEGIN`)
	ask(t, one, `DELETE FROM T`)
	ask(t, one, `INSERT INTO T VALUES (5)`)
	sum(one, "5|1")
	ask(t, one, `ROLLBACK`)
	sum(one, "1111|3")
}

func TestAFailedStatementLeavesTheTransactionOpen(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	ask(t, s, `CREATE TABLE T (ID INT, V VARCHAR(3))`)
	ask(t, s, `BEGIN`)
	ask(t, s, `INSERT INTO T VALUES (1, 'one')`)
	if got := refused(t, s, `UPDATE T SET V = 'three'`); !strings.HasPrefix(got, "100078 String 'three' is too long") {
		t.Error(got)
	}
	if got := ask(t, s, `SELECT * FROM T`); got != "1|one" {
		t.Error(got)
	}
	ask(t, s, `UPDATE T SET V = 'two'`)
	ask(t, s, `COMMIT`)
	if got := ask(t, s, `SELECT * FROM T`); got != "1|two" {
		t.Error(got)
	}
}

func TestDDLCommits(t *testing.T) {
	s := login(t, newAccount(t, AccountConfig{}), Login{})
	ask(t, s, `CREATE TABLE T (ID INT)`)
	for _, ddl := range []string{`CREATE TABLE U (ID INT)`, `ALTER TABLE T ADD COLUMN X INT`, `ALTER TABLE T SWAP WITH U`, `DROP TABLE U`,
		`CREATE SCHEMA IF NOT EXISTS PUBLIC`, `COMMENT ON TABLE T IS 'x'`} {
		ask(t, s, `BEGIN`)
		ask(t, s, `INSERT INTO T (ID) VALUES (1)`)
		ask(t, s, ddl)
		if got := ask(t, s, `SHOW TRANSACTIONS`); got != "" {
			t.Errorf("%s left open %s", ddl, got)
		}
		ask(t, s, `ROLLBACK`)
	}
}

func TestLocks(t *testing.T) {
	h := newHeld(t)
	one, two := login(t, h.Account, Login{}), login(t, h.Account, Login{})
	ask(t, one, `CREATE TABLE T (ID INT)`)
	ask(t, one, `CREATE TABLE S (ID INT)`)
	ask(t, one, `INSERT INTO T VALUES (1)`)
	ask(t, one, `INSERT INTO S VALUES (1)`)
	for _, statement := range []string{`UPDATE T SET ID = ID + 1`, `DELETE FROM T WHERE ID = 0`, `INSERT OVERWRITE INTO T SELECT ID + 1 FROM T`, `TRUNCATE TABLE T`,
		`MERGE INTO T USING S ON T.ID = S.ID WHEN NOT MATCHED THEN INSERT (ID) VALUES (S.ID)`, `DROP TABLE IF EXISTS T`} {
		ask(t, one, `BEGIN`)
		ask(t, one, `UPDATE T SET ID = ID + 1`)
		done := later(t, two, statement)
		query := <-h.waits
		if got := ask(t, one, `SHOW LOCKS`); !strings.Contains(got, "HOLDING") || !strings.Contains(got, "WAITING|∅|"+query) {
			t.Errorf("%s: locks are\n%s", statement, got)
		}
		ask(t, one, `COMMIT`)
		if got := <-done; strings.Contains(got, "(") {
			t.Errorf("%s: %s", statement, got)
		}
	}
}

// What waits begins anew when it has the lock: it sees what was committed meanwhile.
func TestAWaitingUpdateSeesWhatItWaitedFor(t *testing.T) {
	h := newHeld(t)
	one, two := login(t, h.Account, Login{}), login(t, h.Account, Login{})
	ask(t, one, `CREATE TABLE FENCE (EPOCH INT)`)
	ask(t, one, `INSERT INTO FENCE VALUES (7)`)
	ask(t, one, `BEGIN`)
	ask(t, one, `UPDATE FENCE SET EPOCH = EPOCH + 1 WHERE EPOCH = 7`)
	ask(t, two, `BEGIN`)
	done := later(t, two, `UPDATE FENCE SET EPOCH = EPOCH + 1 WHERE EPOCH = 7`)
	<-h.waits
	ask(t, one, `COMMIT`)
	if got := <-done; got != "0|0" {
		t.Errorf("the second runner touched %s rows", got)
	}
	if got := ask(t, two, `SELECT EPOCH FROM FENCE`); got != "8" {
		t.Error(got)
	}
}

func TestLockTimeout(t *testing.T) {
	h := newHeld(t)
	one, two := login(t, h.Account, Login{}), login(t, h.Account, Login{})
	ask(t, one, `CREATE TABLE T (ID INT)`)
	ask(t, one, `BEGIN`)
	ask(t, one, `DELETE FROM T`)
	ask(t, two, `ALTER SESSION SET LOCK_TIMEOUT = 0`)
	if got := refused(t, two, `DELETE FROM T`); !strings.HasPrefix(got, "000625 ") {
		t.Error(got)
	}
	ask(t, two, `INSERT INTO T VALUES (1)`) // takes no lock that conflicts
	ask(t, two, `ALTER SESSION SET LOCK_TIMEOUT = 30`)
	done := later(t, two, `DELETE FROM T`)
	<-h.waits
	h.expire <- time.Time{}
	if got := <-done; !strings.HasPrefix(got, "000625 (57014)") {
		t.Error(got)
	}
}

func TestAVanishedClientKeepsItsTransaction(t *testing.T) {
	h := newHeld(t)
	gone, other := login(t, h.Account, Login{}), login(t, h.Account, Login{})
	ask(t, gone, `CREATE TABLE T (ID INT)`)
	ask(t, gone, `INSERT INTO T VALUES (1)`)
	ask(t, gone, `BEGIN NAME LOAD`)
	ask(t, gone, `UPDATE T SET ID = 2`)
	gone.Abandon()
	done := later(t, other, `UPDATE T SET ID = 3`)
	<-h.waits
	helper := login(t, h.Account, Login{})
	fields := strings.Split(ask(t, helper, `SHOW TRANSACTIONS`), "|")
	if len(fields) != 6 || fields[3] != "LOAD" {
		t.Fatal(fields)
	}
	ask(t, helper, `SELECT SYSTEM$ABORT_TRANSACTION(`+fields[0]+`)`)
	if got := <-done; got != "1|0" {
		t.Error(got)
	}
	if got := ask(t, helper, `SELECT ID FROM T`); got != "3" {
		t.Error(got)
	}
	if got := refused(t, gone, `COMMIT`); !strings.HasPrefix(got, "390111 ") {
		t.Error(got)
	}
}

func TestLogoutRollsBack(t *testing.T) {
	a := newAccount(t, AccountConfig{})
	one, two := login(t, a, Login{}), login(t, a, Login{})
	ask(t, one, `CREATE TABLE T (ID INT)`)
	ask(t, one, `BEGIN`)
	ask(t, one, `INSERT INTO T VALUES (1)`)
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, two, `SELECT COUNT(*) FROM T`); got != "0" {
		t.Error(got)
	}
}

func TestADetachedTransactionDoesNotBlockForLong(t *testing.T) {
	h := newHeld(t)
	gone, other := login(t, h.Account, Login{}), login(t, h.Account, Login{})
	ask(t, gone, `CREATE TABLE T (ID INT)`)
	ask(t, gone, `BEGIN`)
	ask(t, gone, `INSERT INTO T VALUES (1)`)
	ask(t, gone, `UPDATE T SET ID = 2`)
	gone.Abandon()
	done := later(t, other, `DELETE FROM T`)
	<-h.waits
	h.expire <- time.Time{} // the five minutes
	if got := <-done; got != "0" {
		t.Error(got)
	}
}

// https://docs.snowflake.com/en/sql-reference/transactions#explicit-and-implicit-transactions
func TestWithoutAutocommit(t *testing.T) {
	a := newAccount(t, AccountConfig{})
	one, two := login(t, a, Login{}), login(t, a, Login{})
	ask(t, one, `CREATE TABLE T (ID INT)`)
	ask(t, one, `ALTER SESSION SET AUTOCOMMIT = FALSE`)
	ask(t, one, `BEGIN NAME X`)
	ask(t, one, `INSERT INTO T VALUES (1)`)
	id := ask(t, one, `SELECT CURRENT_TRANSACTION()`)
	ask(t, two, `SELECT SYSTEM$ABORT_TRANSACTION(`+id+`)`)
	if got := ask(t, one, `SELECT CURRENT_TRANSACTION() IS NULL`); got != "1" {
		t.Errorf("a transaction that was aborted is still open: %s", got)
	}
	ask(t, one, `INSERT INTO T VALUES (2)`)
	if got := ask(t, one, `SELECT CURRENT_TRANSACTION()`); got == id || got == "" {
		t.Errorf("the next statement stands in transaction %q", got)
	}
	if got := ask(t, two, `SELECT COUNT(*) FROM T`); got != "0" {
		t.Errorf("another session sees %s rows of what was not committed", got)
	}
	if _, err := one.Run(t.Context(), `ALTER SESSION SET AUTOCOMMIT = TRUE`, nil); err == nil {
		t.Error("AUTOCOMMIT is taken within a transaction")
	}
	ask(t, one, `ROLLBACK`)
	ask(t, one, `ALTER SESSION SET AUTOCOMMIT = TRUE`)
	ask(t, one, `INSERT INTO T VALUES (3)`)
	if got := ask(t, two, `SELECT SUM(ID) FROM T`); got != "3" {
		t.Errorf("got the sum %s", got)
	}
}
