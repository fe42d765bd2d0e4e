package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestEdge measures what ways of following a table by its updated_at lose while transactions are written that take
// longer than the time between two polls. All ways follow the same table at once. A row is lost when it is in the table
// at the end and its last version was never read. The safe way must lose none; what the others lose is only logged,
// and is why the safe way is worth what it costs.
//
// With MILLRACE_EDGE_SECONDS all scenarios run for so long, otherwise a few do for a short while.
func TestEdge(t *testing.T) {
	seconds, all := 3, false
	if text := os.Getenv("MILLRACE_EDGE_SECONDS"); text != "" {
		all = true
		if _, err := fmt.Sscan(text, &seconds); err != nil {
			t.Fatal(err)
		}
	}
	scenarios := []struct {
		name, column string
		extra        func(*harness) // one more writer, beside the eight
		short        bool
	}{
		{name: "datetime6", column: "DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"},
		{name: "timestamp6", column: "TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"},
		{name: "datetime0", column: "DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP", short: true},
		{name: "rowlock", extra: rowLockWaiter},
		{name: "mdl_autocommit", extra: func(h *harness) { metadataWaiter(h, false) }},
		{name: "mdl_transaction", extra: func(h *harness) { metadataWaiter(h, true) }, short: true},
		{name: "slow_start", extra: slowStarter},
		{name: "procedure", extra: procedureCaller},
		{name: "xa", extra: preparedWriter, short: true},
		{name: "hot_rows", extra: hotRows},
		{name: "idle_reader", extra: idleReader},
		{name: "monitor", extra: busyMonitor},
	}
	for _, s := range scenarios {
		if !all && !s.short {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			if s.column == "" {
				s.column = scenarios[0].column
			}
			h := newHarness(t, s.column)
			h.run(time.Duration(seconds)*time.Second, s.extra)
			for _, f := range h.followers {
				if f.name == safeWay && f.lost > 0 {
					t.Errorf("%s lost %d rows", f.name, f.lost)
				}
			}
		})
	}
}

type harness struct {
	t         *testing.T
	db        *sql.DB
	whole     bool // the column has whole seconds
	cached    observation
	fresh     observation
	stale     int // times that innodb_trx did not come to show what is there
	stop      atomic.Bool
	writers   sync.WaitGroup
	commits   atomic.Int64
	waits     atomic.Int64 // of the extra writer
	ids       atomic.Int64 // about the greatest
	followers []*follower
}

// safeWay is what the source does.
const safeWay = "statements + dirty read - 1 s"

// follower is one way of following the table.
type follower struct {
	name   string
	whole  bool
	poll   func(*follower) error
	conn   *sql.Conn // reads the table
	probe  *sql.Conn // asks about the server
	cursor string
	seen   map[int64]int64
	rows   int // read
	news   int // read and not known
	lost   int
	took   time.Duration
	polls  int
	lag    time.Duration // how far the edge lay behind, summed
}

func newHarness(t *testing.T, column string) *harness {
	db, _ := testDatabase(t)
	mustExec(t, db, "CREATE TABLE e (id BIGINT PRIMARY KEY AUTO_INCREMENT, v BIGINT NOT NULL, who INT NOT NULL, updated_at "+column+", KEY (updated_at), KEY (who)) ENGINE=InnoDB",
		"CREATE TABLE hot (id BIGINT PRIMARY KEY, n BIGINT) ENGINE=InnoDB", "INSERT INTO hot VALUES (1, 0)",
		"CREATE PROCEDURE p() BEGIN INSERT INTO e (v, who) VALUES (1, 77); DO SLEEP(0.7); INSERT INTO e (v, who) VALUES (1, 77); DO SLEEP(0.7); END")
	h := &harness{t: t, db: db, whole: !strings.Contains(column, "(6)")}
	h.follow("> max", func(f *follower) error { return f.simple("updated_at > ?", 0) })
	h.follow(">= max", func(f *follower) error { return f.simple("updated_at >= ?", 0) })
	h.follow("look-back 1 s", func(f *follower) error { return f.simple("updated_at >= ?", time.Second) })
	h.follow("trx", func(f *follower) error { return f.edged(h.cached, edgeOptions{}) })
	h.follow("trx - 1 s", func(f *follower) error { return f.edged(h.cached, edgeOptions{margin: time.Second}) })
	h.follow("trx + statements", func(f *follower) error { return f.edged(h.cached, edgeOptions{statements: true}) })
	h.follow("trx + statements - 1 s", func(f *follower) error {
		return f.edged(h.cached, edgeOptions{statements: true, margin: time.Second})
	})
	h.follow("fresh trx + statements - 1 s", func(f *follower) error {
		return f.edged(h.fresh, edgeOptions{statements: true, margin: time.Second})
	})
	h.follow("statements + dirty read", func(f *follower) error {
		return f.edged(h.cached, edgeOptions{statements: true, noTrx: true, dirty: true})
	})
	h.follow(safeWay, func(f *follower) error {
		return f.edged(h.cached, edgeOptions{statements: true, noTrx: true, dirty: true, margin: time.Second})
	})
	return h
}

func (h *harness) follow(name string, poll func(*follower) error) {
	h.followers = append(h.followers, &follower{name: name, poll: poll, cursor: "1000-01-01 00:00:00",
		whole: h.whole, seen: map[int64]int64{}, conn: testConn(h.t, h.db), probe: testConn(h.t, h.db)})
}

func (h *harness) run(d time.Duration, extra func(*harness)) {
	for w := range 8 {
		h.spawn(func() { h.write(w) })
	}
	if extra != nil {
		h.spawn(func() { extra(h) })
	}
	probe := testConn(h.t, h.db)
	var polling sync.WaitGroup
	var done atomic.Bool
	polling.Go(func() {
		for quiet := 0; quiet < 12; { // the last polls have all behind their margin
			if done.Load() {
				quiet++
			}
			began := time.Now()
			h.tick(probe)
			time.Sleep(time.Until(began.Add(250 * time.Millisecond)))
		}
	})
	time.Sleep(d)
	h.stop.Store(true)
	h.writers.Wait()
	done.Store(true)
	polling.Wait()
	h.report()
}

// tick lets all ways poll once. They share what was seen of the server: each of them reading innodb_trx would keep its
// cache from being filled anew.
func (h *harness) tick(probe *sql.Conn) {
	var err error
	if h.cached, err = observe(probe); err != nil {
		h.t.Error(err)
		return
	}
	for _, f := range h.followers {
		if strings.HasPrefix(f.name, "fresh") {
			fresh, ok, err := observeFresh(probe)
			if err != nil {
				h.t.Error(err)
			}
			if !ok { // somebody keeps the cache: nothing is read
				h.stale++
				continue
			}
			h.fresh = fresh
		}
		began := time.Now()
		if err := f.poll(f); err != nil {
			h.t.Errorf("%s: %v", f.name, err)
		}
		f.took += time.Since(began)
		f.polls++
	}
}

func (h *harness) spawn(f func()) { h.writers.Go(f) }

func (h *harness) report() {
	final := map[int64]int64{}
	rows, err := h.db.Query("SELECT id, v FROM e")
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, v int64
		if err := rows.Scan(&id, &v); err != nil {
			h.t.Fatal(err)
		}
		final[id] = v
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows, %d commits, %d waits, %d times stale\n%-30s %6s %8s %8s %8s %9s %8s\n", len(final), h.commits.Load(), h.waits.Load(), h.stale,
		"way", "lost", "%", "read", "again", "ms/poll", "lag ms")
	for _, f := range h.followers {
		var lost []int64
		for id, v := range final {
			if f.seen[id] != v {
				f.lost++
				lost = append(lost, id)
			}
		}
		sort.Slice(lost, func(i, j int) bool { return lost[i] < lost[j] })
		fmt.Fprintf(&b, "%-30s %6d %8.2f %8d %8d %9.1f %8d\n", f.name, f.lost, 100*float64(f.lost)/float64(max(1, len(final))), f.rows, f.rows-f.news,
			float64(f.took.Milliseconds())/float64(max(1, f.polls)), f.lag.Milliseconds()/int64(max(1, f.polls)))
	}
	h.t.Log("\n" + b.String())
}

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
		for range n {
			var err error
			switch k := random.IntN(10); {
			case k < 5 || len(mine) < 10:
				var result sql.Result
				if result, err = conn.ExecContext(ctx, "INSERT INTO e (v, who) VALUES (1, ?), (1, ?), (1, ?)", w, w, w); err == nil {
					id, _ := result.LastInsertId()
					mine = append(mine[:len(mine):len(mine)], id, id+1, id+2)
					h.ids.Store(id)
				}
			case k < 9:
				_, err = conn.ExecContext(ctx, "UPDATE e SET v = v + 1 WHERE id = ?", mine[random.IntN(len(mine))])
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
func metadataWaiter(h *harness, transaction bool) {
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
		time.Sleep(2500 * time.Millisecond)
		exec(0, "UNLOCK TABLES")
		second.Wait()
		h.waits.Add(1)
		time.Sleep(500 * time.Millisecond)
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
		time.Sleep(2500 * time.Millisecond)
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

// busyMonitor: somebody reads innodb_trx so often that its cache is never filled anew.
func busyMonitor(h *harness) {
	exec, done := h.sessions(1)
	defer done()
	for !h.stop.Load() {
		exec(0, "DO (SELECT COUNT(*) FROM information_schema.innodb_trx)")
		time.Sleep(20 * time.Millisecond)
	}
}

func (f *follower) take(rows *sql.Rows) (last string, err error) {
	defer rows.Close()
	for rows.Next() {
		var id, v int64
		var at string
		if err := rows.Scan(&id, &v, &at); err != nil {
			return "", err
		}
		f.rows++
		if f.seen[id] < v {
			f.seen[id] = v
			f.news++
		}
		last = at
	}
	return last, rows.Err()
}

// simple is what most tools do.
func (f *follower) simple(where string, back time.Duration) error {
	from := f.cursor
	if back > 0 {
		at, err := time.Parse(time.DateTime, f.cursor)
		if err != nil {
			return err
		}
		from = at.Add(-back).Format("2006-01-02 15:04:05.000000")
	}
	rows, err := f.conn.QueryContext(context.Background(), "SELECT id, v, updated_at FROM e WHERE "+where+" ORDER BY updated_at", from)
	if err != nil {
		return err
	}
	last, err := f.take(rows)
	if last > f.cursor {
		f.cursor = last
	}
	return err
}

// observation is what the server says of what goes on in it.
type observation struct {
	now        time.Time
	statements time.Time // when the oldest running statement began, or now
	trx        time.Time // when the oldest transaction that has written began, or now
}

func observe(probe *sql.Conn) (o observation, err error) {
	const statements = `SELECT NOW(6), LEAST(NOW(), COALESCE(NOW() - INTERVAL MAX(time) + 1 SECOND, NOW())) FROM information_schema.processlist
WHERE id <> CONNECTION_ID() AND command NOT IN ('Sleep', 'Daemon', 'Binlog Dump') AND (info IS NULL OR info NOT LIKE 'SELECT%')`
	const trx = `SELECT COALESCE(MIN(CONVERT_TZ(trx_started, 'SYSTEM', '+00:00')), NOW(6)) FROM information_schema.innodb_trx
WHERE trx_rows_modified > 0 OR trx_mysql_thread_id = 0`
	var now, oldest, started string
	if err := probe.QueryRowContext(context.Background(), statements).Scan(&now, &oldest); err != nil {
		return o, err
	}
	if err := probe.QueryRowContext(context.Background(), trx).Scan(&started); err != nil {
		return o, err
	}
	for _, x := range []struct {
		text string
		into *time.Time
	}{{now, &o.now}, {oldest, &o.statements}, {started, &o.trx}} {
		if *x.into, err = time.Parse(time.DateTime, x.text); err != nil {
			return o, err
		}
	}
	return o, nil
}

// observeFresh observes when innodb_trx shows a transaction that begins now. Its cache is filled anew when nobody has
// read it for 100 ms; a monitor that reads it more often keeps it as it is for ever.
func observeFresh(probe *sql.Conn) (o observation, ok bool, err error) {
	ctx := context.Background()
	const mine = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()"
	for range 3 {
		time.Sleep(110 * time.Millisecond)
		if _, err := probe.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
			return o, false, err
		}
		var n int
		o, err = observe(probe)
		if err == nil {
			err = probe.QueryRowContext(ctx, mine).Scan(&n)
		}
		if _, failed := probe.ExecContext(ctx, "COMMIT"); failed != nil {
			return o, false, failed
		}
		if err != nil || n > 0 {
			return o, n > 0, err
		}
	}
	return o, false, nil
}

type edgeOptions struct {
	statements bool // running statements count, by their start
	noTrx      bool // transactions do not count
	dirty      bool // rows that are not committed are looked at
	margin     time.Duration
}

const microLayout = "2006-01-02 15:04:05.000000"

func (f *follower) edged(o observation, with edgeOptions) error {
	ctx := context.Background()
	hi := o.now
	if with.statements && o.statements.Before(hi) {
		hi = o.statements
	}
	if !with.noTrx && o.trx.Before(hi) {
		hi = o.trx
	}
	hi = hi.Add(-with.margin)
	if _, err := f.conn.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
		return err
	}
	defer func() { _, _ = f.conn.ExecContext(ctx, "COMMIT") }()
	edge, err := hi.Format(microLayout), error(nil)
	if f.whole {
		edge = hi.Format(time.DateTime)
	}
	if with.dirty && edge > f.cursor {
		if edge, err = f.dirtyEdge(ctx, edge); err != nil {
			return err
		}
	}
	at, err := time.Parse(time.DateTime, edge)
	f.lag += o.now.Sub(at)
	if err != nil || edge <= f.cursor {
		return err
	}
	rows, err := f.conn.QueryContext(ctx, "SELECT id, v, updated_at FROM e WHERE updated_at >= ? AND updated_at < ?", f.cursor, edge)
	if err != nil {
		return err
	}
	if _, err := f.take(rows); err != nil {
		return err
	}
	f.cursor = edge
	return nil
}

// dirtyEdge is the least updated_at below the edge that the snapshot does not show and READ UNCOMMITTED does. Rows that
// only the snapshot shows were changed since: their new updated_at lies beyond the edge.
func (f *follower) dirtyEdge(ctx context.Context, edge string) (string, error) {
	const sums = `SELECT CONCAT_WS(' ', COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', updated_at, id))), SUM(CRC32(CONCAT_WS('|', id, updated_at))))
FROM e WHERE updated_at >= ? AND updated_at < ?`
	const rows = "SELECT updated_at, id FROM e WHERE updated_at >= ? AND updated_at < ? ORDER BY updated_at, id"
	// A transaction, not one statement with that level: the prepared statements of the driver are statements too.
	if _, err := f.probe.ExecContext(ctx, "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"); err != nil {
		return "", err
	}
	if _, err := f.probe.ExecContext(ctx, "START TRANSACTION READ ONLY"); err != nil {
		return "", err
	}
	defer func() { _, _ = f.probe.ExecContext(ctx, "COMMIT") }()
	var dirty, clean string
	if err := f.probe.QueryRowContext(ctx, sums, f.cursor, edge).Scan(&dirty); err != nil {
		return "", err
	}
	if err := f.conn.QueryRowContext(ctx, sums, f.cursor, edge).Scan(&clean); err != nil || dirty == clean {
		return edge, err
	}
	d, err := f.probe.QueryContext(ctx, rows, f.cursor, edge)
	if err != nil {
		return "", err
	}
	defer d.Close()
	c, err := f.conn.QueryContext(ctx, rows, f.cursor, edge)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return firstDirty(d, c, edge)
}

// firstDirty is the least updated_at of d that is not in c, or edge. Both come in order.
func firstDirty(d, c *sql.Rows, edge string) (string, error) {
	type key struct {
		at string
		id int64
	}
	next := func(rows *sql.Rows) (k key, ok bool, err error) {
		if !rows.Next() {
			return k, false, rows.Err()
		}
		return k, true, rows.Scan(&k.at, &k.id)
	}
	dirty, more, err := next(d)
	if err != nil {
		return "", err
	}
	clean, left, err := next(c)
	for err == nil && more {
		switch {
		case !left || dirty.at < clean.at || dirty.at == clean.at && dirty.id < clean.id:
			return dirty.at, nil
		case dirty == clean:
			if dirty, more, err = next(d); err != nil {
				return "", err
			}
			clean, left, err = next(c)
		default:
			clean, left, err = next(c)
		}
	}
	return edge, err
}
