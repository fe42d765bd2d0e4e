package main

import (
	"bytes"
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
	filepath.Join("entities", "person.yml"): `sources:
  - { table: raw.persons, key: id%s }
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
	var wall, cpu []float64
	var dir string
	var weights []byte
	rss := 0.0
	for range b.runs { // each from nothing: a second one of the same would compare nothing
		fresh, err := os.MkdirTemp(b.data, "match-run-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(fresh)
		dir = fresh
		if weights, err = b.startMatchRun(dir, weights); err != nil {
			return err
		}
		u, err := measure(dir, b.bin, "run", "person")
		if err != nil {
			return err
		}
		wall, cpu, rss = append(wall, u.wall), append(cpu, u.cpu), max(rss, u.rss)
	}
	b.add("match-run: millrace run, 1M records to golden: wall", median(wall), "s", 8)
	b.add("match-run: millrace run, 1M records to golden: CPU", median(cpu), "s", 0)
	b.add("match-run: peak RSS", rss, "MiB", 2048)
	return b.matchChanged(dir)
}

// startMatchRun writes the project, publishes its source, and gives its weights: those that it is given, or else trains them.
func (b *bench) startMatchRun(dir string, weights []byte) ([]byte, error) {
	if err := os.MkdirAll(filepath.Join(dir, "entities"), 0o755); err != nil {
		return nil, err
	}
	if err := b.writeMatchRun(dir, ""); err != nil {
		return nil, err
	}
	if _, err := measure(dir, b.bin, "run", "raw.persons"); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "person.weights.json")
	if weights != nil {
		return weights, os.WriteFile(file, weights, 0o644)
	}
	if _, err := measure(dir, b.bin, "match", "train", "person"); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// writeMatchRun writes the project. columns is what its source says besides, beginning with a comma.
func (b *bench) writeMatchRun(dir, columns string) error {
	for name, text := range matchRunProject {
		if name == "millrace.yml" {
			text = fmt.Sprintf(text, b.data)
		} else {
			text = fmt.Sprintf(text, columns)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// matchChanged measures a run in which one record in a hundred has another birth date than in the run before: every second run, so that
// each finds as many changed. The dates are as many as those of the others: ten thousand records of one birth date would be 50 million
// pairs, three times what the first run compares.
func (b *bench) matchChanged(dir string) error {
	var wall, cpu []float64
	rss := 0.0
	for i := range b.runs {
		columns := ""
		if i%2 == 0 {
			columns = `, columns: { birth_date: "CASE WHEN CAST(substr(id, 2) AS BIGINT) % 100 = 0 THEN strftime(DATE '1940-01-01' + CAST(hash(id) % 24000 AS INTEGER), '%Y-%m-%d') ELSE birth_date END" }`
		}
		if err := b.writeMatchRun(dir, columns); err != nil {
			return err
		}
		u, err := measure(dir, b.bin, "run", "person")
		if err != nil {
			return err
		}
		if !bytes.Contains(u.stdout, []byte("changed records against")) {
			return fmt.Errorf("match-run: the run compared all records:\n%s", u.stdout)
		}
		wall, cpu, rss = append(wall, u.wall), append(cpu, u.cpu), max(rss, u.rss)
	}
	b.add("match-run: the same, one record in a hundred changed: wall", median(wall), "s", 0)
	b.add("match-run: the same, one record in a hundred changed: CPU", median(cpu), "s", 0)
	b.add("match-run: the same: peak RSS", rss, "MiB", 2048)
	return nil
}
