package models_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// shapes is a project in which everything is that a definition is made of.
var shapes = map[string]string{
	"millrace.yml":               head + "vars: { since: 2020, other: 1 }\n",
	"macros/cents.sql":           "{% macro cents(x) %}{{ x }} / {{ scale() }}{% endmacro %}\n{% macro scale() %}100{% endmacro %}\n{% macro idle() %}1{% endmacro %}",
	"models/stg/o.sql":           "{{ config(materialized='table', tags=['core'], meta={'team': 'a'}) }} select {{ cents('amount') }} from {{ source('erp', 'orders') }} where y > {{ var('since') }}",
	"models/stg/e.sql":           "{{ config(materialized='ephemeral') }} select 1",
	"models/mart/finance/r.sql":  "select * from {{ ref('o') }}, {{ ref('e') }}",
	"models/mart/finance/r2.sql": "{{ config(owner='cfo') }} select * from {{ ref('r') }}",
	"models/m.yml":               "models: [ { name: o, description: orders, columns: [ { name: a, checks: [ { not_null: { severity: quarantine } }, { accepted_values: { values: [1] } } ] } ] } ]\n",
}

func shaped(t *testing.T, change map[string]string) *models.Project {
	t.Helper()
	files := maps.Clone(shapes)
	maps.Copy(files, change)
	p, problems := load(files)
	if problems != "" {
		t.Fatal(problems)
	}
	return p
}

// TestDefinitionChanges: what decides what a table is is told, what is only said of it is not.
func TestDefinitionChanges(t *testing.T) {
	before := shaped(t, nil)
	edit := func(file, from, to string) map[string]string {
		if !strings.Contains(shapes[file], from) {
			t.Fatalf("%s has no %q", file, from)
		}
		return map[string]string{file: strings.Replace(shapes[file], from, to, 1)}
	}
	for name, c := range map[string]struct {
		change     map[string]string
		node, want string
	}{
		"nothing":                   {node: "main.o", want: "[]"},
		"text":                      {edit("models/stg/o.sql", "select ", "select  "), "main.o", "[the text of its file changed]"},
		"a setting":                 {edit("models/stg/o.sql", "'table'", "'incremental', unique_key=['id', 'at']"), "main.o", "[the text of its file changed config incremental_strategy: (none) → merge config materialized: table → incremental config on_schema_change: (none) → append_new_columns config unique_key: (none) → id, at]"},
		"tags and meta":             {map[string]string{"models/stg/o.sql": strings.NewReplacer("core", "kern", "'a'", "'b'").Replace(shapes["models/stg/o.sql"])}, "main.o", "[the text of its file changed]"},
		"a macro behind a macro":    {edit("macros/cents.sql", "100", "1000"), "main.o", "[macro scale changed]"},
		"a macro that is not used":  {edit("macros/cents.sql", "}1{", "}2{"), "main.o", "[]"},
		"a variable":                {edit("millrace.yml", "2020", "2021"), "main.o", "[var since changed]"},
		"another variable":          {edit("millrace.yml", "other: 1", "other: 2"), "main.o", "[]"},
		"a description":             {edit("models/m.yml", "orders", "Orders"), "main.o", "[]"},
		"a rule that diverts":       {edit("models/m.yml", "severity: quarantine", "severity: quarantine, where: a > 1"), "main.o", "[the rules that keep rows out changed]"},
		"a setting of a rule":       {edit("models/m.yml", "values: [1] }", "values: [1], severity: warn }"), "main.o", "[check accepted_values_a changed]"},
		"a rule that only judges":   {edit("models/m.yml", "[1]", "[1, 2]"), "main.o", "[check accepted_values_a changed]"},
		"what is put into it":       {edit("models/stg/e.sql", "1", "2"), "main.r", "[e, which is put into it, changed]"},
		"of others":                 {edit("models/stg/o.sql", "select ", "select  "), "main.r", "[]"},
		"how a stream is read":      {edit("millrace.yml", "key: [id]", "key: [id], mode: append"), "erp.orders", "[how it is read changed]"},
		"what is said of a stream":  {edit("millrace.yml", "key: [id]", "key: [id], description: x, owner: me, tags: [a]"), "erp.orders", "[]"},
		"what is checked of it too": {edit("millrace.yml", "key: [id]", "key: [id], checks: [ { not_null: id } ]"), "erp.orders", "[check not_null_id added]"},
	} {
		after := shaped(t, c.change)
		got := fmt.Sprint(after.Definition(after.Node(c.node)).Changes(before.Definition(before.Node(c.node))))
		if got != c.want {
			t.Errorf("%s: %s has changed by %s, want %s", name, c.node, got, c.want)
		}
	}
}

// TestStateByID: a node is found where another target has its table in another schema, and not by a table that another node had.
func TestStateByID(t *testing.T) {
	was := shaped(t, nil)
	p := shaped(t, map[string]string{"models/mart/finance/r2.sql": "{{ config(alias='r3') }} select * from {{ ref('r') }}",
		"models/m.yml": strings.Replace(shapes["models/m.yml"], "values: [1]", "values: [1, 2]", 1)})
	other := was.Definition(was.Node("main.r"))
	other.ID = "model.p.other"
	p.StandsAt(&models.Standing{Tables: map[string]*models.Definition{"prod.o": was.Definition(was.Node("main.o")), "prod.r2": was.Definition(was.Node("main.r2")), "main.r": other}})
	for selector, want := range map[string]string{"state:new,resource_type:model": "[main.r]", "state:modified.checks,state:old": "[main.o]",
		"state:modified.relation,state:old": "[main.r3]", "state:modified.macros,state:old": "[]", "state:modified,state:old": "[main.o main.r3]"} {
		nodes, err := p.Select([]string{selector}, nil)
		names := []string{}
		for _, n := range nodes {
			names = append(names, n.Name())
		}
		if fmt.Sprint(names) != want || err != nil {
			t.Errorf("%s selects %s (%v), want %s", selector, names, err, want)
		}
	}
}

// TestSelectors: dbt's methods and operators, and what is said of those that mean nothing.
func TestSelectors(t *testing.T) {
	was := shaped(t, nil)
	p := shaped(t, map[string]string{
		"models/stg/o.sql": strings.Replace(shapes["models/stg/o.sql"], "select ", "select  ", 1), "macros/cents.sql": strings.Replace(shapes["macros/cents.sql"], "100", "10", 1),
		"models/stg/e.sql": "{{ config(materialized='ephemeral') }} select 2", "models/new.sql": "select 1"})
	if _, err := p.Select([]string{"state:modified"}, nil); err == nil || !strings.Contains(err.Error(), "something published") {
		t.Errorf("without anything to go by: %v", err)
	}
	standing := &models.Standing{Tables: map[string]*models.Definition{"main.r2": nil}, Results: map[string][]string{"main.o": {"error", "warn"}, "main.r": {"skipped"}}}
	for _, name := range []string{"erp.orders", "main.o", "main.r"} {
		standing.Tables[name] = was.Definition(was.Node(name))
	}
	p.StandsAt(standing)
	for _, c := range []struct{ selector, want string }{
		{"1+r", "[main.e main.o main.r]"}, {"2+r", "[erp.orders main.e main.o main.r]"}, {"0+r", "[main.r]"}, {"orders+1", "[erp.orders main.o]"},
		{"1+r+1", "[main.e main.o main.r main.r2]"}, {"@o", "[erp.orders main.e main.o main.r main.r2]"}, {"@orders", "[erp.orders main.e main.o main.r main.r2]"},
		{"stg", "[main.e main.o]"}, {"mart.finance", "[main.r main.r2]"}, {"finance", "no"}, {"fqn:mart.*.r", "[main.r]"}, {"models/mart", "[main.r main.r2]"},
		{"o.sql", "[main.o]"}, {"file:r*.sql", "[main.r main.r2]"}, {"file:r", "[main.r]"}, {"package:this", "[main.e main.new main.o main.r main.r2]"},
		{"resource_type:source", "[erp.orders]"}, {"resource_type:model,stg", "[main.e main.o]"}, {"config.materialized:view", "[main.new main.r main.r2]"},
		{"config.meta.team:a", "[main.o]"}, {"config.tags:core", "[main.o]"}, {"owner:cfo", "[main.r2]"}, {"r r2", "[main.r main.r2]"}, {"tag:c*", "[main.o]"},
		{"state:new", "[main.new]"}, {"state:old", "[erp.orders main.e main.o main.r main.r2]"}, {"state:modified", "[main.e main.new main.o main.r main.r2]"},
		{"state:unmodified", "[erp.orders]"}, {"state:modified.macros", "[main.new main.o]"}, {"state:modified.configs", "[main.new]"}, {"state:modified.body,stg", "[main.e main.o]"},
		{"state:new+", "[main.new]"}, {"1+state:modified.macros", "[erp.orders main.new main.o]"}, {"result:error", "[main.o]"}, {"result:error+", "[main.o main.r main.r2]"},
		{"result:success", "[]"}, {"result:warn", "[main.o]"}, {"state:modified.relation", "[main.new]"}, {"state:modified.checks,stg", "[]"}, {"state:modified.hooks,stg", "[]"},
	} {
		nodes, err := p.Select([]string{c.selector}, nil)
		names := []string{}
		for _, n := range nodes {
			names = append(names, n.Name())
		}
		if got := fmt.Sprint(names); c.want == "no" && err == nil || c.want != "no" && (got != c.want || err != nil) {
			t.Errorf("%q selects %s (%v), want %s", c.selector, got, err, c.want)
		}
	}
	for selector, want := range map[string]string{
		"tag:cora": `did you mean "tag:core"?`, "config.materialized:tabel": `did you mean "config.materialized:table"?`, "tga:core": `did you mean tag:?`, "owner:nobody": "there are cfo",
		"state:changed": "use state:new, old, modified or unmodified", "state:modified.text": "state:modified.body", "state:new.body": "there is no state:new.body",
		"result:ok": "there are error, fail, pass, skipped, success, warn", "test_type:generic": "checks belong to their tables", "resource_type:sede": "there are model, source, stream",
	} {
		if _, err := p.Select([]string{selector}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q says %v, want %s", selector, err, want)
		}
	}
	if nodes, err := p.Select(nil, []string{"stg r2", "state:new"}); err != nil || len(nodes) != 2 {
		t.Errorf("without stg, r2 and what is new: %v, %v", nodes, err)
	}
}
