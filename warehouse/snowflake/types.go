package snowflake

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// Column is a column on both sides.
type Column struct {
	Name   string // in Snowflake: upper case
	Source string // in the local files
	DuckDB string // its type there
	Type   string // its type in Snowflake
	// File is the type that it must have in the file that is sent; "" when the local files may be sent as they are.
	File string
}

// The longest texts and bytes that every account takes. With the bundle 2025_03 an account takes 128 MB and 64 MB
// (docs.snowflake.com/release-notes/bcr-bundles/2025_03/bcr-1942), but a table made for that could not be made in another one.
const (
	MaxText   = 16 << 20
	MaxBinary = 8 << 20
)

// fits says what a type without parts becomes: its type in Snowflake, and in the file when that differs.
type fits struct{ snowflake, file string }

// plain are types without parts. Unsigned integers of 32 and 64 bits are written as wider ones: a COPY that does not heed that an INT32
// of Parquet is unsigned would read a large one as a negative, and others have seen an INT64 of that kind refused
// (rivet-cli, snowflake-load.md).
var plain = map[string]fits{
	"BOOLEAN": {"BOOLEAN", ""},
	"TINYINT": {"NUMBER(3,0)", ""}, "SMALLINT": {"NUMBER(5,0)", ""}, "INTEGER": {"NUMBER(10,0)", ""}, "BIGINT": {"NUMBER(19,0)", ""},
	"UTINYINT": {"NUMBER(3,0)", ""}, "USMALLINT": {"NUMBER(5,0)", ""}, "UINTEGER": {"NUMBER(10,0)", "BIGINT"}, "UBIGINT": {"NUMBER(20,0)", "DECIMAL(20,0)"},
	"HUGEINT": {"NUMBER(38,0)", "DECIMAL(38,0)"}, "UHUGEINT": {"NUMBER(38,0)", "DECIMAL(38,0)"},
	"FLOAT": {"FLOAT", "DOUBLE"}, "DOUBLE": {"FLOAT", ""},
	"VARCHAR": {textType, ""}, "JSON": {textType, "VARCHAR"}, "ENUM": {textType, "VARCHAR"}, "UUID": {"VARCHAR(36)", "VARCHAR"},
	"BLOB": {binaryType, ""},
	"DATE": {"DATE", ""}, "TIME": {"TIME(6)", ""}, "TIMESTAMP": {"TIMESTAMP_NTZ(6)", ""},
	"TIMESTAMP_S": {"TIMESTAMP_NTZ(6)", "TIMESTAMP"}, "TIMESTAMP_MS": {"TIMESTAMP_NTZ(6)", "TIMESTAMP"},
	"TIMESTAMP WITH TIME ZONE": {"TIMESTAMP_LTZ(6)", ""},
	// Nested values become JSON texts: see fileValue.
	"LIST": {textType, "VARCHAR"}, "ARRAY": {textType, "VARCHAR"}, "STRUCT": {textType, "VARCHAR"}, "MAP": {textType, "VARCHAR"},
}

const (
	textType   = "VARCHAR(16777216)"
	binaryType = "BINARY(8388608)"
)

// wayOut says what to do with types that are refused. The local target has made texts of intervals, times with zones and the like before.
var wayOut = map[string]string{
	"TIMESTAMP_NS": "it has nanoseconds, which would be cut: cast it to TIMESTAMP in a model, or to VARCHAR to keep them",
	"UNION":        "cast it to VARCHAR or JSON in a model",
}

// Columns says what columns become in Snowflake. What could not be kept whole is refused, before anything is sent.
func Columns(columns []warehouse.Column) ([]Column, error) {
	out := make([]Column, len(columns))
	taken := map[string]string{}
	for i, c := range columns {
		column, err := columnOf(c)
		if err != nil {
			return nil, err
		}
		if other, ok := taken[column.Name]; ok {
			return nil, fmt.Errorf("columns %q and %q would both be %s in Snowflake: rename one of them in a model", other, c.Name, quote(column.Name))
		}
		taken[column.Name], out[i] = c.Name, column
	}
	return out, nil
}

func columnOf(c warehouse.Column) (Column, error) {
	out := Column{Name: strings.ToUpper(c.Name), Source: c.Name, DuckDB: c.Type}
	if err := checkName(out.Name); err != nil {
		return out, fmt.Errorf("column %q: %w: rename it in a model", c.Name, err)
	}
	if strings.HasPrefix(out.Name, "_MR_") {
		return out, fmt.Errorf("column %q: names that begin with _mr_ are those of the loader: rename it in a model", c.Name)
	}
	t, err := warehouse.ParseType(c.Type)
	if err != nil {
		return out, fmt.Errorf("column %q: %w", c.Name, err)
	}
	if t.Name == "DECIMAL" && t.Scale <= maxScale {
		out.Type = fmt.Sprintf("NUMBER(%d,%d)", t.Width, t.Scale)
	} else if f, ok := plain[t.Name]; ok {
		out.Type, out.File = f.snowflake, f.file
	} else {
		return out, refuse(c, t)
	}
	if out.File == "" && !sameWithoutCase(c.Name) {
		out.File = c.Type
	}
	return out, nil
}

// maxScale is one less than DuckDB's (docs.snowflake.com/en/sql-reference/data-types-numeric).
const maxScale = 37

func refuse(c warehouse.Column, t warehouse.Type) error {
	why, ok := wayOut[t.Name]
	switch {
	case t.Name == "DECIMAL":
		why = fmt.Sprintf("Snowflake has at most %d digits after the point: cast it to DECIMAL(%d,%d) in a model", maxScale, t.Width, maxScale)
	case !ok:
		why = "cast it to VARCHAR in a model"
	}
	return fmt.Errorf("column %q: a %s cannot be brought to Snowflake: %s", c.Name, t, why)
}

// sameWithoutCase says whether COPY surely finds the column by its name without regard to case: what that means beyond ASCII is
// nowhere told, so such a column is written under the name that it has in Snowflake.
func sameWithoutCase(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 })
}

// AsIs says whether files with these columns may be sent as they are.
func AsIs(columns []Column) bool {
	for _, c := range columns {
		if c.File != "" {
			return false
		}
	}
	return true
}

// FileSelect is the SELECT, for DuckDB, that gives rows as the file must hold them, columns under their names in Snowflake. It
// fails on an integer that has more than 38 digits.
func FileSelect(columns []Column, from string) string {
	items := make([]string, len(columns))
	for i, c := range columns {
		items[i] = "  " + c.fileValue() + " AS " + quote(c.Name)
	}
	return "SELECT\n" + strings.Join(items, ",\n") + "\nFROM " + from
}

// Written are the columns of a file that FileSelect gave: to prove it by.
func Written(columns []Column) []Column {
	out := make([]Column, len(columns))
	for i, c := range columns {
		out[i] = c
		if out[i].Source = c.Name; c.File != "" {
			out[i].DuckDB, out[i].File = c.File, ""
		}
	}
	return out
}

// Sent is the value of a column, as DuckDB is to compare it: nested values that it calls equal, such as [0.0] and [-0.0], are sent as different texts.
func Sent(c warehouse.Column, value string) string {
	if t, err := warehouse.ParseType(c.Type); err == nil && len(t.Fields) > 0 {
		return "to_json(" + value + ")"
	}
	return value
}

func (c Column) fileValue() string {
	value := Sent(warehouse.Column{Name: c.Source, Type: c.DuckDB}, quote(c.Source))
	if c.File == "" {
		return value
	}
	return "CAST(" + value + " AS " + c.File + ")"
}

var (
	sized    = regexp.MustCompile(`^(NUMBER|VARCHAR|BINARY)\((\d+)(?:,(\d+))?\)$`)
	collated = regexp.MustCompile(`^VARCHAR(?:\(\d+\))? COLLATE '(.*)'$`)
)

// Widen is the type to give to a column that is there with the type have, as DESCRIBE TABLE prints it, and is to hold values of the type
// want: "" when it holds them already. Snowflake lets a NUMBER get more digits before the point and a text become longer, and nothing
// else that we need (docs.snowflake.com/en/sql-reference/sql/alter-table-column). The length of a BINARY stays (BCR-1942).
// A type without a length has the greatest.
func Widen(table warehouse.Name, column, have, want string) (string, error) {
	if have == want || (have == "VARCHAR" || have == "BINARY") && strings.HasPrefix(want, have+"(") {
		return "", nil
	}
	if c := collated.FindStringSubmatch(have); c != nil {
		return "", fmt.Errorf("column %s of %s has the collation %s in Snowflake, by which keys that differ here may be equal there: `millrace push --renew %[2]s` makes the table anew without", quote(column), table, c[1])
	}
	h, w := sized.FindStringSubmatch(have), sized.FindStringSubmatch(want)
	if h != nil && w != nil && h[1] == w[1] && h[3] == w[3] {
		size, err := strconv.Atoi(h[2])
		need, wantErr := strconv.Atoi(w[2])
		switch {
		case err != nil || wantErr != nil:
		case size >= need:
			return "", nil
		case h[1] != "BINARY":
			return want, nil
		}
	}
	return "", fmt.Errorf("column %s of %s is a %s in Snowflake and would have to become a %s, which ALTER TABLE cannot do: `millrace push --renew %s` makes the table anew; or cast the column in a model",
		quote(column), table, have, want, table)
}
