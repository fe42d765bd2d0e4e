package pipeline_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// checked is the result of a check in the report.
func checked(t *testing.T, r *pipeline.Report, node, name string) check.Result {
	t.Helper()
	for _, c := range r.Checks {
		if c.Node == node && c.Name == name {
			return c
		}
	}
	t.Fatalf("no result of %s %s in %v", node, name, r.Checks)
	return check.Result{}
}

const checkedShop = `name: shop
sources:
  erp:
    type: files
    streams:
      - { name: customers, path: customers.csv, key: [id], mode: MODE, CURSOR max_shrink: 100%, checks: [CHECKS] }
`

func shop(mode, checks string) string {
	cursor := ""
	if mode == "incremental" {
		cursor = "cursor: at, "
	}
	return strings.NewReplacer("MODE", mode, "CURSOR ", cursor, "CHECKS", checks).Replace(checkedShop)
}

const customers = "id,email,at\n1,a@x.de,1\n2,,2\n3,c@x.de,3\n4,c@x.de,4\n5,e@x.de,5\n6,f@x.de,6\n"

const quarantining = "{ not_null: { column: email, severity: quarantine, error_if: '> 90%' } }, { unique: { column: email, severity: quarantine, error_if: '> 90%' } }"

// TestQuarantine: rows that fail go beside the table, whatever the mode, and the sums say so.
func TestQuarantine(t *testing.T) {
	for _, mode := range []string{"full", "append", "incremental"} {
		t.Run(mode, func(t *testing.T) {
			dir := project(t, map[string]string{"millrace.yml": shop(mode, quarantining), "customers.csv": customers,
				"models/known.sql": "{{ config(materialized='table') }} select * from {{ source('erp', 'customers') }}"})
			e := engine(t, dir)
			r := run(t, e)
			succeeded(t, r)
			if got := fmt.Sprint(query(t, e, "SELECT id FROM erp.customers ORDER BY id")); got != "[[1] [5] [6]]" {
				t.Errorf("published %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, _failed_rules FROM erp.customers__quarantine ORDER BY id")); got != "[[2 [not_null_email]] [3 [unique_email]] [4 [unique_email]]]" {
				t.Errorf("quarantined %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT count(*), min(_quarantined_run) FROM erp.customers__quarantine WHERE _quarantined_from LIKE '%customers.csv' OR _quarantined_from LIKE '%customers.csv row ' || id")); got != "[[3 "+r.Run.ID+"]]" {
				t.Errorf("where from: %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT count(*) FROM main.known")); got != "[[3]]" {
				t.Errorf("read downstream: %s", got)
			}
			s := step(t, r, "erp.customers")
			quarantined := int64(0)
			for _, eq := range s.Equations {
				if !eq.Closes() {
					t.Errorf("%s", eq)
				}
				quarantined += eq.Get("quarantined")
			}
			if quarantined != 3 || s.Rows != 3 {
				t.Errorf("%d rows, %v", s.Rows, s.Equations)
			}
			if c := checked(t, r, "erp.customers", "unique_email"); c.Status != check.StatusWarn || c.Failing != 2 || c.Keys != 1 || c.Quarantined != 2 {
				t.Errorf("%+v", c)
			}
			if kept, err := e.Journal.Checks(t.Context(), r.Run.ID); err != nil || len(kept) != 2 {
				t.Errorf("%v %v", kept, err)
			}
			r = run(t, e) // again: nothing is doubled
			succeeded(t, r)
			if got := fmt.Sprint(query(t, e, "SELECT count(*) FROM erp.customers__quarantine")); got != "[[3]]" {
				t.Errorf("quarantined after a second run: %s", got)
			}
		})
	}
}

// TestReplacedTableReplacesItsQuarantine: what is published and what is quarantined are together what was delivered, whatever
// earlier runs kept out; what those did is still shown.
func TestReplacedTableReplacesItsQuarantine(t *testing.T) {
	table := map[string]string{"millrace.yml": "name: p\n", "models/m.yml": atLeast("0"), "models/m.sql": "{{ config(materialized='table') }} select 1 as id, 5 as amount union all select 2, -2"}
	incremental := maps.Clone(table)
	incremental["models/m.sql"] = strings.Replace(table["models/m.sql"], "'table'", "'incremental', unique_key='id'", 1)
	rebuilt := func(r *pipeline.Request) { r.FullRefresh = true }
	stream := func(mode string) map[string]string {
		return map[string]string{"millrace.yml": shop(mode, quarantining), "customers.csv": customers}
	}
	for name, c := range map[string]struct {
		files, then map[string]string
		change      func(*pipeline.Request)
		node, want  string
	}{
		"a full stream":          {files: stream("full"), node: "erp.customers", want: "[[3 3]]"},
		"a refreshed stream":     {files: stream("append"), change: rebuilt, node: "erp.customers", want: "[[3 3]]"},
		"another mode":           {files: stream("append"), then: stream("incremental"), node: "erp.customers", want: "[[3 3]]"},
		"no row fails any more":  {files: stream("full"), then: map[string]string{"customers.csv": "id,email,at\n1,a@x.de,1\n"}, node: "erp.customers", want: "[[1 0]]"},
		"no check any more":      {files: stream("full"), then: map[string]string{"millrace.yml": shop("full", "")}, node: "erp.customers", want: "[[6 0]]"},
		"no rows any more":       {files: stream("full"), then: map[string]string{"customers.csv": "id,email,at\n"}, change: func(r *pipeline.Request) { r.AllowEmpty = true }, node: "erp.customers", want: "[[0 0]]"},
		"a table model":          {files: table, change: func(r *pipeline.Request) { r.Rebuild = true }, node: "main.m", want: "[[1 1]]"},
		"a refreshed model":      {files: incremental, change: rebuilt, node: "main.m", want: "[[1 1]]"},
		"a model without checks": {files: table, then: map[string]string{"models/m.yml": "models: [ { name: m } ]\n"}, node: "main.m", want: "[[2 0]]"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, c.files)
			first := run(t, engine(t, dir))
			succeeded(t, first)
			write(t, dir, c.then)
			e := engine(t, dir)
			if c.change == nil {
				c.change = func(*pipeline.Request) {}
			}
			succeeded(t, run(t, e, c.change))
			if got := fmt.Sprint(query(t, e, fmt.Sprintf("SELECT (SELECT count(*) FROM %s), (SELECT count(*) FROM %[1]s__quarantine)", c.node))); got != c.want {
				t.Errorf("published and quarantined: %s, want %s", got, c.want)
			}
			kept, err := e.Quarantined(t.Context(), c.node, first.Run.ID)
			if err != nil || len(kept) != 1 || kept[0].Gone {
				t.Fatalf("of the first run: %+v, %v", kept, err)
			}
			if rows, err := e.ShowQuarantined(t.Context(), kept[0], "", 9, true); err != nil || int64(len(rows.Rows)) != kept[0].Rows {
				t.Errorf("%+v, %v", rows, err)
			}
			if err := os.RemoveAll(filepath.Join(e.Project.StateDir(), "rejects")); err != nil { // as garbage collection does once they are old
				t.Fatal(err)
			}
			if kept, err = e.Quarantined(t.Context(), c.node, first.Run.ID); err != nil || len(kept) != 1 || !kept[0].Gone {
				t.Errorf("of the first run, past retention: %+v, %v", kept, err)
			}
		})
	}
}

// TestQuarantineAgainstPublishedRows: a new row may not repeat what is published already; the row that is there stays.
func TestQuarantineAgainstPublishedRows(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("incremental", quarantining), "customers.csv": "id,email,at\n1,a@x.de,1\n2,b@x.de,2\n"})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"customers.csv": "id,email,at\n1,z@x.de,3\n2,,4\n3,b@x.de,5\n4,a@x.de,6\n5,n@x.de,7\n"})
	r := run(t, engine(t, dir))
	succeeded(t, r)
	// 1 gave its address away, so 4 may have it; 2 keeps its old row, so 3 may not.
	if got := fmt.Sprint(query(t, engine(t, dir), "SELECT id, email FROM erp.customers ORDER BY id")); got != "[[1 z@x.de] [2 b@x.de] [4 a@x.de] [5 n@x.de]]" {
		t.Errorf("%s", got)
	}
	if got := fmt.Sprint(query(t, engine(t, dir), "SELECT id FROM erp.customers__quarantine ORDER BY id")); got != "[[2] [3]]" {
		t.Errorf("%s", got)
	}
}

// TestRowNumbers: a quarantined row has a number only where that is surely its number in the file.
func TestRowNumbers(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"customers.csv row 2": {"customers.csv": "id,email,at\n1,a,1\n2,,2\n"},
		"customers.csv":       {"customers.csv": "id,email,at\n1,a,1\nx,y,z,w\n2,,2\n"}, // a record is rejected
		"customers2.csv":      {"customers.csv": "id,email,at\n1,a,1\n", "customers2.csv": "id,email,at\n2,,2\n"},
	} {
		yml := strings.NewReplacer("customers.csv", "customers*.csv", "max_shrink", "columns: { id: BIGINT, email: VARCHAR, at: BIGINT }, max_rejects: 90%, max_shrink").Replace(shop("full", quarantining))
		files["millrace.yml"] = yml
		e := engine(t, project(t, files))
		succeeded(t, run(t, e))
		if got := fmt.Sprint(query(t, e, "SELECT parse_filename(_quarantined_from) FROM erp.customers__quarantine")); !strings.HasSuffix(got, name+"]]") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestErrorKeepsTheOldVersion: nothing that a check has failed is ever seen, and what does not depend on it is published.
func TestErrorKeepsTheOldVersion(t *testing.T) {
	files := map[string]string{"millrace.yml": shop("full", "{ not_null: email }"), "customers.csv": "id,email,at\n1,a@x.de,1\n",
		"models/known.sql": "{{ config(materialized='table') }} select * from {{ source('erp', 'customers') }}",
		"models/other.sql": "{{ config(materialized='table') }} select 1 as one"}
	dir := project(t, files)
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"customers.csv": customers})
	e := engine(t, dir)
	r := run(t, e)
	if r.Run.Status != journal.Partial || *r.Run.ExitCode != pipeline.ExitChecks {
		t.Errorf("%s, exit code %d", r.Run.Status, *r.Run.ExitCode)
	}
	if s := step(t, r, "erp.customers"); s.Status != journal.ChecksFailed || !strings.Contains(s.Error, "not_null_email: 1 of 6 rows fail") {
		t.Errorf("%+v", s)
	}
	if s := step(t, r, "main.known"); s.Status != journal.UpstreamFailed {
		t.Errorf("%+v", s)
	}
	if got := fmt.Sprint(query(t, e, "SELECT (SELECT count(*) FROM erp.customers), (SELECT count(*) FROM main.known)")); got != "[[1 1]]" {
		t.Errorf("%s", got)
	}
	if got := r.Stale; fmt.Sprint(got) != "[erp.customers main.known]" {
		t.Errorf("stale %v", got)
	}
	write(t, dir, map[string]string{"millrace.yml": shop("full", "{ not_null: { column: email, severity: warn } }")})
	e = engine(t, dir)
	r = run(t, e)
	succeeded(t, r)
	if c := checked(t, r, "erp.customers", "not_null_email"); c.Status != check.StatusWarn || *r.Run.ExitCode != pipeline.ExitOK {
		t.Errorf("%+v, exit code %d", c, *r.Run.ExitCode)
	}
}

// TestTooManyQuarantined: when most rows fail it is not the rows.
func TestTooManyQuarantined(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("full", "{ not_null: { column: email, severity: quarantine } }"), "customers.csv": customers})
	r := run(t, engine(t, dir))
	if s := step(t, r, "erp.customers"); s.Status != journal.ChecksFailed || *r.Run.ExitCode != pipeline.ExitChecks {
		t.Errorf("%+v", s)
	}
}

// TestModelChecks goes through materializations, dbt's shape, singular checks and relationships between models.
func TestModelChecks(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\n",
		"models/orders.sql":    "{{ config(materialized='table') }} select i as id, i % 4 as customer, case when i % 50 <> 7 then i end as amount from range(100) t(i)",
		"models/customers.sql": "select range as id from range(3)",
		"models/log.sql":       "{{ config(materialized='incremental', unique_key='id') }} select id, amount from {{ ref('orders') }}",
		"models/total.sql":     "{{ config(materialized='table') }} select count(*) as n from {{ ref('log') }}",
		"models/schema.yml": `version: 2
models:
  - name: orders
    columns:
      - name: id
        data_tests: [unique, not_null]
      - name: customer
        data_tests:
          - relationships: { arguments: { to: ref('customers'), field: id }, config: { severity: quarantine, error_if: ">50%" } }
      - name: amount
        tests: [ { not_null: { severity: quarantine } } ]
  - name: customers
    columns: [ { name: id, data_tests: [ unique, { accepted_values: { values: [0, 1, 2], quote: false } } ] } ]
    data_tests: [ { dbt_utils.expression_is_true: { expression: "id >= 0" } } ]
  - name: log
    checks: [ { range: { column: amount, max: 90, severity: quarantine, error_if: "> 20%" } }, { unique: { column: id, severity: quarantine } }, { row_count: { min: 1 } } ]
`,
		"checks/totals.sql": "{{ config(severity='warn') }} select * from {{ ref('total') }} t, (select count(*) as n from {{ ref('log') }}) l where t.n <> l.n or l.n > 10",
	})
	e := engine(t, dir)
	r := run(t, e)
	succeeded(t, r)
	// 25 of 100 have no customer, and of 7 and 57 the amount: 7 is in both.
	for node, want := range map[string]string{"main.orders": "[[74 26]]", "main.log": "[[68 6]]"} {
		table := strings.TrimPrefix(node, "main.")
		if got := fmt.Sprint(query(t, e, fmt.Sprintf("SELECT (SELECT count(*) FROM %s), (SELECT count(*) FROM %[1]s__quarantine)", table))); got != want {
			t.Errorf("%s: %s, want %s", node, got, want)
		}
	}
	if c := checked(t, r, "main.total", "totals"); c.Status != check.StatusWarn || c.Failing != 1 {
		t.Errorf("%+v", c)
	}
	for _, c := range r.Checks {
		if c.Status != check.StatusPass && c.Severity == "error" {
			t.Errorf("%+v", c)
		}
	}
	r = run(t, e)
	succeeded(t, r)
	if got := fmt.Sprint(query(t, e, "SELECT count(*) FROM log")); got != "[[68]]" {
		t.Errorf("%s", got)
	}
}

// TestDeferredChecks: a stream may be compared with a model that is built from it, when all is built.
func TestDeferredChecks(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("full", "{ relationships: { column: id, to: ref('known') } }"), "customers.csv": customers,
		"models/known.sql": "{{ config(materialized='table') }} select * from {{ source('erp', 'customers') }} where id < 6"})
	e := engine(t, dir)
	r := run(t, e)
	if s := step(t, r, "erp.customers"); s.Status != journal.ChecksFailed || *r.Run.ExitCode != pipeline.ExitChecks {
		t.Errorf("%+v, exit code %d", s, *r.Run.ExitCode)
	}
	if s := step(t, r, "main.known"); s.Status != journal.Withheld {
		t.Errorf("%+v", s)
	}
	if m, err := e.Loader.Current(t.Context()); err == nil {
		t.Errorf("published: %v", m.Tables)
	}
}

// TestDeferredCheckOfAView: a view is looked at behind the tables that it shows, when it is compared with a model that is built from it.
func TestDeferredCheckOfAView(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("full", ""), "customers.csv": customers,
		"models/seen.sql":  "{{ config(materialized='view') }} select * from {{ source('erp', 'customers') }}",
		"models/again.sql": "{{ config(materialized='view') }} select * from {{ ref('seen') }}",
		"models/known.sql": "{{ config(materialized='table') }} select * from {{ ref('again') }}",
		"models/m.yml":     "models:\n  - { name: again, checks: [ { relationships: { column: id, to: ref('known') } } ] }\n"})
	e := engine(t, dir)
	for range 2 {
		succeeded(t, run(t, e))
	}
	write(t, dir, map[string]string{"models/known.sql": "{{ config(materialized='table') }} select * from {{ ref('again') }} where id < 6"})
	r := run(t, engine(t, dir))
	if s := step(t, r, "main.again"); s.Status != journal.ChecksFailed || *r.Run.ExitCode != pipeline.ExitChecks {
		t.Errorf("%+v, exit code %d", s, *r.Run.ExitCode)
	}
}

// TestDeferredBesideQuarantine: a late check leaves the quarantine alone.
func TestDeferredBesideQuarantine(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("full", "{ relationships: { column: id, to: ref('known'), severity: warn } }, { not_null: { column: email, severity: quarantine, error_if: '>90%' } }"),
		"customers.csv": customers, "models/known.sql": "{{ config(materialized='table') }} select * from {{ source('erp', 'customers') }} where id < 6"})
	e := engine(t, dir)
	r := run(t, e)
	succeeded(t, r)
	if got := fmt.Sprint(query(t, e, "SELECT id FROM erp.customers__quarantine")); got != "[[2]]" || len(r.Checks) != 2 {
		t.Errorf("%s, %v", got, r.Checks)
	}
}

// TestStreamsAwaitTheirParents: orders are compared with this run's customers, not with yesterday's, in whatever order they
// are named, and not at all when customers failed.
func TestStreamsAwaitTheirParents(t *testing.T) {
	const yml = `name: shop
sources:
  erp:
    type: files
    streams:
      - { name: a_orders, path: orders.csv, checks: [ { relationships: { column: customer, to: "source('erp', 'z_customers')", field: id } } ] }
      - { name: z_customers, path: customers.csv, max_rejects: 0 }
`
	dir := project(t, map[string]string{"millrace.yml": yml, "customers.csv": "id\n1\n", "orders.csv": "id,customer\n1,1\n"})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"customers.csv": "id\n1\n2\n", "orders.csv": "id,customer\n1,1\n2,2\n"})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"customers.csv": "id\n1\n2,5\n", "orders.csv": "id,customer\n1,1\n2,2\n"})
	r := run(t, engine(t, dir))
	if s := step(t, r, "erp.a_orders"); s.Status != journal.UpstreamFailed || *r.Run.ExitCode != pipeline.ExitFailed {
		t.Errorf("%+v, exit code %d", s, *r.Run.ExitCode)
	}
}

// TestNewRuleOverOldRows: rows that were published before a rule was there are told.
func TestNewRuleOverOldRows(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("incremental", ""), "customers.csv": customers})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"millrace.yml": shop("incremental", quarantining), "customers.csv": "id,email,at\n7,g@x.de,7\n"})
	r := run(t, engine(t, dir))
	succeeded(t, r)
	if s := step(t, r, "erp.customers"); !strings.Contains(strings.Join(s.Notes, "\n"), "1 rows that were published before fail it") {
		t.Errorf("%v", s.Notes)
	}
	if c := checked(t, r, "erp.customers", "not_null_email"); c.Status != check.StatusWarn {
		t.Errorf("%+v", c)
	}
}

// TestRuleThatFailsOverOldRows: a rule that cannot be asked of rows published before is an error, and one that they fail is told
// until they are read anew.
func TestRuleThatFailsOverOldRows(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("incremental", ""), "customers.csv": customers})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"millrace.yml": shop("incremental", "{ expression: { expression: 'CAST(left(email, 1) AS INTEGER) > 0', severity: quarantine } }"), "customers.csv": "id,email,at\n7,7@x.de,7\n"})
	if r := run(t, engine(t, dir)); step(t, r, "erp.customers").Status != journal.ChecksFailed {
		t.Errorf("%+v", r.Checks)
	}
	write(t, dir, map[string]string{"millrace.yml": shop("incremental", quarantining), "customers.csv": "id,email,at\n8,h@x.de,8\n"})
	for range 2 { // the second has no new rows
		r := run(t, engine(t, dir))
		succeeded(t, r)
		if c := checked(t, r, "erp.customers", "not_null_email"); c.Status != check.StatusWarn {
			t.Errorf("%+v", c)
		}
	}
}

// TestIdleChecks: a table that gets nothing new grows old all the same.
func TestIdleChecks(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("append", "{ row_count: { min: 1 } }"), "customers.csv": customers})
	succeeded(t, run(t, engine(t, dir)))
	for _, checks := range []string{"{ row_count: { min: 100 } }", "{ not_null: email }", "{ sql: \"select 1 from {{ this }} where email is null\" }"} {
		write(t, dir, map[string]string{"millrace.yml": shop("append", checks)})
		if r := run(t, engine(t, dir)); step(t, r, "erp.customers").Status != journal.ChecksFailed {
			t.Errorf("%s: %+v", checks, r.Steps)
		}
	}
}

// TestParentNeverBuilt: what a check compares with is not there: the check is at fault, and nothing is published.
func TestParentNeverBuilt(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\n", "models/a.sql": "{{ config(materialized='table') }} select 1 as id", "models/b.sql": "{{ config(materialized='table') }} select 1 as id",
		"models/c.yml": "models: [ { name: a, checks: [ { relationships: { column: id, to: b, severity: SEVERITY } } ] } ]"})
	for _, severity := range []string{"warn", "quarantine"} {
		write(t, dir, map[string]string{"models/c.yml": "models: [ { name: a, checks: [ { relationships: { column: id, to: b, severity: " + severity + " } } ] } ]"})
		e := engine(t, dir)
		r := run(t, e, func(req *pipeline.Request) { req.Nodes = req.Nodes[:1] })
		if s := step(t, r, "main.a"); s.Status != journal.ChecksFailed || !strings.Contains(s.Error, "never built") || *r.Run.ExitCode != pipeline.ExitChecks {
			t.Errorf("%s: %+v", severity, s)
		}
	}
}

// TestRulesHashIsStable: rules that did not change are not looked at again over rows that were published before.
func TestRulesHashIsStable(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("incremental", "{ length: { column: email, max: 9, severity: quarantine, error_if: '>90%' } }"), "customers.csv": customers})
	hashes := map[string]bool{}
	for range 2 {
		e := engine(t, dir)
		succeeded(t, run(t, e))
		m, err := e.Loader.Current(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hashes[m.Tables[0].Rules] = true
	}
	if len(hashes) != 1 || hashes[""] {
		t.Errorf("%v", hashes)
	}
}

// TestVolumeHistory: a table that loses half of its rows from one night to the next is told, once there is a history.
func TestVolumeHistory(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("full", "{ volume: { min_runs: 5 } }")})
	rows := func(n int) string {
		text := "id,email,at\n"
		for i := range n {
			text += fmt.Sprintf("%d,a%d@x.de,1\n", i, i)
		}
		return text
	}
	for night := range 7 {
		write(t, dir, map[string]string{"customers.csv": rows(100 + night%3)})
		r := run(t, engine(t, dir))
		succeeded(t, r)
		if c := checked(t, r, "erp.customers", "volume"); c.Status != check.StatusPass || night < 5 && !strings.Contains(c.Message, "too little history") {
			t.Errorf("night %d: %+v", night, c)
		}
	}
	write(t, dir, map[string]string{"customers.csv": rows(60)})
	if r := run(t, engine(t, dir)); checked(t, r, "erp.customers", "volume").Status != check.StatusFail || *r.Run.ExitCode != pipeline.ExitChecks {
		t.Errorf("%+v", r.Checks)
	}
}

// TestNewRows: what a run brings to a table that only grows is compared with what others brought.
func TestNewRows(t *testing.T) {
	yml := strings.ReplaceAll(shop("append", "{ volume: { new: true, min_runs: 5 } }, { not_null: { column: email, severity: quarantine } }, { distribution: { column: id, metric: drift, max: 5 } }"), "customers.csv", "c*.csv")
	dir := project(t, map[string]string{"millrace.yml": yml})
	deliver := func(night, n int) *pipeline.Report {
		text := "id,email,at\n"
		for i := range n {
			text += fmt.Sprintf("%d,a@x.de,%d\n", i, night)
		}
		write(t, dir, map[string]string{fmt.Sprintf("c%d.csv", night): text + "0,,1\n"})
		return run(t, engine(t, dir))
	}
	for night := range 6 {
		r := deliver(night, 100)
		succeeded(t, r)
		if c := checked(t, r, "erp.customers", "volume"); *c.Value != 101 {
			t.Errorf("%+v", c)
		}
		if c := checked(t, r, "erp.customers", "distribution_id"); night == 0 && c.Value != nil || night > 0 && *c.Value != 0 {
			t.Errorf("night %d: %+v", night, c)
		}
	}
	if r := deliver(7, 700); checked(t, r, "erp.customers", "volume").Status != check.StatusFail || checked(t, r, "erp.customers", "distribution_id").Status != check.StatusPass {
		t.Errorf("%+v", r.Checks)
	}
	found, err := engine(t, dir).Check(t.Context(), engine(t, dir).Project.Nodes, t.TempDir())
	if err != nil || found.Failed() || !strings.HasPrefix(found.Checks[0].Message, "not judged") {
		t.Errorf("%v %+v", err, found)
	}
}

// TestNewRowsOfModels: what a build brings is what the SELECT gives, rows that are kept out and merged included.
func TestNewRowsOfModels(t *testing.T) {
	for _, config := range []string{"materialized='table'", "materialized='incremental'", "materialized='incremental', unique_key='id'"} {
		dir := project(t, map[string]string{"millrace.yml": "name: p\n", "models/m.sql": "{{ config(" + config + ") }} select 1 as id, 5 as amount union all select 2, -2 union all select 3, 3",
			"models/m.yml": strings.Replace(atLeast("0"), "checks: [", "checks: [ { volume: { new: true } },", 1)})
		for range 2 {
			r := run(t, engine(t, dir))
			succeeded(t, r)
			if c := checked(t, r, "main.m", "volume"); c.Value == nil || *c.Value != 3 {
				t.Errorf("%s: %+v", config, c)
			}
		}
	}
}

// TestViewsWithoutChecksAreNotRead: what nobody checks costs nothing.
func TestViewsWithoutChecksAreNotRead(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\n", "models/v.sql": "select i from range(3) t(i) where error('row ' || i) = 'x'"})
	succeeded(t, run(t, engine(t, dir)))
}
