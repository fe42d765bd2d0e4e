package httpclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// hop sends one request, and each that a redirect makes of it, and watches over the body of the answer.
type hop struct {
	base http.RoundTripper
	idle time.Duration
}

// RoundTrip implements http.RoundTripper.
func (h hop) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := h.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	timer := time.AfterFunc(h.idle, func() { cancel(timeout(fmt.Sprintf("nothing of the body came for %s", h.idle))) })
	timer.Stop()
	resp.Body = &watched{body: resp.Body, idle: h.idle, timer: timer, ctx: ctx, cancel: cancel}
	return resp, nil
}

// watched is a body that ends with an error when nothing comes for too long. Time that the reader spends between two reads does not
// count.
type watched struct {
	body   io.ReadCloser
	idle   time.Duration
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelCauseFunc
	bytes  atomic.Int64

	once   sync.Once
	done   func(error) error // called once, with nil for a body of which the reader has what it wants; may be nil
	result error             // what done made of the error
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.idle)
	n, err := w.body.Read(p)
	w.timer.Stop()
	w.bytes.Add(int64(n))
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		w.end(nil)
		return n, err
	case w.ctx.Err() != nil:
		err = context.Cause(w.ctx)
	}
	return n, w.end(err)
}

// Close implements io.Closer. It always succeeds: the bytes that matter have been read.
func (w *watched) Close() error {
	w.body.Close()
	w.end(nil)
	w.cancel(nil)
	return nil
}

func (w *watched) end(err error) error {
	first := false
	w.once.Do(func() {
		first = true
		if w.result = err; w.done != nil {
			w.result = w.done(err)
		}
	})
	if !first && err != nil && w.result == nil {
		return err // it was closed before
	}
	return w.result
}

// handOver gives the body of a good answer to the caller. The attempt is settled when the caller has done with it.
func (k *call) handOver(t *try) *http.Response {
	t.body.done = func(err error) error {
		defer k.cancel()
		if err == nil {
			k.leave(t, healthy)
			k.settle(t, OK)
			return nil
		}
		t.err = fmt.Errorf("the body broke off after %d bytes: %w", t.size(), err)
		k.leave(t, t.health(k))
		return k.giveUp(t, nil, "not sent again, because it was being read already")
	}
	// Without this a body that the caller forgets would stay open for ever in the counts.
	context.AfterFunc(k.ctx, func() { t.body.end(context.Cause(k.ctx)) })
	return t.resp
}
