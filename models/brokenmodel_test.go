package models_test

import (
	"slices"
	"strings"
	"testing"
)

// What is wrong with a model's template is told once, where it is, and not of each of its readers; a package that is not there is named as one.
func TestBrokenModel(t *testing.T) {
	for name, c := range map[string]struct {
		a, packages, hint string
	}{
		"no such package":     {"select {{ dbt_utils.star(1) }}", "", "if it is a package, it is not installed: name it in packages.yml and run dbt deps once, or put it into dbt_packages/dbt_utils"},
		"a package not there": {"select {{ dbt_utils.star(1) }}", "packages: [{package: dbt-labs/dbt_utils, version: 1.0.0}]\n", "packages.yml names it, and it is not in dbt_packages/: run dbt deps once"},
		"syntax":              {"select {{ 1 + }}", "", ""},
	} {
		files := map[string]string{"models/a.sql": c.a, "models/b.sql": "select * from {{ ref('a') }}", "models/c.sql": "select * from {{ ref('b') }}"}
		if c.packages != "" {
			files["packages.yml"] = c.packages
		}
		_, text := loadDBT(files, nil, nil)
		if !strings.Contains(text, "models/a.sql:1:") || strings.Contains(text, "models/b.sql") || strings.Contains(text, "models/c.sql") || !strings.Contains(text, c.hint) {
			t.Errorf("%s: it is said that %s", name, text)
		}
	}
	if _, text := loadDBT(map[string]string{"models/a.sql": "select {{ x.y }}", "models/b.sql": "select * from {{ ref('nope') }}"}, nil, nil); !strings.Contains(text, `ref("nope"): no model`) {
		t.Errorf("it is said that %s", text)
	}
}

// TestEmptyFiles: dbt leaves out models and tests whose files hold nothing but white space.
func TestEmptyFiles(t *testing.T) {
	p, text := loadDBT(map[string]string{"models/a.sql": "select 1 as id", "models/gone.sql": " \n\t\n",
		"models/s.yml": "models: [{name: gone, columns: [{name: id, data_tests: [unique]}]}]\n",
		"tests/t.sql":  "", "tests/u.sql": "select * from {{ ref('a') }} where false", "models/comment.sql": "-- nothing"}, nil, nil)
	if len(p.Nodes) != 2 || len(p.Node("main.a").Checks) != 1 || strings.Count(text, "warning: the file is empty") != 2 || strings.Count(text, "\n") > 3 {
		t.Errorf("%v, %s", p.Nodes, text)
	}
	_, text = loadDBT(map[string]string{"models/a.sql": "select * from {{ ref('gone') }}", "models/gone.sql": ""}, nil, nil)
	if !strings.Contains(text, `models/a.sql:1:18: ref("gone"): the model is disabled`) || !strings.Contains(text, "or it is empty: models/gone.sql") {
		t.Error(text)
	}
}

// TestBrokenDBTFiles: what dbt refuses in its files is told at its place, once, and what dbt lets through is a warning at most.
func TestBrokenDBTFiles(t *testing.T) {
	on := func(text string) map[string]string {
		return map[string]string{"models/s.yml": "models:\n  - name: a\n" + text}
	}
	project := func(text string) map[string]string {
		return map[string]string{"dbt_project.yml": "name: shop\n" + text}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string // how the one thing that is told begins; "" when nothing is
	}{
		"a key twice":            {on("    description: x\n    description: y\n"), `models/s.yml:4:5: warning: duplicate key "description": what line 3 says has no effect`},
		"a tab":                  {map[string]string{"models/s.yml": "models:\n\t- name: a\n"}, "models/s.yml:2:1: the line is indented with a tab"},
		"an alias of itself":     {map[string]string{"models/s.yml": "models: &x [*x]\n"}, `models/s.yml:1:13: unknown anchor "x"`},
		"a model as text":        {map[string]string{"models/s.yml": "models: [a]\n"}, `models/s.yml:1:10: item 1 of "models" must be a mapping`},
		"columns as a mapping":   {on("    columns: {}\n"), `models/s.yml:3:14: "columns" must be a list`},
		"tests as text":          {on("    columns: [{name: id, tests: unique}]\n"), "models/s.yml:3:33: checks are a list"},
		"arguments as text":      {on("    columns: [{name: id, tests: [{accepted_values: x}]}]\n"), "models/s.yml:3:52: the arguments of test accepted_values must be a mapping"},
		"a number materialized":  {on("    config: {materialized: 3}\n"), `models/s.yml:3:28: materialized="3" is not known`},
		"tags as a mapping":      {on("    config: {tags: {a: 1}}\n"), "models/s.yml:3:20: tags must be a text or a list of texts"},
		"enabled as text":        {on("    config: {enabled: 'no'}\n"), "models/s.yml:3:23: enabled must be true or false, not no"},
		"a hook without SQL":     {on("    config: {pre_hook: {x: 1}}\n"), "models/s.yml:3:24: pre_hook must be SQL, or a list of it"},
		"a constraint as text":   {on("    columns: [{name: id, constraints: [x]}]\n"), `models/s.yml:3:40: item 1 of "constraints" must be a mapping`},
		"given as text":          {map[string]string{"models/s.yml": "unit_tests: [{name: u, model: a, given: [], expect: y}]\n"}, `models/s.yml:1:53: "expect" must be a mapping`},
		"groups as text":         {map[string]string{"models/s.yml": "groups: x\n"}, `models/s.yml:1:9: "groups" must be a list`},
		"a group":                {map[string]string{"models/s.yml": "groups: [{name: g, owner: {name: x}}]\nmodels: [{name: a, config: {group: g}}]\n"}, ""},
		"a source's table twice": {map[string]string{"models/s.yml": "sources: [{name: r, tables: [{name: x}]}]\n", "models/t.yml": "sources: [{name: r, tables: [{name: x}]}]\n"}, `models/t.yml:1:37: source "r" has two tables named "x"; the other is at models/s.yml:1:37`},
		"vars as a list":         {project("vars: [a]\n"), "dbt_project.yml:2:7: vars must be a mapping"},
		"a number for a folder":  {project("model-paths: [1]\n"), `dbt_project.yml:2:15: item 1 of "model-paths" must be a text`},
		"models as text":         {project("models: x\n"), "dbt_project.yml:2:9: models must be a mapping"},
		"a profile as text":      {map[string]string{"dbt_project.yml": "name: shop\nprofile: shop\n", "profiles.yml": "shop: x\n"}, `profiles.yml:1:7: profile "shop" has no outputs`},
	} {
		files := map[string]string{"models/a.sql": "select 1 as id"}
		for file, text := range c.files {
			files[file] = text
		}
		_, text := loadDBT(files, nil, nil)
		told := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return line == "" || line[0] == ' ' })
		if c.want == "" && text != "" || c.want != "" && (len(told) != 1 || !strings.HasPrefix(text, c.want)) {
			t.Errorf("%s: it is said that %s", name, text)
		}
	}
}
