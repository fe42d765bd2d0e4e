package pipeline_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// TestRunFromOutsideClaimsFiring runs a pipeline for a time at which a scheduler is to run it as well: the scheduler finds that
// it has been. A part of the pipeline claims nothing.
func TestRunFromOutsideClaimsFiring(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml":  "name: p\npipelines:\n  nightly: { select: [\"*\"] }\n",
		"models/m.sql":  "{{ config(materialized='table') }} select 1 as id",
		"models/m2.sql": "{{ config(materialized='table') }} select 'x'::int as id",
	})
	e := engine(t, dir)
	ctx := t.Context()
	due := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	at := func(r *pipeline.Request) { r.LogicalTime = due }
	if _, err := e.Journal.AddFiring(ctx, journal.Firing{ID: "f1", Pipeline: "nightly", LogicalTime: due, Trigger: journal.TriggerSchedule,
		State: journal.FiringWaiting, Due: due, Created: due}); err != nil {
		t.Fatal(err)
	}
	part := run(t, e, at, func(r *pipeline.Request) { r.Nodes = r.Nodes[:1] })
	if f, err := e.Journal.Firing(ctx, "f1"); err != nil || f.State != journal.FiringWaiting || part.Run.Firing != "" {
		t.Errorf("a part of the pipeline has left the firing as %+v, %v", f, err)
	}
	failed := run(t, e, at)
	f, err := e.Journal.Firing(ctx, "f1")
	if err != nil || f.State != journal.FiringWaiting || failed.Run.Firing != "f1" || *failed.Run.ExitCode != pipeline.ExitPartial {
		t.Errorf("after a failure the scheduler's firing is %+v, %v", f, err)
	}
	write(t, dir, map[string]string{"models/m2.sql": "{{ config(materialized='table') }} select 2 as id"})
	again := run(t, engine(t, dir), at)
	succeeded(t, again)
	if again.Run.ID != failed.Run.ID || again.Run.Attempt != 2 {
		t.Errorf("asked again, run %s attempt %d answers, not %s", again.Run.ID, again.Run.Attempt, failed.Run.ID)
	}
	if f, err = e.Journal.Firing(ctx, "f1"); err != nil || f.State != journal.FiringSucceeded || f.Run != failed.Run.ID || f.Finished == nil {
		t.Errorf("in the end the firing is %+v, %v", f, err)
	}
	if all, err := e.Journal.Firings(ctx, journal.FiringFilter{}); err != nil || len(all) != 1 {
		t.Errorf("%d firings, %v", len(all), err)
	}
	if done := run(t, engine(t, dir), at); !done.Already || done.Run.ID != failed.Run.ID {
		t.Errorf("asked once more: %+v", done)
	}
}

// TestOvertakenTimeRunsAnew: a time whose run has failed is run anew when a later one has gone past its windows, and its own firing ends with it.
// A run with flags of its own claims nothing.
func TestOvertakenTimeRunsAnew(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml": "name: p\npipelines:\n  nightly: { select: [\"*\"] }\n",
		"models/m.sql": "{{ config(materialized='table') }} select 'x'::int as id",
	})
	ctx := t.Context()
	day := func(n int) func(*pipeline.Request) {
		return func(r *pipeline.Request) { r.LogicalTime = time.Date(2026, 11, n, 2, 0, 0, 0, time.UTC) }
	}
	e := engine(t, dir)
	flagged := run(t, e, day(20), func(r *pipeline.Request) { r.AllowEmpty = true })
	if flagged.Run.Firing != "" {
		t.Errorf("a run with --allow-empty has claimed firing %s", flagged.Run.Firing)
	}
	failed := run(t, e, day(21))
	f, err := e.Journal.Firing(ctx, failed.Run.Firing)
	if err != nil || f.State != journal.FiringFailed || f.Run != failed.Run.ID {
		t.Errorf("its own firing is %+v, %v", f, err)
	}
	write(t, dir, map[string]string{"models/m.sql": "{{ config(materialized='table') }} select 2 as id"})
	e = engine(t, dir)
	succeeded(t, run(t, e, day(22)))
	again := run(t, e, day(21))
	succeeded(t, again)
	if again.Run.ID == failed.Run.ID || !again.Run.LogicalTime.Equal(failed.Run.LogicalTime) || again.Already {
		t.Errorf("run %s of %s answers for the one that was overtaken, %s", again.Run.ID, again.Run.LogicalTime, failed.Run.ID)
	}
	if f, err := e.Journal.Firing(ctx, failed.Run.Firing); err != nil || f.State != journal.FiringSucceeded || f.Tries != 2 || f.Run != again.Run.ID {
		t.Errorf("in the end the firing is %+v, %v", f, err)
	}
}

// TestLastSuccessIsOfTheWhole: a pipeline has succeeded when all of it has, by one run.
func TestLastSuccessIsOfTheWhole(t *testing.T) {
	e := engine(t, project(t, map[string]string{"millrace.yml": "name: p\npipelines: { nightly: { select: ['*'] } }\n",
		"models/a.sql": "{{ config(materialized='table') }} select 1 as id", "models/b.sql": "{{ config(materialized='table') }} select 2 as id"}))
	succeeded := func() int {
		tallies, err := e.Journal.Tallies(t.Context(), pipeline.TargetOf(e.Project))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range tallies {
			if s.Name == journal.TallyLastSuccess && s.Pipeline == "nightly" {
				n++
			}
		}
		return n
	}
	run(t, e, func(r *pipeline.Request) { r.Nodes = r.Nodes[:1] })
	if succeeded() != 0 {
		t.Error("part of it counts as a success")
	}
	run(t, e)
	if succeeded() != 1 {
		t.Error("all of it is no success")
	}
}

// TestClaimIsNoOrphan looks at the firing that a run has claimed whenever the run asks for the time: a process runs it, also before the journal
// has the run.
func TestClaimIsNoOrphan(t *testing.T) {
	e := engine(t, project(t, map[string]string{
		"millrace.yml": "name: p\npipelines:\n  nightly: { select: [\"*\"] }\n",
		"models/m.sql": "{{ config(materialized='table') }} select 1 as id",
	}))
	clock, before := e.Clock, 0
	var claimed journal.Firing
	look := func() {
		open, err := e.Journal.Firings(t.Context(), journal.FiringFilter{Open: true})
		if err != nil {
			t.Error(err)
		}
		for _, claimed = range open {
			if !e.Runs(t.Context(), claimed) {
				t.Errorf("nobody runs %+v", claimed)
			}
			if _, err := e.Journal.RunOfFiring(t.Context(), claimed); err != nil {
				before++
			}
		}
	}
	e.Clock = func() time.Time { look(); return clock() }
	succeeded(t, run(t, e, func(r *pipeline.Request) { r.LogicalTime = time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC) }))
	if before == 0 {
		t.Error("it was not looked at between the claim and the run")
	}
	if e.Runs(t.Context(), claimed) {
		t.Error("the run has ended")
	}
}
