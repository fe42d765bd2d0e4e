package serve

import (
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// runsPerPage is how many runs one page lists.
const runsPerPage = 50

// runsPage is a page of the list of runs.
type runsPage struct {
	Pipelines        []string
	Statuses         []journal.Status
	Pipeline, Status string
	Runs             []runLine
	More             string // where the next page is; "" for none
	Later            bool   // it is not the first page
}

// runLine is a run with what its steps add up to.
type runLine struct {
	pipeline.RunSummary
	journal.StepTotals
}

func (p *site) runs(w http.ResponseWriter, r *http.Request) error {
	ctx, e, q := r.Context(), p.Engine(), r.URL.Query()
	page := &runsPage{Pipeline: q.Get("pipeline"), Status: q.Get("status"), Later: q.Get("before") != "",
		Statuses: []journal.Status{journal.Running, journal.Succeeded, journal.Partial, journal.Failed, journal.ChecksFailed, journal.Interrupted, journal.Abandoned}}
	if page.Status != "" && !slices.Contains(page.Statuses, journal.Status(page.Status)) {
		return errNoPage("there is no such status of runs: " + page.Status)
	}
	for _, pl := range e.Project.Pipelines {
		page.Pipelines = append(page.Pipelines, pl.Name)
	}
	runs, err := e.Summaries(ctx, journal.Filter{Pipeline: page.Pipeline, Status: journal.Status(page.Status), Before: q.Get("before"), Limit: runsPerPage + 1})
	if err != nil {
		return err
	}
	if len(runs) > runsPerPage {
		runs = runs[:runsPerPage]
		page.More = link("/runs", "pipeline", page.Pipeline, "status", page.Status, "before", runs[runsPerPage-1].ID)
	}
	if page.Runs, err = p.linesOf(r, runs); err != nil {
		return err
	}
	return p.show(w, r, "runs", view{Title: "Runs", Section: "Runs", Alive: !page.Later, Data: page})
}

// linesOf adds to runs what their steps add up to.
func (p *site) linesOf(r *http.Request, runs []pipeline.RunSummary) ([]runLine, error) {
	ids := make([]string, len(runs))
	for i, one := range runs {
		ids[i] = one.ID
	}
	totals, err := p.Engine().Journal.TotalsOf(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	lines := make([]runLine, len(runs))
	for i, one := range runs {
		lines[i] = runLine{one, totals[one.ID]}
	}
	return lines, nil
}

// FirstError is the first line of why the run failed.
func (l runLine) FirstError() string {
	line, _, _ := strings.Cut(l.Error, "\n")
	return line
}
