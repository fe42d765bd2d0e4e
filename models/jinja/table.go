package jinja

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table is the answer of a query, with the names that Python's agate has for it: column_names, columns, rows, iteration by row.
type Table struct {
	names []string
	rows  []*Row
}

// Row is one row of a Table: read by position, by column name, and as an attribute.
type Row struct {
	names  []string
	values []any
}

// NewTable makes a table of an engine's answer. A value is nil, bool, int64, float64, []byte, or text: that of a decimal, a date, a time
// becomes what Python would have, by the column's type in DuckDB's spelling.
func NewTable(columns []Column, rows [][]any) (*Table, error) {
	t := &Table{names: distinctNames(columns)}
	for i, row := range rows {
		if len(row) != len(columns) {
			return nil, fmt.Errorf("row %d of an answer has %d values for %d columns", i+1, len(row), len(columns))
		}
		values := make([]any, len(row))
		for j, v := range row {
			x, err := cell(v, columns[j].Type)
			if err != nil {
				return nil, fmt.Errorf("column %q: %w", columns[j].Name, err)
			}
			values[j] = x
		}
		t.rows = append(t.rows, &Row{t.names, values})
	}
	return t, nil
}

// distinctNames numbers names that repeat, as agate does.
func distinctNames(columns []Column) []string {
	seen, out := map[string]int{}, make([]string, len(columns))
	for i, c := range columns {
		name := c.Name
		for n := 2; seen[name] > 0; n++ {
			name = c.Name + "_" + strconv.Itoa(n)
		}
		seen[name]++
		out[i] = name
	}
	return out
}

// cell is a value as Python would have it.
func cell(v any, typ string) (any, error) {
	switch x := v.(type) {
	case float64:
		return Decimal{strings.ToUpper(formatFloat(x))}, nil
	case uint64:
		return Decimal{strconv.FormatUint(x, 10)}, nil
	case []byte:
		return string(x), nil
	case string:
		switch {
		case strings.HasPrefix(typ, "DECIMAL"), typ == "HUGEINT", typ == "UHUGEINT":
			return Decimal{x}, nil
		case typ == "DATE", typ == "TIMESTAMP", strings.HasPrefix(typ, "TIMESTAMP"):
			return moment(x, typ), nil
		}
		return strings.ToValidUTF8(x, "\uFFFD"), nil
	}
	return FromGo(v)
}

// moment reads DuckDB's text of a date or time; what Python cannot hold, such as infinity or a year before 1, stays text.
func moment(s, typ string) any {
	if typ == "DATE" {
		if t, err := time.Parse(time.DateOnly, s); err == nil {
			return date{t}
		}
		return s
	}
	if t, err := time.Parse("2006-01-02 15:04:05", s); err == nil {
		return datetime{t, nil}
	}
	for _, layout := range []string{"2006-01-02 15:04:05-07", "2006-01-02 15:04:05-07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			_, offset := t.Zone()
			return datetime{t, fixedZone(offset)}
		}
	}
	return s
}

// rowItems are the rows as values.
func (t *Table) rowItems() []any {
	out := make([]any, len(t.rows))
	for i, r := range t.rows {
		out[i] = r
	}
	return out
}

func (t *Table) typeName() string { return "Table" }
func (t *Table) elements() []any  { return t.rowItems() }

func (t *Table) item(r *render, key any) (any, bool, error) { return t.rowSequence().item(r, key) }

// String lists the columns and their types, as agate does.
func (t *Table) String() string {
	types := t.types()
	width, typeWidth := len("column"), len("data_type")
	for i, n := range t.names {
		width, typeWidth = max(width, len([]rune(n))), max(typeWidth, len(types[i]))
	}
	var b strings.Builder
	line := func(name, typ, fill string) {
		fmt.Fprintf(&b, "| %s%s | %s%s |\n", name, strings.Repeat(fill, width-len([]rune(name))), typ, strings.Repeat(fill, typeWidth-len(typ)))
	}
	line("column", "data_type", " ")
	line("", "", "-")
	for i, n := range t.names {
		line(n, types[i], " ")
	}
	return b.String()
}

// types are what agate makes of the columns' values.
func (t *Table) types() []string {
	out := make([]string, len(t.names))
	for i := range t.names {
		out[i] = columnType(t.column(i))
	}
	return out
}

func columnType(values []any) string {
	kind := ""
	for _, v := range values {
		k := ""
		switch v.(type) {
		case nil:
			continue
		case bool:
			k = "Boolean"
		case int64:
			k = "Integer"
		case Decimal:
			k = "Number"
		case date:
			k = "Date"
		case datetime:
			k = "DateTime"
		default:
			return "Text"
		}
		if kind == "Integer" && k == "Number" || kind == "Number" && k == "Integer" {
			k = "Number"
		} else if kind != "" && kind != k {
			return "Text"
		}
		kind = k
	}
	if kind == "" {
		return "Integer" // the first that it tries
	}
	return kind
}

func (t *Table) column(i int) []any {
	out := make([]any, len(t.rows))
	for j, r := range t.rows {
		out[j] = r.values[i]
	}
	return out
}

func texts(names []string) *Tuple {
	t := &Tuple{}
	for _, n := range names {
		t.Items = append(t.Items, n)
	}
	return t
}

func (t *Table) rowSequence() *sequence {
	return &sequence{kind: "MappedSequence", values: t.rowItems()}
}

func (t *Table) columnSequence() *sequence {
	s := &sequence{kind: "MappedSequence", names: t.names}
	for i, n := range t.names {
		s.values = append(s.values, &tableColumn{sequence{kind: "Column", values: t.column(i)}, n, i})
	}
	return s
}

// Attr returns agate's attributes of a table; what is not supported is refused by name when it is called.
func (t *Table) Attr(name string) (any, bool) {
	switch name {
	case "column_names":
		return texts(t.names), true
	case "column_types":
		types := &Tuple{}
		for _, k := range t.types() {
			types.Items = append(types.Items, &record{kind: k, text: "<" + k + ">"})
		}
		return types, true
	case "columns":
		return t.columnSequence(), true
	case "rows":
		return t.rowSequence(), true
	case "row_names":
		return nil, true
	case "select", "exclude":
		return Func(func(a Args) (any, error) { return t.pick(a, name == "select") }), true
	case "limit":
		return Func(t.limit), true
	case "where":
		return Func(t.where), true
	case "order_by":
		return Func(t.orderBy), true
	case "distinct":
		return Func(t.distinct), true
	case "rename":
		return Func(t.rename), true
	case "find":
		return Func(t.find), true
	case "print_table", "print_csv", "print_json", "print_structure":
		return Func(func(a Args) (any, error) { return t.print(a, name) }), true
	case "aggregate", "bins", "bootstrap", "compute", "denormalize", "group_by", "homogenize", "join", "merge", "normalize", "pivot",
		"print_bars", "print_html", "to_csv", "to_json":
		return Func(func(Args) (any, error) {
			return nil, &Error{Msg: "a table's " + name + "() is not supported", Unsupported: true, Hint: "do it in the SQL of the query"}
		}), true
	}
	return nil, false
}

// columnNumbers finds columns by names, one name, or positions.
func (t *Table) columnNumbers(a Args, v any) ([]int, error) {
	items := []any{v}
	if _, one := v.(string); !one {
		if _, isInt := integer(v); !isInt {
			var err error
			if items, err = a.r.items(v); err != nil {
				return nil, err
			}
		}
	}
	var out []int
	for _, x := range items {
		i, ok := integer(x)
		if name, isName := x.(string); isName {
			i = int64(slices.Index(t.names, name))
			if i < 0 {
				return nil, &Error{Msg: "the table has no column '" + name + "'", Hint: suggest(name, t.names)}
			}
		} else if !ok || i < 0 || i >= int64(len(t.names)) {
			return nil, failf("a column is named by its name or its number from 0 to %d", len(t.names)-1)
		}
		out = append(out, int(i))
	}
	return out, nil
}

func (t *Table) pick(a Args, keep bool) (any, error) {
	v, err := a.Bind(req("key"))
	if err != nil {
		return nil, err
	}
	cols, err := t.columnNumbers(a, v[0])
	if err != nil {
		return nil, err
	}
	if !keep {
		var rest []int
		for i := range t.names {
			if !slices.Contains(cols, i) {
				rest = append(rest, i)
			}
		}
		cols = rest
	}
	out := &Table{}
	for _, i := range cols {
		out.names = append(out.names, t.names[i])
	}
	for _, r := range t.rows {
		row := &Row{names: out.names}
		for _, i := range cols {
			row.values = append(row.values, r.values[i])
		}
		out.rows = append(out.rows, row)
	}
	return out, a.r.chargeItems(len(t.rows) * len(cols))
}

func (t *Table) limit(a Args) (any, error) {
	v, err := a.Bind(req("start_or_stop"), opt("stop", nil))
	if err != nil {
		return nil, err
	}
	start, stop := int64(0), int64(0)
	if stop, err = wantInt(v[0]); err != nil {
		return nil, err
	}
	if v[1] != nil {
		start = stop
		if stop, err = wantInt(v[1]); err != nil {
			return nil, err
		}
	}
	n := int64(len(t.rows))
	start = max(0, min(start, n))
	return &Table{t.names, t.rows[start:max(start, min(stop, n))]}, nil
}

// where keeps the rows for which a macro gives something true.
func (t *Table) where(a Args) (any, error) {
	v, err := a.Bind(req("test"))
	if err != nil {
		return nil, err
	}
	out := &Table{names: t.names}
	for _, r := range t.rows {
		ok, err := a.CallValue(v[0], r)
		if err != nil {
			return nil, err
		}
		if truth(ok) {
			out.rows = append(out.rows, r)
		}
	}
	return out, nil
}

func (t *Table) find(a Args) (any, error) {
	found, err := t.where(a)
	if err != nil || len(found.(*Table).rows) == 0 {
		return nil, err
	}
	return found.(*Table).rows[0], nil
}

func (t *Table) orderBy(a Args) (any, error) {
	v, err := a.Bind(req("key"), opt("reverse", false))
	if err != nil {
		return nil, err
	}
	cols, err := t.columnNumbers(a, v[0])
	if err != nil {
		return nil, err
	}
	// Nothing sorts after everything, as in agate.
	keys := make([]any, len(t.rows))
	for i, r := range t.rows {
		key := &Tuple{}
		for _, c := range cols {
			key.Items = append(key.Items, r.values[c] == nil, r.values[c])
		}
		keys[i] = key
	}
	rows, err := a.r.sorted(t.rowItems(), keys, truth(v[1]))
	if err != nil {
		return nil, err
	}
	out := &Table{names: t.names}
	for _, r := range rows {
		out.rows = append(out.rows, r.(*Row))
	}
	return out, nil
}

func (t *Table) distinct(a Args) (any, error) {
	v, err := a.Bind(opt("key", nil))
	if err != nil {
		return nil, err
	}
	cols := make([]int, len(t.names))
	for i := range cols {
		cols[i] = i
	}
	if v[0] != nil {
		if cols, err = t.columnNumbers(a, v[0]); err != nil {
			return nil, err
		}
	}
	seen, out := map[string]bool{}, &Table{names: t.names}
	for _, r := range t.rows {
		key := &Tuple{}
		for _, c := range cols {
			key.Items = append(key.Items, r.values[c])
		}
		text, err := a.r.repr(key)
		if err != nil {
			return nil, err
		}
		if !seen[text] {
			seen[text] = true
			out.rows = append(out.rows, r)
		}
	}
	return out, nil
}

func (t *Table) rename(a Args) (any, error) {
	v, err := a.Bind(req("column_names"))
	if err != nil {
		return nil, err
	}
	out := &Table{names: slices.Clone(t.names)}
	if d, ok := v[0].(*Dict); ok {
		for i, n := range t.names {
			if x, ok := d.Get(n); ok {
				out.names[i], _ = x.(string)
			}
		}
	} else {
		items, err := a.r.items(v[0])
		if err != nil {
			return nil, err
		}
		if len(items) != len(t.names) {
			return nil, failf("rename() got %d names for %d columns", len(items), len(t.names))
		}
		for i, x := range items {
			out.names[i], _ = x.(string)
		}
	}
	if slices.Contains(out.names, "") {
		return nil, failf("rename(): the name of a column must be a string")
	}
	for _, r := range t.rows {
		out.rows = append(out.rows, &Row{out.names, r.values})
	}
	return out, nil
}

// print says the table where log(…, info=true) goes.
func (t *Table) print(a Args, how string) (any, error) {
	v, err := a.Bind(opt("max_rows", int64(20)), opt("max_columns", int64(6)), opt("output", nil), opt("max_column_width", int64(20)),
		opt("locale", nil), opt("max_precision", nil))
	if err != nil {
		return nil, err
	}
	if how == "print_structure" {
		return nil, a.say(t.String())
	}
	if how != "print_table" {
		return nil, &Error{Msg: "a table's " + how + "() is not supported", Hint: "print_table() prints it"}
	}
	rows, columns := len(t.rows), len(t.names)
	if n, ok := integer(v[0]); ok {
		rows = min(rows, int(max(n, 0)))
	}
	if n, ok := integer(v[1]); ok {
		columns = min(columns, int(max(n, 0)))
	}
	grid := [][]string{append([]string{}, t.names[:columns]...)}
	for _, r := range t.rows[:rows] {
		line := make([]string, columns)
		for i := range line {
			if r.values[i] != nil {
				if line[i], err = a.r.str(r.values[i]); err != nil {
					return nil, err
				}
			}
		}
		grid = append(grid, line)
	}
	return nil, a.say(drawn(grid))
}

// drawn is a grid of text with its first line as the head.
func drawn(grid [][]string) string {
	widths := make([]int, len(grid[0]))
	for _, line := range grid {
		for i, s := range line {
			widths[i] = max(widths[i], len([]rune(s)))
		}
	}
	var b strings.Builder
	for n, line := range grid {
		for i, s := range line {
			b.WriteString("| " + s + strings.Repeat(" ", widths[i]-len([]rune(s))) + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range widths {
				b.WriteString("| " + strings.Repeat("-", w) + " ")
			}
			b.WriteString("|\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// sequence is agate's MappedSequence: values with a position and, mostly, a name.
type sequence struct {
	kind   string
	names  []string
	values []any
}

func (s *sequence) typeName() string { return s.kind }
func (s *sequence) elements() []any  { return s.values }
func (s *sequence) String() string   { return "<agate." + s.kind + ">" }

// show prints the first five values.
func (s *sequence) show(r *render) (string, error) {
	shown := &Tuple{Items: s.values[:min(len(s.values), 5)]}
	text, err := r.repr(shown)
	if len(s.values) == 1 {
		text = strings.TrimSuffix(text, ",)") + ")"
	}
	if len(s.values) > 5 {
		text = strings.TrimSuffix(text, ")") + ", ...)"
	}
	return "<agate." + s.kind + ": " + text + ">", err
}

func (s *sequence) item(_ *render, key any) (any, bool, error) {
	if name, ok := key.(string); ok {
		if i := slices.Index(s.names, name); i >= 0 {
			return s.values[i], true, nil
		}
	}
	return nil, false, nil
}

func (s *sequence) equals(r *render, other any) (bool, error) {
	c, ok := other.(container)
	if !ok {
		items, err := iterate(other)
		if err != nil || items == nil || isString(other) {
			return false, nil
		}
		all, err := r.items(other)
		if err != nil {
			return false, err
		}
		return r.equal(&Tuple{Items: s.values}, &Tuple{Items: all})
	}
	return r.equal(&Tuple{Items: s.values}, &Tuple{Items: c.elements()})
}

func (s *sequence) Attr(name string) (any, bool) {
	switch name {
	case "values":
		return nullary(&Tuple{Items: s.values}), true
	case "keys":
		if s.names == nil {
			return nullary(nil), true
		}
		return nullary(texts(s.names)), true
	case "items":
		l := &List{}
		for i, n := range s.names {
			l.Items = append(l.Items, pair(n, s.values[i]))
		}
		return nullary(l), true
	case "dict":
		d := NewDict()
		for i, n := range s.names {
			_ = d.Set(n, s.values[i]) // a string is always a key
		}
		return nullary(d), true
	case "get":
		return getter(func(key string) (any, bool) {
			v, ok, _ := s.item(nil, key)
			return v, ok
		}), true
	}
	return nil, false
}

func (r *Row) sequence() *sequence { return &sequence{"Row", r.names, r.values} }

func (r *Row) typeName() string { return "Row" }
func (r *Row) elements() []any  { return r.values }
func (r *Row) String() string   { return "<agate.Row>" }

func (r *Row) show(rn *render) (string, error)             { return r.sequence().show(rn) }
func (r *Row) item(rn *render, key any) (any, bool, error) { return r.sequence().item(rn, key) }
func (r *Row) equals(rn *render, other any) (bool, error)  { return r.sequence().equals(rn, other) }
func (r *Row) Attr(name string) (any, bool)                { return r.sequence().Attr(name) }

// tableColumn is a column of a table.
type tableColumn struct {
	sequence
	name  string
	index int
}

func (c *tableColumn) Attr(name string) (any, bool) {
	switch name {
	case "name":
		return c.name, true
	case "index":
		return int64(c.index), true
	case "data_type":
		k := columnType(c.values)
		return &record{kind: k, names: []string{"jsonify"}, vals: []any{Func(jsonify)}, text: "<" + k + ">"}, true
	case "values_without_nulls":
		return nullary(&Tuple{Items: slices.DeleteFunc(slices.Clone(c.values), func(v any) bool { return v == nil })}), true
	case "values_distinct":
		return Func(func(a Args) (any, error) {
			s := newSet()
			err := s.addAll(c.values)
			return &Tuple{Items: s.items}, err
		}), true
	case "values_sorted":
		return Func(func(a Args) (any, error) {
			items, err := a.r.sorted(c.values, c.values, false)
			return &Tuple{Items: items}, err
		}), true
	}
	return c.sequence.Attr(name)
}

// jsonify is a value as JSON can have it.
func jsonify(a Args) (any, error) {
	v, err := a.Bind(req("d"))
	if err != nil {
		return nil, err
	}
	switch x := v[0].(type) {
	case nil, bool, int64:
		return x, nil
	case Decimal:
		return strconv.ParseFloat(x.String(), 64)
	}
	return a.r.str(v[0])
}

// response is what a statement answers beside its rows; it prints its message.
func response(message string, code, rows any) *record {
	names := []string{"_message", "code", "rows_affected"}
	return &record{kind: "AdapterResponse", names: names, vals: []any{message, code, rows}, text: message}
}
