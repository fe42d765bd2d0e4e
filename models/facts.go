package models

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file is what templates see of nodes, in dbt's words.

// Package is the dbt package that a node comes from; "" is the project's own.
func (n *Node) Package() string {
	switch {
	case n.Model != nil:
		return n.Model.Package
	case n.Seed != nil:
		return n.Seed.Package
	}
	return ""
}

// FQN is the package's name, the folders and the name of a node: what trees of configuration and selectors of dbt go by.
func (n *Node) FQN() []string { return n.fqn }

// ResourceType is what dbt calls a node's kind: model, seed, snapshot or source.
func (n *Node) ResourceType() string {
	switch {
	case n.Kind == KindSeed:
		return "seed"
	case n.Model != nil && n.Model.Slowly != nil:
		return "snapshot"
	case n.Kind == KindStream || n.Kind == KindTable:
		return "source"
	}
	return "model"
}

// UniqueID is dbt's name of a node: model.shop.orders.
func (p *Project) UniqueID(n *Node) string {
	if n.Stream != nil {
		return p.sourceID(n.Stream.Source.Name, n.Table)
	}
	id := fmt.Sprintf("%s.%s.%s", n.ResourceType(), p.PackageName(n.Package()), n.RefName())
	if n.Model != nil && n.Model.Version != "" {
		id += ".v" + n.Model.Version
	}
	return id
}

// factsOf is a dict in the making: what has no template value is left out.
type factsOf struct{ *jinja.Dict }

func newFacts() factsOf { return factsOf{jinja.NewDict()} }

func (f factsOf) put(key string, value any) {
	if v, err := jinja.FromGo(value); err == nil {
		_ = f.Set(key, v) // a text is a key
	}
}

// putAll puts keys and values, one after the other.
func (f factsOf) putAll(pairs ...any) factsOf {
	for i := 0; i+1 < len(pairs); i += 2 {
		f.put(pairs[i].(string), pairs[i+1])
	}
	return f
}

// Facts are a node as templates see it in graph.nodes and graph.sources, with dbt's keys in dbt's order.
func (p *Project) Facts(n *Node) *jinja.Dict {
	if d := p.declaredOf(n); d != nil {
		return p.declaredFacts(d)
	}
	f := newFacts()
	file, below := p.inPackage(n.Path, n.Package())
	config := p.configFacts(n)
	meta, _ := config.Get("meta")
	docs, _ := config.Get("docs")
	group, _ := config.Get("group")
	tags, _ := config.Get("tags")
	f.putAll("database", orNone(p.Database), "schema", n.Schema, "name", n.RefName(), "resource_type", n.ResourceType(),
		"package_name", p.PackageName(n.Package()), "path", below, "original_file_path", file, "unique_id", p.UniqueID(n), "fqn",
		anys(n.shownFQN()),
		"alias", n.Table, "identifier", n.Table)
	if n.Stream != nil {
		p.streamFacts(f, n)
		return f.Dict
	}
	f.putAll("checksum", p.checksum(n), "config", config.Dict, "tags", jinja.Copy(tags), "description", n.ownDescription(),
		"columns", columnFacts(n.ownColumns()), "meta", meta, "group", group, "docs", docs, "patch_path", p.patchPath(n), "build_path", nil,
		"unrendered_config", newFacts().Dict, "created_at", p.createdAt(), "relation_name", p.printed(n), "raw_code", n.rawCode(),
		"doc_blocks", []any{})
	if n.Seed != nil {
		f.putAll("root_path", p.Dir, "depends_on", newFacts().putAll("macros", []any{}).Dict, "defer_relation", nil)
		return f.Dict
	}
	refs, sources := p.refFacts(n)
	f.putAll("language", n.language(), "refs", refs, "sources", sources, "metrics", []any{}, "depends_on", p.dependsOn(n), "compiled_path",
		nil,
		"contract", n.contractFacts().putAll("checksum", nil).Dict)
	if n.ResourceType() == "model" {
		access, _ := config.Get("access")
		f.putAll("access", access, "constraints", n.constraintFacts(), "version", p.versionFact(n), "latest_version", p.latestFact(n),
			"deprecation_date", n.deprecated(), "defer_relation", nil, "primary_key", anys(n.primaryKey()), "time_spine", n.timeSpine(), "batch", nil)
	} else {
		f.put("defer_relation", nil)
	}
	return f.Dict
}

// OperationFacts are a run's hook as its template sees it as model.
func (p *Project) OperationFacts(h Hook) *jinja.Dict {
	file, _ := p.inPackage(h.Pos.File, h.Package)
	pkg := p.PackageName(h.Package)
	schema := any(nil)
	if p.Target != nil {
		schema = p.Target.Schema
	}
	return newFacts().putAll("database", orNone(p.Database), "schema", schema, "name", h.Name, "resource_type", "operation", "package_name",
		pkg,
		"path", "hooks/"+h.Name+".sql", "original_file_path", file, "unique_id", "operation."+pkg+"."+h.Name, "fqn", []any{pkg, "hooks",
			h.Name},
		"alias", h.Name, "config", jinja.NewDict(), "tags", []any{}, "description", "", "columns", jinja.NewDict(), "meta", jinja.NewDict(),
		"raw_code", h.Template.Source(), "language", "sql", "refs", []any{}, "sources", []any{},
		"depends_on", newFacts().putAll("macros", []any{}, "nodes", []any{}).Dict).Dict
}

// ModelFacts are the node that is rendered, as its template sees it: as in the graph, without what is None.
func (p *Project) ModelFacts(n *Node) *jinja.Dict { return withoutNone(p.Facts(n), 1) }

// withoutNone leaves out what is None in a dict, and in the dicts that are so many levels within it.
func withoutNone(d *jinja.Dict, levels int) *jinja.Dict {
	out := jinja.NewDict()
	for k, v := range d.All() {
		if inner, ok := v.(*jinja.Dict); ok && levels > 0 && k != "meta" {
			v = withoutNone(inner, levels-1)
		}
		if v != nil {
			_ = out.Set(k, v) // it was a key before
		}
	}
	return out
}

// printed is the node's table as a template prints it; an ephemeral model has none.
func (p *Project) printed(n *Node) any {
	if n.Model != nil && n.Model.Materialized == Ephemeral {
		return nil
	}
	return quotedName(n.Schema, n.Table)
}

func quotedName(schema, table string) string {
	return fmt.Sprintf(`"%s"."%s"`, strings.ReplaceAll(schema, `"`, `""`), strings.ReplaceAll(table, `"`, `""`))
}

// createdAt is when the project was read, in seconds as dbt counts them.
func (p *Project) createdAt() any {
	if p.read.IsZero() {
		return nil
	}
	return float64(p.read.UnixMicro()) / 1e6
}

func (n *Node) rawCode() string {
	switch {
	case n.Model == nil || n.Model.Template == nil: // a probe has none
		return ""
	case n.Model.Slowly != nil:
		return n.Model.Template.Body()
	}
	return strings.TrimSpace(n.Model.Template.Source())
}

// shownFQN is the FQN as dbt tells it: that of a snapshot block has its file's name too.
func (n *Node) shownFQN() []string {
	switch last := len(n.fqn) - 1; {
	case n.Model == nil || last < 0:
	case n.Model.Slowly != nil && strings.HasSuffix(n.Path, ".sql"):
		return append(slices.Clone(n.fqn[:last]), strings.TrimSuffix(path.Base(n.Path), ".sql"), n.fqn[last])
	}
	return n.fqn
}

func (n *Node) language() string {
	if n.Model != nil && strings.HasSuffix(n.Model.Path, ".py") {
		return "python"
	}
	return "sql"
}

// largestSeed is the size above which dbt goes by a seed's path.
const largestSeed = 1 << 20

// checksum is dbt's of the file that a node stands in.
func (p *Project) checksum(n *Node) *jinja.Dict {
	name, sum := "none", ""
	switch {
	case n.Seed != nil && p.Dir != "":
		file := filepath.Join(p.Dir, filepath.FromSlash(n.Seed.Path))
		if info, err := os.Stat(file); err == nil && info.Size() > largestSeed {
			name, sum = "path", n.Seed.Path
		} else if text, err := os.ReadFile(file); err == nil {
			name, sum = "sha256", fmt.Sprintf("%x", sha256.Sum256(bytes.TrimSpace(text)))
		}
	case n.Model != nil && n.Model.Template != nil:
		name, sum = "sha256", fmt.Sprintf("%x", sha256.Sum256([]byte(strings.TrimSpace(n.Model.Template.Source()))))
	}
	return newFacts().putAll("name", name, "checksum", sum).Dict
}

// patchPath is the properties file that says something of the node.
func (p *Project) patchPath(n *Node) any {
	if n.props == nil {
		return nil
	}
	file, _ := p.inPackage(n.props.Pos().File, n.testsOf())
	return p.PackageName(n.testsOf()) + "://" + file
}

// dependsOn are the macros that a node's template calls itself, and the nodes that it reads: sources first.
func (p *Project) dependsOn(n *Node) *jinja.Dict {
	macros := []any{}
	if n.Model != nil && n.Model.Template != nil && p.Macros != nil {
		macros = p.macroIDs(p.Macros.Called(n.Model.Template, p.PackageName(n.Package())))
	}
	ids := p.parentsOf(n)
	sourcesFirst(ids)
	return newFacts().putAll("macros", macros, "nodes", anys(ids)).Dict
}

// sourcesFirst orders ids as dbt does: those of sources' tables go before others.
func sourcesFirst(ids []string) {
	slices.SortStableFunc(ids, func(a, b string) int {
		switch one, other := strings.HasPrefix(a, "source."), strings.HasPrefix(b, "source."); {
		case one && !other:
			return -1
		case other && !one:
			return 1
		}
		return 0
	})
}

func (p *Project) macroIDs(refs []jinja.MacroRef) []any {
	ids := []any{}
	for _, m := range refs {
		ids = append(ids, "macro."+p.PackageName(m.Package)+"."+m.Name)
	}
	return ids
}

// versionFact is the version of a model as YAML has it: a number, or a text.
func (p *Project) versionFact(n *Node) any {
	if n.Model == nil {
		return nil
	}
	return numberOrText(n.Model.Version)
}

func (p *Project) latestFact(n *Node) any {
	return numberOrText(p.latest[modelKey{pkg: n.Package(), name: n.RefName()}])
}

func numberOrText(s string) any {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f
	}
	return orNone(s)
}

func (n *Node) deprecated() any {
	if n.props == nil || n.props.Deprecation.IsNull() {
		return nil
	}
	text := n.props.Deprecation.Text()
	for _, layout := range []string{time.DateOnly, time.RFC3339, time.DateTime, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format("2006-01-02T15:04:05.999999-07:00")
		}
	}
	return text
}

// timeSpine is what dbt's semantic layer would count by.
func (n *Node) timeSpine() any {
	if n.props == nil || !n.props.TimeSpine.IsMapping() {
		return nil
	}
	custom := []any{}
	for _, c := range n.props.TimeSpine.Get("custom_granularities").Items() {
		custom = append(custom, newFacts().putAll("name", c.Get("name").Text(), "column_name", orNone(c.Get("column_name").Text())).Dict)
	}
	return newFacts().putAll("standard_granularity_column", n.props.TimeSpine.Get("standard_granularity_column").Text(), "custom_granularities", custom).Dict
}

// contractFacts say whether the node's columns are promised.
func (n *Node) contractFacts() factsOf {
	return newFacts().putAll("enforced", n.Contract() != nil, "alias_types", true)
}

// constraintFacts are the constraints of the node's table.
func (n *Node) constraintFacts() []any {
	if n.props == nil {
		return []any{}
	}
	return factsOfConstraints(n.props.Constraints, true)
}

func factsOfConstraints(constraints []constraint, ofTable bool) []any {
	all := []any{}
	for _, c := range constraints {
		f := newFacts().putAll("type", c.Type, "name", orNone(c.Name), "expression", orNone(c.Expression), "warn_unenforced", true,
			"warn_unsupported", true,
			"to", orNone(c.To), "to_columns", anys(c.ToColumns))
		if ofTable {
			f.put("columns", anys(c.Columns))
		}
		all = append(all, f.Dict)
	}
	return all
}

// primaryKey are the columns of a primary key: as a constraint says, or a column that is tested to be there and to be unique.
func (n *Node) primaryKey() []string {
	if n.props != nil {
		for _, c := range n.props.Constraints {
			if c.Type == "primary_key" {
				return c.Columns
			}
		}
	}
	var tested []string
	for _, c := range n.Columns {
		if c.props == nil {
			continue
		}
		if slices.ContainsFunc(c.props.Constraints, func(of constraint) bool { return of.Type == "primary_key" }) {
			return []string{c.Name}
		}
		if n.isTested(c.Name, "unique") && n.isTested(c.Name, "not_null") {
			tested = append(tested, c.Name)
		}
	}
	return tested
}

func (n *Node) isTested(column, kind string) bool {
	return slices.ContainsFunc(n.Checks, func(c *Check) bool { return c.Kind == kind && slices.Equal(c.Columns, []string{column}) })
}

// ownColumns are the node's columns without those that are said of the source that it provides.
func (n *Node) ownColumns() []Column {
	return slices.DeleteFunc(slices.Clone(n.Columns), func(c Column) bool { return c.ofSource })
}

func (n *Node) ownDescription() string {
	if n.toldBySource {
		return ""
	}
	return n.Description
}

// columnFacts are columns as properties files say them.
func columnFacts(columns []Column) *jinja.Dict {
	all := jinja.NewDict()
	for _, c := range columns {
		var quote any
		meta, constraints := jinja.NewDict(), []any{}
		if c.props != nil {
			for _, m := range []config.Node{c.props.Meta, c.props.Config.Meta} {
				if said, ok := templateValue(m).(*jinja.Dict); ok {
					meta = joined(meta, said)
				}
			}
			constraints = factsOfConstraints(c.props.Constraints, false)
			if c.props.Origin.Has("quote") {
				quote = c.props.Quote
			}
		}
		tags := anys(c.Tags)
		one := newFacts().putAll("name", c.Name, "description", c.Description, "meta", meta, "data_type", orNone(c.Type), "constraints",
			constraints,
			"quote", quote, "config", newFacts().putAll("meta", jinja.Copy(meta), "tags", tags).Dict, "tags", tags, "granularity", nil,
			"doc_blocks", []any{})
		_ = all.Set(c.Name, one.Dict) // a text is a key
	}
	return all
}

// Graph is the whole project as templates see it. It is made when one asks, and frozen: all of them share it.
func (p *Project) Graph() *jinja.Dict { return p.graph() }

func (p *Project) makeGraph() *jinja.Dict {
	kinds := map[string]*jinja.Dict{"nodes": jinja.NewDict(), "sources": p.sourceGraph(), "exposures": jinja.NewDict()}
	for _, n := range p.Nodes {
		if n.ResourceType() != "source" {
			_ = kinds["nodes"].Set(p.UniqueID(n), p.Facts(n)) // a text is a key
		}
		for _, c := range n.Checks {
			if !p.IsTest(c) {
				continue
			}
			_ = kinds["nodes"].Set(p.TestID(c), p.TestNode(c))
		}
	}
	for _, e := range p.Exposures {
		id, _, facts := p.exposureFacts(e)
		_ = kinds["exposures"].Set(id, facts) // a text is a key
	}
	d := jinja.NewDict()
	for _, key := range []string{"exposures", "groups", "metrics", "nodes", "sources", "semantic_models", "saved_queries"} {
		if kinds[key] == nil {
			kinds[key] = jinja.NewDict() // dbt has more kinds than there are here
		}
		_ = d.Set(key, kinds[key])
	}
	d.Freeze()
	return d
}

func orNone(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}

// EnvVar gives a variable of the environment to a template of a dbt project. In a project of Millrace the environment of a machine is no
// part of the project: a model may not see it. Nor does any see what dbt keeps for secrets.
func (p *Project) EnvVar(name string) (string, bool) {
	if p.env == nil || strings.HasPrefix(name, "DBT_ENV_SECRET_") {
		return "", false
	}
	return p.env(name)
}
