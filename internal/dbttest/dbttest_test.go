package dbttest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const fixture = "../../testdata/dbt"

// TestExpectedIsWhole fails where the project was changed and the expectations were not made again, or only in part.
func TestExpectedIsWhole(t *testing.T) {
	nodes, days, err := Load(fixture + "/expected")
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range nodes {
		path := filepath.Join(fixture, "fixture", n.File)
		if strings.Contains(id, ".toolbox.") {
			path = filepath.Join(fixture, "fixture/dbt_packages/toolbox", n.File)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, d := range days {
		for id, r := range d.Results {
			n, known := nodes[id]
			if !known && !strings.HasPrefix(id, "operation.") {
				t.Errorf("day %d: result of %s, which is no node", d.Number, id)
			}
			name := n.Schema + "." + n.Alias
			table, there := d.Tables[name]
			built := r.Status == "success" && slices.Contains([]string{"model", "seed", "snapshot"}, n.Type)
			if built != there && (built || r.Status == "skipped" && n.Type == "model") {
				t.Errorf("day %d: %s is %s, its table %s is there: %v", d.Number, id, r.Status, name, there)
			}
			inBatches := n.Config["incremental_strategy"] == "microbatch" // dbt keeps the SQL of none of them
			if built && n.Type != "seed" && !inBatches && d.Compiled[id] == "" {
				t.Errorf("day %d: %s has no compiled SQL", d.Number, id)
			}
			for _, row := range table.Rows {
				if len(row) != len(table.Columns) {
					t.Fatalf("day %d: %s: a row of %d values under %d columns", d.Number, name, len(row), len(table.Columns))
				}
			}
		}
	}
}

// TestEveryModelIsExpected fails where a model was added and the expectations were not made again.
func TestEveryModelIsExpected(t *testing.T) {
	nodes, _, err := Load(fixture + "/expected")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, n := range nodes {
		known[n.File] = true
	}
	files, err := filepath.Glob(fixture + "/fixture/models/*/*.sql")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d models, %v", len(files), err)
	}
	off := []string{"models/disabled/never_built.sql", "models/versions/off_in_sql.sql"}
	for _, f := range files {
		rel, _ := filepath.Rel(fixture+"/fixture", f)
		if rel = filepath.ToSlash(rel); known[rel] == slices.Contains(off, rel) {
			t.Errorf("%s: expected %v", rel, known[rel])
		}
	}
}

func row(values ...string) []*string {
	out := make([]*string, len(values))
	for i, v := range values {
		if v != "NULL" {
			out[i] = &v
		}
	}
	return out
}

func TestHideClock(t *testing.T) {
	columns := [][2]string{{"dbt_scd_id", "VARCHAR"}, {"dbt_updated_at", "TIMESTAMP"}, {"dbt_valid_from", "TIMESTAMP"},
		{"dbt_valid_to", "TIMESTAMP"}}
	const data, clock, never = "2024-01-01 00:00:00", "2031-05-05 00:00:00", "9999-12-31 00:00:00"
	for _, c := range []struct{ in, want []*string }{
		{row("h", data, data, "NULL"), row("h", data, data, "NULL")},
		{row("h", data, data, clock), row("h", data, data, "<clock>")},
		{row("h", clock, clock, never), row("<hash of clock>", "<clock>", "<clock>", never)},
	} {
		got := Table{Columns: columns, Rows: [][]*string{c.in}}
		got.HideClock()
		if diff := Diff(Table{Columns: columns, Rows: [][]*string{c.want}}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDiff(t *testing.T) {
	want := Table{Columns: [][2]string{{"a", "INTEGER"}}, Rows: [][]*string{row("1"), row("2"), row("2"), row("NULL")}}
	for _, c := range []struct {
		name string
		got  Table
		diff string
	}{
		{"another order", Table{Columns: want.Columns, Rows: [][]*string{row("2"), row("NULL"), row("2"), row("1")}}, ""},
		{"a row once", Table{Columns: want.Columns, Rows: [][]*string{row("2"), row("NULL"), row("1")}}, `missing 1x ["2"]`},
		{"a text for none", Table{Columns: want.Columns, Rows: [][]*string{row("2"), row(""), row("2"), row("1")}},
			"too many 1x [\"\"]\nmissing 1x [null]"},
		{"another type", Table{Columns: [][2]string{{"a", "BIGINT"}}, Rows: want.Rows},
			"columns\n  want [[a INTEGER]]\n  got  [[a BIGINT]]"},
	} {
		if diff := Diff(want, c.got); diff != c.diff {
			t.Errorf("%s: %q, not %q", c.name, diff, c.diff)
		}
	}
}
