// Package scheduler decides when pipelines run: by their cron expressions, after others, or because somebody asks, and it
// starts each run as a process of its own. It keeps no state but the journal's firings and how far each schedule has been
// dealt with, so that a restart, a suspended machine and a clock that was set are one case. It never reads a source and
// never publishes. Read Schedule and Config first, then loop.go and decide.go.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// Schedule is a pipeline as its schedule stands now.
type Schedule struct {
	Pipeline   string           `json:"pipeline"`
	Expression string           `json:"schedule,omitempty"` // as the project has it; "" for none
	Timezone   string           `json:"timezone"`
	After      []string         `json:"after,omitempty"`
	Next       []time.Time      `json:"next"`            // the next fire times, in the pipeline's zone; none while it is paused or has no schedule
	Last       *journal.Firing  `json:"last,omitempty"`  // the last that ended
	Open       []journal.Firing `json:"open"`            // those that wait or run
	Pause      *journal.Pause   `json:"pause,omitempty"` // nil: it is not paused
}

// Store is what the scheduler asks of the journal.
type Store interface {
	Changes(ctx context.Context) (int64, error)
	Firings(ctx context.Context, f journal.FiringFilter) ([]journal.Firing, error)
	Pauses(ctx context.Context) (map[string]journal.Pause, error)
	Lifted(ctx context.Context) (map[string][]journal.Lifted, error)
	ScheduleStates(ctx context.Context) (map[string]journal.ScheduleState, error)
	Outcomes(ctx context.Context, pipeline string, t journal.Target, nodes []string, from, to time.Time) ([]journal.Outcome, error)
	LastSuccess(ctx context.Context, pipeline string, t journal.Target, nodes []string, from, to time.Time) (at, ended time.Time, err error)
	LastMended(ctx context.Context, pipeline string, t journal.Target, nodes []string, from, to, after time.Time) (ended time.Time, err error)
	EndedSince(ctx context.Context, after int64) (pipelines []string, last int64, err error)
	LastEnd(ctx context.Context) (int64, error)
	Forgotten(ctx context.Context, pipeline string) (time.Time, error)
	RunOfFiring(ctx context.Context, f journal.Firing) (journal.Run, error)
	LastFirings(ctx context.Context, pipelines []string, t journal.Target) (map[string]journal.Firing, error)
	Decide(ctx context.Context, d journal.Decision) (there []string, err error)
}

// Launcher starts runs.
type Launcher interface {
	// Start starts a firing's run and returns at once.
	Start(f journal.Firing) (Worker, error)
}

// Worker is a run that was started.
type Worker interface {
	// Wait returns when the run's process is gone; it is called once.
	Wait() Result
	// Stop asks it to end at its next checkpoint; it may be called again, and when it has ended.
	Stop()
}

// Result is how a run's process ended.
type Result struct {
	ExitCode int
	Message  string // of a failure, for people; may be ""
	Killed   string // how it was ended from outside, for people; "" when it ended by itself or by Stop
}

// Config is what a Scheduler stands on.
type Config struct {
	// Project is the project as it is now; it is asked before each decision, because it may be loaded anew.
	Project  func() *models.Project
	Store    Store
	Launcher Launcher
	// Outside says whether a firing that this scheduler has not started is run by a process that goes on: one that has claimed it, or
	// that an earlier scheduler has started. Nil: there are none.
	Outside func(ctx context.Context, f journal.Firing) bool
	Clock   clock.Clock // the system's when nil; it may jump
	Log     *slog.Logger
	// Poll is how often the journal is looked at for what others ask for; a second when zero.
	Poll time.Duration
	// Grace is how long runs may take to end when the scheduler does; 25 seconds when zero.
	Grace time.Duration
}

// Scheduler fires schedules and starts runs. One works on a project at a time: see pipeline.Engine.LockServe.
type Scheduler struct {
	Config
	wake   chan struct{}
	ended  chan ending
	gone   chan struct{} // closed when Run has returned
	loop   loop
	looked atomic.Int64 // when it last decided without an error, in Unix seconds; 0: never
}

// New makes a scheduler, which does nothing before Run.
func New(cfg Config) (*Scheduler, error) {
	if cfg.Project == nil || cfg.Store == nil || cfg.Log == nil {
		return nil, errors.New("scheduler: it needs a project, a store and a log")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.Grace == 0 {
		cfg.Grace = 25 * time.Second
	}
	return &Scheduler{Config: cfg, wake: make(chan struct{}, 1), ended: make(chan ending), gone: make(chan struct{}),
		loop: loop{workers: map[string]*worker{}, entries: map[string]*entry{}}}, nil
}

// Wake makes it look into the journal at once.
func (s *Scheduler) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // it is about to
	}
}

// LastPass is when it last looked into the journal and decided what is to run; the zero time before the first.
func (s *Scheduler) LastPass() time.Time {
	if last := s.looked.Load(); last != 0 {
		return time.Unix(last, 0)
	}
	return time.Time{}
}

// Alive says why the loop does not do its work, nil when it does: when it could read and write the journal lately.
func (s *Scheduler) Alive() error {
	last := s.LastPass()
	if last.IsZero() {
		return errors.New("the scheduler has not looked into the journal yet")
	}
	if since := s.Clock().Sub(last); since > 3*longest {
		return fmt.Errorf("the scheduler has not been able to use the journal for %v", since.Round(time.Second))
	}
	return nil
}

// shown is how many fire times Schedules tells.
const shown = 5

// Schedules tells of every pipeline of the project, in its order. It needs no Run.
func (s *Scheduler) Schedules(ctx context.Context) ([]Schedule, error) {
	project := s.Project()
	open, err := s.Store.Firings(ctx, journal.FiringFilter{Open: true})
	if err != nil {
		return nil, err
	}
	pauses, err := s.Store.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	states, err := s.Store.ScheduleStates(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pl := range project.Pipelines {
		names = append(names, pl.Name)
	}
	last, err := s.Store.LastFirings(ctx, names, pipeline.TargetOf(project))
	if err != nil {
		return nil, err
	}
	all := make([]Schedule, 0, len(names))
	for _, pl := range project.Pipelines {
		one := Schedule{Pipeline: pl.Name, Expression: pl.Schedule, Timezone: pl.Timezone, After: pl.After, Next: []time.Time{}, Open: []journal.Firing{}}
		if f, ran := last[pl.Name]; ran {
			one.Last = &f
		}
		if p, paused := pauses[pl.Name]; paused {
			one.Pause = &p
		}
		for _, f := range open {
			if f.Pipeline == pl.Name {
				one.Open = append(one.Open, f)
			}
		}
		if cron := pl.Cron(); cron != nil && one.Pause == nil {
			at := s.Clock()
			if state := states[pl.Name]; state.Schedule == scheduleKey(pl) && state.Through.After(at) {
				at = state.Through // the clock was set back: what has fired does not fire again
			}
			for at = cron.Next(at); len(one.Next) < shown && !at.IsZero(); at = cron.Next(at) {
				one.Next = append(one.Next, at)
			}
		}
		all = append(all, one)
	}
	return all, nil
}
