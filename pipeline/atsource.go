package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/reconcile"
	"github.com/millrace/millrace/warehouse"
)

// AtSource is a stream as its source has it, to be compared with a table.
type AtSource struct {
	reconcile.Side
	Rows     int64         // that it has, of a key more than one perhaps
	Rejected int64         // records that cannot be landed: they are in no table, and not here either
	AsOf     *extract.AsOf // nil for a source that knows no such thing
}

// AtSource reads all of a stream at its source into files below dir, which w may touch. Of an incremental stream it keeps one
// row of a key, as its table does. known are the columns of a source that has nothing to read, and so none of its own.
func (e *Engine) AtSource(ctx context.Context, w warehouse.Warehouse, n *models.Node, known []warehouse.Column, dir string) (*AtSource, error) {
	return e.atSource(ctx, w, n, nil, known, dir)
}

// atSource is AtSource with a source that may be open already.
func (e *Engine) atSource(ctx context.Context, w warehouse.Warehouse, n *models.Node, source extract.Source, known []warehouse.Column, dir string) (*AtSource, error) {
	got, err := e.fetch(ctx, n, source, filepath.Join(dir, "parts"))
	if errors.Is(err, extract.ErrEmpty) && n.Stream.Mode != string(extract.Full) && known != nil {
		got, err = &fetched{}, nil // files that were read and put away: their rows are in the table
	}
	if err != nil {
		return nil, fmt.Errorf("read %s at its source: %w", n.Name(), err)
	}
	if len(got.columns) == 0 {
		got.columns = known
	}
	if len(got.columns) == 0 {
		return nil, fmt.Errorf("read %s at its source: it has no rows, and no table says which columns they would have", n.Name())
	}
	out := &AtSource{Rejected: got.rejected, AsOf: got.asOf}
	out.Side = reconcile.Side{Name: n.Name() + " at its source", Columns: got.columns, Query: w.Dialect().Scan(got.files, got.columns)}
	for _, f := range got.files {
		out.Rows += f.Rows
	}
	if n.Stream.Mode != string(extract.Incremental) || len(got.files) == 0 {
		return out, nil
	}
	in := warehouse.MergeInput{Name: nameOf(n), Landed: got.files, Columns: got.columns, Key: n.Stream.Key, Cursor: n.Stream.Cursor, Latest: got.latest, Dir: filepath.Join(dir, "merged")}
	if err := fsx.MkdirAll("reconcile", in.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("stage reconciliation: %w", err)
	}
	merged, err := warehouse.Merge(ctx, w, in)
	if err != nil {
		return nil, err
	}
	out.Query = w.Dialect().Select(merged.Version)
	return out, nil
}

// KnownToDiffer is what may differ between a stream at its source and its published table, the right side of the comparison,
// though nothing is wrong. Rows that soft deletes have marked are taken out of the table: the source has them no more. Where a
// contract keeps the table's types, the source's rows get these too. w may touch the published files.
func KnownToDiffer(ctx context.Context, w warehouse.Warehouse, n *models.Node, m *load.Manifest, source, table *reconcile.Side) (reconcile.Known, error) {
	return knownToDiffer(ctx, w, n, source, table, kept(n, m), false)
}

// knownToDiffer is KnownToDiffer with the files of quarantined rows. sameState says that the source was read in the state that
// the table shows.
func knownToDiffer(ctx context.Context, w warehouse.Warehouse, n *models.Node, source, table *reconcile.Side, quarantined []warehouse.File, sameState bool) (known reconcile.Known, err error) {
	s, d := n.Stream, w.Dialect()
	appends := s.Mode == string(extract.Append)
	known.KeepsGone = appends || s.Mode == string(extract.Incremental) && s.Deletes == models.DeletesIgnored
	if appends || !sameState { // an append stream stops at the safe edge of its cursor, behind which the source may have rows already
		known.Newer = s.Cursor
	}
	if s.Deletes == models.DeletesSoft && slices.ContainsFunc(table.Columns, func(c warehouse.Column) bool { return c.Name == models.DeletedAt }) {
		table.Query = fmt.Sprintf("SELECT * FROM (\n%s\n) AS t WHERE %s IS NULL", table.Query, d.QuoteIdent(models.DeletedAt))
		table.Columns = slices.DeleteFunc(slices.Clone(table.Columns), func(c warehouse.Column) bool { return c.Name == models.DeletedAt })
	}
	narrows := n.Contract() != nil || s.OnSchemaChange != models.SchemaEvolves
	if narrows {
		narrow(d, source, table.Columns)
	}
	if len(quarantined) > 0 {
		if known.Diverted, err = divertedRows(ctx, w, n, table.Columns, quarantined); err == nil && narrows {
			narrow(d, known.Diverted, table.Columns)
		}
	}
	return known, err
}

// divertedRows are quarantined rows as they came, with the columns of the table: their values need not fit its types.
func divertedRows(ctx context.Context, w warehouse.Warehouse, n *models.Node, columns []warehouse.Column, files []warehouse.File) (*reconcile.Side, error) {
	d := w.Dialect()
	have, err := w.Describe(ctx, "SELECT * FROM "+d.Files(warehouse.Paths(files)))
	if err != nil {
		return nil, fmt.Errorf("read quarantined rows of %s: %w", n.Name(), err)
	}
	columns = slices.Clone(columns)
	for i, c := range columns {
		if k := slices.IndexFunc(have, func(h warehouse.Column) bool { return strings.EqualFold(h.Name, c.Name) }); k >= 0 {
			columns[i].Type = have[k].Type
		}
	}
	return &reconcile.Side{Name: n.Name() + models.QuarantineSuffix, Columns: columns, Query: d.Scan(files, columns)}, nil
}

// narrow gives a side the types of the table where the two have no type in common, as its contract does with rows that pass.
func narrow(d *warehouse.Dialect, side *reconcile.Side, table []warehouse.Column) {
	columns, items, narrowed := slices.Clone(side.Columns), make([]string, len(side.Columns)), false
	for i, c := range side.Columns {
		items[i] = d.QuoteIdent(c.Name)
		k := slices.IndexFunc(table, func(t warehouse.Column) bool { return strings.EqualFold(t.Name, c.Name) })
		if k < 0 {
			continue
		}
		if _, err := warehouse.Widen(c.Type, table[k].Type); err != nil {
			columns[i].Type, narrowed = table[k].Type, true
			items[i] = held(d, items[i], c.Type, table[k].Type) + " AS " + items[i]
		}
	}
	if narrowed {
		side.Columns, side.Query = columns, "SELECT "+strings.Join(items, ", ")+" FROM (\n"+side.Query+"\n) AS t"
	}
}

// kept are the files of the rows of a node that are published as quarantined.
func kept(n *models.Node, m *load.Manifest) []warehouse.File {
	t := m.Table(quarantineOf(n))
	if t == nil {
		return nil
	}
	return t.Base
}
