package check

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// figure compiles a check that judges one figure of the whole table.
func (c *counting) figure(it item, check *models.Check) (item, error) {
	switch args := check.Args.(type) {
	case *models.SQL:
		return it, nil
	case *models.RowCount:
		it.exprs, it.known = []string{c.rowsWhere(check)}, c.rowsKnown(check)
		it.done = func(_ context.Context, values []any) error {
			c.judgeRows(it.at, args, integer(values[0]))
			return nil
		}
		return it, nil
	case *models.Volume:
		if args.New {
			return c.newRows(it, args), nil
		}
		it.exprs, it.known = []string{c.rowsWhere(check)}, c.rowsKnown(check)
		it.done = func(ctx context.Context, values []any) error {
			name := "rows"
			if check.Where != "" {
				name += ":" + check.Name
			}
			return c.judgeHistory(ctx, it.at, name, args.History, float64(integer(values[0])))
		}
		return it, nil
	case *models.Freshness:
		return c.freshness(it, check, args)
	case *models.Distribution:
		return c.distribution(it, check, args)
	}
	return it, fmt.Errorf("check %s: its kind %s cannot be run", check.Name, check.Kind)
}

// newRows compares the number of rows that the run brought with those of earlier runs.
func (c *counting) newRows(it item, args *models.Volume) item {
	it.done = func(ctx context.Context, _ []any) error {
		if c.table.Brought == nil {
			res := result(c.checks[it.at])
			res.Checked, res.Message = c.rows, "not judged: "+cmp.Or(c.Aside, "only a run brings rows")
			c.set(it.at, res)
			return nil
		}
		return c.judgeHistory(ctx, it.at, "new rows", args.History, float64(*c.table.Brought))
	}
	return it
}

func (c *counting) rowsWhere(check *models.Check) string {
	if check.Where == "" {
		return "count(*)"
	}
	return c.Warehouse.Dialect().CountIf(check.Where + "\n")
}

// rowsKnown is the number of rows by the statistics.
func (c *counting) rowsKnown(check *models.Check) []string {
	if check.Where != "" || c.table.Files == nil {
		return nil
	}
	return []string{fmt.Sprintf("CAST(%d AS BIGINT)", rowsOf(c.table.Files))}
}

// columnWhere is the check's column in the rows that it is about, NULL in others.
func (c *counting) columnWhere(check *models.Check) (sql, typ string, err error) {
	column, err := c.compiler(c.table).column(check.Columns[0])
	if err != nil {
		return "", "", err
	}
	sql = c.Warehouse.Dialect().QuoteIdent(column.Name)
	if check.Where != "" {
		sql = "CASE WHEN " + check.Where + "\nTHEN " + sql + " END"
	}
	return sql, column.Type, nil
}

// graded sets the status of a check of a figure: what is found is a failure, unless the check only warns.
func graded(r *Result, found Status) {
	r.Status = found
	if found == StatusFail && r.Severity == models.SeverityWarn {
		r.Status = StatusWarn
	}
	if r.Status != StatusPass {
		r.Failing = 1
	}
}

func (c *counting) judgeRows(at int, args *models.RowCount, n int64) {
	res := result(c.checks[at])
	value := float64(n)
	res.Value, res.Checked, res.How = &value, c.rows, HowScan
	found := StatusPass
	switch {
	case args.Equals != nil:
		res.Expected = "exactly " + count(*args.Equals, "row")
		if n != *args.Equals {
			found = StatusFail
		}
	default:
		var parts []string
		if args.Min != nil {
			parts = append(parts, "at least "+strconv.FormatInt(*args.Min, 10))
			if n < *args.Min {
				found = StatusFail
			}
		}
		if args.Max != nil {
			parts = append(parts, "at most "+strconv.FormatInt(*args.Max, 10))
			if n > *args.Max {
				found = StatusFail
			}
		}
		res.Expected = strings.Join(parts, " and ") + " rows"
	}
	graded(&res, found)
	res.Message = fmt.Sprintf("%s; expected %s", count(n, "row"), res.Expected)
	c.set(at, res)
}

// judgeHistory compares a figure with those of earlier runs and keeps it for later ones.
func (c *counting) judgeHistory(ctx context.Context, at int, name string, h models.History, value float64) error {
	check := c.checks[at]
	res := result(check)
	res.Checked, res.How = c.rows, HowHistory
	if !math.IsNaN(value) && !math.IsInf(value, 0) { // JSON has none of these
		res.Value = &value
	}
	if c.Aside != "" {
		res.Message = "not judged: " + c.Aside
		c.set(at, res)
		return nil
	}
	var past []Metric
	if c.History != nil {
		var err error
		if past, err = c.History(ctx, check.Node.Name(), name, h.Window); err != nil {
			return err
		}
	}
	j := Judge(h, past, value, c.At)
	graded(&res, j.Status)
	res.Expected, res.Message = j.Expected, j.Message
	if !math.IsNaN(value) && !math.IsInf(value, 0) && name != "rows" {
		c.metrics = append(c.metrics, Metric{Name: name, Value: value, At: c.At})
	}
	c.set(at, res)
	return nil
}

func (c *counting) freshness(it item, check *models.Check, args *models.Freshness) (item, error) {
	column, typ, err := c.columnWhere(check)
	if err != nil {
		return it, err
	}
	if !isTime(typ) {
		return it, wrong("name a DATE or TIMESTAMP column", "%s is %s: it has no age", check.Columns[0], typ)
	}
	d := c.Warehouse.Dialect()
	it.exprs = []string{d.Epoch("max(" + column + ")")}
	if found, err := c.compiler(c.table).column(check.Columns[0]); err == nil && check.Where == "" {
		if newest := c.newest(found); newest != "" {
			it.known = []string{d.Epoch(newest)}
		}
	}
	it.done = func(_ context.Context, values []any) error {
		res := result(check)
		res.Checked, res.How = c.rows, HowScan
		var limits []string
		if args.WarnAfter.Std() > 0 {
			limits = append(limits, "warning after "+args.WarnAfter.String())
		}
		if args.ErrorAfter.Std() > 0 {
			limits = append(limits, "error after "+args.ErrorAfter.String())
		}
		res.Expected = strings.Join(limits, ", ")
		seconds, known := values[0].(float64)
		if !known || math.IsInf(seconds, 0) {
			graded(&res, StatusFail)
			res.Message = "there is no newest value: the table is empty, or the column is NULL"
			c.set(it.at, res)
			return nil
		}
		whole := math.Floor(seconds)
		newest := time.Unix(int64(whole), int64((seconds-whole)*1e9)).UTC()
		age := c.Now.Sub(newest)
		hours := age.Hours()
		res.Value = &hours
		found := StatusPass
		switch {
		case args.ErrorAfter.Std() > 0 && age > args.ErrorAfter.Std():
			found = StatusFail
		case args.WarnAfter.Std() > 0 && age > args.WarnAfter.Std():
			found = StatusWarn
		}
		graded(&res, found)
		res.Message = fmt.Sprintf("the newest %s is %s, %s old; %s", check.Columns[0], newest.Format("2006-01-02 15:04:05Z"), age.Round(time.Second), res.Expected)
		if age < 0 {
			res.Message = fmt.Sprintf("the newest %s is %s, in the future; %s", check.Columns[0], newest.Format("2006-01-02 15:04:05Z"), res.Expected)
		}
		c.set(it.at, res)
		return nil
	}
	return it, nil
}

// isDrift says whether the check compares with the version before: it needs queries of its own.
func isDrift(check *models.Check) bool {
	args, ok := check.Args.(*models.Distribution)
	return ok && args.Metric == "drift"
}

func (c *counting) distribution(it item, check *models.Check, args *models.Distribution) (item, error) {
	column, typ, err := c.columnWhere(check)
	if err != nil || isDrift(check) {
		return it, err
	}
	expr, err := metricSQL(c.Warehouse.Dialect(), args, column, typ, c.rowsWhere(check))
	if err != nil {
		return it, err
	}
	it.exprs = []string{"CAST(" + expr + " AS DOUBLE)"}
	it.done = func(ctx context.Context, values []any) error {
		value, known := values[0].(float64)
		if args.Min == nil && args.Max == nil && known {
			return c.judgeHistory(ctx, it.at, check.Columns[0]+":"+metricName(args), args.History, value)
		}
		c.judgeBounds(it.at, args, value, known)
		return nil
	}
	return it, nil
}

func metricName(args *models.Distribution) string {
	if args.Quantile != nil {
		return "quantile " + strconv.FormatFloat(*args.Quantile, 'g', -1, 64)
	}
	return args.Metric
}

// metricSQL is the figure as an aggregate. Medians and numbers of distinct values are estimates (t-digest, HyperLogLog):
// exact ones need memory that grows with the rows.
func metricSQL(d *warehouse.Dialect, args *models.Distribution, column, typ, rows string) (string, error) {
	numbers := map[string]bool{"mean": true, "stddev": true, "sum": true, "median": true, "zero_share": true, "min": true, "max": true}
	if numbers[args.Metric] && !isNumeric(typ) {
		return "", wrong("use null_share, distinct or distinct_share, or cast the column in a model", "%s of a column of type %s", args.Metric, typ)
	}
	number := column
	if numbers[args.Metric] {
		number = "CAST(" + column + " AS DOUBLE)"
	}
	switch args.Metric {
	case "mean":
		return "avg(" + number + ")", nil
	case "stddev":
		return "stddev_samp(" + number + ")", nil
	case "min", "max", "sum":
		return args.Metric + "(" + number + ")", nil
	case "median":
		q := 0.5
		if args.Quantile != nil {
			q = *args.Quantile
		}
		return d.Quantile(number, q), nil
	case "null_share":
		return fmt.Sprintf("1 - CAST(count(%s) AS DOUBLE) / nullif(%s, 0)", column, rows), nil
	case "distinct":
		return "approx_count_distinct(" + column + ")", nil
	case "distinct_share":
		return fmt.Sprintf("CAST(approx_count_distinct(%s) AS DOUBLE) / nullif(count(%[1]s), 0)", column), nil
	case "zero_share":
		return fmt.Sprintf("CAST(%s AS DOUBLE) / nullif(count(%s), 0)", d.CountIf(number+" = 0"), number), nil
	}
	return "", wrong("", "metric %s is not known", args.Metric)
}

// judgeBounds compares a figure with fixed bounds. A figure that no row gives, such as the mean of nothing, fails.
func (c *counting) judgeBounds(at int, args *models.Distribution, value float64, known bool) {
	res := result(c.checks[at])
	res.Checked, res.How = c.rows, HowScan
	var parts []string
	found := StatusPass
	if args.Min != nil {
		parts = append(parts, fmt.Sprintf("at least %g", *args.Min))
		if !(value >= *args.Min) {
			found = StatusFail
		}
	}
	if args.Max != nil {
		parts = append(parts, fmt.Sprintf("at most %g", *args.Max))
		if !(value <= *args.Max) {
			found = StatusFail
		}
	}
	res.Expected = strings.Join(parts, " and ")
	name := metricName(args) + " of " + c.checks[at].Columns[0]
	if !known {
		graded(&res, StatusFail)
		res.Message = "there is no " + name + ": no row has a value"
	} else {
		graded(&res, found)
		res.Message = fmt.Sprintf("%s is %.6g; expected %s", name, value, orAnything(res.Expected))
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			res.Value = &value
		}
	}
	c.set(at, res)
}

func orAnything(expected string) string {
	if expected == "" {
		return "anything"
	}
	return expected
}
