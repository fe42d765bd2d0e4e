package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	driverdb "github.com/duckdb/duckdb-go/v2"
)

// CopyReader writes all batches of r to a new Parquet file at path, as Copy does. It drains r and does not release
// it. It is the only way in for Arrow, because what DuckDB makes of a registered reader is right only when every
// column is read, once, without a filter: a projection gives wrong sums, a filter crashes the process, a second
// read gives no rows.
func (db *DB) CopyReader(ctx context.Context, r array.RecordReader, path string, cast Cast) (copied *Copied, err error) {
	return db.copyReader(ctx, r, path, cast, db.parquet())
}

// ScratchReader is CopyReader for a file that is thrown away, as Scratch is for a SELECT.
func (db *DB) ScratchReader(ctx context.Context, r array.RecordReader, path string, cast Cast) (copied *Copied, err error) {
	return db.copyReader(ctx, r, path, cast, db.scratch())
}

func (db *DB) copyReader(ctx context.Context, r array.RecordReader, path string, cast Cast, options string) (copied *Copied, err error) {
	if !db.arrow {
		return nil, errors.New("duckdb: this instance was not opened for Arrow")
	}
	if err := checkSchema(r.Schema()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	feed := startFeed(ctx, r)
	defer func() {
		cancel(nil)
		if failed := feed.stop(); failed != nil && err != nil {
			err = failed // the source's own words, not DuckDB's echo of them
		}
	}()
	err = db.with(ctx, func(conn *driverdb.Conn) error {
		arrowConn, err := driverdb.NewArrowFromConn(conn)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("arrow_%d", db.views.Add(1))
		release, err := arrowConn.RegisterView(feed, name)
		if err != nil {
			return err
		}
		defer release()
		defer func() { _ = execOne(context.WithoutCancel(ctx), conn, "DROP VIEW IF EXISTS "+name, nil) }()
		columns, err := viewColumns(ctx, conn, name)
		if err != nil {
			return err
		}
		copied, err = db.copyTo(ctx, conn, name, columns, cast, path, options)
		return err
	})
	return copied, err
}

// viewColumns only binds: DESCRIBE does not touch the stream.
func viewColumns(ctx context.Context, conn *driverdb.Conn, name string) ([]Column, error) {
	var columns []Column
	err := execOne(ctx, conn, "DESCRIBE "+name, func(v []driver.Value) error {
		columns = append(columns, Column{v[0].(string), v[1].(string)})
		return nil
	})
	return columns, err
}

// checkSchema refuses the types that DuckDB would bend silently or stumble over late.
func checkSchema(schema *arrow.Schema) error {
	for _, f := range schema.Fields() {
		if err := checkType(f.Type); err != nil {
			return &Error{Kind: "Binder", Offset: -1, Message: fmt.Sprintf("column %q: %v", f.Name, err)}
		}
	}
	return nil
}

func checkType(t arrow.DataType) error {
	switch t := t.(type) {
	case *arrow.TimestampType:
		if t.Unit == arrow.Nanosecond && t.TimeZone != "" {
			return errors.New("nanoseconds with a time zone would be cut to microseconds")
		}
	case *arrow.Decimal256Type, *arrow.Float16Type:
		return fmt.Errorf("type %s cannot be read", t)
	case *arrow.DictionaryType:
		return checkType(t.ValueType)
	case arrow.ExtensionType:
		return checkType(t.StorageType())
	case arrow.NestedType:
		for _, f := range t.Fields() {
			if err := checkType(f.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

// feed stands between a reader and DuckDB's threads, which call it from C. A goroutine of Go's own runs the
// reader, so that one built on coroutines (array.ReaderFromIter) cannot abort the process, a panic becomes an
// error, and ctx ends the wait. No sliced batch passes: DuckDB reads a sliced struct from the wrong place.
type feed struct {
	refs    atomic.Int64
	schema  *arrow.Schema
	ctx     context.Context
	batches chan arrow.RecordBatch
	done    chan struct{} // closed when the goroutine ended; failed is set before
	failed  error
	current arrow.RecordBatch
	err     error
}

func startFeed(ctx context.Context, r array.RecordReader) *feed {
	f := &feed{schema: r.Schema(), ctx: ctx, batches: make(chan arrow.RecordBatch, 1), done: make(chan struct{})}
	f.refs.Store(1)
	go func() {
		defer close(f.done)
		defer close(f.batches)
		f.failed = f.pump(r)
	}()
	return f
}

func (f *feed) pump(r array.RecordReader) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reader panicked: %v", p)
		}
	}()
	for r.Next() {
		batch, err := unslice(r.RecordBatch())
		if err != nil {
			return err
		}
		if f.ctx.Err() != nil {
			batch.Release()
			return nil
		}
		select {
		case f.batches <- batch:
		case <-f.ctx.Done():
			batch.Release()
			return nil
		}
	}
	return r.Err()
}

// stop waits for the goroutine and gives what the reader said. The caller has cancelled ctx.
func (f *feed) stop() error {
	for batch := range f.batches {
		batch.Release()
	}
	<-f.done
	if f.current != nil {
		f.current.Release()
		f.current = nil
	}
	return f.failed
}

// unslice gives a batch that starts at its buffers' start: the same one, retained, or a copy.
func unslice(batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	var columns []arrow.Array
	for i, c := range batch.Columns() {
		if !sliced(c.Data()) {
			continue
		}
		if columns == nil {
			columns = append(columns, batch.Columns()...)
		}
		whole, err := rebuild(c)
		if err != nil {
			return nil, fmt.Errorf("column %q: copy a sliced batch: %w", batch.ColumnName(i), err)
		}
		defer whole.Release()
		columns[i] = whole
	}
	if columns == nil {
		batch.Retain()
		return batch, nil
	}
	return array.NewRecordBatch(batch.Schema(), columns, batch.NumRows()), nil
}

func sliced(d arrow.ArrayData) bool {
	if d.Offset() != 0 {
		return true
	}
	for _, c := range d.Children() {
		if sliced(c) {
			return true
		}
	}
	return d.DataType().ID() == arrow.DICTIONARY && sliced(d.Dictionary())
}

func (f *feed) Next() bool {
	if f.current != nil {
		f.current.Release()
		f.current = nil
	}
	if f.err != nil {
		return false
	}
	select {
	case batch, ok := <-f.batches:
		if !ok {
			<-f.done
			f.err = f.failed
			return false
		}
		f.current = batch
		return true
	case <-f.ctx.Done():
		f.err = context.Cause(f.ctx)
		return false
	}
}

func (f *feed) Schema() *arrow.Schema          { return f.schema }
func (f *feed) RecordBatch() arrow.RecordBatch { return f.current }
func (f *feed) Record() arrow.RecordBatch      { return f.current }
func (f *feed) Err() error                     { return f.err }
func (f *feed) Retain()                        { f.refs.Add(1) }
func (f *feed) Release()                       { f.refs.Add(-1) }

var _ array.RecordReader = (*feed)(nil)

// rebuild copies an array so that nothing in it starts late.
func rebuild(a arrow.Array) (arrow.Array, error) {
	whole, err := array.Concatenate([]arrow.Array{a}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	if sliced(whole.Data()) {
		whole.Release()
		return nil, fmt.Errorf("type %s still starts late", a.DataType())
	}
	return whole, nil
}
