package match

import (
	"encoding/csv"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/transform/match/similar"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
	"github.com/millrace/millrace/warehouse/snowflake"
)

// labelled is a table of a set of labelled records, in files beside the project: the test is skipped where they are absent.
func labelled(t *testing.T, file string, comma rune) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(labelledFolder(t, filepath.Dir(file)), filepath.Base(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord, r.TrimLeadingSpace = comma, true, -1, true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// table makes records of texts, column by column; "" is NULL. A number or a date is what its text says.
type table struct {
	columns []Column
	rows    [][]string
	source  []uint8
}

func (m *table) records(t *testing.T) *Records {
	t.Helper()
	r := &Records{N: len(m.rows), Source: m.source, Hash: make([]uint64, len(m.rows))}
	if r.Source == nil {
		r.Source = make([]uint8, len(m.rows))
	}
	for c, column := range m.columns {
		texts, lists, numbers := make([]*string, r.N), make([][]string, r.N), make([]float64, r.N)
		for i, row := range m.rows {
			numbers[i] = math.NaN()
			if row[c] == "" {
				continue
			}
			texts[i], lists[i] = &row[c], strings.Split(row[c], ",")
			if column.Kind == Number || column.Kind == Date {
				if _, err := fmt.Sscan(row[c], &numbers[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		switch column.Kind {
		case Text:
			r.Columns = append(r.Columns, TextValues(texts))
		case List:
			r.Columns = append(r.Columns, ListValues(lists))
		default:
			r.Columns = append(r.Columns, Values{Kind: column.Kind, Numbers: numbers})
		}
	}
	return r
}

// write writes the records file, and the weights of terms.
func (m *table) write(t *testing.T, w warehouse.Warehouse, dir string, f *Reference) SQLInput {
	t.Helper()
	rows := make([]string, len(m.rows))
	for i, row := range m.rows {
		source := uint8(0)
		if m.source != nil {
			source = m.source[i]
		}
		cells := []string{fmt.Sprintf("CAST(%d AS BIGINT)", i), fmt.Sprintf("CAST(%d AS SMALLINT)", source)}
		for c, column := range m.columns {
			cell := literal(row[c], [...]string{"VARCHAR", "DOUBLE", "INTEGER", "VARCHAR"}[column.Kind])
			switch column.Kind {
			case Date:
				cell = "DATE '1970-01-01' + " + cell
			case List:
				cell = "list_sort(list_distinct(string_split(" + cell + ", ',')))"
			}
			cells = append(cells, cell)
		}
		rows[i] = "(" + strings.Join(cells, ", ") + ")"
	}
	names := []string{"_rec", "_source"}
	for _, c := range m.columns {
		names = append(names, warehouse.DuckDB.QuoteIdent(c.Name))
	}
	write := func(name, query string) string {
		file, err := w.Write(t.Context(), query, filepath.Join(dir, name+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		return warehouse.DuckDB.Files([]string{file.Path})
	}
	in := SQLInput{Records: write("records", "SELECT * FROM (VALUES "+strings.Join(rows, ", ")+") AS v("+strings.Join(names, ", ")+")"),
		Words: map[int]string{}, Grams: map[int]string{}}
	weights := func(terms *Terms) string {
		var all []string
		for term, weight := range terms.Weights {
			all = append(all, fmt.Sprintf("(%s, CAST(%d AS BIGINT))", warehouse.DuckDB.QuoteLiteral(term), weight))
		}
		slices.Sort(all)
		return "(VALUES " + strings.Join(all, ", ") + ") AS v(term, weight)"
	}
	for c, terms := range f.Words {
		in.Words[c] = write(fmt.Sprint("words", c), "SELECT * FROM "+weights(terms))
	}
	for c, terms := range f.Grams {
		in.Grams[c] = write(fmt.Sprint("grams", c), "SELECT * FROM "+weights(terms))
	}
	return in
}

// sqlLab runs a plan as SQL in DuckDB, and holds it against Reference.
type sqlLab struct {
	t *testing.T
	w warehouse.Warehouse
	f *Reference
	s *SQLPlan
}

func openSQL(t *testing.T, p *Plan, m *table) *sqlLab {
	t.Helper()
	p.Columns = m.columns
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 512 << 20, Threads: 2, Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	l := &sqlLab{t: t, w: w, f: NewReference(p, m.records(t))}
	if l.s, err = NewSQLPlan(p, w.Dialect(), m.write(t, w, dir, l.f)); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *sqlLab) query(sql string) [][]float64 {
	l.t.Helper()
	answer, err := l.w.Query(l.t.Context(), sql)
	if err != nil {
		l.t.Fatalf("%v in\n%s", err, sql)
	}
	out := make([][]float64, len(answer.Rows))
	for i, row := range answer.Rows {
		for _, v := range row {
			n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
			if err != nil {
				l.t.Fatal(err)
			}
			out[i] = append(out[i], n)
		}
	}
	return out
}

// some compares pairs taken by chance.
func (l *sqlLab) some(n int) map[string]int {
	l.t.Helper()
	rnd := rand.New(rand.NewPCG(11, 12))
	pairs := make([]string, n)
	for i := range pairs {
		pairs[i] = fmt.Sprintf("(%d, %d)", rnd.IntN(l.f.Records.N), rnd.IntN(l.f.Records.N))
	}
	return l.judge(l.query("SELECT a, b, pattern FROM (" + l.s.Patterns("(SELECT * FROM (VALUES "+strings.Join(pairs,
		", ")+") AS v(a, b))") + ") AS p"))
}

// judge counts how often each level was met, and tells the first pairs that differ.
func (l *sqlLab) judge(rows [][]float64) map[string]int {
	l.t.Helper()
	met, wrong := map[string]int{}, 0
	for _, row := range rows {
		a, b := int(row[0]), int(row[1])
		want, got := l.f.Pattern(a, b), Pattern(row[2])
		for i, c := range l.f.Plan.Comparisons {
			met[fmt.Sprint(c.Name, " ", want.Level(i))]++
			if want.Level(i) != got.Level(i) && wrong < 5 {
				wrong++
				l.t.Errorf("%s of %d and %d: level %d in SQL, %d by its meaning: %q, %q", c.Name, a, b, got.Level(i), want.Level(i),
					l.text(c.Columns[0], a), l.text(c.Columns[0], b))
			}
		}
	}
	return met
}

func (l *sqlLab) text(column, rec int) string {
	v := &l.f.Records.Columns[column]
	if v.Kind == Text {
		return v.Dict.At(v.Codes[rec])
	}
	return fmt.Sprint(v.Kind)
}

// TestSQLUnicode: texts of few letters, of one byte and of more, words and blanks of many kinds, numbers, dates, lists and places.
func TestSQLUnicode(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	text := func(alphabet string, most int) string {
		letters := []rune(alphabet)
		r := make([]rune, rnd.IntN(most+1))
		for i := range r {
			r[i] = letters[rnd.IntN(len(letters))]
		}
		return string(r)
	}
	number := func(n int) string {
		if rnd.IntN(8) == 0 {
			return ""
		}
		return fmt.Sprint(rnd.IntN(n))
	}
	m := &table{columns: []Column{{Name: "ascii"}, {Name: `odd "name`}, {Name: "words"}, {Name: "n", Kind: Number}, {Name: "d",
		Kind: Date}, {Name: "lat", Kind: Number}, {Name: "lon", Kind: Number}, {Name: "tags", Kind: List}, {Name: "e"}}}
	for range 700 {
		entries := make([]string, rnd.IntN(4))
		for i := range entries {
			entries[i] = string(rune('a' + rnd.IntN(4)))
		}
		ascii := text("abcd'", 7)
		if rnd.IntN(3) == 0 {
			ascii = text("ab", 2)
		}
		m.rows = append(m.rows, []string{ascii, text("aéß中😀\u0301Z", 7), text("ab é中\u00a0\t\u3000  ", 9), number(30), number(900), number(4),
			number(4), strings.Join(entries, ","), text("ab", 2)})
	}
	one := func(name string, column int, levels ...Level) Comparison {
		for i := range levels {
			levels[i].Columns = append([]int{column}, levels[i].Columns...)
			levels[i].Name = fmt.Sprint(name, i)
		}
		return Comparison{Name: name, Columns: []int{column}, Levels: levels}
	}
	p := &Plan{Comparisons: []Comparison{
		one("ascii", 0, Level{Op: Exact}, Level{Op: JaroWinkler, Arg: 0.92}, Level{Op: OSA, Arg: 1}, Level{Op: JaroWinkler, Arg: 0.8},
			Level{Op: Levenshtein, Arg: 2}),
		one("letters", 1, Level{Op: Exact}, Level{Op: JaroWinkler, Arg: 0.9}, Level{Op: OSA, Arg: 1}, Level{Op: Levenshtein, Arg: 2},
			Level{Op: JaroWinkler, Arg: 0.55}),
		one("words", 2, Level{Op: TokenSet, Arg: 0.99}, Level{Op: Contains, Arg: 2}, Level{Op: TokenSet, Arg: 0.5}, Level{Op: Contains, Arg: 1}),
		one("cosines", 2, Level{Op: Cosine, Arg: 0.9}, Level{Op: Cosine3, Arg: 0.7}, Level{Op: Cosine, Arg: 0.3}, Level{Op: Cosine3, Arg: 0.2}),
		one("number", 3, Level{Op: Exact}, Level{Op: Within, Arg: 2}, Level{Op: Percent, Arg: 33}),
		one("date", 4, Level{Op: Exact}, Level{Op: Days, Arg: 100}),
		{Name: "place", Columns: []int{5, 6}, Levels: []Level{{Name: "100", Op: Distance, Columns: []int{5, 6}, Arg: 100}, {Name: "200",
			Op: Distance, Columns: []int{5, 6}, Arg: 200}}},
		one("tags", 7, Level{Op: Exact}, Level{Op: Overlap, Arg: 2}, Level{Op: Overlap, Arg: 1}),
		one("swap", 0, Level{Op: Exact}, Level{Op: Swapped, Columns: []int{8}}),
		one("short", 8, Level{Op: OSA, Arg: 0}),
	}}
	l := openSQL(t, p, m)
	met := l.some(15000)
	for _, c := range p.Comparisons {
		for level := range len(c.Levels) + 2 {
			if n := met[fmt.Sprint(c.Name, " ", level)]; n < 3 {
				t.Errorf("%s: only %d pairs at level %d", c.Name, n, level)
			}
		}
	}
}

// febrlPlan is a plan of persons over a labelled set.
func febrlPlan(t *testing.T) (*Plan, *table) {
	m := &table{columns: []Column{{Name: "given_name"}, {Name: "surname"}, {Name: "address_1"}, {Name: "suburb"}, {Name: "postcode"},
		{Name: "date_of_birth"}, {Name: "soc_sec_id"}}}
	for _, r := range labelled(t, "febrl1/dataset1.csv", ',') {
		m.rows = append(m.rows, []string{r[1], r[2], r[4], r[6], r[7], r[9], r[10]})
	}
	text := func(name string, column int, levels ...Level) Comparison {
		for i := range levels {
			levels[i].Columns = append([]int{column}, levels[i].Columns...)
		}
		return Comparison{Name: name, Columns: []int{column}, Levels: levels}
	}
	return &Plan{
		Sources: []Source{{Name: "all"}},
		Rules: []Rule{{Name: "soc_sec_id", Keys: []int{6}}, {Name: "surname+postcode", Keys: []int{1, 4}}, {Name: "date_of_birth",
			Keys: []int{5}}, {Name: "postcode", Keys: []int{4}, MaxBlock: 4, Overflow: Skip}},
		Comparisons: []Comparison{
			text("given_name", 0, Level{Op: Exact}, Level{Op: JaroWinkler, Arg: 0.92}, Level{Op: JaroWinkler, Arg: 0.88}, Level{Op: Swapped,
				Columns: []int{1}}),
			text("surname", 1, Level{Op: Exact}, Level{Op: JaroWinkler, Arg: 0.92}, Level{Op: OSA, Arg: 1}),
			text("address_1", 2, Level{Op: Exact}, Level{Op: Cosine3, Arg: 0.6}, Level{Op: TokenSet, Arg: 0.5}),
			text("suburb", 3, Level{Op: Exact}, Level{Op: Levenshtein, Arg: 2}),
			text("date_of_birth", 5, Level{Op: Exact}, Level{Op: OSA, Arg: 1}),
			text("soc_sec_id", 6, Level{Op: Exact}, Level{Op: Levenshtein, Arg: 2}),
		},
	}, m
}

// TestSQLFebrl: the candidates are those that a plain loop over all pairs finds, each of its first rule, and the levels are the same.
func TestSQLFebrl(t *testing.T) {
	p, m := febrlPlan(t)
	l := openSQL(t, p, m)
	type candidate struct {
		a, b  int
		rules RuleSet
	}
	sizes := map[string]int{}
	for _, r := range m.rows {
		sizes[r[4]]++
	}
	want := map[candidate]bool{}
	for a := range m.rows {
		for b := a + 1; b < len(m.rows); b++ {
			rules := RuleSet(0)
			for i, rule := range p.Rules {
				same := true
				for _, k := range rule.Keys {
					same = same && m.rows[a][k] != "" && m.rows[a][k] == m.rows[b][k]
				}
				if same && (rule.MaxBlock == 0 || sizes[m.rows[a][4]] <= rule.MaxBlock) {
					rules |= 1 << i
				}
			}
			if rules != 0 {
				want[candidate{a, b, rules}] = true
			}
		}
	}
	rows := l.query("SELECT a, b, pattern, rules FROM (" + l.s.Candidates() + ") AS c")
	for _, r := range rows {
		delete(want, candidate{int(r[0]), int(r[1]), RuleSet(r[3])})
	}
	if len(want) > 0 || len(rows) < 600 {
		t.Errorf("%d candidates, and %d more are missing or have other rules", len(rows), len(want))
	}
	met := l.judge(rows)
	if met["given_name 2"] == 0 || met["address_1 2"] == 0 || met["date_of_birth 2"] == 0 {
		t.Errorf("levels that are not met: %v", met)
	}
	counted, sum := l.query("SELECT * FROM ("+l.s.Count()+") AS c"), 0.0
	for _, c := range counted {
		sum += c[2]
	}
	if int(sum) != len(rows) {
		t.Errorf("%v pairs are counted of %d", sum, len(rows))
	}
	best := fmt.Sprint(int64(rows[0][2]))
	edges := l.query("SELECT a, b, rules, pattern, weight FROM (" +
		l.s.Edges("(SELECT CAST("+best+" AS BIGINT) AS pattern, 12.5 AS weight, 'match' AS verdict)") + ") AS e")
	n := 0
	for _, r := range rows {
		if r[2] == rows[0][2] {
			n++
		}
	}
	if len(edges) != n || edges[0][4] != 12.5 {
		t.Errorf("%d edges of %d pairs", len(edges), n)
	}
	if big := l.query(l.s.Oversized()); len(big) == 0 || big[0][0] != 3 || big[0][1] <= 4 {
		t.Errorf("blocks that are too large: %v", big)
	}
	l.some(4000)
}

// TestSQLProducts: two duplicate-free sources of long texts.
func TestSQLProducts(t *testing.T) {
	m := &table{columns: []Column{{Name: "name"}, {Name: "first"}}}
	for i, file := range []string{"abt_buy/abt.csv", "abt_buy/buy.csv"} {
		for _, r := range labelled(t, file, '|')[:400] {
			name := strings.ToLower(r[1])
			first := ""
			if words := similar.Words(name); len(words) > 0 {
				first = strings.Fields(name)[0]
			}
			m.rows, m.source = append(m.rows, []string{name, first}), append(m.source, uint8(i))
		}
	}
	level := func(op Op, arg float64) Level { return Level{Op: op, Columns: []int{0}, Arg: arg} }
	p := &Plan{Sources: []Source{{Name: "abt", DuplicateFree: true}, {Name: "buy", DuplicateFree: true}}, Rules: []Rule{{Name: "first",
		Keys: []int{1}}},
		Comparisons: []Comparison{{Name: "name", Columns: []int{0}, Levels: []Level{level(Exact, 0), level(Cosine, 0.8), level(Cosine3, 0.6),
			level(TokenSet, 0.4), level(Contains, 3), level(Cosine3, 0.3)}},
			{Name: "words", Columns: []int{0}, Levels: []Level{level(TokenSet, 0.5), level(Cosine, 0.3)}}}}
	l := openSQL(t, p, m)
	rows := l.query("SELECT a, b, pattern FROM (" + l.s.Candidates() + ") AS c")
	for _, r := range rows {
		if m.source[int(r[0])] == m.source[int(r[1])] {
			t.Fatalf("%v are of one source", r)
		}
	}
	if met := l.judge(rows); met["name 2"] == 0 || met["name 3"] == 0 || met["name 6"] == 0 {
		t.Errorf("levels that are not met: %v", met)
	}
	l.some(4000)
}

// TestSQLRefused: what an engine cannot say is refused, and the words say what to do.
func TestSQLRefused(t *testing.T) {
	level := func(op Op, arg float64) *Plan {
		return &Plan{Columns: []Column{{Name: "name", Lower: true}}, Comparisons: []Comparison{{Name: "name", Columns: []int{0},
			Levels: []Level{{Name: "it", Op: op, Columns: []int{0}, Arg: arg}}}}}
	}
	capital := level(JaroWinkler, 0.9)
	capital.Columns[0].Lower = false
	for want, p := range map[string]*Plan{
		`comparison "name", level "it": Snowflake has no optimal string alignment`: level(OSA, 2),
		"gives whole percents, and 0.925 is none":                                  level(JaroWinkler, 0.925),
		"does not tell capital letters from small ones":                            capital,
		"the weights of its terms are not given":                                   level(Cosine, 0.5),
		"does not compare texts":                                                   level(Days, 1),
		`block "near": the nearest texts`:                                          {Rules: []Rule{{Name: "near", Similar: &Similar{}}}},
	} {
		if _, err := NewSQLPlan(p, snowflake.Dialect, SQLInput{Records: "records"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestSQLGolden: a human reads the diff.
func TestSQLGolden(t *testing.T) {
	level := func(op Op, arg float64, columns ...int) Level {
		return Level{Name: fmt.Sprint(op, arg), Op: op, Arg: arg, Columns: columns}
	}
	for _, d := range []*warehouse.Dialect{warehouse.DuckDB, snowflake.Dialect} {
		p := &Plan{Sources: []Source{{Name: "crm"}, {Name: "shop", DuplicateFree: true}},
			Columns: []Column{{Name: "name", Lower: true}, {Name: "born", Kind: Date}, {Name: "amount", Kind: Number}, {Name: "tags", Kind: List}},
			Rules:   []Rule{{Name: "name", Keys: []int{0}, MaxBlock: 500, Overflow: Skip}, {Name: "born+amount", Keys: []int{1, 2}}},
			Comparisons: []Comparison{
				{Name: "name", Columns: []int{0}, Levels: []Level{level(Exact, 0, 0), level(JaroWinkler, 0.92, 0), level(JaroWinkler, 0.88, 0),
					level(OSA, 1, 0), level(Levenshtein, 2, 0), level(TokenSet, 0.5, 0), level(Contains, 2, 0), level(Cosine, 0.8, 0), level(Cosine3, 0.7, 0)}},
				{Name: "born", Columns: []int{1}, Levels: []Level{level(Exact, 0, 1), level(Days, 366, 1)}},
				{Name: "amount", Columns: []int{2}, Levels: []Level{level(Within, 0.5, 2), level(Percent, 5, 2)}},
				{Name: "tags", Columns: []int{3}, Levels: []Level{level(Overlap, 2, 3)}},
			}}
		s, err := NewSQLPlan(p, d, SQLInput{Records: "records", Words: map[int]string{0: "words"}, Grams: map[int]string{0: "grams"}})
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, filepath.Join("testdata", "golden", "sqlplan."+d.Name+".sql"),
			"-- Oversized\n"+s.Oversized()+";\n\n-- Count\n"+s.Count()+";\n\n-- Edges\n"+s.Edges("weights")+";\n", *update)
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

func literal(value, typ string) string {
	if value == "" {
		return "CAST(NULL AS " + typ + ")"
	}
	return "CAST(" + warehouse.DuckDB.QuoteLiteral(value) + " AS " + typ + ")"
}
