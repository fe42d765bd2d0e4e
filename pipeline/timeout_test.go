package pipeline_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// hanging is a source that never answers for one stream.
type hanging struct {
	extract.Source
	stream string
}

func (s *hanging) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	if st.Name == s.stream {
		<-ctx.Done()
		return nil, fmt.Errorf("ask the server: %w", ctx.Err())
	}
	return s.Source.Window(ctx, st, since, fixed)
}

func hang(e *pipeline.Engine, stream string) {
	open := e.OpenSource
	e.OpenSource = func(s *models.Source) (extract.Source, error) {
		source, err := open(s)
		return &hanging{source, stream}, err
	}
}

const twoPeople = `name: p
sources:
  in:
    type: files
    streams:
      - { name: a, path: "a.csv", columns: { id: BIGINT } }
      - { name: b, path: "a.csv", columns: { id: BIGINT } }
pipelines:
  slow: { select: ["a", "on_a", "endless"], %s }
  rest: { select: ["b", "on_b"] }
`

func timeoutFiles(limit string) map[string]string {
	return map[string]string{
		"millrace.yml":       fmt.Sprintf(twoPeople, limit),
		"a.csv":              "id\n1\n",
		"models/on_a.sql":    "{{ config(materialized='table') }} select * from {{ source('in', 'a') }}",
		"models/on_b.sql":    "{{ config(materialized='table') }} select * from {{ source('in', 'b') }}",
		"models/endless.sql": "{{ config(materialized='table') }} select sum(a.range * b.range) as n from range(10000000) a, range(10000000) b",
	}
}

// TestStepTimeout: a source that does not answer and a query that does not end fail, with what stands on them; the rest is
// published.
func TestStepTimeout(t *testing.T) {
	e := engine(t, project(t, timeoutFiles("step_timeout: 50ms")))
	hang(e, "a")
	r := run(t, e)
	want := map[string]journal.Status{"in.a": journal.Failed, "main.on_a": journal.UpstreamFailed, "main.endless": journal.Failed,
		"in.b": journal.Succeeded, "main.on_b": journal.Succeeded}
	for node, status := range want {
		if s := step(t, r, node); s.Status != status {
			t.Errorf("%s is %s, not %s: %s", node, s.Status, status, s.Error)
		}
	}
	for _, node := range []string{"in.a", "main.endless"} {
		s := step(t, r, node)
		mentions(t, s.Error, "took longer than step_timeout: 50ms")
		mentions(t, s.Hint, "millrace retry")
	}
	if r.Run.Status != journal.Partial || len(r.Published) != 2 {
		t.Errorf("run is %s and published %d tables", r.Run.Status, len(r.Published))
	}
}

// TestRunTimeout: a run whose time is up has failed and says what it was at; a retry of it finds its work.
func TestRunTimeout(t *testing.T) {
	dir := project(t, timeoutFiles("timeout: 50ms"))
	e := engine(t, dir)
	hang(e, "a")
	r := run(t, e)
	if r.Run.Status != journal.Failed || *r.Run.ExitCode != pipeline.ExitFailed || r.Snapshot != 0 {
		t.Fatalf("run is %s, exit code %d, snapshot %d", r.Run.Status, *r.Run.ExitCode, r.Snapshot)
	}
	mentions(t, r.Run.Error, "took longer than timeout: 50ms; in hand: in.a for 0")
	if s := step(t, r, "in.a"); s.Status != journal.Interrupted || s.Finished == nil {
		t.Errorf("step in hand is %s", s.Status)
	}
	write(t, dir, map[string]string{"millrace.yml": fmt.Sprintf(twoPeople, "timeout: 1h"), "models/endless.sql": "select 1 as n"})
	again, err := engine(t, dir).Retry(t.Context(), r.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	succeeded(t, again)
	if again.Run.Attempt != 2 {
		t.Errorf("attempt %d", again.Run.Attempt)
	}
}
