package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// A backfill is a run that reads a range of the past of its streams again and brings it into what is published; cursors stay
// where they are. It is resumed slice by slice, by its own command or by a retry, whatever runs come between. This file
// decides, backfill_range.go replaces a range of an append stream, backfill_plan.go tells beforehand.

// BackfillRequest says what is read again.
type BackfillRequest struct {
	Nodes         []*models.Node // the streams and, in dependency order behind them, the models to build in the same run
	Range         journal.Backfill
	AllowShrunken bool // let a range be replaced by a much smaller one
}

// Backfill reads the range once more and publishes it at the end, with the models of the request. An unfinished backfill
// that was asked the same is gone on with. A *RefusedError when it cannot begin as it was asked for.
func (e *Engine) Backfill(ctx context.Context, req BackfillRequest) (*Report, error) {
	now := e.Clock()
	if _, err := e.rangesOf(&req.Range, req.Nodes, now); err != nil {
		return nil, err
	}
	locks := lockNames(req.Nodes)
	_, unlock, err := e.begin(ctx, locks, names(req.Nodes))
	if err != nil {
		return nil, err
	}
	defer unlock()
	selection := req.selection(e.Project.Target.Name)
	old, err := e.unfinishedLike(ctx, selection)
	if err != nil {
		return nil, err
	}
	if old != nil {
		old.Selection.Backfill.Parallel, old.Selection.AllowShrunken = req.Range.Parallel, req.AllowShrunken
		r, err := e.goOn(ctx, *old)
		if err != nil {
			return nil, err
		}
		return r.execute(ctx)
	}
	r := &run{Engine: e, nodes: req.Nodes, selection: selection}
	r.Run = journal.Run{ID: newRunID(now), Pipeline: strings.Join(locks, "+"), LogicalTime: now, Attempt: 1, Selection: selection, ProjectHash: e.Project.Hash,
		Trigger: journal.TriggerBackfill}
	return r.execute(ctx)
}

func (req *BackfillRequest) selection(target string) journal.Selection {
	return journal.Selection{Nodes: names(req.Nodes), Target: target, AllowShrunken: req.AllowShrunken, Backfill: &req.Range}
}

// unfinishedLike is the newest unfinished backfill that was asked for the same, of the project as it is now; nil when there is
// none.
func (e *Engine) unfinishedLike(ctx context.Context, s journal.Selection) (*journal.Run, error) {
	runs, err := e.Journal.Runs(ctx, journal.Filter{Trigger: journal.TriggerBackfill})
	for _, old := range runs {
		if unfinishedBackfill(old) && old.ProjectHash == e.Project.Hash && reflect.DeepEqual(wanted(old.Selection), wanted(s)) {
			return &old, nil
		}
	}
	return nil, err
}

// wanted is what a backfill was asked for, without how it is to be got.
func wanted(s journal.Selection) journal.Selection {
	b := *s.Backfill
	b.Parallel = 0
	s.Backfill, s.AllowShrunken = &b, false
	return s
}

// unfinishedBackfill says whether what the run has landed waits for its next attempt.
func unfinishedBackfill(r journal.Run) bool {
	return r.Selection.Backfill != nil && r.Status != journal.Succeeded && r.Status != journal.Abandoned
}

// AbandonBackfill gives an unfinished backfill up: what it has landed is removed.
func (e *Engine) AbandonBackfill(ctx context.Context, id string) (*journal.Run, error) {
	old, err := e.Journal.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	locks := strings.Split(old.Pipeline, "+")
	if old.Selection.Backfill == nil {
		return nil, refused("millrace runs lists them", "run %s is no backfill", old.ID)
	}
	_, unlock, err := e.begin(ctx, locks, nil)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if old, err = e.Journal.Run(ctx, old.ID); err != nil {
		return nil, err
	}
	if !unfinishedBackfill(old) {
		return nil, refused("millrace runs lists them", "backfill %s has %s", old.ID, old.Status)
	}
	old.Status = journal.Abandoned
	err = e.Journal.SetRunStatus(ctx, old.ID, journal.Abandoned, "given up", e.Clock())
	return &old, errors.Join(err, os.RemoveAll(e.runDir(old.ID)))
}

// rangesOf cuts the range for each stream, by the days of its pipeline's time zone. now is where a range without an end ends.
func (e *Engine) rangesOf(b *journal.Backfill, nodes []*models.Node, now time.Time) (map[*models.Node]*extract.Range, error) {
	if b == nil {
		return nil, nil
	}
	ranges := map[*models.Node]*extract.Range{}
	for _, n := range streamsOf(nodes) {
		if why, next := CannotBackfill(n); why != "" {
			return nil, refused(next, "%s", why)
		}
		var err error
		if ranges[n], err = extract.ParseRange(b.From, b.To, b.Slice, e.zoneOf(n), now); err != nil {
			return nil, notAsAsked(err)
		}
	}
	if len(ranges) == 0 {
		return nil, refused("name streams: models are built behind them", "no stream is selected")
	}
	return ranges, nil
}

// notAsAsked makes a mistake in the range one of the request.
func notAsAsked(err error) error {
	if wrong := (*extract.RangeError)(nil); errors.As(err, &wrong) {
		return refused(wrong.Hint(), "%s", wrong)
	}
	return err
}

// zoneOf is the time zone of the node's pipeline.
func (e *Engine) zoneOf(n *models.Node) *time.Location {
	if p := e.Project.Pipeline(n.Pipeline); p != nil {
		if zone, err := time.LoadLocation(p.Timezone); err == nil { // the loader has tried it
			return zone
		}
	}
	return time.UTC
}

// CannotBackfill says why no range of the stream can be read again, and what to do instead; "" when it can.
func CannotBackfill(n *models.Node) (why, next string) {
	s := n.Stream
	switch {
	case s.Mode == string(extract.Full):
		return fmt.Sprintf("%s is read whole in each run (mode: full)", n.Name()), fmt.Sprintf("millrace run %s reads it again; --exclude %[1]s leaves it out here; for ranges of it write mode: incremental or append with a cursor:, and run it once", n.Name())
	case !s.Source.ReadsRanges:
		return fmt.Sprintf("%s is of a source (%s) that cannot be asked for a range", n.Name(), s.Source.Type),
			fmt.Sprintf("millrace run %s --full-refresh reads all of it again; --exclude %[1]s leaves it out here", n.Name())
	case s.Cursor == "":
		return fmt.Sprintf("%s has no cursor, in which a range could be told", n.Name()), fmt.Sprintf("millrace run %s --full-refresh reads all of it again", n.Name())
	}
	return "", ""
}

// rebuildsModels says that incremental models are built from nothing.
func (r *run) rebuildsModels() bool {
	return r.selection.FullRefresh || r.selection.Backfill != nil && r.selection.Backfill.Rebuild
}

// addsTo refuses a backfill of a stream whose published table its rows could not be added to.
func (x *extraction) addsTo() error {
	if x.before == nil {
		return x.refuse(fmt.Sprintf("millrace run %s reads all of it", x.node.Name()), "it was never read: there is nothing to bring a range into")
	}
	if why := x.otherwise(); why != "" {
		return x.refuseBackfill(why)
	}
	if why := x.elsewhere(); why != "" {
		return x.refuseBackfill(why)
	}
	return nil
}

func (x *extraction) refuseBackfill(why string) error {
	return x.refuse(fmt.Sprintf("millrace run %s first, then the backfill", x.node.Name()), "%s: no range can be added to it", why)
}
