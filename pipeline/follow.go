package pipeline

import (
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
	"github.com/millrace/millrace/pipeline/journal"
)

// This file brings the place that follows the target up to what is published there. The local version is the truth: where the place cannot be
// brought up to it, the run has published all the same and ends partial. The next run, a retry of that one, or Push catches up.

// BehindError says that the place that follows a target does not show what is published there.
type BehindError struct {
	Place    string
	Snapshot int64    // that is published
	Tables   []string // that the place lacks, as far as can be told from here
	Err      error
}

func (e *BehindError) Error() string {
	tables := fmt.Sprintf("%d tables", len(e.Tables))
	if len(e.Tables) == 1 {
		tables = "1 table"
	}
	return fmt.Sprintf("%s%d; %s is behind by %s: %v", publishedAs, e.Snapshot, e.Place, tables, e.Err)
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
	if hint := hintOf(e.Err); hint != "" {
		return hint
	}
	if errors.Is(e.Err, load.ErrTooDear) {
		return "when max_credits of the target allows it, millrace push catches up, and so does the next run"
	}
	return "when that is mended, millrace push catches up, and so does the next run"
}

// prepare proves that the target can be written, and what follows it where that is to be brought something. When that does not answer the run begins
// nevertheless.
func (e *Engine) prepare(ctx context.Context, brings bool) error {
	if err := e.Loader.Prepare(ctx); err != nil || e.Follower == nil || !brings {
		return err
	}
	ctx, cancel := e.untilStopped(ctx)
	defer cancel()
	err := e.Follower.Prepare(ctx)
	if errors.Is(err, load.ErrAway) {
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
	if r.deadline.limit > 0 {
		limited, over := context.WithDeadlineCause(ctx, r.deadline.began.Add(r.deadline.limit.Std()), errors.New(r.overTime()))
		defer over()
		ctx = limited
	}
	report.Load, err = r.catchUp(ctx, load.Bringing{Run: r.ID, Attempt: r.Attempt})
	switch {
	case errors.Is(err, ErrInterrupted):
		return err
	case err != nil:
		r.behind = err
	}
	return nil
}

// catchUp brings the newest published snapshot, unless the journal says that it is there; a load of that snapshot that another process has made meanwhile
// is the answer as well. nil when there was nothing to do. A *BehindError when it could not be done.
func (e *Engine) catchUp(ctx context.Context, b load.Bringing) (*journal.Load, error) {
	look := context.WithoutCancel(ctx) // what is behind is told when there is no time left as well
	if s, err := e.Following(look); err != nil || !s.Lacks() {
		return nil, err
	}
	unlock, err := e.lockLoads(ctx)
	if err != nil {
		return nil, e.isNow(ctx, err)
	}
	defer unlock()
	s, err := e.Following(look) // as it is now that nobody else loads
	if err != nil {
		return nil, err
	}
	if !s.Lacks() {
		return s.Brought, nil
	}
	return e.bring(ctx, s.manifest, b)
}

// lockLoads waits until no other process loads what follows the target.
func (e *Engine) lockLoads(ctx context.Context) (unlock func(), err error) {
	for ctx.Err() == nil {
		unlock, err := e.lockLoadsNow()
		if !errors.Is(err, ErrLocked) {
			return unlock, err
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
		Status: journal.Running, PID: os.Getpid(), Started: e.Clock()}
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
		l.Tables[i].Error = e.redact(l.Tables[i].Error)
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
	Brought   *journal.Load `json:"brought,omitempty"` // the last load that succeeded
	Last      *journal.Load `json:"last,omitempty"`    // the last load, when that is another
	Behind    []string      `json:"behind"`            // tables that the place lacks in their published version
	Credits   float64       `json:"credits_30d"`       // that loads of the last 30 days are estimated to have cost

	manifest *load.Manifest
	follows  func(load.Table) bool // the place is to have the table
}

// Lacks says whether the place is to be brought up to a later snapshot. What was published then may be as it was.
func (f *Following) Lacks() bool {
	return f != nil && f.Published != 0 && (f.Brought == nil || f.Brought.Snapshot < f.Published)
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
	f := &Following{Place: e.place(), Published: m.Snapshot, manifest: m}
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
	if f.Last != nil && f.Last.Snapshot == f.Published && len(f.Last.Tables) > 0 {
		failed := notBrought(f.Last.Tables) != nil
		for _, t := range f.Last.Tables {
			if !failed && t.Mode != load.ModeNone || t.Error != "" {
				names = append(names, t.Name.String())
			}
		}
		return names
	}
	since := int64(-1)
	if f.Brought != nil {
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
		l.Status = journal.Interrupted
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
