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
	return nil
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
		t := took{this.Wall - last.Wall, this.CPU - last.CPU}
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
