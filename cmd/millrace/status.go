package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "show what is published, how old it is, and what runs",
		Long: "Shows every published table with its age, whether it is stale and why, the last and the next run of each pipeline, and runs\n" +
			"that are under way or were interrupted.\n",
		Example: "  millrace status\n  millrace status --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			e, closeEngine, err := a.journalEngine(c.Context())
			if err != nil {
				return err
			}
			defer closeEngine()
			note, err := e.EnsureJournal(c.Context())
			if err != nil {
				return err
			}
			s, err := e.Status(c.Context())
			if err != nil {
				return err
			}
			s.Note = note
			a.cleanStatus(s)
			if a.json {
				return a.printJSON(s)
			}
			if note != "" {
				a.note("%s", note)
			}
			a.printStatus(s)
			return nil
		},
	}
}

func (a *app) cleanStatus(s *pipeline.Status) {
	for i := range s.Tables {
		for k := range s.Tables[i].Why {
			s.Tables[i].Why[k] = a.redactor.Redact(s.Tables[i].Why[k])
		}
	}
	clean := func(r *pipeline.RunSummary) {
		if r != nil {
			a.cleanOutcome(&r.Run)
		}
	}
	for i := range s.Pipelines {
		clean(s.Pipelines[i].LastRun)
		clean(s.Pipelines[i].LastEnded)
		if u := s.Pipelines[i].Unstarted; u != nil {
			u.Error = a.redactor.Redact(u.Error)
		}
	}
	for i := range s.Unfinished {
		clean(&s.Unfinished[i])
	}
	if s.Following != nil && s.Following.Last != nil {
		a.cleanLoad(s.Following.Last)
	}
}

func (a *app) printStatus(s *pipeline.Status) {
	if s.Snapshot == 0 {
		a.out("%s: nothing is published yet in %s", s.Project, s.TargetPath)
	} else {
		a.out("%s: snapshot %d of %s in %s", s.Project, s.Snapshot, clockText(*s.PublishedAt), s.TargetPath)
	}
	if s.MovedFrom != "" {
		a.out("the target was moved here from %s: millrace query relinks its catalog", s.MovedFrom)
	}
	if len(s.Tables) > 0 {
		a.out("")
		g := grid{header: []string{"TABLE", "KIND", "ROWS", "AGE", "RUN", "SNAPSHOT", "STATE"}, right: []bool{false, false, true, true, false, true}, width: a.terminalWidth()}
		for _, t := range s.Tables {
			state, kind, rows := "ok", t.Kind, fmt.Sprint(t.Rows)
			if t.View {
				kind, rows = "view", "-"
			}
			if t.Stale {
				state = "stale: " + oneLine(strings.Join(t.Why, "; "))
			}
			if !t.InProject {
				state = "no longer in the project"
			}
			g.add(t.Name, kind, rows, ago(t.AgeSeconds), t.Run, fmt.Sprint(t.Snapshot), state)
		}
		_ = g.print(a.stdout)
	}
	if s.Following != nil {
		a.printFollowing(s.Following)
	}
	if len(s.NeverBuilt) > 0 {
		a.out("\nnever built: %s", strings.Join(s.NeverBuilt, ", "))
	}
	a.out("")
	g := grid{header: []string{"PIPELINE", "NODES", "LAST RUN", "STATE", "WHEN", "FRESHNESS", "NEXT"}, right: []bool{false, true}, width: a.terminalWidth()}
	for _, p := range s.Pipelines {
		run, state, when := "never", "-", "-"
		if r := p.LastRun; r != nil {
			run, state, when = r.ID, string(r.State), clockText(r.Started)
		}
		freshness := p.Freshness
		if freshness == "" {
			freshness = "-"
		}
		next := "-"
		if p.Paused != nil {
			next = "paused"
		} else if p.NextRun != nil {
			next = clockText(*p.NextRun)
		}
		g.add(p.Name, fmt.Sprint(p.Nodes), run, state, when, freshness, next)
	}
	_ = g.print(a.stdout)
	if !s.Served && slices.ContainsFunc(s.Pipelines, func(p pipeline.PipelineStatus) bool { return p.NextRun != nil }) {
		a.note("no millrace serve is running on this project: nothing is started by its schedules")
	}
	for _, p := range s.Pipelines {
		if u := p.Unstarted; u != nil {
			a.out("\na run of %s could not begin at %s: %s", p.Name, clockText(u.At), oneLine(u.Error))
		}
	}
	for _, r := range s.Unfinished {
		if r.State == pipeline.StateRunning {
			a.out("\nrun %s of %s is running: process %d since %s", r.ID, r.Pipeline, r.PID, clockText(r.Started))
		} else {
			a.out("\nrun %s of %s was interrupted: the next millrace run takes it up when the project is the same", r.ID, r.Pipeline)
		}
	}
}
