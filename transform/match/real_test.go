package match

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/duckdb"
)

// labelledFolder is a folder of labelled sets.
func labelledFolder(t testing.TB, set string) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join(matchingData(), set))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("the labelled set %s is not there: set MILLRACE_MATCHING_DATA to the folder of the sets (%v)", set, err)
	}
	return folder
}

// real is a labelled set as records: the texts of a file as they are, each in lower case.
func real(t testing.TB, set, from string, columns ...string) (*Plan, *Records) {
	t.Helper()
	folder := labelledFolder(t, set)
	dir := t.TempDir()
	db, err := duckdb.Open(context.Background(), duckdb.Config{Dirs: []string{dir, folder}, Temp: filepath.Join(dir, "spill")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p := &Plan{Entity: set, Sources: []Source{{Name: "a"}, {Name: "b"}}}
	var list strings.Builder
	for i, c := range columns {
		fmt.Fprintf(&list, `, nullif(trim(lower(%s::VARCHAR)), '') AS c%d`, c, i)
		p.Columns = append(p.Columns, Column{Name: fmt.Sprint("c", i)})
	}
	path := filepath.Join(dir, "records.parquet")
	sql := fmt.Sprintf(`COPY (SELECT row_number() OVER (ORDER BY source, key) - 1 AS _rec, source::SMALLINT AS _source, key::VARCHAR AS _key,
		NULL::TIMESTAMP AS _updated_at, 0::UBIGINT AS _hash%s FROM (%s) ORDER BY _rec) TO '%s' (FORMAT parquet)`,
		list.String(), strings.ReplaceAll(from, "DIR", folder), path)
	if err := db.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
	for i := range columns {
		p.Comparisons = append(p.Comparisons, realComparison(i))
	}
	r, err := ReadRecords(context.Background(), path, p)
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

func realComparison(c int) Comparison {
	own := []int{c}
	return Comparison{Name: fmt.Sprint("c", c), Columns: own, Levels: []Level{
		{"", Exact, own, 0}, {"", JaroWinkler, own, 0.92}, {"", Cosine3, own, 0.8},
		{"", OSA, own, 1}, {"", Levenshtein, own, 2}, {"", TokenSet, own, 0.6}, {"", JaroWinkler, own, 0.8}, {"", Cosine, own, 0.5},
		{"", Contains, own, 2}, {"", Cosine3, own, 0.3}, {"", OSA, own, 4}, {"", JaroWinkler, own, 0.6}}}
}

var realSets = []struct {
	set, from string
	columns   []string
	pairs     int // to be compared with the reference, which takes its time
}{
	{"historical_a", "SELECT *, 0 AS source, unique_id AS key FROM 'DIR/historical_a.parquet'",
		[]string{"full_name", "first_name", "surname", "dob", "birth_place", "postcode_fake", "occupation"}, 3000},
	{"dblp_acm", `SELECT *, 0 AS source, id AS key FROM read_csv('DIR/dblp.csv', delim='%', all_varchar=true) UNION ALL BY NAME
		SELECT *, 1 AS source, id AS key FROM read_csv('DIR/acm.csv', delim='%', all_varchar=true)`,
		[]string{"title", "authors", "venue", "year"}, 2000},
	{"abt_buy", `SELECT *, 0 AS source, id AS key FROM read_csv('DIR/abt.csv', delim='|', all_varchar=true) UNION ALL BY NAME
		SELECT *, 1 AS source, id AS key FROM read_csv('DIR/buy.csv', delim='|', all_varchar=true)`,
		[]string{"name", "description", "price"}, 700},
	{"febrl3", "SELECT *, 0 AS source, rec_id AS key FROM read_csv('DIR/dataset3.csv', all_varchar=true, normalize_names=true)",
		[]string{"given_name", "surname", "address_1", "suburb", "postcode", "date_of_birth", "soc_sec_id"}, 3000},
}

// TestLevelsOfRealRecords compares pairs by chance, and pairs that share a value of a column, with the reference.
func TestLevelsOfRealRecords(t *testing.T) {
	for _, c := range realSets {
		t.Run(c.set, func(t *testing.T) {
			p, r := real(t, c.set, c.from, c.columns...)
			m, f := mustEngine(t, Config{}, p, r), NewReference(p, r)
			random := rand.New(rand.NewPCG(1, 2))
			for range c.pairs {
				a := random.IntN(r.N)
				b := random.IntN(r.N)
				if col := &r.Columns[random.IntN(len(r.Columns))]; random.IntN(2) == 0 && !col.Null(a) {
					for k := range 5000 {
						if other := (b + k) % r.N; other != a && col.Codes[other] == col.Codes[a] {
							b = other
							break
						}
					}
				}
				a, b = min(a, b), max(a, b)
				if got, want := m.Pattern(uint32(a), uint32(b)), f.Pattern(a, b); got != want {
					t.Fatal(difference(p, r, a, b, got, want))
				}
			}
		})
	}
}

// TestNearestOfRealRecords finds the records nearest to some by looking at all.
func TestNearestOfRealRecords(t *testing.T) {
	c := realSets[2]
	p, r := real(t, c.set, "SELECT * FROM ("+c.from+") WHERE id::INTEGER < 300", c.columns...)
	p.Sources[0].DuplicateFree, p.Sources[1].DuplicateFree = true, true
	for grams, least := range map[int]int{0: 100, 3: 300} {
		p.Rules = []Rule{{Name: "near", Similar: &Similar{Columns: []int{0, 2}, Grams: grams, Top: 5, Floor: 0.25}}}
		m := mustEngine(t, Config{Threads: 2}, p, r)
		want := map[[2]uint32]bool{}
		for _, pair := range plainNearest(p, r, p.Rules[0].Similar) {
			want[pair] = true
		}
		edges, err := m.Edges(context.Background(), nil, func(_, _ uint32, _ Pattern) (float64, Verdict, bool) { return 0, Match, true })
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range edges {
			if !want[[2]uint32{e.A, e.B}] {
				t.Errorf("%d and %d are a pair", e.A, e.B)
			}
		}
		if len(edges) != len(want) || len(want) < least {
			t.Errorf("grams %d: %d pairs, not %d", grams, len(edges), len(want))
		}
	}
}
