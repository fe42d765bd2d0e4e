package snowflake

import (
	"fmt"
	"strings"
	"time"
)

// Statement is a text with what is bound to its question marks.
type Statement struct {
	SQL  string
	Args []any
}

// InsertOverwrite replaces all rows of t with those of the staging table, and may stand in a transaction.
func InsertOverwrite(t, staging Table, columns []Column) string {
	return insert("INSERT OVERWRITE INTO ", t, staging, columns)
}

// Append adds the rows of the staging table.
func Append(t, staging Table, columns []Column) string {
	return insert("INSERT INTO ", t, staging, columns)
}

func insert(verb string, t, staging Table, columns []Column) string {
	list := idents(names(columns))
	return fmt.Sprintf("%s%s (%s)\nSELECT %s FROM %s", verb, t, list, list, staging)
}

// MergeSpec is a difference to bring into a table by its key. The staging table holds each key once, and OpColumn.
type MergeSpec struct {
	Table, Staging Table
	Columns        []Column // without OpColumn and DeletedAt
	Key            []string // names in Snowflake; never NULL
	Soft           bool     // rows that are gone stay, with DeletedAt
	At             time.Time
}

// Merge brings the difference. Run again it changes nothing: a row that is gone keeps the time at which it went.
func Merge(m MergeSpec) Statement {
	var st Statement
	when := []string{`WHEN MATCHED AND s."_MR_OP" = 'D' THEN DELETE`}
	set := assign(m.Columns, m.Key)
	if m.Soft {
		when = []string{`WHEN MATCHED AND s."_MR_OP" = 'D' AND t."_DELETED_AT" IS NULL THEN UPDATE SET "_DELETED_AT" = ` + bindTime}
		st.Args = []any{m.At.UnixMicro()}
		set = append(set, `"_DELETED_AT" = NULL`)
	}
	if len(set) > 0 {
		when = append(when, `WHEN MATCHED AND s."_MR_OP" = 'U' THEN UPDATE SET `+strings.Join(set, ", "))
	}
	all := names(m.Columns)
	when = append(when, fmt.Sprintf(`WHEN NOT MATCHED AND s."_MR_OP" = 'U' THEN INSERT (%s) VALUES (%s)`, idents(all), of("s", all)))
	st.SQL = mergeInto(m.Table, m.Staging.String(), equal(m.Key), when)
	return st
}

// KeysTwice counts the keys that a staging table has more than once: none, or Merge and SCD2 must not run. Snowflake refuses a MERGE
// that would change one row twice, but adds a new one as often as it is staged
// (docs.snowflake.com/en/sql-reference/sql/merge, duplicate join behavior).
func KeysTwice(staging Table, key []string) string { return twice(staging, key, "") }

func twice(t Table, key []string, where string) string {
	return fmt.Sprintf("SELECT COUNT(*) AS \"N\" FROM (\nSELECT %s FROM %s%s\nGROUP BY %s HAVING COUNT(*) > 1\n) AS k", idents(key), t, where, idents(key))
}

// bindTime is a time that is bound as microseconds since 1970: exact, and without a time zone that anybody could apply.
const bindTime = "TO_TIMESTAMP_NTZ(?, 6)"

func mergeInto(t Table, source, on string, when []string) string {
	return fmt.Sprintf("MERGE INTO %s AS t\nUSING %s AS s\nON %s\n%s", t, source, on, strings.Join(when, "\n"))
}

func equal(key []string) string {
	parts := make([]string, len(key))
	for i, k := range key {
		parts[i] = fmt.Sprintf("t.%s = s.%[1]s", quote(k))
	}
	return strings.Join(parts, " AND ")
}

// assign sets all columns but those of the key, which are equal.
func assign(columns []Column, key []string) []string {
	inKey := map[string]bool{}
	for _, k := range key {
		inKey[k] = true
	}
	var set []string
	for _, c := range columns {
		if !inKey[c.Name] {
			set = append(set, fmt.Sprintf("%s = s.%[1]s", quote(c.Name)))
		}
	}
	return set
}

func of(alias string, names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = alias + "." + quote(n)
	}
	return strings.Join(out, ", ")
}
