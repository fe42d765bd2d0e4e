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
// that is behind is compared with the version that the ledger says it holds.
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
	w, err := f.local(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	exposed := map[string]bool{}
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
		behind := slices.ContainsFunc(changes, func(c *change) bool { return c.Name == t.Name && (c.pending() || c.Error != "") })
		if err := expose(ctx, w, m, t.Name.String(), exposed); err != nil {
			c.Problems = []string{err.Error()}
		} else if err := f.compare(ctx, s, w, t, standing.Table(t.Name), behind, &c); err != nil {
			if ctx.Err() != nil {
				return out, err
			}
			c.Problems = append(c.Problems, err.Error())
		}
		c.Equal = len(c.Problems) == 0 && c.Note == ""
		out = append(out, c)
	}
	return out, nil
}

// compare fills in what one table's comparison gives.
func (f *Follower) compare(ctx context.Context, s *snowflake.Session, w warehouse.Warehouse, t *load.Table, there *load.StandingTable, behind bool, out *load.Compared) error {
	to, err := f.cfg.Naming.Table(t.Name)
	if err != nil {
		return err
	}
	out.As, out.Behind, out.Rows = to.String(), behind, t.Rows
	if there == nil {
		out.Note = "not there yet: millrace push brings it"
		return nil
	}
	held := *t
	if held.Version = t.Version; behind {
		if held.Version = absolute(there.Version, f.cfg.Root); held.View != "" {
			out.Note = "not comparable: it is behind, and what the view was then cannot be told any more"
			return nil
		}
		if file := f.collected(there); file != "" {
			out.Note = fmt.Sprintf("not comparable: it is behind, and %s, of the version that it holds, was collected", file)
			return nil
		}
	}
	keep := f.keep(t.Name)
	c := &change{LoadedTable: load.LoadedTable{Name: t.Name}, of: &held, keep: keep, to: to}
	if err := c.define(); err != nil {
		return err
	}
	numbers, err := w.Query(ctx, sf.LocalProof("(\n"+w.Dialect().Select(held.Version)+"\n) AS q", c.columns))
	if err != nil {
		return fmt.Errorf("count the local version: %w", err)
	}
	here, err := oneRow(numbers)
	if err != nil {
		return err
	}
	counted, err := proofOf(ctx, s, t.Name.String(), stepVerify, sf.Live(to, keep.marks(&held), keep.history()), c.columns)
	if err != nil {
		return err
	}
	out.Rows, out.There = number(here["n"]), number(counted["n"])
	out.Problems = sf.Compare(c.columns, here, counted)
	for _, m := range sf.Measures(c.columns, here, counted) {
		out.Sums = append(out.Sums, load.ColumnSums{Column: m.Column, Measure: m.Name, Here: m.Here, There: m.There})
	}
	if len(out.Problems) == 0 || held.View == "" {
		return nil
	}
	if same, err := w.Repeatable(ctx, held.View); err != nil || !same {
		out.Problems, out.Sums, out.Note = nil, nil, "not comparable: the view may give other rows each time that it is read"
	}
	return nil
}
