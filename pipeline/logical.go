package pipeline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file is about runs that stand for a time, as other schedulers ask for them: to ask for the same again is to ask for what
// is not done of it. The same means the same pipelines, nodes, target, flags and logical time.

// CheckLogicalTime refuses times that no run stands for: they are typing errors, or numbers of another unit.
func CheckLogicalTime(t, now time.Time) error {
	if t.Before(time.Unix(0, 0)) || t.After(now.AddDate(1, 0, 0)) {
		return errors.New("a logical time is between 1970 and a year from now")
	}
	return nil
}

// runAt does what is left to do for a logical time: nothing when a run has succeeded for it, the next attempt of a run that has not, a new
// run otherwise, and where a later run has gone past its windows. An interrupted run of another time is overtaken.
func (e *Engine) runAt(ctx context.Context, req Request) (*Report, error) {
	locks := lockNames(req.Nodes)
	if there, err := e.sameAt(ctx, req, locks); err != nil || there != nil && there.Status == journal.Succeeded {
		return e.already(ctx, there, err)
	}
	interrupted, unlock, err := e.begin(ctx, locks, names(req.Nodes))
	if err != nil {
		return nil, e.unstarted(ctx, locks, req.Firing, err)
	}
	defer unlock()
	there, err := e.sameAt(ctx, req, locks) // as it is now that we hold the locks
	if err != nil || there != nil && there.Status == journal.Succeeded {
		return e.already(ctx, there, err)
	}
	r, err := e.attemptAt(ctx, req, there, locks, interrupted)
	if err != nil {
		return nil, err
	}
	if req.Firing != "" {
		r.Run.Firing, r.Run.Trigger = req.Firing, req.Trigger
		return r.execute(ctx)
	}
	if !e.whole(req, locks) {
		return r.execute(ctx)
	}
	own, err := e.claim(ctx, r)
	if err != nil {
		return nil, err
	}
	report, err := r.execute(ctx)
	if own != nil {
		err = errors.Join(err, e.fired(context.WithoutCancel(ctx), *own, r.Run))
	}
	return report, err
}

// attemptAt is the next attempt of the run that is there, when it can be taken up, and otherwise a new one.
func (e *Engine) attemptAt(ctx context.Context, req Request, there *journal.Run, locks []string, interrupted *journal.Run) (*run, error) {
	if there != nil {
		r, err := e.again(ctx, there.ID, locks)
		if !errors.Is(err, ErrNoRetry) {
			return r, err
		}
	}
	return e.fresh(ctx, req, locks, interrupted)
}

// sameAt is the run that was asked the same for that time, nil when there is none or it was given up.
func (e *Engine) sameAt(ctx context.Context, req Request, locks []string) (*journal.Run, error) {
	runs, err := e.Journal.RunsAt(ctx, strings.Join(locks, "+"), req.LogicalTime)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if r.Status != journal.Abandoned && reflect.DeepEqual(r.Selection, e.selection(req)) {
			return &r, nil
		}
	}
	return nil, nil
}

// already reports a run that was done before.
func (e *Engine) already(ctx context.Context, r *journal.Run, err error) (*Report, error) {
	if err != nil {
		return nil, err
	}
	steps, err := e.Journal.Steps(ctx, r.ID)
	return &Report{Run: *r, Steps: steps, Already: true}, err
}

// whole says whether the request is for all of one pipeline, as a plain run of it is. Only such a run is a firing: part of a pipeline, another
// target or a rebuild does not stand for it.
func (e *Engine) whole(req Request, locks []string) bool {
	if len(locks) != 1 || e.Project.Pipeline(locks[0]) == nil || e.Project.Target.Name != e.Project.DefaultTarget ||
		req.FullRefresh || req.Rebuild || req.AllowEmpty || req.AllowShrunken || req.EventTime != nil {
		return false
	}
	for _, n := range e.Project.Nodes {
		if n.Pipeline == locks[0] && !slices.Contains(req.Nodes, n) {
			return false
		}
	}
	return true
}

// standsFor are the pipelines of which the run was to do all. What else it does says nothing about how up to date they are at its target: a
// part, a range of the past.
func (e *Engine) standsFor(r journal.Run) []string {
	if r.Selection.Aside() {
		return nil
	}
	chosen := map[string]bool{}
	for _, name := range r.Selection.Nodes {
		chosen[name] = true
	}
	return slices.DeleteFunc(strings.Split(r.Pipeline, "+"), func(pipeline string) bool {
		return e.Project.Pipeline(pipeline) == nil || slices.ContainsFunc(e.Project.Nodes, func(n *models.Node) bool { return n.Pipeline == pipeline && !chosen[n.Name()] })
	})
}

// claim makes the run the firing of its pipeline and logical time, so that a scheduler that finds its time has come does not run it again. It
// returns the firing when that ends with the run. One that the scheduler or a person has made is theirs, with the tries that it has left: the
// journal mends it when the run succeeds.
func (e *Engine) claim(ctx context.Context, r *run) (own *journal.Firing, err error) {
	now := e.Clock()
	f, err := e.Journal.AddFiring(ctx, journal.Firing{ID: journal.NewFiringID(now), Pipeline: r.Pipeline, LogicalTime: r.LogicalTime, Trigger: journal.TriggerCommand,
		State: journal.FiringStarted, Due: now, Tries: 1, Run: r.ID, Created: now, Started: &now})
	there := errors.Is(err, journal.ErrFired)
	if err != nil && !there {
		return nil, err
	}
	if there && !f.Ask.Whole() {
		return nil, nil
	}
	r.Run.Firing = f.ID
	if !there {
		return &f, nil
	}
	if !f.OfCommand() || f.State == journal.FiringWaiting {
		return nil, nil
	}
	f.State, f.Reason, f.Run, f.ExitCode, f.Finished = journal.FiringStarted, "", r.ID, nil, nil // claimed by a run before us, whose lock we hold
	f.Tries++
	f.Started = &now
	return &f, e.Journal.SaveFiring(ctx, f)
}

// Runs says whether a process that goes on runs the firing. Between a command's claim of it and the beginning of the run, only the lock tells.
func (e *Engine) Runs(ctx context.Context, f journal.Firing) bool {
	if f.Trigger == journal.TriggerCommand && f.By == "" {
		return !e.idle(f.Pipeline)
	}
	r, err := e.Journal.RunOfFiring(ctx, f)
	return err == nil && r.Status == journal.Running && e.Holder(r) != nil
}

// fired tells the firing what became of its run.
func (e *Engine) fired(ctx context.Context, f journal.Firing, r journal.Run) error {
	now := e.Clock()
	f.Finished, f.ExitCode, f.State, f.Reason = &now, r.ExitCode, journal.FiringFailed, r.Error
	switch {
	case r.Published():
		f.State = journal.FiringSucceeded
	case r.Status == journal.Interrupted:
		f.Reason = fmt.Sprintf("run %s was interrupted", r.ID)
	}
	return e.Journal.SaveFiring(ctx, f)
}
