package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// TestCrashBetweenSendAndRecord: what arrived and was not recorded is sent again, with the id that it had.
func TestCrashBetweenSendAndRecord(t *testing.T) {
	w := newWorld(t)
	w.run("nightly", "erp.orders: down")
	if mine, err := w.alerter.acquire(); err != nil || !mine {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Minute)
	if err := w.alerter.look(t.Context(), w.project.Alerts); err != nil {
		t.Fatal(err)
	}
	waiting, err := w.journal.PendingAlerts(t.Context(), "hook", 10)
	if err != nil || len(waiting) != 1 {
		t.Fatal(waiting, err)
	}
	if err := w.alerter.sendTo(t.Context(), w.project.Alerts.Channel("hook"), waiting[0]); err != nil { // and then the process dies
		t.Fatal(err)
	}
	w.open()
	w.pass(time.Minute)
	if len(w.got) != 2 || w.got[0].id == "" || w.got[0].id != w.got[1].id {
		t.Errorf("%d messages: %v", len(w.got), w.got)
	}
	w.open()
	w.pass(time.Minute)
	if len(w.got) != 2 {
		t.Error("sent again although it was recorded")
	}
}

// TestGivenUp: after a day a message is given up, recorded, and can be tried again; one that is refused at once. Neither holds up the
// other channel.
func TestGivenUp(t *testing.T) {
	w := newWorld(t)
	w.configure("channels: { hook: { type: webhook, url: " + w.server.URL + "/hook }, dead: { type: webhook, url: " + w.server.URL + "/dead }, gone: { type: command, command: ['true'] } }")
	ok := w.answer
	w.answer = func(res http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dead" {
			res.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.got = append(w.got, delivery{path: r.URL.Path})
	}
	w.run("nightly", "erp.orders: down")
	w.pass(2 * time.Minute)
	if len(w.got) != 1 {
		t.Errorf("a dead channel holds up another: %v", w.got)
	}
	for range 26 {
		w.pass(time.Hour)
	}
	failed := w.outbox(journal.AlertFilter{State: journal.AlertFailed})
	if len(failed) != 1 || failed[0].Channel != "dead" || failed[0].Tries < 20 {
		t.Fatalf("%+v", failed)
	}
	events, err := w.journal.Events(t.Context(), 0, 1)
	if err != nil || len(events) != 1 || events[0].Kind != "alert_failed" || !strings.Contains(events[0].Text, "500 Internal Server Error") {
		t.Errorf("%+v, %v", events, err)
	}
	w.answer = ok
	if n, err := w.journal.RetryAlerts(t.Context(), "", w.now); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	w.pass(time.Minute)
	if a := w.outbox(journal.AlertFilter{Channel: "dead"}); a[0].State != journal.AlertDelivered {
		t.Errorf("%+v", a)
	}
	w.answer = func(res http.ResponseWriter, _ *http.Request) { res.WriteHeader(http.StatusBadRequest) }
	w.run("hourly", "main.events: down")
	w.pass(2 * time.Minute)
	if failed := w.outbox(journal.AlertFilter{State: journal.AlertFailed}); len(failed) != 2 || failed[0].Tries != 1 {
		t.Errorf("a message that is refused is not tried for a day: %+v", failed)
	}
}

// TestRetryAfter: a server that says when to come again is not asked before, neither by another process nor for something new.
func TestRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		rest   time.Duration
	}{
		"seconds": {"7200", 2 * time.Hour},
		"a date":  {start.Add(3 * time.Hour).Format(http.TimeFormat), 3 * time.Hour},
		"forever": {"99999999999999999999999", giveUpTime},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			asked := 0
			w.answer = func(res http.ResponseWriter, _ *http.Request) {
				asked++
				res.Header()["Date"] = nil
				res.Header().Set("Retry-After", c.header)
				res.WriteHeader(http.StatusTooManyRequests)
			}
			w.run("nightly", "erp.orders: down")
			w.pass(2 * time.Minute)
			for w.now.Before(start.Add(c.rest - time.Hour)) {
				w.now = w.now.Add(30 * time.Minute)
				w.run(fmt.Sprintf("p%d", w.runs), "erp.orders: down")
				w.open()
				w.pass(2 * time.Minute)
			}
			if asked != 1 {
				t.Errorf("asked %d times in the first %s", asked, w.now.Sub(start))
			}
			w.answer = nil
			w.pass(time.Hour + 2*time.Minute)
			if len(w.told()) == 0 {
				t.Error("not asked again")
			}
		})
	}
}

// TestIndigestible: messages that their receiver cannot take hold up no other; one that takes none is not asked for each.
func TestIndigestible(t *testing.T) {
	w := newWorld(t)
	down, asked := false, 0
	w.alerter.Client = doer(func(r *http.Request) (*http.Response, error) {
		asked++
		body, _ := io.ReadAll(r.Body)
		if down || bytes.Contains(body, []byte("indigestible")) {
			return &http.Response{StatusCode: http.StatusInternalServerError, Body: http.NoBody}, nil
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return w.server.Client().Do(r)
	})
	say := func(text string) { w.run(fmt.Sprintf("p%03d", w.runs), "erp.orders: "+text) }
	w.pass(0)
	for range 3 {
		say("indigestible")
		w.pass(2 * time.Hour)
	}
	for n := range 4 {
		say("good")
		say("good")
		w.pass(2 * time.Hour) // the longest rest of those that fail is over
		if len(w.got) != 2*(n+1) {
			t.Errorf("%d of %d good ones arrived", len(w.got), 2*(n+1))
		}
	}
	for i := 1; i < len(w.got); i++ {
		if w.got[i-1].data.Pipeline > w.got[i].data.Pipeline {
			t.Errorf("not in order: %v", w.got)
		}
	}
	down = true
	for range 20 {
		say("good")
	}
	for range 30 {
		asked = 0
		w.pass(time.Hour)
		if w.pass(0); asked > mostVain {
			t.Errorf("one that is down was asked %d times", asked)
		}
	}
	if failed := w.outbox(journal.AlertFilter{State: journal.AlertFailed}); len(failed) != 23 || failed[0].Error == "" {
		t.Errorf("%d were given up after a day", len(failed))
	}
}

// deadline is a context whose deadline the test brings about.
type deadline struct {
	context.Context
	over chan struct{}
}

func (d deadline) Done() <-chan struct{} { return d.over }

func (d deadline) Err() error {
	select {
	case <-d.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// TestHangingReceiver: one that does not answer before the end of a run has had its try, so that the next run is not held up by it; an
// interruption says nothing about it.
func TestHangingReceiver(t *testing.T) {
	w := newWorld(t)
	w.run("nightly", "erp.orders: down")
	w.now = w.now.Add(2 * time.Minute)
	asked := 0
	settle := func(ctx context.Context, end func()) journal.Alert {
		t.Helper()
		w.alerter.Client = doer(func(r *http.Request) (*http.Response, error) {
			asked++
			end()
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		if err := w.alerter.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		return w.outbox(journal.AlertFilter{})[0]
	}
	stopped, stop := contextOf(t)
	if a := settle(stopped, stop); a.Tries != 0 || asked != 1 {
		t.Errorf("an interruption is no try: %+v", a)
	}
	over := make(chan struct{})
	if a := settle(deadline{t.Context(), over}, func() { close(over) }); a.Tries != 1 || !a.Due.After(w.now) || !strings.Contains(a.Error, "no answer in time") {
		t.Errorf("%+v", a)
	}
	if settle(t.Context(), func() { t.Error("asked before it is due") }); asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// TestAlertsRemoved: a project without alerts may come while a message is under way; what waits is delivered as it was meant.
func TestAlertsRemoved(t *testing.T) {
	w := newWorld(t)
	w.configure("channels: { ops: { type: slack, url: " + w.server.URL + " } }")
	for i := range 2 * foldOver {
		w.run(fmt.Sprintf("p%d", i), "erp.orders: down")
	}
	asked := 0
	w.answer = func(http.ResponseWriter, *http.Request) {
		asked++
		without := *w.project
		without.Alerts = nil
		w.project = &without
		if asked == 1 { // what comes to wait in the meantime becomes a digest
			for i := range 2 * foldOver {
				a := w.alerter.row("ops", models.OnFailure, Message{Kind: models.OnFailure, Pipeline: fmt.Sprint(i)})
				if err := w.journal.AddAlerts(t.Context(), []journal.Alert{a}, nil); err != nil {
					t.Error(err)
				}
			}
		}
	}
	w.pass(2 * time.Minute)
	w.pass(2 * time.Minute)
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// TestHasten: something new is not kept waiting by what has been tried in vain for hours, unless the server asked for that.
func TestHasten(t *testing.T) {
	for header, want := range map[string]int{"": mostVain, "3600": 0} {
		w := newWorld(t)
		asked := 0
		w.answer = func(res http.ResponseWriter, _ *http.Request) {
			asked++
			res.Header().Set("Retry-After", header)
			res.WriteHeader(http.StatusServiceUnavailable)
		}
		w.run("nightly", "erp.orders: down")
		for range 10 {
			w.pass(time.Hour)
		}
		asked = 0
		for range 3 { // within a minute
			w.run(fmt.Sprintf("p%d", w.runs), "erp.orders: down")
			w.now = w.now.Add(10 * time.Second)
			var wait sync.WaitGroup
			if err := w.alerter.turn(t.Context(), &wait); err != nil {
				t.Fatal(err)
			}
			wait.Wait()
		}
		if asked != want {
			t.Errorf("Retry-After %q: asked %d times", header, asked)
		}
	}
}

// TestOneTells: while one process tells, another one that ends a run does not.
func TestOneTells(t *testing.T) {
	w := newWorld(t)
	if mine, err := w.alerter.acquire(); err != nil || !mine {
		t.Fatal(err)
	}
	other, err := New(w.alerter.Config)
	if err != nil {
		t.Fatal(err)
	}
	w.run("nightly", "erp.orders: down")
	w.now = w.now.Add(2 * time.Minute)
	if err := other.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.expect()
	w.pass(0)
	w.expect("nightly failed: erp.orders: down")
}

// TestNoSecretsNoValues: the canary is nowhere in the outbox, in the events, in what was sent, and in the logs.
func TestNoSecretsNoValues(t *testing.T) {
	w := newWorld(t)
	w.configure(`channels: { hook: { type: webhook, url: ` + w.server.URL + `/canary-path, secret: canary-signing-key }, gone: { type: slack, url: "http://127.0.0.1:1/canary-slack" },
		page: { type: command, command: [sh, -c, "cat; echo http://127.0.0.1:1/canary-slack; exit 1"] } }, heartbeat: { url: "http://127.0.0.1:1/canary-beat" }`)
	w.open()
	w.run("nightly", "erp.orders: no answer from canary-signing-key\nsecond line canary-cell", "main.fct_orders: Conversion Error: Could not convert string 'canary-cell' to INT32", `erp.customers: duplicate key "canary-cell"`)
	w.pass(2 * time.Minute)
	w.alerter.beatOnce(t.Context(), w.project.Alerts.Heartbeat, false)
	events, err := w.journal.Events(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var sent strings.Builder
	for _, d := range w.got {
		sent.WriteString(d.body)
	}
	all := fmt.Sprintf("%+v", w.outbox(journal.AlertFilter{})) + sent.String() + w.logs.String() + fmt.Sprintf("%+v", events)
	for _, a := range w.outbox(journal.AlertFilter{}) {
		all += string(a.Message)
	}
	if i := strings.Index(all, "canary"); i >= 0 {
		t.Errorf("…%s…", all[max(0, i-200):min(len(all), i+100)])
	}
	if !strings.Contains(all, "exit status 1") || !strings.Contains(all, "the heartbeat is not heard") || len(w.got) != 1 {
		t.Errorf("nothing was looked at: %s", all)
	}
}

// TestHeartbeat: it is called while the loop is alive; a series of failures is recorded once, with its end.
func TestHeartbeat(t *testing.T) {
	w := newWorld(t)
	h := &models.Heartbeat{Method: "GET"}
	h.URL = w.project.Alerts.Channel("hook").Options.(*models.WebhookChannel).URL
	alive := true
	w.alerter.Alive = func() bool { return alive }
	failing := w.alerter.beatOnce(t.Context(), h, false)
	alive = false
	failing = w.alerter.beatOnce(t.Context(), h, failing)
	if failing || len(w.got) != 1 {
		t.Errorf("called %d times", len(w.got))
	}
	alive = true
	w.answer = func(res http.ResponseWriter, _ *http.Request) { res.WriteHeader(500) }
	for range 3 {
		failing = w.alerter.beatOnce(t.Context(), h, failing)
	}
	w.answer = nil
	w.alerter.beatOnce(t.Context(), h, failing)
	events, err := w.journal.Events(t.Context(), 0, 10)
	if err != nil || len(events) != 2 || !strings.Contains(events[1].Text, "500") || events[0].Text != "the heartbeat is heard again" {
		t.Errorf("%+v, %v", events, err)
	}
}

// TestRunLoop: the service looks and delivers by itself and ends when it is asked to.
func TestRunLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		p := &models.Project{Name: "x", Alerts: &models.Alerts{Channels: []*models.AlertChannel{{Name: "c", Type: "slack", Options: &models.SlackChannel{}}},
			Rules: []models.AlertRule{{On: []string{"failure"}, To: []string{"c"}}}, Heartbeat: &models.Heartbeat{Method: "GET"}}}
		if err := p.Alerts.Heartbeat.Every.UnmarshalText([]byte("1m")); err != nil {
			t.Fatal(err)
		}
		calls := 0
		a, err := New(Config{Project: func() *models.Project { return p }, Journal: j, Clock: time.Now, Client: doer(func(*http.Request) (*http.Response, error) { calls++; return nil, errors.New("no") })})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := contextOf(t)
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		time.Sleep(time.Minute + time.Second)
		at := time.Now()
		r := journal.Run{ID: "r", Pipeline: "p", Attempt: 1, Status: journal.Failed, Started: at, Finished: &at}
		if err := errors.Join(j.BeginRun(t.Context(), r), j.FinishRun(t.Context(), r, nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		pending, err := j.PendingAlerts(t.Context(), "c", 10)
		if err != nil || len(pending) != 1 || pending[0].Tries == 0 || pending[0].Error == "" {
			t.Errorf("%+v, %v", pending, err)
		}
		stop()
		if err := <-done; err != nil || a.lock != nil {
			t.Error(err)
		}
	})
}

// TestRenamedChannel: what waits for a channel that has another name now goes there, in a digest or by itself, and to nobody twice.
func TestRenamedChannel(t *testing.T) {
	w := newWorld(t)
	rules := func(name string) string {
		return "channels: { " + name + ": { type: slack, url: " + w.server.URL + "/" + name + " }, hook: { type: webhook, url: " + w.server.URL + "/hook } }"
	}
	w.configure(rules("ops"))
	w.answer = func(res http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ops" {
			res.WriteHeader(http.StatusBadGateway)
		}
	}
	for i := range foldOver + 1 {
		w.run(fmt.Sprint("p", i), "erp.orders: down")
	}
	w.pass(2 * time.Minute)
	if len(w.outbox(journal.AlertFilter{State: journal.AlertFolded})) != foldOver+1 {
		t.Error("there is no digest")
	}
	w.run("nightly", "erp.orders: down")
	w.pass(time.Hour)
	w.got, w.answer = nil, nil
	w.configure(rules("ops2"))
	w.pass(time.Minute)
	texts := ""
	for _, d := range w.got {
		if d.path != "/ops2" {
			t.Errorf("told again at %s", d.path)
		}
		texts += d.body
	}
	if strings.Count(texts, "nightly failed") != 1 || !strings.Contains(texts, "p0 failed") || !strings.Contains(texts, "p5 failed") {
		t.Errorf("%d messages: %s", len(w.got), texts)
	}
	if left := w.outbox(journal.AlertFilter{State: journal.AlertPending}); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

// TestAllRenamed: a message for two channels that are both renamed is told once on each, however much was written since.
func TestAllRenamed(t *testing.T) {
	w := newWorld(t)
	channels := func(a, b string) {
		w.configure(fmt.Sprintf("channels: { %s: { type: webhook, url: %[3]s/%[1]s }, %s: { type: webhook, url: %[3]s/%[2]s } }, rules: [ { to: [%[1]s, %[2]s], pipelines: nightly } ]", a, b, w.server.URL))
	}
	channels("a", "b")
	w.answer = func(res http.ResponseWriter, _ *http.Request) { res.WriteHeader(http.StatusBadGateway) }
	w.run("nightly", "erp.orders: down")
	w.pass(2 * time.Minute)
	for i := range 120 {
		if err := w.journal.AddAlerts(t.Context(), []journal.Alert{{ID: fmt.Sprint(i), Channel: "a", State: journal.AlertDelivered, Closed: &w.now}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.mu.Lock()
	w.answer = nil
	w.mu.Unlock()
	channels("c", "d")
	w.pass(time.Hour)
	if len(w.got) != 2 || w.got[0].path == w.got[1].path {
		t.Errorf("%d messages", len(w.got))
	}
}
