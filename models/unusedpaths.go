package models

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file tells what of dbt_project.yml names folders that there are not: branches of the trees of configuration, and paths.

// treeBranches are, by the place of a mapping in a tree of configuration, the keys by which a node would be found below it: packages,
// folders, names of nodes.
type treeBranches map[config.Pos]map[string]bool

func (b treeBranches) reach(at config.Node, key string) {
	place := plainPlace(at.Pos())
	if b[place] == nil {
		b[place] = map[string]bool{}
	}
	b[place][key] = true
}

// unusedPaths warns of what the project's own dbt_project.yml configures and where it looks, and where nothing is.
func (l *loader) unusedPaths() {
	root := l.packages[0]
	if root.file == nil || l.problems.HasErrors() { // nodes may be missing for another reason
		return
	}
	for _, key := range []string{"models", "seeds", "snapshots"} {
		l.unusedBranches(key, root.file.Root(nil).Get(key))
	}
	if len(l.p.Nodes)+len(l.disabled) == 0 && !l.hasMacros(root) {
		l.warning(root.keys.Origin.At("name"), "put models into the first, or name the folder in model-paths",
			"the project has no model, seed or snapshot: they were looked for in %s/",
			strings.Join(slices.Concat(root.modelPaths(), root.seedPaths(), root.snapshotPaths()), "/, "))
	}
	usual := []string{"models", "seeds", "data", "snapshots", "macros", "tests"} // that there is none yet is no mistake
	for key, paths := range map[string]config.StringList{"model-paths": root.keys.ModelPaths, "seed-paths": root.keys.SeedPaths,
		"snapshot-paths": root.keys.SnapshotPaths, "macro-paths": root.keys.MacroPaths, "test-paths": root.keys.TestPaths} {
		for i, dir := range paths {
			if _, _, err := l.folder(path.Clean(dir)); errors.Is(err, fs.ErrNotExist) && !slices.Contains(usual, dir) {
				l.warning(root.keys.Item(key, i), l.folderHint(dir), "%s: there is no folder %s", key, dir)
			}
		}
	}
}

// hasMacros says whether a package has macros of its own: one that is made for others may have nothing else.
func (l *loader) hasMacros(p *dbtPackage) bool {
	return slices.ContainsFunc(p.macroPaths(), func(dir string) bool { return len(l.glob(dir, ".sql")) > 0 })
}

// unusedBranches tells the outermost mappings of a tree that no node is below.
func (l *loader) unusedBranches(at string, tree config.Node) {
	for key, value := range tree.All() {
		if strings.HasPrefix(key, "+") || !value.IsMapping() {
			continue
		}
		below := l.branches[plainPlace(tree.Pos())]
		if below[key] {
			l.unusedBranches(at+"."+key, value)
			continue
		}
		hint := "it names no package, folder or node that there is"
		if s := config.Suggest(key, slices.Sorted(maps.Keys(below))); s != "" {
			hint = fmt.Sprintf("did you mean %q?", s)
		} else if slices.Contains(modelConfig, key) {
			hint = "configuration is written with a plus sign: +" + key
		}
		l.warning(tree.Origin().Key(key), hint, "%s.%s configures nothing: no node is below it", at, key)
	}
}

// folderHint is what may have been meant by a folder that is not there.
func (l *loader) folderHint(dir string) string {
	entries, _ := fs.ReadDir(l.Files, ".")
	var known []string
	for _, e := range entries {
		if e.IsDir() {
			known = append(known, e.Name())
		}
	}
	return config.DidYouMean(dir, known, "make it, or take it out")
}
