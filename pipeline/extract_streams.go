package pipeline

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// extractAll reads every stream of the run, a few at once.
func (r *run) extractAll(ctx context.Context) error {
	opened := &sources{engine: r.Engine, open: map[*models.Source]extract.Source{}}
	read := map[*models.Node]*extraction{}
	todo := streamsOf(r.nodes)
	err := r.extractEach(ctx, opened, todo, read)
	for round := 1; err == nil && r.halted() == nil; round++ {
		if todo = r.disagreeing(read); len(todo) == 0 {
			break
		}
		if round == maxWindows {
			err = r.failDisagreeing(ctx, todo)
			break
		}
		r.count(-len(todo))
		err = r.extractEach(ctx, opened, todo, read)
	}
	return errors.Join(err, opened.close(), r.halted())
}

func streamsOf(nodes []*models.Node) []*models.Node {
	var streams []*models.Node
	for _, n := range nodes {
		if n.Kind == models.KindStream {
			streams = append(streams, n)
		}
	}
	return streams
}

// extractEach reads the streams and notes in read what became of each.
func (r *run) extractEach(ctx context.Context, opened *sources, streams []*models.Node, read map[*models.Node]*extraction) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.width())
	ended := map[*models.Node]chan struct{}{}
	for _, n := range streams {
		ended[n] = make(chan struct{})
	}
	r.ended = ended
	for _, n := range afterParents(streams) {
		group.Go(func() error {
			defer close(ended[n])
			if r.stopping() {
				return r.halt()
			}
			return r.step(ctx, n, func(ctx context.Context, s *journal.Step) ([]load.Table, error) {
				source, err := opened.get(n.Stream.Source)
				if err != nil {
					return nil, &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: err}
				}
				x := &extraction{run: r, node: n, source: source, step: s, before: r.before.Table(nameOf(n))}
				r.mu.Lock()
				read[n] = x
				r.mu.Unlock()
				return x.table(ctx)
			})
		})
	}
	return group.Wait()
}

// disagreeing are streams that were read in another state of their source than its others: the source has lost that
// state meanwhile, with a connection or a server. What was landed of windows that hold in any state is kept.
func (r *run) disagreeing(read map[*models.Node]*extraction) []*models.Node {
	newest := map[*models.Source]extract.AsOf{}
	last := map[*models.Source]int{} // not by the source's clock, which may have been set back
	for n, x := range read {
		if r.succeeded(n.Name()) && x.asOf != nil && x.windowNo > last[n.Stream.Source] {
			last[n.Stream.Source], newest[n.Stream.Source] = x.windowNo, *x.asOf
		}
	}
	var again []*models.Node
	for _, n := range streamsOf(r.nodes) {
		x := read[n]
		if x == nil || !r.succeeded(n.Name()) || x.asOf == nil || x.asOf.ID == newest[n.Stream.Source].ID {
			continue
		}
		r.Log.Warn("read again: the source has lost the state that its other streams were read in", "run", r.ID, "stream", n.Name())
		again = append(again, n)
	}
	return again
}

// failDisagreeing gives up on streams that could not be read in the state of their source's others.
func (r *run) failDisagreeing(ctx context.Context, nodes []*models.Node) error {
	for _, n := range nodes {
		r.count(-1)
		if err := r.step(ctx, n, func(context.Context, *journal.Step) ([]load.Table, error) {
			return nil, &StepError{Node: n.Name(), Pos: n.Pos.String(), Hint: "its connection was lost again and again; millrace retry reads on when it is stable",
				Err: fmt.Errorf("source %q could not be read in one state: %w", n.Stream.Source.Name, extract.ErrChanged)}
		}); err != nil {
			return err
		}
	}
	return nil
}

// width is how many nodes run at once. Each gets its share of the memory.
func (r *run) width() int { return max(1, min(2, r.Threads, len(r.nodes))) }

// engineMemory is what one of n DuckDB instances may use: the whole process stays below Memory, of which the Go
// side, reading and verifying, takes a share.
func (e *Engine) engineMemory(n int) int64 {
	const least = 64 << 20
	return max(least, e.Memory*6/10/int64(n))
}
