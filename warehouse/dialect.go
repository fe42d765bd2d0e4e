package warehouse

import (
	"fmt"
	"strings"
)

// Dialect is how an engine spells what Millrace generates for tables and checks: facts and a few functions, no behaviour. The
// builders (see sql.go, and those of checks) work on any Dialect, and warehousetest.Cases holds what each must give. What only the
// local engine is ever asked is no part of it: profiles, reconciliations, the statistics of files, and rows that are divided
// before they are published are written in DuckDB's SQL where they stand.
type Dialect struct {
	Name         string
	QuoteIdent   func(string) string
	QuoteLiteral func(string) string
	// Reserved are schema names that cannot be used: the engine takes them for something else.
	Reserved []string
	// Type spells a DuckDB type.
	Type func(string) string

	// Files is a table expression over all rows of Parquet files, with a column for each name that any file has. Like Positions and
	// FirstRows it is the local engine's: another one answers with a name that it refuses, which says so.
	Files func(paths []string) string
	// Positions is the same with two more columns: PositionFile, the path, and PositionRow, the row's number in it from 0.
	Positions func(paths []string) string
	// FirstRows is an aggregate: the least n values of PositionRow among the rows for which the condition is true, as a list.
	FirstRows func(condition string, n int) string

	// Greatest is a SELECT from a relation, alias, of the row of each key for which the tuple is greatest. No two rows of a key have the
	// same one unless they are equal. Won are the items of a SELECT from it that give the row's columns.
	Greatest func(alias, from string, key, tuple []string) string
	Won      string
	// Less orders two tuples as Greatest does, in a condition that is never NULL. Two NULLs in the same place are equal.
	Less func(a, b []string) string
	// Same compares two values, NULLs being equal.
	Same func(a, b string) string
	// In says whether values are among those of the columns in a relation. Neither has a NULL.
	In func(values, columns []string, from string) string
	// JSON is the row of the only relation of a SELECT, alias, as a JSON object.
	JSON func(alias string) string

	// Best is an aggregate: values of the row that comes first in an order, which no two rows share, among those for which the condition
	// is true; "" is true of all. Part is one of them, by its number from 0, how many there are, and its type; NULL where there is no row.
	Best func(values []string, order []By, condition string) string
	Part func(best string, i, of int, typ string) string
	// Entries is an aggregate: the values that are not NULL as a list, the distinct ones in their own order or all in that of a number.
	Entries func(value, number string, distinct bool) string
	// UUID is the UUID of version 5, as text, of a name, as SQL, in a namespace.
	UUID func(namespace, name string) string

	// Similar is how alike two values are.
	Similar Similar

	// CountIf is an aggregate: how often the condition is true.
	CountIf func(condition string) string
	// CountDistinctIf is an aggregate: how many different values, or rows of several that are not NULL, there are among the rows for
	// which the condition is true.
	CountDistinctIf func(values []string, condition string) string
	// CountBetween is an aggregate: how many different whole numbers between two bounds the column has, which has no others.
	CountBetween func(column string, least, most int64) string
	// Quantile is an aggregate: about the value below which that share of the numbers lies.
	Quantile func(number string, share float64) string
	// Crowded groups whole numbers by 32 consecutive ones, and is a condition on such a group: one of them occurs more than once.
	Crowded func(number string) (group, crowded string)

	// Matches says whether a text, as SQL, matches a pattern (RE2), the whole of it or a part; NULL for NULL.
	Matches func(text, pattern string, whole bool) string
	// Listed says whether a text is among constants, all of them as SQL; NULL for NULL.
	Listed func(text string, constants []string) string
	// Length is that of a value of a type: characters of a text, bytes, entries of a list.
	Length func(value, typ string) string
	// Finite says whether a DOUBLE is a number that is neither infinite nor NaN, which IsNaN asks for.
	Finite func(double string) string
	IsNaN  func(double string) string
	// Epoch is a date or a time in seconds since 1970, as DOUBLE.
	Epoch func(moment string) string
	// Changes is a condition: a value of type from, as SQL, cannot be cast to type to, or is another when it is cast back. Both are types
	// of exact numbers (see FitOf).
	Changes func(value, from, to string) string

	// TrueNames is a list of the names, in order, whose condition is true; Includes says whether a text is in such a list.
	TrueNames func(names, conditions []string) string
	Includes  func(list, text string) string

	// TextHash is a number of 64 bits without a sign made of a text, the same one in every engine: what the last eight bytes of its MD5
	// make, the most significant first.
	TextHash func(text string) string
	// RowHash is a 64-bit number made of the values of a row, which have these types: the same for values that Same takes for
	// the same. Two different rows have the same one by chance only. Engines have their own.
	RowHash func(values []string, types []Type) string
	// XorAll is an aggregate of such numbers that does not depend on their order; two equal ones cancel out.
	XorAll func(hash string) string
}

// DuckDB is the dialect of the local engine.
var DuckDB = &Dialect{
	Name:         "duckdb",
	QuoteIdent:   func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` },
	QuoteLiteral: func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
	// The databases inside every instance: "system.t" would be ambiguous.
	Reserved: []string{"memory", "system", "temp", "information_schema", "pg_catalog"},
	Type:     func(s string) string { return s },
	Files:    func(paths []string) string { return readParquet(paths, "") },
	Positions: func(paths []string) string {
		return readParquet(paths, ", filename = '"+PositionFile+"', file_row_number = true")
	},
	Greatest: func(alias, from string, key, tuple []string) string {
		return fmt.Sprintf("SELECT arg_max(%s, row(%s)) AS w\n  FROM %s\n  GROUP BY %s", alias, strings.Join(tuple, ", "), from, strings.Join(key, ", "))
	},
	Won: "w.*",
	In: func(values, columns []string, from string) string {
		return duckRow(values) + " IN (SELECT " + duckRow(columns) + " FROM " + from + ")"
	},
	Best:    duckBest,
	Part:    duckPart,
	Entries: duckEntries,
	UUID:    duckUUID,
	Similar: duckSimilar,
	JSON:    func(alias string) string { return "to_json(" + alias + ")" },
	Same:    func(a, b string) string { return a + " IS NOT DISTINCT FROM " + b },
	CountIf: func(condition string) string { return "count_if(" + condition + ")" },
	CountDistinctIf: func(values []string, condition string) string {
		return "count(DISTINCT " + duckRow(values) + ") FILTER (WHERE " + condition + ")"
	},
	CountBetween: func(column string, least, most int64) string {
		return fmt.Sprintf("CAST(bit_count(bitstring_agg(%s, %d, %d)) AS BIGINT)", column, least, most)
	},
	Quantile: func(number string, share float64) string {
		return fmt.Sprintf("approx_quantile(%s, %g)", number, share)
	},
	Crowded: func(number string) (group, crowded string) {
		return "(" + number + " >> 5)", "count(*) > bit_count(bit_or(1::BIGINT << (" + number + " & 31)))"
	},
	Matches: func(text, pattern string, whole bool) string {
		quoted := "'" + strings.ReplaceAll(pattern, "'", "''") + "'"
		glob, simple := globOf(pattern)
		switch {
		case whole && simple:
			return "(" + text + " GLOB '" + glob + "')"
		case whole:
			return "regexp_full_match(" + text + ", " + quoted + ")"
		}
		return "regexp_matches(" + text + ", " + quoted + ")"
	},
	// Unlike IN, a function is evaluated once for each entry of a column's dictionary: texts that are worth listing are few.
	Listed: func(text string, constants []string) string {
		return "list_contains([" + strings.Join(constants, ", ") + "], " + text + ")"
	},
	Length: func(value, typ string) string {
		if typ == "BLOB" {
			return "octet_length(" + value + ")"
		}
		return "length(" + value + ")"
	},
	Finite: func(double string) string { return "isfinite(" + double + ")" },
	IsNaN:  func(double string) string { return "isnan(" + double + ")" },
	Epoch:  func(moment string) string { return "epoch(CAST(" + moment + " AS TIMESTAMP))" },
	FirstRows: func(condition string, n int) string {
		return fmt.Sprintf("min(CASE WHEN %s THEN %s END, %d)", condition, PositionRow, n)
	},
	TrueNames: func(names, conditions []string) string {
		items := make([]string, len(names))
		for i := range names {
			items[i] = fmt.Sprintf("CASE WHEN %s THEN '%s' END", conditions[i], strings.ReplaceAll(names[i], "'", "''"))
		}
		return "list_filter([" + strings.Join(items, ", ") + "]::VARCHAR[], lambda x: x IS NOT NULL)"
	},
	Changes: func(value, from, to string) string {
		return "TRY_CAST(TRY_CAST(" + value + " AS " + to + ") AS " + from + ") IS DISTINCT FROM " + value
	},
	Includes: func(list, text string) string { return "list_contains(" + list + ", " + text + ")" },
	TextHash: func(text string) string { return "CAST('0x' || substr(md5(" + text + "), 17, 16) AS UBIGINT)" },
	RowHash:  duckHash,
	XorAll:   func(hash string) string { return "bit_xor(" + hash + ")" },
	Less: func(a, b []string) string {
		return "row(" + strings.Join(a, ", ") + ") < row(" + strings.Join(b, ", ") + ")"
	},
}

// duckRow is a value of several.
func duckRow(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return "row(" + strings.Join(values, ", ") + ")"
}

// The columns that Dialect.Positions adds.
const (
	PositionFile = "_millrace_file"
	PositionRow  = "file_row_number"
)

func readParquet(paths []string, more string) string {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		quoted[i] = "'" + strings.ReplaceAll(Globless(p), "'", "''") + "'"
	}
	if len(paths) > 1 {
		more += ", union_by_name = true"
	}
	return "read_parquet([" + strings.Join(quoted, ", ") + "], hive_partitioning = false" + more + ")"
}

// Globless writes a path so that DuckDB takes none of its letters for a pattern.
func Globless(p string) string {
	if !strings.ContainsAny(p, "*?[") {
		return p
	}
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(p)
}

// Idents quotes names and puts commas between them.
func (d *Dialect) Idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = d.QuoteIdent(n)
	}
	return strings.Join(quoted, ", ")
}

// Table is schema.table, quoted.
func (d *Dialect) Table(n Name) string { return d.QuoteIdent(n.Schema) + "." + d.QuoteIdent(n.Table) }

// CheckName refuses a name that the engine could not look up.
func (d *Dialect) CheckName(n Name) error {
	for _, part := range []string{n.Schema, n.Table} {
		if part == "" || strings.ContainsRune(part, 0) {
			return fmt.Errorf("%q is not a name for a table", n.String())
		}
	}
	for _, r := range d.Reserved {
		if strings.EqualFold(r, n.Schema) {
			return fmt.Errorf("schema %q: the name is %s's own, choose another", n.Schema, d.Name)
		}
	}
	return nil
}
