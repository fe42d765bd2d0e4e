// Package arrowx feeds Arrow batches from a goroutine to a reader that DuckDB can take, and builds them at the right
// size. It never hands on a sliced batch or a batch in nanoseconds with a zone, because DuckDB reads these wrong. It
// knows nothing of sources. Read NewReader first.
package arrowx

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// ahead is how many batches a producer may be ahead of the consumer.
const ahead = 2

// Produce makes the batches of a reader: it calls emit for each, and returns when there are no more or emit fails.
// The context that it gets ends when the consumer does.
type Produce func(ctx context.Context, emit func(arrow.RecordBatch) error) error

// NewReader starts produce in a goroutine and gives the reader of its batches. emit takes over the batch that it is
// given: the producer does not release it. Release, or the end of ctx, stops the producer; Release waits for it. Err
// is the producer's error, valid once Next was false. A panic of the producer is an error, not the end of the process.
func NewReader(ctx context.Context, schema *arrow.Schema, produce Produce) array.RecordReader {
	ctx, cancel := context.WithCancel(ctx)
	r := &reader{schema: schema, ctx: ctx, cancel: cancel, batches: make(chan arrow.RecordBatch, ahead), done: make(chan struct{})}
	r.refs.Store(1)
	go r.run(produce)
	return r
}

type reader struct {
	schema  *arrow.Schema
	ctx     context.Context
	cancel  context.CancelFunc
	batches chan arrow.RecordBatch
	done    chan struct{} // the producer has returned, failed is set
	failed  error

	refs    atomic.Int64
	mu      sync.Mutex // guards what follows; Next has one caller, Err may have another
	current arrow.RecordBatch
	err     error
}

func (r *reader) run(produce Produce) {
	defer close(r.batches)
	defer close(r.done)
	defer func() {
		if p := recover(); p != nil {
			r.failed = fmt.Errorf("panic while producing batches: %v\n%s", p, debug.Stack())
		}
	}()
	r.failed = produce(r.ctx, r.emit)
	if r.failed == nil {
		// A producer that did not look at its context must not pass for one that came to its end.
		r.failed = r.ctx.Err()
	}
}

func (r *reader) emit(b arrow.RecordBatch) error {
	if !b.Schema().Equal(r.schema) {
		defer b.Release()
		return fmt.Errorf("batch has schema %v, the reader %v", b.Schema(), r.schema)
	}
	fresh, err := Unslice(b)
	if err != nil {
		return err
	}
	if r.ctx.Err() != nil {
		fresh.Release()
		return r.ctx.Err()
	}
	select {
	case r.batches <- fresh:
		return nil
	case <-r.ctx.Done():
		fresh.Release()
		return r.ctx.Err()
	}
}

// Schema implements array.RecordReader.
func (r *reader) Schema() *arrow.Schema { return r.schema }

// Next implements array.RecordReader.
func (r *reader) Next() bool {
	r.drop()
	select {
	case b, ok := <-r.batches:
		if ok {
			r.mu.Lock()
			r.current = b
			r.mu.Unlock()
			return true
		}
		<-r.done
		r.mu.Lock()
		r.err = r.failed
		r.mu.Unlock()
		return false
	case <-r.ctx.Done():
		// The producer may have come to its end and the context after it.
		<-r.done
		if b, ok := <-r.batches; ok && r.failed == nil {
			r.mu.Lock()
			r.current = b
			r.mu.Unlock()
			return true
		} else if ok {
			b.Release()
		}
		r.mu.Lock()
		r.err = r.failed
		r.mu.Unlock()
		return false
	}
}

func (r *reader) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		r.current.Release()
		r.current = nil
	}
}

// RecordBatch implements array.RecordReader.
func (r *reader) RecordBatch() arrow.RecordBatch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// Record implements array.RecordReader.
func (r *reader) Record() arrow.RecordBatch { return r.RecordBatch() }

// Err implements array.RecordReader.
func (r *reader) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Retain implements array.RecordReader.
func (r *reader) Retain() { r.refs.Add(1) }

// Release implements array.RecordReader.
func (r *reader) Release() {
	if r.refs.Add(-1) != 0 {
		return
	}
	r.cancel()
	for b := range r.batches { // closed when the producer returns
		b.Release()
	}
	<-r.done
	r.drop()
}

var _ array.RecordReader = (*reader)(nil)
