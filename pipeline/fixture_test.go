package pipeline_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/extract"
	sources "github.com/millrace/millrace/extract/all"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/load"
	loaders "github.com/millrace/millrace/load/all"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// write puts files, by path below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// project makes a project folder.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	return dir
}

// engine opens the project in dir with all real parts.
func engine(t *testing.T, dir string) *pipeline.Engine {
	t.Helper()
	return engineFor(t, dir, "")
}

// engineFor opens it for a target, "" for its own choice.
func engineFor(t *testing.T, dir, target string) *pipeline.Engine {
	t.Helper()
	return engineWith(t, models.Loading{Dir: dir, Target: target})
}

// engineWith opens the project that is loaded so.
func engineWith(t *testing.T, in models.Loading) *pipeline.Engine {
	t.Helper()
	in.Files, in.Sources, in.Env = os.DirFS(in.Dir), pipeline.SourceSpecs(sources.Specs()), os.LookupEnv
	in.ColumnType, in.SeedType, in.Trees = warehouse.ContractType, warehouse.SeedType, duckdb.Trees
	p, problems := models.Load(in)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	if err := os.MkdirAll(p.StateDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(t.Context(), filepath.Join(p.StateDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	open := func(p *models.Project) (load.Loader, error) { return loaders.Open(p, duckdb.BuildCatalog) }
	loader, err := open(p)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	return &pipeline.Engine{Project: p, Journal: j, Loader: loader, OpenLoader: open, TargetRoot: p.TargetDir(), Warehouse: duckdb.Open,
		OpenSource: pipeline.SourceOpener(p, sources.Specs(), log), Log: log, Clock: clock.System, Version: "test",
		Memory: 512 << 20, Threads: 2, Verify: pipeline.VerifyFooter, Stop: make(chan struct{})}
}

// around puts something between the engine and each source that it opens.
func around(e *pipeline.Engine, wrap func(extract.Source) extract.Source) {
	open := e.OpenSource
	e.OpenSource = func(s *models.Source) (extract.Source, error) {
		source, err := open(s)
		if err != nil {
			return nil, err
		}
		return wrap(source), nil
	}
}

// stopsAt asks a run to stop at the first progress of so many rows; several goroutines may tell of some.
func stopsAt(e *pipeline.Engine, rows int64) {
	stop := sync.OnceFunc(func() { close(e.Stop) })
	e.Observe = func(ev pipeline.Event) {
		if ev.Kind == "progress" && ev.Rows >= rows {
			stop()
		}
	}
}

// run runs everything and expects the run itself to come to an end.
func run(t *testing.T, e *pipeline.Engine, change ...func(*pipeline.Request)) *pipeline.Report {
	t.Helper()
	nodes, err := e.Project.Select(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	req := pipeline.Request{Nodes: nodes}
	for _, c := range change {
		c(&req)
	}
	r, err := e.Run(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if r.Snapshot != 0 && slices.ContainsFunc(nodes, typed) {
		verified(t, e)
	}
	return r
}

// typed says whether a contract or a policy decides about the node's columns.
func typed(n *models.Node) bool {
	return n.Contract() != nil || n.Stream != nil && n.Stream.OnSchemaChange != models.SchemaEvolves
}

// verified expects what is published to be what the manifest says.
func verified(t *testing.T, e *pipeline.Engine) {
	t.Helper()
	v, err := e.VerifyPublished(t.Context(), pipeline.VerifyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Problems {
		t.Errorf("verify: %s: %s: %s", p.Table, p.File, p.Message)
	}
}

// step is the node's step of the report.
func step(t *testing.T, r *pipeline.Report, node string) journal.Step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Node == node {
			return s
		}
	}
	t.Fatalf("no step for %s", node)
	return journal.Step{}
}

// succeeded fails the test with the errors of the steps when the run has not.
func succeeded(t *testing.T, r *pipeline.Report) {
	t.Helper()
	if r.Run.Status != journal.Succeeded {
		for _, s := range r.Steps {
			if s.Error != "" {
				t.Logf("%s: %s (%s)", s.Node, s.Error, s.Hint)
			}
		}
		t.Fatalf("run is %s: %s", r.Run.Status, r.Run.Error)
	}
}

// query asks the published tables, through a warehouse that has them exposed.
func query(t *testing.T, e *pipeline.Engine, sql string) [][]any {
	t.Helper()
	ctx := context.Background()
	m, err := e.Loader.Current(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w, err := duckdb.Open(ctx, warehouse.Config{Memory: 256 << 20, Dirs: []string{e.TargetRoot}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, views := range []bool{false, true} {
		for _, table := range m.Tables {
			if (table.View != "") == views {
				if err := w.Expose(ctx, table.Version); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	result, err := w.Query(ctx, sql)
	if err != nil {
		t.Fatal(err)
	}
	return result.Rows
}

func manifest(t *testing.T, e *pipeline.Engine) *load.Manifest {
	t.Helper()
	m, err := e.Loader.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mentions checks that a text has all the words.
func mentions(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not mention %q", text, w)
		}
	}
}
