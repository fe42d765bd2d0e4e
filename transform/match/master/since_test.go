package master

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/steward"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// person is an entity whose plan has rules with keys of one field, of several, of an expression over a field that nothing else looks at,
// blocks that overflow, a source without duplicates, and both kinds of conditions.
const person = `sources: [{table: crm, key: id}, {table: shop, key: id, duplicate_free: true}]
weights: w.json
block:
  - [email]
  - {keys: [birth, "left(town, 2)"]}
  - {keys: [last], max_block: 7, on_overflow: skip}
  - {keys: [tax]}
compare:
  first: {levels: [exact, {jw: 0.85}], term_frequency: true}
  last:  {levels: [exact, {jw: 0.85}]}
  birth: {levels: [exact, {osa: 1}]}
  email: {levels: [exact, {jw: 0.9}]}
never: ["first.else and birth.else"]
always: ["same tax"]
decide: {auto: 0.9, review: 0.2}
`

// one is a record, by its place in sourceNames and its key.
type one struct{ source, key string }

// seeds is how many populations TestIncremental has.
const seeds = uint64(1)

// columns are what records have behind their id.
var columns = []string{"first", "last", "birth", "email", "town", "tax"}

// lab has an engine, and a population that changes.
type lab struct {
	*testing.T
	w      warehouse.Warehouse
	dir    string
	files  int
	entity *models.Entity
	people map[one][]string
	random *rand.Rand
	before golden.Tables
	run    int
}

func open(t *testing.T, seed uint64) *lab {
	t.Helper()
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 512 << 20, Threads: 2, Dirs: []string{dir}, Temp: filepath.Join(dir, "spill")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	l := &lab{T: t, w: w, dir: dir, people: map[one][]string{}, random: rand.New(rand.NewPCG(seed, 7)), before: golden.Tables{}}
	l.entity = l.load(person)
	for i := range 150 {
		l.add(i)
	}
	l.expose()
	return l
}

// load reads an entity's file.
func (l *lab) load(file string) *models.Entity {
	l.Helper()
	files := fstest.MapFS{"millrace.yml": {Data: []byte("name: p\n")}, "entities/person.yml": {Data: []byte(file)}, "w.json": {Data: []byte("{}")},
		"models/crm.sql": {Data: []byte("select 1 as x")}, "models/shop.sql": {Data: []byte("select 1 as x")}}
	p, problems := models.Load(models.Loading{Dir: "/nowhere", Files: files})
	if problems.HasErrors() {
		l.Fatal(problems)
	}
	return p.Entities[0]
}

func (l *lab) word(of string, n int) string { return fmt.Sprintf("%s%c%d", of, 'a'+rune(n%5), n) }

// add adds record i: of a new person, or, with errors, of one who is there.
func (l *lab) add(i int) {
	source := []string{"crm", "shop"}[l.random.IntN(2)]
	r := l.random.IntN
	values := []string{l.word("fi", r(25)), l.word("la", r(12)), fmt.Sprintf("19%02d-01-%02d", 50+r(30), 1+r(28)), fmt.Sprintf("mail%d@x.de", i), l.word("to", r(6)), ""}
	if known := l.keys(); len(known) > 20 && r(3) > 0 {
		values = slices.Clone(l.people[known[r(len(known))]])
		l.spoil(values)
	} else if r(8) == 0 {
		values[5] = fmt.Sprint("t", r(10))
	}
	l.people[one{source, fmt.Sprintf("k%04d", (i*7919)%10007)}] = values
}

func (l *lab) spoil(values []string) {
	c := l.random.IntN(len(values))
	switch {
	case c == 2:
		values[c] = fmt.Sprintf("19%02d-01-11", 50+l.random.IntN(40))
	case l.random.IntN(4) == 0 || values[c] == "":
		values[c] = ""
	case c == 4:
		values[c] = l.word("to", l.random.IntN(6))
	default:
		values[c] = values[c][:len(values[c])-1] + "z"
	}
}

// keys are those of all records, in a fixed order.
func (l *lab) keys() []one {
	keys := make([]one, 0, len(l.people))
	for k := range l.people {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b one) int { return strings.Compare(a.source+a.key, b.source+b.key) })
	return keys
}

// expose writes the sources' tables, rows in any order.
func (l *lab) expose() {
	l.Helper()
	for _, source := range []string{"crm", "shop"} {
		var rows []string
		for _, k := range l.keys() {
			if k.source == source {
				row := "('" + k.key + "'"
				for _, v := range l.people[k] {
					row += ", nullif('" + v + "', '')"
				}
				rows = append(rows, row+")")
			}
		}
		l.random.Shuffle(len(rows), func(i, k int) { rows[i], rows[k] = rows[k], rows[i] })
		l.table(source, "SELECT * FROM (VALUES "+strings.Join(rows, ",\n")+") AS v(id, "+strings.Join(columns, ", ")+")")
	}
}

func (l *lab) table(name, query string) {
	l.Helper()
	l.files++
	f, err := l.w.Write(l.Context(), query, filepath.Join(l.dir, fmt.Sprintf("%s-%d.parquet", name, l.files)))
	if err != nil {
		l.Fatal(err)
	}
	described, err := l.w.Describe(l.Context(), query)
	if err != nil {
		l.Fatal(err)
	}
	i := slices.IndexFunc(l.entity.Sources, func(s *models.EntitySource) bool { return s.Name == name })
	v := warehouse.Version{Name: warehouse.Name{Schema: l.entity.Sources[i].Node.Schema, Table: l.entity.Sources[i].Node.Table}, Columns: described, Base: []warehouse.File{f}, Rows: f.Rows}
	if err := l.w.Expose(l.Context(), v); err != nil {
		l.Fatal(err)
	}
}

// job is one over what the lab has now.
func (l *lab) job(w *match.Weights, decisions []steward.Decision) Job {
	l.Helper()
	l.files++
	j := Job{Entity: l.entity, Warehouse: l.w, Dir: filepath.Join(l.dir, fmt.Sprint("job", l.files)), Before: l.before, Run: fmt.Sprint("run", l.run),
		At: time.Date(2026, 1, 1+l.run, 0, 0, 0, 0, time.UTC), Weights: w, Threads: 1}
	rulings, err := steward.Rule(decisions)
	if err = errors.Join(err, os.Mkdir(j.Dir, 0o700)); err != nil {
		l.Fatal(err)
	}
	j.Rulings = *rulings
	return j
}

// change adds, changes and removes some records.
func (l *lab) change(round int) {
	for i := range 6 {
		l.add(1000*(round+1) + i)
	}
	for range 5 {
		keys := l.keys()
		l.spoil(l.people[keys[l.random.IntN(len(keys))]])
	}
	for range 4 {
		keys := l.keys()
		delete(l.people, keys[l.random.IntN(len(keys))])
	}
	l.expose()
}

// decide adds a decision about a pair of those that there are edges of, or any, and revokes one now and then.
func (l *lab) decide(all []steward.Decision) []steward.Decision {
	keys := l.keys()
	a, b := keys[l.random.IntN(len(keys))], keys[l.random.IntN(len(keys))]
	if edges := l.before[models.PartEdges]; edges != nil && l.random.IntN(3) > 0 {
		rows, err := l.w.Query(l.Context(), "SELECT a_source, a_key, b_source, b_key FROM ("+warehouse.DuckDB.Select(*edges)+") AS e ORDER BY ALL")
		if err != nil {
			l.Fatal(err)
		}
		row := rows.Rows[l.random.IntN(len(rows.Rows))]
		a, b = one{row[0].(string), row[1].(string)}, one{row[2].(string), row[3].(string)}
	}
	d := steward.Decision{ID: fmt.Sprint("d", len(all)), At: time.Date(2026, 1, 1, 0, 0, len(all), 0, time.UTC), By: "ann", Kind: steward.Match,
		A: steward.Record{Source: a.source, Key: a.key}, B: steward.Record{Source: b.source, Key: b.key}}
	if l.random.IntN(2) == 0 {
		d.Kind = steward.Split
	}
	next := append(slices.Clone(all), d)
	if len(all) > 0 && l.random.IntN(3) == 0 {
		next = append(slices.Clone(all), steward.Decision{ID: d.ID, At: d.At, Kind: steward.Revoke, Of: all[l.random.IntN(len(all))].ID})
	}
	if _, err := steward.Rule(next); err != nil || a == b {
		return all
	}
	return next
}

// differ is how many rows of a part two runs do not have in common, and how many there are.
func (l *lab) differ(part string, a, b *Matched) (differ, rows int64) {
	l.Helper()
	x, y := "("+warehouse.DuckDB.Select(*a.Tables[part])+")", "("+warehouse.DuckDB.Select(*b.Tables[part])+")"
	answer, err := l.w.Query(l.Context(), "SELECT (SELECT count(*) FROM (FROM "+x+" EXCEPT ALL FROM "+y+")) + (SELECT count(*) FROM (FROM "+y+" EXCEPT ALL FROM "+x+")), (SELECT count(*) FROM "+x+")")
	if err != nil {
		l.Fatal(err)
	}
	return answer.Rows[0][0].(int64), answer.Rows[0][1].(int64)
}

// same fails when two runs have other tables, but for what they say about themselves.
func (l *lab) same(what string, a, b *Matched) {
	l.Helper()
	for _, part := range models.EntityParts {
		if part == models.PartQuality {
			continue
		}
		if n, of := l.differ(part, a, b); n > 0 {
			l.Errorf("%s: %s differs in %d rows of %d", what, part, n, of)
		}
	}
}

func figure(m *Matched, metric string) float64 {
	for _, f := range m.Figures {
		if f.Metric == metric && f.Detail == "" {
			return f.Value
		}
	}
	return -1
}

// learned are weights of the lab's records.
func (l *lab) learned() *match.Weights {
	l.Helper()
	w, _, err := Learn(l.Context(), l.job(nil, nil))
	if err != nil {
		l.Fatal(err)
	}
	return w
}

// TestIncremental runs rounds of changes and decisions, each once comparing what has changed and once everything: the tables are the same.
func TestIncremental(t *testing.T) {
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			l := open(t, seed)
			weights := l.learned()
			var decisions []steward.Decision
			taken := 0
			for l.run = range 4 {
				if l.run > 0 {
					l.change(l.run)
					for range 5 {
						decisions = l.decide(decisions)
					}
				}
				some, err := Build(t.Context(), l.job(weights, decisions))
				job := l.job(weights, decisions)
				job.Full = true
				all, again := Build(t.Context(), job)
				if err != nil || again != nil {
					if fmt.Sprint(err) != fmt.Sprint(again) {
						t.Fatalf("round %d: %v, and comparing everything: %v", l.run, err, again)
					}
					decisions = nil // they contradict the conditions
					continue
				}
				if len(l.before) > 0 {
					n := figure(some, "compared_records")
					if n < 1 || n > 60 || figure(all, "compared_records") != float64(len(l.people)) {
						t.Errorf("round %d: %v records were compared, and all of %d: %v; %q", l.run, n, len(l.people), figure(all, "compared_records"), some.Notes)
					}
					taken++
				}
				l.same(fmt.Sprintf("round %d", l.run), some, all)
				if l.run == 3 { // other threads, other order of rows
					l.expose()
					job := l.job(weights, decisions)
					job.Threads = 4
					shuffled, err := Build(t.Context(), job)
					if err != nil {
						t.Fatal(err)
					}
					l.same("four threads and shuffled rows", shuffled, all)
				}
				l.before = some.Tables
			}
			if taken < 2 {
				t.Errorf("%d rounds compared only what has changed", taken)
			}
		})
	}
}

// TestIncrementalCompares counts the pairs that are really compared.
func TestIncrementalCompares(t *testing.T) {
	l := open(t, 3)
	weights := l.learned()
	var pairs [2]int64
	for l.run = range pairs {
		var done atomic.Int64
		job := l.job(weights, nil)
		job.Progress = func(n, _ int64) { done.Store(max(done.Load(), n)) }
		if l.run == 1 {
			l.add(99)
			l.expose()
		}
		m, err := Build(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		pairs[l.run], l.before = done.Load(), m.Tables
		if told := figure(m, "compared_pairs"); told < float64(done.Load()) {
			t.Errorf("%d pairs were compared, and %v told", done.Load(), told)
		}
		if l.run == 1 && !slices.Contains(m.Notes, fmt.Sprintf("compared 1 changed records against %d", len(l.people))) {
			t.Errorf("notes: %q", m.Notes)
		}
		if edges := m.Tables[models.PartEdges].Rows; edges < 50 {
			t.Errorf("only %d edges", edges)
		}
	}
	if pairs[0] < 100 || pairs[1] > 25 {
		t.Errorf("%d pairs of all records were compared, and then %d of one", pairs[0], pairs[1])
	}
}

// edge is what a run says of a pair of the source crm: verdict and rules; "" when it is no edge.
func (l *lab) edge(m *Matched, a, b string) string {
	l.Helper()
	rows, err := l.w.Query(l.Context(), fmt.Sprintf("SELECT verdict || ': ' || rules FROM (%s) AS e WHERE a_source = 'crm' AND b_source = 'crm' AND a_key = '%s' AND b_key = '%s'",
		warehouse.DuckDB.Select(*m.Tables[models.PartEdges]), a, b))
	if err != nil || len(rows.Rows) > 1 {
		l.Fatal(rows, err)
	}
	if len(rows.Rows) == 0 {
		return ""
	}
	return rows.Rows[0][0].(string)
}

// TestIncrementalCases has what seldom comes of chance.
func TestIncrementalCases(t *testing.T) {
	l := open(t, 6)
	weights := l.learned()
	put := func(key string, values ...string) { l.people[one{"crm", key}] = values }
	for i := range 8 { // one too many for the only rule that brings them together
		put(fmt.Sprint("same", i), "zoe", "zander", "1990-09-09", "", "", "")
	}
	put("u1", "ada", "unlike", "1911-11-11", "ada@a.de", "xanten", "") // candidates that do not match
	put("u2", "wim", "other", "1911-11-11", "q@wim.org", "xanten", "")
	put("c1", "hugo", "quentinburg", "1921-11-11", "", "", "") // alike, and no candidates
	put("c2", "hugo", "quentinburk", "1921-11-12", "", "", "")
	put("t1", "otto", "torstenson", "1931-11-11", "", "ypern", "") // candidates once they live in one town, which nothing compares
	put("t2", "otto", "torstensen", "1931-11-11", "", "zwickau", "")
	decide := func(n int, kind steward.Kind, a, b string) steward.Decision {
		return steward.Decision{ID: fmt.Sprint("d", n), At: time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC), Kind: kind, A: steward.Record{Source: "crm", Key: a}, B: steward.Record{Source: "crm", Key: b}}
	}
	var decisions []steward.Decision
	pairs := [][2]string{{"same0", "same1"}, {"u1", "u2"}, {"c1", "c2"}, {"t1", "t2"}}
	for run, want := range [][]string{
		{"", "", "", ""},
		{"match: last", "forced: birth + left(town, 2)", "forced: ", "match: birth + left(town, 2)"},
		{"match: last", "", "", "match: birth + left(town, 2)"},
	} {
		switch l.run = run; run {
		case 1:
			delete(l.people, one{"crm", "same3"})
			l.people[one{"crm", "t2"}][4] = "ypern"
			decisions = append(decisions, decide(0, steward.Match, "u1", "u2"), decide(1, steward.Match, "c1", "c2"))
		case 2:
			for i, of := range []string{"d0", "d1"} {
				decisions = append(decisions, steward.Decision{ID: fmt.Sprint("d", 2+i), At: time.Date(2026, 1, 2, 0, 0, i, 0, time.UTC), Kind: steward.Revoke, Of: of})
			}
		}
		l.expose()
		some, err := Build(t.Context(), l.job(weights, decisions))
		if err != nil {
			t.Fatal(err)
		}
		for i, pair := range pairs {
			if got := l.edge(some, pair[0], pair[1]); got != want[i] {
				t.Errorf("run %d: %v are %q, not %q", run, pair, got, want[i])
			}
		}
		if run > 0 {
			if n := figure(some, "compared_records"); n > 20 {
				t.Errorf("run %d: %v records were compared: %q", run, n, some.Notes)
			}
			job := l.job(weights, decisions)
			job.Full = true
			all, err := Build(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			l.same(fmt.Sprint("run ", run), some, all)
		}
		l.before = some.Tables
	}
}

// prepare runs the acts before anything is compared, and gives the notes.
func prepare(ctx context.Context, job Job) ([]string, bool, error) {
	m := &matching{Job: job}
	for _, step := range []func(context.Context) error{m.read, m.settle, m.records, m.weigh, m.decide, m.unchanged} {
		if err := step(ctx); err != nil {
			return nil, false, err
		}
	}
	return m.out.Notes, m.since != nil, nil
}

// TestFull says when everything is compared, and why.
func TestFull(t *testing.T) {
	l := open(t, 4)
	weights := l.learned()
	first, err := Build(t.Context(), l.job(weights, nil))
	if err != nil {
		t.Fatal(err)
	}
	l.before = first.Tables
	l.run++
	file := func(old, new string) func(*Job) {
		return func(j *Job) { j.Entity = l.load(strings.Replace(person, old, new, 1)) }
	}
	without := func(part string) func(*Job) {
		return func(j *Job) {
			j.Before = golden.Tables{}
			for name, v := range l.before {
				if name != part {
					j.Before[name] = v
				}
			}
		}
	}
	others := *weights
	others.Prior *= 0.9
	for _, c := range []struct {
		name, note string
		change     func(*Job)
	}{
		{"nothing changed", "compared 0 changed records against", func(*Job) {}},
		{"other automatic clusters", "compared 0 changed records against", file("decide:", "cluster: {max_size: 9}\ndecide:")},
		{"full refresh", "a full refresh was asked for", func(j *Job) { j.Full = true }},
		{"no weights", "learned anew in each run", func(j *Job) { j.Weights = nil }},
		{"other weights", "other weights", func(j *Job) { j.Weights = &others }},
		{"a rule less", "other rules", file("  - [email]\n", "")},
		{"a larger block", "other rules", file("max_block: 7", "max_block: 8")},
		{"a threshold", "thresholds", file("review: 0.2", "review: 0.1")},
		{"a condition", "conditions", file("never:", "never: [tax differs]\n#")},
		{"sources the other way", "or sources", file("sources: [{table: crm, key: id}, {table: shop, key: id, duplicate_free: true}]", "sources: [{table: shop, key: id, duplicate_free: true}, {table: crm, key: id}]")},
		{"the nearest", "looks for the nearest among all records", file("  - [email]", "  - {similar: [email], top: 3}")},
		{"no quality", "has not noted what it compared by", without(models.PartQuality)},
		{"no edges", "", without(models.PartEdges)},
		{"edges of another run", "are not those of one run", func(j *Job) {
			without("")(j)
			edges := *j.Before[models.PartEdges]
			edges.Rows++
			j.Before[models.PartEdges] = &edges
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := l.job(weights, nil)
			c.change(&job)
			notes, some, err := prepare(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(notes, "\n"); !strings.Contains(text, c.note) || some != strings.HasPrefix(c.note, "compared 0") {
				t.Errorf("only changed ones: %v; notes: %s", some, text)
			}
			if c.name == "sources the other way" { // a plan tells the same before a run
				p, err := Look(t.Context(), l.job(weights, nil))
				if err != nil || !strings.HasPrefix(p.Compares, "compares the 0 records that are new or have changed with all") {
					t.Errorf("%+v, %v", p, err)
				}
				if p, err = Look(t.Context(), job); err != nil || !strings.Contains(p.Compares, c.note) {
					t.Errorf("%+v, %v", p, err)
				}
			}
		})
	}
	t.Run("most have changed", func(t *testing.T) {
		for _, k := range l.keys()[:100] {
			l.people[k][0] += "x"
		}
		l.expose()
		notes, some, err := prepare(t.Context(), l.job(weights, nil))
		if text := strings.Join(notes, "\n"); err != nil || some || !strings.Contains(text, "are to be compared anew") {
			t.Errorf("%v, %s", err, text)
		}
	})
}

// TestMoving: of levels that weigh words by how rare they are, one more record may change what two others have.
func TestMoving(t *testing.T) {
	p := &match.Plan{Comparisons: []match.Comparison{{Name: "title", Levels: []match.Level{{Op: match.Exact}, {Op: match.Cosine, Arg: 0.5}}}}}
	if why := p.Moving(); !strings.Contains(why, "title") {
		t.Errorf("%q", why)
	}
	p.Comparisons[0].Levels = p.Comparisons[0].Levels[:1]
	if why := p.Moving(); why != "" {
		t.Errorf("%q", why)
	}
}

// TestRefused: rules that make too many pairs are told of with what to do, before anything is learned or compared.
func TestRefused(t *testing.T) {
	l := open(t, 5)
	for _, c := range []struct{ name, old, new, text, hint string }{
		{"pairs", "decide:", "max_pairs: 50\ndecide:", "max_pairs is 50", `rule "email" makes`},
		{"block", "on_overflow: skip", "on_overflow: refuse", `blocking rule "last" has`, "max_block: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := l.job(nil, nil)
			job.Entity = l.load(strings.Replace(person, c.old, c.new, 1))
			job.Progress = func(_, _ int64) { t.Error("something was compared") }
			_, err := Build(t.Context(), job)
			var wrong *match.Error
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.text) || !strings.Contains(wrong.Hint, c.hint) || wrong.Pos.Line == 0 {
				t.Errorf("%v; %+v", err, wrong)
			}
		})
	}
	m, err := Build(t.Context(), l.job(nil, nil))
	if err != nil || !slices.ContainsFunc(m.Notes, func(n string) bool {
		return strings.HasPrefix(n, `rule "last": `) && strings.Contains(n, "more than 7 records")
	}) {
		t.Errorf("%v, %q", err, m.Notes)
	}
}

// TestSplitBeforeAlways: a chain of decided matches and of a condition of always does not bring two records together that a person has split;
// the condition's pair is left to a steward.
func TestSplitBeforeAlways(t *testing.T) {
	l := open(t, 6)
	var crm []one
	for _, k := range l.keys() {
		if k.source == "crm" {
			crm = append(crm, k)
		}
	}
	l.people[crm[1]][5] = "one"
	l.people[crm[2]] = slices.Clone(l.people[crm[1]])
	l.expose()
	record := func(i int) steward.Record { return steward.Record{Source: crm[i].source, Key: crm[i].key} }
	m, err := Build(t.Context(), l.job(nil, []steward.Decision{
		{ID: "a", Kind: steward.Match, A: record(0), B: record(1)}, {ID: "b", Kind: steward.Match, A: record(2), B: record(3)},
		{ID: "c", Kind: steward.Split, A: record(0), B: record(3)}}))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := l.w.Query(l.Context(), "SELECT source_key, golden_id FROM ("+warehouse.DuckDB.Select(*m.Tables[models.PartXref])+") AS x WHERE source = 'crm'")
	if err != nil {
		t.Fatal(err)
	}
	golden := map[any]any{}
	for _, r := range rows.Rows {
		golden[r[0]] = r[1]
	}
	at := func(i int) any { return golden[record(i).Key] }
	if at(0) != at(1) || at(2) != at(3) || at(0) == at(3) {
		t.Errorf("golden ids %v", golden)
	}
	if verdict := l.edge(m, min(crm[1].key, crm[2].key), max(crm[1].key, crm[2].key)); !strings.HasPrefix(verdict, "refused") {
		t.Errorf("the pair of the condition is %s", verdict)
	}
}
