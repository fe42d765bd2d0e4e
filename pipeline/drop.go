package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// Drop takes a published table out of the target: one that the project does not make any more, and that no published
// view reads. Older snapshots keep it for as long as they stay. It returns the new snapshot.
func (e *Engine) Drop(ctx context.Context, name string) (int64, error) {
	locks := e.allLocks()
	unlock, err := e.lock(locks)
	if err != nil {
		return 0, err
	}
	defer unlock()
	m, err := e.Loader.Current(ctx)
	if err != nil {
		return 0, err
	}
	schema, table, _ := strings.Cut(name, ".")
	gone := warehouse.Name{Schema: schema, Table: table}
	if m.Table(gone) == nil {
		return 0, fmt.Errorf("%s is not published: `millrace status` lists what is", name)
	}
	if n := e.Project.Node(name); n != nil {
		return 0, fmt.Errorf("%s is a node of the project (%s), the next run would publish it again: remove it there first", name, n.Pos)
	}
	for _, t := range m.Tables {
		if t.View != "" && t.Broken == "" && slices.Contains(t.Needs, name) {
			return 0, fmt.Errorf("%s is read by the view %s: drop that first", name, t.Name)
		}
	}
	now := e.Clock()
	r := journal.Run{ID: "state-" + newRunID(now), Pipeline: strings.Join(locks, "+"), LogicalTime: now, Attempt: 1, Status: journal.Running,
		Selection: journal.Selection{Nodes: []string{name}, Target: e.Project.Target.Name}, ProjectHash: e.Project.Hash, Version: e.Version, PID: os.Getpid(), Started: now}
	if err := e.Journal.BeginRun(ctx, r); err != nil {
		return 0, err
	}
	published, err := e.Loader.Publish(ctx, load.Publication{Run: r.ID, Attempt: 1, Pipeline: r.Pipeline, LogicalTime: now,
		Project: e.Project.Name, Millrace: e.Version, Drop: []warehouse.Name{gone}})
	done, code := e.Clock(), ExitOK
	r.Finished, r.ExitCode, r.Status = &done, &code, journal.Succeeded
	if err != nil {
		code = ExitFailed
		r.Status, r.Error = journal.Failed, e.redact(err.Error())
		return 0, errors.Join(err, e.Journal.FinishRun(context.WithoutCancel(ctx), r, nil))
	}
	r.Snapshot = &published.Snapshot
	return published.Snapshot, errors.Join(e.Journal.FinishRun(ctx, r, nil), e.Journal.Event(ctx, r.ID, "drop", name, done))
}
