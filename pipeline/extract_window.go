package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// window takes the one that this run has fixed already for the stream as it is defined, when it still holds, or fixes
// one now. Journaling a new one voids the parts of the old.
func (x *extraction) window(ctx context.Context, asked extract.Stream) (*extract.Window, error) {
	fixed, err := x.Journal.Window(ctx, x.ID, x.node.Name(), x.definition())
	if err != nil {
		return nil, err
	}
	if fixed != nil && x.selection.Backfill == nil && fixed.Lo != x.since() {
		fixed = nil
	}
	var w *extract.Window
	err = x.patiently(ctx, func() (err error) {
		w, err = x.source.Window(ctx, asked, x.since(), fixed)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := x.run
	r.mu.Lock()
	r.windows++
	x.asOf, x.fixedAt, x.windowNo = w.AsOf, x.Clock(), r.windows
	r.mu.Unlock()
	if w == fixed {
		return w, nil
	}
	if fixed != nil {
		x.note("read from the start: the source has lost the state that the run was reading")
	}
	if x.selection.Backfill == nil {
		w.Lo = x.since()
	}
	return w, x.timed("journal", func() error { return x.Journal.SaveWindow(ctx, x.ID, x.node.Name(), x.definition(), w) })
}

// windowOrNone is the window, or one without slices where a source that was read before has nothing to read any more.
func (x *extraction) windowOrNone(ctx context.Context, asked extract.Stream) (*extract.Window, error) {
	w, err := x.window(ctx, asked)
	if errors.Is(err, extract.ErrEmpty) && x.before != nil && x.selection.Backfill == nil {
		x.note(err.Error())
		return &extract.Window{Lo: x.since(), Hi: x.since()}, x.guard(0)
	}
	return w, err
}

// asked is the stream as the source contract wants it.
func (x *extraction) asked() extract.Stream {
	asked := asked(x.node)
	asked.Fresh = x.before == nil
	asked.Known, asked.Closed = x.known(), x.node.Stream.OnSchemaChange == models.SchemaDiscards
	asked.Range = x.ranges[x.node]
	asked.Published = x.published()
	return asked
}

// published is the window that the published version of a full stream was read by, where that version may stay as it is.
func (x *extraction) published() extract.Cursor {
	t := x.before
	if t == nil || x.node.Stream.Mode != string(extract.Full) || t.Mode != x.node.Stream.Mode || t.Kind != string(models.KindStream) || t.ReadFrom != x.readFrom() {
		return ""
	}
	s := x.selection
	if s.FullRefresh || s.Rebuild || s.Backfill != nil || x.replay != nil || x.node.Contract() != nil || len(x.node.Stream.Key) > 0 || t.Made != nil {
		return ""
	}
	for _, f := range t.Version.Files() {
		if info, err := os.Stat(f.Path); err != nil || info.Size() != f.Bytes {
			return ""
		}
	}
	return extract.Cursor(t.Cursor)
}

// same leaves the published version of a full stream: its source has nothing else. Its rows are counted where they lie, and judged.
func (x *extraction) same(ctx context.Context) ([]load.Table, error) {
	found := warehouse.Equation{Name: "recorded", Terms: []warehouse.Term{{Name: "found"}}}
	for _, f := range x.before.Version.Files() {
		rows, err := warehouse.CountRows(f.Path)
		if err != nil {
			return nil, err
		}
		found.Rows, found.Terms[0].Rows = found.Rows+f.Rows, found.Terms[0].Rows+rows
	}
	x.step.Unchanged, x.step.Rows, x.step.Equations = true, x.before.Rows, []warehouse.Equation{found}
	if err := closes(x.step.Equations); err != nil {
		return nil, err
	}
	return nil, x.idle(ctx, &x.before.Version)
}

func (x *extraction) since() extract.Cursor {
	if x.before == nil || x.reconciles || x.node.Stream.Mode == string(extract.Full) {
		return ""
	}
	return extract.Cursor(x.before.Cursor)
}

// reconcileDue says whether the stream's time has come to be read whole, for what its cursor has missed.
func (x *extraction) reconcileDue() bool {
	every := x.node.Stream.Reconcile.Std()
	if every <= 0 || x.before == nil || x.selection.Backfill != nil || x.node.Stream.Mode != string(extract.Incremental) {
		return false
	}
	return x.before.Reconciled == nil || !x.LogicalTime.Before(x.before.Reconciled.Add(every))
}

// reconciled is when all rows of the stream were read last.
func (x *extraction) reconciled() *time.Time {
	switch {
	case x.node.Stream.Mode != string(extract.Incremental):
		return nil
	case x.since() == "":
		now := x.LogicalTime
		return &now
	}
	return x.before.Reconciled
}

// definition is a hash of everything in the project that decides what the stream's records become. Secrets are in it
// as ***: they decide who reads, not what.
func (x *extraction) definition() string {
	s := x.node.Stream
	what := []any{s.StreamKeys, s.Options, x.readFrom(), s.Source.Options}
	if types := asked(x.node).Types; len(types) > 0 {
		what = append(what, types)
	}
	text, err := json.Marshal(what)
	if err != nil {
		panic(fmt.Sprintf("stream options are not JSON: %v", err)) // plain structs of ours: a bug
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// strayed says whether a part of this window was read in another state than the window's. Slices that Extend has kept from
// earlier states are none of this window's: they are known by having been landed before it was asked for.
func (x *extraction) strayed(w *extract.Window, parts []journal.Part) bool {
	return w.AsOf != nil && slices.ContainsFunc(parts, func(p journal.Part) bool {
		return p.Detail["as_of"] != "" && p.Detail["as_of"] != w.AsOf.ID && !p.LandedAt.Before(x.fixedAt)
	})
}
