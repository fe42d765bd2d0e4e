package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/testserver"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline"
)

// oneAndTwo are two tables with the same columns, whose rows tell which they are of.
const oneAndTwo = `CREATE TABLE one AS SELECT i AS id, 'one' AS origin, now() - interval '1 hour' AS at, now() - interval '2 hours' AS made FROM generate_series(1, 100) AS i;
CREATE TABLE two AS SELECT i AS id, 'two' AS origin, now() - interval '3 hours' AS at, now() - interval '2 hours' AS made FROM generate_series(51, 150) AS i`

// twoSchemas has them as public.c and b.c; leadToB has the name c lead to the second.
const (
	twoSchemas = oneAndTwo + "; CREATE SCHEMA b; ALTER TABLE one RENAME TO c; ALTER TABLE two RENAME TO c2; ALTER TABLE c2 SET SCHEMA b; ALTER TABLE b.c2 RENAME TO c"
	leadToB    = "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET search_path = b, public'; END $$; UPDATE b.c SET at = now() - interval '10 minutes'"
)

// setCursor sets the cursor of erp.c as `millrace state set` does, and gives what was said of it before.
func setCursor(t *testing.T, e *pipeline.Engine, value string) (effect string) {
	t.Helper()
	change, err := e.PlanCursor(t.Context(), e.Project.Node("erp.c"), value)
	if err == nil {
		err = e.SetCursor(t.Context(), change)
	}
	if err != nil {
		t.Fatal(err)
	}
	return change.Effect
}

// origins counts the published rows of each.
func origins(t *testing.T, e *pipeline.Engine) string {
	t.Helper()
	return fmt.Sprint(query(t, e, "SELECT origin, count(*) FROM erp.c GROUP BY ALL ORDER BY ALL"))
}

// TestRepointed: the rows of one table never mix with those of another that the stream is pointed at later, nor are they
// read on by a mark of another column. What an append stream has is not thrown away unasked.
func TestRepointed(t *testing.T) {
	server := testserver.Postgres(t)
	const kept, anew = "[[one 100]]", "[[two 100]]"
	for name, c := range map[string]struct {
		before, after string
		other         string // database, or parameters of its URL
		note          string // of the second run
	}{
		"table":    {"name: public.one, as: c", "name: public.two, as: c", "", `"public"."two"`},
		"database": {"name: c, query: SELECT * FROM one", "name: c, query: SELECT * FROM one", "database", "the table was read from"},
		"path":     {"name: c, query: SELECT * FROM one", "name: c, query: SELECT * FROM one", "search_path=b", "search_path"},
		"query":    {"name: c, query: SELECT * FROM one", "name: c, query: SELECT * FROM two", "", "query"},
		"cursor":   {"name: c, query: SELECT * FROM both_, cursor: made", "name: c, query: SELECT * FROM both_", "", "the table was made with cursor made"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPGProject(t, server, oneAndTwo+"; CREATE VIEW both_ AS SELECT * FROM one; CREATE SCHEMA b; ALTER TABLE two SET SCHEMA b; CREATE VIEW two AS SELECT * FROM b.two; CREATE VIEW b.one AS SELECT * FROM b.two")
			stream := func(keys string) string {
				if !strings.Contains(keys, "cursor:") {
					keys += ", cursor: at"
				}
				return "{ " + keys + ", mode: incremental, key: [id] }"
			}
			p.reads(stream(c.before))
			e := engine(t, p.dir)
			succeeded(t, run(t, e))
			if got := origins(t, e); got != kept {
				t.Fatalf("first: %s", got)
			}
			switch c.other {
			case "database":
				p.url = server.Database(t)
				p.exec(oneAndTwo + "; ALTER TABLE one RENAME TO old; ALTER TABLE two RENAME TO one")
			case "":
				p.exec("CREATE OR REPLACE VIEW both_ AS SELECT * FROM two")
			default:
				p.url += "?" + c.other
			}
			p.reads(stream(c.after))
			e = engine(t, p.dir)
			plan, err := e.Plan(t.Context(), e.Project.Nodes)
			if err != nil {
				t.Fatal(err)
			}
			mentions(t, strings.Join(plan.Nodes[0].Notes, "; "), "read anew from the start", c.note)
			r := run(t, e)
			succeeded(t, r)
			mentions(t, strings.Join(step(t, r, "erp.c").Notes, "; "), "read anew from the start", c.note)
			if got := origins(t, e); got != anew {
				t.Errorf("after that: %s", got)
			}
			r = run(t, engine(t, p.dir)) // and goes on from there
			succeeded(t, r)
			if notes := strings.Join(step(t, r, "erp.c").Notes, "; "); strings.Contains(notes, "anew") {
				t.Errorf("the third run notes %s", notes)
			}
		})
	}
	t.Run("append", func(t *testing.T) {
		p := newPGProject(t, server, oneAndTwo, "{ name: public.one, as: c, mode: append, cursor: at }")
		succeeded(t, run(t, engine(t, p.dir)))
		p.reads("{ name: public.two, as: c, mode: append, cursor: at }")
		e := engine(t, p.dir)
		s := step(t, run(t, e), "erp.c")
		mentions(t, s.Error, `"public"."one"`, `"public"."two"`, "100 rows")
		mentions(t, s.Hint, "--full-refresh", "state set erp.c")
		if got := origins(t, e); got != kept {
			t.Fatalf("a refused run left %s", got)
		}
		p.exec("INSERT INTO two SELECT i, 'two', now() - interval '10 minutes', now() FROM generate_series(1, 50) AS i")
		setCursor(t, e, time.Now().Add(-20*time.Minute).UTC().Format(time.RFC3339))
		e = engine(t, p.dir)
		succeeded(t, run(t, e))
		if got := origins(t, e); got != "[[one 100] [two 50]]" {
			t.Errorf("with its cursor set it has %s", got)
		}
	})
}

// TestRepointedByTheServer: where a name without a schema leads to another table, nothing in the project has changed, and no row
// is added to those of the first, be it that all rows are read to reconcile or that there is no mark.
func TestRepointedByTheServer(t *testing.T) {
	for stream, want := range map[string]string{
		"mode: append, cursor: at":                                 "refused",
		"mode: incremental, key: [id], cursor: at, deletes: soft":  "refused",
		"mode: incremental, key: [id], cursor: at":                 "anew",
		"mode: incremental, key: [id], cursor: at, query: TABLE c": "anew",
		"mode: incremental, key: [id], cursor: at, reconcile: 1s":  "anew",
		"mode: incremental, key: [id], cursor: at, lookback: 1d":   "anew",
		"mode: incremental, key: [id], cursor: at, deletes: hard":  "anew",
	} {
		t.Run(stream, func(t *testing.T) {
			p := newPGProject(t, testserver.Postgres(t), twoSchemas, "{ name: c, "+stream+" }")
			succeeded(t, run(t, engine(t, p.dir)))
			p.exec(leadToB)
			p.pass()
			e := engine(t, p.dir)
			plan, err := e.Plan(t.Context(), e.Project.Nodes)
			if err != nil {
				t.Fatal(err)
			}
			s := step(t, run(t, e), "erp.c")
			if want == "refused" {
				mentions(t, s.Error+s.Hint, "is now", "b", "--full-refresh", "state set erp.c")
				mentions(t, plan.Nodes[0].Error, "is now")
				if got := origins(t, e); got != "[[one 100]]" {
					t.Error(got)
				}
				succeeded(t, run(t, e, func(r *pipeline.Request) { r.FullRefresh = true }))
			} else {
				mentions(t, strings.Join(s.Notes, "; ")+s.Error, "read anew from the start", "is now")
				mentions(t, strings.Join(plan.Nodes[0].Notes, "; "), "read anew from the start", "is now")
			}
			if got := origins(t, e); got != "[[two 100]]" {
				t.Errorf("anew: %s", got)
			}
		})
	}
}

// unpublished lands everything and then has no disk to publish to.
type unpublished struct{ load.Loader }

func (unpublished) Publish(context.Context, load.Publication) (*load.Manifest, error) {
	return nil, errors.New("disk full")
}

// TestRepointedRetry: what an attempt has landed of one table is not gone on with where the name leads to another by the time
// of the retry.
func TestRepointedRetry(t *testing.T) {
	for stream, kept := range map[string]string{"mode: append": "[[one 100]]", "mode: incremental, key: [id]": "[[two 100]]"} {
		for published, want := range map[bool]string{false: "[[two 100]]", true: kept} {
			p := newPGProject(t, testserver.Postgres(t), twoSchemas,
				"{ name: c, cursor: at, "+stream+" }")
			if published {
				succeeded(t, run(t, engine(t, p.dir)))
				p.exec("UPDATE c SET at = now() - interval '30 minutes' WHERE id <= 10")
			}
			e := engine(t, p.dir)
			e.Loader = unpublished{e.Loader}
			if _, err := e.Run(t.Context(), pipeline.Request{Nodes: e.Project.Nodes}); err == nil {
				t.Fatal("published")
			}
			p.exec(leadToB)
			p.pass()
			e = engine(t, p.dir)
			r, err := e.Retry(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if got := origins(t, e); got != want {
				t.Errorf("%s, published before: %v: %s, want %s (%s)", stream, published, got, want, step(t, r, "erp.c").Error)
			}
		}
	}
}

// TestRepointedEmpty: a table that has no rows loses none.
func TestRepointedEmpty(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), oneAndTwo+"; TRUNCATE one; TRUNCATE two", "{ name: public.one, as: c, mode: append, cursor: at }")
	succeeded(t, run(t, engine(t, p.dir)))
	p.reads("{ name: public.two, as: c, mode: append, cursor: at }")
	succeeded(t, run(t, engine(t, p.dir)))
}

// TestCursorByHandAges: a number that was set by hand is a run's own after the first, and no failure when rows are purged.
func TestCursorByHandAges(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), "CREATE TABLE c (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text); INSERT INTO c (note) SELECT 'x' FROM generate_series(1, 10)", "{ name: public.c, mode: append, cursor: id }")
	e := engine(t, p.dir)
	succeeded(t, run(t, e))
	setCursor(t, e, "10")
	succeeded(t, run(t, engine(t, p.dir)))
	before := manifest(t, e).Snapshot
	p.exec("DELETE FROM c WHERE id > 8")
	for range 2 {
		succeeded(t, run(t, engine(t, p.dir)))
	}
	if after := manifest(t, e).Snapshot; after != before {
		t.Errorf("%d snapshots of nothing", after-before)
	}
}

// TestCursorByHandOfNothing: a number for an empty table cannot be held against anything until there are rows.
func TestCursorByHandOfNothing(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), "CREATE TABLE c (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)", "{ name: public.c, mode: append, cursor: id }")
	e := engine(t, p.dir)
	succeeded(t, run(t, e))
	setCursor(t, e, "1000")
	succeeded(t, run(t, engine(t, p.dir)))
	p.exec("INSERT INTO c (note) SELECT 'x' FROM generate_series(1, 10)")
	mentions(t, step(t, run(t, engine(t, p.dir)), "erp.c").Error, "1000", "beyond the greatest")
}

// TestTwoCursorsOfOneTable: how far numbers are complete is told apart for each stream of a table.
func TestTwoCursorsOfOneTable(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), "CREATE TABLE c (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n bigint NOT NULL); INSERT INTO c (n) SELECT i FROM generate_series(1, 10) AS i; ALTER TABLE c ALTER id RESTART WITH 1000",
		"{ name: public.c, as: b, mode: incremental, key: [id], cursor: n, lookback: 1s }", "{ name: public.c, as: a, mode: append, cursor: id }")
	for n := 11; n < 15; n++ {
		p.exec(fmt.Sprintf("INSERT INTO c (n) VALUES (%d)", n))
		p.pass()
		e := engine(t, p.dir)
		succeeded(t, run(t, e))
		if got, want := fmt.Sprint(query(t, e, "SELECT (SELECT count(*) FROM erp.a), (SELECT max(n) FROM erp.b)")), fmt.Sprintf("[[%d %d]]", n, n); got != want {
			t.Errorf("published %s, want %s", got, want)
		}
	}
}

// TestRepointedHistory: rows that the source may have no more are not thrown away because a stream was pointed elsewhere, be
// it at the same table under another name of its host.
func TestRepointedHistory(t *testing.T) {
	const soft = "{ name: public.one, as: c, mode: incremental, key: [id], cursor: at, deletes: soft }"
	p := newPGProject(t, testserver.Postgres(t), oneAndTwo, soft)
	succeeded(t, run(t, engine(t, p.dir)))
	p.exec("DELETE FROM one WHERE id <= 45")
	succeeded(t, run(t, engine(t, p.dir)))
	p.url = strings.Replace(p.url, "127.0.0.1", "localhost", 1)
	p.reads(soft)
	e := engine(t, p.dir)
	s := step(t, run(t, e), "erp.c")
	mentions(t, s.Error+s.Hint, "localhost", "127.0.0.1", "100 rows", "state set", "--full-refresh")
	reset, err := e.PlanCursor(t.Context(), e.Project.Node("erp.c"), "")
	if err != nil {
		t.Fatal(err)
	}
	mentions(t, reset.Effect, "the next run is refused")
	mentions(t, setCursor(t, e, reset.From), "merges it by key into the 100 rows")
	e = engine(t, p.dir)
	succeeded(t, run(t, e))
	if got := fmt.Sprint(query(t, e, "SELECT _deleted_at IS NULL, count(*) FROM erp.c GROUP BY ALL ORDER BY ALL")); got != "[[false 45] [true 55]]" {
		t.Errorf("live and deleted rows: %s", got)
	}
}

// TestRepointedFiles: files that were loaded may be archived. Another source or another cursor column does not throw them
// away, and a database does not add to them.
func TestRepointedFiles(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), oneAndTwo, "{ name: public.two, as: c, mode: incremental, key: [id], cursor: at }")
	file := func(name, origin string, from, to int) {
		var csv strings.Builder
		csv.WriteString("id,origin,at,made\n")
		for i := from; i <= to; i++ {
			fmt.Fprintf(&csv, "%d,%s,2020-01-01 00:00:00,2020-01-01 00:00:00\n", i, origin)
		}
		write(t, p.dir, map[string]string{"in/" + name: csv.String()})
	}
	files := func(cursor string) *pipeline.Engine {
		write(t, p.dir, map[string]string{"millrace.yml": "name: p\nsources:\n  erp:\n    type: files\n    streams:\n      - { name: c, path: 'in/*.csv', mode: incremental, key: [id], cursor: " + cursor + ", columns: { id: INTEGER, origin: VARCHAR, at: TIMESTAMPTZ, made: TIMESTAMPTZ } }\n"})
		return engine(t, p.dir)
	}
	file("a.csv", "archived", 1, 60)
	succeeded(t, run(t, files("at")))
	if err := os.Remove(filepath.Join(p.dir, "in", "a.csv")); err != nil {
		t.Fatal(err)
	}
	file("b.csv", "new", 61, 160)
	succeeded(t, run(t, files("at")))
	e := files("made")
	mentions(t, step(t, run(t, e), "erp.c").Error, "made with cursor at", "160 rows")
	p.reads("{ name: public.two, as: c, mode: incremental, key: [id], cursor: at }")
	e = engine(t, p.dir)
	mentions(t, step(t, run(t, e), "erp.c").Error, "read from files", "now reads postgres")
	if got := origins(t, e); got != "[[archived 60] [new 100]]" {
		t.Errorf("after two refusals: %s", got)
	}
	succeeded(t, run(t, e, func(r *pipeline.Request) { r.FullRefresh = true }))
	if got := origins(t, e); got != "[[two 100]]" {
		t.Errorf("from the database: %s", got)
	}
}

// unnamed publishes as versions did that did not name what a table was read from.
type unnamed struct{ load.Loader }

func (l unnamed) Publish(ctx context.Context, p load.Publication) (*load.Manifest, error) {
	for i := range p.Tables {
		p.Tables[i].ReadFrom, p.Tables[i].OrderedBy = "", ""
	}
	return l.Loader.Publish(ctx, p)
}

// TestRepointedOldManifest: a table of an older version gets its name in the first run, also when there is nothing to read.
func TestRepointedOldManifest(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), oneAndTwo, "{ name: public.one, as: c, mode: append, cursor: at }")
	e := engine(t, p.dir)
	e.Loader = unnamed{e.Loader}
	succeeded(t, run(t, e))
	for range 2 {
		succeeded(t, run(t, engine(t, p.dir)))
	}
	if n := manifest(t, e).Snapshot; n != 2 {
		t.Errorf("snapshot %d: the second run publishes the name, the third nothing", n)
	}
	p.reads("{ name: public.two, as: c, mode: append, cursor: at }")
	e = engine(t, p.dir)
	mentions(t, step(t, run(t, e), "erp.c").Error, "neither added to nor thrown away")
	if got := origins(t, e); got != "[[one 100]]" {
		t.Error(got)
	}
}

// TestRepointedSchema: the policy for schema changes is about what is published, also when it is to be replaced.
func TestRepointedSchema(t *testing.T) {
	const stream = "{ name: public.%s, as: c, mode: incremental, key: [id], cursor: at, on_schema_change: %s }"
	p := newPGProject(t, testserver.Postgres(t), oneAndTwo+"; ALTER TABLE two ADD more int", fmt.Sprintf(stream, "one", "fail"))
	succeeded(t, run(t, engine(t, p.dir)))
	p.reads(fmt.Sprintf(stream, "two", "fail"))
	mentions(t, step(t, run(t, engine(t, p.dir)), "erp.c").Error, "+ new column more INTEGER (on_schema_change: freeze)")
	p.reads(fmt.Sprintf(stream, "two", "evolve"))
	e := engine(t, p.dir)
	plan, err := e.Plan(t.Context(), e.Project.Nodes)
	if err != nil || len(plan.Nodes[0].Changes) != 1 || plan.Nodes[0].Changes[0].Column != "more" {
		t.Errorf("plan shows %+v, %v", plan.Nodes[0].Changes, err)
	}
	succeeded(t, run(t, e))
	if got := fmt.Sprint(query(t, e, "SELECT count(*), count(more) FROM erp.c")); got != "[[100 0]]" {
		t.Error(got)
	}
}

// TestReconcileEmptied: a source that is empty, and may be, is no cursor that stands still.
func TestReconcileEmptied(t *testing.T) {
	for deletes, want := range map[string]string{"ignore": "[[100]]", "soft": "[[100]]", "hard": "[[0]]"} {
		p := newPGProject(t, testserver.Postgres(t), oneAndTwo, "{ name: public.one, as: c, mode: incremental, key: [id], cursor: at, reconcile: 1s, allow_empty: true, max_shrink: 100%, deletes: "+deletes+" }")
		succeeded(t, run(t, engine(t, p.dir)))
		p.exec("TRUNCATE one")
		p.pass()
		e := engine(t, p.dir)
		succeeded(t, run(t, e))
		if got := fmt.Sprint(query(t, e, "SELECT count(*) FROM erp.c")); got != want {
			t.Errorf("deletes: %s leaves %s", deletes, got)
		}
	}
}
