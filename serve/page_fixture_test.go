package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sources "github.com/millrace/millrace/extract/all"
	"github.com/millrace/millrace/load/local"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// morning is when the pages are looked at.
var morning = time.Date(2026, 11, 27, 7, 12, 0, 0, time.UTC)

// shopPipelines takes the place of the example's own: pages have something to tell of several pipelines.
const shopPipelines = `pipelines:
  nightly: { schedule: "0 2 * * *", timezone: Europe/Berlin, select: ["*"], exclude: ["source:webshop", "path:models/web", stg_web_events, stg_web_customers], publish: succeeded, freshness: 26h, owner: data-platform, retries: 2 }
  web: { schedule: "*/30 * * * *", timezone: Europe/Berlin, select: ["source:webshop", "path:models/web", stg_web_events, stg_web_customers], freshness: 90m, overlap: skip }
`

// shopfront is the example project, run for real once, with a history that was not.
type shopfront struct {
	t       testing.TB
	e       *pipeline.Engine
	j       *journal.Journal
	now     time.Time
	refused string
	woken   int
	srv     *httptest.Server

	viewer, operator string // their tokens

	last   string // id of the real run
	broken string // id of the run that failed after it
	live   string // id of the run that goes on
}

// copyShop makes a project of the example, with other pipelines.
func copyShop(t testing.TB, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS("../examples/shop")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "millrace.yml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(text), "pipelines:")
	if !found {
		t.Fatal("the example has no pipelines")
	}
	before = strings.Replace(before, "        key: [contact_id]\n", "        key: [contact_id]\n        owner: crm@example.com\n        tags: [crm, customers]\n", 1)
	if err := os.WriteFile(file, []byte(before+shopPipelines), 0o644); err != nil {
		t.Fatal(err)
	}
	schema := filepath.Join(dir, "models/schema.yml")
	text, err = os.ReadFile(schema)
	if err != nil {
		t.Fatal(err)
	}
	tagged := strings.Replace(string(text), `      - { name: systems, description:`, `      - { name: email, description: The best one known., tags: [pii], data_tests: [{not_null: {severity: quarantine, error_if: ">50%"}}] }
      - { name: full_name, tags: [pii] }
      - { name: phone, tags: [pii], description: As typed. }
      - { name: systems, description:`, 1)
	tagged = strings.Replace(tagged, `{ name: customer_key, description: Key. See customer_records., data_tests`, `{ name: customer_key, description: Key. See customer_records., tags: [pii], data_tests`, 1)
	if err := os.WriteFile(schema, []byte(tagged), 0o644); err != nil {
		t.Fatal(err)
	}
}

// openEngine opens the project in dir with all real parts.
func openEngine(t testing.TB, dir string, now func() time.Time) *pipeline.Engine {
	t.Helper()
	p, problems := models.Load(models.Loading{Dir: dir, Files: os.DirFS(dir), Sources: pipeline.SourceSpecs(sources.Specs()), Env: os.LookupEnv, ColumnType: warehouse.ContractType})
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
	loader := local.New(local.Config{Root: p.TargetDir(), Catalog: duckdb.BuildCatalog, Clock: now})
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	return &pipeline.Engine{Project: p, Journal: j, Loader: loader, TargetRoot: p.TargetDir(), Warehouse: duckdb.Open,
		OpenSource: pipeline.SourceOpener(p, sources.Specs(), log), Log: log, Clock: now, Version: "test",
		Memory: 512 << 20, Threads: 2, Verify: pipeline.VerifyFooter, Stop: make(chan struct{})}
}

// shop is the one project that was run for all tests of pages; each gets a copy with its journal.
var shop struct {
	once  sync.Once
	built shopfront
	dir   string // "" when it could not be made
}

// buildShop runs the shop and invents the nights before and the morning after.
func buildShop(t testing.TB) {
	s := &shop.built
	s.t, s.now = t, time.Date(2026, 11, 27, 1, 0, 0, 0, time.UTC)
	dir, err := os.MkdirTemp("", "millrace-shop-")
	s.must(err)
	removeAtEnd = append(removeAtEnd, dir)
	copyShop(t, dir)
	began := time.Now()
	s.e = openEngine(t, dir, func() time.Time { return s.now.Add(time.Since(began)).UTC() })
	s.j = s.e.Journal
	nodes, err := s.e.Project.Select(nil, nil)
	s.must(err)
	r, err := s.e.Run(t.Context(), pipeline.Request{Nodes: nodes, Trigger: journal.TriggerSchedule})
	s.must(err)
	s.last = r.Run.ID
	s.history(r)
	s.must(s.j.Close())
	shop.dir = dir
}

// newShopfront opens the pages of a copy of the shop, in the morning.
func newShopfront(t testing.TB) *shopfront {
	t.Helper()
	shop.once.Do(func() { buildShop(t) })
	if shop.dir == "" {
		t.Fatal("the shop could not be made")
	}
	s := &shopfront{t: t, now: morning, last: shop.built.last, broken: shop.built.broken, live: shop.built.live}
	dir := t.TempDir()
	s.must(os.CopyFS(dir, os.DirFS(shop.dir)))
	s.e = openEngine(t, dir, func() time.Time { return s.now })
	s.j = s.e.Journal
	s.lock("web") // of the run that goes on
	s.lock("_serve")
	s.open()
	return s
}

func (s *shopfront) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// open serves the pages, behind all doors.
func (s *shopfront) open() {
	s.viewer, s.operator = s.token("vera", "viewer"), s.token("ada", "operator")
	server, err := New(Config{Engine: func() *pipeline.Engine { return s.e }, Scheduler: s, Log: s.e.Log, Clock: func() time.Time { return s.now },
		Settings: *s.e.Project.Serve, Refused: func() string { return s.refused }})
	s.must(err)
	s.srv = httptest.NewServer(server.Handler())
	s.t.Cleanup(func() {
		s.srv.CloseClientConnections() // a tab may follow a log
		s.srv.Close()
	})
}

func (s *shopfront) token(name, role string) string {
	s.t.Helper()
	token := NewToken()
	s.must(s.j.AddToken(s.t.Context(), journal.Token{Name: name, Role: role, Created: s.now}, journal.HashToken(token)))
	return token
}

// Schedules implements Scheduler.
func (s *shopfront) Schedules(ctx context.Context) ([]scheduler.Schedule, error) {
	pauses, err := s.j.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	open, err := s.j.Firings(ctx, journal.FiringFilter{Open: true})
	var all []scheduler.Schedule
	for _, p := range s.e.Project.Pipelines {
		one := scheduler.Schedule{Pipeline: p.Name, Expression: p.Schedule, Timezone: p.Timezone, After: p.After, Open: []journal.Firing{}}
		if pause, paused := pauses[p.Name]; paused {
			one.Pause = &pause
		} else if p.Name == "nightly" {
			one.Next = []time.Time{time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC), time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC)}
		} else {
			for i := range 5 {
				one.Next = append(one.Next, time.Date(2026, 11, 27, 7, 30*(i+1), 0, 0, time.UTC))
			}
		}
		for _, f := range open {
			if f.Pipeline == p.Name {
				one.Open = append(one.Open, f)
			}
		}
		all = append(all, one)
	}
	return all, err
}

// Wake implements Scheduler.
func (s *shopfront) Wake() { s.woken++ }

// LastPass implements Scheduler.
func (s *shopfront) LastPass() time.Time { return s.now }

// invent journals a run that never was.
func (s *shopfront) invent(pl string, at time.Time, took time.Duration, status journal.Status, steps []journal.Step, checks map[string][]check.Result) string {
	s.t.Helper()
	ctx := s.t.Context()
	f := journal.Firing{ID: "f" + at.Format("20060102T150405") + "-" + pl, Pipeline: pl, LogicalTime: at, Trigger: journal.TriggerSchedule, State: journal.FiringStarted, Due: at, Tries: 1, Created: at, Started: &at}
	r := journal.Run{ID: at.Format("20060102T150405") + fmt.Sprintf("-%06x", (at.Unix()+int64(len(pl)))%0xffffff), Pipeline: pl, LogicalTime: at, Attempt: 1, Status: journal.Running, Started: at.Add(2 * time.Second), PID: os.Getpid(),
		Trigger: journal.TriggerSchedule, Firing: f.ID, Version: "test", Selection: journal.Selection{Target: "local", Nodes: []string{}}}
	f.Run = r.ID
	_, err := s.j.AddFiring(ctx, f)
	s.must(err)
	s.must(s.j.BeginRun(ctx, r))
	start := r.Started
	for i, step := range steps {
		end := start.Add(took / time.Duration(len(steps)+1))
		step.Run, step.Attempt, step.Started, step.Finished = r.ID, 1, start, &end
		if status == journal.Running && i == len(steps)-1 {
			step.Status, step.Finished = journal.Running, nil
		}
		s.must(s.j.SaveStep(ctx, step))
		start = end
	}
	for node, results := range checks {
		s.must(s.j.SaveChecks(ctx, r.ID, node, at, results, nil))
	}
	if status == journal.Running {
		return r.ID
	}
	end := r.Started.Add(took)
	code := 0
	r.Status, r.Finished = status, &end
	f.State, f.Finished = journal.FiringSucceeded, &end
	if status != journal.Succeeded {
		code, f.State, f.Reason = 5, journal.FiringFailed, "checks failed: not tried again"
		r.Error = "1 node failed, 2 were skipped"
	}
	r.ExitCode = &code
	s.must(s.j.FinishRun(ctx, r, nil))
	s.must(s.j.SaveFiring(ctx, f))
	return r.ID
}

// history invents what the pages are to tell beside the real run: 90 nights, a day of the web pipeline with two failures, a night
// that failed its checks after the real one, a run that goes on, a firing that waits, one that was skipped, a few events.
func (s *shopfront) history(real *pipeline.Report) {
	results, err := s.j.Checks(s.t.Context(), s.last)
	s.must(err)
	byNode := map[string][]check.Result{}
	for _, r := range results {
		byNode[r.Node] = append(byNode[r.Node], r)
	}
	var steps, web []journal.Step
	for _, step := range real.Steps {
		if s.e.Project.Node(step.Node).Pipeline == "web" {
			web = append(web, step)
		} else {
			steps = append(steps, step)
		}
	}
	at := time.Date(2026, 8, 27, 1, 0, 0, 0, time.UTC)
	for i := range 91 {
		s.invent("nightly", at.AddDate(0, 0, i), time.Duration(40+i%9)*time.Second, journal.Succeeded, steps, past(byNode, i))
	}
	for i := range 48 {
		status := journal.Succeeded
		if i == 20 || i == 21 {
			status = journal.Failed
		}
		s.invent("web", morning.Add(-24*time.Hour).Truncate(30*time.Minute).Add(time.Duration(i)*30*time.Minute), time.Duration(3+i%5)*time.Minute, status, web, nil)
	}
	s.live = s.invent("web", morning.Truncate(30*time.Minute), 12*time.Minute, journal.Running, web[:len(web)-1], nil)
	s.broken = s.invent("nightly", time.Date(2026, 11, 27, 5, 30, 0, 0, time.UTC), 47*time.Second, journal.Partial, failed(steps), worse(byNode))
	s.mail()
}

// past is what the checks found on a night long ago.
func past(now map[string][]check.Result, night int) map[string][]check.Result {
	then := map[string][]check.Result{}
	for node, results := range now {
		for i, r := range results {
			r.Sample = nil
			if r.Kind == "unique" && (night == 30 || night == 31) {
				r.Status, r.Failing = check.StatusFail, int64(night)
			}
			if i%4 == 1 && night%17 == 3 {
				r.Status, r.Failing = check.StatusWarn, int64(night%5+1)
			}
			then[node] = append(then[node], r)
		}
	}
	return then
}

const badTable = "marts.fct_orders"

// worse is the checks with two of them failing.
func worse(now map[string][]check.Result) map[string][]check.Result {
	then := map[string][]check.Result{}
	maps.Copy(then, now)
	text := func(v string) *string { return &v }
	then[badTable] = append([]check.Result{}, now[badTable]...)
	for i := range then[badTable] {
		r := &then[badTable][i]
		if r.Kind == "unique" {
			r.Status, r.Failing, r.Keys, r.Checked, r.Message = check.StatusFail, 118, 59, 6_240, "118 rows have an order_id that another row has"
			r.SQL = "SELECT order_id, count(*) AS n\nFROM marts.fct_orders\nGROUP BY order_id\nHAVING count(*) > 1"
			r.Sample = &check.Sample{Columns: []string{"order_id", "status", "amount", "email"}, Rows: [][]*string{{text("90211"), text("paid"), text("129.90"), text("***")}, {text("90212"), text(""), text("18.00"), nil}}}
		}
	}
	return then
}

// failed is the steps with that table's checks failing and all that reads it kept back.
func failed(steps []journal.Step) []journal.Step {
	var all []journal.Step
	for _, step := range steps {
		switch step.Node {
		case badTable:
			step.Status, step.Error, step.Hint, step.Equations = journal.ChecksFailed, "1 check failed: unique_order_id", "millrace report shows the rows and the SQL", nil
		case "marts.daily_revenue", "marts.top_products":
			step.Status, step.Error, step.Rows, step.Equations, step.Notes = journal.UpstreamFailed, badTable+" failed", 0, nil, nil
		}
		all = append(all, step)
	}
	return all
}

// lock holds a pipeline as the process of its run does.
func (s *shopfront) lock(pl string) {
	path := filepath.Join(s.e.Project.StateDir(), "locks", pl+".lock")
	s.must(os.MkdirAll(filepath.Dir(path), 0o700))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	s.must(err)
	s.must(syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	_, err = fmt.Fprintf(f, `{"pid":%d}`, os.Getpid())
	s.must(err)
	s.t.Cleanup(func() { _ = f.Close() })
}

// mail adds firings that did not become runs, and what people did.
func (s *shopfront) mail() {
	ctx := s.t.Context()
	add := func(f journal.Firing) {
		f.ID, f.Pipeline, f.Trigger, f.Due, f.Created = "f"+f.LogicalTime.Format("20060102T150405")+"-mail", "web", journal.TriggerSchedule, f.LogicalTime, f.LogicalTime
		_, err := s.j.AddFiring(ctx, f)
		s.must(err)
	}
	done := morning.Add(-time.Minute)
	add(journal.Firing{LogicalTime: morning.Add(-45 * time.Minute), State: journal.FiringSkipped, Reason: "overlap: skip, and the run before still went on", Finished: &done})
	add(journal.Firing{LogicalTime: morning.Add(-2 * time.Minute), State: journal.FiringWaiting, Reason: "waits for the run that goes on"})
	for _, e := range []journal.Event{{Kind: "reload", Text: "the project was loaded anew: 2 files changed"}, {Kind: "login", By: "ada", Text: "logged in from 127.0.0.1"},
		{Kind: "trigger", By: "ada", Pipeline: "nightly", Run: s.last, Text: "run now"}, {Kind: "misfire", Pipeline: "web", Text: "3 runs were missed while the machine slept; one is made up for"}} {
		e.At = morning.Add(-time.Hour)
		s.must(s.j.AddEvent(ctx, e))
	}
}
