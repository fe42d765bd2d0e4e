package snowflake

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// A proof is one row of numbers about all rows of a table. Each row is written as one text, the same on both sides, and the sum of
// these texts' hashes depends on no order: two tables with the same proof have the same rows, but for floats between their bounds.
//
// n counts rows; hash is the sum. Of column i there are c<i>, how many values are not NULL; min<i> and max<i> of numbers and times;
// sum<i> of integers and decimals up to 28 digits, and of how often a boolean is true; and of texts and bytes their lengths in
// bytes, bytes<i> of all and longest<i>: a collation would change their order, and their bounds are nobody's to read in an error.

// Proof is the SELECT of a proof in Snowflake, of a table with these columns.
func Proof(from string, columns []Column) string {
	return prove(columns, from, spelling{
		hash:   Dialect.TextHash,
		join:   func(fields []string) string { return strings.Join(fields, "\n    || '|' || ") },
		sized:  func(size, x string) string { return "COALESCE(" + size + " || ':' || " + x + ", '~:')" },
		text:   func(x string) string { return "TO_VARCHAR(" + x + ")" },
		octets: func(x string, _ family) string { return "OCTET_LENGTH(" + x + ")" },
		hex:    func(x string) string { return "HEX_ENCODE(" + x + ")" },
		value: func(x string, c Column) string {
			switch c.family() {
			case floats: // an answer in JSON has nine of its digits (snowflake-connector-python#205), this all 17 (YADAMU#42)
				return "TO_VARCHAR(" + x + ", 'TME')"
			case dates:
				return "TO_VARCHAR(" + x + ", 'YYYY-MM-DD')"
			case times:
				return "TO_VARCHAR(DATEDIFF(MICROSECOND, TIME '00:00:00', " + x + "))"
			case instants:
				return "TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, " + x + "))"
			}
			return "TO_VARCHAR(" + x + ")"
		},
	})
}

// LocalProof is the SELECT of the same proof in DuckDB, of the rows that are to be sent or, with Written, of files that are.
func LocalProof(from string, columns []Column) string {
	return prove(columns, "(\n"+FileSelect(columns, from)+"\n)", spelling{
		hash:  warehouse.DuckDB.TextHash,
		join:  func(fields []string) string { return "concat(" + strings.Join(fields, ", '|',\n    ") + ")" }, // || would copy the row once for each column
		sized: func(size, x string) string { return "COALESCE(" + size + ", '~'), ':', " + x },                // concat leaves NULL out
		text:  func(x string) string { return "CAST(" + x + " AS VARCHAR)" },
		octets: func(x string, f family) string {
			if f == binaries {
				return "octet_length(" + x + ")"
			}
			return "strlen(" + x + ")"
		},
		hex: func(x string) string { return "hex(" + x + ")" },
		value: func(x string, c Column) string {
			switch c.family() {
			case numbers:
				if width, scale, _ := c.digits(); width == scale { // DuckDB writes .5 for a DECIMAL(1,1)
					x = fmt.Sprintf("CAST(%s AS DECIMAL(38,%d))", x, scale)
				}
			case times:
				return "CAST(epoch_us(" + x + ") AS VARCHAR)"
			case instants: // an infinite one has no epoch, and must not pass for NULL
				return "CASE WHEN isfinite(" + x + ") THEN CAST(epoch_us(" + x + ") AS VARCHAR) ELSE CAST(" + x + " AS VARCHAR) END"
			}
			return "CAST(" + x + " AS VARCHAR)"
		},
	})
}

// family is what types have in common for a proof.
type family int

const (
	texts family = iota
	numbers
	floats
	booleans
	binaries
	dates
	times
	instants
)

func (c Column) family() family {
	base, _, _ := strings.Cut(c.Type, "(")
	switch base {
	case "NUMBER":
		return numbers
	case "FLOAT":
		return floats
	case "BOOLEAN":
		return booleans
	case "BINARY":
		return binaries
	case "DATE":
		return dates
	case "TIME":
		return times
	case "TIMESTAMP_NTZ", "TIMESTAMP_LTZ":
		return instants
	}
	return texts
}

// spelling is what differs between the two engines.
type spelling struct {
	hash   func(text string) string
	join   func(fields []string) string   // with '|' between; none of them is NULL
	sized  func(size, text string) string // the field of a text, behind its length; of NULL ~:
	text   func(number string) string
	octets func(x string, f family) string
	hex    func(x string) string
	value  func(x string, c Column) string // canonical text of a value that is no text, bytes or boolean
}

// long is the length in bytes from which on a row's text has the hash of a value instead of it: no engine's texts are without end.
const long = 1000

// field is the text of a value within the row's, and ~ for NULL. Only that of texts and bytes can contain the separator, and it begins with
// its length: two different rows have two different texts. A float has none, since engines do not write them alike.
func (s spelling) field(x string, c Column) string {
	switch f := c.family(); f {
	case floats:
		return "CASE WHEN " + x + " IS NULL THEN '~' ELSE 'f' END"
	case booleans:
		return "CASE WHEN " + x + " THEN '1' WHEN NOT " + x + " THEN '0' ELSE '~' END"
	case texts, binaries:
		size, value := s.octets(x, f), x
		if f == binaries {
			value = s.hex(x)
		}
		return s.sized(s.text(size), fmt.Sprintf("CASE WHEN %s > %d THEN MD5(%s) ELSE %s END", size, long, value, value))
	}
	return "COALESCE(" + s.value(x, c) + ", '~')"
}

func prove(columns []Column, from string, s spelling) string {
	fields := make([]string, len(columns))
	var items []string
	for i, c := range columns {
		x, f := "t."+quote(c.Name), c.family() // qualified: an alias of the proof may be a column's name
		fields[i] = s.field(x, c)
		add := func(measure, sql string) { items = append(items, fmt.Sprintf("  %s AS \"%s%d\"", sql, measure, i)) }
		add("C", s.text("COUNT("+x+")"))
		switch f {
		case booleans:
			add("SUM", s.text("SUM(CASE WHEN "+x+" THEN 1 ELSE 0 END)"))
		case texts, binaries:
			add("BYTES", s.text("SUM("+s.octets(x, f)+")"))
			add("LONGEST", s.text("MAX("+s.octets(x, f)+")"))
		default:
			add("MIN", s.value("MIN("+x+")", c))
			add("MAX", s.value("MAX("+x+")", c))
			if c.summed() {
				add("SUM", s.value("SUM("+x+")", c))
			}
		}
	}
	row := s.hash(s.join(fields))
	return fmt.Sprintf("SELECT\n  %s AS \"N\",\n  %s AS \"HASH\",\n%s\nFROM %s AS t", s.text("COUNT(*)"), s.text("COALESCE(SUM("+row+"), 0)"), strings.Join(items, ",\n"), from)
}

// summed says whether the sum of a column stays below 38 digits whatever its rows: ten thousand million of them at least.
func (c Column) summed() bool {
	width, _, ok := c.digits()
	return ok && width <= 28
}

// digits are those of a NUMBER, and how many of them stand after the point.
func (c Column) digits() (width, scale int, ok bool) {
	n, _ := fmt.Sscanf(c.Type, "NUMBER(%d,%d)", &width, &scale)
	return width, scale, n == 2
}
