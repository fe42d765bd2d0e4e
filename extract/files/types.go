package files

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// duckType is a parsed DuckDB type.
type duckType struct {
	base        string // upper case, aliases resolved; STRUCT, LIST, MAP for nested types
	prec, scale int    // DECIMAL
	fields      []duckField
	elem        *duckType
}

type duckField struct {
	name string
	typ  duckType
}

var aliases = map[string]string{
	"INT": "INTEGER", "INT4": "INTEGER", "SIGNED": "INTEGER", "INT8": "BIGINT", "LONG": "BIGINT", "INT2": "SMALLINT", "SHORT": "SMALLINT",
	"INT1": "TINYINT", "BOOL": "BOOLEAN", "LOGICAL": "BOOLEAN", "TEXT": "VARCHAR", "STRING": "VARCHAR", "CHAR": "VARCHAR", "BPCHAR": "VARCHAR",
	"FLOAT8": "DOUBLE", "FLOAT4": "FLOAT", "REAL": "FLOAT", "DATETIME": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
	"TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP", "TIME WITHOUT TIME ZONE": "TIME",
	"BYTEA": "BLOB", "BINARY": "BLOB", "VARBINARY": "BLOB", "NUMERIC": "DECIMAL", "DEC": "DECIMAL", "DOUBLE PRECISION": "DOUBLE",
	"TIMESTAMP_US": "TIMESTAMP",
}

var scalars = map[string]bool{
	"BIGINT": true, "INTEGER": true, "SMALLINT": true, "TINYINT": true, "UBIGINT": true, "UINTEGER": true, "USMALLINT": true, "UTINYINT": true,
	"HUGEINT": true, "BOOLEAN": true, "VARCHAR": true, "DOUBLE": true, "FLOAT": true, "DECIMAL": true, "DATE": true, "TIME": true,
	"TIMESTAMP": true, "TIMESTAMP_S": true, "TIMESTAMP_MS": true, "TIMESTAMP_NS": true, "TIMESTAMP WITH TIME ZONE": true,
	"BLOB": true, "UUID": true, "JSON": true, "INTERVAL": true,
}

var refused = map[string]string{
	"UHUGEINT":            "Parquet has no such integer; use DECIMAL(38,0)",
	"TIMETZ":              "Parquet keeps no zone for a time of day; use TIME or VARCHAR",
	"TIME WITH TIME ZONE": "Parquet keeps no zone for a time of day; use TIME or VARCHAR",
	"BIT":                 "Parquet has no bit strings; use VARCHAR",
	"ENUM":                "use VARCHAR, and the check accepted_values",
	"UNION":               "Parquet has no unions; use JSON",
	"MAP":                 "use JSON, or a STRUCT",
}

func (t duckType) nested() bool { return t.base == "STRUCT" || t.base == "LIST" }

func (t duckType) integer() bool {
	switch t.base {
	case "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "HUGEINT":
		return true
	}
	return false
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// reserved are the words that DuckDB wants quoted.
var reserved = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default deferrable desc describe distinct do else end except false fetch for foreign from group having in initially intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer pivot_wider placing primary qualify references returning select show some summarize symmetric table then to trailing true union unique unpivot using variadic when where window with`) {
		m[w] = true
	}
	return m
}()

// String spells the type the way DuckDB prints it.
func (t duckType) String() string {
	switch t.base {
	case "DECIMAL":
		return fmt.Sprintf("DECIMAL(%d,%d)", t.prec, t.scale)
	case "LIST":
		return t.elem.String() + "[]"
	case "STRUCT":
		var b strings.Builder
		for i, f := range t.fields {
			if i > 0 {
				b.WriteString(", ")
			}
			name := f.name
			if !plainName.MatchString(name) || reserved[name] {
				name = ident(name)
			}
			b.WriteString(name + " " + f.typ.String())
		}
		return "STRUCT(" + b.String() + ")"
	}
	return t.base
}

// landed is the spelling of the type that a column of this type has once it is landed; an unknown type is left as
// it is, for Check to complain about.
func landed(typ string) string {
	t, err := parseType(typ)
	if err != nil {
		return typ
	}
	return t.String()
}

// parseType reads a DuckDB type and settles what cannot be landed: HUGEINT becomes DECIMAL(38,0).
func parseType(s string) (duckType, error) {
	p := typeParser{s: s}
	t, err := p.parse(0)
	if err == nil {
		p.space()
		if p.i < len(p.s) {
			err = fmt.Errorf("unexpected %q", p.s[p.i:])
		}
	}
	if err != nil {
		return t, fmt.Errorf("type %q: %w", s, err)
	}
	return t, nil
}

type typeParser struct {
	s string
	i int
}

func (p *typeParser) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t' || p.s[p.i] == '\n') {
		p.i++
	}
}

func (p *typeParser) take(c byte) bool {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func (p *typeParser) word() string {
	p.space()
	from := p.i
	for p.i < len(p.s) && isWord(p.s[p.i]) {
		p.i++
	}
	return p.s[from:p.i]
}

func (p *typeParser) name() (string, error) {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == '"' {
		var b strings.Builder
		for p.i++; p.i < len(p.s); p.i++ {
			if p.s[p.i] == '"' {
				if p.i+1 < len(p.s) && p.s[p.i+1] == '"' {
					p.i++
				} else {
					p.i++
					return b.String(), nil
				}
			}
			b.WriteByte(p.s[p.i])
		}
		return "", fmt.Errorf("quote is not closed")
	}
	if w := p.word(); w != "" {
		return w, nil
	}
	return "", fmt.Errorf("a field name is missing")
}

func (p *typeParser) parse(depth int) (duckType, error) {
	if depth > 20 {
		return duckType{}, fmt.Errorf("nested too deep")
	}
	base := strings.ToUpper(p.word())
	if base == "" {
		return duckType{}, fmt.Errorf("a type name is missing")
	}
	if base == "TIMESTAMP" || base == "TIME" || base == "DOUBLE" {
		from := p.i
		rest := strings.ToUpper(p.s[p.i:])
		for _, tail := range []string{"WITH TIME ZONE", "WITHOUT TIME ZONE", "PRECISION"} {
			if strings.HasPrefix(strings.TrimLeft(rest, " "), tail) {
				p.space()
				p.i += len(tail)
				base += " " + tail
				from = p.i
				break
			}
		}
		p.i = from
	}
	if a, ok := aliases[base]; ok {
		base = a
	}
	if why, ok := refused[base]; ok {
		return duckType{}, fmt.Errorf("%s cannot be landed: %s", base, why)
	}
	t := duckType{base: base}
	switch {
	case base == "STRUCT" || base == "ROW":
		t.base = "STRUCT"
		if !p.take('(') {
			return t, fmt.Errorf("STRUCT needs its fields: STRUCT(a BIGINT)")
		}
		for {
			name, err := p.name()
			if err != nil {
				return t, err
			}
			ft, err := p.parse(depth + 1)
			if err != nil {
				return t, err
			}
			t.fields = append(t.fields, duckField{name, ft})
			if p.take(',') {
				continue
			}
			if p.take(')') {
				break
			}
			return t, fmt.Errorf("a ) is missing")
		}
	case base == "DECIMAL":
		t.prec, t.scale = 18, 3
		if p.take('(') {
			n, err := strconv.Atoi(p.word())
			if err != nil {
				return t, fmt.Errorf("DECIMAL needs numbers: DECIMAL(12,2)")
			}
			t.prec, t.scale = n, 0
			if p.take(',') {
				if t.scale, err = strconv.Atoi(p.word()); err != nil {
					return t, fmt.Errorf("DECIMAL needs numbers: DECIMAL(12,2)")
				}
			}
			if !p.take(')') {
				return t, fmt.Errorf("a ) is missing")
			}
		}
		if t.prec < 1 || t.prec > 38 || t.scale < 0 || t.scale > t.prec {
			return t, fmt.Errorf("DECIMAL goes up to (38,38)")
		}
	case scalars[base]:
		if base == "VARCHAR" && p.take('(') { // a length means nothing to DuckDB
			p.word()
			if !p.take(')') {
				return t, fmt.Errorf("a ) is missing")
			}
		}
		if base == "HUGEINT" { // Parquet would get a DOUBLE
			t = duckType{base: "DECIMAL", prec: 38}
		}
	default:
		return t, fmt.Errorf("no type of this name")
	}
	for {
		from := p.i
		if !p.take('[') {
			break
		}
		p.word() // a fixed length is landed as a list
		if !p.take(']') {
			p.i = from
			return t, fmt.Errorf("a ] is missing")
		}
		inner := t
		t = duckType{base: "LIST", elem: &inner}
	}
	return t, nil
}

// ident quotes an SQL identifier.
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// text quotes an SQL string.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
