package master

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/matchgen"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// measured is an entity like the plan of matchgen.
const measured = `sources: [{table: persons, key: id}]
weights: w.json
standardize: {first_name: words, last_name: words, email: email, phone: digits, street: words, city: words}
block: [[email], [phone], [last_name, postcode], [birth_date]]
compare:
  first_name: {levels: [exact, {jw: 0.92}, {jw: 0.88}, swapped], swap_with: last_name}
  last_name:  {levels: [exact, {jw: 0.92}, {jw: 0.88}]}
  birth_date: {levels: [exact, {osa: 1}]}
  phone:      {levels: [exact, {osa: 2}]}
  email:      {levels: [exact, same_local_part, {jw: 0.92}]}
  postcode:   {levels: [exact, {osa: 1}]}
  street:     {levels: [exact, {jw: 0.9}]}
`

// BenchmarkIncremental matches a million persons, and then 10,000 more against them, with the same weights. It tells how long each act of
// both took. MILLRACE_BENCH_RECORDS says how many persons.
func BenchmarkIncremental(b *testing.B) {
	n := 1_000_000
	if s := os.Getenv("MILLRACE_BENCH_RECORDS"); s != "" {
		_, _ = fmt.Sscan(s, &n)
	}
	dir := b.TempDir()
	table := filepath.Join(dir, "persons.parquet")
	if err := matchgen.New(matchgen.Config{Entities: n * 808 / 1000, Duplicates: n * 202 / 1000, Seed: 1}).WriteTable(table); err != nil {
		b.Fatal(err)
	}
	w, err := duckdb.Open(b.Context(), warehouse.Config{Memory: 1 << 30, Threads: 2, Dirs: []string{dir}, Temp: filepath.Join(dir, "spill")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	p, problems := models.Load(models.Loading{Dir: "/nowhere", Files: fstest.MapFS{"millrace.yml": {Data: []byte("name: p\n")}, "w.json": {Data: []byte("{}")},
		"entities/person.yml": {Data: []byte(measured)}, "models/persons.sql": {Data: []byte("select 1 as x")}}})
	if problems.HasErrors() {
		b.Fatal(problems)
	}
	entity := p.Entities[0]
	expose := func(name, condition string) {
		query := "SELECT * FROM " + w.Dialect().Files([]string{table}) + " WHERE " + condition
		f, err := w.Write(b.Context(), query, filepath.Join(dir, name+".parquet"))
		if err != nil {
			b.Fatal(err)
		}
		columns, err := w.Describe(b.Context(), query)
		if err != nil {
			b.Fatal(err)
		}
		source := entity.Sources[0].Node
		v := warehouse.Version{Name: warehouse.Name{Schema: source.Schema, Table: source.Table}, Columns: columns, Base: []warehouse.File{f}, Rows: f.Rows}
		if err := w.Expose(b.Context(), v); err != nil {
			b.Fatal(err)
		}
	}
	job := func(name string, before golden.Tables) Job {
		j := Job{Entity: entity, Warehouse: &timed{w, b}, Dir: filepath.Join(dir, name), Before: before, Run: name, At: time.Date(2026, 1, 1+len(before), 0, 0, 0, 0, time.UTC), Memory: 1 << 30}
		if err := os.Mkdir(j.Dir, 0o700); err != nil {
			b.Fatal(err)
		}
		return j
	}
	build := func(j Job) *Matched {
		m := &matching{Job: j}
		told := j.Run + ":"
		for i, step := range []func(context.Context) error{m.read, m.settle, m.records, m.weigh, m.decide, m.unchanged, m.compare, m.cluster, m.golden} {
			began, cpu := time.Now(), spent()
			if err := step(b.Context()); err != nil {
				b.Fatal(err)
			}
			name := []string{"read", "settle", "records", "weigh", "decide", "unchanged", "compare", "cluster", "golden"}[i]
			told += fmt.Sprintf(" %s %.2f s of wall %.2f,", name, (spent() - cpu).Seconds(), time.Since(began).Seconds())
		}
		b.Log(told, m.out.Notes, usage().Maxrss>>10, "MB at most")
		return &m.out
	}
	for b.Loop() {
		expose("known", "CAST(substr(id, 2) AS BIGINT) % 101 > 0")
		first := job("learn", golden.Tables{})
		weights, _, err := Learn(b.Context(), first)
		if err != nil {
			b.Fatal(err)
		}
		first = job("first", golden.Tables{})
		first.Weights = weights
		before := build(first)
		expose("all", "true")
		second := job("second", before.Tables)
		second.Weights = weights
		build(second)
	}
}

// timed tells how long statements take.
type timed struct {
	warehouse.Warehouse
	b *testing.B
}

func (w *timed) Write(ctx context.Context, query, path string) (warehouse.File, error) {
	began, cpu := time.Now(), spent()
	f, err := w.Warehouse.Write(ctx, query, path)
	w.b.Logf("  %-28s %8d rows %6d ms of processors, wall %6d ms", filepath.Base(path), f.Rows, (spent() - cpu).Milliseconds(), time.Since(began).Milliseconds())
	return f, err
}

func (w *timed) WriteAnew(ctx context.Context, query, path string) (warehouse.File, error) {
	began, cpu := time.Now(), spent()
	f, err := w.Warehouse.WriteAnew(ctx, query, path)
	w.b.Logf("  %-28s %8d rows %6d ms of processors, wall %6d ms", filepath.Base(path), f.Rows, (spent() - cpu).Milliseconds(), time.Since(began).Milliseconds())
	return f, err
}

func (w *timed) Scratch(ctx context.Context, query, path string) (warehouse.File, error) {
	began, cpu := time.Now(), spent()
	f, err := w.Warehouse.Scratch(ctx, query, path)
	w.b.Logf("  %-28s %8d rows %6d ms of processors, wall %6d ms", filepath.Base(path), f.Rows, (spent() - cpu).Milliseconds(), time.Since(began).Milliseconds())
	return f, err
}

func (w *timed) IngestScratch(ctx context.Context, r array.RecordReader, path string) (warehouse.File, error) {
	began, cpu := time.Now(), spent()
	f, err := w.Warehouse.IngestScratch(ctx, r, path)
	w.b.Logf("  %-28s %8d rows %6d ms of processors, wall %6d ms", filepath.Base(path), f.Rows, (spent() - cpu).Milliseconds(), time.Since(began).Milliseconds())
	return f, err
}

func (w *timed) Query(ctx context.Context, query string) (*warehouse.Result, error) {
	began, cpu := time.Now(), spent()
	r, err := w.Warehouse.Query(ctx, query)
	if took := spent() - cpu; took > 50*time.Millisecond {
		w.b.Logf("  %-28.28q %13s %6d ms of processors, wall %6d ms", query, "", took.Milliseconds(), time.Since(began).Milliseconds())
	}
	return r, err
}

// spent is the processors' time of this process.
func spent() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// usage is what the process has used so far; Maxrss is the most memory, in kB.
func usage() (u syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u
}
