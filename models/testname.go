package models

import (
	"crypto/md5" // as dbt makes names, no secret depends on it
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file names tests as dbt does: what selects, watches or compares tests by their names and ids finds the same ones.

// TestFacts are a generic test as dbt's properties files call it.
type TestFacts struct {
	Type      string // not_null
	Namespace string // package of its macro, where it is written
	Given     string // name that it is given; "" for none
	Args      *jinja.Dict
	// Source and Table are the source's that it stands under, where that is a table that another node makes.
	Source, Table string
}

// source is the source, and its table, that a test is about; ok is false where it is about no source.
func (c *Check) source() (source, table string, ok bool) {
	switch {
	case c.Test != nil && c.Test.Source != "":
		return c.Test.Source, c.Test.Table, true
	case c.Node.Stream != nil:
		return c.Node.Stream.Source.Name, c.Node.Table, true
	}
	return "", "", false
}

// testFacts reads how a test is called: what is no setting is an argument of its macro.
func testFacts(kind string, body config.Node, column string) *TestFacts {
	t := &TestFacts{Type: kind, Args: jinja.NewDict()}
	if pkg, name, ok := strings.Cut(kind, "."); ok {
		t.Namespace, t.Type = pkg, name
	}
	own := append([]string{"name", "test_name", "description", "config", "arguments", "owner"}, testSettings...)
	for key, value := range body.All() {
		if !slices.Contains(own, key) {
			_ = t.Args.Set(key, templateValue(value)) // a text is a key
		}
	}
	for key, value := range body.Get("arguments").All() {
		_ = t.Args.Set(key, templateValue(value))
	}
	if _, said := t.Args.Get("column_name"); !said && column != "" {
		_ = t.Args.Set("column_name", column)
	}
	t.Given = body.Get("name").Text()
	return t
}

var nameless = regexp.MustCompile(`[^0-9a-zA-Z_]+`)

// longestName is one more than dbt takes of a name; of longer ones it takes the beginning and a hash.
const longestName = 64

// TestName is dbt's name of a check, and its alias, which is shorter where the name is long.
func (p *Project) TestName(c *Check) (name, alias string) {
	t := c.Test
	switch {
	case t == nil && singularPath(c) != "":
		return c.Name, c.Name
	case t == nil:
		return c.Node.RefName() + "_" + c.Name, c.Node.RefName() + "_" + c.Name
	case t.Given != "":
		return t.Given, t.Given
	}
	kind, of := t.Type, c.Node.RefName()
	if source, table, ok := c.source(); ok {
		kind, of = "source_"+kind, source+"_"+table
	} else if c.Node.Model != nil && c.Node.Model.Version != "" {
		of += "_v" + c.Node.Model.Version
	}
	if t.Namespace != "" && t.Namespace != p.PackageName(c.Node.testsOf()) {
		kind = t.Namespace + "_" + kind
	}
	var parts []string
	keys := make([]string, 0, t.Args.Len())
	for key := range t.Args.All() {
		keys = append(keys, fmt.Sprint(key))
	}
	slices.Sort(keys)
	for _, key := range keys {
		v, _ := t.Args.Get(key)
		for _, part := range flat(v) {
			parts = append(parts, nameless.ReplaceAllString(jinja.Text(part), "_"))
		}
	}
	name = kind + "_" + of + "_" + strings.Join(parts, "__")
	if len(name) < longestName {
		return name, name
	}
	short := kind + "_" + of
	return name, short[:min(len(short), 30)] + "_" + md5Hex(name)
}

// flat are the values of a list or a dict, or the value itself.
func flat(v any) []any {
	switch v := v.(type) {
	case *jinja.List:
		return v.Items
	case *jinja.Dict:
		var all []any
		for _, item := range v.All() {
			all = append(all, item)
		}
		return all
	}
	return []any{v}
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// singularPath is the file of a check that is one.
func singularPath(c *Check) string {
	if args, ok := c.Args.(*SQL); ok && c.Test == nil {
		return args.Path
	}
	return ""
}

// TestID is dbt's id of a check: test.shop.not_null_orders_id.cf6c17daed.
func (p *Project) TestID(c *Check) string {
	name, _ := p.TestName(c)
	id := "test." + p.PackageName(p.testPackage(c)) + "." + name
	if c.Test == nil {
		return id
	}
	sum := md5Hex(name + hashable(p.TestMetadata(c)))
	return id + "." + sum[len(sum)-10:]
}

// IsTest says whether a check is told as a test of dbt: in a project of dbt those that dbt has too are, elsewhere all.
func (p *Project) IsTest(c *Check) bool {
	if p.DBT {
		return c.Test != nil || singularPath(c) != ""
	}
	_, ofContract := c.Args.(*Contract)
	return !ofContract && c.Kind != KindContract
}

// testPackage is the package in whose files a check stands.
func (p *Project) testPackage(c *Check) string {
	if singularPath(c) == "" {
		return c.Node.testsOf()
	}
	for _, pkg := range p.Packages {
		if strings.Contains(singularPath(c), "/"+pkg+"/") {
			return pkg
		}
	}
	return ""
}

// TestMetadata is what dbt tells of a generic test's call.
func (p *Project) TestMetadata(c *Check) map[string]any {
	kwargs, _ := jinja.ToGo(c.Test.Args).(map[string]any)
	ref := "ref('" + c.Node.RefName() + "')"
	if source, table, ok := c.source(); ok {
		ref = "source('" + source + "', '" + table + "')"
	} else if c.Node.Model != nil && c.Node.Model.Version != "" {
		ref = "ref('" + c.Node.RefName() + "', version='" + c.Node.Model.Version + "')"
	}
	kwargs["model"] = "{{ get_where_subquery(" + ref + ") }}"
	var namespace any
	if c.Test.Namespace != "" && c.Test.Namespace != p.PackageName(c.Node.testsOf()) {
		namespace = c.Test.Namespace
	}
	return map[string]any{"name": c.Test.Type, "kwargs": kwargs, "namespace": namespace}
}

// hashable is the text that dbt hashes: sorted keys, all values as texts, written as Python writes them.
func hashable(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, jinja.Quoted(key)+": "+hashable(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = hashable(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return jinja.Quoted(jinja.Text(v))
}

// testsOf is the package of the node's generic tests: the one that describes it.
func (n *Node) testsOf() string {
	if n.props != nil && n.props.pkg != nil {
		return n.props.pkg.label()
	}
	return n.Package()
}
