package matchgen

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/transform/match"
)

func TestPersons(t *testing.T) {
	p := New(Config{Entities: 4000, Duplicates: 1000, Seed: 7})
	q := New(Config{Entities: 4000, Duplicates: 1000, Seed: 7})
	seen := map[string]bool{}
	exact, changed := 0, 0
	for i := range p.N() {
		r := p.Record(i)
		if r != q.Record(i) {
			t.Fatalf("record %d is another each time", i)
		}
		if seen[r.ID] {
			t.Fatalf("%s is there twice", r.ID)
		}
		seen[r.ID] = true
		if r.Values == p.entity(r.Entity) {
			exact++
		} else {
			changed++
		}
	}
	if exact < 4000 || changed < 900 {
		t.Errorf("%d records are as they should be, %d have errors", exact, changed)
	}
	gold := p.Gold()
	for _, pair := range gold {
		if p.EntityOf(int(pair[0])) != p.EntityOf(int(pair[1])) || pair[0] >= pair[1] {
			t.Fatalf("%v is no true pair", pair)
		}
	}
	if len(gold) < 1000 || len(gold) > 1500 {
		t.Errorf("%d true pairs", len(gold))
	}
}

// TestRecordsAreThoseOfThePlan finds most true pairs among the candidates of the plan, in the files that are written.
func TestRecordsAreThoseOfThePlan(t *testing.T) {
	p := New(Config{Entities: 4000, Duplicates: 1000, Seed: 7})
	dir := t.TempDir()
	path := filepath.Join(dir, "records.parquet")
	if err := p.WriteRecords(path); err != nil {
		t.Fatal(err)
	}
	records, err := match.ReadRecords(context.Background(), path, Plan())
	if err != nil {
		t.Fatal(err)
	}
	engine, err := match.NewEngine(context.Background(), match.Config{}, Plan(), records)
	if err != nil {
		t.Fatal(err)
	}
	edges, err := engine.Edges(context.Background(), nil, func(_, _ uint32, _ match.Pattern) (float64, match.Verdict, bool) { return 0, 0, true })
	if err != nil {
		t.Fatal(err)
	}
	candidates := map[[2]uint32]bool{}
	for _, e := range edges {
		candidates[[2]uint32{e.A, e.B}] = true
	}
	found, gold := 0, p.Gold()
	for _, pair := range gold {
		if candidates[pair] {
			found++
		}
	}
	if found*100 < 90*len(gold) {
		t.Errorf("%d of %d true pairs are candidates", found, len(gold))
	}
	if err := p.WriteTable(filepath.Join(dir, "table.parquet")); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteGold(filepath.Join(dir, "gold.csv")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "gold.csv"))
	if err != nil || strings.Count(string(text), "\n") != len(gold)+1 {
		t.Errorf("%d lines of gold: %v", strings.Count(string(text), "\n"), err)
	}
}
