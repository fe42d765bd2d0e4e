package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a network without a kernel, so that synctest sees who waits for whom.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// bubble runs f in invented time, with a client whose every host is the handler.
func bubble(t *testing.T, cfg Config, handler http.HandlerFunc, f func(t *testing.T, c *Client), change ...func(*Deps)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: handler}
		go func() { _ = server.Serve(p) }()
		defer server.Close()
		cfg.Proxy = direct
		deps := Deps{Rand: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler)}
		for _, c := range change {
			c(&deps)
		}
		c, err := New(cfg, deps)
		if err != nil {
			t.Fatal(err)
		}
		c.base.DialContext = p.dial
		defer func() {
			synctest.Wait() // connections that came too late are idle now
			c.Close()
		}()
		f(t, c)
		for name, s := range c.Stats() {
			if !s.Balanced() || s.Open != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		}
	})
}

func TestHeaderThatNeverComes(t *testing.T) {
	bubble(t, Config{Attempts: 2, HeaderTimeout: 20 * time.Second}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		func(t *testing.T, c *Client) {
			start := time.Now()
			_, err := c.ReadAll(t.Context(), Request{URL: "http://api.example"})
			wants(t, fmt.Sprint(err), "attempt 2 of 2: net/http: timeout awaiting response headers")
			if took := time.Since(start); took != 2*20*time.Second+250*time.Millisecond {
				t.Error(took)
			}
		})
}

// drip sends a byte every so often.
func drip(every time.Duration, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(n))
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		for range n {
			select {
			case <-time.After(every):
			case <-r.Context().Done():
				return
			}
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
	}
}

func TestSlowBodyIsNoBrokenOne(t *testing.T) {
	bubble(t, Config{IdleTimeout: 10 * time.Second}, drip(9*time.Second, 100), func(t *testing.T, c *Client) {
		a, err := c.ReadAll(t.Context(), Request{URL: "http://api.example"})
		if err != nil || len(a.Body) != 100 {
			t.Fatal(err)
		}
	})
}

func TestIdleBodyIsGivenUp(t *testing.T) {
	bubble(t, Config{Attempts: 2, IdleTimeout: 10 * time.Second}, drip(11*time.Second, 100), func(t *testing.T, c *Client) {
		_, err := c.ReadAll(t.Context(), Request{URL: "http://api.example"})
		wants(t, fmt.Sprint(err), "attempt 2 of 2: HTTP 200 OK, the body broke off after 0 bytes: nothing of the body came for 10s")
		var idle net.Error
		if !errors.As(err, &idle) || !idle.Timeout() {
			t.Errorf("%T", err)
		}

		resp, err := c.Do(t.Context(), Request{URL: "http://api.example"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		wants(t, fmt.Sprint(err), "nothing of the body came for 10s")
	})
}

func TestReaderMayTakeItsTime(t *testing.T) {
	bubble(t, Config{IdleTimeout: 10 * time.Second}, drip(time.Second, 3), func(t *testing.T, c *Client) {
		resp, err := c.Do(t.Context(), Request{URL: "http://api.example"})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for range 3 {
			time.Sleep(time.Minute)
			if n, err := resp.Body.Read(make([]byte, 1)); n != 1 || err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
	})
}

func TestRedirectWhoseBodyNeverComes(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/there" {
			return
		}
		w.Header().Set("Location", "/there")
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(302)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	bubble(t, Config{IdleTimeout: 10 * time.Second}, handler, func(t *testing.T, c *Client) {
		start := time.Now()
		if _, err := c.ReadAll(t.Context(), Request{URL: "http://api.example"}); err != nil || time.Since(start) != 10*time.Second {
			t.Error(err, time.Since(start))
		}
	})
}

func TestDeadlineOfTheWholeCall(t *testing.T) {
	bubble(t, Config{Deadline: time.Minute}, drip(5*time.Second, 100), func(t *testing.T, c *Client) {
		start := time.Now()
		_, err := c.ReadAll(t.Context(), Request{URL: "http://api.example"})
		wants(t, fmt.Sprint(err), "attempt 1 of 8", "the deadline of 1m0s for the whole call passed", "given up, the call is over")
		if time.Since(start) != time.Minute {
			t.Error(time.Since(start))
		}

		if _, err := c.Do(t.Context(), Request{URL: "http://api.example"}); err != nil { // and its body is forgotten
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s := c.Stats()["api.example:80"]; s.Dead != 2 || s.Open != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestRateLimits(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   Config
		share *Limiter
		hosts int
		want  time.Duration
	}{
		"each host has its own":  {Config{Rate: 2, Burst: 2}, nil, 5, 4 * time.Second}, // ten each: two at once, then eight
		"an account's is shared": {Config{}, NewLimiter(2, 2), 5, 24 * time.Second},    // fifty of all: two at once, then 48
		"the tighter one counts": {Config{Rate: 1, Burst: 1}, NewLimiter(100, 1), 1, 9 * time.Second},
		"none":                   {Config{}, nil, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.cfg, func(http.ResponseWriter, *http.Request) {}, func(t *testing.T, client *Client) {
				start := time.Now()
				var wg sync.WaitGroup
				for i := range c.hosts {
					for range 10 {
						wg.Go(func() {
							if _, err := client.ReadAll(t.Context(), Request{URL: fmt.Sprintf("http://api%d.example/", i)}); err != nil {
								t.Error(err)
							}
						})
					}
				}
				wg.Wait()
				if took := time.Since(start).Round(time.Millisecond); took != c.want {
					t.Errorf("took %s, want %s", took, c.want)
				}
				waits := int64(0)
				for _, s := range client.Stats() {
					waits += s.RateWaits.Count
				}
				if (waits > 0) != (c.want > 0) {
					t.Errorf("%d waits", waits)
				}
			}, func(d *Deps) { d.Limiter = c.share })
		})
	}
}

func TestRetryAfterHoldsAllUsersOfALimiter(t *testing.T) {
	var mu sync.Mutex
	var early int
	var limited time.Time
	handler := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if limited.IsZero() {
			limited = time.Now()
			answer(429, "", "Retry-After", "30")(w, r)
			return
		}
		if time.Since(limited) < 30*time.Second {
			early++
		}
	}
	bubble(t, Config{}, handler, func(t *testing.T, c *Client) {
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				if _, err := c.ReadAll(t.Context(), Request{URL: "http://api.example"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if early != 0 || time.Since(start) != 30*time.Second {
			t.Errorf("%d requests came early, all took %s", early, time.Since(start))
		}
	}, func(d *Deps) { d.Limiter = NewLimiter(0, 0) })
}

func TestPauseThatIsProlonged(t *testing.T) {
	s := script(t, answer(200, ""))
	limiter := NewLimiter(0, 0)
	limiter.pause(night.Add(10 * time.Second))
	w := newWorld(t, Config{}, func(d *Deps) {
		d.Limiter = limiter
		sleep := d.Sleep
		d.Sleep = func(ctx context.Context, d time.Duration) error {
			limiter.pause(night.Add(30 * time.Second)) // by another user, meanwhile
			return sleep(ctx, d)
		}
	})
	if _, err := w.get(s.URL); err != nil {
		t.Fatal(err)
	}
	w.waited(10*time.Second, 20*time.Second)
	if got := w.of(s).RateWaits; got != (Waits{1, 30 * time.Second}) {
		t.Errorf("%+v", got)
	}
}

func TestRateLimitBeyondTheDeadline(t *testing.T) {
	bubble(t, Config{Rate: 0.001, Burst: 1, Deadline: time.Minute}, func(http.ResponseWriter, *http.Request) {}, func(t *testing.T, c *Client) {
		_, err := c.ReadAll(t.Context(), Request{URL: "http://api.example"})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 2 { // the second has no longer to wait: the first gave its place back
			_, err = c.ReadAll(t.Context(), Request{URL: "http://api.example"})
			wants(t, fmt.Sprint(err), "GET http://api.example: a wait of 16m40s would exceed the deadline in 1m0s")
		}
		if time.Since(start) != 0 {
			t.Error("it waited")
		}
		if s := c.Stats()["api.example:80"]; s.Refused != 2 || s.Sent != 1 || strings.Contains(fmt.Sprint(err), "attempt") {
			t.Errorf("%+v", s)
		}
	})
}
