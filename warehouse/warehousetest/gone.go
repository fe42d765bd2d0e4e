package warehousetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/warehouse"
)

// none is an input that is there and empty; "" is one that is not there.
const none = "none"

// round is one merge of a script. Landed is a list of values (id, at, v), Present and Deleted of ids.
type round struct {
	landed, present, deleted string
	mark                     bool
	want                     string // the equations, without those of no interest and the terms that are zero
	rows                     string // id, at, v, and the number of the round that marked the row
}

// runLatest: rows of one moment replace what is published, whatever their cursors are.
func runLatest(t *testing.T, open warehouse.Open) {
	for _, c := range []struct {
		name   string
		latest bool
		rounds []round
	}{
		{"same cursor, greater row", true, []round{
			{landed: "(1, 5, 'a'), (2, 5, 'a')", rows: "1 5 a, 2 5 a"},
			{landed: "(1, 5, 'b')", want: "landed 1 = updated 1; changed 1 = updated 1; published 2 = before 2", rows: "1 5 b, 2 5 a"}}},
		{"same cursor, smaller row", true, []round{
			{landed: "(1, 5, 'b'), (2, 5, 'a')", rows: "1 5 b, 2 5 a"},
			{landed: "(1, 5, 'a')", want: "landed 1 = updated 1; changed 1 = updated 1; published 2 = before 2", rows: "1 5 a, 2 5 a"},
			{landed: "(1, 5, NULL)", want: "landed 1 = updated 1; changed 1 = updated 1; published 2 = before 2", rows: "1 5 <nil>, 2 5 a"}}},
		{"cursor set back", true, []round{
			{landed: "(1, 5, 'b'), (2, 5, 'a'), (3, 5, 'a')", rows: "1 5 b, 2 5 a, 3 5 a"},
			{landed: "(1, 4, 'b'), (2, NULL, 'a'), (3, 6, 'a')", want: "landed 3 = updated 3; changed 3 = updated 3; published 3 = before 3", rows: "1 4 b, 2 <nil> a, 3 6 a"},
			{landed: "(2, 1, 'a')", want: "landed 1 = updated 1; changed 1 = updated 1; published 3 = before 3", rows: "1 4 b, 2 1 a, 3 6 a"}}},
		{"no cursor there on both sides", true, []round{
			{landed: "(1, NULL, 'b'), (2, NULL, 'b')", rows: "1 <nil> b, 2 <nil> b"},
			{landed: "(1, NULL, 'a'), (2, NULL, 'b')", want: "landed 2 = updated 1 + unchanged 1; changed 1 = updated 1; published 2 = before 2", rows: "1 <nil> a, 2 <nil> b"}}},
		{"nothing changed", true, []round{
			{landed: "(1, 5, 'b'), (2, NULL, NULL)", rows: "1 5 b, 2 <nil> <nil>"},
			{landed: "(2, NULL, NULL), (1, 5, 'b')", want: "landed 2 = unchanged 2; changed 0 =; published 2 = before 2", rows: "1 5 b, 2 <nil> <nil>"}}},
		{"among landed rows the greatest wins", true, []round{
			{landed: "(1, 5, 'c')", rows: "1 5 c"},
			{landed: "(1, 3, 'a'), (1, 4, 'a'), (1, 4, 'b'), (1, 2, 'z')", want: "landed 4 = updated 1 + superseded 3; changed 1 = updated 1; published 1 = before 1", rows: "1 4 b"}}},
		{"not latest", false, []round{
			{landed: "(1, 5, 'b'), (2, 5, 'b'), (3, 5, 'b')", rows: "1 5 b, 2 5 b, 3 5 b"},
			{landed: "(1, 5, 'a'), (2, 5, 'c'), (3, 4, 'c')", want: "landed 3 = updated 1 + superseded 2; changed 1 = updated 1; published 3 = before 3", rows: "1 5 b, 2 5 c, 3 5 b"}}},
	} {
		for _, cursor := range []string{"TIMESTAMP", "DATE"} {
			t.Run(c.name+"/"+cursor, func(t *testing.T) {
				script(t, open, warehouse.MergeInput{Latest: c.latest, Cursor: "at"}, cursor, c.rounds)
			})
		}
	}
}

// runKeySets: rows whose key the source has not any more go, and keys that never landed are seen.
func runKeySets(t *testing.T, open warehouse.Open) {
	for _, c := range []struct {
		name   string
		rounds []round
	}{
		{"first version", []round{
			{landed: "(1, 1, 'a'), (2, 1, 'a')", present: "(1), (2), (3), (3)", want: "landed 2 = inserted 2; published 2 = inserted 2; present 4 = found 2 + missed 2; missed 1", rows: "1 1 a, 2 1 a"}}},
		{"on the base, on deltas, then again", []round{
			{landed: "(1, 1, 'a'), (2, 1, 'a'), (3, 1, 'a'), (4, 1, 'a')", rows: "1 1 a, 2 1 a, 3 1 a, 4 1 a"},
			{landed: "(2, 2, 'b'), (5, 2, 'b')", present: "(1), (2), (2), (5), (3)", want: "landed 2 = inserted 1 + updated 1; before 4 = kept 3 + deleted 1; changed 2 = inserted 1 + updated 1; published 4 = before 4 + inserted 1 − deleted 1; present 5 = found 5", rows: "1 1 a, 2 2 b, 3 1 a, 5 2 b"},
			{present: "(1), (5)", want: "landed 0 =; before 4 = kept 2 + deleted 2; changed 0 =; published 2 = before 4 − deleted 2; present 2 = found 2", rows: "1 1 a, 5 2 b"},
			{landed: "(4, 1, 'c')", present: "(1), (4)", want: "landed 1 = inserted 1; before 2 = kept 1 + deleted 1; changed 1 = inserted 1; published 2 = before 2 + inserted 1 − deleted 1; present 2 = found 2", rows: "1 1 a, 4 1 c"}}},
		{"all go, and come back", []round{
			{landed: "(1, 1, 'a'), (2, 1, 'a')", rows: "1 1 a, 2 1 a"},
			{present: none, want: "landed 0 =; before 2 = deleted 2; changed 0 =; published 0 = before 2 − deleted 2; present 0 ="},
			{present: none, want: "landed 0 =; before 0 =; changed 0 =; published 0 =; present 0 ="},
			{landed: "(1, 1, 'a')", present: "(1)", want: "landed 1 = inserted 1; before 0 =; changed 1 = inserted 1; published 1 = inserted 1; present 1 = found 1", rows: "1 1 a"}}},
		{"none go, keys missed, keys without a key", []round{
			{landed: "(1, 1, 'a'), (2, 1, 'a')", rows: "1 1 a, 2 1 a"},
			{present: "(1), (2), (7), (NULL), (8), (7)", want: "landed 0 =; before 2 = kept 2; changed 0 =; published 2 = before 2; present 6 = found 2 + missed 3 + keyless 1; missed 2", rows: "1 1 a, 2 1 a"}}},
		{"landed counts as present, deleted as absent", []round{
			{landed: "(1, 1, 'a'), (2, 1, 'a'), (3, 1, 'a')", rows: "1 1 a, 2 1 a, 3 1 a"},
			{landed: "(1, 2, 'b')", present: "(2)", deleted: "(1), (2), (2), (9)", want: "landed 1 = updated 1; before 3 = kept 1 + deleted 2; changed 1 = updated 1; published 1 = before 3 − deleted 2; present 1 = missed 1; missed 1", rows: "1 2 b"}}},
		{"deleted alone", []round{
			{landed: "(1, 1, 'a'), (2, 1, 'a')", rows: "1 1 a, 2 1 a"},
			{landed: "(1, 2, 'a')", deleted: "(1), (2)", want: "landed 1 = updated 1; before 2 = kept 1 + deleted 1; changed 1 = updated 1; published 1 = before 2 − deleted 1", rows: "1 2 a"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			script(t, open, warehouse.MergeInput{Latest: true, Cursor: "at"}, "TIMESTAMP", c.rounds)
		})
	}
	t.Run("composite and narrow keys", func(t *testing.T) { compositeKeySet(t, open) })
	t.Run("refusals", func(t *testing.T) { refusedKeySets(t, open) })
}

// runMarks: rows that are gone stay, with the moment at which that was seen.
func runMarks(t *testing.T, open warehouse.Open) {
	first := round{landed: "(1, 5, 'a'), (2, 5, 'a'), (3, 5, 'a')", mark: true, rows: "1 5 a, 2 5 a, 3 5 a"}
	gone := round{present: "(2)", mark: true, want: "landed 0 =; before 3 = kept 1 + marked 2; changed 2 = marked 2; published 3 = before 3; present 1 = found 1", rows: "1 5 a gone 2, 2 5 a, 3 5 a gone 2"}
	for _, c := range []struct {
		name     string
		anyOrder bool // not only with Latest
		rounds   []round
	}{
		{"again gone", true, []round{first, gone,
			{present: "(2)", mark: true, want: "landed 0 =; before 3 = kept 3; changed 0 =; published 3 = before 3; present 1 = found 1", rows: "1 5 a gone 2, 2 5 a, 3 5 a gone 2"},
			{present: none, mark: true, want: "landed 0 =; before 3 = kept 2 + marked 1; changed 1 = marked 1; published 3 = before 3; present 0 =", rows: "1 5 a gone 2, 2 5 a gone 4, 3 5 a gone 2"}}},
		{"back with the same cursor and row, or another row", true, []round{first, gone,
			{landed: "(1, 5, 'a'), (3, 5, 'Z')", present: "(1), (2), (3)", mark: true, want: "landed 2 = updated 2; before 3 = kept 3; changed 2 = updated 2; published 3 = before 3; present 3 = found 3", rows: "1 5 a, 2 5 a, 3 5 Z"}}},
		{"back with a newer cursor, or an older one, and gone again", true, []round{first, gone,
			{landed: "(1, 6, 'a'), (3, 4, 'b')", present: "(1), (2), (3)", mark: true, want: "landed 2 = updated 2; before 3 = kept 3; changed 2 = updated 2; published 3 = before 3; present 3 = found 3", rows: "1 6 a, 2 5 a, 3 4 b"},
			{landed: "(1, 7, 'b')", present: "(1), (2)", mark: true, want: "landed 1 = updated 1; before 3 = kept 2 + marked 1; changed 2 = updated 1 + marked 1; published 3 = before 3; present 2 = found 2", rows: "1 7 b, 2 5 a, 3 4 b gone 4"}}},
		{"back, but the cursor does not see it", true, []round{first, gone,
			{present: "(1), (1), (2)", mark: true, want: "landed 0 =; before 3 = kept 3; changed 0 =; published 3 = before 3; present 3 = found 1 + missed 2; missed 1", rows: "1 5 a gone 2, 2 5 a, 3 5 a gone 2"}}},
		{"a table from before the mark", true, []round{
			{landed: "(1, 5, 'a'), (2, 5, 'a')", rows: "1 5 a, 2 5 a"},
			{landed: "(2, 5, 'a')", mark: true, want: "landed 1 = unchanged 1; changed 0 =; published 2 = before 2", rows: "1 5 a, 2 5 a"},
			{present: "(2)", mark: true, want: "landed 0 =; before 2 = kept 1 + marked 1; changed 1 = marked 1; published 2 = before 2; present 1 = found 1", rows: "1 5 a gone 3, 2 5 a"},
			{landed: "(1, 5, 'a'), (2, 5, 'a')", present: "(1), (2)", mark: true, want: "landed 2 = updated 1 + unchanged 1; before 2 = kept 2; changed 1 = updated 1; published 2 = before 2; present 2 = found 2", rows: "1 5 a, 2 5 a"}}},
		{"said to be deleted", true, []round{first,
			{landed: "(3, 6, 'b')", deleted: "(1), (3)", mark: true, want: "landed 1 = updated 1; before 3 = kept 2 + marked 1; changed 2 = updated 1 + marked 1; published 3 = before 3", rows: "1 5 a gone 2, 2 5 a, 3 6 b"}}},
		{"then deleted for good", false, []round{first, gone,
			{landed: "(1, 5, 'a')", present: "(1), (2)", want: "landed 1 = updated 1; before 3 = kept 2 + deleted 1; changed 1 = updated 1; published 2 = before 3 − deleted 1; present 2 = found 2", rows: "1 5 a, 2 5 a"}}},
	} {
		for i, in := range []warehouse.MergeInput{{Latest: true, Cursor: "at"}, {Latest: true}, {Cursor: "at"}, {}} {
			if i > 0 && testing.Short() {
				break
			}
			if in.Latest || c.anyOrder {
				t.Run(fmt.Sprintf("%s/latest=%v,cursor=%s", c.name, in.Latest, in.Cursor), func(t *testing.T) { script(t, open, in, "TIMESTAMP", c.rounds) })
			}
		}
	}
	t.Run("columns", func(t *testing.T) { markColumn(t, open) })
}

// script runs the rounds, with folding and with deltas.
func script(t *testing.T, open warehouse.Open, in warehouse.MergeInput, cursor string, rounds []round) {
	b := start(t, open)
	values := func(what, from, columns string) []warehouse.File {
		switch from {
		case "":
			return nil
		case none:
			return []warehouse.File{b.write("SELECT " + what + " FROM (VALUES (0)) AS t(id) WHERE id = 1")}
		}
		return []warehouse.File{b.write("SELECT " + what + " FROM (VALUES " + from + ") AS t(" + columns + ")")}
	}
	for _, small := range []int64{1, 1 << 30} {
		var prev *warehouse.Version
		for i, r := range rounds {
			in.Name, in.Prev, in.Key, in.Dir, in.SmallBytes, in.DeltaShare = orders, prev, []string{"ID"}, b.folder(), small, 100
			in.Landed = values(fmt.Sprintf("CAST(id AS BIGINT) AS id, CAST(DATE '2025-01-01' + CAST(day AS INTEGER) AS %s) AS at, CAST(v AS VARCHAR) AS v", cursor), r.landed, "id, day, v")
			in.Present, in.HasPresent, in.Deleted = values("id", r.present, "id"), r.present != "", values("id", r.deleted, "id")
			if r.present == none && small == 1 {
				in.Present = nil
			}
			if in.Mark, in.MarkedAt = "", (time.Time{}); r.mark {
				in.Mark, in.MarkedAt = "gone_at", markedAt(i+1)
			}
			out, err := warehouse.Merge(b.Context(), b.w, in)
			if err != nil {
				t.Fatal(err)
			}
			b.checkFolder(in.Dir, out)
			if got := account(out); r.want != "" && got != r.want {
				t.Errorf("small %d, round %d: %s\nwant %s", small, i+1, got, r.want)
			}
			if got := b.marked(out.Version); got != r.rows {
				t.Errorf("small %d, round %d: %s\nwant %s", small, i+1, got, r.rows)
			}
			if out.Get("changed", "changed")+out.Get("published", "deleted") == 0 && prev != nil && len(out.Written) > 0 {
				t.Errorf("small %d, round %d: nothing changed, but %v was written", small, i+1, out.Written)
			}
			prev = &out.Version
		}
	}
}

func markedAt(round int) time.Time {
	return time.Date(2025, 1, 1, 0, round, 0, 123456000, time.UTC)
}

// account is what a merge says of its rows, in short.
func account(r *warehouse.MergeResult) string {
	var out []string
	for _, e := range r.Equations {
		if e.Name == "upserts" {
			continue
		}
		left, _, _ := strings.Cut(e.String(), " = ")
		for i, t := range slices.DeleteFunc(slices.Clone(e.Terms), func(t warehouse.Term) bool { return t.Rows == 0 }) {
			sign := map[bool]string{true: " −", false: " +"}[t.Minus]
			if i == 0 {
				left, sign = left+" =", ""
			}
			left += fmt.Sprintf("%s %s %d", sign, t.Name, t.Rows)
		}
		if !strings.Contains(left, "=") {
			left += " ="
		}
		out = append(out, left)
	}
	if r.Missed > 0 {
		out = append(out, fmt.Sprintf("missed %d", r.Missed))
	}
	return strings.Join(out, "; ")
}

// marked are the rows of a version as its readers see them.
func (b *bench) marked(v warehouse.Version) string {
	b.Helper()
	if err := b.w.Expose(b.Context(), v); err != nil {
		b.Fatal(err)
	}
	r, err := b.w.Query(b.Context(), "SELECT id, CAST(t.at AS DATE) - DATE '2025-01-01', v, "+b.markOf(v)+" FROM erp.orders AS t ORDER BY ALL")
	if err != nil {
		b.Fatal(err)
	}
	if int64(len(r.Rows)) != v.Rows {
		b.Errorf("a reader counts %d rows, the version says %d", len(r.Rows), v.Rows)
	}
	var out []string
	for _, row := range r.Rows {
		text := fmt.Sprintf("%v %v %v", row[0], row[1], row[2])
		if n := b.roundOf(row[3]); n > 0 {
			text += fmt.Sprintf(" gone %d", n)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// markOf is an expression for the mark of a version's rows, roundOf the round that its value stands for.
func (b *bench) markOf(v warehouse.Version) string {
	b.Helper()
	last := v.Columns[len(v.Columns)-1]
	if last.Name != "gone_at" {
		return "NULL"
	}
	if last.Type != "TIMESTAMP WITH TIME ZONE" {
		b.Errorf("the mark is a %s", last.Type)
	}
	return "date_diff('microsecond', TIMESTAMPTZ '2025-01-01 00:00:00+00', gone_at)"
}

func (b *bench) roundOf(value any) int {
	b.Helper()
	us, ok := value.(int64)
	if !ok {
		return 0
	}
	at := markedAt(0).Truncate(time.Second).Add(time.Duration(us) * time.Microsecond)
	if !at.Equal(markedAt(at.Minute())) {
		b.Errorf("marked at %v", at)
	}
	return at.Minute()
}

func compositeKeySet(t *testing.T, open warehouse.Open) {
	b := start(t, open)
	rows := b.write("SELECT i::BIGINT AS id, CAST(CASE i % 2 WHEN 0 THEN 'x' ELSE 'y' END AS ENUM('x', 'y')) AS part, (i // 10)::HUGEINT AS n FROM range(100) t(i)")
	columns := []warehouse.Column{{Name: "id", Type: "BIGINT"}, {Name: "part", Type: "ENUM('x', 'y')"}, {Name: "n", Type: "HUGEINT"}}
	in := warehouse.MergeInput{Name: orders, Landed: []warehouse.File{rows}, Columns: columns, Key: []string{"n", "id", "part"}, Dir: b.folder()}
	first, err := warehouse.Merge(b.Context(), b.w, in)
	if err != nil {
		t.Fatal(err)
	}
	// the columns in another order and case, one more, a NULL in a part of the key, and keys that differ in one part
	const present = "SELECT 'more' AS more, part AS PART, n::HUGEINT AS n, id::UTINYINT AS ID FROM (%s) AS t(id, part, n)"
	in.Prev, in.Landed, in.HasPresent, in.Dir = &first.Version, nil, true, b.folder()
	in.Present = []warehouse.File{b.write(fmt.Sprintf(present, "VALUES (4, 'x', 0), (5, 'y', 0), (6, 'y', 0), (7, NULL, 0), (8, 'x', 1)")), b.write(fmt.Sprintf(present, "VALUES (99, 'y', 9), (5, 'y', 0)"))}
	out, err := warehouse.Merge(b.Context(), b.w, in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := account(out), "landed 0 =; before 100 = kept 3 + deleted 97; changed 0 =; published 3 = before 100 − deleted 97; present 7 = found 4 + missed 2 + keyless 1; missed 2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := b.w.Expose(b.Context(), out.Version); err != nil {
		t.Fatal(err)
	}
	if got := b.text("SELECT id, part FROM erp.orders ORDER BY id"); got != "[[4 x] [5 y] [99 y]]" {
		t.Error(got)
	}
}

// refusedKeySets: what would make rows look gone is refused before anything is compared.
func refusedKeySets(t *testing.T, open warehouse.Open) {
	b := start(t, open)
	merge := func(change func(*warehouse.MergeInput)) (*warehouse.MergeResult, error) {
		in := warehouse.MergeInput{Name: orders, Key: []string{"id"}, Dir: b.folder()}
		change(&in)
		return warehouse.Merge(b.Context(), b.w, in)
	}
	first, err := merge(func(in *warehouse.MergeInput) {
		in.Landed = []warehouse.File{b.write("SELECT 1::INTEGER AS id, 'a' AS v")}
	})
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*warehouse.MergeInput){
		`key set: there is no column "id"`: func(in *warehouse.MergeInput) { in.Present = []warehouse.File{b.write("SELECT 1 AS idd")} },
		`key set: column "id": type INTEGER has become VARCHAR`: func(in *warehouse.MergeInput) {
			in.Present = []warehouse.File{b.write("SELECT '1' AS id")}
		},
		"a mark needs its time": func(in *warehouse.MergeInput) { in.Mark = "gone_at" },
		`column "v" is to mark`: func(in *warehouse.MergeInput) { in.Mark, in.MarkedAt = "V", markedAt(1) },
		`column "at" cannot mark`: func(in *warehouse.MergeInput) {
			in.Landed = []warehouse.File{b.write("SELECT 1::INTEGER AS id, TIMESTAMPTZ '2025-01-01 00:00:00+00' AS at")}
			in.Cursor, in.Mark, in.MarkedAt = "at", "at", markedAt(1)
		},
		"delete+insert takes no": func(in *warehouse.MergeInput) { in.Strategy, in.HasPresent = warehouse.DeleteInsert, true },
	} {
		_, err := merge(func(in *warehouse.MergeInput) { in.Prev = &first.Version; change(in) })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
	// a key that has become wider is no reason to refuse, nor to round
	out, err := merge(func(in *warehouse.MergeInput) {
		in.Prev, in.Present = &first.Version, []warehouse.File{b.write("SELECT 5000000000 AS id UNION ALL SELECT 1")}
	})
	if err != nil || out.Missed != 1 || out.Version.Rows != 1 {
		t.Error(out, err)
	}
}

// markColumn: the mark is the last column even where new ones come after it, and there although nothing is marked.
func markColumn(t *testing.T, open warehouse.Open) {
	b := start(t, open)
	for _, small := range []int64{1, 1 << 30} {
		var prev *warehouse.Version
		for i, c := range []struct{ sql, mark, columns string }{
			{"SELECT 1 AS id, 'a' AS v", "", "id v"},
			{"SELECT 1 AS id, 'a' AS v", "Gone_At", "id v Gone_At"},
			{"SELECT 1 AS id, 'b' AS v, 1 AS fresh", "gone_at", "id v fresh Gone_At"},
			{"SELECT 2 AS id, 'b' AS v", "gone_at", "id v fresh Gone_At"},
		} {
			in := warehouse.MergeInput{Name: orders, Prev: prev, Landed: []warehouse.File{b.write(c.sql)}, Key: []string{"id"}, Dir: b.folder(), SmallBytes: small, DeltaShare: 100, Mark: c.mark, HasPresent: c.mark != ""}
			if c.mark != "" {
				in.MarkedAt = markedAt(i)
			}
			out, err := warehouse.Merge(b.Context(), b.w, in)
			if err != nil {
				t.Fatal(err)
			}
			prev = &out.Version
			var names []string
			for _, c := range prev.Columns {
				names = append(names, c.Name)
			}
			if got := strings.Join(names, " "); got != c.columns {
				t.Errorf("%s, want %s", got, c.columns)
			}
		}
		if err := b.w.Expose(b.Context(), *prev); err != nil {
			t.Fatal(err)
		}
		if got := b.text("SELECT id, v, fresh, gone_at IS NULL FROM erp.orders ORDER BY id"); got != "[[1 b 1 false] [2 b <nil> true]]" {
			t.Error(got)
		}
	}
}

// runGoneLosesNothing: a row that gets lost on the way of gone rows, or of those of one moment, is noticed.
func runGoneLosesNothing(t *testing.T, open warehouse.Open) {
	for _, c := range []struct {
		stage string
		mark  bool
		small int64
	}{
		{"deletes-keys", false, 1}, {"deletes-keys", false, 1 << 30}, {"base-folded", false, 1 << 30}, {"upserts-folded", false, 1},
		{"scratch-gone", true, 1}, {"scratch-gone", true, 1 << 30}, {"upserts-marked", true, 1}, {"upserts-marked", true, 1 << 30},
		{"base-folded", true, 1 << 30}, {"upserts-folded", true, 1},
		{"scratch-decisions", true, 1}, {"scratch-ties", true, 1}, {"upserts-changes", true, 1},
	} {
		t.Run(fmt.Sprintf("%s/mark=%v,small=%d", c.stage, c.mark, c.small), func(t *testing.T) {
			b := start(t, open)
			var prev *warehouse.Version
			merge := func(w warehouse.Warehouse, landed, present string) (*warehouse.MergeResult, error) {
				in := warehouse.MergeInput{Name: orders, Prev: prev, Landed: []warehouse.File{b.write(landed)}, Key: []string{"id"}, Cursor: "at", Latest: true, Dir: b.folder(), SmallBytes: c.small, DeltaShare: 100}
				if present != "" {
					in.Present = []warehouse.File{b.write(present)}
				}
				if c.mark {
					in.Mark, in.MarkedAt = "gone_at", markedAt(1)
				}
				return warehouse.Merge(b.Context(), w, in)
			}
			rows := "SELECT i AS id, DATE '2025-01-01' AS at, '%s' AS v FROM range(%d, %d) t(i)"
			for _, sql := range []string{fmt.Sprintf(rows, "a", 0, 100), fmt.Sprintf(rows, "b", 50, 60)} {
				r, err := merge(b.w, sql, "")
				if err != nil {
					t.Fatal(err)
				}
				prev = &r.Version
			}
			landed, present := fmt.Sprintf(rows, "a", 40, 70)+" UNION ALL "+fmt.Sprintf(rows, "n", 100, 105), "SELECT i AS id FROM range(5, 95) t(i)"
			w := &leaky{Warehouse: b.w, part: c.stage}
			r, err := merge(w, landed, present)
			if !w.hit {
				t.Fatal("the stage was not visited")
			}
			if !errors.Is(err, warehouse.ErrUnbalanced) {
				t.Errorf("err = %v, %v", err, r)
			}
			if r, err := merge(b.w, landed, present); err != nil {
				t.Errorf("without a leak: %v", err)
			} else if got := account(r); !strings.HasPrefix(got, "landed 35 = inserted 5 + updated 10 + unchanged 20; before 100 = kept 90 + ") {
				t.Error(got)
			}
		})
	}
}
