package match

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// people are records of n persons, every second of them twice, the second time with a slip in one of the fields. missing is the share of
// values that are not there.
func people(n int, missing float64, sources int) *Records {
	random := rand.New(rand.NewPCG(3, 9))
	columns := make([][]*string, 4)
	r := &Records{}
	add := func(values []string, source int) {
		for c, v := range values {
			if random.Float64() < missing {
				columns[c] = append(columns[c], nil)
			} else {
				columns[c] = append(columns[c], &v)
			}
		}
		r.Source = append(r.Source, uint8(source))
		r.N++
	}
	word := func(letters, kinds int) string {
		k, w := random.IntN(kinds), ""
		for range letters {
			w += string(rune('a' + k%23))
			k = k*7 + 5
		}
		return w + fmt.Sprint(k%10)
	}
	var again [][]string
	for i := range n {
		v := []string{word(6, 60), word(7, 90), fmt.Sprint(10000000 + random.IntN(20000)), word(5, 20)}
		add(v, 0)
		if i%2 == 0 {
			v = slices.Clone(v)
			if c := random.IntN(6); c < len(v) {
				v[c] = "x" + v[c][1:]
			}
			again = append(again, v)
		}
	}
	for _, v := range again {
		add(v, sources-1)
	}
	for _, texts := range columns {
		r.Columns = append(r.Columns, TextValues(texts))
	}
	r.Hash = make([]uint64, r.N)
	return r
}

// peoplePlan compares and blocks by the first columns.
func peoplePlan(columns, sources int) *Plan {
	p := &Plan{Entity: "person", Auto: 0.8, Review: 0.2, Cluster: Clustering{MinMeanWeight: 3, MaxSize: 100}}
	for s := range sources {
		p.Sources = append(p.Sources, Source{Name: fmt.Sprint("s", s), DuplicateFree: sources > 1})
	}
	if sources > 1 {
		p.Cluster.Method, p.Auto = OneToOne, 0.5
	}
	for c, name := range []string{"first", "last", "number", "city"}[:columns] {
		p.Columns = append(p.Columns, Column{Name: name})
		p.Rules = append(p.Rules, Rule{Name: name, Keys: []int{c}})
		p.Comparisons = append(p.Comparisons, Comparison{Name: name, Columns: []int{c}, TF: true, Levels: []Level{
			{"exact", Exact, []int{c}, 0}, {"osa_1", OSA, []int{c}, 1}, {"jw", JaroWinkler, []int{c}, 0.85}}})
	}
	return p
}

func mustTrain(t *testing.T, p *Plan, r *Records) (*Matcher, *Weights, *Scoring) {
	t.Helper()
	e := mustEngine(t, Config{Threads: 1}, p, r)
	w, err := Train(context.Background(), p, r, e)
	check(t, err)
	s, err := NewScoring(p, w, r)
	check(t, err)
	return e, w, s
}

func finite(x ...float64) bool {
	return !slices.ContainsFunc(x, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
}

func allFinite(t *testing.T, w *Weights, s *Scoring) {
	t.Helper()
	if !finite(w.Prior, s.prior) || w.Prior <= 0 || w.Prior >= 1 {
		t.Errorf("the prior is %g", w.Prior)
	}
	for c, own := range w.Comparisons {
		for l, x := range own.Levels {
			if !finite(x.M, x.U, s.bits[c][l+1]) || x.M <= 0 || x.U <= 0 {
				t.Errorf("%s %s: m %g, u %g", own.Name, x.Name, x.M, x.U)
			}
		}
		if !finite(s.terms[c]...) {
			t.Errorf("%s: the frequencies are worth %v", own.Name, s.terms[c])
		}
	}
}

func TestTrainWithAlmostNothing(t *testing.T) {
	one := func(n int, text func(i int) *string) *Records {
		r := &Records{N: n, Source: make([]uint8, n), Hash: make([]uint64, n)}
		for i := range r.Source {
			r.Source[i] = uint8(i * 2 / n) // sorted, as an engine wants them
		}
		for range 4 {
			var texts []*string
			for i := range n {
				texts = append(texts, text(i))
			}
			r.Columns = append(r.Columns, TextValues(texts))
		}
		return r
	}
	none := func(int) *string { return nil }
	same := func(int) *string { x := "same"; return &x }
	own := func(i int) *string { x := fmt.Sprint("value", i*i*7919); return &x }
	for _, x := range []struct {
		name    string
		records *Records
		warning string
	}{
		{"no records", one(0, none), "fewer than two records"},
		{"one record", one(1, same), "fewer than two records"},
		{"two records", one(2, same), "default weights"},
		{"no values", one(40, none), "no blocking rule makes two records a candidate"},
		{"one value", one(40, same), "default weights"},
		{"no candidates", one(40, own), "no blocking rule makes two records a candidate"},
	} {
		for _, columns := range []int{1, 2, 4} {
			for sources := 1; sources <= 2; sources++ {
				t.Run(fmt.Sprint(x.name, " ", columns, " comparisons ", sources, " sources"), func(t *testing.T) {
					p := peoplePlan(columns, sources)
					r := *x.records
					r.Columns = r.Columns[:columns]
					if sources == 1 {
						r.Source = make([]uint8, r.N)
					}
					e, w, s := mustTrain(t, p, &r)
					allFinite(t, w, s)
					told := strings.Join(w.Training.Warnings, "; ")
					if !strings.Contains(told, x.warning) && sources == 1 {
						t.Errorf("warnings: %q, none says %q", told, x.warning)
					}
					edges, err := e.Edges(context.Background(), nil, s.Keep)
					check(t, err)
					if labels := Cluster(p, s, e, &r, edges); len(labels) != r.N {
						t.Errorf("%d labels of %d records", len(labels), r.N)
					}
				})
			}
		}
	}
}

func TestTrainedWeights(t *testing.T) {
	for sources := 1; sources <= 2; sources++ {
		p, r := peoplePlan(4, sources), people(400, 0.05, sources)
		e, w, s := mustTrain(t, p, r)
		allFinite(t, w, s)
		for c, own := range w.Comparisons {
			for l := 1; l < len(own.Levels); l++ {
				if s.bits[c][l+1] > s.bits[c][l]+1e-9 {
					t.Errorf("%s: %s is worth more than %s", own.Name, own.Levels[l].Name, own.Levels[l-1].Name)
				}
			}
			if s.bits[c][1] < 0.3 || s.bits[c][len(own.Levels)] > -1 {
				t.Errorf("%s: agreement is worth %g bits, disagreement %g", own.Name, s.bits[c][1], s.bits[c][len(own.Levels)])
			}
			for _, l := range own.Levels {
				if l.From != "trained" && l.From != "default" {
					t.Errorf("%s %s is from %q", own.Name, l.Name, l.From)
				}
			}
		}
		edges, err := e.Edges(context.Background(), nil, s.Keep)
		check(t, err)
		adds(t, s, edges)
		labels := Cluster(p, s, e, r, edges)
		right, found := 0, 0
		for i, l := range labels {
			if int(l) != i {
				found++
				if i >= 400 && int(l) == 2*(i-400) {
					right++
				}
			}
		}
		if right < 180 || found-right > 8 {
			t.Errorf("%d sources: %d of 200 doubles found, %d others", sources, right, found-right)
		}
	}
}

// TestPriorIsWhatItPromises holds the prior to its meaning: the candidates' probabilities add up to it.
func TestPriorIsWhatItPromises(t *testing.T) {
	p, r := peoplePlan(4, 1), people(400, 0, 1)
	p.Rules = []Rule{p.Rules[0], p.Rules[1], p.Rules[2]}
	e := mustEngine(t, Config{Threads: 1}, p, r)
	x := &trainer{plan: p, records: r, pairs: possiblePairs(p, r), stopped: t.Context().Err}
	var err error
	x.counts, err = e.Count(context.Background(), nil)
	check(t, err)
	x.random, err = e.Sample(context.Background(), 50_000)
	check(t, err)
	x.start()
	for range trainRounds {
		x.learn()
	}
	x.findPrior()
	sum := 0.0
	for _, k := range x.all() {
		post := make([]float64, 2)
		x.model.posteriors(k.p, p.all(), []float64{x.prior, 1 - x.prior}, post)
		sum += k.n * post[0]
	}
	if share := sum / (x.prior * x.pairs); share < 0.98 || share > 1.02 {
		t.Errorf("the prior promises %.1f matches, the candidates make %.1f", x.prior*x.pairs, sum)
	}
	if sum < 170 || sum > 220 {
		t.Errorf("%.1f matches, there are 200", sum)
	}
}

func TestIsotone(t *testing.T) {
	c := &Comparison{Levels: make([]Level, 3)}
	m, u := []float64{1, 0.2, 0.6, 0.1, 0.1}, []float64{1, 0.1, 0.01, 0.09, 0.8}
	isotone(c, m, u)
	for l := 2; l < len(m); l++ {
		if m[l]/u[l] > m[l-1]/u[l-1]+1e-12 {
			t.Errorf("level %d is worth more than %d: %v", l, l-1, m)
		}
	}
	if sum := m[1] + m[2] + m[3] + m[4]; math.Abs(sum-1) > 1e-12 {
		t.Errorf("m adds up to %g", sum)
	}
}

// TestCaps holds groups to what they may add, and a household to log2(1/rate).
func TestCaps(t *testing.T) {
	p, r := peoplePlan(4, 1), people(300, 0, 1)
	p.Groups = []Group{{Comparisons: []int{0, 1}, MaxWeight: 5}}
	_, w, _ := mustTrain(t, p, r)
	w.Groups = nil
	s, err := NewScoring(p, w, r)
	check(t, err)
	free, err := NewScoring(peoplePlan(4, 1), w, r)
	check(t, err)
	both := Pattern(1 | 1<<4)
	if got := s.Weight(0, 0, both) - s.prior; math.Abs(got-5) > 1e-9 {
		t.Errorf("the group adds %g bits, not 5", got)
	}
	levels := [][]float64{}
	for c := range 2 {
		var l []float64
		for _, x := range w.Comparisons[c].Levels {
			l = append(l, x.M)
		}
		levels = append(levels, l)
	}
	w.Groups = []GroupWeights{{Comparisons: []string{"first", "last"}, Rate: 1.0 / 64, Levels: levels}}
	capped, err := NewScoring(peoplePlan(4, 1), w, r)
	check(t, err)
	if got := capped.Weight(0, 0, both) - capped.prior; got > 6 || got < 4 {
		t.Errorf("relatives of one pair in 64 add %g bits, of %g", got, free.Weight(0, 0, both)-free.prior)
	}
	sum := 0.0
	for _, x := range capped.Explain(0, 0, both) {
		sum += x.Bits
	}
	if math.Abs(sum-capped.Weight(0, 0, both)) > 1e-9 {
		t.Errorf("the waterfall adds up to %g", sum)
	}
	keepsByWeight(t, s)
	keepsByWeight(t, capped)
	w.Comparisons[0].Levels[0].U = 5e-324 // a probability, but m/u is beyond all numbers
	if _, err := NewScoring(peoplePlan(4, 1), w, r); err == nil || !strings.Contains(err.Error(), "comparison first has weights that no sum can hold") {
		t.Error(err)
	}
}

// keepsByWeight asks about every pattern: what Keep refuses before it knows what groups take has too little weight, and nothing else.
func keepsByWeight(t *testing.T, s *Scoring) {
	t.Helper()
	s.auto, s.review = 4, -2
	verdicts := map[Verdict]int{}
	early := 0
	for p := range Pattern(1 << 16) {
		if slices.ContainsFunc([]int{0, 1, 2, 3}, func(c int) bool { return p.Level(c) >= levelsOf(&s.plan.Comparisons[c]) }) {
			continue
		}
		want := s.Weight(0, 1, p)
		weight, v, ok := s.Keep(0, 1, p)
		if v != s.verdict(want) || ok != (v != Unlike) || ok && weight != want || weight < want {
			t.Fatalf("pattern %x weighs %g (%v), and is kept with %g (%v, %v)", p, want, s.verdict(want), weight, v, ok)
		}
		verdicts[v]++
		if weight > want {
			early++
		}
	}
	if verdicts[Match] == 0 || verdicts[Unsure] == 0 || verdicts[Unlike] == 0 || early == 0 {
		t.Errorf("%v, %d of them refused early with more than they weigh", verdicts, early)
	}
}

func TestLone(t *testing.T) {
	text := func(all ...string) Values {
		var out []*string
		for i := range all {
			out = append(out, &all[i])
			if all[i] == "" {
				out[i] = nil
			}
		}
		return TextValues(out)
	}
	r := &Records{N: 7, Source: make([]uint8, 7), Columns: []Values{text("a", "", "d", "", "d", "e", "f"), text("", "b", "e", "", "e", "g", "h"),
		text("", "", "c", "", "c", "i", "j")}}
	p, want := peoplePlan(3, 1), []bool{true, true, false, true, false, false, false}
	if got := p.lone(r); !slices.Equal(got, want) {
		t.Errorf("by themselves: %v", got)
	}
	for _, idle := range []Values{text("s", "s", "s", "s", "s", "s", "s"), text("s", "s", "t", "t", "s", "t", "s"), text("1", "2", "3", "4", "5", "6", "7")} {
		more := Records{N: 7, Source: r.Source, Columns: append(slices.Clone(r.Columns), idle)}
		if got := peoplePlan(4, 1).lone(&more); !slices.Equal(got, want) {
			t.Errorf("by themselves but for what all have, many, or each alone: %v", got)
		}
	}
	if got := peoplePlan(2, 1).lone(r); got != nil {
		t.Errorf("of two fields one is no less than usual: %v", got)
	}
	s := &Scoring{plan: p, prior: 20, bits: make([][16]float64, 3), terms: make([][]float64, 3), lone: p.lone(r)}
	if _, v, ok := s.Keep(0, 1, 0); v != Unsure || !ok {
		t.Errorf("two records with one value each: %v", v)
	}
	if _, v, _ := s.Keep(0, 2, 0); v != Match {
		t.Errorf("a record with more values than one: %v", v)
	}
}

func TestDefaultsOfTheFile(t *testing.T) {
	fields := map[string]FieldProfile{
		"name":  {Rows: 100, Distinct: 90, MeanLength: 6, MeanWords: 1},
		"about": {Rows: 100, Distinct: 99, MeanLength: 60, MeanWords: 9},
		"title": {Rows: 100, Distinct: 99, MeanLength: 30, MeanWords: 4},
		"empty": {Rows: 100, Nulls: 100},
	}
	for _, free := range []bool{false, true} {
		e := &models.Entity{Sources: []*models.EntitySource{{Name: "a", DuplicateFree: free}, {Name: "b", DuplicateFree: free}}}
		for _, name := range []string{"name", "about", "title", "empty"} {
			e.Fields = append(e.Fields, &models.Field{Name: name})
		}
		Defaults(e, Profile{Rows: 100, Fields: fields})
		method, auto, comparisons := "guarded", defaultAuto, 4
		if free {
			method, auto, comparisons = "one_to_one", defaultAutoOne, 5
		}
		if e.Cluster.Method != method || e.Auto != auto || e.Review != defaultReview || len(e.Comparisons) != comparisons {
			t.Errorf("%s, auto %g, review %g, %d comparisons", e.Cluster.Method, e.Auto, e.Review, len(e.Comparisons))
		}
		for _, rule := range e.Blocking {
			if slices.ContainsFunc(rule.Keys, func(k models.BlockingKey) bool { return k.Field == "empty" }) {
				t.Errorf("rule %s asks for a field without values", rule.Name)
			}
		}
	}
}

// TestDefaultsAreAPlan: whatever the fields are, each rule has something to ask for, and there are no more than an engine takes.
func TestDefaultsAreAPlan(t *testing.T) {
	for _, x := range []struct {
		name  string
		field FieldProfile
	}{
		{"empty", FieldProfile{}},
		{"amounts", FieldProfile{Rows: 100, Distinct: 90, Number: 1, Decimal: 1}},
		{"kinds", FieldProfile{Rows: 100, Distinct: 3, MeanLength: 2, MeanWords: 1}},
		{"texts", FieldProfile{Rows: 100, Distinct: 99, MeanLength: 40, MeanWords: 6}},
		{"names", FieldProfile{Rows: 100, Distinct: 99, MeanLength: 7, MeanWords: 1}},
	} {
		e, p := &models.Entity{Sources: []*models.EntitySource{{Name: "a"}}}, Profile{Rows: x.field.Rows, Fields: map[string]FieldProfile{}}
		for i := range 14 {
			name := fmt.Sprint("field", i)
			e.Fields = append(e.Fields, &models.Field{Name: name})
			p.Fields[name] = x.field
		}
		Defaults(e, p)
		if n := len(e.Blocking); n == 0 || n > MaxRules {
			t.Errorf("%s: %d rules", x.name, n)
		}
		for _, rule := range e.Blocking {
			if len(rule.Keys) == 0 && len(rule.Similar) == 0 {
				t.Errorf("%s: rule %s asks for nothing", x.name, rule.Name)
			}
		}
	}
}

// TestDefaultsOfManyFields: of more fields than can be compared those are that tell the most, in the file's order.
func TestDefaultsOfManyFields(t *testing.T) {
	e, p := &models.Entity{Sources: []*models.EntitySource{{Name: "a"}}}, Profile{Rows: 100, Fields: map[string]FieldProfile{}}
	for i := range 20 {
		name := fmt.Sprint("field", i)
		e.Fields = append(e.Fields, &models.Field{Name: name})
		p.Fields[name] = FieldProfile{Rows: 100, Distinct: 50, MeanLength: 7, MeanWords: 1, Agree: 0.02}
	}
	for _, i := range []int{0, 4, 7} {
		p.Fields[fmt.Sprint("field", i)] = FieldProfile{Rows: 100, Nulls: 100}
	}
	for _, i := range []int{1, 19} {
		p.Fields[fmt.Sprint("field", i)] = FieldProfile{Rows: 100, Distinct: 2, MeanLength: 7, MeanWords: 1, Agree: 0.6}
	}
	Defaults(e, p)
	var names []string
	for _, c := range e.Comparisons {
		names = append(names, strings.TrimPrefix(c.Name, "field"))
	}
	if got := strings.Join(names, " "); got != "2 3 5 6 8 9 10 11 12 13 14 15 16 17 18" {
		t.Errorf("compared are fields %s", got)
	}
}

// TestRareIsNoLess: where nearly each value is there once, agreement on one that is there twice loses nothing.
func TestRareIsNoLess(t *testing.T) {
	var texts []*string
	for i := range 200 {
		text := fmt.Sprint("n", max(0, i-1))
		texts = append(texts, &text)
	}
	r := &Records{N: len(texts), Source: make([]uint8, len(texts)), Columns: []Values{TextValues(texts)}}
	tr := &trainer{plan: peoplePlan(1, 1), records: r, model: model{m: [][]float64{{1, 0.9, 0.03, 0.03, 0.04}}, u: [][]float64{{1, 0.01, 0.1, 0.1, 0.79}}}, trained: []bool{true}}
	s, err := NewScoring(tr.plan, tr.weights(), r)
	if err != nil {
		t.Fatal(err)
	}
	if bits := s.frequency(0, 0); bits != 0 {
		t.Errorf("%g bits", bits)
	}
}

// TestTold: a session in which matches look like the others is told from one in which they do not.
func TestTold(t *testing.T) {
	tr := &trainer{model: model{u: [][]float64{{1, 0.01, 0.99}, {1, 0.2, 0.8}}}}
	s := session{Session: Session{Pairs: 1000, Matches: 0.1}, mask: 3, n: []float64{100, 100}, m: [][]float64{{1, 0.9, 0.1}, {1, 0.8, 0.2}}}
	clear := tr.told(&s)
	s.m = [][]float64{{1, 0.03, 0.97}, {1, 0.3, 0.7}}
	blurred := tr.told(&s)
	s.m, s.n = [][]float64{{1, 0.9, 0.1}, {1, 0.8, 0.2}}, []float64{0, 0}
	if empty := tr.told(&s); clear < 3 || blurred > -3 || empty > -3 || tr.clear(&s) {
		t.Errorf("told by %g, %g and %g bits", clear, blurred, empty)
	}
	if s.Matches = 0.6; !tr.clear(&s) {
		t.Error("where most candidates match there is nothing to mistake for it")
	}
}

// Where nobody is there twice, those that live together are what looks most alike: they are not the same for that, and it is said.
func TestNobodyTwice(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 7))
	p := &Plan{Entity: "person", Auto: 0.8, Review: 0.2, Cluster: Clustering{MinMeanWeight: 3, MaxSize: 100}, Sources: []Source{{Name: "s0"}}}
	for c, name := range []string{"first", "born", "last", "street", "phone"} {
		p.Columns = append(p.Columns, Column{Name: name})
		p.Rules = append(p.Rules, Rule{Name: name, Keys: []int{c}})
		p.Comparisons = append(p.Comparisons, Comparison{Name: name, Columns: []int{c}, TF: true, Levels: []Level{{"exact", Exact, []int{c}, 0}}})
	}
	columns := make([][]*string, len(p.Columns))
	var home []string
	for i := range 800 {
		v := []string{fmt.Sprint("f", random.IntN(100)), fmt.Sprint(random.IntN(5000)), fmt.Sprint("l", random.IntN(300)),
			fmt.Sprint("s", random.IntN(400)), fmt.Sprint(random.IntN(1e6))}
		if i%8 == 1 {
			copy(v[2:], home[2:])
		}
		home = v
		for c := range v {
			columns[c] = append(columns[c], &v[c])
		}
	}
	r := &Records{N: 800, Source: make([]uint8, 800), Hash: make([]uint64, 800)}
	for _, texts := range columns {
		r.Columns = append(r.Columns, TextValues(texts))
	}
	m, w, s := mustTrain(t, p, r)
	edges, err := m.Edges(t.Context(), nil, s.Keep)
	check(t, err)
	for _, x := range edges {
		if x.Verdict == Match {
			t.Fatalf("%d and %d, of one household, match with %.1f bits", x.A, x.B, x.Weight)
		}
	}
	if !strings.Contains(strings.Join(w.Training.Warnings, "\n"), "agree in last, street and phone for another reason") {
		t.Errorf("warnings %q do not tell of households", w.Training.Warnings)
	}
}

// What was learned of nothing must not take two texts that are a little alike for the same.
func TestCarefulM(t *testing.T) {
	c := &Comparison{Levels: []Level{{Op: Exact}, {Op: Cosine3, Arg: 0.9}, {Op: Cosine3, Arg: 0.7}, {Op: Cosine3, Arg: 0.5}, {Op: Cosine3, Arg: 0.3}}}
	m, sum := carefulM(c), 0.0
	for l := 1; l < len(m); l++ {
		sum += m[l]
	}
	if math.Abs(sum-1) > 1e-12 || m[1] != 0.475 || m[2] != m[1]/2 || m[5] != m[4] {
		t.Errorf("m of grades: %v, in all %g", m, sum)
	}
	if c.Levels = c.Levels[:2]; !slices.Equal(carefulM(c), defaultM(c)) {
		t.Error("m of few levels is not the default")
	}
}

func TestWarnsOfLikeness(t *testing.T) {
	p, r := peoplePlan(2, 1), people(40, 0, 1)
	x := &trainer{plan: p, records: r, pairs: possiblePairs(p, r), prior: 0.1, trained: []bool{true, true}, report: Training{Pairs: 1}}
	for _, exact := range []float64{0.4, 0.6} {
		x.report.Warnings = nil
		x.model.m = [][]float64{{1, exact, 1 - exact, 0, 0}, {1, 0.4, 0.6, 0, 0}}
		if x.warn(); (len(x.report.Warnings) > 0) != (exact < 0.5) {
			t.Errorf("%g of the matches agree fully: warnings %q", exact, x.report.Warnings)
		}
	}
}

// TestPersons: who has the birth date in common, or the given name and more than names, is the same person; namesakes and households are not.
func TestPersons(t *testing.T) {
	fields := []string{"given_name", "surname", "gender", "date_of_birth", "street", "birth_place"}
	p := &Plan{Columns: make([]Column, len(fields)), Comparisons: make([]Comparison, len(fields))}
	u := make([][]float64, len(fields))
	for i, f := range fields {
		p.Columns[i], p.Comparisons[i], u[i] = Column{Name: f, Fields: []string{f}}, Comparison{Name: f, Columns: []int{i}}, []float64{0, 0.001, 0.999}
	}
	u[2] = []float64{0, 0.5, 0.5}
	who := (&trainer{plan: p, model: model{u: u}}).persons()
	if !who.known() {
		t.Fatal("these are no persons")
	}
	for _, x := range []struct {
		of   []int
		want bool
	}{
		{[]int{0, 1, 2}, false}, {[]int{1, 4, 5}, false}, {[]int{4}, false},
		{[]int{3}, true}, {[]int{1, 3, 4}, true}, {[]int{0, 4}, true}, {[]int{0, 1, 5}, true},
	} {
		set := uint32(0)
		for _, i := range x.of {
			set |= 1 << i
		}
		if got := who.oneself(set); got != x.want {
			t.Errorf("%v: one person: %v", x.of, got)
		}
	}
	who.own = 0
	if who.oneself(1) || who.known() {
		t.Error("records without a birth date or an e-mail address are taken for persons")
	}
}
