package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
)

// This file is about commands that only look at what runs have left, or ask for something: they open no source, so that they need
// no secret, and go on while somebody edits the project's files.

// looking gives them an engine that need not write anything.
func (a *app) looking(c *cobra.Command, f func(context.Context, *pipeline.Engine) error) error {
	p, err := a.projectToLookAt(c.Context())
	if err != nil {
		return err
	}
	e, closeEngine, err := a.lookingEngine(c.Context(), p)
	if err != nil {
		return err
	}
	defer closeEngine()
	return f(c.Context(), e)
}

// withJournal is withEngine for them.
func (a *app) withJournal(c *cobra.Command, f func(context.Context, *pipeline.Engine) error) error {
	e, closeEngine, err := a.journalEngine(c.Context())
	if err != nil {
		return err
	}
	defer closeEngine()
	return f(c.Context(), e)
}

// journalEngine is an engine that can do all but open sources and send messages. The caller closes what it returns.
func (a *app) journalEngine(ctx context.Context) (*pipeline.Engine, func(), error) {
	p, err := a.projectToLookAt(ctx)
	if err != nil {
		return nil, nil, err
	}
	return a.engineOf(ctx, p)
}

// lookingEngine is engineOf for commands that write nothing. Where the state folder cannot be written they go by a copy of its journal, and
// where it cannot be read either by none.
func (a *app) lookingEngine(ctx context.Context, p *models.Project) (*pipeline.Engine, func(), error) {
	if writable(p.StateDir()) {
		return a.engineOf(ctx, p)
	}
	dir, remove, err := fsx.TempFolder("", "millrace-journal-")
	if err != nil {
		return nil, nil, err
	}
	for _, name := range []string{"state.db", "state.db-wal"} {
		data, err := os.ReadFile(filepath.Join(p.StateDir(), name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.note("the journal is not there to go by: %v", err)
			break
		}
	}
	e, closeEngine, err := a.engineAt(ctx, p, dir)
	if err != nil {
		remove()
		return nil, nil, err
	}
	return e, func() { closeEngine(); remove() }, nil
}

// writable says whether a folder, or else the one that it would be made in, can be written.
func writable(dir string) bool {
	const write = 2
	for _, path := range []string{dir, filepath.Join(dir, "state.db")} {
		err := syscall.Access(path, write)
		if errors.Is(err, fs.ErrNotExist) {
			err = syscall.Access(filepath.Dir(path), write)
		}
		if err != nil {
			return false
		}
	}
	return true
}

// projectToLookAt is the project as its files have it, or, while those have mistakes, as millrace serve runs it.
func (a *app) projectToLookAt(ctx context.Context) (*models.Project, error) {
	in, err := a.loading(ctx, false)
	if err != nil {
		return nil, err
	}
	in.Lenient = true
	p, problems, err := a.load(in, "")
	if err == nil && problems.HasErrors() {
		p, err = a.projectInForce(in, problems)
	}
	if err == nil && strings.Contains(p.Target.Path, "${") {
		_, err = a.loaded(ctx) // which says what is missing
		if err == nil {
			err = usage("the path of target %s holds a secret: write it out, or as a variable", p.Target.Name)
		}
	}
	return p, err
}

// projectInForce is the project as the millrace serve that is running has loaded it; without one, the problems are the answer.
func (a *app) projectInForce(in models.Loading, problems config.Problems) (*models.Project, error) {
	dir, err := filepath.Abs(a.dir)
	if err != nil {
		return nil, err
	}
	here := &models.Project{Dir: dir}
	name, err := os.ReadFile(inForceFile(servedFolder(here)))
	if errors.Is(err, fs.ErrNotExist) || !(&pipeline.Engine{Project: here}).Served() {
		return nil, problems
	}
	if err != nil {
		return nil, err
	}
	p, old, err := a.load(in, filepath.Join(servedFolder(here), filepath.Base(string(name))))
	if err != nil || old.HasErrors() {
		return nil, problems
	}
	a.note("the files have mistakes: %s; this is the project as millrace serve runs it", firstMistake(problems))
	return p, nil
}

// servedFolder holds the files of the states of a project that millrace serve has loaded, each in a folder of its own.
func servedFolder(p *models.Project) string { return filepath.Join(p.StateDir(), "serve") }

func inForceFile(served string) string { return filepath.Join(served, "current") }

// noteInForce writes down which folder has the state that is in force.
func noteInForce(kept string) error {
	return fsx.Write("keep", inForceFile(filepath.Dir(kept)), []byte(filepath.Base(kept)), 0o600)
}
