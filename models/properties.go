package models

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// readProperties reads the properties files of all packages, which may stand beside anything. What they say is given to nodes when
// these are known: describeAll.
func (l *loader) readProperties() {
	for _, p := range l.packages {
		seen := map[string]bool{}
		for _, dir := range p.allPaths() {
			for _, file := range l.glob(dir, ".yml", ".yaml") {
				if !seen[file] {
					seen[file] = true
					l.readPropertiesFile(p, file)
				}
			}
		}
	}
}

// propertiesFile is a dbt properties file.
type propertiesFile struct {
	config.Origin
	Version    config.Node        `yaml:"version" doc:"2, as in dbt."`
	Models     []tableProperties  `yaml:"models" doc:"What the models hold."`
	Seeds      []tableProperties  `yaml:"seeds" doc:"What the seeds hold."`
	Snapshots  []tableProperties  `yaml:"snapshots" doc:"What the snapshots hold; those with relation: are defined here."`
	Sources    []sourceProperties `yaml:"sources" doc:"What the streams hold: docs and checks of sources that the project defines, or where the tables of others are."`
	UnitTests  config.Node        `yaml:"unit_tests" doc:"dbt's unit tests of models."`
	Exposures  config.Node        `yaml:"exposures" doc:"Who uses the tables."`
	Groups     []groupProperties  `yaml:"groups" doc:"Who owns models together; only models of a group may refer to those of it that are private."`
	Macros     config.Node        `yaml:"macros" doc:"dbt's descriptions of macros; no effect."`
	Analyses   config.Node        `yaml:"analyses" doc:"dbt's descriptions of analyses; no effect."`
	DataTests  []testProperties   `yaml:"data_tests" doc:"What singular tests are about, and how they are configured."`
	Anchors    config.Node        `yaml:"anchors" doc:"A place for YAML anchors."`
	unreadFile `yaml:",inline"`
}

// groupProperties are a group of models, of which only the name counts.
type groupProperties struct {
	Name        string      `yaml:"name" required:"true" doc:"Name of the group."`
	Owner       config.Node `yaml:"owner" doc:"Who answers for its models; no effect."`
	Description string      `yaml:"description" doc:"What the group is about; no effect."`
	Config      config.Node `yaml:"config" doc:"dbt's settings of the group; no effect."`
}

// testProperties are what a properties file says about a singular test.
type testProperties struct {
	config.Origin
	Name        string      `yaml:"name" required:"true" doc:"Name of the test: its file without .sql."`
	Description string      `yaml:"description" doc:"Why the rule is there."`
	Config      config.Node `yaml:"config" doc:"What config() in its file may say."`
	Docs        config.Node `yaml:"docs" doc:"dbt's settings of its docs site; not read."`

	pkg  *dbtPackage
	used bool
}

// What dbt has in properties files and this version does not read: lint names each with its place. What has no effect on
// tables or checks stands among the keys that are read.
type (
	unreadFile struct {
		Metrics        config.Node `yaml:"metrics" doc:"dbt's key; not read."`
		SemanticModels config.Node `yaml:"semantic_models" doc:"dbt's key; not read."`
		SavedQueries   config.Node `yaml:"saved_queries" doc:"dbt's key; not read."`
		Functions      config.Node `yaml:"functions" doc:"dbt's key; not read."`
	}
	unreadSource struct {
		LoadedAtField config.Node `yaml:"loaded_at_field" doc:"dbt's key; write a freshness check."`
		LoadedAtQuery config.Node `yaml:"loaded_at_query" doc:"dbt's key; write a freshness check."`
		Freshness     config.Node `yaml:"freshness" doc:"dbt's key; write a freshness check."`
	}
)

// unread warns of keys of the struct that were written and have no effect.
func (l *loader) unread(at config.Origin, hint string, keys any) {
	t := reflect.TypeOf(keys)
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); at.Has(key) && !at.IsNull(key) {
			l.warning(at.Key(key), hint, "%s is not read by this version", key)
		}
	}
}

// tableProperties are what a properties file says about one table.
type tableProperties struct {
	config.Origin
	Name         string              `yaml:"name" required:"true" doc:"Name of the model, or of the stream's table."`
	Description  string              `yaml:"description" doc:"What the table holds."`
	Owner        string              `yaml:"owner" doc:"Who answers for the table."`
	Tags         config.StringList   `yaml:"tags" doc:"Words to select nodes by."`
	Columns      []columnProperties  `yaml:"columns" doc:"What the columns hold."`
	Checks       checkList           `yaml:"checks" doc:"What must hold for its rows."`
	Tests        checkList           `yaml:"tests" doc:"dbt's older name for data_tests."`
	DataTests    checkList           `yaml:"data_tests" doc:"Checks, in dbt's shape."`
	Contract     *contractEntry      `yaml:"contract" doc:"What the columns must be."`
	Constraints  []constraint        `yaml:"constraints" doc:"dbt's constraints of the table; they hold with a contract."`
	Config       config.Node         `yaml:"config" doc:"dbt's place for everything that config() may say."`
	Relation     string              `yaml:"relation" doc:"Of a snapshot: the table whose history it keeps." example:"ref('customers')"`
	Versions     []versionProperties `yaml:"versions" doc:"dbt's versions of a model."`
	Latest       config.Node         `yaml:"latest_version" doc:"The version that a ref() without one means."`
	External     config.Node         `yaml:"external" doc:"dbt's key for external tables; not read."`
	Meta         config.Node         `yaml:"meta" doc:"Anything; of a source's table external_location says where its files are."`
	Docs         config.Node         `yaml:"docs" doc:"dbt's settings of its docs site; not read."`
	Access       config.Node         `yaml:"access" doc:"Who may refer to the model: private, its group alone; protected; public."`
	Group        config.Node         `yaml:"group" doc:"The group that the model is of, which groups: defines."`
	Deprecation  config.Node         `yaml:"deprecation_date" doc:"From when it is not to be used; templates see it."`
	Identifier   string              `yaml:"identifier" doc:"Name of the table where it lies, of a dbt source."`
	Quoting      config.Node         `yaml:"quoting" doc:"dbt's key; names are always quoted."`
	Metrics      config.Node         `yaml:"metrics" doc:"dbt's key; not read."`
	Semantic     config.Node         `yaml:"semantic_model" doc:"dbt's key; not read."`
	TimeSpine    config.Node         `yaml:"time_spine" doc:"dbt's key; templates see it."`
	PrimaryKey   config.Node         `yaml:"primary_key" doc:"dbt's key; not read."`
	Loader       config.Node         `yaml:"loader" doc:"dbt's key; not read."`
	unreadSource `yaml:",inline"`

	kind string // model, seed, snapshot or source
	pkg  *dbtPackage
	used bool
}

// versionProperties are one version of a model.
type versionProperties struct {
	config.Origin
	V           config.Node `yaml:"v" required:"true" doc:"Its number or name."`
	DefinedIn   string      `yaml:"defined_in" doc:"Its file, without .sql; by default the model's name with _v and the version."`
	Description string      `yaml:"description" doc:"What is special about it."`
	Config      config.Node `yaml:"config" doc:"What differs from the model's config."`
	Columns     config.Node `yaml:"columns" doc:"Columns that differ from the model's, or which of them it has."`
	DataTests   checkList   `yaml:"data_tests" doc:"Checks instead of the model's."`
	Tests       checkList   `yaml:"tests" doc:"dbt's older name for data_tests."`
	Deprecation config.Node `yaml:"deprecation_date" doc:"From when it is not to be used; templates see it."`
	Access      config.Node `yaml:"access" doc:"dbt's key; not read."`
}

// versionColumns says which of the model's columns a version has.
type versionColumns struct {
	Include config.Node `yaml:"include" doc:"Which of the model's columns it has: all, or a list."`
	Exclude config.Node `yaml:"exclude" doc:"Which of them it does not have."`
}

// tableConfig is what of config: is about docs and checks. Everything else there is configuration: see configure.
type tableConfig struct {
	config.Origin
	Contract     *contractEntry    `yaml:"contract" doc:"The same as contract: of the table."`
	Tags         config.StringList `yaml:"tags" doc:"The same as tags: of the table or column."`
	Meta         config.Node       `yaml:"meta" doc:"Anything; not read."`
	Enabled      config.Node       `yaml:"enabled" doc:"false leaves the table out."`
	unreadSource `yaml:",inline"`
}

// configOf reads what of config: is about docs and checks.
func (l *loader) configOf(t *tableProperties) tableConfig {
	var c tableConfig
	if t.Config.IsZero() || t.Config.IsNull() {
		return c
	}
	for _, p := range t.Config.Decode(&c) {
		if !strings.HasPrefix(p.Message, "unknown key") {
			l.problems = append(l.problems, p)
		}
	}
	return c
}

// columnConfig is what dbt has under config: of a column.
type columnConfig struct {
	Tags config.StringList `yaml:"tags" doc:"The same as tags: of the column."`
	Meta config.Node       `yaml:"meta" doc:"Anything; not read."`
}

type columnProperties struct {
	config.Origin
	Name        string            `yaml:"name" required:"true" doc:"Name of the column."`
	Description string            `yaml:"description" doc:"What the column holds."`
	DataType    string            `yaml:"data_type" doc:"Type of the column."`
	Tags        config.StringList `yaml:"tags" doc:"Words about the column; pii masks its values wherever rows are shown."`
	PII         *bool             `yaml:"pii" doc:"true is the tag pii. false of a model's column: it only has the name of a personal column that the model reads."`
	Term        string            `yaml:"term" doc:"Business term, of terms/*.yml, that the column is; none: it is none, though it is named like one. dbt knows no such key: meta: { term: … } is the same." example:"customer"`
	Checks      checkList         `yaml:"checks" doc:"What must hold for the column."`
	Tests       checkList         `yaml:"tests" doc:"dbt's older name for data_tests."`
	DataTests   checkList         `yaml:"data_tests" doc:"Checks of the column, in dbt's shape."`
	Constraints []constraint      `yaml:"constraints" doc:"dbt's constraints of the column; they hold with a contract."`
	Meta        config.Node       `yaml:"meta" doc:"Anything; not read."`
	Quote       bool              `yaml:"quote" doc:"dbt's key; names are always quoted."`
	Config      columnConfig      `yaml:"config" doc:"dbt's place for tags."`
	PolicyTags  config.Node       `yaml:"policy_tags" doc:"dbt's key; not read."`
	Granularity config.Node       `yaml:"granularity" doc:"dbt's key of its semantic layer; not read."`
}

type sourceProperties struct {
	config.Origin
	Name         string            `yaml:"name" required:"true" doc:"Name of the source."`
	Description  string            `yaml:"description" doc:"What the source is."`
	Database     config.Node       `yaml:"database" doc:"dbt's key; not read."`
	Schema       string            `yaml:"schema" doc:"Schema that has the tables, where other nodes or the profile's database provide them; by default the source's name."`
	Loader       config.Node       `yaml:"loader" doc:"dbt's key; not read."`
	Tags         config.StringList `yaml:"tags" doc:"Words to select its streams by."`
	Meta         config.Node       `yaml:"meta" doc:"Anything; external_location says where the files of its tables are."`
	Quoting      config.Node       `yaml:"quoting" doc:"dbt's key; names are always quoted."`
	Overrides    config.Node       `yaml:"overrides" doc:"dbt's key; not read."`
	Tables       []tableProperties `yaml:"tables" doc:"Its streams."`
	Config       config.Node       `yaml:"config" doc:"dbt's place for tags, meta and enabled."`
	unreadSource `yaml:",inline"`

	pkg *dbtPackage
}

// column is what the properties say of one.
func (c *columnProperties) column() Column {
	said := Column{props: c, Name: c.Name, Description: c.Description, Type: c.DataType, Tags: slices.Concat(c.Tags, c.Config.Tags),
		Pos: c.Origin.At("name")}
	if c.PII != nil && *c.PII {
		said.Tags = append(said.Tags, "pii")
	}
	said.Open = c.PII != nil && !*c.PII
	said.Term, said.TermPos = c.Term, c.Origin.At("term")
	for _, meta := range []config.Node{c.Meta, c.Config.Meta} {
		if term := meta.Get("term"); said.Term == "" && term.IsScalar() {
			said.Term, said.TermPos = term.Text(), term.Pos()
		}
	}
	return said
}

const freshnessHint = "write a check: - freshness: { column: loaded_at, error_after: 48h }"

// readPropertiesFile keeps what one file says.
func (l *loader) readPropertiesFile(p *dbtPackage, name string) {
	f := l.propertiesYAML(name)
	if f == nil {
		return
	}
	if l.isDBT() {
		l.renderYAML(f, p.label(), renderedLater)
	}
	var file propertiesFile
	problems := f.Decode(&file, l.resolve)
	if l.isDBT() {
		l.tolerate(problems)
	} else {
		l.problems = append(l.problems, problems...)
	}
	l.unread(file.Origin, "millrace reads models, seeds, snapshots, sources, unit_tests and exposures of it", unreadFile{})
	l.keepGroups(p, file.Groups)
	keep := func(kind string, all []tableProperties) {
		for i := range all {
			all[i].kind, all[i].pkg = kind, p
			l.patches = append(l.patches, &all[i])
		}
	}
	keep("model", file.Models)
	keep("seed", file.Seeds)
	keep("snapshot", file.Snapshots)
	for i := range file.Sources {
		file.Sources[i].pkg = p
		for k := range file.Sources[i].Tables {
			file.Sources[i].Tables[k].pkg = p
		}
		l.sourceProps = append(l.sourceProps, &file.Sources[i])
	}
	for i := range file.Models {
		l.versions(&file.Models[i])
	}
	for i := range file.DataTests {
		file.DataTests[i].pkg = p
		l.testProps = append(l.testProps, &file.DataTests[i])
	}
	l.unitTests(p, file.UnitTests)
	l.exposures(p, file.Exposures)
}

// propertiesYAML parses a properties file; nil where there is nothing in it. An empty one is none to dbt.
func (l *loader) propertiesYAML(name string) *config.File {
	before := len(l.problems)
	if !l.isDBT() {
		return l.parse(name)
	}
	f := l.parse11(name)
	if f == nil && len(l.problems) == before+1 && l.problems[before].Message == "the file is empty" {
		l.problems = l.problems[:before]
	}
	return f
}

// unreadSections are parts of a properties file that nothing here reads, and whose templates are no templates of dbt's context.
var unreadSections = []string{"metrics", "semantic_models", "saved_queries", "groups", "functions", "analyses", "macros"}

// renderedLater says which values of a properties file are rendered when what they are about is: descriptions, the arguments of tests,
// hooks, and the rows of unit tests.
func renderedLater(at []string) bool {
	if slices.Contains(unreadSections, at[0]) {
		return true
	}
	if isTestSetting(at) {
		return false
	}
	for i, key := range at {
		switch key {
		case "config": // a column of column_types may be called description
			return slices.ContainsFunc(at[i:], isHookKey)
		case "description", "tests", "data_tests", "checks":
			return true
		}
		if isHookKey(key) {
			return true
		}
	}
	return at[0] == "unit_tests"
}

// isTestSetting says whether a value is a setting of a test, and not one of its arguments.
func isTestSetting(at []string) bool {
	last := len(at) - 1
	inTest := slices.Contains(at, "data_tests") || slices.Contains(at, "tests")
	return inTest && slices.Contains(testSettings, at[last]) && !slices.Contains(at, "arguments") && !slices.Contains(at, "description")
}

// patchOf is what the properties files say of a model, seed or snapshot of the same package.
func (l *loader) patchOf(p *dbtPackage, kind, name string) *tableProperties {
	var found *tableProperties
	for _, patch := range l.patches {
		if patch.kind == kind && patch.Name == name && l.describes(patch, p) {
			if found != nil {
				l.problem(patch.Origin.At("name"), "put them together", "%s %q is described twice; the other place is %s", kind, name, found.Origin.At("name"))
				continue
			}
			found = patch
		}
	}
	return found
}

// describes says whether properties are about a package's table of their name: those of a package are about its own, and where it has none, about
// another's.
func (l *loader) describes(t *tableProperties, p *dbtPackage) bool {
	return t.pkg == p || p != nil && l.isDBT() && !l.fileOf[fileKeyOf(t.kind, t.pkg, t.Name)] && l.fileOf[fileKeyOf(t.kind, p, t.Name)]
}

// patchSettings are what a model's properties configure.
func (l *loader) patchSettings(t *tableProperties) []setting {
	var said []setting
	if len(t.Tags) > 0 {
		said = append(said, saidInCode("tags", jinja.NewList(anys(t.Tags)...), t.At("tags"), t.Key("tags")))
	}
	if t.Meta.IsMapping() {
		said = append(said, setting{"meta", l.goValue(t.Meta), templateValue(t.Meta), t.At("meta"), t.Key("meta")})
	}
	if t.Config.IsMapping() {
		for key, value := range t.Config.All() {
			if key == "contract" { // read as a contract
				continue
			}
			said = append(said, l.settingOf(t.Config, key, value))
		}
	}
	return said
}

// version is one version of a model, by its file.
type version struct {
	of      *tableProperties
	version string
	said    versionProperties
	columns []columnProperties // that are its own
	taken   []versionColumns   // of the model's
}

// versions notes which files are versions of a model, and which of them is the latest.
func (l *loader) versions(t *tableProperties) {
	latest := t.Latest.Text()
	if known := func(v versionProperties) bool { return v.V.Text() == latest }; latest != "" && !slices.ContainsFunc(t.Versions, known) {
		var all []string
		for _, v := range t.Versions {
			all = append(all, v.V.Text())
		}
		hint := "versions: has " + strings.Join(all, ", ")
		if len(all) == 0 {
			hint = "write versions: beside it, or remove it"
		}
		l.problem(t.At("latest_version"), hint, "latest_version: model %q has no version %s", t.Name, latest)
	}
	for _, v := range t.Versions {
		name := v.V.Text()
		file := v.DefinedIn
		if file == "" {
			file = t.Name + "_v" + name
		}
		one := version{of: t, version: name, said: v}
		for _, item := range v.Columns.Items() {
			if item.Get("include").IsZero() {
				var own columnProperties
				l.tolerate(item.Decode(&own))
				one.columns = append(one.columns, own)
			} else {
				var taken versionColumns
				l.tolerate(item.Decode(&taken))
				one.taken = append(one.taken, taken)
			}
		}
		l.versioned[file] = append(l.versioned[file], one)
		if t.Latest.Text() == "" && newer(name, latest) {
			latest = name
		}
	}
	if latest != "" {
		l.p.latest[modelKey{pkg: t.pkg.label(), name: t.Name}] = latest
	}
}

// newer compares versions as dbt does: numbers by value, texts by letters.
func newer(a, b string) bool {
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	if errA == nil && errB == nil {
		return x > y
	}
	return b == "" || a > b
}

// versionOf is the version of a model that a file is, or nil. dbt takes the model's own name, without a version, for its latest.
func (l *loader) versionOf(p *dbtPackage, stem string) *version {
	for _, v := range l.versioned[stem] {
		if v.of.pkg == p {
			return &v
		}
	}
	if latest := l.p.latest[modelKey{pkg: p.label(), name: stem}]; latest != "" {
		for _, v := range l.versioned[stem+"_v"+latest] {
			if v.of.pkg == p && !l.fileOf[fileKeyOf("model", p, stem+"_v"+latest)] {
				return &v
			}
		}
	}
	return nil
}

// lone warns of properties of what is not there.
func (l *loader) lone() {
	for _, t := range l.patches {
		if t.used || t.Name == "" || l.testedElsewhere(t) {
			continue
		}
		if _, off := l.disabled[t.Name]; off || !t.pkg.isRoot() {
			continue
		}
		var known []string
		for name := range l.p.byModel {
			known = append(known, name)
		}
		l.noTable(*t, known, "no %s is named %q", t.kind, t.Name)
	}
}

// testedElsewhere says whether properties are a seed's that stand below models:, or the like. Of such dbt takes the tests, and nothing
// else.
func (l *loader) testedElsewhere(t *tableProperties) bool {
	i := slices.IndexFunc(l.p.Nodes, func(n *Node) bool {
		return n.Kind != KindStream && n.Entity == nil && n.RefName() == t.Name && t.pkg.label() == n.Package()
	})
	if i < 0 {
		return false
	}
	n := l.p.Nodes[i]
	if t.pkg.isRoot() {
		l.warning(t.Origin.At("name"), "move it below "+n.ResourceType()+"s:",
			"%q is a %s, and stands below %ss: of what is said here its tests count, and nothing else",
			t.Name, n.ResourceType(), t.kind)
	}
	l.testsOf(n, t)
	for i := range t.Columns {
		l.columnTests(n, &t.Columns[i])
	}
	return true
}

// describeAll gives nodes what their properties say.
func (l *loader) describeAll() {
	for _, n := range l.p.Nodes {
		if n.Kind == KindStream {
			continue
		}
		kind := n.ResourceType()
		for _, t := range l.patches {
			if t.kind == kind && t.Name == n.RefName() && (t.pkg.label() == n.Package() || n.Entity != nil || l.describes(t, l.packageOf(n.Package()))) {
				t.used = true
				l.describeVersion(n, t)
			}
		}
	}
	for _, s := range l.sourceProps {
		l.describeSource(s)
	}
	l.lone()
}

// describeVersion gives a model what its properties say, and what those of its version say otherwise.
func (l *loader) describeVersion(n *Node, t *tableProperties) {
	said := *t
	if n.Model != nil && n.Model.Version != "" {
		for _, all := range l.versioned {
			for _, v := range all {
				if v.of == t && v.version == n.Model.Version {
					v.apply(&said)
				}
			}
		}
	}
	l.describe(n, said)
}

// apply puts what a version says in the place of what the model says.
func (v *version) apply(t *tableProperties) {
	if v.said.Description != "" {
		t.Description = v.said.Description
	}
	if v.said.Origin.Has("deprecation_date") {
		t.Deprecation = v.said.Deprecation
	}
	if v.said.Origin.Has("data_tests") || v.said.Origin.Has("tests") {
		t.DataTests, t.Tests = v.said.DataTests, v.said.Tests
	}
	if !v.said.Origin.Has("columns") {
		return
	}
	columns := slices.Clone(v.columns)
	own := map[string]bool{}
	for _, c := range columns {
		own[c.Name] = true
	}
	for _, c := range v.taken {
		for _, of := range t.Columns {
			if !own[of.Name] && included(c, of.Name) {
				columns = append(columns, of)
			}
		}
	}
	t.Columns = columns
}

func included(c versionColumns, name string) bool {
	has := func(n config.Node) bool {
		return slices.ContainsFunc(n.Items(), func(item config.Node) bool { return item.Text() == name })
	}
	all := c.Include.Text() == "all" || c.Include.Text() == "*"
	return (all || has(c.Include)) && !has(c.Exclude)
}

// describeSource gives the streams of a source what the properties say of them.
func (l *loader) describeSource(s *sourceProperties) {
	if s.Has("overrides") && !s.IsNull("overrides") {
		l.warning(s.Key("overrides"), "take the source of the package as it is, or change it there", "overrides is not read by this version")
	}
	c := l.configOf(&tableProperties{Config: s.Config})
	l.unread(s.Origin, freshnessHint, unreadSource{})
	l.unread(c.Origin, freshnessHint, unreadSource{})
	for i := range s.Tables {
		t := s.Tables[i]
		n := l.p.SourceTable(s.Name, t.Name)
		if said := l.sourceSettings(s, &t); l.isEnabled(said) {
			l.declare(s, &s.Tables[i], n, said)
		}
		if n == nil {
			if l.isDBT() {
				continue // told where something refers to it
			}
			var known []string
			for _, n := range l.p.Nodes {
				if n.Stream != nil && n.Schema == s.Name {
					known = append(known, n.Table)
				}
			}
			l.noTable(t, known, "source %q of this project has no stream %q: its tests are not run", s.Name, t.Name)
			continue
		}
		n.Tags = append(append(append(n.Tags, l.sourceTags(s, &t)...), s.Tags...), c.Tags...)
		before := len(n.Checks)
		l.describe(n, t)
		for _, c := range n.Checks[before:] {
			if c.Test != nil && n.Stream == nil {
				c.Test.Source, c.Test.Table = s.Name, t.Name
			}
		}
	}
}

// columnsOf are what the properties say of a table's columns.
func (l *loader) columnsOf(t *tableProperties) []Column {
	var all []Column
	for i := range t.Columns {
		said := t.Columns[i].column()
		said.Description = l.described(t.pkg, said.Description, t.Columns[i].At("description"))
		all = append(all, said)
	}
	return all
}

func (l *loader) noTable(t tableProperties, known []string, format string, args ...any) {
	hint := config.DidYouMean(t.Name, known, "")
	l.warning(t.Origin.At("name"), hint, format, args...)
}

// describe gives a node what its properties say.
func (l *loader) describe(n *Node, t tableProperties) {
	c := l.configOf(&t)
	provides := t.kind == "" && n.Kind != KindStream // a source's table
	if n.Description == "" {
		n.Description = l.described(t.pkg, t.Description, t.Origin.At("description"))
		n.toldBySource = provides
	}
	if n.Owner == "" {
		n.Owner = t.Owner
	}
	for _, tag := range slices.Concat(t.Tags, c.Tags) {
		if !slices.Contains(n.Tags, tag) {
			n.Tags = append(n.Tags, tag)
		}
	}
	if n.Model == nil { // that of a model says when dbt's service builds it
		l.unread(t.Origin, freshnessHint, unreadSource{})
		l.unread(c.Origin, freshnessHint, unreadSource{})
	}
	if t.kind != "" { // else it is a source's, which another node may provide
		n.props = &t
	}
	l.testsOf(n, &t)
	l.promised(n, l.entryOf(n, t, c), t.Columns, t.Constraints)
	for i, said := range l.columnsOf(&t) {
		said.ofSource = provides
		n.Columns = append(n.Columns, said)
		l.columnTests(n, &t.Columns[i])
	}
}

// testsOf gives a node the tests of its rows.
func (l *loader) testsOf(n *Node, t *tableProperties) {
	l.checksOf(n, t.Checks.Node, "", false)
	l.checksOf(n, t.Tests.Node, "", true)
	l.checksOf(n, t.DataTests.Node, "", true)
}

// columnTests gives a node the tests of one of its columns.
func (l *loader) columnTests(n *Node, c *columnProperties) {
	before := len(n.Checks)
	l.checksOf(n, c.Checks.Node, c.Name, false)
	l.checksOf(n, c.Tests.Node, c.Name, true)
	l.checksOf(n, c.DataTests.Node, c.Name, true)
	if !c.Quote {
		return
	}
	for _, check := range n.Checks[before:] {
		if check.Test == nil {
			continue
		}
		_ = check.Test.Args.Set("column_name", `"`+c.Name+`"`) // a text is a key
		if args, ok := check.Args.(*SQL); ok && args.Test != nil {
			args.Test.Column = `"` + c.Name + `"`
		}
	}
}
