package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/matchgen"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// matched is what one matching process took.
type matched struct {
	Read, Engine, Count, Edges, Sample took
	Pairs, Kept                        int64
	Patterns                           int
}

// took is seconds. On a machine that others use too, those of the processors say more.
type took struct{ Wall, CPU float64 }

// match measures the comparing of a million persons: reading their records, blocking, headers, and all candidates fused with counting.
func (b *bench) match() error {
	records := filepath.Join(b.data, "persons-records.parquet")
	if _, err := os.Stat(records); err != nil {
		if err := matchgen.New(matchgen.Config{Seed: 1}).WriteRecords(records + ".new"); err != nil {
			return err
		}
		if err := os.Rename(records+".new", records); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var rss float64
	var runs []matched
	for range b.runs {
		u, err := measure("", self, "-matching", records)
		if err != nil {
			return err
		}
		var m matched
		if err := json.Unmarshal(u.stdout, &m); err != nil {
			return err
		}
		runs, rss = append(runs, m), max(rss, u.rss)
	}
	b.addTook("match: read the records, 1M x 13 texts", runs, func(m *matched) took { return m.Read }, 1)
	b.addTook("match: blocks and headers", runs, func(m *matched) took { return m.Engine }, 0)
	b.addTook(fmt.Sprintf("match: %d pairs blocked, compared, counted, by 10M", runs[0].Pairs), runs,
		func(m *matched) took { return m.Count.by(m.Pairs) }, 1)
	b.addTook(fmt.Sprintf("match: %d edges kept of them, by 10M", runs[0].Kept), runs,
		func(m *matched) took { return m.Edges.by(m.Pairs) }, 0)
	b.addTook("match: 2M pairs by chance", runs, func(m *matched) took { return m.Sample }, 0)
	b.add("match: peak RSS", rss, "MiB", 2048)
	if err := b.matchSince(self, records); err != nil {
		return err
	}
	return b.matchSQL(self, records, runs)
}

// matchSQL measures the same plan as SQL, which makes the same pairs and counts the same patterns: what one would write for DuckDB by hand,
// with each measure of a pair computed once. Both read the same file, on as many threads.
func (b *bench) matchSQL(self, records string, runs []matched) error {
	var ratios, cpus []float64
	for i := range runs {
		u, err := measure("", self, "-matching-sql", records)
		if err != nil {
			return err
		}
		var pairs int64
		if err := json.Unmarshal(u.stdout, &pairs); err != nil {
			return err
		}
		own := runs[i].sum()
		if pairs != runs[i].Pairs {
			return fmt.Errorf("match: SQL compares %d pairs, the engine %d", pairs, runs[i].Pairs)
		}
		b.add("match: the same plan as SQL: wall", u.wall, "s", 0)
		b.add("match: the same plan as SQL: CPU", u.cpu, "s", 0)
		ratios, cpus = append(ratios, u.wall/own.Wall), append(cpus, u.cpu/own.CPU)
		if u.wall > longSQL {
			break
		}
	}
	b.atLeast("match: wall of the same as SQL, by that of reading, blocking and counting", median(ratios), "x", 5)
	b.atLeast("match: CPU of the same as SQL, by that of reading, blocking and counting", median(cpus), "x", 5)
	return nil
}

// longSQL is how many seconds of wall are enough to be measured once.
const longSQL = 20

// sum is what the engine took for what SQL does: it keeps no edges.
func (m *matched) sum() took {
	return took{m.Read.Wall + m.Engine.Wall + m.Count.Wall, m.Read.CPU + m.Engine.CPU + m.Count.CPU}
}

// runMatchingSQL is the process that is measured: it counts the patterns of all pairs by SQL and prints how many pairs there are.
func runMatchingSQL(records string) error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "millrace-bench-sql-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, err := duckdb.Open(ctx, warehouse.Config{Memory: 4 << 30, Threads: runtime.NumCPU(), Dirs: []string{filepath.Dir(records)}, Temp: dir})
	if err != nil {
		return err
	}
	defer w.Close()
	s, err := match.NewSQLPlan(matchgen.Plan(), w.Dialect(), match.SQLInput{Records: w.Dialect().Files([]string{records})})
	if err != nil {
		return err
	}
	counts, err := w.Query(ctx, "SELECT CAST(sum(pairs) AS BIGINT) FROM (\n"+s.Count()+"\n) AS c")
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(counts.Rows[0][0])
}

// by is what 10 million pairs took.
func (t took) by(pairs int64) took {
	return took{t.Wall * 1e7 / float64(pairs), t.CPU * 1e7 / float64(pairs)}
}

// addTook adds the medians of a part of all runs; the bar is for the wall.
func (b *bench) addTook(name string, runs []matched, part func(*matched) took, bar float64) {
	var wall, cpu []float64
	for i := range runs {
		t := part(&runs[i])
		wall, cpu = append(wall, t.Wall), append(cpu, t.CPU)
	}
	b.add(name+": wall", median(wall), "s", bar)
	b.add(name+": CPU", median(cpu), "s", 0)
}

// runMatching is the process that is measured. MATCH_PROFILE names a file for a CPU profile of it.
func runMatching(records string) error {
	if path := os.Getenv("MATCH_PROFILE"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	m, err := matching(context.Background(), records)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(m)
}

func matching(ctx context.Context, path string) (m matched, err error) {
	last := now()
	lap := func() took {
		this := now()
		t := this.less(last)
		last = this
		return t
	}
	plan := matchgen.Plan()
	records, err := match.ReadRecords(ctx, path, plan)
	if err != nil {
		return m, err
	}
	m.Read = lap()
	engine, err := match.NewEngine(ctx, match.Config{Threads: runtime.NumCPU()}, plan, records)
	if err != nil {
		return m, err
	}
	m.Engine = lap()
	counts, err := engine.Count(ctx, nil)
	if err != nil {
		return m, err
	}
	m.Count = lap()
	for _, c := range counts {
		m.Pairs += c.Pairs
	}
	m.Patterns = len(counts)
	edges, err := engine.Edges(ctx, nil, similarEnough)
	if err != nil {
		return m, err
	}
	m.Edges, m.Kept = lap(), int64(len(edges))
	if _, err := engine.Sample(ctx, 2_000_000); err != nil {
		return m, err
	}
	m.Sample = lap()
	return m, nil
}

// now is the time, and how much of it this process has used the processors.
func now() took {
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return took{float64(time.Now().UnixNano()) / 1e9, float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1e9}
}

// similarEnough keeps pairs that agree in three things or more.
func similarEnough(_, _ uint32, p match.Pattern) (float64, match.Verdict, bool) {
	agree := 0
	for c := range 7 {
		if p.Level(c) == 1 {
			agree++
		}
	}
	return float64(agree), match.Match, agree >= 3
}
