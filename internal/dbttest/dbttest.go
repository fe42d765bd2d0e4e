// Package dbttest reads what real dbt made of the project testdata/dbt/fixture, so that tests hold our results against it. It knows
// nothing of our engine and runs nothing. Read Day first; testdata/dbt/README.md says how the files came to be.
package dbttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Days is how often `dbt build` ran, with --vars '{day: 1}' and so on, over the same database.
const Days = 3

// Node is what dbt's manifest says of a node, as far as names, places and configuration go.
type Node struct {
	Type        string         `json:"resource_type"`
	Name        string         `json:"name"`
	Alias       string         `json:"alias"`
	Schema      string         `json:"schema"`
	Relation    string         `json:"relation_name"` // as SQL has it; empty where there is none
	FQN         []string       `json:"fqn"`
	Tags        []string       `json:"tags"`
	File        string         `json:"original_file_path"`
	Column      string         `json:"column_name"`
	Attached    string         `json:"attached_node"`
	Description string         `json:"description"`
	DependsOn   []string       `json:"depends_on"`
	Config      map[string]any `json:"config"`
}

// Result is how a node ended: success, error, skipped, no-op; a test: pass, warn, fail, error, skipped.
type Result struct {
	ID       string  `json:"unique_id"`
	Status   string  `json:"status"`
	Failures *int    `json:"failures"` // of tests that ran
	Message  *string `json:"message"`  // of tests that ran and did not pass
}

// Table is a table or view: its columns with DuckDB's types, its rows with each value as DuckDB casts it to VARCHAR.
type Table struct {
	Kind    string      `json:"kind"`
	Columns [][2]string `json:"columns"`
	Rows    [][]*string `json:"rows"`
}

// Day is the state after one run: every result by id, every table by "schema.name", the compiled SQL by id.
type Day struct {
	Number   int
	Results  map[string]Result
	Tables   map[string]Table
	Compiled map[string]string
}

// Load reads the folder testdata/dbt/expected: the nodes by id, as of the first day, and the days.
func Load(dir string) (map[string]Node, []Day, error) {
	var manifest struct{ Nodes map[string]Node }
	if err := read(dir, "nodes.json", &manifest); err != nil {
		return nil, nil, err
	}
	days := make([]Day, Days)
	compiled := map[string]string{}
	for i := range days {
		d := Day{Number: i + 1, Results: map[string]Result{}}
		var results []Result
		if err := read(dir, fmt.Sprintf("day%d_results.json", d.Number), &results); err != nil {
			return nil, nil, err
		}
		for _, r := range results {
			d.Results[r.ID] = r
		}
		if err := read(dir, fmt.Sprintf("day%d_tables.json", d.Number), &d.Tables); err != nil {
			return nil, nil, err
		}
		// A day's file holds what differs from the day before.
		if err := read(dir, fmt.Sprintf("day%d_compiled.json", d.Number), &compiled); err != nil {
			return nil, nil, err
		}
		d.Compiled = maps.Clone(compiled)
		days[i] = d
	}
	return manifest.Nodes, days, nil
}

func read(dir, name string, into any) error {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

var (
	starts  = []string{"dbt_valid_from", "valid_from", "dbt_updated_at", "changed_at"}
	ends    = []string{"dbt_valid_to", "valid_to"}
	hashes  = []string{"dbt_scd_id", "version_id"}
	byClock = "<clock>"
	byHash  = "<hash of clock>"
)

// HideClock writes "<clock>" for a snapshot's times that come from the clock and "<hash of clock>" for hashes over them, as the
// expected tables have it. The data's own times are of 2024, an end that stands for none is of 9999.
func (t *Table) HideClock() {
	for _, row := range t.Rows {
		hashed := false
		for i, c := range t.Columns {
			start := slices.Contains(starts, c[0])
			if (start || slices.Contains(ends, c[0])) && row[i] != nil && *row[i] >= "2025" && *row[i] < "9999" {
				row[i] = &byClock
				hashed = hashed || start
			}
		}
		for i, c := range t.Columns {
			if hashed && slices.Contains(hashes, c[0]) {
				row[i] = &byHash
			}
		}
	}
}

// Diff says how got differs from want: columns in their order, rows in any; "" where it does not. Kind is not compared.
func Diff(want, got Table) string {
	if !slices.Equal(want.Columns, got.Columns) {
		return fmt.Sprintf("columns\n  want %v\n  got  %v", want.Columns, got.Columns)
	}
	count := map[string]int{}
	for _, r := range want.Rows {
		count[text(r)]++
	}
	for _, r := range got.Rows {
		count[text(r)]--
	}
	var b strings.Builder
	for _, row := range slices.Sorted(maps.Keys(count)) {
		switch n := count[row]; {
		case n > 0:
			fmt.Fprintf(&b, "missing %dx %s\n", n, row)
		case n < 0:
			fmt.Fprintf(&b, "too many %dx %s\n", -n, row)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// text is a row as one comparable line.
func text(row []*string) string {
	line, _ := json.Marshal(row)
	return string(line)
}
