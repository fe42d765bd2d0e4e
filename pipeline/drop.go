package pipeline

import (
	"context"
	"errors"
	"fmt"
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
	id, snapshot, err := e.publishByHand(ctx, name, nil,
		load.Publication{Pipeline: strings.Join(locks, "+"), LogicalTime: e.Clock(), Drop: []warehouse.Name{gone}}, nil)
	if id == "" {
		return 0, err
	}
	return snapshot, errors.Join(err, e.Journal.AddEvent(ctx, journal.Event{Run: id, Kind: "drop", Text: name, At: e.Clock()}))
}
