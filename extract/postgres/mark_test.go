package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// TestMarkClockSetBack: rows that are written after the clock was set back bear times that were read already.
func TestMarkClockSetBack(t *testing.T) {
	t.Parallel()
	incremental := stream("t", extract.Incremental, by("at", "id"))
	appends := stream("t", extract.Append, by("at"))
	f := newFixture(t, few, incremental, appends)
	for name, change := range map[string]func(*database.Mark){
		"by hand":                func(m *database.Mark) { m.At = m.At.Add(time.Hour) },
		"and forward, by a jump": func(m *database.Mark) { m.Ahead += time.Hour },
	} {
		for _, st := range []extract.Stream{incremental, appends} {
			t.Run(name+"/"+string(st.Mode), func(t *testing.T) {
				m := newMerged()
				if err := m.Poll(t.Context(), f.open, st); err != nil {
					t.Fatal(err)
				}
				mark := mustMark(t, m.Since)
				change(&mark)
				m.Since = mark.Cursor()
				f.exec("INSERT INTO t (nonce, at) SELECT 1, max(at) - interval '30 minutes' FROM t")
				err := m.Poll(t.Context(), f.open, st)
				if st.Mode == extract.Append {
					if err == nil {
						t.Fatal("rows of an append stream were read, though no one can know which came already")
					}
					mentions(t, err.Error()+advice(err), "set back", "at", "state set")
					mark.At, mark.Ahead = time.Time{}, 0 // as state set does
					m.Since = mark.Cursor()
					if err := m.Poll(t.Context(), f.open, st); err != nil {
						t.Fatal(err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if notes := strings.Join(m.Notes, "; "); !regexp.MustCompile(`set back by about (1h|59m\d+s)`).MatchString(notes) {
					t.Errorf("%q does not tell that the clock was set back by an hour", notes)
				}
				m.Same(t, f.whole(st))
			})
		}
	}
}

func advice(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return " (" + hinted.Hint() + ")"
	}
	return ""
}

// TestMarkLocalTime: where clocks go back in autumn, local times come twice. No time may be below the edge that can
// still come.
func TestMarkLocalTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "SELECT 1")
	for _, c := range []struct{ edge, zone, want string }{
		{"2026-11-01 04:30:00+00", "America/New_York", "2026-11-01 00:30:00"}, // before
		{"2026-11-01 05:30:00+00", "America/New_York", "2026-11-01 01:00:00"}, // 01:30 for the first time
		{"2026-11-01 05:59:59.9+00", "America/New_York", "2026-11-01 01:00:00"},
		{"2026-11-01 06:30:00+00", "America/New_York", "2026-11-01 01:30:00"}, // for the second
		{"2026-03-08 06:59:59+00", "America/New_York", "2026-03-08 01:59:59"}, // spring
		{"2026-03-08 07:00:00+00", "America/New_York", "2026-03-08 03:00:00"},
		{"2026-04-04 14:45:00+00", "Australia/Lord_Howe", "2026-04-05 01:30:00"}, // back by half an hour, from 02:00
		{"2026-10-25 00:59:00+00", "Europe/Berlin", "2026-10-25 02:00:00"},
		{"2026-10-31 03:30:00+00", "America/Havana", "2026-10-30 23:30:00"},
		{"2026-11-01 04:30:00+00", "America/Havana", "2026-11-01 00:00:00"}, // 01:00 becomes 00:00
		{"2026-07-01 12:00:00.123456+00", "UTC", "2026-07-01 12:00:00.123456"},
	} {
		var edge time.Time
		if err := f.db.QueryRow(t.Context(), "SELECT $1::text::timestamptz", c.edge).Scan(&edge); err != nil {
			t.Fatal(err)
		}
		got, err := localEdge(t.Context(), f.db, edge, c.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s in %s: the edge is %s, not %s", c.edge, c.zone, got, c.want)
		}
		var earlier int
		if err := f.db.QueryRow(t.Context(), "SELECT count(*) FROM generate_series($1::timestamptz, $1::timestamptz + interval '30 days', '1 minute') AS t WHERE t AT TIME ZONE $2 < $3::text::timestamp", edge, c.zone, got).Scan(&earlier); err != nil {
			t.Fatal(err)
		}
		if earlier != 0 {
			t.Errorf("%s in %s: %d minutes after it are before %s", c.edge, c.zone, earlier, got)
		}
	}
}

// TestMarkZone: the zone of a cursor without one is the database's, whatever the environment of ours says, and a change of
// it shows.
func TestMarkZone(t *testing.T) {
	t.Setenv("PGTZ", "Pacific/Kiritimati") // 14 hours ahead: all rows would seem to be old enough
	st := stream("t", extract.Incremental, by("at", "id"))
	f := newFixture(t, "CREATE TABLE t (id bigserial PRIMARY KEY, nonce bigint, at timestamp NOT NULL)", st)
	name := f.db.Config().Database
	f.exec("ALTER DATABASE " + name + " SET timezone = 'America/New_York'")
	f.db = connect(t, f.url)
	f.exec("SET timezone = 'America/New_York'; INSERT INTO t (nonce, at) SELECT i, now() - interval '1 hour' FROM generate_series(1, 10) AS i")
	m := newMerged()
	poll := func() {
		t.Helper()
		if err := m.Poll(t.Context(), f.open, st); err != nil {
			t.Fatal(err)
		}
	}
	poll()
	var young string // no row that comes after it has begun is old enough, however slow the machine is
	slow := connect(t, f.url)
	if _, err := slow.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if err := slow.QueryRow(t.Context(), "SELECT max(at)::text FROM t").Scan(&young); err != nil {
		t.Fatal(err)
	}
	f.exec("INSERT INTO t (nonce, at) VALUES (1, now())")
	poll()
	if mark := mustMark(t, m.Since); mark.Value != young {
		t.Errorf("the mark is at %s, not at %s: it goes by another clock than the database", mark.Value, young)
	}
	if err := slow.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(margin + 100*time.Millisecond)
	poll()
	f.exec("ALTER DATABASE " + name + " SET timezone = 'America/Los_Angeles'; SET timezone = 'America/Los_Angeles'; INSERT INTO t (nonce, at) VALUES (2, now())")
	poll()
	mentions(t, strings.Join(m.Notes, "; "), "set back")
	m.Same(t, f.whole(st))
}

// TestMarkTies: thousands of rows with one timestamp, in pages of ten, each once.
func TestMarkTies(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Incremental, by("at", "id", "part"), option(func(o *database.StreamOptions) { o.PageRows = 40 }))
	f := newFixture(t, `CREATE TABLE t (id text, part numeric(8,2), at timestamptz NOT NULL, PRIMARY KEY (id, part)); CREATE INDEX ON t (at, id, part);
INSERT INTO t SELECT 'ä' || i % 7, i / 4.0, '2024-01-01' FROM generate_series(1, 2000) AS i;
INSERT INTO t VALUES ('old', 0, '2023-01-01')`, st)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "2023-06-01", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := landAll(t.Context(), src, st, w)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, row := range l.Rows {
		seen[row[0]+"|"+row[1]] = true
	}
	if len(l.Rows) != 2000 || len(seen) != 2000 || l.Parts < 50 {
		t.Errorf("%d rows, %d different ones, in %d parts", len(l.Rows), len(seen), l.Parts)
	}
}

// TestMarkNulls: rows without a cursor are read in every run, whether an index finds them or not, and never by append.
func TestMarkNulls(t *testing.T) {
	t.Parallel()
	for name, index := range map[string]string{"indexed": "CREATE INDEX ON t (at, id)", "not indexed": "SELECT 1"} {
		t.Run(name, func(t *testing.T) {
			st := stream("t", extract.Incremental, by("at", "id"), option(func(o *database.StreamOptions) { o.PageRows = 7 }))
			st.Deletes = true
			f := newFixture(t, `CREATE TABLE t (id bigserial PRIMARY KEY, nonce bigint, at timestamptz); `+index+`;
INSERT INTO t (nonce, at) SELECT i, CASE WHEN i % 3 > 0 THEN now() - i * interval '1 minute' END FROM generate_series(1, 60) AS i`, st)
			m := newMerged()
			for i, change := range []string{"SELECT 1", "UPDATE t SET nonce = -nonce WHERE at IS NULL", "UPDATE t SET at = now(), nonce = 5 WHERE id IN (3, 4)", "UPDATE t SET at = NULL, nonce = 6 WHERE id = 7", "DELETE FROM t WHERE id IN (6, 8)", "SELECT 1"} {
				f.exec(change)
				if err := m.Poll(t.Context(), f.open, st); err != nil {
					t.Fatal(err)
				}
				if lost, stale, extra := m.Compare(f.whole(st)); len(lost)+len(stale)+len(extra) > 0 {
					t.Errorf("after %q, run %d: lost %v, stale %v, too many %v", change, i, lost, stale, extra)
				}
			}
			_, err := f.mustOpen().Window(t.Context(), stream("t", extract.Append, by("at")), "", nil)
			if err == nil {
				t.Fatal("an append stream leaves rows without a cursor out")
			}
			mentions(t, err.Error()+advice(err), "NULL", "mode: append", "incremental")
		})
	}
}

// TestMarkResume: pages are read on by another source, as after a crash, while rows change and the table is rewritten.
func TestMarkResume(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Incremental, by("at", "id"), option(func(o *database.StreamOptions) { o.PageRows = 50 }))
	f := newFixture(t, few, st)
	m := newMerged()
	if err := m.Poll(t.Context(), f.open, st); err != nil {
		t.Fatal(err)
	}
	f.exec("INSERT INTO t (nonce) SELECT i FROM generate_series(1, 500) AS i")
	time.Sleep(margin + 100*time.Millisecond)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, m.Since, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, next := &landed{}, ""
	for i := 0; i == 0 || next != ""; i++ {
		out, err := l.Part(t.Context(), src, st, w, w.Slices[0], next)
		if err != nil {
			t.Fatal(err)
		}
		next = out.Next
		if i%3 > 0 {
			continue
		}
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
		f.exec(fmt.Sprintf("UPDATE t SET nonce = -%d, at = clock_timestamp() WHERE id %% 7 = %d; INSERT INTO t (nonce) VALUES (%[1]d)", i, i%7))
		f.exec("VACUUM FULL t")
		src = f.mustOpen()
		fixed := journaled(t, w)
		if w, err = src.Window(t.Context(), st, m.Since, fixed); err != nil {
			t.Fatal(err)
		}
		if w != fixed {
			t.Fatal("pages in the order of the cursor hold in any snapshot, and were given up")
		}
	}
	if l.Parts < 8 {
		t.Errorf("only %d parts", l.Parts)
	}
	for _, slice := range w.Slices[1:] { // what has changed since, which the cursor counts on when this takes long
		for next, first := "", true; first || next != ""; first = false {
			out, err := l.Part(t.Context(), src, st, w, slice, next)
			if err != nil {
				t.Fatal(err)
			}
			next = out.Next
		}
	}
	m.Take(w, l)
	time.Sleep(margin + 100*time.Millisecond)
	if err := m.Poll(t.Context(), f.open, st); err != nil {
		t.Fatal(err)
	}
	m.Same(t, f.whole(st))
}

// trees are tables of some hundred pages in three shapes.
var trees = map[string]string{
	"table":       `CREATE TABLE t (id bigserial, nonce bigint, at timestamptz NOT NULL DEFAULT now(), fill text DEFAULT repeat('x', 500))`,
	"partitioned": `CREATE TABLE t (id bigserial, nonce bigint, at timestamptz NOT NULL DEFAULT now(), fill text DEFAULT repeat('x', 500)) PARTITION BY HASH (id); CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
	"inherited":   `CREATE TABLE t (id bigserial, nonce bigint, at timestamptz NOT NULL DEFAULT now(), fill text DEFAULT repeat('x', 500)); CREATE TABLE t0 () INHERITS (t)`,
}

// fillTree puts rows into them, half of them into the child that is inherited from t.
func fillTree(name string) string {
	fill := "INSERT INTO t (nonce, at) SELECT i, now() - interval '1 hour' FROM generate_series(1, 3000) AS i; ANALYZE t"
	if name == "inherited" {
		fill = "INSERT INTO t (nonce, at) SELECT i, now() - interval '1 hour' FROM generate_series(1, 1500) AS i; INSERT INTO t0 (nonce, at) SELECT i, now() - interval '1 hour' FROM generate_series(1, 1500) AS i; ANALYZE t"
	}
	return fill
}

// smallRanges cuts tables of the tests into several ranges.
func smallRanges(t *testing.T) {
	full, incremental := fullRange, incrementalRange
	fullRange, incrementalRange = 256<<10, 256<<10
	t.Cleanup(func() { fullRange, incrementalRange = full, incremental })
}

// TestMarkFirstLoad: the ranges of a first load of append are read on in a later snapshot, while rows come; not when the
// table was rewritten, after which its pages hold other rows. Those of incremental begin anew.
func TestMarkFirstLoad(t *testing.T) {
	smallRanges(t)
	for name, table := range trees {
		for _, mode := range []extract.Mode{extract.Incremental, extract.Append} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				st := stream("t", mode, by("at", "id"))
				if mode == extract.Append {
					st.Key = nil
				}
				f := newFixture(t, table+"; "+fillTree(name), st)
				src := f.mustOpen()
				w, err := src.Window(t.Context(), st, "", nil)
				if err != nil {
					t.Fatal(err)
				}
				if len(w.Slices) < 3 {
					t.Fatalf("%d slices", len(w.Slices))
				}
				l := &landed{}
				for _, slice := range w.Slices[:2] {
					if _, err := l.Part(t.Context(), src, st, w, slice, ""); err != nil {
						t.Fatal(err)
					}
				}
				_ = src.Close()
				f.exec("INSERT INTO t (nonce) SELECT -i FROM generate_series(1, 50) AS i")
				if mode == extract.Incremental {
					f.exec("UPDATE t SET nonce = nonce + 10000, at = now() WHERE id % 5 = 0")
				}
				src = f.mustOpen()
				fixed := journaled(t, w)
				if w, err = src.Window(t.Context(), st, "", fixed); err != nil {
					t.Fatal(err)
				}
				rest := 2
				switch {
				case mode == extract.Append && w != fixed:
					t.Fatal("the ranges were given up, though the table was not rewritten")
				case mode == extract.Incremental && w == fixed:
					t.Fatal("ranges are read on in a later snapshot, though rows move")
				case mode == extract.Incremental:
					if _, err := l.Part(t.Context(), src, st, fixed, fixed.Slices[2], ""); !errors.Is(err, extract.ErrChanged) {
						t.Errorf("a range of the earlier snapshot: %v, want ErrChanged", err)
					}
					l, rest = &landed{}, 0
				}
				for _, slice := range w.Slices[rest:] {
					if _, err := l.Part(t.Context(), src, st, w, slice, ""); err != nil {
						t.Fatal(err)
					}
				}
				m := newMerged()
				m.Take(w, l)
				time.Sleep(margin + 200*time.Millisecond)
				if err := m.Poll(t.Context(), f.open, st); err != nil {
					t.Fatal(err)
				}
				m.Same(t, f.whole(st))
				for row, n := range m.Times {
					if mode == extract.Append && n != 1 {
						t.Fatalf("%.40s… was read %d times", row, n)
					}
				}
				_ = src.Close()
				f.exec("VACUUM FULL " + map[string]string{"table": "t", "partitioned": "t1", "inherited": "t0"}[name])
				again, err := f.mustOpen().Window(t.Context(), st, "", journaled(t, fixed))
				if err != nil {
					t.Fatal(err)
				}
				if again.Slices[0].Spec == fixed.Slices[0].Spec {
					t.Error("ranges of pages are read on after VACUUM FULL has moved the rows")
				}
				old := f.mustOpen()
				if _, err := l.Part(t.Context(), old, st, fixed, fixed.Slices[1], ""); !errors.Is(err, extract.ErrChanged) {
					t.Errorf("a range of a rewritten table: %v, want ErrChanged", err)
				}
			})
		}
	}
}

// TestMarkFirstLoadMoved: a row that is updated without its cursor moves into a page that was read already.
func TestMarkFirstLoadMoved(t *testing.T) {
	smallRanges(t)
	st := stream("t", extract.Incremental, by("at", "id"))
	f := newFixture(t, `CREATE TABLE t (id bigint PRIMARY KEY, note text, at timestamptz NOT NULL); CREATE INDEX ON t (at, id);
INSERT INTO t SELECT i, repeat('x', 200), '2024-01-01'::timestamptz + i * interval '1 s' FROM generate_series(1, 5000) AS i`, st)
	f.exec("DELETE FROM t WHERE id <= 500")
	f.exec("VACUUM ANALYZE t")
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &landed{}
	if _, err := l.Part(t.Context(), src, st, w, w.Slices[0], ""); err != nil {
		t.Fatal(err)
	}
	_ = src.Close()
	f.exec("UPDATE t SET note = 'mended by hand' WHERE id BETWEEN 4000 AND 4009")
	src = f.mustOpen()
	fixed, rest := journaled(t, w), 1
	if w, err = src.Window(t.Context(), st, "", fixed); err != nil {
		t.Fatal(err)
	}
	if w != fixed { // as the engine does
		l, rest = &landed{}, 0
	}
	for _, slice := range w.Slices[rest:] {
		if _, err := l.Part(t.Context(), src, st, w, slice, ""); err != nil {
			t.Fatal(err)
		}
	}
	m := newMerged()
	m.Take(w, l)
	if err := m.Poll(t.Context(), f.open, st); err != nil {
		t.Fatal(err)
	}
	m.Same(t, f.whole(st))
}

// TestMarkNotFinite: NaN and the infinities are greater, or less, than all that comes. They do not move the mark, and are
// read in every run.
func TestMarkNotFinite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ column, plain, odd string }{
		"numeric":     {"numeric", "100", "('NaN'), ('Infinity'), ('-Infinity')"},
		"timestamptz": {"timestamptz", "now() - interval '1 hour'", "('infinity'), ('-infinity'), (NULL)"},
		"date":        {"date", "current_date - 3", "('infinity'), ('-infinity'), (NULL)"},
	} {
		for _, index := range []string{"", "; CREATE INDEX ON t (at, id)"} {
			t.Run(name+index, func(t *testing.T) {
				t.Parallel()
				st := stream("t", extract.Incremental, by("at", "id"))
				f := newFixture(t, "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, nonce int, at "+c.column+"); CREATE SEQUENCE s OWNED BY t.at"+index, st)
				f.exec("INSERT INTO t (nonce, at) VALUES (1, " + c.plain + "); INSERT INTO t (at) VALUES " + c.odd)
				m := newMerged()
				poll := func() {
					t.Helper()
					if err := m.Poll(t.Context(), f.open, st); err != nil {
						t.Fatal(err)
					}
					mentions(t, strings.Join(m.Notes, "; "), "at is NaN or infinite", "every run")
					if name != "date" { // which lands no infinity
						m.Same(t, f.whole(st))
					}
				}
				poll()
				first := mustMark(t, m.Since).Value
				f.exec("UPDATE t SET nonce = 7 WHERE nonce IS NULL")
				poll()
				f.exec("INSERT INTO t (nonce, at) VALUES (2, " + c.plain + " + " + map[string]string{"numeric": "1", "timestamptz": "interval '1 minute'", "date": "1"}[name] + ")")
				poll()
				if now := mustMark(t, m.Since).Value; first == "" || now == first || strings.Contains(strings.ToLower(first+now), "n") {
					t.Errorf("the mark went from %q to %q", first, now)
				}
				st.Mode, st.Key = extract.Append, nil
				f.streams = []extract.Stream{st}
				_, err := f.mustOpen().Window(t.Context(), st, "", nil)
				if err == nil {
					t.Fatal("append would leave rows out")
				}
				mentions(t, err.Error()+advice(err), "NaN or infinite", "incremental")
				st.Mode, st.Key = extract.Incremental, []string{"id"}
				f.streams = []extract.Stream{st}
				_, err = f.mustOpen().Window(t.Context(), st, database.Mark{Value: "infinity"}.Cursor(), nil)
				if err == nil {
					t.Fatal("a mark that nothing passes ends the stream without a word")
				}
				mentions(t, err.Error()+advice(err), "infinity", "state reset")
			})
		}
	}
}

// TestMarkByHand: a person sets the cursor.
func TestMarkByHand(t *testing.T) {
	t.Parallel()
	byMoment := stream("t", extract.Incremental, by("at", "id"))
	byNumber := stream("t", extract.Append, by("id"))
	byDay, byLocal := stream("t", extract.Incremental, by("day", "id")), stream("t", extract.Incremental, by("local", "id"))
	byAhead := stream("t", extract.Incremental, by("ahead", "id"))
	f := newFixture(t, few, byMoment, byNumber, byDay, byLocal, byAhead)
	f.exec("ALTER TABLE t ADD day date, ADD local timestamp, ADD ahead timestamptz NOT NULL DEFAULT '2024-01-01'; UPDATE t SET ahead = '2999-01-02' WHERE id = 1; UPDATE t SET at = '2024-01-01'::timestamptz + id * interval '1 day'; UPDATE t SET day = at, local = at")
	for _, c := range []struct {
		st    extract.Stream
		since string
		rows  int
		words []string
	}{
		{st: byMoment, since: "2024-01-06", rows: 5}, {st: byMoment, since: "2024-01-06 00:00:00+00", rows: 5}, {st: byNumber, since: "4", rows: 6},
		{st: byDay, since: "2024-01-06", rows: 5}, {st: byLocal, since: "2024-01-06", rows: 5},
		{st: byDay, since: "2999-01-01", words: []string{"no moment of the past"}}, {st: byLocal, since: "2999-01-01", words: []string{"no moment of the past"}},
		{st: byMoment, since: "yesterday-ish", words: []string{`"yesterday-ish"`, "at", "timestamptz", "state reset"}},
		{st: byMoment, since: "2999-01-01", words: []string{"2999-01-01", "no moment of the past", "would never be read"}},
		{st: byAhead, since: "2999-01-01", rows: 1}, {st: byAhead, since: "2999-01-03", words: []string{"no moment of the past"}}, // there are rows until then
		{st: byMoment, since: `{"value":"yesterday","at":"2026-01-01T00:00:00Z"}`, words: []string{"no moment of the past"}}, // changed, or made up
		{st: byLocal, since: "2024-01-06 00:00:00+02", words: []string{"no plain value of local", "without a zone"}}, {st: byDay, since: "2024-01-06+02", words: []string{"no plain value of day"}},
		{st: byLocal, since: "2024-01-06T00:00", rows: 5}, {st: byMoment, since: "12:00 yesterday", words: []string{"no moment of the past"}},
		{st: byNumber, since: "11", words: []string{"beyond the greatest", "10"}}, {st: byNumber, since: "10", rows: 0},
		{st: byMoment, since: "yesterday", words: []string{"yesterday", "no moment of the past"}},
		{st: byMoment, since: "now", words: []string{"no moment of the past"}},
		{st: byMoment, since: "17", words: []string{`"17"`, "at"}},
		{st: byNumber, since: "2024-01-01", words: []string{`"2024-01-01"`, "id", "int8"}},
		{st: byNumber, since: `{"value": 4`, words: []string{"cursor"}},
		{st: byMoment, since: "x'; DROP TABLE t; --", words: []string{"DROP TABLE", "no value of at"}},
	} {
		src := f.mustOpen()
		w, err := src.Window(t.Context(), c.st, extract.Cursor(c.since), nil)
		if len(c.words) > 0 {
			if err == nil {
				t.Errorf("%s: no error", c.since)
				continue
			}
			mentions(t, err.Error()+advice(err), c.words...)
			if _, err := src.Window(t.Context(), byMoment, "", nil); err != nil {
				t.Errorf("after %v the snapshot is of no more use: %v", c.since, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.since, err)
			continue
		}
		l, err := landAll(t.Context(), src, c.st, w)
		if err != nil || len(l.Rows) != c.rows {
			t.Errorf("%s: %d rows of %d, %v", c.since, len(l.Rows), c.rows, err)
		}
	}
}

// TestMarkFullLapses: the window of a full stream ends with the session that held its snapshot.
func TestMarkFullLapses(t *testing.T) {
	t.Parallel()
	st := stream("t", extract.Full)
	f := newFixture(t, few, st)
	first := f.mustOpen()
	w, err := first.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := first.Window(t.Context(), st, "", w); err != nil || same != w {
		t.Errorf("in one session the window changes: %v", err)
	}
	second := f.mustOpen()
	fixed := journaled(t, w)
	fresh, err := second.Window(t.Context(), st, "", fixed)
	if err != nil || fresh == fixed || fresh.AsOf.ID == w.AsOf.ID {
		t.Errorf("another session goes on with the window of the first: %v", err)
	}
	if _, err := (&landed{}).Part(context.Background(), second, st, fixed, fixed.Slices[0], ""); !errors.Is(err, extract.ErrChanged) {
		t.Errorf("a slice of a lapsed window: %v, want ErrChanged", err)
	}
}
