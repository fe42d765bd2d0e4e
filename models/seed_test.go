package models_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
)

// seedType knows all types but one.
func seedType(text string) (string, error) {
	if text == "monney" {
		return "", errors.New("there is no type monney")
	}
	return text, nil
}

func TestSeeds(t *testing.T) {
	p, text := load(map[string]string{
		"millrace.yml":          head,
		"seeds/geo/country.csv": "code,name\n1,a\n",
		"seeds/plain.csv":       "a\n1\n",
		"seeds/off.csv":         "a\n1\n",
		"seeds/geo/seeds.yml": "version: 2\nseeds:\n  - name: country\n    description: Countries.\n    columns: [ { name: code, tags: [pii], data_tests: [unique] } ]\n" +
			"    config: { alias: countries, schema: ref, delimiter: ';', column_types: { code: varchar(2), n: 'NUMERIC(12, 2)' }, tags: [geo], meta: { x: 1 } }\n" +
			"  - name: off\n    config: { enabled: false }\n    data_tests: [ { unique: { column_name: a } } ]\n",
		"models/m.sql": "select * from {{ ref('country') }} join {{ ref('plain') }} using (code)",
	})
	if p == nil || text != "" {
		t.Fatalf("the project did not load: %s", text)
	}
	n := p.Model("country")
	if n == nil || n.Name() != "ref.countries" || n.Kind != models.KindSeed || n.Description != "Countries." || !n.IsPII("code") || len(n.Checks) != 1 || strings.Join(n.Tags, " ") != "geo" {
		t.Fatalf("the seed is %+v", n)
	}
	if s := n.Seed; s.Path != "seeds/geo/country.csv" || s.Delimiter != ";" || s.Types["code"] != "varchar(2)" || s.Types["n"] != "NUMERIC(12, 2)" || !hasKey(s.Config, "meta") {
		t.Errorf("the seed is read so: %+v", s)
	}
	if m := p.Model("m"); len(m.Needs) != 2 || m.Needs[0] != p.Node("main.plain") || m.Needs[1] != n || !p.Model("m").IsPII("code") {
		t.Errorf("the model reads %v", m.Needs)
	}
	if p.Model("off") != nil || p.Node("main.off") != nil {
		t.Error("a seed that is not enabled is in the project")
	}
	if nodes, err := p.Select([]string{"path:seeds"}, nil); err != nil || len(nodes) != 2 {
		t.Errorf("path:seeds means %v: %v", nodes, err)
	}
}

func TestBadSeeds(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"a model's name", map[string]string{"millrace.yml": head, "seeds/a.csv": "x\n", "models/a.sql": "select 1"}, []string{"models/a.sql:1:1", `two models are named "a"`, "seeds/a.csv"}},
		{"another seed's name", map[string]string{"millrace.yml": head, "seeds/x/a.csv": "x\n", "seeds/y/a.csv": "x\n"}, []string{"seeds/y/a.csv:1:1", `two models are named "a"`, "seeds/x/a.csv"}},
		{"an unknown key", map[string]string{"millrace.yml": head, "seeds/a.csv": "x\n", "seeds/a.yml": "seeds:\n  - name: a\n    config: { colum_types: { x: varchar } }\n"},
			[]string{"seeds/a.yml:3:15", "colum_types", `did you mean "column_types"`}},
		{"a delimiter of two characters", map[string]string{"millrace.yml": head, "seeds/a.csv": "x\n", "seeds/a.yml": "seeds:\n  - name: a\n    config: { delimiter: '||' }\n"},
			[]string{"seeds/a.yml:3:26", `delimiter "||" cannot part fields`}},
		{"an unknown type", map[string]string{"millrace.yml": head, "seeds/a.csv": "x\n", "seeds/a.yml": "seeds:\n  - name: a\n    config: { column_types: { x: monney } }\n"},
			[]string{"seeds/a.yml:3:29", "column_types: x: there is no type monney", "write a type of DuckDB"}},
		{"an unknown seed", map[string]string{"millrace.yml": head, "seeds/country.csv": "x\n", "seeds/a.yml": "seeds:\n  - name: contry\n"},
			[]string{"seeds/a.yml:2:11: warning", `no seed is named "contry"`, `did you mean "country"`}},
		{"a key that is not read", map[string]string{"millrace.yml": head, "seeds/a.csv": "x\n", "seeds/a.yml": "seeds:\n  - name: a\n    config: { post-hook: 'grant x' }\n"},
			[]string{"seeds/a.yml:3:15: warning: config post_hook has no effect"}},
	} {
		_, text := load(c.files)
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not said in:\n%s", c.name, want, text)
			}
		}
	}
}

func TestSeedHash(t *testing.T) {
	dir := t.TempDir()
	p := &models.Project{Dir: dir}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "a.csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hash := func(s *models.Seed) string {
		h, err := p.SeedHash(s)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	write("a\n1\n")
	first := hash(&models.Seed{Path: "a.csv", Delimiter: ","})
	if again := hash(&models.Seed{Path: "a.csv", Delimiter: ",", Types: map[string]string{}}); again != first {
		t.Error("the same seed has another hash")
	}
	if typed := hash(&models.Seed{Path: "a.csv", Delimiter: ",", Types: map[string]string{"a": "VARCHAR"}}); typed == first {
		t.Error("another type has the same hash")
	}
	write("a\n2\n")
	if other := hash(&models.Seed{Path: "a.csv", Delimiter: ","}); other == first {
		t.Error("another value has the same hash")
	}
}

func hasKey(d *jinja.Dict, key string) bool {
	_, ok := d.Get(key)
	return ok
}
