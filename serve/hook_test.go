package serve

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
)

const hooked = `name: shop
pipelines:
  nightly: { webhook: { secrets: ["${secret:hook_old_secret_of_many_bytes}", "whsec_bmV3IHNlY3JldCBvZiBtYW55LCBtYW55IGJ5dGVz"] } }
  other: { select: [none] , webhook: { secrets: ["${secret:other_secret_of_many_many_bytes}"] } }
  plain: { select: [none] }
`

var (
	oldKey   = []byte("HOOK_OLD_SECRET_OF_MANY_BYTES")
	newKey   = []byte("new secret of many, many bytes")
	otherKey = []byte("OTHER_SECRET_OF_MANY_MANY_BYTES")
)

// hookLab has pipelines with webhooks; those that select nothing need no nodes.
func hookLab(t *testing.T) *lab {
	return newLab(t, strings.ReplaceAll(hooked, "select: [none]", `exclude: ["*"]`), nil)
}

// sign is the headers of a webhook.
func sign(key []byte, id string, at time.Time, body string) []string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + body))
	return []string{"webhook-id", id, "webhook-timestamp", stamp, "webhook-signature", "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

func (l *lab) firings() []journal.Firing {
	l.t.Helper()
	all, err := l.j.Firings(l.t.Context(), journal.FiringFilter{})
	l.must(err)
	return all
}

func (l *lab) answer(w *httptest.ResponseRecorder) (h Hooked) {
	l.t.Helper()
	l.must(json.Unmarshal(w.Body.Bytes(), &h))
	return h
}

func TestWebhook(t *testing.T) {
	l := hookLab(t)
	w := l.ask("POST", "/hooks/nightly", `{"a":1}`, sign(oldKey, "msg_1", l.now, `{"a":1}`)...)
	if w.Code != 202 || l.woken != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	f := l.firings()
	if len(f) != 1 || f[0].ID != l.answer(w).Firing || f[0].Trigger != journal.TriggerWebhook || f[0].By != "webhook msg_1" || f[0].Pipeline != "nightly" {
		t.Errorf("%+v", f)
	}
	// Two secrets while one takes the place of the other; several signatures in one header, one of them good.
	f[0].State, f[0].Finished = journal.FiringSucceeded, &night
	l.must(l.j.SaveFiring(t.Context(), f[0]))
	header := sign(newKey, "msg_2", l.now, "")
	header[5] = "v2,abc v1,d3Jvbmc= " + header[5]
	if w := l.ask("POST", "/hooks/nightly", "", header...); w.Code != 202 || len(l.firings()) != 2 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestWebhookReplayed sends the same request again and again: it has one firing, also after that has ended.
func TestWebhookReplayed(t *testing.T) {
	l := hookLab(t)
	header := sign(oldKey, "msg_1", l.now, "x")
	first := l.ask("POST", "/hooks/nightly", "x", header...)
	f := l.firings()[0]
	f.State, f.Finished = journal.FiringSucceeded, &night
	l.must(l.j.SaveFiring(t.Context(), f))
	for range 3 {
		l.now = l.now.Add(time.Minute)
		if w := l.ask("POST", "/hooks/nightly", "x", header...); w.Code != 202 || w.Body.String() != first.Body.String() || w.Header().Get("Idempotent-Replayed") != "true" || len(l.firings()) != 1 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if w := l.ask("POST", "/hooks/nightly", "y", sign(oldKey, "msg_1", l.now, "y")...); w.Code != 422 || len(l.firings()) != 1 {
		t.Errorf("another body under the same id: %d", w.Code)
	}
}

// TestWebhooksRefused is S11: whatever is wrong, the answer is the same, and a pipeline that there is cannot be told from one
// that there is not.
func TestWebhooksRefused(t *testing.T) {
	l := hookLab(t)
	without := func(name string) []string {
		h := sign(oldKey, "m", l.now, "x")
		for i := 0; i < len(h); i += 2 {
			if h[i] == name {
				return append(h[:i], h[i+2:]...)
			}
		}
		return h
	}
	changed := func(i int, value string) []string {
		h := sign(oldKey, "m", l.now, "x")
		h[i] = value
		return h
	}
	cases := map[string]struct {
		path, body string
		header     []string
	}{
		"stale":             {"nightly", "x", sign(oldKey, "m", l.now.Add(-hookTolerance-time.Second), "x")},
		"future":            {"nightly", "x", sign(oldKey, "m", l.now.Add(hookTolerance+time.Second), "x")},
		"tampered body":     {"nightly", "y", sign(oldKey, "m", l.now, "x")},
		"body with a space": {"nightly", "x ", sign(oldKey, "m", l.now, "x")},
		"tampered id":       {"nightly", "x", changed(1, "n")},
		"tampered time":     {"nightly", "x", changed(3, strconv.FormatInt(l.now.Unix()+1, 10))},
		"no time":           {"nightly", "x", changed(3, "soon")},
		"wrong secret":      {"nightly", "x", sign([]byte("some other secret of some length"), "m", l.now, "x")},
		"another's secret":  {"nightly", "x", sign(otherKey, "m", l.now, "x")},
		"the text of whsec": {"nightly", "x", sign([]byte("whsec_bmV3IHNlY3JldCBvZiBtYW55LCBtYW55IGJ5dGVz"), "m", l.now, "x")},
		"the empty secret":  {"plain", "x", sign(nil, "m", l.now, "x")},
		"no version":        {"nightly", "x", changed(5, strings.TrimPrefix(changed(0, "")[5], "v1,"))},
		"no id":             {"nightly", "x", without("webhook-id")},
		"empty id":          {"nightly", "x", sign(oldKey, "", l.now, "x")},
		"long id":           {"nightly", "x", sign(oldKey, strings.Repeat("m", longestKey+1), l.now, "x")},
		"no timestamp":      {"nightly", "x", without("webhook-timestamp")},
		"no signature":      {"nightly", "x", without("webhook-signature")},
		"no headers":        {"nightly", "x", nil},
		"bearer":            {"nightly", "x", as(l.operator)},
		"no webhook":        {"plain", "x", sign(oldKey, "m", l.now, "x")},
		"unknown pipeline":  {"nothing", "x", sign(oldKey, "m", l.now, "x")},
	}
	said := map[string]bool{}
	for name, c := range cases {
		w := l.ask("POST", "/hooks/"+c.path, c.body, c.header...)
		body, _, _ := strings.Cut(w.Body.String(), `"instance"`)
		if said[body] = true; w.Code != 401 || len(said) != 1 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if len(l.firings()) != 0 {
		t.Errorf("%d firings", len(l.firings()))
	}
	if w := l.ask("POST", "/hooks/nightly", strings.Repeat("x", hookBytes+1), sign(oldKey, "m", l.now, "x")...); w.Code != 413 {
		t.Errorf("a large body: %d", w.Code)
	}
}

// TestWebhookFlood sends a thousand good webhooks: one firing waits, and the journal grows with the minutes, not with them.
func TestWebhookFlood(t *testing.T) {
	l := hookLab(t)
	codes := map[int]int{}
	for i := range 1000 {
		id := fmt.Sprint("msg_", i)
		w := l.ask("POST", "/hooks/nightly", "", sign(oldKey, id, l.now, "")...)
		if codes[w.Code]++; w.Code == 202 && i > 0 && (!l.answer(w).Folded || l.answer(w).Reason == "") {
			t.Fatalf("%s", w.Body)
		}
	}
	if codes[202] != hooksAMinute || codes[429] != 1000-hooksAMinute || len(l.firings()) != 1 {
		t.Errorf("%v, %d firings", codes, len(l.firings()))
	}
	if w := l.ask("POST", "/hooks/other", "", sign(otherKey, "m", l.now, "")...); w.Code != 202 {
		t.Errorf("the flood of one pipeline stops another: %d", w.Code)
	}
	l.now = l.now.Add(time.Minute)
	if w := l.ask("POST", "/hooks/nightly", "", sign(oldKey, "later", l.now, "")...); w.Code != 202 {
		t.Errorf("a minute later: %d", w.Code)
	}
	if w := l.ask("POST", "/hooks/nightly", "", sign(oldKey, "later", l.now, "")...); w.Code != 202 || l.s.hooks.taken["nightly"] != 1 {
		t.Errorf("sent again: %d; %d of this minute are taken", w.Code, l.s.hooks.taken["nightly"])
	}
}

// TestSlowWebhooks: who sends no body holds one of a few places, for a short time, and none at all without good headers.
func TestSlowWebhooks(t *testing.T) {
	l := hookLab(t)
	for range hooksOfOne {
		if !l.s.hooks.reading.enter(peerOfTests) {
			t.Fatal("there is no place")
		}
	}
	if w := l.ask("POST", "/hooks/nightly", "", sign(oldKey, "m", l.now, "")...); w.Code != 429 {
		t.Errorf("with all places of its address taken: %d", w.Code)
	}
	if w := l.ask("POST", "/hooks/nightly", "", sign(oldKey, "m", l.now.Add(-time.Hour), "")...); w.Code != 401 {
		t.Errorf("a stale one waits for a place: %d", w.Code)
	}
	for i := range hooksAtOnce {
		l.s.hooks.reading.enter(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	if l.s.hooks.reading.all != hooksAtOnce || l.s.hooks.reading.enter(netip.MustParseAddr("192.0.2.99")) {
		t.Errorf("%d places are taken", l.s.hooks.reading.all)
	}
	l.s.hooks = newHookLimits(l.clock)
	l.s.hooks.patience = time.Millisecond
	server := httptest.NewServer(l.s.Handler())
	defer server.Close()
	for _, pipeline := range []string{"nightly", "nothing"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		l.must(err)
		defer conn.Close()
		h := sign(oldKey, "m", l.now, "")
		_, err = fmt.Fprintf(conn, "POST /hooks/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n%s: %s\r\n%s: %s\r\n%s: %s\r\n\r\nx", pipeline, h[0], h[1], h[2], h[3], h[4], h[5])
		l.must(err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		l.must(err)
		if answer.StatusCode != 401 || l.s.hooks.reading.all != 0 || len(l.s.hooks.reading.taken) != 0 {
			t.Errorf("%s: %d; %d places are still taken", pipeline, answer.StatusCode, l.s.hooks.reading.all)
		}
	}
}
