package pipeline_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

const pruned = `name: p
history: 7d
target: prod
targets:
  prod: { type: local, path: warehouse, retention: { versions: 1 } }
  dev: { type: local, path: dev, retention: { versions: 1 } }
sources:
  s:
    type: files
    streams:
      - { name: orders, path: orders/1.csv }
`

// years turns the clock of later runs on.
func years(e *pipeline.Engine, n int) *pipeline.Engine {
	now := e.Clock
	e.Clock = func() time.Time { return now().AddDate(n, 0, 0) }
	return e
}

// fill begins and ends as many runs as the history keeps of each pipeline, each of a nanosecond, so that those before are not among the last.
func fill(t *testing.T, e *pipeline.Engine, target string) {
	t.Helper()
	for i := range 100 {
		at := e.Clock().Add(-time.Hour + time.Duration(i)*time.Second)
		r := journal.Run{ID: fmt.Sprintf("fill-%s-%03d", target, i), Pipeline: "default", LogicalTime: at, Attempt: 1, Status: journal.Running, Started: at, Selection: journal.Selection{Target: target}}
		if err := e.Journal.BeginRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		r.Status, r.Finished = journal.Succeeded, &at
		if err := e.Journal.EndAttempt(t.Context(), r, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// knows says whether the journal has the run.
func knows(t *testing.T, e *pipeline.Engine, id string) bool {
	t.Helper()
	_, err := e.Journal.Run(t.Context(), id)
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// TestPruneAfterRuns: real runs go when their time has come, with their logs and empty folders. Those that made what any target publishes
// stay, and those whose rejects are there.
func TestPruneAfterRuns(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": pruned, "orders/1.csv": "id,n\n1,2\n2,3\n"})
	bad := run(t, engine(t, dir))
	prod := run(t, engine(t, dir))
	succeeded(t, prod)
	e := engineFor(t, dir, "dev")
	first := run(t, e)
	dev := run(t, e)
	succeeded(t, dev)
	rejects := filepath.Join(e.Project.StateDir(), "rejects")
	for _, r := range []*pipeline.Report{first, dev, prod} { // as earlier versions left them
		if err := os.MkdirAll(filepath.Join(rejects, r.Run.ID, "s.orders"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, rejects, map[string]string{bad.Run.ID + "/s.orders/1.parquet": "x"})
	lost := filepath.Join(e.Project.StateDir(), "logs", "20200101T000000-abcdef.jsonl")
	write(t, filepath.Dir(lost), map[string]string{filepath.Base(lost): "{}\n"})

	later := years(engineFor(t, dir, "dev"), 10)
	fill(t, later, "prod")
	fill(t, later, "dev")
	erased, err := later.PruneHistory(t.Context())
	if err != nil || erased.Runs != 1 {
		t.Errorf("%+v, %v; want one run gone", erased, err)
	}
	for _, c := range []struct {
		of    string
		r     *pipeline.Report
		stays bool
	}{{"with rejects", bad, true}, {"published by prod", prod, true}, {"not published", first, false}, {"published by dev", dev, true}} {
		if knows(t, later, c.r.Run.ID) != c.stays {
			t.Errorf("the run %s is there: %v", c.of, !c.stays)
		}
		_, err := os.Stat(pipeline.LogPath(e.Project.StateDir(), c.r.Run.ID))
		if (err == nil) != c.stays {
			t.Errorf("the log of the run %s: %v", c.of, err)
		}
	}
	for _, path := range []string{lost, filepath.Join(rejects, first.Run.ID)} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestPruneBesideLostTarget: of a target that cannot be read all runs that have published stay, and whoever prunes is told.
func TestPruneBesideLostTarget(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": pruned, "orders/1.csv": "id,n\n1,2\n"})
	first := run(t, engine(t, dir))
	second := run(t, engine(t, dir))
	run(t, engineFor(t, dir, "dev"))
	if err := os.WriteFile(filepath.Join(engine(t, dir).TargetRoot, "snapshots", fmt.Sprint(second.Snapshot), "manifest.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	later := years(engineFor(t, dir, "dev"), 10)
	fill(t, later, "prod")
	g, err := later.Collect(t.Context(), 0, false)
	if err != nil || len(g.Skipped) != 1 {
		t.Fatalf("%+v, %v", g, err)
	}
	mentions(t, g.Skipped[0], "target prod", load.ErrDamaged.Error())
	for _, r := range []*pipeline.Report{first, second} {
		if !knows(t, later, r.Run.ID) {
			t.Errorf("run %s has gone", r.Run.ID)
		}
	}
}
