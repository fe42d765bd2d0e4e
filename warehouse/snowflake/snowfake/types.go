package snowfake

import (
	"fmt"
	"strconv"
)

// columnType is a type of Snowflake, as DESCRIBE TABLE prints it.
type columnType struct {
	name string // NUMBER, FLOAT, VARCHAR, BOOLEAN, DATE, TIME, TIMESTAMP_NTZ, TIMESTAMP_LTZ, BINARY, VARIANT, OBJECT, ARRAY
	size int    // precision or length
	more int    // scale of NUMBER
}

// Limits and defaults (https://docs.snowflake.com/en/sql-reference/intro-summary-data-types).
const (
	maxPrecision  = 38
	defaultText   = 16777216
	maxText       = 134217728
	defaultBinary = 8388608
	maxBinary     = 67108864
	defaultTime   = 9
)

// spellings are the names that Snowflake takes for a type, and which it then is.
var spellings = map[string]columnType{
	"NUMBER": {"NUMBER", 38, 0}, "DECIMAL": {"NUMBER", 38, 0}, "NUMERIC": {"NUMBER", 38, 0},
	"INT": {"NUMBER", 38, 0}, "INTEGER": {"NUMBER", 38, 0}, "BIGINT": {"NUMBER", 38, 0}, "SMALLINT": {"NUMBER", 38, 0},
	"TINYINT": {"NUMBER", 38, 0}, "BYTEINT": {"NUMBER", 38, 0},
	"FLOAT": {"FLOAT", 0, 0}, "FLOAT4": {"FLOAT", 0, 0}, "FLOAT8": {"FLOAT", 0, 0}, "DOUBLE": {"FLOAT", 0, 0}, "REAL": {"FLOAT", 0, 0},
	"VARCHAR": {"VARCHAR", defaultText, 0}, "STRING": {"VARCHAR", defaultText, 0}, "TEXT": {"VARCHAR", defaultText, 0},
	"CHAR": {"VARCHAR", 1, 0}, "CHARACTER": {"VARCHAR", 1, 0},
	"BOOLEAN": {"BOOLEAN", 0, 0}, "DATE": {"DATE", 0, 0}, "TIME": {"TIME", defaultTime, 0},
	"TIMESTAMP": {"TIMESTAMP_NTZ", defaultTime, 0}, "DATETIME": {"TIMESTAMP_NTZ", defaultTime, 0},
	"TIMESTAMP_NTZ": {"TIMESTAMP_NTZ", defaultTime, 0}, "TIMESTAMP_LTZ": {"TIMESTAMP_LTZ", defaultTime, 0},
	"BINARY": {"BINARY", defaultBinary, 0}, "VARBINARY": {"BINARY", defaultBinary, 0},
	"VARIANT": {"VARIANT", 0, 0}, "OBJECT": {"OBJECT", 0, 0}, "ARRAY": {"ARRAY", 0, 0},
}

// sizes is how many numbers may stand in parentheses behind a type, and the greatest first one.
var sizes = map[string]struct{ count, most int }{
	"NUMBER": {2, maxPrecision}, "VARCHAR": {1, maxText}, "BINARY": {1, maxBinary}, "TIME": {1, 9}, "TIMESTAMP_NTZ": {1, 9}, "TIMESTAMP_LTZ": {1, 9},
}

func (p *parser) columnType() columnType {
	at := p.peek()
	name := p.word()
	t, known := spellings[name]
	if !known {
		p.fail(unknownf("the type %s", at.raw))
		return t
	}
	if name == "DOUBLE" {
		p.accept("PRECISION")
	}
	if !p.accept("(") {
		return t
	}
	limit := sizes[t.name]
	numbers := []int{p.integer()}
	for p.accept(",") {
		numbers = append(numbers, p.integer())
	}
	p.expect(")")
	switch {
	case len(numbers) > limit.count:
		p.fail(syntaxError(at))
	case numbers[0] > limit.most, numbers[0] < 1 && limit.most > 9:
		p.fail(failf("002017", "42601", "SQL compilation error:\nInvalid size %d of type %s: it must be between 1 and %d.", numbers[0], t.name, limit.most))
	case len(numbers) == 2 && numbers[1] > numbers[0]:
		p.fail(failf("002018", "42601", "SQL compilation error:\nInvalid scale %d of type %s: it must not exceed the precision.", numbers[1], t.name))
	case t.name == "TIME" && numbers[0] < 6, t.name == "TIMESTAMP_LTZ" && numbers[0] < 6:
		p.fail(unknownf("%s of less than six digits", t.name))
	default:
		t.size = numbers[0]
		if len(numbers) == 2 {
			t.more = numbers[1]
		}
	}
	return t
}

func (t columnType) String() string {
	switch t.name {
	case "NUMBER":
		return fmt.Sprintf("NUMBER(%d,%d)", t.size, t.more)
	case "VARCHAR", "BINARY", "TIME", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ":
		return t.name + "(" + strconv.Itoa(t.size) + ")"
	}
	return t.name
}

// duckdb is the type that holds it. Times of more than six digits are cut to microseconds: DuckDB has no type for both the years
// and the digits of Snowflake's.
func (t columnType) duckdb() string {
	switch t.name {
	case "NUMBER":
		return fmt.Sprintf("DECIMAL(%d,%d)", t.size, t.more)
	case "FLOAT":
		return "DOUBLE"
	case "BINARY":
		return "BLOB"
	case "TIMESTAMP_NTZ":
		return "TIMESTAMP"
	case "TIMESTAMP_LTZ":
		return "TIMESTAMP WITH TIME ZONE"
	case "VARIANT", "OBJECT", "ARRAY":
		return "JSON"
	}
	return t.name
}

// fit is an expression that gives a value of the type or Snowflake's error for one that it cannot hold.
func (t columnType) fit(value string) string {
	switch {
	case t.name == "VARCHAR":
		return fmt.Sprintf("sf_text(sf_char(%s), %d)", value, t.size)
	case t.name == "BINARY":
		return fmt.Sprintf("sf_binary(sf_bytes(%s), %d)", value, t.size)
	case t.name == "TIMESTAMP_LTZ":
		return "sf_instant(" + value + ")"
	case t.name == "TIMESTAMP_NTZ" && t.size < 6:
		// Digits beyond a column's are cut, not rounded (https://docs.snowflake.com/en/sql-reference/data-types-datetime).
		return fmt.Sprintf("time_bucket(INTERVAL '%d microseconds', CAST(%s AS %s))", pow10(6-t.size), value, t.duckdb())
	}
	return "CAST(" + value + " AS " + t.duckdb() + ")"
}

func pow10(n int) int {
	v := 1
	for ; n > 0; n-- {
		v *= 10
	}
	return v
}

// takes says whether a value of DuckDB's type may be assigned to the column without a cast
// (https://docs.snowflake.com/en/sql-reference/data-type-conversion, "coercible"; narrower than that page: what the loader never does is refused).
func (t columnType) takes(duckdb string) bool {
	from := family(duckdb)
	if from == "null" {
		return true
	}
	switch t.name {
	case "NUMBER", "FLOAT":
		return from == "number" || from == "real" || from == "text"
	case "VARCHAR":
		return from != "binary" && from != "variant"
	case "DATE", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ":
		return from == "date" || from == "ntz" || from == "ltz" || from == "text"
	case "TIME":
		return from == "time" || from == "text"
	case "BOOLEAN":
		return from == "boolean" || from == "text"
	case "BINARY":
		return from == "binary"
	}
	return from == "variant"
}
