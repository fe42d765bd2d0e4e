package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// assemble makes the stream's new version of the published one and the landed files.
func (x *extraction) assemble(ctx context.Context, t *load.Table, w *extract.Window, parts, keys []journal.Part) error {
	var before *warehouse.Version
	if x.before != nil && x.node.Stream.Mode != string(extract.Full) {
		before = x.base()
	}
	t.Equations = x.step.Equations
	if x.node.Stream.Mode == string(extract.Incremental) {
		return x.merge(ctx, t, w, before, parts, keys)
	}
	files, columns, err := filesOf(parts)
	if err != nil {
		return err
	}
	version, equation, err := warehouse.Append(before, nameOf(x.node), files, columns)
	if err != nil {
		return err
	}
	t.Version = *version
	t.Equations = append(t.Equations, equation)
	return closes(t.Equations)
}

// filesOf are the files of parts, and the columns that hold all of theirs.
func filesOf(parts []journal.Part) (files []warehouse.File, columns []warehouse.Column, err error) {
	for _, p := range parts {
		if columns, err = warehouse.UnionColumns(columns, p.Columns); err != nil {
			return nil, nil, fmt.Errorf("join parts: %w", err)
		}
		files = append(files, p.File)
	}
	return files, columns, nil
}

// states groups parts by the state of the source that they were read in, in the order in which they were. What a window was
// extended by is a group of its own, also where the rest of the window was read in the same state: it holds rows of the
// rest again, and each group is to have a key once.
func states(parts []journal.Part) [][]journal.Part {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b journal.Part) int { return a.LandedAt.Compare(b.LandedAt) })
	var groups [][]journal.Part
	at := map[string]int{}
	for _, p := range parts {
		_, extension, _ := strings.Cut(p.Slice, "@")
		id := p.Detail["as_of"] + "@" + extension
		i, known := at[id]
		if !known {
			i, at[id] = len(groups), len(groups)
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}

// merge brings the landed parts into the keyed table, state by state: a row of a later state replaces that of an earlier
// one, whatever its cursor says. The keys are of the last state, and come last.
func (x *extraction) merge(ctx context.Context, t *load.Table, window *extract.Window, before *warehouse.Version, parts, keys []journal.Part) error {
	folder := filepath.Join(x.runDir(x.ID), fileName(x.node.Name()))
	dir := filepath.Join(folder, "merge")
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("stage merge: %w", err)
	}
	w, err := x.Warehouse(ctx, warehouse.Config{Memory: x.engineMemory(x.width()), Threads: x.Threads,
		Temp: filepath.Join(folder, "spill"), Dirs: x.checkPlaces()})
	if err != nil {
		return err
	}
	defer w.Close()
	groups := states(parts)
	if !window.Latest || len(groups) == 0 {
		groups = [][]journal.Part{parts}
	}
	var written []warehouse.File
	for i, group := range groups {
		in := warehouse.MergeInput{Name: nameOf(x.node), Prev: before, Key: x.node.Stream.Key, Cursor: x.node.Stream.Cursor, Latest: window.Latest, Later: !window.Latest,
			Dir: filepath.Join(dir, fmt.Sprint(i))}
		if i > 0 {
			in.Prev = &t.Version
		}
		if x.selection.Backfill != nil && len(group) > 0 && group[0].Detail["as_of"] != window.AsOf.ID {
			// Landed by an earlier attempt: another run may have published later states of these rows since.
			in.Latest, in.Later = false, true
		}
		if in.Landed, in.Columns, err = filesOf(group); err != nil {
			return err
		}
		if x.node.Stream.Deletes == models.DeletesSoft {
			in.Mark, in.MarkedAt = models.DeletedAt, x.LogicalTime
			if window.AsOf != nil {
				in.MarkedAt = window.AsOf.Time
			}
		}
		if last := i == len(groups)-1; last && keys != nil {
			if in.Present, _, err = filesOf(keys); err != nil {
				return err
			}
			in.HasPresent = true
			if len(group) > 0 && window.AsOf != nil && group[0].Detail["as_of"] != window.AsOf.ID {
				// These rows are of a state before that of the keys, and may be gone from it: first the rows, then the keys.
				out, err := x.mergeStep(ctx, w, t, withoutKeys(in))
				if err != nil {
					return err
				}
				written = append(written, out...)
				in.Prev, in.Landed, in.Columns, in.Dir = &t.Version, nil, nil, filepath.Join(dir, "keys")
			}
		}
		out, err := x.mergeStep(ctx, w, t, in)
		if err != nil {
			return err
		}
		written = append(written, out...)
	}
	written = slices.DeleteFunc(written, func(f warehouse.File) bool { // of one step, and not kept by the next
		return !slices.ContainsFunc(t.Version.Files(), func(kept warehouse.File) bool { return kept.Path == f.Path })
	})
	return errors.Join(closes(t.Equations), x.verify(t.Version, written))
}

func withoutKeys(in warehouse.MergeInput) warehouse.MergeInput {
	in.Present, in.HasPresent = nil, false
	return in
}

// mergeStep is one merge; it sets t's version and gives the files that it wrote.
func (x *extraction) mergeStep(ctx context.Context, w warehouse.Warehouse, t *load.Table, in warehouse.MergeInput) ([]warehouse.File, error) {
	if err := fsx.MkdirAll("merge", in.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("stage merge: %w", err)
	}
	out, err := warehouse.Merge(ctx, w, in)
	if err != nil {
		return nil, err
	}
	t.Version = out.Version
	t.Equations = append(t.Equations, out.Equations...)
	x.tell(out, in.Latest)
	return out.Written, x.guardDeletes(out.Get("published", "deleted")+out.Get("changed", "marked"), out.Get("published", "before"))
}

// tell notes what a merge has found out about the stream.
func (x *extraction) tell(out *warehouse.MergeResult, oneState bool) {
	if x.reconciles {
		x.note(fmt.Sprintf("reconciled: all rows were read; %d were missing, %d had changed, %d were gone", out.Get("landed", "inserted"), out.Get("landed", "updated"),
			out.Get("published", "deleted")+out.Get("changed", "marked")))
	}
	if out.Missed > 0 {
		x.note(fmt.Sprintf("warning: %d rows of the source are not in the table: they were rejected (millrace rejects list), or their cursor never showed them, and a reconcile: reads them", out.Missed))
	}
	if n := out.Get("landed", "superseded"); oneState && n > 0 {
		x.note(fmt.Sprintf("%d rows share their key with another of the same read and were left out: is (%s) the key?", n, strings.Join(x.node.Stream.Key, ", ")))
	}
}

// closes is the last look at a node's equations before anyone relies on them.
func closes(equations []warehouse.Equation) error {
	for _, e := range equations {
		if !e.Closes() {
			return fmt.Errorf("%w: %s", ErrEquation, e)
		}
	}
	return nil
}

// missingColumn names the column that the project asks for, and the nearest that there is.
func (x *extraction) missingColumn(name string, have []string) error {
	hint := "the columns are: " + strings.Join(have, ", ")
	if s := config.Suggest(name, have); s != "" {
		hint = fmt.Sprintf("did you mean %q? %s", s, hint)
	}
	pos := x.node.Stream.Origin.At("key")
	if name == x.node.Stream.Cursor {
		pos = x.node.Stream.Origin.At("cursor")
	}
	return &StepError{Node: x.node.Name(), Pos: pos.String(), Err: fmt.Errorf("missing column %q", name), Hint: hint}
}
