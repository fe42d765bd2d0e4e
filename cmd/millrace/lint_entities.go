package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/standardize"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// checkEntities holds what entities say of columns against those that the project's files alone give their sources: a stream whose columns
// are listed, a table with a contract that names all of them, and models of such. Of other sources `millrace plan` finds out.
func checkEntities(ctx context.Context, p *models.Project) (problems config.Problems, err error) {
	if len(p.Entities) == 0 {
		return nil, nil
	}
	w, err := duckdb.Open(ctx, warehouse.Config{Memory: 128 << 20, Threads: 1})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	k := &declared{w: w, builder: &transform.Builder{Project: p, Warehouse: w}, tables: map[*models.Node]bool{}}
	for _, e := range p.Entities {
		for _, err := range k.check(ctx, e) {
			var wrong *match.Error
			if errors.As(err, &wrong) {
				problems = append(problems, placed(p.Dir, &transform.Error{Pos: wrong.Pos.String(), Err: wrong.Err, Hint: wrong.Hint}))
			}
		}
	}
	return append(problems, k.pins...), context.Cause(ctx)
}

// orphans are files of decisions and of weights below entities/ that no entity has: an entity that was renamed has left its own behind.
func orphans(p *models.Project) (problems config.Problems, err error) {
	used, names := map[string]bool{}, []string{}
	for _, e := range p.Entities {
		used[e.Decisions], used[e.Weights] = true, true
		names = append(names, e.Name)
	}
	err = filepath.WalkDir(filepath.Join(p.Dir, "entities"), func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(p.Dir, file)
		if name = filepath.ToSlash(name); err != nil || used[name] {
			return err
		}
		for suffix, key := range map[string]string{".decisions.csv": "decisions", ".weights.json": "weights"} {
			if owner, ok := strings.CutSuffix(path.Base(name), suffix); ok {
				problems = append(problems, &config.Problem{File: name, Line: 1, Column: 1, Severity: config.SeverityWarning,
					Message: fmt.Sprintf("no entity has these %s: no run obeys them", key), Hint: adopt(name, owner, suffix, key, names)})
			}
		}
		return nil
	})
	return problems, err
}

// adopt says how an entity gets a file that none has.
func adopt(name, owner, suffix, key string, names []string) string {
	write := fmt.Sprintf("decisions: %s", name)
	if key == "weights" {
		write = fmt.Sprintf("weights: { from: %s }", name)
	}
	switch {
	case slices.Contains(names, owner):
		return fmt.Sprintf("write `%s` into the file of entity %s, or remove what it does not need", write, owner)
	case len(names) == 0:
		return "the project has no entity: remove it, or bring the entity's file back"
	case key == "weights":
		return fmt.Sprintf("if entity %s has another name now, write `%s` into its file; entities are %s", owner, write, strings.Join(names, ", "))
	}
	return fmt.Sprintf("if entity %s has another name now, name the file after it: entities/NAME%s; entities are %s", owner, suffix, strings.Join(names, ", "))
}

// declared are empty relations of tables whose columns are known before anything is read.
type declared struct {
	w       warehouse.Warehouse
	builder *transform.Builder
	tables  map[*models.Node]bool // whether they are known, of those that were asked for
	pins    config.Problems       // pinned values that are none of their columns' types
}

// check looks at each source that is known by itself, and, where all that the entity reads is, at what none of them has.
func (k *declared) check(ctx context.Context, e *models.Entity) (errs []error) {
	all := true
	for _, n := range e.Node.Needs {
		all = k.known(ctx, n) && all
	}
	if all {
		reading, err := standardize.NewReading(ctx, k.w, e)
		if err != nil {
			return []error{err}
		}
		pins, err := pipeline.PinProblems(ctx, k.w, k.builder.Project, e, reading)
		k.pins = append(k.pins, pins...)
		return []error{err}
	}
	for _, s := range e.Sources {
		if k.tables[s.Node] {
			errs = append(errs, standardize.CheckSource(ctx, k.w, e, s))
		}
	}
	return errs
}

// known makes an empty relation of a table, where its columns are known.
func (k *declared) known(ctx context.Context, n *models.Node) bool {
	known, asked := k.tables[n]
	if asked {
		return known
	}
	columns := k.columns(ctx, n)
	k.tables[n] = len(columns) > 0 && k.w.Expose(ctx, warehouse.Version{Name: warehouse.Name{Schema: n.Schema, Table: n.Table}, Columns: columns}) == nil
	return k.tables[n]
}

// columns are a table's, nil where they are not known.
func (k *declared) columns(ctx context.Context, n *models.Node) (columns []warehouse.Column) {
	if c := n.Contract(); c != nil && c.Extra != models.ExtraAllowed {
		for _, own := range c.Columns {
			columns = append(columns, warehouse.Column{Name: own.Name, Type: own.Type})
		}
		return columns
	}
	switch {
	case n.Stream != nil:
		if listed, ok := n.Stream.Options.(interface{ AllColumns() []extract.Column }); ok {
			for _, own := range listed.AllColumns() {
				columns = append(columns, warehouse.Column{Name: own.Name, Type: own.Type})
			}
		}
	case n.Model != nil && n.Model.Materialized != models.Incremental && n.Model.Materialized != models.Snapshot:
		for _, need := range n.Needs {
			if !k.known(ctx, need) {
				return nil
			}
		}
		_, columns, _ = k.builder.Describe(ctx, transform.Job{Node: n}) // what is wrong with it, plan tells
	}
	return columns
}
