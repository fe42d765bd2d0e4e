package main

import (
	"context"
	"errors"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/standardize"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// checkEntities holds what entities say of columns against those that the project's files alone give their sources: a stream whose columns
// are listed, a table with a contract that names all of them, and models of such. Of other sources `millrace plan` finds out.
func checkEntities(ctx context.Context, p *models.Project) (problems config.Problems, err error) {
	if len(p.Entities) == 0 {
		return nil, nil
	}
	w, err := duckdb.Open(ctx, warehouse.Config{Memory: 128 << 20, Threads: 1})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	k := &declared{w: w, builder: &transform.Builder{Project: p, Warehouse: w}, tables: map[*models.Node]bool{}}
	for _, e := range p.Entities {
		for _, err := range k.check(ctx, e) {
			var wrong *match.Error
			if errors.As(err, &wrong) {
				problems = append(problems, placed(p.Dir, &transform.Error{Pos: wrong.Pos.String(), Err: wrong.Err, Hint: wrong.Hint}))
			}
		}
	}
	return problems, context.Cause(ctx)
}

// declared are empty relations of tables whose columns are known before anything is read.
type declared struct {
	w       warehouse.Warehouse
	builder *transform.Builder
	tables  map[*models.Node]bool // whether they are known, of those that were asked for
}

// check looks at each source that is known by itself, and, where all that the entity reads is, at what none of them has.
func (k *declared) check(ctx context.Context, e *models.Entity) (errs []error) {
	all := true
	for _, n := range e.Node.Needs {
		all = k.known(ctx, n) && all
	}
	if all {
		_, err := standardize.NewReading(ctx, k.w, e)
		return []error{err}
	}
	for _, s := range e.Sources {
		if k.tables[s.Node] {
			errs = append(errs, standardize.CheckSource(ctx, k.w, e, s))
		}
	}
	return errs
}

// known makes an empty relation of a table, where its columns are known.
func (k *declared) known(ctx context.Context, n *models.Node) bool {
	known, asked := k.tables[n]
	if asked {
		return known
	}
	columns := k.columns(ctx, n)
	k.tables[n] = len(columns) > 0 && k.w.Expose(ctx, warehouse.Version{Name: warehouse.Name{Schema: n.Schema, Table: n.Table}, Columns: columns}) == nil
	return k.tables[n]
}

// columns are a table's, nil where they are not known.
func (k *declared) columns(ctx context.Context, n *models.Node) (columns []warehouse.Column) {
	if c := n.Contract(); c != nil && c.Extra != models.ExtraAllowed {
		for _, own := range c.Columns {
			columns = append(columns, warehouse.Column{Name: own.Name, Type: own.Type})
		}
		return columns
	}
	switch {
	case n.Stream != nil:
		if listed, ok := n.Stream.Options.(interface{ AllColumns() []extract.Column }); ok {
			for _, own := range listed.AllColumns() {
				columns = append(columns, warehouse.Column{Name: own.Name, Type: own.Type})
			}
		}
	case n.Model != nil && n.Model.Materialized != models.Incremental:
		for _, need := range n.Needs {
			if !k.known(ctx, need) {
				return nil
			}
		}
		_, columns, _ = k.builder.Describe(ctx, transform.Job{Node: n}) // what is wrong with it, plan tells
	}
	return columns
}
