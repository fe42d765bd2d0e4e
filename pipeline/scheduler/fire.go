package scheduler

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file turns the times of a schedule into firings: those that are due now, those that were missed, and those that
// come while the last run still goes on.

const (
	// late is by how much a schedule's time may have passed without having been missed.
	late = 2 * time.Minute
	// mostSkipped is how many missed times are told one by one; of those before them an event tells.
	mostSkipped = 50
	// setForward is how far ahead of the clock a schedule can have been dealt with: more means that the clock was wrong.
	setForward = 25 * time.Hour
)

// fire adds what a pipeline's schedule has due. An error is the journal's.
func (d *decider) fire(ctx context.Context, e *entry) error {
	pl, state := e.pipeline, e.state
	key := scheduleKey(pl)
	switch {
	case key == "" && state.Schedule == "":
		return nil
	case state.Schedule != key: // a new schedule owes nothing of the time before it
		d.baseline(e, d.now)
		return nil
	case state.Through.Sub(d.now) > setForward:
		d.event("clock", pl.Name, "the clock was set back: the schedule was dealt with up to %s and goes on from %s; what has fired for its times until then does not fire again", onClock(pl, state.Through), onClock(pl, d.now))
		d.baseline(e, d.now)
		return nil
	case e.cron == nil:
		for _, l := range d.lifted[pl.Name] { // forgets those that no success can be in any more that counts, see chain
			if l.Until.After(state.Through) && d.now.Sub(l.Until) > pl.MisfireWindow.Std() {
				d.baseline(e, l.Until)
			}
		}
		return nil
	case e.next.IsZero():
		e.next = e.cron.Next(state.Through)
	}
	if e.next.IsZero() || e.next.After(d.now) {
		return nil
	}
	t := d.due(e)
	if _, paused := d.pauses[pl.Name]; !paused || !t.first.IsZero() {
		d.baseline(e, d.now)
	}
	return d.judge(ctx, pl, t)
}

// baseline lets a schedule count from a moment on.
func (d *decider) baseline(e *entry, from time.Time) {
	d.states = append(d.states, journal.ScheduleState{Pipeline: e.pipeline.Name, Schedule: scheduleKey(e.pipeline), Through: from})
}

// unpaused is the first time of a schedule, from one of them on, at which it was not paused; zero when it is since.
func (d *decider) unpaused(e *entry, at time.Time) time.Time {
	for _, l := range d.lifted[e.pipeline.Name] {
		if within(l, at) {
			at = e.cron.Next(l.Until)
		}
	}
	if p, paused := d.pauses[e.pipeline.Name]; paused && at.After(p.Since) {
		return time.Time{}
	}
	return at
}

func within(l journal.Lifted, at time.Time) bool { return at.After(l.Since) && !at.After(l.Until) }

// dueTimes are the times of a schedule since it was last looked at.
type dueTimes struct {
	first  time.Time
	now    []time.Time // that are not late
	missed []time.Time // the latest of those that are, within the window
	more   int         // missed ones before them, within the window
	older  bool        // and others before the window
}

// due lists them, but for those at which it was paused, in memory that does not grow with how long nobody looked.
func (d *decider) due(e *entry) dueTimes {
	pl := e.pipeline
	at := d.unpaused(e, e.next)
	if at.After(d.now) {
		return dueTimes{}
	}
	t := dueTimes{first: at}
	keep := mostSkipped + pl.MaxCatchup
	if window := d.now.Add(-pl.MisfireWindow.Std()); !at.IsZero() && at.Before(window) && d.now.Sub(at) > late {
		t.older = true
		at = d.unpaused(e, e.cron.Next(window.Add(-time.Nanosecond)))
	}
	for ; !at.IsZero() && !at.After(d.now); at = d.unpaused(e, e.cron.Next(at)) {
		if d.now.Sub(at) <= late {
			t.now = append(t.now, at)
			continue
		}
		if len(t.missed) == keep {
			t.missed = append(t.missed[:0], t.missed[1:]...)
			t.more++
		}
		t.missed = append(t.missed, at)
	}
	return t
}

// judge makes firings of them: those that are not late as overlap: does, the missed ones as misfire: says.
func (d *decider) judge(ctx context.Context, pl *models.Pipeline, t dueTimes) error {
	var newest *item // of those that are not late, what is to run
	for _, at := range t.now {
		it, err := d.arrive(ctx, pl, at, journal.TriggerSchedule)
		if err != nil {
			return err
		}
		if it.State.Open() {
			newest = it
		}
	}
	run := 0 // how many of the missed ones are run, the latest of them
	told := "is not made up for (misfire: skip)"
	switch pl.Misfire {
	case models.MisfireSkip:
		newest = nil
	case models.MisfireAll:
		newest, run = nil, min(len(t.missed), pl.MaxCatchup)
		told = fmt.Sprintf("is not made up for: the latest %d are (max_catchup)", run)
	case models.MisfireOne, "":
		if newest != nil {
			told = "is made up for by " + onClock(pl, newest.LogicalTime) + " (misfire: one)"
		} else if run = min(len(t.missed), 1); run == 1 {
			told = "is made up for by " + onClock(pl, t.missed[len(t.missed)-1]) + " (misfire: one)"
		}
	}
	skipped, caughtUp := t.missed[:len(t.missed)-run], t.missed[len(t.missed)-run:]
	for _, at := range skipped[max(0, len(skipped)-mostSkipped):] {
		d.add(pl, at, journal.TriggerSchedule, journal.FiringSkipped, "missed while nothing was scheduled; it "+told)
	}
	for _, at := range caughtUp {
		d.add(pl, at, journal.TriggerSchedule, journal.FiringWaiting, "missed while nothing was scheduled; made up for (misfire: "+pl.Misfire+")")
	}
	if missed := len(t.missed) + t.more; missed > 0 || t.older {
		kind := journal.EventMisfire
		if run == 0 && newest == nil || pl.Misfire == models.MisfireAll && (len(skipped)+t.more > 0 || t.older) {
			kind = journal.EventMissed
		}
		d.event(kind, pl.Name, "%s", misfired(pl, t, missed, run, newest))
	}
	return nil
}

// misfired tells of missed times in one sentence: how many are run, or which one that is not late makes up for them.
func misfired(pl *models.Pipeline, t dueTimes, missed, run int, newest *item) string {
	times, were := "times", "were"
	if missed == 1 {
		times, were = "time", "was"
	}
	text := fmt.Sprintf("%d %s of the schedule %s missed since %s: ", missed, times, were, onClock(pl, t.first))
	switch {
	case newest != nil:
		text += "the one of " + onClock(pl, newest.LogicalTime) + " makes up for it"
	case run == 0:
		text += "no run now makes up for that"
	case run == 1:
		text += "1 run now makes up for it"
	default:
		text += fmt.Sprintf("%d runs now make up for them", run)
	}
	text += " (misfire: " + pl.Misfire + ")"
	if t.older {
		text += fmt.Sprintf("; those missed more than %s ago are neither counted nor made up for (misfire_window)", pl.MisfireWindow)
	}
	return text
}

// arrive adds a firing that is due now, as overlap: says when others of the pipeline are open. An error is the journal's.
func (d *decider) arrive(ctx context.Context, pl *models.Pipeline, at time.Time, trigger journal.Trigger) (*item, error) {
	if why := d.refused(pl, at); why != "" {
		return d.add(pl, at, trigger, journal.FiringSkipped, why), nil
	}
	if pl.Overlap == models.OverlapCancel {
		for _, it := range d.meets(pl, at) {
			why := "ended for the one of " + onClock(pl, at) + " (overlap: cancel)"
			if it.State == journal.FiringStarted {
				d.stop(it, why)
			} else if err := d.giveWay(ctx, it, it.vain(), journal.FiringSkipped, why); err != nil {
				return nil, err
			}
		}
	}
	it := d.add(pl, at, trigger, journal.FiringWaiting, "")
	if trigger == journal.TriggerAfter { // its logical time is that of another pipeline, and has passed
		it.Due = d.now.Add(jitter(pl))
	}
	if it.Due.After(d.now) {
		it.Reason = "waits until " + it.Due.In(pl.Location()).Format("15:04:05") + " (jitter)"
	}
	return it, nil
}

// refused is why overlap: lets no firing be added now, "" when it does.
func (d *decider) refused(pl *models.Pipeline, at time.Time) string {
	before := d.meets(pl, at)
	switch {
	case len(before) == 0 || pl.Overlap == models.OverlapCancel:
		return ""
	case pl.Overlap == models.OverlapSkip:
		return "the one of " + onClock(pl, before[0].LogicalTime) + " has not ended (overlap: skip)"
	}
	var runs, waits *item
	for _, it := range d.open(pl.Name) {
		if it.State == journal.FiringStarted {
			runs = it
		}
	}
	waiting := 0
	for _, it := range before {
		overtaken := it.triesAgain() && runs != nil && it.LogicalTime.Before(runs.LogicalTime) // as soon as the run succeeds
		if it.State == journal.FiringWaiting && !overtaken {
			waits = it
			waiting++
		}
	}
	if waiting > 1 || waiting == 1 && runs != nil {
		return "the one of " + onClock(pl, waits.LogicalTime) + " waits already, and one waits at the most (overlap: queue)"
	}
	return ""
}

// meets are the open firings that overlap: is about when another is due. It is not about what was asked for of part of the pipeline, nor about what
// makes up for missed times, which are meant to queue, nor about one that waits for others on another day, which may never be started.
func (d *decider) meets(pl *models.Pipeline, at time.Time) []*item {
	return slices.DeleteFunc(d.open(pl.Name), func(it *item) bool {
		makesUp := it.Trigger == journal.TriggerSchedule && it.Created.Sub(it.LogicalTime) > late
		return !it.Ask.Whole() || makesUp || it.blocked && pl.Date(it.LogicalTime) != pl.Date(at)
	})
}
