package pipeline

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// This file decides about streams whose columns differ from the published ones.

// drift compares what the source delivers with the published columns, unless a contract says what they are; nil when they are
// the same.
func (x *extraction) drift(columns []warehouse.Column) *check.Drift {
	published := cmp.Or(x.before, x.replaced)
	if published == nil || x.selection.FullRefresh || x.node.Contract() != nil || len(columns) == 0 {
		return nil
	}
	expected := ofSource(published.Columns)
	if x.node.Stream.OnSchemaChange == models.SchemaEvolves { // a column that is gone is told once
		expected = slices.DeleteFunc(expected, func(c warehouse.Column) bool { return !hasColumn(published.AsDelivered(), c.Name) })
	}
	return check.NewDrift(x.node, expected, columns)
}

// misfit says that a stream's columns are none that its table may have, whatever else there is to read.
type misfit struct{ result check.Result }

func (m *misfit) Error() string { return m.result.Name + ": " + m.result.Message }

// misfit looks at the columns of a part that was landed: a large table need not be read to its end to be refused.
func (x *extraction) misfit(columns []warehouse.Column) error {
	if d := x.drift(columns); d != nil && len(d.Wrong) > 0 {
		return &misfit{d.Result()}
	}
	contract := x.node.Contract()
	if contract == nil {
		return nil
	}
	f := check.Fit(x.node, contract, columns)
	f.FitPublished(x.node, contract, x.joined())
	if len(f.Wrong) == 0 {
		return nil
	}
	return &misfit{f.Result(x.node.ContractCheck())}
}

// tellMisfit makes of it a check that fails.
func (x *extraction) tellMisfit(ctx context.Context, m *misfit) error {
	a := &audit{run: x.run, node: x.node, step: x.step}
	a.add(m.result)
	return errors.Join(a.verdict(), a.save(ctx))
}

// follow decides about rows whose columns are not the published ones, and gives the parts that the table is made of.
func (x *extraction) follow(ctx context.Context, a *audit, parts []journal.Part) ([]journal.Part, error) {
	d := a.drift
	if d == nil {
		return parts, nil
	}
	x.note("schema change: " + d.Message())
	if d.Check == nil {
		a.add(d.Result())
	}
	if err := a.verdict(); err != nil || d.Evolves() {
		return parts, err
	}
	files, columns, err := filesOf(parts)
	if err != nil {
		return nil, err
	}
	rows, err := a.rows(files, columns)
	if err != nil {
		return nil, err
	}
	a.want = d.Columns
	var checks []*models.Check
	if d.Check != nil {
		checks = append(checks, d.Check)
	}
	passed, columns, err := a.divide(ctx, rows, checks)
	for i := range a.results {
		if d.Check != nil && a.results[i].Name == d.Check.Name {
			d.Tell(&a.results[i])
		}
	}
	if err != nil {
		return nil, err
	}
	return replaceFiles(parts, passed, columns), a.verdict()
}

// delivered are a stream's columns as its source gave them, where the published ones are others.
func (x *extraction) delivered(t *warehouse.Version, columns []warehouse.Column) []warehouse.Column {
	switch {
	case len(columns) == 0 && x.before != nil:
		return x.before.Delivered
	case len(schemaChanges(ofSource(t.Columns), columns)) == 0:
		return nil
	}
	return columns
}

// known are the columns that the source is to keep to: as it has delivered them, for what is published of them may be of other
// types, and published ones that it did not. A new column that was left out is new again when it is no longer to be: then it may
// have values in rows that were read before.
func (x *extraction) known() []extract.Column {
	t := cmp.Or(x.before, x.replaced)
	if t == nil || x.selection.FullRefresh {
		return nil
	}
	delivered := ofSource(t.AsDelivered())
	var known []extract.Column
	for _, c := range delivered {
		if hasColumn(t.Columns, c.Name) || x.leavesOut(c.Name) {
			known = append(known, extract.Column(c))
		}
	}
	for _, c := range ofSource(t.Columns) {
		if !hasColumn(delivered, c.Name) {
			known = append(known, extract.Column(c))
		}
	}
	return known
}

// leavesOut says whether a column that is not published is to stay so.
func (x *extraction) leavesOut(column string) bool {
	return discards(x.node, column) || x.node.Stream.OnSchemaChange == models.SchemaQuarantines
}

// discards says whether a column that the table has not is left out of it, whatever rows have there.
func discards(n *models.Node, column string) bool {
	if c := n.Contract(); c != nil {
		return c.Extra == models.ExtraDiscarded && c.Column(column) == nil
	}
	return n.Stream != nil && n.Stream.OnSchemaChange == models.SchemaDiscards
}

// fitPlanned gives the columns that the table gets of the stream's, and says by what; it refuses what a run would.
func (x *extraction) fitPlanned(columns []warehouse.Column) ([]warehouse.Column, string, error) {
	if x.node.Contract() != nil {
		return fitPlanned(x.node, columns, x.joined())
	}
	d := x.drift(columns)
	if d == nil || d.Evolves() {
		return columns, "", nil
	}
	if len(d.Wrong) > 0 {
		return nil, "", &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: errors.New("the columns have changed: " + d.Message()), Hint: check.WhenRight}
	}
	return d.Columns, d.Message(), nil
}
