package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// workerEnv marks the child process in which the engine runs.
const workerEnv = "MILLRACE_WORKER"

// workerUsage is how the child says codeUsage, which Go itself uses for crashes.
const workerUsage = 102

// supervise runs the job in a child process of our own binary: a crash in native code then ends the child, not the
// scheduler that started us, and is told as what it is. In the child it calls the job.
func (a *app) supervise(ctx context.Context, job func(context.Context) error) error {
	if os.Getenv(workerEnv) != "" {
		signal.Ignore(syscall.SIGPIPE) // whoever reads what we print may be killed: we go on to the checkpoint
		a.patiently()
		return job(ctx)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	child := exec.Command(self, os.Args[1:]...)
	child.Args[0] = os.Args[0]
	child.Env = append(os.Environ(), workerEnv+"=1")
	child.Stdin, child.Stdout, child.Stderr = nil, a.stdout, a.stderr
	// The child is killed when we are: nobody is left to tell it to end, and whoever killed us wants to begin anew. The kernel ties that to the
	// thread that started it.
	runtime.LockOSThread()
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endings()...)
	if err := child.Start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	var asked os.Signal
	for {
		select {
		case asked = <-signals:
			_ = child.Process.Signal(asked)
		case err := <-ended:
			if crashed(err) {
				a.tellCrash(ctx)
			}
			return workerEnd(err, asked)
		}
	}
}

// crashed says whether the child ended without having come to its end.
func crashed(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && (exit.ExitCode() == -1 || exit.ExitCode() == codeUsage)
}

// workerEnd turns the child's end into ours. It has printed its own errors.
func workerEnd(err error, asked os.Signal) error {
	var exit *exec.ExitError
	if err == nil {
		return nil
	}
	if !errors.As(err, &exit) {
		return fmt.Errorf("worker: %w", err)
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() && asked != nil && status.Signal() == asked { // before it had begun anything
		return &codeError{codeFor(asked), errors.New("ended before the run began")}
	}
	if ok && status.Signaled() {
		return &codeError{codeFailed, fmt.Errorf("the engine's process was ended by signal %d (%s); nothing half-done is visible, and `millrace run` takes up what was landed",
			status.Signal(), status.Signal())}
	}
	switch code := exit.ExitCode(); code {
	case workerUsage:
		return &codeError{code: codeUsage}
	case codeUsage: // not ours: Go ends a process so after a panic or a fatal error, whose trace is on stderr
		return &codeError{codeFailed, errors.New("the engine's process crashed; nothing half-done is visible, and `millrace run` takes up what was landed")}
	default:
		return &codeError{code: code}
	}
}
