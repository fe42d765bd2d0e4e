package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/millrace/millrace/pipeline/journal"
)

// How long a request is remembered by its key: asks of the API, and webhooks, whose stamp is refused long before.
const (
	apiKeep  = 24 * time.Hour
	hookKeep = time.Hour
)

// longestKey is how long an idempotency key may be.
const longestKey = 200

// underWay are the requests that are being answered, by who and key.
type underWay struct {
	mu   sync.Mutex
	keys map[[2]string]bool
}

// errUnderWay is what the twin hears.
var errUnderWay = &Problem{kind: kindConflict, Detail: "a request with that key is being answered", Hint: "send it again in a moment", retry: time.Second}

// enter is false for a request whose twin is being answered.
func (u *underWay) enter(key [2]string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keys[key] {
		return false
	}
	if u.keys == nil {
		u.keys = map[[2]string]bool{}
	}
	u.keys[key] = true
	return true
}

func (u *underWay) leave(key [2]string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.keys, key)
}

// once answers a request that changes something, also when the client hangs up meanwhile. With an Idempotency-Key a repetition gets the first
// answer, and changes nothing more.
func (s *Server) once(w http.ResponseWriter, c *call, who string, body []byte, keep time.Duration, do func() (any, error)) error {
	c.Request = detached(c.Request)
	key := c.Header.Get("Idempotency-Key")
	if key == "" {
		answer, err := do()
		if err != nil {
			return err
		}
		return writeJSON(w, c.status, s.clean(answer))
	}
	if len(key) > longestKey {
		return &Problem{kind: kindInvalid, Detail: "the Idempotency-Key is too long", Hint: "send a UUID"}
	}
	return s.onceByKey(w, c, who, key, body, keep, do)
}

// detached is a request that goes on when the client hangs up: half of what it asks for must not be done.
func detached(r *http.Request) *http.Request {
	return r.WithContext(context.WithoutCancel(r.Context()))
}

// onceByKey answers a detached request that has a key. The key is recorded first; what do changes by act comes together with the answer, so that there
// is no moment at which one is there without the other.
func (s *Server) onceByKey(w http.ResponseWriter, c *call, who, key string, body []byte, keep time.Duration, do func() (any, error)) error {
	if !s.underWay.enter([2]string{who, key}) {
		return errUnderWay
	}
	defer s.underWay.leave([2]string{who, key})
	ctx, j := c.Context(), s.Engine().Journal
	sum := sha256.Sum256([]byte(c.Method + "\n" + c.URL.RequestURI() + "\n" + string(body)))
	mine := journal.Once{Who: who, Key: key, Hash: hex.EncodeToString(sum[:]), Until: s.Clock().Add(keep)}
	there, err := j.Begin(ctx, mine, s.Clock())
	switch {
	case err != nil:
		return err
	case there.Hash != mine.Hash:
		return &Problem{kind: kindOtherBody, Detail: "that key came with another request before", Hint: "use a new key for each request"}
	case there.Status != 0:
		w.Header().Set("Idempotent-Replayed", "true")
		return writeJSON(w, there.Status, json.RawMessage(there.Answer))
	}
	c.once = &there
	answer, err := do()
	if err == nil && there.Status == 0 { // nothing that act does
		err = j.Act(ctx, func(a *journal.Act) error { return c.keep(a, s.clean(answer)) })
	}
	var refused *Problem
	switch {
	case errors.Is(err, journal.ErrAnswered):
		return errUnderWay
	case errors.As(err, &refused): // nothing was changed
		return errors.Join(err, j.Forget(ctx, who, key))
	case err != nil:
		return err
	}
	return writeJSON(w, c.status, json.RawMessage(there.Answer))
}

// keep writes down what a repetition of the request is answered. One without a key has none.
func (c *call) keep(a *journal.Act, answer any) (err error) {
	if c.once == nil {
		return nil
	}
	c.once.Status = c.status
	if c.once.Answer, err = json.Marshal(answer); err != nil {
		return err
	}
	return a.Answer(*c.once)
}

// act does what a request asks of the journal: the change, its line in the audit log, and the answer for repetitions, all at once. The change
// says what it answers and what the line says; one without a kind is none, for nothing has changed.
func act[Out any](s *Server, c *call, change func(*journal.Act) (Out, journal.Event, error)) (out Out, err error) {
	var e journal.Event
	err = s.Engine().Journal.Act(c.Context(), func(a *journal.Act) (err error) {
		if out, e, err = change(a); err != nil {
			return err
		}
		if e.Kind != "" {
			e.At = s.Clock()
			err = a.AddEvent(e)
		}
		return errors.Join(err, c.keep(a, s.clean(out)))
	})
	if err == nil && e.Kind != "" {
		s.Scheduler.Wake()
	}
	return out, err
}
