package warehouse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"

	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

func digestArrow(path string, groups, leaves int) ([][]digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := file.NewParquetReader(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.NumRowGroups() != groups || r.MetaData().Schema.NumColumns() != leaves {
		return nil, fmt.Errorf("%d row groups with %d columns, not %d with %d", r.NumRowGroups(), r.MetaData().Schema.NumColumns(), groups, leaves)
	}
	var out [][]digest
	for g := range groups {
		var row []digest
		for i := range leaves {
			column, err := r.RowGroup(g).Column(i)
			if err != nil {
				return nil, err
			}
			d, err := digestColumn(column)
			if err != nil {
				return nil, fmt.Errorf("column %q: %w", column.Descriptor().Path(), err)
			}
			row = append(row, d)
		}
		out = append(out, row)
	}
	return out, nil
}

func digestColumn(c file.ColumnChunkReader) (digest, error) {
	switch c := c.(type) {
	case *file.BooleanColumnChunkReader:
		return digestTyped(c, c.ReadBatch, func(s *summer, v bool) {
			if v {
				s.buf = append(s.buf, 1)
			} else {
				s.buf = append(s.buf, 0)
			}
		})
	case *file.Int32ColumnChunkReader:
		return digestTyped(c, c.ReadBatch, func(s *summer, v int32) { s.buf = binary.LittleEndian.AppendUint32(s.buf, uint32(v)) })
	case *file.Int64ColumnChunkReader:
		return digestTyped(c, c.ReadBatch, func(s *summer, v int64) { s.buf = binary.LittleEndian.AppendUint64(s.buf, uint64(v)) })
	case *file.Int96ColumnChunkReader:
		return digestTyped(c, c.ReadBatch, func(s *summer, v arrowparquet.Int96) { s.buf = append(s.buf, v[:]...) })
	case *file.Float32ColumnChunkReader:
		return digestTyped(c, c.ReadBatch, func(s *summer, v float32) { s.buf = binary.LittleEndian.AppendUint32(s.buf, math.Float32bits(v)) })
	case *file.Float64ColumnChunkReader:
		return digestTyped(c, c.ReadBatch, func(s *summer, v float64) { s.buf = binary.LittleEndian.AppendUint64(s.buf, math.Float64bits(v)) })
	case *file.ByteArrayColumnChunkReader:
		return digestTyped(c, c.ReadBatch, func(s *summer, v arrowparquet.ByteArray) { s.bytes(v) })
	case *file.FixedLenByteArrayColumnChunkReader:
		return digestTyped(c, c.ReadBatch, func(s *summer, v arrowparquet.FixedLenByteArray) { s.bytes(v) })
	default:
		return digest{}, fmt.Errorf("unknown column reader %T", c)
	}
}

func digestTyped[T any](c file.ColumnChunkReader, read func(int64, []T, []int16, []int16) (int64, int, error), add func(*summer, T)) (digest, error) {
	const batch = 4096
	maxDef, maxRep := c.Descriptor().MaxDefinitionLevel(), c.Descriptor().MaxRepetitionLevel()
	values, defs, reps := make([]T, batch), make([]int16, batch), make([]int16, batch)
	s := newSummer()
	for c.HasNext() {
		levels, n, err := read(batch, values, defs, reps)
		if err != nil {
			return digest{}, err
		}
		if levels == 0 && n == 0 {
			return digest{}, errors.New("a page that gives no values and no end")
		}
		at := 0
		for i := range levels {
			def, rep := maxDef, int16(0)
			if maxDef > 0 {
				def = defs[i]
			}
			if maxRep > 0 {
				rep = reps[i]
			}
			s.level(int(def), int(rep), def < maxDef)
			if def == maxDef {
				if at >= n {
					return digest{}, errors.New("fewer values than levels")
				}
				add(s, values[at])
				at++
			}
		}
		if at != n {
			return digest{}, errors.New("more values than levels")
		}
	}
	return s.done(), c.Err()
}
