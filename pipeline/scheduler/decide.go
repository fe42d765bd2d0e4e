package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file decides, from what the journal says and what time it is. Nothing is done before the decision is written: a
// decider is thrown away when that fails.

// decider is one look at the journal and what follows from it.
type decider struct {
	*Scheduler
	now    time.Time
	items  []*item // the open firings, oldest first, and those that this look adds
	byID   map[string]*item
	of     map[string][]*item // by pipeline
	pauses map[string]journal.Pause
	lifted map[string][]journal.Lifted
	states []journal.ScheduleState
	added  []journal.Pause
	events []journal.Event
	stops  map[string]string // workers to end, by firing: why
	starts []*item
}

// item is a firing that this look may change.
type item struct {
	journal.Firing
	isNew, changed bool
	blocked        bool // by what it follows
}

// view reads the journal.
func (s *Scheduler) view(ctx context.Context) (*decider, error) {
	open, err := s.Store.Firings(ctx, journal.FiringFilter{Open: true})
	if err != nil {
		return nil, err
	}
	pauses, err := s.Store.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	lifted, err := s.Store.Lifted(ctx)
	if err != nil {
		return nil, err
	}
	d := &decider{Scheduler: s, now: s.Clock(), pauses: pauses, lifted: lifted, byID: map[string]*item{}, of: map[string][]*item{}, stops: map[string]string{}}
	for _, f := range slices.Backward(open) {
		if f.Trigger != journal.TriggerBackfill { // millrace backfill runs its own
			d.know(&item{Firing: f})
		}
	}
	return d, nil
}

// decide goes through all that may be to do. Errors are the journal's.
func (d *decider) decide(ctx context.Context) error {
	for _, e := range d.loop.ends {
		if it := d.byID[e.firing]; it != nil && it.State == journal.FiringStarted {
			if err := d.settle(ctx, it, e.Result); err != nil {
				return err
			}
		}
	}
	if err := d.orphans(ctx); err != nil {
		return err
	}
	if d.loop.stopping {
		return nil
	}
	for _, name := range d.loop.removed { // should it come back, it counts from then
		d.states = append(d.states, journal.ScheduleState{Pipeline: name, Through: d.now})
	}
	if err := d.each(func(e *entry) error { return errors.Join(d.overtaken(ctx, e), d.awaits(ctx, e, false)) }); err != nil {
		return err
	}
	if err := d.each(func(e *entry) error { return d.fire(ctx, e) }); err != nil {
		return err
	}
	d.cancel()
	if err := d.each(func(e *entry) error { return errors.Join(d.awaits(ctx, e, true), d.follow(ctx, e)) }); err != nil {
		return err
	}
	d.choose()
	return nil
}

// each does something about every pipeline, by name. Errors are the journal's.
func (d *decider) each(do func(*entry) error) error {
	for _, name := range slices.Sorted(maps.Keys(d.loop.entries)) {
		var err error
		d.guard(name, func() { err = do(d.loop.entries[name]) })
		if err != nil {
			return err
		}
	}
	return nil
}

// guard keeps a panic about one pipeline from the others.
func (d *decider) guard(pipeline string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			d.Log.Error("the scheduler has a bug: it passes the pipeline over", "pipeline", pipeline, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	f()
}

// decision is what is to be written.
func (d *decider) decision() journal.Decision {
	out := journal.Decision{States: d.states, Pauses: d.added, Events: d.events}
	for _, it := range d.items {
		switch {
		case it.isNew:
			out.Add = append(out.Add, it.Firing)
		case it.changed:
			out.Save = append(out.Save, it.Firing)
		}
	}
	return out
}

// next is when something is due after this look.
func (d *decider) next() time.Time {
	var next time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && t.After(d.now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, e := range d.loop.entries {
		earlier(e.next)
	}
	for _, it := range d.items {
		if it.State == journal.FiringWaiting {
			earlier(it.Due)
		}
	}
	return next
}

func (d *decider) know(it *item) {
	d.items, d.byID[it.ID], d.of[it.Pipeline] = append(d.items, it), it, append(d.of[it.Pipeline], it)
}

// open are the firings of a pipeline that have not ended.
func (d *decider) open(pipeline string) []*item {
	var open []*item
	for _, it := range d.of[pipeline] {
		if it.State.Open() {
			open = append(open, it)
		}
	}
	return open
}

func (d *decider) event(kind, pipeline, format string, args ...any) {
	d.events = append(d.events, journal.Event{At: d.now, Kind: kind, Pipeline: pipeline, Text: fmt.Sprintf(format, args...)})
}

// add adds a firing of a schedule.
func (d *decider) add(pl *models.Pipeline, logical time.Time, trigger journal.Trigger, state journal.FiringState, reason string) *item {
	it := &item{isNew: true, Firing: journal.Firing{ID: journal.NewFiringID(d.now), Pipeline: pl.Name, LogicalTime: logical.UTC(), Trigger: trigger, State: state,
		Reason: reason, Due: logical.UTC().Add(jitter(pl)), Created: d.now}}
	if !state.Open() {
		it.Finished = &d.now
	}
	d.know(it)
	return it
}

// end ends a firing.
func (it *item) end(now time.Time, state journal.FiringState, reason string) {
	it.State, it.Reason, it.Finished, it.changed = state, reason, &now, true
}

// wait makes a firing wait, until a time at least.
func (it *item) wait(due time.Time, reason string) {
	if it.State != journal.FiringWaiting || it.Reason != reason || !it.Due.Equal(due) {
		it.State, it.Reason, it.Due, it.changed = journal.FiringWaiting, reason, due, true
	}
}

// cancel ends what somebody wants to end.
func (d *decider) cancel() {
	for _, it := range d.items {
		if it.Cancel == "" || !it.State.Open() {
			continue
		}
		if it.State == journal.FiringWaiting {
			it.end(d.now, journal.FiringCancelled, "cancelled by "+it.Cancel)
			continue
		}
		d.stop(it, "cancelled by "+it.Cancel)
	}
}

// stop asks a run to end, and says so at its firing: should the scheduler end before the run does, the next one knows.
func (d *decider) stop(it *item, why string) {
	d.stops[it.ID] = why
	if it.Reason == "" {
		it.Reason, it.changed = why, true
	}
}

// patience is how long a firing lets others go first that read the sources that it waits for.
const patience = 10 * time.Minute

// choose finds whose turn it is: by priority, then by when it was due, then by name. One that waits for a source does not
// keep others from going first, until it has waited for long: then its places at its sources are kept, or one of many sources might never start.
func (d *decider) choose() {
	running, reading, ready := map[string]*item{}, map[string]int{}, []*item{}
	for _, it := range d.items {
		e := d.entry(it)
		switch {
		case it.State == journal.FiringStarted:
			running[it.Pipeline] = it
			d.read(e, reading)
		case it.State == journal.FiringWaiting && e == nil:
			it.end(d.now, journal.FiringSkipped, fmt.Sprintf("the project has no pipeline %q any more", it.Pipeline))
		case it.State == journal.FiringWaiting && !it.blocked && !it.Due.After(d.now):
			ready = append(ready, it)
		}
	}
	slices.SortStableFunc(ready, func(a, b *item) int {
		return cmp.Or(cmp.Compare(d.entry(b).pipeline.Priority, d.entry(a).pipeline.Priority),
			a.Due.Compare(b.Due), cmp.Compare(a.Pipeline, b.Pipeline), a.LogicalTime.Compare(b.LogicalTime))
	})
	most := max(d.loop.project.Concurrency, 1)
	for _, it := range ready {
		e := d.entry(it)
		if before := running[it.Pipeline]; before != nil {
			it.wait(it.Due, "waits for the run of "+onClock(e.pipeline, before.LogicalTime)+" to end")
		} else if source := d.busy(e, reading); source != "" {
			it.wait(it.Due, "waits for source "+source)
			if d.now.Sub(it.Due) > patience {
				d.read(e, reading)
			}
		} else if len(running) >= most {
			it.wait(it.Due, fmt.Sprintf("waits for its turn: %d of %d runs at once", len(running), most))
		} else {
			at := d.now
			it.State, it.Reason, it.Started, it.changed = journal.FiringStarted, "", &at, true
			it.Tries++
			d.starts = append(d.starts, it)
			running[it.Pipeline] = it
			d.read(e, reading)
		}
	}
}

// entry is the pipeline of a firing, nil when the project has none of the name. A retry and a replay need none: they may be of a run over several
// pipelines, or of nodes that are in none.
func (d *decider) entry(it *item) *entry {
	e := d.loop.entries[it.Pipeline]
	if e == nil && (it.Ask.Retry != "" || it.Ask.Replay != nil) {
		return &entry{pipeline: &models.Pipeline{Name: it.Pipeline}}
	}
	return e
}

func (d *decider) read(e *entry, reading map[string]int) {
	if e != nil {
		for _, source := range e.sources {
			reading[source]++
		}
	}
}

// busy is a source that the pipeline reads and that as many runs read as may.
func (d *decider) busy(e *entry, reading map[string]int) string {
	for _, name := range e.sources {
		if s := d.loop.project.Source(name); s != nil && s.Concurrency > 0 && reading[name] >= s.Concurrency {
			return name
		}
	}
	return ""
}

// onClock is a time for people: as the pipeline's clock shows it.
func onClock(pl *models.Pipeline, t time.Time) string {
	return t.In(pl.Location()).Format("2006-01-02 15:04")
}
