package pipeline_test

import (
	"errors"
	"testing"

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
	e.Observe = func(ev pipeline.Event) {
		if ev.Kind == "progress" && !e.Stopping() {
			close(e.Stop)
		}
	}
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
