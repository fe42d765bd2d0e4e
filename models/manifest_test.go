package models_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
)

// TestManifestNamesAsDBT compares the ids, names and parents that the fixture's manifest has with those that dbt has given it. Problems of
// loading do not matter: what could not be loaded is not compared, and is counted.
func TestManifestNamesAsDBT(t *testing.T) {
	text, err := os.ReadFile("../testdata/dbt/expected/nodes.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected struct {
		Nodes map[string]struct {
			Name, Alias, Type string
			Path              string   `json:"original_file_path"`
			DependsOn         []string `json:"depends_on"`
		}
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	p, _ := models.Load(models.Loading{Dir: "/fixture", Files: os.DirFS("../testdata/dbt/fixture"), SeedType: seedType, Vars: map[string]string{"day": "1"},
		Sources: []models.SourceSpec{{Type: "files", Options: func() any { return &fakeFiles{} }, StreamOptions: func() any { return &fakeFile{} }}}})
	manifest := p.Manifest(models.Invocation{ID: "i", At: time.Unix(0, 0)})
	parents := manifest["parent_map"].(map[string][]string)
	compared := map[string]int{}
	for _, kind := range []string{"nodes", "unit_tests", "exposures"} {
		for id, facts := range manifest[kind].(map[string]any) {
			got, want := facts.(map[string]any), expected.Nodes[id]
			if want.Name == "" {
				t.Errorf("%s: dbt has no such node", id)
				continue
			}
			compared[strings.SplitN(id, ".", 2)[0]]++
			if got["name"] != want.Name || got["original_file_path"] != want.Path {
				t.Errorf("%s: name %v, file %v; dbt has %+v", id, got["name"], got["original_file_path"], want)
			}
			on := parents[id]
			slices.Sort(on)
			slices.Sort(want.DependsOn)
			if !slices.Equal(on, want.DependsOn) && !strings.Contains(id, "assert_always_fails") && complete(p, parents, want.DependsOn) {
				t.Errorf("%s reads %v; dbt says %v", id, on, want.DependsOn)
			}
		}
	}
	for kind, least := range map[string]int{"model": 40, "seed": 5, "snapshot": 6, "test": 20, "unit_test": 5, "exposure": 1} {
		if compared[kind] < least {
			t.Errorf("only %d of kind %s were compared", compared[kind], kind)
		}
	}
	for id, of := range parents {
		for _, parent := range of {
			if !slices.Contains(manifest["child_map"].(map[string][]string)[parent], id) {
				t.Errorf("%s is no child of %s", id, parent)
			}
		}
	}
	if text, err := json.Marshal(manifest); err != nil || !strings.Contains(string(text), `"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v12.json"`) {
		t.Error(err)
	}
}

// complete says whether all of these nodes could be loaded: of sources, those that something provides.
func complete(p *models.Project, parents map[string][]string, ids []string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool {
		_, known := parents[id]
		if parts := strings.Split(id, "."); parts[0] == "source" {
			known = p.SourceTable(parts[2], parts[3]) != nil
		}
		return !known
	})
}

type (
	fakeFiles struct {
		Path string `yaml:"path"`
	}
	fakeFile struct {
		Path string `yaml:"path"`
	}
)
