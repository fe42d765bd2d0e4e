package warehouse

import (
	"fmt"
	"strings"
)

// By is one place of an order: the greater value comes first, or the lesser one where Least is set, and NULL last either way. Type is that
// of the value in DuckDB's spelling, and matters where Least is set.
type By struct {
	SQL   string
	Type  string
	Least bool
}

// duckBest compares tuples as a whole. NULL would be greater than all values: whether there is one is compared first.
func duckBest(values []string, order []By, condition string) string {
	var tuple []string
	for _, o := range order {
		value := o.SQL
		if o.Least {
			value = duckNegated(o.SQL, o.Type)
		}
		tuple = append(tuple, "("+o.SQL+") IS NOT NULL", value)
	}
	named := make([]string, len(values)) // a field of a struct without names cannot be taken out in another SELECT
	for i, v := range values {
		named[i] = fmt.Sprintf("v%d := %s", i, v)
	}
	best := "arg_max(struct_pack(" + strings.Join(named, ", ") + "), row(" + strings.Join(tuple, ", ") + "))"
	if condition != "" {
		best += " FILTER (WHERE " + condition + ")"
	}
	return best
}

// CanNegate says whether values of a type can be ordered by Least.
func CanNegate(typ string) bool { return duckNegated("x", typ) != "" }

// duckNegated is a value that is the greater, the lesser another one is. Of texts it is the list of their letters' negated numbers, with
// one behind it that is greater than all of them: the shorter of two that begin alike is the greater.
func duckNegated(value, typ string) string {
	parsed, err := ParseType(typ)
	if err != nil {
		return ""
	}
	switch parsed.Name {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT":
		return "-CAST(" + value + " AS HUGEINT)"
	case "FLOAT", "DOUBLE", "DECIMAL":
		return "-(" + value + ")"
	case "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE":
		return "-epoch_us(CAST(" + value + " AS TIMESTAMP))"
	case "BOOLEAN":
		return "NOT (" + value + ")"
	case "VARCHAR", "UUID":
		return "list_append(list_transform(string_split(CAST(" + value + " AS VARCHAR), ''), lambda letter: -unicode(letter)), 1)"
	}
	return ""
}

func duckEntries(value, number string, distinct bool) string {
	if distinct {
		return "list_sort(list(DISTINCT " + value + ") FILTER (WHERE " + value + " IS NOT NULL))"
	}
	return "list(" + value + " ORDER BY " + number + ") FILTER (WHERE " + value + " IS NOT NULL)"
}

// duckUUID puts RFC 4122 together from the hash of the namespace's bytes and the name's.
func duckUUID(namespace, name string) string {
	hash := "sha1(from_hex('" + strings.ReplaceAll(namespace, "-", "") + "') || encode(" + name + "))"
	return fmt.Sprintf("concat(%[1]s[1:8], '-', %[1]s[9:12], '-5', %[1]s[14:16], '-', translate(%[1]s[17:17], '0123456789abcdef', "+
		"'89ab89ab89ab89ab'), %[1]s[18:20], '-', %[1]s[21:32])", hash)
}
