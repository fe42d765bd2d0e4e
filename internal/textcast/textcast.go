// Package textcast turns texts that people and programs wrote into typed values, in SQL, without changing any: what a plain
// CAST would round or cut is no value of the type.
package textcast

import (
	"fmt"
	"strings"
)

// Type is what a text is to become.
type Type struct {
	Base    string // DuckDB's name without parameters: "DECIMAL", "TIMESTAMP WITH TIME ZONE", "LIST"
	Scale   int    // of a DECIMAL
	Spelled string // the whole type
}

// Rules are what texts need to become typed beyond the type itself.
type Rules struct {
	DateFormat, TimestampFormat string // of strptime; "": ISO 8601
	DecimalComma                bool
}

const (
	hms = `([01]?[0-9]|2[0-3]):[0-5][0-9]`
	ymd = `[0-9]{4,6}[-/][0-9]{1,2}[-/][0-9]{1,2}`
)

func isTimestamp(base string) bool { return strings.HasPrefix(base, "TIMESTAMP") }

// fraction gives how many digits of a second a type keeps.
func fraction(base string) int {
	switch base {
	case "TIMESTAMP_S":
		return 0
	case "TIMESTAMP_MS":
		return 3
	case "TIMESTAMP_NS":
		return 9
	}
	return 6
}

// Exact is the DuckDB SQL that turns the text x into a t, or NULL when x is not one or would be changed by the cast:
// DuckDB by itself rounds 1.5 to 2, cuts nanoseconds and drops what follows a date.
func Exact(x string, t Type, r Rules) string {
	typ := t.Spelled
	match := func(pattern string) string { return fmt.Sprintf(`regexp_full_match(%s, %s)`, x, text(pattern)) }
	when := func(cond, value string) string { return fmt.Sprintf("CASE WHEN %s THEN %s END", cond, value) }
	try := func(v, typ string) string { return fmt.Sprintf("TRY_CAST(%s AS %s)", v, typ) }
	number := x
	point := `\.`
	if r.DecimalComma {
		number, point = "replace("+x+", ',', '.')", ","
	}
	switch {
	case t.Base == "VARCHAR":
		return x
	case t.integer(), t.Base == "DECIMAL" && t.Scale == 0:
		return when(match(`\s*[+-]?[0-9]+(`+point+`0*)?\s*`), try("regexp_extract("+x+`, '[+-]?[0-9]+')`, typ))
	case t.Base == "DECIMAL":
		return when(match(fmt.Sprintf(`\s*[+-]?([0-9]+(%s[0-9]{0,%d}0*)?|%s[0-9]{1,%d}0*)\s*`, point, t.Scale, point, t.Scale)), try(number, typ))
	case t.Base == "DOUBLE" || t.Base == "FLOAT":
		// A number that overflows would become infinite, one that underflows zero.
		digits := match(`\s*[+-]?([0-9]+(` + point + `[0-9]*)?|` + point + `[0-9]+)([eE][+-]?[0-9]+)?\s*`)
		v := try(number, typ)
		return fmt.Sprintf(`CASE WHEN %s THEN CASE WHEN isinf(%s) OR %s = 0 AND regexp_matches(%s, '^[^eE]*[1-9]') THEN NULL ELSE %s END WHEN %s THEN %s END`,
			digits, v, v, x, v, match(`(?i)\s*[+-]?(nan|inf|infinity)\s*`), try(x, typ))
	case t.Base == "DATE" && r.DateFormat != "":
		return when(`regexp_matches(`+x+`, '[0-9]')`, try(fmt.Sprintf("try_strptime(%s, %s)", x, text(r.DateFormat)), "DATE"))
	case t.Base == "DATE":
		return when(match(`\s*`+ymd+`([ T]00:00(:00(\.0*)?)?)?\s*`), try(`regexp_extract(`+x+`, '[0-9/-]+')`, "DATE"))
	case isTimestamp(t.Base) && r.TimestampFormat != "":
		p := "(" + when(`regexp_matches(`+x+`, '[0-9]')`, fmt.Sprintf("try_strptime(%s, %s)", x, text(r.TimestampFormat))) + ")"
		if t.Base == "TIMESTAMP WITH TIME ZONE" && !strings.Contains(r.TimestampFormat, "%z") && !strings.Contains(r.TimestampFormat, "%Z") {
			p = "(" + p + " AT TIME ZONE 'UTC')"
		}
		v := try(p, typ)
		if fraction(t.Base) < 6 {
			return when(fmt.Sprintf("%s::TIMESTAMP = %s", v, p), v)
		}
		return v
	case t.Base == "TIMESTAMP WITH TIME ZONE":
		body := fmt.Sprintf(`%s[ T]%s(:[0-5][0-9](\.[0-9]{0,6}0*)?)?`, ymd, hms)
		return fmt.Sprintf(`CASE WHEN %s THEN %s WHEN %s THEN %s WHEN %s THEN %s END`,
			match(`\s*`+body+` ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)\s*`), try("trim("+x+")", typ),
			match(`\s*`+body+`\s*`), "("+try("trim("+x+")", "TIMESTAMP")+" AT TIME ZONE 'UTC')",
			match(`\s*`+ymd+`\s*`), "("+try("trim("+x+")", "TIMESTAMP")+" AT TIME ZONE 'UTC')")
	case isTimestamp(t.Base):
		return when(match(fmt.Sprintf(`\s*%s([ T]%s(:[0-5][0-9](\.[0-9]{0,%d}0*)?)?( ?(Z|[+-]00(:?00)?))?)?\s*`, ymd, hms, fraction(t.Base))),
			try("trim("+x+")", typ))
	case t.Base == "TIME":
		return when(match(`\s*`+hms+`(:[0-5][0-9](\.[0-9]{0,6}0*)?)?\s*`), try("trim("+x+")", typ))
	case t.nested():
		v := try(x, typ)
		return when(plain(x)+" = "+plain("CAST("+v+" AS VARCHAR)"), v)
	}
	return try(x, typ)
}

// nested says whether the type has others inside it. Exact takes a text for one only when it is written as DuckDB writes it, but
// for blanks, quotes, case and zeros behind a point: inside, too, DuckDB rounds and cuts.
func (t Type) nested() bool {
	return strings.HasSuffix(t.Spelled, "]") || strings.HasPrefix(t.Spelled, "STRUCT") || strings.HasPrefix(t.Spelled, "MAP")
}

// plain is SQL for a text of a nested value without what makes no difference.
func plain(x string) string {
	bare := `regexp_replace(lower(` + x + `), '[\s''"]', '', 'g')`
	short := `regexp_replace(` + bare + `, '(\.[0-9]*[1-9])0+([^0-9]|$)', '\1\2', 'g')`
	return `regexp_replace(` + short + `, '\.0+([^0-9]|$)', '\1', 'g')`
}

func (t Type) integer() bool {
	switch t.Base {
	case "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "HUGEINT":
		return true
	}
	return false
}

func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
