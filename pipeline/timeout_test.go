package pipeline_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// hanging is a source that never answers for one stream.
type hanging struct {
	extract.Source
	stream string
	deaf   chan struct{} // when it is there, nothing else ends the wait
	asked  *atomic.Bool
}

func (s *hanging) Window(ctx context.Context, st extract.Stream, since extract.Cursor, fixed *extract.Window) (*extract.Window, error) {
	if st.Name == s.stream {
		s.asked.Store(true)
		<-ctx.Done()
		if s.deaf != nil {
			<-s.deaf
		}
		return nil, fmt.Errorf("ask the server: %w", ctx.Err())
	}
	return s.Source.Window(ctx, st, since, fixed)
}

// hang makes a stream hang, and tells whether it does.
func hang(e *pipeline.Engine, stream string, deaf chan struct{}) (asked *atomic.Bool) {
	asked = &atomic.Bool{}
	around(e, func(s extract.Source) extract.Source { return &hanging{s, stream, deaf, asked} })
	return asked
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

// limits are times for a test to try until the stream hangs before its time is up: a slow machine needs the first of them to get there.
func limits(yield func(time.Duration) bool) {
	for limit := 50 * time.Millisecond; limit < time.Minute && yield(limit); limit *= 10 {
	}
}

// TestStepTimeout: a source that does not answer and a query that does not end fail, with what stands on them; the rest is
// published.
func TestStepTimeout(t *testing.T) {
	e := engine(t, project(t, timeoutFiles("step_timeout: 50ms")))
	hang(e, "a", nil)
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
	var dir string
	var r *pipeline.Report
	for limit := range limits {
		dir = project(t, timeoutFiles(fmt.Sprintf("timeout: %s", limit)))
		e := engine(t, dir)
		asked := hang(e, "a", nil)
		r = run(t, e)
		if r.Run.Status != journal.Failed || *r.Run.ExitCode != pipeline.ExitFailed || r.Snapshot != 0 {
			t.Fatalf("run is %s, exit code %d, snapshot %d", r.Run.Status, *r.Run.ExitCode, r.Snapshot)
		}
		mentions(t, r.Run.Error, fmt.Sprintf("took longer than timeout: %s", limit))
		if asked.Load() {
			break
		}
	}
	mentions(t, r.Run.Error, "; in hand: in.a for ")
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

// TestGivenUp: what does not heed that its time is up ends with its process, and the journal knows why; a retry goes on.
func TestGivenUp(t *testing.T) {
	for key, want := range map[string]string{"timeout": "took longer than timeout: ", "step_timeout": "in.a took longer than step_timeout: "} {
		for limit := range limits {
			dir := project(t, timeoutFiles(fmt.Sprintf("%s: %s", key, limit)))
			write(t, dir, map[string]string{"models/endless.sql": "select 1 as n"})
			e := engine(t, dir)
			deaf, begun := make(chan struct{}), time.Now()
			asked := hang(e, "a", deaf)
			var told error
			var left journal.Run
			e.GiveUp = func(why error) {
				told = why
				left = lastRun(t, e)
				for late := time.Since(begun) > 3*time.Second; late && left.Status == journal.Running && time.Since(begun) < 3*time.Minute; left = lastRun(t, e) {
					time.Sleep(10 * time.Millisecond) // that is as long as the end of the process waits for the journal
				}
				close(deaf) // as the end of the process does
			}
			nodes, err := e.Project.Select(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = e.Run(t.Context(), pipeline.Request{Nodes: nodes})
			if !asked.Load() {
				continue
			}
			if told == nil || left.Status != journal.Failed || left.ExitCode == nil || *left.ExitCode != pipeline.ExitFailed {
				t.Fatalf("%s: %s: told %v; the journal has %+v", key, limit, told, left)
			}
			mentions(t, told.Error(), want+limit.String())
			mentions(t, left.Error, want+limit.String(), "in hand: in.a for ")
			break
		}
	}
}

// lastRun is the newest of the journal.
func lastRun(t *testing.T, e *pipeline.Engine) journal.Run {
	t.Helper()
	runs, err := e.Journal.Runs(context.Background(), journal.Filter{Limit: 1})
	if err != nil || len(runs) != 1 {
		t.Errorf("%d runs, %v", len(runs), err)
		return journal.Run{}
	}
	return runs[0]
}
