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
	m       *load.Manifest
	b       load.Bringing
	out     *load.Load
	target  sf.Target
	attempt int
	meter   meter
	s       *snowflake.Session  // for the ledger, and what is looked at
	w       warehouse.Warehouse // local
	temp    string
	epoch   int64     // of the fence, while this load holds it
	begun   int64     // the epoch under which the load's rows were written to the ledger
	changes []*change // to bring
	others  []*change // that cannot be brought, or are left
	engine  *engine   // nil: nobody has looked
	tell    sync.Mutex
}

// Bring makes Snowflake hold the manifest. What is there is read without the fence first: Snowflake answers that from what it
// has kept of the same question, if nothing has changed, without a warehouse, so that a push with nothing to bring wakes none.
func (f *Follower) Bring(ctx context.Context, m *load.Manifest, b load.Bringing) (out *load.Load, err error) {
	x := &bringing{Follower: f, m: m, b: b, attempt: max(1, b.Attempt), out: &load.Load{ID: b.Load, Run: b.Run, Snapshot: m.Snapshot}}
	x.meter.load, x.meter.to = b.Load, b.Record
	defer func() {
		x.account()
		err = errors.Join(err, x.close())
	}()
	if x.target, err = f.target(); err != nil {
		return x.out, err
	}
	if x.s, err = x.session(ctx, f.quick); err != nil {
		return x.out, err
	}
	if err := x.run(ctx); err != nil {
		return x.out, err
	}
	return x.out, x.refused()
}

func (x *bringing) run(ctx context.Context) error {
	due, err := x.due(ctx)
	if err != nil || !due {
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
	if x.engine, err = x.Follower.engine(ctx, x.s); err != nil {
		return err
	}
	if err := x.look(ctx, x.s, x.changes); err != nil {
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
	if len(x.changes) == 0 {
		return nil
	}
	for _, step := range []func(context.Context) error{x.afford, x.makePlaces, x.openLocal, x.begin, x.uploadAll, x.recount, x.copyAll, x.publish, x.check, x.tidy} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// due compares the manifest with what stands there, and says whether anything is to be done: loads that were cut off between a
// rename or a swap and its note in the ledger are to be finished too.
func (x *bringing) due(ctx context.Context) (bool, error) {
	standing, err := x.standing(ctx, x.s)
	if err != nil && !errors.Is(err, load.ErrNothing) {
		return false, err
	}
	if err := ahead(x.m, standing); err != nil {
		return false, err
	}
	changes, err := x.Follower.changes(ctx, x.m, standing, x.b.Renew)
	if err != nil {
		return false, err
	}
	x.sort(changes)
	if len(x.changes) > 0 || standing == nil {
		return len(x.changes) > 0, nil
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

// makeLedger makes the ledger's tables unless they are there.
func (x *bringing) makeLedger(ctx context.Context) error {
	for _, sql := range x.ledger.Create() {
		if _, err := x.s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepDefine}); err != nil {
			return fmt.Errorf("make the ledger: %w", err)
		}
	}
	return nil
}

// makePlaces makes the schemas and stages of the tables unless they are there.
func (x *bringing) makePlaces(ctx context.Context) error {
	done := map[string]bool{}
	for _, c := range x.changes {
		if done[c.to.InSchema()] {
			continue
		}
		done[c.to.InSchema()] = true
		for _, sql := range []string{sf.CreateSchema(c.to), sf.CreateStage(c.to.Stage())} {
			if _, err := x.s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepDefine}); err != nil {
				return fmt.Errorf("make schema %s and its stage: %w", c.to.InSchema(), err)
			}
		}
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
		if c.of.View != "" {
			if err := expose(ctx, x.w, x.m, c.Name.String(), exposed); err != nil {
				return fmt.Errorf("load %s: %w", c.Name, err)
			}
		}
		if err := x.pack(c); err != nil {
			return fmt.Errorf("load %s: %w", c.Name, err)
		}
	}
	return nil
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
func (x *bringing) session(ctx context.Context, db *snowflake.DB) (*snowflake.Session, error) {
	return db.Session(ctx, map[string]string{"project": x.cfg.Project, "load": x.b.Load, "run": x.b.Run}, x.meter.record)
}

// reconnect replaces the session after an answer was lost.
func (x *bringing) reconnect(ctx context.Context) (err error) {
	x.closed(x.s)
	x.s, err = x.session(ctx, x.quick)
	return err
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
