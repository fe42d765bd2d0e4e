package models_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/models"
)

// Templates in dbt's files stand where names say that something is read later, and names of columns may be such words.
func TestTemplatesOfProperties(t *testing.T) {
	p, text := load(map[string]string{
		"dbt_project.yml": "name: shop\nvars: {on: true, least: 1}\n",
		"seeds/raw.csv":   "description,n\na,1\n",
		"models/m.sql":    "select n from {{ ref('raw') }}",
		"models/off.sql":  "{{ config(enabled = var('nothing', false)) }} select {{ var('not_set') }}",
		"models/all.yml": `seeds:
  - name: raw
    config: {column_types: {description: "{% if true %}varchar(20){% endif %}"}}
    data_tests:
      - accepted_values: {column_name: n, values: ["{{ var('least') }}"]}
      - unique: {column_name: n}
unit_tests:
  - name: t
    model: m
    config: {enabled: "{{ not var('on') }}"}
    given: [{input: ref('raw'), rows: [{n: "{{ 1 }}"}]}]
    expect: {rows: [{n: 1}]}
`,
	})
	if text != "" {
		t.Fatal(text)
	}
	raw := p.Node("main.raw")
	if raw == nil || p.Node("main.off") != nil || len(p.UnitTests) != 0 {
		t.Errorf("raw is %v, unit tests are %v", raw, p.UnitTests)
	}
	if got := fmt.Sprint(raw.Seed.Types); got != "map[description:varchar(20)]" {
		t.Errorf("types are %s", got)
	}
	for i, isMacro := range []bool{true, false} {
		args, ok := raw.Checks[i].Args.(*models.SQL)
		if ok != isMacro || isMacro && args.Test.Macro != "test_accepted_values" {
			t.Errorf("test %d is %T", i, raw.Checks[i].Args)
		}
	}
}

// Lint looks without an environment: what a default says is nearer to the truth than the name of the variable.
func TestDefaultsWithoutAnEnvironment(t *testing.T) {
	p, problems := models.Load(models.Loading{Dir: "/p", Files: fstest.MapFS{
		"dbt_project.yml": {Data: []byte("name: shop\n")},
		"seeds/other.csv": {Data: []byte("a\n1\n")},
		"seeds/s.yml":     {Data: []byte("seeds: [{name: other, config: {schema: \"{{ env_var('A', 'given') }}_{{ env_var('B') }}\"}}]\n")},
	}})
	if problems.HasErrors() || p.Node("main_given_B.other") == nil {
		t.Errorf("%s: %v", p.Nodes[0].Name(), problems)
	}
}
