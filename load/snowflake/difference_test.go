package snowflake

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

func TestChoose(t *testing.T) {
	file := func(names ...string) (all []warehouse.File) {
		for _, n := range names {
			all = append(all, warehouse.File{SHA256: n})
		}
		return all
	}
	id, wide, name := warehouse.Column{Name: "id", Type: "INTEGER"}, warehouse.Column{Name: "id", Type: "BIGINT"}, warehouse.Column{Name: "name", Type: "VARCHAR"}
	plain := warehouse.Version{Columns: []warehouse.Column{id}, Base: file("1")}
	more := warehouse.Version{Columns: []warehouse.Column{id}, Base: file("1", "2")}
	twice := warehouse.Version{Columns: []warehouse.Column{id}, Base: file("1", "1")}
	added := warehouse.Version{Columns: []warehouse.Column{id, name}, Base: file("1", "2")}
	other := warehouse.Version{Columns: []warehouse.Column{id}, Base: file("2")}
	widened := warehouse.Version{Columns: []warehouse.Column{wide}, Base: file("1", "2")}
	fewer := warehouse.Version{Columns: []warehouse.Column{name}, Base: file("1", "2")}
	view := warehouse.Version{Columns: []warehouse.Column{id}, View: "SELECT 1 AS id"}
	with := func(v warehouse.Version, key ...string) warehouse.Version { v.Key = key; return v }
	back := warehouse.Version{Columns: []warehouse.Column{id, name}, Base: []warehouse.File{{SHA256: "1", Rows: 1, Stats: map[string]warehouse.Stats{"id": {}, "NAME": {}}}}}
	new := warehouse.Version{Columns: []warehouse.Column{id, name}, Base: []warehouse.File{{SHA256: "1", Rows: 1, Stats: map[string]warehouse.Stats{"id": {}}}}}
	delta := with(more, "id")
	delta.Upserts = file("3")

	for _, c := range []struct {
		about string
		a, b  warehouse.Version
		keep  Keep
		gone  string
		mode  load.Mode
		why   string // part of it, or of the error
	}{
		{"files added", plain, more, Keep{Mode: "auto"}, "", load.ModeAppend, "added"},
		{"files and a column added", plain, added, Keep{Mode: "auto"}, "", load.ModeAppend, "added"},
		{"append needs no old file", plain, more, Keep{Mode: "auto"}, "1.parquet", load.ModeAppend, "added"},
		{"other files", plain, other, Keep{Mode: "auto"}, "", load.ModeFull, "have changed"},
		{"a file again", plain, twice, Keep{Mode: "auto"}, "", load.ModeAppend, "added"},
		{"a file once less", twice, plain, Keep{Mode: "auto"}, "", load.ModeFull, "have changed"},
		{"a file gone", more, plain, Keep{Mode: "auto"}, "", load.ModeFull, "have changed"},
		{"another type", plain, widened, Keep{Mode: "auto"}, "", load.ModeFull, `"id" was INTEGER and is BIGINT`},
		{"a column gone", plain, fewer, Keep{Mode: "auto"}, "", load.ModeFull, `"id" is gone`},
		{"a column back", plain, back, Keep{Mode: "auto"}, "", load.ModeFull, `"name" is back`},
		{"a column that no file has", plain, new, Keep{Mode: "auto"}, "", load.ModeAppend, "added"},
		{"full by swap", plain, other, Keep{Mode: "auto", Swap: true}, "", load.ModeSwap, "have changed"},
		{"full as configured", plain, more, Keep{Mode: "full"}, "", load.ModeFull, "configured"},
		{"append that is none", plain, other, Keep{Mode: "append"}, "", "", "rows that it had have changed"},
		{"append that is one", plain, more, Keep{Mode: "append"}, "", load.ModeAppend, "configured"},
		{"keyed", with(plain, "id"), with(other, "id"), Keep{Mode: "auto"}, "", load.ModeMerge, "id"},
		{"keyed with a delta", with(plain, "id"), delta, Keep{Mode: "auto"}, "", load.ModeMerge, "id"},
		{"keyed and collected", with(plain, "id"), delta, Keep{Mode: "auto"}, "1.parquet", load.ModeFull, "are not here"},
		{"another key", with(plain, "id"), with(added, "id", "name"), Keep{Mode: "merge"}, "", load.ModeFull, "key was (id)"},
		{"a view", view, view, Keep{Mode: "auto"}, "", load.ModeFull, "SELECT"},
		{"a view that became a table", view, more, Keep{Mode: "auto"}, "", load.ModeFull, "view"},
		{"partitions", plain, other, Keep{Mode: "partition"}, "", load.ModePartition, "configured"},
		{"partitions, collected", plain, other, Keep{Mode: "partition"}, "1.parquet", load.ModeFull, "are not here"},
		{"history", with(plain, "id"), delta, Keep{Mode: "scd2"}, "", load.ModeSCD2, "configured"},
		{"history with a wider column", with(added, "name"), with(widened, "name"), Keep{Mode: "scd2"}, "", load.ModeSCD2, "configured"},
		{"history, collected", with(plain, "id"), delta, Keep{Mode: "scd2"}, "1.parquet", "", "cannot be continued"},
	} {
		t.Run(c.about, func(t *testing.T) {
			got, err := choose(&load.Table{Version: c.b}, &load.StandingTable{Version: c.a}, c.keep, c.gone)
			why := got.why
			if err != nil {
				why = err.Error()
			}
			if got.mode != c.mode || !strings.Contains(why, c.why) || (err != nil) != (c.mode == "") {
				t.Errorf("mode %q, why %q, error %v; want %q, %q", got.mode, got.why, err, c.mode, c.why)
			}
		})
	}
}

// TestAppendedTables: rows that are added are appended there from version to version. Files that become one are rows that have changed: who
// publishes for a follower leaves them apart.
func TestAppendedTables(t *testing.T) {
	x := newTruth(t)
	for apart, want := range map[bool]string{true: "append append append", false: "append refused append"} {
		var got []string
		var standing *warehouse.Version
		for i := range 4 {
			added := x.file(fmt.Sprintf("SELECT %d AS n", i))
			next, _, err := warehouse.Append(standing, warehouse.Name{Schema: "main", Table: "log"}, []warehouse.File{added},
				[]warehouse.Column{{Name: "n", Type: "INTEGER"}})
			if err != nil {
				t.Fatal(err)
			}
			together := warehouse.Together{Files: 2, Rows: 10}
			if apart {
				together = warehouse.Together{}
			}
			if err := together.Do(t.Context(), x.w, next, filepath.Join(x.work, fmt.Sprintf("together-%d.parquet", i))); err != nil {
				t.Fatal(err)
			}
			if standing != nil {
				chosen, err := choose(&load.Table{Version: *next}, &load.StandingTable{Version: *standing}, Keep{Mode: "append"}, "")
				if err != nil {
					chosen.mode = "refused"
				}
				got = append(got, string(chosen.mode))
			}
			standing = next
		}
		if strings.Join(got, " ") != want {
			t.Errorf("apart %v: %v, want %s", apart, got, want)
		}
	}
}

func TestFingerprints(t *testing.T) {
	name := func(table string) warehouse.Name { return warehouse.Name{Schema: "main", Table: table} }
	manifest := func(sha, query string) *load.Manifest {
		return &load.Manifest{Tables: []load.Table{
			{Version: warehouse.Version{Name: name("a"), Base: []warehouse.File{{SHA256: sha}}}},
			{Version: warehouse.Version{Name: name("b"), View: query}, Needs: []string{"main.a"}},
			{Version: warehouse.Version{Name: name("c"), View: "SELECT * FROM main.b"}, Needs: []string{"main.b"}},
			{Version: warehouse.Version{Name: name("d"), Base: []warehouse.File{{SHA256: "d"}}}},
		}}
	}
	changed := func(a, b *load.Manifest) (out string) {
		x, y := fingerprints(a, nil, nil, nil), fingerprints(b, nil, nil, nil)
		for _, table := range []string{"a", "b", "c", "d"} {
			if x[name(table)] != y[name(table)] {
				out += table
			}
		}
		return out
	}
	first := manifest("1", "SELECT * FROM main.a")
	if got := changed(first, manifest("1", "SELECT * FROM main.a")); got != "" {
		t.Errorf("the same manifest has other fingerprints: %s", got)
	}
	if got := changed(first, manifest("2", "SELECT * FROM main.a")); got != "abc" {
		t.Errorf("a change of table a changes %s, want abc", got)
	}
	if got := changed(first, manifest("1", "SELECT 1")); got != "bc" {
		t.Errorf("a change of view b changes %s, want bc", got)
	}
}
