package transform

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/sqltoken"
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

// publishable refuses a view that calls a cleaning function, or what a hook has made: readers run its SELECT themselves, in a DuckDB that
// has none of these.
func (b *Builder) publishable(job Job, out *jinja.Output, hooks []statement) error {
	if job.Node.Model.Materialized != models.View {
		return nil
	}
	if open := sqltoken.OpenPivots(out.Text); len(open) > 0 {
		return &Error{Pos: out.Source(open[0] - 1).String(), Err: errors.New("a view cannot have a PIVOT whose columns its rows decide"),
			Hint: "write PIVOT … ON column IN ('a', 'b'); " +
				"or {{ config(materialized='table') }}, whose columns are those that the rows have when it is built"}
	}
	if name, at, found := portable.Cleaning(out.Text); found {
		return unknownToReaders(out, at, "call "+name)
	}
	macros, temporary := b.madeBy(hooks)
	if name, at, found := portable.Calls(out.Text, macros...); found {
		return unknownToReaders(out, at, "call "+name+", which a hook makes")
	}
	if name, at, found := portable.Mentions(out.Text, temporary...); found {
		return unknownToReaders(out, at, "read "+name+", which a hook makes")
	}
	return nil
}

func unknownToReaders(out *jinja.Output, at int, what string) error {
	return &Error{Pos: out.Source(at).String(), Err: fmt.Errorf("a view cannot %s: whoever reads what is published runs the view's SELECT in a DuckDB of his own, which does not know it", what),
		Hint: "{{ config(materialized='table') }} stores what it gives; ephemeral puts the model into those that read it"}
}
