package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

var update = flag.Bool("update", false, "rewrite golden files")

// messages are one of each kind that looks different. Names in them try what names can.
func messages() map[string]*Message {
	at, logical := start.Add(7*time.Minute), start
	return map[string]*Message{
		"failure": {Kind: "failure", Project: "shop", Pipeline: "nightly", Run: "20260301T020000-abcdef", Attempt: 2, Trigger: "schedule", LogicalTime: &logical, At: at, Took: "7m0s",
			Title: "nightly failed: erp.orders fails 2 of its 5 checks", Text: "erp.orders fails 2 of its 5 checks", Node: "erp.orders", Hint: "mend the rows in the source, or the rule",
			Checks: []Check{{Node: "erp.orders", Name: "not_null_id", Severity: "error", Status: "fail", Failing: 1234, Checked: 1000000},
				{Node: "erp.orders", Name: "<!channel> *unique*_id", Severity: "error", Status: "error"}}, MoreChecks: 1,
			Others: []string{"erp.customers: connect: refused"}, Held: []string{"main.fct_orders", "main.dim_customers"}, Published: "the rest, as snapshot 7", Rows: 99,
			Owners: []string{"crm", "data"}, Severity: []string{"error"}, Failures: 3, Since: &logical, Untold: 1, Command: "millrace retry 20260301T020000-abcdef", Link: "https://millrace.example.org/runs/20260301T020000-abcdef"},
		"recovery": {Kind: "recovery", Project: "shop", Pipeline: "nightly", Run: "r", At: at, Title: "nightly works again", Text: "It had failed 2 times since 2026-03-01 02:00 UTC, the last time: failed: x"},
		"digest": {Kind: "digest", Project: "shop", At: at, Title: "shop: 37 pipelines failed and 2 pipelines recovered", Count: 39, Worst: "failure",
			Members: []Member{{ID: "a1", Kind: "failure", Pipeline: "a", Title: "a failed: <at>everyone</at> [x](https://evil.example) {{DATE(2026,SHORT)}}"}, {ID: "a2", Kind: "recovery", Pipeline: "b", Title: "b works again"}}},
	}
}

// TestDigestOfGoodNews: how bad a digest is says the worst that it tells of.
func TestDigestOfGoodNews(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		kinds []string
		want  string
	}{
		{[]string{models.OnRecovery, models.OnRecovery}, "OK shop: 2 pipelines recovered"},
		{[]string{models.OnRecovery, models.OnProject, models.OnLate}, "WARN shop: a changed project refused, 1 pipeline late and 1 pipeline recovered"},
		{[]string{models.OnRecovery, models.OnPaused}, "FAIL shop: 1 pipeline paused and 1 pipeline recovered"},
	} {
		var all []journal.Alert
		for i, kind := range c.kinds {
			all = append(all, journal.Alert{Kind: kind, Pipeline: fmt.Sprint("p", i)})
		}
		var m Message
		if err := json.Unmarshal(w.alerter.digest("hook", all, "").Message, &m); err != nil {
			t.Fatal(err)
		}
		if got := sign(&m) + " " + m.Title; got != c.want {
			t.Errorf("%s, not %s", got, c.want)
		}
		if m.Worst = ""; sign(&m)+" "+m.Title != c.want {
			t.Errorf("%s of an older version, not %s", sign(&m), c.want)
		}
	}
}

// TestGolden: what each channel sends. Read the diff before you take it.
func TestGolden(t *testing.T) {
	mails := &email{EmailChannel: &models.EmailChannel{To: config.StringList{"ann@example.org", "Bob <bob@example.org>"}, From: "Millrace <millrace@example.org>", SMTP: "smtp://mail.example.org"}}
	for name, m := range messages() {
		teamsBody, err := teamsPayload(m)
		if err != nil {
			t.Fatal(err)
		}
		slackBody, err := json.Marshal(slackPayload(m))
		if err != nil {
			t.Fatal(err)
		}
		hook, err := payload("a20260301T020700-abcdefghij", start, m)
		if err != nil {
			t.Fatal(err)
		}
		page, err := mailHTML(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mails.message("id", start, m); err != nil {
			t.Error(err)
		}
		for file, content := range map[string][]byte{"slack.json": indent(slackBody), "teams.json": indent(teamsBody), "webhook.json": indent(hook), "mail.html": []byte(page), "mail.txt": []byte(mailText(m))} {
			golden(t, name+"."+file, content)
		}
		for _, evil := range []string{"<at>", "[x](", "{{DATE"} {
			if bytes.Contains(teamsBody, []byte(evil)) {
				t.Errorf("%s: teams: %s is not defused", name, evil)
			}
		}
		if plain := strings.ReplaceAll(string(slackBody), `\u003c`, "<"); strings.Contains(plain, "<!channel>") {
			t.Errorf("%s: slack: a mention", name)
		}
	}
}

func indent(body []byte) []byte {
	var b bytes.Buffer
	_ = json.Indent(&b, body, "", "  ")
	return append(b.Bytes(), '\n')
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(want, got) {
		t.Errorf("%s differs (%v); go test ./pipeline/alert -update rewrites it:\n%s", path, err, got)
	}
}

// TestLimits: a message of anything a project can come up with is one that the channels take.
func TestLimits(t *testing.T) {
	m := messages()["failure"]
	long := strings.Repeat("<&*é", 3000)
	m.Title, m.Text, m.Hint, m.Command = long, long, long, long
	for range 500 {
		m.Checks = append(m.Checks, Check{Node: long[:200], Name: long[:200]})
		m.Held, m.Owners = append(m.Held, long[:100]), append(m.Owners, long[:100])
	}
	payload := slackPayload(m)
	blocks := payload["blocks"].([]any)
	if len(blocks) > 50 {
		t.Errorf("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		if text, ok := b.(map[string]any)["text"].(map[string]any); ok {
			if most := map[any]int{"plain_text": 150, "mrkdwn": 3000}[text["type"]]; len(text["text"].(string)) > most {
				t.Errorf("%d characters in a %s", len(text["text"].(string)), text["type"])
			}
		}
	}
	if body, err := teamsPayload(m); err != nil || len(body) > 28<<10 || !json.Valid(body) {
		t.Errorf("teams: %d bytes, %v", len(body), err)
	}
	e := &email{EmailChannel: &models.EmailChannel{To: config.StringList{"a@example.org"}, From: "b@example.org"}}
	m.Title = "x\r\nBcc: everyone@example.org\r\n\r\nbody"
	msg, err := e.message("id", start, m)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if head, _, _ := strings.Cut(b.String(), "\r\n\r\n"); strings.Contains(head, "\nBcc:") {
		t.Errorf("a header was injected:\n%s", head)
	}
}

// TestSignature is the example of the Standard Webhooks specification.
func TestSignature(t *testing.T) {
	o := &models.WebhookChannel{Secret: secret.NewValue("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}
	key, err := o.Key()
	if err != nil {
		t.Fatal(err)
	}
	if got := signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)); got != "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
}

// TestAnswers: how servers misbehave, and what is made of it. The URL is in no error.
func TestAnswers(t *testing.T) {
	answer := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if name, value, ok := strings.Cut(header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
		refused bool
		after   time.Duration
	}{
		"ok":       {answer(200, "", "ok"), "", false, 0},
		"accepted": {answer(202, "", ""), "", false, 0},
		"rate":     {answer(429, "Retry-After: 77", "slow down"), "answers 429 Too Many Requests: slow down", false, 77 * time.Second},
		"busy":     {answer(503, "Retry-After: 5", ""), "answers 503", false, 5 * time.Second},
		"broken":   {answer(500, "", "<html>oops"), "answers 500 Internal Server Error", false, 0},
		"blocks":   {answer(400, "", "invalid_blocks"), "answers 400 Bad Request: invalid_blocks", true, 0},
		"gone":     {answer(404, "", "no_service at /services/canary-path"), "answers 404 Not Found: no_service at ***", false, 0},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", false, 0},
		"never comes": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the client has gone
			<-r.Context().Done()
		}, "no answer in time", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			server.Config.ErrorLog = nil
			client := server.Client()
			if name == "never comes" {
				client.Timeout = 50 * time.Millisecond
			}
			s := &slack{poster{client, secret.NewValue(server.URL + "/services/canary-path?sig=canary-query"), time.Now}}
			err := s.send(t.Context(), "id", start, messages()["failure"])
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
				t.Fatalf("%v", err)
			}
			var p postponed
			if errors.As(err, new(refused)) != c.refused || errors.As(err, &p) != (c.after > 0) || p.after != c.after {
				t.Errorf("refused %t, after %s", errors.As(err, new(refused)), p.after)
			}
		})
	}
	s := &slack{poster{http.DefaultClient, secret.NewValue("ftp://canary\x00"), time.Now}}
	if err := s.send(t.Context(), "id", start, messages()["failure"]); err == nil || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

// TestHide: a server that echoes a part of the URL, or all of it in JSON, gives no part of it away that may be a secret.
func TestHide(t *testing.T) {
	u, err := url.Parse("https://hooks.example.org/services/T00000000/B%2B1111111/canaryXXXXcanary?sig=canary%2Bquery&v=1")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`no_service canaryXXXXcanary`: "no_service ***",
		`{"url":"https:\/\/hooks.example.org\/services\/T00000000\/B%2B1111111\/canaryXXXXcanary"}`: `{"url":"https:\/\/hooks.example.org\/***\/***\/***\/***"}`,
		`sig canary+query of T00000000, B+1111111; version 1`:                                       "sig *** of ***, ***; version 1",
	} {
		if got := hide(text, u); got != want {
			t.Errorf("%s\n  is  %s\n  not %s", text, got, want)
		}
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	run := func(timeout time.Duration, words ...string) error {
		c := &command{&models.CommandChannel{Command: words, Timeout: config.Duration(timeout)}, dir}
		return c.send(t.Context(), "a1", start, messages()["failure"])
	}
	out := filepath.Join(dir, "got")
	if err := run(time.Minute, "sh", "-c", `cat > "$1"; test "$MILLRACE_ALERT_ID" = a1`, "sh", out); err != nil {
		t.Fatal(err)
	}
	var p Payload
	if text, err := os.ReadFile(out); err != nil || json.Unmarshal(text, &p) != nil || p.Type != "millrace.failure" || p.Data.Node != "erp.orders" {
		t.Errorf("%+v, %v", p, err)
	}
	if err := run(time.Minute, "sh", "-c", "echo it went wrong >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3: it went wrong") {
		t.Error(err)
	}
	if err := run(time.Minute, "./not-there"); err == nil {
		t.Error("no error")
	}
	// No shell: what looks like one is an argument.
	if err := run(time.Minute, "echo", "$(touch "+filepath.Join(dir, "pwned")+")"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("a shell ran")
	}
	// What it leaves behind, as a page that rings on, may hold its output: it has done its work.
	if err := run(time.Minute, "sh", "-c", "sleep 5 & exit 0"); err != nil {
		t.Error(err)
	}
	t.Setenv("MILLRACE_WORKER", "1")
	t.Setenv("MILLRACE_TEST", "1")
	if err := run(time.Minute, "sh", "-c", `test -z "$MILLRACE_WORKER" && test "$MILLRACE_TEST" = 1`); err != nil {
		t.Error(err)
	}
	// It is killed with what it started: the pipe of the child would hold us up otherwise.
	mark := filepath.Join(dir, "late")
	err := run(200*time.Millisecond, "sh", "-c", `(sleep 3; touch "$1") & sleep 60`, "sh", mark)
	if err == nil || !strings.Contains(err.Error(), "took longer than 200ms") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &command{&models.CommandChannel{Command: []string{"sleep", "60"}, Timeout: config.Duration(time.Hour)}, dir}
	if err := c.send(ctx, "a1", start, messages()["failure"]); err == nil {
		t.Error("it was not ended")
	}
}
