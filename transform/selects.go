package transform

import (
	"context"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Selects renders all that a build of the model may run: its SELECT, and of an incremental model both that of a build from nothing and that
// of one that adds to what is there. What the templates have to say is kept for the build itself.
func (b *Builder) Selects(ctx context.Context, n *models.Node) ([]string, error) {
	quiet := &Builder{Project: b.Project, Warehouse: b.Warehouse, Published: b.Published, Run: b.Run, Apart: b.Apart}
	var all []string
	for _, before := range []*warehouse.Version{nil, {}} {
		if before != nil && n.Model.Materialized != models.Incremental {
			continue
		}
		out, err := quiet.render(ctx, Job{Node: n, Before: before})
		if err != nil {
			return nil, templateError(err)
		}
		all = append(all, out.Text)
	}
	return all, nil
}
