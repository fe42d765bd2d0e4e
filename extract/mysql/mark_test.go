package mysql

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/database"
)

// few is the table of the tests that follow one change each.
var few = []string{
	"CREATE TABLE t (id BIGINT PRIMARY KEY AUTO_INCREMENT, nonce BIGINT, at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), KEY (at, id)) ENGINE=InnoDB",
	"INSERT INTO t (nonce, at) SELECT seq, NOW(6) - INTERVAL 1 HOUR FROM seq_1_to_10",
}

func (f *fixture) exec(statements ...string) {
	f.t.Helper()
	mustExec(f.t, f.db, statements...)
}

// run polls once, which must succeed.
func (f *fixture) run(m *merged, st extract.Stream) {
	f.t.Helper()
	if err := m.Poll(f.t.Context(), f.open, st); err != nil {
		f.t.Fatal(err)
	}
}

// told is an error with its advice.
func told(err error) string {
	if err == nil {
		return "no error"
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return err.Error() + " (" + hinted.Hint() + ")"
	}
	return err.Error()
}

func mustMark(t *testing.T, c extract.Cursor) database.Mark {
	t.Helper()
	m, err := database.ParseMark(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func pages(rows int) func(*extract.Stream) {
	return option(func(o *database.StreamOptions) { o.PageRows = rows })
}

// TestMarkClockSetBack: rows that are written after the clock was set back bear times that were read already.
func TestMarkClockSetBack(t *testing.T) {
	for name, change := range map[string]func(*database.Mark){
		"by hand":                func(m *database.Mark) { m.At = m.At.Add(time.Hour) },
		"and forward, by a jump": func(m *database.Mark) { m.Ahead += time.Hour },
		"end of summer":          func(m *database.Mark) { m.Offset += time.Hour },
	} {
		incremental := stream("t", extract.Incremental, by("at", "id"))
		appends := stream("t", extract.Append, by("at"))
		f := newFixture(t, few, incremental, appends)
		for _, st := range []extract.Stream{incremental, appends} {
			m := newMerged()
			f.run(m, st)
			mark := mustMark(t, m.Since)
			change(&mark)
			m.Since = mark.Cursor()
			f.exec("INSERT INTO t (nonce, at) SELECT 1, MAX(at) - INTERVAL 30 MINUTE FROM t")
			err := m.Poll(t.Context(), f.open, st)
			if st.Mode == extract.Append {
				mentions(t, told(err), "set back", "at", "state set")
				mark.At, mark.Ahead, mark.Offset = time.Time{}, 0, 0 // as state set does
				m.Since = mark.Cursor()
				f.run(m, st)
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			// Less than the hour by what went by since the read before, on a busy machine.
			if notes := strings.Join(m.Notes, "; "); !regexp.MustCompile(`set back by about (1h|59m\d+s)`).MatchString(notes) {
				t.Errorf("%s: %q does not say that the clock was set back by an hour", name, notes)
			}
			m.Same(t, f.whole(st))
		}
	}
}

// TestMarkNulls: rows without a cursor are read in every run, whether an index finds them or not, and never by append.
func TestMarkNulls(t *testing.T) {
	for name, index := range map[string]string{"indexed": "CREATE INDEX i ON t (at, id)", "not indexed": "DO 1"} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			st := stream("t", extract.Incremental, by("at", "id"), pages(7))
			st.Deletes = true
			f := newFixture(t, []string{"CREATE TABLE t (id BIGINT PRIMARY KEY AUTO_INCREMENT, nonce BIGINT, at DATETIME(6)) ENGINE=InnoDB", index,
				"INSERT INTO t (nonce, at) SELECT seq, IF(seq % 3 > 0, NOW(6) - INTERVAL seq MINUTE, NULL) FROM seq_1_to_60"}, st)
			m := newMerged()
			for i, change := range []string{"DO 1", "UPDATE t SET nonce = -nonce WHERE at IS NULL", "UPDATE t SET at = NOW(6), nonce = 5 WHERE id IN (3, 4)", "UPDATE t SET at = NULL, nonce = 6 WHERE id = 7", "DELETE FROM t WHERE id IN (6, 8)", "DO 1"} {
				f.exec(change)
				f.run(m, st)
				if lost, stale, extra := m.Compare(f.whole(st)); len(lost)+len(stale)+len(extra) > 0 {
					t.Errorf("after %q, run %d: lost %v, stale %v, too many %v", change, i, lost, stale, extra)
				}
			}
			_, err := f.mustOpen().Window(t.Context(), stream("t", extract.Append, by("at")), "", nil)
			mentions(t, told(err), "NULL", "mode: append", "incremental")
		})
	}
}

// TestMarkResume: pages of changes are read on by another source, as after a crash, while rows change and the table is
// rewritten.
func TestMarkResume(t *testing.T) {
	st := stream("t", extract.Incremental, by("at", "id"), pages(50))
	st.Deletes = true
	f := newFixture(t, few, st)
	m := newMerged()
	f.run(m, st)
	f.exec("INSERT INTO t (nonce, at) SELECT seq, NOW(6) - INTERVAL 10 MINUTE + INTERVAL seq DIV 20 SECOND FROM seq_1_to_500") // ties across pages
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, m.Since, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, next := &reading{}, ""
	for i := 0; i == 0 || next != ""; i++ {
		out, err := l.Part(t.Context(), src, st, w, w.Slices[0], next)
		if err != nil {
			t.Fatal(err)
		}
		if next = out.Next; i%3 > 0 {
			continue
		}
		_ = src.Close()
		f.exec(fmt.Sprintf("UPDATE t SET nonce = -%d, at = NOW(6) WHERE id %% 7 = %d", i, i%7), fmt.Sprintf("INSERT INTO t (nonce) VALUES (%d)", i), fmt.Sprintf("DELETE FROM t WHERE id %% 11 = %d", i), "ALTER TABLE t FORCE")
		src = f.mustOpen()
		fixed := journaled(t, w)
		if w, err = src.Window(t.Context(), st, m.Since, fixed); err != nil {
			t.Fatal(err)
		}
		if w != fixed {
			t.Fatal("pages in the order of the cursor hold in any snapshot, and were given up")
		}
	}
	if _, err := l.Part(t.Context(), src, st, w, w.Slices[1], ""); err != nil {
		t.Fatal(err)
	}
	if l.Parts < 8 {
		t.Errorf("only %d parts", l.Parts)
	}
	m.Take(w, l)
	f.run(m, st)
	m.Same(t, f.whole(st))
}

// TestMarkFirstLoad: a first load in pages of the primary key is read on in a later snapshot, while rows change.
func TestMarkFirstLoad(t *testing.T) {
	for _, mode := range []extract.Mode{extract.Incremental, extract.Append} {
		t.Run(string(mode), func(t *testing.T) { firstLoad(t, mode) })
	}
}

func firstLoad(t *testing.T, mode extract.Mode) {
	st := stream("t", mode, by("at", "id"), pages(50))
	if mode == extract.Append {
		st.Key = nil
	} else {
		st.Deletes = true
	}
	f := newFixture(t, []string{few[0], "INSERT INTO t (nonce, at) SELECT seq, NOW(6) - INTERVAL 600 - seq SECOND FROM seq_1_to_400"}, st)
	src := f.mustOpen()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, next := &reading{}, ""
	for i := 0; i == 0 || next != ""; i++ {
		out, err := l.Part(t.Context(), src, st, w, w.Slices[0], next)
		if err != nil {
			t.Fatal(err)
		}
		next = out.Next
		_ = src.Close()
		f.exec("INSERT INTO t (nonce) VALUES (1)")
		if mode == extract.Incremental {
			f.exec(fmt.Sprintf("UPDATE t SET nonce = nonce + 10000, at = NOW(6) WHERE id %% 5 = %d", i%5), fmt.Sprintf("DELETE FROM t WHERE id %% 13 = %d", i),
				fmt.Sprintf("UPDATE t SET id = id + 5000, at = NOW(6) WHERE id = %d", 399-i), fmt.Sprintf("UPDATE t SET id = -id, at = NOW(6) WHERE id = %d", 350+i))
		}
		src = f.mustOpen()
		fixed := journaled(t, w)
		if w, err = src.Window(t.Context(), st, "", fixed); err != nil || w != fixed {
			t.Fatalf("the pages were given up: %v", err)
		}
	}
	if l.Parts < 7 {
		t.Errorf("only %d parts", l.Parts)
	}
	for _, slice := range w.Slices[1:] { // by which the window was extended
		if _, err := l.Part(t.Context(), src, st, w, slice, ""); err != nil {
			t.Fatal(err)
		}
	}
	m := newMerged()
	m.Take(w, l)
	time.Sleep(margin + 1100*time.Millisecond)
	f.run(m, st)
	m.Same(t, f.whole(st))
	for row, n := range m.Times {
		if mode == extract.Append && n != 1 {
			t.Fatalf("%.40s… was read %d times", row, n)
		}
	}
}

// TestMarkKeys: pages in the order of any key bring each row once, when each is read by another source.
func TestMarkKeys(t *testing.T) {
	texts := []any{"a", "B", "c'd", `e\f`, `\\`, `g"h`, "h`i", "😀", "😁", "ä", "Z", "%", "_", "", "nul\x00x", "line\nend", "x'41'", "naïve", "ss", "日本", "\x1a", "z-", "z--"}
	cases := []struct {
		key    string // columns
		values [][]any
	}{
		{"k VARCHAR(20) COLLATE utf8mb4_general_ci", [][]any{texts}},
		{"k VARCHAR(20) COLLATE utf8mb4_unicode_ci", [][]any{texts}},
		{"k VARCHAR(20) COLLATE utf8mb4_nopad_bin", [][]any{append([]any{"a ", "a  ", "A", "b", "Ä", "Z "}, texts...)}},
		{"k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci", [][]any{{"a", "ä", "ö", "ß", "€", "z", "'", `\`, "é", "n"}}},
		{"k VARCHAR(20) CHARACTER SET ucs2", [][]any{{"a", "ä", "日", "本", "'", `\`, "n"}}},
		{"k CHAR(5)", [][]any{{"a", "b", "", "c'", `\`, "😀", "z z"}}},
		{"k BINARY(4)", [][]any{{[]byte{0, 0, 0, 0}, []byte{0, 0, 0, 1}, []byte("'\\`\x00"), []byte{255, 255, 255, 255}, []byte("a\x00\x00\x00"), []byte{0x80, 0, 0, 0}, []byte("zz\x00\x01")}}},
		{"k VARBINARY(20)", [][]any{{[]byte{}, []byte{0}, []byte{0, 0}, []byte{255}, []byte("a"), []byte("a "), []byte("A")}}},
		{"k DECIMAL(20,3)", [][]any{{"-1.5", "0", "0.001", "-99999999999999999", "99999999999999999.999", "1e5", "7"}}},
		{"k BIGINT UNSIGNED", [][]any{{0, 1, "18446744073709551615", "9223372036854775808", 5, 6, 7}}},
		{"k DATETIME(6)", [][]any{{"2024-01-01", "2024-01-01 00:00:00.000001", "0001-01-01", "9999-12-31 23:59:59.999999", "2024-03-31 02:30:00", "2024-05-05", "2024-05-06"}}},
		{"k TIMESTAMP", [][]any{{"1970-01-01 00:00:01", "2024-10-27 00:30:00", "2024-10-27 01:30:00", "2038-01-19 03:14:07", "2024-01-01", "2024-01-02", "2024-01-03"}}},
		{"k DATE", [][]any{{"0001-01-01", "9999-12-31", "2024-02-29", "2024-03-01", "1582-10-10", "2000-01-01", "2000-01-02"}}},
		{"k VARCHAR(9) COLLATE utf8mb4_general_ci, l DECIMAL(5,2), m BINARY(2)", [][]any{{"a", "B", "ä'"}, {"-1.5", "0", "2.25"}, {[]byte{0, 0}, []byte{0, 255}, []byte("'\\")}}},
		{"k VARCHAR(9) COLLATE utf8mb4_bin, l VARCHAR(9) COLLATE utf8mb4_general_ci, m VARCHAR(9) CHARACTER SET latin1", [][]any{{"a", "A"}, {"x", "é'"}, {"1", "ß", `\`}}},
		{"k ENUM('a', 'b', 'c')", [][]any{{"a", "b", "c"}}}, // is not read in pages
		{"k UUID", [][]any{{"00000000-0000-0000-0000-000000000001", "ffffffff-0000-0000-0000-000000000001", "01234567-89ab-cdef-0123-456789abcdef"}}},
	}
	var statements []string
	var streams []extract.Stream
	for i, c := range cases {
		var names []string
		for _, column := range strings.Split(c.key, ", ") {
			if name, _, _ := strings.Cut(column, " "); name[0] != '\'' {
				names = append(names, name)
			}
		}
		key := strings.Join(names, ", ")
		statements = append(statements, fmt.Sprintf("CREATE TABLE t%d (%s, n INT, at DATETIME(6) NOT NULL, PRIMARY KEY (%s), KEY (at, %[3]s)) ENGINE=InnoDB", i, c.key, key))
		streams = append(streams, stream(fmt.Sprintf("t%d", i), extract.Incremental, by("at", names...), pages(2)))
	}
	f := newFixture(t, statements, streams...)
	for i, c := range cases {
		st := streams[i]
		rows := [][]any{nil}
		for _, column := range c.values {
			var longer [][]any
			for _, row := range rows {
				for _, v := range column {
					longer = append(longer, append(slices.Clone(row), v))
				}
			}
			rows = longer
		}
		for n, row := range rows {
			if _, err := f.db.Exec(fmt.Sprintf("INSERT IGNORE INTO t%d VALUES (?%s, %d, '2024-06-01')", i, strings.Repeat(", ?", len(row)-1), n), row...); err != nil {
				t.Fatalf("%s: %q: %v", c.key, row, err)
			}
		}
		var want int // what a collation takes for one is one
		if err := f.db.QueryRow(fmt.Sprintf("SELECT COUNT(*) FROM t%d", i)).Scan(&want); err != nil || want < 3 {
			t.Fatal(want, err)
		}
		paged := !strings.Contains(c.key, "ENUM") && !strings.Contains(c.key, "UUID")
		for _, since := range []extract.Cursor{"", "2024-05-31"} { // pages of the primary key, and of cursor and key
			src := f.mustOpen()
			w, err := src.Window(t.Context(), st, since, nil)
			if err != nil {
				t.Errorf("%s: %v", c.key, err)
				continue
			}
			l, next := &reading{}, ""
			for first := true; first || next != ""; first = false {
				out, err := l.Part(t.Context(), src, st, w, w.Slices[0], next)
				if err != nil {
					t.Errorf("%s: page after %s: %v", c.key, next, err)
					break
				}
				next = out.Next
				if l.Parts == 2 {
					_ = src.Close()
					src, w = f.mustOpen(), journaled(t, w)
				}
			}
			_ = src.Close()
			seen := map[string]bool{}
			for _, row := range l.Rows {
				seen[row[len(row)-2]] = true
			}
			if len(l.Rows) != want || len(seen) != want {
				t.Errorf("%s since %q: %d rows, %d different ones, of %d", c.key, since, len(l.Rows), len(seen), want)
			}
			if (l.Parts > want/3) != paged {
				t.Errorf("%s since %q: %d parts", c.key, since, l.Parts)
			}
		}
	}
}

// TestMarkByHand: a person sets the cursor.
func TestMarkByHand(t *testing.T) {
	byMoment := stream("t", extract.Incremental, by("at", "id"))
	byNumber := stream("t", extract.Append, by("id"))
	byDay, byAhead := stream("t", extract.Incremental, by("day", "id")), stream("t", extract.Incremental, by("ahead", "id"))
	f := newFixture(t, few, byMoment, byNumber, byDay, byAhead)
	f.exec("ALTER TABLE t ADD day DATE, ADD ahead DATETIME NOT NULL DEFAULT '2024-01-01'")
	f.exec("UPDATE t SET ahead = '2999-01-02' WHERE id = 1")
	f.exec("UPDATE t SET at = '2024-01-01' + INTERVAL id DAY, day = at")
	for _, c := range []struct {
		st    extract.Stream
		since string
		rows  int
		words []string
	}{
		{st: byMoment, since: "2024-01-06", rows: 5}, {st: byMoment, since: "2024-01-06 00:00:00", rows: 5}, {st: byMoment, since: "2024-01-06T00:00:00", rows: 5}, {st: byNumber, since: "4", rows: 6},
		{st: byAhead, since: "2999-01-01", rows: 1}, {st: byAhead, since: "2999-01-03", words: []string{"no moment of the past"}}, // there are rows until then
		{st: byDay, since: "2024-01-06", rows: 5}, {st: byDay, since: "2999-01-01", words: []string{"no moment of the past"}},
		{st: byMoment, since: "yesterday-ish", words: []string{`"yesterday-ish"`, "at", "datetime(6)", "state reset"}},
		{st: byMoment, since: `{"value":"2999-01-01","at":"2026-01-01T00:00:00Z"}`, words: []string{"no moment of the past"}}, // changed, or made up
		{st: byNumber, since: "11", words: []string{"beyond the greatest", "10"}}, {st: byNumber, since: "99999999999999999999999999", words: []string{"beyond the greatest"}}, {st: byNumber, since: "10", rows: 0},
		{st: byMoment, since: "2999-01-01", words: []string{"2999-01-01", "no moment of the past", "would never be read"}},
		{st: byMoment, since: "17", words: []string{`"17"`, "at"}},
		{st: byMoment, since: "0000-00-00 00:00:00", words: []string{"0000-00-00", "at"}},
		{st: byNumber, since: "2024-01-01", words: []string{`"2024-01-01"`, "id", "bigint"}},
		{st: byNumber, since: `{"value": 4`, words: []string{"cursor"}},
		{st: byMoment, since: `x\'; DROP TABLE t; -- `, words: []string{"DROP TABLE", "no value of at"}},
	} {
		src := f.mustOpen()
		w, err := src.Window(t.Context(), c.st, extract.Cursor(c.since), nil)
		if len(c.words) > 0 {
			mentions(t, told(err), c.words...)
			if _, err := src.Window(t.Context(), byMoment, "", nil); err != nil {
				t.Errorf("after %v the snapshot is of no more use: %v", c.since, err)
			}
			_ = src.Close()
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
		_ = src.Close()
	}
}

// TestMarkFullLapses: the window of a full stream ends with the session that held its snapshot.
func TestMarkFullLapses(t *testing.T) {
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
	if _, err := (&reading{}).Part(t.Context(), second, st, fixed, fixed.Slices[0], ""); !errors.Is(err, extract.ErrChanged) {
		t.Errorf("a slice of a lapsed window: %v, want ErrChanged", err)
	}
}

// TestMarkNewColumn: a column that is new has all rows read once, then only those that change.
func TestMarkNewColumn(t *testing.T) {
	st := stream("t", extract.Incremental, by("at", "id"))
	f := newFixture(t, few, st)
	m := newMerged()
	f.run(m, st)
	st.Known = []extract.Column{{Name: "id", Type: "BIGINT"}, {Name: "nonce", Type: "BIGINT"}, {Name: "at", Type: "TIMESTAMP"}}
	f.run(m, st)
	f.exec("ALTER TABLE t ADD COLUMN more INT NOT NULL DEFAULT 7")
	f.run(m, st)
	m.Same(t, f.whole(st))
	mentions(t, strings.Join(m.Notes, "; "), "more", "all rows are read this time")
	st.Known = append(st.Known, extract.Column{Name: "more", Type: "INTEGER"})
	before := m.Read
	f.run(m, st)
	if m.Read != before {
		t.Errorf("%d rows are read again", m.Read-before)
	}
}

// TestMarkWithoutKey: tables without a key are read in full, and appended by their cursor, duplicates and all.
func TestMarkWithoutKey(t *testing.T) {
	full, appends := stream("n", extract.Full), stream("n", extract.Append, by("at"), pages(3))
	f := newFixture(t, []string{"CREATE TABLE n (v INT, at DATETIME NOT NULL) ENGINE=InnoDB", "INSERT INTO n SELECT seq DIV 2, '2024-01-01' + INTERVAL seq DIV 4 DAY FROM seq_1_to_40"}, full, appends)
	for _, st := range []extract.Stream{full, appends} {
		src := f.mustOpen()
		w, err := src.Window(t.Context(), st, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		l, err := landAll(t.Context(), src, st, w)
		if err != nil || len(l.Rows) != 40 {
			t.Errorf("%s: %d rows, %v", st.Mode, len(l.Rows), err)
		}
		if st.Mode == extract.Append {
			f.exec("INSERT INTO n VALUES (1, '2025-01-01'), (1, '2025-01-01')")
			_ = src.Close()
			src = f.mustOpen()
			if w, err = src.Window(t.Context(), st, w.Hi, nil); err != nil {
				t.Fatal(err)
			}
			if l, err = landAll(t.Context(), src, st, w); err != nil || len(l.Rows) != 2 {
				t.Errorf("then %d rows of 2, %v", len(l.Rows), err)
			}
		}
	}
}

// TestMarkZeroDates: the zero date of old tables is no moment to go on from.
func TestMarkZeroDates(t *testing.T) {
	for _, typ := range []string{"DATETIME", "TIMESTAMP(6)", "DATE"} {
		t.Run(strings.Trim(typ, "(6)"), func(t *testing.T) { zeroDates(t, typ) })
	}
}

func zeroDates(t *testing.T, typ string) {
	st := stream("z", extract.Incremental, by("at", "id"))
	f := newFixture(t, []string{"CREATE TABLE z (id INT PRIMARY KEY, at " + typ + " NOT NULL, KEY (at))"}, st)
	conn := testConn(t, f.db)
	mustExec(t, conn, "SET sql_mode = ''", "INSERT INTO z VALUES (1, 0), (2, 0)")
	m := newMerged()
	for i := range 3 {
		src := f.mustOpen()
		w, err := src.Window(t.Context(), st, m.Since, nil)
		if err != nil {
			t.Fatalf("%s, run %d: %v", typ, i, err)
		}
		l, err := landAll(t.Context(), src, st, w)
		if err != nil {
			t.Fatalf("%s, run %d: %v", typ, i, err)
		}
		for _, r := range l.Rejects {
			if r.Reason != reasonZeroDate {
				t.Errorf("%+v", r)
			}
		}
		m.Take(w, l)
		if len(m.Rows) != max(0, i) {
			t.Errorf("%s, run %d: %d rows", typ, i, len(m.Rows))
		}
		_ = src.Close()
		mustExec(t, conn, fmt.Sprintf("INSERT INTO z VALUES (%d, NOW() - INTERVAL %d DAY), (%d, 0)", 10+i, 9-i, 20+i))
	}
}

// TestMarkLocalTime: where clocks go back in autumn, local times come twice. No time may be below the edge that can
// still come.
func TestMarkLocalTime(t *testing.T) {
	for _, c := range []struct{ edge, zone, want string }{
		{"2026-11-01 04:30:00", "America/New_York", "2026-11-01 00:30:00"}, // before
		{"2026-11-01 05:30:00", "America/New_York", "2026-11-01 01:00:00"}, // 01:30 for the first time
		{"2026-11-01 05:59:59.9", "America/New_York", "2026-11-01 01:00:00"},
		{"2026-11-01 06:30:00", "America/New_York", "2026-11-01 01:30:00"}, // for the second
		{"2026-03-08 06:59:59", "America/New_York", "2026-03-08 01:59:59"}, // spring
		{"2026-03-08 07:00:00", "America/New_York", "2026-03-08 03:00:00"},
		{"2026-04-04 14:45:00", "Australia/Lord_Howe", "2026-04-05 01:30:00"}, // back by half an hour, from 02:00
		{"2026-10-25 00:59:00", "Europe/Berlin", "2026-10-25 02:00:00"},
		{"2026-11-01 04:30:00", "America/Havana", "2026-11-01 00:00:00"}, // 01:00 becomes 00:00
		{"2026-07-01 12:00:00.123456", "UTC", "2026-07-01 12:00:00.123456"},
	} {
		edge, err := time.Parse(timeLayout, c.edge)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := localEdge(edge, zone).Format(timeLayout); got != c.want {
			t.Errorf("%s in %s: the edge is %s, not %s", c.edge, c.zone, got, c.want)
		}
	}
}

// TestMarkNothingYet: an append stream without rows shows its columns, and no more, once.
func TestMarkNothingYet(t *testing.T) {
	st := stream("t", extract.Append, by("at"))
	st.Fresh = true
	f := newFixture(t, []string{"CREATE TABLE t (id BIGINT PRIMARY KEY, at DATETIME(6) NOT NULL) ENGINE=InnoDB"}, st)
	src := f.mustOpen()
	defer src.Close()
	w, err := src.Window(t.Context(), st, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := landAll(t.Context(), src, st, w)
	if err != nil || len(w.Slices) != 1 || len(l.Rows) != 0 || w.Hi != "" {
		t.Errorf("%d slices, %d rows, mark %q: %v", len(w.Slices), len(l.Rows), w.Hi, err)
	}
	st.Fresh, st.Known = false, []extract.Column{{Name: "id", Type: "BIGINT"}, {Name: "at", Type: "TIMESTAMP"}}
	if w, err = src.Window(t.Context(), st, "", nil); err != nil || len(w.Slices) != 0 {
		t.Errorf("once it is published: %d slices, %v", len(w.Slices), err)
	}
}
