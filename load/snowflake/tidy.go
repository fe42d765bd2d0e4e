package snowflake

import (
	"context"

	"github.com/millrace/millrace/internal/snowflake"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// tidy removes what is not needed any more. All is published: what fails here is swept later.
func (x *bringing) tidy(ctx context.Context) error {
	for _, c := range x.changes {
		x.clear(ctx, c)
	}
	return nil
}

// clear removes a change's files and its staging tables, but for the one that has become the table.
func (x *bringing) clear(ctx context.Context, c *change) {
	for i, g := range c.cargo {
		statements := []string{sf.Remove(c.to.Stage(), g.prefix)}
		if !c.idle() && (i > 0 || c.together() || c.Error != "") {
			statements = append(statements, sf.Drop(g.staging))
		}
		for _, sql := range statements {
			x.perhaps(ctx, sql, c.Name.String())
		}
	}
}

func (x *bringing) perhaps(ctx context.Context, sql, table string) {
	if _, err := x.s.Query(ctx, snowflake.Statement{SQL: sql, Step: stepTidy, Table: table}); err != nil {
		x.cfg.Log.Warn("the load was not tidied up after", "load", x.b.Load, "table", table, "error", err)
	}
}
