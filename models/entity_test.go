package models_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// tables are the models that entities of the tests read.
func tables(entity string, more ...string) map[string]string {
	files := map[string]string{
		"millrace.yml":           head,
		"entities/person.yml":    entity,
		"models/stg_a.sql":       "select 1 as id",
		"models/stg_b.sql":       "select 1 as id",
		"models/ref_country.sql": "select 'x' as a, 'y' as b",
	}
	for i := 0; i < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	return files
}

// spec is the entity of the specification of master data, as it stands there.
const spec = `entity: customer
sources:
  - {table: stg_salesforce_contact, key: id, updated_at: systemmodstamp, trust: 90}
  - {table: stg_shopify_customer,   key: id, updated_at: updated_at, trust: 70, trust_decay: {half_life: 365d, floor: 30}}
  - {table: stg_stripe_customer,    key: id, updated_at: created, trust: 60, duplicate_free: true}
standardize:
  first_name: [trim, fold, drop_titles, null_if: [test, unknown]]
  last_name:  [trim, fold]
  company:    [fold, drop_legal_suffix]
  phone:      {e164: {default_country: country}}
  email:      [email]                # lower, validate; gmail dots kept
  birth_date: {date: [iso, "%d/%m/%Y"], null_if: ["1900-01-01"]}
  address:    {address: {country: country}}   # -> house, street, unit, city, postcode
  country:    {map: ref_country, on_miss: quarantine}   # reference data seed
block:
  - [email]
  - [phone]
  - {keys: [last_name, postcode]}
  - {keys: [birth_date, "left(first_name,1)"], max_block: 2000, on_overflow: review}
compare:
  first_name: {levels: [exact, nickname, {jw: 0.92}, {jw: 0.88}], term_frequency: true, swap_with: last_name}
  last_name:  {levels: [exact, {jw: 0.92}, {jw: 0.88}], term_frequency: true}
  birth_date: {levels: [exact, {osa: 1}, {within: 1y}]}
  phone:      {levels: [exact, {osa: 2}]}
  email:      {levels: [exact, same_local_part, {jw: 0.92}]}
  address:    {levels: [exact, {cosine3: 0.8}]}
correlated: [{fields: [last_name, address, phone], max_weight: 20}]   # households
never: ["birth_date.else and first_name.else", "tax_id differs"]
always: ["same tax_id"]
weights: {from: models/customer.match.json}     # written by train, reviewed in git
labels: {from: entities/customer.labels.csv, complete: true}
decide: {auto: 0.98, review: 0.60}
cluster: {method: guarded, min_mean_weight: 0, max_size: 50}
overrides: {table: mdm_overrides}   # a_source,a_key,b_source,b_key,match|split,who,when,why
survive:
  default: most_recent
  groups: [{fields: [house, street, unit, city, postcode, country], by: [most_complete, most_recent]}]
  first_name: longest
  email: {most_trusted: true, require: valid}
  phones: {collect: distinct}
  lifetime_value: {custom: "sum(lifetime_value)"}
relate: [{name: household, by: [last_name, address]}, {name: parent_company, hierarchy: parent_id}]
describe: {golden_id: "stable customer id, never reused", email: {meaning: "best contact address", pii: true}}
expect: {largest_cluster: "<= 50", review_share: "<= 0.02", golden_churn: "<= 0.01", blocking_recall_on_labels: ">= 0.97"}
`

// specFiles are a project with that entity.
func specFiles() map[string]string {
	files := map[string]string{"millrace.yml": head, "entities/customer.yml": spec, "models/customer.match.json": "{}", "entities/customer.labels.csv": "key,cluster\n"}
	for _, name := range []string{"stg_salesforce_contact", "stg_shopify_customer", "stg_stripe_customer", "ref_country", "mdm_overrides"} {
		files["models/"+name+".sql"] = "select 1 as id"
	}
	return files
}

// TestEntityOfTheSpecification: it loads as it stands there, and each part of it is understood.
func TestEntityOfTheSpecification(t *testing.T) {
	p, problems := load(specFiles())
	if problems != "" {
		t.Fatal(problems)
	}
	e := p.Entity("customer")
	if e == nil || len(e.Sources) != 3 || e.Sources[1].HalfLife.Hours() != 365*24 || e.Sources[1].Floor != 30 || !e.Sources[2].DuplicateFree || e.Sources[0].Name != "stg_salesforce_contact" || e.Sources[0].Trust != 90 {
		t.Fatalf("sources: %+v", e)
	}
	phone, postcode, country := e.Field("phone"), e.Field("postcode"), e.Field("country")
	if phone.Steps[0].FieldArg("country") != "country" || postcode.Of != e.Field("address") || postcode.Part != "postcode" || country.Steps[0].Map.OnMiss != "quarantine" || country.Steps[0].Map.Node != p.Model("ref_country") {
		t.Errorf("fields: %+v %+v %+v", phone, postcode, country)
	}
	if f := e.Field("first_name"); len(f.Steps) != 4 || !slices.Equal(f.Steps[3].Args["values"].([]string), []string{"test", "unknown"}) {
		t.Errorf("first_name: %+v", f.Steps)
	}
	if f := e.Field("birth_date"); !slices.Equal(f.Steps[0].Args["formats"].([]string), []string{"%d/%m/%Y"}) || len(f.Steps) != 2 {
		t.Errorf("birth_date: %+v", f.Steps)
	}
	if r := e.Blocking[3]; r.Keys[0].Field != "birth_date" || r.Keys[1].SQL != "left(first_name,1)" || r.MaxBlock != 2000 || r.OnOverflow != "review" || r.Name != "birth_date + left(first_name,1)" {
		t.Errorf("rule: %+v", r)
	}
	var levels []string
	for _, l := range e.Comparison("first_name").Levels {
		levels = append(levels, l.Name)
	}
	if !slices.Equal(levels, []string{"exact", "swapped", "nickname", "jw_0.92", "jw_0.88"}) {
		t.Error(levels)
	}
	if l := e.Comparison("birth_date").Levels[2]; l.Op != models.LevelDate || l.Arg != 366 || l.Name != "within_1y" {
		t.Errorf("%+v", l)
	}
	if c := e.Never[0]; len(c.Terms) != 2 || c.Terms[0].Level != "else" || e.Never[1].Terms[0].Differs != "tax_id" || e.Always[0].Terms[0].Same != "tax_id" || e.Field("tax_id") == nil {
		t.Errorf("%+v %+v", c, e.Always[0])
	}
	if e.Auto != 0.98 || e.Review != 0.6 || *e.Cluster.MaxSize != 50 || e.Overrides != p.Model("mdm_overrides") || e.Correlated[0].MaxWeight != 20 || e.Weights != "models/customer.match.json" {
		t.Errorf("%+v", e)
	}
	s := e.Survive
	if len(s.Groups[0].Fields) != 6 || len(s.Fields) != 4 || s.Fields[1].Require != "valid" || s.Fields[1].By[0] != models.MostTrusted || s.Fields[2].From != "phone" || s.Fields[3].Custom == "" || e.Field("phones") != nil || e.Field("lifetime_value") == nil {
		t.Errorf("%+v", s)
	}
	if x := e.Expect[1]; x.Metric != "review_share" || x.Number != 0.02 || x.Condition.Op != "<=" || len(e.Expect) != 4 {
		t.Errorf("%+v", x)
	}
	if e.Relations[1].Hierarchy != "parent_id" || !e.Node.IsPII("email") || e.Node.IsPII("first_name") {
		t.Errorf("%+v", e.Node.Columns)
	}
}

// TestEntityOfTenLines: what is left out is left to the run.
func TestEntityOfTenLines(t *testing.T) {
	p, problems := load(tables("sources: [stg_a, erp.orders]\nkey: id\ncompare: [first_name, last_name, dob]\n"))
	if problems != "" {
		t.Fatal(problems)
	}
	e := p.Entity("person")
	if len(e.Fields) != 3 || len(e.Comparisons[2].Levels) != 0 || len(e.Blocking) != 0 || e.Cluster.Method != "" || e.Auto != 0 || e.Sources[1].Node != p.Stream("erp", "orders") || e.Sources[0].Key[0] != "id" || e.Sources[0].Trust != 50 {
		t.Errorf("%+v", e)
	}
	var made []string
	for _, n := range p.Nodes {
		if n.Entity == e {
			made = append(made, n.Table)
		}
	}
	slices.Sort(made)
	if want := []string{"person_edges", "person_golden", "person_merge_log", "person_quality", "person_records", "person_review", "person_xref"}; !slices.Equal(made, want) {
		t.Error(made)
	}
}

// TestEntityMistakes: each is told at its place, with what to do.
func TestEntityMistakes(t *testing.T) {
	const top = "sources: [stg_a]\nkey: id\ncompare: [name, email]\n"
	cases := []struct {
		name, entity string
		want         []string
	}{
		{"no sources", "key: id\ncompare: [a]\n", []string{`person.yml:1:1: missing key "sources"`}},
		{"empty sources", "sources: []\ncompare: [a]\n", []string{"person.yml:1:10: entity person has no sources"}},
		{"unknown table", "sources: [stg_aa]\nkey: id\ncompare: [a]\n", []string{"person.yml:1:11: source: no table is named stg_aa", `did you mean "stg_a"?`}},
		{"unknown map", top + "standardize: {c: {map: ref_contry}}\n", []string{"person.yml:4:24: map: no table is named ref_contry", `did you mean "ref_country"?`}},
		{"unknown table of a schema", "sources: [main.nix]\nkey: id\ncompare: [a]\n", []string{"person.yml:1:11: source: no table is named main.nix", "main has main.ref_country, main.stg_a, main.stg_b"}},
		{"unknown schema", top + "overrides: nosuch.table\n", []string{"person.yml:4:12: overrides: no table is named nosuch.table", "nothing is named nosuch: there are "}},
		{"unknown overrides", top + "overrides: nothing_like_it\n", []string{"person.yml:4:12: overrides: no table is named nothing_like_it"}},
		{"decisions elsewhere", top + "decisions: ../../outside.csv\n", []string{"person.yml:4:12: decisions: the file lies in the project", "write entities/person.decisions.csv"}},
		{"decisions of the machine", top + "decisions: /tmp/x.csv\n", []string{"person.yml:4:12: decisions: the file lies in the project"}},
		{"no key", "sources:\n  - {table: stg_a}\ncompare: [a]\n", []string{"person.yml:2:13: source stg_a has no key"}},
		{"unknown key", top + "standardise: {}\n", []string{`person.yml:4:1: unknown key "standardise"`, `did you mean "standardize"?`}},
		{"unknown step", top + "standardize: {name: [trim, flod]}\n", []string{`person.yml:4:28: unknown step "flod"`, `did you mean "fold"?`}},
		{"a step with too much", top + "standardize: {name: {trim: 3}}\n", []string{"person.yml:4:28: trim takes nothing"}},
		{"a format that is none", top + "standardize: {dob: {date: [iso, dmy]}}\n", []string{`person.yml:4:33: date: "dmy" is no format`}},
		{"by means of itself", top + "standardize:\n  phone: {e164: phone}\n", []string{"person.yml:5:11: phone is standardized by means of itself"}},
		{"on_miss", top + "standardize: {c: {map: ref_country, on_miss: drop}}\n", []string{"person.yml:4:46", "null, keep, quarantine"}},
		{"behind an address", top + "standardize: {c: [address, trim]}\n", []string{"person.yml:4:28: nothing can be done behind address"}},
		{"unknown level", "sources: [stg_a]\nkey: id\ncompare:\n  a: [exakt]\n", []string{`person.yml:4:7: unknown level "exakt"`, `did you mean "exact"?`}},
		{"a level without its number", "sources: [stg_a]\nkey: id\ncompare:\n  a: [jw]\n", []string{"person.yml:4:7: jw needs a number", "{jw: 0.9}"}},
		{"a similarity in percent", "sources: [stg_a]\nkey: id\ncompare:\n  a: [{jw: 92}]\n", []string{"person.yml:4:12: jw: 92 is no similarity"}},
		{"half an edit", "sources: [stg_a]\nkey: id\ncompare:\n  a: [{osa: 1.5}]\n", []string{"person.yml:4:13: osa: 1.5 is no number of edits"}},
		{"weaker level first", "sources: [stg_a]\nkey: id\ncompare:\n  a: [exact, {jw: 0.88}, {jw: 0.92}]\n", []string{"person.yml:4:26: a: jw_0.92 can never hold: jw_0.88 stands before it"}},
		{"more edits first", "sources: [stg_a]\nkey: id\ncompare:\n  a: [{osa: 2}, {osa: 1}]\n", []string{"person.yml:4:17: a: osa_1 can never hold"}},
		{"exact behind", "sources: [stg_a]\nkey: id\ncompare:\n  a: [{jw: 0.9}, exact]\n", []string{"person.yml:4:18: a: exact can never hold", "holds for all equal values"}},
		{"a level twice", "sources: [stg_a]\nkey: id\ncompare:\n  a: [exact, exact]\n", []string{"person.yml:4:14: a: exact can never hold", "says the same"}},
		{"too many levels", "sources: [stg_a]\nkey: id\ncompare:\n  a: [" + strings.TrimSuffix(strings.Repeat("{token_set: 0.5}, ", 15), ", ") + "]\n", []string{"there are 15 levels, and 14 at most"}},
		{"too many comparisons", "sources: [stg_a]\nkey: id\ncompare: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]\n", []string{"person.yml:3:56: compare: there are 16 comparisons, and 15"}},
		{"compared twice", "sources: [stg_a]\nkey: id\ncompare: [a, A]\n", []string{`person.yml:3:14: "A" is compared twice`}},
		{"swapped with nothing", "sources: [stg_a]\nkey: id\ncompare:\n  a: [exact, swapped]\n", []string{"person.yml:4:14: a: swapped with what?"}},
		{"a place of one field", "sources: [stg_a]\nkey: id\ncompare:\n  a: [{km: 5}]\n", []string{"person.yml:4:3: a: km needs two fields"}},
		{"nothing to compare", "sources: [stg_a]\nkey: id\n", []string{"entity person says nothing by which"}},
		{"a rule without keys", top + "block: [[]]\n", []string{"person.yml:4:9: the rule has no keys"}},
		{"a rule twice", top + "block: [[name], [name]]\n", []string{`person.yml:4:17: two rules are named "name"`}},
		{"unknown overflow", top + "block: [{keys: [name], max_block: 9, on_overflow: drop}]\n", []string{"person.yml:4:51", "refuse, skip, review"}},
		{"unknown correlated", top + "correlated: [[name, emial]]\n", []string{`person.yml:4:21: correlated: nothing is compared by the name "emial"`, `did you mean "email"?`}},
		{"unknown comparison", top + "never: [nam.else]\n", []string{`person.yml:4:9: nothing is compared by the name "nam"`, `did you mean "name"?`}},
		{"unknown level in a condition", "sources: [stg_a]\nkey: id\ncompare: {a: [exact, {jw: 0.9}]}\nnever: [a.jw_0.8]\n", []string{`person.yml:4:9: a has no level "jw_0.8"`, `did you mean "jw_0.9"?`}},
		{"a condition that is none", top + "always: [tax id equal]\n", []string{`person.yml:4:10: "tax id equal" is no condition`, "same tax_id"}},
		{"review above auto", top + "decide: {auto: 0.6, review: 0.9}\n", []string{"person.yml:4:29: review: 0.9 is greater than auto: 0.6"}},
		{"no probability", top + "thresholds: {auto: 98}\n", []string{"person.yml:4:20: auto: a probability is"}},
		{"trust", "sources: [{table: stg_a, key: id, trust: 101}]\ncompare: [a]\n", []string{"person.yml:1:42: trust: must be from 0 to 100, found 101"}},
		{"decay without a time", "sources: [{table: stg_a, key: id, trust_decay: {half_life: 1d}}]\ncompare: [a]\n", []string{"trust_decay: nothing says how old"}},
		{"unknown rule", top + "survive: {name: most_recnt}\n", []string{`person.yml:4:17: unknown rule "most_recnt"`, `did you mean "most_recent"?`}},
		{"a field twice", top + "survive:\n  groups: [{fields: [name, email]}]\n  name: longest\n", []string{"person.yml:6:3: survive: name is in a group already"}},
		{"unknown metric", top + "expect: {largest_clustr: \"<= 5\"}\n", []string{`person.yml:4:10: expect: no figure is named "largest_clustr"`, `did you mean "largest_cluster"?`}},
		{"a condition without a number", top + "expect: {largest_cluster: small}\n", []string{`person.yml:4:27: expect: "small" is no condition`}},
		{"two per cent as 2", top + "expect: {review_share: <= 2}\n", []string{"person.yml:4:24: expect: review_share is a share"}},
		{"unknown field", top + "describe: {nmae: x}\n", []string{`person.yml:4:12: describe: there is no field "nmae"`, `did you mean "name"?`}},
		{"a field that the tables have", top + "block: [[source_key]]\n", []string{`person.yml:4:10: "source_key" cannot be a field's name`}},
		{"a relation of nothing", top + "relate: [{name: household}]\n", []string{"person.yml:4:10: relation household"}},
		{"one to one with duplicates", top + "cluster: {method: one_to_one}\n", []string{"person.yml:4:19: one_to_one needs sources without duplicates"}},
		{"weights elsewhere", top + "weights: ../w.json\n", []string{"person.yml:4:10: weights: the file lies in the project"}},
		{"labels elsewhere", top + "labels: /l.csv\n", []string{"person.yml:4:9: labels: the file lies in the project"}},
		{"labels that are not there", top + "labels: l.csv\n", []string{"person.yml:4:9: labels: l.csv is not there"}},
		{"labels of a kind", top + "labels: millrace.yml\n", []string{"person.yml:4:9: labels: millrace.yml is no file of a kind"}},
		{"expected of no labels", top + "expect: {f1_on_labels: \">= 0.9\"}\n", []string{"person.yml:4:10: expect: f1_on_labels is counted on labels", "write labels: entities/person.labels.csv"}},
		{"weights to come", top + "weights: {from: w.json}\n", []string{"person.yml:4:17: warning: weights: w.json is not there", "match train person writes it; until then no run matches"}},
		{"a relation of an own column", top + "relate: [{name: golden, by: [name]}]\n", []string{"person.yml:4:17: relation golden: golden records have a column golden_id of their own"}},
		{"a relation of a field", top + "survive: {house_id: {custom: min(name)}}\nrelate: [{name: house, by: [name]}]\n", []string{"person.yml:5:17: relation house: golden records have it as house_id"}},
		{"survives as an own column", top + "survive: {records: {custom: count(name)}}\n", []string{"person.yml:4:11: survive: golden records have a column records of their own"}},
		{"collected as an own column", top + "survive: {Sources: {collect: all, from: name}}\n", []string{"person.yml:4:11: survive: golden records have a column Sources of their own"}},
		{"survives as no name", top + "survive: {\"a b\": {custom: count(name)}}\n", []string{`person.yml:4:11: survive: "a b" cannot be a column's name`}},
		{"a type", top + "describe: {email: {type: INTEGER}}\n", []string{`person.yml:4:20: unknown key "type"`}},
		{"review above the usual auto", top + "decide: {review: 0.9}\n", []string{"person.yml:4:18: review: 0.9 is greater than auto:, which is 0.8"}},
		{"review above auto of sources without duplicates", "sources: [{table: stg_a, duplicate_free: true}, {table: stg_b, duplicate_free: true}]\nkey: id\ncompare: [a]\ndecide: {review: 0.6}\n",
			[]string{"person.yml:4:18: review: 0.6 is greater than auto:, which is 0.5"}},
		{"rules as Splink has them", "sources: [stg_a]\nkey: id\nblocking_rules: []\n", []string{`person.yml:3:1: unknown key "blocking_rules"`, `did you mean "block"?`}},
		{"survivorship", top + "survivorship: {}\n", []string{`did you mean "survive"?`}},
		{"a level as Splink has it", "sources: [stg_a]\nkey: id\ncompare:\n  a: [{jaro_winkler: 0.9}]\n", []string{`person.yml:4:8: unknown level "jaro_winkler"`, `did you mean "jw"?`}},
		{"checks that keep rows out", top + "checks: [{not_null: {column: email, severity: quarantine}}]\n", []string{"person.yml:4:47: main.person_golden is a table of the entity person", "use severity: error or warn"}},
		{"a name", "entity: a b\n" + top, []string{`person.yml:1:9: entity name "a b"`}},
		{"itself", "sources: [person_golden]\nkey: id\ncompare: [a]\n", []string{"person.yml:1:11: entity person refers to itself: person_golden → person_golden"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, text := load(tables(c.entity))
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in:\n%s", want, text)
				}
			}
		})
	}
}

// TestEntityUnknownKeys: a key that is not known is told, and not what is missing for it.
func TestEntityUnknownKeys(t *testing.T) {
	_, text := load(tables("sources: [stg_a]\nkey: id\ncomparisons: [a]\n"))
	if !strings.Contains(text, `did you mean "compare"?`) || strings.Contains(text, "says nothing") {
		t.Error(text)
	}
}

// TestEntityTablesKeepAllRows: checks of a properties file, too, keep no rows out of an entity's tables, in whatever spelling, and nor do
// contracts.
func TestEntityTablesKeepAllRows(t *testing.T) {
	for name, file := range map[string]string{
		"a check":       "models: [{name: person_xref, checks: [{accepted_values: {column: source, values: [a], severity: quarantine}}]}]\n",
		"dbt's check":   "models: [{name: person_xref, columns: [{name: source, tests: [{accepted_values: {values: [a], config: {severity: quarantine}}}]}]}]\n",
		"a contract":    "models: [{name: person_xref, contract: {columns: [{name: source, type: VARCHAR}]}}]\n",
		"dbt's promise": "models: [{name: person_xref, config: {contract: {enforced: true}}, columns: [{name: source, data_type: VARCHAR}]}]\n",
	} {
		_, text := load(tables("sources: [stg_a]\nkey: id\ncompare: [name]\n", "models/m.yml", file))
		if !strings.Contains(text, "models/m.yml:1:") || !strings.Contains(text, "person_xref is a table of the entity person") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// TestEntityReferences: ref() means an entity's tables, and circles through models are found.
func TestEntityReferences(t *testing.T) {
	const top = "sources: [stg_a, m]\nkey: id\ncompare: [name]\n"
	p, problems := load(tables("sources: [stg_a]\nkey: id\ncompare: [name]\n", "models/m.sql", "select * from {{ ref('person_golden') }} join {{ ref('person_xref') }} using (golden_id)"))
	if problems != "" || len(p.Model("m").Needs) != 2 || p.Model("m").Needs[0].Part != models.PartGolden {
		t.Error(problems)
	}
	_, problems = load(tables(top, "models/m.sql", "select * from {{ ref('person_xref') }}"))
	if !strings.Contains(problems, "person.yml:1:18: entity person refers to itself") {
		t.Error(problems)
	}
	_, problems = load(tables("sources: [stg_a]\nkey: id\ncompare: [name]\n", "models/person_golden.sql", "select 1"))
	if !strings.Contains(problems, "means the model") {
		t.Error(problems)
	}
	_, problems = load(tables("sources: [stg_a]\nkey: id\ncompare: [name]\n", "models/m.sql", "select * from {{ ref('person_golde') }}"))
	if !strings.Contains(problems, `did you mean "person_golden"?`) {
		t.Error(problems)
	}
	two := tables("sources: [stg_a]\nkey: id\ncompare: [name]\n", "entities/b.yml", "entity: person\nsources: [stg_b]\nkey: id\ncompare: [name]\n")
	if _, problems = load(two); !strings.Contains(problems, `entity "person" is defined at entities/b.yml`) {
		t.Error(problems)
	}
}

// TestEntitySelectors: any of an entity's tables, or its name, means all of them.
func TestEntitySelectors(t *testing.T) {
	p, problems := load(tables("tags: mdm\nsources: [stg_a]\nkey: id\ncompare: [name]\n", "models/m.sql", "select * from {{ ref('person_golden') }}"))
	if problems != "" {
		t.Fatal(problems)
	}
	for selector, want := range map[string]int{"person": 7, "entity:person": 7, "person_edges": 7, "main.person_xref": 7, "tag:mdm": 7, "path:entities": 7, "path:entities/person.yml": 7,
		"+person": 8, "person+": 8, "+person+": 9, "person_golden,tag:mdm": 7, "m": 1, "+m": 9} {
		nodes, err := p.Select([]string{selector}, nil)
		if err != nil || len(nodes) != want {
			t.Errorf("%s: %d, %v", selector, len(nodes), err)
		}
	}
	if nodes, _ := p.Select(nil, []string{"person_quality"}); slices.ContainsFunc(nodes, func(n *models.Node) bool { return n.Entity != nil }) {
		t.Error("a part stays alone")
	}
	if _, err := p.Select([]string{"persn"}, nil); err == nil || !strings.Contains(err.Error(), `did you mean "person"?`) {
		t.Error(err)
	}
}

// TestEntityPII: what is read from personal columns is personal, unless the file says otherwise.
func TestEntityPII(t *testing.T) {
	entity := "sources:\n  - {table: stg_a, key: lower(mail), columns: {name: \"upper(full_name.first)\"}}\n  - {table: stg_b, key: id}\nstandardize: {address: address}\ncompare: [name, city, street, plain, phone]\n" +
		"survive: {emails: {collect: distinct, from: mail}, city: longest, n: {custom: \"count(name)\"}}\ndescribe: {phone: {pii: false, meaning: the office}, city: {pii: false}}\nchecks: [{not_null: name}]\n" +
		"columns: [{name: plain, description: x, tags: [pii]}]\n"
	p, problems := load(tables(entity, "models/m.yml", "models:\n  - name: stg_a\n    columns: [{name: full_name, tags: [pii]}, {name: mail, tags: [pii]}, {name: address, tags: [pii]}, {name: phone, tags: [pii]}]\n"))
	if problems != "" {
		t.Fatal(problems)
	}
	golden := p.Entity("person").Node
	for name, want := range map[string]bool{"name": true, "address": true, "street": true, "city": false, "plain": true, "phone": false, "emails": true, "n": true, "source_key": true, "golden_id": false} {
		if golden.IsPII(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if !p.Model("person_xref").IsPII("source_key") || !p.Model("person_edges").IsPII("a_key") || !p.Model("person_review").IsPII("b_key") {
		t.Error("keys are personal here")
	}
	if !p.Model("person_xref").IsPII("record_hash") {
		t.Error("who guesses a value can make its hash")
	}
	records := p.Model("person_records")
	for name, want := range map[string]bool{"_key": true, "name": true, "name$phonetic": true, "$block1_1": true, "phone": false, "phone$text": false, "_rec": false, "_hash": true} {
		if records.IsPII(name) != want {
			t.Errorf("of the records, %s: %v", name, !want)
		}
	}
	if !p.Model("person_quality").IsPII("detail") { // weights name frequent values
		t.Error("figures are not personal where what is compared is")
	}
	if len(golden.Checks) != 1 || golden.Checks[0].Kind != "not_null" {
		t.Errorf("%+v", golden.Checks)
	}
}

// TestEntityPIIKey: a key is personal where the column that it is read from is, and where a personal field is read from it.
func TestEntityPIIKey(t *testing.T) {
	for source, want := range map[string]bool{"key: email": true, "key: lower(email)": true, "key: EMAIL": true, "key: id, columns: {email: id}": true,
		`key: "the id", columns: {email: lower("the id")}`: true, "key: id": false, "key: lower(id), columns: {email: lower(mail)}": false, "key: whole, columns: {address: whole}": true} {
		entity := "sources:\n  - {table: stg_a, key: id}\n  - {table: stg_b, " + source + "}\nstandardize: {address: address}\ncompare: [name, email, street]\ndescribe: {email: {pii: true}, street: {pii: true}}\n"
		p, problems := load(tables(entity))
		if problems != "" {
			t.Fatal(problems)
		}
		if s := p.Entity("person").Sources; s[0].HasPersonalKey() || s[1].HasPersonalKey() != want || p.Model("person_xref").IsPII("source_key") != want {
			t.Errorf("%s: %v %v", source, s[0].HasPersonalKey(), s[1].HasPersonalKey())
		}
	}
}

// TestModelPII: what a model has under the name of a personal column that it reads is personal, through models, entities and back, unless its
// properties say otherwise.
func TestModelPII(t *testing.T) {
	p, problems := load(tables("sources: [{table: stg_a, key: id}, {table: far, key: id}]\nstandardize: {name: name}\ncompare: [name, mail, phone]\ndescribe: {mail: {pii: true}}\n",
		"models/raw.sql", "select 1 as id", "models/far.sql", "select * from {{ ref('near') }}", "models/near.sql", "select * from {{ ref('raw') }}",
		"models/best.sql", "select name, mail from {{ ref('person_golden') }}", "models/all.sql", "select * from {{ ref('person_records') }}",
		"models/m.yml", "models:\n  - name: raw\n    columns: [{name: Name, pii: true}, {name: phone, tags: [pii]}, {name: city, tags: [pii]}]\n  - name: near\n    columns: [{name: phone, pii: false}]\n"+
			"  - name: best\n    columns: [{name: MAIL, pii: false}]\n"))
	if problems != "" {
		t.Fatal(problems)
	}
	for column, want := range map[string]bool{"near.NAME": true, "near.phone": false, "near.id": false, "far.name": true, "far.city": true, "far.phone": false, "person_golden.name": true,
		"person_golden.phone": false, "best.name": true, "best.mail": false, "best.city": false, "all.mail": true, "all.name$phonetic": true, "all.$block1_1": true, "all.phone$text": false, "all._hash": true} {
		model, name, _ := strings.Cut(column, ".")
		if n := p.Model(model); n.IsPII(name) != want || !strings.Contains(column, "$") && n.PersonalColumns()[strings.ToLower(name)] != want {
			t.Errorf("%s: %v", column, !want)
		}
	}
}

// FuzzEntity: whatever stands in an entity's file is told in words.
func FuzzEntity(f *testing.F) {
	f.Add(spec)
	for _, seed := range []string{"sources: [stg_a]\nkey: id\ncompare: [name]\n", "sources: stg_a\nblock: [[], {}, a]\ncompare: {a: {levels: [{}]}}\n", "standardize: {a: [{}, [], {map: {}}, null_if]}\nsurvive: [a]\n",
		"correlated: [{fields: a}, []]\nsurvive: {groups: [{}], a: {custom: \"(\"}}\n", "expect: {pairs: {}}\ndescribe: {a: {pii: x}}\noverrides: {}\nweights: {}\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entity string) {
		_, problems := load(tables(entity))
		_ = problems
	})
}
