package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// RefusedError is a setting that the server does not start with, with what to do.
type RefusedError struct {
	Err  error
	hint string
}

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns what was wrong.
func (e *RefusedError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *RefusedError) Hint() string { return e.hint }

// refuseOpenDoor refuses an address that other machines reach, unless what they send is encrypted and somebody was given a
// token. On this machine alone neither is needed: the link that is printed at the start lets people in.
func (s *Server) refuseOpenDoor(ctx context.Context) error {
	if isLoopback(s.Settings.Listen) {
		return nil
	}
	if !s.encrypted() && len(s.proxies) == 0 {
		return &RefusedError{fmt.Errorf("listen on %s: other machines reach that address, and what they send would not be encrypted", s.Settings.Listen),
			"give serve.tls: cert and key (--tls-cert, --tls-key); or name the proxies that end TLS in front of it in serve.trusted_proxies:; or listen on 127.0.0.1"}
	}
	if s.encrypted() {
		if _, err := s.tlsConfig(); err != nil {
			return err
		}
	}
	tokens, err := s.Engine().Journal.Tokens(ctx)
	if err != nil {
		return err
	}
	tokens = slices.DeleteFunc(tokens, func(t journal.Token) bool { return !s.valid(t, "").roles.may(Viewer) })
	if len(tokens) == 0 && s.Engine().Project.Serve.Tokens.Len() == 0 {
		return &RefusedError{fmt.Errorf("listen on %s: nobody has a token that is valid, and there is no default one", s.Settings.Listen),
			"millrace tokens add NAME --role operator makes one; serve.tokens: takes one from a secret store"}
	}
	return nil
}

// isLoopback says whether only this machine reaches the address.
func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// allowedHosts are the names by which the server may be asked for. A page of a stranger whose name is made to point here asks
// under that name, and is refused. Empty: any name, behind TLS, where such a page fails at the certificate.
func allowedHosts(c models.Serve) map[string]bool {
	hosts := map[string]bool{}
	for _, h := range c.AllowedHosts {
		hosts[strings.ToLower(h)] = true
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Host != "" {
		hosts[strings.ToLower(u.Hostname())] = true
	}
	if isLoopback(c.Listen) {
		for _, h := range []string{"localhost", "127.0.0.1", "::1"} {
			hosts[h] = true
		}
		host, _, _ := net.SplitHostPort(c.Listen)
		hosts[host] = true
	}
	return hosts
}

// originOf is scheme and host of a URL.
func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Scheme + "://" + u.Host
}

// client is the address that a request comes from: of the peer, or of whom a trusted proxy forwards.
func (s *Server) client(r *http.Request) netip.Addr {
	addr := peer(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr
}

func peer(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().Unmap()
}

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// secure says whether what the browser sends is encrypted on its way.
func (s *Server) secure(r *http.Request) bool {
	return r.TLS != nil || s.trusted(peer(r)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// refuseStranger refuses a request that comes past the proxies, or under a name that is not the server's.
func (s *Server) refuseStranger(r *http.Request) error {
	if len(s.proxies) > 0 && !s.encrypted() && !s.trusted(peer(r)) && !(isLoopback(s.Settings.Listen) && peer(r).IsLoopback()) {
		return &Problem{kind: kindForbidden, Detail: "only proxies of serve.trusted_proxies are answered", Hint: "go through the proxy, or add its address"}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if len(s.hosts) > 0 && !s.hosts[host] {
		return &Problem{kind: kindHost, Detail: fmt.Sprintf("the server does not go by the name %q", cut(host, 100)), Hint: "add the name to serve.allowed_hosts, or set serve.public_url"}
	}
	return nil
}

var errCrossOrigin = errors.New("the request comes from a page of another site")
