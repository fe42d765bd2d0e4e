package match

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// inOrder puts what was read from a records file, whose rows may stand in any order, in the order of the records' numbers. Texts are
// numbered as records have them, so that nothing depends on the order of the file. numbers are those of its rows.
func (r *Records) inOrder(ctx context.Context, p *Plan, numbers []uint32) error {
	rowOf, sorted := make([]uint32, r.N), true
	for row, rec := range numbers {
		rowOf[rec] = uint32(row)
		sorted = sorted && row == int(rec)
	}
	if !sorted {
		r.Source, r.Hash = picked(r.Source, rowOf), picked(r.Hash, rowOf)
	}
	if err := r.checkSources(p); err != nil {
		return err
	}
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range r.Columns {
		v := &r.Columns[i]
		g.Go(func() error {
			if !sorted {
				v.inOrder(rowOf)
			}
			if v.Kind == List && v.Starts != nil {
				v.sortLists()
			}
			return nil
		})
	}
	return g.Wait()
}

// picked are the values of rows, in the order of the records that these are.
func picked[T any](values []T, rowOf []uint32) []T {
	out := make([]T, len(rowOf))
	for rec, row := range rowOf {
		out[rec] = values[row]
	}
	return out
}

// checkSources makes sure that records count up source by source.
func (r *Records) checkSources(p *Plan) error {
	last := uint8(0)
	for rec, s := range r.Source {
		if s < last || int(s) >= len(p.Sources) {
			return fmt.Errorf("column %s is %d of record %d, after %d: the plan has %d sources, and records are numbered by them",
				SourceColumn, s, rec, last, len(p.Sources))
		}
		last = s
	}
	return nil
}

// inOrder is that of one column; lists are not sorted yet. A column that was not read has no values.
func (v *Values) inOrder(rowOf []uint32) {
	switch {
	case v.Numbers != nil:
		v.Numbers = picked(v.Numbers, rowOf)
	case v.Kind == Text && v.Codes != nil:
		v.Codes = picked(v.Codes, rowOf)
		v.Dict = v.Dict.inOrder(v.Codes)
	case v.Kind == List && v.Starts != nil:
		codes, starts := make([]uint32, 0, len(v.Codes)), make([]uint32, 0, len(v.Starts))
		for _, row := range rowOf {
			starts = append(starts, uint32(len(codes)))
			codes = append(codes, v.Codes[v.Starts[row]:v.Starts[row+1]]...)
		}
		v.Codes, v.Starts = codes, append(starts, uint32(len(codes)))
		v.Dict = v.Dict.inOrder(v.Codes)
	}
}

// inOrder numbers the texts anew, as they occur in codes, which become the new numbers.
func (d *Dict) inOrder(codes []uint32) *Dict {
	now := make([]uint32, d.Len())
	out := &Dict{Bytes: make([]byte, 0, len(d.Bytes)), Starts: append(make([]uint32, 0, len(d.Starts)), 0, 0)}
	for i, c := range codes {
		if c == 0 {
			continue
		}
		if now[c] == 0 {
			now[c] = uint32(out.Len())
			out.Bytes = append(out.Bytes, d.Bytes[d.Starts[c]:d.Starts[c+1]]...)
			out.Starts = append(out.Starts, uint32(len(out.Bytes)))
		}
		codes[i] = now[c]
	}
	return out
}

// whole refuses a column that has no value for each row.
func (v *Values) whole(n int) error {
	has := len(v.Codes)
	switch v.Kind {
	case List:
		has = len(v.Starts) - 1
	case Number, Date:
		has = len(v.Numbers)
	}
	if has != n {
		return fmt.Errorf("%d values of %d records: the file is damaged, make it anew", has, n)
	}
	return nil
}

// rowNumbers collects the numbers of a file's rows and makes sure that each record is there once.
type rowNumbers struct {
	numbers []uint32
	seen    []bool
}

func (n *rowNumbers) add(v int64, null bool) error {
	row := len(n.numbers)
	if null || v < 0 || v >= int64(len(n.seen)) || v > math.MaxUint32 {
		return fmt.Errorf("column %s is %d in row %d: records are numbered from 0, and there are %d", RecColumn, v, row, len(n.seen))
	}
	if n.seen[v] {
		return fmt.Errorf("column %s is %d in row %d, and in another: each record is in a file once", RecColumn, v, row)
	}
	n.seen[v] = true
	n.numbers = append(n.numbers, uint32(v))
	return nil
}
