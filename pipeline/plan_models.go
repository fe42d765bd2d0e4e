package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/warehouse"
)

// models binds each model over empty relations that have the columns of what it reads, and then the checks: nothing is run.
func (pl *planning) models(ctx context.Context, nodes []*models.Node) error {
	any := false
	for _, n := range nodes {
		any = any || n.Model != nil || n.Seed != nil || n.Entity != nil || len(n.Checks) > 0
	}
	if !any {
		return nil
	}
	temp, remove, err := fsx.TempFolder("", "millrace-plan-")
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	defer remove()
	engine, err := pl.Warehouse(ctx, warehouse.Config{Memory: pl.engineMemory(1), Threads: 1, Temp: filepath.Join(temp, "spill"),
		Dirs: pl.withTarget(temp)})
	if err != nil {
		return err
	}
	defer engine.Close()
	w := pl.onDemand(engine, pl.before, "plan", pl.Project.Name)
	b := &transform.Builder{Project: pl.Project, Warehouse: w, Published: w, Warn: pl.warn}
	if _, err := b.Begin(ctx, nil); err != nil {
		return refusedHook(err)
	}
	exposed := map[*models.Node]bool{}
	if err := pl.bind(ctx, b, nodes, temp, exposed); err != nil {
		return err
	}
	if err := pl.breaks(ctx, b, exposed); err != nil {
		return err
	}
	return pl.checks(ctx, b, nodes, exposed)
}

// warn notes what a template says.
func (pl *planning) warn(node, message string) {
	for n, one := range pl.planned {
		if n.Name() == node {
			one.Notes = append(one.Notes, message)
		}
	}
}

// bind finds out the columns of nodes that are not streams, in their order; exposed are the relations that the warehouse has.
func (pl *planning) bind(ctx context.Context, b *transform.Builder, nodes []*models.Node, temp string, exposed map[*models.Node]bool) error {
	w := b.Warehouse
	for _, n := range nodes {
		if n.Entity != nil {
			if err := pl.entity(ctx, w, n, exposed); err != nil {
				return err
			}
		}
		if n.Seed != nil && !pl.seedKept(ctx, w, n, pl.planned[n]) {
			if err := pl.seed(ctx, w, n, temp); err != nil {
				return err
			}
		}
		if n.Model == nil {
			continue
		}
		one := pl.planned[n]
		if err := pl.exposeNeeds(ctx, w, n, exposed); err != nil {
			one.Unknown, one.UnknownCause = true, err.Error()
			continue
		}
		err := pl.model(ctx, b, n, one)
		if errors.Is(err, transform.ErrOpen) {
			err = pl.open(n, one, err)
		}
		if err == nil {
			err = pl.changes(ctx, b, n, one)
		}
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			one.fail(explainModel(n, err))
		}
	}
	return nil
}

// open plans a model whose columns only its rows decide: they are taken to be those that it has now.
func (pl *planning) open(n *models.Node, one *PlannedNode, why error) error {
	if before := pl.before.Table(nameOf(n)); before != nil {
		one.Columns = before.Columns
		one.note(why.Error())
		return nil
	}
	one.Unknown, one.UnknownCause = true, n.Name()+": "+why.Error()
	return nil
}

// exposeNeeds makes an empty relation of everything that the model reads.
func (pl *planning) exposeNeeds(ctx context.Context, w warehouse.Warehouse, n *models.Node, exposed map[*models.Node]bool) error {
	for _, need := range reads(n) {
		if err := pl.exposeOne(ctx, w, need, exposed); err != nil {
			return err
		}
	}
	return nil
}

// exposeOne makes an empty relation of a table.
func (pl *planning) exposeOne(ctx context.Context, w warehouse.Warehouse, n *models.Node, exposed map[*models.Node]bool) error {
	if exposed[n] {
		return nil
	}
	columns, err := pl.columnsOf(n)
	if err != nil {
		return err
	}
	if err := w.Expose(ctx, warehouse.Version{Name: nameOf(n), Columns: columns}); err != nil {
		return err
	}
	exposed[n] = true
	return nil
}

// columnsOf are those that the node will have after the run, or has now when the run leaves it alone.
func (pl *planning) columnsOf(n *models.Node) ([]warehouse.Column, error) {
	if one := pl.planned[n]; one != nil {
		switch {
		case one.Error != "":
			return nil, fmt.Errorf("%s has a problem", n.Name())
		case one.Unknown:
			return nil, errors.New(one.UnknownCause)
		case len(one.Columns) > 0:
			return one.Columns, nil
		}
	}
	if t := pl.before.Table(nameOf(n)); t != nil {
		return t.Columns, nil
	}
	return nil, fmt.Errorf("it reads %s, which was never built and is not selected: plan +%s", n.Name(), n.Table)
}

func (pl *planning) model(ctx context.Context, b *transform.Builder, n *models.Node, one *PlannedNode) error {
	job := transform.Job{Node: n}
	before := pl.before.Table(nameOf(n))
	if before != nil && before.View == "" && adds(n) && !(n.Model.FullRefresh != nil && *n.Model.FullRefresh && !keeps(n)) {
		job.Before = &before.Version
		if err := b.Warehouse.Expose(ctx, warehouse.Version{Name: nameOf(n), Columns: before.Columns}); err != nil {
			return err
		}
		if why := mergedOtherwise(n, before); why != "" {
			job.Before, one.Notes = nil, append(one.Notes, why)
		}
	}
	sql, columns, err := b.Describe(ctx, job)
	one.SQL = sql
	if err != nil {
		return err
	}
	var made []warehouse.Column // whose types readers are to find: a contract says its own, and an external model is its file
	if n.Model.Materialized != models.View && n.Model.Materialized != models.Ephemeral {
		if n.Model.Materialized != models.External && n.Contract() == nil {
			made = columns
		}
		if columns, err = warehouse.StoredColumns(columns); err != nil {
			return err
		}
	}
	if columns, err = pl.contracted(n, one, columns, job.Before); err != nil {
		return err
	}
	for _, key := range n.Model.UniqueKey {
		if n.Model.Materialized == models.Incremental && n.Model.Strategy != models.StrategyAppend && !hasColumn(columns, key) {
			return &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: fmt.Errorf("unique_key: the SELECT has no column %q", key), Hint: "the columns are: " + columnNames(columns)}
		}
	}
	if columns, err = b.Planned(ctx, job, sql, columns, made); err != nil {
		return err
	}
	one.Columns = columns
	if before != nil {
		one.Changes = schemaChanges(before.Columns, columns)
	}
	return nil
}

// contracted are the columns that a model's contract makes of those of its SELECT.
func (pl *planning) contracted(n *models.Node, one *PlannedNode, columns []warehouse.Column, before *warehouse.Version) ([]warehouse.Column, error) {
	if n.Contract() == nil {
		return columns, nil
	}
	stored, err := warehouse.StoredColumns(columns)
	if err != nil {
		return nil, err
	}
	var published []warehouse.Column
	if before != nil {
		published = before.Columns
	}
	columns, note, err := fitPlanned(n, stored, published)
	one.note(note)
	return columns, err
}
