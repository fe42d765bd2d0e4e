package snowflake

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// Verify compares counts and sums of each column, and a hash over all rows, of the tables there with those of the local files. A table
// that is behind is compared with the version that the ledger says it holds. What fails for one table is told of it; when the session or the warehouse
// is lost, so are the tables that are left.
func (f *Follower) Verify(ctx context.Context, m *load.Manifest, tables []warehouse.Name) (out []load.Compared, err error) {
	s, err := f.db.Session(ctx, map[string]string{"project": f.cfg.Project}, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	standing, err := f.standing(ctx, s)
	if err != nil && !errors.Is(err, load.ErrNothing) {
		return nil, err
	}
	changes, err := f.changes(ctx, m, standing, nil)
	if err != nil {
		return nil, err
	}
	moving, err := f.moving(ctx, m)
	if err != nil {
		return nil, err
	}
	w, err := f.local(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	x := &comparing{Follower: f, s: s, w: w, m: m, moving: moving, sound: sound{}, exposed: map[string]bool{}}
	for i := range m.Tables {
		t := &m.Tables[i]
		if len(tables) > 0 && !slices.Contains(tables, t.Name) {
			continue
		}
		if f.keep(t.Name).Mode == "none" {
			if i := slices.IndexFunc(changes, func(c *change) bool { return c.Name == t.Name }); i >= 0 { // it was brought once
				out = append(out, load.Compared{Name: t.Name, As: changes[i].As, Note: changes[i].Why})
			}
			continue
		}
		c := load.Compared{Name: t.Name}
		c.Behind = slices.ContainsFunc(changes, func(c *change) bool { return c.Name == t.Name && (c.pending() || c.Error != "") })
		if unproven := standing.UnprovenTable(t.Name); unproven != nil {
			c.As, c.Rows = unproven.As, t.Rows
			c.Problems = []string{fmt.Sprintf("the rows that load %s has put there are not those that it had sent", unproven.Load)}
			c.Hint = "millrace push makes it anew"
		} else if err := x.compare(ctx, t, standing.Table(t.Name), &c); err != nil {
			if ctx.Err() != nil || lost(err) {
				return out, fmt.Errorf("compare %s: %w", t.Name, err)
			}
			c.Error, c.Hint = err.Error(), hintOf(err)
		}
		c.Equal = len(c.Problems) == 0 && c.Note == "" && c.Error == ""
		out = append(out, c)
	}
	return out, nil
}

// lost says of an error that it will be that of every other statement too.
func lost(err error) bool {
	var e *snowflake.Error
	return snowflake.Unsure(err) || errors.As(err, &e) && slices.Contains([]snowflake.Kind{snowflake.KindLogin, snowflake.KindExpired, snowflake.KindRole,
		snowflake.KindWarehouse, snowflake.KindUnavailable}, e.Kind)
}

// comparing is a Verify on its way.
type comparing struct {
	*Follower
	s       *snowflake.Session
	w       warehouse.Warehouse
	m       *load.Manifest
	moving  map[string]bool
	sound   sound
	exposed map[string]bool
}

// compare fills in what one table's comparison gives.
func (x *comparing) compare(ctx context.Context, t *load.Table, there *load.StandingTable, out *load.Compared) error {
	to, err := x.cfg.Naming.Table(t.Name)
	if err != nil {
		return err
	}
	out.As, out.Rows = to.String(), t.Rows
	if there == nil {
		out.Note = "not there yet: millrace push brings it"
		return nil
	}
	if there.Gone {
		out.Problems, out.Hint = []string{"it was dropped there"}, "millrace push brings it again"
		return nil
	}
	held, err := x.held(ctx, t, there, out.Behind)
	var why incomparable
	if errors.As(err, &why) {
		out.Note = "not comparable: " + why.Error()
		return nil
	}
	if err != nil {
		return err
	}
	keep := x.keep(t.Name)
	if printed(there.Fingerprint).kept != keep.print(held, out.As) {
		if to, keep, err = keptAs(there); err != nil {
			return err
		}
		out.As = to.String()
	}
	c := &change{LoadedTable: load.LoadedTable{Name: t.Name}, of: held, keep: keep, to: to}
	if err := c.define(); err != nil {
		return err
	}
	numbers, err := x.w.Query(ctx, sf.LocalProof("(\n"+c.rows(x.w.Dialect())+"\n) AS q", c.columns))
	if err != nil {
		return fmt.Errorf("count the local version: %w", c.tooLong(err))
	}
	here, err := oneRow(numbers)
	if err != nil {
		return err
	}
	counted, err := proofOf(ctx, x.s, t.Name.String(), stepVerify, sf.Live(to, keep.marks(held), keep.history()), c.columns)
	if err != nil {
		return err
	}
	out.Rows, out.There = number(here["n"]), number(counted["n"])
	out.Problems, out.Hint = sf.Compare(c.columns, here, counted), fmt.Sprintf("somebody else may have written to it: millrace push --renew %s replaces all its rows", t.Name)
	if keep.history() {
		out.Unlooked = "past rows, which are nowhere else"
		out.Hint += ", and its history begins anew"
	} else if keep.marks(held) {
		out.Unlooked = "rows that are marked as deleted, which are nowhere else"
		out.Hint += ", and those that are marked as deleted are not kept"
	}
	for _, m := range sf.Measures(c.columns, here, counted) {
		out.Sums = append(out.Sums, load.ColumnSums{Column: m.Column, Measure: m.Name, Here: m.Here, There: m.There})
	}
	if len(out.Problems) == 0 || held.View == "" {
		return nil
	}
	if x.moving[t.Name.String()] {
		out.Problems, out.Sums, out.Note = nil, nil, "not comparable: the view may give other rows each time that it is read"
	} else if same, err := x.w.Repeatable(ctx, held.View); err != nil || !same {
		out.Problems = append(out.Problems, "it is a view whose rows may depend on the order in which others are read: then this says nothing")
	}
	return nil
}

// incomparable is why a table cannot be compared with what is there, which is no difference.
type incomparable string

func (e incomparable) Error() string { return string(e) }

// held is the table with the version that the ledger says is there, its files hashed.
func (x *comparing) held(ctx context.Context, t *load.Table, there *load.StandingTable, behind bool) (*load.Table, error) {
	held := *ofFiles(t)
	if !behind {
		if err := x.sound.check(ctx, read(x.m, t.Name.String(), map[string]bool{})); err != nil {
			return nil, err
		}
		return &held, expose(ctx, x.w, x.m, t.Name.String(), x.exposed)
	}
	if held.Version = absolute(there.Version, x.cfg.Root); held.View != "" {
		return nil, incomparable("it is behind, and what the view was then cannot be told any more")
	}
	if file := x.collected(there); file != "" {
		return nil, incomparable(fmt.Sprintf("it is behind, and %s, of the version that it holds, is not here", file))
	}
	return &held, x.sound.check(ctx, held.Files())
}

// keptAs is where the ledger says that a table is, and how it is kept there: not as it is configured now, until the next load.
func keptAs(there *load.StandingTable) (sf.Table, Keep, error) {
	to, err := sf.ParseTable(there.As)
	if err != nil {
		return to, Keep{}, fmt.Errorf("read the ledger: %w", err)
	}
	for _, k := range []Keep{{Mode: "auto"}, {Mode: "auto", Soft: true}, {Mode: "scd2"}} {
		if k.print(&load.Table{Version: there.Version}, there.As) == printed(there.Fingerprint).kept {
			return to, k, nil
		}
	}
	return to, Keep{}, fmt.Errorf("the ledger says that %s is kept in a form that this millrace does not know: --renew replaces it", there.As)
}
