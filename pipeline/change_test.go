package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// What follows changes a project or its surroundings between runs: what was published must neither be lost nor stand
// in the way.

// TestViewBecomesIncremental: the published view must not be bound before what it reads.
func TestViewBecomesIncremental(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml": fmt.Sprintf(onePerson, ""), "people.csv": "id,name\n1,Ada\n",
		"models/m.sql": "select * from {{ source('in', 'people') }}",
	})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"models/m.sql": "{{ config(materialized='incremental', unique_key='id') }} select * from {{ source('in', 'people') }}"})
	succeeded(t, run(t, engine(t, dir)))
}

// TestTableBecomesIncremental: a published table without a key cannot be merged into, and is built anew.
func TestTableBecomesIncremental(t *testing.T) {
	const sql = "{{ config(%s) }} select * from {{ source('in', 'people') }}{% if is_incremental() %} where false{% endif %}"
	dir := project(t, map[string]string{
		"millrace.yml": fmt.Sprintf(onePerson, ""), "people.csv": "id,name\n1,Ada\n",
		"models/m.sql": strings.Replace(sql, "%s", "materialized='table'", 1),
	})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"models/m.sql": strings.Replace(sql, "%s", "materialized='incremental', unique_key='id'", 1), "people.csv": "id,name\n1,Ada\n2,Grace\n"})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	if got := query(t, e, "select count(*) from main.m")[0][0]; got != int64(2) {
		t.Errorf("%v rows", got)
	}
}

// TestBrokenViewBlocksNobody: a published view whose table has lost a column leaves the catalog and says so; other
// tables go on being published.
func TestBrokenViewBlocksNobody(t *testing.T) {
	const yml = "name: p\nsources:\n  in:\n    type: files\n    streams:\n      - { name: people, path: people.csv, columns: { id: BIGINT%s } }\n"
	dir := project(t, map[string]string{
		"millrace.yml": fmt.Sprintf(yml, ", name: VARCHAR"), "people.csv": "id,name\n1,Ada\n",
		"models/v.sql": "select name from {{ source('in', 'people') }}",
		"models/t.sql": "{{ config(materialized='table') }} select id from {{ source('in', 'people') }}",
	})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"millrace.yml": fmt.Sprintf(yml, ""), "people.csv": "id\n1\n2\n"})
	e := engine(t, dir)
	r := run(t, e)
	if r.Run.Status != journal.Partial || step(t, r, "main.t").Rows != 2 {
		t.Fatalf("run is %s: %s", r.Run.Status, r.Run.Error)
	}
	for _, table := range manifest(t, e).Tables {
		if (table.Broken != "") != (table.Table == "v") {
			t.Errorf("%s is broken: %q", table.Name, table.Broken)
		}
	}
}

// TestModeChangeReadsAnew: a full stream that becomes append starts over instead of adding what is there already.
func TestModeChangeReadsAnew(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": fmt.Sprintf(onePerson, ""), "people1.csv": "id,name\n1,Ada\n2,Grace\n"})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"millrace.yml": fmt.Sprintf(onePerson, ", mode: append"), "people2.csv": "id,name\n3,Edsger\n"})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	if got := query(t, e, `select count(*), count(distinct id) from "in".people`)[0]; got[0] != int64(3) || got[1] != int64(3) {
		t.Errorf("the table has %v", got)
	}
}

// TestRetryReadsTheNewDefinition: a retry after the stream was mended must not use what the old definition landed.
func TestRetryReadsTheNewDefinition(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": fmt.Sprintf(onePerson, ""), "people.csv": "id,name\nx1,Ada\nx2,Grace\n"})
	if r := run(t, engine(t, dir)); r.Run.Status != journal.Failed {
		t.Fatalf("run is %s", r.Run.Status)
	}
	write(t, dir, map[string]string{"millrace.yml": strings.Replace(fmt.Sprintf(onePerson, ""), "id: BIGINT", "id: VARCHAR", 1)})
	e := engine(t, dir)
	r, err := e.Retry(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	succeeded(t, r)
	if got := query(t, e, `select id from "in".people order by id`); !reflect.DeepEqual(got, [][]any{{"x1"}, {"x2"}}) {
		t.Error(got)
	}
}

// TestRetryReadsWhatWasMended: rows that failed the checks of their stream were mended where they come from.
func TestRetryReadsWhatWasMended(t *testing.T) {
	for _, mode := range []string{"full", "append"} {
		t.Run(mode, func(t *testing.T) {
			dir := project(t, map[string]string{
				"millrace.yml":   fmt.Sprintf(onePerson, ", mode: "+mode),
				"models/_in.yml": "sources:\n  - name: in\n    tables:\n      - { name: people, columns: [{ name: name, tests: [not_null] }] }\n",
				"people.csv":     "id,name\n1,Ada\n2,\n",
			})
			first := run(t, engine(t, dir))
			if first.Run.Status != journal.Failed || *first.Run.ExitCode != pipeline.ExitChecks {
				t.Fatalf("run is %s", first.Run.Status)
			}
			write(t, dir, map[string]string{"people.csv": "id,name\n1,Ada\n2,Grace\n3,Alan\n"})
			e := engine(t, dir)
			again, err := e.Retry(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			succeeded(t, again)
			if again.Run.ID != first.Run.ID {
				t.Errorf("retried as %s", again.Run.ID)
			}
			if got := query(t, e, `select id, name from "in".people order by id`); fmt.Sprint(got) != "[[1 Ada] [2 Grace] [3 Alan]]" {
				t.Error(got)
			}
		})
	}
}

// TestLostPointerIsNoticed: a target without its pointer is not taken for a new one.
func TestLostPointerIsNoticed(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": fmt.Sprintf(onePerson, ", mode: append"), "people1.csv": "id,name\n1,Ada\n"})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	if err := os.Remove(filepath.Join(e.TargetRoot, "current")); err != nil {
		t.Fatal(err)
	}
	again := engine(t, dir)
	nodes, _ := again.Project.Select(nil, nil)
	if _, err := again.Run(t.Context(), pipeline.Request{Nodes: nodes}); !errors.Is(err, load.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// TestOwnFilesAreNotRead: a glob over the whole project does not read what the project publishes.
func TestOwnFilesAreNotRead(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\nsources:\n  in:\n    type: files\n    streams: [ { name: all, path: \"**/*.csv\" } ]\ntargets:\n  local: { type: local, path: out }\n",
		"data/a.csv": "id\n1\n", "out/b.csv": "id\n2\n", ".millrace/c.csv": "id\n3\n"})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	if got := query(t, e, `select count(*) from "in"."all"`)[0][0]; got != int64(1) {
		t.Errorf("%v rows were read", got)
	}
}

// gathering lets the first reads of streams begin together.
type gathering struct {
	extract.Source
	waiting *atomic.Int64 // for so many reads
	all     chan struct{} // closed when they are there
}

func (g *gathering) Read(ctx context.Context, r extract.Request) (*extract.Snapshot, error) {
	if g.waiting.Add(-1) == 0 {
		close(g.all)
	}
	select {
	case <-g.all:
	case <-time.After(time.Minute):
		return nil, errors.New("the streams are not read at once")
	}
	return g.Source.Read(ctx, r)
}

// TestStopLetsEveryPartInHandFinish: with two streams at once, the one that notices the stop must not cut the other
// off in the middle of its part.
func TestStopLetsEveryPartInHandFinish(t *testing.T) {
	const stream = "      - { name: %s, rows: 2000, page: 1000, mode: append, delay: 150ms }\n"
	dir := project(t, map[string]string{"millrace.yml": "name: p\nsources:\n  g:\n    type: generate\n    streams:\n" + fmt.Sprintf(stream, "a") + fmt.Sprintf(stream, "b")})
	e := engine(t, dir)
	waiting, all := &atomic.Int64{}, make(chan struct{})
	waiting.Store(2)
	around(e, func(s extract.Source) extract.Source { return &gathering{s, waiting, all} })
	stopsAt(e, 0)
	nodes, _ := e.Project.Select(nil, nil)
	if _, err := e.Run(t.Context(), pipeline.Request{Nodes: nodes}); !errors.Is(err, pipeline.ErrInterrupted) {
		t.Fatalf("got %v", err)
	}
	runs, _ := e.Journal.Runs(t.Context(), journal.Filter{})
	parts, err := e.Journal.Parts(t.Context(), runs[0].ID, "")
	if err != nil || len(parts) != 2 {
		t.Errorf("%d parts were landed, want one of each stream; %v", len(parts), err)
	}
	again := engine(t, dir)
	succeeded(t, run(t, again))
	if got := query(t, again, "select (select count(*) from g.a), (select count(*) from g.b)")[0]; got[0] != int64(2000) || got[1] != int64(2000) {
		t.Error(got)
	}
}

// TestEmptySourceWithAYes: an emptied folder replaces the table by an empty one when it is allowed to.
func TestEmptySourceWithAYes(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": fmt.Sprintf(onePerson, ""), "people.csv": "id,name\n1,Ada\n"})
	succeeded(t, run(t, engine(t, dir)))
	if err := os.Remove(filepath.Join(dir, "people.csv")); err != nil {
		t.Fatal(err)
	}
	if r := run(t, engine(t, dir)); r.Run.Status != journal.Failed {
		t.Fatalf("without a yes the run is %s", r.Run.Status)
	}
	e := engine(t, dir)
	succeeded(t, run(t, e, func(r *pipeline.Request) { r.AllowEmpty = true }))
	if got := query(t, e, `select count(*) from "in".people`)[0][0]; got != int64(0) {
		t.Errorf("the table has %v rows", got)
	}
}

// TestBigNumbersAreNotRounded: what no type holds exactly stays text.
func TestBigNumbersAreNotRounded(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\nsources:\n  in:\n    type: files\n    streams: [ { name: n, path: n.csv } ]\n",
		"n.csv": "id,x\n12345678901234567890,0.30000000000000004\n12345678901234567891,2.5\n"})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	got := query(t, e, `select id, typeof(x) from "in".n order by id`)
	if want := [][]any{{"12345678901234567890", "DOUBLE"}, {"12345678901234567891", "DOUBLE"}}; !reflect.DeepEqual(got, want) {
		t.Error(got)
	}
}

// TestDrop: a table leaves the target only when the project does not make it and no view reads it.
func TestDrop(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml": fmt.Sprintf(onePerson, ""), "people.csv": "id,name\n1,Ada\n",
		"models/t.sql": "{{ config(materialized='table') }} select * from {{ source('in', 'people') }}",
		"models/v.sql": "select * from {{ ref('t') }}",
	})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	if _, err := e.Drop(t.Context(), "main.t"); err == nil {
		t.Error("a node of the project was dropped")
	}
	if err := os.RemoveAll(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	e = engine(t, dir)
	if _, err := e.Drop(t.Context(), "main.t"); err == nil {
		t.Error("a table was dropped under a view")
	}
	for _, name := range []string{"main.v", "main.t"} {
		if _, err := e.Drop(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if m := manifest(t, e); len(m.Tables) != 1 {
		t.Errorf("%d tables are left", len(m.Tables))
	}
	succeeded(t, run(t, engine(t, dir)))
}
