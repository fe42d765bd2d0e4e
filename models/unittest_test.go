package models_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// unitProject is a small project of dbt with one properties file.
func unitProject(properties string) map[string]string {
	return map[string]string{
		"dbt_project.yml":          "name: shop\nmodels:\n  shop:\n    +materialized: view\n",
		"seeds/raw.csv":            "id,amount\n1,2\n",
		"models/orders.sql":        "select id, amount from {{ ref('raw') }}",
		"models/totals.sql":        "select sum(amount) as total from {{ ref('orders') }}",
		"models/inc.sql":           "{{ config(materialized='incremental') }}\nselect id from {{ ref('orders') }}{% if is_incremental() %} where id > (select max(id) from {{ this }}){% endif %}",
		"tests/fixtures/three.csv": "id,amount\n1,\n2,5\n",
		"macros/m.sql":             "{% macro cents(c) %}{{ c }} * 100{% endmacro %}",
		"models/tests.yml":         properties,
	}
}

func unitTest(lines ...string) string {
	return "unit_tests:\n  - name: t\n    " + strings.Join(lines, "\n    ") + "\n"
}

func TestUnitTestMistakes(t *testing.T) {
	const given, expect = "given: [{input: ref('raw'), rows: [{id: 1}]}]", "expect: {rows: [{id: 1}]}"
	for _, c := range []struct{ name, yaml, want string }{
		{"no such model", unitTest("model: order", given, expect), `models/tests.yml:3:12: ref("order"): no model or seed is named so` + "\n"},
		{"a seed", unitTest("model: raw", given, expect), "a unit test is about a model, and raw is a seed"},
		{"no such input", unitTest("model: orders", "given: [{input: ref('rwa'), rows: []}]", expect), `did you mean "raw"?`},
		{"no input", unitTest("model: orders", "given: [{rows: []}]", expect), "these rows have no input"},
		{"nonsense", unitTest("model: orders", "given: [{input: raw, rows: []}]", expect), `input "raw" is none of`},
		{"twice", unitTest("model: orders", "given: [{input: ref('raw'), rows: []}, {input: ref('raw'), rows: []}]", expect), "gives ref('raw') twice"},
		{"unknown key", unitTest("model: orders", given, "expct: {}", expect), `unknown key "expct"`},
		{"no expect", unitTest("model: orders", given), `missing key "expect"`},
		{"rows of another format", unitTest("model: orders", "given: [{input: ref('raw'), format: csv, rows: [{id: 1}]}]", expect), "rows are a text with format: csv"},
		{"no rows", unitTest("model: totals", "given: [{input: ref('orders')}]", expect), "there are no rows"},
		{"no fixture", unitTest("model: orders", "given: [{input: ref('raw'), format: csv, fixture: thre}]", expect), `did you mean "three"?`},
		{"dict fixture", unitTest("model: orders", "given: [{input: ref('raw'), fixture: three}]", expect), "a fixture file is CSV or SQL"},
		{"other columns", unitTest("model: orders", given, "expect: {rows: [{id: 1}, {amount: 2}]}"), "each row of expect has the columns of the first"},
		{"too many fields", unitTest("model: orders", "given: [{input: ref('raw'), format: csv, rows: \"id\\n1,2\"}]", expect), "has 2 fields, its header has 1"},
		{"not told", unitTest("model: inc", "given: [{input: ref('orders'), rows: []}]", expect), "does not say whether the model is incremental"},
		{"no this", unitTest("model: inc", "overrides: {macros: {is_incremental: true}}", "given: [{input: ref('orders'), rows: []}]", expect), "has is_incremental: true and no rows of this"},
		{"no macro", unitTest("model: orders", "overrides: {macros: {cent: 1}}", given, expect), `did you mean "cents"?`},
		{"not read", unitTest("model: totals", given, expect), `model "totals" does not read ref('raw')`},
		{"no versions", unitTest("model: orders", "versions: {include: [1]}", given, expect), `model "orders" has no versions`},
		{"same name", unitTest("model: orders", given, expect) + strings.TrimPrefix(unitTest("model: orders", given, expect), "unit_tests:\n"), "has two unit tests named"},
	} {
		if _, text := load(unitProject(c.yaml)); !strings.Contains(text, strings.TrimSpace(c.want)) || !strings.Contains(text, "models/tests.yml:") {
			t.Errorf("%s: want %q in\n%s", c.name, c.want, text)
		}
	}
}

func TestUnitTestsAreRead(t *testing.T) {
	p, text := load(unitProject(`unit_tests:
  - name: all of it
    model: inc
    description: shows it
    config: {tags: nightly}
    overrides: {macros: {is_incremental: true, cents: "1"}, vars: {x: [1]}, env_vars: {HOME: here}}
    given:
      - input: ref('orders')
        format: csv
        fixture: three
      - {input: this, format: sql, rows: select 1 as id}
    expect: {rows: [{id: 2.50}, {ID: null}]}
  - name: turned_off
    model: inc
    config: {enabled: false}
    expect: {rows: []}
  - name: seed
    model: orders
    given: [{input: ref('raw')}]
    expect: {rows: []}
`))
	if text != "" || len(p.UnitTests) != 2 {
		t.Fatalf("%d tests\n%s", len(p.UnitTests), text)
	}
	u := p.UnitTests[0]
	if id := p.UnitTestID(u); id != "unit_test.shop.inc.all of it" || u.Tags[0] != "nightly" || u.Overrides.EnvVars["HOME"] != "here" || u.Overrides.Macros["is_incremental"] != true {
		t.Errorf("%s %+v", id, u)
	}
	first, second := u.Given[0], u.Given[1]
	if len(first.Rows) != 2 || first.Rows[0].Values[1] != nil || first.Rows[1].Values[1] != "5" || !first.CSV || second.Node != u.Node || second.SQL != "select 1 as id" {
		t.Errorf("%+v %+v", first, second)
	}
	if v, ok := u.Expect.Rows[0].Value("ID"); !ok || v != any(models.Decimal("2.50")) || !p.UnitTests[1].Given[0].Seed {
		t.Errorf("%v %+v", v, p.UnitTests[1].Given[0])
	}
	for selector, want := range map[string]int{"*": 2, "inc": 1, "seed": 1, "tag:nightly": 1, "test_name:s*": 1, "+inc": 2} {
		if tests, err := p.SelectUnitTests([]string{selector}, nil); err != nil || len(tests) != want {
			t.Errorf("%s: %d tests, %v", selector, len(tests), err)
		}
	}
	if _, err := p.SelectUnitTests([]string{"sed"}, nil); err == nil || !strings.Contains(err.Error(), `did you mean "seed"?`) {
		t.Error(err)
	}
}

func TestExposures(t *testing.T) {
	p, text := load(unitProject(`exposures:
  - name: weekly
    type: dashboard
    owner: {name: Ada, email: ada@example.com}
    depends_on: [ref('orders'), ref('order')]
`))
	if !strings.Contains(text, `models/tests.yml:5:33: warning: ref("order"): no model or seed is named so`) || len(p.Exposures) != 1 {
		t.Fatal(text)
	}
	e := p.Exposures[0]
	if len(e.Needs) != 1 || e.Needs[0].Table != "orders" || e.OwnerEmail != "ada@example.com" || strings.Join(e.FQN(), ".") != "shop.weekly" {
		t.Errorf("%+v", e)
	}
	nodes, err := p.Select([]string{"+exposure:weekly"}, nil)
	if err != nil || len(nodes) != 2 {
		t.Errorf("%d nodes, %v", len(nodes), err)
	}
}
