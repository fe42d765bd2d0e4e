package transform

import (
	"context"

	"github.com/millrace/millrace/warehouse"
)

// Exported is a file that an external model is written to besides, as long as nobody sees it.
type Exported struct {
	Staged string // absolute; a folder when it is partitioned
	Path   string // where it belongs, absolute
}

// external is a table that is also written to a file of the project's choice.
func (b *Builder) external(ctx context.Context, job Job, name warehouse.Name, sql string) (*Built, error) {
	return b.table(ctx, job, name, sql)
}
