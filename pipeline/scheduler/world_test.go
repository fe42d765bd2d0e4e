package scheduler

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// world is a scheduler in virtual time: its journal is a real one unless the test says otherwise, its runs are stubs.
type world struct {
	*testing.T
	project *models.Project
	journal *journal.Journal
	store   Store
	poll    time.Duration
	ahead   time.Duration // of the clock on the wall, of the time that passes
	end     func(f journal.Firing) (took time.Duration, code int)
	outside func(ctx context.Context, f journal.Firing) bool
	deaf    bool   // runs go on although they were asked to end
	said    string // by runs that end by themselves

	mu     sync.Mutex
	starts []journal.Firing
	sched  *Scheduler
	stop   context.CancelFunc
	done   chan struct{}
}

// inWorld runs a test from a moment on, with a scheduler of these pipelines that has been started.
func inWorld(t *testing.T, from string, pipelines []*models.Pipeline, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		at, err := time.Parse(time.RFC3339, from)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(at))
		j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		w := &world{T: t, project: &models.Project{Pipelines: pipelines, Concurrency: 2}, journal: j, store: j, poll: 10 * time.Second}
		w.end = func(journal.Firing) (time.Duration, int) { return 5 * time.Second, 0 }
		w.start()
		defer func() { w.shutdown() }()
		f(w)
	})
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead).UTC().Truncate(time.Microsecond) }

func (w *world) start() {
	var err error
	w.sched, err = New(Config{Project: func() *models.Project { return w.project }, Store: w.store, Launcher: w, Clock: w.now, Poll: w.poll, Outside: w.outside,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		w.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.done = stop, make(chan struct{})
	go func() {
		defer close(w.done)
		if err := w.sched.Run(ctx); err != nil {
			w.Error(err)
		}
	}()
	synctest.Wait()
}

func (w *world) shutdown() {
	w.stop()
	<-w.done
	synctest.Wait()
}

// looksEach lets the scheduler look more seldom, where many hours pass and seconds decide nothing.
func (w *world) looksEach(poll time.Duration) {
	w.shutdown()
	w.poll = poll
	w.start()
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// look makes the scheduler look at the journal now.
func (w *world) look() {
	w.sched.Wake()
	synctest.Wait()
}

// Start makes the world a Launcher.
func (w *world) Start(f journal.Firing) (Worker, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts = append(w.starts, f)
	took, code := w.end(f)
	return &stub{took: took, code: code, said: w.said, deaf: w.deaf, stopped: make(chan struct{})}, nil
}

// killedCode is the exit code of a stub that a signal ends.
const killedCode = 137

type stub struct {
	took    time.Duration
	code    int
	said    string
	deaf    bool
	once    sync.Once
	stopped chan struct{}
}

func (s *stub) Wait() Result {
	select {
	case <-time.After(s.took):
		if s.code == killedCode {
			return Result{ExitCode: 1, Killed: "its process was killed"}
		}
		return Result{ExitCode: s.code, Message: s.said}
	case <-s.stopped:
		return Result{ExitCode: 143}
	}
}

func (s *stub) Stop() {
	if !s.deaf {
		s.once.Do(func() { close(s.stopped) })
	}
}

// started lists what was started: the pipeline and the minute of the logical time, as UTC has it.
func (w *world) started() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, f := range w.starts {
		all = append(all, f.Pipeline+" "+f.LogicalTime.UTC().Format("01-02 15:04"))
	}
	w.starts = nil
	return all
}

func (w *world) wantStarted(want ...string) {
	w.Helper()
	if got := w.started(); !slices.Equal(got, want) {
		w.Errorf("started %q, want %q", got, want)
	}
}

// history is every firing, oldest logical time first: "02-01 02:00 succeeded".
func (w *world) history(pipeline string) []string {
	w.Helper()
	all, err := w.journal.Firings(w.Context(), journal.FiringFilter{Pipeline: pipeline})
	if err != nil {
		w.Fatal(err)
	}
	slices.SortFunc(all, func(a, b journal.Firing) int { return a.LogicalTime.Compare(b.LogicalTime) })
	var lines []string
	for _, f := range all {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.LogicalTime.UTC().Format("01-02 15:04"), f.State, f.Reason)))
	}
	return lines
}

// wantHistory compares the history with the beginnings of lines.
func (w *world) wantHistory(pipeline string, want ...string) {
	w.Helper()
	got := w.history(pipeline)
	ok := len(got) == len(want)
	for i := range got {
		ok = ok && strings.HasPrefix(got[i], want[i])
	}
	if !ok {
		w.Errorf("history of %s:\n%s\nwant\n%s", pipeline, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// wantEvent looks for an event of a kind that says something.
func (w *world) wantEvent(kind, says string) {
	w.Helper()
	events, err := w.journal.Events(w.Context(), 0, 100)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == kind && strings.Contains(e.Text, says) {
			return
		}
	}
	w.Errorf("no event %s that says %q in %+v", kind, says, events)
}

// ask adds a firing, as commands and the API do.
func (w *world) ask(pipeline string) journal.Firing {
	w.Helper()
	f, err := w.journal.AddFiring(w.Context(), journal.Firing{ID: journal.NewFiringID(w.now()), Pipeline: pipeline, LogicalTime: w.now(), Trigger: journal.TriggerAPI,
		State: journal.FiringWaiting, By: "me", Due: w.now(), Created: w.now()})
	if err != nil {
		w.Fatal(err)
	}
	w.look()
	return f
}

func (w *world) pause(pipeline string) {
	w.Helper()
	if err := w.journal.Pause(w.Context(), journal.Pause{Pipeline: pipeline, Since: w.now()}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) resume(pipeline string) {
	w.Helper()
	if _, err := w.journal.Resume(w.Context(), pipeline, w.now()); err != nil {
		w.Fatal(err)
	}
}

// ran records a run that the scheduler has not seen, or one of a worker: of the whole pipeline, with that status.
func (w *world) ran(r journal.Run, status journal.Status) {
	w.Helper()
	r.ID, r.Started, r.Status = journal.NewFiringID(w.now()), w.now(), journal.Running
	if r.Started.Before(r.LogicalTime) {
		r.Started = r.LogicalTime
	}
	if err := w.journal.BeginRun(w.Context(), r); err != nil {
		w.Fatal(err)
	}
	at := w.now()
	r.Status, r.Finished = status, &at
	if err := w.journal.FinishRun(w.Context(), r, nil); err != nil {
		w.Fatal(err)
	}
}

// nightly is a pipeline with the loader's defaults.
func nightly(name, schedule string, change ...func(*models.Pipeline)) *models.Pipeline {
	pl := &models.Pipeline{Name: name, Schedule: schedule, Timezone: "UTC", Misfire: models.MisfireOne, MisfireWindow: config.Duration(24 * time.Hour), MaxCatchup: 10,
		Overlap: models.OverlapQueue, RetryDelay: config.Duration(time.Minute)}
	for _, f := range change {
		f(pl)
	}
	return pl
}
