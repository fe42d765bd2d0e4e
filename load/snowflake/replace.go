package snowflake

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// replace gives a staging table the name of the table: it is not there yet, or is swapped. Neither can stand in a transaction with the
// fence, so such a statement may come when another load has taken over, or twice, which for a swap is none. What it cannot do without is the
// staging table: a load that takes over drops it first (recover), and so does this one before it believes that it was done once.
// Then the comment, which moves with the table, tells whether it was.
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
		if err := x.unchanged(ctx, c); err != nil {
			return err
		}
		sql = sf.Swap(c.to, c.cargo[0].staging)
	}
	r, err := x.s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepPublish, Table: c.Name.String()})
	switch {
	case err == nil:
		c.queries = []string{r.QueryID}
	case ctx.Err() != nil || !snowflake.Unsure(err) && !missing(err) && !taken(err): // a repeated rename misses the table that the first has renamed
		return err
	}
	if undone := x.happened(ctx, c, err); undone != nil {
		if !taken(err) {
			return undone
		}
		there, unseen := x.find(ctx, x.s, c.to, c.Name.String())
		stranger, unread := x.stranger(ctx, x.s, c.to, there)
		return errors.Join(stranger, unseen, unread)
	}
	c.Inserted, c.replaced = c.cargo[0].rows, true
	if err := x.counted(ctx, x.s, c); err != nil {
		return err
	}
	return x.noted(ctx, c)
}

// leave has the ledger learn that a table was left out at its rename or swap. Where that has happened, the table there is of no version: no later load
// may take it for the one that stood there. What cannot be noted the next load counts.
func (x *bringing) leave(ctx context.Context, c *change) error {
	left := x.ledger.Fail(c.entry)
	if c.replaced {
		left = x.ledger.Disown(c.entry)
	}
	if err := x.mark(ctx, c, left); err != nil {
		return fmt.Errorf("note that %s was not published: %w", c.Name, err)
	}
	return nil
}

// mark has the ledger say what became of a table. It does nothing where the ledger knows already.
func (x *bringing) mark(ctx context.Context, c *change, st sf.Statement) error {
	return x.again(ctx, func() error {
		_, err := x.s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger, Table: c.Name.String()})
		return err
	})
}

// taken says whether a name was not free.
func taken(err error) bool {
	var e *snowflake.Error
	return errors.As(err, &e) && e.Kind == snowflake.KindExists
}

// unchanged says whether the table that is about to be replaced is the one that was looked at.
func (x *bringing) unchanged(ctx context.Context, c *change) error {
	there, err := x.find(ctx, x.s, c.to, c.Name.String())
	if err != nil {
		return err
	}
	if there == nil || *there != *c.found {
		return fmt.Errorf("%w: %s was replaced by something else, or its changes are tracked, since the load has looked at it", load.ErrForeign, c.As)
	}
	return nil
}

// happened sees to it that a rename or a swap has been done once, or never will be. One that has not is left to the next load.
func (x *bringing) happened(ctx context.Context, c *change, lost error) error {
	if snowflake.Unsure(lost) {
		if err := x.reconnect(ctx); err != nil {
			return errors.Join(lost, err)
		}
	}
	err := x.again(ctx, func() error {
		_, err := x.s.Exec(ctx, snowflake.Statement{SQL: sf.Drop(c.cargo[0].staging), Step: stepPublish, Table: c.Name.String()})
		return err
	})
	if err != nil {
		return errors.Join(lost, err)
	}
	there, err := x.find(ctx, x.s, c.to, c.Name.String())
	switch {
	case err != nil:
		return errors.Join(lost, err)
	case there != nil && there.comment == sf.CommentOf(x.b.Load):
		return nil
	case lost != nil:
		return lost
	}
	return fmt.Errorf("%s is not the table that it was to become: another load took over, or a request that was sent again has taken back the first; the next load brings it", c.As)
}

// again repeats what may be repeated while its answer is lost.
func (x *bringing) again(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if err == nil || !snowflake.Unsure(err) || ctx.Err() != nil || n == attempts {
			return err
		}
		if err := x.reconnect(ctx); err != nil {
			return err
		}
	}
}

// noted writes into the ledger that a table has been replaced. A first try whose answer was lost may have done so, or a load that has
// taken over.
func (x *bringing) noted(ctx context.Context, c *change) error {
	return x.again(ctx, func() error {
		err := x.committed(ctx, x.s, c)
		if !errors.Is(err, load.ErrFenced) {
			return err
		}
		rows, unread := x.ask(ctx, x.s, x.ledger.Entries(x.target, x.b.Load))
		if unread != nil {
			return unread
		}
		for _, row := range rows {
			if row["node_schema"] == c.Name.Schema && row["node_table"] == c.Name.Table && row["state"] == sf.StateCommitted && number(row["epoch"]) == c.entry.Epoch {
				return nil
			}
		}
		return err
	})
}
