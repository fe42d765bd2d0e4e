package check

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// TestFailCalc: what a test's fail_calc gives and its conditions say decides, and is told. A mistake in them is an error of that test alone.
func TestFailCalc(t *testing.T) {
	l := open(t, "sql: select 1", "not_null: n")
	table := l.table(t, "SELECT unnest([1, 2, 3]) AS n")
	check := l.node.Checks[0]
	for _, c := range []struct {
		calc, where string
		want        Status
		message     string
	}{
		{"'nan'::double", "true", StatusError, "the check cannot be run: fail_calc 'nan'::double gives several numbers, not one: use an aggregate: sum(...)"},
		{"n", "n > 9", StatusError, "the check cannot be run: fail_calc n gives no number, not one: use an aggregate"},
		{"max(n)", "n < 3", StatusFail, "fail_calc max(n) gives 2"},
		{"sum(0.00)", "true", StatusPass, "fail_calc sum(0.00) gives 0"},
		{"sum(1.00)", "true", StatusFail, "fail_calc sum(1.00) gives 3"},
		{"sum(10.0::double)", "true", StatusFail, "fail_calc sum(10.0::double) gives 30"},
		{"sum(1.50)", "true", StatusError, "the check cannot be run: fail_calc sum(1.50) gives 4.50, which is no number of failures"},
	} {
		check.FailCalc = c.calc
		l.Query = func(context.Context, *models.Check) (string, error) {
			return "SELECT * FROM " + table.From + " WHERE " + c.where, nil
		}
		found := l.count(t, table)
		if r := found[0]; r.Status != c.want || !strings.HasPrefix(r.Message, c.message) || found[1].Status != StatusPass {
			t.Errorf("fail_calc %s where %s: %s: %s; the other test: %s", c.calc, c.where, r.Status, r.Message, found[1].Status)
		}
	}
}
