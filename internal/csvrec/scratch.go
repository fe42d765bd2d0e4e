package csvrec

import (
	"context"
	"fmt"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/snappy"
)

const (
	scratchRows  = 1024     // rows handed over at once
	scratchBytes = 32 << 20 // bytes in a row group, which is what the writer holds in memory
	scratchGroup = 122_880  // rows in a row group
)

// Scratch writes records as text to a Parquet file: their place, their raw text, and n columns c0, c1, …
type Scratch struct {
	f      *os.File
	w      *parquet.GenericWriter[any]
	column []int // place in the file by our column: file, line, offset, raw, c0…
	rows   []parquet.Row
	store  []byte
	group  int // bytes in the open row group
	count  int // rows in it
}

// NewScratch makes the file.
func NewScratch(path string, n int) (*Scratch, error) {
	names := []string{"file", "line", "offset", "raw"}
	node := parquet.Group{
		"file": parquet.Encoded(parquet.String(), &parquet.RLEDictionary), "line": parquet.Int(64), "offset": parquet.Int(64), "raw": parquet.String(),
	}
	for i := range n {
		name := fmt.Sprintf("c%d", i)
		names = append(names, name)
		node[name] = parquet.Optional(parquet.String())
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	schema := parquet.NewSchema("records", node)
	s := &Scratch{f: f, column: make([]int, len(names))}
	for i, name := range names {
		leaf, _ := schema.Lookup(name)
		s.column[i] = leaf.ColumnIndex
	}
	s.w = parquet.NewGenericWriter[any](f, schema, parquet.Compression(&snappy.Codec{}), parquet.DataPageStatistics(false), parquet.PageBufferSize(256<<10))
	return s, nil
}

// keep copies b to where it stays until the rows are handed over.
func (s *Scratch) keep(b []byte) []byte {
	from := len(s.store)
	s.store = append(s.store, b...)
	return s.store[from:len(s.store):len(s.store)]
}

// Place starts a record; exactly n calls of Value or Null follow, in order.
func (s *Scratch) Place(file string, line, offset int64, raw string) {
	if len(s.rows) == cap(s.rows) {
		s.rows = append(s.rows, make(parquet.Row, len(s.column)))
	} else {
		s.rows = s.rows[:len(s.rows)+1]
	}
	row := s.rows[len(s.rows)-1]
	if row == nil {
		row = make(parquet.Row, len(s.column))
		s.rows[len(s.rows)-1] = row
	}
	set := func(i int, v parquet.Value, def int) { row[s.column[i]] = v.Level(0, def, s.column[i]) }
	set(0, parquet.ByteArrayValue(s.keep([]byte(file))), 0)
	set(1, parquet.Int64Value(line), 0)
	set(2, parquet.Int64Value(offset), 0)
	set(3, parquet.ByteArrayValue(s.keep([]byte(raw))), 0)
	s.group += len(file) + len(raw) + 16
}

func (s *Scratch) Value(i int, v []byte) {
	c := s.column[4+i]
	s.rows[len(s.rows)-1][c] = parquet.ByteArrayValue(s.keep(v)).Level(0, 1, c)
	s.group += len(v) + 8
}

func (s *Scratch) Null(i int) {
	c := s.column[4+i]
	s.rows[len(s.rows)-1][c] = parquet.NullValue().Level(0, 0, c)
}

// End finishes a record and hands rows over when there are enough.
func (s *Scratch) End(ctx context.Context) error {
	s.count++
	full := s.group > scratchBytes || s.count >= scratchGroup
	if !full && len(s.rows) < scratchRows && len(s.store) < 4<<20 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.hand(); err != nil {
		return err
	}
	if full {
		s.group, s.count = 0, 0
		return s.w.Flush()
	}
	return nil
}

func (s *Scratch) hand() error {
	_, err := s.w.WriteRows(s.rows)
	s.rows, s.store = s.rows[:0], s.store[:0]
	return err
}

func (s *Scratch) Close() error {
	err := s.hand()
	if cerr := s.w.Close(); err == nil {
		err = cerr
	}
	if cerr := s.f.Close(); err == nil {
		err = cerr
	}
	return err
}
