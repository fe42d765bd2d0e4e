package httpclient

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter spaces requests. One that is handed to several clients, as [Deps].Limiter, makes them share an account's limit, and all of
// them wait when the server tells one of them to.
type Limiter struct {
	mu     sync.Mutex
	bucket *rate.Limiter
	until  time.Time // nothing is sent before
}

// NewLimiter lets burst requests pass at once and then perSecond. Without a rate it only waits when a server asks for it; without
// a burst that is the rate, rounded up.
func NewLimiter(perSecond float64, burst int) *Limiter {
	limit := rate.Limit(perSecond)
	if perSecond <= 0 {
		limit = rate.Inf
	}
	if burst <= 0 {
		burst = int(min(max(math.Ceil(perSecond), 1), math.MaxInt32))
	}
	return &Limiter{bucket: rate.NewLimiter(limit, burst)}
}

// pause lets nothing pass before a time.
func (l *Limiter) pause(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.until) {
		l.until = until
	}
}

// reserve takes a place in the queue and tells how long it is; cancel gives it back.
func (l *Limiter) reserve(now time.Time) (wait time.Duration, cancel func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now
	if l.until.After(at) {
		at = l.until
	}
	r := l.bucket.ReserveN(at, 1)
	return max(at.Sub(now), r.DelayFrom(now)), func() { r.CancelAt(now) }
}

// paused returns for how long yet nothing passes.
func (l *Limiter) paused(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until.Sub(now)
}

// queue waits for its turn. The pause may be prolonged meanwhile. It returns how long it waited.
func (l *Limiter) queue(k *call) (waited time.Duration, err error) {
	now := k.c.deps.Now()
	wait, cancel := l.reserve(now)
	for ; wait > 0; wait = l.paused(k.c.deps.Now()) {
		if err = k.wait(wait); err != nil {
			cancel()
			return waited, err
		}
		waited += wait
	}
	return waited, nil
}
