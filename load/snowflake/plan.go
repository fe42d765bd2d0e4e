package snowflake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// change is one table of the manifest and what it takes to bring it.
type change struct {
	load.LoadedTable
	of       *load.Table
	keep     Keep
	to       sf.Table
	columns  []sf.Column // of the node, without what is kept beside them
	print    printOf
	before   *load.StandingTable // nil: the ledger knows none
	former   string              // the name that it had there before; "": as it has now, or a name that another table has now
	remake   bool
	renew    bool        // all rows are to be replaced, whatever is there
	strays   []sf.Column // that are there and were not in the version before: what they hold, nobody knows
	found    *found      // as it is there; nil: it is not, or nobody has looked
	added    []sf.Column // that the table there lacks
	wider    [][2]string // columns of the table there, with the types that they are to have
	cargo    []*cargo    // what is sent; the rows first
	entry    sf.Entry    // in the ledger
	queries  []string    // ids of the statements that have published it
	cause    error       // why it cannot be brought
	replaced bool        // its rename or swap has happened
	moving   bool        // a view that may give other rows though nothing that it reads has changed
}

// together says whether the change is made within the load's one transaction.
func (c *change) together() bool { return c.Mode != load.ModeNew && c.Mode != load.ModeSwap }

// refuse notes why the table cannot be brought.
func (c *change) refuse(err error) {
	c.cause, c.Error, c.Hint = err, err.Error(), hintOf(err)
	c.Inserted, c.Updated, c.Deleted = 0, 0, 0
}

// hintOf is what an error says is to be done; "" when it says nothing of that.
func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// key is the key in Snowflake's names.
func (c *change) key() []string { return named(c.columns, c.of.Key) }

// named finds columns by their names in the node, in any case, and gives their names in Snowflake.
func named(columns []sf.Column, names []string) []string {
	var out []string
	for _, n := range names {
		for _, c := range columns {
			if strings.EqualFold(c.Source, n) {
				out = append(out, c.Name)
			}
		}
	}
	return out
}

// Plan compares the manifest with what stands there, and looks at the tables that differ.
func (f *Follower) Plan(ctx context.Context, m *load.Manifest, standing *load.Standing, b load.Bringing) (*load.Load, error) {
	if err := f.after(m, standing); err != nil && !b.Anew {
		return nil, err
	}
	changes, err := f.changes(ctx, m, standing, b.Renew)
	if err != nil {
		return nil, err
	}
	e := &engine{hourly: 1}
	if slices.ContainsFunc(changes, (*change).pending) {
		s, err := f.db.Session(ctx, map[string]string{"project": f.cfg.Project}, nil)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		if e, err = f.engine(ctx, s); err != nil {
			return nil, err
		}
		if err := f.look(ctx, s, changes); err != nil {
			return nil, err
		}
	}
	l := &load.Load{Run: m.Run, Snapshot: m.Snapshot, Tables: []load.LoadedTable{}}
	f.forecast(m, e, changes, l)
	return l, nil
}

// pending says whether there is something to be brought.
func (c *change) pending() bool { return c.Mode != load.ModeNone && c.Error == "" }

// after refuses a manifest that does not come after what stands there: what others have brought would be lost without a word. A target
// that was restored goes back, two copies of one have the same runs up to where they part.
func (f *Follower) after(m *load.Manifest, standing *load.Standing) error {
	if standing == nil {
		return nil
	}
	holds := fmt.Sprintf("it holds snapshot %d of run %s", standing.Snapshot, standing.Run)
	if standing.Target != "" && m.Target != "" && standing.Target != m.Target {
		return fmt.Errorf("%w: %s, which another local target has published for the project %s and this schema", load.ErrAnother, holds, f.cfg.Project)
	}
	if standing.Snapshot > m.Snapshot {
		return fmt.Errorf("%w: %s, and the newest here is snapshot %d", load.ErrAhead, holds, m.Snapshot)
	}
	run := m.Run
	if standing.Snapshot < m.Snapshot {
		run = f.cfg.RunOf(standing.Snapshot)
	}
	if run != "" && standing.Run != "" && run != standing.Run {
		return fmt.Errorf("%w: %s, and snapshot %[3]d here is of run %[4]s", load.ErrAhead, holds, standing.Snapshot, run)
	}
	return nil
}

// changes are the tables of the manifest that are not there as they are in it, those that cannot be brought, and those that are
// there but in the manifest no more.
func (f *Follower) changes(ctx context.Context, m *load.Manifest, standing *load.Standing, renew []warehouse.Name) ([]*change, error) {
	keeps, places, as := map[warehouse.Name]Keep{}, map[warehouse.Name]sf.Table{}, map[warehouse.Name]string{}
	var all []*change
	for i := range m.Tables {
		t := &m.Tables[i]
		c := &change{LoadedTable: load.LoadedTable{Name: t.Name, Rows: t.Rows}, of: ofFiles(t), keep: f.keep(t.Name),
			before: standing.Table(t.Name)}
		if c.keep.Mode == "none" {
			continue
		}
		all = append(all, c)
		var err error
		if c.to, err = f.cfg.Naming.Table(t.Name); err != nil {
			c.refuse(err)
			continue
		}
		c.As = c.to.String()
		keeps[t.Name], places[t.Name], as[t.Name] = c.keep, c.to, c.As
	}
	if err := sf.Collisions(places); err != nil {
		return nil, err
	}
	moving, err := f.moving(ctx, m)
	if err != nil {
		return nil, err
	}
	prints := fingerprints(m, keeps, as, moving)
	for _, c := range all {
		c.print, c.moving = prints[c.Name], moving[c.Name.String()]
		if c.before != nil && !slices.Contains(slices.Collect(maps.Values(as)), c.before.As) {
			c.former = c.before.As
		}
		if c.Error == "" {
			f.settle(c, slices.Contains(renew, c.Name))
		}
	}
	all = slices.DeleteFunc(all, func(c *change) bool { return c.Mode == load.ModeNone && c.Error == "" })
	return append(all, f.left(m, standing, as)...), nil
}

// left are the tables that are there and are not brought any more: nothing is done about them.
func (f *Follower) left(m *load.Manifest, standing *load.Standing, as map[warehouse.Name]string) []*change {
	var out []*change
	if standing == nil {
		return nil
	}
	for _, t := range standing.Tables {
		why := "the local target has it no more"
		if m.Table(t.Name) != nil {
			why = "it is not to be brought any more (mode: none)"
		}
		if m.Table(t.Name) != nil && f.keep(t.Name).Mode != "none" || t.Gone || slices.Contains(slices.Collect(maps.Values(as)), t.As) {
			continue
		}
		out = append(out, &change{LoadedTable: load.LoadedTable{Name: t.Name, As: t.As, Mode: load.ModeNone, Rows: t.Rows,
			Why: why + ": it is left as it was; " + sf.DropNamed(t.As) + " removes it" + onlyThere(t)}})
	}
	return out
}

// onlyThere is what a DROP would take that nothing else has, to be told beside it.
func onlyThere(t load.StandingTable) string {
	if richer(t.Fingerprint, t.As) {
		return ", and what only it has: past rows, or those that are marked as deleted"
	}
	return ""
}

const (
	renewed = "all of its rows are to be replaced"
	// regrant is told of a table that is made anew, with columns of its own.
	regrant = "; rights that were granted on the table itself, not on future ones, are to be granted again"
)

// settle finds the mode of one table.
func (f *Follower) settle(c *change, renew bool) {
	c.renew = renew
	if c.before != nil && !renew && !c.before.Gone && c.before.Fingerprint == c.print.String() {
		c.Mode = load.ModeNone
		return
	}
	if err := c.define(); err != nil {
		c.refuse(err)
		return
	}
	chosen, err := choice{mode: load.ModeNew, why: "it is not there yet"}, error(nil)
	switch {
	case c.of.Broken != "":
		err = fmt.Errorf("the view is not in the local catalog: %s", c.of.Broken)
	case c.before == nil:
	case c.before.Gone:
		chosen.why = "it was dropped there"
	case printed(c.before.Fingerprint).kept != c.print.kept:
		chosen, err = c.reform(renew)
	case renew && (c.keep.history() || c.keep.Swap):
		chosen = choice{load.ModeSwap, renewed + regrant, true}
	case renew:
		chosen = choice{mode: load.ModeFull, why: renewed}
	default:
		chosen, err = choose(c.of, c.before, c.keep, f.collected(c.before))
		if c.moving && (chosen.mode == load.ModeFull || chosen.mode == load.ModeSwap) {
			chosen.why = "it reads the clock or chance, so it may give other rows each time: each snapshot brings it"
		}
	}
	if err != nil {
		c.refuse(err)
		return
	}
	c.settled(chosen)
}

// reform is for a table that is kept in another form than it was. Rows that only the table there holds do not go without being asked for.
func (c *change) reform(renew bool) (choice, error) {
	moves, other := c.before.As != c.As, choice{load.ModeSwap, "it is kept in another form from now on" + regrant, true}
	if moves {
		other = choice{mode: load.ModeNew, why: "it has another name from now on"}
	}
	only := ""
	_, was, err := keptAs(c.before)
	switch {
	case err != nil && !renew:
		return choice{}, err
	case err != nil:
	case was.history():
		only = "past rows"
	case was.marks(&load.Table{Version: c.before.Version}):
		only = "rows that are marked as deleted"
	}
	const mend = "where tables: of the target is not to say so, mend it; else --renew"
	switch {
	case only == "" || renew && moves:
		return other, nil
	case renew:
		other.why += "; its " + only + " are not kept"
		return other, nil
	case moves:
		return choice{}, fmt.Errorf("%s holds %s, which nothing else has, and the table is to be %s from now on, which would not have them: %s %s makes that one and leaves the other as it was",
			c.before.As, only, c.As, mend, c.Name)
	}
	return choice{}, fmt.Errorf("%s holds %s, which nothing else has, and is to be kept without them from now on: %s %s drops them, and as: gives the table another name", c.As, only, mend, c.Name)
}

func (c *change) settled(chosen choice) {
	c.Mode, c.Why, c.remake = chosen.mode, chosen.why, chosen.remake
	switch {
	case c.renew && (chosen.mode == load.ModeFull || chosen.mode == load.ModeSwap) && c.keep.marks(c.of):
		c.Why += "; rows that are marked as deleted are not kept"
	case c.renew && chosen.remake && c.keep.history():
		c.Why += "; the history begins anew"
	}
}

// ofFiles is a table with its columns as its files have them: what is sent is read from these. A reader finds another type where the
// SELECT made one that Parquet lacks (warehouse.AsMade). A view has no files, and is as its SELECT has it.
func ofFiles(t *load.Table) *load.Table {
	if t.View != "" {
		return t
	}
	out := *t
	if stored, err := warehouse.StoredColumns(t.Columns); err == nil { // define says what is wrong with one
		out.Columns = stored
	}
	return &out
}

// define finds the columns, and checks what the configuration says of them.
func (c *change) define() error {
	stored, err := warehouse.StoredColumns(c.of.Columns) // a view's are as its SELECT has them
	if err != nil {
		return err
	}
	if c.columns, err = sf.Columns(stored); err != nil {
		return err
	}
	if _, err := c.withKept(); err != nil {
		return err
	}
	if c.keep.history() && len(c.of.Key) == 0 || c.keep.Mode == "merge" && len(c.of.Key) == 0 {
		return fmt.Errorf("mode %s: the table has no key: give it one, or choose another mode for it under tables of the target", c.keep.Mode)
	}
	if c.keep.Mode == "partition" && len(c.keep.PartitionBy) == 0 {
		return errors.New("mode partition: partition_by names no column")
	}
	for _, list := range [][]string{c.keep.PartitionBy, c.keep.ClusterBy} {
		for _, n := range list {
			if len(named(c.columns, []string{n})) == 0 {
				return fmt.Errorf("there is no column %q, by which it is to be kept: see tables of the target", n)
			}
		}
	}
	return nil
}

// The columns that are kept beside those of the node.
var (
	marked  = []warehouse.Column{{Name: sf.DeletedAt.Name, Type: "TIMESTAMP"}}
	history = []warehouse.Column{{Name: sf.ValidFrom.Name, Type: "TIMESTAMP"}, {Name: sf.ValidTo.Name, Type: "TIMESTAMP"}, {Name: sf.IsCurrent.Name, Type: "BOOLEAN"}}
)

// withKept are all columns of the table there.
func (c *change) withKept() ([]sf.Column, error) {
	more := c.kept()
	all, err := sf.Columns(slices.Concat(c.sources(), more))
	if err != nil && len(more) > 0 {
		return nil, fmt.Errorf("%w (the last %d are kept beside those of the node)", err, len(more))
	}
	return all, err
}

func (c *change) kept() []warehouse.Column {
	switch {
	case c.keep.history():
		return history
	case c.keep.marks(c.of):
		return marked
	}
	return nil
}

// sources are the node's columns as the local files have them.
func (c *change) sources() []warehouse.Column {
	out := make([]warehouse.Column, len(c.columns))
	for i, col := range c.columns {
		out[i] = warehouse.Column{Name: col.Source, Type: col.DuckDB}
	}
	return out
}

// collected is a file of the standing version that is not in the local target any more; "" when there is none.
func (f *Follower) collected(t *load.StandingTable) string {
	v := absolute(t.Version, f.cfg.Root)
	for _, file := range v.Files() {
		if _, err := os.Stat(file.Path); errors.Is(err, fs.ErrNotExist) {
			return file.Path
		}
	}
	return ""
}
