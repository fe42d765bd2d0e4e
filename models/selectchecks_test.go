package models_test

import (
	"slices"
	"strings"
	"testing"
)

func TestSelectChecks(t *testing.T) {
	p, problems := load(map[string]string{
		"dbt_project.yml":   "name: shop\nprofile: shop\n",
		"profiles.yml":      "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
		"models/a.sql":      "select 1 as id",
		"models/b.sql":      "select 1 as id",
		"tests/a_and_b.sql": "select * from {{ ref('a') }} join {{ ref('b') }} using (id) where id > 1",
		"models/models.yml": "models:\n  - {name: a, columns: [{name: id, data_tests: [unique, not_null]}]}\n  - {name: b, columns: [{name: id, data_tests: [unique]}]}\n",
	})
	if p == nil {
		t.Fatal(problems)
	}
	for _, c := range []struct{ include, exclude, want string }{
		{"test_type:singular", "", "a_and_b"},
		{"test_type:generic", "", "not_null_a_id unique_a_id unique_b_id"},
		{"test_type:data", "a", "a_and_b unique_b_id"},
		{"test_name:unique", "", "unique_a_id unique_b_id"},
		{"test_name:un*", "b", "unique_a_id"},
		{"a,test_name:unique", "", "unique_a_id"},
		{"a", "test_name:unique", "not_null_a_id"},
		{"unique_b_id a_and_b", "", "a_and_b unique_b_id"},
		{"test_type:unit", "", "millrace test runs them"},
		{"test_name:uniqe", "", `did you mean "unique"?`},
		{"test_type:generics", "", "use test_type:generic, singular or data"},
	} {
		chosen, err := p.SelectChecks(strings.Fields(c.include), strings.Fields(c.exclude))
		var names []string
		for check := range chosen {
			name, _ := p.TestName(check)
			names = append(names, name)
		}
		slices.Sort(names)
		if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && strings.Join(names, " ") != c.want {
			t.Errorf("%s but %s: %v, %v", c.include, c.exclude, names, err)
		}
	}
}
