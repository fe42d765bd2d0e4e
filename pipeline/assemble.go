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
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// assemble makes the stream's new version of the published one and the landed files.
func (x *extraction) assemble(ctx context.Context, t *load.Table, parts []journal.Part) error {
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
		return x.merge(ctx, t, before, files, columns)
	}
	version, equation, err := warehouse.Append(before, nameOf(x.node), files, columns)
	if err != nil {
		return err
	}
	t.Version = *version
	t.Equations = append(t.Equations, equation)
	return closes(t.Equations)
}

// merge brings the landed files into the keyed table.
func (x *extraction) merge(ctx context.Context, t *load.Table, before *warehouse.Version, files []warehouse.File, columns []warehouse.Column) error {
	if before != nil && !x.reconciles {
		added := slices.DeleteFunc(schemaChanges(before.Columns, columns), func(c SchemaChange) bool { return c.Kind != "added" })
		for _, note := range driftNotes(x.node, added) {
			x.note(note)
		}
	}
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
	out, err := warehouse.Merge(ctx, w, warehouse.MergeInput{Name: nameOf(x.node), Prev: before, Landed: files, Columns: columns,
		Key: x.node.Stream.Key, Cursor: x.node.Stream.Cursor, Dir: dir})
	if err != nil {
		return err
	}
	t.Version = out.Version
	t.Equations = append(t.Equations, out.Equations...)
	return errors.Join(closes(t.Equations), x.verify(out.Version, out.Written))
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
