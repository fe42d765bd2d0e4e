package files

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/extract"
)

// castRules are what text needs to become typed beyond the type itself.
type castRules struct {
	dateFormat, timestampFormat string
	decimalComma                bool
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

// exact is the SQL that turns the text x into a t, or NULL when x is not one or would be changed by the cast:
// DuckDB by itself rounds 1.5 to 2, cuts nanoseconds and drops what follows a date.
func exact(x string, t duckType, r castRules) string {
	typ := t.String()
	match := func(pattern string) string { return fmt.Sprintf(`regexp_full_match(%s, %s)`, x, text(pattern)) }
	when := func(cond, value string) string { return fmt.Sprintf("CASE WHEN %s THEN %s END", cond, value) }
	try := func(v, typ string) string { return fmt.Sprintf("TRY_CAST(%s AS %s)", v, typ) }
	number := x
	point := `\.`
	if r.decimalComma {
		number, point = "replace("+x+", ',', '.')", ","
	}
	switch {
	case t.base == "VARCHAR":
		return x
	case t.integer(), t.base == "DECIMAL" && t.scale == 0:
		return when(match(`\s*[+-]?[0-9]+(`+point+`0*)?\s*`), try("regexp_extract("+x+`, '[+-]?[0-9]+')`, typ))
	case t.base == "DECIMAL":
		return when(match(fmt.Sprintf(`\s*[+-]?([0-9]+(%s[0-9]{0,%d}0*)?|%s[0-9]{1,%d}0*)\s*`, point, t.scale, point, t.scale)), try(number, typ))
	case t.base == "DOUBLE" || t.base == "FLOAT":
		// A number that overflows would become infinite, one that underflows zero.
		digits := match(`\s*[+-]?([0-9]+(` + point + `[0-9]*)?|` + point + `[0-9]+)([eE][+-]?[0-9]+)?\s*`)
		v := try(number, typ)
		return fmt.Sprintf(`CASE WHEN %s THEN CASE WHEN isinf(%s) OR %s = 0 AND regexp_matches(%s, '^[^eE]*[1-9]') THEN NULL ELSE %s END WHEN %s THEN %s END`,
			digits, v, v, x, v, match(`(?i)\s*[+-]?(nan|inf|infinity)\s*`), try(x, typ))
	case t.base == "DATE" && r.dateFormat != "":
		return when(`regexp_matches(`+x+`, '[0-9]')`, try(fmt.Sprintf("try_strptime(%s, %s)", x, text(r.dateFormat)), "DATE"))
	case t.base == "DATE":
		return when(match(`\s*`+ymd+`([ T]00:00(:00(\.0*)?)?)?\s*`), try(`regexp_extract(`+x+`, '[0-9/-]+')`, "DATE"))
	case isTimestamp(t.base) && r.timestampFormat != "":
		p := "(" + when(`regexp_matches(`+x+`, '[0-9]')`, fmt.Sprintf("try_strptime(%s, %s)", x, text(r.timestampFormat))) + ")"
		if t.base == "TIMESTAMP WITH TIME ZONE" && !strings.Contains(r.timestampFormat, "%z") && !strings.Contains(r.timestampFormat, "%Z") {
			p = "(" + p + " AT TIME ZONE 'UTC')"
		}
		v := try(p, typ)
		if fraction(t.base) < 6 {
			return when(fmt.Sprintf("%s::TIMESTAMP = %s", v, p), v)
		}
		return v
	case t.base == "TIMESTAMP WITH TIME ZONE":
		body := fmt.Sprintf(`%s[ T]%s(:[0-5][0-9](\.[0-9]{0,6}0*)?)?`, ymd, hms)
		return fmt.Sprintf(`CASE WHEN %s THEN %s WHEN %s THEN %s WHEN %s THEN %s END`,
			match(`\s*`+body+` ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)\s*`), try("trim("+x+")", typ),
			match(`\s*`+body+`\s*`), "("+try("trim("+x+")", "TIMESTAMP")+" AT TIME ZONE 'UTC')",
			match(`\s*`+ymd+`\s*`), "("+try("trim("+x+")", "TIMESTAMP")+" AT TIME ZONE 'UTC')")
	case isTimestamp(t.base):
		return when(match(fmt.Sprintf(`\s*%s([ T]%s(:[0-5][0-9](\.[0-9]{0,%d}0*)?)?( ?(Z|[+-]00(:?00)?))?)?\s*`, ymd, hms, fraction(t.base))),
			try("trim("+x+")", typ))
	case t.base == "TIME":
		return when(match(`\s*`+hms+`(:[0-5][0-9](\.[0-9]{0,6}0*)?)?\s*`), try("trim("+x+")", typ))
	}
	return try(x, typ)
}

// bad is the SQL that is true when the text x cannot become a t.
func bad(x, value string) string {
	return fmt.Sprintf("(%s IS NOT NULL AND %s IS NULL)", x, value)
}

// why is the SQL for the reason of a bad value: inexact_cast when a plain cast would have changed it in silence. Of a
// nested value it is not known which of its scalars is at fault.
func why(x string, t duckType) string {
	if t.nested() {
		return text(extract.ReasonCast)
	}
	return fmt.Sprintf("CASE WHEN TRY_CAST(%s AS %s) IS NULL THEN 'bad_cast' ELSE 'inexact_cast' END", x, t.String())
}

// guarded is the SQL that gives the exact value of x and raises where there is none.
func guarded(x, column string, t duckType, r castRules) string {
	v := exact(x, t, r)
	if v == x {
		return x
	}
	return fmt.Sprintf("CASE WHEN %s IS NULL THEN NULL ELSE coalesce(%s, error(%s || %s)) END",
		x, v, text(fmt.Sprintf("column %q cannot be %s: ", column, t)), x)
}

// kind says what the Go pass must prove about a column's text before DuckDB's own cast can be trusted with it.
type kind uint8

const (
	anyText    kind = iota // DuckDB takes it as it is, or raises
	intText                // digits
	decText                // digits, a point and at most scale digits
	floatText              // a plain number
	dateText               // yyyy-mm-dd
	tsText                 // yyyy-mm-dd hh:mm:ss[.ffffff]
	timeText               // hh:mm:ss[.ffffff]
	formatText             // something with a digit: strptime takes all of a text or none, but infinity and epoch for 1900
)

// native says whether DuckDB's CSV reader may cast a column itself, and what has to be proved about its text.
// Everything else is read as text and cast by SQL.
func native(t duckType, r castRules) (kind, bool) {
	switch {
	case t.base == "VARCHAR", t.base == "BOOLEAN":
		return anyText, true
	case t.integer():
		return intText, true
	case t.base == "DECIMAL" && !r.decimalComma:
		return decText, true
	case t.base == "DOUBLE" && !r.decimalComma:
		return floatText, true
	case t.base == "DATE":
		if r.dateFormat != "" {
			return formatText, true
		}
		return dateText, true
	case t.base == "TIMESTAMP":
		if r.timestampFormat != "" {
			return formatText, true
		}
		return tsText, true
	case t.base == "TIME":
		return timeText, true
	}
	return anyText, false
}
