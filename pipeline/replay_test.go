package pipeline_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// replay replays quarantined rows and expects the replay itself to come to an end.
func replay(t *testing.T, e *pipeline.Engine, node string, change ...func(*pipeline.ReplayRequest)) *pipeline.Report {
	t.Helper()
	req := pipeline.ReplayRequest{Node: e.Project.Node(node)}
	for _, c := range change {
		c(&req)
	}
	r, err := e.Replay(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if r.Snapshot != 0 {
		verified(t, e)
	}
	return r
}

// closed checks the equations of a step, and gives the values of one that is written "name term term…".
func closed(t *testing.T, s journal.Step, terms string) []int64 {
	t.Helper()
	var values []int64
	names := strings.Fields(terms)
	for _, eq := range s.Equations {
		if !eq.Closes() {
			t.Errorf("%s", eq)
		}
		if eq.Name == names[0] {
			for _, term := range names {
				values = append(values, eq.Get(term))
			}
		}
	}
	return values
}

var customersTable = warehouse.Name{Schema: "erp", Table: "customers"}

const relaxed = "{ not_null: { column: email, severity: quarantine, error_if: '> 90%' } }, { unique: { column: email, severity: warn } }"

// TestReplay: rows that pass a rule as it is now enter the table, whatever the mode; the others stay, and nothing is doubled.
func TestReplay(t *testing.T) {
	for _, mode := range []string{"full", "append", "incremental"} {
		t.Run(mode, func(t *testing.T) {
			dir := project(t, map[string]string{"millrace.yml": shop(mode, quarantining), "customers.csv": customers,
				"models/known.sql": "{{ config(materialized='table') }} select * from {{ source('erp', 'customers') }}",
				"models/view.sql":  "{{ config(materialized='view') }} select * from {{ ref('known') }}"})
			first := run(t, engine(t, dir))
			succeeded(t, first)
			cursor := manifest(t, engine(t, dir)).Table(customersTable).Cursor
			write(t, dir, map[string]string{"millrace.yml": shop(mode, relaxed)})
			e := engine(t, dir)
			ids := fmt.Sprint(query(t, e, "SELECT _quarantined_id, _quarantined_at FROM erp.customers__quarantine WHERE id = 2"))

			dry := replay(t, e, "erp.customers", func(r *pipeline.ReplayRequest) { r.DryRun = true })
			succeeded(t, dry)
			if got := closed(t, step(t, dry, "erp.customers"), "replayed passed quarantined"); fmt.Sprint(got) != "[3 2 1]" || dry.Snapshot != 0 {
				t.Errorf("dry run: %v, snapshot %d", got, dry.Snapshot)
			}
			if got := fmt.Sprint(query(t, e, "SELECT count(*) FROM erp.customers")); got != "[[3]]" {
				t.Errorf("a dry run published %s", got)
			}

			r := replay(t, e, "erp.customers")
			succeeded(t, r)
			s := step(t, r, "erp.customers")
			if got := closed(t, s, "replayed passed quarantined"); fmt.Sprint(got) != "[3 2 1]" || s.Rows != 5 {
				t.Errorf("%d rows, %v", s.Rows, s.Equations)
			}
			if got := closed(t, s, "quarantine before replayed quarantined"); fmt.Sprint(got) != "[1 3 3 1]" {
				t.Errorf("%v", s.Equations)
			}
			if got := closed(t, s, "published before inserted"); fmt.Sprint(got) != "[5 3 2]" {
				t.Errorf("%v", s.Equations)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id FROM erp.customers ORDER BY id")); got != "[[1] [3] [4] [5] [6]]" {
				t.Errorf("published %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, _failed_rules, _quarantined_run FROM erp.customers__quarantine")); got != "[[2 [not_null_email] "+first.Run.ID+"]]" {
				t.Errorf("quarantined %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT _quarantined_id, _quarantined_at FROM erp.customers__quarantine WHERE _quarantined_from LIKE '%customers.csv%'")); got != ids {
				t.Errorf("the id and the time were %s and are %s", ids, got)
			}
			if got := manifest(t, e).Table(customersTable).Cursor; got != cursor {
				t.Errorf("the cursor was %q and is %q", cursor, got)
			}
			if fmt.Sprint(r.Stale) != "[main.known]" {
				t.Errorf("stale: %v", r.Stale)
			}
			c := checked(t, r, "erp.customers", "not_null_email")
			if c.Status != check.StatusWarn || c.Failing != 1 || c.Checked != 3 || len(query(t, e, c.SQL)) != 1 {
				t.Errorf("%+v", c)
			}
			r = replay(t, e, "erp.customers", func(r *pipeline.ReplayRequest) { r.Run = first.Run.ID }) // again: nothing is lost or doubled
			succeeded(t, r)
			if got := fmt.Sprint(query(t, e, "SELECT (SELECT count(*) FROM erp.customers), (SELECT count(*) FROM erp.customers__quarantine)")); got != "[[5 1]]" {
				t.Errorf("%s", got)
			}
			succeeded(t, run(t, engine(t, dir)))
			if got := fmt.Sprint(query(t, e, "SELECT count(*) FROM erp.customers")); got != "[[5]]" {
				t.Errorf("after the next run: %s", got)
			}
		})
	}
}

// TestReplayIsSuperseded: a quarantined row that is older than what is published leaves the quarantine and changes nothing.
func TestReplayIsSuperseded(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("incremental", quarantining), "customers.csv": customers})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"millrace.yml": shop("incremental", "{ row_count: { min: 1 } }"), "customers.csv": "id,email,at\n2,new@x.de,7\n"})
	succeeded(t, run(t, engine(t, dir)))
	e := engine(t, dir)
	r := replay(t, e, "erp.customers", func(r *pipeline.ReplayRequest) { r.Rule = "not_null_email" })
	succeeded(t, r)
	s := step(t, r, "erp.customers")
	if got := closed(t, s, "landed inserted updated unchanged superseded"); fmt.Sprint(got) != "[1 0 0 0 1]" {
		t.Errorf("%v", s.Equations)
	}
	mentions(t, strings.Join(s.Notes, "\n"), "superseded", "that failed not_null_email")
	if got := fmt.Sprint(query(t, e, "SELECT email FROM erp.customers WHERE id = 2")); got != "[[new@x.de]]" {
		t.Errorf("%s", got)
	}
	if got := fmt.Sprint(query(t, e, "SELECT id FROM erp.customers__quarantine ORDER BY id")); got != "[[3] [4]]" {
		t.Errorf("%s", got)
	}
}

// TestReplayFailsItsChecks: the new version is judged, and rows go back to where they were when it may not be seen.
func TestReplayFailsItsChecks(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("append", quarantining), "customers.csv": customers})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"millrace.yml": shop("append", "{ row_count: { max: 4 } }")})
	e := engine(t, dir)
	r := replay(t, e, "erp.customers")
	if *r.Run.ExitCode != pipeline.ExitChecks || r.Snapshot != 0 {
		t.Errorf("exit code %d, snapshot %d", *r.Run.ExitCode, r.Snapshot)
	}
	if got := fmt.Sprint(query(t, e, "SELECT (SELECT count(*) FROM erp.customers), (SELECT count(*) FROM erp.customers__quarantine)")); got != "[[3 3]]" {
		t.Errorf("%s", got)
	}
	if _, err := e.Retry(t.Context(), r.Run.ID); !errors.Is(err, pipeline.ErrNoRetry) {
		t.Errorf("%v", err)
	}
}

// atLeast is a check of the model m that keeps out lesser amounts.
func atLeast(min string) string {
	return "models:\n  - name: m\n    checks: [ { range: { column: amount, min: " + min + ", severity: quarantine, error_if: '> 90%' } } ]\n"
}

// TestReplayOfModels: the rows of a model meet its table as those of a build do.
func TestReplayOfModels(t *testing.T) {
	for name, c := range map[string]struct{ config, want, equation, note string }{
		"table":         {"materialized='table'", "[[1 5] [2 -2] [2 7]]", "published 3 = before 2 + inserted 1", "next build begins"},
		"append":        {"materialized='incremental'", "[[1 5] [2 -2] [2 7]]", "published 3 = before 2 + inserted 1", ""},
		"merge":         {"materialized='incremental', unique_key='id'", "[[1 5] [2 -2]]", "landed 1 = inserted 0 + updated 1 + unchanged 0 + superseded 0", "1 published rows with the same unique_key are replaced"},
		"delete+insert": {"materialized='incremental', unique_key='id', incremental_strategy='delete+insert'", "[[1 5] [2 -2] [2 7]]", "published 3 = before 2 + inserted 1", "put beside those of the same unique_key"},
	} {
		t.Run(name, func(t *testing.T) {
			first := "{{ config(" + c.config + ") }} select 1 as id, 5 as amount union all select 2, -2 union all select 3, -3"
			dir := project(t, map[string]string{"millrace.yml": "name: shop\n", "models/m.sql": first, "models/m.yml": atLeast("0")})
			if name != "table" { // a table is built with the newer row of 2 at once
				succeeded(t, run(t, engine(t, dir)))
			}
			second := "{{ config(" + c.config + ") }} select 2 as id, 7 as amount"
			if name == "table" {
				second = first + " union all select 2, 7"
			}
			write(t, dir, map[string]string{"models/m.sql": second})
			succeeded(t, run(t, engine(t, dir)))
			write(t, dir, map[string]string{"models/m.yml": atLeast("-2")})
			e := engine(t, dir)
			r := replay(t, e, "main.m")
			succeeded(t, r)
			s := step(t, r, "main.m")
			if got := fmt.Sprint(query(t, e, "SELECT id, amount FROM main.m ORDER BY ALL")); got != c.want {
				t.Errorf("published %s, want %s", got, c.want)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, amount FROM main.m__quarantine")); got != "[[3 -3]]" {
				t.Errorf("quarantined %s", got)
			}
			if !strings.Contains(fmt.Sprint(s.Equations), c.equation) {
				t.Errorf("%v, want %s", s.Equations, c.equation)
			}
			mentions(t, strings.Join(s.Notes, "\n"), c.note)
		})
	}
}

// TestReplayKeepsTheInterruptedRun: a run that was cut off is still there to be resumed after a replay.
func TestReplayKeepsTheInterruptedRun(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("append", quarantining), "customers.csv": customers})
	succeeded(t, run(t, engine(t, dir)))
	e := engine(t, dir)
	e.Stop = make(chan struct{})
	close(e.Stop)
	nodes, err := e.Project.Select(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), pipeline.Request{Nodes: nodes}); !errors.Is(err, pipeline.ErrInterrupted) {
		t.Fatal(err)
	}
	succeeded(t, replay(t, engine(t, dir), "erp.customers"))
	r := run(t, engine(t, dir))
	succeeded(t, r)
	if !r.Resumed {
		t.Error("the run was not resumed")
	}
}

// TestReplayAfterTheColumnsChanged: rows enter the table as it is now, and those with a value that has no place in it stay.
func TestReplayAfterTheColumnsChanged(t *testing.T) {
	const model = "{{ config(materialized='table') }} select 1 as id, 'a' as code, 'x' as old union all select -2, CODE, 'y'"
	check := "models:\n  - name: m\n    checks: [ { range: { column: id, min: 0, severity: quarantine, error_if: '> 90%' } } ]\n"
	for name, c := range map[string]struct{ code, next, stays string }{
		"a value of the new type":  {"'7'", "select 1 as id, 5 as code, 'x' as old", ""},
		"no value of the new type": {"'7.5'", "select 1 as id, 5 as code, 'x' as old", "1 rows stay in quarantine: their value in column \"code\" is no INTEGER"},
		"a column that is gone":    {"'7'", "select 1 as id, 'a' as code", "1 rows stay in quarantine: they have a value in column \"old\", which main.m has not"},
		"a column that is new":     {"'7'", "select 1 as id, 'a' as code, 'x' as old, 3 as new", ""},
		"a row that fits beside":   {"'7.5', 'y' union all select -3, '8'", "select 1 as id, 5 as code, 'x' as old", "1 rows stay in quarantine: their value in column \"code\" is no INTEGER"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, map[string]string{"millrace.yml": "name: shop\n", "models/m.sql": strings.Replace(model, "CODE", c.code, 1), "models/m.yml": check})
			succeeded(t, run(t, engine(t, dir)))
			write(t, dir, map[string]string{"models/m.sql": "{{ config(materialized='table') }} " + c.next, "models/m.yml": strings.Replace(check, "0", "-9", 1)})
			succeeded(t, run(t, engine(t, dir)))
			e := engine(t, dir)
			stayed := "SELECT * FROM main.m__quarantine WHERE id = -2"
			before := fmt.Sprint(query(t, e, stayed))
			if c.stays != "" && !strings.Contains(c.code, "select") {
				_, err := e.Replay(t.Context(), pipeline.ReplayRequest{Node: e.Project.Node("main.m")})
				var refusal *pipeline.RefusedError
				if !errors.As(err, &refusal) {
					t.Fatalf("%v", err)
				}
				mentions(t, err.Error()+refusal.Hint(), "none of the rows can be replayed", c.stays, "rejects export main.m --all")
				return
			}
			r := replay(t, e, "main.m")
			succeeded(t, r)
			s := step(t, r, "main.m")
			mentions(t, strings.Join(s.Notes, "\n"), c.stays)
			if got := closed(t, s, "replayed passed quarantined"); fmt.Sprint(got) != "[1 1 0]" {
				t.Errorf("%v", got)
			}
			want, left := "[[-2 7]]", "[]"
			if c.stays != "" {
				want, left = "[[-3 8]]", before
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, code FROM main.m WHERE id < 0")); got != want {
				t.Errorf("%s", got)
			}
			if got := fmt.Sprint(query(t, e, stayed)); got != left {
				t.Errorf("quarantined %s, want %s", got, left)
			}
		})
	}
}

// TestReplayUnderAContract: rows that the contract kept out for their type stay, whatever else is replayed, until a file corrects
// them; and what the contract discards is dropped as a run drops it.
func TestReplayUnderAContract(t *testing.T) {
	const contract = "contract: { extra: discard, columns: [ { name: id, type: INTEGER }, { name: amount, type: 'DECIMAL(6,2)' }, { name: at, type: BIGINT } ], severity: quarantine }, checks: [ { range: { column: at, min: MIN, severity: quarantine } } ],"
	const came = "id: BIGINT, amount: 'DECIMAL(10,4)', at: BIGINT, more: VARCHAR"
	for _, mode := range []string{"full", "append", "incremental"} {
		t.Run(mode, func(t *testing.T) {
			yml := func(min string) map[string]string {
				return map[string]string{"millrace.yml": drifting(mode, strings.Replace(contract, "MIN", min, 1), came)}
			}
			dir := project(t, yml("0"))
			write(t, dir, map[string]string{"orders1.csv": manyOrders("id,amount,at,more", "%d,3.25,%d,m", "1,1,-1,m", "3000000000,1,2,m", "2,0.005,-3,m")})
			succeeded(t, run(t, engine(t, dir)))
			write(t, dir, yml("-9"))
			e := engine(t, dir)
			r := replay(t, e, "erp.orders")
			succeeded(t, r)
			mentions(t, strings.Join(step(t, r, "erp.orders").Notes, "\n"), `1 rows stay in quarantine: their value in column "id" is no INTEGER`, `1 rows stay in quarantine: their value in column "amount" is no DECIMAL(6,2)`)
			if got := fmt.Sprint(query(t, e, `SELECT id FROM erp.orders WHERE "at" < 10 ORDER BY id`)); got != "[[1]]" {
				t.Errorf("published %s", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, amount::VARCHAR, more FROM erp.orders__quarantine ORDER BY id")); got != "[[2 0.0050 m] [3000000000 1.0000 m]]" {
				t.Errorf("quarantined %s", got)
			}
			var refusal *pipeline.RefusedError
			if _, err := e.Replay(t.Context(), pipeline.ReplayRequest{Node: e.Project.Node("erp.orders")}); !errors.As(err, &refusal) {
				t.Fatalf("%v", err)
			}
			ids := query(t, e, "SELECT _quarantined_id FROM erp.orders__quarantine ORDER BY id")
			write(t, dir, map[string]string{"bad.csv": fmt.Sprintf("_quarantined_id,amount,more\n%s,0.05,m\n%s,1.00,m\n", ids[0][0], ids[1][0])})
			r = replay(t, e, "erp.orders", func(r *pipeline.ReplayRequest) { r.File = filepath.Join(dir, "bad.csv") })
			succeeded(t, r)
			if got := closed(t, step(t, r, "erp.orders"), "file replayed gone unfit"); fmt.Sprint(got) != "[2 1 0 1]" {
				t.Errorf("%v", got)
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, amount::VARCHAR FROM erp.orders WHERE id = 2")); got != "[[2 0.05]]" {
				t.Errorf("published %s", got)
			}
		})
	}
}

// TestReplayUnderAPolicy: a row with a value in a column that the table has not stays; the others of its delivery come in.
func TestReplayUnderAPolicy(t *testing.T) {
	const yml = "on_schema_change: quarantine, checks: [ { range: { column: at, min: 0, severity: quarantine } } ],"
	dir := project(t, map[string]string{"millrace.yml": drifting("append", yml, "id: BIGINT, at: BIGINT"), "orders1.csv": "id,at\n1,1\n"})
	succeeded(t, run(t, engine(t, dir)))
	deliverOrders(t, dir, "orders2.csv", manyOrders("id,at,extra", "%d,%d,", "2,-2,", "3,3,new"))
	write(t, dir, map[string]string{"millrace.yml": drifting("append", yml, "id: BIGINT, at: BIGINT, extra: VARCHAR")})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"millrace.yml": drifting("append", strings.Replace(yml, "min: 0", "min: -9", 1), "id: BIGINT, at: BIGINT, extra: VARCHAR")})
	e := engine(t, dir)
	r := replay(t, e, "erp.orders")
	succeeded(t, r)
	mentions(t, strings.Join(step(t, r, "erp.orders").Notes, "\n"), `1 rows stay in quarantine: they have a value in column "extra", which erp.orders has not`)
	if got := fmt.Sprint(query(t, e, "SELECT (SELECT count(*) FROM erp.orders WHERE id = 2), (SELECT max(id) FROM erp.orders__quarantine)")); got != "[[1 3]]" {
		t.Errorf("%s", got)
	}
}

// TestReplayRefusals: what cannot be replayed is told with its cause, and leaves no run behind.
func TestReplayRefusals(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("append", quarantining), "customers.csv": customers})
	first := run(t, engine(t, dir))
	succeeded(t, first)
	write(t, dir, map[string]string{"millrace.yml": strings.Replace(shop("append", quarantining+", { row_count: { max: 1 } }"), "customers.csv", "more.csv", 1), "more.csv": customers})
	failed := run(t, engine(t, dir), func(r *pipeline.Request) { r.FullRefresh = true })
	if *failed.Run.ExitCode != pipeline.ExitChecks {
		t.Fatalf("exit code %d", *failed.Run.ExitCode)
	}
	write(t, dir, map[string]string{"millrace.yml": shop("append", relaxed)})
	e := engine(t, dir)
	refused := func(req pipeline.ReplayRequest, words ...string) {
		t.Helper()
		req.Node = e.Project.Node("erp.customers")
		_, err := e.Replay(t.Context(), req)
		var refusal *pipeline.RefusedError
		if !errors.As(err, &refusal) {
			t.Fatalf("%v", err)
		}
		mentions(t, err.Error()+refusal.Hint(), words...)
	}
	refused(pipeline.ReplayRequest{Run: failed.Run.ID}, "published nothing of erp.customers")
	refused(pipeline.ReplayRequest{Rule: "uniqe_email"}, `did you mean "unique_email"?`, "not_null_email")
	succeeded(t, replay(t, e, "erp.customers", func(r *pipeline.ReplayRequest) { r.Run, r.Rule = first.Run.ID[:20], "unique_email" }))
	refused(pipeline.ReplayRequest{Run: first.Run.ID, Rule: "unique_email"}, `failed "unique_email"`)
	write(t, dir, map[string]string{"millrace.yml": shop("full", relaxed)})
	e = engine(t, dir)
	refused(pipeline.ReplayRequest{}, "was made with mode append", "millrace run erp.customers first")
	write(t, dir, map[string]string{"millrace.yml": shop("append", "{ row_count: { min: 1 } }")})
	e = engine(t, dir)
	last := replay(t, e, "erp.customers")
	succeeded(t, last)
	refused(pipeline.ReplayRequest{Run: first.Run.ID}, "in the quarantine no more")
	runs, err := e.Journal.Runs(t.Context(), journal.Filter{})
	if err != nil || runs[0].ID != last.Run.ID {
		t.Errorf("%v %v", runs, err)
	}
}

// TestRetryAfterReplay: what a run has published is not built once more because rows were replayed into it since.
func TestRetryAfterReplay(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: shop\n", "models/m.yml": atLeast("0"),
		"models/m.sql": "{{ config(materialized='incremental') }} select 1 as id, 5 as amount union all select 3, -3"})
	write(t, dir, map[string]string{"models/other.sql": "{{ config(materialized='table') }} select error('broken') as e"})
	partial := run(t, engine(t, dir))
	if partial.Run.Status != journal.Partial {
		t.Fatalf("%s: %s", partial.Run.Status, partial.Run.Error)
	}
	write(t, dir, map[string]string{"models/m.yml": atLeast("-9"), "models/other.sql": "{{ config(materialized='table') }} select 1 as e"})
	succeeded(t, replay(t, engine(t, dir), "main.m"))
	e := engine(t, dir)
	r, err := e.Retry(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	succeeded(t, r)
	if r.Run.ID != partial.Run.ID {
		t.Errorf("run %s was retried", r.Run.ID)
	}
	if got := fmt.Sprint(query(t, e, "SELECT id FROM main.m ORDER BY id")); got != "[[1] [3]]" {
		t.Errorf("%s", got)
	}
}

// TestReplayOfTwoRowsWithOneKey: which of two replayed rows of a model is right, nobody can tell.
func TestReplayOfTwoRowsWithOneKey(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: shop\n", "models/m.yml": atLeast("0")})
	for _, amount := range []string{"-1", "-2"} {
		write(t, dir, map[string]string{"models/m.sql": "{{ config(materialized='incremental', unique_key='id') }} select 1 as id, 5 as amount union all select 3, " + amount})
		succeeded(t, run(t, engine(t, dir)))
	}
	write(t, dir, map[string]string{"models/m.yml": atLeast("-9")})
	e := engine(t, dir)
	r := replay(t, e, "main.m")
	if r.Run.Status != journal.Failed {
		t.Errorf("%s", r.Run.Status)
	}
	mentions(t, step(t, r, "main.m").Error, "repeat the unique_key (id)")
	if got := fmt.Sprint(query(t, e, "SELECT (SELECT count(*) FROM main.m), (SELECT count(*) FROM main.m__quarantine)")); got != "[[1 2]]" {
		t.Errorf("%s", got)
	}
}
