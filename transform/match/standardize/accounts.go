package standardize

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// This file accounts for the rows: how many there are, which are no records, and whose keys repeat.

// Quarantined is a SELECT of the rows that are no records, as the quarantine of the golden records has them: which source they are from, the
// key if they have one, what their source says of each field, and why they are there.
func (r *Reading) Quarantined(from, run string, at time.Time) string {
	q := r.d.QuoteIdent
	items := []string{r.sourceName() + " AS source", q(match.KeyColumn) + " AS source_key"}
	for i := range r.Fields {
		items = append(items, r.raw(&r.Fields[i])+" AS "+q(r.Fields[i].Name))
	}
	items = append(items, q(ReasonsColumn)+" AS "+check.FailedRules, r.d.QuoteLiteral(run)+" AS "+check.QuarantinedRun,
		"CAST("+r.d.QuoteLiteral(at.UTC().Format("2006-01-02 15:04:05.000000"))+" AS TIMESTAMP) AS "+check.QuarantinedAt,
		"CAST("+r.sourceName()+" AS VARCHAR) AS "+check.QuarantinedFrom, "CAST(uuid() AS VARCHAR) AS "+check.QuarantinedID)
	return fmt.Sprintf("SELECT %s\nFROM %s\nWHERE NOT (%s)", strings.Join(items, ",\n  "), from, r.isRecord())
}

// sourceName is the name of a row's source, as SQL.
func (r *Reading) sourceName() string {
	sql := "CASE " + r.d.QuoteIdent(match.SourceColumn)
	for i, s := range r.Entity.Sources {
		sql += fmt.Sprintf(" WHEN %d THEN %s", i, r.d.QuoteLiteral(s.Name))
	}
	return sql + " END"
}

// Counts is a query of the rows of each source that were read: its number, records, and rows that are none.
func (r *Reading) Counts(from string) string {
	return fmt.Sprintf("SELECT %s, %s, %s\nFROM %s\nGROUP BY 1\nORDER BY 1", r.d.QuoteIdent(match.SourceColumn),
		r.d.CountIf(r.isRecord()), r.d.CountIf("NOT ("+r.isRecord()+")"), from)
}

// taken is the query Taken.
func (r *reader) taken() string {
	var sources []string
	for i, s := range r.sources {
		filtered := "0"
		if s.Where != "" {
			filtered = "count(CASE WHEN (" + s.Where + ") THEN NULL ELSE 1 END)"
		}
		sources = append(sources, fmt.Sprintf("SELECT %d, count(*), %s FROM %s", i, filtered, s.table))
	}
	return strings.Join(sources, "\nUNION ALL\n")
}

// Equation adds up the answers to Taken and to Counts: each row that a source has is a record, in quarantine, or left out by its where:. The
// two sides are counted in different places, so that a row that reading loses or doubles is noticed.
func (r *Reading) Equation(taken, counts *warehouse.Result) warehouse.Equation {
	read, filtered := total(taken, 1), total(taken, 2)
	terms := []warehouse.Term{{Name: "records", Rows: total(counts, 1)}, {Name: "quarantined", Rows: total(counts, 2)}}
	for _, s := range r.Entity.Sources {
		if s.Where != "" {
			terms = append(terms, warehouse.Term{Name: FilteredTerm, Rows: filtered})
			break
		}
	}
	return warehouse.Equation{Name: "read", Rows: read, Terms: terms}
}

// total adds up a column of an answer.
func total(r *warehouse.Result, column int) int64 {
	sum := int64(0)
	for _, row := range r.Rows {
		sum += whole(row[column])
	}
	return sum
}

// Reasons is a query of why rows are no records: the source's number, its reasons as a text, and how many rows have them.
func (r *Reading) Reasons(from string) string {
	return fmt.Sprintf("SELECT %s, array_to_string(%s, ', '), count(*)\nFROM %s\nWHERE NOT (%s)\nGROUP BY 1, 2\nORDER BY 1, 2",
		r.d.QuoteIdent(match.SourceColumn), r.d.QuoteIdent(ReasonsColumn), from, r.isRecord())
}

// KeptOut tells the answer to Reasons.
func (r *Reading) KeptOut(reasons *warehouse.Result) []string {
	var told []string
	for _, row := range reasons.Rows {
		n, rows := whole(row[2]), "rows are"
		if n == 1 {
			rows = "row is"
		}
		told = append(told, fmt.Sprintf("source %s: %d %s kept out: %v", r.Entity.Sources[whole(row[0])].Name, n, rows, row[1]))
	}
	return told
}

// repeatedShown is how many keys an error about repeated ones names.
const repeatedShown = 3

// Repeated is a query of keys that more than one row of a source has: how many keys there are and rows with them, and the first of them.
func (r *Reading) Repeated(from string) string {
	q := r.d.QuoteIdent
	return fmt.Sprintf(`WITH repeated AS (
  SELECT %[1]s, %[2]s, count(*) AS n
  FROM %[3]s
  WHERE %[2]s IS NOT NULL
  GROUP BY 1, 2
  HAVING count(*) > 1
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY %[1]s ORDER BY n DESC, %[2]s) AS place, count(*) OVER (PARTITION BY %[1]s) AS keys, sum(n) OVER (PARTITION BY %[1]s) AS row_count
  FROM repeated
)
SELECT %[1]s, %[2]s, n, keys, CAST(row_count AS BIGINT)
FROM ranked
WHERE place <= %[4]d
ORDER BY %[1]s, place`, q(match.SourceColumn), q(match.KeyColumn), from, repeatedShown)
}

// Unique makes an error of the answer to Repeated, nil when there is none. Keys that are personal are not named.
func (r *Reading) Unique(repeated *warehouse.Result) error {
	var errs []error
	for i := 0; i < len(repeated.Rows); {
		source, keys, rows := whole(repeated.Rows[i][0]), whole(repeated.Rows[i][3]), whole(repeated.Rows[i][4])
		s := r.Entity.Sources[source]
		var examples []string
		for ; i < len(repeated.Rows) && whole(repeated.Rows[i][0]) == source; i++ {
			key := fmt.Sprint(repeated.Rows[i][1])
			if s.HasPersonalKey() {
				key = "***"
			}
			examples = append(examples, fmt.Sprintf("%s (%d rows)", key, whole(repeated.Rows[i][2])))
		}
		values := fmt.Sprintf("%d values of its key (%s) repeat", keys, strings.Join(s.Key, ", "))
		if keys == 1 {
			values = fmt.Sprintf("1 value of its key (%s) repeats", strings.Join(s.Key, ", "))
		}
		errs = append(errs, match.Wrong(s.Pos, "add columns to key: until it tells records apart, or take one row a key, in a model or by where:",
			"source %s: %s, in %d rows: %s", s.Name, values, rows, strings.Join(examples, ", ")))
	}
	return errors.Join(errs...)
}

// whole is a whole number of an answer.
func whole(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	case int16:
		return int64(n)
	case uint64:
		return int64(n)
	case float64:
		return int64(n)
	case string:
		i, _ := strconv.ParseInt(n, 10, 64)
		return i
	}
	n, _ := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	return n
}
