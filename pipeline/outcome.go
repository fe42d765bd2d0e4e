package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// finish publishes what may be published and closes the run.
func (r *run) finish(ctx context.Context) (*Report, error) {
	report := &Report{Resumed: r.resumed, UnitTests: r.gate.results}
	var m *load.Manifest
	if tables := r.publishable(); len(tables) > 0 && !r.dry() {
		var err error
		m, err = r.publish(ctx, tables)
		switch {
		case err != nil && ctx.Err() != nil && !errors.Is(err, load.ErrOvertaken): // it was given up, perhaps while it waited for others that publish
			return nil, r.interrupted(ctx, errors.Join(ErrInterrupted, err))
		case err != nil:
			now, code := r.Clock(), ExitFailed
			r.Run.Status, r.Run.Finished, r.Run.Error, r.Run.ExitCode = journal.Failed, &now, r.redact(err.Error()), &code
			err = errors.Join(err, r.unpublished(context.WithoutCancel(ctx)))
			return r.unfinished(), errors.Join(err, r.Journal.EndAttempt(context.WithoutCancel(ctx), r.Run, nil, nil, r.tableRows()))
		}
		report.Snapshot, r.Run.Snapshot = m.Snapshot, &m.Snapshot
		if err := r.placeExports(r.ID, m); err != nil {
			r.warn("%v", err)
		}
		for _, t := range m.Tables {
			if t.Snapshot == m.Snapshot {
				report.Published = append(report.Published, t)
			}
		}
	}
	if err := r.follow(ctx, report); err != nil {
		return nil, r.interrupted(ctx, err)
	}
	r.verdict()
	return report, r.close(ctx, report, m)
}

// withhold keeps back what succeeded but may not be published: all nodes of a pipeline that publishes all or nothing
// and in which one failed, all tables of an entity of which one failed, and whatever was built from something that is kept back.
func (r *run) withhold(ctx context.Context) error {
	all, entities := map[string]bool{}, map[*models.Entity]string{}
	for _, n := range r.nodes {
		if n.Entity != nil && !r.succeeded(n.Name()) && entities[n.Entity] == "" {
			entities[n.Entity] = n.Name()
		}
		if p := r.Project.Pipeline(n.Pipeline); p != nil && p.Publish == "all" && !r.succeeded(n.Name()) {
			all[n.Pipeline] = true
		}
	}
	again := false
	for _, n := range r.nodes { // in dependency order; what checks read may stand behind
		res := r.results[n.Name()]
		if res == nil || res.status != journal.Succeeded {
			continue
		}
		why := ""
		if all[n.Pipeline] {
			why = fmt.Sprintf("pipeline %q publishes all or nothing, and another node of it failed", n.Pipeline)
		}
		if one := entities[n.Entity]; one != "" && n.Entity != nil {
			why = fmt.Sprintf("the tables of entity %q are published together, and %s was not made or failed its checks", n.Entity.Name, one)
		}
		for _, need := range slices.Concat(n.Needs, n.After) {
			if other := r.results[need.Name()]; other != nil && other.status == journal.Withheld {
				why = need.Name() + " is withheld"
			} else if other != nil && other.status != journal.Succeeded { // by a check that came after it was read
				why = need.Name() + " failed its checks"
			}
		}
		if why == "" {
			continue
		}
		res.status, again = journal.Withheld, true
		if res.step.Node == "" {
			continue // ephemeral
		}
		res.step.Status, res.step.Error = journal.Withheld, why
		if err := r.Journal.SaveStep(ctx, res.step); err != nil {
			return err
		}
	}
	if again {
		return r.withhold(ctx)
	}
	return nil
}

// unpublished notes that what has been built is kept back, since it could not be published.
func (r *run) unpublished(ctx context.Context) error {
	for _, n := range r.nodes {
		if !r.succeeded(n.Name()) || len(r.results[n.Name()].tables) == 0 {
			continue
		}
		res := r.results[n.Name()]
		res.status, res.step.Status, res.step.Error = journal.Withheld, journal.Withheld, "it could not be published"
		if err := r.Journal.SaveStep(ctx, res.step); err != nil {
			return err
		}
	}
	return nil
}

// dry says that nothing is to be published, and nothing remembered but that it was tried.
func (r *run) dry() bool { return r.replay != nil && r.replay.DryRun }

func (r *run) succeeded(node string) bool {
	res := r.results[node]
	return res != nil && res.status == journal.Succeeded
}

// publishable are the new tables of the nodes that succeeded. Their files were verified when they were made.
func (r *run) publishable() []load.Table {
	var tables []load.Table
	for _, n := range r.nodes {
		if r.succeeded(n.Name()) {
			for i, t := range r.results[n.Name()].tables {
				if i == 0 && t.Fingerprint == nil && n.Model == nil {
					t.Fingerprint = &load.Fingerprint{Definition: *r.Project.Definition(n)}
				}
				t.PII = slices.Sorted(maps.Keys(personalOf(n, t.Columns)))
				tables = append(tables, t)
			}
		}
	}
	return tables
}

// personalOf are the personal columns of a node's table: those that the project names, and those that are made of them.
func personalOf(n *models.Node, columns []warehouse.Column) map[string]bool {
	secret := check.Secrets(n)
	for _, c := range columns {
		if n.IsPII(c.Name) {
			secret[strings.ToLower(c.Name)] = true
		}
	}
	return secret
}

// publish makes the tables visible. An error behind the swap of the pointer comes too late to be a failure: what
// readers see decides, and the run is told as published, with the error as a warning.
func (r *run) publish(ctx context.Context, tables []load.Table) (m *load.Manifest, err error) {
	r.observe(Event{Kind: "start", Phase: "publish", Of: len(r.nodes)})
	r.says(false, "publish starts", "tables", len(tables))
	err = r.timed("publish", func() (err error) {
		m, err = r.Loader.Publish(ctx, load.Publication{Run: r.ID, Attempt: r.Attempt, Pipeline: r.Pipeline, LogicalTime: r.LogicalTime,
			Project: r.Project.Name, Millrace: r.Engine.Version, Tables: tables, Before: r.before})
		return err
	})
	if err != nil {
		seen, seenErr := r.Loader.Published(context.WithoutCancel(ctx), r.ID, r.Attempt)
		if seen == nil || seenErr != nil {
			if errors.Is(err, load.ErrOvertaken) {
				err = fmt.Errorf("%w: %s", err, r.anew())
			}
			return nil, errors.Join(err, seenErr)
		}
		r.warn("the tables are published, but the disk did not confirm the last step; after a power failure readers may see the snapshot before: %v", err)
		m = seen
	}
	r.observe(Event{Kind: "done", Phase: "publish", Of: len(r.nodes)})
	return m, nil
}

// anew says what to do when another run was faster.
func (r *run) anew() string {
	if r.selection.Aside() {
		return "give its command again"
	}
	return "`" + ForTarget(r.Project, anew(r.Run)) + "` begins anew"
}

// anew is the command that asks for the same as a run did.
func anew(r journal.Run) string {
	what := strings.Split(r.Pipeline, "+")
	if slices.Contains(what, unowned) {
		what = r.Selection.Nodes
	}
	command := "millrace run " + strings.Join(what, " ")
	if r.Selection.FullRefresh {
		command += " --full-refresh"
	}
	if r.Selection.Rebuild {
		command += " --rebuild"
	}
	if of := r.Selection.EventTime; of != nil {
		command += " --event-time-start " + of.From.Format(time.RFC3339Nano) + " --event-time-end " + of.To.Format(time.RFC3339Nano)
	}
	return command + varFlags(r.Selection.Vars)
}

// retry is the command for a run's next attempt, with its variables.
func retry(r journal.Run) string { return "millrace retry " + r.ID + varFlags(r.Selection.Vars) }

// varFlags are variables as a shell takes them.
func varFlags(vars map[string]string) string {
	flags := ""
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		flags += " --var '" + name + "=" + strings.ReplaceAll(vars[name], "'", `'\''`) + "'"
	}
	return flags
}

// NextCommand is the command for a run that has failed: its next attempt, or, when another run was faster or no node is left to try, a
// new run.
func NextCommand(r journal.Run) string {
	if r.Status == journal.Partial && !r.Selection.Aside() && (strings.HasPrefix(r.Error, hooksEndFailed) || strings.HasPrefix(r.Error, hooksLeftOut)) {
		return anew(r)
	}
	if r.Status == journal.Failed && !r.Selection.Aside() && strings.Contains(r.Error, load.ErrOvertaken.Error()) {
		return anew(r)
	}
	return retry(r)
}

// warn notes what went wrong without making the run a failure.
func (r *run) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.Log.Warn(text, "run", r.ID)
	r.Run.Warnings = append(r.Run.Warnings, text)
}

// close brings the journal and the staging up to what is published. When something is, an error of theirs is a
// warning: the manifest is the truth, and the next run completes the journal from it.
func (r *run) close(ctx context.Context, report *Report, m *load.Manifest) error {
	var cursors map[string]extract.Cursor
	if m != nil {
		cursors = cursorsOf(m, r.ID)
	}
	err := r.Journal.EndAttempt(ctx, r.Run, r.standsFor(r.Run), cursors, r.tableRows())
	recorded := len(r.Run.Warnings)
	report.Steps = r.steps()
	if err == nil && r.Run.Status == journal.Succeeded {
		err = os.RemoveAll(r.runDir(r.ID))
	}
	if m != nil {
		if err != nil {
			r.warn("the tables are published, but the journal does not say so yet; the next run mends it: %v", err)
			err = nil
		}
		// What is past retention goes; that it could not go is no failure of what was published.
		if _, gcErr := r.Loader.Collect(ctx, false); gcErr != nil {
			r.warn("garbage collection: %v", gcErr)
		}
	}
	if len(r.Run.Warnings) > recorded {
		if saveErr := r.Journal.SaveWarnings(ctx, r.Run); saveErr != nil {
			r.Log.Warn("the journal does not have all warnings: "+saveErr.Error(), "run", r.ID)
		}
	}
	stale := r.stale()
	if r.selection.Backfill != nil && m != nil {
		stale = append(stale, r.outdated()...)
	}
	report.Run, report.Stale, report.Overhead, report.Warnings = r.Run, stale, map[string]float64{}, r.Run.Warnings
	report.Checks, report.Compiled = []check.Result{}, r.compiled
	for _, n := range r.nodes {
		report.Checks = append(report.Checks, r.checks[n.Name()]...)
	}
	for name, took := range r.spent {
		report.Overhead[name] = took.Seconds()
	}
	return err
}

// steps are the run's steps in the order of its nodes.
func (r *run) steps() []journal.Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []journal.Step
	for _, n := range r.nodes {
		if res := r.results[n.Name()]; res != nil && res.step.Node != "" {
			all = append(all, res.step)
		}
	}
	return all
}

// tableRows is what the attempt did to its tables, for the tallies.
func (r *run) tableRows() []journal.TableRows {
	var all []journal.TableRows
	for _, s := range r.steps() {
		n := r.Project.Node(s.Node)
		if n == nil {
			continue
		}
		t := journal.TableRows{Pipeline: cmp.Or(n.Pipeline, unowned), Table: s.Node, Rejected: s.Rejected}
		if n.Entity != nil {
			t.Written = s.Rows
		}
		for _, eq := range s.Equations {
			switch eq.Name {
			case "read":
				if n.Entity == nil { // which reads tables, and no source
					t.Read, t.Written = eq.Rows, eq.Get("landed")
				}
			case "published":
				if n.Entity != nil { // a table that grows
					t.Written = eq.Get("inserted")
				}
			case "built":
				t.Written = eq.Rows
			}
		}
		all = append(all, t)
	}
	return all
}

// verdict sets the run's status and exit code. A run with nothing new to publish and no failure has succeeded.
func (r *run) verdict() {
	var failed []string
	onlyChecks, byChecks := true, false
	for _, n := range r.nodes {
		if r.succeeded(n.Name()) {
			continue
		}
		if res := r.results[n.Name()]; res != nil && res.status == journal.ChecksFailed {
			byChecks = true
		}
		failed = append(failed, n.Name())
		if res := r.results[n.Name()]; res == nil || res.status == journal.Failed {
			onlyChecks = false
		}
	}
	now, code := r.Clock(), ExitOK
	r.Run.Status, r.Run.Error = journal.Succeeded, ""
	if len(failed) > 0 {
		r.Run.Error = fmt.Sprintf("%d of %d nodes failed or were withheld: %s", len(failed), len(r.nodes), strings.Join(failed, ", "))
		r.Run.Status, code = journal.Failed, ExitFailed
		if r.Run.Snapshot != nil || r.keptAny() { // of this attempt, or of an earlier one of the same run
			r.Run.Status, code = journal.Partial, ExitPartial
		}
		if onlyChecks && byChecks {
			code = ExitChecks
		}
	}
	if apart := r.failedApart(); len(apart) > 0 {
		r.Run.Error = strings.TrimPrefix(r.Run.Error+"; "+strings.Join(apart, ", ")+": failed, and reads no table of the project", "; ")
		if r.Run.Status == journal.Succeeded {
			r.Run.Status, code = journal.Partial, ExitChecks
		}
	}
	if r.hooksEnd != nil {
		r.Run.Error = strings.TrimPrefix(r.Run.Error+"; "+r.redact(r.hooksEnd.Error()), "; ")
		if r.Run.Status == journal.Succeeded {
			r.Run.Status, code = journal.Partial, ExitPartial
		}
	}
	r.Run.Behind = r.behind != nil && len(failed) == 0 && r.hooksEnd == nil
	if r.behind != nil {
		r.Run.Error = strings.TrimPrefix(r.Run.Error+"; "+r.redact(r.behind.Error()), "; ")
		if r.Run.Status != journal.Failed {
			r.Run.Status, code = journal.Partial, cmp.Or(code, ExitPartial)
		}
	}
	r.Run.Finished, r.Run.ExitCode = &now, &code
}

// failedApart are the checks that failed and keep no table from being published: they read none.
func (r *run) failedApart() []string {
	var names []string
	for _, n := range r.nodes {
		for _, found := range r.checks[n.Name()] {
			if c := n.Check(found.Name); c != nil && c.Apart && found.Status.Bad() {
				names = append(names, c.Name)
			}
		}
	}
	return names
}

// stale are the nodes of the run that failed or were withheld and still show an older version. A view shows what its
// tables are now, whatever became of it.
func (r *run) stale() []string {
	stale := []string{}
	for _, n := range r.nodes {
		if t := r.before.Table(nameOf(n)); t != nil && t.View == "" && !r.succeeded(n.Name()) {
			stale = append(stale, n.Name())
		}
	}
	return stale
}
