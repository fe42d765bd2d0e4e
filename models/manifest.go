package models

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models/jinja"
)

// This file tells a project as dbt's manifest.json does, in the subset that orchestrators and catalogues read.

// Invocation is what made an artifact.
type Invocation struct {
	ID      string
	Began   time.Time // the zero time: it begins and ends at once
	At      time.Time // when the artifact was made
	Version string    // of millrace
	// Compiled is what was rendered, by the ids of nodes and tests.
	Compiled map[string]string
}

// ManifestSchema is the schema of the manifest.
const ManifestSchema = "https://schemas.getdbt.com/dbt/manifest/v12.json"

// Metadata is what dbt's artifacts begin with.
func (p *Project) Metadata(schema string, in Invocation) map[string]any {
	began := in.Began
	if began.IsZero() {
		began = in.At
	}
	return map[string]any{"dbt_schema_version": schema, "dbt_version": jinja.Version, "generated_at": Moment(in.At), "invocation_id": in.ID,
		"invocation_started_at": Moment(began), "quoting": map[string]any{"database": true, "schema": true, "identifier": true, "column": nil},
		"env": map[string]any{}, "project_name": p.root, "project_id": md5Hex(p.root), "user_id": nil, "send_anonymous_usage_stats": false,
		"adapter_type": "duckdb", "millrace_version": in.Version}
}

// Moment is a time as dbt's artifacts have it.
func Moment(t time.Time) string { return t.UTC().Format(jinja.Moment) }

// Manifest is the project as manifest.json. It says nothing of what is published.
func (p *Project) Manifest(in Invocation) map[string]any {
	nodes, sources, exposures, units := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	parents := map[string][]string{}
	for id, of := range p.sourceGraph().All() {
		facts := byName(of.(*jinja.Dict))
		facts["relation_name"] = p.withDatabase(fmt.Sprint(facts["relation_name"]))
		sources[fmt.Sprint(id)], parents[fmt.Sprint(id)] = facts, []string{}
	}
	for _, n := range p.Nodes {
		if n.ResourceType() != "source" {
			id := p.UniqueID(n)
			nodes[id] = p.nodeFacts(n)
			parents[id] = p.parentsOf(n)
		}
		for _, c := range n.Checks {
			if !p.IsTest(c) {
				continue
			}
			test := byName(p.TestNode(c))
			test["compiled"], test["compiled_code"] = false, nil
			nodes[p.TestID(c)] = test
			parents[p.TestID(c)], _, _ = p.readsOf(c)
		}
	}
	for _, e := range p.Exposures {
		id, on, facts := p.exposureFacts(e)
		exposures[id] = byName(facts)
		parents[id] = append([]string{}, on...)
	}
	for _, t := range p.UnitTests {
		id := p.UnitTestID(t)
		units[id] = byName(p.UnitTestNode(t))
		parents[id] = []string{p.UniqueID(t.Node)}
	}
	for id, sql := range in.Compiled {
		if of, ok := nodes[id].(map[string]any); ok && sql != "" {
			of["compiled"], of["compiled_code"], of["extra_ctes"], of["extra_ctes_injected"] = true, sql, []any{}, true
		}
	}
	return map[string]any{"metadata": p.Metadata(ManifestSchema, in), "nodes": nodes, "sources": sources, "exposures": exposures,
		"unit_tests": units, "macros": p.macroFacts(),
		"parent_map": parents, "child_map": childrenOf(parents), "docs": map[string]any{}, "metrics": map[string]any{},
		"groups": map[string]any{}, "selectors": map[string]any{},
		"disabled": map[string]any{}, "group_map": map[string]any{}, "saved_queries": map[string]any{}, "semantic_models": map[string]any{}}
}

func childrenOf(parents map[string][]string) map[string][]string {
	children := map[string][]string{}
	for id := range parents {
		children[id] = []string{}
	}
	for _, id := range slices.Sorted(maps.Keys(parents)) {
		for _, parent := range parents[id] {
			children[parent] = append(children[parent], id)
		}
	}
	return children
}

// parentsOf are the ids of what a node reads: of a source() the source, whatever provides it.
func (p *Project) parentsOf(n *Node) []string {
	ids := []string{}
	if n.Model == nil {
		for _, need := range n.Needs {
			ids = append(ids, p.UniqueID(need))
		}
		return ids
	}
	for _, r := range n.Model.Refs {
		id := p.refID(r)
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// refID is the id of what a template refers to.
func (p *Project) refID(r Ref) string {
	if r.Source != "" {
		return p.sourceID(r.Source, r.Name)
	}
	return p.UniqueID(r.Node)
}

// inPackage is the name of a file within the package that it is of, and within the folder of its kind.
func (p *Project) inPackage(file, pkg string) (original, below string) {
	original = file
	if pkg != "" {
		if _, rest, ok := strings.Cut(file, "/"); ok {
			_, original, _ = strings.Cut(rest, "/")
		}
	}
	if _, rest, ok := strings.Cut(original, "/"); ok {
		return original, rest
	}
	return original, original
}

// RelationName is the table of a node as dbt prints it, with the database.
func (p *Project) RelationName(n *Node) string {
	return p.withDatabase(quotedName(n.Schema, n.Table))
}

func (p *Project) withDatabase(name string) string {
	if p.Database != "" {
		name = `"` + strings.ReplaceAll(p.Database, `"`, `""`) + `".` + name
	}
	return name
}

// nodeFacts are a model, seed or snapshot.
func (p *Project) nodeFacts(n *Node) map[string]any {
	facts := byName(p.Facts(n))
	if facts["relation_name"] != nil {
		facts["relation_name"] = p.RelationName(n)
	}
	facts["compiled"], facts["compiled_code"], facts["owner"] = false, nil, n.Owner
	return facts
}

// byName are facts by their keys: what JSON writes of them is not in dbt's order, but what is in them is in its own.
func byName(d *jinja.Dict) map[string]any {
	facts := map[string]any{}
	for key, value := range d.All() {
		facts[fmt.Sprint(key)] = value
	}
	return facts
}

func (p *Project) refFacts(n *Node) (refs []*jinja.Dict, sources [][]string) {
	refs, sources = []*jinja.Dict{}, [][]string{}
	if n.Model == nil {
		return refs, sources
	}
	seen := map[string]bool{}
	for _, r := range n.Model.Refs {
		id := p.refID(r)
		switch {
		case seen[id]:
		case r.Source != "":
			sources = append(sources, []string{r.Source, r.Name})
		default:
			refs = append(refs, p.refFact(r.Node))
		}
		seen[id] = true
	}
	return refs, sources
}

// refFact is a ref() of a node.
func (p *Project) refFact(n *Node) *jinja.Dict {
	return newFacts().putAll("name", n.RefName(), "package", orNone(n.Package()), "version", p.versionFact(n)).Dict
}

// exposureFacts are an exposure in dbt's words, and the ids of what it uses: sources first.
func (p *Project) exposureFacts(e *Exposure) (id string, on []string, _ *jinja.Dict) {
	id = "exposure." + p.PackageName(e.Package) + "." + e.Name
	refs, sources := []any{}, []any{}
	for _, r := range e.refs {
		id := p.refID(r)
		if slices.Contains(on, id) {
			continue
		}
		if r.Source != "" {
			on, sources = append(on, id), append(sources, []string{r.Source, r.Name})
			continue
		}
		on, refs = append(on, id), append(refs, p.refFact(r.Node))
	}
	sourcesFirst(on)
	file, below := p.inPackage(e.Path, e.Package)
	tags := anys(e.Tags)
	return id, on, newFacts().putAll("name", e.Name, "resource_type", "exposure", "package_name", p.PackageName(e.Package), "path", below,
		"original_file_path", file, "unique_id", id, "fqn", anys(e.fqn), "type", e.Type,
		"owner", newFacts().putAll("email", orNone(e.OwnerEmail), "name", orNone(e.OwnerName)).Dict, "description", e.Description, "label",
		orNone(e.Label),
		"maturity", orNone(e.Maturity), "meta", jinja.Copy(e.Meta), "tags", tags,
		"config", newFacts().putAll("enabled", true, "tags", tags, "meta", jinja.Copy(e.Meta)).Dict, "unrendered_config", jinja.NewDict(),
		"url", orNone(e.URL),
		"depends_on", newFacts().putAll("macros", []any{}, "nodes", anys(on)).Dict, "refs", refs, "sources", sources, "metrics", []any{},
		"created_at", p.createdAt()).Dict
}

// UnitTestNode is a unit test as templates see it among results, and the manifest.
func (p *Project) UnitTestNode(t *UnitTest) *jinja.Dict {
	file, below := p.inPackage(t.Path, t.Package)
	given := []any{}
	for _, f := range t.Given {
		given = append(given, newFacts().putAll("input", f.Input).Dict)
	}
	return newFacts().putAll("model", t.Node.RefName(), "given", given, "name", t.Name, "resource_type", "unit_test",
		"package_name", p.PackageName(t.Package), "path", below, "original_file_path", file, "unique_id", p.UnitTestID(t), "fqn", anys(t.fqn),
		"description", t.Description, "depends_on", newFacts().putAll("macros", []any{}, "nodes", []any{p.UniqueID(t.Node)}).Dict,
		"config", newFacts().putAll("tags", anys(t.Tags), "enabled", true).Dict, "schema", t.Node.Schema).Dict
}

// macroFacts are the names of the macros of the project and its packages.
func (p *Project) macroFacts() map[string]any {
	all := map[string]any{}
	for _, pkg := range append([]string{p.root}, p.Packages...) {
		for _, m := range p.Macros.Macros(pkg) {
			file, _ := p.inPackage(m.Position.File, strings.TrimPrefix(pkg, p.root))
			id := "macro." + pkg + "." + m.Name
			all[id] = map[string]any{"unique_id": id, "name": m.Name, "package_name": pkg, "resource_type": "macro", "path": file,
				"original_file_path": file, "description": "", "meta": map[string]any{}, "macro_sql": p.Macros.TextOf(m), "arguments": []any{},
				"depends_on": map[string]any{"macros": p.macroIDs(p.Macros.CalledBy(m))}, "docs": map[string]any{"show": true, "node_color": nil},
				"patch_path": nil, "created_at": p.createdAt(), "supported_languages": nil}
		}
	}
	return all
}
