package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/testserver"
)

// TestInputRefused: what cannot work is told in words, with what to do.
func TestInputRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, few+`; CREATE TABLE customers (id int, "Id" int); CREATE VIEW orders AS SELECT id, nonce::text AS note FROM t`)
	c := f.db.Config()
	address := fmt.Sprintf("%s:%d", c.Host, c.Port)
	for name, x := range map[string]struct {
		url   string
		st    extract.Stream
		words []string
	}{
		"nobody listens":        {url: strings.Replace(f.url, address, "127.0.0.1:9", 1), words: []string{"127.0.0.1", "reachable"}},
		"no such host":          {url: strings.Replace(f.url, address, "db.invalid:5432", 1), words: []string{"db.invalid", "reachable"}},
		"wrong password":        {url: strings.Replace(f.url, ":"+c.Password+"@", ":wrong-secret@", 1), words: []string{"password authentication failed", "pg_hba.conf"}},
		"unknown database":      {url: f.url + "_2", words: []string{"does not exist", "database"}},
		"unknown parameter":     {url: f.url + "?sslmode=prefer&parseTime=true", words: []string{"parseTime", "configuration parameter", "stands in the URL"}},
		"missing table":         {st: stream("custmers", extract.Full), words: []string{"custmers", "did you mean public.customers?"}},
		"missing schema":        {st: stream("pubic.t", extract.Full), words: []string{"pubic.t", "public.t"}},
		"missing key":           {st: stream("t", extract.Incremental, by("at", "idd")), words: []string{`no column "idd"`, `did you mean "id"`}},
		"missing cursor":        {st: stream("t", extract.Incremental, by("att", "id")), words: []string{`no column "att"`, `did you mean "at"`}},
		"cursor of text":        {st: stream("orders", extract.Incremental, by("note", "id")), words: []string{"note is text", "timestamp"}},
		"names that differ":     {st: stream("customers", extract.Full), words: []string{`"id"`, `"Id"`, "case"}},
		"excluded, not there":   {st: stream("t", extract.Full, option(func(o *database.StreamOptions) { o.Exclude = config.StringList{"x"} })), words: []string{`no column "x"`}},
		"a query with an error": {st: stream("q", extract.Full, option(func(o *database.StreamOptions) { o.Query = "SELECT idd FROM t" })), words: []string{"idd"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := *f
			if x.url != "" {
				g.options, x.st = &database.Options{URL: config.NewURL(x.url)}, stream("t", extract.Full)
			}
			_, err := g.mustOpen().Window(t.Context(), x.st, "", nil)
			if err == nil {
				t.Fatal("it works")
			}
			text := err.Error() + advice(err)
			mentions(t, text, x.words...)
			for _, secret := range []string{c.Password, "wrong-secret"} {
				if strings.Contains(text, secret) {
					t.Errorf("the password is printed: %s", text)
				}
			}
			if advice(err) == "" && !strings.Contains(text, "rename one") {
				t.Errorf("no advice: %s", text)
			}
		})
	}
}

// TestInputNames: names that need quotes.
func TestInputNames(t *testing.T) {
	t.Parallel()
	st := stream(`"my ""schema"" 🦆"."order.items; --"`, extract.Incremental, by(`last "change"`, "the key.é"))
	st.Deletes = true
	f := newFixture(t, `CREATE SCHEMA "my ""schema"" 🦆"; CREATE TABLE "my ""schema"" 🦆"."order.items; --" ("the key.é" text PRIMARY KEY, "last ""change""" timestamptz NOT NULL, "'; SELECT 1" text, "%d $1" int);
INSERT INTO "my ""schema"" 🦆"."order.items; --" SELECT 'k''' || i, '2024-01-01'::timestamptz + i * interval '1 hour', '🦆', i FROM generate_series(1, 50) AS i;
CREATE INDEX ON "my ""schema"" 🦆"."order.items; --" ("last ""change""", "the key.é")`, st)
	st.Options.(*database.StreamOptions).PageRows = 7
	m := newMerged()
	for range 2 {
		if err := m.Poll(t.Context(), f.open, st); err != nil {
			t.Fatal(err)
		}
		m.Since = "2024-01-01 10:00:00+00"
	}
	m.Same(t, f.whole(st))
	if len(m.Rows) != 50 {
		t.Errorf("%d rows", len(m.Rows))
	}
}

// TestInputTypes: types of extensions and composite ones land as the text that psql prints; values without a counterpart
// are rejected, and the rest lands.
func TestInputTypes(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Full)
	f := newFixture(t, `CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TYPE pair AS (a int, b text);
CREATE TABLE t (id int, h hstore, c citext, p pair, n numeric(12,2), l int[]);
INSERT INTO t VALUES (1, 'a=>1', 'Text', ROW(1, 'x y'), 1.25, '{1,2}'), (2, NULL, NULL, NULL, 'NaN', NULL), (3, NULL, NULL, NULL, NULL, '{{1,2},{3,4}}'), (4, '', '', ROW(NULL, NULL), NULL, '{}')`, st)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := landAll(t.Context(), src, st, w)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Rows) != 2 || len(l.Rejects) != 2 {
		t.Fatalf("%d rows, rejects %+v", len(l.Rows), l.Rejects)
	}
	mentions(t, strings.Join(l.Rows[0], "|"), `"a"=>"1"`, "Text", `(1,"x y")`, "1.25", "[1,2]")
	for i, column := range []string{"n", "l"} {
		if r := l.Rejects[i]; r.Column != column || r.Message == "" {
			t.Errorf("reject %+v, want column %s", r, column)
		}
	}
}

// TestInputSQLASCII: a database that does not say what its bytes mean.
func TestInputSQLASCII(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "SELECT 1")
	name := f.db.Config().Database
	f.exec("CREATE DATABASE " + name + "_ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	t.Cleanup(func() {
		_, _ = connect(t, f.url).Exec(context.Background(), "DROP DATABASE "+name+"_ascii WITH (FORCE)")
	})
	st := stream("t", extract.Full)
	g := &fixture{t: t, url: f.url + "_ascii", streams: []extract.Stream{st}}
	g.options, g.db = &database.Options{URL: config.NewURL(g.url)}, connect(t, g.url)
	g.exec(`CREATE TABLE t (id int, note text, tags text[]); INSERT INTO t VALUES (1, 'plain', '{a}'), (2, E'caf\xe9', NULL), (3, E'caf\xc3\xa9', NULL), (4, 'x', ARRAY[E'\xff'])`)
	src := g.mustOpen()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := landAll(t.Context(), src, st, w)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Rows) != 2 || len(l.Rejects) != 2 || l.Rows[1][1] != "café" {
		t.Fatalf("rows %v, rejects %+v", l.Rows, l.Rejects)
	}
	for i, column := range []string{"note", "tags"} {
		if r := l.Rejects[i]; r.Reason != extract.ReasonEncoding || r.Column != column {
			t.Errorf("reject %+v", r)
		}
	}
	mentions(t, l.Rejects[0].Raw, `caf\xe9`)
}

// TestInputHugeRow: a row of 100 MB becomes a reject that names the limit, and takes a few times its size of memory.
func TestInputHugeRow(t *testing.T) {
	st := stream("t", extract.Full)
	f := newFixture(t, `CREATE TABLE t (id int, fill text); ALTER TABLE t ALTER fill SET STORAGE EXTERNAL;
INSERT INTO t SELECT i, 'x' FROM generate_series(1, 1000) AS i; INSERT INTO t VALUES (1001, repeat('0123456789', 10000000)); INSERT INTO t SELECT i, 'y' FROM generate_series(1002, 2000) AS i`, st)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(5 * time.Millisecond):
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapInuse)
			}
		}
	}()
	l, err := landAll(t.Context(), src, st, w)
	close(stop)
	used := int64(<-peak) - int64(before.HeapInuse)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Rows) != 1999 || len(l.Rejects) != 1 {
		t.Fatalf("%d rows, %d rejects", len(l.Rows), len(l.Rejects))
	}
	r := l.Rejects[0]
	mentions(t, r.Message+r.Reason, "16000000", extract.ReasonTooLong)
	if len(r.Raw) > extract.MaxRaw {
		t.Errorf("the reject has %d bytes", len(r.Raw))
	}
	t.Logf("%d MB of memory for a row of 100 MB", used>>20)
	if used > 600<<20 {
		t.Errorf("%d MB of memory for a row of 100 MB", used>>20)
	}
}

// TestInputTLS: encryption means that the certificate is checked, unless the project says less.
func TestInputTLS(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Full)
	right := newFixture(t, few, st)
	server := testserver.Postgres(t)
	other := testserver.NewPostgres(t, testserver.Options{CertName: "db.example.com"})
	wrong := fixtureAt(t, other, few, st)
	for name, c := range map[string]struct {
		f     *fixture
		query string
		tls   database.TLS
		words []string // none: it works
	}{
		"no authority":         {right, "?sslmode=require", database.TLS{}, []string{"certificate", "tls: { ca: file.pem }"}},
		"authority":            {right, "?sslmode=require", database.TLS{CA: server.CAFile}, nil},
		"authority alone":      {right, "", database.TLS{CA: server.CAFile}, nil},
		"authority in the URL": {right, "?sslmode=verify-full&sslrootcert=" + server.CAFile, database.TLS{}, nil},
		"wrong host":           {wrong, "?sslmode=require", database.TLS{CA: other.CAFile}, []string{"certificate", "db.example.com"}},
		"wrong host, alone":    {wrong, "", database.TLS{CA: other.CAFile}, []string{"certificate", "db.example.com"}},
		"any host":             {wrong, "?sslmode=require", database.TLS{CA: other.CAFile, Verify: "ca"}, nil},
		"any host, unknown":    {wrong, "?sslmode=require", database.TLS{Verify: "ca"}, []string{"certificate"}},
		"anyone":               {wrong, "?sslmode=require", database.TLS{Verify: "none"}, nil},
		"not encrypted":        {right, "?sslmode=disable", database.TLS{Verify: "full"}, []string{"sslmode=disable"}},
		"no such file":         {right, "?sslmode=require", database.TLS{CA: "nowhere.pem"}, []string{"nowhere.pem"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := *c.f
			g.options = &database.Options{URL: config.NewURL(g.url + c.query), TLS: c.tls}
			m := newMerged()
			err := m.Poll(t.Context(), g.open, st)
			switch {
			case len(c.words) == 0 && (err != nil || len(m.Rows) != 10):
				t.Errorf("%d rows, %v%s", len(m.Rows), err, advice(err))
			case len(c.words) > 0 && err == nil:
				t.Error("it works")
			case len(c.words) > 0:
				mentions(t, err.Error()+advice(err), c.words...)
			}
			if err == nil && c.query != "" {
				src := g.mustOpen().(*source)
				session, err := src.connect(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer session.close()
				var encrypted bool
				if err := session.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted); err != nil || !encrypted {
					t.Errorf("not encrypted, %v", err)
				}
			}
		})
	}
}

// TestInputSSH: a tunnel through a host that is known; one that is not is refused.
func TestInputSSH(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Full)
	f := newFixture(t, few, st)
	host := testserver.SSH(t)
	empty := filepath.Join(t.TempDir(), "known_hosts")
	line, err := os.ReadFile(host.KnownHostsFile)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(line))
	other := testserver.SSH(t)
	otherLine, err := os.ReadFile(other.KnownHostsFile)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "changed")
	for path, content := range map[string]string{empty: "", changed: fields[0] + " " + strings.Join(strings.Fields(string(otherLine))[1:], " ") + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		known string
		words []string
	}{"known": {host.KnownHostsFile, nil}, "unknown": {empty, []string{"known_hosts", "ssh-keyscan"}}, "another key": {changed, []string{"host's key", "in between"}}} {
		t.Run(name, func(t *testing.T) {
			g := *f
			g.options = &database.Options{URL: config.NewURL(f.url + "?sslmode=disable"), SSH: &database.SSH{Host: host.Addr(), User: host.User, KeyFile: host.KeyFile, KnownHosts: c.known}}
			m := newMerged()
			err := m.Poll(t.Context(), g.open, st)
			if len(c.words) == 0 {
				if err != nil || len(m.Rows) != 10 {
					t.Errorf("%d rows, %v%s", len(m.Rows), err, advice(err))
				}
				return
			}
			if err == nil {
				t.Fatal("it works")
			}
			mentions(t, err.Error()+advice(err), c.words...)
		})
	}
}

// TestInputSSHSilence: a context and the idle time end a statement through a tunnel too, and the server is told to stop.
func TestInputSSHSilence(t *testing.T) {
	t.Parallel()
	f := newFixture(t, few)
	host := testserver.SSH(t)
	f.options = &database.Options{URL: config.NewURL(f.url + "?sslmode=disable&application_name=silence"), IdleTimeout: config.Duration(time.Minute),
		SSH: &database.SSH{Host: host.Addr(), User: host.User, KeyFile: host.KeyFile, KnownHosts: host.KnownHostsFile}}
	for name, c := range map[string]struct {
		limit, idle time.Duration
		words       string
	}{"context": {time.Second, 10 * time.Minute, "context deadline exceeded"}, "idle_timeout": {10 * time.Minute, 5 * time.Second, "silent for 5s (idle_timeout)"}} {
		t.Run(name, func(t *testing.T) {
			g, o := *f, *f.options
			o.IdleTimeout = config.Duration(c.idle)
			g.t, g.options = t, &o
			src := g.mustOpen().(*source)
			session, err := src.connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer session.close()
			ctx, cancel := context.WithTimeout(t.Context(), c.limit)
			defer cancel()
			began := time.Now()
			_, err = session.Exec(ctx, "SELECT pg_sleep(600)")
			if err == nil || !strings.Contains(err.Error(), c.words) || time.Since(began) > 2*time.Minute {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
			for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
				var busy int
				if err := f.db.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'silence' AND state = 'active'").Scan(&busy); err != nil {
					t.Fatal(err)
				}
				if busy == 0 {
					break
				}
				if time.Since(began) > 2*time.Minute {
					t.Fatal("the server goes on")
				}
			}
		})
	}
}
