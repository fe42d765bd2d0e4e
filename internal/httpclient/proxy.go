package httpclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/net/http/httpproxy"
)

// noProxy as Config.Proxy keeps the environment's proxies away.
const noProxy = "none"

// newProxy returns what the transport asks for a proxy. It tells the guard about proxies and asks it about every URL that goes to one.
func newProxy(cfg Config, g *guard, log *slog.Logger) (func(*http.Request) (*url.URL, error), error) {
	found := &httpproxy.Config{}
	switch text := cfg.Proxy.Reveal(); text {
	case noProxy:
		return nil, nil
	case "":
		found = httpproxy.FromEnvironment()
	default:
		found.HTTPProxy, found.HTTPSProxy, found.NoProxy = text, text, cfg.NoProxy
	}
	for _, text := range []string{found.HTTPProxy, found.HTTPSProxy} {
		if text == "" {
			continue
		}
		address, err := proxyAddress(text)
		if err != nil {
			return nil, err
		}
		g.proxies[address] = true
	}
	if len(g.proxies) == 0 {
		return nil, nil
	}
	choose := found.ProxyFunc()
	var warned sync.Once
	return func(req *http.Request) (*url.URL, error) {
		proxy, err := choose(req.URL)
		if err != nil {
			return nil, errors.New("the proxy's URL cannot be read")
		}
		if proxy == nil && !g.proxies[address(req.URL)] {
			return nil, nil
		}
		if err := g.target(req.Context(), req.URL.Hostname()); err != nil {
			return nil, err
		}
		if proxy != nil {
			warned.Do(func() {
				log.Warn("requests go through a proxy: what it connects to is its own decision, addresses are only checked by what names resolve to here",
					"proxy", proxy.Scheme+"://"+proxy.Host)
			})
		}
		return proxy, nil
	}, nil
}

// proxyAddress returns the host:port of a proxy, as the transport dials it. Its errors do not hold the text: it may hold a password.
func proxyAddress(text string) (string, error) {
	u, err := url.Parse(text)
	if !strings.Contains(text, "://") {
		u, err = url.Parse("http://" + text) // as httpproxy does
	}
	if err != nil || u.Hostname() == "" {
		return "", errors.New("proxy: expected a URL such as http://proxy.example.com:3128")
	}
	if _, known := ports[u.Scheme]; !known {
		return "", fmt.Errorf("proxy: %s:// is not supported; use http, https, socks5 or socks5h", u.Scheme)
	}
	return address(u), nil
}

var ports = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// address returns host:port of a URL.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = ports[u.Scheme]
	}
	return strings.ToLower(net.JoinHostPort(u.Hostname(), port))
}

// proxyRefused ends a request that the proxy does not pass on.
type proxyRefused struct{ status string }

func (e proxyRefused) Error() string { return "the proxy refuses the connection: " + e.status }

// onConnect turns a proxy's answer to CONNECT into an error that says whose answer it is. A gateway that is down may come back.
func onConnect(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode >= 500:
		return errors.New("the proxy cannot connect: " + resp.Status)
	}
	return proxyRefused{resp.Status}
}
