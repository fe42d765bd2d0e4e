package scheduler

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// memory is a journal without a disk. It forgets firings that have ended.
type memory struct {
	mu      sync.Mutex
	changes int64
	open    map[string]journal.Firing
	states  map[string]journal.ScheduleState
	ended   map[journal.FiringState]int
}

func newMemory() *memory {
	return &memory{open: map[string]journal.Firing{}, states: map[string]journal.ScheduleState{}, ended: map[journal.FiringState]int{}}
}

func (m *memory) Changes(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changes, nil
}

func (m *memory) Firings(context.Context, journal.FiringFilter) ([]journal.Firing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []journal.Firing
	for _, f := range m.open {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b journal.Firing) int { return b.LogicalTime.Compare(a.LogicalTime) })
	return all, nil
}

func (m *memory) Pauses(context.Context) (map[string]journal.Pause, error) { return nil, nil }

func (m *memory) ScheduleStates(context.Context) (map[string]journal.ScheduleState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	states := map[string]journal.ScheduleState{}
	for name, s := range m.states {
		states[name] = s
	}
	return states, nil
}

func (m *memory) Outcomes(context.Context, string, time.Time, time.Time) ([]journal.Outcome, error) {
	return nil, nil
}

func (m *memory) LastSuccess(context.Context, string, int, time.Time, time.Time) (time.Time, error) {
	return time.Time{}, nil
}

func (m *memory) EndedSince(context.Context, int64) ([]string, int64, error) { return nil, 0, nil }

func (m *memory) LastEnd(context.Context) (int64, error) { return 0, nil }

func (m *memory) RunOfFiring(context.Context, string) (journal.Run, error) {
	return journal.Run{}, journal.ErrNotFound
}

func (m *memory) LastFirings(context.Context, []string) (map[string]journal.Firing, error) {
	return nil, nil
}

func (m *memory) Decide(_ context.Context, d journal.Decision) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
	for _, f := range append(d.Add, d.Save...) {
		if f.State.Open() {
			m.open[f.ID] = f
		} else {
			delete(m.open, f.ID)
			m.ended[f.State]++
		}
	}
	for _, s := range d.States {
		m.states[s.Pipeline] = s
	}
	return nil, nil
}

// TestYearInMemory: after a year of runs the scheduler holds no more than after a day.
func TestYearInMemory(t *testing.T) {
	pipelines := []*models.Pipeline{nightly("a", "*/10 * * * *"), nightly("b", "0 2 * * *"), nightly("c", "30 * * * *")}
	inWorld(t, "2026-01-01T00:00:00Z", pipelines, func(w *world) {
		w.shutdown()
		m := newMemory()
		w.store, w.poll = m, longest
		w.start()
		objects := func() uint64 {
			w.started()
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			return stats.HeapObjects
		}
		w.pass(24 * time.Hour)
		before := objects()
		for range 52 {
			w.pass(7 * 24 * time.Hour)
			w.started()
		}
		if after := objects(); after > before+before/10+200 {
			t.Errorf("%d objects after a day, %d after a year", before, after)
		}
		w.pass(time.Minute)
		if want := 365 * (144 + 1 + 24); m.ended[journal.FiringSucceeded] != want {
			t.Errorf("%v ended, want %d", m.ended, want)
		}
	})
}
