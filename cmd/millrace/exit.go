package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/match/steward"
)

// The exit codes of every command. Help texts print exitHelp, so that they are written once.
const (
	codeOK          = pipeline.ExitOK
	codeFailed      = pipeline.ExitFailed
	codeUsage       = pipeline.ExitUsage
	codeChecks      = pipeline.ExitChecks
	codeLocked      = pipeline.ExitLocked
	codePartial     = pipeline.ExitPartial
	codeInterrupted = pipeline.ExitInterrupted
	codeTerminated  = pipeline.ExitTerminated
)

const exitHelp = `
Exit codes:
  0    done; warnings, rejects and quarantined rows within their thresholds are done too
  1    failed, nothing of this run was published
  2    bad usage, or a mistake in the project
  3    checks failed and nothing else did, whatever else was published, and whether or not that was brought to what follows the target
  4    locked by another run
  5    some nodes failed, or what follows the target is behind; the rest was published
  130  interrupted after a checkpoint (Ctrl-C); 143 the same by SIGTERM`

// codeError is an error that has said all it has to say, or that wants a certain exit code.
type codeError struct {
	code int
	err  error // nil: nothing left to print
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// advice is an error with what to do about it.
type advice struct {
	err  error
	hint string
}

func (e *advice) Error() string { return e.err.Error() }
func (e *advice) Unwrap() error { return e.err }

// Hint says what to do next.
func (e *advice) Hint() string { return e.hint }

func usage(format string, args ...any) error {
	return &codeError{codeUsage, fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	var coded *codeError
	var problems config.Problems
	var refused *pipeline.RefusedError
	var behind *pipeline.BehindError
	switch {
	case err == nil:
		return codeOK
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, pipeline.ErrInterrupted):
		return codeTerminated
	case errors.As(err, &behind): // whatever keeps it from being brought
		return codePartial
	case errors.Is(err, pipeline.ErrLocked):
		return codeLocked
	case errors.As(err, &problems), errors.As(err, &refused), errors.Is(err, journal.ErrNewer), errors.Is(err, journal.ErrNotFound), errors.Is(err, journal.ErrAmbiguous), errors.Is(err, journal.ErrNetwork),
		errors.Is(err, load.ErrNewer), errors.Is(err, pipeline.ErrNoRetry), errors.Is(err, pipeline.ErrNothingRuns),
		errors.Is(err, pipeline.ErrNoFollower), isUnwritable(err), isUnknown(err):
		return codeUsage
	}
	return codeFailed
}

// isUnknown is about records, golden ids, fields and runs that an entity does not have, values that a field cannot, mistakes in the file
// of decisions, and labels that are none: the command names them.
func isUnknown(err error) bool {
	var record *pipeline.UnknownRecordError
	var golden *pipeline.UnknownGoldenError
	var run *pipeline.UnknownRunError
	var field *pipeline.FieldError
	var wrong *steward.Problem
	var labels *pipeline.LabelsError
	return errors.As(err, &labels) ||
		errors.As(err, &record) || errors.As(err, &golden) || errors.As(err, &run) || errors.As(err, &field) || errors.As(err, &wrong)
}

// isUnwritable is about folders that cannot be written: a mistake of set-up, found before any work.
func isUnwritable(err error) bool {
	for _, cause := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, fsx.ErrInTheWay} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// printError writes an error for people, or for machines with --json.
func (a *app) printError(err error) {
	var coded *codeError
	if errors.As(err, &coded) && coded.err == nil {
		return
	}
	var problems config.Problems
	if a.json {
		out := map[string]any{"error": a.redactor.Redact(err.Error()), "exit_code": exitCode(err), "hint": a.redactor.Redact(hintFor(err))}
		if errors.As(err, &problems) {
			out["error"] = fmt.Sprintf("%d problems in the project", len(problems))
			out["problems"] = problems
		}
		_ = json.NewEncoder(a.stderr).Encode(out)
		return
	}
	if a.format == formatJSON {
		a.logger().Error(err.Error(), "exit_code", exitCode(err), "hint", hintFor(err))
		return
	}
	if errors.As(err, &problems) {
		fmt.Fprintln(a.stderr, a.redactor.Redact(problems.Error()))
		return
	}
	fmt.Fprintf(a.stderr, "millrace: %s\n", a.redactor.Redact(err.Error()))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(a.stderr, "   %s\n", strings.ReplaceAll(a.redactor.Redact(hint), "\n", "\n   "))
	}
}

// hintFor says what to do next about errors that several commands meet.
func hintFor(err error) string {
	var hinted interface{ Hint() string }
	var step *pipeline.StepError
	switch {
	case errors.As(err, &hinted) && hinted.Hint() != "":
		return hinted.Hint()
	case errors.As(err, &step) && step.Hint != "":
		return step.Hint
	case errors.Is(err, syscall.ENOSPC):
		return "free space on that disk, then `millrace retry`: what was landed is kept, what was published is untouched"
	case errors.Is(err, os.ErrPermission):
		return fmt.Sprintf("whoever runs millrace, user %d, must be allowed to do that there", os.Geteuid())
	case errors.Is(err, journal.ErrCorrupt):
		return "restore a backup, or move the file away and rebuild it from the manifests: millrace state rebuild"
	case errors.Is(err, journal.ErrNewer), errors.Is(err, load.ErrNewer):
		return "use the newer millrace on this project"
	case errors.Is(err, load.ErrNothing):
		return "millrace run publishes for the first time"
	case errors.Is(err, pipeline.ErrLocked):
		return "wait for it, or look with `millrace status`"
	case errors.Is(err, pipeline.ErrNothingRuns):
		return "millrace status shows what runs"
	case errors.Is(err, context.Canceled), errors.Is(err, pipeline.ErrInterrupted):
		return "the next `millrace run` takes up where this one ended"
	}
	return ""
}

// interruptible runs what may be given up at any point: a signal ends it.
func interruptible(ctx context.Context, f func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := f(ctx)
	if errors.Is(err, context.Canceled) {
		return &codeError{codeInterrupted, errors.New("interrupted")}
	}
	return err
}
