package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// try is one attempt: a request that was sent, and what came of it.
type try struct {
	n         int
	start     time.Time
	resp      *http.Response
	status    int
	requestID string
	excerpt   string // of the body of a bad answer
	read      []byte // the whole body, when the call wants it
	err       error
	wrote     atomic.Bool // something of the request may have reached the server
	body      *watched
	leave     func(health) bool // tells the breaker
}

// size returns how much of the body was read.
func (t *try) size() int64 {
	if t.body == nil {
		return 0
	}
	return t.body.bytes.Load()
}

// send makes one attempt.
func (k *call) send(n int, leave func(health) bool) *try {
	k.host.count(func(s *HostStats) { s.Sent++; s.Open++ })
	t := &try{n: n, start: k.c.deps.Now(), leave: leave}
	ctx := httptrace.WithClientTrace(k.ctx, &httptrace.ClientTrace{WroteHeaders: func() { t.wrote.Store(true) }})
	req := k.req.Clone(ctx)
	req.Body, _ = k.req.GetBody() // of bytes in memory: there is no error
	resp, err := k.c.http.Do(req)
	if err != nil {
		t.err = k.cause(bare(err))
		if resp != nil { // a redirect that was not followed
			t.status = resp.StatusCode
		}
		k.host.count(func(s *HostStats) { s.Status[t.status]++ })
		return t
	}
	t.resp, t.status, t.body = resp, resp.StatusCode, resp.Body.(*watched)
	t.requestID = k.cleaner().requestID(resp.Header)
	k.host.count(func(s *HostStats) { s.Status[t.status]++ })
	if t.health(k) == healthy {
		t.leave(answering)
	}
	switch {
	case !k.r.good(t.status):
		beginning, _ := t.take(excerptRead) // what is there of it helps, also when it breaks off
		t.excerpt = k.cleaner().excerpt(beginning)
	case k.whole:
		t.readAll(k)
	}
	return t
}

// take reads at most n bytes of the body and closes it.
func (t *try) take(n int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(t.resp.Body, n))
	t.resp.Body.Close()
	return data, err
}

// readAll reads the body whole, or fails the attempt.
func (t *try) readAll(k *call) {
	most := k.c.cfg.MaxBody
	n := most + 1
	tooLong := t.resp.ContentLength > most && k.r.Method != http.MethodHead // which has the length of what it leaves out
	if tooLong {
		n = min(excerptRead, most) // only what is shown
	}
	data, err := t.take(n)
	switch {
	case tooLong || int64(len(data)) > most:
		t.err = fmt.Errorf("%w: more than %d bytes", ErrTooLong, most)
		t.excerpt = k.cleaner().excerpt(data)
	case err != nil:
		t.err = k.cause(fmt.Errorf("the body broke off after %d bytes: %w", t.size(), err))
	default:
		t.read = data
	}
}

// cause returns why the context of the call ended, when that is what err is about.
func (k *call) cause(err error) error {
	if k.ctx.Err() != nil {
		return context.Cause(k.ctx)
	}
	return err
}

// health tells what a failed attempt says about the host.
func (t *try) health(k *call) health {
	var guard *GuardError
	var idle timeout
	switch {
	case t.err == nil && t.status >= 500:
		return failing
	case t.err == nil && t.status == http.StatusTooManyRequests:
		return unknown
	case t.err == nil, errors.Is(t.err, ErrTooLong), errors.Is(t.err, errRedirect):
		return healthy // it answers, if not as one wishes
	case errors.As(t.err, &guard), k.ctx.Err() != nil && !errors.As(t.err, &idle):
		return unknown
	}
	return failing
}

// leave tells the breaker how an attempt ended.
func (k *call) leave(t *try, h health) {
	if t.leave(h) {
		_, until, _ := k.host.breaker.state()
		k.c.deps.Log.Warn("host fails: no requests are sent to it for a while", "host", k.hostName, "until", until)
	}
}

// settle counts what became of an attempt. It is called once for each.
func (k *call) settle(t *try, outcome string) {
	k.host.count(func(s *HostStats) {
		s.Open--
		s.Bytes += t.size()
		switch outcome {
		case OK:
			s.OK++
		case Retried:
			s.Retried++
		case Dead:
			s.Dead++
		}
	})
	k.c.deps.Observe(Attempt{
		Method: k.r.Method, Host: k.hostName, URL: k.shown, N: t.n, Outcome: outcome, Status: t.status, RequestID: t.requestID,
		Err: k.text(t.err), Took: k.c.deps.Now().Sub(t.start), Bytes: t.size(),
	})
}

// text returns an error as it may be shown.
func (k *call) text(err error) string {
	if err == nil {
		return ""
	}
	return k.cleaner().clean(err.Error())
}

// giveUp ends a call that has no good answer. t is its last attempt, nil when none was sent; err, if any, is what keeps it from another.
func (k *call) giveUp(t *try, err error, why string) error {
	e := &Error{Method: k.r.Method, URL: k.shown, Attempts: k.c.cfg.Attempts, Why: why}
	if t == nil {
		k.host.count(func(s *HostStats) { s.Refused++ })
		e.Err = &cleaned{k.text(err), err}
		return e
	}
	k.settle(t, Dead)
	e.Attempt, e.Status, e.RequestID, e.Body = t.n, t.status, t.requestID, t.excerpt
	if err != nil {
		e.Why = k.text(err)
	}
	if all := errors.Join(t.err, err, k.ctx.Err()); all != nil {
		e.Err = &cleaned{k.text(t.err), all}
	}
	return e
}
