package match

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/duckdb"
)

// recordsFile has DuckDB write a records file, as standardizing does.
func recordsFile(t testing.TB, sql string) string {
	t.Helper()
	dir := t.TempDir()
	db, err := duckdb.Open(context.Background(), duckdb.Config{Dirs: []string{dir}, Temp: filepath.Join(dir, "spill")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	path := filepath.Join(dir, "records.parquet")
	copying := fmt.Sprintf("COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)", sql, path)
	if err := db.Exec(context.Background(), copying); err != nil {
		t.Fatal(err)
	}
	return path
}

const someRecords = `SELECT i AS _rec, (i // 4000)::SMALLINT AS _source, 'k' || i AS _key, TIMESTAMP '2024-01-01' AS _updated_at,
	hash(i)::UBIGINT AS _hash, %s FROM range(6000) t(i) ORDER BY i`

func readPlan() *Plan {
	return &Plan{Sources: []Source{{Name: "a"}, {Name: "b"}},
		Columns: []Column{{Name: "few", Kind: Text}, {Name: "many", Kind: Text}, {Name: "x", Kind: Number}, {Name: "d", Kind: Date}, {Name: "l", Kind: List}, {Name: "unused", Kind: Text}},
		Rules:   []Rule{{Keys: []int{0, 1}}},
		Comparisons: []Comparison{{Columns: []int{2}, Levels: []Level{{"", Exact, []int{2}, 0}, {"", Days, []int{3}, 1}}},
			{Columns: []int{4}}}}
}

const sixColumns = `CASE WHEN i % 7 > 0 THEN 'v' || i % 3 END AS few, 'm' || i || repeat('é', i % 5) AS many,
	CASE WHEN i % 5 > 0 THEN i / 2 END::DOUBLE AS x, CASE WHEN i % 4 > 0 THEN DATE '1969-12-30' + (i % 9)::INTEGER END AS d,
	CASE WHEN i % 3 > 0 THEN ['b', 'a' || i % 2, 'b'][1:i % 4] END AS l, 'unused' AS unused`

func TestReadRecords(t *testing.T) {
	r, err := ReadRecords(context.Background(), recordsFile(t, fmt.Sprintf(someRecords, sixColumns)), readPlan())
	if err != nil {
		t.Fatal(err)
	}
	if r.N != 6000 || len(r.Hash) != r.N || r.Hash[1] == r.Hash[2] || r.Columns[5].Codes != nil {
		t.Fatalf("%d records, hashes %d, unused %v", r.N, len(r.Hash), r.Columns[5].Codes != nil)
	}
	few, many, x, d, l := &r.Columns[0], &r.Columns[1], &r.Columns[2], &r.Columns[3], &r.Columns[4]
	if few.Dict.Len() != 4 || many.Dict.Len() != 6001 {
		t.Errorf("%d and %d texts", few.Dict.Len(), many.Dict.Len())
	}
	for i := range r.N {
		want := fmt.Sprint("m", i, strings.Repeat("é", i%5))
		if got := many.Dict.At(many.Codes[i]); got != want || many.Null(i) {
			t.Fatalf("record %d has %q, not %q", i, got, want)
		}
		if few.Null(i) != (i%7 == 0) || !few.Null(i) && few.Dict.At(few.Codes[i]) != fmt.Sprint("v", i%3) {
			t.Fatalf("record %d has %q", i, few.Dict.At(few.Codes[i]))
		}
		if x.Null(i) != (i%5 == 0) || !x.Null(i) && x.Numbers[i] != float64(i)/2 {
			t.Fatalf("record %d has %v", i, x.Numbers[i])
		}
		if d.Null(i) != (i%4 == 0) || !d.Null(i) && d.Numbers[i] != float64(i%9-2) {
			t.Fatalf("record %d has day %v", i, d.Numbers[i])
		}
		var entries []string
		for _, c := range l.list(uint32(i)) {
			entries = append(entries, l.Dict.At(c))
		}
		var lists []string
		if i%3 > 0 {
			lists = []string{"b", fmt.Sprint("a", i%2)}[:min(i%4, 2)]
		}
		if fmt.Sprint(asSet(entries)) != fmt.Sprint(asSet(lists)) || len(entries) != len(lists) || int(r.Source[i]) != i/4000 {
			t.Fatalf("record %d of source %d has %v, not %v", i, r.Source[i], entries, lists)
		}
	}
	if math.Signbit(x.Numbers[1]) {
		t.Error("sign")
	}
}

// TestReadRecordsInAnyOrder: what is read does not depend on how the file's rows stand, down to the numbers of texts.
func TestReadRecordsInAnyOrder(t *testing.T) {
	sorted := fmt.Sprintf(someRecords, sixColumns)
	want, err := ReadRecords(context.Background(), recordsFile(t, sorted), readPlan())
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecords(context.Background(), recordsFile(t, strings.Replace(sorted, "ORDER BY i", "ORDER BY hash(i)", 1)), readPlan())
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Columns { // NaN is not equal to itself
		if fmt.Sprint(want.Columns[i].Numbers) != fmt.Sprint(got.Columns[i].Numbers) {
			t.Errorf("numbers of column %d differ", i)
		}
		want.Columns[i].Numbers, got.Columns[i].Numbers = nil, nil
	}
	if !reflect.DeepEqual(want, got) {
		t.Error("another order of rows gives other records")
	}
}

func asSet(texts []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range texts {
		set[s] = true
	}
	return set
}

func TestReadRecordsRefusesOtherFiles(t *testing.T) {
	good := fmt.Sprintf(someRecords, sixColumns)
	for _, c := range []struct{ old, new, want string }{
		{"i AS _rec", "i + 1 AS _rec", "_rec is 6000 in row 5999"},
		{"(i // 4000)", "(i % 2)", "_source is 0 of record 2, after 1"},
		{"i AS _rec", "i // 2 AS _rec", "_rec is 0 in row 1, and in another"},
		{"(i // 4000)", "(i // 2000)", "_source is 2 of record 4000"},
		{"AS many", "AS much", `column 7 is "much", the plan has "many" there`},
		{"::DOUBLE AS x", "::FLOAT AS x", `column "x"`},
		{"::INTEGER END AS d", "::INTEGER END::TIMESTAMP AS d", `column "d"`},
		{", 'unused' AS unused", "", "10 columns, the plan has 11"},
		{"'k' || i AS _key", "i AS _key", "not _key"},
	} {
		sql := strings.Replace(good, c.old, c.new, 1)
		if sql == good {
			t.Fatalf("%q is not in the query", c.old)
		}
		if _, err := ReadRecords(context.Background(), recordsFile(t, sql), readPlan()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.new, err, c.want)
		}
	}
}

// TestDamagedRecords flips bytes everywhere but in the footer: an error or other values, never a crash.
func TestDamagedRecords(t *testing.T) {
	path := recordsFile(t, fmt.Sprintf(someRecords, sixColumns))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for at := 8; at < len(whole)-6000; at += 997 {
		broken := slices.Clone(whole)
		for i := range 4 {
			broken[at+i] ^= 0x55
		}
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRecords(context.Background(), path, readPlan()); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("no damage was noticed")
	}
}

func TestNoRecords(t *testing.T) {
	path := recordsFile(t, strings.Replace(fmt.Sprintf(someRecords, sixColumns), "range(6000)", "range(0)", 1))
	r, err := ReadRecords(context.Background(), path, readPlan())
	if err != nil || r.N != 0 {
		t.Fatalf("%d records: %v", r.N, err)
	}
	m := mustEngine(t, Config{}, readPlan(), r)
	counts, err := m.Count(context.Background(), nil)
	if err != nil || len(counts) != 0 || !reflect.DeepEqual(m.Predict(), []Predicted{{}}) {
		t.Errorf("%v %v %v", counts, err, m.Predict())
	}
	if _, err := m.Sample(context.Background(), 10); err != nil {
		t.Error(err)
	}
}
