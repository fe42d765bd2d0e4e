package report_test

import (
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/report"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// A model that a unit test refuses is skipped, as dbt has it, and so is every test of what was not built.
func TestRunResults(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"dbt_project.yml":   "name: shop\nprofile: shop\n",
		"profiles.yml":      "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
		"models/orders.sql": "select 1 as id", "models/totals.sql": "select * from {{ ref('orders') }}", "models/top.sql": "select * from {{ ref('totals') }}",
		"models/models.yml": `
models:
  - {name: orders, columns: [{name: id, data_tests: [unique: {name: few, config: {warn_if: "> 5"}}, not_null: {name: all, config: {limit: 2}}]}]}
  - {name: totals, columns: [{name: id, data_tests: [unique: {name: kept_from}]}]}
unit_tests:
  - {name: adds, model: totals, given: [{input: ref('orders'), rows: [{id: 1}]}], expect: {rows: [{id: 2}]}}
  - {name: tops, model: top, given: [{input: ref('totals'), rows: [{id: 1}]}], expect: {rows: [{id: 1}]}}
`} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	p, problems := models.Load(models.Loading{Dir: "/shop", Files: files, SeedType: warehouse.SeedType, Env: os.LookupEnv})
	if p == nil || problems.HasErrors() {
		t.Fatal(problems)
	}
	few, all := p.Node("main.orders").Checks[0], p.Node("main.orders").Checks[1]
	r := &pipeline.Report{
		Steps: []journal.Step{{Node: "main.orders", Status: journal.Succeeded}, {Node: "main.totals", Status: journal.Failed}, {Node: "main.top", Status: journal.UpstreamFailed}},
		Checks: []check.Result{{Node: "main.orders", Name: few.Name, Kind: few.Kind, Status: check.StatusPass, Failing: 4, Keys: 2},
			{Node: "main.orders", Name: all.Name, Kind: all.Kind, Status: check.StatusFail, Failing: 4}},
		UnitTests: []pipeline.UnitResult{{ID: "unit_test.shop.totals.adds", Name: "adds", Node: "main.totals", Status: pipeline.UnitFail}},
	}
	type result struct {
		status   any
		failures any
	}
	got := map[string]result{}
	for _, one := range report.RunResults(p, pipeline.NodeResults(p, r.Outcome(time.Time{})), 0, models.Invocation{}, nil)["results"].([]map[string]any) {
		got[one["unique_id"].(string)] = result{one["status"], one["failures"]}
	}
	for id, want := range map[string]result{
		"model.shop.orders": {"success", nil}, "model.shop.totals": {"skipped", nil}, "model.shop.top": {"skipped", nil},
		p.TestID(few): {"pass", int64(0)}, p.TestID(all): {"fail", int64(2)}, p.TestID(p.Node("main.totals").Checks[0]): {"skipped", nil},
		"unit_test.shop.totals.adds": {"fail", int64(1)}, "unit_test.shop.top.tops": {"skipped", nil},
	} {
		if got[id] != want {
			t.Errorf("%s is %v, and not %v", id, got[id], want)
		}
		delete(got, id)
	}
	if len(got) > 0 {
		t.Errorf("besides there are %v", got)
	}
}
