package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/scheduler"
)

func (a *app) serveCommand() *cobra.Command {
	var web httpFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "start runs by their schedules, tell of them, and show them on pages, until it is ended",
		Long: "Starts the pipelines' runs: by their schedules, after the pipelines that they follow, and when somebody asks for\n" +
			"one: on a page, by the API, or with `millrace trigger`. Each run is a process of its own. A changed project is loaded when it has no mistake.\n" +
			"Alerts are decided and delivered meanwhile. The pages are at the address that is printed at the start: at a\n" +
			"terminal with a link that logs its first visitor in. A service prints no link, for others read its log:\n" +
			"`millrace tokens add NAME --role operator` makes a token to log in with, for people and for programs.\n" +
			"SIGTERM and Ctrl-C end the runs at their next checkpoint, within 25 seconds, and then serve; the next serve takes\n" +
			"them up. A second signal ends it at once. SIGHUP makes it look at the project's files now. One serve works on a project at a time.\n",
		Example: "  millrace serve\n  millrace serve -C /srv/shop --listen 0.0.0.0:4280 --tls-cert cert.pem --tls-key key.pem",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.serve(c.Context(), web) },
	}
	web.add(c.Flags())
	return c
}

// service is a part of serve. It returns when the context ends, or with an error that ends serve.
type service func(ctx context.Context) error

// host is what the services stand on.
type host struct {
	*projectWatch
	scheduler *scheduler.Scheduler
	log       *slog.Logger
}

// services are the parts of serve, by the order in which they end: what works, and then what tells of it.
type services struct{ work, tell []service }

// services lists what serve runs: the scheduler, and what is beside it.
func (a *app) services(h *host, web httpFlags) (all services, err error) {
	server, err := a.httpServer(web, h.engine, h.scheduler, h.scheduler.Alive, h.Problem)
	if err != nil {
		return all, err
	}
	alerter, err := a.alerter(h.engine, func() bool { return h.scheduler.Alive() == nil })
	if err != nil {
		return all, err
	}
	if a.watched() { // whoever reads the link can log in: a log is read by others, and later
		a.note("pages at %s", server.LoginLink())
	} else {
		h.log.Info("pages are there; millrace tokens add lets people in", "url", server.URL())
	}
	watch := func(ctx context.Context) error { h.watch(ctx, h.scheduler.Wake); return nil }
	return services{work: []service{h.scheduler.Run, watch, h.pruneDaily}, tell: []service{alerter.Run, server.Serve}}, nil
}

func (a *app) serve(ctx context.Context, web httpFlags) error {
	signal.Ignore(syscall.SIGPIPE) // whoever reads the log may end, or halt: we go on
	a.patiently()
	a.opened = &openedFiles{}
	e, closeEngine, err := a.engine(ctx)
	if err != nil {
		return err
	}
	defer closeEngine()
	unlock, err := e.LockServe()
	if err != nil {
		return err
	}
	defer unlock()
	note, err := e.EnsureJournal(ctx)
	if err != nil {
		return err
	}
	log := a.servingLogger()
	if note != "" {
		log.Warn(note)
	}
	// What an earlier serve has kept is of no use: its runs have ended or are about to.
	if err := os.RemoveAll(filepath.Dir(keptFiles(e.Project))); err != nil {
		return fmt.Errorf("keep the project's files: %w", err)
	}
	watched, err := a.watchProject(e, log)
	if err != nil {
		return err
	}
	if err := watched.soundAgain(ctx); err != nil {
		return err
	}
	h := &host{projectWatch: watched, log: log}
	launcher, err := a.launcher(h.forWorker, log)
	if err != nil {
		return err
	}
	h.scheduler, err = scheduler.New(scheduler.Config{Project: h.project, Store: e.Journal, Launcher: launcher, Outside: e.Runs, Clock: clock.System, Log: log})
	if err != nil {
		return err
	}
	all, err := a.services(h, web)
	if err != nil {
		return err
	}
	log.Info("millrace serve starts", "project", e.Project.Name, "pipelines", len(e.Project.Pipelines), "version", version())
	err = a.together(ctx, log, all)
	if left := os.RemoveAll(filepath.Dir(keptFiles(e.Project))); left != nil { // no run is left that reads them
		log.Warn("the copies of the project's files stay", "error", left)
	}
	return err
}

// together runs services until one fails or a signal comes; a second signal ends the process at once. What tells of the work
// ends when the work has: whoever looks sees how its runs come to their checkpoints.
func (a *app) together(ctx context.Context, log *slog.Logger, all services) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	group, ctx := errgroup.WithContext(ctx)
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	telling, silence := context.WithCancel(ctx)
	defer silence()
	var work sync.WaitGroup
	for _, s := range all.work {
		work.Add(1)
		group.Go(func() error { defer work.Done(); return s(working) })
	}
	for _, s := range all.tell {
		group.Go(func() error { return s(telling) })
	}
	group.Go(func() error { work.Wait(); silence(); return nil })
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()
	var asked os.Signal
	for {
		select {
		case s := <-signals:
			if asked != nil {
				os.Exit(codeFor(s)) // the runs get their second signal by the end of this process
			}
			asked = s
			log.Info("ending: runs go on to their next checkpoint; again to end at once", "signal", s.String())
			cancel()
		case err := <-ended:
			if err == nil && asked != nil {
				return &codeError{codeFor(asked), fmt.Errorf("ended by %s", asked)}
			}
			return err
		}
	}
}

// flags are those of this command line that its runs are to have as well.
func (a *app) flags() ([]string, error) {
	dir, err := filepath.Abs(a.dir)
	if err != nil {
		return nil, err
	}
	flags := []string{"--project", dir}
	for name, value := range map[string]string{"--target": a.target, "--memory": a.memory, "--profile": a.dbtProfile,
		"--profiles-dir": a.profilesDir} {
		if value != "" {
			flags = append(flags, name, value)
		}
	}
	vars, err := a.allVars()
	if err != nil {
		return nil, err
	}
	for _, v := range vars {
		flags = append(flags, "--var", v)
	}
	if a.threads > 0 {
		flags = append(flags, "--threads", fmt.Sprint(a.threads))
	}
	if a.verbose {
		flags = append(flags, "--verbose")
	}
	return flags, nil
}

// schedulerOf is a scheduler that only tells of schedules.
func (a *app) schedulerOf(e *pipeline.Engine) (*scheduler.Scheduler, error) {
	return scheduler.New(scheduler.Config{Project: func() *models.Project { return e.Project }, Store: e.Journal, Clock: e.Clock, Log: e.Log})
}
