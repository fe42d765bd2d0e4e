package snowflake

import (
	"context"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

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
