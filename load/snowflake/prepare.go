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
// drops again: what the role may not do is found before the first row is read. None of it needs the warehouse, except where a table is there
// whose comment does not say that a load has made it: then the ledger is read. Whether a warehouse that sleeps does resume, which costs a
// minute of it, is found when the load begins. What another time may be over, is load.ErrAway.
func (f *Follower) Prepare(ctx context.Context) error { return away(f.prepare(ctx)) }

func (f *Follower) prepare(ctx context.Context) error {
	s, err := f.db.Session(ctx, map[string]string{"project": f.cfg.Project}, nil)
	if err != nil {
		return err
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
	err = try(ctx, s, f.ledger.Place(), f.ledger.Create())
	for _, schema := range slices.Sorted(maps.Keys(places)) {
		t := places[schema]
		t.Name = probe
		staging := sf.NewTable{Table: t.Staging(probe), Columns: []sf.Column{sf.DeletedAt}, Passing: true}
		if err == nil {
			err = try(ctx, s, t, []string{sf.CreateStage(t.Stage()), sf.List(t.Stage(), probe+"/"), sf.CreateStaging(staging), sf.Drop(staging.Table)})
		}
	}
	if err != nil {
		return fmt.Errorf("prepare database %s: %w", f.cfg.Naming.Database, err)
	}
	return f.foreign(ctx, s)
}

// try makes the schema of a table, and runs statements in it.
func try(ctx context.Context, s *snowflake.Session, in sf.Table, statements []string) error {
	if err := makeSchema(ctx, s, in); err != nil {
		return err
	}
	for _, sql := range statements {
		if _, err := s.Query(ctx, snowflake.Statement{SQL: sql, Step: stepDefine}); err != nil {
			return err
		}
	}
	return nil
}

// makeSchema makes a table's schema unless the role sees it: where an administrator has made it, the role need not be allowed to.
func makeSchema(ctx context.Context, s *snowflake.Session, of sf.Table) error {
	r, err := s.Query(ctx, snowflake.Statement{SQL: sf.ShowSchemas(of), Step: stepLook})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(records(r), func(row map[string]string) bool { return row["name"] == of.Schema }) {
		return nil
	}
	_, err = s.Exec(ctx, snowflake.Statement{SQL: sf.CreateSchema(of), Step: stepDefine})
	return err
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

// foreign refuses tables that have the name of one of the project's, and that neither their comment nor the ledger knows as a load's. One that
// another project's loads have made is found by Bring, which reads the ledger in any case.
func (f *Follower) foreign(ctx context.Context, s *snowflake.Session) error {
	var standing *load.Standing
	var read bool
	var all []error
	for _, n := range f.cfg.Nodes {
		if f.keep(n).Mode == "none" {
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
		if there == nil || strings.HasPrefix(there.comment, sf.CommentOf("")) {
			continue
		}
		if !read {
			if standing, err = f.standing(ctx, s); err != nil && !errors.Is(err, load.ErrNothing) {
				return err
			}
			read = true
		}
		if held := standing.Table(n); held != nil && held.As == to.String() {
			continue
		}
		stranger, err := f.stranger(ctx, s, to, there)
		if err != nil {
			return err
		}
		all = append(all, stranger)
	}
	return errors.Join(all...)
}

// stranger is the error for what the target's loads have not made and has the name of one of its tables, as far as the ledger tells who has;
// there is nil where the role may not see it.
func (f *Follower) stranger(ctx context.Context, s *snowflake.Session, to sf.Table, there *found) (stranger, err error) {
	target, err := f.target()
	if err != nil {
		return nil, err
	}
	rows, err := f.ask(ctx, s, f.ledger.Owner(to))
	if err != nil && !missing(err) {
		return nil, err
	}
	what := fmt.Sprintf("%s is there, though role %s may not see it,", to, f.role())
	if there != nil && there.other != "" {
		what = fmt.Sprintf("%s is there, a %s owned by role %s,", to, there.other, there.owner)
	} else if there != nil {
		what = fmt.Sprintf("%s is there, owned by role %s,", to, there.owner)
	}
	const out = "rename or drop it, or give the table another name with as: under tables of the target"
	for _, row := range rows {
		if owner := (sf.Target{Project: row["project"], Schema: row["target_schema"]}); owner != target {
			return fmt.Errorf("%w: %s and the ledger has it of project %s with schema %s, while this is project %s with schema %s: if that is an old name of yours, go back to it; or %s",
				load.ErrForeign, what, owner.Project, owner.Schema, target.Project, target.Schema, out), nil
		}
	}
	return fmt.Errorf("%w: %s and the ledger does not know it: %s", load.ErrForeign, what, out), nil
}

// made is the ledger's row for the table and the node of the load that the table's comment names; nil when there is none. Not
// started, it is a table that the target has left behind: under a name that it went away from, or come to after its load was given up.
func (f *Follower) made(ctx context.Context, s *snowflake.Session, n warehouse.Name, to sf.Table, there *found) (map[string]string, error) {
	id, ok := strings.CutPrefix(there.comment, sf.CommentOf(""))
	if !ok {
		return nil, nil
	}
	target, err := f.target()
	if err != nil {
		return nil, err
	}
	rows, err := f.ask(ctx, s, f.ledger.Entries(target, id))
	if err != nil && !missing(err) {
		return nil, err
	}
	for _, row := range rows {
		if row["node_schema"] == n.Schema && row["node_table"] == n.Table && row["table_as"] == to.String() {
			return row, nil
		}
	}
	return nil, nil
}
