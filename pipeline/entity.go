package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/warehouse"
)

// entity makes one of an entity's tables. All of them are made in the step of the golden records, and each is checked in its own.
func (r *run) entity(ctx context.Context, w warehouse.Warehouse, n *models.Node, s *journal.Step) ([]load.Table, error) {
	if n.Part == models.PartGolden {
		built, err := r.matched(ctx, w, n, s)
		if err != nil {
			return nil, explainModel(n, err)
		}
		r.mu.Lock()
		r.matches[n.Entity] = built
		r.mu.Unlock()
	}
	r.mu.Lock()
	built := r.matches[n.Entity]
	r.mu.Unlock()
	if built == nil {
		return nil, fmt.Errorf("the step of %s has made no tables", n.Entity.Node.Name())
	}
	return r.entityPart(ctx, w, n, s, built)
}

// matched builds the entity.
func (r *run) matched(ctx context.Context, w warehouse.Warehouse, n *models.Node, s *journal.Step) (*match.Built, error) {
	if err := r.inputs(n); err != nil {
		return nil, err
	}
	e := n.Entity
	dir := filepath.Join(r.runDir(r.ID), fileName(n.Name()))
	if err := errors.Join(os.RemoveAll(dir), fsx.MkdirAll("entity", dir, 0o700)); err != nil {
		return nil, fmt.Errorf("stage entity: %w", err)
	}
	job := match.Job{Entity: e, Warehouse: w, Dir: dir, Before: map[string]*warehouse.Version{}, Run: r.ID, At: r.LogicalTime,
		Full: r.rebuildsModels(), Threads: r.Threads, Memory: r.matchMemory(), Log: r.Log}
	for _, part := range models.EntityParts {
		if t := r.before.Table(warehouse.Name{Schema: e.Schema, Table: e.Table(part)}); t != nil {
			job.Before[part] = &t.Version
		}
	}
	job.Progress = func(phase string, done, of int64) {
		r.observe(Event{Kind: "progress", Node: n.Name(), Phase: phase, Rows: done, Total: of})
	}
	rulings, err := r.rulings(ctx, w, e)
	if err != nil {
		return nil, err
	}
	job.Rulings = *rulings
	if job.Weights, err = r.weights(e); err != nil {
		return nil, err
	}
	built, err := match.Build(ctx, job)
	if err != nil {
		return nil, err
	}
	s.Notes = append(s.Notes, built.Notes...)
	return built, nil
}

// matchMemory is what matching may hold beside the engine of SQL.
func (r *run) matchMemory() int64 { return r.Memory / 2 }

// entityPart is one of the tables that were made, with its checks.
func (r *run) entityPart(ctx context.Context, w warehouse.Warehouse, n *models.Node, s *journal.Step, built *match.Built) (_ []load.Table, err error) {
	at := slices.IndexFunc(built.Tables, func(t match.BuiltTable) bool { return t.Part == n.Part })
	if at < 0 {
		return nil, fmt.Errorf("%s was not made", n.Name())
	}
	made := built.Tables[at]
	if err := r.verify(made.Version, made.Written); err != nil {
		return nil, err
	}
	if n.Part == models.PartGolden {
		s.Equations = append(s.Equations, built.Equations...)
	}
	s.Rows, s.Equations = made.Version.Rows, append(s.Equations, made.Equations...)
	if err := closes(s.Equations); err != nil {
		return nil, err
	}
	t := load.Table{Version: made.Version, Kind: string(models.KindEntity), Equations: s.Equations, Description: n.Description}
	for _, need := range reads(n) {
		t.Needs = append(t.Needs, need.Name())
	}
	if err := w.Expose(ctx, made.Version); err != nil {
		return nil, err
	}
	var outcomes []match.Outcome
	if n.Part == models.PartGolden {
		outcomes = built.Outcomes
	}
	if len(n.Checks) == 0 && len(outcomes) == 0 && built.Quarantined == nil {
		return r.unaudited(n, t, true)
	}
	a, err := r.newAudit(n, s, w, r.runDir(r.ID))
	if err == nil {
		err = a.forget()
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.save(ctx)) }()
	a.anew = true
	for _, o := range outcomes {
		a.results = append(a.results, expected(n, o))
	}
	if n.Part == models.PartGolden && built.Quarantined != nil {
		if err := a.keepOut(built); err != nil {
			return nil, err
		}
	}
	_, judging := split(n)
	if err := a.judgeAll(ctx, &made.Version, judging); err != nil {
		return nil, explainModel(n, err)
	}
	t.Rules = a.settled
	return a.with(ctx, t)
}

// keepOut keeps records that could not be standardized, where they outlive the run's staging.
func (a *audit) keepOut(built *match.Built) error {
	bad := *built.Quarantined
	if err := a.run.check(bad, check.QuarantineColumns(built.Columns)); err != nil {
		return err
	}
	path := a.quarantinePath("0")
	if err := errors.Join(fsx.MkdirAll("quarantine", filepath.Dir(path), 0o700), fsx.Rename("quarantine", bad.Path, path)); err != nil {
		return fmt.Errorf("keep quarantined records: %w", err)
	}
	bad.Path = path
	a.bad, a.columns = append(a.bad, bad), built.Columns
	return nil
}

// expected is what became of an expectation about the entity's quality, as the result of a check.
func expected(n *models.Node, o match.Outcome) check.Result {
	value := o.Value
	result := check.Result{Node: n.Name(), Name: "expect_" + o.Expectation.Metric, Kind: "expect", Severity: o.Expectation.Severity, Status: check.StatusPass,
		Value: &value, Expected: o.Bound(), Message: o.String(), How: check.HowQuery, Pos: o.Expectation.Pos.String()}
	switch {
	case o.Passed:
	case o.Expectation.Severity == models.SeverityWarn:
		result.Status = check.StatusWarn
	default:
		result.Status = check.StatusFail
	}
	return result
}
