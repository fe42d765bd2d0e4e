package check

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/reconcile"
	"github.com/millrace/millrace/warehouse"
)

// Other is what a table is reconciled with, and what of it is known to differ on purpose.
type Other struct {
	reconcile.Side
	reconcile.Known
	Notes []string // to be told beside the outcome
}

// Reconcile compares this side, which is the table or what of it can be compared, with the other one that its check names.
func (r *Runner) Reconcile(ctx context.Context, this reconcile.Side, c *models.Check, other Other) (Result, error) {
	args, _ := c.Args.(*models.Reconcile)
	cfg := r.compared(c, args, this.Columns, other.Columns)
	cfg.Known = other.Known
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

// compared is what a check compares, of two tables with these columns. Without a key that both have it is whole rows.
func (r *Runner) compared(c *models.Check, args *models.Reconcile, this, other []warehouse.Column) reconcile.Config {
	cfg := reconcile.Config{Key: args.Key, Columns: c.Columns, Ignore: args.Ignore, Where: c.Where, Tolerance: args.Tolerance, Numeric: args.Numeric,
		Limit: c.Limit, Secret: Secrets(c.Node), Dir: r.Dir}
	for _, m := range args.Measures {
		cfg.Measures = append(cfg.Measures, reconcile.Measure(m))
	}
	if key := RowKey(c.Node, this); len(cfg.Key) == 0 && hasAll(other, key) {
		cfg.Key = key
	}
	if args.Node != nil { // what is secret there is secret here
		maps.Copy(cfg.Secret, Secrets(args.Node))
	}
	return cfg
}

// RowKey are the columns, of these, that tell the rows of a node's table apart for sure: the key that it is made by, or what a
// check says of all rows that keeps the table from being published. Nil for none.
func RowKey(n *models.Node, columns []warehouse.Column) []string {
	if n.Stream != nil && len(n.Stream.Key) > 0 {
		return n.Stream.Key
	}
	if n.Model != nil && len(n.Model.UniqueKey) > 0 {
		return n.Model.UniqueKey
	}
	for _, c := range n.Checks {
		if c.Kind == "unique" && c.Severity == models.SeverityError && c.ErrorIf.IsZero() && c.Where == "" && hasAll(columns, c.Columns) { // dbt's column_name may be an expression
			return c.Columns
		}
	}
	return nil
}

func hasAll(columns []warehouse.Column, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(columns, func(c warehouse.Column) bool { return strings.EqualFold(c.Name, name) })
	})
}

// bindReconciling finds a mistake in a check that compares the table with another one. Of that only a table of the project, and
// the source where no contract gives other columns, is known; a column to ignore may be the other's.
func (c *counting) bindReconciling(ctx context.Context, check *models.Check) error {
	args, _ := check.Args.(*models.Reconcile)
	this := c.table.Side(check.Node.Name())
	other, strays := this, false // whether a name may be one of columns that are not known here
	switch {
	case args.Against == models.AgainstTable:
		from, err := c.Parent(args.Node)
		if err != nil {
			return wrong("", "%v", err)
		}
		other = reconcile.Side{Name: args.Node.Name(), Query: "SELECT * FROM " + from}
		if other.Columns, err = c.Warehouse.Describe(ctx, other.Query); err != nil {
			return err
		}
	case args.Against != models.AgainstSource || args.Node != check.Node || check.Node.Contract() != nil:
		strays = true
	}
	cfg := c.compared(check, args, this.Columns, other.Columns)
	if strays {
		cfg.Ignore = nil
	}
	return reconcile.Bind(ctx, c.Warehouse, other, this, cfg)
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
