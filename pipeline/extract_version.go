package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// version decides what the landed parts make of the table.
func (x *extraction) version(ctx context.Context, w *extract.Window, parts []journal.Part) ([]load.Table, error) {
	t := &load.Table{Kind: string(models.KindStream), Mode: x.node.Stream.Mode, ReadFrom: x.readFrom(), Of: w.Of, OrderedBy: x.node.Stream.Cursor, Cursor: string(w.Hi), AsOf: (*load.AsOf)(w.AsOf), Reconciled: x.reconciled(), Description: x.node.Description}
	if t.Of == "" && x.before != nil {
		t.Of = x.before.Of
	}
	if x.selection.Backfill != nil { // the table stands where it stood: only what it holds of the past is another
		t.Cursor, t.AsOf = x.before.Cursor, x.before.AsOf
	}
	if x.replay == nil && x.selection.Backfill == nil {
		t.Fingerprint = &load.Fingerprint{Definition: *x.Project.Definition(x.node), State: w.State}
	}
	parts, keys := x.apart(w, parts)
	var read, landed, rejected int64
	for _, p := range parts {
		read, landed, rejected = read+p.Read, landed+p.Landed, rejected+p.Rejected
		if p.Rejects != nil {
			t.Rejects = append(t.Rejects, load.Rejects(*p.Rejects))
		}
	}
	equation := extractEquation(read, landed, rejected)
	x.step.Rejected, x.step.Equations = rejected, []warehouse.Equation{equation}
	if !equation.Closes() {
		return nil, fmt.Errorf("%w: %s", ErrEquation, equation)
	}
	if limit := x.node.Stream.MaxRejects; limit.Exceeded(rejected, read) {
		return nil, &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: fmt.Errorf("%d of %d records were rejected, more than max_rejects: %s", rejected, read, limit),
			Hint: fmt.Sprintf("millrace rejects list %s shows them with their reasons; raise max_rejects when they may be left out; if it is the guessed types that are wrong, millrace plan --pin writes what the files say now", x.node.Name())}
	}
	x.phase(x.node.Name(), "build")
	if err := x.guardStill(w, landed); err != nil {
		return nil, err
	}
	if err := x.guard(landed); err != nil {
		return nil, err
	}
	if len(parts) == 0 && keys == nil {
		return x.nothing(ctx, t)
	}
	if w.Covers != nil && x.node.Stream.Mode == string(extract.Append) {
		if err := x.cutOut(ctx, w.Covers, parts); err != nil {
			return nil, err
		}
	}
	tables, err := x.audited(ctx, t, w, parts, keys)
	x.step.Rows, x.step.Bytes, x.step.Equations = t.Rows, x.bytes, t.Equations
	return tables, err
}

// still says whether the published table is what reading the stream once more would give: what dbt calls a source is at rest between loads,
// and what is built of it need not be built again. Other streams are read in each run.
func (x *extraction) still(w *extract.Window) bool {
	s, before := x.node.Stream, x.before
	if !s.OfDBT || s.Mode != string(extract.Full) || before == nil || w.State == "" || !x.mayKeep(x.node) {
		return false
	}
	old := before.Fingerprint
	if old == nil || old.State != w.State || before.ReadFrom != x.readFrom() || missing(before) != "" {
		return false
	}
	changed := slices.ContainsFunc(x.Project.Definition(x.node).Changes(&old.Definition), models.Change.Decides)
	return !changed && !slices.ContainsFunc(x.node.Checks, func(c *models.Check) bool { return c.Quarantines() })
}

// keep counts the published table where it lies and judges it.
func (x *extraction) keep(ctx context.Context) error {
	found, err := recounted(x.before)
	if err != nil {
		return err
	}
	x.step.Unchanged, x.step.Rows, x.step.Equations = true, x.before.Rows, []warehouse.Equation{found}
	if err := closes(x.step.Equations); err != nil {
		return err
	}
	return x.explain(x.idle(ctx, &x.before.Version))
}

// apart tells the parts with rows from those with the keys of all rows. keys is nil when no keys were asked for.
func (x *extraction) apart(w *extract.Window, parts []journal.Part) (rows, keys []journal.Part) {
	ofKeys := map[string]bool{}
	for _, s := range w.Slices {
		if s.Keys {
			ofKeys[s.ID], keys = true, []journal.Part{}
		}
	}
	for _, p := range parts {
		if ofKeys[p.Slice] {
			keys = append(keys, p)
		} else {
			rows = append(rows, p)
		}
	}
	return rows, keys
}

// nothing is the outcome of a window without slices: the table stays as it is, or, when a whole snapshot was asked
// for and the guard has let it pass, it becomes empty.
func (x *extraction) nothing(ctx context.Context, t *load.Table) ([]load.Table, error) {
	if x.before == nil {
		return nil, &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: errors.New("there is nothing to read, and nothing was ever read: the table's columns are unknown"),
			Hint: "check the stream's path, or wait for the first delivery"}
	}
	t.Delivered = x.before.Delivered
	if x.node.Stream.Mode == string(extract.Full) {
		t.Version = warehouse.Version{Name: nameOf(x.node), Columns: x.before.Columns}
		t.Equations = x.step.Equations
		if err := x.idle(ctx, &t.Version); err != nil {
			return nil, err
		}
		return x.unaudited(x.node, *t, true)
	}
	x.step.Rows = x.before.Rows
	if err := x.idle(ctx, &x.before.Version); err != nil {
		return nil, err
	}
	if t.Cursor == "" {
		t.Cursor = x.before.Cursor
	}
	if t.Cursor == x.before.Cursor && t.ReadFrom == x.before.ReadFrom && t.Of == x.before.Of && t.OrderedBy == x.before.OrderedBy {
		return nil, nil
	}
	t.Version, t.Rules = x.before.Version, x.before.Rules
	t.Equations = x.step.Equations
	return []load.Table{*t}, nil
}
