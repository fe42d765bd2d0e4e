package check

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// driftClasses is into how many classes of about equal size numbers and times are sorted, driftValues how many of the most
// frequent values of other types are a class each, beside one of all others. NULLs are a class too, and so are NaN and infinities.
const (
	driftClasses = 10
	driftValues  = 50
)

// drift compares the values of a column with those of the version before, class by class, in rows that the check is about.
func (c *counting) drift(ctx context.Context, check *models.Check, args *models.Distribution, res *Result) error {
	res.Checked, res.How, res.Expected = c.rows, HowQuery, "at most "+figure(driftLimit(args))
	column, err := c.compiler(c.table).column(check.Columns[0])
	if err != nil {
		return err
	}
	value := c.Warehouse.Dialect().QuoteIdent(column.Name)
	now := about(check, value, c.table.From)
	if _, err := c.Warehouse.Describe(ctx, now); err != nil {
		return err
	}
	before, was, why, err := c.driftBefore(ctx, check, value)
	if err != nil {
		return err
	}
	classes := c.driftValues
	switch ranges := isNumeric(column.Type) || isTime(column.Type); {
	case why != "":
	case ranges && isNumeric(was) == isNumeric(column.Type) && isTime(was) == isTime(column.Type):
		classes = c.driftRanges
	case ranges || isNumeric(was) || isTime(was):
		why = fmt.Sprintf("%s was %s in the version before and is %s", check.Columns[0], was, column.Type)
	}
	if why != "" {
		res.Message = "not judged: " + why
		return nil
	}
	then, here, err := classes(ctx, column.Type, now, before)
	if err != nil {
		return err
	}
	if sum(then) == 0 || sum(here) == 0 {
		res.Message = "not judged: one of the two versions has no such rows"
		return nil
	}
	c.judgeDrift(check, args, res, PSI(then, here), chance(then, here))
	return nil
}

// about is a SELECT of the value, as v, in the rows that the check is about.
func about(check *models.Check, value, from string) string {
	query := "SELECT " + value + " AS v FROM " + from
	if check.Where != "" {
		query += " WHERE " + check.Where + "\n"
	}
	return query
}

// driftBefore is the same SELECT of the version before and the type of its values, or why there is nothing to compare with. What
// is wrong with the check itself the new version has told.
func (c *counting) driftBefore(ctx context.Context, check *models.Check, value string) (query, typ, why string, err error) {
	if c.table.Before == "" {
		return "", "", "there is no version before", nil
	}
	query = about(check, value, "(\n"+c.table.Before+"\n) AS "+c.Warehouse.Dialect().QuoteIdent(cmp.Or(c.table.Name, "t")))
	columns, err := c.Warehouse.Describe(ctx, query)
	switch {
	case err == nil:
		return query, columns[0].Type, "", nil
	case own(ctx, err):
		return "", "", "the version before has other columns", nil
	}
	return "", "", "", err
}

func driftLimit(args *models.Distribution) float64 {
	if args.Max != nil {
		return *args.Max
	}
	return PSILarge
}

// chance is how much drift random parts of the same rows show, but for one time in a thousand: the index of two samples, divided by
// 1/n + 1/m, is about a chi-squared variable with one degree of freedom less than there are classes (Yurdakul and Naranjo, Journal
// of Risk Model Validation 14, 2020).
func chance(then, here []float64) float64 {
	freedom := float64(len(then) - 1)
	return (1/sum(then) + 1/sum(here)) * (freedom + 3.1*math.Sqrt(2*freedom) + 4)
}

func (c *counting) judgeDrift(check *models.Check, args *models.Distribution, res *Result, psi, chance float64) {
	found, limit := StatusPass, driftLimit(args)
	switch {
	case psi <= chance:
	case psi > limit:
		found = StatusFail
	case args.Max == nil && psi > PSIModerate:
		found, limit = StatusWarn, PSIModerate
	}
	graded(res, found)
	res.Value = &psi
	res.Message = fmt.Sprintf("drift of %s is %s (population stability index against the version before); expected at most %s", check.Columns[0], figure(psi), figure(limit))
	if found == StatusPass && psi > PSIModerate && psi <= chance {
		res.Message += "; in so few rows chance brings about as much"
	}
	c.metrics = append(c.metrics, Metric{Name: check.Columns[0] + ":drift", Value: psi, At: c.At})
}

// driftRanges counts numbers or times by the ranges into which the version before falls.
func (c *counting) driftRanges(ctx context.Context, typ, now, before string) (then, here []float64, err error) {
	d := c.Warehouse.Dialect()
	number := "CAST(v AS DOUBLE)"
	if isTime(typ) {
		number = d.Epoch("v")
	}
	found, err := c.row(ctx, driftEdges(d, number, before))
	if err != nil {
		return nil, nil, err
	}
	var edges []float64
	for _, e := range found {
		if edge, known := e.(float64); known && (len(edges) == 0 || edge != edges[len(edges)-1]) {
			edges = append(edges, edge)
		}
	}
	return c.driftCounts(ctx, driftRanges(d, number, edges, now, before))
}

// driftEdges asks for the numbers that part the version before into classes of about equal size.
func driftEdges(d *warehouse.Dialect, number, before string) string {
	var cuts []string
	for i := 1; i < driftClasses; i++ {
		cuts = append(cuts, d.Quantile("x", float64(i)/driftClasses))
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT %s AS x FROM (\n%s\n) AS b) AS q WHERE %s", strings.Join(cuts, ", "), number, before, d.Finite("x"))
}

// driftRanges gives the class of each value of both versions.
func driftRanges(d *warehouse.Dialect, number string, edges []float64, now, before string) string {
	class := fmt.Sprintf("CASE WHEN x IS NULL THEN 0 WHEN NOT %s THEN %d", d.Finite("x"), driftClasses+1)
	for i, edge := range edges {
		class += fmt.Sprintf(" WHEN x <= %v THEN %d", edge, i+1)
	}
	return fmt.Sprintf("SELECT %s ELSE %d END AS class, here FROM (\n%s\n) AS s", class, driftClasses, bothSides(number, now, before))
}

// driftValues counts values by those that are most frequent in the version before.
func (c *counting) driftValues(ctx context.Context, _, now, before string) (then, here []float64, err error) {
	return c.driftCounts(ctx, driftValuesSQL(now, before))
}

// driftValuesSQL gives the class of each value of both versions, as texts.
func driftValuesSQL(now, before string) string {
	const text = "CAST(v AS VARCHAR)"
	top := fmt.Sprintf("SELECT x, row_number() OVER (ORDER BY n DESC NULLS LAST, x ASC NULLS LAST) AS class FROM (SELECT %s AS x, count(*) AS n FROM (\n%s\n) AS b WHERE v IS NOT NULL GROUP BY 1 ORDER BY n DESC NULLS LAST, x ASC NULLS LAST LIMIT %d) AS g",
		text, before, driftValues)
	return fmt.Sprintf("SELECT CASE WHEN s.x IS NULL THEN 0 ELSE coalesce(t.class, %d) END AS class, here FROM (\n%s\n) AS s LEFT JOIN (%s) AS t ON s.x = t.x", driftValues+1, bothSides(text, now, before), top)
}

// bothSides are the values of both versions, made comparable, as x, and whether they are the new one's.
func bothSides(value, now, before string) string {
	return fmt.Sprintf("SELECT %s AS x, false AS here FROM (\n%s\n) AS b\nUNION ALL\nSELECT %[1]s, true FROM (\n%[3]s\n) AS n", value, before, now)
}

// driftCounts counts the rows of both sides in each class.
func (c *counting) driftCounts(ctx context.Context, classes string) (then, here []float64, err error) {
	answer, err := c.Warehouse.Query(ctx, driftCounts(c.Warehouse.Dialect(), classes))
	if err != nil {
		return nil, nil, err
	}
	for _, row := range answer.Rows {
		then, here = append(then, float64(integer(row[1]))), append(here, float64(integer(row[2])))
	}
	return then, here, nil
}

func driftCounts(d *warehouse.Dialect, classes string) string {
	return fmt.Sprintf("SELECT class, %s, %s FROM (\n%s\n) AS c GROUP BY class", d.CountIf("NOT here"), d.CountIf("here"), classes)
}

func sum(v []float64) float64 {
	total := 0.0
	for _, x := range v {
		total += x
	}
	return total
}
