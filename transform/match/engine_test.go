package match

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// randomRecords are records of a kind that levels find hard: short texts of few letters, so that most pairs are near each other, some of
// them long, empty, missing or with letters of all kinds.
func randomRecords(n int, seed uint64) *Records {
	random := rand.New(rand.NewPCG(seed, 7))
	alphabets := [][]rune{[]rune("ab"), []rune("abcde fgh"), []rune("0123456789"), []rune("aé ßn~ñÅ中b"), wideAlphabet(), []rune("ab c d")}
	r := &Records{N: n, Source: make([]uint8, n), Hash: make([]uint64, n)}
	for i := range r.Source {
		r.Source[i] = uint8(i * 3 / n)
	}
	for _, a := range alphabets {
		r.Columns = append(r.Columns, randomTexts(random, n, a))
	}
	for k := range 2 {
		v := Values{Kind: Number}
		for range n {
			x := float64(random.IntN(90)) / 2
			if random.IntN(10) == 0 {
				x = math.NaN()
			}
			v.Numbers = append(v.Numbers, x-float64(k))
		}
		r.Columns = append(r.Columns, v)
	}
	var lists [][]string
	for range n {
		var l []string
		for range random.IntN(4) {
			l = append(l, string(rune('a'+random.IntN(5))))
		}
		lists = append(lists, l)
	}
	r.Columns = append(r.Columns, ListValues(lists))
	return r
}

// wideAlphabet has more letters than a byte can tell apart.
func wideAlphabet() []rune {
	var all []rune
	for r := rune(0x4e00); r < 0x4e00+300; r++ {
		all = append(all, r)
	}
	return append(all, []rune("ab c")...)
}

func randomTexts(random *rand.Rand, n int, alphabet []rune) Values {
	var all []*string
	for range n {
		length := random.IntN(9)
		if random.IntN(12) == 0 {
			length = 58 + random.IntN(15)
		}
		text := make([]rune, length)
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		s := string(text)
		if len(all) > 10 && random.IntN(3) == 0 { // a near one
			if last := all[random.IntN(len(all))]; last != nil {
				s = changed(random, []rune(*last), alphabet)
			}
		}
		if random.IntN(10) == 0 {
			all = append(all, nil)
		} else {
			all = append(all, &s)
		}
	}
	return TextValues(all)
}

func changed(random *rand.Rand, text, alphabet []rune) string {
	for range 1 + random.IntN(3) {
		if len(text) < 2 {
			break
		}
		i := random.IntN(len(text) - 1)
		switch random.IntN(4) {
		case 0:
			text[i], text[i+1] = text[i+1], text[i]
		case 1:
			text = slices.Delete(text, i, i+1)
		case 2:
			text = slices.Insert(text, i, alphabet[random.IntN(len(alphabet))])
		default:
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
	}
	return string(text)
}

// randomPlan has every operator on every column that can have it.
func randomPlan() *Plan {
	p := &Plan{Entity: "thing", Sources: []Source{{Name: "a"}, {Name: "b", DuplicateFree: true}, {Name: "c"}}}
	for i := range 6 {
		p.Columns = append(p.Columns, Column{Name: fmt.Sprint("text", i), Kind: Text})
	}
	p.Columns = append(p.Columns, Column{Name: "x", Kind: Number}, Column{Name: "y", Kind: Number}, Column{Name: "l", Kind: List})
	level := func(op Op, arg float64, columns ...int) Level { return Level{op2name(op), op, columns, arg} }
	for c := range 6 {
		p.Comparisons = append(p.Comparisons, Comparison{Name: fmt.Sprint("letters", c), Columns: []int{c}, Levels: []Level{
			level(Exact, 0, c), level(JaroWinkler, 0.92, c), level(OSA, 1, c), level(Levenshtein, 1, c), level(Levenshtein, 2, c),
			level(Swapped, 0, c, (c+1)%6), level(JaroWinkler, 0.88, c), level(JaroWinkler, 0.6, c), level(OSA, 3, c),
			level(JaroWinkler, 0.3, (c+2)%6)}})
		p.Comparisons = append(p.Comparisons, Comparison{Name: fmt.Sprint("words", c), Columns: []int{c}, Levels: []Level{
			level(TokenSet, 0.9, c), level(Cosine, 0.8, c), level(Cosine3, 0.8, c), level(Cosine3, 0.5, c), level(Contains, 2, c),
			level(TokenSet, 0.3, c), level(Cosine, 0.2, c), level(Contains, 1, c), level(Cosine3, 0.1, c), level(TokenSet, 0, c),
			level(Cosine, 0, c)}})
	}
	p.Comparisons = append(p.Comparisons,
		Comparison{Name: "number", Columns: []int{6}, Levels: []Level{level(Exact, 0, 6), level(Within, 1, 6), level(Swapped, 0, 6, 7),
			level(Percent, 10, 6), level(Days, 5, 7)}},
		Comparison{Name: "place", Columns: []int{6, 7}, Levels: []Level{level(Distance, 60, 6, 7), level(Distance, 600, 6, 7)}},
		Comparison{Name: "list", Columns: []int{8}, Levels: []Level{level(Exact, 0, 8), level(Overlap, 2, 8), level(Overlap, 1, 8)}})
	p.Rules = []Rule{
		{Name: "text0", Keys: []int{0}},
		{Name: "text2, x", Keys: []int{2, 6}},
		{Name: "list", Keys: []int{8}},
		{Name: "near", Similar: &Similar{Columns: []int{1, 5}, Grams: 3, Top: 3, Floor: 0.2}},
		{Name: "y", Keys: []int{7}, MaxBlock: 8, Overflow: Skip},
	}
	return p
}

func op2name(op Op) string { return fmt.Sprint("op", op) }

func mustEngine(t testing.TB, c Config, p *Plan, r *Records) *Matcher {
	t.Helper()
	m, err := NewEngine(context.Background(), c, p, r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLevelsAreThoseOfTheReference(t *testing.T) {
	for seed := range uint64(2) {
		r, p := randomRecords(170, seed), randomPlan()
		m, f := mustEngine(t, Config{Threads: 2}, p, r), NewReference(p, r)
		reached := make(map[[2]int]int)
		for a := range r.N {
			for b := a + 1; b < r.N; b++ {
				got, want := m.Pattern(uint32(b), uint32(a)), f.Pattern(a, b)
				if got != want {
					t.Fatal(difference(p, r, a, b, got, want))
				}
				for c := range p.Comparisons {
					reached[[2]int{c, want.Level(c)}]++
				}
			}
		}
		if len(reached) < 110 {
			t.Errorf("only %d levels were reached by any pair: the records test too little", len(reached))
		}
	}
}

func difference(p *Plan, r *Records, a, b int, got, want Pattern) string {
	var s strings.Builder
	for c, own := range p.Comparisons {
		if got.Level(c) != want.Level(c) {
			fmt.Fprintf(&s, "%s: level %d, not %d;", own.Name, got.Level(c), want.Level(c))
			for _, col := range own.Columns {
				if v := &r.Columns[col]; v.Kind == Text {
					fmt.Fprintf(&s, " %q %q", v.Dict.At(v.Codes[a]), v.Dict.At(v.Codes[b]))
				}
			}
			s.WriteString("\n")
		}
	}
	return s.String()
}

// plainCandidates finds all candidates by looking at each pair and each rule.
func plainCandidates(p *Plan, r *Records, since []bool) map[[2]uint32]RuleSet {
	found := map[[2]uint32]RuleSet{}
	over := plainOverflow(p, r)
	for a := range uint32(r.N) {
		for b := a + 1; b < uint32(r.N); b++ {
			if r.Source[a] == r.Source[b] && p.Sources[r.Source[a]].DuplicateFree {
				continue
			}
			for i, rule := range p.Rules {
				if key := plainKey(r, rule, int(a)); rule.Similar == nil && key != "" && key == plainKey(r, rule, int(b)) && !over[i][key] {
					found[[2]uint32{a, b}] |= 1 << i
				}
			}
		}
	}
	for i, rule := range p.Rules {
		if rule.Similar != nil {
			for _, pair := range plainNearest(p, r, rule.Similar) {
				found[pair] |= 1 << i
			}
		}
	}
	for pair := range found {
		if since != nil && !since[pair[0]] && !since[pair[1]] {
			delete(found, pair)
		}
	}
	return found
}

func plainKey(r *Records, rule Rule, rec int) string {
	key := ""
	for _, c := range rule.Keys {
		v := &r.Columns[c]
		if v.Null(rec) {
			return ""
		}
		switch v.Kind {
		case Text:
			key += fmt.Sprintf("%q", v.Dict.At(v.Codes[rec]))
		case List:
			key += fmt.Sprint(v.list(uint32(rec)))
		default:
			key += fmt.Sprint(v.Numbers[rec], ";")
		}
	}
	return key
}

func plainOverflow(p *Plan, r *Records) []map[string]bool {
	all := make([]map[string]bool, len(p.Rules))
	for i, rule := range p.Rules {
		all[i] = map[string]bool{}
		sizes := map[string]int{}
		for rec := range r.N {
			if key := plainKey(r, rule, rec); key != "" {
				sizes[key]++
			}
		}
		for key, n := range sizes {
			all[i][key] = rule.MaxBlock > 0 && n > rule.MaxBlock
		}
	}
	return all
}

func plainNearest(p *Plan, r *Records, rule *Similar) [][2]uint32 {
	texts := make([][]string, r.N)
	var there [][]string
	split := termsOf(Cosine)
	if rule.Grams > 0 {
		split = termsOf(Cosine3)
	}
	for rec := range texts {
		var parts []string
		for _, c := range rule.Columns {
			if v := &r.Columns[c]; !v.Null(rec) {
				parts = append(parts, v.Dict.At(v.Codes[rec]))
			}
		}
		if texts[rec] = split(strings.Join(parts, " ")); len(parts) > 0 {
			there = append(there, texts[rec])
		}
	}
	terms := NewTerms(there)
	var pairs [][2]uint32
	for a := range uint32(r.N) {
		var near []neighbour
		for b := range uint32(r.N) {
			if a == b || r.Source[a] == r.Source[b] && p.Sources[r.Source[a]].DuplicateFree {
				continue
			}
			if cosine := terms.Cosine(texts[a], texts[b]); cosine > 0 && cosine >= rule.Floor {
				near = append(near, neighbour{b, cosine})
			}
		}
		slices.SortStableFunc(near, func(x, y neighbour) int { return cmp.Compare(y.cosine, x.cosine) })
		for _, n := range near[:min(rule.Top, len(near))] {
			pairs = append(pairs, [2]uint32{min(a, n.record), max(a, n.record)})
		}
	}
	return pairs
}

func TestCandidates(t *testing.T) {
	r, p := randomRecords(600, 11), randomPlan()
	some := make([]bool, r.N)
	for i := range some {
		some[i] = i%7 == 3
	}
	f := NewReference(p, r)
	for _, since := range [][]bool{nil, some, make([]bool, r.N)} {
		want := map[Count]int64{}
		var edges []Edge
		for pair, rules := range plainCandidates(p, r, since) {
			pattern := f.Pattern(int(pair[0]), int(pair[1]))
			want[Count{Pattern: pattern, Rules: rules}]++
			edges = append(edges, Edge{A: pair[0], B: pair[1], Pattern: pattern, Rules: rules, Weight: 1.5, Verdict: Match})
		}
		sortEdges(edges)
		if since == nil && len(edges) < 2000 {
			t.Fatalf("only %d candidates", len(edges))
		}
		for _, c := range []Config{{Threads: 1}, {Threads: 3, Memory: 1, Temp: t.TempDir()}} {
			m := mustEngine(t, c, p, r)
			counts, err := m.Count(context.Background(), since)
			if err != nil {
				t.Fatal(err)
			}
			got := map[Count]int64{}
			for _, c := range counts {
				got[Count{Pattern: c.Pattern, Rules: c.Rules}] = c.Pairs
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%d threads: %d counts, not %d", c.Threads, len(got), len(want))
			}
			found, err := m.Edges(context.Background(), since, func(a, b uint32, p Pattern) (float64, Verdict, bool) { return 1.5, Match, true })
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(found, edges) {
				t.Errorf("%d threads: %d edges, not %d", c.Threads, len(found), len(edges))
			}
			if c.Temp != "" {
				c.MostEdges = int64(len(edges)) - 1
				if _, err := mustEngine(t, c, p, r).Edges(context.Background(), since, func(a, b uint32, p Pattern) (float64, Verdict, bool) { return 1.5, Match, true }); len(edges) > 1 &&
					!errors.Is(err, ErrTooManyEdges) {
					t.Errorf("%d edges where there may be one less: %v", len(edges), err)
				}
				if left, _ := os.ReadDir(c.Temp); len(left) > 0 {
					t.Errorf("%v stays behind", left)
				}
			}
		}
	}
}

// TestLargeBlock puts all records into one block, which is cut into tiles.
func TestLargeBlock(t *testing.T) {
	const n = 3*tileSide + 17
	texts := make([]*string, n)
	sources := make([]uint8, n)
	for i := range texts {
		s := fmt.Sprint("k", i%2)
		texts[i], sources[i] = &s, uint8(i*3/n)
	}
	p := &Plan{Sources: []Source{{}, {DuplicateFree: true}, {}}, Columns: []Column{{Name: "k", Kind: Text}}, Rules: []Rule{{Name: "k", Keys: []int{0}}},
		Comparisons: []Comparison{{Name: "k", Columns: []int{0}, Levels: []Level{{"exact", Exact, []int{0}, 0}}}}}
	r := &Records{N: n, Source: sources, Columns: []Values{TextValues(texts)}}
	since := make([]bool, n)
	for i := range since {
		since[i] = i%3 == 0
	}
	for _, s := range [][]bool{nil, since} {
		m := mustEngine(t, Config{Threads: 4}, p, r)
		counts, err := m.Count(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(len(plainCandidates(p, r, s)))
		if len(counts) != 1 || counts[0] != (Count{1, 1, want}) {
			t.Errorf("%v, want %d", counts, want)
		}
		if s == nil && m.Predict()[0].Pairs != want {
			t.Errorf("predicted %d, found %d", m.Predict()[0].Pairs, want)
		}
	}
}

func TestRefused(t *testing.T) {
	r, p := randomRecords(600, 3), randomPlan()
	var refused *RefusedError
	p.MaxPairs = 1000
	m := mustEngine(t, Config{}, p, r)
	if _, err := m.Count(context.Background(), nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "max_pairs is 1000") {
		t.Errorf("%v", err)
	}
	p.MaxPairs, p.Rules = 300, p.Rules[3:4]
	m = mustEngine(t, Config{}, p, r)
	if _, err := m.Count(context.Background(), nil); err == nil || !strings.Contains(err.Error(), `rule "near" would look at`) {
		t.Errorf("%v", err)
	}
	p = randomPlan()
	p.Rules[4].Overflow, p.Rules[4].MaxBlock = Refuse, 6
	m = mustEngine(t, Config{}, p, r)
	if _, err := m.Edges(context.Background(), nil, nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), `rule "y" has`) {
		t.Errorf("%v", err)
	}
	if o := m.Overflows(); len(o) != 1 || o[0].Rule != 4 || o[0].Largest <= 6 || o[0].Pairs < 100 {
		t.Errorf("%+v", o)
	}
}

func TestRulesThatCannotBe(t *testing.T) {
	r := randomRecords(10, 3)
	for want, rule := range map[string]Rule{"neither keys nor similar columns": {Name: "none"},
		"x is no text": {Similar: &Similar{Columns: []int{6}}}} {
		p := randomPlan()
		p.Rules = append(p.Rules, rule)
		if _, err := NewEngine(context.Background(), Config{}, p, r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestSample(t *testing.T) {
	r, p := randomRecords(300, 5), randomPlan()
	var all [][]Count
	for _, threads := range []int{1, 3} {
		m := mustEngine(t, Config{Threads: threads}, p, r)
		for _, n := range []int{20000, 1 << 20} {
			counts, err := m.Sample(context.Background(), n)
			if err != nil {
				t.Fatal(err)
			}
			sum := int64(0)
			for _, c := range counts {
				sum += c.Pairs
			}
			if want := min(int64(n), m.possiblePairs()); sum != want {
				t.Errorf("%d pairs, not %d", sum, want)
			}
			all = append(all, counts)
		}
	}
	if !slices.Equal(all[0], all[2]) || !slices.Equal(all[1], all[3]) {
		t.Error("a sample depends on the number of goroutines")
	}
}

func TestCancelled(t *testing.T) {
	r, p := randomRecords(600, 3), randomPlan()
	m := mustEngine(t, Config{}, p, r)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Count(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := m.Sample(ctx, 1000); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
