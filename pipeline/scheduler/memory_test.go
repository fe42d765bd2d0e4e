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

// memory is a journal without a disk. It forgets firings that have ended, but for the latest logical time of each pipeline, up to which it takes
// no other: like the journal, it takes each logical time of a pipeline once.
type memory struct {
	mu      sync.Mutex
	changes int64
	open    map[string]journal.Firing
	states  map[string]journal.ScheduleState
	ended   map[journal.FiringState]int
	fired   map[string]time.Time // the latest logical time, by pipeline
	refused int                  // firings that were there already
}

func newMemory() *memory {
	return &memory{open: map[string]journal.Firing{}, states: map[string]journal.ScheduleState{}, ended: map[journal.FiringState]int{}, fired: map[string]time.Time{}}
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

func (m *memory) Lifted(context.Context) (map[string][]journal.Lifted, error) { return nil, nil }

func (m *memory) ScheduleStates(context.Context) (map[string]journal.ScheduleState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	states := map[string]journal.ScheduleState{}
	for name, s := range m.states {
		states[name] = s
	}
	return states, nil
}

func (m *memory) Outcomes(context.Context, string, journal.Target, []string, time.Time, time.Time) ([]journal.Outcome, error) {
	return nil, nil
}

func (m *memory) LastSuccess(context.Context, string, journal.Target, []string, time.Time, time.Time) (at, ended time.Time, err error) {
	return at, ended, nil
}

func (m *memory) LastMended(context.Context, string, journal.Target, []string, time.Time, time.Time, time.Time) (ended time.Time, err error) {
	return ended, nil
}

func (m *memory) EndedSince(context.Context, int64) ([]string, int64, error) { return nil, 0, nil }

func (m *memory) Forgotten(context.Context, string) (time.Time, error) { return time.Time{}, nil }

func (m *memory) LastEnd(context.Context) (int64, error) { return 0, nil }

func (m *memory) RunOfFiring(context.Context, journal.Firing) (journal.Run, error) {
	return journal.Run{}, journal.ErrNotFound
}

func (m *memory) LastFirings(context.Context, []string, journal.Target) (map[string]journal.Firing, error) {
	return nil, nil
}

func (m *memory) Decide(_ context.Context, d journal.Decision) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
	var there []string
	known := func(f journal.Firing) bool {
		if f.LogicalTime.After(m.fired[f.Pipeline]) {
			m.fired[f.Pipeline] = f.LogicalTime
			return false
		}
		there = append(there, f.ID)
		m.refused++
		return true
	}
	for _, f := range slices.Concat(slices.DeleteFunc(slices.Clone(d.Add), known), d.Save) {
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
	return there, nil
}

// TestWeeksInMemory: after eight weeks of runs the scheduler holds no more than after a day.
func TestWeeksInMemory(t *testing.T) {
	pipelines := []*models.Pipeline{nightly("a", "0 * * * *"), nightly("b", "0 2 * * *"), nightly("c", "30 * * * *")}
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
		w.pass(8 * 7 * 24 * time.Hour)
		if after := objects(); after > before+before/10+200 {
			t.Errorf("%d objects after a day, %d after eight weeks", before, after)
		}
		w.pass(time.Minute)
		if want := 57 * (24 + 1 + 24); m.ended[journal.FiringSucceeded] != want {
			t.Errorf("%v ended, want %d", m.ended, want)
		}
	})
}
