package scheduler

import (
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// counted counts what is asked for the sake of those that follow others.
type counted struct {
	Store
	asked int
}

func (c *counted) LastSuccess(ctx context.Context, pipeline string, t journal.Target, nodes int, from, to time.Time) (time.Time, error) {
	c.asked++
	return c.Store.LastSuccess(ctx, pipeline, t, nodes, from, to)
}

func (c *counted) Outcomes(ctx context.Context, pipeline string, t journal.Target, from, to time.Time) ([]journal.Outcome, error) {
	c.asked++
	return c.Store.Outcomes(ctx, pipeline, t, from, to)
}

// TestNews: a pipeline that follows others costs nothing until one of them ends, and then it is seen at the next look.
func TestNews(t *testing.T) {
	after := func(pl *models.Pipeline) { pl.After = []string{"ingest"} }
	pipelines := []*models.Pipeline{nightly("ingest", "0 2 * * *"), nightly("chained", "", after), nightly("waiting", "0 1 * * *", after)}
	inWorld(t, "2026-11-27T00:30:00Z", pipelines, func(w *world) {
		w.shutdown()
		store := &counted{Store: w.journal}
		w.store = store
		w.start()
		w.pass(45 * time.Minute)
		w.wantHistory("waiting", "11-27 01:00 waiting waits for ingest of 2026-11-27")
		w.look()
		store.asked = 0
		for range 5 {
			w.look()
		}
		if store.asked > 0 {
			t.Errorf("the journal was asked %d times although there is no news", store.asked)
		}
		w.wantHistory("waiting", "11-27 01:00 waiting waits for ingest of 2026-11-27")
		at := w.now() // somebody runs ingest by hand
		r := journal.Run{ID: "hand", Pipeline: "ingest", LogicalTime: at, Started: at, Attempt: 1, Status: journal.Running}
		if err := w.journal.BeginRun(w.Context(), r); err != nil {
			t.Fatal(err)
		}
		r.Status, r.Finished = journal.Succeeded, &at
		if err := w.journal.FinishRun(w.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
		w.look()
		w.wantStarted("waiting 11-27 01:00", "chained 11-27 01:15")
	})
}

// TestMidnight: where the clock skips midnight the day begins later.
func TestMidnight(t *testing.T) {
	for _, c := range []struct{ zone, at, want string }{
		{"Europe/Berlin", "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00"},
		{"Africa/Cairo", "2026-04-24T12:00:00+03:00", "2026-04-24T01:00:00+03:00"},
		{"America/Sao_Paulo", "2018-11-04T12:00:00-02:00", "2018-11-04T01:00:00-02:00"},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := midnight(at.In(loc)).Format(time.RFC3339); got != c.want {
			t.Errorf("%s: %s, want %s", c.zone, got, c.want)
		}
	}
}
