package arrowx

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// The size of a batch: whichever comes first.
const (
	MaxRows  = 122_880
	MaxBytes = 4 << 20
)

// Batcher builds batches row by row and emits each when it is full.
type Batcher struct {
	*array.RecordBuilder
	emit  func(arrow.RecordBatch) error
	rows  int
	bytes int
}

// NewBatcher makes a Batcher. The caller appends one value to each Field, then calls Row; Flush after the last row,
// Release in any case.
func NewBatcher(schema *arrow.Schema, emit func(arrow.RecordBatch) error) *Batcher {
	return &Batcher{RecordBuilder: array.NewRecordBuilder(memory.DefaultAllocator, schema), emit: emit}
}

// Row ends a row of about n bytes, and stops when ctx has ended.
func (b *Batcher) Row(ctx context.Context, n int) error { return b.Rows(ctx, 1, n) }

// Rows ends some rows of about n bytes together, for callers that append column by column. MaxRows is kept when they
// are no more than Room.
func (b *Batcher) Rows(ctx context.Context, rows, n int) error {
	b.rows += rows
	b.bytes += n
	if b.rows < MaxRows && b.bytes < MaxBytes {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.Flush()
}

// Room is how many rows the batch at hand may still take.
func (b *Batcher) Room() int { return MaxRows - b.rows }

// Flush emits the rows that are there.
func (b *Batcher) Flush() error {
	if b.rows == 0 {
		return nil
	}
	b.rows, b.bytes = 0, 0
	return b.emit(b.NewRecordBatch())
}

// Unslice gives a batch whose arrays all start at offset 0, children included: b itself when that is so, else a
// copy. DuckDB reads sliced structs wrong. It takes over b.
func Unslice(b arrow.RecordBatch) (arrow.RecordBatch, error) {
	sliced := false
	for _, c := range b.Columns() {
		sliced = sliced || isSliced(c.Data(), int(b.NumRows()))
	}
	if !sliced {
		return b, nil
	}
	defer b.Release()
	cols := make([]arrow.Array, b.NumCols())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, c := range b.Columns() {
		if !isSliced(c.Data(), int(b.NumRows())) {
			c.Retain()
			cols[i] = c
			continue
		}
		fresh, err := copyArray(c)
		if err != nil {
			return nil, fmt.Errorf("copy column %q: %w", b.ColumnName(i), err)
		}
		cols[i] = fresh
	}
	return array.NewRecordBatch(b.Schema(), cols, b.NumRows()), nil
}

// copyArray copies what an array shows to fresh memory. Concatenate of one array may give back the array itself,
// so it gets an empty one beside it.
func copyArray(c arrow.Array) (arrow.Array, error) {
	none := array.NewSlice(c, 0, 0)
	defer none.Release()
	return array.Concatenate([]arrow.Array{none, c}, memory.DefaultAllocator)
}

func isSliced(d arrow.ArrayData, rows int) bool {
	if d.Offset() != 0 {
		return true
	}
	for _, child := range d.Children() {
		if child.Offset() != 0 || isSliced(child, child.Len()) {
			return true
		}
	}
	if d.DataType().ID() == arrow.STRUCT { // a child that is longer than its parent was cut at the end
		for _, child := range d.Children() {
			if child.Len() != d.Len() {
				return true
			}
		}
	}
	return false
}

// DuckType is the DuckDB type that an Arrow type is landed as; an error for those that cannot be landed unchanged.
func DuckType(t arrow.DataType) (string, error) {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return "BOOLEAN", nil
	case *arrow.Int8Type:
		return "TINYINT", nil
	case *arrow.Int16Type:
		return "SMALLINT", nil
	case *arrow.Int32Type:
		return "INTEGER", nil
	case *arrow.Int64Type:
		return "BIGINT", nil
	case *arrow.Uint8Type:
		return "UTINYINT", nil
	case *arrow.Uint16Type:
		return "USMALLINT", nil
	case *arrow.Uint32Type:
		return "UINTEGER", nil
	case *arrow.Uint64Type:
		return "UBIGINT", nil
	case *arrow.Float32Type:
		return "FLOAT", nil
	case *arrow.Float64Type:
		return "DOUBLE", nil
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType:
		return "VARCHAR", nil
	case *arrow.BinaryType, *arrow.LargeBinaryType, *arrow.BinaryViewType, *arrow.FixedSizeBinaryType:
		return "BLOB", nil
	case *arrow.Date32Type, *arrow.Date64Type:
		return "DATE", nil
	case *arrow.Time32Type:
		return "TIME", nil
	case *arrow.Time64Type:
		if t.Unit == arrow.Nanosecond {
			return "", fmt.Errorf("a time in nanoseconds does not fit TIME")
		}
		return "TIME", nil
	case *arrow.TimestampType:
		switch {
		case t.TimeZone != "" && t.Unit == arrow.Nanosecond:
			return "", fmt.Errorf("a timestamp in nanoseconds with a zone would be cut to microseconds")
		case t.TimeZone != "":
			return "TIMESTAMP WITH TIME ZONE", nil
		case t.Unit == arrow.Second:
			return "TIMESTAMP_S", nil
		case t.Unit == arrow.Millisecond:
			return "TIMESTAMP_MS", nil
		case t.Unit == arrow.Nanosecond:
			return "TIMESTAMP_NS", nil
		}
		return "TIMESTAMP", nil
	case *arrow.MonthIntervalType, *arrow.DayTimeIntervalType, *arrow.DurationType:
		return "INTERVAL", nil
	case *arrow.Decimal32Type:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale), nil
	case *arrow.Decimal64Type:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale), nil
	case *arrow.Decimal128Type:
		if t.Scale < 0 {
			return "", fmt.Errorf("%v: DuckDB has no negative scale", t)
		}
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale), nil
	case *arrow.StructType:
		var parts []string
		for _, f := range t.Fields() {
			inner, err := DuckType(f.Type)
			if err != nil {
				return "", fmt.Errorf("field %q: %w", f.Name, err)
			}
			parts = append(parts, `"`+strings.ReplaceAll(f.Name, `"`, `""`)+`" `+inner)
		}
		if len(parts) == 0 {
			return "", fmt.Errorf("a struct without fields")
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")", nil
	case *arrow.DictionaryType:
		return DuckType(t.ValueType)
	case *arrow.NullType:
		return "VARCHAR", nil
	case arrow.ExtensionType:
		switch t.ExtensionName() {
		case "arrow.uuid":
			return "UUID", nil
		case "arrow.json":
			return "JSON", nil
		}
		return DuckType(t.StorageType())
	case arrow.ListLikeType:
		if t.ID() == arrow.MAP {
			return "", fmt.Errorf("a map is not landed; make it a list of structs")
		}
		inner, err := DuckType(t.Elem())
		if err != nil {
			return "", err
		}
		return inner + "[]", nil
	}
	return "", fmt.Errorf("arrow type %v cannot be landed", t)
}
