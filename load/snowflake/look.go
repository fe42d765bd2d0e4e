package snowflake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// found is a table as it is there, or what has its name. What is asked for it needs no warehouse.
type found struct {
	transient      bool
	tracked        bool   // somebody may read its changes
	other          string // the kind of what is no table: VIEW
	owner, comment string
}

// find looks for one table; nil when nothing has its name, as far as the role may see.
func (f *Follower) find(ctx context.Context, s *snowflake.Session, to sf.Table, about string) (*found, error) {
	for _, sql := range []string{sf.ShowTables(to), sf.ShowObjects(to)} { // the first tells what is transient, the second what is no table
		r, err := s.Query(ctx, snowflake.Statement{SQL: sql, Step: stepLook, Table: about})
		if missing(err) { // the schema
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, row := range records(r) {
			if row["name"] != to.Name {
				continue
			}
			there := &found{transient: row["kind"] == "TRANSIENT", tracked: row["change_tracking"] == "ON", owner: row["owner"], comment: row["comment"]}
			if sql == sf.ShowObjects(to) {
				there.other = row["kind"]
			}
			return there, nil
		}
	}
	return nil, nil
}

func missing(err error) bool {
	var e *snowflake.Error
	return errors.As(err, &e) && e.Kind == snowflake.KindMissing
}

// look compares the changes with the tables as they are there. What it finds is not what the ledger says: somebody else has changed it.
func (f *Follower) look(ctx context.Context, s *snowflake.Session, changes []*change) error {
	for _, c := range changes {
		if !c.pending() {
			continue
		}
		before := c.before
		var err error
		if c.found, err = f.find(ctx, s, c.to, c.Name.String()); err != nil {
			return fmt.Errorf("look at %s: %w", c.As, err)
		}
		switch {
		case c.found != nil && c.found.other != "":
			stranger, err := f.stranger(ctx, s, c.to, c.found)
			if err != nil {
				return fmt.Errorf("look at %s: %w", c.As, err)
			}
			c.refuse(stranger)
		case c.found == nil:
			c.Mode, c.remake, c.before = load.ModeNew, false, nil
		case c.before == nil || c.Mode == load.ModeNew || c.before.As != c.As:
			if err := f.own(ctx, s, c); err != nil {
				return fmt.Errorf("look at %s: %w", c.As, err)
			}
		case !c.remake:
			if err := f.fit(ctx, s, c); err != nil {
				return fmt.Errorf("look at %s: %w", c.As, err)
			}
		}
		if c.former != "" {
			c.Why += "; the table of its former name is left as it was: " + sf.DropNamed(c.former) + " removes it" + onlyThere(*before)
		}
	}
	return nil
}

// own decides what becomes of a table that is there and that the ledger does not say the target holds.
func (f *Follower) own(ctx context.Context, s *snowflake.Session, c *change) error {
	made, err := f.made(ctx, s, c.Name, c.to, c.found)
	held := made != nil && made["state"] == sf.StateCommitted && !c.renew
	switch {
	case err != nil:
		return err
	case made != nil && made["state"] == sf.StateStarted:
		c.Mode, c.Why = load.ModeNew, "an earlier load has made it, and was cut off: the ledger is to learn of it first"
	case held && c.keep.Mode == "append":
		c.refuse(fmt.Errorf("an earlier load has made %s, whose rows mode append does not replace: --renew does, as: gives the table another name", c.As))
	case held && richer(made["fingerprint"], c.As):
		c.refuse(fmt.Errorf("an earlier load has made %s, and it holds rows that nothing else does, past ones or such as are marked as deleted: its history cannot be continued; --renew begins it anew, as: gives the table another name", c.As))
	case made != nil:
		c.settled(choice{load.ModeSwap, "an earlier load has made it: all of its rows are replaced" + regrant, true})
	default:
		stranger, err := f.stranger(ctx, s, c.to, c.found)
		if err != nil {
			return err
		}
		c.refuse(stranger)
	}
	return nil
}

// fit finds the statements that give the table the columns that it lacks, and wider types.
func (f *Follower) fit(ctx context.Context, s *snowflake.Session, c *change) error {
	r, err := s.Query(ctx, snowflake.Statement{SQL: sf.Describe(c.to), Step: stepLook, Table: c.Name.String()})
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, row := range records(r) {
		have[row["name"]] = row["type"]
	}
	all, err := c.withKept()
	if err != nil {
		return err
	}
	if c.renew && !alike(all, have) {
		c.Mode, c.Why, c.remake = load.ModeSwap, renewed+", and its columns are not those that are there"+regrant, true
		return nil
	}
	for _, col := range all {
		typ, ok := have[col.Name]
		if !ok {
			c.added = append(c.added, col)
			continue
		}
		if !c.had(col) {
			c.strays = append(c.strays, col)
		}
		wider, err := sf.Widen(c.Name, col.Name, typ, col.Type)
		if err != nil && !c.keep.history() && !c.keep.marks(c.of) && !c.had(col) {
			c.settled(choice{load.ModeSwap, fmt.Sprintf("column %q is there as %s, which no version has that was published last: the table is made anew%s", col.Source, typ, regrant), true})
			c.added, c.wider = nil, nil
			return nil
		}
		if err != nil {
			c.refuse(err)
			return nil
		}
		if wider != "" {
			c.wider = append(c.wider, [2]string{col.Name, wider})
		}
	}
	c.astray()
	return nil
}

// astray sees to it that no value stays which is there and that no load has brought: every row is sent, and where all are not simply replaced, as
// one that differs.
func (c *change) astray() {
	if len(c.strays) == 0 || c.Mode == load.ModeFull || c.Mode == load.ModeSwap {
		return
	}
	why := fmt.Sprintf("column %q is there already, and no version has it that was published last: all rows are sent", c.strays[0].Source)
	if c.keep.history() || c.keep.marks(c.of) {
		c.Why += "; " + why + ", unless it holds nothing"
		return
	}
	c.settled(fully(c.keep, why))
}

// had says whether the version that is there has the column: else a load that failed has added it, or it was left by an earlier version.
func (c *change) had(col sf.Column) bool {
	return slices.ContainsFunc(slices.Concat(c.before.Columns, c.kept()), func(o warehouse.Column) bool { return strings.EqualFold(o.Name, col.Source) })
}

// alike says whether the columns there are these, and hold what these hold.
func alike(columns []sf.Column, have map[string]string) bool {
	for _, col := range columns {
		typ, ok := have[col.Name]
		if !ok {
			return false
		}
		if wider, err := sf.Widen(warehouse.Name{}, col.Name, typ, col.Type); err != nil || wider != "" {
			return false
		}
	}
	return len(columns) == len(have)
}

// alterations are the statements that make a table fit.
func (c *change) alterations(t sf.Table) []string {
	out := sf.AddColumns(t, c.added)
	for _, w := range c.wider {
		out = append(out, sf.AlterType(t, w[0], w[1]))
	}
	return out
}

// unmarked refuses to replace all rows of a table that holds some which nothing else has: those that are marked as deleted.
func (x *bringing) unmarked(ctx context.Context) error {
	for _, c := range x.changes {
		if !c.pending() || c.renew || c.before == nil || !c.keep.marks(c.of) || c.Mode != load.ModeFull && c.Mode != load.ModeSwap {
			continue
		}
		n, err := x.number(ctx, x.s, c.Name, sf.CountValues(c.to.String(), []sf.Column{sf.DeletedAt}))
		if err == nil && n == 0 {
			continue
		}
		if err == nil {
			err = fmt.Errorf("%s: all rows would have to be replaced, and %d that are marked as deleted are nowhere else: --renew %s replaces all of them", c.Why, n, c.Name)
		}
		if err := x.aside(ctx, x.s, c, err); err != nil {
			return err
		}
	}
	return nil
}

// emptied asks whether the columns that were not in the version before hold anything in the rows that it has: where a load that failed has added them,
// they do not, and only the rows that differ are sent.
func (x *bringing) emptied(ctx context.Context, c *change) error {
	if len(c.strays) == 0 || c.Mode != load.ModeMerge && c.Mode != load.ModeSCD2 {
		return nil
	}
	n, err := x.number(ctx, x.s, c.Name, sf.CountValues(sf.Live(c.to, c.keep.marks(c.of), c.keep.history()), c.strays))
	if err == nil && n == 0 {
		c.strays = nil
	}
	return err
}
