package pipeline

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
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
		if len(checks) == 0 || !r.succeeded(n.Name()) || r.version(n) == nil {
			continue
		}
		if err := r.checkLate(ctx, n, checks); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) checkLate(ctx context.Context, n *models.Node, checks []*models.Check) (err error) {
	w, err := r.Warehouse(ctx, warehouse.Config{Memory: r.engineMemory(1), Threads: r.Threads, Temp: filepath.Join(r.runDir(r.ID), "spill-late"), Dirs: r.checkPlaces()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := r.startHooks(ctx, w, r.before, r.forTemplates()); err != nil {
		return err
	}
	res := r.results[n.Name()]
	a, err := r.newAudit(n, &res.step, w, filepath.Join(r.runDir(r.ID), "late"))
	if err != nil {
		return err
	}
	a.results, a.metrics = r.checks[n.Name()], r.metrics[n.Name()]
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
