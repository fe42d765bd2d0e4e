package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/testserver"
)

// bigTable is one of about 64 MB: more than all buffers on the way hold; small is one of 400 kB.
const (
	bigRows  = 32_000
	bigTable = `CREATE TABLE big AS SELECT i AS id, repeat(chr(97 + i % 26), 1900) AS fill FROM generate_series(1, 32000) AS i;
CREATE TABLE small AS SELECT i AS id, repeat(chr(97 + i % 26), 190) AS fill FROM generate_series(1, 2000) AS i`
)

// through is the fixture with a proxy before its server.
func (f *fixture) through(p *testserver.Proxy) *fixture {
	g := *f
	url := strings.Replace(f.url, fmt.Sprintf("%s:%d", f.db.Config().Host, f.db.Config().Port), p.Addr, 1)
	g.options = &database.Options{URL: config.NewURL(url + "?sslmode=disable"), IdleTimeout: config.Duration(5 * time.Second)}
	return &g
}

// TestFaultSlow: a slow or choppy link takes longer, and changes nothing.
func TestFaultSlow(t *testing.T) {
	t.Parallel()
	st := stream("small", extract.Full)
	f := newFixture(t, bigTable, st)
	want := f.whole(st)
	for name, fault := range map[string]testserver.Fault{
		"latency": {Latency: 150 * time.Millisecond, Jitter: 50 * time.Millisecond}, "bandwidth": {Rate: 300}, "slices": {Slice: 700, Vary: 600, Latency: 20 * time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testserver.NewProxy(t, testserver.Postgres(t).Server)
			p.Spoil(fault)
			m := newMerged()
			if err := m.Poll(t.Context(), f.through(p).open, st); err != nil {
				t.Fatal(err)
			}
			m.Same(t, want)
		})
	}
}

// TestFaultMidCopy: whatever ends a COPY in the middle, the reader's end is no clean one, and the engine is told what to do.
func TestFaultMidCopy(t *testing.T) {
	server := testserver.NewPostgres(t, testserver.Options{})
	st := stream("big", extract.Full)
	f := fixtureAt(t, server, bigTable, st)
	for name, fault := range map[string]func(*testserver.Proxy) error{
		"reset": func(p *testserver.Proxy) error { p.Spoil(testserver.Fault{Reset: true}); return nil },
		"cut short": func(p *testserver.Proxy) error {
			p.Spoil(testserver.Fault{EndAfter: 5_000_000})
			return nil
		},
		"silence":           func(p *testserver.Proxy) error { p.Spoil(testserver.Fault{Silent: true}); return nil },
		"restart":           func(*testserver.Proxy) error { return server.Restart(testserver.Fast) },
		"crash":             func(*testserver.Proxy) error { return server.Restart(testserver.Immediate) },
		"terminated worker": func(*testserver.Proxy) error { return terminate(t, server, f, "query LIKE 'COPY%'") },
		"terminated holder": func(*testserver.Proxy) error { return terminate(t, server, f, "query NOT LIKE 'COPY%'") },
	} {
		t.Run(name, func(t *testing.T) {
			p := testserver.NewProxy(t, server.Server)
			g := f.through(p)
			g.t = t
			src := g.mustOpen()
			w, err := src.Window(t.Context(), st, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			snap, err := src.Read(t.Context(), extract.Request{Stream: st, Window: w, Slice: w.Slices[0], Progress: func(int64, int64) {}, Reject: func(extract.Reject) error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
			if !snap.Reader.Next() {
				t.Fatal(snap.Reader.Err())
			}
			rows := snap.Reader.RecordBatch().NumRows()
			if err := fault(p); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			for snap.Reader.Next() {
				rows += snap.Reader.RecordBatch().NumRows()
			}
			err = snap.Reader.Err()
			snap.Reader.Release()
			_, outcome := snap.Outcome()
			snap.Close()
			if name == "terminated holder" { // the others hold its snapshot too
				if err != nil || outcome != nil || rows != bigRows {
					t.Errorf("%d rows, %v", rows, err)
				}
			} else {
				if err == nil || outcome == nil || rows >= bigRows {
					t.Fatalf("%d rows and a clean end", rows)
				}
				if !errors.Is(err, extract.ErrTransient) {
					t.Errorf("not transient: %v", err)
				}
			}
			if name == "silence" {
				mentions(t, err.Error(), "silent", "idle_timeout")
			}
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("noticed after %v", took)
			}
			p.Heal()
			// The engine reads the slice again: in the same snapshot, or is told that it is gone.
			l := &landed{}
			_, err = l.Part(t.Context(), src, st, w, w.Slices[0], "")
			switch {
			case err == nil && slices.Contains([]string{"restart", "crash", "terminated holder", "silence"}, name):
				t.Error("the snapshot cannot have lived")
			case err == nil && len(l.Rows) != bigRows:
				t.Errorf("read again: %d rows", len(l.Rows))
			case err != nil && (name == "terminated worker" || !errors.Is(err, extract.ErrChanged)):
				t.Errorf("read again: %v, want ErrChanged", err)
			}
			fresh, err := src.Window(t.Context(), st, "", w)
			if err != nil {
				t.Fatal(err)
			}
			if l, err := landAll(t.Context(), src, st, fresh); err != nil || len(l.Rows) != bigRows {
				t.Errorf("in a fresh window: %d rows, %v", len(l.Rows), err)
			}
		})
	}
}

// terminate ends sessions of ours from the server's side.
func terminate(t *testing.T, server *testserver.PG, f *fixture, which string) error {
	var n int
	conn := connect(t, server.URL("postgres"))
	err := conn.QueryRow(t.Context(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'millrace %' AND "+which, f.db.Config().Database).Scan(&n)
	if err == nil && n == 0 {
		err = errors.New("there was no session to end")
	}
	return err
}

// TestFaultPages: pages of changes are read on after the server was restarted.
func TestFaultPages(t *testing.T) {
	server := testserver.NewPostgres(t, testserver.Options{})
	st := stream("t", extract.Incremental, by("at", "id"), option(func(o *database.StreamOptions) { o.PageRows = 50 }))
	f := fixtureAt(t, server, few+"; INSERT INTO t (nonce, at) SELECT i, '2024-01-01' FROM generate_series(1, 300) AS i", st)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "2023-01-01", nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &landed{}
	out, err := l.Part(t.Context(), src, st, w, w.Slices[0], "")
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []testserver.Mode{testserver.Fast, testserver.Immediate} {
		if err := server.Stop(mode); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Part(t.Context(), src, st, w, w.Slices[0], out.Next); !errors.Is(err, extract.ErrTransient) {
			t.Errorf("with the server down: %v, want a transient failure", err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		if out, err = l.Part(t.Context(), src, st, w, w.Slices[0], out.Next); err != nil {
			t.Fatal(err)
		}
	}
	for out.Next != "" {
		if out, err = l.Part(t.Context(), src, st, w, w.Slices[0], out.Next); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.Rows) != 310 {
		t.Errorf("%d rows of 310", len(l.Rows))
	}
}

// TestFaultReplica: a replica cancels a query that is in the way of its replay: told, with advice, and worth another try.
func TestFaultReplica(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t, testserver.Options{Settings: map[string]string{"max_standby_streaming_delay": "0", "max_standby_archive_delay": "0", "autovacuum": "off"}})
	const times = 4 // more than the reader takes before it is asked
	st := stream("big", extract.Full, option(func(o *database.StreamOptions) {
		o.Query = fmt.Sprintf("SELECT big.* FROM big, generate_series(1, %d)", times)
	}))
	f := fixtureAt(t, server, bigTable, st)
	standby := server.Standby(t)
	f.options = &database.Options{URL: config.NewURL(standby.URL(f.db.Config().Database))}
	standby.CaughtUp(t, server)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := src.Read(t.Context(), extract.Request{Stream: st, Window: w, Slice: w.Slices[0], Progress: func(int64, int64) {}, Reject: func(extract.Reject) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	defer snap.Reader.Release()
	if !snap.Reader.Next() {
		t.Fatal(snap.Reader.Err())
	}
	f.exec("DELETE FROM big WHERE id > 20000")
	standby.CaughtUp(t, server)
	f.exec("VACUUM big")
	awaitConflict(t, server, standby)
	rows := int64(0)
	for snap.Reader.Next() { // a server that waits for a client to read cancels nothing
		time.Sleep(50 * time.Millisecond)
		rows += snap.Reader.RecordBatch().NumRows()
	}
	err = snap.Reader.Err()
	if err == nil {
		t.Fatalf("a clean end after %d more rows", rows)
	}
	if !errors.Is(err, extract.ErrTransient) {
		t.Errorf("not transient: %v", err)
	}
	mentions(t, err.Error()+advice(err), "conflict", "max_standby_streaming_delay", "hot_standby_feedback")
	standby.CaughtUp(t, server)
	var l *landed
	for range 5 {
		if w, err = src.Window(t.Context(), st, "", w); err == nil {
			if l, err = landAll(t.Context(), src, st, w); err == nil {
				break
			}
		}
		if !errors.Is(err, extract.ErrTransient) && !errors.Is(err, extract.ErrChanged) {
			t.Fatal(err)
		}
	}
	if err != nil || len(l.Rows) != 20000*times {
		t.Errorf("then: %v", err)
	}
}

// awaitConflict waits until a standby has replayed all of its primary's log, or has received it and stands still.
func awaitConflict(t *testing.T, primary, standby *testserver.PG) {
	t.Helper()
	var end, at string
	if err := connect(t, primary.URL("postgres")).QueryRow(t.Context(), "SELECT pg_current_wal_flush_lsn()::text").Scan(&end); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, standby.URL("postgres"))
	for still := 0; still < 10; time.Sleep(100 * time.Millisecond) {
		var now string
		var there, done bool
		if err := conn.QueryRow(t.Context(), "SELECT pg_last_wal_replay_lsn()::text, pg_last_wal_receive_lsn() >= $1::text::pg_lsn, pg_last_wal_replay_lsn() >= $1::text::pg_lsn", end).Scan(&now, &there, &done); err != nil {
			t.Fatal(err)
		}
		if done { // whoever was in the way is cancelled
			return
		}
		if still++; !there || now != at {
			still = 0
		}
		at = now
	}
}
