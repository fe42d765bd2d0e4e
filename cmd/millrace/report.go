package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/report"
)

// reportFlags say in which form a report is wanted, and where.
type reportFlags struct {
	format, output string
}

func (a *app) reportCommand() *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report [RUN]",
		Short: "tell a run's checks, causes and changes as a page, JSON, JUnit XML or Markdown",
		Long: "Tells what became of the latest run, or of the one named by its id or the beginning of it: the verdict, the\n" +
			"causes with what was kept back because of them, the checks with trends and failing rows, what changed since the\n" +
			"last green run, and where every row went.\n\n" +
			"html is one file that needs no network and no script; without --output it becomes report-RUN.html in the current\n" +
			"folder, and its name is printed. json, junit and markdown go to stdout. --json alone means --format json.\n" +
			"The command is done (exit code 0) when the report is made, whatever became of the run.\n",
		Example: "  millrace report\n  millrace report 20261121T0400 -o /srv/www/last-night.html\n  millrace report --format junit -o build/checks.xml\n  millrace report --format markdown >> $GITHUB_STEP_SUMMARY",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if a.json && !c.Flags().Changed("format") {
				f.format = "json"
			}
			return a.report(c.Context(), strings.Join(args, ""), f)
		},
	}
	c.Flags().StringVarP(&f.format, "format", "f", "html", "html, json, junit or markdown")
	c.Flags().StringVarP(&f.output, "output", "o", "", "write the report to this file; - is stdout")
	return c
}

// reportWriter is the renderer of a format.
func reportWriter(format string) (func(io.Writer, *report.Run) error, error) {
	switch format {
	case "html":
		return report.HTML, nil
	case "json":
		return report.JSON, nil
	case "junit":
		return report.JUnit, nil
	case "markdown":
		return report.Markdown, nil
	}
	return nil, usage("--format %s: use html, json, junit or markdown", format)
}

func (a *app) report(ctx context.Context, id string, f reportFlags) error {
	write, err := reportWriter(f.format)
	if err != nil {
		return err
	}
	e, closeEngine, err := a.engine(ctx)
	if err != nil {
		return err
	}
	defer closeEngine()
	if note, err := e.EnsureJournal(ctx); err != nil {
		return err
	} else if note != "" {
		a.note("%s", note)
	}
	run, err := reportedRun(ctx, e, id)
	if err != nil {
		return err
	}
	r, err := report.Gather(ctx, e.Journal, run, report.Options{Project: e.Project.Name, State: string(e.Summary(run).State), Version: e.Version, Now: e.Clock(), Redact: a.redactor.Redact,
		Personal: e.Project.IsPII})
	if err != nil {
		return fmt.Errorf("report on run %s: %w", run.ID, err)
	}
	var out bytes.Buffer
	if err := write(&out, r); err != nil {
		return err
	}
	if f.format == "html" && f.output == "" {
		f.output = "report-" + r.ID + ".html"
	}
	return a.deliver(out.Bytes(), f, map[string]any{"run": r.ID, "verdict": r.Verdict})
}

// reportedRun is the run that the argument names, the latest, but for replays, when it names none.
func reportedRun(ctx context.Context, e *pipeline.Engine, id string) (journal.Run, error) {
	if id != "" {
		r, err := e.Journal.Run(ctx, id)
		if err != nil {
			return r, &advice{&codeError{codeUsage, err}, "`millrace runs` lists the runs"}
		}
		return r, nil
	}
	latest, err := e.Journal.Runs(ctx, journal.Filter{Working: true, Limit: 1})
	if err != nil {
		return journal.Run{}, err
	}
	if len(latest) == 0 {
		return journal.Run{}, &advice{usage("there was no run yet: nothing to report on"), "`millrace run` runs the project, then ask again"}
	}
	return latest[0], nil
}

// deliver brings the report where it is wanted, and says on stdout where that is unless it is stdout itself. What is known of
// the report goes with it as JSON.
func (a *app) deliver(text []byte, f reportFlags, known map[string]any) error {
	path := f.output
	if path == "" || path == "-" {
		_, err := a.stdout.Write(text)
		return err
	}
	if err := writeReport(path, text); err != nil {
		return &advice{usage("write report: %w", err), "--output names another place; - is stdout"}
	}
	if a.json {
		known["format"], known["file"] = f.format, path
		return a.printJSON(known)
	}
	a.out("%s", path)
	return nil
}

// writeReport replaces the file in one step. What is no file, such as /dev/stdout or a pipe, is written to and never
// replaced, and a link stays a link.
func writeReport(path string, text []byte) error {
	path, info, err := behindLink(path)
	switch {
	case err != nil:
		return err
	case info != nil && info.IsDir():
		return fmt.Errorf("%s is a folder", path)
	case info != nil && !info.Mode().IsRegular():
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return errors.Join(err, w.Close())
	}
	return fsx.Write("report", path, text, 0o644)
}

// behindLink is the path that a write to path goes to, through links, and what stands there: nil for nothing yet.
func behindLink(path string) (string, fs.FileInfo, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return path, info, err
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return "", nil, fmt.Errorf("there is no folder %s", filepath.Dir(path))
	}
	return path, nil, nil
}
