package snowflake

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// Dialect is how Snowflake spells what is generated for tables and checks. Names are those of tables that the loader made: quoted
// and in upper case. The order of NULLs is always written, since Snowflake takes them for the greatest values, and DuckDB
// puts them last either way. Nothing runs in it yet but the builders' own tests: models and checks run locally.
var Dialect = &warehouse.Dialect{
	Name:         "snowflake",
	QuoteIdent:   func(s string) string { return quote(strings.ToUpper(s)) },
	QuoteLiteral: literal,
	Reserved:     reservedSchemas,
	Type:         spellType,

	Files:     func([]string) string { return quote(noFiles) },
	Positions: func([]string) string { return quote(noFiles) },
	FirstRows: func(string, int) string { return quote(noFiles) },

	Greatest: greatest,
	Won:      "*",
	Less:     less,
	Same:     func(a, b string) string { return a + " IS NOT DISTINCT FROM " + b },
	In: func(values, columns []string, from string) string {
		left := strings.Join(values, ", ")
		if len(values) > 1 {
			left = "(" + left + ")"
		}
		return left + " IN (SELECT " + strings.Join(columns, ", ") + " FROM " + from + ")"
	},
	Best: best,
	Part: func(best string, i, _ int, typ string) string {
		return fmt.Sprintf("CAST(%s[0][%d] AS %s)", best, i, spellType(typ))
	},
	Entries: entries,
	Similar: similar,
	UUID:    func(namespace, name string) string { return "UUID_STRING(" + literal(namespace) + ", " + name + ")" },
	// OBJECT_CONSTRUCT leaves NULLs out, this one does not. Keys come in no order.
	JSON: func(string) string { return "TO_JSON(OBJECT_CONSTRUCT_KEEP_NULL(*))" },

	CountIf: func(condition string) string { return "COUNT_IF(" + condition + ")" },
	CountDistinctIf: func(values []string, condition string) string { // there is no FILTER
		items := make([]string, len(values))
		for i, v := range values {
			items[i] = "CASE WHEN " + condition + " THEN " + v + " END"
		}
		return "COUNT(DISTINCT " + strings.Join(items, ", ") + ")"
	},
	CountBetween: func(column string, _, _ int64) string { return "COUNT(DISTINCT " + column + ")" },
	Quantile: func(number string, share float64) string {
		return fmt.Sprintf("APPROX_PERCENTILE(%s, %g)", number, share)
	},
	Crowded: func(number string) (group, crowded string) {
		return "FLOOR(" + number + " / 32)", "COUNT(*) > COUNT(DISTINCT " + number + ")"
	},

	Matches: matches,
	Listed: func(text string, constants []string) string {
		return "(" + text + " IN (" + strings.Join(constants, ", ") + "))"
	},
	Length: func(value, typ string) string {
		switch {
		case typ == "BLOB":
			return "OCTET_LENGTH(" + value + ")"
		case strings.HasSuffix(typ, "]"): // a text of JSON: see plain
			return "ARRAY_SIZE(PARSE_JSON(" + value + "))"
		}
		return "LENGTH(" + value + ")"
	},
	// NaN equals itself, and is greater than all numbers (docs.snowflake.com/en/sql-reference/data-types-numeric).
	Finite: func(double string) string {
		return "(" + double + " NOT IN (CAST('NaN' AS FLOAT), CAST('inf' AS FLOAT), CAST('-inf' AS FLOAT)))"
	},
	IsNaN: func(double string) string { return double + " = CAST('NaN' AS FLOAT)" },
	Epoch: func(moment string) string {
		return "CAST(DATE_PART(EPOCH_MICROSECOND, CAST(" + moment + " AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000"
	},
	Changes: changes,

	TrueNames: func(names, conditions []string) string {
		items := make([]string, len(names))
		for i := range names {
			items[i] = fmt.Sprintf("CASE WHEN %s THEN %s END", conditions[i], literal(names[i]))
		}
		return "TO_JSON(ARRAY_CONSTRUCT_COMPACT(" + strings.Join(items, ", ") + "))"
	},
	Includes: func(list, text string) string {
		return "ARRAY_CONTAINS(TO_VARIANT(" + text + "), PARSE_JSON(" + list + "))"
	},

	TextHash: func(text string) string { return "MD5_NUMBER_LOWER64(" + text + ")" },
	// It hashes values, not their texts: those that are equal have the same hash, whatever their types are.
	RowHash: func(values []string, _ []warehouse.Type) string { return "HASH(" + strings.Join(values, ", ") + ")" },
	XorAll:  func(hash string) string { return "BITXOR_AGG(" + hash + ")" },
}

// noFiles is what stands where a builder asks for local files: no table and no column is called so, and the error says why.
const noFiles = "snowflake reads no local files: this is for the local engine"

// spellType is the type of a column of that type where the loader made the table. A type that it refuses stays as it is, for
// Snowflake to refuse.
func spellType(typ string) string {
	c, err := columnOf(warehouse.Column{Name: "c", Type: typ})
	if err != nil {
		return typ
	}
	return c.Type
}

// greatest ranks the rows of a key: MAX_BY takes no tuples.
func greatest(_, from string, key, tuple []string) string {
	order := make([]string, len(tuple))
	for i, t := range tuple {
		order[i] = "(" + t + ") DESC NULLS LAST"
	}
	return fmt.Sprintf("SELECT * FROM %s\n  QUALIFY ROW_NUMBER() OVER (PARTITION BY %s ORDER BY %s) = 1", from, strings.Join(key, ", "), strings.Join(order, ", "))
}

// less compares tuples place by place: Snowflake compares none as a whole.
func less(a, b []string) string {
	sql := "CASE"
	for i := range a {
		sql += fmt.Sprintf(" WHEN (%s) < (%s) THEN TRUE WHEN (%[1]s) IS DISTINCT FROM (%[2]s) THEN FALSE", a[i], b[i])
	}
	return sql + " ELSE FALSE END"
}

// matches spells a pattern: REGEXP_LIKE matches whole texts only, and what stands between quotes loses a backslash of each two, which
// literal gives back. The brackets keep its anchors from going to the ends of an alternation. Patterns with (?…) Snowflake refuses.
func matches(text, pattern string, whole bool) string {
	if whole {
		return "REGEXP_LIKE(" + text + ", " + literal("("+pattern+")") + ")"
	}
	return "(REGEXP_INSTR(" + text + ", " + literal(pattern) + ") > 0)"
}

// limits are the least and the greatest value of whole numbers, whose types in Snowflake hold more.
var limits = map[string][2]string{
	"TINYINT": {"-128", "127"}, "SMALLINT": {"-32768", "32767"}, "INTEGER": {"-2147483648", "2147483647"}, "BIGINT": {"-9223372036854775808", "9223372036854775807"},
	"UTINYINT": {"0", "255"}, "USMALLINT": {"0", "65535"}, "UINTEGER": {"0", "4294967295"}, "UBIGINT": {"0", "18446744073709551615"},
}

// changes compares a number with what a narrower type makes of it: a number of another scale is rounded, one of too many digits gives
// NULL. TRY_CAST takes texts only; those of exact numbers are exact.
func changes(value, _, to string) string {
	there := "TRY_CAST(CAST(" + value + " AS VARCHAR) AS " + spellType(to) + ")"
	differs := there + " IS DISTINCT FROM " + value
	if bounds, ok := limits[to]; ok {
		differs = fmt.Sprintf("(%s OR COALESCE(%s NOT BETWEEN %s AND %s, FALSE))", differs, there, bounds[0], bounds[1])
	}
	return differs
}

// best is a list of all rows' values in order, of which Part takes the first: MAX_BY takes no tuples. ARRAY_AGG leaves out what is NULL,
// and a list is not, whatever is in it.
func best(values []string, order []warehouse.By, condition string) string {
	row := "ARRAY_CONSTRUCT(" + strings.Join(values, ", ") + ")"
	if condition != "" {
		row = "CASE WHEN " + condition + " THEN " + row + " END"
	}
	by := make([]string, len(order))
	for i, o := range order {
		direction := "DESC"
		if o.Least {
			direction = "ASC"
		}
		by[i] = o.SQL + " " + direction + " NULLS LAST"
	}
	return "ARRAY_AGG(" + row + ") WITHIN GROUP (ORDER BY " + strings.Join(by, ", ") + ")"
}

// entries is a text of JSON, as all lists are.
func entries(value, number string, distinct bool) string {
	if distinct {
		return "TO_JSON(ARRAY_AGG(DISTINCT " + value + ") WITHIN GROUP (ORDER BY " + value + "))"
	}
	return "TO_JSON(ARRAY_AGG(" + value + ") WITHIN GROUP (ORDER BY " + number + "))"
}
