package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/transform/match/matchgen"
)

// matchRunProject is a million persons of one source, matched as matchgen.Plan says.
var matchRunProject = map[string]string{
	"millrace.yml": `name: persons
sources:
  raw:
    type: files
    root: %s
    streams:
      - { name: persons, path: persons-table.parquet }
`,
	filepath.Join("entities", "person.yml"): `sources: [raw.persons]
key: id
weights: person.weights.json
max_pairs: 1000000000
standardize:
  first_name: words
  last_name: words
  email: email
  phone: digits
  street: words
  city: words
block:
  - [email]
  - [phone]
  - [last_name, postcode]
  - [birth_date]
compare:
  first_name: { levels: [exact, { jw: 0.92 }, { jw: 0.88 }, swapped], swap_with: last_name }
  last_name: [exact, { jw: 0.92 }, { jw: 0.88 }]
  birth_date: [exact, { osa: 1 }]
  phone: [exact, { osa: 2 }]
  email: [exact, same_local_part, { jw: 0.92 }]
  postcode: [exact, { osa: 1 }]
  street: [exact, { jw: 0.9 }]
decide: { auto: 0.95, review: 0.5 }
cluster: { max_size: 50 }
`}

// matchRun measures millrace run of an entity of a million records whose source is published and whose weights are trained: from
// standardizing to golden records, all of the process.
func (b *bench) matchRun() error {
	table := filepath.Join(b.data, "persons-table.parquet")
	if _, err := os.Stat(table); err != nil {
		if err := matchgen.New(matchgen.Config{Seed: 1}).WriteTable(table + ".new"); err != nil {
			return err
		}
		if err := os.Rename(table+".new", table); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(b.data, "match-run-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(filepath.Join(dir, "entities"), 0o755); err != nil {
		return err
	}
	for name, text := range matchRunProject {
		if name == "millrace.yml" {
			text = fmt.Sprintf(text, b.data)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"run", "raw.persons"}, {"match", "train", "person"}} {
		if _, err := measure(dir, b.bin, args...); err != nil {
			return err
		}
	}
	var wall, cpu []float64
	rss := 0.0
	for range b.runs {
		u, err := measure(dir, b.bin, "run", "person")
		if err != nil {
			return err
		}
		wall, cpu, rss = append(wall, u.wall), append(cpu, u.cpu), max(rss, u.rss)
	}
	b.add("match-run: millrace run, 1M records to golden: wall", median(wall), "s", 8)
	b.add("match-run: millrace run, 1M records to golden: CPU", median(cpu), "s", 0)
	b.add("match-run: peak RSS", rss, "MiB", 2048)
	return nil
}
