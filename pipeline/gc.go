package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline/journal"
)

// Garbage is what Collect found and, unless it was a dry run, removed.
type Garbage struct {
	DryRun  bool             `json:"dry_run"`
	Target  *load.Collection `json:"target"`
	Staging []GarbageFolder  `json:"staging"`         // of runs that can no longer be resumed or retried
	Rejects []GarbageFolder  `json:"rejects"`         // older than was asked for
	There   *load.Swept      `json:"there,omitempty"` // what loads have left at the place that follows the target; nil: none does, or it was not looked at
	History journal.Erased   `json:"history"`         // of the journal, older than the project's history
	Skipped []string         `json:"skipped"`         // what could not be looked at, and why
}

// GarbageFolder is a run's folder in the state folder.
type GarbageFolder struct {
	Run   string `json:"run"`
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Why   string `json:"why"`
}

// Bytes is what all of it takes up.
func (g *Garbage) Bytes() int64 {
	sum := int64(0)
	if g.Target != nil {
		sum = g.Target.Bytes
	}
	for _, f := range g.folders() {
		sum += f.Bytes
	}
	return sum
}

func (g *Garbage) folders() []GarbageFolder { return slices.Concat(g.Staging, g.Rejects) }

// Collect finds what no reader and no run needs any more: in the target by the retention rules, in the state folder the
// staging of runs that cannot be resumed, and rejects older than keepRejects, and then what is old in the journal. It removes it unless dryRun.
// Folders of a pipeline that runs meanwhile are left alone.
func (e *Engine) Collect(ctx context.Context, keepRejects time.Duration, dryRun bool) (*Garbage, error) {
	g := &Garbage{DryRun: dryRun, Staging: []GarbageFolder{}, Rejects: []GarbageFolder{}, Skipped: []string{}}
	if err := e.collectState(ctx, keepRejects, g); err != nil {
		return nil, err
	}
	var err error
	if g.Target, err = e.Loader.Collect(ctx, dryRun); err != nil && !errors.Is(err, load.ErrNothing) {
		return g, err
	}
	if err := e.sweep(ctx, g); err != nil {
		return g, err
	}
	return g, e.pruneHistory(ctx, g)
}

// sweep looks at the place that follows the target. That it does not answer, or is being loaded, keeps nothing else from being removed.
func (e *Engine) sweep(ctx context.Context, g *Garbage) error {
	if e.Follower == nil {
		return nil
	}
	unlock, err := e.lockLoadsNow()
	if err == nil {
		defer unlock()
		g.There, err = e.Follower.Sweep(ctx, g.DryRun)
	}
	if err != nil && ctx.Err() == nil {
		g.Skipped = append(g.Skipped, fmt.Sprintf("%s: %s", e.place(), e.redact(err.Error())))
		err = nil
	}
	return err
}

func (e *Engine) collectState(ctx context.Context, keepRejects time.Duration, g *Garbage) error {
	for _, id := range entries(e.runsDir()) {
		if err := e.collectRun(ctx, id, e.runsDir(), &g.Staging, g, e.unneeded); err != nil {
			return err
		}
	}
	old := func(ctx context.Context, r journal.Run) (string, error) {
		if why, err := e.unneeded(ctx, r); why == "" || err != nil {
			return "", err // a retry publishes them with its parts
		}
		info, err := os.Stat(e.rejectsDir(r.ID))
		if err != nil {
			return "", err
		}
		age := e.Clock().Sub(info.ModTime())
		if age <= keepRejects {
			return "", nil
		}
		return fmt.Sprintf("%d days old", int(age.Hours()/24)), nil
	}
	for _, id := range entries(filepath.Join(e.Project.StateDir(), "rejects")) {
		if err := e.collectRun(ctx, id, filepath.Join(e.Project.StateDir(), "rejects"), &g.Rejects, g, old); err != nil {
			return err
		}
	}
	return nil
}

// entries are the folders in dir, which may be missing.
func entries(dir string) []string {
	found, _ := os.ReadDir(dir)
	var names []string
	for _, f := range found {
		if f.IsDir() {
			names = append(names, f.Name())
		}
	}
	sort.Strings(names)
	return names
}

// collectRun removes one run's folder in dir when why gives a reason, under the locks of its pipelines.
func (e *Engine) collectRun(ctx context.Context, id, dir string, into *[]GarbageFolder, g *Garbage, why func(context.Context, journal.Run) (string, error)) error {
	path := filepath.Join(dir, id)
	r, err := e.Journal.Run(ctx, id)
	locks := strings.Split(r.Pipeline, "+")
	if errors.Is(err, journal.ErrNotFound) || (err == nil && r.ID != id) {
		r = journal.Run{ID: id}
		locks = e.allLocks()
	} else if err != nil {
		return err
	}
	unlock, err := e.lock(locks)
	if errors.Is(err, ErrLocked) {
		g.Skipped = append(g.Skipped, fmt.Sprintf("%s: %v", path, err))
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	if r.Pipeline != "" { // as it is now that we hold the lock
		if r, err = e.Journal.Run(ctx, id); err != nil {
			return err
		}
	}
	reason, err := why(ctx, r)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && reason == "") {
		return nil
	}
	if err != nil {
		return err
	}
	*into = append(*into, GarbageFolder{Run: id, Path: path, Bytes: treeSize(path), Why: reason})
	if g.DryRun {
		return nil
	}
	if err := fault.Point("gc.state.remove"); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// allLocks are the locks of every pipeline, and of nodes without one.
func (e *Engine) allLocks() []string {
	names := []string{unowned}
	for _, pl := range e.Project.Pipelines {
		names = append(names, pl.Name)
	}
	sort.Strings(names)
	return names
}

// unneeded says why nobody can take up the run's staging any more; "" when somebody can. The caller holds its locks.
func (e *Engine) unneeded(ctx context.Context, r journal.Run) (string, error) {
	switch r.Status {
	case "":
		return "the journal does not know the run", nil
	case journal.Succeeded, journal.Abandoned:
		return "the run has " + string(r.Status), nil
	}
	if r.Selection.Replay != nil {
		return "a replay is not resumed", nil
	}
	if unfinishedBackfill(r) {
		parts, err := e.Journal.Parts(ctx, r.ID, "")
		if err != nil || len(parts) > 0 {
			return "", err
		}
		return "the backfill has landed nothing", nil
	}
	latest, err := e.newest(ctx, journal.Filter{Pipeline: r.Pipeline, Target: journal.Target{Name: r.Selection.Target}})
	if err != nil {
		return "", err
	}
	if latest.ID != r.ID {
		return "run " + latest.ID + " came after it", nil
	}
	return "", nil
}

// treeSize is what the files below path take up.
func treeSize(path string) int64 {
	sum := int64(0)
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// LockAll takes the lock of every pipeline, for work on the state itself.
func (e *Engine) LockAll() (unlock func(), err error) { return e.lock(e.allLocks()) }
