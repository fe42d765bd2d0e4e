package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/arrowx"
)

// arrowFile is an open Arrow IPC file of either layout.
type arrowFile struct {
	f      *os.File
	file   *ipc.FileReader
	stream *ipc.Reader
	next   int
}

// openArrow opens an Arrow file and looks at its end: one that was cut off between two batches reads without error.
func openArrow(root *os.Root, id fileID) (a *arrowFile, err error) {
	f, err := root.Open(id.Name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			a, err = nil, fmt.Errorf("file %s is not a sound Arrow file: %v", id.Name, p)
		}
		if err != nil {
			f.Close()
		}
	}()
	cut := fmt.Errorf("file %s is cut off: it does not end like an Arrow file, so it is still being written or its copy broke; set min_age, or let the writer use a temporary name and rename the finished file", id.Name)
	if id.Size < 8 {
		return nil, cut
	}
	head, tail := make([]byte, 6), make([]byte, 8)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read file %s: %w", id.Name, err)
	}
	if _, err := f.ReadAt(tail, id.Size-8); err != nil {
		return nil, fmt.Errorf("read file %s: %w", id.Name, err)
	}
	a = &arrowFile{f: f}
	if string(head) == "ARROW1" {
		if string(tail[2:]) != "ARROW1" {
			return nil, cut
		}
		if a.file, err = ipc.NewFileReader(f); err != nil {
			return nil, fmt.Errorf("file %s is not a sound Arrow file: %w", id.Name, err)
		}
		return a, nil
	}
	// Streams end with a mark; those from before Arrow 0.15, which do not begin with one either, with zeros.
	if end := string(tail); end != "\xff\xff\xff\xff\x00\x00\x00\x00" && (string(head[:4]) == "\xff\xff\xff\xff" || end[4:] != "\x00\x00\x00\x00") {
		return nil, cut
	}
	if a.stream, err = ipc.NewReader(f); err != nil {
		return nil, fmt.Errorf("file %s is not a sound Arrow file: %w", id.Name, err)
	}
	return a, nil
}

func (a *arrowFile) schema() *arrow.Schema {
	if a.file != nil {
		return a.file.Schema()
	}
	return a.stream.Schema()
}

// read gives the next batch, which the caller releases; io.EOF at the end.
func (a *arrowFile) read() (arrow.RecordBatch, error) {
	if a.file != nil {
		if a.next == a.file.NumRecords() {
			return nil, io.EOF
		}
		a.next++
		return a.file.RecordBatchAt(a.next - 1)
	}
	if !a.stream.Next() {
		if err := a.stream.Err(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	b := a.stream.RecordBatch()
	b.Retain()
	return b, nil
}

func (a *arrowFile) close() {
	if a.file != nil {
		a.file.Close()
	}
	if a.stream != nil {
		a.stream.Release()
	}
	a.f.Close()
}

// landedArrow is the Arrow type that a column is handed over as: nanoseconds that DuckDB would cut become
// microseconds, checked value by value; columns of nothing become text.
func landedArrow(t arrow.DataType) arrow.DataType {
	switch t := t.(type) {
	case *arrow.TimestampType:
		if t.Unit == arrow.Nanosecond && t.TimeZone != "" {
			return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: t.TimeZone}
		}
	case *arrow.Time64Type:
		if t.Unit == arrow.Nanosecond {
			return arrow.FixedWidthTypes.Time64us
		}
	case *arrow.NullType:
		return arrow.BinaryTypes.String
	}
	return t
}

// arrow settles the columns of Arrow files. Their types are as they are; a pin must say the same.
func (p *planner) arrow(files []fileID, out *plan) error {
	types := map[string]guess{}
	from := map[string]string{}
	var names []string
	base := p.opt.pins()
	if !p.opt.pinned() {
		base = p.known()
	}
	want := map[string]string{}
	for _, c := range base {
		want[strings.ToLower(c.Name)] = c.Type
	}
	for _, f := range files {
		a, err := openArrow(p.root, f)
		if err != nil {
			return err
		}
		schema := a.schema()
		a.close()
		seen := map[string]bool{}
		for _, field := range schema.Fields() {
			low := strings.ToLower(field.Name)
			if seen[low] {
				return fmt.Errorf("file %s has two columns named %q", f.Name, field.Name)
			}
			seen[low] = true
			typ, err := arrowx.DuckType(landedArrow(field.Type))
			if w, ok := want[low]; err == nil && ok && landed(typ) != w {
				return fmt.Errorf("file %s: column %q is %s, not %s: Arrow files are landed with their own types; convert in a model", f.Name, field.Name, typ, w)
			}
			if err != nil {
				if p.opt.extra("arrow") == "ignore" && want[low] == "" && len(base) > 0 {
					continue
				}
				return fmt.Errorf("file %s: column %q: %w", f.Name, field.Name, err)
			}
			if old, ok := types[low]; ok && old.typ != typ {
				return fmt.Errorf("column %q is %s in %s and %s in %s", field.Name, old.typ, from[low], typ, f.Name)
			} else if !ok {
				types[low], from[low] = guess{typ: typ}, f.Name
				names = append(names, field.Name)
			}
		}
	}
	return p.settle(out, names, func(map[string]bool) (map[string]guess, error) { return types, nil })
}

// readArrow reads the one file of a slice batch by batch.
func (j *job) readArrow() (*extract.Snapshot, error) {
	if len(j.spec.Files) != 1 {
		return nil, fmt.Errorf("slice %s: %d Arrow files in one slice", j.req.Slice.ID, len(j.spec.Files))
	}
	f := j.spec.Files[0]
	a, err := openArrow(j.root, f)
	if err != nil {
		if uerr := j.unchanged(); uerr != nil {
			return nil, uerr
		}
		return nil, err
	}
	have := a.schema()
	var names []string
	for _, field := range have.Fields() {
		names = append(names, field.Name)
	}
	l, err := j.layNames(f.Name, names)
	if err != nil {
		a.close()
		return nil, err
	}
	fields := make([]arrow.Field, len(l.targets))
	for i, t := range l.targets {
		fields[i] = arrow.Field{Name: t.Name, Type: arrow.BinaryTypes.String, Nullable: true}
		if t.at >= 0 {
			fields[i].Type = landedArrow(have.Field(t.at).Type)
		} else if t.Name != j.opt.FilenameColumn {
			if fields[i].Type, err = arrowOf(t.typ); err != nil {
				a.close()
				return nil, fmt.Errorf("column %q: %w", t.Name, err)
			}
		}
	}
	schema := arrow.NewSchema(fields, nil)
	counts := make([]fileCount, 1)
	ctx, cancel := context.WithCancel(j.ctx)
	done := make(chan struct{})
	reader := arrowx.NewReader(ctx, schema, func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
		defer close(done)
		defer a.close()
		for {
			b, err := a.read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("file %s, batch after record %d: %w", f.Name, counts[0].Records, err)
			}
			out, err := j.arrange(b, l, schema, counts[0].Records)
			b.Release()
			if err != nil {
				return err
			}
			counts[0].Records += out.NumRows()
			j.req.Progress(0, out.NumRows())
			if err := emitCut(out, emit); err != nil {
				return err
			}
		}
	})
	h := j.hashAll(counts[:1:1])
	return &extract.Snapshot{
		Reader: reader,
		Close:  func() { cancel(); <-done; h.stop() },
		Outcome: func() (extract.Outcome, error) {
			if err := reader.Err(); err != nil {
				return extract.Outcome{}, err
			}
			if err := h.wait(); err != nil {
				return extract.Outcome{}, err
			}
			return j.outcome(counts)
		},
	}, nil
}

// emitCut hands over a batch in pieces that are not too large, each copied to fresh memory by the reader.
func emitCut(b arrow.RecordBatch, emit func(arrow.RecordBatch) error) error {
	if b.NumRows() <= arrowx.MaxRows {
		return emit(b)
	}
	defer b.Release()
	for from := int64(0); from < b.NumRows(); from += arrowx.MaxRows {
		if err := emit(b.NewSlice(from, min(b.NumRows(), from+arrowx.MaxRows))); err != nil {
			return err
		}
	}
	return nil
}

// arrange makes a batch of the stream's columns out of a batch of the file.
func (j *job) arrange(b arrow.RecordBatch, l *layout, schema *arrow.Schema, before int64) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(l.targets))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	n := int(b.NumRows())
	for i, t := range l.targets {
		want := schema.Field(i).Type
		switch {
		case t.at >= 0:
			c := b.Column(t.at)
			if arrow.TypeEqual(c.DataType(), want) {
				c.Retain()
				cols[i] = c
				continue
			}
			if c.DataType().ID() == arrow.NULL {
				cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, want, n)
				continue
			}
			var err error
			if cols[i], err = micros(c, want); err != nil {
				return nil, fmt.Errorf("file %s, column %q, record %w", j.spec.Files[0].Name, t.Name, addRecord(err, before))
			}
		case t.Name == j.opt.FilenameColumn:
			sb := array.NewStringBuilder(memory.DefaultAllocator)
			for range n {
				sb.Append(j.spec.Files[0].Name)
			}
			cols[i] = sb.NewArray()
			sb.Release()
		default:
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, want, n)
		}
	}
	return array.NewRecordBatch(schema, cols, b.NumRows()), nil
}

// inexactAt says which value of a batch would be cut.
type inexactAt struct {
	row   int64
	value string
}

func (e inexactAt) Error() string {
	return fmt.Sprintf("%d: %s has nanoseconds, which do not fit microseconds; write the file with microseconds or without the zone", e.row+1, e.value)
}

func addRecord(err error, before int64) error {
	var at inexactAt
	if errors.As(err, &at) {
		at.row += before
		return at
	}
	return err
}

// micros turns nanoseconds into microseconds where that loses nothing.
func micros(c arrow.Array, want arrow.DataType) (arrow.Array, error) {
	switch c := c.(type) {
	case *array.Timestamp:
		b := array.NewTimestampBuilder(memory.DefaultAllocator, want.(*arrow.TimestampType))
		defer b.Release()
		for i := range c.Len() {
			if c.IsNull(i) {
				b.AppendNull()
			} else if v := c.Value(i); v%1000 != 0 {
				return nil, inexactAt{int64(i), c.ValueStr(i)}
			} else {
				b.Append(v / 1000)
			}
		}
		return b.NewArray(), nil
	case *array.Time64:
		b := array.NewTime64Builder(memory.DefaultAllocator, want.(*arrow.Time64Type))
		defer b.Release()
		for i := range c.Len() {
			if c.IsNull(i) {
				b.AppendNull()
			} else if v := c.Value(i); v%1000 != 0 {
				return nil, inexactAt{int64(i), c.ValueStr(i)}
			} else {
				b.Append(v / 1000)
			}
		}
		return b.NewArray(), nil
	}
	return nil, fmt.Errorf("%v is not %v", c.DataType(), want)
}

// arrowOf is the Arrow type of a column that a file lacks.
func arrowOf(t duckType) (arrow.DataType, error) {
	simple := map[string]arrow.DataType{
		"BOOLEAN": arrow.FixedWidthTypes.Boolean, "TINYINT": arrow.PrimitiveTypes.Int8, "SMALLINT": arrow.PrimitiveTypes.Int16,
		"INTEGER": arrow.PrimitiveTypes.Int32, "BIGINT": arrow.PrimitiveTypes.Int64, "UTINYINT": arrow.PrimitiveTypes.Uint8,
		"USMALLINT": arrow.PrimitiveTypes.Uint16, "UINTEGER": arrow.PrimitiveTypes.Uint32, "UBIGINT": arrow.PrimitiveTypes.Uint64,
		"FLOAT": arrow.PrimitiveTypes.Float32, "DOUBLE": arrow.PrimitiveTypes.Float64, "VARCHAR": arrow.BinaryTypes.String, "JSON": arrow.BinaryTypes.String,
		"BLOB": arrow.BinaryTypes.Binary, "DATE": arrow.FixedWidthTypes.Date32, "TIME": arrow.FixedWidthTypes.Time64us,
		"TIMESTAMP": &arrow.TimestampType{Unit: arrow.Microsecond}, "TIMESTAMP_S": &arrow.TimestampType{Unit: arrow.Second},
		"TIMESTAMP_MS": &arrow.TimestampType{Unit: arrow.Millisecond}, "TIMESTAMP_NS": &arrow.TimestampType{Unit: arrow.Nanosecond},
		"TIMESTAMP WITH TIME ZONE": &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
	}
	switch t.base {
	case "DECIMAL":
		return &arrow.Decimal128Type{Precision: int32(t.prec), Scale: int32(t.scale)}, nil
	case "LIST":
		inner, err := arrowOf(*t.elem)
		if err != nil {
			return nil, err
		}
		return arrow.ListOf(inner), nil
	case "STRUCT":
		var fields []arrow.Field
		for _, f := range t.fields {
			inner, err := arrowOf(f.typ)
			if err != nil {
				return nil, err
			}
			fields = append(fields, arrow.Field{Name: f.name, Type: inner, Nullable: true})
		}
		return arrow.StructOf(fields...), nil
	}
	if a, ok := simple[t.base]; ok {
		return a, nil
	}
	return nil, fmt.Errorf("the file lacks it, and NULLs of type %s cannot be made", t)
}
