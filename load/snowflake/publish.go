package snowflake

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// attempts is how often a step is tried whose outcome is unknown.
const attempts = 3

// publish makes the load visible: all tables that DML brings by one commit, then those that take the place of others, one by one.
func (x *bringing) publish(ctx context.Context) error {
	for _, c := range x.changes {
		if !c.together() || c.idle() {
			continue
		}
		for _, sql := range c.alterations(c.to) {
			if _, err := x.s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepDefine, Table: c.Name.String()}); err != nil {
				return fmt.Errorf("change %s: %w", c.As, err)
			}
		}
	}
	if err := x.commit(ctx); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	for _, c := range x.changes {
		if c.together() {
			continue
		}
		if err := x.replace(ctx, c); err != nil {
			return fmt.Errorf("publish %s: %w", c.Name, err)
		}
	}
	return nil
}

// commit runs the transaction. When it is not known whether it was committed, the ledger tells, once the fence is taken again:
// that waits for the transaction's lock.
func (x *bringing) commit(ctx context.Context) error {
	for n := 1; ; n++ {
		err := x.transact(ctx)
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
}

// fate says whether the load's transaction was committed. It is over when the answer is there.
func (x *bringing) fate(ctx context.Context) (bool, error) {
	if err := x.reconnect(ctx); err != nil {
		return false, err
	}
	if err := x.take(ctx); err != nil {
		return false, err
	}
	rows, err := x.ask(ctx, x.s, x.ledger.Entries(x.b.Load))
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		if row["state"] == sf.StateCommitted {
			return true, nil
		}
	}
	return false, nil // or it had no tables: then it may be repeated
}

// transact is the one transaction of the load. It begins with the fence, whose lock it holds to the end.
func (x *bringing) transact(ctx context.Context) (err error) {
	s, err := x.session(ctx, x.db)
	if err != nil {
		return err
	}
	defer x.closed(s)
	name, _ := x.transactionName()
	if _, err := s.Exec(ctx, snowflake.Statement{SQL: sf.BeginNamed(name), Step: stepPublish}); err != nil {
		return err
	}
	if err := x.inside(ctx, s); err != nil {
		if _, undone := s.Exec(context.WithoutCancel(ctx), snowflake.Statement{SQL: "ROLLBACK", Step: stepPublish}); undone != nil {
			x.cfg.Log.Warn("the transaction was not rolled back; Snowflake does so when its session ends", "load", x.b.Load, "error", undone)
		}
		return err
	}
	_, err = s.Exec(ctx, snowflake.Statement{SQL: "COMMIT", Step: stepPublish})
	return err
}

func (x *bringing) inside(ctx context.Context, s *snowflake.Session) error {
	st := x.ledger.Publish(x.target, x.epoch, x.m.Snapshot, x.m.Run, x.cfg.Clock())
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
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		if err := x.committed(ctx, s, c); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

// change brings one table within the transaction, and counts.
func (x *bringing) change(ctx context.Context, s *snowflake.Session, c *change) error {
	c.Inserted, c.Updated, c.Deleted, c.queries = 0, 0, 0, nil
	if c.idle() {
		return nil
	}
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

// addsUp compares what the statements counted with what was sent.
func (c *change) addsUp() error {
	sent, changed := c.cargo[0].rows, c.Inserted
	switch c.Mode {
	case load.ModeMerge:
		changed += c.Updated + c.Deleted
	case load.ModeSCD2: // keys that are gone add no row
		if c.Inserted > sent || c.Inserted+c.Updated+c.Deleted < sent {
			return fmt.Errorf("%w: of %d rows, %d began and %d ended", load.ErrUnproven, sent, c.Inserted, c.Updated+c.Deleted)
		}
		return nil
	}
	if changed != sent {
		return fmt.Errorf("%w: %d rows were sent, and %d inserted, %d updated, %d deleted: was %s changed by something else? --renew replaces all of its rows",
			load.ErrUnproven, sent, c.Inserted, c.Updated, c.Deleted, c.As)
	}
	return nil
}

// expected is how many rows the node has: of a view, what was sent.
func (c *change) expected() int64 {
	if c.of.View != "" {
		return c.cargo[0].rows
	}
	return c.of.Rows
}

// counted compares the rows that the table has now with those of the node.
func (x *bringing) counted(ctx context.Context, s *snowflake.Session, c *change) error {
	n, err := x.number(ctx, s, c, sf.CountLive(sf.Live(c.to, c.keep.marks(c.of), c.keep.history())))
	if err != nil {
		return err
	}
	if want := c.expected(); n != want {
		return fmt.Errorf("%w: %s would have %d rows, and the local target has %d: was it changed by something else? --renew replaces all of its rows", load.ErrUnproven, c.As, n, want)
	}
	c.Rows = n
	if c.Mode != load.ModeSCD2 {
		return nil
	}
	if n, err = x.number(ctx, s, c, sf.CurrentTwice(c.to, c.key())); err == nil && n > 0 {
		err = fmt.Errorf("%w: %d keys of %s would have two current rows: has it rows that begin later than %s?", load.ErrUnproven, n, c.As, c.of.LogicalTime)
	}
	return err
}

// number asks for one whole number.
func (x *bringing) number(ctx context.Context, s *snowflake.Session, c *change, sql string) (int64, error) {
	r, err := s.Query(ctx, snowflake.Statement{SQL: sql, Step: stepVerify, Table: c.Name.String()})
	if err != nil {
		return 0, err
	}
	rows := records(r)
	if len(rows) != 1 {
		return 0, fmt.Errorf("a count gave %d rows", len(rows))
	}
	return strconv.ParseInt(rows[0]["n"], 10, 64)
}

// replace gives a staging table the name of the table: it is not there yet, or is swapped. Neither can stand in a transaction, so
// the comment, which moves with the table, tells whether it has happened.
func (x *bringing) replace(ctx context.Context, c *change) error {
	at, err := x.seen(ctx, x.s)
	if err != nil {
		return err
	}
	if at == nil || at.epoch != x.epoch {
		return load.ErrFenced
	}
	sql := sf.Rename(c.cargo[0].staging, c.to)
	if c.Mode == load.ModeSwap {
		sql = sf.Swap(c.to, c.cargo[0].staging)
	}
	for n := 1; ; n++ {
		r, err := x.s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepPublish, Table: c.Name.String()})
		if err == nil {
			c.queries = []string{r.QueryID}
			break
		}
		if !snowflake.Unsure(err) || ctx.Err() != nil || n == attempts {
			return err
		}
		if err := x.reconnect(ctx); err != nil {
			return err
		}
		there, err := x.find(ctx, x.s, c.to, c.Name.String())
		if err != nil {
			return err
		}
		if there != nil && there.comment == sf.CommentOf(x.b.Load) {
			break
		}
	}
	c.Rows, c.Inserted = c.expected(), c.cargo[0].rows
	return x.noted(ctx, c)
}

// noted writes into the ledger that a table has been replaced. It may be repeated.
func (x *bringing) noted(ctx context.Context, c *change) error {
	for n := 1; ; n++ {
		err := x.committed(ctx, x.s, c)
		if err == nil || !snowflake.Unsure(err) || ctx.Err() != nil || n == attempts {
			return err
		}
		if err := x.reconnect(ctx); err != nil {
			return err
		}
	}
}

// check counts the tables that stand outside of the transaction; those within it were counted before it was committed.
func (x *bringing) check(ctx context.Context) error {
	for _, c := range x.changes {
		if c.together() {
			continue
		}
		if err := x.counted(ctx, x.s, c); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

// tidy removes what is not needed any more. All is published: what fails here is swept later.
func (x *bringing) tidy(ctx context.Context) error {
	for _, c := range x.changes {
		for i, g := range c.cargo {
			statements := []string{sf.Remove(c.to.Stage(), g.prefix)}
			if !c.idle() && (i > 0 || c.Mode != load.ModeNew) {
				statements = append(statements, sf.Drop(g.staging))
			}
			for _, sql := range statements {
				x.perhaps(ctx, sql, c.Name.String())
			}
		}
	}
	if x.cfg.Suspend {
		x.perhaps(ctx, sf.SuspendWarehouse(x.cfg.Conn.Warehouse), "")
	}
	return nil
}

func (x *bringing) perhaps(ctx context.Context, sql, table string) {
	if _, err := x.s.Query(ctx, snowflake.Statement{SQL: sql, Step: stepTidy, Table: table}); err != nil {
		x.cfg.Log.Warn("the load is published, but was not tidied up after", "load", x.b.Load, "table", table, "error", err)
	}
}
