package arrowx

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

var schema = arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)

func batch(values ...int64) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues(values, nil)
	return b.NewRecordBatch()
}

// quiet fails the test when goroutines stay behind.
func quiet(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 6000 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		buf := make([]byte, 1<<16)
		t.Errorf("goroutines stay behind:\n%s", buf[:runtime.Stack(buf, true)])
	})
}

func drain(r array.RecordReader) (rows int64) {
	for r.Next() {
		rows += r.RecordBatch().NumRows()
	}
	return rows
}

func TestReader(t *testing.T) {
	quiet(t)
	r := NewReader(context.Background(), schema, func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
		for i := range int64(10) {
			if err := emit(batch(i, i)); err != nil {
				return err
			}
		}
		return nil
	})
	defer r.Release()
	if n := drain(r); n != 20 || r.Err() != nil {
		t.Errorf("rows %d, err %v", n, r.Err())
	}
	if r.Next() {
		t.Error("Next after the end")
	}
}

func TestReaderFailures(t *testing.T) {
	boom := errors.New("boom")
	cases := map[string]struct {
		produce Produce
		want    string
	}{
		"error": {func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
			if err := emit(batch(1)); err != nil {
				return err
			}
			return boom
		}, "boom"},
		"panic": {func(context.Context, func(arrow.RecordBatch) error) error { panic("ouch") }, "ouch"},
		"schema": {func(_ context.Context, emit func(arrow.RecordBatch) error) error {
			other := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 0)
			return emit(other)
		}, "schema"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			quiet(t)
			r := NewReader(context.Background(), schema, c.produce)
			defer r.Release()
			drain(r)
			if r.Err() == nil || !strings.Contains(r.Err().Error(), c.want) {
				t.Errorf("err = %v", r.Err())
			}
		})
	}
}

func endless(ctx context.Context, emit func(arrow.RecordBatch) error) error {
	for {
		if err := emit(batch(1, 2, 3)); err != nil {
			return err
		}
	}
}

func TestReleaseStops(t *testing.T) {
	quiet(t)
	r := NewReader(context.Background(), schema, endless)
	r.Next()
	r.Release()
}

func TestCancelStops(t *testing.T) {
	quiet(t)
	ctx, cancel := context.WithCancel(context.Background())
	r := NewReader(ctx, schema, endless)
	r.Next()
	cancel()
	drain(r)
	if !errors.Is(r.Err(), context.Canceled) {
		t.Errorf("err = %v", r.Err())
	}
	r.Release()
}

// A producer that ignores its context and returns nil must not look like one that finished.
func TestCancelIsNotTheEnd(t *testing.T) {
	quiet(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := NewReader(ctx, schema, func(context.Context, func(arrow.RecordBatch) error) error { return nil })
	defer r.Release()
	drain(r)
	if !errors.Is(r.Err(), context.Canceled) {
		t.Errorf("err = %v", r.Err())
	}
}

func TestUnslice(t *testing.T) {
	st := arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: "b", Type: arrow.ListOf(arrow.BinaryTypes.String)})
	sc := arrow.NewSchema([]arrow.Field{{Name: "s", Type: st, Nullable: true}, {Name: "d", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	for _, row := range []string{`{"s":{"a":1,"b":["x"]},"d":"p"}`, `{"s":null,"d":"q"}`, `{"s":{"a":3,"b":["y","z"]},"d":"p"}`, `{"s":{"a":4,"b":[]},"d":"r"}`} {
		if err := b.UnmarshalJSON([]byte(row)); err != nil {
			t.Fatal(err)
		}
	}
	whole := b.NewRecordBatch()
	defer whole.Release()
	for from := range int64(4) {
		for to := from + 1; to <= 4; to++ {
			cut := whole.NewSlice(from, to)
			want, _ := cut.MarshalJSON()
			fresh, err := Unslice(cut)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := fresh.MarshalJSON()
			if string(got) != string(want) {
				t.Errorf("[%d,%d): %s, want %s", from, to, got, want)
			}
			for _, c := range fresh.Columns() {
				if isSliced(c.Data(), 0) {
					t.Errorf("[%d,%d) is still sliced", from, to)
				}
			}
			fresh.Release()
		}
	}
}

func TestBatcher(t *testing.T) {
	var got []int64
	b := NewBatcher(schema, func(r arrow.RecordBatch) error { got = append(got, r.NumRows()); r.Release(); return nil })
	defer b.Release()
	for i := range int64(MaxRows + 5) {
		b.Field(0).(*array.Int64Builder).Append(i)
		if err := b.Row(context.Background(), 8); err != nil {
			t.Fatal(err)
		}
	}
	b.Field(0).(*array.Int64Builder).Append(1)
	_ = b.Row(context.Background(), MaxBytes)
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != MaxRows || got[1] != 6 {
		t.Errorf("batches %v", got)
	}
}

func TestBatcherTakesManyRows(t *testing.T) {
	var got []int64
	b := NewBatcher(schema, func(r arrow.RecordBatch) error { got = append(got, r.NumRows()); r.Release(); return nil })
	defer b.Release()
	for range 2 {
		for left := b.Room(); left > 0; left = b.Room() {
			n := min(1000, left)
			b.Field(0).(*array.Int64Builder).AppendValues(make([]int64, n), nil)
			if err := b.Rows(t.Context(), n, 8*n); err != nil {
				t.Fatal(err)
			}
			if len(got) > 0 && b.Room() == MaxRows {
				break
			}
		}
	}
	if len(got) != 2 || got[0] != MaxRows || got[1] != MaxRows {
		t.Errorf("batches %v", got)
	}
}

func TestDuckType(t *testing.T) {
	json, err := extensions.NewJSONType(arrow.BinaryTypes.String)
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]arrow.DataType{
		"DECIMAL(12,2)":            &arrow.Decimal128Type{Precision: 12, Scale: 2},
		`STRUCT("a b" BIGINT)[]`:   arrow.ListOf(arrow.StructOf(arrow.Field{Name: "a b", Type: arrow.PrimitiveTypes.Int64})),
		"TIMESTAMP WITH TIME ZONE": &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
		"JSON[]":                   arrow.ListOf(json),
		"UUID":                     extensions.NewUUIDType(),
		"UBIGINT":                  arrow.PrimitiveTypes.Uint64,
		"VARCHAR":                  &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String},
	}
	for want, typ := range good {
		if got, err := DuckType(typ); err != nil || got != want {
			t.Errorf("%v: %q, %v", typ, got, err)
		}
	}
	for _, typ := range []arrow.DataType{&arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}, arrow.FixedWidthTypes.Float16, &arrow.Decimal256Type{Precision: 50}} {
		if got, err := DuckType(typ); err == nil {
			t.Errorf("%v: %q", typ, got)
		}
	}
}
