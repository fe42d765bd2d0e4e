package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/internal/duckdb"
)

// labelled are the projects of bench/matching, each over a labelled data set, and the F1 of pairs that it must reach. That of
// splink_fake_1000 is what Splink 4 reaches with the settings of its documentation.
var labelled = []struct {
	name, entity string
	f1           float64
	largest      float64 // cluster, not above; 0: no bar
}{
	{"febrl1", "person", 0.999, 0},
	{"febrl3", "person", 0.999, 0},
	{"splink_fake_1000", "person", 0.911, 0},
	{"historical_a", "person", 0.92, 60},
	{"dblp_acm", "paper", 0.985, 0},
	{"abt_buy", "product", 0.93, 0},
	{"fodors_zagats", "restaurant", 0.97, 0},
	{"restaurants_okkam", "restaurant", 0.97, 0},
	{"restaurant_dedupe", "restaurant", 0.97, 0},
	{"cora", "paper", 0.90, 0},
}

// matchQuality measures what millrace run finds of the duplicates of labelled data sets, with the short files that a user would write.
// MATCH_SETS names some of them, with commas.
func (b *bench) matchQuality() error {
	data := os.Getenv("MILLRACE_MATCHING_DATA")
	if data == "" {
		data = filepath.Join("..", "shared", "data", "matching")
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	if _, err := os.Stat(data); err != nil {
		fmt.Println("skipped: the labelled data sets are not at", data, "(MILLRACE_MATCHING_DATA)")
		return nil
	}
	if err := os.Setenv("MILLRACE_MATCHING_DATA", data); err != nil {
		return err
	}
	only := os.Getenv("MATCH_SETS")
	for _, set := range labelled {
		if only != "" && !strings.Contains(","+only+",", ","+set.name+",") {
			continue
		}
		q, u, err := b.matchOne(set.name, set.entity, data)
		if err != nil {
			return fmt.Errorf("%s: %w", set.name, err)
		}
		if q.Unknown > 0 {
			return fmt.Errorf("%s: %d records of the labels are not among those that were matched", set.name, q.Unknown)
		}
		b.atLeast(set.name+": F1 of pairs in clusters", q.F1, "", set.f1)
		b.add(set.name+": precision", q.Precision, "", 0)
		b.add(set.name+": recall", q.Recall, "", 0)
		b.add(set.name+": largest cluster", q.Largest, "records", set.largest)
		b.add(fmt.Sprintf("%s: run, %.0f records", set.name, q.Records), u.wall, "s", 0)
	}
	return nil
}

// evaluated is what millrace match evaluate --json says that is recorded.
type evaluated struct {
	F1        float64 `json:"f1"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	Largest   float64 `json:"largest_cluster"`
	Records   float64 `json:"records"`
	Unknown   int     `json:"unknown"`
}

// matchOne runs a project in a copy of its own.
func (b *bench) matchOne(name, entity, data string) (q evaluated, u usage, err error) {
	dir, err := os.MkdirTemp("", "match-quality-*")
	if err != nil {
		return q, u, err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("bench", "matching", name))); err != nil {
		return q, u, err
	}
	if err := writeGold(dir, data); err != nil {
		return q, u, err
	}
	if u, err = measure(dir, b.bin, "run"); err != nil {
		return q, u, err
	}
	judged, err := measure(dir, b.bin, "match", "evaluate", entity, "--gold", "gold.csv", "--json")
	if err != nil {
		return q, u, err
	}
	return q, u, json.Unmarshal(judged.stdout, &q)
}

// writeGold makes the labels that gold.sql says, for millrace match evaluate.
func writeGold(dir, data string) error {
	query, err := os.ReadFile(filepath.Join(dir, "gold.sql"))
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := duckdb.Open(ctx, duckdb.Config{Dirs: []string{"/"}, Temp: filepath.Join(dir, "spill")})
	if err != nil {
		return err
	}
	defer db.Close()
	labels := strings.ReplaceAll(string(query), "${data}", data)
	return db.Exec(ctx, "COPY ("+labels+") TO '"+filepath.Join(dir, "gold.csv")+"' (HEADER)")
}
