package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/report"
	"github.com/millrace/millrace/transform/check"
)

// checkFlags say what is judged, and how it is told.
type checkFlags struct {
	include  []string
	exclude  []string
	files    []string
	checks   []string
	live     bool
	state    string
	selector string
	reportFlags
}

func (a *app) checkCommand() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check [selectors | files]",
		Short: "judge tables by their checks, without loading anything",
		Long: "Runs checks over tables. Nothing is loaded, published or diverted: rows that a run would quarantine are counted.\n\n" +
			"In a project: over the tables that are published now, those of the selected nodes, or of all when none is named.\n" +
			"Single checks are selected as dbt test does it: by test_type:generic or singular, by test_name: of a kind, or by name.\n" +
			"With --live over the rows that the streams' sources have now, before any load.\n\n" +
			"Without a project: over the tables that a checks file names (.yml), which lie in files or databases; or over\n" +
			"Parquet, CSV and JSON files and tables of DuckDB files (file.duckdb:schema.table) that are named as arguments, with\n" +
			"--check for each check.\n\n" +
			"The answer is text, JSON, JUnit XML, Markdown or a page of HTML. A table that cannot be read is exit code 1, checks\n" +
			"that fail are 3, and so is a table with checks that is not published.\n",
		Example: "  millrace check\n  millrace check orders tag:finance --json\n  millrace check --live erp.orders\n" +
			"  millrace check --file orders.checks.yml --format junit -o checks.xml\n" +
			"  millrace check data/orders.parquet --check \"not_null: id\" --check \"range: { column: amount, min: 0 }\"",
		RunE: func(c *cobra.Command, args []string) error {
			if a.json && !c.Flags().Changed("format") {
				f.format = "json"
			}
			return interruptible(c.Context(), func(ctx context.Context) error { return a.check(ctx, append(args, f.include...), f) })
		},
	}
	stateFlag(c, &f.state)
	selectorFlag(c, &f.selector)
	selectFlag(c, &f.include)
	c.Flags().StringArrayVar(&f.exclude, "exclude", nil, "leave these nodes or checks out; may be repeated")
	c.Flags().StringArrayVar(&f.files, "file", nil, "check the tables of this checks file; may be repeated")
	c.Flags().StringArrayVar(&f.checks, "check", nil, "a check of the files that are named, in YAML; may be repeated")
	c.Flags().BoolVar(&f.live, "live", false, "check the streams' rows as their sources have them now")
	c.Flags().StringVarP(&f.format, "format", "f", "text", "text, json, html, junit or markdown")
	c.Flags().StringVarP(&f.output, "output", "o", "", "write the answer to this file; - is stdout")
	return c
}

// judgement is what was found, and of what.
type judgement struct {
	*pipeline.Checked
	subject, project string
}

func (a *app) check(ctx context.Context, args []string, f checkFlags) error {
	if f.format != "text" {
		if _, err := reportWriter(f.format); err != nil {
			return usage("--format %s: use text, json, html, junit or markdown", f.format)
		}
	}
	found, err := a.checkAsked(ctx, args, f)
	if err != nil {
		return err
	}
	if err := a.tell(found, f.reportFlags); err != nil {
		return err
	}
	switch {
	case found.Unread():
		return &codeError{code: codeFailed}
	case found.Failed():
		return &codeError{code: codeChecks}
	}
	return nil
}

// checkAsked finds out which of the ways to check is meant, and goes it.
func (a *app) checkAsked(ctx context.Context, args []string, f checkFlags) (j judgement, err error) {
	args, f.files = checksFiles(args, f.files)
	onFiles := len(f.checks) > 0 || len(f.files) == 0 && slices.ContainsFunc(args, isTableArg)
	switch {
	case len(f.files) > 0 && (onFiles || f.live), onFiles && f.live, onFiles && len(f.exclude) > 0:
		return j, usage("--file, --live and --check with files are three ways to check: use one of them; --exclude goes with selectors")
	case len(f.files) > 0:
		j.subject = strings.Join(f.files, ", ")
		j.Checked, err = a.checkFiles(ctx, f.files, args, f.exclude)
	case onFiles:
		j.subject = strings.Join(args, ", ")
		j.Checked, err = a.checkGiven(ctx, args, f.checks)
	default:
		j.subject = "published tables"
		if f.live {
			j.subject = "streams as their sources have them"
		}
		j.Checked, j.project, err = a.checkProject(ctx, args, f)
	}
	return j, err
}

// checksFiles takes checks files out of the arguments: they need no --file.
func checksFiles(args, files []string) (rest, all []string) {
	all = files
	for _, arg := range args {
		if ending := filepath.Ext(arg); (ending == ".yml" || ending == ".yaml") && exists(arg) {
			all = append(all, arg)
		} else {
			rest = append(rest, arg)
		}
	}
	return rest, all
}

// checkProject judges nodes of the project: what is published of them, or with --live what their sources have.
func (a *app) checkProject(ctx context.Context, selectors []string, f checkFlags) (found *pipeline.Checked, project string, err error) {
	e, closeEngine, err := a.engine(ctx)
	if err != nil {
		return nil, "", err
	}
	defer closeEngine()
	nodes, chosen, err := a.selectedChecks(ctx, e, selection{selectors, f.exclude, f.state, f.selector})
	if err != nil {
		return nil, "", err
	}
	if f.live && chosen != nil {
		return nil, "", usage("--live judges streams by all their checks: select streams, not checks")
	}
	if f.live {
		nodes = slices.DeleteFunc(nodes, func(n *models.Node) bool { return n.Stream == nil })
		if len(nodes) == 0 {
			return nil, "", usage("no stream is selected: only streams have a source; without --live published tables are checked")
		}
	}
	dir, remove, err := fsx.TempFolder(e.Project.StateDir(), "checking-")
	if err != nil {
		return nil, "", err
	}
	defer remove()
	if f.live {
		found, err = e.Judge(ctx, nodes, dir, nil)
	} else {
		found, err = e.CheckBy(ctx, nodes, dir, chosen)
	}
	return found, e.Project.Name, err
}

// tell brings the answer to where it is wanted, in the form that is wanted.
func (a *app) tell(found judgement, f reportFlags) error {
	r := report.Judgement(found.Checked, found.subject, report.Options{Project: found.project, Version: version(), Now: clock.System(), Redact: a.redactor.Redact})
	var out bytes.Buffer
	told := *a
	told.stdout = &out
	var err error
	switch f.format {
	case "text":
		err = told.printChecked(found.Checked)
	case "json":
		err = told.printJSON(found.Checked)
	default:
		write, _ := reportWriter(f.format) // it was asked for before the work began
		err = write(&out, r)
		a.tellUnread(found.Checked)
	}
	if err != nil {
		return err
	}
	return a.deliver(out.Bytes(), f, map[string]any{"verdict": r.Verdict})
}

// tellUnread says beside the report what could not be read: the log of a job is what people look at first.
func (a *app) tellUnread(found *pipeline.Checked) {
	for _, t := range found.Tables {
		switch {
		case t.Missing:
			a.note("%s is not judged: %s", t.Name, t.Error)
		case t.Error != "":
			a.note("%s is not read: %s", t.Name, t.Error)
		}
	}
}

// printChecked tells the tables that could not be read, and the checks of the others.
func (a *app) printChecked(found *pipeline.Checked) error {
	byNode := map[string][]check.Result{}
	counts := map[check.Status]int{}
	for _, r := range found.Checks {
		byNode[r.Node] = append(byNode[r.Node], r)
		counts[r.Status]++
	}
	unread, missing := 0, 0
	for _, t := range found.Tables {
		a.printCheckedTable(t, byNode[t.Name])
		switch {
		case t.Missing:
			missing++
		case t.Error != "":
			unread++
		}
	}
	for _, n := range found.Skipped {
		a.out("skip %s: it has no checks", n)
	}
	if len(found.Tables) == 0 {
		a.note("no table that is selected has checks: write checks: on a stream or in a checks file, or data_tests: in models/*.yml")
		return nil
	}
	line := fmt.Sprintf("%s; %d pass, %d warn, %d fail, %d could not be run", plural(len(found.Checks), "check"),
		counts[check.StatusPass], counts[check.StatusWarn], counts[check.StatusFail], counts[check.StatusError])
	if n := counts[check.StatusSkipped]; n > 0 {
		line += fmt.Sprintf(", %d not compared", n)
	}
	if found.Snapshot > 0 {
		line = fmt.Sprintf("snapshot %d: %s", found.Snapshot, line)
	}
	if unread > 0 {
		line += "; " + plural(unread, "table") + " could not be read"
	}
	if missing > 0 {
		line += "; " + plural(missing, "table") + " not published, and so not judged"
	}
	fmt.Fprintf(a.stdout, "\n%s\n", line)
	return nil
}

// printCheckedTable tells one table with its checks.
func (a *app) printCheckedTable(t pipeline.CheckedTable, results []check.Result) {
	mark := "ok  "
	if t.Error != "" || slices.ContainsFunc(results, func(r check.Result) bool { return r.Status.Bad() }) {
		mark = "FAIL"
	}
	switch {
	case t.From == "":
		a.out("%s %s", mark, t.Name)
	case t.Error != "":
		a.out("%s %s  %s", mark, t.Name, oneLine(t.From))
	default:
		a.out("%s %s  %s, %s", mark, t.Name, plural(int(t.Rows), "row"), oneLine(t.From))
	}
	if t.Error != "" {
		why := "not read: " + t.Error
		if t.Missing {
			why = t.Error
		}
		a.out("     %s", oneLine(why))
		if t.Hint != "" {
			a.out("     → %s", strings.ReplaceAll(t.Hint, "\n", "\n       "))
		}
	}
	for _, note := range t.Notes {
		a.out("     note: %s", oneLine(note))
	}
	a.printChecks(results)
}
