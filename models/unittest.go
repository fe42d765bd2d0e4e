package models

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file reads dbt's unit tests: what a model must give for rows that stand in the test. transform runs them.

// UnitTest is a test of one model over given rows.
type UnitTest struct {
	Name        string // that of a versioned model ends with _v and the version
	Description string
	Node        *Node // the model
	Package     string
	Given       []*Fixture
	Expect      *Fixture
	Overrides   Overrides
	Tags        []string
	Path        string
	Pos         config.Pos
	fqn         []string
}

// FQN is what selectors of dbt go by.
func (t *UnitTest) FQN() []string { return t.fqn }

// Overrides are what is otherwise in a test than in a run.
type Overrides struct {
	Macros  map[string]any // what a call gives, by name or package.name
	Vars    map[string]any
	EnvVars map[string]string
}

// Fixture is rows that stand in a test: of an input, or those that the model must give. Of Rows, SQL and Seed one is set.
type Fixture struct {
	Input string // as it is written; "" of what is expected
	Node  *Node  // that it stands for; the model itself for this
	Rows  []FixtureRow
	SQL   string // a SELECT
	Seed  bool   // the rows of the seed's own file
	CSV   bool   // all values are texts: of which types they are the columns say
	Pos   config.Pos
}

// FixtureRow is one row. A value is nil, a bool, an int64, a Decimal, a string, or a list or dict of templates.
type FixtureRow struct {
	Columns []string
	Values  []any
	Pos     config.Pos
}

// Decimal is a number with a fraction, as it is written.
type Decimal string

// Value is the row's value of a column, whose case does not matter; false where it has none.
func (r FixtureRow) Value(column string) (any, bool) {
	for i, name := range r.Columns {
		if strings.EqualFold(name, column) {
			return r.Values[i], true
		}
	}
	return nil, false
}

type (
	unitTestKeys struct {
		config.Origin
		Name          string           `yaml:"name" required:"true" doc:"Name of the test."`
		Model         string           `yaml:"model" required:"true" doc:"The model, by its name."`
		Given         []fixtureKeys    `yaml:"given" doc:"Rows of what the model reads."`
		Expect        fixtureKeys      `yaml:"expect" required:"true" doc:"Rows that the model must give."`
		Overrides     overrideKeys     `yaml:"overrides" doc:"What is otherwise than in a run."`
		Versions      unitTestVersions `yaml:"versions" doc:"The versions of the model that it is about."`
		attributeKeys `yaml:",inline"`
	}
	fixtureKeys struct {
		config.Origin
		Input   string      `yaml:"input" doc:"ref('model'), source('source', 'table') or this."`
		Rows    config.Node `yaml:"rows" doc:"The rows: a list of mappings, or a text of CSV or SQL."`
		Format  string      `yaml:"format" default:"dict" enum:"dict,csv,sql" doc:"What rows is."`
		Fixture string      `yaml:"fixture" doc:"Name of a file below tests/fixtures that has the rows."`
	}
	overrideKeys struct {
		config.Origin
		Macros  config.Map[config.Node] `yaml:"macros" doc:"What calls of macros give."`
		Vars    config.Map[config.Node] `yaml:"vars" doc:"Variables."`
		EnvVars config.Map[string]      `yaml:"env_vars" doc:"Variables of the environment."`
	}
	unitTestVersions struct {
		config.Origin
		Include config.StringList `yaml:"include" doc:"Only these."`
		Exclude config.StringList `yaml:"exclude" doc:"All but these."`
	}
)

// unitDraft is a unit test until the models are known.
type unitDraft struct {
	unitTestKeys
	pkg  *dbtPackage
	tags []string // its own, and those of dbt_project.yml
}

// unitTests reads those of a properties file.
func (l *loader) unitTests(p *dbtPackage, list config.Node) {
	if list.IsNull() {
		return
	}
	var all []unitTestKeys
	problems := list.Decode(&all)
	if p.isRoot() {
		l.problems = append(l.problems, problems...)
	} else {
		l.tolerate(problems)
	}
	for _, keys := range all {
		if keys.Name != "" && keys.Model != "" {
			l.unitDrafts = append(l.unitDrafts, unitDraft{unitTestKeys: keys, pkg: p})
		}
	}
}

// linkUnitTests gives the tests their models and inputs.
func (l *loader) linkUnitTests() {
	seen := map[string]config.Pos{}
	for i := range l.unitDrafts {
		d := &l.unitDrafts[i]
		said := l.attributes(d.pkg, &d.attributeKeys, func(k *dbtKeys) config.Node { return k.UnitTests }, d.fqn(l))
		if !said.enabled {
			continue
		}
		d.tags = said.tags
		name, version, _ := strings.Cut(d.Model, " ")
		at := d.At("model")
		id := d.pkg.name + "." + name + "." + d.Name
		if other, twice := seen[id]; twice {
			l.problem(d.At("name"), "rename one of them", "model %q has two unit tests named %q; the other is at %s", name, d.Name, other)
			continue
		}
		seen[id] = d.At("name")
		if _, off := l.disabled[name]; off && l.p.Lookup(d.pkg.label(), "", name, version) == nil {
			continue
		}
		ref := reference{name: name, version: strings.TrimPrefix(version, "v"), pos: jinja.Position{File: at.File, Line: at.Line, Col: at.Column}}
		n := l.lookup(d.pkg.label(), ref)
		switch {
		case n == nil:
		case n.Model == nil || n.Model.Slowly != nil:
			l.problem(at, "name a model", "a unit test is about a model, and %s is a %s", name, n.ResourceType())
		default:
			l.unitTestsOf(d, n)
		}
	}
	l.unitDrafts = nil
}

// fqn is the package, the folders of the properties file, the model and the test.
func (d *unitDraft) fqn(l *loader) []string {
	parts := strings.Split(path.Dir(d.pkg.within(d.Pos().File)), "/")
	return slices.Concat([]string{l.p.PackageName(d.pkg.label())}, parts[min(1, len(parts)):], []string{d.Model, d.Name})
}

// unitTestsOf adds the test of a model, or those of its versions.
func (l *loader) unitTestsOf(d *unitDraft, n *Node) {
	versions := d.Versions.Origin.Has("include") || d.Versions.Origin.Has("exclude")
	if n.Model.Version == "" || strings.Contains(d.Model, " ") {
		if versions {
			l.problem(d.Key("versions"), "remove the key", "model %q has no versions", d.Model)
			return
		}
		l.unitTest(d, n)
		return
	}
	found := false
	for _, other := range l.p.Nodes {
		if other.Model == nil || other.RefName() != n.RefName() || other.Package() != n.Package() || other.Model.Version == "" {
			continue
		}
		v, only := other.Model.Version, d.Versions.Origin.Has("include")
		if slices.Contains(d.Versions.Exclude, v) || only && !slices.Contains(d.Versions.Include, v) {
			continue
		}
		found = true
		l.unitTest(d, other)
	}
	if !found {
		l.problem(d.Key("versions"), "its versions stand in its properties, below versions:",
			"unit test %q is about no version of model %q that there is", d.Name, d.Model)
	}
}

func (l *loader) unitTest(d *unitDraft, n *Node) {
	t := &UnitTest{Name: d.Name, Description: l.described(d.pkg, d.Description, d.At("description")), Node: n, Package: d.pkg.label(),
		Path: d.Pos().File, Pos: d.At("name"), Tags: d.tags, fqn: d.fqn(l)}
	if n.Model.Version != "" {
		t.Name += "_v" + n.Model.Version
	}
	t.Overrides = l.overrides(d)
	ok := true
	for i := range d.Given {
		f := l.input(d, t, &d.Given[i])
		ok = ok && f != nil
		t.Given = append(t.Given, f)
	}
	if d.Expect.Input != "" {
		l.problem(d.Expect.Key("input"), "remove the key", "expect has no input: it is what the model gives")
		ok = false
	}
	if t.Expect = l.fixture(d, &d.Expect, nil); t.Expect == nil || !ok {
		return
	}
	if l.oneShape(t.Expect) && l.saysIncremental(d, t) {
		l.p.UnitTests = append(l.p.UnitTests, t)
	}
}

// oneShape refuses expected rows of which one has other columns than the first: those are the columns that are compared.
func (l *loader) oneShape(f *Fixture) bool {
	for _, row := range f.Rows {
		for _, name := range f.Rows[0].Columns {
			if _, has := row.Value(name); !has {
				l.problem(row.Pos, "null says that there is no value", "each row of expect has the columns of the first: this one has no %q", name)
				return false
			}
		}
		for _, name := range row.Columns {
			if _, has := f.Rows[0].Value(name); !has {
				l.problem(row.Pos, "the first row says which columns are compared",
					"each row of expect has the columns of the first, which has no %q", name)
				return false
			}
		}
	}
	return true
}

// saysIncremental refuses a test of a model that asks is_incremental() and is not told.
func (l *loader) saysIncremental(d *unitDraft, t *UnitTest) bool {
	m := t.Node.Model
	asks := slices.ContainsFunc(m.Template.Calls(), func(c jinja.Call) bool { return c.Name == "is_incremental" })
	value, said := t.Overrides.Macros["is_incremental"]
	if m.Materialized != Incremental || !asks && !said {
		return true
	}
	yes, isBool := value.(bool)
	if !isBool {
		l.problem(d.At("name"), "add overrides: {macros: {is_incremental: false}}, or true with the rows of this",
			"unit test %q does not say whether the model is incremental, which asks is_incremental()", d.Name)
		return false
	}
	if yes && !slices.ContainsFunc(t.Given, func(f *Fixture) bool { return f.Node == t.Node }) {
		l.problem(d.At("given"), "add - input: this with the rows that are there before",
			"unit test %q has is_incremental: true and no rows of this", d.Name)
		return false
	}
	return true
}

func (l *loader) overrides(d *unitDraft) Overrides {
	o := Overrides{Macros: map[string]any{}, Vars: map[string]any{}, EnvVars: map[string]string{}}
	for name, value := range d.Overrides.Macros.All() {
		o.Macros[name] = templateValue(value)
		if _, known := l.p.Macros.Macro(name); !known && !slices.Contains(contextMacros, name) {
			l.warning(d.Overrides.Macros.Key(name), l.macroHint(name), "overrides: there is no macro %q", name)
		}
	}
	for name, value := range d.Overrides.Vars.All() {
		o.Vars[name] = templateValue(value)
	}
	for name, value := range d.Overrides.EnvVars.All() {
		o.EnvVars[name] = value
	}
	return o
}

// contextMacros are macros in dbt that our context has itself.
var contextMacros = append(jinja.ContextNames(), "current_timestamp")

func (l *loader) macroHint(name string) string {
	known := slices.Clone(contextMacros)
	for _, p := range l.packages {
		for _, m := range l.p.Macros.Macros(p.name) {
			known = append(known, m.Name, p.name+"."+m.Name)
		}
	}
	return config.DidYouMean(name, known, "one of a package is written package.name")
}

// input reads the rows of what the model reads; nil after a problem.
func (l *loader) input(d *unitDraft, t *UnitTest, keys *fixtureKeys) *Fixture {
	at := keys.At("input")
	n := t.Node
	if strings.TrimSpace(keys.Input) != "this" {
		r, ok := l.inputReference(keys)
		if !ok {
			return nil
		}
		if n = l.lookup(d.pkg.label(), r); n == nil {
			return nil
		}
	}
	for _, other := range t.Given {
		if other != nil && other.Node == n {
			l.problem(at, "put the rows together", "unit test %q gives %s twice", t.Name, keys.Input)
			return nil
		}
	}
	f := l.fixture(d, keys, n)
	if f != nil && n != t.Node && !slices.Contains(t.Node.Needs, n) {
		l.warning(at, "remove it", "model %q does not read %s: its rows have no effect", t.Node.RefName(), keys.Input)
	}
	return f
}

// inputReference is the ref() or source() that an input is.
func (l *loader) inputReference(keys *fixtureKeys) (reference, bool) {
	if keys.Input == "" {
		l.problem(keys.Pos(), "write input: ref('model'), source('source', 'table') or this", "these rows have no input that they stand for")
		return reference{}, false
	}
	r, ok := parseReference(keys.Input, keys.At("input"))
	if !ok {
		l.problem(keys.At("input"), "write ref('model'), source('source', 'table') or this",
			"input %q is none of a model, a seed, a source or the model itself", keys.Input)
	}
	return r, ok
}

// parseReference reads a ref() or source() that stands in YAML.
func parseReference(text string, at config.Pos) (reference, bool) {
	r := reference{pos: jinja.Position{File: at.File, Line: at.Line, Col: at.Column}}
	template, err := jinja.Parse(at.File, "{{ "+strings.Trim(text, "{ }")+" }}")
	if err != nil {
		return r, false
	}
	for _, call := range template.Calls() {
		args, plain := call.Strings()
		switch {
		case !plain:
		case call.Name == "ref" && (len(args) == 1 || len(args) == 2):
			r.name, r.version = args[len(args)-1], versionArg(call)
			if len(args) == 2 {
				r.pkg = args[0]
			}
			return r, true
		case call.Name == "source" && len(args) == 2:
			r.source, r.name = args[0], args[1]
			return r, true
		}
	}
	return r, false
}

// fixture reads rows; nil after a problem.
func (l *loader) fixture(d *unitDraft, keys *fixtureKeys, n *Node) *Fixture {
	f := &Fixture{Input: keys.Input, Node: n, Pos: keys.Pos()}
	if keys.Fixture != "" {
		if keys.Rows.IsScalar() || keys.Rows.IsList() {
			l.problem(keys.Key("fixture"), "remove one of them", "rows and fixture both say which rows there are")
			return nil
		}
		return l.fixtureFile(d, keys, f)
	}
	switch {
	case keys.Format == "dict" && keys.Rows.IsNull() && n != nil && n.Kind == KindSeed:
		f.Seed = true
		return f
	case keys.Format == "dict" && (keys.Rows.IsList() || keys.Rows.IsNull() && keys.Has("rows")):
		return l.dictRows(f, keys.Rows)
	case keys.Format == "csv" && keys.Rows.IsScalar():
		return l.csvRows(f, keys.Rows.Text(), keys.Rows.Pos())
	case keys.Format == "sql" && keys.Rows.IsScalar():
		f.SQL = keys.Rows.Text()
		return f
	case keys.Rows.IsNull():
		l.problem(keys.Pos(), "rows: [] says that there are none", "there are no rows")
	case keys.Format == "dict":
		l.problem(keys.At("rows"), "write - {id: 1, name: Ada} for each row, or add format: csv or sql",
			"rows are a list of mappings with format: dict")
	default:
		l.problem(keys.At("rows"), "write rows: | and the text below it", "rows are a text with format: %s", keys.Format)
	}
	return nil
}

// fixtureFile reads rows that have a file of their own.
func (l *loader) fixtureFile(d *unitDraft, keys *fixtureKeys, f *Fixture) *Fixture {
	at := keys.At("fixture")
	if keys.Format == "dict" {
		l.problem(at, "add format: csv or format: sql", "a fixture file is CSV or SQL")
		return nil
	}
	want := strings.TrimSuffix(keys.Fixture, "."+keys.Format) + "." + keys.Format
	var known []string
	for _, dir := range d.pkg.testPaths() {
		for _, file := range l.glob(path.Join(dir, "fixtures"), "."+keys.Format) {
			if path.Base(file) != path.Base(want) {
				known = append(known, strings.TrimSuffix(path.Base(file), "."+keys.Format))
				continue
			}
			text, err := l.read(file)
			if err != nil {
				l.problem(at, "", "%v", err)
				return nil
			}
			f.Pos = config.Pos{File: file, Line: 1, Column: 1}
			if keys.Format == "csv" {
				return l.csvRows(f, string(text), f.Pos)
			}
			f.SQL = string(text)
			return f
		}
	}
	hint := config.DidYouMean(keys.Fixture, known, "put it into "+path.Join(d.pkg.testPaths()[0], "fixtures"))
	l.problem(at, hint, "there is no fixture %s", want)
	return nil
}

func (l *loader) dictRows(f *Fixture, rows config.Node) *Fixture {
	ok := true
	f.Rows = []FixtureRow{}
	for _, item := range rows.Items() {
		if !item.IsMapping() {
			l.problem(item.Pos(), "write {id: 1, name: Ada}", "a row is a mapping of columns to values")
			ok = false
			continue
		}
		row := FixtureRow{Pos: item.Pos()}
		for name, value := range item.All() {
			if _, twice := row.Value(name); twice {
				l.problem(value.Pos(), "names differ by more than their case", "column %q is there twice", name)
				ok = false
			}
			row.Columns, row.Values = append(row.Columns, name), append(row.Values, fixtureValue(value))
		}
		f.Rows = append(f.Rows, row)
	}
	if !ok {
		return nil
	}
	return f
}

var plainNumber = regexp.MustCompile(`^-?\d+\.\d+$`)

// fixtureValue keeps numbers with a fraction as they are written: 0.1 is no binary fraction.
func fixtureValue(n config.Node) any {
	v := templateValue(n)
	if _, isFloat := v.(float64); isFloat && plainNumber.MatchString(n.Text()) {
		return Decimal(n.Text())
	}
	return v
}

// UnitTestsOf are the unit tests of a model.
func (p *Project) UnitTestsOf(n *Node) []*UnitTest {
	var found []*UnitTest
	for _, t := range p.UnitTests {
		if t.Node == n {
			found = append(found, t)
		}
	}
	return found
}

// text is all that decides how the test ends, beside its model.
func (t *UnitTest) text() string {
	all := []any{t.Name, jsonText(plain(t.Overrides.Macros)), jsonText(plain(t.Overrides.Vars)), t.Overrides.EnvVars}
	for _, f := range append(slices.Clone(t.Given), t.Expect) {
		all = append(all, f.Input, f.SQL, f.Seed, f.CSV)
		for _, row := range f.Rows {
			values := make([]any, len(row.Values))
			for i, v := range row.Values {
				values[i] = jinja.ToGo(v)
			}
			all = append(all, row.Columns, values)
		}
	}
	return jsonText(all)
}

// plain has the values as Go has them.
func plain(values map[string]any) map[string]any {
	out := map[string]any{}
	for key, v := range values {
		out[key] = jinja.ToGo(v)
	}
	return out
}

// UnitTestID is dbt's name of a unit test: unit_test.shop.orders.totals.
func (p *Project) UnitTestID(t *UnitTest) string {
	return fmt.Sprintf("unit_test.%s.%s.%s", p.PackageName(t.Package), t.Node.RefName(), t.Name)
}

// SelectUnitTests returns the unit tests that any of the selectors means, in the order of the files: by the name of a test or a tag of it,
// else those of the nodes that the selector means. No selector means all tests.
func (p *Project) SelectUnitTests(include, exclude []string) ([]*UnitTest, error) {
	chosen := map[*UnitTest]bool{}
	if len(include) == 0 {
		include = []string{"*"}
	}
	for _, text := range include {
		tests, err := p.unitTestsBy(text)
		if err != nil {
			return nil, err
		}
		for _, t := range tests {
			chosen[t] = true
		}
	}
	for _, text := range exclude {
		tests, err := p.unitTestsBy(text)
		if err != nil {
			return nil, err
		}
		for _, t := range tests {
			delete(chosen, t)
		}
	}
	return slices.DeleteFunc(slices.Clone(p.UnitTests), func(t *UnitTest) bool { return !chosen[t] }), nil
}

func (p *Project) unitTestsBy(text string) ([]*UnitTest, error) {
	if text == "*" || text == "test_type:unit" {
		return p.UnitTests, nil
	}
	var found []*UnitTest
	tag, isTag := strings.CutPrefix(text, "tag:")
	name := strings.TrimPrefix(text, "test_name:")
	for _, t := range p.UnitTests {
		if ok, _ := path.Match(name, t.Name); ok || isTag && slices.Contains(t.Tags, tag) {
			found = append(found, t)
		}
	}
	if len(found) > 0 && !isTag {
		return found, nil
	}
	nodes, err := p.Select([]string{text}, nil)
	if err != nil {
		if len(found) > 0 {
			return found, nil
		}
		var names []string
		for _, t := range p.UnitTests {
			names = append(names, t.Name)
		}
		if guess := config.Suggest(name, names); guess != "" {
			return nil, fmt.Errorf("selector %q matches neither a unit test nor a node: did you mean %q?", text, guess)
		}
		return nil, err
	}
	for _, t := range p.UnitTests {
		if slices.Contains(nodes, t.Node) && !slices.Contains(found, t) {
			found = append(found, t)
		}
	}
	return found, nil
}
