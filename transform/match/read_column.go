package match

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// readBatch is how many values of a column are decoded at once.
const readBatch = 4096

type textChunk = *file.ByteArrayColumnChunkReader

// eachText calls fn for each entry of a column of texts, with its repetition level: 0 begins a record. present is false for a NULL, and for
// a record whose list is empty. The text is only valid during the call.
func eachText(ctx context.Context, pf *file.Reader, leaf int, fn func(text []byte, rep int16, present bool) error) error {
	return eachValue(ctx, pf, leaf, func(c textChunk, values []parquet.ByteArray, defs, reps []int16) (int64, int, error) {
		return c.ReadBatchInPage(readBatch, values, defs, reps)
	}, func(v parquet.ByteArray, rep int16, present bool) error { return fn(v, rep, present) })
}

func eachInt64(ctx context.Context, pf *file.Reader, leaf int, fn func(v int64, null bool) error) error {
	return eachValue(ctx, pf, leaf, func(c *file.Int64ColumnChunkReader, values []int64, defs, reps []int16) (int64, int, error) {
		return c.ReadBatch(readBatch, values, defs, reps)
	}, func(v int64, _ int16, present bool) error { return fn(v, !present) })
}

func eachInt32(ctx context.Context, pf *file.Reader, leaf int, fn func(v int32, null bool) error) error {
	return eachValue(ctx, pf, leaf, func(c *file.Int32ColumnChunkReader, values []int32, defs, reps []int16) (int64, int, error) {
		return c.ReadBatch(readBatch, values, defs, reps)
	}, func(v int32, _ int16, present bool) error { return fn(v, !present) })
}

func eachFloat64(ctx context.Context, pf *file.Reader, leaf int, fn func(v float64, null bool) error) error {
	return eachValue(ctx, pf, leaf, func(c *file.Float64ColumnChunkReader, values []float64, defs, reps []int16) (int64, int, error) {
		return c.ReadBatch(readBatch, values, defs, reps)
	}, func(v float64, _ int16, present bool) error { return fn(v, !present) })
}

// eachValue decodes a leaf of all row groups, one behind the other. What the decoder panics at is a file that is damaged.
func eachValue[C file.ColumnChunkReader, T any](ctx context.Context, pf *file.Reader, leaf int,
	read func(C, []T, []int16, []int16) (int64, int, error), fn func(v T, rep int16, present bool) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is damaged, make it anew: %v", p)
		}
	}()
	values, defs, reps := make([]T, readBatch), make([]int16, readBatch), make([]int16, readBatch)
	for g := range pf.NumRowGroups() {
		chunk, err := pf.RowGroup(g).Column(leaf)
		if err != nil {
			return err
		}
		typed, ok := chunk.(C)
		if !ok {
			return fmt.Errorf("row group %d has %T", g, chunk)
		}
		max := chunk.Descriptor().MaxDefinitionLevel()
		for typed.HasNext() {
			if err := ctx.Err(); err != nil {
				return err
			}
			levels, n, err := read(typed, values, defs, reps)
			if err != nil {
				return fmt.Errorf("row group %d: %w", g, err)
			}
			if err := spread(values[:n], defs, reps, int(levels), max, chunk.Descriptor().MaxRepetitionLevel() > 0, fn); err != nil {
				return err
			}
		}
		if err := chunk.Err(); err != nil {
			return fmt.Errorf("row group %d: %w", g, err)
		}
	}
	return nil
}

// spread hands on values, and what stands between them: NULLs and empty lists.
func spread[T any](values []T, defs, reps []int16, levels int, max int16, repeated bool,
	fn func(v T, rep int16, present bool) error) error {
	if levels == 0 && len(values) == 0 {
		return errors.New("a page that gives no values and no end")
	}
	var none T
	at := 0
	for i := range levels {
		v, rep, present := none, int16(0), max == 0 || defs[i] == max
		if repeated {
			rep = reps[i]
		}
		if present {
			if at >= len(values) {
				return errors.New("fewer values than levels")
			}
			v = values[at]
			at++
		}
		if err := fn(v, rep, present); err != nil {
			return err
		}
	}
	if at != len(values) {
		return errors.New("more values than levels")
	}
	return nil
}
