package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/transform/reconcile"
)

// reconciled is the answer for machines.
type reconciled struct {
	*reconcile.Result
	Failing int64    `json:"failing"`
	Within  bool     `json:"within_tolerance"`
	Message string   `json:"message"`
	Notes   []string `json:"notes"`
}

// printReconciled shows what a comparison found: the verdict, the figures that differ, and some of the differences.
func (a *app) printReconciled(found *reconcile.Result, notes []string) error {
	if a.json {
		return a.printJSON(reconciled{found, found.Failing(), found.Within(), found.Summary(), append([]string{}, notes...)})
	}
	out := bufio.NewWriter(a.stdout)
	verdict := "same"
	switch {
	case !found.Within():
		verdict = "DIFFERENT"
	case !found.Same():
		verdict = "within tolerance " + found.Tolerance.String()
	}
	fmt.Fprintf(out, "%s: %s\n", verdict, a.redactor.Redact(oneLine(found.Summary())))
	if len(found.Key) == 0 && found.ByRow {
		fmt.Fprintln(out, "no key: whole rows were compared; --key names the columns that tell rows apart")
	}
	for _, n := range notes {
		fmt.Fprintln(out, a.redactor.Redact(oneLine(n)))
	}
	if g := figuresGrid(found); len(g.rows) > 1 || !found.Same() {
		fmt.Fprintln(out)
		g.width = a.terminalWidth()
		if err := g.print(out); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if s := found.Sample; s != nil && len(s.Rows) > 0 {
		a.out("")
		return a.printCells(&check.Sample{Columns: s.Columns, Rows: s.Rows})
	}
	return nil
}

// figuresGrid shows the rows of both sides, and the figures that are not the same.
func figuresGrid(r *reconcile.Result) *grid {
	g := &grid{header: []string{"MEASURE", "LEFT", "RIGHT", "DIFFERENT ROWS"}, right: []bool{false, true, true, true}}
	g.add("rows", fmt.Sprint(r.Left.Rows), fmt.Sprint(r.Right.Rows), "")
	for _, c := range r.Columns {
		rows, first := "", true
		if c.Different > 0 {
			rows = strconv.FormatInt(c.Different, 10)
		}
		line := func(measure, left, right string) {
			if !first {
				rows = ""
			}
			g.add(oneLine(c.Name)+" "+measure, left, right, rows)
			first = false
		}
		switch {
		case c.Why != "":
			line("type", c.LeftType, c.RightType)
		case len(c.Differs) == 0 && c.Different > 0:
			line("values", "", "")
		}
		for _, m := range c.Differs {
			switch m {
			case reconcile.Nulls:
				line("nulls", fmt.Sprint(c.Left.Nulls), fmt.Sprint(c.Right.Nulls))
			case reconcile.Sums:
				line("sum", figureText(c.Left.Sum), figureText(c.Right.Sum))
			case reconcile.Bounds:
				line("bounds", bounds(c.Left), bounds(c.Right))
			}
		}
	}
	return g
}

func bounds(f reconcile.Figures) string {
	return strings.Join([]string{figureText(f.Min), figureText(f.Max)}, " … ")
}

func figureText(s *string) string {
	if s == nil {
		return "none"
	}
	return cut(oneLine(*s), 30)
}
