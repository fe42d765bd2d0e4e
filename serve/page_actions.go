package serve

import (
	"crypto/rand"
	"errors"
	"html/template"
	"net/http"
)

// This file is what forms ask for. A form is another way to a call of the API: it does the same, and leads back to a page.

// formRoutes are those of the forms.
func (p *site) formRoutes() []route {
	run := func(r *http.Request) string { return "/runs/" + r.PathValue("run") }
	pipeline := func(r *http.Request) string { return "/pipelines/" + r.PathValue("pipeline") }
	nothing := func(*http.Request) Nothing { return Nothing{} }
	return []route{
		formRoute(p, "/runs/{run}/retry", "retry", run, func(r *http.Request) RetryRequest { return RetryRequest{From: r.PostFormValue("from")} }, p.retryRun),
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
				return &Problem{kind: kindInvalid, Detail: "nothing was written: " + problems[0].Field + " " + problems[0].Detail, Problems: problems}
			}
		}
		if err := p.onceByForm(r, func(c *call) (any, error) { return f(c, input) }); err != nil {
			return err
		}
		http.Redirect(w, r, withWord(back(r), did), http.StatusSeeOther)
		return nil
	}}
}

// onceField is a field of a form by which its server knows the form again: sent twice, it does once what it asks for.
func onceField() template.HTML {
	return template.HTML(`<input type="hidden" name="once" value="` + rand.Text() + `">`)
}

// onceByForm does what a form asks for, unless it did already, or does just now: a button was pressed twice.
func (p *site) onceByForm(r *http.Request, do func(*call) (any, error)) error {
	c := &call{Request: detached(r), status: http.StatusOK}
	key := r.PostFormValue("once")
	if key == "" {
		_, err := do(c)
		return err
	}
	if len(key) > longestKey {
		return &Problem{kind: kindInvalid, Detail: "the form is none of this server's"}
	}
	err := p.onceByKey(headers{}, c, "form of "+identityOf(r.Context()).id, key, []byte(r.PostForm.Encode()), apiKeep, func() (any, error) { return do(c) })
	if errors.Is(err, errUnderWay) {
		return nil
	}
	return err
}

// errNoPage says that there is nothing to show.
func errNoPage(what string) error { return &Problem{kind: kindNotFound, Detail: what} }
