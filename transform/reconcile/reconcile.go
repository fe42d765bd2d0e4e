// Package reconcile compares two tables in one warehouse: how many rows, NULLs, sums and bounds each has, which keys only
// one of them has, and which rows with the same key differ. It changes neither, and knows nothing of where they came
// from. The warehouse is the local engine's, into which both are read, and so is the SQL. Read Config, then Run.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/warehouse"
)

// Side is one of the two tables.
type Side struct {
	Name    string // for people
	Query   string // one SELECT of its rows
	Columns []warehouse.Column
}

// Measure is something that is compared.
type Measure string

// What can be compared, cheapest first.
const (
	Rows   Measure = "rows"   // how many there are
	Nulls  Measure = "nulls"  // how many NULLs each column has
	Sums   Measure = "sums"   // of each column of numbers
	Bounds Measure = "bounds" // the least and the greatest value of each column
	Keys   Measure = "keys"   // which keys are there
	Values Measure = "values" // the rows themselves
)

// Measures are all of them.
var Measures = []Measure{Rows, Nulls, Sums, Bounds, Keys, Values}

// Config says what is compared, and what counts as equal.
type Config struct {
	Key      []string  // columns that tell rows apart; none: whole rows are compared
	Columns  []string  // what is compared beside the key; none: all that both sides have
	Ignore   []string  // columns that are not compared
	Where    string    // SQL condition on the rows of both sides; "" for all
	Measures []Measure // none: all that can be
	// Tolerance is how many rows may be missing, extra or different, all together: a count, or a share of the left rows.
	Tolerance config.Threshold
	Numeric   config.Tolerance // how far numbers may be apart
	Limit     int              // differences to show
	Secret    map[string]bool  // columns, in lower case, whose values are not shown
	Dir       string           // an existing folder for files, this comparison's alone
	Known
}

// Known is what is known of a right side that was made from the left one: differences that are told, and are no failure.
type Known struct {
	// KeepsGone says that the right side keeps rows that the left one has no more: all extra rows.
	KeepsGone bool
	// Newer is a column by which the left side may have gone on since: rows beyond the greatest value that the right side
	// has. "" for none.
	Newer string
	// Diverted are rows that were kept out of the right side on purpose, or stand there as they were before; nil for none.
	Diverted *Side
}

// measures says whether a measure is taken.
func (c *Config) measures(m Measure) bool {
	if m == Keys && len(c.Key) == 0 {
		return false
	}
	return len(c.Measures) == 0 || slices.Contains(c.Measures, m)
}

// byRow says whether single rows are compared, and not only figures.
func (c *Config) byRow() bool { return c.measures(Keys) || c.measures(Values) }

// byColumn says whether anything is measured of columns beside the key.
func (c *Config) byColumn() bool {
	return slices.ContainsFunc([]Measure{Nulls, Sums, Bounds, Values}, c.measures)
}

// Mistake is a comparison that cannot be made: a column is not there, or means something else on each side.
type Mistake struct{ Text, hint string }

func (m *Mistake) Error() string {
	if m.hint != "" {
		return m.Text + ": " + m.hint
	}
	return m.Text
}

func mistake(hint, format string, args ...any) error {
	return &Mistake{fmt.Sprintf(format, args...), hint}
}

// Run compares the right side with the left one, which is what is expected.
//
// Each side is read once for its figures and a checksum of its rows. Where the checksums are equal so are the rows, and
// nothing is joined. Else both sides are grouped by key, with a hash of each row: that holds 16 bytes a row beside the key,
// where a join would hold the row. Only rows of keys that differ there are read whole.
func Run(ctx context.Context, w warehouse.Warehouse, left, right Side, cfg Config) (*Result, error) {
	r := newRunning(w, left, right, cfg)
	if err := r.match(); err != nil {
		return nil, err
	}
	same, err := r.figures(ctx)
	if err != nil {
		return nil, fmt.Errorf("count both sides: %w", err)
	}
	byRow := cfg.byRow() && len(r.all()) > 0
	switch {
	case byRow && !same:
		err = r.rows(ctx)
	case byRow:
		err = errors.Join(r.repeatedKeys(ctx), r.empty(ctx))
	default:
		err = r.empty(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("compare rows: %w", err)
	}
	return r.out, nil
}

// Bind finds what is wrong with a comparison before any row is read: a *Mistake, or what the engine says of its condition.
func Bind(ctx context.Context, w warehouse.Warehouse, left, right Side, cfg Config) error {
	r := newRunning(w, left, right, cfg)
	if err := r.match(); err != nil {
		return err
	}
	for _, s := range []Side{left, right} {
		if _, err := w.Describe(ctx, r.rowsOf(s)); err != nil {
			return err
		}
	}
	return nil
}

func newRunning(w warehouse.Warehouse, left, right Side, cfg Config) *running {
	r := &running{Config: cfg, w: w, d: w.Dialect(), left: left, right: right}
	r.out = &Result{Left: Total{Name: left.Name}, Right: Total{Name: right.Name}, Tolerance: cfg.Tolerance, Numeric: cfg.Numeric, ByRow: cfg.byRow(), keepsGone: cfg.KeepsGone, countless: !cfg.measures(Rows), figured: !cfg.measures(Values)}
	return r
}

// running is one call of Run.
type running struct {
	Config
	w           warehouse.Warehouse
	d           *warehouse.Dialect
	left, right Side

	key  []*pair // of the key, in its order
	rest []*pair // compared beside it
	out  *Result
}

// all are the columns that are compared, the key first.
func (r *running) all() []*pair { return slices.Concat(r.key, r.rest) }
