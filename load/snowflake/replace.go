package snowflake

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

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
	r, err := x.s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepPublish, Table: c.Name.String()})
	switch {
	case err == nil:
		c.queries = []string{r.QueryID}
	case snowflake.Unsure(err) && ctx.Err() == nil:
		if err := x.happened(ctx, c, err); err != nil {
			return err
		}
	case taken(err):
		if there, lost := x.find(ctx, x.s, c.to, c.Name.String()); lost != nil || there == nil || there.comment != sf.CommentOf(x.b.Load) {
			return errors.Join(x.stranger(c.to, there), lost)
		} // the driver has sent it twice
	default:
		return err
	}
	c.Rows, c.Inserted = c.expected(), c.cargo[0].rows
	return x.noted(ctx, c)
}

// taken says whether a name was not free.
func taken(err error) bool {
	var e *snowflake.Error
	return errors.As(err, &e) && e.Kind == snowflake.KindExists
}

// happened says whether a rename or a swap whose answer was lost was done. One that was not is left to the next load: sent again, it could
// meet the first on its way, and two swaps are none.
func (x *bringing) happened(ctx context.Context, c *change, lost error) error {
	if err := x.reconnect(ctx); err != nil {
		return errors.Join(lost, err)
	}
	there, err := x.find(ctx, x.s, c.to, c.Name.String())
	if err != nil {
		return errors.Join(lost, err)
	}
	if there == nil || there.comment != sf.CommentOf(x.b.Load) {
		return lost
	}
	return nil
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
