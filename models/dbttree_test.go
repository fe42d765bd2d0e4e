package models_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
)

// fileStream is a stream of those.
type fileStream struct {
	Path string         `yaml:"path"`
	CSV  map[string]any `yaml:"csv"`
}

// files and duckdb are sources as dbt's files want them.
func dbtSpecs() []models.SourceSpec {
	type options struct {
		Root string `yaml:"root"`
		Path string `yaml:"path"`
	}
	var all []models.SourceSpec
	for _, typ := range []string{"files", "duckdb"} {
		all = append(all, models.SourceSpec{Type: typ, Options: func() any { return &options{} }, StreamOptions: func() any { return &fileStream{} }})
	}
	return all
}

// loadDBT loads a project of dbt with the environment of a map; the files come on top of an empty project's.
func loadDBT(files map[string]string, env map[string]string, vars map[string]string) (*models.Project, string) {
	disk := fstest.MapFS{"dbt_project.yml": {Data: []byte("name: shop\n")}}
	for name, text := range files {
		disk[name] = &fstest.MapFile{Data: []byte(text)}
	}
	p, problems := models.Load(models.Loading{Dir: "/p", Files: disk, Sources: dbtSpecs(), SeedType: seedType, Vars: vars,
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if problems == nil {
		return p, ""
	}
	return p, problems.Error()
}

// Properties of a seed or a snapshot that stand below models:, and the like. What is wanted is real dbt's: tests run, nothing else counts.
func TestPropertiesBelowAnotherKind(t *testing.T) {
	p, text := loadDBT(map[string]string{
		"models/m.sql": "select 1 as a", "seeds/s.csv": "a,b\n1,2\n",
		"snapshots/sn.sql": "{% snapshot sn %}{{ config(unique_key='a', strategy='check', check_cols=['a']) }}" +
			" select * from {{ ref('s') }}{% endsnapshot %}",
		"models/p.yml": "models:\n  - {name: s, description: x, config: {alias: other},\n     columns: [{name: a, description: x, data_tests: [not_null, unique]}]}\n" +
			"  - {name: sn, columns: [{name: a, tests: [not_null]}]}\n  - {name: gone, columns: [{name: a, tests: [not_null]}]}\n" +
			"seeds: [{name: m, data_tests: [{not_null: {column_name: a}}]}]\nsnapshots: [{name: m, columns: [{name: a, tests: [unique]}]}]\n",
	}, nil, nil)
	if p == nil || !strings.Contains(text, `models/p.yml:2:12: warning: "s" is a seed, and stands below models:`) ||
		!strings.Contains(text, "move it below seeds:") ||
		!strings.Contains(text, `warning: no model is named "gone"`) || !strings.Contains(text, `"m" is a model, and stands below snapshots:`) {
		t.Fatal(text)
	}
	for name, want := range map[string]string{"main.s": "not_null unique", "main.sn": "not_null", "main.m": "not_null unique"} {
		var got []string
		for _, c := range p.Node(name).Checks {
			got = append(got, c.Kind)
		}
		if strings.Join(got, " ") != want || p.Node(name).Description != "" || len(p.Node(name).Columns) > 0 {
			t.Errorf("%s has the tests %v, and %+v", name, got, p.Node(name).Columns)
		}
	}
}

// TestSourceOfAnotherSchema: who wants a seed by source(), and has its schema wrong, is told which it is.
func TestSourceOfAnotherSchema(t *testing.T) {
	_, text := loadDBT(map[string]string{"dbt_project.yml": "name: shop\nseeds: {+schema: raw}\n", "seeds/orders.csv": "a\n1\n",
		"models/s.yml": "sources: [{name: erp, schema: main, tables: [{name: orders}]}]\n",
		"models/m.sql": "select * from {{ source('erp', 'orders') }}"}, nil, nil)
	const want = `source("erp", "orders"): no seed or model makes main.orders ` +
		`(seeds/orders.csv makes main_raw.orders: is schema: main_raw meant?), and it names no files`
	if !strings.Contains(text, want) {
		t.Errorf("it is said that %s", text)
	}
}

// What dbt_project.yml says of sources: locations by configuration go before those in meta, the nearest wins, tags add up.
func TestSourceTree(t *testing.T) {
	p, text := loadDBT(map[string]string{
		"dbt_project.yml": "name: shop\nsources:\n  +meta: {external_location: 'x/{name}.csv'}\n  shop:\n    s2: {+external_location: 'y/{name}.csv'}\n" +
			"    s3:\n      +enabled: false\n      t2: {+enabled: true}\n    s4: {+schema: other, +tags: [tree]}\n",
		"models/s.yml": "sources:\n  - {name: s1, tables: [{name: t1}]}\n  - {name: s2, tables: [{name: t1}]}\n  - {name: s3, tables: [{name: t1}, {name: t2}]}\n" +
			"  - {name: s4, tags: own, tables: [{name: t1}]}\n  - {name: s5, config: {external_location: 'z/{name}.csv'}, tables: [{name: t1}]}\n",
		"models/m.sql": "select {{ source('s1','t1') }} {{ source('s2','t1') }} {{ source('s3','t2') }} {{ source('s4','t1') }} {{ source('s5','t1') }}",
	}, nil, nil)
	if p == nil || strings.Contains(text, ": error") || !strings.Contains(text, "dbt_project.yml:9:10: warning: config schema has no effect") {
		t.Fatal(text)
	}
	var got []string
	for _, n := range p.Nodes {
		if n.Stream != nil {
			got = append(got, n.Name()+" "+n.Stream.Options.(*fileStream).Path+" "+strings.Join(n.Tags, ","))
		}
	}
	want := "s1.t1 x/t1.csv , s2.t1 y/t1.csv , s3.t2 x/t2.csv , s4.t1 x/t1.csv tree,own, s5.t1 z/t1.csv "
	if strings.Join(got, ", ") != want {
		t.Errorf("the streams are %q, and not %q", strings.Join(got, ", "), want)
	}
	if _, text := loadDBT(map[string]string{
		"dbt_project.yml": "name: shop\nsources: {shop: {+enabled: false}}\n", "models/s.yml": "sources: [{name: s, tables: [{name: t}]}]\n",
		"models/m.sql": "select * from {{ source('s', 't') }}",
	}, nil, nil); !strings.Contains(text, `source("s", "t"): it is disabled`) {
		t.Error(text)
	}
}

// Of one source some tables may be in files, and others in the profile's database.
func TestSourceOfTwoKinds(t *testing.T) {
	p, text := loadDBT(map[string]string{
		"dbt_project.yml": "name: shop\nprofile: shop\n", "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n", "shop.duckdb": "x",
		"models/s.yml": "sources:\n  - name: s\n    tables: [{name: t1, config: {external_location: a.csv}}, {name: t2}]\n",
		"models/m.sql": "select * from {{ source('s', 't1') }}, {{ source('s', 't2') }}",
	}, nil, nil)
	if p == nil || text != "" {
		t.Fatal(text)
	}
	if a, b := p.SourceTable("s", "t1"), p.SourceTable("s", "t2"); a == nil || b == nil || a.Stream.Source.Type != "files" || b.Stream.Source.Type != "duckdb" {
		t.Errorf("the tables are of %v and %v", a, b)
	}
}

// What a project demands of dbt is told where no dbt that projects are read like meets it.
func TestRequiredVersion(t *testing.T) {
	for demand, want := range map[string]string{
		`">=1.6.0"`: "", `["<2.0.0", ">=1.9.0"]`: "", `">=1.0.0,<2.0.0"`: "", `"1.8.3"`: "", `"=1.10.0"`: "", `">=1.10.0rc1"`: "", `[">1.0.0", "<=1.5.0"]`: "",
		`">=2.0.0"`: "the project wants dbt >=2.0.0: projects are read here as dbt 1.", `["<1.0.0"]`: "wants dbt <1.0.0", `"0.21.0"`: "wants dbt 0.21.0",
		`[">=1.9.0", "<1.8.0"]`: "wants dbt >=1.9.0, <1.8.0", `"1.x"`: `require-dbt-version: "1.x" is no version of dbt`,
	} {
		_, text := loadDBT(map[string]string{"dbt_project.yml": "name: shop\nrequire-dbt-version: " + demand + "\n", "models/m.sql": "select 1 as n"}, nil, nil)
		if want == "" && text != "" || !strings.Contains(text, want) || want != "" && !strings.Contains(text, "dbt_project.yml:2:22: warning") {
			t.Errorf("of %s it is said that %q, and not %q", demand, text, want)
		}
	}
}

// Contradictions that dbt refuses.
func TestDBTMistakes(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"dbt_project.yml:2:8: tests: and data_tests: say the same": {"dbt_project.yml": "name: shop\ntests: {+severity: warn}\ndata_tests: {+limit: 1}\n"},
		"models/m.yml:3:21: latest_version: model \"m\" has no version 7": {"models/m.yml": "models:\n  - name: m\n    latest_version: 7\n    versions: [{v: 1}, {v: 2}]\n",
			"models/m_v1.sql": "select 1", "models/m_v2.sql": "select 1"},
		`models/b.md:1:1: two docs blocks are named "x"; the other is at models/a.md:2:1`: {"models/a.md": "\n{% docs x %}a{% enddocs %}", "models/b.md": "{% docs x %}b{% enddocs %}",
			"models/m.sql": "select 1 as n"},
	} {
		if _, text := loadDBT(files, nil, nil); !strings.Contains(text, want) || strings.Contains(text, "warning") {
			t.Errorf("%q is not said in %q", want, text)
		}
	}
}

// Groups must be defined in the package, and an access must be one.
func TestGroupAndAccess(t *testing.T) {
	const groups = "groups: [{name: finance, owner: {email: a@example.com}}]\n"
	for properties, want := range map[string]string{
		groups + "models: [{name: m, group: finance, access: private}]\n":       "",
		groups + "models: [{name: m, config: {group: finence}}]\nseeds: []\n":   `models/s.yml:2:36: no group is named "finence"`,
		"models: [{name: m, group: finance}]\n":                                 `models/s.yml:1:27: no group is named "finance": there is none`,
		"models: [{name: m, access: privat}]\n":                                 "models/s.yml:1:28: access: privat: use private, protected, public",
		"models: [{name: m, config: {access: Public}}]\n":                       "models/s.yml:1:37: access: Public",
		groups + "seeds: [{name: raw, config: {group: nope}}]\n":                `models/s.yml:2:37: no group is named "nope"`,
		groups + "models: [{name: m, config: {group: nope, enabled: false}}]\n": "",

		groups + "models: [{name: m, group: finance, access: private}, {name: reads, group: finance}]\n": "",
		groups + "models: [{name: m, group: finance}, {name: reads}]\n":                                  "",
		// Tests of a model are in its group, those that are files in the one that they say.
		groups + "models: [{name: m, group: finance, access: private}] # select * from {{ ref('m') }}\n":                                                                                                "tests/t.sql:1:18: m is private to the group finance, and test t is not in it",
		groups + "models: [{name: m, group: finance, access: private}] # {{ config(group='finance') }} select * from {{ ref('m') }}\n":                                                                  "",
		groups + "models: [{name: m, group: finance, access: private, columns: [{name: n, data_tests: [unique]}]}]\n":                                                                                   "",
		groups + "models: [{name: m, group: finance, access: private}]\nseeds: [{name: raw, columns: [{name: id, data_tests: [relationships: {to: ref('m'), field: n}]}]}]\n":                           "m is private to the group finance, and test relationships_id is not in it",
		groups + "models: [{name: m, group: finance, access: private}]\nseeds: [{name: raw, config: {group: finance}, columns: [{name: id, data_tests: [relationships: {to: ref('m'), field: n}]}]}]\n": "",

		groups + "models: [{name: m, group: finance, access: private}, {name: reads}]\n": "models/reads.sql:1:18: m is private to the group finance, and reads is not in it",
	} {
		files := map[string]string{"models/s.yml": properties, "models/m.sql": "select 1 as n", "seeds/raw.csv": "id\n1\n"}
		if strings.Contains(properties, "reads") {
			files["models/reads.sql"] = "select * from {{ ref('m') }}"
		}
		for _, test := range []string{"select * from {{ ref('m') }}", "{{ config(group='finance') }} select * from {{ ref('m') }}"} {
			if strings.Contains(properties, "# "+test) {
				files["tests/t.sql"] = test
			}
		}
		_, text := loadDBT(files, nil, nil)
		if want == "" && text != "" || !strings.Contains(text, want) {
			t.Errorf("of %s it is said that %s, and not %s", properties, text, want)
		}
	}
}

// What is configured and has no effect here is said, where dbt's table would be another one the model is not built, and what dbt takes for
// nothing is nothing.
func TestConfigurationOfDBT(t *testing.T) {
	config := func(text string) map[string]string {
		return map[string]string{"models/m.sql": "{{ config(" + text + ") }} select 1 as id"}
	}
	project := func(text string) map[string]string {
		return map[string]string{"dbt_project.yml": "name: shop\n" + text, "models/m.sql": "select 1 as id", "seeds/s.csv": "a\n1\n", "seeds/u.csv": "a\n1\n"}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  []string // all that is said; none: nothing is
	}{
		"no key":            {config("materialized='incremental', unique_key=[]"), nil},
		"an empty key":      {config("materialized='incremental', unique_key=''"), nil},
		"a merge's clauses": {config("materialized='incremental', incremental_strategy='merge', unique_key='id', merge_update_condition='x'"), []string{"m cannot be built: merge_update_condition is not there"}},
		"clauses of none":   {config("materialized='table', merge_update_condition='x'"), nil},
		"of other engines":  {config("table_format='iceberg'"), []string{"config table_format has no effect: it is for other engines"}},
		"hooks of seeds": {project("seeds:\n  shop:\n    s: {+post-hook: select 1}\n    u: {+post-hook: select 2}\n"),
			[]string{"dbt_project.yml:4:9: warning: config post_hook", "dbt_project.yml:5:9: warning: config post_hook"}},
		"flags":      {project("flags: {warn_error: true, fail_fast: false, use_colors: true}\n"), []string{"dbt_project.yml:2:9: warning: flags: warn_error has no effect"}},
		"empty keys": {project("on-run-start:\nmodel-paths:\ntests: {}\ndata_tests: {shop: {+severity: warn}}\nvars:\nseeds:\n"), nil},
		"a source's overrides": {map[string]string{"models/s.yml": "sources: [{name: s, overrides: pk, tables: [{name: t}]}]\n"},
			[]string{"models/s.yml:1:21: warning: overrides is not read"}},
		"config-version": {project("config-version: 1\n"), []string{"warning: config-version 1 is read as 2"}},
		"freshness that is none": {map[string]string{"models/s.yml": "sources: [{name: s, freshness: null, tables: [{name: t}]}]\n" +
			"models: [{name: m, config: {freshness: {build_after: {count: 1, period: day}}}}]\n", "models/m.sql": "select 1 as id"}, nil},
		"a test's key": {map[string]string{"models/m.yml": "models: [{name: m, columns: [{name: id, data_tests: [not_null: {config: {severty: warn}}]}]}]\n",
			"models/m.sql": "select 1 as id", "tests/x.sql": "{{ config(quoting={}, severty='warn') }} select * from {{ ref('m') }}"},
			[]string{`did you mean "severity"?`, "tests/x.sql:1:19: warning: config quoting has no effect: tests have no such configuration"}},
		"a snapshot of nothing": {map[string]string{"models/s.yml": "snapshots:\n  - name: sn\n    relation: ref('gone')\n    config: {unique_key: id, strategy: check, check_cols: all}\n"},
			[]string{`models/s.yml:3:15: ref("gone"): no model`}},
	} {
		_, text := loadDBT(c.files, nil, nil)
		if c.want == nil && text != "" {
			t.Errorf("%s: it is said that %s", name, text)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not said in %q", name, want, text)
			}
		}
	}
}

// TestRefsOfHooks: what a hook refers to is built before its model, as in dbt; what is not there and what goes round in circles is told at the
// hook's place.
func TestRefsOfHooks(t *testing.T) {
	files := map[string]string{
		"dbt_project.yml": "name: shop\nmodels:\n  shop:\n    z:\n      +pre-hook: \"{{ fill(ref('late')) }}\"\n",
		"macros/fill.sql": "{% macro fill(t) %}create temp table few as select * from {{ t }}{% endmacro %}",
		"models/a.sql": "{{ config(materialized='incremental', post_hook=[\"insert into {{ this }} select id from {{ ref('late') }}\",\n" +
			"\"{% if is_incremental() %}select 1 from {{ ref('later') }}{% endif %}{% if execute %}select 1 from {{ ref('last') }}{% endif %}\"]) }} select 1 as id",
		"models/z/b.sql":  "select 1 as id",
		"models/late.sql": "select 2 as id", "models/later.sql": "select 2 as id", "models/last.sql": "select 2 as id",
	}
	p, text := loadDBT(files, nil, nil)
	if text != "" {
		t.Fatal(text)
	}
	for model, want := range map[string]string{"a": "main.last main.late main.later", "b": "main.late"} {
		var got []string
		for _, n := range p.Model(model).Needs {
			got = append(got, n.Name())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s reads %v, want %s", model, got, want)
		}
	}
	files["models/c.sql"] = "select 1 as id, 2 as b\n{{ config(post_hook=\"select '\n{{ ref('nothing') }}'\") }}"
	if _, text := loadDBT(files, nil, nil); !strings.Contains(text, "models/c.sql:2:21: ref(\"nothing\"): no model or seed is named so") {
		t.Error(text)
	}
	delete(files, "models/c.sql")
	files["snapshots/s.yml"] = "snapshots:\n  - name: s\n    relation: ref('late')\n    config:\n      unique_key: id\n      strategy: check\n      check_cols: all\n" +
		"      post_hook: \"select 1 from {{ ref('nothing') }}\"\n"
	if _, text := loadDBT(files, nil, nil); !strings.Contains(text, "snapshots/s.yml:8:18: ref(\"nothing\")") {
		t.Error(text)
	}
	delete(files, "snapshots/s.yml")
	files["models/c.sql"] = "{{ config(post_hook=\"select 1 from {{ ref('d') }}\") }} select 1 as id"
	files["models/d.sql"] = "select * from {{ ref('c') }}"
	if _, text := loadDBT(files, nil, nil); !strings.Contains(text, "cyclic refs: c → d → c") {
		t.Error(text)
	}
}

// TestUnsupportedInTemplate: a model that asks for what dbt has and Millrace has not cannot be built; the project is loaded all the same.
func TestUnsupportedInTemplate(t *testing.T) {
	p, text := loadDBT(map[string]string{
		"models/a.sql": "{{ config(alias='aa') }}\nselect '{{ metric('revenue') }}' as a",
		"models/b.sql": "select 1 as id",
	}, nil, nil)
	if p == nil || !strings.Contains(text, "models/a.sql:2:12: warning: a cannot be built: metric() is not supported") {
		t.Fatal(text)
	}
	if a := p.Model("a"); p.Model("b") == nil || a == nil || a.Table != "aa" || a.Model.Unbuildable == "" {
		t.Errorf("%+v", a)
	}
}

// TestTargetInProjectFile: templates of dbt_project.yml, of packages' too, see the target that is chosen.
func TestTargetInProjectFile(t *testing.T) {
	p, text := loadDBT(map[string]string{
		"profiles.yml":                     "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: dev.duckdb, schema: s}\n    prod: {type: duckdb, path: prod.duckdb}\n",
		"dbt_project.yml":                  "name: shop\nprofile: shop\nmodels:\n  shop:\n    +materialized: \"{{ 'table' if target.type in ['duckdb'] and target.profile_name == 'shop' else 'view' }}\"\n    +schema: \"{{ target.name }}_{{ target.schema }}\"\n",
		"models/a.sql":                     "select 1 as id",
		"dbt_packages/kit/dbt_project.yml": "name: kit\nmodels:\n  kit:\n    +enabled: \"{{ target.name == 'dev' }}\"\n",
		"dbt_packages/kit/models/b.sql":    "select 1 as id",
	}, nil, nil)
	if p == nil {
		t.Fatal(text)
	}
	if a := p.Model("a"); a == nil || a.Model.Materialized != models.Table || a.Schema != "s_dev_s" || p.Model("b") == nil {
		t.Errorf("%+v %s", a, text)
	}
}

// TestPackageDescribedByRoot: properties of the project are about a package's model where the package says nothing of it: they configure it,
// describe it, and their tests are the project's.
func TestPackageDescribedByRoot(t *testing.T) {
	files := map[string]string{
		"dbt_packages/kit/dbt_project.yml":  "name: kit\n",
		"dbt_packages/kit/models/kit_m.sql": "select 1 as id",
		"dbt_packages/kit/models/own.sql":   "select 1 as id",
		"dbt_packages/kit/models/own.yml":   "models: [{name: own, description: the kit's}]",
		"models/s.yml": "models:\n  - name: kit_m\n    description: the root's\n    config: {tags: [x], materialized: table}\n" +
			"    columns: [{name: id, data_tests: [unique]}]\n",
	}
	p, text := loadDBT(files, nil, nil)
	if text != "" {
		t.Fatal(text)
	}
	m := p.Model("kit_m")
	if m.Description != "the root's" || m.Model.Materialized != models.Table || !slices.Equal(m.Tags, []string{"x"}) || len(m.Checks) != 1 || p.Model("own").Description != "the kit's" {
		t.Errorf("%+v", m)
	}
	if id := p.TestID(m.Checks[0]); !strings.HasPrefix(id, "test.shop.unique_kit_m_id.") {
		t.Error(id)
	}
	if v, _ := p.Facts(m).Get("patch_path"); v != "shop://models/s.yml" {
		t.Error(v)
	}
}

// TestKeyTwice: of a key that a file of dbt has twice the last counts, with a warning.
func TestKeyTwice(t *testing.T) {
	p, text := loadDBT(map[string]string{
		"dbt_project.yml": "name: shop\nmodels: {+materialized: view}\nmodels: {+materialized: table}\n",
		"models/a.sql":    "select 1 as id",
		"models/a.yml":    "models:\n  - name: a\n    description: one\n    description: two\n",
	}, nil, nil)
	if p == nil || p.Model("a").Model.Materialized != models.Table || p.Model("a").Description != "two" {
		t.Fatal(text)
	}
	for _, want := range []string{`dbt_project.yml:3:1: warning: duplicate key "models": what line 2 says has no effect`, `models/a.yml:4:5: warning: duplicate key "description"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %s", text, want)
		}
	}
}

// TestFactsOfWhatIsNotBuilt: templates see a source that nothing provides among what a model and an exposure depend on, and what only dbt's own
// services use.
func TestFactsOfWhatIsNotBuilt(t *testing.T) {
	p, text := loadDBT(map[string]string{
		"models/m.sql":    "select * from {{ source('far', 'away') }}",
		"models/v_v1.sql": "select 1 as id",
		"models/m.yml": "sources: [{name: far, tables: [{name: away}]}]\nmodels:\n  - {name: m, time_spine: {standard_granularity_column: day}}\n" +
			"  - {name: v, versions: [{v: 1, deprecation_date: 2029-01-01}]}\n" +
			"exposures: [{name: e, type: dashboard, owner: {email: a@b.c}, depends_on: [\"source('far', 'away')\", ref('m'), ref('m')]}]\n",
	}, nil, nil)
	if p == nil {
		t.Fatal(text)
	}
	f := p.Facts(p.Model("m"))
	for key, want := range map[string]string{"depends_on": "{'macros': [], 'nodes': ['source.shop.far.away']}", "sources": "[['far', 'away']]",
		"time_spine": "{'standard_granularity_column': 'day', 'custom_granularities': []}"} {
		if v, _ := f.Get(key); jinja.Text(v) != want {
			t.Errorf("%s: %s", key, jinja.Text(v))
		}
	}
	if v, _ := p.Facts(p.Model("v")).Get("deprecation_date"); v != "2029-01-01T00:00:00+00:00" {
		t.Error(v)
	}
	e, _ := p.Graph().Get("exposures")
	one, _ := e.(*jinja.Dict).Get("exposure.shop.e")
	if on, _ := one.(*jinja.Dict).Get("depends_on"); jinja.Text(on) != "{'macros': [], 'nodes': ['source.shop.far.away', 'model.shop.m']}" {
		t.Error(jinja.Text(on))
	}
}
