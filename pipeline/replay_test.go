package pipeline_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
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

// TestReplayAfterSeveralNights: a row that was kept out every night comes in once.
func TestReplayAfterSeveralNights(t *testing.T) {
	for _, mode := range []string{"full", "append", "incremental"} {
		dir := project(t, map[string]string{"millrace.yml": shop(mode, quarantining), "customers.csv": customers})
		for range 3 {
			succeeded(t, run(t, engine(t, dir)))
		}
		succeeded(t, run(t, engine(t, dir), func(r *pipeline.Request) { r.FullRefresh = true }))
		write(t, dir, map[string]string{"millrace.yml": shop(mode, relaxed)})
		e := engine(t, dir)
		succeeded(t, replay(t, e, "erp.customers"))
		if got := fmt.Sprint(query(t, e, "SELECT id FROM erp.customers ORDER BY id")); got != "[[1] [3] [4] [5] [6]]" {
			t.Errorf("%s: published %s", mode, got)
		}
		succeeded(t, run(t, e))
		if got := fmt.Sprint(query(t, e, "SELECT id FROM erp.customers__quarantine")); got != "[[2]]" {
			t.Errorf("%s: quarantined after the next run: %s", mode, got)
		}
	}
}

// TestReplayOfWhatIsAskedAgain: a model that asks for what is newer than its own rows gets a quarantined newest row each night. It
// comes in once, though the quarantine has it as often as there were nights.
func TestReplayOfWhatIsAskedAgain(t *testing.T) {
	check := "models:\n  - name: m\n    checks: [ { range: { column: id, max: 2, severity: quarantine, error_if: '> 100%' } } ]\n"
	dir := project(t, map[string]string{"millrace.yml": "name: shop\n", "models/m.yml": check,
		"models/m.sql": "{{ config(materialized='incremental', incremental_strategy='append') }} select i as id, nullif(i, 3) as n from range(4) t(i) {% if is_incremental() %} where i > (select max(id) from {{ this }}) {% endif %}"})
	for range 3 {
		succeeded(t, run(t, engine(t, dir), func(r *pipeline.Request) { r.Rebuild = true }))
	}
	write(t, dir, map[string]string{"models/m.yml": strings.Replace(check, "2", "9", 1)})
	e := engine(t, dir)
	if got := fmt.Sprint(query(t, e, "SELECT count(*), min(id) FROM main.m__quarantine")); got != "[[3 3]]" {
		t.Fatal(got)
	}
	for night := range 2 {
		r := replay(t, e, "main.m")
		succeeded(t, r)
		mentions(t, strings.Join(step(t, r, "main.m").Notes, "\n"), "2 rows stay in quarantine: an equal row is in the table, or was kept out again by a later run")
		if got := fmt.Sprint(query(t, e, "SELECT count(*), count(DISTINCT id) FROM main.m")); got != "[[4 4]]" {
			t.Errorf("replay %d: %s", night, got)
		}
	}
}

// TestReplayHidesNoFailure: status tells of loads. A replay makes no table younger and no failed load forgotten, and a dry run whose
// checks fail makes no table stale.
func TestReplayHidesNoFailure(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("append", quarantining), "customers.csv": customers})
	loaded := run(t, engine(t, dir))
	succeeded(t, loaded)
	status := func() (*pipeline.Status, pipeline.TableStatus) {
		e := engine(t, dir)
		e.Clock = func() time.Time { return loaded.Run.Started.Add(24 * time.Hour) }
		s, err := e.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s, s.Tables[slices.IndexFunc(s.Tables, func(one pipeline.TableStatus) bool { return one.Name == "erp.customers" })]
	}
	write(t, dir, map[string]string{"millrace.yml": shop("append", "{ row_count: { max: 4 } }")})
	if r := replay(t, engine(t, dir), "erp.customers", func(r *pipeline.ReplayRequest) { r.DryRun = true }); *r.Run.ExitCode != pipeline.ExitChecks {
		t.Fatalf("exit code %d", *r.Run.ExitCode)
	}
	if _, one := status(); one.Stale {
		t.Errorf("after a dry run: %v", one.Why)
	}
	write(t, dir, map[string]string{"millrace.yml": shop("append", "{ row_count: { max: 1 } }")})
	failed := run(t, engine(t, dir))
	if *failed.Run.ExitCode != pipeline.ExitChecks {
		t.Fatalf("exit code %d", *failed.Run.ExitCode)
	}
	write(t, dir, map[string]string{"millrace.yml": shop("append", relaxed)})
	e := engine(t, dir)
	e.Clock = func() time.Time { return loaded.Run.Started.Add(23 * time.Hour) }
	succeeded(t, replay(t, e, "erp.customers"))
	s, one := status()
	if !one.Stale || one.AgeSeconds < 23*3600 {
		t.Errorf("%d seconds old: %v", one.AgeSeconds, one.Why)
	}
	if last := s.Pipelines[0].LastRun; last == nil || last.ID != failed.Run.ID {
		t.Errorf("last run: %+v", last)
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

// TestTies: of rows of one key and one cursor, what is read later wins, whatever its values are; a row that is read with another, in one
// run, has no order but the values.
func TestTies(t *testing.T) {
	positive := "{ range: { column: a, min: 0, severity: quarantine, error_if: '> 90%' } }"
	dir := project(t, map[string]string{"in/o_1.csv": "id,a,u\n1,5,2026-01-01\n2,-6,2026-01-02\n", "millrace.yml": `name: tie
sources:
  s:
    type: files
    root: in
    streams:
      - { name: o, path: "o_*.csv", mode: incremental, key: [id], cursor: u, columns: { id: BIGINT, a: INTEGER, u: DATE }, checks: [ ` + positive + " ] }\n"})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	table := warehouse.Name{Schema: "s", Table: "o"}
	for _, c := range []struct{ file, rows, want, terms string }{
		{"o_1.csv", "1,5,2026-01-01\n2,6,2026-01-02\n", "[[1 5] [2 6]]", "[2 1 0 1 0]"},
		{"o_1.csv", "1,5,2026-01-01\n2,3,2026-01-02\n", "[[1 5] [2 3]]", "[2 0 1 1 0]"}, // mended in place, to less
		{"o_2.csv", "2,9,2026-01-02\n", "[[1 5] [2 9]]", "[1 0 1 0 0]"},
		{"o_3.csv", "2,4,2026-01-02\n1,99,2025-12-31\n", "[[1 5] [2 4]]", "[2 0 1 0 1]"}, // an older cursor never wins
		{"o_4.csv", "2,1,2026-01-02\n2,2,2026-01-02\n", "[[1 5] [2 2]]", "[2 0 1 0 1]"},
	} {
		write(t, dir, map[string]string{"in/" + c.file: "id,a,u\n" + c.rows})
		r := run(t, e)
		succeeded(t, r)
		if got := fmt.Sprint(closed(t, step(t, r, "s.o"), "landed inserted updated unchanged superseded")); got != c.terms {
			t.Errorf("%s: %s, want %s", c.file, got, c.terms)
		}
		if got := fmt.Sprint(query(t, e, "SELECT id, a FROM s.o ORDER BY id")); got != c.want {
			t.Errorf("%s: %s, want %s", c.file, got, c.want)
		}
	}
	id := query(t, e, "SELECT _quarantined_id FROM s.o__quarantine")[0][0]
	write(t, dir, map[string]string{"fixed.csv": fmt.Sprintf("_quarantined_id,a\n%v,0\n", id)})
	succeeded(t, replay(t, e, "s.o", func(r *pipeline.ReplayRequest) { r.File = filepath.Join(dir, "fixed.csv") }))
	if got := fmt.Sprint(query(t, e, "SELECT id, a FROM s.o ORDER BY id")); got != "[[1 5] [2 0]]" || manifest(t, e).Table(table).Rows != 2 {
		t.Errorf("after a correction: %s", got)
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
		"delete+insert": {"materialized='incremental', unique_key='id', incremental_strategy='delete+insert'", "[[1 5] [2 7]]", "published 2 = before 2 + inserted 0", "1 rows stay in quarantine: their unique_key (id) is in the table"},
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
			left := "[[3 -3]]"
			if name == "delete+insert" {
				left = "[[2 -2] [3 -3]]"
			}
			if got := fmt.Sprint(query(t, e, "SELECT id, amount FROM main.m__quarantine ORDER BY id")); got != left {
				t.Errorf("quarantined %s", got)
			}
			if !strings.Contains(fmt.Sprint(s.Equations), c.equation) {
				t.Errorf("%v, want %s", s.Equations, c.equation)
			}
			mentions(t, strings.Join(s.Notes, "\n"), c.note)
		})
	}
}

// TestReplayKeepsTheInterruptedRun: a run that was cut off is still there to be resumed after a replay of the same table, with the
// parts that it has landed, and brings nothing in twice.
func TestReplayKeepsTheInterruptedRun(t *testing.T) {
	const stream = "name: p\nsources:\n  g:\n    type: generate\n    streams:\n      - { name: orders, rows: 1000, changes: 3000, generation: GENERATION, page: 1000, mode: append, checks: [ { expression: { expression: id % 100 <> 1, severity: quarantine } } ] }\n"
	generation := func(n string) map[string]string { // the first has 1000 rows, each other 3000 new ones
		return map[string]string{"millrace.yml": strings.Replace(stream, "GENERATION", n, 1)}
	}
	dir := project(t, generation("0"))
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, generation("1"))
	e := engine(t, dir)
	stopsAt(e, 1000)
	if r, err := e.Run(t.Context(), pipeline.Request{Nodes: e.Project.Nodes}); !errors.Is(err, pipeline.ErrInterrupted) {
		t.Fatalf("%+v %v", r.Steps, err)
	}
	runs, err := e.Journal.Runs(t.Context(), journal.Filter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	landed, err := e.Journal.Parts(t.Context(), runs[0].ID, "g.orders")
	if err != nil || len(landed) == 0 || len(landed) == 3 {
		t.Fatalf("%d parts were landed before the stop, %v", len(landed), err)
	}
	succeeded(t, replay(t, engine(t, dir), "g.orders"))
	if plan, err := engine(t, dir).Plan(t.Context(), e.Project.Nodes); err != nil || plan.Pending == nil || plan.Pending.Run != runs[0].ID {
		t.Errorf("a plan says nothing of the interrupted run: %v", err)
	}
	r := run(t, engine(t, dir))
	succeeded(t, r)
	parts, err := e.Journal.Parts(t.Context(), r.Run.ID, "g.orders")
	if err != nil || !r.Resumed || len(parts) != 3 || !parts[0].LandedAt.Equal(landed[0].LandedAt) {
		t.Errorf("resumed: %v, with %v, %v", r.Resumed, parts, err)
	}
	if got := fmt.Sprint(query(t, e, "SELECT (SELECT count(*) FROM g.orders), (SELECT count(DISTINCT id) FROM g.orders), (SELECT count(*) FROM g.orders__quarantine)")); got != "[[3960 3960 40]]" {
		t.Errorf("%s", got)
	}
}

// putBack publishes a quarantine as it was, beside a table that has been replaced since: an older millrace kept it so.
func putBack(t *testing.T, e *pipeline.Engine, q *load.Table) {
	t.Helper()
	if _, err := e.Loader.Publish(t.Context(), load.Publication{Run: "older", Pipeline: q.Pipeline, LogicalTime: q.LogicalTime, Project: e.Project.Name, Tables: []load.Table{*q}}); err != nil {
		t.Fatal(err)
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
			quarantine := manifest(t, engine(t, dir)).Table(warehouse.Name{Schema: "main", Table: "m__quarantine"})
			write(t, dir, map[string]string{"models/m.sql": "{{ config(materialized='table') }} " + c.next, "models/m.yml": strings.Replace(check, "0", "-9", 1)})
			succeeded(t, run(t, engine(t, dir)))
			e := engine(t, dir)
			putBack(t, e, quarantine)
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
			if got := closed(t, step(t, r, "erp.orders"), "file replayed gone stay"); fmt.Sprint(got) != "[2 1 0 1]" {
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

// TestReplayIsNoDelivery: figures of deliveries are neither judged by a replay nor kept of one.
func TestReplayIsNoDelivery(t *testing.T) {
	const figures = ", { volume: { new: true, min_runs: 2 } }, { volume: { name: size, min_runs: 2 } }, { distribution: { column: id, metric: mean, min_runs: 2 } }"
	yml := strings.ReplaceAll(shop("append", quarantining+figures), "customers.csv", "c*.csv")
	dir := project(t, map[string]string{"millrace.yml": yml})
	for night := range 3 {
		write(t, dir, map[string]string{fmt.Sprintf("c%d.csv", night): fmt.Sprintf("id,email,at\n1,a%d@x.de,1\n2,b%[1]d@x.de,1\n3,,1\n", night)})
		succeeded(t, run(t, engine(t, dir)))
	}
	figuresOf := func() (all []check.Metric) {
		for _, name := range []string{"new rows", "rows", "id:mean"} {
			found, err := engine(t, dir).Journal.Metrics(t.Context(), pipeline.TargetOf(engine(t, dir).Project), "erp.customers", name, "", time.Now().Add(time.Hour), 99)
			if err != nil || len(found) == 0 {
				t.Errorf("%s: %v %v", name, found, err)
			}
			all = append(all, found...)
		}
		return all
	}
	before := figuresOf()
	write(t, dir, map[string]string{"millrace.yml": strings.Replace(yml, quarantining+", ", "", 1)})
	r := replay(t, engine(t, dir), "erp.customers")
	succeeded(t, r)
	for _, name := range []string{"volume", "size", "distribution_id"} {
		if c := checked(t, r, "erp.customers", name); c.Message != "not judged: a replay" || c.Status != check.StatusPass {
			t.Errorf("%+v", c)
		}
	}
	if after := figuresOf(); len(after) != len(before) {
		t.Errorf("%d figures became %d", len(before), len(after))
	}
}

// TestReplayTellsOfOlderRows: a replay settles which rules the table is under, and tells which published rows break them.
func TestReplayTellsOfOlderRows(t *testing.T) {
	for _, mode := range []string{"full", "append"} {
		dir := project(t, map[string]string{"millrace.yml": shop(mode, quarantining), "customers.csv": customers})
		succeeded(t, run(t, engine(t, dir)))
		write(t, dir, map[string]string{"millrace.yml": shop(mode, "{ range: { column: id, max: 4, severity: quarantine } }")})
		for range 2 {
			r := replay(t, engine(t, dir), "erp.customers", func(r *pipeline.ReplayRequest) { r.DryRun = true })
			succeeded(t, r)
			mentions(t, strings.Join(step(t, r, "erp.customers").Notes, "\n"), "range_id is new or has changed, and 2 rows that were published before fail it")
		}
	}
}

// TestReplayIsReconciled: rows that were corrected here and not at their source are told by the replay, not by the runs after it.
func TestReplayIsReconciled(t *testing.T) {
	for _, mode := range []string{"full", "append", "incremental"} {
		t.Run(mode, func(t *testing.T) {
			dir := project(t, map[string]string{"millrace.yml": shop(mode, quarantining+", reconcile"), "customers.csv": customers})
			succeeded(t, run(t, engine(t, dir)))
			e := engine(t, dir)
			id := query(t, e, "SELECT _quarantined_id FROM erp.customers__quarantine WHERE id = 2")[0][0]
			file := filepath.Join(dir, "fixed.csv")
			write(t, dir, map[string]string{"fixed.csv": fmt.Sprintf("_quarantined_id,email\n%s,b@x.de\n", id)})
			corrected := func(r *pipeline.ReplayRequest) { r.File = file }
			r := replay(t, e, "erp.customers", corrected)
			if *r.Run.ExitCode != pipeline.ExitChecks {
				t.Fatalf("exit code %d", *r.Run.ExitCode)
			}
			mentions(t, strings.Join(step(t, r, "erp.customers").Notes, "\n"), "correct them there")
			succeeded(t, run(t, engine(t, dir)))
			if mode == "full" {
				return // the next load reads the row as it was corrected at the source
			}
			write(t, dir, map[string]string{"customers.csv": strings.Replace(customers, "2,,2", "2,b@x.de,2", 1)})
			succeeded(t, replay(t, e, "erp.customers", corrected))
		})
	}
}

// TestReplayOfRowsThatCannotMeetTheTable: rows without a key, and those whose key a delete+insert model has or that share one,
// stay in quarantine as they are, and keep no other from coming in.
func TestReplayOfRowsThatCannotMeetTheTable(t *testing.T) {
	for strategy, want := range map[string]string{"merge": "[[[1 5] [2 -2] [4 -4]] [[<nil> -1]]]", "delete+insert": "[[[1 5] [2 -2] [4 -4]] [[1 -3] [3 -5] [3 -6] [<nil> -1]]]"} {
		t.Run(strategy, func(t *testing.T) {
			rows := "select 1 as id, 5 as amount union all select null, -1 union all select 2, -2 union all select 4, -4"
			if strategy == "delete+insert" {
				rows += " union all select 3, -5 union all select 3, -6 union all select 1, -3"
			}
			dir := project(t, map[string]string{"millrace.yml": "name: shop\n", "models/m.yml": atLeast("0"),
				"models/m.sql": "{{ config(materialized='incremental', unique_key='id', incremental_strategy='" + strategy + "') }} " + rows})
			succeeded(t, run(t, engine(t, dir)))
			before := fmt.Sprint(query(t, engine(t, dir), "SELECT _quarantined_id, _quarantined_run FROM main.m__quarantine WHERE id IS NULL"))
			write(t, dir, map[string]string{"models/m.yml": atLeast("-9")})
			e := engine(t, dir)
			r := replay(t, e, "main.m")
			succeeded(t, r)
			got := []any{query(t, e, "SELECT id, amount FROM main.m ORDER BY ALL"), query(t, e, "SELECT id, amount FROM main.m__quarantine ORDER BY id, amount DESC")}
			if fmt.Sprint(got) != want {
				t.Errorf("%v, want %s", got, want)
			}
			if after := fmt.Sprint(query(t, e, "SELECT _quarantined_id, _quarantined_run FROM main.m__quarantine WHERE id IS NULL")); after != before {
				t.Errorf("%s was %s", after, before)
			}
			s := step(t, r, "main.m")
			closed(t, s, "replayed passed")
			mentions(t, strings.Join(s.Notes, "\n"), "1 rows stay in quarantine: they have no key (id)", "millrace rejects export main.m --all")
		})
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
