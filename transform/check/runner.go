package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Runner runs checks in one warehouse, in which everything that they read is exposed.
type Runner struct {
	Warehouse warehouse.Warehouse
	// Parent is the table expression of another node's table, or why it cannot be read.
	Parent func(*models.Node) (string, error)
	// Query renders the query of a check of kind sql.
	Query func(context.Context, *models.Check) (string, error)
	// Place says where in the project's files that of a query stands which is at an offset of it, below 0 for its beginning; "" where that
	// is not known. Nil: nobody asks.
	Place func(ctx context.Context, c *models.Check, offset int) string
	// History gives a table's figures of earlier runs, oldest first; nil when there is no history.
	History func(ctx context.Context, node, name string, limit int) ([]Metric, error)
	// Aside says why figures are not compared with those of earlier runs: this is none that they could be compared with. "" when
	// it is one.
	Aside string
	At    time.Time // logical time of the run, which figures are kept under
	Now   time.Time // what freshness is measured against
	Dir   string    // an existing folder for files
}

// Table is the rows that are checked.
type Table struct {
	From    string         // a table expression
	Name    string         // that conditions may call it by: the table's without its schema
	Exposed warehouse.Name // of a version whose rows lie in Files; empty of any other table
	Columns []warehouse.Column
	// Files hold all of the rows, and no others when Exact: their statistics say what need not be counted. Nil when unknown.
	Files []warehouse.File
	Exact bool
	// AtSource says that the rows are as a source has them: a run would give them the columns that a contract asks for.
	AtSource bool
	// Before is a SELECT of the version that was published before; "" when there is none.
	Before string
	// Brought is the number of rows that the run has brought, those that were diverted too; nil when no run did.
	Brought *int64
	// Key are columns that tell rows apart in samples; may be empty.
	Key []string
	// Secret are columns whose values are not shown.
	Secret map[string]bool
}

// VersionTable is the table of an exposed version.
func VersionTable(d *warehouse.Dialect, v *warehouse.Version, n *models.Node) Table {
	t := Table{From: d.Table(v.Name), Name: v.Name.Table, Columns: v.Columns, Key: v.Key, Secret: Secrets(n)}
	if v.View == "" {
		t.Exposed, t.Files, t.Exact = v.Name, v.Files(), len(v.Upserts)+len(v.Deletes) == 0
	}
	return t
}

// Secrets are the personal columns that the project names, by lower-case name.
func Secrets(n *models.Node) map[string]bool { return n.PersonalColumns() }

func (r *Runner) compiler(t Table) *compiler {
	return &compiler{d: r.Warehouse.Dialect(), columns: t.Columns, parent: r.Parent}
}

// result begins the result of a check.
func result(c *models.Check) Result {
	r := Result{Node: c.Node.Name(), Name: c.Name, Kind: c.Kind, Columns: c.Columns, Severity: c.Severity, Status: StatusPass,
		Description: c.Description, Owner: c.Owner, Tags: c.Tags, Pos: c.Pos.String()}
	if column, ok := c.Args.(*models.ContractColumn); ok {
		r.Expected = column.String()
	}
	return r
}

// broken is the result of a check that could not be run: an error, whatever its severity.
func broken(c *models.Check, err error) Result {
	var query *queryError
	if errors.As(err, &query) {
		whose := "its query"
		if args, ok := c.Args.(*models.SQL); ok && args.Test != nil {
			whose = "the query of its macro " + strings.TrimPrefix(args.Test.Macro, "test_")
		}
		r := Said(c, StatusError, whose+" fails: "+words(c, query.err))
		r.Pos = cmp.Or(query.pos, r.Pos)
		return r
	}
	return Said(c, StatusError, "the check cannot be run: "+words(c, err))
}

// queryError is an error of the SQL of a check that is a query.
type queryError struct {
	pos string // of the mistake; "" where the check is
	err error
}

func (e *queryError) Error() string { return e.err.Error() }
func (e *queryError) Unwrap() error { return e.err }

// placed says where the query of a check is wrong. Before stands what was put before the query that the engine was given.
func (r *Runner) placed(ctx context.Context, c *models.Check, before string, err error) error {
	var sql *warehouse.SQLError
	if !errors.As(err, &sql) || !own(ctx, err) {
		return err
	}
	pos := ""
	if r.Place != nil {
		offset := sql.Offset
		if offset >= 0 {
			offset = max(0, offset-len(before))
		}
		pos = r.Place(ctx, c, offset)
	}
	return &queryError{pos, err}
}

// own says whether the error is one of the check itself, and not of the engine or of the run.
func own(ctx context.Context, err error) bool {
	var sql *warehouse.SQLError
	if ctx.Err() != nil {
		return false
	}
	if errors.As(err, &sql) {
		for _, not := range []string{"Out of Memory", "IO ", "Internal ", "FATAL", "Fatal", "Interrupt"} {
			if strings.HasPrefix(sql.Message, not) {
				return false
			}
		}
		return true
	}
	return mistaken(err)
}

// holds says whether a condition is met by what was found. A share is one of rows, whatever else is counted.
func holds(condition models.Condition, r *Result, c *models.Check) bool {
	if condition.Limit.IsPercent {
		return condition.Holds(r.Failing, r.Checked)
	}
	return condition.Holds(r.Failures(c), r.Checked)
}

// Grade sets status and message by the failing rows by the check's conditions.
func Grade(r *Result, c *models.Check) {
	warnIf, errorIf := conditions(c)
	grade(r, c, holds(warnIf, r, c), holds(errorIf, r, c))
}

// conditions are warn_if and error_if, which are any failing row where they are not said.
func conditions(c *models.Check) (warnIf, errorIf models.Condition) {
	any := models.Condition{Op: "!="}
	warnIf, errorIf = c.WarnIf, c.ErrorIf
	if warnIf.IsZero() {
		warnIf = any
	}
	if errorIf.IsZero() {
		errorIf = any
	}
	return warnIf, errorIf
}

// grade sets status and message by the conditions that hold, as dbt does: error_if first, then warn_if.
func grade(r *Result, c *models.Check, warns, fails bool) {
	warnIf, errorIf := conditions(c)
	switch {
	case c.Severity != models.SeverityWarn && fails:
		r.Status, r.Threshold = StatusFail, errorIf.String()
	case warns:
		r.Status, r.Threshold = StatusWarn, warnIf.String()
	default:
		r.Status = StatusPass
		if r.Failing > 0 {
			r.Threshold = "within " + warnIf.String()
		}
	}
	r.Message = describe(r)
}

// describe says in words what a check of single rows has found.
func describe(r *Result) string {
	if r.Failing == 0 {
		return fmt.Sprintf("all %s pass", count(r.Checked, "row"))
	}
	text := fmt.Sprintf("%d of %s fail", r.Failing, count(r.Checked, "row"))
	switch {
	case r.Keys > 0 && r.Kind == "unique":
		text = fmt.Sprintf("%s share %s: %s", count(r.Failing, "row"), count(r.Keys, "key"), text)
	case r.Keys > 0:
		text += ", with " + count(r.Keys, "different value")
	}
	switch {
	case r.Quarantined > 0 && r.Severity == models.SeverityQuarantine:
		text += fmt.Sprintf("; %d quarantined", r.Quarantined)
	case r.Quarantined > 0:
		text += "; nothing is published, millrace rejects show " + r.Node + " has them"
	}
	return text
}

func count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// NoRows is the result of a check of new rows when there are none.
func NoRows(c *models.Check) Result {
	r := result(c)
	r.Message = "no new rows"
	return r
}
