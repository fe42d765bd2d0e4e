package httpclient

import (
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// breaker stops requests to a host that keeps failing: after some failures in a row it is open and lets nothing pass; after a while it is
// half open and lets one request pass, whose answer closes it or opens it again.
type breaker struct {
	host  string
	most  int // failures in a row; negative: never opens
	pause time.Duration
	now   clock.Clock

	mu       sync.Mutex
	era      int // grows with each change of state; what began in another era says nothing about this one
	failures int
	until    time.Time // open, or half open, since then; zero while closed
	probing  bool
	opened   int64
}

// State of a breaker.
const (
	Closed   = "closed"
	Open     = "open"
	HalfOpen = "half open"
)

// BreakerError says that a request was not sent because its host fails.
type BreakerError struct {
	Host     string
	Failures int       // in a row
	Until    time.Time // when a request may try again
	wait     time.Duration
}

// Error names the host and when it will be tried again.
func (e *BreakerError) Error() string {
	if e.wait <= 0 {
		return fmt.Sprintf("%s failed %d times in a row: one request is trying it, others are not sent until that one succeeds", e.Host, e.Failures)
	}
	return fmt.Sprintf("%s failed %d times in a row: nothing is sent to it before %s (in %s)",
		e.Host, e.Failures, e.Until.UTC().Format(time.RFC3339), round(e.wait))
}

// peek returns the error that a request would meet after a wait.
func (b *breaker) peek(wait time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusal(wait)
}

func (b *breaker) refusal(wait time.Duration) error {
	now := b.now()
	if b.until.IsZero() || !b.probing && !now.Add(wait).Before(b.until) {
		return nil
	}
	return &BreakerError{b.host, b.failures, b.until, b.until.Sub(now)}
}

// enter lets a request pass, or returns a BreakerError. leave is called once with what its end says, and before that, may be, with
// answering; it reports whether that opened the breaker.
func (b *breaker) enter() (leave func(health) bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.refusal(0); err != nil {
		return nil, err
	}
	b.probing = !b.until.IsZero()
	era := b.era
	return func(h health) bool { return b.leave(&era, h) }, nil
}

// health is what the end of an attempt says about its host.
type health int

const (
	unknown   health = iota // not about the host: the caller gave up, the host limits rates
	answering               // a good header has come, and the body is still to come
	healthy
	failing
)

func (b *breaker) leave(era *int, h health) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if *era != b.era || h == answering && !b.probing {
		return false
	}
	probe := b.probing
	b.probing = false
	switch h {
	case answering: // others need not wait for a body that may take an hour; but if it breaks off, that is the failure that opens it again
		b.until, b.failures = time.Time{}, b.most-1
		b.era++
		*era = b.era
	case healthy:
		b.failures = 0
		if probe {
			b.until = time.Time{}
			b.era++
		}
	case failing:
		b.failures++
		if opened = b.most > 0 && (probe || b.failures >= b.most); opened {
			b.until = b.now().Add(b.pause)
			b.era++
			b.opened++
		}
	}
	return opened
}

func (b *breaker) state() (state string, until time.Time, opened int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.until.IsZero():
		return Closed, time.Time{}, b.opened
	case b.now().Before(b.until):
		return Open, b.until, b.opened
	}
	return HalfOpen, b.until, b.opened
}

// round makes a time span short to read.
func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}
