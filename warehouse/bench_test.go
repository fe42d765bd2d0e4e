//go:build unix

package warehouse_test

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/millrace/millrace/warehouse"
)

func cpuSeconds() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// measure reports the processor time as well: on a shared machine the other one says little.
func measure(b *testing.B, f func()) {
	before := cpuSeconds()
	for b.Loop() {
		f()
	}
	b.ReportMetric((cpuSeconds()-before)/float64(b.N), "cpu-s/op")
}

// BenchmarkMerge: 0.1 % of 10 M rows changed, against loading the table in full.
func BenchmarkMerge(b *testing.B) {
	w, dir := engine(b)
	const wide = `SELECT i AS id, (hash(i) %% 200000)::BIGINT AS part, (hash(i+2) %% 50)::INT AS qty, ((hash(i+3) %% 10000000) / 100)::DECIMAL(15,2) AS price, ['N','R','A'][(hash(i+5) %% 3 + 1)::INT] AS flag,
		DATE '1992-01-01' + (hash(i+7) %% 2500)::INT AS shipped, DATE '1992-01-01' + (hash(i+8) %% 2500)::INT AS due, ['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'][(hash(i+9) %% 4 + 1)::INT] AS instr,
		'comment about row ' || hash(i+11)::VARCHAR AS comment, TIMESTAMP '2025-01-01' + INTERVAL (i) SECOND + INTERVAL (%d) DAY AS updated_at, random() AS r FROM range(%d) t(i) WHERE %s`
	write := func(name, where string, days int) warehouse.File {
		f, err := w.Write(b.Context(), fmt.Sprintf(wide, days, 10_000_000, where), filepath.Join(dir, name+".parquet"))
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	base := write("base", "true", 0)
	delta := write("delta", "hash(i) % 1000 = 0", 500)
	merge := func(b *testing.B, prev *warehouse.Version, f warehouse.File, cursor string) *warehouse.Version {
		r, err := warehouse.Merge(b.Context(), w, warehouse.MergeInput{Name: warehouse.Name{Schema: "erp", Table: "t"}, Prev: prev, Landed: []warehouse.File{f}, Key: []string{"id"}, Cursor: cursor, Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		return &r.Version
	}
	prev := &warehouse.Version{Key: []string{"id"}, Base: []warehouse.File{base}, Rows: base.Rows}
	var err error
	if prev.Columns, err = w.Describe(b.Context(), "SELECT * FROM "+w.Dialect().Files([]string{base.Path})); err != nil {
		b.Fatal(err)
	}
	b.Run("full/copy", func(b *testing.B) {
		measure(b, func() {
			if _, err := w.Write(b.Context(), w.Dialect().Select(*prev), filepath.Join(dir, "copy.parquet")); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("full/merge", func(b *testing.B) {
		measure(b, func() {
			merge(b, nil, base, "updated_at")
		})
	})
	for _, cursor := range []string{"updated_at", ""} {
		b.Run("delta/cursor="+cursor, func(b *testing.B) {
			measure(b, func() {
				merge(b, prev, delta, cursor)
			})
		})
	}
	for _, full := range []bool{false, true} {
		b.Run(fmt.Sprintf("verify/full=%v", full), func(b *testing.B) {
			measure(b, func() {
				if err := warehouse.Verify(base.Path, base, prev.Columns, full); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
