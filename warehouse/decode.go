package warehouse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/zeebo/xxh3"
)

// digest is what one decoder found in one leaf column of one row group. Sum is over every value with its levels.
type digest struct {
	values, nulls int64
	sum           uint64
}

// decodeTwice reads every value with both decoders, side by side, and compares.
func decodeTwice(path string, parsed *parquet.File, f File) error {
	leaves := 0
	tree, err := schemaTree(parsed.Metadata().Schema)
	if err != nil {
		return err
	}
	infos := tree.leaves()
	leaves = len(infos)
	groups := len(parsed.Metadata().RowGroups)

	var first, second [][]digest
	var secondErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		secondErr = guard(func() error {
			var err error
			second, err = digestArrow(path, groups, leaves)
			return err
		})
	}()
	firstErr := guard(func() error {
		var err error
		first, err = digestParquet(parsed, infos)
		return err
	})
	<-done
	if firstErr != nil {
		return fmt.Errorf("parquet-go: %w", firstErr)
	}
	if secondErr != nil {
		return fmt.Errorf("arrow-go: %w", secondErr)
	}
	nulls := make([]int64, leaves)
	for g := range groups {
		for i := range leaves {
			if first[g][i] != second[g][i] {
				return fmt.Errorf("column %q of row group %d: two decoders do not agree", infos[i].column, g)
			}
			if n := parsed.Metadata().RowGroups[g].Columns[i].MetaData.NumValues; n != first[g][i].values {
				return fmt.Errorf("column %q of row group %d: %d values, the footer says %d", infos[i].column, g, first[g][i].values, n)
			}
			nulls[i] += first[g][i].nulls
		}
	}
	for i, l := range infos {
		if want, ok := f.Stats[l.column]; ok && l.depth == 1 && want.Nulls != nulls[i] {
			return fmt.Errorf("column %q: %d NULLs were decoded, %d were written", l.column, nulls[i], want.Nulls)
		}
	}
	return nil
}

// summer sums values in batches, which is much faster than one by one.
type summer struct {
	h   *xxh3.Hasher
	buf []byte
	d   digest
}

func newSummer() *summer { return &summer{h: xxh3.New(), buf: make([]byte, 0, 1<<16)} }

// level adds what goes before each value, or stands for a NULL.
func (s *summer) level(def, rep int, null bool) {
	s.d.values++
	if null {
		s.d.nulls++
	}
	s.buf = append(s.buf, byte(def), byte(rep))
	if len(s.buf) > 1<<16-64 {
		s.flush()
	}
}

func (s *summer) flush() {
	_, _ = s.h.Write(s.buf)
	s.buf = s.buf[:0]
}

func (s *summer) bytes(b []byte) {
	s.buf = binary.LittleEndian.AppendUint32(s.buf, uint32(len(b)))
	if len(b) > 1024 {
		s.flush()
		_, _ = s.h.Write(b)
		return
	}
	s.buf = append(s.buf, b...)
}

func (s *summer) done() digest {
	s.flush()
	s.d.sum = s.h.Sum64()
	return s.d
}

func digestParquet(f *parquet.File, leaves []leafInfo) ([][]digest, error) {
	var out [][]digest
	values := make([]parquet.Value, 1024)
	for _, group := range f.RowGroups() {
		var row []digest
		for i, chunk := range group.ColumnChunks() {
			d, err := digestChunk(chunk, leaves[i].maxDef, values)
			if err != nil {
				return nil, fmt.Errorf("column %q: %w", leaves[i].column, err)
			}
			row = append(row, d)
		}
		out = append(out, row)
	}
	return out, nil
}

func digestChunk(chunk parquet.ColumnChunk, maxDef int, values []parquet.Value) (digest, error) {
	s := newSummer()
	pages := chunk.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return s.done(), nil
		}
		if err != nil {
			return digest{}, err
		}
		for r := page.Values(); ; {
			n, err := r.ReadValues(values)
			for _, v := range values[:n] {
				def := v.DefinitionLevel()
				s.level(def, v.RepetitionLevel(), def < maxDef)
				if def < maxDef {
					continue
				}
				switch v.Kind() {
				case parquet.ByteArray, parquet.FixedLenByteArray:
					s.bytes(v.ByteArray())
				default:
					s.buf = v.AppendBytes(s.buf)
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return digest{}, err
			}
			if n == 0 {
				return digest{}, errors.New("a page that gives no values and no end")
			}
		}
		parquet.Release(page)
	}
}
