package warehousetest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

// source is a table and its twin as it should be published: a model of all merges in plain Go.
type source struct {
	rng    *rand.Rand
	cursor string
	rows   map[srcKey]srcRow // as the source has them
	twin   map[srcKey]srcRow // as they should be published
}

type srcKey struct {
	id   int
	part string
}

type srcRow struct {
	at   int    // 0: NULL
	v    string // "": NULL
	gone int    // the round that marked it
}

func (s *source) key() srcKey { return srcKey{s.rng.IntN(25), []string{"a", "b"}[s.rng.IntN(2)]} }

func (s *source) row() srcRow {
	return srcRow{at: s.rng.IntN(5), v: []string{"", "x", "y", "z"}[s.rng.IntN(4)]}
}

// change does something to the source and gives what lands of it: the keys, and rows, some twice or with older ones.
func (s *source) change() (keys []srcKey, rows []string) {
	landed := map[srcKey]bool{}
	for range []int{0, 1, 3, 12, 40}[s.rng.IntN(5)] {
		k := s.key()
		switch s.rng.IntN(8) {
		case 0, 1, 2:
			delete(s.rows, k)
			delete(landed, k)
		case 3: // nobody sees it
			s.rows[k] = s.row()
			delete(landed, k)
		case 4: // read again
			if _, ok := s.rows[k]; ok {
				landed[k] = true
			}
		default:
			s.rows[k], landed[k] = s.row(), true
		}
	}
	if s.rng.IntN(12) == 0 {
		clear(s.rows)
		clear(landed)
	}
	keys = slices.SortedFunc(maps.Keys(landed), srcKey.compare)
	for _, k := range keys {
		rows = append(rows, k.sql(s.rows[k]))
		if s.rng.IntN(4) == 0 {
			rows = append(rows, k.sql(s.rows[k]))
		}
		if older := s.rows[k]; s.cursor != "" && older.at > 0 && s.rng.IntN(4) == 0 {
			older.at, older.v = older.at-1, "zz"
			rows = append(rows, k.sql(older))
		}
	}
	return keys, rows
}

// merge does to the twin what Merge is to do to the table, and counts the same.
func (s *source) merge(in *warehouse.MergeInput, landed []srcKey, rows int, deleted map[srcKey]bool, number int) map[string]int64 {
	n := map[string]int64{"landed": int64(rows), "superseded": int64(rows - len(landed))}
	for k, old := range s.twin {
		_, present := s.rows[k]
		switch {
		case slices.Contains(landed, k) || !deleted[k] && (present || !in.HasPresent):
		case in.Mark == "":
			delete(s.twin, k)
			n["deleted"]++
		case old.gone == 0:
			old.gone = number
			s.twin[k] = old
			n["marked"]++
		}
	}
	for _, k := range landed {
		row := s.rows[k]
		old, there := s.twin[k]
		outcome := "updated"
		switch {
		case !there:
			outcome = "inserted"
		case row == old:
			outcome = "unchanged"
		case in.Latest || in.Cursor == "" || old.gone > 0:
		case row.at < old.at || row.at == old.at && row.v < old.v && !in.Later:
			outcome, row = "superseded", old
		}
		s.twin[k] = row
		n[outcome]++
	}
	for k := range s.rows {
		if row, there := s.twin[k]; in.HasPresent && (!there || row.gone > 0) {
			n["missed"]++
		}
	}
	return n
}

func (s *source) String() string {
	var out []string
	for _, k := range slices.SortedFunc(maps.Keys(s.twin), srcKey.compare) {
		row := s.twin[k]
		out = append(out, fmt.Sprintf("%s %d", k.sql(row), row.gone))
	}
	return strings.Join(out, " ")
}

func (k srcKey) compare(o srcKey) int {
	return cmp.Or(cmp.Compare(k.id, o.id), cmp.Compare(k.part, o.part))
}

func (k srcKey) sql(r srcRow) string {
	at, v := "NULL", "NULL"
	if r.at > 0 {
		at = fmt.Sprint(r.at)
	}
	if r.v != "" {
		v = "'" + r.v + "'"
	}
	return fmt.Sprintf("(%d, '%s', %s, %s)", k.id, k.part, at, v)
}

func (k srcKey) keyOnly() string { return fmt.Sprintf("(%d, '%s', 0, '')", k.id, k.part) }

// runModel: random changes of a source, merged one after the other, against their twin in plain Go.
func runModel(t *testing.T, open warehouse.Open) {
	rounds := 18
	if testing.Short() {
		rounds = 6
	}
	for seed, in := range []warehouse.MergeInput{{Cursor: "at", Latest: true}, {Latest: true}, {Cursor: "at"}, {Cursor: "at", Later: true}} {
		for _, mark := range []string{"", "gone_at"} {
			t.Run(fmt.Sprintf("cursor=%s,latest=%v,later=%v,mark=%s", in.Cursor, in.Latest, in.Later, mark), func(t *testing.T) {
				b := start(t, open)
				rng := rand.New(rand.NewPCG(uint64(seed), uint64(len(mark))))
				s := &source{rng: rng, cursor: in.Cursor, rows: map[srcKey]srcRow{}, twin: map[srcKey]srcRow{}}
				in.Name, in.Key, in.SmallBytes, in.Prev = orders, []string{"id", "part"}, 1, nil
				for number := range rounds {
					s.round(b, &in, mark, number+1)
				}
			})
		}
	}
}

// round is one random change, its merge, and the comparison.
func (s *source) round(b *bench, in *warehouse.MergeInput, mark string, number int) {
	b.Helper()
	in.Dir, in.DeltaShare = b.folder(), []float64{0.2, 1, 100}[s.rng.IntN(3)]
	if in.SmallBytes = 1; s.rng.IntN(6) == 0 {
		in.SmallBytes = 1 << 30
	}
	if mark != "" && number > 3 { // the first versions have no such column
		in.Mark, in.MarkedAt = mark, markedAt(number)
	}
	keys, rows := s.change()
	in.Landed = []warehouse.File{s.file(b, rows)}
	in.Present, in.HasPresent = nil, s.rng.IntN(3) > 0
	if in.HasPresent {
		present := slices.SortedFunc(maps.Keys(s.rows), srcKey.compare)
		half := s.rng.IntN(len(present) + 1)
		in.Present = []warehouse.File{s.keyFile(b, present[:half]), s.keyFile(b, present[min(half, 3):])} // some twice
	}
	deleted := map[srcKey]bool{}
	if in.Deleted = nil; s.rng.IntN(4) == 0 {
		for range s.rng.IntN(10) {
			deleted[s.key()] = true
		}
		in.Deleted = []warehouse.File{s.keyFile(b, slices.SortedFunc(maps.Keys(deleted), srcKey.compare))}
	}
	out, err := warehouse.Merge(b.Context(), b.w, *in)
	if err != nil {
		b.Fatalf("round %d: %v", number, err)
	}
	b.checkFolder(in.Dir, out)
	want := s.merge(in, keys, len(rows), deleted, number)
	got := map[string]int64{"missed": out.Missed, "deleted": out.Get("published", "deleted"), "marked": out.Get("changed", "marked")}
	for _, term := range []string{"landed", "inserted", "updated", "unchanged", "superseded"} {
		got[term] = out.Get("landed", term)
	}
	for term, n := range got {
		if n != want[term] {
			b.Errorf("round %d: %d %s, want %d", number, n, term, want[term])
		}
	}
	if got := s.read(b, out.Version); got != s.String() {
		b.Fatalf("round %d:\n got %s\nwant %s", number, got, s)
	}
	in.Prev = &out.Version
}

func (s *source) file(b *bench, rows []string) warehouse.File {
	b.Helper()
	from := "(VALUES " + strings.Join(append(rows, "(NULL, 'a', 0, 'a')"), ", ") + ") AS t(id, part, day, v) WHERE id IS NOT NULL"
	return b.write("SELECT id::BIGINT AS id, part, DATE '2025-01-01' + CAST(day AS INTEGER) AS at, v FROM " + from)
}

func (s *source) keyFile(b *bench, keys []srcKey) warehouse.File {
	b.Helper()
	var rows []string
	for _, k := range keys {
		rows = append(rows, k.keyOnly())
	}
	from := "(VALUES " + strings.Join(append(rows, "(NULL, 'a', 0, 'a')"), ", ") + ") AS t(id, part, day, v) WHERE id IS NOT NULL"
	return b.write("SELECT part, id::SMALLINT AS id FROM " + from)
}

// read is the version in the words of String.
func (s *source) read(b *bench, v warehouse.Version) string {
	b.Helper()
	if err := b.w.Expose(b.Context(), v); err != nil {
		b.Fatal(err)
	}
	r, err := b.w.Query(b.Context(), "SELECT id, part, CAST(t.at AS DATE) - DATE '2025-01-01', v, "+b.markOf(v)+" FROM erp.orders AS t ORDER BY id, part")
	if err != nil {
		b.Fatal(err)
	}
	if int64(len(r.Rows)) != v.Rows {
		b.Errorf("a reader counts %d rows, the version says %d", len(r.Rows), v.Rows)
	}
	var out []string
	for _, row := range r.Rows {
		var got srcRow
		if at, ok := row[2].(int64); ok {
			got.at = int(at)
		}
		got.v, _ = row[3].(string)
		got.gone = b.roundOf(row[4])
		id, _ := row[0].(int64)
		part, _ := row[1].(string)
		out = append(out, fmt.Sprintf("%s %d", srcKey{int(id), part}.sql(got), got.gone))
	}
	return strings.Join(out, " ")
}
