package reconcile

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// This file lists the differences: one row for each missing or extra row, as JSON, and for each value that differs.

// list writes all differences to one file and fetches some of them.
func (r *running) list(ctx context.Context, missing, extra, pairs string) error {
	const free = " WHERE " + unexcused
	queries := []string{r.lonely("missing", missing+free, true) + "\nUNION ALL\n" + r.lonely("extra", extra, false)}
	var changed []*pair
	for _, p := range r.rest {
		if p.result.Different > 0 {
			changed = append(changed, p)
		}
	}
	for some := range slices.Chunk(changed, columnsAtOnce) {
		queries = append(queries, r.changed(some, pairs+" AS p"))
	}
	var parts []string
	for i, query := range queries {
		f, err := r.w.Write(ctx, query, filepath.Join(r.Dir, fmt.Sprintf("differences-%d.parquet", i)))
		if err != nil {
			return fmt.Errorf("list differences: %w", err)
		}
		parts = append(parts, f.Path)
	}
	f, err := r.w.Write(ctx, "SELECT * FROM "+r.d.Files(parts), filepath.Join(r.Dir, "differences.parquet"))
	if err != nil {
		return fmt.Errorf("list differences: %w", err)
	}
	r.out.List = f
	if f.Rows == 0 {
		return nil
	}
	return r.sample(ctx, r.d.Files([]string{f.Path}))
}

// empty writes a list of no differences.
func (r *running) empty(ctx context.Context) (err error) {
	n := r.names()
	text := func(name string) string { return "CAST(NULL AS VARCHAR) AS " + r.d.QuoteIdent(name) }
	items := []string{text(n[0])}
	for _, p := range r.key {
		items = append(items, p.shown(fmt.Sprintf("CAST(NULL AS %s)", r.d.Type(p.kind.String())))+" AS "+r.d.QuoteIdent(p.result.Name))
	}
	items = append(items, text(n[1]), text(n[2]), text(n[3]))
	r.out.List, err = r.w.Write(ctx, "SELECT "+strings.Join(items, ", ")+" WHERE FALSE", filepath.Join(r.Dir, "differences.parquet"))
	return err
}

// names are those of the list's own columns, beside those of the key: difference, column, left, right.
func (r *running) names() (all [4]string) {
	for i, name := range []string{"difference", "column", "left", "right"} {
		for containsFold(r.Key, name) {
			name += "_"
		}
		all[i] = name
	}
	return all
}

// shown is a value of a column for people: as it is compared, or masked.
func (p *pair) shown(sql string) string {
	if p.result.secret {
		return "CASE WHEN " + sql + " IS NOT NULL THEN '***' END"
	}
	return sql
}

// keyItems are the key's columns under their names.
func (r *running) keyItems() string {
	items := ""
	for _, p := range r.key {
		items += p.shown(p.as()) + " AS " + r.d.QuoteIdent(p.result.Name) + ", "
	}
	return items
}

// lonely lists rows that one side has.
func (r *running) lonely(what, from string, left bool) string {
	var items, keys []string
	for _, p := range r.all() {
		value := p.shown(p.as())
		if p.kind.Name == "DECIMAL" && !p.result.Key { // JSON would have it as a float
			value = "CAST(" + value + " AS VARCHAR)"
		}
		items = append(items, value+" AS "+r.d.QuoteIdent(p.result.Name))
	}
	for _, p := range r.key {
		keys = append(keys, "t."+r.d.QuoteIdent(p.result.Name)+", ")
	}
	n := r.names()
	row, none := "CAST("+r.d.JSON("t")+" AS VARCHAR)", "CAST(NULL AS VARCHAR)"
	l, g := row, none
	if !left {
		l, g = none, row
	}
	return fmt.Sprintf("SELECT '%s' AS %s, %s%s AS %s, %s AS %s, %s AS %s FROM (SELECT %s FROM %s) AS t", what, r.d.QuoteIdent(n[0]),
		strings.Join(keys, ""), none, r.d.QuoteIdent(n[1]), l, r.d.QuoteIdent(n[2]), g, r.d.QuoteIdent(n[3]), strings.Join(items, ", "), from)
}

// changed lists the values of some columns that differ: each pair is taken once for each of the columns, e being which.
func (r *running) changed(columns []*pair, from string) string {
	n := r.names()
	var numbered, left, right, differ strings.Builder
	for i, p := range columns {
		if i > 0 {
			numbered.WriteString(", ")
		}
		fmt.Fprintf(&numbered, "(%d, %s)", i, r.d.QuoteLiteral(p.result.Name))
		value := func(side string) string {
			return fmt.Sprintf(" WHEN %d THEN CAST(%s AS VARCHAR)", i, p.shown(side+p.as()))
		}
		left.WriteString(value("l_"))
		right.WriteString(value("r_"))
		fmt.Fprintf(&differ, " WHEN %d THEN %s", i, r.differ(p))
	}
	return fmt.Sprintf("SELECT 'different' AS %s, %se.name AS %s, CASE e.i%s END AS %s, CASE e.i%s END AS %s\nFROM %s CROSS JOIN (VALUES %s) AS e(i, name)\nWHERE %s AND CASE e.i%s END",
		r.d.QuoteIdent(n[0]), r.keyItems(), r.d.QuoteIdent(n[1]), &left, r.d.QuoteIdent(n[2]), &right, r.d.QuoteIdent(n[3]), from, &numbered, unexcused, &differ)
}

// cellText is how much of a value is shown, in a sample and as a bound.
const cellText = 200

// sample fetches a few differences of each sort, in the order of the key.
func (r *running) sample(ctx context.Context, list string) error {
	if r.Limit == 0 {
		return nil
	}
	n := r.names()
	names := []string{n[0]}
	for _, p := range r.key {
		names = append(names, p.result.Name)
	}
	order := append(names[1:len(names):len(names)], n[1], n[2], n[3])
	names = append(names, n[1:]...)
	var items []string
	for _, name := range names {
		items = append(items, fmt.Sprintf("left(CAST(%s AS VARCHAR), %d)", r.d.QuoteIdent(name), cellText+1))
	}
	found := map[string][][]*string{}
	sorts := []string{"missing", "extra", "different"}
	for _, sort := range sorts {
		answer, err := r.w.Query(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s = '%s' ORDER BY %s LIMIT %d",
			strings.Join(items, ", "), list, r.d.QuoteIdent(n[0]), sort, r.d.Idents(order), r.Limit))
		if err != nil {
			return fmt.Errorf("fetch differences: %w", err)
		}
		found[sort] = cells(answer)
	}
	r.out.Sample = &Sample{Columns: names}
	for _, share := range shares(r.Limit, len(found["missing"]), len(found["extra"]), len(found["different"])) {
		r.out.Sample.Rows = append(r.out.Sample.Rows, found[sorts[0]][:share]...)
		sorts = sorts[1:]
	}
	return nil
}

func shorten(t *string) {
	if runes := []rune(*t); len(runes) > cellText {
		*t = string(runes[:cellText]) + "…"
	}
}

func cells(answer *warehouse.Result) [][]*string {
	var rows [][]*string
	for _, row := range answer.Rows {
		cells := make([]*string, len(row))
		for i, v := range row {
			if cells[i] = text(v); cells[i] != nil {
				shorten(cells[i])
			}
		}
		rows = append(rows, cells)
	}
	return rows
}

// shares divides a limit among those that there are: one for each in turn.
func shares(limit int, have ...int) []int {
	out := make([]int, len(have))
	for given := true; given; {
		given = false
		for i := range have {
			if limit > 0 && out[i] < have[i] {
				out[i]++
				limit--
				given = true
			}
		}
	}
	return out
}
