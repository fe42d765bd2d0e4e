package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/testserver"
)

// pgProject is a project with streams of a database of its own.
type pgProject struct {
	t      *testing.T
	server *testserver.PG
	url    string
	dir    string
}

func newPGProject(t *testing.T, server *testserver.PG, sql string, streams ...string) *pgProject {
	t.Helper()
	p := &pgProject{t: t, server: server, url: server.Database(t), dir: t.TempDir()}
	p.exec(sql)
	t.Setenv("TEST_PG_PASSWORD", server.Password)
	p.reads(streams...)
	return p
}

// reads writes the project anew, with these streams.
func (p *pgProject) reads(streams ...string) {
	p.t.Helper()
	write(p.t, p.dir, map[string]string{"millrace.yml": fmt.Sprintf("name: p\nsources:\n  erp:\n    type: postgres\n    url: %q\n    streams:\n      - %s\n",
		strings.Replace(p.url, ":"+p.server.Password+"@", ":${TEST_PG_PASSWORD}@", 1), strings.Join(streams, "\n      - "))})
}

func (p *pgProject) exec(sql string) {
	p.t.Helper()
	conn, err := pgx.Connect(context.Background(), p.url)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		p.t.Fatal(err)
	}
}

// pass lets the margin of the safe edge go by.
func (p *pgProject) pass() { time.Sleep(1200 * time.Millisecond) }

// TestDeletes: rows that are gone leave the table or are marked; rows that are rejected are not gone; both by the keys of
// each run and by reconciling.
func TestDeletes(t *testing.T) {
	server := testserver.Postgres(t)
	for _, deletes := range []string{"hard", "soft"} {
		for _, reconcile := range []string{"", ", reconcile: 1s"} {
			t.Run(deletes+strings.ReplaceAll(reconcile, ", ", " "), func(t *testing.T) {
				p := newPGProject(t, server, `CREATE TABLE c AS SELECT i AS id, 1::numeric(10,2) AS amount, now() - interval '1 hour' AS at FROM generate_series(1, 1000) AS i; ALTER TABLE c ADD PRIMARY KEY (id)`,
					"{ name: public.c, mode: incremental, key: [id], cursor: at, max_rejects: 100%, deletes: "+deletes+reconcile+" }")
				succeeded(t, run(t, engine(t, p.dir)))
				live := func(want string) {
					t.Helper()
					where := ""
					if deletes == "soft" {
						where = " WHERE _deleted_at IS NULL"
					}
					e := engine(t, p.dir)
					succeeded(t, run(t, e))
					if got := fmt.Sprint(query(t, e, "SELECT count(*), sum(id)::BIGINT FROM erp.c"+where)); got != "[["+want+"]]" {
						t.Errorf("live rows %s, want %s", got, want)
					}
					if got := fmt.Sprint(query(t, e, "SELECT count(*) FROM erp.c")); deletes == "soft" && got != "[[1000]]" {
						t.Errorf("%s rows in all", got)
					}
				}
				p.exec("UPDATE c SET amount = 'NaN', at = now() WHERE id <= 5; DELETE FROM c WHERE id > 990")
				p.pass()
				live("990 490545")
				live("990 490545")
				p.exec("INSERT INTO c SELECT i, 2, now() FROM generate_series(991, 1000) AS i")
				p.pass()
				live("1000 500500")
				p.exec("DELETE FROM c WHERE id > 100")
				r := run(t, engine(t, p.dir))
				mentions(t, step(t, r, "erp.c").Error, "900 of 1000 rows are gone", "max_shrink")
			})
		}
	}
}

// TestReconcile: what changed without its cursor is found when all rows are read.
func TestReconcile(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), `CREATE TABLE c AS SELECT i AS id, 'a' AS note, now() - interval '1 hour' AS at FROM generate_series(1, 100) AS i`,
		"{ name: public.c, mode: incremental, key: [id], cursor: at, reconcile: 1s }")
	succeeded(t, run(t, engine(t, p.dir)))
	p.exec("UPDATE c SET note = 'b' WHERE id <= 3; INSERT INTO c VALUES (101, 'old', now() - interval '2 hours'); DELETE FROM c WHERE id = 50")
	p.pass()
	e := engine(t, p.dir)
	r := run(t, e)
	succeeded(t, r)
	mentions(t, strings.Join(step(t, r, "erp.c").Notes, "\n"), "reconciled: all rows were read; 1 were missing, 3 had changed, 0 were gone")
	if got := fmt.Sprint(query(t, e, "SELECT count(*), count(*) FILTER (WHERE note = 'b') FROM erp.c")); got != "[[101 3]]" { // deletes are not looked for
		t.Error(got)
	}
}

// TestAppendFromNothing: an append stream whose table has no row yet, or none that is known to be complete, is published
// without rows, and goes on from there.
func TestAppendFromNothing(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), "CREATE TABLE c (id int, at timestamptz); CREATE TABLE d AS SELECT 1 AS id, now() + interval '1 hour' AS at",
		"{ name: public.c, mode: append, cursor: at }", "{ name: public.d, mode: append, cursor: at }")
	for night, want := range []string{"[[0 0]]", "[[0 1]]", "[[1 1]]"} {
		e := engine(t, p.dir)
		r := run(t, e)
		succeeded(t, r)
		if got := fmt.Sprint(query(t, e, "SELECT (SELECT count(*) FROM erp.c), (SELECT count(*) FROM erp.d)")); got != want {
			t.Errorf("night %d: %s, want %s", night, got, want)
		}
		if night == 0 {
			mentions(t, strings.Join(step(t, r, "erp.d").Notes, "; "), "the next run reads them")
			p.exec("UPDATE d SET at = now()") // an hour has gone by
			p.pass()
		}
		if night == 1 {
			p.exec("INSERT INTO c VALUES (1, now())")
			p.pass()
		}
	}
}

// TestOneStateOfOneStream: the server crashes in the middle of a window, and rows change before it goes on. The table must
// show one state, the later one, also where cursors cannot tell which version of a row that is.
func TestOneStateOfOneStream(t *testing.T) {
	for name, c := range map[string]struct{ table, cursor, second, third string }{
		"moment": {"now() AS v", "v", "v = now()", "v = now()"},
		"text":   {"1::numeric AS v", "v", "v = 99", "v = 100"}, // numeric without a limit lands as VARCHAR
		"day":    {"current_date - 1 AS v", "v", "v = current_date", "v = current_date"},
	} {
		t.Run(name, func(t *testing.T) {
			server := testserver.NewPostgres(t, testserver.Options{})
			p := newPGProject(t, server, "CREATE TABLE c AS SELECT i AS id, 1 AS version, repeat(chr(97 + i % 26), 1900) AS fill, "+c.table+` FROM generate_series(1, 20000) AS i;
ALTER TABLE c ADD PRIMARY KEY (id), ALTER v SET NOT NULL; CREATE INDEX ON c (v, id)`, "{ name: public.c, mode: incremental, key: [id], cursor: v, page_rows: 5000, lookback: 1s, deletes: hard }")
			p.pass()
			succeeded(t, run(t, engine(t, p.dir)))
			p.exec("UPDATE c SET version = 4, " + c.second)
			p.pass()
			e := engine(t, p.dir)
			around(e, func(s extract.Source) extract.Source {
				return &disturbed{Source: s, at: 6, happens: func() {
					if err := server.Restart(testserver.Immediate); err != nil {
						t.Error(err)
					}
					p.exec("UPDATE c SET version = 3, " + c.third + "; DELETE FROM c WHERE id <= 10")
				}}
			})
			succeeded(t, run(t, e))
			if got := fmt.Sprint(query(t, e, "SELECT version, count(*) FROM erp.c GROUP BY ALL ORDER BY ALL")); got != "[[3 19990]]" {
				t.Errorf("versions and rows: %s", got)
			}
		})
	}
}

// TestWrongKey: a table whose rows are mostly merged away is not published in place of the one that had them.
func TestWrongKey(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), "CREATE TABLE c AS SELECT i AS id, i % 3 AS shop, now() - interval '1 hour' AS at FROM generate_series(1, 100) AS i",
		"{ name: public.c, mode: incremental, key: [id], cursor: at }")
	succeeded(t, run(t, engine(t, p.dir)))
	p.reads("{ name: public.c, mode: incremental, key: [shop], cursor: at }")
	e := engine(t, p.dir)
	s := step(t, run(t, e), "erp.c")
	mentions(t, s.Error, "from 100 rows to 3", "max_shrink")
	if got := fmt.Sprint(query(t, e, "SELECT count(*) FROM erp.c")); got != "[[100]]" {
		t.Errorf("published are %s", got)
	}
}
