package serve

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

func TestRunsByPages(t *testing.T) {
	l := newLab(t, project, nil)
	runs := l.runs(7)
	seen, path := []string{}, "/api/v1/runs?limit=3"
	for pages := 0; path != "" && pages < 5; pages++ {
		var p Page[pipeline.RunSummary]
		w := l.json("GET", path, "", 200, &p)
		for _, r := range p.Items {
			seen = append(seen, r.ID)
		}
		link, _, _ := strings.Cut(strings.TrimPrefix(w.Header().Get("Link"), "<"), ">")
		if (link == "") != (p.Next == "") || p.Next != "" && link != "/api/v1/runs?cursor="+url.QueryEscape(p.Next)+"&limit=3" {
			t.Errorf("link %q, next %q", link, p.Next)
		}
		if path = link; pages == 0 { // a run that begins meanwhile moves no page
			l.must(l.j.BeginRun(t.Context(), journal.Run{ID: "29991231T000000-x", Pipeline: "nightly", Status: journal.Running, Started: night.AddDate(1, 0, 0)}))
		}
	}
	var ambiguous Problem
	l.json("GET", "/api/v1/runs/2026", "", 404, &ambiguous)
	if w := l.ask("GET", "/runs/2026", "", append(as(l.viewer), "Accept", "text/html")...); w.Code != 404 || !strings.Contains(w.Body.String(), "several runs begin so") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	want := []string{}
	for _, r := range slices.Backward(runs) {
		want = append(want, r.ID)
	}
	if !slices.Equal(seen, want) {
		t.Errorf("%v", seen)
	}
	for query, n := range map[string]int{"?status=partial": 2, "?pipeline=other": 0, "?pipeline=nightly&since=2026-11-27T02:05:00Z": 3, "?since=2026-11-27": 8, "?limit=1": 1, "?limit=500": 8, "": 8} {
		var p Page[pipeline.RunSummary]
		if l.json("GET", "/api/v1/runs"+query, "", 200, &p); len(p.Items) != n {
			t.Errorf("%q: %d runs, want %d", query, len(p.Items), n)
		}
	}
}

func TestQueriesAreStrict(t *testing.T) {
	l := newLab(t, project, nil)
	l.runs(1)
	var p Problem
	l.json("GET", "/api/v1/runs?pipelin=x&status=bad&limit=-1&since=today&limit=2&pipeline=a", "", 400, &p)
	fields := []string{}
	for _, f := range p.Problems {
		fields = append(fields, f.Field)
	}
	if !slices.Equal(fields, []string{"limit", "pipelin", "status"}) || p.Type != problemTypes+"invalid-request" || p.Instance == "" {
		t.Errorf("%+v", p)
	}
	l.json("GET", "/api/v1/runs?since=today", "", 400, nil)
	for _, query := range []string{"/runs?limit=501", "/runs?limit=0", "/runs?status=failed;pipeline=bad", "/runs?status=%zz", "/runs/20261127T020000-000001/report?x=1", "/runs/20261127T020000-000001/log/stream?tial=5",
		"/runs/20261127T020000-000001/log/stream?tail=10001", "/nodes/main.orders/quarantine?sample=101", "/nodes/main.orders/checks?points=501"} {
		l.json("GET", apiPrefix+query, "", 400, nil)
	}
	if w := l.ask("GET", "/runs?status=failed;pipeline=bad", "", as(l.viewer)...); w.Code != 400 {
		t.Errorf("a page: %d", w.Code)
	}
	for _, body := range []string{`{"run": "x\u0000"}`, `{"run": "20261127"}`, `{"rule": "a\u0000"}`, `{"rule": "` + strings.Repeat("x", 501) + `"}`} {
		l.json("POST", "/api/v1/nodes/main.orders/quarantine/replay", body, 400, nil)
	}
	l.json("POST", "/api/v1/nodes/main.orders/quarantine/replay", `{"run": "20261127T020000-nosuch"}`, 404, nil)
	for _, cursor := range []string{"%21", "eA", base64.RawURLEncoding.EncodeToString([]byte("12' OR 1=1"))} {
		for _, path := range []string{"/api/v1/runs", "/api/v1/firings", "/api/v1/events", "/api/v1/runs/20261127T020000-000001/log"} {
			l.json("GET", path+"?cursor="+cursor, "", 400, nil)
		}
	}
	for _, limit := range []string{"0", "-1", "x", ""} {
		l.json("GET", "/api/v1/runs?limit="+limit, "", 400, nil)
	}
}

func TestOneRun(t *testing.T) {
	l := newLab(t, project, nil)
	id := l.runs(3)[2].ID
	var r pipeline.RunSummary
	if l.json("GET", "/api/v1/runs/"+id, "", 200, &r); r.ID != id || r.State != "partial" {
		t.Errorf("%+v", r)
	}
	l.json("GET", "/api/v1/runs/"+id[:10], "", 404, nil)
	l.json("GET", "/api/v1/runs/none", "", 404, nil)
	var steps Page[journal.Step]
	if l.json("GET", "/api/v1/runs/"+id+"/steps", "", 200, &steps); len(steps.Items) != 1 || steps.Items[0].Rows != 5 {
		t.Errorf("%+v", steps)
	}
	w := l.json("GET", "/api/v1/runs/"+id+"/checks", "", 200, nil)
	if !strings.Contains(w.Body.String(), `"***"`) {
		t.Errorf("%s", w.Body)
	}
	l.load(id)
	var loads Page[journal.Load]
	if l.json("GET", "/api/v1/runs/"+id+"/loads", "", 200, &loads); len(loads.Items) != 1 || loads.Items[0].Tables[0].As != "ORDERS" || loads.Items[0].Sent[0].QueryID != "01b2" {
		t.Errorf("%+v", loads)
	}
	if shown := l.ask("GET", "/runs/"+id, "", as(l.viewer)...); shown.Code != 200 || !strings.Contains(shown.Body.String(), "not brought: a &lt;b&gt; is too wide") {
		t.Errorf("%d %s", shown.Code, shown.Body)
	}
	page := l.ask("GET", "/api/v1/runs/"+id+"/report", "", as(l.viewer)...)
	csp := page.Header().Get("Content-Security-Policy")
	if page.Code != 200 || !strings.Contains(csp, "style-src 'sha256-") || strings.Contains(csp, "unsafe") || !strings.Contains(page.Body.String(), id) || strings.Count(page.Body.String(), "<style") != 1 || strings.Contains(page.Body.String(), "style=") {
		t.Errorf("%d %s", page.Code, csp)
	}
}

// load journals a load of a run, of which one table was not brought.
func (l *lab) load(run string) {
	l.t.Helper()
	one := journal.Load{Load: load.Load{ID: "01J0", Run: run, Snapshot: 3}, Target: "local", Status: journal.Running, Started: l.now}
	l.must(l.e.Journal.BeginLoad(l.t.Context(), one))
	l.must(l.e.Journal.SaveStatement(l.t.Context(), load.Statement{Load: one.ID, Seq: 1, Step: "copy", SQL: "COPY", QueryID: "01b2", Sent: l.now}))
	one.Status, one.Finished = journal.Failed, &l.now
	one.Tables = []load.LoadedTable{{Name: warehouse.Name{Schema: "main", Table: "orders"}, As: "ORDERS", Mode: load.ModeFull, Error: "a <b> is too wide"}}
	l.must(l.e.Journal.EndLoad(l.t.Context(), one))
}

func TestNodes(t *testing.T) {
	l := newLab(t, project, nil)
	l.runs(4)
	var nodes Page[NodeInfo]
	if l.json("GET", "/api/v1/nodes?pipeline=nightly", "", 200, &nodes); len(nodes.Items) != 2 || nodes.Items[0].Name != "main.orders" || nodes.Items[0].Published.Rows != 5 || nodes.Items[1].Published != nil {
		t.Errorf("%+v", nodes)
	}
	var n NodeDetail
	l.json("GET", "/api/v1/nodes/main.orders", "", 200, &n)
	if len(n.Columns) != 2 || !n.Columns[1].PII || n.Columns[1].Type != "VARCHAR" || n.Columns[0].Description != "Number of the order." || !slices.Equal(n.ReadBy, []string{"main.revenue"}) || len(n.CheckSet) != 1 {
		t.Errorf("%+v", n)
	}
	l.json("GET", "/api/v1/nodes/main.nothing", "", 404, nil)
	var trends Page[CheckTrend]
	if l.json("GET", "/api/v1/nodes/main.orders/checks?points=3", "", 200, &trends); len(trends.Items) != 1 || len(trends.Items[0].History) != 3 {
		t.Errorf("%+v", trends)
	}
	var q Quarantine
	if l.json("GET", "/api/v1/nodes/main.orders/quarantine", "", 200, &q); q.Set != nil {
		t.Errorf("%+v", q)
	}
	l.json("GET", "/api/v1/nodes/main.orders/quarantine?run=none", "", 404, nil)
	var g Lineage
	if l.json("GET", "/api/v1/lineage", "", 200, &g); len(g.Edges) != 1 || g.Edges[0] != (LineageEdge{"main.orders", "main.revenue"}) {
		t.Errorf("%+v", g)
	}
	var p Project
	if l.json("GET", "/api/v1/project", "", 200, &p); p.Name != "shop" || len(p.Pipelines) != 1 {
		t.Errorf("%+v", p)
	}
	var s pipeline.Status
	if l.json("GET", "/api/v1/status", "", 200, &s); s.Snapshot != 3 || len(s.Pipelines) != 1 {
		t.Errorf("%+v", s)
	}
	l.json("GET", "/api/v1/schedules", "", 200, nil)
}

func TestTrigger(t *testing.T) {
	l := newLab(t, project+"  other: { exclude: [\"*\"] }\n", nil)
	var f, g journal.Firing
	l.json("POST", "/api/v1/pipelines/nightly/trigger", `{"select": ["main.orders"], "full_refresh": true}`, 202, &f)
	if f.By != "otto" || f.Trigger != journal.TriggerAPI || !f.Ask.FullRefresh || f.State != journal.FiringWaiting || !f.LogicalTime.Equal(night.Add(time.Microsecond)) || l.woken != 1 {
		t.Errorf("%+v, woken %d", f, l.woken)
	}
	if l.json("POST", "/api/v1/pipelines/nightly/trigger", "", 202, &g); !g.LogicalTime.Equal(night) {
		t.Errorf("%+v", g)
	}
	l.json("POST", "/api/v1/pipelines/nightly/trigger", `{"logical_time": "2026-11-27T03:00:00+01:00"}`, 409, nil)
	l.json("POST", "/api/v1/pipelines/none/trigger", "", 404, nil)
	var p Problem
	for _, odd := range []string{"0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2027-11-28T00:00:00Z", "9999-12-31T00:00:00Z"} {
		if w := l.json("POST", "/api/v1/pipelines/nightly/trigger", `{"logical_time": "`+odd+`"}`, 400, nil); !strings.Contains(w.Body.String(), "between 1970 and a year from now") {
			t.Errorf("%s: %s", odd, w.Body)
		}
	}
	l.json("POST", "/api/v1/pipelines/nightly/trigger", `{"selct": [], "full_refresh": "yes", "logical_time": 5, "select": "x"}`, 400, &p)
	if len(p.Problems) != 4 {
		t.Errorf("%+v", p.Problems)
	}
	l.json("POST", "/api/v1/pipelines/nightly/trigger", `{"select": ["nothing_here"]}`, 400, nil)
	if l.json("POST", "/api/v1/pipelines/other/trigger", `{"select": ["main.orders"]}`, 400, &p); len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Detail, `is in pipeline "nightly", not in "other"`) {
		t.Errorf("%+v", p.Problems)
	}
	for _, bad := range []string{"[]", "null", "{", `"x"`, "{} {}"} {
		l.json("POST", "/api/v1/pipelines/nightly/trigger", bad, 400, nil)
	}
	for media, want := range map[string]int{"text/plain": 415, "application/json; charset=utf-16": 415, "application/json; charset=UTF-8": 202} {
		if w := l.ask("POST", "/api/v1/pipelines/nightly/trigger", `{}`, append(as(l.operator), "Content-Type", media)...); w.Code != want {
			t.Errorf("%s: %d, want %d", media, w.Code, want)
		}
	}
	l.json("POST", "/api/v1/pipelines/nightly/trigger", strings.Repeat(" ", bodyBytes+1), 413, nil)
	var events Page[journal.Event]
	l.json("GET", "/api/v1/events?limit=1", "", 200, &events)
	if len(events.Items) != 1 || events.Items[0].By != "otto" || events.Items[0].Kind != "trigger" || events.Next == "" {
		t.Errorf("%+v", events)
	}
	var firings Page[journal.Firing]
	if l.json("GET", "/api/v1/firings?open=true&trigger=api&pipeline=nightly&limit=1", "", 200, &firings); len(firings.Items) != 1 || firings.Next == "" {
		t.Errorf("%+v", firings)
	}
	if l.json("POST", "/api/v1/firings/"+f.ID+"/cancel", "", 202, &g); g.Cancel != "otto" {
		t.Errorf("%+v", g)
	}
	f.State, f.Finished = journal.FiringCancelled, &night
	l.must(l.j.SaveFiring(t.Context(), f))
	l.json("POST", "/api/v1/firings/"+f.ID+"/cancel", "", 409, nil)
	l.json("GET", "/api/v1/firings/"+f.ID, "", 200, nil)
	l.json("GET", "/api/v1/firings/none", "", 404, nil)
}

func TestPause(t *testing.T) {
	l := newLab(t, project, nil)
	var p journal.Pause
	if l.json("POST", "/api/v1/pipelines/nightly/pause", `{"reason": "the warehouse moves"}`, 200, &p); p.By != "otto" || p.Reason != "the warehouse moves" {
		t.Errorf("%+v", p)
	}
	l.json("POST", "/api/v1/pipelines/nightly/pause", `{"reason": "`+strings.Repeat("x", 501)+`"}`, 400, nil)
	var r Resumed
	if l.json("POST", "/api/v1/pipelines/nightly/resume", "", 200, &r); !r.Paused {
		t.Errorf("%+v", r)
	}
	if l.json("POST", "/api/v1/pipelines/nightly/resume", "", 200, &r); r.Paused {
		t.Errorf("%+v", r)
	}
}

func TestRetryAndReplay(t *testing.T) {
	l := newLab(t, project, nil)
	runs := l.runs(3)
	var f journal.Firing
	if l.json("POST", "/api/v1/runs/"+runs[2].ID+"/retry", "", 202, &f); f.Ask.Retry != runs[2].ID || f.Pipeline != "nightly" {
		t.Errorf("%+v", f)
	}
	l.json("POST", "/api/v1/runs/"+runs[0].ID+"/retry", "", 409, nil)
	elsewhere := runs[2]
	elsewhere.ID, elsewhere.Selection.Target = "20261127T020900-00000d", "dev"
	l.must(l.j.BeginRun(t.Context(), elsewhere))
	for _, body := range []string{"", `{"from": "main.orders"}`} {
		if w := l.json("POST", "/api/v1/runs/"+elsewhere.ID+"/retry", body, 409, nil); !strings.Contains(w.Body.String(), "--target dev") {
			t.Errorf("a run for another target: %s", w.Body)
		}
	}
	var from journal.Firing
	if l.json("POST", "/api/v1/runs/"+runs[0].ID+"/retry", `{"from": "main.orders"}`, 202, &from); from.Ask.Retry != "" || from.Pipeline != "nightly" {
		t.Errorf("%+v", from)
	}
	nodes, err := l.e.Project.SelectIn("nightly", from.Ask.Select)
	if err != nil || len(nodes) != 2 {
		t.Errorf("from main.orders on are %d nodes, %v", len(nodes), err)
	}
	l.json("POST", "/api/v1/runs/"+runs[0].ID+"/retry", `{"from": "main.revenue"}`, 400, nil) // the run had no such step
	l.json("POST", "/api/v1/runs/"+runs[0].ID+"/cancel", "", 409, nil)
	if l.json("POST", "/api/v1/nodes/main.orders/quarantine/replay", `{"rule": "unique_id"}`, 202, &f); f.Ask.Replay == nil || f.Ask.Replay.Rule != "unique_id" || !slices.Equal(f.Ask.Select, []string{"main.orders"}) {
		t.Errorf("%+v", f)
	}
	there, err := l.j.Firing(t.Context(), f.ID)
	if err != nil || there.Ask.Replay == nil {
		t.Errorf("%+v, %v", there, err)
	}
}

func TestIdempotency(t *testing.T) {
	l := newLab(t, project, nil)
	path, key := "/api/v1/pipelines/nightly/trigger", []string{"Idempotency-Key", "k1"}
	first := l.json("POST", path, `{"full_refresh":true}`, 202, nil, key...)
	l.now = l.now.Add(time.Hour)
	again := l.json("POST", path, `{"full_refresh":true}`, 202, nil, key...)
	if first.Body.String() != again.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" || first.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("%s\n%s", first.Body, again.Body)
	}
	l.json("POST", path, `{}`, 422, nil, key...)
	l.json("POST", "/api/v1/pipelines/nightly/pause", `{"full_refresh":true}`, 422, nil, key...)
	l.json("POST", path, `{}`, 400, nil, "Idempotency-Key", strings.Repeat("k", longestKey+1))
	if firings, err := l.j.Firings(t.Context(), journal.FiringFilter{}); len(firings) != 1 || err != nil {
		t.Errorf("%d firings, %v", len(firings), err)
	}
	l.now = l.now.Add(apiKeep) // forgotten
	l.json("POST", path, `{}`, 202, nil, key...)

	// What failed had no effect, and may be mended under the same key.
	l.json("POST", path, `{"selct":[]}`, 400, nil, "Idempotency-Key", "k2")
	l.json("POST", path, `{}`, 202, nil, "Idempotency-Key", "k2")
}

// wakes is a scheduler of which f is called when it is woken: behind the change, and before the client has its answer.
type wakes struct {
	Scheduler
	f func()
}

func (w wakes) Wake() { w.f() }

// TestAnswerLost: whatever becomes of the client or the process between the change and the answer, a repetition changes nothing more, however
// things stand by then; and the audit log has the act, once.
func TestAnswerLost(t *testing.T) {
	resume := func(l *lab, _ journal.Run) { l.json("POST", "/api/v1/pipelines/nightly/resume", "", 200, nil) }
	for name, c := range map[string]struct {
		path, body string
		meanwhile  func(*lab, journal.Run)
	}{
		"trigger": {"/api/v1/pipelines/nightly/trigger", "", func(*lab, journal.Run) {}},
		"pause":   {"/api/v1/pipelines/nightly/pause", `{"reason":"x"}`, resume},
		"retry": {"/api/v1/runs/RUN/retry", "", func(l *lab, r journal.Run) {
			l.must(l.j.SetRunStatus(t.Context(), r.ID, journal.Succeeded, "", night))
		}},
	} {
		for _, dies := range []bool{false, true} {
			ctx, hangUp := context.WithCancel(t.Context())
			l := newLab(t, project, func(c *Config) {
				c.Scheduler = wakes{c.Scheduler, func() {
					if ctx.Err() == nil && dies {
						defer panic("killed")
					}
					hangUp()
				}}
			})
			run := l.runs(3)[2]
			path, key := strings.Replace(c.path, "RUN", run.ID, 1), []string{"Content-Type", "application/json", "Idempotency-Key", "k"}
			l.askIn(ctx, "POST", path, c.body, append(as(l.operator), key...)...)
			if ctx.Err() == nil {
				t.Fatalf("%s: nothing was done", name)
			}
			c.meanwhile(l, run)
			for range 2 {
				if w := l.ask("POST", path, c.body, append(as(l.operator), key...)...); w.Header().Get("Idempotent-Replayed") != "true" || w.Code >= 300 {
					t.Errorf("%s: %d %s", name, w.Code, w.Body)
				}
				l.must(l.j.SetRunStatus(t.Context(), run.ID, journal.Partial, "again", night))
			}
			firings, err := l.j.Firings(t.Context(), journal.FiringFilter{})
			l.must(err)
			pauses, err := l.j.Pauses(t.Context())
			l.must(err)
			events, err := l.j.Events(t.Context(), 0, 10)
			l.must(err)
			events = slices.DeleteFunc(events, func(e journal.Event) bool { return e.Kind != name || e.By != "otto" })
			if want := map[bool]int{true: 0, false: 1}[name == "pause"]; len(firings) != want || len(pauses) != 0 || len(events) != 1 {
				t.Errorf("%s: %d firings, pauses %v, events %v", name, len(firings), pauses, events)
			}
		}
	}
}

// TestAllOrNothing: a change whose line in the audit log cannot be written is not made, and may be asked for again under its key.
func TestAllOrNothing(t *testing.T) {
	l := newLab(t, project, nil)
	db, err := sql.Open("sqlite", filepath.Join(l.e.Project.Dir, "state.db"))
	l.must(err)
	defer db.Close()
	for what, count := range map[string]func() int{
		"trigger": func() int { all, _ := l.j.Firings(t.Context(), journal.FiringFilter{}); return len(all) },
		"pause":   func() int { all, _ := l.j.Pauses(t.Context()); return len(all) },
	} {
		_, err = db.Exec(`CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'full'); END`)
		l.must(err)
		path := "/api/v1/pipelines/nightly/" + what
		l.json("POST", path, "", 500, nil, "Idempotency-Key", what)
		if n := count(); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
		_, err = db.Exec(`DROP TRIGGER full`)
		l.must(err)
		l.json("POST", path, "", map[string]int{"trigger": 202, "pause": 200}[what], nil, "Idempotency-Key", what)
		if n := count(); n != 1 {
			t.Errorf("%s: %d", what, n)
		}
	}
}

// TestKeyOfAnother: keys are of who gives them. A new token is somebody else, also under the old one's name.
func TestKeyOfAnother(t *testing.T) {
	l := newLab(t, project, nil)
	path, key := "/api/v1/pipelines/nightly/trigger", []string{"Idempotency-Key", "nightly-1"}
	l.json("POST", path, "", 202, nil, key...)
	_, err := l.j.RemoveToken(t.Context(), "otto")
	l.must(err)
	l.operator = l.token("otto", "operator")
	if w := l.json("POST", path, "", 202, nil, key...); w.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("%s", w.Body)
	}
}

// TestTwinsAtOnce answers one of two requests with the same key while the other is being answered.
func TestTwinsAtOnce(t *testing.T) {
	l := newLab(t, project, nil)
	mine := [2]string{journal.HashToken(journal.HashToken(l.operator)), "k"}
	l.s.underWay.enter(mine)
	w := l.json("POST", "/api/v1/pipelines/nightly/trigger", `{}`, 409, nil, "Idempotency-Key", "k")
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("%v", w.Header())
	}
	l.s.underWay.leave(mine)
	l.json("POST", "/api/v1/pipelines/nightly/trigger", `{}`, 202, nil, "Idempotency-Key", "k")
}

func TestReadiness(t *testing.T) {
	var alive error
	l := newLab(t, project, func(c *Config) { c.Alive = func() error { return alive } })
	if w := l.ask("GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	alive = fmt.Errorf("no tick since 02:00")
	if w := l.ask("GET", "/readyz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "the scheduler stands still") || strings.Contains(w.Body.String(), "tick") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	alive = nil
	l.now = l.now.Add(probeSpan)
	held, err := sql.Open("sqlite", filepath.Join(l.e.Project.Dir, "state.db"))
	l.must(err)
	held.SetMaxOpenConns(1)
	_, err = held.Exec("BEGIN IMMEDIATE")
	l.must(err)
	if w := l.ask("GET", "/readyz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "the journal cannot be written") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	l.must(held.Close())
	l.now = l.now.Add(probeSpan)
	if w := l.ask("GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	l.must(l.j.Close())
	if w := l.ask("GET", "/readyz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "journal") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := l.ask("GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
	if w := l.ask("GET", "/api/v1/runs", "", as(l.viewer)...); w.Code != 500 || strings.Contains(w.Body.String(), "closed") || !strings.Contains(l.log.String(), "closed") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestTurnsToLook: one who has many rows shown at once keeps nobody else from theirs, and nobody waits for ever.
func TestTurnsToLook(t *testing.T) {
	l := newLab(t, project, nil)
	turns, ctx := l.s.looking, t.Context()
	turns.patience = time.Hour // of those who get a turn in the end
	l.must(turns.enter(ctx, "vera"))
	var waiting sync.WaitGroup
	for range turnsOfOne - 1 {
		waiting.Go(func() { l.must(turns.enter(ctx, "vera")) })
	}
	for queued := 0; queued < turnsOfOne-1; runtime.Gosched() {
		turns.mu.Lock()
		queued = len(turns.queued)
		turns.mu.Unlock()
	}
	kindOf := func(err error) kind { return problemOf(err).kind }
	if err := turns.enter(ctx, "vera"); err == nil || kindOf(err) != kindTooMany {
		t.Error(err)
	}
	l.must(turns.enter(ctx, "otto")) // at once, past all of hers
	short := newTurns()
	short.patience = 0
	for i := range engines {
		short.queue(&turn{fmt.Sprint(i), make(chan struct{})})
	}
	if err := short.enter(ctx, "olga"); err == nil || kindOf(err) != kindBusy || problemOf(err).retry == 0 {
		t.Error(err)
	}
	gone, hangUp := context.WithCancel(ctx)
	hangUp()
	if err := turns.enter(gone, "olga"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	turns.leave("otto")
	for range turnsOfOne {
		turns.leave("vera")
		l.must(turns.enter(ctx, "otto"))
		turns.leave("otto")
	}
	waiting.Wait()
	if len(turns.queued)+len(turns.going)+turns.all != 0 {
		t.Errorf("%+v", turns)
	}

	if writeTime < lookPatience+lookTime+10*time.Second {
		t.Error("an answer may come too late")
	}
	who := context.WithValue(ctx, keyIdentity, identity{id: "vera"})
	err := l.s.look(who, func(ctx context.Context, _ *pipeline.Engine) error {
		if _, limited := ctx.Deadline(); !limited {
			t.Error("no limit")
		}
		return fmt.Errorf("count: %w", context.DeadlineExceeded)
	})
	if kindOf(err) != kindBusy || turns.all != 0 {
		t.Error(err)
	}
}

// TestCancelRunOfACommand: the process of a run that no scheduler has started is told to end, and no other one that has its number later.
func TestCancelRunOfACommand(t *testing.T) {
	l := newLab(t, project, nil)
	path := filepath.Join(l.e.Project.StateDir(), "locks", "nightly.lock")
	l.must(os.MkdirAll(filepath.Dir(path), 0o700))
	f, err := os.Create(path)
	l.must(err)
	l.must(syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	child := exec.Command("sleep", "600")
	child.ExtraFiles = []*os.File{f} // it holds the lock from now on
	l.must(child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	own := func(host string) {
		t.Helper()
		l.must(os.WriteFile(path, fmt.Appendf(nil, `{"pid":%d,"host":%q}`, child.Process.Pid, host), 0o600))
	}
	l.must(f.Close())
	host, err := os.Hostname()
	l.must(err)
	r := journal.Run{ID: "20261127T030000-000001", Pipeline: "nightly", LogicalTime: night, Attempt: 1, Status: journal.Running, Started: night, PID: child.Process.Pid}
	l.must(l.j.BeginRun(t.Context(), r))
	own("elsewhere")
	if w := l.json("POST", "/api/v1/runs/"+r.ID+"/cancel", "", 409, nil); !strings.Contains(w.Body.String(), "on elsewhere, out of reach: `millrace cancel "+r.ID+"` there ends it") {
		t.Error(w.Body)
	}
	own(host)
	var told journal.Firing
	if l.json("POST", "/api/v1/runs/"+r.ID+"/cancel", "", 202, &told); told.ID != "" || told.Run != r.ID || told.Cancel != "otto" {
		t.Errorf("%+v", told)
	}
	_ = child.Wait()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("the process has ended with %v", child.ProcessState)
	}
	other := exec.Command("sleep", "600")
	l.must(other.Start())
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	r.PID = other.Process.Pid // as if it had got the number: it holds no lock
	l.must(l.j.BeginRun(t.Context(), r))
	l.json("POST", "/api/v1/runs/"+r.ID+"/cancel", "", 409, nil)
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("a process that is none of ours was told: %v", err)
	}
	if events, err := l.j.Events(t.Context(), 0, 1); err != nil || len(events) != 1 || events[0].Kind != "cancel" || events[0].By != "otto" || events[0].Run != r.ID {
		t.Errorf("%+v, %v", events, err)
	}
}
