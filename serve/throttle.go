package serve

import (
	"net/netip"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// The limits of logins that go wrong. An address waits after freeTries, twice as long each time; when there are more than
// mostTries in a minute, addresses with a failure wait for the next one.
const (
	freeTries    = 5
	firstWait    = time.Second
	longestWait  = 5 * time.Minute
	mostTries    = 100
	mostWatched  = 10_000
	forgottenTry = 15 * time.Minute
)

// throttle slows down who guesses. It holds no more than most addresses.
type throttle struct {
	clock clock.Clock
	most  int

	mu     sync.Mutex
	tries  map[netip.Addr]tries
	swept  time.Time // when old addresses were looked for last
	minute time.Time // that recent counts in
	recent int
}

type tries struct {
	wrong int
	last  time.Time
}

func newThrottle(c clock.Clock, most int) *throttle {
	return &throttle{clock: c, most: most, tries: map[netip.Addr]tries{}}
}

// try takes a try, or says how long the address has to wait for one. The try counts as one that went wrong until right says
// otherwise: of many at once only as many pass as may.
func (t *throttle) try(a netip.Addr) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, now := household(a), t.clock()
	if minute := now.Truncate(time.Minute); !minute.Equal(t.minute) {
		t.minute, t.recent = minute, 0
	}
	one, watched := t.tries[a]
	full := t.recent >= mostTries
	if full && (watched || !t.room(now)) { // whoever has not failed is let in, as long as it can be noted that they do
		return t.minute.Add(time.Minute).Sub(now)
	}
	if one.wrong >= freeTries {
		pause := min(firstWait<<min(one.wrong-freeTries, 16), longestWait)
		if wait := one.last.Add(pause).Sub(now); wait > 0 {
			return wait
		}
	}
	t.recent++
	if watched || t.room(now) {
		t.tries[a] = tries{one.wrong + 1, now}
	}
	return 0
}

// room says whether one more address can be watched. Those that have not tried for long make room, looked for once a minute.
func (t *throttle) room(now time.Time) bool {
	if len(t.tries) >= t.most && now.Sub(t.swept) >= time.Minute {
		t.swept = now
		for old, one := range t.tries {
			if now.Sub(one.last) > forgottenTry {
				delete(t.tries, old)
			}
		}
	}
	return len(t.tries) < t.most
}

// household is what one household or machine has: an address, and of IPv6 the 64 bits before those that it may choose.
func household(a netip.Addr) netip.Addr {
	if a.Is4() || !a.IsValid() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}

// right forgets what went wrong before: the login went well.
func (t *throttle) right(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.tries, household(a))
	t.recent = max(0, t.recent-1)
}
