package pipeline

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file brings the place that follows the target up to what is published there. The local version is the truth: where the place cannot be
// brought up to it, the run has published all the same and ends partial. The next run, a retry of that one, or Push catches up.

// BehindError says that the place that follows a target does not show what is published there.
type BehindError struct {
	Place    string
	Snapshot int64    // that is published
	Tables   []string // that the place lacks, as far as can be told from here
	Renew    []string // tables of which all rows were to be replaced, as they were asked for
	Err      error
}

func (e *BehindError) Error() string {
	is := fmt.Sprintf("is behind by %d tables", len(e.Tables))
	switch {
	case len(e.Tables) == 0 || Foreign(e.Err.Error()): // nobody knows by which
		is = "was not brought it"
	case len(e.Tables) == 1:
		is = "is behind by 1 table"
	}
	return fmt.Sprintf("%s%d; %s %s: %v", publishedAs, e.Snapshot, e.Place, is, e.Err)
}

// publishedAs begins a BehindError.
const publishedAs = "published locally as snapshot "

// Behind is what the error of a run says of the place that follows its target; "" when it says nothing of it.
func Behind(runError string) string {
	_, after, _ := strings.Cut(runError, publishedAs)
	_, after, _ = strings.Cut(after, "; ")
	return after
}

func (e *BehindError) Unwrap() error { return e.Err }

// Hint is that of the cause, or how to catch up.
func (e *BehindError) Hint() string {
	hint := cmp.Or(hintOf(e.Err), wayOut(e.Err.Error()))
	if len(e.Renew) > 0 {
		hint += "; nothing but another push replaces all rows of these tables: give --renew " + strings.Join(e.Renew, " --renew ") + " again"
	}
	return hint
}

// Foreign says whether the error of a load is that the place is not the target's: no load brings anything there but one that takes it over.
func Foreign(loadError string) bool {
	return strings.Contains(loadError, load.ErrAnother.Error()) || strings.Contains(loadError, load.ErrAhead.Error())
}

// wayOut is what to do about a load that has failed, or about none yet.
func wayOut(loadError string) string {
	if Foreign(loadError) {
		return "where this target is the one to go by, millrace push --anew takes the place over; else give it a schema, or a schema_prefix, of its own"
	}
	if strings.Contains(loadError, load.ErrTooDear.Error()) {
		return "when max_credits of the target allows it, millrace push catches up, and so does the next run"
	}
	if loadError == "" {
		return "millrace push catches up, and so does the next run"
	}
	return "when that is mended, millrace push catches up, and so does the next run"
}

// patience is how long a run waits for what follows the target before it begins without.
const patience = time.Minute

// prepare proves that the target can be written, and what follows it where that is to be brought something. When that does not answer, or not soon, the run
// begins nevertheless.
func (e *Engine) prepare(ctx context.Context, brings bool) error {
	if err := e.Loader.Prepare(ctx); err != nil || e.Follower == nil || !brings {
		return err
	}
	ctx, cancel := e.untilStopped(ctx)
	defer cancel()
	limited, over := context.WithTimeoutCause(ctx, cmp.Or(e.Patience, patience), load.ErrAway)
	defer over()
	err := e.Follower.Prepare(limited)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("prepare %s: %w", e.place(), context.Cause(ctx))
	}
	if err != nil && (errors.Is(err, load.ErrAway) || limited.Err() != nil) {
		e.Log.Warn("what is published will not be brought there before it answers", "place", e.place(), "error", e.redact(err.Error()))
		return nil
	}
	if err != nil {
		return fmt.Errorf("prepare %s: %w", e.place(), err)
	}
	return nil
}

func (e *Engine) place() string { return e.Project.Target.FollowedBy() }

// follow brings what is published once the run has done its part. What keeps it from that makes the run partial; the error is that the run was asked
// to end.
func (r *run) follow(ctx context.Context, report *Report) (err error) {
	if r.Follower == nil || r.dry() {
		return nil
	}
	ctx, cancel := r.untilStopped(ctx)
	defer cancel()
	if r.deadline.limit > 0 && r.replay == nil { // which no timeout counts for
		limited, over := context.WithDeadlineCause(ctx, r.deadline.began.Add(r.deadline.limit.Std()), errors.New(r.overTime()))
		defer over()
		ctx = limited
	}
	report.Load, err = r.catchUp(ctx, load.Bringing{Run: r.ID, Attempt: r.Attempt})
	switch {
	case errors.Is(err, ErrInterrupted):
		return err
	case err != nil && r.concerns(err):
		r.behind = err
	case err != nil:
		r.warn("%s", r.redact(err.Error()))
	}
	return nil
}

// concerns says whether the place lacks something of the run, or something that shows it: what it lacks of others alone is no failure of this one. Where
// no table can be named, all of it is in doubt.
func (r *run) concerns(err error) bool {
	var behind *BehindError
	return !errors.As(err, &behind) || len(behind.Tables) == 0 || Foreign(err.Error()) || len(r.showing(r.selection.Nodes, behind.Tables)) > 0
}

// showing are those of the tables that the nodes make, and that others make from them.
func (e *Engine) showing(nodes, tables []string) []string {
	theirs := map[string]bool{}
	for _, name := range nodes {
		theirs[name] = true
	}
	for _, n := range e.Project.Nodes { // in dependency order
		theirs[n.Name()] = theirs[n.Name()] || slices.ContainsFunc(n.Needs, func(need *models.Node) bool { return theirs[need.Name()] })
	}
	return slices.DeleteFunc(slices.Clone(tables), func(table string) bool { return !theirs[table] })
}

// catchUp brings the newest published snapshot, unless the journal says that it is there and the place does not deny that; a load of that snapshot that
// another process has made meanwhile is the answer as well. nil when there was nothing to do. A *BehindError when it could not be done.
func (e *Engine) catchUp(ctx context.Context, b load.Bringing) (*journal.Load, error) {
	look := context.WithoutCancel(ctx) // what is behind is told when there is no time left as well
	s, err := e.Following(look)
	if err != nil || s == nil || s.Published == 0 {
		return nil, err
	}
	denied := ""
	if !s.Lacks() {
		if !e.denies(ctx, s) {
			return nil, nil
		}
		denied = s.Brought.ID
	}
	unlock, err := e.lockLoads(ctx, b.Run)
	if err != nil {
		return nil, e.isNow(ctx, err)
	}
	defer unlock()
	s, err = e.Following(look) // as it is now that nobody else loads
	if err != nil {
		return nil, err
	}
	if !s.Lacks() && s.Brought.ID != denied {
		return s.Brought, nil
	}
	return e.bring(ctx, s.manifest, b)
}

// denies asks the place whether it does not hold what the journal says that was brought: it may have been emptied, restored or replaced, or somebody has
// dropped a table. Its ledger is read, which takes a warehouse there, only where it does not look as it should. One that does not answer denies nothing.
func (e *Engine) denies(ctx context.Context, s *Following) bool {
	shows, err := e.Follower.Shows(ctx, s.manifest)
	if shows && err == nil {
		return false
	}
	var planned *load.Load
	if err == nil {
		planned, err = e.plannedPush(ctx, s.manifest, load.Bringing{})
	}
	switch {
	case err != nil && !Foreign(err.Error()):
		e.Log.Warn("whether the place still shows what was brought there could not be asked", "place", s.Place, "error", e.redact(err.Error()))
		return false
	case err == nil && len(planned.Differing()) == 0:
		return false
	}
	e.Log.Warn("the place does not show what was brought there", "place", s.Place, "snapshot", s.Brought.Snapshot, "load", s.Brought.ID)
	return true
}

// lockLoads waits until no other process loads what follows the target, for as long as the target allows for a lock: a *LockedError then.
func (e *Engine) lockLoads(ctx context.Context, run string) (unlock func(), err error) {
	longest := e.Project.Target.Snowflake.LockTimeout.Std()
	for began, told := time.Now(), false; ctx.Err() == nil; {
		unlock, err := e.lockLoadsNow()
		if !errors.Is(err, ErrLocked) {
			return unlock, err
		}
		if time.Since(began) > longest {
			return nil, fmt.Errorf("waited for %s (lock_timeout): %w", longest, err)
		}
		if !told {
			told = true
			e.Log.Warn("waits for another load to end", "run", run, "place", e.place(), "at_most", longest, "because", e.redact(err.Error()))
			e.observe(Event{Run: run, Kind: "progress", Phase: "wait for another load"})
		}
	}
	return nil, context.Cause(ctx)
}

// lockLoadsNow waits for half a second only, as for any lock.
func (e *Engine) lockLoadsNow() (unlock func(), err error) {
	return e.lock([]string{loading + e.Project.Target.Name})
}

// bring makes one load. The caller holds the lock of the target's loads.
func (e *Engine) bring(ctx context.Context, m *load.Manifest, b load.Bringing) (*journal.Load, error) {
	l := journal.Load{Load: load.Load{ID: newLoadID(e.Clock()), Run: b.Run, Snapshot: m.Snapshot}, Attempt: b.Attempt, Target: e.Project.Target.Name,
		Place: e.Project.Target.PlaceHash(), By: m.By(), Status: journal.Running, PID: os.Getpid(), Started: e.Clock()}
	l.Tables = []load.LoadedTable{}
	if err := e.Journal.BeginLoad(ctx, l); err != nil {
		return nil, err
	}
	e.observe(Event{Run: b.Run, Kind: "start", Phase: "load"})
	e.Log.Info("load starts", "run", b.Run, "load", l.ID, "snapshot", m.Snapshot)
	b.Load = l.ID
	b.Record = func(ctx context.Context, s load.Statement) error {
		s.SQL, s.Error = e.redact(s.SQL), e.redact(s.Error)
		return e.Journal.SaveStatement(context.WithoutCancel(ctx), s)
	}
	b.Progress = func(p load.LoadProgress) {
		e.observe(Event{Run: b.Run, Kind: "progress", Phase: "load", Bytes: p.Done, Total: p.Of})
	}
	done, err := e.Follower.Bring(ctx, m, b)
	if done != nil {
		done.ID, done.Run, done.Snapshot = l.ID, l.Run, l.Snapshot
		l.Load = *done
	}
	if err == nil {
		err = notBrought(l.Tables)
	}
	e.observe(Event{Run: b.Run, Kind: "done", Phase: "load"})
	return &l, e.endLoad(ctx, &l, err)
}

// notBrought is an error when there are tables that could not be brought, though the load came to its end.
func notBrought(tables []load.LoadedTable) error {
	var why []string
	for _, t := range tables {
		if t.Error != "" {
			why = append(why, t.Name.String()+": "+t.Error)
		}
	}
	if len(why) == 0 {
		return nil
	}
	return errors.New(strings.Join(why, "; "))
}

// endLoad records how a load ended, and says what that leaves undone.
func (e *Engine) endLoad(ctx context.Context, l *journal.Load, err error) error {
	now := e.Clock()
	l.Status, l.Finished = journal.Succeeded, &now
	if err != nil {
		l.Status, l.Error = journal.Failed, e.redact(err.Error())
	}
	if err != nil && ctx.Err() != nil {
		l.Status = journal.Interrupted
	}
	for i := range l.Tables {
		l.Tables[i].Error, l.Tables[i].Hint = e.redact(l.Tables[i].Error), e.redact(l.Tables[i].Hint)
	}
	saved := e.Journal.EndLoad(context.WithoutCancel(ctx), *l)
	e.Log.Info("load ends", "run", l.Run, "load", l.ID, "status", l.Status, "tables", len(l.Tables), "files", l.Files, "bytes", l.Bytes, "warehouse_seconds", l.Seconds,
		"credits", l.Credits, "took", now.Sub(l.Started), "error", l.Error)
	if err != nil {
		err = e.isNow(ctx, err)
	}
	return errors.Join(err, saved)
}

// isNow says by how much the place is behind because of an error. When it came of being asked to end, it is ErrInterrupted as well.
func (e *Engine) isNow(ctx context.Context, why error) error {
	if cause := context.Cause(ctx); cause != nil { // what a library says of a context that ended tells nothing
		why = cause
	}
	s, err := e.Following(context.WithoutCancel(ctx))
	if err != nil {
		return errors.Join(why, err)
	}
	behind := &BehindError{Place: s.Place, Snapshot: s.Published, Tables: s.Behind, Err: why}
	if errors.Is(why, ErrInterrupted) || errors.Is(why, context.Canceled) {
		behind.Err = ErrInterrupted
	}
	return behind
}

// untilStopped is a context that ends when the run is asked to: a load that is cut off leaves nothing half done.
func (e *Engine) untilStopped(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-e.Stop:
			cancel(ErrInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}

// Following is how far the place that follows the target has come, as the journal knows it: the place is not asked.
type Following struct {
	Place     string        `json:"place"`
	Published int64         `json:"published"`         // the snapshot to follow; 0: none yet
	Lacking   bool          `json:"lacking"`           // it is not known to show that snapshot
	Brought   *journal.Load `json:"brought,omitempty"` // the last load that succeeded
	Last      *journal.Load `json:"last,omitempty"`    // the last load, when that is another
	Behind    []string      `json:"behind"`            // tables that the place lacks in their published version
	Credits   float64       `json:"credits_30d"`       // that loads of the last 30 days are estimated to have cost

	manifest *load.Manifest
	at       string                // models.Target.PlaceHash, as it is configured now
	follows  func(load.Table) bool // the place is to have the table
}

// Lacks says whether the place is to be brought what is published: the last load that succeeded brought another snapshot, or to another place, or one after
// it has failed. The tables may be as they were all the same.
func (f *Following) Lacks() bool { return f != nil && f.Lacking }

// Elsewhere says whether what was brought went to another place than is configured now, or one where tables are kept otherwise.
func (f *Following) Elsewhere() bool { return f.Brought != nil && f.Brought.Place != f.at }

// Unknown says whether what was brought is not, or no more, published here.
func (f *Following) Unknown() bool {
	return f.Brought != nil && f.Brought.Snapshot >= f.Published && f.Brought.By != f.manifest.By()
}

// WayOut says how the place comes to show what is published.
func (f *Following) WayOut() string {
	if f.Last == nil || f.Last.Status != journal.Failed { // nothing is known to be wrong
		return wayOut("")
	}
	return wayOut(f.Last.Error)
}

// Following compares the manifest with the journal's loads; nil when nothing follows the target.
func (e *Engine) Following(ctx context.Context) (*Following, error) {
	if e.place() == "" {
		return nil, nil
	}
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	f := &Following{Place: e.place(), Published: m.Snapshot, manifest: m, at: e.Project.Target.PlaceHash()}
	target := e.Project.Target.Name
	for _, one := range []struct {
		into   **journal.Load
		status journal.Status
	}{{&f.Brought, journal.Succeeded}, {&f.Last, ""}} {
		loads, err := e.Journal.Loads(ctx, journal.LoadFilter{Target: target, Status: one.status, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(loads) > 0 {
			*one.into = e.loadNow(loads[0])
		}
	}
	if f.Last != nil && f.Brought != nil && f.Last.ID == f.Brought.ID {
		f.Last = nil
	}
	failed := f.Last != nil && f.Last.Status != journal.Running
	f.Lacking = f.Published != 0 && (f.Brought == nil || f.Brought.By != m.By() || f.Brought.Snapshot != f.Published || f.Elsewhere() || failed)
	f.follows = func(t load.Table) bool { return e.Project.Target.Follows(t.Name.String()) }
	f.Behind = f.lacking()
	f.Credits, err = e.Journal.LoadCredits(ctx, target, e.Clock().AddDate(0, 0, -30))
	return f, err
}

// lacking are the tables that the place lacks: what the last load was to bring and did not, and where that says nothing, those that were published since the
// last snapshot that was brought.
func (f *Following) lacking() []string {
	names := []string{}
	if !f.Lacks() {
		return names
	}
	if f.Last != nil && f.Last.By == f.manifest.By() && len(f.Last.Tables) > 0 {
		failed := notBrought(f.Last.Tables) != nil
		for _, t := range f.Last.Tables {
			if !failed && t.Mode != load.ModeNone || t.Error != "" {
				names = append(names, t.Name.String())
			}
		}
		return names
	}
	since := int64(-1)
	if f.Brought != nil && !f.Elsewhere() && !f.Unknown() {
		since = f.Brought.Snapshot
	}
	for _, t := range f.manifest.Tables {
		if t.Snapshot > since && f.follows(t) {
			names = append(names, t.Name.String())
		}
	}
	for _, t := range f.manifest.Tables { // a view shows what its tables have
		if t.Snapshot <= since && t.View != "" && f.follows(t) && slices.ContainsFunc(t.Needs, func(need string) bool { return slices.Contains(names, need) }) {
			names = append(names, t.Name.String())
		}
	}
	return names
}

// loadNow tells a load as it is: one whose process has gone is not running.
func (e *Engine) loadNow(l journal.Load) *journal.Load {
	if l.Status == journal.Running && e.idle(loading+l.Target) {
		l.Status, l.Error = journal.Interrupted, "its process ended without a word"
	}
	return &l
}

// Loads are those of a run, the newest first.
func (e *Engine) Loads(ctx context.Context, run string) ([]journal.Load, error) {
	loads, err := e.Journal.Loads(ctx, journal.LoadFilter{Run: run})
	for i := range loads {
		loads[i] = *e.loadNow(loads[i])
	}
	return loads, err
}

// Load is the load of that id; ErrNotFound of the journal when there is none.
func (e *Engine) Load(ctx context.Context, id string) (*journal.Load, error) {
	loads, err := e.Journal.Loads(ctx, journal.LoadFilter{ID: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(loads) == 0 {
		return nil, fmt.Errorf("load %q: %w", id, journal.ErrNotFound)
	}
	return e.loadNow(loads[0]), nil
}

// lacks says whether what follows the target can be brought up to something.
func (e *Engine) lacks(ctx context.Context) (bool, error) {
	if e.Follower == nil {
		return false, nil
	}
	s, err := e.Following(ctx)
	return err == nil && s.Lacks(), err
}

// newLoadID is a ULID: 48 bits of time in milliseconds, then 80 of chance, as 26 characters that sort by time.
func newLoadID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:])
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var text [26]byte
	for i := len(text) - 1; i >= 0; i-- {
		text[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[low&31]
		high, low = high>>5, low>>5|high<<59
	}
	return string(text[:])
}
