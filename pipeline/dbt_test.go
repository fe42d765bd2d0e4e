package pipeline_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/dbttest"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// This file runs the project testdata/dbt/fixture for three days and holds every table, every test and every failure against what real dbt
// made of it. What differs is listed with its reason, and a difference that is not there any more fails the test too.

const dbtdata = "../testdata/dbt"

// apart are tables of the fixture that are not what dbt's are, and why: by name, on all days, or by day and name.
var apart = map[string]string{
	"landing.Odd Name":       "a source's table is published under the source's name: landing.odd",
	"main.blocked_by_a_test": "a table that fails a test is not published",
	"main.orders_csv":        "the published table keeps its types: id is INTEGER; dbt reads the CSV file again and finds BIGINT",
	"main.jinja_facts":       "invocation_id is the run's own id, which is no UUID",
	"main.relation_facts":    "relations print without the database; an ephemeral model prints as its query, a source of files as its table",
	"dbt_test__audit.accepted_values_stg_orders_status__placed__shipped__returned": "failing rows are kept with the run, not as tables",
	"dbt_test__audit.early_orders":               "failing rows are kept with the run, not as tables",
	"dbt_test__audit.orders_belong_to_customers": "failing rows are kept with the run, not as tables",
}

// besides are tables that dbt does not have, and why.
var besides = map[string]string{
	"files.limits": "the source's files are a table of their own",
	"files.rates":  "the source's files are a table of their own",
	"landing.odd":  "landing.\"Odd Name\", under the source's name",
}

// endings are nodes that end otherwise than in dbt, by day and name.
var endings = map[string]string{
	"model.fixture.blocked_by_a_test":      "dbt publishes a table, and then finds that its test fails",
	"model.fixture.refused_by_a_unit_test": "dbt says that it was not tried, where a unit test of it fails",
}

func TestDBTFixture(t *testing.T) {
	_, days, err := dbttest.Load(filepath.Join(dbtdata, "expected"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyTree(t, filepath.Join(dbtdata, "fixture"), dir)
	landing, err := os.ReadFile(filepath.Join(dbtdata, "landing.sql"))
	if err != nil {
		t.Fatal(err)
	}
	execute(t, filepath.Join(dir, "fixture.duckdb"), string(landing))
	for _, day := range days {
		e := engineWith(t, models.Loading{Dir: dir, Vars: map[string]string{"day": fmt.Sprint(day.Number)}})
		r := run(t, e)
		key := fmt.Sprintf("day %d ", day.Number)
		got := publishedTables(t, e)
		for name, want := range day.Tables {
			table, there := got[name]
			difference := "it is not there"
			if there {
				difference = dbttest.Diff(want, table)
			}
			differs(t, key, name, difference, apart)
		}
		for name := range got {
			if _, there := day.Tables[name]; !there {
				differs(t, key, name, "dbt has no such table", besides)
			}
		}
		sameEndings(t, key, e.Project, r, day)
		sameTests(t, key, e.Project, r, day.Results, nil)
		if day.Number == 1 {
			sameUnitTests(t, r, day)
		}
	}
}

// Tests of a model without a table run too, and what reads it waits for them. Other tests read such a model as its SELECT.
func TestChecksOfEphemeralModels(t *testing.T) {
	dir := project(t, map[string]string{
		"dbt_project.yml":  "name: shop\nprofile: shop\n",
		"profiles.yml":     "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
		"models/part.sql":  "{{ config(materialized='ephemeral') }} select * from (values (1), (null)) t(id)",
		"models/whole.sql": "{{ config(materialized='ephemeral') }} select 1 as id",
		"models/bad.sql":   "select * from {{ ref('part') }}",
		"models/good.sql":  "select * from {{ ref('whole') }}",
		"models/models.yml": "models:\n  - name: part\n    columns: [{name: id, data_tests: [not_null]}]\n  - name: whole\n    columns: [{name: id, data_tests: [unique]}]\n" +
			"  - name: good\n    columns: [{name: id, data_tests: [{relationships: {arguments: {to: ref('whole'), field: id}}}]}]\n",
		"tests/both.sql": "select id from {{ ref('good') }} except select id from {{ ref('whole') }}",
	})
	r := run(t, engineWith(t, models.Loading{Dir: dir}))
	for node, want := range map[string]journal.Status{"main.part": journal.ChecksFailed, "main.bad": journal.UpstreamFailed,
		"main.whole": journal.Succeeded, "main.good": journal.Succeeded} {
		if got := step(t, r, node); got.Status != want {
			t.Errorf("%s is %s, and not %s: %s", node, got.Status, want, got.Error)
		}
	}
	if len(r.Checks) != 4 {
		t.Errorf("%d checks have run, and not 4: %v", len(r.Checks), r.Checks)
	}
}

// TestSourcesThatNothingProvides: who only names such a table is built, who reads it fails alone; what a post-hook adds is published.
func TestSourcesThatNothingProvides(t *testing.T) {
	dir := project(t, map[string]string{
		"dbt_project.yml":                        "name: shop\nprofile: shop\nvars: {answer: \"{{ 40 + 2 }}\"}\n",
		"profiles.yml":                           "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
		"models/models.yml":                      "sources:\n  - name: erp\n    tables: [{name: orders, identifier: raw_orders}]\n",
		"models/part.sql":                        "{{ config(materialized='ephemeral') }}\n-- {{ source('erp', 'orders') }}\nselect 1 -- one\nas id",
		"models/named.sql":                       "{{ config(materialized='table', post_hook=\"insert into {{ this }} values ({{ var('answer') }})\") }}\n-- {{ ref('part') }}\nselect * from {{ ref('part') }}",
		"models/reads.sql":                       "select * from {{ source('erp', 'orders') }}",
		"tests/fixtures/rows_of_a_unit_test.sql": "select 1 as a",
	})
	e := engineWith(t, models.Loading{Dir: dir})
	r := run(t, e)
	if got := step(t, r, "main.named"); got.Status != journal.Succeeded {
		t.Errorf("%s: %s", got.Status, got.Error)
	}
	if got := fmt.Sprint(len(publishedTables(t, e)["main.named"].Rows)); got != "2" {
		t.Errorf("%s rows", got)
	}
	if len(r.Checks) != 0 {
		t.Errorf("what is no test has run as one: %v", r.Checks)
	}
	got := step(t, r, "main.reads")
	if !strings.Contains(got.Error, "raw_orders") || !strings.Contains(got.Hint, "no seed or model makes erp.raw_orders") {
		t.Errorf("%s: %s (%s)", got.Status, got.Error, got.Hint)
	}
}

// differs fails the test where a difference has no reason, and where a reason has no difference.
func differs(t *testing.T, key, name, difference string, reasons map[string]string) {
	t.Helper()
	why := cmp.Or(reasons[key+name], reasons[name])
	switch {
	case difference != "" && why == "":
		t.Errorf("%s%s: %s", key, name, difference)
	case difference == "" && why != "":
		t.Errorf("%s%s is as dbt has it: it is to be taken off the list, where it is said that %s", key, name, why)
	}
}

// sameEndings compares which models, seeds and snapshots were built, failed, or were not tried.
func sameEndings(t *testing.T, key string, p *models.Project, r *pipeline.Report, day dbttest.Day) {
	t.Helper()
	status := map[string]string{}
	for _, s := range r.Steps {
		for _, n := range p.Nodes {
			if n.Name() == s.Node {
				status[p.UniqueID(n)] = string(s.Status)
			}
		}
	}
	means := map[string]string{"success": string(journal.Succeeded), "error": string(journal.Failed), "skipped": string(journal.UpstreamFailed)}
	for id, want := range day.Results {
		kind, _, _ := strings.Cut(id, ".")
		if !slices.Contains([]string{"model", "seed", "snapshot"}, kind) {
			continue
		}
		got, there := status[id]
		difference := ""
		if !there && !ephemeral(p, id) || there && got != means[want.Status] {
			difference = fmt.Sprintf("it is %q, and %s in dbt", got, want.Status)
		}
		differs(t, key, id, difference, endings)
	}
}

func ephemeral(p *models.Project, id string) bool {
	return slices.ContainsFunc(p.Nodes, func(n *models.Node) bool {
		return p.UniqueID(n) == id && n.Model != nil && n.Model.Materialized == models.Ephemeral
	})
}

// sameTests compares what became of each test, by dbt's id of it.
func sameTests(t *testing.T, key string, p *models.Project, r *pipeline.Report, want map[string]dbttest.Result, reasons map[string]string) {
	t.Helper()
	got, checks := map[string]check.Result{}, map[string]*models.Check{}
	for _, c := range r.Checks {
		if of := p.Node(c.Node).Check(c.Name); of != nil && p.IsTest(of) {
			got[p.TestID(of)], checks[p.TestID(of)] = c, of
		}
	}
	for id, test := range want {
		if !strings.HasPrefix(id, "test.") {
			continue
		}
		c, there := got[id]
		delete(got, id)
		difference := ""
		switch {
		case !there && test.Status == "skipped":
		case !there:
			difference = "no check is this test"
		case string(c.Status) != test.Status:
			difference = fmt.Sprintf("it is %s, and %s in dbt: %s", c.Status, test.Status, c.Message)
		case test.Status != "pass" && test.Failures != nil && c.Failures(checks[id]) != int64(*test.Failures):
			difference = fmt.Sprintf("it finds %d, and dbt %d", c.Failures(checks[id]), *test.Failures)
		}
		differs(t, key, id, difference, reasons)
	}
	for id := range got {
		differs(t, key, id, "dbt has no such test", reasons)
	}
}

// sameUnitTests compares what became of each unit test.
func sameUnitTests(t *testing.T, r *pipeline.Report, day dbttest.Day) {
	t.Helper()
	got := map[string]string{}
	for _, u := range r.UnitTests {
		got[u.ID] = string(u.Status) + " " + u.Message
	}
	for id, want := range day.Results {
		if strings.HasPrefix(id, "unit_test.") && !strings.HasPrefix(got[id], want.Status+" ") {
			t.Errorf("%s is %q, and %s in dbt", id, got[id], want.Status)
		}
	}
}

// publishedTables reads all that is published, through the catalog that other programs open: as dbttest has tables.
func publishedTables(t *testing.T, e *pipeline.Engine) map[string]dbttest.Table {
	t.Helper()
	db, err := sql.Open("duckdb", filepath.Join(e.TargetRoot, "current", "catalog.duckdb")+"?access_mode=read_only")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("SET TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	found := map[string]dbttest.Table{}
	for _, name := range cells(t, db, "SELECT table_schema, table_name FROM information_schema.tables") {
		var table dbttest.Table
		relation := `"` + *name[0] + `"."` + *name[1] + `"`
		var texts []string
		for _, c := range cells(t, db, "SELECT column_name, column_type FROM (DESCRIBE "+relation+")") {
			table.Columns = append(table.Columns, [2]string{*c[0], *c[1]})
			texts = append(texts, `"`+*c[0]+`"::VARCHAR`)
		}
		table.Rows = cells(t, db, "SELECT "+strings.Join(texts, ", ")+" FROM "+relation)
		table.HideClock()
		found[*name[0]+"."+*name[1]] = table
	}
	return found
}

// cells are the rows of a query whose columns are all texts.
func cells(t *testing.T, db *sql.DB, query string) [][]*string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]*string
	for rows.Next() {
		row := make([]*string, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// execute runs statements on a DuckDB file.
func execute(t *testing.T, file, statements string) {
	t.Helper()
	db, err := sql.Open("duckdb", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
}

// copyTree copies a folder with its links.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, inside)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
