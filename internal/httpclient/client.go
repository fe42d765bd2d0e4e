package httpclient

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Client sends requests. It is safe for concurrent use; make one for each set of settings and keep it.
type Client struct {
	cfg  Config
	deps Deps
	http *http.Client
	base *http.Transport

	mu    sync.Mutex
	hosts map[string]*host
}

// host is what the client knows of one host and port.
type host struct {
	limiter *Limiter
	breaker *breaker

	mu    sync.Mutex
	stats HostStats
}

// New makes a client. Close it when it is done with.
func New(cfg Config, deps Deps) (*Client, error) {
	deps.fill()
	if err := cfg.fill(); err != nil {
		return nil, fmt.Errorf("http client: %w", err)
	}
	c := &Client{cfg: cfg, deps: deps, hosts: map[string]*host{}}
	if err := c.connectBy(); err != nil {
		return nil, fmt.Errorf("http client: %w", err)
	}
	if cfg.Insecure {
		deps.Log.Warn("certificates of servers are not verified (insecure): anyone on the way can read and change what is sent and received")
	}
	return c, nil
}

// connectBy makes the transport: guard, proxy, TLS and the times that one connection may take.
func (c *Client) connectBy() error {
	guard, err := newGuard(c.cfg.AllowPrivate)
	if err != nil {
		return err
	}
	guard.lookup = c.deps.Lookup
	proxy, err := newProxy(c.cfg, guard, c.deps.Log)
	if err != nil {
		return err
	}
	secured, err := tlsConfig(c.cfg)
	if err != nil {
		return err
	}
	c.base = &http.Transport{
		Proxy:                  proxy,
		OnProxyConnectResponse: onConnect,
		DialContext:            guard.dialer(net.Dialer{Timeout: c.cfg.ConnectTimeout, KeepAlive: 30 * time.Second}),
		TLSClientConfig:        secured,
		TLSHandshakeTimeout:    c.cfg.HandshakeTimeout,
		ResponseHeaderTimeout:  c.cfg.HeaderTimeout,
		MaxResponseHeaderBytes: 1 << 20,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	c.http = &http.Client{Transport: hop{c.base, c.cfg.IdleTimeout}, CheckRedirect: redirects(c.cfg.MaxRedirects)}
	return nil
}

// Close lets go of connections that are kept for later requests.
func (c *Client) Close() { c.base.CloseIdleConnections() }

// host returns what is known of a host, by its host:port.
func (c *Client) host(name string) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[name]
	if h == nil {
		h = &host{
			limiter: NewLimiter(c.cfg.Rate, c.cfg.Burst),
			breaker: &breaker{host: name, most: c.cfg.BreakAfter, pause: c.cfg.BreakFor, now: c.deps.Now},
			stats:   HostStats{Status: map[int]int64{}},
		}
		c.hosts[name] = h
	}
	return h
}

// Do sends a request until it is answered well, and returns the answer with its body unread: the caller closes it. A body that breaks off
// while the caller reads is an error of Read, never a short body, and cannot be asked for again here. Errors are of type *Error.
//
// One kind of truncation HTTP cannot show: a body of HTTP/1.0 without Content-Length ends where the connection does.
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	k, err := c.call(ctx, r)
	if err != nil {
		return nil, err
	}
	t, err := k.run()
	if err != nil {
		k.cancel()
		return nil, err
	}
	return k.handOver(t), nil
}

// Answer is an answer with its whole body.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ReadAll sends a request until it is answered well and the body has come whole. A body longer than Config.MaxBody is an error
// (ErrTooLong), and no more than that of it is read. Errors are of type *Error.
func (c *Client) ReadAll(ctx context.Context, r Request) (*Answer, error) {
	k, err := c.call(ctx, r)
	if err != nil {
		return nil, err
	}
	defer k.cancel()
	k.whole = true
	t, err := k.run()
	if err != nil {
		return nil, err
	}
	k.leave(t, healthy)
	k.settle(t, OK)
	return &Answer{t.status, t.resp.Header, t.read}, nil
}
