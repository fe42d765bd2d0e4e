package pipeline

import (
	"context"

	"github.com/millrace/millrace/warehouse"
)

// PublishedColumns are the columns of every published table, by its name, as readers see them now.
func (e *Engine) PublishedColumns(ctx context.Context) (map[string][]warehouse.Column, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	columns := map[string][]warehouse.Column{}
	for _, t := range m.Tables {
		columns[t.Name.String()] = t.Columns
	}
	return columns, nil
}
