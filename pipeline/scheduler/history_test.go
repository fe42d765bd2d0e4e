package scheduler

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// TestPrunedTimesDoNotFire: when the history has lost its firings, their times do not fire again, whatever becomes of schedule, window and clock.
func TestPrunedTimesDoNotFire(t *testing.T) {
	const day = 24 * time.Hour
	follower := &models.Pipeline{Name: "b", After: config.StringList{"a"}, Timezone: "UTC", Misfire: models.MisfireOne, MisfireWindow: config.Duration(day), Overlap: models.OverlapQueue}
	inWorld(t, "2024-01-01T00:00:00Z", []*models.Pipeline{nightly("a", "0 2 * * *", func(pl *models.Pipeline) { pl.Misfire = models.MisfireAll }), follower}, func(w *world) {
		again := func() { w.shutdown(); w.start(); w.pass(time.Hour) }
		w.looksEach(12 * time.Hour)
		w.pass(200 * day)
		if n := len(w.started()); n != 400 {
			t.Fatalf("%d runs in 200 days, want one of each a day", n)
		}
		for range 100 { // so that b has lost more of its history than a
			w.ask("b")
			w.pass(time.Hour)
		}
		w.started()
		now := w.now()
		erased, err := w.journal.Prune(w.Context(), journal.Cut{Before: now.Add(-10 * day)})
		if err != nil || erased.Firings < 250 {
			t.Fatalf("%+v, %v", erased, err)
		}
		w.pass(time.Hour)
		w.started()

		again()
		w.wantStarted()

		// A window that is made longer shows b days of a of which its own firings have gone.
		longer := *follower
		longer.MisfireWindow = config.Duration(400 * day)
		w.project = &models.Project{Pipelines: []*models.Pipeline{w.project.Pipelines[0], &longer}, Concurrency: 2}
		again()
		w.wantStarted()

		// The clock is set back into the time that is lost; then the same times are written otherwise.
		w.ahead = -190 * day
		again()
		w.pass(2 * day)
		w.wantStarted()
		w.project = &models.Project{Pipelines: []*models.Pipeline{nightly("a", "0 2 * * 0-6"), &longer}, Concurrency: 2}
		again()
		w.pass(2 * day)
		w.wantStarted()

		w.ahead = 0
		w.pass(2 * day)
		if got := w.started(); !slices.ContainsFunc(got, func(s string) bool { return s == "a "+w.now().Format("01-02")+" 02:00" }) {
			t.Errorf("started %q: the schedule does not go on", got)
		}
	})
}
