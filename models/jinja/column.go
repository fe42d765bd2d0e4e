package jinja

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Column is a column of a relation or of a query, as adapter.get_columns_in_relation and api.Column give it. Size, Precision and Scale
// are nil, or an int64.
type Column struct {
	Name, Type             string
	Size, Precision, Scale any

	snowflake bool
}

// precisions are those that DuckDB tells of types which have no parameters.
var precisions = map[string]int64{"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128, "UTINYINT": 8, "USMALLINT": 16,
	"UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128, "FLOAT": 24, "DOUBLE": 53}

var decimalType = regexp.MustCompile(`^DECIMAL\((\d+),\s*(\d+)\)$`)

// NewColumn is a column of a type in DuckDB's spelling, with what follows from it.
func NewColumn(name, typ string) Column {
	c := Column{Name: name, Type: typ}
	if p, ok := precisions[typ]; ok {
		c.Precision, c.Scale = p, int64(0)
	}
	if m := decimalType.FindStringSubmatch(typ); m != nil {
		p, _ := strconv.ParseInt(m[1], 10, 64)
		s, _ := strconv.ParseInt(m[2], 10, 64)
		c.Precision, c.Scale = p, s
	}
	return c
}

func (c Column) typeName() string {
	if c.snowflake {
		return "SnowflakeColumn"
	}
	return "DuckDBColumn"
}

// String is its name and type.
func (c Column) String() string { return c.typeName() + "(" + c.Name + " " + c.Type + ")" }

func (c Column) show(r *render) (string, error) {
	names := []string{"column", "dtype", "char_size", "numeric_precision", "numeric_scale"}
	vals := []any{c.Name, c.Type, c.Size, c.Precision, c.Scale}
	if c.snowflake {
		names, vals = append(names, "collation"), append(vals, nil)
	} else {
		names, vals = append(names, "fields"), append(vals, c.fieldList())
	}
	return (&record{kind: c.typeName(), names: names, vals: vals}).show(r)
}

func (c Column) oneOf(names ...string) bool { return slices.Contains(names, strings.ToLower(c.Type)) }

func (c Column) isString() bool { return c.oneOf("text", "character varying", "character", "varchar") }

func (c Column) isFloat() bool {
	return c.oneOf("real", "float", "float4", "float8", "double") || c.snowflake && c.oneOf("double precision")
}

func (c Column) isInteger() bool {
	return !c.snowflake && c.oneOf("tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint",
		"int1", "int2", "int4", "int8", "short", "int", "signed", "long")
}

func (c Column) isNumeric() bool {
	return c.oneOf("numeric", "decimal") ||
		c.snowflake && c.oneOf("int", "integer", "bigint", "smallint", "tinyint", "byteint", "number")
}

func (c Column) stringSize() (int64, error) {
	switch n, ok := c.Size.(int64); {
	case !c.isString():
		return 0, failf("string_size() of column '%s', which is no string but %s", c.Name, c.Type)
	case ok && c.Type != "text":
		return n, nil
	case c.snowflake:
		return 16_777_216, nil
	}
	return 256, nil
}

// dataType is the type to write into SQL.
func (c Column) dataType() string {
	switch {
	case c.isString():
		n, _ := c.stringSize()
		return "character varying(" + strconv.FormatInt(n, 10) + ")"
	case c.isNumeric():
		return numericType(c.Type, c.Precision, c.Scale)
	}
	return c.Type
}

func numericType(dtype string, precision, scale any) string {
	p, okP := precision.(int64)
	s, okS := scale.(int64)
	if !okP || !okS {
		return dtype
	}
	return dtype + "(" + strconv.FormatInt(p, 10) + "," + strconv.FormatInt(s, 10) + ")"
}

func (c Column) isStruct() bool { return strings.HasPrefix(strings.ToLower(c.Type), "struct") }

// fields are those of a struct.
func (c Column) fields() []Column {
	open := strings.IndexByte(c.Type, '(')
	if !c.isStruct() || open < 0 || !strings.HasSuffix(c.Type, ")") {
		return nil
	}
	var out []Column
	for _, f := range splitTop(c.Type[open+1 : len(c.Type)-1]) {
		name, typ, _ := strings.Cut(strings.TrimSpace(f), " ")
		out = append(out, Column{Name: name, Type: typ})
	}
	return out
}

// splitTop splits at the commas that stand in no parentheses.
func splitTop(s string) []string {
	var out []string
	depth, from := 0, 0
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[from:i])
				from = i + 1
			}
		}
	}
	return append(out, s[from:])
}

func (c Column) fieldList() *List {
	l := &List{}
	for _, f := range c.fields() {
		l.Items = append(l.Items, f)
	}
	return l
}

// flatten gives the fields of a struct as columns of their own, named by their path.
func (c Column) flatten() []any {
	if !c.isStruct() {
		return []any{c}
	}
	var out []any
	for _, f := range c.fields() {
		for _, x := range f.flatten() {
			sub := x.(Column)
			out = append(out, Column{Name: c.Name + "." + sub.Name, Type: sub.Type})
		}
	}
	return out
}

// Attr returns dbt's attributes of a column.
func (c Column) Attr(name string) (any, bool) {
	switch name {
	case "name", "column":
		return c.Name, true
	case "dtype":
		return c.Type, true
	case "data_type", "expanded_data_type":
		return c.dataType(), true
	case "quoted":
		return `"` + c.Name + `"`, true
	case "char_size":
		return c.Size, true
	case "numeric_precision":
		return c.Precision, true
	case "numeric_scale":
		return c.Scale, true
	case "fields":
		return c.fieldList(), true
	case "is_string":
		return nullary(c.isString()), true
	case "is_number":
		return nullary(c.isInteger() || c.isNumeric() || c.isFloat()), true
	case "is_float":
		return nullary(c.isFloat()), true
	case "is_integer":
		return nullary(c.isInteger()), true
	case "is_numeric":
		return nullary(c.isNumeric()), true
	case "is_struct":
		return nullary(c.isStruct()), true
	case "flatten":
		return nullary(NewList(c.flatten()...)), true
	case "string_size":
		return Func(func(a Args) (any, error) {
			if _, err := a.Bind(); err != nil {
				return nil, err
			}
			return c.stringSize()
		}), true
	case "can_expand_to":
		return Func(c.canExpandTo), true
	case "literal":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(req("value"))
			if err != nil {
				return nil, err
			}
			s, err := a.r.str(v[0])
			return s + "::" + c.dataType(), err
		}), true
	}
	return columnClass{c.snowflake}.Attr(name)
}

func (c Column) canExpandTo(a Args) (any, error) {
	v, err := a.Bind(req("other_column"))
	if err != nil {
		return nil, err
	}
	o, ok := v[0].(Column)
	if !ok {
		return nil, failf("can_expand_to() takes a column, not %s", typeName(v[0]))
	}
	if !c.isString() || !o.isString() {
		return false, nil
	}
	own, err := c.stringSize()
	if err != nil {
		return nil, err
	}
	other, err := o.stringSize()
	return other > own, err
}

// columnClass is api.Column.
type columnClass struct{ snowflake bool }

func (columnClass) String() string   { return "<class 'Column'>" }
func (columnClass) typeName() string { return "type" }

// Call makes a column: api.Column(name, type).
func (k columnClass) Call(a Args) (any, error) {
	a.name = "api.Column()"
	v, err := a.Bind(req("column"), req("dtype"), opt("char_size", nil), opt("numeric_precision", nil), opt("numeric_scale", nil))
	if err != nil {
		return nil, err
	}
	return k.column(v)
}

func (k columnClass) column(v []any) (any, error) {
	name, err := wantString(v[0], "the name of a column")
	if err != nil {
		return nil, err
	}
	typ, err := wantString(v[1], "the type of column '"+name+"'")
	if err != nil {
		return nil, err
	}
	c := Column{Name: name, Type: typ, snowflake: k.snowflake}
	for i, p := range []*any{&c.Size, &c.Precision, &c.Scale} {
		if i+2 < len(v) && v[i+2] != nil {
			if *p, err = wantInt(v[i+2]); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// Attr returns the class's methods.
func (k columnClass) Attr(name string) (any, bool) {
	switch name {
	case "create":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(req("name"), req("label_or_dtype"))
			if err != nil {
				return nil, err
			}
			if s, ok := v[1].(string); ok {
				v[1] = translateType(s)
			}
			return k.column(v)
		}), true
	case "translate_type":
		return Func(func(a Args) (any, error) {
			n, err := names(a, req("dtype"))
			if err != nil {
				return nil, err
			}
			return translateType(n[0]), nil
		}), true
	case "string_type":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(req("size"))
			if err != nil {
				return nil, err
			}
			s, err := a.r.str(v[0])
			return "character varying(" + s + ")", err
		}), true
	case "numeric_type":
		return Func(callNumericType), true
	case "from_description":
		return Func(k.fromDescription), true
	case "TYPE_LABELS":
		d := NewDict()
		_ = d.Set("STRING", "TEXT") // a string is always a key
		return d, true
	}
	return nil, false
}

// translateType gives the type that a label of dbt stands for.
func translateType(label string) string {
	if strings.EqualFold(label, "string") {
		return "TEXT"
	}
	return label
}

func callNumericType(a Args) (any, error) {
	v, err := a.Bind(req("dtype"), req("precision"), req("scale"))
	if err != nil {
		return nil, err
	}
	dtype, err := wantString(v[0], "the type")
	if err != nil || v[1] == nil || v[2] == nil {
		return dtype, err
	}
	p, err := a.r.str(v[1])
	if err != nil {
		return nil, err
	}
	s, err := a.r.str(v[2])
	return dtype + "(" + p + "," + s + ")", err
}

var description = regexp.MustCompile(`^([^(]+)(?:\(([^)]+)\))?`)

// fromDescription reads a type with its sizes: decimal(10,2), varchar(20).
func (k columnClass) fromDescription(a Args) (any, error) {
	n, err := names(a, req("name"), req("raw_data_type"))
	if err != nil {
		return nil, err
	}
	m := description.FindStringSubmatch(n[1])
	if m == nil {
		return nil, failf("the data type %q cannot be read", n[1])
	}
	v := []any{n[0], m[1], nil, nil, nil}
	if m[2] == "" {
		return k.column(v)
	}
	sizes := strings.Split(m[2], ",")
	for i, s := range sizes {
		x, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		switch {
		case err != nil:
			return nil, failf("the data type %q cannot be read: %q is no whole number", n[1], strings.TrimSpace(s))
		case len(sizes) == 1:
			v[2] = x
		case len(sizes) == 2:
			v[3+i] = x
		}
	}
	return k.column(v)
}
