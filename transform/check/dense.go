package check

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// mostDense is how many numbers a dense column may have: one bit of memory each, for each thread.
const mostDense = 1 << 26

// asking is a compiler that looks at parents to find a cheaper condition.
func (r *Runner) asking(ctx context.Context, t Table) *compiler {
	c := r.compiler(t)
	c.dense = func(parent *models.Node, from, field string) (int64, int64, bool, error) {
		return r.dense(ctx, parent, from, field)
	}
	return c
}

// dense says whether a column of a parent has all whole numbers between its least and its greatest, as surrogate keys mostly
// have: then to be between them is to be there, and no row need be looked up. A view is not asked: it would be computed for it.
// What the column's type or the engine cannot answer is no.
func (r *Runner) dense(ctx context.Context, parent *models.Node, from, field string) (least, most int64, ok bool, err error) {
	if parent.Model != nil && parent.Model.Materialized == models.View {
		return 0, 0, false, nil
	}
	bounds, err := r.row(ctx, fmt.Sprintf("SELECT CAST(min(%s) AS BIGINT), CAST(max(%[1]s) AS BIGINT) FROM %s", field, from))
	if err != nil {
		return 0, 0, false, unless(ctx, err)
	}
	least, isLeast := bounds[0].(int64)
	most, isMost := bounds[1].(int64)
	if !isLeast || !isMost || least < -1<<62 || most > 1<<62 || most-least >= mostDense {
		return 0, 0, false, nil
	}
	found, err := r.row(ctx, fmt.Sprintf("SELECT %s FROM %s", r.Warehouse.Dialect().CountBetween(field, least, most), from))
	if err != nil {
		return 0, 0, false, unless(ctx, err)
	}
	return least, most, integer(found[0]) == most-least+1, nil
}

// crowded narrows the search for repeated keys that are whole numbers: 32 of them are counted by a bit each, in a tenth of the
// time that it takes to group by them, and only groups with more rows than bits are looked at again. It is a condition on the rows,
// "false" when no key repeats, "" when it cannot tell.
func (r *Runner) crowded(ctx context.Context, rule *rule, columns []warehouse.Column, from, path string) (string, error) {
	column, err := (&compiler{d: r.Warehouse.Dialect(), columns: columns}).column(rule.check.Columns[0])
	if err != nil || len(rule.key) != 1 || !slices.Contains([]string{"BIGINT", "INTEGER", "SMALLINT", "UINTEGER", "USMALLINT"}, column.Type) {
		return "", nil // such as an expression
	}
	group, crowded := r.Warehouse.Dialect().Crowded(rule.key[0])
	file, err := r.Warehouse.Write(ctx, fmt.Sprintf("SELECT %s AS g FROM %s WHERE %s GROUP BY ALL HAVING %s", group, from, rule.present(), crowded), path)
	switch {
	case err != nil:
		return "", unless(ctx, err)
	case file.Rows == 0:
		return "false", nil
	}
	return fmt.Sprintf("%s IN (SELECT g FROM %s)", group, r.Warehouse.Dialect().Files([]string{path})), nil
}

// unless passes over an error that is one of the question.
func unless(ctx context.Context, err error) error {
	if own(ctx, err) {
		return nil
	}
	return err
}
