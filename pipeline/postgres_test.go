package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/testserver"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m)) }

// three tables, each of about 40 MB, which one transaction changes together: version is the same everywhere.
const threeTables = `CREATE TABLE a AS SELECT i AS id, 1 AS version, repeat(chr(97 + i % 26), 1900) AS fill, now() AS at FROM generate_series(1, 20000) AS i;
CREATE TABLE b AS SELECT * FROM a; CREATE TABLE c AS SELECT * FROM a;
ALTER TABLE a ADD PRIMARY KEY (id); ALTER TABLE b ADD PRIMARY KEY (id); ALTER TABLE c ADD PRIMARY KEY (id); CREATE INDEX ON c (at, id)`

const threeStreams = `name: p
sources:
  erp:
    type: postgres
    url: "postgres://postgres:${TEST_PG_PASSWORD}@%s/%s?sslmode=disable"
    streams:
      - { name: public.a, mode: full }
      - { name: public.b, mode: full }
      - { name: public.c, %s }
`

// disturbed is a source whose nth batch, counted over all its streams, something happens at. Until that is over, the other streams ask for
// nothing: how long a server takes to be back would use up their attempts.
type disturbed struct {
	extract.Source
	at      int
	happens func()
	broke   func() // a read was broken off since; may be nil

	mu   sync.Mutex
	seen int
}

func (d *disturbed) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	d.wait()
	w, err := d.Source.Window(ctx, st, since, fixed)
	d.breaks(err)
	return w, err
}

func (d *disturbed) Read(ctx context.Context, r extract.Request) (*extract.Snapshot, error) {
	d.wait()
	snap, err := d.Source.Read(ctx, r)
	if err != nil {
		d.breaks(err)
		return nil, err
	}
	snap.Reader = &disturbedReader{snap.Reader, d}
	return snap, nil
}

func (d *disturbed) wait() {
	d.mu.Lock()
	defer d.mu.Unlock()
}

func (d *disturbed) breaks(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil && d.broke != nil && d.seen >= d.at {
		d.broke()
	}
}

func (d *disturbed) batch() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen++; d.seen == d.at {
		d.happens()
	}
}

// disturbedReader counts the batches of one slice.
type disturbedReader struct {
	array.RecordReader
	of *disturbed
}

func (r *disturbedReader) Next() bool {
	r.of.batch()
	more := r.RecordReader.Next()
	if !more {
		r.of.breaks(r.Err())
	}
	return more
}

// TestPostgresDisturbed runs three tables while the connection or the server breaks, and wants all of them whole and of
// one state.
func TestPostgresDisturbed(t *testing.T) {
	server := testserver.NewPostgres(t, testserver.Options{})
	t.Setenv("TEST_PG_PASSWORD", server.Password)
	for name, c := range map[string]struct {
		last    string // keys of the third stream
		at      int    // batch
		happens func(*testserver.Proxy) error
	}{
		"reset":                    {"mode: full", 6, func(p *testserver.Proxy) error { p.Spoil(testserver.Fault{Reset: true}); return nil }},
		"restart":                  {"mode: full", 14, func(*testserver.Proxy) error { return server.Restart(testserver.Fast) }},
		"crash and an incremental": {"mode: incremental, key: [id], cursor: at, page_rows: 5000", 14, func(*testserver.Proxy) error { return server.Restart(testserver.Immediate) }},
	} {
		t.Run(name, func(t *testing.T) {
			url := server.Database(t)
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.PgConn().Exec(t.Context(), threeTables).ReadAll(); err != nil {
				t.Fatal(err)
			}
			database := conn.Config().Database
			_ = conn.Close(t.Context())
			proxy := testserver.NewProxy(t, server.Server)
			dir := project(t, map[string]string{"millrace.yml": fmt.Sprintf(threeStreams, proxy.Addr, database, c.last)})
			e := engine(t, dir)
			happened := false
			var changed sync.WaitGroup
			around(e, func(s extract.Source) extract.Source {
				// The proxy breaks what comes through it, so that it must not heal before something has.
				heal := sync.OnceFunc(func() { time.AfterFunc(300*time.Millisecond, proxy.Heal) })
				return &disturbed{Source: s, at: c.at, broke: heal, happens: func() {
					happened = true
					if err := c.happens(proxy); err != nil {
						t.Error(err)
					}
					// What the tables become meanwhile shows in all of them or in none.
					changed.Go(func() {
						if err := changeAll(url); err != nil {
							t.Error(err)
						}
					})
				}}
			})
			r := run(t, e)
			changed.Wait()
			if !happened {
				t.Fatal("nothing happened")
			}
			succeeded(t, r)
			var notes []string
			for _, s := range r.Steps {
				notes = append(notes, s.Notes...)
			}
			if text := strings.Join(notes, "; "); !strings.Contains(text, "again") && !strings.Contains(text, "read from the start") {
				t.Errorf("no retry is noted: %s", text)
			}
			counts := query(t, e, `SELECT count(*), count(DISTINCT id), min(version), max(version) FROM (SELECT 'a' AS t, id, version FROM erp.a) UNION ALL
SELECT count(*), count(DISTINCT id), min(version), max(version) FROM erp.b UNION ALL SELECT count(*), count(DISTINCT id), min(version), max(version) FROM erp.c`)
			for _, row := range counts {
				if fmt.Sprint(row) != fmt.Sprint(counts[0]) || fmt.Sprint(row[0], row[1]) != "20000 20000" || fmt.Sprint(row[2]) != fmt.Sprint(row[3]) {
					t.Errorf("rows, different ones, least and greatest version: %v", counts)
					break
				}
			}
			asOf := map[string]bool{}
			for _, table := range manifest(t, e).Tables {
				if table.AsOf == nil {
					t.Errorf("%s names no state", table.Name)
					continue
				}
				asOf[table.AsOf.ID] = true
			}
			if len(asOf) != 1 {
				t.Errorf("%d states are published", len(asOf))
			}
		})
	}
}

// changeAll changes the three tables in one transaction, as soon as the server takes it.
func changeAll(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			_, err = conn.PgConn().Exec(ctx, "BEGIN; UPDATE a SET version = 2, at = now(); UPDATE b SET version = 2, at = now(); UPDATE c SET version = 2, at = now(); COMMIT").ReadAll()
			_ = conn.Close(ctx)
			if err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
