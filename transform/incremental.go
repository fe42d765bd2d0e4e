package transform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// joining brings what a model's SELECT gives into the version before.
type joining struct {
	*Builder
	job     Job
	name    warehouse.Name
	before  *warehouse.Version // as new rows meet it
	written []warehouse.File   // that the version may keep, besides the landed ones
	more    []warehouse.Equation
	gone    []string           // columns of the table that the SELECT does not have any more
	window  string             // a condition: the rows that batches replace
	known   []warehouse.Column // of the version before, as readers know them
	made    []warehouse.Column // of the SELECT, where readers are to find its types
}

// incremental joins what the SELECT gives with the version before.
func (b *Builder) incremental(ctx context.Context, job Job, name warehouse.Name, sql string, columns []warehouse.Column) (*Built, error) {
	j := b.joining(job, name)
	if job.Shape == nil { // no contract says the types
		j.made = columns
	}
	file, columns, err := j.land(ctx, sql, columns)
	if err != nil {
		return nil, err
	}
	return j.divided(ctx, []warehouse.File{file}, columns)
}

func (b *Builder) joining(job Job, name warehouse.Name) *joining {
	j := &joining{Builder: b, job: job, name: name}
	if job.Before != nil {
		j.before, j.known = job.Before.AsStored(), job.Before.Columns
	}
	return j
}

// divided joins the rows that the divider lets through.
func (j *joining) divided(ctx context.Context, landed []warehouse.File, columns []warehouse.Column) (_ *Built, err error) {
	job := j.job
	if job.Divider == nil {
		return j.join(ctx, landed, columns, "merge")
	}
	if landed, columns, err = job.Divider.Files(ctx, landed, columns, nil); err != nil {
		return nil, err
	}
	for round := 1; ; round++ {
		built, err := j.join(ctx, landed, columns, fmt.Sprint("merge-", round))
		if err != nil {
			return nil, err
		}
		passed, _, err := job.Divider.Files(ctx, landed, columns, &built.Version)
		if err != nil {
			return nil, err
		}
		if slices.EqualFunc(passed, landed, func(x, y warehouse.File) bool { return x.Path == y.Path }) {
			return built, nil
		}
		landed = passed
	}
}

// join brings the landed rows into the version before.
func (j *joining) join(ctx context.Context, landed []warehouse.File, columns []warehouse.Column, folder string) (*Built, error) {
	in := warehouse.MergeInput{Name: j.name, Prev: j.before, Landed: landed, Columns: columns, Predicates: j.job.Node.Model.Predicates,
		Dir: filepath.Join(j.job.Dir, folder)}
	if err := os.Mkdir(in.Dir, 0o700); err != nil {
		return nil, err
	}
	switch m := j.job.Node.Model; {
	case m.Strategy == models.StrategyMicrobatch:
		in.Strategy, in.Predicates = warehouse.ReplaceWhere, append([]string{j.window}, m.Predicates...)
	case m.Strategy == models.StrategyInsertOverwrite:
		in.Strategy, in.Key = warehouse.OverwritePartitions, m.PartitionBy
	case m.Strategy == models.StrategyDeleteInsert && len(m.UniqueKey) > 0:
		in.Strategy, in.Key = warehouse.DeleteInsert, m.UniqueKey
	case m.Strategy == models.StrategyMerge:
		in.Strategy, in.Key = warehouse.ByKey, m.UniqueKey
		return j.merge(ctx, in)
	default: // nothing says which rows would have to go
		return j.add(ctx, in)
	}
	out, err := warehouse.Merge(ctx, j.Warehouse, in)
	if err != nil {
		return nil, err
	}
	return j.built(ctx, landed, out.Version, out.Written, out.Equations)
}

// add puts the landed rows beside those that are there.
func (j *joining) add(ctx context.Context, in warehouse.MergeInput) (*Built, error) {
	if err := j.flatten(ctx, in.Dir); err != nil {
		return nil, err
	}
	v, equation, err := warehouse.Append(j.before, j.name, in.Landed, in.Columns)
	if err != nil {
		return nil, err
	}
	return j.built(ctx, in.Landed, *v, nil, []warehouse.Equation{equation})
}

// flatten writes a table that was merged before anew, as rows that nothing hides.
func (j *joining) flatten(ctx context.Context, dir string) error {
	if j.before == nil || len(j.before.Upserts)+len(j.before.Deletes) == 0 {
		return nil
	}
	return j.rewrite(ctx, j.Warehouse.Dialect().Select(*j.before), j.before.Columns, nil, filepath.Join(dir, "flat.parquet"))
}

// rewrite replaces the version that new rows meet by one file.
func (j *joining) rewrite(ctx context.Context, sql string, columns []warehouse.Column, key []string, path string) error {
	f, err := j.Warehouse.Write(ctx, sql, path)
	if err != nil {
		return fmt.Errorf("rewrite %s: %w", j.name, err)
	}
	j.more = append(j.more, warehouse.Equation{Name: "rewritten", Rows: f.Rows, Terms: []warehouse.Term{{Name: "before", Rows: j.before.Rows}}})
	j.written = append(j.written, f)
	j.before = &warehouse.Version{Name: j.name, Columns: columns, Key: key, Base: []warehouse.File{f}, Rows: f.Rows}
	return nil
}

// merge keeps one row a key. Rows that are there keep what the model says, and what its SELECT does not give any more.
func (j *joining) merge(ctx context.Context, in warehouse.MergeInput) (*Built, error) {
	m := j.job.Node.Model
	if j.before != nil {
		in.Keep = append(kept(m, in.Columns), j.gone...)
	}
	for _, k := range in.Key {
		if !has(in.Columns, k) {
			return nil, &Error{Pos: m.Path + ":1:1", Err: fmt.Errorf("unique_key: the SELECT has no column %q", k), Hint: "the columns are: " + strings.Join(warehouse.Names(in.Columns), ", ")}
		}
	}
	keyless, repeated, err := warehouse.KeysOf(ctx, j.Warehouse, j.Warehouse.Dialect().Scan(in.Landed, in.Columns), in.Key)
	switch {
	case err != nil:
		return nil, err
	case repeated > 0: // which of them is to win would be up to chance
		return nil, &Error{Pos: m.Path + ":1:1", Err: fmt.Errorf("%d rows of the SELECT repeat a unique_key (%s)", repeated, strings.Join(m.UniqueKey, ", ")),
			Hint: "let the SELECT give one row a key: group by it, or take arg_max"}
	case keyless > 0 || j.before != nil && len(j.before.Key) == 0:
		return j.mergeUnkeyed(ctx, in)
	}
	out, err := warehouse.Merge(ctx, j.Warehouse, in)
	var hidden *warehouse.HiddenError
	if errors.As(err, &hidden) {
		return nil, &Error{Pos: m.Path + ":1:1", Err: fmt.Errorf("incremental_predicates: %w", err),
			Hint: "the merge would add them beside those, and the key would be there twice: widen the predicates, or let the SELECT give fewer rows"}
	}
	if err != nil {
		return nil, err
	}
	return j.built(ctx, in.Landed, out.Version, out.Written, out.Equations)
}

// mergeUnkeyed merges where the key does not tell every row: one with a NULL in it meets none, and is added, as in dbt; and a table that was
// made in another way may have several rows of a key. The table gets its key, by which later merges need not rewrite it, once it has one.
func (j *joining) mergeUnkeyed(ctx context.Context, in warehouse.MergeInput) (*Built, error) {
	in.Strategy = warehouse.DeleteInsert
	out, err := warehouse.Merge(ctx, j.Warehouse, in)
	if err != nil {
		return nil, err
	}
	keyless, repeated, err := warehouse.KeysOf(ctx, j.Warehouse, j.Warehouse.Dialect().Select(out.Version), in.Key)
	if err != nil {
		return nil, err
	}
	if keyless+repeated == 0 {
		for _, k := range in.Key {
			out.Version.Key = append(out.Version.Key, out.Version.Columns[find(out.Version.Columns, k)].Name)
		}
	}
	return j.built(ctx, in.Landed, out.Version, out.Written, out.Equations)
}

// kept are the columns that the model's merge leaves as they are in rows that it finds.
func kept(m *models.Model, landed []warehouse.Column) []string {
	var names []string
	for _, c := range landed {
		if m.MergeUpdate != nil && !named(m.MergeUpdate, c.Name) || named(m.MergeExclude, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

func (j *joining) built(ctx context.Context, landed []warehouse.File, v warehouse.Version, written []warehouse.File, equations []warehouse.Equation) (*Built, error) {
	for _, f := range v.Files() {
		if slices.ContainsFunc(j.written, func(own warehouse.File) bool { return own.Path == f.Path }) {
			written = append(written, f)
		}
	}
	if j.job.Shape == nil { // else a contract says what they are
		v.Columns = warehouse.Remade(v.Columns, j.known, j.made)
	}
	return j.Builder.built(ctx, v, landed, written, slices.Concat(j.more, equations)...)
}

// named says whether a name is among others, but for case.
func named(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// has says whether there is a column of the name.
func has(columns []warehouse.Column, name string) bool { return find(columns, name) >= 0 }

func find(columns []warehouse.Column, name string) int {
	return slices.IndexFunc(columns, func(c warehouse.Column) bool { return strings.EqualFold(c.Name, name) })
}
