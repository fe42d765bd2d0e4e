package httpclient

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		want    time.Duration
	}{
		{"seconds", []string{"Retry-After", "7"}, 7 * time.Second},
		{"date by the server's clock", []string{"Retry-After", "Fri, 27 Nov 2026 12:00:30 GMT", "Date", "Fri, 27 Nov 2026 12:00:00 GMT"}, 30 * time.Second},
		{"absent", nil, 250 * time.Millisecond},
		{"zero", []string{"Retry-After", "0"}, 250 * time.Millisecond},
		{"a date that has passed", []string{"Retry-After", "Fri, 27 Nov 2026 11:00:00 GMT", "Date", "Fri, 27 Nov 2026 12:00:00 GMT"}, 250 * time.Millisecond},
		{"nonsense", []string{"Retry-After", "soon"}, 250 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := script(t, answer(429, "", c.headers...), answer(200, "done"))
			w := newWorld(t, Config{})
			a, err := w.get(s.URL)
			if err != nil || string(a.Body) != "done" {
				t.Fatal(a, err)
			}
			w.waited(c.want)
			got := w.of(s)
			if got.Sent != 2 || got.OK != 1 || got.Retried != 1 || got.Status[429] != 1 || got.Status[200] != 1 || got.Bytes != 4 ||
				got.RetryWaits != (Waits{1, c.want}) || got.Breaker != Closed {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestRetryAfterDateByOwnClock(t *testing.T) {
	s := script(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil // net/http then sends none
		answer(503, "", "Retry-After", night.Add(time.Minute).Format(http.TimeFormat))(w, nil)
	}, answer(200, ""))
	w := newWorld(t, Config{})
	if _, err := w.get(s.URL); err != nil {
		t.Fatal(err)
	}
	w.waited(time.Minute)
}

func TestRetryAfterBeyondTheDeadlineGivesUpAtOnce(t *testing.T) {
	s := script(t, answer(429, "slow down", "Retry-After", "1800"))
	for name, c := range map[string]struct {
		cfg Config
		ctx time.Duration
	}{"own": {Config{Deadline: 2 * time.Minute}, time.Hour}, "of the context": {Config{Deadline: -1}, 2 * time.Minute}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.ctx)
			defer cancel()
			w := newWorld(t, c.cfg)
			_, err := w.ReadAll(ctx, Request{URL: s.URL})
			var late *DeadlineError
			if !errors.As(err, &late) {
				t.Fatal(err)
			}
			w.waited()
			wants(t, err.Error(), "attempt 1 of 8: HTTP 429 Too Many Requests: slow down; a wait of 30m0s would exceed the deadline in 2m0s")
			if got := w.of(s); got.Dead != 1 || got.Sent != 1 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestRetryAfterBeyondReason(t *testing.T) {
	for name, after := range map[string]string{"seconds": "999999999", "date": "Fri, 27 Nov 2099 12:00:30 GMT", "just too long": "3601", "beyond counting": "99999999999999999999999"} {
		t.Run(name, func(t *testing.T) {
			s := script(t, answer(503, "", "Retry-After", after), answer(200, "fine"))
			account := NewLimiter(0, 0)
			w := newWorld(t, Config{Deadline: -1}, func(d *Deps) { d.Limiter = account })
			_, err := w.get(s.URL)
			wants(t, fmt.Sprint(err), "attempt 1 of 8: HTTP 503 Service Unavailable; not sent again, the server asks to wait ", " and more than 1h0m0s is not waited")
			w.waited()
			if a, err := w.get(s.URL); err != nil || string(a.Body) != "fine" {
				t.Fatalf("the next call: %v", err)
			}
			w.waited(time.Hour)
		})
	}
}

func TestFiveHundredsThenGood(t *testing.T) {
	bad := answer(500, "oops")
	s := script(t, bad, bad, bad, bad, bad, answer(200, "fine"))
	w := newWorld(t, Config{})
	if a, err := w.get(s.URL); err != nil || string(a.Body) != "fine" {
		t.Fatal(err)
	}
	w.waited(250*time.Millisecond, 500*time.Millisecond, time.Second, 2*time.Second, 4*time.Second)
	var outcomes []string
	for _, a := range w.attempts {
		outcomes = append(outcomes, fmt.Sprintf("%d %d %s", a.N, a.Status, a.Outcome))
	}
	if want := []string{"1 500 retried", "2 500 retried", "3 500 retried", "4 500 retried", "5 500 retried", "6 200 ok"}; !slices.Equal(outcomes, want) {
		t.Error(outcomes)
	}
}

func TestBackoffIsFullJitter(t *testing.T) {
	var most float64
	k := &call{c: &Client{cfg: Config{Backoff: time.Second, MaxBackoff: 10 * time.Second}, deps: Deps{Rand: func() float64 { return most }}}}
	if d := k.backoff(3); d != 0 {
		t.Errorf("the least wait is %s", d)
	}
	most = 0.999999999999
	var got []string
	for n := 1; n <= 100; n += 1 {
		got = append(got, k.backoff(n).Round(time.Second).String())
	}
	if want := []string{"1s", "2s", "4s", "8s", "10s"}; !slices.Equal(got[:5], want) || got[99] != "10s" {
		t.Error(got)
	}
}

func TestBrokenBodies(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte("row of a page\n"), 1000))
	z.Close()
	cut := packed.String()[:packed.Len()/2]
	head := "HTTP/1.1 200 OK\r\nConnection: close\r\n"
	for name, text := range map[string]string{
		"short of its Content-Length": head + "Content-Length: 100\r\n\r\n[1,2",
		"chunk that breaks off":       head + "Transfer-Encoding: chunked\r\n\r\n20\r\n[1,2",
		"gzip cut":                    head + fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(cut), cut),
		"no answer":                   "",
		"half a header":               "HTTP/1.1 200 OK\r\nContent-Le",
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, raw(text), answer(200, "[1,2,3]"))
			w := newWorld(t, Config{})
			a, err := w.get(s.URL)
			if err != nil || string(a.Body) != "[1,2,3]" {
				t.Fatalf("a short page was taken: %v, %v", a, err)
			}
			if got := w.of(s); got.Retried != 1 || got.OK != 1 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestStreamThatBreaksOffIsAnErrorOfTheReader(t *testing.T) {
	s := script(t, raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1,2"))
	w := newWorld(t, Config{})
	resp, err := w.Do(t.Context(), Request{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.of(s); got.Open != 1 || got.OK != 0 {
		t.Errorf("before it is read: %+v", got)
	}
	_, err = io.ReadAll(resp.Body)
	resp.Body.Close()
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	wants(t, err.Error(), "GET http://127.0.0.1:", "attempt 1 of 8: HTTP 200 OK, the body broke off after 4 bytes", "being read already")
	if got := w.of(s); got.Dead != 1 || got.OK != 0 || got.Bytes != 4 {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsRepeated(t *testing.T) {
	reset := raw("")
	for _, c := range []struct {
		name  string
		r     Request
		first http.HandlerFunc
		sent  int64
	}{
		{"GET after 502", Request{}, answer(502, ""), 2},
		{"GET after 404", Request{}, answer(404, ""), 1},
		{"GET after 501", Request{}, answer(501, ""), 1},
		{"PUT after a reset", Request{Method: "PUT", Body: []byte("x")}, reset, 2},
		{"POST after 500", Request{Method: "POST", Body: []byte("x")}, answer(500, ""), 1},
		{"POST after a reset", Request{Method: "POST", Body: []byte("x")}, reset, 1},
		{"POST after 429", Request{Method: "POST", Body: []byte("x")}, answer(429, ""), 2},
		{"POST after 503", Request{Method: "POST", Body: []byte("x")}, answer(503, ""), 1},
		{"POST after 503 with Retry-After", Request{Method: "POST", Body: []byte("x")}, answer(503, "", "Retry-After", "1"), 2},
		{"repeatable POST after 500", Request{Method: "POST", Body: []byte("x"), Repeatable: true}, answer(500, ""), 2},
		{"repeatable POST after a reset", Request{Method: "POST", Body: []byte("x"), Repeatable: true}, reset, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := script(t, c.first, func(w http.ResponseWriter, r *http.Request) {
				if body, _ := io.ReadAll(r.Body); string(body) != string(c.r.Body) {
					t.Errorf("the repetition has the body %q", body)
				}
			})
			w := newWorld(t, Config{})
			c.r.URL = s.URL
			_, err := w.ReadAll(t.Context(), c.r)
			if got := w.of(s); got.Sent != c.sent || (err == nil) != (c.sent == 2) {
				t.Errorf("sent %d times, %v", got.Sent, err)
			}
		})
	}
}

func TestPostIsRepeatedWhileNothingWasSent(t *testing.T) {
	s := httptest.NewServer(answer(200, ""))
	url := s.URL
	s.Close() // connections are refused
	w := newWorld(t, Config{Attempts: 3})
	_, err := w.ReadAll(t.Context(), Request{Method: "POST", URL: url, Body: []byte("x")})
	wants(t, fmt.Sprint(err), "attempt 3 of 3", "connection refused")
}

func TestAcceptedStatusIsAnAnswer(t *testing.T) {
	s := script(t, answer(404, "none"))
	w := newWorld(t, Config{})
	a, err := w.ReadAll(t.Context(), Request{URL: s.URL, Accept: []int{404}})
	if err != nil || a.Status != 404 || string(a.Body) != "none" {
		t.Fatal(a, err)
	}
}

func TestTooLongBodyIsRefused(t *testing.T) {
	secretEnd := strings.Repeat("a", 490) + "topsecretvalue" + strings.Repeat("b", 600)
	for name, step := range map[string]http.HandlerFunc{
		"said before": answer(200, secretEnd, "Content-Length", fmt.Sprint(len(secretEnd))),
		"found out":   func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); fmt.Fprint(w, secretEnd) },
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, step)
			w := newWorld(t, Config{MaxBody: 1000}, func(d *Deps) {
				d.Redact = func(text string) string { return strings.ReplaceAll(text, "topsecretvalue", "***") }
			})
			_, err := w.get(s.URL)
			if !errors.Is(err, ErrTooLong) {
				t.Fatal(err)
			}
			wants(t, err.Error(), "the body is too long: more than 1000 bytes: aaaa", "aaa***bbbbbbb…; not sent again")
			if got := w.of(s); got.Sent != 1 || got.Dead != 1 || got.Bytes > 1001 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestCallerCancels(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := script(t, func(w http.ResponseWriter, _ *http.Request) { cancel(); answer(503, "")(w, nil) })
	w := newWorld(t, Config{})
	_, err := w.ReadAll(ctx, Request{URL: s.URL})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if got := w.of(s); got.Sent != 1 || got.Dead != 1 {
		t.Errorf("%+v", got)
	}
	if _, err = w.ReadAll(ctx, Request{URL: s.URL}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := w.of(s); got.Sent != 1 || got.Refused != 1 || got.Calls != 2 {
		t.Errorf("%+v", got)
	}
}
