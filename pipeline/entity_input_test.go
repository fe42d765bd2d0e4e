package pipeline_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// persons are two sources of persons, two of whom are in both.
const (
	personsA = "select * from (values ('1', 'anna', 'berg', '1980-01-01'), ('2', 'bernd', 'kohl', '1970-02-02'), ('3', 'clara', 'wolf', '1960-03-03')) t(id, first, last, born)"
	personsB = "select * from (values ('x1', 'anna', 'berg', '1980-01-01'), ('x2', 'bernd', 'kohl', '1970-02-02')) t(id, first, last, born)"
	person   = "sources: [a, b]\nkey: id\ncompare: [first, last, born]\nalways: [\"same first\"]\n"
)

// withPersons is a project of an entity, with files that replace its own.
func withPersons(more ...string) map[string]string {
	files := map[string]string{"millrace.yml": "name: p\n", "models/a.sql": personsA, "models/b.sql": personsB, "entities/person.yml": person}
	for i := 0; i < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	return files
}

// overrides are a table of decisions.
func overrides(rows string) string {
	return "select * from (values " + rows + ") t(a_source, a_key, b_source, b_key, decision)"
}

// TestEntityInputs: whatever stands in the sources, an entity is made of it, or the message says what is wrong with it.
func TestEntityInputs(t *testing.T) {
	for name, c := range map[string]struct {
		files  map[string]string
		golden int64  // rows
		says   string // the error or, where the entity is made, its accounts
	}{
		"no rows":    {withPersons("models/a.sql", personsA+" where false", "models/b.sql", personsB+" where false"), 0, "read 0"},
		"one record": {withPersons("entities/person.yml", "sources: [a]\nkey: id\ncompare: [first]\n", "models/a.sql", personsA+" where id = '1'"), 1, "read 1 = records 1"},
		"a column without values": {withPersons("models/a.sql", "select * replace (null as born) from ("+personsA+")",
			"models/b.sql", "select * replace (null as born) from ("+personsB+")"),
			3, "read 5 = records 5"},
		"numbers where letters are usual": {withPersons("entities/person.yml", "sources: [n]\nkey: id\ncompare: [zip, code]\n",
			"models/n.sql", "select range as id, 10000 + range * 37 as zip, 1000000 + range * 7919 as code from range(60)"), 60, "records 60"},
		"keys that are missing": {withPersons("models/a.sql", "select * replace (nullif(id, '1') as id) from ("+personsA+")"), 3, "read 5 = records 4 + quarantined 1"},
		"keys that repeat": {withPersons("models/a.sql", "select * replace ('1' as id) from ("+personsA+")"), -1,
			"source a: 1 value of its key (id) repeats, in 3 rows: 1 (3 rows)"},
		"codes that are not known": {withPersons("entities/person.yml", person+"standardize: {last: {map: ref, on_miss: null}}\n",
			"models/ref.sql", "select 'berg' as f, 'B' as t"), 3, "read 5 = records 5"},
		"codes that are required": {withPersons("entities/person.yml", person+"standardize: {last: {map: ref, on_miss: quarantine}}\n",
			"models/ref.sql", "select 'berg' as f, 'B' as t"), 1, "read 5 = records 2 + quarantined 3"},
		"types that differ": {withPersons("models/b.sql", "select * replace (19800101 as born) from ("+personsB+")"), -1, "field born is a VARCHAR in a and a INTEGER in b"},
		"a column that is gone": {withPersons("models/a.sql", "select id, first, last from ("+personsA+")",
			"models/b.sql", "select id, first, last from ("+personsB+")"), -1, `no source of entity person has a column "born"`},
		"too many pairs": {withPersons("entities/person.yml", "sources: [n]\nkey: id\ncompare: [name]\nblock: [[kind]]\nmax_pairs: 1000\n",
			"models/n.sql", "select range as id, 'n' || range as name, 'x' as kind from range(100)"), -1, `would make 4950 pairs, max_pairs is 1000: "kind" 4950`},
		"decisions that contradict": {withPersons("entities/person.yml", person+"overrides: ov\n",
			"models/ov.sql", overrides("('a', '1', 'b', 'x1', 'match'), ('a', '1', 'b', 'x1', 'split')")), -1, "main.ov: split a:1 and b:x1 contradicts main.ov: match a:1 and b:x1"},
		"decisions of no kind": {withPersons("entities/person.yml", person+"overrides: ov\n",
			"models/ov.sql", overrides("('a', '1', 'b', 'x1', 'mtch')")), -1, `row 1 of main.ov, by time and key: decision "mtch": a table of overrides has match and split: did you mean "match"?`},
		"decisions without columns": {withPersons("entities/person.yml", person+"overrides: ov\n", "models/ov.sql", "select 1 as a_source"), -1, "main.ov has no column a_key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := engine(t, project(t, c.files))
			r := run(t, e)
			s := step(t, r, "main.person_golden")
			said := s.Error
			for _, eq := range s.Equations {
				said += eq.String() + "; "
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("%s: %s", s.Status, said)
			}
			m, err := e.Loader.Current(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			published := 0
			for _, table := range m.Tables {
				if strings.HasPrefix(table.Name.Table, "person_") && !strings.HasSuffix(table.Name.Table, models.QuarantineSuffix) {
					published++
				}
				if table.Name.Table == "person_golden" && table.Rows != c.golden {
					t.Errorf("%d golden records", table.Rows)
				}
			}
			if want := map[bool]int{false: 7, true: 0}[c.golden < 0]; published < want || want == 0 && published > 0 {
				t.Errorf("%d tables are published, want %d", published, want)
			}
		})
	}
}

// TestEntityGuards: tables of an entity that have lost much of what they had replace none without a yes, as a stream's do not, and what is
// told says why records are missing.
func TestEntityGuards(t *testing.T) {
	dir := project(t, withPersons())
	succeeded(t, run(t, engine(t, dir)))
	for _, c := range []struct {
		a, b    string // SQL of id
		yes     func(*pipeline.Request)
		records int64
		want    []string
	}{
		{"null", "id", func(r *pipeline.Request) { r.AllowShrunken = true }, 2,
			[]string{"the records of person have shrunk from 5 to 2, by more than max_shrink: 50%; source a: 3 rows are kept out: key_missing"}},
		{"null", "null", func(r *pipeline.Request) { r.AllowEmpty = true }, 0, []string{"person has no records any more, and 2 are published", "source b: 2 rows"}},
	} {
		write(t, dir, map[string]string{"models/a.sql": "select * replace (" + c.a + " as id) from (" + personsA + ")",
			"models/b.sql": "select * replace (" + c.b + " as id) from (" + personsB + ")"})
		s := step(t, run(t, engine(t, dir)), "main.person_golden")
		if mentions(t, s.Error, c.want...); s.Status != journal.Failed || !strings.Contains(s.Hint, "millrace run --allow-") {
			t.Errorf("%s %s", s.Status, s.Hint)
		}
		if p, err := engine(t, dir).Plan(t.Context(), engine(t, dir).Project.Nodes); err != nil || !slices.ContainsFunc(p.Nodes, func(n pipeline.PlannedNode) bool {
			return strings.Contains(strings.Join(n.Notes, "; "), "a run would refuse this: "+c.want[0])
		}) {
			t.Errorf("%v %+v", err, p)
		}
		r := run(t, engine(t, dir), c.yes)
		if s = step(t, r, "main.person_golden"); s.Status != journal.Succeeded || s.Equations[0].Get("records") != c.records {
			t.Errorf("%s: %v", s.Error, s.Equations)
		}
		mentions(t, strings.Join(s.Notes, "; "), "source a: 3 rows are kept out: key_missing")
	}
	got := query(t, engine(t, dir), "select \"value\" from main.person_quality where metric = 'gone_share' order by \"at\"")
	if len(got) != 2 || got[0][0] != 0.6 || got[1][0] != 1.0 {
		t.Errorf("gone: %v", got)
	}
}

// TestEntityPublishesTogether: none of an entity's tables is published while one of them fails a check, and all are by the retry after that.
func TestEntityPublishesTogether(t *testing.T) {
	dir := project(t, withPersons("models/x.yml", "models: [{name: person_xref, checks: [{sql: \"select * from {{ this }} where source_key = '2'\"}]}]\n",
		"models/after.sql", "select count(*) as n from {{ ref('person_golden') }}"))
	r := run(t, engine(t, dir))
	want := map[string]journal.Status{"main.person_xref": journal.ChecksFailed, "main.after": journal.Withheld}
	for _, part := range []string{"golden", "edges", "review", "merge_log", "quality", "records"} {
		want["main.person_"+part] = journal.Withheld
	}
	for _, node := range slices.Sorted(maps.Keys(want)) {
		if s := step(t, r, node); s.Status != want[node] {
			t.Errorf("%s is %s: %s", node, s.Status, s.Error)
		}
	}
	if *r.Run.ExitCode != pipeline.ExitChecks {
		t.Errorf("exit code %d", *r.Run.ExitCode)
	}
	if len(r.Published) != 2 { // the models that it reads
		t.Errorf("published: %v", r.Published)
	}
	write(t, dir, map[string]string{"models/x.yml": "models: [{name: person_xref}]",
		"entities/person.yml": person + "expect: {golden: \"<= 2\", pairs: {is: \"<= 0\", severity: warn}}\n"})
	r = run(t, engine(t, dir))
	if s := step(t, r, "main.person_golden"); s.Status != journal.ChecksFailed || !strings.Contains(s.Error, "expect_golden: golden is 3, expected <= 2") {
		t.Errorf("%s: %s", s.Status, s.Error)
	}
	write(t, dir, map[string]string{"entities/person.yml": person + "expect: {golden: \"<= 3\", pairs: {is: \"<= 0\", severity: warn}}\n"})
	e := engine(t, dir)
	r, err := e.Retry(t.Context(), r.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Published) != 8 || *r.Run.ExitCode != pipeline.ExitOK {
		t.Errorf("exit code %d: %d published", *r.Run.ExitCode, len(r.Published))
	}
	if i := slices.IndexFunc(r.Checks, func(c check.Result) bool { return c.Name == "expect_pairs" }); i < 0 || r.Checks[i].Status != check.StatusWarn {
		t.Errorf("%+v", r.Checks)
	}
}

// TestEntityPlan: a plan says what matching would begin with and, when it is asked, what would become of golden ids; what a run would refuse is
// a problem of the plan.
func TestEntityPlan(t *testing.T) {
	dir := project(t, withPersons("entities/person.yml", person+"block: [[first], [last]]\n"))
	golden := func(look func(*pipeline.Engine) (*pipeline.Plan, error)) pipeline.PlannedNode {
		p, err := look(engine(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(p.Nodes, func(n pipeline.PlannedNode) bool { return n.Name == "main.person_golden" })
		return p.Nodes[i]
	}
	plan := func(e *pipeline.Engine) (*pipeline.Plan, error) { return e.Plan(t.Context(), e.Project.Nodes) }
	matching := func(e *pipeline.Engine) (*pipeline.Plan, error) { return e.PlanMatching(t.Context(), e.Project.Nodes) }
	has := func(n pipeline.PlannedNode, want ...string) {
		t.Helper()
		for _, text := range want {
			if said := strings.Join(n.Notes, "\n"); !strings.Contains(said, text) {
				t.Errorf("not told: %s\n%s\n%s", text, said, n.Error)
			}
		}
	}
	has(golden(plan), "its pairs can be counted once main.a is published")
	run(t, engine(t, dir))
	has(golden(plan), "read 5 = records 5 + quarantined 0, of 2 sources", "4 pairs at most, max_pairs is 2000000000: first 2, last 2", "weights are trained in the run")
	if n := golden(plan); strings.Contains(strings.Join(n.Notes, "\n"), "golden ids may change") || n.Error != "" {
		t.Errorf("%v %s", n.Notes, n.Error)
	}
	write(t, dir, map[string]string{"entities/person.yml": "sources: [a, b]\nkey: id\ncompare: [first, last]\nnever: [\"same first\"]\nblock: [[first]]\n"})
	has(golden(plan), "what is matched by has changed since it was published: blocking rules (before: last), comparisons (before: born by exact, osa_1, osa_2), never (now: same first), always (before: same first): golden ids may change",
		"compares all 5 records: their weights are learned anew in each run")
	has(golden(matching), "5 golden records of 5 records", "3 keep their golden id, 2 get another, 0 are gone; 0 are new; churn 0.4", "2 split")
	write(t, dir, map[string]string{"entities/person.yml": person + "block: [[first]]\nmax_pairs: 1\n"})
	if n := golden(plan); !strings.Contains(n.Error, `blocking rules would make 2 pairs, max_pairs is 1: "first" 2`) ||
		!strings.Contains(n.Hint, `rule "first" makes 2 of them`) || strings.HasSuffix(n.At, ":1:1") {
		t.Error(n.Error)
	}
	write(t, dir, map[string]string{"entities/person.yml": person + "weights: w.json\n",
		"w.json": `{"format": 1, "entity": "person", "plan": "other", "prior": 0.1, "comparisons": []}`})
	if n := golden(plan); !strings.Contains(n.Error, "w.json") {
		t.Errorf("%s %v", n.Error, n.Notes)
	}
	write(t, dir, map[string]string{"entities/person.yml": person + "block: [[first], [last]]\n", "models/b.sql": "select id, first, last from (" + personsB + ")"})
	const gone = "source b has no born any more, as it had when the tables were published: it is NULL in its records"
	has(golden(plan), gone)
	if s := step(t, run(t, engine(t, dir)), "main.person_golden"); !strings.Contains(strings.Join(s.Notes, "\n"), gone) {
		t.Errorf("%s %v", s.Error, s.Notes)
	}
	if n := golden(plan); strings.Contains(strings.Join(n.Notes, "\n"), "any more") { // which has been published
		t.Error(n.Notes)
	}
}
