package transform

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
)

func hook(t *testing.T, sql string) models.Hook {
	t.Helper()
	tpl, err := jinja.Parse("models/m.yml", sql)
	if err != nil {
		t.Fatal(err)
	}
	return models.Hook{Template: tpl, Pos: config.Pos{File: "models/m.yml", Line: 1, Column: 1}}
}

// TestHooks: what a hook may do, does; what has nothing to do here is told; and what would change something is refused before any of it
// is done.
func TestHooks(t *testing.T) {
	b, dir := bench(t, map[string]string{"models/taken.sql": "select 1 as a"})
	for name, c := range map[string]struct {
		hook, sql string
		want      string // the model's row, a note, or an error
	}{
		"none":                    {"  {# nothing #} -- here\n ;", "select 'x' as v", "x"},
		"a variable":              {"set variable day = 7", "select getvariable('day') as v", "7"},
		"a variable is a model's": {"select 1", "select getvariable('day') as v", "<nil>"},
		"a macro":                 {"CREATE OR REPLACE MACRO twice(x) AS 2 * x; select 1;", "select twice(4) as v", "8"},
		"a temporary table":       {"create temp table few as select 3 as v", "select v from few", "3"},
		"it is a model's":         {"", "select v from few", "few"},
		"its context":             {"set variable t = '{{ this }}, {{ config.get(\"x\") }}'", "select getvariable('t') as v", `"main"."its_context", None`},
		"analyze":                 {"analyze", "select 1 as v", "1 hook at models/m.yml:1:1: ANALYZE: the statistics of files are always there"},
		"grant":                   {"grant select on {{ this }} to x", "select 1 as v", "1 hook at models/m.yml:1:1: GRANT: not done: who may read is up to the target"},
		"tuning":                  {"set threads = 4; pragma memory_limit='1GB'; load json", "select 1 as v", "SET: not done: threads is the run's own"},
		"insert":                  {"select 1;\n insert into x select 1", "select 1 as v", "models/m.yml:1:1: line 2 of the hook: the hook may not run INSERT INTO: it changes a table"},
		"a hidden delete":         {"with a as (select 1) delete from x", "select 1 as v", "only one SELECT statement"},
		"drop":                    {"drop table if exists x", "select 1 as v", "may not run DROP TABLE"},
		"a table":                 {"create table x as select 1", "select 1 as v", "a table that no model makes"},
		"copy":                    {"copy (select 1) to 'x.csv'", "select 1 as v", "may not run COPY"},
		"attach":                  {"/* x */ ATTACH 'x.db'", "select 1 as v", "may not run ATTACH"},
		"extensions":              {"install 'json'; load parquet; force install spatial", "select 1 as v", "1 hook at models/m.yml:1:1: FORCE: not done: a run loads no extension, and what calls functions of spatial fails"},
		"other machines":          {"set s3_region = 'x'; create or replace secret (type s3)", "select 1 as v", "s3_region is about other machines"},
		"a type":                  {"create or replace type mood as enum ('sad')", "select 'sad'::mood as v", "sad"},
		"settings":                {"set TimeZone = 'Europe/Berlin'", "select 1 as v", "the engine's settings are fixed"},
		"search path":             {"set schema = 'x'", "select 1 as v", "the engine's settings are fixed"},
		"use":                     {"use x", "select 1 as v", "may not run USE X"},
		"a function of ours":      {"create macro clean_fold(x) as x", "select 1 as v", "the engine has a function clean_fold"},
		"a function of theirs":    {"create temp macro \"COUNT\"(x) as 7", "select 1 as v", "the engine has a function count"},
		"a table of the project":  {"create temp view Taken as select 2 as a", "select 1 as v", "the project has a table taken"},
		"our names":               {"create temp table _millrace_x as select 2 as a", "select 1 as v", "names that begin so"},
		"nonsense":                {"frobnicate", "select 1 as v", "may not run FROBNICATE"},
		"explain analyze":         {"explain analyze insert into x select 1", "select 1 as v", "may not run EXPLAIN"},
		"a file":                  {"select * from read_text('/etc/passwd')", "select 1 as v", "models/m.yml:1:1: the hook may not read files: read_text('/etc/passwd')"},
		"a file's table":          {"select 1;\ncreate temp table few as\nselect * from 'a.csv'", "select 1 as v", "models/m.yml:1:1: line 3 of the hook: the hook may not read files: read_csv('a.csv')"},
		"a file's name":           {"create temp table few as select 'a.csv' as v", "select v from few", "a.csv"},
		"a macro of files":        {"create macro part(f) as table select * from read_csv(f)", "select 1 as v", "1"},
		"a mistake":               {"select 1;\nselect nonsense", "select 1 as v", "models/m.yml:1:1: line 2 of the hook: Binder Error"},
	} {
		t.Run(name, func(t *testing.T) {
			d := b.days(t, dir, table(name), models.Model{Materialized: models.Table, Before: []models.Hook{hook(t, c.hook)}})
			built, err := d.build(c.sql, time.Time{})
			got := ""
			if err == nil {
				got = strings.TrimSpace(told(d, nil) + " " + strings.Join(built.Notes, " "))
			} else {
				var te *Error
				if errors.As(err, &te) {
					got = te.Pos + ": "
				}
				got += err.Error()
			}
			if got != c.want && !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestHooksThatAsk: what a hook asks of the engine is known when it runs; until then it is not held against it.
func TestHooksThatAsk(t *testing.T) {
	b, dir := bench(t, nil)
	ask := hook(t, "{% set r = run_query('select max(v) from ' ~ this) %}set variable most = {{ r.columns[0].values()[0] }}")
	d := b.days(t, dir, "m", models.Model{Materialized: models.Table, Behind: []models.Hook{ask, hook(t, "select getvariable('most') / (getvariable('most') - 6)")}})
	if _, err := b.lookAtHooks(t.Context(), Job{Node: d.node}); err != nil {
		t.Errorf("before the table is there: %v", err)
	}
	if _, err := d.build("select 7 as v", time.Time{}); err != nil {
		t.Error(err)
	}
	d.node.Model.Behind = []models.Hook{hook(t, "{% set r = run_query('select 1 as v from ' ~ this) %}{% for x in r %}delete{% endfor %} from x")}
	if _, err := d.build("select 8 as v", time.Time{}); err == nil || !strings.Contains(err.Error(), "may not run DELETE") {
		t.Errorf("%v", err)
	}
}

// TestHooksOfCheckedTables: what a build refuses because rows are taken out of the table, a look at the hooks does too.
func TestHooksOfCheckedTables(t *testing.T) {
	b, dir := bench(t, nil)
	d := b.days(t, dir, "m", models.Model{Materialized: models.Table, Behind: []models.Hook{hook(t, "delete from {{ this }}")}})
	if _, err := b.lookAtHooks(t.Context(), Job{Node: d.node}); err != nil {
		t.Error(err)
	}
	d.node.Model.Template = hook(t, "select 1 as a").Template
	if _, _, err := b.Describe(t.Context(), Job{Node: d.node}); err != nil {
		t.Error(err)
	}
	check := &models.Check{Kind: "not_null", Node: d.node}
	check.Severity = models.SeverityQuarantine
	d.node.Checks = []*models.Check{check}
	if _, _, err := b.Describe(t.Context(), Job{Node: d.node}); err == nil || !strings.Contains(err.Error(), "may not run DELETE") {
		t.Error(err) // which a plan tells
	}
	if _, err := b.lookAtHooks(t.Context(), Job{Node: d.node}); err == nil || !strings.Contains(err.Error(), "may not run DELETE") {
		t.Error(err)
	}
}

// TestHooksRefusedAlone: in a project of dbt a hook that is refused fails its model and no other, whichever hook it is and of which kind of model.
func TestHooksRefusedAlone(t *testing.T) {
	b, dir := bench(t, nil)
	refused := []models.Hook{hook(t, "update {{ this }} set v = 1")}
	for _, dbt := range []bool{true, false} {
		b.Project.DBT = dbt
		for name, m := range map[string]models.Model{
			"pre-hook of a table":  {Materialized: models.Table, Before: refused},
			"post-hook of a view":  {Materialized: models.View, Behind: refused},
			"post-hook that grows": {Materialized: models.Incremental, Behind: refused},
		} {
			d := b.days(t, dir, "m", m)
			_, err := b.lookAtHooks(t.Context(), Job{Node: d.node})
			var te *Error
			if !errors.As(err, &te) || te.Alone != dbt || !strings.Contains(err.Error(), "the hook may not run UPDATE: it changes a table") {
				t.Errorf("%s, dbt %t: %v", name, dbt, err)
			}
		}
	}
}

// TestHooksThatChangeTheirTable: post-hooks change the rows of their model's own table before anybody sees it, also by a template's queries.
func TestHooksThatChangeTheirTable(t *testing.T) {
	b, dir := bench(t, map[string]string{"models/other.sql": "select 1 as v"})
	for name, c := range map[string]struct {
		hooks []string
		kind  models.Materialization
		want  string
	}{
		"insert":            {[]string{`insert into {{ this }} values (3, '"main"."insert"'), (4, null)`}, models.Table, `[1 a] [2 b] [3 "main"."insert"] [4 <nil>]`},
		"several":           {[]string{"delete from {{ this }} where v = 1; update {{ this }} set w = 'x'", "insert into several select max(v) + 1, 'y' from {{ this }}"}, models.Table, "[2 x] [3 y]"},
		"asked":             {[]string{"{% do run_query('insert into ' ~ this ~ ' values (9, none)'.replace('none', 'null')) %}{% set n = run_query('select count(*) from ' ~ this) %}update {{ this }} set w = '{{ n.columns[0].values()[0] }}'"}, models.Table, "[1 3] [2 3] [9 3]"},
		"all of it":         {[]string{"truncate table {{ this }}"}, models.Table, ""},
		"another's":         {[]string{"insert into main.other values (1)"}, models.Table, "may not run INSERT INTO"},
		"hidden":            {[]string{"with a as (select 1) delete from {{ this }}"}, models.Table, "only one SELECT statement"},
		"of a view":         {[]string{"insert into {{ this }} values (3, 'c')"}, models.View, "may not run INSERT INTO"},
		"a column too many": {[]string{"insert into {{ this }} values (3, 'c', 4)"}, models.Table, "models/m.yml:1:1: Binder Error"},
	} {
		t.Run(name, func(t *testing.T) {
			var behind []models.Hook
			for _, h := range c.hooks {
				behind = append(behind, hook(t, h))
			}
			d := b.days(t, dir, table(name), models.Model{Materialized: c.kind, Behind: behind})
			_, err := d.build("select * from (values (1, 'a'), (2, 'b')) as q(v, w)", time.Time{})
			got := ""
			if err == nil {
				for _, row := range b.rows(t, "select * from "+d.node.Name()+" order by 1") {
					got += fmt.Sprint(row) + " "
				}
			} else {
				var te *Error
				if errors.As(err, &te) {
					got = te.Pos + ": "
				}
				got += err.Error()
			}
			if strings.TrimSpace(got) != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestHooksOfARun: their macros are there for all models, and so are their variables; a view may use none of it.
func TestHooksOfARun(t *testing.T) {
	b, dir := bench(t, map[string]string{
		"models/m.sql": "{{ config(materialized='table') }} select twice(getvariable('day')) as v",
		"models/v.sql": "select twice(1) as v", "models/w.sql": "select v from few", "models/ok.sql": "select 'twice(1)' as twice, 1 as few_",
	})
	b.Project.OnRunStart = []models.Hook{hook(t, "create macro twice(x) as 2 * x; set variable day = 21"), hook(t, "create temp table few as select 1 as v"), hook(t, "analyze")}
	b.Project.OnRunEnd = []models.Hook{hook(t, "{% for r in results %}insert{% endfor %}"), hook(t, "select twice(getvariable('day'))")}
	notes, err := b.Begin(t.Context(), b.Project.Nodes)
	if err != nil || len(notes) != 1 {
		t.Fatal(notes, err)
	}
	b.must(t, "m", dir, nil)
	if got := b.rows(t, "select v from main.m")[0][0]; got != int64(42) {
		t.Errorf("got %v", got)
	}
	b.must(t, "ok", dir, nil)
	for model, want := range map[string]string{"v": "a view cannot call twice, which a hook makes", "w": "a view cannot read few"} {
		if _, err := b.Build(t.Context(), Job{Node: b.Project.Model(model), Dir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", model, err)
		}
	}
	if _, err := b.End(t.Context(), nil); err != nil {
		t.Error(err)
	}
	b.Project.OnRunEnd = []models.Hook{hook(t, "drop table x")}
	if _, err := b.Begin(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "DROP TABLE") {
		t.Errorf("what the end would do is looked at when the run begins: %v", err)
	}
}
