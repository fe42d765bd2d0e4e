package check

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// rule is a check of single rows, compiled for a table with certain columns.
type rule struct {
	check *models.Check
	// fails is a SQL condition over the table's columns: true for the rows that fail. Of a unique rule it is "" until its
	// repeated keys are known.
	fails string
	// of is the same about another value than the column's, for rules that the bounds of a column can prove; nil for others.
	of func(value string) string
	// key is what is unique, as SQL; "" in other rules.
	key []string
	// nulls are the columns of which the statistics of files can tell the failing rows; nil in other rules.
	nulls []string
	// bounded is the column of of.
	bounded warehouse.Column
	// values are what is counted as distinct failing values; nil when nothing is.
	values []string
}

// compiler makes rules for one table.
type compiler struct {
	d       *warehouse.Dialect
	columns []warehouse.Column
	// parent is the table expression of a node that a relationship points at.
	parent func(*models.Node) (string, error)
	// dense tells whether the whole numbers in a column of a parent leave out none between two bounds; nil: it is not asked.
	dense func(parent *models.Node, from, field string) (least, most int64, ok bool, err error)
}

// mistake is a check that cannot be run on this table.
type mistake struct {
	text, hint string
}

func (m *mistake) Error() string {
	if m.hint != "" {
		return m.text + ": " + m.hint
	}
	return m.text
}

func wrong(hint, format string, args ...any) error {
	return &mistake{fmt.Sprintf(format, args...), hint}
}

// column finds a column as the project spells it, else in another case.
func (c *compiler) column(name string) (warehouse.Column, error) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, column := range c.columns {
			if same(column.Name, name) {
				return column, nil
			}
		}
	}
	var known []string
	for _, column := range c.columns {
		known = append(known, column.Name)
	}
	hint := "the columns are " + strings.Join(known, ", ")
	if s := config.Suggest(name, known); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	}
	return warehouse.Column{}, wrong(hint, "there is no column %q", name)
}

var plainIdent = regexp.MustCompile(`^[\pL_][\pL\pN_ .-]*$`)

// value is a column as SQL, or, for dbt's column_name, an expression in parentheses.
func (c *compiler) value(name string) (string, error) {
	column, err := c.column(name)
	if err == nil {
		return c.d.QuoteIdent(column.Name), nil
	}
	outer, _, dotted := strings.Cut(name, ".")
	if _, no := c.column(outer); dotted && no == nil { // a field of a struct
		return "(" + name + ")", nil
	}
	if plainIdent.MatchString(name) {
		return "", err
	}
	return "(" + name + "\n)", nil
}

func (c *compiler) values(names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		v, err := c.value(name)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// rule compiles one check of single rows.
func (c *compiler) rule(check *models.Check) (*rule, error) {
	r := &rule{check: check}
	var err error
	switch args := check.Args.(type) {
	case *models.NotNull:
		err = c.notNull(r)
	case *models.Unique:
		r.key, err = c.values(check.Columns)
		return r, err
	case *models.AcceptedValues:
		err = c.listed(r, args.Values, "NOT ")
	case *models.RejectedValues:
		err = c.listed(r, args.Values, "")
	case *models.Relationships:
		err = c.relationship(r, args)
	case *models.Range:
		err = c.inRange(r, args)
	case *models.Length:
		err = c.length(r, args)
	case *models.Regex:
		err = c.regex(r, args)
	case *models.Expression:
		r.fails = "NOT (" + args.Expression + "\n)"
		if args.Null == "fail" {
			r.fails = "NOT coalesce(CAST((" + args.Expression + "\n) AS BOOLEAN), false)" // texts and numbers are true or false too
		}
	case *models.ContractColumn:
		err = c.contracted(r, args)
	case *drifted:
		err = c.schemaKept(r, args)
	default:
		err = fmt.Errorf("%s is no rule for single rows", check.Kind)
	}
	if err != nil {
		return nil, err
	}
	if check.Where != "" {
		r.fails = "(" + check.Where + "\n) AND (" + r.fails + ")"
		r.of, r.nulls = nil, nil
	}
	return r, nil
}

func (c *compiler) notNull(r *rule) error {
	values, err := c.values(r.check.Columns)
	if err != nil {
		return err
	}
	var parts []string
	for i, v := range values {
		parts = append(parts, v+" IS NULL")
		if column, err := c.column(r.check.Columns[i]); err == nil {
			r.nulls = append(r.nulls, column.Name)
		}
	}
	if len(r.nulls) < len(values) { // an expression
		r.nulls = nil
	}
	r.fails = strings.Join(parts, " OR ")
	return nil
}

func (c *compiler) literal(l models.Literal) string {
	if l.Number {
		return l.Text
	}
	return c.d.QuoteLiteral(l.Text)
}

// listed makes a rule of a list of values; not is "NOT " for those that must be in it.
func (c *compiler) listed(r *rule, values []models.Literal, not string) error {
	column, err := c.value(r.check.Columns[0])
	if err != nil {
		return err
	}
	var list []string
	for _, l := range values {
		if !l.Null { // NULL passes in any case
			// As texts, for the engine to read as the column's type: 7 in a column of texts is '7'.
			list = append(list, c.d.QuoteLiteral(l.Text))
		}
	}
	if len(list) == 0 {
		return wrong("NULL passes in any case; name the others", "the list has no value but NULL")
	}
	r.values = []string{column}
	r.fails = column + " " + not + "IN (" + strings.Join(list, ", ") + ")"
	typed, err := c.column(r.check.Columns[0])
	if err != nil { // an expression
		return nil
	}
	least, most, ok := consecutive(values)
	if l := inexact(typed.Type, values); l != "" && !r.check.AsDBT {
		return wrong("no row has it: take it out, or cast the column", "%s is %s, which %s is not", typed.Name, typed.Type, l)
	}
	switch {
	case typed.Type == "VARCHAR":
		r.fails = not + c.d.Listed(column, list)
	case isInteger(typed.Type) && ok: // one comparison instead of one for each value
		r.fails = fmt.Sprintf("%s %sBETWEEN %d AND %d", column, not, least, most)
	}
	return nil
}

func (c *compiler) relationship(r *rule, args *models.Relationships) error {
	values, err := c.values(r.check.Columns)
	if err != nil {
		return err
	}
	parent, err := c.parent(args.Node)
	if err != nil {
		return wrong("", "%v", err)
	}
	var fields, here, there []string
	for i, v := range values {
		f := c.d.QuoteIdent(args.Field[i])
		fields = append(fields, f)
		here, there = append(here, v+" IS NOT NULL"), append(there, f+" IS NOT NULL")
	}
	r.values = values
	if column, err := c.column(r.check.Columns[0]); err == nil && len(values) == 1 && isInteger(column.Type) && c.dense != nil {
		least, most, ok, err := c.dense(args.Node, parent, fields[0])
		if err != nil {
			return err
		}
		if ok {
			r.bounded, r.of = column, func(v string) string { return fmt.Sprintf("%s NOT BETWEEN %d AND %d", v, least, most) }
			r.fails = r.of(values[0])
			return nil
		}
	}
	// IN becomes a mark join: a parent that occurs twice does not count its children twice.
	r.fails = strings.Join(here, " AND ") + " AND NOT " + c.d.In(values, fields, parent+" WHERE "+strings.Join(there, " AND "))
	return nil
}

// inexact is the first value that a number of that exact type cannot be: the engine would round it to another. "" for none.
func inexact(typ string, values []models.Literal) string {
	scale := 0
	if fixed, err := warehouse.ParseType(typ); err == nil && fixed.Name == "DECIMAL" {
		scale = fixed.Scale
	} else if !isInteger(typ) {
		return ""
	}
	for _, v := range values {
		_, fraction, _ := strings.Cut(strings.TrimSpace(v.Text), ".")
		if fraction = strings.TrimRight(fraction, "0"); !v.Null && len(fraction) > scale {
			return v.Text
		}
	}
	return ""
}

// consecutive says whether the values are whole numbers without a gap.
func consecutive(values []models.Literal) (least, most int64, ok bool) {
	seen := map[int64]bool{}
	for _, v := range values {
		n, err := strconv.ParseInt(v.Text, 10, 64)
		if v.Null || err != nil {
			return 0, 0, false
		}
		if len(seen) == 0 {
			least, most = n, n
		}
		least, most, seen[n] = min(least, n), max(most, n), true
	}
	return least, most, most-least == int64(len(seen))-1
}

func isInteger(t string) bool {
	return isNumeric(t) && !isFloat(t) && !strings.HasPrefix(t, "DECIMAL")
}

// isNumeric, isFloat and isText are about types in DuckDB's spelling.
func isNumeric(t string) bool {
	return isFloat(t) || strings.HasPrefix(t, "DECIMAL") || slices.Contains([]string{"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}, t)
}

func isFloat(t string) bool { return t == "FLOAT" || t == "DOUBLE" }

func isText(t string) bool { return t == "VARCHAR" || strings.HasPrefix(t, "ENUM") }

func isTime(t string) bool { return t == "DATE" || strings.HasPrefix(t, "TIMESTAMP") }

func (c *compiler) inRange(r *rule, args *models.Range) error {
	column, err := c.column(r.check.Columns[0])
	if err != nil {
		return err
	}
	for _, bound := range []models.Literal{args.Min, args.Max} {
		if bound.IsSet() && bound.Number && !isNumeric(column.Type) && !r.check.AsDBT {
			return wrong("cast the column in a model, or write the bound as a text in quotes to compare as "+column.Type, "%s is %s, and the bound %s is a number", column.Name, column.Type, bound.Text)
		}
	}
	less, greater := "<", ">"
	if args.Strictly {
		less, greater = "<=", ">="
	}
	of := func(value string) string {
		var parts []string
		if args.Min.IsSet() && !args.Min.Null {
			parts = append(parts, value+" "+less+" "+c.literal(args.Min))
		}
		if args.Max.IsSet() && !args.Max.Null {
			parts = append(parts, value+" "+greater+" "+c.literal(args.Max))
		}
		if isFloat(column.Type) { // greater than all numbers, for engines
			parts = append(parts, c.d.IsNaN(value))
		}
		return strings.Join(parts, " OR ")
	}
	r.fails = of(c.d.QuoteIdent(column.Name))
	if isNumeric(column.Type) && !isFloat(column.Type) || isTime(column.Type) {
		r.of, r.bounded = of, column
	}
	return nil
}

func (c *compiler) length(r *rule, args *models.Length) error {
	column, err := c.column(r.check.Columns[0])
	if err != nil {
		return err
	}
	if column.Type != "BLOB" && !isText(column.Type) && !strings.HasSuffix(column.Type, "]") {
		return wrong("length is about texts, bytes and lists; range is about values", "%s is %s", column.Name, column.Type)
	}
	length := c.d.Length(c.d.QuoteIdent(column.Name), column.Type)
	var parts []string
	if args.Min != nil {
		parts = append(parts, fmt.Sprintf("%s < %d", length, *args.Min))
	}
	if args.Max != nil {
		parts = append(parts, fmt.Sprintf("%s > %d", length, *args.Max))
	}
	r.fails = strings.Join(parts, " OR ")
	return nil
}

func (c *compiler) regex(r *rule, args *models.Regex) error {
	column, err := c.column(r.check.Columns[0])
	if err != nil {
		return err
	}
	if !isText(column.Type) {
		return wrong("a pattern is for texts; cast the column in a model, or use range", "%s is %s", column.Name, column.Type)
	}
	r.fails = c.d.Matches(c.d.QuoteIdent(column.Name), args.Pattern, args.Match != "partial")
	if !args.Not {
		r.fails = "NOT " + r.fails
	}
	return nil
}
