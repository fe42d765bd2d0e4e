package models_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
)

// folder makes a folder of files; a text that begins with an arrow is a link.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, link := strings.CutPrefix(text, "-> "); link {
			err = os.Symlink(to, name)
		} else {
			err = os.WriteFile(name, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loadFolder loads a project that lies on disk, as lint does.
func loadFolder(t *testing.T, dir string) (*models.Project, config.Problems) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return models.Load(models.Loading{Dir: dir, Files: root.FS()})
}

// names are those of a project's tables, in order.
func names(p *models.Project) string {
	var all []string
	for _, n := range p.Nodes {
		all = append(all, n.Table)
	}
	return strings.Join(all, " ")
}

// Links and paths that lead out of the project are followed where dbt follows them.
func TestFilesOfElsewhere(t *testing.T) {
	dir := folder(t, map[string]string{
		"dbt/dbt_project.yml": "name: shop\nmodel-paths: [models, linked, ../shared/models, missing]\nseed-paths: [../shared/seeds]\npackages-install-path: ../packages\n",
		"dbt/.dbtignore":      "*.old.sql\nmodels/out/\n",
		"dbt/models/a.sql":    "select 1",
		"dbt/models/B.SQL":    "select 1", "dbt/models/.c.sql": "select (", "dbt/models/x.old.sql": "select 1", "dbt/models/out/y.sql": "select 1",
		"dbt/models/d.sql": "-> ../../shared/plain.sql", "dbt/models/e.sql": "-> ../kept/e.sql", "dbt/kept/e.sql": "select 1",
		"dbt/models/below": "-> ../kept", "dbt/models/gone.sql": "-> nowhere.sql", "dbt/linked": "-> ../shared/linked",
		"shared/plain.sql": "select 1", "shared/linked/deep/f.sql": "select 1", "shared/models/g.sql": "select * from {{ ref('s') }}",
		"shared/models/g.yml": "models:\n  - name: g\n    description: shared\n", "shared/seeds/s.csv": "a\n1\n",
		"packages/pk/dbt_project.yml": "name: pk\n", "packages/pk/models/p.sql": "select 1", "packages/pk/models/q.sql": "select 1", "packages/pk/.dbtignore": "q.sql",
	})
	p, problems := loadFolder(t, filepath.Join(dir, "dbt"))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	if got, want := names(p), "B a d e f s g p"; got != want {
		t.Errorf("the tables are %s, and not %s", got, want)
	}
	if g := p.Model("g"); g == nil || g.Description != "shared" || g.FQN()[1] != "g" || p.Model("f").FQN()[1] != "deep" {
		t.Errorf("what lies elsewhere is %+v", g)
	}
	text := problems.Error()
	for _, want := range []string{"models/below: warning: the link to a folder is not followed", "models/gone.sql: warning: the link leads nowhere"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not said once in:\n%s", want, text)
		}
	}
}
