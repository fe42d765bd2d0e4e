package transform

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/warehouse"
)

// table is a version of nothing but the rows that the SELECT gives.
// Made are the SELECT's own columns, where readers are to find their types; nil for those of the files.
func (b *Builder) table(ctx context.Context, job Job, name warehouse.Name, sql string, made []warehouse.Column) (*Built, error) {
	files, columns, err := b.selected(ctx, job, sql)
	if err != nil {
		return nil, err
	}
	columns = warehouse.AsMade(columns, made)
	v, equation, err := warehouse.Append(nil, name, files, columns)
	if err != nil {
		return nil, err
	}
	return b.built(ctx, *v, files, nil, equation)
}

// selected runs the SELECT into files of the rows that may be published.
func (b *Builder) selected(ctx context.Context, job Job, sql string) ([]warehouse.File, []warehouse.Column, error) {
	if job.Divider == nil {
		file, columns, err := b.write(ctx, job, sql)
		return []warehouse.File{file}, columns, err
	}
	columns, err := b.Warehouse.Describe(ctx, sql)
	if err != nil {
		return nil, nil, err
	}
	for i, c := range columns {
		if columns[i].Type, err = warehouse.Stored(c.Type); err != nil {
			return nil, nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
	}
	return job.Divider.Query(ctx, sql, columns)
}
