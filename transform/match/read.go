package match

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"golang.org/x/sync/errgroup"
)

// ReadRecords reads a records file: the record's number and source, its hash, and those columns of the plan that rules, comparisons and
// conditions look at. The others have no values. Columns are read at the same time, as many as there are processors. The file's rows may
// stand in any order.
func ReadRecords(ctx context.Context, path string, p *Plan) (*Records, error) {
	r, err := readRecords(ctx, path, p)
	if err != nil {
		return nil, fmt.Errorf("read records %s: %w", path, err)
	}
	return r, nil
}

func readRecords(ctx context.Context, path string, p *Plan) (*Records, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	pf, err := file.NewParquetReader(f)
	if err != nil {
		return nil, err
	}
	defer pf.Close()
	if n := pf.NumRows(); n > MaxRecords {
		return nil, fmt.Errorf("%d records, at most %d can be matched at once: narrow the entity's sources by where", n, MaxRecords)
	}
	leaves, err := layout(pf.MetaData().Schema, p)
	if err != nil {
		return nil, err
	}
	r := &Records{N: int(pf.NumRows()), Columns: make([]Values, len(p.Columns))}
	var numbers []uint32
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	g.Go(func() (err error) {
		numbers, err = r.readNumbering(reading, pf)
		return err
	})
	g.Go(func() error { return r.readHash(reading, pf) })
	needed := p.needed()
	for i, c := range p.Columns {
		r.Columns[i].Kind = c.Kind
		if needed[i] {
			g.Go(func() error {
				err := r.Columns[i].read(reading, pf, leaves[i], r.N)
				if err == nil {
					err = r.Columns[i].whole(r.N)
				}
				if err != nil {
					return fmt.Errorf("column %q: %w", c.Name, err)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return r, r.inOrder(ctx, p, numbers)
}

// MaxRecords is how many records can be matched at once: a record's number and one bit are 32 bits.
const MaxRecords = 1<<31 - 1

// needed says which columns are looked at.
func (p *Plan) needed() []bool {
	need := make([]bool, len(p.Columns))
	mark := func(columns []int) {
		for _, c := range columns {
			need[c] = true
		}
	}
	for _, r := range p.Rules {
		mark(r.Keys)
		if r.Similar != nil {
			mark(r.Similar.Columns)
		}
	}
	for _, c := range p.Comparisons {
		mark(c.Columns)
		for _, l := range c.Levels {
			mark(l.Columns)
		}
	}
	for _, conditions := range [][]Condition{p.Never, p.Always} {
		for _, c := range conditions {
			for _, t := range c.Terms {
				if t.Comparison < 0 {
					need[t.Column] = true
				}
			}
		}
	}
	return need
}

// fixed are the columns before those of the plan, with how Parquet holds them.
var fixed = []struct {
	name     string
	physical parquet.Type
}{
	{RecColumn, parquet.Types.Int64}, {SourceColumn, parquet.Types.Int32}, {KeyColumn, parquet.Types.ByteArray},
	{UpdatedAtColumn, parquet.Types.Int64}, {HashColumn, parquet.Types.Int64},
}

// layout gives, for each column of the plan, the number of the leaf that holds it. It fails when the file is not a records file of the
// plan.
func layout(s *schema.Schema, p *Plan) ([]int, error) {
	root := s.Root()
	if got, want := root.NumFields(), len(fixed)+len(p.Columns); got != want {
		return nil, fmt.Errorf("%d columns, the plan has %d: the file was made for another plan, make it anew", got, want)
	}
	leaf := make([]int, root.NumFields())
	for i := range s.NumColumns() {
		top := s.Column(i).ColumnPath()[0]
		leaf[root.FieldIndexByName(top)] = i
	}
	for i, f := range fixed {
		c := s.Column(leaf[i])
		if root.Field(i).Name() != f.name || c.PhysicalType() != f.physical || c.MaxRepetitionLevel() > 0 {
			return nil, fmt.Errorf("column %d is %s (%v), not %s (%v)", i+1, root.Field(i).Name(), c.PhysicalType(), f.name, f.physical)
		}
	}
	for i, want := range p.Columns {
		at := len(fixed) + i
		if got := root.Field(at).Name(); got != want.Name {
			return nil, fmt.Errorf("column %d is %q, the plan has %q there", at+1, got, want.Name)
		}
		if c := s.Column(leaf[at]); !holds(c, want.Kind) {
			return nil, fmt.Errorf("column %q is %v (%v), which does not hold values of the plan's kind %v",
				want.Name, c.PhysicalType(), c.LogicalType(), want.Kind)
		}
	}
	return leaf[len(fixed):], nil
}

// String is the kind's SQL type.
func (k Kind) String() string {
	return [...]string{Text: "VARCHAR", Number: "DOUBLE", Date: "DATE", List: "VARCHAR[]"}[k]
}

// holds says whether a leaf of a Parquet file holds values of a kind.
func holds(c *schema.Column, k Kind) bool {
	switch k {
	case Text, List:
		return c.PhysicalType() == parquet.Types.ByteArray && c.MaxRepetitionLevel() == map[Kind]int16{Text: 0, List: 1}[k]
	case Number:
		return c.PhysicalType() == parquet.Types.Double && c.MaxRepetitionLevel() == 0
	default:
		return c.PhysicalType() == parquet.Types.Int32 && c.MaxRepetitionLevel() == 0 && strings.Contains(c.LogicalType().String(), "Date")
	}
}

// readNumbering reads the numbers and the sources of the file's rows.
func (r *Records) readNumbering(ctx context.Context, pf *file.Reader) ([]uint32, error) {
	n := &rowNumbers{numbers: make([]uint32, 0, r.N), seen: make([]bool, r.N)}
	if err := eachInt64(ctx, pf, 0, n.add); err != nil {
		return nil, err
	}
	r.Source = make([]uint8, 0, r.N)
	err := eachInt32(ctx, pf, 1, func(v int32, null bool) error {
		if null || v < 0 || v > math.MaxUint8 {
			return fmt.Errorf("column %s is %d in row %d: no source has that number", SourceColumn, v, len(r.Source))
		}
		r.Source = append(r.Source, uint8(v))
		return nil
	})
	if err == nil && (len(n.numbers) != r.N || len(r.Source) != r.N) {
		err = fmt.Errorf("%d numbers and %d sources of %d records: the file is damaged, make it anew", len(n.numbers), len(r.Source), r.N)
	}
	return n.numbers, err
}

func (r *Records) readHash(ctx context.Context, pf *file.Reader) error {
	r.Hash = make([]uint64, 0, r.N)
	err := eachInt64(ctx, pf, 4, func(v int64, _ bool) error {
		r.Hash = append(r.Hash, uint64(v))
		return nil
	})
	if err == nil && len(r.Hash) != r.N {
		err = fmt.Errorf("%d hashes of %d records: the file is damaged, make it anew", len(r.Hash), r.N)
	}
	return err
}

// read fills a column from a leaf.
func (v *Values) read(ctx context.Context, pf *file.Reader, leaf, n int) error {
	switch v.Kind {
	case Text:
		return v.readText(ctx, pf, leaf, n)
	case List:
		return v.readList(ctx, pf, leaf, n)
	case Number:
		v.Numbers = make([]float64, 0, n)
		return eachFloat64(ctx, pf, leaf, func(x float64, null bool) error {
			if null {
				x = math.NaN()
			}
			v.Numbers = append(v.Numbers, x)
			return nil
		})
	default:
		v.Numbers = make([]float64, 0, n)
		return eachInt32(ctx, pf, leaf, func(x int32, null bool) error {
			day := float64(x)
			if null {
				day = math.NaN()
			}
			v.Numbers = append(v.Numbers, day)
			return nil
		})
	}
}

// maxColumnBytes is how much distinct text a column may have: Dict.Starts are 32 bits.
const maxColumnBytes = math.MaxUint32

// room refuses a text that the column has no room for.
func (t *interner) room(text []byte) error {
	if len(t.dict.Bytes)+len(text) > maxColumnBytes {
		return errors.New("more than 4 GB of distinct texts: compare something shorter")
	}
	return nil
}

func (v *Values) readText(ctx context.Context, pf *file.Reader, leaf, n int) error {
	texts := newInterner()
	v.Codes = make([]uint32, 0, n)
	err := eachText(ctx, pf, leaf, func(text []byte, _ int16, present bool) error {
		code := uint32(0)
		if present {
			if err := texts.room(text); err != nil {
				return err
			}
			code = texts.code(text)
		}
		v.Codes = append(v.Codes, code)
		return nil
	})
	v.Dict = texts.dict
	return err
}

func (v *Values) readList(ctx context.Context, pf *file.Reader, leaf, n int) error {
	texts := newInterner()
	v.Starts = make([]uint32, 0, n+1)
	err := eachText(ctx, pf, leaf, func(text []byte, rep int16, present bool) error {
		if rep == 0 {
			v.Starts = append(v.Starts, uint32(len(v.Codes)))
		}
		if !present {
			return nil
		}
		if err := texts.room(text); err != nil {
			return err
		}
		if len(v.Codes) == math.MaxUint32 {
			return errors.New("more than 2^32 entries in the lists of a field: compare shorter ones")
		}
		v.Codes = append(v.Codes, texts.code(text))
		return nil
	})
	v.Starts = append(v.Starts, uint32(len(v.Codes)))
	v.Dict = texts.dict
	return err // inOrder sorts them
}

// sortLists sorts the entries of each list by number, and leaves each once.
func (v *Values) sortLists() {
	end := uint32(0)
	for i := range len(v.Starts) - 1 {
		own := v.Codes[v.Starts[i]:v.Starts[i+1]]
		slices.Sort(own)
		own = slices.Compact(own)
		v.Starts[i] = end
		end += uint32(copy(v.Codes[end:], own))
	}
	v.Starts[len(v.Starts)-1] = end
	v.Codes = v.Codes[:end]
}
