package snowflake

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
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
			return fmt.Errorf("%w: of %d rows, %d began and %d ended%s", load.ErrUnproven, sent, c.Inserted, c.Updated+c.Deleted, c.later())
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
	if c.Mode == load.ModeSCD2 { // first: then the other count is wrong too
		n, err := x.number(ctx, s, c.Name, sf.CurrentTwice(c.to, c.key()))
		if err == nil && n > 0 {
			err = fmt.Errorf("%w: %d keys of %s would have two current rows%s", load.ErrUnproven, n, c.As, c.later())
		}
		if err != nil {
			return err
		}
	}
	n, err := x.number(ctx, s, c.Name, sf.CountLive(sf.Live(c.to, c.keep.marks(c.of), c.keep.history())))
	if err != nil {
		return err
	}
	if want := c.expected(); n != want {
		return fmt.Errorf("%w: %s would have %d rows, and the local target has %d: was it changed by something else? --renew replaces all of its rows", load.ErrUnproven, c.As, n, want)
	}
	c.Rows = n
	return nil
}

// later is how a history comes to be one that does not add up.
func (c *change) later() string {
	return fmt.Sprintf("; rows of it begin later than %s, the logical time of the run that built this version, if that has worked on a time that is past: --renew begins the history anew", c.of.LogicalTime.Format(time.RFC3339))
}

// number asks for one whole number.
func (x *bringing) number(ctx context.Context, s *snowflake.Session, about warehouse.Name, sql string) (int64, error) {
	r, err := s.Query(ctx, snowflake.Statement{SQL: sql, Step: stepVerify, Table: about.String()})
	if err != nil {
		return 0, err
	}
	rows := records(r)
	if len(rows) != 1 {
		return 0, fmt.Errorf("a count gave %d rows", len(rows))
	}
	return strconv.ParseInt(rows[0]["n"], 10, 64)
}
