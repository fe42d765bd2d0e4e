package main

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// pruneDaily cuts the journal's history as the project in force says. It is beside the scheduler and not in its loop: a first cut may take minutes.
// What goes wrong is told, and tried again the next day.
func (h *host) pruneDaily(ctx context.Context) error {
	daily(ctx, clock.System, func() {
		erased, err := h.engine().PruneHistory(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			h.log.Warn("old history stays; it is tried again tomorrow", "error", err)
		case erased.Runs+erased.Firings+erased.Events > 0:
			h.log.Info("old history is removed", "runs", erased.Runs, "firings", erased.Firings, "events", erased.Events)
		}
	})
	return nil
}

// daily calls do a minute after the start and then once a day by the clock on the wall, which may be set, until the context ends.
func daily(ctx context.Context, now clock.Clock, do func()) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if at := now(); at.Sub(last).Abs() >= 24*time.Hour {
				last = at
				do()
			}
		}
	}
}
