package models

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/millrace/millrace/internal/config"
)

// properties reads models/**/*.yml: descriptions, tags and checks, in dbt's shape.
func (l *loader) properties() {
	for _, ext := range []string{".yml", ".yaml"} {
		for _, file := range l.glob("models", ext) {
			if f := l.parse(file); f != nil {
				l.propertiesOf(f)
			}
		}
	}
}

// propertiesFile is a dbt properties file, as far as this version understands it.
type propertiesFile struct {
	config.Origin
	Version    int                `yaml:"version" doc:"2, as in dbt."`
	Models     []tableProperties  `yaml:"models" doc:"What the models hold."`
	Sources    []sourceProperties `yaml:"sources" doc:"What the streams hold: docs and checks of sources that the project defines."`
	unreadFile `yaml:",inline"`
}

// What dbt has in properties files and this version does not read: lint names each with its place. What has no effect on
// tables or checks stands among the keys that are read.
type (
	unreadFile struct {
		Seeds          config.Node `yaml:"seeds" doc:"dbt's key; not read."`
		Snapshots      config.Node `yaml:"snapshots" doc:"dbt's key; not read."`
		UnitTests      config.Node `yaml:"unit_tests" doc:"dbt's key; not read."`
		Exposures      config.Node `yaml:"exposures" doc:"dbt's key; not read."`
		Macros         config.Node `yaml:"macros" doc:"dbt's key; not read."`
		Metrics        config.Node `yaml:"metrics" doc:"dbt's key; not read."`
		SemanticModels config.Node `yaml:"semantic_models" doc:"dbt's key; not read."`
		SavedQueries   config.Node `yaml:"saved_queries" doc:"dbt's key; not read."`
		Groups         config.Node `yaml:"groups" doc:"dbt's key; not read."`
	}
	unreadConfig struct {
		Materialized        config.Node `yaml:"materialized" doc:"dbt's key; write it in the model's config()."`
		Enabled             config.Node `yaml:"enabled" doc:"dbt's key; not read."`
		Schema              config.Node `yaml:"schema" doc:"dbt's key; write it in the model's config()."`
		Alias               config.Node `yaml:"alias" doc:"dbt's key; not read."`
		UniqueKey           config.Node `yaml:"unique_key" doc:"dbt's key; write it in the model's config()."`
		IncrementalStrategy config.Node `yaml:"incremental_strategy" doc:"dbt's key; write it in the model's config()."`
		OnSchemaChange      config.Node `yaml:"on_schema_change" doc:"dbt's key; not read."`
		FullRefresh         config.Node `yaml:"full_refresh" doc:"dbt's key; not read."`
		PreHook             config.Node `yaml:"pre-hook" doc:"dbt's key; not read."`
		PostHook            config.Node `yaml:"post-hook" doc:"dbt's key; not read."`
	}
	unreadSource struct {
		LoadedAtField config.Node `yaml:"loaded_at_field" doc:"dbt's key; write a freshness check."`
		Freshness     config.Node `yaml:"freshness" doc:"dbt's key; write a freshness check."`
	}
)

// unread warns of keys of the struct that were written and have no effect.
func (l *loader) unread(at config.Origin, hint string, keys any) {
	t := reflect.TypeOf(keys)
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); at.Has(key) {
			l.warning(at.Key(key), hint, "%s is not read by this version", key)
		}
	}
}

// tableProperties are what a properties file says about one table.
type tableProperties struct {
	config.Origin
	Name         string             `yaml:"name" required:"true" doc:"Name of the model, or of the stream's table."`
	Description  string             `yaml:"description" doc:"What the table holds."`
	Owner        string             `yaml:"owner" doc:"Who answers for the table."`
	Tags         config.StringList  `yaml:"tags" doc:"Words to select nodes by."`
	Columns      []columnProperties `yaml:"columns" doc:"What the columns hold."`
	Checks       checkList          `yaml:"checks" doc:"What must hold for its rows."`
	Tests        checkList          `yaml:"tests" doc:"dbt's older name for data_tests."`
	DataTests    checkList          `yaml:"data_tests" doc:"Checks, in dbt's shape."`
	Contract     *contractEntry     `yaml:"contract" doc:"What the columns must be."`
	Constraints  []constraint       `yaml:"constraints" doc:"dbt's constraints of the table; they hold with a contract."`
	Config       tableConfig        `yaml:"config" doc:"dbt's place for the contract and tags; other settings stand in the model's own config()."`
	Meta         config.Node        `yaml:"meta" doc:"Anything; not read."`
	Docs         config.Node        `yaml:"docs" doc:"dbt's settings of its docs site; not read."`
	Access       config.Node        `yaml:"access" doc:"dbt's key; not read."`
	Group        config.Node        `yaml:"group" doc:"dbt's key; not read."`
	Latest       config.Node        `yaml:"latest_version" doc:"dbt's key; not read."`
	Deprecation  config.Node        `yaml:"deprecation_date" doc:"dbt's key; not read."`
	Identifier   config.Node        `yaml:"identifier" doc:"dbt's key; not read: the stream's name in the project counts."`
	unreadSource `yaml:",inline"`
}

// tableConfig is what dbt has under config: of a table.
type tableConfig struct {
	config.Origin
	Contract     *contractEntry    `yaml:"contract" doc:"The same as contract: of the table."`
	Tags         config.StringList `yaml:"tags" doc:"The same as tags: of the table or column."`
	Meta         config.Node       `yaml:"meta" doc:"Anything; not read."`
	Docs         config.Node       `yaml:"docs" doc:"dbt's settings of its docs site; not read."`
	Access       config.Node       `yaml:"access" doc:"dbt's key; not read."`
	Group        config.Node       `yaml:"group" doc:"dbt's key; not read."`
	unreadConfig `yaml:",inline"`
	unreadSource `yaml:",inline"`
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
}

type sourceProperties struct {
	config.Origin
	Name         string            `yaml:"name" required:"true" doc:"Name of the source."`
	Description  string            `yaml:"description" doc:"What the source is."`
	Database     config.Node       `yaml:"database" doc:"dbt's key; not read."`
	Schema       config.Node       `yaml:"schema" doc:"dbt's key; not read: a source's schema is its name."`
	Loader       config.Node       `yaml:"loader" doc:"dbt's key; not read."`
	Tags         config.StringList `yaml:"tags" doc:"Words to select its streams by."`
	Meta         config.Node       `yaml:"meta" doc:"Anything; not read."`
	Tables       []tableProperties `yaml:"tables" doc:"Its streams."`
	Config       sourceConfig      `yaml:"config" doc:"dbt's place for tags."`
	unreadSource `yaml:",inline"`
}

// sourceConfig is what dbt has under config: of a source.
type sourceConfig struct {
	config.Origin
	Tags         config.StringList `yaml:"tags" doc:"The same as tags: of the source."`
	Meta         config.Node       `yaml:"meta" doc:"Anything; not read."`
	Enabled      config.Node       `yaml:"enabled" doc:"dbt's key; not read."`
	unreadSource `yaml:",inline"`
}

// column is what the properties say of one.
func (c *columnProperties) column() Column {
	said := Column{Name: c.Name, Description: c.Description, Type: c.DataType, Tags: slices.Concat(c.Tags, c.Config.Tags), Pos: c.Origin.At("name")}
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

func (l *loader) propertiesOf(f *config.File) {
	var file propertiesFile
	l.problems = append(l.problems, f.Decode(&file, l.resolve)...)
	l.unread(file.Origin, "millrace reads models and sources of it", unreadFile{})
	for _, m := range file.Models {
		n := l.p.byModel[m.Name]
		if n == nil {
			var known []string
			for name := range l.p.byModel {
				known = append(known, name)
			}
			l.noTable(m, known, "no model is named %q", m.Name)
			continue
		}
		l.describe(n, m)
	}
	for _, s := range file.Sources {
		l.unread(s.Origin, freshnessHint, unreadSource{})
		l.unread(s.Config.Origin, freshnessHint, unreadSource{})
		for _, t := range s.Tables {
			n := l.p.Stream(s.Name, t.Name)
			if n == nil {
				var known []string
				for _, n := range l.p.Nodes {
					if n.Stream != nil && n.Schema == s.Name {
						known = append(known, n.Table)
					}
				}
				l.noTable(t, known, "source %q of this project has no stream %q: its tests are not run", s.Name, t.Name)
				continue
			}
			n.Tags = append(append(n.Tags, s.Tags...), s.Config.Tags...)
			l.describe(n, t)
		}
	}
}

func (l *loader) noTable(t tableProperties, known []string, format string, args ...any) {
	hint := ""
	if guess := config.Suggest(t.Name, known); guess != "" {
		hint = fmt.Sprintf("did you mean %q?", guess)
	}
	l.warning(t.Origin.At("name"), hint, format, args...)
}

// describe gives a node what its properties say.
func (l *loader) describe(n *Node, t tableProperties) {
	if n.Description == "" {
		n.Description = t.Description
	}
	if n.Owner == "" {
		n.Owner = t.Owner
	}
	n.Tags = append(append(n.Tags, t.Tags...), t.Config.Tags...)
	l.unread(t.Config.Origin, "write it in the model: {{ config(…) }}", unreadConfig{})
	l.unread(t.Origin, freshnessHint, unreadSource{})
	l.unread(t.Config.Origin, freshnessHint, unreadSource{})
	l.checksOf(n, t.Checks.Node, "", false)
	l.checksOf(n, t.Tests.Node, "", true)
	l.checksOf(n, t.DataTests.Node, "", true)
	l.promised(n, l.entryOf(n, t), t.Columns, t.Constraints)
	for _, c := range t.Columns {
		n.Columns = append(n.Columns, c.column())
		l.checksOf(n, c.Checks.Node, c.Name, false)
		l.checksOf(n, c.Tests.Node, c.Name, true)
		l.checksOf(n, c.DataTests.Node, c.Name, true)
	}
}
