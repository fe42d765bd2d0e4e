package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
)

// TestSnapshotOfTwoTables: one transaction changes two tables between the readings of the first and the second: both show
// what was before it.
func TestSnapshotOfTwoTables(t *testing.T) {
	t.Parallel()
	a, b := stream("a", extract.Full), stream("b", extract.Full)
	f := newFixture(t, "CREATE TABLE a AS SELECT i AS id, 10 AS amount FROM generate_series(1, 100) AS i; CREATE TABLE b AS SELECT * FROM a", a, b)
	src := f.mustOpen()
	first, err := src.Window(t.Context(), a, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := landAll(t.Context(), src, a, first)
	if err != nil {
		t.Fatal(err)
	}
	f.exec("BEGIN; UPDATE a SET amount = 0; UPDATE b SET amount = 20; INSERT INTO b VALUES (101, 1); DELETE FROM b WHERE id = 1; COMMIT")
	second, err := src.Window(t.Context(), b, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if first.AsOf.ID != second.AsOf.ID {
		t.Error("the windows name different states")
	}
	m, err := landAll(t.Context(), src, b, second)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range [][][]string{l.Rows, m.Rows} {
		if len(rows) != 100 {
			t.Errorf("%d rows", len(rows))
		}
		for _, row := range rows {
			if row[1] != "10" {
				t.Fatalf("a row of another state: %v", row)
			}
		}
	}
}

// TestSnapshotOfRanges: ranges of pages, read at once while rows move between the pages, have each row exactly once.
func TestSnapshotOfRanges(t *testing.T) {
	smallRanges(t)
	for name, table := range trees {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := stream("t", extract.Full)
			f := newFixture(t, table+"; "+fillTree(name), st)
			ctx, cancel := context.WithCancel(t.Context())
			var writers sync.WaitGroup
			for i := range 3 { // each transaction leaves 3000 rows
				conn := connect(t, f.url)
				writers.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						_, err := conn.Exec(context.Background(), fmt.Sprintf(`WITH gone AS (DELETE FROM t WHERE id IN (SELECT id FROM t TABLESAMPLE SYSTEM (5) LIMIT 40 FOR UPDATE SKIP LOCKED) RETURNING nonce)
INSERT INTO t (nonce) SELECT nonce FROM gone; UPDATE t SET fill = repeat('y', %d) WHERE id %% 97 = %d`, 400+n%300, i))
						if err != nil && code(err) != deadlock && code(err) != serialization {
							t.Error(err)
							return
						}
					}
				})
			}
			defer writers.Wait()
			defer cancel()
			for range 3 {
				src := f.mustOpen()
				w, err := src.Window(t.Context(), st, "", nil)
				if err != nil {
					t.Fatal(err)
				}
				if len(w.Slices) < 3 || w.Parallel < 3 {
					t.Fatalf("%d slices, %d at once", len(w.Slices), w.Parallel)
				}
				parts := make([]landed, len(w.Slices))
				var readers sync.WaitGroup
				for i, slice := range w.Slices {
					readers.Go(func() {
						if _, err := parts[i].Part(t.Context(), src, st, w, slice, ""); err != nil {
							t.Error(err)
						}
					})
				}
				readers.Wait()
				ids, nonces, rows := map[string]bool{}, map[string]int{}, 0
				for _, p := range parts {
					for _, row := range p.Rows {
						ids[row[0]] = true
						nonces[row[1]]++
						rows++
					}
				}
				if rows != 3000 || len(ids) != 3000 {
					t.Errorf("%d rows, %d different ones, of 3000", rows, len(ids))
				}
				_ = src.Close()
			}
		})
	}
}

// TestSnapshotAndDDL: what would leave a table empty for the snapshot waits for us, or is noticed.
func TestSnapshotAndDDL(t *testing.T) {
	t.Parallel()
	for name, ddl := range map[string]string{
		"truncate":        "TRUNCATE b",
		"change of type":  "ALTER TABLE b ALTER COLUMN amount TYPE bigint",
		"swap by renames": "BEGIN; CREATE TABLE b_new AS SELECT * FROM b; ALTER TABLE b RENAME TO b_old; ALTER TABLE b_new RENAME TO b; COMMIT",
		"drop and create": "BEGIN; CREATE TABLE b_new AS SELECT * FROM b; DROP TABLE b; ALTER TABLE b_new RENAME TO b; COMMIT",
		"new columns":     "BEGIN; CREATE TABLE b_new AS SELECT id, 1 AS other FROM b; DROP TABLE b; ALTER TABLE b_new RENAME TO b; ALTER TABLE b ADD amount int; COMMIT",
		"cluster":         "CREATE INDEX b_id ON b (id); CLUSTER b USING b_id",
	} {
		for _, table := range []string{"b", "public.b"} {
			t.Run(name+" "+table, func(t *testing.T) {
				t.Parallel()
				a, b := stream("a", extract.Full), stream(table, extract.Full)
				f := newFixture(t, "CREATE TABLE a AS SELECT i AS id, 10 AS amount FROM generate_series(1, 100) AS i; CREATE TABLE b AS SELECT * FROM a", a, b)
				src := f.mustOpen()
				if _, err := src.Window(t.Context(), a, "", nil); err != nil { // takes the snapshot, and no lock on b
					t.Fatal(err)
				}
				f.exec(ddl)
				_, err := src.Window(t.Context(), b, "", nil)
				if !errors.Is(err, extract.ErrTransient) {
					t.Fatalf("after the DDL: %v, want a transient failure", err)
				}
				w, err := src.Window(t.Context(), b, "", nil)
				if err != nil {
					t.Fatal(err)
				}
				again, err := src.Window(t.Context(), a, "", nil)
				if err != nil || again.AsOf.ID != w.AsOf.ID {
					t.Errorf("the two streams do not come together again: %v", err)
				}
				// Now b is locked: what would empty it waits for us.
				for _, sql := range []string{"TRUNCATE b", "ALTER TABLE b ALTER COLUMN amount TYPE numeric", "ALTER TABLE b RENAME TO c", "DROP TABLE b"} {
					if _, err := f.db.PgConn().Exec(t.Context(), "SET LOCAL lock_timeout = '50ms'; "+sql).ReadAll(); code(err) != lockNotAvailable {
						t.Errorf("%s between Window and Read: %v, want it to wait", sql, err)
					}
				}
				l, err := landAll(t.Context(), src, b, w)
				want := 100
				if name == "truncate" {
					want = 0
				}
				if err != nil || len(l.Rows) != want {
					t.Errorf("%d rows of %d, %v", len(l.Rows), want, err)
				}
				// What is no matter to what we read does not disturb.
				f.exec("CREATE INDEX ON b (amount)")
				if _, err := landAll(t.Context(), src, b, w); err != nil {
					t.Errorf("a new index ends the snapshot: %v", err)
				}
			})
		}
	}
}

// TestSnapshotGivesWay: one who waits to alter a table that the snapshot has locked would have all later readings wait
// behind it, and it for them. It goes first; then the stream is read anew.
func TestSnapshotGivesWay(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Full)
	f := newFixture(t, few, st)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	altered := make(chan error, 1)
	go func() {
		_, err := f.db.PgConn().Exec(context.Background(), "ALTER TABLE t ADD COLUMN later int").ReadAll()
		altered <- err
	}()
	watch, err := pgx.ConnectConfig(t.Context(), f.db.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close(context.Background())
	for waiting := false; !waiting && t.Context().Err() == nil; {
		if err := watch.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 't'::regclass AND NOT granted)").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := landAll(t.Context(), src, st, w); !errors.Is(err, extract.ErrTransient) && !errors.Is(err, extract.ErrChanged) {
		t.Fatalf("%v, want the reading to give way", err)
	}
	select {
	case err := <-altered:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("the ALTER TABLE waits still")
	}
	if w, err = src.Window(t.Context(), st, "", nil); err != nil {
		t.Fatal(err)
	}
	if l, err := landAll(t.Context(), src, st, w); err != nil || len(l.Rows) != 10 {
		t.Errorf("%d rows of 10, %v", len(l.Rows), err)
	}
}

// TestSnapshotOfSwappedInQuery: the same for a table that a query reads.
func TestSnapshotOfSwappedInQuery(t *testing.T) {
	t.Parallel()
	a := stream("a", extract.Full)
	q := stream("q", extract.Full, option(func(o *database.StreamOptions) { o.Query = "SELECT id, sum(amount) AS amount FROM b GROUP BY id" }))
	f := newFixture(t, "CREATE TABLE a AS SELECT i AS id, 10 AS amount FROM generate_series(1, 100) AS i; CREATE TABLE b AS SELECT * FROM a", a, q)
	src := f.mustOpen()
	if _, err := src.Window(t.Context(), a, "", nil); err != nil {
		t.Fatal(err)
	}
	f.exec("BEGIN; CREATE TABLE b_new AS SELECT * FROM b; DROP TABLE b; ALTER TABLE b_new RENAME TO b; COMMIT")
	if _, err := src.Window(t.Context(), q, "", nil); !errors.Is(err, extract.ErrTransient) {
		t.Fatalf("after the swap: %v, want a transient failure", err)
	}
	m := newMerged()
	if err := m.Poll(t.Context(), func() (extract.Source, error) { return f.open() }, q); err != nil || len(m.Rows) != 100 {
		t.Errorf("%d rows, %v", len(m.Rows), err)
	}
}

// TestSnapshotOfPartitions: partitions come and go between the snapshot and the reading.
func TestSnapshotOfPartitions(t *testing.T) {
	t.Parallel()
	a, p := stream("a", extract.Full), stream("p", extract.Full)
	f := newFixture(t, `CREATE TABLE a AS SELECT 1 AS id; CREATE TABLE p (id int, note text) PARTITION BY RANGE (id);
CREATE TABLE p0 PARTITION OF p FOR VALUES FROM (0) TO (100); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (100) TO (200);
INSERT INTO p SELECT i, 'x' FROM generate_series(0, 199) AS i`, a, p)
	for _, c := range []struct {
		ddl     string
		noticed bool
	}{{"CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (200) TO (300)", false}, {"ALTER TABLE p DETACH PARTITION p1", true}, {"ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (100) TO (200)", true}, {"TRUNCATE p0", true}} {
		src := f.mustOpen()
		if _, err := src.Window(t.Context(), a, "", nil); err != nil {
			t.Fatal(err)
		}
		f.exec(c.ddl)
		if _, err := src.Window(t.Context(), p, "", nil); c.noticed != errors.Is(err, extract.ErrTransient) || !c.noticed && err != nil {
			t.Errorf("%s: %v", c.ddl, err)
		}
		_ = src.Close()
	}
}

// TestSnapshotDropColumn: a column is dropped between two attempts of a run.
func TestSnapshotDropColumn(t *testing.T) {
	t.Parallel()
	for _, mode := range []extract.Mode{extract.Full, extract.Incremental} {
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
		if _, err := (&landed{}).Part(t.Context(), src, st, w, w.Slices[0], ""); !errors.Is(err, extract.ErrChanged) {
			t.Errorf("%s: the old window is read: %v", mode, err)
		}
		fixed := journaled(t, w)
		fresh, err := src.Window(t.Context(), st, "2000-01-01", fixed)
		if err != nil || fresh == fixed {
			t.Fatalf("%s: the old window holds: %v", mode, err)
		}
		if l, err := landAll(t.Context(), src, st, fresh); err != nil || len(l.Rows) != 10 || len(l.Columns) != 2 {
			t.Errorf("%s: %d rows, columns %v, %v", mode, len(l.Rows), l.Columns, err)
		}
	}
}

// TestSnapshotRowSecurity: a table whose policies would hide rows is refused, with advice.
func TestSnapshotRowSecurity(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Full)
	f := newFixture(t, few+`; ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY only_some ON t USING (id < 5)`, st)
	role := f.db.Config().Database + "_reader"
	f.exec(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'reader'; GRANT SELECT ON t TO %[1]s", role))
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), f.url)
		if err == nil {
			_, _ = conn.Exec(context.Background(), "DROP OWNED BY "+role)
			_, _ = conn.Exec(context.Background(), "DROP ROLE "+role)
			_ = conn.Close(context.Background())
		}
	})
	g := *f
	g.options = &database.Options{URL: config.NewURL(f.as(role, "reader"))}
	_, err := g.mustOpen().Window(t.Context(), st, "", nil)
	if err == nil {
		t.Fatal("rows are hidden without a word")
	}
	mentions(t, err.Error()+advice(err), "row-level security", `"t"`, "BYPASSRLS", role)
	f.exec("ALTER ROLE " + role + " BYPASSRLS")
	m := newMerged()
	if err := m.Poll(t.Context(), g.open, st); err != nil || len(m.Rows) != 10 {
		t.Errorf("with BYPASSRLS: %d rows, %v", len(m.Rows), err)
	}
}

// as is the fixture's URL for another user.
func (f *fixture) as(user, password string) string {
	config := f.db.Config()
	return strings.Replace(f.url, config.User+":"+config.Password, user+":"+password, 1)
}

// TestSnapshotAttached: a table that becomes a partition between two ranges would be read in part. One that is created
// meanwhile holds nothing that the snapshot shows.
func TestSnapshotAttached(t *testing.T) {
	smallRanges(t)
	for name, c := range map[string]struct {
		attach  string
		changed bool
	}{
		"attached": {"ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (10000) TO (20000)", true},
		"nested":   {"ALTER TABLE t3 ATTACH PARTITION t2 FOR VALUES FROM (20000) TO (30000)", true},
		"created":  {"CREATE TABLE t4 (LIKE t); ALTER TABLE t ATTACH PARTITION t4 FOR VALUES FROM (40000) TO (50000)", false},
	} {
		t.Run(name, func(t *testing.T) {
			st := stream("t", extract.Full)
			f := newFixture(t, `CREATE TABLE t (id bigint, note text) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10000);
CREATE TABLE t3 PARTITION OF t FOR VALUES FROM (20000) TO (30000) PARTITION BY RANGE (id); CREATE TABLE t2 (id bigint, note text); CREATE INDEX ON t (id);
INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 5000) AS i; ANALYZE t`, st)
			if c.changed {
				f.exec("INSERT INTO t2 SELECT i + " + map[string]string{"attached": "10000", "nested": "20000"}[name] + ", repeat('x', 200) FROM generate_series(1, 4000) AS i")
			}
			src := f.mustOpen()
			w, err := src.Window(t.Context(), st, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			l := &landed{}
			for i, slice := range w.Slices {
				if i == 2 {
					f.exec(c.attach)
				}
				if _, err = l.Part(t.Context(), src, st, w, slice, ""); err != nil {
					break
				}
			}
			if c.changed != errors.Is(err, extract.ErrChanged) || !c.changed && err != nil {
				t.Fatalf("%v after %d rows", err, len(l.Rows))
			}
			_ = src.Close()
			m := newMerged()
			if err := m.Poll(t.Context(), f.open, st); err != nil {
				t.Fatal(err)
			}
			if want := map[bool]int{true: 9000, false: 5000}[c.changed]; len(m.Rows) != want {
				t.Errorf("%d rows, want %d", len(m.Rows), want)
			}
		})
	}
}

// TestSnapshotPosition: what is committed after the snapshot stands in the log behind its position.
func TestSnapshotPosition(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Full)
	f := newFixture(t, few, st)
	var before string
	if err := f.db.QueryRow(t.Context(), "SELECT pg_current_wal_lsn()::text").Scan(&before); err != nil {
		t.Fatal(err)
	}
	// The snapshot waits for what is prepared, and sees what is committed meanwhile.
	f.exec("BEGIN; INSERT INTO t (nonce) VALUES (100); PREPARE TRANSACTION 'soon_" + f.db.Config().Database + "'")
	position := make(chan string, 1)
	go func() {
		if _, err := f.db.Exec(context.Background(), "SELECT pg_sleep(1)"); err != nil {
			t.Error(err)
		}
		var lsn string
		err := f.db.QueryRow(context.Background(), "SELECT pg_current_wal_lsn()::text").Scan(&lsn)
		if err == nil {
			_, err = f.db.Exec(context.Background(), "COMMIT PREPARED 'soon_"+f.db.Config().Database+"'")
		}
		if err != nil {
			t.Error(err)
		}
		position <- lsn
	}()
	w, err := f.mustOpen().Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var ordered bool
	if err := f.db.QueryRow(t.Context(), "SELECT $1::text::pg_lsn <= $2::text::pg_lsn AND $2::text::pg_lsn <= $3::text::pg_lsn", before, w.AsOf.Position, <-position).Scan(&ordered); err != nil || !ordered {
		t.Errorf("the position %s is not between what was there before and the commits that the snapshot waited for: %v", w.AsOf.Position, err)
	}
}
