package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/extract/database/databasetest"
)

// longEdge, an environment variable with a duration ("1m"), has all scenarios run, each for so long.
const longEdge = "MILLRACE_TEST_EDGE"

// TestEdge follows a table by its cursor while transactions are written that take longer than the time between two polls.
// Each poll is a run of the source: opened anew, a window since the last cursor, read and merged. At the end it must have
// what the table has: no row lost, stale, or too many; in append mode each row once. The usual ways run beside it and
// must lose rows: else the load proves nothing.
func TestEdge(t *testing.T) {
	length, long := 3*time.Second, false
	if d, err := time.ParseDuration(os.Getenv(longEdge)); err == nil {
		length, long = d, true
	}
	const now6 = " NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), KEY (updated_at)"
	const now0 = " NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (updated_at, id)"
	for _, s := range []scenario{
		{name: "datetime6", column: "DATETIME(6)" + now6, short: true, extra: []func(*harness){preparedWriter, metadataWaiter(true)}},
		{name: "datetime0", column: "DATETIME" + now0, short: true, extra: []func(*harness){sameSecond}},
		{name: "timestamp6", column: "TIMESTAMP(6)" + now6},
		{name: "timestamp0", column: "TIMESTAMP" + now0, extra: []func(*harness){sameSecond}},
		{name: "append", column: "DATETIME(6)" + now6, append: true, cursor: "id", short: true, extra: []func(*harness){slowInserter, preparedWriter}},
		{name: "append by time", column: "DATETIME(6)" + now6, append: true, cursor: "updated_at", extra: []func(*harness){slowInserter, preparedWriter}},
		{name: "date", column: "DATE NOT NULL, KEY (updated_at, id)", present: "CURRENT_DATE", mayHold: true},
		{name: "no index", column: "DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"},
		{name: "rowlock", column: "DATETIME(6)" + now6, extra: []func(*harness){rowLockWaiter}},
		{name: "mdl autocommit", column: "DATETIME(6)" + now6, extra: []func(*harness){metadataWaiter(false)}},
		{name: "slow start", column: "DATETIME(6)" + now6, extra: []func(*harness){slowStarter}},
		{name: "procedure", column: "DATETIME(6)" + now6, extra: []func(*harness){procedureCaller}},
		{name: "hot rows", column: "DATETIME(6)" + now6, extra: []func(*harness){hotRows}},
		{name: "idle reader", column: "DATETIME(6)" + now6, extra: []func(*harness){idleReader}},
	} {
		if !long && !s.short {
			continue
		}
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			if !long { // they sleep most of the time
				t.Parallel()
			}
			s.run(t, length)
		})
	}
}

// scenario is a table that many write to while it is followed.
type scenario struct {
	name    string
	column  string // of updated_at, and indexes
	present string // SQL that a write sets updated_at to; "": the table's default does
	append  bool   // nothing but inserts, read in append mode
	cursor  string // of append mode
	mayHold bool   // "> max" need not lose rows: they all have one value
	short   bool
	extra   []func(*harness) // more writers, beside the eight
}

type harness struct {
	scenario
	t       *testing.T
	db      *sql.DB
	stop    atomic.Bool
	writers sync.WaitGroup
	commits atomic.Int64
	waits   atomic.Int64 // of the extra writers
	ids     atomic.Int64 // about the greatest
}

func (s scenario) run(t *testing.T, length time.Duration) {
	st := stream("e", extract.Incremental, by("updated_at", "id"), option(func(o *database.StreamOptions) { o.PageRows = 100 }))
	st.Deletes = true
	if s.append {
		st = stream("e", extract.Append, by(s.cursor), option(func(o *database.StreamOptions) { o.PageRows = 100 }))
	} else {
		s.cursor = "updated_at"
	}
	f := newFixture(t, []string{
		"CREATE TABLE e (id BIGINT PRIMARY KEY AUTO_INCREMENT, v BIGINT NOT NULL, who INT NOT NULL, updated_at " + s.column + ", KEY (who)) ENGINE=InnoDB",
		"CREATE PROCEDURE p() BEGIN INSERT INTO e (v, who) VALUES (1, 77); DO SLEEP(0.7); INSERT INTO e (v, who) VALUES (1, 77); DO SLEEP(0.7); END",
	}, st)
	h := &harness{scenario: s, t: t, db: f.db}
	ways := []*naive{{name: "> max", where: s.cursor + " > ?"}, {name: ">= max", where: s.cursor + " >= ?"}}
	if s.cursor == "updated_at" {
		ways = append(ways, &naive{name: "look-back 1 s", where: s.cursor + " >= ? - INTERVAL 1 SECOND"})
	}
	var readers []*databasetest.Polling
	for _, n := range ways {
		n.conn, n.seen = testConn(t, f.db), map[string]string{}
		readers = append(readers, &n.Polling)
	}
	for w := range 8 {
		h.spawn(func() { h.write(w) })
	}
	for _, extra := range s.extra {
		h.spawn(func() { extra(h) })
	}
	go databasetest.StopAfter(t, length, func() { h.stop.Store(true) }, readers)
	done := make(chan struct{})
	go func() { h.writers.Wait(); close(done) }()
	var others sync.WaitGroup
	for _, n := range ways {
		others.Go(func() { n.Follow(t, done, func() error { return n.poll(s.cursor) }) })
	}
	ours, polling, took := newMerged(), databasetest.Polling{}, time.Duration(0)
	polling.Follow(t, done, func() error {
		begin := time.Now()
		defer func() { took += time.Since(begin) }()
		return ours.Poll(t.Context(), f.open, st)
	})
	others.Wait()
	want := f.whole(st)
	for deadline := time.Now().Add(2 * time.Minute); s.append && len(ours.Rows) < len(want) && time.Now().Before(deadline); { // what is younger than the margin, or held back by others' statements
		time.Sleep(250 * time.Millisecond)
		if err := ours.Poll(t.Context(), f.open, st); err != nil {
			t.Fatal(err)
		}
	}
	ours.Same(t, want)
	doubled := 0
	for row, n := range ours.Times {
		if s.append && n != 1 {
			t.Errorf("the row %s was read %d times", row, n)
			doubled++
		}
	}
	lost, stale, extra := ours.Compare(want)
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows, %d commits, %d waits, %d polls of %d ms; ours: %d lost, %d stale, %d too many, %d doubled, %d rows read", len(want), h.commits.Load(), h.waits.Load(), polling.Polls(),
		(took / time.Duration(polling.Polls())).Milliseconds(), len(lost), len(stale), len(extra), doubled, ours.Read)
	for i, n := range ways {
		missed := n.missed(want)
		fmt.Fprintf(&b, "\n%-14s lost %d (%.1f %%), read %d", n.name, missed, 100*float64(missed)/float64(max(1, len(want))), n.read)
		if missed == 0 && i < 2 && !s.mayHold {
			t.Errorf("%s lost nothing: the experiment proves nothing", n.name)
		}
	}
	t.Log(b.String())
}

// naive is a reader that keeps the greatest value it has seen, as most tools do.
type naive struct {
	databasetest.Polling
	name, where string
	conn        *sql.Conn
	max         string
	seen        map[string]string
	read        int
}

func (n *naive) poll(cursor string) error {
	query := "SELECT id, v, " + cursor + " FROM e"
	var args []any
	if n.max != "" {
		query, args = query+" WHERE "+n.where, []any{n.max}
	}
	rows, err := n.conn.QueryContext(context.Background(), query+" ORDER BY "+cursor, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, v string
		if err := rows.Scan(&id, &v, &n.max); err != nil {
			return err
		}
		n.seen[id] = v
		n.read++
	}
	return rows.Err()
}

// missed counts the rows whose last version was never read.
func (n *naive) missed(want map[string]string) (missed int) {
	for id, row := range want {
		if n.seen[id] != strings.Split(row, "|")[1] {
			missed++
		}
	}
	return missed
}

func (h *harness) spawn(f func()) { h.writers.Go(f) }

// write is one of the eight: transactions of 0 to 400 ms that insert, update and delete.
func (h *harness) write(w int) {
	ctx := context.Background()
	conn, err := h.db.Conn(ctx)
	if err != nil {
		h.t.Error(err)
		return
	}
	defer conn.Close()
	_, _ = conn.ExecContext(ctx, "SET time_zone = '+00:00', innodb_lock_wait_timeout = 10")
	random := rand.New(rand.NewPCG(uint64(w), 42))
	var ids []int64 // its own rows, so that it seldom waits for others
	for !h.stop.Load() {
		if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
			h.t.Error(err)
			return
		}
		mine := ids
		n := 1 + random.IntN(3)
		budget := time.Duration(random.IntN(400)) * time.Millisecond
		at, set := "DEFAULT", ""
		if h.present != "" {
			at, set = h.present, ", updated_at = "+h.present
		}
		for range n {
			var err error
			switch k := random.IntN(10); {
			case k < 5 || len(mine) < 10 || h.append:
				var result sql.Result
				if result, err = conn.ExecContext(ctx, fmt.Sprintf("INSERT INTO e (v, who, updated_at) VALUES (1, %d, %s), (1, %[1]d, %[2]s), (1, %[1]d, %[2]s)", w, at)); err == nil {
					id, _ := result.LastInsertId()
					mine = append(mine[:len(mine):len(mine)], id, id+1, id+2)
					h.ids.Store(id)
				}
			case k < 9:
				_, err = conn.ExecContext(ctx, "UPDATE e SET v = v + 1"+set+" WHERE id = ?", mine[random.IntN(len(mine))])
			default:
				i := random.IntN(len(mine))
				_, err = conn.ExecContext(ctx, "DELETE FROM e WHERE id = ?", mine[i])
				mine = append(mine[:i:i], mine[i+1:]...)
			}
			if err != nil {
				h.t.Errorf("writer %d: %v", w, err)
				break
			}
			time.Sleep(budget / time.Duration(n))
		}
		end := "COMMIT"
		if random.IntN(10) == 0 {
			end = "ROLLBACK"
		}
		if _, err := conn.ExecContext(ctx, end); err == nil && end == "COMMIT" {
			h.commits.Add(1)
			ids = mine
		}
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
	}
}

// sessions opens n sessions for an extra writer, which gets a way to run a statement on each.
func (h *harness) sessions(n int) (exec func(i int, s string), close func()) {
	conns := make([]*sql.Conn, n)
	for i := range conns {
		conn, err := h.db.Conn(context.Background())
		if err != nil {
			h.t.Error(err)
			continue
		}
		_, _ = conn.ExecContext(context.Background(), "SET time_zone = '+00:00'")
		conns[i] = conn
	}
	exec = func(i int, s string) {
		if _, err := conns[i].ExecContext(context.Background(), s); err != nil {
			h.t.Errorf("%s: %v", s, err)
		}
	}
	return exec, func() {
		for _, c := range conns { // for good, not back to the pool
			_ = c.Raw(func(any) error { return driver.ErrBadConn })
		}
	}
}

// rowLockWaiter: a statement whose NOW() is fixed waits seconds for a row, and its transaction goes on after it.
func rowLockWaiter(h *harness) {
	exec, done := h.sessions(2)
	defer done()
	exec(0, "INSERT INTO e (id, v, who) VALUES (1000000000, 1, 99)")
	for round := 0; !h.stop.Load(); round++ {
		exec(0, "BEGIN")
		exec(0, "UPDATE e SET v = v + 1 WHERE id = 1000000000")
		var second sync.WaitGroup
		second.Go(func() {
			if round%2 == 0 {
				exec(1, "BEGIN")
			}
			exec(1, "UPDATE e SET v = v + 1 WHERE id = 1000000000")
			if round%2 == 0 {
				time.Sleep(600 * time.Millisecond)
				exec(1, "COMMIT")
			}
		})
		time.Sleep(2500 * time.Millisecond)
		exec(0, "COMMIT")
		second.Wait()
		h.waits.Add(1)
	}
}

// metadataWaiter: a statement waits for a metadata lock, before InnoDB hears of it. In a transaction, it goes on after
// the statement.
func metadataWaiter(transaction bool) func(*harness) {
	return func(h *harness) {
		exec, done := h.sessions(2)
		defer done()
		for !h.stop.Load() {
			exec(0, "LOCK TABLES e WRITE")
			var second sync.WaitGroup
			second.Go(func() {
				if transaction {
					exec(1, "BEGIN")
				}
				exec(1, "INSERT INTO e (v, who) VALUES (1, 98), (1, 98), (1, 98)")
				if transaction {
					time.Sleep(time.Second)
					exec(1, "COMMIT")
				}
			})
			time.Sleep(1500 * time.Millisecond)
			exec(0, "UNLOCK TABLES")
			second.Wait()
			h.waits.Add(1)
			time.Sleep(500 * time.Millisecond)
		}
	}
}

// sameSecond: of a row that is committed, the same second sees another version, which is committed seconds later. By
// cursor and key the two are one.
func sameSecond(h *harness) {
	exec, done := h.sessions(2)
	defer done()
	exec(0, "INSERT INTO e (id, v, who) VALUES (2000000000, 1, 95)")
	for !h.stop.Load() {
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1050 * time.Millisecond)))
		exec(0, "UPDATE e SET v = v + 1 WHERE id = 2000000000")
		exec(1, "BEGIN")
		exec(1, "UPDATE e SET v = v + 1 WHERE id = 2000000000")
		time.Sleep(3500 * time.Millisecond)
		exec(1, "COMMIT")
		h.waits.Add(1)
	}
}

// slowInserter: a transaction of two seconds, which took its numbers long before it is committed.
func slowInserter(h *harness) {
	exec, done := h.sessions(1)
	defer done()
	for !h.stop.Load() {
		exec(0, "BEGIN")
		exec(0, "INSERT INTO e (v, who) VALUES (1, 94), (1, 94)")
		time.Sleep(time.Second)
		exec(0, "INSERT INTO e (v, who) SELECT 1 + 0 * SLEEP(0.3), 94 FROM seq_1_to_3")
		exec(0, "COMMIT")
		h.waits.Add(1)
		time.Sleep(300 * time.Millisecond)
	}
}

// slowStarter: the statement works long before it touches a table of InnoDB.
func slowStarter(h *harness) {
	exec, done := h.sessions(1)
	defer done()
	for !h.stop.Load() {
		exec(0, "BEGIN")
		exec(0, "INSERT INTO e (v, who) SELECT 1 + SLEEP(2), 97")
		time.Sleep(800 * time.Millisecond)
		exec(0, "COMMIT")
		h.waits.Add(1)
	}
}

// procedureCaller: statements inside of a procedure.
func procedureCaller(h *harness) {
	exec, done := h.sessions(1)
	defer done()
	for !h.stop.Load() {
		exec(0, "BEGIN")
		exec(0, "CALL p()")
		exec(0, "COMMIT")
		h.waits.Add(1)
	}
}

// preparedWriter: a transaction that is prepared, left by its session, and committed later by another.
func preparedWriter(h *harness) {
	for round := 0; !h.stop.Load(); round++ {
		id := fmt.Sprintf("'%s%d'", h.t.Name(), round)
		exec, done := h.sessions(1)
		exec(0, "XA START "+id)
		exec(0, "INSERT INTO e (v, who) VALUES (1, 96), (1, 96)")
		exec(0, "XA END "+id)
		exec(0, "XA PREPARE "+id)
		done()
		time.Sleep(2 * time.Second)
		exec, done = h.sessions(1)
		exec(0, "XA COMMIT "+id)
		done()
		h.waits.Add(1)
	}
}

// hotRows: all rows are changed again and again, so that few of a window stay what they were.
func hotRows(h *harness) {
	exec, done := h.sessions(1)
	defer done()
	exec(0, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") // no locks on gaps
	for !h.stop.Load() {
		exec(0, fmt.Sprintf("UPDATE e SET v = v + 1 WHERE id = %d", 1+rand.Int64N(h.ids.Load()+1)))
		h.waits.Add(1)
	}
}

// idleReader: a transaction that only reads must not hold the edge back, however long it lasts.
func idleReader(h *harness) {
	exec, done := h.sessions(1)
	defer done()
	exec(0, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
	for !h.stop.Load() {
		time.Sleep(100 * time.Millisecond)
	}
	exec(0, "COMMIT")
}

// TestEdgeBusy: a session that runs one statement after another, all of one text, is none that does not end.
func TestEdgeBusy(t *testing.T) {
	st := stream("t", extract.Append, by("id"))
	f := newFixture(t, append(few[:2:2], "CREATE TABLE other (n INT) ENGINE=InnoDB"), st)
	ctx, cancel := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	for range 3 {
		conn := testConn(t, f.db)
		busy.Go(func() {
			for ctx.Err() == nil {
				if _, err := conn.ExecContext(context.Background(), "INSERT INTO other SELECT SLEEP(0.3)"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer busy.Wait()
	defer cancel()
	f.await("SELECT COUNT(*) = 3 FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT INTO other %'")
	m := newMerged()
	f.run(m, st)
	if len(m.Rows) != 10 || strings.Contains(strings.Join(m.Notes, "; "), "warning") { // as after waiting in vain for a statement to end
		t.Errorf("%d rows of 10: %v", len(m.Rows), m.Notes)
	}
}

// TestEdgeFunction: a SELECT that runs may write: by a function, or as a step of a function or a trigger, whose NOW() is
// that of the statement which they belong to.
func TestEdgeFunction(t *testing.T) {
	for name, c := range map[string]struct{ create, write string }{
		"function": {"CREATE FUNCTION later() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN DECLARE x INT; SET x = SLEEP(2.5); INSERT INTO t (nonce, at) VALUES (1, NOW(6)); RETURN 1; END", "SELECT later()"},
		"trigger":  {"CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW BEGIN IF NEW.nonce = 77 THEN SELECT SLEEP(2.5) INTO @x; END IF; END", "INSERT INTO t (nonce) VALUES (77)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := stream("t", extract.Incremental, by("at", "id"))
			f := newFixture(t, append(few[:2:2], c.create), st)
			m := newMerged()
			f.run(m, st)
			var slow sync.WaitGroup
			slow.Go(func() {
				if _, err := f.db.Exec(c.write); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(200 * time.Millisecond)
			f.exec("INSERT INTO t (nonce) VALUES (2)")
			time.Sleep(1500 * time.Millisecond)
			f.run(m, st)
			slow.Wait()
			f.run(m, st)
			m.Same(t, f.whole(st))
		})
	}
}

// TestEdgeTakenBack: of a row that is changed twice in a transaction, a dirty read shows the later version; the transaction
// takes that back and commits the earlier.
func TestEdgeTakenBack(t *testing.T) {
	for name, c := range map[string]struct{ change, back string }{
		"update": {"UPDATE t SET nonce = 101, at = NOW(6) WHERE nonce = 100", "ROLLBACK TO SAVEPOINT s"},
		"delete": {"DELETE FROM t WHERE nonce = 100", "ROLLBACK TO SAVEPOINT s"},
		"fails":  {"UPDATE t SET nonce = nonce + 0 * SLEEP(IF(nonce = 101, 2, 0)), at = NOW(6), id = IF(nonce = 101, 1, id) WHERE nonce IN (100, 101)", ""}, // the second finds its key taken
	} {
		t.Run(name, func(t *testing.T) { // not side by side: what runs in one holds the edge of the others
			st := stream("t", extract.Append, by("at"))
			f := newFixture(t, few[:2:2], st)
			m := newMerged()
			slow := testConn(t, f.db)
			mustExec(t, slow, "BEGIN", "INSERT INTO t (nonce) VALUES (100)")
			time.Sleep(50 * time.Millisecond)
			f.exec("INSERT INTO t (nonce) VALUES (1)")
			mustExec(t, slow, "INSERT INTO t (nonce) VALUES (101)", "SAVEPOINT s")
			time.Sleep(2500 * time.Millisecond)
			var changed sync.WaitGroup
			changed.Go(func() {
				if _, err := slow.ExecContext(context.Background(), c.change); (err == nil) == (c.back == "") {
					t.Errorf("%s: %v", c.change, err)
				}
			})
			if c.back != "" {
				changed.Wait()
			} else {
				time.Sleep(300 * time.Millisecond)
			}
			f.run(m, st)
			changed.Wait()
			if c.back != "" {
				mustExec(t, slow, c.back)
			}
			mustExec(t, slow, "COMMIT")
			want := f.whole(st)
			for range 20 { // the youngest wait for the margin
				if len(m.Rows) == len(want) {
					break
				}
				time.Sleep(250 * time.Millisecond)
				f.run(m, st)
			}
			m.Same(t, want)
		})
	}
}

// TestEdgeWriters: an open transaction holds the edge at its start, and is named, once it has written anything; one that
// only reads does not.
func TestEdgeWriters(t *testing.T) {
	f := newFixture(t, append(few[:2:2], "CREATE TABLE other (n INT) ENGINE=InnoDB"))
	before := time.Now()
	slow := testConn(t, f.db)
	edge := func() (time.Duration, string) {
		t.Helper()
		src := f.mustOpen()
		defer src.Close()
		h, err := src.(*source).hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return h.now.Sub(h.edge), h.running
	}
	mustExec(t, slow, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
	time.Sleep(2 * time.Second)
	behind, what := edge()
	for try := 0; behind != margin && try < 60; try++ { // a session that is being opened or closed may hold it for a moment
		time.Sleep(250 * time.Millisecond)
		behind, what = edge()
	}
	if behind != margin {
		t.Errorf("the edge is %v behind the clock, held by %q", behind, what)
	}
	mustExec(t, slow, "INSERT INTO other VALUES (1)")
	if behind, what := edge(); behind < 2*time.Second+margin || behind > time.Since(before)+2*margin+time.Second {
		t.Errorf("the edge is %v behind the clock, the transaction began %v ago (%q)", behind, time.Since(before), what)
	} else {
		mentions(t, what, "transaction of session", "open since")
	}
	id := "'" + t.Name() + "'"
	mustExec(t, slow, "COMMIT", "XA START "+id, "INSERT INTO other VALUES (2)", "XA END "+id, "XA PREPARE "+id)
	_ = slow.Raw(func(any) error { return driver.ErrBadConn }) // leaves it to whoever comes
	t.Cleanup(func() { mustExec(t, testConn(t, f.db), "XA ROLLBACK "+id) })
	time.Sleep(2 * time.Second)
	f.await("SELECT COUNT(*) = 1 FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = 0")
	behind, what = edge()
	if behind < 2*time.Second {
		t.Errorf("the edge is %v behind the clock", behind)
	}
	mentions(t, what, "XA RECOVER")
}

// TestEdgeGivesWay: one who waits to alter a table, for the lock that our snapshot has on it, is not made to wait by us: the
// look at what is not committed would have to wait behind.
func TestEdgeGivesWay(t *testing.T) {
	st := stream("t", extract.Incremental, by("at", "id"))
	f := newFixture(t, few, st)
	src := f.mustOpen()
	defer src.Close()
	if _, err := src.Window(t.Context(), st, "", nil); err != nil {
		t.Fatal(err)
	}
	altered := make(chan error, 1)
	go func() {
		_, err := f.db.Exec("ALTER TABLE t ADD COLUMN more INT NOT NULL DEFAULT 7")
		altered <- err
	}()
	f.await("SELECT COUNT(*) > 0 FROM information_schema.PROCESSLIST WHERE STATE LIKE '%metadata lock%' AND INFO LIKE 'ALTER TABLE t %'")
	_, err := src.Window(t.Context(), st, "", nil)
	if !errors.Is(err, extract.ErrTransient) {
		t.Fatalf("got %v, which is not tried again", err)
	}
	mentions(t, told(err), "waits to alter", "goes first")
	if err := <-altered; err != nil {
		t.Error(err)
	}
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := landAll(t.Context(), src, st, w)
	if err != nil || len(l.Rows) != 10 || !slices.Contains(l.Columns, "more") {
		t.Errorf("%d rows of %v, %v", len(l.Rows), l.Columns, err)
	}
}
