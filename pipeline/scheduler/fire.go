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
	pause, paused := d.pauses[pl.Name]
	key := scheduleKey(pl)
	switch {
	case key == "" && state.Schedule == "":
		return nil
	case state.Schedule != key: // a new schedule owes nothing of the time before it
		d.baseline(e, paused)
		return nil
	case state.Through.Sub(d.now) > setForward:
		d.event("clock", pl.Name, "the clock was set back: the schedule was dealt with up to %s and goes on from %s; what has fired for its times until then does not fire again", onClock(pl, state.Through), onClock(pl, d.now))
		d.baseline(e, paused)
		return nil
	case state.Paused && paused:
		return nil
	case state.Paused: // it was resumed by a version that does not say when
		d.baseline(e, false)
		return nil
	case e.cron == nil:
		if paused {
			d.baseline(e, true)
		}
		return nil
	case e.next.IsZero():
		e.next = e.cron.Next(state.Through)
	}
	until := d.now
	if paused && pause.Since.Before(until) { // what is due while it is paused is not made up for, what was before it is
		until = pause.Since
	}
	due := !e.next.IsZero() && !e.next.After(until)
	if due || paused {
		d.states = append(d.states, journal.ScheduleState{Pipeline: pl.Name, Schedule: key, Through: d.now, Paused: paused})
	}
	if !due {
		return nil
	}
	return d.judge(ctx, pl, d.due(e, until))
}

// baseline lets a schedule count from now.
func (d *decider) baseline(e *entry, paused bool) {
	d.states = append(d.states, journal.ScheduleState{Pipeline: e.pipeline.Name, Schedule: scheduleKey(e.pipeline), Through: d.now, Paused: paused})
}

// dueTimes are the times of a schedule since it was last looked at.
type dueTimes struct {
	first  time.Time
	now    []time.Time // that are not late
	missed []time.Time // the latest of those that are, within the window
	more   int         // missed ones before them, within the window
	older  bool        // and others before the window
}

// due lists them up to a moment, in memory that does not grow with how long nobody looked.
func (d *decider) due(e *entry, until time.Time) dueTimes {
	pl := e.pipeline
	t := dueTimes{first: e.next}
	keep := mostSkipped + pl.MaxCatchup
	at := e.next
	if window := d.now.Add(-pl.MisfireWindow.Std()); at.Before(window) && d.now.Sub(at) > late {
		t.older = true
		at = e.cron.Next(window.Add(-time.Nanosecond))
	}
	for ; !at.IsZero() && !at.After(until); at = e.cron.Next(at) {
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

// judge makes firings of them: the missed ones as misfire: says, the others as overlap: does.
func (d *decider) judge(ctx context.Context, pl *models.Pipeline, t dueTimes) error {
	run := 0 // how many of the missed ones are run, the latest of them
	told := "is not made up for (misfire: skip)"
	switch pl.Misfire {
	case models.MisfireAll:
		run = min(len(t.missed), pl.MaxCatchup)
		told = fmt.Sprintf("is not made up for: the latest %d are (max_catchup)", run)
	case models.MisfireOne, "":
		if len(t.now) > 0 {
			told = "is made up for by " + onClock(pl, t.now[len(t.now)-1]) + " (misfire: one)"
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
		if run == 0 && (len(t.now) == 0 || pl.Misfire == models.MisfireSkip) || pl.Misfire == models.MisfireAll && (len(skipped)+t.more > 0 || t.older) {
			kind = journal.EventMissed
		}
		d.event(kind, pl.Name, "%s", misfired(pl, t, missed, run))
	}
	for _, at := range t.now {
		if err := d.arrive(ctx, pl, at, journal.TriggerSchedule); err != nil {
			return err
		}
	}
	return nil
}

// misfired tells of missed times in one sentence.
func misfired(pl *models.Pipeline, t dueTimes, missed, run int) string {
	times, were := "times", "were"
	if missed == 1 {
		times, were = "time", "was"
	}
	text := fmt.Sprintf("%d %s of the schedule %s missed since %s: ", missed, times, were, onClock(pl, t.first))
	switch {
	case run == 0 && len(t.now) > 0 && pl.Misfire != models.MisfireSkip:
		text += "the one of " + onClock(pl, t.now[len(t.now)-1]) + " makes up for it"
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
func (d *decider) arrive(ctx context.Context, pl *models.Pipeline, at time.Time, trigger journal.Trigger) error {
	open := d.open(pl.Name)
	runs := slices.ContainsFunc(open, func(it *item) bool { return it.State == journal.FiringStarted })
	before := slices.DeleteFunc(open, func(it *item) bool { return !meets(pl, it, at) })
	skip := func(why string) {
		d.add(pl, at, trigger, journal.FiringSkipped, why)
	}
	switch {
	case len(before) == 0:
	case pl.Overlap == models.OverlapSkip:
		skip("the one of " + onClock(pl, before[0].LogicalTime) + " has not ended (overlap: skip)")
		return nil
	case pl.Overlap == models.OverlapCancel:
		for _, it := range before {
			why := "ended for the one of " + onClock(pl, at) + " (overlap: cancel)"
			if it.State == journal.FiringStarted {
				d.stop(it, why)
			} else if err := d.giveWay(ctx, it, it.vain(), journal.FiringSkipped, why); err != nil {
				return err
			}
		}
	case len(before) > 1 || runs && before[0].State == journal.FiringWaiting:
		skip("the one of " + onClock(pl, before[len(before)-1].LogicalTime) + " waits already, and one waits at the most (overlap: queue)")
		return nil
	}
	it := d.add(pl, at, trigger, journal.FiringWaiting, "")
	if trigger == journal.TriggerAfter { // its logical time is that of another pipeline, and has passed
		it.Due = d.now.Add(jitter(pl))
	}
	if it.Due.After(d.now) {
		it.Reason = "waits until " + it.Due.In(pl.Location()).Format("15:04:05") + " (jitter)"
	}
	return nil
}

// meets says whether overlap: is about an open firing when another is due. It is not about what was asked for of part of the pipeline, nor about what
// makes up for missed times, which are meant to queue, nor about one that waits for others on another day, which may never be started.
func meets(pl *models.Pipeline, it *item, at time.Time) bool {
	makesUp := it.Trigger == journal.TriggerSchedule && it.Created.Sub(it.LogicalTime) > late
	return it.Ask.Whole() && !makesUp && !(it.blocked && pl.Date(it.LogicalTime) != pl.Date(at))
}
