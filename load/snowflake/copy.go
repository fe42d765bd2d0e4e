package snowflake

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// copyAll fills the staging tables and proves them, several at once: a warehouse that is awake costs the same for one statement and
// for eight.
func (x *bringing) copyAll(ctx context.Context) error {
	group, within := errgroup.WithContext(ctx)
	changes := make(chan *change)
	group.Go(func() error {
		defer close(changes)
		for _, c := range x.changes {
			if c.idle() {
				continue
			}
			select {
			case changes <- c:
			case <-within.Done():
				return context.Cause(within)
			}
		}
		return nil
	})
	for range x.cfg.Uploads {
		group.Go(func() error {
			return eachBySession(within, x, changes, func(s *snowflake.Session, c *change) error { return x.stageAll(within, s, c) })
		})
	}
	return group.Wait()
}

// stageAll fills and proves a change's staging tables.
func (x *bringing) stageAll(ctx context.Context, s *snowflake.Session, c *change) error {
	for i, g := range c.cargo {
		if err := x.stage(ctx, s, c, g, i == 0); err != nil {
			return x.aside(ctx, s, c, err)
		}
	}
	return nil
}

// idle says whether the change has turned out to be none: no row differs.
func (c *change) idle() bool {
	switch c.Mode {
	case load.ModeAppend, load.ModeMerge, load.ModeSCD2, load.ModePartition:
		return !slices.ContainsFunc(c.cargo, func(g *cargo) bool { return g.rows > 0 })
	}
	return false
}

// stage makes a staging table, copies the files into it and proves what it holds.
func (x *bringing) stage(ctx context.Context, s *snowflake.Session, c *change, g *cargo, first bool) error {
	making, err := x.stagingFor(c, g, first)
	if err != nil {
		return err
	}
	for _, sql := range making {
		if _, err := s.Exec(ctx, snowflake.Statement{SQL: sql, Step: stepDefine, Table: c.Name.String()}); err != nil {
			return err
		}
	}
	for files := range slices.Chunk(g.files, sf.MaxFiles) {
		x.progress(c, "copy", 0, g.bytes)
		r, err := s.Query(ctx, snowflake.Statement{SQL: sf.CopyInto(g.staging, c.to.Stage(), g.prefix, baseNames(files), sf.NamesOf(g.proven())), Step: stepCopy, Table: c.Name.String(), Bulk: true})
		if err != nil {
			return err
		}
		if err := copied(r, files); err != nil {
			return err
		}
	}
	if err := x.prove(ctx, s, c, g); err != nil || !first || !c.keyed() {
		return err
	}
	n, err := x.number(ctx, s, c.Name, sf.KeysTwice(g.staging, c.key()))
	if err == nil && n > 0 {
		err = fmt.Errorf("%w: %d keys %v are there more than once", load.ErrUnproven, n, c.of.Key)
	}
	return err
}

// keyed says whether the change relies on a key that no two rows have.
func (c *change) keyed() bool {
	return c.Mode == load.ModeMerge || c.Mode == load.ModeSCD2 || c.keep.Mode == "merge" || c.keep.history()
}

// stagingFor are the statements that make a staging table: a transient one that only hands rows on, or one that becomes the table.
func (x *bringing) stagingFor(c *change, g *cargo, first bool) ([]string, error) {
	if c.together() || !first {
		return []string{sf.CreateStaging(sf.NewTable{Table: g.staging, Columns: g.columns, Passing: true})}, nil
	}
	if c.Mode == load.ModeSwap && !c.remake {
		like := append([]string{sf.CreateLike(g.staging, c.to, c.found.transient)}, c.alterations(g.staging)...)
		return append(like, sf.Comment(g.staging, x.b.Load)), nil
	}
	all, err := c.withKept()
	if err != nil {
		return nil, err
	}
	transient := x.cfg.Transient
	if c.found != nil {
		transient = c.found.transient // only tables of one kind can be swapped
	}
	return []string{sf.CreateStaging(sf.NewTable{Table: g.staging, Columns: all, ClusterBy: named(c.columns, c.keep.ClusterBy),
		Transient: transient, Comment: sf.CommentOf(x.b.Load)})}, nil
}

func baseNames(files []warehouse.File) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = filepath.Base(f.Path)
	}
	return out
}

// copied compares what COPY says of each file with the file's footer.
func copied(r *snowflake.Result, files []warehouse.File) error {
	told := map[string]map[string]string{}
	for _, row := range records(r) {
		told[path.Base(row["file"])] = row
	}
	for _, f := range files {
		name, want := filepath.Base(f.Path), strconv.FormatInt(f.Rows, 10)
		row, ok := told[name]
		switch {
		case !ok:
			return fmt.Errorf("%w: COPY says nothing of %s", load.ErrUnproven, name)
		case !strings.EqualFold(row["status"], "LOADED") || row["rows_parsed"] != want || row["rows_loaded"] != want || row["errors_seen"] != "0":
			return fmt.Errorf("%w: %s has %s rows; COPY says %s, %s parsed, %s loaded, %s errors", load.ErrUnproven, name, want,
				row["status"], row["rows_parsed"], row["rows_loaded"], row["errors_seen"])
		}
	}
	if len(told) != len(files) {
		return fmt.Errorf("%w: COPY tells of %d files, and %d were named", load.ErrUnproven, len(told), len(files))
	}
	return nil
}

// prove compares counts and sums of each column, and a hash over all rows.
func (x *bringing) prove(ctx context.Context, s *snowflake.Session, c *change, g *cargo) error {
	x.progress(c, "prove", 0, g.bytes)
	there, err := proofOf(ctx, s, c.Name.String(), stepProve, g.staging.String(), g.columns)
	if err != nil {
		return err
	}
	if lines := sf.Compare(g.proven(), g.proof, there); len(lines) > 0 {
		return fmt.Errorf("%w: %s", load.ErrUnproven, strings.Join(lines, "; "))
	}
	if n := number(there["n"]); !c.together() && n != c.expected() { // the table itself: nobody counts it before it is seen
		return fmt.Errorf("%w: %s would have %d rows, and the local target has %d", load.ErrUnproven, c.As, n, c.expected())
	}
	return nil
}

// proofOf are the numbers over the rows of a table there.
func proofOf(ctx context.Context, s *snowflake.Session, table, step, from string, columns []sf.Column) (map[string]string, error) {
	r, err := s.Query(ctx, snowflake.Statement{SQL: sf.Proof(from, columns), Step: step, Table: table, Bulk: true})
	if err != nil {
		return nil, err
	}
	rows := records(r)
	if len(rows) != 1 {
		return nil, fmt.Errorf("a proof gave %d rows", len(rows))
	}
	return rows[0], nil
}
