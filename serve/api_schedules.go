package serve

import (
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
)

// scheduleRoutes are those of the API about what starts runs.
func (s *Server) scheduleRoutes() []route {
	return []route{
		get(s, "/schedules", "listSchedules", "Every pipeline, with its next fire times, its pause, and what waits or runs.", func(c *call) (Page[scheduler.Schedule], error) {
			all, err := s.Scheduler.Schedules(c.Context())
			return list(all), err
		}),
		get(s, "/firings", "listFirings", "The times at which pipelines were to run, and what became of them; those created last first.", s.listFirings, append([]param{
			{name: "pipeline", doc: "Only those of this pipeline."}, {name: "trigger", doc: "Only those that this asked for.", enum: enums[reflect.TypeFor[journal.Trigger]()]},
			{name: "open", doc: "true: only those that wait or run.", enum: []string{"true"}}, {name: "since", doc: "Only those created then or later: a time, or a day."}}, paging...)...),
		get(s, "/firings/{id}", "getFiring", "A firing.", func(c *call) (journal.Firing, error) {
			f, err := s.Engine().Journal.Firing(c.Context(), c.PathValue("id"))
			return f, lookup(err, "firing "+cut(c.PathValue("id"), 80), "GET "+apiPrefix+"/firings lists them")
		}),
		get(s, "/events", "listEvents", "The audit log: who did what, and what the scheduler decided; the last first.", s.listEvents, paging...),
		post(s, "/firings/{id}/cancel", "cancelFiring", "Ask a firing to end: it does not start, or its run ends at its next checkpoint.", http.StatusAccepted, func(c *call, _ Nothing) (journal.Firing, error) {
			return s.cancel(c, c.PathValue("id"))
		}),
		post(s, "/pipelines/{pipeline}/trigger", "triggerPipeline", "Ask for a run.", http.StatusAccepted, s.trigger),
		post(s, "/pipelines/{pipeline}/pause", "pausePipeline", "Pause a schedule: it does not fire until it is resumed.", http.StatusOK, s.pause),
		post(s, "/pipelines/{pipeline}/resume", "resumePipeline", "End a pause.", http.StatusOK, s.resume),
	}
}

func (s *Server) listFirings(c *call) (Page[journal.Firing], error) {
	since, err := c.time("since")
	if err != nil {
		return Page[journal.Firing]{}, err
	}
	after, err := c.after(idKey)
	if err != nil {
		return Page[journal.Firing]{}, err
	}
	all, err := s.Engine().Journal.Firings(c.Context(), journal.FiringFilter{Pipeline: c.text("pipeline"), Trigger: journal.Trigger(c.text("trigger")), Open: c.text("open") != "",
		Since: since, Before: after, Limit: c.limit() + 1})
	return page(all, c.limit(), func(f journal.Firing) string { return f.ID }), err
}

func (s *Server) listEvents(c *call) (Page[journal.Event], error) {
	after, err := c.after(numberKey)
	if err != nil {
		return Page[journal.Event]{}, err
	}
	before, _ := strconv.ParseInt(after, 10, 64)
	all, err := s.Engine().Journal.Events(c.Context(), before, c.limit()+1)
	return page(all, c.limit(), func(e journal.Event) string { return strconv.FormatInt(e.ID, 10) }), err
}

// pipeline is the pipeline that the path names.
func (s *Server) pipeline(c *call) (*models.Pipeline, error) {
	name := c.PathValue("pipeline")
	p := s.Engine().Project.Pipeline(name)
	if p == nil {
		return nil, &Problem{kind: kindNotFound, Detail: "there is no pipeline " + cut(name, 80), Hint: "GET " + apiPrefix + "/schedules lists the pipelines"}
	}
	return p, nil
}

// TriggerRequest says what a run is to do; without anything it is the whole pipeline, now.
type TriggerRequest struct {
	LogicalTime   *time.Time `json:"logical_time,omitempty" doc:"The time that the run is about; the present when absent. A pipeline has one firing of a logical time."`
	Select        []string   `json:"select,omitempty" doc:"Selectors of nodes of the pipeline, instead of all of it."`
	FullRefresh   bool       `json:"full_refresh,omitempty" doc:"Read all of the sources and build incremental models anew."`
	AllowEmpty    bool       `json:"allow_empty,omitempty" doc:"Let empty snapshots replace tables that have rows."`
	AllowShrunken bool       `json:"allow_shrunken,omitempty" doc:"Let snapshots replace tables that are much larger."`
}

func (s *Server) trigger(c *call, in TriggerRequest) (journal.Firing, error) {
	p, err := s.pipeline(c)
	if err != nil {
		return journal.Firing{}, err
	}
	if len(in.Select) > 0 {
		if _, err := s.Engine().Project.SelectIn(p.Name, in.Select); err != nil {
			return journal.Firing{}, &Problem{kind: kindInvalid, Detail: "the body has mistakes", Problems: []FieldProblem{{"select", err.Error()}}}
		}
	}
	f := journal.Firing{Pipeline: p.Name, Ask: journal.Ask{Select: in.Select, FullRefresh: in.FullRefresh, AllowEmpty: in.AllowEmpty, AllowShrunken: in.AllowShrunken}}
	text := ""
	if in.LogicalTime != nil {
		if err := pipeline.CheckLogicalTime(*in.LogicalTime, s.Clock()); err != nil {
			return journal.Firing{}, &Problem{kind: kindInvalid, Detail: "the body has mistakes", Hint: "write it as 2026-11-27T02:00:00Z, or leave it away for the present", Problems: []FieldProblem{{"logical_time", err.Error()}}}
		}
		f.LogicalTime, text = in.LogicalTime.UTC(), "for "+in.LogicalTime.UTC().Format(time.RFC3339)
	}
	return s.ask(c, "trigger", f, text)
}

// ask adds a firing that waits for its start, and wakes the scheduler.
func (s *Server) ask(c *call, kind string, f journal.Firing, text string) (journal.Firing, error) {
	f.Trigger, f.By = journal.TriggerAPI, identityOf(c.Context()).name
	return act(s, c, func(a *journal.Act) (journal.Firing, journal.Event, error) {
		f, err := addFiring(a, s.Clock(), f)
		return f, journal.Event{Kind: kind, Pipeline: f.Pipeline, By: f.By, Text: strings.TrimSpace("firing " + f.ID + " " + text)}, err
	})
}

// addFiring adds a firing. One without a logical time gets the present, or the next microsecond that is free.
func addFiring(a *journal.Act, now time.Time, f journal.Firing) (journal.Firing, error) {
	free := f.LogicalTime.IsZero()
	f.ID, f.State, f.Reason, f.Created, f.Due = journal.NewFiringID(now), journal.FiringWaiting, "asked for", now, now
	if free {
		f.LogicalTime = now
	}
	there, err := a.AddFiring(f)
	for tries := 0; free && errors.Is(err, journal.ErrFired) && tries < 1000; tries++ {
		f.LogicalTime = f.LogicalTime.Add(time.Microsecond)
		there, err = a.AddFiring(f)
	}
	if errors.Is(err, journal.ErrFired) {
		return there, &Problem{kind: kindConflict, Detail: "pipeline " + f.Pipeline + " has a firing of that logical time: " + there.ID + ", " + string(there.State),
			Hint: "retry its run, or give another logical_time"}
	}
	return there, err
}

// cancel notes at the firing that somebody wants it to end.
func (s *Server) cancel(c *call, id string) (journal.Firing, error) {
	who := identityOf(c.Context()).name
	f, err := s.Engine().Journal.Firing(c.Context(), id)
	if err != nil {
		return f, lookup(err, "firing "+cut(id, 80), "GET "+apiPrefix+"/firings lists them")
	}
	return act(s, c, func(a *journal.Act) (journal.Firing, journal.Event, error) {
		open, err := a.CancelFiring(id, who)
		if err == nil && !open {
			err = &Problem{kind: kindConflict, Detail: "firing " + id + " has ended: " + string(f.State)}
		}
		f.Cancel = who
		return f, journal.Event{Kind: "cancel", Pipeline: f.Pipeline, Run: f.Run, By: who, Text: "firing " + id}, err
	})
}

// PauseRequest says why a schedule is paused.
type PauseRequest struct {
	Reason string `json:"reason,omitempty" doc:"Why, for those who find it paused."`
}

func (in *PauseRequest) mistakes() []FieldProblem {
	if len(in.Reason) > 500 {
		return []FieldProblem{{"reason", "is longer than 500 bytes"}}
	}
	return nil
}

func (s *Server) pause(c *call, in PauseRequest) (journal.Pause, error) {
	p, err := s.pipeline(c)
	if err != nil {
		return journal.Pause{}, err
	}
	who := identityOf(c.Context()).name
	return act(s, c, func(a *journal.Act) (journal.Pause, journal.Event, error) {
		there, err := a.Pause(journal.Pause{Pipeline: p.Name, Since: s.Clock(), By: who, Reason: in.Reason})
		return there, journal.Event{Kind: "pause", Pipeline: p.Name, By: who, Text: in.Reason}, err
	})
}

// Resumed says whether there was a pause to end.
type Resumed struct {
	Pipeline string `json:"pipeline"`
	Paused   bool   `json:"was_paused"`
}

func (s *Server) resume(c *call, _ Nothing) (Resumed, error) {
	p, err := s.pipeline(c)
	if err != nil {
		return Resumed{}, err
	}
	return act(s, c, func(a *journal.Act) (Resumed, journal.Event, error) {
		paused, err := a.Resume(p.Name, s.Clock())
		if !paused {
			return Resumed{p.Name, false}, journal.Event{}, err
		}
		return Resumed{p.Name, true}, journal.Event{Kind: "resume", Pipeline: p.Name, By: identityOf(c.Context()).name}, err
	})
}
