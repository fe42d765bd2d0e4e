package models

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file reads dbt's generic tests: macros that give the query of the rows that are wrong.

// GenericTest is a call of a test macro.
type GenericTest struct {
	Macro   string // test_accepted_range
	In      string // package that has it; "" for the first that does
	Column  string // that it stands under; "" for none
	Args    *jinja.Dict
	Package string // whose properties file it stands in
}

// testKeys are what is said of a generic test beside its arguments.
type testKeys struct {
	Name        string      `yaml:"name"`
	Test        string      `yaml:"test_name"`
	Column      string      `yaml:"column_name"`
	Description string      `yaml:"description"`
	Config      config.Node `yaml:"config"`
	Arguments   config.Node `yaml:"arguments"`
}

// testSettings are the keys that dbt takes for settings of a test where they stand among its arguments.
var testSettings = []string{"severity", "where", "warn_if", "error_if", "limit", "tags", "enabled", "fail_calc", "store_failures", "store_failures_as", "meta",
	"database", "schema", "alias"}

// testMacro finds the macro of a test as a properties file calls it: name, or package.name.
func (l *loader) testMacro(name string) (jinja.MacroRef, bool) {
	pkg, bare, qualified := strings.Cut(name, ".")
	if !qualified {
		return l.p.Macros.Macro("test_" + name)
	}
	return l.p.Macros.Macro(pkg + ".test_" + bare)
}

// genericTest reads a test whose macro there is.
func (l *loader) genericTest(n *Node, ref jinja.MacroRef, name string, body config.Node, pos config.Pos, column string) {
	test := &GenericTest{Macro: ref.Name, In: ref.Package, Column: column, Args: jinja.NewDict(), Package: n.testsOf()}
	w := &written{Check: &Check{Kind: "sql", Node: n, Args: &SQL{Test: test}, Pos: pos, AsDBT: l.isDBT()}, body: body}
	_ = config.Node{}.Decode(&w.CheckSettings) // the defaults
	var keys testKeys
	if body.IsMapping() {
		_ = body.Decode(&keys) // what it does not know are arguments
		w.places = []config.Origin{keys.Config.Origin(), body.Origin()}
	}
	if keys.Column != "" {
		test.Column = keys.Column
	}
	w.Description = keys.Description
	w.pkg = n.testsOf()
	said := l.testSettings(n, pos.File, name)
	for key, value := range body.All() {
		if slices.Contains(testSettings, key) {
			said = append(said, l.settingOf(body, key, value))
		} else if !slices.Contains([]string{"name", "test_name", "column_name", "description", "config", "arguments"}, key) {
			_ = test.Args.Set(key, templateValue(value)) // a text is a key
		}
	}
	for key, value := range keys.Arguments.All() {
		_ = test.Args.Set(key, templateValue(value))
	}
	if v, ok := test.Args.Get("column_name"); ok {
		test.Column, _ = v.(string)
		test.Args.Delete("column_name")
	}
	for key, value := range keys.Config.All() {
		said = append(said, l.settingOf(keys.Config, key, value))
	}
	w.said = said
	if !l.configureCheck(w, said) {
		return
	}
	if test.Column != "" {
		w.Columns = []string{test.Column}
	}
	l.addTest(w, keys.Name, name)
}

// testSettings are what dbt_project.yml says of a test of a node that stands in a properties file.
func (l *loader) testSettings(n *Node, file, name string) []setting {
	p := l.packageOf(n.testsOf())
	if p == nil || !l.isDBT() {
		return nil
	}
	fqn := p.fqn(slices.Concat(p.modelPaths(), p.seedPaths(), p.snapshotPaths()), file, name)
	return append(l.cascade(p, testTree, fqn), l.overruled(p, testTree, fqn)...)
}

// testTree is the tree of dbt_project.yml that is about tests.
func testTree(k *dbtKeys) config.Node {
	for range k.DataTests.All() {
		return k.DataTests
	}
	return k.Tests
}

// addTest names a generic test by its macro and column where it has no name.
func (l *loader) addTest(w *written, given, macro string) {
	kind := w.Kind
	w.Kind = strings.ReplaceAll(macro, ".", "_")
	l.addCheck(w, given)
	w.Kind = kind
}

// RenderTest gives the query of a check that is a generic test. Globals are those of its node's template.
func (p *Project) RenderTest(ctx context.Context, c *Check, this jinja.Relation, globals map[string]any) (string, error) {
	test := c.Args.(*SQL).Test
	opts := jinja.Options{Macros: p.Macros, Package: p.PackageName(test.Package)}
	model, err := p.testModel(ctx, c, this, globals, opts)
	if err != nil {
		return "", err
	}
	args := map[string]any{"model": model}
	if test.Column != "" {
		args["column_name"] = test.Column
	}
	for key, value := range test.Args.All() {
		v, err := renderArg(ctx, value, globals, opts, c.Pos)
		if err != nil {
			return "", err
		}
		args[key.(string)] = v
	}
	_, text, err := p.Macros.Call(ctx, globals, opts, test.In, test.Macro, nil, args)
	return text, err
}

// testModel is what a test's macro gets as model: the table, or those of its rows that where: lets through. A macro of the project's own
// may say how where: is put in.
func (p *Project) testModel(ctx context.Context, c *Check, this jinja.Relation, globals map[string]any, opts jinja.Options) (any, error) {
	if ref, ok := p.Macros.Macro("get_where_subquery"); ok && ref.Package == p.root {
		v, _, err := p.Macros.Call(ctx, globals, opts, ref.Package, ref.Name, []any{this}, nil)
		return v, err
	}
	if c.Where == "" {
		return this, nil
	}
	return "(select * from " + this.String() + " where " + c.Where + "\n) dbt_subquery", nil
}

var looksLikeCall = regexp.MustCompile(`^\s*(env_var|ref|var|source|doc)\s*\(.+\)\s*$`)

// renderArg gives an argument its value: a text that is a call of ref() and the like, or that has a template in it, is rendered.
func renderArg(ctx context.Context, v any, globals map[string]any, opts jinja.Options, pos config.Pos) (any, error) {
	switch v := v.(type) {
	case string:
		text := v
		if looksLikeCall.MatchString(text) {
			text = "{{ " + text + " }}"
		}
		if !strings.Contains(text, "{{") && !strings.Contains(text, "{%") {
			return v, nil
		}
		t, err := jinja.Parse(pos.File, text)
		if err != nil {
			return nil, moved(err, pos)
		}
		value, err := t.RenderNative(ctx, globals, opts)
		if err != nil {
			return nil, moved(err, pos)
		}
		return value, nil
	case *jinja.List:
		list := jinja.NewList()
		for _, item := range v.Items {
			value, err := renderArg(ctx, item, globals, opts, pos)
			if err != nil {
				return nil, err
			}
			list.Items = append(list.Items, value)
		}
		return list, nil
	case *jinja.Dict:
		d := jinja.NewDict()
		for key, item := range v.All() {
			value, err := renderArg(ctx, item, globals, opts, pos)
			if err != nil {
				return nil, err
			}
			if err := d.Set(key, value); err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	return v, nil
}

// trialTest calls a test's macro without an engine, to learn what it refers to.
func (l *loader) trialTest(w *written) (*trial, bool) {
	t := &trial{project: l.p, node: &Node{Table: w.Name, Path: w.Pos.File, Pos: w.Pos,
		Model: &Model{Path: w.Pos.File, Package: w.Node.testsOf(), Config: jinja.NewDict()}}}
	t.before = []setting{{key: "where", said: orNone(w.Where)}}
	this := jinja.Relation{Schema: w.Node.Schema, Name: w.Node.Table, Kind: "table", SQL: "this"}
	if _, err := l.p.RenderTest(l.Context, w.Check, this, t.globals(false)); err != nil {
		var je *jinja.Error
		if errors.As(err, &je) {
			l.problem(w.Pos, je.Hint, "test %s: %s", w.Name, je.Error())
		} else {
			l.problem(w.Pos, "", "test %s: %v", w.Name, err)
		}
		return nil, false
	}
	return t, true
}
