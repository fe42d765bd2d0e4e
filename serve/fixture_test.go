package serve

import (
	"bytes"
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
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

var night = time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)

const project = `name: shop
pipelines:
  nightly: { schedule: "0 2 * * *", owner: data, freshness: 26h }
`

// lab is a server over a journal that tests fill, at a time that they set.
type lab struct {
	t                testing.TB
	e                *pipeline.Engine
	j                *journal.Journal
	s                *Server
	now              time.Time
	woken            int
	log              *bytes.Buffer
	secret           *secret.Redactor
	viewer, operator string
	steward          string
}

// newLab makes a server for the project file; change may change what it stands on.
func newLab(t testing.TB, yaml string, change func(*Config)) *lab {
	t.Helper()
	l := &lab{t: t, now: night, log: &bytes.Buffer{}, secret: &secret.Redactor{}}
	dir := t.TempDir()
	files := fstest.MapFS{"millrace.yml": {Data: []byte(yaml)},
		"models/orders.sql": {Data: []byte("SELECT 1 AS id, 'a@example.com' AS email")}, "models/revenue.sql": {Data: []byte("SELECT count(*) AS n FROM {{ ref('orders') }}")},
		"models/schema.yml": {Data: []byte("models:\n  - name: orders\n    description: What was sold.\n    columns:\n      - {name: id, description: Number of the order., tests: [unique]}\n      - {name: email, tags: [pii]}\n")}}
	env := func(name string) (string, bool) { return strings.CutPrefix(name, "MILLRACE_SECRET_") }
	p, problems := models.Load(models.Loading{Dir: dir, Files: files, Env: env, Redactor: l.secret})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	j, err := journal.Open(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	l.j = j
	l.e = &pipeline.Engine{Project: p, Journal: j, Clock: l.clock, Version: "test", Redact: l.secret.Redact, Loader: target{}}
	l.viewer, l.operator, l.steward = l.token("vera", "viewer"), l.token("otto", "operator"), l.token("stella", "steward")
	c := Config{Engine: func() *pipeline.Engine { return l.e }, Scheduler: l, Settings: *p.Serve, Clock: l.clock,
		Log: slog.New(l.secret.Handler(slog.NewTextHandler(&locked{w: l.log}, nil)))}
	if change != nil {
		change(&c)
	}
	if l.s, err = New(c); err != nil {
		t.Fatal(err)
	}
	return l
}

// target is one with a published table.
type target struct{ load.Loader }

func (target) Current(context.Context) (*load.Manifest, error) {
	t := load.Table{Kind: "model", Pipeline: "nightly", Run: "20261127T020000-000003", Snapshot: 3, PublishedAt: night, Needs: []string{}}
	t.Name, t.Rows = warehouse.Name{Schema: "main", Table: "orders"}, 5
	t.Columns = []warehouse.Column{{Name: "id", Type: "INTEGER"}, {Name: "email", Type: "VARCHAR"}}
	return &load.Manifest{Snapshot: 3, PublishedAt: night, Tables: []load.Table{t}}, nil
}

// runs journals n runs, one a minute from the night on; every third failed.
func (l *lab) runs(n int) []journal.Run {
	l.t.Helper()
	all := []journal.Run{}
	for i := range n {
		at := night.Add(time.Duration(i) * time.Minute)
		r := journal.Run{ID: fmt.Sprintf("%s-%06d", at.Format("20060102T150405"), i+1), Pipeline: "nightly", LogicalTime: at, Attempt: 1, Status: journal.Succeeded, Started: at, Version: "test",
			Selection: journal.Selection{Nodes: []string{"main.orders", "main.revenue"}, Target: "local"}}
		if i%3 == 2 {
			r.Status, r.Error = journal.Partial, "1 node failed"
		}
		l.must(l.j.BeginRun(l.t.Context(), r))
		end := at.Add(time.Second)
		r.Finished = &end
		l.must(l.j.SaveStep(l.t.Context(), journal.Step{Run: r.ID, Node: "main.orders", Kind: "model", Attempt: 1, Status: journal.Succeeded, Started: at, Finished: &end, Rows: 5,
			Equations: []warehouse.Equation{{Name: "built", Rows: 5, Terms: []warehouse.Term{{Name: "kept", Rows: 5}}}}}))
		masked := "••••"
		l.must(l.j.SaveChecks(l.t.Context(), r.ID, "main.orders", at, []check.Result{{Node: "main.orders", Name: "unique_id", Kind: "unique", Severity: models.SeverityError, Status: check.StatusPass, Checked: 5,
			Message: "no row fails", Sample: &check.Sample{Columns: []string{"id", "email"}, Rows: [][]*string{{nil, &masked}}}}}, nil))
		l.must(l.j.FinishRun(l.t.Context(), r, nil))
		all = append(all, r)
	}
	return all
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// json asks as an operator and decodes the answer, which must be as the document says.
func (l *lab) json(method, path, body string, want int, into any, header ...string) *httptest.ResponseRecorder {
	l.t.Helper()
	w := l.ask(method, path, body, append(append(as(l.operator), "Content-Type", "application/json"), header...)...)
	if w.Code != want {
		l.t.Errorf("%s %s: %d, want %d: %s", method, path, w.Code, want, w.Body)
	}
	l.conforms(method, path, w)
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			l.t.Errorf("%s %s: %v: %s", method, path, err, w.Body)
		}
	}
	return w
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (l *lab) clock() time.Time { return l.now }

func (l *lab) token(name, role string) string {
	l.t.Helper()
	token := NewToken()
	if err := l.j.AddToken(l.t.Context(), journal.Token{Name: name, Role: role, Created: l.now}, journal.HashToken(token)); err != nil {
		l.t.Fatal(err)
	}
	return token
}

// Schedules implements Scheduler.
func (l *lab) Schedules(context.Context) ([]scheduler.Schedule, error) {
	return []scheduler.Schedule{{Pipeline: "nightly", Expression: "0 2 * * *", Timezone: "UTC", Next: []time.Time{night.AddDate(0, 0, 1)}}}, nil
}

// Wake implements Scheduler.
func (l *lab) Wake() { l.woken++ }

// LastPass implements Scheduler.
func (l *lab) LastPass() time.Time { return l.now }

// ask sends a request as somebody on this machine; header is name, value, ….
func (l *lab) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	l.t.Helper()
	return l.askIn(context.Background(), method, path, body, header...)
}

// askIn sends it as somebody who hangs up when ctx is done.
func (l *lab) askIn(ctx context.Context, method, path, body string, header ...string) *httptest.ResponseRecorder {
	l.t.Helper()
	r := httptest.NewRequestWithContext(ctx, method, "http://127.0.0.1:4280/", strings.NewReader(body))
	r.URL.Opaque, r.RemoteAddr = "", "127.0.0.1:5555"
	before, query, _ := strings.Cut(path, "?")
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.RequestURI = unescaped(before), before, query, path
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	l.s.Handler().ServeHTTP(w, r)
	return w
}

// as is the header of a bearer.
func as(token string) []string { return []string{"Authorization", "Bearer " + token} }

func cookieOf(w *httptest.ResponseRecorder) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		return c
	}
	return nil
}
