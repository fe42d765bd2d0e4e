package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// How much of a failing row is kept.
const (
	sampleColumns = 12
	sampleCell    = 200 // characters
)

// samples fetches a few of the rows that fail, for the checks that do.
func (c *counting) samples(ctx context.Context) error {
	for i, res := range c.results {
		check := c.checks[i]
		if res.Failing == 0 || res.SQL == "" || check.Limit == 0 || res.Status == StatusError {
			continue
		}
		var columns []warehouse.Column
		rows, secret := res.SQL, c.table.Secret
		if found := c.repeated[check]; found != "" {
			rows = found
		}
		switch {
		case check.Kind == "sql" || check.Kind == "unique":
			described, err := c.Warehouse.Describe(ctx, rows)
			if err != nil && own(ctx, err) { // the count stands without it
				continue
			}
			if err != nil {
				return err
			}
			columns = described
			secret = c.hidden(described)
			if len(columns) > sampleColumns {
				columns = columns[:sampleColumns]
			}
		default:
			columns = c.shown(check)
			rows = c.placed(check, rows)
		}
		sample, err := c.Sample(ctx, rows, columns, secret, check.Limit)
		if err != nil && own(ctx, err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("fetch rows that fail %s: %w", check.Name, err)
		}
		res.Sample = sample
	}
	return nil
}

// placed is a SELECT of failing rows that were taken down while they were counted, or the one that searches the table. Where
// there are several files rows of others may have the numbers of those that fail.
func (c *counting) placed(check *models.Check, search string) string {
	list, _ := c.first[check].([]any)
	if len(list) == 0 {
		return search
	}
	numbers := make([]string, len(list))
	for i, n := range list {
		numbers[i] = fmt.Sprint(n)
	}
	rows := fmt.Sprintf("SELECT * FROM %s WHERE %s IN (%s)", c.filed(), warehouse.PositionRow, strings.Join(numbers, ", "))
	if len(c.table.Files) == 1 {
		return rows
	}
	r, err := c.compiler(c.table).rule(check)
	if err != nil {
		return search
	}
	return rows + " AND (" + r.fails + ")"
}

// hidden are the columns of a query's answer that may show what is secret: where the table has secret columns, all but those
// that are called like another of its columns, and counts.
func (c *counting) hidden(columns []warehouse.Column) map[string]bool {
	hidden := map[string]bool{}
	if len(c.table.Secret) == 0 {
		return hidden
	}
	for _, column := range columns {
		own, err := c.compiler(c.table).column(column.Name)
		if column.Type != "BIGINT" && (err != nil || c.table.Secret[strings.ToLower(own.Name)]) {
			hidden[strings.ToLower(column.Name)] = true
		}
	}
	return hidden
}

// shown are the columns of a sample: those that tell rows apart, those that the check is about, and, when that is not
// many, others.
func (c *counting) shown(check *models.Check) []warehouse.Column {
	var names []string
	add := func(name string) {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			names = append(names, name)
		}
	}
	for _, k := range c.table.Key {
		add(k)
	}
	for _, k := range check.Columns {
		add(k)
	}
	for _, column := range c.table.Columns {
		if len(names) < sampleColumns {
			add(column.Name)
		}
	}
	var columns []warehouse.Column
	for _, name := range names {
		if column, err := c.compiler(c.table).column(name); err == nil {
			columns = append(columns, column)
		}
	}
	return columns
}

// sampleSQL is a SELECT of some rows as texts, a little longer than they are shown.
func sampleSQL(d *warehouse.Dialect, rows string, columns []warehouse.Column, secret map[string]bool, limit int) string {
	items := make([]string, len(columns))
	for i, column := range columns {
		q := d.QuoteIdent(column.Name)
		if items[i] = fmt.Sprintf("left(CAST(%s AS VARCHAR), %d)", q, sampleCell+1); secret[strings.ToLower(column.Name)] {
			items[i] = "CASE WHEN " + q + " IS NOT NULL THEN '***' END"
		}
	}
	return fmt.Sprintf("SELECT %s FROM (\n%s\n) AS q LIMIT %d", strings.Join(items, ", "), rows, limit)
}

// Sample fetches rows of a SELECT as texts, long ones cut, those of secret columns as ***.
func (r *Runner) Sample(ctx context.Context, rows string, columns []warehouse.Column, secret map[string]bool, limit int) (*Sample, error) {
	s := &Sample{Columns: warehouse.Names(columns), Rows: [][]*string{}}
	answer, err := r.Warehouse.Query(ctx, sampleSQL(r.Warehouse.Dialect(), rows, columns, secret, limit))
	if err != nil {
		return nil, err
	}
	for _, row := range answer.Rows {
		cells := make([]*string, len(row))
		for i, v := range row {
			if text, ok := v.(string); ok {
				if runes := []rune(text); len(runes) > sampleCell {
					text = string(runes[:sampleCell]) + "…"
				}
				cells[i] = &text
			}
		}
		s.Rows = append(s.Rows, cells)
	}
	return s, nil
}
