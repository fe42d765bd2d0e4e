package check

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// boundsAtOnce is how many pairs of bounds are worth a statement.
const boundsAtOnce = 2000

// prove answers the rules that the statistics of the table's files decide, and returns the others. Writers count NULLs and
// keep bounds, and the second reader has compared them with the file: no row need be read again. Its SELECTs read no table, and are for
// the local engine, which has the files.
func (c *counting) prove(ctx context.Context, items []item) ([]item, error) {
	if c.table.Files == nil {
		return items, nil
	}
	if c.table.Exact {
		c.rows = rowsOf(c.table.Files)
	} else if err := c.countRows(ctx); err != nil {
		return nil, err
	}
	var open, bounded []item
	for _, it := range items {
		switch {
		case it.rule != nil && it.rule.nulls != nil:
			if nulls, known := c.nulls(it.rule); known {
				if err := it.done(ctx, []any{nulls}); err != nil {
					return nil, err
				}
				c.results[it.at].How = HowStatistics
				continue
			}
		case it.rule != nil && it.rule.of != nil:
			bounded = append(bounded, it)
			continue
		}
		open = append(open, it)
	}
	open, err := c.figures(ctx, open)
	if err != nil {
		return nil, err
	}
	inside, err := c.Runner.inside(ctx, c.table.Files, rulesOf(bounded))
	if err != nil {
		return nil, err
	}
	for i, it := range bounded {
		if !inside[i] {
			open = append(open, it)
			continue
		}
		if err := it.done(ctx, []any{int64(0)}); err != nil {
			return nil, err
		}
		c.results[it.at].How = HowStatistics
	}
	return open, nil
}

func (c *counting) countRows(ctx context.Context) error {
	values, err := c.row(ctx, "SELECT count(*) FROM "+c.table.From)
	if err == nil {
		c.rows = integer(values[0])
	}
	return err
}

// figures answers the figures that the statistics tell, and returns the other items.
func (c *counting) figures(ctx context.Context, items []item) (open []item, err error) {
	var known []item
	var exprs []string
	for _, it := range items {
		if it.known == nil || !c.table.Exact {
			open = append(open, it)
			continue
		}
		known, exprs = append(known, it), append(exprs, it.known...)
	}
	if len(known) == 0 {
		return open, nil
	}
	values, err := c.row(ctx, "SELECT "+strings.Join(exprs, ", "))
	if err != nil {
		return nil, err
	}
	for _, it := range known {
		if err := it.done(ctx, values[:len(it.known)]); err != nil {
			return nil, err
		}
		values = values[len(it.known):]
		if res := c.results[it.at]; res.How == HowScan {
			res.How = HowStatistics
		}
	}
	return open, nil
}

// newest is the column's greatest value by the statistics, as SQL; "" when they do not tell.
func (c *counting) newest(column warehouse.Column) string {
	bounds, known := boundsOf(c.table.Files, &rule{bounded: column})
	if !known || c.table.Files == nil || len(bounds) > boundsAtOnce {
		return ""
	}
	values := []string{"CAST(NULL AS " + column.Type + ")"}
	for _, b := range bounds {
		values = append(values, fmt.Sprintf("CAST(%s AS %s)", c.Warehouse.Dialect().QuoteLiteral(b), column.Type))
	}
	return "greatest(" + strings.Join(values, ", ") + ")"
}

func rulesOf(items []item) []*rule {
	rules := make([]*rule, len(items))
	for i, it := range items {
		rules[i] = it.rule
	}
	return rules
}

// nulls counts the rows in which one of the rule's columns is NULL, when the statistics tell: of one column exactly, of
// several only that there are none.
func (c *counting) nulls(r *rule) (int64, bool) {
	total, known := nullsIn(c.table.Files, r.nulls)
	return total, known && (total == 0 || c.table.Exact && len(r.nulls) == 1)
}

// nullsIn counts the NULLs of columns in files by their statistics; known says that they tell of all.
func nullsIn(files []warehouse.File, columns []string) (total int64, known bool) {
	for _, f := range files {
		for _, column := range columns {
			s, known := f.Stats[column]
			if !known {
				return 0, false
			}
			total += s.Nulls
		}
	}
	return total, true
}

func noNulls(files []warehouse.File, columns []string) bool {
	total, known := nullsIn(files, columns)
	return known && total == 0
}

// inside says of each rule whether the bounds of its column prove, in every file, that no row fails it.
func (r *Runner) inside(ctx context.Context, files []warehouse.File, rules []*rule) ([]bool, error) {
	proven := make([]bool, len(rules))
	var exprs []string
	var of []int
	for i, rule := range rules {
		bounds, known := boundsOf(files, rule)
		if !known || len(exprs)+1 > boundsAtOnce {
			continue
		}
		var parts []string
		for _, b := range bounds {
			parts = append(parts, "("+rule.of(fmt.Sprintf("CAST(%s AS %s)", r.Warehouse.Dialect().QuoteLiteral(b), rule.bounded.Type))+")")
		}
		if len(parts) == 0 { // no rows, or only NULLs: they pass
			proven[i] = true
			continue
		}
		exprs, of = append(exprs, "("+strings.Join(parts, " OR ")+") IS TRUE"), append(of, i)
	}
	if len(exprs) == 0 {
		return proven, nil
	}
	values, err := r.row(ctx, "SELECT "+strings.Join(exprs, ", "))
	if err != nil {
		if own(ctx, err) { // the scan will tell whose fault it is
			return proven, nil
		}
		return nil, err
	}
	for k, i := range of {
		fails, ok := values[k].(bool)
		proven[i] = ok && !fails
	}
	return proven, nil
}

// boundsOf are the least and greatest values of the rule's column in each file.
func boundsOf(files []warehouse.File, r *rule) (bounds []string, known bool) {
	for _, f := range files {
		s, ok := f.Stats[r.bounded.Name]
		switch {
		case f.Rows == 0 || ok && s.Nulls == f.Rows:
			continue
		case !ok || s.Min == nil || s.Max == nil:
			return nil, false
		}
		bounds = append(bounds, *s.Min, *s.Max)
	}
	return bounds, true
}
