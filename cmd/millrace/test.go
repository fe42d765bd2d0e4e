package main

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/report"
)

func (a *app) testCommand() *cobra.Command {
	var include, exclude []string
	var f reportFlags
	c := &cobra.Command{
		Use:   "test [selectors]",
		Short: "run the unit tests of models, over rows that stand in the tests",
		Long: "Runs unit tests: what a model gives for the rows that a test gives, compared with the rows that it expects. They\n" +
			"stand below unit_tests: in the properties files beside the models, as in dbt. No table is read and none is written,\n" +
			"and nothing need have run before. What a table that was loaded must hold is judged by `millrace check`.\n\n" +
			"A selector is the name of a test, tag:WORD, or one that means models. A test that fails, or that cannot run, is\n" +
			"exit code 3.\n",
		Example: "  millrace test\n  millrace test customer_orders\n  millrace test tag:nightly --json\n  millrace test --format junit -o build/unit.xml",
		RunE: func(c *cobra.Command, args []string) error {
			if a.json && !c.Flags().Changed("format") {
				f.format = "json"
			}
			return interruptible(c.Context(), func(ctx context.Context) error { return a.test(ctx, append(args, include...), exclude, f) })
		},
	}
	selectFlag(c, &include)
	c.Flags().StringArrayVar(&exclude, "exclude", nil, "leave these tests, or those of these models, out; may be repeated")
	c.Flags().StringVarP(&f.format, "format", "f", "text", "text, json or junit")
	c.Flags().StringVarP(&f.output, "output", "o", "", "write the answer to this file; - is stdout")
	return c
}

// unitsTested is the answer of millrace test.
type unitsTested struct {
	Passed  int                   `json:"passed"`
	Failed  int                   `json:"failed"`
	Errors  int                   `json:"errors"`
	Seconds float64               `json:"seconds"`
	Tests   []pipeline.UnitResult `json:"tests"`
}

func (a *app) test(ctx context.Context, args, exclude []string, f reportFlags) error {
	if f.format != "text" && f.format != "json" && f.format != "junit" {
		return usage("--format %s: use text, json or junit", f.format)
	}
	started := time.Now()
	p, err := a.loaded(ctx)
	if err != nil {
		return err
	}
	tests, err := p.SelectUnitTests(args, exclude)
	switch {
	case err != nil && p.SelectsChecks(args...):
		return usage("it is a data test that is selected: `%s` judges what is published by it",
			typed(append([]string{"millrace", "check"}, args...)...))
	case err != nil:
		return usage("%w", err)
	}
	e, err := a.bareEngine(p)
	if err != nil {
		return err
	}
	if e.Loader, err = e.OpenLoader(p); err != nil {
		return err
	}
	e.TargetRoot = p.TargetDir()
	found := unitsTested{Tests: []pipeline.UnitResult{}}
	err = e.UnitTests(ctx, tests, func(r pipeline.UnitResult) { found.add(a.cleanUnit(r)) })
	if err != nil {
		return err
	}
	found.Seconds = time.Since(started).Seconds()
	if err := a.tellTested(p, found, f); err != nil {
		return err
	}
	if f.format == "text" && (len(args) == 0 || len(found.Tests) == 0) {
		a.noteDataTests(p)
	}
	if found.Failed+found.Errors > 0 {
		return &codeError{code: codeChecks}
	}
	return nil
}

func (t *unitsTested) add(r pipeline.UnitResult) {
	switch r.Status {
	case pipeline.UnitPass:
		t.Passed++
	case pipeline.UnitFail:
		t.Failed++
	default:
		t.Errors++
	}
	t.Tests = append(t.Tests, r)
}

// cleanUnit hides secrets in what a test found.
func (a *app) cleanUnit(r pipeline.UnitResult) pipeline.UnitResult {
	r.Message, r.Hint, r.SQL = a.redactor.Redact(r.Message), a.redactor.Redact(r.Hint), a.redactor.Redact(r.SQL)
	for _, rows := range [][][]*string{r.Expected, r.Got} {
		for _, row := range rows {
			for i, cell := range row {
				if cell != nil {
					clean := a.redactor.Redact(*cell)
					row[i] = &clean
				}
			}
		}
	}
	return r
}

func (a *app) tellTested(p *models.Project, found unitsTested, f reportFlags) error {
	var out bytes.Buffer
	told := *a
	told.stdout = &out
	var err error
	switch f.format {
	case "json":
		err = told.printJSON(found)
	case "junit":
		err = report.UnitJUnit(&out, p.Name, found.Tests)
	default:
		told.printTested(p, found)
	}
	if err != nil {
		return err
	}
	return a.deliver(out.Bytes(), f, map[string]any{"passed": found.Passed, "failed": found.Failed, "errors": found.Errors})
}

// noteDataTests says how the tests of the project are run that are not run here, to those who may mean them too.
func (a *app) noteDataTests(p *models.Project) {
	n, what := 0, "check"
	for _, node := range p.Nodes {
		n += len(node.Checks)
	}
	if p.DBT {
		what = "data test"
	}
	if n > 0 {
		a.note("these are unit tests only; `millrace check` judges what is published by the project's %s", plural(n, what))
	}
}

func (a *app) printTested(p *models.Project, found unitsTested) {
	for _, r := range found.Tests {
		if r.Status != pipeline.UnitPass || a.verbose {
			a.out("%-5s %s: %s (%s)", r.Status, r.Model, r.Name, r.At)
		}
		if r.Status != pipeline.UnitPass {
			a.out("  %s\n", strings.ReplaceAll(report.UnitText(r), "\n", "\n  "))
		}
	}
	switch {
	case len(p.UnitTests) == 0:
		a.note("there is no unit test: write unit_tests: in a properties file beside the models")
		return
	case len(found.Tests) == 0:
		a.note("no unit test is of what is selected")
		return
	}
	a.out("%s: %d pass, %d fail, %d could not run; %.2f s", plural(len(found.Tests), "unit test"), found.Passed, found.Failed,
		found.Errors, found.Seconds)
}
