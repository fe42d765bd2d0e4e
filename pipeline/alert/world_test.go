package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// world is a project, its journal, a clock that stands still, and a server that takes messages.
type world struct {
	testing.TB
	now     time.Time
	project *models.Project
	journal *journal.Journal
	alerter *Alerter
	server  *httptest.Server
	logs    *strings.Builder

	mu       sync.Mutex
	got      []delivery
	answer   func(w http.ResponseWriter, r *http.Request) // nil answers 200
	overdue  []pipeline.Overdue
	runs     int
	gone     map[string]bool
	alone    bool   // no scheduler is there
	target   string // of the runs that begin
	redactor secret.Redactor
}

// delivery is a message that the server took.
type delivery struct {
	path, id string
	header   http.Header
	body     string
	data     Message
}

var start = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	w := &world{TB: t, now: start, logs: &strings.Builder{}, gone: map[string]bool{}, target: "local"}
	w.server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.server.Close)
	var err error
	if w.journal, err = journal.Open(t.Context(), filepath.Join(t.TempDir(), "state.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.journal.Close() })
	w.configure("channels: { hook: { type: webhook, url: " + w.server.URL + "/hook } }")
	w.open()
	return w
}

// open makes a new Alerter, as a restart does.
func (w *world) open() {
	w.Helper()
	if w.alerter != nil {
		w.alerter.unlock()
	}
	var err error
	w.alerter, err = New(Config{Project: func() *models.Project { return w.project }, Journal: w.journal, Client: w.server.Client(), Redact: w.redactor.Redact,
		Log: slog.New(w.redactor.Handler(slog.NewTextHandler(w.logs, nil))), Clock: func() time.Time { return w.now }, Random: func() float64 { return 1 },
		Alive:   func() bool { return !w.alone },
		Overdue: func(context.Context, time.Time) ([]pipeline.Overdue, error) { return w.overdue, nil },
		State: func(r journal.Run) pipeline.RunState {
			if w.gone[r.ID] {
				return pipeline.StateInterrupted
			}
			return pipeline.RunState(r.Status)
		}})
	if err != nil {
		w.Fatal(err)
	}
}

// projectText has nodes for the stories, and owners and tags to find people by.
const projectText = `name: shop
sources:
  erp:
    type: fake
    streams:
      - { name: orders }
      - { name: customers, owner: crm, tags: [pii] }
pipelines:
  nightly: { select: ["*"], exclude: [events], owner: data, freshness: 26h }
  hourly: { select: [events] }
`

// configure loads the project with these alerts.
func (w *world) configure(alerts string) {
	w.Helper()
	files := fstest.MapFS{"millrace.yml": {Data: []byte(projectText + "alerts: { " + alerts + " }\n")}}
	for _, name := range []string{"fct_orders", "dim_customers", "events"} {
		files["models/"+name+".sql"] = &fstest.MapFile{Data: []byte("select 1 as id")}
	}
	files["models/stg_orders.sql"] = &fstest.MapFile{Data: []byte("{{ config(materialized='ephemeral') }} select 1 as id")}
	none := func() any { return &struct{}{} }
	p, problems := models.Load(models.Loading{Dir: w.TempDir(), Files: files, Sources: []models.SourceSpec{{Type: "fake", Options: none, StreamOptions: none}},
		Env: func(string) (string, bool) { return "", false }, Redactor: &w.redactor})
	if problems.HasErrors() {
		w.Fatal(problems)
	}
	w.project = p
}

func (w *world) serve(res http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	answer := w.answer
	w.mu.Unlock()
	if answer != nil {
		answer(res, r)
		return
	}
	d := delivery{path: r.URL.Path, id: r.Header.Get("webhook-id"), header: r.Header, body: string(body)}
	var p Payload
	if json.Unmarshal(body, &p) == nil && p.Data != nil {
		d.data = *p.Data
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, d)
}

// pass lets time go by and the Alerter do its work, as serve would.
func (w *world) pass(d time.Duration) {
	w.Helper()
	w.now = w.now.Add(d)
	if err := w.alerter.Settle(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// told are the titles that arrived since the last call.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var titles []string
	for _, d := range w.got {
		titles = append(titles, d.data.Title)
	}
	w.got = nil
	return titles
}

func (w *world) expect(titles ...string) {
	w.Helper()
	if got := w.told(); strings.Join(got, "\n") != strings.Join(titles, "\n") {
		w.Errorf("at %s these arrived:\n  %s\nand these should:\n  %s", w.now.Format("15:04"), strings.Join(got, "\n  "), strings.Join(titles, "\n  "))
	}
}

// begin begins a run.
func (w *world) begin(pl string, nodes ...string) journal.Run {
	w.Helper()
	w.runs++
	r := journal.Run{ID: fmt.Sprintf("%s-%04d", w.now.Format("20060102T150405"), w.runs), Pipeline: pl, LogicalTime: w.now, Attempt: 1, Status: journal.Running, Started: w.now,
		Selection: journal.Selection{Nodes: nodes, Target: w.target}}
	if err := w.journal.BeginRun(w.Context(), r); err != nil {
		w.Fatal(err)
	}
	return r
}

// end ends a run a minute after it began; a step is "node", which succeeds, or "node: error", or "node< need", which is skipped for it.
func (w *world) end(r journal.Run, steps ...string) journal.Run {
	w.Helper()
	at := w.now.Add(time.Minute)
	r.Status = journal.Succeeded
	for _, text := range steps {
		s := journal.Step{Run: r.ID, Kind: "model", Attempt: r.Attempt, Status: journal.Succeeded, Started: w.now, Finished: &at, Node: text, Rows: 10}
		if node, why, found := strings.Cut(text, ": "); found {
			s.Node, s.Status, s.Error, s.Rows = node, journal.Failed, why, 0
		} else if node, need, found := strings.Cut(text, "< "); found {
			s.Node, s.Status, s.Error, s.Rows = node, journal.UpstreamFailed, need+" failed", 0
		}
		if s.Status != journal.Succeeded {
			r.Status, r.Error = journal.Failed, "some nodes failed"
		}
		if err := w.journal.SaveStep(w.Context(), s); err != nil {
			w.Fatal(err)
		}
	}
	r.Finished = &at
	if err := w.journal.FinishRun(w.Context(), r, nil); err != nil {
		w.Fatal(err)
	}
	return r
}

// run begins and ends one.
func (w *world) run(pl string, steps ...string) journal.Run {
	w.Helper()
	return w.end(w.begin(pl, nodesIn(steps)...), steps...)
}

func nodesIn(steps []string) []string {
	var nodes []string
	for _, s := range steps {
		s, _, _ = strings.Cut(s, ": ")
		s, _, _ = strings.Cut(s, "< ")
		nodes = append(nodes, s)
	}
	return nodes
}

func (w *world) checks(r journal.Run, results ...check.Result) {
	w.Helper()
	byNode := map[string][]check.Result{}
	for _, c := range results {
		byNode[c.Node] = append(byNode[c.Node], c)
	}
	for node, list := range byNode {
		if err := w.journal.SaveChecks(w.Context(), r.ID, node, r.LogicalTime, list, nil); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *world) outbox(f journal.AlertFilter) []journal.Alert {
	w.Helper()
	all, err := w.journal.Alerts(w.Context(), f)
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// doer is a client in one function.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
