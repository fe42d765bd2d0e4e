package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/millrace/millrace/models"
)

// TestSchema stands here because the sources' options do: models knows no source.
func TestSchema(t *testing.T) {
	text, err := models.Schema(specs())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("millrace.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("millrace.json")
	if err != nil {
		t.Fatal(err)
	}
	validate := func(t *testing.T, src []byte) error {
		t.Helper()
		js, err := yaml.YAMLToJSON(src)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(js))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	examples, err := filepath.Glob("../../examples/*/millrace.yml")
	if err != nil || len(examples) < 2 {
		t.Fatalf("examples: %v, %v", examples, err)
	}
	for _, path := range examples {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, src); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	f := found{Project: "x", Source: "s", Root: "/a b", Streams: []foundStream{{Name: "o", Path: "o*.csv"}}}
	if err := validate(t, []byte(f.yaml())); err != nil {
		t.Errorf("init: %v", err)
	}
	for name, src := range map[string]string{
		"unknown key":            "name: x\nsauces: {}\n",
		"unknown key of target":  "name: x\ntargets: { local: { type: local, pth: w } }\n",
		"unknown type":           "name: x\nsources: { s: { type: filez, streams: [] } }\n",
		"unknown key of source":  "name: x\nsources: { s: { type: files, rooot: ., streams: [] } }\n",
		"unknown key of stream":  "name: x\nsources: { s: { type: files, streams: [ { name: a, path: b, moode: full } ] } }\n",
		"key of another source":  "name: x\nsources: { s: { type: generate, streams: [ { name: a, path: b } ] } }\n",
		"no path":                "name: x\nsources: { s: { type: files, streams: [ { name: a } ] } }\n",
		"wrong mode":             "name: x\nsources: { s: { type: generate, streams: [ { name: a, mode: some } ] } }\n",
		"wrong type of a number": "name: x\nsources: { s: { type: generate, streams: [ { name: a, rows: many } ] } }\n",
		"no name":                "sources: {}\n",
	} {
		if err := validate(t, []byte(src)); err == nil {
			t.Errorf("%s is allowed:\n%s", name, src)
		}
	}
	if !strings.HasSuffix(string(text), "}\n") {
		t.Error("no line end")
	}
}
