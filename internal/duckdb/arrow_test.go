package duckdb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/internal/arrowx"
)

var pairs = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "st", Type: arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64, Nullable: true}), Nullable: true},
}, nil)

// batch holds rows from, from+1, …
func batch(from, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, pairs)
	defer b.Release()
	st := b.Field(2).(*array.StructBuilder)
	for i := from; i < from+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("row %d", i))
		st.Append(true)
		st.FieldBuilder(0).(*array.Int64Builder).Append(int64(i) * 2)
	}
	return b.NewRecordBatch()
}

// source yields batches from next until it gives nil; after that Err is err.
type source struct {
	schema  *arrow.Schema
	next    func(n int) arrow.RecordBatch
	n       int
	current arrow.RecordBatch
	err     error
}

func (s *source) Next() bool {
	if s.current != nil {
		s.current.Release()
	}
	s.current = s.next(s.n)
	s.n++
	return s.current != nil
}
func (s *source) Schema() *arrow.Schema          { return s.schema }
func (s *source) RecordBatch() arrow.RecordBatch { return s.current }
func (s *source) Record() arrow.RecordBatch      { return s.current }
func (s *source) Retain()                        {}
func (s *source) Release()                       {}
func (s *source) Err() error {
	if s.current != nil {
		return nil
	}
	return s.err
}

func arrowDB(t *testing.T) (*DB, string) {
	dir := t.TempDir()
	return testDB(t, Config{Arrow: true, Dirs: []string{dir}}), dir
}

func leftovers(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left in the folder: %v %v", entries, err)
	}
}

// TestReaderIsReadOnceAndWhole guards the ways in which a registered view gives wrong rows: CopyReader reads all
// columns without a filter, once, drops the view, and another instance refuses. Casts are made over all columns.
func TestReaderIsReadOnceAndWhole(t *testing.T) {
	db, dir := arrowDB(t)
	path := filepath.Join(dir, "a.parquet")
	src := func() *source {
		return &source{schema: pairs, next: func(n int) arrow.RecordBatch {
			if n == 30 {
				return nil
			}
			return batch(n*5000, 5000)
		}}
	}
	copied, err := db.CopyReader(t.Context(), src(), path, func(c Column) (string, error) {
		if c.Name == "id" {
			return "VARCHAR", nil
		}
		return c.Type, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if copied.Rows != 150000 || copied.Columns[0].Type != "VARCHAR" || copied.Stats["s"].Nulls != 0 || *copied.Stats[`"st"."a"`].Max != "299998" {
		t.Errorf("%+v", copied)
	}
	if got := one(t, db, "SELECT count(*) FROM '"+path+"' WHERE s = 'row ' || id AND st.a = id::BIGINT * 2"); got != int64(150000) {
		t.Errorf("%v rows are right", got)
	}
	if got := one(t, db, "SELECT count(DISTINCT id) FROM '"+path+"'"); got != int64(150000) {
		t.Errorf("%v ids", got)
	}
	if got := one(t, db, "SELECT count(*) FROM duckdb_views() WHERE NOT internal"); got != int64(0) {
		t.Errorf("%v views are left to read a second time", got)
	}
	if _, err := testDB(t, Config{Dirs: []string{dir}}).CopyReader(t.Context(), src(), path, nil); err == nil {
		t.Error("an instance with all optimizers takes a reader")
	}
}

// TestSlicedStruct: DuckDB reads a sliced struct from the wrong place, or crashes.
func TestSlicedStruct(t *testing.T) {
	db, dir := arrowDB(t)
	path := filepath.Join(dir, "a.parquet")
	src := &source{schema: pairs, next: func(n int) arrow.RecordBatch {
		if n == 5 {
			return nil
		}
		whole := batch(n*10000, 10000)
		defer whole.Release()
		return whole.NewSlice(777, 9000)
	}}
	copied, err := db.CopyReader(t.Context(), src, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := one(t, db, "SELECT count(*) FROM '"+path+"' WHERE s = 'row ' || id AND st.a = id * 2 AND id % 10000 BETWEEN 777 AND 8999"); copied.Rows != 5*(9000-777) || got != copied.Rows {
		t.Errorf("%v of %v rows are right", got, copied.Rows)
	}
}

// TestReaderFromIter: read from a thread of DuckDB's it would abort the process; ours runs it in Go.
func TestReaderFromIter(t *testing.T) {
	db, dir := arrowDB(t)
	var seq iter.Seq2[arrow.RecordBatch, error] = func(yield func(arrow.RecordBatch, error) bool) {
		for n := range 20 {
			if !yield(batch(n*1000, 1000), nil) {
				return
			}
		}
	}
	r := array.ReaderFromIter(pairs, seq)
	defer r.Release()
	copied, err := db.CopyReader(t.Context(), r, filepath.Join(dir, "a.parquet"), nil)
	if err != nil || copied.Rows != 20000 {
		t.Errorf("%+v %v", copied, err)
	}
}

func TestReaderErrorAfterBatch10LeavesNoFile(t *testing.T) {
	db, dir := arrowDB(t)
	broken := errors.New("the connection broke")
	src := &source{schema: pairs, err: broken, next: func(n int) arrow.RecordBatch {
		if n == 10 {
			return nil
		}
		return batch(n*50000, 50000)
	}}
	if _, err := db.CopyReader(t.Context(), src, filepath.Join(dir, "a.parquet"), nil); !errors.Is(err, broken) {
		t.Errorf("err = %v", err)
	}
	src.n, src.next = 0, func(n int) arrow.RecordBatch {
		if n == 3 {
			panic("a bug of a source")
		}
		return batch(n*50000, 50000)
	}
	if _, err := db.CopyReader(t.Context(), src, filepath.Join(dir, "a.parquet"), nil); err == nil || !strings.Contains(err.Error(), "a bug of a source") {
		t.Errorf("err = %v", err)
	}
	leftovers(t, dir)
}

func TestCancelEndsReader(t *testing.T) {
	db, dir := arrowDB(t)
	ctx, cancel := context.WithCancel(t.Context())
	src := &source{schema: pairs, next: func(n int) arrow.RecordBatch {
		if n == 5 {
			cancel()
			<-ctx.Done() // a well-behaved source stops on its context
		}
		if n > 6 {
			return nil
		}
		return batch(n*50000, 50000)
	}}
	start := time.Now()
	if _, err := db.CopyReader(ctx, src, filepath.Join(dir, "a.parquet"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
	leftovers(t, dir)
}

// TestNanosecondsWithZone: DuckDB cuts them to microseconds without a word.
func TestNanosecondsWithZone(t *testing.T) {
	db, dir := arrowDB(t)
	ns := &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
	for _, typ := range []arrow.DataType{ns, arrow.ListOf(ns), arrow.StructOf(arrow.Field{Name: "x", Type: ns}), &arrow.Decimal256Type{Precision: 50}, arrow.FixedWidthTypes.Float16} {
		schema := arrow.NewSchema([]arrow.Field{{Name: "at", Type: typ}}, nil)
		_, err := db.CopyReader(t.Context(), &source{schema: schema, next: func(int) arrow.RecordBatch { return nil }}, filepath.Join(dir, "a.parquet"), nil)
		if err == nil || !strings.Contains(err.Error(), `column "at"`) {
			t.Errorf("%s: %v", typ, err)
		}
	}
	leftovers(t, dir)
}

func TestEmptyReader(t *testing.T) {
	db, dir := arrowDB(t)
	path := filepath.Join(dir, "a.parquet")
	copied, err := db.CopyReader(t.Context(), &source{schema: pairs, next: func(int) arrow.RecordBatch { return nil }}, path, nil)
	if err != nil || copied.Rows != 0 || len(copied.Columns) != 3 {
		t.Fatalf("%+v %v", copied, err)
	}
	if got := one(t, db, "SELECT count(*) FROM '"+path+"'"); got != int64(0) {
		t.Errorf("%v rows", got)
	}
}

// TestHugeint: DuckDB would write a DOUBLE and lose digits.
func TestHugeint(t *testing.T) {
	db, dir := arrowDB(t)
	path := filepath.Join(dir, "a.parquet")
	cast := func(c Column) (string, error) { return "DECIMAL(38,0)", nil }
	if _, err := db.Copy(t.Context(), "SELECT 12345678901234567890123456789::HUGEINT AS h", path, cast); err != nil {
		t.Fatal(err)
	}
	want, _ := new(big.Int).SetString("12345678901234567890123456789", 10)
	if got := one(t, db, "SELECT h::VARCHAR FROM '"+path+"'"); got != want.String() {
		t.Errorf("%v, want %v", got, want)
	}
	_, err := db.Copy(t.Context(), "SELECT 170141183460469231731687303715884105727::HUGEINT AS h", path+"2", cast)
	var e *Error
	if !errors.As(err, &e) || e.Kind != "Conversion" {
		t.Errorf("too large a value: %v", err)
	}
	_, err = db.Copy(t.Context(), "SELECT 1 AS a, 2 AS \"A\"", path+"2", nil)
	if err == nil || !strings.Contains(err.Error(), `"a" and "A"`) {
		t.Errorf("two columns of one name: %v", err)
	}
	if _, err := os.Stat(path + "2"); !errors.Is(err, os.ErrNotExist) {
		t.Error("a failed copy left its file")
	}
}

// TestCopyNeverLeavesAFile: DuckDB itself opens a new target under its final name.
func TestCopyNeverLeavesAFile(t *testing.T) {
	db, dir := arrowDB(t)
	path := filepath.Join(dir, "a.parquet")
	if _, err := db.Copy(t.Context(), "SELECT i, error(CASE WHEN i = 2999999 THEN 'late' END) FROM range(3000000) t(i)", path, nil); err == nil {
		t.Error("no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for { // cancel when the file is growing
			if info, err := os.Stat(path + ".tmp"); err == nil && info.Size() > 1000 {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if _, err := db.Copy(ctx, "SELECT i, hash(i) AS h FROM range(500000000) t(i)", path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	leftovers(t, dir)
}

// Wide rows fit into little memory: row groups end by their bytes, not only by their rows.
func TestWideRows(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), Config{Memory: 128 << 20, Threads: 2, Temp: filepath.Join(dir, "spill"), Dirs: []string{dir}, Arrow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	schema := arrow.NewSchema([]arrow.Field{{Name: "doc", Type: arrow.BinaryTypes.String}}, nil)
	const rows, width = 4000, 100_000
	reader := arrowx.NewReader(t.Context(), schema, func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
		b := arrowx.NewBatcher(schema, emit)
		defer b.Release()
		doc := make([]byte, width)
		for range rows {
			for i := range doc {
				doc[i] = 'a' + byte(rand.IntN(26))
			}
			b.Field(0).(*array.StringBuilder).Append(string(doc))
			if err := b.Row(ctx, width); err != nil {
				return err
			}
		}
		return b.Flush()
	})
	defer reader.Release()
	copied, err := db.CopyReader(t.Context(), reader, filepath.Join(dir, "wide.parquet"), nil)
	if err != nil || copied.Rows != rows {
		t.Fatalf("%+v, %v", copied, err)
	}
}
