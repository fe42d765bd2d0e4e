package files

import (
	"fmt"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/textcast"
)

// exact is the SQL that turns the text x into a t, or NULL when x is not one or would be changed by the cast.
func exact(x string, t duckType, r textcast.Rules) string {
	return textcast.Exact(x, textcast.Type{Base: t.base, Scale: t.scale, Spelled: t.String()}, r)
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
func guarded(x, column string, t duckType, r textcast.Rules) string {
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
func native(t duckType, r textcast.Rules) (kind, bool) {
	switch {
	case t.base == "VARCHAR", t.base == "BOOLEAN":
		return anyText, true
	case t.integer():
		return intText, true
	case t.base == "DECIMAL" && !r.DecimalComma:
		return decText, true
	case t.base == "DOUBLE" && !r.DecimalComma:
		return floatText, true
	case t.base == "DATE":
		if r.DateFormat != "" {
			return formatText, true
		}
		return dateText, true
	case t.base == "TIMESTAMP":
		if r.TimestampFormat != "" {
			return formatText, true
		}
		return tsText, true
	case t.base == "TIME":
		return timeText, true
	}
	return anyText, false
}
