package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/matchgen"
)

// fresh is what new records took, and how many there were.
type fresh struct {
	Compare, Cluster took
	Records, Edges   int
}

// freshOf is of how many records one is new: 10,000 of a million.
const freshOf = 100

// matchSince measures that some records are new, when the rest is known and all have been read.
func (b *bench) matchSince(self, records string) error {
	var walls, cpus []float64
	name := ""
	for range b.runs {
		u, err := measure("", self, "-matching-since", records)
		if err != nil {
			return err
		}
		var f fresh
		if err := json.Unmarshal(u.stdout, &f); err != nil {
			return err
		}
		walls, cpus = append(walls, f.Compare.Wall+f.Cluster.Wall), append(cpus, f.Compare.CPU+f.Cluster.CPU)
		name = fmt.Sprintf("match: %d new records against all, compared, decided and clustered", f.Records)
	}
	b.add(name+": wall", median(walls), "s", 2)
	b.add(name+": CPU", median(cpus), "s", 0)
	return nil
}

// runMatchingSince is the process that is measured: it matches all records, and then as if some of them were new.
func runMatchingSince(path string) error {
	ctx := context.Background()
	plan := matchgen.Plan()
	records, err := match.ReadRecords(ctx, path, plan)
	if err != nil {
		return err
	}
	engine, err := match.NewEngine(ctx, match.Config{Threads: runtime.NumCPU()}, plan, records)
	if err != nil {
		return err
	}
	weights, err := match.Train(ctx, plan, records, engine)
	if err != nil {
		return err
	}
	scoring, err := match.NewScoring(plan, weights, records)
	if err != nil {
		return err
	}
	all, err := engine.Edges(ctx, nil, scoring.Keep)
	if err != nil {
		return err
	}
	since, f := make([]bool, records.N), fresh{Edges: len(all)}
	for i := 0; i < records.N; i += freshOf {
		since[i] = true
		f.Records++
	}
	var known []match.Edge
	for _, e := range all {
		if !since[e.A] && !since[e.B] {
			known = append(known, e)
		}
	}
	began := now()
	edges, err := engine.Edges(ctx, since, scoring.Keep)
	if err != nil {
		return err
	}
	if edges = append(edges, known...); len(edges) != len(all) {
		return fmt.Errorf("match: %d edges of new records and known ones, %d of all", len(edges), len(all))
	}
	match.SortEdges(edges)
	compared := now()
	if _, err := match.ClusterContext(ctx, plan, scoring, engine, records, edges); err != nil {
		return err
	}
	clustered := now()
	f.Compare, f.Cluster = compared.less(began), clustered.less(compared)
	return json.NewEncoder(os.Stdout).Encode(f)
}

func (t took) less(other took) took { return took{t.Wall - other.Wall, t.CPU - other.CPU} }
