package models_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models"
)

// What a profile gives: the target, its schema and database, and what is said of what has no effect.
func TestProfile(t *testing.T) {
	const duck = "shop: {target: dev, outputs: {dev: {type: duckdb, path: a.duckdb}, prod: {type: duckdb, schema: live, path: a.duckdb}}}\n"
	profile := func(output string) string { return "shop:\n  target: dev\n  outputs:\n    dev: " + output + "\n" }
	for name, c := range map[string]struct {
		profile, project string
		env              map[string]string
		target, database string // target/schema
		said             []string
	}{
		"of DuckDB":             {profile: duck, target: "dev/main", database: "a"},
		"DBT_TARGET":            {profile: duck, env: map[string]string{"DBT_TARGET": "prod"}, target: "prod/live", database: "a"},
		"DBT_TARGET of nothing": {profile: duck, env: map[string]string{"DBT_TARGET": "pro"}, said: []string{`DBT_TARGET: unknown target "pro"`, `did you mean "prod"?`}},
		"DBT_PROFILE":           {profile: "other: {target: x, outputs: {x: {type: duckdb}}}", env: map[string]string{"DBT_PROFILE": "other"}, target: "x/main"},
		"a name by a template":  {profile: duck, project: "name: shop\nprofile: \"{{ env_var('P') }}\"\n", env: map[string]string{"P": "shop"}, target: "dev/main", database: "a"},
		"no profiles.yml": {target: "local/main", said: []string{"dbt_project.yml:2:10: warning: there is no profiles.yml in the project, in DBT_PROFILES_DIR or in ~/.dbt, " +
			`which would have the profile "shop": tables are published to warehouse/, in schema main`}},
		"no such profile": {profile: "shopp: {}", said: []string{`dbt_project.yml:2:10: profiles.yml has no profile "shop"`, `did you mean "shopp"?`}},
		"DBT_PROFILE of nothing": {profile: duck, env: map[string]string{"DBT_PROFILE": "shp"},
			said: []string{`DBT_PROFILE: profiles.yml has no profile "shp"`, `did you mean "shop"?`}},
		"DBT_PROFILE without a file": {env: map[string]string{"DBT_PROFILE": "shp"}, said: []string{"DBT_PROFILE: there is no profiles.yml"}},
		"a secret":                   {profile: profile("{type: duckdb, path: x.duckdb, schema: \"{{ env_var('DBT_ENV_SECRET_S') }}\"}"), env: map[string]string{"DBT_ENV_SECRET_S": "hush"}, target: "dev/hush", database: "x"},
		"a variable too few":         {profile: profile("{type: duckdb, path: \"{{ env_var('NOPE') }}\"}"), said: []string{`profiles.yml:4:31: the environment variable "NOPE" is not set`, "env_var('NOPE', '…')"}},
		"MotherDuck": {profile: profile("{type: duckdb, path: 'md:shop?token=abc'}"), target: "dev/main",
			said: []string{"profiles.yml:4:31: warning: path of the profile is no file of this machine (md:…)", "sources"}},
		"settings":              {profile: profile("{type: duckdb, settings: {memory_limit: 1GB, TimeZone: UTC}}"), target: "dev/main", said: []string{"warning: settings of the profile: TimeZone has no effect"}},
		"a list as schema":      {profile: profile("{type: duckdb, path: x.duckdb, token: abc, schema: [a]}"), said: []string{"profiles.yml:4:61: schema of the profile must be a text\n"}},
		"a word as threads":     {profile: profile("{type: duckdb, threads: many}"), said: []string{"profiles.yml:4:34: threads of the profile must be a whole number above 0"}},
		"threads below 1":       {profile: profile("{type: duckdb, threads: -4}"), said: []string{"profiles.yml:4:34: threads of the profile"}},
		"threads by a variable": {profile: profile("{type: duckdb, path: a.duckdb, threads: \"{{ env_var('T') }}\"}"), env: map[string]string{"T": "4"}, target: "dev/main", database: "a"},
		"Postgres": {profile: profile("{type: postgres, host: \"{{ env_var('PGHOST') }}\", password: \"{{ env_var('DBT_ENV_SECRET_PW') }}\", dbname: db, schema: stage}"), target: "dev/stage", database: "db",
			said: []string{`warning: output "dev" of the profile is of type "postgres": the project runs on DuckDB, and its tables are published to warehouse/, in schema stage`}},
		"BigQuery":  {profile: profile("{type: bigquery, method: oauth, project: p, dataset: stage}"), target: "dev/stage", database: "p", said: []string{`of type "bigquery"`}},
		"Snowflake": {profile: profile("{type: snowflake, account: x, database: d, schema: s}"), target: "dev/s", database: "d", said: []string{"targets: { dev: { type: snowflake, … } } in millrace.yml: docs/snowflake.md"}},
	} {
		files := map[string]string{"dbt_project.yml": "name: shop\nprofile: shop\n", "models/m.sql": "select '{{ target.type }}'"}
		if c.profile != "" {
			files["profiles.yml"] = c.profile
		}
		if c.project != "" {
			files["dbt_project.yml"] = c.project
		}
		p, text := loadDBT(files, c.env, nil)
		for _, want := range c.said {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not said in %q", name, want, text)
			}
		}
		if len(c.said) == 0 && text != "" {
			t.Errorf("%s: it is said that %s", name, text)
		}
		if c.target == "" {
			continue
		}
		if got := p.Target.Name + "/" + p.Target.Schema; got != c.target || p.Database != c.database {
			t.Errorf("%s: the target is %s of database %q", name, got, p.Database)
		}
		if strings.Contains(text, "abc") || strings.Contains(text, "PGHOST") {
			t.Errorf("%s: a secret is told: %s", name, text)
		}
	}
}

// TestTargetInProjectFiles: templates of dbt_project.yml see the target, of packages too. What is wanted is real dbt's.
func TestTargetInProjectFiles(t *testing.T) {
	const seen = "{{ target.name }}_{{ target.target_name }}_{{ target.type }}_" +
		"{{ target.schema }}_{{ target.threads }}_{{ target.profile_name }}"
	const named = "models:\n  shop:\n    +schema: \"{{ 'live' if target.name == 'prod' else 'dev' }}\"\n" +
		"    +alias: \"m_" + seen + "\"\n    +enabled: \"{{ target.type in ('duckdb', 'postgres') }}\"\n"
	files := map[string]string{"dbt_project.yml": "name: shop\nprofile: shop\n" + named, "models/m.sql": "select 1 as x",
		"dbt_packages/pack/dbt_project.yml": "name: pack\n" + strings.NewReplacer("m_", "p_", "shop:", "pack:").Replace(named),
		"dbt_packages/pack/models/p.sql":    "select 1 as x",
		"profiles.yml":                      "shop: {target: dev, outputs: {dev: {type: duckdb, path: a.duckdb}, prod: {type: duckdb, schema: live, threads: 4}}}\n"}
	for env, want := range map[string][]string{
		"":     {"main_dev.m_dev_dev_duckdb_main_1_shop", "main_dev.p_dev_dev_duckdb_main_1_shop"},
		"prod": {"live_live.m_prod_prod_duckdb_live_4_shop", "live_live.p_prod_prod_duckdb_live_4_shop"},
	} {
		p, text := loadDBT(files, map[string]string{"DBT_TARGET": env}, nil)
		if text != "" {
			t.Fatalf("it is said that %s", text)
		}
		for _, name := range want {
			if p.Node(name) == nil {
				t.Errorf("%q: there is no %s: %v", env, name, p.Nodes)
			}
		}
	}
}

// TestSecretsOfProfiles: templates do not see what has a secret in it.
func TestSecretsOfProfiles(t *testing.T) {
	files := fstest.MapFS{
		"dbt_project.yml": {Data: []byte("name: shop\nprofile: shop\n")},
		"models/m.sql":    {Data: []byte("{{ config(meta={'seen': target.external_root ~ ' ' ~ target.path ~ ' ' ~ (target.database or none)}) }} select 1 as x")},
		"profiles.yml": {Data: []byte(`shop: {target: dev, outputs: {dev: {type: duckdb, path: "{{ env_var('DBT_ENV_SECRET_S') }}.duckdb",
  external_root: "out/{{ env_var('DBT_ENV_SECRET_S') }}"}}}`)},
	}
	env := func(name string) (string, bool) {
		if name != "DBT_ENV_SECRET_S" {
			return "", false
		}
		return "a secret of some length", true
	}
	p, problems := models.Load(models.Loading{Dir: "/p", Files: files, Sources: dbtSpecs(), SeedType: seedType, Env: env, Redactor: &secret.Redactor{}})
	if p == nil {
		t.Fatal(problems)
	}
	seen, err := json.Marshal(p.Node("main.m").Model.Config)
	if err != nil || !strings.Contains(string(seen), `"seen":". :memory: None"`) {
		t.Errorf("the template has seen %s: %v", seen, err)

	}
}

// A target that there is not is all that is told: what macros make of the target is not held against them.
func TestUnknownTargetOnly(t *testing.T) {
	for name, outputs := range map[string]string{"one": "{dev: {type: duckdb, schema: live}}", "none": "{}"} {
		_, text := loadDBT(map[string]string{"dbt_project.yml": "name: shop\nprofile: shop\n", "profiles.yml": "shop: {target: dev, outputs: " + outputs + "}\n",
			"macros/g.sql": "{% macro generate_schema_name(name, node) %}{{ target.schema }}{% endmacro %}",
			"models/m.sql": "select '{{ target.schema.upper() }}' as s"}, map[string]string{"DBT_TARGET": "nope"}, nil)
		if !strings.Contains(text, `DBT_TARGET: unknown target "nope"`) || strings.Contains(text, "gives no name") {
			t.Errorf("%s: it is said that %s", name, text)
		}
	}
}
