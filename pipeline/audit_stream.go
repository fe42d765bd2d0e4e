package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

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
	_, columns, err := filesOf(parts)
	if err != nil {
		return nil, err
	}
	drift := x.drift(columns)
	follows := len(keys) == 0 || x.node.Stream.OnSchemaChange == models.SchemaEvolves // else the keys must become the table's too
	if len(x.node.Checks) == 0 && drift == nil && follows {
		err := x.assembleGuarded(ctx, t, w, parts, keys)
		if err != nil {
			return nil, err
		}
		t.Delivered = x.delivered(&t.Version, columns)
		return x.unaudited(x.node, *t, x.anew())
	}
	if err := x.awaitParents(ctx); err != nil {
		return nil, err
	}
	a, done, err := x.openAudit(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.save(ctx)); done() }()
	a.from, a.drift = origins(parts), drift
	if parts, err = x.follow(ctx, a, parts); err != nil {
		return nil, err
	}
	if err := x.fit(a, columns); err != nil {
		return nil, err
	}
	if keys, err = a.convertKeys(ctx, keys); err != nil {
		return nil, err
	}
	if err := x.divide(ctx, a, t, w, parts, keys); err != nil {
		return nil, err
	}
	t.Delivered = x.delivered(&t.Version, columns)
	_, judging := split(x.node)
	if err := a.judgeAll(ctx, &t.Version, judging); err != nil {
		return nil, err
	}
	t.Rules = a.settled
	return a.with(ctx, *t)
}

// anew says that the stream's new version takes no row of the published one.
func (x *extraction) anew() bool {
	return x.before == nil || x.node.Stream.Mode == string(extract.Full)
}

// openAudit opens an engine for the checks of the stream.
func (x *extraction) openAudit(ctx context.Context) (*audit, func(), error) {
	w, err := x.Warehouse(ctx, warehouse.Config{Memory: x.engineMemory(x.width()), Threads: x.Threads,
		Temp: filepath.Join(x.runDir(x.ID), fileName(x.node.Name())+".checking"), Dirs: x.checkPlaces()})
	if err != nil {
		return nil, nil, err
	}
	var a *audit
	if err = x.startHooks(ctx, w, x.run.before, x.forTemplates()); err == nil {
		a, err = x.newAudit(x.node, x.step, w, x.runDir(x.ID))
	}
	if err == nil {
		a.source, a.asOf, a.anew, a.stillOut = x.source, x.asOf, x.anew(), x.stillOut
		err = a.forget()
	}
	if err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	return a, func() { _ = w.Close() }, nil
}

// origin tells where a part's rows came from: the files of the source, or the slice.
type origin struct {
	where string
	// numbered says that a row's number in the part is its number there: one file, of which nothing was rejected, and so few
	// rows that the engine cannot have written them in another order.
	numbered bool
}

// vector is how many rows DuckDB never parts (STANDARD_VECTOR_SIZE).
const vector = 2048

func origins(parts []journal.Part) map[string]origin {
	from := map[string]origin{}
	for _, p := range parts {
		files := p.Detail["files"]
		if files == "" {
			from[p.File.Path] = origin{where: "slice " + p.Slice}
			continue
		}
		from[p.File.Path] = origin{files, !strings.Contains(files, ", ") && p.Seq == 0 && p.Resume == "" && p.Read == p.Landed && p.Landed <= vector}
	}
	return from
}

// divide takes the rows that fail out of the parts and assembles the version of the others.
func (x *extraction) divide(ctx context.Context, a *audit, t *load.Table, w *extract.Window, parts, keys []journal.Part) error {
	files, columns, err := filesOf(parts)
	if err != nil {
		return err
	}
	if x.node.Stream.Mode != string(extract.Incremental) { // nothing is merged: new rows stand beside those that are there
		diverting, _ := split(x.node)
		rows, err := a.rows(files, columns)
		if err != nil {
			return err
		}
		if x.before != nil && x.node.Stream.Mode == string(extract.Append) {
			rows.Among = a.Warehouse.Dialect().Select(*x.base()) + "\nUNION ALL BY NAME\n" + a.Warehouse.Dialect().Scan(files, columns)
		}
		passed, columns, err := a.divide(ctx, rows, diverting)
		if err != nil {
			return err
		}
		return x.assembleGuarded(ctx, t, w, replaceFiles(parts, passed, columns), keys)
	}
	return a.merged(ctx, files, columns, func(passed []warehouse.File, columns []warehouse.Column) (*warehouse.Version, error) {
		parts = replaceFiles(parts, passed, columns)
		return &t.Version, x.assembleGuarded(ctx, t, w, parts, keys)
	})
}

// maxRounds is how often rows are merged anew because one of them repeats what must be unique.
const maxRounds = 10

// merged divides rows that are merged by a key: join makes a version of those that pass, until no row of it fails.
func (a *audit) merged(ctx context.Context, files []warehouse.File, columns []warehouse.Column, join func(passed []warehouse.File, columns []warehouse.Column) (*warehouse.Version, error)) error {
	passed, columns, err := a.Files(ctx, files, columns, nil)
	if err != nil {
		return err
	}
	for range maxRounds {
		v, err := join(passed, columns)
		if err != nil {
			return err
		}
		if err := a.Warehouse.Expose(ctx, *v); err != nil {
			return err
		}
		again, _, err := a.Files(ctx, passed, columns, v)
		if err != nil {
			return err
		}
		if slices.EqualFunc(again, passed, func(x, y warehouse.File) bool { return x.Path == y.Path }) {
			return nil
		}
		passed = again
	}
	return &StepError{Node: a.node.Name(), Pos: a.node.Pos.String(), Hint: "run it with --full-refresh, or use severity: error",
		Err: fmt.Errorf("what must be unique is still not after %d merges: each row that is kept out brings back one that another repeats", maxRounds)}
}

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
