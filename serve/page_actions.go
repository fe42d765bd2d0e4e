package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file is what forms ask for. A form does no more than the API: it writes into the journal, and the scheduler sees to it.

// fire asks for a run of a pipeline.
func (p *site) fire(ctx context.Context, pipeline string, ask journal.Ask, text string) error {
	now, who := p.Clock(), identityOf(ctx)
	j := p.Engine().Journal
	_, err := j.AddFiring(ctx, journal.Firing{ID: journal.NewFiringID(now), Pipeline: pipeline, LogicalTime: now, Trigger: journal.TriggerAPI,
		State: journal.FiringWaiting, Ask: ask, By: who.name, Due: now, Created: now})
	if err != nil && !errors.Is(err, journal.ErrFired) { // twice within the clock's grain: the same wish
		return err
	}
	if err := j.AddEvent(ctx, journal.Event{At: now, Kind: "trigger", Pipeline: pipeline, Run: ask.Retry, By: who.name, Text: text}); err != nil {
		return err
	}
	p.Scheduler.Wake()
	return nil
}

// done goes back to a page, which tells what was done.
func done(w http.ResponseWriter, r *http.Request, path, did string) error {
	http.Redirect(w, r, link(path, "did", did), http.StatusSeeOther)
	return nil
}

func (p *site) retry(w http.ResponseWriter, r *http.Request) error {
	one, err := p.Engine().Journal.Run(r.Context(), r.PathValue("run"))
	if err != nil {
		return err
	}
	if err := p.fire(r.Context(), one.Pipeline, journal.Ask{Retry: one.ID}, "retry of run "+one.ID); err != nil {
		return err
	}
	return done(w, r, "/runs/"+one.ID, "retry")
}

func (p *site) cancel(w http.ResponseWriter, r *http.Request) error {
	ctx, j := r.Context(), p.Engine().Journal
	one, err := j.Run(ctx, r.PathValue("run"))
	if err != nil {
		return err
	}
	if one.Firing == "" {
		return errConflict("the run was started by a command", "end it where it was started: Ctrl-C stops it at its next checkpoint")
	}
	who := identityOf(ctx).name
	open, err := j.CancelFiring(ctx, one.Firing, who)
	if err != nil {
		return err
	}
	if !open {
		return done(w, r, "/runs/"+one.ID, "ended")
	}
	if err := j.AddEvent(ctx, journal.Event{At: p.Clock(), Kind: "cancel", Pipeline: one.Pipeline, Run: one.ID, By: who, Text: "cancel run " + one.ID}); err != nil {
		return err
	}
	p.Scheduler.Wake()
	return done(w, r, "/runs/"+one.ID, "cancel")
}

// asked is the pipeline that the path names.
func (p *site) asked(r *http.Request) (*models.Pipeline, error) {
	name := r.PathValue("pipeline")
	pl := p.Engine().Project.Pipeline(name)
	if pl == nil {
		return nil, errNoPage(fmt.Sprintf("the project has no pipeline %q", name))
	}
	return pl, nil
}

func (p *site) runNow(w http.ResponseWriter, r *http.Request) error {
	pl, err := p.asked(r)
	if err != nil {
		return err
	}
	if err := p.fire(r.Context(), pl.Name, journal.Ask{}, "run now"); err != nil {
		return err
	}
	return done(w, r, "/pipelines/"+pl.Name, "run")
}

func (p *site) pause(w http.ResponseWriter, r *http.Request) error {
	pl, err := p.asked(r)
	if err != nil {
		return err
	}
	ctx, j, now, who, reason := r.Context(), p.Engine().Journal, p.Clock(), identityOf(r.Context()).name, r.PostFormValue("reason")
	if len(reason) > mostReason {
		return errInvalid(fmt.Sprintf("a reason has at most %d bytes", mostReason))
	}
	if err := j.Pause(ctx, journal.Pause{Pipeline: pl.Name, Since: now, By: who, Reason: reason}); err != nil {
		return err
	}
	if err := j.AddEvent(ctx, journal.Event{At: now, Kind: "pause", Pipeline: pl.Name, By: who, Text: reason}); err != nil {
		return err
	}
	p.Scheduler.Wake()
	return done(w, r, "/pipelines/"+pl.Name, "pause")
}

// mostReason is how long the reason of a pause may be.
const mostReason = 500

func (p *site) resume(w http.ResponseWriter, r *http.Request) error {
	pl, err := p.asked(r)
	if err != nil {
		return err
	}
	ctx, j, who := r.Context(), p.Engine().Journal, identityOf(r.Context()).name
	paused, err := j.Resume(ctx, pl.Name)
	if err != nil {
		return err
	}
	if paused {
		if err := j.AddEvent(ctx, journal.Event{At: p.Clock(), Kind: "resume", Pipeline: pl.Name, By: who}); err != nil {
			return err
		}
		p.Scheduler.Wake()
	}
	return done(w, r, "/pipelines/"+pl.Name, "resume")
}
