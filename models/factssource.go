package models

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file is what templates and the manifest see of sources: all tables that properties files declare, whether a model reads them or not,
// and the streams of sources that no properties file describes.

// declared is a table of a source as a properties file declares it.
type declared struct {
	source      *sourceProperties
	table       *tableProperties
	node        *Node // what provides it; nil where nothing does, or nothing reads it
	described   string
	ofSource    string // the source's description
	columns     []Column
	config      *jinja.Dict // enabled, meta and tags, with what the trees of dbt_project.yml say
	sourceMeta  *jinja.Dict
	fqn         []string
	asWritten   string // name of the table where it lies
	schema      string // where it lies
	packageName string
}

// declare keeps a table of a source for templates, with what configures it.
func (l *loader) declare(s *sourceProperties, t *tableProperties, n *Node, said []setting) {
	d := &declared{source: s, table: t, node: n, described: l.described(s.pkg, t.Description, t.Origin.At("description")),
		ofSource: l.described(s.pkg, s.Description, s.Origin.At("description")), columns: l.columnsOf(t),
		asWritten: cmp.Or(t.Identifier, t.Name), schema: cmp.Or(s.Schema, s.Name), packageName: l.p.PackageName(s.pkg.label())}
	d.fqn = append(s.pkg.fqn(s.pkg.allPaths(), s.Pos().File, s.Name), t.Name)
	d.sourceMeta = metaOf(jinja.NewDict(), s.Meta, s.Config.Get("meta"))
	d.config = jinja.NewDict()
	_ = d.config.Set("meta", jinja.NewDict()) // a text is a key
	for _, one := range said {
		if one.key != "tags" {
			keepSetting(d.config, one)
		}
	}
	inConfig := func(of config.Node) []string { return texts(jinja.ToGo(templateValue(of.Get("tags")))) }
	_ = d.config.Set("tags", jinja.NewList(anys(slices.Concat(l.sourceTags(s, t), s.Tags, inConfig(s.Config), t.Tags,
		inConfig(t.Config)))...))
	l.p.declared = append(l.p.declared, d)
	if l.p.declaredBy == nil {
		l.p.declaredBy = map[string]*declared{}
	}
	l.p.declaredBy[s.Name+"."+t.Name] = d
}

// metaOf is a dict with what mappings say besides; later ones win.
func metaOf(meta *jinja.Dict, said ...config.Node) *jinja.Dict {
	for _, n := range said {
		if d, ok := templateValue(n).(*jinja.Dict); ok {
			meta = joined(meta, d)
		}
	}
	return meta
}

// declaredOf is the declaration of a stream's table, or nil.
func (p *Project) declaredOf(n *Node) *declared {
	if n.Stream == nil {
		return nil
	}
	return p.declaredBy[n.Stream.Source.Name+"."+n.Table]
}

// id is dbt's name of the table.
func (d *declared) id() string {
	return "source." + d.packageName + "." + d.source.Name + "." + d.table.Name
}

// sourceID is dbt's name of a source's table.
func (p *Project) sourceID(source, table string) string {
	if d := p.declaredBy[source+"."+table]; d != nil {
		return d.id()
	}
	return "source." + p.root + "." + source + "." + table
}

// sourceGraph are all tables of sources, by id.
func (p *Project) sourceGraph() *jinja.Dict {
	all := jinja.NewDict()
	for _, d := range p.declared {
		_ = all.Set(d.id(), p.declaredFacts(d)) // a text is a key
	}
	for _, n := range p.Nodes {
		if n.ResourceType() == "source" && p.declaredOf(n) == nil {
			_ = all.Set(p.UniqueID(n), p.Facts(n))
		}
	}
	return all
}

// declaredFacts are a declared table in dbt's words. Its schema and its relation are where it is to be found here.
func (p *Project) declaredFacts(d *declared) *jinja.Dict {
	label := d.source.pkg.label()
	file, _ := p.inPackage(d.table.Pos().File, label)
	schema, relation := d.schema, quotedName(d.schema, d.asWritten)
	if d.node != nil {
		schema, relation = d.node.Schema, quotedName(d.node.Schema, d.node.Table)
	}
	loader := d.source.Loader.Text()
	if d.table.Loader.IsScalar() {
		loader = d.table.Loader.Text()
	}
	tags, _ := d.config.Get("tags")
	meta, _ := d.config.Get("meta")
	freshness := d.freshness()
	field := d.loadedAt("loaded_at_field", d.source.LoadedAtField, d.table.LoadedAtField)
	query := d.loadedAt("loaded_at_query", d.source.LoadedAtQuery, d.table.LoadedAtQuery)
	config := newFacts().putAll("enabled", true, "event_time", nil, "freshness", freshness, "loaded_at_field", field, "loaded_at_query",
		query, "meta", nil,
		"tags", nil)
	for k, v := range d.config.All() {
		if key, _ := k.(string); key != "freshness" && key != "loaded_at_field" && key != "loaded_at_query" {
			config.put(key, jinja.Copy(v))
		}
	}
	return newFacts().putAll("database", orNone(p.Database), "schema", schema, "name", d.table.Name, "resource_type", "source",
		"package_name", d.packageName, "path", file, "original_file_path", file, "unique_id", d.id(), "fqn", anys(d.fqn), "source_name",
		d.source.Name,
		"source_description", d.ofSource, "loader", loader, "identifier", d.asWritten,
		"quoting", newFacts().putAll("database", nil, "schema", nil, "identifier", nil, "column", nil).Dict,
		"loaded_at_field", field, "loaded_at_query", query, "freshness", freshness, "external", templateValue(d.table.External),
		"description", d.described, "columns", columnFacts(d.columns), "meta", jinja.Copy(meta), "source_meta", jinja.Copy(d.sourceMeta),
		"tags", jinja.Copy(tags),
		"config", config.Dict, "patch_path", nil, "unrendered_config", jinja.NewDict(), "relation_name", relation, "created_at", p.createdAt(),
		"unrendered_database", nil, "unrendered_schema", nil, "doc_blocks", []any{}).Dict
}

// loadedAt is the column, or the query, that says how fresh the table is, as the last of these places has it.
func (d *declared) loadedAt(key string, ofSource, ofTable config.Node) any {
	var last any
	for _, n := range []config.Node{ofSource, d.source.Config.Get(key), ofTable, d.table.Config.Get(key)} {
		if n.IsScalar() {
			last = n.Text()
		}
	}
	return last
}

// freshness is how old the table may be, in dbt's words; None where a null says so.
func (d *declared) freshness() any {
	span := func(n config.Node) *jinja.Dict {
		one := newFacts().putAll("count", nil, "period", nil)
		for key, value := range n.All() {
			one.put(key, templateValue(value))
		}
		return one.Dict
	}
	f := newFacts().putAll("warn_after", span(config.Node{}), "error_after", span(config.Node{}), "filter", nil)
	for _, n := range []config.Node{d.source.Freshness, d.source.Config.Get("freshness"), d.table.Freshness,
		d.table.Config.Get("freshness")} {
		if !n.IsZero() && n.IsNull() {
			return nil
		}
		for key, value := range n.All() {
			if key == "filter" {
				f.put(key, templateValue(value))
			} else {
				f.put(key, span(value))
			}
		}
	}
	return f.Dict
}

// streamFacts are a stream that no properties file describes.
func (p *Project) streamFacts(f factsOf, n *Node) {
	f.putAll("source_name", n.Stream.Source.Name, "source_description", n.Stream.Source.Description, "loader", "millrace",
		"loaded_at_field", nil, "loaded_at_query", nil, "freshness", nil, "external", nil, "description", n.Description, "columns",
		columnFacts(n.Columns),
		"meta", jinja.NewDict(), "source_meta", jinja.NewDict(), "tags", anys(n.Tags),
		"config", newFacts().putAll("enabled", true, "event_time", nil, "meta", jinja.NewDict(), "tags", anys(n.Tags)).Dict, "patch_path", nil,
		"unrendered_config", jinja.NewDict(), "relation_name", quotedName(n.Schema, n.Table), "created_at", p.createdAt(), "doc_blocks",
		[]any{})
}
