package match

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // reads the data sets

	"github.com/millrace/millrace/models"
)

// A qualitySet is a labelled data set, as a user would write it down: sources, what is done to their fields, and which are compared.
type qualitySet struct {
	name    string
	sources []qualitySource
	fields  []qualityField
	gold    string  // SELECT of two keys, of pairs; "": records with the same _truth are the same
	bar     float64 // clustered F1
}

type qualitySource struct {
	sql   string // SELECT of _key, _truth and the raw fields
	clean bool   // duplicate_free
}

// qualityField is a field and its standardization in SQL, x being the raw value.
type qualityField struct{ name, step string }

const (
	stepWords  = `nullif(trim(regexp_replace(regexp_replace(lower(strip_accents(x)), '[''’` + "`" + `]', '', 'g'), '[^a-z0-9]+', ' ', 'g')), '')`
	stepFold   = `nullif(trim(regexp_replace(lower(strip_accents(x)), '\s+', ' ', 'g')), '')`
	stepDigits = `nullif(regexp_replace(x, '[^0-9]', '', 'g'), '')`
	stepAlnum  = `nullif(regexp_replace(lower(x), '[^a-z0-9]', '', 'g'), '')`
	stepNumber = `try_cast(nullif(regexp_replace(x, '[^0-9.]', '', 'g'), '') AS DOUBLE)`
	stepYear   = `try_cast(nullif(regexp_extract(x, '(1[5-9]|20)[0-9]{2}'), '') AS DOUBLE)`
)

// matchingData is the folder of the labelled sets; labelledFolder skips where one is absent.
func matchingData() string {
	if dir := os.Getenv("MILLRACE_MATCHING_DATA"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "shared", "data", "matching")
}

func csvOf(file, sep string) string {
	return fmt.Sprintf("read_csv('%s', delim='%s', header=true, all_varchar=true, quote='\"', strict_mode=false, null_padding=true)",
		filepath.Join(matchingData(), file), sep)
}

func febrl(file string) []qualitySource {
	return []qualitySource{{sql: `SELECT trim(columns(c -> c NOT LIKE '%rec_id%')) , trim(rec_id) AS _key, regexp_extract(rec_id, 'rec-(\d+)-', 1) AS _truth FROM ` +
		fmt.Sprintf(`read_csv('%s', header=true, all_varchar=true, normalize_names=true)`, filepath.Join(matchingData(), file))}}
}

var febrlFields = []qualityField{{"given_name", stepWords}, {"surname", stepWords}, {"street_number", stepWords}, {"address_1", stepWords},
	{"address_2", stepWords}, {"suburb", stepWords}, {"postcode", stepDigits}, {"state", stepWords}, {"date_of_birth", stepDigits},
	{"soc_sec_id", stepDigits}}

var bibliographic = []qualityField{{"title", stepWords}, {"authors", stepWords}, {"venue", stepWords}, {"year", stepYear}}

func qualitySets() []qualitySet {
	d := matchingData()
	okkam := func(file string) qualitySource {
		return qualitySource{clean: true, sql: `SELECT column0 AS _key, column1 AS name, column2 AS phone, column3 AS street FROM ` +
			fmt.Sprintf(`read_csv('%s', delim='|', header=false, skip=1, all_varchar=true, quote='', names=['column0','column1','column2','column3'])`, filepath.Join(d, file))}
	}
	two := func(files [2]string, sep string) []qualitySource {
		var out []qualitySource
		for _, f := range files {
			out = append(out, qualitySource{clean: true, sql: "SELECT id AS _key, * FROM " + csvOf(f, sep)})
		}
		return out
	}
	return []qualitySet{
		{"febrl1", febrl("febrl1/dataset1.csv"), febrlFields, "", 0.999},
		{"febrl3", febrl("febrl3/dataset3.csv"), febrlFields, "", 0.999},
		{"splink_fake_1000", []qualitySource{{sql: "SELECT unique_id AS _key, cluster AS _truth, * FROM " + csvOf("splink_fake_1000/fake_1000.csv", ",")}},
			[]qualityField{{"first_name", stepWords}, {"surname", stepWords}, {"dob", stepFold}, {"city", stepWords}, {"email", stepFold}}, "", 0.911},
		{"historical_a", []qualitySource{{sql: "SELECT unique_id AS _key, cluster AS _truth, * FROM '" + d + "/historical_a/historical_a.parquet'"}},
			[]qualityField{{"full_name", stepWords}, {"first_name", stepWords}, {"surname", stepWords}, {"dob", stepFold}, {"birth_place", stepWords},
				{"postcode_fake", stepWords}, {"gender", stepWords}, {"occupation", stepWords}}, "", 0.92},
		{"dblp_acm", two([2]string{"dblp_acm/dblp.csv", "dblp_acm/acm.csv"}, "%"), bibliographic, "SELECT D1, D2 FROM " + csvOf("dblp_acm/gt.csv", "%"), 0.985},
		{"abt_buy", two([2]string{"abt_buy/abt.csv", "abt_buy/buy.csv"}, "|"), []qualityField{{"name", stepWords}, {"description", stepWords}, {"price", stepNumber}},
			"SELECT D1, D2 FROM " + csvOf("abt_buy/gt.csv", "|"), 0.93},
		{"fodors_zagats", two([2]string{"fodors_zagats/fodors.csv", "fodors_zagats/zagats.csv"}, ","), []qualityField{{"name", stepWords}, {"addr", stepWords},
			{"city", stepWords}, {"phone", stepDigits}, {"type", stepWords}}, "SELECT fodors_id, zagats_id FROM " + csvOf("fodors_zagats/match_fodors_zagats_more_attrs.csv", ",") + " WHERE gold = '1'", 0.97},
		{"restaurants_okkam", []qualitySource{okkam("restaurants_okkam/rest1.csv"), okkam("restaurants_okkam/rest2.csv")},
			[]qualityField{{"name", stepWords}, {"phone", stepDigits}, {"street", stepWords}}, "SELECT D1, D2 FROM " + csvOf("restaurants_okkam/gt.csv", "|"), 0.97},
		{"restaurant_dedupe", []qualitySource{{sql: `SELECT (row_number() OVER ())::VARCHAR AS _key, trim(unique_id, ' ''') AS _truth, * FROM ` +
			fmt.Sprintf(`read_csv('%s', header=false, all_varchar=true, skip=1, names=['name','address','city','cuisine','unique_id'])`, d+"/restaurant_dedupe/restaurant-nophone-training.csv")}},
			[]qualityField{{"name", stepWords}, {"address", stepWords}, {"city", stepWords}, {"cuisine", stepWords}}, "", 0.97},
		{"cora", []qualitySource{{sql: `SELECT "Entity Id" AS _key, * FROM ` + csvOf("cora/cora.csv", "|")}}, []qualityField{{"author", stepWords}, {"title", stepWords},
			{"venue", stepWords}, {"year", stepYear}, {"pages", stepWords}},
			fmt.Sprintf("SELECT a, b FROM read_csv('%s', delim='|', header=false, all_varchar=true, names=['a','b'])", d+"/cora/cora_gt.csv"), 0.90},
		{"childcare_dedupe", []qualitySource{{sql: `SELECT (row_number() OVER ())::VARCHAR AS _key, "True Id" AS _truth, "Site name" AS site, ` +
			`"Address" AS address, "Zip" AS zip, "Phone" AS phone FROM ` +
			fmt.Sprintf("read_csv('%s', header=true, all_varchar=true, parallel=false)", d+"/childcare_dedupe/csv_example_input_with_true_ids.csv")}},
			[]qualityField{{"site", stepWords}, {"address", stepWords}, {"zip", stepDigits}, {"phone", stepDigits}}, "", 0.95},
		{"households", []qualitySource{{sql: "households"}}, []qualityField{{"first_name", stepWords}, {"surname", stepWords}, {"dob", stepFold}, {"phone", stepDigits},
			{"email", stepFold}, {"street", stepWords}, {"postcode", stepAlnum}}, "", 0.985},
	}
}

func (q *qualitySet) entity() *models.Entity {
	e := &models.Entity{Name: q.name}
	for i, s := range q.sources {
		e.Sources = append(e.Sources, &models.EntitySource{Name: fmt.Sprint("s", i), DuplicateFree: s.clean})
	}
	for _, f := range q.fields {
		e.Fields = append(e.Fields, &models.Field{Name: f.name})
		e.Comparisons = append(e.Comparisons, &models.Comparison{Name: f.name, Fields: []string{f.name}})
	}
	return e
}

type qualityData struct {
	db    *sql.DB
	keys  []string
	truth []string
	src   []uint8
	recs  *Records
	cols  []Column
}

// read standardizes the sources into the table records.
func (q *qualitySet) read(db *sql.DB) (*qualityData, error) {
	var parts []string
	for i, s := range q.sources {
		var fields []string
		for _, f := range q.fields {
			fields = append(fields, fmt.Sprintf("%s AS %s", strings.ReplaceAll(f.step, "x,", f.name+","), f.name))
			fields[len(fields)-1] = strings.ReplaceAll(strings.ReplaceAll(fields[len(fields)-1], "(x)", "("+f.name+")"), "(x ", "("+f.name+" ")
		}
		truth := "NULL::VARCHAR"
		if q.gold == "" {
			truth = "_truth"
		}
		parts = append(parts, fmt.Sprintf("SELECT %d AS _source, _key, %s AS _truth, %s FROM (%s)", i, truth, strings.Join(fields, ", "), s.sql))
	}
	if _, err := db.Exec("CREATE OR REPLACE TABLE records AS SELECT * FROM (" + strings.Join(parts, " UNION ALL ") + ") ORDER BY _source, _key"); err != nil {
		return nil, err
	}
	d := &qualityData{db: db}
	for _, f := range q.fields {
		d.cols = append(d.cols, Column{Name: f.name, Kind: kindOfStep(f.step)})
	}
	rows, err := db.Query("SELECT _source, _key, coalesce(_truth, '') FROM records")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s uint8
		var k, t string
		if err := rows.Scan(&s, &k, &t); err != nil {
			return nil, err
		}
		d.src, d.keys, d.truth = append(d.src, s), append(d.keys, k), append(d.truth, t)
	}
	d.recs = &Records{N: len(d.keys), Source: d.src}
	for _, c := range d.cols {
		v, err := d.column(quoted(c.Name), c.Kind)
		if err != nil {
			return nil, err
		}
		d.recs.Columns = append(d.recs.Columns, v)
	}
	return d, rows.Err()
}

func kindOfStep(step string) Kind {
	if strings.HasSuffix(step, "DOUBLE)") {
		return Number
	}
	return Text
}

func (d *qualityData) column(expression string, kind Kind) (Values, error) {
	if kind == Number {
		rows, err := d.db.Query("SELECT coalesce(" + expression + ", 'nan'::DOUBLE) FROM records")
		if err != nil {
			return Values{}, err
		}
		defer rows.Close()
		v := Values{Kind: Number}
		for rows.Next() {
			var x float64
			if err := rows.Scan(&x); err != nil {
				return v, err
			}
			v.Numbers = append(v.Numbers, x)
		}
		return v, rows.Err()
	}
	rows, err := d.db.Query("SELECT nullif((" + expression + ")::VARCHAR, '') FROM records")
	if err != nil {
		return Values{}, err
	}
	defer rows.Close()
	var texts []*string
	for rows.Next() {
		var x sql.NullString
		if err := rows.Scan(&x); err != nil {
			return Values{}, err
		}
		if x.Valid {
			texts = append(texts, &x.String)
		} else {
			texts = append(texts, nil)
		}
	}
	return TextValues(texts), rows.Err()
}

// plan settles an entity whose defaults are filled in, reading derived columns as they come up.
func (d *qualityData) plan(e *models.Entity) (*Plan, error) {
	p := &Plan{Entity: e.Name, Columns: slices.Clone(d.cols), Auto: e.Auto, Review: e.Review,
		Cluster: Clustering{MinMeanWeight: *e.Cluster.MinMeanWeight, MaxSize: *e.Cluster.MaxSize}}
	switch e.Cluster.Method {
	case "connected":
		p.Cluster.Method = Connected
	case "one_to_one":
		p.Cluster.Method = OneToOne
	}
	for _, s := range e.Sources {
		p.Sources = append(p.Sources, Source{s.Name, s.DuplicateFree})
	}
	for _, b := range e.Blocking {
		r := Rule{Name: b.Name, MaxBlock: b.MaxBlock, Overflow: Skip}
		if len(b.Similar) > 0 {
			r.Similar = &Similar{Grams: 3, Top: b.Top, Floor: 0.1}
			for _, f := range b.Similar {
				r.Similar.Columns = append(r.Similar.Columns, p.find(f))
			}
		}
		for _, k := range b.Keys {
			c, err := d.derive(p, k)
			if err != nil {
				return nil, err
			}
			r.Keys = append(r.Keys, c)
		}
		p.Rules = append(p.Rules, r)
	}
	for _, c := range e.Comparisons {
		m, err := d.comparison(p, c)
		if err != nil {
			return nil, err
		}
		p.Comparisons = append(p.Comparisons, m)
	}
	return p, nil
}

func (p *Plan) find(name string) int {
	return slices.IndexFunc(p.Columns, func(c Column) bool { return c.Name == name })
}

func (d *qualityData) derive(p *Plan, k models.BlockingKey) (int, error) {
	if k.Field != "" {
		return p.find(k.Field), nil
	}
	if i := p.find("$" + k.SQL); i >= 0 {
		return i, nil
	}
	v, err := d.column(k.SQL, Text)
	if err != nil {
		return 0, err
	}
	c := Column{Name: "$" + k.SQL, Fields: []string{""}}
	for _, f := range d.cols {
		if strings.Contains(k.SQL, quoted(f.Name)) {
			c.Fields = append(c.Fields, f.Name)
		}
	}
	p.Columns = append(p.Columns, c)
	d.recs.Columns = append(d.recs.Columns, v)
	return len(p.Columns) - 1, nil
}

func quotedAll(fields []string) string {
	var out []string
	for _, f := range fields {
		out = append(out, quoted(f))
	}
	return strings.Join(out, ", ")
}

var levelOps = map[models.LevelOp]Op{models.LevelExact: Exact, models.LevelSwapped: Swapped, models.LevelJaroWinkler: JaroWinkler, models.LevelLevenshtein: Levenshtein,
	models.LevelOSA: OSA, models.LevelTokenSet: TokenSet, models.LevelContains: Contains, models.LevelCosine: Cosine, models.LevelCosine3: Cosine3,
	models.LevelCodes: Cosine, models.LevelNumber: Within, models.LevelPercent: Percent, models.LevelLocalPart: Exact}

func (d *qualityData) comparison(p *Plan, c *models.Comparison) (Comparison, error) {
	own := p.find(c.Fields[0])
	if len(c.Fields) > 1 || onlyCodes(c.Levels) {
		var err error
		text := "concat_ws(' ', " + quotedAll(c.Fields) + ")"
		if onlyCodes(c.Levels) {
			text = CodesSQL(text)
		}
		if own, err = d.derive(p, models.BlockingKey{SQL: text}); err != nil {
			return Comparison{}, err
		}
	}
	out := Comparison{Name: c.Name, Columns: []int{own}, TF: c.TermFrequency}
	for _, l := range c.Levels {
		m := Level{Name: l.Name, Op: levelOps[l.Op], Columns: []int{own}, Arg: l.Arg}
		switch l.Op {
		case models.LevelSwapped:
			m.Columns = append(m.Columns, p.find(c.SwapWith))
		case models.LevelLocalPart:
			i, err := d.derive(p, models.BlockingKey{SQL: fmt.Sprintf("split_part(%s, '@', 1)", quoted(c.Fields[0]))})
			if err != nil {
				return out, err
			}
			m.Columns[0] = i
		}
		out.Levels = append(out.Levels, m)
	}
	return out, nil
}

// qualityResult are the figures of one set.
type qualityResult struct {
	name                string
	records             int
	gold, pairs         int64
	blocking            float64
	pairP, pairR, pairF float64
	p, r, f             float64
	largest             int
	seconds             float64
	weights             *Weights
	doubts              []string
}

func f1(tp, found, gold float64) (p, r, f float64) {
	p, r = tp/max(1, found), tp/max(1, gold)
	return p, r, 2 * tp / max(1, found+gold)
}

// truth gives each record the number of its true cluster; of gold pairs, what hangs together.
func (q *qualitySet) goldPairs(d *qualityData) (map[uint64]struct{}, error) {
	pairs := map[uint64]struct{}{}
	if q.gold == "" {
		by := map[string][]uint32{}
		for i, t := range d.truth {
			by[t] = append(by[t], uint32(i))
		}
		for _, own := range by {
			for i, a := range own {
				for _, b := range own[i+1:] {
					pairs[pairOf(a, b)] = struct{}{}
				}
			}
		}
		return pairs, nil
	}
	number := map[string]uint32{}
	last := len(q.sources) - 1
	for i, k := range d.keys {
		number[fmt.Sprint(d.src[i], "|", k)] = uint32(i)
	}
	rows, err := d.db.Query(q.gold)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return nil, err
		}
		x, ok1 := number["0|"+strings.TrimSpace(a)]
		y, ok2 := number[fmt.Sprint(last, "|", strings.TrimSpace(b))]
		if !ok1 || !ok2 {
			if strings.Contains(q.name, "/half") {
				continue
			}
			return nil, fmt.Errorf("gold %s, %s: no such record", a, b)
		}
		if x != y {
			pairs[pairOf(x, y)] = struct{}{}
		}
	}
	return pairs, rows.Err()
}

func (q *qualitySet) run(t *testing.T) qualityResult {
	db, err := sql.Open("duckdb", "")
	check(t, err)
	defer db.Close()
	if q.sources[0].sql == "households" {
		q.sources[0].sql = writeHouseholds(t, householdPersons(t))
	}
	d, err := q.read(db)
	check(t, err)
	gold, err := q.goldPairs(d)
	check(t, err)
	start := time.Now()
	e := q.entity()
	Defaults(e, ProfileRecords(d.cols, d.recs))
	p, err := d.plan(e)
	check(t, err)
	engine, err := NewEngine(t.Context(), Config{}, p, d.recs)
	check(t, err)
	w, err := Train(t.Context(), p, d.recs, engine)
	check(t, err)
	s, err := NewScoring(p, w, d.recs)
	check(t, err)
	edges, err := engine.Edges(t.Context(), nil, s.Keep)
	check(t, err)
	adds(t, s, edges)
	labels := Cluster(p, s, engine, d.recs, edges)
	again := slices.Clone(edges)
	slices.Reverse(again)
	if !slices.Equal(labels, Cluster(p, s, engine, d.recs, again)) {
		t.Error("clusters depend on the order of the edges")
	}
	out := qualityResult{name: q.name, records: d.recs.N, gold: int64(len(gold)), seconds: time.Since(start).Seconds(), weights: w, pairs: w.Training.Pairs}
	out.doubts = Doubts(p, s, engine, d.recs, edges, labels)
	out.measure(engine, gold, edges, labels)
	if os.Getenv("SHOW") != "" {
		show(t, d, p, s, engine, gold, labels, w)
	}
	return out
}

// adds checks that the bits of a pair's waterfall are its weight.
func adds(t *testing.T, s *Scoring, edges []Edge) {
	t.Helper()
	for i := 0; i < len(edges); i += 1 + len(edges)/500 {
		x, sum := &edges[i], 0.0
		for _, c := range s.Explain(x.A, x.B, x.Pattern) {
			sum += c.Bits
		}
		if math.Abs(sum-x.Weight) > 1e-9 {
			t.Fatalf("%d, %d: the waterfall adds up to %g, the weight is %g", x.A, x.B, sum, x.Weight)
		}
	}
}

func (o *qualityResult) measure(e Engine, gold map[uint64]struct{}, edges []Edge, labels []uint32) {
	var reached atomic.Int64
	if _, err := e.Edges(context.Background(), nil, func(a, b uint32, _ Pattern) (float64, Verdict, bool) {
		if _, ok := gold[pairOf(a, b)]; ok {
			reached.Add(1)
		}
		return 0, Unlike, false
	}); err != nil {
		panic(err)
	}
	o.blocking = float64(reached.Load()) / max(1, float64(len(gold)))
	tp, found := 0.0, 0.0
	for _, x := range edges {
		if x.Verdict == Match || x.Verdict == Forced || x.Verdict == Refused {
			found++
			if _, ok := gold[pairOf(x.A, x.B)]; ok {
				tp++
			}
		}
	}
	o.pairP, o.pairR, o.pairF = f1(tp, found, float64(len(gold)))
	by := map[uint32][]uint32{}
	for i, l := range labels {
		by[l] = append(by[l], uint32(i))
	}
	tp, found = 0, 0
	for _, own := range by {
		o.largest = max(o.largest, len(own))
		for i, a := range own {
			for _, b := range own[i+1:] {
				found++
				if _, ok := gold[pairOf(a, b)]; ok {
					tp++
				}
			}
		}
	}
	o.p, o.r, o.f = f1(tp, found, float64(len(gold)))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// show prints weights and some of the mistakes, for who works on the defaults.
func show(t *testing.T, d *qualityData, p *Plan, s *Scoring, e Engine, gold map[uint64]struct{}, labels []uint32, w *Weights) {
	for _, x := range w.Training.Sessions {
		t.Logf("session %-40s pairs %8d matches %.4f prior %.3g it %d left %v", x.Rule, x.Pairs, x.Matches, x.Prior, x.Iterations, x.Left)
	}
	t.Logf("prior %.3g warnings %v groups %+v", w.Prior, strings.Join(w.Training.Warnings, "\n   "), w.Groups)
	for c, x := range w.Comparisons {
		line := fmt.Sprintf("%-14s", x.Name)
		for l, y := range x.Levels {
			line += fmt.Sprintf(" %s[m %.3f u %.2g %+.1f]", y.Name, y.M, y.U, s.bits[c][l+1])
		}
		t.Log(line)
	}
	print := func(kind string, a, b uint32) {
		pat := e.Pattern(a, b)
		line := fmt.Sprintf("%s %s / %s weight %.1f\n", kind, d.keys[a], d.keys[b], s.Weight(a, b, pat))
		for c := range p.Comparisons {
			col := &d.recs.Columns[p.Comparisons[c].Columns[0]]
			line += fmt.Sprintf("      %-14s %-12s %+.1f  %s | %s\n", p.Comparisons[c].Name, p.Comparisons[c].levelName(pat.Level(c)), s.term(c, a, pat), textOf(col, a), textOf(col, b))
		}
		t.Log(line)
	}
	n := 0
	keys := make([]uint64, 0, len(gold))
	for pair := range gold {
		keys = append(keys, pair)
	}
	slices.SortFunc(keys, func(a, b uint64) int { return cmp.Compare(a*0x9E3779B97F4A7C15, b*0x9E3779B97F4A7C15) })
	for _, pair := range keys {
		if a, b := uint32(pair>>32), uint32(pair); labels[a] != labels[b] && n < 12 {
			print("MISSED", a, b)
			n++
		}
	}
	n = 0
	for i := range labels {
		a := uint32(uint64(i) * 7919 % uint64(len(labels)))
		if b := labels[a]; a != b && n < 12 {
			if _, ok := gold[pairOf(a, b)]; !ok {
				print("WRONG", b, a)
				n++
			}
		}
	}
}

func textOf(v *Values, rec uint32) string {
	if v.Kind == Number {
		return fmt.Sprint(v.Numbers[rec])
	}
	return v.Dict.At(v.Codes[rec])
}

// TestQuality matches labelled data sets: three quick ones, those that ONLY names, or all of them with MILLRACE_MATCHING_ALL=1. Only the
// quick ones fail the test below their bar; of the others the log says MISSED.
func TestQuality(t *testing.T) {
	if _, err := os.Stat(matchingData()); err != nil {
		t.Skipf("the labelled data sets are not at %s (MILLRACE_MATCHING_DATA)", matchingData())
	}
	only := os.Getenv("ONLY")
	for _, q := range append(qualitySets(), inventedSets()...) {
		if only == "" && os.Getenv("MILLRACE_MATCHING_ALL") == "" && !slices.Contains([]string{"splink_fake_1000", "febrl1", "fodors_zagats"}, q.name) {
			continue // the quick ones; all of them take two minutes
		}
		if only != "" && !slices.Contains(strings.Split(only, ","), q.name) {
			continue
		}
		t.Run(q.name, func(t *testing.T) {
			r := q.run(t)
			mark := "ok"
			if r.f < q.bar {
				mark = "MISSED"
				if only == "" && os.Getenv("MILLRACE_MATCHING_ALL") == "" {
					t.Errorf("clustered F1 %.4f is below %.3f", r.f, q.bar)
				}
			}
			t.Logf("RESULT %-18s n %6d gold %6d pairs %8d block %.3f  pair P %.4f R %.4f F %.4f  cluster P %.4f R %.4f F %.4f largest %3d  %.1f s  bar %.3f %s",
				r.name, r.records, r.gold, r.pairs, r.blocking, r.pairP, r.pairR, r.pairF, r.p, r.r, r.f, r.largest, r.seconds, q.bar, mark)
		})
	}
}
