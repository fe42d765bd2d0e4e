package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// CheckProblem is a check that a run could not run.
type CheckProblem struct {
	Check string `json:"check"`
	Error string `json:"error"`
	At    string `json:"at"` // file:line:column
}

// checks binds the nodes' checks over empty relations that have their columns: nothing is read.
func (pl *planning) checks(ctx context.Context, b *transform.Builder, nodes []*models.Node, exposed map[*models.Node]bool) error {
	for _, n := range nodes {
		one := pl.planned[n]
		if len(n.Checks) == 0 || one.Error != "" || one.Unknown || len(one.Columns) == 0 || one.Mode == string(models.Ephemeral) {
			continue
		}
		if err := pl.bindChecks(ctx, b, n, one, exposed); err != nil {
			return err
		}
	}
	return nil
}

func (pl *planning) bindChecks(ctx context.Context, b *transform.Builder, n *models.Node, one *PlannedNode, exposed map[*models.Node]bool) error {
	columns := one.Columns
	if n.Stream != nil && n.Stream.Deletes == models.DeletesSoft && !hasColumn(columns, models.DeletedAt) {
		columns = append(slices.Clone(columns), warehouse.Column{Name: models.DeletedAt, Type: "TIMESTAMP WITH TIME ZONE"})
	}
	if err := b.Warehouse.Expose(ctx, warehouse.Version{Name: nameOf(n), Columns: columns}); err != nil {
		return err
	}
	exposed[n] = true
	checks := slices.DeleteFunc(slices.Clone(n.Checks), func(c *models.Check) bool {
		return slices.ContainsFunc(c.Reads, func(read *models.Node) bool { return pl.exposeOne(ctx, b.Warehouse, read, exposed) != nil })
	})
	r := check.Runner{Warehouse: b.Warehouse, At: pl.Clock(), Now: pl.Clock(), Query: b.Query, Place: b.QueryPlace,
		Parent: func(p *models.Node) (string, error) {
			if p.Model != nil && p.Model.Materialized == models.Ephemeral {
				return "", fmt.Errorf("%s is ephemeral: there is no table to compare with", p.Name())
			}
			return b.Warehouse.Dialect().Table(nameOf(p)), nil
		}}
	wrong, err := r.Bind(ctx, check.Table{From: b.Warehouse.Dialect().Table(nameOf(n)), Name: n.Table, Columns: columns}, checks)
	for _, res := range wrong {
		one.CheckProblems = append(one.CheckProblems, CheckProblem{Check: res.Name, Error: pl.redact(res.Message), At: res.Pos})
	}
	return err
}
