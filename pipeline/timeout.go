package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file ends what takes too long: a node that exceeds its pipeline's step_timeout has failed, and the others go on; a run that
// exceeds its timeout ends as if somebody had asked for it, and has failed. Neither counts what lies behind the building:
// a run that publishes is let alone.

// errTimeout is why a context of this file was cancelled.
var errTimeout = errors.New("timeout")

// timeout is the strictest of those of the pipelines that own the run's nodes, 0 when there is none. A replay has none: it could
// only be begun anew.
func (r *run) timeout() config.Duration {
	strictest := config.Duration(0)
	for _, n := range r.nodes {
		pl := r.Project.Pipeline(n.Pipeline)
		if pl != nil && pl.Timeout > 0 && (strictest == 0 || pl.Timeout < strictest) {
			strictest = pl.Timeout
		}
	}
	if r.replay != nil {
		return 0
	}
	return strictest
}

// deadline watches over an attempt with a timeout.
type deadline struct {
	limit   config.Duration
	expired atomic.Bool
}

// limit gives the attempt its time: when that is up, the run is asked to stop, and after the grace it is cancelled. The returned
// function ends the watch.
func (r *run) limit(ctx context.Context) (context.Context, func()) {
	r.deadline.limit = r.timeout()
	if r.deadline.limit == 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	asked, stop, over, ended := r.Engine.Stop, make(chan struct{}), make(chan struct{}), make(chan struct{})
	r.Engine.Stop = stop // ours: execute has copied the engine
	go func() {
		defer close(ended)
		timer := time.NewTimer(r.deadline.limit.Std())
		defer timer.Stop()
		select {
		case <-over:
			return
		case <-asked:
			close(stop)
			return
		case <-timer.C:
		}
		r.deadline.expired.Store(true)
		close(stop)
		timer.Reset(r.Grace)
		select {
		case <-over:
		case <-timer.C:
			cancel(errTimeout)
		}
	}()
	return ctx, func() {
		close(over)
		<-ended
		cancel(nil)
	}
}

// tooLong closes a run whose time was up before everything was built. Nothing of it is published; a retry takes up what was landed.
func (r *run) tooLong(ctx context.Context) (*Report, error) {
	now, code := r.Clock(), ExitFailed
	var hand []string
	for _, n := range r.nodes {
		s, under := r.begun[n.Name()]
		if !under {
			continue
		}
		hand = append(hand, fmt.Sprintf("%s for %s", s.Node, config.Duration(now.Sub(s.Started).Round(time.Second))))
		s.Status, s.Finished, s.Error = journal.Interrupted, &now, "the run took longer than its timeout"
		r.results[s.Node] = &result{status: s.Status, step: s}
		if err := r.Journal.SaveStep(ctx, s); err != nil {
			return nil, err
		}
	}
	r.Run.Status, r.Run.Finished, r.Run.ExitCode = journal.Failed, &now, &code
	r.Run.Error = fmt.Sprintf("took longer than timeout: %s", r.deadline.limit)
	if len(hand) > 0 {
		r.Run.Error += "; in hand: " + strings.Join(hand, ", ")
	}
	report := &Report{Resumed: r.resumed}
	return report, r.close(ctx, report, nil)
}

// within runs a node's work for no longer than its pipeline allows.
func (r *run) within(ctx context.Context, n *models.Node, work func(context.Context) error) error {
	pl := r.Project.Pipeline(n.Pipeline)
	if pl == nil || pl.StepTimeout == 0 || r.replay != nil {
		return work(ctx)
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(pl.StepTimeout.Std(), func() { cancel(errTimeout) }).Stop()
	err := work(limited)
	if err == nil || ctx.Err() != nil || context.Cause(limited) != errTimeout {
		return err
	}
	return &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: fmt.Errorf("took longer than step_timeout: %s of pipeline %q", pl.StepTimeout, pl.Name),
		Hint: fmt.Sprintf("millrace runs logs %s shows how far it came; millrace retry goes on from what was landed; raise step_timeout when it needs the time", r.ID)}
}
