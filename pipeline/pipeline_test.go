package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// TestExampleShop runs both nights of the example and compares every count with what the generator of its data
// knows: nothing was lost, doubled or rejected but what should be.
func TestExampleShop(t *testing.T) {
	type counts struct {
		Read, Landed, Rejected, Published int64
		Reasons                           map[string]int64
		Keys                              map[string]int64
	}
	var expected map[string]map[string]counts
	data, err := os.ReadFile("../examples/shop/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &expected); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples/shop")); err != nil {
		t.Fatal(err)
	}
	for _, night := range []string{"night1", "night2"} {
		if night == "night2" {
			deliver(t, filepath.Join(dir, "night2"), filepath.Join(dir, "inbox"))
		}
		e := engine(t, dir)
		r := run(t, e)
		succeeded(t, r)
		m := manifest(t, e)
		for name, want := range expected[night] {
			s := step(t, r, name)
			read := s.Equations[0]
			got := counts{Read: read.Get("read"), Landed: read.Get("landed"), Rejected: read.Get("rejected"), Published: s.Rows, Reasons: map[string]int64{}}
			schema, table, _ := strings.Cut(name, ".")
			for _, rejects := range m.Table(warehouse.Name{Schema: schema, Table: table}).Rejects {
				for reason, n := range rejects.Reasons {
					got.Reasons[reason] += n
				}
			}
			keys := want.Keys
			want.Keys = nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s:\n got %+v\nwant %+v", night, name, got, want)
			}
			for _, eq := range s.Equations {
				if eq.Name != "landed" {
					continue
				}
				for _, term := range []string{"inserted", "updated", "unchanged", "superseded"} {
					if eq.Get(term) != keys[term] {
						t.Errorf("%s, %s: %s is %d, want %d", night, name, term, eq.Get(term), keys[term])
					}
				}
			}
		}
	}
}

// deliver copies the files of a night over those of the last.
func deliver(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

const onePerson = "name: p\nsources:\n  in:\n    type: files\n    streams:\n      - { name: people, path: \"people*.csv\", columns: { id: BIGINT, name: VARCHAR }%s }\n"

// TestDroppedRowIsNoticed drops one row at each stage of a run, and each time the run must go red and say that rows
// are not accounted for. It is the negative control of every equation.
func TestDroppedRowIsNoticed(t *testing.T) {
	files := map[string]string{
		"millrace.yml": fmt.Sprintf(onePerson, ", mode: incremental, key: [id], cursor: name, max_rejects: 50%") + "\n",
		"people1.csv":  "id,name\n1,Ada\n2,Grace\nx,Nobody\n3,Edsger\n",
		"models/m.sql": "{{ config(materialized='table') }} select * from {{ source('in', 'people') }}",
	}
	stages := map[string]func(*pipeline.Engine){
		"undisturbed": func(*pipeline.Engine) {},
		"source miscounts": func(e *pipeline.Engine) {
			around(e, func(s extract.Source) extract.Source { return &miscounter{s} })
		},
		"landing":            func(e *pipeline.Engine) { e.Warehouse = dropping(e.Warehouse, "in.people/") },
		"rejects":            func(e *pipeline.Engine) { e.Warehouse = dropping(e.Warehouse, "rejects/") },
		"building a model":   func(e *pipeline.Engine) { e.Warehouse = swapping(e.Warehouse, "built.parquet") },
		"merging":            func(e *pipeline.Engine) { e.Warehouse = dropping(e.Warehouse, "in.people/merge/") },
		"file after landing": func(e *pipeline.Engine) { e.Warehouse = swapping(e.Warehouse, "in.people/") },
	}
	for name, disturb := range stages {
		t.Run(name, func(t *testing.T) {
			dir := project(t, files)
			if name == "merging" { // needs something to merge with
				succeeded(t, run(t, engine(t, dir)))
				write(t, dir, map[string]string{"people2.csv": "id,name\n3,Edsger W.\n4,Barbara\n"})
			}
			e := engine(t, dir)
			disturb(e)
			r := run(t, e)
			if name == "undisturbed" {
				succeeded(t, r)
				return
			}
			if r.Run.Status == journal.Succeeded {
				t.Fatal("the run is green")
			}
			text := ""
			for _, s := range r.Steps {
				text += s.Error + "\n"
			}
			if !strings.Contains(text, "not accounted for") && !strings.Contains(text, "not what was written") {
				t.Errorf("the errors do not say what is wrong: %s", text)
			}
		})
	}
}

// miscounter is a source that counts one record too many: as if one had been dropped on the way.
type miscounter struct{ extract.Source }

func (m *miscounter) Read(ctx context.Context, r extract.Request) (*extract.Snapshot, error) {
	s, err := m.Source.Read(ctx, r)
	if err == nil {
		outcome := s.Outcome
		s.Outcome = func() (extract.Outcome, error) {
			o, err := outcome()
			o.Read++
			return o, err
		}
	}
	return s, err
}

// dropping wraps the engine so that what it writes to paths like this lacks its first row.
func dropping(open warehouse.Open, like string) warehouse.Open {
	return func(ctx context.Context, cfg warehouse.Config) (warehouse.Warehouse, error) {
		w, err := open(ctx, cfg)
		return &dropper{w, like}, err
	}
}

type dropper struct {
	warehouse.Warehouse
	like string
}

func (d *dropper) Write(ctx context.Context, query, path string) (warehouse.File, error) {
	if strings.Contains(path, d.like) {
		query = "SELECT * FROM (" + query + ") OFFSET 1"
	}
	return d.Warehouse.Write(ctx, query, path)
}

// swapping wraps the engine so that a file lacks a row although its writer counted it.
func swapping(open warehouse.Open, like string) warehouse.Open {
	return func(ctx context.Context, cfg warehouse.Config) (warehouse.Warehouse, error) {
		w, err := open(ctx, cfg)
		return &swapper{w, like}, err
	}
}

type swapper struct {
	warehouse.Warehouse
	like string
}

func (s *swapper) Write(ctx context.Context, query, path string) (warehouse.File, error) {
	file, err := s.Warehouse.Write(ctx, query, path)
	if err != nil || !strings.Contains(path, s.like) {
		return file, err
	}
	_, err = s.Warehouse.Write(ctx, "SELECT * FROM ("+query+") OFFSET 1", path)
	return file, err
}

func (s *swapper) Ingest(ctx context.Context, r array.RecordReader, path string) (warehouse.File, error) {
	return s.Warehouse.Ingest(ctx, r, path)
}

// TestGuards: what is most likely a broken source never replaces a good table without a yes.
func TestGuards(t *testing.T) {
	good := "id,name\n1,Ada\n2,Grace\n3,Edsger\n4,Barbara\n"
	cases := []struct {
		name, keys, second string
		yes                func(*pipeline.Request)
		want               []string
	}{
		{"empty", "", "id,name\n", func(r *pipeline.Request) { r.AllowEmpty = true }, []string{"the source is empty", "4 rows"}},
		{"shrunken", "", "id,name\n1,Ada\n", func(r *pipeline.Request) { r.AllowShrunken = true }, []string{"shrunk from 4 rows to 1", "max_shrink"}},
		{"too many rejects", "", "id,name\n1,Ada\n2,Grace\nx,Edsger\n4,Barbara\n", nil, []string{"1 of 4 records were rejected", "max_rejects"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := project(t, map[string]string{"millrace.yml": fmt.Sprintf(onePerson, c.keys), "people.csv": good})
			succeeded(t, run(t, engine(t, dir)))
			write(t, dir, map[string]string{"people.csv": c.second})
			e := engine(t, dir)
			r := run(t, e)
			if r.Run.Status != journal.Failed || *r.Run.ExitCode != pipeline.ExitFailed {
				t.Fatalf("run is %s", r.Run.Status)
			}
			s := step(t, r, "in.people")
			mentions(t, s.Error, append(c.want, "millrace.yml:6:")...)
			if s.Hint == "" {
				t.Error("there is no hint")
			}
			if got := query(t, e, "select count(*) from \"in\".people")[0][0]; got != int64(4) {
				t.Errorf("the published table has %v rows now", got)
			}
			if c.yes != nil {
				succeeded(t, run(t, engine(t, dir), c.yes))
			}
		})
	}
}

// TestIncrementalEqualsFullReload merges many windows of a changing source and compares with one full read of it.
func TestIncrementalEqualsFullReload(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": fmt.Sprintf(onePerson, ", mode: incremental, key: [id], cursor: at")})
	yml := "name: p\nsources:\n  in:\n    type: files\n    streams:\n      - { name: people, path: \"people*.csv\", mode: incremental, key: [id], cursor: at, columns: { id: BIGINT, name: VARCHAR, at: INTEGER } }\n"
	write(t, dir, map[string]string{"millrace.yml": yml})
	all := ""
	for night := range 6 {
		rows := ""
		for i := range 40 {
			id := (night*7 + i*3) % 50
			// late rows, ties on the cursor, and repeated keys within one file
			rows += fmt.Sprintf("%d,n%d_%d,%d\n", id, night, i%9, (night*5+i*11)%23)
		}
		all += rows
		write(t, dir, map[string]string{fmt.Sprintf("people%02d.csv", night): "id,name,at\n" + rows})
		e := engine(t, dir)
		r := run(t, e)
		succeeded(t, r)
		twin := engine(t, project(t, map[string]string{"millrace.yml": yml, "people.csv": "id,name,at\n" + all}))
		succeeded(t, run(t, twin))
		const q = `select * from "in".people order by id`
		if got, want := query(t, e, q), query(t, twin, q); !reflect.DeepEqual(got, want) {
			t.Fatalf("night %d: incremental and full reload differ:\n got %v\nwant %v", night, got, want)
		}
	}
}

// TestStopAndResume interrupts a run at its first checkpoint; the next one takes up its landed parts.
func TestStopAndResume(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\nsources:\n  g:\n    type: generate\n    streams:\n      - { name: orders, rows: 3000, page: 1000, mode: append }\n"})
	e := engine(t, dir)
	stopsAt(e, 1000)
	nodes, _ := e.Project.Select(nil, nil)
	if _, err := e.Run(t.Context(), pipeline.Request{Nodes: nodes}); !errors.Is(err, pipeline.ErrInterrupted) {
		t.Fatalf("got %v, want ErrInterrupted", err)
	}
	runs, err := e.Journal.Runs(t.Context(), journal.Filter{})
	if err != nil || len(runs) != 1 || runs[0].Status != journal.Interrupted {
		t.Fatalf("runs %+v, %v", runs, err)
	}
	parts, err := e.Journal.Parts(t.Context(), runs[0].ID, "g.orders")
	if err != nil || len(parts) == 0 || len(parts) == 3 {
		t.Fatalf("%d parts were landed before the stop, %v", len(parts), err)
	}
	again := engine(t, dir)
	r := run(t, again)
	succeeded(t, r)
	if !r.Resumed || r.Run.ID != runs[0].ID || r.Run.Attempt != 2 {
		t.Errorf("the run was not resumed: %+v", r.Run)
	}
	if got := query(t, again, "select count(*), count(distinct id) from g.orders")[0]; got[0] != int64(3000) || got[1] != int64(3000) {
		t.Errorf("published %v", got)
	}
}

// TestRetryPublishesTheRest: a partial run is retried, and only what failed is done again.
func TestRetryPublishesTheRest(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml":    fmt.Sprintf(onePerson, ""),
		"people.csv":      "id,name\n1,Ada\n",
		"models/good.sql": "select * from {{ source('in', 'people') }}",
		"models/bad.sql":  "{{ config(materialized='table') }}\nselect name,\n  nonsense\nfrom {{ source('in', 'people') }}",
		"models/next.sql": "select * from {{ ref('bad') }}",
	})
	r := run(t, engine(t, dir))
	if r.Run.Status != journal.Partial || *r.Run.ExitCode != pipeline.ExitPartial {
		t.Fatalf("run is %s", r.Run.Status)
	}
	mentions(t, step(t, r, "main.bad").Error, "models/bad.sql:3:3", "nonsense")
	if got := step(t, r, "main.next").Status; got != journal.UpstreamFailed {
		t.Errorf("main.next is %s", got)
	}
	write(t, dir, map[string]string{"models/bad.sql": "{{ config(materialized='table') }} select name from {{ source('in', 'people') }}"})
	e := engine(t, dir)
	again, err := e.Retry(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	succeeded(t, again)
	if again.Run.ID != r.Run.ID || len(again.Published) != 2 {
		t.Errorf("retried as %s, published %d tables", again.Run.ID, len(again.Published))
	}
	if _, err := e.Retry(t.Context(), ""); !errors.Is(err, pipeline.ErrNoRetry) {
		t.Errorf("a second retry says %v", err)
	}
}

// TestRetryFindsWhatFailed: after a run of another pipeline has succeeded, retry without a name is still about the one that failed.
func TestRetryFindsWhatFailed(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml":    "name: p\npipelines:\n  one: { select: [bad] }\n  two: { select: [good] }\n",
		"models/bad.sql":  "{{ config(materialized='table') }} select nonsense",
		"models/good.sql": "{{ config(materialized='table') }} select 1 as id",
	})
	failed := run(t, engine(t, dir), func(r *pipeline.Request) { r.Nodes = r.Nodes[:1] })
	succeeded(t, run(t, engine(t, dir), func(r *pipeline.Request) { r.Nodes = r.Nodes[1:] }))
	again, err := engine(t, dir).Retry(t.Context(), "")
	if err != nil || again.Run.ID != failed.Run.ID {
		t.Fatalf("%+v, %v", again, err)
	}
	later := run(t, engine(t, dir), func(r *pipeline.Request) { r.Nodes = r.Nodes[:1] })
	if _, err := engine(t, dir).Retry(t.Context(), failed.Run.ID); !errors.Is(err, pipeline.ErrNoRetry) || !strings.Contains(err.Error(), "millrace retry "+later.Run.ID) {
		t.Errorf("got %v", err)
	}
}

// TestPublishAllOrNothing: with publish: all, one failure keeps everything back.
func TestPublishAllOrNothing(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml":   fmt.Sprintf(onePerson, "") + "pipelines:\n  nightly: { publish: all }\n",
		"people.csv":     "id,name\n1,Ada\n",
		"models/bad.sql": "select nonsense from {{ source('in', 'people') }}",
	})
	r := run(t, engine(t, dir))
	if r.Run.Status != journal.Failed || r.Snapshot != 0 {
		t.Errorf("run is %s with snapshot %d", r.Run.Status, r.Snapshot)
	}
}

// keptOut runs all of the first project and, while it is at a node, of the second, which has to be told who holds the lock.
func keptOut(t *testing.T, first, second *pipeline.Engine, lock string) {
	t.Helper()
	nodes, _ := second.Project.Select(nil, nil)
	var err error
	first.Observe = func(ev pipeline.Event) {
		if ev.Kind == "start" && ev.Node != "" && err == nil {
			_, err = second.Run(context.Background(), pipeline.Request{Nodes: nodes})
		}
	}
	succeeded(t, run(t, first))
	if !errors.Is(err, pipeline.ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
	mentions(t, err.Error(), lock, fmt.Sprint(os.Getpid()))
}

// TestLocked: a second run of the pipeline is told who has it.
func TestLocked(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\nsources:\n  g:\n    type: generate\n    streams:\n      - { name: orders, rows: 1000 }\n"})
	first, second := engine(t, dir), engine(t, dir)
	keptOut(t, first, second, "default")
}

// TestNodeOfTwoLocks: the project gives a stream to another pipeline while a run of it is under way. Two runs at once would each publish
// what they made of the table before, and the second would take back what the first had brought.
func TestNodeOfTwoLocks(t *testing.T) {
	const yml = "name: p\nsources:\n  g:\n    type: generate\n    streams:\n      - { name: orders, rows: 1000 }\npipelines:\n  %s: { select: ['source:g'] }\n"
	dir := project(t, map[string]string{"millrace.yml": fmt.Sprintf(yml, "old")})
	first := engine(t, dir)
	write(t, dir, map[string]string{"millrace.yml": fmt.Sprintf(yml, "new")})
	second := engine(t, dir)
	keptOut(t, first, second, "old")
	succeeded(t, run(t, second)) // and the lock of a run that has ended holds nobody
}

// preparing is a target before which something happens.
type preparing struct {
	load.Loader
	before func()
}

func (p *preparing) Prepare(ctx context.Context) error {
	p.before()
	return p.Loader.Prepare(ctx)
}

// TestNodeOfTwoLocksAtOnce: of two such runs that begin at the same time, one goes no further, and does its work when the other has ended.
func TestNodeOfTwoLocksAtOnce(t *testing.T) {
	const yml = "name: p\nsources:\n  g:\n    type: generate\n    streams:\n      - { name: orders, rows: 1000 }\npipelines:\n  %s: { select: ['source:g'] }\n"
	dir := project(t, map[string]string{"millrace.yml": fmt.Sprintf(yml, "old")})
	first := engine(t, dir)
	write(t, dir, map[string]string{"millrace.yml": fmt.Sprintf(yml, "new")})
	second := engine(t, dir)
	nodes, _ := second.Project.Select(nil, nil)
	others, _ := first.Project.Select(nil, nil)
	under, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	first.Observe = func(ev pipeline.Event) {
		if ev.Kind == "start" && ev.Node != "" {
			close(under)
			<-goOn
		}
	}
	loader := second.Loader
	second.Loader = &preparing{loader, func() { // it has seen that nobody is at the node
		go func() {
			_, err := first.Run(context.Background(), pipeline.Request{Nodes: others})
			ended <- err
		}()
		<-under
	}}
	_, err := second.Run(t.Context(), pipeline.Request{Nodes: nodes})
	close(goOn)
	if !errors.Is(err, pipeline.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	second.Loader = loader
	r := run(t, second)
	succeeded(t, r)
	if !r.Resumed || r.Run.Attempt != 2 {
		t.Errorf("attempt %d, resumed %v", r.Run.Attempt, r.Resumed)
	}
}

// TestGivenUpBeforePublishing: a run that is ended while it waits for others that publish was interrupted, and is taken up.
func TestGivenUpBeforePublishing(t *testing.T) {
	e := engine(t, project(t, map[string]string{"millrace.yml": fmt.Sprintf(onePerson, ""), "people.csv": "id,name\n1,Ada\n"}))
	if err := e.Loader.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	locker := e.Loader.(interface {
		Lock(context.Context) (func(), error)
	})
	unlock, err := locker.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e.Observe = func(ev pipeline.Event) {
		if ev.Kind == "start" && ev.Phase == "publish" {
			cancel()
		}
	}
	nodes, _ := e.Project.Select(nil, nil)
	_, err = e.Run(ctx, pipeline.Request{Nodes: nodes})
	runs, listErr := e.Journal.Runs(t.Context(), journal.Filter{})
	if !errors.Is(err, pipeline.ErrInterrupted) || listErr != nil || len(runs) != 1 || runs[0].Status != journal.Interrupted {
		t.Fatalf("%v; the journal has %+v, %v", err, runs, listErr)
	}
	unlock()
	r := run(t, e)
	succeeded(t, r)
	if !r.Resumed || r.Snapshot == 0 {
		t.Errorf("resumed %v, snapshot %d", r.Resumed, r.Snapshot)
	}
}

// TestOvertakenSaysHowToGoOn: another run publishes the table to the same target meanwhile, from a folder of its own that knows no lock of ours.
func TestOvertakenSaysHowToGoOn(t *testing.T) {
	out := t.TempDir()
	yml := "name: p\ntarget: t\ntargets: { t: { type: local, path: " + out + " } }\nsources:\n  g:\n    type: generate\n    streams:\n      - { name: orders, rows: 10 }\n" +
		"pipelines:\n  daily: { select: ['source:g'] }\n"
	slow, fast := engine(t, project(t, map[string]string{"millrace.yml": yml})), engine(t, project(t, map[string]string{"millrace.yml": yml}))
	slow.Observe = func(ev pipeline.Event) {
		if ev.Kind == "start" && ev.Phase == "publish" {
			succeeded(t, run(t, fast))
		}
	}
	nodes, _ := slow.Project.Select(nil, nil)
	_, err := slow.Run(t.Context(), pipeline.Request{Nodes: nodes})
	if !errors.Is(err, load.ErrOvertaken) {
		t.Fatal(err)
	}
	mentions(t, err.Error(), "`millrace run daily` begins anew")
	runs, err := slow.Journal.Runs(t.Context(), journal.Filter{})
	if err != nil || len(runs) != 1 || pipeline.NextCommand(runs[0]) != "millrace run daily" {
		t.Errorf("%+v, %v", runs, err)
	}
}

// TestNextCommandAsksForTheSame: the command that begins anew has the flags that decide what is built.
func TestNextCommandAsksForTheSame(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for want, asked := range map[string]journal.Selection{
		"millrace run daily":                          {},
		"millrace run daily --full-refresh --rebuild": {FullRefresh: true, Rebuild: true},
		"millrace run daily --event-time-start 2026-03-01T00:00:00Z --event-time-end 2026-03-01T12:30:00.5Z": {
			EventTime: &journal.EventTime{From: from, To: from.Add(12*time.Hour + 30*time.Minute + time.Second/2)}},
	} {
		r := journal.Run{Pipeline: "daily", Status: journal.Failed, Error: load.ErrOvertaken.Error(), Selection: asked}
		if got := pipeline.NextCommand(r); got != want {
			t.Errorf("%s, and not %s", got, want)
		}
		if of := asked.EventTime; of != nil {
			if to, err := models.ParseEventTime(of.To.Format(time.RFC3339Nano)); err != nil || !to.Equal(of.To) {
				t.Errorf("the flag is read as %v, %v", to, err)
			}
		}
	}
}

// still wraps sources so that their windows end where they began.
type still struct{ extract.Source }

func (s *still) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	w, err := s.Source.Window(ctx, st, since, fixed)
	if err == nil {
		w.Hi = since
	}
	return w, err
}

// TestCursorStandsStill: rows that arrive without moving the cursor would arrive again each night.
func TestCursorStandsStill(t *testing.T) {
	e := engine(t, project(t, map[string]string{"millrace.yml": fmt.Sprintf(onePerson, ", mode: append"), "people.csv": "id,name\n1,Ada\n"}))
	around(e, func(s extract.Source) extract.Source { return &still{s} })
	r := run(t, e)
	if r.Run.Status != journal.Failed {
		t.Fatalf("run is %s", r.Run.Status)
	}
	mentions(t, step(t, r, "in.people").Error, "the cursor stands still")
}

// TestNullKeys: rows without a key cannot be merged and become rejects, with their place.
func TestNullKeys(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml": fmt.Sprintf(onePerson, ", mode: incremental, key: [id], cursor: name, max_rejects: 50%"),
		"people.csv":   "id,name\n1,Ada\n,Nobody\n2,Grace\n",
	})
	e := engine(t, dir)
	r := run(t, e)
	succeeded(t, r)
	if got := step(t, r, "in.people").Equations[0].String(); got != "read 3 = landed 2 + rejected 1" {
		t.Error(got)
	}
	sets, err := e.Rejects(t.Context(), "in.people", "")
	if err != nil || len(sets) != 1 {
		t.Fatalf("%+v, %v", sets, err)
	}
	err = sets[0].Each(t.Context(), func(got pipeline.RejectedRecord) bool {
		if got.File != "people.csv" || got.Line != 3 || got.Offset != 14 || got.Raw != ",Nobody" {
			t.Errorf("%+v", got)
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	if got := manifest(t, e).Tables[0].Rejects[0].Reasons; !reflect.DeepEqual(got, map[string]int64{extract.ReasonNullKey: 1}) {
		t.Error(got)
	}
}
