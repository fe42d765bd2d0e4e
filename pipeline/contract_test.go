package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/check"
)

// drifting is a stream whose columns are pinned, so that a test says of what types they are.
func drifting(mode, policy, columns string) string {
	cursor := ""
	if mode == "incremental" {
		cursor = "cursor: at, "
	}
	return fmt.Sprintf("name: p\nsources:\n  erp:\n    type: files\n    streams:\n      - { name: orders, path: 'orders*.csv', mode: %s, %skey: [id], max_shrink: 100%%, %s columns: { %s } }\n", mode, cursor, policy, columns)
}

const ordersAsPublished = "id: BIGINT, amount: 'DECIMAL(10,2)', at: BIGINT, gone: VARCHAR"

// manyOrders are rows that fit, beside a few that do not.
func manyOrders(head, row string, more ...string) string {
	var b strings.Builder
	b.WriteString(head + "\n")
	for i := range 40 {
		fmt.Fprintf(&b, row+"\n", 100+i, 100+i)
	}
	return b.String() + strings.Join(more, "\n") + "\n"
}

// deliverOrders replaces what lies in the folder of the stream.
func deliverOrders(t *testing.T, dir, name, content string) {
	t.Helper()
	old, _ := filepath.Glob(filepath.Join(dir, "orders*.csv"))
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, map[string]string{name: content})
}

// exitCode runs everything and gives the exit code beside the report.
func exitCode(t *testing.T, e *pipeline.Engine) (*pipeline.Report, int) {
	t.Helper()
	r := run(t, e)
	return r, *r.Run.ExitCode
}

func columnsOf(t *testing.T, e *pipeline.Engine, table string) string {
	t.Helper()
	return fmt.Sprint(query(t, e, "SELECT column_name || ' ' || data_type FROM duckdb_columns() WHERE table_name = '"+table+"' AND NOT internal ORDER BY column_index"))
}

// TestSchemaPolicies: what becomes of a stream with another type, a new column and one that is gone, by its policy and in each
// mode. What is published keeps its columns, and every value in them is the one that came.
func TestSchemaPolicies(t *testing.T) {
	const came = "id: BIGINT, amount: VARCHAR, at: BIGINT, extra: VARCHAR"
	const published = "[[id BIGINT] [amount DECIMAL(10,2)] [at BIGINT] [gone VARCHAR]]"
	fits := manyOrders("id,amount,at,extra", "%d,3.25,%d,")
	two := manyOrders("id,amount,at,extra", "%d,3.25,%d,", "4,3.255,4,", "5,5.00,5,new")
	for _, mode := range []string{"full", "append", "incremental"} {
		start := func(t *testing.T, policy, second string) (string, *pipeline.Report, *pipeline.Engine) {
			dir := project(t, map[string]string{"millrace.yml": drifting(mode, "", ordersAsPublished), "orders1.csv": "id,amount,at,gone\n1,1.50,1,x\n2,2.00,2,y\n"})
			succeeded(t, run(t, engine(t, dir)))
			deliverOrders(t, dir, "orders2.csv", second)
			write(t, dir, map[string]string{"millrace.yml": drifting(mode, "on_schema_change: "+policy+",", came)})
			e := engine(t, dir)
			return dir, run(t, e), e
		}
		t.Run(mode+"/freeze", func(t *testing.T) {
			_, r, e := start(t, "freeze", fits)
			c := checked(t, r, "erp.orders", models.SchemaCheck)
			for _, want := range []string{"~ amount is VARCHAR, published is DECIMAL(10,2)", "+ new column extra VARCHAR", "- gone column gone VARCHAR", "on_schema_change: evolve"} {
				if !strings.Contains(c.Message, want) {
					t.Errorf("%q says nothing of %q", c.Message, want)
				}
			}
			if c.Status != check.StatusFail || *r.Run.ExitCode != pipeline.ExitChecks {
				t.Errorf("%s, exit code %d", c.Status, *r.Run.ExitCode)
			}
			if got := fmt.Sprint(query(t, e, "SELECT count(*) FROM erp.orders")); got != "[[2]]" {
				t.Errorf("published %s", got)
			}
		})
		t.Run(mode+"/discard", func(t *testing.T) {
			dir, r, e := start(t, "discard", fits)
			succeeded(t, r)
			if c := checked(t, r, "erp.orders", models.SchemaCheck); c.Status != check.StatusWarn || !strings.Contains(c.Message, "extra VARCHAR: left out") || c.Failing != 0 {
				t.Errorf("%+v", c)
			}
			if got := columnsOf(t, e, "orders"); got != published {
				t.Errorf("columns %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT DISTINCT amount::VARCHAR, gone FROM erp.orders WHERE id >= 100")); got != "[[3.25 <nil>]]" {
				t.Errorf("rows %s", got)
			}
			// A value that the type cannot hold is not rounded: the stream fails, and its rows can be looked at.
			deliverOrders(t, dir, "orders3.csv", two)
			r, code := exitCode(t, e)
			if c := checked(t, r, "erp.orders", models.SchemaCheck); c.Status != check.StatusFail || c.Failing != 1 || code != pipeline.ExitChecks {
				t.Errorf("%+v, exit code %d", c, code)
			}
			if sets, err := e.Quarantined(t.Context(), "", ""); err != nil || len(sets) != 1 || sets[0].Rows != 1 {
				t.Errorf("%v, %v", sets, err)
			}
		})
		t.Run(mode+"/quarantine", func(t *testing.T) {
			_, r, e := start(t, "quarantine", two)
			succeeded(t, r)
			if c := checked(t, r, "erp.orders", models.SchemaCheck); c.Status != check.StatusWarn || c.Quarantined != 2 {
				t.Errorf("%+v", c)
			}
			if got := columnsOf(t, e, "orders"); got != published {
				t.Errorf("columns %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, amount, extra FROM erp.orders__quarantine ORDER BY id")); got != "[[4 3.255 <nil>] [5 5.00 new]]" {
				t.Errorf("quarantined %s", got)
			}
			for _, eq := range step(t, r, "erp.orders").Equations {
				if !eq.Closes() {
					t.Errorf("%s", eq)
				}
			}
			succeeded(t, run(t, e)) // and nothing of it is a surprise the next time
		})
	}
}

// TestEvolvingIsTold: the table follows, and the report says how.
func TestEvolvingIsTold(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": drifting("append", "", ordersAsPublished), "orders1.csv": "id,amount,at,gone\n1,1.50,1,x\n"})
	succeeded(t, run(t, engine(t, dir)))
	deliverOrders(t, dir, "orders2.csv", "id,amount,at,gone,extra\n2,2.505,2,y,z\n")
	write(t, dir, map[string]string{"millrace.yml": drifting("append", "", "id: BIGINT, amount: 'DECIMAL(12,3)', at: BIGINT, gone: VARCHAR, extra: VARCHAR")})
	e := engine(t, dir)
	r := run(t, e)
	succeeded(t, r)
	if c := checked(t, r, "erp.orders", models.SchemaCheck); c.Status != check.StatusPass || !strings.Contains(c.Message, "~ amount is DECIMAL(12,3), published is DECIMAL(10,2); + new column extra VARCHAR") {
		t.Errorf("%+v", c)
	}
	if got := columnsOf(t, e, "orders"); got != "[[id BIGINT] [amount DECIMAL(12,3)] [at BIGINT] [gone VARCHAR] [extra VARCHAR]]" {
		t.Errorf("columns %s", got)
	}
	write(t, dir, map[string]string{"millrace.yml": drifting("append", "", "id: BIGINT, amount: 'DECIMAL(12,3)', at: BIGINT, extra: VARCHAR")})
	for i, told := range []int{1, 0} { // a column that is gone stays, and is told once
		deliverOrders(t, dir, fmt.Sprintf("orders%d.csv", 3+i), fmt.Sprintf("id,amount,at,extra\n%d,3.505,3,z\n", 3+i))
		r = run(t, engine(t, dir))
		succeeded(t, r)
		if len(r.Checks) != told {
			t.Errorf("told %v", r.Checks)
		}
	}
	if got := fmt.Sprint(query(t, e, "SELECT count(gone), count(extra), sum(amount)::VARCHAR FROM erp.orders")); got != "[[2 3 11.015]]" {
		t.Errorf("rows %s", got)
	}
}

// TestStreamContract: a stream's published columns are the contract's in every run and mode, and rows that do not fit are kept
// where they can be looked at.
func TestStreamContract(t *testing.T) {
	const contract = "contract: { columns: [ { name: id, type: INT, nullable: false }, { name: amount, type: 'DECIMAL(6,2)' }, { name: at, type: BIGINT }, { name: code, type: VARCHAR(2) } ], severity: SEVERITY, extra: discard },"
	const came = "id: BIGINT, amount: 'DECIMAL(38,10)', at: BIGINT, code: VARCHAR, more: VARCHAR"
	rows := manyOrders("id,amount,at,code,more", "%d,3.25,%d,ÄÖ,m", "3000000000,1,1,DE,m", "2,0.005,2,DE,m", "3,12345.00,3,DE,m", "4,1,4,FRA,m")
	for _, mode := range []string{"full", "append", "incremental"} {
		t.Run(mode, func(t *testing.T) {
			dir := project(t, map[string]string{"millrace.yml": drifting(mode, strings.Replace(contract, "SEVERITY", "error", 1), came), "orders1.csv": rows})
			e := engine(t, dir)
			r, code := exitCode(t, e)
			for _, name := range []string{"contract_id", "contract_amount", "contract_code"} {
				c := checked(t, r, "erp.orders", name)
				if c.Status != check.StatusFail || c.Failing == 0 || code != pipeline.ExitChecks || c.SQL != "" {
					t.Errorf("%+v, exit code %d", c, code)
				}
				if !strings.HasSuffix(c.Message, "of 44 rows fail; nothing is published, millrace rejects show erp.orders has them") {
					t.Error(c.Message)
				}
			}
			if sets, err := e.Quarantined(t.Context(), "", ""); err != nil || len(sets) != 1 || sets[0].Rows != 4 {
				t.Errorf("%v, %v", sets, err)
			}
			if m, err := e.Loader.Current(t.Context()); err == nil && len(m.Tables) > 0 {
				t.Errorf("published %v", m.Tables)
			}
			write(t, dir, map[string]string{"millrace.yml": drifting(mode, strings.Replace(contract, "SEVERITY", "quarantine", 1), came)})
			for range 2 {
				e = engine(t, dir)
				r = run(t, e)
				succeeded(t, r)
				if got := columnsOf(t, e, "orders"); got != "[[id INTEGER] [amount DECIMAL(6,2)] [at BIGINT] [code VARCHAR]]" {
					t.Errorf("columns %s", got)
				}
				if got := fmt.Sprint(query(t, e, "SELECT count(*), sum(amount)::VARCHAR FROM erp.orders")); got != "[[40 130.00]]" {
					t.Errorf("published %s", got)
				}
				if got := fmt.Sprint(query(t, e, "SELECT DISTINCT id, amount::VARCHAR, _failed_rules FROM erp.orders__quarantine ORDER BY id")); got != "[[2 0.0050000000 [contract_amount]] [3 12345.0000000000 [contract_amount]] [4 1.0000000000 [contract_code]] [3000000000 1.0000000000 [contract_id]]]" {
					t.Errorf("quarantined %s", got)
				}
			}
			m, err := e.Loader.Current(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range m.Tables {
				if table.Table == "orders" && fmt.Sprint(table.Delivered) != "[{id BIGINT} {amount DECIMAL(38,10)} {at BIGINT} {code VARCHAR} {more VARCHAR}]" {
					t.Errorf("delivered %v", table.Delivered)
				}
			}
			deliverOrders(t, dir, "orders2.csv", "id,amount,at,code,more\n7,0.07,70,DE,m\n")
			succeeded(t, run(t, e))
			if got := fmt.Sprint(query(t, e, "SELECT amount::VARCHAR FROM erp.orders WHERE id = 7")); got != "[[0.07]]" || columnsOf(t, e, "orders") != "[[id INTEGER] [amount DECIMAL(6,2)] [at BIGINT] [code VARCHAR]]" {
				t.Errorf("then %s, %s", got, columnsOf(t, e, "orders"))
			}
		})
	}
}

const contractModel = `version: 2
models:
  - name: m
    config: { contract: { enforced: true, severity: SEVERITY, error_if: COUNT } }
    columns:
      - { name: id, data_type: int, constraints: [ { type: primary_key } ] }
      - { name: amount, data_type: "numeric(5,2)" }
      - { name: code, data_type: "varchar(3)" }
`

// TestModelContract: a model's table has the contract's types under each materialization, in every run. Sums that came as
// HUGEINT and decimals that are too fine are converted where that changes nothing, and kept out where it would.
func TestModelContract(t *testing.T) {
	for _, materialized := range []string{"materialized='table'", "materialized='incremental'", "materialized='incremental', unique_key='id'"} {
		t.Run(materialized, func(t *testing.T) {
			model := func(severity string) map[string]string {
				condition := ""
				if severity == "error" {
					condition = ", error_if: COUNT"
				}
				return map[string]string{"models/m.yml": strings.NewReplacer(condition, "", "SEVERITY", severity, "COUNT", "'> 90%'").Replace(contractModel)}
			}
			dir := project(t, map[string]string{"millrace.yml": "name: p\n", "models/m.sql": "{{ config(" + materialized + ") }} select sum(i) as id, v as amount, 'ÄÖÜ' as code from (values (1, 1.10000), (2, -0.00500), (3, 999.99000), (4, 1000.00000)) as r(i, v) group by v"})
			write(t, dir, model("error"))
			e := engine(t, dir)
			r, code := exitCode(t, e)
			if c := checked(t, r, "main.m", "contract_amount"); code != pipeline.ExitChecks || c.Failing != 2 {
				t.Errorf("%+v, exit code %d", c, code)
			}
			write(t, dir, model("quarantine"))
			e = engine(t, dir)
			r = run(t, e)
			succeeded(t, r)
			if got := columnsOf(t, e, "m"); got != "[[id INTEGER] [amount DECIMAL(5,2)] [code VARCHAR]]" {
				t.Errorf("columns %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, amount::VARCHAR FROM main.m ORDER BY id")); got != "[[1 1.10] [3 999.99]]" {
				t.Errorf("published %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id::INTEGER, amount::VARCHAR FROM main.m__quarantine ORDER BY id")); got != "[[2 -0.00500] [4 1000.00000]]" {
				t.Errorf("quarantined %s", got)
			}
			if c := checked(t, r, "main.m", "contract"); !strings.Contains(c.Message, "~ id is DECIMAL(38,0), the contract says INTEGER: converted where it fits") {
				t.Errorf("%+v", c)
			}
			for _, eq := range step(t, r, "main.m").Equations {
				if !eq.Closes() {
					t.Errorf("%s", eq)
				}
			}
			found, err := e.Check(t.Context(), e.Project.Nodes, t.TempDir())
			if err != nil || found.Failed() {
				t.Errorf("%v, %v", found, err)
			}
			write(t, dir, map[string]string{"models/m.sql": "{{ config(" + materialized + ") }} select 9 as id, 'x' as amount, 'y' as code, 1 as more"})
			r, code = exitCode(t, engine(t, dir))
			c := checked(t, r, "main.m", "contract")
			for _, want := range []string{"~ amount is VARCHAR, the contract says DECIMAL(5,2): cast it in the SELECT", "+ extra column more INTEGER"} {
				if !strings.Contains(c.Message, want) || c.Status != check.StatusFail || code != pipeline.ExitChecks {
					t.Errorf("%+v, exit code %d", c, code)
				}
			}
		})
	}
}

// TestViewContract: casts that keep every value are the view's own. Rows are judged, and a type that may not hold them is refused.
func TestViewContract(t *testing.T) {
	const yml = "version: 2\nmodels:\n  - name: v\n    contract: { columns: [ { name: id, type: %s, nullable: false }, { name: n, type: DOUBLE } ], order: strict }\n"
	dir := project(t, map[string]string{"millrace.yml": "name: p\n", "models/v.sql": "select 1 as id, 2 as n", "models/v.yml": fmt.Sprintf(yml, "BIGINT"),
		"models/w.sql": "{{ config(materialized='table') }} select * from {{ ref('v') }}"})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	if v, w := columnsOf(t, e, "v"), columnsOf(t, e, "w"); v != "[[id BIGINT] [n DOUBLE]]" || w != v {
		t.Errorf("columns %s, %s", v, w)
	}
	for sql, want := range map[string]string{
		"select 1 as id, 2.5::REAL as n, 1 / 0 as x": "contract: + extra column x DOUBLE",
		"select 2.5 as n, 1 as id":                   "the columns come as n, id, the contract says id, n",
		"select NULL::INT as id, 1 as n":             "contract_id: 1 of 1 row fail",
		"select 1::UBIGINT as id, 1 as n":            "~ id is UBIGINT, the contract says BIGINT: cast it in the SELECT",
		"select 1 as id":                             "- missing column n DOUBLE",
	} {
		write(t, dir, map[string]string{"models/v.sql": sql})
		r, code := exitCode(t, engine(t, dir))
		if s := step(t, r, "main.v"); code != pipeline.ExitChecks || !strings.Contains(s.Error, want) {
			t.Errorf("%s: %s, exit code %d", sql, s.Error, code)
		}
	}
}

// TestContractOverPublishedRows: rows that were published with other types are neither rounded nor read as what they are not.
func TestContractOverPublishedRows(t *testing.T) {
	const came = "id: BIGINT, amount: 'DECIMAL(10,4)', at: BIGINT"
	dir := project(t, map[string]string{"millrace.yml": drifting("append", "", came), "orders1.csv": "id,amount,at\n1,1.2345,1\n"})
	succeeded(t, run(t, engine(t, dir)))
	deliverOrders(t, dir, "orders2.csv", "id,amount,at\n2,2.00,2\n")
	write(t, dir, map[string]string{"millrace.yml": drifting("append", "contract: { columns: [ { name: id, type: BIGINT }, { name: amount, type: 'DECIMAL(10,2)' }, { name: at, type: BIGINT } ] },", came)})
	e := engine(t, dir)
	if found, err := e.Check(t.Context(), e.Project.Nodes, t.TempDir()); err != nil || !found.Failed() {
		t.Errorf("%v, %v", found, err)
	}
	r, code := exitCode(t, e)
	if c := checked(t, r, "erp.orders", "contract"); code != pipeline.ExitChecks || !strings.Contains(c.Message, "published rows have DECIMAL(10,4) in amount") || !strings.Contains(c.Message, "--full-refresh") {
		t.Errorf("%+v, exit code %d", c, code)
	}
	succeeded(t, run(t, e, func(req *pipeline.Request) { req.FullRefresh = true }))
	if got := columnsOf(t, e, "orders"); got != "[[id BIGINT] [amount DECIMAL(10,2)] [at BIGINT]]" {
		t.Errorf("columns %s", got)
	}
}

// TestQuarantineOfTwoDivisions: rows that fail as they came and rows that fail as the table has them are in one quarantine, in
// which nothing is read as what it is not.
func TestQuarantineOfTwoDivisions(t *testing.T) {
	const contract = "contract: { columns: [ { name: id, type: BIGINT }, { name: w, type: TYPE }, { name: at, type: BIGINT } ], severity: quarantine }, checks: [ { unique: { column: w, severity: quarantine } }, { range: { column: at, min: 0, severity: quarantine } } ],"
	for name, c := range map[string]struct{ came, wanted, held string }{
		"wider":    {"INTEGER", "BIGINT", "BIGINT"},
		"narrower": {"BIGINT", "INTEGER", "BIGINT"},
		"finer":    {"'DECIMAL(12,1)'", "'DECIMAL(14,2)'", "DECIMAL(14,2)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, map[string]string{"millrace.yml": drifting("incremental", strings.Replace(contract, "TYPE", c.wanted, 1), "id: BIGINT, w: "+c.came+", at: BIGINT"),
				"orders1.csv": manyOrders("id,w,at", "%d,%d,1", "1,7,1", "2,7,1", "3,3,-1")})
			e := engine(t, dir)
			succeeded(t, run(t, e))
			if got := columnsOf(t, e, "orders__quarantine"); !strings.Contains(got, "[w "+c.held+"]") {
				t.Errorf("columns %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, w::INTEGER, _failed_rules FROM erp.orders__quarantine ORDER BY id")); got != "[[1 7 [unique_w]] [2 7 [unique_w]] [3 3 [range_at]]]" {
				t.Errorf("quarantined %s", got)
			}
		})
	}
}

// TestQuarantineKeepsWhatNoTypeHolds: rows that were kept out stay when their column comes to be of another type, and so do
// those that are kept out later.
func TestQuarantineKeepsWhatNoTypeHolds(t *testing.T) {
	const checks = "on_schema_change: quarantine, checks: [ { range: { column: at, min: 0, severity: quarantine } } ],"
	dir := project(t, map[string]string{"millrace.yml": drifting("append", checks, "id: BIGINT, amount: DOUBLE, at: BIGINT"), "orders1.csv": manyOrders("id,amount,at", "%d,1.5,%d", "1,0.1,-1")})
	succeeded(t, run(t, engine(t, dir)))
	for i, c := range []struct{ typ, amount, row, note string }{
		{"VARCHAR", "1.5", "2,n/a,-1", "erp.orders__quarantine keeps the texts of amount from now on: its rows have DOUBLE and VARCHAR in it"},
		{"BIGINT", "5", "3,7,-1", ""},
	} {
		deliverOrders(t, dir, fmt.Sprintf("orders%d.csv", i+2), manyOrders("id,amount,at", "%d,"+c.amount+",%d", c.row))
		write(t, dir, map[string]string{"millrace.yml": drifting("append", checks, "id: BIGINT, amount: "+c.typ+", at: BIGINT")})
		r := run(t, engine(t, dir))
		succeeded(t, r)
		mentions(t, strings.Join(step(t, r, "erp.orders").Notes, "\n"), c.note)
	}
	if got := fmt.Sprint(query(t, engine(t, dir), "SELECT id, amount FROM erp.orders__quarantine ORDER BY id")); got != "[[1 0.1] [2 n/a] [3 7.0]]" {
		t.Errorf("quarantined %s", got)
	}
}

// TestPlanOfAMergeBuiltAnew: rows that a run will not keep are no reason to refuse a contract, and a refusal tells its place once.
func TestPlanOfAMergeBuiltAnew(t *testing.T) {
	model := func(key string) string {
		return "{{ config(materialized='incremental', unique_key='" + key + "') }} select 1::BIGINT as id, 2 as code"
	}
	yml := func(column string) string {
		return "version: 2\nmodels:\n  - name: m\n    contract: { columns: [ { name: id, type: INTEGER }, { name: " + column + ", type: INTEGER } ] }\n"
	}
	dir := project(t, map[string]string{"millrace.yml": "name: p\n", "models/m.sql": model("id")})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"models/m.sql": model("code"), "models/m.yml": yml("code")})
	plan := func() pipeline.PlannedNode {
		e := engine(t, dir)
		p, err := e.Plan(t.Context(), e.Project.Nodes)
		if err != nil {
			t.Fatal(err)
		}
		return p.Nodes[0]
	}
	one := plan()
	if one.Error != "" {
		t.Errorf("%s", one.Error)
	}
	mentions(t, strings.Join(one.Notes, "\n"), "built anew: the published table was not merged by [code]")
	e := engine(t, dir)
	succeeded(t, run(t, e))
	if got := columnsOf(t, e, "m"); got != "[[id INTEGER] [code INTEGER]]" {
		t.Errorf("columns %s", got)
	}
	write(t, dir, map[string]string{"models/m.yml": yml("other")})
	if one := plan(); !strings.HasPrefix(one.Error, "its contract is not kept: ") || one.At == "" {
		t.Errorf("%s: %s", one.At, one.Error)
	}
}
