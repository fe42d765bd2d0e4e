package snowflake

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// swappable refuses to swap tables that something hangs on which does not follow a swap: streams, and policies that CREATE TABLE LIKE
// does not copy. A stream that the role may not see has left its trace: the table's changes are tracked.
func (x *bringing) swappable(ctx context.Context) error {
	var streams []map[string]string
	for _, c := range x.changes {
		if c.Mode != load.ModeSwap || c.found == nil {
			continue
		}
		or := "use strategy: overwrite, or "
		if c.remake { // no strategy spares it that
			or = ""
		}
		if streams == nil {
			r, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.ShowStreams(c.to.Database), Step: stepLook})
			if err != nil {
				return fmt.Errorf("look for streams: %w", err)
			}
			streams = append(records(r), map[string]string{})
		}
		for _, row := range streams {
			if strings.ReplaceAll(row["table_name"], `"`, "") == c.to.Database+"."+c.to.Schema+"."+c.to.Name {
				c.refuse(fmt.Errorf("%s has the stream %s, which would not follow a swap: %sdrop the stream", c.As, row["name"], or))
			}
		}
		if c.found.tracked && c.pending() {
			c.refuse(fmt.Errorf("%s has CHANGE_TRACKING on, so it may have streams or dynamic tables over it that role %s may not see, and that would not follow a swap: %swhere nothing reads its changes, ALTER TABLE %[1]s SET CHANGE_TRACKING = FALSE", c.As, x.role(), or))
		}
		r, err := x.s.Query(ctx, snowflake.Statement{SQL: sf.Policies(c.to), Step: stepLook, Table: c.Name.String()})
		if err != nil {
			return fmt.Errorf("look for policies on %s: %w", c.As, err)
		}
		for _, row := range records(r) {
			c.refuse(fmt.Errorf("%s has the policy %s, which the table that takes its place would lack: %sunset it, and set it again behind the load", c.As, row["policy_name"], or))
		}
	}
	x.sort(x.changes)
	return nil
}
