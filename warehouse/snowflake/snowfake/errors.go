package snowfake

import (
	"fmt"
	"regexp"
	"strings"
)

// The errors that the loader tells apart. Where an account has been seen to answer so, the report is named; docs/snowflake.md lists the
// codes and words that rest on memory.

func failf(code, state, format string, args ...any) *Error {
	return &Error{Code: code, SQLState: state, Message: fmt.Sprintf(format, args...)}
}

// unknownf refuses what the stand-in does not know. No account answers so: a test that sees it has found SQL that nothing here proves.
func unknownf(format string, args ...any) *Error {
	return failf("999999", "0A000", "snowfake does not know "+format, args...)
}

func syntaxError(at token) *Error {
	what := "unexpected '" + at.raw + "'"
	if at.kind == endToken {
		what = "unexpected '<EOF>'"
	}
	return failf("001003", "42000", "SQL compilation error:\nsyntax error line %d at position %d %s.", at.line, at.column, what)
}

// missing is said of what is not there and of what the role may not know of, in the same words: Snowflake does not tell which
// (https://github.com/bytebase/bytebase/issues/15733).
func missing(kind, name string) *Error {
	state := "02000"
	if kind == "Object" {
		state = "42S02"
	}
	return failf("002003", state, "SQL compilation error:\n%s '%s' does not exist or not authorized.", kind, name)
}

func exists(name string) *Error {
	return failf("002002", "42710", "SQL compilation error:\nObject '%s' already exists.", name)
}

// denied is the lack of a privilege on an object that the role may see (https://github.com/dbt-labs/dbt-external-tables/issues/214).
func denied(kind, name string) *Error {
	return failf("003001", "42501", "SQL access control error:\nInsufficient privileges to operate on %s '%s'.", kind, name)
}

func invalidIdentifier(name string) *Error {
	return failf("000904", "42000", "SQL compilation error:\ninvalid identifier '%s'", name)
}

// inside marks errors that SQL of ours raises on purpose: "snowfake!code!state!message".
var inside = regexp.MustCompile(`(?s)snowfake!(\d{6})!(\w{5})!(.*)`)

var (
	notNull   = regexp.MustCompile(`NOT NULL constraint failed: [^.]*\.(.*)`)
	noColumn  = regexp.MustCompile(`(?:Referenced column|column named|Referenced table) "([^"]*)"`)
	castRange = regexp.MustCompile(`(?i)out of range|could not cast value|overflow|can't be cast`)
)

// translated is an error of DuckDB in Snowflake's words. What has no counterpart is told as the stand-in's own.
func translated(err error) *Error {
	message := err.Error()
	if m := inside.FindStringSubmatch(message); m != nil {
		return failf(m[1], m[2], "%s", m[3])
	}
	first, _, _ := strings.Cut(message, "\n")
	switch {
	case notNull.MatchString(message):
		return failf("100072", "22000", "NULL result in a non-nullable column")
	case strings.HasPrefix(message, "Binder Error") && noColumn.MatchString(message):
		return invalidIdentifier(noColumn.FindStringSubmatch(message)[1])
	case strings.HasPrefix(message, "Conversion Error") && strings.Contains(message, "convert string"):
		return failf("100038", "22018", "Numeric value is not recognized: %s", first)
	case strings.HasPrefix(message, "Conversion Error") && strings.Contains(message, "field format"):
		return failf("100035", "22007", "Timestamp is not recognized: %s", first)
	case castRange.MatchString(message):
		return failf("100046", "22003", "Number out of representable range: %s", first)
	}
	return failf("999998", "XX000", "snowfake: %s", first)
}
