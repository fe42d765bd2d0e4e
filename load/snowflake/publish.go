package snowflake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

const (
	// attempts is how often a step is tried whose outcome is unknown.
	attempts = 3
	// goodbye is how long a ROLLBACK is waited for.
	goodbye = 10 * time.Second
)

// publish makes the load visible: all tables that DML brings by one commit, then those that take the place of others, one by one.
func (x *bringing) publish(ctx context.Context) error {
	for _, c := range x.changes {
		if !c.together() { // a new table has its columns, and so has one that is swapped
			continue
		}
		for _, sql := range c.alterations(c.to) {
			if _, err := x.s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepDefine, Table: c.Name.String()}); err != nil {
				if err := x.aside(ctx, x.s, c, fmt.Errorf("change %s: %w", c.As, err)); err != nil {
					return err
				}
				break
			}
		}
	}
	x.sort(x.changes)
	if err := x.commit(ctx); err != nil {
		return within("publish", err)
	}
	if slices.ContainsFunc(x.changes, func(c *change) bool { return !c.together() }) {
		if err := x.reconnect(ctx); err != nil { // it counts what other sessions have copied
			return within("publish", err)
		}
	}
	for _, c := range x.changes {
		if c.together() {
			continue
		}
		if err := x.replace(ctx, c); err != nil {
			if err := x.aside(ctx, x.s, c, err); err != nil {
				return err
			}
			x.clear(ctx, c)
			if err := x.leave(ctx, c); err != nil {
				return err
			}
		}
	}
	x.sort(x.changes)
	return nil
}

// within says where an error belongs, unless it says so itself, as that of a statement does.
func within(what string, err error) error {
	if strings.HasPrefix(err.Error(), what) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// ofTable is what a table's part in the transaction has failed by. All of it is rolled back then.
type ofTable struct {
	c *change
	error
}

func (e *ofTable) Unwrap() error { return e.error }

// commit runs the transaction, again without a table that has failed in it. When it is not known whether it was committed, the ledger
// tells, once the fence is taken again: that waits for the transaction's lock.
func (x *bringing) commit(ctx context.Context) error {
	for n := 1; len(x.changes) > 0 || x.takeover; n++ {
		err := x.transact(ctx)
		var of *ofTable
		if errors.As(err, &of) && apart(ctx, err) {
			if err := x.aside(ctx, x.s, of.c, of.error); err != nil {
				return err
			}
			x.sort(x.changes)
			n = 0
			continue
		}
		if err == nil || !snowflake.Unsure(err) || ctx.Err() != nil || n == attempts {
			return err
		}
		x.cfg.Log.Warn("the answer to a transaction was lost: the ledger is asked", "load", x.b.Load, "error", err)
		done, lost := x.fate(ctx)
		if lost != nil {
			return errors.Join(err, lost)
		}
		if done {
			return nil
		}
	}
	return nil
}

// fate says whether the load's transaction was committed. It is over when the fence is taken anew, or when another load holds it, which had
// to wait for the transaction's lock. Then what it has not committed it never will. A transaction without tables has left no rows of the
// load, but the snapshot: if that stands, the transaction cannot be repeated, since it begins with the snapshot that stood before.
func (x *bringing) fate(ctx context.Context) (bool, error) {
	if err := x.reconnect(ctx); err != nil {
		return false, err
	}
	fenced := x.take(ctx)
	if fenced != nil && !errors.Is(fenced, load.ErrFenced) {
		return false, fenced
	}
	landed := x.landed
	if fenced != nil { // the row of the fence is another load's
		landed = x.stand
	}
	done, err := landed(ctx, x.s)
	if done || err != nil {
		return done, err
	}
	return false, fenced
}

// landed says whether the ledger has what the transaction has written to it. Where that has no tables, it is the row of the fence, which must be the
// load's own still.
func (x *bringing) landed(ctx context.Context, s *snowflake.Session) (bool, error) {
	if slices.ContainsFunc(x.changes, (*change).together) {
		return x.stand(ctx, s)
	}
	at, err := x.seen(ctx, s)
	return at != nil && at.snapshot == x.m.Snapshot && at.run == x.m.Run && at.local == x.m.Target, err
}

// stand says whether the ledger has tables of the load.
func (x *bringing) stand(ctx context.Context, s *snowflake.Session) (bool, error) {
	rows, err := x.ask(ctx, s, x.ledger.Entries(x.target, x.b.Load))
	return slices.ContainsFunc(rows, func(row map[string]string) bool {
		return row["state"] == sf.StateCommitted && number(row["epoch"]) == x.begun // not of an earlier try of the same load
	}), err
}

// transact is the one transaction of the load. It begins with the fence, whose lock it holds to the end.
func (x *bringing) transact(ctx context.Context) (err error) {
	x.leaving = false
	s, err := x.session(ctx)
	if err != nil {
		return err
	}
	defer x.closed(s)
	name, _ := x.transactionName()
	for _, sql := range []string{sf.NoAutocommit, sf.BeginNamed(name)} {
		if _, err := s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepPublish}); err != nil {
			return err
		}
	}
	if err := x.undivided(ctx, s); err != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		if _, undone := s.Exec(late, snowflake.Statement{SQL: "ROLLBACK", Step: stepPublish}); undone != nil {
			x.cfg.Log.Warn("the transaction was not rolled back; Snowflake does so when its session ends", "load", x.b.Load, "error", undone)
		}
		return err
	}
	x.leaving = true
	if _, err = s.Exec(ctx, snowflake.Statement{SQL: "COMMIT", Step: stepPublish}); err != nil {
		return err
	}
	// Of a transaction that another load has ended, COMMIT says nothing: there is none.
	if done, err := x.landed(ctx, s); done || err != nil {
		return err
	}
	return errAborted
}

// undivided runs what the transaction consists of, and proves that it was one. Another load may have aborted it: what came after that stands in
// a transaction that has begun by itself, and is not to be committed.
func (x *bringing) undivided(ctx context.Context, s *snowflake.Session) error {
	began, err := x.transaction(ctx, s)
	if err == nil && began == "" {
		return errAborted
	}
	if err != nil {
		return err
	}
	failed := x.inside(ctx, s)
	ends, err := x.transaction(ctx, s)
	switch {
	case err == nil && ends != began: // whatever was found of rows that are gone with it
		return errAborted
	case failed != nil:
		return failed
	}
	return err
}

var errAborted = fmt.Errorf("%w: it has ended the transaction of this one", load.ErrFenced)

// transaction is the id of the session's open transaction; "" when there is none.
func (x *bringing) transaction(ctx context.Context, s *snowflake.Session) (string, error) {
	r, err := s.Query(ctx, snowflake.Statement{SQL: sf.CurrentTransaction, Step: stepPublish})
	if err != nil {
		return "", err
	}
	rows := records(r)
	if len(rows) != 1 {
		return "", fmt.Errorf("CURRENT_TRANSACTION gave %d rows", len(rows))
	}
	return rows[0]["id"], nil
}

// inside changes the tables of the transaction, and writes to the ledger what they hold then.
func (x *bringing) inside(ctx context.Context, s *snowflake.Session) error {
	st := x.ledger.Publish(x.target, x.epoch, x.stands, x.m.Snapshot, x.m.Run, x.m.Target, x.cfg.Clock())
	r, err := s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepPublish})
	if err != nil {
		return err
	}
	if r.Affected != 1 {
		return fmt.Errorf("%w: nothing of this one was published", load.ErrFenced)
	}
	for _, c := range x.changes {
		if !c.together() {
			continue
		}
		if err := x.change(ctx, s, c); err != nil {
			return &ofTable{c, within("publish "+c.Name.String(), err)}
		}
		if err := x.committed(ctx, s, c); err != nil {
			return within("publish "+c.Name.String(), err)
		}
	}
	return nil
}

// change brings one table within the transaction, and counts.
func (x *bringing) change(ctx context.Context, s *snowflake.Session, c *change) error {
	c.Inserted, c.Updated, c.Deleted, c.queries = 0, 0, 0, nil
	if c.idle() {
		if c.before.Rows != c.of.Rows {
			return fmt.Errorf("%w: no row was found to differ, but %d rows are there, and the local target has %d", load.ErrUnproven, c.before.Rows, c.of.Rows)
		}
		return nil
	}
	x.progress(c, "publish", 0, c.sent().bytes)
	for _, st := range c.statements() {
		r, err := s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepPublish, Table: c.Name.String(), Bulk: true})
		if err != nil {
			return readable(err, c)
		}
		c.Inserted += r.Counts["number of rows inserted"]
		c.Updated += r.Counts["number of rows updated"]
		c.Deleted += r.Counts["number of rows deleted"]
		c.queries = append(c.queries, r.QueryID)
	}
	if err := c.addsUp(); err != nil {
		return err
	}
	return x.counted(ctx, s, c)
}

// readable says which key MERGE has met twice, as far as it may be said.
func readable(err error, c *change) error {
	var e *snowflake.Error
	if errors.As(err, &e) && e.Kind == snowflake.KindDuplicate {
		return fmt.Errorf("%s, or what was sent to it, has a key %v more than once: `millrace verify --target` tells more, --renew replaces all rows: %w", c.As, c.of.Key, err)
	}
	return err
}

// statements are those that bring the change, from its staging tables.
func (c *change) statements() []sf.Statement {
	rows := c.cargo[0]
	switch c.Mode {
	case load.ModeAppend:
		return []sf.Statement{{SQL: sf.Append(c.to, rows.staging, c.columns)}}
	case load.ModeMerge:
		return []sf.Statement{sf.Merge(sf.MergeSpec{Table: c.to, Staging: rows.staging, Columns: c.columns, Key: c.key(), Soft: c.keep.marks(c.of), At: c.of.LogicalTime})}
	case load.ModeSCD2:
		return sf.SCD2(sf.SCD2Spec{Table: c.to, Staging: rows.staging, Columns: c.columns, Key: c.key(), At: c.of.LogicalTime})
	case load.ModePartition:
		var out []sf.Statement
		for _, sql := range sf.Partition(sf.PartitionSpec{Table: c.to, Staging: rows.staging, List: c.cargo[1].staging, Columns: c.columns, By: named(c.columns, c.keep.PartitionBy)}) {
			out = append(out, sf.Statement{SQL: sql})
		}
		return out
	}
	return []sf.Statement{{SQL: sf.InsertOverwrite(c.to, rows.staging, c.columns)}}
}
