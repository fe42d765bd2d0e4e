package snowflake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// probe is the name under which Prepare makes a table, and drops it.
const probe = "PROBE"

// Prepare logs in, looks at the warehouse without waking it, and makes the ledger, the schemas, their stages, and a table in each that it
// drops again: what the role may not do is found before the first row is read. Whether a warehouse that sleeps does resume, which costs
// a minute of it, is found by the first COPY.
func (f *Follower) Prepare(ctx context.Context) error {
	s, err := f.quick.Session(ctx, map[string]string{"project": f.cfg.Project}, nil)
	if err != nil {
		return away(err)
	}
	defer s.Close()
	e, err := f.engine(ctx, s)
	if err != nil {
		return err
	}
	if e.asleep && !e.wakes {
		return fmt.Errorf("warehouse %s is suspended and does not resume by itself: ALTER WAREHOUSE %[1]s RESUME, or SET AUTO_RESUME = TRUE", f.cfg.Conn.Warehouse)
	}
	places, err := f.places()
	if err != nil {
		return err
	}
	statements := f.ledger.Create()
	for _, schema := range slices.Sorted(maps.Keys(places)) {
		t := places[schema]
		t.Name = probe
		staging := sf.NewTable{Table: t.Staging(probe), Columns: []sf.Column{sf.DeletedAt}, Transient: true}
		statements = append(statements, sf.CreateSchema(t), sf.CreateStage(t.Stage()), sf.List(t.Stage(), probe+"/"), sf.CreateStaging(staging), sf.Drop(staging.Table))
	}
	for _, sql := range statements {
		if _, err := s.Query(ctx, snowflake.Statement{SQL: sql, Step: stepDefine}); err != nil {
			return fmt.Errorf("prepare database %s: %w", f.cfg.Naming.Database, err)
		}
	}
	return f.foreign(ctx, s)
}

// places are the schemas that tables go to, each by one table.
func (f *Follower) places() (map[string]sf.Table, error) {
	out := map[string]sf.Table{}
	for _, n := range append([]warehouse.Name{{Schema: f.cfg.Naming.DefaultSchema, Table: probe}}, f.cfg.Nodes...) {
		if f.keep(n).Mode == "none" {
			continue
		}
		t, err := f.cfg.Naming.Table(n)
		if err != nil {
			return nil, err
		}
		out[t.InSchema()] = t
	}
	return out, nil
}

// foreign refuses tables that have the name of one of the project's, and that the ledger does not know.
func (f *Follower) foreign(ctx context.Context, s *snowflake.Session) error {
	standing, err := f.standing(ctx, s)
	if err != nil && !errors.Is(err, load.ErrNothing) {
		return err
	}
	var all []error
	for _, n := range f.cfg.Nodes {
		if standing.Table(n) != nil || f.keep(n).Mode == "none" {
			continue
		}
		to, err := f.cfg.Naming.Table(n)
		if err != nil {
			return err
		}
		there, err := f.find(ctx, s, to, n.String())
		if err != nil {
			return err
		}
		if there == nil {
			continue
		}
		ours, err := f.made(ctx, s, n, there)
		if err != nil {
			return err
		}
		if !ours { // unless a load has ended since the ledger was read
			if standing, err = f.standing(ctx, s); err != nil && !errors.Is(err, load.ErrNothing) {
				return err
			}
			ours = standing.Table(n) != nil
		}
		if !ours {
			all = append(all, stranger(to, there))
		}
	}
	return errors.Join(all...)
}

// stranger is the error for a table that the project has not made.
func stranger(to sf.Table, there *found) error {
	return fmt.Errorf("%w: %s is there, owned by role %s, and the ledger does not know it: rename or drop it, or give the table another name with as: under tables of the target",
		load.ErrForeign, to, there.owner)
}

// made says whether a load has made the table and was cut off before the ledger learned of it: its comment names the load.
func (f *Follower) made(ctx context.Context, s *snowflake.Session, n warehouse.Name, there *found) (bool, error) {
	id, ok := strings.CutPrefix(there.comment, sf.CommentOf(""))
	if !ok {
		return false, nil
	}
	rows, err := f.ask(ctx, s, f.ledger.Entries(id))
	for _, row := range rows {
		if row["node_schema"] == n.Schema && row["node_table"] == n.Table && row["state"] == sf.StateStarted {
			return true, nil
		}
	}
	return false, err
}
