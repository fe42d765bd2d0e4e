package transform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/warehouse"
)

// A microbatch model's SELECT runs once for each batch of time, over those rows of what it reads that lie in the batch. What the
// batches give replaces the rows of their time in one step, and is published together: where one fails, the table stays as it was.

// batch is one of a model's batches.
type batch struct {
	models.Batch
	added bool // the table is there, or one of the batches before has made it
}

// batches are those that the job builds, one at least.
func (b *Builder) batches(job Job) []*batch {
	m, now := job.Node.Model, b.Run.Started
	if now.IsZero() { // nothing runs: the template is only looked at
		now = clock.System()
	}
	var cut []models.Batch
	switch {
	case !b.Run.From.IsZero():
		cut = m.Batches.Between(b.Run.From, b.Run.To)
	case job.Before != nil:
		cut = m.Batches.Latest(now)
	default:
		cut = m.Batches.All(now)
	}
	anew := b.Run.FullRefresh
	if m.FullRefresh != nil {
		anew = *m.FullRefresh
	}
	all := make([]*batch, len(cut))
	for i, c := range cut {
		all[i] = &batch{Batch: c, added: i > 0 && !anew}
	}
	return all
}

// batched is a relation as a batch reads it: the rows of its time, where the relation says when its rows belong.
func (s *session) batched(r jinja.Relation, eventTime string) jinja.Relation {
	if s.job.batch == nil || eventTime == "" {
		return r
	}
	r.Where = s.job.batch.Condition(eventTime)
	return r
}

// runOrBatches makes a version of what a model's template gives: of its SELECT, or of those of its batches.
func (b *Builder) runOrBatches(ctx context.Context, job Job, first *jinja.Output) (*Built, error) {
	if job.Node.Model.Batches == nil {
		return b.run(ctx, job, first.Text)
	}
	g := &gathering{joining: *b.joining(job, warehouse.Name{Schema: job.Node.Schema, Table: job.Node.Table}), all: b.batches(job)}
	if size := job.Node.Model.Batches.Size; len(g.all) >= models.MaxBatches {
		from := g.all[0].Start.Format(time.DateOnly)
		return nil, &Error{Pos: job.Node.Pos.String(), Err: fmt.Errorf("from %s on there are more than %d batches of a %s", from, models.MaxBatches, size),
			Hint: "let it begin later, or choose a larger batch_size"}
	}
	for i := range g.all {
		if err := g.add(ctx, i); err != nil {
			return nil, err
		}
	}
	return g.joined(ctx)
}

// gathering collects what the batches of a model give.
type gathering struct {
	joining
	all     []*batch
	from    int              // the first batch that is not joined yet
	landed  []warehouse.File // of those that are not
	columns []warehouse.Column
	sum     []warehouse.Equation // of those that are
}

// add runs one batch.
func (g *gathering) add(ctx context.Context, i int) error {
	job := g.job
	job.batch, job.Dir = g.all[i], filepath.Join(g.job.Dir, fmt.Sprint("batch-", i+1))
	if err := os.Mkdir(job.Dir, 0o700); err != nil {
		return err
	}
	out, err := g.render(ctx, job)
	if err != nil {
		return templateError(err)
	}
	if i > 0 && g.namesItself(job.Node, out.Text) {
		if err := g.flush(ctx, i); err != nil {
			return err
		}
	}
	file, columns, err := g.landBatch(ctx, job, out.Text, i)
	if err != nil {
		return g.notYet(locate(err, out), job)
	}
	text := changed(g.columns, columns).String()
	if i > 0 && text != "" && policy(job.Node) == models.SchemaChangeSync {
		of := g.all[i].Start.Format("2006-01-02 15:04")
		return schemaError(job.Node, fmt.Sprintf("the batch of %s has other columns than those before it: %s", of, text))
	}
	g.columns, err = warehouse.UnionColumns(g.columns, columns)
	g.landed = append(g.landed, file)
	return err
}

// flush joins the batches before the one that is to run, which reads their table.
func (g *gathering) flush(ctx context.Context, i int) error {
	n := g.job.Node
	if g.job.Divider != nil {
		return &Error{Pos: n.Pos.String(), Err: fmt.Errorf("%s reads itself, has several batches, and checks that keep rows out of it", n.Name()),
			Hint: "take {{ this }} out of it, or build a batch a run: --event-time-start and --event-time-end"}
	}
	landed, err := g.gather(ctx, i)
	if err != nil {
		return err
	}
	built, err := g.join(ctx, landed, g.columns, fmt.Sprint("merge-", i))
	if err != nil {
		return err
	}
	g.before, g.known, g.written, g.more = built.Version.AsStored(), built.Version.Columns, append(g.written, built.Written...), nil
	g.sum, g.landed, g.from = summed(g.sum, built.Equations), nil, i
	return nil
}

// summed are the equations of batches that were joined one after the other.
func summed(first, then []warehouse.Equation) []warehouse.Equation {
	all := slices.Clone(first)
	for _, e := range then {
		at := slices.IndexFunc(all, func(a warehouse.Equation) bool { return a.Name == e.Name })
		if at < 0 {
			all = append(all, e)
			continue
		}
		sum := warehouse.Equation{Name: e.Name, Rows: all[at].Rows + e.Rows, Terms: slices.Clone(all[at].Terms)}
		if e.Name == "published" { // of which the first had the rows that were there before
			sum.Rows = e.Rows
		}
		for i, t := range e.Terms {
			if i < len(sum.Terms) && t.Name == sum.Terms[i].Name && t.Name != "before" {
				sum.Terms[i].Rows += t.Rows
			} else if i >= len(sum.Terms) {
				sum.Terms = append(sum.Terms, t)
			}
		}
		all[at] = sum
	}
	return all
}

// landBatch runs the SELECT of a batch into a file, of the rows that are to be in the table when all batches are there.
func (g *gathering) landBatch(ctx context.Context, job Job, sql string, i int) (file warehouse.File, _ []warehouse.Column, err error) {
	if err := g.Warehouse.CheckSelect(ctx, sql); err != nil {
		return file, nil, err
	}
	sql, release, err := g.Warehouse.Settle(ctx, sql)
	if err != nil {
		return file, nil, err
	}
	defer release()
	columns, err := g.Warehouse.Describe(ctx, sql)
	if err != nil {
		return file, nil, err
	}
	head, tail, columns, err := g.shape(job, columns)
	if err != nil {
		return file, nil, err
	}
	if job.Shape == nil {
		g.made = sameTypes(g.made, columns, i == 0)
	}
	if where := g.own(i); where != "" {
		head, tail = "SELECT * FROM (\n"+head, tail+"\n) AS q WHERE "+where
	}
	whole, before := g.job, g.before
	g.job = job // it lands in the folder of the batch
	if g.before == nil && i > 0 {
		g.before = &warehouse.Version{Columns: g.columns} // the first batch has made the table
	}
	file, columns, err = g.land(ctx, head+sql+tail, columns)
	g.job = whole
	if before == nil {
		g.before = nil
	}
	return file, columns, earlier(err, len(head))
}

// sameTypes are the columns of the batches so far, without the types in which they differ.
func sameTypes(columns, of []warehouse.Column, first bool) []warehouse.Column {
	if first {
		return of
	}
	out := slices.Clone(columns)
	for _, c := range of {
		if at := find(out, c.Name); at < 0 {
			out = append(out, c)
		} else if out[at].Type != c.Type {
			out[at].Type = ""
		}
	}
	return out
}

// own is a condition on the rows that a batch gives. They lie in its time; but what makes a table, as dbt has it, is taken as it is,
// and loses what the batches behind it replace.
func (g *gathering) own(i int) string {
	eventTime := g.job.Node.Model.Batches.EventTime
	switch {
	case i > 0 || g.job.Before != nil:
		return g.all[i].Condition(eventTime)
	case len(g.all) > 1:
		behind := models.Batch{Start: g.all[1].Start, End: g.all[len(g.all)-1].End}
		return "NOT coalesce(" + behind.Condition(eventTime) + ", FALSE)"
	}
	return ""
}

// gather makes one file of what has landed of the batches up to another, whose rows are to go.
func (g *gathering) gather(ctx context.Context, to int) ([]warehouse.File, error) {
	window := models.Batch{Start: g.all[g.from].Start, End: g.all[to-1].End}
	g.window = window.Condition(g.job.Node.Model.Batches.EventTime)
	if len(g.landed) < 2 {
		return g.landed, nil
	}
	path := filepath.Join(g.job.Dir, fmt.Sprintf("batches-%d.parquet", to))
	f, err := g.Warehouse.Write(ctx, g.Warehouse.Dialect().Scan(g.landed, g.columns), path)
	if err != nil {
		return nil, fmt.Errorf("gather the batches of %s: %w", g.name, err)
	}
	e := warehouse.Equation{Name: "gathered", Rows: f.Rows, Terms: []warehouse.Term{{Name: "batches"}}}
	for _, one := range g.landed {
		e.Terms[0].Rows += one.Rows
		if err := os.Remove(one.Path); err != nil {
			return nil, err
		}
	}
	g.more = append(g.more, e)
	return []warehouse.File{f}, nil
}

// joined brings the batches that are left into the version before, and gives the account of all.
func (g *gathering) joined(ctx context.Context) (*Built, error) {
	landed, err := g.gather(ctx, len(g.all))
	if err != nil {
		return nil, err
	}
	built, err := g.divided(ctx, landed, g.columns)
	if err != nil {
		return nil, err
	}
	for _, f := range g.written { // of batches in between, which others have replaced
		if !slices.ContainsFunc(built.Version.Files(), func(kept warehouse.File) bool { return kept.Path == f.Path }) {
			if err := os.Remove(f.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
		}
	}
	built.Equations = summed(g.sum, built.Equations)
	return built, nil
}
