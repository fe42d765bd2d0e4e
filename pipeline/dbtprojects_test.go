package pipeline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/dbttest"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
)

// dbtProject is a project of other people's, and how it runs. The environment's MILLRACE_DBT_PROJECTS names the folder that has them:
//
//	ready/NAME/             the project, with its packages installed and the files that its sources read
//	expected/NAME/tables/   what real dbt made of it: a file a table, SCHEMA.TABLE.jsonl, a row a line as an object of columns; values are
//	                        as DuckDB casts them to VARCHAR
//	expected/NAME/run_results.json    dbt's own file, whose results of tests are compared
//	expected/NAME/second_run/         the same after a second run
//
// testdata/dbt/README.md says which versions of which projects were used.
type dbtProject struct {
	in     string // the folder that dbt runs in
	vars   map[string]string
	again  func(t *testing.T, dir string) // before a second run; nil where there is none
	apart  map[string]string              // tables that differ, and why
	varies []string                       // patterns of tables and tests that depend on the day or on chance: these are not compared
}

const (
	printed     = "it has names of relations, which are printed without the database"
	apostrophes = "real dbt's reader takes ' in a seed for a quote; here '' stays what the file has"
)

var dbtProjects = map[string]dbtProject{
	"jaffle_shop_duckdb": {},
	"jaffle-shop":        {vars: map[string]string{"load_source_data": "true"}, varies: []string{"main.metricflow_time_spine"}},
	"dbt-utils": {in: "integration_tests", apart: map[string]string{
		"main.data_nullcheck_table":              apostrophes,
		"main.test_nullcheck_table":              apostrophes,
		"main.recency_time_included":             "it has the time of the run",
		"main.test_union_base":                   printed,
		"main.test_union_exclude_base_lowercase": printed,
		"main.test_union_exclude_base_uppercase": printed,
		"main.test_union_where_base":             printed,
		"main.data_test_equality_floats_a":       "a table that fails a test is not published",
		"main.test_width_bucket":                 "a table that fails a test is not published",
	}},
	"octocatalog":          {again: moreEvents, apart: map[string]string{"raw.github_events": "the source's table is published under the source's name"}},
	"churn-prediction":     {},
	"cosmos-model_version": {},
	"jaffle-shop-classic":  {},
	"jaffle-shop-datalex":  {},
	"saas-finance":         {apart: map[string]string{"main.my_first_dbt_model": "a table that fails a test is not published"}},
	"simple_dbt_project":   {},
	"adventureworks":       {in: "adventureworks"},
	"travel-dwh":           {},
	"shop-files":           {},
	"customer-orders": {in: "dbt/customer_orders_analytics", apart: map[string]string{
		"main.raw_customers": "the source's table is published under the source's name",
		"main.raw_orders":    "the source's table is published under the source's name",
	}},

	"dbt-date":          {in: "integration_tests", varies: []string{"main.test_dates"}},
	"dbt-date-calogica": {in: "integration_tests", varies: []string{"dbt_date_integration_tests.test_dates"}},
	"dbt-expectations": {in: "integration_tests", varies: []string{
		"dbt_expectations_integration_tests.timeseries_*", "test.*_within_n_*stdevs_timeseries_*",
	}},
	"dbt-audit-helper":        {in: "integration_tests", varies: []string{"main.unit_test_model_a", "main.unit_test_model_b"}},
	"dbt-unit-testing-jaffle": {in: "jaffle-shop"},
	"dbt-ml-preprocessing": {in: "integration_tests", apart: map[string]string{
		"main.test_normalizer": "a table whose test cannot be run is not published",
	}},
	"nba-monte-carlo-frozen": {in: "transform", apart: map[string]string{
		"main.season_summary": "its post-hook writes a file, which is refused",
		"main_dbt_test__audit.assert_nfl_tiebreakers_properly_broken": "failing rows are kept with the run, not as tables",
	}},
}

// TestDBTProjects runs other people's projects and compares every table with what real dbt makes.
func TestDBTProjects(t *testing.T) {
	folder := os.Getenv("MILLRACE_DBT_PROJECTS")
	for _, name := range slices.Sorted(maps.Keys(dbtProjects)) {
		t.Run(name, func(t *testing.T) {
			ready := filepath.Join(folder, "ready", name)
			if _, err := os.Stat(ready); folder == "" || err != nil {
				t.Skipf("%s is not run: MILLRACE_DBT_PROJECTS names no folder that has ready/%s", name, name)
			}
			p := dbtProjects[name]
			top := t.TempDir()
			copyTree(t, ready, top)
			dir, expected := filepath.Join(top, p.in), filepath.Join(folder, "expected", name)
			p.runOnce(t, dir, expected)
			if p.again != nil {
				p.again(t, dir)
				p.runOnce(t, dir, filepath.Join(expected, "second_run"))
			}
		})
	}
}

func (p dbtProject) runOnce(t *testing.T, dir, expected string) {
	t.Helper()
	e := engineWith(t, models.Loading{Dir: dir, Vars: p.vars})
	r := run(t, e)
	got := publishedTables(t, e)
	files, err := filepath.Glob(filepath.Join(expected, "tables", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables in %s: %v", expected, err)
	}
	equal := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		difference := "it is not there"
		for _, s := range r.Steps {
			if s.Node == name && s.Error != "" {
				difference += ": " + s.Error
			}
		}
		if table, there := got[name]; p.variable(name) {
			difference = ""
		} else if there {
			want := jsonLines(t, file, table.Columns)
			roundDoubles(&want)
			roundDoubles(&table)
			difference = firstLines(dbttest.Diff(want, table), 6)
		}
		if difference == "" {
			equal++
		}
		differs(t, "", name, difference, p.apart)
	}
	t.Logf("%d of %d tables are what dbt has", equal, len(files))
	results := resultsOf(t, filepath.Join(expected, "run_results.json"))
	maps.DeleteFunc(results, func(id string, _ dbttest.Result) bool { return p.variable(id) })
	r.Checks = slices.DeleteFunc(r.Checks, func(c check.Result) bool {
		of := e.Project.Node(c.Node).Check(c.Name)
		return of != nil && p.variable(e.Project.TestID(of))
	})
	sameTests(t, "", e.Project, r, results, p.apart)
}

// variable says whether a table or test is one that varies.
func (p dbtProject) variable(name string) bool {
	return slices.ContainsFunc(p.varies, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok || err != nil
	})
}

// resultsOf reads dbt's run_results.json.
func resultsOf(t *testing.T, file string) map[string]dbttest.Result {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Results []dbttest.Result }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	found := map[string]dbttest.Result{}
	for _, r := range all.Results {
		found[r.ID] = r
	}
	return found
}

// jsonLines reads a table whose columns are these. A column that a row does not have makes it differ.
func jsonLines(t *testing.T, file string, columns [][2]string) dbttest.Table {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	table := dbttest.Table{Columns: columns}
	for line := range bytes.Lines(data) {
		var values map[string]*string
		if err := json.Unmarshal(line, &values); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var row []*string
		for _, c := range columns {
			row = append(row, values[c[0]])
			if _, there := values[c[0]]; !there {
				missing := "no such column in dbt"
				row[len(row)-1] = &missing
			}
			delete(values, c[0])
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			extra := "only dbt has column " + name
			row = append(row, &extra)
		}
		table.Rows = append(table.Rows, row)
	}
	table.HideClock()
	return table
}

// roundDoubles leaves 12 digits of floating point numbers: the last ones of a sum depend on the order in which threads add.
func roundDoubles(table *dbttest.Table) {
	for i, c := range table.Columns {
		if c[1] != "DOUBLE" && c[1] != "FLOAT" {
			continue
		}
		for _, row := range table.Rows {
			if row[i] == nil {
				continue
			}
			if v, err := strconv.ParseFloat(*row[i], 64); err == nil {
				text := strconv.FormatFloat(v, 'g', 12, 64)
				row[i] = &text
			}
		}
	}
}

// firstLines is the beginning of a text, and how much more there is.
func firstLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	if len(lines) <= n {
		return text
	}
	return strings.Join(lines[:n], "\n") + fmt.Sprintf("\nand %d lines more", len(lines)-n)
}

// moreEvents adds the later events to the table that octocatalog reads.
func moreEvents(t *testing.T, dir string) {
	t.Helper()
	const actor = "id VARCHAR, login VARCHAR, display_login VARCHAR, gravatar_id VARCHAR, url VARCHAR, avatar_url VARCHAR"
	execute(t, filepath.Join(dir, "reports", "octocatalog.db"), `INSERT INTO raw.github_events SELECT * FROM read_ndjson('`+filepath.Join(dir, "data", "events_2.json")+`',
		columns = {id: 'VARCHAR', type: 'VARCHAR', actor: 'STRUCT(`+actor+`)', repo: 'STRUCT(id VARCHAR, name VARCHAR, url VARCHAR)', payload: 'JSON',
		public: 'BOOLEAN', created_at: 'TIMESTAMP', org: 'STRUCT(id VARCHAR, login VARCHAR, gravatar_id VARCHAR, url VARCHAR, avatar_url VARCHAR)'})`)
}
