package match

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/models"
)

// entityOf is the entity of a file, whose table is a.
func entityOf(t *testing.T, file string) *models.Entity {
	t.Helper()
	p, problems := models.Load(models.Loading{Dir: "/nowhere", Files: fstest.MapFS{"millrace.yml": {Data: []byte("name: p\n")}, "models/a.sql": {Data: []byte("select 1")},
		"entities/e.yml": {Data: []byte("sources: [a]\nkey: id\n" + file)}}})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return p.Entities[0]
}

// TestCompile: names become numbers of columns, no column is there twice, and each level looks at what it is about.
func TestCompile(t *testing.T) {
	e := entityOf(t, `standardize: {birth_date: date}
block:
  - [email]
  - {keys: [birth_date, "left(first_name, 1)"], max_block: 10, on_overflow: skip}
  - {similar: [first_name, birth_date], top: 7}
compare:
  first_name: {levels: [exact, nickname, {jw: 0.9}, phonetic], swap_with: last_name, term_frequency: true}
  last_name: [exact, {osa: 1}]
  birth_date: [exact, {osa: 1}, {within: 2w}]
  email: [exact, same_local_part, {jw: 0.9}]
  where: {fields: [lat, lon], levels: [exact, {km: 5}]}
correlated: [[last_name, email]]
never: [birth_date.else and first_name.null, email.jw_0.9, tax_id differs]
cluster: {method: connected, max_size: 9}
max_pairs: 1000
`)
	p, err := Compile(e)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]Column{}
	at := map[string]int{}
	for i, c := range p.Columns {
		if _, twice := names[c.Name]; twice {
			t.Errorf("column %s is there twice", c.Name)
		}
		names[c.Name], at[c.Name] = c, i
	}
	kinds := map[string]Kind{"first_name": Text, "last_name": Text, "birth_date": Date, "email": Text, "lat": Number, "lon": Number, "tax_id": Text, "first_name$nickname": Text, "first_name$phonetic": Text,
		"email$local": Text, "birth_date$text": Text, "$block2_2": Text}
	for name, kind := range kinds {
		if c, ok := names[name]; !ok || c.Kind != kind {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if len(p.Columns) != len(kinds) {
		t.Errorf("%+v", p.Columns)
	}
	first := p.Comparisons[0]
	want := []Level{{"exact", Exact, []int{at["first_name"]}, 0}, {"swapped", Swapped, []int{at["first_name"], at["last_name"]}, 0}, {"nickname", Exact, []int{at["first_name$nickname"]}, 0},
		{"jw_0.9", JaroWinkler, []int{at["first_name"]}, 0.9}, {"phonetic", Exact, []int{at["first_name$phonetic"]}, 0}}
	if !first.TF || !reflect.DeepEqual(first.Levels, want) {
		t.Errorf("%+v", first)
	}
	if l := p.Comparisons[2].Levels; l[0].Columns[0] != at["birth_date"] || l[1].Op != OSA || l[1].Columns[0] != at["birth_date$text"] || l[2].Op != Days || l[2].Arg != 14 || l[2].Columns[0] != at["birth_date"] {
		t.Errorf("%+v", l)
	}
	if c := p.Comparisons[4]; !reflect.DeepEqual(c.Columns, []int{at["lat"], at["lon"]}) || c.Levels[0].Op != Distance || c.Levels[0].Arg != 0 || c.Levels[1].Arg != 5 {
		t.Errorf("%+v", c)
	}
	if r := p.Rules; !reflect.DeepEqual(r[1].Keys, []int{at["birth_date"], at["$block2_2"]}) || r[1].Overflow != Skip || r[1].MaxBlock != 10 || r[2].Similar.Top != 7 || !reflect.DeepEqual(r[2].Similar.Columns, []int{at["first_name"], at["birth_date$text"]}) {
		t.Errorf("%+v", r)
	}
	if !reflect.DeepEqual(p.Groups, []Group{{[]int{1, 3}, usualGroup}}) || p.Cluster.Method != Connected || p.Cluster.MaxSize != 9 || p.MaxPairs != 1000 {
		t.Errorf("%+v", p)
	}
	terms := [][]Term{{{Comparison: 2, Level: 4}, {Comparison: 0}}, {{Comparison: 3, Level: 3}}, {{Comparison: -1, Column: at["tax_id"], Differs: true}}}
	for i, c := range p.Never {
		if !reflect.DeepEqual(c.Terms, terms[i]) {
			t.Errorf("%+v", c)
		}
	}
}

// TestPlanHash: it changes with what weights are about, and with nothing else.
func TestPlanHash(t *testing.T) {
	const file = "standardize: {name: [trim, fold]}\nblock: [[name]]\ncompare: {name: [exact, {jw: 0.9}], born: [exact]}\n"
	hash := func(file string) string {
		p, err := Compile(entityOf(t, file))
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash
	}
	same := hash(file)
	for _, other := range []string{file + "decide: {auto: 0.9}\n", strings.Replace(file, "[[name]]", "[[born], [name]]", 1), file + "description: x\n"} {
		if hash(other) != same {
			t.Errorf("differs:\n%s", other)
		}
	}
	for _, other := range []string{strings.Replace(file, "0.9", "0.8", 1), strings.Replace(file, "[trim, fold]", "[trim]", 1), strings.Replace(file, ", born: [exact]", "", 1), strings.Replace(file, "born: [exact]", "born: {levels: [exact], term_frequency: true}", 1)} {
		if hash(other) == same {
			t.Errorf("is the same:\n%s", other)
		}
	}
}

// TestCompileMistakes: what the file says by itself may still make no plan.
func TestCompileMistakes(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"no levels":          {"block: [[a]]\ncompare: [a]\n", "comparison a has no levels"},
		"no rule":            {"compare: {a: [exact]}\n", "entity e has no rule"},
		"a number as a name": {"block: [[a]]\ncompare: {a: [{within: 3}, nickname]}\n", "a: nickname means nothing of a number"},
		"a list as a text":   {"block: [[b]]\ncompare: {a: [{overlap: 1}, {jw: 0.9}]}\n", "a: jw_0.9 means nothing of a list"},
		"blocked by a list":  {"block: [[a]]\ncompare: {a: [{overlap: 1}]}\n", "rule a: a is a list"},
		"frequent likeness":  {"block: [[a]]\ncompare: {a: {levels: [{jw: 0.9}], term_frequency: true}}\n", "term_frequency is about equal values"},
		"swapped kinds":      {"standardize: {b: date}\nblock: [[a]]\ncompare: {a: {levels: [exact], swap_with: b}}\n", "a is a text, and b is a date"},
	} {
		if _, err := Compile(entityOf(t, c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
