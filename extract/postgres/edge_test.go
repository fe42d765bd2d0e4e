package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/extract/database/databasetest"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/testserver"
)

// longEdge, an environment variable with a duration ("1m"), is how long each experiment writes instead of a few seconds.
const longEdge = "MILLRACE_TEST_EDGE"

// experiment is a table that many write to while it is polled.
type experiment struct {
	table    string // DDL of t(id, nonce, at)
	setup    string // more SQL
	mode     extract.Mode
	cursor   string
	present  string // SQL of what a write sets the cursor to; "": it is the id
	longTx   bool   // a few transactions of two seconds among the others
	tieLoses bool   // >= max() must lose rows too
	deletes  bool
}

// TestEdge is the experiment by which cursors of the usual kind lose a third of the rows: writers whose transactions
// take up to 400 ms, a poll every 250 ms. The naive ways run beside ours and must lose rows: else the load proves nothing.
func TestEdge(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]experiment{
		"timestamptz": {table: "CREATE TABLE t (id bigserial PRIMARY KEY, nonce bigint, at timestamptz NOT NULL); CREATE INDEX ON t (at, id)",
			mode: extract.Incremental, cursor: "at", present: "now()", tieLoses: true, deletes: true},
		"timestamp in New York": {table: "CREATE TABLE t (id bigserial PRIMARY KEY, nonce bigint, at timestamp NOT NULL)", setup: "ALTER DATABASE %s SET timezone = 'America/New_York'",
			mode: extract.Incremental, cursor: "at", present: "now()", tieLoses: true, deletes: true},
		"sequence": {table: "CREATE TABLE t (id bigserial, nonce bigint, at timestamptz NOT NULL DEFAULT now())", mode: extract.Append, cursor: "id", longTx: true, tieLoses: true},
		"date":     {table: "CREATE TABLE t (id bigserial PRIMARY KEY, nonce bigint, at date NOT NULL)", mode: extract.Incremental, cursor: "at", present: "now()", deletes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x.run(t)
		})
	}
}

// naive is a reader that keeps the greatest value it has seen.
type naive struct {
	databasetest.Polling
	name, sql string
	max       string
	rows      map[string]string
}

func (n *naive) poll(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, n.sql, n.max)
	if err != nil {
		return err
	}
	var id, nonce, value string
	_, err = pgx.ForEachRow(rows, []any{&id, &nonce, &value}, func() error {
		n.rows[id], n.max = nonce, value
		return nil
	})
	return err
}

func (x experiment) run(t *testing.T) {
	st := stream("t", x.mode, by(x.cursor, "id"))
	if st.Deletes = x.deletes; x.mode == extract.Append {
		st.Key = nil
	}
	f := newFixture(t, x.table, st)
	if x.setup != "" {
		f.exec(fmt.Sprintf(x.setup, f.db.Config().Database))
	}
	length := 6 * time.Second
	if d, err := time.ParseDuration(os.Getenv(longEdge)); err == nil {
		length = d
	}
	ctx := t.Context()
	ways := []*naive{
		{name: "> max()", sql: fmt.Sprintf("SELECT id::text, nonce::text, %[1]s::text FROM t WHERE $1 = '' OR %[1]s > nullif($1, '')::%[2]s ORDER BY t.%[1]s", x.cursor, x.sqlType())},
		{name: ">= max() with dedup", sql: fmt.Sprintf("SELECT id::text, nonce::text, %[1]s::text FROM t WHERE $1 = '' OR %[1]s >= nullif($1, '')::%[2]s ORDER BY t.%[1]s", x.cursor, x.sqlType())},
	}
	var readers []*databasetest.Polling
	for _, n := range ways {
		n.rows = map[string]string{}
		readers = append(readers, &n.Polling)
	}
	stop := make(chan struct{})
	go databasetest.StopAfter(t, length, func() { close(stop) }, readers)
	var written, transactions atomic.Int64
	var writers sync.WaitGroup
	for i := range 8 {
		conn := connect(t, f.url)
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				pause := time.Duration(rand.IntN(400)) * time.Millisecond
				if x.longTx && i == 0 && n%3 == 2 {
					pause = 2 * time.Second
				}
				rows, err := x.write(ctx, conn, pause)
				if err != nil {
					t.Error(err)
					return
				}
				written.Add(rows)
				transactions.Add(1)
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	var others sync.WaitGroup
	for _, n := range ways {
		conn := connect(t, f.url)
		others.Go(func() { n.Follow(t, done, func() error { return n.poll(ctx, conn) }) })
	}
	ours, polling := newMerged(), databasetest.Polling{}
	polling.Follow(t, done, func() error { return ours.Poll(ctx, f.open, st) })
	others.Wait()
	want := f.whole(st)
	ours.Same(t, want)
	if x.mode == extract.Append {
		for row, n := range ours.Times {
			if n != 1 {
				t.Errorf("the row %s was read %d times", row, n)
			}
		}
	}
	t.Logf("%d transactions wrote %d rows, %d polls; the table has %d rows, we read %d", transactions.Load(), written.Load(), polling.Polls(), len(want), ours.Read)
	for i, n := range ways {
		lost := 0
		for id, row := range want {
			if n.rows[id] != strings.Split(row, "|")[1] {
				lost++
			}
		}
		t.Logf("%s lost %d rows of %d (%.1f %%)", n.name, lost, len(want), 100*float64(lost)/float64(len(want)))
		if lost == 0 && (i == 0 || x.tieLoses) {
			t.Errorf("%s lost nothing: the experiment proves nothing", n.name)
		}
	}
}

func (x experiment) sqlType() string {
	switch {
	case x.present == "":
		return "bigint"
	case strings.Contains(x.table, "at timestamptz"):
		return "timestamptz"
	case strings.Contains(x.table, "at timestamp"):
		return "timestamp"
	}
	return "date"
}

// write is one transaction: inserts, and, when there is a key, updates and deletes of what others have committed.
func (x experiment) write(ctx context.Context, conn *pgx.Conn, pause time.Duration) (rows int64, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	early := time.Duration(rand.Int64N(int64(pause) + 1))
	do := func(sql string, args ...any) {
		if err == nil {
			tag, e := tx.Exec(ctx, sql, args...)
			rows, err = rows+tag.RowsAffected(), e
		}
	}
	n := 1 + rand.IntN(5)
	if x.mode == extract.Append {
		do("INSERT INTO t (nonce) SELECT $1::bigint + i FROM generate_series(1, $2::int) AS i", rand.Int64N(1<<40), n)
		time.Sleep(early)
		do("INSERT INTO t (nonce) SELECT $1::bigint + i FROM generate_series(1, $2::int) AS i", rand.Int64N(1<<40), n)
	} else {
		do("INSERT INTO t (nonce, at) SELECT $1::bigint + i, "+x.present+" FROM generate_series(1, $2::int) AS i", rand.Int64N(1<<40), n)
		time.Sleep(early)
		// SKIP LOCKED keeps the writers from waiting for each other, and from deadlocks.
		some := "(SELECT id FROM t ORDER BY random() LIMIT $1 FOR UPDATE SKIP LOCKED)"
		do("UPDATE t SET nonce = nonce + 1, at = "+x.present+" WHERE id IN "+some, 2)
		do("DELETE FROM t WHERE id IN "+some, rand.IntN(2))
	}
	time.Sleep(pause - early)
	if err != nil {
		return 0, err
	}
	return rows, tx.Commit(ctx)
}

// few is the table of the tests below, which follow one transaction each.
const few = `CREATE TABLE t (id bigserial PRIMARY KEY, nonce bigint, at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON t (at, id);
INSERT INTO t (nonce, at) SELECT i, now() - interval '1 hour' FROM generate_series(1, 10) AS i`

// TestEdgePrepared: a transaction that was prepared has no session any more, and its rows are not there yet.
func TestEdgePrepared(t *testing.T) {
	t.Parallel()
	byMoment := stream("t", extract.Incremental, by("at", "id"))
	byNumber := stream("t", extract.Append, by("id"))
	f := newFixture(t, few, byMoment, byNumber)
	first, second := newMerged(), newMerged()
	poll := func() {
		t.Helper()
		if err := errors.Join(first.Poll(t.Context(), f.open, byMoment), second.Poll(t.Context(), f.open, byNumber)); err != nil {
			t.Fatal(err)
		}
	}
	poll()
	f.exec("BEGIN; INSERT INTO t (nonce) VALUES (100); PREPARE TRANSACTION 'later'")
	time.Sleep(margin + 100*time.Millisecond)
	f.exec("INSERT INTO t (nonce) VALUES (101)")
	time.Sleep(margin + 100*time.Millisecond)
	poll()
	for _, m := range []*merged{first, second} {
		mentions(t, strings.Join(m.Notes, "; "), `prepared transaction "later"`, "warning")
	}
	if len(second.Rows) != 10 {
		t.Errorf("append has read %d rows; those behind the prepared one must wait", len(second.Rows))
	}
	f.exec("COMMIT PREPARED 'later'")
	poll()
	want := f.whole(byMoment)
	first.Same(t, want)
	second.Same(t, want)
}

// TestEdgeHeld: a transaction that takes long holds the edge, is named, and loses nothing.
func TestEdgeHeld(t *testing.T) {
	t.Parallel()
	incremental := stream("t", extract.Incremental, by("at", "id"))
	appends := stream("t", extract.Append, by("at"))
	byNumber := stream("t", extract.Append, by("id"))
	f := newFixture(t, few, incremental, appends, byNumber)
	all := []*merged{newMerged(), newMerged(), newMerged()}
	poll := func() {
		t.Helper()
		for i, st := range []extract.Stream{incremental, appends, byNumber} {
			if err := all[i].Poll(t.Context(), f.open, st); err != nil {
				t.Fatal(err)
			}
		}
	}
	slow := connect(t, f.url)
	exec := func(sql string) {
		t.Helper()
		if _, err := slow.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	poll()
	exec("BEGIN")
	exec("INSERT INTO t (nonce) VALUES (100)")
	time.Sleep(2 * margin)
	f.exec("INSERT INTO t (nonce) SELECT 200 + i FROM generate_series(1, 5) AS i")
	time.Sleep(margin + 100*time.Millisecond)
	poll()
	stood := all[0].Since
	poll()
	if mark, _ := database.ParseMark(all[0].Since); mark.Value == "" || mustMark(t, stood).Value != mark.Value {
		t.Errorf("the cursor moved from %s to %s under an open transaction", stood, all[0].Since)
	}
	for _, m := range all {
		mentions(t, strings.Join(m.Notes, "; "), fmt.Sprintf("pid %d", slow.PgConn().PID()), "warning")
	}
	if len(all[0].Rows) != 15 {
		t.Errorf("incremental has %d rows of 15 that are committed", len(all[0].Rows))
	}
	for i, m := range all[1:] {
		if len(m.Rows) != 10 {
			t.Errorf("append %d has %d rows: those behind the open transaction must wait", i, len(m.Rows))
		}
	}
	exec("COMMIT")
	time.Sleep(margin + 100*time.Millisecond)
	poll()
	want := f.whole(incremental)
	for i, m := range all {
		m.Same(t, want)
		for row, n := range m.Times {
			if n != 1 && i > 0 {
				t.Errorf("append %d: the row %s was read %d times", i, row, n)
			}
		}
	}
}

func mustMark(t *testing.T, c extract.Cursor) database.Mark {
	t.Helper()
	m, err := database.ParseMark(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestEdgeUnproven: a role that may not see others' transactions, and a standby, fall back to staying behind the clock.
func TestEdgeUnproven(t *testing.T) {
	t.Parallel()
	incremental := stream("t", extract.Incremental, by("at", "id"))
	byNumber := stream("t", extract.Incremental, by("id", "id"))
	server := testserver.NewPostgres(t, testserver.Options{})
	f := fixtureAt(t, server, few, incremental, byNumber)
	f.exec(fmt.Sprintf("CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON t TO reader; GRANT CONNECT ON DATABASE %s TO reader", f.db.Config().Database))
	standby := server.Standby(t)
	reader := strings.Replace(f.url, server.User+":"+server.Password, "reader:reader", 1)
	if reader == f.url {
		t.Fatal("the URL names another user")
	}
	for name, url := range map[string]string{"no pg_monitor": reader, "standby": standby.URL(f.db.Config().Database)} {
		t.Run(name, func(t *testing.T) {
			g := &fixture{t: t, url: url, options: &database.Options{URL: config.NewURL(url)}, streams: f.streams, db: f.db}
			for _, st := range []extract.Stream{incremental, byNumber} {
				m := newMerged()
				poll := func() {
					t.Helper()
					standby.CaughtUp(t, server)
					if err := m.Poll(t.Context(), g.open, st); err != nil {
						t.Fatal(err)
					}
				}
				poll()
				slow := connect(t, f.url)
				tx, err := slow.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Exec(t.Context(), "INSERT INTO t (nonce) VALUES (100)"); err != nil {
					t.Fatal(err)
				}
				f.exec("INSERT INTO t (nonce) VALUES (101)")
				poll()
				poll()
				if err := tx.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				poll()
				m.Same(t, f.whole(st))
				words := []string{"10m0s"}
				switch {
				case st.Cursor == "id" && name == "standby", st.Cursor == "at" && name == "standby":
					words = append(words, "standby")
				case st.Cursor == "at":
					words = append(words, "GRANT pg_monitor")
				default:
					words = nil // everybody may look at locks: proven
				}
				mentions(t, strings.Join(m.Notes, "; "), words...)
			}
		})
	}
}

// TestEdgeUntracked: where a session does not report its transactions (track_activities), nothing is proven.
func TestEdgeUntracked(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Incremental, by("at", "id"))
	f := newFixture(t, few, st)
	m := newMerged()
	poll := func() {
		t.Helper()
		if err := m.Poll(t.Context(), f.open, st); err != nil {
			t.Fatal(err)
		}
	}
	poll()
	quiet := connect(t, f.url)
	for _, sql := range []string{"SET track_activities = off", "BEGIN", "INSERT INTO t (nonce) VALUES (100)"} {
		if _, err := quiet.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(margin + 200*time.Millisecond)
	f.exec("INSERT INTO t (nonce) VALUES (101)")
	time.Sleep(margin + 200*time.Millisecond)
	poll()
	mentions(t, strings.Join(m.Notes, "; "), "track_activities")
	if _, err := quiet.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	poll()
	m.Same(t, f.whole(st))
}

// TestEdgeCachedSequence: a sequence with a cache gives each session a stock of numbers, which it may use at any time.
func TestEdgeCachedSequence(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]string{
		"default":  "CREATE SEQUENCE s CACHE 20; CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s'), nonce bigint)",
		"identity": "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 20) PRIMARY KEY, nonce bigint)",
	} {
		t.Run(name, func(t *testing.T) {
			st := stream("t", extract.Incremental, by("id", "id"))
			f := newFixture(t, table, st)
			early := connect(t, f.url)
			m := newMerged()
			for range 2 {
				if _, err := early.Exec(t.Context(), "INSERT INTO t (nonce) VALUES (1)"); err != nil {
					t.Fatal(err)
				}
				f.exec("INSERT INTO t (nonce) VALUES (2)")
				if err := m.Poll(t.Context(), f.open, st); err != nil {
					t.Fatal(err)
				}
			}
			m.Same(t, f.whole(st))
			mentions(t, strings.Join(m.Notes, "; "), "CACHE 20", "10m0s")
			st = stream("t", extract.Append, by("id"))
			f.streams = []extract.Stream{st}
			_, err := f.mustOpen().Window(t.Context(), st, "", nil)
			if err == nil {
				t.Fatal("append would lose rows")
			}
			mentions(t, err.Error()+advice(err), "CACHE 20", "incremental")
		})
	}
}

// TestEdgeProcedure: a procedure that commits has young transactions, and writes the time of its CALL in each.
func TestEdgeProcedure(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{"statement_timestamp": "statement_timestamp()", "variable": "v"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := stream("t", extract.Append, by("at"))
			f := newFixture(t, `CREATE TABLE t (id bigserial PRIMARY KEY, at timestamptz NOT NULL); CREATE INDEX ON t (at);
CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ DECLARE v timestamptz := now(); BEGIN
  FOR i IN 1..4 LOOP INSERT INTO t (at) VALUES (`+at+`); COMMIT; PERFORM pg_sleep(1.2); COMMIT; END LOOP; END $$`, st)
			caller := connect(t, f.url)
			done := make(chan error)
			go func() { _, err := caller.Exec(context.Background(), "CALL p()"); done <- err }()
			time.Sleep(200 * time.Millisecond)
			f.exec("INSERT INTO t (at) VALUES (now())")
			m := newMerged()
			time.Sleep(2600 * time.Millisecond) // in the third round
			if err := m.Poll(t.Context(), f.open, st); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			f.exec("CALL p()")
			time.Sleep(margin + 200*time.Millisecond)
			if err := m.Poll(t.Context(), f.open, st); err != nil {
				t.Fatal(err)
			}
			m.Same(t, f.whole(st))
		})
	}
}

// TestEdgeNumbers: numbers that no sequence gives out one by one may come below those that are there.
func TestEdgeNumbers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ table, why string }{
		"identity":      {"CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)", ""},
		"serial":        {"CREATE TABLE t (id serial PRIMARY KEY)", ""},
		"default":       {"CREATE SEQUENCE s; CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s'))", ""},
		"trigger":       {"CREATE TABLE t (id bigint PRIMARY KEY); CREATE SEQUENCE s OWNED BY t.id", ""},
		"partitions":    {"CREATE TABLE t (id bigserial, PRIMARY KEY (id)) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100); CREATE TABLE t2 PARTITION OF t DEFAULT", ""},
		"blocks":        {"CREATE SEQUENCE s INCREMENT BY 50; CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s'))", "INCREMENT 50"},
		"descending":    {"CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY (INCREMENT BY -1) PRIMARY KEY)", "INCREMENT -1"},
		"application's": {"CREATE TABLE t (id bigint PRIMARY KEY)", "no sequence"},
		"two sequences": {"CREATE TABLE t (id bigserial); CREATE TABLE t1 (id bigserial) INHERITS (t)", "2 sequences"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := stream("t", extract.Append, by("id"))
			f := newFixture(t, c.table, st)
			_, err := f.mustOpen().Window(t.Context(), st, "", nil)
			if c.why == "" {
				if err != nil {
					t.Fatal(err, advice(err))
				}
				return
			}
			if err == nil {
				t.Fatal("append would lose rows")
			}
			mentions(t, err.Error()+advice(err), c.why, "INCREMENT 1", "incremental")
			st = stream("t", extract.Incremental, by("id", "id"))
			f.streams = []extract.Stream{st}
			f.exec("INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1), (51)")
			m := newMerged()
			for id := range 2 {
				if err := m.Poll(t.Context(), f.open, st); err != nil {
					t.Fatal(err)
				}
				mentions(t, strings.Join(m.Notes, "; "), c.why, "10m0s")
				f.exec(fmt.Sprintf("INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (%d)", 2+id))
			}
			if err := m.Poll(t.Context(), f.open, st); err != nil {
				t.Fatal(err)
			}
			m.Same(t, f.whole(st))
		})
	}
}
