package httpclient

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/secret"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var direct = secret.NewValue(noProxy)

var night = time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)

// world is a client whose time passes only when it waits, and what it was seen doing.
type world struct {
	*Client
	t *testing.T

	mu       sync.Mutex
	now      time.Time
	slept    []time.Duration
	attempts []Attempt
	log      bytes.Buffer
}

// newWorld makes a client that may connect to this machine. Its random number is always one half.
func newWorld(t *testing.T, cfg Config, change ...func(*Deps)) *world {
	t.Helper()
	w := &world{t: t, now: night}
	if cfg.AllowPrivate == nil {
		cfg.AllowPrivate = []string{"127.0.0.1"}
	}
	deps := Deps{
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.now = w.now.Add(d)
			w.slept = append(w.slept, d)
			return context.Cause(ctx)
		},
		Rand:    func() float64 { return 0.5 },
		Observe: func(a Attempt) { w.mu.Lock(); defer w.mu.Unlock(); w.attempts = append(w.attempts, a) },
	}
	for _, f := range change {
		f(&deps)
	}
	var err error
	if w.Client, err = New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	t.Cleanup(func() {
		for name, s := range w.Stats() {
			if !s.Balanced() || s.Open != 0 {
				t.Errorf("%s: sent %d is not ok %d + retried %d + dead %d, or %d are still open", name, s.Sent, s.OK, s.Retried, s.Dead, s.Open)
			}
		}
	})
	return w
}

// get reads a URL whole.
func (w *world) get(url string) (*Answer, error) {
	return w.ReadAll(w.t.Context(), Request{URL: url})
}

// of returns the counts of a server.
func (w *world) of(s *httptest.Server) HostStats { return w.Stats()[strings.SplitN(s.URL, "/", 3)[2]] }

// waited checks what the client slept.
func (w *world) waited(want ...time.Duration) {
	w.t.Helper()
	if !slices.Equal(w.slept, want) {
		w.t.Errorf("slept %v, want %v", w.slept, want)
	}
}

// script is a server that answers the n-th request with the n-th step, and all later ones with the last.
func script(t *testing.T, steps ...http.HandlerFunc) *httptest.Server {
	t.Helper()
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		step := steps[min(n, len(steps)-1)]
		n++
		mu.Unlock()
		step(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// answer is a step with a status, a body and headers in pairs.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// raw is a step that writes bytes of its own to the connection and closes it.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = conn.Write([]byte(text))
		conn.Close()
	}
}

// wants checks that a text holds others.
func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in: %s", p, text)
		}
	}
}
