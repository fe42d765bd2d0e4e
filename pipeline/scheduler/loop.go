package scheduler

import (
	"context"
	"fmt"
	"hash/fnv"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/cron"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file waits, and writes what the files beside it decide. All of it is one goroutine; another one waits for each
// worker and says when it has ended.

// longest is how long it sleeps at the most, by the clock on the wall.
const longest = 30 * time.Second

// loop is what the goroutine of Run knows. What of it is not in the journal is only workers.
type loop struct {
	project  *models.Project
	entries  map[string]*entry // by pipeline
	loaded   bool              // the entries' states are those of the journal
	removed  []string          // pipelines that the journal has a schedule of, and the project has not
	workers  map[string]*worker
	ends     []ending // of workers, not yet in the journal
	changes  int64    // of the journal, when it was last looked at
	next     time.Time
	last     time.Time // when it last looked
	failures int       // looks in a row that failed
	news     news      // for those that follow others
	stopping bool
}

// entry is a pipeline with what its schedule needs.
type entry struct {
	pipeline *models.Pipeline
	cron     *cron.Schedule // nil: none of its own
	sources  []string       // that it reads
	nodes    []string
	state    journal.ScheduleState
	next     time.Time // the first time that is not decided; zero: never, or unknown
}

// worker is a run that goes on.
type worker struct {
	Worker
	stop string // why it was asked to end
}

// ending is a run whose process is gone.
type ending struct {
	firing string
	Result
}

// Run schedules until the context ends; then it asks all runs to end at their next checkpoint and waits for them, for the
// grace of the Config at most. Its error is nil: whatever is wrong with the journal is told, and tried again.
func (s *Scheduler) Run(ctx context.Context) error {
	defer close(s.gone)
	tick := time.NewTicker(s.Poll)
	defer tick.Stop()
	s.look(ctx)
	for {
		select {
		case <-ctx.Done():
			s.drain(context.WithoutCancel(ctx))
			return nil
		case e := <-s.ended:
			s.loop.ends = append(s.loop.ends, e)
			s.gather()
			s.look(ctx)
		case <-s.wake:
			s.look(ctx)
		case <-tick.C:
			if s.hasMail(ctx) {
				s.look(ctx)
			}
		}
	}
}

// gather takes all endings that are there, so that they are written at once.
func (s *Scheduler) gather() {
	for {
		select {
		case e := <-s.ended:
			s.loop.ends = append(s.loop.ends, e)
		default:
			return
		}
	}
}

// hasMail says whether it is time to look: because something is due, the clock was set back, or the journal has changed.
func (s *Scheduler) hasMail(ctx context.Context) bool {
	now := s.Clock()
	due := !s.loop.next.IsZero() && !now.Before(s.loop.next) || now.Before(s.loop.last) || now.Sub(s.loop.last) >= longest
	if s.loop.failures > 0 { // a journal that is locked or full is not asked each second
		return now.Before(s.loop.last) || now.Sub(s.loop.last) >= min(time.Duration(s.loop.failures)*s.Poll, longest)
	}
	if due {
		return true
	}
	changes, err := s.Store.Changes(ctx)
	return err != nil || changes != s.loop.changes
}

// look decides once, writes it and starts what is to start. When the journal cannot be read or written, nothing has
// changed and the next look decides again.
func (s *Scheduler) look(ctx context.Context) {
	s.loop.last = s.Clock()
	err := s.decideOnce(ctx)
	if err == nil {
		if s.loop.failures > 0 {
			s.Log.Warn("the journal can be used again: the scheduler goes on")
		}
		s.loop.failures = 0
		s.looked.Store(s.loop.last.Unix())
		return
	}
	s.loop.failures++
	s.loop.loaded, s.loop.news.known = false, false
	if ctx.Err() == nil {
		s.Log.Error("the scheduler cannot use the journal, so that nothing is started; it tries again", "error", err, "failures", s.loop.failures)
	}
}

func (s *Scheduler) decideOnce(ctx context.Context) error {
	changes, err := s.Store.Changes(ctx) // before all else: what is written meanwhile is looked at the next time
	if err != nil {
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := s.gatherNews(ctx); err != nil {
		return err
	}
	d, err := s.view(ctx)
	if err != nil {
		return err
	}
	if err := d.decide(ctx); err != nil {
		return err
	}
	decision := d.decision()
	var there []string
	if !decision.Empty() {
		if there, err = s.Store.Decide(ctx, decision); err != nil {
			return err
		}
	}
	s.apply(d, decision, there)
	s.loop.changes = changes
	return nil
}

// load makes the entries follow the project, and takes over from the journal how far they are.
func (s *Scheduler) load(ctx context.Context) error {
	project := s.Project()
	if s.loop.loaded && project == s.loop.project {
		return nil
	}
	states, err := s.Store.ScheduleStates(ctx)
	if err != nil {
		return err
	}
	entries := map[string]*entry{}
	for _, pl := range project.Pipelines {
		entries[pl.Name] = &entry{pipeline: pl, cron: pl.Cron(), state: states[pl.Name]}
	}
	for _, n := range project.Nodes {
		e := entries[n.Pipeline]
		if e == nil {
			continue
		}
		e.nodes = append(e.nodes, n.Name())
		if n.Stream != nil && !slices.Contains(e.sources, n.Stream.Source.Name) {
			e.sources = append(e.sources, n.Stream.Source.Name)
		}
	}
	s.loop.removed = nil
	for name, state := range states {
		if entries[name] == nil && state.Schedule != "" {
			s.loop.removed = append(s.loop.removed, name)
		}
	}
	s.loop.project, s.loop.entries, s.loop.loaded, s.loop.news.known = project, entries, true, false
	return nil
}

// apply does what a decision says, which is in the journal now.
func (s *Scheduler) apply(d *decider, decision journal.Decision, there []string) {
	for _, state := range decision.States {
		if e := s.loop.entries[state.Pipeline]; e != nil {
			e.state, e.next = state, time.Time{}
			if e.cron != nil {
				e.next = e.cron.Next(state.Through)
			}
		}
	}
	for _, e := range s.loop.ends {
		delete(s.loop.workers, e.firing)
	}
	s.loop.ends, s.loop.removed = nil, nil
	s.noteNews(d, decision)
	for _, e := range decision.Events {
		s.Log.Info(e.Text, "event", e.Kind, "pipeline", e.Pipeline)
	}
	s.loop.next = d.next()
	for id, why := range d.stops {
		if w := s.loop.workers[id]; w != nil && w.stop == "" {
			w.stop = why
			w.Stop()
		}
	}
	for _, it := range d.starts {
		if !slices.Contains(there, it.ID) {
			s.start(it.Firing)
		}
	}
}

// start starts a worker and waits for it beside the loop.
func (s *Scheduler) start(f journal.Firing) {
	s.Log.Info("run starts", "pipeline", f.Pipeline, "firing", f.ID, "logical_time", f.LogicalTime, "trigger", f.Trigger, "try", f.Tries)
	started, err := s.launch(f)
	if err != nil {
		s.Log.Error("a run cannot be started", "pipeline", f.Pipeline, "firing", f.ID, "error", err)
		started = stillborn{err}
	}
	s.loop.workers[f.ID] = &worker{Worker: started}
	go func() {
		e := ending{f.ID, started.Wait()}
		select {
		case s.ended <- e:
		case <-s.gone:
		}
	}()
}

// launch turns a panic of the launcher into an error.
func (s *Scheduler) launch(f journal.Firing) (w Worker, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return s.Launcher.Start(f)
}

// stillborn is a worker that could not be started.
type stillborn struct{ err error }

func (w stillborn) Wait() Result { return Result{ExitCode: 1, Message: w.err.Error()} }
func (w stillborn) Stop()        {}

// drain ends all workers.
func (s *Scheduler) drain(ctx context.Context) {
	s.loop.stopping = true
	for _, w := range s.loop.workers {
		w.Stop()
	}
	over := time.After(s.Grace)
	for running := len(s.loop.workers) - len(s.loop.ends); running > 0; {
		select {
		case e := <-s.ended:
			s.loop.ends = append(s.loop.ends, e)
			running--
		case <-over:
			s.Log.Warn("runs go on although they were asked to end; the next start takes them up", "runs", running)
			running = 0
		}
	}
	s.look(ctx)
}

// scheduleKey names a schedule: another expression or zone counts from when it is seen. "" is none.
func scheduleKey(pl *models.Pipeline) string {
	switch {
	case pl.Schedule != "":
		return pl.Schedule + " " + pl.Timezone
	case len(pl.After) > 0:
		return "after " + strings.Join(pl.After, ", ")
	}
	return ""
}

// jitter spreads starts: always by the same span for the same pipeline.
func jitter(pl *models.Pipeline) time.Duration {
	if pl.Jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(pl.Name))
	return time.Duration(h.Sum64() % uint64(pl.Jitter.Std())).Truncate(time.Second)
}
