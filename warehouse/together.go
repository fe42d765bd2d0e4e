package warehouse

import (
	"context"
	"fmt"
)

// Together says when the files of a table that each run adds to become one: more than Files would have to be opened by who reads it. Those
// of more than Rows rows are left alone: of what became one before, each Files runs at most Rows rows are written again. The zero value
// leaves all files as they are, as what takes a table's new files for its new rows needs it.
type Together struct {
	Files int
	Rows  int64
}

// Do makes one file of the small ones of a table, at a path, once they are many. The table has the same rows then.
func (t Together) Do(ctx context.Context, w Warehouse, v *Version, path string) error {
	var small, rest []File
	rows := int64(0)
	for _, f := range v.Base {
		if f.Rows > t.Rows {
			rest = append(rest, f)
			continue
		}
		small, rows = append(small, f), rows+f.Rows
	}
	if t.Files == 0 || len(small) <= t.Files {
		return nil
	}
	f, err := w.Write(ctx, w.Dialect().Select(Version{Name: v.Name, Columns: v.Columns, Base: small}), path)
	if err != nil {
		return fmt.Errorf("make one file of %d of %s: %w", len(small), v.Name, err)
	}
	n, err := CountRows(f.Path)
	if err != nil {
		return err
	}
	if n != rows {
		return fmt.Errorf("%s: %d rows of %d files became %d: %w", v.Name, rows, len(small), n, ErrUnbalanced)
	}
	v.Base = append(rest, f)
	return nil
}
