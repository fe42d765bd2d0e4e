package testserver

import (
	"context"
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func pgAsk(t *testing.T, at, query string) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	rows, err := c.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return strings.Join(out, ",")
}

func pgConnect(at string) error {
	c, err := pgx.Connect(context.Background(), at)
	if err == nil {
		err = c.Close(context.Background())
	}
	return err
}

func TestPostgres(t *testing.T) {
	p := Postgres(t)
	if Postgres(t) != p {
		t.Error("a second server in one process")
	}
	a, b := p.Database(t), p.Database(t)
	pgAsk(t, a, "CREATE TABLE x (n int)")
	if got := pgAsk(t, b, "SELECT count(*)::text FROM pg_tables WHERE tablename = 'x'"); got != "0" {
		t.Error("two databases are one")
	}
	want := map[string]string{"fsync": "off", "max_prepared_transactions": "20", "wal_level": "replica", "server_encoding": "UTF8", "is_superuser": "on"}
	for name, value := range want {
		if got := pgAsk(t, a, "SHOW "+name); got != value {
			t.Errorf("%s is %s, want %s", name, got, value)
		}
	}
	if err := p.Stop(Fast); err == nil {
		t.Error("the shared server was stopped")
	}
	var dropped string
	t.Run("dropped", func(t *testing.T) { dropped = p.Database(t) })
	var refused *pgconn.PgError
	if err := pgConnect(dropped); !errors.As(err, &refused) || refused.Code != "3D000" {
		t.Errorf("the database of an ended test: %v", err)
	}
}

func TestPostgresRefusals(t *testing.T) {
	p := Postgres(t)
	at := p.Database(t)
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(p.User, "wrong")
	var refused *pgconn.PgError
	if err := pgConnect(u.String()); !errors.As(err, &refused) || refused.Code != "28P01" {
		t.Errorf("a wrong password: %v", err)
	}
	byName := strings.Replace(at, "127.0.0.1", "localhost", 1)
	if err := pgConnect(byName + "?sslmode=verify-full&sslrootcert=" + p.CAFile); err != nil {
		t.Errorf("TLS with the CA: %v", err)
	}
	if err := pgConnect(at + "?sslmode=verify-full&sslrootcert=" + p.CAFile); err != nil {
		t.Errorf("TLS with the CA, by address: %v", err)
	}
	var unknown x509.UnknownAuthorityError
	if err := pgConnect(byName + "?sslmode=verify-full"); !errors.As(err, &unknown) {
		t.Errorf("TLS without the CA: %v", err)
	}
}

func TestPostgresRestarts(t *testing.T) {
	p := NewPostgres(t, Options{
		Settings: map[string]string{"max_prepared_transactions": "10", "application_name": "it's"},
		InitArgs: []string{"--encoding=SQL_ASCII", "--locale=C"},
		CertName: "elsewhere.example",
	})
	at := p.Database(t)
	pgAsk(t, at, "CREATE TABLE x AS SELECT 'kept' AS v")
	for _, mode := range []Mode{Fast, Immediate} {
		port := p.Port
		if err := p.Stop(mode); err != nil {
			t.Fatal(err)
		}
		if err := pgConnect(at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a stopped server: %v", err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if got := pgAsk(t, at, "SELECT v FROM x"); got != "kept" || p.Port != port {
			t.Errorf("after a restart: %q, port %d, was %d", got, p.Port, port)
		}
	}
	pgAsk(t, at, "ALTER SYSTEM SET max_prepared_transactions = 11")
	if err := p.Restart(Fast); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"max_prepared_transactions": "11", "server_encoding": "SQL_ASCII", "lc_collate": "C"} {
		if got := pgAsk(t, at, "SHOW "+name); got != value {
			t.Errorf("%s is %s, want %s", name, got, value)
		}
	}
	var host x509.HostnameError
	if err := pgConnect(at + "?sslmode=verify-full&sslrootcert=" + p.CAFile); !errors.As(err, &host) {
		t.Errorf("a certificate for another host: %v", err)
	}
}

func TestPostgresStandby(t *testing.T) {
	p := Postgres(t)
	at := p.Database(t)
	pgAsk(t, at, "CREATE TABLE x AS SELECT 'before' AS v")
	standby := p.Standby(t)
	pgAsk(t, at, "INSERT INTO x VALUES ('after')")
	standby.CaughtUp(t, p)
	u, _ := url.Parse(at)
	there := standby.URL(strings.TrimPrefix(u.Path, "/"))
	if got := pgAsk(t, there, "SELECT v FROM x UNION ALL SELECT pg_is_in_recovery()::text"); got != "before,after,true" {
		t.Errorf("the standby has %q", got)
	}
	if err := standby.Restart(Immediate); err != nil {
		t.Fatal(err)
	}
	standby.CaughtUp(t, p) // it takes connections as soon as it is consistent, and may be behind what it had
	if got := pgAsk(t, there, "SELECT v FROM x"); got != "before,after" {
		t.Errorf("the standby has %q after a restart", got)
	}
}

func TestPostgresSaysWhyItDoesNotStart(t *testing.T) {
	havePG(t)
	p, err := newPG(Options{Settings: map[string]string{"shared_buffers": "none"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers"`) {
		t.Errorf("got %v", err)
	}
	if p.run != nil {
		t.Error("it runs")
	}
}
