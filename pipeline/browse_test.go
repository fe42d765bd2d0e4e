package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/warehouse"
)

// TestPersonalValuesStayHidden looks at a table and its quarantine after the project has dropped the tag of a column, and after it
// has dropped the node.
func TestPersonalValuesStayHidden(t *testing.T) {
	const tagged = "models: [ { name: m, columns: [ { name: Email, tags: [PII] }, { name: n, data_tests: [ { accepted_values: { values: [1, 2], severity: quarantine, error_if: '>90%' } } ] } ] } ]\n"
	dir := project(t, map[string]string{"millrace.yml": "name: shop\n", "models/m.yml": tagged,
		"models/m.sql": "{{ config(materialized='table') }} SELECT 'kept@example.com' AS email, 1 AS n UNION ALL SELECT 'out@example.com', 3\n"})
	succeeded(t, run(t, engine(t, dir)))
	shown := func(e *pipeline.Engine, table string) string {
		rows, err := e.ShowPublished(t.Context(), table, 9)
		p, perr := e.Published(t.Context(), table)
		if perr != nil || p == nil {
			t.Fatal(p, perr)
		}
		var b strings.Builder
		fmt.Fprintln(&b, err)
		for _, s := range p.Stats {
			for _, bound := range []*string{s.Min, s.Max} {
				if bound != nil {
					fmt.Fprintln(&b, *bound)
				}
			}
		}
		found, err := e.ProfilePublished(t.Context(), table, nil, 100)
		fmt.Fprintln(&b, err)
		if err == nil {
			fmt.Fprintln(&b, asJSON(t, found))
		}
		if rows != nil {
			for _, cell := range slices.Concat(rows.Rows...) {
				if cell != nil {
					fmt.Fprintln(&b, *cell)
				}
			}
		}
		return b.String()
	}
	write(t, dir, map[string]string{"models/m.yml": strings.Replace(tagged, ", tags: [PII]", "", 1)})
	e := engine(t, dir)
	for _, table := range []string{"main.m", "main.m__quarantine"} {
		if text := shown(e, table); strings.Contains(text, "@example.com") || !strings.Contains(text, "***") {
			t.Errorf("%s without the tag: %s", table, text)
		}
	}
	sets, err := e.Quarantined(t.Context(), "", "")
	if err != nil || len(sets) != 1 {
		t.Fatal(sets, err)
	}
	if rows, err := e.ShowQuarantined(t.Context(), sets[0], "", 9, false); err != nil || *rows.Rows[0][0] != "***" {
		t.Errorf("quarantined, without the tag: %+v, %v", rows, err)
	}
	for _, name := range []string{"m.yml", "m.sql"} {
		if err := os.Remove(filepath.Join(dir, "models", name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, map[string]string{"models/other.sql": "SELECT 1 AS n\n"})
	e = engine(t, dir)
	for _, table := range []string{"main.m", "main.m__quarantine"} {
		if text := shown(e, table); strings.Contains(text, "@") || !strings.Contains(text, "the project has no node main.m any more") {
			t.Errorf("%s without the node: %s", table, text)
		}
	}
	if rows, err := e.ShowQuarantined(t.Context(), sets[0], "", 9, false); err == nil {
		t.Errorf("quarantined, without the node: %+v", rows)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestProfileIsBounded profiles some columns of a table by a sample of it, and leaves no file behind.
func TestProfileIsBounded(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir := project(t, map[string]string{"millrace.yml": "name: shop\n", "models/m.sql": "{{ config(materialized='table') }} SELECT i AS n, i % 3 AS third, 'x' AS same FROM range(5000) a(i)\n",
		"models/v.sql": "{{ config(materialized='view') }} SELECT * FROM {{ ref('m') }}\n"})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	for _, table := range []string{"main.m", "main.v"} {
		p, err := e.ProfilePublished(t.Context(), table, []string{"third"}, 1000)
		if err != nil || p.Rows != 1000 || p.Of != 5000 || len(p.Columns) != 1 || p.Columns[0].Distinct != 3 || *p.Columns[0].Max != "2" || len(p.Proposals) != 0 {
			t.Errorf("%s: %s, %v", table, asJSON(t, p), err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(temp, "millrace-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestLookingTakesLittle looks at what every engine of SQL gets that a server opens.
func TestLookingTakesLittle(t *testing.T) {
	e := engine(t, project(t, map[string]string{"millrace.yml": "name: shop\n",
		"models/m.yml": "models: [ { name: m, columns: [ { name: n, data_tests: [ { accepted_values: { values: [1], severity: quarantine, error_if: '>90%' } } ] } ] } ]\n",
		"models/m.sql": "{{ config(materialized='table') }} SELECT 1 AS n UNION ALL SELECT 3\n"}))
	succeeded(t, run(t, e))
	e.Memory = 4 << 30
	var opened []warehouse.Config
	open := e.Warehouse
	e.Warehouse = func(ctx context.Context, c warehouse.Config) (warehouse.Warehouse, error) {
		opened = append(opened, c)
		return open(ctx, c)
	}
	look := e.Browse()
	set, err := look.InQuarantine(t.Context(), "main.m")
	if err != nil || set.Rows != 1 || set.Rules["accepted_values_n"] != 1 {
		t.Fatal(set, err)
	}
	if _, err := look.ShowQuarantined(t.Context(), *set, "", 9, false); err != nil {
		t.Fatal(err)
	}
	if _, err := look.ShowPublished(t.Context(), "main.m", 9); err != nil {
		t.Fatal(err)
	}
	if len(opened) != 3 {
		t.Errorf("%d opened", len(opened))
	}
	for _, c := range opened {
		if c.Memory != 256<<20 || c.Threads != 1 || c.Timeout != 15*time.Second {
			t.Errorf("%+v", c)
		}
	}
}
