package serve

import (
	"net/http"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
)

// firingsPerPage is how many firings one page lists.
const firingsPerPage = 25

// scheduleLine is a pipeline in the list of schedules.
type scheduleLine struct {
	scheduler.Schedule
	Words   string
	LastRun *pipeline.RunSummary
}

func (p *site) schedules(w http.ResponseWriter, r *http.Request) error {
	ctx, e := r.Context(), p.Engine()
	all, err := p.Scheduler.Schedules(ctx)
	if err != nil {
		return err
	}
	var lines []scheduleLine
	for _, s := range all {
		line := scheduleLine{Schedule: s, Words: scheduleWords(s)}
		last, err := e.Summaries(ctx, journal.Filter{Pipeline: s.Pipeline, Target: pipeline.TargetOf(e.Project), Limit: 1})
		if err != nil {
			return err
		}
		if len(last) > 0 {
			line.LastRun = &last[0]
		}
		lines = append(lines, line)
	}
	return p.show(w, r, "schedules", view{Title: "Schedules", Section: "Schedules", Alive: true, Data: lines})
}

// scheduleWords says when a pipeline runs.
func scheduleWords(s scheduler.Schedule) string {
	switch {
	case len(s.After) > 0 && s.Expression == "":
		return "after " + strings.Join(s.After, ", ")
	case s.Expression == "":
		return "only when asked for"
	}
	return ""
}

// pipelinePage is one pipeline: its settings, what it makes, its runs and its firings.
type pipelinePage struct {
	*models.Pipeline
	Schedule scheduler.Schedule
	Words    string
	Nodes    []*models.Node
	Runs     []runLine
	Firings  []journal.Firing
	More     string
}

func (p *site) pipeline(w http.ResponseWriter, r *http.Request) error {
	ctx, e := r.Context(), p.Engine()
	if strings.Contains(r.PathValue("pipeline"), "+") { // of a run that had nodes of several
		http.Redirect(w, r, link("/runs", "pipeline", r.PathValue("pipeline")), http.StatusSeeOther)
		return nil
	}
	pl, err := p.Server.pipeline(&call{Request: r})
	if err != nil {
		return err
	}
	byName, err := p.schedulesByName(ctx)
	if err != nil {
		return err
	}
	page := &pipelinePage{Pipeline: pl, Schedule: byName[pl.Name]}
	page.Words = scheduleWords(page.Schedule)
	for _, n := range e.Project.Nodes {
		if n.Pipeline == pl.Name {
			page.Nodes = append(page.Nodes, n)
		}
	}
	runs, err := e.Summaries(ctx, journal.Filter{Pipeline: pl.Name, Limit: 10})
	if err != nil {
		return err
	}
	if page.Runs, err = p.linesOf(r, runs); err != nil {
		return err
	}
	page.Firings, err = e.Journal.Firings(ctx, journal.FiringFilter{Pipeline: pl.Name, Before: r.URL.Query().Get("before"), Limit: firingsPerPage + 1})
	if err != nil {
		return err
	}
	if len(page.Firings) > firingsPerPage {
		page.Firings = page.Firings[:firingsPerPage]
		page.More = link("/pipelines/"+pl.Name, "before", page.Firings[firingsPerPage-1].ID) + "#firings"
	}
	return p.show(w, r, "pipeline", view{Title: pl.Name, Section: "Schedules", Data: page})
}
