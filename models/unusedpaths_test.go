package models_test

import (
	"strings"
	"testing"
)

// What dbt_project.yml says of folders that there are not is told; what it says of those that there are is not.
func TestUnusedPaths(t *testing.T) {
	for name, c := range map[string]struct {
		project string
		files   map[string]string
		want    []string // of each its beginning
	}{
		"all there": {project: "models: {shop: {staging: {m: {+tags: [a]}}}, pk: {+tags: [b]}}\nseeds: {+tags: [c], shop: {raw: {+tags: [d]}}}\n",
			files: map[string]string{"dbt_packages/pk/dbt_project.yml": "name: pk\n", "dbt_packages/pk/models/x.sql": "select 1 as x"}},
		"a folder": {project: "models:\n  shop:\n    stging: {+tags: [a]}\n", want: []string{
			"dbt_project.yml:4:5: warning: models.shop.stging configures nothing: no node is below it\n", `did you mean "staging"?`}},
		"a package":           {project: "models:\n  shp: {staging: {+tags: [a]}}\n", want: []string{"dbt_project.yml:3:3: warning: models.shp configures nothing", `did you mean "shop"?`}},
		"a seed":              {project: "seeds:\n  shop: {raws: {+tags: [a]}}\n", want: []string{"dbt_project.yml:3:10: warning: seeds.shop.raws", `did you mean "raw"?`}},
		"a plus sign too few": {project: "models:\n  shop: {meta: {a: b}}\n", want: []string{"dbt_project.yml:3:10: warning: models.shop.meta", "a plus sign: +meta"}},
		"disabled models are there": {project: "models: {shop: {off: {+enabled: false}, py: {+tags: [a]}}}\n",
			files: map[string]string{"models/off/o.sql": "select 1 as o", "models/py/p.py": "def model(dbt, session): pass"}, want: []string{"models/py/p.py:1:1: warning"}},
		"a path":                        {project: "model-paths: [modles, models]\n", want: []string{"dbt_project.yml:2:15: warning: model-paths: there is no folder modles", `did you mean "models"?`}},
		"usual paths need not be there": {project: "snapshot-paths: [snapshots]\nmacro-paths: [macros]\n"},
	} {
		files := map[string]string{"dbt_project.yml": "name: shop\n" + c.project, "models/staging/m.sql": "select 1 as n", "seeds/raw.csv": "id\n1\n"}
		for file, text := range c.files {
			files[file] = text
		}
		_, text := loadDBT(files, nil, nil)
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not said in %q", name, want, text)
			}
		}
		if told := strings.Count(text, ": warning: "); told != (len(c.want)+1)/2 {
			t.Errorf("%s: it is said that %s", name, text)
		}
	}
	_, text := loadDBT(map[string]string{"dbt_project.yml": "name: shop\nmodel-paths: [modles]\n", "models/m.sql": "select 1 as n"}, nil, nil)
	if want := "the project has no model, seed or snapshot: they were looked for in modles/, seeds/, snapshots/"; !strings.Contains(text, want) {
		t.Errorf("%q is not said in %q", want, text)
	}
	if _, text := loadDBT(map[string]string{"macros/m.sql": "{% macro m() %}{% endmacro %}"}, nil, nil); text != "" {
		t.Errorf("of a package of macros it is said that %s", text)
	}
}
