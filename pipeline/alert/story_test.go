package alert

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// TestNight is a night of failures and recovery, and the exact list of what is told.
func TestNight(t *testing.T) {
	w := newWorld(t)
	w.run("nightly", "erp.orders", "main.fct_orders")
	w.pass(time.Minute)
	w.expect()
	first := w.run("nightly", "erp.orders: connect to \"db.example.org\": timeout after 31 s", "main.fct_orders< erp.orders", "main.dim_customers< main.fct_orders")
	w.pass(2 * time.Minute)
	got := w.got[0].data
	w.expect(`nightly failed: erp.orders: connect to "db.example.org": timeout after 31 s`)
	if got.Node != "erp.orders" || strings.Join(got.Held, " ") != "main.dim_customers main.fct_orders" || got.Command != "millrace retry "+first.ID || !got.First || strings.Join(got.Owners, " ") != "data" {
		t.Errorf("one message for a cascade, with its root, what it kept back, and what to paste: %+v", got)
	}
	// The same cause again: counted. Another number in the text is no other cause.
	for range 4 {
		w.run("nightly", "erp.orders: connect to \"db.example.org\": timeout after 47 s", "main.fct_orders< erp.orders")
		w.pass(30 * time.Minute)
	}
	w.expect()
	if n := len(w.outbox(journal.AlertFilter{State: journal.AlertSuppressed})); n != 4 {
		t.Errorf("%d suppressed", n)
	}
	// Another cause is told at once.
	w.run("nightly", "erp.orders", "main.fct_orders: out of memory")
	w.pass(2 * time.Minute)
	w.expect("nightly failed: main.fct_orders: out of memory")
	// It is told again when the time of repeat is over, with what came since.
	w.run("nightly", "main.fct_orders: out of memory")
	w.pass(4 * time.Hour)
	w.expect()
	w.run("nightly", "main.fct_orders: out of memory")
	w.pass(2 * time.Minute)
	if m := w.got[0].data; m.Untold != 1 || m.Failures != 8 {
		t.Errorf("%d untold of %d failures", m.Untold, m.Failures)
	}
	w.expect("nightly failed: main.fct_orders: out of memory")
	// A run of another pipeline, or of a table that was not at fault, is no recovery.
	w.run("hourly", "main.events")
	w.run("nightly", "erp.customers")
	w.pass(2 * time.Minute)
	w.expect()
	w.run("nightly", "erp.orders", "main.fct_orders", "main.dim_customers")
	w.pass(2 * time.Minute)
	w.expect("nightly works again")
	w.run("nightly", "erp.orders", "main.fct_orders")
	w.pass(24 * time.Hour)
	w.expect()
}

// TestRetryRecovers: a failed run that is retried ends again.
func TestRetryRecovers(t *testing.T) {
	w := newWorld(t)
	r := w.run("nightly", "erp.orders", "main.fct_orders: no space")
	w.pass(2 * time.Minute)
	r.Attempt++
	r.Status, r.Started, r.Finished = journal.Running, w.now, nil
	if err := w.journal.BeginRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	w.end(r, "main.fct_orders")
	w.pass(2 * time.Minute)
	w.expect("nightly failed: main.fct_orders: no space", "nightly works again")
}

// TestChecks: failing checks are told with counts, and no values.
func TestChecks(t *testing.T) {
	w := newWorld(t)
	r := w.begin("nightly", "erp.customers")
	text := "canary-cell@example.org"
	w.checks(r, check.Result{Node: "erp.customers", Name: "not_null_email", Severity: "error", Status: check.StatusFail, Failing: 3, Checked: 1200, Message: "3 rows such as " + text,
		Sample: &check.Sample{Columns: []string{"email"}, Rows: [][]*string{{&text}}}},
		check.Result{Node: "erp.customers", Name: "unique_id", Severity: "error", Status: check.StatusPass, Checked: 1200})
	at := w.now
	step := journal.Step{Run: r.ID, Node: "erp.customers", Kind: "stream", Attempt: 1, Status: journal.ChecksFailed, Started: at, Finished: &at, Error: "1 check failed: " + text}
	if err := w.journal.SaveStep(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	r.Status, r.Finished, r.Error = journal.Failed, &at, "1 of 1 nodes failed or were withheld: erp.customers"
	if err := w.journal.FinishRun(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	body, m := w.got[0].body, w.got[0].data
	w.expect("nightly failed: erp.customers fails 1 of its 2 checks")
	if strings.Contains(body, text) || len(m.Checks) != 1 || m.Checks[0].Failing != 3 || strings.Join(m.Owners, " ") != "crm" || strings.Join(m.Tags, " ") != "pii" {
		t.Errorf("%s", body)
	}
}

// TestRoutes: each condition of a rule, and a channel that two rules lead to gets one message.
func TestRoutes(t *testing.T) {
	for rule, want := range map[string]bool{
		"to: hook": true, "to: hook, pipelines: nightly": true, "to: hook, pipelines: hourly": false, "to: hook, owners: crm": true, "to: hook, owners: [data]": false,
		"to: hook, tags: pii": true, "to: hook, tags: other": false, "to: hook, severity: error": true, "to: hook, severity: [warn, quarantine]": false,
		"to: hook, on: first_failure": true, "to: hook, on: [recovery, late]": false, "to: [hook, hook]": true,
	} {
		w := newWorld(t)
		w.configure("channels: { hook: { type: webhook, url: " + w.server.URL + " }, else: { type: command, command: ['true'] } }, rules: [ { " + rule + " }, { to: else } ]")
		w.run("nightly", "erp.customers: broken")
		w.pass(2 * time.Minute)
		if got := len(w.told()); got != map[bool]int{true: 1}[want] {
			t.Errorf("%s: %d messages", rule, got)
		}
	}
}

// TestFirstFailureOnly: a series is told once, whatever its causes.
func TestFirstFailureOnly(t *testing.T) {
	w := newWorld(t)
	w.configure("channels: { hook: { type: webhook, url: " + w.server.URL + " } }, rules: [ { to: hook, on: first_failure } ]")
	w.run("nightly", "erp.orders: a")
	w.pass(time.Hour)
	w.run("nightly", "erp.customers: b")
	w.pass(9 * time.Hour)
	w.run("nightly", "erp.orders: a")
	w.pass(time.Hour)
	w.expect("nightly failed: erp.orders: a")
}

// TestFlapping: what fails and recovers again and again is told three times, then no more until the time of repeat is over; that it
// works in the end is told.
func TestFlapping(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		w.run("hourly", "main.events: flap")
		w.pass(2 * time.Minute)
		w.run("hourly", "main.events")
		w.pass(2 * time.Minute)
	}
	fails, works := "hourly failed: main.events: flap", "hourly works again"
	if w.got[4].data.Quiet != "2026-03-01 06:01 UTC" {
		t.Errorf("the last message says that it is the last: %+v", w.got[4].data)
	}
	w.expect(fails, works, fails, works, fails)
	w.pass(4 * time.Hour)
	w.expect(works)
	w.run("hourly", "main.events: flap")
	w.pass(2 * time.Minute)
	w.expect(fails)
}

// TestDidNotHappen: tables grow old because no run is there to fail. That is told once, and when they are fresh again.
func TestDidNotHappen(t *testing.T) {
	w := newWorld(t)
	w.pass(0)
	w.overdue = []pipeline.Overdue{{Pipeline: "nightly", Promised: 26 * time.Hour, Oldest: 27 * time.Hour, Tables: []string{"main.fct_orders", "erp.orders"}}}
	for range 10 {
		w.pass(5 * time.Minute)
	}
	w.open() // also over a restart
	w.pass(time.Hour)
	w.expect("nightly is stale: 2 tables are older than 26h")
	w.overdue = nil
	w.pass(5 * time.Minute)
	w.expect("nightly is fresh again")
}

func TestLate(t *testing.T) {
	w := newWorld(t)
	for range 20 { // of 10 minutes each
		r := w.begin("nightly", "erp.orders")
		w.now = w.now.Add(9 * time.Minute)
		w.end(r, "erp.orders")
	}
	w.begin("nightly", "erp.orders")
	w.begin("hourly", "main.events") // it has no history
	w.pass(19 * time.Minute)
	w.expect()
	w.pass(2 * time.Minute)
	w.pass(2 * time.Hour)
	w.expect("nightly is late: it has run for 21m, and mostly takes no more than 10m")

	f, err := w.journal.AddFiring(t.Context(), journal.Firing{ID: "f1", Pipeline: "hourly", LogicalTime: w.now, Trigger: journal.TriggerSchedule, State: journal.FiringWaiting, Reason: "waits for nightly of 2026-03-01", Due: w.now, Created: w.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.journal.AddFiring(t.Context(), journal.Firing{ID: "f2", Pipeline: "hourly", LogicalTime: start, Trigger: journal.TriggerBackfill, State: journal.FiringWaiting, Due: w.now, Created: w.now}); err != nil {
		t.Fatal(err)
	}
	w.pass(14 * time.Minute)
	w.expect()
	w.pass(2 * time.Minute)
	w.pass(2 * time.Minute)
	if text := w.got[0].data.Text; text != "waits for nightly of 2026-03-01" {
		t.Error(text)
	}
	w.expect("hourly is late: it should have started at " + clockText(f.Due))
}

// TestGone: a process that was killed tells nothing by itself.
func TestGone(t *testing.T) {
	w := newWorld(t)
	r := w.begin("nightly", "erp.orders")
	w.pass(time.Minute)
	w.gone[r.ID] = true
	w.pass(time.Minute)
	w.pass(time.Minute)
	w.expect("nightly failed: its process ended without a word: killed, out of memory, or with the machine")
	w.gone[r.ID] = false
	w.end(r, "erp.orders")
	w.run("nightly", "erp.orders")
	w.pass(2 * time.Minute)
	w.expect("nightly works again")
}

// TestFirings: a scheduled run that is tried again is told when its firing is over, and one that was cancelled is not told.
func TestFirings(t *testing.T) {
	w := newWorld(t)
	fire := func(id string) journal.Firing {
		f, err := w.journal.AddFiring(t.Context(), journal.Firing{ID: id, Pipeline: "nightly", LogicalTime: w.now, State: journal.FiringStarted, Due: w.now, Created: w.now, Trigger: journal.TriggerSchedule})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	over := func(f journal.Firing, state journal.FiringState) {
		at := w.now
		f.State, f.Finished = state, &at
		if err := w.journal.SaveFiring(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	f := fire("f1")
	r := w.begin("nightly", "erp.orders")
	r.Firing = f.ID
	if _, err := w.journal.ExactRun(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	r2 := r
	r2.ID, f.Run = r.ID+"f", r.ID+"f"
	if err := w.journal.BeginRun(t.Context(), r2); err != nil {
		t.Fatal(err)
	}
	w.end(r, "erp.orders") // the run of a command, beside it
	w.end(r2, "erp.orders: reset by peer")
	w.pass(2 * time.Minute)
	w.expect()
	over(f, journal.FiringFailed)
	w.pass(time.Minute)
	w.expect("nightly failed: erp.orders: reset by peer")
	over(fire("f2"), journal.FiringCancelled)
	w.pass(time.Minute)
	w.expect()
	f = fire("f3")
	f.Reason = "the worker did not start: no such file"
	over(f, journal.FiringFailed)
	w.pass(time.Minute)
	w.expect("nightly failed: the worker did not start: no such file")
}

// TestKilledWorker: a scheduled run whose worker is killed is told by its firing, once; a retry of it that is killed as well is another.
func TestKilledWorker(t *testing.T) {
	w := newWorld(t)
	f := journal.Firing{ID: "f1", Pipeline: "nightly", LogicalTime: w.now, Trigger: journal.TriggerSchedule, State: journal.FiringStarted, Due: w.now, Created: w.now}
	if _, err := w.journal.AddFiring(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	r := journal.Run{ID: "r1", Pipeline: "nightly", LogicalTime: w.now, Attempt: 1, Status: journal.Running, Started: w.now, Trigger: f.Trigger, Firing: f.ID}
	if err := w.journal.BeginRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	w.gone[r.ID] = true
	w.pass(time.Minute)
	w.expect()
	at := w.now
	f.State, f.Run, f.Finished, f.Reason = journal.FiringFailed, r.ID, &at, "failed: signal: killed"
	if err := w.journal.SaveFiring(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.open()
	w.pass(time.Minute)
	if len(w.got) != 1 || w.got[0].data.Attempt != 1 || w.got[0].data.Run != r.ID {
		t.Errorf("%+v", w.got)
	}
	w.expect("nightly failed: signal: killed")
	r.Attempt = 2
	step := journal.Step{Run: r.ID, Node: "erp.orders", Kind: "stream", Attempt: 2, Status: journal.Running, Started: w.now}
	if err := errors.Join(w.journal.BeginRun(t.Context(), r), w.journal.SaveStep(t.Context(), step)); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.expect("nightly failed: its process ended without a word: killed, out of memory, or with the machine")
}

// TestRetriedBeforeItWasTold: a run that failed and is under way again is told when it ends, by what it has come to then.
func TestRetriedBeforeItWasTold(t *testing.T) {
	for name, c := range map[string]struct{ step, told string }{
		"in vain":      {"erp.orders: out of memory", "nightly failed: erp.orders: out of memory"},
		"with success": {"erp.orders", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			f := journal.Firing{ID: "f1", Pipeline: "nightly", LogicalTime: w.now, Trigger: journal.TriggerSchedule, State: journal.FiringStarted, Due: w.now, Created: w.now}
			if _, err := w.journal.AddFiring(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			r := journal.Run{ID: "r1", Pipeline: "nightly", LogicalTime: w.now, Attempt: 1, Status: journal.Running, Started: w.now, Trigger: f.Trigger, Firing: f.ID,
				Selection: journal.Selection{Nodes: []string{"erp.orders"}, Target: w.target}}
			if err := w.journal.BeginRun(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			r = w.end(r, "erp.orders: disk full")
			f.State, f.Run, f.Finished = journal.FiringFailed, r.ID, r.Finished
			w.now = w.now.Add(2 * time.Minute)
			again := w.now
			r.Attempt, r.Resumed, r.Status, r.Finished, r.Error = 2, &again, journal.Running, nil, ""
			if err := errors.Join(w.journal.SaveFiring(t.Context(), f), w.journal.BeginRun(t.Context(), r)); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Second)
			w.expect()
			w.end(r, c.step)
			w.pass(2 * time.Minute)
			if c.told == "" {
				w.expect()
			} else {
				w.expect(c.told)
			}
		})
	}
}

// TestBackfill: reading the past again neither ends a failure of the present, nor begins one, and each pipeline's backfills are a story of
// their own, which is over when the last is given up.
func TestBackfill(t *testing.T) {
	w := newWorld(t)
	backfill := func(pl string, steps ...string) journal.Run {
		t.Helper()
		r := w.begin(pl, nodesIn(steps)...)
		r.ID, r.Trigger, r.Selection.Backfill = r.ID+"b", journal.TriggerBackfill, &journal.Backfill{From: "2020-01-01", To: "2020-01-02"}
		if err := w.journal.BeginRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		r = w.end(r, steps...)
		w.pass(2 * time.Minute)
		return r
	}
	w.run("nightly", "erp.orders: out of memory")
	w.pass(2 * time.Minute)
	backfill("nightly", "erp.orders")
	w.expect("nightly failed: erp.orders: out of memory")
	backfill("nightly", "erp.orders: out of memory")
	w.expect("a backfill of nightly failed: erp.orders: out of memory")
	w.run("nightly", "erp.orders")
	w.pass(2 * time.Minute)
	w.expect("nightly works again")
	backfill("nightly", "erp.orders")
	w.expect("a backfill of nightly works again")

	backfill("nightly", "erp.orders: out of memory")
	left := backfill("hourly", "crm.people: out of memory")
	w.expect("a backfill of nightly failed: erp.orders: out of memory", "a backfill of hourly failed: crm.people: out of memory")
	if err := w.journal.SetRunStatus(t.Context(), left.ID, journal.Abandoned, "given up", w.now); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	backfill("hourly", "crm.people")
	w.expect()
	backfill("nightly", "erp.orders")
	w.expect("a backfill of nightly works again")
}

// TestAnotherTarget: what becomes of runs for another target than that of the alerts is told to nobody, and ends nothing.
func TestAnotherTarget(t *testing.T) {
	w := newWorld(t)
	dev := func(step string) {
		t.Helper()
		r := w.begin("nightly", "erp.orders")
		r.ID, r.Selection.Target = r.ID+"d", "dev"
		if err := w.journal.BeginRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.gone[r.ID] = step == ""
		if step != "" {
			w.end(r, step)
		}
		w.pass(2 * time.Minute)
	}
	w.pass(0)
	if err := w.journal.AddEvent(t.Context(), journal.Event{At: w.now, Kind: journal.EventRunUnstarted, Pipeline: "nightly", Target: "dev", Text: "permission denied"}); err != nil {
		t.Fatal(err)
	}
	dev("erp.orders: out of memory")
	dev("")
	w.expect()
	w.run("nightly", "erp.orders: out of memory")
	w.pass(2 * time.Minute)
	w.expect("nightly failed: erp.orders: out of memory")
	dev("erp.orders")
	w.expect()
	w.run("nightly", "erp.orders")
	w.pass(2 * time.Minute)
	w.expect("nightly works again")

	w.project.DefaultTarget = "prod" // and serve --target local
	w.run("nightly", "erp.orders: out of memory")
	w.pass(2 * time.Minute)
	if got := w.got[len(w.got)-1].data; !strings.HasSuffix(got.Command, " --target local") {
		t.Errorf("a command that works on another target: %q", got.Command)
	}
}

// TestTargetsAreApart: whoever tells of another target than the project's own passes nothing over that the own one has to tell.
func TestTargetsAreApart(t *testing.T) {
	w := newWorld(t)
	own, other := *w.project, *w.project
	own.DefaultTarget, own.Target, other.DefaultTarget = "prod", nil, "prod"
	w.project = &own
	w.pass(0)
	w.target = "prod"
	w.run("nightly", "erp.orders: down")
	w.target = "local"
	w.run("nightly", "erp.orders: out of memory")
	w.project = &other
	w.pass(2 * time.Minute)
	w.expect("nightly failed: erp.orders: out of memory")
	w.project = &own
	w.pass(24 * time.Hour)
	w.expect("nightly failed: erp.orders: down")
	w.run("nightly", "erp.orders")
	w.pass(2 * time.Minute)
	w.expect()
	w.open()
	w.project = &other
	w.pass(2 * time.Minute)
	w.expect("nightly works again")
}

func TestPausedAndRefused(t *testing.T) {
	w := newWorld(t)
	w.pass(0)
	for _, p := range []journal.Pause{{Pipeline: "nightly", Since: w.now, Reason: "3 scheduled runs in a row failed"}, {Pipeline: "hourly", Since: w.now, By: "ann", Reason: "holidays"}} {
		if err := w.journal.Pause(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.journal.AddEvent(t.Context(), journal.Event{At: w.now, Kind: journal.EventReloadRefused, Text: "millrace.yml:3:1: unknown key \"nmae\""}); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.pass(time.Hour)
	if text := w.got[1].data.Text; text != "millrace.yml:3:1: unknown key \"nmae\"" {
		t.Error(text)
	}
	w.expect("nightly is paused", "shop: the changed project was refused")
	for _, kind := range []string{journal.EventReloadRefused, journal.EventReload, journal.EventReload} { // saved once more with a mistake, and mended
		if err := w.journal.AddEvent(t.Context(), journal.Event{At: w.now, Kind: kind, Text: "another"}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
	}
	w.expect("shop: the project's files are in order again")
}

// TestDowntime: what happened while nobody looked is told when somebody does; what happened long before anybody ever looked is not.
func TestDowntime(t *testing.T) {
	w := newWorld(t)
	w.run("hourly", "main.events: long ago")
	w.now = w.now.Add(3 * time.Hour)
	w.run("nightly", "erp.orders: a moment ago")
	w.pass(time.Minute)
	w.expect("nightly failed: erp.orders: a moment ago")
	w.now = w.now.Add(48 * time.Hour)
	w.run("hourly", "main.events: while away")
	w.now = w.now.Add(48 * time.Hour)
	w.open()
	w.pass(time.Minute)
	w.expect("hourly failed: main.events: while away")
}

// TestClockSetBack: what was noted in the future that was holds nothing up.
func TestClockSetBack(t *testing.T) {
	w := newWorld(t)
	w.now = start.Add(1000 * time.Hour)
	for range mostFlips + 1 {
		w.run("hourly", "main.events: flap")
		w.pass(time.Minute)
		w.run("hourly", "main.events")
		w.pass(time.Minute)
	}
	w.run("nightly", "erp.orders: down")
	w.pass(time.Minute)
	w.told()
	w.now = start
	w.run("nightly", "erp.orders: down")
	w.run("hourly", "main.events: flap")
	w.pass(2 * time.Minute)
	w.expect("nightly failed: erp.orders: down", "hourly failed: main.events: flap")
}

// TestTurnedOnAgain: what happened while the project told nobody is not told when it does again, but for the last hour.
func TestTurnedOnAgain(t *testing.T) {
	w := newWorld(t)
	w.run("hourly", "main.events: before")
	w.pass(2 * time.Minute)
	w.expect("hourly failed: main.events: before")
	with := w.project
	without := *with
	without.Alerts = nil
	w.project = &without
	w.pass(time.Minute)
	w.run("hourly", "main.events")
	w.run("nightly", "erp.orders: in between")
	w.pass(3 * time.Hour)
	w.run("nightly", "erp.orders: a moment ago")
	w.project = with
	w.pass(2 * time.Minute)
	w.expect("nightly failed: erp.orders: a moment ago")
}

// TestThousandAtOnce: people get one message, machines get each.
func TestThousandAtOnce(t *testing.T) {
	w := newWorld(t)
	w.configure("channels: { hook: { type: webhook, url: " + w.server.URL + "/hook }, slack: { type: slack, url: " + w.server.URL + "/slack } }")
	for i := range 1000 {
		w.run(fmt.Sprintf("p%04d", i), "erp.orders: down")
	}
	w.pass(2 * time.Minute)
	var slack []string
	for _, d := range w.got {
		if d.path == "/slack" {
			slack = append(slack, d.body)
		}
	}
	if len(slack) != 1 || !strings.Contains(slack[0], "1000 pipelines failed") || !strings.Contains(slack[0], "and 980 more") {
		t.Errorf("%d messages to people: %.300s", len(slack), slack)
	}
	if n := len(w.got) - len(slack); n != perMinuteM {
		t.Errorf("%d messages to the machine in one minute", n)
	}
	for range 10 {
		w.pass(61 * time.Second)
	}
	if n := len(w.got) - 1; n != 1000 {
		t.Errorf("%d messages to the machine in the end", n)
	}
}

// TestDownForHours: an endpoint that is down gets each message once when it is back, in order.
func TestDownForHours(t *testing.T) {
	w := newWorld(t)
	w.answer = func(res http.ResponseWriter, _ *http.Request) { res.WriteHeader(http.StatusBadGateway) }
	w.run("nightly", "erp.orders: down")
	for range 36 {
		w.pass(5 * time.Minute)
	}
	w.run("nightly", "erp.orders")
	w.pass(time.Minute)
	w.mu.Lock()
	w.answer = nil
	w.mu.Unlock()
	w.pass(time.Hour)
	w.pass(time.Minute)
	w.expect("nightly failed: erp.orders: down", "nightly works again")
	if tries := w.outbox(journal.AlertFilter{})[1].Tries; tries < 5 || tries > 20 {
		t.Errorf("%d tries in three hours", tries)
	}
}

// TestBlind: a target that cannot be read keeps nothing else from being told.
func TestBlind(t *testing.T) {
	w := newWorld(t)
	w.alerter.Overdue = func(context.Context, time.Time) ([]pipeline.Overdue, error) {
		return nil, errors.New("the target is damaged")
	}
	w.run("nightly", "erp.orders: the target is damaged")
	w.now = w.now.Add(2 * time.Minute)
	if err := w.alerter.Settle(t.Context()); err == nil || !strings.Contains(err.Error(), "the target is damaged") {
		t.Error(err)
	}
	w.expect("nightly failed: erp.orders: the target is damaged")
}

// TestUnstarted: a run that could not even begin left nothing but a line in the audit log.
func TestUnstarted(t *testing.T) {
	w := newWorld(t)
	w.pass(0)
	for range 3 {
		if err := w.journal.AddEvent(t.Context(), journal.Event{At: w.now, Kind: journal.EventRunUnstarted, Pipeline: "nightly", Text: "prepare target: permission denied"}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
	}
	w.run("nightly", "erp.orders")
	w.pass(2 * time.Minute)
	w.expect("nightly could not begin: prepare target: permission denied", "nightly works again")
}

// TestUnstartedTogether: what could not begin for several pipelines at once is over when each of them has run, in whichever runs.
func TestUnstartedTogether(t *testing.T) {
	w := newWorld(t)
	w.pass(0)
	if err := w.journal.AddEvent(t.Context(), journal.Event{At: w.now, Kind: journal.EventRunUnstarted, Pipeline: "hourly+nightly", Text: "permission denied"}); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.expect("hourly+nightly could not begin: permission denied")
	w.run("nightly", "erp.orders")
	w.run("hourly", "main.events: down")
	w.pass(2 * time.Minute)
	w.expect("hourly failed: main.events: down")
	w.run("hourly", "main.events")
	w.pass(2 * time.Minute)
	w.expect("hourly works again", "hourly+nightly works again")
}

// TestByHand: what somebody does to the state is told to nobody, and ends nothing.
func TestByHand(t *testing.T) {
	w := newWorld(t)
	w.run("nightly", "erp.orders: down")
	w.pass(2 * time.Minute)
	w.told()
	for _, step := range []string{"erp.orders", "erp.orders: overtaken"} {
		r := journal.Run{ID: "state-" + step, Pipeline: "nightly", LogicalTime: w.now, Attempt: 1, Status: journal.Running, Started: w.now, Selection: journal.Selection{Target: "local", ByHand: true}}
		if err := w.journal.BeginRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.end(r, step)
		w.pass(2 * time.Minute)
	}
	w.expect()
}

// TestTwoAtOnce: what ends while another process delivers is told by that one, also when its time is over.
func TestTwoAtOnce(t *testing.T) {
	w := newWorld(t)
	first := w.alerter
	w.alerter = nil // it keeps its lock
	w.open()
	second := w.alerter
	var once sync.Once
	w.answer = func(http.ResponseWriter, *http.Request) {
		once.Do(func() {
			w.run("nightly", "erp.orders: down")
			if err := second.Settle(t.Context()); err != nil || len(w.outbox(journal.AlertFilter{})) != 1 {
				t.Error("the second leaves it to the first", err)
			}
		})
	}
	w.run("hourly", "main.events: down")
	w.now = w.now.Add(2 * time.Minute)
	if err := first.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := w.outbox(journal.AlertFilter{State: journal.AlertDelivered}); len(all) != 2 {
		t.Errorf("%+v", all)
	}
	if first.lock != nil {
		t.Error("the lock is kept")
	}
}

// TestKilledClaim: a run that has claimed the firing of its time, as Airflow's do, tells of itself where nothing schedules; a scheduler
// takes up one that was killed, and its end tells.
func TestKilledClaim(t *testing.T) {
	for _, alone := range []bool{true, false} {
		w := newWorld(t)
		w.alone = alone
		f := journal.Firing{ID: "f1", Pipeline: "nightly", LogicalTime: w.now, Trigger: journal.TriggerCommand, State: journal.FiringStarted, Run: "r1", Due: w.now, Created: w.now}
		if _, err := w.journal.AddFiring(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		r := journal.Run{ID: "r1", Pipeline: "nightly", LogicalTime: w.now, Attempt: 1, Status: journal.Running, Started: w.now, Firing: f.ID,
			Selection: journal.Selection{Nodes: []string{"erp.orders", "main.stg_orders"}}}
		if err := w.journal.BeginRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.gone[r.ID] = true
		w.pass(time.Minute)
		if told := w.told(); len(told) == 1 != alone {
			t.Errorf("alone %v: %q", alone, told)
		}
		w.gone[r.ID] = false
		r.Attempt = 2
		if err := w.journal.BeginRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.end(r, "erp.orders")
		at := w.now
		f.State, f.Finished = journal.FiringSucceeded, &at
		if err := w.journal.SaveFiring(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Minute)
		if told := w.told(); len(told) == 1 != alone {
			t.Errorf("alone %v, recovered: %q", alone, told)
		}
		// One that somebody stopped is told to nobody.
		r.Status = journal.Interrupted
		f.State, f.Reason = journal.FiringFailed, "run r1 was interrupted"
		if err := errors.Join(w.journal.FinishRun(t.Context(), r, nil), w.journal.SaveFiring(t.Context(), f)); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		w.expect()
	}
}

// TestLeftThePipeline: a node that fails and is taken out of its pipeline keeps no failure open, and neither does one that has no steps.
func TestLeftThePipeline(t *testing.T) {
	w := newWorld(t)
	w.run("nightly", "erp.orders", "main.fct_orders: broken", "main.dim_customers< main.fct_orders")
	r := w.begin("hourly", "main.events", "main.stg_orders")
	at := w.now
	r.Status, r.Finished, r.Error = journal.Failed, &at, "publish: no space"
	if err := w.journal.FinishRun(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	w.pass(2 * time.Minute)
	w.expect("nightly failed: main.fct_orders: broken", "hourly failed: publish: no space")
	w.project.Node("main.fct_orders").Pipeline = ""
	w.run("nightly", "erp.orders", "main.dim_customers")
	w.run("hourly", "main.events")
	w.pass(2 * time.Minute)
	w.expect("nightly works again", "hourly works again")
}

// TestAllHaveSucceeded: another failure takes nothing off what has to succeed before all is well.
func TestAllHaveSucceeded(t *testing.T) {
	w := newWorld(t)
	w.run("nightly", "erp.orders: bad", "main.fct_orders: bad")
	w.run("nightly", "erp.orders", "erp.customers: typo")
	w.run("nightly", "erp.customers")
	w.pass(2 * time.Minute)
	w.expect("nightly failed: erp.orders: bad", "nightly failed: erp.customers: typo")
	w.run("nightly", "main.fct_orders")
	w.pass(2 * time.Minute)
	w.expect("nightly works again")
}

// TestCausesInTurn: each of several causes is told once in the time of repeat, also of a pipeline that flaps.
func TestCausesInTurn(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.run("nightly", []string{"erp.orders: timeout", "erp.customers: timeout"}[i%2])
		w.pass(5 * time.Minute)
	}
	w.expect("nightly failed: erp.orders: timeout", "nightly failed: erp.customers: timeout")
	w = newWorld(t)
	for range 4 {
		w.run("nightly", "erp.orders: timeout")
		w.pass(5 * time.Minute)
		w.run("nightly", "erp.orders")
		w.pass(5 * time.Minute)
	}
	w.told()
	w.run("nightly", "erp.orders", "main.fct_orders: out of disk")
	w.pass(5 * time.Minute)
	w.expect("nightly failed: main.fct_orders: out of disk")
}

// TestFirstOfAnOwner: a series begins for a rule with the first failure that its conditions hold for.
func TestFirstOfAnOwner(t *testing.T) {
	w := newWorld(t)
	w.configure("channels: { hook: { type: webhook, url: " + w.server.URL + " } }, rules: [ { to: hook, on: first_failure, owners: [crm] } ]")
	for range 2 {
		w.run("nightly", "erp.orders: timeout", "erp.customers")
		w.pass(24 * time.Hour)
	}
	w.expect()
	w.run("nightly", "erp.orders: timeout", "erp.customers: gone")
	w.pass(24 * time.Hour)
	w.expect("nightly failed: erp.customers: gone")
	w.run("nightly", "erp.orders", "erp.customers: gone")
	w.pass(24 * time.Hour)
	w.expect()
}

// TestStaleLater: tables that grow old after others are told: at once where nobody who answers for them was told, and together after the
// time of repeat otherwise. What is promised no more is not fresh again.
func TestStaleLater(t *testing.T) {
	w := newWorld(t)
	w.configure("channels: { hook: { type: webhook, url: " + w.server.URL + " } }, rules: [ { to: hook, on: [freshness, recovery] }, { to: hook, on: [freshness, recovery], tags: [pii] } ]")
	stale := func(tables ...string) {
		w.overdue = []pipeline.Overdue{{Pipeline: "nightly", Promised: 26 * time.Hour, Oldest: 27 * time.Hour, Tables: tables}}
		w.pass(2 * time.Minute)
	}
	stale("erp.orders")
	w.expect("nightly is stale: 1 table is older than 26h")
	stale("erp.orders", "erp.customers", "main.fct_orders")
	if m := w.got[0].data; strings.Join(m.Fresh, " ") != "erp.customers" || strings.Join(m.Owners, " ") != "crm" || !strings.HasPrefix(m.Text, "Besides 1 table") {
		t.Errorf("%+v", m)
	}
	w.expect("nightly is stale: 1 table is older than 26h")
	w.now = w.now.Add(4 * time.Hour)
	stale("erp.orders", "erp.customers", "main.fct_orders")
	w.expect("nightly is stale: 1 table is older than 26h")
	w.configure("channels: { hook: { type: webhook, url: " + w.server.URL + " } }, rules: [ { to: hook, on: recovery, tags: [pii] } ]")
	w.overdue = nil
	w.pass(2 * time.Minute)
	w.expect("nightly is fresh again")
	stale("erp.orders")
	w.told()
	w.project.Pipeline("nightly").Freshness, w.overdue = 0, nil
	w.pass(2 * time.Minute)
	w.expect()
}

// TestStaleOfBefore: tables that a version told that did not note which are not told again by the next.
func TestStaleOfBefore(t *testing.T) {
	w := newWorld(t)
	w.pass(0)
	old := `{"pipeline":"nightly","open":true,"since":"2026-03-01T02:00:00Z","told":"2026-03-01T02:00:00Z"}`
	if err := w.journal.AddAlerts(t.Context(), nil, map[string]string{topicPrefix + "freshness:nightly": old}); err != nil {
		t.Fatal(err)
	}
	w.open()
	for _, tables := range [][]string{{"erp.orders"}, {"erp.orders", "erp.customers"}} {
		w.overdue = []pipeline.Overdue{{Pipeline: "nightly", Promised: 26 * time.Hour, Oldest: 27 * time.Hour, Tables: tables}}
		w.pass(24 * time.Hour)
	}
	if len(w.got) != 1 || strings.Join(w.got[0].data.Fresh, " ") != "erp.customers" {
		t.Errorf("%+v", w.got)
	}
}

// TestMissed: times of a schedule that nothing makes up for are told, once for each time that nothing was scheduled.
func TestMissed(t *testing.T) {
	w := newWorld(t)
	w.pass(0)
	for kind, text := range map[string]string{journal.EventMissed: "3 times of the schedule were missed since 2026-03-01 02:00 CET", journal.EventMisfire: "1 time of the schedule was missed"} {
		if err := w.journal.AddEvent(t.Context(), journal.Event{At: w.now, Kind: kind, Pipeline: "nightly", Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(time.Minute)
	w.expect("nightly did not run: 3 times of the schedule were missed since 2026-03-01 02:00 CET")
}

// TestLateCountsTheAttempt: a run that is taken up again is as old as its last attempt, and one that reads the past takes what it takes.
func TestLateCountsTheAttempt(t *testing.T) {
	w := newWorld(t)
	for range fewestRuns {
		w.run("nightly", "erp.orders")
	}
	r := w.run("nightly", "erp.orders: down")
	w.pass(12 * time.Hour)
	w.told()
	r.Attempt, r.Status, r.Started, r.Finished = 2, journal.Running, w.now, nil
	if err := w.journal.BeginRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	w.pass(14 * time.Minute)
	w.expect()
	w.pass(2 * time.Minute)
	w.expect("nightly is late: it has run for 16m, and mostly takes no more than 1m")
	w.end(r, "erp.orders: another")
	w.pass(2 * time.Minute)
	if took := w.got[0].data.Took; took != "17m0s" {
		t.Error(took)
	}
	w.told()
	for _, s := range []journal.Selection{{FullRefresh: true}, {Backfill: &journal.Backfill{From: "2020-01-01"}}} {
		if err := w.journal.BeginRun(t.Context(), journal.Run{ID: "r" + fmt.Sprint(s.FullRefresh), Pipeline: "nightly", LogicalTime: w.now, Attempt: 1, Status: journal.Running, Started: w.now, Selection: s}); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(2 * time.Hour)
	w.expect()
}

// TestFiringAndClock: which of a firing and a run's next attempt ended first is what the journal's order says, and not the clock.
func TestFiringAndClock(t *testing.T) {
	w := newWorld(t)
	f := journal.Firing{ID: "f1", Pipeline: "nightly", LogicalTime: w.now, Trigger: journal.TriggerSchedule, State: journal.FiringStarted, Due: w.now, Created: w.now}
	if _, err := w.journal.AddFiring(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	r := journal.Run{ID: "r1", Pipeline: "nightly", LogicalTime: w.now, Attempt: 1, Status: journal.Running, Started: w.now, Trigger: f.Trigger, Firing: f.ID}
	if err := w.journal.BeginRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	w.end(r, "erp.orders: down")
	w.now = w.now.Add(2 * time.Minute)
	at := w.now
	f.State, f.Run, f.Finished = journal.FiringFailed, r.ID, &at
	if err := w.journal.SaveFiring(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	w.pass(0)
	w.now = w.now.Add(-30 * time.Minute) // set back
	for _, end := range []string{"erp.orders: another", "erp.orders"} {
		r.Attempt++
		if err := w.journal.BeginRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.end(r, end)
		w.pass(time.Minute)
	}
	w.expect("nightly failed: erp.orders: down", "nightly failed: erp.orders: another", "nightly works again")
}
