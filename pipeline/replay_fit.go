package pipeline

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/textcast"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// This file tells quarantined rows that the table can hold from those that it cannot, which stay where they are.

// unfit are rows for which the table has no place.
type unfit struct{ condition, why string } // SQL, and in words

// enter settles the columns that the rows have in the table: the table's own, for they may be others than those of the rows as
// they came. Rows with values that would become others, or be lost, are left out of the replay.
func (rp *replay) enter(ctx context.Context, w warehouse.Warehouse) error {
	d := w.Dialect()
	var all []unfit
	for _, c := range rp.table.Columns {
		_, corrected := rp.cell(d, c.Name)
		at := column(rp.quarantine.Columns, c.Name)
		if at < 0 && !corrected {
			continue
		}
		rp.columns = append(rp.columns, c)
		if corrected || rp.quarantine.Columns[at].Type == c.Type {
			continue
		}
		held, err := rp.held(d, c)
		if err != nil {
			return err
		}
		all = append(all, unfit{fmt.Sprintf("q.%s IS NOT NULL AND (%s) IS NULL", d.QuoteIdent(c.Name), held), fmt.Sprintf("their value in column %q is no %s", c.Name, c.Type)})
	}
	if rp.corrected == nil { // else the columns of the file say what is taken
		all = append(all, rp.placeless(d)...)
	}
	return rp.leave(ctx, w, all)
}

// placeless are rows with a value for which the table has no column, unless a run would leave it out too.
func (rp *replay) placeless(d *warehouse.Dialect) []unfit {
	var all []unfit
	for _, c := range rp.quarantine.Columns {
		if column(rp.table.Columns, c.Name) < 0 && column(check.QuarantineColumns(nil), c.Name) < 0 && !discards(rp.Node, c.Name) {
			all = append(all, unfit{"q." + d.QuoteIdent(c.Name) + " IS NOT NULL", fmt.Sprintf("they have a value in column %q, which %s has not", c.Name, rp.Node.Name())})
		}
	}
	return all
}

// leave takes rows out of those that are replayed, and refuses when none is left.
func (rp *replay) leave(ctx context.Context, w warehouse.Warehouse, all []unfit) error {
	if len(all) == 0 {
		return nil
	}
	d := w.Dialect()
	var counts, conditions []string
	for _, u := range all {
		counts, conditions = append(counts, d.CountIf(u.condition)), append(conditions, "("+u.condition+")")
	}
	any := strings.Join(conditions, " OR ")
	answer, err := w.Query(ctx, fmt.Sprintf("SELECT count(*), %s, %s FROM (\n%s\n) AS q", d.CountIf(any), strings.Join(counts, ", "), rp.quarantined()))
	if err != nil {
		return fmt.Errorf("compare quarantined rows with the columns of %s: %w", rp.Node.Name(), err)
	}
	number := func(i int) int64 { n, _ := answer.Rows[0][i].(int64); return n }
	rp.stayed = number(1)
	for i, u := range all {
		if n := number(2 + i); n > 0 {
			rp.stays = append(rp.stays, fmt.Sprintf("%d rows stay in quarantine: %s", n, u.why))
		}
	}
	if rp.stayed == 0 {
		return nil
	}
	if rp.stayed == number(0) {
		return refused(fmt.Sprintf("millrace rejects export %s --all -o FILE writes them to a file in which values can be corrected, and columns left out: replay it with --file", rp.Node.Name()),
			"none of the rows can be replayed: %s", strings.Join(rp.stays, "; "))
	}
	rp.where += " AND NOT (" + any + ")"
	return nil
}

// held is what a row q has in quarantine for a column of the table, as SQL: NULL too where the column's type has not exactly that.
func (rp *replay) held(d *warehouse.Dialect, c warehouse.Column) (string, error) {
	at := column(rp.quarantine.Columns, c.Name)
	if at < 0 {
		return "CAST(NULL AS " + d.Type(c.Type) + ")", nil
	}
	value := "q." + d.QuoteIdent(c.Name)
	switch was := rp.quarantine.Columns[at].Type; was {
	case c.Type:
		return value, nil
	case "VARCHAR":
		return exactly(d, value, c)
	default:
		return held(d, value, was, c.Type), nil
	}
}

// exactly is the value of the column's type that a text is, as SQL, or NULL.
func exactly(d *warehouse.Dialect, text string, c warehouse.Column) (string, error) {
	t, err := warehouse.ParseType(c.Type)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("CAST(%s AS %s)", textcast.Exact(text, textcast.Type{Base: t.Name, Scale: t.Scale, Spelled: d.Type(c.Type)}, textcast.Rules{}), d.Type(c.Type)), nil
}
