package httpclient

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	s := script(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(500)
		}
	})
	other := script(t, answer(200, "well"))
	w := newWorld(t, Config{Attempts: 8, BreakAfter: 10, BreakFor: time.Minute})

	_, err := w.get(s.URL)
	wants(t, fmt.Sprint(err), "attempt 8 of 8: HTTP 500 Internal Server Error; given up")
	_, err = w.get(s.URL)
	var open *BreakerError
	if !errors.As(err, &open) || open.Failures != 10 || !open.Until.Equal(w.now.Add(time.Minute)) {
		t.Fatalf("%v", err)
	}
	wants(t, err.Error(), "attempt 2 of 8: HTTP 500", "failed 10 times in a row: nothing is sent to it before 2026-11-27T02:0", "(in 1m0s)")
	wants(t, w.log.String(), "level=WARN", "host fails")
	if got := w.of(s); got.Sent != 10 || got.Dead != 2 || got.Retried != 8 || got.Breaker != Open || got.BreakerOpens != 1 {
		t.Errorf("%+v", got)
	}

	if _, err = w.get(s.URL); !errors.As(err, &open) {
		t.Fatal(err)
	}
	if got := w.of(s); got.Sent != 10 || got.Refused != 1 {
		t.Errorf("while open: %+v", got)
	}
	if _, err := w.get(other.URL); err != nil {
		t.Errorf("another host: %v", err)
	}

	w.now = open.Until
	if got := w.of(s); got.Breaker != HalfOpen {
		t.Errorf("later: %+v", got)
	}
	if _, err = w.get(s.URL); !errors.As(err, &open) { // the probe fails
		t.Fatal(err)
	}
	if got := w.of(s); got.Sent != 11 || got.Breaker != Open || got.BreakerOpens != 2 {
		t.Errorf("after the probe: %+v", got)
	}
	down.Store(false)
	w.now = open.Until
	if _, err = w.get(s.URL); err != nil {
		t.Fatal(err)
	}
	if got := w.of(s); got.Breaker != Closed || got.OK != 1 {
		t.Errorf("at the end: %+v", got)
	}
}

func TestHalfOpenBreakerLetsOnePass(t *testing.T) {
	asked, answered := make(chan bool), make(chan bool)
	s := script(t, answer(500, ""), func(w http.ResponseWriter, _ *http.Request) { asked <- true; <-answered })
	w := newWorld(t, Config{Attempts: 1, BreakAfter: 1, BreakFor: time.Minute})
	_, _ = w.get(s.URL)
	w.mu.Lock()
	w.now = w.now.Add(time.Minute)
	w.mu.Unlock()
	probe := make(chan error)
	go func() { _, err := w.get(s.URL); probe <- err }()
	<-asked
	_, err := w.get(s.URL)
	wants(t, fmt.Sprint(err), "one request is trying it")
	close(answered)
	if err := <-probe; err != nil {
		t.Error(err)
	}
	if got := w.of(s); got.Breaker != Closed {
		t.Errorf("%+v", got)
	}
}

// TestHeaderOfTheProbeCloses: others do not wait for the end of the probe's body, and when that breaks off the host fails again.
func TestHeaderOfTheProbeCloses(t *testing.T) {
	for name, c := range map[string]struct {
		probe http.HandlerFunc
		then  string
	}{
		"read well":  {answer(200, "a long table"), Closed},
		"breaks off": {raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"), Open},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, answer(500, ""), answer(500, ""), answer(500, ""), c.probe, answer(200, "other"))
			w := newWorld(t, Config{Attempts: 1, BreakAfter: 3, BreakFor: time.Minute})
			for range 3 {
				_, _ = w.get(s.URL)
			}
			w.now = w.now.Add(time.Minute)
			probe, err := w.Do(t.Context(), Request{URL: s.URL})
			if err != nil {
				t.Fatal(err)
			}
			if got := w.of(s); got.Breaker != Closed {
				t.Errorf("at the header: %+v", got)
			}
			_, err = io.ReadAll(probe.Body)
			probe.Body.Close()
			if got := w.of(s); got.Breaker != c.then || (err == nil) != (c.then == Closed) {
				t.Errorf("at the end: %v, %+v", err, got)
			}
			if c.then == Open {
				return
			}
			if a, err := w.get(s.URL); err != nil || string(a.Body) != "other" {
				t.Error(err)
			}
		})
	}
}

func TestBreakerIsForFailuresOfTheHost(t *testing.T) {
	limited := script(t, answer(429, ""))
	missing := script(t, answer(404, ""))
	w := newWorld(t, Config{Attempts: 5, BreakAfter: 2, AllowPrivate: []string{"127.0.0.1"}})
	_, _ = w.get(limited.URL)
	for range 3 {
		_, _ = w.get(missing.URL)
	}
	if got := w.of(limited); got.Breaker != Closed || got.Sent != 5 {
		t.Errorf("429: %+v", got)
	}
	if got := w.of(missing); got.Breaker != Closed || got.Sent != 3 {
		t.Errorf("404: %+v", got)
	}

	truncated := script(t, raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"))
	_, _ = w.get(truncated.URL)
	if got := w.of(truncated); got.Breaker != Open || got.Sent != 2 {
		t.Errorf("bodies that break off: %+v", got)
	}
}

func TestLateAnswersSayNothingOfANewEra(t *testing.T) {
	now := night
	b := &breaker{host: "h", most: 1, pause: time.Minute, now: func() time.Time { return now }}
	late, _ := b.enter()
	later, _ := b.enter()
	fails, _ := b.enter()
	if !fails(failing) {
		t.Fatal("it did not open")
	}
	late(healthy)
	if later(failing) || b.opened != 1 {
		t.Error("a failure from before opened it again")
	}
	if _, err := b.enter(); err == nil {
		t.Error("an answer from before closed it")
	}
	now = now.Add(time.Minute)
	probe, err := b.enter()
	if err != nil {
		t.Fatal(err)
	}
	probe(unknown) // it was called off
	if _, err := b.enter(); err != nil {
		t.Error("a probe that was called off blocks the next")
	}
}
