package warehouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Append is prev (nil: nothing) with the landed files added as they are, and the account of its rows. Columns are
// those of the landed files.
func Append(prev *Version, name Name, landed []File, columns []Column) (*Version, Equation, error) {
	next := Version{Name: name, Columns: columns}
	var before int64
	if prev != nil {
		if prev.View != "" || len(prev.Upserts)+len(prev.Deletes) > 0 {
			return nil, Equation{}, fmt.Errorf("append to %s: the published version is a view or a keyed table", name)
		}
		var err error
		if next.Columns, err = UnionColumns(prev.Columns, columns); err != nil {
			return nil, Equation{}, fmt.Errorf("append to %s: %w", name, err)
		}
		before = prev.Rows
		next.Base = slices.Clone(prev.Base)
	}
	for _, f := range landed {
		if f.Rows > 0 || len(next.Base) == 0 { // an empty part adds nothing but a file to open
			next.Base = append(next.Base, f)
		}
	}
	for _, f := range next.Base { // counted where they lie, by the second reader: not what their writers said
		rows, err := CountRows(f.Path)
		if err != nil {
			return nil, Equation{}, fmt.Errorf("append to %s: %w", name, err)
		}
		next.Rows += rows
	}
	return &next, Equation{Name: "published", Rows: next.Rows, Terms: []Term{{Name: "before", Rows: before}, {Name: "inserted", Rows: rowsOf(landed)}}}, nil
}

// RejectNullKeys takes the rows without a key out of a landed file. Mostly there are none, which the file's
// statistics tell: then it answers with f itself and nil. Else it writes the good rows beside f and the others, as
// rejects, to a second file; f is left for the caller to remove. From says in the rejects where the rows came from: their
// lines are not known any more.
func RejectNullKeys(ctx context.Context, w Warehouse, f File, columns []Column, key []string, from string) (good File, rejects *File, err error) {
	d := w.Dialect()
	var missing []string
	for _, k := range key {
		if !slices.ContainsFunc(columns, func(c Column) bool { return strings.EqualFold(c.Name, k) }) {
			return File{}, nil, fmt.Errorf("key: there is no column %q", k)
		}
		if s, ok := f.Stats[k]; !ok || s.Nulls > 0 {
			missing = append(missing, k)
		}
	}
	if len(missing) == 0 || f.Rows == 0 {
		return f, nil, nil
	}
	rows := d.Scan([]File{f}, columns)
	stem := strings.TrimSuffix(f.Path, ".parquet")
	bad, err := w.Write(ctx, d.NullKeyRejects(rows, missing, from), stem+".rejects.parquet")
	if err != nil {
		return File{}, nil, fmt.Errorf("collect rows without a key: %w", err)
	}
	if good, err = w.Write(ctx, d.WithKey(rows, missing), stem+".keyed.parquet"); err != nil {
		return File{}, nil, fmt.Errorf("drop rows without a key: %w", err)
	}
	if good.Rows+bad.Rows != f.Rows {
		return File{}, nil, fmt.Errorf("%s: %d rows became %d and %d rejects: %w", f.Path, f.Rows, good.Rows, bad.Rows, ErrUnbalanced)
	}
	if bad.Rows == 0 {
		return f, nil, nil
	}
	return good, &bad, nil
}
