package check

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/reconcile"
)

// Other is what a table is reconciled with, and what of it is known to differ on purpose.
type Other struct {
	reconcile.Side
	reconcile.Known
	Notes []string // to be told beside the outcome
}

// Reconcile compares this side, which is the table t or what of it can be compared, with the other one that its check names.
func (r *Runner) Reconcile(ctx context.Context, t Table, this reconcile.Side, c *models.Check, other Other) (Result, error) {
	args, _ := c.Args.(*models.Reconcile)
	cfg := reconcile.Config{Key: args.Key, Columns: c.Columns, Ignore: args.Ignore, Where: c.Where, Tolerance: args.Tolerance, Numeric: args.Numeric,
		Limit: c.Limit, Secret: Secrets(c.Node), Dir: r.Dir, Known: other.Known}
	for _, m := range args.Measures {
		cfg.Measures = append(cfg.Measures, reconcile.Measure(m))
	}
	if len(cfg.Key) == 0 {
		cfg.Key = t.Key
	}
	if args.Node != nil { // what is secret there is secret here
		maps.Copy(cfg.Secret, Secrets(args.Node))
	}
	found, err := reconcile.Run(ctx, r.Warehouse, other.Side, this, cfg)
	if err != nil {
		if own(ctx, err) {
			return broken(c, err), nil
		}
		return Result{}, err
	}
	res := result(c)
	res.Failing, res.Checked, res.How = found.Failing(), found.Left.Rows, HowQuery
	if found.Sample != nil {
		res.Sample = &Sample{Columns: found.Sample.Columns, Rows: found.Sample.Rows}
	}
	if Grade(&res, c); found.Within() && res.Failing > 0 {
		res.Status, res.Threshold = StatusPass, "within tolerance "+args.Tolerance.String()
	}
	res.Message = strings.Join(append([]string{"with " + other.Name + ": " + found.Summary()}, other.Notes...), "; ")
	return res, nil
}

// Side is the table as a side of a comparison.
func (t Table) Side(name string) reconcile.Side {
	return reconcile.Side{Name: name, Query: "SELECT * FROM " + t.From, Columns: t.Columns}
}

// Said is the result of a check that was not, or could not be, judged.
func Said(c *models.Check, status Status, message string) Result {
	r := result(c)
	r.Status, r.Message = status, message
	return r
}

// Unrunnable is the result of a check that could not be run: an error, whatever its severity.
func Unrunnable(c *models.Check, err error) Result { return broken(c, err) }

// mistaken says whether the error is a mistake in the check.
func mistaken(err error) bool {
	var own *mistake
	var compared *reconcile.Mistake
	return errors.As(err, &own) || errors.As(err, &compared)
}
