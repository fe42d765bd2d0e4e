package warehouse

import (
	"fmt"
	"strings"
)

// By is one place of an order: the greater value comes first, or the lesser one where Least is set, and NULL last either way.
type By struct {
	SQL   string
	Least bool
	Place bool // a number that each row has: an order of one that has it is far quicker
}

// duckBest compares sort keys: texts of bytes that stand in the order of the values, made once for all aggregates that have the same order.
// In them NULL is the least, and so never the first.
func duckBest(values []string, order []By, condition string) string {
	var key []string
	for _, o := range order {
		direction := "'ASC NULLS FIRST'"
		if o.Least {
			direction = "'DESC NULLS FIRST'"
		}
		key = append(key, o.SQL, direction)
	}
	value := values[0]
	if len(values) > 1 {
		named := make([]string, len(values)) // a field of a struct without names cannot be taken out in another SELECT
		for i, v := range values {
			named[i] = fmt.Sprintf("v%d := %s", i, v)
		}
		value = "struct_pack(" + strings.Join(named, ", ") + ")"
	}
	best := "arg_max_null(" + value + ", create_sort_key(" + strings.Join(key, ", ") + "))"
	if len(order) == 1 && order[0].Place {
		function := "arg_max_null("
		if order[0].Least {
			function = "arg_min_null("
		}
		best = function + value + ", " + order[0].SQL + ")"
	}
	if condition != "" {
		best += " FILTER (WHERE " + condition + ")"
	}
	return best
}

func duckPart(best string, i, of int, _ string) string {
	if of == 1 {
		return best
	}
	return fmt.Sprintf("struct_extract(%s, 'v%d')", best, i)
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
	return fmt.Sprintf("concat(left(%[1]s, 8), '-', substring(%[1]s, 9, 4), '-5', substring(%[1]s, 14, 3), '-', "+
		"substring('89ab89ab89ab89ab', instr('0123456789abcdef', substring(%[1]s, 17, 1)), 1), substring(%[1]s, 18, 3), '-', substring(%[1]s, 21, 12))", hash)
}
