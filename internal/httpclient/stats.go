package httpclient

import (
	"maps"
	"time"
)

// HostStats counts what happened between the client and one host since the client was made. Redirects count for the host that was asked.
type HostStats struct {
	Calls   int64 `json:"calls"`   // of Do and ReadAll
	Refused int64 `json:"refused"` // calls of which nothing was sent: breaker, rate limit and deadline, end of the context

	// Each attempt that was sent is one of these in the end: Sent = OK + Retried + Dead + Open.
	Sent    int64 `json:"sent"`
	OK      int64 `json:"ok"`      // a good answer, read as far as the caller read it
	Retried int64 `json:"retried"` // failed, and sent again
	Dead    int64 `json:"dead"`    // failed, and given up: what callers keep as dead letters
	Open    int64 `json:"open"`    // not known yet: under way, waiting for its repetition, or with a body that is still read

	Status     map[int]int64 `json:"status"`      // attempts by the status of their answer; 0 for those without
	Bytes      int64         `json:"bytes"`       // of bodies, unpacked
	RetryWaits Waits         `json:"retry_waits"` // before repetitions
	RateWaits  Waits         `json:"rate_waits"`  // for the rate limits

	Breaker      string    `json:"breaker"`                // Closed, Open or HalfOpen
	BreakerUntil time.Time `json:"breaker_until,omitzero"` // when an open one lets a request try
	BreakerOpens int64     `json:"breaker_opens"`
}

// Waits are some waits and how long they were together.
type Waits struct {
	Count int64         `json:"count"`
	Total time.Duration `json:"total_ns"`
}

func (w *Waits) add(d time.Duration) {
	if d > 0 {
		w.Count++
		w.Total += d
	}
}

// Balanced reports whether each attempt is accounted for.
func (s HostStats) Balanced() bool { return s.Sent == s.OK+s.Retried+s.Dead+s.Open }

// Attempt is what Deps.Observe is told.
type Attempt struct {
	Method, Host, URL string // the URL as it may be shown
	N                 int    // the first is 1
	Outcome           string // "ok", "retried" or "dead"
	Status            int    // 0 without an answer
	RequestID         string
	Err               string        // as it may be shown; empty when the status tells it
	Took              time.Duration // from sending to the end of the body
	Bytes             int64         // of the body, unpacked
}

// Outcomes of an attempt.
const (
	OK      = "ok"
	Retried = "retried"
	Dead    = "dead"
)

// Stats returns the counts for each host and port. It is a copy.
func (c *Client) Stats() map[string]HostStats {
	c.mu.Lock()
	hosts := maps.Clone(c.hosts)
	c.mu.Unlock()
	all := make(map[string]HostStats, len(hosts))
	for name, h := range hosts {
		h.mu.Lock()
		s := h.stats
		s.Status = maps.Clone(s.Status)
		h.mu.Unlock()
		s.Breaker, s.BreakerUntil, s.BreakerOpens = h.breaker.state()
		all[name] = s
	}
	return all
}

// count changes the counts of a host.
func (h *host) count(change func(*HostStats)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.stats)
}
