package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// shelf is a loader with a list of manifests, the newest last; it publishes nothing.
type shelf struct {
	load.Loader
	manifests []*load.Manifest
	collected int
}

func (s *shelf) Current(context.Context) (*load.Manifest, error) {
	if len(s.manifests) == 0 {
		return nil, load.ErrNothing
	}
	return s.manifests[len(s.manifests)-1], nil
}

func (s *shelf) Published(_ context.Context, run string, attempt int) (*load.Manifest, error) {
	for _, m := range s.manifests {
		if m.Run == run && m.Attempt == attempt {
			return m, nil
		}
	}
	return nil, nil
}

func (s *shelf) Snapshots() (all []int64, err error) {
	for _, m := range s.manifests {
		all = append(all, m.Snapshot)
	}
	return all, nil
}

func (s *shelf) Manifest(n int64) (*load.Manifest, error) {
	for _, m := range s.manifests {
		if m.Snapshot == n {
			return m, nil
		}
	}
	return nil, load.ErrDamaged
}

func (s *shelf) Collect(context.Context, bool) (*load.Collection, error) {
	s.collected++
	return &load.Collection{}, nil
}

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// shelved is an engine over a shelf, with an empty journal.
func shelved(t *testing.T, manifests ...*load.Manifest) (*Engine, *shelf) {
	t.Helper()
	dir := t.TempDir()
	stream := &models.Node{Schema: "erp", Table: "orders", Kind: models.KindStream, Pipeline: "nightly", Stream: &models.Stream{StreamKeys: models.StreamKeys{Name: "orders", Mode: "incremental"}}}
	model := &models.Node{Schema: "main", Table: "totals", Kind: models.KindModel, Pipeline: "nightly", Model: &models.Model{Materialized: models.Table}, Needs: []*models.Node{stream}}
	p := &models.Project{Dir: dir, Name: "shop", Target: &models.Target{Name: "local"}, Nodes: []*models.Node{stream, model}, Pipelines: []*models.Pipeline{{Name: "nightly"}}}
	if err := os.MkdirAll(p.StateDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(t.Context(), filepath.Join(p.StateDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	s := &shelf{manifests: manifests}
	return &Engine{Project: p, Journal: j, Loader: s, Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return now }, TargetRoot: dir}, s
}

func table(name, run string, snapshot int64, at time.Time, cursor string) load.Table {
	return load.Table{Version: warehouse.Version{Name: warehouse.Name{Schema: "erp", Table: name}, Rows: 10}, Kind: "stream", Pipeline: "nightly", Run: run,
		Snapshot: snapshot, PublishedAt: at, Cursor: cursor, Equations: []warehouse.Equation{{Name: "read", Rows: 10, Terms: []warehouse.Term{{Name: "landed", Rows: 10}}}}}
}

func history() []*load.Manifest {
	first, second := now.Add(-48*time.Hour), now.Add(-24*time.Hour)
	a := table("orders", "20260502T120000-aaaaaa", 1, first, "c1")
	b := table("customers", "20260502T120000-aaaaaa", 1, first, "")
	c := table("orders", "20260503T120000-bbbbbb", 2, second, "c2")
	return []*load.Manifest{
		{Snapshot: 1, Run: "20260502T120000-aaaaaa", Attempt: 2, Project: "shop", PublishedAt: first, Tables: []load.Table{b, a}},
		{Snapshot: 2, Parent: 1, Run: "20260503T120000-bbbbbb", Attempt: 1, Project: "shop", PublishedAt: second, Tables: []load.Table{b, c}},
	}
}

// TestRebuildKnowsReplays: a replay that is remembered from a manifest is no run that reads.
func TestRebuildKnowsReplays(t *testing.T) {
	all := history()
	made := all[0].PublishedAt
	all[1].Tables[1].Made = &made
	e, _ := shelved(t, all...)
	if _, err := e.EnsureJournal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if newest, err := e.newest(t.Context(), journal.Filter{}); err != nil || newest.ID != "20260502T120000-aaaaaa" {
		t.Errorf("%+v %v", newest, err)
	}
}

func TestRebuildIsRepeatable(t *testing.T) {
	e, _ := shelved(t, history()...)
	note, err := e.EnsureJournal(t.Context())
	if err != nil || !strings.Contains(note, "2 runs and 1 cursors were restored") {
		t.Fatalf("%q %v", note, err)
	}
	runs, err := e.Journal.Runs(t.Context(), journal.Filter{})
	if err != nil || len(runs) != 2 {
		t.Fatalf("%v %v", runs, err)
	}
	old := runs[1]
	if old.ID != "20260502T120000-aaaaaa" || old.Attempt != 2 || old.Status != journal.Succeeded || *old.Snapshot != 1 || *old.ExitCode != 0 ||
		!reflect.DeepEqual(old.Selection.Nodes, []string{"erp.customers", "erp.orders"}) || !old.Started.Equal(now.Add(-48*time.Hour)) {
		t.Errorf("%+v", old)
	}
	steps, err := e.Journal.Steps(t.Context(), old.ID)
	if err != nil || len(steps) != 2 || steps[0].Rows != 10 || !steps[0].Equations[0].Closes() {
		t.Errorf("%+v %v", steps, err)
	}
	cursors, err := e.Journal.Cursors(t.Context())
	if err != nil || len(cursors) != 1 || cursors[0].Value != "c2" || cursors[0].Snapshot != 2 {
		t.Errorf("%+v %v", cursors, err)
	}
	if note, err := e.EnsureJournal(t.Context()); note != "" || err != nil {
		t.Errorf("a second time: %q %v", note, err)
	}
	again, err := e.Rebuild(t.Context())
	if err != nil || again.Restored != (journal.Restored{}) {
		t.Errorf("%+v %v", again, err)
	}
}

func TestEnsureJournalLeavesOthersAlone(t *testing.T) {
	e, s := shelved(t)
	if note, err := e.EnsureJournal(t.Context()); note != "" || err != nil {
		t.Errorf("nothing published: %q %v", note, err)
	}
	s.manifests = history()
	s.manifests[1].Project = "another"
	if note, err := e.EnsureJournal(t.Context()); note != "" || err != nil {
		t.Errorf("another project: %q %v", note, err)
	}
}

// TestRebuildKeepsWhatTheJournalKnows: a run that the journal has is not overwritten by the little a manifest knows.
func TestRebuildKeepsWhatTheJournalKnows(t *testing.T) {
	e, _ := shelved(t, history()...)
	r := journal.Run{ID: "20260503T120000-bbbbbb", Pipeline: "nightly", Attempt: 1, Status: journal.Partial, Started: now, LogicalTime: now, Error: "1 of 2 nodes failed"}
	if err := e.Journal.BeginRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := e.Journal.FinishRun(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := e.Journal.Run(t.Context(), r.ID)
	if err != nil || got.Status != journal.Partial || got.Error != r.Error {
		t.Errorf("%+v %v", got, err)
	}
	if steps, _ := e.Journal.Steps(t.Context(), r.ID); len(steps) != 0 {
		t.Errorf("%+v", steps)
	}
}

func begin(t *testing.T, e *Engine, id string, status journal.Status, started time.Time, nodes ...string) {
	t.Helper()
	r := journal.Run{ID: id, Pipeline: "nightly", Attempt: 1, Status: status, Started: started, LogicalTime: started, ProjectHash: e.Project.Hash, Selection: journal.Selection{Nodes: nodes}}
	if err := e.Journal.BeginRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func TestStatus(t *testing.T) {
	e, _ := shelved(t, history()...)
	begin(t, e, "failed", journal.Failed, now.Add(-time.Hour), "erp.orders")
	done := now
	if err := e.Journal.SaveStep(t.Context(), journal.Step{Run: "failed", Node: "erp.orders", Attempt: 1, Status: journal.Failed, Started: now, Finished: &done, Error: "no such file\nmore"}); err != nil {
		t.Fatal(err)
	}
	begin(t, e, "cut-off", journal.Running, now.Add(-time.Minute), "erp.orders")
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Tables) != 2 || s.Tables[0].InProject || s.Tables[0].Stale || !s.Tables[1].Stale || s.Tables[1].Why[0] != "run failed failed: no such file" {
		t.Errorf("%+v", s.Tables)
	}
	if !reflect.DeepEqual(s.NeverBuilt, []string{"main.totals"}) {
		t.Errorf("never built: %v", s.NeverBuilt)
	}
	if len(s.Unfinished) != 1 || s.Unfinished[0].State != StateInterrupted {
		t.Errorf("a run without its lock runs: %+v", s.Unfinished)
	}
	unlock, err := e.lock([]string{"nightly"})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if s, err = e.Status(t.Context()); err != nil || s.Unfinished[0].State != StateRunning || !s.Pipelines[0].Lock.Held || s.Pipelines[0].Lock.Owner.PID != os.Getpid() {
		t.Errorf("%+v %v", s.Pipelines, err)
	}
}

func TestPending(t *testing.T) {
	e, _ := shelved(t)
	e.Project.Hash = "h"
	nodes := e.Project.Nodes
	if p, err := e.pending(t.Context(), "nightly", nodes); p != nil || err != nil {
		t.Fatalf("%+v %v", p, err)
	}
	begin(t, e, "1", journal.Interrupted, now, "erp.orders", "main.totals")
	if p, err := e.pending(t.Context(), "nightly", nodes); err != nil || !p.Resumed {
		t.Errorf("%+v %v", p, err)
	}
	if p, err := e.pending(t.Context(), "nightly", nodes[:1]); err != nil || p.Resumed || p.Why != "it had another selection or other flags" {
		t.Errorf("%+v %v", p, err)
	}
	e.Project.Hash = "other"
	if p, err := e.pending(t.Context(), "nightly", nodes); err != nil || p.Resumed || p.Why != "the project has changed since" {
		t.Errorf("%+v %v", p, err)
	}
}

func TestCollectState(t *testing.T) {
	e, s := shelved(t)
	begin(t, e, "done", journal.Succeeded, now.Add(-3*time.Hour))
	begin(t, e, "old", journal.Failed, now.Add(-2*time.Hour))
	begin(t, e, "latest", journal.Failed, now.Add(-time.Hour))
	for _, id := range []string{"done", "old", "latest", "stranger"} {
		if err := os.MkdirAll(e.runDir(id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := e.LockAll()
	if err != nil {
		t.Fatal(err)
	}
	g, err := e.Collect(t.Context(), time.Hour, false)
	if err != nil || len(g.Staging) != 0 || len(g.Skipped) != 4 {
		t.Errorf("under a run: %+v %v", g, err)
	}
	unlock()
	for _, dry := range []bool{true, false} {
		g, err := e.Collect(t.Context(), time.Hour, dry)
		if err != nil || len(g.Staging) != 3 {
			t.Fatalf("%+v %v", g, err)
		}
		if left := entries(e.runsDir()); dry == (len(left) == 1) {
			t.Errorf("dry %v: %v", dry, left)
		}
	}
	if left := entries(e.runsDir()); !reflect.DeepEqual(left, []string{"latest"}) || s.collected != 3 {
		t.Errorf("%v, collected %d", left, s.collected)
	}
}

func TestSchemaChanges(t *testing.T) {
	before := []warehouse.Column{{Name: "a", Type: "BIGINT"}, {Name: "B", Type: "STRUCT(x BIGINT)"}, {Name: "c", Type: "DATE"}}
	after := []warehouse.Column{{Name: "a", Type: "VARCHAR"}, {Name: "b", Type: `STRUCT("x" BIGINT)`}, {Name: "d", Type: "DATE"}}
	var got []string
	for _, c := range schemaChanges(before, after) {
		got = append(got, c.String())
	}
	if want := []string{"~ a BIGINT → VARCHAR", "+ d DATE", "- c DATE"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

func TestPinRefusesAnEditedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, models.ProjectFile)
	const src = "name: x\nsources:\n  s:\n    type: files\n    streams:\n      - name: a # one\n        path: a.csv\n"
	if err := os.WriteFile(path, []byte(src), 0o640); err != nil {
		t.Fatal(err)
	}
	p, problems := models.Load(models.Loading{Dir: dir, Files: os.DirFS(dir), Sources: []models.SourceSpec{{Type: "files",
		Options: func() any { return &struct{}{} }, StreamOptions: func() any {
			return &struct {
				Path string `yaml:"path"`
			}{}
		}}}})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	plan := &Plan{Nodes: []PlannedNode{{Name: "s.a", Pins: []PlannedPin{{"columns", "{id: BIGINT}"}}}}}
	text, err := ProjectText(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(src+"# edited\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Pin(p, plan, text); !errors.Is(err, ErrEdited) {
		t.Errorf("%v", err)
	}
	if text, err = ProjectText(dir); err != nil {
		t.Fatal(err)
	}
	pinned, err := Pin(p, plan, text)
	if err != nil || len(pinned) != 1 {
		t.Fatalf("%v %v", pinned, err)
	}
	got, _ := os.ReadFile(path)
	if want := src + "        columns: {id: BIGINT}\n# edited\n"; string(got) != want {
		t.Errorf("%s", got)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
}
