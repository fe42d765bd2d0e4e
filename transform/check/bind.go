package check

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Bind finds the checks that could not be run over a table of these columns: their columns are missing or of another type,
// their SQL or their pattern is wrong. From is to be an empty relation; what the checks compare with, too. No row is read and no
// file is written.
func (r *Runner) Bind(ctx context.Context, t Table, checks []*models.Check) ([]Result, error) {
	c := &counting{Runner: r, table: t, results: make([]*Result, len(checks)), checks: checks, rowless: true}
	var scan []item
	for i, check := range checks {
		if check.Kind == models.KindContract {
			continue // it compares columns with others'
		}
		var it item
		var err error
		if check.Kind == "reconcile" {
			err = c.bindReconciling(ctx, check)
		} else {
			it, err = c.item(ctx, i, check)
		}
		switch {
		case err != nil || check.Kind == "reconcile":
		case check.Kind == "sql":
			err = c.bindQuery(ctx, check)
		case isDrift(check):
			_, err = c.Warehouse.Describe(ctx, about(check, c.Warehouse.Dialect().QuoteIdent(check.Columns[0]), t.From))
		case it.rule != nil && it.rule.key != nil:
			_, err = c.Warehouse.Describe(ctx, c.failing(it.rule))
		default:
			it.done = func(context.Context, []any) error { return nil }
			scan = append(scan, it)
		}
		var engine *warehouse.SQLError
		switch {
		case err == nil:
		case own(ctx, err) && !(errors.As(err, &engine) && strings.HasPrefix(engine.Message, "Permission ")):
			c.set(i, c.broken(check, err))
		case ctx.Err() != nil || !errors.As(err, &engine):
			return nil, err
		} // else the engine cannot tell: it may touch fewer files than that of a run
	}
	// One row of NULLs: constants that cannot be read as a column's type are only found where there is a row.
	c.table.From = "(SELECT t.* FROM (SELECT 1) AS one LEFT JOIN " + t.From + " AS t ON false) AS " + c.Warehouse.Dialect().QuoteIdent(cmp.Or(t.Name, "t"))
	if err := c.scan(ctx, scan); err != nil {
		return nil, err
	}
	var wrong []Result
	for _, res := range c.results {
		if res != nil {
			wrong = append(wrong, *res)
		}
	}
	return wrong, nil
}

// broken is the result of a check that cannot be run.
func (c *counting) broken(check *models.Check, err error) Result {
	var query *queryError
	if c.rowless && !errors.As(err, &query) {
		return Said(check, StatusError, "the check cannot be run: "+err.Error())
	}
	return broken(check, err)
}

func (c *counting) bindQuery(ctx context.Context, check *models.Check) error {
	sql, err := c.Query(ctx, check)
	if err != nil {
		return wrong("", "%v", err)
	}
	err = c.Warehouse.CheckSelect(ctx, sql)
	if err == nil {
		_, err = c.Warehouse.Describe(ctx, sql)
	}
	return c.Runner.placed(ctx, check, "", err)
}
