package snowflake

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// recover finishes what loads before this one have left half done, now that none of them can go on. A transaction is committed with its
// ledger rows, or not at all. What stands outside of one may still be on its way: a rename, a swap, or a statement whose transaction was
// ended by the load that took over. Each needs its staging table, and does nothing once that is dropped. A rename or a swap that has happened
// is told by the comment that has moved with the table: it is counted, and the ledger learns of it here. Files are left for a look, until
// they are swept.
func (x *bringing) recover(ctx context.Context) error {
	rows, err := x.ask(ctx, x.s, x.ledger.Unfinished(x.target))
	if err != nil || len(rows) == 0 {
		return err
	}
	for _, row := range rows {
		node := warehouse.Name{Schema: row["node_schema"], Table: row["node_table"]}
		to, err := x.cfg.Naming.Table(node)
		if err != nil || to.String() != row["table_as"] {
			continue // it has another name now, and is made anew under that
		}
		if _, err := x.s.Exec(ctx, snowflake.Statement{SQL: sf.Drop(to.Staging(row["load_id"])), Step: stepLedger, Table: node.String()}); err != nil && !missing(err) {
			return fmt.Errorf("drop what load %s has left of %s: %w", row["load_id"], to, err)
		}
		if m := load.Mode(row["mode"]); m != load.ModeNew && m != load.ModeSwap {
			continue
		}
		there, err := x.find(ctx, x.s, to, node.String())
		if err != nil {
			return err
		}
		if there == nil || there.comment != sf.CommentOf(row["load_id"]) {
			continue
		}
		if err := x.settle(ctx, row, node, to); err != nil {
			return fmt.Errorf("note that load %s has published %s: %w", row["load_id"], to, err)
		}
	}
	st := x.ledger.GiveUp(x.target, x.epoch)
	_, err = x.s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger})
	return err
}

// settle has the ledger learn of a table that a load before this one has made and not noted. It may have been cut off before it counted the
// rows, or because of what it counted: they are counted here. A view, whose rows nobody had counted when the load noted it, is made anew.
func (x *bringing) settle(ctx context.Context, row map[string]string, node warehouse.Name, to sf.Table) error {
	e := sf.Entry{Load: row["load_id"], Node: node, Epoch: number(row["epoch"]), Expected: number(row["rows_expected"]), Checksum: row["checksum"],
		QueryIDs: "[]", Committed: x.cfg.Clock()}
	var err error
	if e.Loaded, err = x.number(ctx, x.s, node, sf.CountLive(to.String())); err != nil && !apart(ctx, err) {
		return err
	}
	st := x.ledger.Commit(e)
	if err != nil || e.Loaded != e.Expected { // which the role may not count, it has to be made anew as well
		x.cfg.Log.Warn("a table that an earlier load has made is made anew: its rows are not known to be those that were sent", "load", x.b.Load, "table", node.String(),
			"made by", e.Load, "rows", e.Loaded, "expected", e.Expected, "error", err)
		st = x.ledger.Disown(e)
	}
	_, err = x.s.Exec(ctx, snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: stepLedger, Table: node.String()})
	return err
}
