package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/master"
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
func (r *run) matched(ctx context.Context, w warehouse.Warehouse, n *models.Node, s *journal.Step) (*master.Matched, error) {
	if err := r.inputs(ctx, n); err != nil {
		return nil, err
	}
	e := n.Entity
	dir := filepath.Join(r.runDir(r.ID), fileName(n.Name()))
	if err := errors.Join(os.RemoveAll(dir), fsx.MkdirAll("entity", dir, 0o700)); err != nil {
		return nil, fmt.Errorf("stage entity: %w", err)
	}
	job := master.Job{Entity: e, Warehouse: w, Dir: dir, Before: golden.Tables{}, Run: r.ID, At: r.LogicalTime,
		AllowEmpty: r.Selection.AllowEmpty, AllowShrunken: r.Selection.AllowShrunken,
		Full: r.rebuildsModels(), Threads: r.Threads, Memory: r.matchMemory(), Log: r.Log,
		Together: entityFiles(r.Project.Target)}
	for _, part := range models.EntityParts {
		if t := r.before.Table(warehouse.Name{Schema: e.Schema, Table: e.Table(part)}); t != nil {
			job.Before[part] = &t.Version
		}
	}
	job.Progress = func(done, of int64) {
		r.observe(Event{Kind: "progress", Node: n.Name(), Phase: "match", Rows: done, Total: of})
	}
	rulings, err := r.rulings(ctx, w, e)
	if err != nil {
		return nil, err
	}
	job.Rulings = *rulings
	if err := r.pinned(ctx, w, e, rulings); err != nil {
		return nil, err
	}
	if job.Weights, err = r.weights(e); err != nil {
		return nil, err
	}
	if job.Labels, err = r.labels(e, dir); err != nil {
		return nil, err
	}
	if job.At, err = behind(ctx, job); err != nil {
		return nil, err
	}
	built, err := master.Build(ctx, job)
	if err != nil { // nobody takes up what it has written: it may be much, on a disk that is full
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if !job.At.Equal(r.LogicalTime) {
		built.Notes = append(built.Notes, fmt.Sprintf("the run stands for %s, which is before what is published: what it changes holds from %s",
			r.LogicalTime.UTC().Format(time.RFC3339), job.At.UTC().Format(time.RFC3339)))
	}
	s.Notes = append(s.Notes, built.Notes...)
	return built, nil
}

// entityFiles says when the files of an entity's merge log and figures become one. Where something follows the target they never do: it
// takes new files for new rows, and files that are gone for rows that have changed.
func entityFiles(t *models.Target) warehouse.Together {
	if t.Snowflake != nil {
		return warehouse.Together{}
	}
	return warehouse.Together{Files: 32, Rows: 100_000}
}

// behind is the time from which the job's changes hold: that which the run stands for, or one behind all that is published, where that is
// later. No record can leave a golden record before it came to it.
func behind(ctx context.Context, job master.Job) (time.Time, error) {
	v := job.Before[models.PartXref]
	if v == nil {
		return job.At, nil
	}
	d := job.Warehouse.Dialect()
	rows, err := job.Warehouse.Query(ctx, "SELECT CAST(max(greatest(valid_from, coalesce(valid_to, valid_from))) AS VARCHAR) FROM ("+d.Select(*v)+")")
	if err != nil {
		return job.At, err
	}
	text, _ := rows.Rows[0][0].(string)
	if last := timeOf(text); last.After(job.At) {
		return last.Add(time.Microsecond), nil
	}
	return job.At, nil
}

// matchMemory is what matching may hold beside the engine of SQL.
func (r *run) matchMemory() int64 { return r.Memory / 2 }

// entityPart is one of the tables that were made, with its checks.
func (r *run) entityPart(ctx context.Context, w warehouse.Warehouse, n *models.Node, s *journal.Step, built *master.Matched) (_ []load.Table, err error) {
	version := built.Tables[n.Part]
	if version == nil {
		return nil, fmt.Errorf("%s was not made", n.Name())
	}
	if err := r.verify(*version, r.new(n, version)); err != nil {
		return nil, err
	}
	if n.Part == models.PartGolden {
		s.Equations = append(s.Equations, built.Read)
	}
	s.Rows, s.Equations = version.Rows, append(s.Equations, built.Equations[n.Part]...)
	if err := closes(s.Equations); err != nil {
		return nil, err
	}
	t := load.Table{Version: *version, Kind: string(models.KindEntity), Equations: s.Equations, Description: n.Description}
	for _, need := range reads(n) {
		t.Needs = append(t.Needs, need.Name())
	}
	if n.Part == models.PartGolden {
		t.Decisions, t.Standing = built.Decided, built.Standing
	}
	if err := w.Expose(ctx, *version); err != nil {
		return nil, err
	}
	var outcomes []golden.Expected
	if n.Part == models.PartGolden {
		outcomes = built.Expected
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
	if err := a.judgeAll(ctx, version, judging); err != nil {
		return nil, explainModel(n, err)
	}
	t.Rules = a.settled
	return a.with(ctx, t)
}

// keepOut keeps records that could not be standardized, where they outlive the run's staging.
func (a *audit) keepOut(built *master.Matched) error {
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

// new are the version's files that the published one does not have.
func (r *run) new(n *models.Node, v *warehouse.Version) []warehouse.File {
	before := r.before.Table(nameOf(n))
	if before == nil {
		return v.Files()
	}
	return slices.DeleteFunc(v.Files(), func(f warehouse.File) bool {
		return slices.ContainsFunc(before.Version.Files(), func(old warehouse.File) bool { return old.Path == f.Path })
	})
}

// expected is what became of an expectation about the entity's quality, as the result of a check.
func expected(n *models.Node, x golden.Expected) check.Result {
	result := check.Result{Node: n.Name(), Name: "expect_" + x.Expectation.Metric, Kind: "expect", Severity: x.Expectation.Severity, Status: check.StatusPass,
		Expected: x.Bound, Message: fmt.Sprintf("%s was not counted in this run", x.Expectation.Metric), How: check.HowQuery, Pos: x.Expectation.Pos.String(), Owner: n.Owner}
	if !math.IsNaN(x.Value) {
		value := x.Value
		result.Value, result.Message = &value, fmt.Sprintf("%s is %.6g, expected %s", x.Expectation.Metric, value, x.Bound)
	}
	switch {
	case x.Passed:
	case x.Expectation.Severity == models.SeverityWarn:
		result.Status = check.StatusWarn
	default:
		result.Status = check.StatusFail
	}
	return result
}
