package scheduler

import (
	"testing"
	"time"

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
