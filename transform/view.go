package transform

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/models/portable"
	"github.com/millrace/millrace/warehouse"
)

// view is a version without rows of its own: its readers run the SELECT.
func (b *Builder) view(ctx context.Context, name warehouse.Name, sql string, columns []warehouse.Column) (*Built, error) {
	v := warehouse.Version{Name: name, Columns: columns, View: sql}
	return &Built{Version: v}, b.Warehouse.Expose(ctx, v)
}

// publishable refuses a view that calls a cleaning function: readers run its SELECT themselves, in a DuckDB that has none of ours.
func publishable(job Job, out *jinja.Output) error {
	if job.Node.Model.Materialized != models.View {
		return nil
	}
	name, at, found := portable.Cleaning(out.Text)
	if !found {
		return nil
	}
	return &Error{Pos: out.Source(at).String(), Err: fmt.Errorf("a view cannot call %s: whoever reads what is published runs the view's SELECT in a DuckDB of his own, which does not know it", name),
		Hint: "{{ config(materialized='table') }} stores what it gives; ephemeral puts the model into those that read it"}
}
