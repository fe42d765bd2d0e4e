package pipeline_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/check"
)

// TestContextOfRuns: what templates say, in which package hooks of a run stand, which results they see, and which published tables a model
// finds that it does not read. What is wanted is what dbt says.
func TestContextOfRuns(t *testing.T) {
	dir := project(t, map[string]string{
		"dbt_project.yml": "name: shop\nprofile: shop\nvars: {which: root}\non-run-start: [\"{{ log('start ' ~ execute, info=true) }}\"]\non-run-end:\n" +
			"  - \"{% for r in results %}{{ log(r.node.name ~ ' ' ~ r.status ~ ' ' ~ r.node.config.materialized ~ ' ' ~ r.failures ~ ' ' ~ (r.to_dict().node.compiled_code or '') | trim, info=true) }}{% endfor %}\"\n" +
			"  - \"{{ log(schemas ~ database_schemas, info=true) }}\"\n",
		"profiles.yml":                    "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, threads: 3}}}\n",
		"dbt_packages/pk/dbt_project.yml": "name: pk\nvars: {which: pk, own: of_pk}\non-run-end: [\"{{ pk_hook() }}\"]\n",
		"dbt_packages/pk/macros/m.sql": "{% macro pk_hook() %}{{ print(helper() ~ ' ' ~ var('which') ~ ' ' ~ var('own') ~ ' ' ~ model.unique_id ~ ' ' ~ model.resource_type) }}{% endmacro %}" +
			"{% macro helper() %}pk{% endmacro %}",
		"macros/m.sql":     "{% macro helper() %}root{% endmacro %}",
		"models/other.sql": "{{ config(materialized='table') }} select 7 as n, 'x' as word",
		"models/bad.sql":   "select * from nowhere",
		"models/a.sql": `{{ config(materialized='table') }}
{% set found = load_relation(this) %}{% set other = adapter.get_relation(database=target.database, schema=target.schema, identifier='other') %}
{% if execute %}{{ log('a ' ~ found ~ ' ' ~ other ~ (' ' ~ other.type ~ ' ' ~ adapter.get_columns_in_relation(other) | map(attribute='name') | join(',') ~ ' ' ~
 run_query('select n from ' ~ other).columns[0].values()[0] if other else ''), info=true) }}{% endif %}
select 1 as id`,
		"models/s.yml": "models: [{name: a, columns: [{name: id, data_tests: [not_null, {relationships: {to: ref('child'), field: id}}]}]}]\n" +
			"unit_tests: [{name: ut, model: child, given: [{input: ref('a'), rows: [{id: 1}]}], expect: {rows: [{id: 1}]}}]\n",
		"models/child.sql": "select id from {{ ref('a') }}",
	})
	said := func(names ...string) []string {
		var lines []string
		e := engineWith(t, models.Loading{Dir: dir})
		e.Observe = func(ev pipeline.Event) {
			if ev.Kind == "said" {
				lines = append(lines, ev.Text)
			}
		}
		r := run(t, e, func(req *pipeline.Request) {
			req.Rebuild = true
			req.Nodes = slices.DeleteFunc(slices.Clone(req.Nodes), func(n *models.Node) bool { return len(names) > 0 && !slices.Contains(names, n.RefName()) })
		})
		if len(r.Run.Warnings) > 0 {
			t.Error(r.Run.Warnings)
		}
		return lines
	}
	first := said("a", "bad", "child")
	want := []string{"start True", "a None None", "ut pass  0 ", "a success table None select 1 as id", "bad error view None ", "not_null_a_id pass test 0 ", "child success view None select id from \"main\".\"a\"", "relationships_a_id__id__ref_child_ pass test 0 ", // which is judged last of all
		"['main'][('shop', 'main')]",
		"pk root of_pk operation.pk.pk-on-run-end-0 operation"}
	for i, line := range first {
		if name, _, ofTest := strings.Cut(line, " pass test 0 "); ofTest {
			first[i] = name + " pass test 0 " // its SQL is our own
		}
	}
	slices.Sort(first[2:])
	slices.Sort(want[2:])
	if !slices.Equal(first, want) {
		t.Errorf("the first run says\n%s\nand not\n%s", strings.Join(first, "\n"), strings.Join(want, "\n"))
	}
	said("other")
	if second := said("a"); !slices.Contains(second, `a "main"."a" "main"."other" table n,word 7`) {
		t.Errorf("the second run says\n%s", strings.Join(second, "\n"))
	}
}

// TestHookOfTheEndFails: what was built and passed is published, as in dbt; the run tells of the hook, and those behind it do not run.
func TestHookOfTheEndFails(t *testing.T) {
	for name, c := range map[string]struct {
		hook, sql, want, next string
		code                  int
	}{
		"refused":          {"insert into {{ target.schema }}.a select 2", "select 1 as id", "hook of the run's end: dbt_project.yml:5:5: the hook may not run INSERT INTO", "millrace run ", pipeline.ExitPartial},
		"fails":            {"select * from nowhere", "select 1 as id", "hook of the run's end: dbt_project.yml:5:5: ", "millrace run ", pipeline.ExitPartial},
		"and a model does": {"{{ exceptions.raise_compiler_error('no') }}", "select * from nowhere", "1 of 2 nodes failed or were withheld: main.a; hook of the run's end: dbt_project.yml:5:5: ", "millrace retry ", pipeline.ExitPartial},
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, map[string]string{
				"dbt_project.yml": "name: shop\nprofile: shop\non-run-end:\n  - \"{{ log('first', info=true) }}\"\n  - \"" + c.hook + "\"\n  - \"{{ log('third', info=true) }}\"\n",
				"profiles.yml":    "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
				"models/a.sql":    "{{ config(materialized='table') }} " + c.sql,
				"models/b.sql":    "{{ config(materialized='table') }} select 2 as id",
			})
			var said []string
			e := engineWith(t, models.Loading{Dir: dir})
			e.Observe = func(ev pipeline.Event) {
				if ev.Kind == "said" {
					said = append(said, ev.Text)
				}
			}
			r := run(t, e)
			if *r.Run.ExitCode != c.code || !strings.HasPrefix(r.Run.Error, c.want) || !strings.HasPrefix(pipeline.NextCommand(r.Run), c.next) {
				t.Errorf("exit code %d, %s, next %s", *r.Run.ExitCode, r.Run.Error, pipeline.NextCommand(r.Run))
			}
			if !slices.ContainsFunc(r.Published, func(t load.Table) bool { return t.Name.Table == "b" }) || !slices.Equal(said, []string{"first"}) {
				t.Errorf("published %v, said %v", r.Published, said)
			}
		})
	}
}

// TestTableReadsItself: a table that is made anew sees itself as the last run has published it, and is made in each run.
func TestTableReadsItself(t *testing.T) {
	dir := project(t, map[string]string{
		"dbt_project.yml": "name: shop\nprofile: shop\n",
		"profiles.yml":    "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
		"models/a.sql":    "{{ config(materialized='table') }}{% if adapter.get_relation(this.database, this.schema, this.identifier) %}select max(n) + 1 as n from {{ this }}{% else %}select 1 as n{% endif %}",
		"models/b.sql":    "{{ config(materialized='table') }}{% if load_relation(this) is none and execute %}select 1 as n{% else %}select n + 10 as n from {{ this }}{% endif %}",
		"models/c.sql":    "{{ config(materialized='table') }} select * from {{ this }}",
	})
	for i := range int64(3) {
		e := engineWith(t, models.Loading{Dir: dir})
		r := run(t, e)
		for table, want := range map[string]int64{"a": 1 + i, "b": 1 + 10*i} {
			if got := query(t, e, "SELECT n FROM main."+table)[0][0]; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("run %d: %s is %v, not %d", i+1, table, got, want)
			}
		}
		if step := r.Steps[len(r.Steps)-1]; step.Node != "main.c" || !strings.Contains(step.Error, "does not exist") || !strings.Contains(step.Hint, "from the second run on") {
			t.Errorf("run %d: %+v", i+1, step)
		}
	}
}

// TestFoundTablesAreInputs: a model whose template finds published tables and reads them without ref() is built anew when they have changed.
func TestFoundTablesAreInputs(t *testing.T) {
	dir := project(t, map[string]string{
		"dbt_project.yml": "name: shop\n",
		"seeds/part1.csv": "id\n1\n",
		"models/all.sql": `{{ config(materialized='table') }}
{% set found = run_query("select table_schema || '.' || table_name from information_schema.tables where table_name like 'part%'") %}
{% if execute %}{% for name in found.columns[0].values() %}select id from {{ name }} union all {% endfor %}{% endif %}select 0`,
		"tests/found.sql": `select * from {{ ref('all') }} where {{ run_query("select count(*) from main.part1").columns[0].values()[0] if execute }} <> 1`,
	})
	only := func(name string) func(*pipeline.Request) {
		return func(req *pipeline.Request) {
			req.Nodes = slices.DeleteFunc(slices.Clone(req.Nodes), func(n *models.Node) bool { return n.RefName() != name })
		}
	}
	for _, part := range []string{"1", "100"} {
		write(t, dir, map[string]string{"seeds/part1.csv": "id\n" + part + "\n"})
		e := engineWith(t, models.Loading{Dir: dir})
		run(t, e, only("part1"))
		run(t, e, only("all"))
		if got, want := fmt.Sprint(query(t, e, "select string_agg(id, ' ' order by id) from main.all")), "[[0 "+part+"]]"; got != want {
			t.Errorf("the model has %q and not %q", got, want)
		}
	}
	// What a run finds, those find too who look at the model and at its checks without a run.
	e := engineWith(t, models.Loading{Dir: dir})
	all := []*models.Node{e.Project.Model("all")}
	if plan, err := e.Plan(t.Context(), all); err != nil || plan.Problems > 0 || !strings.Contains(plan.Nodes[0].SQL, "select id from main.part1") {
		t.Errorf("the plan is %+v, %v", plan, err)
	}
	if found, err := e.Check(t.Context(), all, t.TempDir()); err != nil || found.Failed() || len(found.Checks) != 1 {
		t.Errorf("the checks say %+v, %v", found, err)
	}
	if l, err := e.Lineage(t.Context()); err != nil || l.Node("main.all").Error != "" || l.Node("main.all").Column("id") == nil {
		t.Errorf("the lineage is %+v, %v", l.Node("main.all"), err)
	}
}

// TestHooksThatFindTheirTable: a post-hook that finds its table as it was published changes the one that is built, and not while it is looked at.
func TestHooksThatFindTheirTable(t *testing.T) {
	dir := project(t, map[string]string{
		"dbt_project.yml": "name: shop\n",
		"models/m.sql": `{{ config(materialized='table', post_hook="{% if load_relation(this) %}{% do run_query('delete from main.m where id = 1') %}{% endif %}") }}
select unnest([1, 2, {{ var('id', 3) }}]) as id`,
	})
	for _, id := range []string{"3", "4"} {
		e := engineWith(t, models.Loading{Dir: dir, Vars: map[string]string{"id": id}})
		run(t, e, func(req *pipeline.Request) { req.Rebuild = true })
		if got, want := fmt.Sprint(query(t, e, "select id from main.m order by id")), "[[2] ["+id+"]]"; got != want {
			t.Errorf("the table has %s and not %s", got, want)
		}
	}
}

// TestViewThatIsLeftOut: a published view that a run leaves out shows what the run makes of its tables to who reads it, and behind that.
func TestViewThatIsLeftOut(t *testing.T) {
	dir := project(t, map[string]string{"dbt_project.yml": "name: shop\n", "seeds/raw.csv": "id\n1\n", "models/staged.sql": "select * from {{ ref('raw') }}",
		"models/twice.sql": "select * from {{ ref('staged') }}", "models/top.sql": "{{ config(materialized='table') }} select max(id) as id from {{ ref('twice') }}"})
	succeeded(t, run(t, engineWith(t, models.Loading{Dir: dir})))
	write(t, dir, map[string]string{"seeds/raw.csv": "id\n7\n"})
	e := engineWith(t, models.Loading{Dir: dir})
	succeeded(t, run(t, e, func(req *pipeline.Request) {
		req.Nodes = slices.DeleteFunc(slices.Clone(req.Nodes), func(n *models.Node) bool { return n.Table == "staged" || n.Table == "twice" })
	}))
	if got := fmt.Sprint(query(t, e, "select id from main.top")); got != "[[7]]" {
		t.Errorf("the table has %s", got)
	}
}

// TestChecksFindWhatHooksMake: wherever a check is judged, with its table, behind all tables, at the source, or without a run, it finds the
// macros of on-run-start. A hook that would change a table is refused there as in a run.
func TestChecksFindWhatHooksMake(t *testing.T) {
	files := map[string]string{
		"dbt_project.yml": "name: shop\nprofile: shop\non-run-start:\n  - create or replace macro twice(x) as 2 * x\n  - create or replace macro ones() as table select 1 as n\n",
		"profiles.yml":    "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
		"seeds/s.csv":     "id\n1\n",
		"raw.csv":         "id\n1\n",
		"models/a.sql":    "{{ config(materialized='table') }} select twice(id) as id from {{ ref('s') }}",
		"models/b.sql":    "select * from {{ ref('a') }}",
		"models/s.yml": "sources: [{name: raw, tables: [{name: x, meta: {external_location: raw.csv}}]}]\n" +
			"models: [{name: a, columns: [{name: id, data_tests: [{below: {arguments: {other: ref('b')}}}]}]}]\n",
		"macros/t.sql":      "{% test below(model, column_name, other) %} select * from {{ model }} where twice({{ column_name }}) < (select min(id) from {{ other }}) {% endtest %}",
		"tests/of_seed.sql": "select * from {{ ref('s') }} where twice(id) < 2", "tests/of_model.sql": "select * from {{ ref('a') }} where twice(id) < 4",
		"tests/of_source.sql": "select * from {{ source('raw', 'x') }} where twice(id) < 2", "tests/of_nothing.sql": "select * from ones() where n > 1",
	}
	dir := project(t, files)
	e := engineWith(t, models.Loading{Dir: dir})
	if r := run(t, e); *r.Run.ExitCode != pipeline.ExitOK {
		t.Fatalf("the run ends with %d: %s, %v", *r.Run.ExitCode, r.Run.Error, r.Checks)
	}
	judged, err := e.Check(t.Context(), e.Project.Nodes, t.TempDir())
	if err != nil || len(judged.Checks) != 5 || judged.Failed() {
		t.Errorf("check finds %+v, %v", judged, err)
	}
	streams := slices.DeleteFunc(slices.Clone(e.Project.Nodes), func(n *models.Node) bool { return n.Stream == nil })
	live, err := e.Judge(t.Context(), streams, t.TempDir(), nil)
	if err != nil || len(live.Checks) != 1 || live.Failed() {
		t.Errorf("at the source it finds %+v, %v", live, err)
	}

	write(t, dir, map[string]string{"dbt_project.yml": files["dbt_project.yml"] + "  - delete from {{ target.schema }}.a\n"})
	e = engineWith(t, models.Loading{Dir: dir})
	_, err = e.Check(t.Context(), e.Project.Nodes, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "dbt_project.yml:6:5: the hook may not run DELETE FROM") {
		t.Errorf("a hook that changes a table gives %v", err)
	}
}

// TestRefThatNobodySaw: a model that refers to another only while it is built fails alone, as in dbt, wherever that one is built.
func TestRefThatNobodySaw(t *testing.T) {
	dir := project(t, map[string]string{
		"dbt_project.yml": "name: shop\nprofile: shop\n",
		"profiles.yml":    "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
		"models/a.sql":    "select 1 as id",
		"models/c.sql":    "select 3 as id",
		"models/b.sql":    "{% set which = 'c' if execute else 'a' %}\nselect * from {{ ref(which) }}",
		"models/d.sql":    "-- depends_on: {{ ref('c') }}\n{% set which = 'c' if execute else 'a' %}\nselect * from {{ ref(which) }}",
	})
	r := run(t, engineWith(t, models.Loading{Dir: dir}))
	if *r.Run.ExitCode != pipeline.ExitPartial || len(r.Published) != 3 {
		t.Errorf("exit code %d, published %v", *r.Run.ExitCode, r.Published)
	}
	for _, s := range r.Steps {
		if s.Node == "main.b" && (!strings.Contains(s.Error, `models/b.sql:2:18: main.b: ref("c"): that the model reads it`) || !strings.Contains(s.Hint, "-- depends_on: {{ ref('c') }}")) {
			t.Errorf("%s, %s", s.Error, s.Hint)
		}
	}
}

// TestHooksWithTheirOwnTables: what hooks do to tables that the project neither makes nor reads is left out and told; all else is built and
// published. What they do to its own stops the run, and what a model reads of theirs fails the model.
func TestHooksWithTheirOwnTables(t *testing.T) {
	files := map[string]string{
		"dbt_project.yml": "name: shop\nprofile: shop\non-run-start:\n  - create table if not exists {{ target.schema }}.audit (id int)\n  - create macro twice(x) as 2 * x\n" +
			"on-run-end:\n  - \"{% do run_query('insert into audit select 1') %}{{ log('said', info=true) }}\"\n",
		"profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
		"models/a.sql": "{{ config(materialized='table', post_hook=['insert into audit select 2', 'insert into {{ this }} select 5']) }} select twice(2) as id",
		"models/b.sql": "select * from {{ ref('a') }}",
		"models/c.sql": "{{ config(post_hook='delete from {{ ref(\"a\") }}') }} select 1 as id",
		"models/d.sql": "{{ config(pre_hook=['create temp table wanted as select 1 as id', 'insert into wanted select 2']) }} select id from wanted",
	}
	var said []string
	e := engineWith(t, models.Loading{Dir: project(t, files)})
	e.Observe = func(ev pipeline.Event) {
		if ev.Kind == "said" {
			said = append(said, ev.Text)
		}
	}
	r := run(t, e)
	want := "2 of 4 nodes failed or were withheld: main.c, main.d; statements of hooks are left out, no model makes their tables: dbt_project.yml:4:5: CREATE TABLE main.audit, "
	if *r.Run.ExitCode != pipeline.ExitPartial || !strings.HasPrefix(r.Run.Error, want) || strings.Count(r.Run.Error, "INSERT INTO audit") != 2 {
		t.Errorf("exit code %d, %s", *r.Run.ExitCode, r.Run.Error)
	}
	if d := step(t, r, "main.d"); !strings.Contains(d.Error, "the hook may not run INSERT INTO") {
		t.Errorf("a hook that changes what its model reads: %s", d.Error)
	}
	if !slices.Equal(said, []string{"said"}) {
		t.Errorf("said %v", said)
	}
	if rows := publishedTables(t, e)["main.b"].Rows; len(rows) != 2 {
		t.Errorf("main.b has %v", rows)
	}
	files["dbt_project.yml"] = strings.Replace(files["dbt_project.yml"], "create macro", "delete from a; create macro", 1)
	e = engineWith(t, models.Loading{Dir: project(t, files)})
	if _, err := e.Run(t.Context(), pipeline.Request{Nodes: e.Project.Nodes}); err == nil || !strings.Contains(err.Error(), "the hook may not run DELETE FROM") {
		t.Error(err)
	}
}

// TestCheckOfEphemeral: check judges what the SELECT of an ephemeral model gives of what is published.
func TestCheckOfEphemeral(t *testing.T) {
	dir := dbtShop(t, map[string]string{
		"models/t.sql": "{{ config(materialized='table') }} select i as id from range(3) t(i)",
		"models/e.sql": "{{ config(materialized='ephemeral') }} select id + 1 as id from {{ ref('t') }}",
		"models/m.yml": "models: [{name: e, columns: [{name: id, data_tests: [unique, {accepted_values: {values: [1, 2], config: {severity: warn}}}]}]}]\n",
	})
	e := engineWith(t, models.Loading{Dir: dir})
	run(t, e)
	judged, err := e.Check(t.Context(), e.Project.Nodes, t.TempDir())
	if err != nil || len(judged.Checks) != 2 || judged.Unread() || judged.Checks[0].Status != check.StatusPass || judged.Checks[1].Failing != 1 {
		t.Errorf("%+v, %v", judged, err)
	}
}

// TestRetryWithVariables: what a run has built was built with its variables, so no other ones take it up.
func TestRetryWithVariables(t *testing.T) {
	dir := dbtShop(t, map[string]string{
		"models/a.sql": "{{ config(materialized='table') }} select {{ var('v', 1) }} as v",
		"models/b.sql": "{{ config(materialized='table') }} select v, error('broken') as e from {{ ref('a') }}",
	})
	with := func(vars map[string]string) *pipeline.Engine {
		return engineWith(t, models.Loading{Dir: dir, Vars: vars})
	}
	red := run(t, with(map[string]string{"v": "2"}))
	if next := pipeline.NextCommand(red.Run); next != "millrace retry "+red.Run.ID+" --var 'v=2'" {
		t.Errorf("next is %s", next)
	}
	write(t, dir, map[string]string{"models/b.sql": "{{ config(materialized='table') }} select v, {{ var('v', 1) }} as own from {{ ref('a') }}"})
	for _, vars := range []map[string]string{nil, {"v": "3"}} {
		_, err := with(vars).Retry(t.Context(), red.Run.ID)
		if !errors.Is(err, pipeline.ErrNoRetry) || !strings.Contains(err.Error(), "`millrace retry "+red.Run.ID+" --var 'v=2'` takes it up") {
			t.Errorf("%v: %v", vars, err)
		}
	}
	e := with(map[string]string{"v": "2"})
	if _, err := e.Retry(t.Context(), red.Run.ID); err != nil {
		t.Fatal(err)
	}
	if row := publishedTables(t, e)["main.b"].Rows[0]; *row[0] != "2" || *row[1] != "2" {
		t.Errorf("b is %s, %s", *row[0], *row[1])
	}
}
