package mysql

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/testserver"
)

// TestAdvice: what can be wrong with a project or a server, and what one is told.
func TestAdvice(t *testing.T) {
	f := newFixture(t, append(few, "CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(9), at DATETIME) ENGINE=InnoDB", "CREATE TABLE locked (id INT PRIMARY KEY) ENGINE=InnoDB"))
	server := testserver.MariaDB(t)
	name := f.url[strings.LastIndexByte(f.url, '/')+1:]
	wrong := testserver.NewMariaDB(t, testserver.Options{CertName: "db.example.com"})
	f.exec("CREATE OR REPLACE USER advice@'%' IDENTIFIED BY 'x'", "GRANT SELECT ON "+quoteName(name)+".orders TO advice@'%'", "GRANT SELECT (id) ON "+quoteName(name)+".t TO advice@'%'")
	t.Cleanup(func() { _, _ = f.db.Exec("DROP USER advice@'%'") })
	account := strings.Replace(f.url, server.User+":"+server.Password, "advice:x", 1)
	orders := stream("orders", extract.Full)
	for _, c := range []struct {
		name, url string
		set       func(*database.Options)
		st        extract.Stream
		words     []string // none: it works
	}{
		{name: "unreachable", url: "mysql://u:p@127.0.0.1:1/x", words: []string{"refused", "127.0.0.1:1", "reachable"}},
		{name: "no host", url: "mysql://u:p@no-such-host.invalid/x", set: func(o *database.Options) { o.ConnectTimeout = config.Duration(3 * time.Second) }, words: []string{"no-such-host.invalid", "looked up"}},
		{name: "wrong password", url: strings.Replace(f.url, server.Password, "wrong", 1), words: []string{"Access denied", `"root"`, "password"}},
		{name: "unknown database", url: server.URL("nowhere"), words: []string{"nowhere", "database", "URL"}},
		{name: "missing table", st: stream("order", extract.Full), words: []string{"order", "did you mean", "orders", "connectors discover erp"}},
		{name: "missing table elsewhere", st: stream("no.such", extract.Full), words: []string{"no.such", "GRANT SELECT"}},
		{name: "no right on the table", url: account, st: stream("locked", extract.Full), words: []string{"locked", "GRANT SELECT ON"}},
		{name: "no right on a column", url: account, st: stream("t", extract.Full)}, // the others are read, and it is said
		{name: "missing key", st: stream("orders", extract.Incremental, by("at", "ids")), words: []string{`"ids"`, `did you mean "id"`, "note"}},
		{name: "missing cursor", st: stream("orders", extract.Incremental, by("updated", "id")), words: []string{`"updated"`, "at"}},
		{name: "no cursor", st: stream("orders", extract.Incremental, by("", "id")), words: []string{"cursor"}},
		{name: "cursor of a wrong type", st: stream("orders", extract.Incremental, by("note", "id")), words: []string{"note is varchar(9)", "timestamp", "mode: full"}},
		{name: "bad query", st: stream("q", extract.Full, option(func(o *database.StreamOptions) { o.Query = "SELEC 1" })), words: []string{"syntax", "query: of the stream"}},
		{name: "query of two columns of one name", st: stream("q", extract.Full, option(func(o *database.StreamOptions) { o.Query = "SELECT 1 AS a, 2 AS a" })), words: []string{"Duplicate column name 'a'", "AS"}},
		{name: "unknown zone", st: stream("orders", extract.Incremental, by("at", "id"), option(func(o *database.StreamOptions) { o.CursorTimezone = "Mars/Base" })), words: []string{"Mars/Base", "Europe/Berlin"}},
		{name: "unknown parameter", url: f.url + "?parseTime=true", words: []string{"parseTime", "tls=", "socket="}},
		{name: "unknown tls", url: f.url + "?tls=maybe", words: []string{"tls=maybe", "tls=true"}},
		{name: "tls without its authority", url: f.url + "?tls=true", words: []string{"certificate", "tls: { ca: file.pem }"}},
		{name: "tls", url: f.url + "?tls=true", set: func(o *database.Options) { o.TLS.CA = server.CAFile }},
		{name: "tls, not checked", url: f.url + "?tls=true", set: func(o *database.Options) { o.TLS.Verify = database.VerifyNone }},
		{name: "tls for another host", url: wrong.URL(""), set: func(o *database.Options) { o.TLS.CA = wrong.CAFile }, words: []string{"certificate", "db.example.com"}},
		{name: "tls of the authority only", url: strings.Replace(f.url, "127.0.0.1", "localhost", 1) + "?ssl-mode=VERIFY_CA", set: func(o *database.Options) { o.TLS.CA = server.CAFile }},
		{name: "no file of an authority", url: f.url + "?tls=true", set: func(o *database.Options) { o.TLS.CA = "none.pem" }, words: []string{"ca", "none.pem"}},
		{name: "a contradiction", url: f.url + "?tls=false", set: func(o *database.Options) { o.TLS.Verify = database.VerifyFull }, words: []string{"tls=false", "remove one"}},
		{name: "a contradiction by a file", url: f.url + "?tls=false", set: func(o *database.Options) { o.TLS.CA = server.CAFile }, words: []string{"tls=false", "remove one"}},
		{name: "lock", st: stream("orders", extract.Full), set: func(o *database.Options) { o.LockTimeout = config.Duration(time.Second) }, words: []string{"lock", "lock_timeout"}},
		{name: "statement timeout", st: stream("q", extract.Full, option(func(o *database.StreamOptions) { o.Query = "SELECT SLEEP(3) AS s, 1 AS id" })), set: func(o *database.Options) { o.StatementTimeout = config.Duration(100 * time.Millisecond) }, words: []string{"max_statement_time", "statement_timeout"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			g := &fixture{t: t, url: f.url, db: f.db}
			if c.url != "" {
				g.url = c.url
			}
			g.options = &database.Options{URL: config.NewURL(g.url), ConnectTimeout: config.Duration(time.Minute)}
			if c.set != nil {
				c.set(g.options)
			}
			if c.st.Name == "" {
				c.st = orders
			}
			if c.name == "tls for another host" {
				g.options.URL = config.NewURL(g.url + "mysql?tls=true")
			}
			if c.name == "lock" {
				conn := testConn(t, f.db)
				mustExec(t, conn, "LOCK TABLES orders WRITE")
				defer mustExec(t, conn, "UNLOCK TABLES")
			}
			m := newMerged()
			err := m.Poll(t.Context(), g.open, c.st)
			if c.name == "no right on a column" {
				mentions(t, strings.Join(m.Notes, "; "), "some columns", "GRANT SELECT ON")
			}
			if len(c.words) == 0 {
				if err != nil {
					t.Error(told(err))
				}
				return
			}
			text := told(err)
			t.Log(text)
			mentions(t, text, c.words...)
			if strings.Contains(text, server.Password) || strings.Contains(text, wrong.Password) {
				t.Error("the password is told")
			}
		})
	}
}

// TestBadRows: rows that cannot be landed are rejected with their reason, and the rest lands.
func TestBadRows(t *testing.T) {
	st := stream("z", extract.Full)
	f := newFixture(t, []string{"CREATE TABLE z (id INT PRIMARY KEY, d DATE, u VARCHAR(9) CHARACTER SET ucs2) ENGINE=InnoDB"}, st)
	conn := testConn(t, f.db)
	mustExec(t, conn, "SET sql_mode = ''", "INSERT INTO z VALUES (1, '2024-01-01', 'ok'), (2, 0, 'x'), (3, '2024-02-02', _ucs2 x'D800'), (4, '2024-01-00', 'x'), (5, NULL, NULL)")
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := landAll(t.Context(), src, st, w)
	var reasons []string
	for _, r := range l.Rejects {
		reasons = append(reasons, r.Column+" "+r.Reason)
	}
	if err != nil || len(l.Rows) != 2 || fmt.Sprint(reasons) != "[d zero_date u invalid_utf8 d zero_date]" {
		t.Errorf("%v, %v, %v", l.Rows, reasons, err)
	}
}

// TestHugeRows: a row of 100 MB is rejected, and the next one lands. max_allowed_packet, the server's or the driver's own of
// 64 MB, limits what is sent to the server, and not what comes from it.
func TestHugeRows(t *testing.T) {
	const huge = 100 << 20
	server := testserver.NewMariaDB(t, testserver.Options{Settings: map[string]string{"max-allowed-packet": fmt.Sprint(huge + 1<<20), "innodb-log-file-size": "512M"}})
	st := stream("h", extract.Full)
	f := fixtureAt(t, server, []string{"CREATE TABLE h (id INT PRIMARY KEY, x LONGTEXT CHARACTER SET latin1, y LONGTEXT CHARACTER SET latin1) ENGINE=InnoDB", "INSERT INTO h VALUES (1, 'a', 'b'), (3, 'c', 'd')",
		fmt.Sprintf("INSERT INTO h VALUES (2, REPEAT('x', %d), '')", huge)}, st)
	f.exec("SET GLOBAL max_allowed_packet = 16777216")
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := landAll(t.Context(), src, st, w)
	if err != nil || len(l.Rows) != 2 || len(l.Rejects) != 1 || l.Rejects[0].Reason != extract.ReasonTooLong || len(l.Rejects[0].Raw) > extract.MaxRaw {
		t.Fatalf("%d rows, %d rejects, %v", len(l.Rows), len(l.Rejects), told(err))
	}
	mentions(t, l.Rejects[0].Message, fmt.Sprint(huge+1), "limit is 16000000") // its id has one digit
}

// TestThroughSSH: the server is read through a tunnel.
func TestThroughSSH(t *testing.T) {
	bastion := testserver.SSH(t)
	st := stream("t", extract.Full)
	f := newFixture(t, few, st)
	f.options.SSH = &database.SSH{Host: bastion.Addr(), User: bastion.User, KeyFile: bastion.KeyFile, KnownHosts: bastion.KnownHostsFile}
	m := newMerged()
	f.run(m, st)
	if len(m.Rows) != 10 {
		t.Errorf("%d rows", len(m.Rows))
	}
	empty := t.TempDir() + "/known_hosts"
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.options.SSH.KnownHosts = empty
	_, err := f.mustOpen().Window(t.Context(), st, "", nil)
	mentions(t, told(err), "ssh", "known_hosts", "ssh-keyscan")
}
