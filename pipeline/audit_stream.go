package pipeline

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// afterParents sorts streams so that each stands behind those that its checks read: it may wait for them without keeping
// them from their turn.
func afterParents(streams []*models.Node) []*models.Node {
	var sorted []*models.Node
	var visit func(*models.Node)
	visit = func(n *models.Node) {
		if slices.Contains(sorted, n) || !slices.Contains(streams, n) {
			return
		}
		for _, p := range n.After {
			visit(p)
		}
		sorted = append(sorted, n)
	}
	for _, n := range streams {
		visit(n)
	}
	return sorted
}

// awaitParents waits until the streams that the checks read are done.
func (x *extraction) awaitParents(ctx context.Context) error {
	for _, p := range x.node.After {
		if done := x.ended[p]; done != nil {
			select {
			case <-done:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if culprit := x.failedNeed(x.node); culprit != "" {
		return &upstreamError{culprit}
	}
	return nil
}

// audited assembles the stream's new version of those rows of the parts that pass its checks, and judges it.
func (x *extraction) audited(ctx context.Context, t *load.Table, w *extract.Window, parts, keys []journal.Part) (_ []load.Table, err error) {
	if len(x.node.Checks) == 0 {
		return []load.Table{*t}, x.assembleGuarded(ctx, t, w, parts, keys)
	}
	if err := x.awaitParents(ctx); err != nil {
		return nil, err
	}
	a, done, err := x.openAudit(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.save(ctx)); done() }()
	a.from = origins(parts)
	if err := x.divide(ctx, a, t, w, parts, keys); err != nil {
		return nil, err
	}
	_, judging := split(x.node)
	if err := a.judgeAll(ctx, &t.Version, judging); err != nil {
		return nil, err
	}
	t.Rules = a.settled
	return a.with(*t)
}

// openAudit opens an engine for the checks of the stream.
func (x *extraction) openAudit(ctx context.Context) (*audit, func(), error) {
	w, err := x.Warehouse(ctx, warehouse.Config{Memory: x.engineMemory(x.width()), Threads: x.Threads,
		Temp: filepath.Join(x.runDir(x.ID), fileName(x.node.Name())+".checking"), Dirs: x.checkPlaces()})
	if err != nil {
		return nil, nil, err
	}
	a, err := x.newAudit(x.node, x.step, w, x.runDir(x.ID))
	if err == nil {
		a.source, a.asOf = x.source, x.asOf
		err = a.forget()
	}
	if err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	return a, func() { _ = w.Close() }, nil
}

// origins tells where each part's rows came from: the files of the source, or the slice.
func origins(parts []journal.Part) map[string]string {
	from := map[string]string{}
	for _, p := range parts {
		if from[p.File.Path] = p.Detail["files"]; from[p.File.Path] == "" {
			from[p.File.Path] = "slice " + p.Slice
		}
	}
	return from
}

// divide takes the rows that fail out of the parts and assembles the version of the others.
func (x *extraction) divide(ctx context.Context, a *audit, t *load.Table, w *extract.Window, parts, keys []journal.Part) error {
	files, columns, err := filesOf(parts)
	if err != nil {
		return err
	}
	var passed []warehouse.File
	if x.node.Stream.Mode != string(extract.Incremental) { // nothing is merged: new rows stand beside those that are there
		diverting, _ := split(x.node)
		rows, err := a.rows(files, columns)
		if err != nil {
			return err
		}
		if x.before != nil && x.node.Stream.Mode == string(extract.Append) {
			rows.Among = a.Warehouse.Dialect().Select(x.before.Version) + "\nUNION ALL BY NAME\n" + a.Warehouse.Dialect().Scan(files, columns)
		}
		if passed, err = a.divide(ctx, rows, diverting); err != nil {
			return err
		}
		return x.assembleGuarded(ctx, t, w, replaceFiles(parts, passed, columns), keys)
	}
	if passed, err = a.Files(ctx, files, columns, nil); err != nil {
		return err
	}
	for round := 1; ; round++ {
		if round > maxRounds {
			return x.refuse("run it with --full-refresh, or use severity: error", "what must be unique is still not after %d merges: each row that is kept out brings back one that another repeats", maxRounds)
		}
		parts = replaceFiles(parts, passed, columns)
		if err := x.assembleGuarded(ctx, t, w, parts, keys); err != nil {
			return err
		}
		if err := a.Warehouse.Expose(ctx, t.Version); err != nil {
			return err
		}
		again, err := a.Files(ctx, passed, columns, &t.Version)
		if err != nil {
			return err
		}
		if slices.EqualFunc(again, passed, func(x, y warehouse.File) bool { return x.Path == y.Path }) {
			return nil
		}
		passed = again
	}
}

// maxRounds is how often rows are merged anew because one of them repeats what must be unique.
const maxRounds = 10

// replaceFiles gives the parts the files that stand for theirs.
func replaceFiles(parts []journal.Part, files []warehouse.File, columns []warehouse.Column) []journal.Part {
	parts = slices.Clone(parts)
	for i := range parts {
		if parts[i].File.Path != files[i].Path {
			parts[i].File, parts[i].Columns = files[i], columns
		}
	}
	return parts
}

// assembleGuarded refuses a version that is most likely a broken source's.
func (x *extraction) assembleGuarded(ctx context.Context, t *load.Table, w *extract.Window, parts, keys []journal.Part) error {
	if err := x.assemble(ctx, t, w, parts, keys); err != nil || len(parts) == 0 {
		return err
	}
	return x.guard(t.Rows) // once more: with a wrong key most of what landed is merged away
}

// idle judges a table to which nothing was added: its age, the rules and what they compare with may have changed.
func (x *extraction) idle(ctx context.Context, v *warehouse.Version) (err error) {
	if len(x.node.Checks) == 0 {
		return nil
	}
	if err := x.awaitParents(ctx); err != nil {
		return err
	}
	diverting, judging := split(x.node)
	a, done, err := x.openAudit(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.save(ctx)); done() }()
	for _, c := range diverting {
		a.add(check.NoRows(c))
	}
	return a.judgeAll(ctx, v, judging)
}
