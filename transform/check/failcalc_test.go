package check

import (
	"context"
	"testing"

	"github.com/millrace/millrace/models"
)

// TestFailCalc: what a test's fail_calc gives and its conditions say decides, and is told. A mistake in them is an error of that test
// alone.
func TestFailCalc(t *testing.T) {
	l := open(t, "sql: select 1", "not_null: n")
	table := l.table(t, "SELECT unnest([1, 2, 3]) AS n")
	check := l.node.Checks[0]
	type conditions struct{ warnIf, errorIf models.Condition }
	const cannot, aggregate = "the check cannot be run: ", ", not one: use an aggregate: sum(...), max(...), count(*)"
	in := func(sql string) models.Condition { return models.Condition{SQL: sql} }
	zero := models.Condition{Op: "="}
	for _, c := range []struct {
		calc, where string
		when        conditions
		want        Status
		message     string
	}{
		{"'nan'::double", "true", conditions{}, StatusError, cannot + "fail_calc 'nan'::double gives several numbers" + aggregate},
		{"n", "n > 9", conditions{}, StatusError, cannot + "fail_calc n gives no number" + aggregate},
		{"max(n)", "n < 3", conditions{}, StatusFail, "fail_calc max(n) gives 2"},
		{"sum(0.00)", "true", conditions{}, StatusPass, "fail_calc sum(0.00) gives 0"},
		{"sum(1.00)", "true", conditions{}, StatusFail, "fail_calc sum(1.00) gives 3"},
		{"sum(10.0::double)", "true", conditions{}, StatusFail, "fail_calc sum(10.0::double) gives 30"},
		{"sum(1.50)", "true", conditions{}, StatusError, cannot + "fail_calc sum(1.50) gives 4.50, which is no number of failures: " +
			"give a whole number: coalesce(…, 0), cast(… as bigint)"},
		{"", "n > 9", conditions{errorIf: in("in (0)")}, StatusFail, "the query returns no row, and error_if in (0) holds"},
		{"", "n > 9", conditions{errorIf: zero}, StatusFail, "the query returns no row, and error_if = 0 holds"},
		{"", "n > 1", conditions{warnIf: in("in (2)"), errorIf: in("> 5")}, StatusWarn, "the query returns 2 rows, and warn_if in (2) holds"},
		{"max(n)", "true", conditions{errorIf: in("is not null")}, StatusFail, "fail_calc max(n) gives 3, and error_if is not null holds"},
		{"", "n > 1", conditions{warnIf: in("in (3)"), errorIf: in("> 5")}, StatusPass, "the query returns 2 rows"},
	} {
		check.FailCalc, check.WarnIf, check.ErrorIf = c.calc, c.when.warnIf, c.when.errorIf
		l.Query = func(context.Context, *models.Check) (string, error) {
			return "SELECT * FROM " + table.From + " WHERE " + c.where, nil
		}
		found := l.count(t, table)
		if r := found[0]; r.Status != c.want || r.Message != c.message || found[1].Status != StatusPass {
			t.Errorf("fail_calc %s where %s: %s: %s; the other test: %s", c.calc, c.where, r.Status, r.Message, found[1].Status)
		}
	}
}
