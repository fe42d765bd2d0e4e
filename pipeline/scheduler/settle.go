package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file decides what becomes of a firing whose run has ended.

const (
	// mostLost is how often a firing's run may be lost, because it or the scheduler was killed, before it counts as failed.
	mostLost = 5
	// lockedWait is how long a firing waits for a run that somebody else has started.
	lockedWait = 30 * time.Second
	// longestDelay is the longest wait before a retry.
	longestDelay = 30 * time.Minute
)

// settle records how a run ended, and whether it is run again. An error is the journal's.
func (d *decider) settle(ctx context.Context, it *item, r Result) error {
	run, done, err := d.runOf(ctx, it)
	if err != nil {
		return err
	}
	code := r.ExitCode
	reason := ""
	if done { // whatever became of its process
		code, reason = codeOf(run), run.Error
	}
	vain := it.vain()
	it.Run, it.ExitCode, it.changed = cmp.Or(run.ID, it.Ask.Retry), &code, true
	locked := cmp.Or(r.Message, "locked by a run that the scheduler has not started")
	r.Message = cmp.Or(r.Message, run.Error)
	stop := ""
	if w := d.loop.workers[it.ID]; w != nil {
		stop = w.stop
	}
	switch e := d.entry(it); {
	case done || code == pipeline.ExitOK:
		it.end(d.now, journal.FiringSucceeded, reason)
	case stop != "":
		return d.giveWay(ctx, it, vain, journal.FiringCancelled, stop)
	case d.loop.stopping:
		it.wait(it.Due, "the scheduler was stopped; the run is taken up when it starts again")
	case code == pipeline.ExitLocked:
		it.Tries--
		it.wait(d.now.Add(lockedWait), locked+"; waits for it to end")
	case e == nil:
		return d.fail(ctx, it, nil, why(r))
	case r.Killed != "":
		return d.lost(ctx, it, r.Killed)
	case code == pipeline.ExitInterrupted || code == pipeline.ExitTerminated:
		return d.lost(ctx, it, "its process was asked to end")
	case code == pipeline.ExitUsage || code == pipeline.ExitChecks || !retried(it.Trigger) || it.Tries > e.pipeline.Retries:
		return d.fail(ctx, it, e.pipeline, why(r))
	default:
		delay := backoff(e.pipeline, it.Tries)
		it.wait(d.now.Add(delay), fmt.Sprintf("%s; try %d of %d comes in %v", why(r), it.Tries+1, e.pipeline.Retries+1, delay.Round(time.Second)))
	}
	return nil
}

// runOf is the run of a firing, the zero one when there is none yet, and whether it has published all since it was asked for: what follows
// the target may be behind, and is brought up by whatever runs next.
func (d *decider) runOf(ctx context.Context, it *item) (run journal.Run, done bool, err error) {
	run, err = d.Store.RunOfFiring(ctx, it.Firing)
	if errors.Is(err, journal.ErrNotFound) {
		err = nil
	}
	return run, run.Published() && run.Finished != nil && !run.Finished.Before(it.Created), err
}

// codeOf is the exit code of a run that has published all.
func codeOf(r journal.Run) int {
	if r.Behind {
		return pipeline.ExitPartial
	}
	return pipeline.ExitOK
}

// why tells of a failure.
func why(r Result) string {
	text := map[int]string{pipeline.ExitUsage: "bad usage, or a mistake in the project", pipeline.ExitChecks: "checks failed", pipeline.ExitPartial: "some nodes failed"}[r.ExitCode]
	if text == "" {
		text = "failed"
	}
	if r.Message != "" {
		text += ": " + r.Message
	}
	return text
}

// retried says whether failed runs of that trigger are tried again: somebody who asks for a run looks at it.
func retried(t journal.Trigger) bool {
	return t == journal.TriggerSchedule || t == journal.TriggerAfter
}

// triesAgain says that a firing waits for its next try.
func (it *item) triesAgain() bool {
	return it.State == journal.FiringWaiting && it.Tries > 0 && retried(it.Trigger)
}

// backoff is a random wait, up to the pipeline's delay, then twice that, and so on.
func backoff(pl *models.Pipeline, tries int) time.Duration {
	most := longestDelay
	if shift := max(tries-1, 0); shift < 12 {
		most = min(most, pl.RetryDelay.Std()<<shift)
	}
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}

// lost runs a firing again, at once, whose run has vanished through no fault of its own. It takes up what was landed, and goes first: one that
// was due later would read its windows again, and give up what it has landed.
func (d *decider) lost(ctx context.Context, it *item, how string) error {
	pl := &models.Pipeline{Name: it.Pipeline}
	if e := d.loop.entries[it.Pipeline]; e != nil {
		pl = e.pipeline
	}
	if it.Tries > pl.Retries+mostLost {
		return d.fail(ctx, it, pl, fmt.Sprintf("given up after %d tries: %s", it.Tries, how))
	}
	it.wait(it.Due, how+"; the run is taken up again")
	return nil
}

// overtaken ends tries that wait although the pipeline has succeeded as a whole for a later time: that run has read past their windows.
// An error is the journal's.
func (d *decider) overtaken(ctx context.Context, e *entry) error {
	for _, it := range d.open(e.pipeline.Name) {
		if !it.triesAgain() {
			continue
		}
		later, err := d.outcomes(ctx, e, it.LogicalTime.Add(time.Microsecond), d.now.Add(setForward))
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(later, func(o journal.Outcome) bool { return o.State == journal.FiringSucceeded }); i >= 0 {
			it.end(d.now, journal.FiringSkipped, "overtaken by the run of "+onClock(e.pipeline, later[i].LogicalTime))
		}
	}
	return nil
}

// orphans takes up runs that were going on when the scheduler ended, once their processes have ended. Those from outside that have claimed
// their firing are let alone.
func (d *decider) orphans(ctx context.Context) error {
	for _, it := range d.items {
		if it.State != journal.FiringStarted || d.loop.workers[it.ID] != nil || d.Outside != nil && d.Outside(ctx, it.Firing) {
			continue
		}
		run, done, err := d.runOf(ctx, it)
		if err != nil {
			return err
		}
		if done {
			code := codeOf(run)
			it.Run, it.ExitCode = run.ID, &code
			it.end(d.now, journal.FiringSucceeded, run.Error)
			continue
		}
		if it.Cancel != "" {
			it.end(d.now, journal.FiringCancelled, "cancelled by "+it.Cancel)
			continue
		}
		if it.Reason != "" { // the run was asked to end, see stop
			if err := d.giveWay(ctx, it, it.vain(), journal.FiringCancelled, it.Reason); err != nil {
				return err
			}
			continue
		}
		if err := d.lost(ctx, it, "the scheduler ended while it ran"); err != nil {
			return err
		}
	}
	return nil
}

// vain says that a try of the firing has failed by itself, before the one that goes on.
func (it *item) vain() bool {
	tries := it.Tries
	if it.State == journal.FiringStarted {
		tries--
	}
	return tries > 0 && it.ExitCode != nil && *it.ExitCode != pipeline.ExitInterrupted && *it.ExitCode != pipeline.ExitTerminated
}

// giveWay ends a firing for another. One that has tried in vain has failed, unless somebody ended it: nobody has been told of that yet, and a
// pipeline whose every next time comes before the next try would fail for ever without a word.
func (d *decider) giveWay(ctx context.Context, it *item, vain bool, state journal.FiringState, why string) error {
	if !vain || it.Cancel != "" {
		it.end(d.now, state, why)
		return nil
	}
	var pl *models.Pipeline
	if e := d.entry(it); e != nil {
		pl = e.pipeline
	}
	return d.fail(ctx, it, pl, "a try failed; "+why)
}

// fail ends a firing that is not tried again, and pauses the pipeline when that is one failure too many in a row.
func (d *decider) fail(ctx context.Context, it *item, pl *models.Pipeline, reason string) error {
	it.end(d.now, journal.FiringFailed, reason)
	if pl == nil || pl.PauseAfter < 1 || !retried(it.Trigger) {
		return nil
	}
	if _, paused := d.pauses[pl.Name]; paused {
		return nil
	}
	failures := 1
	before, err := d.Store.Firings(ctx, journal.FiringFilter{Pipeline: pl.Name, Limit: 20 * pl.PauseAfter})
	if err != nil {
		return err
	}
	for _, f := range before {
		if f.ID == it.ID || !retried(f.Trigger) || f.State.Open() || f.State == journal.FiringSkipped || f.State == journal.FiringCancelled {
			continue
		}
		if f.State == journal.FiringSucceeded {
			break
		}
		failures++
	}
	if failures < pl.PauseAfter {
		return nil
	}
	pause := journal.Pause{Pipeline: pl.Name, Since: d.now, Reason: fmt.Sprintf("%d scheduled runs in a row have failed (pause_after)", failures)}
	d.added, d.pauses[pl.Name] = append(d.added, pause), pause
	d.event("pause", pl.Name, "paused: %s; mend the cause, then millrace resume %s", pause.Reason, pl.Name)
	return nil
}
