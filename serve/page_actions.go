package serve

import (
	"net/http"

	"github.com/millrace/millrace/pipeline/journal"
)

// This file is what forms ask for. A form is another way to a call of the API: it does the same, and leads back to a page.

// formRoutes are those of the forms.
func (p *site) formRoutes() []route {
	run := func(r *http.Request) string { return "/runs/" + r.PathValue("run") }
	pipeline := func(r *http.Request) string { return "/pipelines/" + r.PathValue("pipeline") }
	nothing := func(*http.Request) Nothing { return Nothing{} }
	return []route{
		formRoute(p, "/runs/{run}/retry", "retry", run, nothing, p.retryRun),
		formRoute(p, "/runs/{run}/cancel", "cancel", run, nothing, p.cancelRun),
		formRoute(p, "/pipelines/{pipeline}/run", "run", pipeline, func(*http.Request) TriggerRequest { return TriggerRequest{} }, p.trigger),
		formRoute(p, "/pipelines/{pipeline}/pause", "pause", pipeline, func(r *http.Request) PauseRequest { return PauseRequest{Reason: r.PostFormValue("reason")} }, p.Server.pause),
		formRoute(p, "/pipelines/{pipeline}/resume", "resume", pipeline, nothing, p.Server.resume),
		formRoute(p, "/quarantine/{name}/replay", "replay", func(r *http.Request) string { return "/quarantine/" + r.PathValue("name") },
			func(r *http.Request) ReplayRequest { return ReplayRequest{Rule: r.PostFormValue("rule")} }, p.replay),
	}
}

// formRoute makes a route of a call: in reads its input from the form, back is the page that tells that it did what was asked.
func formRoute[In, Out any](p *site, pattern, did string, back func(*http.Request) string, in func(*http.Request) In, f func(*call, In) (Out, error)) route {
	return route{method: http.MethodPost, pattern: pattern, role: Operator, handle: func(w http.ResponseWriter, r *http.Request) error {
		input := in(r)
		if check, ok := any(&input).(interface{ mistakes() []FieldProblem }); ok {
			if problems := check.mistakes(); len(problems) > 0 {
				return &Problem{kind: kindInvalid, Detail: problems[0].Field + " " + problems[0].Detail}
			}
		}
		if _, err := f(&call{Request: r, firing: journal.NewFiringID(p.Clock())}, input); err != nil {
			return err
		}
		http.Redirect(w, r, link(back(r), "did", did), http.StatusSeeOther)
		return nil
	}}
}

// errNoPage says that there is nothing to show.
func errNoPage(what string) error { return &Problem{kind: kindNotFound, Detail: what} }
