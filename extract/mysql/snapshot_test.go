package mysql

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/testserver"
)

// TestSnapshotOfTwoTables: one transaction changes two tables between the readings of the first and the second: both show
// what was before it. So do a view, a query and a table of another database.
func TestSnapshotOfTwoTables(t *testing.T) {
	sum := option(func(o *database.StreamOptions) { o.Query = "SELECT MIN(id) AS id, SUM(amount) AS amount FROM b" })
	a, b, v, q := stream("a", extract.Full), stream("b", extract.Full), stream("v", extract.Full), stream("q", extract.Full, sum)
	f := newFixture(t, []string{"CREATE TABLE a (id INT PRIMARY KEY, amount INT) ENGINE=InnoDB", "INSERT INTO a SELECT seq, 10 FROM seq_1_to_100", "CREATE TABLE b LIKE a", "INSERT INTO b SELECT * FROM a",
		"CREATE VIEW v AS SELECT id, amount FROM b"}, a, b, v, q)
	name := "other" + fmt.Sprint(time.Now().UnixNano())
	f.exec("CREATE DATABASE "+name, "CREATE TABLE "+name+".c LIKE a", "INSERT INTO "+name+".c SELECT * FROM a")
	t.Cleanup(func() { _, _ = f.db.Exec("DROP DATABASE " + name) })
	src := f.mustOpen()
	first, err := src.Window(t.Context(), a, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := landAll(t.Context(), src, a, first)
	if err != nil || len(l.Rows) != 100 {
		t.Fatal(len(l.Rows), err)
	}
	mustExec(t, testConn(t, f.db), "SET innodb_lock_wait_timeout = 1", "BEGIN", "UPDATE a SET amount = 0", "UPDATE b SET amount = 20", "INSERT INTO b VALUES (101, 1)", "DELETE FROM b WHERE id = 1", "UPDATE "+name+".c SET amount = 7", "COMMIT")
	for _, st := range []extract.Stream{b, v, q, stream(name+".c", extract.Full), stream("`"+name+"`.`c`", extract.Full), a} {
		w, err := src.Window(t.Context(), st, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if first.AsOf.ID != w.AsOf.ID {
			t.Errorf("%s: the windows name different states", st.Name)
		}
		l, err := landAll(t.Context(), src, st, w)
		if err != nil {
			t.Fatal(err)
		}
		if st.Name == "q" {
			if fmt.Sprint(l.Rows) != "[[1 1000]]" {
				t.Errorf("query: %v", l.Rows)
			}
			continue
		}
		if len(l.Rows) != 100 || l.Rows[0][0] != "1" || l.Rows[99][1] != "10" {
			t.Errorf("%s: %d rows, %v", st.Name, len(l.Rows), l.Rows[:1])
		}
	}
}

// TestSnapshotUnderWriters: what several streams have together holds while transactions move it between tables.
func TestSnapshotUnderWriters(t *testing.T) {
	a, b := stream("a", extract.Full), stream("b", extract.Full)
	f := newFixture(t, []string{"CREATE TABLE a (id INT PRIMARY KEY, amount INT) ENGINE=InnoDB", "INSERT INTO a SELECT seq, 10 FROM seq_1_to_100", "CREATE TABLE b LIKE a", "INSERT INTO b SELECT * FROM a"}, a, b)
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	writers.Go(func() {
		conn := testConn(t, f.db)
		for n := 0; ctx.Err() == nil; n++ {
			for _, s := range []string{"BEGIN", fmt.Sprintf("UPDATE a SET amount = amount - 1 WHERE id = %d", 1+n%100), fmt.Sprintf("UPDATE b SET amount = amount + 1 WHERE id = %d", 1+n%100), "COMMIT"} {
				if _, err := conn.ExecContext(context.Background(), s); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	defer writers.Wait()
	defer cancel()
	for range 10 {
		src := f.mustOpen()
		total := 0
		var both sync.WaitGroup
		var mu sync.Mutex
		for _, st := range []extract.Stream{a, b} { // at once, as the engine does
			both.Go(func() {
				w, err := src.Window(t.Context(), st, "", nil)
				if err != nil {
					t.Error(err)
					return
				}
				l, err := landAll(t.Context(), src, st, w)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, row := range l.Rows {
					var n int
					_, _ = fmt.Sscan(row[1], &n)
					total += n
				}
			})
		}
		both.Wait()
		_ = src.Close()
		if total != 2000 {
			t.Fatalf("together %d, not 2000: two states", total)
		}
	}
}

// TestSnapshotFewConnections: two connections are enough, for streams that are asked for at once too.
func TestSnapshotFewConnections(t *testing.T) {
	var streams []extract.Stream
	statements := []string{}
	for i := range 4 {
		streams = append(streams, stream(fmt.Sprintf("t%d", i), extract.Full))
		statements = append(statements, fmt.Sprintf("CREATE TABLE t%d (id INT PRIMARY KEY) ENGINE=InnoDB", i))
	}
	f := newFixture(t, statements, streams...)
	for _, connections := range []int{2, 3} {
		f.options.Connections = connections
		src := f.mustOpen()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		var all sync.WaitGroup
		for _, st := range streams {
			all.Go(func() {
				if _, err := src.Window(ctx, st, "", nil); err != nil {
					t.Errorf("%d connections: window: %v", connections, err)
				}
				if _, err := src.Describe(ctx, st); err != nil {
					t.Errorf("%d connections: describe: %v", connections, err)
				}
			})
		}
		all.Wait()
		cancel()
		_ = src.Close()
	}
}

// TestSnapshotAndDDL: what changes a table after the snapshot waits for us, or is noticed.
func TestSnapshotAndDDL(t *testing.T) {
	for name, ddl := range map[string]string{
		"truncate":        "TRUNCATE b",
		"change of type":  "ALTER TABLE b MODIFY amount BIGINT",
		"new column":      "ALTER TABLE b ADD COLUMN other INT, ALGORITHM=COPY",
		"instant column":  "ALTER TABLE b ADD COLUMN other INT NOT NULL DEFAULT 3, ALGORITHM=INSTANT",
		"instant drop":    "ALTER TABLE b DROP COLUMN extra, ALGORITHM=INSTANT",
		"swap by renames": "CREATE TABLE b_new LIKE b; INSERT INTO b_new SELECT * FROM b; RENAME TABLE b TO b_old, b_new TO b",
		"drop and create": "CREATE TABLE b_new LIKE b; INSERT INTO b_new SELECT * FROM b; DROP TABLE b; RENAME TABLE b_new TO b",
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			union := option(func(o *database.StreamOptions) {
				o.Query = "SELECT id, amount FROM a UNION ALL SELECT id, amount FROM b"
			})
			a, b, q := stream("a", extract.Full), stream("b", extract.Full), stream("q", extract.Full, union)
			f := newFixture(t, []string{"CREATE TABLE a (id INT PRIMARY KEY, amount INT, extra INT) ENGINE=InnoDB", "INSERT INTO a SELECT seq, 10, 0 FROM seq_1_to_100", "CREATE TABLE b LIKE a", "INSERT INTO b SELECT * FROM a"}, a, b, q)
			src := f.mustOpen()
			first, err := src.Window(t.Context(), a, "", nil) // takes the snapshot, and no lock on b
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range strings.Split(ddl, "; ") {
				f.exec(s)
			}
			want := 100
			if name == "truncate" {
				want = 0
			}
			for _, st := range []extract.Stream{b, q} {
				// As the engine does: again after what is transient, and after what has changed.
				var l *reading
				tries := 0
				for ; tries < 4; tries++ {
					var w *extract.Window
					if w, err = src.Window(t.Context(), st, "", nil); err == nil {
						l, err = landAll(t.Context(), src, st, w)
					}
					if err == nil || !errors.Is(err, extract.ErrTransient) && !errors.Is(err, extract.ErrChanged) {
						break
					}
				}
				rows := want
				if st.Name == "q" {
					rows += 100
				}
				if err != nil || len(l.Rows) != rows {
					t.Fatalf("%s after %d tries: %v", st.Name, tries, err)
				}
			}
			again, err := src.Window(t.Context(), a, "", first)
			w, err2 := src.Window(t.Context(), b, "", nil)
			if err != nil || err2 != nil || again.AsOf.ID != w.AsOf.ID {
				t.Errorf("the streams do not come together again: %v %v", err, err2)
			}
			// Now b is locked: what would spoil it waits for us.
			conn := testConn(t, f.db)
			mustExec(t, conn, "SET lock_wait_timeout = 0")
			for _, s := range []string{"TRUNCATE b", "ALTER TABLE b MODIFY amount DECIMAL(9,2)", "RENAME TABLE b TO c", "DROP TABLE b", "ALTER TABLE b ADD INDEX (amount)"} {
				if _, err := conn.ExecContext(t.Context(), s); serverCode(err) != lockWait {
					t.Errorf("%s between Window and Read: %v, want it to wait", s, err)
				}
			}
			if l, err := landAll(t.Context(), src, b, w); err != nil || len(l.Rows) != want {
				t.Errorf("%d rows of %d, %v", len(l.Rows), want, err)
			}
		})
	}
}

// TestSnapshotDropColumn: a column is dropped between two attempts of a run.
func TestSnapshotDropColumn(t *testing.T) {
	for _, mode := range []extract.Mode{extract.Full, extract.Incremental} {
		t.Run(string(mode), func(t *testing.T) {
			st := stream("t", mode, by("at", "id"))
			f := newFixture(t, few, st)
			src := f.mustOpen()
			w, err := src.Window(t.Context(), st, "2000-01-01", nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = src.Close()
			f.exec("ALTER TABLE t DROP COLUMN nonce")
			src = f.mustOpen()
			if _, err := (&reading{}).Part(t.Context(), src, st, w, w.Slices[0], ""); !errors.Is(err, extract.ErrChanged) {
				t.Errorf("the old window is read: %v", err)
			}
			fixed := journaled(t, w)
			fresh, err := src.Window(t.Context(), st, "2000-01-01", fixed)
			if err != nil || fresh == fixed {
				t.Fatalf("the old window holds: %v", err)
			}
			if l, err := landAll(t.Context(), src, st, fresh); err != nil || len(l.Rows) != 10 || len(l.Columns) != 2 {
				t.Errorf("%d rows, columns %v, %v", len(l.Rows), l.Columns, err)
			}
		})
	}
}

// TestSnapshotKinds: tables of all kinds, with names of all kinds.
func TestSnapshotKinds(t *testing.T) {
	names := []string{"my`isam", "ge n", "ver.sioned", "ünïcode ☃", "select", "w"}
	quoted := func(i int) string { return quoteName(names[i]) }
	f := newFixture(t, []string{
		"CREATE TABLE " + quoted(0) + " (id INT, `a``b` INT) ENGINE=MyISAM", "INSERT INTO " + quoted(0) + " VALUES (1, 2)",
		"CREATE TABLE " + quoted(1) + " (id INT PRIMARY KEY, n INT, twice INT AS (n * 2) VIRTUAL, more INT AS (n + 1) STORED, hidden INT INVISIBLE DEFAULT 9, at DATETIME(6) DEFAULT NOW(6)) ENGINE=InnoDB", "INSERT INTO " + quoted(1) + " (id, n) VALUES (1, 21)",
		"CREATE TABLE " + quoted(2) + " (id INT PRIMARY KEY, v INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING ENGINE=InnoDB",
		"INSERT INTO " + quoted(2) + " (id, v) VALUES (1, 1), (2, 2)", "UPDATE " + quoted(2) + " SET v = 3 WHERE id = 1", "DELETE FROM " + quoted(2) + " WHERE id = 2",
		"CREATE TABLE " + quoted(3) + " (`i d` INT PRIMARY KEY, `näme'\"☃` VARCHAR(20)) ENGINE=InnoDB", "INSERT INTO " + quoted(3) + " VALUES (1, '😀')",
		"CREATE TABLE " + quoted(4) + " (`from` INT PRIMARY KEY, `order` INT) ENGINE=InnoDB", "INSERT INTO " + quoted(4) + " VALUES (1, 2)",
		"CREATE VIEW " + quoted(5) + " AS SELECT `from` AS id, `order` + 1 AS n FROM " + quoted(4)})
	for i, want := range []string{"[[1 2]]", "[[1 21 42 22 9 ", "[[1 3 ", "[[1 😀]]", "[[1 2]]", "[[1 3]]"} {
		for _, name := range []string{streamName(names[i]), quoted(i)} {
			st := stream(name, extract.Full)
			src := f.mustOpen()
			w, err := src.Window(t.Context(), st, "", nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			l, err := landAll(t.Context(), src, st, w)
			if got := fmt.Sprint(l.Rows); err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s, %v", name, got, err)
			}
			if notes := strings.Join(w.Notes, "; "); strings.Contains(notes, "no snapshots") != (i == 0) {
				t.Errorf("%s: notes %q", name, notes)
			}
			_ = src.Close()
		}
	}
	// The start of a row's version is a cursor that the server keeps itself.
	st := stream(streamName(names[2]), extract.Incremental, by("s", "id"))
	m := newMerged()
	f.run(m, st)
	f.exec("UPDATE " + quoted(2) + " SET v = 4")
	f.run(m, st)
	m.Same(t, f.whole(st))
	// Views have no keys and indexes that are known, and are followed all the same.
	f.exec("CREATE VIEW vt AS SELECT * FROM "+quoted(1), "INSERT INTO "+quoted(1)+" (id, n) VALUES (2, 5)")
	st = stream("vt", extract.Incremental, by("at", "id"))
	m = newMerged()
	f.run(m, st)
	f.exec("UPDATE " + quoted(1) + " SET n = 6, at = NOW(6) WHERE id = 2")
	f.run(m, st)
	m.Same(t, f.whole(st))
}

// TestEdgeHeld: a transaction that stays open holds the edge, is told, and loses nothing.
func TestEdgeHeld(t *testing.T) {
	incremental, appends, byNumber := stream("t", extract.Incremental, by("at", "id")), stream("t", extract.Append, by("at")), stream("t", extract.Append, by("id"))
	f := newFixture(t, few, incremental, appends, byNumber)
	all := []*merged{newMerged(), newMerged(), newMerged()}
	poll := func() {
		t.Helper()
		for i, st := range []extract.Stream{incremental, appends, byNumber} {
			f.run(all[i], st)
		}
	}
	poll()
	slow := testConn(t, f.db)
	mustExec(t, slow, "SET timestamp = UNIX_TIMESTAMP() - 120", "BEGIN", "INSERT INTO t (nonce) VALUES (100)", "SET timestamp = DEFAULT") // as if two minutes ago
	f.exec("INSERT INTO t (nonce, at) SELECT 200 + seq, NOW(6) - INTERVAL 60 SECOND FROM seq_1_to_5")
	poll()
	stood := all[0].Since
	poll()
	if mustMark(t, all[0].Since).Value != mustMark(t, stood).Value {
		t.Errorf("the cursor moved from %s to %s under an open transaction", stood, all[0].Since)
	}
	mentions(t, strings.Join(all[0].Notes, "; "), "warning", "not committed", "innodb_trx")
	if len(all[0].Rows) != 15 {
		t.Errorf("incremental has %d rows of 15 that are committed", len(all[0].Rows))
	}
	for i, m := range all[1:] {
		if len(m.Rows) != 10 {
			t.Errorf("append %d has %d rows: those behind the open transaction must wait", i, len(m.Rows))
		}
	}
	mustExec(t, slow, "COMMIT")
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

// TestEdgeUnproven: an account that may not see others' statements, and a replica, also one that stands still, fall back to
// staying behind the clock.
func TestEdgeUnproven(t *testing.T) {
	incremental, byNumber := stream("t", extract.Incremental, by("at", "id")), stream("t", extract.Incremental, by("id", "id"))
	server := testserver.NewMariaDB(t, testserver.Options{})
	f := fixtureAt(t, server, few, incremental, byNumber)
	f.exec("CREATE USER reader@'%' IDENTIFIED BY 'reader'", "GRANT SELECT ON shop.* TO reader@'%'", "CREATE USER seer@'%' IDENTIFIED BY 'reader'", "GRANT SELECT ON shop.* TO seer@'%'", "GRANT PROCESS ON *.* TO seer@'%'")
	replica := server.Replica(t, testserver.Options{})
	replica.CaughtUp(t, server)
	as := func(user string, s *testserver.Maria) string {
		return strings.Replace(s.URL("shop"), s.User+":"+s.Password, user+":reader", 1)
	}
	for _, c := range []struct {
		name, url string
		words     []string
		stop      bool
	}{
		{name: "no PROCESS", url: as("reader", server), words: []string{"reader@%", "GRANT PROCESS", "10m0s"}},
		{name: "replica", url: as("seer", replica), words: []string{"replica", "10m0s"}},
		{name: "stopped replica", url: as("seer", replica), words: []string{"replica", "10m0s"}, stop: true},
	} {
		g := &fixture{t: t, url: c.url, options: &database.Options{URL: config.NewURL(c.url)}, streams: f.streams, db: f.db}
		for _, st := range []extract.Stream{incremental, byNumber} {
			m := newMerged()
			catchUp := func() {
				if c.name != "no PROCESS" {
					replica.CaughtUp(t, server)
				}
			}
			catchUp()
			g.run(m, st)
			slow := testConn(t, f.db)
			mustExec(t, slow, "BEGIN", "INSERT INTO t (nonce) VALUES (100)")
			f.exec("INSERT INTO t (nonce) VALUES (101)")
			catchUp()
			if c.stop {
				g2 := sqlOpen(t, replica)
				mustExec(t, g2, "STOP SLAVE")
			}
			g.run(m, st)
			if c.stop {
				g2 := sqlOpen(t, replica)
				mustExec(t, g2, "START SLAVE")
			}
			g.run(m, st)
			mustExec(t, slow, "COMMIT")
			catchUp()
			g.run(m, st)
			m.Same(t, g.whole(st))
			mentions(t, strings.Join(m.Notes, "; "), c.words...)
		}
		_, err := g.mustOpen().Window(t.Context(), stream("t", extract.Append, by("id")), "", nil)
		mentions(t, told(err), "mode: append would lose rows", "incremental")
	}
}

// TestCloseWhileTaken: a source that is closed while its snapshot is taken leaves no session behind.
func TestCloseWhileTaken(t *testing.T) {
	f := newFixture(t, few)
	src := f.mustOpen()
	s := src.(*source)
	held := testConn(t, f.db)
	mustExec(t, held, "LOCK TABLES mysql.proc WRITE") // which is looked into while the snapshot is taken
	failed := make(chan error, 1)
	go func() {
		_, err := s.hold(context.Background())
		failed <- err
	}()
	f.await("SELECT COUNT(*) > 0 FROM information_schema.PROCESSLIST WHERE STATE LIKE '%metadata lock%' AND INFO LIKE '%information_schema.ROUTINES%'")
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	mustExec(t, held, "UNLOCK TABLES")
	if err := <-failed; err == nil {
		t.Error("a source that is closed gave a snapshot")
	}
	if left := s.pool.Stats().OpenConnections; left != 0 {
		t.Errorf("%d sessions are left", left)
	}
}

// TestDoctorLookback: what the doctor says of the fallback is what the windows do.
func TestDoctorLookback(t *testing.T) {
	st := stream("t", extract.Incremental, by("at", "id"))
	f := newFixture(t, append(few[:2:2], "DROP USER IF EXISTS doctored@'%'", "CREATE USER doctored@'%' IDENTIFIED BY 'x'"), st)
	t.Cleanup(func() { mustExec(t, f.db, "DROP USER doctored@'%'") })
	var name string
	if err := f.db.QueryRow("SELECT DATABASE()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	f.exec("GRANT SELECT ON " + quoteName(name) + ".* TO doctored@'%'")
	u, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("doctored", "x")
	f.url, f.options = u.String(), &database.Options{URL: config.NewURL(u.String())}
	found, err := examine(t.Context(), f.mustOpen(), f.streams)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(found)
	mentions(t, text, "GRANT PROCESS", "cursors stay 10m behind the clock")
}
