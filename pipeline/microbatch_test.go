package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// The batches of a model are published together, with an account of all rows: rows that a check keeps out among them. A batch that fails
// leaves the table as it was, and a range that is asked for builds no others.
func TestMicrobatch(t *testing.T) {
	events := func(rows string) map[string]string { return map[string]string{"seeds/events.csv": "id,day\n" + rows} }
	config := "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='day', begin='2023-01-01', batch_size='year', lookback=10) }}\n"
	dir := dbtShop(t, map[string]string{
		"seeds/events.csv": "id,day\n1,2023-05-01\n2,2024-05-01\n,2025-05-01\n4,2025-06-01\n",
		"models/by_year.sql": config + "select id, day, {% if model.batch.id == '2023' %}1{% else %}2::bigint{% endif %} as n, " +
			"{% if model.batch.id == '2024' and var('broken', false) %}error('no such year'){% else %}1{% endif %} as e from {{ ref('events') }}",
		"models/summing.sql": config + "select id, day, {% if is_incremental() %}(select coalesce(sum(id), 0)::bigint from {{ this }}){% else %}0::bigint{% endif %} as so_far from {{ ref('events') }}",
		"models/models.yml": "seeds:\n  - {name: events, config: {event_time: day}}\n" +
			"models:\n  - {name: by_year, columns: [{name: id, data_tests: [{not_null: {config: {severity: quarantine, error_if: '> 5'}}}]}]}\n",
	})
	now := func() *pipeline.Engine { return engineWith(t, models.Loading{Dir: dir}) }
	check := func(what, byYear, summing string) {
		t.Helper()
		e := now()
		for table, want := range map[string]string{"main.by_year": byYear, "main.summing": summing} {
			var rows []string
			for _, row := range publishedTables(t, e)[table].Rows {
				var cells []string
				for _, c := range row {
					if c == nil {
						cells = append(cells, "-")
					} else {
						cells = append(cells, *c)
					}
				}
				rows = append(rows, strings.Join(cells, " "))
			}
			slices.Sort(rows)
			if got := fmt.Sprintf("%q", rows); got != want {
				t.Errorf("%s: %s has %s\nwant %s", what, table, got, want)
			}
		}
	}
	r := run(t, now())
	if s := step(t, r, "main.summing"); s.Equations == nil || !strings.Contains(fmt.Sprint(s.Equations), "published 4") {
		t.Errorf("%v", s.Equations)
	}
	first := `["1 2023-05-01 1 1" "2 2024-05-01 2 1" "4 2025-06-01 2 1"]`
	check("first", first, `["- 2025-05-01 3" "1 2023-05-01 0" "2 2024-05-01 1" "4 2025-06-01 3"]`)

	write(t, dir, events("1,2023-05-02\n2,2024-05-02\n4,2025-06-02\n"))
	of := func(year int) time.Time { return time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC) }
	e := now()
	r, err := e.Run(context.Background(), pipeline.Request{Nodes: e.Project.Nodes, EventTime: &journal.EventTime{From: of(2024), To: of(2024).AddDate(0, 1, 0)}})
	if err != nil || *r.Run.ExitCode != pipeline.ExitOK {
		t.Fatal(err, r)
	}
	ranged := `["1 2023-05-01 1 1" "2 2024-05-02 2 1" "4 2025-06-01 2 1"]`
	check("the range", ranged, `["- 2025-05-01 3" "1 2023-05-01 0" "2 2024-05-02 7" "4 2025-06-01 3"]`)

	write(t, dir, map[string]string{"dbt_project.yml": "name: shop\nprofile: shop\nvars: {broken: true}\n"})
	r = run(t, now())
	if s := step(t, r, "main.by_year"); s.Status != journal.Failed || !strings.Contains(s.Error, "no such year") {
		t.Errorf("by_year is %s: %s", s.Status, s.Error)
	}
	check("a batch fails", ranged, `["1 2023-05-02 7" "2 2024-05-02 7" "4 2025-06-02 7"]`)
}

// TestStrategyOfWhatIsNotIncremental: a view in a folder whose models are microbatch models is a view.
func TestStrategyOfWhatIsNotIncremental(t *testing.T) {
	dir := dbtShop(t, map[string]string{"models/v.sql": "{{ config(materialized='view', incremental_strategy='microbatch') }} select 1 as id"})
	if r := run(t, engineWith(t, models.Loading{Dir: dir})); *r.Run.ExitCode != pipeline.ExitOK || len(r.Published) != 1 {
		t.Errorf("exit code %d, %s, published %v", *r.Run.ExitCode, r.Run.Error, r.Published)
	}
}

// TestContractOfIncrementalModel: the types of a contract that a published model gets are what it has from then on.
func TestContractOfIncrementalModel(t *testing.T) {
	sql := "{{ config(materialized='incremental', unique_key='id') }} select i::bigint as id, i::hugeint as h from range(3) t(i)"
	dir := dbtShop(t, map[string]string{"models/m.sql": sql})
	run(t, engineWith(t, models.Loading{Dir: dir}))
	write(t, dir, map[string]string{"models/m.yml": "models: [{name: m, config: {contract: {enforced: true}}, " +
		"columns: [{name: id, data_type: bigint}, {name: h, data_type: 'decimal(38,0)'}]}]\n"})
	if r := run(t, engineWith(t, models.Loading{Dir: dir})); *r.Run.ExitCode != pipeline.ExitOK {
		t.Errorf("exit code %d, %v", *r.Run.ExitCode, step(t, r, "main.m").Error)
	}
}
