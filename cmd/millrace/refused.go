package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file tells that no run can begin because the project's files have mistakes, where cron or another tool starts runs and nobody
// looks at them.

// tellRefused tells it when that is why. A millrace serve that runs tells it by itself, and whoever sits at a terminal sees it.
func (a *app) tellRefused(ctx context.Context, cause error) {
	var problems config.Problems
	if !errors.As(cause, &problems) || a.watched() || os.Getenv(filesEnv) != "" {
		return
	}
	p := a.readable(ctx)
	if p == nil || p.Alerts == nil || !pipeline.TargetOf(p).Default {
		return
	}
	e := &pipeline.Engine{Project: p, Log: a.logger(), Clock: clock.System, Redact: a.redactor.Redact}
	if e.Served() {
		return
	}
	if err := a.refuse(ctx, e, firstMistake(problems)); err != nil {
		fmt.Fprintf(a.stderr, "millrace: alerts: %s\n", a.redactor.Redact(err.Error()))
	}
}

func (a *app) refuse(ctx context.Context, e *pipeline.Engine, mistake string) (err error) {
	if err := os.MkdirAll(e.Project.StateDir(), 0o700); err != nil {
		return err
	}
	if e.Journal, err = journal.Open(ctx, filepath.Join(e.Project.StateDir(), "state.db")); err != nil {
		return err
	}
	defer e.Journal.Close()
	ev := journal.Event{At: e.Clock(), Kind: journal.EventReloadRefused, Text: "the project's files have mistakes, and no run can begin: " + a.redactor.Redact(mistake)}
	if err := e.Journal.AddEvent(ctx, ev); err != nil {
		return err
	}
	return a.settle(ctx, e, true)
}

// readable is the project as far as its files can be read, with its alerts as they were at the last run when they say nothing at all.
func (a *app) readable(ctx context.Context) *models.Project {
	in, err := a.loading(ctx, false)
	if err != nil {
		return nil
	}
	p, _, err := a.load(in, "")
	if dir, wrong := filepath.Abs(a.dir); err == nil && p == nil && wrong == nil {
		p, _, err = a.load(in, toldBy(&models.Project{Dir: dir}))
	}
	if err != nil {
		return nil
	}
	return p
}

// toldBy is the folder of the project's file as it was when alerts were last told by it.
func toldBy(p *models.Project) string { return filepath.Join(p.StateDir(), "told") }

// keepAlerts keeps the project's file for the day on which it cannot be read.
func keepAlerts(p *models.Project) error {
	text, err := os.ReadFile(filepath.Join(p.Dir, models.ProjectFile))
	if err != nil {
		return err
	}
	if err := fsx.MkdirAll("keep", toldBy(p), 0o700); err != nil {
		return err
	}
	return fsx.Write("keep", filepath.Join(toldBy(p), models.ProjectFile), text, 0o600)
}

// firstMistake is the first line of the first problem that is no warning.
func firstMistake(problems config.Problems) string {
	i := slices.IndexFunc(problems, func(p *config.Problem) bool { return p.Severity != config.SeverityWarning })
	line, _, _ := strings.Cut(problems[max(i, 0)].Render(), "\n")
	return line
}
