package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file cuts the journal's history: it says how old what goes must be, and which runs stay because of their files.

// longestSpan keeps sums of spans that people write within what a time.Duration holds.
const longestSpan = 100 * 365 * 24 * time.Hour

// PruneHistory removes what is older than the project's history: from the journal, and the logs of the runs. A run stays while a snapshot that
// readers of any target may ask for has a table of it, and while the state folder has staging or rejects of it.
func (e *Engine) PruneHistory(ctx context.Context) (journal.Erased, error) {
	g := &Garbage{}
	err := e.pruneHistory(ctx, g)
	for _, s := range g.Skipped {
		e.Log.Warn("some of the history stays", "cause", s)
	}
	return g.History, err
}

// pruneHistory takes the folders that are garbage for removed, as a dry run of Collect needs it.
func (e *Engine) pruneHistory(ctx context.Context, g *Garbage) error {
	needed, err := e.runsOfTargets(ctx, g)
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, f := range g.folders() {
		gone[f.Path] = true
	}
	for _, dir := range []string{e.runsDir(), e.rejectsDir("")} {
		for _, run := range entries(dir) {
			if path := filepath.Join(dir, run); !gone[path] && hasFiles(path) {
				needed[run] = true
			}
		}
	}
	before := e.Clock().Add(-e.historyKept())
	g.History, err = e.Journal.Prune(ctx, journal.Cut{Before: before, Metrics: e.Project.HistoryWindow(), DryRun: g.DryRun,
		Needed: func(run string) bool { return needed[run] }, Erased: e.dropFiles})
	if err != nil || g.DryRun {
		return err
	}
	return e.sweepLogs(ctx, before)
}

// hasFiles says whether there is any file below dir, or may be.
func hasFiles(dir string) bool {
	found := false
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if found = err != nil || !d.IsDir(); found {
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// dropFiles removes the log of a run that the journal does not know any more, and what it left of empty folders.
func (e *Engine) dropFiles(run string) {
	for _, dir := range []string{e.runDir(run), e.rejectsDir(run)} {
		if !hasFiles(dir) {
			_ = os.RemoveAll(dir)
		}
	}
	if err := os.Remove(LogPath(e.Project.StateDir(), run)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.Log.Warn("the log of an old run stays", "run", run, "error", err)
	}
}

// sweepLogs removes old logs of runs that the journal does not know: a prune was killed between a run and its log.
func (e *Engine) sweepLogs(ctx context.Context, before time.Time) error {
	logs, _ := filepath.Glob(LogPath(e.Project.StateDir(), "*"))
	for _, path := range logs {
		info, err := os.Stat(path)
		if err != nil || !info.ModTime().Before(before) {
			continue
		}
		id := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		r, err := e.Journal.Run(ctx, id)
		if err != nil && !errors.Is(err, journal.ErrNotFound) {
			return err
		}
		if r.ID != id {
			e.dropFiles(id)
		}
	}
	return nil
}

// historyKept is how old what goes must be: longer than the project says where something looks back further. Quarantined rows name their run. A
// missed time is made up for within the misfire window, and may then wait as long for the pipelines that it follows, on dates of other zones.
func (e *Engine) historyKept() time.Duration {
	kept := e.Project.History.Std()
	for _, t := range e.Project.Targets {
		kept = max(kept, t.Retention.Quarantine.Std())
	}
	for _, pl := range e.Project.Pipelines {
		kept = max(kept, 2*min(pl.MisfireWindow.Std(), longestSpan)+3*24*time.Hour)
	}
	return kept
}

// runsOfTargets are the runs that made what is published to any target of the project. Of one that cannot be read they are all that have published.
func (e *Engine) runsOfTargets(ctx context.Context, g *Garbage) (map[string]bool, error) {
	all, err := e.publishedRuns(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range e.Project.Targets {
		if t.Name == e.Project.Target.Name {
			continue
		}
		at := e.forTarget(t)
		var runs map[string]bool
		if at.Loader, err = e.OpenLoader(at.Project); err == nil {
			runs, err = at.publishedRuns(ctx)
		}
		maps.Copy(all, runs)
		if err == nil {
			continue
		}
		g.Skipped = append(g.Skipped, fmt.Sprintf("runs that have published to target %s, which cannot be read: %v", t.Name, err))
		published, err := e.Journal.Runs(ctx, journal.Filter{Target: at.target(), Published: true})
		if err != nil {
			return nil, err
		}
		for _, r := range published {
			all[r.ID] = true
		}
	}
	return all, nil
}

// forTarget is the engine for another target of the project, without its loader.
func (e *Engine) forTarget(t *models.Target) *Engine {
	at := *e
	at.Project = e.Project.For(t)
	at.TargetRoot = at.Project.TargetDir()
	return &at
}

// publishedRuns are the runs that made what is published, now and in the snapshots that retention keeps.
func (e *Engine) publishedRuns(ctx context.Context) (map[string]bool, error) {
	runs := map[string]bool{}
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	s, keeps := e.Loader.(snapshots)
	retention := e.Project.Target.Retention
	oldest := e.Clock().Add(-retention.For.Std())
	for n := 1; ; n++ {
		runs[m.Run] = true
		for _, t := range m.Tables {
			runs[t.Run] = true
		}
		if !keeps || m.Parent == 0 || n >= retention.Versions && m.PublishedAt.Before(oldest) || ctx.Err() != nil {
			return runs, ctx.Err()
		}
		parent, err := s.Manifest(m.Parent)
		if errors.Is(err, fs.ErrNotExist) {
			return runs, nil // it was collected
		}
		if err != nil {
			return nil, err
		}
		m = parent
	}
}
