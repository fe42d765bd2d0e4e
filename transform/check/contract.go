package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Fitting is what it takes to give a table the columns of a contract.
type Fitting struct {
	Columns []warehouse.Column      // that the table gets
	Wrong   []string                // what differs and must not, in words
	Diff    []string                // what differs besides
	Extra   []string                // columns that the contract does not name, in Columns or left out
	Narrow  []models.ContractColumn // whose values must be looked at: their type does not hold all that there may be
}

// Fit holds the columns of a node's new rows against its contract. What a cast could change is wrong, and the hint says how to
// cast it where it is made.
func Fit(n *models.Node, c *models.Contract, have []warehouse.Column) *Fitting {
	f := &fitter{contract: c, says: "the contract says", hint: "cast it in the SELECT", new: "extra", gone: "missing", converted: "converted"}
	if n.Stream != nil {
		f.hint = "pin its type in the stream's columns:, or cast it in a model"
	}
	if n.Seed != nil {
		f.hint = "say its type in the seed's column_types:"
	}
	f.may = func(fit warehouse.Fit) bool {
		return fit == warehouse.Narrows && (n.Model == nil || n.Model.Materialized != models.View)
	}
	return f.fit(n, have)
}

// FitTable holds the columns of a node's table as it is against its contract.
func FitTable(n *models.Node, c *models.Contract, have []warehouse.Column) *Fitting {
	contract := *c
	if contract.Extra == models.ExtraDiscarded {
		contract.Extra = models.ExtraFails
	}
	f := &fitter{contract: &contract, says: "the contract says", hint: anew(n), new: "extra", gone: "missing", converted: "new rows will make it so"}
	f.may = func(warehouse.Fit) bool { return false }
	if n.Kind == models.KindTable { // nothing of ours makes it
		f.hint, f.may = "", nil
	}
	return f.fit(n, have)
}

// anew is what to do about a table that was built under other rules.
func anew(n *models.Node) string {
	if n.Model != nil && n.Model.FullRefresh != nil {
		return n.BuiltAnew()
	}
	return fmt.Sprintf("millrace run %s --full-refresh builds the table anew", n.Name())
}

// FitPublished adds what stands in the way of a contract when new rows join published ones, which are not looked at again.
func (f *Fitting) FitPublished(n *models.Node, c *models.Contract, published []warehouse.Column) {
	for _, p := range published {
		want := c.Column(p.Name)
		switch {
		case want == nil && c.Extra != models.ExtraAllowed:
			f.wrong("+ the published table has the column %s %s: %s", p.Name, p.Type, anew(n))
		case want != nil && warehouse.FitOf(p.Type, want.Type) < warehouse.Widens:
			f.wrong("~ published rows have %s in %s, the contract says %s: %s", p.Type, p.Name, want.Type, anew(n))
		}
	}
}

func (f *Fitting) wrong(format string, args ...any) {
	f.Wrong = append(f.Wrong, fmt.Sprintf(format, args...))
}

// fitter is one comparison of columns with a contract.
type fitter struct {
	contract   *models.Contract
	says, hint string                   // whose word the types are, and what to do about another
	new, gone  string                   // what columns are called that it does not name, and that are not there
	converted  string                   // when a column is cast to a type that holds all its values
	may        func(warehouse.Fit) bool // whether values of such a pair of types may be looked at, to be cast when they fit; nil: all types must be the same
	out        Fitting
}

func (f *fitter) fit(n *models.Node, have []warehouse.Column) *Fitting {
	seen := map[*models.ContractColumn]bool{}
	var order []string
	for _, column := range have {
		if n.Stream != nil && column.Name == models.DeletedAt {
			continue // ours, not the source's
		}
		want := f.contract.Column(column.Name)
		if want == nil {
			f.extra(column)
			continue
		}
		seen[want], order = true, append(order, want.Name)
		f.typed(column, want)
	}
	var named []string
	for i := range f.contract.Columns {
		switch want := &f.contract.Columns[i]; {
		case seen[want]:
			named = append(named, want.Name)
		case f.contract.Gone:
			f.out.Diff = append(f.out.Diff, fmt.Sprintf("- %s column %s %s: NULL", f.gone, want.Name, want.Type))
			f.out.Columns = append(f.out.Columns, warehouse.Column{Name: want.Name, Type: want.Type})
		default:
			f.out.wrong("- %s column %s %s", f.gone, want.Name, want.Type)
		}
	}
	if f.contract.Strict && !slices.Equal(order, named) {
		f.out.wrong("the columns come as %s, %s %s", strings.Join(order, ", "), f.says, strings.Join(named, ", "))
	}
	return &f.out
}

// extra decides about a column that the contract does not name.
func (f *fitter) extra(column warehouse.Column) {
	f.out.Extra = append(f.out.Extra, column.Name)
	text := fmt.Sprintf("+ %s column %s %s", f.new, column.Name, column.Type)
	switch f.contract.Extra {
	case models.ExtraAllowed:
		f.out.Diff, f.out.Columns = append(f.out.Diff, text+": allowed"), append(f.out.Columns, column)
	case models.ExtraDiscarded:
		f.out.Diff = append(f.out.Diff, text+": left out")
	default:
		f.out.wrong("%s", text)
	}
}

// typed decides about the type of a column.
func (f *fitter) typed(column warehouse.Column, want *models.ContractColumn) {
	f.out.Columns = append(f.out.Columns, warehouse.Column{Name: column.Name, Type: want.Type})
	text := fmt.Sprintf("~ %s is %s, %s %s", column.Name, column.Type, f.says, want.Type)
	switch fit := warehouse.FitOf(column.Type, want.Type); {
	case fit == warehouse.FitsSame:
	case fit == warehouse.Widens && f.may != nil:
		f.out.Diff = append(f.out.Diff, text+": "+f.converted)
	case f.may != nil && f.may(fit):
		f.out.Diff = append(f.out.Diff, text+": converted where it fits")
		f.out.Narrow = append(f.out.Narrow, models.ContractColumn{Name: column.Name, Type: want.Type, Nullable: true})
	case f.hint != "":
		f.out.wrong("%s: %s", text, f.hint)
	default:
		f.out.wrong("%s", text)
	}
}

// Message is all that differs.
func (f *Fitting) Message() string { return strings.Join(slices.Concat(f.Wrong, f.Diff), "; ") }

// Result is that of the check named contract.
func (f *Fitting) Result(c *models.Check) Result {
	r := result(c)
	r.How, r.Message = HowStatistics, cmp.Or(f.Message(), "the columns are as the contract says")
	if len(f.Wrong) > 0 {
		graded(&r, StatusFail)
	}
	return r
}

// contracted compiles what a contract asks of the values of one column.
func (c *compiler) contracted(r *rule, args *models.ContractColumn) error {
	column, err := c.column(args.Name)
	if err != nil {
		return err
	}
	value, fit := c.d.QuoteIdent(column.Name), warehouse.FitOf(column.Type, args.Type)
	var parts []string
	r.nulls = []string{} // what is not asked for needs no row to be read
	if !args.Nullable {
		parts, r.nulls = append(parts, value+" IS NULL"), []string{column.Name}
	}
	if args.Length > 0 {
		parts, r.nulls = append(parts, fmt.Sprintf("length(CAST(%s AS VARCHAR)) > %d", value, args.Length)), nil
	}
	if fit == warehouse.Narrows {
		parts, r.nulls = append(parts, c.d.Changes(value, column.Type, args.Type)), nil
	}
	if len(parts) == 1 && fit == warehouse.Narrows && isInteger(column.Type) { // what lies between two whole numbers that fit does too
		r.bounded, r.of = column, func(v string) string { return c.d.Changes(v, column.Type, args.Type) }
	}
	r.fails = "false"
	if len(parts) > 0 {
		r.fails = strings.Join(parts, " OR ")
	}
	return nil
}
