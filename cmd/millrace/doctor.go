package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sources "github.com/millrace/millrace/extract/all"
	"github.com/millrace/millrace/internal/clock"
	loaders "github.com/millrace/millrace/load/all"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse/duckdb"
)

func (a *app) doctorCommand() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "doctor",
		Short: "look at everything that runs lean on",
		Long: "Looks at the project, clock, time zones, memory, disks, permissions, locks, journal, target, leftovers, DuckDB,\n" +
			"and the sources: what each says of its server, its rights and its streams, or whether each stream answers.\n" +
			"Each line says what to do. It exits with code 1 when something fails.\n",
		Example: "  millrace doctor\n  millrace doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			found, err := a.diagnose(c.Context(), timeout)
			if err != nil {
				return err
			}
			failed := 0
			for i := range found {
				found[i].Message, found[i].Hint = a.redactor.Redact(found[i].Message), a.redactor.Redact(found[i].Hint)
				if found[i].Level == pipeline.LevelFail {
					failed++
				}
			}
			if a.json {
				err = a.printJSON(found)
			} else {
				for _, d := range found {
					a.out("%-4s  %s: %s", d.Level, d.Check, d.Message)
					if d.Hint != "" {
						a.out("      → %s", d.Hint)
					}
				}
			}
			if err == nil && failed > 0 {
				return &codeError{code: codeFailed}
			}
			return err
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "time for each source to answer, or for each stream")
	return c
}

func (a *app) diagnose(ctx context.Context, timeout time.Duration) ([]pipeline.Diagnosis, error) {
	found := []pipeline.Diagnosis{}
	if v := duckdbVersion(ctx); strings.HasPrefix(v, "v") {
		found = append(found, pipeline.Diagnosis{Check: "duckdb", Level: pipeline.LevelOK, Message: v})
	} else {
		found = append(found, pipeline.Diagnosis{Check: "duckdb", Level: pipeline.LevelFail, Message: v})
	}
	p, problems, err := a.project(ctx, false)
	if err != nil {
		return nil, err
	}
	project := pipeline.Diagnosis{Check: "project", Level: pipeline.LevelOK, Message: "no problems"}
	switch {
	case problems.HasErrors():
		project.Level, project.Message, project.Hint = pipeline.LevelFail, fmt.Sprintf("%s, the first: %s", plural(len(problems), "problem"), problems[0].Error()), "millrace lint shows them all"
	case len(problems) > 0:
		project.Level, project.Message, project.Hint = pipeline.LevelWarn, plural(len(problems), "warning")+": "+problems.Error(), "a run does its work all the same"
	}
	found = append(found, project)
	if problems.HasErrors() {
		return found, nil
	}
	e, closeEngine, journalErr, err := a.diagnosed(ctx, p)
	if err != nil {
		return append(found, pipeline.Diagnosis{Check: "engine", Level: pipeline.LevelFail, Message: err.Error()}), nil
	}
	defer closeEngine()
	if closeFollower, err := a.openFollower(ctx, e); err != nil {
		found = append(found, pipeline.Diagnosis{Check: p.Target.FollowedBy(), Level: pipeline.LevelFail, Message: err.Error(), Hint: hintFor(err)})
	} else {
		defer closeFollower()
	}
	return append(found, e.Doctor(ctx, journalErr, timeout)...), nil
}

// diagnosed is an engine that may have no journal: a missing one is not made, a broken one is the answer.
func (a *app) diagnosed(ctx context.Context, p *models.Project) (*pipeline.Engine, func(), error, error) {
	memory, err := a.memoryFor(p)
	if err != nil {
		return nil, nil, nil, err
	}
	loader, err := loaders.Open(p, duckdb.BuildCatalog)
	if err != nil {
		return nil, nil, nil, err
	}
	threads := a.threads
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	e := &pipeline.Engine{Project: p, Loader: loader, TargetRoot: p.TargetDir(), Warehouse: duckdb.Open, OpenSource: pipeline.SourceOpener(p, sources.Specs(), a.logger()), Examiner: pipeline.Examiner(sources.Specs()), Log: a.logger(),
		Clock: clock.System, Version: version(), Memory: memory, Threads: threads}
	path := filepath.Join(p.StateDir(), "state.db")
	if _, err := os.Stat(path); err != nil {
		return e, func() {}, nil, nil
	}
	j, journalErr := journal.Open(ctx, path)
	if journalErr != nil {
		return e, func() {}, journalErr, nil
	}
	e.Journal = j
	return e, func() { _ = j.Close() }, nil, nil
}
