// Package generate makes synthetic orders from a seed: to try Millrace without data, for tests and for benchmarks.
// The table has generations, as if time went on; the same options always give the same rows, and what incremental
// reads of its generations add up to is what a full read of the last one gives. It touches no disk and no network.
// Read StreamOptions first.
package generate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/arrowx"
	"github.com/millrace/millrace/internal/config"
)

// Spec describes the source to the project loader.
func Spec() extract.Spec {
	return extract.Spec{
		Type:          "generate",
		Summary:       "Synthetic orders made from a seed, for trying things out, tests and benchmarks.",
		Options:       func() any { return new(Options) },
		StreamOptions: func() any { return new(StreamOptions) },
		Check:         check,
		Open: func(env extract.Env, options any) (extract.Source, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("generate source %q: options are a %T", env.Name, options)
			}
			return &source{seed: uint64(o.Seed)}, nil
		},
	}
}

// Options are the source's own keys.
type Options struct {
	Seed int64 `yaml:"seed" default:"1" doc:"The same seed gives the same rows."`
}

// StreamOptions are the keys of one stream.
type StreamOptions struct {
	Rows         int64           `yaml:"rows" default:"1000" doc:"Rows of the first generation."`
	Changes      int64           `yaml:"changes" doc:"Rows changed in each later generation; a tenth of them are new rows. An append stream gets only new ones."`
	Generation   int64           `yaml:"generation" doc:"The generation that is there now. 0: a full stream reads the first one, any other moves on by one generation with each run."`
	Slices       int64           `yaml:"slices" default:"1" doc:"Pieces that are read independently of each other."`
	Page         int64           `yaml:"page" doc:"Rows per part; 0 for all in one."`
	RejectsEvery int64           `yaml:"rejects_every" doc:"Rows whose id is a multiple of this are rejected; 0 for none."`
	Delay        config.Duration `yaml:"delay" doc:"Time to wait before each batch."`
}

// Columns are the columns that every stream has.
var Columns = []extract.Column{
	{Name: "id", Type: "BIGINT"}, {Name: "customer_id", Type: "BIGINT"}, {Name: "status", Type: "VARCHAR"},
	{Name: "amount", Type: "DECIMAL(12,2)"}, {Name: "note", Type: "VARCHAR"}, {Name: "updated_at", Type: "TIMESTAMP"},
}

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "customer_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "status", Type: arrow.BinaryTypes.String},
	{Name: "amount", Type: &arrow.Decimal128Type{Precision: 12, Scale: 2}},
	{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "updated_at", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
}, nil)

func check(options any, streams []extract.Stream) []extract.Problem {
	var out []extract.Problem
	for _, s := range streams {
		o, ok := s.Options.(*StreamOptions)
		if !ok {
			out = append(out, extract.Problem{Stream: s.Name, Message: fmt.Sprintf("options are a %T", s.Options)})
			continue
		}
		for _, k := range []struct {
			key   string
			value int64
		}{{"rows", o.Rows}, {"changes", o.Changes}, {"generation", o.Generation}, {"slices", o.Slices}, {"page", o.Page}, {"rejects_every", o.RejectsEvery}} {
			if k.value < 0 {
				out = append(out, extract.Problem{Stream: s.Name, Key: k.key, Message: k.key + " is negative"})
			}
		}
		if s.Mode != extract.Append && o.Changes > 0 && o.Rows == 0 {
			out = append(out, extract.Problem{Stream: s.Name, Key: "rows", Message: "there are no rows to change"})
		}
		if s.Mode == extract.Incremental && len(s.Key) > 0 && !slices.Equal(s.Key, []string{"id"}) {
			out = append(out, extract.Problem{Stream: s.Name, Key: "key", Message: "the key of generated rows is id", Hint: "key: [id]"})
		}
		if s.Cursor != "" && s.Cursor != "updated_at" {
			out = append(out, extract.Problem{Stream: s.Name, Key: "cursor", Message: "the cursor of generated rows is updated_at"})
		}
	}
	return out
}

type source struct{ seed uint64 }

func (s *source) Close() error { return nil }

// Identity implements extract.Source.
func (s *source) Identity(extract.Stream) string { return fmt.Sprintf("seed %d", s.seed) }

func options(st extract.Stream) (*StreamOptions, error) {
	o, ok := st.Options.(*StreamOptions)
	if !ok || o == nil {
		return nil, fmt.Errorf("stream %q: options are a %T", st.Name, st.Options)
	}
	return o, nil
}

// Describe implements extract.Source.
func (s *source) Describe(ctx context.Context, st extract.Stream) (*extract.Description, error) {
	o, err := options(st)
	if err != nil {
		return nil, err
	}
	return &extract.Description{Columns: slices.Clone(Columns), Rows: o.Rows + o.inserts(st.Mode)*o.Generation, Bytes: -1}, nil
}

// inserts is how many rows are new in each generation after the first.
func (o *StreamOptions) inserts(m extract.Mode) int64 {
	if m == extract.Append {
		return o.Changes
	}
	return o.Changes / 10
}

// span is a range of generations, and which of its rows a slice holds: those whose place in the sorted list of ids
// is n in this many.
type span struct {
	Lo, Hi int64
	N, Of  int64
}

// Window implements extract.Source. A cursor is the number of the first generation that was not read.
func (s *source) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	if fixed != nil {
		return fixed, nil
	}
	o, err := options(st)
	if err != nil {
		return nil, err
	}
	lo := int64(0)
	if since != "" {
		if lo, err = strconv.ParseInt(string(since), 10, 64); err != nil || lo < 0 {
			return nil, fmt.Errorf("stream %q: cursor %q is not a generation", st.Name, since)
		}
	}
	hi := o.Generation + 1
	switch {
	case st.Mode == extract.Full:
		lo = 0
	case o.Generation == 0:
		hi = lo + 1
	}
	w := &extract.Window{Lo: since, Hi: extract.Cursor(strconv.FormatInt(max(lo, hi), 10)), Slices: []extract.Slice{}}
	if st.Mode == extract.Full {
		w.Hi = ""
	}
	if lo >= hi || lo > 0 && o.Changes == 0 {
		return w, nil
	}
	n := max(o.Slices, 1)
	for i := range n {
		spec, _ := json.Marshal(span{lo, hi, i, n})
		w.Slices = append(w.Slices, extract.Slice{ID: fmt.Sprintf("%03d", i), Spec: string(spec)})
	}
	return w, nil
}

// version is a row as of some generation.
type version struct{ id, generation int64 }

// touched are the rows of a slice by id: the first base ids, then rest. Rows that never change take no memory.
type touched struct {
	base     int64
	last     map[int64]int64 // generation of an id's last change
	rest     []version
	from, to int64
}

func (t *touched) len() int64 { return t.to - t.from }

func (t *touched) at(i int64) version {
	if i += t.from; i < t.base {
		return version{i + 1, t.last[i+1]}
	}
	return t.rest[i-t.base]
}

// touched gives the rows that [lo, hi) touched, each as of its last change there.
func (s *source) touched(o *StreamOptions, m extract.Mode, w span) *touched {
	inserts := o.inserts(m)
	last := map[int64]int64{}
	out := &touched{last: last}
	for g := max(w.Lo, 1); g < w.Hi; g++ {
		before := o.Rows + (g-1)*inserts
		for i := range inserts {
			last[before+1+i] = g
		}
		for i := range o.Changes - inserts {
			last[1+int64(mix(s.seed, uint64(g), uint64(i))%uint64(before))] = g
		}
	}
	if w.Lo == 0 {
		out.base = o.Rows
	}
	for id, g := range last {
		if id > out.base {
			out.rest = append(out.rest, version{id, g})
		}
	}
	slices.SortFunc(out.rest, func(a, b version) int { return cmp.Compare(a.id, b.id) })
	n := out.base + int64(len(out.rest))
	out.from, out.to = n*w.N/w.Of, n*(w.N+1)/w.Of
	return out
}

// mix is splitmix64 over the parts.
func mix(parts ...uint64) uint64 {
	var h uint64
	for _, p := range parts {
		h += p + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// row is one order.
type row struct {
	ID, Customer int64
	Status       string
	Cents        int64
	Note         string // "" is NULL
	Updated      int64  // microseconds
}

var statuses = []string{"new", "paid", "packed", "shipped", "returned"}

// epoch is when the first generation was: 2024-01-01. Each generation is a day.
var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func (s *source) row(v version) row {
	h := mix(s.seed, uint64(v.id), uint64(v.generation))
	r := row{ID: v.id, Customer: 1 + int64(mix(s.seed, uint64(v.id))%1000), Status: statuses[h%5], Cents: int64(h >> 8 % 1_000_000),
		Updated: epoch + v.generation*86_400_000_000 + int64(h>>20%86_400_000_000)}
	if h>>4%4 != 0 {
		r.Note = "order " + strconv.FormatInt(v.id, 10) + strings.Repeat("!", int(h>>6%4))
	}
	return r
}

// Read implements extract.Source.
func (s *source) Read(ctx context.Context, r extract.Request) (*extract.Snapshot, error) {
	o, err := options(r.Stream)
	if err != nil {
		return nil, err
	}
	var w span
	if err := json.Unmarshal([]byte(r.Slice.Spec), &w); err != nil {
		return nil, fmt.Errorf("slice %s of stream %q: %w", r.Slice.ID, r.Stream.Name, err)
	}
	from := int64(0)
	if r.Resume != "" {
		if from, err = strconv.ParseInt(r.Resume, 10, 64); err != nil {
			return nil, fmt.Errorf("stream %q: resume point %q: %w", r.Stream.Name, r.Resume, err)
		}
	}
	all := s.touched(o, r.Stream.Mode, w)
	if from < 0 || from > all.len() {
		return nil, fmt.Errorf("stream %q: resume point %d of %d: %w", r.Stream.Name, from, all.len(), extract.ErrChanged)
	}
	to := all.len()
	if o.Page > 0 {
		to = min(to, from+o.Page)
	}
	var read int64 // by the producer; the reader's end orders it before Outcome
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	reader := arrowx.NewReader(ctx, schema, func(ctx context.Context, emit func(arrow.RecordBatch) error) error {
		defer close(done)
		return s.produce(ctx, o, r, all, from, to, &read, emit)
	})
	return &extract.Snapshot{
		Reader: reader,
		Outcome: func() (extract.Outcome, error) {
			if err := reader.Err(); err != nil {
				return extract.Outcome{}, err
			}
			out := extract.Outcome{Read: read, Detail: map[string]string{"generations": fmt.Sprintf("%d to %d", w.Lo, w.Hi-1)}}
			if to < all.len() {
				out.Next = strconv.FormatInt(to, 10)
			}
			return out, nil
		},
		Close: func() { cancel(); <-done },
	}, nil
}

func (s *source) produce(ctx context.Context, o *StreamOptions, r extract.Request, all *touched, from, to int64, read *int64, emit func(arrow.RecordBatch) error) error {
	b := arrowx.NewBatcher(schema, func(batch arrow.RecordBatch) error {
		if err := wait(ctx, o.Delay.Std()); err != nil {
			batch.Release()
			return err
		}
		r.Progress(0, batch.NumRows())
		return emit(batch)
	})
	defer b.Release()
	for i := from; i < to; i++ {
		place := i + 1
		*read++
		x := s.row(all.at(i))
		if o.RejectsEvery > 0 && x.ID%o.RejectsEvery == 0 { // by id, so that every window rejects the same rows
			raw, _ := json.Marshal(x)
			if err := r.Reject(extract.Reject{Line: place, Offset: -1, Column: "status", Reason: extract.ReasonCast, Message: "rejected because rejects_every says so", Raw: string(raw)}); err != nil {
				return err
			}
			continue
		}
		b.Field(0).(*array.Int64Builder).Append(x.ID)
		b.Field(1).(*array.Int64Builder).Append(x.Customer)
		b.Field(2).(*array.StringBuilder).Append(x.Status)
		b.Field(3).(*array.Decimal128Builder).Append(decimal128.FromI64(x.Cents))
		if note := b.Field(4).(*array.StringBuilder); x.Note == "" {
			note.AppendNull()
		} else {
			note.Append(x.Note)
		}
		b.Field(5).(*array.TimestampBuilder).Append(arrow.Timestamp(x.Updated))
		if err := b.Row(ctx, 48+len(x.Status)+len(x.Note)); err != nil {
			return err
		}
	}
	return b.Flush()
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
