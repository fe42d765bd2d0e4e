package models

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/models/jinja"
)

// This file is what templates and the manifest see of checks: the tests that dbt would have.

// TestNode is a check as templates see it in graph.nodes, with dbt's keys in dbt's order.
func (p *Project) TestNode(c *Check) *jinja.Dict {
	name, alias := p.TestName(c)
	pkg := p.testPackage(c)
	file, below := p.inPackage(c.Pos.File, pkg)
	folders := strings.Split(path.Dir(below), "/")
	fqn := append([]string{p.PackageName(pkg)}, slices.DeleteFunc(folders, func(s string) bool { return s == "." })...)
	on, refs, sources := p.readsOf(c)
	meta := metaOf(jinja.NewDict(), c.Meta)
	config := newFacts().putAll("enabled", true, "alias", nil, "schema", "dbt_test__audit", "database", nil, "tags", anys(c.Tags), "meta",
		meta, "group", nil,
		"materialized", "test", "severity", c.severityFact(), "store_failures", nil, "store_failures_as", nil, "where", orNone(c.Where),
		"limit", c.limitFact(),
		"fail_calc", cmp.Or(c.FailCalc, "count(*)"), "warn_if", conditionFact(c.WarnIf), "error_if", conditionFact(c.ErrorIf))
	f := newFacts().putAll("database", orNone(p.Database), "schema", p.auditSchema(), "name", name, "resource_type", "test",
		"package_name", p.PackageName(pkg), "path", alias+".sql", "original_file_path", file, "unique_id", p.TestID(c), "fqn", anys(append(fqn,
			name)), "alias", alias,
		"checksum", c.checksum(), "config", config.Dict, "tags", anys(p.testTags(c)), "description", c.Description, "columns", jinja.NewDict(),
		"meta", jinja.Copy(meta),
		"group", nil, "docs", newFacts().putAll("show", true, "node_color", nil).Dict, "patch_path", nil, "build_path", nil,
		"unrendered_config", jinja.NewDict(),
		"created_at", p.createdAt(), "relation_name", nil, "raw_code", c.rawCode(), "doc_blocks", []any{}, "language", "sql", "refs", refs,
		"sources", sources, "metrics", []any{},
		"depends_on", newFacts().putAll("macros", p.testMacros(c), "nodes", anys(on)).Dict, "compiled_path", nil,
		"contract", newFacts().putAll("enforced", false, "alias_types", true, "checksum", nil).Dict)
	if c.Test != nil {
		column, _ := c.Test.Args.Get("column_name")
		said := p.TestMetadata(c)
		f.putAll("column_name", column, "file_key_name", fileKey(c)+"."+c.Node.RefName(), "attached_node", p.UniqueID(c.Node),
			"test_metadata", newFacts().putAll("name", said["name"], "kwargs", said["kwargs"], "namespace", said["namespace"]).Dict)
	}
	return f.Dict
}

// readsOf are the ids of what a check reads, and how it refers to it.
func (p *Project) readsOf(c *Check) (ids []string, refs, sources []any) {
	ids, refs, sources = []string{}, []any{}, []any{}
	for _, n := range append(slices.Clone(c.Reads), c.Node) {
		id := p.UniqueID(n)
		switch {
		case slices.Contains(ids, id):
			continue
		case n.Stream != nil:
			sources = append(sources, []string{n.Stream.Source.Name, n.Table})
		default:
			refs = append(refs, p.refFact(n))
		}
		ids = append(ids, id)
	}
	return ids, refs, sources
}

// severityFact is the severity as dbt tells it: ERROR is what nobody has written.
func (c *Check) severityFact() string {
	if c.Severity == SeverityWarn {
		return "warn"
	}
	return "ERROR"
}

func (c *Check) limitFact() any {
	if c.Origin.Has("limit") {
		return c.Limit
	}
	return nil
}

func conditionFact(c Condition) string {
	if c.IsZero() {
		return "!= 0"
	}
	return c.String()
}

// auditSchema is where dbt would keep failing rows.
func (p *Project) auditSchema() string {
	if p.Target == nil {
		return "dbt_test__audit"
	}
	return p.Target.Schema + "_dbt_test__audit"
}

// testTags are a test's tags with those of the column that it is about, and of the source.
func (p *Project) testTags(c *Check) []string {
	tags := slices.Clone(c.Tags)
	columns, of := c.Node.Columns, p.declaredOf(c.Node)
	if of != nil {
		columns = of.columns
	}
	for _, column := range columns {
		if len(c.Columns) == 1 && column.Name == c.Columns[0] {
			tags = append(tags, column.Tags...)
		}
	}
	if of != nil {
		said, _ := of.config.Get("tags")
		tags = append(tags, texts(jinja.ToGo(said))...)
	}
	return tags
}

// checksum is dbt's of a singular test's file; a generic test has none.
func (c *Check) checksum() *jinja.Dict {
	if c.Test != nil || c.Template == nil {
		return newFacts().putAll("name", "none", "checksum", "").Dict
	}
	return newFacts().putAll("name", "sha256", "checksum", fmt.Sprintf("%x", sha256.Sum256([]byte(c.rawCode())))).Dict
}

// rawCode is a singular test's text, or dbt's call of a generic one.
func (c *Check) rawCode() string {
	switch {
	case c.Test != nil:
		return "{{ " + strings.TrimPrefix(c.Test.Namespace+".", ".") + "test_" + c.Test.Type + "(**_dbt_generic_test_kwargs) }}"
	case c.Template != nil:
		return strings.TrimSpace(c.Template.Source())
	}
	return ""
}

// fileKey is the section of a properties file in which a generic test stands.
func fileKey(c *Check) string {
	switch {
	case c.Node.Stream != nil:
		return "sources"
	case c.Node.Seed != nil:
		return "seeds"
	case c.Node.ResourceType() == "snapshot":
		return "snapshots"
	}
	return "models"
}

// testMacros is the macro of a generic test, or what a singular test calls.
func (p *Project) testMacros(c *Check) []any {
	switch {
	case p.Macros == nil:
	case c.Test != nil:
		name := "test_" + c.Test.Type
		if c.Test.Namespace != "" {
			name = c.Test.Namespace + "." + name
		}
		if m, known := p.Macros.Macro(name); known {
			return p.macroIDs([]jinja.MacroRef{m})
		}
	case c.Template != nil:
		return p.macroIDs(p.Macros.Called(c.Template, p.PackageName(p.testPackage(c))))
	}
	return []any{}
}
