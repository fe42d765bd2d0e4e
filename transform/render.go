package transform

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/models/portable"
	"github.com/millrace/millrace/warehouse"
)

func (b *Builder) render(ctx context.Context, job Job) (*jinja.Output, error) {
	if job.batch == nil && job.Node.Model.Batches != nil {
		job.batch = b.batches(job)[0]
	}
	s := &session{Builder: b, ctx: ctx, job: job, known: true}
	out, err := job.Node.Model.Template.Render(ctx, jinja.ModelGlobals(s, s.facts()), b.options(job.Node))
	if err != nil {
		return nil, err
	}
	return b.fromTables(ctx, out)
}

// facts are what the templates of the session's model know.
func (s *session) facts() jinja.Facts {
	n := s.job.Node
	f := s.Builder.facts(s.relation(n))
	f.Incremental = n.Model.Materialized == models.Incremental && (s.job.Before != nil || s.job.batch != nil && s.job.batch.added)
	return f
}

// facts are what a template knows of the project, of the run and of the relation that it makes.
func (b *Builder) facts(this jinja.Relation) jinja.Facts {
	f := b.Project.ContextFacts()
	f.This, f.Execute, f.Adapter = this, true, b.Warehouse.Dialect().Name
	r := b.Run
	if r.Started.IsZero() { // nothing runs: a template is only looked at
		r.Started = clock.System()
	}
	f.RunStarted, f.InvocationID, f.FullRefresh, f.Command, f.Selected = r.Started, r.ID, r.FullRefresh, r.Command, r.Selected
	return f
}

// options are those of a node's template: its package is the first that its macros are looked for in.
func (b *Builder) options(n *models.Node) jinja.Options {
	return jinja.Options{Macros: b.Project.Macros, Package: b.Project.PackageName(n.Package())}
}

// Query renders the query of a check: what it refers to as this is the table of its node.
func (b *Builder) Query(ctx context.Context, c *models.Check) (string, error) {
	if args, ok := c.Args.(*models.SQL); ok && args.Test != nil {
		return b.testQuery(ctx, c)
	}
	out, err := b.renderQuery(ctx, c)
	if err != nil {
		return "", templateError(err)
	}
	return out.Text, nil
}

// renderQuery renders the template of a check.
func (b *Builder) renderQuery(ctx context.Context, c *models.Check) (*jinja.Output, error) {
	n := *c.Node
	n.Model = &models.Model{Path: c.Pos.File, Template: c.Template, Materialized: models.Table}
	if args, ok := c.Args.(*models.SQL); ok {
		n.Model.Package = args.Package
	}
	s := &session{Builder: b, ctx: ctx, job: Job{Node: &n}}
	out, err := c.Template.Render(ctx, jinja.ModelGlobals(s, b.facts(s.relation(c.Node))), b.options(&n))
	if err != nil {
		return nil, err
	}
	return b.fromTables(ctx, out)
}

// QueryPlace is where in the project's files that stands which is at an offset of a check's query, below 0 for what comes first in it; ""
// where the query is not one of a file: a macro's, or written in YAML.
func (b *Builder) QueryPlace(ctx context.Context, c *models.Check, offset int) string {
	if args, ok := c.Args.(*models.SQL); !ok || args.Path == "" {
		return ""
	}
	out, err := b.renderQuery(ctx, c)
	if err != nil {
		return ""
	}
	if offset < 0 {
		offset = len(out.Text) - len(strings.TrimLeft(out.Text, " \t\r\n"))
	}
	return out.Source(offset).String()
}

// testQuery is the query of a generic test.
func (b *Builder) testQuery(ctx context.Context, c *models.Check) (string, error) {
	n := *c.Node
	settings := jinja.NewDict()
	if c.Where != "" {
		_ = settings.Set("where", c.Where) // a text is a key
	}
	n.Model = &models.Model{Path: c.Pos.File, Package: c.Node.Package(), Materialized: models.Table, Config: settings}
	s := &session{Builder: b, ctx: ctx, job: Job{Node: &n}}
	globals := jinja.ModelGlobals(s, b.facts(s.relation(c.Node)))
	text, err := b.Project.RenderTest(ctx, c, s.relation(c.Node), globals)
	if err != nil {
		return "", templateError(err)
	}
	return text, nil
}

// session is what one model's template talks to. It implements jinja.Engine.
type session struct {
	*Builder
	ctx context.Context // of this rendering: the template calls back within it
	job Job

	hook  *models.Hook // of the run, which has no model; nil for others
	known bool         // what the template refers to must be among what its model is known to read
	in    *models.Hook // that is rendered, of the run or of a model; nil for others
	quiet bool         // it is rendered to be looked at: what it says is said when it runs
}

func (s *session) relation(n *models.Node) jinja.Relation {
	kind := "table"
	if n.Model != nil && n.Model.Materialized == models.View {
		kind = "view"
	}
	return jinja.Relation{Database: s.Project.Database, HideDatabase: true, Schema: n.Schema, Name: n.Table, Kind: kind, SQL: s.Warehouse.Dialect().Table(warehouse.Name{Schema: n.Schema, Table: n.Table})}
}

// Ref implements jinja.Engine. An ephemeral model is put in as a subquery.
func (s *session) Ref(pkg, name, version string) (jinja.Relation, error) {
	n := s.Project.Lookup(s.job.Node.Package(), pkg, name, version)
	if n == nil {
		return jinja.Relation{}, &jinja.Error{Msg: fmt.Sprintf("ref(%q): no model is named so", name)}
	}
	if s.known && !slices.Contains(s.job.Node.Needs, n) {
		return jinja.Relation{}, &jinja.Error{
			Msg:  fmt.Sprintf("ref(%q): that the model reads it was not to be seen when the project was loaded, and so it may not be built yet", name),
			Hint: "write at the top of the model: -- depends_on: {{ ref(" + refWords(pkg, name, version) + ") }}"}
	}
	if s.Apart || n.Model == nil || n.Model.Materialized != models.Ephemeral { // a table of a checks file has none
		return s.batched(s.relation(n), n.EventTime()), nil
	}
	inner := &session{Builder: s.Builder, ctx: s.ctx, job: Job{Node: n}, known: s.known}
	out, err := n.Model.Template.Render(s.ctx, jinja.ModelGlobals(inner, inner.facts()), s.options(n))
	if err != nil {
		return jinja.Relation{}, err
	}
	if err := s.Warehouse.CheckSelect(s.ctx, out.Text); err != nil {
		return jinja.Relation{}, locate(err, out)
	}
	// On one line it may stand in a comment: -- depends_on: {{ ref('it') }}
	inlined := jinja.Relation{Schema: n.Schema, Name: n.Table, Kind: "cte", SQL: "(" + portable.OneLine(out.Text) + ")"}
	return s.batched(inlined, n.EventTime()), nil
}

// refWords are the arguments of ref().
func refWords(pkg, name, version string) string {
	words := "'" + name + "'"
	if pkg != "" {
		words = "'" + pkg + "', " + words
	}
	if version != "" {
		words += ", v=" + version
	}
	return words
}

// Source implements jinja.Engine.
func (s *session) Source(source, table string) (jinja.Relation, error) {
	n := s.Project.SourceTable(source, table)
	if n == nil {
		a, err := s.Project.Absent(source, table)
		return s.relation(&models.Node{Schema: a.Schema, Table: a.Table}), err
	}
	return s.batched(s.relation(n), s.Project.SourceEventTime(source, table)), nil
}

// SetConfig implements jinja.Engine: the loader has read it already.
func (s *session) SetConfig(*jinja.Dict) error { return nil }

// Config implements jinja.Engine.
func (s *session) Config(name string) (any, bool) {
	v, ok := s.job.Node.Model.Config.Get(name)
	return jinja.Copy(v), ok
}

// Var implements jinja.Engine.
func (s *session) Var(name string) (any, bool) {
	return s.Project.Var(s.job.Node.Package(), name)
}

// EnvVar implements jinja.Engine.
func (s *session) EnvVar(name string) (string, bool) { return s.Project.EnvVar(name) }

// Warn implements jinja.Engine.
func (s *session) Warn(at jinja.Position, message string) {
	if s.Builder.Warn != nil && !s.quiet {
		s.Builder.Warn(s.name(), at.String()+": "+message)
	}
}
