package pipeline_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/dbttest"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// Every test of the project testdata/dbt/graded ends as real dbt has it, and counts as many failures. The test that reads no table fails
// the run, again and again, and keeps no table from being published.
func TestDBTGrades(t *testing.T) {
	dir := t.TempDir()
	copyTree(t, filepath.Join(dbtdata, "graded"), dir)
	text, err := os.ReadFile(filepath.Join(dbtdata, "graded.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]dbttest.Result{}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	e := engineWith(t, models.Loading{Dir: dir})
	r := run(t, e)
	sameTests(t, "", e.Project, r, want, nil)
	for _, s := range r.Steps {
		failed := s.Status != journal.Succeeded
		if failed != (s.Node == "main.leaf") {
			t.Errorf("%s is %s: %s", s.Node, s.Status, s.Error)
		}
	}
	if *r.Run.ExitCode != pipeline.ExitChecks {
		t.Errorf("the run ends with %d: %s", *r.Run.ExitCode, r.Run.Error)
	}
}

// dbtShop is a project of dbt with these files beside what every project has.
func dbtShop(t *testing.T, files map[string]string) string {
	t.Helper()
	files["dbt_project.yml"] = "name: shop\nprofile: shop\n"
	files["profiles.yml"] = "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n"
	return project(t, files)
}

// A test that reads no table fails the run, and keeps none from being published, also where there is nothing to build.
func TestTestOfNoTable(t *testing.T) {
	dir := dbtShop(t, map[string]string{"models/orders.sql": "select 1 as id", "tests/nothing.sql": "select 1 as x"})
	for range 2 {
		r := run(t, engineWith(t, models.Loading{Dir: dir}))
		if s := step(t, r, "main.orders"); s.Status != journal.Succeeded || *r.Run.ExitCode != pipeline.ExitChecks || r.Run.Status != journal.Partial {
			t.Errorf("orders is %s, and the run %s with %d: %s", s.Status, r.Run.Status, *r.Run.ExitCode, r.Run.Error)
		}
	}
	write(t, dir, map[string]string{"tests/nothing.sql": "select 1 as x where false"})
	if r := run(t, engineWith(t, models.Loading{Dir: dir})); *r.Run.ExitCode != pipeline.ExitOK {
		t.Errorf("the mended run ends with %d: %s", *r.Run.ExitCode, r.Run.Error)
	}
}

// It is run whatever becomes of the table that it is told with.
func TestTestOfNoTableBesideAFailure(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"broken":   {"models/a.sql": "select lost from (select 1 as id)"},
		"refused":  {"models/a.sql": "select 1 as id", "models/a.yml": "models: [{name: a, columns: [{name: id, data_tests: [{accepted_values: {values: [2]}}]}]}]\n"},
		"upstream": {"seeds/b.csv": "id\n1\n", "seeds/b.yml": "seeds: [{name: b, columns: [{name: id, data_tests: [{accepted_values: {values: [2]}}]}]}]\n", "models/a.sql": "select * from {{ ref('b') }}"},
	} {
		files["tests/nothing.sql"], files["tests/fine.sql"] = "select 1 as x", "select 1 as x where false"
		e := engineWith(t, models.Loading{Dir: dbtShop(t, files)})
		r := run(t, e)
		got := map[string]string{}
		for _, one := range pipeline.NodeResults(e.Project, r.Outcome(time.Time{})) {
			got[one.ID] = one.Status
		}
		if got["test.shop.nothing"] != "fail" || got["test.shop.fine"] != "pass" || !strings.Contains(r.Run.Error, "nothing: failed, and reads no table") {
			t.Errorf("%s: %v; the run ends with %d: %s", name, got, *r.Run.ExitCode, r.Run.Error)
		}
	}
}

// A model of which a unit test fails is not built, and neither is what reads it. Other unit tests are run though the model is as it was.
func TestUnitTestsBeforeModels(t *testing.T) {
	test := func(total string) map[string]string {
		return map[string]string{"models/models.yml": "unit_tests:\n  - name: adds\n    model: totals\n    given: [{input: ref('orders'), rows: [{amount: 1}, {amount: 2}]}]\n" +
			"    expect: {rows: [{total: " + total + "}]}\n"}
	}
	dir := dbtShop(t, map[string]string{"models/orders.sql": "select 1 as amount", "models/totals.sql": "select sum(amount) as total from {{ ref('orders') }}",
		"models/top.sql": "select * from {{ ref('totals') }}"})
	for i, c := range []struct {
		total       string
		totals, top journal.Status
		tests       int
	}{
		{"4", journal.Failed, journal.UpstreamFailed, 1},
		{"3", journal.Succeeded, journal.Succeeded, 1},
		{"3", journal.Succeeded, journal.Succeeded, 0}, // nothing is built
		{"5", journal.Failed, journal.UpstreamFailed, 1},
	} {
		write(t, dir, test(c.total))
		r := run(t, engineWith(t, models.Loading{Dir: dir}))
		totals, top := step(t, r, "main.totals"), step(t, r, "main.top")
		if totals.Status != c.totals || top.Status != c.top || len(r.UnitTests) != c.tests {
			t.Errorf("run %d: totals is %s, top %s, with %d unit tests: %s", i+1, totals.Status, top.Status, len(r.UnitTests), totals.Error)
		}
		if c.totals == journal.Failed && !strings.Contains(totals.Error, "unit test adds (models/models.yml:2:11)") {
			t.Errorf("run %d: %s", i+1, totals.Error)
		}
	}
}

// What is wrong with a test itself is told with its place, and not as rows that are to be mended.
func TestTestThatCannotRun(t *testing.T) {
	dir := dbtShop(t, map[string]string{"models/orders.sql": "select 1 as id",
		"models/models.yml":  "models:\n  - name: orders\n    data_tests: [wrong]\n",
		"macros/wrong.sql":   "{% test wrong(model) %}select * from {{ model }} where lost = 1{% endtest %}",
		"tests/misspelt.sql": "-- orders\nselect *\nfrom {{ ref('orders') }}\nwhere {{ 'idd' }} = 2"})
	r := run(t, engineWith(t, models.Loading{Dir: dir}))
	for _, c := range r.Checks {
		want := map[string][2]string{"wrong": {"models/models.yml:3:18", "macro wrong fails: Binder Error"},
			"misspelt": {"tests/misspelt.sql:4:7", "its query fails: Binder Error"}}[c.Name]
		if c.Pos != want[0] || !strings.Contains(c.Message, want[1]) {
			t.Errorf("%s, at %s: %s", c.Name, c.Pos, c.Message)
		}
	}
	if s := step(t, r, "main.orders"); len(r.Checks) != 2 || !strings.HasPrefix(s.Hint, "no row was found wrong") || !strings.HasPrefix(s.Error, "2 checks failed") {
		t.Errorf("%d checks, %s: %s", len(r.Checks), s.Error, s.Hint)
	}
}
