package main

import (
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/models"
)

// meddled is a folder in which somebody writes each file as soon as it has been opened.
type meddled struct {
	fs.FS
	write func(name string)
}

func (m meddled) Open(name string) (fs.File, error) {
	f, err := m.FS.Open(name)
	if err == nil {
		m.write(name)
	}
	return f, err
}

// TestReloadWhileWritten: the files that runs read are those that were loaded, and what was written meanwhile is seen as a change.
func TestReloadWhileWritten(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) { // by renaming, as editors do
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+"~", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "models"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("millrace.yml", "name: p\n")
	write("models/m.sql", "select n from {{ ref('s') }}\n")
	if err := os.Mkdir(filepath.Join(dir, "seeds"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("seeds/s.csv", "n\n1\n")
	a := newApp(io.Discard, io.Discard)
	load := func(files fs.FS) *models.Project {
		t.Helper()
		in, err := a.loading(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		in.Dir, in.Files = dir, files
		p, problems := models.Load(in)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	a.opened = &openedFiles{dir: dir, FS: meddled{os.DirFS(dir), func(name string) {
		if name == "models/m.sql" {
			write(name, "select 2 as n\n")
		}
	}}}
	p := load(a.opened)
	if !slices.Contains(slices.Collect(maps.Keys(a.opened.files)), "models/m.sql") {
		t.Fatal("the model was not opened")
	}
	if err := keepFiles(p, a.opened); err != nil {
		t.Fatal(err)
	}
	if kept := load(os.DirFS(keptFiles(p))); kept.Hash != p.Hash {
		t.Error("the files that were kept are not those that were loaded")
	}
	w := &projectWatch{a: a}
	w.remember()
	if w.look(dir) == w.loaded {
		t.Error("what was written meanwhile is not seen")
	}
	a.opened.FS = os.DirFS(dir)
	load(a.opened)
	w.remember()
	if w.look(dir) != w.loaded {
		t.Error("a change is seen although nobody has written")
	}
}

// watched opens the project in dir and watches it, as serve does.
func watched(t *testing.T, dir string) *projectWatch {
	t.Helper()
	a := newApp(io.Discard, io.Discard)
	a.dir, a.opened = dir, &openedFiles{}
	e, closeEngine, err := a.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeEngine)
	w, err := a.watchProject(e, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestReloadBehindAWorker: a worker that is starting finds the files that it is to read, however often the project is loaded anew meanwhile;
// what no worker reads any more goes.
func TestReloadBehindAWorker(t *testing.T) {
	dir := t.TempDir()
	name := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "millrace.yml"), []byte("name: "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	name("first")
	w := watched(t, dir)
	there := func(p *models.Project) bool {
		_, err := os.Stat(filepath.Join(keptFiles(p), "millrace.yml"))
		return err == nil
	}
	first, done := w.forWorker()
	_, doneToo := w.forWorker()
	for _, next := range []string{"second", "third"} {
		name(next)
		if before := w.project(); !w.reload(t.Context()) || !there(first) || before != first && there(before) {
			t.Fatalf("%s: the worker's files are there: %v, those of %s: %v", next, there(first), before.Name, there(before))
		}
	}
	done()
	if !there(first) {
		t.Error("the files of a worker that goes on are gone")
	}
	doneToo()
	if there(first) || !there(w.project()) {
		t.Errorf("files that nobody reads are there: %v, those in force: %v", there(first), there(w.project()))
	}
}

// TestReloadTriedAgain: a reload that fails for a reason that lies not in the files is told once, and tried until it succeeds.
func TestReloadTriedAgain(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("millrace.yml", "name: p\n")
	w := watched(t, dir)
	served := servedFolder(w.project())
	if err := os.RemoveAll(served); err != nil {
		t.Fatal(err)
	}
	write("millrace.yml", "name: other\n")
	write(".millrace/serve", "in the way")
	for range 2 {
		if w.reload(t.Context()) || !w.again || !strings.Contains(w.Problem(), "keep the project's files") {
			t.Errorf("again %v, problem %q", w.again, w.Problem())
		}
	}
	events, err := w.engine().Journal.Events(t.Context(), 0, 10)
	if err != nil || len(events) != 1 || strings.Contains(events[0].Text, "mistake") {
		t.Errorf("%+v, %v", events, err)
	}
	if err := os.Remove(served); err != nil {
		t.Fatal(err)
	}
	if !w.reload(t.Context()) || w.again || w.Problem() != "" || w.project().Name != "other" {
		t.Errorf("again %v, problem %q, project %s", w.again, w.Problem(), w.project().Name)
	}
}
