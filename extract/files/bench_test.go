package files

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/duckdb"
)

// TestBenchLineitem measures the fast path against DuckDB's own COPY, the contestants taking turns at going first:
// MILLRACE_BENCH_CSV=/tmp/x/l.csv go test -count=1 -run Bench -v. Without -count=1 go test prints its last answer again.
func TestBenchLineitem(t *testing.T) {
	path := os.Getenv("MILLRACE_BENCH_CSV")
	if path == "" {
		t.Skip("MILLRACE_BENCH_CSV is not set")
	}
	ctx, dir := context.Background(), t.TempDir()
	o := columns(&StreamOptions{Path: filepath.Base(path)}, "l_orderkey", "BIGINT", "l_partkey", "BIGINT", "l_suppkey", "BIGINT", "l_linenumber", "INTEGER",
		"l_quantity", "DECIMAL(12,2)", "l_extendedprice", "DECIMAL(12,2)", "l_discount", "DECIMAL(12,2)", "l_tax", "DECIMAL(12,2)", "l_returnflag", "VARCHAR",
		"l_linestatus", "VARCHAR", "l_shipdate", "DATE", "l_commitdate", "DATE", "l_receiptts", "TIMESTAMP", "l_shipinstruct", "VARCHAR", "l_shipmode", "VARCHAR", "l_comment", "VARCHAR")
	src := must[extract.Source](t)(open(extract.Env{Project: "/"}, &Options{Root: filepath.Dir(path)}))
	var decl []string
	for n, typ := range o.Columns.All() {
		decl = append(decl, text(n)+": "+text(typ))
	}
	db := must[*duckdb.DB](t)(duckdb.Open(ctx, duckdb.Config{Dirs: []string{dir, filepath.Dir(path)}}))
	defer db.Close()
	out := filepath.Join(dir, "p.parquet")
	contestants := []struct {
		name string
		run  func()
	}{
		{"auto", func() { must[*duckdb.Copied](t)(db.Copy(ctx, "SELECT * FROM read_csv("+text(path)+")", out, asIs)) }},
		{"typed", func() {
			must[*duckdb.Copied](t)(db.Copy(ctx, "SELECT * FROM read_csv("+text(path)+", auto_detect=false, header=true, delim=',', quote='\"', escape='\"', columns={"+strings.Join(decl, ", ")+"})", out, asIs))
		}},
		{"ours", func() {
			st := stream(o, extract.Full)
			w := must[*extract.Window](t)(src.Window(ctx, st, ""))
			snap := must[*extract.Snapshot](t)(src.Read(ctx, extract.Request{Stream: st, Window: w, Slice: w.Slices[0], Scratch: dir, Progress: func(int64, int64) {}}))
			defer snap.Close()
			copied := must[*duckdb.Copied](t)(db.Copy(ctx, snap.Scan.SQL, out, asIs))
			if got := must[extract.Outcome](t)(snap.Outcome()); got.Read != copied.Rows {
				t.Errorf("read %d, copied %d", got.Read, copied.Rows)
			}
		}},
	}
	const rounds = 9
	wall, cpu := map[string][]time.Duration{}, map[string][]time.Duration{}
	for round := range rounds + 1 {
		for i := range contestants {
			c := contestants[(i+round)%len(contestants)]
			os.Remove(out)
			from, begin := processor(), time.Now()
			c.run()
			if round > 0 { // the first warms up
				wall[c.name] = append(wall[c.name], time.Since(begin))
				cpu[c.name] = append(cpu[c.name], processor()-from)
			}
		}
	}
	median := func(d []time.Duration) float64 { s := slices.Sorted(slices.Values(d)); return s[len(s)/2].Seconds() }
	for _, c := range contestants {
		s := slices.Sorted(slices.Values(wall[c.name]))
		t.Logf("%-5s wall median %.2f s (%.2f to %.2f), processor median %.2f s", c.name, median(s), s[0].Seconds(), s[len(s)-1].Seconds(), median(cpu[c.name]))
	}
	for _, base := range []string{"auto", "typed"} {
		var ratios []string
		for i := range rounds {
			ratios = append(ratios, fmt.Sprintf("%.2f", wall["ours"][i].Seconds()/wall[base][i].Seconds()))
		}
		t.Logf("ours/%s: median wall %.2f, processor %.2f; by round %s", base, median(wall["ours"])/median(wall[base]), median(cpu["ours"])/median(cpu[base]), strings.Join(ratios, " "))
	}
}

// processor is the processor time of this process so far.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkAudit(b *testing.B) {
	path := os.Getenv("MILLRACE_BENCH_CSV")
	if path == "" {
		b.Skip("MILLRACE_BENCH_CSV is not set")
	}
	cols := []auditColumn{{kind: intText}, {kind: intText}, {kind: intText}, {kind: intText}, {decText, 2}, {decText, 2}, {decText, 2}, {decText, 2}, {}, {}, {kind: dateText}, {kind: dateText}, {kind: tsText}, {}, {}, {}}
	d := &dialect{Delim: ',', Quote: '"', Escape: '"', Header: true, Null: []string{""}}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	buf := make([]byte, auditBlock)
	for b.Loop() {
		f, err := openStored(context.Background(), root, filepath.Base(path), "none", "", 0, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := newAudit(d, cols).run(f, buf, 16<<20, func(int64, int64) {}); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
