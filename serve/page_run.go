package serve

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/report"
)

// runPage is all that a page tells of one run.
type runPage struct {
	*report.Run
	State     pipeline.RunState
	Summary   pipeline.RunSummary
	Totals    journal.StepTotals
	Ticks     []tick
	Steps     []stepRow
	Firing    *journal.Firing
	Goes      bool
	Retriable bool
	Again     bool   // some of its steps may be done again
	Stream    string // where its log comes from
}

// stepRow is a node with its place in time.
type stepRow struct {
	report.Node
	Ticks []tick
	Bars  []bar
	View  bool
	Again string // the pipeline that does it again with all that needs it; "" when that cannot be asked for
}

func (p *site) run(w http.ResponseWriter, r *http.Request) error {
	ctx, e := r.Context(), p.Engine()
	one, err := e.Journal.Run(ctx, r.PathValue("run"))
	if err != nil {
		return err
	}
	if one.ID != r.PathValue("run") { // the beginning of an id
		http.Redirect(w, r, "/runs/"+one.ID, http.StatusSeeOther)
		return nil
	}
	page := &runPage{Summary: e.Summary(one)}
	page.State = page.Summary.State
	if page.Run, err = report.Gather(ctx, e.Journal, one, reportOptions(e, page.State)); err != nil {
		return err
	}
	totals, err := e.Journal.TotalsOf(ctx, []string{one.ID})
	if err != nil {
		return err
	}
	page.Totals = totals[one.ID]
	if page.Firing, err = firingOf(ctx, e.Journal, one.Firing); err != nil {
		return err
	}
	page.Goes = page.State == pipeline.StateRunning
	ours := page.Summary.OtherTarget == ""
	page.Retriable = ours && runClass(page.State) == "fail"
	page.Stream = apiPrefix + "/runs/" + one.ID + "/log/stream?tail=500"
	page.draw(p.Clock())
	if ours && !page.Goes && !one.Selection.Aside() {
		page.offerAgain(e.Project)
	}
	return p.show(w, r, "run", view{Title: "Run " + one.ID, Section: "Runs", Alive: page.Goes, Data: page})
}

// firingOf is what asked for a run; nil when a command did.
func firingOf(ctx context.Context, j *journal.Journal, id string) (*journal.Firing, error) {
	if id == "" {
		return nil, nil
	}
	f, err := j.Firing(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, nil
	}
	return &f, err
}

// draw puts the steps on one axis, from the run's beginning to its end.
func (page *runPage) draw(now time.Time) {
	a := axis{page.Started, now}
	if page.Finished != nil {
		a.to = *page.Finished
	}
	for _, n := range page.Nodes { // a run that was taken up again may have steps from before
		if !n.Started.IsZero() && n.Started.Before(a.from) {
			a.from = n.Started
		}
	}
	if !a.to.After(a.from) {
		a.to = a.from.Add(time.Millisecond)
	}
	page.Ticks = a.spans()
	for _, n := range page.Nodes {
		row := stepRow{Node: n, Ticks: page.Ticks, View: n.Kind == "model" && n.Status == journal.Succeeded && len(n.Equations) == 0}
		end := a.to
		if n.Finished != nil {
			end = *n.Finished
		}
		if !n.Started.IsZero() && n.Status != journal.UpstreamFailed {
			title := n.Name + ", " + shortSpan(n.Started.Sub(a.from)) + " after the start, " + spanWords(end.Sub(n.Started))
			if b, ok := a.bar(n.Started, end, stepClass(n.Status), title, ""); ok {
				row.Bars = append(row.Bars, b)
			}
		}
		page.Steps = append(page.Steps, row)
	}
}

// offerAgain says of which steps the present project can do again what they did.
func (page *runPage) offerAgain(p *models.Project) {
	for i := range page.Steps {
		step := &page.Steps[i]
		if n := p.Node(step.Name); n != nil && n.Pipeline != "" {
			step.Again, page.Again = n.Pipeline, true
		}
	}
}

// stepClass is the class of a step's bar.
func stepClass(s journal.Status) string {
	switch s {
	case journal.ChecksFailed:
		return "fail"
	case journal.Withheld:
		return "warn"
	}
	return runClass(pipeline.RunState(s))
}

// RunTrend is how the latest runs of the pipeline ended.
func (page *runPage) RunTrend() report.Strip { return report.RunStrip(page.Runs) }

// Seconds is how long they took; nil when nothing is known.
func (page *runPage) Seconds() *report.Chart { return report.SecondsChart(page.Runs) }

// Waited is how long the run had to wait for its turn; 0 when it did not.
func (page *runPage) Waited() time.Duration {
	if page.Firing == nil || page.Firing.Started == nil {
		return 0
	}
	return max(page.Firing.Started.Sub(page.Firing.Due), 0)
}
