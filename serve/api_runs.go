package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/report"
	"github.com/millrace/millrace/transform/check"
)

// runStates are the statuses that runs may be filtered by.
var runStates = []string{string(journal.Running), string(journal.Succeeded), string(journal.Partial), string(journal.Failed), string(journal.Interrupted), string(journal.Abandoned), string(journal.ChecksFailed)}

// runRoutes are those of the API about runs.
func (s *Server) runRoutes() []route {
	document := &operation{id: "getRunReport", summary: "The report of a run, as a page of its own.", status: http.StatusOK, media: "text/html"}
	return []route{
		get(s, "/runs", "listRuns", "Runs, those that began last first.", s.listRuns, append([]param{
			{name: "pipeline", doc: "Only runs of this pipeline, also together with others."}, {name: "status", doc: "Only runs with this status, as the journal has it.", enum: runStates},
			{name: "since", doc: "Only runs that began then or later: a time, or a day."}}, paging...)...),
		get(s, "/runs/{run}", "getRun", "A run.", func(c *call) (pipeline.RunSummary, error) {
			r, err := s.run(c)
			return s.Engine().Summary(r), err
		}),
		get(s, "/runs/{run}/steps", "listSteps", "The steps of a run in the order they began, each node's last attempt.", func(c *call) (Page[journal.Step], error) {
			r, err := s.run(c)
			if err != nil {
				return Page[journal.Step]{}, err
			}
			steps, err := s.Engine().Journal.Steps(c.Context(), r.ID)
			return list(steps), err
		}),
		get(s, "/runs/{run}/checks", "listRunChecks", "What became of each check in a run. Values of columns that are tagged pii are masked in samples.", func(c *call) (Page[check.Result], error) {
			r, err := s.run(c)
			if err != nil {
				return Page[check.Result]{}, err
			}
			results, err := s.Engine().Journal.Checks(c.Context(), r.ID)
			return list(check.Remasked(results, s.Engine().Project.IsPII)), err
		}),
		get(s, "/runs/{run}/loads", "listRunLoads", "The loads that brought what a run published to the place that follows its target, the newest first, each with its statements.", func(c *call) (Page[journal.Load], error) {
			r, err := s.run(c)
			if err != nil {
				return Page[journal.Load]{}, err
			}
			loads, err := s.Engine().Loads(c.Context(), r.ID)
			for i := 0; i < len(loads) && err == nil; i++ {
				loads[i].Sent, err = s.Engine().Journal.Statements(c.Context(), loads[i].ID)
			}
			return list(loads), err
		}),
		get(s, "/loads/{load}", "getLoad", "A load of the place that follows the target, with its statements: that of a push belongs to no run.", func(c *call) (*journal.Load, error) {
			l, err := s.Engine().Load(c.Context(), c.PathValue("load"))
			if err != nil {
				return nil, lookup(err, "load "+cut(c.PathValue("load"), 80), "")
			}
			l.Sent, err = s.Engine().Journal.Statements(c.Context(), l.ID)
			return l, err
		}),
		{method: "GET", pattern: apiPrefix + "/runs/{run}/report", role: Viewer, api: document, handle: func(w http.ResponseWriter, r *http.Request) error {
			if _, err := newCall(r, document); err != nil {
				return err
			}
			return s.runReport(w, r)
		}},
		post(s, "/runs/{run}/retry", "retryRun", "Ask for a run of the nodes that failed in this one.", http.StatusAccepted, s.retryRun),
		post(s, "/runs/{run}/cancel", "cancelRun", "Ask a run to end at its next checkpoint. The answer about a run that a command has begun is a firing without an id.", http.StatusAccepted, s.cancelRun),
	}
}

// run is the run that the path names, by its whole id.
func (s *Server) run(c *call) (journal.Run, error) {
	id := c.PathValue("run")
	r, err := s.Engine().Journal.Run(c.Context(), id)
	if err == nil && r.ID != id || errors.Is(err, journal.ErrAmbiguous) {
		err = journal.ErrNotFound
	}
	if err != nil {
		return r, lookup(err, "run "+cut(id, 80), "GET "+apiPrefix+"/runs lists the runs")
	}
	return r, nil
}

// lookup tells of something that is not there; other errors stay as they are.
func lookup(err error, what, hint string) error {
	if p := problemOf(err); p.kind == kindNotFound {
		return &Problem{kind: kindNotFound, Detail: "there is no " + what, Hint: hint}
	}
	return err
}

func (s *Server) listRuns(c *call) (Page[pipeline.RunSummary], error) {
	since, err := c.time("since")
	if err != nil {
		return Page[pipeline.RunSummary]{}, err
	}
	after, err := c.after(idKey)
	if err != nil {
		return Page[pipeline.RunSummary]{}, err
	}
	runs, err := s.Engine().Summaries(c.Context(), journal.Filter{Pipeline: c.text("pipeline"), Status: journal.Status(c.text("status")), Since: since, Before: after, Limit: c.limit() + 1})
	return page(runs, c.limit(), func(r pipeline.RunSummary) string { return r.ID }), err
}

// runReport answers with the report's own page. Its one style is let through by its hash.
func (s *Server) runReport(w http.ResponseWriter, r *http.Request) error {
	e := s.Engine()
	run, err := s.run(&call{Request: r})
	if err != nil {
		return err
	}
	told, err := report.Gather(r.Context(), e.Journal, run, reportOptions(e, e.Summary(run).State))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := report.HTML(&out, told); err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src "+styleHash(out.String()))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = w.Write(out.Bytes())
	return err
}

// styleHash names the content of a page's first style element, for its policy.
func styleHash(text string) string {
	_, rest, _ := strings.Cut(text, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Nothing is what an ask without any settings takes.
type Nothing struct{}

// RetryRequest says from where a run is done again; without anything what failed of it is.
type RetryRequest struct {
	From string `json:"from,omitempty" doc:"A node of the run: a new run, of the present, of it and of all that needs it in its pipeline, whatever became of them."`
}

func (s *Server) retryRun(c *call, in RetryRequest) (journal.Firing, error) {
	r, err := s.run(c)
	if err != nil {
		return journal.Firing{}, err
	}
	switch now := s.Engine().Summary(r); {
	case now.OtherTarget != "":
		return journal.Firing{}, &Problem{kind: kindConflict, Detail: fmt.Sprintf("run %s was for target %q, and this millrace serve runs for %q", r.ID, now.OtherTarget, s.Engine().Project.Target.Name),
			Hint: "millrace retry " + r.ID + " --target " + now.OtherTarget}
	case now.State == pipeline.StateRunning:
		return journal.Firing{}, &Problem{kind: kindConflict, Detail: "run " + r.ID + " still goes on", Hint: "cancel it first, or wait"}
	case in.From != "":
		return s.rerunFrom(c, r, in.From)
	case r.Status == journal.Succeeded:
		return journal.Firing{}, &Problem{kind: kindConflict, Detail: "run " + r.ID + " succeeded: there is nothing to retry", Hint: "say from which node on it is to be done again, or trigger its pipeline for another run"}
	}
	return s.ask(c, "retry", journal.Firing{Pipeline: r.Pipeline, Ask: journal.Ask{Retry: r.ID}}, "run "+r.ID)
}

// rerunFrom asks for a new run of a node of a run and of all that needs it in its pipeline. Other pipelines have runs of their own.
func (s *Server) rerunFrom(c *call, r journal.Run, name string) (journal.Firing, error) {
	steps, err := s.Engine().Journal.Steps(c.Context(), r.ID)
	if err != nil {
		return journal.Firing{}, err
	}
	if !slices.ContainsFunc(steps, func(step journal.Step) bool { return step.Node == name }) {
		return journal.Firing{}, &Problem{kind: kindInvalid, Detail: "the body has mistakes", Problems: []FieldProblem{{"from", "is no step of run " + r.ID}}}
	}
	n := s.Engine().Project.Node(name)
	if n == nil || n.Pipeline == "" {
		return journal.Firing{}, &Problem{kind: kindConflict, Detail: name + " is in no pipeline any more"}
	}
	f := journal.Firing{Pipeline: n.Pipeline, Ask: journal.Ask{Select: []string{n.Name() + "+,pipeline:" + n.Pipeline}}}
	return s.ask(c, "retry", f, "run "+r.ID+" from "+n.Name()+" on")
}

func (s *Server) cancelRun(c *call, _ Nothing) (journal.Firing, error) {
	r, err := s.run(c)
	if err != nil {
		return journal.Firing{}, err
	}
	if s.Engine().Summary(r).State != pipeline.StateRunning {
		return journal.Firing{}, &Problem{kind: kindConflict, Detail: "run " + r.ID + " has ended"}
	}
	who := identityOf(c.Context()).name
	done, err := s.Engine().Cancel(c.Context(), r.ID, who)
	switch {
	case errors.Is(err, pipeline.ErrNothingRuns):
		return journal.Firing{}, &Problem{kind: kindConflict, Detail: "run " + r.ID + " has ended"}
	case errors.Is(err, pipeline.ErrOutOfReach):
		return journal.Firing{}, &Problem{kind: kindConflict, Detail: err.Error(), Hint: "end it where it was begun"}
	case err != nil:
		return journal.Firing{}, err
	}
	s.Scheduler.Wake()
	if done[0].PID == 0 { // the scheduler ends it
		return s.Engine().Journal.Firing(c.Context(), done[0].Firing)
	}
	return told(r, done[0], who), nil
}

// told is the answer about a run whose own process was told to end, in the form of a firing: without an id when it has none.
func told(r journal.Run, c pipeline.Cancelled, who string) journal.Firing {
	f := journal.Firing{ID: c.Firing, Pipeline: r.Pipeline, LogicalTime: r.LogicalTime, Trigger: r.Trigger, State: journal.FiringStarted, Due: r.Started, Created: r.Started,
		Started: &r.Started, Tries: r.Attempt, Run: r.ID, Cancel: who, Reason: fmt.Sprintf("process %d finishes what is in hand and ends", c.PID)}
	if c.Stopped {
		f.Reason = fmt.Sprintf("process %d is asked to end, but it is stopped: kill -CONT %[1]d lets it", c.PID)
	}
	return f
}
