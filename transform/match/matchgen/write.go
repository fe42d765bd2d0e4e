package matchgen

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/transform/match"
)

// batchRows is how many records are written at once.
const batchRows = 1 << 16

// WriteTable writes the records as a source has them: id, entity (what is true: not to be used for matching), then Columns.
func (p *Persons) WriteTable(path string) error {
	fields := []arrow.Field{{Name: "id", Type: arrow.BinaryTypes.String}, {Name: "entity", Type: arrow.PrimitiveTypes.Int64}}
	for _, c := range Columns {
		fields = append(fields, arrow.Field{Name: c, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	return p.write(path, fields, func(b *array.RecordBuilder, _ int, r *Record) {
		b.Field(0).(*array.StringBuilder).Append(r.ID)
		b.Field(1).(*array.Int64Builder).Append(int64(r.Entity))
		for i, v := range r.Values {
			appendText(b.Field(2+i), v)
		}
	})
}

// WriteRecords writes the same as the records file of Plan.
func (p *Persons) WriteRecords(path string) error {
	fields := []arrow.Field{
		{Name: match.RecColumn, Type: arrow.PrimitiveTypes.Int64},
		{Name: match.SourceColumn, Type: arrow.PrimitiveTypes.Int16},
		{Name: match.KeyColumn, Type: arrow.BinaryTypes.String},
		{Name: match.UpdatedAtColumn, Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
		{Name: match.HashColumn, Type: arrow.PrimitiveTypes.Uint64},
	}
	for _, c := range Plan().Columns {
		fields = append(fields, arrow.Field{Name: c.Name, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	return p.write(path, fields, func(b *array.RecordBuilder, i int, r *Record) {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.Int16Builder).Append(0)
		b.Field(2).(*array.StringBuilder).Append(r.ID)
		b.Field(3).AppendNull()
		b.Field(4).(*array.Uint64Builder).Append(xxh3.HashString(strings.Join(r.Values[:], "\x00")))
		for k, v := range r.Values {
			appendText(b.Field(5+k), v)
		}
		local, _, _ := strings.Cut(r.Values[email], "@")
		appendText(b.Field(5+len(Columns)), local)
	})
}

func appendText(b array.Builder, text string) {
	if text == "" {
		b.AppendNull()
		return
	}
	b.(*array.StringBuilder).Append(text)
}

func (p *Persons) write(path string, fields []arrow.Field, add func(b *array.RecordBuilder, i int, r *Record)) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	schema := arrow.NewSchema(fields, nil)
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd))
	w, err := pqarrow.NewFileWriter(schema, f, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return errors.Join(err, f.Close())
	}
	defer func() { err = errors.Join(err, w.Close()) }() // closes the file too
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for from := 0; from < p.N(); from += batchRows {
		for i := from; i < min(from+batchRows, p.N()); i++ {
			r := p.Record(i)
			add(b, i, &r)
		}
		batch := b.NewRecordBatch()
		err := w.Write(batch)
		batch.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteGold writes the true pairs as CSV: a,b, the identifiers of two records, the lower first.
func (p *Persons) WriteGold(path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	if _, err := io.WriteString(w, "a,b\n"); err != nil {
		return err
	}
	for _, pair := range p.Gold() {
		if _, err := fmt.Fprintf(w, "p%08d,p%08d\n", pair[0], pair[1]); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Gold are the true pairs, as numbers of records.
func (p *Persons) Gold() [][2]uint32 {
	of := make([][2]uint32, p.N()) // entity, record
	for i := range of {
		of[i] = [2]uint32{uint32(p.EntityOf(i)), uint32(i)}
	}
	slices.SortFunc(of, func(a, b [2]uint32) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	var pairs [][2]uint32
	for i := range of {
		for k := i + 1; k < len(of) && of[k][0] == of[i][0]; k++ {
			pairs = append(pairs, [2]uint32{of[i][1], of[k][1]})
		}
	}
	return pairs
}
