package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// lookAtFiles is how often the project's files are looked at.
const lookAtFiles = 2 * time.Second

// projectWatch holds the project as it is now, and loads it anew when its files have changed.
type projectWatch struct {
	a       *app
	log     *slog.Logger
	now     atomic.Pointer[pipeline.Engine]
	problem atomic.Pointer[string]
	files   []string // that loading has opened, or looked for
	loaded  string   // how they were then
	waiting string   // how they were at the last look: they are loaded when they rest
	again   bool     // they could not be loaded for a reason that may pass
	hangups chan os.Signal

	mu      sync.Mutex
	readers map[string]int // workers that may read them, by folder of files that are kept
}

// watchProject holds the project of an engine that was opened with app.opened set.
func (a *app) watchProject(e *pipeline.Engine, log *slog.Logger) (*projectWatch, error) {
	w := &projectWatch{a: a, log: log, hangups: make(chan os.Signal, 1), readers: map[string]int{}}
	signal.Notify(w.hangups, syscall.SIGHUP) // to the end of the process: it never ends serve
	if err := keepFiles(e.Project, a.opened); err != nil {
		return nil, err
	}
	w.now.Store(e)
	w.remember()
	return w, nil
}

// keptFiles is the folder of the files that make a project what it is: runs read these, and not what somebody is writing.
func keptFiles(p *models.Project) string { return filepath.Join(p.StateDir(), "serve", p.Hash) }

// keepFiles writes what was read to load the project: it may have changed since.
func keepFiles(p *models.Project, opened *openedFiles) error {
	kept := keptFiles(p)
	for _, name := range slices.Sorted(maps.Keys(opened.files)) {
		file := opened.files[name]
		if file.err != nil || !filepath.IsLocal(name) {
			continue // looked for in vain, or read where it is, outside of the folder
		}
		to := filepath.Join(kept, name)
		var err error
		if file.info.IsDir() {
			err = os.MkdirAll(to, 0o700)
		} else if err = os.MkdirAll(filepath.Dir(to), 0o700); err == nil {
			err = os.WriteFile(to, file.data, 0o600)
		}
		if err != nil {
			return fmt.Errorf("keep the project's files: %w", err)
		}
	}
	return noteInForce(kept)
}

// engine is the project with all that it needs, as it is now.
func (w *projectWatch) engine() *pipeline.Engine { return w.now.Load() }

func (w *projectWatch) project() *models.Project { return w.engine().Project }

// forWorker is the project for a worker that is started: its files are kept at least until it has ended, and done was called.
func (w *projectWatch) forWorker() (p *models.Project, done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p = w.project()
	folder := keptFiles(p)
	w.readers[folder]++
	return p, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.readers[folder]--
		w.tidy(folder)
	}
}

// tidy removes files that are kept and that nobody reads any more.
func (w *projectWatch) tidy(folder string) {
	if w.readers[folder] == 0 && folder != keptFiles(w.project()) {
		delete(w.readers, folder)
		_ = os.RemoveAll(folder)
	}
}

// Problem is what is wrong with the project's files, "" when nothing is: then the project is the files.
func (w *projectWatch) Problem() string {
	if p := w.problem.Load(); p != nil {
		return *p
	}
	return ""
}

// remember notes how the files were when they were loaded, and lets go of what they said.
func (w *projectWatch) remember() {
	w.files = slices.Sorted(maps.Keys(w.a.opened.files))
	w.loaded = summed(w.files, func(name string) string { return w.a.opened.files[name].state })
	w.waiting = w.loaded
	w.a.opened.files = nil
}

// look sums up how the files are; folders change when files come and go.
func (w *projectWatch) look(dir string) string {
	return summed(w.files, func(name string) string {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return fileState(name)
	})
}

func summed(names []string, state func(name string) string) string {
	sum := sha256.New()
	for _, name := range names {
		fmt.Fprintln(sum, name, state(name))
	}
	return string(sum.Sum(nil))
}

// fileState is size, time, rights and identity of a file, "-" when there is none.
func fileState(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "-"
	}
	inode := uint64(0)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano(), info.Mode(), inode)
}

// watch looks at the files until the context ends and says when there is another project.
func (w *projectWatch) watch(ctx context.Context, changed func()) {
	tick := time.NewTicker(lookAtFiles)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.hangups:
			w.log.Info("SIGHUP: the project's files are looked at now")
			if w.reload(ctx) {
				changed()
			}
			continue
		case <-tick.C:
		}
		seen := w.look(w.project().Dir)
		if (w.again || seen != w.loaded) && seen == w.waiting && w.reload(ctx) {
			changed()
		}
		w.waiting = seen
	}
}

// reload takes over the files as they are, or says what is wrong with them and keeps the project.
func (w *projectWatch) reload(ctx context.Context) (changed bool) {
	old := w.engine()
	p, problems, err := w.a.project(ctx, false)
	if err == nil {
		err = problems.Err()
	}
	var next *pipeline.Engine
	if err == nil && p.Hash != old.Project.Hash {
		if next, err = w.a.sibling(p, old); err == nil {
			w.mu.Lock() // the folder may be one that goes just now
			defer w.mu.Unlock()
			err = keepFiles(p, w.a.opened)
		}
	}
	var mistakes config.Problems
	if w.again = err != nil && !errors.As(err, &mistakes); w.again {
		w.a.opened.files = nil
		w.off(ctx, w.a.redactor.Redact(err.Error()))
		return false
	}
	w.remember()
	if err != nil {
		text := w.a.redactor.Redact(err.Error())
		w.problem.Store(&text)
		w.log.Error("the project's files have mistakes: the project as it was before stays in force", "problems", text)
		w.event(ctx, journal.EventReloadRefused, "the project's files have mistakes, and the project as it was before stays in force: "+text)
		return false
	}
	mended := w.problem.Swap(nil) != nil
	if next == nil {
		if mended {
			w.tellSound(ctx)
		}
		return false
	}
	w.now.Store(next)
	w.tidy(keptFiles(old.Project))
	text := "the project was loaded anew" + differences(old.Project, p)
	w.log.Info(text)
	w.event(ctx, journal.EventReload, text)
	return true
}

// soundAgain notes that files that an earlier serve has refused are in order: they were mended while none looked.
func (w *projectWatch) soundAgain(ctx context.Context) error {
	refused, err := w.engine().Journal.FilesRefused(ctx)
	if refused {
		w.tellSound(ctx)
	}
	return err
}

func (w *projectWatch) tellSound(ctx context.Context) {
	const text = "the project's files are sound again"
	w.log.Info(text)
	w.event(ctx, journal.EventReload, text)
}

// off says once that the files cannot be taken over now, though nothing is wrong with them.
func (w *projectWatch) off(ctx context.Context, why string) {
	const text = "the project's files cannot be taken over now: the project as it was before stays in force, and it is tried again"
	if before := w.problem.Swap(&why); before != nil && *before == why {
		return
	}
	w.log.Error(text, "error", why)
	w.event(ctx, journal.EventReloadRefused, text+": "+why)
}

func (w *projectWatch) event(ctx context.Context, kind, text string) {
	e := w.engine()
	if err := e.Journal.AddEvent(ctx, journal.Event{At: e.Clock(), Kind: kind, Text: text}); err != nil {
		w.log.Error("an event is not in the journal", "event", text, "error", err)
	}
}

// sibling is an engine of another state of the project with the same journal.
func (a *app) sibling(p *models.Project, e *pipeline.Engine) (*pipeline.Engine, error) {
	next, err := a.bareEngine(p)
	if err != nil {
		return nil, err
	}
	next.Journal, next.TargetRoot = e.Journal, p.TargetDir()
	next.Loader, err = next.OpenLoader(p)
	return next, err
}

// differences tells what has changed about the pipelines.
func differences(old, p *models.Project) string {
	var added, removed, changed []string
	for _, pl := range p.Pipelines {
		before := old.Pipeline(pl.Name)
		switch {
		case before == nil:
			added = append(added, pl.Name)
		case before.Schedule != pl.Schedule || before.Timezone != pl.Timezone || !slices.Equal(before.After, pl.After):
			changed = append(changed, pl.Name)
		}
	}
	for _, pl := range old.Pipelines {
		if p.Pipeline(pl.Name) == nil {
			removed = append(removed, pl.Name)
		}
	}
	text := ""
	for _, part := range []struct {
		what  string
		names []string
	}{{"pipelines added", added}, {"pipelines removed", removed}, {"schedules changed", changed}} {
		if len(part.names) > 0 {
			text += "; " + part.what + ": " + strings.Join(part.names, ", ")
		}
	}
	return text
}
