package httpclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestConcurrentUse(t *testing.T) {
	var n atomic.Int64
	s := script(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 4 {
		case 0:
			w.WriteHeader(503)
		case 1:
			raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")(w, r)
		default:
			fmt.Fprint(w, "123456789")
		}
	})
	w := newWorld(t, Config{Attempts: 50, BreakAfter: -1, Rate: 1e6}, func(d *Deps) { d.Limiter = NewLimiter(1e6, 10) })
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 20 {
				if i%2 == 0 {
					if a, err := w.get(s.URL); err != nil || len(a.Body) != 9 {
						t.Error(a, err)
					}
					continue
				}
				resp, err := w.Do(t.Context(), Request{URL: s.URL})
				if err != nil {
					t.Error(err)
					continue
				}
				_, _ = io.CopyN(io.Discard, resp.Body, 1)
				resp.Body.Close()
				w.Stats()
			}
		})
	}
	wg.Wait()
	got := w.of(s)
	if got.Calls != 320 || got.OK != 320 || got.Dead != 0 || got.Retried == 0 || int64(len(w.attempts)) != got.Sent || got.Sent != n.Load() {
		t.Errorf("%+v, %d requests came", got, n.Load())
	}
}

func TestCloseWithoutReadingIsOK(t *testing.T) {
	s := script(t, answer(200, "abc"))
	w := newWorld(t, Config{})
	resp, err := w.Do(t.Context(), Request{Method: http.MethodHead, URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	resp.Body.Close()
	if got := w.of(s); got.OK != 1 || got.Open != 0 {
		t.Errorf("%+v", got)
	}
}

func TestHeadOfSomethingLong(t *testing.T) {
	s := script(t, answer(200, "", "Content-Length", "1000"))
	w := newWorld(t, Config{MaxBody: 10})
	if _, err := w.ReadAll(t.Context(), Request{Method: http.MethodHead, URL: s.URL}); err != nil {
		t.Error(err)
	}
}

// watchedContext counts who waits for its end.
type watchedContext struct {
	context.Context
	waiting atomic.Int64
}

// Value hides that there is a context of the standard library below, which package context would go to directly.
func (w *watchedContext) Value(any) any { return nil }

func (w *watchedContext) AfterFunc(f func()) func() bool {
	w.waiting.Add(1)
	stop := context.AfterFunc(w.Context, f)
	return func() bool { w.waiting.Add(-1); return stop() }
}

func TestContextThatLivesOnKeepsNothing(t *testing.T) {
	s := script(t, answer(200, "page"))
	for _, deadline := range []time.Duration{-1, time.Hour} {
		w := newWorld(t, Config{Deadline: deadline})
		ctx := &watchedContext{Context: t.Context()}
		resp, err := w.Do(ctx, Request{URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		if ctx.waiting.Load() == 0 {
			t.Error("nobody waits for the end of a body that is open")
		}
		resp.Body.Close()
		if n := ctx.waiting.Load(); n != 0 {
			t.Errorf("deadline %s: %d still wait after the call", deadline, n)
		}
	}
}
