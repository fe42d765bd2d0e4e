package config

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

type tree struct {
	Name     string `yaml:"name"`
	Children []tree `yaml:"children"`
}

type withTree struct {
	shop `yaml:",inline"`
	Tree tree `yaml:"tree" doc:"A type that holds itself."`
}

var shopOptions = SchemaOptions{
	ID: "https://millrace.dev/schema.json", Title: "millrace.yml",
	Unions: map[string][]Variant{"sources": {
		{Type: "files", Doc: "Files of a folder.", Structs: []any{sourceCommon{}, filesSource{}},
			Unions: map[string][]Variant{"streams": {{Structs: []any{streamCommon{}, filesStream{}}}}}},
		{Type: "plain", Structs: []any{sourceCommon{}},
			Unions: map[string][]Variant{"streams": {{Structs: []any{streamCommon{}}}}}},
	}},
}

func TestSchemaGolden(t *testing.T) {
	got, err := SchemaText(shop{}, shopOptions)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/schema.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile("testdata/schema.json"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("schema differs (%v); -update rewrites testdata/schema.json", err)
	}
}

// TestSchemaAgreesWithDecode holds the schema and the decoder to the same answers.
func TestSchemaAgreesWithDecode(t *testing.T) {
	text, err := SchemaText(shop{}, shopOptions)
	if err != nil {
		t.Fatal(err)
	}
	schema := compileSchema(t, text)
	const crm = "name: shop\nsources: {crm: {type: files, root: x, streams: [{name: a, path: b"
	for src, good := range map[string]bool{
		"name: shop":                                       true,
		"target: x":                                        false,
		"name: shop\nworker: 1":                            false,
		"name: shop\nworkers: x":                           false,
		"name: shop\nworkers: ${N}":                        true,
		"name: shop\nworkers: 3":                           true,
		"name: shop\nworkers: 65":                          false,
		"name: shop\nworkers: 0":                           false,
		"name: shop\nstrict: \"${S}\"":                     true,
		"name: shop\nfresh: 7d":                            true,
		"name: shop\nfresh: 7":                             false,
		"name: shop\nfresh: 7 days":                        false,
		"name: shop\nmemory: 4096":                         true,
		"name: shop\nmemory: 1GB":                          true,
		"name: shop\nallow: 1%":                            true,
		"name: shop\nallow: 1.5":                           false,
		"name: shop\nallow: null":                          true,
		"name: shop\nowners: a":                            true,
		"name: shop\nowners: [a]":                          true,
		"name: shop\nowners: {a: b}":                       false,
		"name: shop\ncolors: [red, pink]":                  false,
		"name: shop\ncolors: [red, '${C}']":                true,
		"name: 12":                                         false,
		"name: My-Shop":                                    false,
		"name: ${N}":                                       true,
		"name: shop\npassword: 1234":                       true,
		"name: shop\noptional: null":                       true,
		"name: shop\nnested: {mode: ful}":                  false,
		"name: shop\nnested: {depth: 1}":                   true,
		"name: shop\ncolumns: {a: INT}":                    true,
		"name: shop\ncolumns: {a: 1}":                      false,
		"name: shop\npipelines: [{schedule: x}]":           false,
		crm + "}]}}":                                       true,
		crm + ", batch_size: many}]}}":                     false,
		crm + ", pathh: x}]}}":                             false,
		crm + "}], extra: 1}}":                             false,
		"name: shop\nsources: {x: {type: files}}":          false,
		"name: shop\nsources: {x: {root: y}}":              false,
		"name: shop\nsources: {x: {type: plain}}":          true,
		"name: shop\nsources: {x: {type: plain, root: y}}": false,
	} {
		_, f, problems := decodeShop("m.yml", src, nil)
		if problems.HasErrors() == good {
			t.Errorf("decoder: %q: %v", src, problems)
		}
		if err := schema.Validate(jsonValue(f.root.plainValue())); (err == nil) != good {
			t.Errorf("schema: %q: %v", src, err)
		}
	}
}

func TestSchemaOfRecursiveType(t *testing.T) {
	text, err := SchemaText(&withTree{}, SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	schema := compileSchema(t, text)
	for src, good := range map[string]bool{
		"{name: x, tree: {name: a, children: [{name: b, children: []}]}}": true,
		"{name: x, tree: {name: a, children: [{nam: b}]}}":                false,
	} {
		f, _ := Parse("t.yml", []byte(src))
		if err := schema.Validate(jsonValue(f.root.plainValue())); (err == nil) != good {
			t.Error(src, err)
		}
	}
}

func TestDocs(t *testing.T) {
	docs := Docs(shop{})
	if d := docs[0]; d.Key != "name" || d.Type != "text" || !d.Required || d.Example != "shop" {
		t.Errorf("%+v", d)
	}
	for _, d := range docs {
		if d.Key == "allow" && d.Type != "count or percentage" || d.Key == "columns" && d.Type != "mapping to text" {
			t.Errorf("%+v", d)
		}
	}
}

func compileSchema(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// jsonValue turns int64 into what the validator knows.
func jsonValue(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = jsonValue(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = jsonValue(v[k])
		}
	case string:
		return strings.Clone(v)
	}
	return v
}
