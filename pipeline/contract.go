package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// This file gives tables the columns that a contract, or the policy for schema changes, asks for. First the columns are
// compared, before any row is written; then the rows that would not come through a cast unchanged are divided from the others;
// then the files of the others are converted.

// fit holds new rows' columns against the node's contract. Published are the columns of rows that they join, nil for none.
func (a *audit) fit(columns, published []warehouse.Column) error {
	contract := a.node.Contract()
	if contract == nil {
		return nil
	}
	f := check.Fit(a.node, contract, columns)
	f.FitPublished(a.node, contract, published)
	if len(f.Wrong) == 0 {
		a.fitting, a.want = f, f.Columns
		return nil
	}
	a.add(f.Result(a.node.ContractCheck()))
	return a.verdict()
}

// shape implements transform.Job.Shape: casts that keep every value are the SELECT's own; the others wait until its rows are
// divided.
func (a *audit) shape(before *warehouse.Version) func([]warehouse.Column) ([]warehouse.Column, error) {
	return func(columns []warehouse.Column) ([]warehouse.Column, error) {
		have, err := warehouse.StoredColumns(columns)
		if err != nil {
			return nil, err
		}
		var published []warehouse.Column
		if before != nil && adds(a.node) {
			published = before.Columns
		}
		if err := a.fit(have, published); err != nil {
			return nil, err
		}
		want := slices.Clone(a.want)
		for _, narrow := range a.fitting.Narrow {
			i := slices.IndexFunc(want, func(c warehouse.Column) bool { return c.Name == narrow.Name })
			k := slices.IndexFunc(have, func(c warehouse.Column) bool { return c.Name == narrow.Name })
			want[i].Type = have[k].Type
		}
		return want, nil
	}
}

// convert writes files whose columns are not those that the table gets once more. All of their values fit: the rows with others
// were divided from them.
func (a *audit) convert(ctx context.Context, files []warehouse.File, columns []warehouse.Column) ([]warehouse.File, []warehouse.Column, error) {
	if a.want == nil {
		return files, columns, nil
	}
	d := a.Warehouse.Dialect()
	out := slices.Clone(files)
	for i, f := range files {
		have, err := a.Warehouse.Describe(ctx, "SELECT * FROM "+d.Files([]string{f.Path}))
		if err != nil {
			return nil, nil, err
		}
		if len(schemaChanges(have, a.want)) == 0 {
			continue
		}
		out[i], err = a.Warehouse.Write(ctx, d.Scan(files[i:i+1], a.want), filepath.Join(a.Dir, fmt.Sprintf("converted-%05d.parquet", i)))
		if err != nil {
			return nil, nil, fmt.Errorf("convert to the columns of the table: %w", err)
		}
		if out[i].Rows != f.Rows {
			return nil, nil, fmt.Errorf("%w: of %d rows in %s %d were converted", warehouse.ErrUnbalanced, f.Rows, f.Path, out[i].Rows)
		}
		if err := a.run.check(out[i], a.want); err != nil {
			return nil, nil, err
		}
		if a.from != nil {
			a.from[out[i].Path] = a.from[f.Path]
		}
	}
	return out, a.want, nil
}

// convertKeys gives the keys that a source has the types of the table's. One that the type cannot hold is no row's of the table:
// it is passed over, as one that is NULL.
func (a *audit) convertKeys(ctx context.Context, parts []journal.Part) ([]journal.Part, error) {
	if a.want == nil {
		return parts, nil
	}
	d := a.Warehouse.Dialect()
	out := slices.Clone(parts)
	for i, p := range parts {
		columns, items := slices.Clone(p.Columns), make([]string, len(p.Columns))
		narrow := false
		for k, c := range p.Columns {
			items[k] = d.QuoteIdent(c.Name)
			at := slices.IndexFunc(a.want, func(w warehouse.Column) bool { return strings.EqualFold(w.Name, c.Name) })
			if at >= 0 && warehouse.FitOf(c.Type, a.want[at].Type) < warehouse.Widens {
				columns[k].Type, narrow = a.want[at].Type, true
				items[k] = fmt.Sprintf("CASE WHEN NOT (%s) THEN TRY_CAST(%s AS %s) END AS %[2]s", d.Changes(items[k], c.Type, columns[k].Type), items[k], d.Type(columns[k].Type))
			}
		}
		if !narrow {
			continue
		}
		f, err := a.Warehouse.Write(ctx, "SELECT "+strings.Join(items, ", ")+" FROM "+d.Files([]string{p.File.Path}), filepath.Join(a.dir, fmt.Sprintf("keys-%05d.parquet", i)))
		if err != nil {
			return nil, fmt.Errorf("convert keys to the columns of the table: %w", err)
		}
		if f.Rows != p.File.Rows {
			return nil, fmt.Errorf("%w: of %d keys in %s %d were converted", warehouse.ErrUnbalanced, p.File.Rows, p.File.Path, f.Rows)
		}
		if err := a.run.check(f, columns); err != nil {
			return nil, err
		}
		out[i].File, out[i].Columns = f, columns
	}
	return out, nil
}

// exact refuses a version whose columns have come to be others than those agreed on.
func (a *audit) exact(v *warehouse.Version) error {
	for _, want := range a.want {
		for _, c := range v.Columns {
			if strings.EqualFold(c.Name, want.Name) && !sameType(c.Type, want.Type) {
				return fmt.Errorf("column %q would be published as %s instead of %s", c.Name, c.Type, want.Type)
			}
		}
	}
	return nil
}

// tellFit says of a contract that is kept what it took: its check has seen the columns that the table got.
func (a *audit) tellFit() {
	if a.fitting == nil || len(a.fitting.Diff) == 0 {
		return
	}
	for i, r := range a.results {
		if r.Name == a.node.ContractCheck().Name && r.Status == check.StatusPass {
			a.results[i].Message = a.fitting.Message()
		}
	}
}

// fit does the same for a stream's new rows. Where none came, but the keys that the source has, the table keeps its columns.
func (x *extraction) fit(a *audit, columns []warehouse.Column) error {
	if len(columns) > 0 {
		return a.fit(columns, x.joined())
	}
	if x.node.Contract() != nil || x.node.Stream.OnSchemaChange != models.SchemaEvolves {
		a.want = x.joined()
	}
	return nil
}

// joined are the columns of published rows that new ones are added to; nil when there are none.
func (x *extraction) joined() []warehouse.Column {
	if x.before == nil || x.node.Stream.Mode == string(extract.Full) {
		return nil
	}
	return ofSource(x.before.Columns)
}

// drift compares what the source delivers with the published columns, unless a contract says what they are; nil when they are
// the same.
func (x *extraction) drift(columns []warehouse.Column) *check.Drift {
	published := cmp.Or(x.before, x.replaced)
	if published == nil || x.selection.FullRefresh || x.node.Contract() != nil || len(columns) == 0 {
		return nil
	}
	return check.NewDrift(x.node, ofSource(published.Columns), columns)
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

// tellMisfit makes it a failed check of the run.
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
	if x.before != nil && x.node.Stream.Mode != string(extract.Full) {
		known := ofSource(x.before.AsDelivered())
		if all, err := warehouse.UnionColumns(known, columns); err == nil {
			columns = all
		}
	}
	if len(columns) == 0 || len(schemaChanges(ofSource(t.Columns), columns)) == 0 {
		return nil
	}
	return columns
}

// known are the columns that the source is to keep to: as it has delivered them, for what is published of them may be of other
// types. A new column that was left out is new again when it is no longer to be: then it may have values in rows that were read
// before.
func (x *extraction) known() []extract.Column {
	t := cmp.Or(x.before, x.replaced)
	if t == nil || x.selection.FullRefresh {
		return nil
	}
	var known []extract.Column
	for _, c := range ofSource(t.AsDelivered()) {
		if hasColumn(t.Columns, c.Name) || x.leavesOut(c.Name) {
			known = append(known, extract.Column(c))
		}
	}
	return known
}

// leavesOut says whether a column that is not published is to stay so.
func (x *extraction) leavesOut(column string) bool {
	if c := x.node.Contract(); c != nil {
		return c.Extra == models.ExtraDiscarded && c.Column(column) == nil
	}
	policy := x.node.Stream.OnSchemaChange
	return policy == models.SchemaDiscards || policy == models.SchemaQuarantines
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

// fitPlanned does the same for a node with a contract. Published are the columns of rows that new ones join.
func fitPlanned(n *models.Node, columns, published []warehouse.Column) ([]warehouse.Column, string, error) {
	contract := n.Contract()
	if contract == nil {
		return columns, "", nil
	}
	f := check.Fit(n, contract, columns)
	f.FitPublished(n, contract, published)
	text := f.Message()
	switch {
	case len(f.Wrong) > 0:
		return nil, "", &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: fmt.Errorf("its contract is not kept: %s", text)}
	case text != "":
		text = "contract: " + text
	}
	return f.Columns, text, nil
}
