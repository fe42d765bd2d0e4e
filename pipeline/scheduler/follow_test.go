package scheduler

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// follows lets a pipeline follow others.
func follows(names ...string) func(*models.Pipeline) {
	return func(pl *models.Pipeline) { pl.After = names }
}

// takes lets runs take so long, by pipeline; those without an entry take a minute.
func takes(spans map[string]time.Duration) func(journal.Firing) (time.Duration, int) {
	return func(f journal.Firing) (time.Duration, int) {
		if took := spans[f.Pipeline]; took > 0 {
			return took, 0
		}
		return time.Minute, 0
	}
}

// failsOn lets the runs of a pipeline fail on a day of the month.
func failsOn(pipeline string, day int) func(journal.Firing) (time.Duration, int) {
	return func(f journal.Firing) (time.Duration, int) {
		if f.Pipeline == pipeline && f.LogicalTime.Day() == day {
			return time.Minute, 1
		}
		return time.Minute, 0
	}
}

// TestOneBadNight: a night that its forerunners failed costs no other night, and the follower of a follower hears of it as well.
func TestOneBadNight(t *testing.T) {
	for _, overlap := range []string{models.OverlapQueue, models.OverlapSkip, models.OverlapCancel} {
		c := nightly("c", "0 6 * * *", follows("b"), func(pl *models.Pipeline) { pl.Overlap = overlap })
		inWorld(t, "2026-11-26T12:00:00Z", []*models.Pipeline{nightly("a", "0 2 * * *"), nightly("b", "", follows("a")), c, nightly("d", "0 6 * * *", follows("e"),
			func(pl *models.Pipeline) { pl.Overlap = overlap }), nightly("e", "")}, func(w *world) {
			w.end = failsOn("a", 27)
			w.looksEach(10 * time.Minute)
			w.pass(42 * time.Hour)
			w.ran(journal.Run{Pipeline: "e", LogicalTime: w.now()}, journal.Succeeded)
			w.pass(time.Hour)
			w.wantHistory("c", "11-27 06:00 skipped b skipped for 2026-11-27: a failed: failed", "11-28 06:00 succeeded")
			w.wantHistory("d", "11-27 06:00 skipped e did not succeed for 2026-11-27 within", "11-28 06:00 succeeded") // e says nothing of the night
		})
	}
}

// TestPausedForerunner: a follower is told why it is skipped.
func TestPausedForerunner(t *testing.T) {
	inWorld(t, "2026-11-27T00:30:00Z", []*models.Pipeline{nightly("a", "0 2 * * *"), nightly("c", "0 6 * * *", follows("a"))}, func(w *world) {
		if err := w.journal.Pause(w.Context(), journal.Pause{Pipeline: "a", Since: w.now()}); err != nil {
			t.Fatal(err)
		}
		w.pass(8 * time.Hour)
		w.wantHistory("c", "11-27 06:00 waiting waits for a of 2026-11-27")
		if _, err := w.journal.Resume(w.Context(), "a", w.now()); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		w.wantHistory("c", "11-27 06:00 skipped a skipped for 2026-11-27: its times on that day have passed: it was paused")
	})
}

// begun lists what was started, with the minute at which it was.
func (w *world) begun(pipeline string) []string {
	var all []string
	for _, f := range w.starts {
		if f.Pipeline == pipeline {
			all = append(all, f.LogicalTime.UTC().Format("15:04")+" at "+f.Started.UTC().Format("15:04"))
		}
	}
	w.starts = nil
	return all
}

// TestDiamond: what follows two that follow one waits for both of the same time, runs once for it, and once more when one is mended later.
func TestDiamond(t *testing.T) {
	diamond := []*models.Pipeline{nightly("a", "0 * * * *"), nightly("b", "", follows("a")), nightly("c", "", follows("a2")), nightly("a2", "", follows("a")), nightly("d", "", follows("b", "c"))}
	inWorld(t, "2026-11-27T00:30:00Z", diamond, func(w *world) {
		slow := takes(map[string]time.Duration{"c": 10 * time.Minute})
		w.end = slow
		w.pass(2*time.Hour + 15*time.Minute) // 02:45
		if got, want := w.begun("d"), []string{"01:00 at 01:12", "02:00 at 02:12"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		w.end = func(f journal.Firing) (time.Duration, int) {
			took, _ := slow(f)
			return took, map[string]int{"c": 3}[f.Pipeline]
		}
		w.pass(time.Hour) // 03:45: c fails
		w.end = slow
		ids := w.ids("c")
		w.ran(journal.Run{Pipeline: "c", LogicalTime: time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC), Firing: ids[len(ids)-1]}, journal.Succeeded)
		w.pass(14 * time.Minute) // 03:59
		if got, want := w.begun("d"), []string{"03:00 at 03:12", "03:00 at 03:45"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q: with the c of before, and with the mended one", got, want)
		}
	})
}

// TestLateSuccess: a success counts from when it is there, however long ago its logical time is.
func TestLateSuccess(t *testing.T) {
	inWorld(t, "2026-11-27T12:00:00Z", []*models.Pipeline{nightly("a", "0 2 28 * *"), nightly("m", "", follows("a")), nightly("n", "", follows("a"))}, func(w *world) {
		if err := w.journal.Pause(w.Context(), journal.Pause{Pipeline: "n", Since: w.now()}); err != nil {
			t.Fatal(err)
		}
		w.end = takes(map[string]time.Duration{"a": 25 * time.Hour})
		w.looksEach(time.Minute)
		w.pass(24 * time.Hour)
		if _, err := w.journal.Resume(w.Context(), "n", w.now()); err != nil {
			t.Fatal(err)
		}
		w.pass(24 * time.Hour)
		w.wantHistory("m", "11-28 02:00 succeeded")
		w.wantHistory("n", "11-28 02:00 succeeded")
	})
}

// spins fails the test when firings are added without end.
type spins struct {
	Store
	*testing.T
	added int
}

func (s *spins) Decide(ctx context.Context, d journal.Decision) ([]string, error) {
	if s.added += len(d.Add); s.added > 200 {
		panic(s.Name() + ": firings are added without end")
	}
	return s.Store.Decide(ctx, d)
}

// TestGivesWayOnce: a follower's firing that gives way to one of a later date, before it has begun, is not fired again, or each would end the other.
func TestGivesWayOnce(t *testing.T) {
	for name, jitter := range map[string]time.Duration{"at once": 0, "with jitter": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			b := nightly("b", "", follows("a"), func(pl *models.Pipeline) { pl.Overlap, pl.Jitter = models.OverlapCancel, config.Duration(jitter) })
			inWorld(t, "2026-11-27T12:00:00Z", []*models.Pipeline{nightly("a", ""), b, nightly("x", "")}, func(w *world) {
				w.end = takes(map[string]time.Duration{"b": 20 * time.Minute, "x": 30 * time.Minute})
				w.store = &spins{Store: w.store, T: t}
				w.looksEach(w.poll)
				w.project.Concurrency = 1
				w.ask("x") // so that the first waits
				w.ran(journal.Run{Pipeline: "a", LogicalTime: w.now().Add(-20 * time.Hour)}, journal.Succeeded)
				w.pass(2 * time.Minute)
				w.ran(journal.Run{Pipeline: "a", LogicalTime: w.now()}, journal.Succeeded)
				w.pass(2 * time.Hour)
				w.wantHistory("b", "11-26 16:00 skipped ended for the one of 2026-11-27 12:02 (overlap: cancel)", "11-27 12:02 succeeded")
			})
		})
	}
}

// TestMendedForerunner: a firing that was skipped because its forerunner had failed runs once that is mended, and no other time.
func TestMendedForerunner(t *testing.T) {
	inWorld(t, "2026-11-27T00:30:00Z", []*models.Pipeline{nightly("a", "0 2 * * *"), nightly("c", "0 6 * * *", follows("a"))}, func(w *world) {
		w.end = failsOn("a", 27)
		w.pass(7 * time.Hour)
		w.wantHistory("c", "11-27 06:00 skipped a failed for 2026-11-27: failed (after)")
		w.ran(journal.Run{Pipeline: "a", Firing: w.ids("a")[0], LogicalTime: time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)}, journal.Succeeded)
		w.started()
		w.pass(7 * time.Hour)
		w.wantStarted("c 11-27 06:00")
		w.wantHistory("c", "11-27 06:00 succeeded")
	})
}

// TestRunOfSeveral: a run of whole pipelines together counts for each of them.
func TestRunOfSeveral(t *testing.T) {
	inWorld(t, "2026-11-27T00:30:00Z", []*models.Pipeline{nightly("p", ""), nightly("r", ""), nightly("m", "", follows("p")), nightly("n", "", follows("r"))}, func(w *world) {
		for _, name := range []string{"p", "r"} {
			w.project.Nodes = append(w.project.Nodes, &models.Node{Schema: name, Table: "a", Pipeline: name}, &models.Node{Schema: name, Table: "b", Pipeline: name})
		}
		w.shutdown()
		w.start()
		w.pass(time.Minute)
		w.ran(journal.Run{Pipeline: "p+r", LogicalTime: w.now(), Selection: journal.Selection{Nodes: []string{"p.a", "p.b", "r.a"}}}, journal.Succeeded)
		w.pass(time.Minute)
		w.wantStarted("m 11-27 00:31")
	})
}

// TestSkipLosesNoSuccess: overlap: skip lets a follower wait while it runs, and then see what has succeeded meanwhile.
func TestSkipLosesNoSuccess(t *testing.T) {
	m := nightly("m", "", follows("a", "b"), func(pl *models.Pipeline) { pl.Overlap = models.OverlapSkip })
	inWorld(t, "2026-11-27T00:30:00Z", []*models.Pipeline{nightly("a", "0 1 * * *"), nightly("b", "0 1 * * *"), m}, func(w *world) {
		w.end = takes(map[string]time.Duration{"m": time.Hour})
		w.pass(45 * time.Minute)
		w.ask("b")
		w.pass(20 * time.Hour)
		w.wantHistory("m", "11-27 01:00 succeeded", "11-27 01:15 succeeded")
	})
}

// TestHeldForLong: what has succeeded while a follower ran is seen by its next run, however long that one took.
func TestHeldForLong(t *testing.T) {
	for _, overlap := range []string{models.OverlapSkip, models.OverlapQueue} {
		m := nightly("m", "", follows("a"), func(pl *models.Pipeline) { pl.Overlap = overlap })
		inWorld(t, "2026-11-27T00:30:00Z", []*models.Pipeline{nightly("a", "0 1 * * *"), m}, func(w *world) {
			spans := map[string]time.Duration{"m": 80 * time.Hour}
			w.end = takes(spans)
			w.looksEach(time.Hour)
			w.pass(2 * time.Hour)
			spans["m"] = time.Hour
			w.pass(84 * time.Hour)
			w.wantHistory("m", "11-27 01:00 succeeded", "11-28 01:00 succeeded", "11-29 01:00 succeeded", "11-30 01:00 succeeded")
		})
	}
}

// TestLateSuccessOfEarlier: a follower runs again for a success that comes late, although one of a later time on that date was there before.
func TestLateSuccessOfEarlier(t *testing.T) {
	inWorld(t, "2026-11-27T00:30:00Z", []*models.Pipeline{nightly("a", "0 1,3 * * *"), nightly("m", "", follows("a"))}, func(w *world) {
		w.pass(5 * time.Hour)
		w.askFor("a", time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC), journal.Ask{})
		w.pass(5 * time.Hour)
		w.wantHistory("m", "11-27 01:00 succeeded", "11-27 03:00 succeeded", "11-27 03:00 succeeded")
	})
}

// TestOnlyBehind: a run that has published all, while what follows the target is behind, has done what its followers and its schedule wait for.
func TestOnlyBehind(t *testing.T) {
	a := nightly("a", "0 2 * * *", func(pl *models.Pipeline) { pl.Retries, pl.PauseAfter = 2, 1 })
	inWorld(t, "2026-11-27T00:30:00Z", []*models.Pipeline{a, nightly("b", "", follows("a")), nightly("c", "", follows("d")), nightly("d", "")}, func(w *world) {
		code := 5
		behind := journal.Run{Behind: true, ExitCode: &code, Error: "published locally as snapshot 1; Snowflake is behind by 1 table: gone"}
		w.end = func(f journal.Firing) (time.Duration, int) {
			if f.Pipeline != "a" {
				return time.Minute, 0
			}
			r := behind
			r.Pipeline, r.Firing, r.LogicalTime = "a", f.ID, f.LogicalTime
			w.ran(r, journal.Partial)
			return time.Minute, code
		}
		w.pass(28 * time.Hour)
		w.wantStarted("a 11-27 02:00", "b 11-27 02:00", "a 11-28 02:00", "b 11-28 02:00")
		w.wantHistory("a", "11-27 02:00 succeeded "+behind.Error, "11-28 02:00 succeeded "+behind.Error)
		byHand := behind
		byHand.Pipeline, byHand.LogicalTime = "d", w.now()
		w.ran(byHand, journal.Partial)
		w.pass(time.Minute)
		w.wantStarted("c 11-28 04:30")
	})
}
