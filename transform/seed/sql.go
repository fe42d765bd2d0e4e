package seed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/textcast"
	"github.com/millrace/millrace/warehouse"
)

// SQL is the SELECT of the seed's rows, with the types of its columns.
func (t *Table) SQL(d *warehouse.Dialect) string {
	items := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		items[i] = c.value(i) + " AS " + d.QuoteIdent(c.Name)
	}
	return "SELECT " + strings.Join(items, ", ") + "\nFROM " + d.Files([]string{t.texts})
}

// value is the column's text as a value of its type.
func (c *Column) value(i int) string {
	if c.isText() {
		return fmt.Sprintf("c%d", i)
	}
	if c.format != "" {
		return fmt.Sprintf("CAST(strptime(c%d, '%s') AS %s)", i, c.format, c.Type)
	}
	return fmt.Sprintf("CAST(c%d AS %s)", i, c.Type)
}

func (c *Column) isText() bool {
	switch strings.ToUpper(c.Type) {
	case "VARCHAR", "TEXT", "STRING":
		return true
	}
	return false
}

// Blame finds the values that are none of their column's type, once the SELECT has failed. It is nil when there are none.
func (t *Table) Blame(ctx context.Context, w warehouse.Warehouse) (*Problem, error) {
	var parts []string
	for i, c := range t.Columns {
		if !c.isText() && c.format == "" { // all of its values have the format
			parts = append(parts, fmt.Sprintf(`SELECT line, "offset", %d AS k FROM %s WHERE c%d IS NOT NULL AND TRY_CAST(c%d AS %s) IS NULL`, i, w.Dialect().Files([]string{t.texts}), i, i, c.Type))
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	found, err := w.Query(ctx, "SELECT line, \"offset\", k, count(*) OVER () FROM (\n"+strings.Join(parts, "\nUNION ALL\n")+"\n) ORDER BY line, k LIMIT 1")
	if err != nil || len(found.Rows) == 0 {
		return nil, err
	}
	row := found.Rows[0]
	line, _ := row[0].(int64)
	offset, _ := row[1].(int64)
	k := int(whole(row[2]))
	p := &Problem{File: t.Name, Line: line, More: int(whole(row[3])) - 1}
	c := &t.Columns[k]
	value := "the value"
	if rec, err := t.record(offset, line); err == nil && k < len(rec.Fields) {
		p.Line, p.Column = place(rec, k)
		value = t.shown(c, string(rec.Fields[k]))
	}
	p.Message = fmt.Sprintf("column %q: %s is no %s", c.Name, value, c.Type)
	switch {
	case c.Declared:
		p.Hint = fmt.Sprintf("mend it, or give the column another type: column_types: { %s: varchar }", c.Name)
	default:
		p.Hint = fmt.Sprintf("the values of the column look like %s ones, as dbt tells types; mend it, leave the field empty for NULL, or say the type: column_types: { %s: varchar }", c.Type, c.Name)
	}
	return p, nil
}

func whole(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case int32:
		return int64(v)
	}
	return 0
}

// shown is a value for a message.
func (t *Table) shown(c *Column, value string) string {
	if t.Personal != nil && t.Personal(c.Name) {
		return "a value, which is personal and not shown,"
	}
	const most = 60
	if r := []rune(value); len(r) > most {
		value = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", value)
}

// Notes say what values lose by the types of their columns. dbt loads such a seed without a word.
func (t *Table) Notes(ctx context.Context, w warehouse.Warehouse) ([]string, error) {
	all := t.unmeant()
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.Declared {
			all = append(all, t.inferred(c)...)
		}
	}
	rounded, err := t.rounded(ctx, w)
	return append(all, rounded...), err
}

// unmeant are the names in column_types that are none of the file's columns.
func (t *Table) unmeant() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(t.Types)) {
		if slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Name == name }) {
			continue
		}
		hint := ""
		for _, c := range t.Columns {
			if strings.EqualFold(c.Name, name) {
				hint = fmt.Sprintf(": it is spelled %q there", c.Name)
			}
		}
		all = append(all, fmt.Sprintf("warning: %s: column_types names %q, which is no column of the file%s", t.Name, name, hint))
	}
	return all
}

// inferred are the notes on a column whose type was found out.
func (t *Table) inferred(c *Column) (all []string) {
	note := func(a at, format string) {
		if a.line > 0 {
			all = append(all, fmt.Sprintf("warning: %s:%d: column %q: %s "+format, t.Name, a.line, c.Name, t.shown(c, a.text)))
		}
	}
	keep := func(typ string) string { return fmt.Sprintf("; column_types: { %s: %s } keeps it", c.Name, typ) }
	switch c.Type {
	case "INTEGER", "BIGINT", "DOUBLE":
		note(c.notes.zeros, "becomes a number, without its leading zeros"+keep("varchar"))
		if c.Type == "DOUBLE" {
			note(c.notes.digits, "is another number as a DOUBLE"+keep("varchar"))
		}
	case "TIMESTAMP":
		note(c.notes.offset, "loses its offset: the time is taken as it is written"+keep("timestamptz"))
		note(c.notes.nanos, "is cut to microseconds"+keep("timestamp_ns"))
	}
	return all
}

// rounded looks for values that the declared type of their column takes, and changes. What it does not take at all fails the seed.
func (t *Table) rounded(ctx context.Context, w warehouse.Warehouse) ([]string, error) {
	var items []string
	var of []*Column
	for i := range t.Columns {
		c := &t.Columns[i]
		typ, err := warehouse.ParseType(c.Type)
		if !c.Declared || c.isText() || c.format != "" || err != nil || !exacting(typ.Name) {
			continue
		}
		x := fmt.Sprintf("c%d", i)
		exact := textcast.Exact(x, textcast.Type{Base: typ.Name, Scale: typ.Scale, Spelled: c.Type}, textcast.Rules{})
		cond := fmt.Sprintf("%s IS NOT NULL AND (%s) IS NULL AND TRY_CAST(%s AS %s) IS NOT NULL AND NOT regexp_matches(%s, '^[0-9]+[eE_]')", x,
			exact, x, c.Type, x)
		items = append(items, fmt.Sprintf("count_if(%s)", cond), fmt.Sprintf("arg_min(line, line) FILTER (%s)", cond), fmt.Sprintf("arg_min(%s, line) FILTER (%s)", x, cond),
			fmt.Sprintf("arg_min(CAST(TRY_CAST(%s AS %s) AS VARCHAR), line) FILTER (%s)", x, c.Type, cond))
		of = append(of, c)
	}
	if len(of) == 0 {
		return nil, nil
	}
	found, err := w.Query(ctx, "SELECT "+strings.Join(items, ", ")+" FROM "+w.Dialect().Files([]string{t.texts}))
	if err != nil {
		return nil, fmt.Errorf("look at the values of seed %s: %w", t.Name, err)
	}
	var all []string
	for i, c := range of {
		row := found.Rows[0][4*i:]
		if n := whole(row[0]); n > 0 {
			becomes := ""
			if t.Personal == nil || !t.Personal(c.Name) {
				becomes = fmt.Sprintf(" is %v as %s", row[3], c.Type)
			}
			all = append(all, fmt.Sprintf("warning: %s:%d: column %q: %s%s; the type that column_types gives the column changes %d values", t.Name, whole(row[1]), c.Name, t.shown(c, fmt.Sprint(row[2])), becomes, n))
		}
	}
	return all, nil
}

// exacting says of which types textcast knows when a cast changes a value.
func exacting(base string) bool {
	switch base {
	case "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "HUGEINT", "DECIMAL", "DATE", "TIMESTAMP", "TIME", "DOUBLE", "FLOAT":
		return true
	}
	return false
}
