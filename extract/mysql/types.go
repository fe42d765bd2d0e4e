package mysql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
)

// column is how one column is selected, decoded and landed.
type column struct {
	name     string
	expr     string // what stands in the select list; the server's text of it holds every digit
	sqlType  string // as the server spells it
	duckType string // as it is landed
	note     string // for the person who plans; "" when there is nothing to say
	field    arrow.Field
	nullable bool
	binary   bool // bytes, not text: a Reject shows them in hex
	// check says what is wrong with a value that is not NULL; nil when no value can be wrong. It is asked for every
	// column of a row before anything of the row is appended.
	check func(value []byte) *badValue
	// append adds a value that passed check; nil is NULL. It cannot fail.
	append func(b array.Builder, value []byte)
}

// badValue is a value that the column's type cannot hold.
type badValue struct{ reason, message string }

// attribute is a column as the server describes it.
type attribute struct {
	name             string
	dataType         string // lower case, without arguments: "bigint"
	columnType       string // "bigint(20) unsigned"
	precision, scale int    // of a decimal; precision also of a bit, 0 when it is not known
	nullable         bool
	json             bool // MariaDB: a longtext whose check is json_valid
	loose            bool // of a query, of which less is known: the precision may be one short
}

func (a attribute) unsigned() bool { return strings.Contains(a.columnType, "unsigned") }

// columnsFor decides how each column is landed. pins are types that the project asks for, by column name; a pin that
// cannot be had is an error that says which can.
func columnsFor(attrs []attribute, pins map[string]string) ([]column, error) {
	used := map[string]bool{}
	out := make([]column, len(attrs))
	for i, a := range attrs {
		c, err := a.column()
		pin, pinned := pins[a.name]
		if pinned {
			used[a.name] = true
			c, err = a.pinned(pin, c, err)
		}
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", a.name, err)
		}
		c.name, c.sqlType, c.nullable = a.name, a.columnType, a.nullable
		if c.expr == "" {
			c.expr = quoteName(a.name)
		}
		c.field.Name, c.field.Nullable = a.name, true
		out[i] = c
	}
	for name := range pins {
		if !used[name] {
			return nil, fmt.Errorf("column %q: a type is pinned, and there is no such column", name)
		}
	}
	return out, nil
}

// column is the landing of a column that is not pinned: exact, without a guess.
func (a attribute) column() (column, error) {
	switch a.dataType {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint":
		c := integer(a.dataType, a.unsigned())
		if a.loose { // an expression, whose type is the server's estimate
			c.check = fits(c.field.Type.(arrow.FixedWidthDataType).BitWidth(), a.unsigned())
		}
		return c, nil
	case "year":
		return landed("SMALLINT", arrow.PrimitiveTypes.Int16, nil, appendInt16), nil
	case "bit":
		c := landed("UBIGINT", arrow.PrimitiveTypes.Uint64, nil, appendBits)
		c.binary = true
		return c, nil
	case "decimal", "numeric":
		return a.decimal(), nil
	case "float":
		c := landed("FLOAT", arrow.PrimitiveTypes.Float32, nil, appendFloat32)
		c.expr = asDouble(a.name) // the text of a FLOAT has 6 digits
		return c, nil
	case "double", "real":
		c := landed("DOUBLE", arrow.PrimitiveTypes.Float64, nil, appendFloat64)
		if a.loose || strings.Contains(a.columnType, "(") {
			c.expr = asDouble(a.name) // DOUBLE(M,D) is shown with D decimals
		}
		return c, nil
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "inet4", "inet6":
		if a.json {
			return jsonColumn("a text that is checked to be JSON"), nil
		}
		return textColumn(""), nil
	case "json":
		return jsonColumn(""), nil
	case "uuid":
		return landed("UUID", extensions.NewUUIDType(), checkUUID, appendUUID), nil
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return blobColumn(""), nil
	case "vector":
		return blobColumn("four bytes a number, as the server keeps them"), nil
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		return blobColumn("four bytes of SRID, then WKB, as the server keeps them; VARCHAR gives WKT"), nil
	case "date":
		return parsedOnce(landed("DATE", arrow.FixedWidthTypes.Date32, checkDate, appendDate), parseDate, func(b array.Builder, n int64) { b.(*array.Date32Builder).Append(arrow.Date32(n)) }), nil
	case "datetime":
		return parsedOnce(landed("TIMESTAMP", &arrow.TimestampType{Unit: arrow.Microsecond}, checkDatetime, appendDatetime), parseDatetime, addMoment), nil
	case "timestamp":
		return parsedOnce(landed("TIMESTAMP WITH TIME ZONE", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, checkDatetime, appendDatetime), parseDatetime, addMoment), nil
	case "time":
		return textColumn("up to 838:59:59 and negative; TIME takes what is a time of day"), nil
	case "null":
		return textColumn(""), nil
	}
	return column{}, fmt.Errorf("the type %s is not known: pin it as VARCHAR, or leave the column out", a.columnType)
}

func landed(duckType string, t arrow.DataType, check func([]byte) *badValue, add func(array.Builder, []byte)) column {
	return column{duckType: duckType, field: arrow.Field{Type: t}, check: check, append: add}
}

// parsedOnce keeps what check has parsed for the append that follows it. A column so made has one reader at a time.
func parsedOnce(c column, parse func([]byte) (int64, bool), add func(array.Builder, int64)) column {
	check := c.check
	var parsed int64
	c.check = func(v []byte) (problem *badValue) {
		var ok bool
		if parsed, ok = parse(v); !ok {
			problem = check(v) // it knows why
		}
		return problem
	}
	c.append = func(b array.Builder, v []byte) {
		if v == nil {
			b.AppendNull()
			return
		}
		add(b, parsed)
	}
	return c
}

func addMoment(b array.Builder, micros int64) {
	b.(*array.TimestampBuilder).Append(arrow.Timestamp(micros))
}

func integer(name string, unsigned bool) column {
	p := arrow.PrimitiveTypes
	switch name {
	case "tinyint":
		if unsigned {
			return landed("UTINYINT", p.Uint8, nil, appendUint8)
		}
		return landed("TINYINT", p.Int8, nil, appendInt8)
	case "smallint":
		if unsigned {
			return landed("USMALLINT", p.Uint16, nil, appendUint16)
		}
		return landed("SMALLINT", p.Int16, nil, appendInt16)
	case "bigint":
		if unsigned {
			return landed("UBIGINT", p.Uint64, nil, appendUint64)
		}
		return landed("BIGINT", p.Int64, nil, appendInt64)
	}
	if unsigned {
		return landed("UINTEGER", p.Uint32, nil, appendUint32)
	}
	return landed("INTEGER", p.Int32, nil, appendInt32)
}

func (a attribute) decimal() column {
	precision := a.precision
	if a.loose { // what describes a query is one digit short when the column is unsigned
		precision++
	}
	if precision > maxPrecision && !(a.loose && a.precision == maxPrecision) {
		c := textColumn(fmt.Sprintf("DECIMAL has at most %d digits: pin DECIMAL(p,s) if the values have fewer", maxPrecision))
		return c
	}
	c := decimalColumn(min(precision, maxPrecision), a.scale)
	if !a.loose {
		c.check = nil // the server holds them to it
	}
	return c
}

const maxPrecision = 38

func decimalColumn(precision, scale int) column {
	d := decimalText{precision, scale}
	return landed(fmt.Sprintf("DECIMAL(%d,%d)", precision, scale),
		&arrow.Decimal128Type{Precision: int32(precision), Scale: int32(scale)}, d.check, d.append)
}

func textColumn(note string) column {
	c := landed("VARCHAR", arrow.BinaryTypes.String, checkText, appendText)
	c.note = note
	return c
}

func jsonColumn(note string) column {
	t, err := extensions.NewJSONType(arrow.BinaryTypes.String)
	if err != nil {
		panic(err) // a string is a storage type of JSON
	}
	c := landed("JSON", t, checkJSON, appendJSON)
	c.note = note
	return c
}

func blobColumn(note string) column {
	c := landed("BLOB", arrow.BinaryTypes.Binary, nil, appendBlob)
	c.note, c.binary = note, true
	return c
}

// asDouble makes the server print all digits of a FLOAT, and those of a DOUBLE(M,D) beyond D. It keeps the sign of a
// zero, which + 0e0 does not; CAST AS DOUBLE came only with MySQL 8.0.17.
func asDouble(name string) string { return quoteName(name) + " * 1e0" }

var decimalPin = regexp.MustCompile(`^(?:DECIMAL|NUMERIC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)$`)

// pinned is the landing of a column whose type the project asks for. c and err are what it would be otherwise.
func (a attribute) pinned(pin string, c column, err error) (column, error) {
	want := strings.ToUpper(strings.Join(strings.Fields(pin), " "))
	possible := []string{"VARCHAR"}
	if err == nil && c.duckType != "VARCHAR" {
		possible = append([]string{c.duckType}, possible...)
	}
	switch {
	case want == "VARCHAR" || want == "TEXT" || want == "STRING":
		return a.asText(), nil
	case err == nil && want == c.duckType:
		return c, nil
	}
	switch a.dataType {
	case "decimal", "numeric":
		possible = append(possible, fmt.Sprintf("DECIMAL(p,s) up to %d digits", maxPrecision))
		if m := decimalPin.FindStringSubmatch(want); m != nil {
			precision, _ := strconv.Atoi(m[1])
			scale, _ := strconv.Atoi(m[2])
			if precision >= 1 && precision <= maxPrecision && scale <= precision {
				return decimalColumn(precision, scale), nil
			}
		}
	case "time":
		possible = append(possible, "TIME")
		if want == "TIME" {
			return landed("TIME", arrow.FixedWidthTypes.Time64us, checkTime, appendTime), nil
		}
	case "tinyint":
		possible = append(possible, "BOOLEAN")
		if want == "BOOLEAN" || want == "BOOL" {
			return landed("BOOLEAN", arrow.FixedWidthTypes.Boolean, checkBool, appendBool), nil
		}
	case "bit":
		if a.precision > 1 {
			break
		}
		possible = append(possible, "BOOLEAN")
		if want == "BOOLEAN" || want == "BOOL" {
			c := landed("BOOLEAN", arrow.FixedWidthTypes.Boolean, checkBitBool, appendBitBool)
			c.binary = true
			return c, nil
		}
	}
	return column{}, fmt.Errorf("%s cannot be landed as %s, only as %s", a.columnType, pin, strings.Join(possible, ", "))
}

// asText is the server's own text of a value, with every digit.
func (a attribute) asText() column {
	c := textColumn("")
	name := quoteName(a.name)
	switch a.dataType {
	case "float", "double", "real":
		c.expr = "CAST(" + asDouble(a.name) + " AS CHAR)"
	case "bit":
		c.expr = "CAST(" + name + " + 0 AS CHAR)"
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		c.expr = "ST_AsText(" + name + ")"
	case "vector":
		c.expr = "HEX(" + name + ")"
	}
	// bytes are taken as they are and must be UTF-8: CAST(x AS CHAR) gives NULL for those that are not
	return c
}

// reasonZeroDate is what this source adds to the reasons of package extract: a date with a zero where none can be.
const reasonZeroDate = "zero_date"

func bad(reason, format string, args ...any) *badValue {
	return &badValue{reason, fmt.Sprintf(format, args...)}
}

// shown is a value in a message, cut.
func shown(v []byte) string {
	if len(v) > 40 {
		return strconv.Quote(string(v[:40])) + "…"
	}
	return strconv.Quote(string(v))
}
