package transform

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/portable"
	"github.com/millrace/millrace/warehouse"
)

// Post-hooks may change the rows of their model's own table, which nobody has seen yet. They work on a temporary copy of what the SELECT
// gave, in the model's session, and what is in it behind the last of them is the model's version.

// draft is a table's own copy for its post-hooks; nil where there can be none.
type draft struct {
	name warehouse.Name
	made bool // once a hook has changed something
}

// draftOf is the draft of a model: only what is one table of nothing but the SELECT's rows can be changed behind it. Rows that a check or a
// contract has looked at, to take some of them out, are not.
func draftOf(job Job) *draft {
	if m := job.Node.Model; m == nil || m.Materialized != models.Table || job.Divider != nil {
		return nil
	}
	if slices.ContainsFunc(job.Node.Checks, func(c *models.Check) bool { return c.Diverts() && !c.Deferred }) {
		return nil
	}
	return &draft{name: warehouse.Name{Schema: job.Node.Schema, Table: job.Node.Table}}
}

// changedBy says whether a statement changes rows of the table and of nothing else, by the words that it begins with.
func (d *draft) changedBy(words []string) bool {
	if d == nil || len(words) == 0 {
		return false
	}
	if !slices.Contains([]string{"insert", "delete", "truncate", "update"}, words[0]) {
		return false
	}
	name, ok := objectOf(words)
	return ok && name.database == "" && strings.EqualFold(name.Table, d.name.Table) && (name.Schema == "" || strings.EqualFold(name.Schema, d.name.Schema))
}

// copied is the copy's name. Alone the table's name means the copy too: what is temporary is found first.
func (d *draft) copied(b *Builder) string {
	return "temp.main." + b.Warehouse.Dialect().QuoteIdent(d.name.Table)
}

// change runs a statement that changes the table.
func (d *draft) change(ctx context.Context, b *Builder, sql string) error {
	if !d.made {
		q := b.Warehouse.Dialect()
		copied := "CREATE TEMP TABLE " + q.QuoteIdent(d.name.Table) + " AS SELECT * FROM " + q.Table(d.name)
		if err := b.Warehouse.Session(ctx, copied); err != nil {
			return err
		}
		d.made = true
	}
	return b.Warehouse.Session(ctx, d.meant(b, sql))
}

// meant is a statement that reads the copy where there is one.
func (d *draft) meant(b *Builder, sql string) string {
	if d == nil || !d.made {
		return sql
	}
	return portable.Renamed(sql, d.name.Schema, d.name.Table, d.copied(b))
}

// asked runs statements of a template that change the table; false when they do not. While a hook is only looked at there is nothing to
// change.
func (d *draft) asked(ctx context.Context, b *Builder, sql string, looking bool) (bool, error) {
	all := portable.Statements(sql)
	if d == nil || len(all) == 0 || slices.ContainsFunc(all, func(s portable.Statement) bool { return !d.changedBy(s.Words) }) {
		return false, nil
	}
	if looking {
		return true, errUnasked
	}
	for _, s := range all {
		if err := d.change(ctx, b, s.SQL); err != nil {
			return true, err
		}
	}
	return true, nil
}

// drafted makes the version of what the hooks have left in the copy, in the place of the one that they found.
func (b *Builder) drafted(ctx context.Context, job Job, found *Built) (*Built, error) {
	if job.own == nil || !job.own.made {
		return found, nil
	}
	for _, f := range found.Written {
		if err := os.Remove(f.Path); err != nil {
			return nil, err
		}
	}
	built, err := b.run(ctx, job, "SELECT * FROM "+job.own.copied(b))
	if err != nil {
		return nil, fmt.Errorf("what the post-hooks of %s have made: %w", job.Node.Name(), err)
	}
	return built, nil
}
