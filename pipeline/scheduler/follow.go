package scheduler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file is about after: what a pipeline's firing waits for, and what fires a pipeline without a schedule of its own.
// Both are read off the journal anew each time, so that runs by hand and by other tools count as well.

// awaits judges what the firings of a pipeline wait for: those that were there before this look, so that fire knows which of them others keep
// from starting, or those that it has added. An error is the journal's.
func (d *decider) awaits(ctx context.Context, e *entry, added bool) error {
	if len(e.pipeline.After) == 0 {
		return nil
	}
	told := d.loop.news.about(e.pipeline)
	for _, it := range d.open(e.pipeline.Name) {
		if it.State != journal.FiringWaiting || it.Trigger != journal.TriggerSchedule || it.Tries > 0 || it.isNew != added {
			continue
		}
		if it.blocked = !told && d.loop.news.blocked[it.ID]; it.blocked {
			continue
		}
		if err := d.await(ctx, e, it); err != nil {
			return err
		}
	}
	return nil
}

// follow fires a pipeline that follows others without a schedule of its own, and opens a firing again whose forerunners were mended. An error is
// the journal's.
func (d *decider) follow(ctx context.Context, e *entry) error {
	_, paused := d.pauses[e.pipeline.Name]
	switch {
	case len(e.pipeline.After) == 0 || !d.loop.news.about(e.pipeline) || paused || e.state.Schedule != scheduleKey(e.pipeline):
		return nil
	case e.cron == nil:
		return d.chain(ctx, e)
	}
	return d.reopen(ctx, e)
}

// mayMend ends the reason of a firing that was skipped for what it follows.
const mayMend = " (after)"

// reopen lets the last firing of a schedule wait again that was skipped for what it follows, once that has succeeded within misfire_window.
func (d *decider) reopen(ctx context.Context, e *entry) error {
	last, err := d.Store.Firings(ctx, journal.FiringFilter{Pipeline: e.pipeline.Name, Trigger: journal.TriggerSchedule, Since: d.now.Add(-e.pipeline.MisfireWindow.Std()), Limit: 1})
	if err != nil || len(last) == 0 || d.byID[last[0].ID] != nil || last[0].State != journal.FiringSkipped || !strings.HasSuffix(last[0].Reason, mayMend) {
		return err
	}
	newer, _, err := d.Store.LastSuccess(ctx, e.pipeline.Name, d.target(), e.nodes, last[0].LogicalTime, d.now.Add(setForward))
	if err != nil || !newer.IsZero() {
		return err
	}
	it := &item{Firing: last[0], changed: true}
	it.State, it.Reason, it.Finished = journal.FiringWaiting, "", nil
	if err := d.await(ctx, e, it); err != nil || it.State != journal.FiringWaiting || it.blocked {
		return err
	}
	d.know(it)
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
			it.end(d.now, journal.FiringSkipped, fmt.Sprintf("%s %s for %s: %s%s", name, state, date, reason, mayMend))
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
	after := last.LogicalTime
	switch {
	case last.State.Open() && !after.IsZero():
		return last.State, last.Reason, nil
	case after.IsZero() && up.cron == nil:
		return d.upstreams(ctx, up, date)
	case after.IsZero():
		after = day.Add(-2 * time.Hour)
	}
	switch has, comes := d.times(up, after, date); {
	case comes:
		return journal.FiringWaiting, "", nil
	case !last.LogicalTime.IsZero():
		return last.State, last.Reason, nil
	case has:
		return journal.FiringSkipped, "its times on that day have passed: it was paused, or its schedule is newer", nil
	}
	return journal.FiringSkipped, "its schedule has no time on that day", nil
}

// upstreams is what has become on a date of what a pipeline without a schedule follows: waiting, unless one of them has failed for good.
func (d *decider) upstreams(ctx context.Context, e *entry, date string) (journal.FiringState, string, error) {
	for _, name := range e.pipeline.After {
		if up := d.loop.entries[name]; up != nil {
			state, reason, err := d.onDate(ctx, up, date)
			if err != nil || state != journal.FiringSucceeded && !state.Open() {
				return journal.FiringSkipped, fmt.Sprintf("%s %s: %s", name, state, reason), err
			}
		}
	}
	return journal.FiringWaiting, "", nil
}

// times says whether the pipeline's schedule has a time on a date after the given one, and one that has not been decided.
func (d *decider) times(up *entry, after time.Time, date string) (has, comes bool) {
	if up.cron == nil {
		return false, false
	}
	for at := up.cron.Next(after); !at.IsZero() && up.pipeline.Date(at) <= date; at = up.cron.Next(at) {
		if up.pipeline.Date(at) == date {
			has = true
			if at.After(d.now) || at.After(up.state.Through) {
				return true, true
			}
		}
	}
	return has, false
}

// outcomes are those of the whole pipeline for our target: a run of some of its nodes, for another target, a retry or a replay proves
// nothing. A retry that succeeds is credited to the firing of the run.
func (d *decider) outcomes(ctx context.Context, up *entry, from, to time.Time) ([]journal.Outcome, error) {
	all, err := d.Store.Outcomes(ctx, up.pipeline.Name, d.target(), up.nodes, from, to)
	all = slices.DeleteFunc(all, func(o journal.Outcome) bool { return o.Part || o.Elsewhere })
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

// longAgo is for how long before the window a logical time may be that succeeds only within it.
const longAgo = 7 * 24 * time.Hour

// success is the latest one of a date.
type success struct {
	at, ended time.Time // its logical time, and when it was recorded or one of an earlier time on the date was, if that was later
}

// chain fires a pipeline without a schedule when all that it follows have succeeded for a logical date and one of these successes is newer than
// what the pipeline has run for. A success is too old for that after misfire_window, which counts from the end of the firing that overlap: let it
// wait for.
func (d *decider) chain(ctx context.Context, e *entry) error {
	edge := d.now.Add(-e.pipeline.MisfireWindow.Std())
	since := later(edge, e.state.Through)
	forgotten, err := d.Store.Forgotten(ctx, e.pipeline.Name)
	if err != nil {
		return err
	}
	before, err := d.Store.Firings(ctx, journal.FiringFilter{Pipeline: e.pipeline.Name, Since: edge.Add(-longAgo), OpenAt: edge})
	if err != nil {
		return err
	}
	latest := map[string]success{} // by date
	count := map[string]int{}
	for _, name := range e.pipeline.After {
		up := d.loop.entries[name]
		if up == nil {
			return nil
		}
		successes, err := d.successes(ctx, up, since.Add(-longAgo))
		if err != nil {
			return err
		}
		for date, one := range successes {
			count[date]++
			all := latest[date]
			latest[date] = success{later(all.at, one.at), later(all.ended, one.ended)}
		}
	}
	for _, date := range slices.Sorted(maps.Keys(latest)) {
		last := latest[date]
		if !last.at.After(forgotten) { // what the pipeline has run for by then is not known any more
			continue
		}
		held := slices.ContainsFunc(before, func(f journal.Firing) bool { return f.Created.Before(last.ended) })
		old := last.ended.Before(e.state.Through) || last.ended.Before(edge) && !held
		paused := slices.ContainsFunc(d.lifted[e.pipeline.Name], func(l journal.Lifted) bool { return within(l, last.ended) })
		if count[date] < len(e.pipeline.After) || old || paused || d.pending(e, last.at, date) {
			continue
		}
		at, err := d.unseen(ctx, e, last)
		if err != nil {
			return err
		}
		if !at.IsZero() && d.refused(e.pipeline, at) == "" { // otherwise it is asked again when what is open has ended
			if _, err := d.arrive(ctx, e.pipeline, at, journal.TriggerAfter); err != nil {
				return err
			}
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pending says whether what a pipeline follows is still at work on a date, for a time up to that one: what comes of it is waited for.
func (d *decider) pending(e *entry, until time.Time, date string) bool {
	for _, name := range e.pipeline.After {
		up := d.loop.entries[name]
		if up == nil {
			continue
		}
		if slices.ContainsFunc(d.of[name], func(it *item) bool {
			return it.Ask.Whole() && (it.State.Open() || it.changed) && !it.LogicalTime.Truncate(time.Second).After(until) && up.pipeline.Date(it.LogicalTime) == date
		}) || up.cron == nil && d.pending(up, until, date) {
			return true
		}
	}
	return false
}

// unseen is the logical time for a run of a pipeline that sees what has succeeded: the latest of theirs or, when the pipeline has run for it
// before they had all ended, the next microsecond that is free. Zero: there is such a run, or it has yet to begin.
func (d *decider) unseen(ctx context.Context, e *entry, last success) (at time.Time, err error) {
	own, err := d.Store.Outcomes(ctx, e.pipeline.Name, d.target(), e.nodes, last.at, last.at.Add(time.Second))
	if err != nil {
		return at, err
	}
	at = last.at
	for _, o := range own {
		back := last.ended.After(d.now) // the clock was set back: it is judged when the clock is there again
		never := o.State == journal.FiringSkipped && o.Began.IsZero()
		if !o.Part && !o.Elsewhere && !never && (back || o.Began.IsZero() || !o.Began.Before(last.ended)) {
			return time.Time{}, nil
		}
		if o.LogicalTime.Equal(at) {
			at = at.Add(time.Microsecond)
		}
	}
	return at, nil
}

// successes are the latest logical times from a moment on for which a pipeline has succeeded, by date. It asks for each date, from the last one
// backwards.
func (d *decider) successes(ctx context.Context, up *entry, from time.Time) (map[string]success, error) {
	latest := map[string]success{}
	for to := d.now.Add(setForward); ; {
		at, ended, err := d.Store.LastSuccess(ctx, up.pipeline.Name, d.target(), up.nodes, from, to)
		if err != nil || at.IsZero() {
			return latest, err
		}
		day := midnight(at.In(up.pipeline.Location()))
		if !day.Before(at) { // the clock shows that midnight twice
			day = at
		}
		if date := up.pipeline.Date(at); latest[date].at.IsZero() {
			mended, err := d.Store.LastMended(ctx, up.pipeline.Name, d.target(), up.nodes, day, to, ended)
			if err != nil {
				return latest, err
			}
			latest[date] = success{at, later(ended, mended)}
		}
		to = day
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
