package mysql

import (
	"database/sql"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
	"github.com/millrace/millrace/extract/database/databasetest"
	"github.com/millrace/millrace/extract/extracttest"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/testserver"
)

// What the tests of both databases share, by short names.
type (
	reading = databasetest.Landed
	merged  = databasetest.Merged
)

var (
	landAll, journaled, newMerged, mentions = databasetest.LandAll, databasetest.Journaled, databasetest.NewMerged, databasetest.Mentions
	stream, by, option                      = databasetest.Stream, databasetest.By, databasetest.Option
)

// fixture is a database of the shared server with a source over it.
type fixture struct {
	t       *testing.T
	url     string
	options *database.Options
	streams []extract.Stream
	db      *sql.DB // of the account that may do everything
}

func newFixture(t *testing.T, statements []string, streams ...extract.Stream) *fixture {
	t.Helper()
	db, cfg := testDatabase(t)
	mustExec(t, db, statements...)
	url := testserver.MariaDB(t).URL(cfg.DBName)
	return &fixture{t: t, url: url, options: &database.Options{URL: config.NewURL(url)}, streams: streams, db: db}
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

var orders = []string{
	"CREATE TABLE orders (id BIGINT PRIMARY KEY, note VARCHAR(100), amount DECIMAL(12,2), updated_at TIMESTAMP(6) NOT NULL, KEY (updated_at, id)) ENGINE=InnoDB",
	"INSERT INTO orders SELECT seq, CONCAT('order ', seq), seq / 7, TIMESTAMP'2024-01-01 00:00:00' + INTERVAL seq MINUTE FROM seq_1_to_2000",
}

func TestConformance(t *testing.T) {
	extracttest.Run(t, func(t *testing.T) extracttest.Fixture {
		page := option(func(o *database.StreamOptions) { o.PageRows = 300 })
		full := stream("orders", extract.Full)
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
				_, err := f.db.Exec(fmt.Sprintf("INSERT INTO orders SELECT seq, 'new', 1, TIMESTAMP'%s' + INTERVAL seq SECOND FROM seq_%d_to_%d", base.Format(time.DateTime), next, next+900))
				next += 901
				if err == nil && t.Name() == "TestConformance/incremental" {
					_, err = f.db.Exec(fmt.Sprintf("UPDATE orders SET note = CONCAT(note, '!'), updated_at = TIMESTAMP'%s' + INTERVAL id * 1000 MICROSECOND WHERE id %% 3 = 0", base.Add(5*time.Hour).Format(time.DateTime)))
				}
				return err
			}}
	})
}
