package transform

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/warehouse"
)

// This file writes the rows of unit tests as SQL, and compares them.

// expected is the SELECT of the rows that a model must give, and the columns that are compared: those of the rows, or of the model where
// there are no rows or they are SQL.
func (b *Builder) expected(ctx context.Context, u Unit, model []warehouse.Column) (string, []warehouse.Column, error) {
	f := u.Test.Expect
	switch {
	case f.Rows == nil:
		sql, err := b.fixtureText(ctx, u, f)
		return sql, model, err
	case len(f.Rows) == 0:
		return rowsSQL(b.Warehouse.Dialect(), comparable(model), nil), model, nil
	}
	var columns []warehouse.Column
	for _, name := range f.Rows[0].Columns {
		at := find(model, name)
		if at < 0 {
			return "", nil, &Error{Pos: f.Rows[0].Pos.String(), Err: fmt.Errorf("expect: the model gives no column %q", name),
				Hint: didYouMean(name, model)}
		}
		columns = append(columns, model[at])
	}
	return rowsSQL(b.Warehouse.Dialect(), comparable(columns), f.Rows), columns, nil
}

// comparable gives columns that hold nothing but NULL a type that a value can have.
func comparable(columns []warehouse.Column) []warehouse.Column {
	out := slices.Clone(columns)
	for i, c := range out {
		if strings.Trim(c.Type, `"`) == "NULL" {
			out[i].Type = "VARCHAR"
		}
	}
	return out
}

// rowsSQL is a SELECT of rows with these columns; those that a row lacks are NULL. A column without a type has that of its values.
func rowsSQL(d *warehouse.Dialect, columns []warehouse.Column, rows []models.FixtureRow) string {
	var b strings.Builder
	for i := range max(1, len(rows)) {
		var row models.FixtureRow
		if i < len(rows) {
			row = rows[i]
		}
		if i > 0 {
			b.WriteString("\nUNION ALL ")
		}
		b.WriteString("SELECT ")
		for k, c := range columns {
			if k > 0 {
				b.WriteString(", ")
			}
			value, _ := row.Value(c.Name)
			text := literal(d, value, c.Type)
			if c.Type != "" {
				text = "CAST(" + text + " AS " + c.Type + ")"
			}
			b.WriteString(text + " AS " + d.QuoteIdent(c.Name))
		}
	}
	if len(rows) == 0 {
		b.WriteString(" LIMIT 0")
	}
	return b.String()
}

// literal is a value of a fixture as SQL.
func literal(d *warehouse.Dialect, v any, typ string) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		return d.QuoteLiteral(v)
	case models.Decimal:
		if typ == "VARCHAR" { // where 3.50 is another text than 3.5: the number is meant
			text := strings.TrimRight(string(v), "0")
			if strings.HasSuffix(text, ".") {
				text += "0"
			}
			return d.QuoteLiteral(text)
		}
		return string(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case *jinja.List:
		items := make([]string, len(v.Items))
		for i, item := range v.Items {
			items[i] = literal(d, item, "")
		}
		return "[" + strings.Join(items, ", ") + "]"
	case *jinja.Dict:
		var items []string
		for key, item := range v.All() {
			items = append(items, d.QuoteLiteral(fmt.Sprint(key))+": "+literal(d, item, ""))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v)
}

var (
	wholeText = regexp.MustCompile(`^-?\d{1,18}$`)
	numText   = regexp.MustCompile(`^-?\d+\.\d+$`)
	dayText   = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	timeText  = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$`)
	boolText  = regexp.MustCompile(`(?i)^(true|false)$`)
)

// inferred is the type of a fixture's column of which nothing else says one, by its values: in CSV all are texts, in YAML those that look
// like dates are. "" leaves it to the engine.
func inferred(f *models.Fixture, column string) string {
	kinds := []struct {
		pattern *regexp.Regexp
		typ     string
		csv     bool
	}{{wholeText, "BIGINT", true}, {numText, "DOUBLE", true}, {boolText, "BOOLEAN", true}, {dayText, "DATE", false}, {timeText,
		"TIMESTAMP", false}}
	found := ""
	for _, row := range f.Rows {
		v, _ := row.Value(column)
		if v == nil {
			continue
		}
		text, isText := v.(string)
		if !isText {
			return ""
		}
		typ := "VARCHAR"
		for _, k := range kinds {
			if (f.CSV || !k.csv) && k.pattern.MatchString(text) {
				typ = k.typ
			}
		}
		switch {
		case found == "" || found == typ:
			found = typ
		case found+typ == "BIGINTDOUBLE" || found+typ == "DOUBLEBIGINT":
			found = "DOUBLE"
		default:
			return "VARCHAR"
		}
	}
	return found
}

// compareUnit runs the model and the expected rows in one statement, which gives both sides of a column one type.
func (b *Builder) compareUnit(ctx context.Context, c *Compared, out *jinja.Output, expected string, columns []warehouse.Column) error {
	d := b.Warehouse.Dialect()
	var texts, sides []string
	for i, col := range columns {
		texts = append(texts, fmt.Sprintf("CAST(c%d AS VARCHAR)", i))
		sides = append(sides, fmt.Sprintf("%s AS c%d", d.QuoteIdent(col.Name), i))
		c.Columns = append(c.Columns, col.Name)
	}
	head := "SELECT side, " + strings.Join(texts, ", ") + " FROM (SELECT 0 AS side, " + strings.Join(sides, ", ") + " FROM (\n"
	tail := "\n) AS got UNION ALL SELECT 1 AS side, " + strings.Join(sides,
		", ") + " FROM (\n" + strings.TrimRight(strings.TrimSpace(expected), ";") + "\n) AS expected) AS q"
	answer, err := b.Warehouse.Query(ctx, head+strings.TrimRight(strings.TrimRight(out.Text, " \t\r\n"), ";")+tail)
	if err != nil {
		return b.blame(ctx, err, c, out, len(head))
	}
	for _, row := range answer.Rows {
		cells := make([]*string, len(columns))
		for i, v := range row[1:] {
			if v != nil {
				text := fmt.Sprint(v)
				cells[i] = &text
			}
		}
		if fmt.Sprint(row[0]) == "0" {
			c.Got = append(c.Got, cells)
		} else {
			c.Expected = append(c.Expected, cells)
		}
	}
	c.differ()
	return nil
}

// blame finds out whether the model or the expected rows are at fault.
func (b *Builder) blame(ctx context.Context, err error, c *Compared, out *jinja.Output, head int) error {
	var sql *warehouse.SQLError
	if !errors.As(err, &sql) || sql.Offset >= 0 && sql.Offset-head <= len(out.Text) {
		return locate(earlier(err, head), out)
	}
	if _, own := b.Warehouse.Query(ctx, c.SQL); own != nil {
		return locate(own, out)
	}
	return fmt.Errorf("the rows of expect cannot be compared: %w", err)
}

// differ sorts the rows, and finds those that one side has more often than the other.
func (c *Compared) differ() {
	for _, rows := range [][][]*string{c.Expected, c.Got} {
		slices.SortStableFunc(rows, func(a, b []*string) int { return strings.Compare(rowKey(a), rowKey(b)) })
	}
	count := map[string]int{}
	for _, row := range c.Got {
		count[rowKey(row)]++
	}
	for i, row := range c.Expected {
		if key := rowKey(row); count[key] > 0 {
			count[key]--
		} else {
			c.Missing = append(c.Missing, i)
		}
	}
	for i, row := range slices.Backward(c.Got) {
		if key := rowKey(row); count[key] > 0 {
			count[key]--
			c.Extra = append([]int{i}, c.Extra...)
		}
	}
}

func rowKey(row []*string) string {
	var b strings.Builder
	for _, cell := range row {
		if cell == nil {
			b.WriteString("\x00N")
		} else {
			b.WriteString("\x00V" + *cell)
		}
	}
	return b.String()
}
