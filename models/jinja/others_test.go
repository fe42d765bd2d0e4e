package jinja

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOtherProjects parses the models, macros, snapshots and docs of the dbt projects below a folder, such as clones of
// public ones.
func TestOtherProjects(t *testing.T) {
	dir := os.Getenv("MILLRACE_DBT_PROJECTS")
	if dir == "" {
		t.Skip("MILLRACE_DBT_PROJECTS names no folder of dbt projects")
	}
	files, macros, docs := 0, 0, 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() { // packages may be linked
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".sql":
			tpl, err := Parse(path, string(src))
			if err != nil {
				t.Error(err)
				return nil
			}
			files++
			macros += len(tpl.Macros())
		case ".md":
			if strings.Contains(string(src), "enddocs") {
				found, err := Docs(path, string(src))
				if err != nil {
					t.Error(err)
				}
				docs += len(found)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files, %d macros, %d docs blocks", files, macros, docs)
}
