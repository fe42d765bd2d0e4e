package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/cron"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

func one(pl *models.Pipeline) []*models.Pipeline { return []*models.Pipeline{pl} }

func TestNightly(t *testing.T) {
	inWorld(t, "2026-11-27T12:00:00Z", one(nightly("p", "0 2 * * *")), func(w *world) {
		w.pass(3 * 24 * time.Hour)
		w.wantHistory("p", "11-28 02:00 succeeded", "11-29 02:00 succeeded", "11-30 02:00 succeeded")
		schedules, err := w.sched.Schedules(w.Context())
		if err != nil || len(schedules) != 1 || len(schedules[0].Next) != shown || schedules[0].Last == nil || !schedules[0].Next[0].Equal(time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)) {
			t.Errorf("%+v, %v", schedules, err)
		}
	})
}

// TestClocks: each logical time is fired once, whatever the clock does.
func TestClocks(t *testing.T) {
	newYork := func(pl *models.Pipeline) { pl.Timezone = "America/New_York" }
	inWorld(t, "2026-03-07T12:00:00Z", one(nightly("p", "30 2 * * *", newYork)), func(w *world) {
		w.pass(48 * time.Hour)
		w.wantStarted("p 03-08 07:00", "p 03-09 06:30")
	})
	inWorld(t, "2026-10-31T12:00:00Z", one(nightly("p", "30 1 * * *", newYork)), func(w *world) {
		w.pass(48 * time.Hour)
		w.wantStarted("p 11-01 05:30", "p 11-02 06:30")
	})
	inWorld(t, "2026-11-27T00:30:00Z", one(nightly("p", "0 * * * *")), func(w *world) {
		w.pass(2 * time.Hour) // 02:30
		w.ahead -= time.Hour  // 01:30 again
		w.pass(2 * time.Hour) // 03:30
		w.wantStarted("p 11-27 01:00", "p 11-27 02:00", "p 11-27 03:00")
		w.ahead += time.Hour // 04:30
		w.pass(time.Hour)    // 05:30
		w.wantStarted("p 11-27 04:00", "p 11-27 05:00")
		w.ahead += 8 * time.Hour // suspended until 13:30
		w.pass(time.Minute)
		w.wantStarted("p 11-27 13:00")
		w.ahead += 24 * time.Hour
		w.pass(time.Minute)
		w.ahead -= 24 * time.Hour
		w.pass(24 * time.Hour) // dealt with already
		w.wantStarted("p 11-28 13:00")
		w.ahead += 400 * 24 * time.Hour
		w.pass(time.Minute)
		w.ahead -= 400 * 24 * time.Hour
		w.started()
		w.pass(time.Hour) // a year is more than a clock that is a bit off
		w.wantStarted("p 11-28 14:00")
		w.wantEvent("clock", "goes on from 2026-11-28")
	})
}

// TestMisfires: the host is down for three nights.
func TestMisfires(t *testing.T) {
	for misfire, want := range map[string][]string{
		models.MisfireOne:  {"11-28 02:00 skipped missed", "11-29 02:00 skipped missed while nothing was scheduled; it is made up for by 2026-11-30 02:00", "11-30 02:00 succeeded"},
		models.MisfireAll:  {"11-28 02:00 succeeded", "11-29 02:00 succeeded", "11-30 02:00 succeeded"},
		models.MisfireSkip: {"11-28 02:00 skipped", "11-29 02:00 skipped", "11-30 02:00 skipped"},
	} {
		inWorld(t, "2026-11-27T12:00:00Z", one(nightly("p", "0 2 * * *", func(pl *models.Pipeline) {
			pl.Misfire, pl.MisfireWindow = misfire, config.Duration(7*24*time.Hour)
		})), func(w *world) {
			w.shutdown()
			w.pass(3 * 24 * time.Hour)
			w.start()
			w.pass(time.Minute)
			w.wantHistory("p", want...)
			made := map[string]string{models.MisfireOne: "1 run now makes up for it", models.MisfireAll: "3 runs now make up for them", models.MisfireSkip: "no run now makes up for that"}[misfire]
			kind := map[bool]string{true: journal.EventMissed, false: journal.EventMisfire}[misfire == models.MisfireSkip]
			w.wantEvent(kind, "3 times of the schedule were missed since 2026-11-28 02:00: "+made+" (misfire: "+misfire+")")
			if misfire == models.MisfireAll {
				w.wantStarted("p 11-28 02:00", "p 11-29 02:00", "p 11-30 02:00")
			}
			w.shutdown()
			w.start() // a restart right after neither loses nor invents a run
			w.pass(time.Minute)
			w.wantHistory("p", want...)
		})
	}
}

// TestDownForAYear: a schedule of each minute leaves a bounded history of what was missed.
func TestDownForAYear(t *testing.T) {
	all := func(pl *models.Pipeline) { pl.Misfire, pl.MaxCatchup = models.MisfireAll, 3 }
	inWorld(t, "2026-01-01T00:00:00Z", one(nightly("p", "* * * * *", all)), func(w *world) {
		w.shutdown()
		w.pass(365*24*time.Hour + 30*time.Second)
		w.start()
		w.pass(25 * time.Second)
		if got := len(w.history("p")); got != mostSkipped+3+2 { // those that were skipped, those made up for, and two that are on time
			t.Errorf("%d firings", got)
		}
		w.pass(5 * time.Second)
		w.wantStarted("p 12-31 23:56", "p 12-31 23:57", "p 12-31 23:58", "p 12-31 23:59", "p 01-01 00:00", "p 01-01 00:01")
		w.wantEvent(journal.EventMissed, "neither counted nor made up for")
	})
}

func TestFirstStart(t *testing.T) {
	inWorld(t, "2026-11-27T12:00:00Z", one(nightly("p", "0 12 * * *")), func(w *world) {
		w.pass(time.Minute)
		w.wantHistory("p") // what was due before the first start is not missed
		w.project = &models.Project{Concurrency: 2, Pipelines: one(nightly("p", "0 11 * * *"))}
		w.pass(time.Minute)
		w.wantHistory("p") // nor what another schedule would have had
		w.project = &models.Project{Concurrency: 2}
		w.pass(3 * 24 * time.Hour)
		w.project = &models.Project{Concurrency: 2, Pipelines: one(nightly("p", "0 11 * * *"))}
		w.pass(time.Minute)
		w.wantHistory("p")
		w.pass(24 * time.Hour)
		w.wantHistory("p", "12-01 11:00 succeeded")
	})
}

func TestOverlap(t *testing.T) {
	for overlap, want := range map[string][]string{
		models.OverlapSkip: {"11-27 12:00 succeeded", "11-27 13:00 skipped the one of 2026-11-27 12:00 has not ended", "11-27 14:00 skipped", "11-27 15:00 started"},
		models.OverlapQueue: {"11-27 12:00 succeeded", "11-27 13:00 started", "11-27 14:00 skipped the one of 2026-11-27 13:00 waits already",
			"11-27 15:00 waiting waits for the run of 2026-11-27 13:00"},
		models.OverlapCancel: {"11-27 12:00 cancelled ended for the one of 2026-11-27 13:00", "11-27 13:00 cancelled", "11-27 14:00 cancelled", "11-27 15:00 started"},
	} {
		inWorld(t, "2026-11-27T11:30:00Z", one(nightly("p", "0 * * * *", func(pl *models.Pipeline) { pl.Overlap = overlap })), func(w *world) {
			w.end = func(journal.Firing) (time.Duration, int) { return 150 * time.Minute, 0 }
			w.pass(4 * time.Hour) // 15:30
			w.wantHistory("p", want...)
		})
	}
}

// TestTurns: two runs at once, the most urgent first, and no more readers of a source than it bears.
func TestTurns(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e"}
	var pipelines []*models.Pipeline
	for i, name := range names {
		pipelines = append(pipelines, nightly(name, "0 12 * * *", func(pl *models.Pipeline) { pl.Priority = i % 2 }))
	}
	inWorld(t, "2026-11-27T11:59:00Z", pipelines, func(w *world) {
		w.end = func(journal.Firing) (time.Duration, int) { return 10 * time.Minute, 0 }
		w.pass(2 * time.Minute)
		w.wantStarted("b 11-27 12:00", "d 11-27 12:00")
		w.wantHistory("a", "11-27 12:00 waiting waits for its turn: 2 of 2 runs at once")
		w.pass(30 * time.Minute)
		w.wantStarted("a 11-27 12:00", "c 11-27 12:00", "e 11-27 12:00")
	})
	inWorld(t, "2026-11-27T11:59:00Z", []*models.Pipeline{nightly("a", "0 12 * * *"), nightly("b", "0 12 * * *"), nightly("c", "0 12 * * *")}, func(w *world) {
		erp := &models.Source{Name: "erp", Concurrency: 1}
		for _, name := range []string{"a", "b"} {
			w.project.Nodes = append(w.project.Nodes, &models.Node{Schema: "erp", Table: name, Pipeline: name, Stream: &models.Stream{Source: erp}})
		}
		w.project.Sources = []*models.Source{erp}
		w.shutdown()
		w.start()
		w.end = func(journal.Firing) (time.Duration, int) { return 10 * time.Minute, 0 }
		w.pass(2 * time.Minute)
		w.wantStarted("a 11-27 12:00", "c 11-27 12:00")
		w.wantHistory("b", "11-27 12:00 waiting waits for source erp")
	})
}

func TestJitter(t *testing.T) {
	pl := nightly("p", "0 12 * * *", func(pl *models.Pipeline) { pl.Jitter = config.Duration(10 * time.Minute) })
	span := jitter(pl)
	if span <= 0 || span >= 10*time.Minute || span != jitter(pl) || span == jitter(nightly("q", "", func(q *models.Pipeline) { q.Jitter = pl.Jitter })) {
		t.Fatalf("jitter of %v", span)
	}
	inWorld(t, "2026-11-27T11:59:00Z", one(pl), func(w *world) {
		w.poll = time.Second
		w.pass(time.Minute + span - 15*time.Second)
		w.wantStarted()
		w.wantHistory("p", "11-27 12:00 waiting waits until")
		w.pass(30 * time.Second)
		w.wantStarted("p 11-27 12:00")
	})
}

func TestRetries(t *testing.T) {
	retries := func(pl *models.Pipeline) { pl.Retries = 2 }
	for code, want := range map[int]struct {
		tries int
		state string
	}{0: {1, "succeeded"}, 1: {3, "failed failed"}, 5: {3, "failed some nodes failed"}, 2: {1, "failed bad usage"}, 3: {1, "failed checks failed"}} {
		inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "0 12 * * *", retries)), func(w *world) {
			w.end = func(journal.Firing) (time.Duration, int) { return time.Second, code }
			w.pass(time.Hour)
			for _, f := range w.starts {
				if !f.Ask.Whole() {
					t.Errorf("try %d asks for %+v: the engine knows what is left to do for the logical time", f.Tries, f.Ask)
				}
			}
			if got := len(w.started()); got != want.tries {
				t.Errorf("exit code %d: %d tries, want %d", code, got, want.tries)
			}
			w.wantHistory("p", "11-27 12:00 "+want.state)
		})
	}
	inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "0 12 * * *")), func(w *world) {
		locked := 5 // by cron: that is no failure
		w.end = func(journal.Firing) (time.Duration, int) {
			if locked--; locked >= 0 {
				return time.Second, 4
			}
			return time.Second, 0
		}
		w.said = `pipeline "old" is locked by another run`
		w.pass(75 * time.Second)
		w.wantHistory("p", `11-27 12:00 waiting pipeline "old" is locked by another run; waits for it to end`)
		w.pass(10 * time.Minute)
		w.wantHistory("p", "11-27 12:00 succeeded")
	})
	inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "0 12 * * *")), func(w *world) {
		w.end = func(journal.Firing) (time.Duration, int) { return time.Second, 143 } // somebody keeps on killing it
		w.pass(time.Hour)
		w.wantHistory("p", "11-27 12:00 failed given up after 6 tries: its process was asked to end")
	})
	inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "0 12 * * *")), func(w *world) {
		w.end = func(journal.Firing) (time.Duration, int) { return time.Second, killedCode } // for want of memory
		w.pass(time.Hour)
		w.wantHistory("p", "11-27 12:00 failed given up after 6 tries: its process was killed")
	})
	inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "0 12 * * *")), func(w *world) {
		w.end = func(f journal.Firing) (time.Duration, int) {
			w.ran(journal.Run{Pipeline: "p", LogicalTime: f.LogicalTime, Firing: f.ID, Error: "orders: no such table"}, journal.Partial)
			return time.Second, 5
		}
		w.pass(time.Hour)
		w.wantHistory("p", "11-27 12:00 failed some nodes failed: orders: no such table")
	})
}

// TestOvertaken: a try that waits is given up without a failure when the whole pipeline has succeeded for a later time.
func TestOvertaken(t *testing.T) {
	pl := nightly("p", "0 12 * * *", func(pl *models.Pipeline) { pl.Retries, pl.PauseAfter = 3, 1 })
	for _, whole := range []bool{true, false} {
		inWorld(t, "2026-11-27T11:59:00Z", one(pl), func(w *world) {
			w.project.Nodes = append(w.project.Nodes, &models.Node{Schema: "s", Table: "a", Pipeline: "p"}, &models.Node{Schema: "s", Table: "b", Pipeline: "p"})
			w.shutdown()
			w.start()
			w.end = func(f journal.Firing) (time.Duration, int) {
				later := journal.Run{Pipeline: "p", LogicalTime: f.LogicalTime.Add(time.Second), Selection: journal.Selection{Nodes: []string{"s.a", "s.b"}}}
				if !whole {
					later.Selection.Nodes = later.Selection.Nodes[:1]
				}
				w.ran(later, journal.Succeeded)
				return time.Minute, 1
			}
			w.pass(3 * time.Hour)
			if !whole {
				w.wantHistory("p", "11-27 12:00 failed")
				return
			}
			w.wantStarted("p 11-27 12:00")
			w.wantHistory("p", "11-27 12:00 skipped overtaken by the run of 2026-11-27 12:00")
			if pauses, err := w.journal.Pauses(w.Context()); err != nil || len(pauses) != 0 {
				t.Errorf("%v, %v", pauses, err)
			}
		})
	}
}

// TestOutside: a firing that a process from outside has claimed is let alone while that goes on, also when somebody wants it to end.
func TestOutside(t *testing.T) {
	inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "")), func(w *world) {
		goesOn := true
		w.shutdown()
		w.outside = func(context.Context, journal.Firing) bool { return goesOn }
		w.start()
		for _, id := range []string{"f1", "f2"} {
			at := w.now()
			if _, err := w.journal.AddFiring(w.Context(), journal.Firing{ID: id, Pipeline: "p", LogicalTime: at, Trigger: journal.TriggerCommand, State: journal.FiringStarted,
				Tries: 1, Due: at, Created: at, Started: &at}); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Minute)
		}
		if _, err := w.journal.CancelFiring(w.Context(), "f1", "anna"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		w.wantStarted()
		w.wantHistory("p", "11-27 11:59 started", "11-27 12:00 started")
		goesOn = false
		w.pass(time.Minute)
		w.wantStarted("p 11-27 12:00")
		w.wantHistory("p", "11-27 11:59 cancelled cancelled by anna", "11-27 12:00 succeeded")
	})
}

// TestRetryOfSeveral: people may retry a run that was of several pipelines, or of nodes that are in none; killed, it is taken up.
func TestRetryOfSeveral(t *testing.T) {
	inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "")), func(w *world) {
		w.end = func(f journal.Firing) (time.Duration, int) {
			if f.Tries == 1 {
				return time.Second, killedCode
			}
			return time.Second, 0
		}
		for _, ask := range []journal.Ask{{Retry: "r1"}, {}} {
			if _, err := w.journal.AddFiring(w.Context(), journal.Firing{ID: journal.NewFiringID(w.now()), Pipeline: "p+q", LogicalTime: w.now(), Trigger: journal.TriggerAPI,
				State: journal.FiringWaiting, Due: w.now(), Created: w.now(), Ask: ask}); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Minute)
		}
		w.pass(time.Minute)
		w.wantHistory("p+q", "11-27 11:59 succeeded", "11-27 12:00 skipped the project has no pipeline")
	})
}

func TestPause(t *testing.T) {
	inWorld(t, "2026-11-27T11:30:00Z", one(nightly("p", "0 * * * *", func(pl *models.Pipeline) { pl.PauseAfter = 2 })), func(w *world) {
		w.end = func(journal.Firing) (time.Duration, int) { return time.Second, 3 }
		w.pass(3 * time.Hour) // 14:30
		w.wantHistory("p", "11-27 12:00 failed", "11-27 13:00 failed")
		w.wantEvent("pause", "2 scheduled runs in a row have failed")
		schedules, err := w.sched.Schedules(w.Context())
		if err != nil || schedules[0].Pause == nil || len(schedules[0].Next) != 0 {
			t.Errorf("%+v, %v", schedules, err)
		}
		w.end = func(journal.Firing) (time.Duration, int) { return time.Second, 0 }
		w.ask("p") // by hand it runs
		w.pass(time.Minute)
		w.shutdown()
		w.start()
		w.pass(24 * time.Hour)
		if _, err := w.journal.Resume(w.Context(), "p", w.now()); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour) // what was due while it was paused is not made up for
		w.wantHistory("p", "11-27 12:00 failed", "11-27 13:00 failed", "11-27 14:30 succeeded", "11-28 15:00 succeeded")
	})
}

func TestCancel(t *testing.T) {
	inWorld(t, "2026-11-27T11:30:00Z", []*models.Pipeline{nightly("p", "0 12 * * *"), nightly("q", "")}, func(w *world) {
		w.end = func(journal.Firing) (time.Duration, int) { return time.Hour, 0 }
		w.pass(31 * time.Minute)
		waiting := w.ask("p")
		for _, id := range []string{waiting.ID, w.ids("p")[0]} {
			if _, err := w.journal.CancelFiring(w.Context(), id, "anna"); err != nil {
				t.Fatal(err)
			}
			w.look()
		}
		w.pass(time.Second)
		w.wantHistory("p", "11-27 12:00 cancelled cancelled by anna", "11-27 12:01 cancelled cancelled by anna")
	})
}

// ids are those of a pipeline's firings, by logical time.
func (w *world) ids(pipeline string) []string {
	all, err := w.journal.Firings(w.Context(), journal.FiringFilter{Pipeline: pipeline})
	if err != nil {
		w.Fatal(err)
	}
	slices.SortFunc(all, func(a, b journal.Firing) int { return a.LogicalTime.Compare(b.LogicalTime) })
	var ids []string
	for _, f := range all {
		ids = append(ids, f.ID)
	}
	return ids
}

// TestRestart: the scheduler ends, and is killed, while a run goes on.
func TestRestart(t *testing.T) {
	inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "0 12 * * *")), func(w *world) {
		w.end = func(journal.Firing) (time.Duration, int) { return time.Hour, 0 }
		w.pass(2 * time.Minute)
		w.shutdown()
		w.wantHistory("p", "11-27 12:00 waiting the scheduler was stopped")
		w.start()
		w.pass(time.Second)
		w.wantStarted("p 11-27 12:00", "p 11-27 12:00")
		real := w.store // what a scheduler that was killed leaves: a firing that has started, and no worker
		w.store = broken{real, func(string) error { return errors.New("killed") }}
		w.sched.Store = w.store
		w.shutdown()
		w.wantHistory("p", "11-27 12:00 started")
		w.store = real
		w.start()
		w.pass(2 * time.Hour)
		w.wantStarted("p 11-27 12:00")
		w.wantHistory("p", "11-27 12:00 succeeded")
		if f, err := w.journal.Firing(w.Context(), w.ids("p")[0]); err != nil || f.Tries != 3 {
			t.Errorf("%+v, %v: each start is a try", f, err)
		}
	})
}

// TestInterruptedGoesFirst: what was interrupted is taken up before what has queued behind it, which would give up what it has landed.
func TestInterruptedGoesFirst(t *testing.T) {
	for _, killed := range []bool{false, true} {
		inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "0 12 * * *")), func(w *world) {
			w.end = func(journal.Firing) (time.Duration, int) { return time.Hour, 0 }
			w.pass(2 * time.Minute)
			w.ask("p")
			w.pass(time.Minute)
			real := w.store
			if killed {
				w.sched.Store = broken{real, func(string) error { return errors.New("killed") }}
			}
			w.shutdown()
			w.store = real
			w.started()
			w.start()
			w.pass(3 * time.Hour)
			w.wantStarted("p 11-27 12:00", "p 11-27 12:01")
		})
	}
}

// TestKilledGoesFirst: so is what was killed while the scheduler goes on.
func TestKilledGoesFirst(t *testing.T) {
	inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "0 12 * * *")), func(w *world) {
		w.end = func(f journal.Firing) (time.Duration, int) {
			if f.Trigger == journal.TriggerSchedule && f.Tries == 1 {
				return 5 * time.Minute, killedCode
			}
			return time.Minute, 0
		}
		w.pass(2 * time.Minute)
		w.ask("p")
		w.pass(time.Hour)
		w.wantStarted("p 11-27 12:00", "p 11-27 12:00", "p 11-27 12:01")
	})
}

// TestRetryEndedUnseen: a retry that ended while there was no scheduler is what its run is, and is not asked for again when that has succeeded.
func TestRetryEndedUnseen(t *testing.T) {
	for status, started := range map[journal.Status]int{journal.Succeeded: 0, journal.Failed: 1} {
		inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "")), func(w *world) {
			w.shutdown()
			asked := w.now()
			w.pass(time.Minute)
			w.ran(journal.Run{Pipeline: "p", LogicalTime: asked}, status)
			runs, err := w.journal.Runs(w.Context(), journal.Filter{})
			if err != nil || len(runs) != 1 {
				w.Fatal(runs, err)
			}
			if _, err := w.journal.AddFiring(w.Context(), journal.Firing{ID: "f", Pipeline: "p", LogicalTime: asked, Trigger: journal.TriggerAPI, State: journal.FiringStarted,
				By: "me", Due: asked, Tries: 1, Created: asked, Started: &asked, Ask: journal.Ask{Retry: runs[0].ID}}); err != nil {
				w.Fatal(err)
			}
			w.start()
			w.pass(time.Hour)
			w.wantHistory("p", "11-27 11:59 succeeded")
			if got := w.started(); len(got) != started {
				w.Errorf("a run that is %s: started %q", status, got)
			}
		})
	}
}

// TestTriesInVain: a firing that has tried in vain when another takes its place has failed: its next try waits, or is under way. Not one that
// somebody cancels.
func TestTriesInVain(t *testing.T) {
	keys := func(pl *models.Pipeline) {
		pl.Overlap, pl.Retries, pl.PauseAfter, pl.RetryDelay = models.OverlapCancel, 99, 3, config.Duration(longestDelay)
	}
	inWorld(t, "2026-11-27T11:59:30Z", one(nightly("p", "* * * * *", keys)), func(w *world) {
		w.end = func(journal.Firing) (time.Duration, int) { return time.Second, 1 }
		w.pass(4 * time.Minute)
		in := " failed a try failed; ended for the one of 2026-11-27 "
		w.wantHistory("p", "11-27 12:00"+in+"12:01", "11-27 12:01"+in+"12:02", "11-27 12:02"+in+"12:03 (overlap: cancel)", "11-27 12:03 waiting")
		w.wantEvent("pause", "3 scheduled runs in a row have failed")
	})
	for _, cancelled := range []bool{false, true} {
		inWorld(t, "2026-11-27T11:59:30Z", one(nightly("p", "0 * * * *", keys, func(pl *models.Pipeline) { pl.RetryDelay = 1 })), func(w *world) {
			w.end = func(f journal.Firing) (time.Duration, int) {
				if f.Tries == 1 {
					return time.Second, 1
				}
				return 5 * time.Hour, 0
			}
			w.pass(10 * time.Minute)
			want := "11-27 12:00 failed a try failed; ended for the one of 2026-11-27 13:00 (overlap: cancel)"
			if cancelled {
				want = "11-27 12:00 cancelled cancelled by me"
				if _, err := w.journal.CancelFiring(w.Context(), w.starts[0].ID, "me"); err != nil {
					t.Fatal(err)
				}
			}
			w.pass(time.Hour)
			w.wantHistory("p", want, "11-27 13:00 started")
		})
	}
}

// TestStoppedAndRestarted: a run that was asked to end is not taken up again, although the scheduler was killed before the run ended.
func TestStoppedAndRestarted(t *testing.T) {
	inWorld(t, "2026-11-27T11:59:00Z", one(nightly("p", "0 * * * *", func(pl *models.Pipeline) { pl.Overlap = models.OverlapCancel })), func(w *world) {
		w.end = func(journal.Firing) (time.Duration, int) { return 3 * time.Hour, 0 }
		w.deaf = true
		w.pass(62 * time.Minute)
		real := w.store
		w.sched.Store = broken{real, func(string) error { return errors.New("killed") }}
		w.shutdown()
		w.wantHistory("p", "11-27 12:00 started ended for the one of 2026-11-27 13:00 (overlap: cancel)", "11-27 13:00 waiting")
		w.started()
		w.deaf = false
		w.start()
		w.pass(time.Minute)
		w.wantHistory("p", "11-27 12:00 cancelled ended for the one of 2026-11-27 13:00 (overlap: cancel)", "11-27 13:00 started")
		w.wantStarted("p 11-27 13:00")
		w.pass(3 * time.Hour) // the deaf one ends
	})
}

// broken is a store whose calls fail when the test says so.
type broken struct {
	Store
	fails func(call string) error
}

func (b broken) Decide(ctx context.Context, d journal.Decision) ([]string, error) {
	if err := b.fails("decide"); err != nil {
		return nil, err
	}
	return b.Store.Decide(ctx, d)
}

func (b broken) Firings(ctx context.Context, f journal.FiringFilter) ([]journal.Firing, error) {
	if err := b.fails("firings"); err != nil {
		return nil, err
	}
	return b.Store.Firings(ctx, f)
}

// TestBrokenJournal: half of the calls fail, and no time of the schedule is lost or fired twice.
func TestBrokenJournal(t *testing.T) {
	inWorld(t, "2026-11-27T11:30:00Z", one(nightly("p", "*/5 * * * *")), func(w *world) {
		w.shutdown()
		calls := 0
		w.store = broken{w.journal, func(string) error {
			if calls++; calls%4 < 2 {
				return errors.New("the disk is full")
			}
			return nil
		}}
		w.start()
		w.pass(2 * time.Hour)
		want := []string{}
		for at := time.Date(2026, 11, 27, 11, 35, 0, 0, time.UTC); at.Before(w.now()); at = at.Add(5 * time.Minute) {
			want = append(want, at.Format("01-02 15:04")+" ")
		}
		w.wantHistory("p", want...)
		seen := map[string]int{}
		for _, s := range w.started() {
			if seen[s]++; seen[s] > 1 {
				t.Errorf("%s was started again", s)
			}
		}
	})
}

// TestLastPass: who asks when the scheduler last looked hears of the last time that it could use the journal.
func TestLastPass(t *testing.T) {
	inWorld(t, "2026-11-27T11:30:00Z", one(nightly("p", "0 2 * * *")), func(w *world) {
		w.pass(5 * time.Minute)
		if since := w.now().Sub(w.sched.LastPass()); since > longest+time.Second || w.sched.Alive() != nil {
			t.Errorf("it looked %v ago, %v", since, w.sched.Alive())
		}
		w.shutdown()
		w.store = broken{w.journal, func(string) error { return errors.New("the disk is full") }}
		w.start()
		w.pass(5 * time.Minute)
		if last := w.sched.LastPass(); !last.IsZero() || w.sched.Alive() == nil {
			t.Errorf("it never could look, and did at %v, %v", last, w.sched.Alive())
		}
	})
}

// TestPanic: a pipeline whose handling panics keeps none of the others from running.
func TestPanic(t *testing.T) {
	inWorld(t, "2026-11-27T11:59:00Z", []*models.Pipeline{nightly("a", "0 12 * * *"), nightly("b", "0 12 * * *")}, func(w *world) {
		w.end = func(f journal.Firing) (time.Duration, int) {
			if f.Pipeline == "b" {
				panic("broken")
			}
			return time.Second, 0
		}
		w.sched.loop.entries["a"].cron, w.sched.loop.entries["a"].next = &cron.Schedule{}, time.Time{} // without a zone
		w.look()
		w.pass(2 * time.Minute)
		w.wantHistory("b", "11-27 12:00 failed failed: panic: broken")
	})
}

func TestAfter(t *testing.T) {
	after := func(names ...string) func(*models.Pipeline) {
		return func(pl *models.Pipeline) { pl.After = names }
	}
	ingest, crm := nightly("ingest", "0 2 * * *"), nightly("crm", "0 4 * * *")
	marts := nightly("marts", "0 3 * * *", after("ingest", "crm"))
	export := nightly("export", "", after("marts"))
	inWorld(t, "2026-11-27T12:00:00Z", []*models.Pipeline{ingest, crm, marts, export}, func(w *world) {
		w.looksEach(time.Minute)
		w.pass(15*time.Hour + 30*time.Minute) // 03:30
		w.wantStarted("ingest 11-28 02:00")
		w.wantHistory("marts", "11-28 03:00 waiting waits for crm of 2026-11-28")
		w.pass(time.Hour)
		w.wantStarted("crm 11-28 04:00", "marts 11-28 03:00", "export 11-28 03:00")
		w.wantHistory("export", "11-28 03:00 succeeded")

		w.end = func(f journal.Firing) (time.Duration, int) {
			if f.Pipeline == "crm" {
				return time.Second, 1
			}
			return time.Second, 0
		}
		w.pass(24 * time.Hour)
		w.wantStarted("ingest 11-29 02:00", "crm 11-29 04:00")
		w.wantHistory("marts", "11-28 03:00 succeeded", "11-29 03:00 skipped crm failed for 2026-11-29: failed")

		w.pass(22 * time.Hour) // 02:30: somebody runs crm by hand
		r := journal.Run{ID: "hand", Pipeline: "crm", LogicalTime: w.now(), Started: w.now(), Attempt: 1, Status: journal.Running}
		if err := w.journal.BeginRun(w.Context(), r); err != nil {
			t.Fatal(err)
		}
		finished := w.now()
		r.Status, r.Finished = journal.Succeeded, &finished
		if err := w.journal.FinishRun(w.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		w.wantStarted("ingest 11-30 02:00", "marts 11-30 03:00", "export 11-30 03:00")
	})
	sometimes := nightly("weekdays", "0 2 * * 1-5")
	inWorld(t, "2026-11-27T12:00:00Z", []*models.Pipeline{sometimes, nightly("daily", "0 3 * * *", after("weekdays"))}, func(w *world) {
		w.pass(24 * time.Hour) // a Saturday
		w.wantHistory("daily", "11-28 03:00 skipped weekdays skipped for 2026-11-28: its schedule has no time on that day")
	})
}

// TestThousand: a thousand pipelines each minute for ten minutes; every one is started in each minute, and once.
func TestThousand(t *testing.T) {
	var pipelines []*models.Pipeline
	for i := range 1000 {
		pipelines = append(pipelines, nightly(fmt.Sprintf("p%03d", i), "* * * * *"))
	}
	inWorld(t, "2026-11-27T11:30:30Z", pipelines, func(w *world) {
		w.shutdown()
		m := newMemory()
		w.store = m
		w.project.Concurrency = 50
		w.end = func(journal.Firing) (time.Duration, int) { return time.Second, 0 }
		w.start()
		w.pass(10 * time.Minute)
		seen := map[string]int{}
		for _, s := range w.started() {
			seen[s]++
		}
		for s, n := range seen {
			if n > 1 {
				t.Errorf("%s was started %d times", s, n)
			}
		}
		if len(seen) != 10_000 || m.refused > 0 {
			t.Errorf("%d runs, want 10000; %d were added twice", len(seen), m.refused)
		}
	})
}

// TestFollowsWholePipelines: neither part of a pipeline nor a replay or a retry lets those run that follow it; a retry that succeeds mends the
// firing of its run, and with it the night.
func TestFollowsWholePipelines(t *testing.T) {
	inWorld(t, "2026-02-01T00:00:00Z", []*models.Pipeline{nightly("ingest", "0 2 * * *"), nightly("marts", "", func(pl *models.Pipeline) { pl.After = []string{"ingest"} })}, func(w *world) {
		w.pass(time.Minute)
		for i, ask := range []journal.Ask{{Select: []string{"a"}}, {Retry: "r1"}, {Select: []string{"a"}, Replay: &journal.Replay{DryRun: true}}} {
			f := journal.Firing{ID: fmt.Sprint("f", i), Pipeline: "ingest", LogicalTime: w.now(), Trigger: journal.TriggerAPI, State: journal.FiringWaiting, Due: w.now(), Created: w.now(), Ask: ask}
			if _, err := w.journal.AddFiring(w.Context(), f); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Minute)
		}
		w.wantStarted("ingest 02-01 00:01", "ingest 02-01 00:02", "ingest 02-01 00:03")
		w.end = func(journal.Firing) (time.Duration, int) { return time.Second, 3 }
		w.pass(3 * time.Hour)
		w.wantStarted("ingest 02-01 02:00")
		w.end = func(journal.Firing) (time.Duration, int) { return time.Second, 0 }
		ids := w.ids("ingest")
		w.ran(journal.Run{Pipeline: "ingest", LogicalTime: time.Date(2026, 2, 1, 2, 0, 0, 0, time.UTC), Firing: ids[len(ids)-1]}, journal.Succeeded)
		w.pass(time.Minute)
		w.wantStarted("marts 02-01 02:00")
		w.wantHistory("marts", "02-01 02:00 succeeded")
	})
}

// TestFollowsOneTarget: what a hand run has published to another target says nothing of the tables that our followers read.
func TestFollowsOneTarget(t *testing.T) {
	follower := func(pl *models.Pipeline) { pl.After = []string{"ingest"} }
	inWorld(t, "2026-02-01T00:00:00Z", []*models.Pipeline{nightly("ingest", "0 2 * * *"), nightly("marts", "", follower)}, func(w *world) {
		use := func(target string) {
			w.shutdown()
			w.project = &models.Project{Pipelines: w.project.Pipelines, Concurrency: 2, DefaultTarget: "prod", Target: &models.Target{Name: target}}
			w.start()
		}
		byHand := func(target string, started ...string) {
			w.Helper()
			w.ran(journal.Run{Pipeline: "ingest", LogicalTime: w.now(), Selection: journal.Selection{Target: target}}, journal.Succeeded)
			w.pass(time.Minute)
			w.wantStarted(started...)
		}
		use("prod")
		w.pass(time.Minute)
		byHand("dev")
		byHand("prod", "marts 02-01 00:02")
		byHand("", "marts 02-01 00:03") // of a journal that did not know
		use("dev")
		w.pass(time.Minute)
		w.wantStarted("marts 02-01 00:01") // which the run for dev had earned
		byHand("prod")
		byHand("")
		byHand("dev", "marts 02-01 00:07")
	})
}
