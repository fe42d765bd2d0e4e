package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// checkDeferred runs the checks that read what is built from their own node: everything is built by now, and nothing is
// published yet. They run once, before the hooks of the run's end, which see their results.
func (r *run) checkDeferred(ctx context.Context) error {
	if r.late {
		return nil
	}
	r.late = true
	for _, n := range r.nodes {
		var checks []*models.Check
		for _, c := range n.Checks {
			if c.Deferred {
				checks = append(checks, c)
			}
		}
		late := r.checkLate
		if !r.succeeded(n.Name()) || r.version(n) == nil {
			late, checks = r.checkApart, slices.DeleteFunc(checks, func(c *models.Check) bool { return !c.Apart })
		}
		if len(checks) == 0 {
			continue
		}
		if err := late(ctx, n, checks); err != nil {
			return err
		}
	}
	return nil
}

// lateAudit opens an engine for the checks of one node, which is to be closed.
func (r *run) lateAudit(ctx context.Context, n *models.Node, s *journal.Step) (*audit, error) {
	w, err := r.Warehouse(ctx, warehouse.Config{Memory: r.engineMemory(1), Threads: r.Threads, Temp: filepath.Join(r.runDir(r.ID), "spill-late"), Dirs: r.checkPlaces()})
	if err != nil {
		return nil, err
	}
	if err := r.startHooks(ctx, w, r.before, r.forTemplates()); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	a, err := r.newAudit(n, s, w, filepath.Join(r.runDir(r.ID), "late"))
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	a.results, a.metrics = r.checks[n.Name()], r.metrics[n.Name()]
	return a, nil
}

// checkApart runs the checks that read no table, and are told with one that was not built or may not be published.
func (r *run) checkApart(ctx context.Context, n *models.Node, checks []*models.Check) (err error) {
	a, err := r.lateAudit(ctx, n, &journal.Step{Node: n.Name()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Warehouse.Close()) }()
	results, _, err := a.Count(ctx, check.Table{From: "(SELECT 1 WHERE false) AS nothing", Name: "nothing"}, checks)
	if err != nil {
		return fmt.Errorf("check what reads no table: %w", err)
	}
	a.results = append(a.results, results...)
	return a.save(ctx)
}

func (r *run) checkLate(ctx context.Context, n *models.Node, checks []*models.Check) (err error) {
	res := r.results[n.Name()]
	a, err := r.lateAudit(ctx, n, &res.step)
	if err != nil {
		return err
	}
	w := a.Warehouse
	defer func() { err = errors.Join(err, w.Close()) }()
	(&exposure{run: r, w: w, seen: map[string]bool{}}).name(ctx, n.Name())
	found := a.judge(ctx, r.version(n), checks)
	if err := a.save(ctx); err != nil {
		return err
	}
	var failed *ChecksError
	switch {
	case found == nil:
		return nil
	case ctx.Err() != nil:
		return found
	case errors.As(found, &failed):
		res.status, res.step.Error = journal.ChecksFailed, r.redact(failed.Error())
	default: // it could not be looked at: that is this node's failure, and no other's
		res.status, res.step.Error = journal.Failed, r.redact(explainModel(n, found).Error())
	}
	res.step.Status = res.status
	return r.Journal.SaveStep(ctx, res.step)
}
