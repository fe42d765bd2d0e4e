package httpclient

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/secret"
)

// Config says how a client behaves. The zero Config is a good one: each field tells what its zero value means.
type Config struct {
	// Attempts is how often a request is sent at most; 8 when zero, 1 never repeats.
	Attempts int
	// Backoff and MaxBackoff bound the wait before the n-th repetition where the server asks for none: anything between nothing and
	// min(MaxBackoff, Backoff·2ⁿ⁻¹), all equally likely ("full jitter"). 500 ms and 1 min when zero.
	Backoff, MaxBackoff time.Duration
	// RetryStatus lists the answers after which a request is sent again; 429, 500, 502, 503 and 504 when nil.
	RetryStatus []int

	// Rate is how many requests a second each host gets, after a first Burst; no limit when zero. Burst is Rate, rounded up, when zero.
	Rate  float64
	Burst int

	// BreakAfter failures of a host in a row stop all requests to it for BreakFor; then one may try. 10 and 30 s when zero; a negative
	// BreakAfter never stops.
	BreakAfter int
	BreakFor   time.Duration

	// ConnectTimeout, HandshakeTimeout (TLS) and HeaderTimeout (from the sent request to the answer's header) bound the steps of one
	// attempt: 10 s, 10 s and 1 min when zero. IdleTimeout bounds the wait for the next bytes of a body, not the whole of it: a slow
	// server is no broken one. 1 min when zero.
	ConnectTimeout, HandshakeTimeout, HeaderTimeout, IdleTimeout time.Duration
	// Deadline bounds everything together, from the call to the last byte of the body, waits included: 1 h when zero, none when negative.
	// A wait that would end after it is not begun.
	Deadline time.Duration

	// MaxBody is the longest body that ReadAll takes, unpacked; 64 MiB when zero.
	MaxBody int64
	// MaxRedirects is how many redirects are followed; 5 when zero, none when negative.
	MaxRedirects int

	// CAFile is a PEM file of authorities that are trusted instead of the system's. CertFile and KeyFile are the client's certificate.
	CAFile, CertFile, KeyFile string
	// Insecure accepts any certificate. Each client that does so warns in the log.
	Insecure bool

	// Proxy is the URL of a proxy; the environment's (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) when zero, and "none" for none. See guard.go
	// for what of the guard is left with a proxy.
	Proxy secret.Value
	// NoProxy lists what goes without the Proxy set above, written as NO_PROXY is.
	NoProxy string
	// AllowPrivate lists what may be connected to although its address is not public: host names, addresses, networks (10.0.0.0/8), or
	// "*" for all but 169.254.0.0/16. A name does not open link-local addresses. A cloud's metadata service is opened by its own
	// address only.
	AllowPrivate []string

	// UserAgent is what the client calls itself; millrace when empty.
	UserAgent string
}

// Deps is what a client needs of the world. The zero Deps works.
type Deps struct {
	Log     *slog.Logger                                        // slog.Default when nil
	Now     clock.Clock                                         // time.Now when nil
	Sleep   func(ctx context.Context, d time.Duration) error    // waits, or returns the cause of ctx's end; on a timer when nil
	Rand    func() float64                                      // a number in [0, 1); math/rand/v2 when nil
	Redact  func(string) string                                 // takes known secrets out of texts; may be nil
	Limiter *Limiter                                            // one more limit, that all clients of an account share; may be nil
	Observe func(Attempt)                                       // is told of each attempt when its fate is known, from many goroutines; may be nil
	Lookup  func(context.Context, string) ([]netip.Addr, error) // finds what the guard checks before a proxy is asked; the system's resolver when nil
}

// fill replaces what is zero by its default, and refuses what cannot be meant.
func (c *Config) fill() error {
	setDefault(&c.Attempts, 8)
	setDefault(&c.Backoff, 500*time.Millisecond)
	setDefault(&c.MaxBackoff, time.Minute)
	setDefault(&c.BreakAfter, 10)
	setDefault(&c.BreakFor, 30*time.Second)
	setDefault(&c.ConnectTimeout, 10*time.Second)
	setDefault(&c.HandshakeTimeout, 10*time.Second)
	setDefault(&c.HeaderTimeout, time.Minute)
	setDefault(&c.IdleTimeout, time.Minute)
	setDefault(&c.Deadline, time.Hour)
	setDefault(&c.MaxBody, 64<<20)
	setDefault(&c.MaxRedirects, 5)
	setDefault(&c.UserAgent, "millrace")
	if c.RetryStatus == nil {
		c.RetryStatus = []int{
			http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		}
	}
	times := []time.Duration{c.Backoff, c.MaxBackoff, c.BreakFor, c.ConnectTimeout, c.HandshakeTimeout, c.HeaderTimeout, c.IdleTimeout}
	switch {
	case slices.Min(times) < 0:
		return errors.New("a time span is negative")
	case c.Attempts < 0 || c.MaxBody < 0 || c.Burst < 0 || !(c.Rate >= 0):
		return errors.New("attempts, maximal body, rate and burst must not be negative")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("a client certificate needs both of its files, certificate and key")
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (d *Deps) fill() {
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Sleep == nil {
		d.Sleep = sleep
	}
	if d.Rand == nil {
		d.Rand = rand.Float64
	}
	if d.Redact == nil {
		d.Redact = func(text string) string { return text }
	}
	if d.Observe == nil {
		d.Observe = func(Attempt) {}
	}
	if d.Lookup == nil {
		d.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
