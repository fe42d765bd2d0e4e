package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// extraction is one stream being read in one attempt.
type extraction struct {
	*run
	node   *models.Node
	source extract.Source
	step   *journal.Step
	before *load.Table // published version; nil when there is none, or when it is to be forgotten
	// replaced is the published version that is forgotten because the stream reads something else now: the policy for schema
	// changes is about its columns all the same.
	replaced *load.Table
	asOf     *extract.AsOf
	// fixedAt is when the source gave the window, windowNo the place of that among all windows of the run.
	fixedAt  time.Time
	windowNo int
	// reconciles says that all rows are read once more and compared with what is published.
	reconciles bool
	parallel   int // slices that are read at once
	// remains is the published version that rows are added to where that is not all of it: a backfill of an append stream
	// replaces those of its range. stillOut is the same of its quarantine; nil: all of it.
	remains, stillOut *warehouse.Version

	mu    sync.Mutex // guards what follows, and the step's notes
	bytes int64      // of input, so far
	rows  int64
	total int64
}

// How often a source is asked again: when what the window names changed meanwhile, and after a transient failure.
const (
	maxWindows  = 3
	maxAttempts = 6
)

// table reads the stream into parts and makes its new version, with its quarantine. None means that there is nothing new.
func (x *extraction) table(ctx context.Context) ([]load.Table, error) {
	why, err := x.begin()
	if err != nil {
		return nil, err
	}
	if why != "" {
		x.note(why)
	}
	asked := x.asked()
	x.reconciles = x.reconcileDue()
	for try := 1; ; try++ {
		w, err := x.windowOrNone(ctx, asked)
		if err != nil {
			return nil, x.explain(err)
		}
		if why, err := x.moved(w); err != nil {
			return nil, err
		} else if why != "" {
			if err := x.startOver(ctx, why); err != nil {
				return nil, err
			}
			asked, x.reconciles = x.asked(), false
			continue
		}
		if x.still(w) {
			return nil, x.keep(ctx)
		}
		parts, err := x.parts(ctx, asked, w)
		if unfit := (*misfit)(nil); errors.As(err, &unfit) {
			return nil, x.tellMisfit(ctx, unfit)
		}
		if err == nil && x.strayed(w, parts) {
			// The source has lost its state on the way, and went on in another: asked again, it adds what has changed since.
			if try < maxWindows {
				continue
			}
			err = fmt.Errorf("the state that was read was lost again and again: %w", extract.ErrChanged)
		}
		if err == nil {
			var tables []load.Table
			err = x.stoppable(ctx, func(ctx context.Context) (err error) {
				tables, err = x.version(ctx, w, parts)
				return err
			})
			return tables, x.explain(err)
		}
		if !errors.Is(err, extract.ErrChanged) || try == maxWindows {
			return nil, x.explain(err)
		}
		if err := x.startOver(ctx, "read again from the start: "+err.Error()); err != nil {
			return nil, err
		}
	}
}

// startOver forgets the window and what was landed of it.
func (x *extraction) startOver(ctx context.Context, why string) error {
	x.note(why)
	return x.Journal.DropWindow(ctx, x.ID, x.node.Name())
}

// patiently calls f again after transient failures, after a pause that doubles and is drawn from its upper half, so that
// many clients of a server that is back do not come at once.
func (x *extraction) patiently(ctx context.Context, f func() error) error {
	pause := time.Second
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil || !errors.Is(err, extract.ErrTransient) || attempt == maxAttempts || ctx.Err() != nil {
			return err
		}
		wait := pause/2 + rand.N(pause/2)
		x.note(fmt.Sprintf("attempt %d of %d, again in %s: %v", attempt, maxAttempts, wait.Round(10*time.Millisecond), err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-x.Stop:
			return ErrInterrupted
		case <-time.After(wait):
		}
		pause = min(2*pause, 15*time.Second)
	}
}

func (x *extraction) progress(bytes, records int64) {
	x.mu.Lock()
	x.bytes += bytes
	x.rows += records
	ev := Event{Kind: "progress", Phase: "extract", Node: x.node.Name(), Rows: x.rows, Bytes: x.bytes, Total: x.total}
	x.mu.Unlock()
	x.observe(ev)
}

func (x *extraction) note(text string) {
	x.mu.Lock()
	x.step.Notes = append(x.step.Notes, text)
	x.mu.Unlock()
	x.Log.Info(text, "run", x.ID, "stream", x.node.Name())
}

func (x *extraction) notes(texts []string) {
	for _, text := range texts {
		x.note(text)
	}
}

// explain adds where the stream is defined, and what can be done where that is known.
func (x *extraction) explain(err error) error {
	var se *StepError
	var ce *ChecksError
	var ue *upstreamError
	if err == nil || errors.As(err, &se) || errors.As(err, &ce) || errors.As(err, &ue) || errors.Is(err, ErrInterrupted) || errors.Is(err, context.Canceled) {
		return err
	}
	hint := ""
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &hinted):
		hint = hinted.Hint()
	case errors.Is(err, syscall.ENOSPC):
		hint = hintOnDisk(err)
	case strings.Contains(err.Error(), "Out of Memory Error"):
		hint = "give the engine more: millrace run --memory 2GB; a row of many megabytes takes several times its size"
	case errors.Is(err, warehouse.ErrIncompatible):
		hint = fmt.Sprintf("millrace run %s --full-refresh reads the table anew", x.node.Name())
	case errors.Is(err, extract.ErrChanged):
		hint = "run again when nothing writes to it any more; min_age leaves files alone that were written just now"
	}
	return &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: err, Hint: hint}
}
