package warehouse

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
)

// Between is a condition: the column's value is not less than From, and less than To.
type Between struct {
	Column   Column
	From, To string // as the engine reads values of the column's type
}

var orderedType = regexp.MustCompile(`^(DATE|TIMESTAMP|TIMESTAMP WITH TIME ZONE|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\(\d+,\d+\))$`)

// Ordered says whether columns of the type can be compared with the limits of a Between.
func Ordered(typ string) bool { return orderedType.MatchString(typ) }

// SQL is the condition; it is false, never NULL, where the column is NULL.
func (b Between) SQL(d *Dialect) string {
	name := d.QuoteIdent(b.Column.Name)
	limit := func(text string) string {
		if b.Column.Type == "DATE" || b.Column.Type == "TIMESTAMP" || b.Column.Type == "TIMESTAMP WITH TIME ZONE" {
			return "CAST(" + d.QuoteLiteral(text) + " AS " + d.Type(b.Column.Type) + ")"
		}
		return text // a number, compared as one: a limit may be none of the column's type
	}
	return fmt.Sprintf("coalesce(%[1]s >= %[2]s AND %[1]s < %[3]s, false)", name, limit(b.From), limit(b.To))
}

// CountOutside counts the rows for which the condition does not hold.
func CountOutside(ctx context.Context, w Warehouse, files []File, columns []Column, b Between) (int64, error) {
	d := w.Dialect()
	return one(ctx, w, d.Count(fmt.Sprintf("SELECT * FROM (\n%s\n) AS r WHERE NOT %s", d.Scan(files, columns), b.SQL(d))))
}

// Cut is a version without the rows of a range.
type Cut struct {
	Version  Version
	Written  []File   // the version's files that CutOut wrote
	Equation Equation // before = kept + replaced
}

// CutOut writes a version that lacks the rows for which the condition holds. Files that have none of them are kept, others
// are written anew into dir. The version is one without a key.
func CutOut(ctx context.Context, w Warehouse, v Version, b Between, dir string) (*Cut, error) {
	if v.View != "" || len(v.Upserts)+len(v.Deletes) > 0 {
		return nil, fmt.Errorf("cut a range out of %s: the published version is a view or a keyed table", v.Name)
	}
	d, out := w.Dialect(), &Cut{Version: v}
	out.Version.Base, out.Version.Rows = nil, 0
	var replaced, before int64
	for i, f := range v.Base {
		rows := d.Scan([]File{f}, v.Columns)
		within, err := one(ctx, w, d.Count(fmt.Sprintf("SELECT * FROM (\n%s\n) AS r WHERE %s", rows, b.SQL(d))))
		if err != nil {
			return nil, fmt.Errorf("look for the range in %s: %w", v.Name, err)
		}
		before += f.Rows
		replaced += within
		switch {
		case within > 0 && within == f.Rows:
			continue
		case within > 0:
			kept := fmt.Sprintf("SELECT * FROM (\n%s\n) AS r WHERE NOT %s", rows, b.SQL(d))
			if f, err = w.Write(ctx, kept, filepath.Join(dir, fmt.Sprintf("base-kept-%05d.parquet", i))); err != nil {
				return nil, fmt.Errorf("cut the range out of %s: %w", v.Name, err)
			}
			out.Written = append(out.Written, f)
		}
		out.Version.Base = append(out.Version.Base, f)
		out.Version.Rows += f.Rows
	}
	out.Equation = Equation{Name: "before", Rows: before, Terms: []Term{{Name: "kept", Rows: out.Version.Rows}, {Name: "replaced", Rows: replaced}}}
	return out, nil
}

// one runs a query that answers with one number.
func one(ctx context.Context, w Warehouse, query string) (int64, error) {
	r, err := w.Query(ctx, query)
	if err != nil {
		return 0, err
	}
	if len(r.Rows) == 1 && len(r.Rows[0]) == 1 {
		if n, ok := r.Rows[0][0].(int64); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("expected a count, got %v", r.Rows)
}
