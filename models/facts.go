package models

import (
	"cmp"
	"fmt"
	"strings"

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
		return fmt.Sprintf("source.%s.%s.%s", p.root, n.Stream.Source.Name, n.Table)
	}
	id := fmt.Sprintf("%s.%s.%s", n.ResourceType(), p.PackageName(n.Package()), n.RefName())
	if n.Model != nil && n.Model.Version != "" {
		id += ".v" + n.Model.Version
	}
	return id
}

// Facts are a node as templates see it, as model and in graph.nodes.
func (p *Project) Facts(n *Node) *jinja.Dict {
	d := jinja.NewDict()
	put := func(key string, value any) {
		v, err := jinja.FromGo(value)
		if err == nil {
			_ = d.Set(key, v) // a text is a key
		}
	}
	config := map[string]any{"enabled": true, "tags": anys(n.Tags)}
	if n.Model != nil {
		for k, v := range n.Model.Config {
			config[k] = v
		}
		config["materialized"] = string(n.Model.Materialized)
	} else if n.Seed != nil {
		for k, v := range n.Seed.Config {
			config[k] = v
		}
		config["materialized"] = "seed"
	}
	for _, key := range []string{"schema", "alias", "meta"} {
		if _, ok := config[key]; !ok {
			config[key] = nil
		}
	}
	if config["meta"] == nil {
		config["meta"] = map[string]any{}
	}
	put("database", orNone(p.Database))
	put("schema", n.Schema)
	put("name", n.RefName())
	put("resource_type", n.ResourceType())
	put("package_name", p.PackageName(n.Package()))
	file, below := p.inPackage(n.Path, n.Package())
	put("path", below)
	put("original_file_path", file)
	put("unique_id", p.UniqueID(n))
	put("fqn", anys(n.fqn))
	put("alias", n.Table)
	put("identifier", n.Table)
	put("config", config)
	put("tags", anys(n.Tags))
	put("description", n.Description)
	put("meta", config["meta"])
	put("relation_name", fmt.Sprintf(`"%s"."%s"`, strings.ReplaceAll(n.Schema, `"`, `""`), strings.ReplaceAll(n.Table, `"`, `""`)))
	columns := jinja.NewDict()
	for _, c := range n.Columns {
		one, err := jinja.FromGo(map[string]any{"name": c.Name, "description": c.Description, "data_type": orNone(c.Type), "tags": anys(c.Tags), "meta": map[string]any{}})
		if err == nil {
			_ = columns.Set(c.Name, one) // a text is a key
		}
	}
	put("columns", columns)
	var needs []any
	for _, need := range n.Needs {
		needs = append(needs, p.UniqueID(need))
	}
	put("depends_on", map[string]any{"nodes": needs, "macros": []any{}})
	if n.Model != nil {
		put("version", orNone(n.Model.Version))
		if n.Model.Template != nil { // a probe has none
			put("raw_code", n.Model.Template.Source())
		}
	}
	if n.Stream != nil {
		put("source_name", n.Stream.Source.Name)
		put("loader", n.loadedBy)
		put("identifier", cmp.Or(n.asWritten, n.Table))
	}
	return d
}

// Graph is the whole project as templates see it.
func (p *Project) Graph() *jinja.Dict {
	kinds := map[string]*jinja.Dict{"nodes": jinja.NewDict(), "sources": jinja.NewDict(), "exposures": jinja.NewDict()}
	for _, n := range p.Nodes {
		into := kinds["nodes"]
		if n.ResourceType() == "source" {
			into = kinds["sources"]
		}
		_ = into.Set(p.UniqueID(n), p.Facts(n)) // a text is a key
	}
	for _, e := range p.Exposures {
		id, facts := p.exposureFacts(e)
		if one, err := jinja.FromGo(facts); err == nil {
			_ = kinds["exposures"].Set(id, one) // a text is a key
		}
	}
	d := jinja.NewDict()
	for _, key := range []string{"nodes", "sources", "exposures", "metrics", "groups", "semantic_models", "saved_queries"} {
		if kinds[key] == nil {
			kinds[key] = jinja.NewDict() // dbt has more kinds than there are here
		}
		_ = d.Set(key, kinds[key])
	}
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
