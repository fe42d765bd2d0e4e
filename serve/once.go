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

// once answers a request that changes something. With an Idempotency-Key a repetition gets the first answer, and changes
// nothing more. The key is recorded before the change, together with the id that a firing is to have: when the process dies
// in between, the repetition finds that firing.
func (s *Server) once(w http.ResponseWriter, c *call, who string, body []byte, keep time.Duration, do func() (int, any, error)) error {
	key := c.Header.Get("Idempotency-Key")
	c.firing = journal.NewFiringID(s.Clock())
	if key == "" {
		status, answer, err := do()
		if err != nil {
			return err
		}
		return writeJSON(w, status, s.clean(answer))
	}
	if len(key) > longestKey {
		return &Problem{kind: kindInvalid, Detail: "the Idempotency-Key is too long", Hint: "send a UUID"}
	}
	return s.onceByKey(w, c, who, key, body, keep, do)
}

// onceByKey answers a request that has a key.
func (s *Server) onceByKey(w http.ResponseWriter, c *call, who, key string, body []byte, keep time.Duration, do func() (int, any, error)) error {
	if !s.underWay.enter([2]string{who, key}) {
		return errUnderWay
	}
	defer s.underWay.leave([2]string{who, key})
	ctx := context.WithoutCancel(c.Context()) // a client that hangs up must not leave half of it behind
	sum := sha256.Sum256([]byte(c.Method + "\n" + c.URL.RequestURI() + "\n" + string(body)))
	mine := journal.Once{Who: who, Key: key, Hash: hex.EncodeToString(sum[:]), Firing: c.firing, Until: s.Clock().Add(keep)}
	there, err := s.Engine().Journal.Begin(ctx, mine, s.Clock())
	switch {
	case err != nil:
		return err
	case there.Hash != mine.Hash:
		return &Problem{kind: kindOtherBody, Detail: "that key came with another request before", Hint: "use a new key for each request"}
	case there.Status != 0:
		w.Header().Set("Idempotent-Replayed", "true")
		return writeJSON(w, there.Status, json.RawMessage(there.Answer))
	}
	c.firing = there.Firing
	status, answer, err := do()
	var refused *Problem
	if errors.As(err, &refused) { // nothing was changed; after any other error the repetition finds what was
		if forget := s.Engine().Journal.Forget(ctx, who, key); forget != nil {
			return forget
		}
	}
	if err != nil {
		return err
	}
	if there.Answer, err = json.Marshal(s.clean(answer)); err != nil {
		return err
	}
	there.Status = status
	if err := s.Engine().Journal.Answered(ctx, there); err != nil {
		return err
	}
	return writeJSON(w, status, json.RawMessage(there.Answer))
}
