package scheduler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file is about after: what a pipeline's firing waits for, and what fires a pipeline without a schedule of its own.
// Both are read off the journal anew each time, so that runs by hand and by other tools count as well.

// follow handles a pipeline that follows others. An error is the journal's.
func (d *decider) follow(ctx context.Context, e *entry) error {
	if len(e.pipeline.After) == 0 {
		return nil
	}
	told := d.loop.news.about(e.pipeline)
	for _, it := range d.open(e.pipeline.Name) {
		if it.State != journal.FiringWaiting || it.Trigger != journal.TriggerSchedule || it.Tries > 0 {
			continue
		}
		if it.blocked = !told && d.loop.news.blocked[it.ID]; it.blocked {
			continue
		}
		if err := d.await(ctx, e, it); err != nil {
			return err
		}
	}
	if told && e.cron == nil && !e.state.Paused && e.state.Schedule == scheduleKey(e.pipeline) {
		return d.chain(ctx, e)
	}
	return nil
}

// await lets a firing wait for the pipelines that it follows to have succeeded for the same logical date. When one has
// failed for good, or has none for that date, the firing is skipped.
func (d *decider) await(ctx context.Context, e *entry, it *item) error {
	date := e.pipeline.Date(it.LogicalTime)
	var waits []string
	for _, name := range e.pipeline.After {
		up := d.loop.entries[name]
		if up == nil {
			continue
		}
		state, reason, err := d.onDate(ctx, up, date)
		if err != nil {
			return err
		}
		switch {
		case state == journal.FiringSucceeded:
		case state.Open():
			waits = append(waits, name)
		default:
			it.end(d.now, journal.FiringSkipped, fmt.Sprintf("%s %s for %s: %s", name, state, date, reason))
			return nil
		}
	}
	if len(waits) == 0 {
		return nil
	}
	if window := e.pipeline.MisfireWindow.Std(); d.now.Sub(it.Created) > window {
		it.end(d.now, journal.FiringSkipped, fmt.Sprintf("%s did not succeed for %s within %v (misfire_window)", strings.Join(waits, ", "), date, e.pipeline.MisfireWindow))
		return nil
	}
	it.blocked = true
	it.wait(it.Due, fmt.Sprintf("waits for %s of %s", strings.Join(waits, ", "), date))
	return nil
}

// onDate is what has become of a pipeline on a logical date: succeeded when it did once, waiting as long as it may yet, and
// otherwise how the last try ended.
func (d *decider) onDate(ctx context.Context, up *entry, date string) (journal.FiringState, string, error) {
	day, err := time.ParseInLocation(time.DateOnly, date, up.pipeline.Location())
	if err != nil {
		return "", "", err
	}
	outcomes, err := d.outcomes(ctx, up, day.Add(-2*time.Hour), day.Add(27*time.Hour))
	if err != nil {
		return "", "", err
	}
	last := journal.Outcome{State: journal.FiringWaiting}
	for _, o := range outcomes {
		if up.pipeline.Date(o.LogicalTime) != date {
			continue
		}
		if o.State == journal.FiringSucceeded {
			return o.State, "", nil
		}
		if last.State != journal.FiringStarted && !(last.State == journal.FiringWaiting && !last.LogicalTime.IsZero()) {
			last = o // an open one is what there is to wait for
		}
	}
	if !last.State.Open() && d.comes(up, last.LogicalTime, date) {
		return journal.FiringWaiting, "", nil
	}
	if last.LogicalTime.IsZero() && up.cron != nil && !d.comes(up, day.Add(-2*time.Hour), date) {
		return journal.FiringSkipped, "its schedule has no time on that day", nil
	}
	return last.State, last.Reason, nil
}

// comes says whether the pipeline's schedule has a time on a date after the given one that has not been decided.
func (d *decider) comes(up *entry, after time.Time, date string) bool {
	if up.cron == nil {
		return false
	}
	for at := up.cron.Next(after); !at.IsZero() && up.pipeline.Date(at) <= date; at = up.cron.Next(at) {
		if up.pipeline.Date(at) == date && (at.After(d.now) || at.After(up.state.Through)) {
			return true
		}
	}
	return false
}

// outcomes are those of the whole pipeline for our target: a run of some of its nodes, for another target, a retry or a replay proves
// nothing. A retry that succeeds is credited to the firing of the run.
func (d *decider) outcomes(ctx context.Context, up *entry, from, to time.Time) ([]journal.Outcome, error) {
	all, err := d.Store.Outcomes(ctx, up.pipeline.Name, d.target(), from, to)
	all = slices.DeleteFunc(all, func(o journal.Outcome) bool { return o.Part || o.Elsewhere || o.Nodes > 0 && o.Nodes < up.nodes })
	for i, o := range all { // what this look has ended is not in the journal yet
		for _, it := range d.of[up.pipeline.Name] {
			if it.LogicalTime.Equal(o.LogicalTime) {
				all[i].State, all[i].Reason = it.State, it.Reason
			}
		}
	}
	return all, err
}

// target is where our runs publish to.
func (d *decider) target() journal.Target { return pipeline.TargetOf(d.loop.project) }

// chain fires a pipeline without a schedule when all that it follows have succeeded for a logical date: for the latest of
// their logical times, so that there is one firing however often the journal is looked at.
func (d *decider) chain(ctx context.Context, e *entry) error {
	from := d.now.Add(-e.pipeline.MisfireWindow.Std())
	if e.state.Through.After(from) {
		from = e.state.Through
	}
	latest := map[string]time.Time{} // by date
	count := map[string]int{}
	for _, name := range e.pipeline.After {
		up := d.loop.entries[name]
		if up == nil {
			return nil
		}
		successes, err := d.successes(ctx, up, from)
		if err != nil {
			return err
		}
		for date, at := range successes {
			count[date]++
			if at.After(latest[date]) {
				latest[date] = at
			}
		}
	}
	for date, at := range latest {
		if count[date] < len(e.pipeline.After) {
			continue
		}
		own, err := d.Store.Outcomes(ctx, e.pipeline.Name, d.target(), at, at.Add(time.Microsecond))
		if err != nil {
			return err
		}
		if len(own) == 0 {
			d.arrive(e.pipeline, at, journal.TriggerAfter)
		}
	}
	return nil
}

// successes are the latest logical times from a moment on for which a pipeline has succeeded, by date. It asks once for each date, from the last
// one backwards.
func (d *decider) successes(ctx context.Context, up *entry, from time.Time) (map[string]time.Time, error) {
	latest := map[string]time.Time{}
	for to := d.now.Add(setForward); ; {
		at, err := d.Store.LastSuccess(ctx, up.pipeline.Name, d.target(), up.nodes, from, to)
		if err != nil || at.IsZero() {
			return latest, err
		}
		date := up.pipeline.Date(at)
		if latest[date].IsZero() {
			latest[date] = at
		}
		if to = midnight(at.In(up.pipeline.Location())); !to.Before(at) { // the clock shows that midnight twice
			to = at
		}
	}
}

// midnight is when the day of a time begins, or its second midnight.
func midnight(t time.Time) time.Time {
	at := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
	if at.Day() != t.Day() { // the clock skips it
		_, at = at.ZoneBounds()
	}
	return at
}
