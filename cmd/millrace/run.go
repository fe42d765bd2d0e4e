package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/telemetry"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/transform/check"
)

// grace is how long a run that was asked to end may take to finish the part in hand; Kubernetes kills after 30 s.
const grace = 20 * time.Second

// heed is how long what is given up may take to heed that; the process of what does not is ended.
const heed = 3 * time.Second

func (a *app) runCommand() *cobra.Command {
	var req runFlags
	c := &cobra.Command{
		Use:   "run [selectors]",
		Short: "extract, build and publish",
		Long: "Runs the selected nodes once, all nodes when none is named, and publishes the results in one step.\n" +
			"Selectors: a table (orders), schema.table, a pattern, +orders (with all it reads), orders+ (with all that\n" +
			"reads it), tag:x, path:models/marts, source:erp, state:modified+, a pipeline's name: docs/state.md has all. A run\n" +
			"that was interrupted is resumed. A model is not built when nothing of what decides what its table is has changed\n" +
			"since it was built, and no table that it reads: `millrace plan` says why one is. Its checks are judged all the same.\n\n" +
			"Schedulers give the time that the run stands for: --logical-time \"{{ ts }}\" in Airflow. To ask again for the same\n" +
			"nodes, with the same flags, for the same time does only what is left to do: nothing when a run has succeeded\n" +
			"for it (exit code 0), else the next attempt of that run, over the same windows, or a new run where a later run has\n" +
			"gone past its windows. A run of a whole pipeline, on the project's target and without flags that permit more, is\n" +
			"then that pipeline's firing of that time: a `millrace serve` of the same project does not start it again.\n",
		Example: "  millrace run\n  millrace run +fct_orders\n  millrace run nightly --json\n  millrace run nightly --logical-time 2026-11-27T02:00:00Z",
		RunE: func(c *cobra.Command, args []string) error {
			req.selectors = args
			return a.supervise(c.Context(), func(ctx context.Context) error { return a.runOnce(ctx, req) })
		},
	}
	f := c.Flags()
	selectFlag(c, &req.selectors2)
	f.StringArrayVar(&req.exclude, "exclude", nil, "leave these nodes out; may be repeated")
	f.BoolVarP(&req.fullRefresh, "full-refresh", "f", false, "rebuild incremental streams and models from nothing")
	f.BoolVar(&req.rebuild, "rebuild", false, "build models too that have not changed, over tables that have not")
	f.BoolVar(&req.allowEmpty, "allow-empty", false, "let an empty snapshot replace a table that has rows")
	f.BoolVar(&req.allowShrunken, "allow-shrunken", false, "let a snapshot replace a table although it is much smaller, and a file of decisions lose some")
	f.StringVar(&req.eventStart, "event-time-start", "", "build microbatch models from this date or time on, in UTC; needs --event-time-end")
	f.StringVar(&req.eventEnd, "event-time-end", "", "build microbatch models up to this date or time")
	stateFlag(c, &req.state)
	selectorFlag(c, &req.selector)
	a.metricsFlag(c)
	f.StringVar(&req.logicalTime, "logical-time", "", "time that the run stands for: 2026-11-27T02:00:00Z, or a date, which begins in UTC")
	f.StringVar(&req.verify, "verify", "", "check new files by footer or full, instead of the project's choice")
	req.origin.flags(c)
	return c
}

type runFlags struct {
	selectors, selectors2, exclude         []string
	fullRefresh, allowEmpty, allowShrunken bool
	rebuild                                bool
	eventStart, eventEnd                   string
	verify, logicalTime, state, selector   string
	origin                                 origin
}

// origin is how millrace serve tells its workers what began their run.
type origin struct{ firing, trigger string }

func (o *origin) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.firing, "firing", "", "firing that the run belongs to: millrace serve says so")
	f.StringVar(&o.trigger, "trigger", "", "what began the run: millrace serve says so")
	_ = f.MarkHidden("firing")
	_ = f.MarkHidden("trigger")
}

func (a *app) retryCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "retry [RUN|PIPELINE]",
		Short: "run again what failed in a run, over the same windows",
		Long: "Takes up the latest run, that of a pipeline, or the one named by its id or the beginning of it: what it has landed\n" +
			"is kept, what failed or was skipped is done again over the same windows, and published. A stream that failed its own\n" +
			"checks is read anew. Rows that were mended in their source because a model failed its checks need a millrace run.\n",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			return a.supervise(c.Context(), func(ctx context.Context) error {
				return a.work(ctx, func(ctx context.Context, e *pipeline.Engine) (*pipeline.Report, error) { return e.Retry(ctx, id) })
			})
		},
	}
	a.metricsFlag(c)
	return c
}

// metricsFlag is for runs that Prometheus cannot scrape, because they are over before it asks.
func (a *app) metricsFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.metrics, "metrics-file", "", "write Prometheus metrics of the project to this file at the end, for node_exporter's textfile collector")
}

func (a *app) runOnce(ctx context.Context, req runFlags) error {
	logicalTime, err := parseLogicalTime(req.logicalTime)
	if err != nil {
		return err
	}
	eventTime, err := parseEventTime(req.eventStart, req.eventEnd)
	if err != nil {
		return err
	}
	return a.work(ctx, func(ctx context.Context, e *pipeline.Engine) (*pipeline.Report, error) {
		switch level := pipeline.VerifyLevel(req.verify); level {
		case "":
		case pipeline.VerifyFooter, pipeline.VerifyFull:
			e.Verify = level
		default:
			return nil, usage("--verify %s: use footer or full", req.verify)
		}
		nodes, err := a.toRun(ctx, e, selection{append(req.selectors, req.selectors2...), req.exclude, req.state, req.selector})
		if err != nil || len(nodes) == 0 {
			return nil, err
		}
		return e.Run(ctx, pipeline.Request{Nodes: nodes, FullRefresh: req.fullRefresh, Rebuild: req.rebuild, AllowEmpty: req.allowEmpty, AllowShrunken: req.allowShrunken,
			EventTime: eventTime, LogicalTime: logicalTime, Trigger: journal.Trigger(req.origin.trigger), Firing: req.origin.firing})
	})
}

// parseEventTime reads the range that microbatch models are to be built for; nil where there is none.
func parseEventTime(start, end string) (*journal.EventTime, error) {
	if start == "" && end == "" {
		return nil, nil
	}
	if start == "" || end == "" {
		return nil, usage("--event-time-start and --event-time-end go together")
	}
	from, err := models.ParseEventTime(start)
	if err != nil {
		return nil, usage("--event-time-start: %w", err)
	}
	to, err := models.ParseEventTime(end)
	if err != nil {
		return nil, usage("--event-time-end: %w", err)
	}
	if !from.Before(to) {
		return nil, usage("--event-time-start %s is not before --event-time-end %s", start, end)
	}
	return &journal.EventTime{From: from, To: to}, nil
}

// parseLogicalTime reads what --logical-time takes; nothing is the zero time.
func parseLogicalTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			if err := pipeline.CheckLogicalTime(t, clock.System()); err != nil {
				return time.Time{}, usage("--logical-time %s: %w", text, err)
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, usage("--logical-time %s: write a time with its zone, as 2026-11-27T02:00:00Z, or a date, as 2026-11-27", text)
}

// work does the work of a run in the worker process, and reports.
func (a *app) work(ctx context.Context, job func(context.Context, *pipeline.Engine) (*pipeline.Report, error)) error {
	return a.inWorker(ctx, func(ctx context.Context, e *pipeline.Engine) (tell func() error, err error) {
		report, err := job(ctx, e)
		if err != nil {
			if report != nil { // what an earlier run has left would be taken for what came of this one
				a.writeArtifacts(e, report)
			}
			return nil, err
		}
		if report == nil {
			return a.nothingChanged, nil
		}
		return func() error {
			a.writeArtifacts(e, report)
			if err := a.printReport(report); err != nil {
				return err
			}
			if code := *report.Run.ExitCode; code != codeOK {
				return &codeError{code: code}
			}
			return nil
		}, nil
	})
}

// inWorker opens the engine and what follows its target, does a job under the rules of signals, and has it tell what became of it.
func (a *app) inWorker(ctx context.Context, job func(context.Context, *pipeline.Engine) (tell func() error, err error)) error {
	asked := make(chan struct{})
	ctx, signalled, stop := a.obeySignals(ctx, asked)
	defer stop()
	e, closeEngine, err := a.engine(ctx)
	if err != nil {
		a.tellRefused(ctx, err)
		return err
	}
	defer closeEngine()
	closeFollower, err := a.openFollower(ctx, e)
	if err != nil {
		return err
	}
	defer closeFollower()
	e.Stop, e.Grace, e.Heed = asked, grace, heed
	if note, err := e.EnsureJournal(ctx); err != nil {
		return err
	} else if note != "" {
		a.note("%s", note)
	}
	show, told := a.newProgress(), a.telemetry(ctx, e)
	building := func(pipeline.Event) {}
	if os.Getenv(filesEnv) != "" { // millrace serve has started us
		building = tellBuilding()
	}
	e.Observe = func(ev pipeline.Event) { building(ev); show.observe(ev); told.Observe(ev) }
	defer a.tellAlerts(ctx, e)
	ended := func() {
		show.close()
		told.Stop(ctx)
		if a.metrics != "" {
			if err := serve.WriteMetrics(a.metrics, e); err != nil { // of the run itself it says nothing
				e.Log.Warn("no metrics", "path", a.metrics, "error", err)
			}
		}
	}
	e.GiveUp = func(why error) {
		a.printError(why)
		ended()
		a.tellAlerts(ctx, e)
		os.Exit(codeFailed)
	}
	tell, err := job(ctx, e)
	ended()
	if err != nil {
		if errors.Is(err, pipeline.ErrInterrupted) || ctx.Err() != nil {
			return &codeError{signalled(), err}
		}
		return err
	}
	return tell()
}

// telemetry sends what the run does to where the OTEL_* variables say; nil when they say nothing.
func (a *app) telemetry(ctx context.Context, e *pipeline.Engine) *telemetry.Telemetry {
	for _, header := range telemetry.Secrets() {
		a.redactor.Add(secret.NewValue(header))
	}
	return telemetry.Start(ctx, telemetry.Config{Project: e.Project.Name, Version: e.Version,
		Warn: func(err error) { e.Log.Warn("telemetry is lost", "error", err) }})
}

// obeySignals closes stop at the first signal that asks for an end, cancels the context when the grace is over, and ends the
// process when that is not heeded, and at the second signal. The returned function gives the exit code that the signal asks for.
func (a *app) obeySignals(ctx context.Context, stop chan struct{}) (context.Context, func() int, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endings()...)
	code := make(chan int, 1)
	done := make(chan struct{})
	go func() {
		var asked os.Signal
		select {
		case <-done:
			return
		case asked = <-signals:
			code <- codeFor(asked)
			close(stop)
			a.note("millrace: %s: finishing what is in hand, for %v at most; again to end at once", asked, grace)
		}
		for wait := grace; ; wait = heed {
			select {
			case <-done:
				return
			case s := <-signals:
				os.Exit(codeFor(s)) // at once: the journal knows every part that was finished
			case <-time.After(wait):
			}
			if ctx.Err() != nil {
				a.note("millrace: what is in hand does not heed that it was given up: ended at once")
				os.Exit(codeFor(asked))
			}
			cancel(pipeline.ErrInterrupted)
		}
	}()
	signalled := func() int {
		select {
		case c := <-code:
			return c
		default:
			return codeFailed
		}
	}
	return ctx, signalled, func() { signal.Stop(signals); close(done); cancel(nil) }
}

// endings are the signals that ask a run to end: also that its terminal is closed, unless nohup has begun it.
func endings() []os.Signal {
	all := []os.Signal{syscall.SIGTERM, os.Interrupt}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

func codeFor(s os.Signal) int {
	if s == os.Interrupt {
		return codeInterrupted
	}
	return codeTerminated
}

// printReport tells what became of a run, on stdout.
func (a *app) printReport(r *pipeline.Report) error {
	if a.json {
		return a.printJSON(r)
	}
	w := a.stdout
	if r.Already {
		fmt.Fprintf(w, "done already by run %s, nothing read\n", r.Run.ID)
		return nil
	}
	a.printSteps(r)
	replay := r.Run.Selection.Replay
	switch {
	case r.Run.Status == journal.Succeeded && replay != nil && replay.DryRun:
		fmt.Fprintf(w, "\nrun %s: a dry run, nothing published\n", r.Run.ID)
	case r.Run.Status == journal.Succeeded && r.Snapshot == 0:
		fmt.Fprintf(w, "\nrun %s: nothing new, nothing published\n", r.Run.ID)
	case r.Run.Status == journal.Succeeded:
		fmt.Fprintf(w, "\nrun %s: published %s as snapshot %d in %s\n", r.Run.ID, plural(len(r.Published), "table"), r.Snapshot, took(r.Run))
	case r.Run.Status == journal.Partial && r.Snapshot > 0:
		fmt.Fprintf(w, "\nrun %s: published %s as snapshot %d; %s\n", r.Run.ID, plural(len(r.Published), "table"), r.Snapshot, r.Run.Error)
	case r.Run.Status == journal.Partial:
		fmt.Fprintf(w, "\nrun %s: nothing new; %s\n", r.Run.ID, r.Run.Error)
	default:
		fmt.Fprintf(w, "\nrun %s: nothing published; %s\n", r.Run.ID, r.Run.Error)
	}
	if r.Resumed {
		fmt.Fprintf(w, "  attempt %d of a run that began at %s: what it had read is as it was read; `millrace run` reads what has come since\n",
			r.Run.Attempt, r.Run.Started.Local().Format("2006-01-02 15:04:05"))
	}
	if r.Load != nil {
		a.printLoadOf(*r.Load)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "  warning: %s\n", a.redactor.Redact(warning))
	}
	if replay != nil && r.Snapshot > 0 {
		a.printReplayed(r)
		return nil
	}
	for _, name := range r.Stale {
		fmt.Fprintf(w, "  stale: %s still shows its previous version\n", name)
	}
	if b := r.Run.Selection.Backfill; b != nil && r.Snapshot > 0 {
		fmt.Fprintf(w, "  %s; no cursor was moved\n", b)
	}
	if replay == nil && (r.Run.Status == journal.Partial || r.Run.Status == journal.Failed) {
		target := ""
		if a.target != "" {
			target = " --target " + a.target
		}
		fmt.Fprintf(w, "  next: mend the cause, then `%s`\n", pipeline.NextCommand(r.Run)+target)
		switch {
		case r.Load != nil && pipeline.Foreign(r.Load.Error):
			fmt.Fprintf(w, "  or `%s`, where this target is the one to go by\n", "millrace push --anew"+target)
		case r.Load != nil && r.Load.Status != journal.Succeeded && r.Snapshot > 0:
			fmt.Fprintf(w, "  or `%s`, which only brings what is published\n", "millrace push"+target)
		}
		if r.Run.Selection.Backfill != nil {
			fmt.Fprintf(w, "  or another command, and this run is given up by `millrace backfill --abandon %s`\n", r.Run.ID+target)
		}
	}
	return nil
}

// printSteps tells what became of the nodes: those that succeeded, then each failure with what it kept from being built.
func (a *app) printSteps(r *pipeline.Report) {
	checks := map[string][]check.Result{}
	for _, c := range r.Checks {
		checks[c.Node] = append(checks[c.Node], c)
	}
	folded := r.Skipped()
	for _, s := range r.Steps {
		if s.Status == journal.UpstreamFailed && !folded.Orphan(s.Node) {
			continue
		}
		a.printStep(s)
		a.printChecks(checks[s.Node])
		if skipped := folded[s.Node]; len(skipped) > 0 {
			fmt.Fprintf(a.stdout, "     not built because of it: %s\n", strings.Join(skipped, ", "))
		}
	}
}

// printChecks tells the checks in one line when they pass, and those that do not in a line each.
func (a *app) printChecks(results []check.Result) {
	if len(results) == 0 {
		return
	}
	passed := 0
	for _, r := range results {
		if r.Status == check.StatusPass {
			passed++
		}
	}
	fmt.Fprintf(a.stdout, "     %d of %s pass\n", passed, plural(len(results), "check"))
	a.printFailing(results)
}

// printFailing tells the checks that do not pass.
func (a *app) printFailing(results []check.Result) {
	for _, r := range results {
		if r.Status == check.StatusPass {
			continue
		}
		fmt.Fprintf(a.stdout, "     %-5s %s: %s\n", r.Status, r.Name, oneLine(a.redactor.Redact(r.Message)))
		if r.Status == check.StatusError && r.Pos != "" {
			fmt.Fprintf(a.stdout, "           at %s\n", r.Pos)
		}
		a.printSample(r)
	}
}

// printSample shows a few of the rows that fail a check.
func (a *app) printSample(r check.Result) {
	const most = 3
	if r.Sample == nil || len(r.Sample.Rows) == 0 {
		return
	}
	for i, row := range r.Sample.Rows {
		if i == most {
			break
		}
		var cells []string
		for k, v := range row {
			text := "NULL"
			if v != nil {
				text = cut(oneLine(*v), 40)
			}
			cells = append(cells, r.Sample.Columns[k]+"="+text)
		}
		fmt.Fprintf(a.stdout, "           %s\n", cut(a.redactor.Redact(strings.Join(cells, " ")), 160))
	}
}

// printStep tells what became of one node in as few lines as it takes.
func (a *app) printStep(s journal.Step) {
	mark := map[journal.Status]string{journal.Succeeded: "ok  ", journal.Failed: "FAIL", journal.ChecksFailed: "FAIL", journal.UpstreamFailed: "skip", journal.Withheld: "held"}[s.Status]
	if mark == "" {
		mark = string(s.Status)
	}
	detail := ""
	switch s.Status {
	case journal.Succeeded:
		detail = summary(s)
	case journal.ChecksFailed:
		detail = "not published: checks failed"
	}
	fmt.Fprintf(a.stdout, "%s %-32s %s\n", mark, s.Node, detail)
	for _, n := range s.Notes {
		fmt.Fprintf(a.stdout, "     note: %s\n", a.redactor.Redact(n))
	}
	if s.Error != "" && s.Status != journal.ChecksFailed { // the checks are told one by one
		fmt.Fprintf(a.stdout, "     %s\n", a.redactor.Redact(s.Error))
	}
	if s.Hint != "" {
		fmt.Fprintf(a.stdout, "     → %s\n", a.redactor.Redact(s.Hint))
	}
}

// summary is a node's rows and the equations that say something: a view has none, and that all of a table's rows
// were built goes without saying. JSON has all of them.
func summary(s journal.Step) string {
	if s.Unchanged && len(s.Equations) == 0 {
		return "view, unchanged"
	}
	if s.Unchanged {
		return fmt.Sprintf("%d rows, unchanged", s.Rows)
	}
	if s.Kind == "model" && len(s.Equations) == 0 {
		return "view"
	}
	parts := []string{fmt.Sprintf("%d rows", s.Rows)}
	for _, e := range s.Equations {
		before, deleted := e.Get("before"), e.Get("deleted")
		plain := e.Name == "built" || e.Name == "changed" || e.Name == "upserts" || (e.Name == "published" && before == 0 && deleted == 0)
		if !plain {
			parts = append(parts, e.Short())
		}
	}
	return strings.Join(parts, "; ")
}

func took(r journal.Run) time.Duration {
	if r.Finished == nil {
		return 0
	}
	return r.Finished.Sub(r.Begun()).Round(time.Millisecond)
}
