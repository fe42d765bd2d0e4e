package postgres

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/extract/database/databasetest"
	"github.com/millrace/millrace/extract/extracttest"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/testserver"
)

// What the tests of both databases share, by short names.
type (
	landed = databasetest.Landed
	merged = databasetest.Merged
)

var (
	landAll, journaled, newMerged, mentions = databasetest.LandAll, databasetest.Journaled, databasetest.NewMerged, databasetest.Mentions
	stream, by, option                      = databasetest.Stream, databasetest.By, databasetest.Option
)

func TestMain(m *testing.M) {
	patience, heldLong = 700*time.Millisecond, 500*time.Millisecond
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set("6") // these tests wait more than they work
	}
	os.Exit(testserver.Main(m))
}

// fixture is a database with a source over it.
type fixture struct {
	t       *testing.T
	url     string
	options *database.Options
	streams []extract.Stream
	db      *pgx.Conn // of the superuser
}

// newFixture makes a database of the shared server and runs SQL in it.
func newFixture(t *testing.T, sql string, streams ...extract.Stream) *fixture {
	t.Helper()
	return fixtureAt(t, testserver.Postgres(t), sql, streams...)
}

// fixtureAt makes a database of a server of the test's own.
func fixtureAt(t *testing.T, server *testserver.PG, sql string, streams ...extract.Stream) *fixture {
	t.Helper()
	url := server.Database(t)
	f := &fixture{t: t, url: url, options: &database.Options{URL: config.NewURL(url)}, streams: streams}
	f.db = connect(t, url)
	f.exec("SET lock_timeout = '60s'") // a source that a test has left open
	f.exec(sql)
	return f
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (f *fixture) exec(sql string) {
	f.t.Helper()
	if _, err := f.db.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		f.t.Fatal(err)
	}
}

// whole is the stream's table in a full read, by its first column.
func (f *fixture) whole(st extract.Stream) map[string]string {
	f.t.Helper()
	return databasetest.Whole(f.t, f.open, st)
}

// open opens the source as a run does.
func (f *fixture) open() (extract.Source, error) {
	return open(extract.Env{Name: "erp", Project: f.t.TempDir(), Streams: f.streams, Log: slog.New(slog.DiscardHandler)}, f.options)
}

func (f *fixture) mustOpen() extract.Source {
	f.t.Helper()
	s, err := f.open()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = s.Close() })
	return s
}

const orders = `CREATE TABLE orders (id bigint PRIMARY KEY, note text, amount numeric(12,2), updated_at timestamptz NOT NULL);
CREATE INDEX ON orders (updated_at, id);
INSERT INTO orders SELECT i, 'order ' || i, i / 7.0, '2024-01-01'::timestamptz + i * interval '1 minute' FROM generate_series(1, 2000) AS i;
ANALYZE orders`

func TestConformance(t *testing.T) {
	extracttest.Run(t, func(t *testing.T) extracttest.Fixture {
		page := option(func(o *database.StreamOptions) { o.PageRows = 300 })
		full := stream("public.orders", extract.Full)
		appends := stream("orders", extract.Append, by("updated_at"), page)
		incremental := stream("orders", extract.Incremental, by("updated_at", "id"), page)
		f := newFixture(t, orders, full, appends, incremental)
		base := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		next := int64(2001)
		hours, err := extract.ParseRange("2024-01-01T01:00", "2024-01-01T11:00", "3h", time.UTC, base)
		if err != nil {
			t.Fatal(err)
		}
		return extracttest.Fixture{Range: hours, InRange: 600, Source: f.mustOpen(), Full: full, Append: appends, Incremental: incremental, Reopen: f.open,
			Grow: func() error {
				base = base.Add(10 * time.Hour)
				_, err := f.db.Exec(t.Context(), `INSERT INTO orders SELECT i, 'new', 1, $1::timestamptz + i * interval '1 second' FROM generate_series($2::bigint, $2 + 900) AS i`, base, next)
				next += 901
				if err == nil && t.Name() == "TestConformance/incremental" {
					_, err = f.db.Exec(t.Context(), `UPDATE orders SET note = note || '!', updated_at = $1::timestamptz + id * interval '1 millisecond' WHERE id % 3 = 0`, base.Add(5*time.Hour))
				}
				return err
			}}
	})
}

// TestErrorsOfAnotherLanguage: a server that speaks German gets the same classes and advice.
func TestErrorsOfAnotherLanguage(t *testing.T) {
	for name, c := range map[string]struct {
		err       *pgconn.PgError
		timeout   time.Duration
		advice    string
		transient bool
	}{
		"hidden rows": {err: &pgconn.PgError{Code: noPrivilege, Routine: "check_enable_rls", Message: "Anfrage würde von Policy für Sicherheit auf Zeilenebene für Tabelle »t« betroffen sein"}, advice: "BYPASSRLS"},
		"no right":    {err: &pgconn.PgError{Code: noPrivilege, Routine: "aclcheck_error", Message: "keine Berechtigung für Tabelle t"}, advice: `GRANT SELECT on it to "u"`},
		"in English":  {err: &pgconn.PgError{Code: noPrivilege, Routine: "aclcheck_error", Message: "permission denied for table t"}, advice: `GRANT SELECT ON t TO "u"`},
		"timeout":     {err: &pgconn.PgError{Code: queryCanceled, Routine: "ProcessInterrupts", Message: "storniere Anfrage wegen Zeitüberschreitung der Anfrage"}, timeout: time.Second, advice: "statement_timeout"},
		"cancelled":   {err: &pgconn.PgError{Code: queryCanceled, Routine: "ProcessInterrupts", Message: "storniere Anfrage wegen Benutzeraufforderung"}, advice: "replica", transient: true},
		"by hand":     {err: &pgconn.PgError{Code: queryCanceled, Routine: "ProcessInterrupts", Message: "canceling statement due to user request"}, timeout: time.Second, advice: "replica", transient: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := &database.Options{StatementTimeout: config.Duration(c.timeout)}
			s := &source{options: o, config: &pgx.ConnConfig{Config: pgconn.Config{User: "u"}}, reached: true}
			err := s.explain(t.Context(), fmt.Errorf("read: %w", c.err))
			mentions(t, advice(err), c.advice)
			if errors.Is(err, extract.ErrTransient) != c.transient {
				t.Errorf("transient: %v", !c.transient)
			}
		})
	}
}
