package serve

import (
	"net/netip"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// The limits of logins that go wrong. An address waits after freeTries, twice as long each time; all together wait when there
// are more than mostTries in a minute.
const (
	freeTries    = 5
	firstWait    = time.Second
	longestWait  = 5 * time.Minute
	mostTries    = 100
	mostWatched  = 10_000
	forgottenTry = 15 * time.Minute
)

// throttle slows down who guesses. It holds no more than mostWatched addresses.
type throttle struct {
	clock clock.Clock

	mu     sync.Mutex
	tries  map[netip.Addr]tries
	minute time.Time // that recent counts in
	recent int
}

type tries struct {
	wrong int
	last  time.Time
}

func newThrottle(c clock.Clock) *throttle {
	return &throttle{clock: c, tries: map[netip.Addr]tries{}}
}

// wait is how long the address has to wait before it is looked at again; 0 when it need not.
func (t *throttle) wait(a netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	if minute := now.Truncate(time.Minute); t.recent >= mostTries && minute.Equal(t.minute) {
		return minute.Add(time.Minute).Sub(now)
	}
	one := t.tries[a]
	if one.wrong < freeTries {
		return 0
	}
	pause := min(firstWait<<min(one.wrong-freeTries, 16), longestWait)
	return max(0, one.last.Add(pause).Sub(now))
}

// wrong notes a login that went wrong.
func (t *throttle) wrong(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	if minute := now.Truncate(time.Minute); !minute.Equal(t.minute) {
		t.minute, t.recent = minute, 0
	}
	t.recent++
	if len(t.tries) >= mostWatched {
		for old, one := range t.tries {
			if now.Sub(one.last) > forgottenTry {
				delete(t.tries, old)
			}
		}
	}
	one := t.tries[a]
	if one.wrong == 0 && len(t.tries) >= mostWatched {
		return // the limit of all together holds
	}
	t.tries[a] = tries{one.wrong + 1, now}
}

// right forgets what went wrong before.
func (t *throttle) right(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.tries, a)
}
