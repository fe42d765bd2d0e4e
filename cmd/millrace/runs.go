package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

func (a *app) runsCommand() *cobra.Command {
	var limit int
	var pipelineName, status string
	var statements bool
	show := &cobra.Command{Use: "show [RUN or LOAD]", Short: "show the steps of a run, with their equations", Example: "  millrace runs show\n  millrace runs show 20261121T0400 --statements",
		Long: "Shows a run, named by its id or the beginning of it, or the latest one: its steps with their equations, the parts\n" +
			"that it landed, notes and errors, and the loads that brought what it published to the place that follows the target.\n" +
			"A load may be named by its id instead, as push prints it.\n",
		Args: cobra.MaximumNArgs(1), RunE: func(c *cobra.Command, args []string) error {
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			return a.showRun(c, id, statements)
		}}
	show.Flags().BoolVar(&statements, "statements", false, "show every statement of the loads, with its query id")
	c := group("runs", "list the runs, or show one", show, a.runsLogsCommand())
	c.Long = "Lists the runs, the newest first; `millrace runs show` shows one, `millrace runs logs` prints what it said.\n"
	c.Example = "  millrace runs --limit 5\n  millrace runs show"
	inner := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return inner(c, args)
		}
		if limit < 0 {
			return usage("--limit %d: give a number from 0, which means all", limit)
		}
		return a.listRuns(c, journal.Filter{Pipeline: pipelineName, Status: journal.Status(status), Limit: limit})
	}
	c.Flags().IntVarP(&limit, "limit", "n", 20, "runs to list; 0 for all")
	c.Flags().StringVar(&pipelineName, "pipeline", "", "only runs of this pipeline, also together with others")
	c.Flags().StringVar(&status, "status", "", "only runs with this status, such as failed")
	return c
}

func (a *app) listRuns(c *cobra.Command, f journal.Filter) error {
	e, closeEngine, err := a.journalEngine(c.Context())
	if err != nil {
		return err
	}
	defer closeEngine()
	runs, err := e.Summaries(c.Context(), f)
	if err != nil {
		return err
	}
	for i := range runs {
		a.cleanOutcome(&runs[i].Run)
	}
	if a.json {
		return a.printJSON(runs)
	}
	if len(runs) == 0 {
		a.note("no runs")
		return nil
	}
	g := grid{header: []string{"RUN", "PIPELINE", "STATE", "TRIGGER", "STARTED", "TOOK", "NODES", "SNAPSHOT", "ERROR"}, right: []bool{false, false, false, false, false, true, true, true}, width: a.terminalWidth()}
	for _, r := range runs {
		snapshot := "-"
		if r.Snapshot != nil {
			snapshot = fmt.Sprint(*r.Snapshot)
		}
		g.add(r.ID, r.Pipeline, stateText(r), string(r.Trigger), clockText(r.Started), tookText(r.Begun(), r.Finished), fmt.Sprint(len(r.Selection.Nodes)), snapshot, oneLine(firstLine(r.Error)))
	}
	return g.print(a.stdout)
}

// stateText is the state of a run, whether it was none that reads and builds, and its target where that is another.
func stateText(r pipeline.RunSummary) string {
	text := string(r.State)
	switch replay := r.Selection.Replay; {
	case r.Selection.Backfill != nil:
		text += ", backfill"
	case r.Selection.ByHand:
		text += ", by hand"
	case replay == nil:
	case replay.DryRun:
		text += ", dry run of a replay"
	default:
		text += ", replay"
	}
	if r.OtherTarget != "" {
		text += ", target " + r.OtherTarget
	}
	return text
}

// triggerText is what began a run, and the time that it stands for when that is not about its start.
func triggerText(r journal.Run) string {
	text := string(r.Trigger)
	if r.Firing != "" {
		text += ", firing " + r.Firing
	}
	if r.Started.Sub(r.LogicalTime).Abs() > time.Minute {
		text += ", for " + clockText(r.LogicalTime)
	}
	return text
}

func tookText(from time.Time, to *time.Time) string {
	if to == nil {
		return "-"
	}
	return to.Sub(from).Round(time.Millisecond).String()
}

// shownRun is a run with all that the journal knows of it.
type shownRun struct {
	pipeline.RunSummary
	Steps []journal.Step `json:"steps"`
	Parts []journal.Part `json:"parts"`
	// Checks are those that did not pass.
	Checks []check.Result `json:"checks"`
	// Loads are those on its behalf, the newest first.
	Loads []journal.Load `json:"loads"`
}

func (a *app) showRun(c *cobra.Command, id string, statements bool) error {
	e, closeEngine, err := a.journalEngine(c.Context())
	if err != nil {
		return err
	}
	defer closeEngine()
	r, err := runNamed(c.Context(), e, id)
	if errors.Is(err, journal.ErrNotFound) {
		if l, no := e.Load(c.Context(), id); no == nil {
			return a.showLoad(c, e, *l, statements)
		}
	}
	if err != nil {
		return err
	}
	out := shownRun{RunSummary: e.Summary(r)}
	if out.Steps, err = e.Journal.Steps(c.Context(), r.ID); err != nil {
		return err
	}
	if out.Parts, err = e.Journal.Parts(c.Context(), r.ID, ""); err != nil {
		return err
	}
	if out.Loads, err = e.Loads(c.Context(), r.ID); err != nil {
		return err
	}
	for i := range out.Loads {
		if statements {
			if out.Loads[i].Sent, err = e.Journal.Statements(c.Context(), out.Loads[i].ID); err != nil {
				return err
			}
		}
	}
	results, err := e.Journal.Checks(c.Context(), r.ID)
	if err != nil {
		return err
	}
	results = slices.DeleteFunc(results, func(r check.Result) bool { return r.Status == check.StatusPass })
	out.Checks = check.Remasked(results, e.Project.IsPII)
	a.cleanRun(&out)
	for _, p := range out.Parts {
		e.HideBounds(p)
	}
	if a.json {
		return a.printJSON(out)
	}
	a.printRun(out)
	return nil
}

// showLoad shows a load by itself: that of a push belongs to no run.
func (a *app) showLoad(c *cobra.Command, e *pipeline.Engine, l journal.Load, statements bool) (err error) {
	if statements {
		if l.Sent, err = e.Journal.Statements(c.Context(), l.ID); err != nil {
			return err
		}
	}
	a.cleanLoad(&l)
	if a.json {
		return a.printJSON(l)
	}
	a.printLoad(l)
	a.printStatements(l.Sent)
	return nil
}

// cleanOutcome takes secrets out of what the journal says of a run as a whole.
func (a *app) cleanOutcome(r *journal.Run) {
	r.Error = a.redactor.Redact(r.Error)
	for i := range r.Warnings {
		r.Warnings[i] = a.redactor.Redact(r.Warnings[i])
	}
}

func (a *app) cleanRun(r *shownRun) {
	a.cleanOutcome(&r.Run)
	for i := range r.Checks {
		r.Checks[i].Message = a.redactor.Redact(r.Checks[i].Message)
	}
	for i := range r.Loads {
		a.cleanLoad(&r.Loads[i])
	}
	for i := range r.Steps {
		s := &r.Steps[i]
		s.Error, s.Hint = a.redactor.Redact(s.Error), a.redactor.Redact(s.Hint)
		for k := range s.Notes {
			s.Notes[k] = a.redactor.Redact(s.Notes[k])
		}
	}
}

func (a *app) printRun(r shownRun) {
	a.out("run       %s, attempt %d", r.ID, r.Attempt)
	a.out("pipeline  %s", r.Pipeline)
	a.out("state     %s", stateText(r.RunSummary))
	a.out("trigger   %s", triggerText(r.Run))
	if r.Selection.Backfill != nil {
		a.out("range     %s", r.Selection.Backfill)
	}
	a.out("started   %s, took %s, process %d, millrace %s", clockText(r.Started), tookText(r.Begun(), r.Finished), r.PID, r.Version)
	if r.Snapshot != nil {
		a.out("snapshot  %d", *r.Snapshot)
	}
	if r.ExitCode != nil {
		a.out("exit code %d", *r.ExitCode)
	}
	if r.Error != "" {
		a.out("error     %s", r.Error)
	}
	for _, warning := range r.Warnings {
		a.out("warning   %s", warning)
	}
	parts := map[string]int{}
	bytes := map[string]int64{}
	for _, p := range r.Parts {
		parts[p.Node]++
		bytes[p.Node] += p.File.Bytes
	}
	a.out("")
	for _, s := range r.Steps {
		a.printStep(s)
		a.printFailing(slices.DeleteFunc(slices.Clone(r.Checks), func(c check.Result) bool { return c.Node != s.Node }))
		if n := parts[s.Node]; n > 0 {
			a.out("       %s landed, %s", plural(n, "part"), bytesText(bytes[s.Node]))
		}
	}
	for _, l := range r.Loads {
		a.printLoad(l)
		a.printStatements(l.Sent)
	}
}
