package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/testserver"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// ten days of ten events each, and the same as rows that change.
const tenDays = `CREATE TABLE events AS SELECT i AS id, 'a' AS note, timestamptz '2026-01-01 00:00:00+00' + (i - 1) * interval '144 minutes' AS at FROM generate_series(1, 100) AS i;
CREATE TABLE orders AS SELECT * FROM events; ALTER TABLE orders ADD PRIMARY KEY (id); CREATE INDEX ON orders (at, id)`

const (
	eventStream = "{ name: public.events, mode: append, cursor: at }"
	orderStream = "{ name: public.orders, mode: incremental, key: [id], cursor: at }"
)

// backfill runs a backfill of all streams.
func backfill(t *testing.T, e *pipeline.Engine, from, to string, change ...func(*pipeline.BackfillRequest)) (*pipeline.Report, error) {
	t.Helper()
	nodes, err := e.Project.Select(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	req := pipeline.BackfillRequest{Nodes: nodes, Range: journal.Backfill{From: from, To: to}}
	for _, c := range change {
		c(&req)
	}
	return e.Backfill(t.Context(), req)
}

func backfilled(t *testing.T, e *pipeline.Engine, from, to string, change ...func(*pipeline.BackfillRequest)) *pipeline.Report {
	t.Helper()
	r, err := backfill(t, e, from, to, change...)
	if err != nil {
		t.Fatal(err)
	}
	succeeded(t, r)
	return r
}

// cursors are those of the manifest, by table.
func cursors(t *testing.T, e *pipeline.Engine) string {
	t.Helper()
	var all []string
	for _, table := range manifest(t, e).Tables {
		all = append(all, table.Name.String()+" "+table.Cursor)
	}
	return strings.Join(all, "\n")
}

// TestBackfillRepairs: what was missing, changed without its cursor or gone in the past is as the source has it, in the range
// and nowhere else; cursors are the same bytes, and the next run reads what it would have read.
func TestBackfillRepairs(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), tenDays, eventStream, orderStream)
	e := engine(t, p.dir)
	succeeded(t, run(t, e))
	p.exec(`UPDATE orders SET note = 'b' WHERE id IN (11, 12, 95); DELETE FROM orders WHERE id = 13; INSERT INTO orders VALUES (201, 'late', '2026-01-02 12:00+00');
UPDATE events SET note = 'b' WHERE id IN (11, 95); DELETE FROM events WHERE id = 13; INSERT INTO events VALUES (201, 'late', '2026-01-02 12:00+00');
INSERT INTO events VALUES (301, 'new', '2026-02-01'); INSERT INTO orders VALUES (301, 'new', '2026-02-01')`)
	before := cursors(t, e)
	r := backfilled(t, e, "2026-01-02", "2026-01-04")
	if got := cursors(t, e); got != before {
		t.Errorf("cursors were\n%s\nand are\n%s", before, got)
	}
	state := `SELECT count(*), count(*) FILTER (WHERE note = 'b'), count(*) FILTER (WHERE note = 'late'), count(*) FILTER (WHERE id = 13), count(DISTINCT id) FROM erp.`
	// An append stream's range is what the source has there; of a keyed one, rows that are gone are found by deletes:.
	if got := fmt.Sprint(query(t, e, state+"events"), query(t, e, state+"orders")); got != "[[100 1 1 0 100]] [[101 2 1 1 101]]" {
		t.Error(got)
	}
	events := step(t, r, "erp.events").Equations
	mentions(t, fmt.Sprint(events), "read 20 = landed 20 + rejected 0", "before 100 = kept 80 + replaced 20", "published 100 = before 80 + inserted 20")
	mentions(t, fmt.Sprint(step(t, r, "erp.orders").Equations), "landed 20 = inserted 1 + updated 2 + unchanged 17 + superseded 0")
	live := run(t, engine(t, p.dir))
	succeeded(t, live)
	for _, node := range []string{"erp.events", "erp.orders"} {
		if read := step(t, live, node).Equations[0]; read.Rows != 1 {
			t.Errorf("%s: the next run reads %s", node, read)
		}
	}
	if got := fmt.Sprint(query(t, e, state+"events"), query(t, e, state+"orders")); got != "[[101 1 1 0 101]] [[102 2 1 1 102]]" {
		t.Error(got)
	}
	verified(t, e)
}

// counting is a source that counts the slices that are read, and ends its process' life, as it were, before one of them.
type counting struct {
	extract.Source
	reads *atomic.Int64
	stop  int64
}

var errPulled = errors.New("pulled the plug")

func (c *counting) Read(ctx context.Context, r extract.Request) (*extract.Snapshot, error) {
	if c.reads.Add(1) == c.stop {
		return nil, errPulled
	}
	return c.Source.Read(ctx, r)
}

func counted(e *pipeline.Engine, stop int64) *atomic.Int64 {
	reads, opened := &atomic.Int64{}, e.OpenSource
	e.OpenSource = func(s *models.Source) (extract.Source, error) {
		src, err := opened(s)
		return &counting{src, reads, stop}, err
	}
	return reads
}

// TestBackfillResumes: a backfill that broke off is gone on with behind the slices that it has landed, whatever ran in
// between, and what that has published of the same rows stays.
func TestBackfillResumes(t *testing.T) {
	for name, again := range map[string]func(*testing.T, *pipeline.Engine, string) (*pipeline.Report, error){
		"by its command": func(t *testing.T, e *pipeline.Engine, _ string) (*pipeline.Report, error) {
			return backfill(t, e, "2026-01-01", "2026-01-11")
		},
		"by a retry": func(t *testing.T, e *pipeline.Engine, id string) (*pipeline.Report, error) {
			return e.Retry(t.Context(), id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPGProject(t, testserver.Postgres(t), tenDays, orderStream)
			succeeded(t, run(t, engine(t, p.dir)))
			p.exec("UPDATE orders SET note = 'b' WHERE id IN (11, 95)")
			e := engine(t, p.dir)
			counted(e, 8)
			broken, err := backfill(t, e, "2026-01-01", "2026-01-11")
			if err != nil || broken.Run.Status != journal.Failed || broken.Snapshot != 0 {
				t.Fatalf("%v %+v", err, broken)
			}
			p.exec("UPDATE orders SET note = 'c', at = '2026-03-01' WHERE id = 12") // was landed, and is to be read by the next run
			succeeded(t, run(t, engine(t, p.dir)))
			e = engine(t, p.dir)
			before, reads := cursors(t, e), counted(e, 0)
			r, err := again(t, e, broken.Run.ID)
			if err != nil {
				t.Fatal(err)
			}
			succeeded(t, r)
			if r.Run.ID != broken.Run.ID || reads.Load() != 3 { // 7 of its 10 slices were landed
				t.Errorf("run %s goes on as %s and reads %d slices", broken.Run.ID, r.Run.ID, reads.Load())
			}
			if got := cursors(t, e); got != before {
				t.Errorf("cursors were\n%s\nand are\n%s", before, got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT count(*), string_agg(id || note, ' ' ORDER BY id) FILTER (WHERE note <> 'a') FROM erp.orders")); got != "[[100 11b 12c 95b]]" {
				t.Error(got)
			}
			verified(t, e)
		})
	}
}
