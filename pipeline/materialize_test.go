package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// as makes a model of the project what its files cannot say yet.
func as(e *pipeline.Engine, name string, change func(*models.Model)) {
	change(e.Project.Model(name).Model)
}

// seen is a small answer as text.
func seen(t *testing.T, e *pipeline.Engine, sql string) string {
	t.Helper()
	return fmt.Sprint(query(t, e, sql))
}

// TestSnapshotInARun: a snapshot is published like any table, its equations close, and no flag builds it anew.
func TestSnapshotInARun(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\nvars: { day: 1 }\n",
		"models/now.sql":   "{{ config(materialized='table') }} select * from (values (1, 'a'), (2, 'b')) as t(id, v) where id <> {{ var('day') }}",
		"models/slow.sql":  "select id, v from {{ ref('now') }}",
		"models/reads.sql": "select count(*) as n from {{ ref('slow') }}"})
	day := func(n int, change ...func(*pipeline.Request)) *pipeline.Report {
		t.Helper()
		e := engine(t, dir)
		e.Project.Vars["day"] = n
		as(e, "slow", func(m *models.Model) {
			m.Materialized = models.Snapshot
			m.Slowly = &models.Slowly{Strategy: "check", UniqueKey: []string{"id"}, CheckAll: true, HardDeletes: "new_record"}
		})
		return run(t, e, change...)
	}
	if r := day(3); r.Run.Status != journal.Succeeded {
		t.Fatalf("%+v", r.Steps)
	}
	r := day(1, func(q *pipeline.Request) { q.FullRefresh = true })
	if r.Run.Status != journal.Succeeded {
		t.Fatalf("%+v", r.Steps)
	}
	e := engine(t, dir)
	if got := seen(t, e, "select id, dbt_valid_to is null, dbt_is_deleted from main.slow order by all"); got != "[[1 false False] [1 true True] [2 true False]]" {
		t.Errorf("got %s", got)
	}
	i := slices.IndexFunc(r.Steps, func(s journal.Step) bool { return s.Node == "main.slow" })
	if notes := strings.Join(r.Steps[i].Notes, "; "); !strings.Contains(notes, "a snapshot is never built anew") {
		t.Errorf("notes: %s", notes)
	}
}

// TestFullRefreshConfig: the model's word goes before the flag's.
func TestFullRefreshConfig(t *testing.T) {
	yes, no := true, false
	files := map[string]string{"millrace.yml": "name: p\n"}
	words := map[string]*bool{"silent": nil, "never": &no, "always": &yes}
	for name := range words {
		files["models/"+name+".sql"] = "{{ config(materialized='incremental') }} select {{ is_incremental() }} as again"
	}
	dir := project(t, files)
	for i, want := range []string{"[[1 1 1]]", "[[1 2 2]]", "[[1 3 1]]"} { // the third with the flag
		e := engine(t, dir)
		for name, word := range words {
			as(e, name, func(m *models.Model) { m.FullRefresh = word })
		}
		if r := run(t, e, func(q *pipeline.Request) { q.FullRefresh, q.Rebuild = i == 2, i == 1 }); r.Run.Status != journal.Succeeded {
			t.Fatalf("%+v", r.Steps)
		}
		if got := seen(t, e, "select (select count(*) from main.always), (select count(*) from main.never), (select count(*) from main.silent)"); got != want {
			t.Errorf("run %d: %s rows, want %s", i+1, got, want)
		}
	}
}

// TestExternalInARun: the file comes behind the publish, whole, and not at all when nothing is published.
func TestExternalInARun(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\nvars: { v: a }\n", "models/out.sql": "select '{{ var('v') }}' as v",
		"models/out.yml": "models:\n  - name: out\n    columns:\n      - { name: v, tests: [{ accepted_values: { values: [a, c] } }] }\n"})
	path := filepath.Join(dir, "exports", "out.csv")
	do := func(v string) *pipeline.Report {
		t.Helper()
		e := engine(t, dir)
		e.Project.Vars["v"] = v
		as(e, "out", func(m *models.Model) {
			m.Materialized, m.Location = models.External, &models.Location{Path: "exports/out.csv"}
		})
		return run(t, e)
	}
	for _, step := range []struct{ v, file, published string }{{"a", "v\na\n", "[[a]]"}, {"b", "v\na\n", "[[a]]"}, {"c", "v\nc\n", "[[c]]"}} {
		r := do(step.v)
		if got, _ := os.ReadFile(path); string(got) != step.file {
			t.Errorf("%s: the file has %q, want %q: %+v %v", step.v, got, step.file, r.Steps, r.Warnings)
		}
		if got := seen(t, engine(t, dir), "select v from main.out"); got != step.published {
			t.Errorf("%s: published is %s", step.v, got)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "exports", ".*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
