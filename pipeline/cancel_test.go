package pipeline

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// TestCancelRun: the open firing of a run is noted whoever asked for it, and the process is told unless the scheduler does that.
func TestCancelRun(t *testing.T) {
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGTERM) // the test is the process of its runs
	t.Cleanup(func() { signal.Stop(signals) })
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	const outside = "outside"
	for name, c := range map[string]struct {
		firing         journal.Firing // ID "" for none
		run            string         // the firing that the run names
		served         bool           // by the process of the run
		noted, process bool
	}{
		"of the schedule":           {journal.Firing{ID: "f", Trigger: journal.TriggerSchedule, State: journal.FiringStarted}, "f", true, true, false},
		"of millrace trigger":       {journal.Firing{ID: "f", Trigger: journal.TriggerCommand, State: journal.FiringStarted}, "f", true, true, false},
		"retried by the scheduler":  {journal.Firing{ID: "f", Trigger: journal.TriggerAPI, State: journal.FiringStarted, Ask: journal.Ask{Retry: "r"}}, "", true, true, false},
		"of a scheduler that ended": {journal.Firing{ID: "f", Trigger: journal.TriggerSchedule, State: journal.FiringStarted}, "f", false, true, true},
		"retried by hand":           {journal.Firing{ID: "f", Trigger: journal.TriggerSchedule, State: journal.FiringFailed, Finished: &at}, "f", true, false, true},
		"retried by hand before its next try": {journal.Firing{ID: "f", Trigger: journal.TriggerSchedule, State: journal.FiringWaiting, Ask: journal.Ask{Retry: "r"}}, "f",
			true, true, true},
		"taken up by hand, beside serve": {journal.Firing{ID: "f", Trigger: journal.TriggerSchedule, State: journal.FiringStarted, Reason: outside}, "f", true, true, true},
		"by hand":                        {journal.Firing{}, "", true, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, dir := t.Context(), t.TempDir()
			e := &Engine{Project: &models.Project{Dir: dir, Pipelines: []*models.Pipeline{{Name: "nightly"}}}, Clock: clock.System}
			if err := os.MkdirAll(e.Project.StateDir(), 0o700); err != nil {
				t.Fatal(err)
			}
			var err error
			if e.Journal, err = journal.Open(ctx, filepath.Join(e.Project.StateDir(), "state.db")); err != nil {
				t.Fatal(err)
			}
			defer e.Journal.Close()
			locks := []string{"nightly"}
			if c.served {
				locks = append(locks, serving)
			}
			unlock, err := e.lock(locks)
			if err != nil {
				t.Fatal(err)
			}
			defer unlock()
			if c.firing.Reason == outside { // serve is a process that has not started this one
				if err := os.WriteFile(filepath.Join(e.Project.StateDir(), "locks", serving+".lock"), []byte(`{"pid":1073741824}`), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.firing.ID != "" {
				c.firing.Pipeline, c.firing.LogicalTime, c.firing.Due, c.firing.Created = "nightly", at, at, at
				if _, err := e.Journal.AddFiring(ctx, c.firing); err != nil {
					t.Fatal(err)
				}
			}
			r := journal.Run{ID: "r", Pipeline: "nightly", LogicalTime: at, Started: at, Attempt: 1, Status: journal.Running, PID: os.Getpid(), Firing: c.run}
			if err := e.Journal.BeginRun(ctx, r); err != nil {
				t.Fatal(err)
			}
			done, err := e.Cancel(ctx, "nightly", "anna")
			if err != nil || len(done) != 1 || done[0].Run != "r" || (done[0].PID != 0) != c.process {
				t.Fatalf("%+v, %v: the process is to be told: %v", done, err, c.process)
			}
			if c.process {
				<-signals
			}
			if c.firing.ID != "" {
				if f, err := e.Journal.Firing(ctx, "f"); err != nil || (f.Cancel == "anna") != c.noted {
					t.Errorf("%+v, %v: the firing is to be noted: %v", f, err, c.noted)
				}
			}
			if events, err := e.Journal.Events(ctx, 0, 10); err != nil || len(events) != 1 {
				t.Errorf("%+v, %v: want one event", events, err)
			}
		})
	}
}
