package seed

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// This file finds the format of dates that column_types says are ones, and that are not written as ISO 8601 has them. DuckDB guesses it
// for dbt; so do we, in its order, and say so.

// dateFormats are those that DuckDB tries, in its order: where the day may be the month too it is the day.
var dateFormats = []string{"%y-%m-%d", "%d-%m-%y", "%d-%m-%Y", "%m-%d-%y", "%m-%d-%Y"}

// formatsOf are what the values of a type may be written in besides ISO 8601.
func formatsOf(typ string) (all []string) {
	for _, date := range dateFormats {
		for _, sep := range []string{"/", ".", "-"} {
			format := strings.ReplaceAll(date, "-", sep)
			switch {
			case strings.HasPrefix(date, "%y") && sep != "-": // 1/2/24 is no day of 2001
			case typ == "DATE":
				all = append(all, format)
			case strings.HasPrefix(date, "%m"): // with the clock of twelve hours only
				all = append(all, format+" %I:%M:%S %p")
			default:
				all = append(all, format+" %H:%M:%S")
			}
		}
	}
	return all
}

// Settle looks for the formats of dates, and says which it has taken. It is called once, before the SELECT is asked for.
func (t *Table) Settle(ctx context.Context, w warehouse.Warehouse) (notes []string, err error) {
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.Declared || c.Type != "DATE" && c.Type != "TIMESTAMP" {
			continue
		}
		note, err := t.format(ctx, w, i)
		if err != nil {
			return nil, fmt.Errorf("look at the dates of seed %s: %w", t.Name, err)
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	return notes, nil
}

// format gives a column of dates the first format that all of its values have. Where none is, or where ISO 8601 is one, it keeps that.
// A cast alone would take 1/2/24 for a day of the year 1.
func (t *Table) format(ctx context.Context, w warehouse.Warehouse, i int) (note string, err error) {
	c, x := &t.Columns[i], fmt.Sprintf("c%d", i)
	from := " FROM " + w.Dialect().Files([]string{t.texts})
	odd, err := w.Query(ctx, fmt.Sprintf(`SELECT count_if(%s IS NOT NULL AND (TRY_CAST(%s AS %s) IS NULL OR NOT regexp_matches(%s, '^\s*[0-9]{4}')))`, x, x, c.Type, x)+from)
	if err != nil || whole(odd.Rows[0][0]) == 0 {
		return "", err
	}
	formats := formatsOf(c.Type)
	items := make([]string, len(formats))
	for k, f := range formats {
		items[k] = fmt.Sprintf("count_if(%s IS NOT NULL AND (try_strptime(%s, '%s') IS NULL OR regexp_matches(%s, '[0-9]{4}') <> %t))", x, x, f, x, strings.Contains(f, "%Y"))
	}
	found, err := w.Query(ctx, "SELECT "+strings.Join(items, ", ")+from)
	if err != nil {
		return "", err
	}
	var fitting []string
	for k, f := range formats {
		if whole(found.Rows[0][k]) == 0 {
			fitting = append(fitting, f)
		}
	}
	switch {
	case len(fitting) == 0:
		return "", nil
	case len(fitting) == 1:
		note = fmt.Sprintf("%s: column %q: dates are read as %s", t.Name, c.Name, fitting[0])
	default:
		note = fmt.Sprintf("warning: %s: column %q: dates are read as %s, as dbt reads them, and could be %s: write them as 2024-01-31", t.Name, c.Name, fitting[0], strings.Join(fitting[1:], " or "))
	}
	c.format = fitting[0]
	return note, nil
}
