package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/transform/reconcile"
	"github.com/millrace/millrace/warehouse"
)

// apartReconciling parts the checks that compare a table with another one, which may cost a read of a source, from the others.
func apartReconciling(checks []*models.Check) (others, reconciling []*models.Check) {
	for _, c := range checks {
		if c.Kind == "reconcile" {
			reconciling = append(reconciling, c)
		} else {
			others = append(others, c)
		}
	}
	return others, reconciling
}

// reconcile compares the new version with what its checks name. It comes after the other checks, and not at all when one of
// these has failed: that the table is not published is certain by then.
func (a *audit) reconcile(ctx context.Context, v *warehouse.Version, t check.Table, checks []*models.Check) error {
	for i, c := range checks {
		begin := time.Now()
		found, err := a.reconcileOne(ctx, v, t, c, filepath.Join(a.dir, fmt.Sprintf("reconcile-%d", i)))
		if err != nil {
			return err
		}
		found.Message, found.Took = a.redact(found.Message), time.Since(begin)
		a.add(found)
	}
	return nil
}

func (a *audit) reconcileOne(ctx context.Context, v *warehouse.Version, t check.Table, c *models.Check, dir string) (_ check.Result, err error) {
	if a.verdict() != nil {
		return check.Said(c, check.StatusSkipped, "not compared: another check has failed"), nil
	}
	if err := errors.Join(os.RemoveAll(dir), fsx.MkdirAll("reconcile", dir, 0o700)); err != nil {
		return check.Result{}, fmt.Errorf("stage reconciliation: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	this := t.Side(c.Node.Name())
	other, err := a.other(ctx, v, &this, c, dir)
	switch {
	case ctx.Err() != nil:
		return check.Result{}, context.Cause(ctx)
	case errors.Is(err, ErrInterrupted):
		return check.Result{}, err
	case err != nil:
		return check.Unrunnable(c, err), nil
	case other == nil:
		return check.Said(c, check.StatusPass, "no earlier version to compare with"), nil
	}
	runner := a.Runner
	runner.Dir = dir
	return runner.Reconcile(ctx, this, c, *other)
}

// other is what a check compares the new version v with; nil when there is no such thing yet. It may take out of this side
// what cannot be compared.
func (a *audit) other(ctx context.Context, v *warehouse.Version, this *reconcile.Side, c *models.Check, dir string) (*check.Other, error) {
	args, _ := c.Args.(*models.Reconcile)
	switch args.Against {
	case models.AgainstPrevious:
		return a.previous(v)
	case models.AgainstSource:
		return a.atItsSource(ctx, this, args.Node, dir)
	}
	from, err := a.Parent(args.Node)
	if err != nil {
		return nil, err
	}
	return &check.Other{Side: reconcile.Side{Name: args.Node.Name(), Query: "SELECT * FROM " + from, Columns: a.version(args.Node).Columns}}, nil
}

// keptOut are the files of the quarantine as it is published with the new version. A replayed row is in it no more: where it was
// corrected, and its source was not, the two differ from now on.
func (a *audit) keptOut() []warehouse.File {
	switch {
	case a.remains != nil:
		return a.remains.Base
	case a.anew:
		return a.bad
	}
	return slices.Concat(kept(a.node, a.before), a.bad)
}

// previous is the version that was published before v: in a run the current one, else the one that was current before it.
func (a *audit) previous(v *warehouse.Version) (*check.Other, error) {
	before := a.before.Table(nameOf(a.node))
	if before != nil && &before.Version == v {
		var err error
		if before, err = Previous(a.Loader, a.before, before); err != nil {
			return nil, err
		}
	}
	if before == nil || before.View != "" {
		return nil, nil
	}
	return &check.Other{Side: reconcile.Side{Name: fmt.Sprintf("snapshot %d", before.Snapshot), Query: a.Warehouse.Dialect().Select(before.Version), Columns: before.Columns}}, nil
}

// Previous is the version of a table that was published before t, which is in m; nil when there is none, or it is kept no more.
func Previous(l load.Loader, m *load.Manifest, t *load.Table) (*load.Table, error) {
	s, ok := l.(snapshots)
	if !ok {
		return nil, errors.New("this target keeps no snapshots to choose from")
	}
	all, err := s.Snapshots()
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Backward(all) {
		if n >= m.Snapshot {
			continue
		}
		older, err := s.Manifest(n)
		if err != nil {
			return nil, err
		}
		if found := older.Table(t.Name); found != nil && found.Snapshot != t.Snapshot {
			return found, nil
		}
	}
	return nil, nil
}

// atItsSource reads a stream at its source. Of the node's own it knows what may differ; while the node is being read it reads
// the same state once more, where the source can.
func (a *audit) atItsSource(ctx context.Context, this *reconcile.Side, n *models.Node, dir string) (*check.Other, error) {
	own := n == a.node
	source := a.source
	if !own {
		source = nil
	}
	got, err := a.Engine.atSource(ctx, a.Warehouse, n, source, this.Columns, dir)
	if err != nil {
		return nil, err
	}
	out := &check.Other{Side: got.Side}
	sameState := own && got.AsOf != nil && a.asOf != nil && got.AsOf.ID == a.asOf.ID
	if got.AsOf != nil {
		out.Notes = append(out.Notes, "as of "+got.AsOf.Time.UTC().Format(time.RFC3339))
	}
	if got.Rejected > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%d records of the source cannot be landed and are on neither side", got.Rejected))
	}
	if own {
		out.Known, err = knownToDiffer(ctx, a.Warehouse, n, &out.Side, this, a.keptOut(), sameState)
	}
	return out, err
}
