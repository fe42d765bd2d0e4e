package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	var files []warehouse.File
	var columns []warehouse.Column
	for _, p := range parts {
		var err error
		if columns, err = warehouse.UnionColumns(columns, p.Columns); err != nil {
			return fmt.Errorf("join parts: %w", err)
		}
		files = append(files, p.File)
	}
	var before *warehouse.Version
	if x.before != nil && x.node.Stream.Mode != string(extract.Full) {
		before = &x.before.Version
	}
	t.Equations = x.step.Equations
	if x.node.Stream.Mode == string(extract.Incremental) {
		return x.merge(ctx, t, w, warehouse.MergeInput{Prev: before, Landed: files, Columns: columns, Present: filesOf(keys), HasPresent: keys != nil})
	}
	version, equation, err := warehouse.Append(before, nameOf(x.node), files, columns)
	if err != nil {
		return err
	}
	t.Version = *version
	t.Equations = append(t.Equations, equation)
	return closes(t.Equations)
}

func filesOf(parts []journal.Part) []warehouse.File {
	var files []warehouse.File
	for _, p := range parts {
		files = append(files, p.File)
	}
	return files
}

// merge brings the landed files into the keyed table.
func (x *extraction) merge(ctx context.Context, t *load.Table, window *extract.Window, in warehouse.MergeInput) error {
	folder := filepath.Join(x.runDir(x.ID), fileName(x.node.Name()))
	dir := filepath.Join(folder, "merge")
	if err := errors.Join(os.RemoveAll(dir), fsx.MkdirAll("merge", dir)); err != nil {
		return fmt.Errorf("stage merge: %w", err)
	}
	w, err := x.Warehouse(ctx, warehouse.Config{Memory: x.engineMemory(x.width()), Threads: x.Threads,
		Temp: filepath.Join(dir, "spill"), Dirs: []string{folder, x.TargetRoot}})
	if err != nil {
		return err
	}
	defer w.Close()
	in.Name, in.Key, in.Cursor, in.Latest, in.Dir = nameOf(x.node), x.node.Stream.Key, x.node.Stream.Cursor, window.Latest, dir
	if x.node.Stream.Deletes == models.DeletesSoft {
		in.Mark, in.MarkedAt = models.DeletedAt, x.LogicalTime
		if window.AsOf != nil {
			in.MarkedAt = window.AsOf.Time
		}
	}
	if in.Prev != nil && x.since() == "" && x.node.Stream.Deletes != models.DeletesIgnored { // all rows were read
		in.Present, in.HasPresent = in.Landed, true
	}
	out, err := warehouse.Merge(ctx, w, in)
	if err != nil {
		return err
	}
	t.Version = out.Version
	t.Equations = append(t.Equations, out.Equations...)
	x.tell(out, window)
	gone := out.Get("published", "deleted") + out.Get("changed", "marked")
	if err := x.guardDeletes(gone, out.Get("published", "before")); err != nil {
		return err
	}
	return errors.Join(closes(t.Equations), x.verify(out.Version, out.Written))
}

// tell notes what a merge has found out about the stream.
func (x *extraction) tell(out *warehouse.MergeResult, w *extract.Window) {
	if x.reconciles {
		x.note(fmt.Sprintf("reconciled: all rows were read; %d were missing, %d had changed, %d were gone", out.Get("landed", "inserted"), out.Get("landed", "updated"),
			out.Get("published", "deleted")+out.Get("changed", "marked")))
	}
	if out.Missed > 0 {
		x.note(fmt.Sprintf("warning: %d rows of the source never showed by their cursor and are not in the table; a reconcile: or --full-refresh reads them", out.Missed))
	}
	if n := out.Get("landed", "superseded"); w.Latest && n > 0 {
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
