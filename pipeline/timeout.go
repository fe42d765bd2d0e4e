package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file ends what takes too long: a node that exceeds its pipeline's step_timeout has failed, and the others go on; a run that
// exceeds its timeout ends as if somebody had asked for it, and has failed. Neither counts what lies behind the building:
// a run that publishes is let alone. A load of what follows the target is given up in time: see follow.go. What does not heed that it was cancelled ends with its process.

// errTimeout is why a context of this file was cancelled.
var errTimeout = errors.New("timeout")

// Timeout is the strictest of those of a run's pipelines, which a run names as "a+b"; 0 when there is none.
func Timeout(p *models.Project, pipelines string) config.Duration {
	strictest := config.Duration(0)
	for _, name := range strings.Split(pipelines, "+") {
		if pl := p.Pipeline(name); pl != nil && pl.Timeout > 0 && (strictest == 0 || pl.Timeout < strictest) {
			strictest = pl.Timeout
		}
	}
	return strictest
}

// deadline watches over an attempt with a timeout.
type deadline struct {
	limit   config.Duration
	began   time.Time
	expired atomic.Bool
	given   sync.Once // up
}

// limit gives the attempt its time: when that is up, the run is asked to stop, and after the grace it is cancelled. The returned
// function ends the watch.
func (r *run) limit(ctx context.Context) (context.Context, func()) {
	r.deadline.limit, r.deadline.began = Timeout(r.Project, r.Pipeline), time.Now()
	if r.deadline.limit == 0 || r.replay != nil { // which could only be begun anew
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
			return
		case <-timer.C:
			cancel(errTimeout)
		}
		timer.Reset(r.Heed)
		select {
		case <-over:
		case <-timer.C:
			r.giveUp(r.overTime())
		}
	}()
	return ctx, func() {
		close(over)
		<-ended
		r.Engine.Stop = asked
		cancel(nil)
	}
}

// tooLong closes a run whose time was up before everything was built. Nothing of it is published; a retry takes up what was landed.
func (r *run) tooLong(ctx context.Context) (*Report, error) {
	if err := r.outOfTime(ctx, r.overTime()); err != nil {
		return nil, err
	}
	report := &Report{Resumed: r.resumed}
	return report, r.close(ctx, report, nil)
}

func (r *run) overTime() string { return fmt.Sprintf("took longer than timeout: %s", r.deadline.limit) }

// outOfTime makes the run a failure, and interrupts the steps that are in hand.
func (r *run) outOfTime(ctx context.Context, why string) error {
	now, code := r.Clock(), ExitFailed
	r.mu.Lock()
	begun := maps.Clone(r.begun)
	r.mu.Unlock()
	var hand []string
	for _, node := range slices.Sorted(maps.Keys(begun)) {
		s := begun[node]
		hand = append(hand, fmt.Sprintf("%s for %s", s.Node, config.Duration(now.Sub(s.Started).Round(time.Second))))
		s.Status, s.Finished, s.Error = journal.Interrupted, &now, "the run ended: "+why
		r.mu.Lock()
		r.results[s.Node] = &result{status: s.Status, step: s}
		r.mu.Unlock()
		if err := r.Journal.SaveStep(ctx, s); err != nil {
			return err
		}
	}
	r.Run.Status, r.Run.Finished, r.Run.ExitCode, r.Run.Error = journal.Failed, &now, &code, why
	if len(hand) > 0 {
		r.Run.Error += "; in hand: " + strings.Join(hand, ", ")
	}
	return nil
}

// noteWithin is how long giveUp waits for the journal.
const noteWithin = 3 * time.Second

// giveUp ends the process, since nothing else ends the statement that is in hand. Should the journal not be told, the next run finds the process gone.
func (r *run) giveUp(why string) {
	if r.GiveUp == nil {
		return
	}
	r.deadline.given.Do(func() {
		why += ", and what was in hand did not heed that it was given up: the process ended"
		noted := make(chan error, 1)
		go func() {
			ctx := context.Background()
			err := r.outOfTime(ctx, why)
			if err == nil {
				err = r.Journal.EndAttempt(ctx, r.Run, nil, nil, r.tableRows())
			}
			if err == nil {
				r.saysEnd(nil)
			}
			r.closeLog()
			noted <- err
		}()
		err := errors.New(why)
		select {
		case failed := <-noted:
			err = errors.Join(err, failed)
		case <-time.After(noteWithin):
		}
		r.GiveUp(err)
	})
}

// within runs a node's work for no longer than its pipeline allows.
func (r *run) within(ctx context.Context, n *models.Node, work func(context.Context) error) error {
	pl := r.Project.Pipeline(n.Pipeline)
	if pl == nil || pl.StepTimeout == 0 || r.replay != nil {
		return work(ctx)
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := fmt.Errorf("took longer than step_timeout: %s of pipeline %q", pl.StepTimeout, pl.Name)
	defer time.AfterFunc(pl.StepTimeout.Std(), func() { cancel(errTimeout) }).Stop()
	giveUp := func() { r.giveUp(n.Name() + " " + late.Error()) }
	deaf := time.AfterFunc(pl.StepTimeout.Std()+r.Heed, giveUp)
	defer func() {
		if !deaf.Stop() {
			giveUp() // is under way: nothing may be published meanwhile
		}
	}()
	err := work(limited)
	if err == nil || ctx.Err() != nil || context.Cause(limited) != errTimeout {
		return err
	}
	return &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: late,
		Hint: fmt.Sprintf("millrace runs logs %s shows how far it came; millrace retry goes on from what was landed; raise step_timeout when it needs the time", r.ID)}
}
