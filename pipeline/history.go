package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
)

// This file cuts the journal's history: it says how old what goes must be, and which runs stay because of their files.

// longestSpan keeps sums of spans that people write within what a time.Duration holds.
const longestSpan = 100 * 365 * 24 * time.Hour

// PruneHistory removes what is older than the project's history: from the journal, and the logs of the runs. A run stays while a snapshot that
// readers may ask for has a table of it, and while the state folder has staging or rejects of it.
func (e *Engine) PruneHistory(ctx context.Context) (journal.Erased, error) {
	return e.pruneHistory(ctx, nil, false)
}

// pruneHistory takes the folders that are given for removed, as a dry run of Collect needs it.
func (e *Engine) pruneHistory(ctx context.Context, removed []GarbageFolder, dryRun bool) (journal.Erased, error) {
	needed, err := e.publishedRuns(ctx)
	if err != nil {
		return journal.Erased{}, err
	}
	gone := map[string]bool{}
	for _, f := range removed {
		gone[f.Path] = true
	}
	for _, dir := range []string{e.runsDir(), e.rejectsDir("")} {
		for _, run := range entries(dir) {
			if !gone[filepath.Join(dir, run)] {
				needed[run] = true
			}
		}
	}
	return e.Journal.Prune(ctx, journal.Cut{Before: e.Clock().Add(-e.historyKept()), Metrics: e.Project.HistoryWindow(), DryRun: dryRun,
		Needed: func(run string) bool { return needed[run] }, Erased: e.dropLog})
}

// dropLog removes the log of a run that the journal does not know any more.
func (e *Engine) dropLog(run string) {
	if err := os.Remove(LogPath(e.Project.StateDir(), run)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.Log.Warn("the log of an old run stays", "run", run, "error", err)
	}
}

// historyKept is how old what goes must be: longer than the project says where something looks back further. Quarantined rows name their run. A
// missed time is made up for within the misfire window, and may then wait as long for the pipelines that it follows, on dates of other zones.
func (e *Engine) historyKept() time.Duration {
	kept := max(e.Project.History.Std(), e.Project.Target.Retention.Quarantine.Std())
	for _, pl := range e.Project.Pipelines {
		kept = max(kept, 2*min(pl.MisfireWindow.Std(), longestSpan)+3*24*time.Hour)
	}
	return kept
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
