package testserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PG is a PostgreSQL server. It asks for a password (SCRAM) and offers TLS.
type PG struct {
	*Server
}

// pgDefaults are the settings of a server whose test has no other wishes. They stand in postgresql.conf, so that ALTER
// SYSTEM and a restart change them. fsync=off endures a crash of the server, not of the machine.
var pgDefaults = map[string]string{
	"fsync":                     "off",
	"shared_buffers":            "64MB",
	"max_connections":           "100",
	"max_prepared_transactions": "20",
	"wal_level":                 "replica",
	"wal_keep_size":             "64MB", // standbys have no slot, which would be in a test's way
	"listen_addresses":          "127.0.0.1",
	"ssl":                       "on",
}

var sharedPG = sync.OnceValues(func() (*PG, error) {
	p, err := newPG(Options{})
	if err == nil {
		keep(p.Server)
	}
	return p, err
})

// Postgres is the PostgreSQL server of this test process, started by the first test that asks. Tests take a Database
// of it each, and change nothing that another would notice. Without PostgreSQL the test is skipped.
func Postgres(t testing.TB) *PG {
	t.Helper()
	havePG(t)
	p, err := sharedPG()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// NewPostgres starts a PostgreSQL server that ends with the test.
func NewPostgres(t testing.TB, o Options) *PG {
	t.Helper()
	havePG(t)
	p, err := newPG(o)
	if err != nil {
		t.Fatal(err)
	}
	p.own(t)
	return p
}

func havePG(t testing.TB) {
	t.Helper()
	have(t, "PostgreSQL", "postgresql", "postgres", "initdb", "pg_basebackup")
}

func newPG(o Options) (*PG, error) {
	p, err := preparePG()
	if err != nil {
		return nil, err
	}
	release, err := version(program("postgres"))
	if err != nil {
		return nil, err
	}
	initdb := append([]string{"--username=" + p.User, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"}, o.InitArgs...)
	key := slices.Concat([]string{release, p.Password, fmt.Sprint(p.account)}, initdb)
	err = template(key, p.data(), func(dir string) error {
		file, err := p.write("password", []byte(p.Password+"\n"))
		if err != nil {
			return err
		}
		return p.tool(nil, "", append([]string{program("initdb"), "--pwfile=" + file, "--pgdata=" + dir}, initdb...)...)
	})
	if err != nil {
		return nil, fmt.Errorf("make a data folder for PostgreSQL: %w", err)
	}
	certFile, keyFile, err := p.certify(o.CertName)
	if err != nil {
		return nil, err
	}
	settings := maps.Clone(pgDefaults)
	settings["ssl_cert_file"], settings["ssl_key_file"] = certFile, keyFile
	maps.Copy(settings, o.Settings)
	if err := p.configure(settings); err != nil {
		return nil, err
	}
	return p, p.first()
}

// preparePG is a server without data.
func preparePG() (*PG, error) {
	secret, err := password()
	if err != nil {
		return nil, err
	}
	account, err := notRoot()
	if err != nil {
		return nil, err
	}
	s, err := newServer("PostgreSQL", account)
	if err != nil {
		return nil, err
	}
	s.User, s.Password = "postgres", secret
	s.fast, s.crash = syscall.SIGINT, syscall.SIGQUIT // not SIGKILL: its children and its shared memory would stay
	p := &PG{Server: s}
	p.args = func() []string {
		return []string{program("postgres"), "-D", p.data(), "-p", strconv.Itoa(p.Port), "-k", p.folder}
	}
	p.ready = p.isReady
	return p, nil
}

func (p *PG) data() string { return filepath.Join(p.folder, "data") }

// configure appends settings to postgresql.conf, where the last one counts.
func (p *PG) configure(settings map[string]string) error {
	f, err := os.OpenFile(filepath.Join(p.data(), "postgresql.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(f, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	return f.Close()
}

// isReady reads what the postmaster writes for pg_ctl: its process in the first line, its state in the eighth.
func (p *PG) isReady(pid int) bool {
	content, _ := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	lines := strings.Split(string(content), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// URL is how the superuser gets to a database.
func (p *PG) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(p.User, p.Password), Host: p.Addr(), Path: "/" + database}
	return u.String()
}

var databases atomic.Int64

// databaseName is one that no other test of the process has.
func databaseName() string { return fmt.Sprintf("test_%d", databases.Add(1)) }

// Database makes an empty database, dropped after the test, and returns its URL.
func (p *PG) Database(t testing.TB) string {
	t.Helper()
	name := databaseName()
	if err := p.do("CREATE DATABASE " + name + " TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // what a stopped server or a prepared transaction keeps goes with the folder
		if p.shared {
			_ = p.do("DROP DATABASE " + name + " WITH (FORCE)")
		}
	})
	return p.URL(name)
}

func (p *PG) do(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, sql)
	return errors.Join(err, c.Close(ctx))
}

// Standby starts a hot standby of p that ends with the test: it has all of p's data, follows what p does from then on,
// and can be read. It has p's certificate.
func (p *PG) Standby(t testing.TB) *PG {
	t.Helper()
	standby, err := p.newStandby()
	if err != nil {
		t.Fatal(err)
	}
	standby.own(t)
	return standby
}

func (p *PG) newStandby() (*PG, error) {
	standby, err := preparePG()
	if err != nil {
		return nil, err
	}
	standby.name, standby.CAFile = "PostgreSQL standby", p.CAFile
	err = standby.tool([]string{"PGPASSWORD=" + p.Password}, "", program("pg_basebackup"),
		"--host="+p.Host, "--port="+strconv.Itoa(p.Port), "--username="+p.User, "--pgdata="+standby.data(),
		"--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	if err != nil {
		return nil, err
	}
	return standby, standby.first()
}

// CaughtUp waits until a standby has everything that its primary has committed so far.
func (p *PG) CaughtUp(t testing.TB, primary *PG) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var end string
	if err := primary.ask(ctx, &end, "SELECT pg_current_wal_flush_lsn()::text"); err != nil {
		t.Fatal(err)
	}
	for reached := false; !reached; time.Sleep(10 * time.Millisecond) {
		if err := p.ask(ctx, &reached, "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", end); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *PG) ask(ctx context.Context, answer any, sql string, args ...any) error {
	c, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return err
	}
	err = c.QueryRow(ctx, sql, args...).Scan(answer)
	return errors.Join(err, c.Close(ctx))
}
