package warehouse

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Type is a DuckDB type, taken apart.
type Type struct {
	Name   string // upper case, the long spelling: "BIGINT", "TIMESTAMP WITH TIME ZONE", "DECIMAL", "LIST", "ARRAY"
	Width  int    // of a DECIMAL
	Scale  int    // of a DECIMAL
	Size   int    // of an ARRAY
	Length int    // of any other, as in VARCHAR(10), -1 when it is no length: it means nothing to DuckDB, which forgets it
	Fields []Field
	args   string // what stood in the parentheses of an ENUM
}

// Field is a part of a STRUCT or UNION; a LIST and an ARRAY have one, a MAP has two, all without names.
type Field struct {
	Name string
	Type Type
}

// stored says what becomes of a type in Parquet. A type that is not here is refused. Every change keeps every
// value, and CAST brings the old type back.
var stored = map[string]string{
	"BOOLEAN": "", "TINYINT": "", "SMALLINT": "", "INTEGER": "", "BIGINT": "",
	"UTINYINT": "", "USMALLINT": "", "UINTEGER": "", "UBIGINT": "",
	"FLOAT": "", "DOUBLE": "", "DECIMAL": "", "VARCHAR": "", "BLOB": "", "UUID": "", "JSON": "",
	"DATE": "", "TIME": "", "TIMESTAMP": "", "TIMESTAMP_NS": "", "TIMESTAMP WITH TIME ZONE": "",
	"HUGEINT":             "DECIMAL(38,0)", // DuckDB would write a DOUBLE; beyond 38 digits the cast is an error
	"UHUGEINT":            "DECIMAL(38,0)",
	"BIGNUM":              "VARCHAR",
	"TIME WITH TIME ZONE": "VARCHAR", // Parquet drops the zone
	"TIME_NS":             "VARCHAR", // DuckDB does the same by itself, under its breath
	"INTERVAL":            "VARCHAR", // Parquet keeps milliseconds and no negative parts
	"BIT":                 "VARCHAR",
	"ENUM":                "VARCHAR",
	"TIMESTAMP_S":         "TIMESTAMP", // as DuckDB reads its own file
	"TIMESTAMP_MS":        "TIMESTAMP",
	`"NULL"`:              "INTEGER", // as CREATE TABLE AS does
}

// Stored is the type that Write puts into a Parquet file for a column of type t: t itself, another one that holds
// every value of it, or an error. VARIANT, UNION, GEOMETRY and what DuckDB adds later are refused.
func Stored(t string) (string, error) {
	parsed, err := ParseType(t)
	if err != nil {
		return "", err
	}
	s, err := parsed.stored()
	if err != nil {
		return "", err
	}
	return s.String(), nil
}

// StoredColumns are the columns of the file that Write makes of a SELECT with these columns.
func StoredColumns(columns []Column) ([]Column, error) {
	out := make([]Column, len(columns))
	for i, c := range columns {
		t, err := Stored(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		out[i] = Column{c.Name, t}
	}
	return out, nil
}

// AsMade gives the columns of a file those types of the SELECT behind it that readers are to find again, since the file's would answer
// otherwise: of a HUGEINT x // 2 is a whole number, and of DECIMAL(38,0) it is not; an ENUM and an INTERVAL sort by what they mean, and
// their texts do not.
func AsMade(stored, made []Column) []Column {
	out := slices.Clone(stored)
	for i, c := range out {
		if i < len(made) && made[i].Name == c.Name && isMade(made[i].Type) {
			if as, err := Stored(made[i].Type); err == nil && as == c.Type {
				out[i].Type = made[i].Type
			}
		}
	}
	return out
}

// AsStored is the version with the types of its files, by which new rows meet it.
func (v Version) AsStored() *Version {
	if columns, err := StoredColumns(v.Columns); err == nil {
		v.Columns = columns
	}
	return &v
}

// Remade gives the columns of a table's next version the types that readers are to find again. A column that was there keeps its type,
// when what the SELECT gives is of that too; one that comes gets the SELECT's.
func Remade(next, before, made []Column) []Column {
	out := slices.Clone(next)
	for i, c := range out {
		was, isThere := typeOf(before, c.Name)
		is, isGiven := typeOf(made, c.Name)
		switch {
		case !isThere:
			was = is
		case isGiven && is != was && !(was == "HUGEINT" && isWhole(is)):
			continue
		}
		if as, err := Stored(was); isMade(was) && err == nil && as == c.Type {
			out[i].Type = was
		}
	}
	return out
}

func typeOf(columns []Column, name string) (string, bool) {
	at := slices.IndexFunc(columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
	if at < 0 {
		return "", false
	}
	return columns[at].Type, true
}

func isWhole(t string) bool {
	return slices.Contains([]string{"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"}, t)
}

func isMade(t string) bool { return t == "HUGEINT" || t == "INTERVAL" || strings.HasPrefix(t, "ENUM(") }

// Varies says whether values of the type may have any length.
func (t Type) Varies() bool {
	return len(t.Fields) > 0 || slices.Contains([]string{"VARCHAR", "BLOB", "JSON", "BIGNUM", "BIT"}, t.Name)
}

func (t Type) stored() (Type, error) {
	switch t.Name {
	case "LIST", "ARRAY", "STRUCT", "MAP":
		if t.Name == "ARRAY" {
			t.Name, t.Size = "LIST", 0
		}
		fields := make([]Field, len(t.Fields))
		for i, f := range t.Fields {
			inner, err := f.Type.stored()
			if err != nil {
				return Type{}, err
			}
			fields[i] = Field{f.Name, inner}
		}
		t.Fields = fields
		return t, nil
	}
	to, ok := stored[t.Name]
	switch {
	case !ok:
		return Type{}, fmt.Errorf("a column of type %s cannot be stored in Parquet: cast it, for example to VARCHAR or JSON", t)
	case to == "":
		return t, nil
	default:
		return ParseType(to)
	}
}

// String spells the type as DuckDB does.
func (t Type) String() string {
	switch t.Name {
	case "DECIMAL":
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Width, t.Scale)
	case "ENUM":
		return "ENUM(" + t.args + ")"
	case "LIST":
		return t.Fields[0].Type.String() + "[]"
	case "ARRAY":
		return fmt.Sprintf("%s[%d]", t.Fields[0].Type, t.Size)
	case "MAP":
		return fmt.Sprintf("MAP(%s, %s)", t.Fields[0].Type, t.Fields[1].Type)
	case "STRUCT", "UNION":
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = f.Type.String()
			if f.Name != "" {
				parts[i] = quoteField(f.Name) + " " + parts[i]
			}
		}
		return t.Name + "(" + strings.Join(parts, ", ") + ")"
	default:
		return t.Name
	}
}

func quoteField(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// aliases are spellings that people write and DuckDB does not answer with.
var aliases = map[string]string{
	"INT": "INTEGER", "INT1": "TINYINT", "INT2": "SMALLINT", "INT4": "INTEGER", "INT8": "BIGINT", "LONG": "BIGINT",
	"SHORT": "SMALLINT", "SIGNED": "INTEGER", "INT64": "BIGINT", "INT32": "INTEGER", "INT16": "SMALLINT",
	"TEXT": "VARCHAR", "STRING": "VARCHAR", "CHAR": "VARCHAR", "BPCHAR": "VARCHAR", "CHARACTER": "VARCHAR", "NVARCHAR": "VARCHAR", "BOOL": "BOOLEAN", "LOGICAL": "BOOLEAN",
	"REAL": "FLOAT", "FLOAT4": "FLOAT", "FLOAT8": "DOUBLE", "NUMERIC": "DECIMAL", "DEC": "DECIMAL",
	"BYTEA": "BLOB", "BINARY": "BLOB", "VARBINARY": "BLOB", "BITSTRING": "BIT", "VARINT": "BIGNUM", "NULL": `"NULL"`,
	"DATETIME": "TIMESTAMP", "TIMESTAMP_US": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
	"TIMETZ": "TIME WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP", "TIME WITHOUT TIME ZONE": "TIME",
}

// ParseType reads a type as DuckDB spells it, or as people do ("numeric(9, 2)", "text[]").
func ParseType(s string) (Type, error) {
	p := typeParser{in: s}
	t, err := p.parse(0)
	if err == nil {
		if p.space(); p.at != len(s) {
			err = fmt.Errorf("unexpected %q", s[p.at:])
		}
	}
	if err != nil {
		return Type{}, fmt.Errorf("type %q: %w", s, err)
	}
	return t, nil
}

type typeParser struct {
	in string
	at int
}

func (p *typeParser) space() {
	for p.at < len(p.in) && strings.IndexByte(" \t\r\n", p.in[p.at]) >= 0 {
		p.at++
	}
}

func (p *typeParser) accept(c byte) bool {
	p.space()
	if p.at < len(p.in) && p.in[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *typeParser) expect(c byte) error {
	if !p.accept(c) {
		return fmt.Errorf("expected %q at byte %d", c, p.at)
	}
	return nil
}

// word reads a bare name or a quoted one; quoted tells which.
func (p *typeParser) word() (name string, quoted bool) {
	p.space()
	start := p.at
	if p.at < len(p.in) && p.in[p.at] == '"' {
		var b strings.Builder
		for p.at++; p.at < len(p.in); p.at++ {
			if p.in[p.at] == '"' {
				if p.at+1 < len(p.in) && p.in[p.at+1] == '"' {
					p.at++
				} else {
					p.at++
					return b.String(), true
				}
			}
			b.WriteByte(p.in[p.at])
		}
		p.at = start
		return "", true
	}
	for p.at < len(p.in) {
		c := p.in[p.at]
		if c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			p.at++
			continue
		}
		break
	}
	return p.in[start:p.at], false
}

func (p *typeParser) number() (int, error) {
	w, _ := p.word()
	n, err := strconv.Atoi(w)
	if err != nil {
		return 0, fmt.Errorf("expected a number at byte %d", p.at)
	}
	return n, nil
}

const maxTypeDepth = 64

func (p *typeParser) parse(depth int) (Type, error) {
	if depth > maxTypeDepth {
		return Type{}, fmt.Errorf("nested deeper than %d", maxTypeDepth)
	}
	name, quoted := p.word()
	if name == "" {
		return Type{}, fmt.Errorf("expected a type at byte %d", p.at)
	}
	t := Type{Name: strings.ToUpper(name)}
	if quoted && t.Name == "NULL" {
		t.Name = `"NULL"`
	}
	if t.Name == "TIME" || t.Name == "TIMESTAMP" {
		p.zone(&t)
	}
	p.second(t.Name)
	if long, ok := aliases[t.Name]; ok {
		t.Name = long
	}
	if err := p.arguments(&t, depth); err != nil {
		return Type{}, err
	}
	for p.accept('[') {
		t = Type{Name: "LIST", Fields: []Field{{Type: t}}}
		if !p.accept(']') {
			n, err := p.number()
			if err != nil {
				return Type{}, err
			}
			t.Name, t.Size = "ARRAY", n
			if err := p.expect(']'); err != nil {
				return Type{}, err
			}
		}
	}
	return t, nil
}

// zone reads the rest of TIME WITH TIME ZONE.
func (p *typeParser) zone(t *Type) {
	start := p.at
	var words []string
	for range 3 {
		w, _ := p.word()
		words = append(words, strings.ToUpper(w))
	}
	switch strings.Join(words, " ") {
	case "WITH TIME ZONE":
		t.Name += " WITH TIME ZONE"
	case "WITHOUT TIME ZONE":
	default:
		p.at = start
	}
}

// second reads the second word of names that mean the same without it.
func (p *typeParser) second(name string) {
	start := p.at
	word, _ := p.word()
	switch name + " " + strings.ToUpper(word) {
	case "DOUBLE PRECISION", "CHARACTER VARYING":
	default:
		p.at = start
	}
}

func (p *typeParser) arguments(t *Type, depth int) error {
	if t.Name == "DECIMAL" {
		t.Width, t.Scale = 18, 3
	}
	if !p.accept('(') {
		if t.Name == "STRUCT" || t.Name == "MAP" || t.Name == "UNION" {
			return fmt.Errorf("%s without its parts", t.Name)
		}
		return nil
	}
	switch t.Name {
	case "DECIMAL":
		var err error
		if t.Width, err = p.number(); err != nil {
			return err
		}
		t.Scale = 0
		if p.accept(',') {
			if t.Scale, err = p.number(); err != nil {
				return err
			}
		}
		if t.Width < 1 || t.Width > 38 || t.Scale < 0 || t.Scale > t.Width {
			return fmt.Errorf("DECIMAL(%d,%d) is out of range", t.Width, t.Scale)
		}
	case "STRUCT", "UNION", "MAP":
		for more := true; more; more = p.accept(',') {
			var f Field
			if start := p.at; t.Name != "MAP" {
				f.Name, _ = p.word()
				if p.space(); p.at < len(p.in) && strings.IndexByte(",)([", p.in[p.at]) >= 0 {
					f.Name, p.at = "", start // a part without a name
				}
			}
			var err error
			if f.Type, err = p.parse(depth + 1); err != nil {
				return err
			}
			t.Fields = append(t.Fields, f)
		}
		if t.Name == "MAP" && len(t.Fields) != 2 {
			return fmt.Errorf("MAP with %d parts", len(t.Fields))
		}
	case "ENUM":
		start, inside := p.at, false
		for p.at < len(p.in) && (inside || p.in[p.at] != ')') {
			if p.in[p.at] == '\'' {
				inside = !inside
			}
			p.at++
		}
		t.args = p.in[start:p.at]
	default: // VARCHAR(10), GEOMETRY('…')
		start := p.at
		for p.at < len(p.in) && p.in[p.at] != ')' {
			p.at++
		}
		if n, err := strconv.Atoi(strings.TrimSpace(p.in[start:p.at])); err == nil && n > 0 {
			t.Length = n
		} else {
			t.Length = -1
		}
	}
	return p.expect(')')
}
