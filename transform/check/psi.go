package check

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/millrace/millrace/models"
)

// driftClasses is into how many classes of about equal size numbers and times are sorted, driftValues how many of the most
// frequent values of other types are a class each, beside one of all others. NULLs are a class too, and so are NaN and infinities.
const (
	driftClasses = 10
	driftValues  = 50
)

// drift compares the values of a column with those of the version before, class by class.
func (c *counting) drift(ctx context.Context, check *models.Check, args *models.Distribution, res *Result) error {
	res.Checked, res.How, res.Expected = c.rows, HowQuery, "at most "+figure(driftLimit(args))
	now, typ, err := c.columnWhere(check)
	if err != nil {
		return err
	}
	before, why := c.driftBefore(ctx, check)
	if why != "" {
		res.Message = "not judged: " + why
		return nil
	}
	classes := c.driftValues
	if isNumeric(typ) || isTime(typ) {
		classes = c.driftRanges
	}
	then, here, err := classes(ctx, typ, now, before)
	if err != nil {
		return err
	}
	if sum(then) == 0 || sum(here) == 0 {
		res.Message = "not judged: one of the two versions has no rows"
		return nil
	}
	c.judgeDrift(check, args, res, PSI(then, here))
	return nil
}

// driftBefore is the version before as a table expression, or why there is nothing to compare with.
func (c *counting) driftBefore(ctx context.Context, check *models.Check) (from, why string) {
	if c.table.Before == "" {
		return "", "there is no version before"
	}
	from = "(\n" + c.table.Before + "\n) AS b"
	probe, _, err := c.columnWhere(check)
	if err == nil {
		_, err = c.Warehouse.Describe(ctx, "SELECT "+probe+" FROM "+from)
	}
	if err != nil {
		return "", "the version before has other columns"
	}
	return from, ""
}

func driftLimit(args *models.Distribution) float64 {
	if args.Max != nil {
		return *args.Max
	}
	return PSILarge
}

func (c *counting) judgeDrift(check *models.Check, args *models.Distribution, res *Result, psi float64) {
	found, limit := StatusPass, driftLimit(args)
	switch {
	case psi > limit:
		found = StatusFail
	case args.Max == nil && psi > PSIModerate:
		found, limit = StatusWarn, PSIModerate
	}
	graded(res, found)
	res.Value = &psi
	res.Message = fmt.Sprintf("drift of %s is %s (population stability index against the version before); expected at most %s", check.Columns[0], figure(psi), figure(limit))
	c.metrics = append(c.metrics, Metric{Name: check.Columns[0] + ":drift", Value: psi, At: c.At})
}

// driftRanges counts numbers or times by the ranges into which the version before falls.
func (c *counting) driftRanges(ctx context.Context, typ, column, before string) (then, here []float64, err error) {
	number := func(v string) string { return "CAST(" + v + " AS DOUBLE)" }
	if isTime(typ) {
		number = func(v string) string { return "epoch(CAST(" + v + " AS TIMESTAMP))" }
	}
	var cuts []string
	for i := 1; i < driftClasses; i++ {
		cuts = append(cuts, fmt.Sprintf("approx_quantile(v, %g)", float64(i)/driftClasses))
	}
	edges, err := c.row(ctx, fmt.Sprintf("SELECT %s FROM (SELECT %s AS v FROM %s) AS q WHERE isfinite(v)", strings.Join(cuts, ", "), number(column), before))
	if err != nil {
		return nil, nil, err
	}
	class, last := fmt.Sprintf("CASE WHEN v IS NULL THEN 0 WHEN NOT isfinite(v) THEN %d", driftClasses+1), math.NaN()
	for i, e := range edges {
		if edge, known := e.(float64); known && edge != last {
			class += fmt.Sprintf(" WHEN v <= %v THEN %d", edge, i+1)
			last = edge
		}
	}
	class += fmt.Sprintf(" ELSE %d END", driftClasses)
	sides := fmt.Sprintf("SELECT %s AS v, false AS here FROM %s UNION ALL SELECT %[1]s, true FROM %[3]s", number(column), before, c.table.From)
	return c.driftCounts(ctx, "SELECT "+class+" AS class, here FROM (\n"+sides+"\n) AS s")
}

// driftValues counts values by those that are most frequent in the version before.
func (c *counting) driftValues(ctx context.Context, _, column, before string) (then, here []float64, err error) {
	text := "CAST(" + column + " AS VARCHAR)"
	top := fmt.Sprintf("SELECT v, row_number() OVER (ORDER BY n DESC, v) AS class FROM (SELECT %s AS v, count(*) AS n FROM %s GROUP BY v HAVING v IS NOT NULL ORDER BY n DESC, v LIMIT %d) AS g", text, before, driftValues)
	sides := fmt.Sprintf("SELECT %s AS v, false AS here FROM %s UNION ALL SELECT %[1]s, true FROM %[3]s", text, before, c.table.From)
	return c.driftCounts(ctx, fmt.Sprintf("SELECT CASE WHEN s.v IS NULL THEN 0 ELSE coalesce(t.class, %d) END AS class, here FROM (\n%s\n) AS s LEFT JOIN (%s) AS t ON s.v = t.v", driftValues+1, sides, top))
}

// driftCounts counts the rows of both sides in each class.
func (c *counting) driftCounts(ctx context.Context, classes string) (then, here []float64, err error) {
	d := c.Warehouse.Dialect()
	answer, err := c.Warehouse.Query(ctx, fmt.Sprintf("SELECT class, %s, %s FROM (\n%s\n) AS c GROUP BY class", d.CountIf("NOT here"), d.CountIf("here"), classes))
	if err != nil {
		return nil, nil, err
	}
	for _, row := range answer.Rows {
		then, here = append(then, float64(integer(row[1]))), append(here, float64(integer(row[2])))
	}
	return then, here, nil
}

func sum(v []float64) float64 {
	total := 0.0
	for _, x := range v {
		total += x
	}
	return total
}
