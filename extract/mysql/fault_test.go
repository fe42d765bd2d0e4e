package mysql

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/testserver"
)

// bigTable has one of about 60 MB: more than all buffers on the way hold; small is one of 400 kB.
const bigRows = 32_000

var bigTable = []string{
	"CREATE TABLE big (id INT PRIMARY KEY, fill VARCHAR(2000) CHARACTER SET latin1) ENGINE=InnoDB", "INSERT INTO big SELECT seq, REPEAT(CHAR(97 + seq % 26), 1900) FROM seq_1_to_32000",
	"CREATE TABLE small (id INT PRIMARY KEY, fill VARCHAR(200)) ENGINE=InnoDB", "INSERT INTO small SELECT seq, REPEAT(CHAR(97 + seq % 26), 190) FROM seq_1_to_2000",
}

// through is the fixture with a proxy before its server.
func (f *fixture) through(p *testserver.Proxy, server *testserver.Maria) *fixture {
	g := *f
	g.options = &database.Options{URL: config.NewURL(strings.Replace(f.url, server.Addr(), p.Addr, 1) + "?tls=false"), IdleTimeout: config.Duration(5 * time.Second)}
	return &g
}

// TestFaultSlow: a slow or choppy link takes longer, and changes nothing.
func TestFaultSlow(t *testing.T) {
	st := stream("small", extract.Full)
	f := newFixture(t, bigTable[2:], st)
	want := f.whole(st)
	for name, fault := range map[string]testserver.Fault{
		"latency": {Latency: 30 * time.Millisecond, Jitter: 10 * time.Millisecond}, "bandwidth": {Rate: 300}, "slices": {Slice: 700, Vary: 600, Latency: 20 * time.Microsecond},
	} {
		p := testserver.NewProxy(t, testserver.MariaDB(t).Server)
		p.Spoil(fault)
		m := newMerged()
		if err := m.Poll(t.Context(), f.through(p, testserver.MariaDB(t)).open, st); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		m.Same(t, want)
	}
}

// TestFaultMidResult: whatever ends a result in the middle, the reader's end is no clean one, and the engine is told what
// to do.
func TestFaultMidResult(t *testing.T) {
	server := testserver.NewMariaDB(t, testserver.Options{})
	st := stream("big", extract.Full)
	f := fixtureAt(t, server, bigTable, st)
	kill := func(how string) func(*testserver.Proxy) error {
		return func(*testserver.Proxy) error {
			var id int64
			if err := f.db.QueryRow("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT `id`%' AND command = 'Query'").Scan(&id); err != nil {
				return err
			}
			_, err := f.db.Exec(fmt.Sprintf("%s %d", how, id))
			return err
		}
	}
	for _, c := range []struct {
		name  string
		fault func(*testserver.Proxy) error
		lives bool // the session, and with it the snapshot
		words []string
	}{
		{name: "reset", fault: func(p *testserver.Proxy) error { p.Spoil(testserver.Fault{Reset: true}); return nil }},
		{name: "cut short", fault: func(p *testserver.Proxy) error {
			p.Spoil(testserver.Fault{EndAfter: 5_000_000})
			return nil
		}},
		{name: "silence", fault: func(p *testserver.Proxy) error { p.Spoil(testserver.Fault{Silent: true}); return nil }, words: []string{"silent", "idle_timeout"}},
		{name: "restart", fault: func(*testserver.Proxy) error { return server.Restart(testserver.Fast) }},
		{name: "crash", fault: func(*testserver.Proxy) error { return server.Restart(testserver.Immediate) }},
		{name: "killed session", fault: kill("KILL")},
		{name: "killed query", fault: kill("KILL QUERY"), lives: true},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			p := testserver.NewProxy(t, server.Server)
			g := f.through(p, server)
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
			if err := c.fault(p); err != nil {
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
			if err == nil || outcome == nil || rows >= bigRows {
				t.Fatalf("%d rows and a clean end", rows)
			}
			if !errors.Is(err, extract.ErrTransient) {
				t.Errorf("not transient: %v", err)
			}
			mentions(t, told(err), c.words...)
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("noticed after %v", took)
			}
			t.Log(told(err))
			p.Heal()
			// The engine reads the slice again: in the same snapshot, or is told that it is gone.
			l := &reading{}
			_, err = l.Part(t.Context(), src, st, w, w.Slices[0], "")
			switch {
			case c.lives && (err != nil || len(l.Rows) != bigRows):
				t.Errorf("read again: %d rows, %v", len(l.Rows), err)
			case !c.lives && !errors.Is(err, extract.ErrChanged):
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

// TestFaultIdleKill: the session that holds the snapshot is killed between two streams: the other stream is in another
// state, and the window of the first says so.
func TestFaultIdleKill(t *testing.T) {
	a, b := stream("a", extract.Full), stream("b", extract.Full)
	f := newFixture(t, []string{"CREATE TABLE a (id INT PRIMARY KEY) ENGINE=InnoDB", "CREATE TABLE b LIKE a"}, a, b)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), a, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	rows, err := f.db.Query("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	_ = rows.Close()
	if len(ids) == 0 {
		t.Fatal("no session holds a snapshot")
	}
	for _, id := range ids {
		f.exec(fmt.Sprintf("KILL %d", id))
	}
	if _, err := (&reading{}).Part(t.Context(), src, a, w, w.Slices[0], ""); !errors.Is(err, extract.ErrChanged) {
		t.Errorf("%v, want ErrChanged", err)
	}
	other, err := src.Window(t.Context(), b, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := src.Window(t.Context(), a, "", w)
	if err != nil || again == w || again.AsOf.ID != other.AsOf.ID {
		t.Errorf("the streams do not come together again: %v", err)
	}
}

// TestFaultPages: pages of changes are read on after the server was restarted, and are transient while it is down.
func TestFaultPages(t *testing.T) {
	server := testserver.NewMariaDB(t, testserver.Options{})
	st := stream("t", extract.Incremental, by("at", "id"), pages(50))
	f := fixtureAt(t, server, append(few[:1:1], "INSERT INTO t (nonce, at) SELECT seq, '2024-01-01' FROM seq_1_to_310"), st)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "2023-01-01", nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &reading{}
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
