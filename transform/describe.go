package transform

import (
	"context"
	"errors"

	"github.com/millrace/millrace/internal/sqltoken"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/warehouse"
)

// Check renders the model and its hooks and refuses what could not be built: a model is one SELECT, and a hook changes nothing but the
// engine's own session. Nothing that it reads need be there.
func (b *Builder) Check(ctx context.Context, job Job) error {
	if job.Node.Model.Unbuildable != "" { // which the loader has said
		return nil
	}
	if err := definable(b.Project, job.Node); err != nil {
		return err
	}
	unasked := b.unasking()
	before, err := unasked.lookAtHooks(ctx, job)
	if err != nil {
		return err
	}
	out, err := unasked.render(ctx, job)
	if errors.Is(err, errUnasked) {
		return nil // what it becomes is known when its questions have answers
	}
	if err != nil {
		return templateError(err)
	}
	if err := b.Warehouse.CheckSelect(ctx, out.Text); err != nil {
		return locate(err, out)
	}
	return b.publishable(job, out, before)
}

// unasking is the builder without an engine that templates may ask.
func (b *Builder) unasking() *Builder {
	return &Builder{Project: b.Project, Warehouse: b.Warehouse, Run: b.Run, Warn: b.Warn, unasked: true, of: b.noting()}
}

// errUnasked ends the rendering of a template that asks the engine where nothing may be asked.
var errUnasked = errors.New("the engine cannot be asked now")

// Describe renders the model and binds its SELECT without running it: the columns that it would yield, or the place
// of the mistake. What it reads is exposed; empty relations with the right columns will do.
func (b *Builder) Describe(ctx context.Context, job Job) (sql string, columns []warehouse.Column, err error) {
	if err := errors.Join(buildable(job.Node), definable(b.Project, job.Node)); err != nil {
		return "", nil, err
	}
	if _, err := b.unasking().lookAtHooks(ctx, job); err != nil {
		return "", nil, err
	}
	ctx, release, err := b.inSession(ctx, job)
	if err != nil {
		return "", nil, err
	}
	defer release()
	before, _, err := b.runHooks(ctx, job, job.Node.Model.Before) // the SELECT may need what they make
	if err != nil {
		return "", nil, err
	}
	out, err := b.render(ctx, job)
	if err != nil {
		return "", nil, templateError(err)
	}
	if err := b.Warehouse.CheckSelect(ctx, out.Text); err != nil {
		return out.Text, nil, locate(err, out)
	}
	if err := b.publishable(job, out, before); err != nil {
		return out.Text, nil, err
	}
	if len(sqltoken.OpenPivots(out.Text)) > 0 {
		return out.Text, nil, ErrOpen
	}
	columns, err = b.Warehouse.Describe(ctx, out.Text)
	return out.Text, columns, locate(err, out)
}

// ErrOpen says that a SELECT has columns which only its rows decide.
var ErrOpen = errors.New("it has a PIVOT without IN, whose columns are those that its rows have when it is built")

// Parsed is a model whose template was rendered and whose SELECT was parsed.
type Parsed struct {
	SQL  string
	Tree []byte // the engine's own: transform/lineage reads it

	b   *Builder
	out *jinja.Output
}

// Parse renders the model and has its SELECT parsed; nothing that it reads need be there.
func (b *Builder) Parse(ctx context.Context, job Job) (*Parsed, error) {
	if err := buildable(job.Node); err != nil {
		return nil, err
	}
	out, err := b.render(ctx, job)
	if err != nil {
		return nil, templateError(err)
	}
	tree, err := b.Warehouse.Tree(ctx, out.Text)
	return &Parsed{out.Text, tree, b, out}, locate(err, out)
}

// Describe binds the SELECT; what it reads is exposed.
func (p *Parsed) Describe(ctx context.Context) ([]warehouse.Column, error) {
	if len(sqltoken.OpenPivots(p.SQL)) > 0 {
		return nil, ErrOpen
	}
	columns, err := p.b.Warehouse.Describe(ctx, p.SQL)
	return columns, locate(err, p.out)
}

// Planned are the columns that the model's table gets by a SELECT that has these, as they are stored: a snapshot adds its own, and an
// incremental model has those of the table that it adds to. Made are those of the SELECT itself, where readers are to find its types.
func (b *Builder) Planned(ctx context.Context, job Job, sql string, columns, made []warehouse.Column) ([]warehouse.Column, error) {
	var before *warehouse.Version
	var known []warehouse.Column
	if job.Before != nil {
		before, known = job.Before.AsStored(), job.Before.Columns
	}
	switch m := job.Node.Model; {
	case m.Materialized == models.Incremental && before != nil:
		after, err := ColumnsAfter(job.Node, before.Columns, columns)
		return warehouse.Remade(after, known, made), err
	case m.Materialized == models.Snapshot && m.Slowly != nil:
		in := slowlyInput(m.Slowly)
		in.Name, in.Prev, in.Columns = warehouse.Name{Schema: job.Node.Schema, Table: job.Node.Table}, before, columns
		after, err := warehouse.SlowlyColumns(ctx, b.Warehouse, in, sql)
		return warehouse.Remade(after, known, made), slowlyError(job.Node, err)
	}
	return warehouse.Remade(columns, nil, made), nil
}
