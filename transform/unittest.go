package transform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/warehouse"
)

// This file runs a unit test: the model's SELECT over rows that stand in the test, compared with those that it must give. The rows are
// exposed under the names of what they stand for, so that the SQL that runs is the SQL of a run.

// Unit is a unit test to run. Nothing that the model reads need be there.
type Unit struct {
	Test *models.UnitTest
	// Columns says which columns an input has, as far as that is known.
	Columns func(n *models.Node) Known
	// Seed gives a SELECT of the rows of a seed's file.
	Seed func(ctx context.Context, n *models.Node) (string, error)
	// Given are the rows that earlier tests have exposed, as SQL: many tests of a model have the same. It is added to.
	Given map[warehouse.Name]string
}

// Known are columns of a table; those that are missing are not known where they are Some.
type Known struct {
	Columns []warehouse.Column
	Some    bool
}

// Compared is what came of a unit test: texts of the values that were compared, nil for NULL.
type Compared struct {
	SQL           string // of the model, as it ran
	Columns       []string
	Expected, Got [][]*string
	Missing       []int // of Expected: rows that the model did not give
	Extra         []int // of Got: rows that were not expected
}

// Same says whether the model gave what it must.
func (c *Compared) Same() bool { return len(c.Missing) == 0 && len(c.Extra) == 0 }

// notThere ends the name of the table that a model reads as itself without being given rows.
const notThere = "__not_given"

// UnitTest runs a test. An Error is a mistake in the test, or a model that cannot run over the rows that it has.
func (b *Builder) UnitTest(ctx context.Context, u Unit) (*Compared, error) {
	for _, f := range u.Test.Given {
		if err := b.give(ctx, u, f); err != nil {
			return nil, err
		}
	}
	out, err := b.renderUnit(ctx, u)
	if err != nil {
		return nil, u.lacking(templateError(err), err)
	}
	c := &Compared{SQL: out.Text}
	if err := b.Warehouse.CheckSelect(ctx, out.Text); err != nil {
		return c, locate(err, out)
	}
	settled, release, err := b.Warehouse.Settle(ctx, out.Text)
	if err != nil {
		return c, u.explain(locate(err, out))
	}
	defer release()
	if settled != out.Text {
		out = out.Replace([]jinja.Edit{{To: len(out.Text), Text: settled}})
	}
	columns, err := b.Warehouse.Describe(ctx, out.Text)
	if err != nil {
		return c, u.explain(locate(err, out))
	}
	expected, columns, err := b.expected(ctx, u, columns)
	if err != nil {
		return c, err
	}
	return c, u.explain(b.compareUnit(ctx, c, out, expected, columns))
}

// give exposes the rows of an input.
func (b *Builder) give(ctx context.Context, u Unit, f *models.Fixture) error {
	sql, err := b.fixtureSQL(ctx, u, f)
	if err != nil {
		return err
	}
	name := warehouse.Name{Schema: f.Node.Schema, Table: f.Node.Table}
	if u.Given[name] == sql {
		return nil
	}
	u.Given[name] = ""
	err = b.Warehouse.Expose(ctx, warehouse.Version{Name: name, View: sql})
	if err == nil {
		u.Given[name] = sql
	}
	var wrong *warehouse.SQLError
	if errors.As(err, &wrong) {
		return &Error{Pos: f.Pos.String(), Err: fmt.Errorf("the rows of %s: %s", f.Input, wrong.Message)}
	}
	return err
}

func (b *Builder) fixtureSQL(ctx context.Context, u Unit, f *models.Fixture) (string, error) {
	switch {
	case f.Seed:
		return u.Seed(ctx, f.Node)
	case f.Rows == nil:
		return b.fixtureText(ctx, u, f)
	}
	known := u.Columns(f.Node)
	columns, err := fixtureColumns(f, known)
	if err != nil {
		return "", err
	}
	return rowsSQL(b.Warehouse.Dialect(), columns, f.Rows), nil
}

// fixtureText is the SQL of a fixture, which may be a template.
func (b *Builder) fixtureText(ctx context.Context, u Unit, f *models.Fixture) (string, error) {
	if !strings.Contains(f.SQL, "{{") && !strings.Contains(f.SQL, "{%") {
		return f.SQL, nil
	}
	t, err := jinja.Parse(f.Pos.File, f.SQL)
	if err == nil {
		var out *jinja.Output
		if out, err = b.renderIn(ctx, u, t); err == nil {
			return out.Text, nil
		}
	}
	return "", &Error{Pos: f.Pos.String(), Err: fmt.Errorf("the rows of %s: %w", f.Input, err)}
}

// fixtureColumns are the columns of rows: those that are known, and where not all are, those that the rows have.
func fixtureColumns(f *models.Fixture, known Known) ([]warehouse.Column, error) {
	columns := slices.Clone(known.Columns)
	complete := len(columns) > 0 && !known.Some
	for _, row := range f.Rows {
		for _, name := range row.Columns {
			switch {
			case has(columns, name):
			case complete:
				return nil, &Error{Pos: row.Pos.String(), Err: fmt.Errorf("%s has no column %q", f.Input, name), Hint: didYouMean(name, columns)}
			default:
				columns = append(columns, warehouse.Column{Name: name, Type: inferred(f, name)})
			}
		}
	}
	if len(columns) == 0 {
		return nil, &Error{Pos: f.Pos.String(), Err: fmt.Errorf("%s has no rows here, and nothing says which columns it has", f.Input),
			Hint: "give it a row, name its columns with data_type: in its properties, or write its rows as SQL"}
	}
	return columns, nil
}

func didYouMean(name string, columns []warehouse.Column) string {
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return config.DidYouMean(name, names, "its columns are: "+strings.Join(names, ", "))
}

// renderUnit renders the model as the test wants it.
func (b *Builder) renderUnit(ctx context.Context, u Unit) (*jinja.Output, error) {
	return b.renderIn(ctx, u, u.Test.Node.Model.Template)
}

func (b *Builder) renderIn(ctx context.Context, u Unit, t *jinja.Template) (*jinja.Output, error) {
	n := u.Test.Node
	s := &unitSession{&session{Builder: b, ctx: ctx, job: Job{Node: n}}, u}
	this := s.relation(n)
	if u.given(n) == nil {
		this.SQL = b.Warehouse.Dialect().Table(warehouse.Name{Schema: n.Schema, Table: n.Table + notThere})
	}
	globals, opts := jinja.ModelGlobals(s, b.facts(this)), b.options(n)
	if len(u.Test.Overrides.Macros) > 0 {
		var others map[string]any
		opts.Macros, others = opts.Macros.Overriding(opts.Package, u.Test.Overrides.Macros)
		maps.Copy(globals, others)
	}
	out, err := t.Render(ctx, globals, opts)
	if err != nil {
		return nil, err
	}
	return b.fromTables(ctx, out)
}

func (u Unit) given(n *models.Node) *models.Fixture {
	for _, f := range u.Test.Given {
		if f.Node == n {
			return f
		}
	}
	return nil
}

// errNotGiven is the error of a template that reads what the test gives no rows of.
var errNotGiven = errors.New("not given")

// lacking puts the error of an input that is not given at the test, which lacks it.
func (u Unit) lacking(placed, err error) error {
	var te *Error
	if errors.Is(err, errNotGiven) && errors.As(placed, &te) {
		return &Error{Pos: u.Test.Pos.String(), Err: fmt.Errorf("%w (%s)", te.Err, te.Pos), Hint: te.Hint}
	}
	return placed
}

// explain says what a model lacks that reads its own table.
func (u Unit) explain(err error) error {
	var te *Error
	if errors.As(err, &te) && strings.Contains(te.Err.Error(), u.Test.Node.Table+notThere) {
		return &Error{Pos: u.Test.Pos.String(), Err: fmt.Errorf("the model reads itself at %s, and the test gives no rows of this", te.Pos),
			Hint: "add - input: this to given"}
	}
	return err
}

// unitSession is what the template of a model in a test talks to. It implements jinja.Engine.
type unitSession struct {
	*session
	unit Unit
}

// Ref implements jinja.Engine.
func (s *unitSession) Ref(pkg, name, version string) (jinja.Relation, error) {
	n := s.Project.Lookup(s.job.Node.Package(), pkg, name, version)
	if n == nil {
		return jinja.Relation{}, &jinja.Error{Msg: fmt.Sprintf("ref(%q): no model is named so", name)}
	}
	return s.input(n, fmt.Sprintf("ref('%s')", name))
}

// Source implements jinja.Engine.
func (s *unitSession) Source(source, table string) (jinja.Relation, error) {
	n := s.Project.SourceTable(source, table)
	if n == nil {
		_, err := s.Project.Absent(source, table)
		return jinja.Relation{}, err
	}
	return s.input(n, fmt.Sprintf("source('%s', '%s')", source, table))
}

func (s *unitSession) input(n *models.Node, as string) (jinja.Relation, error) {
	if s.unit.given(n) == nil {
		return jinja.Relation{}, &jinja.Error{Msg: "the model reads " + as + ", of which the test gives no rows",
			Hint: "add - input: " + as + " to given; rows: [] says that it is empty", Err: errNotGiven}
	}
	return s.relation(n), nil
}

// Var implements jinja.Engine.
func (s *unitSession) Var(name string) (any, bool) {
	if v, ok := s.unit.Test.Overrides.Vars[name]; ok {
		return jinja.Copy(v), true
	}
	return s.session.Var(name)
}

// EnvVar implements jinja.Engine.
func (s *unitSession) EnvVar(name string) (string, bool) {
	if v, ok := s.unit.Test.Overrides.EnvVars[name]; ok {
		return v, true
	}
	return s.session.EnvVar(name)
}
