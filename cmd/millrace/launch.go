package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
)

// launcher starts runs as workers: processes of our own binary, in groups of their own.
type launcher struct {
	self    string
	flags   []string
	project func() (p *models.Project, done func()) // as it is in force, until its files are not needed any more
	margin  time.Duration                           // that a process has beyond its timeout to end by itself
	log     *slog.Logger
}

// filesEnv names the folder that a worker reads the project's files from, when it is another one than the project's.
const filesEnv = "MILLRACE_PROJECT_FILES"

func (a *app) launcher(project func() (*models.Project, func()), log *slog.Logger) (*launcher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start workers: %w", err)
	}
	flags, err := a.flags()
	return &launcher{self, flags, project, grace + 30*time.Second, log}, err
}

// Start makes a scheduler.Launcher of it.
func (l *launcher) Start(f journal.Firing) (_ scheduler.Worker, err error) {
	project, done := l.project()
	defer func() {
		if err != nil {
			done()
		}
	}()
	cmd := exec.Command(l.self, append(commandLine(f), l.flags...)...)
	// A run is a trace of its own, not part of whatever once started this process.
	outer := func(v string) bool {
		return strings.HasPrefix(v, "TRACEPARENT=") || strings.HasPrefix(v, "TRACESTATE=")
	}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), outer), workerEnv+"=1", filesEnv+"="+keptFiles(project))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	said, says, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start worker: %w", err), said.Close(), says.Close())
	}
	cmd.ExtraFiles = []*os.File{says} // buildingFile
	w := &childRun{cmd: cmd, ended: make(chan scheduler.Result, 1), log: l.log.With("pipeline", f.Pipeline, "firing", f.ID)}
	if f.Ask.Replay == nil {
		w.limit = pipeline.Timeout(project, f.Pipeline)
	}
	started := make(chan error)
	go func() {
		// The kernel ends the child when the thread ends that has started it, so that this one must last as long.
		runtime.LockOSThread()
		err := cmd.Start()
		_ = says.Close()
		started <- err
		if err != nil {
			_ = said.Close()
			return
		}
		go w.watch(said, w.limit.Std()+l.margin)
		w.follow(stderr)
		done()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return w, nil
}

// commandLine is what a firing asks for, as arguments.
func commandLine(f journal.Firing) []string {
	if f.Ask.Retry != "" {
		return []string{"retry", f.Ask.Retry}
	}
	origin := []string{"--firing", f.ID, "--trigger", string(f.Trigger)}
	if r := f.Ask.Replay; r != nil {
		args := append([]string{"rejects", "replay"}, origin...)
		for flag, value := range map[string]string{"--run": r.Run, "--rule": r.Rule} {
			if value != "" {
				args = append(args, flag, value)
			}
		}
		if r.DryRun {
			args = append(args, "--dry-run")
		}
		return append(args, f.Ask.Select...)
	}
	args := append([]string{"run"}, origin...)
	args = append(args, "--logical-time", f.LogicalTime.UTC().Format(time.RFC3339Nano))
	for flag, on := range map[string]bool{"--full-refresh": f.Ask.FullRefresh, "--allow-empty": f.Ask.AllowEmpty, "--allow-shrunken": f.Ask.AllowShrunken} {
		if on {
			args = append(args, flag)
		}
	}
	selectors := f.Ask.Select
	if len(selectors) == 0 {
		selectors = []string{"pipeline:" + f.Pipeline}
	}
	for _, s := range selectors {
		args = append(args, "--select", s)
	}
	return args
}

// childRun is a run's process.
type childRun struct {
	cmd     *exec.Cmd
	limit   config.Duration // its timeout, 0 for none
	ended   chan scheduler.Result
	log     *slog.Logger
	stopped atomic.Bool
	late    atomic.Bool // its time was up, and it did not end by itself
}

// buildingFile is where a worker says by a byte that it begins to build, and by closing it that it has: the timeout counts in between.
const buildingFile = 3

// watch ends the process when it builds for longer than it is allowed to. What it does before and behind that is let alone.
func (w *childRun) watch(said io.ReadCloser, allowed time.Duration) {
	defer said.Close()
	if n, _ := said.Read(make([]byte, 1)); n == 0 || w.limit == 0 {
		return
	}
	defer time.AfterFunc(allowed, w.kill).Stop()
	_, _ = said.Read(make([]byte, 1)) // until it is closed
}

// tellBuilding makes the worker's side of it: whoever started this process is told when the run begins to build, and when it has.
func tellBuilding() func(pipeline.Event) {
	syscall.CloseOnExec(buildingFile)
	says := os.NewFile(buildingFile, "building")
	return func(ev pipeline.Event) {
		switch ev.Kind {
		case "building":
			_, _ = says.Write([]byte{1})
		case "built":
			_ = says.Close()
		}
	}
}

// kill ends a run that is stopped, or otherwise cannot see to its own timeout.
func (w *childRun) kill() {
	w.late.Store(true)
	_ = w.cmd.Process.Kill()
}

// longestLine is how much of a worker's line is logged.
const longestLine = 8 << 10

// follow logs what the worker says and waits for its end.
func (w *childRun) follow(stderr io.Reader) {
	heard := workerLog{log: w.log}
	for lines := bufio.NewReaderSize(stderr, longestLine); ; {
		line, cut, err := lines.ReadLine()
		heard.line(string(line))
		for cut && err == nil { // the rest of an overlong line
			_, cut, err = lines.ReadLine()
		}
		if err != nil {
			break
		}
	}
	var asked os.Signal
	err := w.cmd.Wait()
	if w.stopped.Load() {
		asked = syscall.SIGTERM
	}
	end := workerEnd(err, asked)
	result := scheduler.Result{ExitCode: exitCode(end), Killed: killed(err, asked)}
	if w.late.Load() && result.Killed != "" { // by us
		end, result.Killed = fmt.Errorf("took longer than timeout: %s, and %s because it did not end by itself", w.limit, result.Killed), ""
	}
	args := []any{"exit_code", result.ExitCode}
	var coded *codeError
	if end != nil && (!errors.As(end, &coded) || coded.err != nil) {
		heard.said = end.Error()
		args = append(args, "error", heard.said)
	}
	heard.flush(levelOf(result.ExitCode))
	w.log.Log(context.Background(), levelOf(result.ExitCode), "run ended", args...)
	result.Message = heard.said
	w.ended <- result
}

// killed says which signal has ended the process that nobody asked to end; "" for none.
func killed(err error, asked os.Signal) string {
	var exit *exec.ExitError
	if asked != nil || !errors.As(err, &exit) {
		return ""
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return ""
	}
	return fmt.Sprintf("its process was ended by signal %d (%s)", status.Signal(), status.Signal())
}

// Wait makes a scheduler.Worker of it.
func (w *childRun) Wait() scheduler.Result { return <-w.ended }

// Stop asks the run to end at its next checkpoint. One that does not is killed a while after its own grace is over.
func (w *childRun) Stop() {
	if w.stopped.Swap(true) {
		return
	}
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	time.AfterFunc(grace+10*time.Second, func() { _ = w.cmd.Process.Kill() })
}
