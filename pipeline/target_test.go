package pipeline_test

import (
	"context"
	"errors"
	"testing"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

const twoTargets = "target: prod\ntargets:\n  prod: { type: local, path: warehouse }\n  dev: { type: local, path: dev }\n"

// TestTargetsAreApart: a run for another target neither gives up what an interrupted one has landed, nor stands between a failed one and its
// retry, nor is it what the status tells.
func TestTargetsAreApart(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml": "name: p\n" + twoTargets + "sources:\n  g:\n    type: generate\n    streams:\n      - { name: orders, rows: 3000, page: 1000, mode: append }\n",
		"models/m.sql": "{{ config(materialized='table') }} select nonsense",
	})
	e := engine(t, dir)
	stopsAt(e, 0)
	nodes, _ := e.Project.Select(nil, nil)
	if _, err := e.Run(t.Context(), pipeline.Request{Nodes: nodes}); !errors.Is(err, pipeline.ErrInterrupted) {
		t.Fatalf("got %v, want ErrInterrupted", err)
	}
	dev := run(t, engineFor(t, dir, "dev"))
	if dev.Resumed || dev.Run.Status != journal.Partial {
		t.Errorf("the run for dev: %+v", dev.Run)
	}
	prod := run(t, engine(t, dir))
	if !prod.Resumed || prod.Run.Attempt != 2 || prod.Run.Resumed == nil || !prod.Run.Resumed.After(prod.Run.Started) || prod.Run.Status != journal.Partial {
		t.Errorf("the run for prod was not taken up: %+v", prod.Run)
	}
	write(t, dir, map[string]string{"models/m.sql": "{{ config(materialized='table') }} select 1 as id"})
	other := run(t, engineFor(t, dir, "dev"))
	succeeded(t, other)
	if again, err := engine(t, dir).Retry(t.Context(), ""); err != nil || again.Run.ID != prod.Run.ID || again.Run.Status != journal.Succeeded {
		t.Errorf("retry: %+v, %v; want run %s", again, err, prod.Run.ID)
	}
	for target, want := range map[string]string{"prod": prod.Run.ID, "dev": other.Run.ID} {
		s, err := engineFor(t, dir, target).Status(t.Context())
		if err != nil || len(s.Unfinished) != 0 {
			t.Fatalf("status: %+v, %v", s, err)
		}
		for _, table := range s.Tables {
			if table.Name == "main.m" && (table.Run != want || table.Stale) {
				t.Errorf("%s: %+v", target, table)
			}
		}
	}
}

// TestKilledForAnotherTarget: a run that was killed stays what it is until somebody of its target looks: a run for another one says nothing.
func TestKilledForAnotherTarget(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\n" + twoTargets + "pipelines: { nightly: {} }\n", "models/m.sql": "{{ config(materialized='table') }} select 1 as id"})
	e := engine(t, dir)
	killed := journal.Run{ID: "killed", Pipeline: "nightly", Attempt: 1, Status: journal.Running, Started: e.Clock(), Selection: journal.Selection{Nodes: []string{"main.m"}, Target: "prod"}}
	if err := e.Journal.BeginRun(t.Context(), killed); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target string
		want   journal.Status
	}{{"dev", journal.Running}, {"prod", journal.Abandoned}} {
		succeeded(t, run(t, engineFor(t, dir, c.target)))
		if r, err := e.Journal.Run(t.Context(), killed.ID); err != nil || r.Status != c.want {
			t.Errorf("after a run for %s it is %s, %v", c.target, r.Status, err)
		}
	}
}

// TestByHandIsNoRun: a cursor that somebody sets makes no table fresh and no failed run good, which a retry takes up, from the new cursor.
func TestByHandIsNoRun(t *testing.T) {
	dir := project(t, map[string]string{
		"millrace.yml": "name: p\npipelines: { nightly: { publish: all } }\nsources:\n  g:\n    type: generate\n    streams:\n" +
			"      - { name: changes, mode: incremental, key: [id], cursor: updated_at, rows: 100, changes: 20 }\n",
		"models/m.sql": "{{ config(materialized='table') }} select 1 as id",
	})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	before, err := e.Loaded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"models/m.sql": "{{ config(materialized='table') }} select nonsense"})
	failed := run(t, engine(t, dir))
	if failed.Run.Status != journal.Failed {
		t.Fatalf("%+v", failed.Run)
	}
	change, err := e.PlanCursor(t.Context(), e.Project.Node("g.changes"), "")
	if err = errors.Join(err, e.SetCursor(t.Context(), change)); err != nil {
		t.Fatal(err)
	}
	if after, err := e.Loaded(t.Context()); err != nil || !after["g.changes"].Equal(before["g.changes"]) {
		t.Errorf("loaded at %v, was %v, %v", after, before, err)
	}
	s, err := e.Status(t.Context())
	if err != nil || s.Pipelines[0].LastEnded.ID != failed.Run.ID {
		t.Errorf("the last run: %+v, %v", s.Pipelines, err)
	}
	nodes := []string{"g.changes"}
	if last, _, err := e.Journal.LastSuccess(t.Context(), "nightly", pipeline.TargetOf(e.Project), nodes, failed.Run.LogicalTime, e.Clock().AddDate(0, 0, 1)); err != nil || !last.IsZero() {
		t.Errorf("a success of %v, %v", last, err)
	}
	write(t, dir, map[string]string{"models/m.sql": "{{ config(materialized='table') }} select 1 as id"})
	again, err := engine(t, dir).Retry(t.Context(), "nightly")
	if err != nil || again.Run.ID != failed.Run.ID || again.Run.Status != journal.Succeeded {
		t.Fatalf("retry: %+v, %v", again, err)
	}
	if got := step(t, again, "g.changes").Equations; len(got) == 0 || got[0].Rows < 100 {
		t.Errorf("it has not read from the start: %+v", got)
	}
}

// full is a target that takes nothing more.
type full struct{ load.Loader }

func (full) Publish(context.Context, load.Publication) (*load.Manifest, error) {
	return nil, errors.New("no space left on device")
}

// TestUnpublishedSteps: what could not be published did not succeed, and a retry does it again.
func TestUnpublishedSteps(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": "name: p\n", "models/m.sql": "{{ config(materialized='table') }} select 1 as id"})
	e := engine(t, dir)
	real := e.Loader
	e.Loader = full{real}
	nodes, _ := e.Project.Select(nil, nil)
	if _, err := e.Run(t.Context(), pipeline.Request{Nodes: nodes}); err == nil {
		t.Fatal("published")
	}
	runs, err := e.Journal.Runs(t.Context(), journal.Filter{})
	if err != nil || len(runs) != 1 || runs[0].Status != journal.Failed {
		t.Fatalf("%+v, %v", runs, err)
	}
	steps, err := e.Journal.Steps(t.Context(), runs[0].ID)
	if err != nil || len(steps) != 1 || steps[0].Status != journal.Withheld {
		t.Errorf("%+v, %v", steps, err)
	}
	e.Loader = real
	again, err := e.Retry(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	succeeded(t, again)
}
