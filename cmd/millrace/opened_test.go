package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/models"
)

// What a project reads through links is kept for its workers as well, and looked at for changes.
func TestKeepLinkedFiles(t *testing.T) {
	dir := t.TempDir()
	project, shared := filepath.Join(dir, "project"), filepath.Join(dir, "shared")
	for name, text := range map[string]string{
		"project/dbt_project.yml": "name: shop\nmodel-paths: [models, linked, ../shared/beside]\n", "project/models/a.sql": "select 1",
		"shared/b.sql": "select 1", "shared/folder/c.sql": "select 1", "shared/beside/d.sql": "select 1",
		"shared/pk/dbt_project.yml": "name: pk\n", "shared/pk/models/e.sql": "select 1",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(project, "dbt_packages"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"models/b.sql": "b.sql", "linked": "folder", "dbt_packages/pk": "pk"} {
		if err := os.Symlink(filepath.Join(shared, to), filepath.Join(project, link)); err != nil {
			t.Fatal(err)
		}
	}
	a := newApp(os.Stdout, os.Stderr)
	a.dir, a.opened = project, &openedFiles{}
	tables := func(p *models.Project) (names string) {
		for _, n := range p.Nodes {
			names += n.Table
		}
		return names
	}
	p, problems, err := a.project(context.Background(), false)
	if err != nil || problems.HasErrors() || tables(p) != "abcde" {
		t.Fatal(tables(p), problems, err)
	}
	if err := keepFiles(p, a.opened); err != nil {
		t.Fatal(err)
	}
	w := &projectWatch{a: a}
	w.remember()
	if w.look(project) != w.loaded {
		t.Error("files that have not changed look as if they had")
	}
	if err := os.Remove(filepath.Join(project, "models/b.sql")); err != nil { // the workers do not need it any more
		t.Fatal(err)
	}
	if w.look(project) == w.loaded {
		t.Error("a link that is gone is not noticed")
	}
	in, err := a.loading(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	a.opened = nil
	kept, problems, err := a.load(in, keptFiles(p))
	if err != nil || problems.HasErrors() || tables(kept) != "abcde" {
		t.Error(tables(kept), problems, err)
	}
}
