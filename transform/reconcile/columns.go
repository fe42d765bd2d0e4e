package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/warehouse"
)

// pair is a column that both sides have.
type pair struct {
	left, right warehouse.Column
	kind        warehouse.Type // that both are compared as
	result      *Column
}

// as is the name of the column in the queries of the comparison.
func (p *pair) as() string { return fmt.Sprintf("c%d", p.result.at) }

// match pairs the columns by name.
func (r *running) match() error {
	for _, k := range r.Key {
		p, err := r.named(k, "key column")
		if err != nil {
			return err
		}
		if p.result.Why != "" {
			return mistake("cast one of them, or choose another key", "key column %q cannot be compared: %s", k, p.result.Why)
		}
		if slices.ContainsFunc(r.key, func(have *pair) bool { return have.left == p.left }) {
			return mistake("name it once", "the key has %q twice", k)
		}
		r.add(p, true)
	}
	names := r.Columns
	if len(names) == 0 {
		names = r.common()
	}
	if !r.byColumn() {
		names = nil
	}
	ignored, err := r.ignored()
	if err != nil {
		return err
	}
	for _, name := range names {
		p, err := r.named(name, "column")
		if err != nil {
			return err
		}
		taken := func(have *pair) bool { return have.left == p.left }
		if !ignored[strings.ToLower(name)] && !slices.ContainsFunc(r.all(), taken) {
			r.add(p, false)
		}
	}
	if len(r.out.Columns) == 0 && r.byColumn() {
		return mistake(fmt.Sprintf("%s has %s; %s has %s", r.left.Name, list(r.left.Columns), r.right.Name, list(r.right.Columns)), "the two have no column in common")
	}
	if len(r.Key) == 0 && slices.Contains(r.Measures, Keys) {
		return mistake("name its columns", "keys cannot be compared without a key")
	}
	if len(r.Key) == 0 && !r.Numeric.IsZero() && r.byRow() {
		return mistake("give a key, or compare measures: [rows, sums]", "without a key numbers are compared as parts of whole rows, and only equal ones are equal")
	}
	return nil
}

// add takes a column into the comparison. One of which the types do not fit is told and not compared.
func (r *running) add(p *pair, key bool) {
	p.result.at = len(r.out.Columns)
	p.result.Key = key
	r.out.Columns = append(r.out.Columns, p.result)
	switch {
	case p.result.Why != "":
	case key:
		r.key, r.out.Key = append(r.key, p), append(r.out.Key, p.result.Name)
	default:
		r.rest = append(r.rest, p)
	}
}

// common are the names that both sides have, and notes those that only one has.
func (r *running) common() []string {
	var both []string
	for _, c := range r.left.Columns {
		if _, ok := find(r.right.Columns, c.Name); ok {
			both = append(both, c.Name)
		} else if !containsFold(r.Ignore, c.Name) {
			r.out.OnlyLeft = append(r.out.OnlyLeft, c.Name)
		}
	}
	for _, c := range r.right.Columns {
		if _, ok := find(r.left.Columns, c.Name); !ok && !containsFold(r.Ignore, c.Name) {
			r.out.OnlyRight = append(r.out.OnlyRight, c.Name)
		}
	}
	return both
}

// ignored are the columns to ignore, in lower case. One that neither side has is most likely misspelt.
func (r *running) ignored() (map[string]bool, error) {
	out := map[string]bool{}
	for _, name := range r.Ignore {
		_, left := find(r.left.Columns, name)
		_, right := find(r.right.Columns, name)
		if !left && !right {
			return nil, missing("column to ignore", name, r.left)
		}
		if containsFold(r.Key, name) {
			return nil, mistake("name it once", "%q is the key and ignored", name)
		}
		out[strings.ToLower(name)] = true
	}
	return out, nil
}

// named pairs one column.
func (r *running) named(name, what string) (*pair, error) {
	left, ok := find(r.left.Columns, name)
	if !ok {
		return nil, missing(what, name, r.left)
	}
	right, ok := find(r.right.Columns, name)
	if !ok {
		return nil, missing(what, name, r.right)
	}
	p := &pair{left: left, right: right, result: &Column{Name: left.Name, LeftType: left.Type, RightType: right.Type}}
	p.kind, p.result.Why = r.kindOf(left.Type, right.Type)
	p.result.secret = r.Secret[strings.ToLower(name)]
	return p, nil
}

// kindOf is the type that values of both are compared as, or why there is none.
func (r *running) kindOf(left, right string) (kind warehouse.Type, why string) {
	a, errA := stored(left)
	b, errB := stored(right)
	if errA != nil || errB != nil {
		return kind, fmt.Sprintf("values of type %s and %s cannot be compared", left, right)
	}
	if wide, err := warehouse.Widen(a.String(), b.String()); err == nil {
		kind, _ = warehouse.ParseType(wide) // Widen spelled it
		return kind, ""
	}
	switch {
	case isNumeric(a) && isNumeric(b) && !r.Numeric.IsZero():
		return warehouse.Type{Name: "DOUBLE"}, ""
	case isNumeric(a) && isNumeric(b):
		return kind, fmt.Sprintf("%s and %s have no common type without rounding: a numeric tolerance compares them as DOUBLE", left, right)
	case strings.HasPrefix(a.Name, "TIMESTAMP") && strings.HasPrefix(b.Name, "TIMESTAMP") && zoned(a) != zoned(b):
		return kind, fmt.Sprintf("%s and %s: one has a time zone and the other has none", left, right)
	}
	return kind, fmt.Sprintf("%s and %s are no values of one type: cast one of them", left, right)
}

// stored is the type as a table of Parquet files has it, taken apart.
func stored(t string) (warehouse.Type, error) {
	s, err := warehouse.Stored(t)
	if err != nil {
		return warehouse.Type{}, err
	}
	return warehouse.ParseType(s)
}

func find(columns []warehouse.Column, name string) (warehouse.Column, bool) {
	i := slices.IndexFunc(columns, func(c warehouse.Column) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		return warehouse.Column{}, false
	}
	return columns[i], true
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

func missing(what, name string, s Side) error {
	hint := config.DidYouMean(name, warehouse.Names(s.Columns), "its columns are "+list(s.Columns))
	return mistake(hint, "%s has no %s %q", s.Name, what, name)
}

func list(columns []warehouse.Column) string { return strings.Join(warehouse.Names(columns), ", ") }

func zoned(t warehouse.Type) bool { return strings.HasSuffix(t.Name, " WITH TIME ZONE") }

// isNumeric, isFloat and isOrdered are about types in DuckDB's long spelling.
func isNumeric(t warehouse.Type) bool {
	return isFloat(t) || t.Name == "DECIMAL" || strings.HasSuffix(t.Name, "INT") || t.Name == "INTEGER" || t.Name == "UINTEGER"
}

func isFloat(t warehouse.Type) bool { return t.Name == "FLOAT" || t.Name == "DOUBLE" }

func isOrdered(t warehouse.Type) bool {
	return len(t.Fields) == 0 && t.Name != "BLOB" && t.Name != "JSON"
}
