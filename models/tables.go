package models

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file reads checks files: tables that no project makes, where they are, and what must hold for their rows.

// TablesFile is a checks file, or what stands for one on a command line.
type TablesFile struct {
	Name   string // as problems call it
	Source []byte
	// Path says what a path in from: means; see PathMeaning.
	Path func(path string) (PathMeaning, error)
}

// PathMeaning is what a path stands for. The zero PathMeaning is a file that is read as it is.
type PathMeaning struct {
	Type string                    // of the source that reads it
	Set  func(options, stream any) // fills the source's and the stream's keys
}

// Given is a table of the command line, with checks in YAML.
type Given struct {
	Table  string
	From   string
	Checks []string
}

// tablesFile is a checks file.
type tablesFile struct {
	config.Origin
	Vars    config.Map[any] `yaml:"vars" doc:"Variables for this file, as ${var:name}, and for its queries, as var('name')."`
	Secrets config.Node     `yaml:"secrets" doc:"Stores that ${secret:name} is looked up in, in order."`
	Tables  []tableEntry    `yaml:"tables" required:"true" doc:"The tables to check."`
}

// tableEntry is a table of a checks file.
type tableEntry struct {
	tableProperties `yaml:",inline"`
	From            config.Node `yaml:"from" required:"true" union:"from" doc:"Where its rows are: Parquet, CSV or JSON files, a table of a DuckDB file (shop.duckdb:main.orders), or a source with its keys. Paths are relative to this file." example:"data/orders*.parquet"`
}

// fromKeys are the keys of a source in from:, beside its own and those of its streams.
type fromKeys struct {
	Type       string           `yaml:"type" required:"true" doc:"Type of source."`
	Table      string           `yaml:"table" doc:"Name of the table in the source; by default the name in this file." example:"public.customers"`
	MaxRejects config.Threshold `yaml:"max_rejects" default:"0" doc:"More records that cannot be read than this, a share or a count, are an error." example:"1%"`
}

// LoadTables reads and validates a checks file: the project has nothing but its tables, as nodes of KindTable, in the order
// of the file. Files and Target of Loading are not used.
func LoadTables(in Loading, file TablesFile) (*Project, config.Problems) {
	l := newTablesLoader(in, file)
	root := l.parse(file.Name)
	if root == nil {
		return nil, l.problems.Sort()
	}
	l.prepareReferences(root)
	l.givenVars()
	l.unknownVars(root.Name)
	var written tablesFile
	l.problems = append(l.problems, root.Decode(&written, l.resolve)...)
	if len(written.Tables) == 0 && root.Root(nil).Get("tables").IsList() {
		l.problem(root.Root(nil).Get("tables").Pos(), "write - name: orders, and below it from: and checks:", "there are no tables")
	}
	for _, t := range written.Tables {
		if t.Name == "" && t.Origin.Has("name") {
			l.problem(t.Origin.At("name"), "", "a table needs a name")
		}
		if n := l.tableNode(t.Name, t.Origin.At("name")); n != nil {
			l.from(n, t.From)
			l.describe(n, t.tableProperties)
		}
	}
	return l.finishTables()
}

// GivenTables makes the same of tables on a command line. Problems call it by the name of the flag that has the checks.
func GivenTables(in Loading, file TablesFile, given []Given) (*Project, config.Problems) {
	l := newTablesLoader(in, file)
	l.resolve = config.Lookups{Env: l.Env, Vars: l.Vars}.Resolve
	for _, g := range given {
		at := config.Pos{File: g.From}
		n := l.tableNode(g.Table, at)
		if n == nil {
			continue
		}
		l.fromPath(n, g.From, at)
		for _, text := range g.Checks {
			l.givenCheck(n, file.Name, text)
		}
	}
	return l.finishTables()
}

func newTablesLoader(in Loading, file TablesFile) *loader {
	if in.Context == nil {
		in.Context = context.Background()
	}
	l := newLoader(in, &Project{Dir: in.Dir, Memory: 1 << 30, Verify: "footer", Macros: &jinja.Library{}})
	l.path, l.given[file.Name] = file.Path, file.Source
	return l
}

// givenCheck reads one check of a command line.
func (l *loader) givenCheck(n *Node, flag, text string) {
	f, problems := config.Parse(flag, []byte("- "+strings.ReplaceAll(text, "\n", "\n  ")))
	for _, p := range problems {
		p.Hint = `write --check "not_null: id", or --check "range: { column: amount, min: 0 }"`
	}
	l.problems = append(l.problems, problems...)
	if l.Redactor != nil {
		f.OnSecret = l.Redactor.Add
	}
	if !problems.HasErrors() {
		l.checksOf(n, f.Root(l.resolve), "", false)
	}
}

// tableNode makes the node of a table: schema.table, or a table of schema main.
func (l *loader) tableNode(name string, pos config.Pos) *Node {
	if name == "" {
		return nil // which was told already
	}
	parts := NameParts(name)
	if strings.HasSuffix(name, ".") {
		l.problem(pos, "write file.duckdb:table", "the database has many tables: which one is meant?")
		return nil
	}
	if len(parts) > 2 || slices.Contains(parts, "") {
		l.problem(pos, "write table or schema.table; what it is called where it lies stands in from:", "%q cannot be a table's name", name)
		return nil
	}
	n := &Node{Schema: "main", Table: parts[len(parts)-1], Kind: KindTable, Path: pos.File, Pos: pos}
	if len(parts) == 2 {
		n.Schema = parts[0]
	}
	l.addNode(n)
	if l.p.byName[n.Name()] != n {
		return nil
	}
	return n
}

// from reads where a table is.
func (l *loader) from(n *Node, node config.Node) {
	switch {
	case node.IsZero() || node.IsNull(): // the decoder has said so
	case node.IsMapping():
		l.fromSource(n, node)
	default:
		var text string
		if problems := node.Decode(&text); problems != nil {
			l.problems = append(l.problems, problems...)
			return
		}
		l.fromPath(n, text, node.Pos())
	}
}

func (l *loader) fromPath(n *Node, text string, pos config.Pos) {
	n.From = text
	if l.resolve == nil && strings.Contains(text, "${") {
		return // lint does not know what it stands for
	}
	meaning, err := l.path(text)
	if err != nil {
		l.problem(pos, "", "from: %v", err)
		return
	}
	if meaning.Type == "" {
		return
	}
	spec, _ := l.spec(meaning.Type)
	s, st := l.sourceOf(n, spec, config.Origin{})
	_ = config.Node{}.Decode(s.Options, st.Options) // the defaults
	meaning.Set(s.Options, st.Options)
}

func (l *loader) fromSource(n *Node, node config.Node) {
	typ := node.Get("type")
	spec, known := l.spec(typ.Text())
	if spec == nil {
		if typ.IsZero() {
			l.problem(node.Pos(), "write type: postgres, or the path of a file", "from: needs a type")
			return
		}
		l.unknownSource(typ, known)
		return
	}
	s, st := l.sourceOf(n, spec, node.Origin())
	var keys fromKeys
	problems := node.Decode(&keys, s.Options, st.Options)
	l.problems = append(l.problems, problems...)
	st.MaxRejects = keys.MaxRejects
	if keys.Table != "" {
		st.Name = keys.Table
	}
	n.From = spec.Type + " " + st.Name
	if !problems.HasErrors() {
		l.findings(s, spec)
	}
}

// sourceOf gives a table a source of its own, with one stream that is read whole.
func (l *loader) sourceOf(n *Node, spec *SourceSpec, origin config.Origin) (*Source, *Stream) {
	s := &Source{Name: n.Schema, Type: spec.Type, Options: spec.Options(), Origin: origin}
	st := &Stream{Source: s, Table: n.Table, Options: spec.StreamOptions(), Origin: origin}
	st.Name, st.Mode, st.Deletes, st.OnSchemaChange = n.Table, "full", DeletesIgnored, SchemaEvolves
	s.Streams = []*Stream{st}
	n.Stream = st
	return s, st
}

// finishTables makes checks of contracts and resolves what the checks refer to.
func (l *loader) finishTables() (*Project, config.Problems) {
	l.contracts()
	named := map[string]int{}
	for _, n := range l.p.Nodes {
		named[n.Table]++
	}
	for _, n := range l.p.Nodes {
		if named[n.Table] == 1 { // else ref() would have to guess
			l.p.byModel[n.Table] = n
		}
	}
	for _, w := range l.checks {
		l.linkCheck(w, nil)
	}
	return l.p, l.problems.Sort()
}

// TablesSchema is the JSON Schema of checks files, for editors.
func TablesSchema(specs []SourceSpec) ([]byte, error) {
	var sources []config.Variant
	for _, s := range specs {
		sources = append(sources, config.Variant{Type: s.Type, Doc: s.Summary, Structs: []any{fromKeys{}, s.Options(), s.StreamOptions()}})
	}
	schema := config.Schema(tablesFile{}, config.SchemaOptions{
		ID: "https://millrace.dev/schema/checks.json", Title: "Millrace checks file",
		Unions: map[string][]config.Variant{"from": sources},
	})
	defs := schema["definitions"].(object)
	defs["from"] = object{"anyOf": []any{object{"type": "string"}, defs["from"]}}
	text, err := json.MarshalIndent(schema, "", "  ")
	return append(text, '\n'), err
}

// unknownSource reports a type of source that there is not.
func (l *loader) unknownSource(typ config.Node, known []string) {
	hint := config.DidYouMean(typ.Text(), known, "known types: "+strings.Join(known, ", "))
	l.problem(typ.Pos(), hint, "unknown type of source %q", typ.Text())
}
