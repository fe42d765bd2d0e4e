package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace/millrace/pipeline/journal"
)

// Errors of Cancel.
var (
	// ErrNothingRuns says that there is nothing to cancel.
	ErrNothingRuns = errors.New("nothing runs")
	// ErrOutOfReach says that the process of a run cannot be told from here.
	ErrOutOfReach = errors.New("out of reach")
)

// Cancelled is one thing that was asked to end.
type Cancelled struct {
	Pipeline string `json:"pipeline"`
	Run      string `json:"run,omitempty"`
	Firing   string `json:"firing,omitempty"`
	PID      int    `json:"pid,omitempty"` // of the process that was told; 0 when the scheduler sees to it
	Stopped  bool   `json:"stopped,omitempty"`
}

// Cancel asks what runs or waits to end: that of a run's or firing's id, of a pipeline, or, with an empty name, the one run that is under
// way. A run that the scheduler has started is ended by the scheduler, which then does not try it again; the process of any other gets SIGTERM,
// finishes the part in hand and can be resumed. ErrNothingRuns when there is no such thing.
func (e *Engine) Cancel(ctx context.Context, name, by string) ([]Cancelled, error) {
	runs, err := e.Journal.Runs(ctx, journal.Filter{Status: journal.Running})
	if err != nil {
		return nil, err
	}
	runs = slices.DeleteFunc(runs, func(r journal.Run) bool { return e.Holder(r) == nil || !meantRun(r, name) })
	if name == "" && len(runs) > 1 {
		return nil, fmt.Errorf("%d runs are under way: name the run or the pipeline", len(runs))
	}
	firings, err := e.Journal.Firings(ctx, journal.FiringFilter{Open: true})
	if err != nil {
		return nil, err
	}
	var done []Cancelled
	told := map[string]bool{} // firings
	for _, r := range runs {
		c, err := e.cancelRun(ctx, r, firings, by)
		if err != nil {
			return done, err
		}
		done, told[c.Firing] = append(done, c), true
	}
	for _, f := range firings {
		if name == "" || told[f.ID] || f.Pipeline != name && f.ID != name && f.Run != name {
			continue
		}
		if open, err := e.cancelFiring(ctx, f.ID, f.Pipeline, f.Run, by); err != nil {
			return done, err
		} else if open {
			done = append(done, Cancelled{Pipeline: f.Pipeline, Run: f.Run, Firing: f.ID})
		}
	}
	if len(done) == 0 {
		return nil, e.nothingToCancel(ctx, name)
	}
	return done, nil
}

// meantRun says whether the name is that of the run, its firing or one of its pipelines. The empty name means every run.
func meantRun(r journal.Run, name string) bool {
	return name == "" || strings.HasPrefix(r.ID, name) || r.Firing == name || slices.Contains(strings.Split(r.Pipeline, "+"), name)
}

// cancelRun ends a run that is under way. Its open firing is noted to end, whoever has asked for it: otherwise the scheduler would take the
// run up again. The process is told only when the scheduler has not started it, because a second signal would end it before its checkpoint.
func (e *Engine) cancelRun(ctx context.Context, r journal.Run, firings []journal.Firing, by string) (Cancelled, error) {
	c := Cancelled{Pipeline: r.Pipeline, Run: r.ID, Firing: r.Firing}
	scheduled := false
	for _, f := range firings {
		if f.ID != r.Firing && f.Ask.Retry != r.ID {
			continue
		}
		open, err := e.Journal.CancelFiring(ctx, f.ID, by)
		if err != nil {
			return c, err
		}
		c.Firing = f.ID
		scheduled = scheduled || open && f.State == journal.FiringStarted && e.startedByServe(r)
	}
	if !scheduled {
		owner, err := e.terminate(r)
		if err != nil {
			return c, err
		}
		c.PID, c.Stopped = owner.PID, stopped(owner.PID)
	}
	return c, e.noteCancel(ctx, r.Pipeline, r.ID, by)
}

// startedByServe says whether the process of a run is one of millrace serve's, which is there to end it.
func (e *Engine) startedByServe(r journal.Run) bool {
	serve, owner := e.lockState(serving), e.Holder(r)
	return serve.Held && owner != nil && descends(owner.PID, serve.Owner.PID)
}

// descends says whether a process is another one, or was started by it, or by one that was. It reads Linux's /proc; elsewhere the answer is yes.
func descends(pid, from int) bool {
	for ; pid > 1; pid = parent(pid) {
		if pid == from {
			return true
		}
	}
	return pid < 0
}

// parent is the process that has started one; negative when that cannot be told.
func parent(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return -1
	}
	text := string(data)
	var state string
	of := -1
	if _, err := fmt.Sscan(text[strings.LastIndex(text, ")")+1:], &state, &of); err != nil {
		return -1
	}
	return of
}

// terminate sends SIGTERM to the process of a run. It gets hold of the process before it looks at the lock again: as long as that is held, the
// process is no other one that has got its number.
func (e *Engine) terminate(r journal.Run) (*Owner, error) {
	ended := fmt.Errorf("run %s has just ended: %w", r.ID, ErrNothingRuns)
	owner := e.Holder(r)
	if owner == nil {
		return nil, ended
	}
	if host, _ := os.Hostname(); owner.Host != host {
		return nil, fmt.Errorf("run %s is process %d on %s, %w: `millrace cancel %[1]s` there ends it", r.ID, owner.PID, owner.Host, ErrOutOfReach)
	}
	process, err := os.FindProcess(owner.PID)
	if err != nil {
		return nil, fmt.Errorf("end run %s, process %d: %w", r.ID, owner.PID, err)
	}
	defer func() { _ = process.Release() }()
	if e.Holder(r) == nil {
		return nil, ended
	}
	switch err := process.Signal(syscall.SIGTERM); {
	case errors.Is(err, os.ErrProcessDone):
		return nil, ended
	case errors.Is(err, syscall.EPERM):
		return nil, fmt.Errorf("run %s is process %d of another user, %w: `millrace cancel %[1]s` as that user ends it", r.ID, owner.PID, ErrOutOfReach)
	case err != nil:
		return nil, fmt.Errorf("end run %s, process %d: %w", r.ID, owner.PID, err)
	}
	return owner, nil
}

// cancelFiring notes at an open firing that it is to end; the scheduler sees to it.
func (e *Engine) cancelFiring(ctx context.Context, firing, pipeline, run, by string) (open bool, err error) {
	if open, err = e.Journal.CancelFiring(ctx, firing, by); err != nil || !open {
		return open, err
	}
	return true, e.noteCancel(ctx, pipeline, run, by)
}

func (e *Engine) noteCancel(ctx context.Context, pipeline, run, by string) error {
	return e.Journal.AddEvent(ctx, journal.Event{At: e.Clock(), Kind: "cancel", Pipeline: pipeline, Run: run, By: by, Text: "asked to end"})
}

// nothingToCancel says why there is nothing: the name is unknown, the run has ended, or another command holds the lock.
func (e *Engine) nothingToCancel(ctx context.Context, name string) error {
	if name == "" {
		return ErrNothingRuns
	}
	if e.Project.Pipeline(name) != nil {
		if s := e.lockState(name); s.Held {
			return fmt.Errorf("%w: pipeline %q is locked by process %d, which is no run (%s)", ErrNothingRuns, name, s.Owner.PID, s.Owner.Command)
		}
		return fmt.Errorf("%w: pipeline %q is idle, and no firing of it waits", ErrNothingRuns, name)
	}
	r, err := e.Journal.Run(ctx, name)
	if errors.Is(err, journal.ErrNotFound) {
		return fmt.Errorf("%q is neither a run nor a pipeline: %w", name, journal.ErrNotFound)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: run %s has ended, it is %s", ErrNothingRuns, r.ID, e.stateOf(r))
}
