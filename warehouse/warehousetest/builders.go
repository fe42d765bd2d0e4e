package warehousetest

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

// Rows are known rows, to build on in any dialect.
type Rows struct {
	Columns []warehouse.Column
	Values  []string // a row each: what is read as the columns' types, with | between, NULL as ∅
}

// Select is a SELECT of the rows.
func (r Rows) Select(d *warehouse.Dialect) string {
	all := make([]string, len(r.Values))
	for i, row := range r.Values {
		var items []string
		for k, v := range strings.Split(row, "|") {
			value := "NULL"
			if v != "∅" {
				if r.Columns[k].Type == "BLOB" && d.Name == "snowflake" { // where the text of bytes is hexadecimal
					v = hex.EncodeToString([]byte(v))
				}
				value = d.QuoteLiteral(v)
			}
			items = append(items, fmt.Sprintf("CAST(%s AS %s) AS %s", value, d.Type(r.Columns[k].Type), d.QuoteIdent(r.Columns[k].Name)))
		}
		all[i] = "SELECT " + strings.Join(items, ", ")
	}
	return d.Union(all...)
}

// Case is what a builder makes of known rows, and what that gives in every engine.
type Case struct {
	Name string
	// SQL is a SELECT of columns that are named in Columns, or of one that is named r.
	SQL     func(d *warehouse.Dialect) string
	Columns []string
	Want    []string // rows as in Rows, sorted
}

// Ask runs a SELECT and gives its rows as texts, nil for NULL.
type Ask func(ctx context.Context, sql string) ([][]*string, error)

// RunCase runs a case in an engine.
func RunCase(ctx context.Context, c Case, d *warehouse.Dialect, ask Ask) error {
	names := c.Columns
	if names == nil {
		names = []string{"r"}
	}
	columns := make([]warehouse.Column, len(names))
	for i, n := range names {
		columns[i].Name = n
	}
	sql := d.Texts(c.SQL(d), columns)
	rows, err := ask(ctx, sql)
	if err != nil {
		return fmt.Errorf("%w, in\n%s", err, sql)
	}
	got := make([]string, len(rows))
	for i, row := range rows {
		cells := make([]string, len(row))
		for k, v := range row {
			if cells[k] = "∅"; v != nil {
				cells[k] = *v
			}
		}
		got[i] = strings.Join(cells, "|")
	}
	slices.Sort(got)
	if !slices.Equal(got, c.Want) {
		return fmt.Errorf("%q, want %q, from\n%s", got, c.Want, sql)
	}
	return nil
}

// runBuilders runs all cases in an engine that runs here.
func runBuilders(t *testing.T, open warehouse.Open) {
	b := start(t, open)
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := RunCase(t.Context(), c, b.w.Dialect(), b.ask); err != nil {
				t.Error(err)
			}
		})
	}
}

func (b *bench) ask(ctx context.Context, sql string) ([][]*string, error) {
	answer, err := b.w.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	rows := make([][]*string, len(answer.Rows))
	for i, row := range answer.Rows {
		for _, v := range row {
			var cell *string
			if text, ok := v.(string); ok {
				cell = &text
			}
			rows[i] = append(rows[i], cell)
		}
	}
	return rows, nil
}
