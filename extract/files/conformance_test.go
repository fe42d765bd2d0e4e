package files

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/extract/extracttest"
)

// sale is one record of the conformance data.
type sale struct {
	ID   int64   `parquet:"id"`
	Name *string `parquet:"name,optional"`
	Day  int64   `parquet:"day"`
}

func sales(from, n int64) []sale {
	var out []sale
	for i := range n {
		s := sale{ID: from + i, Day: i % 7}
		if i%5 != 0 {
			name := fmt.Sprintf("näme %d", from+i)
			s.Name = &name
		}
		out = append(out, s)
	}
	return out
}

// formats write sales in each format. bad ones have records that are rejected.
var formats = map[string]func([]sale) []byte{
	"csv": func(ss []sale) []byte {
		b := []byte("id,name,day\n")
		for _, s := range ss {
			b = fmt.Appendf(b, "%d,%s,%d\n", s.ID, deref(s.Name), s.Day)
		}
		return b
	},
	"tsv": func(ss []sale) []byte {
		b := []byte("\ufeffid\tname\tday\r\n")
		for _, s := range ss {
			b = fmt.Appendf(b, "%d\t\"%s\"\t%d\r\n", s.ID, deref(s.Name), s.Day)
		}
		return b
	},
	"ndjson": func(ss []sale) []byte {
		var b []byte
		for _, s := range ss {
			b = append(jsonSale(b, s), '\n')
		}
		return b
	},
	"json": func(ss []sale) []byte {
		b := []byte("[")
		for i, s := range ss {
			if i > 0 {
				b = append(b, ",\n"...)
			}
			b = jsonSale(b, s)
		}
		return append(b, ']')
	},
	"parquet": func(ss []sale) []byte {
		var b bytes.Buffer
		w := parquet.NewGenericWriter[sale](&b)
		if _, err := w.Write(ss); err != nil {
			panic(err)
		}
		w.Close()
		return b.Bytes()
	},
	"arrow":  func(ss []sale) []byte { return arrowSales(ss, true) },
	"arrows": func(ss []sale) []byte { return arrowSales(ss, false) },
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func jsonSale(b []byte, s sale) []byte {
	if s.Name == nil {
		return fmt.Appendf(b, `{"id":%d,"name":null,"day":%d}`, s.ID, s.Day)
	}
	return fmt.Appendf(b, `{"id":%d,"name":%q,"day":%d}`, s.ID, *s.Name, s.Day)
}

var arrowSchema = arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "name", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "day", Type: arrow.PrimitiveTypes.Int64}}, nil)

func arrowSales(ss []sale, file bool) []byte {
	rb := array.NewRecordBuilder(memory.DefaultAllocator, arrowSchema)
	for _, s := range ss {
		rb.Field(0).(*array.Int64Builder).Append(s.ID)
		if s.Name == nil {
			rb.Field(1).AppendNull()
		} else {
			rb.Field(1).(*array.StringBuilder).Append(*s.Name)
		}
		rb.Field(2).(*array.Int64Builder).Append(s.Day)
	}
	batch := rb.NewRecordBatch()
	var b bytes.Buffer
	if file {
		w, err := ipc.NewFileWriter(&b, ipc.WithSchema(arrowSchema), ipc.WithZstd())
		if err != nil {
			panic(err)
		}
		for i := int64(0); i < batch.NumRows(); i += 100 {
			if err := w.Write(batch.NewSlice(i, min(i+100, batch.NumRows()))); err != nil {
				panic(err)
			}
		}
		w.Close()
		return b.Bytes()
	}
	w := ipc.NewWriter(&b, ipc.WithSchema(arrowSchema), ipc.WithLZ4())
	if err := w.Write(batch); err != nil {
		panic(err)
	}
	w.Close()
	return b.Bytes()
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zst(b []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(b, nil)
}

func TestConformance(t *testing.T) {
	pack := map[string]func([]byte) []byte{"": func(b []byte) []byte { return b }, ".gz": gz, ".zst": zst}
	for format, encode := range formats {
		for ext, pack := range pack {
			if ext != "" && (format == "parquet" || format == "arrow" || format == "arrows") {
				continue
			}
			for _, dirty := range []bool{false, true} {
				name := format + ext
				if dirty {
					if format != "csv" && format != "ndjson" {
						continue
					}
					name += " dirty"
				}
				t.Run(name, func(t *testing.T) {
					extracttest.Run(t, func(t *testing.T) extracttest.Fixture {
						s := newShop(t)
						id := int64(1)
						grow := func() error {
							b := encode(sales(id, 250))
							if dirty {
								b = append(b, fmt.Sprintf("{\"id\":%d,\n%d,\"x\n", id, id)...)
							}
							path := filepath.Join(s.dir, fmt.Sprintf("s%05d.%s%s", id, format, ext))
							id += 250
							return os.WriteFile(path, pack(b), 0o644)
						}
						for range 3 {
							if err := grow(); err != nil {
								t.Fatal(err)
							}
						}
						st := func(m extract.Mode) extract.Stream {
							return extract.Stream{Name: "sales", Mode: m, Key: []string{"id"}, Options: columns(&StreamOptions{Path: "s*." + format + ext}, "id", "BIGINT", "name", "VARCHAR", "day", "BIGINT")}
						}
						return extracttest.Fixture{Source: s.src, Full: st(extract.Full), Append: st(extract.Append), Incremental: st(extract.Incremental), Grow: grow,
							Change: func() error {
								path := filepath.Join(s.dir, fmt.Sprintf("s%05d.%s%s", 251, format, ext))
								now := time.Now().Add(time.Second)
								if err := os.WriteFile(path, pack(encode(sales(9000, 20))), 0o644); err != nil {
									return err
								}
								return os.Chtimes(path, now, now)
							}}
					})
				})
			}
		}
	}
}
