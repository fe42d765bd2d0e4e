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
	lacks := &lacking{}
	err = lacks.try(ctx, s, f.ledger.Place(), f.ledger.Create())
	for _, schema := range slices.Sorted(maps.Keys(places)) {
		t := places[schema]
		t.Name = probe
		staging := sf.NewTable{Table: t.Staging(probe), Columns: []sf.Column{sf.DeletedAt}, Passing: true}
		if err == nil {
			prefix := staging.Table.Name + "/" // no table's own
			err = lacks.try(ctx, s, t, []string{sf.CreateStage(t.Stage()), sf.List(t.Stage(), prefix), sf.Remove(t.Stage(), prefix), sf.CreateStaging(staging), sf.Drop(staging.Table)})
		}
	}
	if err == nil && len(lacks.all) > 0 {
		err = lacks
	}
	if err != nil {
		return fmt.Errorf("prepare database %s: %w", f.cfg.Naming.Database, err)
	}
	return f.foreign(ctx, s)
}

// lacking is the error for all that the role may not do.
type lacking struct{ all []error }

func (l *lacking) Unwrap() []error { return l.all }

func (l *lacking) Error() string { return each(l.all, error.Error) }

// Hint is the grants, each once.
func (l *lacking) Hint() string {
	return each(l.all, func(err error) string {
		var e *snowflake.Error
		errors.As(err, &e)
		return e.Advice
	})
}

func each(all []error, text func(error) string) string {
	var texts []string
	for _, err := range all {
		if t := text(err); !slices.Contains(texts, t) {
			texts = append(texts, t)
		}
	}
	return strings.Join(texts, "; ")
}

// try makes the schema of a table, and runs statements in it. It goes on after what the role may not do, and past what is missing by that.
func (l *lacking) try(ctx context.Context, s *snowflake.Session, in sf.Table, statements []string) error {
	before := len(l.all)
	noted := func(err error) error {
		var e *snowflake.Error
		switch {
		case errors.As(err, &e) && e.Kind == snowflake.KindGrant:
			l.all = append(l.all, err)
		case err != nil && !(missing(err) && len(l.all) > before):
			return err
		}
		return nil
	}
	if err := noted(makeSchema(ctx, s, in)); err != nil || len(l.all) > before {
		return err
	}
	for _, sql := range statements {
		_, err := s.Query(ctx, snowflake.Statement{SQL: sql, Step: stepDefine})
		if err := noted(err); err != nil {
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
	if own := f.cfg.Naming.DefaultSchema; f.keep(warehouse.Name{Schema: own, Table: probe}).Mode != "none" {
		t, err := f.cfg.Naming.In(own, probe)
		if err != nil {
			return nil, err
		}
		out[t.InSchema()] = t
	}
	for _, n := range f.cfg.Nodes {
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
		if there == nil {
			continue
		}
		if role := f.cfg.Conn.Role; role != "" && there.owner != strings.ToUpper(role) {
			f.cfg.Log.Warn("a table is owned by another role than that which loads: what loads do to it may need its ownership",
				"table", to.String(), "owner", there.owner, "role", role, "grant", fmt.Sprintf("GRANT OWNERSHIP ON TABLE %s TO ROLE %s COPY CURRENT GRANTS", to, role))
		}
		if strings.HasPrefix(there.comment, sf.CommentOf("")) {
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
	node := ""
	for _, row := range rows {
		owner := sf.Target{Project: row["project"], Schema: row["target_schema"]}
		if node = (warehouse.Name{Schema: row["node_schema"], Table: row["node_table"]}).String(); owner != target {
			return fmt.Errorf("%w: %s and the ledger has it of project %s with schema %s, while this is project %s with schema %s: if that is an old name of yours, go back to it; or %s",
				load.ErrForeign, what, owner.Project, owner.Schema, target.Project, target.Schema, out), nil
		}
	}
	switch {
	case node != "" && there == nil:
		return fmt.Errorf("%s and the ledger has it as what this project has brought of %s: GRANT OWNERSHIP ON TABLE %s TO ROLE %s COPY CURRENT GRANTS, or let its owner load", what, node, to, f.role()), nil
	case node != "" && there.other == "":
		return fmt.Errorf("%s and the ledger has it as what this project has brought of %s, which has had that name: it keeps what it holds, so drop it once %[2]s is brought under another, or give this table another name with as: under tables of the target", what, node), nil
	}
	return fmt.Errorf("%w: %s and the ledger does not know it: %s", load.ErrForeign, what, out), nil
}

// made is the ledger's row for the table and the node of the load that the table's comment names; nil when there is none. Not
// started, it is a table that the target has left behind: under a name that it went away from, come to after its load was given up, or with rows that
// were not those that were sent.
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
