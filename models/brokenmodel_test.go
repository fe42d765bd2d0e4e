package models_test

import (
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
	p, text := loadDBT(map[string]string{"models/a.sql": "select 1 as id", "models/gone.sql": " \n\t\n", "models/s.yml": "models: [{name: gone, columns: [{name: id, data_tests: [unique]}]}]\n",
		"tests/t.sql": "", "tests/u.sql": "select * from {{ ref('a') }} where false", "models/comment.sql": "-- nothing"}, nil, nil)
	if len(p.Nodes) != 2 || len(p.Node("main.a").Checks) != 1 || strings.Count(text, "warning: the file is empty") != 2 || strings.Count(text, "\n") > 3 {
		t.Errorf("%v, %s", p.Nodes, text)
	}
	_, text = loadDBT(map[string]string{"models/a.sql": "select * from {{ ref('gone') }}", "models/gone.sql": ""}, nil, nil)
	if !strings.Contains(text, `models/a.sql:1:18: ref("gone"): the model is disabled`) || !strings.Contains(text, "or it is empty: models/gone.sql") {
		t.Error(text)
	}
}
