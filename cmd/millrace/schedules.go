package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
)

func (a *app) schedulesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schedules",
		Short: "show when each pipeline runs next",
		Long: "Shows each pipeline's schedule, what it follows, its next time, how its last firing ended, and whether it is\n" +
			"paused. Times are those of the pipeline's zone.\n",
		Example: "  millrace schedules\n  millrace schedules --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withJournal(c, func(ctx context.Context, e *pipeline.Engine) error {
				s, err := a.schedulerOf(e)
				if err != nil {
					return err
				}
				all, err := s.Schedules(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(all)
				}
				return a.printSchedules(e, all)
			})
		},
	}
}

func (a *app) printSchedules(e *pipeline.Engine, all []scheduler.Schedule) error {
	g := grid{header: []string{"PIPELINE", "SCHEDULE", "ZONE", "NEXT", "LAST", "STATE"}, width: a.terminalWidth()}
	for _, s := range all {
		schedule, next, last := s.Expression, "-", "never"
		if len(s.After) > 0 {
			schedule = strings.TrimSpace(schedule + " after " + strings.Join(s.After, ", "))
		}
		if schedule == "" {
			schedule = "-"
		}
		if len(s.Next) > 0 {
			next = s.Next[0].Format("2006-01-02 15:04 MST")
		}
		if s.Last != nil {
			last = string(s.Last.State) + " " + clockText(s.Last.LogicalTime)
		}
		g.add(s.Pipeline, schedule, s.Timezone, next, last, oneLine(a.redactor.Redact(standing(s))))
	}
	if err := g.print(a.stdout); err != nil {
		return err
	}
	if !e.Served() {
		a.note("no millrace serve is running on this project: nothing is started by these schedules")
	}
	return nil
}

// standing is what goes on with a schedule, in a few words.
func standing(s scheduler.Schedule) string {
	var parts []string
	if s.Pause != nil {
		parts = append(parts, "paused: "+s.Pause.Reason)
	}
	for _, f := range s.Open {
		text := string(f.State)
		if f.Reason != "" {
			text += ": " + f.Reason
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, "; ")
}

func (a *app) firingsCommand() *cobra.Command {
	var filter journal.FiringFilter
	c := &cobra.Command{
		Use:   "firings",
		Short: "list what schedules and people asked for, and what became of it",
		Long: "Lists firings, the newest first: each time at which a pipeline was to run, by its schedule or because somebody\n" +
			"asked, with what became of it. Those that were skipped say why.\n",
		Example: "  millrace firings\n  millrace firings --pipeline nightly --limit 90",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if filter.Limit < 0 {
				return usage("--limit %d: give a number from 0, which means all", filter.Limit)
			}
			return a.withJournal(c, func(ctx context.Context, e *pipeline.Engine) error { return a.listFirings(ctx, e, filter) })
		},
	}
	c.Flags().StringVar(&filter.Pipeline, "pipeline", "", "only those of this pipeline")
	c.Flags().BoolVar(&filter.Open, "open", false, "only those that wait or run")
	c.Flags().IntVarP(&filter.Limit, "limit", "n", 20, "firings to list; 0 for all")
	return c
}

func (a *app) listFirings(ctx context.Context, e *pipeline.Engine, filter journal.FiringFilter) error {
	all, err := e.Journal.Firings(ctx, filter)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].Reason = a.redactor.Redact(all[i].Reason)
	}
	if a.json {
		if all == nil {
			all = []journal.Firing{}
		}
		return a.printJSON(all)
	}
	if len(all) == 0 {
		a.note("no firings")
		return nil
	}
	g := grid{header: []string{"FIRING", "PIPELINE", "LOGICAL TIME", "TRIGGER", "STATE", "TRIES", "RUN", "REASON"}, right: []bool{5: true}, width: a.terminalWidth()}
	for _, f := range all {
		run := f.Run
		if run == "" {
			run = "-"
		}
		g.add(f.ID, f.Pipeline, clockText(f.LogicalTime), string(f.Trigger), string(f.State), fmt.Sprint(f.Tries), run, oneLine(f.Reason))
	}
	if err := g.print(a.stdout); err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(f journal.Firing) bool { return f.State.Open() }) && !e.Served() {
		a.note("no millrace serve is running on this project: what is waiting or started goes on with the next one")
	}
	return nil
}

func (a *app) triggerCommand() *cobra.Command {
	var req runFlags
	c := &cobra.Command{
		Use:   "trigger PIPELINE",
		Short: "ask millrace serve to run a pipeline",
		Long: "Asks the millrace serve of this project to run a pipeline, now or when its turn comes, and returns at once.\n" +
			"`millrace firings` tells what becomes of it. Without a serve, `millrace run` does it here.\n",
		Example: "  millrace trigger nightly\n  millrace trigger nightly --full-refresh",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withPipeline(c, args[0], func(ctx context.Context, e *pipeline.Engine, pl string) error { return a.trigger(ctx, e, pl, req) })
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&req.selectors, "select", "s", nil, "run these nodes of the pipeline only; may be repeated")
	f.BoolVar(&req.fullRefresh, "full-refresh", false, "rebuild incremental streams and models from nothing")
	f.BoolVar(&req.allowEmpty, "allow-empty", false, "let an empty snapshot replace a table that has rows")
	f.BoolVar(&req.allowShrunken, "allow-shrunken", false, "let a snapshot replace a table although it is much smaller")
	f.StringVar(&req.logicalTime, "logical-time", "", "time that the run stands for: 2026-11-27T02:00:00Z, or a date, which begins in UTC (default now)")
	return c
}

func (a *app) trigger(ctx context.Context, e *pipeline.Engine, pl string, req runFlags) error {
	now := e.Clock()
	logical, err := parseLogicalTime(req.logicalTime)
	if err != nil {
		return err
	}
	if logical.IsZero() {
		logical = now
	}
	if len(req.selectors) > 0 {
		if _, err := e.Project.SelectIn(pl, req.selectors); err != nil {
			return usage("%w", err)
		}
	}
	f, err := e.Journal.AddFiring(ctx, journal.Firing{ID: journal.NewFiringID(now), Pipeline: pl, LogicalTime: logical, Trigger: journal.TriggerCommand, State: journal.FiringWaiting,
		By: person(), Due: now, Created: now, Ask: journal.Ask{Select: req.selectors, FullRefresh: req.fullRefresh, AllowEmpty: req.allowEmpty, AllowShrunken: req.allowShrunken}})
	if errors.Is(err, journal.ErrFired) {
		return &advice{fmt.Errorf("trigger %s: firing %s of %s: %w", pl, f.ID, clockText(f.LogicalTime), err), "leave --logical-time away, or retry the run of that firing"}
	}
	if err != nil {
		return fmt.Errorf("trigger %s: %w", pl, err)
	}
	if err := e.Journal.AddEvent(ctx, journal.Event{At: now, Kind: "trigger", Pipeline: pl, By: person(), Text: "firing " + f.ID}); err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(f)
	} else {
		a.out("firing %s: millrace firings tells what becomes of it", f.ID)
	}
	if !e.Served() {
		a.note("no millrace serve is running on this project: the run starts with the next one")
	}
	return err
}

func (a *app) pauseCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "pause PIPELINE",
		Short: "keep a pipeline's schedule from starting runs",
		Long: "Pauses a pipeline: its schedule starts no run until `millrace resume`, and what is due meanwhile is not made up\n" +
			"for. A run that goes on is not ended, and runs that somebody asks for are started.\n",
		Example: "  millrace pause nightly --reason 'ERP migration'",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withPipeline(c, args[0], func(ctx context.Context, e *pipeline.Engine, pl string) error {
				return a.pause(ctx, e, pl, reason)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "by hand", "why, for those who wonder")
	return c
}

func (a *app) pause(ctx context.Context, e *pipeline.Engine, pl, reason string) error {
	pauses, err := e.Journal.Pauses(ctx)
	if err != nil {
		return err
	}
	if p, paused := pauses[pl]; paused {
		a.out("%s is paused already, since %s by %s: %s", pl, clockText(p.Since), p.By, a.redactor.Redact(p.Reason))
		return nil
	}
	now := e.Clock()
	if err := e.Journal.Pause(ctx, journal.Pause{Pipeline: pl, Since: now, By: person(), Reason: reason}); err != nil {
		return err
	}
	a.out("%s is paused", pl)
	return e.Journal.AddEvent(ctx, journal.Event{At: now, Kind: "pause", Pipeline: pl, By: person(), Text: "paused: " + reason})
}

func (a *app) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "resume PIPELINE",
		Short:   "let a paused pipeline's schedule start runs again",
		Example: "  millrace resume nightly",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withPipeline(c, args[0], func(ctx context.Context, e *pipeline.Engine, pl string) error {
				paused, err := e.Journal.Resume(ctx, pl, e.Clock())
				if err != nil {
					return err
				}
				if !paused {
					a.note("%s was not paused", pl)
					return nil
				}
				a.out("%s goes on with its next time", pl)
				return e.Journal.AddEvent(ctx, journal.Event{At: e.Clock(), Kind: "resume", Pipeline: pl, By: person(), Text: "resumed"})
			})
		},
	}
}

// withPipeline opens the project for a command about one pipeline.
func (a *app) withPipeline(c *cobra.Command, name string, f func(context.Context, *pipeline.Engine, string) error) error {
	return a.withJournal(c, func(ctx context.Context, e *pipeline.Engine) error {
		if e.Project.Pipeline(name) == nil {
			var known []string
			for _, pl := range e.Project.Pipelines {
				known = append(known, pl.Name)
			}
			return &advice{usage("there is no pipeline %q", name), "pipelines of this project: " + strings.Join(known, ", ")}
		}
		return f(ctx, e, name)
	})
}

// person is who gives the command.
func person() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "a command"
}
