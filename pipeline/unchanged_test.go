package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// keeping is a project with a model of each kind; m's letters are told by built.
var keeping = map[string]string{
	"millrace.yml":    "name: p\nvars: { least: 0 }\nsources:\n  in:\n    type: files\n    streams:\n      - { name: people, path: \"people*.csv\", columns: { id: BIGINT, name: VARCHAR }, mode: append }\n",
	"people1.csv":     "id,name\n1,Ada\n2,Grace\n",
	"macros/m.sql":    "{% macro low() %}id > {{ var('least') }}{% endmacro %}",
	"models/e.sql":    "{{ config(materialized='ephemeral') }} select * from {{ source('in', 'people') }} where {{ low() }}",
	"models/v.sql":    "select id, upper(name) as name from {{ ref('e') }}",
	"models/t.sql":    "{{ config(materialized='table') }} select * from {{ ref('v') }}",
	"models/a.sql":    "{{ config(materialized='incremental') }} select id from {{ ref('t') }}",
	"models/k.sql":    "{{ config(materialized='incremental', unique_key='id') }} select id, name from {{ ref('t') }} {% if is_incremental() %} where id >= (select max(id) from {{ this }}) {% endif %}",
	"models/now.sql":  "{{ config(materialized='table') }} select id, now() as at from {{ ref('t') }}",
	"models/rand.sql": "select random() as r from {{ ref('t') }}",
	"models/of.sql":   "{{ config(materialized='table') }} select count(r) as n from {{ ref('rand') }}",
	"models/lone.sql": "{{ config(materialized='table') }} select 1 as one",
	"models/_.yml":    "models: [ { name: t, columns: [ { name: id, checks: [ { range: { max: 7, severity: quarantine, error_if: '> 100%' } }, not_null ] } ] } ]\n",
}

// built are the models that a run built, sorted, and of those only that may be kept.
func built(r *pipeline.Report) string {
	var names []string
	for _, s := range r.Steps {
		if s.Kind == "model" && !s.Unchanged && !slices.Contains([]string{"main.now", "main.rand", "main.of"}, s.Node) {
			names = append(names, strings.TrimPrefix(s.Node, "main."))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestUnchangedModelsAreKept changes one thing at a time, and says for each which models are built because of it.
func TestUnchangedModelsAreKept(t *testing.T) {
	dir := project(t, keeping)
	edit := func(file, from, to string) func() {
		return func() { write(t, dir, map[string]string{file: strings.Replace(keeping[file], from, to, 1)}) }
	}
	const rows = "select (select count(*) from main.t), (select count(*) from main.a), (select count(*) from main.k)"
	for _, c := range []struct {
		what   string
		change func()
		req    func(*pipeline.Request)
		built  string
		rows   string
	}{
		{what: "the first run", built: "a k lone t v", rows: "[[2 2 2]]"},
		{what: "the first run of k's other SELECT", built: "k", rows: "[[2 2 2]]"}, // is_incremental() from now on
		{what: "nothing", rows: "[[2 2 2]]"},
		{what: "--rebuild", req: func(r *pipeline.Request) { r.Rebuild = true }, built: "a k lone t v", rows: "[[2 4 2]]"},
		{what: "a comment", change: edit("models/t.sql", "select", "-- all of them\nSELECT"), rows: "[[2 4 2]]"},
		{what: "the SELECT", change: edit("models/v.sql", "upper(name)", "lower(name)"), built: "a k t v", rows: "[[2 6 2]]"},
		{what: "a macro that says the same", change: edit("macros/m.sql", "id >", "  id  >"), built: "k", rows: "[[2 6 2]]"}, // k reads itself, and has changed
		{what: "a variable, which changes a SELECT and no row", change: edit("millrace.yml", "least: 0", "least: -1"), built: "t v", rows: "[[2 6 2]]"},
		{what: "new rows", change: func() { write(t, dir, map[string]string{"people2.csv": "id,name\n3,Edsger\n9,Nobody\n"}) }, built: "a k t v", rows: "[[3 9 3]]"},
		{what: "a rule that keeps rows out", change: edit("models/_.yml", "max: 7", "max: 10"), built: "a k t", rows: "[[4 13 4]]"},
		{what: "a rule that only judges", change: edit("models/_.yml", "{ range: { max: 7, severity: quarantine, error_if: '> 100%' } }, not_null", "{ range: { max: 10, severity: quarantine, error_if: '> 100%' } }, not_null, unique"), built: "k", rows: "[[4 13 4]]"},
		{what: "a setting", change: edit("models/lone.sql", "'table'", "'view'"), built: "lone", rows: "[[4 13 4]]"},
		{what: "--full-refresh", req: func(r *pipeline.Request) { r.FullRefresh = true }, built: "a k lone t v", rows: "[[4 4 4]]"},
	} {
		if c.change != nil {
			c.change()
		}
		e := engine(t, dir)
		var change []func(*pipeline.Request)
		if c.req != nil {
			change = append(change, c.req)
		}
		r := run(t, e, change...)
		succeeded(t, r)
		if got := built(r); got != c.built {
			t.Errorf("%s: built %q, want %q", c.what, got, c.built)
		}
		if got := fmt.Sprint(query(t, e, rows)); got != c.rows {
			t.Errorf("%s: %s rows, want %s", c.what, got, c.rows)
		}
		for _, name := range []string{"main.now", "main.rand", "main.of"} {
			if step(t, r, name).Unchanged {
				t.Errorf("%s: %s was kept, whose rows change by themselves", c.what, name)
			}
		}
		for _, s := range r.Steps {
			if s.Unchanged && (len(s.Equations) != 0) != (s.Rows != 0) {
				t.Errorf("%s: %s, unchanged, has %d rows and the equations %v", c.what, s.Node, s.Rows, s.Equations)
			}
		}
	}
}

// TestUnchangedIncrementalModels: the SELECT that counts is the one that runs now, and a table that it reads itself is one of its inputs.
func TestUnchangedIncrementalModels(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml":       "name: p\n",
		"models/history.sql": "{{ config(materialized='table') }} select 1 as id, 'history' as said",
		"models/daily.sql":   "{{ config(materialized='table') }} select 2 as id, 'daily' as said",
		"models/branch.sql":  "{{ config(materialized='incremental', unique_key='id') }} select * from {{ ref('daily') if is_incremental() else ref('history') }} -- {{ ref('daily') }} {{ ref('history') }}",
		"models/days.sql": "{{ config(materialized='incremental') }} select d from range(1, 4) t(d) " +
			"{% if is_incremental() %} where d = (select max(d) + 1 from {{ this }}) {% else %} where d = 1 {% endif %}",
		"models/same.sql":   "{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge') }} select * from {{ ref('daily') }} {% if is_incremental() %} where id >= (select max(id) from {{ this }}) {% endif %}",
		"models/later.sql":  "{{ config(materialized='incremental', unique_key='id') }} select * from {{ ref('daily') }} {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}",
		"models/plain.sql":  "{{ config(materialized='incremental') }} select id from {{ ref('daily') }}",
		"models/reader.sql": "{{ config(materialized='table') }} select count(*) as n from {{ ref('days') }}",
	})
	const rows = "select (select count(*) from main.branch), (select count(*) from main.days), (select count(*) from main.same), (select count(*) from main.plain), (select n from main.reader)"
	for i, want := range []struct{ built, why, rows string }{
		{"branch daily days history later plain reader same", "it was never built", "[[1 1 1 1 1]]"},
		{"branch days later reader same", "is_incremental() is another", "[[2 2 1 1 2]]"},
		{"days reader", "reads its own table, which its last build has changed", "[[2 3 1 1 3]]"},
		{"days", "reads its own table, which its last build has changed", "[[2 3 1 1 3]]"}, // adds nothing, and so is done
		{"", "", "[[2 3 1 1 3]]"},
	} {
		e := engine(t, dir)
		p, err := e.Plan(t.Context(), e.Project.Nodes)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Nodes {
			if n.Name == "main.days" && n.Error == "" {
				mentions(t, fmt.Sprintf("%s %+v", n.Build.Action, n.Build.Why), want.why)
				if (n.Build.Action == pipeline.ActionReuse) != (want.built == "") {
					t.Errorf("run %d: planned %s", i+1, n.Build.Action)
				}
			}
		}
		r := run(t, e)
		succeeded(t, r)
		if got := built(r); got != want.built {
			t.Errorf("run %d: built %q, want %q", i+1, got, want.built)
		}
		if got := fmt.Sprint(query(t, e, rows)); got != want.rows {
			t.Errorf("run %d: %s rows, want %s", i+1, got, want.rows)
		}
	}
}

// TestUnchangedUnderHooks: what on-run-start makes is a part of the models that use it, also through another macro; what moves in it moves them.
func TestUnchangedUnderHooks(t *testing.T) {
	hooks := "create or replace macro euros(c) as c / 100; create or replace macro twice(c) as 2 * \"euros\"(c); create or replace macro moment() as now(); " +
		"set variable rate = 2; set variable later = 3; create or replace type mood as enum ('glad')"
	files := map[string]string{
		"dbt_project.yml":   "name: p\nversion: '1'\nprofile: p\non-run-start: |\n  {{ var('hooks') }}\nvars: { hooks: HOOKS }\n",
		"profiles.yml":      "p: { target: dev, outputs: { dev: { type: duckdb, path: x.duckdb } } }\n",
		"models/a.sql":      "{{ config(materialized='table') }} select twice(500) as a",
		"models/b.sql":      "{{ config(materialized='table') }} select getvariable('rate') as a",
		"models/c.sql":      "{{ config(materialized='table') }} select 'glad'::mood as a",
		"models/d.sql":      "{{ config(materialized='table') }} select 1 as euros, 2 as twice",
		"models/moving.sql": "{{ config(materialized='table') }} select moment() as a",
		"models/e.sql":      "{{ config(materialized='table', pre_hook='create or replace macro own(x) as x') }} select own(1) as a",
		"models/f.sql":      "{{ config(materialized='table') }} select own(2) as a -- {{ ref('e') }}",
	}
	first := hooks
	yml := func() string { return strings.Replace(files["dbt_project.yml"], "HOOKS", fmt.Sprintf("%q", hooks), 1) }
	dir := project(t, map[string]string{"dbt_project.yml": yml(), "profiles.yml": files["profiles.yml"]})
	delete(files, "profiles.yml")
	for name, text := range files {
		if name != "dbt_project.yml" {
			write(t, dir, map[string]string{name: text})
		}
	}
	for _, c := range []struct{ what, from, to, built string }{
		{"the first run", "", "", "a b c d e f moving"},
		{"a macro that a macro calls", "c / 100", "c / 1000", "a e f moving"},
		{"a variable and a type", "rate = 2|'glad'", "rate = 3|'glad', 'sad'", "b c e f moving"},
		{"a macro that reads the clock", "2 * ", "date_part('year', current_localtimestamp()) * ", "a e f moving"},
		{"it does so still", "", "", "a e f moving"},
		{"it does not any more", "date_part('year', current_localtimestamp()) * ", "2 * ", "a e f moving"},
		{"and stays so", "", "", "e f moving"},
	} {
		to := strings.Split(c.to, "|")
		for i, from := range strings.Split(c.from, "|") {
			hooks = strings.Replace(hooks, from, to[i], 1)
		}
		write(t, dir, map[string]string{"dbt_project.yml": yml()})
		e := engine(t, dir)
		p, err := e.Plan(t.Context(), e.Project.Nodes)
		if err != nil {
			t.Fatal(err)
		}
		var planned []string
		for _, n := range p.Nodes {
			if n.Build != nil && n.Build.Action == pipeline.ActionBuild {
				planned = append(planned, strings.TrimPrefix(n.Name, "main."))
			}
		}
		slices.Sort(planned)
		r := run(t, e)
		succeeded(t, r)
		if got := built(r); got != c.built || c.what != "the first run" && strings.Join(planned, " ") != got {
			t.Errorf("%s: built %q, planned %q, want %q", c.what, got, planned, c.built)
		}
	}
	if first == hooks {
		t.Error("nothing was changed")
	}
}

// TestKeptTablesAreJudgedAndTold: a table that is not built is checked, what is said of it is published, and a file that is not what the
// manifest says has it built.
func TestKeptTablesAreJudgedAndTold(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\n", "models/t.sql": "{{ config(materialized='table') }} select 1 as id, date '2020-01-01' as day",
		"models/m.sql": "{{ config(materialized='table') }} select id from {{ ref('t') }}"})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"models/_.yml": "models: [ { name: t, description: all there are, columns: [ { name: id, tags: [pii] } ] } ]\n"})
	e := engine(t, dir)
	before := manifest(t, e).Table(warehouse.Name{Schema: "main", Table: "t"})
	r := run(t, e)
	succeeded(t, r)
	after := manifest(t, e).Table(before.Name)
	if built(r) != "" || after.Description != "all there are" || fmt.Sprint(after.PII) != "[id]" || !after.LoadedAt().Equal(before.PublishedAt) || after.Files()[0].Path != before.Files()[0].Path {
		t.Errorf("built %q, and told %+v", built(r), after)
	}
	if r := run(t, engine(t, dir)); r.Snapshot != 0 {
		t.Errorf("what is told already is told again in snapshot %d", r.Snapshot)
	}
	write(t, dir, map[string]string{"models/_.yml": "models: [ { name: t, description: all there are, columns: [ { name: id, tags: [pii] }, { name: day, checks: [ { freshness: { error_after: 1d } } ] } ] } ]\n"})
	r = run(t, engine(t, dir))
	if s := step(t, r, "main.t"); s.Status != journal.ChecksFailed || !s.Unchanged || *r.Run.ExitCode != pipeline.ExitChecks {
		t.Errorf("a table that is too old: %+v", s)
	}
	if s := step(t, r, "main.m"); s.Status != journal.UpstreamFailed {
		t.Errorf("what reads it: %+v", s)
	}
	write(t, dir, map[string]string{"models/_.yml": "models: []\n"})
	e = engine(t, dir)
	if err := os.Truncate(manifest(t, e).Table(before.Name).Files()[0].Path, 100); err != nil {
		t.Fatal(err)
	}
	r = run(t, e)
	succeeded(t, r)
	mentions(t, strings.Join(step(t, r, "main.t").Notes, "\n"), "built anew", "has 100 bytes")
}

// TestKeptWithoutFingerprint: nothing is kept of which nobody knows what it was made of, and after a replay the SELECT is run again.
func TestKeptWithoutFingerprint(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\n", "models/m.yml": atLeast("0"), "models/m.sql": "{{ config(materialized='table') }} select 1 as id, 5 as amount union all select 2, -2"})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"models/m.yml": atLeast("-5")})
	e := engine(t, dir)
	succeeded(t, replay(t, e, "main.m"))
	if f := manifest(t, e).Table(warehouse.Name{Schema: "main", Table: "m"}).Fingerprint; f != nil {
		t.Errorf("after a replay the table is said to be made of %+v", f)
	}
	p, err := e.Plan(t.Context(), e.Project.Nodes)
	if err != nil || p.Nodes[0].Build.Action != pipeline.ActionBuild || p.Nodes[0].Build.Why[0].Kind != "replay" {
		t.Errorf("planned %+v, %v", p.Nodes[0].Build, err)
	}
	if r := run(t, e); built(r) != "m" {
		t.Errorf("built %q", built(r))
	}
}

// TestPlannedBuilds: what a plan says of each model, and what the run does then.
func TestPlannedBuilds(t *testing.T) {
	dir := project(t, keeping)
	plan := func(selectors ...string) map[string]*pipeline.PlannedBuild {
		t.Helper()
		e := engine(t, dir)
		nodes, err := e.Project.Select(selectors, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := e.Plan(t.Context(), nodes)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]*pipeline.PlannedBuild{}
		for _, n := range p.Nodes {
			if n.Error != "" && n.Name != "main.k" {
				t.Fatalf("%s: %s", n.Name, n.Error)
			}
			all[strings.TrimPrefix(n.Name, "main.")] = n.Build
		}
		return all
	}
	expect := func(what string, b *pipeline.PlannedBuild, action string, words ...string) {
		t.Helper()
		if b.Action != action {
			t.Errorf("%s: %s, want %s: %+v", what, b.Action, action, b.Why)
		}
		mentions(t, fmt.Sprintf("%s: %+v", what, *b), words...)
	}
	expect("never built", plan()["t"], pipeline.ActionBuild, "it was never built")
	succeeded(t, run(t, engine(t, dir)))
	p := plan()
	expect("nothing new", p["t"], pipeline.ActionReuse)
	expect("the clock", p["now"], pipeline.ActionBuild, "reads the clock")
	expect("a view of chance", p["of"], pipeline.ActionBuild, "main.rand", "chance")
	write(t, dir, map[string]string{"models/t.sql": strings.Replace(keeping["models/t.sql"], "'table'", "'table', owner='me'", 1)})
	expect("an owner", plan()["t"], pipeline.ActionReuse, "models/t.sql has changed", "changes nothing", "+{{ config(materialized='table', owner='me') }}")
	write(t, dir, map[string]string{"macros/m.sql": "{% macro low() %}id >= {{ var('least') }}{% endmacro %}"})
	p = plan()
	expect("a macro", p["v"], pipeline.ActionBuild, "macro low changed (macros/m.sql)", "Rows:true")
	expect("far behind it", p["a"], pipeline.ActionBuild, "main.t is built: macro low changed", "[main.t main.v]")
	write(t, dir, map[string]string{"people2.csv": "id,name\n3,Edsger\n", "macros/m.sql": keeping["macros/m.sql"]})
	expect("new rows", plan()["a"], pipeline.ActionDepends, "in.people is read again")
	write(t, dir, map[string]string{"models/v.sql": "select id, upper(name) as fullname, 1 as extra from {{ ref('e') }}"})
	p = plan()
	expect("a column that is gone", p["v"], pipeline.ActionBuild, "column name is removed, or renamed to fullname")
	expect("the reader of none of its columns by name", p["t"], pipeline.ActionBuild, "Breaks:[main.k]")
	if b := plan("t")["t"]; len(b.Breaking) > 0 { // over v as it is published
		t.Errorf("t alone breaks by %v", b.Breaking)
	}
	if b := plan("v", "t")["t"]; fmt.Sprint(b.Breaks) != "[main.k]" {
		t.Errorf("k, which is not planned, is broken: %v", b.Breaks)
	}
}

// TestContentOf: what tells versions from each other, and what does not.
func TestContentOf(t *testing.T) {
	base := warehouse.Version{Columns: []warehouse.Column{{Name: "id", Type: "BIGINT"}}, Base: []warehouse.File{{Path: "a", SHA256: "1"}, {Path: "b", SHA256: "2"}}}
	same := base
	same.Base = []warehouse.File{{Path: filepath.Join("elsewhere", "a"), SHA256: "1"}, {Path: "b", SHA256: "2"}}
	if load.ContentOf(&same) != load.ContentOf(&base) || load.ContentOf(&base) == "" {
		t.Error("a version that was moved is another one")
	}
	for name, change := range map[string]func(*warehouse.Version){
		"another file": func(v *warehouse.Version) { v.Base = []warehouse.File{{SHA256: "1"}, {SHA256: "3"}} },
		"a delta":      func(v *warehouse.Version) { v.Upserts = []warehouse.File{{SHA256: "3"}} },
		"deletes":      func(v *warehouse.Version) { v.Base, v.Deletes = v.Base[:1], v.Base[1:] },
		"another type": func(v *warehouse.Version) { v.Columns = []warehouse.Column{{Name: "id", Type: "INTEGER"}} },
		"a key":        func(v *warehouse.Version) { v.Key = []string{"id"} },
	} {
		other := base
		if change(&other); load.ContentOf(&other) == load.ContentOf(&base) {
			t.Errorf("%s is not told", name)
		}
	}
	unhashed := base
	if unhashed.Base = []warehouse.File{{Path: "a"}}; load.ContentOf(&unhashed) != "" {
		t.Error("a file without a hash is known")
	}
}

// TestSourcesOfDBTAtRest: files that dbt's sources name are read again when they have changed, and so is what is built of them.
func TestSourcesOfDBTAtRest(t *testing.T) {
	dir := project(t, map[string]string{"dbt_project.yml": "name: p\n", "data/a.csv": "id\n1\n",
		"models/s.yml": "sources: [ { name: raw, meta: { external_location: 'data/{name}.csv' }, tables: [ { name: a } ] } ]\n",
		"models/m.sql": "{{ config(materialized='table') }} select * from {{ source('raw', 'a') }}"})
	settled := func(ago time.Duration) {
		if err := os.Chtimes(filepath.Join(dir, "data/a.csv"), time.Time{}, time.Now().Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		what      string
		change    func()
		unchanged bool
	}{
		{"the first run", func() { settled(time.Hour) }, false},
		{"nothing", nil, true},
		{"other rows", func() { write(t, dir, map[string]string{"data/a.csv": "id\n2\n"}); settled(30 * time.Minute) }, false},
		{"just now", func() { settled(0) }, false},
		{"the published file", func() {
			settled(10 * time.Minute)
			succeeded(t, run(t, engine(t, dir)))
			for _, f := range manifest(t, engine(t, dir)).Table(warehouse.Name{Schema: "raw", Table: "a"}).Version.Files() {
				if err := os.Remove(f.Path); err != nil {
					t.Fatal(err)
				}
			}
		}, false},
	} {
		if c.change != nil {
			c.change()
		}
		r := run(t, engine(t, dir))
		succeeded(t, r)
		if got := step(t, r, "raw.a").Unchanged; got != c.unchanged {
			t.Errorf("%s: unchanged is %v", c.what, got)
		}
	}
}

// TestPlanLooksThroughViews: a view that is not selected shows what is read again, and so the table above it may be built, as a run does.
func TestPlanLooksThroughViews(t *testing.T) {
	dir := project(t, map[string]string{"dbt_project.yml": "name: p\n", "data/a.csv": "id\n1\n",
		"models/s.yml": "sources: [ { name: raw, meta: { external_location: 'data/{name}.csv' }, tables: [ { name: a } ] } ]\n",
		"models/v.sql": "{{ config(materialized='view') }} select * from {{ source('raw', 'a') }}",
		"models/w.sql": "{{ config(materialized='view') }} select * from {{ ref('v') }}",
		"models/e.sql": "{{ config(materialized='ephemeral') }} select * from {{ ref('w') }}",
		"models/t.sql": "{{ config(materialized='table') }} select * from {{ ref('e') }}"})
	file := filepath.Join(dir, "data/a.csv")
	at := func(ago time.Duration) {
		t.Helper()
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	selected := func(e *pipeline.Engine) []*models.Node {
		t.Helper()
		nodes, err := e.Project.Select([]string{"t"}, nil)
		if err == nil {
			nodes, err = e.Project.WithSources(nodes, []string{"t"}, nil)
		}
		if err != nil || len(nodes) != 2 {
			t.Fatal(nodes, err)
		}
		return nodes
	}
	at(time.Hour)
	succeeded(t, run(t, engine(t, dir)))
	for _, c := range []struct {
		action, why string
		unchanged   bool
	}{
		{pipeline.ActionReuse, "[]", true},
		{pipeline.ActionDepends, "through main.w: through main.v: raw.a is read again", false},
	} {
		e := engine(t, dir)
		p, err := e.Plan(t.Context(), selected(e))
		if err != nil {
			t.Fatal(err)
		}
		b := p.Nodes[1].Build
		if b.Action != c.action || !strings.Contains(fmt.Sprintf("%+v", b.Why), c.why) {
			t.Errorf("the plan: %s: %+v", b.Action, b.Why)
		}
		r, err := e.Run(t.Context(), pipeline.Request{Nodes: selected(e)})
		if err != nil {
			t.Fatal(err)
		}
		if got := step(t, r, "main.t").Unchanged; got != c.unchanged {
			t.Errorf("%s: the run has it unchanged: %v", b.Action, got)
		}
		write(t, dir, map[string]string{"data/a.csv": "id\n2\n"})
		at(30 * time.Minute)
	}
}
