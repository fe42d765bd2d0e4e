package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// Checked is what Check found.
type Checked struct {
	Snapshot int64          `json:"snapshot"` // that was looked at
	Checks   []check.Result `json:"checks"`
	Skipped  []string       `json:"skipped"` // nodes with checks that are not published
}

// Failed says whether a check failed or could not be run.
func (c *Checked) Failed() bool {
	for _, r := range c.Checks {
		if r.Status.Bad() {
			return true
		}
	}
	return false
}

// Check judges the nodes' published tables by all their checks. It publishes nothing, diverts nothing and keeps nothing: rows
// that a quarantining check would divert are counted.
func (e *Engine) Check(ctx context.Context, nodes []*models.Node) (_ *Checked, err error) {
	m, err := e.Loader.Current(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(e.Project.StateDir(), "checking-")
	if err != nil {
		return nil, fmt.Errorf("stage checks: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := e.Warehouse(ctx, warehouse.Config{Memory: e.engineMemory(1), Threads: e.Threads, Temp: filepath.Join(dir, "spill"), Dirs: []string{dir, e.TargetRoot}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	r := &run{Engine: e, before: m, results: map[string]*result{}, unreadable: map[string]error{}}
	r.LogicalTime = e.Clock()
	exposed := &exposure{run: r, w: w, seen: map[string]bool{}}
	out := &Checked{Snapshot: m.Snapshot, Checks: []check.Result{}, Skipped: []string{}}
	for _, n := range nodes {
		if len(n.Checks) == 0 {
			continue
		}
		published := m.Table(nameOf(n))
		if published == nil {
			out.Skipped = append(out.Skipped, n.Name())
			continue
		}
		exposed.name(ctx, n.Name())
		if why := r.unreadable[n.Name()]; why != nil {
			return nil, fmt.Errorf("%s cannot be read: %w", n.Name(), why)
		}
		a, err := r.newAudit(n, &journal.Step{}, w, dir)
		if err != nil {
			return nil, err
		}
		var failed *ChecksError
		if err := a.judge(ctx, &published.Version, n.Checks); err != nil && !errors.As(err, &failed) {
			return nil, fmt.Errorf("check %s: %w", n.Name(), err)
		}
		out.Checks = append(out.Checks, a.results...)
	}
	return out, nil
}
