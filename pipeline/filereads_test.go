package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// TestFilesThatModelsRead: a run brings them in, counted; unchanged ones are not read again, and nothing is built of them; what cannot be
// read fails its model alone.
func TestFilesThatModelsRead(t *testing.T) {
	dir := project(t, map[string]string{
		"dbt_project.yml": "name: shop\nprofile: shop\nmodels: {+materialized: table}\n",
		"profiles.yml":    "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
		"models/a.sql":    "with o as (from read_csv('data/o_*.csv', filename = true)) select read_json.x, o.* from o join read_json('data/j.json') using (id) -- all",
		"models/b.sql":    "pivot {{ ref('a') }} on x using count(*) group by id",
		"models/c.sql":    "{{ config(materialized='view') }} select o_1.id from 'data/o_1.csv'",
		"models/d.sql":    "from 'data/gone.parquet'",
		"models/e.sql":    "{% if execute %}from 'data/j.json'{% endif %}",
		"models/f.sql":    "{% if execute %}from 'data/other.json'{% endif %}",
		"models/g.sql":    "select column_name from (summarize 'data/o_1.csv') union all select n from (table 'data/o_1.csv')",
		"data/o_1.csv":    "id,n\n1,é\n",
		"data/o_2.csv":    "id,n\n2,y\n",
		"data/j.json":     `{"id": 1, "x": "one"} {"id": 2, "x": "two"}`,
	})
	settle := func(name string, ago time.Duration) { // a file that was written just now is read again
		if err := os.Chtimes(filepath.Join(dir, "data", name), time.Time{}, time.Now().Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"o_1.csv", "o_2.csv", "j.json"} {
		settle(name, time.Hour)
	}
	e := engineWith(t, models.Loading{Dir: dir})
	r := run(t, e)
	for node, want := range map[string]journal.Status{"files.o": journal.Succeeded, "main.a": journal.Succeeded, "main.b": journal.Succeeded, "main.c": journal.Succeeded,
		"files.gone": journal.Failed, "main.d": journal.UpstreamFailed, "main.e": journal.Succeeded, "main.g": journal.Succeeded, "main.f": journal.Failed} {
		if got := step(t, r, node); got.Status != want {
			t.Errorf("%s is %s, and not %s: %s", node, got.Status, want, got.Error)
		}
	}
	if f := step(t, r, "main.f"); !strings.Contains(f.Error, "models/f.sql:1:22") || !strings.Contains(f.Error, "was not found when the project was loaded") {
		t.Errorf("f: %s", f.Error)
	}
	if got := fmt.Sprint(step(t, r, "files.o").Equations); !strings.Contains(got, "read 2 = landed 2") {
		t.Errorf("the files are counted as %s", got)
	}
	rows := func() string {
		var all []string
		tables := publishedTables(t, e)
		for _, row := range tables["main.a"].Rows {
			var cells []string
			for _, v := range row {
				cells = append(cells, *v)
			}
			all = append(all, strings.Join(cells, " "))
		}
		slices.Sort(all)
		for _, c := range tables["main.b"].Columns {
			all = append(all, c[0])
		}
		return strings.Join(all, ", ")
	}
	if got, want := rows(), "one 1 é data/o_1.csv, two 2 y data/o_2.csv, id, one, two"; got != want {
		t.Errorf("the rows are %s, and not %s", got, want)
	}
	r = run(t, e)
	for _, node := range []string{"files.o", "files.j", "files.o_1", "main.a", "main.b", "main.c"} {
		if got := step(t, r, node); !got.Unchanged {
			t.Errorf("%s is made again: %s %v", node, got.Status, got.Equations)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "j.json"), []byte(`{"id": 2, "x": "three"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r = run(t, e)
	if step(t, r, "files.j").Unchanged || !step(t, r, "files.o").Unchanged || rows() != "three 2 y data/o_2.csv, id, three" {
		t.Errorf("behind a change the rows are %s", rows())
	}
}

// TestTypesVerify: a sum of integers is a HUGEINT to who reads the table, and none in its file; so are an ENUM and an INTERVAL.
func TestTypesVerify(t *testing.T) {
	e := engineWith(t, models.Loading{Dir: project(t, map[string]string{
		"dbt_project.yml": "name: shop\n",
		"models/s.sql":    "{{ config(materialized='table') }} select sum(i) as s, {'s': sum(i)} as n, max('a'::enum('a', 'b')) as e, max(interval 1 day) as d from range(3) t(i)",
	})})
	run(t, e)
	found, err := e.VerifyPublished(t.Context(), pipeline.VerifyRequest{Full: true})
	if err != nil || len(found.Problems) > 0 {
		t.Errorf("%+v: %v", found, err)
	}
}
