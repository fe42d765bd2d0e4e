package httpclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// call is one call of Do or ReadAll: a request and all attempts at it.
type call struct {
	c        *Client
	r        Request
	req      *http.Request // cloned for each attempt
	ctx      context.Context
	cancel   context.CancelFunc
	deadline time.Time // by the clock of Deps; zero for none
	host     *host
	hostName string
	shown    string // the URL as it may be shown
	cleaner  func() *cleaner
	whole    bool // read the body within each attempt
}

// call prepares a call, or says what is wrong with the request.
func (c *Client) call(ctx context.Context, r Request) (*call, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	req, err := r.build(c.cfg.UserAgent)
	if err != nil {
		return nil, &Error{Method: c.deps.Redact(r.Method), URL: "(unreadable URL)", Err: err}
	}
	k := &call{c: c, r: r, req: req, hostName: address(req.URL)}
	k.host = c.host(k.hostName)
	k.shown = c.deps.Redact(showURL(req.URL, r.Secret))
	k.cleaner = sync.OnceValue(func() *cleaner { return newCleaner(&r, req, c.deps.Redact) })
	if d := c.cfg.Deadline; d > 0 {
		k.deadline = c.deps.Now().Add(d)
		k.ctx, k.cancel = context.WithTimeoutCause(ctx, d, timeout(fmt.Sprintf("the deadline of %s for the whole call passed", d)))
	} else { // of a call that is over, a context that lives on keeps nothing
		k.ctx, k.cancel = context.WithCancel(ctx)
	}
	k.host.count(func(s *HostStats) { s.Calls++ })
	return k, nil
}

// run sends until there is a good answer. The attempt that it returns is not settled yet.
func (k *call) run() (*try, error) {
	var failed *try // the attempt before, whose repetition is being prepared
	for n := 1; ; n++ {
		leave, err := k.admit()
		if err != nil {
			return nil, k.giveUp(failed, err, "")
		}
		if failed != nil {
			k.settle(failed, Retried)
		}
		t := k.send(n, leave)
		if t.err == nil && k.r.good(t.status) {
			return t, nil
		}
		k.leave(t, t.health(k))
		wait, why := k.again(t)
		if why != "" {
			return nil, k.giveUp(t, nil, why)
		}
		if err := k.host.breaker.peek(wait); err != nil {
			return nil, k.giveUp(t, err, "")
		}
		k.c.deps.Log.Info("request is sent again", "method", k.r.Method, "url", k.shown, "attempt", n, "of", k.c.cfg.Attempts,
			"status", t.status, "error", k.text(t.err), "request_id", t.requestID, "wait", wait)
		if err := k.wait(wait); err != nil {
			return nil, k.giveUp(t, err, "")
		}
		k.host.count(func(s *HostStats) { s.RetryWaits.add(wait) })
		failed = t
	}
}

// admit waits until a request may be sent.
func (k *call) admit() (leave func(health) bool, err error) {
	if err := k.host.breaker.peek(0); err != nil {
		return nil, err
	}
	for _, l := range []*Limiter{k.host.limiter, k.c.deps.Limiter} {
		if l == nil {
			continue
		}
		waited, err := l.queue(k)
		k.host.count(func(s *HostStats) { s.RateWaits.add(waited) })
		if err != nil {
			return nil, err
		}
	}
	if k.ctx.Err() != nil {
		return nil, context.Cause(k.ctx)
	}
	return k.host.breaker.enter()
}

// wait sleeps, unless the deadline, or that of the caller's context, comes first: then it says so at once.
func (k *call) wait(d time.Duration) error {
	if !k.deadline.IsZero() {
		if left := k.deadline.Sub(k.c.deps.Now()); d > left {
			return &DeadlineError{d, left}
		}
	}
	if end, ok := k.ctx.Deadline(); ok {
		if left := time.Until(end); d > left {
			return &DeadlineError{d, left}
		}
	}
	return k.c.deps.Sleep(k.ctx, d)
}

// longestPause is how long one answer of a server can make callers wait: a wrong number must not silence them for years.
const longestPause = time.Hour

// again decides whether a failed attempt is repeated, and after which wait, or says why not.
func (k *call) again(t *try) (wait time.Duration, why string) {
	var asked time.Duration
	if t.resp != nil {
		asked = RetryAfter(t.resp, k.c.deps.Now())
	}
	isAsked := asked > 0
	if isAsked {
		k.pauseAll(min(asked, longestPause))
	}
	switch {
	case k.ctx.Err() != nil:
		return 0, "given up, the call is over"
	case t.err != nil && permanent(t.err):
		return 0, "not sent again, it would end the same way"
	case t.err == nil && !slices.Contains(k.c.cfg.RetryStatus, t.status):
		return 0, "not sent again, the answer would be the same"
	case t.n >= k.c.cfg.Attempts:
		return 0, "given up"
	case !k.repeatable(t, isAsked):
		return 0, fmt.Sprintf("not sent again, a %s may have been carried out", k.r.Method)
	case asked > longestPause:
		return 0, fmt.Sprintf("not sent again, the server asks to wait %s and more than %s is not waited", round(asked), longestPause)
	case isAsked:
		return asked, ""
	}
	return k.backoff(t.n), ""
}

// repeatable reports whether sending again does no harm.
func (k *call) repeatable(t *try, isAsked bool) bool {
	return idempotent(k.r.Method) || k.r.Repeatable || !t.wrote.Load() || t.err == nil && (t.status == http.StatusTooManyRequests || isAsked)
}

// backoff is "full jitter": any wait up to a limit that doubles with each attempt, all equally likely.
func (k *call) backoff(n int) time.Duration {
	limit := k.c.cfg.Backoff
	for i := 1; i < n && limit < k.c.cfg.MaxBackoff; i++ {
		limit *= 2
	}
	return time.Duration(k.c.deps.Rand() * float64(min(limit, k.c.cfg.MaxBackoff)))
}

// pauseAll makes all users of the limits wait, for a server that asks one of them to.
func (k *call) pauseAll(d time.Duration) {
	until := k.c.deps.Now().Add(d)
	k.host.limiter.pause(until)
	if k.c.deps.Limiter != nil {
		k.c.deps.Limiter.pause(until)
	}
}

// permanent reports whether an error would come again.
func permanent(err error) bool {
	var guard *GuardError
	var proxy proxyRefused
	var dns *net.DNSError
	switch {
	case errors.As(err, &guard), errors.As(err, &proxy), errors.Is(err, errRedirect), errors.Is(err, ErrTooLong):
		return true
	case errors.As(err, &dns):
		return dns.IsNotFound
	}
	// crypto/tls has no type for most of what it refuses, but all of it says so. Its timeouts are net/http's.
	text := err.Error()
	return strings.Contains(text, "tls: ") || strings.Contains(text, "HTTP response to HTTPS client")
}

// RetryAfter returns how long an answer asks to wait (RFC 9110, 10.2.3), in seconds or until a date; 0 when it does not ask. The
// date is held against the server's own clock where it shows it, else against now. A time that has passed is no wish.
func RetryAfter(answer *http.Response, now time.Time) time.Duration {
	if answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text := strings.TrimSpace(answer.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) { // of too many digits it is the largest
		return time.Duration(min(seconds, 1e9)) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		now = theirs
	}
	return max(0, at.Sub(now))
}
