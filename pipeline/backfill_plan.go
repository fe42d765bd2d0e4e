package pipeline

import (
	"context"
	"errors"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// BackfillPlan is what a backfill would do.
type BackfillPlan struct {
	Range    journal.Backfill `json:"range"`
	Resumes  string           `json:"resumes,omitempty"` // the unfinished run that it would go on with
	Streams  []PlannedRange   `json:"streams"`
	Models   []PlannedModel   `json:"models"` // that are built behind the streams
	Problems int              `json:"problems"`
}

// PlannedRange is what would be read of one stream.
type PlannedRange struct {
	Node   string         `json:"node"`
	From   string         `json:"from,omitempty"` // as values of the cursor; moments in UTC
	To     string         `json:"to,omitempty"`
	Slices []PlannedSlice `json:"slices"`
	Rows   int64          `json:"rows"` // of all of the stream, as the source estimates them; -1 when it cannot
	Notes  []string       `json:"notes,omitempty"`
	Error  string         `json:"error,omitempty"`
	Hint   string         `json:"hint,omitempty"`
}

// PlannedSlice is one slice of a stream's range.
type PlannedSlice struct {
	ID     string `json:"id"`
	Landed bool   `json:"landed"` // by an earlier attempt, and not read again
}

// PlannedModel is a model that would be built. Incremental: it would take up what its own condition lets through.
type PlannedModel struct {
	Node        string `json:"node"`
	Incremental bool   `json:"incremental,omitempty"`
}

// PlanBackfill asks the sources how they would cut the range. Nothing is written.
func (e *Engine) PlanBackfill(ctx context.Context, req BackfillRequest) (_ *BackfillPlan, err error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	r := &run{Engine: e, nodes: req.Nodes, selection: req.selection(e.Project.Target.Name), before: m}
	if r.ranges, err = e.rangesOf(&req.Range, req.Nodes, e.Clock()); err != nil {
		return nil, err
	}
	old, err := e.unfinishedLike(ctx, r.selection)
	if err != nil {
		return nil, err
	}
	p := &BackfillPlan{Range: req.Range, Streams: []PlannedRange{}, Models: []PlannedModel{}}
	if old != nil {
		r.Run, p.Resumes = *old, old.ID
	}
	opened := &sources{engine: e, open: map[*models.Source]extract.Source{}}
	defer func() { err = errors.Join(err, opened.close()) }()
	for _, n := range req.Nodes {
		if n.Kind != models.KindStream {
			p.Models = append(p.Models, PlannedModel{n.Name(), n.Model != nil && n.Model.Materialized == models.Incremental && !req.Range.Rebuild})
			continue
		}
		one, err := r.planRange(ctx, opened, n, m.Table(nameOf(n)))
		if err != nil {
			one.Error, one.Hint = e.redact(err.Error()), e.redact(hintOf(err))
			p.Problems++
		}
		p.Streams = append(p.Streams, one)
	}
	return p, nil
}

// planRange asks the source of one stream.
func (r *run) planRange(ctx context.Context, opened *sources, n *models.Node, before *load.Table) (one PlannedRange, err error) {
	one = PlannedRange{Node: n.Name(), Slices: []PlannedSlice{}, Rows: -1}
	source, err := opened.get(n.Stream.Source)
	if err != nil {
		return one, err
	}
	x := &extraction{run: r, node: n, source: source, before: before}
	if err := x.addsTo(); err != nil {
		return one, err
	}
	var fixed *extract.Window
	landed := map[string]bool{}
	if r.ID != "" {
		if fixed, err = r.Journal.Window(ctx, r.ID, n.Name(), x.definition()); err != nil {
			return one, err
		}
		parts, err := r.Journal.Parts(ctx, r.ID, n.Name())
		if err != nil {
			return one, err
		}
		for _, p := range parts {
			landed[p.Slice] = p.Resume == ""
		}
	}
	w, err := source.Window(ctx, x.asked(), x.since(), fixed)
	if err != nil {
		return one, x.explain(err)
	}
	one.Notes = w.Notes
	if w.Covers != nil {
		one.From, one.To = w.Covers.From, w.Covers.To
	}
	for _, s := range w.Slices {
		if !s.Keys {
			one.Slices = append(one.Slices, PlannedSlice{s.ID, w == fixed && landed[s.ID]})
		}
	}
	if d, err := source.Describe(ctx, x.asked()); err == nil { // an estimate: a plan without it is one all the same
		one.Rows = d.Rows
	}
	return one, nil
}

// hintOf is what to do about an error, where it says so.
func hintOf(err error) string {
	var se *StepError
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &se):
		return se.Hint
	case errors.As(err, &hinted):
		return hinted.Hint()
	}
	return ""
}
