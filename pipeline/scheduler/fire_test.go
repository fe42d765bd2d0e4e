package scheduler

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// askFor adds a firing that asks for something, as the API does, for a logical time or for now.
func (w *world) askFor(pipeline string, logical time.Time, ask journal.Ask) {
	w.Helper()
	if logical.IsZero() {
		logical = w.now()
	}
	if _, err := w.journal.AddFiring(w.Context(), journal.Firing{ID: journal.NewFiringID(w.now()), Pipeline: pipeline, LogicalTime: logical, Trigger: journal.TriggerAPI,
		State: journal.FiringWaiting, By: "me", Due: w.now(), Created: w.now(), Ask: ask}); err != nil {
		w.Fatal(err)
	}
	w.look()
	w.pass(time.Second)
}

// TestOverlapIsOfWholeRuns: what was asked for of part of a pipeline neither costs a night nor is ended for one.
func TestOverlapIsOfWholeRuns(t *testing.T) {
	for _, overlap := range []string{models.OverlapQueue, models.OverlapSkip, models.OverlapCancel} {
		inWorld(t, "2026-11-27T01:50:00Z", one(nightly("p", "0 2 * * *", func(pl *models.Pipeline) { pl.Overlap = overlap })), func(w *world) {
			w.end = func(journal.Firing) (time.Duration, int) { return time.Hour, 0 }
			w.askFor("p", time.Time{}, journal.Ask{Replay: &journal.Replay{}, Select: []string{"orders"}})
			w.askFor("p", time.Time{}, journal.Ask{Retry: "r1"})
			w.pass(4 * time.Hour)
			w.wantHistory("p", "11-27 01:50 succeeded", "11-27 01:50 succeeded", "11-27 02:00 succeeded")
		})
	}
}

// TestMadeUpForAndOnTime: what makes up for missed times does not count as the run before, so that one that is on time waits for its turn.
func TestMadeUpForAndOnTime(t *testing.T) {
	for _, overlap := range []string{models.OverlapQueue, models.OverlapSkip} {
		inWorld(t, "2026-11-27T13:30:00Z", one(nightly("p", "0 * * * *", func(pl *models.Pipeline) { pl.Overlap, pl.Misfire = overlap, models.MisfireAll })), func(w *world) {
			w.end = func(journal.Firing) (time.Duration, int) { return 40 * time.Minute, 0 }
			w.shutdown()
			w.pass(3 * time.Hour) // 16:30
			w.start()
			w.pass(130 * time.Minute)
			w.wantHistory("p", "11-27 14:00 succeeded", "11-27 15:00 succeeded", "11-27 16:00 succeeded", "11-27 17:00 started", "11-27 18:00 skipped the one of 2026-11-27 17:00")
		})
	}
}

// TestPauseWhileDown: a pause begins and ends when somebody says so, whether a scheduler looks or not; what was due before and after is not lost.
func TestPauseWhileDown(t *testing.T) {
	inWorld(t, "2026-11-27T01:00:00Z", one(nightly("p", "0 2 * * *")), func(w *world) {
		w.pause("p")
		w.pass(11 * time.Hour)
		w.shutdown()
		w.resume("p")
		w.pass(15 * time.Hour) // 03:00
		w.start()
		w.pass(time.Minute)
		w.wantHistory("p", "11-28 02:00 succeeded")
		w.shutdown()
		w.pass(24 * time.Hour)
		w.pause("p")
		w.pass(12 * time.Hour)
		w.start()
		w.pass(time.Minute)
		w.wantHistory("p", "11-28 02:00 succeeded", "11-29 02:00 succeeded")
		w.resume("p") // while the machine is suspended
		w.ahead += 24 * time.Hour
		w.pass(time.Minute)
		w.wantHistory("p", "11-28 02:00 succeeded", "11-29 02:00 succeeded", "11-30 02:00 succeeded")
	})
}

// TestPausesUnseen: a pause counts although no scheduler looked while it went on, or none between a resume and the next pause.
func TestPausesUnseen(t *testing.T) {
	inWorld(t, "2026-11-27T00:30:00Z", []*models.Pipeline{nightly("p", "0 * * * *"), nightly("a", "0 4 * * *"), nightly("m", "", follows("a"))}, func(w *world) {
		w.shutdown()
		w.pass(time.Hour)
		for range 2 { // 01:30 to 02:30 and 03:30 to 04:30
			w.pause("p")
			w.pause("m")
			w.pass(time.Minute)
			w.ran(journal.Run{Pipeline: "a", LogicalTime: w.now()}, journal.Succeeded)
			w.pass(59 * time.Minute)
			w.resume("p")
			w.resume("m")
			w.pass(time.Hour)
		}
		w.start() // 05:30
		w.pass(time.Minute)
		w.wantHistory("p", "11-27 01:00 skipped missed", "11-27 03:00 skipped missed", "11-27 05:00 succeeded")
		w.wantEvent(journal.EventMisfire, "3 times of the schedule were missed since 2026-11-27 01:00")
		w.wantHistory("m", "11-27 04:00 succeeded") // of an a that has succeeded since
		w.pause("p")
		w.pass(time.Minute)
		w.resume("p")
		w.pause("p")
		w.pass(4 * time.Hour)
		w.resume("p")
		w.pass(time.Hour)
		if h := w.history("p"); len(h) != 4 || h[3] != "11-27 10:00 succeeded" {
			t.Error(h)
		}
	})
}

// TestPartOfTonight: to ask for part of a pipeline for a time of its schedule does not take that time's place.
func TestPartOfTonight(t *testing.T) {
	inWorld(t, "2026-11-27T12:00:00Z", one(nightly("p", "0 2 * * *")), func(w *world) {
		w.askFor("p", time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC), journal.Ask{Select: []string{"orders"}})
		w.wantStarted("p 11-28 02:00")
		w.pass(24 * time.Hour)
		w.wantStarted("p 11-28 02:00")
		w.wantHistory("p", "11-28 02:00 succeeded", "11-28 02:00 succeeded")
	})
}

// TestClockDaysAhead: of nights that a wrong clock has used up the log says so.
func TestClockDaysAhead(t *testing.T) {
	inWorld(t, "2026-11-27T12:00:00Z", one(nightly("p", "0 2 * * *")), func(w *world) {
		w.ahead = 48 * time.Hour
		w.pass(time.Minute)
		w.ahead = 0
		w.pass(3 * 24 * time.Hour)
		w.wantStarted("p 11-29 02:00", "p 11-28 02:00", "p 11-30 02:00")
		w.wantEvent("clock", "what has fired for its times until then does not fire again")
	})
}

// TestTwoSources: a pipeline that reads two sources gets its turn although others that read one of them come and go without end.
func TestTwoSources(t *testing.T) {
	pipelines := []*models.Pipeline{nightly("a", "*/2 * * * *"), nightly("b", "1-59/2 * * * *"), nightly("both", "0 2 * * *", func(pl *models.Pipeline) { pl.Priority = 9 })}
	inWorld(t, "2026-11-27T01:50:00Z", pipelines, func(w *world) {
		s1, s2 := &models.Source{Name: "s1", Concurrency: 1}, &models.Source{Name: "s2", Concurrency: 1}
		node := func(pl string, s *models.Source) *models.Node {
			return &models.Node{Pipeline: pl, Stream: &models.Stream{Source: s}}
		}
		w.project = &models.Project{Pipelines: pipelines, Concurrency: 4, Sources: []*models.Source{s1, s2}, Nodes: []*models.Node{node("a", s1), node("b", s2), node("both", s1), node("both", s2)}}
		w.end = func(journal.Firing) (time.Duration, int) { return 90 * time.Second, 0 }
		w.pass(time.Hour)
		w.wantHistory("both", "11-27 02:00 succeeded")
	})
}

// TestTryThatIsOvertaken: a try that a run under way overtakes when it succeeds is not the one that waits, neither for a schedule nor for a follower.
func TestTryThatIsOvertaken(t *testing.T) {
	tries := func(pl *models.Pipeline) { pl.Retries, pl.RetryDelay = 3, config.Duration(30*time.Minute) }
	for _, m := range []*models.Pipeline{nightly("m", "0 1-4 * * *", tries), nightly("m", "", follows("a"), tries)} {
		inWorld(t, "2026-11-27T00:30:00Z", []*models.Pipeline{nightly("a", "0 1-4 * * *"), m}, func(w *world) {
			w.end = func(f journal.Firing) (time.Duration, int) {
				switch {
				case f.Pipeline == "a":
					return 5 * time.Second, 0
				case f.LogicalTime.Hour() == 1:
					return 59*time.Minute + 30*time.Second, 1
				}
				return 130 * time.Minute, 0
			}
			w.pass(3*time.Hour + 35*time.Minute) // 04:05
			open, second := []string{"11-27 01:00 waiting", "11-27 02:00 started", "11-27 03:00 waiting"}, "11-27 04:00 skipped the one of 2026-11-27 03:00 waits already"
			if m.Schedule == "" { // is asked again when the run has ended
				w.wantHistory("m", open...)
				second = "11-27 04:00 succeeded"
			} else {
				w.wantHistory("m", append(open, second)...)
			}
			w.pass(10 * time.Hour)
			w.wantHistory("m", "11-27 01:00 skipped overtaken by the run of 2026-11-27 02:00", "11-27 02:00 succeeded", "11-27 03:00 succeeded", second)
		})
	}
}

// TestMadeUpForIsTrue: what is told to make up for missed times does: overlap: did not keep it from running.
func TestMadeUpForIsTrue(t *testing.T) {
	down := func(w *world, took, up, down time.Duration) {
		w.end = func(journal.Firing) (time.Duration, int) { return took, 0 }
		w.pass(up)
		w.shutdown()
		w.pass(down)
		w.start()
	}
	skip := func(pl *models.Pipeline) { pl.Overlap = models.OverlapSkip }
	inWorld(t, "2026-11-27T00:30:00Z", one(nightly("p", "0 * * * *")), func(w *world) {
		down(w, 100*time.Minute, 100*time.Minute, 111*time.Minute) // until 04:01
		w.wantEvent(journal.EventMisfire, "1 run now makes up for it")
		w.pass(100 * time.Minute)
		w.wantHistory("p", "11-27 01:00 succeeded", "11-27 02:00 started", "11-27 03:00 waiting", "11-27 04:00 skipped the one of 2026-11-27 02:00 waits already", "11-27 05:00 skipped")
	})
	inWorld(t, "2026-11-27T00:30:00Z", one(nightly("p", "0 * * * *", skip)), func(w *world) {
		down(w, 50*time.Minute, 40*time.Minute, 111*time.Minute) // until 03:01
		w.wantEvent(journal.EventMisfire, "1 run now makes up for it")
		w.wantHistory("p", "11-27 01:00 started", "11-27 02:00 waiting", "11-27 03:00 skipped the one of 2026-11-27 01:00 has not ended")
	})
	inWorld(t, "2026-11-27T00:30:00Z", one(nightly("p", "* * * * *")), func(w *world) {
		down(w, 5*time.Second, 10*time.Minute, 15*time.Minute) // until 00:55
		w.wantEvent(journal.EventMisfire, "the one of 2026-11-27 00:53 makes up for it")
		if missed := w.history("p")[21]; !strings.Contains(missed, "00:52 skipped missed while nothing was scheduled; it is made up for by 2026-11-27 00:53") {
			t.Error(missed)
		}
	})
	inWorld(t, "2026-11-25T00:30:00Z", one(nightly("p", "0 2 * * *", skip)), func(w *world) { // what was missed is too old to be run
		down(w, 100*time.Hour, 2*time.Hour, 71*time.Hour+31*time.Minute) // until 11-28 02:01
		w.wantEvent(journal.EventMissed, "0 times of the schedule were missed since 2026-11-26 02:00: no run now makes up for that")
		w.wantHistory("p", "11-25 02:00 started", "11-28 02:00 skipped the one of 2026-11-25 02:00 has not ended")
	})
}
