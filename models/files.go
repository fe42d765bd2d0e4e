package models

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file finds the project's files: those below its folder, and those that lie elsewhere and are read as if they were in it, through
// links and paths that lead out of it.

// mount is a folder or file that lies elsewhere and is read as if it were at a place of the project.
type mount struct {
	at     string // its place
	files  fs.FS
	inside string // its name among them
}

// mount makes what lies outside of the project's folder readable under a name: dbt links the packages that its packages.yml calls local,
// and people link files that projects share. It is false, without a word, where nothing is there.
func (l *loader) mount(at string) (bool, error) {
	target := filepath.FromSlash(at)
	if !filepath.IsAbs(target) {
		target = filepath.Join(l.Dir, target)
	}
	target, err := filepath.EvalSymlinks(target)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return false, err
	}
	m := mount{at: at, inside: "."}
	if !info.IsDir() {
		target, m.inside = filepath.Split(target)
	}
	m.files = os.DirFS(target)
	if l.Outside != nil {
		m.files = l.Outside(at, m.inside, m.files)
	}
	l.mounts = append(l.mounts, m)
	return true, nil
}

// filesOf is where a file of the project is read, and its name there.
func (l *loader) filesOf(name string) (fs.FS, string) {
	for _, m := range l.mounts {
		if name == m.at {
			return m.files, m.inside
		}
		if inside, ok := strings.CutPrefix(name, m.at+"/"); ok {
			return m.files, path.Join(m.inside, inside)
		}
	}
	return l.Files, name
}

func exists(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && info.Mode().IsRegular()
}

// glob lists the project's files below a folder with one of the extensions, sorted. The folder may be a link, and files may be; like dbt
// it does not follow links to folders below.
func (l *loader) glob(dir string, exts ...string) []string {
	files, inside, err := l.folder(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.problem(config.Pos{File: dir}, "", "%v", err)
		}
		return nil
	}
	var found []string
	err = fs.WalkDir(files, inside, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		link := d.Type()&fs.ModeSymlink != 0
		wanted := slices.ContainsFunc(exts, func(ext string) bool { return strings.EqualFold(path.Ext(name), ext) })
		at := path.Join(dir, strings.TrimPrefix(strings.TrimPrefix(name, strings.TrimSuffix(inside, ".")), "/"))
		switch {
		case !wanted && !link, l.isDBT() && hidden(d.Name()), l.ignored(at), link && l.linkedFolder(at, exts):
		case wanted && (d.Type().IsRegular() || link && l.linkedFile(at)):
			found = append(found, at)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.problem(config.Pos{File: dir}, "", "%v", err)
	}
	return found
}

// stem is a file's name without its extension, which is what dbt calls a model or seed.
func stem(file string) string { return strings.TrimSuffix(path.Base(file), path.Ext(file)) }

// hidden says whether dbt passes over a file of that name: editors name theirs so.
func hidden(name string) bool { return strings.ContainsRune(".#~", rune(name[0])) }

// folder is where a folder of the project is read. One outside of the project is read too: its name, or a link, leads there.
func (l *loader) folder(dir string) (fs.FS, string, error) {
	files, inside := l.filesOf(dir)
	if fs.ValidPath(inside) {
		if _, err := fs.Stat(files, inside); err == nil || errors.Is(err, fs.ErrNotExist) {
			return files, inside, err
		}
	}
	if _, err := l.mount(dir); err != nil {
		return nil, "", err
	}
	files, inside = l.filesOf(dir)
	return files, inside, nil
}

// linkedFile says whether a link leads to a file, which is then readable under the link's name.
func (l *loader) linkedFile(at string) bool {
	files, inside := l.filesOf(at)
	if exists(files, inside) {
		return true
	}
	if _, err := l.mount(at); err != nil {
		l.linkProblem(at, "mend the link, or remove it", "the link leads nowhere: %v", err)
		return false
	}
	files, inside = l.filesOf(at)
	return exists(files, inside)
}

// linkedFolder says whether a link leads to a folder. Below the folders of a project dbt does not follow those.
func (l *loader) linkedFolder(at string, exts []string) bool {
	info, err := os.Stat(filepath.Join(l.Dir, filepath.FromSlash(at)))
	if err != nil || !info.IsDir() {
		return false
	}
	if slices.Contains(exts, ".sql") {
		l.linkProblem(at, "name the folder that it leads to among the paths of "+DBTFile+", or link its files",
			"the link to a folder is not followed")
	}
	return true
}

// linkProblem warns of a link once: folders of models are walked for properties too.
func (l *loader) linkProblem(at, hint, format string, args ...any) {
	if !l.toldKeys["link "+at] {
		l.toldKeys["link "+at] = true
		l.warning(config.Pos{File: at}, hint, format, args...)
	}
}

// ignored says whether the .dbtignore of the file's package leaves it out.
func (l *loader) ignored(file string) bool {
	var of *dbtPackage
	for _, p := range l.packages {
		if p.isRoot() && of == nil || !p.isRoot() && strings.HasPrefix(file, p.dir+"/") {
			of = p
		}
	}
	if of == nil || of.file == nil {
		return false
	}
	if of.ignore == nil {
		of.ignore = l.ignoreFile(path.Join(of.dir, ignoreFile))
	}
	return of.ignore.match(of.within(file))
}

// ignoreFile reads a .dbtignore.
func (l *loader) ignoreFile(name string) *ignore {
	files, inside := l.filesOf(name)
	if !exists(files, inside) {
		return &ignore{}
	}
	src, err := l.read(name)
	if err != nil {
		l.problem(config.Pos{File: name}, "", "%v", err)
		return &ignore{}
	}
	ignored, bad := readIgnore(string(src))
	for _, line := range bad {
		l.warning(config.Pos{File: name, Line: line, Column: 1}, "write it as in a .gitignore", "the pattern is not understood")
	}
	return ignored
}
