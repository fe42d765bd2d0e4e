package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// Checked is what Check and Judge found.
type Checked struct {
	Snapshot int64          `json:"snapshot"` // that was looked at; 0: none, the tables were read where they are
	Tables   []CheckedTable `json:"tables"`   // that were looked at
	Checks   []check.Result `json:"checks"`
	Skipped  []string       `json:"skipped"` // nodes that have no checks
}

// CheckedTable is a table that was looked at.
type CheckedTable struct {
	Name     string    `json:"table"`
	Kind     string    `json:"kind"`
	From     string    `json:"from,omitempty"` // where its rows are, when they are not published
	Rows     int64     `json:"rows"`
	Notes    []string  `json:"notes"`
	Error    string    `json:"error,omitempty"` // why it could not be read
	Hint     string    `json:"hint,omitempty"`
	Missing  bool      `json:"unpublished,omitempty"` // there is no table to judge yet, which Error says too
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
}

// fail keeps why the node's table could not be read, and what to do about it.
func (t *CheckedTable) fail(n *models.Node, err error, redact func(string) string) {
	var hinted interface{ Hint() string }
	var step *StepError
	if errors.As(err, &step) {
		err, t.Hint = step.Err, step.Hint
	} else if errors.As(err, &hinted) {
		t.Hint = hinted.Hint()
	}
	t.Error, t.Hint = redact(shown(n, err).Error()), redact(t.Hint)
}

func newChecked() *Checked {
	return &Checked{Tables: []CheckedTable{}, Checks: []check.Result{}, Skipped: []string{}}
}

// Failed says whether a check failed or could not be run, be it that its table is not published.
func (c *Checked) Failed() bool {
	return slices.ContainsFunc(c.Tables, func(t CheckedTable) bool { return t.Missing }) ||
		slices.ContainsFunc(c.Checks, func(r check.Result) bool { return r.Status.Bad() })
}

// Unread says whether a table that is there could not be read.
func (c *Checked) Unread() bool {
	return slices.ContainsFunc(c.Tables, func(t CheckedTable) bool { return t.Error != "" && !t.Missing })
}

// Check judges the nodes' published tables by all their checks. It publishes nothing, diverts nothing and keeps nothing: rows
// that a quarantining check would divert are counted. Files go below dir.
func (e *Engine) Check(ctx context.Context, nodes []*models.Node, dir string) (*Checked, error) {
	return e.CheckBy(ctx, nodes, dir, nil)
}

// CheckBy is Check by some of the checks only; nil means all of them.
func (e *Engine) CheckBy(ctx context.Context, nodes []*models.Node, dir string, chosen map[*models.Check]bool) (_ *Checked, err error) {
	m, err := e.Loader.Current(ctx)
	if err != nil {
		return nil, err
	}
	engine, err := e.Warehouse(ctx, warehouse.Config{Memory: e.engineMemory(1), Threads: e.Threads, Temp: filepath.Join(dir, "spill"),
		Dirs: []string{dir, e.TargetRoot}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	w := e.onDemand(engine, m, "check", dir)
	r := &run{Engine: e, before: m, results: map[string]*result{}, unreadable: map[string]error{}}
	r.LogicalTime = e.Clock()
	r.templatesOnce.Do(func() { r.templates = transform.Run{Started: r.LogicalTime, Command: "test"} })
	if err := e.startHooks(ctx, engine, m, r.templates); err != nil {
		return nil, err
	}
	exposed := &exposure{run: r, w: w, seen: map[string]bool{}}
	out := newChecked()
	out.Snapshot = m.Snapshot
	for _, n := range nodes {
		checks := slices.DeleteFunc(slices.Clone(n.Checks), func(c *models.Check) bool { return chosen != nil && !chosen[c] })
		if len(checks) == 0 {
			continue
		}
		version, err := exposed.judged(ctx, n)
		if err != nil {
			return nil, err
		}
		if version == nil {
			out.Tables = append(out.Tables, e.unpublished(n, len(checks)))
			continue
		}
		told := CheckedTable{Name: n.Name(), Kind: string(n.Kind), Rows: version.Rows, Notes: []string{}, Started: e.Clock()}
		a, err := r.newAudit(n, &journal.Step{}, w, dir)
		if err != nil {
			return nil, err
		}
		var failed *ChecksError
		if err := a.judge(ctx, version, checks); err != nil && !errors.As(err, &failed) {
			return nil, fmt.Errorf("check %s: %w", n.Name(), err)
		}
		out.Checks = append(out.Checks, a.results...)
		told.Finished = e.Clock()
		out.Tables = append(out.Tables, told)
	}
	return out, nil
}

// judged exposes what is published of a node, or of an ephemeral model what its SELECT gives of what is published; nil when nothing is.
func (x *exposure) judged(ctx context.Context, n *models.Node) (*warehouse.Version, error) {
	tables := []*models.Node{n}
	isEphemeral := n.Model != nil && n.Model.Materialized == models.Ephemeral
	if isEphemeral {
		tables = reads(n)
	}
	for _, one := range tables {
		if x.before.Table(nameOf(one)) == nil {
			return nil, nil
		}
		x.name(ctx, one.Name())
		if why := x.unreadable[one.Name()]; why != nil {
			return nil, fmt.Errorf("%s cannot be read: %w", one.Name(), why)
		}
	}
	if !isEphemeral {
		return &x.before.Table(nameOf(n)).Version, nil
	}
	return x.inPlace(ctx, x.judging(x.w), n)
}

// unpublished tells of a node that it has no table to judge: its first run may be yet to come, or have failed by these very checks.
func (e *Engine) unpublished(n *models.Node, checks int) CheckedTable {
	were := "its one check was not run"
	if checks > 1 {
		were = fmt.Sprintf("its %d checks were not run", checks)
	}
	now := e.Clock()
	return CheckedTable{Name: n.Name(), Kind: string(n.Kind), Notes: []string{}, Started: now, Finished: now, Missing: true,
		Error: "it is not published: " + were, Hint: "`millrace run " + n.Name() + "` builds it, judges it and publishes what passes"}
}
