package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/testserver"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m)) }

// testConfig is how tests connect to the shared server, as an account that may do everything.
func testConfig(t testing.TB) *driver.Config {
	t.Helper()
	u, err := url.Parse(testserver.MariaDB(t).URL(""))
	if err != nil {
		t.Fatal(err)
	}
	cfg := driver.NewConfig()
	cfg.Net, cfg.Addr, cfg.User = "tcp", u.Host, u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Logger = &driver.NopLogger{}
	cfg.Timeout = time.Minute
	return cfg
}

// testDatabase makes a database for one test and gives a pool whose sessions are set as the source sets them.
func testDatabase(t testing.TB) (*sql.DB, *driver.Config) {
	t.Helper()
	cfg := testConfig(t)
	name := "t_" + strings.ToLower(strings.NewReplacer("/", "_", "=", "_").Replace(t.Name()))
	admin := testPool(t, cfg)
	mustExec(t, admin, "DROP DATABASE IF EXISTS "+quoteName(name), "CREATE DATABASE "+quoteName(name)+" CHARACTER SET utf8mb4")
	t.Cleanup(func() { _, _ = admin.Exec("DROP DATABASE IF EXISTS " + quoteName(name)) })
	cfg = cfg.Clone()
	cfg.DBName = name
	return testPool(t, cfg), cfg
}

func testPool(t testing.TB, cfg *driver.Config) *sql.DB {
	t.Helper()
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// testConn is one session, set as the source sets its own.
func testConn(t testing.TB, db *sql.DB) *sql.Conn {
	t.Helper()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for _, s := range sessionSettings {
		mustExec(t, conn, s)
	}
	return conn
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func mustExec(t testing.TB, on execer, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := on.ExecContext(context.Background(), s); err != nil {
			t.Fatal(fmt.Errorf("%.300s: %w", s, err))
		}
	}
}

// await waits until the server answers a query with true.
func (f *fixture) await(query string, args ...any) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(120 * time.Millisecond) { // less often, the list of transactions is renewed
		var is bool
		if err := f.db.QueryRow(query, args...).Scan(&is); err != nil {
			f.t.Fatal(err)
		}
		if is {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("still not so: %s", query)
		}
	}
}

// sqlOpen is a pool of an own server's root.
func sqlOpen(t testing.TB, server *testserver.Maria) *sql.DB {
	t.Helper()
	cfg := driver.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd, cfg.Timeout = "tcp", server.Addr(), server.User, server.Password, time.Minute
	cfg.Logger = &driver.NopLogger{}
	return testPool(t, cfg)
}

// fixtureAt is a fixture on a server of its own, in the database shop.
func fixtureAt(t *testing.T, server *testserver.Maria, statements []string, streams ...extract.Stream) *fixture {
	t.Helper()
	mustExec(t, sqlOpen(t, server), "CREATE DATABASE shop CHARACTER SET utf8mb4")
	cfg := driver.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd, cfg.DBName = "tcp", server.Addr(), server.User, server.Password, "shop"
	cfg.Logger = &driver.NopLogger{}
	db := testPool(t, cfg)
	mustExec(t, db, statements...)
	return &fixture{t: t, url: server.URL("shop"), options: &database.Options{URL: config.NewURL(server.URL("shop"))}, streams: streams, db: db}
}
