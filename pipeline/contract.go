package pipeline

import (
	"context"
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

// This file gives tables the columns that a contract asks for, or, by drift.go, the policy for schema changes. First the columns
// are compared, before any row is written; then the rows that would not come through a cast unchanged are divided from the
// others; then the files of the others are converted.

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
	out := slices.Clone(parts)
	for i, p := range parts {
		query, columns := a.narrowed(p)
		if query == "" {
			continue
		}
		f, err := a.Warehouse.Write(ctx, query, filepath.Join(a.dir, fmt.Sprintf("keys-%05d.parquet", i)))
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

// narrowed is a SELECT of a part's keys with the types of the table where these are narrower; "" where none is.
func (a *audit) narrowed(p journal.Part) (query string, columns []warehouse.Column) {
	d := a.Warehouse.Dialect()
	columns = slices.Clone(p.Columns)
	items, narrow := make([]string, len(columns)), false
	for k, c := range p.Columns {
		items[k] = d.QuoteIdent(c.Name)
		for _, want := range a.want {
			if strings.EqualFold(want.Name, c.Name) && warehouse.FitOf(c.Type, want.Type) < warehouse.Widens {
				columns[k].Type, narrow = want.Type, true
				items[k] = held(d, items[k], c.Type, want.Type) + " AS " + items[k]
			}
		}
	}
	if !narrow {
		return "", nil
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM " + d.Files([]string{p.File.Path}), columns
}

// held is a value, as SQL, as another type: NULL where that does not hold it.
func held(d *warehouse.Dialect, value, from, as string) string {
	return fmt.Sprintf("CASE WHEN NOT (%s) THEN TRY_CAST(%s AS %s) END", d.Changes(value, from, as), value, d.Type(as))
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

// fitPlanned gives the columns that the table of a node gets, and says what its contract does; it refuses what a run would.
// Published are the columns of rows that new ones join.
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
