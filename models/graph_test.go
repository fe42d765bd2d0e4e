package models_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/models"
)

// otherThanDBT are keys of the graph that have other values than dbt's, or none, and why.
var otherThanDBT = map[string]string{
	"relation_name":               "relations print without the database",
	"unrendered_config":           "nobody keeps what templates were before they were rendered",
	"config_call_dict":            "as unrendered_config",
	"unrendered_config_call_dict": "as unrendered_config",
	"doc_blocks":                  "which docs blocks a description has is not kept",
	"root_path":                   "it is the folder's",
	"unrendered_database":         "as unrendered_config",
	"unrendered_schema":           "as unrendered_config",
}

// TestGraphAsDBT compares what templates see in graph with what they see in dbt, in the same order; testdata/dbt/graph.py writes it.
func TestGraphAsDBT(t *testing.T) {
	text, err := os.ReadFile("../testdata/dbt/graph.json")
	if err != nil {
		t.Fatal(err)
	}
	type graph map[string]map[string]map[string]json.RawMessage
	var file struct {
		Files map[string]string
		Graph graph
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // seeds are read where they lie
	files := fstest.MapFS{}
	for name, text := range file.Files {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	p, problems := models.Load(models.Loading{Dir: dir, Files: os.DirFS(dir), SeedType: seedType, Env: func(string) (string, bool) { return "", false }})
	for _, problem := range problems {
		if problem.Severity == "error" && !strings.Contains(problem.Message, "no seed or model makes") { // what is behind a source is another matter
			t.Fatal(problems)
		}
	}
	text, err = json.Marshal(p.Graph())
	if err != nil {
		t.Fatal(err)
	}
	got := graph{}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, kind := range []string{"nodes", "sources", "exposures"} {
		for id, want := range file.Graph[kind] {
			for key := range want {
				if otherThanDBT[key] != "" || strings.HasPrefix(id, "test.") && key == "raw_code" && strings.Contains(string(want[key]), "config(") {
					continue // a generic test's raw_code has its configuration besides
				}
				compared++
				if a, b := plainJSON(t, got[kind][id][key]), plainJSON(t, want[key]); a != b {
					t.Errorf("%s: %s\nis  %s\nand %s in dbt", id, key, a, b)
				}
			}
		}
		for id := range got[kind] {
			if file.Graph[kind][id] == nil {
				t.Errorf("dbt has no %s", id)
			}
		}
	}
	if compared < 500 {
		t.Errorf("only %d values were compared", compared)
	}
}

// plainJSON is JSON without white space, and without what only this writer escapes.
func plainJSON(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	if raw == nil {
		return "nothing"
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\u0027`, "'").Replace(b.String())
}
