package snowflake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// bringing is one load on its way.
type bringing struct {
	*Follower
	m         *load.Manifest
	b         load.Bringing
	out       *load.Load
	target    sf.Target
	attempt   int
	meter     meter
	s         *snowflake.Session  // for the ledger, and what is looked at
	w         warehouse.Warehouse // local
	temp      string
	epoch     int64      // of the fence, while this load holds it
	published bool       // there is nothing left to do but to tidy up
	leaving   bool       // a COMMIT of it may be under way
	stands    int64      // the snapshot that stands there; 0: none
	begun     int64      // the epoch under which the load's rows were written to the ledger
	changes   []*change  // to bring
	others    []*change  // that cannot be brought, or are left
	takeover  bool       // the place holds what is not this target's
	engine    *engine    // nil: nobody has looked
	sound     sound      // local files that were hashed
	tell      sync.Mutex // one at a time tells how far it has come, or that a table is left out
}

// Bring makes Snowflake hold the manifest. What is there is read without the fence first.
func (f *Follower) Bring(ctx context.Context, m *load.Manifest, b load.Bringing) (out *load.Load, err error) {
	x := &bringing{Follower: f, m: m, b: b, attempt: max(1, b.Attempt), sound: sound{}, out: &load.Load{ID: b.Load, Run: b.Run, Snapshot: m.Snapshot}}
	x.meter.load, x.meter.to = b.Load, b.Record
	defer func() {
		x.rest(ctx)
		x.account()
		err = errors.Join(err, x.close())
	}()
	if x.target, err = f.target(); err != nil {
		return x.out, err
	}
	if x.s, err = x.session(ctx); err != nil {
		return x.out, err
	}
	if err := x.run(ctx); err != nil {
		return x.out, err
	}
	return x.out, x.refused()
}

func (x *bringing) run(ctx context.Context) (err error) {
	if x.engine, err = x.Follower.engine(ctx, x.s); err != nil { // before a statement may wake it
		return err
	}
	due, err := x.due(ctx)
	if err != nil || !due {
		return err
	}
	if err := x.afford(ctx); err != nil {
		return err
	}
	if err := x.makeLedger(ctx); err != nil {
		return err
	}
	if err := x.take(ctx); err != nil {
		return err
	}
	if err := x.recover(ctx); err != nil {
		return fmt.Errorf("finish what an earlier load has left: %w", err)
	}
	if due, err = x.due(ctx); err != nil || !due {
		return err
	}
	if err := x.look(ctx, x.s, x.changes); err != nil {
		return err
	}
	if err := x.comparable(ctx); err != nil {
		return err
	}
	if err := x.unmarked(ctx); err != nil {
		return err
	}
	x.sort(x.changes)
	if err := x.swappable(ctx); err != nil {
		return err
	}
	return x.load(ctx)
}

// load does the work, once it is known what there is to do and that nobody else does it.
func (x *bringing) load(ctx context.Context) error {
	switch {
	case len(x.changes) == 0 && x.takeover:
		return x.commit(ctx)
	case len(x.changes) == 0:
		return nil
	}
	for _, step := range []func(context.Context) error{x.afford, x.makePlaces, x.openLocal, x.begin, x.uploadAll, x.recount, x.copyAll, x.publish, x.done, x.tidy} {
		if err := step(ctx); err != nil {
			return x.overtaken(ctx, x.s, err)
		}
		if x.sort(x.changes); len(x.changes) == 0 {
			return nil
		}
	}
	return nil
}

// overtaken says of a table that is missing whether a load that took over has dropped it.
func (x *bringing) overtaken(ctx context.Context, s *snowflake.Session, err error) error {
	if !missing(err) || errors.Is(err, load.ErrFenced) {
		return err
	}
	at, unseen := x.seen(ctx, s)
	if unseen == nil && at != nil && at.epoch != x.epoch {
		return fmt.Errorf("%w: %w", load.ErrFenced, err)
	}
	return err
}

func (x *bringing) done(context.Context) error {
	x.published = true
	return nil
}

// aside leaves a table out of the load for an error that is about it alone, which s is asked about: the others are brought. Any other
// error ends the load.
func (x *bringing) aside(ctx context.Context, s *snowflake.Session, c *change, err error) error {
	if err = x.overtaken(ctx, s, err); !apart(ctx, err) {
		return within("load "+c.Name.String(), err)
	}
	x.tell.Lock()
	defer x.tell.Unlock()
	if c.pending() { // of several errors the first
		x.cfg.Log.Warn("a table is left out of the load", "load", x.b.Load, "table", c.Name.String(), "error", err)
		c.refuse(err)
	}
	return nil
}

// goesOn says whether a table has not been left out by another who is at work on it.
func (x *bringing) goesOn(c *change) bool {
	x.tell.Lock()
	defer x.tell.Unlock()
	return c.pending()
}

// apart says whether an error is about the one table for which it was met: what was found of its rows and files, and what Snowflake
// has against a statement about it. Of the connection, the session, the warehouse, a lock, the fence or a cancel it is not.
func apart(ctx context.Context, err error) bool {
	var e *snowflake.Error
	switch {
	case ctx.Err() != nil || errors.Is(err, load.ErrFenced) || snowflake.Unsure(err):
		return false
	case errors.As(err, &e):
		return slices.Contains([]snowflake.Kind{snowflake.KindGrant, snowflake.KindMissing, snowflake.KindDuplicate, snowflake.KindExists, snowflake.KindSQL}, e.Kind)
	}
	return true
}

// due compares the manifest with what stands there, and says whether anything is to be done: loads that were cut off between a
// rename or a swap and its note in the ledger are to be finished too.
func (x *bringing) due(ctx context.Context) (bool, error) {
	standing, err := x.standing(ctx, x.s)
	if err != nil && !errors.Is(err, load.ErrNothing) {
		return false, err
	}
	if x.stands = 0; standing != nil {
		x.stands = standing.Snapshot
	}
	foreign := x.after(x.m, standing)
	if foreign != nil && !x.b.Anew {
		return false, foreign
	}
	x.takeover = foreign != nil
	changes, err := x.Follower.changes(ctx, x.m, standing, x.b.Renew)
	if err != nil {
		return false, err
	}
	x.sort(changes)
	if len(x.changes) > 0 || x.takeover || standing == nil {
		return len(x.changes) > 0 || x.takeover, nil
	}
	unfinished, err := x.ask(ctx, x.s, x.ledger.Unfinished(x.target))
	return len(unfinished) > 0, err
}

// sort tells what is to be brought from what is not.
func (x *bringing) sort(changes []*change) {
	var todo []*change
	for _, c := range changes {
		if c.pending() {
			todo = append(todo, c)
		} else if !slices.Contains(x.others, c) {
			x.others = slices.DeleteFunc(x.others, func(o *change) bool { return o.Name == c.Name })
			x.others = append(x.others, c)
		}
	}
	slices.SortFunc(todo, func(a, b *change) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	x.changes = todo
}

// refused is the error of a load that has left tables out.
func (x *bringing) refused() error {
	var all []error
	for _, c := range x.others {
		if c.Error != "" {
			all = append(all, fmt.Errorf("%s cannot be brought: %w", c.Name, c.cause))
		}
	}
	return errors.Join(all...)
}

// makeLedger makes the ledger's schema and tables unless they are there.
func (x *bringing) makeLedger(ctx context.Context) error {
	if err := makeSchema(ctx, x.s, x.ledger.Place()); err != nil {
		return fmt.Errorf("make the ledger: %w", err)
	}
	for _, sql := range x.ledger.Create() {
		if _, err := x.s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepDefine}); err != nil {
			return fmt.Errorf("make the ledger: %w", err)
		}
	}
	return nil
}

// makePlaces makes the schemas and stages of the tables unless they are there.
func (x *bringing) makePlaces(ctx context.Context) error {
	done := map[string]error{}
	for _, c := range x.changes {
		err, made := done[c.to.InSchema()]
		if !made {
			err = x.makePlace(ctx, c.to)
			done[c.to.InSchema()] = err
		}
		if err != nil {
			if err := x.aside(ctx, x.s, c, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *bringing) makePlace(ctx context.Context, t sf.Table) error {
	err := makeSchema(ctx, x.s, t)
	if err == nil {
		_, err = x.s.Exec(ctx, snowflake.Statement{SQL: sf.CreateStage(t.Stage()), Step: stepDefine})
	}
	if err != nil {
		return fmt.Errorf("make schema %s and its stage: %w", t.InSchema(), err)
	}
	return nil
}

// openLocal opens the local engine, with the tables that views read, and decides what is to be sent.
func (x *bringing) openLocal(ctx context.Context) (err error) {
	if err := os.MkdirAll(x.cfg.Temp, 0o700); err != nil {
		return err
	}
	if x.temp, err = os.MkdirTemp(x.cfg.Temp, "load-"); err != nil {
		return err
	}
	if x.w, err = x.local(ctx); err != nil {
		return err
	}
	exposed := map[string]bool{}
	for _, c := range x.changes {
		if err := x.decide(ctx, c, exposed); err != nil {
			if err := x.aside(ctx, x.s, c, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// decide packs one table, and hashes the files that the local engine is to read for it.
func (x *bringing) decide(ctx context.Context, c *change, exposed map[string]bool) error {
	if err := x.pack(c); err != nil {
		return err
	}
	if c.cargo[0].query == "" {
		return nil // they are hashed when they are sent
	}
	files := read(x.m, c.Name.String(), map[string]bool{})
	if c.Mode == load.ModeAppend {
		files = unshared(c.of.Base, c.before.Base)
	}
	if err := x.sound.check(ctx, files); err != nil || c.of.View == "" {
		return err
	}
	if err := expose(ctx, x.w, x.m, c.Name.String(), exposed); err != nil {
		return err
	}
	return x.size(ctx, c.cargo[0], files)
}

// expose makes a table readable, behind everything that its SELECT reads.
func expose(ctx context.Context, w warehouse.Warehouse, m *load.Manifest, name string, done map[string]bool) error {
	t := tableNamed(m, name)
	if t == nil || done[name] {
		return nil
	}
	done[name] = true
	for _, need := range t.Needs {
		if t.View == "" {
			break
		}
		if err := expose(ctx, w, m, need, done); err != nil {
			return err
		}
	}
	return w.Expose(ctx, t.Version)
}

// session opens a session of the load.
func (x *bringing) session(ctx context.Context) (*snowflake.Session, error) {
	return x.db.Session(ctx, map[string]string{"project": x.cfg.Project, "load": x.b.Load, "run": x.b.Run}, x.meter.record)
}

// eachBySession does something with each item that comes, over a session of its own, which is opened for the first.
func eachBySession[T any](ctx context.Context, x *bringing, items <-chan T, do func(*snowflake.Session, T) error) (err error) {
	var s *snowflake.Session
	defer func() { x.closed(s) }()
	for item := range items {
		if s == nil {
			if s, err = x.session(ctx); err != nil {
				return err
			}
		}
		if err := do(s, item); err != nil {
			return err
		}
	}
	return nil
}

// reconnect replaces the session: after an answer was lost, or to see what others have committed since it was opened. Where that fails, the
// old one stays, whose statements fail.
func (x *bringing) reconnect(ctx context.Context) error {
	s, err := x.session(ctx)
	if err != nil {
		return err
	}
	x.closed(x.s)
	x.s = s
	return nil
}

// closed closes a session. What fails then has no part in the load.
func (x *bringing) closed(s *snowflake.Session) {
	if s == nil {
		return
	}
	if err := s.Close(); err != nil {
		x.cfg.Log.Warn("a session was not closed", "load", x.b.Load, "error", err)
	}
}

func (x *bringing) close() error {
	x.closed(x.s)
	var err error
	if x.w != nil {
		err = x.w.Close()
	}
	if x.temp != "" {
		err = errors.Join(err, os.RemoveAll(x.temp))
	}
	return err
}

// progress tells how far a table has come.
func (x *bringing) progress(c *change, step string, done, of int64) {
	x.tell.Lock()
	defer x.tell.Unlock()
	if x.b.Progress != nil {
		x.b.Progress(load.LoadProgress{Table: c.Name, Step: step, Done: done, Of: of})
	}
}
